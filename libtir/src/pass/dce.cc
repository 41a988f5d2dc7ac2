// SPDX-License-Identifier: MIT
// dce: marks what effects need, then sweeps. Values carried by scf.for and scf.while, and results of scf.if, count as
// needed one by one, so a carried value that only feeds itself goes away.
#include "pass.hh"
#include "analysis/effects.hh"

namespace tir {
namespace {

class Dce {
public:
  explicit Dce(Module &module) : m(module), live_ops(module.num_ops, false), live_values(module.num_values, false) {}

  bool run() {
    m.op->walk([&](Op *o) {
      bool own = o->info().has(TraitSymbol) ||
                 (!o->info().has(TraitTerminator | TraitRecursiveEffects) && !isRemovable(o));
      if (own) op(o);
    });
    op(m.op);
    drain();
    return sweep();
  }

private:
  Module &m;
  std::vector<bool> live_ops, live_values;
  std::vector<Op *> ops;
  std::vector<Value *> values;

  void op(Op *o) {
    if (live_ops[o->id]) return;
    live_ops[o->id] = true;
    ops.push_back(o);
  }
  void value(Value *v) {
    if (live_values[v->id]) return;
    live_values[v->id] = true;
    values.push_back(v);
  }
  bool live(const Value *v) const { return live_values[v->id]; }

  void drain() {
    for (;;) {
      if (!ops.empty()) {
        Op *o = ops.back();
        ops.pop_back();
        visit(o);
      } else if (!values.empty()) {
        Value *v = values.back();
        values.pop_back();
        visit(v);
      } else {
        return;
      }
    }
  }

  static bool structured(const Op *o) {
    return o->is(Opcode::scf_for) || o->is(Opcode::scf_if) || o->is(Opcode::scf_while);
  }
  static Op *end(const Op *o, unsigned region) {
    Block *b = o->region(region)->front();
    return b ? b->last : nullptr;
  }

  void visit(Op *o) {
    if (Op *p = o->parentOp()) op(p);
    // How its regions end is part of a live operation.
    for (unsigned r = 0; r < o->numRegions(); ++r)
      for (Block *b = o->region(r)->first; b; b = b->next)
        if (b->last && b->last->info().has(TraitTerminator)) op(b->last);
    unsigned first = 0, count = o->numOperands(); // needed as such; carried ones follow their counterpart
    if (o->is(Opcode::scf_for)) count = 3;
    else if (o->is(Opcode::scf_while)) count = 0;
    else if (o->is(Opcode::scf_if) || o->is(Opcode::scf_condition)) count = 1;
    else if (o->is(Opcode::scf_yield) && o->parentOp() && structured(o->parentOp())) count = 0;
    for (unsigned i = first; i < count && i < o->numOperands(); ++i) value(o->operand(i));
  }

  void operand(Op *o, unsigned i) {
    if (o && i < o->numOperands()) value(o->operand(i));
  }
  void visit(Value *v) {
    if (Op *o = v->def) {
      op(o);
      if (o->is(Opcode::scf_for)) carried(o, v->index);
      if (o->is(Opcode::scf_while)) operand(end(o, 0), 1 + v->index);
      if (o->is(Opcode::scf_if)) {
        operand(end(o, 0), v->index);
        operand(end(o, 1), v->index);
      }
      return;
    }
    Op *o = v->block->parentOp();
    if (!o) return;
    op(o);
    if (o->is(Opcode::scf_for) && v->index > 0) carried(o, v->index - 1);
    if (o->is(Opcode::scf_while)) {
      if (v->block->parent == o->region(0)) { // before: initial value and what the second region yields
        operand(o, v->index);
        operand(end(o, 1), v->index);
      } else { // after: what the condition passes on
        operand(end(o, 0), 1 + v->index);
      }
    }
  }
  void carried(Op *loop, unsigned i) {
    operand(loop, 3 + i);
    operand(end(loop, 0), i);
  }

  // ---- sweep ----

  struct Dead { Op *op; unsigned index; };

  bool sweep() {
    std::vector<Op *> dead, kept;
    collect(m.op, dead, kept);
    for (Op *o : dead) o->dropAllReferences();
    std::vector<Dead> results;
    std::vector<std::pair<Block *, unsigned>> args;
    bool changed = !dead.empty();
    for (Op *o : kept) operands(o, results, args);
    for (auto &a : args) a.first->eraseArg(a.second);
    for (Dead &d : results) d.op->eraseResult(d.index);
    for (Op *o : dead) o->erase();
    return changed || !results.empty() || !args.empty();
  }
  void collect(Op *o, std::vector<Op *> &dead, std::vector<Op *> &kept) {
    for (unsigned r = 0; r < o->numRegions(); ++r)
      for (Block *b = o->region(r)->first; b; b = b->next)
        for (Op *x = b->first; x; x = x->next) {
          if (!live_ops[x->id]) {
            dead.push_back(x);
            continue;
          }
          if (structured(x)) kept.push_back(x);
          collect(x, dead, kept);
        }
  }
  /// Cuts the operands of what is not needed; arguments and results follow when all operands are gone.
  void operands(Op *o, std::vector<Dead> &results, std::vector<std::pair<Block *, unsigned>> &args) {
    if (o->is(Opcode::scf_for)) {
      Block *body = o->region(0)->front();
      Op *yield = end(o, 0);
      if (!yield || body->numArgs() != o->numResults() + 1 || yield->numOperands() != o->numResults()) return;
      for (unsigned i = o->numResults(); i-- > 0;) {
        if (live(o->result(i)) || live(body->arg(1 + i))) continue;
        o->eraseOperand(3 + i);
        yield->eraseOperand(i);
        args.push_back({body, 1 + i});
        results.push_back({o, i});
      }
    } else if (o->is(Opcode::scf_if)) {
      Op *a = end(o, 0), *b = end(o, 1);
      if (!o->numResults() || !a || !b || a->numOperands() != o->numResults() || b->numOperands() != o->numResults())
        return;
      for (unsigned i = o->numResults(); i-- > 0;) {
        if (live(o->result(i))) continue;
        a->eraseOperand(i);
        b->eraseOperand(i);
        results.push_back({o, i});
      }
    } else {
      Block *before = o->region(0)->front(), *after = o->region(1)->front();
      Op *condition = end(o, 0), *yield = end(o, 1);
      if (!condition || !yield || condition->numOperands() != o->numResults() + 1 ||
          after->numArgs() != o->numResults() || yield->numOperands() != o->numOperands() ||
          before->numArgs() != o->numOperands())
        return;
      for (unsigned i = o->numResults(); i-- > 0;) {
        if (live(o->result(i)) || live(after->arg(i))) continue;
        condition->eraseOperand(1 + i);
        args.push_back({after, i});
        results.push_back({o, i});
      }
      for (unsigned i = o->numOperands(); i-- > 0;) {
        if (live(before->arg(i))) continue;
        o->eraseOperand(i);
        yield->eraseOperand(i);
        args.push_back({before, i});
      }
    }
  }
};

} // namespace

PassResult passDce(Module &m, const PassArgs &) { return Dce(m).run(); }

} // namespace tir
