// SPDX-License-Identifier: MIT
#include "names.hh"
#include <cstdio>

namespace tir {

bool defaultName(const Op *op, std::string &out) {
  if (!op->is(Opcode::arith_constant)) return false;
  Attr v = op->attr("value");
  out = "cst";
  if (!v) return true;
  if (v->kind == AttrKind::Bool) {
    out = v->bval ? "true" : "false";
  } else if (v->kind == AttrKind::Int) {
    char buf[48];
    bool is_int = v->type && v->type->isInt();
    const char *sign = !is_int || v->type->sign == Sign::None ? "" : v->type->sign == Sign::Signed ? "s" : "u";
    int n = std::snprintf(buf, sizeof buf, "c%lld", static_cast<long long>(v->ival));
    if (is_int) std::snprintf(buf + n, sizeof buf - static_cast<size_t>(n), "_%si%u", sign, v->type->width);
    out = buf;
  }
  return true;
}

bool isDefaultName(const Op *op, std::string_view name) {
  if (!op->is(Opcode::arith_constant)) return false;
  std::string base;
  defaultName(op, base);
  if (name.substr(0, base.size()) != base) return false;
  name.remove_prefix(base.size());
  if (name.empty()) return true;
  if (name.size() < 2 || name[0] != '_') return false;
  for (char c : name.substr(1))
    if (c < '0' || c > '9') return false;
  return true;
}

bool enumSpelling(const EnumInfo &e, int64_t value, std::string &out) {
  if (const EnumCase *c = enumCase(e, value)) {
    out = c->spelling;
    return true;
  }
  if (!e.separator) return false;
  out.clear();
  int64_t left = value;
  for (const EnumCase *c = e.cases; c < e.cases + e.count; ++c)
    if (c->value && (c->value & (c->value - 1)) == 0 && (left & c->value)) {
      if (!out.empty()) out += e.separator;
      out += c->spelling;
      left &= ~c->value;
    }
  return left == 0;
}

bool enumValue(const EnumInfo &e, std::string_view text, int64_t *value) {
  *value = 0;
  while (true) {
    size_t cut = e.separator ? text.find_first_of(",|") : std::string_view::npos;
    std::string_view w = text.substr(0, cut);
    while (!w.empty() && w.front() == ' ') w.remove_prefix(1);
    while (!w.empty() && w.back() == ' ') w.remove_suffix(1);
    const EnumCase *c = enumCase(e, w);
    if (!c) return false;
    *value |= c->value;
    if (cut == std::string_view::npos) return true;
    text.remove_prefix(cut + 1);
  }
}

namespace {
struct AttrRow {
  Opcode code; // invalid: every operation that has it
  std::string_view attr;
  unsigned first, last;
};
constexpr AttrRow attr_rows[] = {
    {Opcode::tt_load, "boundaryCheck", 36, 37},    {Opcode::tt_load, "padding", 36, 37},
    {Opcode::tt_store, "boundaryCheck", 36, 37},   {Opcode::invalid, "cachePolicy", 39, 39},
    {Opcode::arith_divui, "isExact", 37, 39},      {Opcode::arith_shrui, "isExact", 37, 39},
    {Opcode::invalid, "nonNeg", 38, 39},           {Opcode::arith_addf, "roundingmode", 38, 39},
    {Opcode::arith_subf, "roundingmode", 38, 39},  {Opcode::arith_mulf, "roundingmode", 38, 39},
    {Opcode::arith_divf, "roundingmode", 38, 39},  {Opcode::math_fma, "roundingmode", 38, 39},
};
} // namespace

SyntaxRange attrSyntax(Opcode code, std::string_view attr) {
  for (const AttrRow &r : attr_rows)
    if (r.attr == attr && (r.code == code || r.code == Opcode::invalid)) return {r.first, r.last};
  return {36, 39};
}

std::string shapeProblem(const OpSpec &spec) {
  const OpInfo &info = opInfo(spec.code);
  std::string op(info.name);
  auto plural = [](size_t n) { return n == 1 ? "" : "s"; };
  size_t singles = 0, open = 0, optional = 0;
  for (unsigned i = 0; i < info.num_operands; ++i) {
    Arity a = info.operands[i].arity;
    (a == Arity::One ? singles : a == Arity::Optional ? optional : open)++;
  }
  size_t n = spec.operands.size();
  if (n < singles || (!open && n > singles + optional))
    return tessera::format("'%s' takes %s%zu operand%s, found %zu", op.c_str(), open || optional ? "at least " : "",
                           singles, plural(singles), n);
  if (!spec.segments.empty()) {
    size_t sum = 0;
    for (unsigned i = 0; i < info.num_operands && i < spec.segments.size(); ++i) {
      uint32_t k = spec.segments[i];
      Arity a = info.operands[i].arity;
      if ((a == Arity::One && k != 1) || (a == Arity::Optional && k > 1))
        return tessera::format("'%s': operand '%s' is given %u values", op.c_str(), info.operands[i].name, k);
      sum += k;
    }
    if (sum != n || spec.segments.size() != info.num_operands)
      return tessera::format("'%s': the numbers of values of its operands do not add up", op.c_str());
  } else if (open && open + optional > 1) {
    return tessera::format("'%s' needs operandSegmentSizes in generic form", op.c_str());
  }
  size_t fixed = 0, more = 0;
  for (unsigned i = 0; i < info.num_results; ++i) (info.results[i].arity == Arity::One ? fixed : more)++;
  if (spec.results.size() < fixed || (!more && spec.results.size() > fixed))
    return tessera::format("'%s' has %s%zu result%s, found %zu types", op.c_str(), more ? "at least " : "", fixed,
                           plural(fixed), spec.results.size());
  if (spec.regions != info.num_regions)
    return tessera::format("'%s' has %u region%s, found %u", op.c_str(), info.num_regions, plural(info.num_regions),
                           spec.regions);
  if (spec.succs.size() != info.num_succs)
    return tessera::format("'%s' has %u successor%s, found %zu", op.c_str(), info.num_succs, plural(info.num_succs),
                           spec.succs.size());
  return {};
}

bool isDefault(const AttrInfo &info, Attr v) {
  if (!info.has_default || !v) return false;
  switch (info.type) {
  case AttrType::Enum: return v->kind == AttrKind::Enum && v->ival == info.default_value;
  case AttrType::Bool: return v->kind == AttrKind::Bool && v->bval == (info.default_value != 0);
  case AttrType::I32:
  case AttrType::I64: return v->kind == AttrKind::Int && v->ival == info.default_value;
  default: return false;
  }
}

} // namespace tir
