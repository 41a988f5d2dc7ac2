// SPDX-License-Identifier: MIT
#include "parser.hh"

namespace tir {

namespace {
struct FloatName { std::string_view name; FloatKind kind; };
constexpr FloatName float_names[] = {
    {"f32", FloatKind::F32},           {"f16", FloatKind::F16},
    {"bf16", FloatKind::BF16},         {"f64", FloatKind::F64},
    {"f8E4M3FN", FloatKind::F8E4M3FN}, {"f8E5M2", FloatKind::F8E5M2},
    {"f8E4M3FNUZ", FloatKind::F8E4M3FNUZ}, {"f8E5M2FNUZ", FloatKind::F8E5M2FNUZ},
    {"f8E8M0FNU", FloatKind::F8E8M0FNU},   {"f4E2M1FN", FloatKind::F4E2M1FN},
    {"tf32", FloatKind::TF32},
};

/// Width of `i32`, `si8`, `ui8`; 0 if the word is no integer type.
unsigned intWidth(std::string_view w, Sign *sign) {
  *sign = Sign::None;
  if (w.size() > 1 && (w[0] == 's' || w[0] == 'u')) {
    *sign = w[0] == 's' ? Sign::Signed : Sign::Unsigned;
    w.remove_prefix(1);
  }
  if (w.size() < 2 || w.size() > 4 || w[0] != 'i' || w[1] == '0') return 0;
  unsigned n = 0;
  for (char c : w.substr(1)) {
    if (!isDigit(c)) return 0;
    n = n * 10 + static_cast<unsigned>(c - '0');
  }
  return n;
}
} // namespace

Type Parser::type() {
  DepthGuard guard(valueDepth);
  if (valueDepth > max_value_depth) return error(tok, "types nest too deeply"), nullptr;
  if (at(Tok::Word)) {
    std::string_view w = tok.text();
    Sign sign;
    if (unsigned width = intWidth(w, &sign)) {
      if (width > 128) return error(tok, "integer types have at most 128 bits"), nullptr;
      advance();
      return ctx.intType(width, sign);
    }
    for (const FloatName &f : float_names)
      if (w == f.name) {
        advance();
        return ctx.floatType(f.kind);
      }
    if (w == "tensor") return tensorType();
    if (w == "index") {
      advance();
      return ctx.index();
    }
    if (w == "none") {
      advance();
      return ctx.none();
    }
    if (w == "tuple") {
      advance();
      std::vector<Type> members;
      if (!expect(Tok::Less, "'<'")) return nullptr;
      if (!at(Tok::Greater) && !typeList(members)) return nullptr;
      if (!expect(Tok::Greater, "'>' after the members of the tuple")) return nullptr;
      return ctx.tuple({members.data(), static_cast<uint32_t>(members.size())});
    }
    return unexpected("a type"), nullptr;
  }
  if (at(Tok::Bang)) {
    std::string_view w = tok.tail();
    if (w == "tt.ptr") return pointerType(true);
    if (w == "tt.tensordesc") return descType();
    if (w == "ttg.memdesc") return memdescType();
    if (auto it = typeAliases.find(w); it != typeAliases.end()) {
      advance();
      return it->second;
    }
    return opaqueType();
  }
  if (at(Tok::LParen)) return functionType();
  return unexpected("a type"), nullptr;
}

Type Parser::tensorType() {
  advance(); // tensor
  if (!at(Tok::Less)) return unexpected("'<' after 'tensor'"), nullptr;
  advance();
  return shaped(false);
}

// `<` is consumed. Reads `4x8xf32` from the characters, as it is no sequence of tokens.
bool Parser::shapeAndElement(std::vector<int64_t> &dims, Type *elem) {
  constexpr unsigned max_rank = 64;
  const char *p = tok.begin;
  for (;;) {
    const char *q = p;
    if (*q == '?') return error(tok, "a dynamic dimension: tile shapes are static");
    uint64_t d = 0;
    while (isDigit(*q) && q - p < 18) d = d * 10 + static_cast<uint64_t>(*q++ - '0');
    if (q == p || *q != 'x') break;
    if (dims.size() == max_rank) return error(tok, "more than %u dimensions", max_rank);
    dims.push_back(static_cast<int64_t>(d));
    p = q + 1;
  }
  uint64_t count = 1;
  for (int64_t d : dims)
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(d ? d : 1), &count) || count > (1ull << 48))
      return error(tok, "a shape of more than 2^48 elements");
  if (p != tok.begin) {
    lex.reset(p);
    bool first = tok.first;
    advance();
    tok.first = first;
  }
  if (at(Tok::Int)) return error(tok, "expected 'x' between dimensions and before the element type");
  Token elemAt = tok;
  *elem = type();
  if (!*elem) return false;
  TypeKind k = (*elem)->kind;
  return k == TypeKind::Int || k == TypeKind::Float || k == TypeKind::Ptr || k == TypeKind::Index ||
         k == TypeKind::Opaque || error(elemAt, "%s is no element type of a tensor", typeText(*elem).c_str());
}

