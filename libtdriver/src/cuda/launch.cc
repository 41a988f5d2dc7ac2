// SPDX-License-Identifier: MIT
// The launch path. Without hidden arguments: one flag, one comparison of contexts, one call of the vendor's.
#include "cuda.hh"
#include <algorithm>
#include <alloca.h>
#include <cstring>

namespace tdriver::cuda {

bool is_capturing(Stream *s) {
  if (s->owned) return s->capturing.load(std::memory_order_relaxed);
  int status = capture_none; // a stream of somebody else: only the driver knows
  return api.cuStreamIsCapturing(s->handle, &status) == success && status != capture_none;
}

namespace {

struct Scratch {
  const tdriver_allocator *hook = nullptr;
  CUdeviceptr pointer = 0;
  uint64_t bytes = 0;
};

/// The first use of a kernel.
[[gnu::cold]] tdriver_status load_now(Kernel *k, Stream *s, tdriver_report *report) {
  if (is_capturing(s))
    return answer(fail(Code::BUSY,
                       "kernel %s is not on the device yet and the stream is being captured: call "
                       "tdriver_kernel_prepare before the capture",
                       k->name),
                  report);
  return kernel_prepare(k, report);
}

[[gnu::cold]] tdriver_status explain_grid(const Kernel *k, const tdriver_launch_config *c, tdriver_report *report) {
  const Device *d = k->device;
  const char *names = "xyz";
  for (int i = 0; i < 3; ++i)
    if (uint64_t(c->grid[i]) * k->cluster[i] > uint64_t(d->max_grid[i]))
      return answer(fail(Code::LIMIT, "kernel %s: a grid of %u x %u x %u; device cuda:%d takes at most %u in %c", k->name,
                         c->grid[0], c->grid[1], c->grid[2], d->ordinal, uint32_t(d->max_grid[i]) / k->cluster[i],
                         names[i]),
                    report);
  return answer(fail(Code::LIMIT,
                     "kernel %s is cooperative: %llu programs, but only %d are resident at once on device cuda:%d (%d "
                     "for each of %d multiprocessors)",
                     k->name, (unsigned long long)c->programs, k->resident * d->units, d->ordinal, k->resident,
                     d->units),
                report);
}

/// Writes the hidden arguments into the copy of the buffer.
Status fill_hidden(Kernel *k, Stream *s, const tdriver_launch_config *c, char *params, Scratch *scratch) {
  for (const Hidden &h : k->hidden) {
    char *at = params + h.offset;
    CUdeviceptr pointer = 0;
    switch (h.kind) {
    case TDRIVER_HIDDEN_RECORD:
      TESSERA_TRY(take_record(k, c->grid, is_capturing(s) ? s : nullptr, &pointer));
      std::memcpy(at, &pointer, 8);
      break;
    case TDRIVER_HIDDEN_SCRATCH: {
      uint64_t programs = c->programs;
      if (k->persistent) programs = std::min<uint64_t>(programs, uint64_t(k->resident) * uint64_t(k->device->units));
      uint64_t bytes = 0;
      if (__builtin_mul_overflow(programs, h.program_bytes, &bytes) ||
          __builtin_add_overflow(bytes, h.launch_bytes, &bytes))
        bytes = UINT64_MAX;
      if (bytes) {
        scratch->hook = k->device->allocator.load(std::memory_order_acquire);
        TESSERA_TRY(get_scratch(s, k, bytes, h.alignment, scratch->hook, &pointer));
        scratch->pointer = pointer;
        scratch->bytes = bytes;
      }
      std::memcpy(at, &pointer, 8);
      break;
    }
    case TDRIVER_HIDDEN_TENSORMAP:
      TESSERA_TRY(encode_tensor_map(*k, *h.map, params, at));
      break;
    default: { // derived
      uint64_t value = h.what < 3 ? c->grid[h.what] : h.what == 3 ? c->programs : uint64_t(k->device->units);
      std::memcpy(at, &value, 8);
    }
    }
  }
  return {};
}

inline void set_grid(const Kernel *k, const tdriver_launch_config *c, LaunchConfig *config) {
  if (k->persistent) {
    uint64_t room = uint64_t(k->resident) * uint64_t(k->device->units) /
                    (uint64_t(k->cluster[0]) * k->cluster[1] * k->cluster[2]);
    uint64_t programs = std::min<uint64_t>(c->programs, std::max<uint64_t>(room, 1));
    config->grid[0] = uint32_t(programs) * k->cluster[0];
    config->grid[1] = k->cluster[1];
    config->grid[2] = k->cluster[2];
    return;
  }
  for (int i = 0; i < 3; ++i) config->grid[i] = c->grid[i] * k->cluster[i];
}

inline bool grid_fits(const Kernel *k, const tdriver_launch_config *c) {
  const Device *d = k->device;
  if (k->persistent) return true;
  for (int i = 0; i < 3; ++i)
    if (uint64_t(c->grid[i]) * k->cluster[i] > uint64_t(d->max_grid[i])) return false;
  bool cooperative = k->attribute_count && k->attributes[0].id == attribute_cooperative;
  return !cooperative || c->programs <= uint64_t(k->resident) * uint64_t(d->units);
}

} // namespace

tdriver_status launch(void *kernel, void *stream, const tdriver_launch_config *c, tdriver_report *report) {
  auto *k = static_cast<Kernel *>(kernel);
  auto *s = static_cast<Stream *>(stream);
  Device *d = k->device;
  if (d->blocked()) [[unlikely]]
    return refuse(d, report);
  Current current(d->context);
  if (!k->ready.load(std::memory_order_acquire)) [[unlikely]]
    if (tdriver_status status = load_now(k, s, report); status != TDRIVER_OK) return status;
  if (!grid_fits(k, c)) [[unlikely]]
    return explain_grid(k, c, report);
  LaunchConfig config;
  set_grid(k, c, &config);
  config.block[0] = k->threads;
  config.block[1] = config.block[2] = 1;
  config.shared_bytes = k->shared_bytes;
  config.stream = s->handle;
  config.attributes = k->attributes;
  config.attribute_count = k->attribute_count;
  const void *params = c->params;
  Scratch scratch;
  if (!k->hidden.empty()) {
    char *raw = static_cast<char *>(alloca(k->params_end + 128));
    char *copy = raw + (-reinterpret_cast<uintptr_t>(raw) & 63);
    if (c->params_size) std::memcpy(copy, c->params, c->params_size);
    if (Status status = fill_hidden(k, s, c, copy, &scratch); !status.ok()) return answer(status, report);
    params = copy;
  }
  size_t size = k->params_size;
  void *extra[] = {reinterpret_cast<void *>(1), const_cast<void *>(params), // CU_LAUNCH_PARAM_BUFFER_POINTER
                   reinterpret_cast<void *>(2), &size,                      // CU_LAUNCH_PARAM_BUFFER_SIZE
                   nullptr};
  s->last.store(k->name, std::memory_order_relaxed);
  CUresult e = api.cuLaunchKernelEx(&config, k->function, nullptr, size ? extra : nullptr);
  if (scratch.hook && scratch.pointer)
    scratch.hook->release(scratch.hook->user, reinterpret_cast<void *>(scratch.pointer), scratch.bytes, s->handle);
  if (e == success) [[likely]]
    return TDRIVER_OK;
  return failed(d, e, "cuLaunchKernelEx", k->name, false, report);
}

} // namespace tdriver::cuda
