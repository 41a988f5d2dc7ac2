/* SPDX-License-Identifier: MIT
 * libtkernels: version numbers and the export macro. Meson reads the numbers from here.
 */
#ifndef TKERNELS_VERSION_H
#define TKERNELS_VERSION_H

#define TKERNELS_VERSION_MAJOR 0
#define TKERNELS_VERSION_MINOR 1
#define TKERNELS_VERSION_PATCH 0
/* The soname's number. Grows only when a program built against an older one may break. */
#define TKERNELS_ABI_MAJOR 0

#define TKERNELS_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library in use, "0.1.0": static storage, never NULL. Any thread. Since 0.1. */
TKERNELS_API const char *tkernels_version(void);

#ifdef __cplusplus
}
#endif
#endif
