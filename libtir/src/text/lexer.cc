// SPDX-License-Identifier: MIT
#include "lexer.hh"

namespace tir {

namespace {
enum : uint8_t { kWord = 1, kSuffix = 2, kSpace = 4 }; // word: a-zA-Z0-9_$.   suffix: those and -
struct Classes {
  uint8_t of[256] = {};
  constexpr Classes() {
    for (int c = 0; c < 256; ++c) {
      bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (alnum || c == '_' || c == '$' || c == '.') of[c] = kWord | kSuffix;
    }
    of[static_cast<int>('-')] = kSuffix;
    of[static_cast<int>(' ')] = of[static_cast<int>('\t')] = of[static_cast<int>('\r')] = kSpace;
  }
};
constexpr Classes classes;
inline bool is(char c, uint8_t cls) { return classes.of[static_cast<unsigned char>(c)] & cls; }

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
} // namespace

Token Lexer::make(Tok kind, const char *begin, const char *stop) {
  Token t;
  t.kind = kind;
  t.first = fresh;
  t.line = line;
  t.col = static_cast<uint32_t>(begin - lineStart + 1);
  t.begin = begin;
  t.end = stop;
  fresh = false;
  cur = stop;
  return t;
}

Token Lexer::next() {
  for (;;) {
    while (is(*cur, kSpace)) ++cur;
    if (*cur == '\n') {
      ++cur;
      ++line;
      lineStart = cur;
      fresh = true;
      continue;
    }
    if (*cur == '/' && cur[1] == '/') {
      while (*cur != '\n' && cur != end) ++cur;
      continue;
    }
    break;
  }
  const char *b = cur;
  char c = *b;
  if (c >= '0' && c <= '9') return number(b);
  if (isAlpha(c) || c == '_') {
    const char *p = b + 1;
    while (is(*p, kWord)) ++p;
    return make(Tok::Word, b, p);
  }
  switch (c) {
  case '%': return prefixed(Tok::Percent, b);
  case '#': return prefixed(Tok::Hash, b);
  case '!': return prefixed(Tok::Bang, b);
  case '^': return prefixed(Tok::Caret, b);
  case '"': return string(b);
  case '@':
    if (b[1] == '"') {
      Token t = string(b + 1);
      if (t.kind == Tok::String) t.kind = Tok::At;
      t.begin = b;
      t.col = static_cast<uint32_t>(b - lineStart + 1);
      return t;
    }
    if (isAlpha(b[1]) || b[1] == '_') {
      const char *p = b + 2;
      while (is(*p, kWord)) ++p;
      return make(Tok::At, b, p);
    }
    problem = "expected a name after '@'";
    return make(Tok::Error, b, b + 1);
  case ',': return make(Tok::Comma, b, b + 1);
  case ':': return make(Tok::Colon, b, b + 1);
  case '=': return make(Tok::Equal, b, b + 1);
  case '(': return make(Tok::LParen, b, b + 1);
  case ')': return make(Tok::RParen, b, b + 1);
  case '{': return make(Tok::LBrace, b, b + 1);
  case '}': return make(Tok::RBrace, b, b + 1);
  case '[': return make(Tok::LSquare, b, b + 1);
  case ']': return make(Tok::RSquare, b, b + 1);
  case '<': return make(Tok::Less, b, b + 1);
  case '>': return make(Tok::Greater, b, b + 1);
  case '+': return make(Tok::Plus, b, b + 1);
  case '*': return make(Tok::Star, b, b + 1);
  case '?': return make(Tok::Question, b, b + 1);
  case '|': return make(Tok::Bar, b, b + 1);
  case '/': return make(Tok::Slash, b, b + 1);
  case ';': return make(Tok::Semi, b, b + 1);
  case '-':
    if (b[1] == '>') return make(Tok::Arrow, b, b + 2);
    return make(Tok::Minus, b, b + 1);
  case '.':
    if (b[1] == '.' && b[2] == '.') return make(Tok::Ellipsis, b, b + 3);
    break;
  case 0:
    if (b == end) return make(Tok::Eof, b, b);
    problem = "a NUL byte in the text";
    return make(Tok::Error, b, b + 1);
  default: break;
  }
  problem = "unexpected character";
  const char *p = b + 1;
  while ((static_cast<unsigned char>(*p) & 0xc0) == 0x80) ++p; // a whole UTF-8 sequence at once
  return make(Tok::Error, b, p);
}

// 12, 0x1F, 1.5, 1.5e-3. `0x` not followed by a digit is 0 and then a word: the shape `0xf32`.
Token Lexer::number(const char *b) {
  const char *p = b;
  if (*p == '0' && p[1] == 'x' && hexDigit(p[2]) >= 0) {
    p += 2;
    while (hexDigit(*p) >= 0) ++p;
    return make(Tok::Int, b, p);
  }
  while (isDigit(*p)) ++p;
  if (*p != '.') return make(Tok::Int, b, p);
  ++p;
  while (isDigit(*p)) ++p;
  if (*p == 'e' || *p == 'E') {
    const char *q = p + 1;
    if (*q == '+' || *q == '-') ++q;
    if (isDigit(*q)) {
      while (isDigit(*q)) ++q;
      p = q;
    }
  }
  return make(Tok::Float, b, p);
}

Token Lexer::string(const char *b) {
  const char *p = b + 1;
  for (;; ++p) {
    if (*p == '"') return make(Tok::String, b, p + 1);
    if (*p == '\n' || p == end) {
      problem = "a string that does not end on its line";
      return make(Tok::Error, b, p);
    }
    if (*p == '\\' && p[1] != '\n' && p + 1 != end) ++p;
  }
}

Token Lexer::prefixed(Tok kind, const char *b) {
  const char *p = b + 1;
  if (isDigit(*p)) {
    while (isDigit(*p)) ++p;
  } else if (is(*p, kSuffix)) {
    while (is(*p, kSuffix)) ++p;
    if (p[-1] == '-' && *p == '>') --p; // `!t->`
  } else {
    problem = "expected a name here";
    return make(Tok::Error, b, b + 1);
  }
  if (p == b + 1) {
    problem = "expected a name here";
    return make(Tok::Error, b, b + 1);
  }
  return make(kind, b, p);
}

bool unescape(std::string_view lit, std::string &out, const char **bad) {
  const char *p = lit.data() + 1, *e = lit.data() + lit.size() - 1;
  while (p < e) {
    const char *run = p;
    while (p < e && *p != '\\') ++p;
    out.append(run, p);
    if (p == e) break;
    char c = p + 1 < e ? p[1] : 0;
    if (c == '"' || c == '\\') {
      out += c;
      p += 2;
    } else if (c == 'n' || c == 't') {
      out += c == 'n' ? '\n' : '\t';
      p += 2;
    } else if (p + 2 < e && hexDigit(c) >= 0 && hexDigit(p[2]) >= 0) {
      out += static_cast<char>(hexDigit(c) * 16 + hexDigit(p[2]));
      p += 3;
    } else {
      if (bad) *bad = p;
      return false;
    }
  }
  return true;
}

void appendQuoted(std::string_view s, std::string &out) {
  out += '"';
  for (char c : s) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c >= 0x20 && c < 0x7f && c != '"') {
      out += c;
    } else {
      static const char hex[] = "0123456789ABCDEF";
      out += '\\';
      out += hex[static_cast<unsigned char>(c) >> 4];
      out += hex[static_cast<unsigned char>(c) & 15];
    }
  }
  out += '"';
}

bool isBareSymbol(std::string_view s) {
  if (s.empty() || !(isAlpha(s[0]) || s[0] == '_')) return false;
  for (char c : s)
    if (!is(c, kWord)) return false;
  return true;
}

bool isBareWord(std::string_view s) { return isBareSymbol(s); }

bool isValueName(std::string_view s) {
  if (s.empty() || isDigit(s[0])) return false;
  for (char c : s)
    if (!is(c, kSuffix)) return false;
  return true;
}

} // namespace tir
