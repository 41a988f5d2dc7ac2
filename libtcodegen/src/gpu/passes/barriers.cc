// SPDX-License-Identifier: MIT
// place_barriers: a forward walk that knows, before each operation, which accesses to shared memory other threads
// may still be performing, and puts a barrier in front of an operation that must not overtake one of them.
//
// What is under way is a set of (buffer, slot, read or write, how it ends). Loops are walked until the set at their
// entry stops growing. Copies by cp.async and reads by wgmma do not end at a barrier but at their own wait; from
// then on they are ordinary accesses that a barrier orders, so the barrier comes after the wait by itself.
#include "barriers.hh"
#include "common/status.hh"
#include <algorithm>

using namespace tir;
using tessera::Status;

namespace tcodegen::gpu {

namespace {

enum class Phase : uint8_t {
  Ordered,  // performed by the threads themselves: a barrier orders it
  Copy,     // cp.async begun, group still open
  Group,    // cp.async in a closed group, `age` groups closed since
  Dot,      // wgmma reading, `age` dots begun since
  Tma,      // TMA store reading, `age` stores begun since
};
constexpr uint8_t kOld = 15; // ages saturate

struct Pending {
  unsigned buffer = 0;
  Slot slot{};
  bool write = false;
  Phase phase = Phase::Ordered;
  uint8_t age = 0;
  auto key() const { return std::tuple(buffer, slot.kind, slot.loop, slot.value, slot.modulus, write, phase, age); }
  bool operator==(const Pending &o) const { return key() == o.key(); }
  bool operator<(const Pending &o) const { return key() < o.key(); }
};

struct State {
  std::vector<Pending> pending;  // sorted, unique
  std::vector<Pending> unfenced; // generic writes that the async proxy may not see yet
  bool operator==(const State &) const = default;

  static void add(std::vector<Pending> &set, const Pending &p) {
    auto at = std::lower_bound(set.begin(), set.end(), p);
    if (at == set.end() || !(*at == p)) set.insert(at, p);
  }
  bool join(const State &o) {
    State before = *this;
    for (const Pending &p : o.pending) add(pending, p);
    for (const Pending &p : o.unfenced) add(unfenced, p);
    return !(*this == before);
  }
  template <class F> void rewrite(F f) { // f changes the entry, false drops it
    for (auto *set : {&pending, &unfenced}) {
      std::vector<Pending> out;
      for (Pending p : *set)
        if (f(p)) add(out, p);
      *set = std::move(out);
    }
  }
  /// The next iteration of `loop`: what was at (i + c) is now at (i + c - 1).
  void nextIteration(const Op *loop) {
    rewrite([&](Pending &p) {
      if (p.slot.kind == Slot::Cyclic && p.slot.loop == loop)
        p.slot.value = (p.slot.value + p.slot.modulus - 1) % p.slot.modulus;
      return true;
    });
  }
  void leave(const Op *loop) {
    rewrite([&](Pending &p) {
      if (p.slot.kind == Slot::Cyclic && p.slot.loop == loop) p.slot = {};
      return true;
    });
  }
};

struct Flow {
  Module &m;
  Buffers &buffers;
  bool insert = true;
  std::vector<bool> internal;   // by op id: no barrier inside although it has scratch (none today)
  std::vector<Op *> placed, fences;
  Op *conflict = nullptr;       // when not inserting: the first operation that needs a barrier
  Op *unfenced = nullptr;       // ... or a fence

  // ---- accesses ----

