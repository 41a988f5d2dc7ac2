// SPDX-License-Identifier: MIT
#include "null.hh"
#include <ctime>

namespace tdriver::null {

tdriver_status event_create(void *device, void **event, tdriver_report *report) {
  *event = new Event;
  return TDRIVER_OK;
}

void event_destroy(void *event) { delete static_cast<Event *>(event); }

tdriver_status event_record(void *event, void *stream, tdriver_report *report) {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  static_cast<Event *>(event)->time = int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
  return TDRIVER_OK;
}

tdriver_status event_wait(void *event, void *stream, tdriver_report *report) { return TDRIVER_OK; }
tdriver_status event_synchronize(void *event, tdriver_report *report) { return TDRIVER_OK; }
tdriver_status event_query(void *event, tdriver_report *report) { return TDRIVER_OK; }

tdriver_status event_elapsed(void *start, void *end, double *nanoseconds, tdriver_report *report) {
  *nanoseconds = double(static_cast<Event *>(end)->time - static_cast<Event *>(start)->time);
  return TDRIVER_OK;
}

} // namespace tdriver::null
