/* SPDX-License-Identifier: MIT */
/* Modules as bytes (docs/bytecode.md). Version 0 is a draft: no promise across releases of the library yet.
 * Since 0.1. */
#ifndef TIR_BYTECODE_H
#define TIR_BYTECODE_H

#include "module.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tir_bytecode_options {
  size_t struct_size;
  uint32_t version;  /* of the format; 0 is the only one */
  uint32_t no_debug; /* 1: without locations, names of values, aliases and the source's name */
} tir_bytecode_options;
#define TIR_BYTECODE_OPTIONS_INIT {sizeof(tir_bytecode_options), 0, 0}

/* Gives the module's bytes to `write`: the same bytes for equal modules, on every machine. options: NULL gives the
 * defaults. Nothing is written on failure.
 * Errors: INVALID_ARGUMENT (NULL, struct_size), VERSION (unknown version or options), LIMIT (nesting beyond the
 * format's bounds, an operand that nothing defines). */
TIR_API tir_status tir_module_write_bytecode(const tir_module *module, const tir_bytecode_options *options,
                                             tir_write_fn write, void *user);

/* Reads any bytes into a new module of `context`, which the caller destroys. name: for messages, and the source's
 * name when the bytes have none (NULL: "<memory>"). The module is well formed but not verified.
 * Errors: INVALID_ARGUMENT, CORRUPT (the message has the offset), VERSION, LIMIT; *out is NULL then. */
TIR_API tir_status tir_module_read_bytecode(tir_context *context, const void *bytes, size_t size, const char *name,
                                            tir_module **out);

/* 1 if the bytes begin as bytecode does. NULL gives 0. */
TIR_API int tir_bytecode_looks_like(const void *bytes, size_t size);

#ifdef __cplusplus
}
#endif
#endif