// 4x8xf32[, #enc]> of a tensor or descriptor
Type Parser::shaped(bool desc) {
  std::vector<int64_t> dims;
  Type elem = nullptr;
  if (!shapeAndElement(dims, &elem)) return nullptr;
  Attr enc = nullptr;
  if (accept(Tok::Comma)) {
    enc = attribute();
    if (!enc) return nullptr;
  }
  if (!expect(Tok::Greater, "'>' at the end of the shaped type")) return nullptr;
  Span<int64_t> shape{dims.data(), static_cast<uint32_t>(dims.size())};
  return desc ? ctx.desc(shape, elem, enc) : ctx.tensor(shape, elem, enc);
}

// !ttg.memdesc<2x64xf16, #shared, #smem[, mutable][, 4x64]>; the last is the shape of the whole buffer.
Type Parser::memdescType() {
  if (at(Tok::Bang)) advance();
  if (!expect(Tok::Less, "'<' of a buffer type")) return nullptr;
  std::vector<int64_t> dims, whole;
  Type elem = nullptr;
  if (!shapeAndElement(dims, &elem) || !expect(Tok::Comma, "',' and the layout of the buffer")) return nullptr;
  Attr enc = attribute();
  if (!enc || !expect(Tok::Comma, "',' and the memory space of the buffer")) return nullptr;
  Attr space = attribute();
  if (!space) return nullptr;
  bool isMutable = false;
  while (accept(Tok::Comma)) {
    if (!isMutable && whole.empty() && acceptWord("mutable")) {
      isMutable = true;
      continue;
    }
    if (!whole.empty() || !at(Tok::Int)) return unexpected("'mutable', the shape of the whole buffer, or '>'"), nullptr;
    const char *p = tok.begin; // 4x64: no sequence of tokens either
    for (;; ++p) {
      const char *from = p;
      uint64_t d = 0;
      while (isDigit(*p) && p - from < 15) d = d * 10 + static_cast<uint64_t>(*p++ - '0');
      if (p == from || whole.size() == 64) return error(tok, "expected a shape such as 4x64"), nullptr;
      whole.push_back(static_cast<int64_t>(d));
      if (*p != 'x') break;
    }
    lex.reset(p);
    advance();
  }
  if (!expect(Tok::Greater, "'>' at the end of the buffer type")) return nullptr;
  seen(39, 39);
  return ctx.memdesc({dims.data(), static_cast<uint32_t>(dims.size())}, elem, enc, space, isMutable,
                     {whole.data(), static_cast<uint32_t>(whole.size())});
}

// !tt.ptr<T>, !tt.ptr<T, 3> (to 3.8), !tt.ptr<T, "constant"> (3.9). Not prefixed: the rest of `<T>`.
Type Parser::pointerType(bool prefixed) {
  if (prefixed) advance();
  if (!expect(Tok::Less, "'<' of a pointer type")) return nullptr;
  Token elemAt = tok;
  Type elem = type();
  if (!elem) return nullptr;
  if (elem->kind == TypeKind::Tensor) seen(36, 37);
  if (elem->kind == TypeKind::Ptr || elem->kind == TypeKind::Index) seen(36, 38);
  if (elem->kind == TypeKind::Function || elem->kind == TypeKind::None || elem->kind == TypeKind::Tuple)
    return error(elemAt, "a pointer cannot point to %s", typeText(elem).c_str()), nullptr;
  int64_t space = 1;
  if (accept(Tok::Comma)) {
    if (at(Tok::String)) {
      std::string_view s = tok.text();
      if (s == "\"global\"") space = 1;
      else if (s == "\"descriptor\"") space = 0;
      else if (s == "\"constant\"") space = 4;
      else
        return error(tok, "unknown address space %.40s: expected \"global\", \"descriptor\" or \"constant\"",
                     std::string(s).c_str()), nullptr;
      seen(39, 39);
      advance();
    } else {
      Token t = tok;
      if (!at(Tok::Int)) return unexpected("an address space (a number, or a name in quotes)"), nullptr;
      if (!intValue(t, false, nullptr, &space)) return nullptr;
      if (space < 0 || space > 0xffff) return error(t, "address space out of range (0 … 65535)"), nullptr;
      advance();
      seen(36, 38);
    }
  }
  if (!expect(Tok::Greater, "'>' at the end of the pointer type")) return nullptr;
  return ctx.ptr(elem, static_cast<unsigned>(space));
}

