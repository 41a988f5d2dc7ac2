// SPDX-License-Identifier: MIT
// cse: one walk over the dominator tree with a table of the operations seen on the way down.
#include "pass.hh"
#include "analysis/dominance.hh"
#include "analysis/effects.hh"
#include <algorithm>

namespace tir {
namespace {

uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9e3779b97f4a7c15ull;
  return h ^ h >> 29;
}

/// Equality of operations including regions. Values of the compared regions are matched as they appear.
class Equal {
public:
  bool operator()(const Op *a, const Op *b) {
    pairs.clear();
    return ops(a, b);
  }

private:
  std::vector<std::pair<const Value *, const Value *>> pairs;

  bool value(const Value *a, const Value *b) const {
    if (a == b) return true;
    for (auto &p : pairs)
      if (p.first == a) return p.second == b;
    return false;
  }
  bool ops(const Op *a, const Op *b) {
    if (a->code != b->code || a->nops != b->nops || a->nres != b->nres || a->nregs != b->nregs ||
        a->nsuccs || b->nsuccs || a->nattrs != b->nattrs)
      return false;
    for (unsigned i = 0; i < a->nattrs; ++i)
      if (a->attrs_[i].name != b->attrs_[i].name || a->attrs_[i].value != b->attrs_[i].value) return false;
    for (unsigned i = 0; i < a->nres; ++i)
      if (a->result(i)->type != b->result(i)->type) return false;
    if (a->segments_)
      for (unsigned i = 0; i < a->info().num_operands; ++i)
        if (a->segments_[i] != b->segments_[i]) return false;
    bool same = true;
    for (unsigned i = 0; i < a->nops; ++i) same &= value(a->operand(i), b->operand(i));
    if (!same) {
      if (!(a->info().has(TraitCommutative) && a->nops == 2)) return false;
      if (!value(a->operand(0), b->operand(1)) || !value(a->operand(1), b->operand(0))) return false;
    }
    for (unsigned r = 0; r < a->nregs; ++r)
      if (!regions(a->region(r), b->region(r))) return false;
    return true;
  }
  bool regions(const Region *a, const Region *b) {
    Block *x = a->first, *y = b->first;
    if (!x || !y) return x == y;
    if (x->next || y->next || x->numArgs() != y->numArgs()) return false; // several blocks: not worth the effort
    for (unsigned i = 0; i < x->numArgs(); ++i) {
      if (x->arg(i)->type != y->arg(i)->type) return false;
      pairs.push_back({x->arg(i), y->arg(i)});
    }
    const Op *p = x->first, *q = y->first;
    for (; p && q; p = p->next, q = q->next) {
      if (!ops(p, q)) return false;
      for (unsigned i = 0; i < p->nres; ++i) pairs.push_back({p->result(i), q->result(i)});
    }
    return p == q;
  }
};

class Cse {
public:
  explicit Cse(Module &module) : m(module), heads(1024, -1) {}
  bool changed = false;
  void run() {
    for (unsigned r = 0; r < m.op->numRegions(); ++r) region(m.op->region(r));
  }

private:
  struct Entry {
    Op *op;
    uint64_t hash;
    int32_t previous;    // entry below in the same bucket
    uint32_t generation; // reads: state of memory when it ran
  };
  Module &m;
  std::vector<int32_t> heads; // bucket → newest entry
  std::vector<Entry> entries; // a stack: scopes end by popping
  uint32_t generation = 0;
  uint32_t floor = 0; // entries below are not visible (isolated operations)
  Equal equal;

