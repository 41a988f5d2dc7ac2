// SPDX-License-Identifier: MIT
/* The public C interface: what can be said without a kernel that compiles, bad input, threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tcodegen/artifact.h>
#include <tcodegen/compile.h>
#include <tcodegen/remark.h>
#include <tcodegen/status.h>
#include <tcodegen/target.h>
#include <tcodegen/version.h>
#include <pthread.h>

static int failures;

#define CHECK(c)                                                                                                      \
  do {                                                                                                                \
    if (!(c)) {                                                                                                       \
      printf("%s:%d: %s; last message: %s\n", __FILE__, __LINE__, #c, tcodegen_last_message());                       \
      ++failures;                                                                                                     \
    }                                                                                                                 \
  } while (0)
#define SAYS(text) CHECK(strstr(tcodegen_last_message(), text) != NULL)

static void status_codes(void) {
#define X(name, value, text) CHECK(TCODEGEN_##name == value && !strcmp(tcodegen_status_text(value), text));
#include "common/status.inc"
#undef X
  CHECK(tcodegen_status_text(-7) != NULL);
}

static void versions(void) {
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", TCODEGEN_VERSION_MAJOR, TCODEGEN_VERSION_MINOR, TCODEGEN_VERSION_PATCH);
  CHECK(!strcmp(tcodegen_version(), text));
  const char *id = tcodegen_build_id();
  CHECK(strstr(id, text) && strstr(id, "llvm 22") && !strstr(id, "unknown") && strlen(id) > 50);
  CHECK(tcodegen_build_id() == id);

  tcodegen_ir_info info = TCODEGEN_IR_INFO_INIT;
  CHECK(tcodegen_ir_versions(&info) == TCODEGEN_OK);
  CHECK(info.struct_size == sizeof info && info.text_oldest && info.text_newest);
  CHECK(info.bytecode_oldest <= info.bytecode_newest);
  CHECK(tcodegen_ir_versions(NULL) == TCODEGEN_INVALID_ARGUMENT);
  memset(&info, 0x55, sizeof info);
  info.struct_size = 2 * sizeof(size_t); /* an older caller: only the first field is his */
  CHECK(tcodegen_ir_versions(&info) == TCODEGEN_OK);
  CHECK(info.text_oldest && (size_t)info.text_newest == (size_t)0x5555555555555555u);
  info.struct_size = 3;
  CHECK(tcodegen_ir_versions(&info) == TCODEGEN_INVALID_ARGUMENT);
}

static void targets(void) {
  char text[256], again[256];
  size_t size = 0, size2 = 0;
  CHECK(tcodegen_resolve_target("cpu:x86-64-v3", NULL, 0, &size) == TCODEGEN_OK && size == 13);
  CHECK(tcodegen_resolve_target("cpu:x86-64-v3", text, 13, &size) == TCODEGEN_LIMIT && size == 13);
  CHECK(tcodegen_resolve_target("cpu:x86-64-v3", text, 14, NULL) == TCODEGEN_OK && !strcmp(text, "cpu:x86-64-v3"));
  if (tcodegen_resolve_target("cpu:native", text, sizeof text, &size) == TCODEGEN_OK) {
    CHECK(strlen(text) == size && strcmp(text, "cpu:native"));
    CHECK(tcodegen_resolve_target(text, again, sizeof again, &size2) == TCODEGEN_OK && !strcmp(text, again));
  } else {
    SAYS("cpu:native");
  }
  CHECK(tcodegen_resolve_target(NULL, text, sizeof text, &size) == TCODEGEN_INVALID_ARGUMENT);
  CHECK(tcodegen_resolve_target("cpu:x86-64-v2", text, sizeof text, &size) == TCODEGEN_UNSUPPORTED);
  SAYS("x86-64-v3");
  CHECK(tcodegen_resolve_target("cpu:pdp11", text, sizeof text, &size) == TCODEGEN_NOT_FOUND);
  SAYS("x86-64-v4");
  CHECK(tcodegen_resolve_target("cuda:90a", text, sizeof text, &size) == TCODEGEN_OK && !strcmp(text, "cuda:90a"));
  CHECK(tcodegen_resolve_target("cuda:12", text, sizeof text, &size) != TCODEGEN_OK);
  SAYS("cuda:12");
  CHECK(tcodegen_resolve_target("hip:gfx942", text, sizeof text, &size) == TCODEGEN_UNSUPPORTED);
  SAYS("not implemented");
  CHECK(tcodegen_resolve_target("", text, sizeof text, &size) == TCODEGEN_NOT_FOUND);
}

