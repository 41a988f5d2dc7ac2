// SPDX-License-Identifier: MIT
// Math functions of the device. A declaration `tessera.math.NAME.TYPE` gets a body of our own, inlined later, or one
// that calls libdevice. Bounds: docs/math.md. Polynomials as on the CPU; sub-normals are kept.
#include "expand.hh"
#include "target/math_poly.hh"
#include "llvm/IR/Intrinsics.h"

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

using namespace poly;

/// Scalar float code in one function body.
class Body {
public:
  explicit Body(Function &f) : b(BasicBlock::Create(f.getContext(), "", &f)), function(f) {}

  IRBuilder<> b;
  Function &function;

  Value *x(unsigned i = 0) { return function.getArg(i); }
  Value *f(float v) { return ConstantFP::get(b.getFloatTy(), APFloat(v)); }
  Value *i(uint32_t v) { return b.getInt32(v); }
  Value *bits(Value *v) { return b.CreateBitCast(v, b.getInt32Ty()); }
  Value *flt(Value *v) { return b.CreateBitCast(v, b.getFloatTy()); }
  Value *fma(Value *x, Value *y, Value *z) { return b.CreateIntrinsic(Intrinsic::fma, {b.getFloatTy()}, {x, y, z}); }
  Value *fma(Value *x, float y, Value *z) { return fma(x, f(y), z); }
  Value *fma(Value *x, Value *y, float z) { return fma(x, y, f(z)); }
  Value *fma(Value *x, float y, float z) { return fma(x, f(y), f(z)); }
  Value *abs(Value *x) { return b.CreateUnaryIntrinsic(Intrinsic::fabs, x); }
  Value *sign(Value *x) { return b.CreateAnd(bits(x), i(0x80000000)); }
  Value *with_sign(Value *x, Value *s) { return flt(b.CreateOr(bits(x), s)); }
  Value *at_most(Value *x, float limit) { return b.CreateSelect(b.CreateFCmpOGT(x, f(limit)), f(limit), x); }
  template <size_t N> Value *horner(Value *x, const float (&c)[N]) {
    Value *p = f(c[N - 1]);
    for (size_t k = N - 1; k-- > 0;) p = fma(p, x, c[k]);
    return p;
  }
  /// "ex2.approx.f32 $0, $1;" and the like.
  Value *instruction(const char *name, Value *x, Value *y = nullptr) {
    Asm a(b);
    std::string text = std::string(name) + " " + a.out(x->getType());
    text += ", " + a.in(x);
    if (y) text += ", " + a.in(y);
    return a.emit(text + ";", Asm::pure);
  }

  Value *exp();
  Value *exp_of(Value *x) { return instruction("ex2.approx.ftz.f32", b.CreateFMul(x, f(log2e_parts[0]))); }
  Value *log(bool base2);
  Value *sin_cos(bool cosine);
  Value *tanh();
  Value *erf();

private:
  Value *reduce_huge(Value *a, Value **quadrant);
};

/// 2^k · 2^r with k = rint(x·log2 e) clamped to what an exponent field holds: the saturated fma keeps k in range for
/// every x, r takes the rest (and infinity and NaN), and the product rounds once into sub-normals.
Value *Body::exp() {
  Asm a(b);
  std::string text = "fma.rn.sat.f32 " + a.out(b.getFloatTy());
  text += ", " + a.in(x());
  text += ", " + a.in(f(log2e_parts[0] / 252.0f));
  text += ", " + a.in(f(0.5f)) + ";";
  Value *t = a.emit(text, Asm::pure);
  Value *m = fma(t, 252.0f, 0x1.8p+23f + 1.0f);              // 1 + rint(252 t) in the low bits
  Value *k = b.CreateFSub(m, f(0x1.8p+23f + 1.0f + 126.0f)); // exact
  Value *r = fma(x(), log2e_parts[0], b.CreateFNeg(k));
  r = fma(x(), log2e_parts[1], r);
  Value *power = flt(b.CreateShl(bits(m), i(23))); // the magic number's own bits leave at the top
  return b.CreateFMul(instruction("ex2.approx.ftz.f32", r), power);
}

