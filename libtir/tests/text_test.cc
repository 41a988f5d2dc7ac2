// SPDX-License-Identifier: MIT
// text_test ERRORS.cases: messages of refused texts, then properties that the files of tests/ir cannot show.
#include "bytecode/bytecode.hh"
#include "text/float_text.hh"
#include "text/roundtrip.hh"
#include <cstdio>
#include <fstream>
#include <sstream>

using namespace tir;

namespace {

int failures, checks;
std::string messages;

#define CHECK(c) check((c), #c, __LINE__)
void check(bool ok, const char *what, int line) {
  ++checks;
  if (ok) return;
  ++failures;
  std::fprintf(stderr, "line %d: %s\n%s", line, what, messages.c_str());
}

std::unique_ptr<Module> read(Context &ctx, std::string_view text) {
  messages.clear();
  ctx.setSink([](void *, Severity, const char *s, size_t n) { messages.append(s, n) += '\n'; }, nullptr);
  return parseText(ctx, text, "t");
}

std::string print(const Module &m, PrintOptions o = {}) {
  std::string out;
  auto s = printText(m, o, out);
  return s.ok() ? out : "failed: " + s.message;
}

void errorCase(const std::string &part, size_t line) {
  std::vector<std::string> expected;
  size_t at = 0;
  while (part.compare(at, 11, "// expect: ") == 0) {
    size_t end = part.find('\n', at);
    expected.push_back("t:" + part.substr(at + 11, end - at - 11));
    at = end + 1;
  }
  Context ctx;
  bool refused = !read(ctx, std::string_view(part).substr(at));
  size_t found = 0;
  bool good = refused;
  for (std::string e : expected) {
    size_t colon = e.find(": ");
    e.insert(colon + 2, "error: ");
    found = messages.find(e, found);
    good &= found != std::string::npos;
  }
  ++checks;
  if (good) return;
  ++failures;
  std::fprintf(stderr, "case at line %zu: expected %s\nfound %s", line, expected[0].c_str(), messages.c_str());
}

void errorFile(const char *path) {
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  std::string text = all.str(), mark = "// -----\n";
  size_t at = text.find(mark);
  while (at != std::string::npos) {
    size_t from = at + mark.size();
    at = text.find(mark, from);
    size_t line = 1;
    for (size_t i = 0; i < from; ++i) line += text[i] == '\n';
    errorCase(text.substr(from, at == std::string::npos ? at : at - from), line);
  }
}

std::string decimal(FloatKind k, uint64_t bits) {
  std::string s;
  appendFloat(k, bits, s);
  return s;
}

void floats() {
  // As MLIR prints them (checked against it).
  CHECK(decimal(FloatKind::F32, 0x3f800000) == "1.000000e+00");
  CHECK(decimal(FloatKind::F32, 0x3dcccccd) == "1.000000e-01");
  CHECK(decimal(FloatKind::F32, 0x3f333333) == "0.699999988");
  CHECK(decimal(FloatKind::F32, 0x00000001) == "1.401300e-45");
  CHECK(decimal(FloatKind::F32, 0x7f800000) == "0x7F800000");
  CHECK(decimal(FloatKind::F32, 0x80000000) == "-0.000000e+00");
  CHECK(decimal(FloatKind::F32, 0x3f4e6000) == "0.806152343");
  CHECK(decimal(FloatKind::F64, 0x3fd5555555555555) == "0.33333333333333331");
  CHECK(parseDouble("1.0e400") > 1e308 && parseDouble("1.0e-400") == 0);
  // Every value of the small formats, and many of f32, come back.
  Context ctx;
  for (FloatKind k : {FloatKind::F16, FloatKind::BF16, FloatKind::F8E4M3FN, FloatKind::F8E5M2, FloatKind::F8E4M3FNUZ,
                      FloatKind::F8E5M2FNUZ, FloatKind::F8E8M0FNU, FloatKind::F4E2M1FN, FloatKind::F32}) {
    uint64_t n = k == FloatKind::F32 ? 4000 : uint64_t(1) << floatWidth(k);
    auto value = [&](uint64_t i) { return k == FloatKind::F32 ? (i * 2654435761u) & 0xffffffff : i; };
    std::string list = "dense<[";
    for (uint64_t i = 0; i < n; ++i) list += (i ? ", " : "") + decimal(k, value(i));
    Attr a = parseAttr(ctx, list + "]> : tensor<" + std::to_string(n) + "x" + floatName(k) + ">");
    bool all = a && a->kind == AttrKind::Dense && a->bits.count == n;
    for (uint32_t i = 0; all && i < n; ++i) all = a->bits[i] == value(i);
    CHECK(all);
  }
}

void syntaxes() {
  Context ctx;
  auto m = read(ctx, "tt.func @f(%p: !tt.ptr<f32>, %d: !tt.tensordesc<tensor<8xf32>>) {\n"
                     "  %0 = tt.load %p evictionPolicy = evict_last cacheModifier = cg : !tt.ptr<f32>\n  tt.return\n}\n");
  CHECK(m && m->syntax == Syntax::T37);
  std::string t39 = print(*m, {.syntax = Syntax::T39});
  CHECK(t39.find("{cachePolicy = #tt.cache_policy<cache_modifier = cg, eviction_policy = evict_last>}") != std::string::npos);
  CHECK(t39.find("!tt.tensordesc<8xf32>") != std::string::npos);
  auto n = read(ctx, t39);
  CHECK(n && n->syntax == Syntax::T39);
  CHECK(compareText(print(*n, {.syntax = Syntax::T36}), print(*m)).ok());
  // {cache = 3 : i32} is the hint up to 3.8, and nothing in 3.9
  m = read(ctx, "tt.func @f(%p: !tt.ptr<f32, 3>) {\n  %0 = tt.load %p {cache = 3 : i32} : !tt.ptr<f32, 3>\n  tt.return\n}");
  CHECK(m && m->syntax == Syntax::T38 && print(*m).find("cacheModifier = cg") != std::string::npos);
  CHECK(print(*m, {.syntax = Syntax::T39}).find("3.9 has no form for a pointer to address space 3") != std::string::npos);
  m = read(ctx, "tt.func @f(%p: !tt.ptr<f32, \"constant\">) {\n  %0 = tt.load %p {cache = 3 : i32} : !tt.ptr<f32, \"constant\">\n  tt.return\n}");
  CHECK(m && m->syntax == Syntax::T39 && print(*m).find("{cache = 3 : i32}") != std::string::npos);
  CHECK(print(*m, {.syntax = Syntax::T38}).find("failed: ") == 0);
  m = read(ctx, "tt.func @f() {\n  tt.grid_dependency_wait\n  tt.return\n}");
  std::string refused = print(*m, {.syntax = Syntax::T38});
  CHECK(refused.find("'tt.grid_dependency_wait'") != std::string::npos && refused.find("t:2:3") != std::string::npos);
  m = read(ctx, "module {}");
  CHECK(m && m->syntax == Syntax::Auto);
}

void comparison() {
  const char *a = "tt.func @f(%a: i32, %b: i32) { // c\n  %0 = arith.addi %a, %b : i32 loc(#loc)\n  tt.return }\n#loc = loc(\"x\":1:2)\n";
  CHECK(compareText(a, "tt.func @f(%x: i32, %y: i32) { %q = arith.addi %x, %y : i32 tt.return }").ok());
  CHECK(compareText(a, "module { tt.func @f(%x: i32, %y: i32) { %q = arith.addi %x, %y : i32 tt.return } }").ok());
  CHECK(!compareText(a, "tt.func @f(%x: i32, %y: i32) { %q = arith.addi %y, %x : i32 tt.return }").ok());
  CHECK(!compareText(a, "tt.func @f(%x: i32, %y: i32) { %q = arith.addi %x, %x : i32 tt.return }").ok());
  CHECK(!compareText(a, "tt.func @f(%x: i32, %y: i32) { %q = arith.addi %x, %y : i64 tt.return }").ok());
  CHECK(!compareText(a, "tt.func @f(%x: i32, %y: i32) { %q = arith.addi %x, %y : i32 }").ok());
}

std::string nested(const char *open, const char *middle, const char *close, int n) {
  std::string s;
  for (int i = 0; i < n; ++i) s += open;
  s += middle;
  for (int i = 0; i < n; ++i) s += close;
  return s;
}

void hostile() {
  Context ctx;
  for (int n : {5000, 200000}) {
    CHECK(!read(ctx, nested("module {", "", "}", n)));
    CHECK(!read(ctx, "tt.func @f(" + nested("tuple<", "i1", ">", n) + ")"));
    CHECK(!read(ctx, "module attributes {a = " + nested("[", "", "]", n) + "} {}"));
    CHECK(!read(ctx, "module {} loc(" + nested("\"x\"(", "unknown", ")", n) + ")"));
    CHECK(!read(ctx, "module attributes {a = #x.y" + nested("<", "", ">", n) + "} {}"));
    CHECK(!read(ctx, nested("%", "", "", n)));
    CHECK(!read(ctx, nested("}\n", "", "", n)));
  }
  std::string chain = "module {} loc(#a0)\n", doubling = "#b0 = [1]\n";
  for (int i = 0; i < 5000; ++i) chain += "#a" + std::to_string(i) + " = loc(\"n\"(#a" + std::to_string(i + 1) + "))\n";
  CHECK(!read(ctx, chain + "#a5000 = loc(unknown)\n"));
  for (int i = 1; i < 60; ++i) doubling += "#b" + std::to_string(i) + " = [#b" + std::to_string(i - 1) + ", #b" + std::to_string(i - 1) + "]\n";
  auto m = read(ctx, doubling + "module attributes {x = #b59} {}");
  CHECK(m && compareText(doubling, print(*m)).ok() == false);
  m->aliases.clear(); // 2^59 elements now
  CHECK(print(*m).find("failed: ") == 0);
  std::string opaque = "#c0 = #x.y<abcdefgh>\n";
  for (int i = 1; i < 60; ++i) opaque += "#c" + std::to_string(i) + " = #x.y<#c" + std::to_string(i - 1) + ", #c" + std::to_string(i - 1) + ">\n";
  CHECK(!read(ctx, opaque + "module {}"));
  CHECK(!read(ctx, std::string("module {\0}", 10)));
}

void bytecode() {
  Context ctx;
  auto m = read(ctx, "tt.func public @f(%x: tensor<8xf32>) -> tensor<8xf32> {\n  %y = arith.addf %x, %x : tensor<8xf32> loc(\"a\":1:2)\n  tt.return %y : tensor<8xf32>\n}");
  std::string with, without, again;
  CHECK(m && writeBytecode(*m, {}, with).ok() && writeBytecode(*m, {.debug = false}, without).ok());
  CHECK(looksLikeBytecode(with) && without.size() < with.size());
  auto bare = readBytecode(ctx, without, "b");
  CHECK(bare.ok() && writeBytecode(*bare.value, {.debug = false}, again).ok() && again == without);
  CHECK(compareText(print(*m), print(*bare.value)).ok());
  bool all_refused = true; // every cut, every single changed byte: a status or a module, never a crash
  for (size_t n = 0; n < with.size(); ++n) {
    auto r = readBytecode(ctx, std::string_view(with).substr(0, n), "cut");
    all_refused &= n == without.size() ? r.ok() : !r.ok() && !r.status.message.empty();
  }
  CHECK(all_refused);
  for (size_t n = 0; n < with.size(); ++n)
    for (unsigned x : {0x01u, 0x80u, 0xffu}) {
      std::string b = with;
      b[n] = static_cast<char>(b[n] ^ x);
      auto r = readBytecode(ctx, b, "flip");
      if (r.ok()) print(*r.value, {.locations = true});
    }
  auto v = readBytecode(ctx, std::string("\x7fTIR\x09\0\0\0", 8), "v");
  CHECK(v.status.code == tessera::Code::VERSION);
}

} // namespace

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) errorFile(argv[i]);
  floats();
  syntaxes();
  comparison();
  hostile();
  bytecode();
  std::printf("%d checks, %d failures\n", checks, failures);
  return failures ? 1 : 0;
}
