// SPDX-License-Identifier: MIT
#include "parser.hh"
#include "float_text.hh"
#include "common/numfmt.hh"
#include <algorithm>

namespace tir {

namespace num = tessera::num;

bool Parser::string(std::string &out) {
  if (!at(Tok::String)) return unexpected("a string");
  const char *bad = nullptr;
  if (!unescape(tok.text(), out, &bad)) {
    Token t = tok;
    t.col += static_cast<uint32_t>(bad - t.begin);
    t.begin = bad;
    return error(t, "unknown escape in a string: expected \\\" \\\\ \\n \\t or two hex digits");
  }
  advance();
  return true;
}

bool Parser::integer(int64_t *out, const char *what) {
  Token t = tok;
  bool negative = accept(Tok::Minus);
  if (!at(Tok::Int)) return unexpected(what);
  if (!intValue(tok, negative, nullptr, out)) {
    (void)t;
    return false;
  }
  advance();
  return true;
}

// The value of an integer token; `type` (null: i64) bounds it. Signless types take both readings of their bits.
bool Parser::intValue(const Token &t, bool negative, Type type, int64_t *out) {
  std::string_view s = t.text();
  uint64_t v = 0;
  bool fits = true;
  if (s.size() > 2 && s[1] == 'x') {
    for (char c : s.substr(2)) {
      unsigned d = isDigit(c) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 32) - 'a' + 10);
      fits &= !(v >> 60);
      v = v << 4 | d;
    }
  } else {
    for (char c : s)
      fits &= !__builtin_mul_overflow(v, uint64_t(10), &v) && !__builtin_add_overflow(v, uint64_t(c - '0'), &v);
  }
  unsigned width = type && type->isInt() ? type->width : 64;
  bool wide = width > 64; // only the values that 64 bits hold
  if (wide) width = 64;
  uint64_t top = uint64_t(1) << (width - 1);
  uint64_t mask = width == 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1;
  Sign sign = type && type->isInt() ? type->sign : Sign::None;
  if (negative)
    fits &= v <= top && !(sign == Sign::Unsigned && v);
  else
    fits &= sign == Sign::Signed || wide || (type && type->kind == TypeKind::Index) ? v < top : v <= mask;
  if (!fits)
    return error(t, "integer out of range for %s", type ? typeText(type).c_str() : "i64");
  *out = static_cast<int64_t>(negative ? uint64_t(0) - v : v);
  return true;
}

bool Parser::floatBits(const Token &t, bool negative, Type type, uint64_t *out) {
  num::Format f = static_cast<num::Format>(type->fkind);
  if (t.is(Tok::Int)) {
    std::string_view s = t.text();
    if (s.size() < 3 || s[1] != 'x')
      return error(t, "expected a number with a point, or the bits in hexadecimal, for %s", typeText(type).c_str());
    if (negative) return error(t, "bits in hexadecimal take no '-'");
    uint64_t v = 0;
    bool fits = s.size() <= 2 + 16;
    for (char c : s.substr(2))
      v = v << 4 | (isDigit(c) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 32) - 'a' + 10));
    unsigned width = floatWidth(type->fkind);
    if (!fits || (width < 64 && v >> width)) return error(t, "more bits than %s has", typeText(type).c_str());
    *out = v;
    return true;
  }
  double d = parseDouble(t.text());
  if (negative) d = -d;
  *out = num::encode(f, d);
  return true;
}

Attr Parser::number(Type hint) {
  bool negative = accept(Tok::Minus);
  if (!at(Tok::Int) && !at(Tok::Float)) return unexpected("a number after '-'"), nullptr;
  Token t = tok;
  advance();
  Type ty = hint;
  if (!ty) {
    if (accept(Tok::Colon)) {
      ty = type();
      if (!ty) return nullptr;
    } else {
      ty = t.is(Tok::Float) ? ctx.floatType(FloatKind::F64) : ctx.i64();
    }
  }
  if (ty->isFloat()) {
    uint64_t bits = 0;
    return floatBits(t, negative, ty, &bits) ? ctx.floating(bits, ty) : nullptr;
  }
  if (!ty->isInt() && ty->kind != TypeKind::Index)
    return error(t, "a number cannot be of type %s", typeText(ty).c_str()), nullptr;
  if (t.is(Tok::Float)) return error(t, "%s takes no fraction", typeText(ty).c_str()), nullptr;
  int64_t v = 0;
  return intValue(t, negative, ty, &v) ? ctx.integer(v, ty) : nullptr;
}

