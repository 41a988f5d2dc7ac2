/* SPDX-License-Identifier: MIT */
/* C test of text.h and bytecode.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tir/tir.h>

static int failures;
static void check(int ok, const char *text, int line) {
  if (ok) return;
  ++failures;
  fprintf(stderr, "text_api_test.c:%d: %s\n  last message: %s\n", line, text, tir_last_message());
}
#define CHECK(x) check((x) != 0, #x, __LINE__)
#define FAILS(x, status, why) CHECK((x) == (status) && strstr(tir_last_message(), why))
#define NULL_BECAUSE(x, why) CHECK((x) == NULL && strstr(tir_last_message(), why))

typedef struct { char data[8192]; size_t size; int calls; } buffer;
static void collect(void *user, const char *data, size_t size) {
  buffer *b = (buffer *)user;
  ++b->calls;
  if (b->size + size >= sizeof b->data) return;
  memcpy(b->data + b->size, data, size);
  b->size += size;
  b->data[b->size] = 0;
}
static int messages;
static void receive(void *user, tir_severity severity, const char *data, size_t size) {
  (void)user, (void)data, (void)size;
  if (severity == TIR_SEVERITY_ERROR) ++messages;
}

static const char *source =
    "tt.func public @f(%x: tensor<8xf32> loc(\"x\"), %p: !tt.ptr<f32>) {\n"
    "  %sum = arith.addf %x, %x : tensor<8xf32> loc(\"k.py\":3:4)\n"
    "  %v = tt.load %p cacheModifier = cg : !tt.ptr<f32>\n"
    "  tt.return\n"
    "}\n";

static void test_text(tir_context *ctx) {
  tir_module *m = (tir_module *)&failures;
  tir_print_options o = TIR_PRINT_OPTIONS_INIT;
  static buffer b;
  tir_op load;
  FAILS(tir_module_parse(NULL, source, 1, "a", &m), TIR_INVALID_ARGUMENT, "context is NULL");
  CHECK(m == NULL);
  FAILS(tir_module_parse(ctx, source, 1, "a", NULL), TIR_INVALID_ARGUMENT, "out is NULL");
  FAILS(tir_module_parse(ctx, NULL, 1, "a", &m), TIR_INVALID_ARGUMENT, "text is NULL");
  messages = 0;
  FAILS(tir_module_parse(ctx, "module {", 8, "a.ttir", &m), TIR_PARSE, "a.ttir:1:8: error:");
  CHECK(messages == 1 && m == NULL);
  CHECK(tir_module_parse(ctx, NULL, 0, NULL, &m) == TIR_OK && m != NULL); /* an empty text is an empty module */
  CHECK(!strcmp(tir_module_get_source_name(m), "<memory>"));
  tir_module_destroy(m);
  CHECK(tir_module_parse(ctx, source, strlen(source), "a.ttir", &m) == TIR_OK);
  CHECK(tir_module_get_syntax(m) == TIR_SYNTAX_3_8);
  CHECK(!strcmp(tir_func_arg_name(tir_module_function(m, 0), 1), "p"));

  FAILS(tir_module_print(NULL, NULL, collect, &b), TIR_INVALID_ARGUMENT, "module is NULL");
  FAILS(tir_module_print(m, NULL, NULL, &b), TIR_INVALID_ARGUMENT, "write is NULL");
  CHECK(tir_module_print(m, NULL, collect, &b) == TIR_OK && b.calls == 1);
  CHECK(strstr(b.data, "%sum = arith.addf %x, %x : tensor<8xf32>\n") && strstr(b.data, "cacheModifier = cg"));
  b.size = 0;
  o.syntax = TIR_SYNTAX_3_9;
  o.locations = 1;
  o.numbers = 1;
  CHECK(tir_module_print(m, &o, collect, &b) == TIR_OK);
  CHECK(strstr(b.data, "#tt.cache_policy<") && strstr(b.data, "%0 = arith.addf %arg0, %arg0 : tensor<8xf32> loc(#loc"));
  b.size = 0;
  o.generic = 1;
  CHECK(tir_module_print(m, &o, collect, &b) == TIR_OK && strstr(b.data, "\"arith.addf\"(%arg0, %arg0)"));
  o.syntax = 40;
  FAILS(tir_module_print(m, &o, collect, &b), TIR_INVALID_ARGUMENT, "syntax is 40");
  o.struct_size = 3;
  FAILS(tir_module_print(m, &o, collect, &b), TIR_INVALID_ARGUMENT, "struct_size");

  CHECK(tir_module_roundtrip(m, source, strlen(source)) == TIR_OK);
  FAILS(tir_module_roundtrip(m, "module {}", 9), TIR_PARSE, "text:");
  FAILS(tir_module_roundtrip(NULL, source, 1), TIR_INVALID_ARGUMENT, "NULL");
  CHECK(tir_text_compare("%a // x", 7, "%b", 2) == TIR_OK);
  FAILS(tir_text_compare("f32", 3, "f16", 3), TIR_PARSE, "'f32' at 1:1");
  FAILS(tir_text_compare(NULL, 3, "f16", 3), TIR_INVALID_ARGUMENT, "NULL");

  load = tir_block_first_op(tir_region_first_block(tir_op_region(tir_module_function(m, 0), 0)));
  b.size = 0;
  CHECK(tir_op_write(load, collect, &b) == TIR_OK && !strcmp(b.data, "%sum = arith.addf %x, %x : tensor<8xf32>"));
  FAILS(tir_op_write(NULL, collect, &b), TIR_INVALID_ARGUMENT, "NULL");
  FAILS(tir_op_write(load, NULL, &b), TIR_INVALID_ARGUMENT, "NULL");
  tir_module_destroy(m);
}

