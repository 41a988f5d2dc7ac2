// SPDX-License-Identifier: MIT
#include "tkernels/version.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern "C" const char *tkernels_version(void) {
  return TEXT(TKERNELS_VERSION_MAJOR) "." TEXT(TKERNELS_VERSION_MINOR) "." TEXT(TKERNELS_VERSION_PATCH);
}
