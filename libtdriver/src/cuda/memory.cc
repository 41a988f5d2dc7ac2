// SPDX-License-Identifier: MIT
// Memory: the device's, pinned, ordinary. Host and device share one address space, so that one copy call serves all
// directions.
#include "cuda.hh"
#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace tdriver::cuda {

namespace {

CUdeviceptr address(const void *p) { return reinterpret_cast<CUdeviceptr>(p); }

struct HostFill {
  void *to;
  uint64_t size;
  uint8_t value;
};

bool is_ordinary_host(const void *pointer) {
  unsigned type = 0;
  int attribute = pointer_memory_type;
  void *value = &type;
  return api.cuPointerGetAttributes(1, &attribute, &value, address(pointer)) == success && !type;
}

} // namespace

tdriver_status memory_alloc(void *object, uint64_t size, tdriver_memory_kind kind, void **pointer,
                            tdriver_report *report) {
  auto *d = static_cast<Device *>(object);
  size = std::max<uint64_t>(size, 1);
  if (kind == TDRIVER_MEMORY_HOST) {
    *pointer = std::aligned_alloc(256, (size + 255) & ~uint64_t(255));
    return *pointer ? TDRIVER_OK : answer(fail(Code::IO, "no memory for %llu bytes", (unsigned long long)size), report);
  }
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUresult e;
  if (kind == TDRIVER_MEMORY_PINNED) {
    e = api.cuMemHostAlloc(pointer, size, host_alloc_portable | host_alloc_mapped);
  } else {
    CUdeviceptr p = 0;
    e = api.cuMemAlloc(&p, size);
    if (e == success) *pointer = reinterpret_cast<void *>(p);
  }
  if (e == success) return TDRIVER_OK;
  std::string what = tessera::format("allocating %llu bytes of %s memory", (unsigned long long)size,
                                     kind == TDRIVER_MEMORY_PINNED ? "pinned" : "device");
  return failed(d, e, what.c_str(), nullptr, false, report);
}

void memory_free(void *object, void *pointer, tdriver_memory_kind kind) {
  auto *d = static_cast<Device *>(object);
  if (kind == TDRIVER_MEMORY_HOST) return std::free(pointer);
  if (forked()) return;
  Current current(d->context);
  if (kind == TDRIVER_MEMORY_PINNED)
    api.cuMemFreeHost(pointer);
  else
    api.cuMemFree(address(pointer));
}

tdriver_status memory_copy(void *object, void *to, const void *from, uint64_t size, tdriver_report *report) {
  auto *s = static_cast<Stream *>(object);
  Device *d = s->device;
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUdeviceptr a = address(to), b = address(from);
  CUresult e;
  if (a < b + size && b < a + size && a != b) { // overlapping: by way of a second copy
    CUdeviceptr middle = 0;
    e = api.cuMemAlloc(&middle, size);
    if (e == success) e = api.cuMemcpyAsync(middle, b, size, s->handle);
    if (e == success) e = api.cuMemcpyAsync(a, middle, size, s->handle);
    if (e == success) e = api.cuStreamSynchronize(s->handle);
    if (middle) api.cuMemFree(middle);
  } else {
    e = api.cuMemcpyAsync(a, b, size, s->handle);
  }
  return e == success ? TDRIVER_OK : failed(d, e, "cuMemcpyAsync", s->last.load(), false, report);
}

tdriver_status memory_fill(void *object, void *to, uint8_t value, uint64_t size, tdriver_report *report) {
  auto *s = static_cast<Stream *>(object);
  Device *d = s->device;
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUresult e;
  if (is_ordinary_host(to)) {
    auto *fill = new HostFill{to, size, value};
    e = api.cuLaunchHostFunc(
        s->handle,
        [](void *p) {
          auto *f = static_cast<HostFill *>(p);
          std::memset(f->to, f->value, f->size);
          delete f;
        },
        fill);
    if (e != success) delete fill;
  } else {
    e = api.cuMemsetD8Async(address(to), value, size, s->handle);
  }
  return e == success ? TDRIVER_OK : failed(d, e, "filling memory", s->last.load(), false, report);
}

tdriver_status pointer_info(void *object, const void *pointer, tdriver_pointer_info *info, tdriver_report *report) {
  auto *d = static_cast<Device *>(object);
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  unsigned type = 0, managed = 0;
  int ordinal = -1;
  CUdeviceptr start = 0;
  size_t size = 0;
  int attributes[] = {pointer_memory_type, pointer_managed, pointer_ordinal, pointer_range_start,
                      pointer_range_size};
  void *values[] = {&type, &managed, &ordinal, &start, &size};
  CUresult e = api.cuPointerGetAttributes(5, attributes, values, address(pointer));
  if (e != success) return failed(d, e, "cuPointerGetAttributes", nullptr, false, report);
  info->kind = managed                 ? TDRIVER_POINTER_MANAGED
               : type == memory_device ? TDRIVER_POINTER_DEVICE
               : type == memory_host   ? TDRIVER_POINTER_PINNED
                                       : TDRIVER_POINTER_UNKNOWN;
  if (info->kind == TDRIVER_POINTER_UNKNOWN) {
    info->reachable = d->pageable != 0; // such a GPU reads any host memory
    return TDRIVER_OK;
  }
  info->device_index = ordinal < 0 ? 0u : uint32_t(ordinal);
  info->reachable = info->kind != TDRIVER_POINTER_DEVICE || ordinal == d->ordinal;
  info->base = start;
  info->size = size;
  return TDRIVER_OK;
}

} // namespace tdriver::cuda
