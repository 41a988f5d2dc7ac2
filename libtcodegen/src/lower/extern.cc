// SPDX-License-Identifier: MIT
// tt.extern_elementwise: the functions of the vendors' device libraries by name. The predicates, bit casts,
// conversions and integer functions are a few instructions; functions of the table of math functions go there; the
// rest is composed, in f64, of what the kernel ABI imports. libtir/src/interp/extern.cc states the values.
#include "lower.hh"
#include "target/cpu/convert.hh"
#include "target/cpu/lanes.hh"
#include "target/cpu/math.hh"
#include <llvm/IR/Intrinsics.h>

namespace tcodegen {
using namespace tir;
using llvm::Value;
using IrType = llvm::Type;
using tir::Type;
using llvm::Intrinsic::ID;

namespace {

enum class Mode { rn, rz, rd, ru };

bool dropStart(std::string_view &s, std::string_view x) {
  if (s.substr(0, x.size()) != x) return false;
  s.remove_prefix(x.size());
  return true;
}
bool dropEnd(std::string_view &s, std::string_view x) {
  if (s.size() <= x.size() || s.substr(s.size() - x.size()) != x) return false;
  s.remove_suffix(x.size());
  return true;
}
bool modeOf(std::string_view &s, Mode *mode) {
  static constexpr std::string_view names[] = {"_rn", "_rz", "_rd", "_ru"};
  for (unsigned i = 0; i < 4; ++i)
    if (dropEnd(s, names[i])) return *mode = Mode(i), true;
  return false;
}

/// Emits over lanes of one shape. A null result means: no such function.
struct Ext {
  llvm::IRBuilder<> &b;
  const CpuTarget *cpu;
  unsigned lanes;
  std::string_view n; // the name without prefix and type suffix
  llvm::ArrayRef<Value *> x;
  IrType *to; // the result's lane type

  IrType *like(IrType *scalar) const {
    return lanes == 1 ? scalar : static_cast<IrType *>(llvm::FixedVectorType::get(scalar, lanes));
  }
  IrType *f64() const { return like(b.getDoubleTy()); }
  IrType *f32() const { return like(b.getFloatTy()); }
  IrType *ints(unsigned width) const { return like(b.getIntNTy(width)); }
  Value *c(double v) const { return llvm::ConstantFP::get(f64(), v); }
  Value *wide(Value *v) const { return v->getType()->getScalarType()->isFloatTy() ? b.CreateFPExt(v, f64()) : v; }
  bool isFloat(unsigned i) const { return i < x.size() && x[i]->getType()->isFPOrFPVectorTy(); }
  bool isInt(unsigned i) const { return i < x.size() && x[i]->getType()->isIntOrIntVectorTy(); }
  bool single() const { return to->isFloatTy(); }
  /// An f64 result in the type of the function.
  Value *done(Value *v) const { return single() ? b.CreateFPTrunc(v, f32()) : v; }
  Value *abs(Value *v) const { return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v); }
  Value *fma(Value *p, Value *q, Value *r) const { return b.CreateIntrinsic(llvm::Intrinsic::fma, {p->getType()}, {p, q, r}); }
  Value *lib(const char *name, llvm::ArrayRef<Value *> args) const { return emit_lane_calls(b, name, args); }
  Value *sqrt(Value *v) const { return b.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, v); }

  /// A libm function of mixed types, once per lane.
  Value *mixed(const std::string &name, IrType *result, llvm::ArrayRef<Value *> args) const {
    llvm::SmallVector<IrType *, 3> types;
    for (Value *a : args) types.push_back(a->getType()->getScalarType());
    llvm::Module &m = *b.GetInsertBlock()->getModule();
    auto f = m.getOrInsertFunction(name, llvm::FunctionType::get(result, types, false));
    if (auto *g = llvm::dyn_cast<llvm::Function>(f.getCallee())) g->setDoesNotThrow();
    if (lanes == 1) return b.CreateCall(f, args);
    Value *r = llvm::PoisonValue::get(like(result));
    for (unsigned i = 0; i < lanes; ++i) {
      llvm::SmallVector<Value *, 3> one;
      for (Value *a : args) one.push_back(b.CreateExtractElement(a, (uint64_t)i));
      r = b.CreateInsertElement(r, b.CreateCall(f, one), (uint64_t)i);
    }
    return r;
  }

