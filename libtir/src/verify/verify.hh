// SPDX-License-Identifier: MIT
// The verifier. Rules are numbered in rules.inc; messages read
//   k.py:12:4: error: [TIR-V005] 'tt.load' op operand 1 is used before its definition
#pragma once
#include "ir/ir.hh"

namespace tir {

enum class Rule : uint8_t {
#define TIR_RULE(number, name, text) name = number,
#include "rules.inc"
#undef TIR_RULE
};
const char *ruleText(unsigned number); // null if there is no such rule

/// Checks a whole module. Every find (at most 20) goes to the context's sink; the status is VERIFY with the text of
/// the first one.
tessera::Status verifyModule(const Module &module);

/// Checks one operation by itself: slots, attributes, types and what needs code; nothing about its regions or
/// where it stands, and nothing goes to the sink. For builders.
tessera::Status verifyOperation(const Op *op);

/// Whether an operand or result of this type may stand in a slot with this constraint.
bool holds(Constraint constraint, Type type);

} // namespace tir
