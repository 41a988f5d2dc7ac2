/* SPDX-License-Identifier: MIT
 * libtdriver: memory. The general rules are in tdriver/device.h.
 */
#ifndef TDRIVER_MEMORY_H
#define TDRIVER_MEMORY_H

#include "tdriver/device.h"
#include "tdriver/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdriver_memory tdriver_memory;

/* Where memory lies. Since 0.1. */
typedef uint32_t tdriver_memory_kind;
enum {
  TDRIVER_MEMORY_DEVICE = 0, /* the device's own */
  TDRIVER_MEMORY_PINNED = 1, /* host memory that the device reaches directly */
  TDRIVER_MEMORY_HOST = 2    /* ordinary host memory */
};

/* Allocates `size` bytes, not cleared, aligned as tdriver_device_info.alignment says. Size 0 gives a valid
 * pointer to nothing. The caller owns *memory. IO: not enough memory. LIMIT: beyond 2^46 bytes. Since 0.1. */
TDRIVER_API tdriver_status tdriver_memory_alloc(tdriver_device *device, uint64_t size,
                                                tdriver_memory_kind kind, tdriver_memory **memory);

/* Makes a handle of memory that somebody else owns: `size` bytes at `pointer` (a device address where the
 * device has its own). Nothing is copied; the memory must outlive the handle. NULL only with size 0. Since
 * 0.1. */
TDRIVER_API tdriver_status tdriver_memory_wrap(tdriver_device *device, void *pointer, uint64_t size,
                                               tdriver_memory **memory);

/* Frees it (wrapped memory stays with its owner). Work in flight must not use it any more. Since 0.1. */
TDRIVER_API void tdriver_memory_free(tdriver_memory *memory);

/* The address to give to a kernel, and the size in bytes. Either output may be NULL. Since 0.1. */
TDRIVER_API tdriver_status tdriver_memory_get(tdriver_memory *memory, void **pointer, uint64_t *size);

/* What an address is. Since 0.1. */
enum {
  TDRIVER_POINTER_UNKNOWN = 0, /* nothing that the device's driver made: ordinary host memory, or no memory */
  TDRIVER_POINTER_DEVICE = 1,
  TDRIVER_POINTER_PINNED = 2, /* host memory that the device reaches */
  TDRIVER_POINTER_MANAGED = 3 /* moves between host and device */
};
typedef struct tdriver_pointer_info {
  size_t struct_size;
  uint32_t kind;         /* TDRIVER_POINTER_… */
  uint32_t device_index; /* of the back end, where kind is not UNKNOWN */
  uint32_t reachable;    /* 1: kernels of the device that was asked may use it */
  uint32_t reserved;
  uint64_t base, size; /* of the allocation that it lies in; 0 = unknown */
} tdriver_pointer_info;
#define TDRIVER_POINTER_INFO_INIT {sizeof(tdriver_pointer_info), 0u, 0u, 0u, 0u, 0u, 0u}

/* Asks what `pointer` is to `device`. UNSUPPORTED where all memory is host memory (cpu, null). Since 0.1. */
TDRIVER_API tdriver_status tdriver_pointer_get_info(tdriver_device *device, const void *pointer,
                                                    tdriver_pointer_info *info);

/* The four below are ordered in `stream` (NULL: the device's default stream), check offset and size against
 * the memory, and may return before the bytes have moved: host memory given to them must stay valid, and
 * downloaded bytes may be read, only after a synchronise of that stream or an event after it. On the cpu
 * device a call on an idle stream is done when it returns. Overlapping source and destination are allowed.
 * Since 0.1. */
TDRIVER_API tdriver_status tdriver_memory_copy(tdriver_stream *stream, tdriver_memory *to, uint64_t to_offset,
                                               tdriver_memory *from, uint64_t from_offset, uint64_t size);
TDRIVER_API tdriver_status tdriver_memory_upload(tdriver_stream *stream, tdriver_memory *to,
                                                 uint64_t to_offset, const void *from, uint64_t size);
TDRIVER_API tdriver_status tdriver_memory_download(tdriver_stream *stream, void *to, tdriver_memory *from,
                                                   uint64_t from_offset, uint64_t size);
TDRIVER_API tdriver_status tdriver_memory_fill(tdriver_stream *stream, tdriver_memory *memory,
                                               uint64_t offset, uint8_t value, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
