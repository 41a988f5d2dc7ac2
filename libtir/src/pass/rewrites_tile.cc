// SPDX-License-Identifier: MIT
// Rewrites of tile operations: shapes, pointers, masks.
#include "rewriter.hh"

namespace tir {

static bool toOperand(Op *op, Rewriter &rw, unsigned i) {
  rw.replaceOp(op, op->operand(i));
  return true;
}
static bool sameType(const Op *op) { return op->operand(0)->type == op->result()->type; }

/// A constant with the elements of `c` (a scalar or splat, or anything with as many elements in the same order).
static bool toConstant(Op *op, Rewriter &rw, const Constant &c) {
  rw.replaceOp(op, rw.constant(op, op->result()->type, c.bits()));
  return true;
}

bool splat_constant(Op *op, Rewriter &rw) {
  Constant c(op->operand(0));
  return c && c.splat && toConstant(op, rw, c);
}

bool unsplat_of_splat(Op *op, Rewriter &rw) {
  if (Op *s = defining(op->operand(0), Opcode::tt_splat); s && s->operand(0)->type == op->result()->type) {
    rw.replaceOp(op, s->operand(0));
    return true;
  }
  Constant c(op->operand(0));
  return c && c.bits().size() == 1 && toConstant(op, rw, c);
}

/// broadcast, expand_dims, reshape, trans.
bool shape_of_splat(Op *op, Rewriter &rw) {
  if (Op *s = defining(op->operand(0), Opcode::tt_splat)) {
    rw.replaceOp(op, rw.create(op, Opcode::tt_splat, {s->operand(0)}, op->result()->type));
    return true;
  }
  Constant c(op->operand(0));
  if (!c) return false;
  bool in_order = op->is(Opcode::tt_expand_dims) || op->is(Opcode::tt_reshape); // row-major order stays
  return (c.splat || in_order) && toConstant(op, rw, c);
}

bool shape_same(Op *op, Rewriter &rw) { return sameType(op) && toOperand(op, rw, 0); }

bool broadcast_broadcast(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::tt_broadcast);
  if (!x) return false;
  rw.replaceOp(op, rw.create(op, Opcode::tt_broadcast, {x->operand(0)}, op->result()->type));
  return true;
}

bool reshape_same(Op *op, Rewriter &rw) {
  return sameType(op) && !op->attr("allow_reorder") && toOperand(op, rw, 0);
}

bool reshape_reshape(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::tt_reshape);
  if (!x || op->attr("efficient_layout")) return false;
  std::vector<NamedAttr> attrs;
  if (op->attr("allow_reorder") || x->attr("allow_reorder"))
    attrs.push_back(rw.attr("allow_reorder", rw.ctx.unit()));
  rw.replaceOp(op, rw.create(op, Opcode::tt_reshape, {x->operand(0)}, op->result()->type, std::move(attrs)));
  return true;
}

bool reshape_expand_dims(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::tt_expand_dims);
  if (!x || op->attr("allow_reorder") || x->operand(0)->type != op->result()->type) return false;
  rw.replaceOp(op, x->operand(0));
  return true;
}

static Span<int64_t> order(const Op *op) {
  Attr a = op->attr("order");
  return a && a->kind == AttrKind::DenseArray ? a->ints : Span<int64_t>{};
}

bool trans_identity(Op *op, Rewriter &rw) {
  Span<int64_t> o = order(op);
  for (unsigned i = 0; i < o.size(); ++i)
    if (o[i] != i) return false;
  return o.size() == op->result()->type->rank() && toOperand(op, rw, 0);
}

bool trans_trans(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::tt_trans);
  Span<int64_t> outer = order(op), inner = x ? order(x) : Span<int64_t>{};
  if (!x || outer.size() != inner.size() || outer.empty()) return false;
  std::vector<int64_t> both(outer.size());
  for (unsigned i = 0; i < outer.size(); ++i) both[i] = inner[static_cast<uint32_t>(outer[i])];
  Attr a = rw.ctx.denseArray(rw.ctx.i32(), {both.data(), outer.size()});
  rw.replaceOp(op, rw.create(op, Opcode::tt_trans, {x->operand(0)}, op->result()->type, {rw.attr("order", a)}));
  return true;
}

bool make_range_one(Op *op, Rewriter &rw) {
  Type t = op->result()->type;
  if (t->count() != 1) return false;
  rw.replaceOp(op, rw.constant(op, t, static_cast<uint64_t>(op->intAttr("start")) & lowMask(t->elem->width)));
  return true;
}

bool split_join(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::tt_join);
  if (!x) return false;
  Value *both[2] = {x->operand(0), x->operand(1)};
  rw.replaceOp(op, {both, 2});
  return true;
}

bool join_split(Op *op, Rewriter &rw) {
  Op *x = defining(op->operand(0), Opcode::tt_split);
  if (!x || op->operand(0) != x->result(0) || op->operand(1) != x->result(1)) return false;
  rw.replaceOp(op, x->operand(0));
  return true;
}

bool addptr_zero(Op *op, Rewriter &rw) { return Constant(op->operand(1)).isZero() && toOperand(op, rw, 0); }

// ---- masks ------------------------------------------------------------------------------------------------

/// Operands without the slots from `slot` on.
static void dropSlots(Op *op, Rewriter &rw, unsigned slot) {
  for (unsigned s = op->info().num_operands; s-- > slot;) {
    unsigned first, count;
    op->slotRange(s, &first, &count);
    while (count) {
      if (Op *d = op->operand(first + --count)->def) rw.push(d);
      op->eraseOperand(first + count);
    }
  }
  rw.update(op);
}

bool load_mask(Op *op, Rewriter &rw) {
  if (!op->slot(1)) return false;
  Constant mask(op->slot(1));
  if (mask.isAll(1)) {
    dropSlots(op, rw, 1);
    return true;
  }
  if (!mask.isAll(0) || !op->slot(2) || op->intAttr("isVolatile")) return false;
  rw.replaceOp(op, op->slot(2));
  return true;
}

bool store_mask(Op *op, Rewriter &rw) {
  if (!op->slot(2)) return false;
  Constant mask(op->slot(2));
  if (mask.isAll(1)) {
    dropSlots(op, rw, 2);
    return true;
  }
  if (!mask.isAll(0)) return false;
  rw.erase(op);
  return true;
}

bool atomic_store_mask(Op *op, Rewriter &rw) {
  if (!op->slot(2) || !Constant(op->slot(2)).isAll(0)) return false;
  rw.erase(op);
  return true;
}

static bool eraseIfTrue(Op *op, Rewriter &rw) {
  if (!Constant(op->operand(0)).isAll(1)) return false;
  rw.erase(op);
  return true;
}
bool assert_true(Op *op, Rewriter &rw) { return eraseIfTrue(op, rw); }
bool assume_true(Op *op, Rewriter &rw) { return op->numOperands() == 1 && eraseIfTrue(op, rw); }

} // namespace tir
