// SPDX-License-Identifier: MIT
// Loops over the elements of tiles, for elementwise meanings.
#pragma once
#include "machine.hh"
#include <bit>

namespace tir::interp {

inline Type scalarOf(Op &op, unsigned operand) { return op.operand(operand)->type->scalar(); }

/// f(a, width) on zero-extended cells; the result is cut to the width of the result's type.
template <class F> Step intUnary(Machine &m, Op &op, F f) {
  const Tile &a = m.in(op, 0);
  unsigned w = widthOf(scalarOf(op, 0));
  uint64_t mask = maskOf(widthOf(op.result(0)->type->scalar()));
  Tile r(a.size());
  for (uint32_t i = 0, n = a.size(); i < n; ++i) r.cells()[i] = f(a.bits()[i], w) & mask;
  r.mergeMarks(a);
  return m.out(op, std::move(r));
}

template <class F> Tile intBinaryTile(Machine &m, Op &op, F f) {
  const Tile &a = m.in(op, 0), &b = m.in(op, 1);
  unsigned w = widthOf(scalarOf(op, 0));
  uint64_t mask = maskOf(widthOf(op.result(0)->type->scalar()));
  Tile r(a.size());
  const uint64_t *x = a.bits(), *y = b.bits();
  uint64_t *z = r.cells();
  for (uint32_t i = 0, n = a.size(); i < n; ++i) z[i] = f(x[i], y[i], w) & mask;
  r.mergeMarks(a);
  r.mergeMarks(b);
  return r;
}

template <class F> Step intBinary(Machine &m, Op &op, F f) { return m.out(op, intBinaryTile(m, op, f)); }

/// Comparisons: f(a, b, width) -> bool.
template <class F> Step compareInts(Machine &m, Op &op, F f) {
  return intBinary(m, op, [f](uint64_t a, uint64_t b, unsigned w) { return uint64_t(f(a, b, w)); });
}

inline float asFloat(uint64_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b)); }
inline double asDouble(uint64_t b) { return std::bit_cast<double>(b); }
inline uint64_t cellOf(float f) { return std::bit_cast<uint32_t>(f); }
inline uint64_t cellOf(double d) { return std::bit_cast<uint64_t>(d); }

constexpr uint32_t chunk = 512; // elements decoded at a time

/// N float operands of one type, one float result of the same type. With Native, f is called on float for f32
/// (so it rounds there); otherwise f computes in double and the result is rounded once. Narrow formats always
/// go through double, where + - * / and sqrt of narrow numbers lose nothing that a second rounding could
/// notice.
template <unsigned N, bool Native, class F> Step floatOp(Machine &m, Op &op, F f) {
  Type s = scalarOf(op, 0);
  const Tile *t[3] = {};
  for (unsigned k = 0; k < N; ++k) t[k] = &m.in(op, k);
  uint32_t n = t[0]->size();
  Tile r(n);
  uint64_t *z = r.cells();
  auto call = [&](auto a, auto b, auto c) {
    if constexpr (N == 1)
      return f(a);
    else if constexpr (N == 2)
      return f(a, b);
    else
      return f(a, b, c);
  };
  const uint64_t *x = t[0]->bits(), *y = t[N > 1 ? 1 : 0]->bits(), *w = t[N > 2 ? 2 : 0]->bits();
  if (s->isFloat(FloatKind::F32)) {
    for (uint32_t i = 0; i < n; ++i) {
      if constexpr (Native)
        z[i] = cellOf(static_cast<float>(call(asFloat(x[i]), asFloat(y[i]), asFloat(w[i]))));
      else
        z[i] = cellOf(
            static_cast<float>(call(double(asFloat(x[i])), double(asFloat(y[i])), double(asFloat(w[i])))));
    }
  } else if (s->isFloat(FloatKind::F64)) {
    for (uint32_t i = 0; i < n; ++i)
      z[i] = cellOf(static_cast<double>(call(asDouble(x[i]), asDouble(y[i]), asDouble(w[i]))));
  } else {
    num::Format fmt = formatOf(s);
    double a[3][chunk], q[chunk];
    for (uint32_t from = 0; from < n; from += chunk) {
      uint32_t k = n - from < chunk ? n - from : chunk;
      for (unsigned o = 0; o < N; ++o) num::decode_n(fmt, t[o]->bits() + from, a[o], k);
      for (uint32_t i = 0; i < k; ++i) q[i] = call(a[0][i], a[N > 1 ? 1 : 0][i], a[N > 2 ? 2 : 0][i]);
      num::encode_n(fmt, q, z + from, k);
    }
  }
  for (unsigned k = 0; k < N; ++k) r.mergeMarks(*t[k]);
  return m.out(op, std::move(r));
}

/// A float predicate of N operands: result cells are f(double…).
template <unsigned N, class F> Step floatTest(Machine &m, Op &op, F f) {
  num::Format fmt = formatOf(scalarOf(op, 0));
  const Tile &a = m.in(op, 0), &b = m.in(op, N - 1);
  uint32_t n = a.size();
  Tile r(n);
  double x[chunk], y[chunk];
  for (uint32_t from = 0; from < n; from += chunk) {
    uint32_t k = n - from < chunk ? n - from : chunk;
    num::decode_n(fmt, a.bits() + from, x, k);
    if (N > 1) num::decode_n(fmt, b.bits() + from, y, k);
    for (uint32_t i = 0; i < k; ++i) {
      if constexpr (N == 1)
        r.cells()[from + i] = f(x[i]);
      else
        r.cells()[from + i] = f(x[i], y[i]);
    }
  }
  r.mergeMarks(a);
  r.mergeMarks(b);
  return m.out(op, std::move(r));
}

} // namespace tir::interp
