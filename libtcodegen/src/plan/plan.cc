// SPDX-License-Identifier: MIT
#include "plan.hh"
#include <algorithm>

namespace tcodegen {
using namespace tir;
using tessera::Code;
using tessera::Status;

namespace tko = tessera::tko;

tko::Kind kindOf(Type t) {
  if (t->isPtr()) return tko::Kind::ptr;
  if (t->isDesc()) return tko::Kind::tensordesc;
  if (t->isInt()) switch (t->width) {
    case 1: return tko::Kind::i1;
    case 8: return tko::Kind::i8;
    case 16: return tko::Kind::i16;
    case 32: return tko::Kind::i32;
    case 64: return tko::Kind::i64;
    default: return tko::Kind::none;
    }
  if (t->isFloat()) switch (t->fkind) {
    case FloatKind::F16: return tko::Kind::f16;
    case FloatKind::BF16: return tko::Kind::bf16;
    case FloatKind::F32: return tko::Kind::f32;
    case FloatKind::F64: return tko::Kind::f64;
    case FloatKind::F8E4M3FN: return tko::Kind::f8e4m3fn;
    case FloatKind::F8E5M2: return tko::Kind::f8e5m2;
    case FloatKind::F8E4M3FNUZ: return tko::Kind::f8e4m3fnuz;
    case FloatKind::F8E5M2FNUZ: return tko::Kind::f8e5m2fnuz;
    default: break;
    }
  return tko::Kind::none;
}

unsigned storageBytes(Type elem) {
  if (elem->isPtr()) return 8;
  if (elem->isInt() || elem->isFloat()) return elem->width <= 8 ? 1 : elem->width / 8;
  return 8;
}

bool isIndexMap(Opcode c) {
  switch (c) {
  case Opcode::tt_splat:
  case Opcode::tt_broadcast:
  case Opcode::tt_expand_dims:
  case Opcode::tt_reshape:
  case Opcode::tt_trans:
  case Opcode::tt_join:
  case Opcode::tt_split:
  case Opcode::tt_cat:
  case Opcode::tt_make_range:
  case Opcode::arith_constant: return true;
  default: return false;
  }
}

bool isVirtualizable(const Op *op) {
  if (isIndexMap(op->code)) return true;
  switch (op->code) {
  case Opcode::tt_load: return true;
  case Opcode::tt_gather:
  case Opcode::tt_descriptor_load:
  case Opcode::tt_descriptor_gather: return true;
  case Opcode::ub_poison: return true;
  case Opcode::tt_extern_elementwise: return op->intAttr("pure", 0);
  case Opcode::tt_elementwise_inline_asm: return false;
  default: break;
  }
  uint32_t t = op->info().traits;
  return (t & TraitElementwise) && (t & TraitPure) && !op->nregs;
}

Value *baseArgument(Value *p) {
  for (int guard = 0; p && guard < 1000; ++guard) {
    if (p->isArg()) {
      Op *owner = p->block->parentOp();
      if (owner && owner->is(Opcode::tt_func)) return p;
      if (owner && owner->is(Opcode::scf_for) && p->index > 0 && !p->type->isDesc()) {
        // The initial value decides, if the loop only steps along: it may also exchange pointers.
        Value *next = owner->region(0)->front()->last->operand(p->index - 1);
        for (int steps = 0; steps < 16 && next != p && next->def && next->def->is(Opcode::tt_addptr); ++steps)
          next = next->def->operand(0);
        if (next != p) return nullptr;
        p = owner->operand(3 + p->index - 1);
        continue;
      }
      return nullptr;
    }
    Op *op = p->def;
    switch (op->code) {
    case Opcode::tt_addptr:
    case Opcode::tt_splat:
    case Opcode::tt_broadcast:
    case Opcode::tt_expand_dims:
    case Opcode::tt_reshape:
    case Opcode::tt_trans:
    case Opcode::tt_bitcast:
    case Opcode::tt_make_tensor_descriptor: p = op->operand(0); break;
    default: return nullptr;
    }
  }
  return nullptr;
}

namespace {

bool isLoad(const Op *op) {
  return op->is(Opcode::tt_load) || op->is(Opcode::tt_descriptor_load) || op->is(Opcode::tt_descriptor_gather);
}

constexpr int kMany = 6; // evaluation points that are told apart

/// Where a value is evaluated: the roots whose nests compute it.
struct Points {
  Op *at[kMany];
  int n = 0;
  bool many = false;
  bool nested = false; // some point lies in another block than the definition
  void add(Op *op) {
    for (int i = 0; i < n; ++i)
      if (at[i] == op) return;
    if (n == kMany) many = true;
    else at[n++] = op;
  }
  void add(const Points &o) {
    for (int i = 0; i < o.n; ++i) add(o.at[i]);
    many |= o.many;
    nested |= o.nested;
  }
  bool empty() const { return !n; }
  bool several() const { return n > 1 || many; }
};

struct Planner {
  Module &m;
  Op *func;
  Plan plan;
  std::vector<Points> points; // by value id
  std::vector<int> cost;      // by value id: work of one element when everything upstream is recomputed
  std::vector<bool> loads;    // by value id: recomputing it reads memory
  std::vector<Op *> order;    // operations in program order

