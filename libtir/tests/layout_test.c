/* SPDX-License-Identifier: MIT */
/* C test of layout.h: what each function gives for a layout small enough to say by hand, and bad input. */
#include <stdio.h>
#include <string.h>
#include <tir/tir.h>

static int failures;
static void check(int ok, const char *text, int line) {
  if (ok) return;
  ++failures;
  fprintf(stderr, "layout_test.c:%d: %s\n  last message: %s\n", line, text, tir_last_message());
}
#define CHECK(x) check((x) != 0, #x, __LINE__)
#define FAILS(x, status, why) CHECK((x) == (status) && strstr(tir_last_message(), why))

static char text[65536];
static void collect(void *user, const char *data, size_t size) {
  size_t used = strlen(text);
  (void)user;
  if (used + size < sizeof text) {
    memcpy(text + used, data, size);
    text[used + size] = 0;
  }
}
static const char *bases(const tir_layout *l) {
  text[0] = 0;
  tir_layout_write(l, collect, NULL);
  return text;
}
static tir_layout *from(const char *s, uint32_t rank, int64_t a, int64_t b) {
  int64_t shape[2];
  tir_layout *l = NULL;
  shape[0] = a;
  shape[1] = b;
  CHECK(tir_layout_from_text(s, strlen(s), rank, shape, 0, &l) == TIR_OK && l);
  return l;
}

static const char row[] = "#ttg.blocked<{sizePerThread = [1, 2], threadsPerWarp = [8, 4], warpsPerCTA = [2, 1], order = [1, 0]}>";
static const char row_text[] = "register=[[0,1]] lane=[[0,2],[0,4],[1,0],[2,0],[4,0]] warp=[[8,0]] block=[]";

static void test_create(void) {
  tir_layout_dim in[2], outs[2], d;
  uint64_t columns[3] = {1, 4, 2}, v = 0;
  tir_layout *l = NULL, *bad = (tir_layout *)&l;
  in[0].dim = TIR_DIM_REGISTER, in[0].bits = 1;
  in[1].dim = TIR_DIM_LANE, in[1].bits = 2;
  outs[0].dim = TIR_DIM_OF(0), outs[0].bits = 2;
  outs[1].dim = TIR_DIM_OF(1), outs[1].bits = 1;
  CHECK(tir_layout_create(2, in, 2, outs, columns, &l) == TIR_OK);
  CHECK(tir_layout_rank(l, TIR_LAYOUT_IN) == 2 && tir_layout_rank(l, TIR_LAYOUT_OUT) == 2 && tir_layout_rank(l, 2) == 0);
  CHECK(tir_layout_bits(l, TIR_LAYOUT_IN) == 3 && tir_layout_bits(l, TIR_LAYOUT_OUT) == 3 && tir_layout_bits(NULL, 0) == 0);
  CHECK(tir_layout_get_dim(l, TIR_LAYOUT_OUT, 0, &d) == TIR_OK && d.dim == TIR_DIM_OF(0) && d.bits == 2);
  CHECK(tir_layout_get_basis(l, 1, &v) == TIR_OK && v == 4);
  CHECK(tir_layout_apply(l, 7, &v) == TIR_OK && v == 7 && tir_layout_apply(l, 2, &v) == TIR_OK && v == 4);
  CHECK(tir_layout_coordinate(l, 5, TIR_DIM_OF(0), &v) == TIR_OK && v == 2);
  CHECK(tir_layout_coordinate(l, 5, TIR_DIM_OF(1), &v) == TIR_OK && v == 1);
  CHECK(tir_layout_is_surjective(l) == 1 && tir_layout_is_injective(l) == 1 && !tir_layout_is_injective(NULL));
  CHECK(!strcmp(bases(l), "register=[[0,1]] lane=[[2,0],[1,0]]"));
  FAILS(tir_layout_get_dim(l, TIR_LAYOUT_IN, 2, &d), TIR_INVALID_ARGUMENT, "there are 2");
  FAILS(tir_layout_get_basis(l, 3, &v), TIR_INVALID_ARGUMENT, "there are 3");
  FAILS(tir_layout_apply(l, 8, &v), TIR_INVALID_ARGUMENT, "2^3");
  FAILS(tir_layout_coordinate(l, 8, TIR_DIM_OF(0), &v), TIR_INVALID_ARGUMENT, "2^3");
  FAILS(tir_layout_coordinate(l, 1, 7, &v), TIR_INVALID_ARGUMENT, "unknown dimension");
  FAILS(tir_layout_create(2, in, 2, outs, columns, NULL), TIR_INVALID_ARGUMENT, "out is NULL");
  FAILS(tir_layout_create(2, NULL, 2, outs, columns, &bad), TIR_INVALID_ARGUMENT, "in is NULL");
  CHECK(bad == NULL);
  FAILS(tir_layout_create(2, in, 2, outs, NULL, &bad), TIR_INVALID_ARGUMENT, "bases is NULL");
  columns[2] = 8;
  FAILS(tir_layout_create(2, in, 2, outs, columns, &bad), TIR_INVALID_ARGUMENT, "bases[2]");
  in[1].dim = TIR_DIM_REGISTER;
  FAILS(tir_layout_create(2, in, 2, outs, columns, &bad), TIR_INVALID_ARGUMENT, "repeats");
  in[1].dim = 9;
  FAILS(tir_layout_create(2, in, 2, outs, columns, &bad), TIR_INVALID_ARGUMENT, "no known dimension");
  in[1].dim = TIR_DIM_LANE, in[1].bits = 63;
  FAILS(tir_layout_create(2, in, 2, outs, columns, &bad), TIR_LIMIT, "bits");
  tir_layout_destroy(l);
  tir_layout_destroy(NULL);
}

