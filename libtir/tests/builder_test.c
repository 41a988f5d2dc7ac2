/* SPDX-License-Identifier: MIT */
/* C test of builder.h, opcodes.h, verify.h: a kernel with loop, branch, reduction and descriptor; every way to go
 * wrong gives a status. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <tir/builder.h>
#include <tir/verify.h>
#include <tir/walk.h>

static int failures;
static void check(int ok, const char *text, int line) {
  if (ok) return;
  ++failures;
  fprintf(stderr, "builder_test.c:%d: %s\n  last message: %s\n", line, text, tir_last_message());
}
#define CHECK(x) check((x) != 0, #x, __LINE__)

static tir_context *ctx;
static tir_module *module;
static tir_builder *b;
static tir_type i1, i32, i64, f16, f32, pf32, tf32, ti32;
static int64_t n64[1] = {64};
static char seen[4096]; /* what the context's receiver got */

static void receive(void *user, tir_severity severity, const char *text, size_t size) {
  (void)user;
  (void)severity;
  size_t used = strlen(seen);
  if (used + size + 2 < sizeof seen) {
    memcpy(seen + used, text, size);
    memcpy(seen + used + size, "\n", 2);
  }
}

static void start(void) {
  tir_context_params params = TIR_CONTEXT_PARAMS_INIT;
  params.diagnostic = receive;
  CHECK(tir_context_create(&params, &ctx) == TIR_OK);
  CHECK(tir_module_create(ctx, &module) == TIR_OK);
  CHECK(tir_builder_create(module, &b) == TIR_OK);
  i1 = tir_type_int(ctx, 1, TIR_SIGN_NONE);
  i32 = tir_type_int(ctx, 32, TIR_SIGN_NONE);
  i64 = tir_type_int(ctx, 64, TIR_SIGN_NONE);
  f16 = tir_type_float(ctx, TIR_FLOAT_F16);
  f32 = tir_type_float(ctx, TIR_FLOAT_F32);
  pf32 = tir_type_ptr(f32, 1);
  tf32 = tir_type_tensor(f32, 1, n64, NULL);
  ti32 = tir_type_tensor(i32, 1, n64, NULL);
}
static void stop(void) {
  tir_builder_destroy(b);
  tir_module_destroy(module);
  tir_context_destroy(ctx);
  tir_builder_destroy(NULL);
}

/* Opens a kernel with arguments (!tt.ptr<f32>, !tt.ptr<f32>, i32) and enters it. */
static tir_op kernel(const char *name) {
  tir_type in[3];
  in[0] = in[1] = pf32;
  in[2] = i32;
  tir_op f = tir_build_tt_func(b, name, tir_type_function(ctx, 3, in, 0, NULL), "public");
  CHECK(f != NULL);
  CHECK(tir_builder_enter(b, f, 0) == TIR_OK);
  CHECK(tir_block_num_args(tir_builder_block(b)) == 3);
  return f;
}
static void close_kernel(void) {
  CHECK(tir_build_tt_return(b, 0, NULL) != NULL);
  CHECK(tir_builder_leave(b) == TIR_OK);
}
static tir_value arg(tir_op f, uint32_t i) { return tir_func_arg(f, i); }

