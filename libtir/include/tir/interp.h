/* SPDX-License-Identifier: MIT */
/* The reference interpreter: what every operation means, in plain C++, one program instance at a time. It is the
 * oracle of every back end and a sanitizer. Since 0.1. */
#ifndef TIR_INTERP_H
#define TIR_INTERP_H

#include <stddef.h>
#include <stdint.h>

#include "module.h"
#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the sanitizer looks for. A bit set in `errors` stops the launch at the first find; a bit set only in
 *  `notes` reports it (once per operation, with a count at the end) and goes on: masked-off lanes and accesses out of
 *  bounds give 0, x / 0 gives 0, shifts by the width or more give 0 or the sign, conversions saturate (NaN gives 0). A
 *  bit in neither is silent. */
typedef uint32_t tir_sanitize;
enum {
  TIR_SANITIZE_BOUNDS = 1u << 0,    /**< access outside every buffer; if no error: loads give 0, stores nothing */
  TIR_SANITIZE_ALIGN = 1u << 1,     /**< address not a multiple of the element size */
  TIR_SANITIZE_UNDEF = 1u << 2,     /**< undefined value in an address, mask, branch or store */
  TIR_SANITIZE_UNWRITTEN = 1u << 3, /**< load of bytes of an output buffer that nothing has written */
  TIR_SANITIZE_DIV = 1u << 4,       /**< integer division by zero, or MIN / -1 */
  TIR_SANITIZE_SHIFT = 1u << 5,     /**< shift by the width or more */
  TIR_SANITIZE_OVERFLOW = 1u << 6,  /**< signed overflow that reaches an address (tt.addptr, descriptor) */
  TIR_SANITIZE_CONVERT = 1u << 7,   /**< float to integer out of range */
  TIR_SANITIZE_GATHER = 1u << 8,    /**< gather index out of range */
  TIR_SANITIZE_RACE = 1u << 9,      /**< two programs touch one byte, one writes, nothing orders them */
  TIR_SANITIZE_ASSUME = 1u << 10    /**< llvm.intr.assume of false */
};
#define TIR_SANITIZE_ALL 0x7ffu
#define TIR_SANITIZE_DEFAULT_ERRORS (TIR_SANITIZE_BOUNDS | TIR_SANITIZE_ALIGN)
/** All else but races, whose bookkeeping costs some 40 bytes per element touched. */
#define TIR_SANITIZE_DEFAULT_NOTES (TIR_SANITIZE_ALL & ~(TIR_SANITIZE_DEFAULT_ERRORS | TIR_SANITIZE_RACE))

/** One find of the sanitizer, or the stop of a launch. All texts live until the callback returns. */
typedef struct tir_interp_report {
  size_t struct_size;
  uint32_t is_error;    /**< 1: the launch stops and tir_interp_run fails with the same text */
  tir_sanitize kind;    /**< one bit; 0: another reason (assert, step limit, unsupported operation) */
  int32_t program[3];   /**< program id */
  const char *location; /**< location of the operation, never NULL */
  const char *op;       /**< "tt.load" */
  const char *message;  /**< the whole line: what, where, which program */
  uint64_t count;       /**< 0 for the find itself; at the end of a launch the total of a repeated note */
} tir_interp_report;

/** Parameters of a launch. Callbacks may be NULL; they run on the calling thread and must not call back into the
 *  module. */
typedef struct tir_interp_params {
  size_t struct_size;  /**< sizeof(tir_interp_params); set by TIR_INTERP_PARAMS_INIT */
  int32_t grid[3];     /**< programs per axis, each >= 1, product < 2^31 */
  uint32_t reserved;   /**< 0 */
  uint64_t max_steps;  /**< operations one program may execute; 0 = 2^26 */
  tir_sanitize errors; /**< finds that stop the launch */
  tir_sanitize notes;  /**< finds that are only reported */
  /** Output of tt.print, whole lines including their newline. NULL: dropped. */
  void (*print)(void *user, const char *text, size_t size);
  void *print_user;
  void (*report)(void *user, const tir_interp_report *report);
  void *report_user;
} tir_interp_params;
#define TIR_INTERP_PARAMS_INIT \
  { sizeof(tir_interp_params), {1, 1, 1}, 0, 0, TIR_SANITIZE_DEFAULT_ERRORS, 0, NULL, NULL, NULL, NULL }

typedef uint32_t tir_interp_arg_kind;
enum {
  TIR_INTERP_SCALAR = 0,    /**< integer or float: `bits` */
  TIR_INTERP_BUFFER = 1,    /**< !tt.ptr: `data`, `size` */
  TIR_INTERP_DESCRIPTOR = 2 /**< !tt.tensordesc: `data`, `size`, `rank`, `shape`, `strides`, `padding` */
};

enum {
  TIR_INTERP_OUTPUT = 1u << 0,  /**< initial contents count as unwritten */
  TIR_INTERP_READONLY = 1u << 1 /**< a store into it is an error */
};

/** States of a shadow byte. */
enum {
  TIR_SHADOW_INITIAL = 0,   /**< never written by the launch; contents as given */
  TIR_SHADOW_UNWRITTEN = 1, /**< never written, and the buffer is TIR_INTERP_OUTPUT */
  TIR_SHADOW_UNDEFINED = 2, /**< an undefined value was stored */
  TIR_SHADOW_WRITTEN = 3    /**< a defined value was stored */
};

/** One argument of the kernel, in the order of its signature. */
typedef struct tir_interp_arg {
  size_t struct_size;       /**< sizeof(tir_interp_arg): the stride of the array */
  tir_interp_arg_kind kind;
  uint32_t flags;           /**< buffers and descriptors: TIR_INTERP_OUTPUT, TIR_INTERP_READONLY */
  uint64_t bits;            /**< scalar: bits in the format of the parameter's type, upper bits ignored */
  void *data;               /**< buffer: host memory, owned by the caller; NULL only with size 0 */
  size_t size;              /**< buffer: bytes, < 2^39 */
  uint8_t *shadow;          /**< buffer: NULL or `size` bytes, set to TIR_SHADOW_* at the end of the launch */
  uint32_t rank;            /**< descriptor: dimensions, 1 to 5, equal to the type's */
  uint32_t padding;         /**< descriptor: 1 zero (also 0), 2 NaN */
  const int64_t *shape;     /**< descriptor: elements per dimension */
  const int64_t *strides;   /**< descriptor: in elements; NULL: row-major */
} tir_interp_arg;

/** Runs function `kernel` (NULL: the only public one) of `module` over the grid. Buffers given twice (or
 *  overlapping) are one memory. The module must verify.
 *  Errors: TIR_INVALID_ARGUMENT (argument named, what was expected), TIR_NOT_FOUND (no such kernel),
 *  TIR_UNSUPPORTED (an operation without a meaning: name and location), TIR_LAUNCH (assert, sanitizer error),
 *  TIR_LIMIT (max_steps, deadlock). After an error buffers hold what was written until then.
 *  Thread: the module's. Since 0.1. */
TIR_API tir_status tir_interp_run(tir_module *module, const char *kernel, const tir_interp_params *params,
                                  const tir_interp_arg *args, size_t nargs);

/** 1 if the interpreter has a meaning for the operation `name` ("tt.load"), 0 if not or unknown. NULL gives 0. */
TIR_API int32_t tir_interp_has_meaning(const char *name);

#ifdef __cplusplus
}
#endif
#endif
