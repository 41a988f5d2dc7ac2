// SPDX-License-Identifier: MIT
/* The compiler: IR bytes in, an artifact out. */
#ifndef TCODEGEN_COMPILE_H
#define TCODEGEN_COMPILE_H

#include <stddef.h>
#include <stdint.h>
#include <tcodegen/artifact.h>
#include <tcodegen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A compiler: thread-safe, holds no state of single compilations, never opens a device, starts no process.
   One serves many threads. Since 0.1. */
typedef struct tcodegen_compiler tcodegen_compiler;

/* Levels of log messages. Since 0.1. */
enum { TCODEGEN_LOG_ERROR = 1, TCODEGEN_LOG_WARNING = 2, TCODEGEN_LOG_INFO = 3, TCODEGEN_LOG_DEBUG = 4 };

/* Takes one message without a line end, valid during the call, in a thread that compiles. If LLVM must end the
   process, the kernel's name and the reason go here (and to the standard error stream) before the abort. Since 0.1. */
typedef void (*tcodegen_log_fn)(void *user, uint32_t level, const char *text);

typedef struct tcodegen_compiler_params {
  size_t struct_size;
  tcodegen_log_fn log; /* NULL: messages are dropped */
  void *log_user;      /* handed to log; must outlive the compiler */
} tcodegen_compiler_params;

#define TCODEGEN_COMPILER_PARAMS_INIT {sizeof(tcodegen_compiler_params), 0, 0}

/* Makes a compiler. params: NULL for all defaults. *out: the caller owns it (tcodegen_compiler_destroy); NULL after a
   failure. Cheap: LLVM wakes up in the first compilation. Any thread. Errors: INVALID_ARGUMENT, VERSION (a newer
   params struct). Since 0.1. */
TCODEGEN_API tcodegen_status tcodegen_compiler_create(const tcodegen_compiler_params *params, tcodegen_compiler **out);

/* Frees a compiler; artifacts stay valid. No compilation on it may be running. NULL is fine. Since 0.1. */
TCODEGEN_API void tcodegen_compiler_destroy(tcodegen_compiler *compiler);

/* Bits of tcodegen_params.keep: stage texts that the artifact shall hold. Since 0.1. */
enum {
  TCODEGEN_KEEP_TTIR = 1,     /* "ttir": the tile IR after the passes */
  TCODEGEN_KEEP_LLIR = 2,     /* "llir": LLVM IR after its passes */
  TCODEGEN_KEEP_ASM = 4,      /* "asm": assembly; "ptx" on NVIDIA targets */
  TCODEGEN_KEEP_OBJECT = 8,   /* "o": relocatable ELF object, for ahead-of-time use; "cubin" on NVIDIA targets */
  TCODEGEN_KEEP_EMBEDDED = 16, /* the kept texts also go into the kernel object */
  TCODEGEN_KEEP_TTGIR = 32, /* "ttgir": GPUs: the tile IR with layouts, before lowering */
  TCODEGEN_KEEP_SASS = 64,  /* "sass": NVIDIA: disassembly; needs nvdisasm */
  TCODEGEN_KEEP_PLAN = 128  /* GPUs, for people: "plan", what was planned, and "layouts", who holds which elements */
};

/* Three-valued switches: 0 is the default of the library. Since 0.1. */
enum { TCODEGEN_DEFAULT = 0, TCODEGEN_ON = 1, TCODEGEN_OFF = 2 };

/* What is known of one kernel argument beyond the IR. The driver or the caller must keep the promise. Since 0.1. */
typedef struct tcodegen_specialization {
  uint32_t argument;      /* place in the kernel's signature, from 0 */
  uint32_t constant;      /* 1: the argument always has the value constant_bits and takes no room in the buffer */
  uint64_t constant_bits; /* zero-extended */
  uint64_t divisibility;  /* a power of two: integer, or address in bytes, is a multiple of it; 0: nothing said */
  uint32_t pointer_range; /* 32: byte offsets from this pointer fit in 32 bits; 0: nothing said */
  uint32_t reserved;      /* 0 */
} tcodegen_specialization;

/* One compilation. Zero in each field is the default. Nothing is kept after the call. Since 0.1. */
typedef struct tcodegen_params {
  size_t struct_size;
  const char *target;  /* NULL: "cpu:native" */
  const char *kernel;  /* NULL: the only public function of the module */
  const char *ir_name; /* NULL: "<input>"; stands in messages where the IR has no location of its own */
  const char *options; /* NULL, or "name=value,…" over the fields below: num_warps, num_stages, num_ctas, fp_fusion,
                          promises, strict, and maxnreg, assembler (0 automatic, 1 in process, 2 ptxas, 3 none: the
                          object holds PTX), line_info (NVIDIA: source lines for profilers; default on); switches take
                          on and off */
  uint32_t num_warps, num_stages, num_ctas; /* 0: planned. Without effect on CPUs */
  uint32_t fp_fusion; /* TCODEGEN_OFF: no multiply and add contract. Default: on */
  uint32_t promises;  /* TCODEGEN_OFF: as if no tt.divisibility, tt.pointer_range, … were declared. Default: on */
  uint32_t strict;    /* TCODEGEN_ON: a request that cannot be met is an error, not a remark. Default: off */
  uint32_t keep;      /* TCODEGEN_KEEP_… */
  uint32_t specialize_size;                   /* sizeof(tcodegen_specialization) of the caller */
  const tcodegen_specialization *specialize;  /* NULL, or specialize_count of them */
  size_t specialize_count;
} tcodegen_params;

#define TCODEGEN_PARAMS_INIT                                                                                          \
  {sizeof(tcodegen_params), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, sizeof(tcodegen_specialization), 0, 0}

/* Compiles one kernel. ir: `size` bytes of TTIR text or TIR bytecode, only read during the call; any bytes whatever
   give a status. params: NULL for all defaults. *out: the caller owns it (tcodegen_artifact_destroy); NULL after a
   failure. Deterministic: equal inputs give equal kernel objects. Any thread, concurrently on one compiler.
   Errors: INVALID_ARGUMENT (compiler, ir or out is NULL, an unknown option or bit), PARSE, VERIFY, CORRUPT, VERSION,
   NOT_FOUND (kernel or target), UNSUPPORTED (with operation and location), LIMIT, COMPILE. Since 0.1. */
TCODEGEN_API tcodegen_status tcodegen_compile(tcodegen_compiler *compiler, const void *ir, size_t size,
                                              const tcodegen_params *params, tcodegen_artifact **out);

/* What IR this build reads. Since 0.1. */
typedef struct tcodegen_ir_info {
  size_t struct_size;
  const char *text_oldest;   /* oldest and newest syntax of the text form: "3.6", "3.9"; static */
  const char *text_newest;
  uint32_t bytecode_oldest;  /* versions of the bytecode form */
  uint32_t bytecode_newest;
} tcodegen_ir_info;

#define TCODEGEN_IR_INFO_INIT {sizeof(tcodegen_ir_info), 0, 0, 0, 0}

/* Fills *info as far as its struct_size reaches. Any thread. Errors: INVALID_ARGUMENT. Since 0.1. */
TCODEGEN_API tcodegen_status tcodegen_ir_versions(tcodegen_ir_info *info);

#ifdef __cplusplus
}
#endif

#endif
