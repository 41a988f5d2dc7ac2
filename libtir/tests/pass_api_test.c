/* SPDX-License-Identifier: MIT */
/* C test of pass.h. */
#include <stdio.h>
#include <string.h>
#include <tir/tir.h>

static int failures;
static void check(int ok, const char *text, int line) {
  if (ok) return;
  ++failures;
  fprintf(stderr, "pass_api_test.c:%d: %s\n  last message: %s\n", line, text, tir_last_message());
}
#define CHECK(x) check((x) != 0, #x, __LINE__)
#define FAILS(x, status, why) CHECK((x) == (status) && strstr(tir_last_message(), why))

static char out[4096];
static void collect(void *user, const char *data, size_t size) {
  size_t used = strlen(out);
  (void)user;
  if (used + size < sizeof out) {
    memcpy(out + used, data, size);
    out[used + size] = 0;
  }
}
static int events;
static void event(void *user, const tir_pass_event *e) {
  ++*(int *)user;
  CHECK(e->struct_size == sizeof *e && e->index == 0 && e->changed == 1 && !strcmp(e->name, "dce"));
  CHECK(e->ops_before == 5 && e->ops_after == 3);
}

/* k(n: i32) { c = n + n; d = c * c; return }: nothing of it is needed. */
static tir_module *build(tir_context *ctx) {
  tir_module *m = NULL;
  tir_builder *b = NULL;
  tir_type i32 = tir_type_int(ctx, 32, TIR_SIGN_NONE);
  tir_op f;
  tir_value sum;
  tir_module_create(ctx, &m);
  tir_builder_create(m, &b);
  f = tir_build_tt_func(b, "k", tir_type_function(ctx, 1, &i32, 0, NULL), "public");
  tir_builder_enter(b, f, 0);
  sum = tir_build_arith_addi(b, tir_func_arg(f, 0), tir_func_arg(f, 0));
  tir_build_arith_muli(b, sum, sum);
  tir_build_tt_return(b, 0, NULL);
  CHECK(tir_builder_status(b) == TIR_OK);
  tir_builder_destroy(b);
  return m;
}

int main(void) {
  struct { tir_pass_params p; char newer[8]; } big;
  tir_pass_params p = TIR_PASS_PARAMS_INIT;
  tir_context *ctx = NULL;
  tir_module *m;
  uint32_t i;
  CHECK(tir_context_create(NULL, &ctx) == TIR_OK);
  CHECK(tir_pass_count() >= 6 && !tir_pass_name(tir_pass_count()) && !tir_pass_summary(tir_pass_count()));
  for (i = 0; i < tir_pass_count(); ++i) {
    const char *s = tir_pass_summary(i);
    CHECK(tir_pass_name(i) && s && s[strlen(s) - 1] == '.');
    CHECK(i == 0 || strcmp(tir_pass_name(i - 1), tir_pass_name(i)) < 0);
  }

  m = build(ctx);
  FAILS(tir_pass_run(NULL, "dce", NULL), TIR_INVALID_ARGUMENT, "module is NULL");
  FAILS(tir_pass_run(m, NULL, NULL), TIR_INVALID_ARGUMENT, "pipeline is NULL");
  FAILS(tir_pass_run(m, "none", NULL), TIR_NOT_FOUND, "there are: canonicalize");
  p.struct_size = 3;
  FAILS(tir_pass_run(m, "dce", &p), TIR_INVALID_ARGUMENT, "struct_size");
  p.struct_size = sizeof p;
  p.flags = 1u << 20;
  FAILS(tir_pass_run(m, "dce", &p), TIR_INVALID_ARGUMENT, "unknown flags");
  memset(&big, 0, sizeof big);
  big.p.struct_size = sizeof big;
  big.newer[7] = 1;
  FAILS(tir_pass_run(m, "dce", &big.p), TIR_VERSION, "byte");
  p.flags = TIR_PASS_VERIFY_EACH;
  p.skip = "dce";
  p.event = event;
  p.event_user = &events;
  p.struct_size = sizeof(size_t) + sizeof(uint32_t); /* an older caller, who knew flags only */
  CHECK(tir_pass_run(m, "dce", &p) == TIR_OK && events == 0 && tir_module_num_ops(m) == 3);
  tir_module_destroy(m);

  m = build(ctx);
  p.struct_size = sizeof p;
  CHECK(tir_pass_run(m, "dce", &p) == TIR_OK && events == 0 && tir_module_num_ops(m) == 5); /* skipped */
  p.skip = NULL;
  p.flags = TIR_PASS_VERIFY_EACH | TIR_PASS_ROUNDTRIP_EACH | TIR_PASS_PRINT_EACH | TIR_PASS_TIMING;
  p.write = collect;
  CHECK(tir_pass_run(m, "dce", &p) == TIR_OK && events == 1 && tir_module_num_ops(m) == 3);
  CHECK(strstr(out, "// after pass 'dce'\nmodule {") && strstr(out, "total"));
  tir_module_destroy(m);
  tir_context_destroy(ctx);
  if (failures) fprintf(stderr, "%d checks failed\n", failures);
  return failures != 0;
}
