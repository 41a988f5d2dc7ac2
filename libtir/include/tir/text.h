/* SPDX-License-Identifier: MIT */
/* The text form of modules (.ttir): every spelling of Triton 3.6 to 3.9 is read, any of them written. Since 0.1. */
#ifndef TIR_TEXT_H
#define TIR_TEXT_H

#include "module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads `size` bytes of text (need not be NUL-terminated; any bytes are safe) into a new module of `context`, which
 * the caller destroys. name: the file's name for messages and for operations without a location (copied; NULL:
 * "<memory>"). The module remembers the syntax it was read in (tir_module_get_syntax; AUTO when nothing in it is
 * particular to a release). It is not verified yet. Messages, at most 20, go to the context's receiver as
 * `name:line:column: error: ...` with the source line and a caret; the first is tir_last_message().
 * Errors: INVALID_ARGUMENT (NULL context or out; text NULL with a size), PARSE; *out is NULL then. */
TIR_API tir_status tir_module_parse(tir_context *context, const char *text, size_t size, const char *name,
                                    tir_module **out);

/* The same for bytes that are text or bytecode; the first bytes tell. */
TIR_API tir_status tir_module_load(tir_context *context, const void *bytes, size_t size, const char *name,
                                   tir_module **out);

typedef struct tir_print_options {
  size_t struct_size;
  tir_syntax syntax;  /* TIR_SYNTAX_AUTO: the one the module was read in, else 3.9 */
  uint32_t locations; /* 1: `loc(...)` on operations and arguments, with aliases */
  uint32_t generic;   /* 1: every operation in generic form */
  uint32_t numbers;   /* 1: values are numbered; 0: their names in the source are kept */
} tir_print_options;
#define TIR_PRINT_OPTIONS_INIT {sizeof(tir_print_options), 0, 0, 0, 0}

/* Gives the module's text to `write`. options: NULL gives the defaults. Nothing is written on failure.
 * Errors: INVALID_ARGUMENT (NULL, struct_size, unknown syntax), UNSUPPORTED (something that the syntax cannot say:
 * the message names operation and location), LIMIT (text of more than 256 MiB), VERSION (options). */
TIR_API tir_status tir_module_print(const tir_module *module, const tir_print_options *options, tir_write_fn write,
                                    void *user);

/* One operation on one line, without the contents of its regions; for messages. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_op_write(tir_op op, tir_write_fn write, void *user);

/* A type or attribute alone. Parsing gives NULL on error (message in the receiver and tir_last_message()). */
TIR_API tir_type tir_type_parse(tir_context *context, const char *text, size_t size);
TIR_API tir_attr tir_attr_parse(tir_context *context, const char *text, size_t size);
/* Written in the spelling of 3.9. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_type_write(tir_type type, tir_write_fn write, void *user);
TIR_API tir_status tir_attr_write(tir_attr attr, tir_write_fn write, void *user);

/* Compares two texts token for token, without comments, locations and location aliases, names of values and blocks
 * replaced by their order of appearance. Errors: INVALID_ARGUMENT (NULL), PARSE (they differ; the message has both
 * places and tokens). */
TIR_API tir_status tir_text_compare(const char *a, size_t a_size, const char *b, size_t b_size);

/* Checks that `module`, just read from `source` (text or bytecode), survives printing, reading again and bytecode:
 * what is printed equals a source text as tir_text_compare says, every operation and argument keeps its resolved
 * location, and a source in bytecode is written back byte for byte. Errors: INVALID_ARGUMENT, PARSE (the message
 * says in which step), and those of printing and writing. */
TIR_API tir_status tir_module_roundtrip(const tir_module *module, const char *source, size_t size);

#ifdef __cplusplus
}
#endif
#endif
