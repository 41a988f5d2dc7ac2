// SPDX-License-Identifier: MIT
// The null back end: memory, streams and events work, every kernel loads, launches execute nothing. It
// measures what the front end costs, and lets a host run without a device. Everything is done when the call
// returns.
#pragma once
#include "common/status.hh"
#include "tdriver/backend.h"
#include <atomic>
#include <mutex>

namespace tdriver::null {

using tessera::Code;
using tessera::fail;
using tessera::Status;

tdriver_status answer(const Status &status, tdriver_report *report);

struct Stream {
  std::mutex lock; // calls of several threads on one stream take turns
};

struct Event {
  std::atomic<int64_t> time{0};
};

tdriver_status device_count(uint32_t *count, tdriver_report *report);
tdriver_status device_open(uint32_t index, const tdriver_host *host, void **device, tdriver_report *report);
void device_close(void *device);
tdriver_status device_info(void *device, tdriver_device_info *info, tdriver_report *report);
tdriver_status memory_alloc(void *device, uint64_t size, tdriver_memory_kind kind, void **pointer,
                            tdriver_report *report);
void memory_free(void *device, void *pointer, tdriver_memory_kind kind);
tdriver_status memory_copy(void *stream, void *to, const void *from, uint64_t size, tdriver_report *report);
tdriver_status memory_fill(void *stream, void *to, uint8_t value, uint64_t size, tdriver_report *report);
tdriver_status stream_create(void *device, void **stream, tdriver_report *report);
void stream_destroy(void *stream);
tdriver_status stream_synchronize(void *stream, tdriver_report *report);
tdriver_status stream_query(void *stream, tdriver_report *report);
tdriver_status event_create(void *device, void **event, tdriver_report *report);
void event_destroy(void *event);
tdriver_status event_record(void *event, void *stream, tdriver_report *report);
tdriver_status event_wait(void *event, void *stream, tdriver_report *report);
tdriver_status event_synchronize(void *event, tdriver_report *report);
tdriver_status event_query(void *event, tdriver_report *report);
tdriver_status event_elapsed(void *start, void *end, double *nanoseconds, tdriver_report *report);
tdriver_status kernel_load(void *device, const tdriver_code *code, void **kernel, tdriver_report *report);
void kernel_unload(void *kernel);
tdriver_status launch(void *kernel, void *stream, const tdriver_launch_config *config,
                      tdriver_report *report);

} // namespace tdriver::null
