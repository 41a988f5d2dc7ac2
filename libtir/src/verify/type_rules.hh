// SPDX-License-Identifier: MIT
// Types of one operation, slot by slot, and the rules of the op table over them. One implementation, used when
// parsing (types that the text leaves out), building (result types) and verifying (all of them).
#pragma once
#include "ir/ir.hh"
#include <string>
#include <vector>

namespace tir {

/// The types of one operation while they are being worked out. Slots are numbered as declared, operands first,
/// then results. A null type is not known yet.
struct TypeEnv {
  Context *ctx = nullptr;
  const OpInfo *info = nullptr;
  const Module *module = nullptr; // for callee(); may be null
  Span<NamedAttr> attrs;
  std::string error; // set by whatever returns false

  TypeEnv(Context &c, const Module *m = nullptr) : ctx(&c), module(m) {}
  /// Starts over for one operation. `operands` and `results`: number of values per declared slot; null: one each
  /// (an open variadic last result gets its number from the rules).
  void reset(const OpInfo &info, Span<NamedAttr> attrs, const uint32_t *operands, const uint32_t *results);
  /// Fills in everything from an existing operation.
  void reset(const Op &op);

  unsigned numSlots() const { return (unsigned)count.size(); }
  Span<Type> slot(unsigned i) const { return {types.data() + first[i], count[i]}; }
  Type one(unsigned i) const { return count[i] == 1 ? types[first[i]] : nullptr; }
  Type &at(unsigned i, unsigned k) { return types[first[i] + k]; }
  Span<Type> operandTypes() const;
  Span<Type> resultTypes() const;
  bool known(unsigned i) const; // every type of the slot is known
  /// Sets (or, where types are known already, compares) all types of a slot. False and `error` if they differ.
  bool set(unsigned i, Span<Type> values);
  bool set(unsigned i, Type value) { return set(i, {&value, 1}); }
  Attr attr(std::string_view name) const;
  /// Value of an integer, bool or enum attribute, or the default of the op table; false: absent or of another kind.
  bool intAttr(std::string_view name, int64_t *value) const;
  const char *slotName(unsigned i) const;
  bool fail(std::string text) { return error = std::move(text), false; }

  std::vector<Type> types;
  std::vector<uint32_t> first, count;
  bool open = false; // the last result slot has no number of values yet
};

/// Works out every type that follows from the known ones. False with env.error when a rule contradicts what is
/// known or a type stays unknown.
bool inferTypes(TypeEnv &env);
/// Checks every rule on complete types. False with env.error at the first that does not hold.
bool checkTypes(TypeEnv &env);

/// Type with i1 elements and the shape of `like`.
Type i1Like(Type like);
/// What `ptr` (pointer or tile of pointers) points to, tile for tile; null if it is neither.
Type pointeeType(Type ptr);
bool sameShape(Type a, Type b); // scalars: both scalar

} // namespace tir
