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

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1) fixture = argv[1];
  return RUN_ALL_TESTS();
}
