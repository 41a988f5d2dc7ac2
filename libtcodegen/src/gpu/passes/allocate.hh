// SPDX-License-Identifier: MIT
// Placing buffers in shared memory. Parts of allocate_shared that are worth testing alone.
#pragma once
#include "buffers.hh"

namespace tcodegen::gpu {

/// When a buffer holds something, in positions of a walk of the kernel (both ends included).
struct LiveRange {
  uint32_t first = 0, last = 0;
  bool meets(const LiveRange &o) const { return first <= o.last && o.first <= last; }
};
std::vector<LiveRange> liveRanges(tir::Op *kernel, const Buffers &buffers);

/// Bytes of shared memory that are in use while `loop` runs, apart from the buffers that `without` own.
uint64_t bytesDuring(tir::Op *kernel, ScratchBytes scratch, const tir::Op *loop, const std::vector<tir::Op *> &without);

struct PackItem {
  LiveRange live;
  uint64_t bytes = 0;
  unsigned align = 16;
  uint64_t offset = 0; // answer
};
/// Gives every item an offset such that items live at the same time do not overlap; returns the bytes in all.
uint64_t packIntervals(std::vector<PackItem> &items);

/// As allocate_shared (gpu.hh), with another idea of scratch memory and of the limit. For tests.
tessera::Status allocateShared(tir::Module &m, tir::Op *kernel, ScratchBytes scratch, uint64_t limit,
                               const char *target, unsigned *bytes);

} // namespace tcodegen::gpu
