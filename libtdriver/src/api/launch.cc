// SPDX-License-Identifier: MIT
// The launch path: no allocation, no lookup. Failures are formatted out of line.
#include "driver.hh"
#include <algorithm>
#include <alloca.h>
#include <ctime>

using namespace tdriver;
namespace api = tessera::api;
namespace tko = tessera::tko;

namespace {

/// Checks what every launch needs and says how many programs there are.
[[gnu::cold]] Status explain_grid(tdriver_kernel *kernel, const uint32_t grid[3]) {
  return fail(Code::LIMIT,
              "kernel %s: a grid of %u x %u x %u has more programs than device \"%s\" takes (%llu)",
              kernel->object.entry.c_str(), grid[0], grid[1], grid[2], kernel->device->name.c_str(),
              (unsigned long long)kernel->device->max_programs);
}

Status prepare(tdriver_kernel *kernel, tdriver_stream **stream, const uint32_t grid[3], uint64_t *programs) {
  TESSERA_TRY(expect(kernel, tag_kernel, "kernel"));
  if (!grid) return fail(Code::INVALID_ARGUMENT, "grid is NULL");
  TESSERA_TRY(pick_stream(*stream, kernel->device, stream));
  uint64_t two = uint64_t(grid[0]) * grid[1];
  if (grid[2] == 0)
    two = 0;
  else if (__builtin_mul_overflow(two, uint64_t(grid[2]), &two) || two > kernel->device->max_programs)
    return explain_grid(kernel, grid);
  *programs = two;
  return {};
}

tdriver_status start(tdriver_kernel *kernel, tdriver_stream *stream, const uint32_t grid[3],
                     uint64_t programs, const void *params) {
  tdriver_launch_config config = {
      sizeof(config), {grid[0], grid[1], grid[2]}, kernel->object.params_size, programs, params};
  tdriver_report report;
  tdriver_status status = kernel->device->backend->launch(kernel->impl, stream->impl, &config, &report);
  if (status == TDRIVER_OK) [[likely]]
    return status;
  return api::done(from_backend(status, report, "launching"));
}

Status check_values(const tko::Object &o, const void *const *args, uint32_t nargs) {
  bool bad = nargs != o.arguments.size() || (nargs && !args);
  for (uint32_t i = 0; !bad && i < nargs; ++i) bad = !args[i] && !o.arguments[i].constant;
  return bad ? check_arguments(o, args, nargs) : Status{};
}

tdriver_status launch(tdriver_kernel *kernel, tdriver_stream *stream, const uint32_t grid[3],
                      const void *const *args, uint32_t nargs) {
  uint64_t programs = 0;
  TDRIVER_CHECK(prepare(kernel, &stream, grid, &programs));
  const tko::Object &o = kernel->object;
  if (kernel->device->driver->params.debug)
    TDRIVER_CHECK(check_arguments(o, args, nargs));
  else
    TDRIVER_CHECK(check_values(o, args, nargs));
  if (!programs) return TDRIVER_OK;
  // At most 64 KiB (tko::max_params_bytes); padding is zero so that equal arguments give equal bytes.
  char *raw = static_cast<char *>(alloca(o.params_size + 64));
  char *params = raw + (-reinterpret_cast<uintptr_t>(raw) & 63);
  std::memset(params, 0, o.params_size);
  for (uint32_t i = 0; i < nargs; ++i) {
    const tko::Argument &a = o.arguments[i];
    if (a.constant) continue;
    if (a.size == 8)
      std::memcpy(params + a.offset, args[i], 8);
    else if (a.size == 4)
      std::memcpy(params + a.offset, args[i], 4);
    else
      std::memcpy(params + a.offset, args[i], a.size);
  }
  return start(kernel, stream, grid, programs, params);
}

double nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) * 1e9 + double(t.tv_nsec);
}

/// Of sorted samples, linearly interpolated.
double quantile(const std::vector<double> &sorted, double q) {
  double place = q * double(sorted.size() - 1);
  size_t low = size_t(place);
  size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - double(low));
}

} // namespace

