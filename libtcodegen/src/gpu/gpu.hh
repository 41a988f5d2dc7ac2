// SPDX-License-Identifier: MIT
// The GPU road's shared vocabulary: options and the passes in their order. Includes no LLVM header.
#pragma once
#include "common/status.hh"
#include "ir/ir.hh"
#include "pipeline.hh"
#include <string>
#include <vector>

namespace tessera::tko {
struct Object;
}

namespace tcodegen::gpu {

struct GpuOptions {
  unsigned capability = 90;   // 75 … 121: major * 10 + minor
  bool arch_specific = true;  // the "a" of sm_90a: wgmma, setmaxnreg
  unsigned num_warps = 0;     // 0 = planned by assign_layouts, which writes the module's attribute
  unsigned num_stages = 0;    // 0 = planned by pipeline_loads
  unsigned num_ctas = 1;
  unsigned maxnreg = 0;       // registers per thread, 0 = free
  bool fp_fusion = true;
  bool strict = false;        // what would be a remark about an unmet request is an error
  bool lines = false;         // debug locations on what is lowered
  bool explain = false;       // passes append their plans to `plan`
  std::vector<Remark> *remarks = nullptr;
  std::string *plan = nullptr; // text of --explain-plan
};

/// Bytes of shared memory that one program may use.
unsigned shared_limit(unsigned capability);

// ---- passes over the module, in order. Each leaves a module that verifies, prints and runs in the interpreter ----

/// TTIR → tgir: an encoding on every tensor type, conversions where needed, matrix instructions chosen; module
/// attributes `ttg.num-warps`, `ttg.num-ctas`, `ttg.threads-per-warp`, `ttg.target`.
tessera::Status assign_layouts(tir::Module &m, tir::Op *kernel, const GpuOptions &o);
/// Loads of loops that feed matrix instructions go through multi-buffered asynchronous copies.
tessera::Status pipeline_loads(tir::Module &m, tir::Op *kernel, const GpuOptions &o);
/// `allocation.offset` on every operation that owns shared memory, `ttg.shared` on the module.
tessera::Status allocate_shared(tir::Module &m, tir::Op *kernel, const GpuOptions &o, unsigned *bytes);
/// Barriers and fences between conflicting uses of shared memory.
tessera::Status place_barriers(tir::Module &m, tir::Op *kernel, const GpuOptions &o);
/// Independent check of the above: an unordered pair of accesses is INTERNAL, both named.
tessera::Status check_hazards(tir::Module &m, tir::Op *kernel, const GpuOptions &o);

} // namespace tcodegen::gpu
