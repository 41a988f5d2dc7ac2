// SPDX-License-Identifier: MIT
#include "store.hh"
#include "common/knobs.hh"
#include "memory.hh"
#include <condition_variable>
#include <map>
#include <mutex>
#include <strings.h>
#include <thread>
#include <time.h>
#include <unistd.h>

namespace tcache {

using tessera::Code;
using tessera::fail;
using tessera::Knob;
using tessera::log;
using tessera::LogLevel;
using tessera::Result;
using tessera::Status;

/// One key being fetched or built by one thread while others wait.
struct Store::Flight {
  std::thread::id owner;
  uint32_t users = 1; // the owner and those who wait; the last one deletes it
  bool done = false;
  Status status;
  BlobRef blob;
  std::condition_variable finished;
};

/// After fork another thread may have held the lock for ever and flights have lost their owners, so the child
/// starts with a new Live (see live()).
struct Store::Live {
  Live(pid_t process, uint64_t memory_bytes) : pid(process), memory(memory_bytes) {}
  const pid_t pid;
  std::mutex lock; // covers memory, flights and waiting; never held during a callback or a file operation
  MemoryLayer memory;
  std::map<Key, Flight *> flights;
  std::map<std::thread::id, Flight *> waiting; // who waits for what: finds waits that would never end
  Counters counters;

  void let_go(Flight *flight) {
    if (--flight->users == 0) delete flight;
  }
  /// Would the calling thread, waiting for this flight, wait for itself?
  bool waits_for_caller(Flight *flight) const {
    for (std::thread::id self = std::this_thread::get_id();;) {
      if (flight->owner == self) return true;
      auto next = waiting.find(flight->owner);
      if (next == waiting.end()) return false;
      flight = next->second;
    }
  }
};

static int64_t monotonic_s() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec;
}

static uint64_t size_knob(Knob knob, const tessera::LogSink &sink) {
  Result<uint64_t> value = tessera::knob_size(knob);
  if (value.ok()) return value.value;
  log(sink, LogLevel::WARNING, "%s; its default is used", value.status.message.c_str());
  uint64_t fallback = 0;
  tessera::parse_size(tessera::knob_default(knob), &fallback);
  return fallback;
}

static void apply_knobs(StoreOptions *options) {
  if (options->max_bytes == 0) options->max_bytes = size_knob(Knob::CACHE_MAX_BYTES, options->log);
  if (options->max_entries == 0) options->max_entries = size_knob(Knob::CACHE_MAX_ENTRIES, options->log);
  if (options->memory_bytes == 0) options->memory_bytes = size_knob(Knob::CACHE_MEMORY_BYTES, options->log);
  if (options->no_memory) options->memory_bytes = 0;
  const char *mode = tessera::knob_text(Knob::CACHE);
  if (::strcasecmp(mode, "off") == 0)
    options->no_disk = true;
  else if (::strcasecmp(mode, "ro") == 0)
    options->read_only = true;
  else if (::strcasecmp(mode, "rw") != 0)
    log(options->log, LogLevel::WARNING, "%s is \"%s\": expected rw, ro or off; its default is used",
        tessera::knob_name(Knob::CACHE), mode);
  Result<bool> sync = tessera::knob_flag(Knob::CACHE_SYNC);
  if (!sync.ok())
    log(options->log, LogLevel::WARNING, "%s; its default is used", sync.status.message.c_str());
  else if (!sync.value)
    options->no_sync = true;
}

static Place open_main_place(const StoreOptions &options) {
  Place place;
  if (options.no_disk) {
    place.note = "the cache is opened without a directory";
    return place;
  }
  std::string dir = options.dir;
  if (dir.empty()) {
    Result<std::string> found = default_dir();
    if (!found.ok()) {
      place.note = found.status.message;
      place.warn = true;
      return place;
    }
    dir = found.value;
  }
  return open_place(dir, options.read_only ? Use::READ_ONLY : Use::WRITE);
}

