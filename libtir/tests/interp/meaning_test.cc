// SPDX-License-Identifier: MIT
// The reference interpreter on small kernels: what every group of operations means, what the sanitizer finds,
// and how launches fail.
#include "interp/interp.hh"
#include "text/text.hh"
#include <array>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>

using namespace tir;
using tessera::Code;

namespace {

struct Launch {
  std::string text; // a whole module, or only the body of @k when `signature` is set
  std::string signature;
  tir_interp_params params = TIR_INTERP_PARAMS_INIT;
  std::vector<tir_interp_arg> args;
  std::string printed;
  std::vector<std::string> reports;
  tessera::Status status;

  explicit Launch(std::string signature, std::string body = "") : text(body), signature(signature) {}

  template <class T>
  Launch &buffer(std::vector<T> &v, uint32_t flags = 0, std::vector<uint8_t> *shadow = nullptr) {
    tir_interp_arg a{};
    a.struct_size = sizeof a;
    a.kind = TIR_INTERP_BUFFER;
    a.flags = flags;
    a.data = v.data();
    a.size = v.size() * sizeof(T);
    if (shadow) {
      shadow->assign(a.size, 0xee);
      a.shadow = shadow->data();
    }
    args.push_back(a);
    return *this;
  }
  Launch &scalar(uint64_t bits) {
    tir_interp_arg a{};
    a.struct_size = sizeof a;
    a.bits = bits;
    args.push_back(a);
    return *this;
  }
  Launch &grid(int x, int y = 1, int z = 1) {
    params.grid[0] = x, params.grid[1] = y, params.grid[2] = z;
    return *this;
  }
  Launch &sanitize(uint32_t errors, uint32_t notes = 0) {
    params.errors = errors, params.notes = notes;
    return *this;
  }
  Code run() {
    std::string whole = signature.empty() ? text
                                          : "module {\n  tt.func public @k(" + signature + ") {\n" + text +
                                                "\n    tt.return\n  }\n}\n";
    Context ctx;
    std::string messages;
    ctx.setSink(
        [](void *u, Severity, const char *t, size_t n) { static_cast<std::string *>(u)->append(t, n); },
        &messages);
    std::unique_ptr<Module> m = parseText(ctx, whole, "t.ttir");
    EXPECT_TRUE(m) << messages << whole;
    if (!m) return Code::PARSE;
    params.print = [](void *u, const char *t, size_t n) { static_cast<Launch *>(u)->printed.append(t, n); };
    params.report = [](void *u, const tir_interp_report *r) {
      static_cast<Launch *>(u)->reports.push_back(r->message);
    };
    params.print_user = params.report_user = this;
    status = interp::run(*m, "", params, args);
    return status.code;
  }
  bool says(const char *part) const { return status.message.find(part) != std::string::npos; }
};

uint32_t bits(float f) { return std::bit_cast<uint32_t>(f); }
float flt(uint32_t b) { return std::bit_cast<float>(b); }

/// Applies an elementwise op on tensors of 8: loads x and y (types tx, ty), stores the result (type tr).
template <class R, class X, class Y = X>
std::vector<R> apply(const std::string &tx, const std::string &ty, const std::string &tr,
                     const std::string &op, std::vector<X> x, std::vector<Y> y = {}, Code want = Code::OK) {
  std::vector<R> r(8);
  x.resize(8);
  y.resize(8);
  auto P = [](const std::string &t) { return "tensor<8x!tt.ptr<" + t + ">>"; };
  std::string b = "%r = tt.make_range {end = 8 : i32, start = 0 : i32} : tensor<8xi32>\n";
  for (auto [n, t] : {std::pair{"x", tx}, std::pair{"y", ty}, std::pair{"o", tr}}) {
    std::string N(n);
    b += "%" + N + "s = tt.splat %" + N + "p : !tt.ptr<" + t + "> -> " + P(t) + "\n";
    b += "%" + N + "a = tt.addptr %" + N + "s, %r : " + P(t) + ", tensor<8xi32>\n";
    if (N != "o") b += "%" + N + " = tt.load %" + N + "a : " + P(t) + "\n";
  }
  b += "%o = " + op + "\n tt.store %oa, %o : " + P(tr);
  Launch l("%xp: !tt.ptr<" + tx + ">, %yp: !tt.ptr<" + ty + ">, %op: !tt.ptr<" + tr + ">", b);
  l.buffer(x).buffer(y).buffer(r);
  EXPECT_EQ(l.run(), want) << l.status.message;
  return r;
}
using I = std::vector<int32_t>;
using U = std::vector<uint32_t>;
using F = std::vector<float>;

I ints(const std::string &op, I x, I y) {
  return apply<int32_t>("i32", "i32", "i32", op + " %x, %y : tensor<8xi32>", x, y);
}
F floats(const std::string &op, F x, F y) {
  return apply<float>("f32", "f32", "f32", op + " %x, %y : tensor<8xf32>", x, y);
}

} // namespace

