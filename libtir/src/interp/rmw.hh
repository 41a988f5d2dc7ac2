// SPDX-License-Identifier: MIT
// The arithmetic of read-modify-write, shared by tt.atomic_rmw and tt.descriptor_reduce.
#pragma once
#include "machine.hh"

namespace tir::interp {

enum class RmwKind : uint8_t { None, And, Or, Xor, Add, Max, Min, Exch, Inc, Dec };
/// False if the kind has no meaning.
bool rmwValue(RmwKind kind, Type elem, bool isUnsigned, uint64_t old, uint64_t v, uint64_t *out);

} // namespace tir::interp
