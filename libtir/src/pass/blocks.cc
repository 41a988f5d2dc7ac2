// SPDX-License-Identifier: MIT
#include "blocks.hh"
#include "analysis/dominance.hh"
#include <vector>

namespace tir {

bool simplifyBlocks(Region *r) {
  if (!r->first || !r->first->next) return false;
  bool changed = false;
  Dominance dom(r->parent);
  std::vector<Block *> gone;
  for (Block *b = r->first; b; b = b->next)
    if (!dom.reachable(b)) gone.push_back(b);
  for (Block *b : gone)
    for (Op *o = b->first; o; o = o->next) o->dropAllReferences();
  for (Block *b : gone) {
    while (b->last) b->last->erase();
    r->remove(b);
    changed = true;
  }
  std::vector<uint32_t> preds(r->parent->module->num_blocks, 0);
  for (Block *b = r->first; b; b = b->next)
    for (unsigned i = 0; b->last && i < b->last->numSuccs(); ++i) ++preds[b->last->succ(i)->id];
  for (Block *b = r->first; b; b = b->next)
    while (b->last && b->last->is(Opcode::cf_br)) {
      Op *br = b->last;
      Block *to = br->succ(0);
      if (to == b || to == r->first || preds[to->id] != 1 || to->numArgs() != br->numOperands()) break;
      for (unsigned i = 0; i < to->numArgs(); ++i) to->arg(i)->replaceAllUsesWith(br->operand(i));
      br->erase();
      while (Op *o = to->first) {
        o->unlink();
        b->append(o);
      }
      r->remove(to);
      changed = true;
    }
  return changed;
}

} // namespace tir
