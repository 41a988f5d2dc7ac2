// SPDX-License-Identifier: MIT
// symbol-dce: private functions that are not reachable from public ones.
#include "pass.hh"

namespace tir {

PassResult passSymbolDce(Module &m, const PassArgs &) {
  std::vector<Op *> work;
  std::vector<bool> live(m.num_ops, false);
  for (Op *o = m.body()->first; o; o = o->next)
    if (!o->is(Opcode::tt_func) || o->strAttr("sym_visibility") != "private") work.push_back(o);
  if (work.empty()) return false; // a library of private functions: nothing says what is needed
  for (Op *o : work) live[o->id] = true;
  while (!work.empty()) {
    Op *f = work.back();
    work.pop_back();
    f->walk([&](Op *o) {
      if (!o->is(Opcode::tt_call)) return;
      Op *callee = m.function(o->strAttr("callee"));
      if (callee && !live[callee->id]) {
        live[callee->id] = true;
        work.push_back(callee);
      }
    });
  }
  bool changed = false;
  for (Op *o = m.body()->first, *next; o; o = next) {
    next = o->next;
    if (live[o->id]) continue;
    o->erase();
    changed = true;
  }
  return changed;
}

} // namespace tir