static void expect(tcodegen_compiler *c, tcodegen_params *p, tcodegen_status status, const char *says) {
  tcodegen_artifact *a = (tcodegen_artifact *)&a;
  tcodegen_status got = tcodegen_compile(c, "module {}", 9, p, &a);
  if (got != status || a || !strstr(tcodegen_last_message(), says)) {
    printf("status %d, expected %d with '%s'; message: %s\n", got, status, says, tcodegen_last_message());
    ++failures;
  }
  tcodegen_artifact_destroy(got == TCODEGEN_OK ? a : NULL);
}

static void bad_requests(void) {
  tcodegen_compiler *c = NULL;
  CHECK(tcodegen_compiler_create(NULL, NULL) == TCODEGEN_INVALID_ARGUMENT);
  tcodegen_compiler_params cp = TCODEGEN_COMPILER_PARAMS_INIT;
  cp.struct_size = 1;
  CHECK(tcodegen_compiler_create(&cp, &c) == TCODEGEN_INVALID_ARGUMENT && !c);
  cp.struct_size = sizeof cp;
  CHECK(tcodegen_compiler_create(&cp, &c) == TCODEGEN_OK && c);
  tcodegen_compiler_destroy(c);
  CHECK(tcodegen_compiler_create(NULL, &c) == TCODEGEN_OK && c);

  tcodegen_artifact *a = NULL;
  CHECK(tcodegen_compile(NULL, "x", 1, NULL, &a) == TCODEGEN_INVALID_ARGUMENT);
  CHECK(tcodegen_compile(c, NULL, 1, NULL, &a) == TCODEGEN_INVALID_ARGUMENT);
  CHECK(tcodegen_compile(c, "x", 1, NULL, NULL) == TCODEGEN_INVALID_ARGUMENT);
  CHECK(tcodegen_compile(c, "x", (size_t)1 << 40, NULL, &a) == TCODEGEN_LIMIT && !a);
  CHECK(tcodegen_compile(c, "\1\2\3 no ir", 9, NULL, &a) != TCODEGEN_OK && !a);

  tcodegen_params p = TCODEGEN_PARAMS_INIT;
  p.struct_size = 0;
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "struct_size");
  struct {
    tcodegen_params p;
    char more[16];
  } newer = {TCODEGEN_PARAMS_INIT, {0}};
  newer.p.struct_size = sizeof newer;
  newer.more[15] = 1;
  expect(c, &newer.p, TCODEGEN_VERSION, "byte");
  p = (tcodegen_params)TCODEGEN_PARAMS_INIT;
  p.target = "cpu:nothing";
  expect(c, &p, TCODEGEN_NOT_FOUND, "cpu:nothing");
  p.target = NULL;
  p.keep = 1u << 30;
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "keep");
  p.keep = 0;
  p.fp_fusion = 3;
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "fp_fusion");
  p.fp_fusion = TCODEGEN_OFF;
  p.options = "fp_fusion=maybe";
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "maybe");
  p.options = "speed=high";
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "num_warps");
  p.options = "num_warps=99999999999";
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "num_warps");
  p.options = ",";
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "name=value");
  p.options = NULL;
  p.specialize_count = 1;
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "specialize is NULL");
  tcodegen_specialization s = {0, 0, 0, 24, 0, 0};
  p.specialize = &s;
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "divisibility 24");
  s.divisibility = 16;
  p.specialize_size = 2;
  expect(c, &p, TCODEGEN_INVALID_ARGUMENT, "specialize_size");
  p.specialize_size = sizeof s;
  p.specialize_count = 1u << 30;
  expect(c, &p, TCODEGEN_LIMIT, "specialize_count");
  tcodegen_compiler_destroy(c);
  tcodegen_compiler_destroy(NULL);
}

