// SPDX-License-Identifier: MIT
// The algebra of linear layouts against direct enumeration: small random layouts, among them such as have no name
// (several bits at once, broadcasts, not every element reached), every place and every element of each.
#include "layout/linear.hh"
#include "layout/picture.hh"
#include <bit>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

using namespace tir;

namespace {

std::mt19937_64 rng(7);
unsigned below(unsigned n) { return static_cast<unsigned>(rng() % n); }

std::vector<DimBits> randomDims(std::vector<Dim> names, unsigned most) {
  std::vector<DimBits> d;
  for (Dim n : names) d.push_back({n, below(most + 1)});
  return d;
}
unsigned total(const std::vector<DimBits> &d) {
  unsigned n = 0;
  for (const DimBits &x : d) n += x.bits;
  return n;
}
LinearLayout randomLayout(std::vector<DimBits> in, std::vector<DimBits> out) {
  unsigned n = total(in), m = total(out);
  Columns c;
  for (unsigned i = 0; i < n; ++i) c.push_back(below(4) ? rng() & ((uint64_t(1) << m) - 1) : 0);
  return {std::move(in), std::move(out), std::move(c)};
}
const std::vector<Dim> kThreads{Dim::Register, Dim::Lane, Dim::Warp};
std::vector<Dim> tensor(unsigned rank) {
  std::vector<Dim> d;
  for (unsigned i = 0; i < rank; ++i) d.push_back(tensorDim(i));
  return d;
}
LinearLayout randomLayout() { return randomLayout(randomDims(kThreads, 3), randomDims(tensor(1 + below(3)), 3)); }
/// Every element has a place.
LinearLayout randomOnto(std::vector<DimBits> out) {
  for (;;) {
    LinearLayout l = randomLayout(randomDims(kThreads, 4), out);
    if (l.inBits() < l.outBits()) continue;
    std::set<uint64_t> reached;
    for (uint64_t x = 0; x >> l.inBits() == 0; ++x) reached.insert(l.apply(x));
    EXPECT_EQ(l.isSurjective(), reached.size() == uint64_t(1) << l.outBits());
    if (l.isSurjective()) return l;
  }
}

using Coords = std::map<Dim, uint64_t>;
/// The definition: the xor, dimension by dimension, of the bases of the bits that are set.
Coords direct(const LinearLayout &l, const Coords &place) {
  Coords y;
  for (const DimBits &o : l.out()) y[o.dim] = 0;
  for (const DimBits &i : l.in())
    for (unsigned b = 0; b < i.bits; ++b)
      if (place.count(i.dim) && place.at(i.dim) >> b & 1)
        for (const DimBits &o : l.out()) y[o.dim] ^= l.coordinate(l.basis(i.dim, b), o.dim);
  return y;
}
Coords placeOf(const std::vector<DimBits> &in, uint64_t flat) { // first dimension lowest
  Coords c;
  for (const DimBits &d : in) {
    c[d.dim] = flat & ((uint64_t(1) << d.bits) - 1);
    flat >>= d.bits;
  }
  return c;
}
uint64_t flatOut(const std::vector<DimBits> &out, const Coords &c) { // last dimension lowest
  uint64_t flat = 0;
  for (const DimBits &d : out) flat = flat << d.bits | (c.count(d.dim) ? c.at(d.dim) : 0);
  return flat;
}
#define FOR_PLACES(x, l) for (uint64_t x = 0; x >> (l).inBits() == 0; ++x)

} // namespace

TEST(Linear, AppliesByItsBases) {
  for (int n = 0; n < 200; ++n) {
    LinearLayout l = randomLayout();
    std::set<uint64_t> reached;
    FOR_PLACES(x, l) {
      ASSERT_EQ(l.apply(x), flatOut(l.out(), direct(l, placeOf(l.in(), x))));
      reached.insert(l.apply(x));
    }
    EXPECT_EQ(l.isInjective(), reached.size() == uint64_t(1) << l.inBits());
    EXPECT_EQ(uint64_t(1) << gf2::rank(l.columns()), reached.size());
  }
}

