/* SPDX-License-Identifier: MIT */
/* C test of version.h, context.h, type.h, attr.h, module.h, walk.h: what they give, and that bad input gives a
 * status or NULL and a message. */
#include <stdio.h>
#include <string.h>
#include <tir/builder.h>
#include <tir/tir.h>

static int failures;
static void check(int ok, const char *text, int line) {
  if (ok) return;
  ++failures;
  fprintf(stderr, "core_test.c:%d: %s\n  last message: %s\n", line, text, tir_last_message());
}
#define CHECK(x) check((x) != 0, #x, __LINE__)
/* A call that is to fail and to say why. */
#define NULL_BECAUSE(x, why) CHECK((x) == NULL && strstr(tir_last_message(), why))
#define FAILS(x, status, why) CHECK((x) == (status) && strstr(tir_last_message(), why))

static char text[256];
static void collect(void *user, const char *data, size_t size) {
  size_t used = strlen(text);
  (void)user;
  if (used + size < sizeof text) {
    memcpy(text + used, data, size);
    text[used + size] = 0;
  }
}
static void receive(void *user, tir_severity severity, const char *data, size_t size) {
  (void)severity;
  collect(user, data, size);
}

static tir_context *ctx, *other;

static void test_context(void) {
  struct { tir_context_params p; char newer[8]; } big;
  tir_context_params p = TIR_CONTEXT_PARAMS_INIT;
  tir_context *c = (tir_context *)&p;
  tir_loc a, b;
  CHECK(!strcmp(tir_version(), "0.1.0"));
  CHECK(!strcmp(tir_status_text(TIR_OK), "success") && strstr(tir_status_text(TIR_VERIFY), "verifier"));
  CHECK(!strcmp(tir_status_text(-1), "unknown status") && !strcmp(tir_status_text(15), "unknown status"));
  FAILS(tir_context_create(NULL, NULL), TIR_INVALID_ARGUMENT, "out is NULL");
  p.struct_size = 4;
  FAILS(tir_context_create(&p, &c), TIR_INVALID_ARGUMENT, "struct_size");
  CHECK(c == NULL);
  memset(&big, 0, sizeof big);
  big.p.struct_size = sizeof big;
  CHECK(tir_context_create(&big.p, &c) == TIR_OK); /* a newer caller that sets nothing we do not know */
  tir_context_destroy(c);
  big.newer[0] = 1;
  FAILS(tir_context_create(&big.p, &c), TIR_VERSION, "byte");
  p.struct_size = sizeof(size_t); /* an older caller */
  p.diagnostic = receive;
  CHECK(tir_context_create(&p, &c) == TIR_OK);
  CHECK(tir_context_set_diagnostic(c, receive, NULL) == TIR_OK);
  FAILS(tir_context_set_diagnostic(NULL, receive, NULL), TIR_INVALID_ARGUMENT, "context is NULL");
  tir_context_destroy(c);
  tir_context_destroy(NULL);

  CHECK(tir_loc_unknown(ctx) == tir_loc_unknown(ctx));
  a = tir_loc_file(ctx, "k.py", 12, 4);
  CHECK(a && a == tir_loc_file(ctx, "k.py", 12, 4) && a != tir_loc_file(ctx, "k.py", 12, 5));
  b = tir_loc_name(ctx, "x", NULL);
  text[0] = 0;
  CHECK(tir_loc_write(tir_loc_callsite(a, b), collect, NULL) == TIR_OK && !strcmp(text, "k.py:12:4 at \"x\""));
  text[0] = 0;
  CHECK(tir_loc_write(tir_loc_name(ctx, "x", a), collect, NULL) == TIR_OK && !strcmp(text, "k.py:12:4"));
  text[0] = 0;
  CHECK(tir_loc_write(NULL, collect, NULL) == TIR_OK && !strcmp(text, "<unknown location>"));
  FAILS(tir_loc_write(a, NULL, NULL), TIR_INVALID_ARGUMENT, "write is NULL");
  NULL_BECAUSE(tir_loc_unknown(NULL), "context is NULL");
  NULL_BECAUSE(tir_loc_file(ctx, NULL, 1, 1), "file is NULL");
  NULL_BECAUSE(tir_loc_name(NULL, "x", NULL), "context is NULL");
  NULL_BECAUSE(tir_loc_name(other, "x", a), "another context");
  NULL_BECAUSE(tir_loc_callsite(a, NULL), "caller is NULL");
  NULL_BECAUSE(tir_loc_callsite(a, tir_loc_unknown(other)), "different contexts");
}

