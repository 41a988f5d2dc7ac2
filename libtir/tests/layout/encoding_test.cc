// SPDX-License-Identifier: MIT
// Encodings: their text, and their maps against what Triton answers (triton_maps.txt, see make_triton_maps.py).
#include "layout/encoding.hh"
#include "text/text.hh"
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace tir;

namespace {

std::string fixture;

Attr parse(Context &ctx, const std::string &text) {
  std::string why;
  Attr a = parseEncoding(ctx, text.substr(text[0] == '#'), &why);
  EXPECT_TRUE(a) << text << ": " << why;
  return a;
}

std::string refusal(const std::string &text) {
  Context ctx;
  std::string why;
  EXPECT_FALSE(parseEncoding(ctx, text, &why)) << text;
  return why;
}

Span<int64_t> span(const std::vector<int64_t> &v) { return {v.data(), static_cast<uint32_t>(v.size())}; }

std::string answer(const std::optional<LinearLayout> &l, std::initializer_list<Dim> dims) {
  if (!l) return "none";
  std::string s;
  for (Dim d : dims) {
    if (!s.empty() || d != *dims.begin()) s += " | ";
    bool first = true;
    for (uint64_t c : l->columnsOf(d)) {
      char buf[24];
      std::snprintf(buf, sizeof buf, first ? "%llx" : " %llx", static_cast<unsigned long long>(c));
      s += buf;
      first = false;
    }
  }
  return s;
}

} // namespace

TEST(Encoding, MapsAreTritons) {
  std::ifstream in(fixture);
  ASSERT_TRUE(in) << fixture;
  Context ctx;
  std::string line;
  unsigned cases = 0, wrong = 0;
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string kind, sizes;
    words >> kind >> sizes;
    size_t from = line.find('#'), to = line.find(" : ");
    ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << line;
    std::string text = line.substr(from, to - from), expected = line.substr(to + 3);
    std::vector<int64_t> shape;
    for (const char *p = sizes.c_str(); *p; p += *p == 'x') {
      char *end;
      shape.push_back(std::strtoll(p, &end, 10));
      p = end;
    }
    Attr a = parse(ctx, text);
    ASSERT_TRUE(a);
    EXPECT_EQ(attrText(a), text);
    std::string got = kind == "s" ? answer(sharedLayout(a, span(shape), 0), {Dim::Offset, Dim::Block})
                                  : answer(distributedLayout(a, span(shape)), {Dim::Register, Dim::Lane, Dim::Warp, Dim::Block});
    ++cases;
    if (got != expected && ++wrong <= 20) ADD_FAILURE() << line << "\n ours: " << got;
  }
  EXPECT_GE(cases, 500u);
  EXPECT_EQ(wrong, 0u);
}

TEST(Encoding, ConstructorsSpellAsTritonDoes) {
  Context ctx;
  auto text = [](Attr a) { return a ? attrText(a) : "none"; };
  Attr b = blockedAttr(ctx, {1, 4}, {8, 4}, {4, 1}, {1, 0});
  EXPECT_EQ(text(b), "#ttg.blocked<{sizePerThread = [1, 4], threadsPerWarp = [8, 4], warpsPerCTA = [4, 1], order = [1, 0]}>");
  EXPECT_EQ(b, parse(ctx, "#ttg.blocked<{order=[1,0],sizePerThread=[1,4],warpsPerCTA=[4,1],threadsPerWarp=[8,4]}>"));
  Attr m = nvidiaMmaAttr(ctx, 2, 0, {4, 1}, {16, 8});
  EXPECT_EQ(text(dotOpAttr(ctx, 1, m, 2)), "#ttg.dot_op<{opIdx = 1, parent = #ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, "
                                           "warpsPerCTA = [4, 1], instrShape = [16, 8]}>, kWidth = 2}>");
  EXPECT_EQ(text(dotOpAttr(ctx, 0, b, 0)), "#ttg.dot_op<{opIdx = 0, parent = " + text(b) + "}>");
  EXPECT_EQ(text(sliceAttr(ctx, 1, b)), "#ttg.slice<{dim = 1, parent = " + text(b) + "}>");
  EXPECT_EQ(text(swizzledSharedAttr(ctx, 8, 1, 8, {1, 0})), "#ttg.swizzled_shared<{vec = 8, perPhase = 1, maxPhase = 8, order = [1, 0]}>");
  EXPECT_EQ(text(nvmmaSharedAttr(ctx, 128, true, 16)), "#ttg.nvmma_shared<{swizzlingByteWidth = 128, transposed = true, elementBitWidth = 16}>");
  EXPECT_EQ(text(nvmmaSharedAttr(ctx, 0, false, 8, 3)),
            "#ttg.nvmma_shared<{swizzlingByteWidth = 0, transposed = false, elementBitWidth = 8, rank = 3}>");
  for (const char *t : {"#ttg.shared_memory", "#ttg.padded_shared<[4:+2, 8:+4] {order = [1, 0], shape = [64, 64]}>",
                        "#ttg.shared_linear<{offset = [[0, 1], [0, 2], [1, 0]], block = [[2, 0]]}, alignment = 32>",
                        "#ttg.generic_linear<{register = [[0, 1]], lane = [[0, 3], [1, 0]], warp = [[3, 0]], block = []}>",
                        "#ttg.dot_op<{opIdx = 0, parent = #ttg.amd_mfma<{version = 3}>, kWidth = 4}>"})
    EXPECT_EQ(text(parse(ctx, t)), t);
  std::vector<int64_t> shape{64, 64};
  auto l = distributedLayout(m, span(shape));
  ASSERT_TRUE(l);
  Attr linear = linearAttr(ctx, *l);
  EXPECT_EQ(encodingOf(linear)->generic, false);
  EXPECT_TRUE(sameLayout(m, linear, span(shape)));
  EXPECT_FALSE(sameLayout(m, b, span(shape)));
  auto s = sharedLayout(nvmmaSharedAttr(ctx, 128, false, 16), span(shape), 16);
  ASSERT_TRUE(s);
  auto again = sharedLayout(sharedLinearAttr(ctx, *s, 128), span(shape), 16);
  ASSERT_TRUE(again);
  EXPECT_EQ(*s, *again);
  EXPECT_FALSE(sharedLayout(nvmmaSharedAttr(ctx, 128, false, 16), span(shape), 32));
  EXPECT_EQ(blockedAttr(ctx, {3}, {32}, {4}, {0}), nullptr);
  EXPECT_EQ(dotOpAttr(ctx, 1, nvidiaMmaAttr(ctx, 3, 0, {4, 1}, {16, 64, 16}), 2), nullptr);
}