static void test_encodings(void) {
  tir_context *ctx;
  tir_attr a;
  tir_type t;
  tir_layout *l = NULL, *m = NULL;
  int64_t shape[2] = {16, 8}, odd[2] = {16, 6};
  CHECK(tir_context_create(NULL, &ctx) == TIR_OK);
  l = from(row, 2, 16, 8);
  CHECK(!strcmp(bases(l), row_text));
  a = tir_attr_parse(ctx, row, strlen(row));
  CHECK(tir_attr_get_kind(a) == TIR_ATTR_ENCODING);
  CHECK(tir_layout_from_encoding(a, 2, shape, 0, &m) == TIR_OK && tir_layout_equal(l, m));
  tir_layout_destroy(m);
  t = tir_type_tensor(tir_type_float(ctx, TIR_FLOAT_F32), 2, shape, a);
  CHECK(tir_layout_of_type(t, &m) == TIR_OK && tir_layout_equal(l, m) && !tir_layout_equal(l, NULL));
  CHECK(tir_layout_to_encoding(ctx, m, &a) == TIR_OK);
  text[0] = 0;
  CHECK(tir_attr_write(a, collect, NULL) == TIR_OK &&
        !strcmp(text, "#ttg.linear<{register = [[0, 1]], lane = [[0, 2], [0, 4], [1, 0], [2, 0], [4, 0]], warp = [[8, 0]], block = []}>"));
  tir_layout_destroy(m);
  FAILS(tir_layout_from_encoding(tir_attr_unit(ctx), 2, shape, 0, &m), TIR_INVALID_ARGUMENT, "no encoding");
  FAILS(tir_layout_from_encoding(a, 2, odd, 0, &m), TIR_INVALID_ARGUMENT, "power of two");
  FAILS(tir_layout_from_encoding(a, 1, shape, 0, &m), TIR_UNSUPPORTED, "another number of dimensions");
  FAILS(tir_layout_from_encoding(NULL, 1, shape, 0, &m), TIR_INVALID_ARGUMENT, "encoding is NULL");
  FAILS(tir_layout_from_encoding(a, 1, NULL, 0, &m), TIR_INVALID_ARGUMENT, "shape is NULL");
  FAILS(tir_layout_from_text("#ttg.blocked<{order = [0]}>", 27, 1, shape, 0, &m), TIR_PARSE, "'sizePerThread' is missing");
  FAILS(tir_layout_from_text("", 0, 1, shape, 0, &m), TIR_PARSE, "expected an encoding");
  FAILS(tir_layout_from_text(NULL, 0, 1, shape, 0, &m), TIR_INVALID_ARGUMENT, "text is NULL");
  FAILS(tir_layout_of_type(NULL, &m), TIR_INVALID_ARGUMENT, "type is NULL");
  FAILS(tir_layout_of_type(tir_type_index(ctx), &m), TIR_INVALID_ARGUMENT, "no tensor");
  FAILS(tir_layout_to_encoding(NULL, l, &a), TIR_INVALID_ARGUMENT, "context is NULL");
  CHECK(tir_attr_opaque(ctx, "ttg.blocked<{order = [0]}>") == NULL && strstr(tir_last_message(), "missing"));
  tir_layout_destroy(l);
  tir_context_destroy(ctx);
}

