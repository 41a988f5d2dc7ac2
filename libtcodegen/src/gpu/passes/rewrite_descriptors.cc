// SPDX-License-Identifier: MIT
// Loads and stores through tensor descriptors that the kernel makes itself become masked loads and stores of
// pointers, with 64-bit offsets. Descriptors that come as arguments, or round a loop, are left alone.
#include "rewrite_descriptors.hh"
#include "analysis/constants.hh"

namespace tcodegen::gpu {
using namespace tir;

namespace {

struct Rewrite {
  Module &m;
  Op *at;  // new operations go in front of it
  Op *desc; // tt.make_tensor_descriptor
  Context &ctx = m.ctx;
  Type block = desc->result(0)->type;
  unsigned rank = block->rank();

  Value *op(Opcode code, std::vector<Value *> operands, Type result, std::vector<NamedAttr> attrs = {}) {
    Op *o = m.create({.code = code, .loc = at->loc, .operands = std::move(operands), .results = {result}, .attrs = std::move(attrs)});
    at->parent->insertBefore(o, at);
    return o->result(0);
  }
  NamedAttr attr(std::string_view name, Attr a) { return {ctx.str(name), a}; }
  Value *constant(Type t, uint64_t bits) { return op(Opcode::arith_constant, {}, t, {attr("value", constantAttr(ctx, t, bits))}); }
  Type tile(const std::vector<int64_t> &shape, Type elem) { return ctx.tensor({shape.data(), static_cast<uint32_t>(shape.size())}, elem); }
  std::vector<int64_t> full() const { return {block->shape.begin(), block->shape.end()}; }

  Value *ptr = nullptr, *mask = nullptr;

  /// Pointers and mask of the block that begins at `indices`.
  void address(Span<Value *> indices) {
    Type i64 = ctx.i64(), i1 = ctx.i1();
    Value *offset = nullptr;
    for (unsigned d = 0; d < rank; ++d) {
      int64_t n = block->shape[d];
      Value *size = desc->operand(1 + d), *stride = desc->operand(1 + rank + d);
      Value *x = op(Opcode::tt_make_range, {}, tile({n}, ctx.i32()), {attr("start", ctx.i32Attr(0)), attr("end", ctx.i32Attr(n))});
      x = op(Opcode::arith_extsi, {x}, tile({n}, i64));
      Value *start = op(Opcode::tt_splat, {op(Opcode::arith_extsi, {indices[d]}, i64)}, tile({n}, i64));
      x = op(Opcode::arith_addi, {start, x}, tile({n}, i64));
      std::vector<int64_t> shape{n};
      for (unsigned a = 0; a < rank; ++a) {
        if (a == d) continue;
        shape.insert(shape.begin() + a, 1);
        x = op(Opcode::tt_expand_dims, {x}, tile(shape, i64), {attr("axis", ctx.i32Attr(a))});
      }
      Type line = tile(shape, i64), lineMask = tile(shape, i1);
      auto compare = [&](unsigned predicate, const char *name, Value *with) {
        return op(Opcode::arith_cmpi, {x, with}, lineMask, {attr("predicate", ctx.enumeration(predicate, name))});
      };
      Value *end = op(Opcode::tt_splat, {op(Opcode::arith_extsi, {size}, i64)}, line);
      Value *in = op(Opcode::arith_andi, {compare(5, "sge", constant(line, 0)), compare(2, "slt", end)}, lineMask);
      if (!Constant(stride).isOne()) x = op(Opcode::arith_muli, {x, op(Opcode::tt_splat, {stride}, line)}, line);
      auto spread = [&](Value *v) { return shape == full() ? v : op(Opcode::tt_broadcast, {v}, tile(full(), v->type->elem)); };
      x = spread(x);
      in = spread(in);
      offset = offset ? op(Opcode::arith_addi, {offset, x}, x->type) : x;
      mask = mask ? op(Opcode::arith_andi, {mask, in}, in->type) : in;
    }
    Value *base = desc->operand(0);
    Type pointers = tile(full(), base->type);
    ptr = op(Opcode::tt_addptr, {op(Opcode::tt_splat, {base}, pointers), offset}, pointers);
  }
};

uint64_t nanBits(Type t) {
  switch (t->fkind) {
  case FloatKind::F16: return 0x7e00;
  case FloatKind::BF16: return 0x7fc0;
  case FloatKind::F32: return 0x7fc00000;
  case FloatKind::F64: return uint64_t(0x7ff8) << 48;
  default: return 0x7f;
  }
}

} // namespace

void rewrite_descriptors(Module &m, Op *kernel) {
  std::vector<Op *> found, made;
  kernel->walk([&](Op *op) {
    bool load = op->is(Opcode::tt_descriptor_load), store = op->is(Opcode::tt_descriptor_store);
    if (op->is(Opcode::tt_make_tensor_descriptor)) made.push_back(op);
    if (!load && !store) return;
    Op *d = op->operand(0)->def;
    if (d && d->is(Opcode::tt_make_tensor_descriptor) && d->numOperands() == 1 + 2 * d->result(0)->type->rank()) found.push_back(op);
  });
  for (Op *op : found) {
    Rewrite r{m, op, op->operand(0)->def};
    bool load = op->is(Opcode::tt_descriptor_load);
    std::vector<Value *> indices;
    for (unsigned i = load ? 1 : 2; i < op->numOperands(); ++i) indices.push_back(op->operand(i));
    if (indices.size() != r.rank) continue;
    r.address({indices.data(), static_cast<uint32_t>(indices.size())});
    Type elem = r.desc->operand(0)->type->elem, t = // without the sign that a descriptor's element may have
         r.tile(r.full(), elem);
    if (load) {
      bool nan = r.desc->intAttr("padding", 1) == 2 && elem->isFloat();
      std::vector<NamedAttr> attrs;
      for (const NamedAttr &a : op->attrs())
        if (a.name.view() == "cache" || a.name.view() == "evict" || a.name.view() == "cachePolicy") attrs.push_back(a);
      Value *v = r.op(Opcode::tt_load, {r.ptr, r.mask, r.constant(t, nan ? nanBits(elem) : 0)}, t, attrs);
      if (op->result(0)->type != t) v = r.op(Opcode::tt_reshape, {v}, op->result(0)->type);
      op->result(0)->replaceAllUsesWith(v);
    } else {
      Value *v = op->operand(1);
      if (v->type != t) v = r.op(Opcode::tt_reshape, {v}, t);
      Op *s = m.create({.code = Opcode::tt_store, .loc = op->loc, .operands = {r.ptr, v, r.mask}});
      op->parent->insertBefore(s, op);
    }
    op->erase();
  }
  for (Op *d : made)
    if (!d->result(0)->hasUses()) d->erase();
}

} // namespace tcodegen::gpu
