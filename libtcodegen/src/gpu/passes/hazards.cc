// SPDX-License-Identifier: MIT
// check_hazards: does every path between two conflicting accesses to shared memory lead through what orders them?
//
// This is a check on place_barriers and pipeline_loads, so it shares nothing with them: no table of operations, no
// set of pending accesses. From each access in turn it walks all paths of the kernel's graph of operations, iteration
// counts of the loops included, until a barrier (fence, wait) ends the walk; whatever conflicting access it meets
// before is a hazard. Which part of a multi-buffered allocation an access uses in iteration t is found by
// computing the index for t, not by recognising how it is written.
#include "hazards.hh"
#include "common/status.hh"
#include "analysis/constants.hh"
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

using namespace tir;

namespace tcodegen::gpu {

namespace {

bool isBuffer(const Value *v) {
  return v && v->type->isMemDesc() && (!v->type->memSpace || v->type->memSpace->text.view() != "ttng.tensor_memory");
}

// ---- integers that the program computes from constants and iteration counts ------------------------------

struct Integers {
  std::map<std::pair<const Value *, int>, std::optional<int64_t>> known; // by value and iteration of its loop

  /// Value of `v` in iteration `t` of the innermost scf.for around its use; nothing if it depends on more.
  std::optional<int64_t> at(const Value *v, const Op *loop, int t, unsigned depth = 0) {
    if (depth > 4096) return {};
    const Block *home = v->parentBlock();
    bool varies = false; // defined inside `loop`
    for (const Block *b = home; b && loop; b = b->parentOp() ? b->parentOp()->block() : nullptr)
      if (b->parentOp() == loop) varies = true;
    if (!varies) t = 0;
    auto key = std::make_pair(v, varies ? t : -1);
    if (auto it = known.find(key); it != known.end()) return it->second;
    std::optional<int64_t> r = compute(v, varies ? loop : nullptr, t, depth + 1);
    known[key] = r;
    return r;
  }

private:
  std::optional<int64_t> compute(const Value *v, const Op *loop, int t, unsigned depth) {
    if (v->isArg()) {
      Op *owner = v->block->parentOp();
      if (!loop || owner != loop || !owner->is(Opcode::scf_for)) return {};
      if (v->index == 0) { // induction variable
        auto lb = at(owner->operand(0), nullptr, 0, depth), step = at(owner->operand(2), nullptr, 0, depth);
        if (!lb || !step) return {};
        return *lb + t * *step;
      }
      unsigned i = v->index - 1;
      Op *yield = v->block->last;
      if (3 + i >= owner->numOperands() || !yield || i >= yield->numOperands()) return {};
      return t == 0 ? at(owner->operand(3 + i), nullptr, 0, depth) : at(yield->operand(i), loop, t - 1, depth);
    }
    const Op *op = v->def;
    Constant c(v);
    if (c && c.splat && !c.elem->isFloat()) return signExtend(c.bits()[0], c.width);
    if (!v->type->isInt() && v->type->kind != TypeKind::Index) return {};
    std::optional<int64_t> x[3];
    for (unsigned i = 0; i < 3 && i < op->numOperands(); ++i) x[i] = at(op->operand(i), loop, t, depth);
    if (op->is(Opcode::arith_select)) { // one side may be unknown
      if (!x[0]) return {};
      return *x[0] & 1 ? x[1] : x[2];
    }
    for (unsigned i = 0; i < op->numOperands(); ++i)
      if (i > 2 || !x[i]) return {};
    switch (op->code) {
    case Opcode::arith_addi: return *x[0] + *x[1];
    case Opcode::arith_subi: return *x[0] - *x[1];
    case Opcode::arith_muli: return *x[0] * *x[1];
    case Opcode::arith_remsi: case Opcode::arith_remui:
      if (*x[1] <= 0 || *x[0] < 0) return {};
      return *x[0] % *x[1];
    case Opcode::arith_divsi: case Opcode::arith_divui:
      if (*x[1] <= 0 || *x[0] < 0) return {};
      return *x[0] / *x[1];
    case Opcode::arith_andi: return *x[0] & *x[1];
    case Opcode::arith_xori: return *x[0] ^ *x[1];
    case Opcode::arith_extsi: case Opcode::arith_index_cast: case Opcode::arith_trunci: return x[0];
    case Opcode::arith_cmpi: {
      int64_t a = *x[0], b = *x[1];
      switch (op->intAttr("predicate")) {
      case 0: return a == b;
      case 1: return a != b;
      case 2: return a < b;
      case 3: return a <= b;
      case 4: return a > b;
      case 5: return a >= b;
      default: break;
      }
      if (a < 0 || b < 0) return {};
      switch (op->intAttr("predicate")) {
      case 6: return a < b;
      case 7: return a <= b;
      case 8: return a > b;
      default: return a >= b;
      }
    }
    default: return {};
    }
  }
};

// ---- the graph of operations --------------------------------------------------------------------------------

struct Edge {
  unsigned to;
  const Op *again = nullptr, *enter = nullptr; // loop whose next (first) iteration begins on this edge
};
struct Graph {
  std::vector<Op *> ops; // nodes: an operation, or the place after one with regions
  std::vector<std::vector<Edge>> next;
  std::vector<int> node; // by op id

