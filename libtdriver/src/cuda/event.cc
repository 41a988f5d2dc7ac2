// SPDX-License-Identifier: MIT
#include "cuda.hh"

namespace tdriver::cuda {

tdriver_status event_create(void *object, void **event, tdriver_report *report) {
  auto *d = static_cast<Device *>(object);
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUevent handle = nullptr;
  if (CUresult e = api.cuEventCreate(&handle, 0); e != success)
    return failed(d, e, "cuEventCreate", nullptr, false, report);
  *event = new Event{d, handle};
  return TDRIVER_OK;
}

void event_destroy(void *object) {
  auto *event = static_cast<Event *>(object);
  if (!forked()) {
    Current current(event->device->context);
    api.cuEventSynchronize(event->handle);
    api.cuEventDestroy(event->handle);
  }
  delete event;
}

tdriver_status event_record(void *object, void *stream, tdriver_report *report) {
  auto *event = static_cast<Event *>(object);
  auto *s = static_cast<Stream *>(stream);
  Device *d = event->device;
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUresult e = api.cuEventRecord(event->handle, s->handle);
  return e == success ? TDRIVER_OK : failed(d, e, "cuEventRecord", s->last.load(), false, report);
}

tdriver_status event_wait(void *object, void *stream, tdriver_report *report) {
  auto *event = static_cast<Event *>(object);
  auto *s = static_cast<Stream *>(stream);
  Device *d = event->device;
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUresult e = api.cuStreamWaitEvent(s->handle, event->handle, 0);
  return e == success ? TDRIVER_OK : failed(d, e, "cuStreamWaitEvent", s->last.load(), false, report);
}

tdriver_status event_synchronize(void *object, tdriver_report *report) {
  auto *event = static_cast<Event *>(object);
  Device *d = event->device;
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUresult e = api.cuEventSynchronize(event->handle);
  return e == success ? TDRIVER_OK : failed(d, e, "cuEventSynchronize", nullptr, false, report);
}

tdriver_status event_query(void *object, tdriver_report *report) {
  auto *event = static_cast<Event *>(object);
  Device *d = event->device;
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  CUresult e = api.cuEventQuery(event->handle);
  if (e == error_not_ready) return answer(fail(Code::BUSY, "the event is not reached yet"), report);
  return e == success ? TDRIVER_OK : failed(d, e, "cuEventQuery", nullptr, false, report);
}

tdriver_status event_elapsed(void *start, void *end, double *nanoseconds, tdriver_report *report) {
  auto *a = static_cast<Event *>(start), *b = static_cast<Event *>(end);
  Device *d = a->device;
  if (d->blocked()) return refuse(d, report);
  Current current(d->context);
  float milliseconds = 0;
  CUresult e = api.cuEventElapsedTime(&milliseconds, a->handle, b->handle);
  if (e == error_not_ready) return answer(fail(Code::BUSY, "an event is not reached yet"), report);
  if (e != success) return failed(d, e, "cuEventElapsedTime", nullptr, false, report);
  *nanoseconds = double(milliseconds) * 1e6;
  return TDRIVER_OK;
}

} // namespace tdriver::cuda