static void test_algebra(void) {
  tir_layout *l = from(row, 2, 16, 8), *inverse = NULL, *id = NULL, *q = NULL, *p = NULL, *small = NULL, *x = NULL;
  tir_layout *wide = from(row, 2, 8, 8); /* both warps hold all */
  tir_layout_dim in, out;
  uint64_t v = 0, w = 0, one[1] = {1}, masks[2], i;
  uint32_t n = 0, order[2] = {1, 0};
  int64_t shape[3] = {4, 4, 8};
  CHECK(tir_layout_invert(l, &inverse) == TIR_OK);
  for (i = 0; i < 128; ++i)
    CHECK(tir_layout_apply(inverse, i, &v) == TIR_OK && tir_layout_apply(l, v, &w) == TIR_OK && w == i);
  CHECK(tir_layout_compose(l, inverse, &id) == TIR_OK);
  for (i = 0; i < 128; ++i) CHECK(tir_layout_apply(id, i, &v) == TIR_OK && v == i);
  in.dim = TIR_DIM_REGISTER, in.bits = 1;
  out.dim = TIR_DIM_OF(1), out.bits = 1;
  CHECK(tir_layout_create(1, &in, 1, &out, one, &small) == TIR_OK);
  CHECK(tir_layout_quotient(l, small, &q) == TIR_OK);
  CHECK(!strcmp(bases(q), "register=[] lane=[[0,1],[0,2],[1,0],[2,0],[4,0]] warp=[[8,0]] block=[]"));
  CHECK(tir_layout_product(small, q, &p) == TIR_OK && tir_layout_bits(p, TIR_LAYOUT_IN) == 7);
  CHECK(tir_layout_apply(p, 3, &v) == TIR_OK);
  in.dim = TIR_DIM_WARP;
  CHECK(tir_layout_create(1, &in, 1, &out, one, &x) == TIR_OK);
  tir_layout_destroy(p);
  FAILS(tir_layout_quotient(l, x, &p), TIR_NOT_FOUND, "no multiple");
  tir_layout_destroy(x);
  CHECK(tir_layout_kernel(wide, masks, 2, &n) == TIR_OK && n == 1 && masks[0] == 64);
  FAILS(tir_layout_kernel(wide, NULL, 0, &n), TIR_LIMIT, "1 masks");
  CHECK(n == 1);
  CHECK(tir_layout_convert(wide, wide, &x) == TIR_OK); /* both warps find it in warp 0 */
  CHECK(tir_layout_apply(x, 64 + 5, &v) == TIR_OK && v == 5);
  tir_layout_destroy(x);
  CHECK(tir_layout_reshape(l, 3, shape, &x) == TIR_OK && strstr(bases(x), "warp=[[2,0,0]]"));
  tir_layout_destroy(x);
  CHECK(tir_layout_transpose(l, 2, order, &x) == TIR_OK && strstr(bases(x), "register=[[1,0]]") && strstr(bases(x), "warp=[[0,8]]"));
  tir_layout_destroy(x);
  CHECK(tir_layout_slice(l, 1, &x) == TIR_OK && !strcmp(bases(x), "register=[] lane=[[0],[0],[1],[2],[4]] warp=[[8]] block=[]"));
  tir_layout_destroy(x);
  FAILS(tir_layout_compose(l, l, &x), TIR_INVALID_ARGUMENT, "not the places");
  FAILS(tir_layout_convert(l, wide, &x), TIR_INVALID_ARGUMENT, "different elements");
  FAILS(tir_layout_reshape(l, 2, shape, &x), TIR_INVALID_ARGUMENT, "2^4 elements");
  FAILS(tir_layout_reshape(id, 2, shape, &x), TIR_INVALID_ARGUMENT, "dim0");
  FAILS(tir_layout_transpose(l, 1, order, &x), TIR_INVALID_ARGUMENT, "2 dimensions");
  order[0] = 0;
  FAILS(tir_layout_transpose(l, 2, order, &x), TIR_INVALID_ARGUMENT, "no permutation");
  FAILS(tir_layout_slice(l, 2, &x), TIR_INVALID_ARGUMENT, "axis 2");
  CHECK(x == NULL);
  CHECK(tir_layout_product(NULL, l, &x) == TIR_INVALID_ARGUMENT && tir_layout_invert(NULL, &x) == TIR_INVALID_ARGUMENT &&
        tir_layout_compose(l, NULL, &x) == TIR_INVALID_ARGUMENT && tir_layout_convert(NULL, l, &x) == TIR_INVALID_ARGUMENT &&
        tir_layout_quotient(l, NULL, &x) == TIR_INVALID_ARGUMENT && tir_layout_slice(NULL, 0, &x) == TIR_INVALID_ARGUMENT &&
        tir_layout_kernel(NULL, NULL, 0, &n) == TIR_INVALID_ARGUMENT && tir_layout_product(l, l, NULL) == TIR_INVALID_ARGUMENT);
  tir_layout_destroy(l);
  tir_layout_destroy(inverse);
  tir_layout_destroy(id);
  tir_layout_destroy(q);
  tir_layout_destroy(small);
  tir_layout_destroy(wide);
}

