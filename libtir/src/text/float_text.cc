// SPDX-License-Identifier: MIT
#include "float_text.hh"
#include "common/numfmt.hh"
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

namespace tir {

namespace num = tessera::num;

double parseDouble(std::string_view text) {
  double d = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), d);
  if (ec == std::errc::result_out_of_range) {
    // from_chars leaves the value alone; the exponent's sign says which way it went.
    size_t e = text.find_first_of("eE");
    bool small = e != std::string_view::npos && e + 1 < text.size() && text[e + 1] == '-';
    if (e == std::string_view::npos) small = text.substr(0, 2) == "0.";
    return small ? 0.0 : std::numeric_limits<double>::infinity();
  }
  (void)end;
  return d;
}

namespace {

/// The first `want` significant decimal digits of |d| (rounded half up on the exact expansion), without trailing
/// zeros, and the power of ten of the last digit kept.
struct Digits {
  char text[32];
  int count;
  int exp; // value = text * 10^exp
};

Digits digitsOf(double d, int want) {
  char buf[96];
  int extra = want + 40 < 64 ? want + 40 : 64; // far more than decides a tie
  auto [end, ec] = std::to_chars(buf, buf + sizeof buf, std::fabs(d), std::chars_format::scientific, extra);
  (void)ec;
  *end = 0;
  char *e = end;
  while (*e != 'e') --e;
  int power = 0;
  std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, power);
  char all[80];
  int n = 0;
  for (char *p = buf; p < e; ++p)
    if (*p != '.') all[n++] = *p;
  Digits r;
  r.count = want;
  bool up = all[want] >= '5';
  for (int i = 0; i < want; ++i) r.text[i] = all[i];
  if (up) {
    int i = want - 1;
    while (i >= 0 && r.text[i] == '9') r.text[i--] = '0';
    if (i >= 0) ++r.text[i];
    else {
      r.text[0] = '1'; // 9.99… became 10.0…; the other digits are 0 already
      ++power;
    }
  }
  while (r.count > 1 && r.text[r.count - 1] == '0') --r.count;
  r.exp = power - (r.count - 1);
  return r;
}

void appendScientific(const Digits &g, bool pad, std::string &out) { // pad: 1.000000e+00, else 1.0E+3
  out += g.text[0];
  out += '.';
  if (g.count == 1 && !pad) out += '0';
  out.append(g.text + 1, static_cast<size_t>(g.count - 1));
  if (pad) out.append(static_cast<size_t>(6 - g.count + 1), '0');
  int exp = g.exp + g.count - 1;
  char buf[16];
  std::snprintf(buf, sizeof buf, pad ? "e%c%02d" : "E%c%d", exp < 0 ? '-' : '+', exp < 0 ? -exp : exp);
  out += buf;
}

} // namespace

void appendFloat(FloatKind kind, uint64_t bits, std::string &out) {
  num::Format f = static_cast<num::Format>(kind);
  double d = num::decode(f, bits);
  if (std::isfinite(d)) {
    std::string s;
    if (std::signbit(d)) s += '-';
    if (d == 0) {
      out += s + "0.000000e+00";
      return;
    }
    size_t sign = s.size();
    appendScientific(digitsOf(d, 6), true, s);
    if (num::encode(f, std::signbit(d) ? -parseDouble(std::string_view(s).substr(1)) : parseDouble(s)) == bits) {
      out += s;
      return;
    }
    // As many digits as any value of the format may need, in plain notation unless that takes padding.
    s.resize(sign);
    int significand = num::info(f).mantissa + 1;
    int precision = 2 + significand * 59 / 196;
    Digits g = digitsOf(d, precision);
    int msd = g.exp + g.count - 1;
    bool scientific = g.exp >= 0 ? g.exp > 3 || g.count + g.exp > precision : msd < 0 && -msd > 3;
    if (scientific) {
      appendScientific(g, false, s);
    } else if (g.exp >= 0) {
      s.append(g.text, static_cast<size_t>(g.count)).append(static_cast<size_t>(g.exp), '0');
    } else {
      int whole = g.count + g.exp;
      if (whole > 0) s.append(g.text, static_cast<size_t>(whole)).append(".");
      else s.append("0.").append(static_cast<size_t>(-whole), '0');
      s.append(g.text + (whole > 0 ? whole : 0), static_cast<size_t>(g.count - (whole > 0 ? whole : 0)));
    }
    if (s.find('.') != std::string::npos) {
      out += s;
      return;
    }
  }
  char buf[24];
  std::snprintf(buf, sizeof buf, "0x%llX", static_cast<unsigned long long>(bits));
  out += buf;
}

} // namespace tir
