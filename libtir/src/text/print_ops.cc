// SPDX-License-Identifier: MIT
#include "printer.hh"
#include "names.hh"
#include <algorithm>
#include <cstdio>

namespace tir {

using tessera::Code;

namespace {

bool fits(const AttrInfo &a, Attr v) {
  switch (a.type) {
  case AttrType::I32:
  case AttrType::I64: return v->kind == AttrKind::Int;
  case AttrType::Bool: return v->kind == AttrKind::Bool;
  case AttrType::Unit: return v->kind == AttrKind::Unit;
  case AttrType::String: return v->kind == AttrKind::String;
  case AttrType::Enum: return v->kind == AttrKind::Enum;
  case AttrType::ArrayI32:
  case AttrType::ArrayI64: return v->kind == AttrKind::DenseArray;
  case AttrType::TypeA: return v->kind == AttrKind::TypeA;
  case AttrType::Symbol: return v->kind == AttrKind::Symbol;
  default: return true;
  }
}

bool hint(std::string_view n) { return n == "cache" || n == "evict"; }

unsigned slotCount(const Op *o, unsigned slot) {
  unsigned first, count;
  o->slotRange(slot, &first, &count);
  return count;
}

/// First result of a declared result slot, and how many it has.
void resultRange(const Op *o, unsigned slot, unsigned *first, unsigned *count) {
  const OpInfo &info = o->info();
  unsigned singles = 0, at = 0;
  for (unsigned s = 0; s < info.num_results; ++s) singles += info.results[s].arity == Arity::One;
  unsigned spare = o->numResults() > singles ? o->numResults() - singles : 0;
  for (unsigned s = 0;; ++s) {
    unsigned n = info.results[s].arity == Arity::One ? 1 : spare;
    if (info.results[s].arity != Arity::One) spare = 0;
    if (s == slot) {
      *first = std::min(at, o->numResults());
      *count = std::min(n, o->numResults() - *first);
      return;
    }
    at += n;
  }
}

} // namespace

// ---- the frame of one operation ---------------------------------------------------------------------------

bool Printer::checkSyntax(const Op *o) {
  const OpInfo &info = o->info();
  if (syntax < info.first_syntax || syntax > info.last_syntax) return fail(Code::UNSUPPORTED, "this operation");
  for (const NamedAttr &a : o->attrs()) {
    const AttrInfo *ai = info.attr(a.name.view());
    if (!ai || (ai->type == AttrType::Enum && a.value->kind != AttrKind::Enum)) {
      if (ai && syntax < 39 && hint(a.name.view()))
        return fail(Code::UNSUPPORTED, tessera::format("attribute '%s' without its meaning there", ai->name));
      continue;
    }
    SyntaxRange r = attrSyntax(o->code, a.name.view());
    if (syntax < r.first || syntax > r.last)
      return fail(Code::UNSUPPORTED, tessera::format("attribute '%s'", ai->name));
  }
  return true;
}

void Printer::results(const Op *o) {
  if (!o->numResults()) return;
  for (unsigned i = 0; i < o->numResults();) {
    unsigned n = 1;
    while (i + n < o->numResults() && !o->result(i + n)->name.data) ++n;
    if (i) out += ", ";
    const Value *v = o->result(i);
    Name &name = names[v->id];
    int32_t sub = name.sub;
    name.sub = -1;
    value(v);
    name.sub = sub;
    if (n > 1) {
      char buf[16];
      std::snprintf(buf, sizeof buf, ":%u", n);
      out += buf;
    }
    i += n;
  }
  out += " = ";
}

void Printer::op(const Op *o) {
  if (tooLarge()) return;
  const Op *outer = current;
  current = o;
  if (checkSyntax(o)) {
    results(o);
    const OpInfo &info = o->info();
    unsigned v = 0;
    while (v + 1 < info.num_formats && info.formats[v].last_syntax < syntax) ++v;
    const char *form = info.num_formats ? info.formats[v].format : nullptr;
    if (!form || opt.generic) {
      generic(o);
    } else if (std::string_view(form) == "custom") {
      size_t at = out.size();
      if (!custom(o)) {
        out.resize(at);
        generic(o);
      }
    } else {
      const Format &f = formatOf(info, v);
      if (!f.bad && wellFormed(o, f)) formatted(o, f);
      else generic(o);
    }
    trailing(o->loc, false);
  }
  current = outer;
}

// ---- generic form -----------------------------------------------------------------------------------------

void Printer::generic(const Op *o) {
  const OpInfo &info = o->info();
  out.append("\"").append(info.name).append("\"(");
  values(o, 0, o->numOperands());
  out += ')';
  if (o->numSuccs()) {
    out += '[';
    for (unsigned i = 0; i < o->numSuccs(); ++i) {
      char buf[24];
      std::snprintf(buf, sizeof buf, "%s^bb%u", i ? ", " : "", blockNumbers[o->succ(i)->id]);
      out += buf;
    }
    out += ']';
  }
  // Inherent attributes are properties, those with a default are always there; the rest is a dictionary.
  std::vector<std::pair<std::string_view, std::string>> props;
  std::string rest;
  std::string outer;
  outer.swap(out);
  std::string policy;
  bool has_policy = syntax >= 39 && info.attr("cachePolicy") && policyEntry(o, policy);
  if (has_policy) props.push_back({"cachePolicy", policy});
  start = 0;
  for (const NamedAttr &a : o->attrs()) {
    const AttrInfo *ai = info.attr(a.name.view());
    if (has_policy && hint(a.name.view())) continue;
    out.clear();
    entry(a.name, a.value, ai);
    if (ai && fits(*ai, a.value)) props.push_back({a.name.view(), out});
    else rest.append(rest.empty() ? "" : ", ").append(out);
  }
  for (unsigned i = 0; i < info.num_attrs; ++i) {
    const AttrInfo &a = info.attrs[i];
    if (!a.has_default || o->attr(a.name) || (syntax >= 39 && hint(a.name) && info.attr("cachePolicy"))) continue;
    out.clear();
    std::string spelling;
    Attr v = a.type == AttrType::Bool   ? ctx.boolean(a.default_value)
             : a.type == AttrType::Enum && enumSpelling(*a.enums, a.default_value, spelling)
                 ? ctx.enumeration(a.default_value, spelling)
                 : ctx.integer(a.default_value, a.type == AttrType::I64 ? ctx.i64() : ctx.i32());
    entry(ctx.str(a.name), v, &a);
    props.push_back({a.name, out});
  }
  out.swap(outer);
  uint32_t length = UINT32_MAX; // of the lists of an operation that has several; MLIR knows them to be equal
  bool unequal = false;
  for (unsigned s = 0; s < info.num_operands; ++s) {
    if (info.operands[s].arity != Arity::Variadic) continue;
    unequal |= length != UINT32_MAX && length != slotCount(o, s);
    length = slotCount(o, s);
  }
  if (info.has(TraitSegmentAttr) || unequal) { // unequal ones do not verify, but must not be lost in print
    std::string text = "operandSegmentSizes = array<i32";
    for (unsigned s = 0; s < info.num_operands; ++s) {
      char buf[24];
      std::snprintf(buf, sizeof buf, "%s%u", s ? ", " : ": ", slotCount(o, s));
      text += buf;
    }
    props.push_back({"operandSegmentSizes", text + ">"});
  }
  std::sort(props.begin(), props.end());
  for (size_t i = 0; i < props.size(); ++i) out.append(i ? ", " : " <{").append(props[i].second);
  if (!props.empty()) out += "}>";
  if (o->numRegions()) {
    out += " (";
    for (unsigned i = 0; i < o->numRegions(); ++i) {
      if (i) out += ", ";
      region(*o->region(i), true, true);
    }
    out += ')';
  }
  if (!rest.empty()) out.append(" {").append(rest).append("}");
  out += " : (";
  for (unsigned i = 0; i < o->numOperands(); ++i) {
    if (i) out += ", ";
    type(o->operand(i) ? o->operand(i)->type : nullptr);
  }
  out += ") -> ";
  std::vector<Type> types;
  for (unsigned i = 0; i < o->numResults(); ++i) types.push_back(o->result(i)->type);
  resultTypes({types.data(), static_cast<uint32_t>(types.size())});
}

// ---- by the form of the op table --------------------------------------------------------------------------

// Whether the form can say the operation. Only what does not verify, or comes from damaged bytes, cannot.
bool Printer::wellFormed(const Op *o, const Format &f) {
  const OpInfo &info = o->info();
  for (unsigned i = 0; i < info.num_attrs; ++i) {
    const AttrInfo &a = info.attrs[i];
    Attr v = o->attr(a.name);
    bool own_place = i < 32 && f.attr_printed[i];
    if (!v && a.required) return false;
    if (v && own_place && !fits(a, v) && !(a.type == AttrType::Enum && v->kind == AttrKind::Int)) return false;
  }
  for (unsigned s = 0; s < info.num_operands; ++s)
    if (info.operands[s].arity == Arity::One && slotCount(o, s) != 1) return false;
  for (unsigned i = 0; i < o->numOperands(); ++i)
    if (!o->operand(i)) return false;
  if (o->numSuccs() != info.num_succs || o->numRegions()) return false;
  unsigned singles = 0, open = 0;
  for (unsigned s = 0; s < info.num_results; ++s) (info.results[s].arity == Arity::One ? singles : open)++;
  return o->numResults() >= singles && (open || o->numResults() == singles);
}

void Printer::formatted(const Op *o, const Format &f) {
  out += o->info().name;
  elements(o, f, 0, f.elems.size());
}

bool Printer::present(const Op *o, const Elem &e) {
  switch (e.kind) {
  case El::Operand:
  case El::OpType:
  case El::OpStripped: return slotCount(o, e.index) > 0;
  case El::AttrValue:
  case El::List: {
    const AttrInfo &a = o->info().attrs[e.index];
    Attr v = o->attr(a.name);
    return v && fits(a, v) && !isDefault(a, v);
  }
  case El::ResType: return o->numResults() > 0;
  case El::Operands:
  case El::AllOpTypes: return o->numOperands() > 0;
  default: return true;
  }
}

void Printer::slotTypes(const Op *o, unsigned slot) {
  unsigned first, count;
  o->slotRange(slot, &first, &count);
  for (unsigned i = 0; i < count; ++i) {
    if (i) out += ", ";
    type(o->operand(first + i)->type);
  }
}

void Printer::elements(const Op *o, const Format &f, size_t from, size_t to) {
  const OpInfo &info = o->info();
  unsigned succ = 0;
  for (size_t i = 0; i < from; ++i) succ += f.elems[i].kind == El::Succ;
  for (size_t i = from; i < to; ++i) {
    const Elem &e = f.elems[i];
    unsigned first, count;
    switch (e.kind) {
    case El::Literal:
      if (e.tok != Tok::Comma && e.tok != Tok::RParen && e.tok != Tok::RSquare && e.tok != Tok::Greater &&
          e.tok != Tok::LParen && e.tok != Tok::LSquare && e.tok != Tok::Less)
        space();
      else if ((e.tok == Tok::LParen || e.tok == Tok::LSquare) && (i == 0 || f.elems[i - 1].kind == El::Literal))
        space();
      out += e.text;
      break;
    case El::Operand:
      o->slotRange(e.index, &first, &count);
      if (count) space();
      values(o, first, count);
      break;
    case El::Operands:
      if (o->numOperands()) space();
      values(o, 0, o->numOperands());
      break;
    case El::AttrValue: {
      const AttrInfo &a = info.attrs[e.index];
      Attr v = o->attr(a.name);
      if (!v || a.type == AttrType::Unit) break;
      bool flags = a.type == AttrType::Enum && a.enums->storage[0] == '#';
      if (!flags) space();
      if (v->kind == AttrKind::Enum) enumAttr(v, &a, false);
      else if (a.type == AttrType::I32 || a.type == AttrType::I64) intValue(v->ival, v->type);
      else attr(v);
      break;
    }
    case El::List: {
      Attr v = o->attr(info.attrs[e.index].name);
      out += '[';
      for (uint32_t k = 0; v && k < v->ints.count; ++k) {
        if (k) out += ", ";
        intValue(v->ints[k], nullptr);
      }
      out += ']';
      break;
    }
    case El::AttrDict:
    case El::AttrDictPolicy: attrDict(o, &f, e.kind == El::AttrDictPolicy); break;
    case El::OpType:
      space();
      slotTypes(o, e.index);
      break;
    case El::ResType:
      space();
      resultRange(o, e.index, &first, &count);
      for (unsigned k = 0; k < count; ++k) {
        if (k) out += ", ";
        type(o->result(first + k)->type);
      }
      break;
    case El::OpStripped:
      space();
      stripped(o->slot(e.index)->type);
      break;
    case El::ResStripped:
      space();
      resultRange(o, e.index, &first, &count);
      stripped(o->result(first)->type);
      break;
    case El::AllOpTypes:
      space();
      for (unsigned k = 0; k < o->numOperands(); ++k) {
        if (k) out += ", ";
        type(o->operand(k)->type);
      }
      break;
    case El::AllResTypes:
      space();
      for (unsigned k = 0; k < o->numResults(); ++k) {
        if (k) out += ", ";
        type(o->result(k)->type);
      }
      break;
    case El::FuncType: {
      space();
      std::vector<Type> ins, outs;
      first = 0, count = o->numOperands();
      if (e.inSlot != 255) o->slotRange(e.inSlot, &first, &count);
      for (unsigned k = 0; k < count; ++k) ins.push_back(o->operand(first + k)->type);
      for (unsigned k = 0; k < o->numResults(); ++k) outs.push_back(o->result(k)->type);
      functionType({ins.data(), static_cast<uint32_t>(ins.size())}, {outs.data(), static_cast<uint32_t>(outs.size())});
      break;
    }
    case El::Succ: {
      space();
      char buf[24];
      std::snprintf(buf, sizeof buf, "^bb%u", blockNumbers[o->succ(succ++)->id]);
      out += buf;
      break;
    }
    case El::SelectTypes:
      space();
      if (o->operand(0)->type != ctx.i1()) {
        type(o->operand(0)->type);
        out += ", ";
      }
      type(o->result()->type);
      break;
    case El::OpBundles: opBundles(o); break;
    case El::Token:
      resultRange(o, e.outSlot, &first, &count);
      if (!count && !o->slot(e.index)) break;
      out += '[';
      if (Value *v = o->slot(e.index)) value(v);
      out += ']';
      break;
    case El::Barriers: {
      unsigned preds, n;
      o->slotRange(e.index, &first, &count);
      o->slotRange(e.index + 1u, &preds, &n);
      for (unsigned k = 0; k < count && k < n; ++k) {
        out += ", ";
        value(o->operand(first + k));
        out += '[';
        value(o->operand(preds + k));
        out += ']';
      }
      break;
    }
    case El::Group:
      if (present(o, f.elems[e.anchorAt])) elements(o, f, i + 1, e.end);
      i = e.end - 1u;
      break;
    case El::Oilist:
      for (size_t c = i + 1; c < e.end; c = f.elems[c].end)
        if (present(o, f.elems[f.elems[c].anchorAt])) elements(o, f, c + 1, f.elems[c].end);
      i = e.end - 1u;
      break;
    case El::Clause: break;
    }
  }
}

// cache and evict in the spelling of 3.9, both or neither
bool Printer::policyEntry(const Op *o, std::string &text) {
  Attr c = o->attr("cache"), e = o->attr("evict");
  if (c && c->kind != AttrKind::Enum) c = nullptr;
  if (e && e->kind != AttrKind::Enum) e = nullptr;
  if (!c && !e) return false;
  text = "cachePolicy = #tt.cache_policy<cache_modifier = ";
  text.append(c ? c->text.view() : "none").append(", eviction_policy = ");
  text.append(e ? e->text.view() : "evict_normal").append(">");
  return true;
}

// What has no place of its own: {a = 1, b}
void Printer::attrDict(const Op *o, const Format *f, bool policy, const char *keyword,
                       std::initializer_list<std::string_view> skip) {
  const OpInfo &info = o->info();
  std::string policy_text;
  bool open = false, policy_due = policy && policyEntry(o, policy_text);
  auto begin = [&] {
    if (open) {
      out += ", ";
      return;
    }
    open = true;
    space();
    if (keyword) out.append(keyword).append(" ");
    out += '{';
  };
  for (const NamedAttr &a : o->attrs()) {
    std::string_view n = a.name.view();
    if (std::find(skip.begin(), skip.end(), n) != skip.end()) continue;
    const AttrInfo *ai = info.attr(n);
    if (ai && isDefault(*ai, a.value) && !(policy && hint(n))) continue;
    bool meant = ai && fits(*ai, a.value);
    if (meant && policy && hint(n)) continue;
    if (meant && f && ai - info.attrs < 32 && f->attr_printed[ai - info.attrs]) continue;
    if (policy_due && n > "cachePolicy") {
      begin();
      out += policy_text;
      policy_due = false;
    }
    begin();
    entry(a.name, a.value, ai);
  }
  if (policy_due) {
    begin();
    out += policy_text;
  }
  if (open) out += '}';
}

void Printer::opBundles(const Op *o) {
  Attr sizes = o->attr("op_bundle_sizes"), tags = o->attr("op_bundle_tags");
  if (!sizes || sizes->kind != AttrKind::DenseArray) return;
  unsigned at = 1;
  out += " [";
  for (uint32_t i = 0; i < sizes->ints.count; ++i) {
    if (i) out += ", ";
    Attr tag = tags && tags->kind == AttrKind::Array && i < tags->attrs.count ? tags->attrs[i] : nullptr;
    attr(tag);
    out += '(';
    unsigned n = static_cast<unsigned>(std::clamp<int64_t>(sizes->ints[i], 0, o->numOperands() - at));
    values(o, at, n);
    for (unsigned k = 0; k < n; ++k) {
      out += k ? ", " : " : ";
      type(o->operand(at + k)->type);
    }
    at += n;
    out += ')';
  }
  out += ']';
}

// ---- regions ----------------------------------------------------------------------------------------------

void Printer::blockArg(const Value *v) {
  value(v);
  out += ": ";
  type(v->type);
  trailing(v->loc, true);
}

void Printer::block(const Block *b, bool header, bool terminators) {
  if (header) {
    char buf[24];
    std::snprintf(buf, sizeof buf, "^bb%u", blockNumbers[b->id]);
    --indent;
    newline();
    ++indent;
    out += buf;
    for (unsigned i = 0; i < b->numArgs(); ++i) {
      out += i ? ", " : "(";
      blockArg(b->arg(i));
    }
    out += b->numArgs() ? "):" : ":";
  }
  for (const Op *o = b->first; o; o = o->next) {
    if (!terminators && o == b->last && (o->info().traits & TraitTerminator)) break;
    newline();
    op(o);
    if (!status.ok()) return;
  }
}

void Printer::region(const Region &r, bool entry_args, bool terminators) {
  out += '{';
  ++indent;
  if (indent > 1000) { // only by hand: parser and bytecode reader stop far earlier
    fail(Code::LIMIT, "regions nest too deeply");
  } else {
    for (const Block *b = r.first; b && status.ok(); b = b->next) {
      bool referenced = b == r.first && !b->first && b->next; // an empty first block must keep its line
      block(b, b != r.first || (entry_args && b->numArgs()) || referenced, terminators);
    }
  }
  --indent;
  newline();
  out += '}';
}

} // namespace tir