  explicit Graph(Op *kernel) : node(kernel->module->num_ops, -1) {
    add(kernel);
    for (Block *b = kernel->region(0)->first; b; b = b->next) connect(b, -1);
  }

private:
  void add(Op *op) {
    node[op->id] = int(ops.size());
    ops.push_back(op);
    next.emplace_back();
    for (unsigned r = 0; r < op->numRegions(); ++r)
      for (Block *b = op->region(r)->first; b; b = b->next)
        for (Op *o = b->first; o; o = o->next) add(o);
  }
  void edge(int from, const Op *to, const Op *again = nullptr, const Op *enter = nullptr) {
    if (to) next[size_t(from)].push_back({unsigned(node[to->id]), again, enter});
  }
  /// Edges of a block; `after`: node that follows the block's end, -1 for none. The callers wire the terminators.
  void connect(Block *b, int after) {
    for (Op *op = b->first; op; op = op->next) {
      int n = node[op->id];
      int follow = op->next ? node[op->next->id] : after;
      auto on = [&](int from) {
        if (follow >= 0) next[size_t(from)].push_back({unsigned(follow)});
      };
      if (op->nsuccs) {
        for (unsigned s = 0; s < op->nsuccs; ++s) edge(n, op->succ(s)->first);
        continue;
      }
      if (!op->numRegions()) {
        if (op->next || !(op->info().traits & TraitTerminator)) on(n);
        continue;
      }
      if (op->is(Opcode::scf_for)) {
        Block *body = op->region(0)->front();
        edge(n, body->first, nullptr, op);
        on(n);
        connect(body, -1);
        int y = node[body->last->id];
        edge(y, body->first, op);
        on(y);
      } else if (op->is(Opcode::scf_while)) {
        Block *before = op->region(0)->front(), *body = op->region(1)->front();
        edge(n, before->first);
        connect(before, -1);
        connect(body, -1);
        int c = node[before->last->id];
        edge(c, body->first);
        on(c);
        edge(node[body->last->id], before->first);
      } else { // branches, and bodies of reductions: entered or not, left once
        on(n);
        for (unsigned r = 0; r < op->numRegions(); ++r)
          for (Block *b2 = op->region(r)->first; b2; b2 = b2->next) {
            if (b2 == op->region(r)->first) edge(n, b2->first);
            connect(b2, -1);
            if (b2->last && !b2->last->nsuccs) on(node[b2->last->id]);
          }
        if (op->is(Opcode::scf_if) && op->numRegions() == 2 && op->region(1)->first) next[size_t(n)].erase(next[size_t(n)].begin());
      }
    }
  }
};

// ---- accesses -------------------------------------------------------------------------------------------

struct Access {
  const Op *op = nullptr;
  const Op *owner = nullptr; // of the memory
  int64_t lo = 0, hi = 0;    // bytes of the whole buffer
  const Value *index = nullptr; // of memdesc_index, null: the whole buffer
  int64_t part = 0;          // bytes of what an index selects
  bool write = false;
  bool scratch = false;
  enum How : uint8_t { Threads, Copy, Dot, Tma, TmaIn } how = Threads;
  bool vague = false;        // some part of a divided buffer, not known which
};

struct Checker {
  Op *kernel;
  unsigned (*scratch)(const Op *);
  Graph graph;
  Integers integers;
  std::vector<std::vector<Access>> accesses; // by node
  std::vector<Hazard> found;

  Checker(Op *k, unsigned (*s)(const Op *)) : kernel(k), scratch(s), graph(k), accesses(graph.ops.size()) {
    for (size_t n = 1; n < graph.ops.size(); ++n) collect(graph.ops[n], accesses[n]);
  }