  /// The neighbour of a finite or infinite float, above (or below) it.
  Value *next(Value *y, bool up) const {
    unsigned w = y->getType()->getScalarSizeInBits();
    IrType *it = ints(w);
    auto k = [&](uint64_t v) { return llvm::ConstantInt::get(it, v); };
    Value *i = b.CreateBitCast(y, it), *zero = b.CreateFCmpOEQ(y, llvm::Constant::getNullValue(y->getType()));
    Value *neg = b.CreateICmpSLT(i, k(0));
    Value *away = b.CreateAdd(i, k(1)), *toward = b.CreateSub(i, k(1));
    Value *r = up ? b.CreateSelect(neg, toward, away) : b.CreateSelect(neg, away, toward);
    r = b.CreateSelect(zero, k(up ? 1 : uint64_t(1) << (w - 1) | 1), r);
    return b.CreateBitCast(r, y->getType());
  }
  /// s + e, where s is the rounded sum in f64 and e what is missing (its sign is enough), in the result's type.
  Value *rounded(Value *s, Value *e, Mode mode) const {
    Value *y = s;
    if (single()) {
      y = b.CreateFPTrunc(s, f32());
      Value *d = b.CreateFSub(s, b.CreateFPExt(y, f64()));
      e = b.CreateSelect(b.CreateFCmpOEQ(d, c(0)), e, d);
    }
    if (mode == Mode::rn) return y;
    Value *below = b.CreateFCmpOLT(e, c(0)), *above = b.CreateFCmpOGT(e, c(0)); // the value lies below, above y
    Value *zero = llvm::Constant::getNullValue(y->getType());
    if (mode == Mode::rz) {
      below = b.CreateAnd(below, b.CreateFCmpOGT(y, zero));
      above = b.CreateAnd(above, b.CreateFCmpOLT(y, zero));
    }
    Value *r = y;
    if (mode != Mode::ru) r = b.CreateSelect(below, next(y, false), r);
    if (mode != Mode::rd) r = b.CreateSelect(above, next(y, true), r);
    return r;
  }

  // ---- families ------------------------------------------------------------------------------------------
  Value *predicate() const {
    if (x.size() != 1 || !isFloat(0) || !to->isIntegerTy()) return nullptr;
    Value *v = x[0], *inf = llvm::ConstantFP::getInfinity(v->getType());
    IrType *it = ints(v->getType()->getScalarSizeInBits());
    Value *r = n == "isnan"                        ? b.CreateFCmpUNO(v, v)
               : n == "isinf"                      ? b.CreateFCmpOEQ(abs(v), inf)
               : n == "finite" || n == "isfinite" ? b.CreateFCmpOLT(abs(v), inf)
               : n == "signbit" ? b.CreateICmpSLT(b.CreateBitCast(v, it), llvm::Constant::getNullValue(it))
                                : nullptr;
    return r ? b.CreateZExt(r, like(to)) : nullptr;
  }

  Value *bitCast() const {
    static constexpr std::string_view plain[] = {"int_as_float",  "float_as_int",       "uint_as_float",
                                                 "float_as_uint", "longlong_as_double", "double_as_longlong"};
    for (auto p : plain)
      if (n == p && x.size() == 1 && x[0]->getType()->getScalarSizeInBits() == to->getScalarSizeInBits())
        return b.CreateBitCast(x[0], like(to));
    IrType *i64 = ints(64), *i32 = ints(32);
    if (n == "double2loint" && isFloat(0)) return b.CreateTrunc(b.CreateBitCast(x[0], i64), i32);
    if (n == "double2hiint" && isFloat(0))
      return b.CreateTrunc(b.CreateLShr(b.CreateBitCast(x[0], i64), llvm::ConstantInt::get(i64, 32)), i32);
    if (n == "hiloint2double" && x.size() == 2 && isInt(0) && isInt(1)) {
      Value *hi = b.CreateShl(b.CreateZExt(x[0], i64), llvm::ConstantInt::get(i64, 32));
      return b.CreateBitCast(b.CreateOr(hi, b.CreateZExt(x[1], i64)), f64());
    }
    return nullptr;
  }

