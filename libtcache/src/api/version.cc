// SPDX-License-Identifier: MIT
#include <tcache/version.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern "C" const char *tcache_version(void) {
  return TEXT(TCACHE_VERSION_MAJOR) "." TEXT(TCACHE_VERSION_MINOR) "." TEXT(TCACHE_VERSION_PATCH);
}
