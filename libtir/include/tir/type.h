/* SPDX-License-Identifier: MIT */
/* Types: construction and queries. Unique in a context, so two equal types are the same handle; they live as long
 * as the context. Constructors give NULL (and tir_last_message()) for bad arguments. Since 0.1. */
#ifndef TIR_TYPE_H
#define TIR_TYPE_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t tir_type_kind;
enum {
  TIR_TYPE_INVALID = 0,     /* answer for a NULL handle */
  TIR_TYPE_NONE = 1,        /* none */
  TIR_TYPE_INDEX = 2,       /* index (64 bits) */
  TIR_TYPE_INT = 3,         /* i1 ... i128, si8, ui8 */
  TIR_TYPE_FLOAT = 4,       /* see tir_float_kind */
  TIR_TYPE_PTR = 5,         /* !tt.ptr<T, space> */
  TIR_TYPE_TENSOR = 6,      /* tensor<4x8xT> */
  TIR_TYPE_TENSOR_DESC = 7, /* !tt.tensordesc<4x8xT> */
  TIR_TYPE_FUNCTION = 8,    /* (inputs) -> (results) */
  TIR_TYPE_TUPLE = 9,       /* tuple<...> */
  TIR_TYPE_OPAQUE = 10,     /* a dialect type kept as text */
  TIR_TYPE_MEMDESC = 11     /* !ttg.memdesc<4x8xT, layout, space>: a view of a buffer in shared or tensor memory */
};

typedef uint32_t tir_float_kind;
enum {
  TIR_FLOAT_F16 = 0,
  TIR_FLOAT_BF16 = 1,
  TIR_FLOAT_F32 = 2,
  TIR_FLOAT_F64 = 3,
  TIR_FLOAT_TF32 = 4,
  TIR_FLOAT_F8E4M3FN = 5,
  TIR_FLOAT_F8E4M3FNUZ = 6,
  TIR_FLOAT_F8E5M2 = 7,
  TIR_FLOAT_F8E5M2FNUZ = 8,
  TIR_FLOAT_F8E8M0FNU = 9,
  TIR_FLOAT_F4E2M1FN = 10
};

typedef uint32_t tir_sign;
enum { TIR_SIGN_NONE = 0, TIR_SIGN_SIGNED = 1, TIR_SIGN_UNSIGNED = 2 };

enum { TIR_MAX_RANK = 32, TIR_MAX_INT_WIDTH = 128 };

/* ---- construction ---- */

TIR_API tir_type tir_type_none(tir_context *context);
TIR_API tir_type tir_type_index(tir_context *context);
/* width: 1 to 128 bits. Arithmetic works on signless integers; signs occur in descriptors only. */
TIR_API tir_type tir_type_int(tir_context *context, uint32_t width, tir_sign sign);
TIR_API tir_type tir_type_float(tir_context *context, tir_float_kind kind);
/* Pointer to `pointee` (a scalar or another pointer). space: 1 is global memory. */
TIR_API tir_type tir_type_ptr(tir_type pointee, uint32_t space);
/* rank dimensions (0 to 32, each at least 1; rank 0 is a tensor of one element; shape may then be NULL).
 * encoding: NULL, or an attribute of the same context. element: integer, index, float or pointer. */
TIR_API tir_type tir_type_tensor(tir_type element, uint32_t rank, const int64_t *shape, tir_attr encoding);
/* Descriptor of blocks of that shape; rank at least 1. */
TIR_API tir_type tir_type_tensor_desc(tir_type element, uint32_t rank, const int64_t *shape, tir_attr layout);
/* View of a buffer; rank at least 1. layout and memory_space: attributes of the same context (#ttg.swizzled_shared<...>,
 * #ttg.shared_memory). is_mutable: 0 or 1. alloc_shape: the whole buffer's dimensions, alloc_rank of them (at most 32);
 * with alloc_rank 0 (alloc_shape may then be NULL) the view is the whole buffer. */
TIR_API tir_type tir_type_memdesc(tir_type element, uint32_t rank, const int64_t *shape, tir_attr layout,
                                  tir_attr memory_space, int is_mutable, uint32_t alloc_rank,
                                  const int64_t *alloc_shape);
/* Arrays may be NULL when their count is 0. */
TIR_API tir_type tir_type_function(tir_context *context, uint32_t num_inputs, const tir_type *inputs,
                                   uint32_t num_results, const tir_type *results);
TIR_API tir_type tir_type_tuple(tir_context *context, uint32_t count, const tir_type *members);
/* A dialect type kept as its text, with the '!' ("!ttg.async.token"). */
TIR_API tir_type tir_type_opaque(tir_context *context, const char *text);

/* ---- queries; a wrong kind or NULL gives 0, NULL or TIR_TYPE_INVALID ---- */

TIR_API tir_type_kind tir_type_get_kind(tir_type type);
TIR_API tir_context *tir_type_context(tir_type type);
/* Bits of an integer or float; 64 of index and pointers; else 0. */
TIR_API uint32_t tir_type_width(tir_type type);
TIR_API tir_sign tir_type_sign(tir_type type);
/* The float kind; TIR_FLOAT_F16 for what is no float: ask the kind first. */
TIR_API tir_float_kind tir_type_float_kind(tir_type type);
/* Element of a tensor, descriptor or buffer, pointee of a pointer; NULL for others. */
TIR_API tir_type tir_type_element(tir_type type);
TIR_API uint32_t tir_type_address_space(tir_type pointer);
/* Encoding of a tensor, layout of a descriptor or buffer, or NULL. */
TIR_API tir_attr tir_type_encoding(tir_type type);
/* Memory space of a buffer type; 1 if the buffer may be written; dimensions of the whole buffer. */
TIR_API tir_attr tir_type_memory_space(tir_type memdesc);
TIR_API int tir_type_is_mutable(tir_type memdesc);
TIR_API uint32_t tir_type_alloc_rank(tir_type memdesc);
TIR_API int64_t tir_type_alloc_dim(tir_type memdesc, uint32_t i);
/* Dimensions of a tensor, descriptor or buffer; scalars have rank 0. */
TIR_API uint32_t tir_type_rank(tir_type type);
/* Dimension number `i`, in elements; 0 when i is out of range. */
TIR_API int64_t tir_type_dim(tir_type type, uint32_t i);
/* Elements of a tensor or descriptor (product of the dimensions), 1 for scalars, 0 for NULL. */
TIR_API int64_t tir_type_num_elements(tir_type type);
/* Inputs and results of a function type; members of a tuple count as inputs. */
TIR_API uint32_t tir_type_num_inputs(tir_type type);
TIR_API tir_type tir_type_input(tir_type type, uint32_t i);
TIR_API uint32_t tir_type_num_results(tir_type type);
TIR_API tir_type tir_type_result(tir_type type, uint32_t i);
/* Text of an opaque type; NULL for others. */
TIR_API const char *tir_type_opaque_text(tir_type type);

#ifdef __cplusplus
}
#endif
#endif