// A layout of two dimensions serves buffers of such tiles: one behind the other.
TEST(Encoding, BuffersLieBehindEachOther) {
  Context ctx;
  std::vector<int64_t> tile{16, 64}, buffers{4, 16, 64}, three{3, 16, 64};
  Attr a = swizzledSharedAttr(ctx, 8, 1, 8, {1, 0});
  auto one = sharedLayout(a, span(tile), 16), many = sharedLayout(a, span(buffers), 16);
  ASSERT_TRUE(one && many);
  for (uint64_t x = 0; x < 4096; ++x) EXPECT_EQ(many->apply(x), one->apply(x % 1024) + x / 1024 * 1024);
  EXPECT_FALSE(sharedLayout(a, span(three), 16));
}

TEST(Encoding, RefusalsSayWhy) {
  const struct { const char *text, *why; } cases[] = {
      {"ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [4]}>", "'order' is missing"},
      {"ttg.blocked<{sizePerThread = [3], threadsPerWarp = [32], warpsPerCTA = [4], order = [0]}>", "no power of two"},
      {"ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [4, 1], order = [0]}>", "2 entries, expected 1"},
      {"ttg.blocked<{sizePerThread = [1, 1], threadsPerWarp = [32, 1], warpsPerCTA = [4, 1], order = [1, 1]}>", "no permutation"},
      {"ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [4], order = [0], CTAOrder = [0]}>", "unknown key 'CTAOrder'"},
      {"ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [4], order = [0], vec = 1}>", "another kind of encoding"},
      {"ttg.blocked<{sizePerThread = [1], sizePerThread = [1]}>", "given twice"},
      {"ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [4], order = [0], CGALayout = [[3]]}>", "no permutation"},
      {"ttg.blocked<{sizePerThread = [1073741824], threadsPerWarp = [1073741824], warpsPerCTA = [1], order = [0]}>", "2^30"},
      {"ttg.blocked<{sizePerThread = 1, threadsPerWarp = [32], warpsPerCTA = [4], order = [0]}>", "another kind"},
      {"ttg.blocked<{sizePerThread = [1]", "expected"},
      {"ttg.blocked", "expected '<'"},
      {"ttg.shared_memory<1>", "something follows"},
      {"ttg.slice<{dim = 2, parent = #ttg.blocked<{sizePerThread = [1, 1], threadsPerWarp = [32, 1], warpsPerCTA = [4, 1], order = [1, 0]}>}>", "the parent has 2 dimensions"},
      {"ttg.slice<{dim = 0, parent = 3}>", "another kind"},
      {"ttg.slice<{dim = 0, parent = #ttg.blocked<{order = [0]}>}>", "#ttg.blocked: 'sizePerThread' is missing"},
      {"ttg.dot_op<{opIdx = 2, parent = #ttg.amd_mfma<{}>}>", "expected 0 or 1"},
      {"ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, warpsPerCTA = [], instrShape = [16, 8]}>", "0 entries"},
      {"ttg.linear<{register = [], lane = [], warp = [], block = []}>", "0 dimensions"},
      {"ttg.linear<{register = [[1]], lane = [[4]], warp = [], block = []}>", "do not reach every element"},
      {"ttg.linear<{register = [[1]], lane = [[3]], warp = [], block = []}>", "neither zero nor a single bit"},
      {"ttg.linear<{register = [[1]], lane = [[2, 1]], warp = [], block = []}>", "different lengths"},
      {"ttg.linear<{register = [[1]], lane = [[2]], warp = []}>", "'block' is missing"},
      {"ttg.nvmma_shared<{swizzlingByteWidth = 16, transposed = false, elementBitWidth = 16}>", "expected 0, 32, 64 or 128"},
      {"ttg.swizzled_shared<{vec = 0, perPhase = 1, maxPhase = 1, order = [0]}>", "powers of two"},
      {"ttg.shared_linear<{offset = [[1]]}>", "expected ','"},
  };
  for (const auto &c : cases) EXPECT_NE(refusal(c.text).find(c.why), std::string::npos) << c.text << "\n" << refusal(c.text);
  EXPECT_EQ(refusal("tt.cache_policy<1>"), "");
  std::string deep = "ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [4], order = [0]}>";
  for (int i = 0; i < 100; ++i) deep = "ttg.slice<{dim = 0, parent = #" + deep + "}>";
  EXPECT_NE(refusal(deep).find("too deeply"), std::string::npos);
}

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1) fixture = argv[1];
  return RUN_ALL_TESTS();
}
