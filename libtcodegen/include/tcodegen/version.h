/* SPDX-License-Identifier: MIT */
/* Version of libtcodegen. Meson reads the numbers from here. */
#ifndef TCODEGEN_VERSION_H
#define TCODEGEN_VERSION_H

#define TCODEGEN_VERSION_MAJOR 0
#define TCODEGEN_VERSION_MINOR 1
#define TCODEGEN_VERSION_PATCH 0
/* Major version of the binary interface: the number in libtcodegen.so.N. */
#define TCODEGEN_ABI_MAJOR 0

#ifndef TCODEGEN_API
#define TCODEGEN_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the loaded library, "0.1.0". Static text, never NULL. Any thread. Since 0.1. */
TCODEGEN_API const char *tcodegen_version(void);

/* Identifies this build of the library: version, a hash of its own linked code, and the version of LLVM that is
 * loaded. Two builds that may emit different code have different ids, so it belongs in every cache key.
 * Static text, never NULL. Any thread. Since 0.1. */
TCODEGEN_API const char *tcodegen_build_id(void);

#ifdef __cplusplus
}
#endif
#endif
