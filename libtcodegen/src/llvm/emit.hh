// SPDX-License-Identifier: MIT
// LLVM module → machine code → flat image. Knows nothing of the IR. Includes no LLVM header.
// All functions are thread-safe for different modules (each module has a context of its own).
#pragma once
#include "common/status.hh"
#include "common/tko.hh"
#include "cpu_target.hh"
#include <string>
#include <string_view>

namespace llvm {
class Module;
class DataLayout;
} // namespace llvm

namespace tcodegen {

struct EmitOptions {
  int codegen_level = 2;      // 0 … 3: effort of instruction selection and scheduling
  bool verify = true;         // run LLVM's verifier first: a broken module is INTERNAL, not a crash
  const char *kernel = "";    // named in a message if LLVM ends the process; must outlive the call
  bool emulator = false;      // an emulator image: check_legal is left out, its imports are admitted
};

/// Sets triple and data layout. Call it before building functions, so that sizes and alignments are right.
tessera::Status prepare_module(llvm::Module &module, const CpuTarget &target);

/// check_legal, LLVM's verifier, target attributes on every function, then the short pass list of emit.cc.
/// The entry is external, everything else becomes internal. Run once per module, before the functions below.
tessera::Status optimize(llvm::Module &module, const CpuTarget &target, std::string_view entry,
                         const EmitOptions &options);

/// Relocatable ELF object of an optimised module. Changes the module: take print_llir and emit_asm before.
tessera::Result<std::string> emit_object(llvm::Module &module, const CpuTarget &target,
                                         const EmitOptions &options);
/// Assembly text (AT&T); works on a clone.
tessera::Result<std::string> emit_asm(const llvm::Module &module, const CpuTarget &target,
                                      const EmitOptions &options);
std::string print_llir(const llvm::Module &module);

/// Lays the object out as a flat image: one rx segment (code, constants), at most one relro segment (GOT).
/// An external name outside the kernel ABI's import table, thread-local storage, a constructor or a writable
/// global is COMPILE, named. `emulator` admits common/emu_imports.inc too.
tessera::Result<tessera::tko::Image> link_image(std::string_view object, std::string_view entry,
                                                bool emulator = false);

/// Of the LLVM that is loaded, "22.1.8".
std::string llvm_version();

/// What LLVM does when it must end the process: says whose compilation it was (CrashContext). Once per process, before
/// the first use of any target.
void install_crash_handler();

/// Names the compilation that this thread runs: for the message that is written if LLVM ends the process.
/// `sink` may be NULL (then stderr). Nested use is fine; both pointers must outlive the scope.
class CrashContext {
public:
  using Sink = void (*)(void *user, const char *text);
  CrashContext(const char *kernel, const char *stage, Sink sink = nullptr, void *user = nullptr);
  ~CrashContext();
  CrashContext(const CrashContext &) = delete;
  struct Frame {
    const char *kernel, *stage;
    Sink sink;
    void *user;
  };

private:
  Frame saved;
};

} // namespace tcodegen
