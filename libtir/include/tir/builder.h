/* SPDX-License-Identifier: MIT */
/* Building modules operation by operation. builder_ops.h has one function per operation, tir_build_<dialect>_<op>;
 * they have in common:
 * - Every operation is checked when it is built: operand types, attributes, shapes. What needs the whole function
 *   (terminators, dominance, yields) is checked by tir_module_verify().
 * - The new operation goes to the builder's insertion point and gets the builder's location.
 * - Result types are worked out where they follow from operands and attributes; else they are the last parameters.
 * - A function of an operation with exactly one result returns that value, all others the operation
 *   (tir_op_result() gives its results).
 * - On failure they return NULL, insert nothing, and the builder keeps the first failure: tir_builder_status().
 *   A NULL operand that an earlier failure left changes nothing, so a whole function may be built before looking.
 * - Operands that may be absent are NULL then. Arrays may be NULL when their count is 0.
 * - Attributes with a default are parameters only where they are used often; TIR_ABSENT (or NULL, for strings)
 *   leaves an attribute that may be absent away, and 0 stands for the default of an enum without a case 0. Others,
 *   and any discardable attribute, are set before the call by tir_builder_next_attr().
 * - Regions: the first blocks of functions, loops, branches, reductions … are made, with their arguments:
 *   tt.func body(arguments); scf.for body(induction variable, carried values); scf.if then() and, with results,
 *   else(); scf.while before(inits), after(results); tt.reduce and tt.scan (accumulators, values);
 *   tt.map_elementwise (operand 0 × pack, …). The caller enters them and ends them with their terminator.
 * A builder belongs to its module's thread. Since 0.1. */
#ifndef TIR_BUILDER_H
#define TIR_BUILDER_H

#include "module.h"
#include "opcodes.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tir_builder tir_builder;

/* An attribute that is left away, where 0 is one of its values. */
#define TIR_ABSENT 0xffffffffu

/* Makes a builder that inserts at the end of the module's body. The caller destroys it before the module.
 * Errors: INVALID_ARGUMENT; *out is NULL then. */
TIR_API tir_status tir_builder_create(tir_module *module, tir_builder **out);
/* NULL is allowed. */
TIR_API void tir_builder_destroy(tir_builder *builder);

/* The first failure since creation or tir_builder_clear(), TIR_OK if there was none. INVALID_ARGUMENT for NULL. */
TIR_API tir_status tir_builder_status(const tir_builder *builder);
/* Its text, with location and operation; "" if there was none. Valid until the builder's next call. Never NULL. */
TIR_API const char *tir_builder_message(const tir_builder *builder);
/* Forgets the failure. */
TIR_API void tir_builder_clear(tir_builder *builder);

/* ---- where ---- */

/* Errors of these: INVALID_ARGUMENT (NULL, erased, another module). */
TIR_API tir_status tir_builder_at_end(tir_builder *builder, tir_block block);
TIR_API tir_status tir_builder_before(tir_builder *builder, tir_op op);
TIR_API tir_status tir_builder_after(tir_builder *builder, tir_op op);
/* The block that operations go to; NULL if it was never set or is gone. */
TIR_API tir_block tir_builder_block(const tir_builder *builder);
/* Goes to the end of the first block of region `i` of `op`, and remembers where it was. NULL `op` is allowed after
 * a failure: it remembers only. Errors: INVALID_ARGUMENT (no such region or block), LIMIT (256 deep). */
TIR_API tir_status tir_builder_enter(tir_builder *builder, tir_op op, uint32_t i);
/* Goes back to where the last tir_builder_enter() was called. Errors: INVALID_ARGUMENT (there was none). */
TIR_API tir_status tir_builder_leave(tir_builder *builder);

/* Location of the operations that follow; NULL is unknown. A named location (tir_loc_name) gives its name also to the
 * (first) result of each operation, as tir_value_set_name() does. */
TIR_API tir_status tir_builder_set_loc(tir_builder *builder, tir_loc loc);
/* Attribute of the next operation built (only of that one). It replaces a parameter of the same name. */
TIR_API tir_status tir_builder_next_attr(tir_builder *builder, const char *name, tir_attr value);

/* ---- blocks ---- */

/* Appends a block with `count` arguments to a region; the insertion point stays. NULL on failure. */
TIR_API tir_block tir_builder_add_block(tir_builder *builder, tir_region region, uint32_t count,
                                        const tir_type *types);
/* Appends an argument to a block (its users and predecessors are the caller's). NULL on failure. */
TIR_API tir_value tir_builder_add_arg(tir_builder *builder, tir_block block, tir_type type);

/* ---- operations ---- */

/* Any operation by number, for tools that know operations as data. Set struct_size by the macro. */
typedef struct tir_op_spec {
  size_t struct_size;
  tir_opcode opcode;
  uint32_t num_operands, num_results, num_attrs, num_successors;
  uint32_t num_segments;          /* 0, or the number of declared operand slots */
  const tir_value *operands;
  const uint32_t *segments;       /* operands per declared slot; 0: found from the left */
  const tir_type *result_types;   /* num_results 0: worked out where possible */
  const char *const *attr_names;
  const tir_attr *attr_values;
  const tir_block *successors;
} tir_op_spec;
#define TIR_OP_SPEC_INIT \
  { sizeof(tir_op_spec), 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL }
TIR_API tir_op tir_builder_build(tir_builder *builder, const tir_op_spec *spec);

/* arith.constant of an integer, index, or a tile of them filled with `value`. */
TIR_API tir_value tir_build_const_int(tir_builder *builder, tir_type type, int64_t value);
/* arith.constant of a float or a tile filled with `value`, rounded to nearest even. */
TIR_API tir_value tir_build_const_float(tir_builder *builder, tir_type type, double value);

#ifdef __cplusplus
}
#endif

#include "builder_ops.h"
#endif