TEST(Linear, KernelIsWhatHoldsElementZero) {
  for (int n = 0; n < 200; ++n) {
    LinearLayout l = randomLayout();
    std::set<uint64_t> zero, spanned{0};
    FOR_PLACES(x, l) if (!l.apply(x)) zero.insert(x);
    for (uint64_t k : l.kernel()) {
      std::set<uint64_t> more = spanned;
      for (uint64_t s : spanned) more.insert(s ^ k);
      EXPECT_EQ(more.size(), 2 * spanned.size()); // independent
      spanned = more;
    }
    EXPECT_EQ(zero, spanned);
    // Places with the free bits 0 hold every reached element once.
    std::set<uint64_t> seen, all;
    uint64_t free = l.freeInputs();
    FOR_PLACES(x, l) {
      all.insert(l.apply(x));
      if (!(x & free)) {
        EXPECT_TRUE(seen.insert(l.apply(x)).second);
      }
    }
    EXPECT_EQ(seen, all);
  }
}

TEST(Linear, ProductActsOnLowAndHighBits) {
  for (int n = 0; n < 200; ++n) {
    std::vector<Dim> names[3] = {{Dim::Register, Dim::Lane}, {Dim::Lane, Dim::Register}, {Dim::Warp, Dim::Lane}};
    LinearLayout a = randomLayout(randomDims(names[below(3)], 2), randomDims(tensor(1 + below(2)), 2));
    LinearLayout b = randomLayout(randomDims(names[below(3)], 2), randomDims(tensor(1 + below(3)), 2));
    LinearLayout p = a * b;
    FOR_PLACES(x, p) {
      Coords place = placeOf(p.in(), x), low, high, y;
      for (auto [d, v] : place) {
        low[d] = v & ((uint64_t(1) << a.inBits(d)) - 1);
        high[d] = v >> a.inBits(d);
      }
      Coords ya = direct(a, low), yb = direct(b, high);
      for (const DimBits &o : p.out()) {
        ASSERT_EQ(o.bits, a.outBits(o.dim) + b.outBits(o.dim));
        y[o.dim] = (ya.count(o.dim) ? ya[o.dim] : 0) | (yb.count(o.dim) ? yb[o.dim] : 0) << a.outBits(o.dim);
      }
      ASSERT_EQ(p.apply(x), flatOut(p.out(), y));
    }
    LinearLayout q;
    ASSERT_TRUE(p.divideLeft(a, &q));
    FOR_PLACES(x, b) { // the quotient acts as b, whatever the order of its dimensions
      Coords y = direct(q, placeOf(b.in(), x));
      ASSERT_EQ(flatOut(b.out(), y), b.apply(x));
    }
    LinearLayout joined = a * q;
    EXPECT_EQ(joined, p);
    EXPECT_EQ(LinearLayout::empty() * a, a);
    EXPECT_EQ(a * LinearLayout::empty(), a);
  }
}

TEST(Linear, QuotientOnlyWhereThereIsOne) {
  unsigned found = 0;
  for (int n = 0; n < 4000; ++n) {
    std::vector<DimBits> in = randomDims({Dim::Register, Dim::Lane}, 2), out = randomDims(tensor(2), 2);
    LinearLayout l = randomLayout(in, out), small = randomLayout(randomDims({Dim::Register, Dim::Lane}, 1), randomDims(tensor(2), 1));
    // Is there any map on the high bits that makes the product? Its bases must be those of l with the low bits cut.
    bool possible = true;
    for (const DimBits &d : small.in()) possible &= d.bits <= l.inBits(d.dim);
    for (const DimBits &d : small.out()) possible &= d.bits <= l.outBits(d.dim);
    if (possible)
      FOR_PLACES(x, l) {
        Coords place = placeOf(l.in(), x), low, y = direct(l, place);
        for (auto [d, v] : place) low[d] = v & ((uint64_t(1) << small.inBits(d)) - 1);
        Coords ys = direct(small, low), high = place;
        for (auto &[d, v] : high) v = v >> small.inBits(d) << small.inBits(d);
        Coords yh = direct(l, high);
        for (const DimBits &o : l.out()) {
          uint64_t mask = (uint64_t(1) << small.outBits(o.dim)) - 1;
          possible &= (y[o.dim] & mask) == ys[o.dim];           // low outputs come from low inputs by `small` alone
          possible &= y[o.dim] >> small.outBits(o.dim) == yh[o.dim] >> small.outBits(o.dim); // high ones from high alone
        }
      }
    LinearLayout q;
    ASSERT_EQ(l.divideLeft(small, &q), possible);
    found += possible;
    if (possible) {
      EXPECT_EQ(small * q, l);
    }
  }
  EXPECT_GT(found, 20u);
}

