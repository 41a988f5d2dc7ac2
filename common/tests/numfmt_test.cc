// SPDX-License-Identifier: MIT
// Number formats, exhaustively for 8 and 16 bits, against code that shares nothing with them: the compiler's
// _Float16, integer arithmetic on f32 for bf16, tables written from the formats' definitions and
// nearest-value search for the narrow ones.
#include "common/numfmt.hh"
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace tessera::num;

namespace {

bool same(double a, double b) { // any NaN equals any NaN; zeros by sign
  if (a != a || b != b) return a != a && b != b;
  return a == b && std::signbit(a) == std::signbit(b);
}

// ---- a definition of the narrow formats in another shape: sign, list of magnitudes ----

struct Narrow {
  Format format;
  std::vector<double> magnitude; // by code without sign, rising; finite ones only
  double beyond;                 // the value that would follow the largest
  int nan_code, inf_code;        // of either sign; -1: none (saturates)
  bool negative_zero, sign;
};

std::vector<double> steps(double first_normal, int mantissa_steps, int binades) {
  // zero, sub-normals, then binades of equal steps
  std::vector<double> v;
  double step = first_normal / mantissa_steps;
  for (int i = 0; i < mantissa_steps; ++i) v.push_back(i * step);
  double base = first_normal;
  for (int b = 0; b < binades; ++b, base *= 2)
    for (int i = 0; i < mantissa_steps; ++i) v.push_back(base + base / mantissa_steps * i);
  return v;
}

std::vector<Narrow> narrowFormats() {
  std::vector<Narrow> all;
  {
    Narrow n{Format::F8E4M3FN, steps(1.0 / 64, 8, 15), 480, 0x7f, 0x7f, true, true};
    n.magnitude.pop_back(); // the last code is the NaN
    all.push_back(n);
  }
  all.push_back({Format::F8E4M3FNUZ, steps(1.0 / 128, 8, 15), 256, 0x80, 0x80, false, true});
  all.push_back({Format::F8E5M2, steps(1.0 / 16384, 4, 30), 65536, 0x7e, 0x7c, true, true});
  all.push_back({Format::F8E5M2FNUZ, steps(1.0 / 32768, 4, 31), 65536, 0x80, 0x80, false, true});
  all.push_back({Format::F4E2M1FN, steps(1.0, 2, 3), 8, 7, 7, true, true});
  return all;
}

unsigned signOf(const Narrow &n, bool negative) {
  return negative && n.sign ? 1u << (n.format == Format::F4E2M1FN ? 3 : 7) : 0;
}

/// Expected code of a finite or infinite x by searching the list.
unsigned search(const Narrow &n, double x, bool rtz, bool saturate) {
  bool negative = std::signbit(x);
  double a = std::fabs(x);
  unsigned last = static_cast<unsigned>(n.magnitude.size()) - 1, code;
  bool no_inf = n.inf_code == 7; // f4: nothing but numbers
  auto over = [&](bool was_infinite) -> unsigned {
    if (saturate || no_inf || (rtz && !was_infinite)) return last | signOf(n, negative);
    if (n.inf_code == 0x80) return 0x80;
    return static_cast<unsigned>(n.inf_code) | signOf(n, negative);
  };
  if (std::isinf(x)) return over(true);
  auto up = std::upper_bound(n.magnitude.begin(), n.magnitude.end(), a);
  unsigned below = static_cast<unsigned>(up - n.magnitude.begin()) - 1;
  double next = below == last ? n.beyond : n.magnitude[below + 1];
  long double d0 = (long double)a - n.magnitude[below], d1 = (long double)next - a;
  if (a >= n.beyond) {
    d0 = 1;
    d1 = 0;
  }
  if (rtz || d0 < d1 || (d0 == d1 && below % 2 == 0))
    code = below;
  else
    code = below + 1;
  if (a >= n.beyond && rtz) code = last;
  if (code > last) return over(false);
  if (code == 0 && !n.negative_zero) return 0;
  return code | signOf(n, negative);
}

std::vector<double> probes(const std::vector<double> &values, double beyond) {
  std::vector<double> v{0.0, INFINITY, 1e300, 1e-300, 4.9e-324, beyond, beyond * 2, beyond * 1e10};
  std::vector<double> list = values;
  list.push_back(beyond);
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    double mid = (list[i] + list[i + 1]) / 2;
    for (double x : {list[i], mid, std::nextafter(mid, 0.0), std::nextafter(mid, INFINITY),
                     std::nextafter(list[i + 1], 0.0), std::nextafter(list[i], INFINITY),
                     (list[i] * 3 + list[i + 1]) / 4})
      v.push_back(x);
  }
  size_t n = v.size();
  for (size_t i = 0; i < n; ++i) v.push_back(-v[i]);
  return v;
}

} // namespace

