// SPDX-License-Identifier: MIT
// Devices: the primary context that all handles of a GPU share, and what the GPU is.
#include "cuda.hh"
#include <cstdio>

namespace tdriver::cuda {

namespace {

constexpr int most_devices = 64;
constinit Primary *primaries[most_devices] = {};
constinit std::mutex primaries_lock;

Primary *primary_of(int ordinal) {
  std::lock_guard guard(primaries_lock);
  if (!primaries[ordinal]) {
    primaries[ordinal] = new Primary;
    primaries[ordinal]->ordinal = ordinal;
  }
  return primaries[ordinal];
}

Status retain(Device *d) {
  Primary *p = d->primary;
  std::lock_guard guard(p->lock);
  if (!p->references) {
    CUcontext context = nullptr;
    if (CUresult e = api.cuDevicePrimaryCtxRetain(&context, d->device); e != success)
      return fail(code_of(e), "device cuda:%d: cuDevicePrimaryCtxRetain: %s", d->ordinal, error_text(e).c_str());
    p->context = context;
    p->lost.store(false, std::memory_order_relaxed);
    p->reported = false;
  }
  ++p->references;
  d->context = p->context;
  return {};
}

void release(Device *d) {
  Primary *p = d->primary;
  std::lock_guard guard(p->lock);
  if (--p->references || forked()) return;
  Records &r = p->records;
  if (r.slots) {
    Current current(p->context);
    api.cuMemFreeHost(r.slots);
    r.slots = nullptr;
    r.uses.reset();
  }
  api.cuDevicePrimaryCtxRelease(d->device);
  p->context = nullptr;
}

Status describe(Device *d) {
  if (CUresult e = api.cuDeviceGet(&d->device, d->ordinal); e != success)
    return fail(code_of(e), "device cuda:%d: cuDeviceGet: %s", d->ordinal, error_text(e).c_str());
  char name[256] = "unknown GPU";
  size_t bytes = 0;
  int major = 0, minor = 0;
  api.cuDeviceGetName(name, sizeof(name), d->device);
  api.cuDeviceTotalMem(&bytes, d->device);
  const struct {
    int attribute, *value;
  } wanted[] = {{device_major, &major},
                {device_minor, &minor},
                {device_units, &d->units},
                {device_max_threads, &d->max_threads},
                {device_shared_optin, &d->shared},
                {device_unit_shared, &d->unit_shared},
                {device_unit_registers, &d->unit_registers},
                {device_l2, &d->l2},
                {device_pageable, &d->pageable},
                {device_max_grid_x, &d->max_grid[0]},
                {device_max_grid_x + 1, &d->max_grid[1]},
                {device_max_grid_x + 2, &d->max_grid[2]}};
  for (const auto &w : wanted)
    if (CUresult e = api.cuDeviceGetAttribute(w.value, w.attribute, d->device); e != success)
      return fail(code_of(e), "device cuda:%d: cuDeviceGetAttribute(%d): %s", d->ordinal, w.attribute,
                  error_text(e).c_str());
  d->memory_bytes = bytes;
  d->capability = 10 * major + minor;
  // From 9.0 on there are instructions that only the target with the 'a' has.
  d->target = tessera::format("cuda:%d%s", d->capability, d->capability >= 90 ? "a" : "");
  d->description = tessera::format("%s, compute capability %d.%d, %d multiprocessors", name, major, minor, d->units);
  return {};
}

} // namespace

tdriver_status device_count(uint32_t *count, tdriver_report *report) {
  *count = 0;
  if (Status s = open_driver(); !s.ok()) {
    answer(s, report); // why there are none
    return TDRIVER_OK;
  }
  int n = 0;
  if (CUresult e = api.cuDeviceGetCount(&n); e != success) {
    answer(fail(Code::DEVICE, "cuDeviceGetCount: %s", error_text(e).c_str()), report);
    return TDRIVER_OK;
  }
  if (!n) answer(fail(Code::NOT_FOUND, "the driver shows no device (CUDA_VISIBLE_DEVICES?)"), report);
  *count = n < most_devices ? uint32_t(n) : uint32_t(most_devices);
  return TDRIVER_OK;
}

tdriver_status device_open(uint32_t index, const tdriver_host *host, void **device, tdriver_report *report) {
  if (Status s = open_driver(); !s.ok()) return answer(s, report);
  auto d = std::make_unique<Device>();
  d->ordinal = int(index);
  d->host = *host;
  d->primary = primary_of(d->ordinal);
  if (Status s = describe(d.get()); !s.ok()) return answer(s, report);
  if (Status s = retain(d.get()); !s.ok()) return answer(s, report);
  *device = d.release();
  return TDRIVER_OK;
}

void device_close(void *object) {
  auto *d = static_cast<Device *>(object);
  release(d);
  delete d;
}

tdriver_status device_info(void *object, tdriver_device_info *info, tdriver_report *report) {
  auto *d = static_cast<Device *>(object);
  info->description = d->description.c_str();
  info->features = "";
  info->target = d->target.c_str();
  info->capabilities = TDRIVER_CAN_EXECUTE | TDRIVER_CAN_GRAPH | TDRIVER_CAN_TIME_EVENTS;
  info->alignment = 256;
  info->memory_bytes = d->memory_bytes;
  info->max_programs = uint64_t(1) << 62;
  info->l2_bytes = uint64_t(d->l2);
  info->capability = uint32_t(d->capability);
  info->units = uint32_t(d->units);
  info->max_threads = uint32_t(d->max_threads);
  info->shared_bytes = uint32_t(d->shared);
  info->unit_shared_bytes = uint32_t(d->unit_shared);
  info->unit_registers = uint32_t(d->unit_registers);
  for (int i = 0; i < 3; ++i) info->max_grid[i] = uint32_t(d->max_grid[i]);
  info->driver_version = uint32_t(driver_version());
  return TDRIVER_OK;
}

tdriver_status set_allocator(void *object, const tdriver_allocator *allocator, tdriver_report *report) {
  auto *d = static_cast<Device *>(object);
  std::lock_guard guard(d->lock);
  if (!allocator) {
    d->allocator.store(nullptr, std::memory_order_release);
    return TDRIVER_OK;
  }
  d->allocators.push_back(std::make_unique<tdriver_allocator>(*allocator)); // older ones may be in use
  d->allocator.store(d->allocators.back().get(), std::memory_order_release);
  return TDRIVER_OK;
}

} // namespace tdriver::cuda
