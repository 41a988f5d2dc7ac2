// SPDX-License-Identifier: MIT
#include "linear.hh"
#include <bit>
#include <cassert>

namespace tir {

std::string dimName(Dim d) {
  switch (d) {
  case Dim::Register: return "register";
  case Dim::Lane: return "lane";
  case Dim::Warp: return "warp";
  case Dim::Block: return "block";
  case Dim::Offset: return "offset";
  default: return "dim" + std::to_string(unsigned(d) - unsigned(Dim::Dim0));
  }
}

namespace gf2 {

uint64_t apply(const Columns &m, uint64_t x) {
  uint64_t y = 0;
  for (; x; x &= x - 1) y ^= m[std::countr_zero(x)];
  return y;
}

Columns multiply(const Columns &outer, const Columns &inner) {
  Columns out;
  out.reserve(inner.size());
  for (uint64_t c : inner) out.push_back(apply(outer, c));
  return out;
}

namespace {

/// Incremental elimination: vectors reduced against each other by highest bit, each with the combination of the
/// input columns that makes it.
struct Eliminated {
  struct Row {
    uint64_t vector, combination;
  };
  Row rows[64]; // rows[b].vector has highest bit b; 0 = none
  Eliminated() { for (Row &r : rows) r = {0, 0}; }
  /// Reduces (v, c) as far as the rows allow.
  void reduce(uint64_t *v, uint64_t *c) const {
    while (*v) {
      const Row &r = rows[63 - std::countl_zero(*v)];
      if (!r.vector) return;
      *v ^= r.vector;
      *c ^= r.combination;
    }
  }
  /// Adds a column; true if it was independent. Otherwise `c` holds the dependency.
  bool add(uint64_t v, uint64_t *c) {
    // Reduce fully in the leading bits only: that decides independence.
    reduce(&v, c);
    if (!v) return false;
    rows[63 - std::countl_zero(v)] = {v, *c};
    return true;
  }
};

} // namespace

unsigned rank(const Columns &m) {
  Eliminated e;
  unsigned r = 0;
  for (uint64_t v : m) {
    uint64_t c = 0;
    r += e.add(v, &c);
  }
  return r;
}

Columns kernel(const Columns &m) {
  Eliminated e;
  Columns out;
  for (size_t i = 0; i < m.size(); ++i) {
    uint64_t c = uint64_t(1) << i;
    if (!e.add(m[i], &c)) out.push_back(c); // columns before i, plus i itself: echelon by construction
  }
  return out;
}

Columns image(const Columns &m) {
  Eliminated e;
  for (uint64_t v : m) {
    uint64_t c = 0;
    e.add(v, &c);
  }
  // Reduced echelon: no leading bit occurs in another vector.
  Columns out;
  for (unsigned b = 0; b < 64; ++b) {
    if (!e.rows[b].vector) continue;
    uint64_t v = e.rows[b].vector;
    for (unsigned low = b; low-- > 0;)
      if (e.rows[low].vector && v >> low & 1) v ^= e.rows[low].vector;
    e.rows[b].vector = v;
    out.push_back(v);
  }
  return out;
}

bool solve(const Columns &m, const Columns &rhs, Columns *x) {
  Eliminated e;
  for (size_t i = 0; i < m.size(); ++i) { // in order: later columns are used only where earlier ones do not suffice
    uint64_t c = uint64_t(1) << i;
    e.add(m[i], &c);
  }
  x->clear();
  for (uint64_t y : rhs) {
    uint64_t c = 0;
    e.reduce(&y, &c);
    if (y) return false;
    x->push_back(c);
  }
  return true;
}

Columns intersect(const Columns &a, const Columns &b) {
  Columns both = a;
  both.insert(both.end(), b.begin(), b.end());
  Columns out;
  uint64_t maskA = a.size() == 64 ? ~uint64_t(0) : (uint64_t(1) << a.size()) - 1;
  for (uint64_t k : kernel(both)) out.push_back(apply(a, k & maskA));
  return image(out);
}

Columns complement(const Columns &m, unsigned bits) {
  Eliminated e;
  for (uint64_t v : m) {
    uint64_t c = 0;
    e.add(v, &c);
  }
  Columns out;
  for (unsigned b = 0; b < bits; ++b) {
    uint64_t c = 0, v = uint64_t(1) << b;
    if (e.add(v, &c)) out.push_back(v);
  }
  return out;
}

} // namespace gf2

LinearLayout::LinearLayout(std::vector<DimBits> in, std::vector<DimBits> out, Columns columns)
    : in_(std::move(in)), out_(std::move(out)), cols_(std::move(columns)) {
  unsigned n = 0;
  for (const DimBits &d : in_) n += d.bits;
  assert(n == cols_.size() && n <= 64 && outBits() <= 64);
  (void)n;
}

LinearLayout LinearLayout::identity(Dim in, Dim out, unsigned bits) {
  Columns c;
  for (unsigned i = 0; i < bits; ++i) c.push_back(uint64_t(1) << i);
  return {{{in, bits}}, {{out, bits}}, std::move(c)};
}

LinearLayout LinearLayout::zeros(Dim in, Dim out, unsigned bits) {
  return {{{in, bits}}, {{out, 0}}, Columns(bits, 0)};
}

unsigned LinearLayout::outBits() const {
  unsigned n = 0;
  for (const DimBits &d : out_) n += d.bits;
  return n;
}
unsigned LinearLayout::inBits(Dim d) const {
  for (const DimBits &x : in_)
    if (x.dim == d) return x.bits;
  return 0;
}
unsigned LinearLayout::outBits(Dim d) const {
  for (const DimBits &x : out_)
    if (x.dim == d) return x.bits;
  return 0;
}
bool LinearLayout::hasIn(Dim d) const {
  for (const DimBits &x : in_)
    if (x.dim == d) return true;
  return false;
}
unsigned LinearLayout::inStart(Dim d) const {
  unsigned at = 0;
  for (const DimBits &x : in_) {
    if (x.dim == d) return at;
    at += x.bits;
  }
  return 0;
}
unsigned LinearLayout::outStart(Dim d) const {
  unsigned at = 0;
  for (size_t i = out_.size(); i-- > 0;) {
    if (out_[i].dim == d) return at;
    at += out_[i].bits;
  }
  return 0;
}
Columns LinearLayout::columnsOf(Dim d) const {
  unsigned s = inStart(d), n = inBits(d);
  return Columns(cols_.begin() + s, cols_.begin() + s + n);
}
uint64_t LinearLayout::coordinate(uint64_t flat, Dim d) const {
  unsigned n = outBits(d);
  return n ? flat >> outStart(d) & ((uint64_t(1) << n) - 1) : 0;
}

uint64_t LinearLayout::freeInputs() const {
  uint64_t mask = 0;
  for (uint64_t k : gf2::kernel(cols_)) mask |= std::bit_floor(k); // the highest column of each dependency
  return mask;
}

LinearLayout LinearLayout::operator*(const LinearLayout &outer) const {
  std::vector<DimBits> in = in_, out = out_;
  auto join = [](std::vector<DimBits> &to, const std::vector<DimBits> &from, bool) {
    for (const DimBits &d : from) {
      bool found = false;
      for (DimBits &x : to)
        if (x.dim == d.dim) x.bits += d.bits, found = true;
      if (!found) to.push_back(d);
    }
  };
  join(in, outer.in_, false);
  join(out, outer.out_, false);
  LinearLayout shape;
  shape.out_ = out;
  // Where an output dimension's bits of either factor go in the joined flat output.
  auto place = [&](const LinearLayout &l, uint64_t flat, bool high) {
    uint64_t y = 0;
    for (const DimBits &d : l.out_)
      y |= l.coordinate(flat, d.dim) << (shape.outStart(d.dim) + (high ? outBits(d.dim) : 0));
    return y;
  };
  Columns c;
  for (const DimBits &d : in) {
    for (uint64_t v : columnsOf(d.dim)) c.push_back(place(*this, v, false));
    for (uint64_t v : outer.columnsOf(d.dim)) c.push_back(place(outer, v, true));
  }
  return {std::move(in), std::move(out), std::move(c)};
}

namespace {
/// `flat`, an output of `from`, as an input of `to` (dimensions matched by name).
uint64_t asInput(const LinearLayout &from, uint64_t flat, const LinearLayout &to) {
  uint64_t x = 0;
  for (const DimBits &d : to.in()) x |= from.coordinate(flat, d.dim) << to.inStart(d.dim);
  return x;
}
uint64_t asOutput(const LinearLayout &from, uint64_t flat, const LinearLayout &to) {
  uint64_t x = 0;
  for (const DimBits &d : to.out()) x |= from.coordinate(flat, d.dim) << to.outStart(d.dim);
  return x;
}
} // namespace

LinearLayout LinearLayout::compose(const LinearLayout &outer) const {
  Columns c;
  for (uint64_t v : cols_) c.push_back(outer.apply(asInput(*this, v, outer)));
  return {in_, outer.out_, std::move(c)};
}

LinearLayout LinearLayout::invert() const {
  // Inputs of the inverse are our outputs. Flat inputs have the first dimension lowest, flat outputs the last: so
  // the inverse lists them in reverse, which keeps the same bit positions.
  std::vector<DimBits> in(out_.rbegin(), out_.rend()), out(in_.rbegin(), in_.rend());
  Columns unit, x;
  for (unsigned i = 0; i < outBits(); ++i) unit.push_back(uint64_t(1) << i);
  bool ok = gf2::solve(cols_, unit, &x);
  assert(ok && "invert: not surjective");
  (void)ok;
  return {std::move(in), std::move(out), std::move(x)};
}

LinearLayout LinearLayout::invertAndCompose(const LinearLayout &other) const {
  Columns rhs, x;
  for (uint64_t v : cols_) rhs.push_back(asOutput(*this, v, other));
  bool ok = gf2::solve(other.cols_, rhs, &x);
  assert(ok && "invertAndCompose: the other layout does not reach every element");
  (void)ok;
  return {in_, {other.in_.rbegin(), other.in_.rend()}, std::move(x)};
}

bool LinearLayout::divideLeft(const LinearLayout &small, LinearLayout *quotient) const {
  std::vector<DimBits> in, out;
  for (const DimBits &d : small.in_)
    if (d.bits > inBits(d.dim)) return false;
  for (const DimBits &d : small.out_)
    if (d.bits > outBits(d.dim)) return false;
  for (const DimBits &d : in_) in.push_back({d.dim, d.bits - small.inBits(d.dim)});
  for (const DimBits &d : out_) out.push_back({d.dim, d.bits - small.outBits(d.dim)});
  LinearLayout q;
  q.out_ = out;
  Columns c;
  for (const DimBits &d : in_) {
    unsigned low = small.inBits(d.dim);
    for (unsigned b = 0; b < d.bits; ++b) {
      uint64_t v = basis(d.dim, b), want = 0, high = 0;
      for (const DimBits &o : out_) {
        uint64_t x = coordinate(v, o.dim);
        unsigned s = small.outBits(o.dim);
        want |= (s ? x & ((uint64_t(1) << s) - 1) : 0) << small.outStart(o.dim);
        high |= (x >> s) << q.outStart(o.dim);
      }
      if (b < low) {
        if (high || want != small.basis(d.dim, b)) return false;
      } else {
        if (want) return false;
        c.push_back(high);
      }
    }
  }
  if (quotient) *quotient = {std::move(in), std::move(out), std::move(c)};
  return true;
}

LinearLayout LinearLayout::transposeOuts(const std::vector<unsigned> &order) const {
  std::vector<DimBits> out;
  for (unsigned i = 0; i < order.size(); ++i) out.push_back({tensorDim(i), outBits(tensorDim(order[i]))});
  LinearLayout shape;
  shape.out_ = out;
  Columns c;
  for (uint64_t v : cols_) {
    uint64_t y = 0;
    for (unsigned i = 0; i < order.size(); ++i)
      y |= coordinate(v, tensorDim(order[i])) << shape.outStart(tensorDim(i));
    c.push_back(y);
  }
  return {in_, std::move(out), std::move(c)};
}

LinearLayout LinearLayout::reshapeOuts(const std::vector<unsigned> &bits) const {
  std::vector<DimBits> out;
  for (unsigned i = 0; i < bits.size(); ++i) out.push_back({tensorDim(i), bits[i]});
  LinearLayout r{in_, std::move(out), cols_};
  assert(r.outBits() == outBits());
  return r;
}

LinearLayout LinearLayout::dropOut(unsigned axis) const {
  std::vector<DimBits> out;
  for (const DimBits &d : out_)
    if (d.dim != tensorDim(axis)) out.push_back({tensorDim(out.size()), d.bits});
  unsigned start = outStart(tensorDim(axis)), n = outBits(tensorDim(axis));
  uint64_t lowMask = (uint64_t(1) << start) - 1;
  Columns c;
  for (uint64_t v : cols_) c.push_back((v & lowMask) | (start + n >= 64 ? 0 : (v >> (start + n)) << start));
  return {in_, std::move(out), std::move(c)};
}

LinearLayout LinearLayout::expandOut(unsigned axis) const {
  std::vector<DimBits> out;
  for (const DimBits &d : out_) {
    if (out.size() == axis) out.push_back({tensorDim(axis), 0});
    out.push_back({tensorDim(out.size()), d.bits});
  }
  if (out.size() == axis) out.push_back({tensorDim(axis), 0});
  return {in_, std::move(out), cols_};
}

LinearLayout LinearLayout::removeFreeRegisters() const {
  // A register bit is free if its column depends on the other registers alone or is zero. Bits of lanes and warps
  // stay: they are threads, and threads do not go away.
  Columns kept;
  for (uint64_t v : columnsOf(Dim::Register)) {
    Columns trial = kept;
    trial.push_back(v);
    if (gf2::rank(trial) == trial.size()) kept = std::move(trial);
  }
  return replaceIn(Dim::Register, kept);
}

LinearLayout LinearLayout::withInputs(const std::vector<Dim> &dims) const {
  std::vector<DimBits> in;
  Columns c;
  for (Dim d : dims) {
    in.push_back({d, inBits(d)});
    if (hasIn(d))
      for (uint64_t v : columnsOf(d)) c.push_back(v);
  }
  return {std::move(in), out_, std::move(c)};
}

LinearLayout LinearLayout::replaceIn(Dim d, const Columns &columns) const {
  std::vector<DimBits> in;
  Columns c;
  for (const DimBits &x : in_) {
    Columns part = x.dim == d ? columns : columnsOf(x.dim);
    in.push_back({x.dim, unsigned(part.size())});
    c.insert(c.end(), part.begin(), part.end());
  }
  return {std::move(in), out_, std::move(c)};
}

std::string LinearLayout::text() const {
  std::string s;
  for (const DimBits &d : in_) {
    if (!s.empty()) s += ' ';
    s += dimName(d.dim) + "=[";
    for (unsigned b = 0; b < d.bits; ++b) {
      s += b ? ",[" : "[";
      for (size_t o = 0; o < out_.size(); ++o)
        s += (o ? "," : "") + std::to_string(coordinate(basis(d.dim, b), out_[o].dim));
      s += ']';
    }
    s += ']';
  }
  return s;
}

} // namespace tir
