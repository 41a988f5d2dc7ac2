/* SPDX-License-Identifier: MIT
 * libtdriver: what a back end is, and the ABI of CPU kernels. General rules: tdriver/device.h.
 *
 * A back end is one table of functions. The built-in ones are cpu, cuda and null; others are registered by the
 * process, or loaded from a shared library that exports `tdriver_backend_entry`. The library checks arguments
 * before it calls a table, so its functions get valid objects of their own making, sizes in range and
 * non-NULL outputs. They may be called from several threads at once, must not throw, and on failure write a
 * sentence into the report.
 */
#ifndef TDRIVER_BACKEND_H
#define TDRIVER_BACKEND_H

#include "tdriver/device.h"
#include "tdriver/kernel.h"
#include "tdriver/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- kernels on the CPU
 *
 * The entry of a CPU image is `int32_t entry(const void *params, const tdriver_cpu_call *call)`. One call
 * runs the linear programs first … last - 1 in that order and returns 0, or what tessera_record returned. It
 * uses no thread-local storage, signals, unwinding or writable globals.
 */
typedef struct tdriver_cpu_call {
  uint32_t struct_size;
  uint32_t grid[3];     /* programs in x, y, z; linear = x + grid[0] * (y + grid[1] * z) */
  uint64_t first, last; /* this call runs linear programs first … last - 1 */
  void *arena;          /* this thread's scratch: bytes and alignment of the metadata; NULL when 0 bytes */
  void *host;           /* the driver's own; passed through to the imports below */
} tdriver_cpu_call;

typedef int32_t (*tdriver_cpu_entry)(const void *params, const tdriver_cpu_call *call);

/* Version of the list of names that a CPU image may import:
 *
 *   int32_t tessera_record(void *host, uint32_t kind, uint32_t message_id, uint32_t location_id,
 *                          uint64_t program)
 *     notes that a program stops (kind 1 assert, 2 trap) and gives 1 + the record's index, which the entry
 *     returns at once;
 *   void tessera_print(void *host, uint32_t message_id, uint64_t program, const void *values, uint64_t count)
 *     prints one operand: `count` values of the message's element kind, row-major over its shape;
 *   memcpy memmove memset;
 *   of libm, each in double and, with the suffix f, in float:
 *     acos acosh asin asinh atan atanh cbrt cos cosh erf erfc exp exp10 exp2 expm1 j0 j1 lgamma log log10
 *     log1p log2 logb sin sinh tan tanh tgamma y0 y1 ceil floor nearbyint rint round trunc (one operand);
 *     atan2 fdim fmod hypot nextafter pow remainder (two); fma (three); ldexp scalbn (value, int);
 *     jn yn (int, value); ilogb (to int); llrint llround (to long long).
 */
#define TDRIVER_CPU_IMPORTS_VERSION 0u

/* Name number `index` of that list, NULL behind its end. Static storage. Since 0.1. */
TDRIVER_API const char *tdriver_cpu_import_name(uint32_t index);

/* ---- back ends ---------------------------------------------------------------------------------------- */
#define TDRIVER_BACKEND_VERSION 0u

/* Where a table's function writes why it failed: a NUL-terminated sentence. Since 0.1. */
typedef struct tdriver_report {
  char text[1024];
} tdriver_report;

/* Why a program stopped. Since 0.1. */
typedef struct tdriver_record {
  uint32_t kind; /* 1 assert, 2 trap */
  uint32_t message_id, location_id;
  uint32_t grid[3];
  uint64_t program; /* linear */
} tdriver_record;

/* What the library does for a back end. `owner` is what tdriver_code.owner was at load. Since 0.1. */
typedef struct tdriver_host {
  size_t struct_size;
  uint32_t threads; /* tdriver_params.threads */
  uint32_t debug;
  /* A print: formats by the kernel's message table and hands the text on. */
  void (*print)(void *owner, const uint32_t grid[3], uint32_t message_id, uint64_t program,
                const void *values, uint64_t count);
  /* The sentence for a record. */
  void (*describe)(void *owner, const tdriver_record *record, tdriver_report *text);
} tdriver_host;

