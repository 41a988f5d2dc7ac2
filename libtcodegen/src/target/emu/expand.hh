// SPDX-License-Identifier: MIT
// Shared by the files that turn GPU LLVM IR into the emulator's. Includes LLVM headers.
#pragma once
#include "common/emu_abi.hh"
#include "emu.hh"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include <optional>
#include <vector>

namespace tcodegen::emu {

/// Expands what one function calls and touches. One object per module.
class Expander {
public:
  explicit Expander(llvm::Module &module);
  /// `thread` is the function's last argument.
  tessera::Status run(llvm::Function &f);

private:
  using Fields = llvm::SmallVector<llvm::StringRef, 12>;

  // expand.cc: the walk, and what most primitives share
  tessera::Status call(llvm::CallInst &c);
  tessera::Status primitive(llvm::CallInst &c, const Fields &f);
  tessera::Status external(llvm::CallInst &c);
  llvm::Value *deviceFunction(llvm::StringRef name, llvm::ArrayRef<llvm::Value *> x, llvm::Type *to);
  void access(llvm::Instruction &i);
  tessera::Status unknown(llvm::CallInst &c, const char *why = "") const;
  /// The text that names this place, as a constant in the image.
  llvm::Value *site(llvm::Instruction &at, llvm::StringRef what);
  llvm::FunctionCallee import(llvm::StringRef name, llvm::Type *result, llvm::ArrayRef<llvm::Value *> args);
  llvm::Value *callImport(llvm::StringRef name, llvm::Type *result, llvm::ArrayRef<llvm::Value *> args);
  llvm::Value *i32(uint32_t v) { return b.getInt32(v); }
  llvm::Value *i64(uint64_t v) { return b.getInt64(v); }
  llvm::Value *generic(llvm::Value *pointer) { return b.CreateAddrSpaceCast(pointer, b.getPtrTy()); }
  llvm::Value *head(unsigned offset, llvm::Type *type);
  /// An array in the frame with `values` stored one behind the other.
  llvm::Value *spill(llvm::ArrayRef<llvm::Value *> values);
  llvm::Value *frame(llvm::Type *type);
  /// Registers read from an array, as the call's result type wants them.
  llvm::Value *gather(llvm::Value *array, llvm::Type *result);
  void done(llvm::CallInst &c, llvm::Value *value);

  // memory.cc
  tessera::Status global(llvm::CallInst &c, const Fields &f, bool load);
  tessera::Status atomic(llvm::CallInst &c, const Fields &f);
  tessera::Status copies(llvm::CallInst &c, const Fields &f);
  tessera::Status barriers(llvm::CallInst &c, const Fields &f);
  tessera::Status tma(llvm::CallInst &c, const Fields &f);
  llvm::Value *bits64(llvm::Value *v);
  llvm::Value *fromBits64(llvm::Value *v, llvm::Type *type);

  // compute.cc
  tessera::Status matrix(llvm::CallInst &c, const Fields &f);
  tessera::Status mma(llvm::CallInst &c, const Fields &f);
  tessera::Status wgmma(llvm::CallInst &c, const Fields &f);
  tessera::Status math(llvm::CallInst &c, const Fields &f);
  tessera::Status convert(llvm::CallInst &c, const Fields &f);

  llvm::Module &module;
  llvm::IRBuilder<> b;
  llvm::Function *function = nullptr;
  llvm::Value *thread = nullptr;
  unsigned sites = 0;
  std::vector<llvm::Instruction *> dead;
};

/// bfloat and conversions to half from double have no instruction on x86-64-v3 and would be calls of a library:
/// integer code or the emulator's conversion instead.
tessera::Status legalizeFloats(llvm::Function &f);

/// Splits "m64n128k16" into its three numbers.
std::optional<uint64_t> parseShape(llvm::StringRef text);
std::optional<tessera::emu::Elem> parseElem(llvm::StringRef text);

} // namespace tcodegen::emu
