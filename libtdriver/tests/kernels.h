/* SPDX-License-Identifier: MIT
 * The table of test kernels in the running program.
 */
#ifndef TDRIVER_TESTS_KERNELS_H
#define TDRIVER_TESTS_KERNELS_H

/* Image layout of every fixture: code from 0, import slots and relocated pointers, then constants. */
#define FIXTURE_SLOTS 0x4000
#define FIXTURE_CONSTANTS 0x6000

typedef struct kernel_row {
  const char *name;
  const void *function;
} kernel_row;

#ifdef __cplusplus
extern "C" {
#endif
extern const kernel_row kernel_table[];
extern const char __start_test_kernels[], __stop_test_kernels[];
#ifdef __cplusplus
}
#endif
#endif