// !tt.tensordesc<16x64xf16> (3.8, 3.9) and !tt.tensordesc<tensor<16x64xf16>> (3.6, 3.7)
Type Parser::descType() {
  if (at(Tok::Bang)) advance();
  if (!expect(Tok::Less, "'<' of a descriptor type")) return nullptr;
  if (tok.isWord("tensor")) {
    seen(36, 37);
    Type t = tensorType();
    if (!t) return nullptr;
    if (!expect(Tok::Greater, "'>' at the end of the descriptor type")) return nullptr;
    return ctx.desc(t->shape, t->elem, t->enc);
  }
  seen(38, 39);
  return shaped(true);
}

Type Parser::opaqueType() {
  Token where = tok;
  std::string text(tok.tail());
  if (text.find('.') == std::string::npos)
    return error(where, "unknown type alias '!%.80s'", text.c_str()), nullptr;
  bool body = *tok.end == '<';
  advance();
  if (body && !balanced(text)) return nullptr;
  return ctx.opaqueType("!" + text);
}

bool Parser::typeList(std::vector<Type> &out) {
  do {
    Type t = type();
    if (!t) return false;
    out.push_back(t);
  } while (accept(Tok::Comma));
  return true;
}

bool Parser::functionTypes(std::vector<Type> &ins, std::vector<Type> &outs) {
  if (!expect(Tok::LParen, "'(' before the operand types")) return false;
  if (!at(Tok::RParen) && !typeList(ins)) return false;
  if (!expect(Tok::RParen, "')' after the operand types")) return false;
  if (!expect(Tok::Arrow, "'->' before the result types")) return false;
  if (accept(Tok::LParen)) {
    if (!at(Tok::RParen) && !typeList(outs)) return false;
    return expect(Tok::RParen, "')' after the result types");
  }
  Type t = type();
  if (!t) return false;
  outs.push_back(t);
  return true;
}

Type Parser::functionType() {
  std::vector<Type> ins, outs;
  if (!functionTypes(ins, outs)) return nullptr;
  return ctx.function({ins.data(), static_cast<uint32_t>(ins.size())}, {outs.data(), static_cast<uint32_t>(outs.size())});
}

// The body of a dialect type or attribute that is kept as text: `tok` is its '<'. Blanks and comments between
// tokens become what stood there, as one blank or none; aliases are replaced by what they stand for.
bool Parser::balanced(std::string &out) {
  Token open = tok;
  std::string stack;
  const char *last = tok.begin;
  for (;;) {
    if (tok.begin != last) out += ' ';
    last = tok.end;
    switch (tok.kind) {
    case Tok::Eof: return error(open, "this '<' is never closed");
    case Tok::Error: return unexpected("the rest of the attribute or type");
    case Tok::Less: stack += '>'; break;
    case Tok::LParen: stack += ')'; break;
    case Tok::LBrace: stack += '}'; break;
    case Tok::LSquare: stack += ']'; break;
    case Tok::Greater:
    case Tok::RParen:
    case Tok::RBrace:
    case Tok::RSquare:
      if (stack.back() != *tok.begin)
        return error(tok, "expected '%c', found '%c' inside a dialect type or attribute", stack.back(), *tok.begin);
      stack.pop_back();
      break;
    default: break;
    }
    if (stack.size() > 256) return error(tok, "brackets nest too deeply");
    Attr alias = nullptr;
    if (at(Tok::Hash))
      if (auto it = attrAliases.find(tok.tail()); it != attrAliases.end()) alias = it->second;
    if (alias) {
      std::string full = attrText(alias, Syntax::T39);
      aliasText += full.size();
      if (aliasText > max_alias_text) return error(tok, "the aliases stand for too much text");
      out += full;
    } else {
      out += tok.text();
    }
    bool done = stack.empty();
    advance();
    if (done) return true;
  }
}

} // namespace tir
