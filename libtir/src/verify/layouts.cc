// SPDX-License-Identifier: MIT
// Verifier: encodings of tiles. The maps decide (layout/encoding.hh), never the spelling; an encoding without a map
// is compared as an attribute.
#include "checker.hh"
#include "layout/encoding.hh"
#include <bit>

namespace tir {
namespace {

std::string text(Type t) { return typeText(t); }

/// Registers that repeat others make no difference.
bool sameUpToRepeats(const LinearLayout &a, const LinearLayout &b) {
  return a.sameMap(b) || a.removeFreeRegisters() == b.removeFreeRegisters();
}

bool alike(Attr a, Attr b, Span<int64_t> shape) {
  if (a == b) return true;
  auto x = distributedLayout(a, shape), y = distributedLayout(b, shape);
  return x && y && sameUpToRepeats(*x, *y);
}

/// `expected` (from the other side's map) is the map of `t`; nothing is known without maps.
bool fits(const std::optional<LinearLayout> &expected, Type t) {
  auto own = layoutOf(t);
  return !expected || !own || sameUpToRepeats(*expected, *own);
}

bool isPowerOfTwoShape(Type t) {
  for (int64_t d : t->shape)
    if (d < 1 || (d & (d - 1))) return false;
  return true;
}

/// The layout of a tile alone: of its rank, distributed, with the program's lanes and warps.
bool checkLayout(Checker &c, const Op *op, Type t) {
  if (!t->isTensor() || !t->enc) return true;
  if (t->id < c.goodLayouts.size() && c.goodLayouts[t->id]) return true;
  const Encoding *e = encodingOf(t->enc);
  if (e) {
    bool shared = e->kind == EncKind::SwizzledShared || e->kind == EncKind::NvmmaShared ||
                  e->kind == EncKind::SharedLinear || e->kind == EncKind::PaddedShared || e->kind == EncKind::SharedMemory;
    if (shared) return c.fail(Rule::Layout, op, "%s has a layout of shared memory", text(t).c_str());
    unsigned rank = encodingRank(*e);
    if (rank && rank != t->rank())
      return c.fail(Rule::Layout, op, "%s has a layout of %u dimensions", text(t).c_str(), rank);
    auto map = isPowerOfTwoShape(t) ? layoutOf(t) : std::nullopt;
    struct { Dim dim; const char *attr, *what; } sizes[] = {
        {Dim::Warp, "ttg.num-warps", "warps"}, {Dim::Lane, "ttg.threads-per-warp", "lanes"}};
    for (auto &s : sizes) {
      Attr n = c.module.op->attr(s.attr);
      if (!map || !n || n->kind != AttrKind::Int || n->ival < 1) continue;
      if (uint64_t(1) << map->inBits(s.dim) != static_cast<uint64_t>(n->ival))
        return c.fail(Rule::Layout, op, "%s is laid out over %llu %s; the module has %lld", text(t).c_str(),
                      1ull << map->inBits(s.dim), s.what, (long long)n->ival);
    }
  }
  if (t->id >= c.goodLayouts.size()) c.goodLayouts.resize(t->id + 64);
  c.goodLayouts[t->id] = true;
  return true;
}

/// Types of all operands and results that are tiles.
std::vector<Type> tiles(const Op *op) {
  std::vector<Type> out;
  for (unsigned i = 0; i < op->nops + op->nres; ++i)
    if (Type t = i < op->nops ? op->operand(i)->type : op->result(i - op->nops)->type; t->isTensor()) out.push_back(t);
  return out;
}

bool sameForAll(Checker &c, const Op *op, const std::vector<Type> &list) {
  for (Type t : list)
    if (sameShape(t, list[0]) && !alike(list[0]->enc, t->enc, t->shape))
      return c.fail(Rule::SameLayout, op, "has tiles of different layouts, %s and %s", text(list[0]).c_str(), text(t).c_str());
  return true;
}

bool relation(Checker &c, const Op *op, bool ok, Type a, Type b) {
  return ok || c.fail(Rule::RelatedLayout, op, "the layouts of %s and %s do not belong together", text(a).c_str(),
                      text(b).c_str());
}

/// `small` has dimension `axis` of `large` forgotten.
bool isSlice(Context &ctx, Type small, Type large, unsigned axis) {
  Attr slice = sliceAttr(ctx, axis, large->enc);
  return !slice || alike(slice, small->enc, small->shape);
}

/// Every thread has of `small` what it needs for its elements of `large`.
bool isBroadcast(Type small, Type large) {
  auto s = layoutOf(small), l = layoutOf(large);
  if (!s || !l) return true;
  Columns projected;
  for (uint64_t column : l->columns()) {
    uint64_t at = 0;
    for (unsigned d = 0; d < small->rank(); ++d)
      if (small->shape[d] != 1) at |= l->coordinate(column, tensorDim(d)) << s->outStart(tensorDim(d));
    projected.push_back(at);
  }
  return sameUpToRepeats(LinearLayout(l->in(), s->out(), projected), *s);
}

/// `joined` has one more dimension of size 2, whose halves are in two registers of one thread; without that register
/// bit it is `part`.
bool isJoin(Type part, Type joined) {
  auto p = layoutOf(part), j = layoutOf(joined);
  if (!p || !j) return true;
  Columns rest;
  std::vector<DimBits> in = j->in();
  bool found = false;
  for (unsigned k = 0; k < j->inBits(); ++k) {
    uint64_t column = j->columns()[k];
    bool reg = k >= j->inStart(Dim::Register) && k < j->inStart(Dim::Register) + j->inBits(Dim::Register);
    if (column == 1 && reg && !found) { // the last dimension has the lowest bit
      found = true;
      continue;
    }
    if (column & 1) return false;
    rest.push_back(column >> 1);
  }
  for (DimBits &d : in)
    if (d.dim == Dim::Register && found) --d.bits;
  return found && sameUpToRepeats(LinearLayout(in, p->out(), rest), *p);
}

bool checkRelation(Checker &c, const Op *op) {
  Type a = op->nops ? op->operand(0)->type : nullptr, b = op->nres ? op->result(0)->type : nullptr;
  if (!a || !b || !a->isTensor() || !b->isTensor() || !isPowerOfTwoShape(a) || !isPowerOfTwoShape(b)) return true;
  Context &ctx = *op->ctx();
  switch (op->code) {
  case Opcode::tt_expand_dims:
    return relation(c, op, isSlice(ctx, a, b, static_cast<unsigned>(op->intAttr("axis"))), a, b);
  case Opcode::tt_reduce:
    for (unsigned i = 0; i < op->nres; ++i) {
      Type r = op->result(i)->type;
      if (r->isTensor() && !relation(c, op, isSlice(ctx, r, op->operand(i)->type, static_cast<unsigned>(op->intAttr("axis"))), op->operand(i)->type, r))
        return false;
    }
    return true;
  case Opcode::tt_broadcast: return relation(c, op, a->enc == b->enc || isBroadcast(a, b), a, b);
  case Opcode::tt_trans: {
    std::vector<unsigned> order;
    for (int64_t d : op->attr("order")->ints) order.push_back(static_cast<unsigned>(d));
    auto map = layoutOf(a);
    if (map) map = map->transposeOuts(order);
    return relation(c, op, fits(map, b), a, b);
  }
  case Opcode::tt_reshape: {
    if (op->attr("allow_reorder")) return true;
    std::vector<unsigned> bits;
    for (int64_t d : b->shape) bits.push_back(static_cast<unsigned>(std::countr_zero(static_cast<uint64_t>(d))));
    auto map = layoutOf(a);
    if (map) map = map->reshapeOuts(bits);
    return relation(c, op, fits(map, b), a, b);
  }
  case Opcode::tt_join: return relation(c, op, isJoin(a, b), a, b);
  case Opcode::tt_split: return relation(c, op, isJoin(b, a), a, b);
  case Opcode::tt_gather: {
    Type index = op->operand(1)->type;
    return relation(c, op, alike(index->enc, b->enc, b->shape), index, b);
  }
  default: return true;
  }
}

/// tt.dot with a matrix unit's accumulator: operands in the layouts that belong to it.
bool checkDotLayout(Checker &c, const Op *op) {
  Type d = op->result(0)->type;
  const Encoding *mma = encodingOf(d->enc);
  for (unsigned i = 0; mma && i < 2; ++i) {
    Type t = op->operand(i)->type;
    const Encoding *e = encodingOf(t->enc);
    bool ok = e && e->kind == EncKind::DotOp ? e->opIdx == i && alike(e->parent, d->enc, d->shape)
                                             : mma->kind != EncKind::NvidiaMma;
    if (!ok)
      return c.fail(Rule::DotLayout, op, "operand %u, %s, is not laid out as that of %s", i, text(t).c_str(), text(d).c_str());
  }
  const Encoding *a = encodingOf(op->operand(0)->type->enc), *b = encodingOf(op->operand(1)->type->enc);
  bool both = a && b && a->kind == EncKind::DotOp && b->kind == EncKind::DotOp;
  return !both || a->kWidth == b->kWidth ||
         c.fail(Rule::DotLayout, op, "operands have kWidth %u and %u", a->kWidth, b->kWidth);
}

} // namespace

bool checkLayouts(Checker &c, const Op *op) {
  std::vector<Type> list = tiles(op);
  if (list.empty()) return true;
  bool any = false, all = true;
  for (Type t : list) {
    any |= t->enc != nullptr;
    all &= t->enc != nullptr;
  }
  if (!any) return true;
  if (!all && op->parentOp() && !op->info().has(TraitRecursiveEffects | TraitTerminator))
    return c.fail(Rule::Layout, op, "has tiles with a layout and tiles without");
  if (!all) return true;
  for (Type t : list)
    if (!checkLayout(c, op, t)) return false;
  switch (op->code) {
  case Opcode::tt_load: case Opcode::tt_store: case Opcode::tt_atomic_rmw: case Opcode::tt_atomic_cas:
  case Opcode::tt_atomic_load: case Opcode::tt_atomic_store: case Opcode::tt_atomic_poll: case Opcode::tt_scan:
  case Opcode::tt_map_elementwise: case Opcode::ttg_async_copy_global_to_local:
    return sameForAll(c, op, list);
  case Opcode::tt_dot: return sameForAll(c, op, {op->operand(2)->type, op->result(0)->type}) && checkDotLayout(c, op);
  default: break;
  }
  if (op->info().has(TraitElementwise | TraitSameType)) return sameForAll(c, op, list);
  return checkRelation(c, op);
}

} // namespace tir
