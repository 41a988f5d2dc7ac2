/* SPDX-License-Identifier: MIT
 * libtdriver: the driver object and its devices.
 *
 * Rules that hold for every function of this library, unless its comment says otherwise:
 *  - It returns a tdriver_status; on failure tdriver_last_message() has the sentence, and outputs are
 *    untouched.
 *  - NULL where an object is needed, unknown enum values, out-of-range numbers and handles of another driver
 *    or device give TDRIVER_INVALID_ARGUMENT. A `destroy`, `close`, `unload` or `free` takes NULL.
 *  - It may be called from any thread at any time. Destroying an object that another thread still uses is an
 *    error of the caller; destroying objects in any order is fine, each keeps what it needs alive.
 *  - Params and info structs begin with struct_size; initialise them with their _INIT macro. NULL params are
 *    defaults.
 *  - `const char *` results live as long as the object they were asked of.
 *  - After fork() the child may use the driver's cpu and null devices: it builds new threads on first use.
 *    Work that other threads of the parent had in flight is not continued in the child. A cuda device that was
 *    used, or only counted, before the fork answers DEVICE, "forked after initialisation", in the child.
 */
#ifndef TDRIVER_DEVICE_H
#define TDRIVER_DEVICE_H

#include "tdriver/version.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return. All five libraries share the numbers. Since 0.1. */
typedef int32_t tdriver_status;
enum {
  TDRIVER_OK = 0,
  TDRIVER_INVALID_ARGUMENT = 1, /* a NULL, out-of-range, wrong-kind or foreign argument */
  TDRIVER_PARSE = 2,            /* an environment knob whose text is no value */
  TDRIVER_VERIFY = 3,           /* not returned by this library */
  TDRIVER_UNSUPPORTED = 4,      /* valid, but this build, device or version cannot do it */
  TDRIVER_NOT_FOUND = 5,        /* no such device, back end, argument or file */
  TDRIVER_IO = 6,               /* the operating system refused */
  TDRIVER_CORRUPT = 7,          /* a kernel object's checksum, length or structure is wrong */
  TDRIVER_VERSION = 8,          /* a format or table version that is not understood */
  TDRIVER_LIMIT = 9,            /* a bound was exceeded */
  TDRIVER_COMPILE = 10,         /* not returned by this library */
  TDRIVER_DEVICE = 11,          /* a device or vendor driver failed */
  TDRIVER_LAUNCH = 12,          /* a kernel stopped with an assert, a trap or a fault */
  TDRIVER_BUSY = 13,            /* not ready yet */
  TDRIVER_INTERNAL = 14         /* a defect of this library */
};

/* The sentence of this thread's last failure in this library; "" before the first. Owned by the library,
 * valid until this thread's next call into it. Never NULL. Since 0.1. */
TDRIVER_API const char *tdriver_last_message(void);

typedef struct tdriver_driver tdriver_driver;
typedef struct tdriver_device tdriver_device;

/* Receives the text that kernels print (tt.print): whole lines, ending in '\n', `size` bytes, not
 * NUL-terminated. Called from any thread, by one at a time. Since 0.1. */
typedef void (*tdriver_print_fn)(void *user, const char *text, size_t size);

typedef struct tdriver_params {
  size_t struct_size;
  /* Threads that one CPU launch may use; 0 = TESSERA_THREADS, else what affinity and cgroup quota allow. */
  uint32_t threads;
  /* Not 0: every launch checks the kernel's promises, as tdriver_kernel_check_arguments does. */
  uint32_t debug;
  tdriver_print_fn print; /* NULL: standard output */
  void *print_user;       /* handed to print */
} tdriver_params;
#define TDRIVER_PARAMS_INIT {sizeof(tdriver_params), 0u, 0u, NULL, NULL}

/* Makes a driver. It starts no thread and opens no vendor library yet. The caller owns *driver. LIMIT: more
 * than 4096 threads. Since 0.1. */
TDRIVER_API tdriver_status tdriver_create(const tdriver_params *params, tdriver_driver **driver);

/* Gives the caller's reference back. Since 0.1. */
TDRIVER_API void tdriver_destroy(tdriver_driver *driver);

/* How many devices there are: one "cpu", one "null", a "cuda" for each GPU that the vendor's driver shows, and
 * those of registered back ends. Opens the vendor's library. Without one, or without a GPU, there are just
 * fewer; tdriver_device_open says why. Since 0.1. */
TDRIVER_API tdriver_status tdriver_device_count(tdriver_driver *driver, uint32_t *count);

/* Name of device number `index`, to give to tdriver_device_open: "cpu", "null", "mine:0". The text lives as
 * long as the driver. Since 0.1. */
TDRIVER_API tdriver_status tdriver_device_name(tdriver_driver *driver, uint32_t index, const char **name);

