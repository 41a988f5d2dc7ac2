// SPDX-License-Identifier: MIT
// Source lines in the machine code: `.file` and `.loc` of PTX, from the locations of the IR.
#pragma once
#include "ir/ir.hh"
#include <llvm/IR/DIBuilder.h>
#include <unordered_map>

namespace tcodegen::gpu {

/// LLVM's debug locations of a kernel. No other debug information is made, and no code changes.
class Lines {
public:
  Lines(llvm::Function &kernel, tir::Loc at);
  ~Lines() { builder.finalize(); }
  /// The innermost file, line and column of a location; none if it names no file.
  llvm::DebugLoc at(tir::Loc loc);

private:
  llvm::DIScope *scope(tir::Str path);
  llvm::DIFile *file(tir::Str path);
  llvm::LLVMContext &context;
  llvm::DIBuilder builder;
  llvm::DISubprogram *program = nullptr;
  tir::Str own; // the kernel's file
  std::unordered_map<const tir::StrData *, llvm::DIScope *> scopes;
  std::unordered_map<tir::Loc, llvm::DebugLoc> made;
};

} // namespace tcodegen::gpu
