// SPDX-License-Identifier: MIT
// Dominators by Cooper, Harvey and Kennedy's iteration over the reverse post-order.
#include "dominance.hh"

namespace tir {

Dominance::Dominance(Op *root) {
  blocks.resize(root->module->num_blocks);
  order.resize(root->module->num_ops);
  uint32_t n = 0;
  root->walk([&](Op *o) {
    order[o->id] = n++;
    for (unsigned r = 0; r < o->numRegions(); ++r) region(o->region(r));
  });
}

static unsigned successors(const Block *b) { return b->last ? b->last->numSuccs() : 0; }

void Dominance::region(Region *r) {
  if (!r->first) return;
  if (!r->first->next) { // the common case
    blocks[r->first->id].number = 0;
    blocks[r->first->id].out = 1;
    return;
  }
  // Post-order without recursion: the depth is the caller's, who may be hostile.
  std::vector<Block *> post;
  std::vector<std::pair<Block *, unsigned>> stack{{r->first, 0}};
  blocks[r->first->id].number = 0; // seen
  while (!stack.empty()) {
    auto &[b, i] = stack.back();
    if (i == successors(b)) {
      post.push_back(b);
      stack.pop_back();
      continue;
    }
    Block *s = b->last->succ(i++);
    if (s->parent != r || blocks[s->id].number != kUnreached) continue;
    blocks[s->id].number = 0;
    stack.push_back({s, 0});
  }
  uint32_t count = static_cast<uint32_t>(post.size());
  for (uint32_t i = 0; i < count; ++i) blocks[post[i]->id].number = count - 1 - i;

  // Predecessors as a compressed table over reverse post-order numbers.
  std::vector<uint32_t> start(count + 1, 0), preds;
  auto edges = [&](auto f) {
    for (Block *b : post)
      for (unsigned i = 0; i < successors(b); ++i)
        if (Block *s = b->last->succ(i); s->parent == r) f(blocks[b->id].number, blocks[s->id].number);
  };
  edges([&](uint32_t, uint32_t to) { ++start[to + 1]; });
  for (uint32_t i = 0; i < count; ++i) start[i + 1] += start[i];
  preds.resize(start[count]);
  std::vector<uint32_t> fill(start.begin(), start.end() - 1);
  edges([&](uint32_t from, uint32_t to) { preds[fill[to]++] = from; });

  std::vector<uint32_t> idom(count, kUnreached);
  idom[0] = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t b = 1; b < count; ++b) {
      uint32_t best = kUnreached;
      for (uint32_t k = start[b]; k < start[b + 1]; ++k) {
        uint32_t p = preds[k];
        if (idom[p] == kUnreached) continue;
        if (best == kUnreached) {
          best = p;
          continue;
        }
        while (p != best) { // to the common ancestor; numbers fall towards the entry
          while (p > best) p = idom[p];
          while (best > p) best = idom[best];
        }
      }
      if (idom[b] != best) {
        idom[b] = best;
        changed = true;
      }
    }
  }
  // Intervals: sizes of subtrees bottom up, then positions top down; children come after parents in the order.
  std::vector<uint32_t> size(count, 1), next(count, 0);
  for (uint32_t b = count; --b > 0;) size[idom[b]] += size[b];
  for (uint32_t b = 0; b < count; ++b) {
    Node &n = blocks[post[count - 1 - b]->id];
    if (b) {
      Block *parent = post[count - 1 - idom[b]];
      n.idom = parent;
      n.in = next[idom[b]];
      next[idom[b]] += size[b];
    }
    n.out = n.in + size[b];
    next[b] = n.in + 1;
  }
}

bool Dominance::dominates(const Block *a, const Block *b) const {
  if (a == b || !reachable(b)) return true;
  if (!reachable(a)) return false;
  const Node &x = blocks[a->id], &y = blocks[b->id];
  return x.in <= y.in && y.out <= x.out;
}

bool Dominance::dominates(const Value *v, const Op *user) const {
  const Block *home = v->parentBlock();
  if (!home) return false;
  while (user && user->parent && user->parent->parent != home->parent) user = user->parentOp();
  if (!user || !user->parent) return false;
  if (user->parent != home) return dominates(home, user->parent);
  return v->isArg() || before(v->def, user);
}

} // namespace tir
