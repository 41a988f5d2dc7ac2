// SPDX-License-Identifier: MIT
// Containment: what LLVM may be asked for on the CPU. Includes no LLVM header.
#pragma once
#include "common/status.hh"

namespace llvm {
class Module;
}

namespace tcodegen {

/// UNSUPPORTED, naming function, instruction and type, for anything outside target/cpu/legal/x86.toml, the import
/// table, or the few rules in legal.cc. Runs before LLVM's own passes, which may end the process instead.
tessera::Status check_legal(const llvm::Module &module);

} // namespace tcodegen
