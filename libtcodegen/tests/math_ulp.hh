// SPDX-License-Identifier: MIT
// ULP measurement of the float functions against the double functions of libm.
#pragma once
#include "jit.hh"
#include "target/cpu/math.hh"
#include <bit>
#include <cmath>
#include <vector>

namespace ulp {

struct Case {
  const char *name;
  tcodegen::MathFn fn;
  double (*reference)(double);
  double bound;      // page-7 limit
  double domain;     // |x| up to here for the bound
};

inline double rsqrt(double x) { return 1 / std::sqrt(x); }

inline constexpr double everywhere = 1e300;
inline const Case cases[] = {
    {"exp", tcodegen::MathFn::exp, std::exp, 2, everywhere},
    {"exp2", tcodegen::MathFn::exp2, std::exp2, 2, everywhere},
    {"log", tcodegen::MathFn::log, std::log, 2, everywhere},
    {"log2", tcodegen::MathFn::log2, std::log2, 2, everywhere},
    {"sin", tcodegen::MathFn::sin, std::sin, 2, everywhere},
    {"cos", tcodegen::MathFn::cos, std::cos, 2, everywhere},
    {"tanh", tcodegen::MathFn::tanh, std::tanh, 3, everywhere},
    {"erf", tcodegen::MathFn::erf, std::erf, 3, everywhere},
    {"rsqrt", tcodegen::MathFn::rsqrt, rsqrt, 2, everywhere},
    {"sqrt", tcodegen::MathFn::sqrt, std::sqrt, 1, everywhere},
};

/// Distance in units of the last place of a float at the reference; inf counts as 2^128. NaN must meet NaN, and a
/// zero must have the reference's sign: otherwise 1e9.
inline double distance(float y, double ref) {
  if (std::isnan(ref)) return std::isnan(y) ? 0 : 1e9;
  if (std::isnan(y)) return 1e9;
  if (ref == 0) return y == 0 && std::signbit(y) == std::signbit(ref) ? 0 : 1e9;
  if (std::isinf(ref)) return double(y) == ref ? 0 : 1e9;
  if (y != 0 && std::signbit(y) != std::signbit(ref)) return 1e9;
  if (std::isinf(y) && std::isinf(float(ref))) return 0;
  int e = std::ilogb(ref);
  e = e < -126 ? -126 : e > 127 ? 127 : e;
  double got = std::isinf(y) ? std::copysign(0x1p128, ref) : double(y);
  return std::fabs(got - ref) / std::ldexp(1.0, e - 23);
}

inline std::unique_ptr<jit::Loaded> build(const Case &c, const tcodegen::CpuTarget &cpu, unsigned lanes,
                                          size_t *bytes = nullptr, std::string *text = nullptr) {
  return jit::elementwise(
      cpu, lanes, llvm::Type::getFloatTy, llvm::Type::getFloatTy,
      [&](llvm::IRBuilder<> &b, llvm::Value *x, llvm::Value *) { return tcodegen::emit_math(c.fn, b, x, nullptr, &cpu); }, bytes, text);
}

struct Worst {
  double error = 0;
  uint32_t at = 0;
};

/// Feeds the bit patterns first, first + step, … (count of them, a multiple of 4096 in all).
inline Worst measure(const Case &c, jit::Kernel k, uint64_t first, uint64_t step, uint64_t count) {
  constexpr size_t chunk = 4096;
  std::vector<float> x(chunk), y(chunk);
  Worst w;
  for (uint64_t done = 0; done < count; done += chunk) {
    for (size_t i = 0; i < chunk; ++i) x[i] = std::bit_cast<float>(uint32_t(first + (done + i) * step));
    k(x.data(), x.data(), y.data(), chunk);
    for (size_t i = 0; i < chunk; ++i) {
      double e = distance(y[i], c.reference(double(x[i])));
      if (e > w.error) w = {e, std::bit_cast<uint32_t>(x[i])};
    }
  }
  return w;
}

} // namespace ulp