static void test_types(void) {
  int64_t shape[3] = {4, 8, 0}, huge[2] = {(int64_t)1 << 62, 4};
  tir_type i32 = tir_type_int(ctx, 32, TIR_SIGN_NONE), f16 = tir_type_float(ctx, TIR_FLOAT_F16);
  tir_type p = tir_type_ptr(f16, 1), t = tir_type_tensor(p, 2, shape, NULL), d, f, u, two[2];
  CHECK(i32 && i32 == tir_type_int(ctx, 32, TIR_SIGN_NONE) && i32 != tir_type_int(ctx, 32, TIR_SIGN_SIGNED));
  CHECK(tir_type_get_kind(i32) == TIR_TYPE_INT && tir_type_width(i32) == 32);
  CHECK(tir_type_sign(tir_type_int(ctx, 8, TIR_SIGN_UNSIGNED)) == TIR_SIGN_UNSIGNED);
  CHECK(tir_type_get_kind(f16) == TIR_TYPE_FLOAT && tir_type_float_kind(f16) == TIR_FLOAT_F16);
  CHECK(tir_type_width(tir_type_float(ctx, TIR_FLOAT_F8E5M2)) == 8);
  CHECK(tir_type_get_kind(tir_type_none(ctx)) == TIR_TYPE_NONE);
  CHECK(tir_type_get_kind(tir_type_index(ctx)) == TIR_TYPE_INDEX && tir_type_width(tir_type_index(ctx)) == 64);
  CHECK(tir_type_get_kind(p) == TIR_TYPE_PTR && tir_type_element(p) == f16 && tir_type_address_space(p) == 1);
  CHECK(tir_type_address_space(tir_type_ptr(f16, 4)) == 4 && tir_type_address_space(i32) == 0);
  CHECK(tir_type_get_kind(t) == TIR_TYPE_TENSOR && tir_type_rank(t) == 2 && tir_type_dim(t, 1) == 8);
  CHECK(tir_type_dim(t, 2) == 0 && tir_type_num_elements(t) == 32 && tir_type_num_elements(i32) == 1);
  CHECK(tir_type_context(t) == ctx && tir_type_encoding(t) == NULL);
  CHECK(tir_type_encoding(tir_type_tensor(f16, 2, shape, tir_attr_opaque(ctx, "#x"))) == tir_attr_opaque(ctx, "#x"));
  CHECK(tir_type_rank(tir_type_tensor(f16, 0, NULL, NULL)) == 0);
  d = tir_type_tensor_desc(f16, 2, shape, NULL);
  CHECK(tir_type_get_kind(d) == TIR_TYPE_TENSOR_DESC && tir_type_element(d) == f16);
  two[0] = i32;
  two[1] = t;
  f = tir_type_function(ctx, 2, two, 1, two);
  CHECK(tir_type_get_kind(f) == TIR_TYPE_FUNCTION && tir_type_num_inputs(f) == 2 && tir_type_num_results(f) == 1);
  CHECK(tir_type_input(f, 1) == t && tir_type_result(f, 0) == i32 && !tir_type_input(f, 2) && !tir_type_result(f, 1));
  CHECK(f != tir_type_function(ctx, 1, two, 2, two));
  u = tir_type_tuple(ctx, 2, two);
  CHECK(tir_type_get_kind(u) == TIR_TYPE_TUPLE && tir_type_num_inputs(u) == 2 && tir_type_num_results(u) == 0);
  CHECK(!strcmp(tir_type_opaque_text(tir_type_opaque(ctx, "!ttg.async.token")), "!ttg.async.token"));
  CHECK(tir_type_get_kind(NULL) == TIR_TYPE_INVALID && !tir_type_width(NULL) && !tir_type_rank(NULL) &&
        !tir_type_element(NULL) && !tir_type_num_elements(NULL) && !tir_type_opaque_text(NULL) &&
        !tir_type_context(NULL) && !tir_type_num_inputs(NULL) && !tir_type_sign(NULL) && !tir_type_float_kind(NULL));
  NULL_BECAUSE(tir_type_none(NULL), "context");
  NULL_BECAUSE(tir_type_index(NULL), "context");
  NULL_BECAUSE(tir_type_int(ctx, 0, TIR_SIGN_NONE), "width is 0");
  NULL_BECAUSE(tir_type_int(ctx, 129, TIR_SIGN_NONE), "width is 129");
  NULL_BECAUSE(tir_type_int(ctx, 8, 3), "unknown sign 3");
  NULL_BECAUSE(tir_type_float(ctx, 11), "unknown kind 11");
  NULL_BECAUSE(tir_type_ptr(NULL, 1), "pointee is NULL");
  NULL_BECAUSE(tir_type_ptr(f, 1), "no pointers to functions");
  NULL_BECAUSE(tir_type_tensor(f16, 3, shape, NULL), "dimension 2 is 0");
  NULL_BECAUSE(tir_type_tensor(f16, 2, huge, NULL), "2^63");
  NULL_BECAUSE(tir_type_tensor(f16, 33, shape, NULL), "rank 33");
  NULL_BECAUSE(tir_type_tensor(f16, 2, NULL, NULL), "shape is NULL");
  NULL_BECAUSE(tir_type_tensor(t, 2, shape, NULL), "element must be");
  NULL_BECAUSE(tir_type_tensor(f16, 1, shape, tir_attr_unit(other)), "another context");
  NULL_BECAUSE(tir_type_tensor_desc(f16, 0, NULL, NULL), "rank is 0");
  {
    const int64_t part[2] = {16, 64}, whole[2] = {32, 64};
    const char *layout_text = "#ttg.swizzled_shared<{vec = 8, perPhase = 1, maxPhase = 4, order = [1, 0]}>";
    const char *view_text = "!ttg.memdesc<16x64xf16, #ttg.swizzled_shared<{vec = 8, perPhase = 1, maxPhase = 4, "
                            "order = [1, 0]}>, #ttg.shared_memory, mutable, 32x64>";
    tir_attr layout = tir_attr_parse(ctx, layout_text, strlen(layout_text));
    tir_attr space = tir_attr_parse(ctx, "#ttg.shared_memory", strlen("#ttg.shared_memory"));
    tir_type view = tir_type_memdesc(f16, 2, part, layout, space, 1, 2, whole);
    CHECK(view && tir_type_get_kind(view) == TIR_TYPE_MEMDESC && tir_type_rank(view) == 2);
    CHECK(tir_type_encoding(view) == layout && tir_type_memory_space(view) == space && tir_type_is_mutable(view));
    CHECK(tir_type_alloc_rank(view) == 2 && tir_type_alloc_dim(view, 0) == 32 && tir_type_alloc_dim(view, 2) == 0);
    CHECK(view == tir_type_parse(ctx, view_text, strlen(view_text)));
    view = tir_type_memdesc(f16, 2, part, layout, space, 0, 0, NULL);
    CHECK(view && !tir_type_is_mutable(view) && tir_type_alloc_dim(view, 0) == 16);
    CHECK(!tir_type_memory_space(NULL) && !tir_type_is_mutable(f16) && !tir_type_alloc_rank(NULL) &&
          !tir_type_alloc_dim(NULL, 0));
    NULL_BECAUSE(tir_type_memdesc(f16, 0, NULL, layout, space, 0, 0, NULL), "rank is 0");
    NULL_BECAUSE(tir_type_memdesc(f16, 2, part, NULL, space, 0, 0, NULL), "layout is NULL");
    NULL_BECAUSE(tir_type_memdesc(f16, 2, part, layout, NULL, 0, 0, NULL), "memory_space is NULL");
    NULL_BECAUSE(tir_type_memdesc(f16, 2, part, layout, space, 0, 2, NULL), "shape is NULL");
  }
  NULL_BECAUSE(tir_type_function(ctx, 1, NULL, 0, NULL), "inputs");
  two[1] = tir_type_index(other);
  NULL_BECAUSE(tir_type_function(ctx, 0, NULL, 2, two), "type 1 is of another context");
  NULL_BECAUSE(tir_type_tuple(ctx, 2, two), "another context");
  NULL_BECAUSE(tir_type_opaque(ctx, "x"), "does not begin with");
}

