// SPDX-License-Identifier: MIT
// Passes of the GPU road that do not exist yet. Weak: the pass itself takes the place of what stands here.
#include "../gpu.hh"

namespace tcodegen::gpu {

[[gnu::weak]] tessera::Status assign_layouts(tir::Module &, tir::Op *, const GpuOptions &) {
  return tessera::fail(tessera::Code::UNSUPPORTED, "not implemented: layouts for a module without them (only .ttgir input)");
}
[[gnu::weak]] tessera::Status pipeline_loads(tir::Module &, tir::Op *, const GpuOptions &) { return {}; }

} // namespace tcodegen::gpu
