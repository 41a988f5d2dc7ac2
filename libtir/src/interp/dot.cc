// SPDX-License-Identifier: MIT
// tt.dot and tt.dot_scaled: products exact, sums in f32 by ascending k (f64 in f64, integers in i32).
#include "lanes.hh"
#include "shared.hh"
#include <cmath>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tir::interp {
namespace mean {

using tessera::Code;

namespace {

// acc[m][n] = fma(a[m][k], b[k][n], acc[m][n]), k ascending: the product is exact, each sum is rounded once.
template <class T>
[[gnu::always_inline]] inline void multiply(const T *a, const T *b, T *acc, uint32_t M, uint32_t N,
                                            uint32_t K) {
  for (uint32_t m = 0; m < M; ++m)
    for (uint32_t k = 0; k < K; ++k) {
      T x = a[size_t(m) * K + k];
      const T *row = b + size_t(k) * N;
      T *out = acc + size_t(m) * N;
      for (uint32_t n = 0; n < N; ++n) out[n] = std::fma(x, row[n], out[n]);
    }
}
template <class T> void multiplyPlain(const T *a, const T *b, T *acc, uint32_t M, uint32_t N, uint32_t K) {
  multiply(a, b, acc, M, N, K);
}
#if defined(__x86_64__)
// the same arithmetic with the machine's instruction instead of a library call
template <class T>
[[gnu::target("avx2,fma")]] void multiplyFma(const T *a, const T *b, T *acc, uint32_t M, uint32_t N,
                                             uint32_t K) {
  multiply(a, b, acc, M, N, K);
}
bool hasFma() { // not __builtin_cpu_supports: it would bring libgcc's static constructor
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & 0x18001000) != 0x18001000) return false; // AVX, OSXSAVE, FMA
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 6) != 6) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 0x20); // AVX2
}
template <class T> void multiplyBest(const T *a, const T *b, T *acc, uint32_t M, uint32_t N, uint32_t K) {
  if (hasFma())
    multiplyFma(a, b, acc, M, N, K);
  else
    multiplyPlain(a, b, acc, M, N, K);
}
#else
template <class T> void multiplyBest(const T *a, const T *b, T *acc, uint32_t M, uint32_t N, uint32_t K) {
  multiplyPlain(a, b, acc, M, N, K);
}
#endif

struct Shape {
  uint32_t batch = 1, M = 0, N = 0, K = 0;
};

bool shapeOf(Machine &m, Op &op, Type a, Type b, Type c, Shape *s) {
  unsigned r = c->rank();
  if (r < 2 || r > 3 || a->rank() != r || b->rank() != r || a->shape[r - 1] != b->shape[r - 2] ||
      a->shape[r - 2] != c->shape[r - 2] || b->shape[r - 1] != c->shape[r - 1] ||
      (r == 3 && (a->shape[0] != c->shape[0] || b->shape[0] != c->shape[0]))) {
    m.stop(op, Code::VERIFY, "has shapes that do not multiply");
    return false;
  }
  s->batch = r == 3 ? static_cast<uint32_t>(c->shape[0]) : 1;
  s->M = static_cast<uint32_t>(c->shape[r - 2]);
  s->N = static_cast<uint32_t>(c->shape[r - 1]);
  s->K = static_cast<uint32_t>(a->shape[r - 1]);
  return true;
}

/// Marks of row m of a, column n of b and the accumulator meet in element (m, n).
void dotMarks(Tile &r, const Tile &a, const Tile &b, const Tile &c, const Shape &s) {
  r.mergeMarks(c);
  if (!a.marks() && !b.marks()) return;
  for (uint32_t q = 0; q < s.batch; ++q) {
    std::vector<uint8_t> rows(s.M), cols(s.N);
    for (uint32_t m = 0; m < s.M; ++m)
      for (uint32_t k = 0; k < s.K; ++k) rows[m] |= a.mark((q * s.M + m) * s.K + k);
    for (uint32_t k = 0; k < s.K; ++k)
      for (uint32_t n = 0; n < s.N; ++n) cols[n] |= b.mark((q * s.K + k) * s.N + n);
    for (uint32_t m = 0; m < s.M; ++m)
      for (uint32_t n = 0; n < s.N; ++n) r.setMark((q * s.M + m) * s.N + n, rows[m] | cols[n]);
  }
}

