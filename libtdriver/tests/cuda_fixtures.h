/* SPDX-License-Identifier: MIT
 * Kernel objects for GPUs: PTX written by hand, which the vendor's driver assembles.
 */
#ifndef TDRIVER_TESTS_CUDA_FIXTURES_H
#define TDRIVER_TESTS_CUDA_FIXTURES_H

#include "fixtures.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "add" (x, y, out, n: f32, 128 a program), "check" (out, limit: programs from `limit` on fail an assert), "shared"
 * (out: 128 i32 by way of 100 KiB of shared memory), "fault" (bad: writes there), "scratch" (out: i32 by way of
 * scratch), "k1" "k7" "k20" (nothing, so many arguments), "spin" (turns). variant: NULL, "old" (machine code for
 * cuda:75), "broken" (PTX that does not assemble), "name" (no such entry), "params" (one argument too many). */
fixture cuda_fixture(const char *name, const char *variant);
/* The PTX of the three empty kernels. Static. */
const char *cuda_empty_ptx(void);

#ifdef __cplusplus
}
#endif
#endif
