// SPDX-License-Identifier: MIT
// Memory effects of operations, from the traits of the op table.
#pragma once
#include "ir/ir.hh"

namespace tir {

enum Effect : unsigned {
  EffectNone = 0,
  EffectRead = 1,
  EffectWrite = 2,
  EffectAllocate = 4, // something new each time: may go when unused, is never merged or moved
};

/// Union of Effect bits of the operation and what it holds. A "write" is anything that must stay: stores, atomics,
/// volatile loads, prints, asserts, assumptions, calls.
unsigned effectsOf(const Op *op);

/// No effect: may be merged with an equal operation.
inline bool isPure(const Op *op) { return effectsOf(op) == EffectNone; }

/// May be erased when its results are unused.
bool isRemovable(const Op *op);

/// Pure, and may run where it would not have run: no division that might trap or shift that might be poison.
bool isSpeculatable(const Op *op);

} // namespace tir
