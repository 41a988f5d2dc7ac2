// SPDX-License-Identifier: MIT
// Elements on the move: conversions between layouts, and shared-memory buffers read and written by tiles.
#include "lower.hh"
#include "matrix.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace tir;
using IrValue = llvm::Value;

IrValue *Lower::scratch(Op *op) {
  Attr a = op->attr("allocation.offset");
  if (!a) {
    fail(tessera::Code::INTERNAL, op, "no shared memory was allocated for it");
    return llvm::PoisonValue::get(b.getPtrTy(3));
  }
  if (!smemValue) {
    llvm::IRBuilder<>::InsertPointGuard g(b);
    b.SetInsertPoint(entryEnd);
    smemValue = prim("tessera.smem", b.getPtrTy(3), {});
  }
  return a->ival ? b.CreateConstInBoundsGEP1_32(b.getInt8Ty(), smemValue, (unsigned)a->ival) : smemValue;
}

void Lower::enterScratch(Op *op) {
  if (scratchUser == op) barrier();
  scratchUser = op;
}

// ---- tiles in shared memory ------------------------------------------------------------------------------------------

namespace {

/// Which registers make one vector, and where the thread's part is.
struct Vectors {
  unsigned log = 0; // log2 of the elements of one access
};

Vectors vectorsOf(const Access &a, uint64_t shift, unsigned bits) {
  Vectors v;
  uint64_t thread = shift;
  for (uint64_t c : a.lane) thread |= c;
  for (uint64_t c : a.warp) thread |= c;
  while ((bits << (v.log + 1)) <= 128) {
    uint64_t unit = uint64_t(1) << v.log;
    Columns x;
    if (thread & unit || !gf2::solve(a.reg, {unit}, &x)) break;
    ++v.log;
  }
  return v;
}

uint64_t orOf(const Access &a) {
  uint64_t m = 0;
  for (uint64_t c : a.lane) m |= c;
  for (uint64_t c : a.warp) m |= c;
  return m;
}

/// Addresses of a tile: base + thread part, constant per register.
struct Addresses {
  Lower &l;
  IrValue *base, *thread; // bytes
  uint64_t mask;          // bits the thread part may set, bytes
  IrValue *near = nullptr; // base + thread
  Addresses(Lower &l, IrValue *base, const Access &a, uint64_t shift, unsigned bits) : l(l), base(base) {
    unsigned bytes = bits / 8;
    Columns lane, warp;
    for (uint64_t c : a.lane) lane.push_back(c * bytes);
    for (uint64_t c : a.warp) warp.push_back(c * bytes);
    thread = l.threadPart(lane, warp);
    mask = orOf(a) * bytes;
    (void)shift;
  }
  IrValue *at(uint64_t offset) { // bytes
    llvm::IRBuilder<> &b = l.b;
    if (mask & offset) return b.CreateGEP(b.getInt8Ty(), base, b.CreateXor(thread, b.getInt32((uint32_t)offset)));
    if (!near) near = b.CreateGEP(b.getInt8Ty(), base, thread);
    return offset ? b.CreateConstGEP1_32(b.getInt8Ty(), near, (unsigned)offset) : near;
  }
};

} // namespace

IrValue *Lower::sharedAt(IrValue *base, IrValue *element, unsigned bits) {
  return b.CreateGEP(bitsType(bits), base, element);
}

