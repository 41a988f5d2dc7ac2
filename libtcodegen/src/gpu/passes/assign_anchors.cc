// SPDX-License-Identifier: MIT
// What fixes layouts: memory accesses (from axis info), matrix instructions, the number of warps.
#include "assign_layouts.hh"
#include "analysis/effects.hh"
#include <algorithm>
#include <bit>
#include <numeric>

namespace tcodegen::gpu {
using namespace tir;

namespace {

bool isMemory(const Op *op) {
  switch (op->code) {
  case Opcode::tt_load:
  case Opcode::tt_store:
  case Opcode::tt_atomic_rmw:
  case Opcode::tt_atomic_cas:
  case Opcode::tt_atomic_load:
  case Opcode::tt_atomic_store:
  case Opcode::tt_atomic_poll: return op->operand(0)->type->isTensor();
  default: return false;
  }
}

/// The tile that an access moves.
const Value *moved(const Op *op) { return op->numResults() && !op->is(Opcode::tt_atomic_rmw) ? op->result(0) : op->operand(1); }

} // namespace

int Assigner::depthOf(const Op *op) const {
  int d = 0;
  for (const Op *p = op->parentOp(); p && p != kernel; p = p->parentOp())
    d += p->is(Opcode::scf_for) || p->is(Opcode::scf_while);
  return d;
}

void Assigner::planWarps() {
  if (o.num_warps) {
    warps = o.num_warps;
    return;
  }
  // 4, unless the tiles are so small that lanes would idle, or so large that a few of them fill the registers.
  int64_t words = 1, dot = 0;
  kernel->walk([&](Op *op) {
    for (unsigned i = 0; i < op->numResults(); ++i) {
      Type t = op->result(i)->type;
      if (!t->isTensor()) continue;
      int64_t bits = t->elem->isPtr() ? 64 : std::max(1u, t->elem->width);
      if (!fluidOp(op)) words = std::max(words, t->count() * std::max<int64_t>(32, bits) / 32);
      if (op->is(Opcode::tt_dot)) dot = std::max(dot, t->count());
    }
  });
  warps = dot >= 128 * 128 ? 8 : 4;
  if (dot && words > 128 * 256) warps = 8;
  if (!dot) // a tile in use, one being loaded, one being computed: 64 words each
    warps = static_cast<unsigned>(std::clamp<int64_t>(words / (32 * 64), words >= 128 ? 4 : 1, 16));
  warps = std::bit_ceil(warps);
}

/// Constants, ranges, program ids and what is computed from them alone.
bool Assigner::cheap(const Value *v, unsigned depth) const {
  if (!v->type->isTensor()) return true;
  if (!v->def || !fluidOp(v->def) || depth > 24) return false;
  for (unsigned i = 0; i < v->def->numOperands(); ++i)
    if (!cheap(v->def->operand(i), depth + 1)) return false;
  return true;
}

/// The load that `v` is a cast (or transpose) of, else null.
const Value *Assigner::loadBehind(const Value *v) const {
  for (unsigned steps = 0; v->def && steps < 16; ++steps) {
    const Op *d = v->def;
    if (d->is(Opcode::tt_load) || d->is(Opcode::tt_descriptor_load)) return v;
    bool cast = d->numOperands() == 1 && d->numResults() == 1 && d->info().has(TraitElementwise) && isPure(d);
    if (!cast && !d->is(Opcode::tt_trans)) return nullptr;
    v = d->operand(0);
    if (!v->type->isTensor()) return nullptr;
  }
  return nullptr;
}

/// The result goes into another dot before the iteration ends.
bool Assigner::feedsDot(const Value *result) const {
  std::vector<const Value *> work{result};
  std::vector<bool> seen(m.num_values);
  const Block *home = result->def->parent;
  while (!work.empty()) {
    const Value *v = work.back();
    work.pop_back();
    if (seen[v->id]) continue;
    seen[v->id] = true;
    for (const Use *u = v->uses; u; u = u->next) {
      const Op *user = u->owner;
      if (user->parent != home) continue;
      if (user->is(Opcode::tt_dot)) {
        if (u->index() < 2) return true;
        continue;
      }
      if (user->is(Opcode::tt_reduce)) continue;
      for (unsigned i = 0; i < user->numResults(); ++i) work.push_back(user->result(i));
    }
  }
  return false;
}

/// An operand was computed from another dot of the same iteration.
bool Assigner::comesFromDot(const Value *v, const Block *home, unsigned depth) const {
  const Op *d = v->def;
  if (!d || d->parent != home || depth > 24 || !v->type->isTensor()) return false;
  if (d->is(Opcode::tt_dot)) return true;
  for (unsigned i = 0; i < d->numOperands(); ++i)
    if (comesFromDot(d->operand(i), home, depth + 1)) return true;
  return false;
}

DotChoice Assigner::chooseFor(Op *dot) {
  DotQuery q;
  q.a = dot->operand(0)->type;
  q.b = dot->operand(1)->type;
  q.acc = dot->operand(2)->type;
  q.precision = static_cast<unsigned>(dot->intAttr("inputPrecision", 2));
  q.numWarps = warps;
  q.capability = o.capability;
  q.archSpecific = o.arch_specific;
  q.chained = feedsDot(dot->result(0)) || comesFromDot(dot->operand(0), dot->parent, 0) ||
              comesFromDot(dot->operand(1), dot->parent, 0);
  const Value *loads[] = {loadBehind(dot->operand(0)), loadBehind(dot->operand(1))};
  q.aFromRegisters = !loads[0] || loads[0]->type->elem != q.a->elem;
  for (unsigned i = 0; i < 2; ++i) {
    const Value *v = loads[i];
    if (!v) continue;
    unsigned bits = v->type->elem->width;
    if (bits < dot->operand(i)->type->elem->width) q.operandBits = q.operandBits ? std::min(q.operandBits, bits) : bits;
    // Which dimension of the operand is contiguous in memory: that of the load, through the transposes between.
    unsigned rank = v->type->rank(), minor = rank - 1;
    if (v->def->is(Opcode::tt_load)) {
      int64_t best = 0;
      for (unsigned d = rank; d-- > 0;)
        if (int64_t run = axis->likelyRun(v->def->operand(0), d); run > best) best = run, minor = d;
    }
    std::vector<const Op *> path;
    for (const Value *w = dot->operand(i); w != v; w = w->def->operand(0)) path.push_back(w->def);
    for (size_t k = path.size(); k-- > 0;)
      if (path[k]->is(Opcode::tt_trans)) {
        Attr order = path[k]->attr("order");
        for (unsigned d = 0; d < rank; ++d)
          if (order->ints[d] == minor) {
            minor = d;
            break;
          }
      }
    (i ? q.bKMinor : q.aKMinor) = minor == (i ? rank - 2 : rank - 1);
  }
  return chooseDot(q);
}

/// Operands that the chosen instruction takes in another type are cast; so is an accumulator that is summed wider.
void Assigner::prepareDots() {
  std::vector<Op *> found;
  kernel->walk([&](Op *op) {
    if (op->is(Opcode::tt_dot)) found.push_back(op);
  });
  auto cast = [&](Op *before, Value *v, Type elem) {
    Type from = v->type->elem;
    Opcode code = from->width == 8 ? Opcode::tt_fp_to_fp : from->width < elem->width ? Opcode::arith_extf : Opcode::arith_truncf;
    Op *c = m.create({.code = code, .loc = before->loc, .operands = {v}, .results = {ctx.like(v->type, elem)}});
    before->parent->insertBefore(c, before);
    return c->result(0);
  };
  for (Op *dot : found) {
    DotChoice c = chooseFor(dot);
    Type elems[] = {c.aElem, c.bElem};
    for (unsigned i = 0; i < 2; ++i)
      if (elems[i] && elems[i] != dot->operand(i)->type->elem) dot->setOperand(i, cast(dot, dot->operand(i), elems[i]));
    Value *d = dot->result(0);
    if (!c.accElem || c.accElem == d->type->elem || !d->type->elem->isFloat()) continue;
    Type narrow = d->type->elem;
    dot->setOperand(2, cast(dot, dot->operand(2), c.accElem));
    d->type = ctx.like(d->type, c.accElem);
    Op *back = m.create({.code = Opcode::arith_truncf, .loc = dot->loc, .operands = {d}, .results = {ctx.like(d->type, narrow)}});
    dot->parent->insertBefore(back, dot->next);
    for (Use *u = d->uses; u;) {
      Use *next = u->next;
      if (u->owner != back) u->set(back->result(0));
      u = next;
    }
  }
}

/// Casts between a load and a dot happen in the layout of the operand: what is exchanged between threads (or copied
/// to shared memory) is then what was loaded.
void Assigner::sinkBelowDot(Value *v, Attr demanded) {
  if (!loadBehind(v)) return;
  while (v->def && v->def->info().has(TraitElementwise) && v->def->numOperands() == 1 && v->hasOneUse()) {
    if (v->id < forced.size()) forced[v->id] = demanded;
    v = v->def->operand(0);
    if (v->def && v->def->is(Opcode::tt_load)) return;
  }
}

void Assigner::collect() {
  carrierOf.assign(m.num_values, -1);
  forced.assign(m.num_values, nullptr);
  homes.assign(m.num_values, {});
  auto carrier = [&](std::vector<Value *> members) -> int {
    if (!members[0]->type->isTensor()) return -1;
    for (Value *v : members) carrierOf[v->id] = static_cast<int>(carriers.size());
    carriers.push_back({std::move(members), {}, {}, false});
    return static_cast<int>(carriers.size()) - 1;
  };
  kernel->walk([&](Op *op) {
    if (op != kernel) ops.push_back(op);
    if (op->is(Opcode::scf_for)) {
      Block *body = op->region(0)->front();
      for (unsigned i = 0; i < op->numResults(); ++i) {
        int c = carrier({body->arg(i + 1), op->result(i)});
        if (c >= 0) carriers[c].inflows = {{op, 3 + i}, {body->last, i}};
      }
    } else if (op->is(Opcode::scf_if)) {
      for (unsigned i = 0; i < op->numResults(); ++i) {
        int c = carrier({op->result(i)});
        for (unsigned r = 0; c >= 0 && r < op->numRegions(); ++r)
          if (Block *b = op->region(r)->front()) carriers[c].inflows.push_back({b->last, i});
      }
    } else if (op->is(Opcode::scf_while)) {
      Block *before = op->region(0)->front(), *after = op->region(1)->front();
      for (unsigned i = 0; i < before->numArgs(); ++i) {
        int c = carrier({before->arg(i)});
        if (c >= 0) carriers[c].inflows = {{op, i}, {after->last, i}};
      }
      for (unsigned i = 0; i < op->numResults(); ++i) {
        int c = carrier({after->arg(i), op->result(i)});
        if (c >= 0) carriers[c].inflows = {{before->last, i + 1}};
      }
    }
  });
  for (Block *b = kernel->region(0)->first; b; b = b->next) { // unstructured control flow
    if (b == kernel->region(0)->front()) continue;
    for (unsigned i = 0; i < b->numArgs(); ++i) carrier({b->arg(i)});
  }
  for (Op *op : ops) {
    for (unsigned s = 0; s < op->numSuccs(); ++s) {
      unsigned first = 0, count = op->numOperands();
      if (op->is(Opcode::cf_cond_br)) op->slotRange(s + 1, &first, &count);
      for (unsigned i = 0; i < count && i < op->succ(s)->numArgs(); ++i)
        if (int c = carrierOf[op->succ(s)->arg(i)->id]; c >= 0) carriers[c].inflows.push_back({op, first + i});
    }
    if (op->is(Opcode::tt_load) && isMemory(op) && op->result(0)->type->count() <= threads()) lights.push_back(op);
    if (op->is(Opcode::tt_dot)) dots[op] = chooseFor(op);
  }
  for (auto &[dot, c] : dots) {
    if (!c.aShared) sinkBelowDot(dot->operand(0), c.a);
    if (!c.bShared) sinkBelowDot(dot->operand(1), c.b);
  }
  groupMemory();
}

namespace {
struct Access {
  std::vector<unsigned> order;
  unsigned width = 1, full = 1; // elements at once; of them, 16 bytes' worth
};
} // namespace

/// Accesses between which tiles flow element by element get the same number of elements a thread, so that the tiles
/// stay where they are.
void Assigner::groupMemory() {
  std::vector<uint32_t> up(m.num_values);
  std::iota(up.begin(), up.end(), 0u);
  auto find = [&](uint32_t x) {
    while (up[x] != x) x = up[x] = up[up[x]];
    return x;
  };
  auto join = [&](const Value *a, const Value *b) {
    if (a->type->isTensor() && b->type->isTensor() && a->type->rank() == b->type->rank() &&
        std::equal(a->type->shape.begin(), a->type->shape.end(), b->type->shape.begin()))
      up[find(a->id)] = find(b->id);
  };
  for (Op *op : ops)
    if (op->info().has(TraitElementwise) || op->is(Opcode::tt_map_elementwise))
      for (unsigned r = 0; r < op->numResults(); ++r)
        for (unsigned i = 0; i < op->numOperands(); ++i)
          if (!cheap(op->operand(i)) && !op->operand(i)->type->scalar()->isPtr()) join(op->operand(i), op->result(r));
  for (Carrier &c : carriers) {
    if (c.members[0]->type->elem->isPtr()) continue;
    for (Value *v : c.members) join(c.members[0], v);
    for (auto &[op, i] : c.inflows) join(op->operand(i), c.members[0]);
  }
  std::unordered_map<const Op *, Access> accesses;
  std::map<std::pair<uint32_t, std::vector<unsigned>>, std::pair<unsigned, unsigned>> groups; // least full, most
  for (Op *op : ops) {
    if (!isMemory(op)) continue;
    const Value *ptr = op->operand(0);
    Type t = ptr->type;
    Access a;
    a.order.resize(t->rank());
    std::iota(a.order.rbegin(), a.order.rend(), 0u);
    std::stable_sort(a.order.begin(), a.order.end(), [&](unsigned x, unsigned y) { return axis->likelyRun(ptr, x) > axis->likelyRun(ptr, y); });
    unsigned d = a.order[0];
    const Value *mask = op->is(Opcode::tt_load) ? op->slot(1) : op->is(Opcode::tt_store) ? op->slot(2) : nullptr;
    if (mask && !mask->type->isTensor()) mask = nullptr;
    int64_t bytes = pointeeBytes(t), most = std::max<int64_t>(1, t->count() / threads());
    int64_t width = std::min({axis->vectorWidth(ptr, d, mask), std::max<int64_t>(1, 16 / bytes), static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(most)))});
    bool plain = op->is(Opcode::tt_load) || op->is(Opcode::tt_store);
    if (!plain) width = bytes == 2 ? std::min<int64_t>(width, 2) : 1;
    a.width = static_cast<unsigned>(std::max<int64_t>(1, width));
    auto &g = groups[{find(moved(op)->id), a.order}];
    if (plain) {
      if (a.width * bytes >= 16) g.first = g.first ? std::min(g.first, a.width) : a.width;
      g.second = std::max(g.second, a.width);
    }
    accesses[op] = a;
  }
  for (auto &[op, a] : accesses) {
    auto &g = groups[{find(moved(op)->id), a.order}];
    unsigned n = g.first ? g.first : std::max(g.second, 1u);
    bool plain = op->is(Opcode::tt_load) || op->is(Opcode::tt_store);
    perThread[op] = plain ? n : a.width;
    opLayout[op] = blockedFor(ctx, op->operand(0)->type->shape, perThread[op], a.order, warps);
  }
}

Attr Assigner::memoryLayout(Op *op) {
  auto it = opLayout.find(op);
  Attr coalesced = it == opLayout.end() ? nullptr : it->second;
  if (op->is(Opcode::tt_load)) {
    if (std::find(lights.begin(), lights.end(), op) != lights.end()) return homes[op->result(0)->id].enc;
    return coalesced;
  }
  if (!isMemory(op)) return coalesced;
  // A small tile is written from where it is; so is one that atomics take.
  const Value *v = moved(op);
  bool plain = op->is(Opcode::tt_store);
  Home h = homeOf(v);
  if (h && (v->type->count() <= threads() || (!plain && h.weight < 1000))) return h.enc;
  return coalesced;
}

} // namespace tcodegen::gpu
