// SPDX-License-Identifier: MIT
// LLVM's NVPTX target: machine, entry attributes, pass list, PTX text.
#include "legal.hh"
#include "llvm/diagnostics.hh"
#include "llvm/emit.hh"
#include "llvm/passes.hh"
#include "nvidia.hh"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Pass.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include <mutex>

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Result;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

constexpr const char *triple_name = "nvptx64-nvidia-cuda";
constexpr unsigned newest_isa = 90; // of LLVM 22

const llvm::Target *nvptx_target() {
  static std::once_flag once;
  static const llvm::Target *target;
  std::call_once(once, [] {
    install_crash_handler();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    std::string error;
    target = TargetRegistry::lookupTarget(Triple(triple_name), error);
  });
  return target;
}

Result<std::unique_ptr<TargetMachine>> make_machine(const Options &options, unsigned isa) {
  const llvm::Target *target = nvptx_target();
  if (!target) return fail(Code::INTERNAL, "LLVM was built without its NVPTX target");
  if (isa > newest_isa)
    return fail(Code::UNSUPPORTED, "PTX ISA %u.%u: LLVM 22 writes up to %u.%u", isa / 10, isa % 10, newest_isa / 10, newest_isa % 10);
  TargetOptions o;
  o.AllowFPOpFusion = options.fp_fusion ? FPOpFusion::Fast : FPOpFusion::Strict;
  o.TrapUnreachable = false;
  o.EmitAddrsig = false;
  std::unique_ptr<TargetMachine> machine(
      target->createTargetMachine(Triple(triple_name), arch(options.target), "+ptx" + std::to_string(isa), o, Reloc::PIC_,
                                  std::nullopt, CodeGenOptLevel::Default));
  if (!machine) return fail(Code::INTERNAL, "LLVM gave no target machine for %s", arch(options.target).c_str());
  return machine;
}

void set_attributes(Module &module, Function &entry, const Options &o) {
  for (Function &f : module) {
    if (f.isDeclaration()) continue;
    if (&f != &entry) f.setLinkage(GlobalValue::InternalLinkage);
    f.addFnAttr(Attribute::NoUnwind);
    f.addFnAttr("no-builtins");
    f.removeFnAttr(Attribute::UWTable);
  }
  for (GlobalVariable &g : module.globals())
    if (!g.isDeclaration()) g.setLinkage(GlobalValue::InternalLinkage);
  entry.setLinkage(GlobalValue::ExternalLinkage);
  entry.setVisibility(GlobalValue::DefaultVisibility);
  entry.setDSOLocal(false);
  entry.setCallingConv(CallingConv::PTX_Kernel);
  unsigned threads = o.threads ? o.threads : 32 * o.num_warps;
  entry.addFnAttr("nvvm.reqntid", std::to_string(threads));
  if (o.maxnreg) entry.addFnAttr("nvvm.maxnreg", std::to_string(o.maxnreg));
  if (o.min_ctas) entry.addFnAttr("nvvm.minctasm", std::to_string(o.min_ctas));
  if (o.cluster[0] * o.cluster[1] * o.cluster[2] > 1)
    entry.addFnAttr("nvvm.cluster_dim", std::to_string(o.cluster[0]) + "," + std::to_string(o.cluster[1]) + "," +
                                            std::to_string(o.cluster[2]));
}

/// Code generation without the passes of LLVM's list that cost more than they give: lowering leaves vectors, shared
/// subexpressions and constant offsets, and the assembler does the rest. (Straight-line strength reduction alone took
/// half of a matrix product's time and changed nothing in its loop; loop strength reduction does pay.)
class CodegenPasses final : public legacy::PassManager {
public:
  void add(Pass *pass) override {
    static constexpr const char *unwanted[] = {
        "Straight line strength reduction",     "Nary reassociation",
        "GPU Load and Store Vectorizer",        "Speculatively execute instructions",
        "Merge contiguous icmps into a memcmp", "Expand memcmp() to load/stores",
        "ObjC ARC contraction",                 "Partially inline calls to library functions",
    };
    for (const char *name : unwanted)
      if (pass->getPassName() == name) {
        delete pass;
        return;
      }
    legacy::PassManager::add(pass);
  }
};

} // namespace

Status prepareNvptx(Module &module, const Options &options) {
  auto machine = make_machine(options, std::max(options.target.ptx_isa, options.ptx_isa));
  if (!machine.ok()) return machine.status;
  module.setTargetTriple(Triple(triple_name));
  module.setDataLayout(machine.value->createDataLayout());
  return {};
}

Status optimize(Module &module, const Options &options) {
  CrashContext crash(options.kernel, "optimize");
  TESSERA_TRY(check_legal(module));
  Function *entry = module.getFunction(options.kernel);
  if (!entry || entry->isDeclaration()) return fail(Code::INTERNAL, "the module has no function '%s'", options.kernel);
  auto machine = make_machine(options, std::max(options.target.ptx_isa, options.ptx_isa));
  if (!machine.ok()) return machine.status;
  set_attributes(module, *entry, options);
  if (options.verify) {
    std::string text;
    raw_string_ostream out(text);
    if (verifyModule(module, &out))
      return fail(Code::INTERNAL, "lowering of '%s' made a broken LLVM module: %s", options.kernel, text.c_str());
  }
  DiagnosticScope diagnostics(module.getContext());
  run_passes(module, *machine.value, /*inline_marked=*/true);
  // After inlining nobody calls these, and an internal function would be emitted all the same.
  for (Function &f : make_early_inc_range(module))
    if (&f != entry && f.use_empty()) f.eraseFromParent();
  return diagnostics.status(options.kernel);
}

Result<std::string> emitPtx(Module &module, const Options &options, unsigned ptx_isa) {
  CrashContext crash(options.kernel, "PTX");
  auto machine = make_machine(options, std::max({options.target.ptx_isa, options.ptx_isa, ptx_isa}));
  if (!machine.ok()) return machine.status;
  DiagnosticScope diagnostics(module.getContext());
  SmallVector<char, 0> bytes;
  raw_svector_ostream stream(bytes);
  CodegenPasses passes;
  passes.add(new TargetLibraryInfoWrapperPass(no_library(module)));
  if (machine.value->addPassesToEmitFile(passes, stream, nullptr, CodeGenFileType::AssemblyFile,
                                         /*DisableVerify=*/true))
    return fail(Code::INTERNAL, "LLVM's NVPTX target cannot write assembly");
  passes.run(module);
  TESSERA_TRY(diagnostics.status(options.kernel));
  std::string text(bytes.data(), bytes.size());
  constexpr std::string_view empty_section = "\t.section\t.debug_macinfo\t{\t}\n"; // comes with .loc, and belongs to -g
  if (size_t at = text.find(empty_section); at != std::string::npos) text.erase(at, empty_section.size());
  return text;
}

} // namespace tcodegen::nvidia