  /// float2int_rd, ull2double_rn, double2float_rz, …
  Value *conversion(Mode mode) const {
    if (x.size() != 1) return nullptr;
    std::string_view s = n;
    if (s == "double2float" && isFloat(0) && single()) return rounded(wide(x[0]), c(0), mode);
    if (isFloat(0) && to->isIntegerTy() && (dropStart(s, "float2") || dropStart(s, "double2"))) {
      bool is_unsigned = s == "uint" || s == "ull";
      if (!is_unsigned && s != "int" && s != "ll") return nullptr;
      static constexpr ID how[] = {llvm::Intrinsic::rint, llvm::Intrinsic::trunc, llvm::Intrinsic::floor, llvm::Intrinsic::ceil};
      Value *v = b.CreateUnaryIntrinsic(how[(int)mode], x[0]);
      return emit_float_to_int(b, v, v->getType()->getScalarType()->isFloatTy() ? Float::f32 : Float::f64, to, !is_unsigned);
    }
    if (!isInt(0) || !to->isFloatingPointTy() || !(dropEnd(s, "2float") || dropEnd(s, "2double"))) return nullptr;
    bool is_unsigned = s == "uint" || s == "ull";
    if (!is_unsigned && s != "int" && s != "ll") return nullptr;
    if (mode == Mode::rn) return emit_int_to_float(b, x[0], !is_unsigned, single() ? Float::f32 : Float::f64);
    // Both halves are exact in f64; their sum and what it loses is all there is to know.
    IrType *i64 = ints(64);
    Value *v = is_unsigned ? b.CreateZExt(x[0], i64) : b.CreateSExt(x[0], i64);
    Value *k = llvm::ConstantInt::get(i64, 32), *high = is_unsigned ? b.CreateLShr(v, k) : b.CreateAShr(v, k);
    Value *hi = b.CreateFMul(b.CreateSIToFP(high, f64()), c(0x1p32));
    Value *lo = b.CreateUIToFP(b.CreateTrunc(v, ints(32)), f64());
    Value *sum = b.CreateFAdd(hi, lo);
    return rounded(sum, b.CreateFSub(lo, b.CreateFSub(sum, hi)), mode);
  }