/* ---- kernels on devices with memory of their own
 *
 * A kernel gets the packed buffer of its arguments and then its hidden arguments (docs/kernel-object.md),
 * which the back end computes at each launch. The hidden argument `record` points to one tdriver_device_record,
 * zeroed, in memory that host and device both reach. A program that stops takes it (compare and swap of `state`
 * from 0 to 1), writes the rest, sets `state` to 2, makes all visible to the system, and traps. Since 0.1.
 */
typedef struct tdriver_device_record {
  uint32_t state; /* 0 empty, 1 being filled, 2 complete */
  uint32_t kind;  /* 1 assert, 2 trap */
  uint32_t message_id, location_id;
  uint64_t program; /* linear */
  uint64_t reserved;
} tdriver_device_record;

/* Kinds of hidden arguments. Since 0.1. */
enum {
  TDRIVER_HIDDEN_SCRATCH = 1,
  TDRIVER_HIDDEN_RECORD = 2,
  TDRIVER_HIDDEN_PRINT = 3,
  TDRIVER_HIDDEN_TENSORMAP = 4,
  TDRIVER_HIDDEN_DERIVED = 5
};

typedef struct tdriver_hidden {
  uint32_t kind, offset, size, alignment; /* place in the parameter buffer, bytes */
  const void *data;                       /* meaning depends on kind: docs/kernel-object.md */
  size_t data_size;
} tdriver_hidden;

/* A loaded kernel object as a back end sees it; everything is borrowed for the call, but `owner`.
 * Since 0.1. */
typedef struct tdriver_segment {
  uint32_t permission; /* 1 read, 2 read and execute, 3 read-only after relocation */
  uint64_t offset, size, zero_fill;
  const void *bytes;
} tdriver_segment;

typedef struct tdriver_import {
  uint64_t slot;
  const char *name;
} tdriver_import;

typedef struct tdriver_code {
  size_t struct_size;
  void *owner;
  const char *entry, *target;
  uint32_t code_kind; /* 0 none, 1 CPU image, 2 cubin, 3 PTX, 4 HSACO, 5 emulator image */
  uint32_t params_size, hidden_count, threads, shared_bytes, attributes, arena_alignment;
  uint64_t arena_bytes;
  const char *const *features;
  size_t feature_count;
  const void *code; /* kinds 2 … 4 */
  size_t code_size;
  uint64_t image_entry; /* kind 1, and all below */
  const tdriver_segment *segments;
  size_t segment_count;
  const tdriver_import *imports;
  size_t import_count;
  const uint64_t *relocations;
  size_t relocation_count;
  const tdriver_hidden *hidden; /* hidden_count of them, by offset */
  uint32_t params_end;          /* where the last parameter ends, hidden ones included; not rounded */
  uint32_t cluster[3];          /* thread blocks of one program */
  uint32_t grid_map;            /* 0 identity, 1 persistent */
  uint32_t reserved;
} tdriver_code;

typedef struct tdriver_launch_config {
  size_t struct_size;
  uint32_t grid[3];
  uint32_t params_size;
  uint64_t programs;  /* their product, not 0 */
  const void *params; /* valid during the call only; 16-byte aligned */
} tdriver_launch_config;

/* The table. `version` is TDRIVER_BACKEND_VERSION, struct_size is sizeof. All functions are required but
 * those behind the line. Since 0.1. */
