// SPDX-License-Identifier: MIT
// The cpu back end's table.
#include "cpu.hh"
#include <cstdio>

namespace tdriver {

const tdriver_backend *cpu_backend();

namespace cpu {
namespace {

constexpr tdriver_backend table = {
    TDRIVER_BACKEND_VERSION,
    sizeof(tdriver_backend),
    "cpu",
    device_count,
    device_open,
    device_close,
    device_info,
    memory_alloc,
    memory_free,
    memory_copy,
    memory_fill,
    stream_create,
    stream_destroy,
    stream_synchronize,
    stream_query,
    event_create,
    event_destroy,
    event_record,
    event_wait,
    event_synchronize,
    event_query,
    event_elapsed,
    kernel_load,
    kernel_unload,
    launch,
    nullptr, // streams of a vendor, and all below: none
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
};

} // namespace

tdriver_status answer(const Status &status, tdriver_report *report) {
  std::snprintf(report->text, sizeof(report->text), "%s", status.message.c_str());
  return tdriver_status(status.code);
}

} // namespace cpu

const tdriver_backend *cpu_backend() { return &cpu::table; }

} // namespace tdriver