  /// fadd_rz, ddiv_ru, frcp_rd, fsqrt_rn, fma_rz (floats only), …
  Value *directed(Mode mode) const {
    std::string_view s = n;
    if (s != "fma" && s.size() > 3 && (s[0] == 'f' || s[0] == 'd') &&
        (s.substr(1) == "add" || s.substr(1) == "sub" || s.substr(1) == "mul" || s.substr(1) == "div" || s.substr(1) == "rcp" ||
         s.substr(1) == "sqrt" || s.substr(1) == "rsqrt"))
      s.remove_prefix(1);
    if (!isFloat(0) || !to->isFloatingPointTy()) return nullptr;
    unsigned k = x.size();
    Value *p = wide(x[0]), *q = k > 1 ? wide(x[1]) : nullptr, *s64, *e;
    if (s == "fmaf") s = "fma";
    auto twoSum = [&](Value *u, Value *v) {
      s64 = b.CreateFAdd(u, v);
      Value *t = b.CreateFSub(s64, u);
      e = b.CreateFAdd(b.CreateFSub(u, b.CreateFSub(s64, t)), b.CreateFSub(v, t));
    };
    if (k == 3 && s == "fma") {
      if (!single()) return mode == Mode::rn ? fma(p, q, wide(x[2])) : nullptr;
      if (mode == Mode::rn) return fma(x[0], x[1], x[2]);
      twoSum(b.CreateFMul(p, q), wide(x[2]));
    } else if (k == 2 && s == "add") twoSum(p, q);
    else if (k == 2 && s == "sub") twoSum(p, b.CreateFNeg(q));
    else if (k == 2 && s == "mul") {
      s64 = b.CreateFMul(p, q);
      e = fma(p, q, b.CreateFNeg(s64));
    } else if ((k == 2 && s == "div") || (k == 1 && s == "rcp")) {
      if (k == 1) q = p, p = c(1);
      s64 = b.CreateFDiv(p, q);
      Value *left = fma(b.CreateFNeg(s64), q, p);
      e = b.CreateSelect(b.CreateFCmpOLT(q, c(0)), b.CreateFNeg(left), left);
    } else if (k == 1 && s == "sqrt") {
      s64 = sqrt(p);
      e = fma(b.CreateFNeg(s64), s64, p);
    } else if (k == 1 && s == "rsqrt" && mode == Mode::rn) {
      return done(b.CreateFDiv(c(1), sqrt(p)));
    } else return nullptr;
    if (!single()) { // an overflow of finite operands: the value lies toward zero from infinity
      Value *finite = b.CreateFCmpOLT(abs(p), llvm::ConstantFP::getInfinity(f64()));
      if (q) finite = b.CreateAnd(finite, b.CreateFCmpOLT(abs(q), llvm::ConstantFP::getInfinity(f64())));
      if (s == "div" || s == "rcp") finite = b.CreateAnd(finite, b.CreateFCmpONE(q, c(0)));
      Value *over = b.CreateAnd(finite, b.CreateFCmpOEQ(abs(s64), llvm::ConstantFP::getInfinity(f64())));
      e = b.CreateSelect(over, b.CreateFNeg(s64), e);
    } else if (s == "div" || s == "rcp") {
      e = b.CreateSelect(b.CreateFCmpUNE(e, e), c(0), e); // 1/0 and inf/inf: nothing is missing
    }
    return rounded(s64, e, mode);
  }

