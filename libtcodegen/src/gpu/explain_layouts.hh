// SPDX-License-Identifier: MIT
#pragma once
#include "ir/ir.hh"
#include <string>

namespace tcodegen::gpu {

/// Every type with a layout that values of the kernel have: which values, the bases, a picture of the first elements.
std::string explain_layouts(tir::Op *kernel);

} // namespace tcodegen::gpu
