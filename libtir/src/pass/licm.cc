// SPDX-License-Identifier: MIT
// licm: moves operations that may run at any time, and whose operands come from outside, in front of the loop.
// Inner loops first, so that what leaves one can leave the next as well.
#include "pass.hh"
#include "analysis/effects.hh"

namespace tir {
namespace {

/// `disable_licm=True` of the front end: #llvm.loop_annotation<licm = <disable = true, …>>.
bool disabled(const Op *loop) {
  Attr a = loop->attr("llvm.loop_annotation");
  if (!a) return false;
  std::string_view s = a->text.view();
  size_t licm = s.find("licm");
  if (licm == std::string_view::npos) return false;
  std::string_view body = s.substr(licm, s.find('>', licm) - licm);
  size_t at = 0;
  while ((at = body.find("disable", at)) != std::string_view::npos) {
    bool whole = at == 0 || body[at - 1] == '<' || body[at - 1] == ' ' || body[at - 1] == ',';
    at += 7;
    while (at < body.size() && (body[at] == ' ' || body[at] == '=')) ++at;
    if (whole && body.substr(at, 4) == "true") return true;
  }
  return false;
}

struct Licm {
  bool changed = false;

  /// Everything that `op` (or an operation in its regions) uses from outside itself is defined outside `loop`.
  static bool invariant(Op *op, const Op *loop) {
    bool ok = true;
    op->walk([&](Op *o) {
      for (unsigned i = 0; ok && i < o->numOperands(); ++i) {
        const Value *v = o->operand(i);
        const Block *home = v->parentBlock();
        Op *holder = home ? home->parentOp() : nullptr;
        if (!holder || !loop->isAncestorOf(holder)) continue; // outside the loop
        if (!op->isAncestorOf(v->def ? v->def : holder)) ok = false;
        if (v->def == op) ok = false;
      }
    });
    return ok;
  }

  void loop(Op *l) {
    for (unsigned r = 0; r < l->numRegions(); ++r)
      for (Block *b = l->region(r)->first; b; b = b->next)
        for (Op *o = b->first, *next; o; o = next) {
          next = o->next;
          if (!isSpeculatable(o) || !invariant(o, l)) continue;
          o->moveBefore(l);
          changed = true;
        }
  }

  void run(Op *op) {
    for (unsigned r = 0; r < op->numRegions(); ++r)
      for (Block *b = op->region(r)->first; b; b = b->next)
        for (Op *o = b->first, *next; o; o = next) {
          next = o->next; // hoisting puts operations in front of `o` only
          if (o->numRegions()) run(o);
        }
    if ((op->is(Opcode::scf_for) || op->is(Opcode::scf_while)) && !disabled(op)) loop(op);
  }
};

} // namespace

PassResult passLicm(Module &m, const PassArgs &) {
  Licm l;
  l.run(m.op);
  return l.changed;
}

} // namespace tir
