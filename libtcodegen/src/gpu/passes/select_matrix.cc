// SPDX-License-Identifier: MIT
// Applies chooseDot to a kernel, splits f32 dots into parts, lets dots of warp groups overlap with the loop.
#include "select_matrix.hh"
#include "../gpu.hh"
#include "layouts.hh"
#include <algorithm>

namespace tcodegen::gpu {
using namespace tir;
using tessera::Status;

namespace {

/// New operations in front of one, with its location.
struct Before {
  Module &m;
  Op *at;
  Context &ctx() { return m.ctx; }
  NamedAttr attr(std::string_view name, Attr v) { return {m.ctx.str(name), v}; }
  Op *op(Opcode code, std::vector<Value *> operands, std::vector<Type> results, std::vector<NamedAttr> attrs = {}) {
    OpSpec s;
    s.code = code;
    s.loc = at->loc;
    s.operands = std::move(operands);
    s.results = std::move(results);
    s.attrs = std::move(attrs);
    Op *o = m.create(s);
    at->parent->insertBefore(o, at);
    return o;
  }
  Value *value(Opcode code, std::vector<Value *> operands, Type result, std::vector<NamedAttr> attrs = {}) {
    return op(code, std::move(operands), {result}, std::move(attrs))->result();
  }
  Value *splat(Type t, uint64_t bits) {
    return value(Opcode::arith_constant, {}, t, {attr("value", m.ctx.dense(t, true, {&bits, 1}))});
  }
  Value *convert(Value *v, Attr encoding) {
    if (v->type->enc == encoding) return v;
    return value(Opcode::ttg_convert_layout, {v}, withEncoding(v->type, encoding));
  }
  /// The same values in another float type.
  Value *cast(Value *v, Type elem) {
    Type from = v->type->elem;
    if (from == elem) return v;
    Type t = m.ctx.tensor(v->type->shape, elem, v->type->enc);
    unsigned wFrom = floatWidth(from->fkind), wTo = floatWidth(elem->fkind);
    if (wFrom == 8 || wTo == 8) return value(Opcode::tt_fp_to_fp, {v}, t);
    return value(wTo > wFrom ? Opcode::arith_extf : Opcode::arith_truncf, {v}, t);
  }
};

std::vector<Op *> opsOf(Op *kernel, Opcode code) {
  std::vector<Op *> out;
  kernel->walk([&](Op *o) {
    if (o->is(code)) out.push_back(o);
  });
  return out;
}

/// Does an operand (not the accumulator) of another dot of the same block depend on `v`?
bool feedsDot(Value *v, Block *block, std::vector<const Value *> &seen) {
  if (std::find(seen.begin(), seen.end(), v) != seen.end()) return false;
  seen.push_back(v);
  for (Use *u = v->uses; u; u = u->next) {
    Op *o = u->owner;
    if (o->parent != block) continue;
    if (o->is(Opcode::tt_dot) || o->is(Opcode::ttng_warp_group_dot)) {
      if (u->index() < 2) return true;
      continue; // sums go on in the same layout
    }
    for (unsigned i = 0; i < o->numResults(); ++i)
      if (feedsDot(o->result(i), block, seen)) return true;
  }
  return false;
}
bool dependsOnDot(Value *v, Block *block, unsigned depth = 0) {
  Op *d = v->def;
  if (!d || d->parent != block || depth > 24) return false;
  if (d->is(Opcode::tt_dot) || d->is(Opcode::ttng_warp_group_dot)) return true;
  for (unsigned i = 0; i < d->numOperands(); ++i)
    if (dependsOnDot(d->operand(i), block, depth + 1)) return true;
  return false;
}

/// Where an operand comes from: through conversions (and casts, where asked for) to what made it.
struct Origin {
  Value *value;
  bool computed = false; // by something other than a load and changes of layout
  unsigned bits;         // of the narrowest type on the way
};
unsigned bitsOf(Type t) { return t->isFloat() ? floatWidth(t->fkind) : t->isInt() ? t->width : 64; }

Origin origin(Value *v) {
  Origin o{v, false, bitsOf(v->type->elem)};
  for (;;) {
    Op *d = o.value->def;
    if (!d || d->numOperands() != 1 || !d->operand(0)->type->isTensor()) break;
    bool move = d->is(Opcode::ttg_convert_layout) || d->is(Opcode::tt_trans);
    bool cast = d->is(Opcode::tt_fp_to_fp) || d->is(Opcode::arith_extf) || d->is(Opcode::arith_sitofp) ||
                d->is(Opcode::arith_uitofp) || d->is(Opcode::arith_extsi) || d->is(Opcode::arith_extui) ||
                d->is(Opcode::arith_truncf) || d->is(Opcode::tt_bitcast);
    if (!move && !cast) break;
    o.computed |= cast;
    o.value = d->operand(0);
    o.bits = std::min(o.bits, bitsOf(o.value->type->elem));
  }
  Op *d = o.value->def;
  if (d && !d->is(Opcode::tt_load) && !d->is(Opcode::tt_descriptor_load) && !d->is(Opcode::ttg_local_load))
    o.computed = true;
  return o;
}

/// Is `dim` the contiguous dimension of the value, in the layout it was loaded in?
bool isMinor(Value *v, unsigned dim) {
  while (v->def && v->def->is(Opcode::ttg_convert_layout)) v = v->def->operand(0);
  if (!v->type->enc) return false;
  std::vector<unsigned> order = orderOf(v->type->enc, v->type->shape);
  return !order.empty() && order[0] == dim;
}

Value *toShared(Before &b, Value *v, Attr encoding) {
  Context &ctx = b.ctx();
  Encoding space;
  space.kind = EncKind::SharedMemory;
  Type t = ctx.memdesc(v->type->shape, v->type->elem, encoding, encodingAttr(ctx, space), false);
  while (v->def && v->def->is(Opcode::ttg_convert_layout)) v = v->def->operand(0);
  return b.value(Opcode::ttg_local_alloc, {v}, t);
}

unsigned warpsOf(Module &m, const GpuOptions &o) {
  int64_t w = m.op->intAttr("ttg.num-warps", o.num_warps);
  return w ? w : 4;
}

void remark(const GpuOptions &o, Op *op, const DotChoice &c) {
  if (!o.explain || !o.plan) return;
  const char *names[] = {"FMA", "mma.sync", "wgmma"};
  *o.plan += "dot at " + locText(op->loc) + ": " + names[unsigned(c.family)];
  if (*c.why) *o.plan += std::string(" (") + c.why + ")";
  *o.plan += "\n";
}

} // namespace

DotQuery queryOf(Op *dot, unsigned numWarps, const GpuOptions &o) {
  DotQuery q;
  q.a = dot->operand(0)->type;
  q.b = dot->operand(1)->type;
  q.acc = dot->result()->type;
  q.precision = dot->intAttr("inputPrecision", 2);
  q.numWarps = numWarps;
  q.capability = o.capability;
  q.archSpecific = o.arch_specific;
  std::vector<const Value *> seen;
  q.chained = feedsDot(dot->result(), dot->parent, seen) || dependsOnDot(dot->operand(0), dot->parent) ||
              dependsOnDot(dot->operand(1), dot->parent);
  Origin a = origin(dot->operand(0)), b = origin(dot->operand(1));
  q.aFromRegisters = a.computed;
  q.operandBits = std::min(a.bits, b.bits);
  unsigned rank = q.a->rank();
  q.aKMinor = isMinor(dot->operand(0), rank - 1);
  q.bKMinor = isMinor(dot->operand(1), rank - 2);
  return q;
}

Status select_matrix(Module &m, Op *kernel, const GpuOptions &o) {
  Context &ctx = m.ctx;
  unsigned warps = warpsOf(m, o);
  // All are chosen before any is changed: a choice looks at the dots around it.
  std::vector<std::pair<Op *, DotChoice>> work;
  for (Op *dot : opsOf(kernel, Opcode::tt_dot)) {
    Attr enc = dot->result()->type->enc;
    const Encoding *e = encodingOf(dot->operand(0)->type->enc);
    if (e && e->kind == EncKind::DotOp && e->parent == enc) continue; // chosen before
    work.push_back({dot, chooseDot(queryOf(dot, warps, o))});
  }
  for (auto &[dot, c] : work) {
    Before b{m, dot};
    remark(o, dot, c);
    Value *av = b.cast(dot->operand(0), c.aElem), *bv = b.cast(dot->operand(1), c.bElem), *cv = dot->operand(2);
    Type old = dot->result()->type;
    if (c.accElem != old->elem) cv = b.cast(cv, c.accElem);
    cv = b.convert(cv, c.acc);
    av = c.aShared ? toShared(b, av, c.a) : b.convert(av, c.a);
    bv = c.bShared ? toShared(b, bv, c.b) : b.convert(bv, c.b);
    std::vector<NamedAttr> attrs;
    for (const NamedAttr &a : dot->attrs())
      if (a.name.view() == "inputPrecision" || a.name.view() == "maxNumImpreciseAcc") attrs.push_back(a);
    Opcode code = c.family == DotFamily::Wgmma ? Opcode::ttng_warp_group_dot : Opcode::tt_dot;
    Value *d = b.value(code, {av, bv, cv}, ctx.tensor(old->shape, c.accElem, c.acc), attrs);
    d = b.convert(d, old->enc);
    if (c.accElem != old->elem) d = b.cast(d, old->elem);
    dot->result()->replaceAllUsesWith(d);
    dot->erase();
  }
  return {};
}

Status decompose_dots(Module &m, Op *kernel, const GpuOptions &o) {
  Context &ctx = m.ctx;
  decompose_scaled_dots(m, kernel);
  for (Op *dot : opsOf(kernel, Opcode::tt_dot)) {
    int64_t precision = dot->intAttr("inputPrecision", 2);
    Type a = dot->operand(0)->type, b = dot->operand(1)->type, c = dot->result()->type;
    bool f32 = a->elem->isFloat(FloatKind::F32) && b->elem->isFloat(FloatKind::F32) && c->elem->isFloat(FloatKind::F32);
    if (precision == 2 || precision == 0) continue;
    Attr like = dot->attr("inputPrecision");
    auto setPrecision = [&](int64_t v, const char *s) { return ctx.enumeration(v, s); };
    if (!f32 || o.capability < 80) { // narrower operands have no parts; older chips compute exactly
      dot->setAttr("inputPrecision", setPrecision(2, "ieee"));
      continue;
    }
    (void)like;
    Before w{m, dot};
    bool tf32 = precision == 1;
    unsigned parts = precision == 4 ? 3 : 2;
    auto split = [&](Value *v) {
      std::vector<Value *> out;
      Type bits = ctx.tensor(v->type->shape, ctx.i32(), v->type->enc), f = v->type;
      Type half = ctx.tensor(v->type->shape, ctx.floatType(FloatKind::BF16), v->type->enc);
      for (unsigned i = 0; i < parts; ++i) {
        Value *part, *back;
        if (tf32) { // 10 bits of mantissa, cut off, so that nothing overflows; the rest is exact
          if (i + 1 == parts) {
            out.push_back(v);
            break;
          }
          Value *word = w.value(Opcode::tt_bitcast, {v}, bits);
          word = w.value(Opcode::arith_andi, {word, w.splat(bits, 0xffffe000u)}, bits);
          part = back = w.value(Opcode::tt_bitcast, {word}, f);
        } else {
          part = w.value(Opcode::arith_truncf, {v}, half);
          back = w.value(Opcode::arith_extf, {part}, f);
        }
        out.push_back(part);
        if (i + 1 < parts) v = w.value(Opcode::arith_subf, {v, back}, f);
      }
      return out;
    };
    std::vector<Value *> x = split(dot->operand(0)), y = split(dot->operand(1));
    std::vector<NamedAttr> attrs;
    if (tf32) attrs.push_back(w.attr("inputPrecision", setPrecision(0, "tf32")));
    auto product = [&](unsigned i, unsigned j, Value *acc) { return w.value(Opcode::tt_dot, {x[i], y[j], acc}, c, attrs); };
    Value *sum = w.splat(c, 0); // the small products first
    if (parts == 3) sum = product(1, 1, product(2, 0, product(0, 2, sum)));
    sum = product(0, 1, product(1, 0, sum));
    // What an infinite operand made of the small products is not a number; the great product alone says what it is.
    Attr une = ctx.enumeration(14, "uno");
    Value *nan = w.value(Opcode::arith_cmpf, {sum, sum}, ctx.tensor(c->shape, ctx.i1(), c->enc), {w.attr("predicate", une)});
    sum = w.value(Opcode::arith_select, {nan, w.splat(c, 0), sum}, c);
    Value *d = product(0, 0, w.value(Opcode::arith_addf, {sum, dot->operand(2)}, c));
    dot->result()->replaceAllUsesWith(d);
    dot->erase();
  }
  return {};
}

Status hoist_buffers(Op *kernel) {
  for (Op *alloc : opsOf(kernel, Opcode::ttg_local_alloc)) {
    if (!alloc->numOperands() || alloc->result()->type->mutable_) continue;
    const Block *home = alloc->operand(0)->parentBlock();
    Op *holder = home ? home->parentOp() : nullptr, *front = nullptr;
    for (Op *loop = alloc->parent->parentOp(); holder && loop && loop->is(Opcode::scf_for); loop = loop->parent->parentOp()) {
      if (loop->isAncestorOf(holder)) break;
      front = loop;
    }
    if (front) alloc->moveBefore(front);
  }
  return {};
}

Status overlap_dots(Module &m, Op *kernel, const GpuOptions &) {
  for (Op *loop : opsOf(kernel, Opcode::scf_for)) {
    Block *body = loop->region(0)->front();
    std::vector<Op *> dots;
    for (Op *o = body->first; o; o = o->next)
      if (o->is(Opcode::ttng_warp_group_dot)) dots.push_back(o);
    if (dots.size() != 1) continue;
    Op *dot = dots[0], *yield = body->last;
    Value *d = dot->result(), *acc = dot->operand(2);
    // Round and round: an argument of the loop, the dot, the yield; nobody else looks.
    if (!acc->isArg() || acc->block != body || acc->index < 1 || !acc->hasOneUse() || !d->hasOneUse()) continue;
    if (d->uses->owner != yield || d->uses->index() != acc->index - 1) continue;
    if (!dot->operand(0)->type->isMemDesc() || dot->intAttr("isAsync", 0)) continue;
    bool writesBefore = false, buffersOutside = true;
    for (Op *o = body->first; o != dot; o = o->next)
      writesBefore |= o->is(Opcode::ttg_async_copy_global_to_local) || o->is(Opcode::ttg_local_store) || o->numRegions();
    for (Op *o = body->first; o; o = o->next) buffersOutside &= !o->is(Opcode::ttg_local_alloc);
    if (writesBefore || !buffersOutside) continue;
    dot->setAttr("isAsync", m.ctx.boolean(true));
    Before in{m, dot->next};
    Op *wait = in.op(Opcode::ttng_warp_group_dot_wait, {d, dot->operand(0), dot->operand(1)},
                     {d->type, dot->operand(0)->type, dot->operand(1)->type},
                     {in.attr("pendings", m.ctx.i32Attr(1))});
    yield->setOperand(acc->index - 1, wait->result(0));
    Before after{m, loop->next};
    Value *result = loop->result(acc->index - 1);
    Op *last = after.op(Opcode::ttng_warp_group_dot_wait, {result}, {result->type}, {after.attr("pendings", m.ctx.i32Attr(0))});
    for (Use *u = result->uses, *next; u; u = next) {
      next = u->next;
      if (u->owner != last) u->set(last->result());
    }
  }
  return {};
}

} // namespace tcodegen::gpu
