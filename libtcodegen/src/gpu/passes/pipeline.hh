// SPDX-License-Identifier: MIT
// The schedule of one loop: which loads are copied ahead, how far, through how many buffers. It prints before it is
// expanded.
#pragma once
#include "../gpu.hh"
#include "buffers.hh"

namespace tcodegen::gpu {

/// A load that becomes an asynchronous copy some iterations before its value is used.
struct PlannedLoad {
  tir::Op *load = nullptr;
  tir::Attr shared = nullptr; // encoding of each buffer, for the shape as loaded
  bool transposed = false;    // its consumers see the buffer through ttg.memdesc_trans
  bool dot = false;           // feeds a dot; others are read back as they would have been loaded
  bool fill = false;          // masked-off elements are not 0: selected behind the buffer
  unsigned vector = 1;        // elements of one copy of a thread
  uint64_t bytes = 0;         // of one buffer
};

struct LoopSchedule {
  tir::Op *loop = nullptr;
  unsigned stages = 0;      // a copy begins stages - 1 iterations before its use
  unsigned buffers = 0;     // per load
  bool copies_first = true; // in an iteration: copies right after the wait, else at the end
  bool overlap = false;     // one dot of a warp group stays in flight over the end of an iteration
  std::vector<PlannedLoad> loads;
  std::vector<tir::Op *> ahead;     // operations that compute addresses and masks, in order; run in stage 0
  std::vector<unsigned> carried;    // loop-carried values that they need (numbers of the loop's results)
  uint64_t bytes() const;
  std::string text() const;
};

/// What can be copied ahead in `loop`; no loads if nothing can. `why` collects reasons, one a line.
LoopSchedule scheduleLoop(tir::Module &m, tir::Op *kernel, tir::Op *loop, std::string *why);
/// Replaces the loop. `s.stages`, `buffers`, `copies_first` are set.
void expandSchedule(tir::Module &m, LoopSchedule &s);
/// As pipeline_loads (gpu.hh) with another idea of scratch memory and of the limit. For tests.
tessera::Status pipelineLoads(tir::Module &m, tir::Op *kernel, const GpuOptions &o, ScratchBytes scratch, uint64_t limit);

} // namespace tcodegen::gpu
