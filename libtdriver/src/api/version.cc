// SPDX-License-Identifier: MIT
#include "tdriver/version.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern "C" const char *tdriver_version(void) {
  return TEXT(TDRIVER_VERSION_MAJOR) "." TEXT(TDRIVER_VERSION_MINOR) "." TEXT(TDRIVER_VERSION_PATCH);
}
