// SPDX-License-Identifier: MIT
/* libtcache: bytes by key, in memory and on disk. The version of these headers and of the library. */
#ifndef TCACHE_VERSION_H
#define TCACHE_VERSION_H

#define TCACHE_VERSION_MAJOR 0
#define TCACHE_VERSION_MINOR 1
#define TCACHE_VERSION_PATCH 0

/* The number in the shared library's name. It changes only when an old caller would break. */
#define TCACHE_ABI_MAJOR 0

#define TCACHE_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the loaded library as "MAJOR.MINOR.PATCH". Static text, any thread, never NULL.
   Since 0.1. */
TCACHE_API const char *tcache_version(void);

#ifdef __cplusplus
}
#endif

#endif
