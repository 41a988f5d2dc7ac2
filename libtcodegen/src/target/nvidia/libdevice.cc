// SPDX-License-Identifier: MIT
// Functions of the toolkit's libdevice, linked in when a kernel needs one that we have no code for.
#include "expand.hh"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstdlib>
#include <unistd.h>

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

std::string find_libdevice(const Options &options) {
  constexpr const char *name = "/nvvm/libdevice/libdevice.10.bc";
  if (!options.libdevice.empty()) return options.libdevice;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *home = std::getenv(variable)) {
      std::string path = std::string(home) + name;
      if (access(path.c_str(), R_OK) == 0) return path;
    }
  for (const char *path : {"/usr/local/cuda/nvvm/libdevice/libdevice.10.bc", "/opt/cuda/nvvm/libdevice/libdevice.10.bc",
                           "/usr/lib/nvidia-cuda-toolkit/libdevice/libdevice.10.bc"})
    if (access(path, R_OK) == 0) return path;
  return "";
}

/// libdevice asks by this call what it was compiled for.
void answer_reflection(Module &module, const Options &options) {
  Function *f = module.getFunction("__nvvm_reflect");
  if (!f) return;
  while (!f->use_empty()) {
    auto *call = cast<CallInst>(f->user_back());
    StringRef question;
    uint64_t value = 0;
    auto *g = dyn_cast<GlobalVariable>(call->getArgOperand(0)->stripPointerCasts());
    if (g && g->hasInitializer())
      if (auto *text = dyn_cast<ConstantDataSequential>(g->getInitializer()); text && text->isCString()) question = text->getAsCString();
    if (question == "__CUDA_ARCH") value = options.target.capability * 10;
    else if (question == "__CUDA_PREC_SQRT" || question == "__CUDA_PREC_DIV") value = 1;
    call->replaceAllUsesWith(ConstantInt::get(call->getType(), value));
    call->eraseFromParent();
  }
  f->eraseFromParent();
}

} // namespace

Status link_libdevice(Module &module, const std::vector<std::string> &names, const Options &options) {
  std::string path = find_libdevice(options);
  if (path.empty())
    return fail(Code::UNSUPPORTED, "not implemented: %s without libdevice.10.bc; set $CUDA_HOME to a CUDA toolkit",
                names[0].c_str());
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer) return fail(Code::IO, "%s: %s", path.c_str(), buffer.getError().message().c_str());
  auto library = getOwningLazyBitcodeModule(std::move(*buffer), module.getContext());
  if (!library) return fail(Code::CORRUPT, "%s: %s", path.c_str(), toString(library.takeError()).c_str());
  for (const std::string &name : names) {
    Function *theirs = (*library)->getFunction(name), *ours = module.getFunction(name);
    if (!theirs || theirs->isDeclaration())
      return fail(Code::UNSUPPORTED, "not implemented: %s; %s has no such function", name.c_str(), path.c_str());
    if (ours && theirs->getFunctionType() != ours->getFunctionType()) {
      std::string type;
      raw_string_ostream(type) << *theirs->getFunctionType();
      return fail(Code::VERIFY, "%s is %s in libdevice, called with other types", name.c_str(), type.c_str());
    }
  }
  (*library)->setTargetTriple(module.getTargetTriple());
  (*library)->setDataLayout(module.getDataLayout());
  std::vector<std::string> linked;
  auto internalize = [&](Module &m, const StringSet<> &added) {
    for (const auto &entry : added)
      if (GlobalValue *g = m.getNamedValue(entry.getKey())) {
        if (g->isDeclaration()) continue;
        g->setLinkage(GlobalValue::InternalLinkage);
        if (auto *f = dyn_cast<Function>(g)) {
          f->removeFnAttr(Attribute::NoInline);
          f->addFnAttr(Attribute::AlwaysInline);
          // __nv_mul24 claims that 24 by 24 bits fit into 32; widened, its result would be another one.
          for (Instruction &i : instructions(*f))
            if (i.getOpcode() == Instruction::Mul) i.setHasNoSignedWrap(false);
        }
      }
  };
  if (Linker::linkModules(module, std::move(*library), Linker::Flags::LinkOnlyNeeded, internalize))
    return fail(Code::COMPILE, "%s cannot be linked", path.c_str());
  answer_reflection(module, options);
  return {};
}

} // namespace tcodegen::nvidia
