/* SPDX-License-Identifier: MIT
 * libtdriver: streams. The general rules are in tdriver/device.h.
 *
 * A stream does its work in the order given; two streams are ordered only by events. Calls that add work may
 * return before it is done. On the cpu device work added to an idle stream starts on the calling thread and
 * may be done when the call returns; on a busy stream it is queued.
 */
#ifndef TDRIVER_STREAM_H
#define TDRIVER_STREAM_H

#include "tdriver/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdriver_stream tdriver_stream;

/* Makes a stream; the caller owns *stream. Since 0.1. */
TDRIVER_API tdriver_status tdriver_stream_create(tdriver_device *device, tdriver_stream **stream);

/* Makes a handle of a stream that somebody else made: `native` is the vendor's handle (a CUstream; NULL is the
 * legacy default stream), which must be of the device's primary context and outlive the handle. Destroying the
 * handle waits for nothing and leaves the stream alone. UNSUPPORTED: the device has no such streams (cpu, null).
 * Since 0.1. */
TDRIVER_API tdriver_status tdriver_stream_wrap(tdriver_device *device, void *native, tdriver_stream **stream);

/* The vendor's handle of a stream, borrowed. UNSUPPORTED as above. Since 0.1. */
TDRIVER_API tdriver_status tdriver_stream_get_native(tdriver_stream *stream, void **native);

/* Waits for the stream's work, then ends it. A failure that nobody asked for is dropped. Since 0.1. */
TDRIVER_API void tdriver_stream_destroy(tdriver_stream *stream);

/* The device's own stream, which a NULL stream means where that is allowed. Borrowed: lives as long as the
 * device handle, must not be destroyed. Since 0.1. */
TDRIVER_API tdriver_status tdriver_stream_get_default(tdriver_device *device, tdriver_stream **stream);

/* Waits until everything added before is done. LAUNCH: a kernel stopped; the message has the assert's text,
 * kernel, program id and location. Work queued behind a stopped kernel is not done, and work added to the
 * stream is refused, until this function has reported the failure once; then the stream is usable again.
 * Since 0.1. */
TDRIVER_API tdriver_status tdriver_stream_synchronize(tdriver_stream *stream);

/* OK: everything added so far is done; BUSY: not yet; LAUNCH: as above, but the failure stays to be reported
 * by tdriver_stream_synchronize. Never waits. Since 0.1. */
TDRIVER_API tdriver_status tdriver_stream_query(tdriver_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
