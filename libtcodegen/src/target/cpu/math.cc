// SPDX-License-Identifier: MIT
// Every step below is an fma, or an operation that is exact or rounds once, in an order that no pass may change.
#include "math.hh"
#include "lanes.hh"
#include "llvm/cpu_target.hh"
#include "target/math_poly.hh"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/IntrinsicsX86.h"

using namespace llvm;

namespace tcodegen {
namespace {

constexpr MathFnInfo infos[] = {
#define X(name, arity, own) {#name, arity, own == 1},
#include "math_fn.inc"
#undef X
};

using namespace poly;

constexpr float round_magic = 0x1.8p+23f; // x + magic − magic = rint(x), and the sum's low bits are the integer
constexpr uint32_t round_magic_bits = 0x4b400000;

/// Emits float operations; values and constants have the shape (scalar or lanes) of x.
class Emit {
public:
  Emit(IRBuilderBase &b, Value *x, const CpuTarget *cpu)
      : b(b), type(x->getType()), bits_type(type->getWithNewType(b.getInt32Ty())), cpu(cpu) {}

  Value *f(float v) const { return ConstantFP::get(type, APFloat(v)); }
  Value *i(uint32_t v) const { return ConstantInt::get(bits_type, v); }
  Value *bits(Value *v) const { return b.CreateBitCast(v, bits_type); }
  Value *flt(Value *v) const { return b.CreateBitCast(v, type); }
  Value *fma(Value *x, Value *y, Value *z) const { return b.CreateIntrinsic(Intrinsic::fma, {type}, {x, y, z}); }
  Value *fma(Value *x, float y, Value *z) const { return fma(x, f(y), z); }
  Value *fma(Value *x, Value *y, float z) const { return fma(x, y, f(z)); }
  Value *abs(Value *x) const { return b.CreateUnaryIntrinsic(Intrinsic::fabs, x); }
  Value *sign(Value *x) const { return b.CreateAnd(bits(x), i(0x80000000)); }
  Value *with_sign(Value *x, Value *sign) const { return flt(b.CreateOr(bits(x), sign)); }
  /// NaN passes: the comparison is false for it.
  Value *at_most(Value *x, float limit) const { return b.CreateSelect(b.CreateFCmpOGT(x, f(limit)), f(limit), x); }
  Value *at_least(Value *x, float limit) const { return b.CreateSelect(b.CreateFCmpOLT(x, f(limit)), f(limit), x); }
  template <size_t N> Value *poly(Value *x, const float (&c)[N]) const {
    Value *p = f(c[N - 1]);
    for (size_t k = N - 1; k-- > 0;) p = fma(p, x, c[k]);
    return p;
  }

  Value *exp(Value *x) const;
  Value *exp2(Value *x) const;
  Value *exp_bounded(Value *x) const;
  Value *log(Value *x, bool base2) const;
  Value *sin_cos(Value *x, bool cosine) const;
  Value *tanh(Value *x) const;
  Value *erf(Value *x) const;

private:
  struct Rounded {
    Value *n;     // rint(x·c), a float
    Value *plus;  // its sum with the magic number: the integer in the low bits
  };
  Rounded round_product(Value *x, float c) const {
    Value *t = c == 1.0f ? b.CreateFAdd(x, f(round_magic)) : fma(x, c, f(round_magic));
    return {b.CreateFSub(t, f(round_magic)), t};
  }
  Value *exp_reduced(Value *x, const Rounded &k) const;
  Value *scale(Value *p, const Rounded &k) const;