void Lower::storeShared(IrValue *ptr, llvm::ArrayRef<IrValue *> e) {
  unsigned bits = e[0]->getType()->getPrimitiveSizeInBits();
  IrValue *v = e[0];
  if (e.size() > 1) {
    Regs words; // those that the elements were taken from
    unsigned per = bits < 32 ? 32 / bits : 1;
    for (unsigned i = 0; bits < 32 && i + per <= e.size(); i += per)
      if (IrValue *w = wordOf(e.slice(i, per))) words.push_back(w);
    bool whole = !words.empty() && words.size() * per == e.size();
    if (!whole) words.assign(e.begin(), e.end());
    v = llvm::PoisonValue::get(llvm::FixedVectorType::get(words[0]->getType(), words.size()));
    for (unsigned i = 0; i < words.size(); ++i) v = b.CreateInsertElement(v, words[i], (uint64_t)i);
    if (!whole && bits < 32 && bits * e.size() >= 32)
      v = b.CreateBitCast(v, llvm::FixedVectorType::get(b.getInt32Ty(), bits * e.size() / 32));
  }
  b.CreateAlignedStore(v, ptr, llvm::Align(bits / 8 * e.size()));
}

void Lower::loadShared(IrValue *ptr, unsigned bits, unsigned count, Regs &to) {
  llvm::Align align(bits / 8 * count);
  llvm::Type *elem = b.getIntNTy(bits);
  if (count == 1) {
    to.push_back(b.CreateAlignedLoad(elem, ptr, align));
    return;
  }
  llvm::Type *vec = llvm::FixedVectorType::get(elem, count), *words = vec;
  if (bits < 32 && bits * count >= 32) words = llvm::FixedVectorType::get(b.getInt32Ty(), bits * count / 32);
  IrValue *v = b.CreateBitCast(b.CreateAlignedLoad(words, ptr, align), vec);
  for (unsigned i = 0; i < count; ++i) to.push_back(b.CreateExtractElement(v, (uint64_t)i));
}

void Lower::storeTile(IrValue *base, uint64_t shift, const Access &a, const Regs &r, unsigned bits, IrValue *mask) {
  Vectors v = vectorsOf(a, shift, bits);
  unsigned elems = 1u << v.log;
  std::map<uint64_t, Regs> groups; // by offset of the vector
  for (unsigned i = 0; i < r.size(); ++i) {
    uint64_t off = gf2::apply(a.reg, i) ^ shift;
    Regs &g = groups[off >> v.log];
    if (g.empty()) g.assign(elems, nullptr);
    g[off & (elems - 1)] = r[i];
  }
  auto all = [&] {
    Addresses at(*this, base, a, shift, bits);
    for (auto &[off, g] : groups) {
      bool whole = true;
      for (IrValue *x : g) whole = whole && x;
      if (whole) storeShared(at.at((off << v.log) * (bits / 8)), g);
      else
        for (unsigned k = 0; k < elems; ++k)
          if (g[k]) storeShared(at.at(((off << v.log) + k) * (bits / 8)), {g[k]});
    }
  };
  if (mask) ifThen(mask, all);
  else all();
}

Regs Lower::loadTile(IrValue *base, uint64_t shift, const Access &a, unsigned bits) {
  Vectors v = vectorsOf(a, shift, bits);
  unsigned elems = 1u << v.log;
  Addresses at(*this, base, a, shift, bits);
  std::map<uint64_t, Regs> groups;
  Regs out;
  for (unsigned i = 0; i < 1u << a.reg.size(); ++i) {
    uint64_t off = gf2::apply(a.reg, i) ^ shift;
    Regs &g = groups[off >> v.log];
    if (g.empty()) loadShared(at.at((off >> v.log << v.log) * (bits / 8)), bits, elems, g);
    out.push_back(g[off & (elems - 1)]);
  }
  return out;
}

// ---- conversions -----------------------------------------------------------------------------------------------------

