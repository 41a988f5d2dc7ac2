// SPDX-License-Identifier: MIT
// Elementwise operations: one scalar meaning, applied to every register. Narrow floats are computed in f32 and
// rounded after every operation. Registers with equal operands (repeated elements) share the result.
#include "lower.hh"
#include "matrix.hh"
#include "analysis/axis_info.hh"
#include "lower/scalar_ops.hh"
#include "target/cpu/convert.hh"
#include "target/cpu/math.hh"
#include <array>

namespace tcodegen::gpu {
using namespace tir;
using tessera::Code;
using IrValue = llvm::Value;
using TirType = tir::Type;

static const char *floatText(TirType t) { return t->isFloat(FloatKind::BF16) ? "bf16" : "f16"; }
static Float floatKind(TirType t) {
  switch (t->fkind) {
  case FloatKind::F16: return Float::f16;
  case FloatKind::BF16: return Float::bf16;
  case FloatKind::F64: return Float::f64;
  case FloatKind::F8E4M3FN: return Float::f8e4m3fn;
  case FloatKind::F8E5M2: return Float::f8e5m2;
  case FloatKind::F8E4M3FNUZ: return Float::f8e4m3fnuz;
  case FloatKind::F8E5M2FNUZ: return Float::f8e5m2fnuz;
  default: return Float::f32;
  }
}
static bool wide(TirType t) { return t->isFloat(FloatKind::F32) || t->isFloat(FloatKind::F64); }

namespace {
/// Emission of one scalar operation.
struct Scalar {
  Lower &l;
  Op *op;
  llvm::IRBuilder<> &b;
  IrValue *poison(TirType to) { return llvm::PoisonValue::get(l.regType(to)); }

  /// Any float format to any other, rounded once. `rounding`: "" nearest-even, ".rtz"; `saturate`: fp8 only.
  IrValue *convert(IrValue *x, TirType from, TirType to, bool rtz = false, bool saturate = false) {
    if (from == to) return x;
    bool native = !from->isFloat(FloatKind::BF16) && !to->isFloat(FloatKind::BF16) && from->width > 8 && to->width > 8;
    if (from->isFloat(FloatKind::BF16) && to->width >= 32) {
      IrValue *w = b.CreateBitCast(b.CreateShl(b.CreateZExt(x, b.getInt32Ty()), 16), b.getFloatTy());
      return to->width == 64 ? b.CreateFPExt(w, b.getDoubleTy()) : w;
    }
    if (native && to->width > from->width) return b.CreateFPExt(x, l.regType(to));
    if (native && !rtz) return b.CreateFPTrunc(x, l.regType(to));
    bool f32 = from->isFloat(FloatKind::F32);
    if (f32 && to->width == 16) { // one instruction; a float result comes as its bits
      std::string name = std::string("tessera.cvt.f32.") + floatText(to) + (rtz ? ".rtz" : "");
      return l.fromBits(l.prim(name, b.getInt16Ty(), {x}), to);
    }
    bool e4 = to->isFloat(FloatKind::F8E4M3FN), e5 = to->isFloat(FloatKind::F8E5M2);
    if (f32 && !rtz && saturate && (e4 || e5)) {
      IrValue *pair = l.prim(e4 ? "tessera.cvt.f32x2.e4m3x2" : "tessera.cvt.f32x2.e5m2x2", b.getInt16Ty(),
                             {x, llvm::ConstantFP::get(b.getFloatTy(), 0)});
      return b.CreateTrunc(pair, b.getInt8Ty());
    }
    bool f4 = from->isFloat(FloatKind::F8E4M3FN), f5 = from->isFloat(FloatKind::F8E5M2);
    if ((f4 || f5) && (to->isFloat(FloatKind::F16) || to->isFloat(FloatKind::F32))) {
      IrValue *pair = l.prim(f4 ? "tessera.cvt.e4m3x2.f16x2" : "tessera.cvt.e5m2x2.f16x2", b.getInt32Ty(),
                             {b.CreateZExt(x, b.getInt16Ty())});
      IrValue *h = b.CreateBitCast(b.CreateTrunc(pair, b.getInt16Ty()), b.getHalfTy());
      return to->width == 16 ? h : b.CreateFPExt(h, b.getFloatTy());
    }
    return emit_convert(b, x, floatKind(from), floatKind(to), rtz ? Rounding::toward_zero : Rounding::nearest_even,
                        saturate ? Overflow::saturate : Overflow::format);
  }
  IrValue *widen(TirType t, IrValue *x) { return wide(t) ? x : convert(x, t, t->ctx->f32()); }
  IrValue *narrow(TirType t, IrValue *x) { return wide(t) ? x : convert(x, t->ctx->f32(), t); }

