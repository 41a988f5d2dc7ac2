// SPDX-License-Identifier: MIT
// The objects behind the public handles. The front end (src/api) checks every argument and then calls the
// back end's table; a back end never sees these types, only its own objects and the `owner` cookie of a
// kernel.
#pragma once
#include "common/api.hh"
#include "common/tko.hh"
#include "tdriver/backend.h"
#include "tdriver/event.h"
#include "tdriver/graph.h"
#include "tdriver/launch.h"
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace tdriver {

using tessera::Code;
using tessera::fail;
using tessera::Status;

/// First member of every handle: what kind it is, and how many hold it.
struct Handle {
  uint32_t tag;
  std::atomic<uint32_t> references{1};
  explicit Handle(uint32_t t) : tag(t) {}
};
constexpr uint32_t tag_driver = 0x56524454, tag_device = 0x56454454, tag_memory = 0x4d454d54,
                   tag_stream = 0x52545354, tag_event = 0x544e5645, tag_kernel = 0x4e52454b,
                   tag_graph = 0x48505247, tag_dead = 0xdeadbeef;

template <class T> T *retain(T *object) {
  object->references.fetch_add(1, std::memory_order_relaxed);
  return object;
}
/// False when the last holder has gone already.
template <class T> bool try_retain(T *object) {
  uint32_t n = object->references.load(std::memory_order_relaxed);
  while (n && !object->references.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) {
  }
  return n;
}
template <class T> void release(T *object) {
  if (object && object->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    object->tag = tag_dead;
    delete object;
  }
}

} // namespace tdriver

struct tdriver_driver : tdriver::Handle {
  tdriver_params params = TDRIVER_PARAMS_INIT;
  std::mutex print_lock;
  std::mutex lock; // below
  std::vector<const tdriver_backend *> backends;
  std::vector<std::unique_ptr<std::string>> names; // handed out by tdriver_device_name
  tdriver_driver() : Handle(tdriver::tag_driver) {}
};

struct tdriver_device : tdriver::Handle {
  tdriver_driver *driver = nullptr;
  const tdriver_backend *backend = nullptr;
  std::string name;
  void *impl = nullptr;
  uint64_t max_programs = 0;
  tdriver_stream *default_stream = nullptr; // holds no reference to the device: it is a part of it
  std::mutex lock;
  std::vector<tdriver_stream *> streams; // alive ones, not retained
  tdriver_device() : Handle(tdriver::tag_device) {}
  ~tdriver_device();
};

struct tdriver_stream : tdriver::Handle {
  tdriver_device *device = nullptr;
  void *impl = nullptr;
  bool is_default = false;
  tdriver_stream() : Handle(tdriver::tag_stream) {}
  ~tdriver_stream();
};

struct tdriver_event : tdriver::Handle {
  tdriver_device *device = nullptr;
  void *impl = nullptr;
  std::atomic<bool> recorded{false};
  tdriver_event() : Handle(tdriver::tag_event) {}
  ~tdriver_event();
};

struct tdriver_memory : tdriver::Handle {
  tdriver_device *device = nullptr;
  void *pointer = nullptr;
  uint64_t size = 0;
  tdriver_memory_kind kind = TDRIVER_MEMORY_DEVICE;
  bool owned = false;
  tdriver_memory() : Handle(tdriver::tag_memory) {}
  ~tdriver_memory();
};

struct tdriver_kernel : tdriver::Handle {
  tdriver_device *device = nullptr;
  void *impl = nullptr;
  tessera::tko::Object object; // without code and image, which the back end has taken
  uint64_t code_bytes = 0;
  tdriver_kernel() : Handle(tdriver::tag_kernel) {}
  ~tdriver_kernel();
};

struct tdriver_graph : tdriver::Handle {
  tdriver_device *device = nullptr;
  void *impl = nullptr;
  tdriver_graph() : Handle(tdriver::tag_graph) {}
  ~tdriver_graph();
};

namespace tdriver {

/// A live handle of the right kind, else a status that names the parameter.
template <class T> Status expect(T *handle, uint32_t tag, const char *what) {
  if (!handle) return fail(Code::INVALID_ARGUMENT, "%s is NULL", what);
  if (handle->tag != tag) return fail(Code::INVALID_ARGUMENT, "%s is not a handle of that kind", what);
  return {};
}
#define TDRIVER_CHECK(expr)                                                                                  \
  do {                                                                                                       \
    if (::tessera::Status check_ = (expr); !check_.ok()) return ::tessera::api::done(check_);                \
  } while (0)

/// A back end's answer as a Status.
Status from_backend(tdriver_status status, const tdriver_report &report, const char *what);

/// The stream to use: the given one, which must be of `device` when that is known, or the default of
/// `device`.
Status pick_stream(tdriver_stream *stream, tdriver_device *device, tdriver_stream **out);

/// Copies the first struct_size bytes of `full` into the caller's info struct.
template <class T> Status write_info(T *user, T full, const char *name) {
  if (!user) return fail(Code::INVALID_ARGUMENT, "%s is NULL", name);
  size_t size = user->struct_size;
  if (size < sizeof(size_t) || size > 65536)
    return fail(Code::INVALID_ARGUMENT, "%s.struct_size is %zu: initialise the struct with its _INIT macro",
                name, size);
  full.struct_size = size;
  std::memcpy(user, &full, std::min(size, sizeof(T)));
  return {};
}

/// Checks one launch's arguments against the kernel's promises.
Status check_arguments(const tessera::tko::Object &object, const void *const *args, uint32_t nargs);

/// Debug mode: pointer arguments that the kernel's device cannot reach, as far as its driver knows.
Status check_pointers(tdriver_kernel *kernel, const void *const *args, uint32_t nargs);

/// What tt.print writes for one operand of one program, lines and all; public for tests.
std::string print_text(const tessera::tko::Message &message, const uint32_t grid[3], uint64_t program,
                       const void *values, uint64_t count);
std::string record_text(const tessera::tko::Object &object, const tdriver_record &record);

/// The table of services that back ends get.
void host_table(const tdriver_params &params, tdriver_host *host);

Status register_backend(tdriver_driver *driver, const tdriver_backend *backend);

/// One launch that can be repeated.
struct Launch {
  tdriver_kernel *kernel;
  tdriver_stream *stream; // never NULL
  const uint32_t *grid;
  const void *const *args;
  uint32_t nargs;
  /// `stream` is a back end's stream to use instead.
  Status start(void *other = nullptr) const;
};
Status benchmark(const Launch &launch, const tdriver_benchmark_params &params, tdriver_benchmark_result *result);

/// The built-in back ends.
const tdriver_backend *cpu_backend();
const tdriver_backend *cuda_backend();
const tdriver_backend *emu_backend();
const tdriver_backend *null_backend();

} // namespace tdriver
