// SPDX-License-Identifier: MIT
// The command's parts that need no library: comparator, element types, .npy files, argument forms.
#include "tools/tessera/args.hh"
#include "tools/tessera/compare.hh"
#include "tools/tessera/npy.hh"
#include "tools/tessera/options.hh"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace tool;

static std::vector<uint8_t> floats(std::initializer_list<float> values) {
  std::vector<uint8_t> bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

static Difference compare_floats(std::initializer_list<float> got, std::initializer_list<float> want, const Rule &rule, const uint8_t *defined = nullptr) {
  auto a = floats(got), b = floats(want);
  return compare(DType::f32, a.data(), b.data(), got.size(), defined, rule);
}

TEST(Compare, ExactMeansBits) {
  Rule exact;
  EXPECT_TRUE(compare_floats({1, -2, 0}, {1, -2, 0}, exact).agree());
  EXPECT_FALSE(compare_floats({1}, {std::nextafterf(1, 2)}, exact).agree());
  EXPECT_FALSE(compare_floats({0.0f}, {-0.0f}, exact).agree()) << "-0 and +0 are different bits";
  float quiet = NAN, other;
  uint32_t bits = 0xffc12345;
  std::memcpy(&other, &bits, 4);
  EXPECT_TRUE(compare_floats({quiet}, {other}, exact).agree()) << "any NaN equals any NaN";
  EXPECT_FALSE(compare_floats({quiet}, {1}, exact).agree());
}

TEST(Compare, ReportsWhereAndHowMuch) {
  Rule rule{false, 1e-5, 0, false, ""};
  Difference d = compare_floats({1, 2, 3.5f, 4}, {1, 2, 3, 4.00001f}, rule);
  EXPECT_EQ(d.compared, 4u);
  EXPECT_EQ(d.differing, 1u);
  EXPECT_EQ(d.first, 2u);
  EXPECT_DOUBLE_EQ(d.max_absolute, 0.5);
  EXPECT_EQ(d.at_absolute, 2u);
  EXPECT_NEAR(d.max_relative, 0.5 / 3, 1e-12);
  EXPECT_EQ(d.at_ulp, 2u);
  EXPECT_EQ(ulp_distance(DType::f32, 0x3f800000, 0x3f800003), 3);
  EXPECT_EQ(ulp_distance(DType::f32, 0x80000001, 0x00000001), 2) << "across zero";
}

TEST(Compare, Tolerances) {
  EXPECT_TRUE(choose_rule({}).exact);
  Features f;
  f.bounded = true;
  EXPECT_EQ(choose_rule(f).rtol, 2e-6);
  f.transcendental = true;
  EXPECT_EQ(choose_rule(f).rtol, 4e-6);
  EXPECT_FALSE(choose_rule(f).scaled_atol);
  f.float_reduction = true;
  EXPECT_EQ(choose_rule(f).rtol, 1e-5);
  EXPECT_TRUE(choose_rule(f).scaled_atol);
  f.dot_narrow = true;
  EXPECT_EQ(choose_rule(f).rtol, 1e-3);
  // Scaled: a small element may be off by rtol times the largest one, an unscaled rule refuses that.
  Rule scaled{false, 1e-5, 0, true, ""}, plain{false, 1e-5, 0, false, ""};
  EXPECT_TRUE(compare_floats({1000, 0.005f}, {1000, 0.0f}, scaled).agree());
  EXPECT_FALSE(compare_floats({1000, 0.005f}, {1000, 0.0f}, plain).agree());
  EXPECT_FALSE(compare_floats({1000, 0.05f}, {1000, 0.0f}, scaled).agree());
  Rule given;
  EXPECT_TRUE(parse_tolerance("1e-3,0.5", &given));
  EXPECT_EQ(given.rtol, 1e-3);
  EXPECT_EQ(given.atol, 0.5);
  EXPECT_TRUE(compare_floats({1.4f}, {1.0f}, given).agree());
  EXPECT_TRUE(parse_tolerance("0", &given));
  EXPECT_TRUE(given.exact);
  for (const char *bad : {"", "x", "1e-3,", "-1", "nan", "1,2,3", "inf"}) EXPECT_FALSE(parse_tolerance(bad, &given)) << bad;
}

TEST(Compare, NarrowTypesGetOneUlp) {
  Rule rule{false, 1e-5, 0, false, ""};
  uint16_t one = 0x3c00, next = 0x3c01, two = 0x3c02, largest = 0x7bff, infinity = 0x7c00;
  EXPECT_TRUE(compare(DType::f16, &next, &one, 1, nullptr, rule).agree());
  EXPECT_FALSE(compare(DType::f16, &two, &one, 1, nullptr, rule).agree());
  EXPECT_TRUE(compare(DType::f16, &largest, &infinity, 1, nullptr, rule).agree());
  EXPECT_FALSE(compare(DType::f16, &next, &one, 1, nullptr, Rule{}).agree()) << "exact has no such allowance";
  uint16_t b1 = 0x3f80, b2 = 0x3f81;
  EXPECT_TRUE(compare(DType::bf16, &b2, &b1, 1, nullptr, rule).agree());
  uint8_t e1 = 0x38, e2 = 0x39, e3 = 0x3a;
  EXPECT_TRUE(compare(DType::f8e4m3, &e2, &e1, 1, nullptr, rule).agree());
  EXPECT_FALSE(compare(DType::f8e4m3, &e3, &e1, 1, nullptr, rule).agree());
}

TEST(Compare, UndefinedElementsAreSkipped) {
  const uint8_t defined[3] = {1, 0, 1};
  Difference d = compare_floats({1, 99, 3}, {1, 2, 3}, Rule{}, defined);
  EXPECT_TRUE(d.agree());
  EXPECT_EQ(d.compared, 2u);
  EXPECT_EQ(d.undefined, 1u);
}

TEST(Compare, IntegersAreExactUnderAnyRule) {
  int32_t a = 1000000, b = 1000001;
  Rule loose{false, 1e-3, 10, false, ""};
  Difference d = compare(DType::i32, &a, &b, 1, nullptr, loose);
  EXPECT_FALSE(d.agree());
  EXPECT_EQ(d.max_absolute, 1);
  int64_t big = (int64_t(1) << 60) + 1, same = int64_t(1) << 60;
  EXPECT_FALSE(compare(DType::i64, &big, &same, 1, nullptr, Rule{}).agree()) << "though they round to one double";
}

TEST(Scalars, Parse) {
  uint64_t bits = 0;
  std::string why;
  EXPECT_TRUE(parse_scalar(DType::i32, "784", &bits, &why));
  EXPECT_EQ(bits, 784u);
  EXPECT_TRUE(parse_scalar(DType::i32, "-1", &bits, &why));
  EXPECT_EQ(bits, 0xffffffffu);
  EXPECT_TRUE(parse_scalar(DType::i32, "0xffffffff", &bits, &why));
  EXPECT_TRUE(parse_scalar(DType::f32, "1e-5", &bits, &why));
  EXPECT_EQ(bits, 0x3727c5acu);
  EXPECT_TRUE(parse_scalar(DType::f16, "1.5", &bits, &why));
  EXPECT_EQ(bits, 0x3e00u);
  EXPECT_TRUE(parse_scalar(DType::bf16, "-inf", &bits, &why));
  EXPECT_EQ(bits, 0xff80u);
  EXPECT_TRUE(parse_scalar(DType::i1, "1", &bits, &why));
  EXPECT_TRUE(parse_scalar(DType::u64, "18446744073709551615", &bits, &why));
  EXPECT_TRUE(parse_scalar(DType::i64, "-9223372036854775808", &bits, &why));
  for (auto [type, text] : std::initializer_list<std::pair<DType, const char *>>{
           {DType::i32, "2147483648"}, {DType::i32, "-2147483649"}, {DType::u8, "256"}, {DType::u8, "-1"}, {DType::i1, "2"}, {DType::i32, "1.5"},
           {DType::i32, ""}, {DType::f32, "x"}, {DType::f32, ""}, {DType::f32, "1e"}, {DType::i64, "99999999999999999999"}, {DType::i32, " 1"}}) {
    why.clear();
    EXPECT_FALSE(parse_scalar(type, text, &bits, &why)) << info(type).name << ":" << text;
    EXPECT_FALSE(why.empty());
  }
}

TEST(Arguments, Forms) {
  auto scalar = parse_arg("i32:784");
  ASSERT_TRUE(scalar.ok());
  EXPECT_EQ(scalar.value.bits, 784u);
  auto file = parse_arg("@dir/x.npy:inout");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value.path, "dir/x.npy");
  EXPECT_EQ(file.value.save, "dir/x.npy");
  EXPECT_EQ(parse_arg("@x.npy").value.save, "");
  auto out = parse_arg("out:f32[48x816]=y.npy");
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out.value.shape, (std::vector<int64_t>{48, 816}));
  EXPECT_EQ(out.value.save, "y.npy");
  auto random = parse_arg("rand:bf16[7]");
  ASSERT_TRUE(random.ok());
  EXPECT_EQ(random.value.type, DType::bf16);
  for (const char *bad : {"", "x", "i32", "i32:", "i33:1", "f32:abc", "@", "out:f32", "out:f32[", "out:f32[4x]", "out:f32[-4]", "out:q8[4]", "out:f32[4]y.npy", "out:f32[4]=",
                          "rand:f32[99999999999x99999999999]", "out:f32]4["}) {
    auto result = parse_arg(bad);
    EXPECT_FALSE(result.ok()) << bad;
    EXPECT_NE(result.status.message.find(std::string("'") + bad + "'"), std::string::npos) << result.status.message;
  }
  EXPECT_NE(parse_arg("desc:@x.npy[4x4]").status.message.find("not implemented"), std::string::npos);
}

