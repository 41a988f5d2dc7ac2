/* SPDX-License-Identifier: MIT */
/* Context, handles, status, diagnostics: what every other header of libtir builds on.
 *
 * Conventions of all headers
 * - A context and everything below it (types, attributes, modules, ops, values) belong to one thread at a time;
 *   different contexts are independent.
 * - tir_type, tir_attr and tir_loc are unique in their context (equal means same handle) and live as long as it.
 *   tir_op, tir_block, tir_region and tir_value live as long as their module, but mean nothing once a pass ran or
 *   the operation was erased; an erased operation is refused with a message.
 * - Functions that can fail in more than one way return tir_status. Those that make or read one thing return it
 *   directly, and NULL or 0 for a bad argument. Both leave the text in tir_last_message(). NULL, a wrong kind, a
 *   number out of range or a handle of another context is never a crash; a freed pointer is undefined.
 * - Strings given back are borrowed, NUL-terminated, and live as long as the context (or module) they belong to.
 * Everything is since 0.1 unless a comment says otherwise. */
#ifndef TIR_CONTEXT_H
#define TIR_CONTEXT_H

#include <stddef.h>
#include <stdint.h>
#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers shared by all libraries of the house (TCACHE_CORRUPT == TIR_CORRUPT ...). Frozen, append only. */
typedef int32_t tir_status;
enum {
  TIR_OK = 0,               /* success */
  TIR_INVALID_ARGUMENT = 1, /* a NULL, out-of-range, wrong-kind or foreign argument */
  TIR_PARSE = 2,            /* text or bytes that do not follow their format */
  TIR_VERIFY = 3,           /* a module that breaks a rule of the verifier */
  TIR_UNSUPPORTED = 4,      /* valid input that this build or version does not handle */
  TIR_NOT_FOUND = 5,        /* no such file, entry, symbol, device or target */
  TIR_IO = 6,               /* the operating system refused a file or memory operation */
  TIR_CORRUPT = 7,          /* bytes whose checksum, length or structure is wrong */
  TIR_VERSION = 8,          /* a format or ABI version that is not understood */
  TIR_LIMIT = 9,            /* a bound (size, depth, count, steps, time) was exceeded */
  TIR_COMPILE = 10,         /* code generation failed */
  TIR_DEVICE = 11,          /* a device or vendor driver failed */
  TIR_LAUNCH = 12,          /* a kernel stopped with an assert, a trap or a fault */
  TIR_BUSY = 13,            /* the object is in use or not ready */
  TIR_INTERNAL = 14         /* a defect of this library */
};

/* English meaning of a status ("a module that breaks a rule of the verifier"); for an unknown number
 * "unknown status". Static string; any thread. */
TIR_API const char *tir_status_text(tir_status status);

/* Text of this thread's last failure in libtir; "" before the first. Valid until the thread's next call into
 * libtir. Never NULL. A success does not clear it. */
TIR_API const char *tir_last_message(void);

/* Owning handles: create/destroy. */
typedef struct tir_context tir_context;
typedef struct tir_module tir_module;
/* Borrowed handles, passed by value. NULL is "none". */
typedef const struct tir_type_s *tir_type;
typedef const struct tir_attr_s *tir_attr;
typedef const struct tir_loc_s *tir_loc;
typedef struct tir_op_s *tir_op;
typedef struct tir_block_s *tir_block;
typedef struct tir_region_s *tir_region;
typedef struct tir_value_s *tir_value;
typedef struct tir_use_s *tir_use;

/* Receives output in pieces, in order; `data` (not NUL-terminated) is valid during the call only. */
typedef void (*tir_write_fn)(void *user, const char *data, size_t size);

typedef uint32_t tir_severity;
enum { TIR_SEVERITY_ERROR = 0, TIR_SEVERITY_WARNING = 1, TIR_SEVERITY_NOTE = 2, TIR_SEVERITY_REMARK = 3 };

/* Receives one whole message ("k.ttir:3:7: error: ..." with source line and caret where there is a source).
 * `text` (size bytes, not NUL-terminated) is valid during the call only. Called on the thread that uses the
 * context; must not call into that context. */
typedef void (*tir_diagnostic_fn)(void *user, tir_severity severity, const char *text, size_t size);

typedef struct tir_context_params {
  size_t struct_size;
  tir_diagnostic_fn diagnostic; /* NULL: messages are only in tir_last_message() */
  void *diagnostic_user;        /* passed to `diagnostic` */
} tir_context_params;
#define TIR_CONTEXT_PARAMS_INIT {sizeof(tir_context_params), NULL, NULL}

/* Makes a context. params: NULL gives the defaults. *out is set to NULL on failure. The caller destroys it.
 * Errors: INVALID_ARGUMENT (out is NULL, struct_size), VERSION (fields this library does not know are set). */
TIR_API tir_status tir_context_create(const tir_context_params *params, tir_context **out);

/* Frees the context with its types, attributes and strings. Its modules must have been destroyed before. NULL is
 * allowed. */
TIR_API void tir_context_destroy(tir_context *context);

/* Replaces the receiver of messages; NULL switches it off. Errors: INVALID_ARGUMENT (context is NULL). */
TIR_API tir_status tir_context_set_diagnostic(tir_context *context, tir_diagnostic_fn diagnostic, void *user);

/* ---- locations ---- */

/* `loc(unknown)`. NULL context gives NULL. */
TIR_API tir_loc tir_loc_unknown(tir_context *context);
/* file:line:column, both from 1 (0 = not known). NULL for a NULL context or file. */
TIR_API tir_loc tir_loc_file(tir_context *context, const char *file, uint32_t line, uint32_t column);
/* A name, with an optional place of its own (child may be NULL). NULL for a NULL context or name. */
TIR_API tir_loc tir_loc_name(tir_context *context, const char *name, tir_loc child);
/* callee inlined at caller. NULL if either is NULL or of another context. */
TIR_API tir_loc tir_loc_callsite(tir_loc callee, tir_loc caller);
/* Writes the human form (`k.py:12:4`, `"x"`, call sites joined by " at "). Errors: INVALID_ARGUMENT (write NULL).
 * A NULL loc writes `<unknown location>`. */
TIR_API tir_status tir_loc_write(tir_loc loc, tir_write_fn write, void *user);

#ifdef __cplusplus
}
#endif
#endif
