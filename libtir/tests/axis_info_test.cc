// SPDX-License-Identifier: MIT
// Axis info against enumeration: random programs whose values are computed beside the IR, at every element.
#include "analysis/axis_info.hh"
#include "analysis/constants.hh"
#include "pass_support.hh"
#include <gtest/gtest.h>

using namespace tir;
using namespace tir::test;

namespace {

struct Random {
  uint64_t state;
  uint32_t operator()(uint32_t n) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<uint32_t>(state >> 33) % n;
  }
};

int64_t wrap(int64_t v, unsigned bits) { return bits >= 64 ? v : static_cast<int64_t>(static_cast<uint64_t>(v) << (64 - bits)) >> (64 - bits); }

using Elements = std::vector<int64_t>; // row-major, sign-extended (addresses: bytes)

/// What the analysis says of `v`, against its elements.
void check(const AxisInfo &info, Type t, const Elements &e, const std::string &program) {
  int64_t unit = t->scalar()->isPtr() ? pointeeBytes(t) : 1;
  unsigned bits = t->scalar()->isPtr() ? 64 : t->scalar()->width;
  int64_t inner = 1;
  if (info.constant) {
    for (int64_t x : e) ASSERT_EQ(x, info.value) << program;
  }
  for (unsigned d = static_cast<unsigned>(info.dims.size()); d-- > 0;) {
    const AxisDim &a = info.dims[d];
    int64_t size = t->isTensor() ? t->shape[d] : 1;
    for (size_t i = 0; i < e.size(); ++i) {
      int64_t x = static_cast<int64_t>(i) / inner % size;
      size_t run = i - static_cast<size_t>(x % a.contiguity * inner), same = i - static_cast<size_t>(x % a.constancy * inner);
      ASSERT_EQ(e[i], wrap(e[run] + x % a.contiguity * unit, bits)) << "contiguity " << a.contiguity << " of dim " << d << " at " << i << "\n" << program;
      ASSERT_EQ(e[i], e[same]) << "constancy " << a.constancy << " of dim " << d << " at " << i << "\n" << program;
      if (x % a.contiguity == 0) {
        ASSERT_EQ(e[i] % a.divisibility, 0) << "divisibility of dim " << d << " at " << i << "\n" << program;
      }
    }
    inner *= size;
  }
}

struct Maker {
  TestContext tc;
  Module m{tc.ctx};
  Random &random;
  Op *holder;
  Block *block;
  std::vector<std::pair<Value *, Elements>> values; // tiles of the shape
  std::vector<int64_t> shape;
  unsigned bits;
  bool skip = false;

