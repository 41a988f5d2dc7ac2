// SPDX-License-Identifier: MIT
// A 128-bit hash of a module's meaning, independent of handles, ids and the order of creation.
#pragma once
#include "ir.hh"

namespace tir {

enum HashFlags : uint32_t { HashCode = 1, HashLoc = 2, HashSyntax = 4 };
void hashModule(const Module &m, uint32_t flags, uint64_t out[2]);

} // namespace tir