static void test_add(void) {
  tir_op f = kernel("add"), store, last;
  tir_value pid = tir_build_tt_get_program_id(b, TIR_PROGRAM_ID_DIM_X);
  tir_value base = tir_build_arith_muli(b, pid, tir_build_const_int(b, i32, 64));
  tir_value range = tir_build_tt_make_range(b, 0, 64);
  tir_value offsets = tir_build_arith_addi(b, tir_build_tt_splat(b, base, ti32), range);
  tir_value mask =
      tir_build_arith_cmpi(b, offsets, tir_build_tt_splat(b, arg(f, 2), ti32), TIR_CMPI_PREDICATE_SLT);
  tir_type ptrs = tir_type_tensor(pf32, 1, n64, NULL);
  tir_value p = tir_build_tt_addptr(b, tir_build_tt_splat(b, arg(f, 0), ptrs), offsets), x, y;
  CHECK(tir_value_type(range) == ti32);
  CHECK(tir_value_type(p) == ptrs);
  x = tir_build_tt_load(b, p, mask, tir_build_const_float(b, tf32, 0.0), TIR_CACHE_MODIFIER_CG, 0, 0);
  CHECK(tir_value_type(x) == tf32);
  CHECK(tir_op_attr(tir_value_op(x), "cache") != NULL);
  CHECK(tir_op_attr(tir_value_op(x), "evict") == NULL);
  CHECK(tir_op_attr(tir_value_op(x), "isVolatile") == NULL);
  CHECK(tir_value_type(tir_build_tt_load(b, p, NULL, NULL, 0, 0, 1)) == tf32);
  y = tir_build_arith_addf(b, x, x);
  CHECK(tir_builder_next_attr(b, "fastmath", tir_attr_enum(ctx, 32, "contract")) == TIR_OK);
  y = tir_build_arith_mulf(b, y, y);
  CHECK(tir_op_attr(tir_value_op(y), "fastmath") != NULL);
  y = tir_build_arith_subf(b, y, y);
  CHECK(tir_op_attr(tir_value_op(y), "fastmath") == NULL); /* of the next operation only */
  CHECK(tir_builder_set_loc(b, tir_loc_file(ctx, "k.c", 7, 3)) == TIR_OK);
  store = tir_build_tt_store(b, p, y, mask, 0, TIR_EVICTION_POLICY_EVICT_LAST);
  CHECK(store != NULL);
  CHECK(tir_op_loc(store) == tir_loc_file(ctx, "k.c", 7, 3));
  CHECK(tir_builder_set_loc(b, NULL) == TIR_OK);
  last = tir_build_tt_return(b, 0, NULL);
  CHECK(tir_op_next(store) == last);
  CHECK(tir_builder_before(b, store) == TIR_OK);
  CHECK(tir_op_next(tir_value_op(tir_build_math_exp2(b, x))) == store);
  CHECK(tir_builder_after(b, store) == TIR_OK);
  CHECK(tir_op_prev(tir_value_op(tir_build_math_exp2(b, x))) == store);
  CHECK(tir_builder_leave(b) == TIR_OK);
  CHECK(tir_builder_status(b) == TIR_OK);
  CHECK(tir_module_verify(module) == TIR_OK);
}

