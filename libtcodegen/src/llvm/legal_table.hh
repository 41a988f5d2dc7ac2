// SPDX-License-Identifier: MIT
// The rows of target/cpu/legal/x86.toml, for check_legal and its test.
#pragma once
#include <cstdint>

namespace tcodegen {

enum class Shape : uint8_t { any, vector, scalar };

struct LegalIntrinsic {
  const char *name;  // "llvm.fma"
  const char *kinds; // one letter per overloaded type: 1 b h i l (i1 … i64), e f d (f16 f32 f64), p
  Shape shape;
  uint16_t max_lanes;
  const char *cpu; // "" = every target; else compiled for this CPU only
};

inline constexpr LegalIntrinsic legal_intrinsics[] = {
#define X(name, kinds, shape, max, cpu) {name, kinds, shape, max, cpu},
#include "legal_x86.inc"
#undef X
};

} // namespace tcodegen
