/* SPDX-License-Identifier: MIT
 * A back end outside the library, for the test of tdriver_backend_load: it opens, and can do nothing else.
 */
#include "tdriver/backend.h"
#include <stdio.h>

static int something;

static tdriver_status refuse(tdriver_report *report) {
  snprintf(report->text, sizeof report->text, "the plug-in can do nothing");
  return TDRIVER_UNSUPPORTED;
}
static tdriver_status device_count(uint32_t *count, tdriver_report *report) {
  (void)report;
  *count = 2;
  return TDRIVER_OK;
}
static tdriver_status device_open(uint32_t index, const tdriver_host *host, void **device,
                                  tdriver_report *report) {
  (void)index, (void)report;
  *device = &something;
  return host->struct_size == sizeof *host && host->print && host->describe ? TDRIVER_OK : TDRIVER_VERSION;
}
static void ignore(void *object) { (void)object; }
static tdriver_status device_info(void *device, tdriver_device_info *info, tdriver_report *report) {
  (void)device, (void)report;
  info->description = "plug-in";
  info->features = "";
  info->max_programs = 10;
  return TDRIVER_OK;
}
static tdriver_status memory_alloc(void *device, uint64_t size, tdriver_memory_kind kind, void **pointer,
                                   tdriver_report *report) {
  (void)device, (void)size, (void)kind, (void)pointer;
  return refuse(report);
}
static void memory_free(void *device, void *pointer, tdriver_memory_kind kind) {
  (void)device, (void)pointer, (void)kind;
}
static tdriver_status copy(void *stream, void *to, const void *from, uint64_t size, tdriver_report *report) {
  (void)stream, (void)to, (void)from, (void)size;
  return refuse(report);
}
static tdriver_status fill(void *stream, void *to, uint8_t value, uint64_t size, tdriver_report *report) {
  (void)stream, (void)to, (void)value, (void)size;
  return refuse(report);
}
static tdriver_status make(void *device, void **object, tdriver_report *report) {
  (void)device, (void)report;
  *object = &something;
  return TDRIVER_OK;
}
static tdriver_status good(void *object, tdriver_report *report) {
  (void)object, (void)report;
  return TDRIVER_OK;
}
static tdriver_status two(void *event, void *stream, tdriver_report *report) {
  (void)event, (void)stream;
  return refuse(report);
}
static tdriver_status elapsed(void *start, void *end, double *nanoseconds, tdriver_report *report) {
  (void)start, (void)end, (void)nanoseconds;
  return refuse(report);
}
static tdriver_status load(void *device, const tdriver_code *code, void **kernel, tdriver_report *report) {
  (void)device, (void)kernel;
  if (code->struct_size != sizeof *code || code->segment_count == 0) return TDRIVER_INTERNAL;
  return refuse(report);
}
static tdriver_status launch(void *kernel, void *stream, const tdriver_launch_config *config,
                             tdriver_report *report) {
  (void)kernel, (void)stream, (void)config;
  return refuse(report);
}

static const tdriver_backend table = {TDRIVER_BACKEND_VERSION,
                                      sizeof(tdriver_backend),
                                      "plugin",
                                      device_count,
                                      device_open,
                                      ignore,
                                      device_info,
                                      memory_alloc,
                                      memory_free,
                                      copy,
                                      fill,
                                      make,
                                      ignore,
                                      good,
                                      good,
                                      make,
                                      ignore,
                                      two,
                                      two,
                                      good,
                                      good,
                                      elapsed,
                                      load,
                                      ignore,
                                      launch,
                                      .stream_wrap = NULL};

TDRIVER_API const tdriver_backend *tdriver_backend_entry(void);
TDRIVER_API const tdriver_backend *tdriver_backend_entry(void) { return &table; }
