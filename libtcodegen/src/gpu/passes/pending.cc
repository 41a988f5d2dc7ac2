// SPDX-License-Identifier: MIT
// Passes of the GPU road that do not exist yet. Weak: the pass itself takes the place of what stands here.
#include "../gpu.hh"

namespace tcodegen::gpu {

[[gnu::weak]] tessera::Status pipeline_loads(tir::Module &, tir::Op *, const GpuOptions &) { return {}; }

} // namespace tcodegen::gpu
