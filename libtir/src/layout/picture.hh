// SPDX-License-Identifier: MIT
// Linear layouts for the eye, and what an access of shared memory costs.
#pragma once
#include "linear.hh"

namespace tir {

constexpr unsigned kMaxPictureBits = 16; // elements, and places (threads × registers), of a picture

/// Which thread and register (or which offset) holds each element: the tensor as a grid of `thread:register`, one
/// block of rows for each index of the leading dimensions. An element with several holders shows the first and how
/// many more there are.
std::string tensorPicture(const LinearLayout &l);
/// The inverse view: one line per thread, its registers in order, each with the element's coordinates (or one line
/// per 16 offsets).
std::string hardwarePicture(const LinearLayout &l);

struct BankUse {
  unsigned wavefronts = 0; // passes over the 32 banks of 4 bytes that one instruction of a warp takes
  unsigned least = 0;      // and would take without conflicts
};
/// One warp reads or writes, with `vector` consecutive elements per thread, memory laid out as `shared` from
/// registers laid out as `distributed` (both of one tensor). False with a reason if the registers do not hold that
/// many consecutive elements or the sizes do not fit.
bool bankUse(const LinearLayout &shared, const LinearLayout &distributed, unsigned elementBits, unsigned vector, BankUse *out,
             std::string *why);

} // namespace tir