Store::Store(StoreOptions options) : options_(std::move(options)) {
  apply_knobs(&options_);
  DiskOptions disk;
  disk.max_bytes = options_.max_bytes;
  disk.max_entries = options_.max_entries;
  disk.sync = !options_.no_sync;
  disk.log = options_.log;
  disk.now_ns = options_.now_ns;
  layers_.emplace_back(open_main_place(options_), disk);
  for (const std::string &dir : options_.upper) {
    if (options_.no_disk) break;
    layers_.emplace_back(open_place(dir, Use::UPPER), disk);
  }
  for (const DiskLayer &layer : layers_)
    if (layer.place().warn) log(options_.log, LogLevel::WARNING, "%s", layer.place().note.c_str());
  live_.store(new Live(::getpid(), options_.memory_bytes));
}

Store::~Store() { delete &live(); }

Store::Live &Store::live() {
  pid_t pid = ::getpid();
  Live *old = live_.load(std::memory_order_acquire);
  if (old->pid == pid) return *old;
  // The parent's one is left alone for good: it may be locked, or half changed.
  Live *fresh = new Live(pid, options_.memory_bytes);
  if (live_.compare_exchange_strong(old, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *old;
}

const Counters &Store::counters() { return live().counters; }
void Store::count_quarantined() { ++live().counters.quarantined; }

Status Store::load(Live &live, const Key &key, BlobRef *out, Source *source) {
  Status first = fail(Code::NOT_FOUND, "no entry for key %s", tessera::to_hex(key).c_str());
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (!layers_[i].readable()) continue;
    Status status = layers_[i].load(key, out);
    if (status.ok()) {
      ++(i ? live.counters.upper_hits : live.counters.disk_hits);
      *source = i ? Source::UPPER : Source::DISK;
      return {};
    }
    if (status.code == Code::CORRUPT) {
      ++live.counters.quarantined;
      if (first.code == Code::NOT_FOUND)
        first = fail(Code::NOT_FOUND, "bad entry: %s", status.message.c_str());
    } else if (status.code != Code::NOT_FOUND) {
      log(options_.log, LogLevel::WARNING, "%s", status.message.c_str());
      first = status;
    }
  }
  ++live.counters.misses;
  return first;
}

Status Store::get(const Key &key, BlobRef *out) {
  Live &live = this->live();
  bool touch_due = false;
  {
    std::lock_guard<std::mutex> guard(live.lock);
    *out = live.memory.find(key, monotonic_s(), &touch_due);
  }
  if (*out) {
    ++live.counters.memory_hits;
    if (touch_due) disk().touch(key);
    return {};
  }
  Source source;
  TESSERA_TRY(load(live, key, out, &source));
  std::lock_guard<std::mutex> guard(live.lock);
  live.memory.insert(key, *out, monotonic_s());
  return {};
}

void Store::put_counted(Live &live, const Key &key, const void *data, size_t size, Status *status) {
  uint64_t evicted = 0;
  *status = disk().store(key, data, size, &evicted);
  ++(status->ok() ? live.counters.puts : live.counters.failed_puts);
  live.counters.evicted += evicted;
}

Status Store::put(const Key &key, const void *data, size_t size) {
  if (size > max_payload)
    return fail(Code::LIMIT, "an entry of %zu bytes: the format holds at most %llu", size,
                static_cast<unsigned long long>(max_payload));
  Live &live = this->live();
  BlobRef blob(tcache_blob::create(size));
  if (size) std::memcpy(blob->data(), data, size);
  {
    std::lock_guard<std::mutex> guard(live.lock);
    live.memory.insert(key, blob, monotonic_s());
  }
  if (options_.no_disk) return {};
  Status status;
  put_counted(live, key, data, size, &status);
  return status;
}

/// Runs the callback and makes its result a blob.
static Status run_build(const Key &key, BuildFn build, void *user, BlobRef *out) {
  Build result;
  int32_t code = build(user, &result);
  if (result.too_long)
    return fail(Code::LIMIT, "the build of key %s wrote more than %llu bytes", tessera::to_hex(key).c_str(),
                static_cast<unsigned long long>(max_payload));
  if (code != 0) {
    if (result.message.empty())
      result.message =
          tessera::format("the build of key %s failed with status %d", tessera::to_hex(key).c_str(), code);
    return {static_cast<Code>(code), result.message};
  }
  *out = BlobRef(tcache_blob::create(result.bytes.size()));
  std::memcpy((*out)->data(), result.bytes.data(), result.bytes.size());
  return {};
}

Status Store::get_or_build(const Key &key, BuildFn build, void *user, BlobRef *out, Source *source) {
  Live &live = this->live();
  bool touch_due = false;
  std::unique_lock<std::mutex> guard(live.lock);
  if (BlobRef hit = live.memory.find(key, monotonic_s(), &touch_due)) {
    guard.unlock();
    ++live.counters.memory_hits;
    if (touch_due) disk().touch(key);
    *out = hit;
    *source = Source::MEMORY;
    return {};
  }
  if (auto found = live.flights.find(key); found != live.flights.end()) {
    Flight *flight = found->second;
    if (!flight->done) {
      if (live.waits_for_caller(flight))
        return fail(Code::BUSY, "the build of key %s waits for itself", tessera::to_hex(key).c_str());
      ++flight->users;
      std::thread::id self = std::this_thread::get_id();
      live.waiting[self] = flight;
      while (!flight->done) flight->finished.wait(guard);
      live.waiting.erase(self);
    } else {
      ++flight->users;
    }
    Status status = flight->status;
    *out = flight->blob;
    live.let_go(flight);
    ++live.counters.thread_hits;
    *source = Source::THREAD;
    return status;
  }
  Flight *flight = new Flight;
  flight->owner = std::this_thread::get_id();
  live.flights[key] = flight;
  guard.unlock();

  // From here to the end of the flight this thread alone is responsible for the key.
  BlobRef blob;
  Status status = load(live, key, &blob, source);
  bool built = !status.ok();
  if (built) {
    *source = Source::BUILD;
    status = run_build(key, build, user, &blob);
    // The callback forked and we are the child: the flight's threads are not here, its lock may be taken.
    if (::getpid() != live.pid) {
      *out = blob;
      return status;
    }
    ++live.counters.builds;
    if (!status.ok()) ++live.counters.failed_builds;
  }
  *out = blob;
  guard.lock();
  flight->status = status;
  flight->blob = blob;
  flight->done = true;
  if (status.ok()) live.memory.insert(key, blob, monotonic_s());
  flight->finished.notify_all();
  if (built && status.ok() && !options_.no_disk) {
    // Late comers take the result from the finished flight while it goes to the disk (there may be no memory
    // layer to take it from).
    guard.unlock();
    Status stored;
    put_counted(live, key, blob->data(), blob->size(), &stored);
    if (!stored.ok()) log(options_.log, LogLevel::WARNING, "%s", stored.message.c_str());
    guard.lock();
  }
  live.flights.erase(key);
  live.let_go(flight);
  return status;
}

Status Store::remove(const Key &key) {
  Live &live = this->live();
  bool in_memory = false;
  {
    std::lock_guard<std::mutex> guard(live.lock);
    bool touch_due;
    in_memory = static_cast<bool>(live.memory.find(key, 0, &touch_due));
    live.memory.erase(key);
  }
  if (options_.no_disk)
    return in_memory ? Status{} : fail(Code::NOT_FOUND, "no entry for key %s", tessera::to_hex(key).c_str());
  Status status = disk().remove(key);
  return status.code == Code::NOT_FOUND && in_memory ? Status{} : status;
}

Status Store::clear() {
  Live &live = this->live();
  {
    std::lock_guard<std::mutex> guard(live.lock);
    live.memory.clear();
  }
  return options_.no_disk ? Status{} : disk().clear();
}

Status Store::sizes(StoreSizes *out) {
  Live &live = this->live();
  std::vector<EntryFile> files;
  TESSERA_TRY(disk().list(&files));
  out->disk.entries = files.size();
  for (const EntryFile &file : files) out->disk.bytes += file.size;
  out->quarantine_entries = disk().quarantine_entries();
  for (size_t i = 1; i < layers_.size(); ++i) out->upper_count += layers_[i].readable();
  std::lock_guard<std::mutex> guard(live.lock);
  out->memory = {live.memory.entries(), live.memory.bytes()};
  return {};
}

} // namespace tcache
