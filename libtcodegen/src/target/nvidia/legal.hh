// SPDX-License-Identifier: MIT
#pragma once
#include "common/status.hh"

namespace llvm {
class Module;
}

namespace tcodegen::nvidia {

/// UNSUPPORTED, naming it, for a function, intrinsic, type or instruction that lowering may not emit. After the
/// primitives were expanded, before LLVM's passes.
tessera::Status check_legal(const llvm::Module &module);

} // namespace tcodegen::nvidia
