// SPDX-License-Identifier: MIT
// tgir kernel → LLVM function; seen from the pipeline. Includes no LLVM header.
#pragma once
#include "../gpu.hh"

namespace llvm {
class Module;
}

namespace tcodegen::gpu {

/// Builds the kernel's function (named as the kernel) in `out`, whose triple and data layout are set. Fills threads,
/// shared bytes, hidden arguments, messages and locations of `object`, whose arguments are described already.
/// UNSUPPORTED, with location, for what has no lowering.
tessera::Status lowerKernel(tir::Module &m, tir::Op *kernel, const GpuOptions &o, llvm::Module &out,
                            tessera::tko::Object &object);

} // namespace tcodegen::gpu
