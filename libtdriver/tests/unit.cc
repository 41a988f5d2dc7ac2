// SPDX-License-Identifier: MIT
// Internals: the kernel-object container, and the texts that people read.
#include "common/tko.hh"
#include "cpu/cpu.hh"
#include "driver.hh"
#include "fixtures.h"
#include <gtest/gtest.h>

using namespace tessera;
using namespace tessera::tko;

namespace {

std::vector<uint8_t> bytes_of(fixture f) {
  std::vector<uint8_t> bytes(f.bytes, f.bytes + f.size);
  fixture_free(f);
  return bytes;
}

/// An object that uses every field.
Object full_object() {
  Object o;
  o.entry = "k";
  o.target = "cpu:x86-64-v4";
  o.features = {"avx512f", "fma"};
  o.compiler = "id";
  o.source_hash = "beef";
  o.options = "a=1";
  Argument a;
  a.name = "p";
  a.kind = Kind::ptr;
  a.element = Kind::bf16;
  a.written = true;
  a.divisibility = 16;
  a.pointer_range = 32;
  o.arguments.push_back(a);
  a = {};
  a.name = "flag";
  a.kind = Kind::i1;
  o.arguments.push_back(a);
  a.name = "size";
  a.kind = Kind::i32;
  a.constant = true;
  a.constant_bits = 784;
  o.arguments.push_back(a);
  a = {};
  a.name = "d";
  a.kind = Kind::tensordesc;
  a.element = Kind::f16;
  a.rank = 2;
  a.block = {128, 64};
  o.arguments.push_back(a);
  EXPECT_TRUE(lay_out_params(&o).ok());
  o.hidden.push_back({5, o.params_size + 16, 8, 8, {1, 2, 3}});
  o.launch = {1, {1, 2, 1}, 77, 1, 1};
  o.arena_bytes = 4096;
  o.arena_alignment = 128;
  o.registers = 40;
  o.spill_bytes = 8;
  o.code_kind = CodeKind::cpu_image;
  o.image.segments = {{Permission::rx, 0, {0xc3}, 0},
                      {Permission::relro, 4096, std::vector<uint8_t>(16), 32},
                      {Permission::r, 12288, {1, 2, 3}, 5}};
  o.image.imports = {{4096, "memcpy"}, {4096 + 40, "sin"}};
  o.image.relocations = {4104};
  Message m;
  m.text = "bad";
  o.messages.push_back(m);
  m.kind = MessageKind::print;
  m.element = Kind::f16;
  m.hex = true;
  m.is_signed = false;
  m.operand = 1;
  m.operands = 2;
  m.shape = {4, 8};
  o.messages.push_back(m);
  o.locations = {"", "f.py:1:2"};
  o.stages = {{"ttir", std::string("a\0b", 3)}, {"asm", ""}};
  return o;
}

TEST(Tko, LaysOutParameters) {
  Object o = full_object();
  EXPECT_EQ(o.arguments[0].offset, 0u);
  EXPECT_EQ(o.arguments[1].offset, 8u);
  EXPECT_EQ(o.arguments[1].size, 1u);
  EXPECT_EQ(o.arguments[2].size, 0u);
  EXPECT_EQ(o.arguments[3].offset, 16u); // 16-byte aligned
  EXPECT_EQ(o.arguments[3].size, 40u);
  EXPECT_EQ(o.params_size, 56u);
}

TEST(Tko, RoundTrip) {
  Object o = full_object();
  auto bytes = write(o);
  ASSERT_TRUE(bytes.ok()) << bytes.status.message;
  EXPECT_TRUE(looks_like_object(bytes.value.data(), bytes.value.size()));
  auto back = read(bytes.value.data(), bytes.value.size());
  ASSERT_TRUE(back.ok()) << back.status.message;
  const Object &b = back.value;
  EXPECT_EQ(b.entry, "k");
  EXPECT_EQ(b.target, "cpu:x86-64-v4");
  EXPECT_EQ(b.features, o.features);
  EXPECT_EQ(b.compiler + b.source_hash + b.options, "idbeefa=1");
  ASSERT_EQ(b.arguments.size(), 4u);
  EXPECT_EQ(b.arguments[0].name, "p");
  EXPECT_EQ(b.arguments[0].element, Kind::bf16);
  EXPECT_TRUE(b.arguments[0].written);
  EXPECT_EQ(b.arguments[0].divisibility, 16u);
  EXPECT_EQ(b.arguments[0].pointer_range, 32u);
  EXPECT_TRUE(b.arguments[2].constant);
  EXPECT_EQ(b.arguments[2].constant_bits, 784u);
  EXPECT_EQ(b.arguments[3].block, (std::vector<int64_t>{128, 64}));
  EXPECT_EQ(b.arguments[3].rank, 2);
  ASSERT_EQ(b.hidden.size(), 1u);
  EXPECT_EQ(b.hidden[0].data, (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_EQ(b.launch.cluster[1], 2u);
  EXPECT_EQ(b.launch.shared_bytes, 77u);
  EXPECT_EQ(b.arena_bytes, 4096u);
  EXPECT_EQ(b.arena_alignment, 128u);
  EXPECT_EQ(b.registers + b.spill_bytes, 48u);
  ASSERT_EQ(b.image.segments.size(), 3u);
  EXPECT_EQ(b.image.segments[1].zero_fill, 32u);
  EXPECT_EQ(b.image.segments[2].bytes, o.image.segments[2].bytes);
  EXPECT_EQ(b.image.imports[1].name, "sin");
  EXPECT_EQ(b.image.relocations, o.image.relocations);
  EXPECT_TRUE(b.messages[1].hex && !b.messages[1].is_signed);
  EXPECT_EQ(b.messages[1].shape, (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(b.locations, o.locations);
  EXPECT_EQ(b.stages[0].text, o.stages[0].text);
  auto again = write(b);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again.value, bytes.value);
}

TEST(Tko, OtherCode) {
  Object o = full_object();
  o.image = {};
  o.code_kind = CodeKind::ptx;
  EXPECT_FALSE(write(o).ok()); // no code
  o.code = {'p', 't', 'x'};
  auto bytes = write(o);
  ASSERT_TRUE(bytes.ok()) << bytes.status.message;
  auto back = read(bytes.value.data(), bytes.value.size());
  ASSERT_TRUE(back.ok()) << back.status.message;
  EXPECT_EQ(back.value.code, o.code);
}

TEST(Tko, EveryTruncationAndEveryBitFlipIsRefused) {
  std::vector<std::vector<uint8_t>> files = {bytes_of(fixture_constant(7)), write(full_object()).value};
  for (const auto &good : files) {
    ASSERT_TRUE(read(good.data(), good.size()).ok());
    for (size_t n = 0; n < good.size(); ++n) {
      std::vector<uint8_t> part(good.begin(),
                                good.begin() + long(n)); // exact: a sanitizer sees reads past it
      Status s = read(part.data(), n).status;
      ASSERT_EQ(s.code, Code::CORRUPT) << n;
      ASSERT_NE(s.message.find("kernel object"), std::string::npos);
      // With size and checksum made good the structure itself must notice.
      seal(&part);
      ASSERT_FALSE(read(part.data(), n).ok()) << n;
    }
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::vector<uint8_t> bad = good;
      bad[bit / 8] ^= uint8_t(1 << bit % 8);
      ASSERT_FALSE(read(bad.data(), bad.size()).ok()) << bit;
      seal(&bad);
      auto r = read(bad.data(), bad.size()); // may be another good object, must not crash
      if (r.ok())
        ASSERT_TRUE(write(r.value).ok()) << bit;
      else
        ASSERT_NE(r.status.message.find("kernel object"), std::string::npos) << bit;
    }
  }
  EXPECT_FALSE(read(nullptr, 0).ok());
}

TEST(Tko, WriterRefuses) {
  struct Case {
    const char *text;
    void (*spoil)(Object &);
  } cases[] = {
      {"entry name is empty", [](Object &o) { o.entry.clear(); }},
      {"NUL byte", [](Object &o) { o.target.push_back('\0'); }},
      {"argument 0 (p): divisibility 3", [](Object &o) { o.arguments[0].divisibility = 3; }},
      {"argument 0 (p): size 8, alignment 8, offset 8", [](Object &o) { o.arguments[0].offset = 8; }},
      {"argument 1 (flag): element kind", [](Object &o) { o.arguments[1].element = Kind::f32; }},
      {"argument 2 (size): a constant has no place", [](Object &o) { o.arguments[2].size = 4; }},
      {"argument 3 (d): rank 9", [](Object &o) { o.arguments[3].rank = 9; }},
      {"argument 3 (d): 1 block sizes", [](Object &o) { o.arguments[3].block.pop_back(); }},
      {"parameter buffer of 64", [](Object &o) { o.params_size = 64; }},
      {"hidden argument 0", [](Object &o) { o.hidden[0].offset = 8; }},
      {"launch shape: 0 threads", [](Object &o) { o.launch.threads = 0; }},
      {"arena of", [](Object &o) { o.arena_bytes = uint64_t(1) << 40; }},
      {"arena alignment 96", [](Object &o) { o.arena_alignment = 96; }},
      {"segment 0: offset 0x1", [](Object &o) { o.image.segments[0].offset = 1; }},
      {"segment 1: permission 9", [](Object &o) { o.image.segments[1].permission = Permission(9); }},
      {"segment 2: offset 0x1000", [](Object &o) { o.image.segments[2].offset = 4096; }},
      {"segment 2", [](Object &o) { o.image.segments[2].zero_fill = UINT64_MAX - 4; }},
      {"entry offset 0x1 lies", [](Object &o) { o.image.entry = 1; }},
      {"entry offset 0x1000 lies", [](Object &o) { o.image.entry = 4096; }},
      {"import memcpy: slot 0 lies", [](Object &o) { o.image.imports[0].slot = 0; }},
      {"import memcpy: slot 0x1001", [](Object &o) { o.image.imports[0].slot = 4097; }},
      {"import sin: slot 0x1030", [](Object &o) { o.image.imports[1].slot = 4096 + 48; }},
      {"share a slot", [](Object &o) { o.image.imports[0].slot = 4104; }},
      {"points outside the image", [](Object &o) { o.image.segments[1].bytes[12] = 0xff; }},
      {"message 1: operand 2 of 2", [](Object &o) { o.messages[1].operand = 2; }},
      {"message 1: shape", [](Object &o) { o.messages[1].shape = {1 << 30, 1 << 30}; }},
      {"a CPU image and other code", [](Object &o) { o.code = {1}; }},
      {"stage's name is empty", [](Object &o) { o.stages[0].name.clear(); }},
  };
  for (const Case &c : cases) {
    Object o = full_object();
    c.spoil(o);
    auto r = write(o);
    EXPECT_FALSE(r.ok()) << c.text;
    EXPECT_NE(r.status.message.find(c.text), std::string::npos) << c.text << " / " << r.status.message;
  }
}

Message print_message(Kind element, std::vector<int64_t> shape, bool hex = false, bool is_signed = true) {
  Message m;
  m.kind = MessageKind::print;
  m.text = " v: ";
  m.element = element;
  m.shape = std::move(shape);
  m.hex = hex;
  m.is_signed = is_signed;
  m.operands = 1;
  return m;
}

TEST(Text, Prints) {
  const uint32_t grid[3] = {2, 3, 4};
  auto text = [&](const Message &m, const void *values, uint64_t n) {
    return tdriver::print_text(m, grid, 13, values, n); // (1, 0, 2)
  };
  int32_t minus = -5;
  EXPECT_EQ(text(print_message(Kind::i32, {}), &minus, 1), "pid (1, 0, 2) idx () v: -5\n");
  EXPECT_EQ(text(print_message(Kind::i32, {}, false, false), &minus, 1),
            "pid (1, 0, 2) idx () v: 4294967291\n");
  EXPECT_EQ(text(print_message(Kind::i32, {}, true), &minus, 1), "pid (1, 0, 2) idx () v: 0xfffffffb\n");
  int16_t small[2] = {-1, 2};
  EXPECT_EQ(text(print_message(Kind::i16, {2}), small, 2),
            "pid (1, 0, 2) idx (0) v: -1\npid (1, 0, 2) idx (1) v: 2\n");
  uint8_t flags[2] = {1, 0};
  EXPECT_EQ(text(print_message(Kind::i1, {1, 2}, false, false), flags, 2),
            "pid (1, 0, 2) idx (0, 0) v: 1\npid (1, 0, 2) idx (0, 1) v: 0\n");
  EXPECT_EQ(text(print_message(Kind::i1, {}), flags, 1), "pid (1, 0, 2) idx () v: -1\n");
  EXPECT_EQ(text(print_message(Kind::i1, {}, true), flags, 1), "pid (1, 0, 2) idx () v: 0x1\n");
  std::vector<int8_t> wide(22, 3);
  std::string lines = text(print_message(Kind::i8, {2, 11}), wide.data(), wide.size());
  EXPECT_NE(lines.find("idx (1,  9) v: 3\npid (1, 0, 2) idx (1, 10) v: 3\n"), std::string::npos) << lines;
  float nan = -__builtin_nanf("");
  EXPECT_EQ(text(print_message(Kind::f32, {}), &nan, 1), "pid (1, 0, 2) idx () v: nan\n");
  float f = -1.5f;
  EXPECT_EQ(text(print_message(Kind::f32, {}), &f, 1), "pid (1, 0, 2) idx () v: -1.500000\n");
  EXPECT_EQ(text(print_message(Kind::f32, {}, true), &f, 1), "pid (1, 0, 2) idx () v: 0xbfc00000\n");
  uint16_t half = 0x3c00, brain = 0x3f80;
  EXPECT_EQ(text(print_message(Kind::f16, {}), &half, 1), "pid (1, 0, 2) idx () v: 1.000000\n");
  EXPECT_EQ(text(print_message(Kind::bf16, {}), &brain, 1), "pid (1, 0, 2) idx () v: 1.000000\n");
  uint8_t e5m2 = 0x3c;
  EXPECT_EQ(text(print_message(Kind::f8e5m2, {}), &e5m2, 1), "pid (1, 0, 2) idx () v: 1.000000\n");
  uint64_t pointer = 0x1234;
  EXPECT_EQ(text(print_message(Kind::ptr, {}), &pointer, 1), "pid (1, 0, 2) idx () v: 0x0000000000001234\n");
  EXPECT_EQ(text(print_message(Kind::none, {}), nullptr, 0), "pid (1, 0, 2) v: \n");
  Message second = print_message(Kind::i32, {});
  second.operand = 1;
  second.operands = 2;
  EXPECT_EQ(text(second, &minus, 1), "pid (1, 0, 2) idx () v: (operand 1) -5\n");
}

TEST(Text, Records) {
  Object o = full_object();
  tdriver_record r = {1, 0, 1, {2, 3, 4}, 13};
  EXPECT_EQ(tdriver::record_text(o, r), "kernel k: assertion failed: bad, in program (1, 0, 2), at f.py:1:2");
  r.kind = 2, r.message_id = 99, r.location_id = 99;
  EXPECT_EQ(tdriver::record_text(o, r),
            "kernel k: trap (message 99 is not in the object), in program (1, 0, 2)");
}

TEST(Api, StatusCodesAreTheSharedOnes) {
#define X(name, value, text) EXPECT_EQ(int32_t(TDRIVER_##name), value) << text;
#include "common/status.inc"
#undef X
}

TEST(Cpu, Features) {
  EXPECT_EQ(tdriver::cpu::has_feature("no-such-thing"), -1);
#if defined(__x86_64__)
  EXPECT_EQ(tdriver::cpu::has_feature("sse2"), 1);
  __builtin_cpu_init();
  EXPECT_EQ(tdriver::cpu::has_feature("avx2"), __builtin_cpu_supports("avx2") ? 1 : 0);
  EXPECT_EQ(tdriver::cpu::has_feature("avx512f"), __builtin_cpu_supports("avx512f") ? 1 : 0);
  EXPECT_EQ(tdriver::cpu::has_feature("avx512vnni"), __builtin_cpu_supports("avx512vnni") ? 1 : 0);
  EXPECT_EQ(tdriver::cpu::has_feature("avx512bf16"), __builtin_cpu_supports("avx512bf16") ? 1 : 0);
#endif
  EXPECT_GE(tdriver::cpu::allowed_cpus(), 1u);
}

TEST(Cpu, Imports) {
  uint32_t n = 0;
  while (const char *name = tdriver::cpu::import_name(n)) {
    EXPECT_NE(tdriver::cpu::import_address(name), nullptr) << name;
    ++n;
  }
  EXPECT_GT(n, 80u);
  EXPECT_EQ(tdriver::cpu::import_address("system"), nullptr);
  auto lgamma_at = reinterpret_cast<double (*)(double)>(tdriver::cpu::import_address("lgamma"));
  EXPECT_NEAR(lgamma_at(5.0), 3.1780538303479458, 1e-15);
  auto jn_at = reinterpret_cast<double (*)(int, double)>(tdriver::cpu::import_address("jn"));
  EXPECT_NEAR(jn_at(2, 1.0), 0.1149034849319005, 1e-15);
}

} // namespace
