// SPDX-License-Identifier: MIT
// Integer and float arithmetic, comparison, selection, constants.
#include "lanes.hh"
#include <cmath>

namespace tir::interp::mean {

using tessera::Code;

// ---- integers -------------------------------------------------------------------------------------------

/// The same, and marks elements whose signed result does not fit, if anyone asked for that.
template <class F, class O> static Step overflowing(Machine &m, Op &op, F f, O overflows) {
  Tile r = intBinaryTile(m, op, f);
  unsigned w = widthOf(scalarOf(op, 0));
  if (m.watching(TIR_SANITIZE_OVERFLOW) && w > 1) {
    const Tile &a = m.in(op, 0), &b = m.in(op, 1);
    for (uint32_t i = 0; i < r.size(); ++i) {
      int64_t wide;
      if (overflows(sext(a[i], w), sext(b[i], w), &wide) || sext(wide & maskOf(w), w) != wide) {
        r.setMark(i, MarkOverflow);
        m.made(op, MarkOverflow);
      }
    }
  }
  return m.out(op, std::move(r));
}

Step arith_addi(Machine &m, Op &op) {
  return overflowing(
      m, op, [](uint64_t a, uint64_t b, unsigned) { return a + b; },
      [](int64_t a, int64_t b, int64_t *r) { return __builtin_add_overflow(a, b, r); });
}
Step arith_subi(Machine &m, Op &op) {
  return overflowing(
      m, op, [](uint64_t a, uint64_t b, unsigned) { return a - b; },
      [](int64_t a, int64_t b, int64_t *r) { return __builtin_sub_overflow(a, b, r); });
}
Step arith_muli(Machine &m, Op &op) {
  return overflowing(
      m, op, [](uint64_t a, uint64_t b, unsigned) { return a * b; },
      [](int64_t a, int64_t b, int64_t *r) { return __builtin_mul_overflow(a, b, r); });
}

/// Division: f is called with a divisor that does not trap; x / 0 is unspecified (here 0), MIN / -1 wraps.
template <bool Signed, class F> static Step division(Machine &m, Op &op, F f) {
  const Tile &a = m.in(op, 0), &b = m.in(op, 1);
  unsigned w = widthOf(scalarOf(op, 0));
  uint32_t n = a.size();
  Tile r(n);
  for (uint32_t i = 0; i < n; ++i) {
    uint8_t mark = a.mark(i) | b.mark(i);
    uint64_t v = 0;
    if (b[i] == 0) {
      if (!(mark & MarkUndef)) {
        mark |= MarkUndef | MarkDiv;
        m.made(op, MarkUndef | MarkDiv);
      }
    } else if constexpr (Signed) {
      int64_t x = sext(a[i], w), y = sext(b[i], w);
      if (y == -1) {
        v = f(x, -1, true);
        if (x == sext(uint64_t(1) << (w - 1), w) && w > 1) {
          mark |= MarkDiv;
          m.made(op, MarkDiv);
        }
      } else {
        v = f(x, y, false);
      }
    } else {
      v = f(a[i], b[i]);
    }
    r.cells()[i] = v & maskOf(w);
    r.setMark(i, mark);
  }
  return m.out(op, std::move(r));
}

Step arith_divsi(Machine &m, Op &op) {
  return division<true>(
      m, op, [](int64_t a, int64_t b, bool neg) { return neg ? 0 - uint64_t(a) : uint64_t(a / b); });
}
Step arith_remsi(Machine &m, Op &op) {
  return division<true>(m, op, [](int64_t a, int64_t b, bool neg) { return neg ? 0 : uint64_t(a % b); });
}
Step arith_floordivsi(Machine &m, Op &op) {
  return division<true>(m, op, [](int64_t a, int64_t b, bool neg) {
    return neg ? 0 - uint64_t(a) : uint64_t(a / b - (a % b && (a < 0) != (b < 0)));
  });
}
Step arith_ceildivsi(Machine &m, Op &op) {
  return division<true>(m, op, [](int64_t a, int64_t b, bool neg) {
    return neg ? 0 - uint64_t(a) : uint64_t(a / b + (a % b && (a < 0) == (b < 0)));
  });
}
Step arith_divui(Machine &m, Op &op) {
  return division<false>(m, op, [](uint64_t a, uint64_t b) { return a / b; });
}
Step arith_remui(Machine &m, Op &op) {
  return division<false>(m, op, [](uint64_t a, uint64_t b) { return a % b; });
}
Step arith_ceildivui(Machine &m, Op &op) {
  return division<false>(m, op, [](uint64_t a, uint64_t b) { return a / b + (a % b != 0); });
}

/// and / or: an operand that alone decides the result also decides that it is defined.
template <class F> static Step bitwise(Machine &m, Op &op, uint64_t decides, F f) {
  const Tile &a = m.in(op, 0), &b = m.in(op, 1);
  uint64_t mask = maskOf(widthOf(scalarOf(op, 0)));
  uint32_t n = a.size();
  Tile r(n);
  for (uint32_t i = 0; i < n; ++i) r.cells()[i] = f(a[i], b[i]) & mask;
  if (a.marks() || b.marks())
    for (uint32_t i = 0; i < n; ++i) {
      uint8_t x = a.mark(i), y = b.mark(i);
      if ((!x && a[i] == (decides & mask)) || (!y && b[i] == (decides & mask))) continue;
      r.setMark(i, x | y);
    }
  return m.out(op, std::move(r));
}

Step arith_andi(Machine &m, Op &op) {
  return bitwise(m, op, 0, [](uint64_t a, uint64_t b) { return a & b; });
}
Step arith_ori(Machine &m, Op &op) {
  return bitwise(m, op, ~uint64_t(0), [](uint64_t a, uint64_t b) { return a | b; });
}
Step arith_xori(Machine &m, Op &op) {
  return intBinary(m, op, [](uint64_t a, uint64_t b, unsigned) { return a ^ b; });
}

/// Shifts by the width or more give 0 or the sign.
template <class F> static Step shift(Machine &m, Op &op, F f) {
  Tile r = intBinaryTile(m, op, f);
  unsigned w = widthOf(scalarOf(op, 0));
  if (m.watching(TIR_SANITIZE_SHIFT)) {
    const Tile &b = m.in(op, 1);
    for (uint32_t i = 0; i < r.size(); ++i)
      if (b[i] >= w) {
        r.setMark(i, MarkShift);
        m.made(op, MarkShift);
      }
  }
  return m.out(op, std::move(r));
}
Step arith_shli(Machine &m, Op &op) {
  return shift(m, op, [](uint64_t a, uint64_t b, unsigned w) { return b >= w ? 0 : a << b; });
}
Step arith_shrui(Machine &m, Op &op) {
  return shift(m, op, [](uint64_t a, uint64_t b, unsigned w) { return b >= w ? 0 : a >> b; });
}
Step arith_shrsi(Machine &m, Op &op) {
  return shift(m, op,
               [](uint64_t a, uint64_t b, unsigned w) { return uint64_t(sext(a, w) >> (b >= w ? 63 : b)); });
}

Step arith_minsi(Machine &m, Op &op) {
  return intBinary(m, op, [](uint64_t a, uint64_t b, unsigned w) { return sext(a, w) < sext(b, w) ? a : b; });
}
Step arith_maxsi(Machine &m, Op &op) {
  return intBinary(m, op, [](uint64_t a, uint64_t b, unsigned w) { return sext(a, w) > sext(b, w) ? a : b; });
}
Step arith_minui(Machine &m, Op &op) {
  return intBinary(m, op, [](uint64_t a, uint64_t b, unsigned) { return a < b ? a : b; });
}
Step arith_maxui(Machine &m, Op &op) {
  return intBinary(m, op, [](uint64_t a, uint64_t b, unsigned) { return a > b ? a : b; });
}

static uint64_t highUnsigned(uint64_t a, uint64_t b, unsigned w) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> w);
}
static uint64_t highSigned(uint64_t a, uint64_t b, unsigned w) {
  return static_cast<uint64_t>(static_cast<__int128>(sext(a, w)) * sext(b, w) >> w);
}
Step tt_mulhiui(Machine &m, Op &op) { return intBinary(m, op, highUnsigned); }

