// SPDX-License-Identifier: MIT
// pipeline_loads, second half: a schedule becomes code. With S stages and B buffers a load, iteration i
//   waits until all but the S - 2 newest groups of copies have arrived, so that buffer i mod B is filled,
//   uses it, and begins the copies of iteration i + S - 1 into buffer (i + S - 1) mod B.
// In front of the loop stand the copies of the first S - 1 iterations. Copies of iterations that the loop does not
// have are masked off; groups are closed all the same, so that the count of groups stays that of iterations.
#include "pipeline.hh"
#include "layouts.hh"
#include "analysis/constants.hh"
#include "layout/encoding.hh"
#include <algorithm>

using namespace tir;

namespace tcodegen::gpu {

namespace {

struct Expander {
  Module &m;
  LoopSchedule &s;
  Context &ctx;
  Op *loop, *at; // new operations go in front of `at`
  Block *body;
  Type iv;
  std::vector<Value *> rings; // of the loads, in their order
  std::vector<Type> views;    // one buffer of each

  Expander(Module &module, LoopSchedule &sched)
      : m(module), s(sched), ctx(module.ctx), loop(sched.loop), at(sched.loop), body(loop->region(0)->front()),
        iv(loop->operand(0)->type) {}

  Op *op(Opcode code, std::vector<Value *> operands, std::vector<Type> results, std::vector<NamedAttr> attrs = {},
         std::vector<uint32_t> segments = {}) {
    Op *o = m.create({.code = code, .loc = loop->loc, .operands = std::move(operands), .segments = std::move(segments),
                      .results = std::move(results), .attrs = std::move(attrs)});
    at->block()->insertBefore(o, at);
    return o;
  }
  NamedAttr attr(std::string_view name, Attr v) { return {ctx.str(name), v}; }
  Value *constant(int64_t v, Type t) {
    return op(Opcode::arith_constant, {}, {t}, {attr("value", constantAttr(ctx, t, uint64_t(v) & lowMask(scalarWidth(t))))})->result();
  }
  static bool known(const Value *v, int64_t *out) {
    Constant c(v);
    if (!c) return false;
    *out = signExtend(c.bits()[0], c.width);
    return true;
  }
  Value *arith(Opcode code, Value *a, Value *b) { return op(code, {a, b}, {a->type})->result(); }
  Value *less(Value *a, Value *b) {
    return op(Opcode::arith_cmpi, {a, b}, {ctx.i1()}, {attr("predicate", ctx.enumeration(2, "slt"))})->result();
  }
  /// k * step
  Value *steps(unsigned k) {
    int64_t step;
    if (known(loop->operand(2), &step)) return constant(step * k, iv);
    return arith(Opcode::arith_muli, loop->operand(2), constant(k, iv));
  }
  /// x + 1, or 0 where that is the number of buffers
  Value *nextSlot(Value *x) {
    Value *y = arith(Opcode::arith_addi, x, constant(1, ctx.i32()));
    Value *end = op(Opcode::arith_cmpi, {y, constant(s.buffers, ctx.i32())}, {ctx.i1()},
                    {attr("predicate", ctx.enumeration(5, "sge"))})->result();
    return op(Opcode::arith_select, {end, constant(0, ctx.i32()), y}, {ctx.i32()})->result();
  }

  void allocate() {
    Encoding space;
    space.kind = EncKind::SharedMemory;
    Attr smem = encodingAttr(ctx, space);
    for (PlannedLoad &l : s.loads) {
      Type t = l.load->result()->type;
      std::vector<int64_t> shape{int64_t(s.buffers)};
      shape.insert(shape.end(), t->shape.begin(), t->shape.end());
      Type ring = ctx.memdesc({shape.data(), uint32_t(shape.size())}, t->elem, l.shared, smem, true);
      views.push_back(ctx.memdesc(t->shape, t->elem, l.shared, smem, true));
      Op *a = op(Opcode::ttg_local_alloc, {}, {ring});
      a->loc = l.load->loc;
      rings.push_back(a->result());
    }
  }

  static Value *mapped(const std::vector<Value *> &map, Value *v) {
    return v->id < map.size() && map[v->id] ? map[v->id] : v;
  }

