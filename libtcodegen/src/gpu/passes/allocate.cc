// SPDX-License-Identifier: MIT
// allocate_shared: which bytes of shared memory each buffer has. Buffers that are never live together share bytes.
//
// Liveness is that of the values that may name a buffer, taken as one range over the positions of a walk of the
// kernel: coarse where control flow branches, exact for straight lines and loops, which is where the memory goes.
#include "allocate.hh"
#include "common/status.hh"
#include <algorithm>

using namespace tir;
using tessera::Code;
using tessera::Status;

namespace tcodegen::gpu {

// ---- liveness -------------------------------------------------------------------------------------------

namespace {

struct Ranges {
  const Buffers &buffers;
  std::vector<uint32_t> begin, end; // by op id: position before and after what it holds
  std::vector<uint32_t> block_begin, block_end;
  std::vector<LiveRange> out;
  uint32_t clock = 0;

  Ranges(Op *kernel, const Buffers &b) : buffers(b), begin(kernel->module->num_ops), end(kernel->module->num_ops),
        block_begin(kernel->module->num_blocks), block_end(kernel->module->num_blocks) {
    number(kernel);
    out.resize(b.list.size(), {~0u, 0});
    for (unsigned i = 0; i < b.list.size(); ++i) touch(i, begin[b.list[i].owner->id]);
    for (const Value *v : b.values()) value(v);
    kernel->walk([&](Op *op) {
      SharedKind k = sharedKind(op);
      if (k == SharedKind::AsyncCopy || k == SharedKind::TmaLoad)
        inFlight(writtenBuffer(op), op, SharedKind::AsyncWait);
      else if (k == SharedKind::TmaStore)
        for (unsigned i = 0; i < op->numOperands(); ++i) inFlight(op->operand(i), op, SharedKind::TmaWait);
      else if (k == SharedKind::Dot && op->intAttr("isAsync"))
        for (unsigned i = 0; i < op->numOperands(); ++i) inFlight(op->operand(i), op, SharedKind::DotWait);
      else if (op->numRegions() && op->name() == "ttg.warp_specialize")
        concurrent(op);
      for (unsigned r = 0; r < op->numRegions(); ++r)
        if (op->region(r)->first && op->region(r)->first->next) branches(op->region(r));
    });
  }

  void number(Op *op) {
    begin[op->id] = clock++;
    for (unsigned r = 0; r < op->numRegions(); ++r)
      for (Block *b = op->region(r)->first; b; b = b->next) {
        block_begin[b->id] = clock;
        for (Op *o = b->first; o; o = o->next) number(o);
        block_end[b->id] = clock;
      }
    if (op->numRegions()) ++clock;
    end[op->id] = op->numRegions() ? clock - 1 : begin[op->id];
  }
  void touch(unsigned buffer, uint32_t at) {
    out[buffer].first = std::min(out[buffer].first, at);
    out[buffer].last = std::max(out[buffer].last, at);
  }
  void touch(const Value *v, uint32_t at) {
    for (unsigned b : buffers.of(v)) touch(b, at);
  }

  static bool holds(const Op *outer, const Block *b) {
    for (; b; b = b->parentOp() ? b->parentOp()->block() : nullptr)
      if (b->parentOp() == outer) return true;
    return false;
  }
  void value(const Value *v) {
    const Block *home = v->parentBlock();
    touch(v, v->def ? begin[v->def->id] : block_begin[home->id]);
    for (Use *u = v->uses; u; u = u->next) {
      touch(v, begin[u->owner->id]);
      // Used in a loop that does not hold the definition: needed again in every iteration.
      for (Op *p = u->owner->parentOp(); p && !holds(p, home); p = p->parentOp())
        if (p->is(Opcode::scf_for) || p->is(Opcode::scf_while)) touch(v, end[p->id]);
    }
  }

  /// An operation that goes on after it was issued keeps its buffers until they are freed or until a wait in the
  /// same block; else to the end of the block that holds the buffer.
  void inFlight(const Value *v, Op *op, SharedKind wait) {
    for (unsigned b : buffers.of(v)) {
      Op *owner = buffers.list[b].owner;
      bool freed = false;
      for (Use *u = owner->result()->uses; u; u = u->next) freed |= sharedKind(u->owner) == SharedKind::Dealloc;
      if (freed) continue;
      uint32_t last = block_end[owner->block()->id];
      if (wait != SharedKind::AsyncWait || owner->block() == op->block())
        for (Op *o = op->next; o; o = o->next) {
          int64_t left = wait == SharedKind::AsyncWait ? o->intAttr("num") : o->intAttr("pendings");
          if (sharedKind(o) == wait && left == 0) {
            last = begin[o->id];
            break;
          }
        }
      touch(b, last);
    }
  }

  /// Warps of the regions run side by side: whatever one of them uses is in use all the time.
  void concurrent(Op *op) {
    for (unsigned b = 0; b < out.size(); ++b)
      if (op != buffers.list[b].owner && op->isAncestorOf(buffers.list[b].owner)) {
        touch(b, begin[op->id]);
        touch(b, end[op->id]);
      }
    op->walk([&](Op *o) {
      for (unsigned i = 0; i < o->numOperands(); ++i) {
        touch(o->operand(i), begin[op->id]);
        touch(o->operand(i), end[op->id]);
      }
    });
  }

