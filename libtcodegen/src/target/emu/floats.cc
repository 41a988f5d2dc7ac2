// SPDX-License-Identifier: MIT
// bfloat, and conversions that x86-64-v3 leaves to a library. A bfloat keeps its LLVM type where it only moves; where
// it is computed with, it becomes a float and is rounded after each operation, as the GPU does.
#include "expand.hh"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;
using namespace tessera::emu;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::emu {
namespace {

class Floats {
public:
  explicit Floats(Function &f) : b(f.getContext()), module(*f.getParent()) {}

  Status visit(Instruction &i) {
    b.SetInsertPoint(&i);
    bool result = isBf16(i.getType()), operand = i.getNumOperands() && isBf16(i.getOperand(0)->getType());
    switch (i.getOpcode()) {
    case Instruction::FPExt:
      if (operand) {
        Value *f = widen(i.getOperand(0));
        replace(i, i.getType()->getScalarType()->isFloatTy() ? f : b.CreateFPExt(f, i.getType()));
      }
      return {};
    case Instruction::FPTrunc: {
      bool from64 = i.getOperand(0)->getType()->getScalarType()->isDoubleTy();
      if (result) replace(i, from64 ? byImport(i.getOperand(0), i.getType(), Form::bf16) : narrow(i.getOperand(0), i.getType()));
      else if (from64 && i.getType()->getScalarType()->isHalfTy())
        replace(i, byImport(i.getOperand(0), i.getType(), Form::f16));
      return {};
    }
    case Instruction::FAdd:
    case Instruction::FSub:
    case Instruction::FMul:
    case Instruction::FDiv:
    case Instruction::FNeg:
      if (!result) return {};
      return compute(i);
    case Instruction::FCmp:
      if (operand) {
        auto &c = cast<FCmpInst>(i);
        replace(i, b.CreateFCmp(c.getPredicate(), widen(c.getOperand(0)), widen(c.getOperand(1))));
      }
      return {};
    case Instruction::SIToFP:
    case Instruction::UIToFP:
      // Through double: exact for 32 bits, so rounded once.
      if (result) {
        Type *wide = i.getType()->getWithNewType(b.getDoubleTy());
        replace(i, byImport(b.CreateCast(cast<CastInst>(i).getOpcode(), i.getOperand(0), wide), i.getType(), Form::bf16));
      }
      return {};
    case Instruction::FPToSI:
    case Instruction::FPToUI:
      if (operand) replace(i, b.CreateCast(cast<CastInst>(i).getOpcode(), widen(i.getOperand(0)), i.getType()));
      return {};
    case Instruction::Call:
      if (auto *in = dyn_cast<IntrinsicInst>(&i)) {
        if (result || operand) return compute(i);
        switch (in->getIntrinsicID()) { // of halves: LLVM makes them calls of fmaxf
        case Intrinsic::minnum:
        case Intrinsic::maxnum:
        case Intrinsic::minimum:
        case Intrinsic::maximum:
          if (i.getType()->getScalarType()->isHalfTy()) replace(i, extreme(*in));
          return {};
        default: return {};
        }
      }
      return {};
    case Instruction::AtomicRMW:
      if (result) return fail(Code::UNSUPPORTED, "not implemented: atomicrmw on bfloat on the emulator");
      return {};
    default: return {};
    }
  }

  void finish() {
    for (Instruction *i : dead) i->eraseFromParent();
  }

private:
  static bool isBf16(Type *t) { return t->getScalarType()->isBFloatTy(); }
  void replace(Instruction &i, Value *v) {
    i.replaceAllUsesWith(v);
    dead.push_back(&i);
  }
  Value *widen(Value *v) {
    Type *i32 = v->getType()->getWithNewType(b.getInt32Ty());
    Value *bits = b.CreateZExt(b.CreateBitCast(v, v->getType()->getWithNewType(b.getInt16Ty())), i32);
    return b.CreateBitCast(b.CreateShl(bits, 16), v->getType()->getWithNewType(b.getFloatTy()));
  }
  /// Nearest even; a NaN stays one.
  Value *narrow(Value *v, Type *type) {
    Type *i32 = type->getWithNewType(b.getInt32Ty()), *i16 = type->getWithNewType(b.getInt16Ty());
    Value *bits = b.CreateBitCast(v, i32);
    Value *odd = b.CreateAnd(b.CreateLShr(bits, 16), ConstantInt::get(i32, 1));
    Value *rounded = b.CreateAdd(bits, b.CreateAdd(odd, ConstantInt::get(i32, 0x7fff)));
    rounded = b.CreateSelect(b.CreateFCmpUNO(v, v), ConstantInt::get(i32, 0x7fff0000), rounded);
    return b.CreateBitCast(b.CreateTrunc(b.CreateLShr(rounded, 16), i16), type);
  }
  Value *byImport(Value *v, Type *type, Form to) {
    Type *i64 = b.getInt64Ty(), *i32 = b.getInt32Ty();
    FunctionCallee callee =
        module.getOrInsertFunction("tessera_emu_convert", FunctionType::get(i64, {i64, i32, i32, i32}, false));
    auto one = [&](Value *x) -> Value * {
      Value *r = b.CreateCall(callee, {b.CreateBitCast(x, i64), b.getInt32(uint32_t(Form::f64)),
                                       b.getInt32(uint32_t(to)), b.getInt32(0)});
      return b.CreateBitCast(b.CreateTrunc(r, b.getInt16Ty()), type->getScalarType());
    };
    auto *vector = dyn_cast<FixedVectorType>(type);
    if (!vector) return one(v);
    Value *out = PoisonValue::get(type);
    for (unsigned i = 0; i < vector->getNumElements(); ++i)
      out = b.CreateInsertElement(out, one(b.CreateExtractElement(v, uint64_t(i))), uint64_t(i));
    return out;
  }
  /// minnum, maxnum, minimum, maximum of halves, by comparisons; -0 is below +0.
  Value *extreme(IntrinsicInst &in) {
    Intrinsic::ID id = in.getIntrinsicID();
    bool max = id == Intrinsic::maxnum || id == Intrinsic::maximum;
    Value *x = in.getArgOperand(0), *y = in.getArgOperand(1);
    Type *half = x->getType(), *i16 = half->getWithNewType(b.getInt16Ty());
    // Bits are chosen, not halves: code generation would see the maximum again and call fmaxf for it.
    Value *p = b.CreateBitCast(x, i16), *q = b.CreateBitCast(y, i16);
    Value *wx = b.CreateFPExt(x, half->getWithNewType(b.getFloatTy())), *wy = b.CreateFPExt(y, wx->getType());
    Value *r = b.CreateSelect(max ? b.CreateFCmpOGT(wx, wy) : b.CreateFCmpOLT(wx, wy), p, q);
    r = b.CreateSelect(b.CreateFCmpOEQ(wx, wy), max ? b.CreateAnd(p, q) : b.CreateOr(p, q), r);
    if (id == Intrinsic::minimum || id == Intrinsic::maximum)
      r = b.CreateSelect(b.CreateFCmpUNO(wx, wy), b.CreateBitCast(ConstantFP::getNaN(half), i16), r);
    else r = b.CreateSelect(b.CreateFCmpUNO(wy, wy), p, r);
    return b.CreateBitCast(r, half);
  }
  /// The same operation on floats. (fma: the product is exact in a float, the sum is rounded twice.)
  Status compute(Instruction &i) {
    auto wide = [&](Type *t) { return isBf16(t) ? t->getWithNewType(b.getFloatTy()) : t; };
    Value *v = nullptr;
    if (auto *in = dyn_cast<IntrinsicInst>(&i)) {
      SmallVector<Value *, 3> args;
      for (Value *a : in->args()) args.push_back(isBf16(a->getType()) ? widen(a) : a);
      SmallVector<Type *, 2> types;
      if (!Intrinsic::getIntrinsicSignature(in->getIntrinsicID(), in->getFunctionType(), types) || types.empty())
        return fail(Code::UNSUPPORTED, "not implemented: %s on the emulator",
                    in->getCalledFunction()->getName().str().c_str());
      for (Type *&t : types) t = wide(t);
      v = b.CreateIntrinsic(in->getIntrinsicID(), types, args);
    } else if (i.getOpcode() == Instruction::FNeg) {
      v = b.CreateFNeg(widen(i.getOperand(0)));
    } else {
      v = b.CreateBinOp(Instruction::BinaryOps(i.getOpcode()), widen(i.getOperand(0)), widen(i.getOperand(1)));
    }
    replace(i, isBf16(i.getType()) ? narrow(v, i.getType()) : v);
    return {};
  }

  IRBuilder<> b;
  Module &module;
  SmallVector<Instruction *, 32> dead;
};

} // namespace

Status legalizeFloats(Function &f) {
  Floats floats(f);
  SmallVector<Instruction *, 256> work;
  for (Instruction &i : instructions(f)) work.push_back(&i);
  for (Instruction *i : work) TESSERA_TRY(floats.visit(*i));
  floats.finish();
  return {};
}

} // namespace tcodegen::emu