Attr Parser::attribute(Type hint) {
  DepthGuard guard(valueDepth);
  if (valueDepth > max_value_depth) return error(tok, "attributes nest too deeply"), nullptr;
  switch (tok.kind) {
  case Tok::Int:
  case Tok::Float:
  case Tok::Minus: return number(hint);
  case Tok::String: {
    std::string s;
    return string(s) ? ctx.string(s) : nullptr;
  }
  case Tok::LSquare: return arrayAttr();
  case Tok::LBrace: return dictAttr();
  case Tok::At: return symbolAttr();
  case Tok::Hash: return hashAttr();
  case Tok::Word: {
    std::string_view w = tok.text();
    if (w == "true" || w == "false") {
      advance();
      return ctx.boolean(w == "true");
    }
    if (w == "unit") {
      advance();
      return ctx.unit();
    }
    if (w == "dense") return dense();
    if (w == "array") return denseArray();
    if (w == "loc") {
      Token where = tok;
      LocRef ref;
      if (!trailingLoc(ref)) return nullptr;
      if (!ref.loc) return error(where, "a location used as attribute must be defined before"), nullptr;
      return ctx.locAttr(ref.loc);
    }
    if (w == "affine_map" || w == "affine_set" || w == "dense_resource" || w == "sparse" || w == "distinct" ||
        w == "strided" || w == "vector" || w == "memref")
      return error(tok, "not implemented: '%s' attributes and types", std::string(w).c_str()), nullptr;
    break;
  }
  case Tok::Bang:
  case Tok::LParen: break;
  default: return unexpected("an attribute"), nullptr;
  }
  Type t = type();
  return t ? ctx.typeAttr(t) : nullptr;
}

Attr Parser::symbolAttr() {
  if (!at(Tok::At)) return unexpected("a symbol (@name)"), nullptr;
  std::string name;
  if (tok.begin[1] == '"') {
    const char *bad = nullptr;
    if (!unescape(tok.tail(), name, &bad)) return error(tok, "unknown escape in a symbol name"), nullptr;
  } else {
    name = tok.tail();
  }
  if (name.empty()) return error(tok, "an empty symbol name"), nullptr;
  advance();
  if (at(Tok::Colon) && *tok.end == ':') return error(tok, "not implemented: nested symbols"), nullptr;
  return ctx.symbol(name);
}

Attr Parser::arrayAttr() {
  advance(); // [
  std::vector<Attr> items;
  if (!at(Tok::RSquare)) do {
      Attr a = attribute();
      if (!a) return nullptr;
      items.push_back(a);
    } while (accept(Tok::Comma));
  if (!expect(Tok::RSquare, "',' or ']' in an array")) return nullptr;
  return ctx.array({items.data(), static_cast<uint32_t>(items.size())});
}

bool Parser::dictEntries(std::vector<NamedAttr> &out) {
  if (!expect(Tok::LBrace, "'{'")) return false;
  size_t from = out.size();
  if (!at(Tok::RBrace)) do {
      Token key = tok;
      std::string text;
      if (at(Tok::Word)) {
        text = tok.text();
        advance();
      } else if (at(Tok::String)) {
        if (!string(text)) return false;
      } else {
        return unexpected("the name of an attribute");
      }
      if (text.empty()) return error(key, "an attribute's name is empty");
      Attr value = nullptr;
      if (accept(Tok::Equal)) value = attribute();
      else value = ctx.unit();
      if (!value) return false;
      Str name = ctx.str(text);
      // A front end writes at most a dozen; a long hostile list is checked as a whole below.
      if (out.size() - from < 32)
        for (size_t i = from; i < out.size(); ++i)
          if (out[i].name == name) return error(key, "attribute '%.80s' is given twice", text.c_str());
      out.push_back({name, value});
    } while (accept(Tok::Comma));
  if (out.size() - from > 32) {
    std::vector<const StrData *> names;
    for (size_t i = from; i < out.size(); ++i) names.push_back(out[i].name.data);
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end())
      return error(tok, "an attribute of this dictionary is given twice");
  }
  return expect(Tok::RBrace, "',' or '}' in a dictionary");
}

