// SPDX-License-Identifier: MIT
// The objects of the cpu back end.
#pragma once
#include "pool.hh"
#include <condition_variable>
#include <string>

namespace tdriver::cpu {

using tessera::Code;
using tessera::fail;
using tessera::Status;

/// Writes a status into a back-end report.
tdriver_status answer(const Status &status, tdriver_report *report);

struct Device {
  tdriver_host host = {};
  std::string description, features;
  uint32_t cores = 1;
  uint64_t memory_bytes = 0;
  Pool pool;
  Device(const tdriver_host &h, uint32_t width, uint32_t cpus)
      : host(h), cores(cpus), pool(width, cpus > 1) {}
};

struct Kernel {
  Device *device = nullptr;
  void *owner = nullptr; // the front end's cookie
  char *base = nullptr;
  size_t bytes = 0;
  tdriver_cpu_entry entry = nullptr;
  uint64_t arena_bytes = 0;
  uint32_t arena_alignment = 64;
  mutable std::atomic<uint32_t> picoseconds{0}; // estimate of one program; 0 = not known yet
  std::atomic<uint32_t> in_flight{0};           // queued launches
  uint32_t generation = 0;                      // of forks, at load
  bool whole = false;                           // one call runs all programs
};

/// Shared by handles and queued marks.
struct Event {
  std::atomic<uint32_t> references{1};
  std::mutex lock;
  std::condition_variable reached_changed;
  uint64_t recorded = 0, reached = 0; // marks
  int64_t time = 0;                   // of the last one reached
  std::vector<Task *> blocked;        // streams to schedule when a mark is reached
  std::atomic<uint32_t> generation{0};
  Device *device = nullptr;
};
void release(Event *event);
/// Notes that mark `mark` is reached and lets the waiting streams go on.
void reach(Event *event, uint64_t mark);

/// One queued piece of work; launches carry their parameters behind the struct.
struct Op {
  enum Kind : uint32_t { launch, copy, fill, record, wait } kind;
  Op *next;
  Kernel *kernel;
  tdriver_launch_config config;
  void *to;
  const void *from;
  uint64_t size; // bytes, or the mark of an event
  uint8_t value;
  Event *event;
};

/// state: 0 idle; `running` while a thread works on it or a worker is scheduled to; `attention` tells the
/// thread that ends a run to take the lock; `failed` while a failure waits to be reported.
struct Stream : Task {
  static constexpr uint32_t running = 1, attention = 2, failed = 4;
  Device *device = nullptr;
  std::atomic<uint32_t> state{0};
  std::atomic<uint32_t> generation{0};
  std::mutex lock; // below
  std::condition_variable progress;
  Op *head = nullptr, *tail = nullptr;
  bool draining = false; // running belongs to the queue, not to an inline call
  uint64_t pending = 0;  // ops queued or being worked on by the drain
  uint64_t finished = 0; // ops done that somebody may wait for
  tdriver_status failure = TDRIVER_OK;
  tdriver_report text = {};
};

/// True when the calling thread may work on the idle stream now; it must call end_inline afterwards.
bool begin_inline(Stream *stream);
void end_inline(Stream *stream);
/// Queues a copy of `op` (with its parameters), or reports the failure that blocks the stream.
tdriver_status enqueue(Stream *stream, const Op &op, tdriver_report *report);
void set_failure(Stream *stream, tdriver_status status, const char *text);
/// Runs one launch to its end on this thread; a failure goes to the stream.
void execute_launch(Stream *stream, Kernel *kernel, const tdriver_launch_config &config);

/// Address of an import, NULL when it is not in the list.
void *import_address(const char *name);
const char *import_name(uint32_t index);

/// Maps an image, with the addresses that `find` knows in its import slots, and sets what of `kernel` follows from
/// it. After a failure, and in the end, unmap_kernel undoes it.
Status map_kernel(const tdriver_code &code, Kernel *kernel, void *(*find)(const char *name));
void unmap_kernel(Kernel *kernel);
/// Waits for the launches in flight.
void wait_idle(Kernel *kernel);

/// LLVM's name of a CPU feature: 1 usable here, 0 not, -1 not known to this driver.
int has_feature(const char *name);
std::string feature_list();
/// Asks the kernel for the AMX registers, once per process.
bool request_amx();
std::string cpu_model();
/// CPUs that affinity allows, and the cgroup's quota in CPUs rounded up (0 = none).
uint32_t allowed_cpus();
uint32_t quota_cpus();

// The table's functions, by file.
tdriver_status device_count(uint32_t *count, tdriver_report *report);
tdriver_status device_open(uint32_t index, const tdriver_host *host, void **device, tdriver_report *report);
void device_close(void *device);
tdriver_status device_info(void *device, tdriver_device_info *info, tdriver_report *report);
tdriver_status memory_alloc(void *device, uint64_t size, tdriver_memory_kind kind, void **pointer,
                            tdriver_report *report);
void memory_free(void *device, void *pointer, tdriver_memory_kind kind);
tdriver_status memory_copy(void *stream, void *to, const void *from, uint64_t size, tdriver_report *report);
tdriver_status memory_fill(void *stream, void *to, uint8_t value, uint64_t size, tdriver_report *report);
tdriver_status stream_create(void *device, void **stream, tdriver_report *report);
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
tdriver_status launch(void *kernel, void *stream, const tdriver_launch_config *config,
                      tdriver_report *report);

} // namespace tdriver::cpu
