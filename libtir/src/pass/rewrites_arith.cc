// SPDX-License-Identifier: MIT
// Rewrites of arith: identities that hold for every bit pattern (for floats: up to the payload of a NaN).
#include "rewriter.hh"
#include "common/numfmt.hh"

namespace tir {

static bool toOperand(Op *op, Rewriter &rw, unsigned i) {
  rw.replaceOp(op, op->operand(i));
  return true;
}
static bool toConstant(Op *op, Rewriter &rw, uint64_t bits) {
  rw.replaceOp(op, rw.constant(op, op->result()->type, bits));
  return true;
}
static Constant rhs(const Op *op) { return Constant(op->operand(1)); }
static bool hasConstants(Type t) { return scalarWidth(t->scalar()) != 0; }
static bool isConstant(const Value *v) { return defining(v, Opcode::arith_constant); }

bool constant_operands(Op *op, Rewriter &rw) { return foldConstants(op, rw); }

bool constant_right(Op *op, Rewriter &rw) {
  if (op->numOperands() != 2 || !op->info().has(TraitCommutative)) return false;
  if (!isConstant(op->operand(0)) || isConstant(op->operand(1))) return false;
  Value *a = op->operand(0), *b = op->operand(1);
  op->setOperand(0, b);
  op->setOperand(1, a);
  rw.update(op);
  return true;
}

// ---- integers ---------------------------------------------------------------------------------------------

bool addi_zero(Op *op, Rewriter &rw) { return rhs(op).isZero() && toOperand(op, rw, 0); }

/// (x op c) op d with both constant: computes c op d.
static bool reassociate(Op *op, Rewriter &rw) {
  Op *inner = defining(op->operand(0), op->code);
  if (!inner || !plain(op) || !plain(inner) || !isConstant(op->operand(1)) || !isConstant(inner->operand(1)))
    return false;
  Value *both = rw.create(op, op->code, {inner->operand(1), op->operand(1)}, op->result()->type);
  op->setOperand(0, inner->operand(0));
  op->setOperand(1, both);
  rw.push(inner);
  rw.update(op);
  rw.push(both->def); // folded before `op` is looked at again
  return true;
}
bool addi_addi(Op *op, Rewriter &rw) { return reassociate(op, rw); }
bool xori_xori(Op *op, Rewriter &rw) { return reassociate(op, rw); }

bool subi_zero(Op *op, Rewriter &rw) { return rhs(op).isZero() && toOperand(op, rw, 0); }
static bool selfIs(Op *op, Rewriter &rw, uint64_t bits) {
  return op->operand(0) == op->operand(1) && hasConstants(op->result()->type) && toConstant(op, rw, bits);
}
bool subi_self(Op *op, Rewriter &rw) { return selfIs(op, rw, 0); }
bool muli_one(Op *op, Rewriter &rw) { return rhs(op).isOne() && toOperand(op, rw, 0); }
bool muli_zero(Op *op, Rewriter &rw) { return rhs(op).isZero() && toOperand(op, rw, 1); }
bool div_one(Op *op, Rewriter &rw) { // i1's 1 is -1 for a signed division: MIN / -1
  return scalarWidth(op->result()->type->scalar()) > 1 && rhs(op).isOne() && toOperand(op, rw, 0);
}
bool rem_one(Op *op, Rewriter &rw) {
  return scalarWidth(op->result()->type->scalar()) > 1 && rhs(op).isOne() && toConstant(op, rw, 0);
}
bool andi_identity(Op *op, Rewriter &rw) {
  return (op->operand(0) == op->operand(1) || rhs(op).isAllOnes()) && toOperand(op, rw, 0);
}
bool andi_zero(Op *op, Rewriter &rw) { return rhs(op).isZero() && toOperand(op, rw, 1); }
bool ori_identity(Op *op, Rewriter &rw) {
  return (op->operand(0) == op->operand(1) || rhs(op).isZero()) && toOperand(op, rw, 0);
}
bool ori_ones(Op *op, Rewriter &rw) { return rhs(op).isAllOnes() && toOperand(op, rw, 1); }
bool xori_zero(Op *op, Rewriter &rw) { return rhs(op).isZero() && toOperand(op, rw, 0); }
bool xori_self(Op *op, Rewriter &rw) { return selfIs(op, rw, 0); }
bool shift_zero(Op *op, Rewriter &rw) { return rhs(op).isZero() && toOperand(op, rw, 0); }
bool min_max_self(Op *op, Rewriter &rw) { return op->operand(0) == op->operand(1) && toOperand(op, rw, 0); }

// ---- comparisons and selection ----------------------------------------------------------------------------

enum Predicate : int64_t { eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge };

static int64_t swapped(int64_t p) {
  static constexpr int64_t table[] = {eq, ne, sgt, sge, slt, sle, ugt, uge, ult, ule};
  return table[p];
}
static const char *spelling(int64_t p) {
  static constexpr const char *table[] = {"eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"};
  return table[p];
}
static int64_t predicate(const Op *op) {
  int64_t p = op->intAttr("predicate", -1);
  return p < eq || p > uge ? -1 : p;
}

bool cmpi_right(Op *op, Rewriter &rw) {
  int64_t p = predicate(op);
  if (p < 0 || !isConstant(op->operand(0)) || isConstant(op->operand(1))) return false;
  Value *a = op->operand(0), *b = op->operand(1);
  op->setOperand(0, b);
  op->setOperand(1, a);
  op->setAttr("predicate", rw.ctx.enumeration(swapped(p), spelling(swapped(p))));
  rw.update(op);
  return true;
}
bool cmpi_self(Op *op, Rewriter &rw) {
  int64_t p = predicate(op);
  if (p < 0) return false;
  return selfIs(op, rw, p == eq || p == sle || p == sge || p == ule || p == uge);
}
bool cmpi_unsigned_zero(Op *op, Rewriter &rw) {
  int64_t p = predicate(op);
  return (p == ult || p == uge) && rhs(op).isZero() && toConstant(op, rw, p == uge);
}
bool cmpi_bool(Op *op, Rewriter &rw) {
  int64_t p = predicate(op);
  if (!op->operand(0)->type->scalar()->isInt(1)) return false;
  bool same = (p == eq && rhs(op).isOne()) || (p == ne && rhs(op).isZero());
  return same && toOperand(op, rw, 0);
}

bool select_constant(Op *op, Rewriter &rw) {
  Constant c(op->operand(0));
  if (c.isAll(1)) return toOperand(op, rw, 1);
  return c.isAll(0) && toOperand(op, rw, 2);
}
bool select_same(Op *op, Rewriter &rw) {
  return op->operand(1) == op->operand(2) && toOperand(op, rw, 1);
}
bool select_bool(Op *op, Rewriter &rw) {
  if (op->operand(0)->type != op->result()->type) return false;
  return Constant(op->operand(1)).isAll(1) && Constant(op->operand(2)).isAll(0) && toOperand(op, rw, 0);
}
bool select_not(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::arith_xori);
  if (!x || !rhs(x).isAll(1)) return false;
  Value *t = op->operand(1);
  op->setOperand(0, x->operand(0));
  op->setOperand(1, op->operand(2));
  op->setOperand(2, t);
  rw.push(x);
  rw.update(op);
  return true;
}

