// SPDX-License-Identifier: MIT
// ttng.warp_group_dot: products of four warps with operands in shared memory, described to the hardware by
// descriptors whose fields are read off the shared layout.
#include "matrix.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace llvm;
using tessera::Code;
using tir::FloatKind;
using tir::LinearLayout;

namespace {

/// An operand in shared memory: lower 32 bits of the descriptor of its first tile; a tile's is that plus its offset / 16.
struct SharedOperand {
  WgmmaOperand layout;
  Value *low = nullptr;

  Value *descriptor(Lower &l, uint64_t row, uint64_t k) const {
    uint64_t offset = tir::gf2::apply(layout.rows, row) ^ tir::gf2::apply(layout.ks, k);
    Value *lo = offset ? l.b.CreateAdd(low, l.b.getInt32(offset >> 4)) : low;
    return l.b.CreateOr(l.b.CreateZExt(lo, l.b.getInt64Ty()), l.b.getInt64(uint64_t(layout.high()) << 32));
  }
};

/// The number of the warp, known to be the same in all of its lanes; computed once, at the kernel's entry.
Value *uniformWarp(Lower &l) {
  Value *warp = l.warp();
  IRBuilderBase::InsertPointGuard guard(l.b);
  l.b.SetInsertPoint(l.entryEnd);
  return l.prim("tessera.shfl.idx.i32", l.b.getInt32Ty(), {warp, l.b.getInt32(0)}, true);
}

/// `coordinates`: what each bit of the warp group's number adds to the operand's row.
bool openOperand(Lower &l, tir::Op *op, unsigned index, unsigned rowBits, const tir::Columns &coordinates,
                 SharedOperand *o) {
  tir::Value *v = op->operand(index);
  unsigned bits = l.elementBits(v->type->elem);
  if (!planWgmmaOperand(l.sharedLayoutOf(v->type), index == 1, bits, rowBits, &o->layout)) {
    l.fail(Code::UNSUPPORTED, op, "operand %c of a warp group's dot has a layout in shared memory that wgmma cannot read",
           "ab"[index]);
    return false;
  }
  MemDesc &d = l.memdesc(v);
  Value *address = l.b.CreatePtrToInt(d.base, l.b.getInt32Ty());
  if (uint64_t shift = d.shift * (bits / 8)) address = l.b.CreateAdd(address, l.b.getInt32(shift));
  Value *low = l.b.CreateAnd(l.b.CreateLShr(address, 4), 0x3fff);
  Value *warp = nullptr;
  for (unsigned i = 0; i < coordinates.size(); ++i) {
    uint64_t offset = tir::gf2::apply(o->layout.rows, coordinates[i]) >> 4;
    if (!offset) continue;
    if (!warp) warp = uniformWarp(l);
    Value *bit = l.b.CreateAnd(l.b.CreateLShr(warp, 2 + i), 1);
    low = l.b.CreateAdd(low, l.b.CreateShl(bit, std::countr_zero(offset)));
  }
  o->low = o->layout.low() ? l.b.CreateOr(low, l.b.getInt32(o->layout.low())) : low;
  return true;
}

/// Names what the registers hold, so that each signature has one name: "tessera.wgmma.wait.0.f32x128".
Regs waitFor(Lower &l, unsigned pending, const Regs &regs) {
  std::string name = "tessera.wgmma.wait." + std::to_string(pending);
  if (regs.empty()) {
    l.prim(name, l.b.getVoidTy(), {}, true);
    return {};
  }
  Type *t = regs[0]->getType();
  name += std::string(t->isFloatTy() ? ".f32x" : ".i32x") + std::to_string(regs.size());
  Type *result = regs.size() == 1 ? t : StructType::get(l.cx, SmallVector<Type *, 8>(regs.size(), t));
  Value *r = l.prim(name, result, regs, true);
  if (regs.size() == 1) return {r};
  Regs out;
  for (unsigned i = 0; i < regs.size(); ++i) out.push_back(l.b.CreateExtractValue(r, i));
  return out;
}

bool isZero(tir::Value *v) {
  tir::Op *d = v->def;
  if (!d || !d->is(tir::Opcode::arith_constant)) return false;
  tir::Attr a = d->attr("value");
  return a && a->kind == tir::AttrKind::Dense && a->bval && a->bits.size() && !a->bits[0];
}

/// One dot's instructions, apart from fences and waits.
struct Emit {
  Lower &l;
  tir::Op *op;
  const WgmmaPlan &plan;
  std::string name;
  SharedOperand a, b;
  bool fromRegisters;
  unsigned instrK, bits, count; // count: accumulators of one instruction