Value *Body::log(bool base2) {
  constexpr uint32_t two_thirds = 0x3f2aaaab;
  Value *u = bits(x());
  Value *subnormal = b.CreateICmpULT(u, i(0x00800000));
  Value *scaled = b.CreateSelect(subnormal, b.CreateFMul(x(), f(0x1p+23f)), x());
  Value *shifted = b.CreateSub(bits(scaled), i(two_thirds));
  Value *e = b.CreateSIToFP(b.CreateAShr(shifted, i(23)), b.getFloatTy());
  e = b.CreateFAdd(e, b.CreateSelect(subnormal, f(-23.0f), f(0.0f)));
  Value *m = flt(b.CreateAdd(b.CreateAnd(shifted, i(0x007fffff)), i(two_thirds)));
  Value *r = b.CreateFSub(m, f(1.0f));
  Value *tail = b.CreateFMul(b.CreateFMul(r, r), horner(r, log_poly)), *y;
  if (base2) {
    y = fma(tail, log2e_parts[0], b.CreateFMul(r, f(log2e_parts[1])));
    y = b.CreateFAdd(fma(r, log2e_parts[0], y), e);
  } else {
    y = b.CreateFAdd(fma(e, ln2_parts[1], tail), r);
    y = fma(e, ln2_parts[0], y);
  }
  Value *finite = b.CreateICmpULT(b.CreateSub(u, i(1)), i(0x7f7fffff));
  Value *special = b.CreateSelect(b.CreateFCmpOLT(x(), f(0.0f)), flt(i(0x7fc00000)), x());
  special = b.CreateSelect(b.CreateFCmpOEQ(x(), f(0.0f)), flt(i(0xff800000)), special);
  return b.CreateSelect(finite, y, special);
}

/// Payne and Hanek: |x|·2/π modulo 4 from a window of 96 bits of 2/π. Bits before the window contribute multiples of
/// 4, those behind it less than 2^-70.
Value *Body::reduce_huge(Value *a, Value **quadrant) {
  Module &m = *function.getParent();
  constexpr const char *name = "tessera.two_over_pi";
  GlobalVariable *table = m.getNamedGlobal(name);
  if (!table) {
    constexpr uint32_t words[] = {0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};
    Constant *data = ConstantDataArray::get(m.getContext(), ArrayRef<uint32_t>(words));
    table = new GlobalVariable(m, data->getType(), true, GlobalValue::InternalLinkage, data, name, nullptr,
                               GlobalValue::NotThreadLocal, 4);
    table->setAlignment(Align(16));
  }
  Type *i64 = b.getInt64Ty();
  Value *u = bits(a);
  Value *mantissa = b.CreateZExt(b.CreateOr(b.CreateAnd(u, i(0x7fffff)), i(0x800000)), i64);
  Value *drop = b.CreateSub(b.CreateLShr(u, i(23)), i(127 + 23 + 2 - 32)); // bits of 2/π before the window
  Value *word = b.CreateLShr(drop, i(5)), *shift = b.CreateAnd(drop, i(31));
  Value *w[4], *window[3];
  for (unsigned k = 0; k < 4; ++k)
    w[k] = b.CreateLoad(b.getInt32Ty(), b.CreateGEP(b.getInt32Ty(), table, {b.CreateAdd(word, i(k))}));
  for (unsigned k = 0; k < 3; ++k)
    window[k] = b.CreateZExt(b.CreateIntrinsic(Intrinsic::fshl, {b.getInt32Ty()}, {w[k], w[k + 1], shift}), i64);
  Value *p0 = b.CreateMul(mantissa, window[2]);
  Value *p1 = b.CreateAdd(b.CreateMul(mantissa, window[1]), b.CreateLShr(p0, uint64_t(32)));
  Value *p2 = b.CreateAdd(b.CreateMul(mantissa, window[0]), b.CreateLShr(p1, uint64_t(32)));
  Value *high = b.CreateOr(b.CreateShl(p2, uint64_t(32)), b.CreateAnd(p1, uint64_t(0xffffffff)));
  Value *low = b.CreateAnd(b.CreateLShr(p0, uint64_t(30)), uint64_t(3));
  Value *fraction = b.CreateOr(b.CreateShl(high, uint64_t(2)), low);
  Value *q = b.CreateAdd(b.CreateLShr(high, uint64_t(62)), b.CreateLShr(fraction, uint64_t(63)));
  *quadrant = b.CreateTrunc(q, b.getInt32Ty());
  Value *r = b.CreateFMul(b.CreateSIToFP(fraction, b.getDoubleTy()), ConstantFP::get(b.getDoubleTy(), 0x1.921fb54442d18p-64));
  Value *narrow = b.CreateFPTrunc(r, b.getFloatTy());
  return b.CreateSelect(b.CreateICmpULT(u, i(0x7f800000)), narrow, flt(i(0x7fc00000)));
}

