// SPDX-License-Identifier: MIT
// Functions without a vector form of ours: one scalar call into the import table per lane.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace llvm {
class BasicBlock;
class Function;
class IRBuilderBase;
class Value;
} // namespace llvm

namespace tcodegen {

/// import(args…) for a scalar, import(args[i]…) for each lane of a vector. All arguments and the result have one
/// type, float or double or a vector of it. Vectors go through a loop in a private function of the module
/// ("tcg.lanes.NAME"), so the code does not grow with the lanes. Adds allocas to the entry block.
llvm::Value *emit_lane_calls(llvm::IRBuilderBase &b, llvm::StringRef import, llvm::ArrayRef<llvm::Value *> args);

/// Lanes of `fast` where `special` holds are replaced by (float)import((double)x): a branch that is taken only when
/// some lane is special. Ends the current block; the builder continues in the join.
llvm::Value *emit_rare_lanes(llvm::IRBuilderBase &b, llvm::StringRef import, llvm::Value *x, llvm::Value *special,
                             llvm::Value *fast);

} // namespace tcodegen