TEST(Linear, ComposesAndInverts) {
  for (int n = 0; n < 200; ++n) {
    std::vector<DimBits> mid = randomDims(tensor(2), 2), shuffled{mid[1], mid[0]};
    LinearLayout inner = randomLayout(randomDims(kThreads, 2), mid), outer = randomLayout(below(2) ? mid : shuffled, randomDims({Dim::Offset, Dim::Block}, 3));
    LinearLayout c = inner.compose(outer);
    EXPECT_EQ(c.in(), inner.in());
    EXPECT_EQ(c.out(), outer.out());
    FOR_PLACES(x, c) ASSERT_EQ(c.apply(x), flatOut(outer.out(), direct(outer, direct(inner, placeOf(inner.in(), x)))));

    LinearLayout onto = randomOnto(mid), back = onto.invert();
    FOR_PLACES(y, back) {
      Coords element, place = direct(back, placeOf(back.in(), y));
      for (auto [d, v] : placeOf(back.in(), y)) element[d] = v;
      ASSERT_EQ(direct(onto, place), element);
      // No place with a smaller highest bit would do.
      uint64_t got = back.apply(y);
      for (uint64_t x = 0; x < std::bit_floor(got); ++x) ASSERT_NE(onto.apply(x), y);
    }
    LinearLayout from = randomLayout(randomDims(kThreads, 3), mid), to = from.invertAndCompose(onto);
    FOR_PLACES(x, from) {
      ASSERT_EQ(direct(onto, direct(to, placeOf(to.in(), x))), direct(from, placeOf(from.in(), x)));
      ASSERT_EQ(onto.apply(to.apply(x)), from.apply(x));
      ASSERT_EQ(to.apply(x) & onto.freeInputs(), 0u);
    }
  }
}

TEST(Linear, ViewsOfTheTensor) {
  for (int n = 0; n < 200; ++n) {
    unsigned rank = 1 + below(3);
    LinearLayout l = randomLayout(randomDims(kThreads, 3), randomDims(tensor(rank), 3));
    std::vector<unsigned> order;
    for (unsigned i = 0; i < rank; ++i) order.push_back(i);
    std::shuffle(order.begin(), order.end(), rng);
    LinearLayout t = l.transposeOuts(order);
    unsigned axis = below(rank);
    LinearLayout cut = l.dropOut(axis), wide = l.expandOut(below(rank + 1)), less = cut.removeFreeRegisters();
    std::vector<unsigned> bits(1 + below(3), 0);
    for (unsigned i = 0; i < l.outBits(); ++i) ++bits[below(bits.size())];
    LinearLayout r = l.reshapeOuts(bits);
    ASSERT_EQ(wide.out().size(), rank + 1);
    ASSERT_EQ(cut.out().size(), rank - 1);
    FOR_PLACES(x, l) {
      Coords y = direct(l, placeOf(l.in(), x));
      for (unsigned i = 0; i < rank; ++i) ASSERT_EQ(t.coordinate(t.apply(x), tensorDim(i)), y[tensorDim(order[i])]);
      ASSERT_EQ(wide.apply(x), l.apply(x));
      ASSERT_EQ(r.apply(x), l.apply(x));
      for (unsigned i = 0, to = 0; i < rank; ++i)
        if (i != axis) {
          ASSERT_EQ(cut.coordinate(cut.apply(x), tensorDim(to++)), y[tensorDim(i)]);
        }
    }
    // Every thread keeps the elements it had, and no register of it could go.
    unsigned regs = cut.inBits(Dim::Register), left = less.inBits(Dim::Register);
    for (uint64_t thread = 0; thread >> (cut.inBits() - regs) == 0; ++thread) {
      std::set<uint64_t> had, has;
      for (uint64_t k = 0; k >> regs == 0; ++k) had.insert(cut.apply(thread << regs | k));
      for (uint64_t k = 0; k >> left == 0; ++k) has.insert(less.apply(thread << left | k));
      ASSERT_EQ(had, has);
      ASSERT_EQ(has.size(), uint64_t(1) << left);
    }
    LinearLayout swapped = l.withInputs({Dim::Warp, Dim::Block, Dim::Register});
    EXPECT_EQ(swapped.inBits(Dim::Block), 0u);
    FOR_PLACES(x, swapped) ASSERT_EQ(direct(swapped, placeOf(swapped.in(), x)), direct(l, placeOf(swapped.in(), x)));
  }
}

