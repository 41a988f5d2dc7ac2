// SPDX-License-Identifier: MIT
#pragma once
#include "common/status.hh"
#include "ir/ir.hh"

namespace tcodegen::gpu {

/// Every tensor descriptor becomes what it is made of (base, sizes, strides, padding), as arguments of the kernel, of
/// blocks and of loops too; what reads or writes through one becomes a masked access of pointers. Leaves no value of a
/// descriptor type, or UNSUPPORTED.
///
/// An argument of a descriptor type becomes 1 + 2·rank arguments in its place: the pointer, sizes and strides as i64.
tessera::Status rewrite_descriptors(tir::Module &m, tir::Op *kernel);

} // namespace tcodegen::gpu
