// SPDX-License-Identifier: MIT
// The launch path: no allocation, no lookup. Failures are formatted out of line.
#include "driver.hh"
#include <alloca.h>

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

tdriver_status start(tdriver_kernel *kernel, void *stream, const uint32_t grid[3], uint64_t programs,
                     const void *params) {
  tdriver_launch_config config = {
      sizeof(config), {grid[0], grid[1], grid[2]}, kernel->object.params_size, programs, params};
  tdriver_report report;
  report.text[0] = 0;
  tdriver_status status = kernel->device->backend->launch(kernel->impl, stream, &config, &report);
  if (status == TDRIVER_OK) [[likely]]
    return status;
  return api::done(from_backend(status, report, "launching"));
}

Status check_values(const tko::Object &o, const void *const *args, uint32_t nargs) {
  bool bad = nargs != o.arguments.size() || (nargs && !args);
  for (uint32_t i = 0; !bad && i < nargs; ++i) bad = !args[i] && !o.arguments[i].constant;
  return bad ? check_arguments(o, args, nargs) : Status{};
}

/// `other`: a back end's stream to use instead of `stream`'s.
inline tdriver_status launch(tdriver_kernel *kernel, tdriver_stream *stream, const uint32_t grid[3],
                             const void *const *args, uint32_t nargs, void *other) {
  uint64_t programs = 0;
  TDRIVER_CHECK(prepare(kernel, &stream, grid, &programs));
  const tko::Object &o = kernel->object;
  if (kernel->device->driver->params.debug) {
    TDRIVER_CHECK(check_arguments(o, args, nargs));
    TDRIVER_CHECK(check_pointers(kernel, args, nargs));
  } else
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
  return start(kernel, other ? other : stream->impl, grid, programs, params);
}

} // namespace

Status tdriver::Launch::start(void *other) const {
  tdriver_status status = launch(kernel, stream, grid, args, nargs, other);
  return status == TDRIVER_OK ? Status{} : Status{Code(status), api::last_message()};
}

extern "C" {

tdriver_status tdriver_launch(tdriver_kernel *kernel, tdriver_stream *stream, const uint32_t grid[3],
                              const void *const *args, uint32_t nargs) {
  return launch(kernel, stream, grid, args, nargs, nullptr);
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
    TDRIVER_CHECK(check_pointers(kernel, args.data(), uint32_t(args.size())));
  }
  if (!programs) return TDRIVER_OK;
  if (reinterpret_cast<uintptr_t>(params) & 15) {
    char *raw = static_cast<char *>(alloca(size + 64));
    char *aligned = raw + (-reinterpret_cast<uintptr_t>(raw) & 63);
    params = std::memcpy(aligned, params, size);
  }
  return start(kernel, stream->impl, grid, programs, params);
}

tdriver_status tdriver_benchmark(tdriver_kernel *kernel, tdriver_stream *stream, const uint32_t grid[3],
                                 const void *const *args, uint32_t nargs,
                                 const tdriver_benchmark_params *params, tdriver_benchmark_result *result) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  TDRIVER_CHECK(pick_stream(stream, kernel->device, &stream));
  if (!result) return api::error(Code::INVALID_ARGUMENT, "result is NULL");
  tdriver_benchmark_params p = TDRIVER_BENCHMARK_PARAMS_INIT;
  TDRIVER_CHECK(api::read_params(params, &p, "tdriver_benchmark_params"));
  tdriver_benchmark_result full = TDRIVER_BENCHMARK_RESULT_INIT;
  TDRIVER_CHECK(benchmark(Launch{kernel, stream, grid, args, nargs}, p, &full));
  return api::done(write_info(result, full, "tdriver_benchmark_result"));
}

} // extern "C"
