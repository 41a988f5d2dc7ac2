// SPDX-License-Identifier: MIT
// Elementary functions: computed in f64 and rounded once.
#include "lanes.hh"
#include <cmath>

namespace tir::interp::mean {

#define UNARY(name, expr)                                                                                    \
  Step math_##name(Machine &m, Op &op) {                                                                     \
    return floatOp<1, false>(m, op, [](double x) { return expr; });                                          \
  }
UNARY(acos, std::acos(x))
UNARY(acosh, std::acosh(x))
UNARY(asin, std::asin(x))
UNARY(asinh, std::asinh(x))
UNARY(atan, std::atan(x))
UNARY(atanh, std::atanh(x))
UNARY(cbrt, std::cbrt(x))
UNARY(ceil, std::ceil(x))
UNARY(cos, std::cos(x))
UNARY(cosh, std::cosh(x))
UNARY(erf, std::erf(x))
UNARY(erfc, std::erfc(x))
UNARY(exp, std::exp(x))
UNARY(exp2, std::exp2(x))
UNARY(expm1, std::expm1(x))
UNARY(floor, std::floor(x))
UNARY(log, std::log(x))
UNARY(log10, std::log10(x))
UNARY(log1p, std::log1p(x))
UNARY(log2, std::log2(x))
UNARY(round, std::round(x))
UNARY(roundeven, std::nearbyint(x)) // the rounding mode of the house is nearest even
UNARY(rsqrt, 1.0 / std::sqrt(x))
UNARY(sin, std::sin(x))
UNARY(sinh, std::sinh(x))
UNARY(sqrt, std::sqrt(x))
UNARY(tan, std::tan(x))
UNARY(tanh, std::tanh(x))
UNARY(trunc, std::trunc(x))
#undef UNARY

Step tt_precise_sqrt(Machine &m, Op &op) { return math_sqrt(m, op); } // from 53 bits: correctly rounded
Step tt_precise_divf(Machine &m, Op &op) {
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a / b; });
}
Step tt_approx_divf(Machine &m, Op &op) { return tt_precise_divf(m, op); }

Step math_atan2(Machine &m, Op &op) {
  return floatOp<2, false>(m, op, [](double y, double x) { return std::atan2(y, x); });
}
Step math_powf(Machine &m, Op &op) {
  return floatOp<2, false>(m, op, [](double x, double y) { return std::pow(x, y); });
}
Step math_copysign(Machine &m, Op &op) {
  return floatOp<2, false>(m, op, [](double x, double y) { return std::copysign(x, y); });
}

Step math_absf(Machine &m, Op &op) {
  Type s = scalarOf(op, 0);
  if (s->isFloat(FloatKind::F8E4M3FNUZ) || s->isFloat(FloatKind::F8E5M2FNUZ)) // the sign bit alone is the NaN
    return floatOp<1, false>(m, op, [](double a) { return std::fabs(a); });
  return intUnary(m, op, [](uint64_t a, unsigned w) { return a & (maskOf(w) >> 1); });
}

Step math_fma(Machine &m, Op &op) {
  if (op.nattrs && op.intAttr("roundingmode") != 0)
    return m.stop(op, tessera::Code::UNSUPPORTED, "not implemented: rounding modes but to_nearest_even");
  num::Format f = formatOf(scalarOf(op, 0));
  const Tile &a = m.in(op, 0), &b = m.in(op, 1), &c = m.in(op, 2);
  uint32_t n = a.size();
  Tile r(n);
  for (uint32_t i = 0; i < n; ++i)
    r.cells()[i] = num::fma(f, num::decode(f, a[i]), num::decode(f, b[i]), num::decode(f, c[i]));
  r.mergeMarks(a);
  r.mergeMarks(b);
  r.mergeMarks(c);
  return m.out(op, std::move(r));
}

Step math_sincos(Machine &m, Op &op) {
  num::Format f = formatOf(scalarOf(op, 0));
  const Tile &a = m.in(op, 0);
  Tile s(a.size()), c(a.size());
  for (uint32_t i = 0; i < a.size(); ++i) {
    double x = num::decode(f, a[i]);
    s.cells()[i] = num::encode(f, std::sin(x));
    c.cells()[i] = num::encode(f, std::cos(x));
  }
  s.mergeMarks(a);
  c.mergeMarks(a);
  m.set(op.result(1), std::move(c));
  return m.out(op, std::move(s));
}

Step math_fpowi(Machine &m, Op &op) {
  num::Format f = formatOf(scalarOf(op, 0));
  unsigned w = widthOf(scalarOf(op, 1));
  const Tile &a = m.in(op, 0), &b = m.in(op, 1);
  Tile r(a.size());
  for (uint32_t i = 0; i < a.size(); ++i)
    r.cells()[i] = num::encode(f, std::pow(num::decode(f, a[i]), static_cast<double>(sext(b[i], w))));
  r.mergeMarks(a);
  r.mergeMarks(b);
  return m.out(op, std::move(r));
}

// ---- integers -------------------------------------------------------------------------------------------

Step math_absi(Machine &m, Op &op) {
  return intUnary(m, op, [](uint64_t a, unsigned w) { return sext(a, w) < 0 ? 0 - a : a; });
}
Step math_ctlz(Machine &m, Op &op) {
  return intUnary(m, op, [](uint64_t a, unsigned w) { return uint64_t(std::countl_zero(a) - (64 - w)); });
}
Step math_cttz(Machine &m, Op &op) {
  return intUnary(m, op, [](uint64_t a, unsigned w) { return a ? uint64_t(std::countr_zero(a)) : w; });
}
Step math_ctpop(Machine &m, Op &op) {
  return intUnary(m, op, [](uint64_t a, unsigned) { return uint64_t(std::popcount(a)); });
}
Step math_ipowi(Machine &m, Op &op) {
  return intBinary(m, op, [](uint64_t a, uint64_t b, unsigned w) {
    int64_t base = sext(a, w), e = sext(b, w);
    if (e < 0)
      return base == 1 ? uint64_t(1) : base == -1 ? (e & 1 ? ~uint64_t(0) : uint64_t(1)) : uint64_t(0);
    uint64_t r = 1, x = static_cast<uint64_t>(base);
    for (; e; e >>= 1, x *= x)
      if (e & 1) r *= x;
    return r;
  });
}

// ---- classes --------------------------------------------------------------------------------------------

Step math_isfinite(Machine &m, Op &op) {
  return floatTest<1>(m, op, [](double x) { return uint64_t(std::isfinite(x)); });
}
Step math_isinf(Machine &m, Op &op) {
  return floatTest<1>(m, op, [](double x) { return uint64_t(std::isinf(x)); });
}
Step math_isnan(Machine &m, Op &op) {
  return floatTest<1>(m, op, [](double x) { return uint64_t(x != x); });
}
Step math_isnormal(Machine &m, Op &op) {
  const num::FormatInfo &f = num::info(formatOf(scalarOf(op, 0)));
  double least = std::ldexp(1.0, 1 - f.bias);
  return floatTest<1>(m, op,
                      [least](double x) { return uint64_t(std::isfinite(x) && std::fabs(x) >= least); });
}

} // namespace tir::interp::mean
