// SPDX-License-Identifier: MIT
// Reading an operation by its form in the op table.
#include "parser.hh"
#include "format.hh"
#include "names.hh"

namespace tir {

struct FormatReader {
  Parser &p;
  Draft &d;
  const Format &f;
  const OpInfo &info;

  bool run(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      const Elem &e = f.elems[i];
      switch (e.kind) {
      case El::Group:
        if (present(f.elems[i + 1]) && !run(i + 1, e.end)) return false;
        i = e.end - 1u;
        break;
      case El::Oilist:
        if (!oilist(i)) return false;
        i = e.end - 1u;
        break;
      default:
        if (!element(e)) return false;
      }
    }
    return true;
  }

  bool present(const Elem &e) {
    switch (e.kind) {
    case El::Literal: return e.tok == Tok::Word ? p.tok.isWord(e.text) : p.at(e.tok);
    case El::Operand: return p.at(Tok::Percent);
    case El::AttrValue: {
      const AttrInfo &a = info.attrs[e.index];
      if (a.type == AttrType::Enum) return p.at(Tok::Word) && enumCase(*a.enums, p.tok.text());
      return p.at(Tok::String) || p.at(Tok::Int);
    }
    default: return true;
    }
  }

  bool oilist(size_t at) {
    bool again = true;
    uint64_t done = 0;
    while (again) {
      again = false;
      for (size_t c = at + 1; c < f.elems[at].end; c = f.elems[c].end) {
        if (!present(f.elems[c + 1])) continue;
        uint64_t bit = uint64_t(1) << (c & 63);
        if (done & bit) return p.error(p.tok, "'%s' is given twice", std::string(f.elems[c + 1].text).c_str());
        done |= bit;
        if (!run(c + 1, f.elems[c].end)) return false;
        again = true;
      }
    }
    return true;
  }

  bool element(const Elem &e) {
    switch (e.kind) {
    case El::Literal: {
      if (present(e)) {
        p.advance();
        return true;
      }
      if (p.silent) return p.error(p.tok, "literal");
      char what[80];
      std::snprintf(what, sizeof what, "'%.*s' in '%.*s'", static_cast<int>(e.text.size()), e.text.data(),
                    static_cast<int>(info.name.size()), info.name.data());
      return p.unexpected(what);
    }
    case El::Operand: return values(e.index);
    case El::Operands: {
      if (!info.num_operands) return true;
      return values(0);
    }
    case El::AttrValue: return attrValue(info.attrs[e.index]);
    case El::List: return list(info.attrs[e.index]);
    case El::AttrDict:
    case El::AttrDictPolicy:
      if (p.at(Tok::LBrace)) {
        d.dict_from = d.spec.attrs.size();
        return p.dictEntries(d.spec.attrs);
      }
      if (p.at(Tok::Less) && p.lex.position() == p.tok.end && *p.tok.end == '{') return p.properties(d);
      return true;
    case El::OpType: return types(d.opTypes[e.index], info.operands[e.index].arity);
    case El::ResType: return types(d.resTypes[e.index], info.results[e.index].arity);
    case El::OpStripped: return stripped(d.opTypes[e.index], info.operands[e.index].constraint);
    case El::ResStripped: return stripped(d.resTypes[e.index], info.results[e.index].constraint);
    case El::AllOpTypes: {
      uint32_t first = static_cast<uint32_t>(d.types.size());
      return p.typeList(d.types) && spread(d.opTypes, first, static_cast<uint32_t>(d.types.size()) - first);
    }
    case El::AllResTypes: {
      uint32_t first = static_cast<uint32_t>(d.types.size());
      return p.typeList(d.types) && spreadResults(first, static_cast<uint32_t>(d.types.size()) - first);
    }
    case El::FuncType: return functionType(e);
    case El::Succ: return p.successor(d);
    case El::SelectTypes: return selectTypes();
    case El::OpBundles: return opBundles();
    case El::Token: return token(e);
    case El::Barriers: return barriers(e);
    default: return p.error(d.at, "internal: the printed form of this operation is not understood");
    }
  }