  Planner(Module &m, Op *func) : m(m), func(func) {
    plan.home.assign(m.num_values, Home::None);
    plan.buffer.assign(m.num_values, -1);
    plan.induction.assign(m.num_values, -1);
    plan.pos.assign(m.num_ops, 0);
    plan.end.assign(m.num_ops, 0);
    plan.in_place.assign(m.num_ops, false);
    plan.writes.assign(m.num_ops, false);
    plan.fused.assign(m.num_ops, nullptr);
    points.resize(m.num_values);
    cost.assign(m.num_values, 0);
    loads.assign(m.num_values, false);
  }

  static bool tile(const Value *v) { return v->type->isTensor(); }

  // ---- numbering -----------------------------------------------------------------------------------------

  void number(Region *region, uint32_t &n) {
    for (Block *b = region->first; b; b = b->next)
      for (Op *op = b->first; op; op = op->next) {
        plan.pos[op->id] = n++;
        order.push_back(op);
        bool w = op->info().traits & TraitWrites;
        if (isLoad(op) && op->intAttr("isVolatile")) w = true;
        // The combiner of a reduction is no code of its own: it is expanded inside the nest.
        bool own = op->is(Opcode::tt_reduce) || op->is(Opcode::tt_scan) || op->is(Opcode::tt_map_elementwise);
        for (unsigned r = 0; r < op->nregs && !own; ++r) {
          number(op->region(r), n);
          for (Block *ib = op->region(r)->first; ib; ib = ib->next)
            for (Op *io = ib->first; io; io = io->next) w = w || plan.writes[io->id];
        }
        plan.writes[op->id] = w;
        plan.end[op->id] = n - 1;
      }
  }

  // ---- loop-carried tiles --------------------------------------------------------------------------------

  /// Is `v` computed outside `loop`, or by pure virtual operations from values outside it?
  bool invariant(Value *v, Op *loop, int depth = 0) {
    Block *b = v->parentBlock();
    bool inside = false;
    for (Op *o = b->parentOp(); o; o = o->parentOp())
      if (o == loop) inside = true;
    if (!inside) return true;
    if (v->isArg() || depth > 16 || !tile(v)) return false; // a scalar inside is not there yet when it is needed
    Op *op = v->def;
    if (isLoad(op) || op->nregs || !(op->info().traits & TraitPure)) return false;
    if (tile(v) && !isVirtualizable(op)) return false;
    for (unsigned i = 0; i < op->numOperands(); ++i)
      if (!invariant(op->operand(i), loop, depth + 1)) return false;
    return true;
  }

  bool induction(Op *loop, unsigned i) {
    Block *body = loop->region(0)->front();
    Op *yield = body->last;
    Value *arg = body->arg(i + 1), *v = yield->operand(i);
    Type scalar = arg->type->scalar();
    if (!(scalar->isPtr() || scalar->isInt()) || scalar->isInt(1)) return false;
    Induction ind{loop, i, {}};
    while (v != arg) {
      Op *op = v->def;
      if (!op || op->parent != body || ind.steps.size() == 8) return false;
      if (op->is(Opcode::tt_addptr) || op->is(Opcode::arith_subi)) {
        if (!invariant(op->operand(1), loop)) return false;
        ind.steps.push_back({op, op->operand(1)});
        v = op->operand(0);
      } else if (op->is(Opcode::arith_addi)) {
        unsigned inc = invariant(op->operand(1), loop) ? 1 : 0;
        if (!invariant(op->operand(inc), loop)) return false;
        ind.steps.push_back({op, op->operand(inc)});
        v = op->operand(1 - inc);
      } else return false;
    }
    int id = (int)plan.inductions.size();
    plan.inductions.push_back(ind);
    for (Value *x : {arg, loop->result(i)}) {
      plan.home[x->id] = Home::Induction;
      plan.induction[x->id] = id;
    }
    return true;
  }

