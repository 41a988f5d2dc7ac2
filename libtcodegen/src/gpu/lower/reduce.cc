// SPDX-License-Identifier: MIT
// Reductions and scans. Which partial results meet where is planReduce's answer (exchange.hh): first the registers of
// a thread, then butterflies over lanes, then shared memory across warps.
#include "lower.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace tir;
using IrValue = llvm::Value;

void Lower::lowerReduce(Op *op) {
  unsigned n = op->numOperands(), axis = (unsigned)op->intAttr("axis");
  const LinearLayout &l = layout(op->operand(0));
  if (failed()) return;
  ReducePlan plan = planReduce(l, axis);
  auto combine = [&](llvm::ArrayRef<IrValue *> x, llvm::ArrayRef<IrValue *> y) {
    Regs args(x.begin(), x.end());
    args.append(y.begin(), y.end());
    return applyRegion(op, args);
  };
  // In the thread: by result, a balanced tree over the distinct elements.
  LinearLayout dropped = l.dropOut(axis);
  unsigned count = 1u << l.inBits(Dim::Register), outs = 1u << plan.partial.inBits(Dim::Register);
  std::map<uint64_t, unsigned> place; // result (relative to the thread) → partial register
  for (unsigned r = 0; r < outs; ++r) place[plan.partial.apply(r)] = r;
  std::vector<std::vector<Regs>> lists(outs);
  std::map<uint64_t, bool> seen;
  for (unsigned r = 0; r < count; ++r) {
    if (!seen.try_emplace(l.apply(r), true).second) continue;
    Regs x;
    for (unsigned i = 0; i < n; ++i) x.push_back(regs(op->operand(i))[r]);
    lists[place[dropped.apply(r)]].push_back(x);
  }
  std::vector<Regs> acc(outs);
  for (unsigned r = 0; r < outs; ++r) {
    std::vector<Regs> &v = lists[r];
    while (v.size() > 1) {
      std::vector<Regs> next;
      for (size_t i = 0; i + 1 < v.size(); i += 2) next.push_back(combine(v[i], v[i + 1]));
      if (v.size() & 1) next.push_back(v.back());
      v = std::move(next);
    }
    acc[r] = v[0];
    if (failed()) return;
  }
  for (const ReducePlan::Step &s : plan.laneSteps) {
    std::vector<Regs> next(outs);
    for (unsigned r = 0; r < outs; ++r) {
      Regs other;
      for (unsigned i = 0; i < n; ++i) other.push_back(shuffleXor(acc[r ^ s.regs][i], s.lanes));
      next[r] = combine(acc[r], other);
    }
    acc = std::move(next);
  }
  LinearLayout result; // of the results; a scalar has no dimensions
  bool tile = op->result()->type->isTensor();
  if (tile) result = layout(op->result());
  else result = LinearLayout({{Dim::Register, 0}, {Dim::Lane, 5}, {Dim::Warp, l.inBits(Dim::Warp)}}, {}, Columns(5 + l.inBits(Dim::Warp), 0));
  if (plan.warpBits) {
    enterScratch(op);
    IrValue *base = scratch(op), *owner = isOwner(plan.meeting);
    Access write{plan.meeting.columnsOf(Dim::Register), plan.meeting.columnsOf(Dim::Lane), plan.meeting.columnsOf(Dim::Warp), {}};
    LinearLayout back = partialsOf(result, plan.warpBits);
    Access read{back.columnsOf(Dim::Register), back.columnsOf(Dim::Lane), back.columnsOf(Dim::Warp), {}};
    llvm::SmallVector<IrValue *, 2> bases;
    unsigned offset = 0;
    auto writeAll = [&] {
      for (unsigned i = 0; i < n; ++i) {
        unsigned bits = elementBits(op->operand(i)->type);
        IrValue *at = offset ? b.CreateConstGEP1_32(b.getInt8Ty(), base, offset) : base;
        bases.push_back(at);
        Regs x;
        for (unsigned r = 0; r < outs; ++r) x.push_back(toBits(acc[r][i], bits));
        storeTile(at, 0, write, x, bits, nullptr);
        offset += std::max(16u, (unsigned)(bits / 8) << (plan.partial.outBits() + plan.warpBits));
        offset = (offset + 15) & ~15u;
      }
    };
    if (owner) ifThen(owner, writeAll);
    else writeAll();
    barrier();
    unsigned parts = 1u << plan.warpBits, results = 1u << result.inBits(Dim::Register);
    llvm::SmallVector<Regs, 2> got;
    unsigned where = 0;
    for (unsigned i = 0; i < n; ++i) {
      unsigned bits = elementBits(op->operand(i)->type);
      IrValue *at = where ? b.CreateConstGEP1_32(b.getInt8Ty(), base, where) : base;
      got.push_back(loadTile(at, 0, read, bits));
      where = (where + std::max(16u, (unsigned)(bits / 8) << (plan.partial.outBits() + plan.warpBits)) + 15) & ~15u;
    }
    std::vector<Regs> final(results);
    std::map<uint64_t, unsigned> same; // results that repeat
    for (unsigned r = 0; r < results; ++r) {
      auto [it, fresh] = same.try_emplace(result.apply(r), r);
      if (!fresh) {
        final[r] = final[it->second];
        continue;
      }
      std::vector<Regs> v;
      for (unsigned p = 0; p < parts; ++p) {
        Regs x;
        for (unsigned i = 0; i < n; ++i) x.push_back(fromBits(got[i][r * parts + p], op->operand(i)->type->elem));
        v.push_back(x);
      }
      while (v.size() > 1) {
        std::vector<Regs> next;
        for (size_t i = 0; i + 1 < v.size(); i += 2) next.push_back(combine(v[i], v[i + 1]));
        v = std::move(next);
      }
      final[r] = v[0];
    }
    for (unsigned i = 0; i < n; ++i) {
      Regs x;
      for (unsigned r = 0; r < results; ++r) x.push_back(final[r][i]);
      set(op->result(i), x);
    }
    return;
  }
  for (unsigned i = 0; i < n; ++i) {
    Regs x;
    for (unsigned r = 0; r < outs; ++r) x.push_back(acc[r][i]);
    set(op->result(i), tile ? convert(op, x, plan.partial, result, op->result(i)->type->elem) : Regs{x[0]});
  }
}

