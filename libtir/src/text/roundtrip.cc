// SPDX-License-Identifier: MIT
// Works on tokens alone, on purpose: it shares nothing with the parser but the lexer.
#include "roundtrip.hh"
#include "bytecode/bytecode.hh"
#include "lexer.hh"
#include <unordered_map>
#include <vector>

namespace tir {

using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace {

struct Item {
  Token tok;
  bool def = false;   // a value or block is named for the first time, or anew
  bool value = false; // %name
  bool label = false; // ^name
};

/// The tokens that count.
struct Tokens {
  std::string text;
  std::vector<Item> items;

  explicit Tokens(std::string_view t) : text(t) {
    Lexer lex(text.data(), text.data() + text.size());
    std::vector<Token> all;
    for (Token k = lex.next(); !k.is(Tok::Eof); k = lex.next()) all.push_back(k);
    Token end = lex.next();
    all.push_back(end);
    all.push_back(end);
    all.push_back(end);
    bool in_alias = false; // of a location: up to the end of its loc(…)
    for (size_t i = 0; i + 3 < all.size(); ++i) {
      const Token &k = all[i];
      if (k.is(Tok::Hash) && k.first && all[i + 1].is(Tok::Equal) && all[i + 2].isWord("loc")) {
        in_alias = true;
        ++i;
        continue;
      }
      bool attribute = !items.empty() && items.back().tok.is(Tok::Equal) && !in_alias;
      if (k.isWord("loc") && all[i + 1].is(Tok::LParen) && !attribute) {
        int depth = 0;
        for (++i; i + 3 < all.size(); ++i) {
          if (all[i].is(Tok::LParen)) ++depth;
          if (all[i].is(Tok::RParen) && --depth == 0) break;
        }
        in_alias = false;
        continue;
      }
      Item item;
      item.tok = k;
      item.value = k.is(Tok::Percent);
      item.label = k.is(Tok::Caret);
      items.push_back(item);
    }
    for (size_t i = 0; i < items.size(); ++i) definitions(i);
  }

  bool is(size_t i, Tok k) const { return i < items.size() && items[i].tok.is(k); }

  size_t closing(size_t i) const { // of the '(' at i
    int depth = 0;
    for (; i < items.size(); ++i) {
      if (is(i, Tok::LParen)) ++depth;
      if (is(i, Tok::RParen) && --depth == 0) return i;
    }
    return items.size();
  }

  void namesIn(size_t open, size_t close) { // (%a: T, %b: T)
    int depth = 0;
    for (size_t i = open; i < close; ++i) {
      if (is(i, Tok::LParen)) ++depth;
      if (is(i, Tok::RParen)) --depth;
      if (depth == 1 && is(i, Tok::Percent) && is(i + 1, Tok::Colon)) items[i].def = true;
    }
  }

  void definitions(size_t i) {
    if (is(i, Tok::Equal) && i) { // %a:2, %b = …; but only %b of `%a = %x, %b = %y`
      std::vector<size_t> list;
      size_t at = i;
      for (;;) {
        size_t n = at - 1;
        if (is(n, Tok::Int) && n >= 2 && is(n - 1, Tok::Colon)) n -= 2;
        if (!is(n, Tok::Percent)) break;
        list.push_back(n);
        if (n < 2 || !is(n - 1, Tok::Comma)) {
          at = n;
          break;
        }
        at = n - 1;
      }
      if (list.empty()) return;
      bool assigned = list.back() > 0 && is(list.back() - 1, Tok::Equal);
      for (size_t k = 0; k < (assigned ? 1 : list.size()); ++k) items[list[k]].def = true;
    } else if (is(i, Tok::Caret)) {
      if (is(i + 1, Tok::Colon)) {
        items[i].def = true;
      } else if (is(i + 1, Tok::LParen)) {
        size_t close = closing(i + 1);
        if (!is(close + 1, Tok::Colon)) return;
        items[i].def = true;
        namesIn(i + 1, close);
      }
    } else if (items[i].tok.isWord("tt.func")) {
      size_t open = i;
      while (open < items.size() && !is(open, Tok::LParen) && open < i + 8) ++open;
      if (is(open, Tok::LParen)) namesIn(open, closing(open));
    }
  }

  bool hasModule() const {
    for (const Item &it : items) {
      if (it.tok.isWord("module") || it.tok.isWord("builtin.module") || it.tok.text() == "\"builtin.module\"") return true;
      if (it.tok.is(Tok::Percent) || it.tok.isWord("tt.func")) return false;
    }
    return true;
  }
  void dropModule() {
    for (size_t i = 0; i + 1 < items.size(); ++i)
      if (items[i].tok.isWord("module") && is(i + 1, Tok::LBrace)) {
        items.erase(items.begin() + static_cast<std::ptrdiff_t>(i), items.begin() + static_cast<std::ptrdiff_t>(i) + 2);
        if (!items.empty() && items.back().tok.is(Tok::RBrace)) items.pop_back();
        return;
      }
  }
};

/// Names of one side, by scope: what a pair of braces defined ends with it.
struct Names {
  std::unordered_map<std::string_view, std::vector<uint32_t>> ids; // newest last
  std::vector<std::vector<std::string_view>> scopes{1};

  uint32_t find(std::string_view n) const {
    auto it = ids.find(n);
    return it == ids.end() || it->second.empty() ? 0 : it->second.back();
  }
  void bind(std::string_view n, uint32_t id) {
    ids[n].push_back(id);
    scopes.back().push_back(n);
  }
  void open() { scopes.emplace_back(); }
  void close() {
    if (scopes.size() < 2) return;
    for (std::string_view n : scopes.back()) ids[n].pop_back();
    scopes.pop_back();
  }
};

struct Pairing {
  Names a, b;
  uint32_t next = 1;
  std::vector<bool> forward{false}; // by id: used, not defined yet

  bool same(const Item &x, const Item &y) {
    uint32_t i = a.find(x.tok.text()), j = b.find(y.tok.text());
    if (x.def != y.def) return false;
    if (x.def) {
      bool fi = i && forward[i], fj = j && forward[j];
      if (fi || fj) {
        if (i != j) return false;
        forward[i] = false;
        return true;
      }
      i = j = 0;
    }
    if (!i && !j) {
      forward.push_back(!x.def);
      a.bind(x.tok.text(), next);
      b.bind(y.tok.text(), next++);
      return true;
    }
    return i == j;
  }
};

/// Labels belong to the region they stand in, so each pair of braces has its own.
struct LabelPairing {
  std::vector<Pairing> levels{1};
  bool same(const Item &x, const Item &y) { return levels.back().same(x, y); }
};

} // namespace

Status compareText(std::string_view first, std::string_view second) {
  Tokens a(first), b(second);
  bool ma = a.hasModule(), mb = b.hasModule();
  if (ma && !mb) a.dropModule();
  if (mb && !ma) b.dropModule();
  Pairing values;
  LabelPairing labels;
  size_t n = std::max(a.items.size(), b.items.size());
  for (size_t i = 0; i < n; ++i) {
    if (i >= a.items.size() || i >= b.items.size()) {
      const Token &t = i < a.items.size() ? a.items[i].tok : b.items[i].tok;
      return fail(Code::PARSE, "the %s text goes on at %u:%u with '%.60s'", i < a.items.size() ? "first" : "second",
                  t.line, t.col, std::string(t.text()).c_str());
    }
    const Item &x = a.items[i], &y = b.items[i];
    bool same;
    if (x.value && y.value) same = values.same(x, y);
    else if (x.label && y.label) same = labels.same(x, y);
    else same = x.tok.kind == y.tok.kind && x.tok.text() == y.tok.text();
    if (!same)
      return fail(Code::PARSE, "'%.60s' at %u:%u of the first text, but '%.60s' at %u:%u of the second",
                  std::string(x.tok.text()).c_str(), x.tok.line, x.tok.col, std::string(y.tok.text()).c_str(), y.tok.line,
                  y.tok.col);
    if (x.tok.is(Tok::LBrace)) {
      values.a.open();
      values.b.open();
      labels.levels.emplace_back();
    } else if (x.tok.is(Tok::RBrace)) {
      values.a.close();
      values.b.close();
      if (labels.levels.size() > 1) labels.levels.pop_back();
    }
  }
  return tessera::ok_status();
}

namespace {
bool sameLoc(Loc a, Loc b, bool added) {
  if (isTextLoc(a)) a = nullptr;
  if (isTextLoc(b)) b = nullptr;
  return a == b || (added && !a);
}

Status compareOps(const Op *a, const Op *b, bool added) {
  if (a->code != b->code || a->numRegions() != b->numRegions())
    return fail(Code::PARSE, "'%s' became '%s'", std::string(a->name()).c_str(), std::string(b->name()).c_str());
  // The implicit yield of a loop stands nowhere in the text.
  if (!sameLoc(a->loc, b->loc, added))
    return fail(Code::PARSE, "the location %s of '%s' became %s", locText(a->loc).c_str(),
                std::string(a->name()).c_str(), locText(b->loc).c_str());
  for (unsigned r = 0; r < a->numRegions(); ++r) {
    const Block *x = a->region(r)->first, *y = b->region(r)->first;
    for (; x && y; x = x->next, y = y->next) {
      if (x->numArgs() != y->numArgs()) return fail(Code::PARSE, "a block of '%s' has other arguments", std::string(a->name()).c_str());
      for (unsigned i = 0; i < x->numArgs(); ++i)
        if (!sameLoc(x->arg(i)->loc, y->arg(i)->loc, added))
          return fail(Code::PARSE, "the location %s of an argument became %s", locText(x->arg(i)->loc).c_str(),
                      locText(y->arg(i)->loc).c_str());
      const Op *p = x->first, *q = y->first;
      for (; p && q; p = p->next, q = q->next) TESSERA_TRY(compareOps(p, q, added));
      if (p || q) return fail(Code::PARSE, "a block of '%s' has another number of operations", std::string(a->name()).c_str());
    }
    if (x || y) return fail(Code::PARSE, "'%s' has another number of blocks", std::string(a->name()).c_str());
  }
  return tessera::ok_status();
}

Status step(const char *what, Status s) {
  if (!s.ok()) s.message = tessera::format("%s: %s", what, s.message.c_str());
  return s;
}
} // namespace

Status compareLocations(const Module &a, const Module &b, bool added) { return compareOps(a.op, b.op, added); }

Status roundTrip(const Module &m, std::string_view source, const RoundTrip &o) {
  PrintOptions p{.locations = true};
  std::string printed, twice, bytes, third;
  TESSERA_TRY(step("printing", printText(m, p, printed)));
  bool from_bytes = looksLikeBytecode(source);
  if (!from_bytes) TESSERA_TRY(step("text", compareText(source, printed)));
  std::unique_ptr<Module> again = parseText(m.ctx, printed, m.source_name);
  if (!again) return fail(Code::PARSE, "what was printed cannot be read");
  TESSERA_TRY(step("locations", compareLocations(m, *again)));
  p.syntax = again->syntax == Syntax::Auto ? m.syntax : Syntax::Auto;
  TESSERA_TRY(step("printing again", printText(*again, p, twice)));
  if (printed != twice) {
    TESSERA_TRY(step("printing again", compareText(printed, twice)));
    return fail(Code::PARSE, "printing again: names of values or locations changed");
  }
  if (!o.bytecode) return tessera::ok_status();
  TESSERA_TRY(step("bytecode", writeBytecode(m, {}, bytes)));
  if (from_bytes && bytes != source) {
    std::string bare;
    TESSERA_TRY(step("bytecode", writeBytecode(m, BytecodeOptions{.debug = false}, bare)));
    if (bare != source) return fail(Code::PARSE, "bytecode: written back, the bytes differ");
  }
  auto back = readBytecode(m.ctx, bytes, m.source_name);
  TESSERA_TRY(step("bytecode", back.status));
  p.syntax = Syntax::Auto;
  TESSERA_TRY(step("bytecode", printText(*back.value, p, third)));
  TESSERA_TRY(step("bytecode", compareLocations(m, *back.value)));
  if (printed != third) {
    TESSERA_TRY(step("bytecode", compareText(printed, third)));
    return fail(Code::PARSE, "bytecode: names of values or locations are lost");
  }
  return tessera::ok_status();
}

} // namespace tir
