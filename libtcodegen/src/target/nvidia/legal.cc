// SPDX-License-Identifier: MIT
// Containment: what LLVM's NVPTX target may be asked for. It ends the process for much of the rest.
#include "legal.hh"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

constexpr const char *intrinsics[] = {
    "llvm.abs", "llvm.assume", "llvm.bitreverse", "llvm.bswap", "llvm.ceil", "llvm.copysign", "llvm.ctlz", "llvm.ctpop",
    "llvm.cttz", "llvm.experimental.noalias.scope.decl", "llvm.fabs", "llvm.floor", "llvm.fma", "llvm.fmuladd",
    "llvm.fptosi.sat", "llvm.fptoui.sat", "llvm.fshl", "llvm.fshr", "llvm.is.fpclass", "llvm.lifetime.end",
    "llvm.lifetime.start", "llvm.maximum", "llvm.maxnum", "llvm.memcpy", "llvm.memmove", "llvm.memset", "llvm.minimum",
    "llvm.minnum", "llvm.nearbyint", "llvm.rint", "llvm.roundeven", "llvm.sadd.sat", "llvm.sadd.with.overflow",
    "llvm.smax", "llvm.smin", "llvm.smul.with.overflow", "llvm.sqrt", "llvm.sshl.sat", "llvm.ssub.sat",
    "llvm.ssub.with.overflow", "llvm.trap", "llvm.trunc", "llvm.uadd.sat", "llvm.uadd.with.overflow", "llvm.umax",
    "llvm.umin", "llvm.umul.with.overflow", "llvm.usub.sat", "llvm.usub.with.overflow", "llvm.vector.reduce.add",
    "llvm.vector.reduce.fadd",
};

bool allowed(StringRef name) {
  if (name.starts_with("llvm.nvvm.")) return true;
  for (const char *i : intrinsics) {
    StringRef p = i;
    if (name.starts_with(p) && (name.size() == p.size() || name[p.size()] == '.')) return true;
  }
  return false;
}

bool type_allowed(Type *t) {
  if (auto *v = dyn_cast<VectorType>(t)) return isa<FixedVectorType>(v) && type_allowed(v->getElementType());
  if (auto *a = dyn_cast<ArrayType>(t)) return type_allowed(a->getElementType());
  if (auto *s = dyn_cast<StructType>(t)) return all_of(s->elements(), type_allowed);
  if (t->isFloatingPointTy()) return t->isHalfTy() || t->isBFloatTy() || t->isFloatTy() || t->isDoubleTy();
  return !t->isIntegerTy() || t->getIntegerBitWidth() <= 128;
}

template <class T> std::string text_of(const T &v) {
  std::string text;
  raw_string_ostream out(text);
  v.print(out);
  return text;
}

} // namespace

Status check_legal(const Module &module) {
  for (const Function &f : module) {
    if (!f.isDeclaration() || f.use_empty()) continue;
    if (f.isIntrinsic() ? !allowed(f.getName()) : f.getName() != "vprintf") // the driver's own function
      return fail(Code::UNSUPPORTED, "not implemented: %s on NVIDIA GPUs", f.getName().str().c_str());
  }
  for (const Function &f : module)
    for (const Instruction &i : instructions(f)) {
      bool types = type_allowed(i.getType());
      for (const Use &u : i.operands()) types &= u->getType()->isFunctionTy() || u->getType()->isLabelTy() ||
                                                 u->getType()->isMetadataTy() || type_allowed(u->getType());
      if (!types) return fail(Code::UNSUPPORTED, "not implemented: a type of '%s' on NVIDIA GPUs", text_of(i).c_str());
      bool wide = i.getType()->isIntOrIntVectorTy() && i.getType()->getScalarSizeInBits() > 64;
      unsigned op = i.getOpcode();
      if (wide && (op == Instruction::SDiv || op == Instruction::UDiv || op == Instruction::SRem || op == Instruction::URem))
        return fail(Code::UNSUPPORTED, "not implemented: division of more than 64 bits on NVIDIA GPUs");
      if (auto *call = dyn_cast<CallBase>(&i); call && !call->getCalledFunction() && !call->isInlineAsm())
        return fail(Code::UNSUPPORTED, "not implemented: an indirect call on NVIDIA GPUs");
    }
  for (const GlobalVariable &g : module.globals())
    if (g.isThreadLocal() || (g.isDeclaration() && g.getAddressSpace() != 3))
      return fail(Code::UNSUPPORTED, "not implemented: the external variable %s on NVIDIA GPUs", g.getName().str().c_str());
  return {};
}

} // namespace tcodegen::nvidia
