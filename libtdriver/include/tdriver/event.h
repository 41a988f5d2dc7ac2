/* SPDX-License-Identifier: MIT
 * libtdriver: events, marks in a stream that order streams and take times. General rules: tdriver/device.h.
 */
#ifndef TDRIVER_EVENT_H
#define TDRIVER_EVENT_H

#include "tdriver/device.h"
#include "tdriver/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdriver_event tdriver_event;

/* Makes an event; the caller owns *event. It counts as reached until it is recorded. Since 0.1. */
TDRIVER_API tdriver_status tdriver_event_create(tdriver_device *device, tdriver_event **event);

/* Waits until it is reached if it is recorded and pending, then ends it. Since 0.1. */
TDRIVER_API void tdriver_event_destroy(tdriver_event *event);

/* Puts the mark behind the work that `stream` (NULL: the default stream) has now. An event recorded again
 * means the last place. A stopped kernel does not keep an event from being reached. Since 0.1. */
TDRIVER_API tdriver_status tdriver_event_record(tdriver_event *event, tdriver_stream *stream);

/* Work added to `stream` (NULL: the default stream) from now on starts after the event's last recorded mark
 * is reached. Does not wait itself. Since 0.1. */
TDRIVER_API tdriver_status tdriver_event_wait(tdriver_event *event, tdriver_stream *stream);

/* Waits until the mark is reached. Since 0.1. */
TDRIVER_API tdriver_status tdriver_event_synchronize(tdriver_event *event);

/* OK: reached; BUSY: not yet. Since 0.1. */
TDRIVER_API tdriver_status tdriver_event_query(tdriver_event *event);

/* Nanoseconds from one mark to the other (negative if `end` came first). BUSY: one is pending.
 * INVALID_ARGUMENT: one was never recorded, or they are of two devices. Since 0.1. */
TDRIVER_API tdriver_status tdriver_event_elapsed(tdriver_event *start, tdriver_event *end,
                                                 double *nanoseconds);

#ifdef __cplusplus
}
#endif
#endif
