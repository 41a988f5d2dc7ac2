// SPDX-License-Identifier: MIT
// The homes of values: forward from what fixes a layout, backward for what is free to follow its users.
#include "assign_layouts.hh"
#include "analysis/effects.hh"
#include "rewrite_descriptors.hh"
#include <algorithm>

namespace tcodegen::gpu {
using namespace tir;

Assigner::Assigner(Module &module, Op *k, const GpuOptions &options) : m(module), kernel(k), o(options), ctx(module.ctx) {}

/// Pure, and as cheap to do again in another layout as to move: it has no home of its own unless an operand of the
/// same shape has one.
bool Assigner::fluidOp(const Op *op) const {
  switch (op->code) {
  case Opcode::arith_constant:
  case Opcode::ub_poison:
  case Opcode::tt_splat:
  case Opcode::tt_make_range:
  case Opcode::tt_expand_dims:
  case Opcode::tt_broadcast:
  case Opcode::tt_trans:
  case Opcode::tt_reshape: return op->numResults() == 1 && op->result(0)->type->isTensor();
  default:
    return op->info().has(TraitElementwise) && op->numResults() && op->result(0)->type->isTensor() && !op->numRegions() && isPure(op);
  }
}

/// The encoding that operand `i` of a fluid operation needs for its result to be in `demanded`.
Attr Assigner::backward(const Op *op, unsigned i, Attr demanded) const {
  switch (op->code) {
  case Opcode::tt_expand_dims: return sliceAttr(ctx, static_cast<unsigned>(op->intAttr("axis")), demanded);
  case Opcode::tt_trans: return beforeTrans(demanded, op->result(0)->type->shape, op->attr("order")->ints);
  case Opcode::tt_reshape: return throughReshape(demanded, op->result(0)->type->shape, op->operand(i)->type->shape);
  default: return demanded;
  }
}

Home Assigner::bestOperand(Op *op, bool sameShape) const {
  Home best;
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    const Value *v = op->operand(i);
    if (!v->type->isTensor()) continue;
    if (sameShape && op->numResults() && op->result(0)->type->isTensor() && v->type->count() != op->result(0)->type->count()) continue;
    Home h = homeOf(v);
    if (h && h.weight > best.weight) best = h;
  }
  return best;
}