void Lower::lowerScan(Op *op) {
  unsigned n = op->numOperands(), axis = (unsigned)op->intAttr("axis");
  bool reverse = op->intAttr("reverse") != 0;
  const LinearLayout &given = layout(op->operand(0));
  if (failed()) return;
  LinearLayout s = scanLayout(op->operand(0)->type->shape, axis, numWarps);
  unsigned axisBits = s.outBits(tensorDim(axis)), axisStart = s.outStart(tensorDim(axis));
  auto onAxis = [&](uint64_t v) { return v >> axisStart & ((uint64_t(1) << axisBits) - 1); };
  unsigned count = 1u << s.inBits(Dim::Register), regBits = 0, laneBits = 0, warpBits = 0;
  for (uint64_t v : s.columnsOf(Dim::Register)) regBits += onAxis(v) != 0;
  for (uint64_t v : s.columnsOf(Dim::Lane)) laneBits += onAxis(v) != 0;
  for (uint64_t v : s.columnsOf(Dim::Warp)) warpBits += onAxis(v) != 0;
  std::vector<Regs> in(n);
  std::vector<Type> types; // of the prefixes
  for (unsigned i = 0; i < n; ++i) {
    Type elem = op->operand(i)->type->elem;
    types.push_back(scanType(op, i));
    in[i] = convert(op, regs(op->operand(i)), given, s, elem);
    for (IrValue *&x : in[i]) x = (elem == types[i] ? x : convertedFloat(x, elem, types[i]));
  }
  bool wide = types[0] != op->operand(0)->type->elem, sum = wide && op->region(0)->front()->first->is(Opcode::arith_addf);
  auto combine = [&](llvm::ArrayRef<IrValue *> x, llvm::ArrayRef<IrValue *> y) {
    if (wide) return Regs{sum ? b.CreateFAdd(x[0], y[0]) : b.CreateFMul(x[0], y[0])};
    Regs args(x.begin(), x.end());
    args.append(y.begin(), y.end());
    return applyRegion(op, args);
  };
  auto choose = [&](IrValue *cond, const Regs &yes, const Regs &no) {
    Regs r;
    for (unsigned i = 0; i < n; ++i) r.push_back(b.CreateSelect(cond, yes[i], no[i]));
    return r;
  };
  // The axis has the lowest bits of registers, lanes and warps each (scanLayout), so runs are index ranges.
  unsigned run = 1u << regBits, rows = count >> regBits;
  std::vector<std::vector<Regs>> v(rows, std::vector<Regs>(run));
  for (unsigned row = 0; row < rows; ++row)
    for (unsigned k = 0; k < run; ++k) {
      unsigned r = row << regBits | (reverse ? run - 1 - k : k);
      for (unsigned i = 0; i < n; ++i) v[row][k].push_back(in[i][r]);
      if (k) v[row][k] = combine(v[row][k - 1], v[row][k]);
      if (failed()) return;
    }
  // Exclusive prefix of each thread within the warp, from inclusive totals.
  unsigned lanes = 1u << laneBits;
  IrValue *pos = b.CreateAnd(lane(), b.getInt32(lanes - 1));
  if (reverse) pos = b.CreateSub(b.getInt32(lanes - 1), pos);
  auto fromBefore = [&](const Regs &x, unsigned delta) { // of the lane `delta` earlier in scan order
    IrValue *src = reverse ? b.CreateAdd(lane(), b.getInt32(delta)) : b.CreateSub(lane(), b.getInt32(delta));
    Regs r;
    for (unsigned i = 0; i < n; ++i) r.push_back(shuffleIdx(x[i], b.CreateAnd(src, b.getInt32(31))));
    return r;
  };
  std::vector<Regs> total(rows), before(rows);
  for (unsigned row = 0; row < rows; ++row) {
    total[row] = v[row][run - 1];
    for (unsigned d = 1; d < lanes; d *= 2) {
      Regs other = fromBefore(total[row], d);
      total[row] = choose(b.CreateICmpUGE(pos, b.getInt32(d)), combine(other, total[row]), total[row]);
    }
    if (laneBits) before[row] = fromBefore(total[row], 1);
  }
  IrValue *hasBefore = laneBits ? b.CreateICmpNE(pos, b.getInt32(0)) : nullptr;
  if (warpBits) {
    // Each warp's total, then for each warp the totals of those before it.
    unsigned warps = 1u << warpBits;
    LinearLayout rest = s.dropOut(axis);
    enterScratch(op);
    IrValue *base = scratch(op);
    IrValue *wpos = b.CreateAnd(warp(), b.getInt32(warps - 1));
    Access a;
    unsigned extra = warpBits;
    Columns rr = rest.columnsOf(Dim::Register);
    for (size_t i = regBits; i < rr.size(); ++i) a.reg.push_back(rr[i] << extra);
    for (uint64_t c : rest.columnsOf(Dim::Lane)) a.lane.push_back(c << extra);
    Columns wc = rest.columnsOf(Dim::Warp);
    for (size_t i = 0; i < wc.size(); ++i) a.warp.push_back((wc[i] << extra) | (i < warpBits ? uint64_t(1) << i : 0));
    IrValue *last = b.CreateICmpEQ(pos, b.getInt32(lanes - 1));
    if (IrValue *owner = isOwner(s)) last = b.CreateAnd(last, owner);
    llvm::SmallVector<unsigned, 2> offsets;
    unsigned offset = 0;
    for (unsigned i = 0; i < n; ++i) {
      offsets.push_back(offset);
      offset += ((storedBits(types[i]) / 8 << (rest.outBits() + extra)) + 15) & ~15u;
    }
    auto at = [&](unsigned i) { return offsets[i] ? b.CreateConstGEP1_32(b.getInt8Ty(), base, offsets[i]) : base; };
    ifThen(last, [&] {
      for (unsigned i = 0; i < n; ++i) {
        unsigned bits = elementBits(types[i]);
        Regs x;
        for (unsigned row = 0; row < rows; ++row) x.push_back(toBits(total[row][i], bits));
        storeTile(at(i), 0, a, x, bits, nullptr);
      }
    });
    barrier();
    Access read = a;
    for (size_t i = 0; i < warpBits; ++i) read.warp[i] &= ~((uint64_t(1) << extra) - 1);
    Columns regsAnd;
    for (unsigned i = 0; i < warpBits; ++i) regsAnd.push_back(uint64_t(1) << i);
    regsAnd.insert(regsAnd.end(), read.reg.begin(), read.reg.end());
    read.reg = regsAnd;
    llvm::SmallVector<Regs, 2> got;
    for (unsigned i = 0; i < n; ++i) got.push_back(loadTile(at(i), 0, read, elementBits(types[i])));
    for (unsigned row = 0; row < rows; ++row) {
      Regs sum;
      for (unsigned k = 0; k < warps; ++k) {
        unsigned w = reverse ? warps - 1 - k : k; // scan order
        Regs x;
        for (unsigned i = 0; i < n; ++i)
          x.push_back(fromBits(got[i][row << warpBits | w], types[i]));
        IrValue *earlier = reverse ? b.CreateICmpUGT(b.getInt32(w), wpos) : b.CreateICmpULT(b.getInt32(w), wpos);
        sum = sum.empty() ? x : choose(earlier, combine(sum, x), sum);
        // The first in scan order is used only where some warp comes before: guarded below.
      }
      IrValue *any = b.CreateICmpNE(wpos, b.getInt32(reverse ? warps - 1 : 0));
      if (!laneBits) before[row] = sum;
      else {
        Regs both = combine(sum, before[row]);
        before[row] = choose(any, choose(hasBefore, both, sum), before[row]);
      }
      if (failed()) return;
      if (row + 1 == rows) hasBefore = hasBefore ? b.CreateOr(hasBefore, any) : any;
    }
  }
  std::vector<Regs> out(n, Regs(count, nullptr));
  for (unsigned row = 0; row < rows; ++row)
    for (unsigned k = 0; k < run; ++k) {
      Regs x = v[row][k];
      if (hasBefore) x = choose(hasBefore, combine(before[row], x), x);
      unsigned r = row << regBits | (reverse ? run - 1 - k : k);
      for (unsigned i = 0; i < n; ++i) out[i][r] = x[i];
    }
  for (unsigned i = 0; i < n; ++i)
    for (IrValue *&x : out[i]) x = (types[i] == op->operand(i)->type->elem ? x : convertedFloat(x, types[i], op->operand(i)->type->elem));
  for (unsigned i = 0; i < n; ++i)
    set(op->result(i), convert(op, out[i], s, layout(op->result(i)), op->result(i)->type->elem));
}

bool Lower::lowerReduction(Op *op) {
  if (op->is(Opcode::tt_reduce)) return lowerReduce(op), true;
  if (op->is(Opcode::tt_scan)) return lowerScan(op), true;
  return false;
}

} // namespace tcodegen::gpu
