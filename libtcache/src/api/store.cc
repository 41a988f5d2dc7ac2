// SPDX-License-Identifier: MIT
#include "../store.hh"
#include "common/api.hh"
#include <tcache/store.h>

using tcache::BlobRef;
using tcache::DiskLayer;
using tcache::EntryFile;
using tcache::Key;
using tcache::Totals;
using tessera::Code;
using tessera::Status;
using tessera::api::done;
using tessera::api::error;

struct tcache_store : tcache::Store {
  using Store::Store;
};
struct tcache_build : tcache::Build {};

static_assert(TCACHE_MAX_ENTRY_BYTES == tcache::max_payload);
static_assert(TCACHE_FROM_THREAD == static_cast<uint32_t>(tcache::Source::THREAD));
static_assert(TCACHE_DISK_READ_WRITE == static_cast<uint32_t>(tcache::Access::WRITE));
static_assert(TCACHE_LOG_DEBUG == static_cast<uint32_t>(tessera::LogLevel::DEBUG));

static Key from_public(const tcache_key *key) {
  Key hash;
  std::memcpy(hash.bytes, key->bytes, sizeof hash.bytes);
  return hash;
}

static tcache_key to_public(const Key &hash) {
  tcache_key key;
  std::memcpy(key.bytes, hash.bytes, sizeof key.bytes);
  return key;
}

/// A struct_size that ends inside a field would give us half a pointer.
static bool ends_between_fields(size_t size) {
  switch (size) {
  case offsetof(tcache_open_params, dir):
  case offsetof(tcache_open_params, max_bytes):
  case offsetof(tcache_open_params, max_entries):
  case offsetof(tcache_open_params, memory_bytes):
  case offsetof(tcache_open_params, flags):
  case offsetof(tcache_open_params, upper_count):
  case offsetof(tcache_open_params, upper):
  case offsetof(tcache_open_params, log):
  case offsetof(tcache_open_params, log_user):
    return true;
  default:
    return size >= sizeof(tcache_open_params);
  }
}

static Status read_open_params(const tcache_open_params *user, tcache::StoreOptions *options) {
  tcache_open_params params = TCACHE_OPEN_PARAMS_INIT;
  TESSERA_TRY(tessera::api::read_params(user, &params, "tcache_open_params"));
  if (user && !ends_between_fields(user->struct_size))
    return tessera::fail(Code::INVALID_ARGUMENT,
                         "tcache_open_params.struct_size is %zu: it ends inside a field", user->struct_size);
  constexpr uint32_t known =
      TCACHE_OPEN_READ_ONLY | TCACHE_OPEN_NO_DISK | TCACHE_OPEN_NO_MEMORY | TCACHE_OPEN_NO_SYNC;
  if (params.flags & ~known)
    return tessera::fail(Code::INVALID_ARGUMENT, "tcache_open_params.flags: unknown bits 0x%x",
                         params.flags & ~known);
  if (params.upper_count > 64)
    return tessera::fail(Code::INVALID_ARGUMENT,
                         "tcache_open_params.upper_count is %u, at most 64 are allowed", params.upper_count);
  if (params.upper_count && !params.upper)
    return tessera::fail(Code::INVALID_ARGUMENT, "tcache_open_params.upper is NULL, but upper_count is %u",
                         params.upper_count);
  for (uint32_t i = 0; i < params.upper_count; ++i) {
    if (!params.upper[i])
      return tessera::fail(Code::INVALID_ARGUMENT, "tcache_open_params.upper[%u] is NULL", i);
    options->upper.push_back(params.upper[i]);
  }
  if (params.dir && !*params.dir)
    return tessera::fail(Code::INVALID_ARGUMENT,
                         "tcache_open_params.dir is empty: NULL is the default directory");
  if (params.dir) options->dir = params.dir;
  options->max_bytes = params.max_bytes;
  options->max_entries = params.max_entries;
  options->memory_bytes = params.memory_bytes;
  options->read_only = params.flags & TCACHE_OPEN_READ_ONLY;
  options->no_disk = params.flags & TCACHE_OPEN_NO_DISK;
  options->no_memory = params.flags & TCACHE_OPEN_NO_MEMORY;
  options->no_sync = params.flags & TCACHE_OPEN_NO_SYNC;
  options->log = {params.log, params.log_user};
  return {};
}