  /// Back from a value to the allocations and index that it may stand for.
  void trace(const Value *v, const Value *index, std::vector<std::pair<const Value *, const Value *>> &seen,
             std::vector<std::pair<const Op *, const Value *>> &out) {
    if (!isBuffer(v) || std::find(seen.begin(), seen.end(), std::make_pair(v, index)) != seen.end()) return;
    seen.push_back({v, index});
    if (v->isArg()) {
      Op *owner = v->block->parentOp();
      if (owner->is(Opcode::scf_for)) { // which iteration it came from is lost: the whole buffer
        trace(owner->operand(2 + v->index), nullptr, seen, out);
        trace(v->block->last->operand(v->index - 1), nullptr, seen, out);
        lost(out, seen);
      } else { // any buffer of the kernel
        kernel->walk([&](Op *o) {
          if (o->name() == "ttg.local_alloc") out.push_back({o, nullptr});
        });
      }
      return;
    }
    const Op *op = v->def;
    if (op->name() == "ttg.local_alloc") {
      out.push_back({op, index});
    } else if (op->name() == "ttg.memdesc_index") {
      const Op *base = op->operand(0)->def;
      trace(op->operand(0), base && base->name() == "ttg.local_alloc" ? op->operand(1) : nullptr, seen, out);
    } else if (op->name() == "ttng.warp_group_dot_wait") {
      trace(op->operand(v->index), index, seen, out);
    } else if (op->numRegions()) {
      for (unsigned r = 0; r < op->numRegions(); ++r)
        for (Block *b = op->region(r)->first; b; b = b->next)
          for (unsigned i = 0; b->last && i < b->last->numOperands(); ++i) trace(b->last->operand(i), nullptr, seen, out);
      for (unsigned i = 0; i < op->numOperands(); ++i) trace(op->operand(i), nullptr, seen, out);
    } else {
      for (unsigned i = 0; i < op->numOperands(); ++i)
        trace(op->operand(i), op->numOperands() == 1 || op->name().starts_with("ttg.memdesc") ? index : nullptr, seen, out);
    }
  }
  /// A loop-carried view: what was found behind it by an index is forgotten.
  static void lost(std::vector<std::pair<const Op *, const Value *>> &out,
                   const std::vector<std::pair<const Value *, const Value *>> &) {
    for (auto &[op, index] : out) index = nullptr;
  }

  void collect(Op *op, std::vector<Access> &out) {
    std::string_view name = op->name();
    auto touch = [&](const Value *v, bool write, Access::How how) {
      std::vector<std::pair<const Value *, const Value *>> seen;
      std::vector<std::pair<const Op *, const Value *>> owners;
      trace(v, nullptr, seen, owners);
      for (auto [owner, index] : owners) {
        Access a{op, owner, 0, 0, index, 0, write, false, how};
        Attr at = owner->attr("allocation.offset");
        Type t = owner->result()->type;
        int64_t bytes = t->count() * std::max<int64_t>(1, (t->elem->isPtr() ? 64 : t->elem->width) / 8);
        a.lo = at ? at->ival : 0;
        a.hi = at ? a.lo + bytes : int64_t(1) << 40;
        a.part = bytes / std::max<int64_t>(1, t->shape[0]);
        for (Use *u = owner->result()->uses; u; u = u->next)
          a.vague |= !index && u->owner->name() == "ttg.memdesc_index";
        out.push_back(a);
      }
    };
    if (name == "ttg.local_alloc") {
      if (op->numOperands()) touch(op->result(), true, Access::Threads);
    } else if (name.starts_with("ttg.memdesc_") || name == "ttg.local_dealloc" || name == "ttng.warp_group_dot_wait" ||
               name.starts_with("scf.") || name.starts_with("cf.") || name == "arith.select") {
    } else { // by the kind of its operands; what is written is the operand called result, dst or alloc
      for (unsigned i = 0; i < op->numOperands(); ++i) {
        const Value *v = op->operand(i);
        if (!isBuffer(v) || (i && name == "ttng.wait_barrier")) continue; // `deps` are only named
        if (name == "ttg.local_store" || name == "ttg.local_scatter" || name == "ttng.init_barrier" ||
            name == "ttng.inval_barrier")
          touch(v, true, Access::Threads);
        else if (name == "ttg.async_copy_global_to_local")
          touch(v, true, Access::Copy);
        else if (name == "ttng.warp_group_dot")
          touch(v, false, Access::Dot);
        else if (name == "ttng.async_tma_copy_local_to_global" || name == "ttng.async_tma_reduce" ||
                 name == "ttng.async_tma_scatter")
          touch(v, false, Access::Tma);
        else if (name == "ttng.async_tma_copy_global_to_local" || name == "ttng.async_tma_gather")
          touch(v, v == op->slot(unsigned(op->info().operandSlot("result"))), Access::TmaIn);
        else if (name == "ttg.local_load" || name == "ttg.local_gather" || name.starts_with("ttng.") )
          touch(v, false, Access::Threads);
        else
          touch(v, false, Access::Threads), touch(v, true, Access::Threads);
      }
    }
    if (unsigned n = name == "ttg.local_alloc" ? 0 : scratch(op)) {
      Attr at = op->attr("allocation.offset");
      int64_t lo = at ? at->ival : 0;
      out.push_back({op, op, lo, at ? lo + n : int64_t(1) << 40, nullptr, 0, true, true, Access::Threads});
    }
  }