  int newBuffer(Value *v) {
    BufferPlan b;
    b.elem = v->type->scalar();
    b.count = v->type->count();
    b.bytes = (uint64_t)b.count * storageBytes(b.elem);
    plan.buffers.push_back(b);
    return (int)plan.buffers.size() - 1;
  }
  void setBuffer(Value *v, int id) {
    plan.home[v->id] = Home::Buffer;
    plan.buffer[v->id] = id;
  }
  void giveBuffer(Value *v) {
    if (plan.buffer[v->id] < 0) setBuffer(v, newBuffer(v));
  }

  /// Tiles that cross control flow: block arguments and results of scf operations.
  void carried() {
    for (Op *op : order) {
      if (op->is(Opcode::scf_for)) {
        Block *body = op->region(0)->front();
        for (unsigned i = 0; i < op->numResults(); ++i) {
          if (!tile(op->result(i)) || induction(op, i)) continue;
          int id = newBuffer(op->result(i));
          setBuffer(op->result(i), id);
          setBuffer(body->arg(i + 1), id);
        }
      } else if (op->is(Opcode::scf_while)) {
        Block *before = op->region(0)->front(), *after = op->region(1)->front();
        for (unsigned i = 0; i < before->numArgs(); ++i)
          if (tile(before->arg(i))) giveBuffer(before->arg(i));
        for (unsigned i = 0; i < op->numResults(); ++i)
          if (tile(op->result(i))) {
            int id = newBuffer(op->result(i));
            setBuffer(op->result(i), id);
            setBuffer(after->arg(i), id);
          }
      } else if (op->is(Opcode::scf_if)) {
        for (unsigned i = 0; i < op->numResults(); ++i)
          if (tile(op->result(i))) giveBuffer(op->result(i));
      }
    }
    for (Block *b = func->region(0)->front()->next; b; b = b->next)
      for (unsigned i = 0; i < b->numArgs(); ++i)
        if (tile(b->arg(i))) giveBuffer(b->arg(i));
  }

  // ---- cost ----------------------------------------------------------------------------------------------

  static int ownCost(const Op *op) {
    switch (op->code) {
    case Opcode::arith_constant:
    case Opcode::tt_splat:
    case Opcode::tt_make_range:
    case Opcode::tt_expand_dims:
    case Opcode::tt_broadcast:
    case Opcode::arith_extf:
    case Opcode::arith_extsi:
    case Opcode::arith_extui: return 0;
    case Opcode::tt_gather: return 4;
    case Opcode::arith_divf:
    case Opcode::tt_precise_divf:
    case Opcode::math_sqrt: return 4;
    case Opcode::arith_divsi:
    case Opcode::arith_divui:
    case Opcode::arith_remsi:
    case Opcode::arith_remui: return 12;
    case Opcode::tt_extern_elementwise: return 16;
    default: break;
    }
    if (op->info().traits & TraitFloatMath) return 12;
    if (isLoad(op)) return 2;
    return 1;
  }

  void costs() {
    for (Op *op : order) {
      if (!op->numResults() || !tile(op->result(0)) || !isVirtualizable(op)) continue;
      int c = ownCost(op);
      bool ld = isLoad(op);
      for (unsigned i = 0; i < op->numOperands(); ++i) {
        Value *v = op->operand(i);
        if (!tile(v)) continue;
        // Work below a broadcast happens once per row, not once per element.
        bool spread = op->is(Opcode::tt_broadcast) && v->type->count() * 4 <= op->result(0)->type->count();
        c += spread ? cost[v->id] / 8 : cost[v->id];
        if (plan.home[v->id] == Home::None) ld = ld || loads[v->id];
      }
      for (unsigned r = 0; r < op->numResults(); ++r) {
        cost[op->result(r)->id] = std::min(c, 100000);
        loads[op->result(r)->id] = ld;
      }
    }
  }

