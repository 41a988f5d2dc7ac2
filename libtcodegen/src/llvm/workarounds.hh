// SPDX-License-Identifier: MIT
// Known defects of LLVM, avoided. Runs after the passes, before code generation.
#pragma once

namespace llvm {
class Module;
}

namespace tcodegen {
void avoid_known_defects(llvm::Module &module);
} // namespace tcodegen