  static const Op *loopAround(const Op *op) {
    const Op *loop = op->parentOp();
    while (loop && !loop->is(Opcode::scf_for)) loop = loop->parentOp();
    return loop;
  }

  /// Is it a loop whose iterations walks count?
  bool counted(const Op *loop) const {
    return loop && std::find(loops.begin(), loops.end(), loop) != loops.end();
  }
  /// Bytes of an access in iteration `t` of the counted loop around it.
  void bytesOf(const Access &a, int t, int64_t *lo, int64_t *hi) {
    *lo = a.lo, *hi = a.hi;
    if (!a.index) return;
    const Op *loop = loopAround(a.op);
    if (!counted(loop)) loop = nullptr; // indices that never change are known all the same
    if (auto i = integers.at(a.index, loop, t); i && *i >= 0 && *i * a.part < a.hi - a.lo)
      *lo = a.lo + *i * a.part, *hi = *lo + a.part;
  }

  // ---- walks ----

  struct At { // a point of a walk
    unsigned node;
    uint8_t t;      // iteration of the loop that is followed
    uint8_t age;    // Copy: 0 open, else closed groups since + 1; Dot, Tma: begun since
    bool ended;     // performed: only a barrier is missing now
    auto key() const { return uint64_t(node) << 24 | uint64_t(t) << 16 | uint64_t(age) << 8 | ended; }
  };

  /// Iterations after `limit` are taken as those one period before.
  int period = 1, limit = 2;
  std::vector<const Op *> loops; // counted: those in which indices vary, unless one holds another

  void report(Hazard::Kind kind, const Access &a, const Access &b) {
    for (const Hazard &h : found)
      if (h.kind == kind && h.first == a.op && h.second == b.op) return;
    found.push_back({kind, a.op, b.op, a.write, b.write});
  }

  void walk(const Access &a, unsigned start, int t0, bool fences) {
    std::vector<At> work{{start, uint8_t(t0), 0, a.how == Access::Threads || a.how == Access::TmaIn}};
    if (a.how == Access::Dot && !a.op->intAttr("isAsync")) work[0].ended = true;
    std::vector<uint64_t> seen;
    int64_t lo, hi;
    bytesOf(a, t0, &lo, &hi);
    bool first = true;
    while (!work.empty()) {
      At at = work.back();
      work.pop_back();
      if (!first && !step(a, lo, hi, at, fences)) continue;
      first = false;
      for (const Edge &e : graph.next[at.node]) {
        At n = at;
        n.node = e.to;
        if (counted(e.enter)) n.t = 0;
        if (counted(e.again) && ++n.t >= limit) n.t = uint8_t(limit - period);
        auto pos = std::lower_bound(seen.begin(), seen.end(), n.key());
        if (pos != seen.end() && *pos == n.key()) continue;
        seen.insert(pos, n.key());
        work.push_back(n);
      }
    }
  }

