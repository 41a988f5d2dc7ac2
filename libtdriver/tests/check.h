/* SPDX-License-Identifier: MIT
 * The few macros of the C tests.
 */
#ifndef TDRIVER_TESTS_CHECK_H
#define TDRIVER_TESTS_CHECK_H

#include "tdriver/device.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((unused)) static int failures;

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                                \
      ++failures;                                                                                            \
    }                                                                                                        \
  } while (0)

/* The call succeeds; the test cannot go on without it. */
#define OK(call)                                                                                             \
  do {                                                                                                       \
    tdriver_status ok_ = (call);                                                                             \
    if (ok_ != TDRIVER_OK) {                                                                                 \
      fprintf(stderr, "%s:%d: %s: status %d: %s\n", __FILE__, __LINE__, #call, ok_, tdriver_last_message()); \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

/* The call fails with that status and a message that has that text. */
#define FAILS(expected, text, call)                                                                          \
  do {                                                                                                       \
    tdriver_status got_ = (call);                                                                            \
    if (got_ != (expected) || !strstr(tdriver_last_message(), text)) {                                       \
      fprintf(stderr, "%s:%d: %s: status %d, expected %d; message \"%s\", expected \"%s\"\n", __FILE__,      \
              __LINE__, #call, got_, expected, tdriver_last_message(), text);                                \
      ++failures;                                                                                            \
    }                                                                                                        \
  } while (0)

#endif