  SmallVector<Value *, 4> aRegisters(unsigned tileM, unsigned step) {
    SmallVector<Value *, 4> out;
    const Regs &regs = l.regs(op->operand(0));
    for (unsigned r = 0; r < 4; ++r) {
      uint64_t at = tir::gf2::apply(plan.aM, tileM) ^ tir::gf2::apply(plan.aK, step) ^ (r & 1 ? plan.aRow : 0) ^
                    (r & 2 ? plan.aHalf : 0);
      out.push_back(packWord(l, regs, at, plan.aPack, bits));
    }
    return out;
  }

  /// acc += a·b over steps [from, to) for one tile; `use`: of the accumulators in the first step.
  void tile(unsigned tileM, unsigned tileN, unsigned from, unsigned to, Value *use, MutableArrayRef<Value *> acc) {
    uint64_t m = tir::gf2::apply(plan.tilesM, tileM), n = tir::gf2::apply(plan.tilesN, tileN);
    Type *type = StructType::get(l.cx, SmallVector<Type *, 8>(count, acc[0]->getType()));
    for (unsigned s = from; s < to; ++s) {
      SmallVector<Value *, 140> args(acc.begin(), acc.end());
      if (fromRegisters) args.append(aRegisters(tileM, s));
      else args.push_back(a.descriptor(l, m, uint64_t(s) * instrK));
      args.push_back(b.descriptor(l, n, uint64_t(s) * instrK));
      args.push_back(s == from ? use : l.b.getTrue());
      Value *d = l.prim(name, type, args, true);
      for (unsigned i = 0; i < count; ++i) acc[i] = l.b.CreateExtractValue(d, i);
    }
  }
};

} // namespace

