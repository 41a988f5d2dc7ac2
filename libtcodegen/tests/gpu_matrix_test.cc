// SPDX-License-Identifier: MIT
// The choice of matrix instructions and their planning from layouts, checked by brute force: every register that a
// plan hands to an instruction must hold the element which the instruction's definition puts there.
#include "gpu/lower/matrix_plan.hh"
#include "gpu/passes/select_matrix.hh"
#include <bit>
#include <gtest/gtest.h>

using namespace tcodegen::gpu;
using namespace tir;

namespace {

struct Case {
  Context ctx;
  Type elem, acc;
  DotChoice choice;
  std::vector<int64_t> sa, sb, sc;
  LinearLayout la, lb, lc;

  void choose(int64_t m, int64_t n, int64_t k, unsigned warps, unsigned capability, DotQuery q = {}) {
    auto span = [](const std::vector<int64_t> &v) { return Span<int64_t>{v.data(), uint32_t(v.size())}; };
    sa = {m, k}, sb = {k, n}, sc = {m, n};
    q.a = ctx.tensor(span(sa), elem);
    q.b = ctx.tensor(span(sb), elem);
    q.acc = ctx.tensor(span(sc), acc);
    q.precision = 0;
    q.numWarps = warps;
    q.capability = capability;
    choice = chooseDot(q);
    lc = *distributedLayout(choice.acc, span(sc));
    if (!choice.aShared) la = *distributedLayout(choice.a, span(sa));
    if (!choice.bShared) lb = *distributedLayout(choice.b, span(sb));
  }
  uint64_t at(const LinearLayout &l, uint64_t reg, uint64_t lane, uint64_t warp) const {
    return l.apply(reg | lane << l.inStart(Dim::Lane) | warp << l.inStart(Dim::Warp));
  }
};

struct Kind {
  const char *name;
  unsigned bits;
  MmaInstr instr;
};

/// Sums over every instruction what it multiplies; each (m, n, k) must occur once per place of (m, n) in C.
void checkMma(Case &c, const MmaInstr &instr, unsigned warps) {
  MmaPlan p;
  ASSERT_TRUE(planMma(c.la, c.lb, c.lc, instr, &p)) << c.la.text() << "\n" << c.lb.text() << "\n" << c.lc.text();
  uint64_t K = c.sa[1], N = c.sb[1];
  for (uint64_t w = 0; w < warps; ++w)
    for (uint64_t lane = 0; lane < 32; ++lane)
      for (size_t r = 0; r < p.result.size(); ++r) {
        uint64_t out = c.at(c.lc, r, lane, w), m = out / N, n = out % N;
        uint32_t x = p.result[r];
        unsigned e = x & 1, row = x >> 1 & 1, tm = x >> 2 & ((1u << p.tilesM) - 1), tn = x >> (2 + p.tilesM) & ((1u << p.tilesN) - 1);
        std::vector<bool> seen(K);
        // Row of the instruction: lane / 4 (+ 8); column: 2 * (lane % 4) + e.
        for (unsigned s = 0; s < 1u << p.steps; ++s)
          for (unsigned h = 0; h < 1u + instr.kHalf; ++h)
            for (unsigned t = 0; t < 4; ++t)
              for (unsigned i = 0; i < 1u << instr.pack; ++i) {
                uint64_t la = (lane & ~3ull) | t, lb = (2 * (lane & 3) + e) * 4 + t;
                uint64_t ra = gf2::apply(p.aPack, i) ^ (h ? p.aHalf : 0) ^ (row ? p.aRow : 0) ^ gf2::apply(p.aK, s) ^
                              gf2::apply(p.aM, tm);
                uint64_t rb = gf2::apply(p.bPack, i) ^ (h ? p.bHalf : 0) ^ gf2::apply(p.bK, s) ^ gf2::apply(p.bN, tn);
                uint64_t a = c.at(c.la, ra, la, w), b = c.at(c.lb, rb, lb, w);
                ASSERT_EQ(a / K, m);
                ASSERT_EQ(b % N, n);
                ASSERT_EQ(a % K, b / N);
                ASSERT_FALSE(seen[a % K]);
                seen[a % K] = true;
              }
        for (bool s : seen) ASSERT_TRUE(s);
      }
}

TEST(MatrixPlan, MmaEveryTypeAndShape) {
  const Kind kinds[] = {{"f16", 16, {1, true, true}}, {"bf16", 16, {1, true, true}}, {"tf32", 32, {0, true, true}},
                        {"s8", 8, {2, true, true}},   {"e4m3", 8, {2, true, true}},  {"f64", 64, {0, false, false}}};
  for (const Kind &k : kinds)
    for (unsigned warps : {1u, 2u, 4u, 8u})
      for (auto [m, n] : {std::pair{16, 8}, {16, 16}, {32, 64}, {64, 32}, {128, 64}, {8, 16}, {16, 4}, {1, 16}}) {
        for (int64_t depth : {16, 32, 64}) {
          if (depth < 1 << k.instr.kBits() || m * n * depth > 128 * 128 * 32) continue;
          SCOPED_TRACE(std::string(k.name) + " " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(depth) +
                       " warps " + std::to_string(warps));
          Case c;
          std::string name = k.name;
          c.elem = name == "s8" ? c.ctx.i8()
                                : c.ctx.floatType(name == "f16"    ? FloatKind::F16
                                                  : name == "bf16" ? FloatKind::BF16
                                                  : name == "tf32" ? FloatKind::F32
                                                  : name == "f64"  ? FloatKind::F64
                                                                   : FloatKind::F8E4M3FN);
          c.acc = name == "s8" ? c.ctx.i32() : name == "f64" ? c.elem : c.ctx.f32();
          c.choose(m, n, depth, warps, 89);
          ASSERT_EQ(c.choice.family, DotFamily::Mma);
          checkMma(c, k.instr, warps);
          if (HasFatalFailure()) return;
        }
      }
}

TEST(MatrixPlan, MmaOfOperandsLoadedNarrower) {
  Case c;
  c.elem = c.ctx.floatType(FloatKind::F16);
  c.acc = c.ctx.f32();
  DotQuery q;
  q.operandBits = 8;
  c.choose(64, 64, 64, 4, 80, q);
  EXPECT_EQ(encodingOf(c.choice.a)->kWidth, 4u);
  checkMma(c, {1, true, true}, 4);
}

TEST(MatrixPlan, FmaHasAllInTheThread) {
  for (unsigned warps : {1u, 4u, 8u})
    for (auto [m, n, k] : {std::tuple{32, 32, 8}, {16, 64, 16}, {4, 8, 2}, {128, 32, 32}}) {
      Case c;
      c.elem = c.acc = c.ctx.f32();
      c.choose(m, n, k, warps, 70);
      ASSERT_EQ(c.choice.family, DotFamily::Fma);
      FmaPlan p;
      ASSERT_TRUE(planFma(c.la, c.lb, c.lc, &p));
      for (uint64_t w = 0; w < warps; ++w)
        for (uint64_t lane = 0; lane < 32; ++lane)
          for (uint64_t r = 0; r < uint64_t(1) << c.lc.inBits(Dim::Register); ++r)
            for (unsigned i = 0; i < p.k; ++i) {
              uint64_t out = c.at(c.lc, r, lane, w), a = c.at(c.la, p.a[r * p.k + i], lane, w);
              uint64_t b = c.at(c.lb, p.b[r * p.k + i], lane, w);
              ASSERT_EQ(a, out / n * k + i);
              ASSERT_EQ(b, uint64_t(i) * n + out % n);
            }
    }
}

/// The address that the hardware reads for (row, byte of K) of an operand, from the descriptor's fields alone.
uint64_t hardwareAddress(const WgmmaOperand &o, uint64_t start, uint64_t row, uint64_t k, unsigned size) {
  uint64_t x;
  unsigned unit = o.swizzle ? o.swizzle : 16;
  if (!o.mnMajor) {
    uint64_t byte = k * size;
    x = row / 8 * o.stride + row % 8 * unit + byte % unit + byte / unit * o.leading;
  } else {
    uint64_t byte = row * size;
    x = byte / unit * o.leading + byte % unit + k / 8 * o.stride + k % 8 * unit;
  }
  x += start;
  return x ^ (x >> 3 & (o.swizzle == 128 ? 0x70 : o.swizzle == 64 ? 0x30 : o.swizzle == 32 ? 0x10 : 0));
}

TEST(MatrixPlan, WgmmaDescriptors) {
  Context ctx;
  unsigned plans = 0;
  for (unsigned bits : {8u, 16u, 32u})
    for (int64_t rows : {8, 16, 64, 128, 256})
      for (int64_t ks : {16, 32, 64, 128})
        for (bool isA : {false, true})
          for (bool kMinor : {false, true}) {
            if (ks * bits < 256 || (!kMinor && (bits != 16 || rows < 16)) || (isA && rows < 64)) continue;
            SCOPED_TRACE(std::to_string(bits) + " bits, rows " + std::to_string(rows) + " k " + std::to_string(ks) +
                         (isA ? " A" : " B") + (kMinor ? " K contiguous" : ""));
            std::vector<int64_t> shape = isA ? std::vector<int64_t>{rows, ks} : std::vector<int64_t>{ks, rows};
            Span<int64_t> span{shape.data(), 2};
            auto s = sharedLayout(wgmmaSharedEncoding(ctx, span, bits, isA, kMinor), span, bits);
            ASSERT_TRUE(s);
            LinearLayout inverse = s->invert();
            unsigned rowBits = isA ? 6 : std::countr_zero(uint64_t(rows));
            WgmmaOperand o;
            ASSERT_TRUE(planWgmmaOperand(*s, !isA, bits, rowBits, &o));
            EXPECT_EQ(o.mnMajor, !kMinor);
            ++plans;
            uint64_t instrK = 256 / bits, instrRows = uint64_t(1) << rowBits;
            for (uint64_t r = 0; r < uint64_t(rows); ++r)
              for (uint64_t k = 0; k < uint64_t(ks); ++k) {
                uint64_t start = gf2::apply(o.rows, r / instrRows * instrRows) ^ gf2::apply(o.ks, k / instrK * instrK);
                uint64_t flat = isA ? r * ks + k : k * rows + r;
                uint64_t want = (inverse.apply(flat) & ((uint64_t(1) << s->inBits(Dim::Offset)) - 1)) * (bits / 8);
                ASSERT_EQ(hardwareAddress(o, start, r % instrRows, k % instrK, bits / 8), want) << r << "," << k;
              }
          }
  EXPECT_GT(plans, 60u);
}

TEST(MatrixPlan, WgmmaAccumulators) {
  for (unsigned warps : {4u, 8u})
    for (auto [m, n, k] : {std::tuple{64, 8, 64}, {64, 64, 64}, {128, 256, 64}, {256, 128, 32}, {128, 16, 16}, {64, 256, 64}})
      for (bool registers : {false, true}) {
        SCOPED_TRACE(std::to_string(m) + "x" + std::to_string(n) + " warps " + std::to_string(warps));
        Case c;
        c.elem = c.ctx.floatType(FloatKind::F16);
        c.acc = c.ctx.f32();
        DotQuery q;
        q.aFromRegisters = registers;
        c.choose(m, n, k, warps, 90, q);
        ASSERT_EQ(c.choice.family, DotFamily::Wgmma);
        WgmmaPlan p;
        ASSERT_TRUE(planWgmma(registers ? &c.la : nullptr, c.lc, std::countr_zero(unsigned(k)), 16, &p));
        unsigned count = 1u << (p.nBits - 1), tm = p.tilesM.size();
        for (uint64_t w = 0; w < warps; ++w)
          for (uint64_t lane = 0; lane < 32; ++lane)
            for (size_t r = 0; r < p.result.size(); ++r) {
              uint32_t x = p.result[r], d = x & (count - 1), tile = x >> (p.nBits - 1);
              uint64_t row = w % 4 * 16 + lane / 4 + 8 * (d >> 1 & 1), col = 2 * (lane % 4) + (d & 1) + 8 * (d >> 2);
              row ^= gf2::apply(p.tilesM, tile & ((1u << tm) - 1)) ^ gf2::apply(p.groupM, w / 4);
              col ^= gf2::apply(p.tilesN, tile >> tm) ^ gf2::apply(p.groupN, w / 4);
              ASSERT_EQ(c.at(c.lc, r, lane, w), row * n + col);
            }
        if (!registers) continue;
        for (unsigned step = 0; step < 1u << p.steps; ++step)
          for (unsigned i = 0; i < 8; ++i)
            for (uint64_t w = 0; w < warps; ++w)
              for (uint64_t lane = 0; lane < 32; ++lane)
                for (unsigned t = 0; t < 1u << tm; ++t) {
                  uint64_t reg = gf2::apply(p.aPack, i & 1) ^ (i & 2 ? p.aRow : 0) ^ (i & 4 ? p.aHalf : 0) ^
                                 gf2::apply(p.aK, step) ^ gf2::apply(p.aM, t);
                  uint64_t row = (w % 4 * 16 + lane / 4 + (i & 2 ? 8 : 0)) ^ gf2::apply(p.tilesM, t) ^ gf2::apply(p.groupM, w / 4);
                  uint64_t col = step * 16 + lane % 4 * 2 + (i & 1) + (i & 4 ? 8 : 0);
                  ASSERT_EQ(c.at(c.la, reg, lane, w), row * k + col);
                }
      }
}

/// ldmatrix as the manual defines it, on the plan's addresses.
TEST(MatrixPlan, Ldmatrix) {
  unsigned fits = 0;
  for (unsigned bits : {8u, 16u, 32u})
    for (unsigned operand : {0u, 1u})
      for (bool kMinor : {true, false})
        for (unsigned warps : {1u, 4u, 8u}) {
          Case c;
          c.elem = bits == 8 ? c.ctx.i8() : c.ctx.floatType(bits == 16 ? FloatKind::F16 : FloatKind::F32);
          c.acc = bits == 8 ? c.ctx.i32() : c.ctx.f32();
          c.choose(64, 64, 64, warps, 80);
          std::vector<int64_t> shape = {64, 64};
          Span<int64_t> span{shape.data(), 2};
          bool rowMajor = kMinor == (operand == 0);
          Attr enc = dotSharedEncoding(c.ctx, operand ? c.choice.b : c.choice.a, span, bits,
                                       rowMajor ? std::vector<unsigned>{1, 0} : std::vector<unsigned>{0, 1});
          LinearLayout s = *sharedLayout(enc, span, bits), t = operand ? c.lb : c.la, offsets = t.invertAndCompose(s);
          MatrixMovePlan p;
          bool fit = planMatrixMove(offsets, bits, false, &p);
          EXPECT_EQ(fit, kMinor || bits == 16) << bits << " " << operand << " " << kMinor;
          if (!fit) continue;
          ++fits;
          EXPECT_EQ(p.trans, !kMinor);
          EXPECT_EQ(p.matrices.size(), 2u);
          unsigned perWord = 32 / bits;
          for (uint64_t w = 0; w < warps; ++w)
            for (uint64_t rest = 0; rest < 1u << p.rest.size(); ++rest)
              for (unsigned j = 0; j < 4; ++j)
                for (uint64_t lane = 0; lane < 32; ++lane)
                  for (unsigned e = 0; e < perWord; ++e) {
                    uint64_t reg = 0;
                    for (size_t i = 0; i < p.rest.size(); ++i) reg |= (rest >> i & 1) << p.rest[i];
                    uint64_t at = gf2::apply(offsets.columnsOf(Dim::Register), reg) ^ gf2::apply(p.warpColumns, w);
                    for (size_t i = 0; i < 2; ++i) reg |= uint64_t(j >> i & 1) << p.matrices[i];
                    uint64_t pack = p.pack;
                    for (unsigned i = 0; i < unsigned(std::countr_zero(perWord)); ++i, pack &= pack - 1)
                      if (e >> i & 1) reg |= pack & -pack;
                    // Word (row, column) of matrix j: rows are at the addresses of lanes 8j … 8j + 7.
                    uint64_t row = p.trans ? lane % 4 * 2 + e : lane / 4;
                    uint64_t inRow = p.trans ? lane / 4 : lane % 4 * perWord + e;
                    uint64_t read = (at ^ gf2::apply(p.laneColumns, j * 8 + row)) + inRow;
                    ASSERT_EQ(read, gf2::apply(offsets.columns(), reg | lane << offsets.inStart(Dim::Lane) |
                                                                      w << offsets.inStart(Dim::Warp)));
                  }
        }
  EXPECT_EQ(fits, 24u);
}

TEST(ChooseDot, AsTritonDoes) {
  Case c;
  c.elem = c.ctx.floatType(FloatKind::F16);
  c.acc = c.ctx.f32();
  auto text = [](Attr a) { return std::string(a->text.view()); };
  c.choose(128, 256, 64, 8, 90);
  EXPECT_EQ(text(c.choice.acc),
            "ttg.nvidia_mma<{versionMajor = 3, versionMinor = 0, warpsPerCTA = [8, 1], instrShape = [16, 256, 16]}>");
  c.choose(64, 64, 128, 8, 90);
  EXPECT_EQ(text(c.choice.acc),
            "ttg.nvidia_mma<{versionMajor = 3, versionMinor = 0, warpsPerCTA = [4, 2], instrShape = [16, 32, 16]}>");
  c.choose(128, 128, 32, 8, 80);
  EXPECT_EQ(text(c.choice.acc),
            "ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, warpsPerCTA = [2, 4], instrShape = [16, 8]}>");
  c.choose(16, 64, 32, 4, 80);
  EXPECT_EQ(encodingOf(c.choice.acc)->warpsPerCTA, (std::vector<unsigned>{1, 4}));
  c.elem = c.ctx.floatType(FloatKind::F8E4M3FN);
  c.choose(64, 64, 64, 4, 80); // fp8 without instructions is exact in f16
  EXPECT_EQ(c.choice.aElem, c.ctx.floatType(FloatKind::F16));
  c.choose(64, 64, 64, 4, 90);
  EXPECT_EQ(c.choice.family, DotFamily::Wgmma);
  EXPECT_EQ(c.choice.aElem, c.elem);
  c.elem = c.ctx.f32();
  DotQuery q;
  c.choose(64, 64, 4, 4, 90); // K below wgmma's, not below mma.sync's
  EXPECT_EQ(c.choice.family, DotFamily::Mma);
  c.choose(64, 64, 2, 4, 90);
  EXPECT_EQ(c.choice.family, DotFamily::Fma);
}

} // namespace