/// The home of a result from those of the operands; none if it is fluid, or not known yet.
Home Assigner::compute(Op *op, unsigned r) {
  Value *v = op->result(r);
  Type t = v->type;
  if (!t->isTensor()) return {};
  if (forced[v->id]) return {forced[v->id], 1000 + depthOf(op)};
  auto given = [&](int base) {
    Attr a = memoryLayout(op);
    return a ? Home{a, base + depthOf(op)} : Home{};
  };
  switch (op->code) {
  case Opcode::tt_load: return given(10);
  case Opcode::tt_atomic_rmw:
  case Opcode::tt_atomic_cas:
  case Opcode::tt_atomic_load:
  case Opcode::tt_atomic_poll: return given(10);
  case Opcode::tt_descriptor_load:
  case Opcode::tt_descriptor_gather:
  case Opcode::tt_histogram: {
    Attr &a = opLayout[op];
    if (!a) {
      std::vector<unsigned> order;
      for (unsigned d = t->rank(); d-- > 0;) order.push_back(d);
      int64_t n = std::min<int64_t>({128 / std::max(8u, t->elem->width), std::max<int64_t>(1, t->count() / threads()), t->shape[t->rank() - 1]});
      a = blockedFor(ctx, t->shape, op->is(Opcode::tt_histogram) ? 1 : static_cast<unsigned>(n), order, warps);
    }
    return {a, 10 + depthOf(op)};
  }
  case Opcode::tt_dot: return {dots[op].acc, 1000 + depthOf(op)};
  case Opcode::tt_reduce: {
    Home h = bestOperand(op, false);
    if (h) opLayout[op] = h.enc;
    else if (auto it = opLayout.find(op); it != opLayout.end()) h = {it->second, 5};
    if (!h) return {};
    return {withoutDim(h.enc, static_cast<unsigned>(op->intAttr("axis"))), h.weight};
  }
  case Opcode::tt_scan:
  case Opcode::tt_map_elementwise: {
    Home h = bestOperand(op, false);
    if (h) opLayout[op] = h.enc;
    else if (auto it = opLayout.find(op); it != opLayout.end()) h = {it->second, 5};
    return h;
  }
  case Opcode::tt_gather: {
    Home h = homeOf(op->operand(1));
    if (!h)
      if (auto it = opLayout.find(op); it != opLayout.end()) h = {it->second, 5};
    if (h) opLayout[op] = h.enc;
    return h;
  }
  case Opcode::tt_trans:
  case Opcode::tt_reshape: {
    Home h = homeOf(op->operand(0));
    if (!h) return {};
    Type from = op->operand(0)->type;
    h.enc = op->is(Opcode::tt_trans) ? throughTrans(h.enc, from->shape, op->attr("order")->ints) : throughReshape(h.enc, from->shape, t->shape);
    return h;
  }
  case Opcode::tt_join:
  case Opcode::tt_cat: {
    Home h = bestOperand(op, false);
    if (!h)
      if (auto it = opLayout.find(op); it != opLayout.end()) h = {it->second, 5};
    if (!h) return {};
    opLayout[op] = h.enc; // of the operands
    Type half = op->operand(0)->type;
    h.enc = op->is(Opcode::tt_join) ? throughJoin(h.enc, half->shape) : throughCat(h.enc, half->shape, t->shape);
    return h;
  }
  case Opcode::tt_split: {
    Type pair = op->operand(0)->type;
    Home h = homeOf(op->operand(0));
    Attr half = h ? throughSplit(h.enc, pair->shape) : nullptr;
    if (h && !half) { // pairs are spread over threads: bring them together first
      half = defaultBlocked(ctx, t->shape, warps);
      h.enc = throughJoin(half, t->shape);
    }
    if (!h) {
      auto it = opLayout.find(op);
      if (it == opLayout.end()) return {};
      h = {it->second, 5};
      half = throughSplit(h.enc, pair->shape);
    }
    opLayout[op] = h.enc; // of the operand
    return {half, h.weight};
  }
  case Opcode::tt_expand_dims:
  case Opcode::tt_broadcast:
  case Opcode::tt_splat:
  case Opcode::arith_constant:
  case Opcode::ub_poison:
  case Opcode::tt_make_range: return {};
  default: {
    Home h = bestOperand(op, true);
    if (!h)
      if (auto it = opLayout.find(op); it != opLayout.end()) h = {it->second, 5};
    return h;
  }
  }
}

void Assigner::propagate() {
  for (unsigned round = 0; round < 32; ++round) {
    bool changed = false;
    auto set = [&](const Value *v, Home h) {
      if (homes[v->id] == h) return;
      homes[v->id] = h;
      changed = true;
    };
    for (Op *op : ops)
      for (unsigned r = 0; r < op->numResults(); ++r) {
        Value *v = op->result(r);
        if (!v->type->isTensor() || carrierOf[v->id] >= 0) continue;
        if (op->is(Opcode::tt_load) && op->operand(0)->type->isTensor() && !homes[v->id] && !memoryLayout(op)) continue;
        Home h = compute(op, r);
        if (op->is(Opcode::tt_load) && homes[v->id] && h.enc == homes[v->id].enc) continue;
        set(v, h);
      }
    for (Carrier &c : carriers) {
      Home best = c.flexible ? c.home : Home{};
      for (auto &[op, i] : c.inflows) {
        Home h = homeOf(op->operand(i));
        if (h && h.weight > best.weight) best = h;
      }
      // Weights only rise, so that two carriers cannot push each other round and round.
      if (c.home && best.weight <= c.home.weight) best = c.home;
      c.home = best;
      for (Value *v : c.members) set(v, best);
    }
    if (!changed) return;
  }
}