  explicit Maker(Random &r) : random(r) {
    shape = {int64_t(1) << random(4), int64_t(1) << random(5)};
    bits = random(3) == 0 ? 8 : random(2) ? 16 : 32;
    OpSpec f{.code = Opcode::tt_func};
    f.regions = 1;
    holder = m.create(f);
    m.body()->append(holder);
    block = m.createBlock();
    holder->region(0)->append(block);
  }
  Type tile(unsigned width) { return tc.ctx.tensor({shape.data(), 2}, tc.ctx.intType(width)); }
  Value *op(Opcode code, std::vector<Value *> operands, Type result, std::vector<NamedAttr> attrs = {}) {
    Op *o = m.create({.code = code, .operands = std::move(operands), .results = {result}, .attrs = std::move(attrs)});
    block->append(o);
    return o->result(0);
  }
  int64_t number() {
    switch (random(5)) {
    case 0: return random(3);
    case 1: return int64_t(1) << random(7);
    case 2: return -(int64_t(1) << random(7));
    case 3: return (int64_t(1) << random(7)) - 1;
    default: return wrap(random(1 << 30), bits);
    }
  }
  void splat() {
    int64_t n = wrap(number(), bits);
    Type t = tile(bits);
    values.emplace_back(op(Opcode::arith_constant, {}, t, {{tc.ctx.str("value"), constantAttr(tc.ctx, t, static_cast<uint64_t>(n) & lowMask(bits))}}),
                        Elements(shape[0] * shape[1], n));
  }
  void argument() { // a number of known divisibility
    int64_t div = int64_t(1) << random(5), n = wrap(div * random(1000), bits);
    Value *a = block->addArg(m, tc.ctx.intType(bits));
    divisors.push_back(div);
    values.emplace_back(op(Opcode::tt_splat, {a}, tile(bits)), Elements(shape[0] * shape[1], n));
  }
  std::vector<int64_t> divisors;
  void range() {
    unsigned d = random(2);
    int64_t start = number() & 127;
    Type line = tc.ctx.tensor({shape[d]}, tc.ctx.i32());
    Value *v = op(Opcode::tt_make_range, {}, line, {{tc.ctx.str("start"), tc.ctx.i32Attr(start)}, {tc.ctx.str("end"), tc.ctx.i32Attr(start + shape[d])}});
    if (bits < 32) v = op(Opcode::arith_trunci, {v}, tc.ctx.tensor({shape[d]}, tc.ctx.intType(bits)));
    std::vector<int64_t> s = shape;
    s[1 - d] = 1;
    v = op(Opcode::tt_expand_dims, {v}, tc.ctx.tensor({s.data(), 2}, tc.ctx.intType(bits)), {{tc.ctx.str("axis"), tc.ctx.i32Attr(1 - d)}});
    v = op(Opcode::tt_broadcast, {v}, tile(bits));
    Elements e;
    for (int64_t i = 0; i < shape[0]; ++i)
      for (int64_t j = 0; j < shape[1]; ++j) e.push_back(wrap(start + (d ? j : i), bits));
    values.emplace_back(v, e);
  }
  void binary() {
    static const Opcode codes[] = {Opcode::arith_addi, Opcode::arith_subi, Opcode::arith_muli, Opcode::arith_divsi, Opcode::arith_divui,
                                   Opcode::arith_remsi, Opcode::arith_remui, Opcode::arith_andi, Opcode::arith_ori, Opcode::arith_xori,
                                   Opcode::arith_minsi, Opcode::arith_maxui, Opcode::arith_shli, Opcode::arith_shrui, Opcode::arith_shrsi,
                                   Opcode::arith_addi, Opcode::arith_muli, Opcode::arith_addi, Opcode::arith_select};
    Opcode code = codes[random(std::size(codes))];
    auto [a, x] = values[random(values.size())];
    auto [b, y] = values[random(values.size())];
    Elements e(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      uint64_t p = static_cast<uint64_t>(x[i]) & lowMask(bits), q = static_cast<uint64_t>(y[i]) & lowMask(bits);
      bool division = code == Opcode::arith_divsi || code == Opcode::arith_remsi;
      if ((division || code == Opcode::arith_divui || code == Opcode::arith_remui) && !q) return;
      if (division && x[i] < 0) return; // on trust
      if ((code == Opcode::arith_shli || code == Opcode::arith_shrui || code == Opcode::arith_shrsi) && q >= bits) return;
      int64_t r = 0;
      switch (code) {
      case Opcode::arith_addi: r = x[i] + y[i]; break;
      case Opcode::arith_subi: r = x[i] - y[i]; break;
      case Opcode::arith_muli: r = static_cast<int64_t>(p * q); break;
      case Opcode::arith_divsi: r = x[i] / y[i]; break;
      case Opcode::arith_divui: r = static_cast<int64_t>(p / q); break;
      case Opcode::arith_remsi: r = x[i] % y[i]; break;
      case Opcode::arith_remui: r = static_cast<int64_t>(p % q); break;
      case Opcode::arith_andi: r = x[i] & y[i]; break;
      case Opcode::arith_ori: r = x[i] | y[i]; break;
      case Opcode::arith_xori: r = x[i] ^ y[i]; break;
      case Opcode::arith_minsi: r = std::min(x[i], y[i]); break;
      case Opcode::arith_maxui: r = static_cast<int64_t>(std::max(p, q)); break;
      case Opcode::arith_shli: r = static_cast<int64_t>(p << q); break;
      case Opcode::arith_shrui: r = static_cast<int64_t>(p >> q); break;
      case Opcode::arith_shrsi: r = x[i] >> q; break;
      default: break;
      }
      e[i] = wrap(r, bits);
    }
    if (code == Opcode::arith_select) return select();
    values.emplace_back(op(code, {a, b}, tile(bits)), e);
  }
  void select() {
    auto [a, x] = values[random(values.size())];
    auto [b, y] = values[random(values.size())];
    auto [c, z] = values[random(values.size())];
    unsigned p = random(10);
    Value *cond = op(Opcode::arith_cmpi, {a, b}, tile(1), {{tc.ctx.str("predicate"), tc.ctx.enumeration(p, "")}});
    Elements k(x.size()), e(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      uint64_t s = static_cast<uint64_t>(x[i]) & lowMask(bits), t = static_cast<uint64_t>(y[i]) & lowMask(bits);
      bool r[] = {s == t, s != t, x[i] < y[i], x[i] <= y[i], x[i] > y[i], x[i] >= y[i], s < t, s <= t, s > t, s >= t};
      k[i] = r[p] ? -1 : 0;
      e[i] = r[p] ? x[i] : z[i];
    }
    masks.emplace_back(cond, k);
    values.emplace_back(op(Opcode::arith_select, {cond, a, c}, tile(bits)), e);
  }
  std::vector<std::pair<Value *, Elements>> masks, others;
  void widen() { // to 64 bits and to addresses
    auto [a, x] = values[random(values.size())];
    bool zero = random(2);
    Elements e = x;
    if (zero)
      for (int64_t &v : e) v = static_cast<int64_t>(static_cast<uint64_t>(v) & lowMask(bits));
    Value *w = op(zero ? Opcode::arith_extui : Opcode::arith_extsi, {a}, tile(64));
    others.emplace_back(w, e);
    Type half = tc.ctx.ptr(tc.ctx.floatType(FloatKind::F16));
    Value *base = block->addArg(m, half);
    int64_t div = 2 << random(4), address = div * (1 + random(1000));
    divisors.push_back(div);
    Type t = tc.ctx.tensor({shape.data(), 2}, half);
    Value *s = op(Opcode::tt_splat, {base}, t);
    bool direct = random(2);
    Value *p = op(Opcode::tt_addptr, {s, direct ? a : w}, t);
    Elements q = direct ? x : e;
    for (int64_t &v : q) v = address + 2 * v;
    others.emplace_back(p, q);
    auto [b, y] = values[random(values.size())];
    for (size_t i = 0; i < y.size(); ++i) q[i] += 2 * y[i];
    others.emplace_back(op(Opcode::tt_addptr, {p, b}, t), q);
  }
  void finish() {
    std::vector<Attr> dicts;
    for (int64_t d : divisors) dicts.push_back(tc.ctx.dict({{tc.ctx.str("tt.divisibility"), tc.ctx.i32Attr(d)}}));
    if (!dicts.empty()) holder->setAttr("arg_attrs", tc.ctx.array({dicts.data(), static_cast<uint32_t>(dicts.size())}));
  }
};

