// SPDX-License-Identifier: MIT
// tt.extern_elementwise: known functions of the vendors' device libraries, and inline assembly (refused).
// A name is looked up without its library prefix (__nv_, __ocml_, __triton_hip_) and type suffix (f, d, _f32,
// _f64); the operand types say the rest. Functions on floats compute in f64 and are rounded once.
#include "extern_round.hh"
#include "lanes.hh"
#include <cmath>

namespace tir::interp::mean {

using tessera::Code;

namespace {

double besselI(double x, int order) { // power series; converges for all x that do not overflow
  double half = x / 2, term = order ? half : 1, sum = term;
  for (int k = 1; k < 2000; ++k) {
    term *= half / k * (half / (k + order));
    sum += term;
    if (std::fabs(term) < std::fabs(sum) * 1e-18) break;
  }
  return sum;
}

double erfInverse(double y) { // Newton on erf from Giles' start
  if (y <= -1 || y >= 1) return y == 1 ? INFINITY : y == -1 ? -INFINITY : NAN;
  double w = -std::log((1 - y) * (1 + y)), x;
  if (w < 5) {
    w -= 2.5;
    x = 1.50140941 + w * (0.246640727 + w * (-0.00417768164 + w * -0.00125372503));
  } else {
    w = std::sqrt(w) - 3;
    x = 2.83297682 + w * (1.00167406 + w * (0.00943887047 + w * -0.0076224613));
  }
  x *= y;
  for (int k = 0; k < 4; ++k) {
    double e = y > 0.5 ? (1 - y) - std::erfc(x) : y < -0.5 ? std::erfc(-x) - (1 + y) : std::erf(x) - y;
    x -= e * 0.88622692545275801 * std::exp(x * x);
  }
  return x;
}
double erfcScaled(double x) { // exp(x²) erfc(x): continued fraction where exp would overflow
  if (x < 20) return std::exp(x * x) * std::erfc(x);
  double f = x;
  for (int k = 60; k > 0; --k) f = x + k / 2.0 / f;
  return 1 / (f * 1.7724538509055160);
}
double erfcInverse(double y) { // in the small tail from y itself: 1 - y has lost it
  if (!(y < 0.0625)) return erfInverse(1 - y);
  if (!(y > 0)) return y == 0 ? INFINITY : NAN;
  double l = std::sqrt(-std::log(y)), x = l - std::log(l * 1.7724538509055160) / (2 * l);
  for (int k = 0; k < 8; ++k) { // Newton on log erfc
    double g = erfcScaled(x);
    x += (std::log(g) - x * x - std::log(y)) * g * 0.88622692545275801;
  }
  return x;
}
double normcdfInverse(double p) { return -1.4142135623730951 * erfcInverse(2 * p); }
double sinCosPi(double x, bool cosine) { // exact at multiples of one half
  if (!std::isfinite(x)) return NAN;
  double r = std::remainder(x, 2.0), q = std::nearbyint(2 * r), f = (r - q / 2) * 3.14159265358979323846;
  int quarter = static_cast<int>(q) + cosine;
  double y = quarter & 1 ? std::cos(f) : std::sin(f);
  if (quarter & 2) y = -y;
  return y != 0 ? y : cosine ? 0.0 : std::copysign(0.0, x);
}

struct Function {
  const char *name;
  uint8_t args;
  double (*call)(const double *x);
};

// sorted by nothing: a launch looks each symbol up once per execution of the op, which is per tile
constexpr Function functions[] = {
    {"abs", 1, [](const double *x) { return std::fabs(x[0]); }},
    {"fabs", 1, [](const double *x) { return std::fabs(x[0]); }},
    {"acos", 1, [](const double *x) { return std::acos(x[0]); }},
    {"acosh", 1, [](const double *x) { return std::acosh(x[0]); }},
    {"add_rn", 2, [](const double *x) { return x[0] + x[1]; }},
    {"asin", 1, [](const double *x) { return std::asin(x[0]); }},
    {"asinh", 1, [](const double *x) { return std::asinh(x[0]); }},
    {"atan", 1, [](const double *x) { return std::atan(x[0]); }},
    {"atan2", 2, [](const double *x) { return std::atan2(x[0], x[1]); }},
    {"atanh", 1, [](const double *x) { return std::atanh(x[0]); }},
    {"cbrt", 1, [](const double *x) { return std::cbrt(x[0]); }},
    {"ceil", 1, [](const double *x) { return std::ceil(x[0]); }},
    {"copysign", 2, [](const double *x) { return std::copysign(x[0], x[1]); }},
    {"cos", 1, [](const double *x) { return std::cos(x[0]); }},
    {"cosh", 1, [](const double *x) { return std::cosh(x[0]); }},
    {"cospi", 1, [](const double *x) { return sinCosPi(x[0], true); }},
    {"cyl_bessel_i0", 1, [](const double *x) { return besselI(x[0], 0); }},
    {"cyl_bessel_i1", 1, [](const double *x) { return besselI(x[0], 1); }},
    {"i0", 1, [](const double *x) { return besselI(x[0], 0); }},
    {"i1", 1, [](const double *x) { return besselI(x[0], 1); }},
    {"div_rn", 2, [](const double *x) { return x[0] / x[1]; }},
    {"dividef", 2, [](const double *x) { return x[0] / x[1]; }},
    {"fdividef", 2, [](const double *x) { return x[0] / x[1]; }},
    {"erf", 1, [](const double *x) { return std::erf(x[0]); }},
    {"erfc", 1, [](const double *x) { return std::erfc(x[0]); }},
    {"erfcinv", 1, [](const double *x) { return erfcInverse(x[0]); }},
    {"erfcx", 1, [](const double *x) { return erfcScaled(x[0]); }},
    {"erfinv", 1, [](const double *x) { return erfInverse(x[0]); }},
    {"exp", 1, [](const double *x) { return std::exp(x[0]); }},
    {"exp10", 1, [](const double *x) { return std::pow(10.0, x[0]); }},
    {"exp2", 1, [](const double *x) { return std::exp2(x[0]); }},
    {"expm1", 1, [](const double *x) { return std::expm1(x[0]); }},
    {"fdim", 2, [](const double *x) { return std::fdim(x[0], x[1]); }},
    {"finite", 1, [](const double *x) { return double(std::isfinite(x[0])); }},
    {"isfinite", 1, [](const double *x) { return double(std::isfinite(x[0])); }},
    {"floor", 1, [](const double *x) { return std::floor(x[0]); }},
    {"fmax", 2, [](const double *x) { return std::fmax(x[0], x[1]); }},
    {"fmin", 2, [](const double *x) { return std::fmin(x[0], x[1]); }},
    {"fmod", 2, [](const double *x) { return std::fmod(x[0], x[1]); }},
    {"hypot", 2, [](const double *x) { return std::hypot(x[0], x[1]); }},
    {"ilogb", 1, [](const double *x) { return double(std::ilogb(x[0])); }},
    {"isinf", 1, [](const double *x) { return double(std::isinf(x[0])); }},
    {"isnan", 1, [](const double *x) { return double(std::isnan(x[0])); }},
    {"j0", 1, [](const double *x) { return ::j0(x[0]); }},
    {"j1", 1, [](const double *x) { return ::j1(x[0]); }},
    {"jn", 2, [](const double *x) { return ::jn(int(x[0]), x[1]); }},
    {"ldexp", 2, [](const double *x) { return std::ldexp(x[0], int(x[1])); }},
    {"scalbn", 2, [](const double *x) { return std::ldexp(x[0], int(x[1])); }},
    {"lgamma", 1,
     [](const double *x) {
       int s;
       return ::lgamma_r(x[0], &s);
     }},
    {"llrint", 1, [](const double *x) { return std::nearbyint(x[0]); }},
    {"llround", 1, [](const double *x) { return std::round(x[0]); }},
    {"log", 1, [](const double *x) { return std::log(x[0]); }},
    {"log10", 1, [](const double *x) { return std::log10(x[0]); }},
    {"log1p", 1, [](const double *x) { return std::log1p(x[0]); }},
    {"log2", 1, [](const double *x) { return std::log2(x[0]); }},
    {"logb", 1, [](const double *x) { return std::logb(x[0]); }},
    {"mul_rn", 2, [](const double *x) { return x[0] * x[1]; }},
    {"nearbyint", 1, [](const double *x) { return std::nearbyint(x[0]); }},
    {"norm3d", 3, [](const double *x) { return std::hypot(x[0], x[1], x[2]); }},
    {"norm4d", 4, [](const double *x) { return std::hypot(std::hypot(x[0], x[1], x[2]), x[3]); }},
    {"normcdf", 1, [](const double *x) { return 0.5 * std::erfc(-x[0] * 0.70710678118654752); }},
    {"normcdfinv", 1, [](const double *x) { return normcdfInverse(x[0]); }},
    {"pow", 2, [](const double *x) { return std::pow(x[0], x[1]); }},
    {"powi", 2, [](const double *x) { return std::pow(x[0], x[1]); }},
    {"pown", 2, [](const double *x) { return std::pow(x[0], x[1]); }},
    {"rcbrt", 1, [](const double *x) { return 1 / std::cbrt(x[0]); }},
    {"rcp_rn", 1, [](const double *x) { return 1 / x[0]; }},
    {"remainder", 2, [](const double *x) { return std::remainder(x[0], x[1]); }},
    {"rhypot", 2, [](const double *x) { return 1 / std::hypot(x[0], x[1]); }},
    {"rint", 1, [](const double *x) { return std::nearbyint(x[0]); }},
    {"rnorm3d", 3, [](const double *x) { return 1 / std::hypot(x[0], x[1], x[2]); }},
    {"rnorm4d", 4, [](const double *x) { return 1 / std::hypot(std::hypot(x[0], x[1], x[2]), x[3]); }},
    {"round", 1, [](const double *x) { return std::round(x[0]); }},
    {"rsqrt", 1, [](const double *x) { return 1 / std::sqrt(x[0]); }},
    {"rsqrt_rn", 1, [](const double *x) { return 1 / std::sqrt(x[0]); }},
    {"saturate", 1, [](const double *x) { return x[0] > 0 ? std::fmin(x[0], 1) : 0.0; }},
    {"signbit", 1, [](const double *x) { return double(std::signbit(x[0])); }},
    {"sin", 1, [](const double *x) { return std::sin(x[0]); }},
    {"sinh", 1, [](const double *x) { return std::sinh(x[0]); }},
    {"sinpi", 1, [](const double *x) { return sinCosPi(x[0], false); }},
    {"sqrt", 1, [](const double *x) { return std::sqrt(x[0]); }},
    {"sqrt_rn", 1, [](const double *x) { return std::sqrt(x[0]); }},
    {"sub_rn", 2, [](const double *x) { return x[0] - x[1]; }},
    {"tan", 1, [](const double *x) { return std::tan(x[0]); }},
    {"tanh", 1, [](const double *x) { return std::tanh(x[0]); }},
    {"tgamma", 1, [](const double *x) { return std::tgamma(x[0]); }},
    {"trunc", 1, [](const double *x) { return std::trunc(x[0]); }},
    {"y0", 1, [](const double *x) { return ::y0(x[0]); }},
    {"y1", 1, [](const double *x) { return ::y1(x[0]); }},
    {"yn", 2, [](const double *x) { return ::yn(int(x[0]), x[1]); }},
};

struct IntFunction {
  const char *symbol;
  uint8_t args;
  uint64_t (*call)(const uint64_t *x, unsigned width);
};
constexpr IntFunction intFunctions[] = {
    {"__nv_clz", 1,
     [](const uint64_t *x, unsigned w) { return uint64_t(std::countl_zero(x[0]) - (64 - w)); }},
    {"__nv_clzll", 1, [](const uint64_t *x, unsigned) { return uint64_t(std::countl_zero(x[0])); }},
    {"__nv_popc", 1, [](const uint64_t *x, unsigned) { return uint64_t(std::popcount(x[0])); }},
    {"__nv_popcll", 1, [](const uint64_t *x, unsigned) { return uint64_t(std::popcount(x[0])); }},
    {"__nv_abs", 1, [](const uint64_t *x, unsigned w) { return sext(x[0], w) < 0 ? 0 - x[0] : x[0]; }},
    {"__nv_llabs", 1, [](const uint64_t *x, unsigned w) { return sext(x[0], w) < 0 ? 0 - x[0] : x[0]; }},
    {"__nv_ffs", 1,
     [](const uint64_t *x, unsigned) { return x[0] ? uint64_t(std::countr_zero(x[0]) + 1) : 0; }},
    {"__nv_ffsll", 1,
     [](const uint64_t *x, unsigned) { return x[0] ? uint64_t(std::countr_zero(x[0]) + 1) : 0; }},
    {"__nv_mulhi", 2,
     [](const uint64_t *x, unsigned w) { return uint64_t(__int128(sext(x[0], w)) * sext(x[1], w) >> w); }},
    {"__nv_umulhi", 2,
     [](const uint64_t *x, unsigned w) { return uint64_t((unsigned __int128)x[0] * x[1] >> w); }},
    {"__nv_mul64hi", 2,
     [](const uint64_t *x, unsigned) { return uint64_t(__int128(int64_t(x[0])) * int64_t(x[1]) >> 64); }},
    {"__nv_umul64hi", 2,
     [](const uint64_t *x, unsigned) { return uint64_t((unsigned __int128)x[0] * x[1] >> 64); }},
    {"__nv_mul24", 2,
     [](const uint64_t *x, unsigned) { return uint64_t(sext(x[0] & 0xFFFFFF, 24) * sext(x[1] & 0xFFFFFF, 24)); }},
    {"__nv_umul24", 2, [](const uint64_t *x, unsigned) { return (x[0] & 0xFFFFFF) * (x[1] & 0xFFFFFF); }},
    {"__nv_hadd", 2,
     [](const uint64_t *x, unsigned w) { return uint64_t((sext(x[0], w) + sext(x[1], w)) >> 1); }},
    {"__nv_uhadd", 2, [](const uint64_t *x, unsigned) { return (x[0] + x[1]) >> 1; }},
    {"__nv_rhadd", 2,
     [](const uint64_t *x, unsigned w) { return uint64_t((sext(x[0], w) + sext(x[1], w) + 1) >> 1); }},
    {"__nv_urhadd", 2, [](const uint64_t *x, unsigned) { return (x[0] + x[1] + 1) >> 1; }},
    {"__nv_sad", 3,
     [](const uint64_t *x, unsigned w) {
       int64_t d = sext(x[0], w) - sext(x[1], w);
       return uint64_t(d < 0 ? -d : d) + x[2];
     }},
    {"__nv_usad", 3, [](const uint64_t *x, unsigned) { return (x[0] > x[1] ? x[0] - x[1] : x[1] - x[0]) + x[2]; }},
    {"__nv_byte_perm", 3,
     [](const uint64_t *x, unsigned) {
       uint64_t pair = (x[0] & 0xFFFFFFFF) | x[1] << 32, r = 0;
       for (unsigned i = 0; i < 4; ++i) r |= (pair >> 8 * (x[2] >> 4 * i & 7) & 255) << 8 * i;
       return r;
     }},
    {"__nv_brev", 1,
     [](const uint64_t *x, unsigned w) {
       uint64_t r = 0;
       for (unsigned i = 0; i < w; ++i) r |= (x[0] >> i & 1) << (w - 1 - i);
       return r;
     }},
    {"__nv_brevll", 1,
     [](const uint64_t *x, unsigned) {
       uint64_t r = 0;
       for (unsigned i = 0; i < 64; ++i) r |= (x[0] >> i & 1) << (63 - i);
       return r;
     }},
};

bool drop(std::string_view &s, std::string_view prefix) {
  if (s.substr(0, prefix.size()) != prefix) return false;
  s.remove_prefix(prefix.size());
  return true;
}
bool dropEnd(std::string_view &s, std::string_view suffix) {
  if (s.size() <= suffix.size() || s.substr(s.size() - suffix.size()) != suffix) return false;
  s.remove_suffix(suffix.size());
  return true;
}
const Function *byName(std::string_view n) {
  for (const Function &f : functions)
    if (n == f.name) return &f;
  return nullptr;
}

const Function *lookup(std::string_view symbol) {
  std::string_view n = symbol;
  if (!drop(n, "__nv_") && !drop(n, "__ocml_") && !drop(n, "__triton_hip_")) return nullptr;
  drop(n, "fast_");
  if (!dropEnd(n, "_f32")) dropEnd(n, "_f64");
  if (const Function *f = byName(n)) return f;
  std::string_view cut = n;
  cut.remove_suffix(n.empty() ? 0 : 1);
  if (n.size() > 1 && (n.back() == 'f' || n.back() == 'd'))
    if (const Function *f = byName(cut)) return f;
  if (n.size() > 3 && n.substr(n.size() - 3) == "_rn" && (n[0] == 'f' || n[0] == 'd')) // fdiv_rn, dadd_rn
    return byName(n.substr(1));
  return nullptr;
}

} // namespace

Step tt_extern_elementwise(Machine &m, Op &op) {
  std::string symbol(op.strAttr("symbol"));
  unsigned k = op.numOperands();
  Type to = op.result(0)->type->scalar();
  uint32_t n = m.count(op.result(0)->type);
  bool floats = false;
  for (unsigned o = 0; o < k; ++o) {
    floats |= scalarOf(op, o)->isFloat();
    if (m.in(op, o).size() != n && m.in(op, o).size() != 1)
      return m.stop(op, Code::VERIFY, "calls '%s' on tiles of several shapes", symbol.c_str());
  }
  Tile r(n);
  auto at = [&](unsigned o, uint32_t i) {
    const Tile &t = m.in(op, o);
    return t[t.size() == 1 ? 0 : i];
  };
  bool done = false;
  std::string_view s = symbol;
  if (s == "__nv_fma" || s == "__nv_fmaf" || s == "__nv_fma_rn" || s == "__nv_fmaf_rn" ||
      s == "__ocml_fma_f32" || s == "__ocml_fma_f64") {
    num::Format f = formatOf(to);
    if (k == 3) {
      for (uint32_t i = 0; i < n; ++i)
        r.cells()[i] =
            num::fma(f, num::decode(f, at(0, i)), num::decode(f, at(1, i)), num::decode(f, at(2, i)));
      done = true;
    }
  } else if (const Function *f = lookup(s); f && f->args == k && floats) {
    num::Format formats[4] = {};
    for (unsigned o = 0; o < k; ++o)
      if (scalarOf(op, o)->isFloat()) formats[o] = formatOf(scalarOf(op, o));
    for (uint32_t i = 0; i < n; ++i) {
      double x[4];
      for (unsigned o = 0; o < k; ++o)
        x[o] = scalarOf(op, o)->isFloat() ? num::decode(formats[o], at(o, i))
                                          : static_cast<double>(sext(at(o, i), widthOf(scalarOf(op, o))));
      double v = f->call(x);
      if (to->isFloat())
        r.cells()[i] = num::encode(formatOf(to), v);
      else
        r.cells()[i] = (v != v         ? 0
                        : v >= 0x1p63  ? uint64_t(INT64_MAX)
                        : v <= -0x1p63 ? uint64_t(INT64_MIN)
                                       : static_cast<uint64_t>(static_cast<int64_t>(v))) &
                       maskOf(widthOf(to));
    }
    done = true;
  } else {
    std::string_view name = s;
    ExternTypes types{k, k && scalarOf(op, 0)->isFloat() ? widthOf(scalarOf(op, 0)) : 0, to->isFloat() ? widthOf(to) : 0};
    if (drop(name, "__nv_") && k && k <= 3) {
      uint64_t x[3], v;
      done = true;
      for (uint32_t i = 0; done && i < n; ++i) {
        for (unsigned o = 0; o < k; ++o) x[o] = at(o, i);
        if ((done = externRounded(name, types, x, &v))) r.cells()[i] = v & maskOf(widthOf(to));
      }
    }
    for (const IntFunction &f : intFunctions)
      if (s == f.symbol && f.args == k) {
        for (uint32_t i = 0; i < n; ++i) {
          uint64_t x[3];
          for (unsigned o = 0; o < k; ++o) x[o] = at(o, i);
          r.cells()[i] = f.call(x, widthOf(scalarOf(op, 0))) & maskOf(widthOf(to));
        }
        done = true;
        break;
      }
  }
  if (!done)
    return m.stop(op, Code::UNSUPPORTED, "not implemented: external function '%s' of %u operands",
                  symbol.c_str(), k);
  for (unsigned o = 0; o < k; ++o) r.mergeMarks(m.in(op, o));
  return m.out(op, std::move(r));
}

Step tt_elementwise_inline_asm(Machine &m, Op &op) {
  std::string text(op.strAttr("asm_string").substr(0, 60));
  for (char &c : text)
    if (c == '\n') c = ' ';
  return m.stop(op, Code::UNSUPPORTED, "not implemented: inline assembly belongs to one machine (\"%s\")",
                text.c_str());
}

} // namespace tir::interp::mean
