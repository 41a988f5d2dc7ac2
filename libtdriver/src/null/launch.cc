// SPDX-License-Identifier: MIT
#include "null.hh"

namespace tdriver::null {

// Succeeds without running anything: that is what this device is, and its capabilities say so.
tdriver_status launch(void *kernel, void *stream, const tdriver_launch_config *config,
                      tdriver_report *report) {
  return TDRIVER_OK;
}

} // namespace tdriver::null
