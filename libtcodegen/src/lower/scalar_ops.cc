// SPDX-License-Identifier: MIT
#include "scalar_ops.hh"
#include "target/cpu/convert.hh"

namespace tcodegen {
using tir::Opcode;
using llvm::Value;

Value *emit_int_binary(llvm::IRBuilderBase &b, Opcode code, Value *x, Value *y) {
  switch (code) {
  case Opcode::arith_addi: return b.CreateAdd(x, y);
  case Opcode::arith_subi: return b.CreateSub(x, y);
  case Opcode::arith_muli: return b.CreateMul(x, y);
  case Opcode::arith_andi: return b.CreateAnd(x, y);
  case Opcode::arith_ori: return b.CreateOr(x, y);
  case Opcode::arith_xori: return b.CreateXor(x, y);
  case Opcode::arith_shli: return emit_shift(b, Shift::left, x, y);
  case Opcode::arith_shrsi: return emit_shift(b, Shift::arithmetic_right, x, y);
  case Opcode::arith_shrui: return emit_shift(b, Shift::logical_right, x, y);
  case Opcode::arith_minsi: return b.CreateSelect(b.CreateICmpSLT(x, y), x, y);
  case Opcode::arith_minui: return b.CreateSelect(b.CreateICmpULT(x, y), x, y);
  case Opcode::arith_maxsi: return b.CreateSelect(b.CreateICmpSGT(x, y), x, y);
  case Opcode::arith_maxui: return b.CreateSelect(b.CreateICmpUGT(x, y), x, y);
  case Opcode::arith_divsi: return emit_int_divide(b, Divide::sdiv, x, y);
  case Opcode::arith_divui: return emit_int_divide(b, Divide::udiv, x, y);
  case Opcode::arith_remsi: return emit_int_divide(b, Divide::srem, x, y);
  case Opcode::arith_remui: return emit_int_divide(b, Divide::urem, x, y);
  case Opcode::arith_ceildivsi: return emit_rounded_divide(b, RoundedDivide::ceil_signed, x, y);
  case Opcode::arith_ceildivui: return emit_rounded_divide(b, RoundedDivide::ceil_unsigned, x, y);
  case Opcode::arith_floordivsi: return emit_rounded_divide(b, RoundedDivide::floor_signed, x, y);
  case Opcode::tt_mulhiui: return emit_mul_high(b, x, y, false);
  default: return nullptr;
  }
}

llvm::CmpInst::Predicate int_predicate(int64_t p) {
  using P = llvm::CmpInst::Predicate; // eq ne slt sle sgt sge ult ule ugt uge
  static constexpr P preds[] = {P::ICMP_EQ,  P::ICMP_NE,  P::ICMP_SLT, P::ICMP_SLE, P::ICMP_SGT,
                                P::ICMP_SGE, P::ICMP_ULT, P::ICMP_ULE, P::ICMP_UGT, P::ICMP_UGE};
  return p < 0 || p > 9 ? P::BAD_ICMP_PREDICATE : preds[p];
}

llvm::CmpInst::Predicate float_predicate(int64_t p) {
  using P = llvm::CmpInst::Predicate; // false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true
  static constexpr P preds[] = {P::FCMP_FALSE, P::FCMP_OEQ, P::FCMP_OGT, P::FCMP_OGE, P::FCMP_OLT, P::FCMP_OLE,
                                P::FCMP_ONE,   P::FCMP_ORD, P::FCMP_UEQ, P::FCMP_UGT, P::FCMP_UGE, P::FCMP_ULT,
                                P::FCMP_ULE,   P::FCMP_UNE, P::FCMP_UNO, P::FCMP_TRUE};
  return p < 0 || p > 15 ? P::BAD_FCMP_PREDICATE : preds[p];
}

} // namespace tcodegen
