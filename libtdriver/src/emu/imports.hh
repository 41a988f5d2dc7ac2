// SPDX-License-Identifier: MIT
// The functions that an emulator image calls, and what their files share.
#pragma once
#include "machine.hh"

namespace tdriver::emu {

#define E(result, name, parameters) result name parameters;
#include "common/emu_imports.inc"
#undef E

/// One step of an atomic, on the low bits of both.
uint64_t combine(abi::AtomOp op, abi::AtomType type, uint64_t old, uint64_t value);

inline float half_to_float(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, rest = h & 0x7fff;
  if (rest >= 0x7c00) return __builtin_bit_cast(float, sign | 0x7f800000 | (rest & 0x3ff) << 13);
  // Exact: the bits of the half as a float of the same fields, scaled by the difference of the biases.
  float f = __builtin_bit_cast(float, rest << 13) * 0x1p112f;
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, f) | sign);
}

} // namespace tdriver::emu
