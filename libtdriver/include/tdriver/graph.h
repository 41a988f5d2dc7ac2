/* SPDX-License-Identifier: MIT
 * libtdriver: graphs, work that is recorded once and replayed as one. General rules: tdriver/device.h.
 */
#ifndef TDRIVER_GRAPH_H
#define TDRIVER_GRAPH_H

#include "tdriver/device.h"
#include "tdriver/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdriver_graph tdriver_graph;

/* From now on work given to `stream` (not NULL, not a device's default stream) is recorded instead of done: launches,
 * copies, fills. Kernels must be prepared (tdriver_kernel_prepare); synchronise and query fail meanwhile. BUSY: it is
 * recording already. UNSUPPORTED: the device has no graphs (tdriver_device_info.capabilities). Since 0.1. */
TDRIVER_API tdriver_status tdriver_graph_begin(tdriver_stream *stream);

/* Ends the recording and makes what was recorded ready to be replayed. The caller owns *graph. INVALID_ARGUMENT:
 * tdriver_graph_begin was not called. On failure the recording has ended, too. Since 0.1. */
TDRIVER_API tdriver_status tdriver_graph_end(tdriver_stream *stream, tdriver_graph **graph);

/* Adds the graph's work to `stream` (NULL: the default stream). Arguments are those of the recording: kernels and
 * memory must still be there. Errors as tdriver_launch. Since 0.1. */
TDRIVER_API tdriver_status tdriver_graph_launch(tdriver_graph *graph, tdriver_stream *stream);

/* Frees the graph, after its last replay is done. NULL is fine. Since 0.1. */
TDRIVER_API void tdriver_graph_destroy(tdriver_graph *graph);

#ifdef __cplusplus
}
#endif
#endif
