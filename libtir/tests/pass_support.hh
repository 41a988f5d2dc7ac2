// SPDX-License-Identifier: MIT
// For tests of passes: parse, run a kernel in the interpreter on made-up arguments, compare what it wrote.
#pragma once
#include "interp/interp.hh"
#include "pass/pass.hh"
#include "text/text.hh"
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace tir::test {

/// A context that remembers its messages.
struct TestContext {
  Context ctx;
  std::string messages;
  TestContext() {
    ctx.setSink([](void *user, Severity, const char *text, size_t size) {
      static_cast<TestContext *>(user)->messages.append(text, size).append("\n");
    }, this);
  }
  std::unique_ptr<Module> parse(std::string_view text, std::string_view name = "test.ttir") {
    return parseText(ctx, text, name);
  }
};

inline std::string print(const Module &m) {
  std::string out;
  PrintOptions o;
  tessera::Status s = printText(m, o, out);
  return s.ok() ? out : "<" + s.message + ">";
}

/// What a launch left behind.
struct Outcome {
  tessera::Status status;
  std::vector<std::vector<uint8_t>> buffers, shadows;
};

/// Runs the only kernel with buffers of `bytes` random bytes each and small random scalars. Accesses out of bounds
/// are harmless (loads give 0), so every kernel runs.
inline Outcome interpret(Module &m, uint64_t seed, uint64_t max_steps, size_t bytes = 1 << 14) {
  Outcome out;
  tessera::Result<Op *> kernel = m.kernel("");
  if (!kernel.ok()) {
    out.status = kernel.status;
    return out;
  }
  Block *entry = kernel.value->region(0)->front();
  uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  auto random = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
  };
  out.buffers.resize(entry->numArgs());
  out.shadows.resize(entry->numArgs());
  std::vector<tir_interp_arg> args(entry->numArgs());
  std::vector<std::vector<int64_t>> shapes(entry->numArgs());
  for (unsigned i = 0; i < entry->numArgs(); ++i) {
    tir_interp_arg &a = args[i];
    std::memset(&a, 0, sizeof a);
    a.struct_size = sizeof a;
    Type t = entry->arg(i)->type;
    if (!t->isPtr() && !t->isDesc()) {
      a.kind = TIR_INTERP_SCALAR;
      a.bits = t->isFloat() ? 0x3f9d70a4 : t->isInt(1) ? random() >> 63 : 16 * (1 + (random() >> 62));
      continue;
    }
    std::vector<uint8_t> &buffer = out.buffers[i];
    buffer.resize(bytes);
    // Bytes in a range that makes tame numbers in every float format, and tame integers in most positions.
    bool floats = t->elem->scalar()->isFloat();
    unsigned size = t->elem->scalar()->width >= 8 ? t->elem->scalar()->width / 8 : 1;
    for (size_t k = 0; k < bytes; ++k) {
      bool top = k % size == size - 1;
      uint8_t r = static_cast<uint8_t>(random() >> 56);
      buffer[k] = floats ? (top ? uint8_t((r & 0x80) | (0x3c + (r & 3))) : r) : size == 1 || k % size == 0 ? r : 0;
    }
    out.shadows[i].resize(bytes);
    a.kind = t->isDesc() ? TIR_INTERP_DESCRIPTOR : TIR_INTERP_BUFFER;
    a.data = buffer.data();
    a.size = bytes;
    a.shadow = out.shadows[i].data();
    if (t->isDesc()) {
      shapes[i].assign(t->shape.begin(), t->shape.end());
      a.rank = t->rank();
      a.padding = 1;
      a.shape = shapes[i].data();
    }
  }
  tir_interp_params params = TIR_INTERP_PARAMS_INIT;
  params.grid[0] = 2;
  params.max_steps = max_steps;
  params.errors = 0;
  out.status = interp::run(m, "", params, args);
  return out;
}

/// Empty if equal; bytes that either run left undefined do not count. NaNs of any payload are equal.
inline std::string difference(const Module &m, const Outcome &a, const Outcome &b) {
  Block *entry = m.kernel("").value->region(0)->front();
  for (size_t i = 0; i < a.buffers.size(); ++i) {
    Type t = entry->arg(static_cast<unsigned>(i))->type;
    Type e = t->elem ? t->elem->scalar() : t;
    unsigned size = e->width >= 8 && e->width <= 64 ? e->width / 8 : 1;
    for (size_t k = 0; k + size <= a.buffers[i].size(); k += size) {
      if (!std::memcmp(&a.buffers[i][k], &b.buffers[i][k], size)) continue;
      bool undefined = false;
      for (size_t n = k; n < k + size; ++n)
        undefined |= a.shadows[i][n] == TIR_SHADOW_UNDEFINED || b.shadows[i][n] == TIR_SHADOW_UNDEFINED;
      if (undefined) continue;
      if (e->isFloat(FloatKind::F32)) {
        float x, y;
        std::memcpy(&x, &a.buffers[i][k], 4);
        std::memcpy(&y, &b.buffers[i][k], 4);
        if (x != x && y != y) continue;
      }
      return tessera::format("argument %zu, byte %zu: %02x…, then %02x…", i, k, a.buffers[i][k], b.buffers[i][k]);
    }
  }
  return {};
}

} // namespace tir::test