static void test_pictures(void) {
  tir_layout *l = from("#ttg.blocked<{sizePerThread = [1, 2], threadsPerWarp = [2, 2], warpsPerCTA = [1, 1], order = [1, 0]}>", 2, 2, 4);
  tir_layout *big = from(row, 2, 1024, 1024);
  text[0] = 0;
  CHECK(tir_layout_write_picture(l, TIR_LAYOUT_VIEW_TENSOR, collect, NULL) == TIR_OK &&
        !strcmp(text, "each element's thread:register (+n: n more hold it)\n 0:0 0:1 1:0 1:1\n 2:0 2:1 3:0 3:1\n"));
  text[0] = 0;
  CHECK(tir_layout_write_picture(l, TIR_LAYOUT_VIEW_HARDWARE, collect, NULL) == TIR_OK &&
        !strcmp(text, "elements by thread: registers in order\nthread 0: (0,0) (0,1)\nthread 1: (0,2) (0,3)\n"
                      "thread 2: (1,0) (1,1)\nthread 3: (1,2) (1,3)\n"));
  FAILS(tir_layout_write_picture(l, 2, collect, NULL), TIR_INVALID_ARGUMENT, "unknown view");
  FAILS(tir_layout_write_picture(NULL, 0, collect, NULL), TIR_INVALID_ARGUMENT, "layout is NULL");
  FAILS(tir_layout_write_picture(l, 0, NULL, NULL), TIR_INVALID_ARGUMENT, "write is NULL");
  FAILS(tir_layout_write(NULL, collect, NULL), TIR_INVALID_ARGUMENT, "layout is NULL");
  FAILS(tir_layout_write_picture(big, 0, collect, NULL), TIR_LIMIT, "2^20");
  tir_layout_destroy(l);
  tir_layout_destroy(big);
}

static void test_banks(void) {
  /* Columns read from a 32x32 tile of f32: all lanes in one bank without a swizzle, none shared with one. */
  tir_layout *column = from("#ttg.blocked<{sizePerThread = [1, 1], threadsPerWarp = [32, 1], warpsPerCTA = [1, 1], order = [0, 1]}>", 2, 32, 32);
  tir_layout *line = from("#ttg.blocked<{sizePerThread = [1, 4], threadsPerWarp = [4, 8], warpsPerCTA = [1, 1], order = [1, 0]}>", 2, 32, 32);
  tir_layout *plain = from("#ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [1, 0]}>", 2, 32, 32);
  tir_layout *swizzled = from("#ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 32, order = [1, 0]}>", 2, 32, 32);
  uint32_t n = 0, least = 0;
  CHECK(tir_layout_bank_conflicts(plain, column, 32, 1, &n, &least) == TIR_OK && n == 32 && least == 1);
  CHECK(tir_layout_bank_conflicts(swizzled, column, 32, 1, &n, &least) == TIR_OK && n == 1 && least == 1);
  CHECK(tir_layout_bank_conflicts(plain, line, 32, 4, &n, &least) == TIR_OK && n == 4 && least == 4);
  CHECK(tir_layout_bank_conflicts(plain, line, 32, 1, &n, &least) == TIR_OK && n == 4 && least == 1);
  FAILS(tir_layout_bank_conflicts(swizzled, line, 32, 4, &n, &least), TIR_INVALID_ARGUMENT, "in a row");
  FAILS(tir_layout_bank_conflicts(plain, line, 32, 8, &n, &least), TIR_INVALID_ARGUMENT, "128 bits");
  FAILS(tir_layout_bank_conflicts(plain, line, 32, 3, &n, &least), TIR_INVALID_ARGUMENT, "power of two");
  FAILS(tir_layout_bank_conflicts(line, line, 32, 1, &n, &least), TIR_INVALID_ARGUMENT, "offset");
  FAILS(tir_layout_bank_conflicts(plain, line, 32, 1, NULL, &least), TIR_INVALID_ARGUMENT, "wavefronts is NULL");
  tir_layout_destroy(column);
  tir_layout_destroy(line);
  tir_layout_destroy(plain);
  tir_layout_destroy(swizzled);
}

int main(void) {
  test_create();
  test_encodings();
  test_algebra();
  test_pictures();
  test_banks();
  if (failures) fprintf(stderr, "%d checks failed\n", failures);
  return failures != 0;
}
