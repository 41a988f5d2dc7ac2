/* SPDX-License-Identifier: MIT */
/* Looking at (and small edits of) operations, regions, blocks, values and uses. Handles are borrowed from the
 * module. Queries of NULL or erased handles, and numbers out of range, give 0 or NULL. Since 0.1. */
#ifndef TIR_WALK_H
#define TIR_WALK_H

#include "module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- operations ---- */

/* One of TIR_OP_... (opcodes.h); 0 for NULL or an erased operation. */
TIR_API uint32_t tir_op_opcode(tir_op op);
/* "tt.load"; static string. */
TIR_API const char *tir_op_name(tir_op op);
/* Name of an opcode, NULL if there is none of that number; and back, 0 if unknown. */
TIR_API const char *tir_opcode_name(uint32_t opcode);
TIR_API uint32_t tir_opcode_from_name(const char *name);
/* Opcodes are 1 ... tir_opcode_count() - 1. */
TIR_API uint32_t tir_opcode_count(void);

TIR_API tir_module *tir_op_module(tir_op op);
TIR_API tir_loc tir_op_loc(tir_op op);
TIR_API tir_status tir_op_set_loc(tir_op op, tir_loc loc);
/* The operation whose region holds this one; NULL for the module's. */
TIR_API tir_op tir_op_parent(tir_op op);
TIR_API tir_block tir_op_block(tir_op op);
TIR_API tir_op tir_op_next(tir_op op);
TIR_API tir_op tir_op_prev(tir_op op);

TIR_API uint32_t tir_op_num_operands(tir_op op);
TIR_API tir_value tir_op_operand(tir_op op, uint32_t i);
/* Errors: INVALID_ARGUMENT (range, NULL, another module). The type is checked by the verifier only. */
TIR_API tir_status tir_op_set_operand(tir_op op, uint32_t i, tir_value value);
/* Operands of the slot that the op table calls `slot` ("mask"): the number of its first operand and how many.
 * Either out may be NULL. Errors: NOT_FOUND (no such slot), INVALID_ARGUMENT. */
TIR_API tir_status tir_op_operand_slot(tir_op op, const char *slot, uint32_t *first, uint32_t *count);
TIR_API uint32_t tir_op_num_results(tir_op op);
TIR_API tir_value tir_op_result(tir_op op, uint32_t i);
TIR_API uint32_t tir_op_num_regions(tir_op op);
TIR_API tir_region tir_op_region(tir_op op, uint32_t i);
TIR_API uint32_t tir_op_num_successors(tir_op op);
TIR_API tir_block tir_op_successor(tir_op op, uint32_t i);

TIR_API uint32_t tir_op_num_attrs(tir_op op);
/* Attribute number i in order of names. */
TIR_API const char *tir_op_attr_name(tir_op op, uint32_t i);
TIR_API tir_attr tir_op_attr_at(tir_op op, uint32_t i);
TIR_API tir_attr tir_op_attr(tir_op op, const char *name);
/* NULL value removes. Errors: INVALID_ARGUMENT (NULL, foreign attribute). */
TIR_API tir_status tir_op_set_attr(tir_op op, const char *name, tir_attr value);

/* Erases the operation with its regions. Errors: BUSY (a result is still used; the message names a user),
 * INVALID_ARGUMENT (NULL, the module's own operation). */
TIR_API tir_status tir_op_erase(tir_op op);

/* Moves all operations of `source` to the end of `dest`, in order; `source` stays, empty. For front ends that learn the
 * result types of an operation only by building its regions: they build into a stand-in without results, then move.
 * The terminator moves too; arguments of `source` stay and are the caller's. Errors: INVALID_ARGUMENT (NULL, erased,
 * the same block, blocks of two modules, dest inside source). */
TIR_API tir_status tir_block_splice(tir_block dest, tir_block source);

/* Calls `visit` for `root` and all nested operations, each before its regions, in order. A visit may erase its
 * own operation. visit's answer: 0 go on, 1 skip this operation's regions, anything else stop.
 * Returns 1 if it was stopped, else 0. */
typedef int (*tir_visit_fn)(void *user, tir_op op);
TIR_API int tir_op_walk(tir_op root, tir_visit_fn visit, void *user);

/* Counts the operations under `root` by opcode: counts[opcode] for opcode < n. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_op_census(tir_op root, uint32_t *counts, uint32_t n);

/* ---- regions and blocks ---- */

TIR_API tir_op tir_region_op(tir_region region);
TIR_API tir_block tir_region_first_block(tir_region region);
TIR_API tir_block tir_block_next(tir_block block);
TIR_API tir_region tir_block_region(tir_block block);
TIR_API tir_op tir_block_first_op(tir_block block);
TIR_API tir_op tir_block_last_op(tir_block block);
/* The last operation if it is a terminator, else NULL. */
TIR_API tir_op tir_block_terminator(tir_block block);
TIR_API uint32_t tir_block_num_args(tir_block block);
TIR_API tir_value tir_block_arg(tir_block block, uint32_t i);

/* ---- values ---- */

TIR_API tir_type tir_value_type(tir_value value);
/* The operation it is a result of; NULL for block arguments. */
TIR_API tir_op tir_value_op(tir_value value);
/* The block it is an argument of; NULL for results. */
TIR_API tir_block tir_value_block(tir_value value);
/* Number among the results or arguments. */
TIR_API uint32_t tir_value_index(tir_value value);
/* The name hint ("x_ptr" of %x_ptr); "" if it has none. */
TIR_API const char *tir_value_name(tir_value value);
TIR_API tir_status tir_value_set_name(tir_value value, const char *name);
TIR_API uint32_t tir_value_num_uses(tir_value value);
/* The uses of a value, in no particular but deterministic order. */
TIR_API tir_use tir_value_first_use(tir_value value);
TIR_API tir_use tir_use_next(tir_use use);
TIR_API tir_op tir_use_op(tir_use use);
/* Operand number at the user. */
TIR_API uint32_t tir_use_index(tir_use use);
/* Makes every user of `value` use `other`, which has the same type. Errors: INVALID_ARGUMENT. */
TIR_API tir_status tir_value_replace_uses(tir_value value, tir_value other);

#ifdef __cplusplus
}
#endif
#endif