TEST(Gf2, SolvesIntersectsCompletes) {
  auto span = [](const Columns &c) {
    std::set<uint64_t> s{0};
    for (uint64_t v : c) {
      std::set<uint64_t> more = s;
      for (uint64_t x : s) more.insert(x ^ v);
      s = more;
    }
    return s;
  };
  for (int n = 0; n < 300; ++n) {
    unsigned bits = 1 + below(6);
    auto random = [&] {
      Columns c(below(6));
      for (uint64_t &v : c) v = rng() & ((uint64_t(1) << bits) - 1);
      return c;
    };
    Columns a = random(), b = random(), x;
    std::set<uint64_t> sa = span(a), sb = span(b), both;
    for (uint64_t v : sa)
      if (sb.count(v)) both.insert(v);
    EXPECT_EQ(span(gf2::intersect(a, b)), both);
    EXPECT_EQ(span(gf2::image(a)), sa);
    EXPECT_EQ(gf2::image(a).size(), gf2::rank(a));
    Columns all = a, rest = gf2::complement(a, bits);
    all.insert(all.end(), rest.begin(), rest.end());
    EXPECT_EQ(span(all).size(), uint64_t(1) << bits);
    EXPECT_EQ(rest.size() + gf2::rank(a), bits);
    bool possible = true;
    for (uint64_t v : b) possible &= sa.count(v) > 0;
    ASSERT_EQ(gf2::solve(a, b, &x), possible);
    for (size_t i = 0; possible && i < b.size(); ++i) EXPECT_EQ(gf2::apply(a, x[i]), b[i]);
    Columns inner(below(6)), product;
    for (uint64_t &v : inner) v = rng() & ((uint64_t(1) << a.size()) - 1);
    product = gf2::multiply(a, inner);
    for (uint64_t v = 0; v >> inner.size() == 0; ++v) EXPECT_EQ(gf2::apply(product, v), gf2::apply(a, gf2::apply(inner, v)));
  }
}

// The cost of one instruction, counted by register 0 of warp 0, is that of every register and every warp.
TEST(Banks, EveryRegisterAndWarpCostsTheSame) {
  for (int n = 0; n < 60; ++n) {
    std::vector<DimBits> shape{{tensorDim(0), 5}, {tensorDim(1), 5}};
    LinearLayout regs = randomLayout({{Dim::Register, 3}, {Dim::Lane, 5}, {Dim::Warp, 2}}, shape), mem;
    do mem = randomLayout({{Dim::Offset, 10}}, shape);
    while (!mem.isSurjective());
    BankUse use;
    std::string why;
    ASSERT_TRUE(bankUse(mem, regs, 32, 1, &use, &why)) << why;
    LinearLayout map = regs.invertAndCompose(mem);
    for (uint64_t other = 0; other < 32; ++other) { // 3 bits of register, 2 of warp
      std::map<uint64_t, std::set<uint64_t>> banks;
      for (uint64_t lane = 0; lane < 32; ++lane) {
        uint64_t word = map.apply((other & 7) | lane << 3 | other >> 3 << 8);
        banks[word % 32].insert(word);
      }
      size_t most = 0;
      for (auto &[b, words] : banks) most = std::max(most, words.size());
      ASSERT_EQ(most, use.wavefronts);
    }
  }
}
