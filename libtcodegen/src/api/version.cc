// SPDX-License-Identifier: MIT
#include "../build_id.hh"
#include <tcodegen/version.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern "C" {

const char *tcodegen_version(void) {
  return TEXT(TCODEGEN_VERSION_MAJOR) "." TEXT(TCODEGEN_VERSION_MINOR) "." TEXT(TCODEGEN_VERSION_PATCH);
}

const char *tcodegen_build_id(void) { return tcodegen::build_id(); }

} // extern "C"