  IrValue *math(std::string_view name, TirType t, llvm::ArrayRef<IrValue *> x) {
    MathFn f;
    if (!find_math_fn(name, &f)) return l.unsupported(op, std::string(name).c_str()), poison(t);
    const MathFnInfo &info = math_fn_info(f);
    if (info.arity != (int)x.size()) {
      l.fail(Code::VERIFY, op, "'%s' takes %d arguments, found %zu", std::string(name).c_str(), info.arity, x.size());
      return poison(t);
    }
    llvm::SmallVector<IrValue *, 3> w;
    for (IrValue *v : x) w.push_back(widen(t, v));
    std::string prim = std::string("tessera.math.") + info.name + (t->width == 64 ? ".f64" : ".f32");
    return narrow(t, l.prim(prim, t->width == 64 ? b.getDoubleTy() : b.getFloatTy(), w));
  }

  IrValue *floatBinary(TirType t, IrValue *x, IrValue *y) {
    x = widen(t, x);
    y = widen(t, y);
    IrValue *r = nullptr;
    using I = llvm::Intrinsic::ID;
    auto minmax = [&](I id) { return b.CreateBinaryIntrinsic(id, x, y); };
    switch (op->code) {
    case Opcode::arith_addf: r = b.CreateFAdd(x, y); break;
    case Opcode::arith_subf: r = b.CreateFSub(x, y); break;
    case Opcode::arith_mulf: r = b.CreateFMul(x, y); break;
    case Opcode::tt_precise_divf: r = b.CreateFDiv(x, y); break;
    case Opcode::arith_divf:
    case Opcode::tt_approx_divf:
      r = t->width == 64 ? b.CreateFDiv(x, y) : (IrValue *)l.prim("tessera.math.div.f32", b.getFloatTy(), {x, y});
      break;
    case Opcode::arith_remf: return math("fmod", t, {x, y});
    case Opcode::arith_minimumf: r = minmax(llvm::Intrinsic::minimum); break;
    case Opcode::arith_maximumf: r = minmax(llvm::Intrinsic::maximum); break;
    case Opcode::arith_minnumf: r = minmax(llvm::Intrinsic::minnum); break;
    case Opcode::arith_maxnumf: r = minmax(llvm::Intrinsic::maxnum); break;
    default: return nullptr;
    }
    return narrow(t, r);
  }

  IrValue *signBit(TirType t, IrValue *x, bool clear) {
    if (wide(t) || t->isFloat(FloatKind::F8E4M3FNUZ) || t->isFloat(FloatKind::F8E5M2FNUZ)) {
      IrValue *w = widen(t, x);
      return narrow(t, clear ? b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, w) : b.CreateFNeg(w));
    }
    uint64_t sign = uint64_t(1) << (t->width - 1);
    IrValue *bits = l.toBits(x, t->width);
    bits = clear ? b.CreateAnd(bits, b.getIntN(t->width, sign - 1)) : b.CreateXor(bits, b.getIntN(t->width, sign));
    return l.fromBits(bits, t);
  }

