/* SPDX-License-Identifier: MIT
 * libtdriver: devices, memory, streams, kernels. Version numbers and the export macro.
 */
#ifndef TDRIVER_VERSION_H
#define TDRIVER_VERSION_H

#define TDRIVER_VERSION_MAJOR 0
#define TDRIVER_VERSION_MINOR 1
#define TDRIVER_VERSION_PATCH 0
/* The soname's number. Grows only when a program built against an older one may break. */
#define TDRIVER_ABI_MAJOR 0

#define TDRIVER_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library in use, "0.1.0": static storage, never NULL. Any thread. Since 0.1. */
TDRIVER_API const char *tdriver_version(void);

#ifdef __cplusplus
}
#endif
#endif
