// SPDX-License-Identifier: MIT
// The choice of instruction, tiling and encodings for one dot. No IR is changed here.
#include "select_matrix.hh"
#include <algorithm>
#include <bit>

namespace tcodegen::gpu {
using namespace tir;

namespace {

enum class DotType : uint8_t { None, F16, BF16, TF32, S8, F8, F64 };

bool isFp8(Type t) { return t->isFloat() && floatWidth(t->fkind) == 8 && t->fkind != FloatKind::F8E8M0FNU; }
bool isNativeFp8(Type t) { return t->isFloat(FloatKind::F8E4M3FN) || t->isFloat(FloatKind::F8E5M2); }
unsigned bitsOf(Type t) { return t->isFloat() ? floatWidth(t->fkind) : t->width; }

/// What the tensor cores may see in the operands (after casts that chooseDot may ask for).
DotType classify(const DotQuery &q) {
  Type a = q.a->elem, b = q.b->elem, c = q.acc->elem;
  bool floatAcc = c->isFloat(FloatKind::F32) || c->isFloat(FloatKind::F16) || c->isFloat(FloatKind::BF16);
  if (isFp8(a) && isFp8(b) && floatAcc) return isNativeFp8(a) && isNativeFp8(b) ? DotType::F8 : DotType::F16;
  if (((isFp8(a) && b->isFloat(FloatKind::F16)) || (isFp8(b) && a->isFloat(FloatKind::F16))) && floatAcc)
    return DotType::F16;
  if (a != b) return DotType::None;
  if (a->isFloat(FloatKind::F16) && floatAcc) return DotType::F16;
  if (a->isFloat(FloatKind::BF16) && floatAcc) return DotType::BF16;
  if (a->isFloat(FloatKind::F32) && c->isFloat(FloatKind::F32)) return q.precision == 0 ? DotType::TF32 : DotType::None;
  if (a->isFloat(FloatKind::F64) && c->isFloat(FloatKind::F64)) return DotType::F64;
  if (a->isInt(8) && c->isInt(32)) return DotType::S8;
  return DotType::None;
}

/// Smallest K that one mma.sync of the type takes.
unsigned leastK(DotType t) {
  switch (t) {
  case DotType::F16:
  case DotType::BF16: return 8;
  case DotType::S8: return 16;
  case DotType::F8: return 32;
  default: return 4; // tf32, f64
  }
}

bool mmaHas(DotType t, unsigned capability) {
  if (capability < 75) return false;
  if (t == DotType::F16) return true;
  if (t == DotType::F8) return capability >= 89;
  return t != DotType::None && capability >= 80;
}

/// Warps along M and N for mma.sync: both extents of a warp's share stay as equal as they can.
std::pair<unsigned, unsigned> tileWarps(uint64_t m, uint64_t n, unsigned warps, bool chained, unsigned instrM) {
  if (chained && m >= uint64_t(instrM) * warps) return {warps, 1};
  unsigned wm = 1, wn = 1;
  while (wm * wn < warps) {
    bool roomM = m / wm > instrM, roomN = n / wn > 8;
    bool alongM = roomM && (!roomN || chained || m / wm > n / wn);
    (alongM ? wm : wn) *= 2;
  }
  return {wm, wn};
}

/// The same for wgmma: a group of four warps holds 64 rows.
std::pair<unsigned, unsigned> tileWarpGroups(uint64_t m, unsigned warps) {
  unsigned wm = 4, wn = 1;
  while (wm * wn < warps) (m > 16u * wm ? wm : wn) *= 2;
  return {wm, wn};
}

Attr blockedFor(Context &ctx, Span<int64_t> shape, unsigned warps) {
  unsigned rank = shape.size();
  std::vector<unsigned> perThread(rank, 1), lanes(rank, 1), w(rank, 1), order(rank);
  for (unsigned i = 0; i < rank; ++i) order[i] = rank - 1 - i;
  uint64_t elements = 1;
  for (int64_t d : shape) elements *= d;
  unsigned side = elements >= 16u * 32 * warps ? 4 : elements >= 4u * 32 * warps ? 2 : 1;
  for (unsigned i = rank - 2; i < rank; ++i) perThread[i] = std::min<uint64_t>(side, shape[i]);
  unsigned left = 32;
  for (unsigned d : order) {
    lanes[d] = std::clamp<uint64_t>(shape[d] / perThread[d], 1, left);
    left /= lanes[d];
  }
  lanes[order[rank - 1]] *= left;
  left = warps;
  for (unsigned d : order) {
    w[d] = std::clamp<uint64_t>(shape[d] / (uint64_t(perThread[d]) * lanes[d]), 1, left);
    left /= w[d];
  }
  w[order[rank - 1]] *= left;
  return blockedAttr(ctx, perThread, lanes, w, order);
}

DotChoice fma(const DotQuery &q, const char *why) {
  Context &ctx = *q.acc->ctx;
  DotChoice c;
  c.why = why;
  c.acc = q.blocked ? q.blocked : blockedFor(ctx, q.acc->shape, q.numWarps);
  c.a = dotOpAttr(ctx, 0, c.acc, 0);
  c.b = dotOpAttr(ctx, 1, c.acc, 0);
  auto operand = [&](Type t) { return isFp8(t) ? ctx.floatType(FloatKind::F16) : t; }; // exact
  c.aElem = operand(q.a->elem);
  c.bElem = operand(q.b->elem);
  c.accElem = q.acc->elem->isFloat(FloatKind::BF16) ? ctx.f32() : q.acc->elem;
  return c;
}

} // namespace

Attr wgmmaSharedEncoding(Context &ctx, Span<int64_t> shape, unsigned elementBits, bool isA, bool kMinor) {
  // `transposed` of the encoding: the first dimension is the contiguous one.
  bool transposed = isA ? !kMinor : kMinor;
  uint64_t bytes = uint64_t(shape[shape.size() - (transposed ? 2 : 1)]) * elementBits / 8;
  unsigned swizzle = bytes >= 128 ? 128 : bytes >= 64 ? 64 : bytes >= 32 ? 32 : 0;
  return nvmmaSharedAttr(ctx, swizzle, transposed, elementBits, shape.size());
}

Attr dotSharedEncoding(Context &ctx, Attr dotOp, Span<int64_t> shape, unsigned elementBits,
                       std::vector<unsigned> order) {
  const Encoding *e = encodingOf(dotOp);
  const Encoding *parent = e && e->kind == EncKind::DotOp ? encodingOf(e->parent) : nullptr;
  if (!parent || parent->kind != EncKind::NvidiaMma) return swizzledSharedAttr(ctx, 1, 1, 1, order);
  unsigned rank = shape.size();
  unsigned kDim = e->opIdx == 0 ? rank - 1 : rank - 2;
  uint64_t minor = shape[order[0]], major = rank > 1 ? shape[order[1]] : 1;
  // Rows are read 16 bytes at a time by ldmatrix (also transposed, 16-bit types), 8 rows at once. Otherwise a read
  // takes kWidth elements along K from 8 rows, or single elements across 8 columns of 4 rows.
  bool kMinor = order[0] == kDim;
  unsigned vec = std::min<uint64_t>(kMinor || elementBits == 16 ? 128 / elementBits : 8, minor);
  unsigned perPhase = std::max<uint64_t>(1, 1024 / (minor * elementBits));
  unsigned rows = kMinor || elementBits == 16 ? 8 : elementBits == 8 ? 16 : 4;
  unsigned maxPhase = std::max<uint64_t>(1, std::min<uint64_t>(rows / std::min(rows, perPhase), minor / vec));
  maxPhase = std::max<uint64_t>(1, std::min<uint64_t>(maxPhase, major / perPhase));
  return swizzledSharedAttr(ctx, vec, perPhase, maxPhase, order);
}

DotChoice chooseDot(const DotQuery &q) {
  Context &ctx = *q.acc->ctx;
  unsigned rank = q.acc->rank();
  uint64_t m = q.acc->shape[rank - 2], n = q.acc->shape[rank - 1], k = q.a->shape[rank - 1];
  DotType t = classify(q);
  if (t == DotType::None)
    return fma(q, q.a->elem->isFloat(FloatKind::F32) ? "f32 operands with input precision ieee"
                                                     : "no matrix instruction takes these types");
  if (!mmaHas(t, q.capability) && t == DotType::F8) t = DotType::F16; // fp8 is exact in f16
  if (!mmaHas(t, q.capability)) return fma(q, "this architecture has no matrix instruction for these types");

  DotChoice c;
  c.aElem = q.a->elem;
  c.bElem = q.b->elem;
  // Sums are made in f32 also where the result is narrower.
  c.accElem = t == DotType::S8 ? ctx.i32() : t == DotType::F64 ? q.acc->elem : ctx.f32();
  auto asF16 = [&] { c.aElem = c.bElem = ctx.floatType(FloatKind::F16); };
  if (t == DotType::F16) asF16();
  unsigned bits = bitsOf(c.aElem);

  // ---- wgmma ----
  unsigned instrK = 256 / bits;
  bool group = q.capability == 90 && q.archSpecific && q.numWarps % 4 == 0 && rank == 2 && t != DotType::F64;
  if (group && m >= 64 && m % 64 == 0 && n >= 8 && k >= instrK) {
    auto [wm, wn] = tileWarpGroups(m, q.numWarps);
    unsigned instrN = std::min<uint64_t>(256, std::max<uint64_t>(8, n / wn));
    c.family = DotFamily::Wgmma;
    c.acc = nvidiaMmaAttr(ctx, 3, 0, {wm, wn}, {16, instrN, instrK});
    // Only 16-bit operands may have K as the slow dimension; eight of them are too few for a swizzled row.
    bool free = bits == 16;
    c.aShared = !q.aFromRegisters;
    c.bShared = true;
    c.a = c.aShared ? wgmmaSharedEncoding(ctx, q.a->shape, bits, true, !free || q.aKMinor)
                    : dotOpAttr(ctx, 0, c.acc, 32 / bits);
    c.b = wgmmaSharedEncoding(ctx, q.b->shape, bits, false, !free || q.bKMinor || n < 16);
    return c;
  }
  c.why = q.capability < 90               ? "the architecture has no wgmma"
          : q.capability != 90 || !q.archSpecific ? "wgmma needs the target sm_90a"
          : q.numWarps % 4                ? "wgmma needs a multiple of four warps"
          : m < 64                        ? "wgmma needs 64 rows"
          : rank != 2                     ? "a batch of dots"
          : t == DotType::F64             ? "f64 operands"
                                          : "wgmma needs N of 8 and K of 32 bytes at least";

  // ---- mma.sync ----
  // Hopper has fp8 in wgmma only (mma.sync is emulated there): f16 holds fp8 exactly.
  if (t == DotType::F8 && (q.capability == 90 || k < leastK(t))) {
    t = DotType::F16;
    asF16();
    bits = 16;
  }
  if (k < leastK(t)) return fma(q, "K is below that of the matrix instructions");
  c.family = DotFamily::Mma;
  unsigned instrM = t == DotType::F64 ? 8 : 16;
  unsigned batchWarps = 1, warps = q.numWarps;
  if (rank == 3)
    for (; batchWarps * 2 <= q.acc->shape[0] && warps > 1; warps /= 2) batchWarps *= 2;
  auto [wm, wn] = tileWarps(m, n, warps, q.chained, instrM);
  c.acc = rank == 3 ? nvidiaMmaAttr(ctx, 2, 0, {batchWarps, wm, wn}, {1, instrM, 8})
                    : nvidiaMmaAttr(ctx, 2, 0, {wm, wn}, {instrM, 8});
  // Operands that were loaded narrower are held in runs as long as their load brings them: 32 bits of the narrow type.
  unsigned narrow = std::clamp(q.operandBits ? std::min(q.operandBits, bits) : bits, 8u, 64u);
  unsigned kWidth = std::max(1u, 32 / narrow);
  unsigned atOnce = 4 * kWidth; // K that the four lanes of a row hold
  while (atOnce > k) atOnce /= 2, kWidth /= 2;
  kWidth = std::max({1u, 32 / bits, kWidth});
  c.a = dotOpAttr(ctx, 0, c.acc, kWidth);
  c.b = dotOpAttr(ctx, 1, c.acc, kWidth);
  return c;
}

} // namespace tcodegen::gpu
