// SPDX-License-Identifier: MIT
#pragma once
#include "ir/ir.hh"

namespace tcodegen::gpu {

/// TTIR → TTIR: loads and stores through descriptors made in the kernel become masked loads and stores.
void rewrite_descriptors(tir::Module &m, tir::Op *kernel);

} // namespace tcodegen::gpu
