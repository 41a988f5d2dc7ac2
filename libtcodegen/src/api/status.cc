// SPDX-License-Identifier: MIT
#include "common/api.hh"
#include <tcodegen/status.h>

extern "C" {

const char *tcodegen_status_text(tcodegen_status status) {
  return tessera::code_text(static_cast<tessera::Code>(status));
}

const char *tcodegen_last_message(void) { return tessera::api::last_message().c_str(); }

} // extern "C"