Attr Parser::dictAttr() {
  std::vector<NamedAttr> entries;
  if (!dictEntries(entries)) return nullptr;
  return ctx.dict(std::move(entries));
}

Attr Parser::hashAttr() {
  Token t = tok;
  std::string_view name = t.tail();
  if (auto it = attrAliases.find(name); it != attrAliases.end()) {
    advance();
    return it->second;
  }
  if (auto it = locAliasByName.find(name); it != locAliasByName.end() && locAliases[it->second].ref.loc) {
    advance();
    return ctx.locAttr(locAliases[it->second].ref.loc);
  }
  std::string text(name);
  if (text.find('.') == std::string::npos)
    return error(t, "attribute alias '#%.80s' is not defined before its use", text.c_str()), nullptr;
  bool body = *tok.end == '<';
  advance();
  if (body && !balanced(text)) return nullptr;
  std::string why;
  Attr a = ctx.dialectAttr(text, &why);
  return a ? a : (error(t, "%s", why.c_str()), nullptr);
}

// array<i32: 1, 2>, array<i32>
Attr Parser::denseArray() {
  advance();
  if (!expect(Tok::Less, "'<' of an array")) return nullptr;
  Token where = tok;
  Type elem = type();
  if (!elem) return nullptr;
  if (!(elem->isInt() && elem->width <= 64) && !elem->isFloat())
    return error(where, "%s is no element type of an array", typeText(elem).c_str()), nullptr;
  std::vector<int64_t> values;
  if (accept(Tok::Colon)) do {
      int64_t v = 0;
      uint64_t bits = 0;
      bool negative = accept(Tok::Minus);
      if (elem->isInt(1) && (tok.isWord("true") || tok.isWord("false"))) v = tok.isWord("true");
      else if (at(Tok::Int) && !elem->isFloat()) {
        if (!intValue(tok, negative, elem, &v)) return nullptr;
      } else if ((at(Tok::Int) || at(Tok::Float)) && elem->isFloat()) {
        if (!floatBits(tok, negative, elem, &bits)) return nullptr;
        v = static_cast<int64_t>(bits);
      } else {
        return unexpected("a number in the array"), nullptr;
      }
      advance();
      values.push_back(v);
    } while (accept(Tok::Comma));
  if (!expect(Tok::Greater, "',' or '>' in the array")) return nullptr;
  return ctx.denseArray(elem, {values.data(), static_cast<uint32_t>(values.size())});
}

