// SPDX-License-Identifier: MIT
#include "session.hh"
#include <cstring>
#include <ctime>

namespace tkernels {

using tessera::fail;

/// Changes whenever the meaning of a key's fields, or what the session does between them, changes.
static constexpr char session_format[] = "session 0";

static uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * 1000000000u + uint64_t(t.tv_nsec);
}

Status from_report(tkernels_status status, const tkernels_report &report, const char *where) {
  if (status == TKERNELS_OK) return tessera::ok_status();
  if (report.text[0]) return {Code(status), report.text};
  return fail(Code(status), "%s failed without a message: %s", where, tessera::code_text(Code(status)));
}

static std::string to_hex(const tkernels_key &key) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : key.bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

bool Session::KeyOrder::operator()(const tkernels_key &a, const tkernels_key &b) const {
  return std::memcmp(a.bytes, b.bytes, sizeof(a.bytes)) < 0;
}

struct Session::Request {
  Session *session = nullptr;
  tkernels_compile_request compile{};
  std::string hex;
  uint64_t key_ns = 0, cache_ns = 0, compile_ns = 0, load_ns = 0;
  uint64_t object_bytes = 0;
  uint32_t from = TKERNELS_FROM_SESSION;
};

template <class T> static Status check_table(const T &table, const char *name, bool complete) {
  if (table.struct_size < sizeof(T)) return fail(Code::INVALID_ARGUMENT, "%s: struct_size is %zu, expected %zu", name, table.struct_size, sizeof(T));
  if (table.struct_size > sizeof(T)) return fail(Code::VERSION, "%s: struct_size is %zu, this library knows %zu", name, table.struct_size, sizeof(T));
  if (!complete) return fail(Code::INVALID_ARGUMENT, "%s: a required function or name is NULL", name);
  return tessera::ok_status();
}

static Status check_tables(const tkernels_session_params &p) {
  if (const auto *t = p.codegen) TESSERA_TRY(check_table(*t, "codegen provider", t->compile && t->identity && *t->identity));
  if (const auto *t = p.cache) TESSERA_TRY(check_table(*t, "cache provider", t->make_key && t->get_or_build && t->release));
  if (const auto *t = p.driver)
    TESSERA_TRY(check_table(*t, "driver provider", t->load && t->unload && t->launch && t->synchronize && t->device && t->native));
  return tessera::ok_status();
}

Result<Session *> Session::create(const tkernels_session_params &params) {
  TESSERA_TRY(check_tables(params));
  // Only an owned Session runs `destroy` of the tables, so a failure below must not leave a half-made one behind.
  auto *session = new Session;
  auto give_up = [&](Status status) {
    session->drop_reference();
    return status;
  };
  const std::string library_path = params.library_path ? params.library_path : "";
  if (params.cache) session->cache_ = *params.cache;
  else {
    auto cache = open_default_cache(library_path, params.cache_dir, params.cache_flags);
    if (!cache.ok()) return give_up(cache.status);
    session->cache_ = cache.value;
  }
  if (params.driver) session->driver_ = *params.driver;
  else {
    auto driver = open_default_driver(library_path, params.device ? params.device : "cpu", params.driver_device);
    if (!driver.ok()) return give_up(driver.status);
    session->driver_ = driver.value;
  }
  if (params.codegen) session->codegen_ = *params.codegen;
  else {
    auto codegen = default_codegen(library_path);
    if (!codegen.ok()) return give_up(codegen.status);
    session->codegen_ = codegen.value;
  }
  session->event_ = params.event;
  session->event_user_ = params.event_user;
  return session;
}

Session::~Session() {
  if (driver_.destroy) driver_.destroy(driver_.user);
  if (cache_.destroy) cache_.destroy(cache_.user);
  if (codegen_.destroy) codegen_.destroy(codegen_.user);
}

void Session::drop_reference() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void Session::tell(tkernels_event *event, const Request &request) const {
  if (!event_) return;
  event->struct_size = sizeof(*event);
  if (!event->message) event->message = "";
  event->source = request.compile.source_name;
  event->kernel = request.compile.kernel ? request.compile.kernel : "";
  event->target = request.compile.target;
  event->key = request.hex.c_str();
  event->key_ns = request.key_ns;
  event->cache_ns = request.cache_ns;
  event->compile_ns = request.compile_ns;
  event->load_ns = request.load_ns;
  event->object_bytes = request.object_bytes;
  event_(event_user_, event);
}

