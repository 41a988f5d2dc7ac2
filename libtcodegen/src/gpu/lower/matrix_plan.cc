// SPDX-License-Identifier: MIT
#include "matrix_plan.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace tir;

namespace {

// Coordinates of all three tiles in one word, so that layouts of A, B and C can be compared.
constexpr unsigned kAt = 0, nAt = 16, mAt = 32, batchAt = 48;
constexpr uint64_t K = 0xffffull << kAt, N = 0xffffull << nAt, M = 0xffffull << mAt, Batch = 0xffffull << batchAt;

struct Joint {
  Columns reg, lane, warp;
};

/// Columns of a layout whose last two dimensions mean (`row`, `col`).
Joint lift(const LinearLayout &l, unsigned rowAt, unsigned colAt) {
  unsigned rank = l.out().size();
  auto dims = [&](Dim in) {
    Columns out;
    for (uint64_t v : l.columnsOf(in)) {
      uint64_t x = l.coordinate(v, tensorDim(rank - 1)) << colAt | l.coordinate(v, tensorDim(rank - 2)) << rowAt;
      if (rank > 2) x |= l.coordinate(v, tensorDim(0)) << batchAt;
      out.push_back(x);
    }
    return out;
  };
  return {dims(Dim::Register), dims(Dim::Lane), dims(Dim::Warp)};
}

bool inside(uint64_t v, uint64_t space) { return !(v & ~space); }

/// Some input of `m` that gives `y`; false if none does.
bool solveOne(const Columns &m, uint64_t y, uint64_t *x) {
  Columns r;
  if (!gf2::solve(m, {y}, &r)) return false;
  *x = r[0];
  return true;
}
bool solveAll(const Columns &m, const Columns &y, Columns *x) { return gf2::solve(m, y, x); }

/// Adds `v` to an independent set if it is not in its span.
bool extend(Columns &basis, uint64_t v) {
  basis.push_back(v);
  if (gf2::rank(basis) == basis.size()) return true;
  basis.pop_back();
  return false;
}

/// Columns of `from` inside `space`, each in the span of `also`, independent of `known` and of each other, in order.
Columns pick(const Columns &from, const Columns &also, uint64_t space, Columns known) {
  Columns out;
  uint64_t x;
  for (uint64_t v : from)
    if (v && inside(v, space) && solveOne(also, v, &x) && extend(known, v)) out.push_back(v);
  return out;
}

Columns nonzero(const Columns &c) {
  Columns out;
  for (uint64_t v : c)
    if (v) extend(out, v);
  return out;
}

/// Per register number the combination of `basis` that its column is; false if one is outside of the span.
bool decompose(const Columns &regs, const Columns &basis, std::vector<uint32_t> *out) {
  Columns x;
  if (!gf2::solve(basis, regs, &x)) return false;
  out->assign(size_t(1) << regs.size(), 0);
  for (size_t r = 0; r < out->size(); ++r) (*out)[r] = gf2::apply(x, r);
  return true;
}

Columns slice(const Columns &c, size_t from, size_t to) { return Columns(c.begin() + from, c.begin() + to); }

} // namespace

