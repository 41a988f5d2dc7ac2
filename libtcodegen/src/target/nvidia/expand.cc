// SPDX-License-Identifier: MIT
// Primitives by name. A family is one row of a table; here rows are found and calls replaced.
#include "expand.hh"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicsNVPTX.h"

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::nvidia {

Status Primitive::wrong(const char *what) const {
  std::string text;
  raw_string_ostream out(text);
  call->getFunctionType()->print(out);
  return fail(Code::INTERNAL, "primitive %s called as %s: expected %s", name.str().c_str(), text.c_str(), what);
}

Status Primitive::need(unsigned capability, unsigned isa) const {
  if (options.target.capability < capability)
    return fail(Code::UNSUPPORTED, "%s has no %s: it needs sm_%u", arch(options.target).c_str(), name.str().c_str(),
                capability);
  if (options.ptx_isa && options.ptx_isa < isa)
    return fail(Code::UNSUPPORTED, "%s needs PTX ISA %u.%u, ptx_isa is %u.%u", name.str().c_str(), isa / 10, isa % 10,
                options.ptx_isa / 10, options.ptx_isa % 10);
  *ptx_isa = std::max(*ptx_isa, isa);
  return {};
}

Status Primitive::need_specific(unsigned capability, unsigned isa) const {
  if (options.target.capability / 10 != capability / 10 || options.target.suffix != 'a')
    return fail(Code::UNSUPPORTED, "%s has no %s: only sm_%ua has", arch(options.target).c_str(), name.str().c_str(),
                capability);
  return need(capability, isa);
}

int Primitive::known(unsigned argument) const {
  auto *c = dyn_cast<ConstantInt>(arg(argument));
  return c ? !c->isZero() : -1;
}

namespace {

const char *letter(Type *t) {
  if (t->isFloatTy()) return "f";
  if (t->isDoubleTy()) return "d";
  if (t->isPointerTy()) return "l";
  switch (t->getScalarSizeInBits()) {
  case 1: return "b";
  case 8:
  case 16: return "h";
  case 32: return "r";
  default: return "l";
  }
}

void add(std::string *list, const std::string &item) { *list += (list->empty() ? "" : ",") + item; }

const Family *find_family(ArrayRef<ArrayRef<Family>> tables, StringRef rest) {
  const Family *best = nullptr;
  size_t longest = 0;
  for (ArrayRef<Family> table : tables)
    for (const Family &f : table) {
      StringRef p = f.prefix;
      if (!rest.starts_with(p) || (rest.size() > p.size() && rest[p.size()] != '.') || p.size() < longest) continue;
      best = &f;
      longest = p.size();
    }
  return best;
}

Status expand_calls(Function &f, const Family &family, const Options &options, unsigned *ptx_isa) {
  SmallVector<StringRef, 12> fields;
  f.getName().drop_front(8).split(fields, '.');
  while (!f.use_empty()) {
    auto *call = dyn_cast<CallInst>(f.user_back());
    if (!call || call->getCalledFunction() != &f)
      return fail(Code::INTERNAL, "primitive %s is used other than in a call", f.getName().str().c_str());
    IRBuilder<> b(call);
    Primitive p{call, f.getName(), fields, b, options, ptx_isa};
    Value *result = nullptr;
    TESSERA_TRY(family.expand(p, &result));
    if (!call->getType()->isVoidTy()) {
      if (!result || result->getType() != call->getType())
        return p.wrong("another result type");
      if (!isa<Constant>(result)) result->takeName(call);
      call->replaceAllUsesWith(result);
    }
    call->eraseFromParent();
  }
  return {};
}

} // namespace

std::string Asm::out(Type *type) {
  outs.push_back(type);
  add(&constraints, std::string("=") + letter(type));
  return "$" + std::to_string(outs.size() - 1);
}

std::string Asm::in(Value *value) {
  Type *t = value->getType();
  if (t->isIntegerTy(8)) value = b.CreateZExt(value, b.getInt16Ty());
  else if (t->isHalfTy() || t->isBFloatTy()) value = b.CreateBitCast(value, b.getInt16Ty());
  else if (t->isVectorTy()) value = b.CreateBitCast(value, b.getIntNTy(t->getPrimitiveSizeInBits()));
  ins.push_back(value);
  add(&input_constraints, letter(value->getType()));
  return "$" + std::to_string(outs.size() + ins.size() - 1);
}

void Asm::tied(unsigned index, Value *value) {
  ins.push_back(value);
  add(&input_constraints, std::to_string(index));
}

std::string Asm::address(Value *pointer) {
  if (pointer->getType()->getPointerAddressSpace() == 3) pointer = b.CreatePtrToInt(pointer, b.getInt32Ty());
  return "[" + in(pointer) + "]";
}

void Asm::list(const std::vector<std::string> &names, std::string *text) const {
  if (names.size() == 1) {
    *text += names[0];
    return;
  }
  *text += "{";
  for (size_t i = 0; i < names.size(); ++i) *text += (i ? ", " : "") + names[i];
  *text += "}";
}

Value *Asm::emit(const std::string &text, Effect effect, bool convergent) {
  LLVMContext &c = b.getContext();
  SmallVector<Type *, 8> types;
  for (Value *v : ins) types.push_back(v->getType());
  Type *result = outs.empty() ? b.getVoidTy() : outs.size() == 1 ? outs[0] : StructType::get(c, outs);
  std::string all = constraints;
  if (!input_constraints.empty()) add(&all, input_constraints);
  if (effect == effects) add(&all, "~{memory}");
  bool side = effect == reads || effect == effects;
  auto *type = FunctionType::get(result, types, false);
  CallInst *call = b.CreateCall(type, InlineAsm::get(type, text, all, side), ins);
  call->setDoesNotThrow();
  call->addFnAttr(Attribute::WillReturn);
  if (effect == pure || effect == convergent_pure) call->setDoesNotAccessMemory();
  if (effect == reads) call->setOnlyReadsMemory();
  if (convergent || effect == convergent_pure) call->setConvergent();
  return call;
}

Status expandPrimitives(Module &module, const Options &options, unsigned *ptx_isa) {
  *ptx_isa = std::max(*ptx_isa, options.target.ptx_isa);
  if (options.ptx_isa && options.ptx_isa < options.target.ptx_isa)
    return fail(Code::UNSUPPORTED, "%s needs PTX ISA %u.%u, ptx_isa is %u.%u", arch(options.target).c_str(),
                options.target.ptx_isa / 10, options.target.ptx_isa % 10, options.ptx_isa / 10, options.ptx_isa % 10);
  std::vector<Function *> named, math;
  for (Function &f : module)
    if (f.isDeclaration() && f.getName().starts_with("tessera."))
      (f.getName().starts_with("tessera.math.") || f.getName().starts_with("tessera.extern.") ? math : named)
          .push_back(&f);
  std::vector<std::string> wanted;
  for (Function *f : math) {
    if (f->use_empty()) f->eraseFromParent();
    else TESSERA_TRY(define_math(*f, options, &wanted));
  }
  if (!wanted.empty()) TESSERA_TRY(link_libdevice(module, wanted, options));
  ArrayRef<Family> tables[] = {thread_families(), memory_families(), matrix_families(), convert_families()};
  for (Function *f : named) {
    const Family *family = find_family(tables, f->getName().drop_front(8));
    if (!family)
      return fail(Code::UNSUPPORTED, "not implemented: primitive %s on NVIDIA GPUs", f->getName().str().c_str());
    TESSERA_TRY(expand_calls(*f, *family, options, ptx_isa));
    f->eraseFromParent();
  }
  return {};
}

} // namespace tcodegen::nvidia