  // ---- homes ---------------------------------------------------------------------------------------------

  /// The points at which operand `u` forces its value to be evaluated.
  void pointsOfUse(const Use *u, const Value *v, Points &p) {
    Op *user = u->owner;
    if (user->is(Opcode::scf_yield)) {
      Op *loop = user->parentOp();
      // The next value of an induction is never computed: it follows from the iteration number.
      if (loop && loop->is(Opcode::scf_for) && plan.home[loop->result(u->index())->id] == Home::Induction) return;
    }
    if (user->is(Opcode::scf_for)) {
      unsigned k = u->index();
      if (k < 3) return p.add(user);
      Value *r = user->result(k - 3);
      if (plan.home[r->id] == Home::Induction) { // evaluated wherever the induction is
        Points q = points[r->id];
        q.add(points[user->region(0)->front()->arg(k - 2)->id]);
        q.nested = true;
        p.add(q);
        p.add(user);
        return;
      }
      p.add(user);
      return;
    }
    Value *r = user->numResults() ? user->result(0) : nullptr;
    bool virt = r && tile(r) && plan.home[r->id] == Home::Virtual;
    if (virt && isVirtualizable(user)) {
      for (unsigned i = 0; i < user->numResults(); ++i) p.add(points[user->result(i)->id]);
    } else p.add(user);
  }

  /// Does evaluating `from` reach `target` by a path that is not the identity on elements?
  bool movesElements(Value *from, Value *target, bool moved, int depth) {
    if (from == target) return moved;
    if (depth > 64) return true;
    if (from->isArg() || plan.home[from->id] == Home::Buffer) return false;
    Op *op = from->def;
    if (!tile(from) || !isVirtualizable(op)) return false;
    bool map = isIndexMap(op->code) || op->is(Opcode::tt_gather);
    for (unsigned i = 0; i < op->numOperands(); ++i)
      if (tile(op->operand(i)) && movesElements(op->operand(i), target, moved || map, depth + 1)) return true;
    return false;
  }

  /// May executing `w` change what `load` reads, when the load happens inside or after it?
  bool conflict(Op *load, Op *w, bool at_root) {
    if (!plan.writes[w->id] || w == load) return false;
    if (!at_root) return true; // even through another argument: the two may be one buffer
    if (!w->is(Opcode::tt_store)) return true;
    Value *lp = load->operand(0), *sp = w->operand(0);
    Value *lb = baseArgument(lp), *sb = baseArgument(sp);
    if (lb && sb && lb != sb) return false;
    if (lp != sp) return true;
    for (unsigned i = 0; i < w->numOperands(); ++i)
      if (tile(w->operand(i)) && movesElements(w->operand(i), load->result(), false, 0)) return true;
    return false;
  }

  bool loadMustStay(Op *op, const Points &p) {
    if (op->intAttr("isVolatile")) return true;
    uint32_t last = 0;
    for (int i = 0; i < p.n; ++i) last = std::max(last, plan.pos[p.at[i]->id]);
    if (p.many) return true;
    for (Op *o = op->next; o && plan.pos[o->id] <= last; o = o->next) {
      bool root = false;
      for (int i = 0; i < p.n; ++i) root = root || p.at[i] == o;
      bool is_last = plan.pos[o->id] == last;
      if (conflict(op, o, root && is_last)) return true;
    }
    return false;
  }

  void inductionPoints(Op *loop) {
    Block *body = loop->region(0)->front();
    for (unsigned i = 0; i < loop->numResults(); ++i) {
      if (plan.home[loop->result(i)->id] != Home::Induction) continue;
      for (Value *v : {loop->result(i), body->arg(i + 1)}) {
        Points p;
        for (const Use *u = v->uses; u; u = u->next) pointsOfUse(u, v, p);
        points[v->id] = p;
      }
    }
  }

