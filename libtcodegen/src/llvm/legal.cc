// SPDX-License-Identifier: MIT
// check_legal: a walk over the module that admits only what is known to compile on x86 without ending the process.
#include "legal.hh"
#include "imports.hh"
#include "legal_table.hh"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>
#include <string>

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen {
namespace {

constexpr unsigned max_vector_bits = 16384; // a vector of many registers; larger ones explode in the code generator

std::string text_of(const Type &t) {
  std::string s;
  raw_string_ostream out(s);
  t.print(out);
  return s;
}

Status refuse(const Function &f, const std::string &what, const Type *type = nullptr) {
  std::string of = type ? " on " + text_of(*type) : "";
  return fail(Code::UNSUPPORTED, "not implemented: %s%s (in '%s') is not in the list of what the CPU target asks of LLVM",
              what.c_str(), of.c_str(), f.getName().str().c_str());
}

/// The table's letter of an element type; 0 when none.
char letter(const Type *t) {
  t = t->getScalarType();
  if (t->isPointerTy()) return 'p';
  if (t->isHalfTy()) return 'e';
  if (t->isFloatTy()) return 'f';
  if (t->isDoubleTy()) return 'd';
  if (auto *i = dyn_cast<IntegerType>(t)) switch (i->getBitWidth()) {
    case 1: return '1';
    case 8: return 'b';
    case 16: return 'h';
    case 32: return 'i';
    case 64: return 'l';
    }
  return 0;
}

bool power_of_two(uint64_t v) { return v && !(v & (v - 1)); }

/// Types that no value may have: LLVM answers them with calls into libgcc, or not at all.
bool type_ok(const Type *t) {
  if (t->isVoidTy() || t->isLabelTy() || t->isMetadataTy() || t->isPointerTy()) return true;
  if (auto *v = dyn_cast<VectorType>(t)) {
    auto *fixed = dyn_cast<FixedVectorType>(v);
    if (!fixed || !power_of_two(fixed->getNumElements())) return false;
    unsigned bits = fixed->getElementType()->isPointerTy() ? 64 : fixed->getScalarSizeInBits();
    return uint64_t(bits) * fixed->getNumElements() <= max_vector_bits && type_ok(fixed->getElementType());
  }
  if (auto *a = dyn_cast<ArrayType>(t)) return type_ok(a->getElementType());
  if (auto *s = dyn_cast<StructType>(t)) {
    for (Type *e : s->elements())
      if (!type_ok(e)) return false;
    return true;
  }
  if (auto *i = dyn_cast<IntegerType>(t)) return power_of_two(i->getBitWidth()) && i->getBitWidth() <= 128;
  return t->isHalfTy() || t->isBFloatTy() || t->isFloatTy() || t->isDoubleTy();
}

bool row_fits(const LegalIntrinsic &row, ArrayRef<Type *> types) {
  if (types.size() != std::strlen(row.kinds)) return false;
  for (size_t i = 0; i < types.size(); ++i) {
    if (letter(types[i]) != row.kinds[i]) return false;
    auto *v = dyn_cast<FixedVectorType>(types[i]);
    if (v && (row.shape == Shape::scalar || v->getNumElements() > row.max_lanes)) return false;
    if (!v && row.shape == Shape::vector && row.kinds[i] != 'p' && i == 0) return false;
  }
  return true;
}

Status check_intrinsic(const Function &f, const CallBase &call, Intrinsic::ID id) {
  SmallVector<Type *, 4> types;
  if (!Intrinsic::getIntrinsicSignature(id, call.getFunctionType(), types))
    return refuse(f, "a malformed " + call.getCalledFunction()->getName().str());
  StringRef base = Intrinsic::getBaseName(id);
  const auto *begin = std::begin(legal_intrinsics), *end = std::end(legal_intrinsics);
  const auto *row = std::lower_bound(begin, end, base, [](const LegalIntrinsic &r, StringRef n) { return r.name < n; });
  for (; row != end && base == row->name; ++row)
    if (row_fits(*row, types)) return {};
  return refuse(f, call.getCalledFunction()->getName().str());
}

Status check_call(const Function &f, const CallBase &call) {
  if (call.isInlineAsm()) return refuse(f, "inline assembly");
  const Function *callee = call.getCalledFunction();
  if (!callee) return refuse(f, "an indirect call");
  if (Intrinsic::ID id = callee->getIntrinsicID()) return check_intrinsic(f, call, id);
  if (callee->isDeclaration() && !is_import(std::string_view(callee->getName().data(), callee->getName().size())))
    return refuse(f, "a call of '" + callee->getName().str() + "'");
  if (call.hasOperandBundles()) return refuse(f, "operand bundles");
  return {};
}

/// half is a storage type: it moves, and it converts from and to float (F16C).
bool half_ok(const Instruction &i) {
  switch (i.getOpcode()) {
  case Instruction::Load:
  case Instruction::Store:
  case Instruction::PHI:
  case Instruction::Select:
  case Instruction::BitCast:
  case Instruction::ShuffleVector:
  case Instruction::ExtractElement:
  case Instruction::InsertElement:
  case Instruction::Freeze:
  case Instruction::Call:
  case Instruction::Ret:
  case Instruction::ExtractValue:
  case Instruction::InsertValue:
    return true;
  case Instruction::FPExt: return i.getType()->getScalarType()->isFloatTy();
  case Instruction::FPTrunc: return i.getOperand(0)->getType()->getScalarType()->isFloatTy();
  default: return false;
  }
}

/// bfloat exists only as the operand type of vdpbf16ps; bf16 tiles are i16.
bool bfloat_ok(const Instruction &i) {
  return i.getOpcode() == Instruction::BitCast || i.getOpcode() == Instruction::Load || isa<IntrinsicInst>(i);
}

bool wide_int_ok(const Instruction &i) { // i128
  switch (i.getOpcode()) {
  case Instruction::UDiv:
  case Instruction::SDiv:
  case Instruction::URem:
  case Instruction::SRem:
  case Instruction::FPToSI:
  case Instruction::FPToUI:
  case Instruction::SIToFP:
  case Instruction::UIToFP:
  case Instruction::AtomicRMW:
  case Instruction::AtomicCmpXchg: return false;
  default: return !i.getType()->isVectorTy();
  }
}

Status check_instruction(const Function &f, const Instruction &i) {
  auto each = [&](const Type *t) -> Status {
    if (!type_ok(t)) return refuse(f, i.getOpcodeName(), t);
    if (t->getScalarType()->isHalfTy() && !half_ok(i)) return refuse(f, i.getOpcodeName(), t);
    if (t->getScalarType()->isBFloatTy() && !bfloat_ok(i)) return refuse(f, i.getOpcodeName(), t);
    if (t->getScalarType()->isIntegerTy(128) && !wide_int_ok(i)) return refuse(f, i.getOpcodeName(), t);
    return {};
  };
  TESSERA_TRY(each(i.getType()));
  for (const Use &u : i.operands()) TESSERA_TRY(each(u->getType()));
  switch (i.getOpcode()) {
  case Instruction::Invoke:
  case Instruction::CallBr:
  case Instruction::IndirectBr:
  case Instruction::Resume:
  case Instruction::LandingPad:
  case Instruction::VAArg:
  case Instruction::FRem: // fmod through the import table instead
  case Instruction::AddrSpaceCast: return refuse(f, i.getOpcodeName(), i.getType());
  case Instruction::Alloca:
    if (!cast<AllocaInst>(i).isStaticAlloca()) return refuse(f, "a dynamic alloca");
    return {};
  case Instruction::AtomicRMW: {
    auto &rmw = cast<AtomicRMWInst>(i);
    if (rmw.getType()->isVectorTy() || rmw.getType()->isHalfTy()) return refuse(f, "atomicrmw", rmw.getType());
    return {};
  }
  case Instruction::Call: return check_call(f, cast<CallBase>(i));
  default: return {};
  }
}

} // namespace

Status check_legal(const Module &module) {
  for (const GlobalVariable &g : module.globals()) {
    std::string name = g.getName().str();
    if (g.isThreadLocal())
      return fail(Code::COMPILE, "thread-local storage is not part of the kernel ABI: '%s'", name.c_str());
    if (!g.isConstant() || g.isDeclaration())
      return fail(Code::COMPILE, "writable or external data is not part of the kernel ABI: '%s'", name.c_str());
  }
  if (!module.alias_empty() || !module.ifunc_empty() || !module.getModuleInlineAsm().empty())
    return fail(Code::COMPILE, "aliases, ifuncs and module-level assembly are not part of the kernel ABI");
  for (const Function &f : module) {
    if (f.isDeclaration() && !f.isIntrinsic() && !f.use_empty() &&
        !is_import(std::string_view(f.getName().data(), f.getName().size())))
      return refuse(f, "a reference to '" + f.getName().str() + "'");
    for (const Instruction &i : instructions(f)) TESSERA_TRY(check_instruction(f, i));
  }
  return {};
}

} // namespace tcodegen
