/* SPDX-License-Identifier: MIT
 * libtdriver: kernels. General rules: tdriver/device.h.
 *
 * A kernel object (.tko) is checked: damaged, truncated or foreign bytes get a status. The machine code
 * inside is trusted like that of any shared library: load objects only from where you would load a library
 * from.
 */
#ifndef TDRIVER_KERNEL_H
#define TDRIVER_KERNEL_H

#include "tdriver/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdriver_kernel tdriver_kernel;

/* Loads a kernel object of `size` bytes, which may be freed afterwards. The caller owns *kernel. CORRUPT,
 * VERSION: the bytes, with the offset. UNSUPPORTED: made for another device, for CPU features that are
 * missing here (named), or with an import that this driver does not have (named). IO: no memory could be
 * mapped. Since 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_load(tdriver_device *device, const void *bytes, size_t size,
                                               tdriver_kernel **kernel);

/* Loads the kernel's code onto its device now. The first launch does it otherwise, which takes milliseconds (PTX:
 * up to seconds, it is assembled), and is refused while the stream is captured into a graph. May be called again.
 * UNSUPPORTED, CORRUPT, DEVICE: the vendor's driver refuses the code, with its log. LIMIT: more shared memory,
 * threads or registers than there are. Since 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_prepare(tdriver_kernel *kernel);

/* What a kernel uses on its device, as the vendor's driver says. */
typedef struct tdriver_kernel_usage {
  size_t struct_size;
  uint32_t registers;    /* of a thread */
  uint32_t local_bytes;  /* local memory of a thread: spills and stack */
  uint32_t static_bytes; /* shared memory that the code itself declares, without tdriver_kernel_info.shared_bytes */
  uint32_t max_threads;  /* most threads of a block, with these registers */
  uint32_t resident;     /* thread blocks that a multiprocessor holds at once */
  uint32_t binary;       /* cuda: capability the loaded code is for, as in 90 */
} tdriver_kernel_usage;
#define TDRIVER_KERNEL_USAGE_INIT {sizeof(tdriver_kernel_usage), 0u, 0u, 0u, 0u, 0u, 0u}

/* Prepares the kernel and fills *usage (its first struct_size bytes). UNSUPPORTED on the cpu and null devices. Since
 * 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_get_usage(tdriver_kernel *kernel, tdriver_kernel_usage *usage);

/* Waits for the kernel's launches in flight, then unloads it. Since 0.1. */
TDRIVER_API void tdriver_kernel_unload(tdriver_kernel *kernel);

/* Kinds of arguments and elements. Since 0.1. */
enum {
  TDRIVER_KIND_NONE = 0,
  TDRIVER_KIND_PTR = 1,
  TDRIVER_KIND_I1 = 2, /* one byte, 0 or 1 */
  TDRIVER_KIND_I8 = 3,
  TDRIVER_KIND_I16 = 4,
  TDRIVER_KIND_I32 = 5,
  TDRIVER_KIND_I64 = 6,
  TDRIVER_KIND_F16 = 7,
  TDRIVER_KIND_BF16 = 8,
  TDRIVER_KIND_F32 = 9,
  TDRIVER_KIND_F64 = 10,
  TDRIVER_KIND_F8E4M3FN = 11,
  TDRIVER_KIND_F8E5M2 = 12,
  TDRIVER_KIND_F8E4M3FNUZ = 13,
  TDRIVER_KIND_F8E5M2FNUZ = 14,
  TDRIVER_KIND_TENSORDESC = 15 /* {pointer, int64 shape[rank], int64 stride[rank] in elements} */
};

typedef struct tdriver_kernel_info {
  size_t struct_size;
  const char *entry;        /* the kernel's name */
  const char *target;       /* "cpu:x86-64-v4" */
  const char *compiler;     /* build id */
  const char *source_hash;  /* of the IR */
  const char *options;      /* canonical spelling */
  uint32_t argument_count;  /* of the signature, constants included */
  uint32_t feature_count;   /* CPU features needed */
  uint32_t message_count;   /* asserts and prints */
  uint32_t stage_count;     /* stage texts */
  uint32_t params_size;     /* bytes of the packed buffer */
  uint32_t threads;         /* hardware threads per program; cpu: 1 */
  uint32_t shared_bytes;    /* dynamic shared memory; cpu: 0 */
  uint32_t registers;       /* 0 = unknown */
  uint32_t spill_bytes;     /* 0 = none or unknown */
  uint32_t arena_alignment; /* cpu: bytes */
  uint64_t arena_bytes;     /* cpu: scratch of each thread */
  uint64_t code_bytes;      /* code and constants, as stored */
} tdriver_kernel_info;
#define TDRIVER_KERNEL_INFO_INIT                                                                             \
  {sizeof(tdriver_kernel_info), NULL, NULL, NULL, NULL, NULL, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Fills *info (its first struct_size bytes). Since 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_get_info(tdriver_kernel *kernel, tdriver_kernel_info *info);

/* Bits of tdriver_argument_info.flags. Since 0.1. */
enum {
  TDRIVER_ARGUMENT_CONSTANT = 1u << 0, /* bound when compiled; not in the packed buffer */
  TDRIVER_ARGUMENT_WRITTEN = 1u << 1   /* the kernel may store through it */
};

typedef struct tdriver_argument_info {
  size_t struct_size;
  const char *name;       /* as in the IR, may be "" */
  uint32_t kind;          /* TDRIVER_KIND_… */
  uint32_t element;       /* of what a pointer or descriptor points to; NONE otherwise */
  uint32_t flags;         /* TDRIVER_ARGUMENT_… */
  uint32_t offset;        /* in the packed buffer, bytes */
  uint32_t size;          /* bytes */
  uint32_t alignment;     /* bytes */
  uint32_t rank;          /* of a descriptor, else 0 */
  uint32_t pointer_range; /* promise: offsets from this pointer fit so many bits; 0 = none */
  uint64_t divisibility;  /* promise: value or address is a multiple; 1 = none */
  uint64_t constant_bits; /* the constant, zero-extended */
  const int64_t *block;   /* block shape of a descriptor, `rank` numbers; else NULL */
} tdriver_argument_info;
#define TDRIVER_ARGUMENT_INFO_INIT                                                                           \
  {sizeof(tdriver_argument_info), NULL, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, NULL}

/* Fills *info (its first struct_size bytes) for argument `index` of the signature. Since 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_get_argument(tdriver_kernel *kernel, uint32_t index,
                                                       tdriver_argument_info *info);

/* Name of CPU feature `index` that the code needs. Since 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_get_feature(tdriver_kernel *kernel, uint32_t index,
                                                      const char **name);

/* Text of message `index`: an assert's message, or a print's prefix. Since 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_get_message(tdriver_kernel *kernel, uint32_t index,
                                                      const char **text);

/* Stage text `index` ("ttir", "llir", "asm", … as the compiler kept them): name, and text of *size bytes
 * followed by a NUL. Any output may be NULL. Since 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_get_stage(tdriver_kernel *kernel, uint32_t index, const char **name,
                                                    const char **text, size_t *size);

/* Checks one launch's arguments as debug mode does, without launching: the count, booleans that are 0 or 1,
 * values of constants, and divisibility. `args` is as for tdriver_launch. INVALID_ARGUMENT names argument,
 * promise and value. A pointer_range cannot be seen from a pointer and is not checked. Since 0.1. */
TDRIVER_API tdriver_status tdriver_kernel_check_arguments(tdriver_kernel *kernel, const void *const *args,
                                                          uint32_t nargs);

#ifdef __cplusplus
}
#endif
#endif