  /// At a node of a walk from `a`: reports conflicts; false where the walk ends.
  bool step(const Access &a, int64_t lo, int64_t hi, At &at, bool fences) {
    const Op *op = graph.ops[at.node];
    std::string_view name = op->name();
    bool scratch_here = false;
    for (const Access &b : accesses[at.node]) {
      scratch_here |= b.scratch;
      if (!a.write && !b.write) continue;
      int64_t blo, bhi;
      bytesOf(b, at.t, &blo, &bhi);
      if (blo >= hi || lo >= bhi) continue;
      if (fences) {
        if (at.ended && (b.how == Access::Dot || b.how == Access::Tma)) report(Hazard::Unfenced, a, b);
        continue;
      }
      if (!at.ended && (a.vague || b.vague)) continue; // a ring's other parts are meant to be under way
      report(at.ended ? Hazard::Unordered : Hazard::InFlight, a, b);
    }
    bool barrier = name == "gpu.barrier" || name == "ttg.local_barrier" ||
                   (name == "ttg.barrier" && (!op->attr("addrSpace") || (op->attr("addrSpace")->ival & 1)));
    if (at.ended) {
      if (fences) {
        if (name == "ttng.fence_async_shared") return false;
        // Once overwritten by the async proxy's own copy it is not the threads' data any more; ignored.
      } else if (barrier || scratch_here) { // an operation with scratch has a barrier inside
        return false;
      }
    }
    if (a.how == Access::TmaIn && a.write && name == "ttng.wait_barrier") return false;
    if (at.ended) return true;
    if (a.how == Access::Copy) {
      if (name == "ttg.async_commit_group" && at.age < 200) ++at.age;
      if (name == "ttg.async_wait" && at.age && at.age - 1 >= op->intAttr("num")) at.ended = true;
    } else if (a.how == Access::Dot) {
      if (name == "ttng.warp_group_dot_wait" && at.age >= op->intAttr("pendings")) at.ended = true;
      if (name == "ttng.warp_group_dot" && at.age < 200) ++at.age;
    } else if (a.how == Access::Tma) {
      if (name == "ttng.async_tma_store_wait" && at.age >= op->intAttr("pendings")) at.ended = true;
      if (graph.ops[at.node] != a.op && accesses[at.node].size() && accesses[at.node][0].how == Access::Tma && at.age < 200) ++at.age;
    }
    return true;
  }

  void run() {
    // The period of all indices: buffers have few parts, and indices that do not settle into it are unknown.
    for (auto &list : accesses)
      for (Access &a : list)
        if (a.index) {
          const Op *loop = loopAround(a.op);
          int n = int(a.part ? (a.hi - a.lo) / a.part : 1);
          if (loop && n >= 1 && n <= 12 && period % n) period = period * n <= 12 ? period * n : period;
        }
    limit = 2 + 2 * period;
    for (auto &list : accesses)
      for (Access &a : list) {
        if (!a.index) continue;
        const Op *loop = loopAround(a.op);
        for (int t = limit - 2 * period; loop && t < limit; ++t)
          if (integers.at(a.index, loop, t) != integers.at(a.index, loop, t + period)) {
            a.index = nullptr;
            a.vague = true;
            break;
          }
      }
    for (auto &list : accesses)
      for (const Access &a : list)
        if (const Op *l = a.index ? loopAround(a.op) : nullptr; l && !counted(l)) loops.push_back(l);
    std::vector<const Op *> all = loops;
    std::erase_if(loops, [&](const Op *l) {
      return std::any_of(all.begin(), all.end(), [&](const Op *o) {
        return o != l && (o->isAncestorOf(l) || l->isAncestorOf(o));
      });
    });
    for (auto &list : accesses)
      for (Access &a : list)
        if (a.index && !integers.at(a.index, nullptr, 0) && !counted(loopAround(a.op))) a.index = nullptr, a.vague = true;
    for (size_t n = 0; n < accesses.size(); ++n)
      for (const Access &a : accesses[n]) from(a, unsigned(n));
  }

  void from(const Access &a, unsigned n) {
    int starts = a.index && counted(loopAround(a.op)) ? limit : 1;
    for (int t = 0; t < starts; ++t) {
      walk(a, n, t, false);
      if (a.write && a.how != Access::TmaIn) walk(a, n, t, true);
    }
  }
};

} // namespace

std::string hazardText(const Hazard &h) {
  const char *what = h.kind == Hazard::Unordered  ? "no barrier between"
                     : h.kind == Hazard::InFlight ? "no wait between"
                                                  : "no fence between";
  auto one = [](const Op *op, bool write) {
    return tessera::format("'%.*s' (%s) at %s", int(op->name().size()), op->name().data(),
                           write ? "writes" : "reads", locText(op->loc).c_str());
  };
  return tessera::format("shared memory: %s %s and %s", what, one(h.first, h.first_writes).c_str(),
                         one(h.second, h.second_writes).c_str());
}

std::vector<Hazard> findHazards(Op *kernel, unsigned (*scratch)(const Op *)) {
  if (!kernel->numRegions() || kernel->region(0)->empty()) return {};
  Checker c(kernel, scratch);
  c.run();
  return std::move(c.found);
}

} // namespace tcodegen::gpu
