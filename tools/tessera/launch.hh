// SPDX-License-Identifier: MIT
// Running one kernel on bound arguments, by the interpreter or on a device.
#pragma once
#include "args.hh"
#include "module.hh"
#include "tdriver/launch.h"
#include "tdriver/memory.h"
#include "tkernels/session.h"
#include <string>
#include <vector>

namespace tool {

/// What a run leaves behind, buffer by buffer (empty for scalars), in the order of the arguments.
struct Outcome {
  std::vector<std::vector<uint8_t>> buffers;
  /// Interpreter only: 0 for each element that the program leaves undefined.
  std::vector<std::vector<uint8_t>> defined;
  double seconds = 0;
};

/// Returns an exit code, after a message if it is not exit_good.
int interpret(Module &module, const KernelInfo &kernel, const uint32_t grid[3], const std::vector<Argument> &arguments, Outcome *out);

struct BenchWish {
  uint32_t warmup = 0, repetitions = 0, inner = 0; // 0: the driver's own
  uint32_t time_ms = 500;                          // for all samples, where repetitions is 0
  bool flush = true, graph = false;                // GPUs: empty L2 before each sample; launches replayed from a graph
};
struct BenchResult {
  uint32_t samples = 0;
  uint32_t mode = 0; // TDRIVER_BENCHMARK_...
  bool flushed = false;
  double minimum = 0, quartile1 = 0, median = 0, quartile3 = 0, maximum = 0, mean = 0; // seconds
};

/// A kernel on a device, with its memory.
class DeviceRun {
public:
  DeviceRun() = default;
  ~DeviceRun();
  DeviceRun(const DeviceRun &) = delete;
  DeviceRun &operator=(const DeviceRun &) = delete;

  /// Opens device and session, compiles (through the cache) and loads. All return exit codes.
  int prepare(const Module &module, const std::string &file, const KernelInfo &kernel, const char *device, const tkernels_get_params &params);
  int allocate(const KernelInfo &kernel, const std::vector<Argument> &arguments, bool promises);
  int launch(const uint32_t grid[3], Outcome *out);
  int bench(const uint32_t grid[3], const BenchWish &wish, BenchResult *out);

  tkernels_event event{}; // the last GET of the session: where the kernel came from, and times
  bool executes = false;  // false for the null device
  bool gpu = false;

private:
  int upload();
  tdriver_driver *driver_ = nullptr;
  tdriver_device *device_ = nullptr;
  tkernels_session *session_ = nullptr;
  tkernels_kernel *kernel_ = nullptr;
  const std::vector<Argument> *arguments_ = nullptr;
  std::vector<tdriver_memory *> memory_; // NULL for scalars
  std::vector<uint64_t> values_;         // addresses and scalars
  std::vector<const void *> pointers_;   // to values_
};

/// Exit code for a status of a sibling library.
int exit_for(int32_t status);
/// The session's message, which may be a list of diagnostics that say "error:" themselves, on standard error.
int report_message(int code, const char *message);

} // namespace tool