TEST(Numfmt, NarrowDecode) {
  for (const Narrow &n : narrowFormats()) {
    unsigned width = info(n.format).width, half = 1u << (width - 1);
    for (unsigned code = 0; code < 2 * half; ++code) {
      bool negative = code & half;
      unsigned m = code & (half - 1);
      double want = m < n.magnitude.size() ? (negative ? -n.magnitude[m] : n.magnitude[m]) : NAN;
      if (n.inf_code == 0x7c && m == 0x7c) want = negative ? -INFINITY : INFINITY;
      if (!n.negative_zero && code == half) want = NAN;
      EXPECT_TRUE(same(decode(n.format, code), want)) << info(n.format).name << " " << code;
      if (want == want) {
        EXPECT_EQ(encode(n.format, want), code) << info(n.format).name << " " << code;
      }
    }
  }
}

TEST(Numfmt, NarrowEncode) {
  std::mt19937_64 rng(1);
  for (const Narrow &n : narrowFormats()) {
    std::vector<double> xs = probes(n.magnitude, n.beyond);
    for (unsigned h = 0; h < 65536; ++h) { // every f16
      double d = static_cast<double>(std::bit_cast<_Float16>(static_cast<uint16_t>(h)));
      if (d == d) xs.push_back(d);
    }
    for (int i = 0; i < 100000; ++i) xs.push_back(std::bit_cast<float>(static_cast<uint32_t>(rng())));
    for (double x : xs) {
      if (x != x) continue;
      for (int mode = 0; mode < 4; ++mode) {
        bool rtz = mode & 1, sat = mode & 2;
        unsigned want = search(n, x, rtz, sat);
        EXPECT_EQ(
            encode(n.format, x, rtz ? Round::RTZ : Round::RNE, sat ? Overflow::Saturate : Overflow::Format),
            want)
            << info(n.format).name << " " << x << " mode " << mode;
      }
    }
    uint64_t nan = encode(n.format, NAN);
    if (n.nan_code == 7)
      EXPECT_EQ(nan, 7u);
    else
      EXPECT_TRUE(std::isnan(decode(n.format, nan)));
  }
}

TEST(Numfmt, ScaleFormat) {
  for (unsigned code = 0; code < 255; ++code)
    EXPECT_EQ(decode(Format::F8E8M0FNU, code), std::pow(2.0, int(code) - 127));
  EXPECT_TRUE(std::isnan(decode(Format::F8E8M0FNU, 255)));
  for (unsigned code = 0; code < 254; ++code) {
    double v = std::pow(2.0, int(code) - 127);
    EXPECT_EQ(encode(Format::F8E8M0FNU, v), code);
    EXPECT_EQ(encode(Format::F8E8M0FNU, v * 1.499), code);
    EXPECT_EQ(encode(Format::F8E8M0FNU, v * 1.5), code + 1); // its only mantissa bit is 1, odd: a tie goes up
    EXPECT_EQ(encode(Format::F8E8M0FNU, v * 1.999, Round::RTZ), code);
  }
  EXPECT_EQ(encode(Format::F8E8M0FNU, 0.0), 0u);
  EXPECT_EQ(encode(Format::F8E8M0FNU, -1.0), 255u);
  EXPECT_EQ(encode(Format::F8E8M0FNU, 1e39), 255u);
  EXPECT_EQ(encode(Format::F8E8M0FNU, INFINITY), 255u);
}

TEST(Numfmt, HalfAgainstTheCompiler) {
  std::vector<double> values;
  for (unsigned h = 0; h < 65536; ++h) {
    double want = static_cast<double>(std::bit_cast<_Float16>(static_cast<uint16_t>(h)));
    ASSERT_TRUE(same(decode(Format::F16, h), want)) << h;
    if (want != want) {
      EXPECT_TRUE(std::isnan(decode(Format::F16, encode(Format::F16, want))));
      continue;
    }
    ASSERT_EQ(encode(Format::F16, want), h);
    if (h < 0x7c00) values.push_back(want);
  }
  std::vector<double> xs = probes(values, 65536.0);
  std::mt19937_64 rng(2);
  for (int i = 0; i < 1000000; ++i) xs.push_back(std::bit_cast<float>(static_cast<uint32_t>(rng())));
  for (int i = 0; i < 300000; ++i) xs.push_back(std::bit_cast<double>(rng()));
  for (double x : xs) {
    if (x != x) continue;
    uint16_t want = std::bit_cast<uint16_t>(static_cast<_Float16>(x));
    ASSERT_EQ(encode(Format::F16, x), want) << x;
  }
}

TEST(Numfmt, Bfloat) {
  for (uint32_t h = 0; h < 65536; ++h) {
    float f = std::bit_cast<float>(h << 16);
    ASSERT_TRUE(same(decode(Format::BF16, h), f)) << h;
    if (f != f) continue;
    ASSERT_EQ(encode(Format::BF16, f), h);
    for (uint32_t low : {1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu, 0x4321u, 0xc000u}) {
      uint32_t b = h << 16 | low;
      float x = std::bit_cast<float>(b);
      if (x != x || std::isinf(x)) continue;
      ASSERT_EQ(encode(Format::BF16, x), (b + 0x7fff + (b >> 16 & 1)) >> 16) << x;
      ASSERT_EQ(encode(Format::BF16, x, Round::RTZ), b >> 16) << x;
    }
    // one double just beside a tie decides: no rounding through f32
    double next = std::bit_cast<float>((h + 1) << 16);
    if (std::isfinite(next) && (h & 0x7fff) < 0x7f7f) {
      double tie = (static_cast<double>(f) + next) / 2;
      ASSERT_EQ(encode(Format::BF16, std::nextafter(tie, f)), h);
      ASSERT_EQ(encode(Format::BF16, std::nextafter(tie, next)), h + 1);
    }
  }
}