TEST(Arguments, Bind) {
  Parameter pointer{"x", "!tt.ptr<bf16>", true, false, "bf16", 16}, number{"n", "i32", false, false, "i32", 16};
  auto spec = [](const char *text) { return parse_arg(text).value; };
  auto a = bind_arg(spec("rand:bf16[3x5]"), pointer, 0, 1);
  ASSERT_TRUE(a.ok());
  EXPECT_EQ(a.value.bytes.size(), 30u);
  EXPECT_EQ(a.value.descr, "<u2");
  EXPECT_EQ(bind_arg(spec("rand:bf16[3x5]"), pointer, 0, 1).value.bytes, a.value.bytes) << "a seed gives the same numbers";
  EXPECT_NE(bind_arg(spec("rand:bf16[3x5]"), pointer, 0, 2).value.bytes, a.value.bytes);
  EXPECT_NE(bind_arg(spec("rand:bf16[3x5]"), pointer, 1, 1).value.bytes, a.value.bytes) << "another argument, other numbers";
  EXPECT_TRUE(bind_arg(spec("out:u16[4]"), pointer, 0, 0).ok());
  for (const char *bad : {"rand:f16[4]", "out:f32[4]", "i32:4", "@/nowhere/x.npy"}) {
    auto r = bind_arg(spec(bad), pointer, 0, 0);
    ASSERT_FALSE(r.ok()) << bad;
    EXPECT_NE(r.status.message.find("argument 1 (x)"), std::string::npos) << r.status.message;
  }
  EXPECT_TRUE(bind_arg(spec("u32:7"), number, 1, 0).ok());
  for (const char *bad : {"i64:7", "f32:7", "out:i32[1]", "i1:1"}) EXPECT_FALSE(bind_arg(spec(bad), number, 1, 0).ok()) << bad;
  EXPECT_TRUE(check_promise(number, 1, false, 784).ok());
  auto broken = check_promise(number, 1, false, 781);
  EXPECT_NE(broken.message.find("argument 2 (n)"), std::string::npos);
  EXPECT_NE(broken.message.find("16"), std::string::npos);
  EXPECT_NE(broken.message.find("781"), std::string::npos);
}