  bool meets(const Pending &p, const Pending &a) const {
    if (p.buffer == a.buffer) return mayMeet(p.slot, a.slot);
    const Buffer &x = buffers.list[p.buffer], &y = buffers.list[a.buffer];
    if (x.offset < 0 || y.offset < 0) return true;
    auto range = [](const Buffer &b, const Slot &s, int64_t *lo, int64_t *hi) {
      bool part = s.kind == Slot::Const && s.value >= 0 && s.value < int64_t(b.slots);
      *lo = b.offset + (part ? s.value * int64_t(b.slotBytes()) : 0);
      *hi = *lo + int64_t(part ? b.slotBytes() : b.bytes);
    };
    int64_t xl, xh, yl, yh;
    range(x, p.slot, &xl, &xh);
    range(y, a.slot, &yl, &yh);
    return xl < yh && yl < xh;
  }
  void access(const Value *v, bool write, Phase phase, std::vector<Pending> &out) const {
    if (!v || !isSharedBuffer(v->type)) return;
    Slot s = slotOf(v);
    for (unsigned b : buffers.of(v)) out.push_back({b, s, write, phase, 0});
  }
  /// What `op` touches, in the phase in which it leaves it; `async`: reads by the async proxy.
  void accesses(Op *op, SharedKind k, std::vector<Pending> &out, bool *async) const {
    Value *dst = writtenBuffer(op);
    switch (k) {
    case SharedKind::None: case SharedKind::Dealloc: case SharedKind::View: case SharedKind::Commit:
    case SharedKind::AsyncWait: case SharedKind::DotWait: case SharedKind::TmaWait: case SharedKind::Fence:
    case SharedKind::Barrier: return;
    case SharedKind::Alloc:
      if (op->numOperands()) access(op->result(), true, Phase::Ordered, out);
      return;
    case SharedKind::Store: case SharedKind::MbarWrite: access(dst, true, Phase::Ordered, out); return;
    case SharedKind::AsyncCopy: access(dst, true, Phase::Copy, out); return;
    case SharedKind::Dot:
      *async = true;
      for (unsigned i = 0; i < op->numOperands(); ++i)
        access(op->operand(i), false, op->intAttr("isAsync") ? Phase::Dot : Phase::Ordered, out);
      return;
    case SharedKind::TmaStore:
      *async = true;
      for (unsigned i = 0; i < op->numOperands(); ++i) access(op->operand(i), false, Phase::Tma, out);
      return;
    case SharedKind::TmaLoad:
      for (unsigned i = 0; i < op->numOperands(); ++i)
        access(op->operand(i), op->operand(i) == dst, Phase::Ordered, out);
      return;
    case SharedKind::Load: case SharedKind::MbarUse:
      for (unsigned i = 0; i < op->numOperands(); ++i) {
        if (k == SharedKind::MbarUse && i) break; // `deps` are only named
        access(op->operand(i), false, Phase::Ordered, out);
      }
      return;
    case SharedKind::Other:
      for (unsigned i = 0; i < op->numOperands(); ++i) {
        access(op->operand(i), false, Phase::Ordered, out);
        access(op->operand(i), true, Phase::Ordered, out);
      }
      return;
    }
  }

  // ---- one operation ----

  static bool barrierHelps(const Pending &p) { return p.phase == Phase::Ordered; }

  void barrierBefore(Op *op) {
    Op *b = m.create({.code = Opcode::ttg_barrier, .loc = op->loc,
                      .attrs = {{m.ctx.str("addrSpace"), m.ctx.enumeration(1, "local")}}});
    op->block()->insertBefore(b, op);
    placed.push_back(b);
  }
  void fenceBefore(Op *op) {
    Op *f = m.create({.code = Opcode::ttng_fence_async_shared, .loc = op->loc,
                      .attrs = {{m.ctx.str("bCluster"), m.ctx.boolean(false)}}});
    op->block()->insertBefore(f, op);
    fences.push_back(f);
  }
  static void barrier(State &s) {
    std::erase_if(s.pending, [](const Pending &p) { return p.phase == Phase::Ordered; });
  }
  /// Entries of `phase` whose age is at least `left` have ended; ended copies are generic writes.
  static void ended(State &s, Phase phase, int64_t left) {
    std::vector<Pending> fresh;
    s.rewrite([&](Pending &p) {
      if (p.phase != phase || p.age < left) return true;
      p.phase = Phase::Ordered;
      p.age = 0;
      if (phase == Phase::Group) fresh.push_back(p);
      return true;
    });
    for (const Pending &p : fresh) State::add(s.unfenced, p);
  }
  static void older(State &s, Phase from, Phase to) {
    s.rewrite([&](Pending &p) {
      if (p.phase == to && p.age < kOld) ++p.age;
      if (p.phase == from && from != to) p.phase = to;
      return true;
    });
  }

  void transfer(Op *op, State &s) {
    SharedKind k = sharedKind(op);
    int scratch = k == SharedKind::Alloc ? -1 : buffers.ownedBy(op);
    std::vector<Pending> now;
    bool async = false;
    accesses(op, k, now, &async);
    if (scratch >= 0) now.push_back({unsigned(scratch), {}, true, Phase::Ordered, 0});
    bool need = false, fence = false;
    for (const Pending &a : now) {
      for (const Pending &p : s.pending)
        need |= barrierHelps(p) && (p.write || a.write) && meets(p, a);
      if (async)
        for (const Pending &p : s.unfenced) fence |= meets(p, a);
    }
    if (fence) {
      if (insert)
        fenceBefore(op);
      else if (!unfenced)
        unfenced = op;
      s.unfenced.clear();
    }
    if (need) {
      if (insert)
        barrierBefore(op);
      else if (!conflict)
        conflict = op;
      barrier(s);
    }
    switch (k) {
    case SharedKind::Barrier: barrier(s); return;
    case SharedKind::Fence: s.unfenced.clear(); return;
    case SharedKind::Commit: older(s, Phase::Copy, Phase::Group); return;
    case SharedKind::AsyncWait: ended(s, Phase::Group, op->intAttr("num")); return;
    case SharedKind::DotWait: ended(s, Phase::Dot, op->intAttr("pendings")); return;
    case SharedKind::TmaWait: ended(s, Phase::Tma, op->intAttr("pendings")); return;
    case SharedKind::Dot: older(s, Phase::Dot, Phase::Dot); break;
    case SharedKind::TmaStore: older(s, Phase::Tma, Phase::Tma); break;
    case SharedKind::TmaLoad: // the mbarrier orders the write before its readers
      std::erase_if(now, [](const Pending &p) { return p.write; });
      break;
    default: break;
    }
    if (scratch >= 0) { // the barrier inside it orders all that came before; its last reads are left
      barrier(s);
      now.back().write = false;
    }
    for (const Pending &a : now) {
      State::add(s.pending, a);
      if (a.write && a.phase == Phase::Ordered && k != SharedKind::MbarWrite) State::add(s.unfenced, a);
    }
  }