template <class L, class H> static Step extended(Machine &m, Op &op, L low, H high) {
  Tile second = intBinaryTile(m, op, high); // cut to the width of the first result: enough for both
  Tile first = intBinaryTile(m, op, low);
  m.set(op.result(1), std::move(second));
  return m.out(op, std::move(first));
}
Step arith_addui_extended(Machine &m, Op &op) {
  return extended(
      m, op, [](uint64_t a, uint64_t b, unsigned) { return a + b; },
      [](uint64_t a, uint64_t b, unsigned w) { return uint64_t(((a + b) & maskOf(w)) < a); });
}
Step arith_mului_extended(Machine &m, Op &op) {
  return extended(m, op, [](uint64_t a, uint64_t b, unsigned) { return a * b; }, highUnsigned);
}
Step arith_mulsi_extended(Machine &m, Op &op) {
  return extended(m, op, [](uint64_t a, uint64_t b, unsigned) { return a * b; }, highSigned);
}

Step arith_cmpi(Machine &m, Op &op) {
  using U = uint64_t;
  switch (op.intAttr("predicate", -1)) {
  case 0:
    return compareInts(m, op, [](U a, U b, unsigned) { return a == b; });
  case 1:
    return compareInts(m, op, [](U a, U b, unsigned) { return a != b; });
  case 2:
    return compareInts(m, op, [](U a, U b, unsigned w) { return sext(a, w) < sext(b, w); });
  case 3:
    return compareInts(m, op, [](U a, U b, unsigned w) { return sext(a, w) <= sext(b, w); });
  case 4:
    return compareInts(m, op, [](U a, U b, unsigned w) { return sext(a, w) > sext(b, w); });
  case 5:
    return compareInts(m, op, [](U a, U b, unsigned w) { return sext(a, w) >= sext(b, w); });
  case 6:
    return compareInts(m, op, [](U a, U b, unsigned) { return a < b; });
  case 7:
    return compareInts(m, op, [](U a, U b, unsigned) { return a <= b; });
  case 8:
    return compareInts(m, op, [](U a, U b, unsigned) { return a > b; });
  case 9:
    return compareInts(m, op, [](U a, U b, unsigned) { return a >= b; });
  }
  return m.stop(op, Code::VERIFY, "has an unknown predicate");
}

