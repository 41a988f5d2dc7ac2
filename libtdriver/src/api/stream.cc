// SPDX-License-Identifier: MIT
#include "driver.hh"

using namespace tdriver;
namespace api = tessera::api;

namespace {

/// The handle of a back end's stream.
tdriver_stream *adopt(tdriver_device *device, void *impl) {
  auto *s = new tdriver_stream;
  s->impl = impl;
  s->device = retain(device);
  std::lock_guard guard(device->lock);
  device->streams.push_back(s);
  return s;
}

} // namespace

extern "C" {

tdriver_status tdriver_stream_create(tdriver_device *device, tdriver_stream **stream) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!stream) return api::error(Code::INVALID_ARGUMENT, "stream is NULL");
  tdriver_report report;
  report.text[0] = 0;
  void *impl = nullptr;
  TDRIVER_CHECK(
      from_backend(device->backend->stream_create(device->impl, &impl, &report), report, "making a stream"));
  *stream = adopt(device, impl);
  return TDRIVER_OK;
}

tdriver_status tdriver_stream_wrap(tdriver_device *device, void *native, tdriver_stream **stream) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!stream) return api::error(Code::INVALID_ARGUMENT, "stream is NULL");
  if (!device->backend->stream_wrap)
    return api::error(Code::UNSUPPORTED, "device \"%s\" has no streams of a vendor", device->name.c_str());
  tdriver_report report;
  report.text[0] = 0;
  void *impl = nullptr;
  TDRIVER_CHECK(from_backend(device->backend->stream_wrap(device->impl, native, &impl, &report), report,
                             "taking over a stream"));
  *stream = adopt(device, impl);
  return TDRIVER_OK;
}

tdriver_status tdriver_stream_get_native(tdriver_stream *stream, void **native) {
  TDRIVER_CHECK(expect(stream, tag_stream, "stream"));
  if (!native) return api::error(Code::INVALID_ARGUMENT, "native is NULL");
  if (!stream->device->backend->stream_native)
    return api::error(Code::UNSUPPORTED, "device \"%s\" has no streams of a vendor",
                      stream->device->name.c_str());
  tdriver_report report;
  report.text[0] = 0;
  return api::done(from_backend(stream->device->backend->stream_native(stream->impl, native, &report), report,
                                "asking a stream"));
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
  report.text[0] = 0;
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
