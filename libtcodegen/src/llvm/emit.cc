// SPDX-License-Identifier: MIT
// From an LLVM module to an object: the one place that configures LLVM's passes and code generator.
#include "emit.hh"
#include "diagnostics.hh"
#include "passes.hh"
#include "workarounds.hh"
#include "legal.hh"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

extern "C" {
void LLVMInitializeX86TargetInfo();
void LLVMInitializeX86Target();
void LLVMInitializeX86TargetMC();
void LLVMInitializeX86AsmPrinter();
void LLVMGetVersion(unsigned *major, unsigned *minor, unsigned *patch);
}

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Result;
using tessera::Status;

namespace tcodegen {
namespace {

constexpr const char *triple_name = "x86_64-unknown-linux-gnu";

thread_local CrashContext::Frame crash_frame; // zero-initialised: needs no constructor

/// LLVM found a state that it cannot report otherwise. Say whose compilation it was; then there is no way back.
void on_fatal_error(void *, const char *reason, bool) {
  const CrashContext::Frame &f = crash_frame;
  char text[1024];
  std::snprintf(text, sizeof text, "tcodegen: LLVM stopped while compiling kernel '%s' (%s): %s",
                f.kernel ? f.kernel : "(unknown)", f.stage ? f.stage : "unknown stage", reason ? reason : "");
  if (f.sink) f.sink(f.user, text);
  std::fprintf(stderr, "%s\n", text);
  std::abort();
}

} // namespace

void install_crash_handler() {
  static std::once_flag once;
  std::call_once(once, [] { install_fatal_error_handler(on_fatal_error); });
}

namespace {

const Target *x86_target() {
  static std::once_flag once;
  static const Target *target;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    install_crash_handler();
    std::string error;
    target = TargetRegistry::lookupTarget(Triple(triple_name), error);
  });
  return target;
}

Result<std::unique_ptr<TargetMachine>> make_machine(const CpuTarget &t, const EmitOptions &options) {
  const Target *target = x86_target();
  if (!target) return fail(Code::INTERNAL, "LLVM was built without its X86 target");
  std::string features;
  for (const std::string &f : t.features) features += (features.empty() ? "" : ",") + f;
  TargetOptions o;
  o.EmitAddrsig = false;
  o.ExceptionModel = ExceptionHandling::None;
  o.TrapUnreachable = false;
  CodeGenOptLevel level = options.codegen_level <= 0   ? CodeGenOptLevel::None
                          : options.codegen_level == 1 ? CodeGenOptLevel::Less
                          : options.codegen_level == 2 ? CodeGenOptLevel::Default
                                                       : CodeGenOptLevel::Aggressive;
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(
      Triple(triple_name), t.cpu, features, o, Reloc::PIC_, CodeModel::Small, level));
  if (!machine) return fail(Code::INTERNAL, "LLVM gave no target machine for '%s'", to_string(t).c_str());
  return machine;
}

void set_attributes(Module &module, const CpuTarget &target, StringRef entry) {
  std::string width = std::to_string(target.vector_bits);
  for (Function &f : module) {
    if (f.isDeclaration()) {
      if (!f.isIntrinsic()) f.addFnAttr(Attribute::NonLazyBind); // call through the slot, no stub
      continue;
    }
    if (f.getName() != entry) f.setLinkage(GlobalValue::InternalLinkage);
    f.addFnAttr(Attribute::NoUnwind);
    f.removeFnAttr(Attribute::UWTable);
    f.addFnAttr("prefer-vector-width", width);
    f.addFnAttr("no-builtins");
  }
  for (GlobalVariable &g : module.globals())
    if (!g.isDeclaration()) g.setLinkage(GlobalValue::InternalLinkage);
}

Status codegen(Module &module, const CpuTarget &target, const EmitOptions &options, CodeGenFileType type,
               SmallVectorImpl<char> &out) {
  auto machine = make_machine(target, options);
  if (!machine.ok()) return machine.status;
  DiagnosticScope diagnostics(module.getContext());
  raw_svector_ostream stream(out);
  legacy::PassManager passes;
  passes.add(new TargetLibraryInfoWrapperPass(no_library(module)));
  if (machine.value->addPassesToEmitFile(passes, stream, nullptr, type))
    return fail(Code::INTERNAL, "LLVM's X86 target cannot write this kind of file");
  passes.run(module);
  return diagnostics.status(options.kernel);
}

} // namespace

CrashContext::CrashContext(const char *kernel, const char *stage, Sink sink, void *user) : saved(crash_frame) {
  crash_frame = {kernel, stage, sink ? sink : saved.sink, sink ? user : saved.user};
}

CrashContext::~CrashContext() { crash_frame = saved; }

Status prepare_module(Module &module, const CpuTarget &target) {
  auto machine = make_machine(target, {});
  if (!machine.ok()) return machine.status;
  module.setTargetTriple(Triple(triple_name));
  module.setDataLayout(machine.value->createDataLayout());
  if (module.getPICLevel() == PICLevel::NotPIC) module.setPICLevel(PICLevel::SmallPIC);
  return {};
}

Status optimize(Module &module, const CpuTarget &target, std::string_view entry, const EmitOptions &options) {
  CrashContext crash(options.kernel, "optimize");
  if (!options.emulator) TESSERA_TRY(check_legal(module));
  if (!module.getFunction(StringRef(entry.data(), entry.size())))
    return fail(Code::INTERNAL, "the module has no function '%.*s'", int(entry.size()), entry.data());
  auto machine = make_machine(target, options);
  if (!machine.ok()) return machine.status;
  set_attributes(module, target, StringRef(entry.data(), entry.size()));
  if (options.verify) {
    std::string text;
    raw_string_ostream out(text);
    if (verifyModule(module, &out))
      return fail(Code::INTERNAL, "lowering of '%s' made a broken LLVM module: %s", options.kernel, text.c_str());
  }
  DiagnosticScope diagnostics(module.getContext());
  run_passes(module, *machine.value);
  avoid_known_defects(module);
  return diagnostics.status(options.kernel);
}

Result<std::string> emit_object(Module &module, const CpuTarget &target, const EmitOptions &options) {
  CrashContext crash(options.kernel, "code generation");
  SmallVector<char, 0> bytes;
  TESSERA_TRY(codegen(module, target, options, CodeGenFileType::ObjectFile, bytes));
  return std::string(bytes.data(), bytes.size());
}

Result<std::string> emit_asm(const Module &module, const CpuTarget &target, const EmitOptions &options) {
  CrashContext crash(options.kernel, "assembly text");
  std::unique_ptr<Module> copy = CloneModule(module);
  SmallVector<char, 0> bytes;
  TESSERA_TRY(codegen(*copy, target, options, CodeGenFileType::AssemblyFile, bytes));
  return std::string(bytes.data(), bytes.size());
}

std::string llvm_version() {
  unsigned major = 0, minor = 0, patch = 0;
  LLVMGetVersion(&major, &minor, &patch);
  return tessera::format("%u.%u.%u", major, minor, patch);
}

std::string print_llir(const Module &module) {
  std::string text;
  raw_string_ostream out(text);
  module.print(out, nullptr);
  return text;
}

} // namespace tcodegen
