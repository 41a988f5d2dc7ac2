/* SPDX-License-Identifier: MIT */
/* What libtcodegen-ptx.so exports: NVIDIA's PTX compiler behind one function. Private to libtcodegen. */
#ifndef TCODEGEN_PTX_PLUGIN_H
#define TCODEGEN_PTX_PLUGIN_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
#define TCODEGEN_PTX_PLUGIN_VERSION 1
#define TCODEGEN_PTX_PLUGIN_SYMBOL "tcodegen_ptx_assemble_1"

/* Receives bytes that are valid during the call. */
typedef void (*tcodegen_ptx_sink)(void *user, const void *bytes, size_t size);

/* ptx: `size` bytes and a NUL. 0 and the cubin to `code`, or an error number. The log goes to `log` in both cases.
   major, minor: version of the compiler. Any thread. */
int tcodegen_ptx_assemble_1(const char *ptx, size_t size, const char *const *options, int count, tcodegen_ptx_sink code,
                            tcodegen_ptx_sink log, void *user, unsigned *major, unsigned *minor);
typedef int (*tcodegen_ptx_assemble_fn)(const char *, size_t, const char *const *, int, tcodegen_ptx_sink,
                                        tcodegen_ptx_sink, void *, unsigned *, unsigned *);
#ifdef __cplusplus
}
#endif
#endif
