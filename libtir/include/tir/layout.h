/* SPDX-License-Identifier: MIT */
/* Layouts as linear maps over GF(2). A layout takes bits of places to bits of elements: for registers a place is
 * (register, lane, warp, block), for memory (offset, block); an element is its coordinates (dim0, dim1, ...). Both
 * sides are also flat numbers: of the places the first dimension has the lowest bits, of the elements the last one
 * (the row-major index). Dimensions are counted in bits: 5 bits of lane are 32 lanes.
 *
 * A layout is immutable, belongs to no context and may be used by many threads; whoever made it destroys it. Every
 * function that makes one sets *out to NULL on failure. At most 32 dimensions and 62 bits on each side. Since 0.1. */
#ifndef TIR_LAYOUT_H
#define TIR_LAYOUT_H

#include "attr.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tir_layout tir_layout;

typedef uint32_t tir_dim;
enum {
  TIR_DIM_REGISTER = 0, /* of one thread */
  TIR_DIM_LANE = 1,     /* thread of a warp */
  TIR_DIM_WARP = 2,     /* of a CTA */
  TIR_DIM_BLOCK = 3,    /* CTA of a cluster */
  TIR_DIM_OFFSET = 4,   /* in memory, in elements */
  TIR_DIM_TENSOR = 16   /* plus i: dimension i of the tensor */
};
#define TIR_DIM_OF(i) ((tir_dim)(TIR_DIM_TENSOR + (i)))

/* A dimension of 2^bits. */
typedef struct tir_layout_dim {
  tir_dim dim;
  uint32_t bits;
} tir_layout_dim;

typedef uint32_t tir_layout_side;
enum { TIR_LAYOUT_IN = 0 /* places */, TIR_LAYOUT_OUT = 1 /* elements */ };

/* ---- construction ---- */

/* From bases: one flat element index per bit of `in`, in the order of its dimensions, lowest bit first. in and outs
 * may be NULL when their count is 0. Errors: INVALID_ARGUMENT (NULL, unknown or repeated dimension, a basis outside
 * the element space), LIMIT. */
TIR_API tir_status tir_layout_create(uint32_t in_count, const tir_layout_dim *in, uint32_t out_count,
                                     const tir_layout_dim *outs, const uint64_t *bases, tir_layout **out);
/* What an encoding attribute means for a tensor (#ttg.blocked<...>, slice, nvidia_mma, dot_op, linear) or for memory
 * (swizzled_shared, nvmma_shared, shared_linear) of this shape; sizes are powers of two. element_bits: of one element
 * in memory, 0 if it does not matter. Registers: places register, lane, warp, block, all four; a layout smaller than
 * the tensor is repeated in registers, a larger one holds elements several times.
 * Errors: INVALID_ARGUMENT (NULL, no encoding), UNSUPPORTED (this encoding has no map for this shape). */
TIR_API tir_status tir_layout_from_encoding(tir_attr encoding, uint32_t rank, const int64_t *shape, uint32_t element_bits,
                                            tir_layout **out);
/* The same from the attribute's text, `#ttg.blocked<{...}>` (size bytes, no aliases). Errors: PARSE as well. */
TIR_API tir_status tir_layout_from_text(const char *text, size_t size, uint32_t rank, const int64_t *shape,
                                        uint32_t element_bits, tir_layout **out);
/* Layout of a tensor or buffer type that has an encoding (of a value: tir_value_type). Errors: INVALID_ARGUMENT (NULL, a
 * type without encoding), UNSUPPORTED. */
TIR_API tir_status tir_layout_of_type(tir_type type, tir_layout **out);
/* layout may be NULL. */
TIR_API void tir_layout_destroy(tir_layout *layout);

/* ---- queries; NULL gives 0 ---- */

/* Number of dimensions of a side. */
TIR_API uint32_t tir_layout_rank(const tir_layout *layout, tir_layout_side side);
/* Bits of a side. */
TIR_API uint32_t tir_layout_bits(const tir_layout *layout, tir_layout_side side);
/* Dimension i of a side. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_get_dim(const tir_layout *layout, tir_layout_side side, uint32_t i, tir_layout_dim *out);
/* Flat element that bit i of the flat place moves to. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_get_basis(const tir_layout *layout, uint32_t i, uint64_t *out);
/* Flat element at a flat place. Errors: INVALID_ARGUMENT (NULL, a place outside). */
TIR_API tir_status tir_layout_apply(const tir_layout *layout, uint64_t place, uint64_t *out);
/* Coordinate in dimension `dim` of a flat element; 0 in a dimension that is not there. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_coordinate(const tir_layout *layout, uint64_t element, tir_dim dim, uint64_t *out);
/* 1 if every element has a place / if no element has two. */
TIR_API int tir_layout_is_surjective(const tir_layout *layout);
TIR_API int tir_layout_is_injective(const tir_layout *layout);
/* 1 if dimensions and map agree. */
TIR_API int tir_layout_equal(const tir_layout *a, const tir_layout *b);