  bool values(unsigned slot) {
    Draft::Run &r = d.ops[slot];
    r.given = true;
    r.first = static_cast<uint32_t>(d.refs.size());
    if (info.operands[slot].arity == Arity::Variadic) {
      if (!p.operands(d.refs)) return false;
    } else {
      d.refs.emplace_back();
      if (!p.operand(d.refs.back())) return false;
    }
    r.count = static_cast<uint32_t>(d.refs.size()) - r.first;
    return true;
  }

  bool types(Draft::Run &r, Arity arity) {
    r.given = true;
    r.first = static_cast<uint32_t>(d.types.size());
    if (arity == Arity::Variadic) {
      if (!p.typeList(d.types)) return false;
    } else {
      Type t = p.type();
      if (!t) return false;
      d.types.push_back(t);
    }
    r.count = static_cast<uint32_t>(d.types.size()) - r.first;
    return true;
  }

  // <f16>, <128x64xf16>: a pointer or descriptor without its name; the whole spelling is accepted, too.
  bool stripped(Draft::Run &r, Constraint c) {
    r.given = true;
    r.first = static_cast<uint32_t>(d.types.size());
    r.count = 1;
    Type t = nullptr;
    if (!p.at(Tok::Less)) t = p.type();
    else if (c == Constraint::desc) t = p.descType();
    else if (c == Constraint::memdesc) t = p.memdescType();
    else t = p.pointerType(false);
    if (!t) return false;
    d.types.push_back(t);
    return true;
  }

  /// `count` types from `first` on belong to the operands that are there, in order of the slots.
  bool spread(Draft::Run *runs, uint32_t first, uint32_t count) {
    uint32_t at = first;
    for (unsigned s = 0; s < info.num_operands; ++s) {
      runs[s] = {at, d.ops[s].count, true};
      at += d.ops[s].count;
    }
    if (at - first == count) return true;
    return p.error(p.tok, "'%s' has %u operands here, but %u operand types", std::string(info.name).c_str(), at - first,
                   count);
  }

  bool spreadResults(uint32_t first, uint32_t count) {
    uint32_t singles = 0;
    for (unsigned s = 0; s < info.num_results; ++s) singles += info.results[s].arity == Arity::One;
    bool open = singles < info.num_results;
    if (count < singles || (!open && count > singles))
      return p.error(p.tok, "'%s' has %u result%s, but %u result types", std::string(info.name).c_str(), singles,
                     singles == 1 ? "" : "s", count);
    uint32_t at = first, spare = count - singles;
    for (unsigned s = 0; s < info.num_results; ++s) {
      uint32_t n = info.results[s].arity == Arity::One ? 1 : spare;
      if (info.results[s].arity != Arity::One) spare = 0;
      d.resTypes[s] = {at, n, true};
      at += n;
    }
    return true;
  }

  bool functionType(const Elem &e) {
    std::vector<Type> ins, outs;
    Token where = p.tok;
    if (!p.functionTypes(ins, outs)) return false;
    uint32_t first = static_cast<uint32_t>(d.types.size());
    d.types.insert(d.types.end(), ins.begin(), ins.end());
    uint32_t res = static_cast<uint32_t>(d.types.size());
    d.types.insert(d.types.end(), outs.begin(), outs.end());
    if (e.inSlot == 255) {
      if (!spread(d.opTypes, first, res - first)) return false;
    } else {
      d.opTypes[e.inSlot] = {first, res - first, true};
      if (res - first != d.ops[e.inSlot].count)
        return p.error(where, "'%s' has %u operands here, but %u operand types", std::string(info.name).c_str(),
                       d.ops[e.inSlot].count, res - first);
    }
    return spreadResults(res, static_cast<uint32_t>(outs.size()));
  }