TEST(AxisInfo, HoldsAtEveryElement) {
  Random random{7};
  uint64_t runs = 0, constants = 0;
  for (unsigned program = 0; program < 3000; ++program) {
    Maker k(random);
    k.splat();
    k.argument();
    k.range();
    k.range();
    for (unsigned i = 0; i < 12; ++i) random(8) ? k.binary() : k.splat();
    k.widen();
    k.finish();
    AxisInfoAnalysis analysis(k.holder);
    std::string text;
    for (auto *list : {&k.values, &k.masks, &k.others})
      for (auto &[v, e] : *list) {
        const AxisInfo &info = analysis.info(v);
        text = opText(v->def) + " in program " + std::to_string(program);
        check(info, v->type, e, text);
        if (HasFatalFailure()) {
          std::string all;
          for (Op *o = k.block->first; o; o = o->next) all += opText(o) + "\n";
          FAIL() << all;
        }
        for (auto &d : info.dims) runs += d.contiguity > 1, constants += d.constancy > 1;
      }
  }
  EXPECT_GT(runs, 5000u); // it says something
  EXPECT_GT(constants, 20000u);
}

/// Info of the pointer operand of the first tt.load or tt.store of a kernel.
struct Kernel {
  TestContext tc;
  std::unique_ptr<Module> m;
  std::unique_ptr<AxisInfoAnalysis> analysis;
  std::vector<Op *> memory;
  explicit Kernel(std::string_view text) {
    m = tc.parse(text);
    if (!m) return;
    Op *f = m->kernel("").value;
    analysis = std::make_unique<AxisInfoAnalysis>(f);
    f->walk([&](Op *o) {
      if (o->is(Opcode::tt_load) || o->is(Opcode::tt_store)) memory.push_back(o);
    });
  }
};