  // ---- control flow ----

  void operation(Op *op, State &s) {
    switch (op->code) {
    case Opcode::scf_for: {
      State entry = s, out;
      do {
        out = entry;
        block(op->region(0)->front(), out);
        out.nextIteration(op);
      } while (entry.join(out));
      // Left after any number of iterations, none included.
      s.join(entry);
      s.leave(op);
      return;
    }
    case Opcode::scf_if: {
      State other = s;
      if (op->region(0)->first) region(op->region(0), s);
      if (op->numRegions() > 1 && op->region(1)->first) region(op->region(1), other);
      s.join(other);
      return;
    }
    case Opcode::scf_while: {
      State entry = s, mid;
      for (;;) {
        mid = entry;
        region(op->region(0), mid);
        State out = mid;
        region(op->region(1), out);
        if (!entry.join(out)) break;
      }
      s = mid;
      return;
    }
    default: break;
    }
    transfer(op, s);
    for (unsigned r = 0; r < op->numRegions(); ++r) // bodies of other operations: any number of times
      if (op->region(r)->first) {
        State inner = s;
        region(op->region(r), inner);
        s.join(inner);
      }
  }
  void block(Block *b, State &s) {
    for (Op *op = b->first; op; op = op->next) operation(op, s); // barriers go in front: not met again
  }
  void region(Region *r, State &s) {
    Block *entry = r->front();
    if (!entry->next) return block(entry, s);
    struct In {
      Block *block;
      State state;
      bool dirty;
    };
    std::vector<In> in;
    for (Block *b = entry; b; b = b->next) in.push_back({b, b == entry ? s : State(), b == entry});
    std::vector<bool> seen(in.size());
    seen[0] = true;
    State exit;
    for (bool again = true; again;) {
      again = false;
      for (size_t i = 0; i < in.size(); ++i) {
        if (!in[i].dirty) continue;
        in[i].dirty = false;
        State out = in[i].state;
        block(in[i].block, out);
        Op *end = in[i].block->last;
        if (!end || !end->nsuccs) exit.join(out);
        for (unsigned k = 0; end && k < end->nsuccs; ++k)
          for (size_t j = 0; j < in.size(); ++j)
            if (in[j].block == end->succ(k) && (in[j].state.join(out) || !seen[j]))
              seen[j] = true, in[j].dirty = true, again = true;
      }
    }
    s = exit;
  }
  void run(Op *kernel) {
    State s;
    if (kernel->region(0)->first) region(kernel->region(0), s);
  }
};

unsigned depthOf(const Op *op) {
  unsigned d = 0;
  for (const Op *p = op->parentOp(); p; p = p->parentOp()) d += p->is(Opcode::scf_for) || p->is(Opcode::scf_while);
  return d;
}

} // namespace

Status placeBarriers(Module &m, Op *kernel, ScratchBytes scratch, BarrierCounts *counts) {
  Buffers buffers(kernel, scratch);
  bool unsupported = false;
  kernel->walk([&](Op *op) { unsupported |= op->name() == "ttg.warp_specialize"; });
  if (unsupported)
    return tessera::fail(tessera::Code::UNSUPPORTED, "not implemented: barriers of ttg.warp_specialize");
  Flow flow{m, buffers};
  flow.run(kernel);
  // The walk meets a loop first as if it were entered once; what later rounds add may make an earlier barrier
  // superfluous. Deepest first, each is tried without.
  std::vector<std::pair<Op *, bool>> all;
  for (Op *b : flow.placed) all.push_back({b, false});
  for (Op *f : flow.fences) all.push_back({f, true});
  std::stable_sort(all.begin(), all.end(), [](auto &a, auto &b) { return depthOf(a.first) > depthOf(b.first); });
  BarrierCounts n;
  for (auto [op, fence] : all) {
    Op *next = op->next;
    Block *home = op->block();
    op->unlink();
    Flow check{m, buffers};
    check.insert = false;
    check.run(kernel);
    if (check.conflict || check.unfenced) {
      home->insertBefore(op, next);
      ++(fence ? n.fences : n.barriers);
    } else {
      op->erase();
      ++n.dropped;
    }
  }
  if (counts) *counts = n;
  return tessera::ok_status();
}

} // namespace tcodegen::gpu