  void decide(Op *op) {
    if (op->is(Opcode::scf_for)) inductionPoints(op);
    for (unsigned i = 0; i < op->numResults(); ++i) {
      Value *v = op->result(i);
      if (!tile(v) || plan.home[v->id] != Home::None) continue;
      Points p;
      for (const Use *u = v->uses; u; u = u->next) pointsOfUse(u, v, p);
      for (int k = 0; k < p.n; ++k)
        if (p.at[k]->parent != op->parent) p.nested = true;
      points[v->id] = p;
    }
    if (!op->numResults()) return;
    Value *r0 = op->result(0);
    if (!tile(r0) || plan.home[r0->id] != Home::None) return;
    if (!isVirtualizable(op)) {
      for (unsigned i = 0; i < op->numResults(); ++i)
        if (tile(op->result(i))) giveBuffer(op->result(i));
      return;
    }
    Points p = points[r0->id];
    for (unsigned i = 1; i < op->numResults(); ++i) p.add(points[op->result(i)->id]);
    bool buffer = false;
    if (!p.empty() && !isIndexMap(op->code)) {
      int c = cost[r0->id];
      if (p.nested && (loads[r0->id] || c > 6)) buffer = true;
      else if (isLoad(op) && loadMustStay(op, p)) buffer = true;
      else if (p.several() && c > 8) buffer = true;
      else if (c > 150) buffer = true;
    }
    for (unsigned i = 0; i < op->numResults(); ++i) {
      Value *v = op->result(i);
      if (!buffer) plan.home[v->id] = Home::Virtual;
      else {
        giveBuffer(v);
        points[v->id] = Points();
      }
    }
  }

  /// A gather's source and the like are read at computed places: they need storage.
  void forced() {
    for (Op *op : order) {
      if (op->is(Opcode::tt_gather)) force(op->operand(0));
    }
  }
  void force(Value *v) {
    if (!tile(v) || plan.home[v->id] != Home::None || v->isArg()) return;
    giveBuffer(v);
  }

  // ---- sharing storage -----------------------------------------------------------------------------------

  uint32_t lastUse(Value *v) { // within the block of its definition; ~0 when used elsewhere
    uint32_t last = 0;
    for (const Use *u = v->uses; u; u = u->next) {
      Points p;
      pointsOfUse(u, v, p);
      if (p.many) return ~0u;
      for (int i = 0; i < p.n; ++i) {
        if (p.at[i]->parent != v->parentBlock()) {
          // inside a nested region: up to the end of the operation of this block that holds it
          Op *o = p.at[i];
          while (o && o->parent != v->parentBlock()) o = o->parentOp();
          if (!o) return ~0u;
          last = std::max(last, plan.end[o->id]);
          continue;
        }
        last = std::max(last, plan.pos[p.at[i]->id]);
      }
    }
    return last;
  }

  /// Every path from what `op` evaluates to `v` keeps elements in place.
  bool readsInPlace(Op *op, Value *v) {
    for (unsigned i = 0; i < op->numOperands(); ++i) {
      bool acc = op->is(Opcode::tt_dot) && i == 2;
      if (op->is(Opcode::tt_dot) && !acc) {
        if (reaches(op->operand(i), v, 0)) return false;
        continue;
      }
      if (tile(op->operand(i)) && movesElements(op->operand(i), v, false, 0)) return false;
    }
    return true;
  }
  bool reaches(Value *from, Value *target, int depth) {
    if (from == target) return true;
    if (depth > 64) return true;
    if (from->isArg() || !tile(from)) return false;
    if (plan.home[from->id] != Home::Virtual) return false;
    for (unsigned i = 0; i < from->def->numOperands(); ++i)
      if (reaches(from->def->operand(i), target, depth + 1)) return true;
    return false;
  }