  /// A region with several blocks: where a value is live on entry or exit of a block, all of the block counts.
  void branches(Region *r) {
    std::vector<Block *> blocks;
    for (Block *b = r->first; b; b = b->next) blocks.push_back(b);
    auto inRegion = [&](const Op *op) { // the block of this region that holds it
      const Block *b = op->block();
      while (b && b->parent != r) b = b->parentOp() ? b->parentOp()->block() : nullptr;
      return b;
    };
    for (const Value *v : buffers.values()) {
      std::vector<const Block *> live; // live on entry
      auto add = [&](const Block *b) {
        if (b && b != v->parentBlock() && std::find(live.begin(), live.end(), b) == live.end()) live.push_back(b);
      };
      for (Use *u = v->uses; u; u = u->next) {
        const Block *home = v->parentBlock();
        while (home && home->parent != r) home = home->parentOp() ? home->parentOp()->block() : nullptr;
        if (home || v->parentBlock()->parent == r) add(inRegion(u->owner));
      }
      for (size_t i = 0; i < live.size(); ++i) {
        touch(v, block_begin[live[i]->id]);
        for (Block *p : blocks)
          for (unsigned s = 0; p->last && s < p->last->nsuccs; ++s)
            if (p->last->succ(s) == live[i]) {
              touch(v, block_end[p->id]);
              add(p);
            }
      }
    }
  }
};

} // namespace

std::vector<LiveRange> liveRanges(Op *kernel, const Buffers &buffers) { return Ranges(kernel, buffers).out; }

// ---- packing --------------------------------------------------------------------------------------------

uint64_t packIntervals(std::vector<PackItem> &items) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return items[a].bytes != items[b].bytes ? items[a].bytes > items[b].bytes
                                            : items[a].live.first < items[b].live.first;
  });
  uint64_t total = 0;
  std::vector<size_t> placed;
  for (size_t i : order) {
    PackItem &it = items[i];
    std::vector<size_t> near; // placed items alive at the same time, by offset
    for (size_t p : placed)
      if (items[p].live.meets(it.live)) near.push_back(p);
    std::sort(near.begin(), near.end(), [&](size_t a, size_t b) { return items[a].offset < items[b].offset; });
    auto up = [&](uint64_t x) { return (x + it.align - 1) / it.align * it.align; };
    uint64_t at = 0, best = ~uint64_t(0), best_gap = ~uint64_t(0);
    for (size_t p : near) {
      uint64_t lo = items[p].offset;
      if (lo >= up(at) + it.bytes && lo - at < best_gap) best = up(at), best_gap = lo - at;
      at = std::max(at, lo + items[p].bytes);
    }
    it.offset = best_gap == ~uint64_t(0) ? up(at) : best;
    total = std::max(total, it.offset + it.bytes);
    placed.push_back(i);
  }
  return total;
}

uint64_t bytesDuring(Op *kernel, ScratchBytes scratch, const Op *loop, const std::vector<Op *> &without) {
  Buffers buffers(kernel, scratch);
  Ranges ranges(kernel, buffers);
  LiveRange during{ranges.begin[loop->id], ranges.end[loop->id]};
  std::vector<PackItem> items;
  for (size_t i = 0; i < buffers.list.size(); ++i) {
    const Buffer &b = buffers.list[i];
    if (ranges.out[i].meets(during) && std::find(without.begin(), without.end(), b.owner) == without.end())
      items.push_back({ranges.out[i], b.bytes, b.align, 0});
  }
  return packIntervals(items);
}

// ---- the pass -------------------------------------------------------------------------------------------

Status allocateShared(Module &m, Op *kernel, ScratchBytes scratch, uint64_t limit, const char *target,
                      unsigned *bytes) {
  Buffers buffers(kernel, scratch);
  std::vector<LiveRange> live = liveRanges(kernel, buffers);
  std::vector<PackItem> items;
  // Small scratch (partial results of reductions) is not shared between operations: a place of its own costs little,
  // and saves the barrier before its next use wherever another barrier lies between.
  auto pack = [&](uint64_t own) {
    items.clear();
    for (size_t i = 0; i < buffers.list.size(); ++i) {
      const Buffer &b = buffers.list[i];
      PackItem item{live[i], b.bytes, b.align, 0};
      if (b.scratch && b.bytes <= 1024 && b.bytes <= own) {
        own -= b.bytes;
        for (const LiveRange &l : live) item.live.first = std::min(item.live.first, l.first), item.live.last = std::max(item.live.last, l.last);
      }
      items.push_back(item);
    }
    return packIntervals(items);
  };
  uint64_t total = pack(4096);
  if (total > limit) total = pack(0);
  if (total > limit) {
    const Buffer *largest = nullptr;
    for (const Buffer &b : buffers.list)
      if (!largest || b.bytes > largest->bytes) largest = &b;
    return tessera::fail(Code::LIMIT,
                         "%s: out of shared memory: the kernel needs %llu bytes, %s has %llu for a program; the "
                         "largest of its %zu buffers has %llu bytes (%s of '%.*s')",
                         locText(largest->owner->loc).c_str(), static_cast<unsigned long long>(total), target,
                         static_cast<unsigned long long>(limit), buffers.list.size(),
                         static_cast<unsigned long long>(largest->bytes), largest->scratch ? "scratch" : "result",
                         int(largest->owner->name().size()), largest->owner->name().data());
  }
  for (size_t i = 0; i < items.size(); ++i)
    buffers.list[i].owner->setAttr("allocation.offset", m.ctx.i32Attr(int64_t(items[i].offset)));
  m.op->setAttr("ttg.shared", m.ctx.i32Attr(int64_t(total)));
  if (bytes) *bytes = unsigned(total);
  return tessera::ok_status();
}

} // namespace tcodegen::gpu
