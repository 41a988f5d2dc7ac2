/* SPDX-License-Identifier: MIT
 * libtdriver: launching and timing kernels. General rules: tdriver/device.h.
 */
#ifndef TDRIVER_LAUNCH_H
#define TDRIVER_LAUNCH_H

#include "tdriver/kernel.h"
#include "tdriver/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Adds a launch of grid[0] * grid[1] * grid[2] programs to `stream` (NULL: the default stream of the kernel's
 * device). args[i] points to the value of argument i of the signature, in its own type: a pointer argument's
 * entry points to the pointer. Values are copied before the call returns. Entries of arguments that are
 * constants may be NULL. A grid with a zero launches nothing and succeeds.
 *
 * Programs start in increasing linear order (x fastest); a program may wait only for programs of lower index
 * or for a lock that its holder gives back.
 *
 * INVALID_ARGUMENT: wrong nargs, NULL values, a stream of another device, a broken promise in debug mode.
 * LIMIT: more programs than the device takes. LAUNCH: an earlier launch on this stream failed and was not yet
 * reported by tdriver_stream_synchronize. This launch's own failure is reported there. Since 0.1. */
TDRIVER_API tdriver_status tdriver_launch(tdriver_kernel *kernel, tdriver_stream *stream,
                                          const uint32_t grid[3], const void *const *args, uint32_t nargs);

/* The same with the packed buffer: each argument that is not constant at its offset (tdriver_argument_info),
 * `size` bytes = tdriver_kernel_info.params_size. `params` may be NULL when that is 0. Since 0.1. */
TDRIVER_API tdriver_status tdriver_launch_packed(tdriver_kernel *kernel, tdriver_stream *stream,
                                                 const uint32_t grid[3], const void *params, size_t size);

/* How a sample is taken. Since 0.1. */
enum {
  /* GRAPH for kernels of less than 20 us on devices that have it, without flush_bytes; else EVENTS where events
   * take the device's time; else HOST. */
  TDRIVER_BENCHMARK_AUTO = 0,
  TDRIVER_BENCHMARK_HOST = 1,   /* the host's clock around launch and synchronise */
  TDRIVER_BENCHMARK_EVENTS = 2, /* an event before and one behind `inner` launches; samples are queued, not waited for
                                   one by one */
  TDRIVER_BENCHMARK_GRAPH = 3   /* the same around the replay of a graph of `inner` (0: 20) launches */
};
/* flush_bytes: twice the device's L2 cache (64 MiB where that is unknown). */
#define TDRIVER_FLUSH_L2 UINT64_MAX

typedef struct tdriver_benchmark_params {
  size_t struct_size;
  uint32_t warmup;      /* launches before the first sample; 0 = 3 */
  uint32_t repetitions; /* samples; 0 = as many as fit time_ms, at least 15 and at most 10000 */
  uint32_t inner;       /* launches per sample, whose time is divided by it; 0 = 1 */
  uint32_t time_ms;     /* used where repetitions is 0; 0 = 200 */
  uint64_t flush_bytes; /* bytes written before each sample, by the device, to empty caches; 0 = none; at most 2^30, or
                           TDRIVER_FLUSH_L2 */
  double *samples;      /* NULL, or room for sample_capacity times in nanoseconds, in order of measurement */
  uint32_t sample_capacity;
  uint32_t mode; /* TDRIVER_BENCHMARK_… */
} tdriver_benchmark_params;
#define TDRIVER_BENCHMARK_PARAMS_INIT {sizeof(tdriver_benchmark_params), 0u, 0u, 0u, 0u, 0u, NULL, 0u, 0u}

typedef struct tdriver_benchmark_result {
  size_t struct_size;
  uint32_t count; /* samples taken */
  uint32_t mode;  /* HOST, EVENTS or GRAPH */
  double minimum, quartile1, median, quartile3, maximum, mean; /* nanoseconds of one launch */
} tdriver_benchmark_result;
#define TDRIVER_BENCHMARK_RESULT_INIT {sizeof(tdriver_benchmark_result), 0u, 0u, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}

/* Launches the kernel again and again and takes times. The calling thread does the waiting; the stream must have no
 * other user meanwhile. Errors as tdriver_launch and tdriver_stream_synchronize. LIMIT: repetitions or warmup above a
 * million. UNSUPPORTED: a mode that the device does not have. Since 0.1. */
TDRIVER_API tdriver_status tdriver_benchmark(tdriver_kernel *kernel, tdriver_stream *stream,
                                             const uint32_t grid[3], const void *const *args, uint32_t nargs,
                                             const tdriver_benchmark_params *params,
                                             tdriver_benchmark_result *result);

#ifdef __cplusplus
}
#endif
#endif