static void test_attrs(void) {
  int64_t n4[1] = {4}, value = 0, ints[2] = {-1, 7};
  uint64_t bits[4] = {1, 2, 3, 4}, got = 0;
  size_t size = 0;
  const char *names[2] = {"b", "a"};
  tir_type i1 = tir_type_int(ctx, 1, TIR_SIGN_NONE), i8 = tir_type_int(ctx, 8, TIR_SIGN_NONE);
  tir_type f32 = tir_type_float(ctx, TIR_FLOAT_F32), t = tir_type_tensor(i8, 1, n4, NULL);
  tir_attr a = tir_attr_int(i8, 200), pair[2], d;
  CHECK(tir_attr_get_kind(a) == TIR_ATTR_INT && tir_attr_get_int(a, &value) == TIR_OK && value == -56);
  CHECK(tir_attr_get_type(a) == i8 && a == tir_attr_int(i8, -56));
  CHECK(tir_attr_int(i1, -1) == tir_attr_bool(ctx, 1) && tir_attr_get_kind(tir_attr_bool(ctx, 7)) == TIR_ATTR_BOOL);
  CHECK(tir_attr_get_int(tir_attr_bool(ctx, 1), &value) == TIR_OK && value == 1);
  CHECK(tir_attr_get_kind(tir_attr_unit(ctx)) == TIR_ATTR_UNIT);
  CHECK(tir_attr_get_float_bits(tir_attr_float(f32, 1.0), &got) == TIR_OK && got == 0x3f800000);
  CHECK(tir_attr_float_bits(f32, 0x3f800000) == tir_attr_float(f32, 1.0));
  CHECK(tir_attr_float(tir_type_float(ctx, TIR_FLOAT_BF16), 1.0) ==
        tir_attr_float_bits(tir_type_float(ctx, TIR_FLOAT_BF16), 0x3f80));
  CHECK(!memcmp(tir_attr_get_text(tir_attr_string(ctx, "a\0b", 3), &size), "a\0b", 4) && size == 3);
  CHECK(!strcmp(tir_attr_get_text(tir_attr_string(ctx, NULL, 0), NULL), ""));
  CHECK(!strcmp(tir_attr_get_text(tir_attr_symbol(ctx, "f"), NULL), "f"));
  CHECK(tir_attr_get_int(tir_attr_enum(ctx, 3, "cg"), &value) == TIR_OK && value == 3);
  CHECK(tir_attr_get_type(tir_attr_type(f32)) == f32);
  pair[0] = a;
  pair[1] = tir_attr_unit(ctx);
  d = tir_attr_array(ctx, 2, pair);
  CHECK(tir_attr_count(d) == 2 && tir_attr_item(d, 1) == pair[1] && !tir_attr_item(d, 2));
  d = tir_attr_dict(ctx, 2, names, pair);
  CHECK(tir_attr_count(d) == 2 && !strcmp(tir_attr_item_name(d, 0), "a") && tir_attr_find(d, "b") == a);
  CHECK(!tir_attr_find(d, "c") && !tir_attr_item_name(d, 2) && tir_attr_item(d, 0) == pair[1]);
  d = tir_attr_dense(t, 4, bits);
  CHECK(!tir_attr_is_splat(d) && tir_attr_count(d) == 4 && tir_attr_get_element(d, 2, &got) == TIR_OK && got == 3);
  d = tir_attr_splat(t, 9);
  CHECK(tir_attr_is_splat(d) && tir_attr_get_element(d, 3, &got) == TIR_OK && got == 9);
  bits[1] = bits[2] = bits[3] = 1;
  CHECK(tir_attr_dense(t, 4, bits) == tir_attr_splat(t, 1)); /* one form for one value */
  d = tir_attr_dense_array(i8, 2, ints);
  CHECK(tir_attr_count(d) == 2 && tir_attr_get_element(d, 0, &got) == TIR_OK && (int64_t)got == -1);
  CHECK(tir_attr_get_loc(tir_attr_loc(tir_loc_unknown(ctx))) == tir_loc_unknown(ctx));
  CHECK(!strcmp(tir_attr_get_text(tir_attr_opaque(ctx, "#a.b"), NULL), "#a.b"));
  CHECK(tir_attr_get_kind(NULL) == TIR_ATTR_INVALID && !tir_attr_get_type(NULL) && !tir_attr_count(NULL) &&
        !tir_attr_item(NULL, 0) && !tir_attr_is_splat(NULL) && !tir_attr_get_loc(NULL) &&
        !tir_attr_get_text(NULL, &size) && !tir_attr_find(NULL, "a") && !tir_attr_item_name(NULL, 0));
  FAILS(tir_attr_get_int(tir_attr_unit(ctx), &value), TIR_INVALID_ARGUMENT, "no int");
  FAILS(tir_attr_get_int(NULL, &value), TIR_INVALID_ARGUMENT, "attr is NULL");
  FAILS(tir_attr_get_float_bits(a, &got), TIR_INVALID_ARGUMENT, "no float");
  FAILS(tir_attr_get_element(d, 2, &got), TIR_INVALID_ARGUMENT, "element 2 of 2");
  NULL_BECAUSE(tir_attr_unit(NULL), "context");
  NULL_BECAUSE(tir_attr_bool(NULL, 1), "context");
  NULL_BECAUSE(tir_attr_int(f32, 1), "must be index");
  NULL_BECAUSE(tir_attr_float(i8, 1), "no float");
  NULL_BECAUSE(tir_attr_float_bits(f32, (uint64_t)1 << 32), "more than 32 bits");
  NULL_BECAUSE(tir_attr_string(ctx, NULL, 3), "data is NULL");
  NULL_BECAUSE(tir_attr_type(NULL), "type is NULL");
  NULL_BECAUSE(tir_attr_array(ctx, 1, NULL), "array is NULL");
  names[1] = "b";
  NULL_BECAUSE(tir_attr_dict(ctx, 2, names, pair), "occurs twice");
  pair[1] = tir_attr_unit(other);
  NULL_BECAUSE(tir_attr_array(ctx, 2, pair), "entry 1 is of another context");
  NULL_BECAUSE(tir_attr_dense(t, 3, bits), "3 elements given");
  bits[0] = 256;
  NULL_BECAUSE(tir_attr_dense(t, 4, bits), "beyond its width");
  NULL_BECAUSE(tir_attr_splat(t, 256), "beyond its width");
  NULL_BECAUSE(tir_attr_splat(i8, 1), "not a tensor");
  NULL_BECAUSE(tir_attr_dense_array(f32, 1, ints), "integer");
  NULL_BECAUSE(tir_attr_symbol(ctx, NULL), "name is NULL");
  NULL_BECAUSE(tir_attr_enum(ctx, 1, NULL), "spelling is NULL");
  NULL_BECAUSE(tir_attr_opaque(NULL, "x"), "context is NULL");
  NULL_BECAUSE(tir_attr_loc(NULL), "loc is NULL");
}