  /// The copies of one iteration: addresses and masks for induction variable `i` and loop-carried values `carried`
  /// (which become those of the next iteration), into buffer `slot`, all masked by `runs`. Returns the group.
  Value *copies(Value *i, std::vector<Value *> &carried, Value *slot, Value *runs) {
    std::vector<Value *> map(m.num_values);
    map[body->arg(0)->id] = i;
    for (size_t k = 0; k < carried.size(); ++k) map[body->arg(1 + s.carried[k])->id] = carried[k];
    for (Op *o : s.ahead) at->block()->insertBefore(m.clone(o, map), at);
    std::vector<Value *> tokens;
    for (size_t k = 0; k < s.loads.size(); ++k) {
      PlannedLoad &l = s.loads[k];
      Value *mask = l.load->slot(1) ? mapped(map, l.load->slot(1)) : nullptr;
      Value *other = l.load->slot(2) && !l.fill ? mapped(map, l.load->slot(2)) : nullptr;
      Type t = l.load->result()->type;
      Type bits = ctx.tensor(t->shape, ctx.i1(), t->enc);
      Value *all = op(Opcode::tt_splat, {runs}, {bits})->result();
      mask = mask ? op(Opcode::arith_andi, {all, mask}, {bits})->result() : all;
      Value *view = op(Opcode::ttg_memdesc_index, {rings[k], slot}, {views[k]})->result();
      std::vector<Value *> operands{mapped(map, l.load->slot(0)), view, mask};
      if (other) operands.push_back(other);
      std::vector<NamedAttr> attrs{attr("contiguity", ctx.i32Attr(l.vector))};
      for (const NamedAttr &a : l.load->attrs())
        if (a.name.view() == "cache" || a.name.view() == "evict" || a.name.view() == "cachePolicy") attrs.push_back(a);
      Op *copy = op(Opcode::ttg_async_copy_global_to_local, operands, {ctx.asyncToken()}, attrs, {1, 1, 1, other ? 1u : 0u});
      copy->loc = l.load->loc;
      tokens.push_back(copy->result());
    }
    Op *yield = body->last;
    for (size_t k = 0; k < carried.size(); ++k) carried[k] = mapped(map, yieldedOld[s.carried[k]]);
    (void)yield;
    return op(Opcode::ttg_async_commit_group, tokens, {ctx.asyncToken()})->result();
  }
  std::vector<Value *> yieldedOld; // what the loop yields, before it is changed

  /// The buffer's type changed (it may be written now); views of it follow.
  void retype(Value *v) {
    for (Use *u = v->uses; u; u = u->next) {
      Op *o = u->owner;
      SharedKind k = sharedKind(o);
      Value *r = k == SharedKind::View ? o->result() : k == SharedKind::DotWait ? o->result(u->index()) : nullptr;
      if (!r || !r->type->isMemDesc() || r->type->mutable_ == v->type->mutable_) continue;
      r->type = ctx.memdesc(r->type->shape, r->type->elem, r->type->enc, r->type->memSpace, v->type->mutable_, r->type->allocShape);
      retype(r);
    }
  }

  /// Users of `v` read `view` (of the same shape) instead. True if `v` has no users left. What does not feed a dot
  /// lies in its buffer without swizzle: read along other dimensions than it was written, banks would collide.
  bool consume(Value *v, Value *view, Value *token, bool dot) {
    for (Use *u = v->uses, *next; u; u = next) {
      next = u->next;
      Op *o = u->owner;
      if (o->is(Opcode::ttg_local_alloc) && o->result()->type->enc == view->type->enc) {
        o->result()->replaceAllUsesWith(view);
        retype(view);
        o->erase();
      } else if (o->is(Opcode::ttg_convert_layout) &&
                 (dot || orderOf(o->result()->type->enc, v->type->shape)[0] == orderOf(v->type->enc, v->type->shape)[0])) {
        at = o;
        Op *l = op(Opcode::ttg_local_load, {view, token}, {o->result()->type});
        l->loc = o->loc;
        o->result()->replaceAllUsesWith(l->result());
        o->erase();
      }
    }
    return !v->uses;
  }