  bool attrValue(const AttrInfo &a) {
    Attr v = nullptr;
    Str name = p.ctx.str(a.name);
    switch (a.type) {
    case AttrType::Unit: v = p.ctx.unit(); break;
    case AttrType::Enum: {
      v = enumAttr(*a.enums);
      break;
    }
    case AttrType::String: {
      std::string s;
      if (p.string(s)) v = p.ctx.string(s);
      break;
    }
    case AttrType::Symbol: v = p.symbolAttr(); break;
    case AttrType::Bool:
      if (!p.tok.isWord("true") && !p.tok.isWord("false")) return p.unexpected("true or false");
      v = p.attribute();
      break;
    case AttrType::I32: v = p.attribute(p.ctx.i32()); break;
    case AttrType::I64: v = p.attribute(p.ctx.i64()); break;
    case AttrType::TypeA:
      if (Type t = p.type()) v = p.ctx.typeAttr(t);
      break;
    default: v = p.attribute(); break;
    }
    if (!v) return false;
    d.spec.attrs.push_back({name, v});
    return true;
  }

  Attr enumAttr(const EnumInfo &e) {
    Token where = p.tok;
    bool brackets = e.separator && e.storage[0] == '#';
    if (brackets && !p.expect(Tok::Less, "'<' before the flags")) return nullptr;
    int64_t value = 0;
    for (;;) {
      if (!p.at(Tok::Word)) return p.unexpected(e.name), nullptr;
      const EnumCase *c = enumCase(e, p.tok.text());
      if (!c) {
        std::string all;
        for (unsigned i = 0; i < e.count && all.size() < 160; ++i) all.append(i ? ", " : "").append(e.cases[i].spelling);
        return p.error(p.tok, "unknown %s '%.60s'\nexpected one of %s", e.name, std::string(p.tok.text()).c_str(),
                       all.c_str()), nullptr;
      }
      value |= c->value;
      p.advance();
      if (!e.separator) break;
      if (!p.accept(Tok::Bar) && !(brackets && p.accept(Tok::Comma))) break;
    }
    if (brackets && !p.expect(Tok::Greater, "'>' after the flags")) return nullptr;
    std::string spelling;
    if (!enumSpelling(e, value, spelling)) return p.error(where, "unknown %s", e.name), nullptr;
    return p.ctx.enumeration(value, spelling);
  }

  bool list(const AttrInfo &a) { // [1, 2]
    std::vector<int64_t> v;
    if (!p.expect(Tok::LSquare, "'['")) return false;
    Type elem = a.type == AttrType::ArrayI64 ? p.ctx.i64() : p.ctx.i32();
    if (!p.at(Tok::RSquare)) do {
        bool negative = p.accept(Tok::Minus);
        if (!p.at(Tok::Int)) return p.unexpected("a number");
        v.push_back(0);
        if (!p.intValue(p.tok, negative, elem, &v.back())) return false;
        p.advance();
      } while (p.accept(Tok::Comma));
    if (!p.expect(Tok::RSquare, "',' or ']'")) return false;
    d.spec.attrs.push_back({p.ctx.str(a.name), p.ctx.denseArray(elem, {v.data(), static_cast<uint32_t>(v.size())})});
    return true;
  }

  // arith.select: `T` with a scalar condition, else `type of the condition, T`
  bool selectTypes() {
    Type t = p.type();
    if (!t) return false;
    Type cond = p.ctx.i1();
    if (p.accept(Tok::Comma)) {
      cond = t;
      t = p.type();
      if (!t) return false;
    }
    uint32_t n = static_cast<uint32_t>(d.types.size());
    d.types.push_back(cond);
    d.types.push_back(t);
    d.opTypes[0] = {n, 1, true};
    d.opTypes[1] = d.opTypes[2] = d.resTypes[0] = {n + 1, 1, true};
    return true;
  }

  // [%dep] or []: the operation gives a token; the operand (slot `index`) is optional
  bool token(const Elem &e) {
    Draft::Run &res = d.resTypes[e.outSlot];
    res = {static_cast<uint32_t>(d.types.size()), 0, true};
    d.ops[e.index] = {static_cast<uint32_t>(d.refs.size()), 0, true};
    d.opTypes[e.index] = {static_cast<uint32_t>(d.types.size()), 0, true};
    if (!p.accept(Tok::LSquare)) return true;
    if (p.at(Tok::Percent)) {
      d.refs.emplace_back();
      if (!p.operand(d.refs.back())) return false;
      d.ops[e.index].count = d.opTypes[e.index].count = 1;
    }
    d.types.push_back(p.ctx.asyncToken());
    res.count = 1;
    return p.expect(Tok::RSquare, "']' after the token");
  }

