// SPDX-License-Identifier: MIT
#include "format.hh"
#include <atomic>

namespace tir {

namespace {

struct Compiler {
  const OpInfo &info;
  const char *p;
  Format &f;

  void blanks() {
    while (*p == ' ') ++p;
  }
  bool eat(char c) {
    blanks();
    if (*p != c) return false;
    ++p;
    return true;
  }
  std::string_view word() {
    blanks();
    const char *b = p;
    while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' || *p == '-')
      ++p;
    return {b, static_cast<size_t>(p - b)};
  }
  bool fail() {
    if (!f.bad) f.bad = p;
    return false;
  }

  static Tok token(std::string_view s) {
    struct Row { std::string_view text; Tok tok; };
    static constexpr Row rows[] = {{",", Tok::Comma},   {":", Tok::Colon},   {"=", Tok::Equal},  {"(", Tok::LParen},
                                   {")", Tok::RParen},  {"[", Tok::LSquare}, {"]", Tok::RSquare}, {"<", Tok::Less},
                                   {">", Tok::Greater}, {"->", Tok::Arrow},  {"*", Tok::Star}};
    for (const Row &r : rows)
      if (r.text == s) return r.tok;
    return Tok::Word;
  }

  int resultSlot(std::string_view name) const {
    for (unsigned i = 0; i < info.num_results; ++i)
      if (name == info.results[i].name) return static_cast<int>(i);
    return -1;
  }
  int attrIndex(std::string_view name) const {
    for (unsigned i = 0; i < info.num_attrs; ++i)
      if (name == info.attrs[i].name) return static_cast<int>(i);
    return -1;
  }
  Elem &add(El kind) {
    Elem e;
    e.kind = kind;
    f.elems.push_back(e);
    return f.elems.back();
  }
  bool slotType(El op, El res) { // ($x)
    if (!eat('$')) return fail();
    std::string_view n = word();
    int i = info.operandSlot(n), r = resultSlot(n);
    if (i < 0 && r < 0) return fail();
    add(i >= 0 ? op : res).index = static_cast<uint8_t>(i >= 0 ? i : r);
    return eat(')') || fail();
  }
  bool attrRef(El kind) {
    int a = attrIndex(word());
    if (a < 0) return fail();
    add(kind).index = static_cast<uint8_t>(a);
    if (a < 32) f.attr_printed[a] = true;
    return true;
  }

  bool sequence(char stop) { // elements up to `stop` (0, ')' or '|'), which stays
    for (;;) {
      blanks();
      if (*p == stop || (stop == '|' && *p == ')') || !*p) return *p || !stop || fail();
      if (!element()) return false;
      if (eat('^')) f.elems.back().anchor = true;
    }
  }

