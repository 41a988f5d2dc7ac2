// SPDX-License-Identifier: MIT
// Any bytes as text. What is read must print, and what is printed must be read again as the same.
#include "bytecode/bytecode.hh"
#include "text/roundtrip.hh"
#include <cstdio>
#include <cstdlib>

using namespace tir;

namespace {
[[noreturn]] void die(const char *what, const std::string &a, const std::string &b) {
  std::fprintf(stderr, "%s\n--- first\n%s\n--- second\n%s\n", what, a.c_str(), b.c_str());
  std::abort();
}
std::string messages;
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  (void)compareText(text, text);
  Context ctx;
  messages.clear();
  ctx.setSink([](void *, Severity, const char *s, size_t n) { messages.append(s, n < 2000 ? n : 2000) += '\n'; }, nullptr);
  auto m = parseText(ctx, text, "fuzz");
  if (!m) {
    if (messages.empty()) die("refused without a message", std::string(text), "");
    return 0;
  }
  for (bool generic : {false, true}) {
    PrintOptions o{.locations = true, .generic = generic};
    std::string once, twice;
    if (!printText(*m, o, once).ok()) continue; // forms of several releases together
    messages.clear();
    auto again = parseText(ctx, once, "fuzz");
    if (!again) die(messages.c_str(), std::string(text), once);
    o.syntax = m->syntax;
    if (!printText(*again, o, twice).ok() || !compareText(once, twice).ok()) die("printed twice", once, twice);
  }
  std::string bytes, more;
  if (!writeBytecode(*m, {}, bytes).ok()) return 0;
  auto back = readBytecode(ctx, bytes, "fuzz");
  if (!back.ok()) die(back.status.message.c_str(), std::string(text), "");
  if (!writeBytecode(*back.value, {}, more).ok() || bytes != more) die("bytecode differs", std::string(text), "");
  return 0;
}
