/* SPDX-License-Identifier: MIT */
/* C test of interp.h: a kernel built through the C builder runs; every way to call it wrong gives a status.
 */
#include <stdio.h>
#include <string.h>
#include <tir/builder.h>
#include <tir/interp.h>

static int failures;
static void check(int ok, const char *text, int line) {
  if (ok) return;
  ++failures;
  fprintf(stderr, "api_test.c:%d: %s\n  last message: %s\n", line, text, tir_last_message());
}
#define CHECK(x) check((x) != 0, #x, __LINE__)
#define SAYS(text) (strstr(tir_last_message(), text) != NULL)

static tir_context *ctx;
static tir_module *module;

/* k(p, n): p[pid] = p[pid] + n */
static void build(void) {
  tir_builder *b;
  tir_type i32, in[2];
  tir_op f;
  tir_value at;
  CHECK(tir_context_create(NULL, &ctx) == TIR_OK);
  CHECK(tir_module_create(ctx, &module) == TIR_OK);
  CHECK(tir_builder_create(module, &b) == TIR_OK);
  i32 = tir_type_int(ctx, 32, TIR_SIGN_NONE);
  in[0] = tir_type_ptr(i32, 1);
  in[1] = i32;
  f = tir_build_tt_func(b, "k", tir_type_function(ctx, 2, in, 0, NULL), "public");
  CHECK(tir_builder_enter(b, f, 0) == TIR_OK);
  at = tir_build_tt_addptr(b, tir_func_arg(f, 0), tir_build_tt_get_program_id(b, TIR_PROGRAM_ID_DIM_X));
  tir_build_tt_store(
      b, at, tir_build_arith_addi(b, tir_build_tt_load(b, at, NULL, NULL, 0, 0, 0), tir_func_arg(f, 1)), NULL,
      0, 0);
  CHECK(tir_build_tt_return(b, 0, NULL) != NULL);
  CHECK(tir_builder_leave(b) == TIR_OK);
  tir_builder_destroy(b);
}

static int reports;
static uint32_t last_kind;
static void report(void *user, const tir_interp_report *r) {
  CHECK(user == &reports && r->message && r->location && r->location[0] && r->op);
  ++reports;
  last_kind = r->kind;
}

int main(void) {
  int32_t data[4] = {1, 2, 3, 4};
  uint8_t shadow[16];
  tir_interp_arg a[2];
  tir_interp_params p = TIR_INTERP_PARAMS_INIT, old;
  build();
  memset(a, 0, sizeof a);
  a[0].struct_size = a[1].struct_size = sizeof a[0];
  a[0].kind = TIR_INTERP_BUFFER;
  a[0].data = data;
  a[0].size = sizeof data;
  a[0].shadow = shadow;
  a[1].bits = 0xffffffff0000000aull; /* upper bits are ignored */
  p.grid[0] = 3;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_OK);
  CHECK(data[0] == 11 && data[2] == 13 && data[3] == 4);
  CHECK(shadow[0] == TIR_SHADOW_WRITTEN && shadow[12] == TIR_SHADOW_INITIAL);
  CHECK(tir_interp_run(module, NULL, NULL, a, 2) == TIR_OK &&
        data[0] == 21); /* one program, the only kernel */

  /* an older caller's params end after the grid */
  memset(&old, 0xff, sizeof old);
  old.struct_size = offsetof(tir_interp_params, reserved);
  old.grid[0] = old.grid[1] = old.grid[2] = 1;
  CHECK(tir_interp_run(module, "k", &old, a, 2) == TIR_OK && data[0] == 31);

  p.grid[0] = 5;
  p.report = report;
  p.report_user = &reports;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_LAUNCH);
  CHECK(SAYS("argument 0") && SAYS("program (4, 0, 0)") && reports == 1 && last_kind == TIR_SANITIZE_BOUNDS);

  p.grid[0] = 1;
  CHECK(tir_interp_run(NULL, "k", &p, a, 2) == TIR_INVALID_ARGUMENT);
  CHECK(tir_interp_run(module, "k", &p, NULL, 2) == TIR_INVALID_ARGUMENT);
  CHECK(tir_interp_run(module, "nobody", &p, a, 2) == TIR_NOT_FOUND && SAYS("nobody"));
  CHECK(tir_interp_run(module, "k", &p, a, 1) == TIR_INVALID_ARGUMENT && SAYS("takes 2 arguments"));
  a[1].kind = 77;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_INVALID_ARGUMENT && SAYS("expected a scalar"));
  a[1].kind = TIR_INTERP_SCALAR;
  a[0].data = NULL;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_INVALID_ARGUMENT && SAYS("data is NULL"));
  a[0].data = data;
  a[0].flags = 1u << 20;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_INVALID_ARGUMENT && SAYS("flags"));
  a[0].flags = 0;
  p.errors = 1u << 30;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_INVALID_ARGUMENT && SAYS("sanitizer"));
  p.errors = 0;
  p.grid[1] = 0;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_INVALID_ARGUMENT && SAYS("grid[1]"));
  p.grid[1] = 1;
  a[0].struct_size = 3;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_INVALID_ARGUMENT);
  a[0].struct_size = sizeof a[0];
  p.struct_size = 0;
  CHECK(tir_interp_run(module, "k", &p, a, 2) == TIR_INVALID_ARGUMENT);

  CHECK(tir_interp_has_meaning("tt.dot") == 1);
  CHECK(tir_interp_has_meaning("tt.nothing") == 0);
  CHECK(tir_interp_has_meaning(NULL) == 0);
  tir_module_destroy(module);
  tir_context_destroy(ctx);
  return failures != 0;
}
