// SPDX-License-Identifier: MIT
// Verifier: what the columns of the op table cannot say, operation by operation.
#include "checker.hh"

namespace tir {
namespace {

std::string text(Type t) { return typeText(t); }
Type in(const Op *op, unsigned i) { return op->operand(i)->type; }
Type out(const Op *op, unsigned i = 0) { return op->result(i)->type; }

unsigned bitWidth(Type t) { return t->isInt() || t->isFloat() ? t->width : t->isPtr() ? 64 : 0; }

// ---- casts and values -------------------------------------------------------------------------------------

bool checkBitcast(Checker &c, const Op *op) {
  Type a = in(op, 0)->scalar(), b = out(op)->scalar();
  if (a->isPtr() != b->isPtr())
    return c.fail(Rule::Bitcast, op, "cannot turn %s into %s; use tt.ptr_to_int or tt.int_to_ptr", text(a).c_str(),
                  text(b).c_str());
  if (a->isPtr())
    return a->space == b->space ||
           c.fail(Rule::Bitcast, op, "must keep the address space, found %u and %u", a->space, b->space);
  return bitWidth(a) == bitWidth(b) ||
         c.fail(Rule::Bitcast, op, "must keep the width, found %s and %s", text(a).c_str(), text(b).c_str());
}

bool checkCast(Checker &c, const Op *op) {
  Type a = in(op, 0)->scalar(), b = out(op)->scalar();
  auto bad = [&](const char *what) {
    return c.fail(Rule::CastWidth, op, "must %s, found %s to %s", what, text(a).c_str(), text(b).c_str());
  };
  switch (op->code) {
  case Opcode::arith_extsi: case Opcode::arith_extui: case Opcode::arith_extf:
    return b->width > a->width || bad("give a wider type");
  case Opcode::arith_trunci: case Opcode::arith_truncf: return b->width < a->width || bad("give a narrower type");
  case Opcode::arith_convertf: return (b->width == a->width && a != b) || bad("give another type of the same width");
  default: return (a->kind == TypeKind::Index) != (b->kind == TypeKind::Index) || bad("have index on one side");
  }
}

bool checkConstant(Checker &c, const Op *op) {
  Attr v = op->attr("value");
  Type t = out(op), s = t->scalar();
  auto bad = [&](const char *what) { return c.fail(Rule::Constant, op, "%s, for type %s", what, text(t).c_str()); };
  if (v->kind == AttrKind::Opaque) return bad("the value is neither a number nor a dense tile");
  if (v->kind != AttrKind::Dense && t->isTensor()) return bad("a tile needs a dense value");
  if (v->kind == AttrKind::Dense) {
    if (!t->isTensor()) return bad("a dense value needs a tile");
    if (!s->isInt() && !s->isFloat() && s->kind != TypeKind::Index) return bad("elements must be numbers");
    int64_t n = t->count();
    bool splat = v->bval && v->bits.size() == 1;
    return splat || (int64_t)v->bits.size() == n || bad("the dense value has another number of elements");
  }
  if (v->kind == AttrKind::Float) return s->isFloat() || bad("a float value needs a float type");
  if (v->kind == AttrKind::Bool) return s->isInt(1) || bad("true and false are i1");
  if (!s->isInt() && s->kind != TypeKind::Index) return bad("an integer value needs an integer type");
  if (s->isInt() && s->width < 64) {
    int64_t low = -((int64_t)1 << (s->width - 1)), high = ((int64_t)1 << s->width) - 1;
    if (v->ival < low || v->ival > high) return bad("the integer does not fit");
  }
  return true;
}

// ---- memory -----------------------------------------------------------------------------------------------

bool checkCache(Checker &c, const Op *op) {
  int64_t cache = op->intAttr("cache", 1);
  const char *name = enumCase(*op->info().attr("cache")->enums, cache)->spelling;
  if (op->is(Opcode::tt_load) && (cache == 4 || cache == 6))
    return c.fail(Rule::CacheModifier, op, "cache modifier '%s' is not for loads", name);
  if (op->is(Opcode::tt_store) && (cache == 2 || cache == 7))
    return c.fail(Rule::CacheModifier, op, "cache modifier '%s' is not for stores", name);
  return true;
}

bool checkTensorPtrAccess(Checker &c, const Op *op) {
  Type ptr = in(op, 0);
  Attr bounds = op->attr("boundaryCheck");
  bool block = ptr->isPtr() && ptr->elem->isTensor();
  if (!block) {
    if (bounds && !bounds->ints.empty())
      return c.fail(Rule::TensorPtr, op, "boundary checks need a block pointer, found %s", text(ptr).c_str());
    return true;
  }
  if (op->nops > (op->is(Opcode::tt_load) ? 1u : 2u))
    return c.fail(Rule::TensorPtr, op, "takes no mask with a block pointer");
  if (bounds)
    for (int64_t d : bounds->ints)
      if (d < 0 || d >= ptr->elem->rank())
        return c.fail(Rule::TensorPtr, op, "boundary check of dimension %lld of %s", (long long)d, text(ptr).c_str());
  return true;
}

bool checkMakeTensorPtr(Checker &c, const Op *op) {
  Type ptr = op->is(Opcode::tt_advance) ? in(op, 0) : out(op);
  unsigned rank = ptr->elem->rank();
  for (unsigned i = 1; i < op->info().num_operands; ++i) {
    unsigned first, n;
    op->slotRange(i, &first, &n);
    if (n != rank)
      return c.fail(Rule::TensorPtr, op, "needs %u values as '%s' for %s, found %u", rank, op->info().operands[i].name,
                    text(ptr).c_str(), n);
  }
  if (op->is(Opcode::tt_advance)) return true;
  std::vector<bool> seen(rank);
  Attr order = op->attr("order");
  for (int64_t d : order->ints) {
    if (d < 0 || d >= rank || seen[d]) return c.fail(Rule::TensorPtr, op, "order must be a permutation of the dimensions");
    seen[d] = true;
  }
  return order->ints.size() == rank || c.fail(Rule::TensorPtr, op, "order must have %u entries", rank);
}

bool checkAtomic(Checker &c, const Op *op) {
  int64_t sem = op->intAttr("sem"); // 1 relaxed, 2 acquire, 3 release, 4 acq_rel
  Type value = op->is(Opcode::tt_atomic_load) ? out(op)->scalar() : in(op, 1)->scalar();
  switch (op->code) {
  case Opcode::tt_atomic_load:
  case Opcode::tt_atomic_poll:
    if (sem != 1 && sem != 2) return c.fail(Rule::AtomicOrder, op, "must be acquire or relaxed");
    break;
  case Opcode::tt_atomic_store:
    if (sem != 1 && sem != 3) return c.fail(Rule::AtomicOrder, op, "must be release or relaxed");
    break;
  default: break;
  }
  if (op->is(Opcode::tt_atomic_rmw)) {
    int64_t kind = op->intAttr("atomic_rmw_op"); // 5 fadd, 10 exch; others on integers
    if (kind == 5 && !value->isFloat())
      return c.fail(Rule::AtomicType, op, "fadd adds floats, found %s", text(value).c_str());
    if (kind != 5 && kind != 10 && !value->isInt())
      return c.fail(Rule::AtomicType, op, "'%s' works on integers, found %s",
                    enumCase(*op->info().attr("atomic_rmw_op")->enums, kind)->spelling, text(value).c_str());
    return true;
  }
  if (op->is(Opcode::tt_atomic_poll))
    return value->width >= 16 || c.fail(Rule::AtomicType, op, "polls integers of 16, 32 or 64 bits, found %s",
                                        text(value).c_str());
  unsigned width = bitWidth(value);
  return width % 8 == 0 || c.fail(Rule::AtomicType, op, "does not access single bits (%s)", text(value).c_str());
}

/// A descriptor's element type as tiles have it (signless).
bool sameElement(Type desc, Type elem) {
  Type d = desc->elem;
  return d == elem || (d->isInt() && elem->isInt() && d->width == elem->width);
}

bool checkDescriptorAccess(Checker &c, const Op *op) {
  const Rule rule = Rule::Descriptor;
  Type desc = in(op, 0);
  bool load = op->is(Opcode::tt_descriptor_load);
  Type tile = load ? out(op) : in(op, 1);
  unsigned first, n;
  op->slotRange(load ? 1 : 2, &first, &n);
  if (n != desc->rank())
    return c.fail(rule, op, "needs %u offsets for %s, found %u", desc->rank(), text(desc).c_str(), n);
  if (!sameElement(desc, tile->elem) || safeCount(desc) != safeCount(tile))
    return c.fail(rule, op, "block %s does not fit tile %s", text(desc).c_str(), text(tile).c_str());
  std::vector<int64_t> a, b; // shapes without dimensions of size 1
  for (int64_t d : desc->shape)
    if (d != 1) a.push_back(d);
  for (int64_t d : tile->shape)
    if (d != 1) b.push_back(d);
  if (a != b) return c.fail(rule, op, "block %s does not fit tile %s", text(desc).c_str(), text(tile).c_str());
  if (op->is(Opcode::tt_descriptor_reduce)) {
    int64_t kind = op->intAttr("kind"); // 1 add, 2 min, 3 max; others on integers
    if (kind > 3 && !tile->elem->isInt())
      return c.fail(rule, op, "'%s' works on integers, found %s", enumCase(*op->info().attr("kind")->enums, kind)->spelling,
                    text(tile).c_str());
  }
  return true;
}

bool checkMakeDescriptor(Checker &c, const Op *op) {
  Type base = in(op, 0), desc = out(op);
  unsigned first, shape, strides;
  op->slotRange(1, &first, &shape);
  op->slotRange(2, &first, &strides);
  if (shape != desc->rank() || strides != desc->rank() || !shape || shape > 5)
    return c.fail(Rule::Descriptor, op, "needs as many shapes and strides as %s has dimensions (1 to 5), found %u and %u",
                  text(desc).c_str(), shape, strides);
  return sameElement(desc, base->elem) || c.fail(Rule::Descriptor, op, "base %s does not fit %s", text(base).c_str(),
                                                 text(desc).c_str());
}

bool checkDescriptorRows(Checker &c, const Op *op) {
  const Rule rule = Rule::DescriptorRows;
  Type desc = in(op, 0), rows = in(op, 1);
  Type tile = op->is(Opcode::tt_descriptor_gather) ? out(op) : in(op, 3);
  if (desc->rank() != 2 || desc->shape[0] != 1)
    return c.fail(rule, op, "needs a block of one row, found %s", text(desc).c_str());
  if (rows->rank() != 1) return c.fail(rule, op, "row offsets must have one dimension, found %s", text(rows).c_str());
  if (tile->rank() != 2 || tile->shape[0] != rows->shape[0] || tile->shape[1] != desc->shape[1] ||
      !sameElement(desc, tile->elem))
    return c.fail(rule, op, "block %s and offsets %s do not fit tile %s", text(desc).c_str(), text(rows).c_str(),
                  text(tile).c_str());
  unsigned width = bitWidth(tile->elem);
  if (rows->shape[0] < 8) return c.fail(rule, op, "needs at least 8 rows, found %s", text(rows).c_str());
  if (!width || width > 32 || tile->shape[1] < 8 * (int64_t)(32 / width))
    return c.fail(rule, op, "a row must have at least %u elements of at most 32 bits, found %s",
                  width ? 8 * (32 / (width > 32 ? 32 : width)) : 8, text(tile).c_str());
  return true;
}

// ---- shapes -----------------------------------------------------------------------------------------------

bool checkReshape(Checker &c, const Op *op) {
  Type a = in(op, 0), b = out(op);
  return (a->elem == b->elem && safeCount(a) == safeCount(b)) ||
         c.fail(Rule::Reshape, op, "%s and %s differ in element type or count", text(a).c_str(), text(b).c_str());
}

bool checkBroadcast(Checker &c, const Op *op) {
  Type a = in(op, 0), b = out(op);
  bool ok = a->elem == b->elem && a->rank() == b->rank();
  for (unsigned i = 0; ok && i < a->rank(); ++i) ok = a->shape[i] == b->shape[i] || a->shape[i] == 1;
  return ok || c.fail(Rule::Broadcast, op, "%s does not broadcast to %s", text(a).c_str(), text(b).c_str());
}

bool checkSplat(Checker &c, const Op *op) {
  Type a = in(op, 0), b = out(op);
  if (op->is(Opcode::tt_unsplat))
    return safeCount(a) == 1 || c.fail(Rule::Splat, op, "takes one element, found %s", text(a).c_str());
  return (a->rank() == 0 && a->scalar() == b->elem) ||
         c.fail(Rule::Splat, op, "%s does not fill %s", text(a).c_str(), text(b).c_str());
}

bool checkCat(Checker &c, const Op *op) {
  Type a = in(op, 0), b = out(op);
  return (a->elem == b->elem && safeCount(b) == 2 * safeCount(a)) ||
         c.fail(Rule::Cat, op, "two of %s do not give %s", text(a).c_str(), text(b).c_str());
}

bool checkGather(Checker &c, const Op *op) {
  Type src = in(op, 0), index = in(op, 1);
  int64_t axis = op->intAttr("axis");
  if (src->rank() != index->rank() || axis < 0 || axis >= src->rank())
    return c.fail(Rule::Gather, op, "axis %lld with source %s and indices %s", (long long)axis, text(src).c_str(),
                  text(index).c_str());
  for (unsigned i = 0; i < src->rank(); ++i)
    if (i != axis && src->shape[i] != index->shape[i])
      return c.fail(Rule::Gather, op, "source %s and indices %s differ in dimension %u", text(src).c_str(),
                    text(index).c_str(), i);
  return true;
}

// ---- matrices ---------------------------------------------------------------------------------------------

bool checkDot(Checker &c, const Op *op) {
  Type a = in(op, 0), b = in(op, 1), acc = in(op, 2);
  unsigned r = a->rank();
  auto bad = [&](const char *what) {
    return c.fail(Rule::Dot, op, "%s: %s * %s -> %s", what, text(a).c_str(), text(b).c_str(), text(acc).c_str());
  };
  if ((r != 2 && r != 3) || b->rank() != r || acc->rank() != r) return bad("needs two or three dimensions");
  if (a->shape[r - 1] != b->shape[r - 2] || acc->shape[r - 2] != a->shape[r - 2] ||
      acc->shape[r - 1] != b->shape[r - 1] || (r == 3 && (a->shape[0] != b->shape[0] || a->shape[0] != acc->shape[0])))
    return bad("dimensions do not fit");
  if (a->elem->isInt() != b->elem->isInt() || a->elem->isInt() != acc->elem->isInt())
    return bad("integers and floats do not mix");
  return a->elem->width == b->elem->width || bad("operands must have one bit width");
}

bool checkDotScaled(Checker &c, const Op *op) {
  const Rule rule = Rule::DotScaled;
  Type acc = in(op, 2);
  unsigned r = acc->rank();
  if (r != 2 && r != 3) return c.fail(rule, op, "needs two or three dimensions, found %s", text(acc).c_str());
  int64_t outer[2], k[2], factor = 0;
  for (unsigned side = 0; side < 2; ++side) { // 0: a is M×K, 1: b is K×N
    Type t = in(op, side);
    const char *name = side ? "b" : "a";
    bool e2m1 = op->intAttr(side ? "b_elem_type" : "a_elem_type") == 4;
    bool k_pack = op->intAttr(side ? "rhs_k_pack" : "lhs_k_pack", 1);
    if (t->rank() != r || (r == 3 && t->shape[0] != acc->shape[0]))
      return c.fail(rule, op, "'%s' %s does not fit %s", name, text(t).c_str(), text(acc).c_str());
    if (e2m1 && !t->elem->isInt(8))
      return c.fail(rule, op, "'%s' holds two e2m1 values in each i8, found %s", name, text(t).c_str());
    outer[side] = t->shape[side ? r - 1 : r - 2] * (e2m1 && !k_pack ? 2 : 1);
    k[side] = t->shape[side ? r - 2 : r - 1] * (e2m1 && k_pack ? 2 : 1);
  }
  if (k[0] != k[1] || outer[0] != acc->shape[r - 2] || outer[1] != acc->shape[r - 1])
    return c.fail(rule, op, "%lld×%lld and %lld×%lld do not multiply to %s", (long long)outer[0], (long long)k[0],
                  (long long)k[1], (long long)outer[1], text(acc).c_str());
  for (unsigned side = 0; side < 2; ++side) {
    Value *scale = op->slot(3 + side);
    if (!scale || safeCount(scale->type) == 1) continue;
    Type t = scale->type;
    if (t->rank() != r || t->shape[r - 2] != outer[side] || (r == 3 && t->shape[0] != acc->shape[0]))
      return c.fail(rule, op, "scale %s does not fit %lld rows", text(t).c_str(), (long long)outer[side]);
    int64_t n = t->shape[r - 1], f = n ? k[side] / n : 0;
    if (f * n != k[side] || (f != 16 && f != 32))
      return c.fail(rule, op, "scale %s must have one entry for 16 or 32 of %lld elements along K", text(t).c_str(),
                    (long long)k[side]);
    if (factor && factor != f)
      return c.fail(rule, op, "scales cover %lld and %lld elements", (long long)factor, (long long)f);
    factor = f;
  }
  return true;
}

// ---- scalar regions ---------------------------------------------------------------------------------------

bool checkTiles(Checker &c, const Op *op) {
  bool map = op->is(Opcode::tt_map_elementwise);
  const Rule rule = map ? Rule::MapElementwise : Rule::Combine;
  if (!op->nops) return c.fail(rule, op, "needs a tile");
  Type shape = in(op, 0);
  for (unsigned i = 0; i < op->nops + (map ? op->nres : 0); ++i)
    if (Type t = i < op->nops ? in(op, i) : out(op, i - op->nops); !sameShape(t, shape))
      return c.fail(rule, op, "has tiles of different shapes, %s and %s", text(shape).c_str(), text(t).c_str());
  if (!map) {
    int64_t axis = op->intAttr("axis");
    return (axis >= 0 && axis < shape->rank()) ||
           c.fail(rule, op, "axis must be 0 to %d, found %lld", (int)shape->rank() - 1, (long long)axis);
  }
  int64_t pack = op->intAttr("pack");
  if (pack < 1 || (pack & (pack - 1)) || pack > 4096)
    return c.fail(rule, op, "pack must be a power of two up to 4096, found %lld", (long long)pack);
  return safeCount(shape) % pack == 0 || c.fail(rule, op, "pack %lld does not divide the elements of %s",
                                                (long long)pack, text(shape).c_str());
}

// ---- foreign code -----------------------------------------------------------------------------------------

bool checkInlineAsm(Checker &c, const Op *op) {
  int64_t packed = op->intAttr("packed_element");
  if (!op->nres) return c.fail(Rule::InlineAsm, op, "must give a result");
  if (packed < 1) return c.fail(Rule::InlineAsm, op, "packed_element must be positive, found %lld", (long long)packed);
  if (op->nops && in(op, 0)->isTensor() && safeCount(in(op, 0)) % packed)
    return c.fail(Rule::InlineAsm, op, "packed_element %lld does not divide the elements of %s", (long long)packed,
                  text(in(op, 0)).c_str());
  return true;
}

} // namespace

bool checkOp(Checker &c, const Op *op) {
  switch (op->code) {
  case Opcode::tt_fp_to_fp:
    return op->attr("rounding") || out(op)->scalar()->width >= in(op, 0)->scalar()->width ||
           c.fail(Rule::FpToFp, op, "needs a rounding to narrow %s to %s", text(in(op, 0)).c_str(), text(out(op)).c_str());
  case Opcode::tt_bitcast:
  case Opcode::arith_bitcast: return checkBitcast(c, op);
  case Opcode::arith_extsi: case Opcode::arith_extui: case Opcode::arith_extf: case Opcode::arith_trunci:
  case Opcode::arith_truncf: case Opcode::arith_convertf: case Opcode::arith_index_cast:
  case Opcode::arith_index_castui:
    return checkCast(c, op);
  case Opcode::arith_constant: return checkConstant(c, op);
  case Opcode::tt_load:
  case Opcode::tt_store: return checkCache(c, op) && checkTensorPtrAccess(c, op);
  case Opcode::tt_make_tensor_ptr:
  case Opcode::tt_advance: return checkMakeTensorPtr(c, op);
  case Opcode::tt_atomic_rmw: case Opcode::tt_atomic_cas: case Opcode::tt_atomic_load: case Opcode::tt_atomic_store:
  case Opcode::tt_atomic_poll:
    return checkAtomic(c, op);
  case Opcode::tt_descriptor_load: case Opcode::tt_descriptor_store: case Opcode::tt_descriptor_reduce:
    return checkDescriptorAccess(c, op);
  case Opcode::tt_make_tensor_descriptor: return checkMakeDescriptor(c, op);
  case Opcode::tt_descriptor_gather:
  case Opcode::tt_descriptor_scatter: return checkDescriptorRows(c, op);
  case Opcode::tt_reshape: return checkReshape(c, op);
  case Opcode::tt_broadcast: return checkBroadcast(c, op);
  case Opcode::tt_splat:
  case Opcode::tt_unsplat: return checkSplat(c, op);
  case Opcode::tt_cat: return checkCat(c, op);
  case Opcode::tt_gather: return checkGather(c, op);
  case Opcode::tt_histogram:
    return out(op)->rank() == 1 || c.fail(Rule::Histogram, op, "gives a tile of one dimension, found %s",
                                          text(out(op)).c_str());
  case Opcode::tt_dot: return checkDot(c, op);
  case Opcode::tt_dot_scaled: return checkDotScaled(c, op);
  case Opcode::tt_reduce: case Opcode::tt_scan: case Opcode::tt_map_elementwise: return checkTiles(c, op);
  case Opcode::tt_elementwise_inline_asm: return checkInlineAsm(c, op);
  case Opcode::tt_print:
    return op->attr("isSigned")->ints.size() == op->nops ||
           c.fail(Rule::Print, op, "isSigned has %u entries for %u operands", op->attr("isSigned")->ints.size(), op->nops);
  default: return true;
  }
}

} // namespace tir
