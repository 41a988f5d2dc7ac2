// SPDX-License-Identifier: MIT
#include "constants.hh"

namespace tir {

Constant::Constant(const Value *v) {
  if (v->def && v->def->is(Opcode::arith_constant)) init(v->def->attr("value"), v->type);
}
Constant::Constant(Attr a, Type t) { init(a, t); }

void Constant::init(Attr a, Type t) {
  if (!a || !t) return;
  Type e = t->scalar();
  unsigned w = scalarWidth(e);
  if (!w) return;
  switch (a->kind) {
  case AttrKind::Bool: scalar = a->bval; break;
  case AttrKind::Int: scalar = static_cast<uint64_t>(a->ival) & lowMask(w); break;
  case AttrKind::Float: scalar = a->fbits; break;
  case AttrKind::Dense:
    if (a->bits.empty() || (!a->bval && a->bits.size() != static_cast<uint64_t>(t->count()))) return;
    splat = a->bval;
    dense = a->bits;
    break;
  default: return;
  }
  if (a->kind != AttrKind::Dense && t->isTensor()) return;
  type = t;
  elem = e;
  width = w;
}

Attr constantAttr(Context &ctx, Type t, Span<uint64_t> bits) {
  if (!t->isTensor())
    return t->isFloat() ? ctx.floating(bits[0], t) : ctx.integer(signExtend(bits[0], scalarWidth(t)), t);
  for (uint32_t i = 1; i < bits.size(); ++i)
    if (bits[i] != bits[0]) return ctx.dense(t, false, bits);
  return ctx.dense(t, true, {bits.ptr, 1});
}

} // namespace tir
