// SPDX-License-Identifier: MIT
#include "null.hh"

namespace tdriver::null {

tdriver_status stream_create(void *device, void **stream, tdriver_report *report) {
  *stream = new Stream;
  return TDRIVER_OK;
}

void stream_destroy(void *stream) { delete static_cast<Stream *>(stream); }
tdriver_status stream_synchronize(void *stream, tdriver_report *report) { return TDRIVER_OK; }
tdriver_status stream_query(void *stream, tdriver_report *report) { return TDRIVER_OK; }

} // namespace tdriver::null