static void test_values(tir_context *ctx) {
  static buffer b;
  tir_type t = tir_type_parse(ctx, "tensor<8x!tt.ptr<f16>>", 22);
  tir_attr a = tir_attr_parse(ctx, "{b = 1 : i32, a}", 16);
  CHECK(t && tir_type_get_kind(t) == TIR_TYPE_TENSOR && a && tir_attr_get_kind(a) == TIR_ATTR_DICT);
  CHECK(tir_type_write(t, collect, &b) == TIR_OK && tir_attr_write(a, collect, &b) == TIR_OK);
  CHECK(!strcmp(b.data, "tensor<8x!tt.ptr<f16>>{a, b = 1 : i32}"));
  NULL_BECAUSE(tir_type_parse(ctx, "tensor<8xf99>", 13), "expected a type");
  NULL_BECAUSE(tir_type_parse(ctx, "f32 f32", 7), "end of the type");
  NULL_BECAUSE(tir_attr_parse(ctx, "[1", 2), "expected");
  NULL_BECAUSE(tir_type_parse(NULL, "f32", 3), "NULL");
  NULL_BECAUSE(tir_attr_parse(ctx, NULL, 3), "NULL");
  FAILS(tir_type_write(NULL, collect, &b), TIR_INVALID_ARGUMENT, "NULL");
  FAILS(tir_attr_write(a, NULL, &b), TIR_INVALID_ARGUMENT, "NULL");
}

static void test_bytecode(tir_context *ctx) {
  tir_module *m, *n = (tir_module *)&failures;
  tir_bytecode_options o = TIR_BYTECODE_OPTIONS_INIT;
  static buffer full, bare, text;
  CHECK(tir_module_load(ctx, source, strlen(source), "a", &m) == TIR_OK);
  CHECK(tir_module_write_bytecode(m, NULL, collect, &full) == TIR_OK);
  CHECK(tir_bytecode_looks_like(full.data, full.size) && !tir_bytecode_looks_like(source, 8) && !tir_bytecode_looks_like(NULL, 8));
  o.no_debug = 1;
  CHECK(tir_module_write_bytecode(m, &o, collect, &bare) == TIR_OK && bare.size < full.size);
  o.version = 7;
  FAILS(tir_module_write_bytecode(m, &o, collect, &bare), TIR_VERSION, "version 7");
  FAILS(tir_module_write_bytecode(NULL, NULL, collect, &bare), TIR_INVALID_ARGUMENT, "NULL");
  FAILS(tir_module_write_bytecode(m, NULL, NULL, &bare), TIR_INVALID_ARGUMENT, "NULL");
  CHECK(tir_module_load(ctx, full.data, full.size, "a", &n) == TIR_OK);
  CHECK(tir_module_print(n, NULL, collect, &text) == TIR_OK && strstr(text.data, "%sum = arith.addf"));
  CHECK(tir_module_roundtrip(n, full.data, full.size) == TIR_OK);
  tir_module_destroy(n);
  CHECK(tir_module_read_bytecode(ctx, bare.data, bare.size, NULL, &n) == TIR_OK);
  tir_module_destroy(n);
  FAILS(tir_module_read_bytecode(ctx, full.data, full.size - 1, "cut", &n), TIR_CORRUPT, "cut: offset");
  CHECK(n == NULL);
  FAILS(tir_module_read_bytecode(ctx, "text", 4, "cut", &n), TIR_CORRUPT, "offset 0");
  FAILS(tir_module_read_bytecode(ctx, NULL, 4, "cut", &n), TIR_INVALID_ARGUMENT, "NULL");
  FAILS(tir_module_read_bytecode(ctx, full.data, 4, "cut", NULL), TIR_INVALID_ARGUMENT, "NULL");
  FAILS(tir_module_load(NULL, full.data, 4, "cut", &n), TIR_INVALID_ARGUMENT, "NULL");
  tir_module_destroy(m);
}

int main(void) {
  tir_context_params params = TIR_CONTEXT_PARAMS_INIT;
  tir_context *ctx;
  params.diagnostic = receive;
  if (tir_context_create(&params, &ctx) != TIR_OK) return 1;
  test_text(ctx);
  test_values(ctx);
  test_bytecode(ctx);
  tir_context_destroy(ctx);
  printf("%d failures\n", failures);
  return failures != 0;
}