TEST(Numfmt, SingleAndTf32) {
  std::mt19937_64 rng(3);
  for (int i = 0; i < 1000000; ++i) {
    uint32_t b = static_cast<uint32_t>(rng());
    float f = std::bit_cast<float>(b);
    if (f != f) continue;
    ASSERT_EQ(encode(Format::F32, f), b);
    ASSERT_EQ(decode(Format::F32, b), f);
    if (!std::isinf(f)) { // tf32 by arithmetic: to a multiple of the 11-bit unit, ties away
      int e;
      std::frexp(f, &e);
      double unit = std::ldexp(1.0, std::max(e - 11, -126 - 10));
      double q = std::fabs(static_cast<double>(f)) / unit, r = std::floor(q + 0.5) * unit;
      float want = std::copysign(static_cast<float>(r), f);
      ASSERT_EQ(round_tf32(f), want) << f;
      if (!std::isinf(want)) {
        ASSERT_EQ(decode(Format::TF32, encode(Format::TF32, f)), want) << f;
      }
    }
    double d = std::bit_cast<double>(rng());
    if (d == d) {
      ASSERT_EQ(encode(Format::F32, d), std::bit_cast<uint32_t>(static_cast<float>(d)));
    }
  }
  EXPECT_EQ(encode(Format::F32, 1e300, Round::RTZ), 0x7f7fffffu);
  EXPECT_EQ(encode(Format::F32, INFINITY, Round::RTZ), 0x7f800000u);
  EXPECT_EQ(encode(Format::F32, 1.0 + 1e-10, Round::RTZ), 0x3f800000u);
  EXPECT_EQ(encode(Format::F32, std::nextafter(1.0, 0.0), Round::RTZ), 0x3f7fffffu);
}

TEST(Numfmt, Integers) {
  std::mt19937_64 rng(4);
  for (int i = 0; i < 300000; ++i) {
    uint64_t v = rng() >> (rng() % 64);
    ASSERT_EQ(encode_int(Format::F32, false, v), std::bit_cast<uint32_t>(static_cast<float>(v))) << v;
    ASSERT_EQ(encode_int(Format::F64, false, v), std::bit_cast<uint64_t>(static_cast<double>(v))) << v;
    int64_t s = static_cast<int64_t>(v);
    uint64_t mag = s < 0 ? 0 - v : v;
    ASSERT_EQ(encode_int(Format::F32, s < 0, mag), std::bit_cast<uint32_t>(static_cast<float>(s))) << s;
    uint64_t small = v & 0x1ffff;
    ASSERT_EQ(encode_int(Format::F16, false, small),
              std::bit_cast<uint16_t>(static_cast<_Float16>(double(small))));
  }
}

TEST(Numfmt, FusedMultiplyAdd) {
  std::mt19937_64 rng(5);
  for (int i = 0; i < 1000000; ++i) {
    auto f = [&] {
      return std::bit_cast<float>(static_cast<uint32_t>(rng() % 2 ? 0x3f000000 + rng() % 0x2000000 : rng()));
    };
    float a = f(), b = f(), c = rng() % 4 ? f() : -a * b;
    float want = std::fma(a, b, c);
    uint64_t got = fma(Format::F32, a, b, c);
    if (want != want)
      ASSERT_TRUE(std::isnan(decode(Format::F32, got)));
    else
      ASSERT_EQ(got, std::bit_cast<uint32_t>(want)) << a << " " << b << " " << c;
    // f16: exact in 128-bit fixed point, units of 2^-48
    auto h = [&] { return static_cast<uint16_t>(rng()); };
    double x = decode(Format::F16, h()), y = decode(Format::F16, h()), z = decode(Format::F16, h());
    if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(z)) continue;
    __int128 exact =
        (__int128)std::ldexp(x, 24) * (__int128)std::ldexp(y, 24) + ((__int128)std::ldexp(z, 24) << 24);
    if (exact == 0) continue;
    bool negative = exact < 0;
    unsigned __int128 m = negative ? -exact : exact;
    int top = 127;
    while (!(m >> top)) --top;
    int drop = std::max(top - 10, 24); // bits below the result's unit
    unsigned __int128 q = m >> drop, rem = m - (q << drop), half = (unsigned __int128)1 << (drop - 1);
    if (rem > half || (rem == half && (q & 1))) ++q;
    double r = std::ldexp(static_cast<double>(static_cast<uint64_t>(q)), drop - 48);
    if (r >= 65520) r = INFINITY;
    ASSERT_EQ(fma(Format::F16, x, y, z), std::bit_cast<uint16_t>(static_cast<_Float16>(negative ? -r : r)));
  }
}