/// Which layout a use asks for; null: any.
Attr Assigner::demandOfUse(const Use *use, std::vector<bool> &seen, int *depth) const {
  Op *op = use->owner;
  unsigned i = use->index();
  if (auto it = dots.find(op); it != dots.end()) {
    *depth = depthOf(op);
    const DotChoice &c = it->second;
    return i == 2 ? c.acc : i == 0 ? (c.aShared ? nullptr : c.a) : c.bShared ? nullptr : c.b;
  }
  switch (op->code) {
  case Opcode::tt_load:
  case Opcode::tt_store:
  case Opcode::tt_atomic_rmw:
  case Opcode::tt_atomic_cas:
  case Opcode::tt_atomic_load:
  case Opcode::tt_atomic_store:
  case Opcode::tt_atomic_poll:
    *depth = depthOf(op);
    return const_cast<Assigner *>(this)->memoryLayout(op);
  case Opcode::scf_yield:
  case Opcode::scf_for:
  case Opcode::scf_while:
  case Opcode::scf_condition: {
    const Value *target = nullptr;
    Op *holder = op->is(Opcode::scf_yield) || op->is(Opcode::scf_condition) ? op->parentOp() : op;
    if (op->is(Opcode::scf_for)) target = i >= 3 ? op->result(i - 3) : nullptr;
    else if (op->is(Opcode::scf_while)) target = op->region(0)->front()->arg(i);
    else if (op->is(Opcode::scf_condition)) target = i ? holder->result(i - 1) : nullptr;
    else if (holder->is(Opcode::scf_while)) target = holder->region(0)->front()->arg(i);
    else target = holder->result(i);
    if (!target || carrierOf[target->id] < 0) return nullptr;
    const Carrier &c = carriers[static_cast<size_t>(carrierOf[target->id])];
    *depth = depthOf(op);
    if (c.home) return c.home.enc;
    Attr best = nullptr;
    int deepest = -1;
    for (const Value *v : c.members) {
      int d = 0;
      Attr a = demandOf(v, seen, &d);
      if (a && d > deepest) best = a, deepest = d;
    }
    return best;
  }
  case Opcode::tt_gather:
    if (i == 0) return nullptr;
    break;
  case Opcode::tt_histogram:
  case Opcode::tt_join:
  case Opcode::tt_cat:
  case Opcode::tt_split:
  case Opcode::tt_reduce:
  case Opcode::tt_scan: {
    auto it = opLayout.find(op);
    *depth = depthOf(op);
    return it == opLayout.end() || op->is(Opcode::tt_histogram) ? nullptr : it->second;
  }
  default: break;
  }
  if (!op->numResults() || !op->result(0)->type->isTensor()) return nullptr;
  bool element = op->info().has(TraitElementwise) || op->is(Opcode::tt_map_elementwise) || op->is(Opcode::tt_gather);
  if (!element && !fluidOp(op)) return nullptr;
  Attr result;
  if (Home h = homeOf(op->result(0))) {
    result = h.enc;
    *depth = depthOf(op);
  } else
    result = demandOf(op->result(0), seen, depth);
  return result ? backward(op, i, result) : nullptr;
}

Attr Assigner::demandOf(const Value *v, std::vector<bool> &seen, int *depth) const {
  if (v->id >= seen.size() || seen[v->id]) return nullptr;
  seen[v->id] = true;
  Attr best = nullptr;
  int deepest = -1;
  std::vector<const Use *> uses; // the list has the last one first
  for (const Use *u = v->uses; u; u = u->next) uses.push_back(u);
  for (size_t k = uses.size(); k-- > 0;) {
    int d = 0;
    Attr a = demandOfUse(uses[k], seen, &d);
    if (a && d > deepest) best = a, deepest = d;
  }
  *depth = std::max(deepest, 0);
  return best;
}

/// Small loads and carried pointers go where their users want them.
bool Assigner::resolveByDemand() {
  bool any = false;
  auto demand = [&](const std::vector<Value *> &values) {
    std::vector<bool> seen(m.num_values);
    Attr best = nullptr;
    int deepest = -1;
    for (const Value *v : values) {
      int d = 0;
      Attr a = demandOf(v, seen, &d);
      if (a && d > deepest) best = a, deepest = d;
    }
    return best;
  };
  for (Carrier &c : carriers) {
    if (c.home) continue;
    if (Attr a = demand(c.members)) {
      c.home = {a, 1};
      c.flexible = any = true;
      for (Value *v : c.members) homes[v->id] = c.home;
    }
  }
  for (Op *op : lights) {
    Value *v = op->result(0);
    if (homes[v->id]) continue;
    if (Attr a = demand({v})) {
      homes[v->id] = {a, 2};
      any = true;
    }
  }
  return any;
}