  Value *integer() const {
    if (!isInt(0) || !to->isIntegerTy()) return nullptr;
    for (unsigned i = 1; i < x.size(); ++i)
      if (!isInt(i)) return nullptr;
    Value *v = x[0], *w = x.size() > 1 ? x[1] : nullptr;
    unsigned width = v->getType()->getScalarSizeInBits();
    IrType *t = v->getType(), *it = like(to);
    auto k = [&](uint64_t value) { return llvm::ConstantInt::get(t, value); };
    auto is = [&](std::string_view name, std::string_view wide) { return n == name || n == wide; };
    if (x.size() == 1) {
      if (is("clz", "clzll")) return b.CreateZExtOrTrunc(b.CreateIntrinsic(llvm::Intrinsic::ctlz, {t}, {v, b.getFalse()}), it);
      if (is("popc", "popcll")) return b.CreateZExtOrTrunc(b.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, v), it);
      if (is("brev", "brevll")) return b.CreateZExtOrTrunc(b.CreateUnaryIntrinsic(llvm::Intrinsic::bitreverse, v), it);
      if (is("abs", "llabs") || n == "iabs") return b.CreateZExtOrTrunc(b.CreateSelect(b.CreateICmpSLT(v, k(0)), b.CreateNeg(v), v), it);
      if (is("ffs", "ffsll")) {
        Value *z = b.CreateIntrinsic(llvm::Intrinsic::cttz, {t}, {v, b.getFalse()});
        return b.CreateZExtOrTrunc(b.CreateSelect(b.CreateICmpEQ(v, k(0)), k(0), b.CreateAdd(z, k(1))), it);
      }
      return nullptr;
    }
    if (x.size() == 2 && w->getType() == t) {
      if (is("mulhi", "mul64hi")) return emit_mul_high(b, v, w, true);
      if (is("umulhi", "umul64hi")) return emit_mul_high(b, v, w, false);
      if (width == 32 && is("mul24", "umul24")) {
        auto low = [&](Value *a) { return b.CreateShl(a, k(8)); };
        auto cut = [&](Value *a) { return n == "mul24" ? b.CreateAShr(low(a), k(8)) : b.CreateLShr(low(a), k(8)); };
        return b.CreateMul(cut(v), cut(w));
      }
      bool up = n == "rhadd" || n == "urhadd", sign = n == "hadd" || n == "rhadd";
      if (up || sign || n == "uhadd") { // the average without overflow: common bits plus half of the others
        Value *diff = b.CreateXor(v, w), *half = sign ? b.CreateAShr(diff, k(1)) : b.CreateLShr(diff, k(1));
        return up ? b.CreateSub(b.CreateOr(v, w), half) : b.CreateAdd(b.CreateAnd(v, w), half);
      }
      return nullptr;
    }
    if (x.size() != 3 || w->getType() != t || x[2]->getType() != t) return nullptr;
    if (is("sad", "usad")) {
      Value *less = n == "sad" ? b.CreateICmpSLT(v, w) : b.CreateICmpULT(v, w);
      return b.CreateAdd(b.CreateSelect(less, b.CreateSub(w, v), b.CreateSub(v, w)), x[2]);
    }
    if (n == "byte_perm" && width == 32) { // byte i of the result: byte selector[i] (3 bits) of the pair
      IrType *i64 = ints(64);
      auto q = [&](uint64_t value) { return llvm::ConstantInt::get(i64, value); };
      Value *pair = b.CreateOr(b.CreateZExt(v, i64), b.CreateShl(b.CreateZExt(w, i64), q(32)));
      Value *sel = b.CreateZExt(x[2], i64), *r = q(0);
      for (unsigned i = 0; i < 4; ++i) {
        Value *at = b.CreateShl(b.CreateAnd(b.CreateLShr(sel, q(4 * i)), q(7)), q(3));
        r = b.CreateOr(r, b.CreateShl(b.CreateAnd(b.CreateLShr(pair, at), q(255)), q(8 * i)));
      }
      return b.CreateTrunc(r, ints(32));
    }
    return nullptr;
  }

  Value *sinCosPi(Value *v, bool cosine) const {
    Value *r = lib("remainder", {v, c(2)}); // exact, in [-1, 1]
    Value *q = b.CreateUnaryIntrinsic(llvm::Intrinsic::rint, b.CreateFMul(r, c(2)));
    Value *f = b.CreateFMul(b.CreateFSub(r, b.CreateFMul(q, c(0.5))), c(3.14159265358979323846));
    Value *s = lib("sin", {f}), *co = lib("cos", {f});
    Value *quarter = b.CreateFPToSI(b.CreateSelect(b.CreateFCmpUNO(q, q), c(0), q), ints(32)); // -2 … 2
    auto k = [&](int value) { return llvm::ConstantInt::getSigned(ints(32), value); };
    if (cosine) quarter = b.CreateAdd(quarter, k(1));
    Value *odd = b.CreateICmpNE(b.CreateAnd(quarter, k(1)), k(0)), *minus = b.CreateICmpNE(b.CreateAnd(quarter, k(2)), k(0));
    Value *y = b.CreateSelect(odd, co, s);
    y = b.CreateSelect(minus, b.CreateFNeg(y), y);
    y = b.CreateSelect(b.CreateFCmpOEQ(y, c(0)), cosine ? c(0) : b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, c(0), v), y);
    return b.CreateSelect(b.CreateFCmpUNO(r, r), r, y);
  }

  /// Newton's method on erf from a rough start; erf where it is flat is taken from erfc, which keeps its digits.
  Value *erfInverse(Value *y) const {
    Value *one = c(1);
    Value *w = b.CreateFNeg(lib("log", {b.CreateFMul(b.CreateFSub(one, y), b.CreateFAdd(one, y))}));
    Value *near = b.CreateFSub(w, c(2.5)), *far = b.CreateFSub(sqrt(w), c(3));
    auto cubic = [&](Value *t, double a0, double a1, double a2, double a3) {
      return fma(t, fma(t, fma(t, c(a3), c(a2)), c(a1)), c(a0));
    };
    Value *start = b.CreateSelect(b.CreateFCmpOLT(w, c(5)), cubic(near, 1.50140941, 0.246640727, -0.00417768164, -0.00125372503),
                                  cubic(far, 2.83297682, 1.00167406, 0.00943887047, -0.0076224613));
    Value *v = b.CreateFMul(start, y), *mag = abs(y);
    for (unsigned k = 0; k < 4; ++k) {
      Value *a = abs(v);
      Value *tail = b.CreateFSub(b.CreateFSub(one, mag), lib("erfc", {a}));
      Value *mid = b.CreateFSub(lib("erf", {a}), mag);
      Value *e = b.CreateSelect(b.CreateFCmpOGT(mag, c(0.5)), tail, mid);
      Value *step = b.CreateFMul(b.CreateFMul(e, c(0.88622692545275801)), lib("exp", {b.CreateFMul(a, a)}));
      v = b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, b.CreateFSub(a, step), y);
    }
    Value *edge = b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, llvm::ConstantFP::getInfinity(f64()), y);
    v = b.CreateSelect(b.CreateFCmpOEQ(mag, one), edge, v);
    v = b.CreateSelect(b.CreateFCmpOEQ(mag, c(0)), y, v);
    return b.CreateSelect(b.CreateFCmpULE(mag, one), v, llvm::ConstantFP::getNaN(f64()));
  }
  /// x with erfc(x) = y: in the small tail from y itself, not from 1 - y.
  Value *erfcInverse(Value *y) const {
    Value *two = c(2), *low = b.CreateFCmpOLT(y, c(0.0625));
    Value *plain = erfInverse(b.CreateFSub(c(1), y));
    Value *l = sqrt(b.CreateFNeg(lib("log", {b.CreateSelect(low, y, c(0.05))})));
    Value *v = b.CreateFSub(l, b.CreateFDiv(lib("log", {b.CreateFMul(l, c(1.7724538509055160))}), b.CreateFMul(two, l)));
    for (unsigned k = 0; k < 8; ++k) { // Newton on log erfc, whose slope varies little
      Value *g = erfcScaled(v);        // erfc(v)·exp(v²)
      Value *miss = b.CreateFSub(b.CreateFSub(lib("log", {g}), b.CreateFMul(v, v)), lib("log", {b.CreateSelect(low, y, c(0.05))}));
      v = b.CreateFAdd(v, b.CreateFMul(miss, b.CreateFMul(g, c(0.88622692545275801))));
    }
    v = b.CreateSelect(b.CreateFCmpOEQ(y, c(0)), llvm::ConstantFP::getInfinity(f64()), v);
    return b.CreateSelect(low, b.CreateSelect(b.CreateFCmpOLT(y, c(0)), llvm::ConstantFP::getNaN(f64()), v), plain);
  }
  Value *erfcScaled(Value *v) const {
    Value *near = b.CreateFMul(lib("exp", {b.CreateFMul(v, v)}), lib("erfc", {v}));
    Value *f = v; // continued fraction where exp would overflow
    for (unsigned k = 60; k > 0; --k) f = b.CreateFAdd(v, b.CreateFDiv(c(k / 2.0), f));
    Value *far = b.CreateFDiv(c(0.56418958354775628695), f);
    return b.CreateSelect(b.CreateFCmpULT(v, c(20)), near, far);
  }

  Value *norm() const {
    bool inverse = n[0] == 'r';
    Value *r;
    if (single()) {
      r = c(0);
      for (Value *v : x) r = fma(wide(v), wide(v), r);
      r = sqrt(r);
      for (Value *v : x) { // infinity wins over NaN, as in hypot
        Value *inf = llvm::ConstantFP::getInfinity(f64());
        r = b.CreateSelect(b.CreateFCmpOEQ(abs(wide(v)), inf), inf, r);
      }
    } else {
      r = x[0];
      for (unsigned i = 1; i < x.size(); ++i) r = lib("hypot", {r, x[i]});
    }
    return done(inverse ? b.CreateFDiv(c(1), r) : r);
  }

  Value *composed() const {
    if (!to->isFloatingPointTy()) return nullptr;
    if (x.size() == 3 && n == "fma" && isFloat(2)) return fma(x[0], x[1], x[2]);
    if (x.size() == 3 && isFloat(0) && (n == "norm3d" || n == "rnorm3d")) return norm();
    if (x.size() == 4 && isFloat(0) && (n == "norm4d" || n == "rnorm4d")) return norm();
    if (x.size() == 2) {
      std::string f = single() ? "f" : "";
      if (isFloat(0) && isInt(1)) {
        Value *i = x[1];
        if (n == "ldexp" || n == "scalbn") return mixed(std::string(n) + f, to, {x[0], b.CreateSExtOrTrunc(i, ints(32))});
        if (n == "powi" || n == "pown" || n == "pow") return done(lib("pow", {wide(x[0]), b.CreateSIToFP(i, f64())}));
      }
      if (isInt(0) && isFloat(1) && (n == "jn" || n == "yn")) return mixed(std::string(n) + f, to, {b.CreateSExtOrTrunc(x[0], ints(32)), x[1]});
      if (!isFloat(0) || !isFloat(1)) return nullptr;
      if (n == "rhypot") return norm();
      if (n == "divide" || n == "fdivide") return b.CreateFDiv(x[0], x[1]);
      if (n == "fmax" || n == "fmin") return emit_min_max(b, n == "fmax" ? MinMax::max_number : MinMax::min_number, x[0], x[1]);
      if (n == "fdim") {
        Value *d = b.CreateFSub(x[0], x[1]), *zero = llvm::Constant::getNullValue(x[0]->getType());
        return b.CreateSelect(b.CreateFCmpOLE(x[0], x[1]), zero, d);
      }
    }
    if (x.size() != 1 || !isFloat(0)) return nullptr;
    Value *v = wide(x[0]);
    if (n == "sinpi" || n == "cospi") return done(sinCosPi(v, n == "cospi"));
    if (n == "rcbrt") return done(b.CreateFDiv(c(1), lib("cbrt", {v})));
    if (n == "abs") return abs(x[0]);
    if (n == "saturate") return b.CreateSelect(b.CreateFCmpOGT(v, c(0)), done(b.CreateSelect(b.CreateFCmpOLT(v, c(1)), v, c(1))),
                                               llvm::Constant::getNullValue(x[0]->getType()));
    if (n == "normcdf") return done(b.CreateFMul(c(0.5), lib("erfc", {b.CreateFMul(v, c(-0.70710678118654752440))})));
    if (n == "erfinv") return done(erfInverse(v));
    if (n == "erfcinv") return done(erfcInverse(v));
    if (n == "normcdfinv") return done(b.CreateFMul(c(-1.4142135623730950488), erfcInverse(b.CreateFMul(c(2), v))));
    if (n == "erfcx") return done(erfcScaled(v));
    return nullptr;
  }
};

} // namespace