/* Opens a device by name: a back end's name, or name:index. The caller owns *device. NOT_FOUND names the
 * devices there are, or says why a back end has none. "hip:N" answers UNSUPPORTED. Opening one twice gives two
 * handles; those of one GPU share its (primary) context. Since 0.1. */
TDRIVER_API tdriver_status tdriver_device_open(tdriver_driver *driver, const char *name,
                                               tdriver_device **device);

/* Gives the caller's reference back; objects made from the device keep it open. Since 0.1. */
TDRIVER_API void tdriver_device_close(tdriver_device *device);

/* Waits until the work of every stream of this handle is done. LAUNCH: the first failure found, as
 * tdriver_stream_synchronize reports it. Since 0.1. */
TDRIVER_API tdriver_status tdriver_device_synchronize(tdriver_device *device);

/* Bits of tdriver_device_info.capabilities. Since 0.1. */
enum {
  TDRIVER_CAN_EXECUTE = 1u << 0, /* launches run the kernel (the null device runs nothing) */
  TDRIVER_CAN_MAP_MEMORY =
      1u << 1,                /* device memory may be read and written by the host through its pointer */
  TDRIVER_CAN_PRINT = 1u << 2,      /* tt.print and tt.assert records come back */
  TDRIVER_CAN_GRAPH = 1u << 3,      /* tdriver/graph.h */
  TDRIVER_CAN_TIME_EVENTS = 1u << 4 /* events take the device's time; launches return before they are done */
};

typedef struct tdriver_device_info {
  size_t struct_size;
  const char *name;        /* as opened by: "cpu" */
  const char *backend;     /* "cpu" */
  const char *description; /* the model, for people */
  const char *features;    /* cpu: the features usable here, LLVM's names, one space between; else "" */
  uint32_t capabilities;   /* TDRIVER_CAN_… */
  uint32_t threads;        /* cpu: threads one launch may use */
  uint32_t cores;          /* cpu: logical CPUs that this process may run on */
  uint32_t alignment;      /* of memory from tdriver_memory_alloc, in bytes */
  uint64_t memory_bytes;   /* total memory of the device; 0 = unknown */
  uint64_t max_programs;   /* largest x * y * z of a grid */
  const char *target;      /* what to compile for, to run here: "cpu:native", "cuda:90a"; "" where nothing runs */
  uint64_t l2_bytes;       /* this and all below: 0 = unknown, or does not apply (cpu) */
  uint32_t capability;     /* cuda: 10 * major + minor, as in 90 */
  uint32_t units;          /* cuda: multiprocessors */
  uint32_t max_threads;    /* of one thread block */
  uint32_t shared_bytes;   /* most dynamic shared memory of a thread block */
  uint32_t unit_shared_bytes; /* shared memory of a multiprocessor */
  uint32_t unit_registers;    /* registers of a multiprocessor, 4 bytes each */
  uint32_t max_grid[3];       /* largest grid in each direction; 0 = bounded by max_programs alone */
  uint32_t driver_version;    /* the vendor's, cuda: 1000 * major + 10 * minor */
} tdriver_device_info;
#define TDRIVER_DEVICE_INFO_INIT                                                                             \
  {sizeof(tdriver_device_info), NULL, NULL, NULL, NULL, 0u, 0u, 0u, 0u, 0u, 0u, NULL, 0u, 0u, 0u, 0u, 0u, 0u, \
   0u, {0u, 0u, 0u}, 0u}

/* Fills *info (its first struct_size bytes). Strings live as long as the device. Since 0.1. */
TDRIVER_API tdriver_status tdriver_device_get_info(tdriver_device *device, tdriver_device_info *info);

/* Where the scratch memory of launches comes from (kernels that have a `scratch` hidden argument). */
typedef struct tdriver_allocator {
  size_t struct_size;
  void *user;
  /* `size` bytes of the device, for work that is about to be given to the stream (the vendor's handle). NULL
   * fails the launch. Called from any thread that launches, also while the stream is captured into a graph: then
   * the memory must live as long as the graph. */
  void *(*allocate)(void *user, uint64_t size, uint64_t alignment, void *native_stream);
  /* The launch has been given to the stream: the memory may be used for work that follows on it. */
  void (*release)(void *user, void *pointer, uint64_t size, void *native_stream);
} tdriver_allocator;
#define TDRIVER_ALLOCATOR_INIT {sizeof(tdriver_allocator), NULL, NULL, NULL}

/* Sets the hook; NULL: the driver's own memory, one block for each stream. Launches of other threads may still be
 * using the one before. UNSUPPORTED: the device has no scratch (cpu: each thread has an arena). Since 0.1. */
TDRIVER_API tdriver_status tdriver_device_set_allocator(tdriver_device *device, const tdriver_allocator *allocator);

#ifdef __cplusplus
}
#endif
#endif
