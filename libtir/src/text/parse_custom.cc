// SPDX-License-Identifier: MIT
// Forms that the op table calls custom: module, function, structured control flow.
#include "parser.hh"

namespace tir {

struct CustomReader {
  Parser &p;
  Draft &d;

  void set(std::string_view name, Attr v) { d.spec.attrs.push_back({p.ctx.str(name), v}); }

  bool attributesKeyword() { // [attributes {…}]
    if (!p.acceptWord("attributes")) return true;
    return p.dictEntries(d.spec.attrs);
  }

  bool symbolName() {
    Attr s = p.symbolAttr();
    if (!s) return false;
    set("sym_name", p.ctx.string(s->text.view()));
    return true;
  }

  bool body(bool isolated, Block *entry, const std::vector<Token> *names) {
    d.regions.emplace_back();
    std::vector<Block *> blocks;
    bool ok = p.region(blocks, isolated, entry, names);
    d.regions.back() = std::move(blocks);
    return ok;
  }

  // module @name attributes {…} {…}
  bool module() {
    if (p.at(Tok::At) && !symbolName()) return false;
    return attributesKeyword() && body(true, p.mod->createBlock(), nullptr);
  }

  // tt.func public @f(%x: T {a = 1} loc(…), …) -> T attributes {…} {…}; a declaration has neither names nor body
  bool func() {
    for (const char *v : {"public", "private", "nested"})
      if (p.acceptWord(v)) {
        set("sym_visibility", p.ctx.string(v));
        break;
      }
    if (!symbolName()) return false;
    Block *entry = p.mod->createBlock();
    std::vector<Token> names;
    std::vector<Type> ins, outs;
    std::vector<Attr> argAttrs, resAttrs;
    if (!p.expect(Tok::LParen, "'(' before the arguments")) return false;
    if (!p.at(Tok::RParen)) do
        if (!argument(entry, names, ins, argAttrs)) return false;
      while (p.accept(Tok::Comma));
    if (!p.expect(Tok::RParen, "',' or ')' in the arguments")) return false;
    if (p.accept(Tok::Arrow) && !results(outs, resAttrs)) return false;
    set("function_type", p.ctx.typeAttr(p.ctx.function({ins.data(), static_cast<uint32_t>(ins.size())},
                                                       {outs.data(), static_cast<uint32_t>(outs.size())})));
    arrayOfDicts("arg_attrs", argAttrs);
    arrayOfDicts("res_attrs", resAttrs);
    if (!attributesKeyword()) return false;
    if (!p.at(Tok::LBrace)) { // a declaration
      d.regions.emplace_back();
      return true;
    }
    if (names.size() != ins.size()) return p.error(p.tok, "a function with a body needs names for its arguments");
    return body(true, entry, &names);
  }

  bool argument(Block *entry, std::vector<Token> &names, std::vector<Type> &ins, std::vector<Attr> &attrs) {
    Token t = p.tok;
    bool named = p.at(Tok::Percent);
    if (!ins.empty() && named != !names.empty())
      return p.error(t, "either all arguments have names, or none");
    if (named) {
      p.advance();
      if (!p.expect(Tok::Colon, "':' and the argument's type")) return false;
    }
    Type ty = p.type();
    if (!ty) return false;
    ins.push_back(ty);
    std::vector<NamedAttr> entries;
    if (p.at(Tok::LBrace) && !p.dictEntries(entries)) return false;
    attrs.push_back(p.ctx.dict(std::move(entries)));
    LocRef l;
    if (!p.trailingLoc(l)) return false;
    if (!named) return true;
    names.push_back(t);
    Value *v = entry->addArg(*p.mod, ty);
    v->name = p.hint(t);
    p.place(v, l);
    return true;
  }

  bool results(std::vector<Type> &outs, std::vector<Attr> &attrs) {
    if (!p.accept(Tok::LParen)) {
      Type t = p.type();
      if (!t) return false;
      outs.push_back(t);
      return true;
    }
    if (!p.at(Tok::RParen)) do {
        Type t = p.type();
        if (!t) return false;
        outs.push_back(t);
        std::vector<NamedAttr> entries;
        if (p.at(Tok::LBrace) && !p.dictEntries(entries)) return false;
        attrs.push_back(p.ctx.dict(std::move(entries)));
      } while (p.accept(Tok::Comma));
    return p.expect(Tok::RParen, "',' or ')' in the result types");
  }

  void arrayOfDicts(const char *name, const std::vector<Attr> &attrs) { // left out when all are empty
    bool any = false;
    for (Attr a : attrs) any |= !a->entries.empty();
    if (any) set(name, p.ctx.array({attrs.data(), static_cast<uint32_t>(attrs.size())}));
  }

  Value *value(const OperandRef &r, Type t) {
    Value *v = p.resolveValue(r, t);
    if (v) d.spec.operands.push_back(v);
    return v;
  }

  /// (%a = %x, %b = %y), from the '(' on
  bool assignments(std::vector<Token> &names, std::vector<OperandRef> &from) {
    if (!p.expect(Tok::LParen, "'('")) return false;
    if (!p.at(Tok::RParen)) do {
        if (!p.at(Tok::Percent)) return p.unexpected("the name of a loop variable");
        names.push_back(p.tok);
        p.advance();
        from.emplace_back();
        if (!p.expect(Tok::Equal, "'=' and the value it begins with") || !p.operand(from.back())) return false;
      } while (p.accept(Tok::Comma));
    return p.expect(Tok::RParen, "',' or ')' after the loop variables");
  }