Value *Body::sin_cos(bool cosine) {
  constexpr float limit = 105615.0f;
  Value *a = abs(x());
  Value *t = fma(a, two_over_pi, 0x1.8p+23f), *n = b.CreateFSub(t, f(0x1.8p+23f));
  Value *near = fma(n, -pi_2_parts[0], a);
  near = fma(n, -pi_2_parts[1], near);
  near = fma(n, -pi_2_parts[2], near);
  BasicBlock *from = b.GetInsertBlock();
  BasicBlock *huge = BasicBlock::Create(b.getContext(), "huge", &function), *join = BasicBlock::Create(b.getContext(), "", &function);
  b.CreateCondBr(b.CreateFCmpOGT(a, f(limit)), huge, join);
  b.SetInsertPoint(huge);
  Value *huge_quadrant, *far = reduce_huge(a, &huge_quadrant);
  b.CreateBr(join);
  b.SetInsertPoint(join);
  PHINode *r = b.CreatePHI(b.getFloatTy(), 2), *quadrant_phi = b.CreatePHI(b.getInt32Ty(), 2);
  r->addIncoming(near, from);
  r->addIncoming(far, huge);
  quadrant_phi->addIncoming(b.CreateBitCast(t, b.getInt32Ty()), from);
  quadrant_phi->addIncoming(huge_quadrant, huge);
  // the cast of t has to stand before the branch
  if (auto *cast = dyn_cast<Instruction>(quadrant_phi->getIncomingValue(0))) cast->moveBefore(from->getTerminator()->getIterator());
  Value *u = b.CreateFMul(r, r);
  Value *sine = fma(b.CreateFMul(r, u), horner(u, sin_poly), r);
  Value *cos = fma(b.CreateFMul(u, u), horner(u, cos_poly), fma(u, -0.5f, f(1.0f)));
  Value *quadrant = quadrant_phi;
  if (cosine) quadrant = b.CreateAdd(quadrant, i(1));
  Value *odd = b.CreateICmpNE(b.CreateAnd(quadrant, i(1)), i(0));
  Value *flip = b.CreateAnd(b.CreateShl(quadrant, i(30)), i(0x80000000));
  if (!cosine) flip = b.CreateXor(flip, sign(x()));
  return flt(b.CreateXor(bits(b.CreateSelect(odd, cos, sine)), flip));
}

Value *Body::tanh() {
  Value *a = abs(x()), *u = b.CreateFMul(a, a);
  Value *small = fma(b.CreateFMul(a, u), horner(u, tanh_poly), a);
  Value *twice = at_most(b.CreateFAdd(a, a), 20.0f); // tanh 10 rounds to 1
  Value *inverse = instruction("rcp.approx.ftz.f32", b.CreateFAdd(exp_of(twice), f(1.0f)));
  Value *large = fma(inverse, -2.0f, f(1.0f));
  return with_sign(b.CreateSelect(b.CreateFCmpOLT(a, f(0.625f)), small, large), sign(x()));
}

Value *Body::erf() {
  Value *a = at_most(abs(x()), 4.0f); // erf 4 rounds to 1
  Value *small = fma(horner(b.CreateFMul(a, a), erf_poly), a, a);
  Value *large = b.CreateFSub(f(1.0f), exp_of(b.CreateFNeg(horner(a, erfc_exponent))));
  return with_sign(b.CreateSelect(b.CreateFCmpOLT(a, f(0.925f)), small, large), sign(x()));
}

enum class Fn : uint8_t { exp, exp2, log, log2, sin, cos, tanh, erf, rsqrt, sqrt, div, div_rn, rcp };
struct OwnMath {
  const char *name;
  Fn fn;
  uint8_t arity;
  bool f64;
};
constexpr OwnMath own_math[] = {
    {"exp", Fn::exp, 1, false},     {"exp2", Fn::exp2, 1, false}, {"log", Fn::log, 1, false},    {"log2", Fn::log2, 1, false},
    {"sin", Fn::sin, 1, false},     {"cos", Fn::cos, 1, false},   {"tanh", Fn::tanh, 1, false},  {"erf", Fn::erf, 1, false},
    {"rsqrt", Fn::rsqrt, 1, true},  {"sqrt", Fn::sqrt, 1, true},  {"sqrt_rn", Fn::sqrt, 1, true}, {"div", Fn::div, 2, true},
    {"div_rn", Fn::div_rn, 2, true}, {"rcp", Fn::rcp, 1, true},
};