Regs Lower::shuffleConvert(const Regs &r, const ShufflePlan &plan, const LinearLayout &to) {
  unsigned regs = to.inBits(Dim::Register), warps = to.inBits(Dim::Warp);
  auto part = [&](const Columns &c) { // what lane and warp of this thread contribute
    Columns laneCols(c.begin(), c.begin() + 5), warpCols(c.begin() + 5 + regs, c.end());
    return threadPart(laneCols, warpCols);
  };
  auto constant = [&](const Columns &c, unsigned reg) {
    uint64_t v = 0;
    for (unsigned i = 0; i < regs; ++i)
      if (reg >> i & 1) v ^= c[5 + i];
    return v;
  };
  (void)warps;
  IrValue *lanePart = part(plan.lane), *sentPart = part(plan.sent);
  // Registers that the sender may have to choose from: constant ^ span(varying).
  Columns varying(plan.sent.begin(), plan.sent.begin() + 5);
  varying.insert(varying.end(), plan.sent.begin() + 5 + regs, plan.sent.end());
  Columns basis = gf2::image(varying);
  std::map<std::pair<uint64_t, uint64_t>, IrValue *> done;
  Regs out;
  for (unsigned i = 0; i < 1u << regs; ++i) {
    uint64_t from = constant(plan.lane, i), reg = constant(plan.sent, i);
    IrValue *&x = done[{from, reg}];
    if (!x) {
      IrValue *send = r[reg];
      IrValue *which = basis.empty() ? nullptr : b.CreateXor(sentPart, b.getInt32((uint32_t)reg));
      for (unsigned k = 1; k < 1u << basis.size(); ++k) {
        uint64_t other = reg ^ gf2::apply(basis, k);
        send = b.CreateSelect(b.CreateICmpEQ(which, b.getInt32((uint32_t)other)), r[other], send);
      }
      x = shuffleIdx(send, b.CreateXor(lanePart, b.getInt32((uint32_t)from)));
    }
    out.push_back(x);
  }
  return out;
}

Regs Lower::convert(Op *op, const Regs &r, const LinearLayout &from, const LinearLayout &to, Type elem) {
  std::vector<unsigned> which;
  if (matchRegisters(from, to, &which)) {
    Regs out;
    for (unsigned i : which) out.push_back(r[i]);
    return out;
  }
  if (classify(from, to) == Move::Shuffles) {
    ShufflePlan plan;
    planShuffles(from, to, &plan);
    return shuffleConvert(r, plan, to);
  }
  unsigned bits = elementBits(elem);
  SharedPlan plan = planShared(from, to, bits, kExchangeBytes);
  Access write = plan.access(from), read = plan.access(to);
  enterScratch(op);
  IrValue *base = scratch(op), *owner = isOwner(from);
  Regs in, out(size_t(1) << to.inBits(Dim::Register), nullptr);
  for (IrValue *x : r) in.push_back(toBits(x, bits));
  for (unsigned round = 0; round < 1u << plan.roundBits; ++round) {
    if (round) barrier();
    // Registers of this round, as tiles of their own: the round's patterns form a coset of a subspace.
    auto members = [&](const Access &a, unsigned count) {
      std::vector<unsigned> m;
      for (unsigned i = 0; i < count; ++i)
        if (a.round.empty() || a.round[i] == round) m.push_back(i);
      return m;
    };
    auto slice = [&](const Access &a, const std::vector<unsigned> &m, Access *sub, uint64_t *shift) {
      // m[0] ^ span(differences): columns of a basis of the differences, in the order of m.
      sub->lane = a.lane;
      sub->warp = a.warp;
      *shift = gf2::apply(a.reg, m[0]);
      for (size_t k = 1; k < m.size(); k *= 2) sub->reg.push_back(gf2::apply(a.reg, m[k]) ^ *shift);
    };
    // Order the members so that index bits are linear.
    auto linear = [&](std::vector<unsigned> m) {
      std::vector<unsigned> o{m[0]};
      for (unsigned x : m) {
        bool have = false;
        for (unsigned y : o) have = have || x == y;
        if (have) continue;
        size_t n = o.size();
        for (size_t k = 0; k < n; ++k) o.push_back(o[k] ^ m[0] ^ x);
      }
      return o;
    };
    std::vector<unsigned> wm = linear(members(write, (unsigned)in.size())), rm = linear(members(read, (unsigned)out.size()));
    Access w, rd;
    uint64_t ws = 0, rs = 0;
    slice(write, wm, &w, &ws);
    slice(read, rm, &rd, &rs);
    Regs part;
    for (unsigned i : wm) part.push_back(in[i]);
    storeTile(base, ws, w, part, bits, owner);
    barrier();
    Regs got = loadTile(base, rs, rd, bits);
    for (size_t i = 0; i < rm.size(); ++i) out[rm[i]] = fromBits(got[i], elem);
  }
  return out;
}

