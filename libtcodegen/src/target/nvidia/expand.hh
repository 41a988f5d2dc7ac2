// SPDX-License-Identifier: MIT
// What the files that expand primitives share: one call under expansion, and inline assembly put together by parts.
#pragma once
#include "nvidia.hh"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include <string>

namespace tcodegen::nvidia {

/// One call of a primitive. `fields` are the parts of its name after "tessera.", split at dots; the family's own parts
/// come first. The builder stands before the call.
struct Primitive {
  llvm::CallInst *call;
  llvm::StringRef name; // the whole
  llvm::ArrayRef<llvm::StringRef> fields;
  llvm::IRBuilderBase &b;
  const Options &options;
  unsigned *ptx_isa;

  unsigned args() const { return call->arg_size(); }
  llvm::Value *arg(unsigned i) const { return call->getArgOperand(i); }
  llvm::StringRef field(unsigned i) const { return i < fields.size() ? fields[i] : llvm::StringRef(); }
  bool has(llvm::StringRef f) const { return llvm::is_contained(fields, f); }
  llvm::Type *type() const { return call->getType(); }
  /// The call does not look as PRIMITIVES.md says.
  tessera::Status wrong(const char *what) const;
  /// UNSUPPORTED unless the architecture is at least `capability`; raises the PTX version.
  tessera::Status need(unsigned capability, unsigned isa) const;
  /// UNSUPPORTED unless it is one of the `a`/`f` targets of that very architecture's generation.
  tessera::Status need_specific(unsigned capability, unsigned isa) const;
  /// A predicate that is known while compiling: 1 true, 0 false, -1 unknown.
  int known(unsigned argument) const;
};

/// Inline PTX. Outputs first, then inputs; their names are "$0", "$1", … in that order.
class Asm {
public:
  explicit Asm(llvm::IRBuilderBase &b) : b(b) {}
  /// All outputs have to be declared before the first input.
  std::string out(llvm::Type *type);
  std::string in(llvm::Value *value);
  /// Input that starts in the register of output `index` (accumulators).
  void tied(unsigned index, llvm::Value *value);
  std::string address(llvm::Value *pointer); // "[$3]"; shared addresses as 32 bits
  void list(const std::vector<std::string> &names, std::string *text) const; // "{a, b}", or the only one
  enum Effect { pure, convergent_pure, reads, effects };
  /// Emits; the result is what the assembly gives (void, scalar, struct).
  llvm::Value *emit(const std::string &text, Effect effect, bool convergent = false);

private:
  llvm::IRBuilderBase &b;
  std::string constraints, input_constraints;
  llvm::SmallVector<llvm::Type *, 8> outs;
  llvm::SmallVector<llvm::Value *, 8> ins;
};

using Expand = tessera::Status (*)(const Primitive &p, llvm::Value **result);

/// A family: all primitives whose name begins with "tessera." and these fields.
struct Family {
  const char *prefix;
  Expand expand;
};

llvm::ArrayRef<Family> memory_families();
llvm::ArrayRef<Family> matrix_families();
llvm::ArrayRef<Family> thread_families();
llvm::ArrayRef<Family> convert_families();

/// `tessera.math.*` and `tessera.extern.*`: gives the declaration a body (own code or a call of libdevice, whose name
/// goes to `wanted`). NULL status text of an unknown one: UNSUPPORTED "not implemented".
tessera::Status define_math(llvm::Function &declaration, const Options &options, std::vector<std::string> *wanted);

/// Links the named functions of libdevice into the module, internal.
tessera::Status link_libdevice(llvm::Module &module, const std::vector<std::string> &names, const Options &options);

} // namespace tcodegen::nvidia