extern "C" {

tdriver_status tdriver_launch(tdriver_kernel *kernel, tdriver_stream *stream, const uint32_t grid[3],
                              const void *const *args, uint32_t nargs) {
  return launch(kernel, stream, grid, args, nargs);
}

tdriver_status tdriver_launch_packed(tdriver_kernel *kernel, tdriver_stream *stream, const uint32_t grid[3],
                                     const void *params, size_t size) {
  uint64_t programs = 0;
  TDRIVER_CHECK(prepare(kernel, &stream, grid, &programs));
  const tko::Object &o = kernel->object;
  if (size != o.params_size)
    return api::error(Code::INVALID_ARGUMENT, "kernel %s: the packed buffer has %zu bytes; expected %u",
                      o.entry.c_str(), size, o.params_size);
  if (size && !params) return api::error(Code::INVALID_ARGUMENT, "params is NULL");
  if (kernel->device->driver->params.debug) {
    std::vector<const void *> args(o.arguments.size());
    for (size_t i = 0; i < args.size(); ++i)
      args[i] = o.arguments[i].constant ? nullptr : static_cast<const char *>(params) + o.arguments[i].offset;
    TDRIVER_CHECK(check_arguments(o, args.data(), uint32_t(args.size())));
  }
  if (!programs) return TDRIVER_OK;
  if (reinterpret_cast<uintptr_t>(params) & 15) {
    char *raw = static_cast<char *>(alloca(size + 64));
    char *aligned = raw + (-reinterpret_cast<uintptr_t>(raw) & 63);
    params = std::memcpy(aligned, params, size);
  }
  return start(kernel, stream, grid, programs, params);
}

tdriver_status tdriver_benchmark(tdriver_kernel *kernel, tdriver_stream *stream, const uint32_t grid[3],
                                 const void *const *args, uint32_t nargs,
                                 const tdriver_benchmark_params *params, tdriver_benchmark_result *result) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  TDRIVER_CHECK(pick_stream(stream, kernel->device, &stream));
  if (!result) return api::error(Code::INVALID_ARGUMENT, "result is NULL");
  tdriver_benchmark_params p = TDRIVER_BENCHMARK_PARAMS_INIT;
  TDRIVER_CHECK(api::read_params(params, &p, "tdriver_benchmark_params"));
  constexpr uint32_t limit = 1000000;
  if (p.warmup > limit || p.repetitions > limit || p.inner > limit || p.time_ms > limit ||
      p.flush_bytes > uint64_t(1) << 30)
    return api::error(Code::LIMIT,
                      "tdriver_benchmark_params: warmup %u, repetitions %u, inner %u, time_ms %u (limit "
                      "%u), flush_bytes %llu (limit 2^30)",
                      p.warmup, p.repetitions, p.inner, p.time_ms, limit, (unsigned long long)p.flush_bytes);
  if (p.sample_capacity && !p.samples)
    return api::error(Code::INVALID_ARGUMENT,
                      "tdriver_benchmark_params.samples is NULL, but has a capacity of %u",
                      p.sample_capacity);
  uint32_t warmup = p.warmup ? p.warmup : 3, inner = p.inner ? p.inner : 1;
  double budget = (p.time_ms ? p.time_ms : 200) * 1e6;

  auto once = [&](uint32_t times) -> tdriver_status {
    for (uint32_t i = 0; i < times; ++i)
      if (tdriver_status s = launch(kernel, stream, grid, args, nargs)) return s;
    return tdriver_stream_synchronize(stream);
  };
  for (uint32_t i = 0; i < warmup; ++i)
    if (tdriver_status s = once(1)) return s;
  std::vector<char> flush(p.flush_bytes);
  std::vector<double> samples;
  double begin = nanoseconds(), sum = 0;
  for (uint32_t i = 0;; ++i) {
    if (p.repetitions ? i >= p.repetitions : i >= 15 && (i >= 10000 || nanoseconds() - begin >= budget))
      break;
    for (size_t j = 0; j < flush.size(); j += 64) flush[j] = char(flush[j] + 1);
    double from = nanoseconds();
    if (tdriver_status s = once(inner)) return s;
    samples.push_back((nanoseconds() - from) / inner);
    sum += samples.back();
    if (i < p.sample_capacity) p.samples[i] = samples.back();
  }
  std::sort(samples.begin(), samples.end());
  tdriver_benchmark_result full = TDRIVER_BENCHMARK_RESULT_INIT;
  full.count = uint32_t(samples.size());
  full.minimum = samples.front();
  full.quartile1 = quantile(samples, 0.25);
  full.median = quantile(samples, 0.5);
  full.quartile3 = quantile(samples, 0.75);
  full.maximum = samples.back();
  full.mean = sum / double(samples.size());
  return api::done(write_info(result, full, "tdriver_benchmark_result"));
}

} // extern "C"