// ---- operations ------------------------------------------------------------------------------------------------------

bool Lower::lowerShared(Op *op) {
  switch (op->code) {
  case Opcode::ttg_convert_layout:
    set(op->result(), convert(op, regs(op->operand(0)), layout(op->operand(0)), layout(op->result()), op->result()->type->elem));
    return true;
  case Opcode::ttg_local_alloc: {
    MemDesc d;
    d.base = scratch(op);
    memdescs[op->result()] = d;
    if (op->numOperands()) {
      Value *v = op->operand(0);
      LinearLayout s = sharedLayoutOf(op->result()->type);
      if (failed()) return true;
      unsigned bits = elementBits(v->type);
      Regs in;
      for (IrValue *x : regs(v)) in.push_back(toBits(x, bits));
      storeTile(d.base, 0, accessOf(s, layout(v)), in, bits, isOwner(layout(v)));
    }
    return true;
  }
  case Opcode::ttg_local_dealloc: return true;
  case Opcode::ttg_local_store: {
    Value *v = op->operand(0);
    MemDesc d = memdesc(op->operand(1));
    LinearLayout s = sharedLayoutOf(op->operand(1)->type);
    if (failed()) return true;
    unsigned bits = elementBits(v->type);
    Regs in;
    for (IrValue *x : regs(v)) in.push_back(toBits(x, bits));
    storeTile(d.base, d.shift, accessOf(s, layout(v)), in, bits, isOwner(layout(v)));
    return true;
  }
  case Opcode::ttg_local_load: {
    MemDesc d = memdesc(op->operand(0));
    Type t = op->result()->type;
    LinearLayout s = sharedLayoutOf(op->operand(0)->type);
    const LinearLayout &l = layout(t);
    if (failed()) return true;
    unsigned bits = elementBits(t);
    Regs got;
    if (!loadTileLdmatrix(*this, d.base, d.shift, s, l, bits, &got))
      got = loadTile(d.base, d.shift, accessOf(s, l), bits);
    Regs outRegs;
    for (IrValue *x : got) outRegs.push_back(fromBits(x, t->elem));
    set(op->result(), outRegs);
    return true;
  }
  case Opcode::ttg_memdesc_index: {
    MemDesc d = memdesc(op->operand(0));
    Type t = op->result()->type;
    IrValue *bytes = b.CreateMul(scalar(op->operand(1)), b.getInt32((uint32_t)(t->count() * elementBits(t->elem) / 8)));
    d.base = b.CreateGEP(b.getInt8Ty(), d.base, bytes);
    memdescs[op->result()] = d;
    return true;
  }
  case Opcode::ttg_memdesc_subslice: {
    MemDesc d = memdesc(op->operand(0));
    // The view's offsets as an element of the allocation; its place there shifts every access.
    LinearLayout s = sharedLayoutOf(op->operand(0)->type);
    Attr offsets = op->attr("offsets");
    uint64_t flat = 0;
    unsigned rank = op->result()->type->rank();
    for (unsigned i = 0; i < rank && offsets; ++i) flat |= (uint64_t)offsets->ints[i] << s.outStart(tensorDim(i));
    Columns x;
    if (gf2::solve(s.columnsOf(Dim::Offset), {flat}, &x)) d.shift ^= x[0];
    memdescs[op->result()] = d;
    return true;
  }
  case Opcode::ttg_memdesc_trans:
  case Opcode::ttg_memdesc_reshape:
  case Opcode::ttg_memdesc_reinterpret: memdescs[op->result()] = memdesc(op->operand(0)); return true;
  case Opcode::ttg_async_commit_group: prim("tessera.cp.async.commit", b.getVoidTy(), {}); return true;
  case Opcode::ttg_async_wait:
    prim("tessera.cp.async.wait." + std::to_string(op->intAttr("num")), b.getVoidTy(), {});
    return true;
  case Opcode::ttg_async_copy_global_to_local: {
    tir::Value *ptr = op->slot(0), *dst = op->slot(1), *mask = op->slot(2), *other = op->slot(3);
    MemDesc d = memdesc(dst);
    const LinearLayout &l = layout(ptr);
    LinearLayout s = sharedLayoutOf(dst->type);
    if (failed()) return true;
    unsigned bits = elementBits(dst->type->elem);
    Access a = accessOf(s, l);
    Vectors v = vectorsOf(a, d.shift, bits);
    // Registers that are neighbours in shared memory must be neighbours in global memory too.
    unsigned limit = 0;
    while (limit < v.log && (int64_t(2) << limit) <= op->intAttr("contiguity", 1)) ++limit;
    v.log = limit;
    // What cp.async cannot do is done at once: fewer than 4 bytes, something else than zeros where the mask is off.
    bool plain = (bits << v.log) < 32;
    Regs fill = other && mask ? regs(other) : Regs{};
    for (IrValue *x : fill) {
      auto *c = llvm::dyn_cast<llvm::Constant>(x);
      plain = plain || !c || !c->isNullValue();
    }
    const Regs &p = regs(ptr);
    Regs mk = mask ? regs(mask) : Regs{};
    unsigned elems = 1u << v.log, bytes = elems * bits / 8;
    IrValue *owner = isOwner(l);
    std::string name = std::string("tessera.cp.async.") + (bytes == 16 ? "cg." : "ca.") + std::to_string(bytes);
    unsigned total = bits * elems, word = std::max(bits, std::min(32u, total));
    if (plain) name = "tessera.ld.global.v" + std::to_string(total / word) + ".b" + std::to_string(word);
    auto all = [&] {
      Addresses at(*this, d.base, a, d.shift, bits);
      std::map<uint64_t, bool> seen;
      for (unsigned i = 0; i < p.size(); ++i) {
        uint64_t off = gf2::apply(a.reg, i) ^ d.shift;
        if (off & (elems - 1) || !seen.try_emplace(off, true).second) continue;
        IrValue *to = at.at(off * (bits / 8)), *pred = mask ? mk[i] : (IrValue *)b.getTrue();
        if (!plain) {
          prim(name, b.getVoidTy(), {to, p[i], pred});
          continue;
        }
        IrValue *x = prim(name, llvm::FixedVectorType::get(b.getIntNTy(word), total / word), {p[i], pred});
        x = b.CreateBitCast(x, llvm::FixedVectorType::get(bitsType(bits), elems));
        std::map<uint64_t, unsigned> place; // element of the access → register
        for (unsigned r = 0; r < p.size(); ++r) place.try_emplace(gf2::apply(a.reg, r) ^ d.shift, r);
        Regs stored;
        for (unsigned k = 0; k < elems; ++k) {
          IrValue *e = b.CreateExtractElement(x, (uint64_t)k);
          IrValue *o = fill.empty() ? (IrValue *)llvm::Constant::getNullValue(e->getType()) : toBits(fill[place[off + k]], bits);
          stored.push_back(mask ? b.CreateSelect(pred, e, o) : e);
        }
        storeShared(to, stored);
      }
    };
    if (owner) ifThen(owner, all);
    else all();
    return true;
  }
  case Opcode::ttg_barrier:
  case Opcode::ttg_local_barrier:
  case Opcode::gpu_barrier: barrier(); return true;
  case Opcode::ttng_fence_async_shared: prim("tessera.fence.async", b.getVoidTy(), {}); return true;
  default: return false;
  }
}

} // namespace tcodegen::gpu