static void test_regions(void) {
  tir_op f = kernel("regions"), loop, branch, reduce, op;
  tir_value zero = tir_build_const_int(b, i32, 0), one = tir_build_const_int(b, i32, 1), inits[2], values[2], c;
  tir_type types[2], f_pair[1];
  tir_block body, done;
  inits[0] = zero;
  inits[1] = tir_build_const_float(b, tf32, 1.5);
  loop = tir_build_scf_for(b, zero, arg(f, 2), one, 2, inits);
  CHECK(tir_op_num_results(loop) == 2);
  CHECK(tir_value_type(tir_op_result(loop, 1)) == tf32);
  CHECK(tir_builder_enter(b, loop, 0) == TIR_OK);
  body = tir_builder_block(b);
  CHECK(tir_block_num_args(body) == 3);
  c = tir_build_arith_cmpi(b, tir_block_arg(body, 0), one, TIR_CMPI_PREDICATE_EQ);
  types[0] = tf32;
  branch = tir_build_scf_if(b, c, 1, types);
  for (uint32_t r = 0; r < 2; ++r) {
    CHECK(tir_builder_enter(b, branch, r) == TIR_OK);
    values[0] = tir_block_arg(body, 2);
    if (r) values[0] = tir_build_arith_negf(b, values[0]);
    CHECK(tir_build_scf_yield(b, 1, values) != NULL);
    CHECK(tir_builder_leave(b) == TIR_OK);
  }
  values[0] = tir_build_arith_addi(b, tir_block_arg(body, 1), one);
  values[1] = tir_op_result(branch, 0);
  CHECK(tir_build_scf_yield(b, 2, values) != NULL);
  CHECK(tir_builder_leave(b) == TIR_OK);

  inits[0] = tir_op_result(loop, 1);
  reduce = tir_build_tt_reduce(b, 1, inits, 0);
  CHECK(tir_value_type(tir_op_result(reduce, 0)) == f32);
  CHECK(tir_builder_enter(b, reduce, 0) == TIR_OK);
  body = tir_builder_block(b);
  values[0] = tir_build_arith_addf(b, tir_block_arg(body, 0), tir_block_arg(body, 1));
  CHECK(tir_build_tt_reduce_return(b, 1, values) != NULL);
  CHECK(tir_builder_leave(b) == TIR_OK);

  /* scf.while (i = 0) : i < n */
  inits[0] = zero;
  types[0] = i32;
  op = tir_build_scf_while(b, 1, inits, 1, types);
  CHECK(tir_builder_enter(b, op, 0) == TIR_OK);
  values[0] = tir_block_arg(tir_builder_block(b), 0);
  c = tir_build_arith_cmpi(b, values[0], arg(f, 2), TIR_CMPI_PREDICATE_SLT);
  CHECK(tir_build_scf_condition(b, c, 1, values) != NULL);
  CHECK(tir_builder_leave(b) == TIR_OK);
  CHECK(tir_builder_enter(b, op, 1) == TIR_OK);
  values[0] = tir_build_arith_addi(b, tir_block_arg(tir_builder_block(b), 0), one);
  CHECK(tir_build_scf_yield(b, 1, values) != NULL);
  CHECK(tir_builder_leave(b) == TIR_OK);

  inits[0] = tir_build_tt_make_range(b, 0, 64);
  types[0] = ti32;
  op = tir_build_tt_map_elementwise(b, 1, inits, 2, 1, types);
  CHECK(tir_block_num_args(tir_region_first_block(tir_op_region(op, 0))) == 2);
  CHECK(tir_builder_enter(b, op, 0) == TIR_OK);
  values[0] = tir_block_arg(tir_builder_block(b), 1);
  values[1] = tir_block_arg(tir_builder_block(b), 0);
  CHECK(tir_build_tt_map_elementwise_return(b, 2, values) != NULL);
  CHECK(tir_builder_leave(b) == TIR_OK);

  /* blocks: one branch to the end, with a value */
  f_pair[0] = i32;
  done = tir_builder_add_block(b, tir_op_region(f, 0), 1, f_pair);
  CHECK(tir_value_type(tir_builder_add_arg(b, done, f32)) == f32);
  values[0] = zero;
  values[1] = tir_op_result(reduce, 0);
  CHECK(tir_build_cf_br(b, done, 2, values) != NULL);
  CHECK(tir_builder_at_end(b, done) == TIR_OK);
  close_kernel();
  CHECK(tir_builder_status(b) == TIR_OK);
  CHECK(tir_module_verify(module) == TIR_OK);
}