/// The first thing in program order that nobody has a wish about.
bool Assigner::resolveDefault() {
  for (Op *op : ops) {
    if (op->is(Opcode::tt_load) && op->operand(0)->type->isTensor() && !homes[op->result(0)->id]) {
      homes[op->result(0)->id] = {opLayout[op], 2};
      return true;
    }
    bool tile = false;
    for (unsigned r = 0; r < op->numResults(); ++r) {
      const Value *v = op->result(r);
      if (!v->type->isTensor() || carrierOf[v->id] < 0 || homes[v->id]) continue;
      Carrier &c = carriers[static_cast<size_t>(carrierOf[v->id])];
      Attr a = nullptr;
      for (auto &[from, i] : c.inflows)
        if (!a) a = natural(from->operand(i));
      c.home = {a ? a : defaultBlocked(ctx, v->type->shape, warps), 1};
      c.flexible = true;
      for (Value *w : c.members) homes[w->id] = c.home;
      return true;
    }
    for (unsigned r = 0; r < op->numResults(); ++r) tile |= op->result(r)->type->isTensor();
    bool reduces = op->is(Opcode::tt_reduce) || op->is(Opcode::tt_scan);
    if ((!tile && !reduces) || fluidOp(op) || opLayout.count(op)) continue;
    if (op->numResults() && carrierOf[op->result(0)->id] >= 0) continue;
    if (tile && homes[op->result(0)->id]) continue;
    if (op->numRegions() && !reduces && !op->is(Opcode::tt_map_elementwise)) continue;
    const Value *of = op->is(Opcode::tt_gather) ? op->operand(1) : op->numOperands() ? op->operand(0) : op->result(0);
    bool fromOperand = reduces || op->is(Opcode::tt_join) || op->is(Opcode::tt_cat) || op->is(Opcode::tt_gather);
    if (op->is(Opcode::tt_split)) {
      opLayout[op] = throughJoin(defaultBlocked(ctx, op->result(0)->type->shape, warps), op->result(0)->type->shape);
      return true;
    }
    Attr a = fromOperand ? anyLayout(of) : nullptr;
    if (!a) {
      for (unsigned i = 0; i < op->numOperands() && !a; ++i)
        if (op->operand(i)->type->isTensor()) a = natural(op->operand(i));
      if (!a) a = defaultBlocked(ctx, op->result(0)->type->shape, warps);
    }
    opLayout[op] = a;
    return true;
  }
  for (Carrier &c : carriers) // block arguments without results
    if (!c.home) {
      c.home = {defaultBlocked(ctx, c.members[0]->type->shape, warps), 1};
      c.flexible = true;
      for (Value *v : c.members) homes[v->id] = c.home;
      return true;
    }
  return false;
}

/// The layout in which a fluid value costs no conversion of what it is made from.
Attr Assigner::natural(const Value *v, unsigned depth) const {
  if (Home h = homeOf(v)) return h.enc;
  const Op *op = v->def;
  if (!op || depth > 16 || !fluidOp(op)) return nullptr;
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    const Value *x = op->operand(i);
    if (!x->type->isTensor()) continue;
    Attr a = natural(x, depth + 1);
    if (!a) continue;
    switch (op->code) {
    case Opcode::tt_expand_dims: {
      const Encoding *e = encodingOf(a);
      if (e && e->kind == EncKind::Slice && e->dim == static_cast<unsigned>(op->intAttr("axis"))) return e->parent;
      return nullptr;
    }
    case Opcode::tt_trans: return throughTrans(a, x->type->shape, op->attr("order")->ints);
    case Opcode::tt_reshape: return throughReshape(a, x->type->shape, v->type->shape);
    default: return a;
    }
  }
  return nullptr;
}

Attr Assigner::anyLayout(const Value *v) const {
  Attr a = natural(v);
  return a ? a : defaultBlocked(ctx, v->type->shape, warps);
}

