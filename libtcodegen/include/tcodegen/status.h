// SPDX-License-Identifier: MIT
/* What the functions of libtcodegen return, and the words behind it. */
#ifndef TCODEGEN_STATUS_H
#define TCODEGEN_STATUS_H

#include <stdint.h>
#include <tcodegen/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is success. The numbers are shared by all Tessera libraries and never change. Since 0.1. */
typedef int32_t tcodegen_status;

enum {
  TCODEGEN_OK = 0,
  TCODEGEN_INVALID_ARGUMENT = 1, /* a NULL, out-of-range or wrong-kind argument */
  TCODEGEN_PARSE = 2,            /* IR that does not follow its format */
  TCODEGEN_VERIFY = 3,           /* IR that breaks a rule of the verifier */
  TCODEGEN_UNSUPPORTED = 4,      /* valid input that this build, version or target does not handle */
  TCODEGEN_NOT_FOUND = 5,        /* no such target, kernel, stage or index */
  TCODEGEN_IO = 6,               /* not used by this library */
  TCODEGEN_CORRUPT = 7,          /* IR bytes whose length or structure is wrong */
  TCODEGEN_VERSION = 8,          /* a params struct or IR version that is not understood */
  TCODEGEN_LIMIT = 9,            /* a bound on size was exceeded */
  TCODEGEN_COMPILE = 10,         /* code generation failed */
  TCODEGEN_DEVICE = 11,          /* not used by this library */
  TCODEGEN_LAUNCH = 12,          /* not used by this library */
  TCODEGEN_BUSY = 13,            /* not used by this library */
  TCODEGEN_INTERNAL = 14         /* a defect of this library */
};

/* What a status means in general, in English. Static text, any thread, never NULL; "unknown status" for a number
   that is not in the list. Since 0.1. */
TCODEGEN_API const char *tcodegen_status_text(tcodegen_status status);

/* The sentence behind the last call of this thread into this library that did not return TCODEGEN_OK. Never NULL;
   "" before the first failure. Valid until this thread's next call into this library. Since 0.1. */
TCODEGEN_API const char *tcodegen_last_message(void);

#ifdef __cplusplus
}
#endif

#endif
