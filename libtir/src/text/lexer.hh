// SPDX-License-Identifier: MIT
// Tokens of the text form (those of MLIR). The source must be followed by a NUL byte (Source sees to it).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tir {

enum class Tok : uint8_t {
  Eof, Error,
  Word,    // module, tt.load, f32, x16: letters, digits, _ $ .
  Int,     // 12, 0x1F
  Float,   // 1.5e-3
  String,  // "…", quotes included
  At,      // @name, @"name"
  Percent, // %name
  Caret,   // ^name
  Hash,    // #name
  Bang,    // !name
  Arrow,   // ->
  Comma, Colon, Equal, LParen, RParen, LBrace, RBrace, LSquare, RSquare, Less, Greater, Minus, Plus, Star,
  Question, Bar, Slash, Semi, Ellipsis,
};

struct Token {
  Tok kind = Tok::Eof;
  bool first = false;    // first of its line
  uint32_t line = 0, col = 0; // from 1
  const char *begin = nullptr, *end = nullptr;
  std::string_view text() const { return {begin, static_cast<size_t>(end - begin)}; }
  std::string_view tail() const { return {begin + 1, static_cast<size_t>(end - begin - 1)}; } // without sigil
  bool is(Tok k) const { return kind == k; }
  bool isWord(std::string_view w) const { return kind == Tok::Word && text() == w; }
};

class Lexer {
public:
  Lexer(const char *begin, const char *end) : cur(begin), end(end), lineStart(begin) {}
  Token next();
  /// Continues at `p`, a place inside the line of the last token.
  void reset(const char *p) { cur = p; }
  const char *position() const { return cur; }
  /// Why the last Error token is one.
  const char *problem = "";

private:
  Token make(Tok kind, const char *begin, const char *stop);
  Token number(const char *begin);
  Token string(const char *begin);
  Token prefixed(Tok kind, const char *begin);
  const char *cur, *end, *lineStart;
  uint32_t line = 1;
  bool fresh = true; // nothing of this line was given out yet
};

/// Bytes of a string literal (quotes included): \" \\ \n \t and \XX hex. False (with *bad) at a wrong escape.
bool unescape(std::string_view literal, std::string &out, const char **bad = nullptr);
/// Appends text in quotes, escaped as MLIR does (\22 \\ \0A).
void appendQuoted(std::string_view text, std::string &out);

inline bool isDigit(char c) { return c >= '0' && c <= '9'; }
inline bool isAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
/// Can stand after @ without quotes.
bool isBareSymbol(std::string_view s);
/// Can stand after % as it is.
bool isValueName(std::string_view s);
/// Can stand as a key of a dictionary without quotes.
bool isBareWord(std::string_view s);

} // namespace tir
