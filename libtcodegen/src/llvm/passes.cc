// SPDX-License-Identifier: MIT
#include "passes.hh"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/AlwaysInliner.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/ADCE.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

using namespace llvm;

namespace tcodegen {

TargetLibraryInfoImpl no_library(const Module &module) {
  TargetLibraryInfoImpl info{Triple(module.getTargetTriple())};
  info.disableAllFunctions();
  return info;
}

void run_passes(Module &module, TargetMachine &machine, bool inline_marked) {
  LoopAnalysisManager lam;
  FunctionAnalysisManager fam;
  CGSCCAnalysisManager cgam;
  ModuleAnalysisManager mam;
  fam.registerPass([&] { return TargetLibraryAnalysis(no_library(module)); });
  PassBuilder builder(&machine);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  bool bodies = false;
  if (inline_marked)
    for (Function &f : module) bodies |= !f.isDeclaration() && f.hasFnAttribute(Attribute::AlwaysInline);
  if (bodies) AlwaysInlinerPass(/*InsertLifetime=*/false).run(module, mam);

  InstCombineOptions once;
  once.setMaxIterations(1).setVerifyFixpoint(false);
  FunctionPassManager passes;
  passes.addPass(SROAPass(SROAOptions::PreserveCFG));
  passes.addPass(EarlyCSEPass(/*UseMemorySSA=*/true));
  passes.addPass(InstCombinePass(once));
  passes.addPass(SimplifyCFGPass());
  LoopPassManager loops;
  loops.addPass(LICMPass(LICMOptions()));
  passes.addPass(createFunctionToLoopPassAdaptor(std::move(loops), /*UseMemorySSA=*/true));
  passes.addPass(EarlyCSEPass(/*UseMemorySSA=*/true));
  passes.addPass(ADCEPass());
  for (Function &f : module)
    if (!f.isDeclaration()) passes.run(f, fam);
}

} // namespace tcodegen
