// SPDX-License-Identifier: MIT
// Math functions: ULP on a sample, special values, equal bits at every shape and level, names.
#include "math_ulp.hh"
#include <gtest/gtest.h>
#include <random>

using namespace tcodegen;

namespace {

const char *const levels[] = {"cpu:x86-64-v3", "cpu:x86-64-v4"};

/// Every f16 and bf16 value, a stride over all floats, and the places where a path ends.
std::vector<float> sample() {
  std::vector<float> v;
  for (uint32_t i = 0; i < 65536; ++i) {
    v.push_back(std::bit_cast<float>(i << 16)); // bf16
    uint32_t e = (i >> 10) & 31, m = i & 1023, s = (i & 0x8000) << 16;
    if (e != 0 && e != 31) v.push_back(std::bit_cast<float>(s | ((e + 112) << 23) | (m << 13))); // f16
  }
  for (uint32_t i = 0; i < 1u << 18; ++i) v.push_back(std::bit_cast<float>(i * 16381u));
  for (float edge : {0.625f, 0.925f, 4.0f, 10.0f, 89.0f, 88.72284f, -103.97f, -104.0f, -87.34f, 105615.0f, 128.0f, -126.0f,
                     -149.0f, -150.0f, 2.0f / 3, 4.0f / 3, 1.0f, 0.7853982f, 1.5707964f, 3.1415927f, 6.2831855f, 1e30f})
    for (float sign : {1.0f, -1.0f})
      for (int k = -3; k <= 3; ++k)
        v.push_back(std::bit_cast<float>(std::bit_cast<uint32_t>(edge * sign) + uint32_t(k)));
  while (v.size() % 64) v.push_back(0);
  return v;
}

TEST(Math, UlpAndSameBitsAtEveryShape) {
  std::vector<float> x = sample(), first(x.size()), other(x.size());
  for (const ulp::Case &c : ulp::cases) {
    SCOPED_TRACE(c.name);
    bool have = false;
    for (const char *level : levels) {
      if (!jit::host_runs(level)) continue;
      for (unsigned lanes : {1u, 2u, 4u, 8u, 16u, 64u}) {
        auto code = ulp::build(c, jit::target(level), lanes);
        std::vector<float> &y = have ? other : first;
        jit::kernel(*code)(x.data(), x.data(), y.data(), x.size());
        if (have) {
          size_t i = 0;
          while (i < x.size() && (std::bit_cast<uint32_t>(first[i]) == std::bit_cast<uint32_t>(other[i]) ||
                                  (std::isnan(first[i]) && std::isnan(other[i]))))
            ++i;
          ASSERT_EQ(i, x.size()) << level << ", lanes " << lanes << ": other bits at " << x[i];
        }
        have = true;
      }
    }
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double e = ulp::distance(first[i], c.reference(double(x[i])));
      if (e > worst) worst = e, at = x[i];
    }
    EXPECT_LE(worst, c.bound) << "at " << at;
  }
}

double run_one(MathFn fn, double x, double y, bool f64, unsigned lanes) {
  auto type = f64 ? llvm::Type::getDoubleTy : llvm::Type::getFloatTy;
  auto code = jit::elementwise(jit::target("cpu:x86-64-v3"), lanes, type, type,
                               [&](llvm::IRBuilder<> &b, llvm::Value *vx, llvm::Value *vy) {
                                 return emit_math(fn, b, vx, math_fn_info(fn).arity == 2 ? vy : nullptr);
                               });
  if (f64) {
    std::vector<double> xs(lanes, x), ys(lanes, y), r(lanes);
    jit::kernel(*code)(xs.data(), ys.data(), r.data(), lanes);
    return r[lanes - 1];
  }
  std::vector<float> xs(lanes, float(x)), ys(lanes, float(y)), r(lanes);
  jit::kernel(*code)(xs.data(), ys.data(), r.data(), lanes);
  return double(r[lanes - 1]);
}

TEST(Math, ImportsPerLaneAndDouble) { // volatile: the compiler's own folding is not libm
  volatile double d = 1.25, third = 2.5;
  volatile float half = 0.5f;
  EXPECT_EQ(run_one(MathFn::tan, 0.5, 0, false, 8), double(std::tan(half)));
  EXPECT_EQ(run_one(MathFn::pow, 3.0, 2.5, false, 16), double(std::pow(3.0f, float(third))));
  EXPECT_EQ(run_one(MathFn::pow, 3.0, 2.5, true, 4), std::pow(3.0, third));
  EXPECT_EQ(run_one(MathFn::atan2, -1.0, 2.0, true, 1), std::atan2(-1.0, 2.0));
  EXPECT_EQ(run_one(MathFn::exp, 1.25, 0, true, 8), std::exp(d));
  EXPECT_EQ(run_one(MathFn::erf, 1.25, 0, true, 2), std::erf(d));
  EXPECT_EQ(run_one(MathFn::rsqrt, 4, 0, true, 4), 0.5);
  EXPECT_EQ(run_one(MathFn::log1p, 1e-10, 0, false, 4), double(std::log1p(1e-10f)));
}

TEST(Math, RoundHalfAwayFromZero) {
  for (double v : {0.5, -0.5, 1.5, 2.5, -2.5, 0.49999997, 8388609.0, -0.25, 1e20})
    for (bool f64 : {false, true}) {
      double x = f64 ? v : double(float(v)), want = std::round(x), got = run_one(MathFn::round, x, 0, f64, 4);
      EXPECT_EQ(got, want);
      EXPECT_EQ(std::signbit(got), std::signbit(want));
    }
  EXPECT_EQ(run_one(MathFn::rint, 2.5, 0, false, 4), 2.0);
}

TEST(Math, Names) {
  MathFn fn;
  ASSERT_TRUE(find_math_fn("__nv_expf", &fn));
  EXPECT_EQ(fn, MathFn::exp);
  ASSERT_TRUE(find_math_fn("__nv_fast_sinf", &fn));
  EXPECT_EQ(fn, MathFn::sin);
  ASSERT_TRUE(find_math_fn("erf", &fn));
  EXPECT_EQ(fn, MathFn::erf);
  ASSERT_TRUE(find_math_fn("erff", &fn));
  EXPECT_EQ(fn, MathFn::erf);
  EXPECT_FALSE(find_math_fn("__nv_normcdff", &fn));
  EXPECT_FALSE(find_math_fn("f", &fn));
  EXPECT_FALSE(find_math_fn("", &fn));
}

} // namespace
