// SPDX-License-Identifier: MIT
// place_barriers (gpu.hh) with its counts, for tests.
#pragma once
#include "buffers.hh"

namespace tcodegen::gpu {

struct BarrierCounts {
  unsigned barriers = 0, fences = 0; // inserted
  unsigned dropped = 0;              // inserted on the way and found not to be needed
};
tessera::Status placeBarriers(tir::Module &m, tir::Op *kernel, ScratchBytes scratch, BarrierCounts *counts);

} // namespace tcodegen::gpu