  IrValue *cast(TirType from, TirType to, IrValue *x) {
    llvm::Type *rt = l.regType(to);
    switch (op->code) {
    case Opcode::arith_extsi: return b.CreateSExt(x, rt);
    case Opcode::arith_extui: return b.CreateZExt(x, rt);
    case Opcode::arith_trunci: return b.CreateTrunc(x, rt);
    case Opcode::arith_index_cast: return b.CreateSExtOrTrunc(x, rt);
    case Opcode::arith_index_castui: return b.CreateZExtOrTrunc(x, rt);
    case Opcode::arith_bitcast:
    case Opcode::tt_bitcast:
      if (x->getType() == rt) return x;
      return l.fromBits(l.toBits(x, from->isPtr() ? 64 : from->width), to);
    case Opcode::tt_int_to_ptr: return b.CreateIntToPtr(x, rt);
    case Opcode::tt_ptr_to_int: return b.CreatePtrToInt(x, rt);
    case Opcode::arith_extf:
    case Opcode::arith_truncf:
    case Opcode::arith_convertf: return convert(x, from, to);
    case Opcode::tt_fp_to_fp: {
      Attr r = op->attr("rounding");
      return convert(x, from, to, r && r->ival == 0, to->width == 8); // Triton's own casts saturate in the 8-bit formats
    }
    case Opcode::arith_sitofp:
    case Opcode::arith_uitofp: {
      bool s = op->is(Opcode::arith_sitofp);
      // One rounding: to f16 and narrower integers of up to 24 bits are exact in f32; wider ones need the helper.
      if (wide(to)) return s ? b.CreateSIToFP(x, rt) : b.CreateUIToFP(x, rt);
      static constexpr Float kinds[] = {Float::f16, Float::bf16};
      if (to->width == 16) return emit_int_to_float(b, x, s, kinds[to->isFloat(FloatKind::BF16)]);
      return l.unsupported(op, "integers to 8-bit floats"), poison(to);
    }
    case Opcode::arith_fptosi:
    case Opcode::arith_fptoui: {
      IrValue *w = widen(from, x);
      auto id = op->is(Opcode::arith_fptosi) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
      return b.CreateIntrinsic(id, {rt, w->getType()}, {w});
    }
    case Opcode::arith_flush_denormals: return nullptr;
    default: return nullptr;
    }
  }

  IrValue *externCall(TirType to, llvm::ArrayRef<TirType> from, llvm::ArrayRef<IrValue *> x) {
    std::string_view symbol = op->strAttr("symbol");
    if (to->isFloat()) {
      bool same = !x.empty();
      for (TirType t : from) same = same && t == to;
      MathFn f;
      if (same && find_math_fn(symbol, &f)) return math(symbol, to, x);
    }
    // Anything else by its own name, with its types: the target's device library may have it.
    std::string name = "tessera.extern." + std::string(symbol);
    llvm::SmallVector<IrValue *, 3> args(x.begin(), x.end());
    return l.prim(name, l.regType(to), args);
  }