  void uses(Value *slot, Value *token) {
    for (size_t k = 0; k < s.loads.size(); ++k) {
      PlannedLoad &l = s.loads[k];
      Op *load = l.load;
      Op *keep = at;
      Value *view = op(Opcode::ttg_memdesc_index, {rings[k], slot}, {views[k]})->result();
      Value *v = load->result();
      if (!l.fill) consume(v, view, token, l.dot);
      at = keep;
      if (l.transposed) {
        for (Use *u = v->uses, *next; u; u = next) {
          next = u->next;
          Op *t = u->owner;
          Attr order = t->attr("order");
          if (!t->is(Opcode::tt_trans) || !order || order->ints[0] != 1) continue;
          Attr enc = nullptr; // as its users see it
          for (Use *w = t->result()->uses; w; w = w->next)
            if (w->owner->is(Opcode::ttg_local_alloc)) enc = w->owner->result()->type->enc;
          if (!enc) enc = flipped(views[k]->enc);
          at = keep;
          Value *turned = op(Opcode::ttg_memdesc_trans, {view},
                             {ctx.memdesc(t->result()->type->shape, view->type->elem, enc, view->type->memSpace, true)},
                             {attr("order", order)})->result();
          if (consume(t->result(), turned, token, l.dot)) t->erase();
          if (!turned->uses) turned->def->erase();
        }
      }
      at = load;
      if (v->uses) { // whoever is left gets it as it was loaded
        Op *r = op(Opcode::ttg_local_load, {view, token}, {v->type});
        r->loc = load->loc;
        if (l.fill) {
          r = op(Opcode::arith_select, {load->slot(1), r->result(), load->slot(2)}, {v->type});
          r->loc = load->loc;
        }
        v->replaceAllUsesWith(r->result());
      }
      load->erase();
      at = keep;
    }
  }
  Attr flipped(Attr enc) {
    const Encoding *e = encodingOf(enc);
    if (e->kind == EncKind::SwizzledShared)
      return swizzledSharedAttr(ctx, e->vec, e->perPhase, e->maxPhase, {e->order[1], e->order[0]});
    return nvmmaSharedAttr(ctx, e->swizzlingByteWidth, !e->transposed, e->elementBitWidth, e->rank ? e->rank : 2);
  }

  void run() {
    unsigned ahead = s.stages - 1;
    Value *lb = loop->operand(0), *ub = loop->operand(1);
    Type i32 = ctx.i32(), tok = ctx.asyncToken();
    for (unsigned i = 0; i < body->last->numOperands(); ++i) yieldedOld.push_back(body->last->operand(i));
    allocate();
    // In front of the loop.
    std::vector<Value *> carried, groups;
    for (unsigned c : s.carried) carried.push_back(loop->operand(3 + c));
    for (unsigned k = 0; k < ahead; ++k) {
      Value *i = k ? arith(Opcode::arith_addi, lb, steps(k)) : lb;
      groups.push_back(copies(i, carried, constant(k % s.buffers, i32), less(i, ub)));
    }
    // The loop anew, with more loop-carried values: those of the copies, slots, groups.
    std::vector<Value *> inits;
    for (unsigned i = 3; i < loop->numOperands(); ++i) inits.push_back(loop->operand(i));
    unsigned old = inits.size();
    inits.insert(inits.end(), carried.begin(), carried.end());
    bool slots = s.buffers > 1;
    if (slots) {
      inits.push_back(constant(ahead - 1, i32)); // where the newest copies went
      inits.push_back(constant(-1, i32));        // which was used last
    }
    inits.insert(inits.end(), groups.begin(), groups.end());
    std::vector<Value *> operands{lb, ub, loop->operand(2)};
    operands.insert(operands.end(), inits.begin(), inits.end());
    std::vector<Type> types;
    for (Value *v : inits) types.push_back(v->type);
    std::vector<NamedAttr> attrs;
    for (const NamedAttr &a : loop->attrs())
      if (a.name.view() != "tt.num_stages") attrs.push_back(a);
    Value *limit = arith(Opcode::arith_subi, ub, steps(ahead));
    Value *behind = steps(ahead);
    Value *zero = slots ? nullptr : constant(0, i32);
    Op *fresh = m.create({.code = Opcode::scf_for, .loc = loop->loc, .operands = operands, .results = types,
                          .attrs = attrs, .regions = 1});
    loop->block()->insertBefore(fresh, loop);
    loop->region(0)->remove(body);
    fresh->region(0)->append(body);
    for (unsigned i = 0; i < old; ++i) loop->result(i)->replaceAllUsesWith(fresh->result(i));
    for (unsigned i = old; i < inits.size(); ++i) body->addArg(m, inits[i]->type, loop->loc);
    unsigned n = 1 + old;
    for (Value *&c : carried) c = body->arg(n++);
    Value *ins = slots ? body->arg(n++) : nullptr, *ext = slots ? body->arg(n++) : nullptr;
    std::vector<Value *> tokens;
    for (unsigned k = 0; k < ahead; ++k) tokens.push_back(body->arg(n++));
    // One iteration.
    Op *first = body->first;
    at = first;
    Value *runs = less(body->arg(0), limit);
    if (slots) ins = nextSlot(ins), ext = nextSlot(ext);
    Value *done = op(Opcode::ttg_async_wait, {tokens[0]}, {tok}, {attr("num", ctx.i32Attr(int64_t(ahead) - 1))})->result();
    Value *group = nullptr;
    auto copy = [&] {
      Value *i = arith(Opcode::arith_addi, body->arg(0), behind);
      group = copies(i, carried, slots ? ins : zero, runs);
    };
    if (s.copies_first) copy();
    // The loads are used (and erased) last: the copies are made from them.
    Op *mark = at;
    if (!s.copies_first) {
      at = body->last;
      copy();
      at = mark;
    }
    s.loop = fresh;
    std::vector<Value *> yields = yieldedOld;
    yields.insert(yields.end(), carried.begin(), carried.end());
    if (slots) yields.push_back(ins), yields.push_back(ext);
    yields.insert(yields.end(), tokens.begin() + 1, tokens.end());
    yields.push_back(group);
    body->last->setOperands({yields.data(), uint32_t(yields.size())});
    // `at` may be one of the loads or of their users: hold a place of our own.
    Op *place = constant(0, i32)->def;
    at = place;
    uses(slots ? ext : zero, done);
    place->erase();
    // Behind the loop.
    at = loop->next;
    loop->erase();
    op(Opcode::ttg_async_wait, {}, {tok}, {attr("num", ctx.i32Attr(0))});
    for (size_t k = rings.size(); k--;) op(Opcode::ttg_local_dealloc, {rings[k]}, {});
    tidy(fresh);
  }

