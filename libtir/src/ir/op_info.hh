// SPDX-License-Identifier: MIT
// The op table as the rest of libtir sees it. The rows are generated from libtir/ops/*.toml (ops/README.md).
#pragma once
#include <cstdint>
#include <string_view>

namespace tir {

struct TypeEnv; // verify/type_rules.hh
struct TypeData;

enum class Opcode : uint16_t { // the numbers are those of ops/codes.toml: stable, used by bytecode and C ABI
  invalid = 0,
#define TIR_OPCODE(id, text) id,
#include "opcodes.inc" // generated: TIR_OPCODE(tt_load, "tt.load") …
#undef TIR_OPCODE
  count_
};

enum Trait : uint32_t {
  TraitPure = 1u << 0,         // no memory effect, no trap that matters; may be erased, moved, merged
  TraitElementwise = 1u << 1,  // result element i depends on operand elements i only; scalars or equal shapes
  TraitTerminator = 1u << 2,
  TraitReads = 1u << 3,        // reads memory
  TraitWrites = 1u << 4,       // writes memory or has another effect that must stay
  TraitCommutative = 1u << 5,
  TraitIsolated = 1u << 6,     // regions may not use values from outside
  TraitSymbol = 1u << 7,
  TraitSameType = 1u << 8,     // all operands and results have one type
  TraitFloatMath = 1u << 9,    // math.*: transcendental, accuracy of the numerics page
  TraitPureIfAttr = 1u << 10,  // pure if attribute `pure` is true, else reads and writes
  TraitConstantLike = 1u << 11,
  TraitSegments = 1u << 12,    // has optional or variadic operand slots: Op::segments_ is set
  TraitSingleBlock = 1u << 13, // each region has exactly one block
  TraitRecursiveEffects = 1u << 14, // effects are those of the operations in its regions
  TraitSegmentAttr = 1u << 15, // the generic form carries `operandSegmentSizes`
  TraitNoTerminator = 1u << 16, // blocks of its regions need no terminator
  TraitAllocates = 1u << 17,    // makes something new each time: may be erased when unused, never merged
};

enum class Arity : uint8_t { One, Optional, Variadic };

enum class Constraint : uint8_t {
#define TIR_CONSTRAINT(name, text) name,
#include "constraints.inc"
#undef TIR_CONSTRAINT
};
const char *constraintText(Constraint c); // "a pointer or tile of pointers"

struct SlotInfo { // declared operand or result
  const char *name;
  Arity arity;
  Constraint constraint;
};
struct EnumCase {
  const char *spelling;
  int64_t value;
};
struct EnumInfo {
  const char *name;      // "CacheModifier"
  const char *storage;   // how the generic form writes it: "i32", "i64" (2 : i64) or "#arith.fastmath" (…<contract>)
  const char *separator; // null: one case; else the cases are bits, joined by this
  const EnumCase *cases; // for bits: 0 first, composite cases last
  uint16_t count;
};
enum class AttrType : uint8_t { I32, I64, Bool, Unit, String, Enum, ArrayI32, ArrayI64, TypeA, Symbol, TypedAny, Any };
struct AttrInfo { // inherent attribute
  const char *name;
  AttrType type;
  const EnumInfo *enums;  // type == Enum
  bool required;
  bool has_default;
  int64_t default_value;  // bool, int, enum. An attribute with default may be absent from an op; that means this
};
enum class TypeFn : uint8_t {
  Same,      // dst = src                (both ways)
  I1Like,    // dst = i1 with src's shape
  Pointee,   // dst = what src points to, tile for a tile
  Elem,      // dst = element of src
  Like,      // dst = `arg` with src's shape
  ScalarPtr, // dst = pointer to the element of the tile that src points to
  Const,     // dst = `arg`
  SameShape, // shape(dst) = shape(src); check only
  Call,      // computed by `call`
};
enum class TypeArg : uint8_t { None, I1, I8, I16, I32, I64, F32, Index, Token };
/// Computes the types of slot `dst` from the operands and attributes of `env`; false: it cannot (why in env.error).
using TypeCall = bool (*)(TypeEnv &env, unsigned dst);
struct TypeRule { // slots are numbered operands first, then results
  TypeFn fn;
  uint8_t dst, src;
  TypeArg arg;
  TypeCall call;
};
struct FormatInfo {
  uint8_t last_syntax; // this and older releases, down to the previous entry
  const char *format;  // printed form in the mini-language of ops/README.md; null = generic form; "custom"
};
struct OpInfo {
  Opcode code;
  std::string_view name;    // "tt.load"
  std::string_view dialect; // "tt"
  uint32_t traits;
  const SlotInfo *operands;
  const SlotInfo *results;
  const AttrInfo *attrs;
  const FormatInfo *formats; // by rising last_syntax; the last one has 39
  const TypeRule *rules;     // inferred when parsing, checked when verifying
  const Opcode *parents;     // operations that may hold this one; null = any
  uint8_t num_operands, num_results, num_attrs, num_formats, num_rules, num_parents;
  uint8_t num_regions;
  uint8_t num_succs;
  Opcode terminator;         // how the blocks of its regions end (Opcode::invalid: see the verifier)
  uint8_t first_syntax, last_syntax; // 36 … 39: releases whose text has the op
  uint8_t inferred_results;  // 1: all result types follow from operands and attributes
  const char *types;         // the rules as written
  const char *summary;

  bool has(uint32_t trait) const { return traits & trait; }
  /// The printed form for a release (36 … 39).
  const char *format(unsigned syntax) const;
  const AttrInfo *attr(std::string_view name) const; // inherent attribute, or null
  int operandSlot(std::string_view name) const;      // -1 if there is none
};

const OpInfo &opInfo(Opcode code);
Opcode opByName(std::string_view name); // Opcode::invalid if unknown

/// Case of an enum by number or spelling; null if there is none. For bits: a single case.
const EnumCase *enumCase(const EnumInfo &e, int64_t value);
const EnumCase *enumCase(const EnumInfo &e, std::string_view spelling);
const EnumInfo *enumByName(std::string_view name);

} // namespace tir