static void test_various(void) {
  tir_op f = kernel("various"), call, split;
  int64_t shape[2] = {64, 1}, wide[2] = {64, 32}, pair[2] = {64, 2};
  int32_t order[2] = {1, 0};
  tir_value v = tir_build_const_float(b, tf32, 1.0), d, shapes[2], strides[2];
  tir_type block = tir_type_tensor_desc(f32, 2, wide, NULL);
  v = tir_build_tt_expand_dims(b, v, 1);
  CHECK(tir_value_type(v) == tir_type_tensor(f32, 2, shape, NULL));
  v = tir_build_tt_broadcast(b, v, tir_type_tensor(f32, 2, wide, NULL));
  d = tir_build_tt_trans(b, v, 2, order);
  CHECK(tir_type_dim(tir_value_type(d), 0) == 32);
  wide[1] = 64;
  d = tir_build_tt_dot(b, v, d, tir_build_const_float(b, tir_type_tensor(f32, 2, wide, NULL), 0.0),
                       TIR_INPUT_PRECISION_TF32);
  CHECK(tir_op_attr(tir_value_op(d), "inputPrecision") != NULL);
  v = tir_build_const_float(b, tir_type_tensor(f32, 2, pair, NULL), 2.0);
  split = tir_build_tt_split(b, v);
  CHECK(tir_op_num_results(split) == 2);
  CHECK(tir_value_type(tir_build_tt_join(b, tir_op_result(split, 0), tir_op_result(split, 1))) == tir_value_type(v));
  shapes[0] = shapes[1] = tir_build_const_int(b, i32, 100);
  strides[0] = tir_build_const_int(b, i64, 100);
  strides[1] = tir_build_const_int(b, i64, 1);
  d = tir_build_tt_make_tensor_descriptor(b, arg(f, 0), 2, shapes, 2, strides, block);
  v = tir_build_tt_descriptor_load(b, d, 2, shapes, 0, 0,
                                   tir_type_tensor(f32, 2, (wide[1] = 32, wide), NULL));
  CHECK(tir_build_tt_descriptor_store(b, d, v, 2, shapes) != NULL);
  v = tir_build_tt_fp_to_fp(b, tir_build_const_float(b, f32, 0.1), TIR_ROUNDING_MODE_RTZ, f16);
  CHECK(tir_value_type(v) == f16);
  CHECK(tir_value_type(tir_build_tt_fp_to_fp(b, v, TIR_ABSENT, f32)) == f32);
  CHECK(tir_value_type(tir_build_arith_select(b, tir_build_const_int(b, i1, 1), v, v)) == f16);
  CHECK(tir_build_tt_assert(b, tir_build_const_int(b, i1, 1), "text") != NULL);
  shapes[0] = arg(f, 0);
  shapes[1] = arg(f, 1);
  {
    tir_value args[3];
    args[0] = args[1] = arg(f, 0);
    args[2] = arg(f, 2);
    call = tir_build_tt_call(b, 3, args, "add");
    CHECK(call != NULL);
    CHECK(tir_op_num_results(call) == 0);
    CHECK(!tir_build_tt_call(b, 2, args, "nothing"));
    CHECK(tir_builder_status(b) == TIR_VERIFY);
    CHECK(strstr(tir_builder_message(b), "nothing") != NULL);
    tir_builder_clear(b);
  }
  close_kernel();
  CHECK(tir_module_verify(module) == TIR_OK);
}

static void test_generic(void) {
  tir_op f = kernel("generic"), op;
  tir_op_spec spec = TIR_OP_SPEC_INIT;
  tir_value operands[3];
  const char *names[1] = {"predicate"};
  tir_attr values[1];
  uint32_t segments[3] = {1, 0, 1};
  operands[0] = operands[1] = arg(f, 2);
  values[0] = tir_attr_enum(ctx, TIR_CMPI_PREDICATE_ULE, "ule");
  spec.opcode = TIR_OP_ARITH_CMPI;
  spec.num_operands = 2;
  spec.operands = operands;
  spec.num_attrs = 1;
  spec.attr_names = names;
  spec.attr_values = values;
  op = tir_builder_build(b, &spec);
  CHECK(op && tir_op_opcode(op) == TIR_OP_ARITH_CMPI);
  CHECK(op && tir_value_type(tir_op_result(op, 0)) == i1);
  spec.struct_size = offsetof(tir_op_spec, successors); /* an older caller's */
  CHECK(tir_builder_build(b, &spec) != NULL);
  spec.struct_size = sizeof spec;
  spec.num_attrs = 0;
  CHECK(!tir_builder_build(b, &spec));
  CHECK(strstr(tir_builder_message(b), "predicate") != NULL);
  tir_builder_clear(b);
  spec.opcode = TIR_OP_TT_LOAD;
  operands[0] = arg(f, 0);
  operands[1] = tir_build_const_float(b, f32, 0);
  spec.num_segments = 3;
  spec.segments = segments;
  op = tir_builder_build(b, &spec);
  CHECK(op && tir_op_num_operands(op) == 2);
  spec.num_segments = 2;
  CHECK(!tir_builder_build(b, &spec));
  spec.num_segments = 0;
  CHECK(!tir_builder_build(b, &spec)); /* f32 is no mask */
  spec.opcode = 60000;
  CHECK(!tir_builder_build(b, &spec));
  spec.opcode = TIR_OP_BUILTIN_MODULE;
  CHECK(!tir_builder_build(b, &spec));
  spec.opcode = TIR_OP_CF_BR;
  spec.num_successors = 1;
  CHECK(!tir_builder_build(b, &spec));
  spec.struct_size = 3;
  CHECK(!tir_builder_build(b, &spec));
  CHECK(!tir_builder_build(NULL, &spec));
  CHECK(!tir_builder_build(b, NULL));
  tir_builder_clear(b);
  close_kernel();
}

