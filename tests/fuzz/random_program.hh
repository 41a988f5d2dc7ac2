// SPDX-License-Identifier: MIT
// Random well-typed tile programs whose result is defined up to the tolerances of the comparator: what may differ
// between two right implementations (the order of float sums, the last bits of exp) never reaches a comparison, an
// integer, or a difference that could cancel. Every program is a function of its seed alone.
#pragma once
#include "tools/tessera/compare.hh"
#include <cstdint>
#include <string>
#include <vector>

namespace fuzz {

/// A pointer argument of the program.
struct Buffer {
  tool::DType type = tool::DType::f32;
  uint64_t count = 0;
  bool output = false;  // starts as zeros and is compared; the others are inputs
  bool special = false; // contents include NaN, infinities, -0 and sub-normals
  bool in_place = false; // an input that the program also writes: compared as well
  tool::Features features; // how exact the contents are
};

struct Program {
  std::string text;
  uint32_t grid[3] = {1, 1, 1};
  std::vector<Buffer> buffers; // in the order of the arguments
  int32_t scalar = 0;          // the last argument, an i32
};

Program make_program(uint64_t seed);
/// The initial contents of a buffer.
std::vector<uint8_t> make_contents(const Buffer &buffer, uint64_t seed);

} // namespace fuzz
