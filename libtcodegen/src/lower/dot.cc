// SPDX-License-Identifier: MIT
// Matrix products: both operands are packed once into the type of the accumulator, row-major, then a
// register-blocked kernel walks the result. The accumulator stays in its buffer between calls, so the dot of a
// k-loop accumulates in place.
#include "lower.hh"
#include <llvm/Support/MathExtras.h>

namespace tcodegen {
using namespace tir;
using llvm::Log2_64;
using IrType = llvm::Type;
using IrValue = tir::Value;

namespace {
/// The dimension order in which the elements of a virtual tile lie in memory, as far as that is visible.
IrValue *pointerBehind(IrValue *v, llvm::SmallVectorImpl<unsigned> &perm) {
  for (int guard = 0; v->def && guard < 20; ++guard) {
    Op *op = v->def;
    if (op->is(Opcode::tt_load)) return op->operand(0);
    if (op->is(Opcode::tt_trans)) {
      Attr order = op->attr("order");
      llvm::SmallVector<unsigned, 4> next(perm.size());
      for (unsigned k = 0; k < perm.size(); ++k) next[(unsigned)order->ints[k]] = perm[k];
      perm.assign(next.begin(), next.end());
      v = op->operand(0);
      continue;
    }
    if (op->numOperands() == 1 && (op->info().traits & TraitElementwise)) {
      v = op->operand(0);
      continue;
    }
    return nullptr;
  }
  return nullptr;
}
} // namespace

struct Packed {
  llvm::Value *base;
  int64_t batch, row, col; // strides in elements
};

void Lowering::lowerDot(Op *op) {
  IrValue *a = op->operand(0), *bb = op->operand(1), *c = op->operand(2), *d = op->result();
  Type ct = d->type->elem, at = a->type->elem;
  if (plan.buffer[d->id] < 0) return; // nobody looks
  bool integer = at->isInt();
  Type acc_t = integer ? m.ctx.i32() : at->isFloat(FloatKind::F64) || ct->isFloat(FloatKind::F64) ? m.ctx.floatType(FloatKind::F64) : m.ctx.f32();
  if (integer && !ct->isInt(32)) return unsupported(op, "an integer product that is not accumulated in i32");
  unsigned rank = d->type->rank();
  int64_t B = rank == 3 ? d->type->shape[0] : 1;
  int64_t M = d->type->shape[rank - 2], N = d->type->shape[rank - 1], K = a->type->shape[rank - 1];
  IrType *lt = laneType(acc_t);
  unsigned bytes = storageBytes(acc_t);
  uint64_t keep = scratch_top;

  auto convert = [&](Type from, Val x) {
    Val r;
    r.lanes = x.lanes;
    llvm::Value *v = vec(x, x.lanes);
    if (integer) r.v = b.CreateSExt(v, vecType(lt, x.lanes));
    else if (from == acc_t) r.v = v;
    else {
      r.v = widen(from, v);
      if (acc_t->isFloat(FloatKind::F64) && !from->isFloat(FloatKind::F64)) r.v = b.CreateFPExt(r.v, vecType(lt, x.lanes));
    }
    return r;
  };
  // `by_column`: the packed copy may keep the other orientation (the left operand is read element by element).
  auto pack = [&](IrValue *v, bool left) -> Packed {
    Type t = v->type;
    int64_t rows = t->shape[rank - 2], cols = t->shape[rank - 1];
    if (t->elem == acc_t && plan.buffer[v->id] >= 0 && plan.home[v->id] == Home::Buffer)
      return {bufferBase(plan.buffer[v->id]), rows * cols, cols, 1};
    llvm::SmallVector<unsigned, 4> perm, order;
    for (unsigned k = 0; k < rank; ++k) perm.push_back(k);
    if (plan.home[v->id] == Home::Virtual)
      if (IrValue *p = pointerBehind(v, perm)) {
        // perm[k]: dimension of v that dimension k of the loaded tile became
        for (unsigned k : bestOrder(p)) order.push_back(perm[k]);
      }
    bool transposed = left && order.size() && order[0] == rank - 2;
    int buf = scratchBuffer((uint64_t)t->count() * bytes);
    Packed p{nullptr, rows * cols, transposed ? 1 : cols, transposed ? rows : 1};
    nest({t->shape.begin(), t->shape.size()}, naturalBits(acc_t), order, [&](const Index *idx) {
      Val x = convert(t->elem, eval(v, idx));
      Val off;
      off.affine = true;
      off.base = i32c(0);
      bool any = false;
      for (unsigned k = 0; k < rank; ++k) {
        int64_t stride = k == rank - 1 ? p.col : k == rank - 2 ? p.row : p.batch;
        const Coord &co = idx->dims[k];
        off.base = b.CreateAdd(off.base, b.CreateMul(co.base, i32c(stride)));
        for (unsigned i = 0; i < idx->bits; ++i) {
          off.coef[i] += (int64_t)co.lane[i] * stride;
          any = any || co.lane[i];
        }
      }
      off.lanes = any ? idx->lanes() : 1;
      storeLanes(bufferBase(buf), lt, off, vec(x, off.lanes));
    });
    p.base = bufferBase(buf);
    return p;
  };

  // The accumulator: the result's own buffer when the type fits, else a copy of the accumulator's type.
  bool own = ct == acc_t;
  int acc = own ? plan.buffer[d->id] : scratchBuffer((uint64_t)d->type->count() * bytes);
  Packed pa = pack(a, true), pb = pack(bb, false);
  if (!(own && plan.in_place[op->id])) {
    Type t = d->type;
    nest({t->shape.begin(), t->shape.size()}, naturalBits(acc_t), {}, [&](const Index *idx) {
      storeBuffer(acc, acc_t, t->shape, idx, convert(ct, eval(c, idx)));
    });
  }
  llvm::Value *cbase = bufferBase(acc);
  auto gep = [&](llvm::Value *base, llvm::Value *at) { return b.CreateGEP(lt, base, at); };
  auto i64 = [&](llvm::Value *x) { return b.CreateZExt(x, b.getInt64Ty()); };
  int64_t W = std::min<int64_t>(N, (target.vector_bits / 8) / bytes);
  int64_t NV = std::min<int64_t>(N / W, 2), MR = std::min<int64_t>(M, target.vector_bits == 512 ? 8 : 4);
  IrType *vt = vecType(lt, W);
  llvm::Align al(bytes);

  llvm::SmallVector<Loop, 4> loops;
  auto loop = [&](int64_t to, int64_t step) -> llvm::Value * {
    if (to == step) return b.getInt64(0);
    loops.push_back(beginLoop(i32c(0), i32c(to), i32c(step), true));
    return i64(loops.back().iv);
  };
  llvm::Value *batch = loop(B, 1), *j = loop(N, NV * W), *i = loop(M, MR);
  auto mul = [&](llvm::Value *x, int64_t k) { return b.CreateMul(x, b.getInt64(k)); };
  llvm::Value *c0 = gep(cbase, b.CreateAdd(b.CreateAdd(mul(batch, M * N), mul(i, N)), j));
  llvm::Value *a0 = gep(pa.base, b.CreateAdd(mul(batch, pa.batch), mul(i, pa.row)));
  llvm::Value *b0 = gep(pb.base, b.CreateAdd(mul(batch, pb.batch), j));
  llvm::SmallVector<llvm::Value *, 16> accs;
  for (int64_t r = 0; r < MR; ++r)
    for (int64_t v = 0; v < NV; ++v) accs.push_back(b.CreateAlignedLoad(vt, gep(c0, b.getInt64(r * N + v * W)), al));
  int64_t KU = std::min<int64_t>(K, 2);
  Loop kl;
  llvm::SmallVector<llvm::PHINode *, 16> phis;
  llvm::Value *k = b.getInt64(0);
  bool looped = K > KU;
  if (looped) {
    kl = beginLoop(b.getInt64(0), b.getInt64(K), b.getInt64(KU), true);
    k = kl.iv;
    for (llvm::Value *&x : accs) {
      phis.push_back(loopPhi(kl, x));
      x = phis.back();
    }
  }
  for (int64_t u = 0; u < KU; ++u) {
    llvm::Value *ku = b.CreateAdd(k, b.getInt64(u));
    llvm::Value *arow = gep(a0, mul(ku, pa.col)), *brow = gep(b0, mul(ku, pb.row));
    llvm::SmallVector<llvm::Value *, 4> bv;
    for (int64_t v = 0; v < NV; ++v) bv.push_back(b.CreateAlignedLoad(vt, gep(brow, b.getInt64(v * W)), al));
    for (int64_t r = 0; r < MR; ++r) {
      llvm::Value *av = b.CreateAlignedLoad(lt, gep(arow, b.getInt64(r * pa.row)), al);
      if (W > 1) av = b.CreateVectorSplat(W, av);
      for (int64_t v = 0; v < NV; ++v) {
        llvm::Value *&x = accs[r * NV + v];
        if (integer) x = b.CreateAdd(x, b.CreateMul(av, bv[v]));
        else x = b.CreateIntrinsic(llvm::Intrinsic::fma, {vt}, {av, bv[v], x});
      }
    }
  }
  if (looped) {
    for (unsigned x = 0; x < accs.size(); ++x) phis[x]->addIncoming(accs[x], kl.latch);
    endLoop(kl);
  }
  for (int64_t r = 0; r < MR; ++r)
    for (int64_t v = 0; v < NV; ++v) b.CreateAlignedStore(accs[r * NV + v], gep(c0, b.getInt64(r * N + v * W)), al);
  while (!loops.empty()) endLoop(loops.back()), loops.pop_back();
  if (!own) {
    Type t = d->type;
    nest({t->shape.begin(), t->shape.size()}, naturalBits(acc_t), {}, [&](const Index *idx) {
      Val x = loadBuffer(acc, acc_t, t->shape, idx);
      Val y;
      y.lanes = x.lanes;
      y.v = integer ? x.v : narrow(ct, x.v);
      storeBuffer(plan.buffer[d->id], ct, t->shape, idx, y);
    });
  }
  scratch_top = keep;
}

void Lowering::lowerDotScaled(Op *op) { unsupported(op); }

} // namespace tcodegen