Status Session::make_key(const Request &request, tkernels_key *key) {
  const tkernels_compile_request &c = request.compile;
  const char *kernel = c.kernel ? c.kernel : "";
  size_t length = std::strlen(c.target);
  bool native = length >= 6 && std::strcmp(c.target + length - 6, "native") == 0;
  auto text = [](const char *name, const char *value) { return tkernels_key_field{name, value, std::strlen(value)}; };
  const tkernels_key_field fields[] = {
      text("format", session_format),
      {"ir", c.ir, c.ir_size},
      text("source", c.source_name), // stands in the locations of asserts
      text("kernel", kernel),
      text("target", c.target),
      text("machine", native ? driver_.native : ""),
      text("options", c.options),
      {"flags", &c.flags, sizeof(c.flags)},
      text("compiler", codegen_.identity),
  };
  tkernels_report report{};
  tkernels_status status = cache_.make_key(cache_.user, fields, sizeof(fields) / sizeof(fields[0]), key, &report);
  return from_report(status, report, "make_key");
}

/// The build callback of the cache: runs the compiler.
tkernels_status Session::build(void *user, tkernels_write_fn write, void *write_user, tkernels_report *report) {
  auto *request = static_cast<Request *>(user);
  const Session *self = request->session;
  struct Counted {
    tkernels_write_fn write;
    void *user;
    uint64_t bytes;
  } counted{write, write_user, 0};
  auto count = [](void *p, const void *bytes, size_t size) {
    auto *c = static_cast<Counted *>(p);
    c->bytes += size;
    return c->write(c->user, bytes, size);
  };
  tkernels_event before{};
  before.kind = TKERNELS_EVENT_BEFORE_COMPILE;
  self->tell(&before, *request);
  uint64_t start = now_ns();
  tkernels_status status = self->codegen_.compile(self->codegen_.user, &request->compile, count, &counted, report);
  request->compile_ns = now_ns() - start;
  request->object_bytes = counted.bytes;
  tkernels_event after{};
  after.kind = TKERNELS_EVENT_AFTER_COMPILE;
  after.status = status;
  after.message = report->text;
  self->tell(&after, *request);
  return status;
}

Status Session::load(Request *request, Kernel *kernel) {
  // A cached object that the driver refuses (another version's, or damaged in a way that no checksum sees) is dropped
  // and compiled again, once.
  for (int attempt = 0;; ++attempt) {
    tkernels_blob blob{};
    tkernels_report report{};
    uint64_t start = now_ns();
    tkernels_status status = cache_.get_or_build(cache_.user, &kernel->key, build, request, &blob, &report);
    request->cache_ns += now_ns() - start;
    if (status != TKERNELS_OK) return from_report(status, report, "the cache");
    request->from = blob.from;
    request->object_bytes = blob.size;
    start = now_ns();
    status = driver_.load(driver_.user, blob.data, blob.size, &kernel->handle, &report);
    request->load_ns += now_ns() - start;
    cache_.release(cache_.user, &blob);
    if (status == TKERNELS_OK) return tessera::ok_status();
    bool stale = status == TKERNELS_CORRUPT || status == TKERNELS_VERSION;
    if (attempt || request->from == TKERNELS_FROM_COMPILER || !stale || !cache_.remove) return from_report(status, report, "load");
    cache_.remove(cache_.user, &kernel->key);
  }
}

Status Session::prepare(const void *ir, size_t size, const tkernels_get_params &params, Request *request, tkernels_key *key) {
  if (params.flags & ~uint32_t(TKERNELS_GET_NO_PROMISES | TKERNELS_GET_KEEP_STAGES))
    return fail(Code::INVALID_ARGUMENT, "tkernels_get_params.flags is 0x%x: unknown bits", params.flags);
  request->session = this;
  tkernels_compile_request &c = request->compile;
  c.struct_size = sizeof(c);
  c.ir = ir;
  c.ir_size = size;
  c.source_name = params.source_name ? params.source_name : "<ir>";
  c.kernel = params.kernel && *params.kernel ? params.kernel : nullptr;
  c.target = params.target ? params.target : "cpu:native";
  c.options = params.options ? params.options : "";
  c.flags = params.flags;

  uint64_t start = now_ns();
  TESSERA_TRY(make_key(*request, key));
  request->key_ns = now_ns() - start;
  request->hex = to_hex(*key);
  return tessera::ok_status();
}

