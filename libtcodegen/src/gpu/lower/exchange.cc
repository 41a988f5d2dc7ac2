// SPDX-License-Identifier: MIT
#include "exchange.hh"
#include "../scratch.hh"
#include "layout/encoding.hh"
#include <algorithm>
#include <bit>

namespace tcodegen::gpu {
using namespace tir;

unsigned storedBits(Type t) {
  t = t->scalar();
  if (t->isPtr() || t->kind == TypeKind::Index) return 64;
  return t->width < 8 ? 8 : t->width;
}

static void append(Columns &to, const Columns &from) { to.insert(to.end(), from.begin(), from.end()); }

bool matchRegisters(const LinearLayout &from, const LinearLayout &to, std::vector<unsigned> *which) {
  for (Dim d : {Dim::Lane, Dim::Warp}) {
    if (from.inBits(d) != to.inBits(d)) return false;
    for (unsigned i = 0; i < from.inBits(d); ++i)
      if (from.basis(d, i) != to.basis(d, i)) return false;
  }
  Columns x;
  if (!gf2::solve(from.columnsOf(Dim::Register), to.columnsOf(Dim::Register), &x)) return false;
  which->clear();
  unsigned n = 1u << to.inBits(Dim::Register);
  for (unsigned r = 0; r < n; ++r) which->push_back((unsigned)gf2::apply(x, r));
  return true;
}

bool planShuffles(const LinearLayout &from, const LinearLayout &to, ShufflePlan *plan) {
  unsigned fromRegs = from.inBits(Dim::Register), toRegs = to.inBits(Dim::Register), warps = to.inBits(Dim::Warp);
  if (from.inBits(Dim::Warp) != warps || from.inBits(Dim::Lane) != 5) return false;
  // Unknowns: (register, lane) of the source, same warp. Right-hand sides: the target's lane, register, warp bits.
  Columns unknowns = from.columnsOf(Dim::Register), rhs = to.columnsOf(Dim::Lane), x;
  append(unknowns, from.columnsOf(Dim::Lane));
  append(rhs, to.columnsOf(Dim::Register));
  for (unsigned i = 0; i < warps; ++i) rhs.push_back(to.basis(Dim::Warp, i) ^ from.basis(Dim::Warp, i));
  if (!gf2::solve(unknowns, rhs, &x)) return false;
  uint64_t regMask = (uint64_t(1) << fromRegs) - 1;
  Columns a, c; // of the target's lane bits: source lane, source register
  for (unsigned i = 0; i < 5; ++i) {
    a.push_back(x[i] >> fromRegs);
    c.push_back(x[i] & regMask);
  }
  // Lanes that read one lane must want one register of it.
  for (uint64_t k : gf2::kernel(a))
    if (gf2::apply(c, k)) return false;
  // G with c = G ∘ a: on a basis of the image of a, extended by anything.
  Columns basis, values;
  for (unsigned i = 0; i < 5; ++i) {
    Columns trial = basis;
    trial.push_back(a[i]);
    if (gf2::rank(trial) == trial.size()) {
      basis = trial;
      values.push_back(c[i]);
    }
  }
  for (uint64_t v : gf2::complement(basis, 5)) {
    basis.push_back(v);
    values.push_back(0);
  }
  Columns unit, coords;
  for (unsigned i = 0; i < 5; ++i) unit.push_back(uint64_t(1) << i);
  gf2::solve(basis, unit, &coords);
  Columns g;
  for (unsigned i = 0; i < 5; ++i) g.push_back(gf2::apply(values, coords[i]));
  plan->lane.clear();
  plan->sent.clear();
  for (uint64_t v : x) plan->lane.push_back(v >> fromRegs);
  for (unsigned i = 0; i < 5; ++i) plan->sent.push_back(g[i]);
  // sent(λ, r, w) = G(λ ^ B r ^ D w) ^ E r ^ F w
  for (unsigned i = 5; i < 5 + toRegs + warps; ++i)
    plan->sent.push_back(gf2::apply(g, plan->lane[i]) ^ (x[i] & regMask));
  Columns varying(plan->sent.begin(), plan->sent.begin() + 5);
  varying.insert(varying.end(), plan->sent.begin() + 5 + toRegs, plan->sent.end());
  plan->ways = 1u << gf2::rank(varying);
  return true;
}

Move classify(const LinearLayout &from, const LinearLayout &to) {
  std::vector<unsigned> which;
  if (matchRegisters(from, to, &which)) return Move::Registers;
  ShufflePlan p;
  unsigned regs = gf2::rank(to.columnsOf(Dim::Register));
  if (planShuffles(from, to, &p) && p.ways <= 4 && regs <= 4) return Move::Shuffles;
  return Move::Shared;
}

// ---- shared memory ---------------------------------------------------------------------------------------------------

static Columns independent(const Columns &modulo, const Columns &v, size_t limit) {
  Columns all = modulo, out;
  for (uint64_t x : v) {
    if (out.size() == limit) break;
    Columns trial = all;
    trial.push_back(x);
    if (gf2::rank(trial) == trial.size()) {
      all = trial;
      out.push_back(x);
    }
  }
  return out;
}

SharedPlan planShared(const LinearLayout &from, const LinearLayout &to, unsigned bits, unsigned capBytes) {
  unsigned total = from.outBits(), bytes = bits / 8;
  Columns common = gf2::intersect(from.columnsOf(Dim::Register), to.columnsOf(Dim::Register));
  // Elements that lie in registers on both sides: first as vectors, then, if the buffer would be large, as rounds.
  unsigned vectorBits = std::min<unsigned>((unsigned)common.size(), (unsigned)std::countr_zero(128u / bits));
  Columns vec(common.begin(), common.begin() + vectorBits);
  Columns rounds;
  for (unsigned i = vectorBits; i < common.size() && (uint64_t(bytes) << (total - rounds.size())) > capBytes; ++i)
    rounds.push_back(common[common.size() - 1 - (i - vectorBits)]);
  Columns fixed = vec;
  append(fixed, rounds);
  // The lanes that are served together: 128 bytes of vectors.
  unsigned line = 7 - (unsigned)std::countr_zero(bytes << vectorBits);
  Columns a = independent(fixed, from.columnsOf(Dim::Lane), std::min(line, 5u));
  Columns b = independent(fixed, to.columnsOf(Dim::Lane), std::min(line, 5u));
  Columns spanA = fixed, spanB = fixed;
  append(spanA, a);
  append(spanB, b);
  Columns both = independent(fixed, gf2::intersect(spanA, spanB), 64);
  Columns base = fixed;
  append(base, both);
  Columns e = independent(base, a, 64), f = independent(base, b, 64);
  // Lines hold what both want side by side and what the writers want; where the readers want something else, it is
  // paired with one of the writers' so that either alone leaves the bank.
  Columns lineCols = both, high;
  append(lineCols, e);
  size_t pairs = std::min(e.size(), f.size());
  for (size_t i = pairs; i < f.size(); ++i) lineCols.push_back(f[i]);
  for (size_t i = 0; i < pairs; ++i) high.push_back(e[i] ^ f[i]);
  Columns all = fixed;
  append(all, lineCols);
  append(all, high);
  Columns rest = gf2::complement(all, total);
  Columns s = vec;
  append(s, lineCols);
  append(s, rest);
  append(s, high);
  SharedPlan p;
  p.offsetBits = (unsigned)s.size();
  p.roundBits = (unsigned)rounds.size();
  append(s, rounds);
  Columns unit;
  for (unsigned i = 0; i < total; ++i) unit.push_back(uint64_t(1) << i);
  gf2::solve(s, unit, &p.inverse);
  p.bytes = std::max(16u, bytes << p.offsetBits);
  return p;
}

Access SharedPlan::access(const LinearLayout &l) const {
  Access a;
  uint64_t mask = (uint64_t(1) << offsetBits) - 1;
  auto map = [&](const Columns &c) {
    Columns out;
    for (uint64_t v : c) out.push_back(gf2::apply(inverse, v) & mask);
    return out;
  };
  Columns regs = l.columnsOf(Dim::Register);
  a.reg = map(regs);
  a.lane = map(l.columnsOf(Dim::Lane));
  a.warp = map(l.columnsOf(Dim::Warp));
  if (roundBits)
    for (unsigned r = 0; r < 1u << regs.size(); ++r)
      a.round.push_back((unsigned)(gf2::apply(inverse, gf2::apply(regs, r)) >> offsetBits));
  return a;
}

Access accessOf(const LinearLayout &s, const LinearLayout &l) {
  Access a;
  Columns cols = s.columnsOf(Dim::Offset);
  // Outputs of both are flat row-major element numbers.
  gf2::solve(cols, l.columnsOf(Dim::Register), &a.reg);
  gf2::solve(cols, l.columnsOf(Dim::Lane), &a.lane);
  gf2::solve(cols, l.columnsOf(Dim::Warp), &a.warp);
  return a;
}

// ---- reductions ------------------------------------------------------------------------------------------------------

ReducePlan planReduce(const LinearLayout &l, unsigned axis) {
  ReducePlan p;
  LinearLayout dropped = l.dropOut(axis);
  p.partial = dropped.removeFreeRegisters();
  Columns partialRegs = p.partial.columnsOf(Dim::Register), regs = l.columnsOf(Dim::Register);
  unsigned warps = l.inBits(Dim::Warp), threads = 5 + warps;
  Columns threadPartial = p.partial.columnsOf(Dim::Lane), threadFull = l.columnsOf(Dim::Lane);
  append(threadPartial, p.partial.columnsOf(Dim::Warp));
  append(threadFull, l.columnsOf(Dim::Warp));
  // Threads t whose results are the same outputs: partial(t) in the span of the partial's registers. Threads that
  // hold the very same elements: full(t) in the span of the registers.
  auto threadsInto = [&](const Columns &thread, const Columns &registers) {
    Columns m = thread;
    append(m, registers);
    Columns out;
    uint64_t mask = (uint64_t(1) << threads) - 1;
    for (uint64_t k : gf2::kernel(m))
      if (k & mask) out.push_back(k & mask);
    return gf2::image(out);
  };
  Columns same = threadsInto(threadPartial, partialRegs), repeats = threadsInto(threadFull, regs);
  Columns laneSpace;
  for (unsigned i = 0; i < 5; ++i) laneSpace.push_back(uint64_t(1) << i);
  Columns sameLanes = gf2::intersect(same, laneSpace), repeatLanes = gf2::intersect(repeats, laneSpace);
  for (uint64_t t : independent(repeatLanes, sameLanes, 64)) {
    Columns x;
    gf2::solve(partialRegs, {gf2::apply(threadPartial, t)}, &x);
    p.laneSteps.push_back({(unsigned)t, (unsigned)x[0]});
  }
  Columns done = gf2::image([&] {
    Columns c = sameLanes;
    append(c, repeats);
    return c;
  }());
  Columns across = independent(done, same, 64);
  p.warpBits = (unsigned)across.size();
  // A number for each of the partial results that meet: linear, 0 on `done`, unit on `across`.
  Columns basis = done;
  append(basis, across);
  append(basis, gf2::complement(basis, threads));
  Columns unit, coords;
  for (unsigned i = 0; i < threads; ++i) unit.push_back(uint64_t(1) << i);
  gf2::solve(basis, unit, &coords);
  for (unsigned i = 0; i < threads; ++i)
    p.number.push_back(coords[i] >> done.size() & ((uint64_t(1) << p.warpBits) - 1));
  Columns place;
  for (uint64_t v : partialRegs) place.push_back(v << p.warpBits);
  for (unsigned i = 0; i < threads; ++i) place.push_back(threadPartial[i] << p.warpBits | p.number[i]);
  p.meeting = LinearLayout({{Dim::Register, (unsigned)partialRegs.size()}, {Dim::Lane, 5}, {Dim::Warp, warps}},
                           {{Dim::Dim0, p.partial.outBits() + p.warpBits}}, place);
  return p;
}

LinearLayout partialsOf(const LinearLayout &result, unsigned warpBits) {
  Columns c;
  for (unsigned i = 0; i < warpBits; ++i) c.push_back(uint64_t(1) << i);
  for (uint64_t v : result.columns()) c.push_back(v << warpBits);
  std::vector<DimBits> in;
  for (const DimBits &d : result.in()) in.push_back({d.dim, d.bits + (d.dim == Dim::Register ? warpBits : 0)});
  return LinearLayout(in, {{Dim::Dim0, result.outBits() + warpBits}}, c);
}

Type scanType(const Op *op, unsigned i) {
  Type e = op->operand(i)->type->elem;
  const Block *block = op->region(0)->front();
  const Op *o = block->first;
  if (!e->isFloat() || e->width >= 32 || op->numOperands() != 1 || block->next || !o || o->next != block->last) return e;
  if (!o->is(Opcode::arith_addf) && !o->is(Opcode::arith_mulf)) return e;
  if (block->last->numOperands() != 1 || block->last->operand(0) != o->result()) return e;
  bool both = (o->operand(0) == block->arg(0) && o->operand(1) == block->arg(1)) ||
              (o->operand(0) == block->arg(1) && o->operand(1) == block->arg(0));
  return both ? e->ctx->f32() : e;
}

LinearLayout scanLayout(Span<int64_t> shape, unsigned axis, unsigned warps) {
  unsigned total = 0, axisStart = 0, axisBits = 0;
  std::vector<DimBits> out;
  for (unsigned i = 0; i < shape.size(); ++i) {
    unsigned n = (unsigned)std::countr_zero((uint64_t)shape[i]);
    out.push_back({tensorDim(i), n});
    total += n;
    if (i > axis) axisStart += n;
    if (i == axis) axisBits = n;
  }
  unsigned warpBits = (unsigned)std::countr_zero(warps), regs = total > 5 + warpBits ? total - 5 - warpBits : 0;
  Columns axisCols, others;
  for (unsigned i = 0; i < total; ++i)
    (i >= axisStart && i < axisStart + axisBits ? axisCols : others).push_back(uint64_t(1) << i);
  size_t ai = 0, oi = 0;
  auto take = [&](unsigned n) { // of the axis first
    Columns c;
    for (unsigned i = 0; i < n; ++i)
      c.push_back(ai < axisCols.size() ? axisCols[ai++] : oi < others.size() ? others[oi++] : 0);
    return c;
  };
  Columns all = take(regs);
  append(all, take(5));
  append(all, take(warpBits));
  return LinearLayout({{Dim::Register, regs}, {Dim::Lane, 5}, {Dim::Warp, warpBits}, {Dim::Block, 0}}, out, all);
}

LinearLayout packedLayout(const LinearLayout &l, unsigned pack) {
  Columns units, x;
  for (unsigned u = 1; u < pack; u *= 2) units.push_back(u);
  bool low = false; // a thread's number moves elements within a run
  for (Dim d : {Dim::Lane, Dim::Warp})
    for (uint64_t c : l.columnsOf(d)) low |= (c & (pack - 1)) != 0;
  if (!low && gf2::solve(l.columnsOf(Dim::Register), units, &x)) return l;
  unsigned total = l.outBits(), first = (unsigned)units.size(), warps = l.inBits(Dim::Warp), threads = 5 + warps;
  unsigned used = std::min(threads, total - std::min(total, first)), regs = total - used;
  Columns columns;
  unsigned next = 0;
  auto take = [&](unsigned n) {
    for (unsigned i = 0; i < n; ++i) columns.push_back(next < total ? uint64_t(1) << next++ : 0);
  };
  take(first);
  Columns thread;
  for (unsigned i = 0; i < threads; ++i) thread.push_back(next < total ? uint64_t(1) << next++ : 0);
  take(regs - first);
  append(columns, thread);
  return LinearLayout({{Dim::Register, regs}, {Dim::Lane, 5}, {Dim::Warp, warps}, {Dim::Block, 0}}, l.out(), columns);
}

LinearLayout inOperandSpace(const Op *op, const LinearLayout &to, const LinearLayout &from) {
  Columns map(to.outBits(), 0);
  auto dims = [](const LinearLayout &l) { return (unsigned)l.out().size(); };
  auto place = [&](unsigned toDim, unsigned fromDim) {
    unsigned n = std::min(to.outBits(tensorDim(toDim)), from.outBits(tensorDim(fromDim)));
    for (unsigned i = 0; i < n; ++i)
      map[to.outStart(tensorDim(toDim)) + i] = uint64_t(1) << (from.outStart(tensorDim(fromDim)) + i);
  };
  if (op->is(Opcode::tt_broadcast))
    for (unsigned d = 0; d < dims(to); ++d) place(d, d);
  else if (op->is(Opcode::tt_trans)) {
    Attr order = op->attr("order");
    for (unsigned d = 0; d < dims(to); ++d) place(d, (unsigned)order->ints[d]);
  } else // reshape, expand_dims: the row-major index is the same
    for (unsigned i = 0; i < to.outBits(); ++i) map[i] = uint64_t(1) << i;
  return LinearLayout(to.in(), from.out(), gf2::multiply(map, to.columns()));
}

LinearLayout halvedAlong(const LinearLayout &to, const LinearLayout &from, unsigned axis) {
  unsigned at = to.outStart(tensorDim(axis));
  uint64_t low = (uint64_t(1) << at) - 1;
  Columns cols;
  for (uint64_t v : to.columns()) cols.push_back((v & low) | (v >> (at + 1) << at));
  return LinearLayout(to.in(), from.out(), cols);
}

// ---- scratch ---------------------------------------------------------------------------------------------------------

static unsigned exchangeBytes(const LinearLayout &from, const LinearLayout &to, unsigned bits) {
  return classify(from, to) == Move::Shared ? planShared(from, to, bits, kExchangeBytes).bytes : 0;
}
static unsigned align16(unsigned n) { return (n + 15) & ~15u; }

unsigned scratchBytes(const Op *op) {
  auto layoutOr = [](const Value *v) { return layoutOf(v->type); };
  auto exchange = [&](const LinearLayout &from, const LinearLayout &to, Type elem) {
    return align16(exchangeBytes(from, to, storedBits(elem)));
  };
  switch (op->code) {
  case Opcode::ttg_convert_layout: {
    auto from = layoutOr(op->operand(0)), to = layoutOr(op->result());
    return from && to ? exchange(*from, *to, op->result()->type) : 0;
  }
  case Opcode::tt_reshape:
  case Opcode::tt_expand_dims:
  case Opcode::tt_broadcast:
  case Opcode::tt_trans: {
    if (!op->operand(0)->type->isTensor()) return 0;
    auto from = layoutOr(op->operand(0)), to = layoutOr(op->result());
    return from && to ? exchange(*from, inOperandSpace(op, *to, *from), op->result()->type) : 0;
  }
  case Opcode::tt_join: {
    auto from = layoutOr(op->operand(0)), to = layoutOr(op->result());
    return from && to ? exchange(*from, to->dropOut(op->result()->type->rank() - 1), op->result()->type) : 0;
  }
  case Opcode::tt_split: {
    auto from = layoutOr(op->operand(0)), to = layoutOr(op->result());
    if (!from || !to) return 0;
    Columns cols;
    for (uint64_t v : to->columns()) cols.push_back(v << 1);
    return exchange(*from, LinearLayout(to->in(), from->out(), cols), op->result()->type);
  }
  case Opcode::ttg_fp4_to_fp: {
    auto from = layoutOr(op->operand(0)), to = layoutOr(op->result());
    return from && to ? exchange(*from, halvedAlong(*to, *from, (unsigned)op->intAttr("axis")), op->operand(0)->type) : 0;
  }
  case Opcode::tt_cat: {
    auto from = layoutOr(op->operand(0)), to = layoutOr(op->result());
    if (!from || !to) return 0;
    Columns cols;
    for (uint64_t v : to->columns()) cols.push_back(v & ~(uint64_t(1) << (to->outBits() - 1)));
    return exchange(*from, LinearLayout(to->in(), from->out(), cols), op->result()->type);
  }
  case Opcode::tt_reduce: {
    auto l = layoutOr(op->operand(0));
    if (!l) return 0;
    ReducePlan p = planReduce(*l, (unsigned)op->intAttr("axis"));
    unsigned meet = 0, move = 0;
    for (unsigned i = 0; i < op->numOperands(); ++i) {
      unsigned bits = storedBits(op->operand(i)->type);
      if (p.warpBits) meet += align16(std::max(16u, bits / 8 << (p.partial.outBits() + p.warpBits)));
      else if (op->result(i)->type->isTensor())
        if (auto to = layoutOr(op->result(i))) move = std::max(move, exchange(p.partial, *to, op->result(i)->type));
    }
    return std::max(meet, move);
  }
  case Opcode::tt_scan: {
    auto l = layoutOr(op->operand(0));
    if (!l) return 0;
    Type t = op->operand(0)->type;
    LinearLayout s = scanLayout(t->shape, (unsigned)op->intAttr("axis"), 1u << l->inBits(Dim::Warp));
    unsigned move = 0, meet = 0;
    LinearLayout without = s.dropOut((unsigned)op->intAttr("axis"));
    unsigned rest = without.outBits(), across = 0; // bits of the warp's number that move along the axis
    Columns all = s.columnsOf(Dim::Warp), others = without.columnsOf(Dim::Warp);
    for (size_t i = 0; i < all.size(); ++i) across += all[i] && !others[i];
    for (unsigned i = 0; i < op->numOperands(); ++i) {
      Type e = op->operand(i)->type;
      move = std::max({move, exchange(*l, s, e), exchange(s, *l, e)});
      if (across) meet += align16(storedBits(scanType(op, i)) / 8 << (rest + across));
    }
    return std::max(move, meet);
  }
  case Opcode::tt_map_elementwise: {
    unsigned pack = (unsigned)op->intAttr("pack", 1), move = 0;
    auto moves = [&](Value *v) {
      auto l = layoutOr(v);
      if (!l || pack == 1) return;
      LinearLayout p = packedLayout(*l, pack);
      move = std::max({move, exchange(*l, p, v->type), exchange(p, *l, v->type)});
    };
    for (unsigned i = 0; i < op->numOperands(); ++i) moves(op->operand(i));
    for (unsigned i = 0; i < op->numResults(); ++i) moves(op->result(i));
    return move;
  }
  case Opcode::tt_atomic_rmw:
  case Opcode::tt_atomic_cas:
  case Opcode::tt_atomic_load:
  case Opcode::tt_atomic_poll: {
    if (!op->result()->hasUses()) return 0;
    Type t = op->result()->type;
    if (!t->isTensor()) return 16;
    auto l = layoutOr(op->result());
    if (!l || !(l->freeInputs() >> l->inBits(Dim::Register))) return 0;
    return align16(std::max(16u, storedBits(t) / 8 << l->outBits()));
  }
  case Opcode::tt_histogram: return align16(std::max<unsigned>(16u, (unsigned)op->result()->type->count() * 4));
  case Opcode::tt_gather: return align16((unsigned)op->operand(0)->type->count() * storedBits(op->operand(0)->type) / 8);
  default: return 0;
  }
}

} // namespace tcodegen::gpu
