// SPDX-License-Identifier: MIT
// The default tables for cache and driver: siblings opened at run time, called by their public ABI.
#include "common/knobs.hh"
#include "session.hh"
#include "sibling.hh"
#include "tcache/store.h"
#include "tdriver/launch.h"
#include <cstdio>
#include <cstring>

namespace tkernels {

using tessera::fail;

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

std::string sibling_folders(const std::string &given) {
  if (!given.empty()) return given;
  const char *text = tessera::trusted_env("TESSERA_LIBRARY_PATH");
  return text ? text : "";
}

/// Resolves `field = &library function` for each row of a table.
struct Row {
  void **slot;
  const char *name;
};
static Status resolve(const Sibling &sibling, std::initializer_list<Row> rows) {
  for (const Row &row : rows) {
    auto symbol = sibling.symbol(row.name);
    if (!symbol.ok()) return symbol.status;
    *row.slot = symbol.value;
  }
  return tessera::ok_status();
}
#define FUNCTION(name) decltype(&::name) name = nullptr
#define ROW(table, name) \
  Row { reinterpret_cast<void **>(&(table)->name), #name }

static void say(tkernels_report *report, const char *text) { std::snprintf(report->text, sizeof(report->text), "%s", text); }

// ---- cache ------------------------------------------------------------------------------------------------------
namespace {
struct Cache {
  tcache_store *store = nullptr;
  FUNCTION(tcache_last_message);
  FUNCTION(tcache_open);
  FUNCTION(tcache_close);
  FUNCTION(tcache_key_create);
  FUNCTION(tcache_key_destroy);
  FUNCTION(tcache_key_add_bytes);
  FUNCTION(tcache_key_finish);
  FUNCTION(tcache_get_or_build);
  FUNCTION(tcache_build_write);
  FUNCTION(tcache_build_message);
  FUNCTION(tcache_blob_data);
  FUNCTION(tcache_blob_size);
  FUNCTION(tcache_blob_destroy);
  FUNCTION(tcache_remove);
};

struct Build { // carries one build through the cache's callback
  Cache *cache;
  tkernels_build_fn build;
  void *user;
};
} // namespace

static tkernels_status cache_make_key(void *user, const tkernels_key_field *fields, size_t count, tkernels_key *key,
                                      tkernels_report *report) {
  auto *c = static_cast<Cache *>(user);
  tcache_key_builder *builder = nullptr;
  tcache_status status = c->tcache_key_create("kernel", &builder);
  for (size_t i = 0; i < count && status == TCACHE_OK; ++i)
    status = c->tcache_key_add_bytes(builder, fields[i].name, fields[i].data, fields[i].size);
  tcache_key out;
  static_assert(sizeof(out) == sizeof(*key));
  if (status == TCACHE_OK) status = c->tcache_key_finish(builder, &out);
  if (status == TCACHE_OK) std::memcpy(key, &out, sizeof(out));
  else say(report, c->tcache_last_message());
  c->tcache_key_destroy(builder);
  return status;
}

static tcache_status run_build(void *user, tcache_build *build) {
  auto *b = static_cast<Build *>(user);
  struct Out {
    Cache *cache;
    tcache_build *build;
  } out{b->cache, build};
  auto write = [](void *p, const void *bytes, size_t size) -> tkernels_status {
    auto *o = static_cast<Out *>(p);
    return o->cache->tcache_build_write(o->build, bytes, size);
  };
  tkernels_report report{};
  tkernels_status status = b->build(b->user, write, &out, &report);
  if (status != TKERNELS_OK) b->cache->tcache_build_message(build, report.text);
  return status;
}

static tkernels_status cache_get_or_build(void *user, const tkernels_key *key, tkernels_build_fn build, void *build_user,
                                          tkernels_blob *blob, tkernels_report *report) {
  auto *c = static_cast<Cache *>(user);
  tcache_key k;
  std::memcpy(&k, key, sizeof(k));
  Build b{c, build, build_user};
  tcache_blob *bytes = nullptr;
  uint32_t from = 0;
  tcache_status status = c->tcache_get_or_build(c->store, &k, run_build, &b, &bytes, &from);
  if (status != TCACHE_OK) {
    say(report, c->tcache_last_message());
    return status;
  }
  *blob = {bytes, c->tcache_blob_data(bytes), c->tcache_blob_size(bytes), from, 0};
  return TKERNELS_OK;
}

static void cache_remove(void *user, const tkernels_key *key) {
  auto *c = static_cast<Cache *>(user);
  tcache_key k;
  std::memcpy(&k, key, sizeof(k));
  c->tcache_remove(c->store, &k);
}

static void cache_release(void *user, tkernels_blob *blob) {
  static_cast<Cache *>(user)->tcache_blob_destroy(static_cast<tcache_blob *>(blob->handle));
}

static void cache_destroy(void *user) {
  auto *c = static_cast<Cache *>(user);
  if (c->tcache_close) c->tcache_close(c->store);
  delete c;
}

Result<tkernels_cache_provider> open_default_cache(const std::string &library_path, const char *dir, uint32_t flags) {
  auto sibling = open_sibling("libtcache.so." TEXT(TCACHE_ABI_MAJOR), sibling_folders(library_path));
  if (!sibling.ok()) return sibling.status;
  auto *c = new Cache;
  Status status = resolve(sibling.value,
                          {ROW(c, tcache_last_message), ROW(c, tcache_open), ROW(c, tcache_close), ROW(c, tcache_key_create),
                           ROW(c, tcache_key_destroy), ROW(c, tcache_key_add_bytes), ROW(c, tcache_key_finish),
                           ROW(c, tcache_get_or_build), ROW(c, tcache_build_write), ROW(c, tcache_build_message),
                           ROW(c, tcache_blob_data), ROW(c, tcache_blob_size), ROW(c, tcache_blob_destroy), ROW(c, tcache_remove)});
  if (status.ok()) {
    tcache_open_params params = TCACHE_OPEN_PARAMS_INIT;
    params.dir = dir;
    params.flags = flags;
    if (tcache_status s = c->tcache_open(&params, &c->store); s != TCACHE_OK) status = {Code(s), c->tcache_last_message()};
  }
  if (!status.ok()) {
    delete c;
    return status;
  }
  return tkernels_cache_provider{sizeof(tkernels_cache_provider), c, cache_make_key, cache_get_or_build, cache_remove, cache_release, cache_destroy};
}

// ---- driver -----------------------------------------------------------------------------------------------------
namespace {
struct Driver {
  tdriver_driver *driver = nullptr; // NULL when the device is the program's own
  tdriver_device *device = nullptr;
  tdriver_stream *stream = nullptr; // its default stream, borrowed
  std::string name, native;
  FUNCTION(tdriver_last_message);
  FUNCTION(tdriver_create);
  FUNCTION(tdriver_destroy);
  FUNCTION(tdriver_device_open);
  FUNCTION(tdriver_device_close);
  FUNCTION(tdriver_device_get_info);
  FUNCTION(tdriver_stream_get_default);
  FUNCTION(tdriver_stream_synchronize);
  FUNCTION(tdriver_kernel_load);
  FUNCTION(tdriver_kernel_unload);
  FUNCTION(tdriver_launch);
};
} // namespace

static tkernels_status driver_answer(Driver *d, tdriver_status status, tkernels_report *report) {
  if (status != TDRIVER_OK) say(report, d->tdriver_last_message());
  return status;
}

static tkernels_status driver_load(void *user, const void *object, size_t size, void **kernel, tkernels_report *report) {
  auto *d = static_cast<Driver *>(user);
  tdriver_kernel *out = nullptr;
  tdriver_status status = d->tdriver_kernel_load(d->device, object, size, &out);
  *kernel = out;
  return driver_answer(d, status, report);
}

static void driver_unload(void *user, void *kernel) {
  static_cast<Driver *>(user)->tdriver_kernel_unload(static_cast<tdriver_kernel *>(kernel));
}

static tkernels_status driver_launch(void *user, void *kernel, void *stream, const uint32_t grid[3],
                                     const void *const *args, uint32_t nargs, tkernels_report *report) {
  auto *d = static_cast<Driver *>(user);
  return driver_answer(d, d->tdriver_launch(static_cast<tdriver_kernel *>(kernel), static_cast<tdriver_stream *>(stream), grid, args, nargs), report);
}

static tkernels_status driver_synchronize(void *user, void *stream, tkernels_report *report) {
  auto *d = static_cast<Driver *>(user);
  return driver_answer(d, d->tdriver_stream_synchronize(stream ? static_cast<tdriver_stream *>(stream) : d->stream), report);
}

static void driver_destroy(void *user) {
  auto *d = static_cast<Driver *>(user);
  if (d->driver) {
    d->tdriver_device_close(d->device);
    d->tdriver_destroy(d->driver);
  }
  delete d;
}

static Status open_device(Driver *d, const char *device, void *handle) {
  if (handle) d->device = static_cast<tdriver_device *>(handle);
  else {
    if (tdriver_status s = d->tdriver_create(nullptr, &d->driver); s != TDRIVER_OK) return {Code(s), d->tdriver_last_message()};
    if (tdriver_status s = d->tdriver_device_open(d->driver, device, &d->device); s != TDRIVER_OK)
      return {Code(s), d->tdriver_last_message()};
  }
  tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
  if (tdriver_status s = d->tdriver_device_get_info(d->device, &info); s != TDRIVER_OK) return {Code(s), d->tdriver_last_message()};
  if (tdriver_status s = d->tdriver_stream_get_default(d->device, &d->stream); s != TDRIVER_OK) return {Code(s), d->tdriver_last_message()};
  d->name = info.name;
  d->native = std::string(info.description) + "; " + info.features;
  return tessera::ok_status();
}

Result<tkernels_driver_provider> open_default_driver(const std::string &library_path, const char *device, void *handle) {
  auto sibling = open_sibling("libtdriver.so." TEXT(TDRIVER_ABI_MAJOR), sibling_folders(library_path));
  if (!sibling.ok()) return sibling.status;
  auto *d = new Driver;
  Status status = resolve(sibling.value,
                          {ROW(d, tdriver_last_message), ROW(d, tdriver_create), ROW(d, tdriver_destroy), ROW(d, tdriver_device_open),
                           ROW(d, tdriver_device_close), ROW(d, tdriver_device_get_info), ROW(d, tdriver_stream_get_default),
                           ROW(d, tdriver_stream_synchronize), ROW(d, tdriver_kernel_load), ROW(d, tdriver_kernel_unload), ROW(d, tdriver_launch)});
  if (status.ok()) status = open_device(d, device, handle);
  if (!status.ok()) {
    if (d->driver) {
      if (d->device) d->tdriver_device_close(d->device);
      d->tdriver_destroy(d->driver);
    }
    delete d;
    return status;
  }
  return tkernels_driver_provider{sizeof(tkernels_driver_provider), d, d->name.c_str(), d->native.c_str(), driver_load, driver_unload,
                                  driver_launch, driver_synchronize, driver_destroy};
}

} // namespace tkernels
