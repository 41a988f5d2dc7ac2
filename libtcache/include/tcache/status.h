// SPDX-License-Identifier: MIT
/* What the functions of libtcache return, and the words behind it. */
#ifndef TCACHE_STATUS_H
#define TCACHE_STATUS_H

#include <stdint.h>
#include <tcache/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is success. The numbers are shared by all Tessera libraries and never change. A value that is not in
   the list can come only from a caller's own build callback. Since 0.1. */
typedef int32_t tcache_status;

enum {
  TCACHE_OK = 0,
  TCACHE_INVALID_ARGUMENT = 1, /* a NULL, out-of-range, wrong-kind or foreign argument */
  TCACHE_PARSE = 2,            /* text or bytes that do not follow their format */
  TCACHE_VERIFY = 3,           /* not used by this library */
  TCACHE_UNSUPPORTED = 4,      /* valid input that this build or version does not handle */
  TCACHE_NOT_FOUND = 5,        /* no such entry: a miss */
  TCACHE_IO = 6,               /* the operating system refused a file operation */
  TCACHE_CORRUPT = 7,          /* bytes whose checksum, length or structure is wrong */
  TCACHE_VERSION = 8,          /* a format or ABI version that is not understood */
  TCACHE_LIMIT = 9,            /* a bound on size was exceeded */
  TCACHE_COMPILE = 10,         /* not used by this library */
  TCACHE_DEVICE = 11,          /* not used by this library */
  TCACHE_LAUNCH = 12,          /* not used by this library */
  TCACHE_BUSY = 13,            /* waiting for this key would never end */
  TCACHE_INTERNAL = 14         /* a defect of this library */
};

/* What a status means in general, in English. Static text, any thread, never NULL; "unknown status" for a
   number that is not in the list. Since 0.1. */
TCACHE_API const char *tcache_status_text(tcache_status status);

/* The sentence behind the last call of this thread into this library that did not return TCACHE_OK. Never
   NULL; "" before the first failure. Valid until this thread's next call into this library. Since 0.1. */
TCACHE_API const char *tcache_last_message(void);

#ifdef __cplusplus
}
#endif

#endif