  static uint64_t hash(const Op *o) {
    uint64_t h = mix(0, static_cast<uint64_t>(o->code) | uint64_t(o->nops) << 16 | uint64_t(o->nres) << 40);
    for (const NamedAttr &a : o->attrs()) h = mix(h, a.value->id);
    for (unsigned i = 0; i < o->nres; ++i) h = mix(h, o->result(i)->type->id);
    if (o->info().has(TraitCommutative) && o->nops == 2) {
      uint64_t a = o->operand(0)->id, b = o->operand(1)->id;
      return mix(h, a < b ? a | b << 32 : b | a << 32);
    }
    for (unsigned i = 0; i < o->nops; ++i) h = mix(h, o->operand(i)->id);
    return h; // regions are left to the comparison
  }
  void push(Op *o, uint64_t h) {
    if (entries.size() > heads.size()) grow();
    int32_t &head = heads[h & (heads.size() - 1)];
    entries.push_back({o, h, head, generation});
    head = static_cast<int32_t>(entries.size()) - 1;
  }
  void grow() {
    heads.assign(heads.size() * 4, -1);
    for (size_t i = 0; i < entries.size(); ++i) {
      int32_t &head = heads[entries[i].hash & (heads.size() - 1)];
      entries[i].previous = head;
      head = static_cast<int32_t>(i);
    }
  }
  void popTo(size_t size) {
    while (entries.size() > size) {
      heads[entries.back().hash & (heads.size() - 1)] = entries.back().previous;
      entries.pop_back();
    }
  }
  Op *find(const Op *o, uint64_t h, bool reads) {
    for (int32_t i = heads[h & (heads.size() - 1)]; i >= static_cast<int32_t>(floor); i = entries[i].previous) {
      const Entry &e = entries[i];
      if (e.hash != h || (reads && (e.generation != generation || e.op->parent != o->parent))) continue;
      if (equal(e.op, o)) return e.op;
    }
    return nullptr;
  }

  void block(Block *b) {
    for (Op *o = b->first, *next; o; o = next) {
      next = o->next;
      visit(o);
    }
  }
  void visit(Op *o) {
    unsigned effects = effectsOf(o);
    if (o->numRegions()) {
      uint32_t outer = floor;
      if (o->info().has(TraitIsolated)) floor = static_cast<uint32_t>(entries.size());
      // What a loop's body reads may have been written by its later operations; its own reads start afresh.
      if (effects & EffectWrite) ++generation;
      for (unsigned r = 0; r < o->numRegions(); ++r) region(o->region(r));
      floor = outer;
    }
    if (effects & EffectWrite) {
      ++generation;
      return;
    }
    if (o->info().has(TraitTerminator | TraitSymbol) || !o->numResults() || (effects & EffectAllocate)) return;
    uint64_t h = hash(o);
    Op *first = find(o, h, effects & EffectRead);
    if (!first) return push(o, h);
    for (unsigned i = 0; i < o->numResults(); ++i) {
      if (!first->result(i)->name) first->result(i)->name = o->result(i)->name;
      o->result(i)->replaceAllUsesWith(first->result(i));
    }
    o->erase();
    changed = true;
  }
  void region(Region *r) {
    if (!r->first) return;
    size_t mark = entries.size();
    if (!r->first->next) {
      block(r->first);
      popTo(mark);
      return;
    }
    // Several blocks: down the dominator tree. Children are visited in order of the blocks' list.
    Dominance dom(r->parent);
    std::vector<std::pair<Block *, size_t>> stack{{r->first, mark}};
    std::vector<std::pair<uint32_t, Block *>> children; // (id of the immediate dominator, block)
    for (Block *b = r->first; b; b = b->next)
      if (Block *d = dom.idom(b)) children.push_back({d->id, b});
    std::stable_sort(children.begin(), children.end(), [](auto &x, auto &y) { return x.first < y.first; });
    while (!stack.empty()) {
      auto [b, size] = stack.back();
      stack.pop_back();
      popTo(size);
      ++generation; // control may come from elsewhere
      block(b);
      auto at = std::lower_bound(children.begin(), children.end(), b->id + 1,
                                 [](auto &x, uint32_t id) { return x.first < id; });
      while (at != children.begin() && (at - 1)->first == b->id) stack.push_back({(--at)->second, entries.size()});
    }
    popTo(mark);
  }
};

} // namespace

PassResult passCse(Module &m, const PassArgs &) {
  Cse c(m);
  c.run();
  return c.changed;
}

} // namespace tir
