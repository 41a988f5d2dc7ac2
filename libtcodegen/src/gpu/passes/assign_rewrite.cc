// SPDX-License-Identifier: MIT
// Homes are written into the types; every use then gets its operand in the layout it needs: fluid values are cloned,
// the others converted, once per value and layout.
#include "assign_layouts.hh"
#include "analysis/constants.hh"
#include "analysis/effects.hh"
#include <algorithm>

namespace tcodegen::gpu {
using namespace tir;

/// Gives a value its encoding; the attribute of a tile constant names the type as well.
void Assigner::retype(Value *v, Attr enc) {
  v->type = withEncoding(v->type, enc);
  if (v->def && v->def->is(Opcode::arith_constant)) {
    Attr a = v->def->attr("value");
    if (a && a->kind == AttrKind::Dense) v->def->setAttr("value", ctx.dense(v->type, a->bval, a->bits));
  }
}

void Assigner::setTypes() {
  for (Carrier &c : carriers)
    for (Value *v : c.members) retype(v, c.home.enc);
  for (Op *op : ops)
    for (unsigned r = 0; r < op->numResults(); ++r) {
      Value *v = op->result(r);
      if (v->type->isTensor() && !v->type->enc && homes[v->id]) retype(v, homes[v->id].enc);
    }
  done.assign(m.num_ops, false);
}

Value *Assigner::convert(Value *v, Attr enc) {
  Op *c = m.create({.code = Opcode::ttg_convert_layout, .loc = v->def ? v->def->loc : v->loc, .operands = {v}, .results = {withEncoding(v->type, enc)}});
  if (v->def) v->def->parent->insertBefore(c, v->def->next);
  else v->block->insertBefore(c, v->block->first);
  origin[c->result(0)] = v;
  return c->result(0);
}

/// A fluid value in a layout: the first that asks gets the operation itself, later ones a clone of it.
Value *Assigner::materialise(Value *v, Attr enc) {
  Op *op = v->def;
  if (op->id >= done.size()) done.resize(m.num_ops);
  bool first = !done[op->id];
  std::vector<Value *> operands;
  if (first) done[op->id] = true;
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    Value *x = op->operand(i);
    if (!x->type->isTensor()) {
      operands.push_back(x);
      continue;
    }
    // The operand as it was written; if the operation was the first to ask, its operand may be a copy by now.
    Attr need = backward(op, i, enc);
    operands.push_back(get(x, need));
  }
  if (first) {
    for (unsigned i = 0; i < operands.size(); ++i)
      if (op->operand(i) != operands[i]) op->setOperand(i, operands[i]);
    for (unsigned r = 0; r < op->numResults(); ++r) {
      retype(op->result(r), enc);
      copies[{op->result(r)->id, enc}] = op->result(r);
    }
    return v;
  }
  OpSpec spec{.code = op->code, .loc = op->loc, .operands = operands};
  if (op->segments_) spec.segments.assign(op->segments_, op->segments_ + op->info().num_operands);
  for (unsigned r = 0; r < op->numResults(); ++r) spec.results.push_back(withEncoding(op->result(r)->type, enc));
  for (const NamedAttr &a : op->attrs()) spec.attrs.push_back(a);
  Op *n = m.create(spec);
  op->parent->insertBefore(n, op);
  if (n->id >= done.size()) done.resize(m.num_ops);
  done[n->id] = true;
  for (unsigned r = 0; r < op->numResults(); ++r) {
    n->result(r)->name = op->result(r)->name;
    origin[n->result(r)] = op->result(r);
    retype(n->result(r), enc);
    copies[{op->result(r)->id, enc}] = n->result(r);
  }
  return n->result(v->index);
}