typedef struct tdriver_backend {
  uint32_t version;
  uint32_t struct_size;
  const char *name; /* of letters, digits, '_', '-' */

  /* How many devices; 0 with a report that says why is no error. */
  tdriver_status (*device_count)(uint32_t *count, tdriver_report *report);
  tdriver_status (*device_open)(uint32_t index, const tdriver_host *host, void **device,
                                tdriver_report *report);
  void (*device_close)(void *device);
  /* Fills all but name and backend. */
  tdriver_status (*device_info)(void *device, tdriver_device_info *info, tdriver_report *report);

  tdriver_status (*memory_alloc)(void *device, uint64_t size, tdriver_memory_kind kind, void **pointer,
                                 tdriver_report *report);
  void (*memory_free)(void *device, void *pointer, tdriver_memory_kind kind);
  tdriver_status (*memory_copy)(void *stream, void *to, const void *from, uint64_t size,
                                tdriver_report *report);
  tdriver_status (*memory_fill)(void *stream, void *to, uint8_t value, uint64_t size, tdriver_report *report);

  tdriver_status (*stream_create)(void *device, void **stream, tdriver_report *report);
  void (*stream_destroy)(void *stream);
  tdriver_status (*stream_synchronize)(void *stream, tdriver_report *report);
  tdriver_status (*stream_query)(void *stream, tdriver_report *report);

  tdriver_status (*event_create)(void *device, void **event, tdriver_report *report);
  void (*event_destroy)(void *event);
  tdriver_status (*event_record)(void *event, void *stream, tdriver_report *report);
  tdriver_status (*event_wait)(void *event, void *stream, tdriver_report *report);
  tdriver_status (*event_synchronize)(void *event, tdriver_report *report);
  tdriver_status (*event_query)(void *event, tdriver_report *report);
  tdriver_status (*event_elapsed)(void *start, void *end, double *nanoseconds, tdriver_report *report);

  tdriver_status (*kernel_load)(void *device, const tdriver_code *code, void **kernel,
                                tdriver_report *report);
  void (*kernel_unload)(void *kernel); /* waits for its launches in flight */
  tdriver_status (*launch)(void *kernel, void *stream, const tdriver_launch_config *config,
                           tdriver_report *report);

  /* ---- NULL where the back end cannot do it ---- */
  /* A stream that somebody else made, by the vendor's handle; stream_destroy leaves that alone. */
  tdriver_status (*stream_wrap)(void *device, void *native, void **stream, tdriver_report *report);
  tdriver_status (*stream_native)(void *stream, void **native, tdriver_report *report);
  /* Loads the code onto the device, which the first launch does otherwise. */
  tdriver_status (*kernel_prepare)(void *kernel, tdriver_report *report);
  /* Fills all but struct_size; prepares the kernel. */
  tdriver_status (*kernel_usage)(void *kernel, tdriver_kernel_usage *usage, tdriver_report *report);
  /* What a device's driver knows of an address; `kind` UNKNOWN where that is nothing. */
  tdriver_status (*pointer_info)(void *device, const void *pointer, tdriver_pointer_info *info,
                                 tdriver_report *report);
  tdriver_status (*set_allocator)(void *device, const tdriver_allocator *allocator, tdriver_report *report);
  /* Work given to the stream between the two is not done but kept. graph_end makes it ready to replay. All four
   * or none. */
  tdriver_status (*graph_begin)(void *stream, tdriver_report *report);
  tdriver_status (*graph_end)(void *stream, void **graph, tdriver_report *report);
  tdriver_status (*graph_launch)(void *graph, void *stream, tdriver_report *report);
  void (*graph_destroy)(void *graph);
} tdriver_backend;

/* The function that a back end's shared library exports, by this name: tdriver_backend_entry. Since 0.1. */
typedef const tdriver_backend *(*tdriver_backend_entry_fn)(void);

/* Adds a back end to this driver; the table must outlive it. INVALID_ARGUMENT: a function is missing or the
 * name is taken. VERSION: another version. Since 0.1. */
TDRIVER_API tdriver_status tdriver_backend_register(tdriver_driver *driver, const tdriver_backend *backend);

/* Opens the shared library at `path` (which must contain a '/') and registers its table. It stays loaded.
 * NOT_FOUND: it cannot be opened or exports no entry. Since 0.1. */
TDRIVER_API tdriver_status tdriver_backend_load(tdriver_driver *driver, const char *path);

#ifdef __cplusplus
}
#endif
#endif