/// What a callback of the public kind needs, handed through the private one.
struct PublicBuild {
  tcache_build_fn fn;
  void *user;
};

static int32_t run_public_build(void *user, tcache::Build *build) {
  const PublicBuild *call = static_cast<const PublicBuild *>(user);
  return call->fn(call->user, static_cast<tcache_build *>(build));
}

#define REQUIRE(condition, text)                                                                             \
  do {                                                                                                       \
    if (!(condition)) return error(Code::INVALID_ARGUMENT, text);                                            \
  } while (0)

extern "C" {

tcache_status tcache_open(const tcache_open_params *params, tcache_store **out) {
  REQUIRE(out, "out is NULL");
  *out = nullptr;
  tcache::StoreOptions options;
  if (Status status = read_open_params(params, &options); !status.ok()) return done(status);
  *out = new tcache_store(std::move(options));
  return TCACHE_OK;
}

void tcache_close(tcache_store *store) { delete store; }

const char *tcache_dir(const tcache_store *store) { return store ? store->disk().place().dir.c_str() : ""; }

const char *tcache_note(const tcache_store *store) { return store ? store->disk().place().note.c_str() : ""; }

tcache_status tcache_get(tcache_store *store, const tcache_key *key, tcache_blob **out) {
  REQUIRE(out, "out is NULL");
  *out = nullptr;
  REQUIRE(store, "store is NULL");
  REQUIRE(key, "key is NULL");
  BlobRef blob;
  Status status = store->get(from_public(key), &blob);
  if (status.ok()) *out = blob.take();
  return done(status);
}

tcache_status tcache_put(tcache_store *store, const tcache_key *key, const void *data, size_t size) {
  REQUIRE(store, "store is NULL");
  REQUIRE(key, "key is NULL");
  REQUIRE(data || !size, "data is NULL, but size is not 0");
  return done(store->put(from_public(key), data, size));
}

tcache_status tcache_build_write(tcache_build *build, const void *data, size_t size) {
  REQUIRE(build, "build is NULL");
  REQUIRE(data || !size, "data is NULL, but size is not 0");
  if (build->too_long || size > TCACHE_MAX_ENTRY_BYTES - build->bytes.size()) {
    build->too_long = true;
    return error(Code::LIMIT, "the result passes %llu bytes",
                 static_cast<unsigned long long>(TCACHE_MAX_ENTRY_BYTES));
  }
  if (size) build->bytes.append(static_cast<const char *>(data), size);
  return TCACHE_OK;
}

tcache_status tcache_build_message(tcache_build *build, const char *text) {
  REQUIRE(build, "build is NULL");
  REQUIRE(text, "text is NULL");
  build->message = text;
  return TCACHE_OK;
}

tcache_status tcache_get_or_build(tcache_store *store, const tcache_key *key, tcache_build_fn build,
                                  void *user, tcache_blob **out, uint32_t *from) {
  REQUIRE(out, "out is NULL");
  *out = nullptr;
  REQUIRE(store, "store is NULL");
  REQUIRE(key, "key is NULL");
  REQUIRE(build, "build is NULL");
  PublicBuild call{build, user};
  BlobRef blob;
  tcache::Source source = tcache::Source::BUILD;
  Status status = store->get_or_build(from_public(key), run_public_build, &call, &blob, &source);
  if (from) *from = static_cast<uint32_t>(source);
  if (status.ok()) *out = blob.take();
  return done(status);
}

const void *tcache_blob_data(const tcache_blob *blob) { return blob ? blob->data() : nullptr; }

size_t tcache_blob_size(const tcache_blob *blob) { return blob ? blob->size() : 0; }

tcache_blob *tcache_blob_retain(tcache_blob *blob) {
  if (blob) blob->retain();
  return blob;
}

void tcache_blob_destroy(tcache_blob *blob) {
  if (blob) blob->release();
}

tcache_status tcache_remove(tcache_store *store, const tcache_key *key) {
  REQUIRE(store, "store is NULL");
  REQUIRE(key, "key is NULL");
  return done(store->remove(from_public(key)));
}

tcache_status tcache_clear(tcache_store *store) {
  REQUIRE(store, "store is NULL");
  return done(store->clear());
}

tcache_status tcache_prune(tcache_store *store, uint64_t max_bytes, uint64_t max_entries,
                           uint64_t *removed_entries, uint64_t *removed_bytes) {
  REQUIRE(store, "store is NULL");
  Totals removed;
  Status status = store->disk().prune(max_bytes, max_entries, &removed);
  if (removed_entries) *removed_entries = removed.entries;
  if (removed_bytes) *removed_bytes = removed.bytes;
  return done(status);
}

tcache_status tcache_list(tcache_store *store, tcache_entry_fn fn, void *user) {
  REQUIRE(store, "store is NULL");
  REQUIRE(fn, "fn is NULL");
  for (size_t i = 0; i < store->layers().size(); ++i) {
    std::vector<EntryFile> files;
    if (Status status = store->layers()[i].list(&files); !status.ok()) return done(status);
    for (const EntryFile &file : files) {
      tcache_entry entry{sizeof(tcache_entry), to_public(file.key),      file.size,
                         file.stamp,           static_cast<uint32_t>(i), 0};
      if (fn(user, &entry) != 0) return TCACHE_OK;
    }
  }
  return TCACHE_OK;
}

tcache_status tcache_verify(tcache_store *store, uint32_t flags, tcache_bad_fn fn, void *user,
                            uint64_t *checked, uint64_t *bad) {
  REQUIRE(store, "store is NULL");
  if (flags & ~uint32_t{TCACHE_VERIFY_REPAIR})
    return error(Code::INVALID_ARGUMENT, "flags: unknown bits 0x%x", flags & ~uint32_t{TCACHE_VERIFY_REPAIR});
  uint64_t checked_count = 0, bad_count = 0;
  Status result;
  for (size_t i = 0; i < store->layers().size(); ++i) {
    const DiskLayer &layer = store->layers()[i];
    std::vector<EntryFile> files;
    Status listed = layer.list(&files);
    if (!listed.ok() && result.ok()) result = listed;
    for (const EntryFile &file : files) {
      Status status = layer.check(file.key);
      if (status.code == Code::NOT_FOUND) continue; // deleted meanwhile
      ++checked_count;
      if (status.ok()) continue;
      ++bad_count;
      if (result.code != Code::CORRUPT) result = {Code::CORRUPT, status.message};
      tcache_key key = to_public(file.key);
      if (fn) fn(user, &key, layer.path_of(file.key).c_str(), status.message.c_str());
      if (i == 0 && (flags & TCACHE_VERIFY_REPAIR) && status.code == Code::CORRUPT) {
        layer.quarantine(file.key, status.message);
        store->count_quarantined();
      }
    }
  }
  if (checked) *checked = checked_count;
  if (bad) *bad = bad_count;
  return done(result);
}

tcache_status tcache_stat(tcache_store *store, tcache_stats *out) {
  REQUIRE(store, "store is NULL");
  REQUIRE(out, "out is NULL");
  REQUIRE(out->struct_size >= sizeof(size_t),
          "tcache_stats.struct_size: initialise the struct with its _INIT macro");
  tcache::StoreSizes sizes;
  if (Status status = store->sizes(&sizes); !status.ok()) return done(status);
  const tcache::Counters &counters = store->counters();
  tcache_stats stats = TCACHE_STATS_INIT;
  stats.entries = sizes.disk.entries;
  stats.bytes = sizes.disk.bytes;
  stats.max_entries = store->options().max_entries;
  stats.max_bytes = store->options().max_bytes;
  stats.memory_entries = sizes.memory.entries;
  stats.memory_bytes = sizes.memory.bytes;
  stats.quarantine_entries = sizes.quarantine_entries;
  stats.memory_hits = counters.memory_hits;
  stats.disk_hits = counters.disk_hits;
  stats.upper_hits = counters.upper_hits;
  stats.thread_hits = counters.thread_hits;
  stats.misses = counters.misses;
  stats.builds = counters.builds;
  stats.failed_builds = counters.failed_builds;
  stats.puts = counters.puts;
  stats.failed_puts = counters.failed_puts;
  stats.quarantined = counters.quarantined;
  stats.evicted = counters.evicted;
  stats.disk = static_cast<uint32_t>(store->disk().place().access);
  stats.upper_count = static_cast<uint32_t>(sizes.upper_count);
  size_t size = out->struct_size < sizeof stats ? out->struct_size : sizeof stats;
  stats.struct_size = out->struct_size;
  std::memcpy(out, &stats, size);
  return TCACHE_OK;
}

} // extern "C"