bool planMma(const LinearLayout &la, const LinearLayout &lb, const LinearLayout &lc, const MmaInstr &instr,
             MmaPlan *plan) {
  Joint a = lift(la, mAt, kAt), b = lift(lb, kAt, nAt), c = lift(lc, mAt, nAt);
  if (a.lane.size() != 5 || b.lane.size() != 5 || c.lane.size() != 5) return false;
  if (a.warp.size() != c.warp.size() || b.warp.size() != c.warp.size()) return false;
  for (unsigned i : {0, 1})
    if (!a.lane[i] || !inside(a.lane[i], K) || a.lane[i] != b.lane[i] || c.lane[i] != b.lane[3 + i]) return false;
  for (unsigned i : {2, 3, 4})
    if (!inside(a.lane[i], M) || !inside(b.lane[i], N) || c.lane[i] != a.lane[i]) return false;
  for (size_t i = 0; i < c.warp.size(); ++i)
    if (a.warp[i] != (c.warp[i] & (M | Batch)) || b.warp[i] != (c.warp[i] & (N | Batch))) return false;

  // K: what the lanes do not count, the registers of both operands must, in one and the same way.
  unsigned kBits = la.outBits(tensorDim(la.out().size() - 1));
  Columns lanesK = {a.lane[0], a.lane[1]};
  if (gf2::rank(lanesK) != 2 || instr.kBits() > kBits) return false;
  Columns ks = pick(a.reg, b.reg, K, lanesK);
  if (ks.size() + 2 < kBits) {
    Columns known = lanesK;
    known.insert(known.end(), ks.begin(), ks.end());
    for (uint64_t v : gf2::intersect(a.reg, b.reg))
      if (inside(v, K) && extend(known, v)) ks.push_back(v);
  }
  if (ks.size() + 2 != kBits) return false;
  unsigned own = instr.pack + instr.kHalf;
  uint64_t row = 0, pair = b.lane[2], half = instr.kHalf ? ks[instr.pack] : 0;
  Columns packs = slice(ks, 0, instr.pack), steps = slice(ks, own, ks.size());

  Columns ms = pick(c.reg, a.reg, M, {}), ns = pick(c.reg, b.reg, N, nonzero({pair}));
  Columns batches = pick(c.reg, a.reg, Batch, {});
  if (instr.rowPair && !ms.empty()) {
    row = ms[0];
    ms.erase(ms.begin());
  }
  MmaPlan p;
  if (!solveAll(a.reg, packs, &p.aPack) || !solveAll(b.reg, packs, &p.bPack) || !solveOne(a.reg, half, &p.aHalf) ||
      !solveOne(b.reg, half, &p.bHalf) || !solveOne(a.reg, row, &p.aRow) || !solveAll(a.reg, steps, &p.aK) ||
      !solveAll(b.reg, steps, &p.bK) || !solveAll(a.reg, ms, &p.aM) || !solveAll(b.reg, ns, &p.bN) ||
      !solveAll(a.reg, batches, &p.aBatch) || !solveAll(b.reg, batches, &p.bBatch))
    return false;
  p.tilesM = ms.size();
  p.tilesN = ns.size();
  p.tilesBatch = batches.size();
  p.steps = steps.size();
  Columns basis = {pair, row};
  for (const Columns &t : {ms, ns, batches}) basis.insert(basis.end(), t.begin(), t.end());
  if (!decompose(c.reg, basis, &p.result)) return false;
  *plan = std::move(p);
  return true;
}

bool planFma(const LinearLayout &la, const LinearLayout &lb, const LinearLayout &lc, FmaPlan *plan) {
  Joint a = lift(la, mAt, kAt), b = lift(lb, kAt, nAt), c = lift(lc, mAt, nAt);
  auto fits = [](const Columns &x, const Columns &y, const Columns &z) {
    if (x.size() != z.size() || y.size() != z.size()) return false;
    for (size_t i = 0; i < z.size(); ++i)
      if (x[i] != (z[i] & (M | Batch)) || y[i] != (z[i] & (N | Batch))) return false;
    return true;
  };
  if (!fits(a.lane, b.lane, c.lane) || !fits(a.warp, b.warp, c.warp)) return false;
  unsigned kBits = la.outBits(tensorDim(la.out().size() - 1));
  Columns unit, rows, cols, ak, bk, ac, bc;
  for (unsigned i = 0; i < kBits; ++i) unit.push_back(uint64_t(1) << (kAt + i));
  for (uint64_t v : c.reg) rows.push_back(v & (M | Batch)), cols.push_back(v & (N | Batch));
  if (!solveAll(a.reg, unit, &ak) || !solveAll(b.reg, unit, &bk) || !solveAll(a.reg, rows, &ac) ||
      !solveAll(b.reg, cols, &bc))
    return false;
  plan->k = 1u << kBits;
  size_t count = size_t(1) << c.reg.size();
  plan->a.clear();
  plan->b.clear();
  for (size_t r = 0; r < count; ++r)
    for (unsigned k = 0; k < plan->k; ++k) {
      plan->a.push_back(gf2::apply(ac, r) ^ gf2::apply(ak, k));
      plan->b.push_back(gf2::apply(bc, r) ^ gf2::apply(bk, k));
    }
  return true;
}

// ---- ldmatrix, stmatrix -----------------------------------------------------------------------------------------

