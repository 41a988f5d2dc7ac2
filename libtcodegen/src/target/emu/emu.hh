// SPDX-License-Identifier: MIT
// Target emu:…: the GPU road's LLVM IR, compiled for the CPU. Every stage before is that of cuda:…; only the calls of
// `tessera.*` primitives mean the emulator's functions (libtdriver/src/emu) instead of PTX. Includes no LLVM header.
#pragma once
#include "common/status.hh"
#include "common/tko.hh"
#include <string>
#include <string_view>

namespace llvm {
class Module;
}

namespace tcodegen {

struct EmuOptions {
  int codegen_level = 1;       // as EmitOptions
  bool verify = true;          // run LLVM's verifier over what expansion made
  std::string *llir = nullptr; // receives the module after expansion and passes
  std::string *assembly = nullptr;
};

/// Expands the primitives of `module` (which it changes), compiles it for x86-64-v3 and puts code kind, image and CPU
/// features into `object`, whose entry, arguments, hidden arguments and launch shape are set already. `kernel` names
/// the kernel's function. A primitive that the emulator lacks is UNSUPPORTED, named.
tessera::Status emitEmuImage(llvm::Module &module, std::string_view kernel, tessera::tko::Object &object,
                             const EmuOptions &options = {});

/// The first part alone: the module's functions take a thread, primitives are calls of imports, `entry` is the image's
/// entry. For tests.
tessera::Status expandForEmu(llvm::Module &module, std::string_view kernel, const tessera::tko::Object &object,
                             std::string_view entry);

} // namespace tcodegen