// ---- floats ---------------------------------------------------------------------------------------------

static bool plainRounding(Op &op) { return !op.nattrs || op.intAttr("roundingmode") == 0; }
static Step noRounding(Machine &m, Op &op) {
  return m.stop(op, Code::UNSUPPORTED, "not implemented: rounding modes of arithmetic but to_nearest_even");
}

Step arith_addf(Machine &m, Op &op) {
  if (!plainRounding(op)) return noRounding(m, op);
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a + b; });
}
Step arith_subf(Machine &m, Op &op) {
  if (!plainRounding(op)) return noRounding(m, op);
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a - b; });
}
Step arith_mulf(Machine &m, Op &op) {
  if (!plainRounding(op)) return noRounding(m, op);
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a * b; });
}
Step arith_divf(Machine &m, Op &op) {
  if (!plainRounding(op)) return noRounding(m, op);
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a / b; });
}
Step arith_remf(Machine &m, Op &op) {
  return floatOp<2, true>(m, op, [](auto a, auto b) { return std::fmod(a, b); });
}

template <class T> static T lower(T a, T b) { return a < b || (a == b && std::signbit(a)) ? a : b; }
template <class T> static T higher(T a, T b) { return a > b || (a == b && !std::signbit(a)) ? a : b; }

Step arith_minimumf(Machine &m, Op &op) {
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a != a ? a : b != b ? b : lower(a, b); });
}
Step arith_maximumf(Machine &m, Op &op) {
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a != a ? a : b != b ? b : higher(a, b); });
}
Step arith_minnumf(Machine &m, Op &op) {
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a != a ? b : b != b ? a : lower(a, b); });
}
Step arith_maxnumf(Machine &m, Op &op) {
  return floatOp<2, true>(m, op, [](auto a, auto b) { return a != a ? b : b != b ? a : higher(a, b); });
}

Step arith_negf(Machine &m, Op &op) {
  Type s = scalarOf(op, 0);
  if (s->isFloat(FloatKind::F8E4M3FNUZ) || s->isFloat(FloatKind::F8E5M2FNUZ)) // no -0: its bits are the NaN
    return floatOp<1, false>(m, op, [](double a) { return -a; });
  return intUnary(m, op, [](uint64_t a, unsigned w) { return a ^ uint64_t(1) << (w - 1); });
}
Step arith_flush_denormals(Machine &m, Op &op) {
  const num::FormatInfo &f = num::info(formatOf(scalarOf(op, 0)));
  uint64_t exponent = ((uint64_t(1) << f.exponent) - 1) << f.mantissa;
  return intUnary(
      m, op, [exponent](uint64_t a, unsigned w) { return a & exponent ? a : a & (uint64_t(1) << (w - 1)); });
}