Value *Assigner::get(Value *v, Attr enc) {
  if (!v->type->isTensor() || v->type->enc == enc) return v;
  // An operand of an operation that was rewritten in place is a copy by now: ask what it is a copy of.
  if (auto it = origin.find(v); it != origin.end()) return get(it->second, enc);
  auto key = std::make_pair(v->id, enc);
  if (auto it = copies.find(key); it != copies.end()) return it->second;
  bool fluid = v->def && fluidOp(v->def) && (v->id >= homes.size() || !homes[v->id]);
  Value *r = fluid ? materialise(v, enc) : convert(v, enc);
  copies[key] = r;
  return r;
}

/// The dot by a warp group: operands in shared memory.
void Assigner::makeWarpGroupDot(Op *dot) {
  const DotChoice &c = dots[dot];
  Attr encodings[] = {c.a, c.b};
  bool shared[] = {c.aShared, c.bShared};
  std::vector<Value *> operands;
  Encoding memory;
  memory.kind = EncKind::SharedMemory;
  Attr space = encodingAttr(ctx, memory);
  for (unsigned i = 0; i < 2; ++i) {
    Value *v = dot->operand(i);
    if (shared[i]) {
      Type t = ctx.memdesc(v->type->shape, v->type->elem, encodings[i], space, false);
      Op *a = m.create({.code = Opcode::ttg_local_alloc, .loc = dot->loc, .operands = {v}, .results = {t}});
      dot->parent->insertBefore(a, dot);
      v = a->result(0);
    }
    operands.push_back(v);
  }
  operands.push_back(dot->operand(2));
  OpSpec spec{.code = Opcode::ttng_warp_group_dot, .loc = dot->loc, .operands = operands, .results = {dot->result(0)->type}};
  for (const NamedAttr &a : dot->attrs())
    if (a.name.view() == "inputPrecision" || a.name.view() == "maxNumImpreciseAcc") spec.attrs.push_back(a);
  Op *n = m.create(spec);
  dot->parent->insertBefore(n, dot);
  n->result(0)->name = dot->result(0)->name;
  dot->result(0)->replaceAllUsesWith(n->result(0));
  for (auto &copy : copies)
    if (copy.second == dot->result(0)) copy.second = n->result(0);
  dot->erase();
}

void Assigner::rewriteBlock(Block *b) {
  for (Op *op = b->first, *next; op; op = next) {
    next = op->next;
    bool isFluid = fluidOp(op) && op->numResults() && op->result(0)->id < homes.size() && !homes[op->result(0)->id];
    bool made = op->is(Opcode::ttg_convert_layout) || (op->numResults() && op->result(0)->id >= homes.size());
    if (isFluid || made) continue;
    for (unsigned i = 0; i < op->numOperands(); ++i) {
      Value *v = op->operand(i);
      if (!v->type->isTensor()) continue;
      Attr need = required(op, i);
      if (!need) need = v->type->enc ? v->type->enc : anyLayout(v);
      Value *w = get(v, need);
      if (w != v) op->setOperand(i, w);
    }
    for (unsigned r = 0; r < op->numRegions(); ++r)
      for (Block *inner = op->region(r)->first; inner; inner = inner->next) rewriteBlock(inner);
    next = op->next; // conversions of the results come later, behind the operation
    if (auto it = dots.find(op); it != dots.end() && it->second.family == DotFamily::Wgmma) makeWarpGroupDot(op);
  }
}

/// Fluid operations that no one asked for.
void Assigner::eraseUnused() {
  for (size_t k = ops.size(); k-- > 0;) {
    Op *op = ops[k];
    if (op->erased() || !fluidOp(op)) continue;
    bool used = false;
    for (unsigned r = 0; r < op->numResults(); ++r) used |= op->result(r)->hasUses();
    if (!used) op->erase();
  }
}

void Assigner::setModuleAttributes() {
  m.op->setAttr("ttg.num-ctas", ctx.i32Attr(1));
  m.op->setAttr("ttg.num-warps", ctx.i32Attr(warps));
  m.op->setAttr("ttg.target", ctx.string("cuda:" + std::to_string(o.capability)));
  m.op->setAttr("ttg.threads-per-warp", ctx.i32Attr(32));
}

} // namespace tcodegen::gpu