  bool element() {
    if (eat('`')) {
      const char *b = p;
      while (*p && *p != '`') ++p;
      if (!*p) return fail();
      std::string_view text(b, static_cast<size_t>(p - b));
      ++p;
      if (text.empty()) return true; // no blank here: tokens count, not blanks
      Elem &e = add(El::Literal);
      e.text = text;
      e.tok = token(text);
      return true;
    }
    if (eat('$')) {
      const char *back = p;
      int slot = info.operandSlot(word());
      if (slot >= 0) {
        add(El::Operand).index = static_cast<uint8_t>(slot);
        return true;
      }
      p = back;
      return attrRef(El::AttrValue);
    }
    if (eat('(')) return group();
    std::string_view w = word();
    if (w == "attr-dict") {
      bool policy = *p == '(' && eat('(');
      if (policy && (word() != "policy" || !eat(')'))) return fail();
      add(policy ? El::AttrDictPolicy : El::AttrDict);
      return true;
    }
    if (w == "operands") return add(El::Operands), true;
    if (w == "succ") return add(El::Succ), true;
    if (w == "custom") {
      if (!eat('<')) return fail();
      std::string_view name = word();
      if (name == "Token" || name == "Barriers") return handWritten(name) && (eat('>') || fail());
      if (name != "OpBundles" && name != "SelectTypes") return fail();
      add(name == "OpBundles" ? El::OpBundles : El::SelectTypes);
      for (std::string_view own : {"op_bundle_sizes", "op_bundle_tags"})
        if (int a = attrIndex(own); name == "OpBundles" && a >= 0 && a < 32) f.attr_printed[a] = true;
      return eat('>') || fail();
    }
    if (!eat('(')) return fail();
    if (w == "oilist") return oilist();
    if (w == "list") return eat('$') && attrRef(El::List) && (eat(')') || fail());
    if (w == "stripped") return slotType(El::OpStripped, El::ResStripped);
    if (w == "type") {
      const char *back = p;
      std::string_view all = word();
      if (all == "operands" || all == "results") {
        add(all == "operands" ? El::AllOpTypes : El::AllResTypes);
        return eat(')') || fail();
      }
      p = back;
      return slotType(El::OpType, El::ResType);
    }
    if (w == "functional-type") {
      Elem e;
      e.kind = El::FuncType;
      if (eat('$')) {
        int i = info.operandSlot(word());
        if (i < 0) return fail();
        e.inSlot = static_cast<uint8_t>(i);
      } else if (word() != "operands") {
        return fail();
      }
      if (!eat(',')) return fail();
      if (eat('$')) {
        int i = resultSlot(word());
        if (i < 0) return fail();
        e.outSlot = static_cast<uint8_t>(i);
      } else if (word() != "results") {
        return fail();
      }
      f.elems.push_back(e);
      return eat(')') || fail();
    }
    return fail();
  }

  // Their slots: the first operand that may be a token and the result `token`; `barriers` and what follows it.
  bool handWritten(std::string_view name) {
    bool token = name == "Token";
    int slot = token ? -1 : info.operandSlot("barriers"), result = token ? resultSlot("token") : 0;
    for (unsigned i = 0; token && i < info.num_operands && slot < 0; ++i)
      if (info.operands[i].constraint == Constraint::token) slot = static_cast<int>(i);
    if (slot < 0 || result < 0) return fail();
    Elem &e = add(token ? El::Token : El::Barriers);
    e.index = static_cast<uint8_t>(slot);
    e.outSlot = static_cast<uint8_t>(result);
    return true;
  }

  bool group() {
    size_t at = f.elems.size();
    add(El::Group);
    if (!sequence(')') || !eat(')') || !eat('?')) return fail();
    f.elems[at].end = static_cast<uint16_t>(f.elems.size());
    for (size_t i = at + 1; i < f.elems.size(); ++i)
      if (f.elems[i].anchor) f.elems[at].anchorAt = static_cast<uint16_t>(i);
    return f.elems[at].anchorAt || fail();
  }

  bool oilist() {
    size_t at = f.elems.size();
    add(El::Oilist);
    do {
      size_t clause = f.elems.size();
      add(El::Clause);
      if (!sequence('|')) return fail();
      f.elems[clause].end = static_cast<uint16_t>(f.elems.size());
      for (size_t i = clause + 1; i < f.elems.size(); ++i)
        if (f.elems[i].kind == El::AttrValue) f.elems[clause].anchorAt = static_cast<uint16_t>(i);
      if (!f.elems[clause].anchorAt) return fail();
    } while (eat('|'));
    f.elems[at].end = static_cast<uint16_t>(f.elems.size());
    return eat(')') || fail();
  }
};

} // namespace

const Format &formatOf(const OpInfo &info, unsigned variant) {
  constexpr unsigned max_variants = 4;
  static std::atomic<const Format *> cache[static_cast<unsigned>(Opcode::count_)][max_variants];
  std::atomic<const Format *> &slot = cache[static_cast<unsigned>(info.code)][variant % max_variants];
  if (const Format *f = slot.load(std::memory_order_acquire)) return *f;
  Format *f = new Format; // lives as long as the process
  Compiler c{info, info.formats[variant].format, *f};
  c.sequence(0);
  const Format *expected = nullptr;
  if (!slot.compare_exchange_strong(expected, f, std::memory_order_acq_rel)) {
    delete f;
    return *expected;
  }
  return *f;
}

} // namespace tir
