// SPDX-License-Identifier: MIT
#include "op_info.hh"
#include "verify/type_calls.hh"

namespace tir {
namespace {

#include "op_table.inc" // generated

constexpr const char *constraint_texts[] = {
#define TIR_CONSTRAINT(name, text) text,
#include "constraints.inc"
#undef TIR_CONSTRAINT
};

} // namespace

const char *constraintText(Constraint c) { return constraint_texts[(unsigned)c]; }

const OpInfo &opInfo(Opcode code) {
  return op_table[code < Opcode::count_ ? (unsigned)code : 0];
}

Opcode opByName(std::string_view name) {
  size_t low = 0, high = sizeof ops_by_name / sizeof *ops_by_name;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = name.compare(op_table[(unsigned)ops_by_name[middle]].name);
    if (order == 0) return ops_by_name[middle];
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return Opcode::invalid;
}

const char *OpInfo::format(unsigned syntax) const {
  for (unsigned i = 0; i < num_formats; ++i)
    if (syntax <= formats[i].last_syntax) return formats[i].format;
  return formats ? formats[num_formats - 1].format : nullptr;
}

const AttrInfo *OpInfo::attr(std::string_view attr_name) const {
  for (unsigned i = 0; i < num_attrs; ++i)
    if (attr_name == attrs[i].name) return &attrs[i];
  return nullptr;
}

int OpInfo::operandSlot(std::string_view slot_name) const {
  for (unsigned i = 0; i < num_operands; ++i)
    if (slot_name == operands[i].name) return (int)i;
  return -1;
}

const EnumCase *enumCase(const EnumInfo &e, int64_t value) {
  for (unsigned i = 0; i < e.count; ++i)
    if (e.cases[i].value == value) return &e.cases[i];
  return nullptr;
}

const EnumCase *enumCase(const EnumInfo &e, std::string_view spelling) {
  for (unsigned i = 0; i < e.count; ++i)
    if (spelling == e.cases[i].spelling) return &e.cases[i];
  return nullptr;
}

const EnumInfo *enumByName(std::string_view name) {
  for (const EnumInfo *e : all_enums)
    if (name == e->name) return e;
  return nullptr;
}

} // namespace tir