Status Session::compile(const void *ir, size_t size, const tkernels_get_params &params, tkernels_write_fn write, void *user,
                        uint32_t *from) {
  Request request;
  tkernels_key key;
  TESSERA_TRY(prepare(ir, size, params, &request, &key));
  tkernels_blob blob{};
  tkernels_report report{};
  uint64_t start = now_ns();
  Status result = from_report(cache_.get_or_build(cache_.user, &key, build, &request, &blob, &report), report, "the cache");
  request.cache_ns = now_ns() - start;
  tkernels_event event{};
  event.kind = TKERNELS_EVENT_GET;
  event.from = blob.from;
  event.status = tkernels_status(result.code);
  event.message = result.message.c_str();
  request.object_bytes = blob.size;
  tell(&event, request);
  TESSERA_TRY(std::move(result));
  tkernels_status written = write(user, blob.data, blob.size);
  if (from) *from = blob.from;
  cache_.release(cache_.user, &blob);
  return written == TKERNELS_OK ? tessera::ok_status() : fail(Code(written), "tkernels_session_compile: the write function returned %d", written);
}

Status Session::get(const void *ir, size_t size, const tkernels_get_params &params, Kernel **out) {
  Request request;
  tkernels_key key;
  TESSERA_TRY(prepare(ir, size, params, &request, &key));

  Status result = tessera::ok_status();
  Kernel *kernel = nullptr;
  bool mine = false;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    auto found = kernels_.find(key);
    if (found != kernels_.end()) {
      kernel = found->second;
      if (kernel->state == KernelState::loading && kernel->loader == std::this_thread::get_id())
        return fail(Code::BUSY, "tkernels_session_get: this thread is loading that kernel already (a call from an event?)");
      ++kernel->references;
      changed_.wait(lock, [&] { return kernel->state != KernelState::loading; });
      result = kernel->failure;
    } else {
      kernel = new Kernel;
      kernel->session = this;
      kernel->loader = std::this_thread::get_id();
      kernel->key = key;
      kernel->hex = request.hex;
      kernel->name = request.compile.kernel ? request.compile.kernel : "";
      kernels_.emplace(key, kernel);
      add_reference();
      mine = true;
    }
  }
  if (mine) {
    result = load(&request, kernel);
    std::lock_guard<std::mutex> lock(mutex_);
    kernel->state = result.ok() ? KernelState::ready : KernelState::failed;
    kernel->failure = result;
    // The next request tries again: what failed may have been a full disk or a missing library.
    if (!result.ok()) kernels_.erase(key);
    changed_.notify_all();
  }
  tkernels_event event{};
  event.kind = TKERNELS_EVENT_GET;
  event.from = request.from;
  event.status = tkernels_status(result.code);
  event.message = result.message.c_str();
  tell(&event, request);
  if (!result.ok()) {
    release(kernel);
    return result;
  }
  *out = kernel;
  return result;
}

void Session::retain(Kernel *kernel) {
  std::lock_guard<std::mutex> lock(mutex_);
  ++kernel->references;
}

void Session::release(Kernel *kernel) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (--kernel->references) return;
    auto found = kernels_.find(kernel->key);
    if (found != kernels_.end() && found->second == kernel) kernels_.erase(found);
  }
  if (kernel->handle) driver_.unload(driver_.user, kernel->handle);
  delete kernel;
  drop_reference();
}

Status Session::launch(Kernel *kernel, void *stream, const uint32_t grid[3], const void *const *args, uint32_t nargs) {
  tkernels_report report; // 4 KiB that need no clearing on this path
  report.text[0] = 0;
  if (!event_) return from_report(driver_.launch(driver_.user, kernel->handle, stream, grid, args, nargs, &report), report, "launch");
  Request request;
  request.compile.source_name = "";
  request.compile.kernel = kernel->name.c_str();
  request.compile.target = driver_.device;
  request.hex = kernel->hex;
  tkernels_event event{};
  event.kind = TKERNELS_EVENT_BEFORE_LAUNCH;
  event.from = TKERNELS_FROM_SESSION;
  std::memcpy(event.grid, grid, sizeof(event.grid));
  tell(&event, request);
  uint64_t start = now_ns();
  tkernels_status status = driver_.launch(driver_.user, kernel->handle, stream, grid, args, nargs, &report);
  event.launch_ns = now_ns() - start;
  event.kind = TKERNELS_EVENT_AFTER_LAUNCH;
  event.status = status;
  event.message = report.text;
  tell(&event, request);
  return from_report(status, report, "launch");
}

Status Session::synchronize(void *stream) {
  tkernels_report report{};
  return from_report(driver_.synchronize(driver_.user, stream, &report), report, "synchronize");
}

} // namespace tkernels
