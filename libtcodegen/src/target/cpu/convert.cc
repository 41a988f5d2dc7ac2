// SPDX-License-Identifier: MIT
#include "convert.hh"
#include "lanes.hh"
#include "llvm/ADT/APFloat.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Intrinsics.h"

using namespace llvm;

namespace tcodegen {
namespace {

Value *splat(Type *t, uint64_t v) { return ConstantInt::get(t, v); }

/// t with x's lanes.
Type *like(Value *x, Type *t) { return x->getType()->getWithNewType(t); }

struct Fp8 {
  unsigned mantissa; // bits
  int bias;
  bool has_infinity;
  bool fnuz;         // no −0, NaN is 0x80
  uint32_t nan;      // code of NaN
  uint32_t overflow; // float bits: the least magnitude that rounds to nearest beyond the largest finite value
  uint32_t largest;  // code of the largest finite value
};

Fp8 fp8_of(Float f) {
  switch (f) {
  case Float::f8e4m3fn: return {3, 7, false, false, 0x7f, 0x43e80001, 0x7e}; // more than 464; the tie goes to 448
  case Float::f8e5m2: return {2, 15, true, false, 0x7e, 0x47700000, 0x7b};   // 61440
  case Float::f8e4m3fnuz: return {3, 8, false, true, 0x80, 0x43780000, 0x7f}; // 248
  default: return {2, 16, false, true, 0x80, 0x47700000, 0x7f};               // f8e5m2fnuz: 61440
  }
}

/// The magnitude's bits step down by one where the conversion went away from zero: nearest → toward zero.
Value *undo_growth(IRBuilderBase &b, Value *narrow, Value *back, Value *x, Type *narrow_bits) {
  Value *grew = b.CreateFCmpOGT(b.CreateUnaryIntrinsic(Intrinsic::fabs, back),
                                b.CreateUnaryIntrinsic(Intrinsic::fabs, x));
  Value *bits = b.CreateBitCast(narrow, narrow_bits);
  return b.CreateSub(bits, b.CreateZExt(grew, narrow_bits));
}

/// double → float rounded to odd: toward zero, and the last bit set if that lost anything. Rounding the result again,
/// to a format of at most 22 bits and either way, equals rounding the double once.
Value *f64_to_f32_odd(IRBuilderBase &b, Value *x) {
  Type *t = like(x, b.getFloatTy()), *bits = like(x, b.getInt32Ty());
  Value *narrow = b.CreateFPTrunc(x, t), *back = b.CreateFPExt(narrow, x->getType());
  Value *lost = b.CreateZExt(b.CreateFCmpONE(back, x), bits); // false for NaN
  return b.CreateBitCast(b.CreateOr(undo_growth(b, narrow, back, x, bits), lost), t);
}

Value *f32_to_bf16(IRBuilderBase &b, Value *x, Rounding rounding) {
  Type *i32 = like(x, b.getInt32Ty());
  Value *u = b.CreateBitCast(x, i32), *high = b.CreateLShr(u, splat(i32, 16));
  Value *quiet = b.CreateOr(high, splat(i32, 0x40)); // else a NaN with low payload would become infinity
  Value *rounded = high;
  if (rounding == Rounding::nearest_even) {
    Value *odd = b.CreateAnd(high, splat(i32, 1));
    rounded = b.CreateLShr(b.CreateAdd(b.CreateAdd(u, splat(i32, 0x7fff)), odd), splat(i32, 16));
  }
  return b.CreateTrunc(b.CreateSelect(b.CreateFCmpUNO(x, x), quiet, rounded), like(x, b.getInt16Ty()));
}

Value *f32_to_f16(IRBuilderBase &b, Value *x, Rounding rounding) {
  Type *half = like(x, b.getHalfTy());
  Value *narrow = b.CreateFPTrunc(x, half);
  if (rounding == Rounding::nearest_even) return narrow;
  Value *back = b.CreateFPExt(narrow, x->getType());
  return b.CreateBitCast(undo_growth(b, narrow, back, x, like(x, b.getInt16Ty())), half);
}

Value *f32_to_fp8(IRBuilderBase &b, Value *x, Float to, Rounding rounding, Overflow overflow) {
  const Fp8 f = fp8_of(to);
  const bool nearest = rounding == Rounding::nearest_even;
  const unsigned shift = 23 - f.mantissa;
  const uint32_t rebias = uint32_t(127 - f.bias) << 23;
  Type *i32 = like(x, b.getInt32Ty());
  auto c = [&](uint32_t v) { return splat(i32, v); };
  Value *u = b.CreateBitCast(x, i32), *a = b.CreateAnd(u, c(0x7fffffff));
  Value *sign = b.CreateLShr(b.CreateAnd(u, c(0x80000000)), c(24));
  Value *is_nan = b.CreateICmpUGT(a, c(0x7f800000));

  Value *normal = b.CreateSub(a, c(rebias));
  if (nearest) {
    Value *odd = b.CreateAnd(b.CreateLShr(a, c(shift)), c(1));
    normal = b.CreateAdd(b.CreateAdd(normal, c((1u << (shift - 1)) - 1)), odd);
  }
  normal = b.CreateLShr(normal, c(shift));

  // Below the least normal number the code counts units of 2^(1 − bias − mantissa).
  Value *is_small = b.CreateICmpULT(a, c(rebias + (1u << 23)));
  Value *small;
  int unit = 1 - f.bias - int(f.mantissa);
  if (nearest) { // added to a number whose last bit is that unit, the hardware rounds
    uint32_t magic = uint32_t(unit + 23 + 127) << 23;
    Value *sum = b.CreateFAdd(b.CreateBitCast(a, x->getType()), b.CreateBitCast(c(magic), x->getType()));
    small = b.CreateSub(b.CreateBitCast(sum, i32), c(magic));
  } else {
    Value *units = b.CreateFMul(b.CreateBitCast(b.CreateSelect(is_small, a, c(0)), x->getType()),
                                b.CreateBitCast(c(uint32_t(127 - unit) << 23), x->getType()));
    small = b.CreateFPToSI(units, i32);
  }
  Value *code = b.CreateSelect(is_small, small, normal);

  if (nearest) {
    uint32_t beyond = overflow == Overflow::saturate ? f.largest : f.has_infinity ? 0x7c : f.nan;
    code = b.CreateSelect(b.CreateICmpUGE(a, c(f.overflow)), c(beyond), code);
  } else {
    Value *too_large = b.CreateICmpUGT(code, c(f.largest));
    code = b.CreateSelect(b.CreateAnd(too_large, b.CreateNot(is_small)), c(f.largest), code);
    code = b.CreateSelect(b.CreateICmpEQ(a, c(0x7f800000)), c(f.has_infinity ? 0x7c : f.nan), code);
  }
  code = b.CreateSelect(is_nan, c(f.nan), code);
  if (f.fnuz) { // 0 and NaN have no sign
    Value *signless = b.CreateICmpEQ(b.CreateAnd(code, c(0x7f)), c(0));
    sign = b.CreateSelect(signless, c(0), sign);
  }
  return b.CreateTrunc(b.CreateOr(code, sign), like(x, b.getInt8Ty()));
}

Value *fp8_to_f32(IRBuilderBase &b, Value *x, Float from) {
  const Fp8 f = fp8_of(from);
  Type *i32 = like(x, b.getInt32Ty()), *f32 = like(x, b.getFloatTy()), *i16 = like(x, b.getInt16Ty());
  if (from == Float::f8e5m2) // the upper half of an f16
    return b.CreateFPExt(b.CreateBitCast(b.CreateShl(b.CreateZExt(x, i16), splat(i16, 8)), like(x, b.getHalfTy())), f32);
  Value *magnitude = b.CreateAnd(x, splat(x->getType(), 0x7f)), *y;
  if (f.mantissa == 3) { // as f16 bits it is too small by a power of two; F16C takes sub-normals without a penalty
    Value *h = b.CreateBitCast(b.CreateShl(b.CreateZExt(magnitude, i16), splat(i16, 7)), like(x, b.getHalfTy()));
    y = b.CreateFMul(b.CreateFPExt(h, f32), ConstantFP::get(f32, APFloat(f.bias == 7 ? 256.0f : 128.0f)));
  } else {
    Value *u = b.CreateShl(b.CreateZExt(magnitude, i32), splat(i32, 23 - f.mantissa));
    y = b.CreateFMul(b.CreateBitCast(u, f32), ConstantFP::get(f32, APFloat(0x1p+111f))); // 2^(127 − bias)
  }
  Value *sign = b.CreateShl(b.CreateZExt(b.CreateXor(x, magnitude), i32), splat(i32, 24));
  y = b.CreateBitCast(b.CreateOr(b.CreateBitCast(y, i32), sign), f32);
  Type *i8 = x->getType();
  Value *is_nan = f.fnuz ? b.CreateICmpEQ(x, splat(i8, 0x80)) : b.CreateICmpEQ(magnitude, splat(i8, 0x7f));
  return b.CreateSelect(is_nan, ConstantFP::getQNaN(f32), y);
}

Value *to_f32(IRBuilderBase &b, Value *x, Float from) {
  Type *f32 = like(x, b.getFloatTy()), *i32 = like(x, b.getInt32Ty());
  switch (from) {
  case Float::f32: return x;
  case Float::f16: return b.CreateFPExt(x, f32);
  case Float::bf16: return b.CreateBitCast(b.CreateShl(b.CreateZExt(x, i32), splat(i32, 16)), f32);
  default: return fp8_to_f32(b, x, from);
  }
}

Value *f32_to(IRBuilderBase &b, Value *x, Float to, Rounding rounding, Overflow overflow = Overflow::format) {
  switch (to) {
  case Float::f32: return x;
  case Float::f16: return f32_to_f16(b, x, rounding);
  case Float::bf16: return f32_to_bf16(b, x, rounding);
  default: return f32_to_fp8(b, x, to, rounding, overflow);
  }
}

bool is_known_splat(Value *v, uint64_t *out) {
  auto *c = dyn_cast<Constant>(v);
  if (c && c->getType()->isVectorTy()) c = c->getSplatValue();
  auto *i = dyn_cast_or_null<ConstantInt>(c);
  if (!i || i->getBitWidth() > 64) return false;
  *out = i->getZExtValue();
  return true;
}

/// Quotients of vectors of up to 32 bits through a float division that is wide enough to be exact when truncated.
Value *divide_as_float(IRBuilderBase &b, Value *x, Value *y, bool is_signed) {
  Type *t = x->getType();
  Type *wide = t->getScalarSizeInBits() <= 16 ? b.getFloatTy() : b.getDoubleTy(), *f = like(x, wide);
  auto widen = [&](Value *v) { return is_signed ? b.CreateSIToFP(v, f) : b.CreateUIToFP(v, f); };
  Value *q = b.CreateFDiv(widen(x), widen(y));
  return is_signed ? b.CreateFPToSI(q, t) : b.CreateFPToUI(q, t);
}

} // namespace

Type *storage_type(LLVMContext &context, Float format) {
  switch (format) {
  case Float::f16: return Type::getHalfTy(context);
  case Float::bf16: return Type::getInt16Ty(context);
  case Float::f32: return Type::getFloatTy(context);
  case Float::f64: return Type::getDoubleTy(context);
  default: return Type::getInt8Ty(context);
  }
}

Value *emit_convert(IRBuilderBase &b, Value *x, Float from, Float to, Rounding rounding, Overflow overflow) {
  if (from == to) return x;
  IRBuilderBase::FastMathFlagGuard guard(b);
  b.clearFastMathFlags();
  if (from == Float::f64) {
    if (to != Float::f32) return f32_to(b, f64_to_f32_odd(b, x), to, rounding, overflow);
    Value *narrow = b.CreateFPTrunc(x, like(x, b.getFloatTy()));
    if (rounding == Rounding::nearest_even) return narrow;
    Type *i32 = like(x, b.getInt32Ty());
    return b.CreateBitCast(undo_growth(b, narrow, b.CreateFPExt(narrow, x->getType()), x, i32), narrow->getType());
  }
  Value *f32 = to_f32(b, x, from);
  return to == Float::f64 ? b.CreateFPExt(f32, like(x, b.getDoubleTy())) : f32_to(b, f32, to, rounding, overflow);
}

Value *emit_fma(IRBuilderBase &b, Value *x, Value *y, Value *z, Float format) {
  IRBuilderBase::FastMathFlagGuard guard(b);
  b.clearFastMathFlags();
  if (format == Float::f32 || format == Float::f64) return b.CreateIntrinsic(Intrinsic::fma, {x->getType()}, {x, y, z});
  Type *f64 = like(x, b.getDoubleTy()), *i64 = like(x, b.getInt64Ty());
  auto widen = [&](Value *v) { return b.CreateFPExt(to_f32(b, v, format), f64); };
  // The product is exact in double. The sum is rounded to odd: where it lost something (Knuth's two-sum says what)
  // and its last bit is even, the neighbour on the side of the lost part is taken. Rounding that again is right.
  Value *p = b.CreateFMul(widen(x), widen(y)), *c = widen(z), *s = b.CreateFAdd(p, c);
  Value *part = b.CreateFSub(s, p);
  Value *lost = b.CreateFAdd(b.CreateFSub(p, b.CreateFSub(s, part)), b.CreateFSub(c, part));
  Value *bits = b.CreateBitCast(s, i64), *zero = ConstantFP::get(f64, 0.0);
  Value *inexact = b.CreateFCmpONE(lost, zero); // false for infinities and NaN
  Value *even = b.CreateICmpEQ(b.CreateAnd(bits, splat(i64, 1)), splat(i64, 0));
  Value *outward = b.CreateICmpSGE(b.CreateXor(bits, b.CreateBitCast(lost, i64)), splat(i64, 0)); // equal signs
  Value *step = b.CreateSelect(outward, splat(i64, 1), Constant::getAllOnesValue(i64));
  Value *odd = b.CreateSelect(b.CreateAnd(inexact, even), b.CreateAdd(bits, step), bits);
  return emit_convert(b, b.CreateBitCast(odd, f64), Float::f64, format);
}

Value *emit_float_to_int(IRBuilderBase &b, Value *x, Float from, Type *to, bool is_signed) {
  if (from != Float::f64) x = to_f32(b, x, from);
  Type *t = like(x, to);
  if (to->isIntegerTy(1)) { // by way of i8: the ranges are {−1, 0} and {0, 1}
    Value *v = emit_float_to_int(b, x, from == Float::f64 ? from : Float::f32, b.getInt8Ty(), is_signed);
    Type *i8 = v->getType();
    Value *zero = splat(i8, 0);
    return is_signed ? b.CreateICmpSLT(v, zero) : b.CreateICmpNE(v, zero);
  }
  return b.CreateIntrinsic(is_signed ? Intrinsic::fptosi_sat : Intrinsic::fptoui_sat, {t, x->getType()}, {x});
}

Value *emit_int_to_float(IRBuilderBase &b, Value *x, bool is_signed, Float to) {
  unsigned bits = x->getType()->getScalarSizeInBits();
  auto convert = [&](Value *v, Type *t) {
    t = like(v, t);
    return is_signed ? b.CreateSIToFP(v, t) : b.CreateUIToFP(v, t);
  };
  if (to == Float::f32 || to == Float::f64) return convert(x, storage_type(b.getContext(), to));
  // f16 and fp8 overflow long before float loses integer bits.
  if (to != Float::bf16 || bits <= 16) return f32_to(b, convert(x, b.getFloatTy()), to, Rounding::nearest_even);
  if (bits == 64) { // what double cannot hold goes, as a sticky bit, into the last place that it can
    Type *t = x->getType();
    Value *low = b.CreateAnd(x, splat(t, 0x7ff));
    Value *sticky = b.CreateOr(x, b.CreateAdd(low, splat(t, 0x7ff)));
    sticky = b.CreateAnd(sticky, splat(t, ~uint64_t(0x7ff)));
    Value *magnitude = is_signed ? b.CreateBinaryIntrinsic(Intrinsic::abs, x, b.getFalse()) : x;
    x = b.CreateSelect(b.CreateICmpUGE(magnitude, splat(t, uint64_t(1) << 53)), sticky, x);
  }
  return f32_to(b, f64_to_f32_odd(b, convert(x, b.getDoubleTy())), to, Rounding::nearest_even);
}

Value *emit_remainder(IRBuilderBase &b, Value *x, Value *y) {
  return emit_lane_calls(b, x->getType()->getScalarType()->isFloatTy() ? "fmodf" : "fmod", {x, y});
}

Value *emit_min_max(IRBuilderBase &b, MinMax kind, Value *x, Value *y) {
  IRBuilderBase::FastMathFlagGuard guard(b);
  b.clearFastMathFlags();
  constexpr Intrinsic::ID ids[] = {Intrinsic::minimum, Intrinsic::maximum, Intrinsic::minimumnum,
                                   Intrinsic::maximumnum};
  return b.CreateBinaryIntrinsic(ids[unsigned(kind)], x, y);
}

Value *emit_shift(IRBuilderBase &b, Shift kind, Value *x, Value *amount) {
  Type *t = x->getType();
  unsigned bits = t->getScalarSizeInBits();
  if (bits == 1) return kind == Shift::arithmetic_right ? x : b.CreateAnd(x, b.CreateNot(amount));
  Value *limit = splat(t, bits - 1);
  uint64_t known;
  if (is_known_splat(amount, &known) && known < bits) {
    if (kind == Shift::left) return b.CreateShl(x, amount);
    return kind == Shift::logical_right ? b.CreateLShr(x, amount) : b.CreateAShr(x, amount);
  }
  if (kind == Shift::arithmetic_right)
    return b.CreateAShr(x, b.CreateBinaryIntrinsic(Intrinsic::umin, amount, limit));
  // A poison shift in the lane that is not selected is harmless.
  Value *shifted = kind == Shift::left ? b.CreateShl(x, amount) : b.CreateLShr(x, amount);
  return b.CreateSelect(b.CreateICmpULE(amount, limit), shifted, splat(t, 0));
}

Value *emit_int_divide(IRBuilderBase &b, Divide kind, Value *x, Value *y) {
  Type *t = x->getType();
  unsigned bits = t->getScalarSizeInBits();
  bool is_signed = kind == Divide::sdiv || kind == Divide::srem, rem = kind == Divide::srem || kind == Divide::urem;
  Value *zero = splat(t, 0), *one = splat(t, 1), *minus_one = Constant::getAllOnesValue(t);
  if (bits == 1) return rem ? zero : x; // the divisor is 1, or the value is unspecified
  uint64_t known, all = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  bool constant = is_known_splat(y, &known) && known != 0 && !(is_signed && known == all);
  if (!constant) {
    Value *bad = b.CreateICmpEQ(y, zero);
    if (is_signed) {
      Value *least = ConstantInt::get(t, APInt::getSignedMinValue(bits));
      bad = b.CreateOr(bad, b.CreateAnd(b.CreateICmpEQ(x, least), b.CreateICmpEQ(y, minus_one)));
    }
    y = b.CreateSelect(bad, one, y);
    if (t->isVectorTy() && bits <= 32) {
      Value *q = divide_as_float(b, x, y, is_signed);
      return rem ? b.CreateSub(x, b.CreateMul(q, y)) : q;
    }
  }
  switch (kind) {
  case Divide::sdiv: return b.CreateSDiv(x, y);
  case Divide::udiv: return b.CreateUDiv(x, y);
  case Divide::srem: return b.CreateSRem(x, y);
  case Divide::urem: return b.CreateURem(x, y);
  }
  return nullptr;
}

Value *emit_rounded_divide(IRBuilderBase &b, RoundedDivide kind, Value *x, Value *y) {
  Type *t = x->getType();
  bool is_signed = kind != RoundedDivide::ceil_unsigned;
  Value *q = emit_int_divide(b, is_signed ? Divide::sdiv : Divide::udiv, x, y);
  Value *rest = b.CreateSub(x, b.CreateMul(q, y));
  Value *step = b.CreateICmpNE(rest, splat(t, 0));
  if (is_signed) { // the truncated quotient is already the ceiling (floor) where the signs differ (agree)
    Value *differ = b.CreateICmpSLT(b.CreateXor(x, y), splat(t, 0));
    step = b.CreateAnd(step, kind == RoundedDivide::floor_signed ? differ : b.CreateNot(differ));
  }
  Value *one = b.CreateZExt(step, t);
  return kind == RoundedDivide::floor_signed ? b.CreateSub(q, one) : b.CreateAdd(q, one);
}

Value *emit_mul_high(IRBuilderBase &b, Value *x, Value *y, bool is_signed) {
  Type *t = x->getType();
  unsigned bits = t->getScalarSizeInBits();
  if (bits == 64 && t->isVectorTy()) { // four 32-bit products; the 128-bit form would be taken apart lane by lane
    auto low = [&](Value *v) { return b.CreateAnd(v, splat(t, 0xffffffff)); };
    auto high = [&](Value *v) { return b.CreateLShr(v, splat(t, 32)); };
    Value *ll = b.CreateMul(low(x), low(y)), *hl = b.CreateMul(high(x), low(y));
    Value *lh = b.CreateMul(low(x), high(y)), *hh = b.CreateMul(high(x), high(y));
    Value *middle = b.CreateAdd(b.CreateAdd(high(ll), low(hl)), low(lh));
    Value *r = b.CreateAdd(b.CreateAdd(hh, high(hl)), b.CreateAdd(high(lh), high(middle)));
    if (!is_signed) return r;
    Value *last = splat(t, 63);
    r = b.CreateSub(r, b.CreateAnd(b.CreateAShr(x, last), y));
    return b.CreateSub(r, b.CreateAnd(b.CreateAShr(y, last), x));
  }
  Type *wide = t->getWithNewType(b.getIntNTy(bits * 2));
  auto widen = [&](Value *v) { return is_signed ? b.CreateSExt(v, wide) : b.CreateZExt(v, wide); };
  Value *product = b.CreateMul(widen(x), widen(y));
  return b.CreateTrunc(b.CreateLShr(product, ConstantInt::get(wide, bits)), t);
}

} // namespace tcodegen
