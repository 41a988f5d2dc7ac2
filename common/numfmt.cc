// SPDX-License-Identifier: MIT
#include "numfmt.hh"
#include <bit>
#include <cmath>

namespace tessera::num {

static constexpr FormatInfo formats[format_count] = {
    {"f16", 16, 5, 10, 15, Nan::Ieee, true},         {"bf16", 16, 8, 7, 127, Nan::Ieee, true},
    {"f32", 32, 8, 23, 127, Nan::Ieee, true},        {"f64", 64, 11, 52, 1023, Nan::Ieee, true},
    {"tf32", 19, 8, 10, 127, Nan::Ieee, true},       {"f8E4M3FN", 8, 4, 3, 7, Nan::AllOnes, true},
    {"f8E4M3FNUZ", 8, 4, 3, 8, Nan::NegZero, true},  {"f8E5M2", 8, 5, 2, 15, Nan::Ieee, true},
    {"f8E5M2FNUZ", 8, 5, 2, 16, Nan::NegZero, true}, {"f8E8M0FNU", 8, 8, 0, 127, Nan::AllOnes, false},
    {"f4E2M1FN", 4, 2, 1, 1, Nan::None, true},
};

const FormatInfo &info(Format f) { return formats[static_cast<unsigned>(f)]; }

namespace {

/// The largest finite code without its sign.
constexpr uint64_t max_code(const FormatInfo &i) {
  uint64_t ones = (uint64_t(1) << (i.exponent + i.mantissa)) - 1;
  switch (i.nan) {
  case Nan::Ieee:
    return ones - ((uint64_t(1) << i.mantissa) - 1) - 1;
  case Nan::AllOnes:
    return ones - 1;
  case Nan::NegZero:
  case Nan::None:
    return ones;
  }
  return ones;
}

constexpr uint64_t sign_bit(const FormatInfo &i, bool negative) {
  return negative && i.sign ? uint64_t(1) << (i.width - 1) : 0;
}

constexpr uint64_t nan_code(const FormatInfo &i, bool negative) {
  uint64_t ones = (uint64_t(1) << (i.exponent + i.mantissa)) - 1;
  switch (i.nan) {
  case Nan::Ieee: // exponent all ones and the quiet bit
    return (ones - ((uint64_t(1) << i.mantissa) - 1)) | uint64_t(1) << (i.mantissa - 1) |
           sign_bit(i, negative);
  case Nan::AllOnes:
    return ones | sign_bit(i, negative);
  case Nan::NegZero:
    return uint64_t(1) << (i.width - 1);
  case Nan::None:
    return max_code(i) | sign_bit(i, negative);
  }
  return ones;
}

constexpr uint64_t inf_code(const FormatInfo &i, bool negative) {
  if (i.nan == Nan::Ieee) return (max_code(i) + 1) | sign_bit(i, negative);
  return nan_code(i, negative);
}

template <Format F> inline double decode_one(uint64_t b) {
  constexpr FormatInfo i = formats[static_cast<unsigned>(F)];
  if constexpr (F == Format::F64) {
    return std::bit_cast<double>(b);
  } else if constexpr (F == Format::F32) {
    return std::bit_cast<float>(static_cast<uint32_t>(b));
  } else {
    constexpr uint64_t emask = (uint64_t(1) << i.exponent) - 1, mmask = (uint64_t(1) << i.mantissa) - 1;
    uint64_t m = b & mmask, e = (b >> i.mantissa) & emask;
    uint64_t s = i.sign ? (b >> (i.width - 1) & 1) << 63 : 0;
    constexpr uint64_t quiet = uint64_t(0x7ff8) << 48, inf = uint64_t(0x7ff0) << 48;
    if constexpr (i.nan == Nan::Ieee) {
      if (e == emask) return std::bit_cast<double>(s | (m ? quiet : inf));
    } else if constexpr (i.nan == Nan::AllOnes) {
      if (e == emask && m == mmask) return std::bit_cast<double>(s | quiet);
    } else if constexpr (i.nan == Nan::NegZero) {
      if ((b & ((uint64_t(1) << i.width) - 1)) == uint64_t(1) << (i.width - 1))
        return std::bit_cast<double>(quiet);
    }
    if (e == 0 && i.sign) { // zero and sub-normals: m units of the smallest one
      constexpr double unit = std::bit_cast<double>(uint64_t(1 - i.bias - i.mantissa + 1023) << 52);
      return std::bit_cast<double>(s | std::bit_cast<uint64_t>(static_cast<double>(m) * unit));
    }
    return std::bit_cast<double>(s | (e + (1023 - i.bias)) << 52 | m << (52 - i.mantissa));
  }
}

template <Format F> inline uint64_t encode_one(double x, Round r, Overflow o) {
  constexpr FormatInfo i = formats[static_cast<unsigned>(F)];
  uint64_t bits = std::bit_cast<uint64_t>(x);
  if constexpr (F == Format::F64) return x != x ? bits | uint64_t(1) << 51 : bits;
  bool negative = bits >> 63;
  uint64_t mag = bits & ~(uint64_t(1) << 63);
  constexpr uint64_t inf = uint64_t(0x7ff0) << 48;
  if (mag > inf) return nan_code(i, negative);
  if (!i.sign && negative && mag) return nan_code(i, false);
  if (mag == inf) {
    if (o == Overflow::Saturate) return max_code(i) | sign_bit(i, negative);
    return inf_code(i, negative);
  }
  uint64_t zero = i.nan == Nan::NegZero ? 0 : sign_bit(i, negative);
  if (mag < (uint64_t(1) << 52)) return zero; // zero or a sub-normal double: below half of anything here
  // value = sig * 2^(exp - 52), sig has bit 52 set
  int exp = static_cast<int>(mag >> 52) - 1023;
  uint64_t sig = (mag & ((uint64_t(1) << 52) - 1)) | uint64_t(1) << 52;
  constexpr int emin = i.sign ? 1 - i.bias : -i.bias; // f8E8M0FNU: code 0 is a normal number
  int shift = 52 - i.mantissa;
  bool sub = exp < emin;
  if (sub) {
    if constexpr (!i.sign) return 0;
    shift += emin - exp;
    if (shift > 54) return zero;
  }
  uint64_t q = sig >> shift, rem = sig & ((uint64_t(1) << shift) - 1), half = uint64_t(1) << (shift - 1);
  if (r == Round::RNE) {
    if constexpr (F == Format::TF32)
      q += rem >= half;
    else
      q += rem > half || (rem == half && (q & 1));
  }
  uint64_t code = q;
  if (!sub)
    code = q + (static_cast<uint64_t>(exp - emin + (i.sign ? 1 : 0)) << i.mantissa) -
           (uint64_t(1) << i.mantissa);
  if (code > max_code(i)) {
    if (o == Overflow::Saturate || r == Round::RTZ) return max_code(i) | sign_bit(i, negative);
    return inf_code(i, negative);
  }
  if (!code && i.sign) return zero;
  return code | sign_bit(i, negative);
}

template <> inline uint64_t encode_one<Format::F32>(double x, Round r, Overflow o) {
  float f = static_cast<float>(x); // rounds to nearest even
  if (x != x) return std::bit_cast<uint32_t>(f) | 0x400000u;
  if (r == Round::RTZ && std::fabs(static_cast<double>(f)) > std::fabs(x)) f = std::nextafterf(f, 0.0f);
  uint32_t b = std::bit_cast<uint32_t>(f);
  if (o == Overflow::Saturate && (b & 0x7fffffffu) == 0x7f800000u) --b;
  return b;
}

/// Calls g.template operator()<F>() for the run-time format.
template <class G> inline auto with_format(Format f, G g) {
  switch (f) {
  case Format::F16:
    return g.template operator()<Format::F16>();
  case Format::BF16:
    return g.template operator()<Format::BF16>();
  case Format::F32:
    return g.template operator()<Format::F32>();
  case Format::F64:
    break;
  case Format::TF32:
    return g.template operator()<Format::TF32>();
  case Format::F8E4M3FN:
    return g.template operator()<Format::F8E4M3FN>();
  case Format::F8E4M3FNUZ:
    return g.template operator()<Format::F8E4M3FNUZ>();
  case Format::F8E5M2:
    return g.template operator()<Format::F8E5M2>();
  case Format::F8E5M2FNUZ:
    return g.template operator()<Format::F8E5M2FNUZ>();
  case Format::F8E8M0FNU:
    return g.template operator()<Format::F8E8M0FNU>();
  case Format::F4E2M1FN:
    return g.template operator()<Format::F4E2M1FN>();
  }
  return g.template operator()<Format::F64>();
}

} // namespace

double decode(Format f, uint64_t bits) {
  return with_format(f, [&]<Format F>() { return decode_one<F>(bits); });
}

uint64_t encode(Format f, double x, Round r, Overflow o) {
  return with_format(f, [&]<Format F>() { return encode_one<F>(x, r, o); });
}

void decode_n(Format f, const uint64_t *in, double *out, size_t n) {
  with_format(f, [&]<Format F>() {
    for (size_t k = 0; k < n; ++k) out[k] = decode_one<F>(in[k]);
  });
}

void encode_n(Format f, const double *in, uint64_t *out, size_t n, Round r, Overflow o) {
  with_format(f, [&]<Format F>() {
    for (size_t k = 0; k < n; ++k) out[k] = encode_one<F>(in[k], r, o);
  });
}

uint64_t encode_int(Format f, bool negative, uint64_t magnitude) {
  double d = static_cast<double>(magnitude);
  if (f != Format::F64 && magnitude >> 53) {
    // keep 54 bits and let the last one say whether anything was lost: the second rounding then is the only
    // one
    int drop = 64 - std::countl_zero(magnitude) - 53;
    uint64_t kept = magnitude >> drop << drop;
    d = static_cast<double>(kept);
    if (kept != magnitude) d = std::bit_cast<double>(std::bit_cast<uint64_t>(d) | 1);
  }
  return encode(f, negative ? -d : d);
}

uint64_t nan_bits(Format f) { return nan_code(info(f), false); }
uint64_t inf_bits(Format f, bool negative) { return inf_code(info(f), negative); }
uint64_t max_bits(Format f, bool negative) { return max_code(info(f)) | sign_bit(info(f), negative); }

float round_tf32(float x) {
  uint32_t b = std::bit_cast<uint32_t>(x);
  if ((b & 0x7f800000u) == 0x7f800000u) return x; // infinity, NaN
  return std::bit_cast<float>((b + 0x1000u) & ~0x1fffu);
}

double add_round_odd(double a, double b) {
  double s = a + b;
  if (!std::isfinite(s)) return s;
  double t = s - a; // exact error of the sum (Knuth)
  double err = (a - (s - t)) + (b - t);
  uint64_t bits = std::bit_cast<uint64_t>(s);
  if (err != 0 && !(bits & 1)) bits += (err > 0) == (s > 0) ? 1 : -1;
  return std::bit_cast<double>(bits);
}

uint64_t fma(Format f, double a, double b, double c) {
  if (f == Format::F64) return encode(f, std::fma(a, b, c));
  return encode(f, add_round_odd(a * b, c)); // the product of two narrower numbers is exact
}

} // namespace tessera::num