/// The encoding that operand `i` of an operation that is not fluid has to have; null: any.
Attr Assigner::required(Op *op, unsigned i) {
  Value *v = op->operand(i);
  auto carried = [&](const Value *target) { return carrierOf[target->id] >= 0 ? homes[target->id].enc : nullptr; };
  switch (op->code) {
  case Opcode::tt_load:
  case Opcode::tt_store:
  case Opcode::tt_atomic_rmw:
  case Opcode::tt_atomic_cas:
  case Opcode::tt_atomic_load:
  case Opcode::tt_atomic_store:
  case Opcode::tt_atomic_poll: return op->numResults() && op->result(0)->type->isTensor() ? homes[op->result(0)->id].enc : memoryLayout(op);
  case Opcode::tt_dot: {
    const DotChoice &c = dots[op];
    return i == 2 ? c.acc : i == 0 ? (c.aShared ? nullptr : c.a) : c.bShared ? nullptr : c.b;
  }
  case Opcode::scf_for: return i >= 3 ? carried(op->result(i - 3)) : nullptr;
  case Opcode::scf_while: return carried(op->region(0)->front()->arg(i));
  case Opcode::scf_condition: return i ? carried(op->parentOp()->result(i - 1)) : nullptr;
  case Opcode::scf_yield:
    if (op->parentOp()->is(Opcode::scf_while)) return carried(op->parentOp()->region(0)->front()->arg(i));
    return carried(op->parentOp()->result(i));
  case Opcode::cf_br: return carried(op->succ(0)->arg(i));
  case Opcode::cf_cond_br:
    for (unsigned s = 0; s < 2; ++s) {
      unsigned first, count;
      op->slotRange(s + 1, &first, &count);
      if (i >= first && i < first + count) return carried(op->succ(s)->arg(i - first));
    }
    return nullptr;
  case Opcode::tt_reduce:
  case Opcode::tt_scan:
  case Opcode::tt_map_elementwise:
  case Opcode::tt_join:
  case Opcode::tt_cat:
  case Opcode::tt_split: return opLayout[op];
  case Opcode::tt_gather: return i == 1 ? homes[op->result(0)->id].enc : nullptr;
  case Opcode::tt_histogram: return i == 1 ? anyLayout(op->operand(0)) : nullptr;
  case Opcode::tt_trans:
  case Opcode::tt_reshape: return homeOf(v).enc;
  default:
    if (op->info().has(TraitElementwise) && op->numResults() && op->result(0)->type->isTensor()) return homes[op->result(0)->id].enc;
    return nullptr;
  }
}

tessera::Status Assigner::run() {
  planWarps();
  axis = std::make_unique<AxisInfoAnalysis>(kernel);
  prepareDots();
  collect();
  for (unsigned guard = 0; guard < 10000; ++guard) {
    propagate();
    if (!resolveByDemand() && !resolveDefault()) break;
  }
  setTypes();
  for (Block *b = kernel->region(0)->first; b; b = b->next) rewriteBlock(b);
  eraseUnused();
  setModuleAttributes();
  return {};
}

tessera::Status assign_layouts(Module &m, Op *kernel, const GpuOptions &o) {
  bool encoded = false, clusters = o.num_ctas > 1;
  kernel->walk([&](Op *op) {
    for (unsigned i = 0; i < op->numResults(); ++i) encoded |= op->result(i)->type->isTensor() && op->result(i)->type->enc;
  });
  if (encoded) return {}; // text that came with layouts
  if (clusters) return tessera::fail(tessera::Code::UNSUPPORTED, "not implemented: clusters of %u CTAs", o.num_ctas);
  if (o.num_warps & (o.num_warps - 1))
    return tessera::fail(tessera::Code::INVALID_ARGUMENT, "num_warps is %u: expected a power of two", o.num_warps);
  bool odd = false;
  kernel->walk([&](Op *op) {
    for (unsigned i = 0; i < op->numResults(); ++i)
      if (op->result(i)->type->isTensor())
        for (int64_t d : op->result(i)->type->shape) odd |= d <= 0 || (d & (d - 1));
  });
  if (odd) return tessera::fail(tessera::Code::UNSUPPORTED, "not implemented: tiles whose sizes are not powers of two");
  TESSERA_TRY(rewrite_descriptors(m, kernel));
  return Assigner(m, kernel, o).run();
}

} // namespace tcodegen::gpu
