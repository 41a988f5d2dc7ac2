/* SPDX-License-Identifier: MIT
 * Kernel objects for the tests.
 */
#ifndef TDRIVER_TESTS_FIXTURES_H
#define TDRIVER_TESTS_FIXTURES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fixture {
  unsigned char *bytes;
  size_t size;
} fixture;

/* The object of one kernel of kernels.c. `variant` is NULL or one of: "import" (an import that no driver
 * has), "feature" (a CPU feature that no driver knows), "future" (a real feature, "amx-fp16", rare), "cuda"
 * (for another device), "hidden" (a hidden argument). Aborts on a name it does not know. */
fixture fixture_kernel(const char *name, const char *variant);

/* A kernel that stores `value` through its one argument, an i32 pointer: hand-assembled. */
fixture fixture_constant(uint32_t value);

void fixture_free(fixture f);

#ifdef __cplusplus
}
#endif
#endif
