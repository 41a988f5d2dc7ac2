// SPDX-License-Identifier: MIT
#include "driver.hh"

using namespace tdriver;
namespace api = tessera::api;

extern "C" {

tdriver_status tdriver_stream_create(tdriver_device *device, tdriver_stream **stream) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!stream) return api::error(Code::INVALID_ARGUMENT, "stream is NULL");
  tdriver_report report;
  report.text[0] = 0;
  void *impl = nullptr;
  TDRIVER_CHECK(
      from_backend(device->backend->stream_create(device->impl, &impl, &report), report, "making a stream"));
  auto *s = new tdriver_stream;
  s->impl = impl;
  s->device = retain(device);
  std::lock_guard guard(device->lock);
  device->streams.push_back(s);
  *stream = s;
  return TDRIVER_OK;
}

void tdriver_stream_destroy(tdriver_stream *stream) {
  if (stream && !stream->is_default) release(stream); // the default stream is the device's
}

tdriver_status tdriver_stream_get_default(tdriver_device *device, tdriver_stream **stream) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!stream) return api::error(Code::INVALID_ARGUMENT, "stream is NULL");
  *stream = device->default_stream;
  return TDRIVER_OK;
}

tdriver_status tdriver_stream_synchronize(tdriver_stream *stream) {
  TDRIVER_CHECK(expect(stream, tag_stream, "stream"));
  tdriver_report report;
  tdriver_status status = stream->device->backend->stream_synchronize(stream->impl, &report);
  return status == TDRIVER_OK ? status : api::done(from_backend(status, report, "synchronising"));
}

tdriver_status tdriver_stream_query(tdriver_stream *stream) {
  TDRIVER_CHECK(expect(stream, tag_stream, "stream"));
  tdriver_report report;
  report.text[0] = 0;
  return api::done(
      from_backend(stream->device->backend->stream_query(stream->impl, &report), report, "asking a stream"));
}

} // extern "C"