Step arith_cmpf(Machine &m, Op &op) {
  // cases of each predicate as bits: 1 equal, 2 greater, 4 less, 8 unordered
  unsigned p = static_cast<unsigned>(op.intAttr("predicate"));
  if (p > 15) return m.stop(op, Code::VERIFY, "has an unknown predicate");
  static constexpr uint8_t cases[16] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 8, 15};
  return floatTest<2>(m, op, [p](double a, double b) {
    unsigned c = a == b ? 1 : a > b ? 2 : a < b ? 4 : 8;
    return uint64_t((cases[p] & c) != 0);
  });
}

template <class F> static Step clamp(Machine &m, Op &op, F f) { return floatOp<3, true>(m, op, f); }
Step tt_clampf(Machine &m, Op &op) {
  if (op.intAttr("propagateNan") == 0) // NaN x gives the lower bound
    return clamp(m, op, [](auto x, auto lo, auto hi) { return lower(x != x ? lo : higher(x, lo), hi); });
  return clamp(m, op, [](auto x, auto lo, auto hi) { return x != x ? x : lower(higher(x, lo), hi); });
}
Step math_clampf(Machine &m, Op &op) {
  return clamp(m, op, [](auto x, auto lo, auto hi) { return x != x ? x : lower(higher(x, lo), hi); });
}

// ---- selection and constants ----------------------------------------------------------------------------

Step arith_select(Machine &m, Op &op) {
  const Tile &c = m.in(op, 0), &a = m.in(op, 1), &b = m.in(op, 2);
  if (c.size() == 1) { // also chooses whole tiles and descriptors
    Tile r = c[0] & 1 ? a : b;
    if (c.mark(0)) {
      Tile copy(r.size());
      std::memcpy(copy.cells(), r.bits(), sizeof(uint64_t) * r.size());
      copy.mergeMarks(r);
      copy.mergeMarks(c);
      r = std::move(copy);
    }
    return m.out(op, std::move(r));
  }
  uint32_t n = c.size();
  Tile r(n);
  for (uint32_t i = 0; i < n; ++i) r.cells()[i] = c[i] & 1 ? a[i] : b[i];
  if (a.marks() || b.marks() || c.marks())
    for (uint32_t i = 0; i < n; ++i) r.setMark(i, c.mark(i) | (c[i] & 1 ? a.mark(i) : b.mark(i)));
  return m.out(op, std::move(r));
}

Step arith_constant(Machine &m, Op &op) {
  Type t = op.result(0)->type;
  Tile &cached = m.constants[op.id];
  uint32_t n = m.count(t);
  if (cached && cached.size() == n) return m.out(op, cached);
  Attr v = op.attr("value");
  if (!v) return m.stop(op, Code::VERIFY, "has no value");
  uint64_t mask = maskOf(widthOf(t->scalar())), bits = 0;
  switch (v->kind) {
  case AttrKind::Bool:
    bits = v->bval;
    break;
  case AttrKind::Int:
    bits = static_cast<uint64_t>(v->ival);
    break;
  case AttrKind::Float:
    bits = v->fbits;
    break;
  case AttrKind::Dense:
    if (!v->bval && v->bits.size() != 1) {
      if (v->bits.size() != n)
        return m.stop(op, Code::VERIFY, "has %u values for %u elements", v->bits.size(), n);
      Tile r(n);
      for (uint32_t i = 0; i < n; ++i) r.cells()[i] = v->bits[i] & mask;
      cached = r;
      return m.out(op, std::move(r));
    }
    bits = v->bits[0];
    break;
  default:
    return m.stop(op, Code::UNSUPPORTED, "not implemented: constants of this attribute");
  }
  cached = Tile::fill(n, bits & mask);
  return m.out(op, cached);
}

Step ub_poison(Machine &m, Op &op) {
  Type t = op.result(0)->type;
  Tile r = Tile::fill(t->isDesc() ? 2 + 2 * t->rank() : m.count(t), 0);
  for (uint32_t i = 0; i < r.size(); ++i) r.setMark(i, MarkUndef);
  m.made(op, MarkUndef);
  return m.out(op, std::move(r));
}

} // namespace tir::interp::mean
