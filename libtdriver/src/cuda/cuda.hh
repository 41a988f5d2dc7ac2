// SPDX-License-Identifier: MIT
// The objects of the cuda back end.
#pragma once
#include "api.hh"
#include "tdriver/backend.h"
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace tdriver::cuda {

tdriver_status answer(const Status &status, tdriver_report *report);

struct Device;
struct Kernel;

/// Where kernels leave records of asserts and traps: pinned memory that the device writes, and beside it, on the
/// host only, which launch each slot was given to. A launch takes the next of `ring` slots, so that a slot is used
/// again only `ring` launches later; launches that are captured into a graph keep theirs as long as the graph.
struct Records {
  static constexpr uint32_t ring = 4096, kept = 4096;
  struct alignas(64) Slot { // its own line: the device writes it
    tdriver_device_record record;
  };
  struct Use {
    std::atomic<Kernel *> kernel;
    uint32_t grid[3];
  };
  Slot *slots = nullptr;
  CUdeviceptr device = 0; // the same memory, as the device sees it
  std::unique_ptr<Use[]> uses;
  std::atomic<uint32_t> next{0};
  std::vector<uint32_t> free_kept;
};

/// One GPU's primary context, shared by all handles of that GPU. Never freed.
struct Primary {
  std::mutex lock; // below, but for what is atomic
  uint32_t references = 0;
  int ordinal = 0;
  CUcontext context = nullptr;
  std::atomic<bool> lost{false}; // after an error that the context does not survive
  bool reported = false;         // a synchronise has told of it
  Code code = Code::LAUNCH;
  std::string text;
  Records records;
  std::vector<std::unique_ptr<std::string>> names; // of kernels, for messages; live as long as the process
};

struct Device {
  Primary *primary = nullptr;
  tdriver_host host = {};
  int ordinal = 0;
  CUdevice device = 0;
  CUcontext context = nullptr; // primary->context
  std::string description, target;
  uint64_t memory_bytes = 0;
  int capability = 0, units = 0, max_threads = 0, shared = 0, unit_shared = 0, unit_registers = 0, l2 = 0,
      pageable = 0;
  int max_grid[3] = {};
  std::mutex lock; // below, but for the atomic
  std::vector<std::unique_ptr<tdriver_allocator>> allocators;
  std::atomic<const tdriver_allocator *> allocator{nullptr};

  bool blocked() const { return primary->lost.load(std::memory_order_relaxed) || forked(); }
};

/// Where the value of a tensor map's size or stride comes from.
struct Term {
  uint32_t source; // 0 constant, 1 i32 argument, 2 i64 argument
  uint32_t offset; // of that argument in the parameter buffer
  int64_t constant;
};

struct TensorMapRecipe {
  uint32_t base; // offset of the pointer in the parameter buffer
  uint8_t element, rank, swizzle, interleave, l2, fill;
  uint8_t bytes; // of an element
  Term size[5], stride[5];
  uint32_t box[5];
};

struct Hidden {
  uint32_t kind, offset, size;
  uint32_t what = 0;                                 // derived
  uint64_t program_bytes = 0, launch_bytes = 0;      // scratch
  uint64_t alignment = 0;                            // scratch
  std::unique_ptr<TensorMapRecipe> map;              // tensor map
};

struct Kernel {
  Device *device = nullptr;
  void *owner = nullptr;      // the front end's cookie
  const char *name = nullptr; // lives as long as the process
  std::string target;
  uint32_t code_kind = 0, params_end = 0, threads = 0, shared_bytes = 0;
  uint32_t cluster[3] = {1, 1, 1};
  bool persistent = false, uses_record = false, uses_scratch = false;
  std::vector<Hidden> hidden;
  LaunchAttribute attributes[3] = {};
  uint32_t attribute_count = 0;

  std::atomic<bool> ready{false}; // the members below do not change any more
  std::mutex lock;
  std::vector<char> code; // until it is loaded; PTX ends in a NUL
  CUlibrary library = nullptr;
  CUmodule module = nullptr; // drivers without libraries
  CUfunction function = nullptr;
  uint32_t params_size = 0; // what the driver is given
  int resident = 0;         // blocks of a multiprocessor
};

struct Stream {
  Device *device = nullptr;
  CUstream handle = nullptr;
  bool owned = false;
  std::atomic<bool> capturing{false};         // by graph_begin
  std::atomic<const char *> last{nullptr};    // kernel launched last, for messages
  struct Block {
    CUdeviceptr pointer;
    uint64_t size;
  };
  std::atomic<Block *> scratch{nullptr};
  std::mutex lock; // below
  std::vector<std::unique_ptr<Block>> blocks;  // all that scratch ever was: launches may still use the older ones
  std::vector<CUdeviceptr> captured_memory;    // of the graph being recorded
  std::vector<uint32_t> captured_slots;
};

struct Event {
  Device *device = nullptr;
  CUevent handle = nullptr;
};

struct Graph {
  Device *device = nullptr;
  CUgraphExec exec = nullptr;
  std::vector<CUdeviceptr> memory;
  std::vector<uint32_t> slots;
};

/// Makes a context current for a scope, if it is not already.
class Current {
public:
  explicit Current(CUcontext wanted) {
    CUcontext now = nullptr;
    if (api.cuCtxGetCurrent(&now) == success && now == wanted) [[likely]]
      return;
    result = api.cuCtxPushCurrent(wanted);
    pushed_ = result == success;
  }
  ~Current() {
    CUcontext out;
    if (pushed_) api.cuCtxPopCurrent(&out);
  }
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;
  CUresult result = success;

private:
  bool pushed_ = false;
};

/// What to say instead of calling a driver that cannot answer: the device is lost, or this is a forked child.
[[gnu::cold]] tdriver_status refuse(Device *device, tdriver_report *report);
/// An error of the vendor's driver as a status with its name, text, what was being done and, if known, the kernel.
/// One that the context does not survive marks the device as lost. `reports`: the caller is a synchronise, whose
/// answer counts as having told of it.
[[gnu::cold]] tdriver_status failed(Device *device, CUresult error, const char *what, const char *kernel,
                                    bool reports, tdriver_report *report);

/// error.cc: finds the slot that a kernel has written, under primary->lock.
bool find_record(Primary *primary, tdriver_report *text);
Status make_records(Device *device);
/// Notes a launch in the next slot; gives the address for the kernel. `stream` is set while it is captured.
Status take_record(Kernel *kernel, const uint32_t grid[3], Stream *capturing, CUdeviceptr *out);
void forget_kernel(Kernel *kernel);
const char *intern(Primary *primary, const char *name);

/// kernel.cc
Status load_code(Kernel *kernel);
bool is_capturing(Stream *stream);
/// hidden.cc
Status parse_hidden(const tdriver_code &code, const tdriver_hidden &hidden, Hidden *out);
Status encode_tensor_map(const Kernel &kernel, const TensorMapRecipe &recipe, const char *params, void *out);
Status get_scratch(Stream *stream, Kernel *kernel, uint64_t bytes, uint64_t alignment, const tdriver_allocator *hook,
                   CUdeviceptr *out);

// The table's functions, by file.
tdriver_status device_count(uint32_t *count, tdriver_report *report);
tdriver_status device_open(uint32_t index, const tdriver_host *host, void **device, tdriver_report *report);
void device_close(void *device);
tdriver_status device_info(void *device, tdriver_device_info *info, tdriver_report *report);
tdriver_status set_allocator(void *device, const tdriver_allocator *allocator, tdriver_report *report);
tdriver_status memory_alloc(void *device, uint64_t size, tdriver_memory_kind kind, void **pointer,
                            tdriver_report *report);
void memory_free(void *device, void *pointer, tdriver_memory_kind kind);
tdriver_status memory_copy(void *stream, void *to, const void *from, uint64_t size, tdriver_report *report);
tdriver_status memory_fill(void *stream, void *to, uint8_t value, uint64_t size, tdriver_report *report);
tdriver_status pointer_info(void *device, const void *pointer, tdriver_pointer_info *info, tdriver_report *report);
tdriver_status stream_create(void *device, void **stream, tdriver_report *report);
tdriver_status stream_wrap(void *device, void *native, void **stream, tdriver_report *report);
tdriver_status stream_native(void *stream, void **native, tdriver_report *report);
void stream_destroy(void *stream);
tdriver_status stream_synchronize(void *stream, tdriver_report *report);
tdriver_status stream_query(void *stream, tdriver_report *report);
tdriver_status event_create(void *device, void **event, tdriver_report *report);
void event_destroy(void *event);
tdriver_status event_record(void *event, void *stream, tdriver_report *report);
tdriver_status event_wait(void *event, void *stream, tdriver_report *report);
tdriver_status event_synchronize(void *event, tdriver_report *report);
tdriver_status event_query(void *event, tdriver_report *report);
tdriver_status event_elapsed(void *start, void *end, double *nanoseconds, tdriver_report *report);
tdriver_status kernel_load(void *device, const tdriver_code *code, void **kernel, tdriver_report *report);
void kernel_unload(void *kernel);
tdriver_status kernel_prepare(void *kernel, tdriver_report *report);
tdriver_status kernel_usage(void *kernel, tdriver_kernel_usage *usage, tdriver_report *report);
tdriver_status launch(void *kernel, void *stream, const tdriver_launch_config *config, tdriver_report *report);
tdriver_status graph_begin(void *stream, tdriver_report *report);
tdriver_status graph_end(void *stream, void **graph, tdriver_report *report);
tdriver_status graph_launch(void *graph, void *stream, tdriver_report *report);
void graph_destroy(void *graph);

} // namespace tdriver::cuda