/* A kernel  k(p: ptr<f32>, n: i32) { c = 7; s = n + c; return }  and a private function. */
static tir_op build(tir_module *m, tir_builder *b, tir_op *add) {
  tir_type in[2];
  tir_op f;
  tir_value c;
  in[1] = tir_type_int(ctx, 32, TIR_SIGN_NONE);
  in[0] = tir_type_ptr(tir_type_float(ctx, TIR_FLOAT_F32), 1);
  f = tir_build_tt_func(b, "k", tir_type_function(ctx, 2, in, 0, NULL), "public");
  tir_builder_enter(b, f, 0);
  c = tir_build_const_int(b, in[1], 7);
  tir_builder_set_loc(b, tir_loc_file(ctx, "k.py", 3, 1));
  *add = tir_value_op(tir_build_arith_addi(b, tir_func_arg(f, 1), c));
  tir_build_tt_return(b, 0, NULL);
  tir_builder_leave(b);
  tir_build_tt_func(b, "h", tir_type_function(ctx, 0, NULL, 0, NULL), "private");
  tir_builder_enter(b, tir_module_find_function(m, "h"), 0);
  tir_build_tt_return(b, 0, NULL);
  tir_builder_leave(b);
  CHECK(tir_builder_status(b) == TIR_OK);
  return f;
}

