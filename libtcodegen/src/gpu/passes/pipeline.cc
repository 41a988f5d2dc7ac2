// SPDX-License-Identifier: MIT
// pipeline_loads, first half: which loads of a loop are copied ahead, and through how many buffers.
//
// A load qualifies if it feeds a dot or its loop says itself how many stages it wants (tt.num_stages), its address and
// mask follow from the iteration alone (pure operations on the induction variable, on values from outside and on
// loop-carried values of the same kind), and threads copy at least 4 neighbouring bytes. Memory that the loop itself
// may write is not read ahead.
#include "pipeline.hh"
#include "allocate.hh"
#include "layouts.hh"
#include "select_matrix.hh"
#include "../scratch.hh"
#include "analysis/axis_info.hh"
#include "analysis/constants.hh"
#include "analysis/effects.hh"
#include <algorithm>

using namespace tir;
using tessera::Code;
using tessera::Status;

namespace tcodegen::gpu {

uint64_t LoopSchedule::bytes() const {
  uint64_t n = 0;
  for (const PlannedLoad &l : loads) n += l.bytes * buffers;
  return n;
}

std::string LoopSchedule::text() const {
  std::string out = tessera::format("loop at %s: %u stages, %u buffers, %llu bytes; in an iteration: wait, %s\n",
                                    locText(loop->loc).c_str(), stages, buffers,
                                    static_cast<unsigned long long>(bytes()),
                                    copies_first ? "copies, uses" : overlap ? "uses (a dot stays in flight), copies"
                                                                            : "uses, copies");
  for (const PlannedLoad &l : loads)
    out += tessera::format("  stage 0, used in stage %u: tt.load at %s, %llu bytes by %u elements a copy%s\n",
                           stages - 1, locText(l.load->loc).c_str(), static_cast<unsigned long long>(l.bytes),
                           l.vector, l.transposed ? ", transposed when read" : l.fill ? ", filled when read" : "");
  out += tessera::format("  stage 0: %zu operations for addresses and masks, %zu loop-carried values\n", ahead.size(),
                         carried.size());
  return out;
}

namespace {

unsigned bitsOf(Type t) { return t->elem->isPtr() ? 64 : t->elem->width; }

/// The buffer's encoding when dimensions 0 and 1 change places.
Attr swapped(Context &ctx, Attr enc) {
  const Encoding *e = encodingOf(enc);
  if (!e) return nullptr;
  if (e->kind == EncKind::SwizzledShared)
    return swizzledSharedAttr(ctx, e->vec, e->perPhase, e->maxPhase, {e->order[1], e->order[0]});
  if (e->kind == EncKind::NvmmaShared)
    return nvmmaSharedAttr(ctx, e->swizzlingByteWidth, !e->transposed, e->elementBitWidth, e->rank ? e->rank : 2);
  return nullptr;
}

bool isSwap(const Op *op) {
  if (!op->is(Opcode::tt_trans) || op->result()->type->rank() != 2) return false;
  Attr o = op->attr("order");
  return o && o->ints.size() == 2 && o->ints[0] == 1;
}

/// Buffer encoding that the users of `v` wish for; null if none has a wish.
Attr wish(Context &ctx, Value *v, const std::vector<unsigned> &order) {
  for (Use *u = v->uses; u; u = u->next) {
    Op *o = u->owner;
    if (o->is(Opcode::ttg_local_alloc)) return o->result()->type->enc;
    if (!o->is(Opcode::ttg_convert_layout)) continue;
    const Encoding *e = encodingOf(o->result()->type->enc);
    if (e && e->kind == EncKind::DotOp)
      return dotSharedEncoding(ctx, o->result()->type->enc, v->type->shape, bitsOf(v->type), order);
  }
  return nullptr;
}

bool feedsDot(const Value *v, const Block *body, unsigned depth = 0) {
  for (Use *u = v->uses; u && depth < 32; u = u->next) {
    Op *o = u->owner;
    if (o->block() != body) continue;
    if (o->is(Opcode::tt_dot) || o->is(Opcode::ttng_warp_group_dot) || o->is(Opcode::tt_dot_scaled)) {
      if (u->index() != 2 || o->is(Opcode::tt_dot_scaled)) return true;
      continue;
    }
    for (unsigned i = 0; i < o->numResults(); ++i)
      if (feedsDot(o->result(i), body, depth + 1)) return true;
  }
  return false;
}

/// The kernel's argument that an address comes from, or null.
const Value *rootOf(const Value *v) {
  for (unsigned i = 0; i < 64; ++i) {
    if (v->isArg()) {
      Op *owner = v->block->parentOp();
      if (owner->is(Opcode::tt_func)) return v;
      if (!owner->is(Opcode::scf_for) || v->index == 0) return nullptr;
      v = owner->operand(2 + v->index);
      continue;
    }
    Op *o = v->def;
    switch (o->code) {
    case Opcode::tt_addptr: case Opcode::tt_splat: case Opcode::tt_broadcast: case Opcode::tt_expand_dims:
    case Opcode::ttg_convert_layout: case Opcode::tt_reshape: case Opcode::tt_trans: case Opcode::tt_bitcast:
      v = o->operand(0);
      break;
    case Opcode::scf_for:
      v = o->operand(3 + v->index);
      break;
    default: return nullptr;
    }
  }
  return nullptr;
}

/// May the loop write what `load` reads? Different arguments of a kernel are taken as different memory.
bool mayWrite(Op *loop, const Op *load) {
  const Value *from = rootOf(load->operand(0));
  bool may = false;
  loop->walk([&](Op *o) {
    if (o->numRegions() || o->name().starts_with("ttg.") || o->name().starts_with("ttng.")) return;
    if (!(effectsOf(o) & EffectWrite)) return;
    if (o->is(Opcode::tt_print) || o->is(Opcode::tt_assert) || o->is(Opcode::llvm_intr_assume)) return;
    if (o->is(Opcode::tt_store)) {
      const Value *to = rootOf(o->operand(0));
      if (from && to && from != to) return;
    }
    may = true;
  });
  return may;
}

/// What computes `roots` from the iteration alone. False if something else takes part.
struct Ahead {
  Block *body;
  std::vector<Op *> ops;
  std::vector<unsigned> carried;
  bool value(Value *v) {
    if (v->isArg()) {
      if (v->block != body || v->index == 0) return true;
      unsigned i = v->index - 1;
      if (std::find(carried.begin(), carried.end(), i) != carried.end()) return true;
      carried.push_back(i);
      return value(body->last->operand(i));
    }
    Op *o = v->def;
    if (o->block() != body) return true; // from outside (inside of another region it could not be seen)
    if (std::find(ops.begin(), ops.end(), o) != ops.end()) return true;
    if (!isPure(o) || o->numRegions()) return false;
    ops.push_back(o);
    for (unsigned i = 0; i < o->numOperands(); ++i)
      if (!value(o->operand(i))) return false;
    return true;
  }
};

/// Elements that one copy of a thread may take: neighbours in registers, in global and in shared memory.
unsigned copyWidth(const AxisInfoAnalysis &axis, Op *load, Attr shared) {
  Type t = load->result()->type;
  unsigned bits = bitsOf(t);
  auto regs = layoutOf(t);
  auto mem = sharedLayout(shared, t->shape, bits);
  if (!regs || !mem || bits < 8) return 0;
  unsigned d = orderOf(t->enc, t->shape)[0];
  int64_t width = axis.vectorWidth(load->operand(0), d, load->slot(1));
  unsigned log = 0;
  while (bits << (log + 1) <= 128 && int64_t(2) << log <= width && log < regs->inBits(Dim::Register)) {
    uint64_t flat = uint64_t(1) << (regs->outStart(tensorDim(d)) + log);
    Columns x;
    if (log >= regs->outBits(tensorDim(d)) || regs->basis(Dim::Register, log) != flat) break;
    if (!gf2::solve(mem->columnsOf(Dim::Offset), {flat}, &x) || x[0] != uint64_t(1) << log) break;
    ++log;
  }
  return 1u << log;
}

bool zeroFill(const Op *load) {
  Value *other = load->slot(2);
  return !other || Constant(other).isZero();
}

/// Conversions to a dot's operand layout move above casts, next to the load: the copy in shared memory is then read
/// in that layout at once.
void hoistConversions(Module &m, Block *body) {
  for (Op *c = body->first, *next; c; c = next) {
    next = c->next;
    if (!c->is(Opcode::ttg_convert_layout)) continue;
    Attr enc = c->result()->type->enc;
    const Encoding *e = encodingOf(enc);
    if (!e || e->kind != EncKind::DotOp) continue;
    std::vector<Op *> chain;
    Value *v = c->operand(0);
    while (v->def && v->def->block() == body && v->hasOneUse() && v->def->numOperands() == 1 &&
           !v->def->numRegions() && (v->def->info().traits & TraitElementwise || v->def->is(Opcode::tt_fp_to_fp)) &&
           v->def->operand(0)->type->isTensor()) {
      chain.push_back(v->def);
      v = v->def->operand(0);
    }
    if (chain.empty() || !v->def || !v->def->is(Opcode::tt_load) || v->def->block() != body) continue;
    Op *first = chain.back();
    Op *moved = m.create({.code = Opcode::ttg_convert_layout, .loc = c->loc, .operands = {v},
                          .results = {m.ctx.tensor(v->type->shape, v->type->elem, enc)}});
    body->insertBefore(moved, first);
    first->setOperand(0, moved->result());
    for (Op *o : chain) o->result()->type = m.ctx.tensor(o->result()->type->shape, o->result()->type->elem, enc);
    c->result()->replaceAllUsesWith(c->operand(0));
    c->erase();
  }
}

/// The only dot of a warp group in the loop, if it may stay in flight: its sum only goes round.
bool mayOverlap(const Op *loop, const std::vector<PlannedLoad> &loads) {
  Block *body = loop->region(0)->front();
  const Op *dot = nullptr;
  for (Op *o = body->first; o; o = o->next) {
    if (o->numRegions()) return false;
    if (!o->is(Opcode::ttng_warp_group_dot)) continue;
    if (dot) return false;
    dot = o;
  }
  if (!dot) return false;
  Value *acc = dot->operand(2), *d = dot->result();
  if (!acc->isArg() || acc->block != body || acc->index == 0 || !d->hasOneUse()) return false;
  const Op *user = d->uses->owner;
  if (user->is(Opcode::ttng_warp_group_dot_wait) ? user->intAttr("pendings") != 0 : user != body->last) return false;
  for (unsigned i = 0; i < 2; ++i) {
    const Value *v = dot->operand(i);
    while (v->def && sharedKind(v->def) == SharedKind::View) v = v->def->operand(0);
    if (!v->def || !v->def->is(Opcode::ttg_local_alloc) || !v->def->numOperands()) return false;
    const Value *from = v->def->operand(0);
    if (from->def && isSwap(from->def)) from = from->def->operand(0);
    if (std::none_of(loads.begin(), loads.end(), [&](const PlannedLoad &l) { return l.load == from->def; })) return false;
  }
  return true;
}

void say(const GpuOptions &o, RemarkKind kind, const char *name, std::string message, const Op *at) {
  if (o.remarks) o.remarks->push_back({kind, name, std::move(message), locText(at->loc)});
}

} // namespace

LoopSchedule scheduleLoop(Module &m, Op *kernel, Op *loop, std::string *why) {
  LoopSchedule s;
  s.loop = loop;
  Block *body = loop->region(0)->front();
  int64_t step;
  Constant c(loop->operand(2));
  if (c && (step = signExtend(c.bits()[0], c.width)) <= 0) return s;
  if (loop->attr("unsignedCmp")) return s;
  hoistConversions(m, body);
  AxisInfoAnalysis axis(kernel);
  Ahead ahead{body, {}, {}};
  bool every = loop->intAttr("tt.num_stages", 0) > 1;
  for (Op *load = body->first; load; load = load->next) {
    if (!load->is(Opcode::tt_load) || !load->result()->type->isTensor() || !load->operand(0)->type->isTensor()) continue;
    PlannedLoad p;
    p.load = load;
    p.dot = feedsDot(load->result(), body);
    if (!p.dot && !every) continue;
    auto no = [&](const char *reason) {
      if (why) *why += locText(load->loc) + ": not copied ahead: " + reason + "\n";
    };
    Type t = load->result()->type;
    if ((p.dot && t->rank() < 2) || !t->enc) continue;
    p.fill = load->slot(1) && !zeroFill(load);
    if (load->intAttr("isVolatile")) { no("the load is volatile"); continue; }
    if (t->elem->isPtr()) { no("it loads pointers"); continue; }
    if (p.dot && p.fill) { no("masked-off elements are not 0"); continue; }
    if (mayWrite(loop, load)) { no("the loop may write the same memory"); continue; }
    std::vector<unsigned> order = orderOf(t->enc, t->shape);
    if (p.dot) p.shared = wish(m.ctx, load->result(), order);
    if (p.dot && !p.shared)
      for (Use *u = load->result()->uses; u && !p.shared; u = u->next)
        if (isSwap(u->owner)) {
          Attr w = wish(m.ctx, u->owner->result(), {1 - order[0], 1 - order[1]});
          p.shared = w ? swapped(m.ctx, w) : nullptr;
          p.transposed = p.shared;
        }
    if (!p.shared) p.shared = swizzledSharedAttr(m.ctx, 1, 1, 1, order);
    p.vector = copyWidth(axis, load, p.shared);
    if (p.vector * bitsOf(t) < 32) { no("a thread has fewer than 4 neighbouring bytes"); continue; }
    Ahead with = ahead;
    bool ok = true;
    for (unsigned i = 0; i < load->numOperands(); ++i) // what fills is selected in the iteration itself
      ok &= (p.fill && load->operand(i) == load->slot(2)) || with.value(load->operand(i));
    if (!ok) { no("its address or mask needs more than the number of the iteration"); continue; }
    p.bytes = uint64_t(t->count()) * bitsOf(t) / 8;
    ahead = std::move(with);
    s.loads.push_back(p);
  }
  for (Op *o = body->first; o; o = o->next) // in program order
    if (std::find(ahead.ops.begin(), ahead.ops.end(), o) != ahead.ops.end()) s.ahead.push_back(o);
  s.carried = ahead.carried;
  std::sort(s.carried.begin(), s.carried.end());
  s.overlap = mayOverlap(loop, s.loads);
  return s;
}

Status pipelineLoads(Module &m, Op *kernel, const GpuOptions &o, ScratchBytes scratch, uint64_t limit) {
  if (o.capability < 80) return {};
  std::vector<Op *> loops;
  kernel->walk([&](Op *op) {
    bool inner = op->is(Opcode::scf_for) && op->region(0)->front();
    if (inner)
      op->walk([&](Op *p) { inner &= p == op || !(p->is(Opcode::scf_for) || p->is(Opcode::scf_while)); });
    if (inner) loops.push_back(op);
  });
  for (Op *loop : loops) {
    int64_t asked = loop->intAttr("tt.num_stages", o.num_stages);
    bool planned = asked == 0;
    unsigned stages = planned ? 3 : unsigned(std::min<int64_t>(asked, 16));
    if (stages < 2) continue;
    std::string why;
    LoopSchedule s = scheduleLoop(m, kernel, loop, &why);
    if (!why.empty()) say(o, RemarkKind::missed, "not-pipelined", why.substr(0, why.size() - 1), loop);
    if (s.loads.empty()) continue;
    std::vector<Op *> replaced;
    uint64_t one = 0;
    for (PlannedLoad &l : s.loads) {
      one += l.bytes;
      l.load->parent->parentOp()->walk([&](Op *p) {
        if (l.dot && p->is(Opcode::ttg_local_alloc) && p->numOperands()) {
          Value *from = p->operand(0);
          if (from->def && isSwap(from->def)) from = from->def->operand(0);
          if (from->def == l.load) replaced.push_back(p);
        }
      });
    }
    uint64_t used = bytesDuring(kernel, scratch, loop, replaced);
    // Copies right after the wait need one barrier a round but a buffer more than copies behind the last use.
    // Where a dot stays in flight the buffer is needed as well, and the copies have to wait for the dot before.
    // Without a dot the loop only moves data: what counts is how many programs share a multiprocessor, and what
    // stands behind the last use (reductions, as a rule) often has the barrier already.
    bool dots = std::any_of(s.loads.begin(), s.loads.end(), [](const PlannedLoad &l) { return l.dot; });
    auto fits = [&](uint64_t buffers, uint64_t of) { return used + one * buffers + 1024 * s.loads.size() <= of; };
    unsigned want = stages;
    for (; stages >= 2; --stages) {
      s.stages = s.buffers = stages;
      s.copies_first = !s.overlap && dots;
      if (dots && fits(stages, s.overlap ? limit : limit / 2)) break;
      if (s.overlap) continue;
      s.copies_first = false;
      s.buffers = stages - 1;
      if (fits(s.buffers, limit)) break;
    }
    if (stages < want && o.strict && !planned)
      return tessera::fail(Code::LIMIT,
                           "%s: out of shared memory: %u stages of this loop need %llu bytes, sm_%u has %llu for a program",
                           locText(loop->loc).c_str(), want,
                           static_cast<unsigned long long>(used + one * std::max(1u, want - 1)), o.capability,
                           static_cast<unsigned long long>(limit));
    if (stages < want)
      say(o, RemarkKind::missed, "fewer-stages",
          tessera::format("%u stages instead of %u: %llu bytes of shared memory a stage, %llu in use, %llu in all", stages < 2 ? 1 : stages,
                          want, static_cast<unsigned long long>(one), static_cast<unsigned long long>(used),
                          static_cast<unsigned long long>(limit)),
          loop);
    if (stages < 2) continue;
    if (o.explain && o.plan) *o.plan += s.text();
    say(o, RemarkKind::passed, "pipelined",
        tessera::format("%zu loads go through %u buffers, %u iterations ahead", s.loads.size(), s.buffers, s.stages - 1), loop);
    expandSchedule(m, s);
  }
  return {};
}

Status pipeline_loads(Module &m, Op *kernel, const GpuOptions &o) {
  TESSERA_TRY(pipelineLoads(m, kernel, o, scratchBytes, shared_limit(o.capability)));
  return overlap_dots(m, kernel, o);
}

} // namespace tcodegen::gpu
