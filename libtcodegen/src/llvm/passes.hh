// SPDX-License-Identifier: MIT
// What both roads ask of LLVM between lowering and code generation.
#pragma once

#include "llvm/Analysis/TargetLibraryInfo.h"

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace tcodegen {

/// No builtin is known by name: a call to an import stays the call that was emitted.
llvm::TargetLibraryInfoImpl no_library(const llvm::Module &module);

/// The pass list, chosen for compile time: lowering emits vector code already, so what pays is cleaning up
/// (SROA, CSE, one round of instcombine), hoisting, and a tidy CFG. LLVM's vectorizers and unroller never run.
/// `inline_marked`: first, functions marked alwaysinline are inlined.
void run_passes(llvm::Module &module, llvm::TargetMachine &machine, bool inline_marked = false);

} // namespace tcodegen