static void test_module(void) {
  tir_module *m = NULL, *copy = NULL, *again = NULL;
  tir_builder *b = NULL;
  tir_op f, add, got = NULL;
  uint64_t h1[2], h2[2], h3[2];
  FAILS(tir_module_create(NULL, &m), TIR_INVALID_ARGUMENT, "context is NULL");
  FAILS(tir_module_create(ctx, NULL), TIR_INVALID_ARGUMENT, "out is NULL");
  CHECK(tir_module_create(ctx, &m) == TIR_OK && tir_module_context(m) == ctx);
  FAILS(tir_module_kernel(m, NULL, &got), TIR_NOT_FOUND, "no kernel");
  CHECK(tir_builder_create(m, &b) == TIR_OK);
  f = build(m, b, &add);
  CHECK(tir_module_num_functions(m) == 2 && tir_module_function(m, 0) == f && tir_module_num_ops(m) == 7);
  NULL_BECAUSE(tir_module_function(m, 2), "fewer functions");
  CHECK(tir_module_find_function(m, "k") == f && !tir_module_find_function(m, "none"));
  CHECK(tir_module_kernel(m, NULL, &got) == TIR_OK && got == f);
  CHECK(tir_module_kernel(m, "k", &got) == TIR_OK && got == f);
  FAILS(tir_module_kernel(m, "x", &got), TIR_NOT_FOUND, "'k'");
  FAILS(tir_module_kernel(m, "h", &got), TIR_NOT_FOUND, "private");
  CHECK(got == NULL);
  CHECK(tir_op_block(f) == tir_module_body(m) && tir_op_parent(f) == tir_module_op(m));
  CHECK(tir_module_get_syntax(m) == TIR_SYNTAX_AUTO && tir_module_set_syntax(m, TIR_SYNTAX_3_8) == TIR_OK);
  CHECK(tir_module_get_syntax(m) == TIR_SYNTAX_3_8);
  FAILS(tir_module_set_syntax(m, 35), TIR_INVALID_ARGUMENT, "unknown syntax 35");
  CHECK(!strcmp(tir_module_get_source_name(m), "<memory>") && tir_module_set_source_name(m, "a.ttir") == TIR_OK);
  CHECK(!strcmp(tir_module_get_source_name(m), "a.ttir"));
  FAILS(tir_module_set_source_name(m, NULL), TIR_INVALID_ARGUMENT, "name is NULL");

  CHECK(!strcmp(tir_func_name(f), "k") && tir_func_is_kernel(f) && !tir_func_is_declaration(f));
  CHECK(!tir_func_is_kernel(tir_module_function(m, 1)) && tir_func_num_args(f) == 2);
  CHECK(tir_type_num_inputs(tir_func_type(f)) == 2 && tir_type_get_kind(tir_func_arg_type(f, 0)) == TIR_TYPE_PTR);
  NULL_BECAUSE(tir_func_arg_type(f, 2), "argument 2 of 2");
  NULL_BECAUSE(tir_func_arg(f, 2), "argument 2");
  CHECK(tir_func_entry(f) == tir_op_block(add) && tir_value_block(tir_func_arg(f, 0)) == tir_func_entry(f));
  CHECK(!strcmp(tir_func_arg_name(f, 0), "") && tir_value_set_name(tir_func_arg(f, 0), "x_ptr") == TIR_OK);
  CHECK(!strcmp(tir_func_arg_name(f, 0), "x_ptr") && !tir_func_arg_attrs(f, 0));
  CHECK(tir_func_set_arg_attr(f, 1, "tt.divisibility", tir_attr_int(tir_func_arg_type(f, 1), 16)) == TIR_OK);
  CHECK(tir_func_arg_attr(f, 1, "tt.divisibility") == tir_attr_int(tir_func_arg_type(f, 1), 16));
  CHECK(!tir_func_arg_attr(f, 0, "tt.divisibility") && tir_attr_count(tir_func_arg_attrs(f, 1)) == 1);
  CHECK(tir_func_set_arg_attr(f, 1, "tt.divisibility", NULL) == TIR_OK && !tir_op_attr(f, "arg_attrs"));
  FAILS(tir_func_set_arg_attr(f, 2, "a", NULL), TIR_INVALID_ARGUMENT, "argument 2 of 2");
  FAILS(tir_func_set_arg_attr(f, 0, "a", tir_attr_unit(other)), TIR_INVALID_ARGUMENT, "another context");
  NULL_BECAUSE(tir_func_name(add), "no tt.func");
  CHECK(tir_func_num_args(NULL) == 0 && strstr(tir_last_message(), "NULL"));

  CHECK(tir_module_clone(m, &copy) == TIR_OK && tir_module_num_ops(copy) == 7);
  CHECK(!strcmp(tir_module_get_source_name(copy), "a.ttir") && tir_module_get_syntax(copy) == TIR_SYNTAX_3_8);
  CHECK(tir_module_hash(m, TIR_HASH_CODE | TIR_HASH_LOC | TIR_HASH_SYNTAX, h1) == TIR_OK);
  CHECK(tir_module_hash(copy, TIR_HASH_CODE | TIR_HASH_LOC | TIR_HASH_SYNTAX, h2) == TIR_OK);
  CHECK(!memcmp(h1, h2, sizeof h1));
  CHECK(tir_module_hash(m, TIR_HASH_CODE, h1) == TIR_OK && memcmp(h1, h2, sizeof h1));
  CHECK(tir_op_set_loc(add, NULL) == TIR_OK && tir_module_hash(m, TIR_HASH_CODE, h2) == TIR_OK);
  CHECK(!memcmp(h1, h2, sizeof h1)); /* locations are not code */
  CHECK(tir_module_hash(m, TIR_HASH_CODE | TIR_HASH_LOC, h2) == TIR_OK);
  CHECK(tir_module_hash(copy, TIR_HASH_CODE | TIR_HASH_LOC, h3) == TIR_OK && memcmp(h2, h3, sizeof h2));
  CHECK(tir_op_set_operand(add, 1, tir_op_operand(add, 0)) == TIR_OK);
  CHECK(tir_module_hash(m, TIR_HASH_CODE, h2) == TIR_OK && memcmp(h1, h2, sizeof h1));
  FAILS(tir_module_hash(m, 0, h1), TIR_INVALID_ARGUMENT, "flags 0x0");
  FAILS(tir_module_hash(m, 1, NULL), TIR_INVALID_ARGUMENT, "out is NULL");
  FAILS(tir_module_clone(NULL, &again), TIR_INVALID_ARGUMENT, "module is NULL");
  CHECK(!tir_module_num_ops(NULL) && !tir_module_num_functions(NULL) && !tir_module_op(NULL) &&
        !tir_module_body(NULL) && !tir_module_context(NULL) && !tir_module_find_function(m, NULL));
  tir_builder_destroy(b);
  tir_module_destroy(copy);
  tir_module_destroy(m);
  tir_module_destroy(NULL);
}