  IRBuilderBase &b;
  Type *type, *bits_type;
  const CpuTarget *cpu;
};

/// p·2^n with one rounding, −252 ≤ n ≤ 254: as p·2^⌊n/2⌋·2^⌈n/2⌉, of which the first product is exact.
Value *Emit::scale(Value *p, const Rounded &k) const {
  auto *vector = dyn_cast<FixedVectorType>(type);
  if (cpu && cpu->avx512 && vector && vector->getNumElements() >= 16) { // vscalefps: the same in one instruction
    auto *part = FixedVectorType::get(b.getFloatTy(), 16);
    Value *zero = Constant::getNullValue(part), *all = ConstantInt::get(b.getInt16Ty(), 0xffff), *result = nullptr;
    for (unsigned at = 0; at < vector->getNumElements(); at += 16) {
      Value *pp = b.CreateExtractVector(part, p, uint64_t(at)), *nn = b.CreateExtractVector(part, k.n, uint64_t(at));
      Value *r = b.CreateIntrinsic(Intrinsic::x86_avx512_mask_scalef_ps_512, {}, {pp, nn, zero, all, b.getInt32(4)});
      if (vector->getNumElements() == 16) return r;
      result = b.CreateInsertVector(type, result ? result : PoisonValue::get(type), r, uint64_t(at));
    }
    return result;
  }
  Value *biased = b.CreateSub(bits(k.plus), i(round_magic_bits - 2 * 127)); // n + 254, positive
  Value *half = b.CreateLShr(biased, i(1)), *rest = b.CreateSub(biased, half);
  Value *first = flt(b.CreateShl(half, i(23))), *second = flt(b.CreateShl(rest, i(23)));
  return b.CreateFMul(b.CreateFMul(p, first), second);
}

/// e^(x − n·ln 2)
Value *Emit::exp_reduced(Value *x, const Rounded &k) const {
  Value *r = fma(k.n, -ln2_parts[0], x);
  r = fma(k.n, -ln2_parts[1], r);
  Value *p = fma(poly(r, exp_poly), r, 1.0f);
  return fma(p, r, 1.0f);
}

Value *Emit::exp(Value *x) const {
  x = at_least(at_most(x, 89.0f), -104.0f); // e^89 overflows, e^−104 is below half the least sub-normal
  Rounded k = round_product(x, log2e_parts[0]);
  return scale(exp_reduced(x, k), k);
}

/// For −87 ≤ x ≤ 88, where neither x nor the result is special.
Value *Emit::exp_bounded(Value *x) const {
  Rounded k = round_product(x, log2e_parts[0]);
  Value *power = flt(b.CreateShl(b.CreateAdd(bits(k.plus), i(127 - round_magic_bits)), i(23)));
  return b.CreateFMul(exp_reduced(x, k), power);
}

Value *Emit::exp2(Value *x) const {
  x = at_least(at_most(x, 129.0f), -151.0f);
  Rounded k = round_product(x, 1.0f);
  Value *r = b.CreateFSub(x, k.n); // exact
  return scale(fma(poly(r, exp2_poly), r, 1.0f), k);
}

/// x = 2^e·(1 + f) with 1 + f in [2/3, 4/3): then log x = e·ln 2 + log1p f without cancellation.
Value *Emit::log(Value *x, bool base2) const {
  constexpr uint32_t two_thirds = 0x3f2aaaab;
  Value *u = bits(x);
  Value *subnormal = b.CreateICmpULT(u, i(0x00800000)); // and +0, which is replaced below
  Value *scaled = b.CreateSelect(subnormal, b.CreateFMul(x, f(0x1p+23f)), x);
  Value *shifted = b.CreateSub(bits(scaled), i(two_thirds));
  Value *e = b.CreateSIToFP(b.CreateAShr(shifted, i(23)), type);
  e = b.CreateFAdd(e, b.CreateSelect(subnormal, f(-23.0f), f(0.0f)));
  Value *m = flt(b.CreateAdd(b.CreateAnd(shifted, i(0x007fffff)), i(two_thirds)));
  Value *r = b.CreateFSub(m, f(1.0f)); // exact
  Value *tail = b.CreateFMul(b.CreateFMul(r, r), poly(r, log_poly));
  Value *y;
  if (base2) {
    y = fma(tail, log2e_parts[0], b.CreateFMul(r, f(log2e_parts[1])));
    y = b.CreateFAdd(fma(r, log2e_parts[0], y), e);
  } else {
    y = b.CreateFAdd(fma(e, ln2_parts[1], tail), r);
    y = fma(e, ln2_parts[0], y);
  }
  // +inf and NaN give themselves, negative numbers NaN, ±0 −inf.
  Value *finite = b.CreateICmpULT(b.CreateSub(u, i(1)), i(0x7f7fffff));
  Value *special = b.CreateSelect(b.CreateFCmpOLT(x, f(0.0f)), flt(i(0x7fc00000)), x);
  special = b.CreateSelect(b.CreateFCmpOEQ(x, f(0.0f)), flt(i(0xff800000)), special);
  return b.CreateSelect(finite, y, special);
}

/// Cody and Waite in three parts. Up to the limit n has 17 bits: |x| − n·first is exact, and the two roundings that
/// follow are relative to the small result.
Value *Emit::sin_cos(Value *x, bool cosine) const {
  constexpr float limit = 105615.0f;
  Value *a = abs(x);
  Rounded k = round_product(a, two_over_pi);
  Value *r = fma(k.n, -pi_2_parts[0], a);
  r = fma(k.n, -pi_2_parts[1], r);
  r = fma(k.n, -pi_2_parts[2], r);
  Value *u = b.CreateFMul(r, r);
  Value *sine = fma(b.CreateFMul(r, u), poly(u, sin_poly), r);
  Value *cos = fma(b.CreateFMul(u, u), poly(u, cos_poly), fma(u, -0.5f, f(1.0f)));
  Value *quadrant = bits(k.plus); // the magic number is a multiple of 4
  if (cosine) quadrant = b.CreateAdd(quadrant, i(1));
  Value *odd = b.CreateICmpNE(b.CreateAnd(quadrant, i(1)), i(0));
  Value *flip = b.CreateAnd(b.CreateShl(quadrant, i(30)), i(0x80000000));
  if (!cosine) flip = b.CreateXor(flip, sign(x));
  Value *y = flt(b.CreateXor(bits(b.CreateSelect(odd, cos, sine)), flip));
  return emit_rare_lanes(b, cosine ? "cos" : "sin", x, b.CreateFCmpOGT(a, f(limit)), y);
}

Value *Emit::tanh(Value *x) const {
  Value *a = abs(x), *u = b.CreateFMul(a, a);
  Value *small = fma(b.CreateFMul(a, u), poly(u, tanh_poly), a);
  Value *twice = at_most(b.CreateFAdd(a, a), 20.0f); // tanh 10 rounds to 1
  Value *large = b.CreateFSub(f(1.0f), b.CreateFDiv(f(2.0f), b.CreateFAdd(exp_bounded(twice), f(1.0f))));
  return with_sign(b.CreateSelect(b.CreateFCmpOLT(a, f(0.625f)), small, large), sign(x));
}

Value *Emit::erf(Value *x) const {
  Value *a = at_most(abs(x), 4.0f); // erf 4 rounds to 1
  Value *small = fma(poly(b.CreateFMul(a, a), erf_poly), a, a);
  Value *large = b.CreateFSub(f(1.0f), exp_bounded(b.CreateFNeg(poly(a, erfc_exponent))));
  return with_sign(b.CreateSelect(b.CreateFCmpOLT(a, f(0.925f)), small, large), sign(x));
}

/// Half away from zero, exact: the fraction decides.
Value *emit_round(IRBuilderBase &b, Value *x) {
  Type *t = x->getType();
  Value *whole = b.CreateUnaryIntrinsic(Intrinsic::trunc, x);
  Value *fraction = b.CreateUnaryIntrinsic(Intrinsic::fabs, b.CreateFSub(x, whole));
  Value *up = b.CreateFCmpOGE(fraction, ConstantFP::get(t, 0.5));
  Value *one = b.CreateSelect(up, ConstantFP::get(t, 1.0), ConstantFP::get(t, 0.0));
  return b.CreateFAdd(whole, b.CreateBinaryIntrinsic(Intrinsic::copysign, one, x));
}

Value *emit_simple(MathFn fn, IRBuilderBase &b, Value *x, Value *y) {
  switch (fn) {
  case MathFn::sqrt: return b.CreateUnaryIntrinsic(Intrinsic::sqrt, x);
  case MathFn::rsqrt:
    return b.CreateFDiv(ConstantFP::get(x->getType(), 1.0), b.CreateUnaryIntrinsic(Intrinsic::sqrt, x));
  case MathFn::fabs: return b.CreateUnaryIntrinsic(Intrinsic::fabs, x);
  case MathFn::floor: return b.CreateUnaryIntrinsic(Intrinsic::floor, x);
  case MathFn::ceil: return b.CreateUnaryIntrinsic(Intrinsic::ceil, x);
  case MathFn::trunc: return b.CreateUnaryIntrinsic(Intrinsic::trunc, x);
  case MathFn::rint: return b.CreateUnaryIntrinsic(Intrinsic::roundeven, x);
  case MathFn::round: return emit_round(b, x);
  case MathFn::copysign: return b.CreateBinaryIntrinsic(Intrinsic::copysign, x, y);
  default: return nullptr;
  }
}

Value *emit_own(MathFn fn, IRBuilderBase &b, Value *x, const CpuTarget *cpu) {
  Emit e(b, x, cpu);
  switch (fn) {
  case MathFn::exp: return e.exp(x);
  case MathFn::exp2: return e.exp2(x);
  case MathFn::log: return e.log(x, false);
  case MathFn::log2: return e.log(x, true);
  case MathFn::sin: return e.sin_cos(x, false);
  case MathFn::cos: return e.sin_cos(x, true);
  case MathFn::tanh: return e.tanh(x);
  case MathFn::erf: return e.erf(x);
  default: return nullptr;
  }
}

bool lookup(std::string_view name, MathFn *fn) {
  for (size_t k = 0; k < std::size(infos); ++k)
    if (name == infos[k].name) {
      *fn = MathFn(k);
      return true;
    }
  return false;
}

} // namespace

const MathFnInfo &math_fn_info(MathFn fn) { return infos[size_t(fn)]; }

bool find_math_fn(std::string_view name, MathFn *fn) {
  if (name.substr(0, 5) == "__nv_") name.remove_prefix(5);
  if (name.substr(0, 5) == "fast_") name.remove_prefix(5);
  if (name == "nearbyint" || name == "nearbyintf" || name == "rintf") name = "rint";
  if (lookup(name, fn)) return true;
  return name.size() > 1 && name.back() == 'f' && lookup(name.substr(0, name.size() - 1), fn);
}

Value *emit_math(MathFn fn, IRBuilderBase &b, Value *x, Value *y, const CpuTarget *cpu) {
  Type *element = x->getType()->getScalarType();
  bool f32 = element->isFloatTy();
  if ((!f32 && !element->isDoubleTy()) || size_t(fn) >= std::size(infos)) return nullptr;
  const MathFnInfo &info = infos[size_t(fn)];
  if ((info.arity == 2) != (y != nullptr) || (y && y->getType() != x->getType())) return nullptr;
  IRBuilderBase::FastMathFlagGuard guard(b);
  b.clearFastMathFlags();
  if (info.own && f32) return emit_own(fn, b, x, cpu);
  if (Value *v = emit_simple(fn, b, x, y)) return v;
  std::string import = std::string(info.name) + (f32 ? "f" : "");
  SmallVector<Value *, 2> args{x};
  if (y) args.push_back(y);
  return emit_lane_calls(b, import, args);
}

} // namespace tcodegen