TEST(AxisInfo, VectorAdd) {
  Kernel k(R"(
tt.func public @add(%x: !tt.ptr<f32> {tt.divisibility = 16 : i32}, %y: !tt.ptr<f32>, %n: i32 {tt.divisibility = 16 : i32}) {
  %c1024 = arith.constant 1024 : i32
  %pid = tt.get_program_id x : i32
  %start = arith.muli %pid, %c1024 : i32
  %r = tt.make_range {end = 1024 : i32, start = 0 : i32} : tensor<1024xi32>
  %s = tt.splat %start : i32 -> tensor<1024xi32>
  %o = arith.addi %s, %r : tensor<1024xi32>
  %nn = tt.splat %n : i32 -> tensor<1024xi32>
  %mask = arith.cmpi slt, %o, %nn : tensor<1024xi32>
  %xs = tt.splat %x : !tt.ptr<f32> -> tensor<1024x!tt.ptr<f32>>
  %xp = tt.addptr %xs, %o : tensor<1024x!tt.ptr<f32>>, tensor<1024xi32>
  %v = tt.load %xp, %mask : tensor<1024x!tt.ptr<f32>>
  %ys = tt.splat %y : !tt.ptr<f32> -> tensor<1024x!tt.ptr<f32>>
  %yp = tt.addptr %ys, %o : tensor<1024x!tt.ptr<f32>>, tensor<1024xi32>
  tt.store %yp, %v, %mask : tensor<1024x!tt.ptr<f32>>
  tt.return
})");
  ASSERT_TRUE(k.m) << k.tc.messages;
  ASSERT_EQ(k.memory.size(), 2u);
  EXPECT_EQ(k.analysis->vectorWidth(k.memory[0]->operand(0), 0), 4);
  EXPECT_EQ(k.analysis->alignment(k.memory[0]->operand(0), 0), 16);
  EXPECT_EQ(k.analysis->vectorWidth(k.memory[0]->operand(0), 0, k.memory[0]->operand(1)), 4);
  EXPECT_EQ(k.analysis->maskConstancy(k.memory[0]->operand(1), 0), 16);
  EXPECT_EQ(k.analysis->vectorWidth(k.memory[1]->operand(0), 0), 1); // y has no promise
  EXPECT_EQ(k.analysis->likelyRun(k.memory[1]->operand(0), 0), 1024);
}

TEST(AxisInfo, LoopCarriedPointer) {
  Kernel k(R"(
tt.func public @loop(%x: !tt.ptr<f16> {tt.divisibility = 16 : i32}, %stride: i32 {tt.divisibility = 16 : i32}, %n: i32, %q: i32) {
  %c0 = arith.constant 0 : i32
  %c32 = arith.constant 32 : i32
  %m = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32>
  %k = tt.make_range {end = 32 : i32, start = 0 : i32} : tensor<32xi32>
  %m2 = tt.expand_dims %m {axis = 1 : i32} : tensor<64xi32> -> tensor<64x1xi32>
  %k2 = tt.expand_dims %k {axis = 0 : i32} : tensor<32xi32> -> tensor<1x32xi32>
  %s = tt.splat %stride : i32 -> tensor<64x1xi32>
  %ms = arith.muli %m2, %s : tensor<64x1xi32>
  %mb = tt.broadcast %ms : tensor<64x1xi32> -> tensor<64x32xi32>
  %kb = tt.broadcast %k2 : tensor<1x32xi32> -> tensor<64x32xi32>
  %o = arith.addi %mb, %kb : tensor<64x32xi32>
  %xs = tt.splat %x : !tt.ptr<f16> -> tensor<64x32x!tt.ptr<f16>>
  %p0 = tt.addptr %xs, %o : tensor<64x32x!tt.ptr<f16>>, tensor<64x32xi32>
  %step = arith.constant dense<32> : tensor<64x32xi32>
  %r:2 = scf.for %i = %c0 to %n step %c32 iter_args(%p = %p0, %d = %p0) -> (tensor<64x32x!tt.ptr<f16>>, tensor<64x32x!tt.ptr<f16>>) : i32 {
    %v = tt.load %p : tensor<64x32x!tt.ptr<f16>>
    tt.store %d, %v : tensor<64x32x!tt.ptr<f16>>
    %p1 = tt.addptr %p, %step : tensor<64x32x!tt.ptr<f16>>, tensor<64x32xi32>
    %qs = tt.splat %q : i32 -> tensor<64x32xi32>
    %d1 = tt.addptr %d, %qs : tensor<64x32x!tt.ptr<f16>>, tensor<64x32xi32>
    scf.yield %p1, %d1 : tensor<64x32x!tt.ptr<f16>>, tensor<64x32x!tt.ptr<f16>>
  }
  tt.return
})");
  ASSERT_TRUE(k.m) << k.tc.messages;
  EXPECT_EQ(k.analysis->vectorWidth(k.memory[0]->operand(0), 1), 8);
  EXPECT_EQ(k.analysis->vectorWidth(k.memory[0]->operand(0), 0), 1);
  EXPECT_EQ(k.analysis->vectorWidth(k.memory[1]->operand(0), 1), 1); // %q may be odd
  EXPECT_EQ(k.analysis->likelyRun(k.memory[1]->operand(0), 1), 32);
}

} // namespace