namespace {
int hexValue(char c) {
  if (isDigit(c)) return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// "0x…": bytes of all elements, little-endian, or of one (a splat). i1: a byte each, or packed bits.
bool fromHex(std::string_view s, Type elem, uint64_t count, std::vector<uint64_t> &bits) {
  if (s.size() < 4 || s.substr(0, 2) != "0x" || s.size() % 2) return false;
  std::string raw;
  for (size_t i = 2; i < s.size(); i += 2) {
    int hi = hexValue(s[i]), lo = hexValue(s[i + 1]);
    if (hi < 0 || lo < 0) return false;
    raw += static_cast<char>(hi * 16 + lo);
  }
  unsigned width = elem->isFloat() ? floatWidth(elem->fkind) : elem->kind == TypeKind::Index ? 64 : elem->width;
  size_t step = (width + 7) / 8;
  if (width == 1 && raw.size() == (count + 7) / 8 && raw.size() != count) {
    for (uint64_t i = 0; i < count; ++i) bits.push_back(static_cast<unsigned char>(raw[i / 8]) >> (i % 8) & 1);
    return true;
  }
  if (raw.size() != step && raw.size() / step != count) return false;
  if (raw.size() % step) return false;
  for (size_t i = 0; i < raw.size(); i += step) {
    uint64_t v = 0;
    for (size_t k = 0; k < step; ++k) v |= uint64_t(static_cast<unsigned char>(raw[i + k])) << (8 * k);
    if (width < 64) v &= (uint64_t(1) << width) - 1;
    bits.push_back(v);
  }
  return true;
}
} // namespace

// dense<…> : tensor<…>. The literal comes before its type, so its tokens wait for it.
Attr Parser::dense() {
  Token where = tok;
  advance();
  if (!expect(Tok::Less, "'<' after 'dense'")) return nullptr;
  struct Item { Token tok; bool negative; };
  std::vector<Item> items;
  std::vector<int64_t> shape; // of nested lists
  std::vector<int64_t> counts;
  bool list = at(Tok::LSquare), hex = at(Tok::String);
  if (hex) {
    items.push_back({tok, false});
    advance();
  } else if (!at(Tok::Greater)) {
    for (;;) { // one element or bracket at a time
      if (list && at(Tok::LSquare)) {
        if (counts.size() >= 32) return error(tok, "lists nest too deeply"), nullptr;
        counts.push_back(0);
        advance();
        if (!at(Tok::RSquare)) continue;
      } else {
        bool negative = accept(Tok::Minus);
        if (!at(Tok::Int) && !at(Tok::Float) && !(!negative && (tok.isWord("true") || tok.isWord("false"))))
          return unexpected("a number, true, false or a list"), nullptr;
        if (list && !shape.empty() && counts.size() != shape.size())
          return error(tok, "an element stands at another depth than those before it"), nullptr;
        if (list && shape.empty()) shape.resize(counts.size(), -1);
        items.push_back({tok, negative});
        advance();
        if (!list) break;
        ++counts.back();
      }
      while (list && at(Tok::RSquare)) {
        size_t d = counts.size() - 1;
        if (shape.empty()) shape.resize(d + 1, -1);
        if (d >= shape.size() || (shape[d] >= 0 && shape[d] != counts[d]))
          return error(tok, "lists of different lengths"), nullptr;
        shape[d] = counts[d];
        counts.pop_back();
        advance();
        if (counts.empty()) break;
        ++counts.back();
      }
      if (counts.empty()) break;
      if (!expect(Tok::Comma, "',' or ']' in the list")) return nullptr;
    }
  }
  if (!expect(Tok::Greater, "'>' after the elements")) return nullptr;
  if (!expect(Tok::Colon, "':' and the type of the elements")) return nullptr;
  Token typeAt = tok;
  Type ty = type();
  if (!ty) return nullptr;
  if (!ty->isTensor()) return error(typeAt, "expected a tensor type for dense<…>, found %s", typeText(ty).c_str()), nullptr;
  Type elem = ty->elem;
  bool is_float = elem->isFloat();
  if (!is_float && !(elem->isInt() && elem->width <= 64) && elem->kind != TypeKind::Index)
    return error(typeAt, "not implemented: dense elements of type %s", typeText(elem).c_str()), nullptr;
  uint64_t count = static_cast<uint64_t>(ty->count());
  std::vector<uint64_t> bits;
  if (hex) {
    std::string text;
    if (!unescape(items[0].tok.text(), text) || !fromHex(text, elem, count, bits))
      return error(items[0].tok, "expected \"0x…\" with the bytes of one or of all %llu elements",
                   static_cast<unsigned long long>(count)), nullptr;
  } else {
    if (list && (shape.size() != ty->rank() || !std::equal(shape.begin(), shape.end(), ty->shape.begin())))
      return error(where, "the lists do not have the shape of %s", typeText(ty).c_str()), nullptr;
    if (items.empty() && count) return error(where, "no elements for %s", typeText(ty).c_str()), nullptr;
    bits.reserve(items.size());
    for (const Item &it : items) {
      uint64_t b = 0;
      if (it.tok.is(Tok::Word)) {
        if (!elem->isInt(1)) return error(it.tok, "true and false are elements of i1 tensors only"), nullptr;
        b = it.tok.text() == "true";
      } else if (is_float) {
        if (!floatBits(it.tok, it.negative, elem, &b)) return nullptr;
      } else {
        if (it.tok.is(Tok::Float)) return error(it.tok, "%s takes no fraction", typeText(elem).c_str()), nullptr;
        int64_t v = 0;
        if (!intValue(it.tok, it.negative, elem, &v)) return nullptr;
        b = static_cast<uint64_t>(v);
        if (elem->isInt() && elem->width < 64) b &= (uint64_t(1) << elem->width) - 1;
      }
      bits.push_back(b);
    }
  }
  bool splat = !bits.empty() && std::all_of(bits.begin(), bits.end(), [&](uint64_t b) { return b == bits[0]; });
  return ctx.dense(ty, splat, {bits.data(), splat ? 1u : static_cast<uint32_t>(bits.size())});
}

} // namespace tir