/* ---- algebra ---- */

/* Product: `low` in the low bits of each dimension, `high` above it; dimensions of one name are joined.
 * Errors: INVALID_ARGUMENT, LIMIT. */
TIR_API tir_status tir_layout_product(const tir_layout *low, const tir_layout *high, tir_layout **out);
/* outer(inner(x)). The elements of `inner` are the places of `outer`: same dimensions and sizes, in any order.
 * Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_compose(const tir_layout *inner, const tir_layout *outer, tir_layout **out);
/* A right inverse: for each element one place that holds it, with the lowest bits that do. Dimensions of both sides
 * come in reverse order, so that flat numbers keep their meaning. Errors: INVALID_ARGUMENT (not every element has a
 * place). */
TIR_API tir_status tir_layout_invert(const tir_layout *layout, tir_layout **out);
/* Place in `from` -> a place in `to` that holds the same element. Both have the same elements; `to` reaches all.
 * Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_convert(const tir_layout *from, const tir_layout *to, tir_layout **out);
/* The layout Q with small x Q = layout (product). Errors: INVALID_ARGUMENT, NOT_FOUND (there is none). */
TIR_API tir_status tir_layout_quotient(const tir_layout *layout, const tir_layout *small, tir_layout **out);
/* Basis of the places that all hold element 0: *count masks, at most 62, into masks (room for `capacity`; may be NULL
 * when that is 0). Errors: INVALID_ARGUMENT, LIMIT (capacity is less; *count says how many). */
TIR_API tir_status tir_layout_kernel(const tir_layout *layout, uint64_t *masks, uint32_t capacity, uint32_t *count);
/* The same elements under other sizes (powers of two, same product), as tt.reshape. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_reshape(const tir_layout *layout, uint32_t rank, const int64_t *shape, tir_layout **out);
/* Dimension i of the result is dimension order[i], as in tt.trans. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_transpose(const tir_layout *layout, uint32_t rank, const uint32_t *order, tir_layout **out);
/* Without dimension `axis`: its coordinate is forgotten, and registers that then hold nothing new go (what a reduction
 * along it leaves). Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_slice(const tir_layout *layout, uint32_t axis, tir_layout **out);
/* The layout as an attribute of `context`: #ttg.linear (or #ttg.generic_linear) for registers, #ttg.shared_linear for
 * memory. Errors: INVALID_ARGUMENT (NULL; not every element has a place; neither kind of places). */
TIR_API tir_status tir_layout_to_encoding(tir_context *context, const tir_layout *layout, tir_attr *out);

/* ---- text ---- */

/* The bases by dimension, one line: `register=[[0,1],[0,2]] lane=[...] ...`. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_layout_write(const tir_layout *layout, tir_write_fn write, void *user);
typedef uint32_t tir_layout_view;
enum {
  TIR_LAYOUT_VIEW_TENSOR = 0,  /* a grid of elements: thread:register (or offset) of each */
  TIR_LAYOUT_VIEW_HARDWARE = 1 /* a line per thread (or 16 offsets): the elements it holds */
};
/* A picture of lines of text. Errors: INVALID_ARGUMENT, LIMIT (more than 2^16 places or elements). */
TIR_API tir_status tir_layout_write_picture(const tir_layout *layout, tir_layout_view view, tir_write_fn write, void *user);

/* ---- shared memory ---- */

/* Cost of one access: a warp, each thread with `vector` consecutive elements of element_bits (8 or more; together 128
 * at most), between registers laid out as `distributed` and memory laid out as `shared` of the same tensor.
 * *wavefronts: passes over the 32 banks that one instruction takes; *least: without conflicts. Equal: none.
 * Errors: INVALID_ARGUMENT (NULL, sizes, threads do not hold `vector` elements that are consecutive in memory). */
TIR_API tir_status tir_layout_bank_conflicts(const tir_layout *shared, const tir_layout *distributed, uint32_t element_bits,
                                             uint32_t vector, uint32_t *wavefronts, uint32_t *least);

#ifdef __cplusplus
}
#endif
#endif
