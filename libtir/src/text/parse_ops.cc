// SPDX-License-Identifier: MIT
// Operations in generic form, and what all forms share: attributes brought to the one form that the IR has.
#include "parser.hh"
#include "names.hh"
#include <algorithm>

namespace tir {

// "op"(%a, %b) [^succ] <{properties}> ({regions}) {attributes} : (types) -> types
bool Parser::genericOp(Draft &d) {
  const OpInfo &info = d.info();
  std::string shown(info.name);
  if (!expect(Tok::LParen, "'(' before the operands") || !operands(d.refs) ||
      !expect(Tok::RParen, "',' or ')' after the operands"))
    return false;
  if (accept(Tok::LSquare)) {
    do
      if (!successor(d)) return false;
    while (accept(Tok::Comma));
    if (!expect(Tok::RSquare, "',' or ']' after the blocks")) return false;
  }
  if (at(Tok::Less) && !properties(d)) return false;
  if (accept(Tok::LParen)) {
    do {
      d.regions.emplace_back();
      std::vector<Block *> blocks; // d may not be held across the region: its draft pool grows, not d itself
      bool ok = region(blocks, info.has(TraitIsolated));
      d.regions.back() = std::move(blocks);
      if (!ok) return false;
    } while (accept(Tok::Comma));
    if (!expect(Tok::RParen, "',' or ')' after the regions")) return false;
  }
  d.dict_from = d.spec.attrs.size();
  if (at(Tok::LBrace) && !dictEntries(d.spec.attrs)) return false;
  Token typesAt = tok;
  if (!expect(Tok::Colon, "':' before the types")) return false;
  std::vector<Type> ins;
  if (!functionTypes(ins, d.spec.results)) return false;
  if (ins.size() != d.refs.size())
    return error(typesAt, "%zu operands, but %zu operand types", d.refs.size(), ins.size());
  for (size_t i = 0; i < ins.size(); ++i) {
    Value *v = resolveValue(d.refs[i], ins[i]);
    if (!v) return false;
    d.spec.operands.push_back(v);
  }
  if (!segmentsFromAttr(d) || !normaliseAttrs(d)) return false;
  return checkCounts(d);
}

bool Parser::properties(Draft &d) {
  advance(); // <
  return dictEntries(d.spec.attrs) && expect(Tok::Greater, "'>' after the properties");
}

// operandSegmentSizes says how operands belong to slots; it is no attribute of ours. The same for results, where
// it tells nothing new.
bool Parser::segmentsFromAttr(Draft &d) {
  const OpInfo &info = d.info();
  std::vector<NamedAttr> &attrs = d.spec.attrs;
  size_t open = 0, singles = 0;
  for (unsigned k = 0; k < info.num_operands; ++k) (info.operands[k].arity == Arity::Variadic ? open : singles)++;
  for (size_t i = 0; i < attrs.size();) {
    std::string_view n = attrs[i].name.view();
    bool ours = n == "operandSegmentSizes" && (info.has(TraitSegmentAttr) || open > 1);
    if (!ours) {
      ++i;
      continue;
    }
    Attr v = attrs[i].value;
    if (v->kind != AttrKind::DenseArray || v->ints.size() != info.num_operands)
      return error(d.at, "'%s': operandSegmentSizes must be an array of %u numbers", std::string(info.name).c_str(),
                   info.num_operands);
    uint64_t sum = 0;
    for (unsigned k = 0; k < info.num_operands; ++k) {
      int64_t n_k = v->ints[k];
      Arity a = info.operands[k].arity;
      if (n_k < 0 || (a == Arity::One && n_k != 1) || (a == Arity::Optional && n_k > 1))
        return error(d.at, "'%s': operandSegmentSizes gives operand '%s' %lld values", std::string(info.name).c_str(),
                     info.operands[k].name, static_cast<long long>(n_k));
      sum += static_cast<uint64_t>(n_k);
      d.spec.segments.push_back(static_cast<uint32_t>(n_k));
    }
    if (sum != d.spec.operands.size())
      return error(d.at, "'%s': operandSegmentSizes names %llu operands, there are %zu", std::string(info.name).c_str(),
                   static_cast<unsigned long long>(sum), d.spec.operands.size());
    attrs.erase(attrs.begin() + static_cast<std::ptrdiff_t>(i));
    if (i < d.dict_from && d.dict_from != SIZE_MAX) --d.dict_from;
  }
  if (!d.spec.segments.empty() || info.has(TraitSegmentAttr)) return true;
  // Without it, several lists of operands have the same length (the lists of a descriptor).
  size_t spare = d.spec.operands.size() - std::min(d.spec.operands.size(), singles);
  if (open < 2 || spare % open) return true;
  for (unsigned k = 0; k < info.num_operands; ++k)
    d.spec.segments.push_back(info.operands[k].arity == Arity::Variadic ? static_cast<uint32_t>(spare / open) : 1);
  return true;
}

/// `kind<…>` → what stands between the brackets.
static bool bracketed(std::string_view text, std::string_view kind, std::string_view *inner) {
  if (text.size() < kind.size() + 2 || text.substr(0, kind.size()) != kind || text[kind.size()] != '<' ||
      text.back() != '>')
    return false;
  *inner = text.substr(kind.size() + 1, text.size() - kind.size() - 2);
  return true;
}

/// cache_modifier = cg, eviction_policy = evict_last, in any order
static bool cachePolicyFields(std::string_view text, const OpInfo &info, int64_t *cache, int64_t *evict) {
  *cache = *evict = -1;
  while (!text.empty()) {
    size_t cut = text.find(',');
    std::string_view field = text.substr(0, cut);
    text = cut == std::string_view::npos ? std::string_view() : text.substr(cut + 1);
    size_t eq = field.find('=');
    if (eq == std::string_view::npos) return false;
    auto trim = [](std::string_view s) {
      while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
      while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
      return s;
    };
    std::string_view key = trim(field.substr(0, eq));
    int64_t *out = key == "cache_modifier" ? cache : key == "eviction_policy" ? evict : nullptr;
    const AttrInfo *a = info.attr(out == cache ? "cache" : "evict");
    if (!out || *out >= 0 || !a || !enumValue(*a->enums, trim(field.substr(eq + 1)), out)) return false;
  }
  return *cache >= 0 && *evict >= 0;
}

// One meaning, one form: enums as enums, cachePolicy as cache and evict, defaults left out.
bool Parser::normaliseAttrs(Draft &d) {
  const OpInfo &info = d.info();
  std::vector<NamedAttr> &attrs = d.spec.attrs;
  if (attrs.empty()) return true;
  bool has_policy = info.attr("cachePolicy");
  bool keep_hints = false;
  for (size_t i = 0; i < attrs.size(); ++i) {
    std::string_view n = attrs[i].name.view();
    const AttrInfo *a = info.attr(n);
    Attr v = attrs[i].value;
    if (!a) continue;
    if (a->type == AttrType::Enum && v->kind == AttrKind::Int) {
      if (has_policy && i >= d.dict_from && (n == "cache" || n == "evict")) {
        d.raw = true; // in 3.9 this is not the hint; decided when the whole text is read
        continue;
      }
      std::string spelling;
      if (!enumSpelling(*a->enums, v->ival, spelling))
        return error(d.at, "'%s': %lld is no value of attribute '%s'", std::string(info.name).c_str(),
                     static_cast<long long>(v->ival), a->name);
      attrs[i].value = ctx.enumeration(v->ival, spelling);
    } else if (a->type == AttrType::Enum && v->kind == AttrKind::Opaque && a->enums->storage[0] == '#') {
      std::string_view inner;
      int64_t value = 0;
      std::string spelling;
      if (!bracketed(v->text.view(), a->enums->storage + 1, &inner) || !enumValue(*a->enums, inner, &value) ||
          !enumSpelling(*a->enums, value, spelling))
        return error(d.at, "'%s': attribute '%s' must be %s<…>", std::string(info.name).c_str(), a->name, a->enums->storage);
      attrs[i].value = ctx.enumeration(value, spelling);
    }
    SyntaxRange r = attrSyntax(d.spec.code, n);
    seen(r.first, r.last);
    std::string_view inner;
    if (n == "cachePolicy" && v->kind == AttrKind::Opaque && bracketed(v->text.view(), "tt.cache_policy", &inner)) {
      int64_t cache, evict;
      if (!cachePolicyFields(inner, info, &cache, &evict))
        return error(d.at, "'%s': expected #tt.cache_policy<cache_modifier = …, eviction_policy = …>, found '#%.100s'",
                     std::string(info.name).c_str(), std::string(v->text.view()).c_str());
      attrs.erase(attrs.begin() + static_cast<std::ptrdiff_t>(i--));
      d.dict_from = SIZE_MAX;
      const AttrInfo *c = info.attr("cache"), *e = info.attr("evict");
      attrs.push_back({ctx.str("cache"), ctx.enumeration(cache, enumCase(*c->enums, cache)->spelling)});
      attrs.push_back({ctx.str("evict"), ctx.enumeration(evict, enumCase(*e->enums, evict)->spelling)});
      keep_hints = cache == c->default_value && evict == e->default_value; // written though it says nothing: kept
      has_policy = false;
    }
  }
  std::erase_if(attrs, [&](const NamedAttr &x) {
    const AttrInfo *a = info.attr(x.name.view());
    return a && isDefault(*a, x.value) && !(keep_hints && (x.name.view() == "cache" || x.name.view() == "evict"));
  });
  // A dictionary has no name twice; but it may repeat what the form or the properties gave.
  std::sort(attrs.begin(), attrs.end(), [](const NamedAttr &a, const NamedAttr &b) { return a.name.view() < b.name.view(); });
  for (size_t i = 1; i < attrs.size(); ++i)
    if (attrs[i].name == attrs[i - 1].name)
      return error(d.at, "'%s': attribute '%.80s' is given twice", std::string(info.name).c_str(),
                   std::string(attrs[i].name.view()).c_str());
  return true;
}

bool Parser::checkCounts(Draft &d) {
  d.spec.regions = static_cast<unsigned>(d.regions.size());
  std::string problem = shapeProblem(d.spec);
  return problem.empty() || error(d.at, "%s", problem.c_str());
}

Op *Parser::create(Draft &d) {
  d.spec.regions = static_cast<unsigned>(d.regions.size());
  Op *op = mod->create(d.spec);
  for (unsigned i = 0; i < d.spec.regions; ++i)
    for (Block *b : d.regions[i]) op->region(i)->append(b);
  if (op->is(Opcode::builtin_module) && op->region(0)->empty()) op->region(0)->append(mod->createBlock());
  if (d.raw) rawEnums.push_back(op);
  return op;
}

} // namespace tir