/* Each wrong call gives NULL and is kept; what follows from it stays quiet. */
static void test_errors(void) {
  tir_op f = kernel("errors");
  tir_value n = arg(f, 2), nothing[1] = {NULL}, r;
  tir_context *other;
  tir_module *other_module;
  tir_builder *other_builder;
  CHECK(!tir_build_arith_addf(b, n, n)); /* integers */
  CHECK(tir_builder_status(b) == TIR_VERIFY);
  CHECK(strstr(tir_builder_message(b), "TIR-V012") != NULL);
  CHECK(!tir_build_arith_addi(b, NULL, n));
  CHECK(tir_build_arith_addi(b, n, n) != NULL); /* later, right calls go on */
  CHECK(!tir_builder_enter(b, NULL, 0) == 0);
  CHECK(tir_builder_leave(b) == TIR_OK);
  CHECK(strstr(tir_builder_message(b), "arith.addf") != NULL); /* still the first */
  tir_builder_clear(b);
  CHECK(tir_builder_status(b) == TIR_OK);
  CHECK(!strcmp(tir_builder_message(b), ""));
#define FAILS(call, code)                \
  CHECK(!(call));                        \
  CHECK(tir_builder_status(b) == (code)); \
  tir_builder_clear(b)
  FAILS(tir_build_arith_addi(b, NULL, n), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_tt_make_range(b, 8, 8), TIR_VERIFY);
  FAILS(tir_build_tt_make_range(b, 0, 48), TIR_VERIFY);
  FAILS(tir_build_tt_splat(b, n, tf32), TIR_VERIFY);
  FAILS(tir_build_tt_splat(b, n, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_tt_get_program_id(b, 3), TIR_VERIFY);
  FAILS(tir_build_tt_load(b, n, NULL, NULL, 0, 0, 0), TIR_VERIFY);
  FAILS(tir_build_tt_load(b, arg(f, 0), NULL, NULL, TIR_CACHE_MODIFIER_WT, 0, 0), TIR_VERIFY);
  FAILS(tir_build_tt_reduce(b, 0, NULL, 0), TIR_VERIFY);
  FAILS(tir_build_tt_reduce(b, 1, NULL, 0), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_tt_reduce(b, 1, nothing, 0), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_tt_call(b, 0, NULL, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_tt_trans(b, n, 0, NULL), TIR_VERIFY);
  FAILS(tir_build_tt_trans(b, n, 2, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_arith_constant(b, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_arith_constant(b, tir_attr_string(ctx, "x", 1)), TIR_VERIFY);
  FAILS(tir_build_const_int(b, f32, 1), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_const_int(b, NULL, 1), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_const_float(b, i32, 1), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_tt_func(b, "f", NULL, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_tt_func(b, NULL, i32, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_cf_br(b, NULL, 0, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_build_arith_select(b, n, n, n), TIR_VERIFY);
  FAILS(tir_builder_add_block(b, NULL, 0, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_add_block(b, tir_op_region(f, 0), 1, NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_add_arg(b, NULL, i32), TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_add_arg(b, tir_builder_block(b), NULL), TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_at_end(b, NULL) == TIR_OK, TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_before(b, NULL) == TIR_OK, TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_after(b, tir_module_op(module)) == TIR_OK, TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_next_attr(b, "x", NULL) == TIR_OK, TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_next_attr(b, NULL, tir_attr_unit(ctx)) == TIR_OK, TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_enter(b, f, 9) == TIR_OK, TIR_INVALID_ARGUMENT);
  CHECK(tir_builder_leave(b) == TIR_OK);
  /* an erased value and an erased place */
  r = tir_build_arith_addi(b, n, n);
  CHECK(tir_op_erase(tir_value_op(r)) == TIR_OK);
  FAILS(tir_build_arith_addi(b, r, n), TIR_INVALID_ARGUMENT);
  r = tir_build_arith_addi(b, n, n);
  CHECK(tir_builder_before(b, tir_value_op(r)) == TIR_OK);
  CHECK(tir_op_erase(tir_value_op(r)) == TIR_OK);
  CHECK(!tir_builder_block(b));
  FAILS(tir_build_arith_addi(b, n, n), TIR_INVALID_ARGUMENT);
  CHECK(tir_builder_at_end(b, tir_func_entry(f)) == TIR_OK);
  {
    tir_op loop = tir_build_scf_if(b, tir_build_const_int(b, i1, 1), 0, NULL);
    CHECK(tir_builder_enter(b, loop, 0) == TIR_OK);
    CHECK(tir_op_erase(loop) == TIR_OK);
    FAILS(tir_build_arith_addi(b, n, n), TIR_INVALID_ARGUMENT);
    CHECK(tir_builder_leave(b) == TIR_OK);
    CHECK(tir_build_arith_addi(b, n, n) != NULL);
  }
  /* another context */
  CHECK(tir_context_create(NULL, &other) == TIR_OK);
  CHECK(tir_module_create(other, &other_module) == TIR_OK);
  CHECK(tir_builder_create(other_module, &other_builder) == TIR_OK);
  CHECK(!tir_build_arith_addi(other_builder, n, n));
  CHECK(tir_builder_status(other_builder) == TIR_INVALID_ARGUMENT);
  FAILS(tir_build_tt_bitcast(b, n, tir_type_float(other, TIR_FLOAT_F32)), TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_set_loc(b, tir_loc_unknown(other)) == TIR_OK, TIR_INVALID_ARGUMENT);
  FAILS(tir_builder_next_attr(b, "x", tir_attr_unit(other)) == TIR_OK, TIR_INVALID_ARGUMENT);
  tir_builder_destroy(other_builder);
  tir_module_destroy(other_module);
  tir_context_destroy(other);
  close_kernel();
  FAILS(tir_builder_leave(b) == TIR_OK, TIR_INVALID_ARGUMENT);
  /* NULL builders */
  CHECK(!tir_build_arith_addi(NULL, n, n));
  CHECK(!tir_build_const_int(NULL, i32, 1) && !tir_build_const_float(NULL, f32, 1));
  CHECK(!tir_build_tt_call(NULL, 0, NULL, "f") && !tir_build_tt_trans(NULL, n, 0, NULL));
  CHECK(tir_builder_status(NULL) == TIR_INVALID_ARGUMENT && !strcmp(tir_builder_message(NULL), ""));
  CHECK(!tir_builder_block(NULL) && !tir_builder_add_block(NULL, NULL, 0, NULL));
  CHECK(!tir_builder_add_arg(NULL, NULL, NULL));
  CHECK(tir_builder_enter(NULL, f, 0) == TIR_INVALID_ARGUMENT && tir_builder_leave(NULL) == TIR_INVALID_ARGUMENT);
  CHECK(tir_builder_at_end(NULL, NULL) == TIR_INVALID_ARGUMENT && tir_builder_before(NULL, f) == TIR_INVALID_ARGUMENT);
  CHECK(tir_builder_after(NULL, f) == TIR_INVALID_ARGUMENT && tir_builder_set_loc(NULL, NULL) == TIR_INVALID_ARGUMENT);
  CHECK(tir_builder_next_attr(NULL, "x", NULL) == TIR_INVALID_ARGUMENT);
  CHECK(tir_builder_create(NULL, &other_builder) == TIR_INVALID_ARGUMENT && !other_builder);
  CHECK(tir_builder_create(module, NULL) == TIR_INVALID_ARGUMENT);
  tir_builder_clear(NULL);
}

static void test_splice(void) {
  tir_op f = kernel("spliced"), draft, real;
  tir_value yes = tir_build_const_int(b, tir_type_int(ctx, 1, TIR_SIGN_NONE), 1), one, two;
  CHECK(tir_builder_set_loc(b, tir_loc_name(ctx, "picked", NULL)) == TIR_OK);
  draft = tir_build_scf_if(b, yes, 0, NULL); /* built before its result type is known */
  CHECK(tir_builder_add_block(b, tir_op_region(draft, 1), 0, NULL) != NULL);
  CHECK(tir_builder_enter(b, draft, 0) == TIR_OK);
  one = tir_build_const_int(b, tir_type_int(ctx, 32, TIR_SIGN_NONE), 1);
  CHECK(strcmp(tir_value_name(one), "picked") == 0); /* a named place names the value */
  CHECK(tir_builder_leave(b) == TIR_OK && tir_builder_enter(b, draft, 1) == TIR_OK);
  two = tir_build_const_int(b, tir_type_int(ctx, 32, TIR_SIGN_NONE), 2);
  CHECK(tir_builder_leave(b) == TIR_OK && tir_builder_before(b, draft) == TIR_OK);
  {
    tir_type i32 = tir_type_int(ctx, 32, TIR_SIGN_NONE);
    real = tir_build_scf_if(b, yes, 1, &i32);
  }
  for (uint32_t i = 0; i < 2; ++i) {
    tir_block from = tir_region_first_block(tir_op_region(draft, i)), to = tir_region_first_block(tir_op_region(real, i));
    tir_value v = i ? two : one;
    CHECK(tir_block_splice(to, from) == TIR_OK);
    CHECK(!tir_block_first_op(from) && tir_block_last_op(to) == tir_value_op(v));
    CHECK(tir_builder_enter(b, real, i) == TIR_OK && tir_build_scf_yield(b, 1, &v) && tir_builder_leave(b) == TIR_OK);
    CHECK(tir_block_splice(NULL, from) == TIR_INVALID_ARGUMENT && tir_block_splice(to, NULL) == TIR_INVALID_ARGUMENT);
    CHECK(tir_block_splice(to, to) == TIR_INVALID_ARGUMENT);
    CHECK(tir_block_splice(to, tir_func_entry(f)) == TIR_INVALID_ARGUMENT); /* inside itself */
  }
  CHECK(strcmp(tir_value_name(tir_op_result(real, 0)), "picked") == 0);
  CHECK(tir_op_erase(draft) == TIR_OK);
  CHECK(tir_builder_set_loc(b, NULL) == TIR_OK && tir_builder_at_end(b, tir_func_entry(f)) == TIR_OK);
  CHECK(tir_build_tt_return(b, 0, NULL) != NULL);
  CHECK(tir_builder_leave(b) == TIR_OK);
  CHECK(tir_module_verify(module) == TIR_OK);
}

static void test_verify(void) {
  tir_op f;
  CHECK(tir_module_verify(NULL) == TIR_INVALID_ARGUMENT);
  CHECK(strstr(tir_verify_rule(1), "terminator") != NULL);
  CHECK(!tir_verify_rule(0) && !tir_verify_rule(999));
  f = kernel("unfinished"); /* no terminator */
  CHECK(tir_builder_leave(b) == TIR_OK);
  seen[0] = 0;
  CHECK(tir_module_verify(module) == TIR_VERIFY);
  CHECK(strstr(tir_last_message(), "[TIR-V001]") != NULL);
  CHECK(strstr(seen, "[TIR-V001]") != NULL);
  CHECK(tir_op_erase(f) == TIR_OK);
  CHECK(tir_module_verify(module) == TIR_OK);
}

int main(void) {
  start();
  test_add();
  test_regions();
  test_various();
  test_generic();
  test_errors();
  test_splice();
  test_verify();
  stop();
  if (failures) fprintf(stderr, "%d checks failed\n", failures);
  return failures != 0;
}
