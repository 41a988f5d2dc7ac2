// SPDX-License-Identifier: MIT
// tt.dot_scaled as products of numbers that stand for themselves: operands are unpacked, multiplied by their scales in
// f32, and rounded (exactly) to bf16. Operands of f16, which bf16 cannot hold, make it a dot of tf32.
#include "analysis/constants.hh"
#include "select_matrix.hh"

namespace tcodegen::gpu {
using namespace tir;

namespace {

enum Kind : int64_t { E4M3, E5M2, E2M3, E3M2, E2M1, BF16, FP16 };

struct Decompose {
  Module &m;
  Op *at;
  Context &ctx = m.ctx;

  Value *op(Opcode code, std::vector<Value *> operands, Type result, std::vector<NamedAttr> attrs = {}) {
    Op *o = m.create({.code = code, .loc = at->loc, .operands = std::move(operands), .results = {result}, .attrs = std::move(attrs)});
    at->parent->insertBefore(o, at);
    return o->result(0);
  }
  NamedAttr attr(std::string_view name, Attr a) { return {ctx.str(name), a}; }
  Type shaped(const std::vector<int64_t> &shape, Type elem) { return ctx.tensor({shape.data(), (uint32_t)shape.size()}, elem); }
  Value *constant(Type t, uint64_t bits) { return op(Opcode::arith_constant, {}, t, {attr("value", constantAttr(ctx, t, bits))}); }
  Type f32(Value *v) { return ctx.like(v->type, ctx.f32()); }
  Type i32(Value *v) { return ctx.like(v->type, ctx.i32()); }
  static std::vector<int64_t> shapeOf(Value *v) { return {v->type->shape.begin(), v->type->shape.end()}; }

  /// Small floats in the low bits of i8, as f32: their bits at the top of the mantissa, times what the exponents'
  /// biases differ by. Exact, sub-normals included.
  Value *smallFloat(Value *bytes, unsigned mantissa, unsigned exponent) {
    Value *x = op(Opcode::arith_extui, {bytes}, i32(bytes));
    Type t = x->type;
    unsigned bits = mantissa + exponent, bias = (1u << (exponent - 1)) - 1;
    auto masked = [&](uint64_t mask, unsigned shift) {
      Value *v = op(Opcode::arith_andi, {x, constant(t, mask)}, t);
      return op(Opcode::arith_shli, {v, constant(t, shift)}, t);
    };
    Value *all = op(Opcode::arith_ori, {masked((1u << bits) - 1, 23 - mantissa), masked(1u << bits, 31 - bits)}, t);
    Value *f = op(Opcode::tt_bitcast, {all}, f32(x));
    return op(Opcode::arith_mulf, {f, constant(f->type, uint64_t(127 - bias + 127) << 23)}, f->type);
  }

  /// Two numbers a byte, the first in the low half, along `axis`.
  Value *unpack(Value *v, unsigned axis) {
    Type t = v->type;
    Value *low = op(Opcode::arith_andi, {v, constant(t, 15)}, t), *high = op(Opcode::arith_shrui, {v, constant(t, 4)}, t);
    std::vector<int64_t> shape = shapeOf(v), pair = shape;
    unsigned rank = (unsigned)shape.size();
    pair.push_back(2);
    Value *both = op(Opcode::tt_join, {low, high}, shaped(pair, t->elem));
    std::vector<int64_t> order, permuted;
    for (unsigned d = 0; d < rank; ++d) {
      order.push_back(d);
      if (d == axis) order.push_back(rank);
    }
    for (int64_t d : order) permuted.push_back(pair[(size_t)d]);
    if (axis + 1 != rank)
      both = op(Opcode::tt_trans, {both}, shaped(permuted, t->elem), {attr("order", ctx.denseArray(ctx.i32(), {order.data(), (uint32_t)order.size()}))});
    shape[axis] *= 2;
    return op(Opcode::tt_reshape, {both}, shaped(shape, t->elem));
  }

  /// An operand's numbers as f32.
  Value *decode(Value *v, int64_t kind, unsigned axis) {
    if (kind == E2M1) return smallFloat(unpack(v, axis), 1, 2);
    if (kind == E2M3) return smallFloat(v, 3, 2);
    if (kind == E3M2) return smallFloat(v, 2, 3);
    if (kind == BF16 || kind == FP16) return op(Opcode::arith_extf, {v}, f32(v));
    Type elem = ctx.floatType(kind == E4M3 ? FloatKind::F8E4M3FN : FloatKind::F8E5M2);
    if (v->type->elem != elem) v = op(Opcode::tt_bitcast, {v}, ctx.like(v->type, elem));
    return op(Opcode::tt_fp_to_fp, {v}, f32(v));
  }

