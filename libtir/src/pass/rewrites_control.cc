// SPDX-License-Identifier: MIT
// Rewrites of structured and unstructured control flow.
#include "rewriter.hh"

namespace tir {

/// The only block of a region if it ends in scf.yield, else null.
static Block *body(Op *op, unsigned region) {
  if (region >= op->numRegions()) return nullptr;
  Block *b = op->region(region)->front();
  return b && !b->next && b->last && b->last->is(Opcode::scf_yield) ? b : nullptr;
}

/// Puts the block's operations in front of `op` and gives `op`'s results the yielded values.
static void replaceByBody(Op *op, Rewriter &rw, Block *b) {
  std::vector<Value *> values;
  for (unsigned i = 0; i < b->last->numOperands(); ++i) values.push_back(b->last->operand(i));
  rw.inlineBlock(b, op);
  rw.replaceOp(op, {values.data(), static_cast<uint32_t>(values.size())});
}

bool if_constant(Op *op, Rewriter &rw) {
  Constant c(op->operand(0));
  if (!c) return false;
  Block *b = body(op, c.isAll(1) ? 0 : 1);
  if (b && b->last->numOperands() == op->numResults()) {
    replaceByBody(op, rw, b);
    return true;
  }
  if (op->numResults() || c.isAll(1)) return false;
  rw.erase(op); // false, without an else
  return true;
}

bool if_select(Op *op, Rewriter &rw) {
  Block *a = body(op, 0), *b = body(op, 1);
  unsigned n = op->numResults();
  if (!n || !a || !b || a->first != a->last || b->first != b->last) return false;
  if (a->last->numOperands() != n || b->last->numOperands() != n) return false;
  for (unsigned i = 0; i < n; ++i) {
    Type t = op->result(i)->type;
    bool same = a->last->operand(i) == b->last->operand(i);
    if (!same && !t->isInt() && !t->isFloat() && !t->isPtr() && t->kind != TypeKind::Index) return false;
  }
  std::vector<Value *> values;
  for (unsigned i = 0; i < n; ++i) {
    Value *x = a->last->operand(i), *y = b->last->operand(i);
    values.push_back(x == y ? x : rw.create(op, Opcode::arith_select, {op->operand(0), x, y}, op->result(i)->type));
  }
  rw.replaceOp(op, {values.data(), n});
  return true;
}

namespace {
/// A loop whose bounds are constant.
struct Bounds {
  bool known = false;
  bool is_unsigned = false;
  unsigned width = 0;
  uint64_t lb = 0, ub = 0, step = 0;

  explicit Bounds(Op *op) {
    Constant a(op->operand(0)), b(op->operand(1)), s(op->operand(2));
    if (!a || !b) return;
    known = true;
    width = a.width;
    is_unsigned = op->attr("unsignedCmp");
    lb = a.at(0);
    ub = b.at(0);
    step = s ? s.at(0) : 0; // 0: not known
  }
  bool less(uint64_t x, uint64_t y) const {
    return is_unsigned ? x < y : signExtend(x, width) < signExtend(y, width);
  }
};
} // namespace

bool for_never(Op *op, Rewriter &rw) {
  Bounds b(op);
  if (!b.known || b.less(b.lb, b.ub)) return false;
  std::vector<Value *> values;
  for (unsigned i = 3; i < op->numOperands(); ++i) values.push_back(op->operand(i));
  rw.replaceOp(op, {values.data(), static_cast<uint32_t>(values.size())});
  return true;
}

bool for_once(Op *op, Rewriter &rw) {
  Bounds b(op);
  Block *block = body(op, 0);
  if (!b.known || !b.step || !block || block->numArgs() != op->numResults() + 1) return false;
  if (!b.is_unsigned && signExtend(b.step, b.width) < 0) return false;
  // One round: lb < ub and ub - lb <= step, without overflow since lb < ub.
  uint64_t distance = (b.ub - b.lb) & lowMask(b.width);
  if (!b.less(b.lb, b.ub) || distance > b.step) return false;
  block->arg(0)->replaceAllUsesWith(op->operand(0));
  for (unsigned i = 0; i < op->numResults(); ++i) block->arg(1 + i)->replaceAllUsesWith(op->operand(3 + i));
  replaceByBody(op, rw, block);
  return true;
}

bool for_invariant(Op *op, Rewriter &rw) {
  Block *b = body(op, 0);
  if (!b || b->numArgs() != op->numResults() + 1 || b->last->numOperands() != op->numResults()) return false;
  bool changed = false;
  for (unsigned i = 0; i < op->numResults(); ++i) {
    Value *arg = b->arg(1 + i), *init = op->operand(3 + i), *next = b->last->operand(i);
    if ((next != arg && next != init) || (!arg->hasUses() && !op->result(i)->hasUses())) continue;
    bool only_feeds_itself = arg->hasOneUse() && arg->uses->owner == b->last && !op->result(i)->hasUses();
    if (only_feeds_itself) continue; // nothing to gain; dce drops it
    rw.replace(arg, init);
    rw.replace(op->result(i), init);
    changed = true;
  }
  return changed;
}

bool cond_br_constant(Op *op, Rewriter &rw) {
  Constant c(op->operand(0));
  if (!c) return false;
  unsigned taken = c.isAll(1) ? 0 : 1, first, count;
  op->slotRange(1 + taken, &first, &count);
  OpSpec spec{.code = Opcode::cf_br, .succs = {op->succ(taken)}};
  for (unsigned i = 0; i < count; ++i) spec.operands.push_back(op->operand(first + i));
  rw.create(op, std::move(spec));
  rw.erase(op);
  return true;
}

} // namespace tir
