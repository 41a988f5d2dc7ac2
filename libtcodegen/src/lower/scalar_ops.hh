// SPDX-License-Identifier: MIT
// Meanings of scalar operations that every target shares.
#pragma once
#include "ir/op_info.hh"
#include <llvm/IR/IRBuilder.h>

namespace tcodegen {

/// An integer operation of two operands (scalars or vectors); null if `code` is none.
llvm::Value *emit_int_binary(llvm::IRBuilderBase &b, tir::Opcode code, llvm::Value *x, llvm::Value *y);
/// arith.cmpi's and arith.cmpf's attribute `predicate`; BAD_ICMP_PREDICATE / BAD_FCMP_PREDICATE out of range.
llvm::CmpInst::Predicate int_predicate(int64_t predicate);
llvm::CmpInst::Predicate float_predicate(int64_t predicate);

} // namespace tcodegen