struct walk { int seen; const char *stop_at; };
static int visit(void *user, tir_op op) {
  struct walk *w = user;
  ++w->seen;
  if (w->stop_at && !strcmp(tir_op_name(op), w->stop_at)) return 2;
  return !strcmp(tir_op_name(op), "tt.func") && w->stop_at == NULL; /* skip their regions */
}

static void test_walk(void) {
  tir_module *m = NULL, *m2 = NULL;
  tir_builder *b = NULL;
  tir_op f, add, constant, ret;
  tir_value n, sum;
  uint32_t first = 9, count = 9, counts[512];
  struct walk w = {0, NULL};
  tir_module_create(ctx, &m);
  tir_module_create(other, &m2);
  tir_builder_create(m, &b);
  f = build(m, b, &add);
  n = tir_func_arg(f, 1);
  sum = tir_op_result(add, 0);
  constant = tir_op_prev(add);
  ret = tir_op_next(add);
  CHECK(tir_op_opcode(add) == TIR_OP_ARITH_ADDI && !strcmp(tir_op_name(add), "arith.addi"));
  CHECK(tir_opcode_from_name("arith.addi") == TIR_OP_ARITH_ADDI && !tir_opcode_from_name("x.y"));
  CHECK(!strcmp(tir_opcode_name(TIR_OP_TT_LOAD), "tt.load") && !tir_opcode_name(0));
  CHECK(!tir_opcode_name(tir_opcode_count()) && tir_opcode_count() > 100);
  CHECK(tir_op_module(add) == m && tir_op_parent(add) == f && tir_op_block(add) == tir_func_entry(f));
  CHECK(tir_op_loc(add) == tir_loc_file(ctx, "k.py", 3, 1));
  CHECK(tir_op_num_operands(add) == 2 && tir_op_operand(add, 0) == n && tir_op_num_results(add) == 1);
  NULL_BECAUSE(tir_op_operand(add, 2), "operand 2 of 2");
  NULL_BECAUSE(tir_op_result(add, 1), "result 1 of 1");
  CHECK(tir_op_operand_slot(add, "rhs", &first, &count) == TIR_OK && first == 1 && count == 1);
  FAILS(tir_op_operand_slot(add, "mask", NULL, NULL), TIR_NOT_FOUND, "'mask'");
  CHECK(tir_op_num_regions(f) == 1 && tir_region_op(tir_op_region(f, 0)) == f && tir_op_num_regions(add) == 0);
  CHECK(tir_region_first_block(tir_op_region(f, 0)) == tir_func_entry(f) && !tir_block_next(tir_func_entry(f)));
  CHECK(tir_block_region(tir_func_entry(f)) == tir_op_region(f, 0) && tir_block_num_args(tir_func_entry(f)) == 2);
  CHECK(tir_block_arg(tir_func_entry(f), 1) == n && tir_block_first_op(tir_func_entry(f)) == constant);
  CHECK(tir_block_last_op(tir_func_entry(f)) == ret && tir_block_terminator(tir_func_entry(f)) == ret);
  NULL_BECAUSE(tir_block_arg(tir_func_entry(f), 2), "no argument 2");
  CHECK(tir_op_num_successors(ret) == 0);
  NULL_BECAUSE(tir_op_successor(ret, 0), "successor 0 of 0");
  NULL_BECAUSE(tir_op_region(add, 0), "region 0 of 0");

  CHECK(tir_op_num_attrs(constant) == 1 && !strcmp(tir_op_attr_name(constant, 0), "value"));
  CHECK(tir_op_attr_at(constant, 0) == tir_op_attr(constant, "value") && !tir_op_attr(add, "none"));
  CHECK(tir_op_set_attr(add, "b", tir_attr_unit(ctx)) == TIR_OK && tir_op_set_attr(add, "a", tir_attr_unit(ctx)) == TIR_OK);
  CHECK(tir_op_num_attrs(add) >= 2 && !strcmp(tir_op_attr_name(add, 0), "a"));
  CHECK(tir_op_set_attr(add, "a", NULL) == TIR_OK && !tir_op_attr(add, "a"));
  FAILS(tir_op_set_attr(add, "a", tir_attr_unit(other)), TIR_INVALID_ARGUMENT, "another context");
  NULL_BECAUSE(tir_op_attr_name(add, 50), "attribute 50");
  FAILS(tir_op_set_loc(add, tir_loc_unknown(other)), TIR_INVALID_ARGUMENT, "another context");
  FAILS(tir_op_set_operand(add, 2, n), TIR_INVALID_ARGUMENT, "operand 2 of 2");
  FAILS(tir_op_set_operand(add, 0, NULL), TIR_INVALID_ARGUMENT, "NULL");

  CHECK(tir_value_type(sum) == tir_value_type(n) && tir_value_op(sum) == add && !tir_value_op(n));
  CHECK(!tir_value_block(sum) && tir_value_index(n) == 1 && !strcmp(tir_value_name(sum), ""));
  CHECK(tir_value_num_uses(n) == 1 && tir_use_op(tir_value_first_use(n)) == add);
  CHECK(tir_use_index(tir_value_first_use(n)) == 0 && !tir_use_next(tir_value_first_use(n)));
  CHECK(tir_value_replace_uses(n, tir_op_result(constant, 0)) == TIR_OK && tir_value_num_uses(n) == 0);
  CHECK(tir_value_num_uses(tir_op_result(constant, 0)) == 2);
  FAILS(tir_value_replace_uses(n, tir_func_arg(f, 0)), TIR_INVALID_ARGUMENT, "type");
  FAILS(tir_value_replace_uses(n, NULL), TIR_INVALID_ARGUMENT, "other is NULL");

  CHECK(tir_op_walk(tir_module_op(m), visit, &w) == 0 && w.seen == 3);
  w.seen = 0;
  w.stop_at = "arith.addi";
  CHECK(tir_op_walk(tir_module_op(m), visit, &w) == 1 && w.seen == 4);
  CHECK(tir_op_walk(f, NULL, NULL) == 0 && strstr(tir_last_message(), "visit is NULL"));
  CHECK(tir_op_census(tir_module_op(m), counts, 512) == TIR_OK && counts[TIR_OP_TT_FUNC] == 2);
  CHECK(counts[TIR_OP_ARITH_ADDI] == 1 && counts[TIR_OP_TT_LOAD] == 0);
  FAILS(tir_op_census(f, NULL, 3), TIR_INVALID_ARGUMENT, "counts is NULL");

  FAILS(tir_op_erase(constant), TIR_BUSY, "'arith.addi' at k.py:3:1");
  FAILS(tir_op_erase(tir_module_op(m)), TIR_INVALID_ARGUMENT, "module's own");
  CHECK(tir_op_erase(add) == TIR_OK && tir_op_next(constant) == ret && tir_op_opcode(add) == 0);
  NULL_BECAUSE(tir_op_name(add), "erased");
  FAILS(tir_op_erase(add), TIR_INVALID_ARGUMENT, "erased");
  CHECK(tir_op_erase(constant) == TIR_OK && tir_block_first_op(tir_func_entry(f)) == ret);
  CHECK(!tir_op_num_operands(NULL) && !tir_op_next(NULL) && !tir_value_type(NULL) && !tir_block_next(NULL) &&
        !tir_region_op(NULL) && !tir_use_op(NULL) && !tir_use_next(NULL) && !tir_value_num_uses(NULL) &&
        !tir_op_walk(NULL, visit, &w) && tir_op_census(NULL, counts, 1) == TIR_INVALID_ARGUMENT);
  FAILS(tir_value_set_name(NULL, "x"), TIR_INVALID_ARGUMENT, "value is NULL");
  tir_builder_destroy(b);
  tir_module_destroy(m);
  tir_module_destroy(m2);
}

int main(void) {
  CHECK(tir_context_create(NULL, &ctx) == TIR_OK && tir_context_create(NULL, &other) == TIR_OK);
  test_context();
  test_types();
  test_attrs();
  test_module();
  test_walk();
  tir_context_destroy(ctx);
  tir_context_destroy(other);
  if (failures) fprintf(stderr, "%d checks failed\n", failures);
  return failures != 0;
}
