// SPDX-License-Identifier: MIT
#include "null.hh"

namespace tdriver::null {

namespace {
char the_device; // nothing to keep: all handles share its address
} // namespace

tdriver_status device_count(uint32_t *count, tdriver_report *report) {
  *count = 1;
  return TDRIVER_OK;
}

tdriver_status device_open(uint32_t index, const tdriver_host *host, void **device, tdriver_report *report) {
  *device = &the_device;
  return TDRIVER_OK;
}

void device_close(void *device) {}

tdriver_status device_info(void *device, tdriver_device_info *info, tdriver_report *report) {
  info->description = "null device: loads every kernel, executes nothing";
  info->features = "";
  info->target = "";
  info->capabilities = TDRIVER_CAN_MAP_MEMORY;
  info->alignment = 64;
  info->max_programs = uint64_t(1) << 62;
  return TDRIVER_OK;
}

} // namespace tdriver::null