Value *own_body(Body &e, Fn fn, bool f64) {
  IRBuilder<> &b = e.b;
  Value *x = e.x(), *one = ConstantFP::get(x->getType(), 1.0);
  switch (fn) {
  case Fn::exp: return e.exp();
  case Fn::exp2: return e.instruction("ex2.approx.f32", x);
  case Fn::log: return e.log(false);
  case Fn::log2: return e.log(true);
  case Fn::sin: return e.sin_cos(false);
  case Fn::cos: return e.sin_cos(true);
  case Fn::tanh: return e.tanh();
  case Fn::erf: return e.erf();
  case Fn::rsqrt:
    return f64 ? b.CreateFDiv(one, b.CreateUnaryIntrinsic(Intrinsic::sqrt, x)) : e.instruction("rsqrt.approx.f32", x);
  case Fn::sqrt: return b.CreateUnaryIntrinsic(Intrinsic::sqrt, x);
  case Fn::div: return f64 ? b.CreateFDiv(x, e.x(1)) : e.instruction("div.full.f32", x, e.x(1));
  case Fn::div_rn: return b.CreateFDiv(x, e.x(1));
  case Fn::rcp: return b.CreateFDiv(one, x);
  }
  return nullptr;
}

void finish(Function &f, IRBuilder<> &b, Value *result) {
  b.CreateRet(result);
  f.setLinkage(GlobalValue::InternalLinkage);
  f.removeFnAttr(Attribute::NoInline);
  f.addFnAttr(Attribute::AlwaysInline);
  f.addFnAttr(Attribute::NoUnwind);
}

} // namespace

Status define_math(Function &declaration, const Options &options, std::vector<std::string> *wanted) {
  std::string full = declaration.getName().str();
  StringRef name = declaration.getName();
  FunctionType *type = declaration.getFunctionType();
  bool external = name.consume_front("tessera.extern.");
  std::string callee;
  if (external) callee = name.str();
  else {
    name.consume_front("tessera.math.");
    auto [fn, suffix] = name.rsplit('.');
    bool f64 = suffix == "f64";
    Type *want = f64 ? Type::getDoubleTy(declaration.getContext()) : Type::getFloatTy(declaration.getContext());
    bool uniform = type->getReturnType() == want && all_of(type->params(), [&](Type *t) { return t == want; });
    if (suffix != "f32" && suffix != "f64")
      return fail(Code::UNSUPPORTED, "not implemented: primitive %s on NVIDIA GPUs", full.c_str());
    if (!uniform || type->getNumParams() == 0)
      return fail(Code::INTERNAL, "primitive %s: expected %s arguments and result", full.c_str(), f64 ? "double" : "float");
    for (const OwnMath &m : own_math)
      if (fn == m.name && (m.f64 || !f64)) {
        if (m.arity != type->getNumParams())
          return fail(Code::INTERNAL, "primitive %s: expected %u arguments", full.c_str(), m.arity);
        Body body(declaration);
        Value *result = own_body(body, m.fn, f64);
        finish(declaration, body.b, result);
        return {};
      }
    callee = "__nv_" + fn.str() + (f64 ? "" : "f");
  }
  Module &m = *declaration.getParent();
  if (Function *there = m.getFunction(callee); there && there->getFunctionType() != type)
    return fail(Code::INTERNAL, "%s is used with two types", callee.c_str());
  FunctionCallee target = m.getOrInsertFunction(callee, type);
  IRBuilder<> b(BasicBlock::Create(declaration.getContext(), "", &declaration));
  SmallVector<Value *, 4> args;
  for (Argument &a : declaration.args()) args.push_back(&a);
  Value *result = b.CreateCall(target, args);
  if (type->getReturnType()->isVoidTy()) return fail(Code::UNSUPPORTED, "not implemented: %s, which gives no value", callee.c_str());
  finish(declaration, b, result);
  wanted->push_back(callee);
  return {};
}

} // namespace tcodegen::nvidia