  /// (T, T) of results
  bool typesInParens(std::vector<Type> &out) {
    if (!p.expect(Tok::LParen, "'(' before the types")) return false;
    if (!p.at(Tok::RParen) && !p.typeList(out)) return false;
    return p.expect(Tok::RParen, "',' or ')' in the types");
  }

  /// A region that may end without its yield gets one.
  void yieldAtEnd() {
    for (Block *b : d.regions.back()) {
      if (b->terminator()) continue;
      OpSpec y{.code = Opcode::scf_yield, .loc = textLoc(p.ctx, p.name, p.prev.line, p.prev.col)};
      b->append(p.mod->create(y));
    }
  }

  Value *argument(Block *b, Type t, const Token &name) {
    Value *v = b->addArg(*p.mod, t);
    v->name = p.hint(name);
    return v;
  }

  // scf.for [unsigned] %i = %lb to %ub step %s [iter_args(%a = %x) -> (T)] [: T] {…} {attributes}
  bool forLoop() {
    if (p.acceptWord("unsigned")) set("unsignedCmp", p.ctx.unit());
    std::vector<Token> names{p.tok};
    std::vector<OperandRef> from;
    OperandRef bounds[3];
    if (!p.at(Tok::Percent)) return p.unexpected("the induction variable (%name)");
    p.advance();
    if (!p.expect(Tok::Equal, "'=' and the first value") || !p.operand(bounds[0])) return false;
    if (!p.acceptWord("to")) return p.unexpected("'to' and the upper bound");
    if (!p.operand(bounds[1])) return false;
    if (!p.acceptWord("step")) return p.unexpected("'step'");
    if (!p.operand(bounds[2])) return false;
    std::vector<Type> &types = d.spec.results;
    Token at = p.tok;
    if (p.acceptWord("iter_args")) {
      if (!assignments(names, from) || !p.expect(Tok::Arrow, "'->' and the types of the loop variables") ||
          !typesInParens(types))
        return false;
      if (types.size() != from.size())
        return p.error(at, "%zu loop variables, but %zu types", from.size(), types.size());
    }
    Type iv = p.ctx.index();
    if (p.accept(Tok::Colon) && !(iv = p.type())) return false;
    for (const OperandRef &r : bounds)
      if (!value(r, iv)) return false;
    Block *b = p.mod->createBlock();
    argument(b, iv, names[0]);
    for (size_t i = 0; i < from.size(); ++i) {
      if (!value(from[i], types[i])) return false;
      argument(b, types[i], names[i + 1]);
    }
    if (!body(false, b, &names)) return false;
    yieldAtEnd();
    d.spec.segments = {1, 1, 1, static_cast<uint32_t>(from.size())};
    return !p.at(Tok::LBrace) || p.dictEntries(d.spec.attrs);
  }

  // scf.if %c [-> (T)] {…} [else {…}] {attributes}
  bool ifElse() {
    OperandRef c;
    if (!p.operand(c) || !value(c, p.ctx.i1())) return false;
    if (p.accept(Tok::Arrow) && !typesInParens(d.spec.results)) return false;
    if (!body(false, nullptr, nullptr)) return false;
    if (d.regions.back().empty()) d.regions.back().push_back(p.mod->createBlock());
    yieldAtEnd();
    if (p.acceptWord("else")) {
      if (!body(false, nullptr, nullptr)) return false;
      if (d.regions.back().empty()) d.regions.back().push_back(p.mod->createBlock());
      yieldAtEnd();
    } else {
      d.regions.emplace_back();
    }
    return !p.at(Tok::LBrace) || p.dictEntries(d.spec.attrs);
  }

  // scf.while (%a = %x) : (T) -> (U) {…} do {…} [attributes {…}]
  bool whileLoop() {
    std::vector<Token> names;
    std::vector<OperandRef> from;
    if (p.at(Tok::LParen) && !assignments(names, from)) return false;
    Token at = p.tok;
    std::vector<Type> ins;
    if (!p.expect(Tok::Colon, "':' and the types") || !p.functionTypes(ins, d.spec.results)) return false;
    if (ins.size() != from.size()) return p.error(at, "%zu loop variables, but %zu types", from.size(), ins.size());
    Block *b = p.mod->createBlock();
    for (size_t i = 0; i < from.size(); ++i) {
      if (!value(from[i], ins[i])) return false;
      argument(b, ins[i], names[i]);
    }
    if (!body(false, b, &names)) return false;
    if (!p.acceptWord("do")) return p.unexpected("'do' and the second region");
    return body(false, nullptr, nullptr) && attributesKeyword();
  }
};

bool Parser::customOp(Draft &d) {
  CustomReader r{*this, d};
  bool ok = false;
  switch (d.spec.code) {
  case Opcode::builtin_module: ok = r.module(); break;
  case Opcode::tt_func: ok = r.func(); break;
  case Opcode::scf_for: ok = r.forLoop(); break;
  case Opcode::scf_if: ok = r.ifElse(); break;
  case Opcode::scf_while: ok = r.whileLoop(); break;
  default: return error(d.at, "internal: no reader for this operation's form");
  }
  return ok && normaliseAttrs(d);
}

} // namespace tir