static const char *const ir =
    "module {\n"
    "  tt.func public @scale(%p: !tt.ptr<f32> {tt.divisibility = 16 : i32}, %s: f32, %n: i32) attributes {noinline = false} {\n"
    "    %r = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32>\n"
    "    %ns = tt.splat %n : i32 -> tensor<64xi32>\n"
    "    %m = arith.cmpi slt, %r, %ns : tensor<64xi32>\n"
    "    %ps = tt.splat %p : !tt.ptr<f32> -> tensor<64x!tt.ptr<f32>>\n"
    "    %q = tt.addptr %ps, %r : tensor<64x!tt.ptr<f32>>, tensor<64xi32>\n"
    "    %x = tt.load %q, %m : tensor<64x!tt.ptr<f32>>\n"
    "    %ss = tt.splat %s : f32 -> tensor<64xf32>\n"
    "    %y = arith.mulf %x, %ss : tensor<64xf32>\n"
    "    tt.store %q, %y, %m : tensor<64x!tt.ptr<f32>>\n"
    "    tt.return\n"
    "  }\n"
    "}\n";

static tcodegen_artifact *compile(tcodegen_compiler *c, tcodegen_params *p) {
  tcodegen_artifact *a = NULL;
  CHECK(tcodegen_compile(c, ir, strlen(ir), p, &a) == TCODEGEN_OK && a);
  return a;
}

static int same_bytes(const tcodegen_artifact *a, const tcodegen_artifact *b) {
  return tcodegen_artifact_size(a) == tcodegen_artifact_size(b) &&
         !memcmp(tcodegen_artifact_data(a), tcodegen_artifact_data(b), tcodegen_artifact_size(a));
}

static void good_requests(void) {
  tcodegen_compiler *c = NULL;
  CHECK(tcodegen_compiler_create(NULL, &c) == TCODEGEN_OK);
  tcodegen_params p = TCODEGEN_PARAMS_INIT;
  p.target = "cpu:x86-64-v3";
  tcodegen_artifact *plain = compile(c, &p), *again = compile(c, &p);
  CHECK(same_bytes(plain, again)); /* deterministic */
  tcodegen_artifact_destroy(again);
  CHECK(tcodegen_artifact_size(plain) > 100 && !memcmp(tcodegen_artifact_data(plain), "TKO", 4));
  CHECK(!strcmp(tcodegen_artifact_kernel(plain), "scale") && !strcmp(tcodegen_artifact_target(plain), "cpu:x86-64-v3"));
  const char *text = NULL;
  size_t size = 0;
  CHECK(tcodegen_artifact_get_stage(plain, "llir", &text, &size) == TCODEGEN_NOT_FOUND && !text);
  SAYS("none");
  CHECK(tcodegen_artifact_get_stage(plain, NULL, &text, &size) == TCODEGEN_INVALID_ARGUMENT);

  size_t times = tcodegen_artifact_num_times(plain);
  uint64_t total = 0, ns = 0;
  CHECK(times > 3);
  for (size_t i = 0; i < times; ++i) {
    CHECK(tcodegen_artifact_get_time(plain, i, &text, &ns) == TCODEGEN_OK && *text);
    total += ns;
  }
  CHECK(total > 0);
  CHECK(tcodegen_artifact_get_time(plain, times, &text, &ns) == TCODEGEN_NOT_FOUND);
  tcodegen_remark r = TCODEGEN_REMARK_INIT;
  size_t remarks = tcodegen_artifact_num_remarks(plain);
  for (size_t i = 0; i < remarks; ++i)
    CHECK(tcodegen_artifact_get_remark(plain, i, &r) == TCODEGEN_OK && *r.name && *r.message && r.location);
  CHECK(tcodegen_artifact_get_remark(plain, remarks, &r) == TCODEGEN_NOT_FOUND);
  r.struct_size = 2;
  CHECK(tcodegen_artifact_get_remark(plain, 0, &r) == TCODEGEN_INVALID_ARGUMENT);

  p.keep = TCODEGEN_KEEP_TTIR | TCODEGEN_KEEP_LLIR | TCODEGEN_KEEP_ASM | TCODEGEN_KEEP_OBJECT;
  tcodegen_artifact *kept = compile(c, &p);
  const char *const names[] = {"ttir", "llir", "asm", "o"}, *const hold[] = {"tt.func", "define", ".text", "ELF"};
  for (int i = 0; i < 4; ++i) {
    CHECK(tcodegen_artifact_get_stage(kept, names[i], &text, &size) == TCODEGEN_OK);
    CHECK(text && size > 20 && text[size] == 0 && strstr(text, hold[i]));
  }
  CHECK(same_bytes(plain, kept)); /* what is kept does not change the object */
  tcodegen_artifact_destroy(kept);

  /* A constant argument takes no room and changes the object; without promises it still compiles. */
  tcodegen_specialization s = {2, 1, 64, 0, 0, 0};
  p.keep = 0;
  p.specialize = &s;
  p.specialize_count = 1;
  tcodegen_artifact *special = compile(c, &p);
  CHECK(!same_bytes(plain, special));
  p.specialize_count = 0;
  p.options = "promises=off,fp_fusion=off";
  tcodegen_artifact *bare = compile(c, &p);
  CHECK(!same_bytes(plain, bare));
  tcodegen_artifact_destroy(special);
  tcodegen_artifact_destroy(bare);
  p.options = NULL;
  s.argument = 7;
  p.specialize_count = 1;
  tcodegen_artifact *none = NULL;
  CHECK(tcodegen_compile(c, ir, strlen(ir), &p, &none) == TCODEGEN_INVALID_ARGUMENT && !none);
  p.specialize_count = 0;
  p.kernel = "missing";
  CHECK(tcodegen_compile(c, ir, strlen(ir), &p, &none) == TCODEGEN_NOT_FOUND && !none);
  SAYS("missing");
  CHECK(tcodegen_compile(c, "module { tt.func", 16, NULL, &none) == TCODEGEN_PARSE && !none);

  tcodegen_compiler_destroy(c); /* the artifact outlives it */
  CHECK(tcodegen_artifact_size(plain) > 100);
  tcodegen_artifact_destroy(plain);
}