TEST(Npy, RoundTripAndBadFiles) {
  char folder[] = "/tmp/tessera-npy-XXXXXX";
  ASSERT_TRUE(mkdtemp(folder));
  const std::string path = std::string(folder) + "/x.npy";
  for (const std::vector<int64_t> &shape : {std::vector<int64_t>{}, {5}, {3, 4}, {2, 0, 7}}) {
    size_t count = 1;
    for (int64_t n : shape) count *= size_t(n);
    std::vector<uint8_t> bytes(count * 4);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = uint8_t(i * 7);
    ASSERT_TRUE(npy_write(path, "<f4", shape, bytes.data(), bytes.size()).ok());
    auto back = npy_read(path);
    ASSERT_TRUE(back.ok()) << back.status.message;
    EXPECT_EQ(back.value.shape, shape);
    EXPECT_EQ(back.value.descr, "<f4");
    EXPECT_EQ(back.value.bytes, bytes);
  }
  auto make = [](const std::string &dict, size_t data, char version = 1) {
    std::string head = dict + "\n";
    std::string file("\x93NUMPY", 6);
    file += version;
    file += char(0);
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += char((head.size() >> (8 * i)) & 255);
    return file + head + std::string(data, 'x');
  };
  auto message = [](const std::string &file) {
    auto r = npy_parse(file.data(), file.size(), "f.npy");
    return r.ok() ? std::string() : r.status.message;
  };
  const std::string good = "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }";
  EXPECT_EQ(message(make(good, 6)), "");
  EXPECT_EQ(message(make(good, 6, 2)), "");
  EXPECT_EQ(message(make("{\"shape\": (), 'fortran_order': False, 'descr': '|b1'}", 1)), "");
  EXPECT_EQ(message(make("{'descr': '<i2', 'fortran_order': True, 'shape': (3,), }", 6)), "") << "one dimension has no order";
  EXPECT_NE(message(make("{'descr': '<i2', 'fortran_order': True, 'shape': (3, 2), }", 12)).find("Fortran"), std::string::npos);
  EXPECT_NE(message(make("{'descr': '>i2', 'fortran_order': False, 'shape': (3,), }", 6)).find("'>i2'"), std::string::npos);
  EXPECT_NE(message(make("{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }", 24)).find("'<c8'"), std::string::npos);
  EXPECT_NE(message(make("{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (3,), }", 6)).find("structured"), std::string::npos);
  EXPECT_NE(message(make(good, 5)).find("needs 6 bytes"), std::string::npos);
  EXPECT_NE(message(make(good, 7)), "");
  EXPECT_NE(message(make(good, 6, 4)).find("version"), std::string::npos);
  EXPECT_NE(message(make("{'descr': '<i2', 'fortran_order': False, 'shape': (99999999999999999999,), }", 6)), "");
  EXPECT_NE(message(make("{'descr': '<i2', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }", 6)), "");
  EXPECT_NE(message("not a file of numpy at all"), "");
  // Any bytes: cut and damaged files give a message, never a crash.
  std::string file = make(good, 6);
  for (size_t cut = 0; cut < file.size(); ++cut) EXPECT_NE(message(file.substr(0, cut)), "");
  uint64_t state = 1;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = file;
    for (int k = 0; k < 3; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      damaged[(state >> 33) % damaged.size()] = char(state >> 20);
    }
    message(damaged);
  }
  ASSERT_EQ(std::system((std::string("rm -rf ") + folder).c_str()), 0);
  EXPECT_NE(npy_read("/nowhere/x.npy").status.message.find("/nowhere/x.npy"), std::string::npos);
  EXPECT_FALSE(npy_write("/nowhere/x.npy", "<f4", {1}, "abcd", 4).ok());
  EXPECT_FALSE(npy_read("/").ok());
}
