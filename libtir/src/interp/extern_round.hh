// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string_view>

namespace tir::interp::mean {

struct ExternTypes {
  unsigned operands;
  unsigned in_float;  // width of the first operand if it is a float, else 0
  unsigned out_float; // width of the result if it is a float, else 0
};

/// One element of a function of extern_round.cc; `name` has no library prefix, values are bit patterns. False: it is none.
bool externRounded(std::string_view name, const ExternTypes &types, const uint64_t *x, uint64_t *result);

} // namespace tir::interp::mean
