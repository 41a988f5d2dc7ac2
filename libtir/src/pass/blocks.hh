// SPDX-License-Identifier: MIT
// Clean-up of unstructured control flow that several passes need.
#pragma once
#include "ir/ir.hh"

namespace tir {

/// Blocks of one region: drops those that nothing reaches, then joins a block to its only predecessor.
bool simplifyBlocks(Region *r);

} // namespace tir
