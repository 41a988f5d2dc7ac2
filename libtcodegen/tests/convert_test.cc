// SPDX-License-Identifier: MIT
// Conversions against LLVM's APFloat; integer and float arithmetic against plain C++.
#include "common/numfmt.hh"
#include "jit.hh"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/APSInt.h"
#include "target/cpu/convert.hh"
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace tcodegen;
using llvm::APFloat;
using llvm::APInt;

namespace {

const llvm::fltSemantics &semantics(Float f) {
  switch (f) {
  case Float::f16: return APFloat::IEEEhalf();
  case Float::bf16: return APFloat::BFloat();
  case Float::f32: return APFloat::IEEEsingle();
  case Float::f64: return APFloat::IEEEdouble();
  case Float::f8e4m3fn: return APFloat::Float8E4M3FN();
  case Float::f8e5m2: return APFloat::Float8E5M2();
  case Float::f8e4m3fnuz: return APFloat::Float8E4M3FNUZ();
  case Float::f8e5m2fnuz: return APFloat::Float8E5M2FNUZ();
  }
  return APFloat::IEEEsingle();
}

unsigned width(Float f) { return unsigned(APFloat::semanticsSizeInBits(semantics(f))); }

auto element(Float f) {
  return [f](llvm::LLVMContext &c) { return storage_type(c, f); };
}

auto integer(unsigned bits) {
  return [bits](llvm::LLVMContext &c) -> llvm::Type * { return llvm::Type::getIntNTy(c, bits); };
}

const char *const levels[] = {"cpu:x86-64-v3", "cpu:x86-64-v4"};

uint64_t element_at(const std::vector<uint8_t> &bytes, size_t i, unsigned bits) {
  uint64_t v = 0;
  std::memcpy(&v, bytes.data() + i * bits / 8, bits / 8);
  return v;
}

void put(std::vector<uint8_t> &bytes, uint64_t v, unsigned bits) {
  const auto *p = reinterpret_cast<const uint8_t *>(&v);
  bytes.insert(bytes.end(), p, p + bits / 8);
}

/// Runs one input set at several shapes on every level that this machine has; check(i, x bits, result bits).
template <class Body, class Check>
void run(unsigned in_bits, unsigned out_bits, std::vector<uint64_t> xs, std::vector<uint64_t> ys, auto in, auto out,
         Body body, Check check) {
  while (xs.size() % 32) xs.push_back(xs.back());
  if (ys.empty()) ys = xs;
  while (ys.size() < xs.size()) ys.push_back(ys.back());
  std::vector<uint8_t> x, y, r(xs.size() * out_bits / 8);
  for (uint64_t v : xs) put(x, v, in_bits);
  for (uint64_t v : ys) put(y, v, in_bits);
  for (const char *level : levels) {
    if (!jit::host_runs(level)) continue;
    for (unsigned lanes : {1u, 8u, 32u}) {
      auto code = jit::elementwise(jit::target(level), lanes, in, out, body);
      jit::kernel(*code)(x.data(), y.data(), r.data(), xs.size());
      int bad = 0;
      for (size_t i = 0; i < xs.size() && bad < 5; ++i)
        if (!check(xs[i], ys[i], element_at(r, i, out_bits))) {
          ++bad;
          ADD_FAILURE() << level << ", lanes " << lanes << ": x " << std::hex << xs[i] << " y " << ys[i] << " gave "
                        << element_at(r, i, out_bits);
        }
    }
  }
}

/// All patterns of narrow formats; of wide ones, values around every place where a narrow format rounds.
std::vector<uint64_t> samples(Float from) {
  std::vector<uint64_t> v;
  unsigned bits = width(from);
  if (bits <= 16) {
    for (uint64_t i = 0; i < uint64_t(1) << bits; ++i) v.push_back(i);
    return v;
  }
  std::mt19937_64 random(7);
  auto add = [&](double d) {
    v.push_back(from == Float::f32 ? std::bit_cast<uint32_t>(float(d)) : std::bit_cast<uint64_t>(d));
  };
  for (Float narrow : {Float::f8e4m3fn, Float::f8e5m2, Float::f8e4m3fnuz, Float::f8e5m2fnuz, Float::f16, Float::bf16}) {
    unsigned step = width(narrow) == 8 ? 1 : 7;
    for (uint32_t code = 0; code < 1u << width(narrow); code += step) {
      APFloat a(semantics(narrow), APInt(width(narrow), code));
      if (!a.isFinite()) continue;
      APFloat b = a;
      b.next(false);
      double x = a.convertToDouble(), y = b.isFinite() ? b.convertToDouble() : x * 1.0625, mid = x + (y - x) / 2;
      for (double d : {x, mid, x + (y - x) / 3}) {
        add(d);
        if (from == Float::f32) {
          add(std::nextafterf(float(d), INFINITY)), add(std::nextafterf(float(d), -INFINITY));
        } else {
          add(std::nextafter(d, INFINITY)), add(std::nextafter(d, -INFINITY));
          add(double(std::nextafterf(float(d), INFINITY)));
        }
      }
    }
  }
  for (int i = 0; i < 40000; ++i) v.push_back(from == Float::f32 ? uint32_t(random()) : random());
  for (double d : {0.0, -0.0, double(INFINITY), double(-INFINITY), double(NAN), 0x1p-149, 0x1p-150, 0x1.8p-150, 0x1p-126,
                   0x1.fffffep127, 464.0, 465.0, 248.0, 247.9, 61440.0, 61439.9, 65520.0, 65519.9, 1e-300, 1e300, 5e-324})
    add(d), add(-d);
  v.push_back(from == Float::f32 ? 0x7f800001 : 0x7ff0000000000001); // a NaN that is all zero in its upper part
  v.push_back(from == Float::f32 ? 0xffffffff : 0xffffffffffffffff);
  return v;
}

bool same(Float f, uint64_t got, const APFloat &want) {
  APFloat g(semantics(f), APInt(width(f), got));
  if (want.isNaN()) return g.isNaN();
  return g.bitcastToAPInt() == want.bitcastToAPInt();
}

void check_pair(Float from, Float to, Rounding rounding) {
  auto rm = rounding == Rounding::nearest_even ? APFloat::rmNearestTiesToEven : APFloat::rmTowardZero;
  run(
      width(from), width(to), samples(from), {}, element(from), element(to),
      [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *) { return emit_convert(b, x, from, to, rounding); },
      [=](uint64_t x, uint64_t, uint64_t r) {
        APFloat want(semantics(from), APInt(width(from), x));
        bool lost;
        want.convert(semantics(to), rm, &lost);
        return same(to, r, want);
      });
}

constexpr Float formats[] = {Float::f16,      Float::bf16,   Float::f32,        Float::f64,
                             Float::f8e4m3fn, Float::f8e5m2, Float::f8e4m3fnuz, Float::f8e5m2fnuz};

TEST(Convert, EveryPairNearest) {
  for (Float from : formats)
    for (Float to : formats) {
      SCOPED_TRACE(testing::Message() << "from " << int(from) << " to " << int(to));
      if (from != to) check_pair(from, to, Rounding::nearest_even);
    }
}

TEST(Convert, TowardZero) {
  for (Float from : {Float::f32, Float::f64, Float::f16})
    for (Float to : formats) {
      SCOPED_TRACE(testing::Message() << "from " << int(from) << " to " << int(to));
      if (from != to) check_pair(from, to, Rounding::toward_zero);
    }
}

TEST(Convert, Saturating) { // against the house's own number formats, which the interpreter uses
  struct {
    Float f;
    tessera::num::Format n;
  } const to8[] = {{Float::f8e4m3fn, tessera::num::Format::F8E4M3FN},
                   {Float::f8e5m2, tessera::num::Format::F8E5M2},
                   {Float::f8e4m3fnuz, tessera::num::Format::F8E4M3FNUZ},
                   {Float::f8e5m2fnuz, tessera::num::Format::F8E5M2FNUZ}};
  for (Float from : {Float::f32, Float::f64, Float::f16})
    for (auto to : to8) {
      SCOPED_TRACE(testing::Message() << "from " << int(from) << " to " << int(to.f));
      run(
          width(from), 8, samples(from), {}, element(from), element(to.f),
          [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *) {
            return emit_convert(b, x, from, to.f, Rounding::nearest_even, Overflow::saturate);
          },
          [=](uint64_t x, uint64_t, uint64_t r) {
            APFloat v(semantics(from), APInt(width(from), x));
            bool lost;
            v.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
            APFloat got(semantics(to.f), APInt(8, r));
            if (v.isNaN()) return got.isNaN();
            return r == tessera::num::encode(to.n, v.convertToDouble(), tessera::num::Round::RNE,
                                             tessera::num::Overflow::Saturate);
          });
    }
}

TEST(Convert, FloatToInt) {
  for (Float from : {Float::f16, Float::bf16, Float::f32, Float::f64, Float::f8e5m2})
    for (unsigned bits : {8u, 16u, 32u, 64u})
      for (bool is_signed : {false, true}) {
        SCOPED_TRACE(testing::Message() << "from " << int(from) << " to " << bits << (is_signed ? "s" : "u"));
        std::vector<uint64_t> xs = samples(from);
        if (from == Float::f32 || from == Float::f64)
          for (int e = 0; e < 66; ++e)
            for (double d : {std::ldexp(1.0, e), std::ldexp(1.0, e) - 0.5, std::ldexp(1.0, e) - 1, -std::ldexp(1.0, e),
                             -std::ldexp(1.0, e) - 1, 0.5 - std::ldexp(1.0, e)})
              xs.push_back(from == Float::f32 ? std::bit_cast<uint32_t>(float(d)) : std::bit_cast<uint64_t>(d));
        run(
            width(from), bits, xs, {}, element(from), integer(bits),
            [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *) {
              return emit_float_to_int(b, x, from, b.getIntNTy(bits), is_signed);
            },
            [=](uint64_t x, uint64_t, uint64_t r) {
              APFloat v(semantics(from), APInt(width(from), x));
              llvm::APSInt want(bits, !is_signed);
              bool exact;
              if (!v.isNaN()) v.convertToInteger(want, APFloat::rmTowardZero, &exact); // saturates
              return want.getZExtValue() == r;
            });
      }
}

TEST(Convert, IntToFloat) {
  std::mt19937_64 random(3);
  for (unsigned bits : {8u, 16u, 32u, 64u})
    for (bool is_signed : {false, true})
      for (Float to : formats) {
        SCOPED_TRACE(testing::Message() << bits << (is_signed ? "s" : "u") << " to " << int(to));
        std::vector<uint64_t> xs;
        uint64_t mask = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
        for (unsigned e = 0; e < bits; ++e)
          for (unsigned g = 0; g <= e; ++g) // 2^e + 2^g and its neighbours: ties and sticky bits
            for (int64_t d : {-1, 0, 1}) {
              uint64_t v = (uint64_t(1) << e) + (uint64_t(1) << g) + uint64_t(d);
              xs.push_back(v & mask), xs.push_back((0 - v) & mask);
            }
        for (int i = 0; i < 4000; ++i) xs.push_back((random() >> (random() % 64)) & mask);
        run(
            bits, width(to), xs, {}, integer(bits), element(to),
            [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *) { return emit_int_to_float(b, x, is_signed, to); },
            [=](uint64_t x, uint64_t, uint64_t r) {
              APFloat want(semantics(to));
              want.convertFromAPInt(APInt(bits, x), is_signed, APFloat::rmNearestTiesToEven);
              return same(to, r, want);
            });
      }
}

// ---- arithmetic ------------------------------------------------------------------------------------------------

const std::vector<float> &float_edges() {
  static const std::vector<float> v = {0.0f, -0.0f, 1.0f, -1.0f, 1.5f, -2.5f, 1e-45f, -1e-45f, 3e38f, -3e38f,
                                       INFINITY, -INFINITY, NAN, 7.25f, 1e-20f, 123456.7f};
  return v;
}

/// All pairs of the edges, as bit patterns.
void float_pairs(std::vector<uint64_t> &xs, std::vector<uint64_t> &ys) {
  for (float x : float_edges())
    for (float y : float_edges()) xs.push_back(std::bit_cast<uint32_t>(x)), ys.push_back(std::bit_cast<uint32_t>(y));
}

bool same_float(uint64_t bits, float want) {
  float got = std::bit_cast<float>(uint32_t(bits));
  return std::isnan(want) ? std::isnan(got) : std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(want);
}

TEST(Arithmetic, MinMax) {
  std::vector<uint64_t> xs, ys;
  float_pairs(xs, ys);
  for (MinMax kind : {MinMax::minimum, MinMax::maximum, MinMax::min_number, MinMax::max_number})
    run(
        32, 32, xs, ys, element(Float::f32), element(Float::f32),
        [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *y) { return emit_min_max(b, kind, x, y); },
        [=](uint64_t xb, uint64_t yb, uint64_t r) {
          float x = std::bit_cast<float>(uint32_t(xb)), y = std::bit_cast<float>(uint32_t(yb)), want;
          bool is_min = kind == MinMax::minimum || kind == MinMax::min_number;
          bool number = kind == MinMax::min_number || kind == MinMax::max_number;
          if (std::isnan(x) || std::isnan(y)) want = !number ? NAN : std::isnan(x) ? y : x;
          else if (x == 0 && y == 0) want = is_min == (std::signbit(x) || std::signbit(y)) && is_min ? -0.0f
                                            : is_min ? 0.0f
                                            : std::signbit(x) && std::signbit(y) ? -0.0f : 0.0f;
          else want = is_min ? std::fmin(x, y) : std::fmax(x, y);
          return same_float(r, want);
        });
}

TEST(Arithmetic, Remainder) {
  std::vector<uint64_t> xs, ys;
  float_pairs(xs, ys);
  run(
      32, 32, xs, ys, element(Float::f32), element(Float::f32),
      [](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *y) { return emit_remainder(b, x, y); },
      [](uint64_t x, uint64_t y, uint64_t r) {
        return same_float(r, std::fmod(std::bit_cast<float>(uint32_t(x)), std::bit_cast<float>(uint32_t(y))));
      });
}

TEST(Arithmetic, FusedMultiplyAddOfNarrowFormats) {
  for (Float f : {Float::f16, Float::bf16}) {
    std::mt19937_64 random(5);
    std::vector<uint64_t> xs, ys;
    for (int i = 0; i < 200000; ++i) xs.push_back(random() & 0xffff), ys.push_back(random() & 0xffff);
    // z is made of x and y inside, so that sums cancel, tie, and differ by far more than a double holds.
    auto third = [](uint64_t x, uint64_t y) { return (x * 0x9e37 ^ y * 0x85eb ^ (x & 3 ? y << 4 : x)) & 0xffff; };
    run(
        16, 16, xs, ys, element(f), element(f),
        [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *y) {
          llvm::Type *i16 = x->getType()->getWithNewType(b.getInt16Ty());
          auto c = [&](uint64_t v) { return llvm::ConstantInt::get(i16, v); };
          llvm::Value *xi = b.CreateBitCast(x, i16), *yi = b.CreateBitCast(y, i16);
          llvm::Value *low = b.CreateICmpNE(b.CreateAnd(xi, c(3)), c(0));
          llvm::Value *z = b.CreateXor(b.CreateMul(xi, c(0x9e37)), b.CreateMul(yi, c(0x85eb)));
          z = b.CreateXor(z, b.CreateSelect(low, b.CreateShl(yi, c(4)), xi));
          return emit_fma(b, x, y, b.CreateBitCast(z, x->getType()), f);
        },
        [=](uint64_t x, uint64_t y, uint64_t r) {
          APFloat a(semantics(f), APInt(16, x)), m(semantics(f), APInt(16, y)), z(semantics(f), APInt(16, third(x, y)));
          a.fusedMultiplyAdd(m, z, APFloat::rmNearestTiesToEven);
          return same(f, r, a);
        });
  }
}

std::vector<uint64_t> int_edges(unsigned bits) {
  uint64_t top = uint64_t(1) << (bits - 1), mask = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  std::vector<uint64_t> v = {0, 1, 2, 3, 7, 10, bits - 1, bits, bits + 1, 100, top - 1, top, top + 1, mask, mask - 1,
                             mask - 6, mask / 3, 0x55555555555555 & mask};
  std::mt19937_64 random(bits);
  for (int i = 0; i < 14; ++i) v.push_back((random() >> (random() % bits)) & mask);
  for (uint64_t &x : v) x &= mask;
  return v;
}

int64_t as_signed(uint64_t v, unsigned bits) { return int64_t(v << (64 - bits)) >> (64 - bits); }

void int_pairs(unsigned bits, std::vector<uint64_t> &xs, std::vector<uint64_t> &ys) {
  for (uint64_t x : int_edges(bits))
    for (uint64_t y : int_edges(bits)) xs.push_back(x), ys.push_back(y);
}

TEST(Arithmetic, Shift) {
  for (unsigned bits : {8u, 16u, 32u, 64u})
    for (Shift kind : {Shift::left, Shift::logical_right, Shift::arithmetic_right}) {
      SCOPED_TRACE(testing::Message() << bits << " bits, kind " << int(kind));
      std::vector<uint64_t> xs, ys;
      int_pairs(bits, xs, ys);
      uint64_t mask = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
      run(
          bits, bits, xs, ys, integer(bits), integer(bits),
          [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *y) { return emit_shift(b, kind, x, y); },
          [=](uint64_t x, uint64_t y, uint64_t r) {
            uint64_t want;
            if (kind == Shift::arithmetic_right) want = uint64_t(as_signed(x, bits) >> (y < bits ? y : bits - 1));
            else if (y >= bits) want = 0;
            else want = kind == Shift::left ? x << y : x >> y;
            return r == (want & mask);
          });
    }
}

TEST(Arithmetic, Divide) {
  for (unsigned bits : {8u, 16u, 32u, 64u})
    for (Divide kind : {Divide::sdiv, Divide::udiv, Divide::srem, Divide::urem}) {
      SCOPED_TRACE(testing::Message() << bits << " bits, kind " << int(kind));
      std::vector<uint64_t> xs, ys;
      int_pairs(bits, xs, ys);
      std::mt19937_64 random(11);
      uint64_t mask = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
      for (int i = 0; i < 4000; ++i) {
        uint64_t y = (random() >> (random() % bits)) & mask, k = random() % 5 + random() % 70000;
        xs.push_back((y * k + random() % 3 - 1) & mask), ys.push_back(y); // around exact quotients
      }
      run(
          bits, bits, xs, ys, integer(bits), integer(bits),
          [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *y) { return emit_int_divide(b, kind, x, y); },
          [=](uint64_t x, uint64_t y, uint64_t r) {
            if (y == 0) return true; // unspecified; that it came back is the test
            __int128 a = as_signed(x, bits), d = as_signed(y, bits), want;
            switch (kind) {
            case Divide::sdiv: want = a / d; break;
            case Divide::srem: want = a % d; break;
            case Divide::udiv: want = x / y; break;
            default: want = x % y;
            }
            return r == (uint64_t(want) & mask);
          });
    }
}

TEST(Arithmetic, RoundedDivideAndHighProduct) {
  for (unsigned bits : {8u, 16u, 32u, 64u}) {
    SCOPED_TRACE(testing::Message() << bits << " bits");
    std::vector<uint64_t> xs, ys;
    int_pairs(bits, xs, ys);
    uint64_t mask = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
    for (RoundedDivide kind : {RoundedDivide::ceil_signed, RoundedDivide::ceil_unsigned, RoundedDivide::floor_signed})
      run(
          bits, bits, xs, ys, integer(bits), integer(bits),
          [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *y) { return emit_rounded_divide(b, kind, x, y); },
          [=](uint64_t x, uint64_t y, uint64_t r) {
            if (y == 0) return true;
            __int128 a = as_signed(x, bits), d = as_signed(y, bits);
            if (kind == RoundedDivide::ceil_unsigned) a = x, d = y;
            __int128 q = a / d, rest = a % d;
            if (rest != 0) {
              bool agree = (rest < 0) == (d < 0);
              if (kind == RoundedDivide::floor_signed) q -= !agree;
              else q += agree;
            }
            return r == (uint64_t(q) & mask);
          });
    for (bool is_signed : {false, true})
      run(
          bits, bits, xs, ys, integer(bits), integer(bits),
          [=](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *y) { return emit_mul_high(b, x, y, is_signed); },
          [=](uint64_t x, uint64_t y, uint64_t r) {
            unsigned __int128 p = is_signed ? (unsigned __int128)((__int128)as_signed(x, bits) * as_signed(y, bits))
                                            : (unsigned __int128)x * y;
            return r == (uint64_t(p >> bits) & mask);
          });
  }
}

} // namespace
