// SPDX-License-Identifier: MIT
#include "common/api.hh"
#include <tcache/status.h>

extern "C" {

const char *tcache_status_text(tcache_status status) {
  return tessera::code_text(static_cast<tessera::Code>(status));
}

const char *tcache_last_message(void) { return tessera::api::last_message().c_str(); }

} // extern "C"