  /// y = op(…, arg, …); yield y: let y be computed in the buffer that the loop carries.
  void shareCarried() {
    for (Op *loop : order) {
      if (!loop->is(Opcode::scf_for)) continue;
      Block *body = loop->region(0)->front();
      Op *yield = body->last;
      for (unsigned i = 0; i < loop->numResults(); ++i) {
        Value *arg = body->arg(i + 1), *y = yield->operand(i);
        if (!tile(arg) || plan.home[arg->id] != Home::Buffer) continue;
        Op *op = y->def;
        if (!op || op->parent != body || plan.home[y->id] != Home::Buffer || y->type != arg->type) continue;
        bool simple = op->is(Opcode::tt_dot) || (isVirtualizable(op) && op->numResults() == 1);
        if (!simple) continue;
        uint32_t last = lastUse(arg);
        if (last == ~0u || last > plan.pos[op->id]) continue;
        if (!readsInPlace(op, arg)) continue;
        bool twice = false;
        for (unsigned k = 0; k < i; ++k) twice = twice || yield->operand(k) == y;
        if (twice) continue;
        plan.buffer[y->id] = plan.buffer[arg->id];
      }
    }
    // A dot whose accumulator dies in it works in the accumulator's storage.
    for (Op *op : order) {
      if (!op->is(Opcode::tt_dot)) continue;
      Value *c = op->operand(2), *d = op->result();
      if (plan.home[c->id] != Home::Buffer || plan.home[d->id] != Home::Buffer) continue;
      if (plan.buffer[c->id] == plan.buffer[d->id]) {
        plan.in_place[op->id] = true;
        continue;
      }
      if (c->isArg() || c->def->parent != op->parent || c->type != d->type) continue;
      Opcode k = c->def->code;
      if (k == Opcode::scf_for || k == Opcode::scf_while || k == Opcode::scf_if) continue; // storage owned by a loop
      bool carried_elsewhere = false;
      for (const Value *x : sharers(plan.buffer[d->id]))
        if (x != d) carried_elsewhere = true;
      uint32_t last = lastUse(c);
      if (last == ~0u || last > plan.pos[op->id] || !readsInPlace(op, c) || carried_elsewhere) continue;
      if (sharers(plan.buffer[c->id]).size() != 1) continue;
      plan.buffer[d->id] = plan.buffer[c->id];
      plan.in_place[op->id] = true;
    }
  }
  std::vector<Value *> sharers(int buffer) {
    std::vector<Value *> out;
    auto see = [&](Value *v) {
      if (plan.buffer[v->id] == buffer) out.push_back(v);
    };
    for (Op *op : order) {
      for (unsigned i = 0; i < op->numResults(); ++i) see(op->result(i));
      for (unsigned r = 0; r < op->nregs; ++r)
        for (Block *b = op->region(r)->first; b; b = b->next)
          for (unsigned i = 0; i < b->numArgs(); ++i) see(b->arg(i));
    }
    return out;
  }

  // ---- nests that do two things ------------------------------------------------------------------------------

  /// Does evaluating `from` compute `v` at the same index, by elementwise operations only?
  bool reachesInPlace(Value *from, Value *v, int depth) {
    if (from == v) return true;
    if (depth > 32 || from->isArg() || plan.home[from->id] != Home::Virtual || !tile(from)) return false;
    if (!(from->def->info().traits & TraitElementwise)) return false;
    for (unsigned i = 0; i < from->def->numOperands(); ++i)
      if (reachesInPlace(from->def->operand(i), v, depth + 1)) return true;
    return false;
  }

  /// A tile that is stored for later and reduced next is stored by the reduction's nest, which computes it anyway.
  /// Only computations may stand between. What the tile is computed from must then live until the reduction.
  void fuse() {
    for (Op *op : order) {
      if (op->numResults() != 1 || !tile(op->result()) || !isVirtualizable(op)) continue;
      Value *v = op->result();
      if (plan.home[v->id] != Home::Buffer) continue;
      for (Op *o = op->next; o; o = o->next) {
        if (o->is(Opcode::tt_reduce)) {
          for (unsigned i = 0; i < o->numOperands(); ++i)
            if (reachesInPlace(o->operand(i), v, 0)) plan.fused[op->id] = o;
          break;
        }
        if (!(o->info().traits & TraitPure) || o->nregs || !o->numResults() || o->is(Opcode::tt_unsplat)) break;
        bool stored = false;
        for (unsigned i = 0; i < o->numResults(); ++i)
          stored = stored || (tile(o->result(i)) && plan.home[o->result(i)->id] == Home::Buffer);
        if (stored) break;
      }
    }
  }

  // ---- storage -------------------------------------------------------------------------------------------

  /// Innermost-to-outermost: a value that lives across a loop it was defined outside of lives to the loop's end.
  void extend(BufferPlan &b, Op *at, Block *def_block) {
    uint32_t lo = plan.pos[at->id], hi = plan.end[at->id];
    for (Op *o = at; o; o = o->parentOp()) {
      if (o->parent == def_block) {
        hi = std::max(hi, plan.end[o->id]);
        break;
      }
      if (o->is(Opcode::tt_func)) break;
    }
    b.first = std::min(b.first, lo);
    b.last = std::max(b.last, hi);
  }