template <class T> std::vector<T> decodeAll(const Tile &t, Type elem, bool tf32) {
  std::vector<T> v(t.size());
  num::Format f = formatOf(elem);
  double x[chunk];
  for (uint32_t at = 0; at < t.size(); at += chunk) {
    uint32_t k = t.size() - at < chunk ? t.size() - at : chunk;
    num::decode_n(f, t.bits() + at, x, k);
    for (uint32_t i = 0; i < k; ++i) {
      v[at + i] = static_cast<T>(x[i]);
      if (tf32) v[at + i] = static_cast<T>(num::round_tf32(static_cast<float>(x[i])));
    }
  }
  return v;
}

template <class T> void encodeAll(const std::vector<T> &v, Type elem, Tile &r) {
  double x[chunk];
  for (uint32_t at = 0; at < r.size(); at += chunk) {
    uint32_t k = r.size() - at < chunk ? r.size() - at : chunk;
    for (uint32_t i = 0; i < k; ++i) x[i] = v[at + i];
    num::encode_n(formatOf(elem), x, r.cells() + at, k);
  }
}

template <class T>
void floatDot(const Tile &a, Type ea, const Tile &b, Type eb, const Tile &c, Type ec, const Shape &s, bool tf32,
              Tile &r) {
  std::vector<T> x = decodeAll<T>(a, ea, tf32), y = decodeAll<T>(b, eb, tf32);
  std::vector<T> acc = decodeAll<T>(c, ec, false);
  for (uint32_t q = 0; q < s.batch; ++q)
    multiplyBest(x.data() + size_t(q) * s.M * s.K, y.data() + size_t(q) * s.K * s.N,
                 acc.data() + size_t(q) * s.M * s.N, s.M, s.N, s.K);
  encodeAll(acc, ec, r);
}

} // namespace

} // namespace mean

/// tf32 rounds its operands; tf32x3, bf16x3 and bf16x6 (f32 pieced together) are computed as ieee, which is
/// closer.
bool dotTiles(Machine &m, Op &op, const Tile &a, Type ta, const Tile &b, Type tb, const Tile &c, Type tc, Tile *out) {
  using namespace mean;
  Shape s;
  if (!shapeOf(m, op, ta, tb, tc, &s)) return false;
  Type ea = ta->elem, eb = tb->elem, ec = tc->elem;
  Tile r(c.size());
  if (ea->isInt() && eb->isInt() && ec->isInt()) {
    unsigned wa = widthOf(ea), wb = widthOf(eb);
    uint64_t mask = maskOf(widthOf(ec));
    for (uint32_t q = 0; q < s.batch; ++q)
      for (uint32_t i = 0; i < s.M; ++i)
        for (uint32_t n = 0; n < s.N; ++n) {
          uint32_t at = (q * s.M + i) * s.N + n;
          uint64_t sum = c[at];
          for (uint32_t k = 0; k < s.K; ++k)
            sum += static_cast<uint64_t>(sext(a[(q * s.M + i) * s.K + k], wa)) *
                   static_cast<uint64_t>(sext(b[(q * s.K + k) * s.N + n], wb));
          r.cells()[at] = sum & mask;
        }
  } else if (ea->isFloat() && eb->isFloat() && ec->isFloat()) {
    if (ea->isFloat(FloatKind::F64) || ec->isFloat(FloatKind::F64)) {
      floatDot<double>(a, ea, b, eb, c, ec, s, false, r);
    } else {
      int64_t precision = op.attr("inputPrecision") ? op.intAttr("inputPrecision") : 2;
      floatDot<float>(a, ea, b, eb, c, ec, s, precision == 0 && ea->isFloat(FloatKind::F32), r);
    }
  } else {
    m.stop(op, tessera::Code::UNSUPPORTED, "not implemented: this mix of operand types");
    return false;
  }
  dotMarks(r, a, b, c, s);
  *out = std::move(r);
  return true;
}

