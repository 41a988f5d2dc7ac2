// SPDX-License-Identifier: MIT
#include "buffers.hh"
#include "analysis/constants.hh"
#include "layout/encoding.hh"
#include <algorithm>

using namespace tir;

namespace tcodegen::gpu {

namespace {
struct KindRow {
  const char *name;
  SharedKind kind;
};
// By name and not by opcode: what the op set gains later is `Other`, not forgotten.
constexpr KindRow kKinds[] = {
    {"gpu.barrier", SharedKind::Barrier},
    {"ttg.async_commit_group", SharedKind::Commit},
    {"ttg.async_copy_global_to_local", SharedKind::AsyncCopy},
    {"ttg.async_wait", SharedKind::AsyncWait},
    {"ttg.barrier", SharedKind::Barrier},
    {"ttg.local_alloc", SharedKind::Alloc},
    {"ttg.local_barrier", SharedKind::Barrier},
    {"ttg.local_dealloc", SharedKind::Dealloc},
    {"ttg.local_gather", SharedKind::Load},
    {"ttg.local_load", SharedKind::Load},
    {"ttg.local_scatter", SharedKind::Store},
    {"ttg.local_store", SharedKind::Store},
    {"ttg.memdesc_index", SharedKind::View},
    {"ttg.memdesc_reinterpret", SharedKind::View},
    {"ttg.memdesc_reshape", SharedKind::View},
    {"ttg.memdesc_subslice", SharedKind::View},
    {"ttg.memdesc_trans", SharedKind::View},
    {"ttng.arrive_barrier", SharedKind::MbarUse},
    {"ttng.async_tma_copy_global_to_local", SharedKind::TmaLoad},
    {"ttng.async_tma_copy_local_to_global", SharedKind::TmaStore},
    {"ttng.async_tma_gather", SharedKind::TmaLoad},
    {"ttng.async_tma_reduce", SharedKind::TmaStore},
    {"ttng.async_tma_scatter", SharedKind::TmaStore},
    {"ttng.async_tma_store_wait", SharedKind::TmaWait},
    {"ttng.barrier_expect", SharedKind::MbarUse},
    {"ttng.fence_async_shared", SharedKind::Fence},
    {"ttng.init_barrier", SharedKind::MbarWrite},
    {"ttng.inval_barrier", SharedKind::MbarWrite},
    {"ttng.wait_barrier", SharedKind::MbarUse},
    {"ttng.warp_group_dot", SharedKind::Dot},
    {"ttng.warp_group_dot_wait", SharedKind::DotWait},
};
} // namespace

SharedKind sharedKind(const Op *op) {
  std::string_view name = op->name();
  if (name.starts_with("ttg.") || name.starts_with("ttng.") || name == "gpu.barrier") {
    const KindRow *end = std::end(kKinds);
    const KindRow *row = std::lower_bound(std::begin(kKinds), end, name,
                                          [](const KindRow &r, std::string_view n) { return r.name < n; });
    if (row != end && row->name == name) {
      if (row->kind != SharedKind::Barrier) return row->kind;
      // ttg.barrier says which memories it orders; one without `local` is nothing here.
      Attr a = op->attr("addrSpace");
      return !a || a->kind != AttrKind::Enum || (a->ival & 1) ? SharedKind::Barrier : SharedKind::None;
    }
  } else if (op->info().dialect == "scf" || op->info().dialect == "cf" || op->is(Opcode::arith_select)) {
    return SharedKind::None; // they hand values on, see forEachFlow
  }
  for (unsigned i = 0; i < op->numOperands(); ++i)
    if (op->operand(i) && isSharedBuffer(op->operand(i)->type)) return SharedKind::Other;
  return SharedKind::None;
}

Value *writtenBuffer(const Op *op) {
  int slot = op->info().operandSlot("result");
  if (slot < 0) slot = op->info().operandSlot("dst");
  if (slot < 0) slot = op->info().operandSlot("alloc");
  return slot < 0 ? nullptr : op->slot(unsigned(slot));
}

uint64_t bufferBytes(Type t) {
  unsigned bits = t->elem->isPtr() ? 64 : t->elem->width;
  uint64_t n = 1;
  for (int64_t d : t->shape) n *= uint64_t(d);
  return n * std::max(1u, (bits + 7) / 8);
}

unsigned bufferAlignment(Type t) {
  const Encoding *e = encodingOf(t->enc);
  if (!e) return 128;
  if (e->kind == EncKind::NvmmaShared) // the pattern of the swizzle repeats every 8 rows and is anchored at 0
    return std::max(128u, e->swizzlingByteWidth * 8);
  if (e->kind == EncKind::SharedLinear) return std::max(16u, e->alignment);
  return bufferBytes(t) <= 8 ? 8 : 16;
}

// ---- buffers and their names --------------------------------------------------------------------------

Buffers::Buffers(Op *kernel, ScratchBytes scratch) {
  owned.assign(kernel->module->num_ops, -1);
  number.assign(kernel->module->num_values, -1);
  auto name = [&](const Value *v) {
    if (!isSharedBuffer(v->type) || number[v->id] >= 0) return;
    number[v->id] = int(named.size());
    named.push_back(v);
  };
  auto offsetOf = [](const Op *op) -> int64_t {
    Attr a = op->attr("allocation.offset");
    return a ? a->ival : -1;
  };
  std::vector<Op *> flows;
  kernel->walk([&](Op *op) {
    for (unsigned i = 0; i < op->numResults(); ++i) name(op->result(i));
    for (unsigned r = 0; r < op->numRegions(); ++r)
      for (Block *b = op->region(r)->first; b; b = b->next)
        for (unsigned i = 0; i < b->numArgs(); ++i) name(b->arg(i));
    if (sharedKind(op) == SharedKind::Alloc) {
      Type t = op->result()->type;
      if (!isSharedBuffer(t)) return;
      unsigned asked = unsigned(op->intAttr("alignment"));
      const Encoding *e = encodingOf(t->enc);
      unsigned slots = 1;
      // A leading dimension that memdesc_index selects from: all its users there do.
      for (Use *u = op->result()->uses; u && e; u = u->next)
        if (u->owner->is(Opcode::ttg_memdesc_index)) slots = unsigned(t->shape[0]);
      owned[op->id] = int(list.size());
      list.push_back({op, false, bufferBytes(t), std::max(asked, bufferAlignment(t)), slots, offsetOf(op)});
    } else if (unsigned n = scratch ? scratch(op) : 0) {
      owned[op->id] = int(list.size());
      list.push_back({op, true, n, 16, 1, offsetOf(op)});
    }
  });
  sets.resize(named.size());
  for (unsigned i = 0; i < list.size(); ++i)
    if (!list[i].scratch) sets[size_t(number[list[i].owner->result()->id])].push_back(i);
  for (bool changed = true; changed;) {
    changed = false;
    kernel->walk([&](Op *op) {
      forEachFlow(op, [&](Value *from, Value *to) {
        if (number[from->id] < 0 || number[to->id] < 0) return;
        auto &a = sets[size_t(number[from->id])], &b = sets[size_t(number[to->id])];
        if (std::includes(b.begin(), b.end(), a.begin(), a.end())) return;
        std::vector<unsigned> both;
        std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
        b = std::move(both);
        changed = true;
      });
    });
  }
}

const std::vector<unsigned> &Buffers::of(const Value *v) const {
  return v && v->id < number.size() && number[v->id] >= 0 ? sets[size_t(number[v->id])] : nothing;
}

// ---- slots --------------------------------------------------------------------------------------------

namespace {

bool constantInt(const Value *v, int64_t *out) {
  Constant c(v);
  if (!c || !c.splat || c.elem->isFloat()) return false;
  *out = signExtend(c.bits()[0], c.width);
  return true;
}

/// x + k, for a constant k.
bool plusConstant(const Value *v, const Value **x, int64_t *k) {
  if (!v->def || !v->def->is(Opcode::arith_addi)) return false;
  for (unsigned i = 0; i < 2; ++i)
    if (constantInt(v->def->operand(1 - i), k)) {
      *x = v->def->operand(i);
      return true;
    }
  return false;
}

/// y wrapped to 0 when it reaches a constant: select(y >= n, 0, y), or with == , or the other way round.
const Value *wrapped(const Value *v, int64_t *n) {
  if (!v->def || !v->def->is(Opcode::arith_select)) return nullptr;
  Op *sel = v->def, *cmp = sel->operand(0)->def;
  if (!cmp || !cmp->is(Opcode::arith_cmpi)) return nullptr;
  int64_t pred = cmp->intAttr("predicate"), zero, bound;
  bool reached = pred == 0 || pred == 5 || pred == 9; // eq, sge, uge
  bool below = pred == 1 || pred == 2 || pred == 6;   // ne, slt, ult
  if (!(reached || below) || !constantInt(cmp->operand(1), &bound)) return nullptr;
  const Value *y = sel->operand(reached ? 2 : 1);
  if (cmp->operand(0) != y || !constantInt(sel->operand(reached ? 1 : 2), &zero) || zero) return nullptr;
  *n = bound;
  return bound > 0 ? y : nullptr;
}

/// A loop-carried counter that steps by one modulo `n`: its value in iteration i is (start + i) mod n.
bool counter(const Value *arg, int64_t n, Slot *out) {
  if (!arg->isArg() || arg->index == 0) return false;
  Op *loop = arg->block->parentOp();
  if (!loop || !loop->is(Opcode::scf_for)) return false;
  Op *yield = arg->block->last;
  unsigned i = arg->index - 1;
  int64_t start, bound, one;
  if (3 + i >= loop->numOperands() || !constantInt(loop->operand(3 + i), &start)) return false;
  if (!yield || i >= yield->numOperands()) return false;
  const Value *x = nullptr, *y = wrapped(yield->operand(i), &bound);
  if (!y || bound != n || !plusConstant(y, &x, &one) || one != 1 || x != arg) return false;
  if (start < -1 || start >= n) return false;
  *out = {Slot::Cyclic, loop, (start + n) % n, n};
  return true;
}

Slot indexSlot(const Value *v, unsigned depth) {
  Slot s;
  int64_t n, k;
  if (constantInt(v, &k)) return {Slot::Const, nullptr, k, 0};
  if (depth > 8) return s;
  if (v->isArg()) { // the modulus is in the counter's own step
    Op *loop = v->block->parentOp();
    Op *yield = v->block->last;
    if (!loop || !loop->is(Opcode::scf_for) || v->index == 0 || !yield || v->index - 1 >= yield->numOperands()) return s;
    int64_t start;
    if (!wrapped(yield->operand(v->index - 1), &n) || !counter(v, n, &s)) return {};
    if (!constantInt(loop->operand(2 + v->index), &start) || start < 0) return {};
    return s;
  }
  const Value *x = nullptr, *y = wrapped(v, &n);
  if (!y || !plusConstant(y, &x, &k) || k != 1) return {};
  if (!counter(x, n, &s)) {
    s = indexSlot(x, depth + 1);
    if (s.kind != Slot::Cyclic || s.modulus != n) return {};
  }
  s.value = (s.value + 1) % n;
  return s;
}

} // namespace

Slot slotOf(const Value *v) {
  for (unsigned i = 0; i < 32 && v && v->def; ++i) {
    Op *op = v->def;
    SharedKind k = sharedKind(op);
    if (op->is(Opcode::ttg_memdesc_index)) {
      // Only of the whole allocation: an index of an index is a part of a part.
      Op *base = op->operand(0)->def;
      return base && sharedKind(base) == SharedKind::Alloc ? indexSlot(op->operand(1), 0) : Slot{};
    }
    if (k == SharedKind::View)
      v = op->operand(0);
    else if (k == SharedKind::DotWait)
      v = op->operand(v->index);
    else
      break;
  }
  return {};
}

bool mayMeet(const Slot &a, const Slot &b) {
  if (a.kind == Slot::Const && b.kind == Slot::Const) return a.value == b.value;
  if (a.kind == Slot::Cyclic && b.kind == Slot::Cyclic && a.loop == b.loop && a.modulus == b.modulus)
    return a.value == b.value;
  return true;
}

std::string slotText(const Slot &s) {
  if (s.kind == Slot::Const) return tessera::format("slot %lld", static_cast<long long>(s.value));
  if (s.kind == Slot::Cyclic)
    return tessera::format("slot (i + %lld) mod %lld", static_cast<long long>(s.value),
                           static_cast<long long>(s.modulus));
  return "";
}

} // namespace tcodegen::gpu
