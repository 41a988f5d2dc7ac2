// SPDX-License-Identifier: MIT
// The emulator's last step: every function gets a thread, primitives become calls, the image gets its entry.
#include "emu.hh"
#include "expand.hh"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/CallingConv.h"
#include "llvm/emit.hh"

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Result;
using tessera::Status;
namespace tko = tessera::tko;

namespace tcodegen {
namespace {

/// The same function with one more parameter, the thread.
Function *with_thread(Function &f) {
  LLVMContext &context = f.getContext();
  SmallVector<Type *, 16> types(f.getFunctionType()->params());
  types.push_back(PointerType::get(context, 0));
  Function *g = Function::Create(FunctionType::get(f.getReturnType(), types, false), GlobalValue::InternalLinkage, "",
                                 f.getParent());
  g->takeName(&f);
  g->copyAttributesFrom(&f);
  g->setLinkage(GlobalValue::InternalLinkage);
  g->setCallingConv(CallingConv::C);
  g->splice(g->begin(), &f);
  for (unsigned i = 0; i < f.arg_size(); ++i) {
    f.getArg(i)->replaceAllUsesWith(g->getArg(i));
    g->getArg(i)->takeName(f.getArg(i));
  }
  // What was said for another machine. noalias stays out: lanes of a program share what they point to.
  for (const char *a : {"target-cpu", "target-features", "tune-cpu"}) g->removeFnAttr(a);
  for (Attribute::AttrKind a : {Attribute::OptimizeNone, Attribute::NoInline, Attribute::Memory}) g->removeFnAttr(a);
  for (Argument &a : g->args()) a.removeAttr(Attribute::NoAlias);
  if (f.getSubprogram()) g->setSubprogram(f.getSubprogram());
  return g;
}

Status give_threads(Module &module, SmallVectorImpl<Function *> &functions) {
  SmallVector<std::pair<Function *, Function *>, 8> pairs;
  for (Function &f : module) {
    if (f.isDeclaration()) continue;
    if (f.isVarArg()) return fail(Code::UNSUPPORTED, "not implemented: a variadic function on the emulator");
    pairs.push_back({&f, nullptr});
  }
  for (auto &[f, g] : pairs) g = with_thread(*f), functions.push_back(g);
  for (auto &[f, g] : pairs) {
    for (User *u : make_early_inc_range(f->users())) {
      auto *c = dyn_cast<CallInst>(u);
      if (!c || c->getCalledFunction() != f)
        return fail(Code::UNSUPPORTED, "not implemented: the address of function '%s' on the emulator",
                    g->getName().str().c_str());
      Function *caller = c->getFunction();
      SmallVector<Value *, 16> args(c->args());
      args.push_back(caller->getArg(caller->arg_size() - 1));
      CallInst *n = CallInst::Create(g, args, "", c->getIterator());
      n->setDebugLoc(c->getDebugLoc());
      c->replaceAllUsesWith(n);
      c->eraseFromParent();
    }
    f->eraseFromParent();
  }
  return {};
}

/// Where the kernel's parameters lie in the buffer: arguments that are not constant, then the hidden ones. A kernel
/// that still takes the constants as parameters gets them as such.
struct Place {
  bool constant;
  uint64_t value; // offset, or the constant's bits
};
Result<SmallVector<Place, 16>> places(const tko::Object &o, const Function &kernel) {
  SmallVector<Place, 16> all, some;
  for (const tko::Argument &a : o.arguments) {
    all.push_back({a.constant, a.constant ? a.constant_bits : a.offset});
    if (!a.constant) some.push_back(all.back());
  }
  for (const tko::HiddenArgument &h : o.hidden) {
    all.push_back({false, h.offset});
    some.push_back(all.back());
  }
  size_t have = kernel.arg_size() - 1;
  if (some.size() == have) return some;
  if (all.size() == have) return all;
  return Result<SmallVector<Place, 16>>(
      fail(Code::INTERNAL, "kernel '%s' has %zu parameters; its object describes %zu (%zu with constants)",
           kernel.getName().str().c_str(), have, some.size(), all.size()));
}

/// void entry(params, thread): loads the kernel's parameters and calls it.
Status make_entry(Module &module, Function &kernel, const tko::Object &object, std::string_view entry) {
  auto where = places(object, kernel);
  if (!where.ok()) return where.status;
  LLVMContext &context = module.getContext();
  Type *ptr = PointerType::get(context, 0);
  auto *f = Function::Create(FunctionType::get(Type::getVoidTy(context), {ptr, ptr}, false),
                             GlobalValue::ExternalLinkage, StringRef(entry.data(), entry.size()), module);
  IRBuilder<> b(BasicBlock::Create(context, "", f));
  SmallVector<Value *, 16> args;
  for (unsigned i = 0; i + 1 < kernel.arg_size(); ++i) {
    Argument *a = kernel.getArg(i);
    Type *type = a->getType();
    const Place &p = where.value[i];
    if (p.constant) {
      unsigned bits = unsigned(module.getDataLayout().getTypeStoreSizeInBits(type).getFixedValue());
      Value *v = ConstantInt::get(IntegerType::get(context, bits), p.value);
      if (type->isPointerTy()) v = b.CreateIntToPtr(v, type);
      else v = type->isIntegerTy() ? b.CreateTrunc(v, type) : b.CreateBitCast(v, type);
      args.push_back(v);
      continue;
    }
    Value *at = b.CreateConstGEP1_64(b.getInt8Ty(), f->getArg(0), p.value);
    if (a->hasByValAttr()) { // read only, so that the threads may share it
      a->removeAttr(Attribute::ByVal);
      args.push_back(b.CreateAddrSpaceCast(at, type));
    } else args.push_back(b.CreateAlignedLoad(type, at, Align(1)));
  }
  args.push_back(f->getArg(1));
  b.CreateCall(&kernel, args);
  b.CreateRetVoid();
  kernel.addFnAttr(Attribute::AlwaysInline);
  return {};
}

constexpr const char *entry_name = "tessera_emu_entry";

} // namespace

Status expandForEmu(Module &module, std::string_view kernel, const tko::Object &object, std::string_view entry) {
  auto target = resolve_cpu_target("cpu:x86-64-v3");
  if (!target.ok()) return target.status;
  TESSERA_TRY(prepare_module(module, target.value));
  if (!module.getModuleInlineAsm().empty())
    return fail(Code::UNSUPPORTED, "not implemented: inline assembly on the emulator");
  SmallVector<Function *, 8> functions;
  TESSERA_TRY(give_threads(module, functions));
  for (GlobalVariable &g : module.globals())
    if (g.getAddressSpace() == 3)
      return fail(Code::UNSUPPORTED, "not implemented: static shared memory ('%s') on the emulator",
                  g.getName().str().c_str());
  emu::Expander expander(module);
  for (Function *f : functions) {
    TESSERA_TRY(emu::legalizeFloats(*f));
    TESSERA_TRY(expander.run(*f));
    TESSERA_TRY(emu::legalizeFloats(*f)); // what expansion rounded
  }
  Function *k = module.getFunction(StringRef(kernel.data(), kernel.size()));
  if (!k || k->isDeclaration())
    return fail(Code::INTERNAL, "the module has no kernel '%.*s'", int(kernel.size()), kernel.data());
  return make_entry(module, *k, object, entry);
}

Status emitEmuImage(Module &module, std::string_view kernel, tko::Object &object, const EmuOptions &options) {
  auto target = resolve_cpu_target("cpu:x86-64-v3");
  if (!target.ok()) return target.status;
  std::string name(kernel);
  EmitOptions emit;
  emit.codegen_level = options.codegen_level;
  emit.verify = options.verify;
  emit.kernel = name.c_str();
  emit.emulator = true;
  CrashContext crash(name.c_str(), "emulator");
  TESSERA_TRY(expandForEmu(module, kernel, object, entry_name));
  TESSERA_TRY(optimize(module, target.value, entry_name, emit));
  // Combining narrows a maximum of widened halves to one of halves again.
  for (Function &f : module)
    if (!f.isDeclaration()) TESSERA_TRY(emu::legalizeFloats(f));
  if (options.llir) *options.llir = print_llir(module);
  if (options.assembly) {
    auto text = emit_asm(module, target.value, emit);
    if (!text.ok()) return text.status;
    *options.assembly = std::move(text.value);
  }
  auto code = emit_object(module, target.value, emit);
  if (!code.ok()) return code.status;
  auto image = link_image(code.value, entry_name, /*emulator=*/true);
  if (!image.ok()) return image.status;
  object.code_kind = tko::CodeKind::emu_image;
  object.image = std::move(image.value);
  object.features = target.value.needed;
  object.arena_bytes = 0;
  object.arena_alignment = 64;
  return {};
}

} // namespace tcodegen
