// SPDX-License-Identifier: MIT
// Conversions between types, and pointer arithmetic.
#include "lanes.hh"
#include <cmath>

namespace tir::interp::mean {

using tessera::Code;

static Type resultScalar(Op &op) { return op.result(0)->type->scalar(); }

/// The same cells under another type.
static Step sameBits(Machine &m, Op &op) { return m.out(op, m.in(op, 0)); }
Step tt_bitcast(Machine &m, Op &op) { return sameBits(m, op); }
Step arith_bitcast(Machine &m, Op &op) { return sameBits(m, op); }
Step tt_int_to_ptr(Machine &m, Op &op) { return sameBits(m, op); }
Step tt_ptr_to_int(Machine &m, Op &op) { return sameBits(m, op); }
Step arith_extui(Machine &m, Op &op) { return sameBits(m, op); }

Step arith_extsi(Machine &m, Op &op) {
  return intUnary(m, op, [](uint64_t a, unsigned w) { return static_cast<uint64_t>(sext(a, w)); });
}
Step arith_trunci(Machine &m, Op &op) {
  return intUnary(m, op, [](uint64_t a, unsigned) { return a; });
}
Step arith_index_cast(Machine &m, Op &op) { return arith_extsi(m, op); }
Step arith_index_castui(Machine &m, Op &op) { return arith_trunci(m, op); }

// ---- float to float -------------------------------------------------------------------------------------

static Step convert(Machine &m, Op &op, num::Round round, num::Overflow overflow) {
  const Tile &a = m.in(op, 0);
  num::Format from = formatOf(scalarOf(op, 0)), to = formatOf(resultScalar(op));
  if (from == to) return sameBits(m, op);
  uint32_t n = a.size();
  Tile r(n);
  double x[chunk];
  for (uint32_t at = 0; at < n; at += chunk) {
    uint32_t k = n - at < chunk ? n - at : chunk;
    num::decode_n(from, a.bits() + at, x, k);
    num::encode_n(to, x, r.cells() + at, k, round, overflow);
  }
  r.mergeMarks(a);
  return m.out(op, std::move(r));
}

static Step arithConvert(Machine &m, Op &op) {
  int64_t mode = op.attr("roundingmode") ? op.intAttr("roundingmode") : 0;
  if (mode != 0 && mode != 3)
    return m.stop(op, Code::UNSUPPORTED,
                  "not implemented: this rounding mode (to_nearest_even, toward_zero are)");
  return convert(m, op, mode == 3 ? num::Round::RTZ : num::Round::RNE, num::Overflow::Format);
}
Step arith_extf(Machine &m, Op &op) { return arithConvert(m, op); }
Step arith_truncf(Machine &m, Op &op) { return arithConvert(m, op); }
Step arith_convertf(Machine &m, Op &op) { return arithConvert(m, op); }

Step tt_fp_to_fp(Machine &m, Op &op) {
  Attr r = op.attr("rounding");
  bool rtz = r && op.intAttr("rounding") == 0;
  bool narrow = resultScalar(op)->width <= 8;
  return convert(m, op, rtz ? num::Round::RTZ : num::Round::RNE,
                 narrow && !rtz ? num::Overflow::Saturate : num::Overflow::Format);
}

// ---- integers and floats --------------------------------------------------------------------------------

static Step toFloat(Machine &m, Op &op, bool isSigned) {
  const Tile &a = m.in(op, 0);
  unsigned w = widthOf(scalarOf(op, 0));
  num::Format f = formatOf(resultScalar(op));
  uint32_t n = a.size();
  Tile r(n);
  for (uint32_t i = 0; i < n; ++i) {
    bool negative = isSigned && sext(a[i], w) < 0;
    uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(sext(a[i], w)) : a[i];
    if (f == num::Format::F32)
      r.cells()[i] = cellOf(negative ? -static_cast<float>(magnitude) : static_cast<float>(magnitude));
    else
      r.cells()[i] = num::encode_int(f, negative, magnitude);
  }
  r.mergeMarks(a);
  return m.out(op, std::move(r));
}
Step arith_sitofp(Machine &m, Op &op) { return toFloat(m, op, true); }
Step arith_uitofp(Machine &m, Op &op) { return toFloat(m, op, false); }

/// Toward zero; out of range saturates, NaN gives 0.
static Step toInt(Machine &m, Op &op, bool isSigned) {
  const Tile &a = m.in(op, 0);
  num::Format f = formatOf(scalarOf(op, 0));
  unsigned w = widthOf(resultScalar(op));
  double above = std::ldexp(1.0, isSigned ? w - 1 : w); // first value that does not fit
  double below = isSigned ? -std::ldexp(1.0, w - 1) : 0.0;
  uint64_t top = isSigned ? maskOf(w) >> 1 : maskOf(w), bottom = isSigned ? uint64_t(1) << (w - 1) : 0;
  bool watch = m.watching(TIR_SANITIZE_CONVERT);
  uint32_t n = a.size();
  Tile r(n);
  double x[chunk];
  for (uint32_t at = 0; at < n; at += chunk) {
    uint32_t k = n - at < chunk ? n - at : chunk;
    num::decode_n(f, a.bits() + at, x, k);
    for (uint32_t i = 0; i < k; ++i) {
      double v = std::trunc(x[i]);
      bool bad = !(v < above && v >= below);
      uint64_t c = v != v       ? 0
                   : v >= above ? top
                   : v < below  ? bottom
                   : isSigned   ? static_cast<uint64_t>(static_cast<int64_t>(v)) & maskOf(w)
                                : static_cast<uint64_t>(v);
      r.cells()[at + i] = c;
      if (bad && watch) {
        r.setMark(at + i, MarkConvert);
        m.made(op, MarkConvert);
      }
    }
  }
  r.mergeMarks(a);
  return m.out(op, std::move(r));
}
Step arith_fptosi(Machine &m, Op &op) { return toInt(m, op, true); }
Step arith_fptoui(Machine &m, Op &op) { return toInt(m, op, false); }

// ---- pointers -------------------------------------------------------------------------------------------

Step tt_addptr(Machine &m, Op &op) {
  Type p = scalarOf(op, 0);
  if (!p->isPtr()) return m.stop(op, Code::VERIFY, "moves something that is no pointer");
  uint64_t bytes = bytesOf(p->elem);
  unsigned w = widthOf(scalarOf(op, 1));
  const Tile &a = m.in(op, 0), &b = m.in(op, 1);
  uint32_t n = a.size();
  Tile r(n);
  for (uint32_t i = 0; i < n; ++i) r.cells()[i] = a[i] + static_cast<uint64_t>(sext(b[i], w)) * bytes;
  r.mergeMarks(a);
  r.mergeMarks(b);
  if (w == 64 && m.watching(TIR_SANITIZE_OVERFLOW))
    for (uint32_t i = 0; i < n; ++i) {
      int64_t offset;
      if (__builtin_mul_overflow(static_cast<int64_t>(b[i]), static_cast<int64_t>(bytes), &offset)) {
        r.setMark(i, MarkOverflow);
        m.made(op, MarkOverflow);
      }
    }
  return m.out(op, std::move(r));
}

} // namespace tir::interp::mean