  // , %barrier[%pred], …: two slots of one length, from `index` on
  bool barriers(const Elem &e) {
    std::vector<OperandRef> preds;
    Draft::Run &b = d.ops[e.index], &q = d.ops[e.index + 1];
    b = {static_cast<uint32_t>(d.refs.size()), 0, true};
    while (p.accept(Tok::Comma)) {
      d.refs.emplace_back();
      preds.emplace_back();
      if (!p.operand(d.refs.back()) || !p.expect(Tok::LSquare, "'[' and the barrier's condition") ||
          !p.operand(preds.back()) || !p.expect(Tok::RSquare, "']' after the barrier's condition"))
        return false;
    }
    b.count = static_cast<uint32_t>(preds.size());
    q = {static_cast<uint32_t>(d.refs.size()), b.count, true};
    d.refs.insert(d.refs.end(), preds.begin(), preds.end());
    return true;
  }

  // llvm.intr.assume %c ["align"(%p, %n : !tt.ptr<f32>, i64), …]
  bool opBundles() {
    if (!p.at(Tok::LSquare)) return true;
    p.advance();
    std::vector<int64_t> sizes;
    std::vector<Attr> tags;
    uint32_t firstRef = static_cast<uint32_t>(d.refs.size()), firstType = static_cast<uint32_t>(d.types.size());
    if (!p.at(Tok::RSquare)) do {
        std::string tag;
        if (!p.string(tag) || !p.expect(Tok::LParen, "'(' after the tag")) return false;
        size_t before = d.refs.size(), types = d.types.size();
        if (!p.at(Tok::RParen)) {
          if (!p.operands(d.refs) || !p.expect(Tok::Colon, "':' and the operands' types") || !p.typeList(d.types))
            return false;
          if (d.refs.size() - before != d.types.size() - types)
            return p.error(p.tok, "as many types as operands are needed");
        }
        if (!p.expect(Tok::RParen, "')' after the bundle")) return false;
        sizes.push_back(static_cast<int64_t>(d.refs.size() - before));
        tags.push_back(p.ctx.string(tag));
      } while (p.accept(Tok::Comma));
    if (!p.expect(Tok::RSquare, "']' after the bundles")) return false;
    uint32_t n = static_cast<uint32_t>(d.refs.size()) - firstRef;
    d.ops[1] = {firstRef, n, true};
    d.opTypes[1] = {firstType, n, true};
    d.spec.attrs.push_back(
        {p.ctx.str("op_bundle_sizes"), p.ctx.denseArray(p.ctx.i32(), {sizes.data(), static_cast<uint32_t>(sizes.size())})});
    d.spec.attrs.push_back({p.ctx.str("op_bundle_tags"), p.ctx.array({tags.data(), static_cast<uint32_t>(tags.size())})});
    return true;
  }
};

bool Parser::formatVariant(Draft &d) {
  const OpInfo &info = d.info();
  unsigned variants = info.num_formats;
  if (variants == 1) {
    const Format &f = formatOf(info, 0);
    if (f.bad) return error(d.at, "internal: printed form in the op table: '%s'", f.bad);
    return FormatReader{*this, d, f, info}.run(0, f.elems.size());
  }
  // Several releases, several forms: the newest that fits. What fits only an older one tells the release.
  Mark start = mark();
  Draft::Run none;
  auto reset = [&] {
    rewind(start);
    d.spec.attrs.clear();
    d.spec.succs.clear();
    d.refs.clear();
    d.types.clear();
    d.dict_from = SIZE_MAX;
    for (unsigned i = 0; i < Draft::max_slots; ++i) d.ops[i] = d.opTypes[i] = d.resTypes[i] = none;
  };
  unsigned best = variants - 1;
  const char *best_at = nullptr;
  for (unsigned v = variants; v-- > 0;) {
    const Format &f = formatOf(info, v);
    ++silent;
    furthest = nullptr;
    bool ok = FormatReader{*this, d, f, info}.run(0, f.elems.size());
    --silent;
    if (ok) {
      if (v != variants - 1) seen(v ? info.formats[v - 1].last_syntax + 1u : 36u, info.formats[v].last_syntax);
      return true;
    }
    if (furthest > best_at) {
      best_at = furthest;
      best = v;
    }
    reset();
  }
  const Format &f = formatOf(info, best); // again, to say what is wrong
  return FormatReader{*this, d, f, info}.run(0, f.elems.size()) && error(d.at, "not understood");
}

