// SPDX-License-Identifier: MIT
// Small vocabulary that reader and printer share.
#pragma once
#include "ir/ir.hh"
#include <string>

namespace tir {

/// The name that the printer gives a constant's result: c42_i32, true, cst. False for other operations.
bool defaultName(const Op *op, std::string &out);
/// `name` is what the printer would choose by itself (with or without a number behind it).
bool isDefaultName(const Op *op, std::string_view name);

/// Spelling of an enum's value, bits joined by its separator; false if the value has none.
bool enumSpelling(const EnumInfo &e, int64_t value, std::string &out);
/// The value of `a`, or of `a, b` / `a|b` for bits; false if a name is unknown.
bool enumValue(const EnumInfo &e, std::string_view text, int64_t *value);

/// Releases whose text can hold this inherent attribute on this operation.
struct SyntaxRange { unsigned first, last; };
SyntaxRange attrSyntax(Opcode code, std::string_view attr);

/// What the library relies on without looking: numbers of operands, results, regions, successors. Empty if the
/// operation has them as its row says, else the message.
std::string shapeProblem(const OpSpec &spec);

/// The attribute means its default.
bool isDefault(const AttrInfo &info, Attr value);

} // namespace tir
