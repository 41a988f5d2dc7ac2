// SPDX-License-Identifier: MIT
// Shared by the lowering of matrix products: names of types, packing of registers, moves by ldmatrix and stmatrix.
#pragma once
#include "lower.hh"
#include "matrix_plan.hh"

namespace tcodegen::gpu {

/// The instruction's name of an operand type ("f16", "tf32", "s8", "e4m3", …); null if there is none.
const char *matrixTypeName(tir::Type elem);

/// The i32 that the elements were taken apart from, in order; null if there is none.
llvm::Value *wordOf(llvm::ArrayRef<llvm::Value *> elements);
/// 2^masks.size() elements of one register: `regs[at ^ combination of masks]`, lowest mask first, as i32 (f64: double).
/// Costs nothing where the elements were taken apart from one word before.
llvm::Value *packWord(Lower &l, const Regs &regs, uint64_t at, const tir::Columns &masks, unsigned bits);
/// The reverse: element `i` of a word as an integer of `bits`.
llvm::Value *wordElement(Lower &l, llvm::Value *word, unsigned i, unsigned bits);

/// As Lower::loadTile (registers of layout `t` from a buffer of shared layout `s`, as integers of `bits`), by ldmatrix.
/// False, and nothing emitted, if its tiles do not divide the map between the two.
bool loadTileLdmatrix(Lower &l, llvm::Value *base, uint64_t shift, const tir::LinearLayout &s,
                      const tir::LinearLayout &t, unsigned bits, Regs *out);
/// As Lower::storeTile (`regs`: integers of `bits`), by stmatrix (sm_90).
bool storeTileStmatrix(Lower &l, llvm::Value *base, uint64_t shift, const tir::LinearLayout &s,
                       const tir::LinearLayout &t, const Regs &regs, unsigned bits);

void lowerDot(Lower &l, tir::Op *op);              // tt.dot
void lowerWarpGroupDot(Lower &l, tir::Op *op);     // ttng.warp_group_dot
void lowerWarpGroupDotWait(Lower &l, tir::Op *op); // ttng.warp_group_dot_wait

} // namespace tcodegen::gpu