// ---- conversions ------------------------------------------------------------------------------------------

static bool isExt(const Op *op) { return op && (op->is(Opcode::arith_extsi) || op->is(Opcode::arith_extui)); }

bool ext_ext(Op *op, Rewriter &rw) {
  Op *x = op->operand(0)->def;
  if (!isExt(x) || (op->is(Opcode::arith_extui) && x->is(Opcode::arith_extsi))) return false;
  rw.replaceOp(op, rw.create(op, x->code, {x->operand(0)}, op->result()->type));
  return true;
}
bool trunci_ext(Op *op, Rewriter &rw) {
  Op *x = op->operand(0)->def;
  if (!isExt(x) || !plain(op)) return false;
  Type from = x->operand(0)->type, to = op->result()->type;
  if (from == to) {
    rw.replaceOp(op, x->operand(0));
    return true;
  }
  bool shorter = from->scalar()->width > to->scalar()->width;
  rw.replaceOp(op, rw.create(op, shorter ? Opcode::arith_trunci : x->code, {x->operand(0)}, to));
  return true;
}
bool trunci_trunci(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::arith_trunci);
  if (!x || !plain(x) || !plain(op)) return false;
  rw.replaceOp(op, rw.create(op, Opcode::arith_trunci, {x->operand(0)}, op->result()->type));
  return true;
}
bool bitcast_same(Op *op, Rewriter &rw) {
  return op->operand(0)->type == op->result()->type && toOperand(op, rw, 0);
}
bool bitcast_bitcast(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), op->code);
  if (!x) return false;
  rw.replaceOp(op, rw.create(op, op->code, {x->operand(0)}, op->result()->type));
  return true;
}

// ---- floats -----------------------------------------------------------------------------------------------

static bool rhsIs(const Op *op, double value, bool negative_zero = false) {
  Constant c(op->operand(1));
  if (!c || !c.elem->isFloat() || !plain(op)) return false;
  auto f = static_cast<tessera::num::Format>(c.elem->fkind);
  if (negative_zero && !(tessera::num::info(f).sign && tessera::num::info(f).nan != tessera::num::Nan::NegZero))
    return false;
  return c.isAll(tessera::num::encode(f, negative_zero ? -0.0 : value));
}

bool addf_zero(Op *op, Rewriter &rw) { return rhsIs(op, 0, true) && toOperand(op, rw, 0); }
bool subf_zero(Op *op, Rewriter &rw) { return rhsIs(op, 0) && toOperand(op, rw, 0); }
bool mulf_one(Op *op, Rewriter &rw) { return rhsIs(op, 1) && toOperand(op, rw, 0); }
bool negf_negf(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::arith_negf);
  if (!x) return false;
  rw.replaceOp(op, x->operand(0));
  return true;
}
bool extf_extf(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::arith_extf);
  if (!x) return false;
  rw.replaceOp(op, rw.create(op, Opcode::arith_extf, {x->operand(0)}, op->result()->type));
  return true;
}
bool truncf_extf(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::arith_extf);
  if (!x || x->operand(0)->type != op->result()->type) return false; // exact whatever the rounding
  rw.replaceOp(op, x->operand(0));
  return true;
}
bool fp_to_fp_same(Op *op, Rewriter &rw) { return bitcast_same(op, rw); }

} // namespace tir
