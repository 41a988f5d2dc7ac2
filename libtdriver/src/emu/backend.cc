// SPDX-License-Identifier: MIT
// The emu back end's table. Memory, streams, events and the distribution of programs over host threads are the cpu back
// end's; what is its own is how a program runs.
#include "common/knobs.hh"
#include "machine.hh"
#include <unistd.h>

namespace tdriver {

const tdriver_backend *emu_backend();

namespace emu {

tdriver_status kernel_load(void *device, const tdriver_code *code, void **kernel, tdriver_report *report);
void kernel_unload(void *kernel);

namespace {

tdriver_status device_open(uint32_t, const tdriver_host *host, void **device, tdriver_report *report) {
  cpu::watch_forks();
  auto knob = tessera::knob_size(tessera::Knob::THREADS);
  if (!host->threads && !knob.ok()) return cpu::answer(knob.status, report);
  // One thread unless asked for more: atomics on floats then come in the same order every time.
  uint32_t width = host->threads ? host->threads : knob.ok() && knob.value ? uint32_t(std::min<uint64_t>(knob.value, 4096)) : 1;
  uint32_t cpus = cpu::allowed_cpus();
  auto *d = new Device(*host, width, width > cpus ? 1 : cpus);
  d->cores = cpus;
  d->description = "emulated GPU on " + cpu::cpu_model();
  d->features = cpu::feature_list();
  d->memory_bytes = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
  *device = d;
  return TDRIVER_OK;
}

void device_close(void *device) { delete static_cast<Device *>(device); }

tdriver_status device_info(void *device, tdriver_device_info *info, tdriver_report *report) {
  auto *d = static_cast<Device *>(device);
  info->description = d->description.c_str();
  info->features = d->features.c_str();
  info->capabilities = TDRIVER_CAN_EXECUTE | TDRIVER_CAN_MAP_MEMORY | TDRIVER_CAN_PRINT;
  info->threads = d->pool.width();
  info->cores = d->cores;
  info->alignment = 64;
  info->max_programs = uint64_t(1) << 62;
  info->memory_bytes = d->memory_bytes;
  info->target = "emu:90a";
  info->capability = 90;
  info->units = d->pool.width();
  info->max_threads = max_threads;
  info->shared_bytes = abi::shared_window - abi::shared_begin;
  return TDRIVER_OK;
}

constexpr tdriver_backend table = {
    TDRIVER_BACKEND_VERSION, sizeof(tdriver_backend), "emu",
    cpu::device_count,
    device_open,
    device_close,
    device_info,
    cpu::memory_alloc,
    cpu::memory_free,
    cpu::memory_copy,
    cpu::memory_fill,
    cpu::stream_create,
    cpu::stream_destroy,
    cpu::stream_synchronize,
    cpu::stream_query,
    cpu::event_create,
    cpu::event_destroy,
    cpu::event_record,
    cpu::event_wait,
    cpu::event_synchronize,
    cpu::event_query,
    cpu::event_elapsed,
    kernel_load,
    kernel_unload,
    cpu::launch,
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
} // namespace emu

const tdriver_backend *emu_backend() { return &emu::table; }

} // namespace tdriver
