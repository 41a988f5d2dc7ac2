// SPDX-License-Identifier: MIT
#include "launch.hh"
#include "options.hh"
#include "tir/interp.h"
#include <cstdio>
#include <cstring>
#include <ctime>

namespace tool {

static double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

int exit_for(int32_t status) {
  switch (status) {
  case TKERNELS_OK: return exit_good;
  case TKERNELS_UNSUPPORTED:
  case TKERNELS_COMPILE: return exit_compile;
  case TKERNELS_DEVICE:
  case TKERNELS_LAUNCH:
  case TKERNELS_CORRUPT:
  case TKERNELS_VERSION:
  case TKERNELS_BUSY:
  case TKERNELS_INTERNAL: return exit_runtime;
  default: return exit_input;
  }
}

int report_message(int code, const char *message) {
  bool says_so = std::strstr(message, "error:") != nullptr;
  std::fprintf(stderr, "%s%s\n", says_so ? "" : "error: ", message);
  return code;
}

static void print_text(void *, const char *text, size_t size) { std::fwrite(text, 1, size, stdout); }

static void print_report(void *, const tir_interp_report *report) {
  if (!report->is_error) std::fprintf(stderr, "note: %s\n", report->message);
}

int interpret(Module &module, const KernelInfo &kernel, const uint32_t grid[3], const std::vector<Argument> &arguments, Outcome *out) {
  std::vector<tir_interp_arg> args(arguments.size());
  std::vector<std::vector<uint8_t>> shadows(arguments.size());
  out->buffers.assign(arguments.size(), {});
  out->defined.assign(arguments.size(), {});
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Argument &a = arguments[i];
    tir_interp_arg &arg = args[i];
    arg = {};
    arg.struct_size = sizeof(arg);
    if (!a.buffer) {
      arg.kind = TIR_INTERP_SCALAR;
      arg.bits = a.bits;
      continue;
    }
    out->buffers[i] = a.bytes;
    shadows[i].resize(a.bytes.size());
    arg.kind = TIR_INTERP_BUFFER;
    arg.data = out->buffers[i].data();
    arg.size = a.bytes.size();
    arg.shadow = shadows[i].data();
  }
  tir_interp_params params = TIR_INTERP_PARAMS_INIT;
  for (int d = 0; d < 3; ++d) params.grid[d] = int32_t(grid[d]);
  params.print = print_text;
  params.report = print_report;
  double start = now();
  tir_status status = tir_interp_run(module.get(), kernel.name.c_str(), &params, args.data(), args.size());
  out->seconds = now() - start;
  if (status != TIR_OK) {
    int code = module.report(status);
    return status == TIR_LIMIT ? int(exit_runtime) : code;
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!arguments[i].buffer) continue;
    const unsigned size = info(arguments[i].type).size;
    std::vector<uint8_t> &defined = out->defined[i];
    defined.assign(arguments[i].count(), 1);
    for (size_t k = 0; k < shadows[i].size(); ++k)
      if (shadows[i][k] == TIR_SHADOW_UNDEFINED) defined[k / size] = 0;
  }
  return exit_good;
}

DeviceRun::~DeviceRun() {
  for (tdriver_memory *m : memory_) tdriver_memory_free(m);
  tkernels_kernel_release(kernel_);
  tkernels_session_destroy(session_);
  tdriver_device_close(device_);
  tdriver_destroy(driver_);
}

static int driver_failed(tdriver_status status) { return error(exit_for(status) == exit_input ? int(exit_runtime) : exit_for(status), "%s", tdriver_last_message()); }

int DeviceRun::prepare(const Module &module, const std::string &file, const KernelInfo &kernel, const char *device, const tkernels_get_params &given) {
  if (tdriver_status s = tdriver_create(nullptr, &driver_); s != TDRIVER_OK) return driver_failed(s);
  if (tdriver_status s = tdriver_device_open(driver_, device, &device_); s != TDRIVER_OK) return driver_failed(s);
  tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
  if (tdriver_status s = tdriver_device_get_info(device_, &info); s != TDRIVER_OK) return driver_failed(s);
  executes = info.capabilities & TDRIVER_CAN_EXECUTE;
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  params.driver_device = device_;
  params.event_user = &event;
  params.event = [](void *user, const tkernels_event *e) {
    if (e->kind != TKERNELS_EVENT_GET) return;
    *static_cast<tkernels_event *>(user) = *e;
  };
  if (tkernels_session_create(&params, &session_) != TKERNELS_OK) return error(exit_runtime, "%s", tkernels_last_message());
  tkernels_get_params get = given;
  get.kernel = kernel.name.c_str();
  get.source_name = file.c_str();
  gpu = info.capabilities & TDRIVER_CAN_TIME_EVENTS;
  if (!get.target && info.target && gpu) get.target = info.target;
  if (tkernels_status s = tkernels_session_get(session_, module.bytes().data(), module.bytes().size(), &get, &kernel_); s != TKERNELS_OK)
    return report_message(exit_for(s), tkernels_last_message());
  return exit_good;
}

