/* SPDX-License-Identifier: MIT */
/* Attributes: constants attached to operations. Unique in a context and as long-lived. Constructors give NULL (and
 * tir_last_message()) for bad arguments. Since 0.1. */
#ifndef TIR_ATTR_H
#define TIR_ATTR_H

#include "type.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t tir_attr_kind;
enum {
  TIR_ATTR_INVALID = 0,     /* answer for a NULL handle */
  TIR_ATTR_UNIT = 1,        /* present or absent */
  TIR_ATTR_BOOL = 2,        /* true, false (type i1) */
  TIR_ATTR_INT = 3,         /* 42 : i32 */
  TIR_ATTR_FLOAT = 4,       /* 1.0 : f32 */
  TIR_ATTR_STRING = 5,      /* "bytes" */
  TIR_ATTR_TYPE = 6,        /* a type */
  TIR_ATTR_ARRAY = 7,       /* [a, b] */
  TIR_ATTR_DICT = 8,        /* {a = 1 : i32} */
  TIR_ATTR_DENSE = 9,       /* dense<...> : tensor<4xi32> */
  TIR_ATTR_DENSE_ARRAY = 10, /* array<i32: 1, 2> */
  TIR_ATTR_SYMBOL = 11,     /* @name */
  TIR_ATTR_ENUM = 12,       /* an enum of the op table: value and spelling */
  TIR_ATTR_OPAQUE = 13,     /* any other attribute, kept as text */
  TIR_ATTR_LOC = 14,        /* a location used as attribute */
  TIR_ATTR_ENCODING = 15    /* a layout: #ttg.blocked<{...}> and its kin (layout.h reads them) */
};

/* ---- construction ---- */

TIR_API tir_attr tir_attr_unit(tir_context *context);
TIR_API tir_attr tir_attr_bool(tir_context *context, int value);
/* type: an integer of at most 64 bits, or index. The value wraps to the width; i1 gives a bool attribute. */
TIR_API tir_attr tir_attr_int(tir_type type, int64_t value);
/* `bits` in the format of the float type, zero-extended (0x3f800000 is 1.0 in f32). */
TIR_API tir_attr tir_attr_float_bits(tir_type type, uint64_t bits);
/* The value rounded (nearest, ties to even) to the float type. */
TIR_API tir_attr tir_attr_float(tir_type type, double value);
/* size bytes at data (any bytes; data may be NULL when size is 0). */
TIR_API tir_attr tir_attr_string(tir_context *context, const char *data, size_t size);
TIR_API tir_attr tir_attr_type(tir_type type);
TIR_API tir_attr tir_attr_array(tir_context *context, uint32_t count, const tir_attr *items);
/* names and values: `count` of each; sorted by name. A name used twice is refused. */
TIR_API tir_attr tir_attr_dict(tir_context *context, uint32_t count, const char *const *names,
                               const tir_attr *values);
/* Constant tensor: one entry of bits per element, in row-major order, zero-extended from the element's format. */
TIR_API tir_attr tir_attr_dense(tir_type tensor, uint64_t count, const uint64_t *bits);
/* Constant tensor whose elements are all `bits`. */
TIR_API tir_attr tir_attr_splat(tir_type tensor, uint64_t bits);
TIR_API tir_attr tir_attr_dense_array(tir_type element, uint32_t count, const int64_t *values);
TIR_API tir_attr tir_attr_symbol(tir_context *context, const char *name);
/* An enum value as the op table spells it. */
TIR_API tir_attr tir_attr_enum(tir_context *context, int64_t value, const char *spelling);
/* A dialect attribute from its text without '#'. Text that spells a layout (`ttg.blocked<{...}>`, no aliases inside)
 * gives an attribute of kind TIR_ATTR_ENCODING in canonical spelling, or NULL if the layout is malformed. */
TIR_API tir_attr tir_attr_opaque(tir_context *context, const char *text);
TIR_API tir_attr tir_attr_loc(tir_loc loc);

/* ---- queries; a wrong kind or NULL gives 0 or NULL ---- */

TIR_API tir_attr_kind tir_attr_get_kind(tir_attr attr);
/* Type of an int, bool, float, dense attribute; element type of a dense array; the type of a type attribute. */
TIR_API tir_type tir_attr_get_type(tir_attr attr);
/* Value of an int, bool or enum. *out is untouched on failure. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_attr_get_int(tir_attr attr, int64_t *out);
/* Bits of a float attribute. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_attr_get_float_bits(tir_attr attr, uint64_t *out);
/* Text of a string, symbol, enum, opaque or encoding attribute; NUL-terminated, but may hold NULs: *size (may be NULL) is
 * the length. */
TIR_API const char *tir_attr_get_text(tir_attr attr, size_t *size);
/* Entries of an array, dict, dense array; stored elements of a dense attribute (1 when it is a splat). */
TIR_API uint32_t tir_attr_count(tir_attr attr);
/* Item of an array, or value of a dict entry. */
TIR_API tir_attr tir_attr_item(tir_attr attr, uint32_t i);
/* Name of a dict entry. */
TIR_API const char *tir_attr_item_name(tir_attr dict, uint32_t i);
/* Value of the dict entry of that name. */
TIR_API tir_attr tir_attr_find(tir_attr dict, const char *name);
/* 1 if a dense attribute holds one value for all elements, else 0. */
TIR_API int tir_attr_is_splat(tir_attr dense);
/* Bits of element `i` (row-major) of a dense attribute, splat or not; value of a dense array as two's complement.
 * Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_attr_get_element(tir_attr attr, uint64_t i, uint64_t *out);
TIR_API tir_loc tir_attr_get_loc(tir_attr attr);

#ifdef __cplusplus
}
#endif
#endif