namespace mean {

Step tt_dot(Machine &m, Op &op) {
  Tile r;
  bool ok = dotTiles(m, op, m.in(op, 0), op.operand(0)->type, m.in(op, 1), op.operand(1)->type, m.in(op, 2),
                     op.operand(2)->type, &r);
  return ok ? m.out(op, std::move(r)) : Step::Stop;
}

// ---- dot_scaled -----------------------------------------------------------------------------------------

namespace {

enum ElemKind { E4M3, E5M2, E2M3, E3M2, E2M1, BF16, FP16 };

/// A six-bit float: 1 sign, `e` exponent (bias 2^(e-1) - 1), the rest mantissa; every code is a number.
double sixBits(uint64_t v, unsigned e) {
  unsigned mant = 5 - e, exponent = v >> mant & ((1u << e) - 1), low = v & ((1u << mant) - 1);
  int bias = (1 << (e - 1)) - 1;
  double x = exponent ? std::ldexp(1.0 + std::ldexp(double(low), -int(mant)), int(exponent) - bias)
                      : std::ldexp(double(low), 1 - bias - int(mant));
  return v >> 5 & 1 ? -x : x;
}

double decodeElem(unsigned kind, uint64_t cell) {
  switch (kind) {
  case E4M3:
    return num::decode(num::Format::F8E4M3FN, cell);
  case E5M2:
    return num::decode(num::Format::F8E5M2, cell);
  case E2M3:
    return sixBits(cell & 63, 2);
  case E3M2:
    return sixBits(cell & 63, 3);
  case E2M1:
    return num::decode(num::Format::F4E2M1FN, cell & 15);
  case BF16:
    return num::decode(num::Format::BF16, cell);
  default:
    return num::decode(num::Format::F16, cell);
  }
}

struct Side { // one operand, rows × K after unpacking
  std::vector<double> v;
  std::vector<uint8_t> marks;
};

struct ScaledShape {
  uint32_t batch, rows, K;
};

/// Decodes one operand. `kLast`: K is its last dimension (a), else the second last (b). Packed e2m1 holds two
/// values a byte, low half first, along K (kPack) or along the other dimension.
void unpack(const Tile &t, Type type, unsigned kind, bool kLast, bool kPack, const ScaledShape &s,
            Side *out) {
  unsigned r = type->rank();
  uint32_t cols = static_cast<uint32_t>(type->shape[r - 1]),
           lines = static_cast<uint32_t>(type->shape[r - 2]);
  out->v.resize(size_t(s.batch) * s.rows * s.K);
  out->marks.resize(out->v.size());
  for (uint32_t q = 0; q < s.batch; ++q)
    for (uint32_t row = 0; row < s.rows; ++row)
      for (uint32_t k = 0; k < s.K; ++k) {
        uint32_t r2 = row, k2 = k, nibble = 0;
        if (kind == E2M1) {
          uint32_t &halved = kPack ? k2 : r2;
          nibble = halved & 1;
          halved >>= 1;
        }
        uint32_t at = (q * lines + (kLast ? r2 : k2)) * cols + (kLast ? k2 : r2);
        size_t to = (size_t(q) * s.rows + row) * s.K + k;
        out->v[to] = decodeElem(kind, t[at] >> (4 * nibble));
        out->marks[to] = t.mark(at);
      }
}

/// Multiplies by the scales ([rows, K / f], row-major for both operands; or one for all). False: they do not
/// fit.
bool applyScale(const Tile &t, Type type, const ScaledShape &s, Side *side) {
  unsigned r = type->rank();
  uint32_t per = r ? static_cast<uint32_t>(type->shape[r - 1]) : 1, f = per ? s.K / per : 0;
  if (t.size() != 1 && (!f || f * per != s.K || t.size() != s.batch * s.rows * per)) return false;
  if (!f) f = s.K;
  bool e8m0 = type->elem->isInt();
  num::Format format = e8m0 ? num::Format::F8E8M0FNU : formatOf(type->elem);
  for (uint32_t line = 0; line < s.batch * s.rows; ++line)
    for (uint32_t k = 0; k < s.K; ++k) {
      uint32_t at = t.size() == 1 ? 0 : line * per + k / f;
      side->v[size_t(line) * s.K + k] *= num::decode(format, t[at] & 0xff);
      side->marks[size_t(line) * s.K + k] |= t.mark(at);
    }
  return true;
}

} // namespace

Step tt_dot_scaled(Machine &m, Op &op) {
  Type ta = op.operand(0)->type, tb = op.operand(1)->type, tc = op.operand(2)->type;
  unsigned r = tc->rank();
  unsigned ka = static_cast<unsigned>(op.intAttr("a_elem_type", 99)),
           kb = static_cast<unsigned>(op.intAttr("b_elem_type", 99));
  if (ka > FP16 || kb > FP16) return m.stop(op, Code::VERIFY, "has an unknown element type");
  bool packA = op.intAttr("lhs_k_pack", 1), packB = op.intAttr("rhs_k_pack", 1);
  if (r < 2 || r > 3 || ta->rank() != r || tb->rank() != r)
    return m.stop(op, Code::VERIFY, "has operands of several ranks");
  ScaledShape sa, sb;
  sa.batch = sb.batch = r == 3 ? static_cast<uint32_t>(tc->shape[0]) : 1;
  sa.rows = static_cast<uint32_t>(tc->shape[r - 2]);
  sb.rows = static_cast<uint32_t>(tc->shape[r - 1]);
  sa.K = static_cast<uint32_t>(ta->shape[r - 1]) * (ka == E2M1 && packA ? 2 : 1);
  sb.K = static_cast<uint32_t>(tb->shape[r - 2]) * (kb == E2M1 && packB ? 2 : 1);
  uint32_t aRows = static_cast<uint32_t>(ta->shape[r - 2]) * (ka == E2M1 && !packA ? 2 : 1);
  uint32_t bRows = static_cast<uint32_t>(tb->shape[r - 1]) * (kb == E2M1 && !packB ? 2 : 1);
  if (sa.K != sb.K || aRows != sa.rows || bRows != sb.rows ||
      (r == 3 && (ta->shape[0] != tc->shape[0] || tb->shape[0] != tc->shape[0])))
    return m.stop(op, Code::VERIFY, "has shapes that do not multiply");
  Side a, b;
  unpack(m.in(op, 0), ta, ka, true, packA, sa, &a);
  unpack(m.in(op, 1), tb, kb, false, packB, sb, &b);
  Value *scaleA = op.slot(3), *scaleB = op.slot(4);
  if ((scaleA && !applyScale(m.get(scaleA), scaleA->type, sa, &a)) ||
      (scaleB && !applyScale(m.get(scaleB), scaleB->type, sb, &b)))
    return m.stop(op, Code::VERIFY, "has scales that do not fit its operands");
  const Tile &c = m.in(op, 2);
  num::Format fc = formatOf(tc->elem);
  uint32_t M = sa.rows, N = sb.rows, K = sa.K;
  Tile out(c.size());
  std::vector<float> x, y(size_t(K) * N), acc(size_t(M) * N);
  for (uint32_t q = 0; q < sa.batch; ++q) {
    const double *va = a.v.data() + size_t(q) * M * K, *vb = b.v.data() + size_t(q) * N * K;
    x.assign(va, va + size_t(M) * K);
    bool exact = true; // a scale near the ends of its range may leave f32
    for (size_t i = 0; i < x.size(); ++i) exact &= x[i] == va[i] || va[i] != va[i];
    for (uint32_t n = 0; n < N; ++n)
      for (uint32_t k = 0; k < K; ++k) {
        double v = vb[size_t(n) * K + k];
        y[size_t(k) * N + n] = static_cast<float>(v);
        exact &= static_cast<float>(v) == v || v != v;
      }
    for (size_t i = 0; i < acc.size(); ++i)
      acc[i] = static_cast<float>(num::decode(fc, c[static_cast<uint32_t>(q * acc.size() + i)]));
    if (exact) {
      multiplyBest(x.data(), y.data(), acc.data(), M, N, K);
    } else { // few bits each: the product is exact in f64
      for (uint32_t i = 0; i < M; ++i)
        for (uint32_t n = 0; n < N; ++n)
          for (uint32_t k = 0; k < K; ++k) {
            float &sum = acc[size_t(i) * N + n];
            sum = static_cast<float>(num::add_round_odd(va[size_t(i) * K + k] * vb[size_t(n) * K + k], sum));
          }
    }
    std::vector<uint8_t> rows(M), cols(N);
    for (size_t i = 0; i < size_t(M) * K; ++i) rows[i / K] |= a.marks[size_t(q) * M * K + i];
    for (size_t i = 0; i < size_t(N) * K; ++i) cols[i / K] |= b.marks[size_t(q) * N * K + i];
    for (uint32_t i = 0; i < M * N; ++i) {
      uint32_t at = q * M * N + i;
      out.cells()[at] = num::encode(fc, acc[i]);
      out.setMark(at, c.mark(at) | rows[i / N] | cols[i % N]);
    }
  }
  return m.out(op, std::move(out));
}

} // namespace mean
} // namespace tir::interp