int DeviceRun::allocate(const KernelInfo &kernel, const std::vector<Argument> &arguments, bool promises) {
  arguments_ = &arguments;
  memory_.assign(arguments.size(), nullptr);
  values_.assign(arguments.size(), 0);
  pointers_.assign(arguments.size(), nullptr);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Argument &a = arguments[i];
    pointers_[i] = &values_[i];
    values_[i] = a.bits;
    if (!a.buffer) continue;
    if (tdriver_status s = tdriver_memory_alloc(device_, a.bytes.size(), TDRIVER_MEMORY_DEVICE, &memory_[i]); s != TDRIVER_OK) return driver_failed(s);
    void *address = nullptr;
    if (tdriver_status s = tdriver_memory_get(memory_[i], &address, nullptr); s != TDRIVER_OK) return driver_failed(s);
    values_[i] = reinterpret_cast<uintptr_t>(address);
    if (!promises) continue;
    if (auto s = check_promise(kernel.parameters[i], i, true, values_[i]); !s.ok()) return error(exit_input, "%s", s.message.c_str());
  }
  return upload();
}

int DeviceRun::upload() {
  for (size_t i = 0; i < memory_.size(); ++i) {
    if (!memory_[i]) continue;
    const Argument &a = (*arguments_)[i];
    if (tdriver_status s = tdriver_memory_upload(nullptr, memory_[i], 0, a.bytes.data(), a.bytes.size()); s != TDRIVER_OK) return driver_failed(s);
  }
  if (tdriver_status s = tdriver_device_synchronize(device_); s != TDRIVER_OK) return driver_failed(s);
  return exit_good;
}

int DeviceRun::launch(const uint32_t grid[3], Outcome *out) {
  tdriver_stream *stream = nullptr;
  if (tdriver_status s = tdriver_stream_get_default(device_, &stream); s != TDRIVER_OK) return driver_failed(s);
  double start = now();
  if (tkernels_status s = tkernels_launch(kernel_, nullptr, grid, pointers_.data(), uint32_t(pointers_.size())); s != TKERNELS_OK)
    return error(s == TKERNELS_INVALID_ARGUMENT ? int(exit_input) : int(exit_runtime), "%s", tkernels_last_message());
  if (tdriver_status s = tdriver_stream_synchronize(stream); s != TDRIVER_OK) return error(exit_runtime, "%s", tdriver_last_message());
  out->seconds = now() - start;
  out->buffers.assign(memory_.size(), {});
  for (size_t i = 0; i < memory_.size(); ++i) {
    if (!memory_[i]) continue;
    out->buffers[i].resize((*arguments_)[i].bytes.size());
    if (tdriver_status s = tdriver_memory_download(stream, out->buffers[i].data(), memory_[i], 0, out->buffers[i].size()); s != TDRIVER_OK) return driver_failed(s);
  }
  if (tdriver_status s = tdriver_stream_synchronize(stream); s != TDRIVER_OK) return driver_failed(s);
  return exit_good;
}

int DeviceRun::bench(const uint32_t grid[3], const BenchWish &wish, BenchResult *out) {
  tdriver_benchmark_params params = TDRIVER_BENCHMARK_PARAMS_INIT;
  params.warmup = wish.warmup;
  params.repetitions = wish.repetitions;
  params.inner = wish.inner;
  params.time_ms = wish.time_ms;
  const bool flush = gpu && wish.flush;
  if (flush) params.flush_bytes = TDRIVER_FLUSH_L2;
  if (gpu) params.mode = wish.graph ? TDRIVER_BENCHMARK_GRAPH : TDRIVER_BENCHMARK_EVENTS;
  tdriver_benchmark_result result = TDRIVER_BENCHMARK_RESULT_INIT;
  if (tdriver_status s = tdriver_benchmark(static_cast<tdriver_kernel *>(tkernels_kernel_handle(kernel_)), nullptr, grid, pointers_.data(),
                                           uint32_t(pointers_.size()), &params, &result);
      s != TDRIVER_OK)
    return driver_failed(s);
  *out = {result.count, result.mode, flush, result.minimum * 1e-9, result.quartile1 * 1e-9, result.median * 1e-9, result.quartile3 * 1e-9,
          result.maximum * 1e-9, result.mean * 1e-9};
  return exit_good;
}

} // namespace tool
