// SPDX-License-Identifier: MIT
// check_hazards (gpu.hh), with all it finds.
#pragma once
#include "ir/ir.hh"
#include <string>
#include <vector>

namespace tcodegen::gpu {

struct Hazard {
  enum Kind : uint8_t {
    Unordered, // no barrier between two accesses, of which one writes
    InFlight,  // an asynchronous copy or read is still under way
    Unfenced,  // the async proxy reads what the threads wrote, without a fence between
  } kind;
  const tir::Op *first, *second;
  bool first_writes, second_writes;
};
std::string hazardText(const Hazard &h);

/// Every pair of operations that a path of the kernel leads through without what should stand between.
std::vector<Hazard> findHazards(tir::Op *kernel, unsigned (*scratch)(const tir::Op *));

} // namespace tcodegen::gpu