  void lifetimes() {
    bool cfg = func->region(0)->front()->next; // unstructured: no reuse of storage
    auto see = [&](Value *v, Op *def) {
      if (plan.home[v->id] != Home::Buffer) return;
      BufferPlan &b = plan.buffers[plan.buffer[v->id]];
      if (cfg || !def) {
        b.first = 0;
        b.last = ~0u;
        return;
      }
      Block *db = v->isArg() && def->parent ? def->parent : v->parentBlock();
      b.first = std::min(b.first, plan.pos[def->id]);
      b.last = std::max(b.last, v->isArg() ? plan.end[def->id] : plan.pos[def->id]);
      if (def->is(Opcode::scf_for) || def->is(Opcode::scf_while) || def->is(Opcode::scf_if))
        b.last = std::max(b.last, plan.end[def->id]);
      usesOf(v, [&](Op *u) { extend(b, u, db); }, 0);
    };
    for (Op *op : order) {
      for (unsigned i = 0; i < op->numResults(); ++i) see(op->result(i), op);
      for (unsigned r = 0; r < op->nregs; ++r)
        for (Block *b = op->region(r)->first; b; b = b->next)
          for (unsigned i = 0; i < b->numArgs(); ++i) see(b->arg(i), op);
    }
    for (Block *b = func->region(0)->front(); b; b = b->next)
      for (unsigned i = 0; i < b->numArgs(); ++i) see(b->arg(i), nullptr);
  }
  /// Calls f for every operation whose nest may read v, directly or through virtual values.
  template <class F> void usesOf(Value *v, F f, int depth) {
    for (const Use *u = v->uses; u; u = u->next) {
      Op *o = u->owner;
      f(o);
      if (plan.fused[o->id]) f(plan.fused[o->id]);
      if (depth > 200) continue;
      for (unsigned i = 0; i < o->numResults(); ++i) {
        Value *r = o->result(i);
        if (plan.home[r->id] == Home::Virtual || plan.home[r->id] == Home::Induction) {
          usesOf(r, f, depth + 1);
          if (plan.home[r->id] == Home::Induction && o->is(Opcode::scf_for))
            usesOf(o->region(0)->front()->arg(i + 1), f, depth + 1);
        }
      }
    }
  }

  void layOut() {
    std::vector<int> ids;
    for (size_t i = 0; i < plan.buffers.size(); ++i)
      if (plan.buffers[i].first != ~0u) ids.push_back((int)i);
    std::stable_sort(ids.begin(), ids.end(),
                     [&](int a, int b) { return plan.buffers[a].first < plan.buffers[b].first; });
    std::vector<int> placed;
    uint64_t top = 512; // the first bytes take the accesses of masked-off lanes
    for (int id : ids) {
      BufferPlan &b = plan.buffers[id];
      uint64_t size = (b.bytes + 127) & ~uint64_t(63); // one spare line: packed reads may run past the end
      std::vector<std::pair<uint64_t, uint64_t>> busy;
      for (int o : placed) {
        BufferPlan &x = plan.buffers[o];
        if (x.last >= b.first && b.last >= x.first) busy.push_back({x.offset, x.offset + ((x.bytes + 127) & ~uint64_t(63))});
      }
      std::sort(busy.begin(), busy.end());
      uint64_t at = 512;
      for (auto &[lo, hi] : busy) {
        if (at + size <= lo) break;
        at = std::max(at, hi);
      }
      b.offset = at;
      top = std::max(top, at + size);
      placed.push_back(id);
    }
    plan.arena_bytes = (top + 4095) & ~uint64_t(4095);
  }

  Status run() {
    uint32_t n = 1;
    number(func->region(0), n);
    carried();
    costs();
    forced();
    for (size_t i = order.size(); i-- > 0;) decide(order[i]);
    // The tiles that loops carry were given homes first; their evaluation points were filled as they were met.
    fuse();
    shareCarried();
    lifetimes();
    layOut();
    return tessera::ok_status();
  }
};

} // namespace

tessera::Result<Plan> makePlan(Module &module, Op *func) {
  Planner p(module, func);
  Status s = p.run();
  if (!s.ok()) return s;
  return std::move(p.plan);
}

} // namespace tcodegen