  /// Scales as f32 in the shape of an operand (rows × K; `transposed`: K × rows).
  Value *scales(Value *s, std::vector<int64_t> rows, bool transposed) {
    Value *f;
    if (s->type->scalar()->isInt()) { // a power of two: the exponent alone; 0 is 2^-127, 255 no number
      Value *x = op(Opcode::arith_extui, {s}, i32(s));
      Type t = x->type;
      auto is = [&](uint64_t v) {
        return op(Opcode::arith_cmpi, {x, constant(t, v)}, ctx.like(t, ctx.i1()), {attr("predicate", ctx.enumeration(0, "eq"))});
      };
      Value *bits = op(Opcode::arith_shli, {x, constant(t, 23)}, t);
      bits = op(Opcode::arith_select, {is(0), constant(t, 0x00400000), bits}, t);
      bits = op(Opcode::arith_select, {is(255), constant(t, 0x7fc00000), bits}, t);
      f = op(Opcode::tt_bitcast, {bits}, f32(x));
    } else f = op(s->type->scalar()->width == 8 ? Opcode::tt_fp_to_fp : Opcode::arith_extf, {s}, f32(s));
    unsigned rank = (unsigned)rows.size();
    std::vector<int64_t> full = rows;
    if (!f->type->isTensor()) f = op(Opcode::tt_splat, {f}, shaped(full, ctx.f32()));
    else if (f->type->count() == 1) f = op(Opcode::tt_splat, {op(Opcode::tt_unsplat, {f}, ctx.f32())}, shaped(full, ctx.f32()));
    else {
      std::vector<int64_t> thin = shapeOf(f), wide;
      int64_t run = rows[rank - 1] / thin[rank - 1];
      thin.push_back(1);
      wide = thin;
      wide[rank] = run;
      f = op(Opcode::tt_expand_dims, {f}, shaped(thin, ctx.f32()), {attr("axis", ctx.i32Attr(rank))});
      if (run > 1) f = op(Opcode::tt_broadcast, {f}, shaped(wide, ctx.f32()));
      f = op(Opcode::tt_reshape, {f}, shaped(full, ctx.f32()));
    }
    if (!transposed) return f;
    std::vector<int64_t> order;
    for (unsigned d = 0; d < rank; ++d) order.push_back(d);
    std::swap(order[rank - 1], order[rank - 2]);
    std::swap(full[rank - 1], full[rank - 2]);
    return op(Opcode::tt_trans, {f}, shaped(full, ctx.f32()), {attr("order", ctx.denseArray(ctx.i32(), {order.data(), (uint32_t)order.size()}))});
  }

  void run() {
    bool half = false, exact = true; // f16 among the operands; products with scales need no rounding
    Value *sides[2];
    for (unsigned i = 0; i < 2; ++i) {
      int64_t kind = at->intAttr(i ? "b_elem_type" : "a_elem_type");
      bool pack = at->intAttr(i ? "rhs_k_pack" : "lhs_k_pack", 1);
      Value *v = at->operand(i), *scale = at->slot(3 + i);
      unsigned rank = v->type->rank(), k = i ? rank - 2 : rank - 1, other = i ? rank - 1 : rank - 2;
      half |= kind == FP16;
      Value *x = decode(v, kind, pack ? k : other);
      if (scale) {
        std::vector<int64_t> rows = shapeOf(x);
        if (i) std::swap(rows[k], rows[other]);
        x = op(Opcode::arith_mulf, {x, scales(scale, rows, i)}, x->type);
        exact &= scale->type->scalar()->isInt() || (kind != BF16 && kind != FP16);
      }
      sides[i] = x;
    }
    bool bf16 = exact && !half;
    for (Value *&x : sides)
      if (bf16) x = op(Opcode::arith_truncf, {x}, ctx.like(x->type, ctx.floatType(FloatKind::BF16)));
    bool tf32 = exact && half;
    Op *dot = m.create({.code = Opcode::tt_dot, .loc = at->loc, .operands = {sides[0], sides[1], at->operand(2)}, .results = {at->result(0)->type},
                        .attrs = {attr("inputPrecision", tf32 ? ctx.enumeration(0, "tf32") : ctx.enumeration(2, "ieee"))}});
    at->parent->insertBefore(dot, at);
    dot->result(0)->name = at->result(0)->name;
    at->result(0)->replaceAllUsesWith(dot->result(0));
    at->erase();
  }
};

} // namespace

void decompose_scaled_dots(Module &m, Op *kernel) {
  std::vector<Op *> found;
  kernel->walk([&](Op *op) {
    if (op->is(Opcode::tt_dot_scaled)) found.push_back(op);
  });
  for (Op *op : found) Decompose{m, op}.run();
}

} // namespace tcodegen::gpu
