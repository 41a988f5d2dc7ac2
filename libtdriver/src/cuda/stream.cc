// SPDX-License-Identifier: MIT
#include "cuda.hh"

namespace tdriver::cuda {

tdriver_status stream_create(void *object, void **stream, tdriver_report *report) {
  auto *d = static_cast<Device *>(object);
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUstream handle = nullptr;
  if (CUresult e = api.cuStreamCreate(&handle, stream_non_blocking); e != success)
    return failed(d, e, "cuStreamCreate", nullptr, false, report);
  auto *s = new Stream;
  s->device = d;
  s->handle = handle;
  s->owned = true;
  *stream = s;
  return TDRIVER_OK;
}

tdriver_status stream_wrap(void *object, void *native, void **stream, tdriver_report *report) {
  auto *d = static_cast<Device *>(object);
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  auto handle = static_cast<CUstream>(native);
  CUcontext context = nullptr;
  if (CUresult e = api.cuStreamGetCtx(handle, &context); e != success)
    return failed(d, e, "asking the foreign stream", nullptr, false, report);
  if (context != d->context)
    return answer(fail(Code::INVALID_ARGUMENT,
                       "the foreign stream is of another context; expected one of the primary context of cuda:%d",
                       d->ordinal),
                  report);
  auto *s = new Stream;
  s->device = d;
  s->handle = handle;
  *stream = s;
  return TDRIVER_OK;
}

tdriver_status stream_native(void *object, void **native, tdriver_report *report) {
  *native = static_cast<Stream *>(object)->handle;
  return TDRIVER_OK;
}

void stream_destroy(void *object) {
  auto *s = static_cast<Stream *>(object);
  if (!forked()) {
    Current current(s->device->context);
    if (s->capturing.load()) { // nobody ended it
      CUgraph graph = nullptr;
      if (api.cuStreamEndCapture(s->handle, &graph) == success && graph) api.cuGraphDestroy(graph);
    }
    if (s->owned || !s->blocks.empty()) api.cuStreamSynchronize(s->handle);
    for (const auto &block : s->blocks) api.cuMemFree(block->pointer);
    for (CUdeviceptr p : s->captured_memory) api.cuMemFree(p);
    if (s->owned) api.cuStreamDestroy(s->handle);
  }
  delete s;
}

tdriver_status stream_synchronize(void *object, tdriver_report *report) {
  auto *s = static_cast<Stream *>(object);
  Device *d = s->device;
  if (forked()) return refuse(d, report);
  // A lost device is asked, too: its first failure is told by the first synchronise.
  Current current(d->context);
  CUresult e = api.cuStreamSynchronize(s->handle);
  if (e == success && !d->blocked()) [[likely]]
    return TDRIVER_OK;
  return e == success ? refuse(d, report)
                      : failed(d, e, "cuStreamSynchronize", s->last.load(std::memory_order_relaxed), true, report);
}

tdriver_status stream_query(void *object, tdriver_report *report) {
  auto *s = static_cast<Stream *>(object);
  if (forked()) return refuse(s->device, report);
  Current current(s->device->context);
  CUresult e = api.cuStreamQuery(s->handle);
  if (e == success && !s->device->blocked()) return TDRIVER_OK;
  if (e == error_not_ready) return answer(fail(Code::BUSY, "the stream has work in flight"), report);
  return e == success ? refuse(s->device, report)
                      : failed(s->device, e, "cuStreamQuery", s->last.load(std::memory_order_relaxed), false, report);
}

} // namespace tdriver::cuda