void lowerWarpGroupDot(Lower &l, tir::Op *op) {
  tir::Value *av = op->operand(0), *bv = op->operand(1);
  tir::Type accType = op->result()->type->elem, aElem = av->type->elem, bElem = bv->type->elem;
  bool fromRegisters = !av->type->isMemDesc();
  if (l.options.capability != 90 || !l.options.arch_specific)
    return l.fail(Code::UNSUPPORTED, op, "a warp group's dot needs the target sm_90a");
  const char *an = matrixTypeName(aElem), *bn = matrixTypeName(bElem);
  bool integer = accType->isInt(32);
  if (!an || !bn || (!integer && !accType->isFloat(FloatKind::F32)) || aElem->isFloat(FloatKind::F64))
    return l.fail(Code::UNSUPPORTED, op, "not implemented: a warp group's dot of these types");
  const LinearLayout &lc = l.layout(op->result());
  unsigned bits = l.elementBits(aElem);
  unsigned kBits = std::countr_zero(uint64_t(av->type->shape[av->type->rank() - 1]));
  WgmmaPlan plan;
  if (l.failed()) return;
  if (!planWgmma(fromRegisters ? &l.layout(av) : nullptr, lc, kBits, bits, &plan))
    return l.fail(Code::UNSUPPORTED, op, "the accumulator's layout is not one of a warp group's dot");

  Emit e{l, op, plan, {}, {}, {}, fromRegisters, 256 / bits, bits, 1u << (plan.nBits - 1)};
  if (!fromRegisters && !openOperand(l, op, 0, 6, plan.groupM, &e.a)) return;
  if (!openOperand(l, op, 1, plan.nBits, plan.groupN, &e.b)) return;
  e.name = "tessera.wgmma.m64n" + std::to_string(1u << plan.nBits) + "k" + std::to_string(e.instrK) + "." +
           (integer ? "s32" : "f32") + "." + an + "." + bn + (fromRegisters ? ".rs" : ".ss");
  if (!fromRegisters && e.a.layout.mnMajor) e.name += ".ta";
  if (e.b.layout.mnMajor) e.name += ".tb";

  const Regs &in = l.regs(op->operand(2));
  unsigned tilesM = 1u << plan.tilesM.size(), tilesN = 1u << plan.tilesN.size(), steps = 1u << plan.steps;
  Type *type = in[0]->getType();
  Regs acc(size_t(tilesM) * tilesN * e.count, Constant::getNullValue(type));
  for (size_t r = 0; r < plan.result.size(); ++r) acc[plan.result[r]] = in[r];
  tir::Value *useC = op->slot(3);
  Value *use = useC ? l.scalar(useC) : l.b.getInt1(!isZero(op->operand(2)));

  // Sums of fp8 products are kept with few bits by the hardware: after so many of them they go to an f32 sum.
  int64_t imprecise = op->intAttr("maxNumImpreciseAcc", 0);
  bool fp8 = aElem->isFloat() && bits == 8;
  unsigned chunk = fp8 && imprecise < int64_t(1) << kBits ? std::max<int64_t>(1, imprecise / e.instrK) : steps;
  bool isAsync = op->intAttr("isAsync", 0) && chunk >= steps;
  for (unsigned from = 0; from < steps; from += chunk) {
    unsigned to = std::min(steps, from + chunk);
    bool apart = chunk < steps;
    Regs sum = acc;
    l.prim("tessera.wgmma.fence", l.b.getVoidTy(), {}, true);
    for (unsigned t = 0; t < tilesM * tilesN; ++t)
      e.tile(t % tilesM, t / tilesM, from, to, apart ? l.b.getFalse() : use,
             MutableArrayRef<Value *>(sum).slice(size_t(t) * e.count, e.count));
    l.prim("tessera.wgmma.commit", l.b.getVoidTy(), {}, true);
    if (!isAsync) sum = waitFor(l, 0, sum);
    if (apart)
      for (size_t i = 0; i < sum.size(); ++i) {
        Value *c = from || !useC ? acc[i] : l.b.CreateSelect(use, acc[i], Constant::getNullValue(type));
        sum[i] = l.b.CreateFAdd(c, sum[i]);
      }
    acc = std::move(sum);
  }
  Regs out;
  for (uint32_t r : plan.result) out.push_back(acc[r]);
  l.set(op->result(), std::move(out));
}

void lowerWarpGroupDotWait(Lower &l, tir::Op *op) {
  Regs all;
  auto word = [](Value *v) { return v->getType()->isFloatTy() || v->getType()->isIntegerTy(32); };
  bool floats = true;
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    if (op->operand(i)->type->isMemDesc()) {
      l.memdesc(op->result(i)) = l.memdesc(op->operand(i));
      continue;
    }
    for (Value *v : l.regs(op->operand(i)))
      if (word(v)) all.push_back(v), floats &= v->getType()->isFloatTy();
  }
  if (!floats)
    for (Value *&v : all) v = l.toBits(v, 32);
  Regs done = waitFor(l, op->intAttr("pendings"), all);
  size_t next = 0;
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    if (op->operand(i)->type->isMemDesc()) continue;
    Regs r = l.regs(op->operand(i));
    for (Value *&v : r)
      if (word(v)) {
        Value *w = done[next++];
        v = w->getType() == v->getType() ? w : l.b.CreateBitCast(w, v->getType());
      }
    l.set(op->result(i), std::move(r));
  }
}

} // namespace tcodegen::gpu
