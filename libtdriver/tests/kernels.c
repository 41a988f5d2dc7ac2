/* SPDX-License-Identifier: MIT
 * Kernels for the tests, in C: compiled position independent and without any instrumentation into one
 * section, whose bytes fixtures.cc copies into kernel objects. So they must not call, or refer to, anything
 * outside the section. Slots and constants lie at fixed distances behind the section's start, as fixtures.cc
 * lays them out.
 */
#include "kernels.h"
#include <stdint.h>

typedef struct { /* tdriver_cpu_call, as the kernel ABI states it */
  uint32_t struct_size;
  uint32_t grid[3];
  uint64_t first, last;
  void *arena;
  void *host;
} call_t;

#define KERNEL __attribute__((section("test_kernels"), used, noinline, visibility("hidden")))

extern const char __start_test_kernels[] __attribute__((visibility("hidden")));
static inline __attribute__((always_inline)) void *slot(int index) {
  return *(void *const volatile *)(__start_test_kernels + FIXTURE_SLOTS + 8 * index);
}
typedef int32_t (*record_fn)(void *, uint32_t, uint32_t, uint32_t, uint64_t);
typedef void (*print_fn)(void *, uint32_t, uint64_t, const void *, uint64_t);

KERNEL int32_t kernel_empty(const void *params, const call_t *c) { return 0; }

/* out[i] = x[i] + y[i], 64 elements per program */
typedef struct {
  const float *x, *y;
  float *out;
  int32_t n;
} add_t;
KERNEL int32_t kernel_add(const add_t *p, const call_t *c) {
  for (uint64_t program = c->first; program < c->last; ++program)
    for (int64_t i = (int64_t)program * 64; i < (int64_t)program * 64 + 64 && i < p->n; ++i)
      p->out[i] = p->x[i] + p->y[i];
  return 0;
}

/* out[linear] = x | y << 10 | z << 20, added, so that a program that ran twice shows */
KERNEL int32_t kernel_ids(uint32_t *const *p, const call_t *c) {
  for (uint64_t program = c->first; program < c->last; ++program) {
    uint64_t x = program % c->grid[0], rest = program / c->grid[0];
    (*p)[program] += (uint32_t)(x | (rest % c->grid[1]) << 10 | (rest / c->grid[1]) << 20);
  }
  return 0;
}

/* each program waits for the one before it, then adds under a lock */
typedef struct {
  int32_t *lock, *turn;
  int64_t *sum;
} lock_t;
KERNEL int32_t kernel_lock(const lock_t *p, const call_t *c) {
  for (uint64_t program = c->first; program < c->last; ++program) {
    while (__atomic_load_n(p->turn, __ATOMIC_ACQUIRE) < (int32_t)program) __builtin_ia32_pause();
    while (__atomic_exchange_n(p->lock, 1, __ATOMIC_ACQUIRE)) __builtin_ia32_pause();
    *p->sum = *p->sum * 31 + (int64_t)program; /* depends on the order */
    __atomic_store_n(p->lock, 0, __ATOMIC_RELEASE);
    __atomic_store_n(p->turn, (int32_t)program + 1, __ATOMIC_RELEASE);
  }
  return 0;
}

/* programs >= limit fail their assert; *count counts the others */
typedef struct {
  int64_t *count;
  int64_t limit;
} assert_t;
KERNEL int32_t kernel_assert(const assert_t *p, const call_t *c) {
  for (uint64_t program = c->first; program < c->last; ++program) {
    if ((int64_t)program >= p->limit) return ((record_fn)slot(0))(c->host, 1, 0, 1, program);
    __atomic_fetch_add(p->count, 1, __ATOMIC_RELAXED);
  }
  return 0;
}

KERNEL int32_t kernel_print(const int32_t *p, const call_t *c) {
  for (uint64_t program = c->first; program < c->last; ++program) {
    int32_t values[4] = {p[0], p[0] + 1, p[0] + 2, -1};
    ((print_fn)slot(1))(c->host, 1, program, values, 4);
  }
  return 0;
}

/* fills its arena with the program's number and reads it back; *bad counts differences and misalignment */
typedef struct {
  int64_t *bad;
  int64_t words;
} arena_t;
KERNEL int32_t kernel_arena(const arena_t *p, const call_t *c) {
  for (uint64_t program = c->first; program < c->last; ++program) {
    volatile uint64_t *arena = (volatile uint64_t *)c->arena;
    if ((uintptr_t)arena % 256) __atomic_fetch_add(p->bad, 1, __ATOMIC_RELAXED);
    for (int64_t i = 0; i < p->words; ++i) arena[i] = program;
    for (int64_t i = 0; i < p->words; ++i)
      if (arena[i] != program) __atomic_fetch_add(p->bad, 1, __ATOMIC_RELAXED);
  }
  return 0;
}

/* out[program] = sin(program) through the import; slot 3 points (by relocation) to a constant that is added
 */
KERNEL int32_t kernel_sin(double *const *p, const call_t *c) {
  for (uint64_t program = c->first; program < c->last; ++program)
    (*p)[program] = ((double (*)(double))slot(2))((double)program) + *(const double *)slot(3);
  return 0;
}

/* spins until *flag is set; *seen says that it runs */
typedef struct {
  int32_t *flag, *seen;
} wait_t;
KERNEL int32_t kernel_wait(const wait_t *p, const call_t *c) {
  __atomic_store_n(p->seen, 1, __ATOMIC_RELEASE);
  while (!__atomic_load_n(p->flag, __ATOMIC_ACQUIRE)) __builtin_ia32_pause();
  return 0;
}

/* breaks the ABI: a record that it never made */
KERNEL int32_t kernel_liar(const void *params, const call_t *c) { return 7; }

/* busy for `turns` turns */
KERNEL int32_t kernel_busy(const int64_t *turns, const call_t *c) {
  for (uint64_t program = c->first; program < c->last; ++program)
    for (int64_t i = 0; i < *turns; ++i) __asm__ volatile("" ::: "memory");
  return 0;
}

/* copies its parameter buffer but the last pointer to out: i1, i8, i16, f32, i64, f64, f16, f8 */
typedef struct {
  unsigned char bytes[32];
  unsigned char *out;
} params_t;
KERNEL int32_t kernel_params(const params_t *p, const call_t *c) {
  for (int i = 0; i < 32; ++i) ((volatile unsigned char *)p->out)[i] = p->bytes[i];
  return 0;
}

#define ROW(name) {#name, (const void *)kernel_##name}
const kernel_row kernel_table[] = {ROW(empty), ROW(add),    ROW(ids), ROW(lock), ROW(assert),
                                   ROW(print), ROW(arena),  ROW(sin), ROW(wait), ROW(liar),
                                   ROW(busy),  ROW(params), {0, 0}};
