// SPDX-License-Identifier: MIT
#include "driver.hh"

using namespace tdriver;
namespace api = tessera::api;

extern "C" {

tdriver_status tdriver_event_create(tdriver_device *device, tdriver_event **event) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!event) return api::error(Code::INVALID_ARGUMENT, "event is NULL");
  tdriver_report report;
  report.text[0] = 0;
  void *impl = nullptr;
  TDRIVER_CHECK(
      from_backend(device->backend->event_create(device->impl, &impl, &report), report, "making an event"));
  auto *e = new tdriver_event;
  e->impl = impl;
  e->device = retain(device);
  *event = e;
  return TDRIVER_OK;
}

void tdriver_event_destroy(tdriver_event *event) { release(event); }

tdriver_status tdriver_event_record(tdriver_event *event, tdriver_stream *stream) {
  TDRIVER_CHECK(expect(event, tag_event, "event"));
  TDRIVER_CHECK(pick_stream(stream, event->device, &stream));
  tdriver_report report;
  report.text[0] = 0;
  TDRIVER_CHECK(from_backend(event->device->backend->event_record(event->impl, stream->impl, &report), report,
                             "recording an event"));
  event->recorded.store(true, std::memory_order_release);
  return TDRIVER_OK;
}

tdriver_status tdriver_event_wait(tdriver_event *event, tdriver_stream *stream) {
  TDRIVER_CHECK(expect(event, tag_event, "event"));
  TDRIVER_CHECK(pick_stream(stream, event->device, &stream));
  tdriver_report report;
  report.text[0] = 0;
  return api::done(from_backend(event->device->backend->event_wait(event->impl, stream->impl, &report),
                                report, "waiting for an event"));
}

tdriver_status tdriver_event_synchronize(tdriver_event *event) {
  TDRIVER_CHECK(expect(event, tag_event, "event"));
  tdriver_report report;
  report.text[0] = 0;
  return api::done(from_backend(event->device->backend->event_synchronize(event->impl, &report), report,
                                "waiting for an event"));
}

tdriver_status tdriver_event_query(tdriver_event *event) {
  TDRIVER_CHECK(expect(event, tag_event, "event"));
  tdriver_report report;
  report.text[0] = 0;
  return api::done(
      from_backend(event->device->backend->event_query(event->impl, &report), report, "asking an event"));
}

tdriver_status tdriver_event_elapsed(tdriver_event *start, tdriver_event *end, double *nanoseconds) {
  TDRIVER_CHECK(expect(start, tag_event, "start"));
  TDRIVER_CHECK(expect(end, tag_event, "end"));
  if (!nanoseconds) return api::error(Code::INVALID_ARGUMENT, "nanoseconds is NULL");
  if (start->device != end->device)
    return api::error(Code::INVALID_ARGUMENT, "start and end are of two devices");
  if (!start->recorded.load(std::memory_order_acquire) || !end->recorded.load(std::memory_order_acquire))
    return api::error(Code::INVALID_ARGUMENT, "the %s event was never recorded",
                      start->recorded.load() ? "end" : "start");
  tdriver_report report;
  report.text[0] = 0;
  return api::done(
      from_backend(start->device->backend->event_elapsed(start->impl, end->impl, nanoseconds, &report),
                   report, "asking two events"));
}

} // extern "C"
