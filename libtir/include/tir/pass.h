/* SPDX-License-Identifier: MIT */
/* Target-independent passes and their runner. Since 0.1. */
#ifndef TIR_PASS_H
#define TIR_PASS_H

#include "module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One line per pass that ran. `changed` is 0 or 1, times are in nanoseconds. Strings are valid during the call. */
typedef struct tir_pass_event {
  size_t struct_size;
  const char *name;
  uint32_t index;     /* position in the pipeline, from 0 */
  uint32_t changed;
  uint64_t time_ns;
  uint32_t ops_before, ops_after;
} tir_pass_event;
typedef void (*tir_pass_event_fn)(void *user, const tir_pass_event *event);

enum {
  TIR_PASS_VERIFY_EACH = 1u << 0,    /* run the verifier after each pass */
  TIR_PASS_ROUNDTRIP_EACH = 1u << 1, /* after each pass: print, parse, print again, and compare */
  TIR_PASS_PRINT_EACH = 1u << 2,     /* text of the module after each pass that changed it, to `write` */
  TIR_PASS_TIMING = 1u << 3          /* a table of times, to `write`, at the end */
};

typedef struct tir_pass_params {
  size_t struct_size;
  uint32_t flags;                /* TIR_PASS_... */
  uint32_t reserved;             /* 0 */
  const char *skip;              /* names not to run, "cse,licm"; NULL: none */
  tir_write_fn write;            /* for PRINT_EACH and TIMING; NULL: they print nothing */
  void *write_user;
  tir_pass_event_fn event;       /* called after each pass; NULL: none */
  void *event_user;
  tir_write_fn reproducer;       /* when a pass fails a check: pipeline and module before that pass, as text that
                                    `tessera opt` accepts (the pipeline stands in its first line, a comment);
                                    NULL: none */
  void *reproducer_user;
} tir_pass_params;
#define TIR_PASS_PARAMS_INIT {sizeof(tir_pass_params), 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL}

/* Runs passes in order: names separated by commas, blanks allowed; a pass may take options in braces
 * ("inline{noinline=true}"). "" runs none. The verifier always runs before the first. params: NULL gives the defaults. Handles of the module's operations,
 * blocks and values mean nothing afterwards. On failure the module may be half transformed.
 * Errors: NOT_FOUND (unknown pass or option; the message lists what exists), INVALID_ARGUMENT, VERIFY (the module
 * does not verify, or a check of VERIFY_EACH or ROUNDTRIP_EACH failed; the message then names the pass), UNSUPPORTED (a pass refuses the module, e.g.
 * inlining a recursive function). */
TIR_API tir_status tir_pass_run(tir_module *module, const char *pipeline, const tir_pass_params *params);

/* The passes that exist, in alphabetical order: name and one sentence; NULL when i is out of range. Static strings;
 * any thread. */
TIR_API uint32_t tir_pass_count(void);
TIR_API const char *tir_pass_name(uint32_t i);
TIR_API const char *tir_pass_summary(uint32_t i);

#ifdef __cplusplus
}
#endif
#endif