/// The type of a slot that allows only one.
Type Parser::fixedType(Constraint c) {
  switch (c) {
  case Constraint::i1: return ctx.i1();
  case Constraint::i16: return ctx.intType(16);
  case Constraint::i32: return ctx.i32();
  case Constraint::i64: return ctx.i64();
  case Constraint::token: return ctx.asyncToken();
  default: return nullptr;
  }
}

bool Parser::formatOp(Draft &d) {
  const OpInfo &info = d.info();
  if (!formatVariant(d) || !normaliseAttrs(d)) return false;
  // Operands in the order of the slots; what the form did not say about types follows from the table's rules.
  uint32_t counts[Draft::max_slots], resCounts[Draft::max_slots];
  bool missing = false;
  for (unsigned s = 0; s < info.num_operands; ++s) {
    counts[s] = d.ops[s].count;
    missing |= counts[s] && !d.opTypes[s].given;
    if (d.opTypes[s].given && d.opTypes[s].count != counts[s])
      return error(d.at, "'%s' has %u operands '%s', but %u types for them", std::string(info.name).c_str(), counts[s],
                   info.operands[s].name, d.opTypes[s].count);
  }
  bool openResult = false;
  for (unsigned s = 0; s < info.num_results; ++s) {
    resCounts[s] = d.resTypes[s].given ? d.resTypes[s].count : info.results[s].arity == Arity::One ? 1 : 0;
    missing |= !d.resTypes[s].given;
    openResult |= !d.resTypes[s].given && info.results[s].arity != Arity::One;
  }
  if (missing) {
    env.module = mod;
    env.reset(info, {d.spec.attrs.data(), static_cast<uint32_t>(d.spec.attrs.size())}, counts,
              openResult ? nullptr : resCounts);
    for (unsigned s = 0; s < info.num_operands + info.num_results; ++s) {
      const Draft::Run &r = s < info.num_operands ? d.opTypes[s] : d.resTypes[s - info.num_operands];
      Constraint c = s < info.num_operands ? info.operands[s].constraint : Constraint::any;
      Type fixed = fixedType(c);
      for (unsigned k = 0; k < env.count[s]; ++k) env.at(s, k) = r.given ? d.types[r.first + k] : fixed;
    }
    if (!inferTypes(env)) return error(d.at, "'%s': %s", std::string(info.name).c_str(), env.error.c_str());
    for (unsigned s = 0; openResult && s < info.num_results; ++s) resCounts[s] = env.count[info.num_operands + s];
  }
  for (unsigned s = 0; s < info.num_operands; ++s) {
    for (unsigned k = 0; k < counts[s]; ++k) {
      Value *v = resolveValue(d.refs[d.ops[s].first + k], missing ? env.at(s, k) : d.types[d.opTypes[s].first + k]);
      if (!v) return false;
      d.spec.operands.push_back(v);
    }
  }
  d.spec.segments.assign(counts, counts + info.num_operands);
  for (unsigned s = 0; s < info.num_results; ++s)
    for (unsigned k = 0; k < resCounts[s]; ++k)
      d.spec.results.push_back(missing ? env.at(info.num_operands + s, k) : d.types[d.resTypes[s].first + k]);
  return true;
}

} // namespace tir