  IrValue *emit(llvm::ArrayRef<IrValue *> x, llvm::ArrayRef<TirType> from, TirType to, unsigned result) {
    TirType t0 = from.empty() ? to : from[0];
    switch (op->code) {
    case Opcode::tt_addptr: {
      IrValue *off = b.CreateSExt(x[1], b.getInt64Ty());
      unsigned size = l.elementBits(t0->elem) / 8;
      return b.CreateGEP(b.getIntNTy(size * 8), x[0], off);
    }
    case Opcode::arith_cmpi:
    case Opcode::arith_cmpf: {
      bool ints = op->is(Opcode::arith_cmpi);
      auto p = ints ? int_predicate(op->intAttr("predicate")) : float_predicate(op->intAttr("predicate"));
      if (p == llvm::CmpInst::BAD_ICMP_PREDICATE || p == llvm::CmpInst::BAD_FCMP_PREDICATE)
        return l.unsupported(op, "this predicate"), poison(to);
      return ints ? b.CreateICmp(p, x[0], x[1]) : b.CreateFCmp(p, widen(t0, x[0]), widen(t0, x[1]));
    }
    case Opcode::arith_select: return b.CreateSelect(x[0], x[1], x[2]);
    case Opcode::math_fma: {
      TirType t = to;
      if (wide(t)) return b.CreateIntrinsic(llvm::Intrinsic::fma, {x[0]->getType()}, {x[0], x[1], x[2]});
      Float f = t->isFloat(FloatKind::F16) ? Float::f16 : Float::bf16;
      if (t->width == 8) return l.unsupported(op, "8-bit floats"), poison(to);
      return emit_fma(b, x[0], x[1], x[2], f);
    }
    case Opcode::arith_negf: return signBit(t0, x[0], false);
    case Opcode::math_absf: return signBit(t0, x[0], true);
    case Opcode::math_absi: return b.CreateIntrinsic(llvm::Intrinsic::abs, {x[0]->getType()}, {x[0], b.getFalse()});
    case Opcode::math_ctlz: return b.CreateIntrinsic(llvm::Intrinsic::ctlz, {x[0]->getType()}, {x[0], b.getFalse()});
    case Opcode::math_cttz: return b.CreateIntrinsic(llvm::Intrinsic::cttz, {x[0]->getType()}, {x[0], b.getFalse()});
    case Opcode::math_ctpop: return b.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, x[0]);
    case Opcode::tt_clampf: {
      IrValue *v = widen(t0, x[0]), *lo = widen(t0, x[1]), *hi = widen(t0, x[2]);
      bool all = op->intAttr("propagateNan") != 0;
      v = b.CreateBinaryIntrinsic(all ? llvm::Intrinsic::maximum : llvm::Intrinsic::maxnum, v, lo);
      v = b.CreateBinaryIntrinsic(all ? llvm::Intrinsic::minimum : llvm::Intrinsic::minnum, v, hi);
      return narrow(to, v);
    }
    case Opcode::tt_precise_sqrt: {
      IrValue *w = widen(t0, x[0]);
      return narrow(to, b.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, w));
    }
    case Opcode::math_floor:
    case Opcode::math_ceil:
    case Opcode::math_trunc:
    case Opcode::math_roundeven: {
      auto id = op->is(Opcode::math_floor)  ? llvm::Intrinsic::floor
                : op->is(Opcode::math_ceil) ? llvm::Intrinsic::ceil
                : op->is(Opcode::math_trunc) ? llvm::Intrinsic::trunc
                                             : llvm::Intrinsic::rint;
      return narrow(to, b.CreateUnaryIntrinsic(id, widen(t0, x[0])));
    }
    case Opcode::tt_extern_elementwise: return externCall(to, from, x);
    case Opcode::arith_mului_extended:
    case Opcode::arith_mulsi_extended:
      if (!result) return b.CreateMul(x[0], x[1]);
      return emit_mul_high(b, x[0], x[1], op->is(Opcode::arith_mulsi_extended));
    default: break;
    }
    if (op->info().dialect == "math") {
      if (result || op->numResults() > 1 || !to->isFloat() || !t0->isFloat()) return nullptr;
      std::string_view f = op->name().substr(5);
      if (f == "powf") f = "pow";
      return math(f, to, x);
    }
    if (x.size() == 1) return cast(t0, to, x[0]);
    if (x.size() == 2 && to->isFloat()) return floatBinary(to, x[0], x[1]);
    if (x.size() == 2 && op->numResults() == 1) return emit_int_binary(b, op->code, x[0], x[1]);
    return nullptr;
  }
};
} // namespace

IrValue *Lower::elementOp(Op *op, llvm::ArrayRef<IrValue *> x, llvm::ArrayRef<TirType> from, TirType to, unsigned result) {
  Scalar s{*this, op, b};
  llvm::IRBuilder<>::FastMathFlagGuard guard(b);
  llvm::FastMathFlags flags;
  flags.setAllowContract(options.fp_fusion);
  b.setFastMathFlags(flags);
  IrValue *r = s.emit(x, from, to, result);
  if (!r) {
    unsupported(op);
    r = llvm::PoisonValue::get(regType(to));
  }
  return r;
}

