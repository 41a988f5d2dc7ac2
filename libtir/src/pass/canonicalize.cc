// SPDX-License-Identifier: MIT
// canonicalize: the greedy driver of the rewrites, and the clean-up of unstructured control flow.
#include "blocks.hh"
#include "pass.hh"
#include "rewriter.hh"
#include "analysis/dominance.hh"
#include <algorithm>

namespace tir {

// ---- what rewrites call -----------------------------------------------------------------------------------

void Rewriter::push(Op *op) {
  if (op->id >= queued.size()) queued.resize(std::max<size_t>(op->id + 64, m.num_ops), false);
  if (queued[op->id]) return;
  queued[op->id] = true;
  work.push_back(op);
}

Op *Rewriter::pop() {
  while (!work.empty()) {
    Op *op = work.back();
    work.pop_back();
    queued[op->id] = false;
    if (!op->erased()) return op;
  }
  return nullptr;
}

void Rewriter::replace(Value *v, Value *by) {
  for (Use *u = v->uses; u; u = u->next) push(u->owner);
  if (by->def) push(by->def);
  if (!by->name) by->name = v->name;
  v->replaceAllUsesWith(by);
}

void Rewriter::replaceOp(Op *op, Span<Value *> by) {
  for (unsigned i = 0; i < op->numResults(); ++i) replace(op->result(i), by[i]);
  erase(op);
}

void Rewriter::erase(Op *op) {
  op->walk([&](Op *o) {
    for (unsigned i = 0; i < o->numOperands(); ++i)
      if (o->operand(i)->def && !op->isAncestorOf(o->operand(i)->def)) push(o->operand(i)->def);
  });
  if (Op *holder = op->parentOp()) push(holder); // it may have become empty
  op->erase();
}

void Rewriter::update(Op *op) {
  push(op);
  for (unsigned i = 0; i < op->numResults(); ++i)
    for (Use *u = op->result(i)->uses; u; u = u->next) push(u->owner);
}

Op *Rewriter::create(Op *before, OpSpec spec) {
  if (!spec.loc) spec.loc = before->loc;
  Op *op = m.create(spec);
  before->parent->insertBefore(op, before);
  push(op);
  return op;
}

Value *Rewriter::create(Op *before, Opcode code, std::vector<Value *> operands, Type result,
                        std::vector<NamedAttr> attrs) {
  OpSpec spec{.code = code};
  spec.operands = std::move(operands);
  spec.results = {result};
  spec.attrs = std::move(attrs);
  return create(before, std::move(spec))->result();
}

Value *Rewriter::constant(Op *before, Type type, Span<uint64_t> bits) {
  return create(before, Opcode::arith_constant, {}, type, {attr("value", constantAttr(ctx, type, bits))});
}

void Rewriter::inlineBlock(Block *from, Op *before) {
  while (from->first && from->first != from->last) {
    push(from->first);
    from->first->moveBefore(before);
  }
}

bool plain(const Op *op) {
  return !op->intAttr("overflowFlags") && !op->attr("roundingmode");
}

// ---- driver -----------------------------------------------------------------------------------------------

static constexpr Rewrite kTable[] = {
#define REWRITE(code, id, summary) {Opcode::code, #id, summary, id},
#include "rewrites.inc"
#undef REWRITE
};

Span<Rewrite> rewriteTable() { return {kTable, sizeof kTable / sizeof *kTable}; }

namespace {

/// Rows by opcode, the general ones first.
class Index {
public:
  Index() {
    rows.resize(static_cast<size_t>(Opcode::count_));
    for (uint8_t pass = 0; pass < 2; ++pass)
      for (uint16_t i = 0; i < rewriteTable().size(); ++i)
        if (kTable[i].code == Opcode::invalid) {
          if (!pass) general.push_back(i);
        } else if (pass) {
          rows[static_cast<size_t>(kTable[i].code)].push_back(i);
        }
  }
  std::vector<uint16_t> general;
  std::vector<std::vector<uint16_t>> rows;
};

bool apply(Op *op, Rewriter &rw, const Index &index, std::vector<unsigned> *applied) {
  for (const std::vector<uint16_t> *list : {&index.general, &index.rows[static_cast<size_t>(op->code)]})
    for (uint16_t i : *list)
      if (kTable[i].run(op, rw)) {
        if (applied) ++(*applied)[i];
        return true;
      }
  return false;
}

bool unused(const Op *op) {
  for (unsigned i = 0; i < op->numResults(); ++i)
    if (op->result(i)->hasUses()) return false;
  return true;
}

} // namespace

bool canonicalize(Module &m, std::vector<unsigned> *applied) {
  if (applied) applied->assign(rewriteTable().size(), 0);
  Index index;
  Rewriter rw(m);
  bool changed = false;
  for (bool again = true; again;) {
    std::vector<Op *> all;
    m.op->walk([&](Op *o) { all.push_back(o); });
    for (size_t i = all.size(); i-- > 0;) rw.push(all[i]); // the first of the text comes first
    uint64_t budget = 64 * uint64_t(all.size()) + 4096;    // no set of rewrites may run forever
    while (Op *op = budget ? rw.pop() : nullptr) {
      if (op->parent && unused(op) && isRemovable(op)) {
        rw.erase(op);
        changed = true;
      } else if (apply(op, rw, index, applied)) {
        if (!op->erased()) rw.push(op);
        changed = true;
        --budget;
      }
    }
    again = false;
    std::vector<Region *> regions;
    m.op->walk([&](Op *o) {
      for (unsigned i = 0; i < o->numRegions(); ++i)
        if (o->region(i)->first != o->region(i)->last) regions.push_back(o->region(i));
    });
    for (size_t i = regions.size(); i-- > 0;) again |= simplifyBlocks(regions[i]);
    changed |= again;
    again &= budget != 0;
  }
  return changed;
}

PassResult passCanonicalize(Module &m, const PassArgs &) { return canonicalize(m, nullptr); }

} // namespace tir
