// SPDX-License-Identifier: MIT
#include "float_text.hh"
#include "common/numfmt.hh"
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

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

/// Decimal digits and the power of ten of the last of them.
struct Digits {
  std::string text;
  int exp = 0; // value = text * 10^exp
  int count() const { return static_cast<int>(text.size()); }
};

/// |d| = digits * 10^exp exactly, and the number of bits of `digits` as an integer.
Digits exactDigits(double d, int *bits) {
  int e = 0;
  uint64_t sig = static_cast<uint64_t>(std::ldexp(std::frexp(std::fabs(d), &e), 53));
  e -= 53;
  int zeros = __builtin_ctzll(sig);
  sig >>= zeros;
  e += zeros;
  int length = 64 - __builtin_clzll(sig);
  // 2^-n = 5^n * 10^-n
  *bits = e >= 0 ? length + e
                 : static_cast<int>(std::floor(std::log2(static_cast<long double>(sig)) -
                                               e * std::log2(static_cast<long double>(5)))) + 1;
  std::vector<uint32_t> limbs; // base 10^9, lowest first
  for (; sig; sig /= 1000000000) limbs.push_back(static_cast<uint32_t>(sig % 1000000000));
  for (int left = e < 0 ? -e : e; left > 0;) {
    int n = left < 12 ? left : 12;
    uint64_t factor = 1, carry = 0;
    for (int i = 0; i < n; ++i) factor *= e < 0 ? 5 : 2;
    for (uint32_t &l : limbs) {
      carry += l * factor;
      l = static_cast<uint32_t>(carry % 1000000000);
      carry /= 1000000000;
    }
    if (carry) limbs.push_back(static_cast<uint32_t>(carry));
    left -= n;
  }
  Digits r;
  r.exp = e < 0 ? e : 0;
  char buf[16];
  for (size_t i = limbs.size(); i--;) {
    std::snprintf(buf, sizeof buf, i + 1 == limbs.size() ? "%u" : "%09u", limbs[i]);
    r.text += buf;
  }
  return r;
}

/// At most `want` significant digits, without trailing zeros. LLVM first cuts off (not: rounds) digits by an
/// estimate from the number of bits, then rounds half up; a text that is to agree with MLIR's does the same.
Digits shorten(const Digits &exact, int bits, int want) {
  Digits r = exact;
  int required = (want * 196 + 58) / 59;
  if (bits > required) {
    int cut = (bits - required) * 59 / 196;
    r.text.resize(r.text.size() - static_cast<size_t>(cut));
    r.exp += cut;
  }
  auto trim = [&] {
    while (r.text.size() > 1 && r.text.back() == '0') {
      r.text.pop_back();
      ++r.exp;
    }
  };
  trim();
  if (r.count() <= want) return r;
  bool up = r.text[static_cast<size_t>(want)] >= '5';
  r.exp += r.count() - want;
  r.text.resize(static_cast<size_t>(want));
  if (up) {
    size_t i = r.text.size();
    while (i && r.text[i - 1] == '9') r.text[--i] = '0';
    if (i) ++r.text[i - 1];
    else r.text.insert(r.text.begin(), '1');
  }
  trim();
  return r;
}

void appendScientific(const Digits &g, bool pad, std::string &out) { // pad: 1.000000e+00, else 1.0E+3
  out += g.text[0];
  out += '.';
  if (g.count() == 1 && !pad) out += '0';
  out.append(g.text, 1);
  if (pad) out.append(static_cast<size_t>(6 - g.count() + 1), '0');
  int exp = g.exp + g.count() - 1;
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
    int bits2 = 0;
    Digits exact = exactDigits(d, &bits2);
    appendScientific(shorten(exact, bits2, 6), true, s);
    if (num::encode(f, std::signbit(d) ? -parseDouble(std::string_view(s).substr(1)) : parseDouble(s)) == bits) {
      out += s;
      return;
    }
    // As many digits as any value of the format may need, in plain notation unless that takes padding.
    s.resize(sign);
    int significand = num::info(f).mantissa + 1;
    int precision = 2 + significand * 59 / 196;
    Digits g = shorten(exact, bits2, precision);
    int msd = g.exp + g.count() - 1;
    bool scientific = g.exp >= 0 ? g.exp > 3 || g.count() + g.exp > precision : msd < 0 && -msd > 3;
    if (scientific) {
      appendScientific(g, false, s);
    } else if (g.exp >= 0) {
      s.append(g.text).append(static_cast<size_t>(g.exp), '0');
    } else {
      int whole = g.count() + g.exp;
      if (whole > 0) s.append(g.text, 0, static_cast<size_t>(whole)).append(".").append(g.text, static_cast<size_t>(whole));
      else s.append("0.").append(static_cast<size_t>(-whole), '0').append(g.text);
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
