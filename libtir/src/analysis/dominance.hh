// SPDX-License-Identifier: MIT
// Dominance of blocks within their region and of values over their users. A snapshot: any change of blocks,
// branches or the order of operations makes it stale.
#pragma once
#include "ir/ir.hh"

namespace tir {

class Dominance {
public:
  /// Looks at every region under `root`. Linear, apart from regions with several blocks.
  explicit Dominance(Op *root);

  /// Both of one region. A block dominates itself; everything dominates an unreachable block.
  bool dominates(const Block *a, const Block *b) const;
  /// May be reached from the entry block of its region.
  bool reachable(const Block *b) const { return blocks[b->id].number != kUnreached; }
  /// The nearest block that strictly dominates `b`; null for entry and unreachable blocks.
  Block *idom(const Block *b) const { return blocks[b->id].idom; }
  /// `v` is visible at `user`: defined before it in its block or in a dominating block, at this level or further
  /// out. An operation's results are not visible inside its own regions.
  bool dominates(const Value *v, const Op *user) const;
  /// `a` comes before `b`, which stands in the same block.
  bool before(const Op *a, const Op *b) const { return order[a->id] < order[b->id]; }

private:
  static constexpr uint32_t kUnreached = ~0u;
  struct Node {
    Block *idom = nullptr;
    uint32_t number = kUnreached; // reverse post-order in the region
    uint32_t in = 0, out = 0;     // interval in a walk of the dominator tree
  };
  void region(Region *r);
  std::vector<Node> blocks;    // by block id
  std::vector<uint32_t> order; // by operation id: position in a pre-order walk
};

} // namespace tir
