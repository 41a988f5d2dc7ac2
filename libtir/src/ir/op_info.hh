// SPDX-License-Identifier: MIT
// The op table as the rest of libtir sees it. The rows are generated from libtir/ops/*.toml.
#pragma once
#include <cstdint>
#include <string_view>

namespace tir {

enum class Opcode : uint16_t {
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
  TraitNoResultShape = 1u << 10, // tt.* op whose operands are exempt from the power-of-two rule
  TraitConstantLike = 1u << 11,
  TraitSegments = 1u << 12,    // has optional or variadic operand slots: Op::segments_ is set
  TraitSingleBlock = 1u << 13, // each region has exactly one block
};

enum class Arity : uint8_t { One, Optional, Variadic };

struct SlotInfo { // declared operand or result
  const char *name;
  Arity arity;
  const char *constraint; // "ptrLike", "intLike", "floatLike", "i1Like", "any", … (ops/README.md lists them)
};
struct EnumCase {
  const char *spelling;
  int64_t value;
};
struct EnumInfo {
  const char *name;
  const EnumCase *cases;
  uint16_t count;
};
struct AttrInfo {
  const char *name;
  const char *kind;       // "i32", "i64", "bool", "unit", "string", "enum", "array<i32>", "type", "symbol", "any", …
  const EnumInfo *enums;  // kind == "enum"
  bool required;
  bool has_default;
  int64_t default_value;  // bool, int, enum
};
struct OpInfo {
  Opcode code;
  std::string_view name;    // "tt.load"
  std::string_view dialect; // "tt"
  uint32_t traits;
  const SlotInfo *operands;
  const SlotInfo *results;
  const AttrInfo *attrs;
  uint8_t num_operands, num_results, num_attrs, num_regions; // declared; regions 255 = any
  uint8_t num_succs;
  const char *format;  // printed form in the mini-language of ops/README.md; null = generic form; "custom"
  const char *types;   // type rules, mini-language of ops/README.md: inferred when parsing, checked when verifying
  const char *summary;
  uint8_t first_syntax, last_syntax; // 36 … 39: releases whose text has the op
};

const OpInfo &opInfo(Opcode code);
Opcode opByName(std::string_view name); // Opcode::invalid if unknown

} // namespace tir