Value *Lowering::externCall(Op *op, Type to, llvm::ArrayRef<Type> from, llvm::ArrayRef<Value *> x, unsigned lanes) {
  std::string symbol(op->strAttr("symbol"));
  std::string_view n = symbol;
  bool known = dropStart(n, "__nv_") || dropStart(n, "__ocml_") || dropStart(n, "__triton_hip_");
  bool types = !x.empty();
  for (Type t : from) types = types && (t->isInt() || t->isFloat(FloatKind::F32) || t->isFloat(FloatKind::F64));
  types = types && (to->isInt() || to->isFloat(FloatKind::F32) || to->isFloat(FloatKind::F64));
  auto none = [&](const char *why) {
    unsupported(op, why);
    return llvm::PoisonValue::get(vecType(laneType(to), lanes));
  };
  if (!known || !types) return none(symbol.c_str());
  dropStart(n, "fast_");
  if (!dropEnd(n, "_f32")) dropEnd(n, "_f64");
  IrType *rt = laneType(to);

  auto attempt = [&](std::string_view name) -> Value * {
    Ext e{b, &target, lanes, name, x, rt};
    std::string_view stem = name;
    Mode mode;
    Value *r = nullptr;
    if (modeOf(stem, &mode)) {
      e.n = stem;
      if (!(r = e.conversion(mode))) r = e.directed(mode);
      return r;
    }
    if ((r = e.predicate()) || (r = e.bitCast()) || (r = e.integer())) return r;
    if (x.size() == 1 && from[0]->isFloat() && to->isInt()) {
      bool round = name == "llround";
      if (round || name == "llrint") {
        Float f = from[0]->width == 32 ? Float::f32 : Float::f64;
        Value *v = mathCall(op, round ? "round" : "rint", from[0], x);
        return emit_float_to_int(b, v, f, rt, true);
      }
      if (name == "ilogb") return b.CreateSExtOrTrunc(e.mixed(from[0]->width == 32 ? "ilogbf" : "ilogb", b.getInt32Ty(), x), vecType(rt, lanes));
    }
    if ((name == "cyl_bessel_i0" || name == "cyl_bessel_i1" || name == "i0" || name == "i1") && x.size() == 1 && to == from[0] && to->isFloat()) return besselI(to, x[0], lanes, name.back() == '1');
    MathFn f;
    bool same = to->isFloat();
    for (Type t : from) same = same && t == to;
    if (same && find_math_fn(name, &f) && math_fn_info(f).arity == (int)x.size()) return mathCall(op, name, to, x);
    return e.composed();
  };
  if (Value *r = attempt(n)) return r;
  if (n.size() > 1 && (n.back() == 'f' || n.back() == 'd')) // the type's letter; the operands say it
    if (Value *r = attempt(n.substr(0, n.size() - 1))) return r;
  return none(symbol.c_str());
}

