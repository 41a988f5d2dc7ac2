/* SPDX-License-Identifier: MIT */
/* Version of libtir. Meson reads the numbers from here. */
#ifndef TIR_VERSION_H
#define TIR_VERSION_H

#define TIR_VERSION_MAJOR 0
#define TIR_VERSION_MINOR 1
#define TIR_VERSION_PATCH 0
/* Number in the soname: libraries with the same one are interchangeable. */
#define TIR_ABI_MAJOR 0

#if defined(__GNUC__)
#define TIR_API __attribute__((visibility("default")))
#else
#define TIR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is loaded, "major.minor.patch". Static string, never NULL; any thread.
 * Since 0.1. */
TIR_API const char *tir_version(void);

#ifdef __cplusplus
}
#endif
#endif