static void null_artifact(void) {
  const char *text = "";
  uint64_t ns;
  tcodegen_remark r = TCODEGEN_REMARK_INIT;
  CHECK(!tcodegen_artifact_data(NULL) && !tcodegen_artifact_size(NULL));
  CHECK(!*tcodegen_artifact_kernel(NULL) && !*tcodegen_artifact_target(NULL));
  CHECK(!tcodegen_artifact_num_times(NULL) && !tcodegen_artifact_num_remarks(NULL));
  CHECK(tcodegen_artifact_get_stage(NULL, "ttir", &text, NULL) == TCODEGEN_INVALID_ARGUMENT);
  CHECK(tcodegen_artifact_get_time(NULL, 0, &text, &ns) == TCODEGEN_INVALID_ARGUMENT);
  CHECK(tcodegen_artifact_get_remark(NULL, 0, &r) == TCODEGEN_INVALID_ARGUMENT);
  tcodegen_artifact_destroy(NULL);
}

static void *resolve_often(void *result) {
  for (int i = 0; i < 200; ++i) {
    char text[64];
    size_t size;
    if (tcodegen_resolve_target("cpu:x86-64-v4,-avx512dq", text, sizeof text, &size) != TCODEGEN_OK) return NULL;
    if (tcodegen_resolve_target("cpu:bad", text, sizeof text, &size) != TCODEGEN_NOT_FOUND) return NULL;
    if (!strstr(tcodegen_last_message(), "cpu:bad")) return NULL; /* this thread's own message */
  }
  *(int *)result = 1;
  return NULL;
}

static void threads(void) {
  pthread_t t[4];
  int good[4] = {0, 0, 0, 0};
  for (int i = 0; i < 4; ++i) pthread_create(&t[i], NULL, resolve_often, &good[i]);
  for (int i = 0; i < 4; ++i) {
    pthread_join(t[i], NULL);
    CHECK(good[i]);
  }
}

int main(void) {
  CHECK(!*tcodegen_last_message());
  status_codes();
  versions();
  targets();
  bad_requests();
  good_requests();
  null_artifact();
  threads();
  if (!failures) puts("ok");
  return failures != 0;
}