namespace {
/// Sums of registers that are something plus a constant, as coordinates are: the constant goes last, so that what the
/// registers have in common is computed once and addresses differ by constants.
struct Sums {
  std::map<std::pair<IrValue *, IrValue *>, IrValue *> made;
  static IrValue *split(IrValue *v, llvm::ConstantInt **c) {
    auto *i = llvm::dyn_cast<llvm::BinaryOperator>(v);
    if (!i || i->getType()->isVectorTy()) return v;
    bool sum = i->getOpcode() == llvm::Instruction::Add;
    if (auto *o = llvm::dyn_cast<llvm::PossiblyDisjointInst>(i)) sum = o->isDisjoint();
    auto *k = sum ? llvm::dyn_cast<llvm::ConstantInt>(i->getOperand(1)) : nullptr;
    if (!k) return v;
    *c = k;
    return i->getOperand(0);
  }
  /// Null: nothing to gain.
  IrValue *add(llvm::IRBuilder<> &b, IrValue *x, IrValue *y) {
    if (llvm::isa<llvm::Constant>(x) || llvm::isa<llvm::Constant>(y)) return nullptr;
    llvm::ConstantInt *cx = nullptr, *cy = nullptr;
    x = split(x, &cx), y = split(y, &cy);
    IrValue *&sum = made[{x, y}];
    if (!sum) sum = b.CreateAdd(x, y);
    if (!cx && !cy) return sum;
    llvm::APInt c(sum->getType()->getIntegerBitWidth(), 0);
    for (llvm::ConstantInt *k : {cx, cy})
      if (k) c += k->getValue();
    return b.CreateAdd(sum, llvm::ConstantInt::get(sum->getType(), c));
  }
};
} // namespace

uint64_t Lower::alikeBits(tir::Value *v) {
  const AxisInfo &info = axis->info(v);
  const LinearLayout &l = layout(v);
  uint64_t bits = 0;
  for (unsigned d = 0; d < l.out().size() && d < info.dims.size(); ++d) {
    unsigned n = 0;
    while (n < l.outBits(tensorDim(d)) && int64_t(2) << n <= info.dims[d].constancy) ++n;
    bits |= ((uint64_t(1) << n) - 1) << l.outStart(tensorDim(d));
  }
  return bits;
}

/// Two at a time: f32 to 16 bits, so that the pair stays in one register of the machine for as long as it lives, and
/// sums and products of halves (rounded once, as by way of f32: that has more than twice the digits).
bool Lower::lowerPairs(Op *op, TirType from, TirType to) {
  bool adds = op->is(Opcode::arith_addf) || op->is(Opcode::arith_subf) || op->is(Opcode::arith_mulf);
  if (adds && to->isFloat(FloatKind::F16)) {
    const Regs &x = regs(op->operand(0)), &y = regs(op->operand(1));
    if (failed() || x.size() < 2 || x.size() != y.size()) return false;
    llvm::Type *pair = llvm::FixedVectorType::get(b.getHalfTy(), 2);
    std::map<std::array<IrValue *, 4>, IrValue *> done;
    Regs out;
    for (size_t i = 0; i < x.size(); i += 2) {
      IrValue *&r = done[{x[i], x[i + 1], y[i], y[i + 1]}];
      if (!r) {
        IrValue *v = b.CreateBitCast(packWord(*this, x, i, {1}, 16), pair), *w = b.CreateBitCast(packWord(*this, y, i, {1}, 16), pair);
        r = op->is(Opcode::arith_addf) ? b.CreateFAdd(v, w) : op->is(Opcode::arith_subf) ? b.CreateFSub(v, w) : b.CreateFMul(v, w);
      }
      for (uint64_t k = 0; k < 2; ++k) out.push_back(b.CreateExtractElement(r, k));
    }
    set(op->result(), out);
    return true;
  }
  bool casts = op->is(Opcode::arith_truncf) || op->is(Opcode::tt_fp_to_fp);
  if (!casts || !from->isFloat(FloatKind::F32) || !(to->isFloat(FloatKind::F16) || to->isFloat(FloatKind::BF16))) return false;
  const Regs &x = regs(op->operand(0));
  if (failed() || x.size() < 2) return false;
  Attr r = op->attr("rounding");
  bool rtz = op->is(Opcode::tt_fp_to_fp) && r && r->ival == 0;
  std::string name = std::string("tessera.cvt.f32x2.") + floatText(to) + (rtz ? "x2.rtz" : "x2");
  std::map<std::pair<IrValue *, IrValue *>, IrValue *> done;
  Regs out;
  for (size_t i = 0; i < x.size(); i += 2) {
    IrValue *&pair = done[{x[i], x[i + 1]}];
    if (!pair) pair = b.CreateBitCast(prim(name, b.getInt32Ty(), {x[i], x[i + 1]}), llvm::FixedVectorType::get(b.getInt16Ty(), 2));
    for (uint64_t k = 0; k < 2; ++k) out.push_back(fromBits(b.CreateExtractElement(pair, k), to));
  }
  set(op->result(), out);
  return true;
}