TEST(Interp, Integers) {
  EXPECT_EQ(ints("arith.addi", {INT32_MAX, -1, 5}, {1, -1, 6}), (I{INT32_MIN, -2, 11, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ints("arith.divsi", {-7, 7, INT32_MIN, 9, 1, 1, 1, 1}, {2, -2, -1, 0, 1, 1, 1, 1}),
            (I{-3, -3, INT32_MIN, 0, 1, 1, 1, 1}));
  EXPECT_EQ(ints("arith.remsi", {-7, 7, INT32_MIN, 9, 1, 1, 1, 1}, {2, -2, -1, 0, 1, 1, 1, 1}),
            (I{-1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ints("arith.divui", {-7, 7, 1, 1, 1, 1, 1, 1}, {2, 3, 1, 1, 1, 1, 1, 1})[0], INT32_MAX - 3);
  EXPECT_EQ(ints("arith.shli", {1, 1, 1}, {31, 32, -1}), (I{INT32_MIN, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ints("arith.shrsi", {-8, -8, 8}, {1, 40, 40}), (I{-4, -1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ints("arith.shrui", {-8, -8}, {28, 32}), (I{15, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ints("arith.minsi", {-1, 2}, {1, 1}), (I{-1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ints("arith.maxui", {-1, 2}, {1, 1}), (I{-1, 2, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(ints("tt.mulhiui", {-1, 1 << 16}, {-1, 1 << 16}), (I{-2, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ((apply<uint8_t, int32_t>("i32", "i32", "i1", "arith.cmpi slt, %x, %y : tensor<8xi32>",
                                     I{-1, 1, 2}, I{1, -1, 2})),
            (std::vector<uint8_t>{1, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ((apply<uint8_t, int32_t>("i32", "i32", "i1", "arith.cmpi ult, %x, %y : tensor<8xi32>", I{-1, 1},
                                     I{1, -1})),
            (std::vector<uint8_t>{0, 1, 0, 0, 0, 0, 0, 0}));
}

TEST(Interp, Floats) {
  const float inf = INFINITY, nan = NAN;
  EXPECT_EQ(floats("arith.addf", {1, inf}, {2, 1}), (F{3, inf, 0, 0, 0, 0, 0, 0}));
  F low = floats("arith.minnumf", {nan, 1, 0.0f, -0.0f, nan}, {2, nan, -0.0f, 0.0f, nan});
  EXPECT_EQ(low[0], 2);
  EXPECT_EQ(low[1], 1);
  EXPECT_TRUE(std::signbit(low[2]) && std::signbit(low[3]) && std::isnan(low[4]));
  F high = floats("arith.maximumf", {nan, 1, 0.0f, -0.0f}, {2, nan, -0.0f, 0.0f});
  EXPECT_TRUE(std::isnan(high[0]) && std::isnan(high[1]) && !std::signbit(high[2]) && !std::signbit(high[3]));
  EXPECT_EQ(floats("arith.remf", {7.5f, -7.5f}, {2, 2})[1], -1.5f);
  EXPECT_EQ(floats("tt.precise_divf", {1, 2}, {3, 7})[0], 1.0f / 3.0f);
  // sub-normals are kept
  EXPECT_EQ(floats("arith.mulf", {1e-30f}, {1e-10f})[0], 1e-30f * 1e-10f);
  EXPECT_EQ((apply<uint8_t, float>("f32", "f32", "i1", "arith.cmpf une, %x, %y : tensor<8xf32>", F{nan, 1, 2},
                                   F{nan, 1, 3})),
            (std::vector<uint8_t>{1, 0, 1, 0, 0, 0, 0, 0}));
  const char *preds[] = {"false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord",
                         "ueq",   "ugt", "uge", "ult", "ule", "une", "uno", "true"};
  for (int k = 0; k < 16; ++k) {
    std::string n = preds[k];
    std::vector<uint8_t> got = apply<uint8_t, float>("f32", "f32", "i1",
                                                     "arith.cmpf " + n + ", %x, %y : tensor<8xf32>",
                                                     F{1, 1, 2, nan}, F{1, 2, 1, 1}),
                         want;
    for (auto [lt, eq, gt, un] : {std::array{0, 1, 0, 0}, {1, 0, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}) {
      std::string r = n.substr(1);
      bool o = (r == "eq" && eq) || (r == "gt" && gt) || (r == "ge" && (gt | eq)) || (r == "lt" && lt) ||
               (r == "le" && (lt | eq)) || (r == "ne" && (lt | gt));
      if (n == "false" || n == "true")
        want.push_back(n == "true");
      else if (n == "ord" || n == "uno")
        want.push_back(n == "uno" ? un : !un);
      else
        want.push_back(un ? n[0] == 'u' : o);
    }
    got.resize(4);
    EXPECT_EQ(got, want) << n;
  }
  F c = apply<float, float>("f32", "f32", "f32", "tt.clampf %x, %y, %y, propagateNan = none : tensor<8xf32>",
                            F{nan, 5}, F{2, 3});
  EXPECT_EQ(c[0], 2);
  c = apply<float, float>("f32", "f32", "f32", "tt.clampf %x, %y, %y, propagateNan = all : tensor<8xf32>",
                          F{nan, 5}, F{2, 3});
  EXPECT_TRUE(std::isnan(c[0]));
  EXPECT_EQ(c[1], 3);
}

TEST(Interp, NarrowFloatsRoundOncePerOperation) {
  using H = std::vector<uint16_t>;
  // f16: 2048 + 1 is a tie that goes to even; bf16: 256 + 1 likewise
  EXPECT_EQ((apply<uint16_t, uint16_t>("f16", "f16", "f16", "arith.addf %x, %y : tensor<8xf16>",
                                       H{0x6800, 0x7bff}, H{0x3c00, 0x7bff})),
            (H{0x6800, 0x7c00, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ((apply<uint16_t, uint16_t>("bf16", "bf16", "bf16", "arith.addf %x, %y : tensor<8xbf16>",
                                       H{0x4380}, H{0x3f80}))[0],
            0x4380);
  EXPECT_EQ((apply<uint16_t, float>("f32", "f32", "bf16", "arith.truncf %x : tensor<8xf32> to tensor<8xbf16>",
                                    F{flt(0x3f808000), flt(0x3f818000)})),
            (H{0x3f80, 0x3f82, 0, 0, 0, 0, 0, 0}));
  using B = std::vector<uint8_t>;
  EXPECT_EQ((apply<uint8_t, float>("f32", "f32", "f8E4M3FN",
                                   "tt.fp_to_fp %x, rounding = rtne : tensor<8xf32> -> tensor<8xf8E4M3FN>",
                                   F{1, 1000, -1000})),
            (B{0x38, 0x7e, 0xfe, 0, 0, 0, 0, 0}));
  EXPECT_EQ((apply<uint8_t, float>("f32", "f32", "f8E5M2",
                                   "tt.fp_to_fp %x, rounding = rtz : tensor<8xf32> -> tensor<8xf8E5M2>",
                                   F{1.999f, 1e6})),
            (B{0x3f, 0x7b, 0, 0, 0, 0, 0, 0}));
}

TEST(Interp, IntegerFloatCasts) {
  EXPECT_EQ((apply<int32_t, float>("f32", "f32", "i32", "arith.fptosi %x : tensor<8xf32> to tensor<8xi32>",
                                   F{-1.9f, 3e9f, -3e9f, NAN})),
            (I{-1, INT32_MAX, INT32_MIN, 0, 0, 0, 0, 0}));
  EXPECT_EQ((apply<uint32_t, float>("f32", "f32", "i32", "arith.fptoui %x : tensor<8xf32> to tensor<8xi32>",
                                    F{-1.9f, 3e9f, 5e9f, NAN})),
            (U{0, 3000000000u, UINT32_MAX, 0, 0, 0, 0, 0}));
  EXPECT_EQ((apply<uint16_t, int32_t>("i32", "i32", "f16", "arith.sitofp %x : tensor<8xi32> to tensor<8xf16>",
                                      I{2049, -70000})),
            (std::vector<uint16_t>{0x6800, 0xfc00, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ((apply<int64_t, int32_t>("i32", "i32", "i64", "arith.extsi %x : tensor<8xi32> to tensor<8xi64>",
                                     I{-2}))[0],
            -2);
  EXPECT_EQ((apply<int64_t, int32_t>("i32", "i32", "i64", "arith.extui %x : tensor<8xi32> to tensor<8xi64>",
                                     I{-2}))[0],
            0xfffffffe);
  EXPECT_EQ((apply<int8_t, int32_t>("i32", "i32", "i8", "arith.trunci %x : tensor<8xi32> to tensor<8xi8>",
                                    I{300, -1}))[0],
            44);
  EXPECT_EQ((apply<uint32_t, float>("f32", "f32", "i32", "tt.bitcast %x : tensor<8xf32> -> tensor<8xi32>",
                                    F{1.5f}))[0],
            bits(1.5f));
}

TEST(Interp, Math) {
  F x{0.5f, 1, 2, 100};
  F e = apply<float, float>("f32", "f32", "f32", "math.exp %x : tensor<8xf32>", x);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(e[i], static_cast<float>(std::exp(static_cast<double>(x[i]))));
  EXPECT_EQ((apply<float, float>("f32", "f32", "f32", "math.fma %x, %y, %x : tensor<8xf32>", F{1 + 0x1p-12f},
                                 F{1 + 0x1p-12f}))[0],
            std::fma(1 + 0x1p-12f, 1 + 0x1p-12f, 1 + 0x1p-12f));
  EXPECT_EQ((apply<float, float>(
                "f32", "f32", "f32",
                "tt.extern_elementwise %x, %y {libname = \"\", libpath = \"\", pure = true, symbol = "
                "\"__nv_powf\"} : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>",
                F{2}, F{10}))[0],
            1024);
  apply<float, float>(
      "f32", "f32", "f32",
      "tt.extern_elementwise %x {libname = \"\", libpath = \"\", pure = true, symbol = \"nobody\"} : "
      "(tensor<8xf32>) -> tensor<8xf32>",
      F{2}, F{}, Code::UNSUPPORTED);
}

static const char *kRange = "%r = tt.make_range {end = 8 : i32, start = 0 : i32} : tensor<8xi32>\n"
                            "%ps = tt.splat %p : !tt.ptr<i32> -> tensor<8x!tt.ptr<i32>>\n"
                            "%pa = tt.addptr %ps, %r : tensor<8x!tt.ptr<i32>>, tensor<8xi32>\n";

TEST(Interp, Shapes) {
  I o(16);
  Launch l("%p: !tt.ptr<i32>",
           "%r = tt.make_range {end = 8 : i32, start = 0 : i32} : tensor<8xi32>\n"
           "%m = tt.reshape %r : tensor<8xi32> -> tensor<2x4xi32>\n"
           "%t = tt.trans %m {order = array<i32: 1, 0>} : tensor<2x4xi32> -> tensor<4x2xi32>\n"
           "%a, %b = tt.split %t : tensor<4x2xi32> -> tensor<4xi32>\n"
           "%j = tt.join %b, %a : tensor<4xi32> -> tensor<4x2xi32>\n"
           "%f = tt.reshape %j : tensor<4x2xi32> -> tensor<8xi32>\n"
           "%e = tt.expand_dims %f {axis = 1 : i32} : tensor<8xi32> -> tensor<8x1xi32>\n"
           "%w = tt.broadcast %e : tensor<8x1xi32> -> tensor<8x2xi32>\n"
           "%v = tt.reshape %w : tensor<8x2xi32> -> tensor<16xi32>\n"
           "%k = tt.make_range {end = 16 : i32, start = 0 : i32} : tensor<16xi32>\n"
           "%ps = tt.splat %p : !tt.ptr<i32> -> tensor<16x!tt.ptr<i32>>\n"
           "%pa = tt.addptr %ps, %k : tensor<16x!tt.ptr<i32>>, tensor<16xi32>\n"
           "tt.store %pa, %v : tensor<16x!tt.ptr<i32>>");
  ASSERT_EQ(l.buffer(o).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (I{4, 4, 0, 0, 5, 5, 1, 1, 6, 6, 2, 2, 7, 7, 3, 3}));
}

TEST(Interp, GatherAndHistogram) {
  I x{3, 9, 0, -1, 3, 3, 7, 8}, o(8);
  Launch l("%x: !tt.ptr<i32>, %p: !tt.ptr<i32>",
           std::string(kRange) +
               "%xs = tt.splat %x : !tt.ptr<i32> -> tensor<8x!tt.ptr<i32>>\n"
               "%xa = tt.addptr %xs, %r : tensor<8x!tt.ptr<i32>>, tensor<8xi32>\n"
               "%v = tt.load %xa : tensor<8x!tt.ptr<i32>>\n"
               "%h = tt.histogram %v : tensor<8xi32> -> tensor<8xi32>\n"
               "%g = tt.gather %h[%v] {axis = 0 : i32} : (tensor<8xi32>, tensor<8xi32>) -> tensor<8xi32>\n"
               "tt.store %pa, %g : tensor<8x!tt.ptr<i32>>");
  ASSERT_EQ(l.buffer(x).buffer(o).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (I{3, 0, 1, 0, 3, 3, 1, 0})); // 9, 8 and -1 are outside: 0
}

TEST(Interp, ReduceScanArgmin) {
  I x{5, 3, 9, 3, 8, 1, 1, 7}, o(8), s(8);
  Launch l("%x: !tt.ptr<i32>, %p: !tt.ptr<i32>, %q: !tt.ptr<i32>",
           std::string(kRange) +
               "%c100 = arith.constant 100 : i32\n"
               "%xs = tt.splat %x : !tt.ptr<i32> -> tensor<8x!tt.ptr<i32>>\n"
               "%xa = tt.addptr %xs, %r : tensor<8x!tt.ptr<i32>>, tensor<8xi32>\n"
               "%v = tt.load %xa : tensor<8x!tt.ptr<i32>>\n"
               "%m:2 = \"tt.reduce\"(%v, %r) <{axis = 0 : i32}> ({\n"
               "^bb0(%a: i32, %ai: i32, %b: i32, %bi: i32):\n"
               "  %lt = arith.cmpi slt, %a, %b : i32\n  %eq = arith.cmpi eq, %a, %b : i32\n"
               "  %il = arith.cmpi slt, %ai, %bi : i32\n  %both = arith.andi %eq, %il : i1\n"
               "  %take = arith.ori %lt, %both : i1\n  %rv = arith.select %take, %a, %b : i32\n"
               "  %ri = arith.select %take, %ai, %bi : i32\n  tt.reduce.return %rv, %ri : i32, i32\n"
               "}) : (tensor<8xi32>, tensor<8xi32>) -> (i32, i32)\n"
               "%sc = \"tt.scan\"(%v) <{axis = 0 : i32, reverse = true}> ({\n"
               "^bb0(%a: i32, %b: i32):\n  %t = arith.addi %a, %b : i32\n  tt.scan.return %t : i32\n"
               "}) : (tensor<8xi32>) -> tensor<8xi32>\n"
               "%qs = tt.splat %q : !tt.ptr<i32> -> tensor<8x!tt.ptr<i32>>\n"
               "%qa = tt.addptr %qs, %r : tensor<8x!tt.ptr<i32>>, tensor<8xi32>\n"
               "tt.store %qa, %sc : tensor<8x!tt.ptr<i32>>\n"
               // a region that uses values from outside and branches: element by element
               "%me = \"tt.map_elementwise\"(%v) <{pack = 1 : i32}> ({\n"
               "^bb0(%e: i32):\n  %odd = arith.trunci %e : i32 to i1\n  cf.cond_br %odd, ^bb1, ^bb2\n"
               "^bb1:\n  tt.map_elementwise.return %m#0 : i32\n"
               "^bb2:\n  %z = arith.addi %e, %c100 : i32\n  tt.map_elementwise.return %z : i32\n"
               "}) : (tensor<8xi32>) -> tensor<8xi32>\n"
               "tt.store %pa, %me : tensor<8x!tt.ptr<i32>>\n"
               "%p1 = tt.addptr %p, %m#1 : !tt.ptr<i32>, i32\n"
               "tt.store %p1, %m#1 : !tt.ptr<i32>");
  ASSERT_EQ(l.buffer(x).buffer(o).buffer(s).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (I{1, 1, 1, 1, 108, 5, 1, 1}));
  EXPECT_EQ(s, (I{37, 32, 29, 20, 17, 9, 8, 7}));
}

TEST(Interp, ReduceOfTwoDimensionsWithCalls) {
  I o(4);
  Launch l("");
  l.text = R"(module {
  tt.func private @add(%a: i32, %b: i32) -> i32 {
    %s = arith.addi %a, %b : i32
    tt.return %s : i32
  }
  tt.func public @k(%p: !tt.ptr<i32>) {
    %r = tt.make_range {end = 32 : i32, start = 0 : i32} : tensor<32xi32>
    %m = tt.reshape %r : tensor<32xi32> -> tensor<2x4x4xi32>
    %s = "tt.reduce"(%m) <{axis = 1 : i32}> ({
    ^bb0(%a: i32, %b: i32):
      %t = tt.call @add(%a, %b) : (i32, i32) -> i32
      tt.reduce.return %t : i32
    }) : (tensor<2x4x4xi32>) -> tensor<2x4xi32>
    %u = "tt.reduce"(%s) <{axis = 0 : i32}> ({
    ^bb0(%a: i32, %b: i32):
      %t = arith.subi %a, %b : i32
      tt.reduce.return %t : i32
    }) : (tensor<2x4xi32>) -> tensor<4xi32>
    %k = tt.make_range {end = 4 : i32, start = 0 : i32} : tensor<4xi32>
    %ps = tt.splat %p : !tt.ptr<i32> -> tensor<4x!tt.ptr<i32>>
    %pa = tt.addptr %ps, %k : tensor<4x!tt.ptr<i32>>, tensor<4xi32>
    tt.store %pa, %u : tensor<4x!tt.ptr<i32>>
    tt.return
  }
}
)";
  ASSERT_EQ(l.buffer(o).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (I{-64, -64, -64, -64}));
}

TEST(Interp, ControlFlow) {
  I o(4);
  Launch l("%p: !tt.ptr<i32>, %n: i32",
           "%c0 = arith.constant 0 : i32\n%c1 = arith.constant 1 : i32\n%c2 = arith.constant 2 : i32\n"
           "%s:2 = scf.for %i = %c0 to %n step %c2 iter_args(%a = %c0, %b = %c1) -> (i32, i32)  : i32 {\n"
           "  %x = arith.addi %a, %i : i32\n  scf.yield %b, %x : i32, i32\n}\n"
           "%w = scf.while (%v = %n) : (i32) -> i32 {\n  %go = arith.cmpi sgt, %v, %c2 : i32\n"
           "  scf.condition(%go) %v : i32\n} do {\n^bb0(%v: i32):\n  %d = arith.subi %v, %c2 : i32\n"
           "  scf.yield %d : i32\n}\n"
           "%odd = arith.cmpi eq, %w, %c1 : i32\n"
           "%f = scf.if %odd -> (i32) {\n  scf.yield %s#0 : i32\n} else {\n  scf.yield %s#1 : i32\n}\n"
           "tt.store %p, %f : !tt.ptr<i32>\n"
           "%p1 = tt.addptr %p, %c1 : !tt.ptr<i32>, i32\ntt.store %p1, %w : !tt.ptr<i32>\n"
           "cf.cond_br %odd, ^bb1(%c1 : i32), ^bb2\n"
           "^bb1(%q: i32):\n  %p2 = tt.addptr %p, %c2 : !tt.ptr<i32>, i32\n  tt.store %p2, %q : "
           "!tt.ptr<i32>\n  cf.br ^bb2\n^bb2:");
  ASSERT_EQ(l.buffer(o).scalar(7).run(), Code::OK) << l.status.message;
  // i = 0 2 4 6: (0,1) (1,0) (0,3) (3,4) (4,9)
  EXPECT_EQ(o, (I{4, 1, 1, 0}));
}

TEST(Interp, DotsRoundAsTheyShould) {
  // 16x16: c + a·b with a[i][k] = 1 + 2^-11 (lost in tf32: a tie, away), b = identity
  F a(256, 1 + 0x1p-11f), b(256), o(256), p(256);
  for (int i = 0; i < 16; ++i) b[i * 17] = 1;
  auto ptrs = [](const char *n) {
    std::string N(n);
    return "%" + N + "s = tt.splat %" + N + "p : !tt.ptr<f32> -> tensor<256x!tt.ptr<f32>>\n%" + N +
           "a = tt.addptr %" + N + "s, %r : tensor<256x!tt.ptr<f32>>, tensor<256xi32>\n";
  };
  auto load = [&](const char *n) {
    std::string N(n);
    return ptrs(n) + "%" + N + "v = tt.load %" + N + "a : tensor<256x!tt.ptr<f32>>\n%" + N +
           " = tt.reshape %" + N + "v : tensor<256xf32> -> tensor<16x16xf32>\n";
  };
  Launch l("%xp: !tt.ptr<f32>, %yp: !tt.ptr<f32>, %op: !tt.ptr<f32>, %qp: !tt.ptr<f32>",
           "%r = tt.make_range {end = 256 : i32, start = 0 : i32} : tensor<256xi32>\n" + load("x") +
               load("y") + ptrs("o") + ptrs("q") +
               "%c = arith.constant dense<1.0> : tensor<16x16xf32>\n"
               "%d = tt.dot %x, %y, %c : tensor<16x16xf32> * tensor<16x16xf32> -> tensor<16x16xf32>\n"
               "%e = tt.dot %x, %y, %c, inputPrecision = tf32 : tensor<16x16xf32> * tensor<16x16xf32> -> "
               "tensor<16x16xf32>\n"
               "%dr = tt.reshape %d : tensor<16x16xf32> -> tensor<256xf32>\n"
               "%er = tt.reshape %e : tensor<16x16xf32> -> tensor<256xf32>\n"
               "tt.store %oa, %dr : tensor<256x!tt.ptr<f32>>\ntt.store %qa, %er : tensor<256x!tt.ptr<f32>>");
  ASSERT_EQ(l.buffer(a).buffer(b).buffer(o).buffer(p).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o[5], 2 + 0x1p-11f);
  EXPECT_EQ(p[5], 2 + 0x1p-10f);
}

TEST(Interp, ScaledDot) {
  // a: e2m1 bytes 0x21 = (0.5, 1.0) along K; scale 2^1; b: e4m3 ones; K = 32
  std::vector<float> o(256);
  Launch l(
      "%op: !tt.ptr<f32>",
      "%r = tt.make_range {end = 256 : i32, start = 0 : i32} : tensor<256xi32>\n"
      "%a = arith.constant dense<33> : tensor<16x16xi8>\n%as = arith.constant dense<128> : tensor<16x1xi8>\n"
      "%bi = arith.constant dense<56> : tensor<32x16xi8>\n%b = tt.bitcast %bi : tensor<32x16xi8> -> "
      "tensor<32x16xf8E4M3FN>\n"
      "%c = arith.constant dense<1.0> : tensor<16x16xf32>\n"
      "%d = tt.dot_scaled %a scale %as, %b, %c lhs = e2m1 rhs = e4m3 {fastMath = false} : tensor<16x16xi8>, "
      "tensor<16x1xi8> * tensor<32x16xf8E4M3FN> -> tensor<16x16xf32>\n"
      "%dr = tt.reshape %d : tensor<16x16xf32> -> tensor<256xf32>\n"
      "%os = tt.splat %op : !tt.ptr<f32> -> tensor<256x!tt.ptr<f32>>\n"
      "%oa = tt.addptr %os, %r : tensor<256x!tt.ptr<f32>>, tensor<256xi32>\n"
      "tt.store %oa, %dr : tensor<256x!tt.ptr<f32>>");
  ASSERT_EQ(l.buffer(o).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o[17], 1 + 2 * (16 * 0.5f + 16 * 1.0f));
}

TEST(Interp, Descriptors) {
  F x(5 * 6), o(4 * 4, 7);
  for (int i = 0; i < 30; ++i) x[i] = float(i);
  Launch l("%x: !tt.ptr<f32>, %o: !tt.ptr<f32>",
           "%c5 = arith.constant 5 : i32\n%c6 = arith.constant 6 : i32\n%c4 = arith.constant 4 : i32\n%c3 = "
           "arith.constant 3 : i32\n"
           "%s6 = arith.constant 6 : i64\n%s1 = arith.constant 1 : i64\n%s4 = arith.constant 4 : i64\n%m1 = "
           "arith.constant -1 : i32\n"
           "%d = tt.make_tensor_descriptor %x, [%c5, %c6], [%s6, %s1] : <f32>, <4x4xf32>\n"
           "%e = tt.make_tensor_descriptor %o, [%c3, %c4], [%s4, %s1] : <f32>, <4x4xf32>\n"
           "%v = tt.descriptor_load %d[%c3, %m1] : !tt.tensordesc<4x4xf32> -> tensor<4x4xf32>\n"
           "%z = arith.constant 0 : i32\n"
           "tt.descriptor_store %e[%z, %z], %v : !tt.tensordesc<4x4xf32>, tensor<4x4xf32>\n"
           "tt.descriptor_reduce add, %e[%z, %c3], %v : !tt.tensordesc<4x4xf32>, tensor<4x4xf32>");
  ASSERT_EQ(l.buffer(x).buffer(o).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (F{0, 18, 19, 20, 0, 24, 25, 26, 0, 0, 0, 0, 7, 7, 7, 7}));
}

// ---- programs, atomics, locks ---------------------------------------------------------------------------

static const char *kLock = R"(module {
  tt.func public @k(%lock: !tt.ptr<i32>, %sum: !tt.ptr<i32>) {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %true = arith.constant true
    scf.while : () -> () {
      %old = tt.atomic_cas acq_rel, gpu, %lock, %c0, %c1 : (!tt.ptr<i32>, i32, i32) -> i32
      %busy = arith.cmpi eq, %old, %c1 : i32
      scf.condition(%busy)
    } do {
      scf.yield
    }
    %v = tt.load %sum : !tt.ptr<i32>
    %w = arith.addi %v, %c1 : i32
    tt.store %sum, %w : !tt.ptr<i32>
    UNLOCK
    tt.return
  }
}
)";
static std::string lockKernel(const char *unlock) {
  std::string s = kLock;
  s.replace(s.find("UNLOCK"), 6, unlock);
  return s;
}

TEST(Interp, LockIsSilent) {
  I lock{0}, sum{0};
  Launch l("");
  l.text =
      lockKernel("%u = tt.atomic_rmw exch, acq_rel, gpu, %lock, %c0, %true : (!tt.ptr<i32>, i32, i1) -> i32");
  EXPECT_EQ(l.buffer(lock).buffer(sum).grid(50).sanitize(TIR_SANITIZE_ALL).run(), Code::OK)
      << l.status.message;
  EXPECT_EQ(sum[0], 50);
}

TEST(Interp, RelaxedUnlockIsARace) {
  I lock{0}, sum{0};
  Launch l("");
  l.text =
      lockKernel("%u = tt.atomic_rmw exch, relaxed, gpu, %lock, %c0, %true : (!tt.ptr<i32>, i32, i1) -> i32");
  EXPECT_EQ(l.buffer(lock).buffer(sum).grid(2).sanitize(TIR_SANITIZE_RACE).run(), Code::LAUNCH);
  EXPECT_TRUE(l.says("nothing orders the two")) << l.status.message;
}

TEST(Interp, ForgottenUnlockMeetsTheStepLimit) {
  I lock{0}, sum{0};
  Launch l("");
  l.text = lockKernel("");
  l.params.max_steps = 10000;
  EXPECT_EQ(l.buffer(lock).buffer(sum).grid(2).run(), Code::LIMIT);
  EXPECT_TRUE(l.says("max_steps") && l.says("t.ttir:") && l.says("program (1, 0, 0)")) << l.status.message;
}

TEST(Interp, ProgramsThatWaitForLaterOnesEnd) {
  // every program counts itself in and waits until all 40 have
  I count{0};
  Launch l("%p: !tt.ptr<i32>, %n: i32",
           "%c1 = arith.constant 1 : i32\n%true = arith.constant true\n"
           "%o = tt.atomic_rmw add, acq_rel, gpu, %p, %c1, %true : (!tt.ptr<i32>, i32, i1) -> i32\n"
           "scf.while : () -> () {\n  %v = tt.load %p {isVolatile = true} : !tt.ptr<i32>\n"
           "  %w = arith.cmpi slt, %v, %n : i32\n  scf.condition(%w)\n} do {\n  scf.yield\n}\n"
           "%q = tt.atomic_poll acquire, gpu, %p, %n : !tt.ptr<i32>, i32 -> i1\n");
  EXPECT_EQ(l.buffer(count).scalar(40).grid(5, 8).run(), Code::OK) << l.status.message;
  EXPECT_EQ(count[0], 40);
}

TEST(Interp, AtomicsOnFloatsAndUnsigned) {
  F x{1.5f};
  I y{-1, 5};
  Launch l("%p: !tt.ptr<f32>, %q: !tt.ptr<i32>",
           "%c = arith.constant 0.25 : f32\n%t = arith.constant true\n%c3 = arith.constant 3 : i32\n%c1 = "
           "arith.constant 1 : i32\n"
           "%a = tt.atomic_rmw fadd, relaxed, gpu, %p, %c, %t : (!tt.ptr<f32>, f32, i1) -> f32\n"
           "%b = tt.atomic_rmw umax, relaxed, gpu, %q, %c3, %t : (!tt.ptr<i32>, i32, i1) -> i32\n"
           "%q1 = tt.addptr %q, %c1 : !tt.ptr<i32>, i32\n"
           "%d = tt.atomic_rmw min, relaxed, gpu, %q1, %b, %t : (!tt.ptr<i32>, i32, i1) -> i32");
  EXPECT_EQ(l.buffer(x).buffer(y).grid(4).run(), Code::OK) << l.status.message;
  EXPECT_EQ(x[0], 2.5f);
  EXPECT_EQ(y, (I{-1, -1}));
}

// ---- sanitizer ------------------------------------------------------------------------------------------

static std::string masked(const char *rest) {
  return std::string(kRange) +
         "%ns = tt.splat %n : i32 -> tensor<8xi32>\n%m = arith.cmpi slt, %r, %ns : tensor<8xi32>\n" +
         "%v = tt.load %pa, %m : tensor<8x!tt.ptr<i32>>\n" + rest;
}

TEST(Sanitizer, BoundsNameArgumentOffsetProgram) {
  I x(7);
  Launch l("%p: !tt.ptr<i32>, %n: i32", masked(""));
  EXPECT_EQ(l.buffer(x).scalar(7).run(), Code::OK) << l.status.message;
  Launch bad("%p: !tt.ptr<i32>, %n: i32", masked(""));
  EXPECT_EQ(bad.buffer(x).scalar(8).run(), Code::LAUNCH);
  EXPECT_TRUE(bad.says("t.ttir:") && bad.says("'tt.load'") && bad.says("byte offset 28") &&
              bad.says("argument 0") && bad.says("28 bytes") && bad.says("(7)") &&
              bad.says("program (0, 0, 0)"))
      << bad.status.message;
  Launch quiet("%p: !tt.ptr<i32>, %n: i32", masked("tt.store %pa, %v, %m : tensor<8x!tt.ptr<i32>>"));
  EXPECT_EQ(quiet.buffer(x).scalar(8).sanitize(0, TIR_SANITIZE_BOUNDS).run(), Code::OK);
  EXPECT_EQ(quiet.reports.size(), 2u);
}

TEST(Sanitizer, ReadOnlyAndAlignment) {
  I x(8);
  Launch l("%p: !tt.ptr<i32>, %n: i32", masked("tt.store %pa, %v, %m : tensor<8x!tt.ptr<i32>>"));
  EXPECT_EQ(l.buffer(x, TIR_INTERP_READONLY).scalar(8).run(), Code::LAUNCH);
  EXPECT_TRUE(l.says("read-only"));
  Launch a("%p: !tt.ptr<i32>", "%i = tt.ptr_to_int %p : !tt.ptr<i32> -> i64\n%c2 = arith.constant 2 : i64\n"
                               "%j = arith.addi %i, %c2 : i64\n%q = tt.int_to_ptr %j : i64 -> "
                               "!tt.ptr<i32>\n%v = tt.load %q : !tt.ptr<i32>");
  EXPECT_EQ(a.buffer(x).run(), Code::LAUNCH);
  EXPECT_TRUE(a.says("not aligned"));
}

TEST(Sanitizer, UndefinedOnlyWhereUsed) {
  I x{1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<uint8_t> shadow;
  const char *use =
      "%one = arith.constant dense<1> : tensor<8xi32>\n%q = arith.divsi %one, %v : tensor<8xi32>\n"
      "%w = arith.addi %v, %q : tensor<8xi32>\ntt.store %pa, %w, %m : tensor<8x!tt.ptr<i32>>";
  Launch l("%p: !tt.ptr<i32>, %n: i32", masked(use));
  EXPECT_EQ(l.buffer(x, 0, &shadow).scalar(5).sanitize(TIR_SANITIZE_ALL).run(), Code::OK) << l.status.message;
  EXPECT_EQ(x, (I{2, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(shadow[0], TIR_SHADOW_WRITTEN);
  EXPECT_EQ(shadow[31], TIR_SHADOW_INITIAL);
  Launch bad("%p: !tt.ptr<i32>, %n: i32", masked("tt.store %pa, %v : tensor<8x!tt.ptr<i32>>"));
  EXPECT_EQ(bad.buffer(x).scalar(5).sanitize(TIR_SANITIZE_UNDEF).run(), Code::LAUNCH);
  EXPECT_TRUE(bad.says("undefined") && bad.says("element 5")) << bad.status.message;
  Launch note("%p: !tt.ptr<i32>, %n: i32", masked("tt.store %pa, %v : tensor<8x!tt.ptr<i32>>"));
  EXPECT_EQ(note.buffer(x, 0, &shadow).scalar(5).sanitize(3, TIR_SANITIZE_UNDEF).run(), Code::OK);
  EXPECT_EQ(shadow[19], TIR_SHADOW_WRITTEN);
  EXPECT_EQ(shadow[20], TIR_SHADOW_UNDEFINED);
  EXPECT_EQ(x[5], 0); // masked off without other: 0
}

TEST(Sanitizer, DivisionShiftOverflowConvert) {
  struct {
    const char *body;
    uint32_t kind;
    const char *says;
  } cases[] = {
      {"%z = arith.constant 0 : i32\n%a = arith.divsi %n, %z : i32\ntt.store %p, %a : !tt.ptr<i32>",
       TIR_SANITIZE_DIV, "division by zero"},
      {"%z = arith.constant 32 : i32\n%a = arith.shli %n, %z : i32\ntt.store %p, %a : !tt.ptr<i32>",
       TIR_SANITIZE_SHIFT, "shift by the width"},
      {"%z = arith.constant 2000000000 : i32\n%a = arith.addi %n, %z : i32\n%b = arith.addi %a, %z : i32\n"
       "%c = arith.subi %b, %z : i32\n%d = arith.subi %c, %z : i32\n%e = arith.subi %d, %n : i32\n%q = "
       "tt.addptr %p, %e : !tt.ptr<i32>, i32\n"
       "tt.store %q, %n : !tt.ptr<i32>",
       TIR_SANITIZE_OVERFLOW, "overflow"},
      {"%z = arith.constant 3.0e9 : f32\n%a = arith.fptosi %z : f32 to i32\ntt.store %p, %a : !tt.ptr<i32>",
       TIR_SANITIZE_CONVERT, "out of the integer's range"},
      {"%c = arith.constant false\nllvm.intr.assume %c : i1", TIR_SANITIZE_ASSUME, "assumes"},
  };
  for (auto &c : cases) {
    I x(8);
    Launch ok("%p: !tt.ptr<i32>, %n: i32", c.body), bad("%p: !tt.ptr<i32>, %n: i32", c.body);
    EXPECT_EQ(ok.buffer(x).scalar(9).run(), Code::OK) << c.body << ok.status.message;
    EXPECT_EQ(bad.buffer(x).scalar(9).sanitize(c.kind).run(), Code::LAUNCH) << c.body;
    EXPECT_TRUE(bad.says(c.says)) << bad.status.message;
  }
}

TEST(Sanitizer, UnwrittenOutput) {
  I x(8);
  std::vector<uint8_t> shadow;
  Launch l("%p: !tt.ptr<i32>, %n: i32",
           "%c1 = arith.constant 1 : i32\n%q = tt.addptr %p, %c1 : !tt.ptr<i32>, i32\n"
           "tt.store %q, %n : !tt.ptr<i32>");
  EXPECT_EQ(l.buffer(x, TIR_INTERP_OUTPUT, &shadow).scalar(3).run(), Code::OK);
  EXPECT_EQ(shadow[0], TIR_SHADOW_UNWRITTEN);
  EXPECT_EQ(shadow[4], TIR_SHADOW_WRITTEN);
  Launch r("%p: !tt.ptr<i32>, %n: i32", "%v = tt.load %p : !tt.ptr<i32>");
  EXPECT_EQ(r.buffer(x, TIR_INTERP_OUTPUT).scalar(3).sanitize(TIR_SANITIZE_UNWRITTEN).run(), Code::LAUNCH);
  EXPECT_TRUE(r.says("nothing has written"));
}

TEST(Sanitizer, PlainRace) {
  I x(1);
  Launch l("%p: !tt.ptr<i32>", "%i = tt.get_program_id y : i32\ntt.store %p, %i : !tt.ptr<i32>");
  EXPECT_EQ(l.buffer(x).grid(1, 2).sanitize(TIR_SANITIZE_RACE).run(), Code::LAUNCH);
  EXPECT_TRUE(l.says("program (0, 0, 0)") && l.says("program (0, 1, 0)")) << l.status.message;
}

// ---- output and failures --------------------------------------------------------------------------------

TEST(Interp, PrintAndAssert) {
  Launch l("%n: i32, %f: f32",
           "%r = tt.make_range {end = 2 : i32, start = 0 : i32} : tensor<2xi32>\n"
           "tt.print \" r: \" {hex = false, isSigned = array<i32: 1>} : %r : tensor<2xi32>\n"
           "tt.print \" both: \" {hex = false, isSigned = array<i32: 0, 0>} : %n, %f : i32, f32\n"
           "tt.print \" hex: \" {hex = true, isSigned = array<i32: 0>} : %n : i32\n"
           "tt.print \" text\" {hex = false, isSigned = array<i32>}\n"
           "%c0 = arith.constant 0 : i32\n%ok = arith.cmpi eq, %n, %c0 : i32\ntt.assert %ok, \"n must be 0\" "
           ": i1");
  EXPECT_EQ(l.scalar(uint32_t(-2)).scalar(bits(1.5f)).run(), Code::LAUNCH);
  EXPECT_EQ(
      l.printed,
      "pid (0, 0, 0) idx (0) r: 0\npid (0, 0, 0) idx (1) r: 1\n"
      "pid (0, 0, 0) idx () both: (operand 0) 4294967294\npid (0, 0, 0) idx () both: (operand 1) 1.500000\n"
      "pid (0, 0, 0) idx () hex: 0xfffffffe\npid (0, 0, 0) text\n");
  EXPECT_TRUE(l.says("n must be 0") && l.says("t.ttir:") && l.says("program (0, 0, 0)")) << l.status.message;
}

TEST(Interp, ArgumentsAreChecked) {
  I x(1);
  auto kernel = [] { return Launch("%p: !tt.ptr<i32>, %n: i32", ""); };
  Launch few = kernel(), kind = kernel(), grid = kernel();
  EXPECT_EQ(few.buffer(x).run(), Code::INVALID_ARGUMENT);
  EXPECT_TRUE(few.says("takes 2 arguments, 1 were given")) << few.status.message;
  EXPECT_EQ(kind.buffer(x).buffer(x).run(), Code::INVALID_ARGUMENT);
  EXPECT_TRUE(kind.says("argument 1 ('n')") && kind.says("i32: expected a scalar, got a buffer"))
      << kind.status.message;
  EXPECT_EQ(grid.buffer(x).scalar(1).grid(0).run(), Code::INVALID_ARGUMENT);
}

TEST(Interp, InlineAssemblyIsRefused) {
  Launch l("%n: i32", "%y = tt.elementwise_inline_asm \"nop\" {constraints = \"=r,r\", packed_element = 1 : "
                      "i32, pure = true} "
                      "%n : i32 -> i32");
  EXPECT_EQ(l.scalar(1).run(), Code::UNSUPPORTED);
  EXPECT_TRUE(l.says("inline assembly") && l.says("t.ttir:")) << l.status.message;
}

// ---- the GPU level ----------------------------------------------------------------------------------------

/// A body over %x, %o: pointers to i32 and %n: i32, with %ap and %op: addresses of 2x4 elements. @4x2@ becomes a
/// mutable buffer type of that shape.
Launch shared(const std::string &body) {
  std::string text = "%r = tt.make_range {end = 8 : i32, start = 0 : i32} : tensor<8xi32>\n"
                     "%r2 = tt.reshape %r : tensor<8xi32> -> tensor<2x4xi32>\n"
                     "%xs = tt.splat %x : !tt.ptr<i32> -> tensor<2x4x!tt.ptr<i32>>\n"
                     "%ap = tt.addptr %xs, %r2 : tensor<2x4x!tt.ptr<i32>>, tensor<2x4xi32>\n"
                     "%os = tt.splat %o : !tt.ptr<i32> -> tensor<2x4x!tt.ptr<i32>>\n"
                     "%op = tt.addptr %os, %r2 : tensor<2x4x!tt.ptr<i32>>, tensor<2x4xi32>\n"
                     "%v = tt.load %ap : tensor<2x4x!tt.ptr<i32>>\n" +
                     body;
  for (size_t at; (at = text.find('@')) != std::string::npos;) {
    size_t end = text.find('@', at + 1);
    text.replace(at, end - at + 1,
                 "!ttg.memdesc<" + text.substr(at + 1, end - at - 1) +
                     "xi32, #ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [1, 0]}>, "
                     "#ttg.shared_memory, mutable>");
  }
  return Launch("%x: !tt.ptr<i32>, %o: !tt.ptr<i32>, %n: i32", text);
}

TEST(Interp, BuffersAndTheirViews) {
  I x{1, 2, 3, 4, 5, 6, 7, 8}, o(8);
  Launch l = shared(R"(
    %b = ttg.local_alloc : () -> @3x2x4@
    %p = ttg.memdesc_index %b[%n] : @3x2x4@ -> @2x4@
    ttg.local_store %v, %p : tensor<2x4xi32> -> @2x4@
    %again = ttg.memdesc_index %b[%n] : @3x2x4@ -> @2x4@
    %t = ttg.memdesc_trans %again {order = array<i32: 1, 0>} : @2x4@ -> @4x2@
    %s = ttg.memdesc_subslice %t[2, 0] : @4x2@ -> @2x2@
    %l = ttg.local_load %s : @2x2@ -> tensor<2x2xi32>
    %twice = arith.addi %l, %l : tensor<2x2xi32>
    ttg.local_store %twice, %s : tensor<2x2xi32> -> @2x2@
    %f = ttg.memdesc_reshape %p : @2x4@ -> @4x2@
    %y = ttg.local_load %f : @4x2@ -> tensor<4x2xi32>
    %z = tt.reshape %y : tensor<4x2xi32> -> tensor<2x4xi32>
    %c = ttg.convert_layout %z : tensor<2x4xi32> -> tensor<2x4xi32>
    tt.store %op, %c : tensor<2x4x!tt.ptr<i32>>
  )");
  EXPECT_EQ(l.buffer(x).buffer(o).scalar(2).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (I{1, 2, 6, 8, 5, 6, 14, 16})); // columns 2 and 3 doubled, through the transposed view
}

TEST(Interp, BuffersThatAreNotThere) {
  I x(8), o(8);
  Launch outside = shared(R"(
    %b = ttg.local_alloc : () -> @3x2x4@
    %p = ttg.memdesc_index %b[%n] : @3x2x4@ -> @2x4@
  )");
  EXPECT_EQ(outside.buffer(x).buffer(o).scalar(3).run(), Code::LAUNCH);
  EXPECT_TRUE(outside.says("takes part 3 of a buffer of 3")) << outside.status.message;
  Launch gone = shared(R"(
    %b = ttg.local_alloc : () -> @2x4@
    ttg.local_dealloc %b : @2x4@
    %l = ttg.local_load %b : @2x4@ -> tensor<2x4xi32>
  )");
  EXPECT_EQ(gone.buffer(x).buffer(o).scalar(0).run(), Code::LAUNCH);
  EXPECT_TRUE(gone.says("was given back")) << gone.status.message;
  Launch unset = shared(R"(
    %b = ttg.local_alloc : () -> @2x4@
    %l = ttg.local_load %b : @2x4@ -> tensor<2x4xi32>
    tt.store %op, %l : tensor<2x4x!tt.ptr<i32>>
  )");
  unset.sanitize(TIR_SANITIZE_UNDEF);
  EXPECT_EQ(unset.buffer(x).buffer(o).scalar(0).run(), Code::LAUNCH);
  EXPECT_TRUE(unset.says("is undefined")) << unset.status.message;
}

TEST(Interp, AsynchronousCopies) {
  I x{1, 2, 3, 4, 5, 6, 7, 8}, o(8);
  Launch l = shared(R"(
    %b = ttg.local_alloc : () -> @2x4@
    %ns = tt.splat %n : i32 -> tensor<2x4xi32>
    %m = arith.cmpi slt, %r2, %ns : tensor<2x4xi32>
    %t = ttg.async_copy_global_to_local %ap, %b mask %m other %ns : tensor<2x4x!tt.ptr<i32>> -> <2x4xi32, #ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [1, 0]}>, #ttg.shared_memory, mutable>
    %g = ttg.async_commit_group tokens %t
    %w = ttg.async_wait %g {num = 0 : i32}
    %y = ttg.local_load %b token %w : @2x4@ -> tensor<2x4xi32>
    %t2 = ttg.async_copy_global_to_local %ap, %b mask %m : tensor<2x4x!tt.ptr<i32>> -> <2x4xi32, #ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [1, 0]}>, #ttg.shared_memory, mutable>
    %z = ttg.local_load %b : @2x4@ -> tensor<2x4xi32>
    %s = arith.addi %y, %z : tensor<2x4xi32>
    tt.store %op, %s : tensor<2x4x!tt.ptr<i32>>
  )");
  l.sanitize(TIR_SANITIZE_UNDEF);
  EXPECT_EQ(l.buffer(x).buffer(o).scalar(6).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (I{2, 4, 6, 8, 10, 12, 6, 6})); // off: `other`, then zero
}

TEST(Interp, CopiesByDescriptorInMemory) {
  I x{1, 2, 3, 4, 5, 6, 7, 8}, o(8);
  Launch l = shared(R"(
    %b = ttg.local_alloc : () -> @2x4@
    %c1 = arith.constant 1 : i32
    %c2 = arith.constant 2 : i32
    %c4 = arith.constant 4 : i32
    %bytes = arith.constant 16 : i64
    %true = arith.constant true
    %bar = ttg.local_alloc : () -> !ttg.memdesc<1xi64, #ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [0]}>, #ttg.shared_memory, mutable>
    %s = ttg.global_scratch_alloc {alignment = 128 : i32, nbytes = 128 : i32} : !tt.ptr<i8>
    %d = ttng.reinterpret_tensor_descriptor %s : !tt.ptr<i8> to !tt.tensordesc<2x4xi32>
    ttng.tensormap_create %s, %x, [%c4, %c2], [%c4, %n], [%bytes], [%c1, %c1] {elem_type = 3 : i32, fill_mode = 0 : i32, interleave_layout = 0 : i32, swizzle_mode = 0 : i32} : (!tt.ptr<i8>, !tt.ptr<i32>, i32, i32, i32, i32, i64, i32, i32) -> ()
    ttng.tensormap_fenceproxy_acquire %s : !tt.ptr<i8>
    ttng.async_tma_copy_global_to_local %d[%c1, %c1] %b, %bar, %true : !tt.tensordesc<2x4xi32>, !ttg.memdesc<1xi64, #ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [0]}>, #ttg.shared_memory, mutable> -> @2x4@
    %y = ttg.local_load %b : @2x4@ -> tensor<2x4xi32>
    tt.store %op, %y : tensor<2x4x!tt.ptr<i32>>
  )");
  EXPECT_EQ(l.buffer(x).buffer(o).scalar(2).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (I{6, 7, 8, 0, 0, 0, 0, 0})); // from (1, 1) of 2x4
  Launch none = shared(R"(
    %b = ttg.local_alloc : () -> @2x4@
    %c0 = arith.constant 0 : i32
    %s = ttg.global_scratch_alloc {alignment = 128 : i32, nbytes = 128 : i32} : !tt.ptr<i8>
    %d = ttng.reinterpret_tensor_descriptor %s : !tt.ptr<i8> to !tt.tensordesc<2x4xi32>
    ttng.async_tma_copy_local_to_global %d[%c0, %c0] %b : !tt.tensordesc<2x4xi32>, @2x4@
  )");
  EXPECT_EQ(none.buffer(x).buffer(o).scalar(2).run(), Code::LAUNCH);
  EXPECT_TRUE(none.says("where none was written")) << none.status.message;
}

TEST(Interp, ProductsOfWarpGroups) {
  I x{1, 2, 3, 4, 5, 6, 7, 8}, o(8);
  Launch l = shared(R"(
    %a = ttg.local_alloc %v : (tensor<2x4xi32>) -> @2x4@
    %b = ttg.local_alloc : () -> @4x4@
    %r4 = tt.make_range {end = 16 : i32, start = 0 : i32} : tensor<16xi32>
    %k = tt.reshape %r4 : tensor<16xi32> -> tensor<4x4xi32>
    %five = arith.constant dense<5> : tensor<4x4xi32>
    %q = arith.remsi %k, %five : tensor<4x4xi32>
    %zero = arith.constant dense<0> : tensor<4x4xi32>
    %diag = arith.cmpi eq, %q, %zero : tensor<4x4xi32>
    %id = arith.extui %diag : tensor<4x4xi1> to tensor<4x4xi32>
    ttg.local_store %id, %b : tensor<4x4xi32> -> @4x4@
    %c1 = arith.constant 1 : i32
    %use = arith.cmpi eq, %n, %c1 : i32
    %d = ttng.warp_group_dot %a, %b, %v, %use {isAsync = true} : @2x4@ * @4x4@ -> tensor<2x4xi32>
    %w:2 = ttng.warp_group_dot_wait %d, %a {pendings = 0 : i32} : tensor<2x4xi32>, @2x4@
    tt.store %op, %w#0 : tensor<2x4x!tt.ptr<i32>>
  )");
  Launch without = l;
  EXPECT_EQ(l.buffer(x).buffer(o).scalar(1).run(), Code::OK) << l.status.message;
  EXPECT_EQ(o, (I{2, 4, 6, 8, 10, 12, 14, 16}));
  EXPECT_EQ(without.buffer(x).buffer(o).scalar(0).run(), Code::OK) << without.status.message;
  EXPECT_EQ(o, x);
}
