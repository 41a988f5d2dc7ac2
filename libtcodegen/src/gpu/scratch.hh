// SPDX-License-Identifier: MIT
// Shared memory that operations need while they run; allocate_shared places it, lowering uses it.
#pragma once
#include "ir/ir.hh"

namespace tcodegen::gpu {

/// Bytes of shared memory that `op` uses as scratch (conversions between layouts that leave the warp, reductions
/// and scans across warps, results of atomics handed to all threads); 0 for all others and for local_alloc, whose
/// buffer is its result. 16-byte aligned.
unsigned scratchBytes(const tir::Op *op);

} // namespace tcodegen::gpu
