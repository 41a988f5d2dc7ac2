// SPDX-License-Identifier: MIT
// The cuda back end's table, and how its errors are told.
#include "cuda.hh"
#include <cstdio>

namespace tdriver {

const tdriver_backend *cuda_backend();

namespace cuda {
namespace {

constexpr tdriver_backend table = {
    TDRIVER_BACKEND_VERSION,
    sizeof(tdriver_backend),
    "cuda",
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
    stream_wrap,
    stream_native,
    kernel_prepare,
    kernel_usage,
    pointer_info,
    set_allocator,
    graph_begin,
    graph_end,
    graph_launch,
    graph_destroy,
};

} // namespace

tdriver_status answer(const Status &status, tdriver_report *report) {
  std::snprintf(report->text, sizeof(report->text), "%s", status.message.c_str());
  return tdriver_status(status.code);
}

tdriver_status refuse(Device *device, tdriver_report *report) {
  if (forked()) return answer(forked_status(), report);
  std::lock_guard guard(device->primary->lock);
  return answer(fail(Code::DEVICE,
                     "device cuda:%d is lost: %s; close every handle of it and open it again, or start a new process",
                     device->ordinal, device->primary->text.c_str()),
                report);
}

tdriver_status failed(Device *device, CUresult error, const char *what, const char *kernel, bool reports,
                      tdriver_report *report) {
  std::string vendor = error_text(error);
  std::string of = kernel ? tessera::format("kernel %s: ", kernel) : std::string();
  if (!is_sticky(error))
    return answer(fail(code_of(error), "%s%s: %s", of.c_str(), what, vendor.c_str()), report);
  Primary *p = device->primary;
  std::unique_lock guard(p->lock);
  if (!p->lost.load(std::memory_order_relaxed)) {
    tdriver_report record;
    if (find_record(p, &record)) {
      p->text = tessera::format("%s (%s)", record.text, vendor.c_str());
    } else if (kernel) {
      p->text = tessera::format("kernel %s, or work before it: %s, noticed by %s", kernel, vendor.c_str(), what);
    } else {
      p->text = tessera::format("%s, noticed by %s", vendor.c_str(), what);
    }
    p->lost.store(true, std::memory_order_relaxed);
    p->reported = false;
  }
  if (p->reported) {
    guard.unlock();
    return refuse(device, report);
  }
  if (reports) p->reported = true;
  return answer(fail(Code::LAUNCH, "%s; device cuda:%d is lost", p->text.c_str(), device->ordinal), report);
}

} // namespace cuda

const tdriver_backend *cuda_backend() { return &cuda::table; }

} // namespace tdriver