bool planMatrixMove(const LinearLayout &offsets, unsigned bits, bool, MatrixMovePlan *plan) {
  if (bits != 8 && bits != 16 && bits != 32) return false;
  unsigned wordBits = std::countr_zero(32 / bits);
  uint64_t rowMask = 128 / bits - 1; // offsets inside of a row of 16 bytes
  Columns reg = offsets.columnsOf(Dim::Register), lane = offsets.columnsOf(Dim::Lane), warp = offsets.columnsOf(Dim::Warp);
  if (lane.size() != 5) return false;
  auto aligned = [&](uint64_t v) { return !(v & rowMask); };
  MatrixMovePlan p;
  p.warpColumns = warp;
  for (uint64_t v : warp)
    if (!aligned(v)) return false;
  for (size_t i = 0; i < reg.size(); ++i)
    if (!reg[i]) p.free |= uint64_t(1) << i;
  if (lane[0] == 1u << wordBits && lane[1] == 2u << wordBits) {
    for (unsigned w = 0; w < wordBits; ++w) {
      size_t i = 0;
      while (i < reg.size() && reg[i] != uint64_t(1) << w) ++i;
      if (i == reg.size()) return false;
      // Words are put together from registers in order; the lowest bits must come first.
      if (p.pack >> i) return false;
      p.pack |= uint64_t(1) << i;
    }
    p.laneColumns = {lane[2], lane[3], lane[4]};
  } else if (bits == 16 && lane[2] == 1 && lane[3] == 2 && lane[4] == 4) {
    p.trans = true;
    size_t i = 0;
    while (i < reg.size() && !reg[i]) ++i;
    if (i == reg.size()) return false;
    p.pack = uint64_t(1) << i;
    p.laneColumns = {reg[i], lane[0], lane[1]};
  } else {
    return false;
  }
  for (uint64_t v : p.laneColumns)
    if (!aligned(v)) return false;
  for (size_t i = 0; i < reg.size(); ++i) {
    if ((p.pack | p.free) >> i & 1) continue;
    if (!aligned(reg[i])) return false;
    (p.matrices.size() < 2 ? p.matrices : p.rest).push_back(i);
  }
  for (unsigned i : p.matrices) p.laneColumns.push_back(reg[i]);
  while (p.laneColumns.size() < 5) p.laneColumns.push_back(0);
  *plan = std::move(p);
  return true;
}

// ---- wgmma ------------------------------------------------------------------------------------------------------

namespace {

/// Where the hardware's swizzle puts the byte at `x` of an aligned buffer: address bits 7 … 9 onto 4 … 6.
uint64_t swizzled(uint64_t x, unsigned width) { return x ^ (x >> 3 & (width == 128 ? 0x70 : width == 64 ? 0x30 : width == 32 ? 0x10 : 0)); }

/// May an instruction start there? It must leave the pattern of eight rows as it is.
bool plainOffset(uint64_t x, unsigned unit, unsigned width) {
  return std::has_single_bit(x) && x >= 16 && swizzled(x, width) == x && !(x & unit * 7ull);
}

/// Each column twice the one before, from `from` to `to`.
bool doubling(const Columns &c, unsigned from, unsigned to) {
  for (unsigned i = from + 1; i < to; ++i)
    if (c[i] != c[i - 1] * 2) return false;
  return true;
}

bool kMajor(const Columns &rows, const Columns &ks, unsigned elementLog, unsigned rowBits, unsigned width,
            WgmmaOperand *o) {
  unsigned unit = width ? width : 16;
  uint32_t leading = 0;
  for (unsigned i = 0; i < ks.size(); ++i) {
    uint64_t byte = uint64_t(1) << (i + elementLog);
    if (byte < unit && byte < 32) {
      if (ks[i] != byte) return false;
    } else {
      if (!plainOffset(ks[i], unit, width)) return false;
      if (byte == 16) leading = ks[i];
    }
  }
  for (unsigned i = 0; i < rows.size(); ++i)
    if (i < 3 ? rows[i] != swizzled(uint64_t(unit) << i, width) : !plainOffset(rows[i], unit, width)) return false;
  if (!doubling(rows, 3, rowBits)) return false;
  *o = {false, width, leading, rowBits > 3 ? uint32_t(rows[3]) : 0, rows, ks};
  return true;
}

bool mnMajor(const Columns &rows, const Columns &ks, unsigned rowBits, unsigned width, WgmmaOperand *o) {
  unsigned inside = std::countr_zero(width / 2); // row bits in one swizzled row, elements of two bytes
  for (unsigned i = 0; i < rows.size(); ++i)
    if (i < inside ? rows[i] != uint64_t(2) << i : !plainOffset(rows[i], width, width)) return false;
  for (unsigned i = 0; i < ks.size(); ++i)
    if (i < 3 ? ks[i] != swizzled(uint64_t(width) << i, width) : !plainOffset(ks[i], width, width)) return false;
  if (rowBits > inside && !doubling(rows, inside, rowBits)) return false;
  *o = {true, width, rowBits > inside ? uint32_t(rows[inside]) : 0, uint32_t(ks[3]), rows, ks};
  return true;
}

} // namespace