bool Lower::lowerElementwise(Op *op) {
  if (!op->info().has(TraitElementwise) || !op->numResults() || op->nregs) return false;
  bool tile = op->result()->type->isTensor();
  unsigned n = tile ? regCount(op->result()->type) : 1;
  llvm::SmallVector<TirType, 4> from;
  llvm::SmallVector<const Regs *, 4> operands;
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    from.push_back(op->operand(i)->type->scalar());
    const Regs &r = regs(op->operand(i));
    if (failed()) return true;
    if (op->operand(i)->type->isTensor() && r.size() != n) {
      fail(Code::VERIFY, op, "operand %u has %zu registers per thread, the result %u", i, r.size(), n);
      return true;
    }
    operands.push_back(&r);
  }
  if (tile && op->numOperands() && lowerPairs(op, from[0], op->result()->type->scalar())) return true;
  for (unsigned k = 0; k < op->numResults(); ++k) {
    TirType to = op->result(k)->type->scalar();
    Regs out;
    std::map<llvm::SmallVector<IrValue *, 3>, IrValue *> done;
    uint64_t alike = tile && to->isInt() ? alikeBits(op->result(k)) : 0;
    std::map<uint64_t, IrValue *> groups; // elements that are known to be equal: masks, mostly
    Sums sums;
    for (unsigned i = 0; i < n && !failed(); ++i) {
      IrValue **group = alike ? &groups[layout(op->result(k)).apply(i) & ~alike] : nullptr;
      if (group && *group) {
        out.push_back(*group);
        continue;
      }
      llvm::SmallVector<IrValue *, 3> x;
      for (const Regs *r : operands) x.push_back(r->size() == 1 ? (*r)[0] : (*r)[i]);
      IrValue *&v = done[x];
      if (!v && op->is(Opcode::arith_addi) && n > 1) v = sums.add(b, x[0], x[1]);
      if (!v) v = elementOp(op, x, from, to, k);
      if (group) *group = v;
      out.push_back(v);
    }
    if (failed()) return true;
    set(op->result(k), out);
  }
  return true;
}

IrValue *Lower::convertedFloat(IrValue *v, TirType from, TirType to) { return Scalar{*this, nullptr, b}.convert(v, from, to); }

Regs Lower::applyRegion(Op *op, llvm::ArrayRef<IrValue *> args) {
  Block *body = op->region(0)->front();
  if (body != op->region(0)->last) return applyBlocks(op, args);
  for (unsigned i = 0; i < body->numArgs(); ++i) set(body->arg(i), {args[i]});
  for (Op *o = body->first; o && o != body->last && !failed(); o = o->next) lowerOp(o);
  Regs r;
  for (unsigned i = 0; i < body->last->numOperands(); ++i) r.push_back(scalar(body->last->operand(i)));
  return r;
}

} // namespace tcodegen::gpu
