/* SPDX-License-Identifier: MIT */
/* Builds a kernel with the C builder, compiles it, runs it and checks the result: y[i] = a * x[i] + y[i], one program
 * per 256 elements. Built against the installed libraries:
 *   cc build_kernel.c $(pkg-config --cflags --libs tir tkernels) -o build_kernel */
#include <stdio.h>
#include <stdlib.h>
#include <tir/tir.h>
#include <tkernels/session.h>

enum { BLOCK = 256 };

static tir_value block_pointers(tir_builder *b, tir_value base, tir_value offsets, tir_type pointers) {
  return tir_build_tt_addptr(b, tir_build_tt_splat(b, base, pointers), offsets);
}

/* tt.func @saxpy(%x: !tt.ptr<f32>, %y: !tt.ptr<f32>, %a: f32, %n: i32) */
static tir_status build_saxpy(tir_module *module) {
  tir_context *c = tir_module_context(module);
  const int64_t shape[1] = {BLOCK};
  tir_type i32 = tir_type_int(c, 32, TIR_SIGN_NONE), f32 = tir_type_float(c, TIR_FLOAT_F32);
  tir_type ptr = tir_type_ptr(f32, 1);
  tir_type ints = tir_type_tensor(i32, 1, shape, NULL), floats = tir_type_tensor(f32, 1, shape, NULL);
  tir_type pointers = tir_type_tensor(ptr, 1, shape, NULL);
  tir_type inputs[4];
  tir_builder *b = NULL;
  tir_op func;
  tir_value start, offsets, mask, xp, yp, x, y;
  tir_status status;
  inputs[0] = inputs[1] = ptr;
  inputs[2] = f32;
  inputs[3] = i32;
  if ((status = tir_builder_create(module, &b)) != TIR_OK) return status;
  func = tir_build_tt_func(b, "saxpy", tir_type_function(c, 4, inputs, 0, NULL), "public");
  tir_builder_enter(b, func, 0);
  start = tir_build_arith_muli(b, tir_build_tt_get_program_id(b, TIR_PROGRAM_ID_DIM_X), tir_build_const_int(b, i32, BLOCK));
  offsets = tir_build_arith_addi(b, tir_build_tt_splat(b, start, ints), tir_build_tt_make_range(b, 0, BLOCK));
  mask = tir_build_arith_cmpi(b, offsets, tir_build_tt_splat(b, tir_func_arg(func, 3), ints), TIR_CMPI_PREDICATE_SLT);
  xp = block_pointers(b, tir_func_arg(func, 0), offsets, pointers);
  yp = block_pointers(b, tir_func_arg(func, 1), offsets, pointers);
  x = tir_build_tt_load(b, xp, mask, NULL, TIR_CACHE_MODIFIER_NONE, TIR_EVICTION_POLICY_EVICT_NORMAL, 0);
  y = tir_build_tt_load(b, yp, mask, NULL, TIR_CACHE_MODIFIER_NONE, TIR_EVICTION_POLICY_EVICT_NORMAL, 0);
  x = tir_build_arith_mulf(b, x, tir_build_tt_splat(b, tir_func_arg(func, 2), floats));
  tir_build_tt_store(b, yp, tir_build_arith_addf(b, x, y), mask, TIR_CACHE_MODIFIER_NONE, TIR_EVICTION_POLICY_EVICT_NORMAL);
  tir_build_tt_return(b, 0, NULL);
  tir_builder_leave(b);
  status = tir_builder_status(b); /* one look at the end: the builder keeps the first failure */
  if (status != TIR_OK) fprintf(stderr, "%s\n", tir_builder_message(b));
  tir_builder_destroy(b);
  return status == TIR_OK ? tir_module_verify(module) : status;
}

struct bytes {
  char *data;
  size_t size;
};

static void append(void *user, const char *data, size_t size) {
  struct bytes *out = user;
  size_t i;
  out->data = realloc(out->data, out->size + size);
  if (!out->data) abort();
  for (i = 0; i < size; ++i) out->data[out->size + i] = data[i];
  out->size += size;
}

int main(void) {
  enum { N = 1000 };
  static float x[N], y[N];
  void *px = x, *py = y;
  float a = 2.5f;
  int32_t n = N;
  const void *args[4];
  const uint32_t grid[3] = {(N + BLOCK - 1) / BLOCK, 1, 1};
  struct bytes ir = {NULL, 0};
  tir_context *context = NULL;
  tir_module *module = NULL;
  tkernels_session *session = NULL;
  tkernels_kernel *kernel = NULL;
  int i, wrong = 0;

  if (tir_context_create(NULL, &context) != TIR_OK || tir_module_create(context, &module) != TIR_OK ||
      build_saxpy(module) != TIR_OK || tir_module_write_bytecode(module, NULL, append, &ir) != TIR_OK) {
    fprintf(stderr, "building: %s\n", tir_last_message());
    return 1;
  }
  if (tkernels_session_create(NULL, &session) != TKERNELS_OK ||
      tkernels_session_get(session, ir.data, ir.size, NULL, &kernel) != TKERNELS_OK) {
    fprintf(stderr, "compiling: %s\n", tkernels_last_message());
    return 1;
  }
  for (i = 0; i < N; ++i) {
    x[i] = (float)i;
    y[i] = (float)(N - i);
  }
  args[0] = &px;
  args[1] = &py;
  args[2] = &a;
  args[3] = &n;
  if (tkernels_launch(kernel, NULL, grid, args, 4) != TKERNELS_OK || tkernels_session_synchronize(session, NULL) != TKERNELS_OK) {
    fprintf(stderr, "running: %s\n", tkernels_last_message());
    return 1;
  }
  for (i = 0; i < N; ++i) wrong += y[i] != 2.5f * (float)i + (float)(N - i);
  printf("saxpy of %d elements from %zu bytes of IR: %d wrong\n", N, ir.size, wrong);
  tkernels_kernel_release(kernel);
  tkernels_session_destroy(session);
  tir_module_destroy(module);
  tir_context_destroy(context);
  free(ir.data);
  return wrong != 0;
}
