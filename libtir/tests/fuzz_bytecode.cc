// SPDX-License-Identifier: MIT
// Any bytes as bytecode. What is read must print (or be refused), and be written so that it reads as the same.
#include "bytecode/bytecode.hh"
#include "text/text.hh"
#include <cstdio>
#include <cstdlib>

using namespace tir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string bytes(reinterpret_cast<const char *>(data), size);
  Context ctx;
  auto m = readBytecode(ctx, bytes, "fuzz");
  if (!m.ok()) {
    if (m.status.message.empty()) std::abort();
    return 0;
  }
  std::string text, generic, once, twice;
  (void)printText(*m.value, PrintOptions{.locations = true}, text);
  (void)printText(*m.value, PrintOptions{.names = false, .generic = true}, generic);
  if (!writeBytecode(*m.value, {}, once).ok()) return 0;
  auto again = readBytecode(ctx, once, "fuzz");
  if (!again.ok()) {
    std::fprintf(stderr, "%s\n", again.status.message.c_str());
    std::abort();
  }
  if (!writeBytecode(*again.value, {}, twice).ok() || once != twice) std::abort();
  return 0;
}
