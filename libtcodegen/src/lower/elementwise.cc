// SPDX-License-Identifier: MIT
// The meaning of one elementwise operation on lanes. Narrow floats are computed in f32 and rounded after every
// operation, which for + - * / and sqrt gives the correctly rounded result of the narrow type.
#include "lower.hh"
#include "scalar_ops.hh"
#include "target/cpu/convert.hh"
#include "target/cpu/math.hh"

namespace tcodegen {
using namespace tir;
using llvm::Value;
using IrType = llvm::Type;
using tir::Type;

static Float floatOf(Type t) {
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
static bool wide(Type t) { return t->isFloat(FloatKind::F32) || t->isFloat(FloatKind::F64); }

Value *Lowering::widen(Type t, Value *x) { return wide(t) ? x : emit_convert(b, x, floatOf(t), Float::f32); }
Value *Lowering::narrow(Type t, Value *x, bool rtz) {
  if (wide(t)) return x;
  Float from = x->getType()->getScalarType()->isDoubleTy() ? Float::f64 : Float::f32;
  return emit_convert(b, x, from, floatOf(t), rtz ? Rounding::toward_zero : Rounding::nearest_even);
}

Value *Lowering::callImport(const char *name, IrType *result, llvm::ArrayRef<Value *> args) {
  llvm::SmallVector<IrType *, 6> types;
  for (Value *a : args) types.push_back(a->getType());
  auto f = out.getOrInsertFunction(name, llvm::FunctionType::get(result, types, false));
  if (auto *g = llvm::dyn_cast<llvm::Function>(f.getCallee())) g->setDoesNotThrow();
  return b.CreateCall(f, args);
}

/// A math function on lanes of type t. The helper may end the block it is called in, so it gets one of its own.
Value *Lowering::mathCall(Op *op, std::string_view name, Type t, llvm::ArrayRef<Value *> x) {
  MathFn f;
  if (!find_math_fn(name, &f)) {
    unsupported(op, std::string(name).c_str());
    return llvm::PoisonValue::get(x[0]->getType());
  }
  if (math_fn_info(f).arity != (int)x.size()) {
    fail(tessera::Code::VERIFY, op, "'%s' takes %d arguments, found %zu", std::string(name).c_str(),
         math_fn_info(f).arity, x.size());
    return llvm::PoisonValue::get(x[0]->getType());
  }
  llvm::SmallVector<Value *, 2> w;
  for (Value *v : x) w.push_back(widen(t, v));
  llvm::Instruction *at = &*b.GetInsertPoint();
  llvm::BasicBlock *head = at->getParent();
  llvm::BasicBlock *cont = head->splitBasicBlock(at);
  head->getTerminator()->eraseFromParent();
  b.SetInsertPoint(head);
  Value *r = emit_math(f, b, w[0], w.size() > 1 ? w[1] : nullptr, &target);
  llvm::BasicBlock *end = b.GetInsertBlock();
  b.CreateBr(cont);
  cont->replacePhiUsesWith(head, end);
  b.SetInsertPoint(at);
  if (!r) {
    unsupported(op, "this type");
    return llvm::PoisonValue::get(x[0]->getType());
  }
  return narrow(t, r);
}

Value *Lowering::floatBinary(Op *op, Type t, Value *x, Value *y) {
  x = widen(t, x);
  y = widen(t, y);
  Value *r = nullptr;
  switch (op->code) {
  case Opcode::arith_addf: r = b.CreateFAdd(x, y); break;
  case Opcode::arith_subf: r = b.CreateFSub(x, y); break;
  case Opcode::arith_mulf: r = b.CreateFMul(x, y); break;
  case Opcode::arith_divf:
  case Opcode::tt_precise_divf:
  case Opcode::tt_approx_divf: r = b.CreateFDiv(x, y); break;
  case Opcode::arith_remf: r = emit_remainder(b, x, y); break;
  case Opcode::arith_minimumf: r = emit_min_max(b, MinMax::minimum, x, y); break;
  case Opcode::arith_maximumf: r = emit_min_max(b, MinMax::maximum, x, y); break;
  case Opcode::arith_minnumf: r = emit_min_max(b, MinMax::min_number, x, y); break;
  case Opcode::arith_maxnumf: r = emit_min_max(b, MinMax::max_number, x, y); break;
  default: unsupported(op); r = x;
  }
  return narrow(t, r);
}

Value *Lowering::intBinary(Op *op, Value *x, Value *y) {
  Value *r = emit_int_binary(b, op->code, x, y);
  if (!r) unsupported(op);
  return r ? r : x;
}

Value *Lowering::compare(Op *op, Type t, Value *x, Value *y) {
  bool ints = op->is(Opcode::arith_cmpi);
  auto p = ints ? int_predicate(op->intAttr("predicate")) : float_predicate(op->intAttr("predicate"));
  if (p == llvm::CmpInst::BAD_ICMP_PREDICATE || p == llvm::CmpInst::BAD_FCMP_PREDICATE) return unsupported(op, "this predicate"), x;
  return ints ? b.CreateICmp(p, x, y) : b.CreateFCmp(p, widen(t, x), widen(t, y));
}

Value *Lowering::cast(Op *op, Type from, Type to, Value *x) {
  auto *vt = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  IrType *rt = vecType(laneType(to), vt ? vt->getNumElements() : 1);
  switch (op->code) {
  case Opcode::arith_extsi: return b.CreateSExt(x, rt);
  case Opcode::arith_extui: return b.CreateZExt(x, rt);
  case Opcode::arith_trunci: return b.CreateTrunc(x, rt);
  case Opcode::arith_index_cast: return b.CreateSExtOrTrunc(x, rt);
  case Opcode::arith_index_castui: return b.CreateZExtOrTrunc(x, rt);
  case Opcode::arith_bitcast:
  case Opcode::tt_bitcast:
    if (x->getType() == rt) return x;
    return b.CreateBitCast(x, rt);
  case Opcode::tt_int_to_ptr:
  case Opcode::tt_ptr_to_int: return x; // addresses are 64-bit integers here
  case Opcode::arith_extf:
  case Opcode::arith_truncf:
  case Opcode::arith_convertf: return emit_convert(b, x, floatOf(from), floatOf(to));
  case Opcode::tt_fp_to_fp: {
    Attr r = op->attr("rounding");
    bool rtz = r && r->ival == 0;
    // Triton's own casts saturate in the 8-bit formats; arith.truncf does not.
    return emit_convert(b, x, floatOf(from), floatOf(to), rtz ? Rounding::toward_zero : Rounding::nearest_even,
                        to->width == 8 ? Overflow::saturate : Overflow::format);
  }
  case Opcode::arith_sitofp: return emit_int_to_float(b, x, true, floatOf(to));
  case Opcode::arith_uitofp: return emit_int_to_float(b, x, false, floatOf(to));
  case Opcode::arith_fptosi: return emit_float_to_int(b, x, floatOf(from), laneType(to), true);
  case Opcode::arith_fptoui: return emit_float_to_int(b, x, floatOf(from), laneType(to), false);
  default: unsupported(op); return llvm::PoisonValue::get(rt);
  }
}

/// Keeps base + Σ coef·bit through +, -, * and pointer steps. No result (lanes 0) when the form is lost.
Val Lowering::affineBinary(Op *op, const Val &a, const Val &c) {
  Val none;
  none.lanes = 0;
  auto known = [](const Val &x) { return x.lanes == 1 || x.affine; };
  if (!known(a) || !known(c) || (a.lanes == 1 && c.lanes == 1)) return none;
  auto base = [](const Val &x) { return x.lanes == 1 ? (x.v ? x.v : x.base) : x.base; };
  auto coef = [](const Val &x, unsigned i) -> int64_t { return x.lanes == 1 ? 0 : x.coef[i]; };
  Val r;
  r.lanes = std::max(a.lanes, c.lanes);
  r.affine = true;
  r.exact = (a.lanes == 1 || a.exact) && (c.lanes == 1 || c.exact);
  switch (op->code) {
  case Opcode::arith_addi:
    r.base = b.CreateAdd(base(a), base(c));
    for (unsigned i = 0; i < kMaxLaneBits; ++i) r.coef[i] = coef(a, i) + coef(c, i);
    break;
  case Opcode::arith_subi:
    r.base = b.CreateSub(base(a), base(c));
    for (unsigned i = 0; i < kMaxLaneBits; ++i) r.coef[i] = coef(a, i) - coef(c, i);
    break;
  case Opcode::arith_muli: {
    const Val &tile = a.lanes > 1 ? a : c, &k = a.lanes > 1 ? c : a;
    auto *kc = k.lanes == 1 ? llvm::dyn_cast<llvm::ConstantInt>(base(k)) : nullptr;
    if (!kc) return none;
    r.base = b.CreateMul(base(tile), base(k));
    for (unsigned i = 0; i < kMaxLaneBits; ++i) r.coef[i] = tile.coef[i] * kc->getSExtValue();
    break;
  }
  case Opcode::tt_addptr: {
    int64_t size = storageBytes(op->operand(0)->type->scalar()->elem);
    Value *step = b.CreateSExt(base(c), b.getInt64Ty());
    r.base = b.CreateAdd(base(a), b.CreateMul(step, b.getInt64(size)));
    for (unsigned i = 0; i < kMaxLaneBits; ++i) r.coef[i] = coef(a, i) + coef(c, i) * size;
    if (c.lanes > 1 && !base(c)->getType()->isIntegerTy(64)) r.exact = false;
    break;
  }
  default: return none;
  }
  return r;
}

Val Lowering::elementwise(Op *op, llvm::ArrayRef<Val> args, unsigned result, Type to, llvm::ArrayRef<Type> from) {
  unsigned lanes = 1;
  for (const Val &a : args) lanes = std::max(lanes, a.lanes);
  auto arg = [&](unsigned i) { return vec(args[i], lanes); };
  Val r;
  r.lanes = lanes;
  Type t0 = from.empty() ? to : from[0];

  if (op->is(Opcode::tt_addptr)) {
    Val f = affineBinary(op, args[0], args[1]);
    if (f.lanes && f.exact) return f;
    int64_t size = storageBytes(t0->elem);
    Value *off = b.CreateSExt(arg(1), vecType(b.getInt64Ty(), lanes));
    if (size != 1) off = b.CreateMul(off, llvm::ConstantInt::get(off->getType(), size));
    Value *v = b.CreateAdd(arg(0), off);
    if (f.lanes) return f.v = v, f;
    r.v = v;
    return r;
  }
  if (op->is(Opcode::arith_addi) || op->is(Opcode::arith_subi) || op->is(Opcode::arith_muli)) {
    Val f = affineBinary(op, args[0], args[1]);
    if (f.lanes) {
      if (!f.exact) f.v = intBinary(op, arg(0), arg(1));
      return f;
    }
  }
  if ((op->is(Opcode::arith_extsi) || op->is(Opcode::arith_extui)) && args[0].affine && lanes > 1 &&
      !t0->isInt(1)) {
    r = args[0];
    r.exact = false;
    r.base = op->is(Opcode::arith_extsi) ? b.CreateSExt(args[0].base, laneType(to)) : b.CreateZExt(args[0].base, laneType(to));
    r.v = cast(op, t0, to, arg(0));
    return r;
  }

  switch (op->code) {
  case Opcode::arith_cmpi:
  case Opcode::arith_cmpf: r.v = compare(op, t0, arg(0), arg(1)); return r;
  case Opcode::arith_select: {
    // The condition may be a scalar for all lanes.
    if (args[0].lanes == 1 && args[1].affine && args[2].affine && args[1].lanes > 1 && args[2].lanes > 1) {
      bool same = true;
      for (unsigned i = 0; i < kMaxLaneBits; ++i) same = same && args[1].coef[i] == args[2].coef[i];
      if (same && args[1].exact && args[2].exact) {
        r = args[1];
        r.v = nullptr;
        r.base = b.CreateSelect(args[0].v, args[1].base, args[2].base);
        return r;
      }
    }
    Value *c = args[0].lanes == 1 ? args[0].v : arg(0);
    r.v = b.CreateSelect(c, arg(1), arg(2));
    return r;
  }
  case Opcode::math_fma: r.v = emit_fma(b, arg(0), arg(1), arg(2), floatOf(to)); return r;
  case Opcode::arith_negf: {
    Value *x = arg(0);
    if (wide(t0)) r.v = b.CreateFNeg(x);
    else if (t0->isFloat(FloatKind::F8E4M3FNUZ) || t0->isFloat(FloatKind::F8E5M2FNUZ)) r.v = narrow(to, b.CreateFNeg(widen(t0, x)));
    else {
      IrType *it = vecType(b.getIntNTy(t0->width), lanes);
      r.v = b.CreateXor(b.CreateBitCast(x, it), llvm::ConstantInt::get(it, uint64_t(1) << (t0->width - 1)));
      r.v = b.CreateBitCast(r.v, x->getType());
    }
    return r;
  }
  case Opcode::math_absf: {
    Value *x = arg(0);
    if (wide(t0)) r.v = b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
    else if (t0->isFloat(FloatKind::F8E4M3FNUZ) || t0->isFloat(FloatKind::F8E5M2FNUZ)) r.v = narrow(to, b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, widen(t0, x)));
    else {
      IrType *it = vecType(b.getIntNTy(t0->width), lanes);
      r.v = b.CreateAnd(b.CreateBitCast(x, it), llvm::ConstantInt::get(it, (uint64_t(1) << (t0->width - 1)) - 1));
      r.v = b.CreateBitCast(r.v, x->getType());
    }
    return r;
  }
  case Opcode::math_absi: {
    Value *x = arg(0);
    r.v = b.CreateSelect(b.CreateICmpSLT(x, llvm::Constant::getNullValue(x->getType())), b.CreateNeg(x), x);
    return r;
  }
  case Opcode::math_ctlz:
  case Opcode::math_cttz:
    r.v = b.CreateIntrinsic(op->is(Opcode::math_ctlz) ? llvm::Intrinsic::ctlz : llvm::Intrinsic::cttz, {arg(0)->getType()},
                            {arg(0), b.getFalse()});
    return r;
  case Opcode::math_ctpop: r.v = b.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, arg(0)); return r;
  case Opcode::tt_clampf: {
    Value *x = widen(t0, arg(0)), *lo = widen(t0, arg(1)), *hi = widen(t0, arg(2));
    bool all = op->intAttr("propagateNan") != 0;
    x = emit_min_max(b, all ? MinMax::maximum : MinMax::max_number, x, lo);
    x = emit_min_max(b, all ? MinMax::minimum : MinMax::min_number, x, hi);
    r.v = narrow(to, x);
    return r;
  }
  case Opcode::tt_precise_sqrt: r.v = mathCall(op, "sqrt", t0, {arg(0)}); return r;
  case Opcode::tt_extern_elementwise: {
    llvm::SmallVector<Value *, 3> x;
    for (unsigned i = 0; i < args.size(); ++i) x.push_back(arg(i));
    r.v = externCall(op, to, from, x, lanes);
    return r;
  }
  default: break;
  }

  std::string_view name = op->name();
  if (op->info().dialect == "math") {
    if (result || op->numResults() > 1 || !to->isFloat() || !t0->isFloat() || args.size() > 2)
      return unsupported(op), r.v = llvm::PoisonValue::get(vecType(laneType(to), lanes)), r;
    llvm::SmallVector<Value *, 2> x;
    for (unsigned i = 0; i < args.size(); ++i) x.push_back(arg(i));
    std::string_view f = name.substr(5);
    if (f == "powf") f = "pow";
    if (f == "roundeven") f = "rint";
    r.v = mathCall(op, f, to, x);
    return r;
  }
  if (args.size() == 1) {
    r.v = cast(op, t0, to, arg(0));
    return r;
  }
  if (args.size() == 2 && to->isFloat()) {
    r.v = floatBinary(op, to, arg(0), arg(1));
    return r;
  }
  if (args.size() == 2 && op->numResults() == 1) {
    r.v = intBinary(op, arg(0), arg(1));
    return r;
  }
  unsupported(op);
  r.v = llvm::PoisonValue::get(vecType(laneType(to), lanes));
  return r;
}

} // namespace tcodegen
