/* SPDX-License-Identifier: MIT */
/* Modules and functions. Since 0.1. */
#ifndef TIR_MODULE_H
#define TIR_MODULE_H

#include "attr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The release of Triton whose spelling a module was read in, and is printed in by default. */
typedef uint32_t tir_syntax;
enum {
  TIR_SYNTAX_AUTO = 0, /* not read from text: prints as 3.9 */
  TIR_SYNTAX_3_6 = 36,
  TIR_SYNTAX_3_7 = 37,
  TIR_SYNTAX_3_8 = 38,
  TIR_SYNTAX_3_9 = 39
};

/* Makes an empty module (one builtin.module operation). The caller destroys it, before its context. Reading one
 * from text or bytecode: text.h, bytecode.h. Errors: INVALID_ARGUMENT; *out is NULL then. */
TIR_API tir_status tir_module_create(tir_context *context, tir_module **out);
/* Frees the module with all its operations. NULL is allowed. */
TIR_API void tir_module_destroy(tir_module *module);
/* Deep copy in the same context; the caller destroys it. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_module_clone(const tir_module *module, tir_module **out);

TIR_API tir_context *tir_module_context(const tir_module *module);
/* The builtin.module operation. */
TIR_API tir_op tir_module_op(const tir_module *module);
/* The block that holds the functions. */
TIR_API tir_block tir_module_body(const tir_module *module);
TIR_API tir_syntax tir_module_get_syntax(const tir_module *module);
/* Errors: INVALID_ARGUMENT for an unknown number. */
TIR_API tir_status tir_module_set_syntax(tir_module *module, tir_syntax syntax);
/* Name of the source for messages, "<memory>" by default; borrowed until it is set again. */
TIR_API const char *tir_module_get_source_name(const tir_module *module);
TIR_API tir_status tir_module_set_source_name(tir_module *module, const char *name);
/* Operations that the module holds, nested ones and itself included; 0 for NULL. Walks the module. */
TIR_API uint32_t tir_module_num_ops(const tir_module *module);

enum {
  TIR_HASH_CODE = 1u << 0, /* operations, types, attributes, structure; names of functions */
  TIR_HASH_LOC = 1u << 1,  /* locations and names of values */
  TIR_HASH_SYNTAX = 1u << 2 /* the syntax it prints in */
};
/* Hash of what `flags` names, 128 bits. The same on every machine and run for the same version of this library,
 * whatever handles or order of creation. Not cryptographic: keys of shared caches hash the bytecode instead.
 * Errors: INVALID_ARGUMENT (NULL, no or unknown flags). */
TIR_API tir_status tir_module_hash(const tir_module *module, uint32_t flags, uint64_t out[2]);

/* ---- functions (tt.func); `func` below is such an operation ---- */

TIR_API uint32_t tir_module_num_functions(const tir_module *module);
/* In the order of the text; NULL when i is out of range. */
TIR_API tir_op tir_module_function(const tir_module *module, uint32_t i);
/* By symbol name, without the '@'; NULL when there is none (no message). */
TIR_API tir_op tir_module_find_function(const tir_module *module, const char *name);
/* The kernel of that name, or the only kernel when name is NULL or "". A kernel is a function with a body that is
 * not private. Errors: NOT_FOUND, INVALID_ARGUMENT (several kernels and no name; the message lists them). */
TIR_API tir_status tir_module_kernel(const tir_module *module, const char *name, tir_op *out);

TIR_API const char *tir_func_name(tir_op func);
TIR_API int tir_func_is_kernel(tir_op func);
/* 1 for a declaration: no body. */
TIR_API int tir_func_is_declaration(tir_op func);
TIR_API tir_type tir_func_type(tir_op func);
TIR_API uint32_t tir_func_num_args(tir_op func);
/* The value in the body; NULL for declarations and out of range. */
TIR_API tir_value tir_func_arg(tir_op func, uint32_t i);
TIR_API tir_type tir_func_arg_type(tir_op func, uint32_t i);
/* The argument's name in the source: its named location if it has one, else the name it has in the text; "" if
 * neither is known. NULL when i is out of range. */
TIR_API const char *tir_func_arg_name(tir_op func, uint32_t i);
/* All attributes of an argument as a dict, or NULL if it has none; one of them by name ("tt.divisibility"). */
TIR_API tir_attr tir_func_arg_attrs(tir_op func, uint32_t i);
TIR_API tir_attr tir_func_arg_attr(tir_op func, uint32_t i, const char *name);
/* Sets one attribute of an argument; NULL value removes it. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_func_set_arg_attr(tir_op func, uint32_t i, const char *name, tir_attr value);
/* The body's entry block; NULL for declarations. */
TIR_API tir_block tir_func_entry(tir_op func);

#ifdef __cplusplus
}
#endif
#endif
