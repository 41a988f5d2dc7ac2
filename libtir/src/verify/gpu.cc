// SPDX-License-Identifier: MIT
// Verifier: the GPU level, operation by operation.
#include "checker.hh"
#include "layout/encoding.hh"
#include <algorithm>
#include <bit>

namespace tir {
namespace {

std::string text(Type t) { return typeText(t); }
Type in(const Op *op, unsigned i) { return op->operand(i)->type; }
Type out(const Op *op, unsigned i = 0) { return op->result(i)->type; }
bool equalShape(Span<int64_t> a, Span<int64_t> b) {
  return a.count == b.count && std::equal(a.begin(), a.end(), b.begin());
}
bool inSpace(Type t, std::string_view name) {
  return t->memSpace && t->memSpace->text.view() == name;
}
bool isShared(Type t) { return inSpace(t, "ttg.shared_memory"); }
bool isTensorMemory(Type t) { return inSpace(t, "ttng.tensor_memory"); }
/// An element type without its sign (descriptors have one).
bool sameElement(Type a, Type b) { return a == b || (a->isInt() && b->isInt() && a->width == b->width); }

/// A buffer type alone.
bool checkBuffer(Checker &c, const Op *op, Type t) {
  const Rule rule = Rule::Buffer;
  uint64_t n = 1;
  for (int64_t d : t->shape)
    if (d < 1 || __builtin_mul_overflow(n, static_cast<uint64_t>(d), &n) || n > 1 << 24)
      return c.fail(rule, op, "%s: dimensions must be positive, with at most 2^24 elements", text(t).c_str());
  if (!t->rank()) return c.fail(rule, op, "%s has no dimension", text(t).c_str());
  if (!isShared(t) && !isTensorMemory(t))
    return c.fail(rule, op, "%s is neither in #ttg.shared_memory nor in #ttng.tensor_memory", text(t).c_str());
  uint32_t more = t->allocShape.count - std::min(t->allocShape.count, t->shape.count);
  bool fits = t->allocShape.count >= t->shape.count;
  for (uint32_t i = 0; fits && i < t->shape.count; ++i) fits = t->allocShape[more + i] >= t->shape[i];
  if (!fits) return c.fail(rule, op, "%s is larger than its whole buffer", text(t).c_str());
  const Encoding *e = encodingOf(t->enc);
  if (!e || !isShared(t)) return true;
  bool shared = e->kind == EncKind::SwizzledShared || e->kind == EncKind::NvmmaShared ||
                e->kind == EncKind::SharedLinear || e->kind == EncKind::PaddedShared || e->kind == EncKind::Other;
  if (!shared) return c.fail(rule, op, "%s has a layout that is none of shared memory", text(t).c_str());
  unsigned rank = encodingRank(*e);
  return !rank || rank <= t->rank() || c.fail(rule, op, "%s has a layout of %u dimensions", text(t).c_str(), rank);
}

bool checkAlloc(Checker &c, const Op *op) {
  Type t = out(op);
  bool tensor_memory = op->is(Opcode::ttng_tmem_alloc);
  if (tensor_memory != isTensorMemory(t))
    return c.fail(Rule::Alloc, op, "allocates %s in the other memory", text(t).c_str());
  if (!equalShape(t->shape, t->allocShape)) return c.fail(Rule::Alloc, op, "allocates a part, %s", text(t).c_str());
  if (!op->nops)
    return t->mutable_ || c.fail(Rule::Alloc, op, "%s must be filled or mutable", text(t).c_str());
  return (in(op, 0)->elem == t->elem && equalShape(in(op, 0)->shape, t->shape)) ||
         c.fail(Rule::Alloc, op, "%s is filled with %s", text(t).c_str(), text(in(op, 0)).c_str());
}

/// A tile and the buffer that it comes from or goes to.
bool checkMove(Checker &c, const Op *op, Type tile, Type buffer, bool write, bool whole = true) {
  Type elem = tile->elem->isPtr() ? tile->elem->elem : tile->elem;
  if (!sameElement(elem, buffer->elem) || (whole && !equalShape(tile->shape, buffer->shape)))
    return c.fail(Rule::BufferAccess, op, "%s does not fit %s", text(tile).c_str(), text(buffer).c_str());
  return !write || buffer->mutable_ || c.fail(Rule::BufferAccess, op, "writes %s, which is not mutable", text(buffer).c_str());
}

bool checkIndexed(Checker &c, const Op *op, Type tile, Type index, Type buffer, bool write) {
  int64_t axis = op->intAttr("axis");
  if (index->rank() != buffer->rank() || !equalShape(index->shape, tile->shape) || axis < 0 || axis >= buffer->rank())
    return c.fail(Rule::BufferAccess, op, "indices %s do not fit %s along %lld", text(index).c_str(), text(buffer).c_str(),
                  (long long)axis);
  return checkMove(c, op, tile, buffer, write, false);
}

bool checkView(Checker &c, const Op *op) {
  const Rule rule = Rule::BufferView;
  Type a = in(op, 0), b = out(op);
  auto bad = [&](const char *what) {
    return c.fail(rule, op, "%s: %s -> %s", what, text(a).c_str(), text(b).c_str());
  };
  if (a->memSpace != b->memSpace || (b->mutable_ && !a->mutable_)) return bad("memory space or mutability changes");
  if (op->is(Opcode::ttg_memdesc_reinterpret)) return true;
  if (a->elem != b->elem) return bad("the element type changes");
  switch (op->code) {
  case Opcode::ttg_memdesc_index: {
    Span<int64_t> rest{a->shape.ptr + 1, a->shape.count - 1};
    return equalShape(b->shape, rest) || bad("the result must have all dimensions but the first");
  }
  case Opcode::ttg_memdesc_subslice: {
    Span<int64_t> at = op->attr("offsets")->ints;
    bool fits = at.count == a->rank() && b->rank() == a->rank();
    for (uint32_t d = 0; fits && d < at.count; ++d) fits = at[d] >= 0 && at[d] + b->shape[d] <= a->shape[d];
    return fits || bad("the part must lie in the buffer");
  }
  case Opcode::ttng_tmem_subslice: {
    int64_t dim = op->intAttr("dim", 1), at = op->intAttr("offset");
    bool fits = dim >= 0 && dim < a->rank() && b->rank() == a->rank() && at >= 0 && at + b->shape[dim] <= a->shape[dim];
    return fits || bad("the part must lie in the buffer");
  }
  case Opcode::ttg_memdesc_reshape: return a->count() == b->count() || bad("the number of elements changes");
  default: break;
  }
  Span<int64_t> order = op->attr("order")->ints; // memdesc_trans
  std::vector<bool> seen(a->rank());
  std::vector<unsigned> dims;
  bool fits = order.count == a->rank() && b->rank() == a->rank();
  for (uint32_t d = 0; fits && d < order.count; ++d) {
    fits = order[d] >= 0 && order[d] < a->rank() && !seen[order[d]] && b->shape[d] == a->shape[order[d]];
    if (fits) seen[order[d]] = true;
    dims.push_back(static_cast<unsigned>(order[d]));
  }
  if (!fits) return bad("order must be a permutation that gives the result's shape");
  auto from = sharedLayout(a->enc, a->shape, a->elem->width), to = sharedLayout(b->enc, b->shape, b->elem->width);
  return !from || !to || !isShared(a) || from->transposeOuts(dims).sameMap(*to) || bad("the layouts do not belong together");
}

bool checkProduct(Checker &c, const Op *op) {
  const Rule rule = Rule::GpuDot;
  bool wgmma = op->is(Opcode::ttng_warp_group_dot);
  Type a = in(op, 0), b = in(op, 1), d = in(op, 2);
  auto bad = [&](const char *what) {
    return c.fail(rule, op, "%s: %s * %s -> %s", what, text(a).c_str(), text(b).c_str(), text(d).c_str());
  };
  if (a->rank() != 2 || b->rank() != 2 || d->rank() != 2 || a->shape[1] != b->shape[0] || a->shape[0] != d->shape[0] ||
      b->shape[1] != d->shape[1])
    return bad("dimensions do not fit");
  if (a->elem->isInt() != b->elem->isInt() || a->elem->isInt() != d->elem->isInt()) return bad("integers and floats do not mix");
  if (a->elem->width != b->elem->width && wgmma) return bad("operands must have one bit width");
  if (!isShared(b)) return bad("b must be in shared memory");
  if (!wgmma) return isTensorMemory(d) || bad("the accumulator must be in tensor memory");
  const Encoding *mma = encodingOf(d->enc);
  if (mma && (mma->kind != EncKind::NvidiaMma || mma->versionMajor != 3)) return bad("the accumulator needs #ttg.nvidia_mma of version 3");
  if (a->isMemDesc()) return isShared(a) || bad("a must be in shared memory");
  const Encoding *e = encodingOf(a->enc);
  return (e && e->kind == EncKind::DotOp && e->opIdx == 0 && sameLayout(e->parent, d->enc, d->shape)) ||
         bad("a in registers needs the accumulator's #ttg.dot_op");
}

bool isBarrier(Type t) { return t->isMemDesc() && isShared(t) && t->mutable_ && t->elem->isInt(64); }

bool checkBarrier(Checker &c, const Op *op, unsigned slot) {
  Type t = op->slot(slot)->type;
  if (!isBarrier(t)) return c.fail(Rule::MBarrier, op, "an mbarrier is a mutable i64 in shared memory, found %s", text(t).c_str());
  if (op->attr("count") && op->intAttr("count") < 1) return c.fail(Rule::MBarrier, op, "count must be positive");
  if (op->attr("size") && op->intAttr("size") < 0) return c.fail(Rule::MBarrier, op, "size must not be negative");
  return true;
}

bool checkCopy(Checker &c, const Op *op) { // by descriptor
  const Rule rule = Rule::TmaCopy;
  bool rows = op->is(Opcode::ttng_async_tma_gather) || op->is(Opcode::ttng_async_tma_scatter);
  bool load = op->is(Opcode::ttng_async_tma_copy_global_to_local) || op->is(Opcode::ttng_async_tma_gather);
  Type desc = in(op, 0), buffer = op->slot(load ? 4 : rows ? 3 : 2)->type;
  if (load && !isBarrier(op->slot(3)->type))
    return c.fail(Rule::MBarrier, op, "an mbarrier is a mutable i64 in shared memory, found %s", text(op->slot(3)->type).c_str());
  unsigned first, n;
  op->slotRange(1, &first, &n);
  int64_t parts = 1;
  if (rows) parts = safeCount(in(op, 1));
  else if (n != desc->rank()) return c.fail(rule, op, "needs %u coordinates for %s, found %u", desc->rank(), text(desc).c_str(), n);
  if (!isShared(buffer) || !sameElement(desc->elem, buffer->elem) || safeCount(desc) * parts != safeCount(buffer))
    return c.fail(rule, op, "block %s does not fit %s", text(desc).c_str(), text(buffer).c_str());
  return !load || buffer->mutable_ || c.fail(rule, op, "writes %s, which is not mutable", text(buffer).c_str());
}

bool checkFp4(Checker &c, const Op *op) {
  Type a = in(op, 0), b = out(op);
  int64_t axis = op->intAttr("axis");
  bool ok = a->elem->isInt(8) && a->rank() == b->rank() && axis >= 0 && axis < a->rank();
  for (unsigned d = 0; ok && d < a->rank(); ++d) ok = b->shape[d] == a->shape[d] * (d == axis ? 2 : 1);
  return ok || c.fail(Rule::Fp4, op, "%s does not unpack to %s along %lld", text(a).c_str(), text(b).c_str(), (long long)axis);
}

bool checkTensormap(Checker &c, const Op *op) {
  unsigned first, n[4];
  for (unsigned i = 0; i < 4; ++i) op->slotRange(2 + i, &first, &n[i]);
  return (n[0] >= 1 && n[0] <= 5 && n[1] == n[0] && n[2] + 1 == n[0] && n[3] == n[0]) ||
         c.fail(Rule::Tensormap, op, "needs 1 to 5 box and global sizes and element strides, and a stride less, found %u, %u, %u and %u",
                n[0], n[1], n[3], n[2]);
}

} // namespace

bool checkGpuOp(Checker &c, const Op *op) {
  for (unsigned i = 0; i < op->nops + op->nres; ++i)
    if (Type t = i < op->nops ? in(op, i) : out(op, i - op->nops); t->isMemDesc() && !checkBuffer(c, op, t)) return false;
  switch (op->code) {
  case Opcode::ttg_convert_layout:
    return (in(op, 0)->elem == out(op)->elem && sameShape(in(op, 0), out(op)) && in(op, 0)->enc && out(op)->enc) ||
           c.fail(Rule::Convert, op, "%s and %s must differ in layout only", text(in(op, 0)).c_str(), text(out(op)).c_str());
  case Opcode::ttg_fp4_to_fp: return checkFp4(c, op);
  case Opcode::ttg_local_alloc:
  case Opcode::ttng_tmem_alloc: return checkAlloc(c, op);
  case Opcode::ttg_local_load:
  case Opcode::ttng_tmem_load: return checkMove(c, op, out(op), in(op, 0), false);
  case Opcode::ttg_local_store: return checkMove(c, op, in(op, 0), in(op, 1), true);
  case Opcode::ttng_tmem_store: return checkMove(c, op, op->slot(2)->type, in(op, 0), true);
  case Opcode::ttg_async_copy_global_to_local: return checkMove(c, op, in(op, 0), in(op, 1), true);
  case Opcode::ttg_local_gather: return checkIndexed(c, op, out(op), in(op, 1), in(op, 0), false);
  case Opcode::ttg_local_scatter: return checkIndexed(c, op, in(op, 1), in(op, 2), in(op, 0), true);
  case Opcode::ttg_memdesc_index: case Opcode::ttg_memdesc_subslice: case Opcode::ttg_memdesc_trans:
  case Opcode::ttg_memdesc_reshape: case Opcode::ttg_memdesc_reinterpret: case Opcode::ttng_tmem_subslice:
    return checkView(c, op);
  case Opcode::ttng_warp_group_dot:
  case Opcode::ttng_tc_gen5_mma: return checkProduct(c, op);
  case Opcode::ttng_init_barrier: case Opcode::ttng_inval_barrier: case Opcode::ttng_barrier_expect:
  case Opcode::ttng_wait_barrier: case Opcode::ttng_arrive_barrier: case Opcode::ttng_async_copy_mbarrier_arrive:
  case Opcode::ttng_tc_gen5_commit:
    return checkBarrier(c, op, 0);
  case Opcode::ttng_async_tma_copy_global_to_local: case Opcode::ttng_async_tma_copy_local_to_global:
  case Opcode::ttng_async_tma_reduce: case Opcode::ttng_async_tma_gather: case Opcode::ttng_async_tma_scatter:
    return checkCopy(c, op);
  case Opcode::ttng_tensormap_create: return checkTensormap(c, op);
  case Opcode::ttg_global_scratch_alloc: {
    int64_t align = op->intAttr("alignment");
    return (op->intAttr("nbytes") > 0 && align > 0 && !(align & (align - 1))) ||
           c.fail(Rule::Scratch, op, "needs a positive size and an alignment that is a power of two");
  }
  default: return true;
  }
}

} // namespace tir