  /// Erases operations of the loop without use, and loop-carried values that only keep themselves going.
  void tidy(Op *fresh) {
    std::vector<bool> live(m.num_values);
    std::vector<Value *> work;
    auto need = [&](Value *v) {
      if (!live[v->id]) live[v->id] = true, work.push_back(v);
    };
    std::vector<bool> op_live(m.num_ops);
    auto use = [&](Op *o) { // with all that it holds
      for (Op *p = o; p && p->block(); p = p->parentOp()) {
        if (op_live[p->id]) break;
        op_live[p->id] = true;
        if (p == fresh) break;
        p->walk([&](Op *q) {
          op_live[q->id] = true;
          for (unsigned i = 0; i < q->numOperands(); ++i) need(q->operand(i));
        });
      }
    };
    auto stays = [](Op *o) {
      bool effect = false;
      o->walk([&](Op *q) { effect |= (q->info().traits & (TraitWrites | TraitPureIfAttr)) != 0; });
      return effect || o->numRegions();
    };
    for (Op *o = body->first; o; o = o->next)
      if (o != body->last && stays(o)) use(o);
    for (unsigned i = 0; i < fresh->numResults(); ++i)
      if (fresh->result(i)->uses) need(body->last->operand(i)), need(body->arg(1 + i));
    while (!work.empty()) {
      Value *v = work.back();
      work.pop_back();
      if (v->isArg() && v->block == body && v->index > 0) need(body->last->operand(v->index - 1));
      if (v->def && v->def->block() == body) use(v->def);
    }
    for (unsigned i = fresh->numResults(); i--;) {
      if (live[body->arg(1 + i)->id] || fresh->result(i)->uses) continue;
      body->last->eraseOperand(i);
      fresh->eraseOperand(3 + i);
      fresh->eraseResult(i);
      drop.push_back(body->arg(1 + i));
    }
    for (Op *o = body->last->prev, *before; o; o = before) {
      before = o->prev;
      if (!op_live[o->id]) o->dropAllReferences(), dead.push_back(o);
    }
    for (Op *o : dead) o->erase();
    std::sort(drop.begin(), drop.end(), [](Value *a, Value *b) { return a->index > b->index; });
    for (Value *v : drop) body->eraseArg(v->index);
  }
  std::vector<Value *> drop;
  std::vector<Op *> dead;
};

} // namespace

void expandSchedule(Module &m, LoopSchedule &s) { Expander(m, s).run(); }

} // namespace tcodegen::gpu