/// Modified Bessel functions of the first kind: the power series, as many terms as the largest lane needs.
Value *Lowering::besselI(Type t, Value *x, unsigned lanes, bool one) {
  IrType *ft = vecType(b.getDoubleTy(), lanes);
  auto c = [&](double v) { return llvm::ConstantFP::get(ft, v); };
  Value *v = t->width == 32 ? b.CreateFPExt(x, ft) : x;
  Value *half = b.CreateFMul(v, c(0.5)), *mag = b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v);
  // Beyond 714 the sum overflows anyway; NaN takes the short way.
  Value *bounded = b.CreateSelect(b.CreateFCmpOLT(mag, c(720)), mag, c(720));
  Value *need = b.CreateFPToSI(b.CreateFAdd(b.CreateFMul(bounded, c(1.5)), c(24)), vecType(b.getInt32Ty(), lanes));
  if (lanes > 1) {
    Value *most = b.CreateExtractElement(need, (uint64_t)0);
    for (unsigned i = 1; i < lanes; ++i) {
      Value *other = b.CreateExtractElement(need, (uint64_t)i);
      most = b.CreateSelect(b.CreateICmpSGT(other, most), other, most);
    }
    need = most;
  }
  Loop l = beginLoop(i32c(1), need, i32c(1), true);
  llvm::PHINode *term = loopPhi(l, one ? half : c(1)), *sum = loopPhi(l, one ? half : c(1));
  Value *k = vec(scalarVal(b.CreateSIToFP(l.iv, b.getDoubleTy())), lanes);
  Value *next = b.CreateFMul(term, b.CreateFMul(b.CreateFDiv(half, k), b.CreateFDiv(half, one ? b.CreateFAdd(k, c(1)) : k)));
  Value *total = b.CreateFAdd(sum, next);
  term->addIncoming(next, l.latch);
  sum->addIncoming(total, l.latch);
  endLoop(l);
  Value *inf = llvm::ConstantFP::getInfinity(ft), *big = b.CreateFCmpOGE(mag, c(720));
  Value *limit = one ? b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, inf, v) : inf;
  Value *r = b.CreateSelect(big, limit, total);
  return t->width == 32 ? b.CreateFPTrunc(r, x->getType()) : r;
}

} // namespace tcodegen