uint32_t WgmmaOperand::high() const {
  uint32_t mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
  return mode << 30 | (stride >> 4 & 0x3fff);
}

bool planWgmmaOperand(const LinearLayout &shared, bool kFirst, unsigned bits, unsigned rowBits, WgmmaOperand *operand) {
  unsigned rank = shared.out().size();
  if (rank != 2) return false;
  unsigned rowDim = kFirst ? 1 : 0, elementLog = std::countr_zero(bits / 8);
  auto offsets = [&](Dim d, Columns *out) {
    Columns unit;
    for (unsigned i = 0; i < shared.outBits(d); ++i) unit.push_back(uint64_t(1) << (shared.outStart(d) + i));
    if (!gf2::solve(shared.columns(), unit, out)) return false;
    for (uint64_t &x : *out) x <<= elementLog;
    return true;
  };
  Columns rows, ks;
  if (!offsets(tensorDim(rowDim), &rows) || !offsets(tensorDim(1 - rowDim), &ks)) return false;
  if (rows.size() < rowBits || ks.size() + elementLog < 5) return false;
  for (unsigned width : {128u, 64u, 32u, 0u})
    if (kMajor(rows, ks, elementLog, rowBits, width, operand)) return true;
  if (bits == 16)
    for (unsigned width : {128u, 64u, 32u})
      if (mnMajor(rows, ks, rowBits, width, operand)) return true;
  return false;
}

bool planWgmma(const LinearLayout *la, const LinearLayout &lc, unsigned kBits, unsigned elementBits, WgmmaPlan *plan) {
  Joint c = lift(lc, mAt, nAt);
  auto n = [](uint64_t x) { return x << nAt; };
  auto m = [](uint64_t x) { return x << mAt; };
  if (lc.out().size() != 2 || c.lane.size() != 5 || c.warp.size() < 2) return false;
  if (c.lane != Columns{n(2), n(4), m(1), m(2), m(4)} || c.warp[0] != m(16) || c.warp[1] != m(32)) return false;
  WgmmaPlan p;
  Columns basis = {n(1), m(8)};
  uint64_t x;
  if (!solveOne(c.reg, basis[0], &x) || !solveOne(c.reg, basis[1], &x)) return false;
  for (; p.nBits < 8 && solveOne(c.reg, n(1ull << p.nBits), &x); ++p.nBits) basis.push_back(n(1ull << p.nBits));
  Columns ms = pick(c.reg, c.reg, M, basis), ns = pick(c.reg, c.reg, N, basis);
  for (const Columns &t : {ms, ns}) basis.insert(basis.end(), t.begin(), t.end());
  for (uint64_t v : ms) p.tilesM.push_back(v >> mAt & 0xffff);
  for (uint64_t v : ns) p.tilesN.push_back(v >> nAt & 0xffff);
  for (size_t i = 2; i < c.warp.size(); ++i) {
    p.groupM.push_back(c.warp[i] >> mAt & 0xffff);
    p.groupN.push_back(c.warp[i] >> nAt & 0xffff);
  }
  if (!decompose(c.reg, basis, &p.result)) return false;
  unsigned pack = std::countr_zero(32 / elementBits), instrK = 3 + pack;
  if (kBits < instrK) return false;
  p.steps = kBits - instrK;
  if (la) {
    Joint a = lift(*la, mAt, kAt);
    uint64_t one = 1;
    if (a.lane != Columns{one << pack, one << (pack + 1), m(1), m(2), m(4)} || a.warp.size() != c.warp.size()) return false;
    for (size_t i = 0; i < a.warp.size(); ++i)
      if (a.warp[i] != (c.warp[i] & M)) return false;
    Columns packs, steps;
    for (unsigned i = 0; i < pack; ++i) packs.push_back(one << i);
    for (unsigned i = instrK; i < kBits; ++i) steps.push_back(one << i);
    if (!solveAll(a.reg, packs, &p.aPack) || !solveAll(a.reg, steps, &p.aK) || !solveAll(a.reg, ms, &p.aM) ||
        !solveOne(a.reg, one << (pack + 2), &p.aHalf) || !solveOne(a.reg, m(8), &p.aRow))
      return false;
  }
  *plan = std::move(p);
  return true;
}

} // namespace tcodegen::gpu
