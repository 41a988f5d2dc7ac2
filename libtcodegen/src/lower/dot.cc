// SPDX-License-Identifier: MIT
// Matrix products: both operands are packed once into the type of the accumulator, row-major, then a
// register-blocked kernel walks the result. The accumulator stays in its buffer between calls, so the dot of a
// k-loop accumulates in place.
#include "lower.hh"
#include "target/cpu/convert.hh"
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
  multiplyPacked(acc_t, bufferBase(acc), pa, pb, B, M, N, K);
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

void Lowering::multiplyPacked(Type acc_t, llvm::Value *cbase, const Packed &pa, const Packed &pb, int64_t B, int64_t M,
                              int64_t N, int64_t K) {
  IrType *lt = laneType(acc_t);
  unsigned bytes = storageBytes(acc_t);
  bool integer = acc_t->isInt();
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
}

// ---- scaled products: operands of few bits, unpacked and multiplied by their scales in f64, where that is exact ----------

namespace {
enum ScaledKind { E4M3, E5M2, E2M3, E3M2, E2M1, BF16, FP16 };
/// The same elements with one coordinate divided by 2^shift.
Coord divided(llvm::IRBuilder<> &b, Coord c, unsigned shift) {
  c.base = b.CreateLShr(c.base, shift);
  for (uint32_t &lane : c.lane) lane >>= shift;
  return c;
}
} // namespace

/// Lanes of one operand as f64. Codes of four and six bits become f32 by moving their exponent and mantissa to the place
/// of a float's and multiplying by the difference of the biases, which also does the subnormal ones.
llvm::Value *Lowering::decodeScaled(unsigned kind, Type elem, llvm::Value *x, unsigned lanes) {
  IrType *f64 = vecType(b.getDoubleTy(), lanes), *i32 = vecType(b.getInt32Ty(), lanes);
  if (kind == E4M3 || kind == E5M2) return emit_convert(b, x, kind == E4M3 ? Float::f8e4m3fn : Float::f8e5m2, Float::f64);
  if (kind == BF16 || kind == FP16) return b.CreateFPExt(widen(elem, x), f64);
  unsigned mantissa = kind == E2M3 ? 3 : kind == E3M2 ? 2 : 1, magnitude = kind == E2M1 ? 3 : 5;
  auto k = [&](uint64_t v) { return llvm::ConstantInt::get(i32, v); };
  llvm::Value *code = b.CreateZExt(x, i32);
  llvm::Value *bits = b.CreateShl(b.CreateAnd(code, k((1u << magnitude) - 1)), k(23 - mantissa));
  llvm::Value *sign = b.CreateShl(b.CreateAnd(code, k(1u << magnitude)), k(31 - magnitude));
  llvm::Value *tiny = b.CreateFPExt(b.CreateBitCast(b.CreateOr(bits, sign), vecType(b.getFloatTy(), lanes)), f64);
  return b.CreateFMul(tiny, llvm::ConstantFP::get(f64, kind == E3M2 ? 0x1p124 : 0x1p126));
}

Lowering::Packed Lowering::packScaled(Op *op, bool left, Type acc_t, int64_t B, int64_t rows, int64_t K) {
  IrValue *v = op->operand(left ? 0 : 1), *scale = op->slot(left ? 3 : 4);
  unsigned rank = v->type->rank(), kind = (unsigned)op->intAttr(left ? "a_elem_type" : "b_elem_type", 99);
  bool along_k = op->intAttr(left ? "lhs_k_pack" : "rhs_k_pack", 1);
  unsigned kd = left ? rank - 1 : rank - 2, rd = left ? rank - 2 : rank - 1;
  llvm::SmallVector<int64_t, 4> shape;
  if (rank == 3) shape.push_back(B);
  shape.push_back(left ? rows : K);
  shape.push_back(left ? K : rows);
  int buf = scratchBuffer((uint64_t)B * rows * K * storageBytes(acc_t));
  nest(shape, naturalBits(acc_t), {}, [&](const Index *idx) {
    Index from = *idx;
    llvm::Value *nibble = nullptr;
    unsigned lanes = idx->lanes();
    if (kind == E2M1) {
      unsigned d = along_k ? kd : rd;
      nibble = vec(coordVal(idx->dims[d], idx->bits), lanes);
      from.dims[d] = divided(b, idx->dims[d], 1);
      from.dims[d].depth = std::max(from.dims[d].depth, current);
    }
    llvm::Value *x = vec(eval(v, intern(std::move(from))), lanes);
    if (nibble) {
      IrType *i8 = vecType(b.getInt8Ty(), lanes);
      llvm::Value *odd = b.CreateTrunc(b.CreateAnd(nibble, llvm::ConstantInt::get(nibble->getType(), 1)), i8);
      x = b.CreateAnd(b.CreateLShr(x, b.CreateShl(odd, llvm::ConstantInt::get(i8, 2))), llvm::ConstantInt::get(i8, 15));
    }
    x = decodeScaled(kind, v->type->elem, x, lanes);
    if (scale) {
      Type st = scale->type;
      llvm::Value *s;
      if (!st->isTensor() || st->count() == 1) {
        llvm::SmallVector<int64_t, 4> zeros(st->rank(), 0);
        s = vec(eval(scale, constIndex(zeros)), 1);
      } else {
        Index at;
        at.bits = idx->bits;
        if (rank == 3) at.dims.push_back(idx->dims[0]);
        at.dims.push_back(idx->dims[rd]);
        at.dims.push_back(divided(b, idx->dims[kd], Log2_64(K / st->shape[st->rank() - 1])));
        at.dims.back().depth = std::max(at.dims.back().depth, current);
        s = vec(eval(scale, intern(std::move(at))), lanes);
      }
      unsigned n = s->getType()->isVectorTy() ? lanes : 1;
      Type se = st->scalar();
      if (se->isFloat()) s = emit_convert(b, s, se->isFloat(FloatKind::F8E5M2) ? Float::f8e5m2 : Float::f8e4m3fn, Float::f64);
      else { // e8m0: the exponent alone; 255 is NaN
        IrType *i64 = vecType(b.getInt64Ty(), n);
        auto k = [&](uint64_t value) { return llvm::ConstantInt::get(i64, value); };
        llvm::Value *e = b.CreateZExt(s, i64);
        llvm::Value *bits = b.CreateShl(b.CreateAdd(e, k(1023 - 127)), k(52));
        bits = b.CreateSelect(b.CreateICmpEQ(e, k(255)), k(0x7FF8000000000000ull), bits);
        s = b.CreateBitCast(bits, vecType(b.getDoubleTy(), n));
      }
      if (n != lanes) s = b.CreateVectorSplat(lanes, s);
      x = b.CreateFMul(x, s);
    }
    Val r;
    r.v = x;
    r.lanes = lanes;
    storeBuffer(buf, acc_t, {shape.data(), (uint32_t)shape.size()}, idx, r);
  });
  return {bufferBase(buf), left ? rows * K : K * rows, left ? K : rows, 1};
}

void Lowering::lowerDotScaled(Op *op) {
  IrValue *c = op->operand(2), *d = op->result();
  if (plan.buffer[d->id] < 0) return;
  Type ta = op->operand(0)->type, tb = op->operand(1)->type, t = d->type;
  Type acc_t = m.ctx.floatType(FloatKind::F64);
  unsigned rank = t->rank(), ka = (unsigned)op->intAttr("a_elem_type", 99), kb = (unsigned)op->intAttr("b_elem_type", 99);
  if (ka > FP16 || kb > FP16 || rank < 2 || rank > 3) return unsupported(op, "these operands");
  int64_t B = rank == 3 ? t->shape[0] : 1, M = t->shape[rank - 2], N = t->shape[rank - 1];
  int64_t K = ta->shape[rank - 1] * (ka == E2M1 && op->intAttr("lhs_k_pack", 1) ? 2 : 1);
  if (K != tb->shape[rank - 2] * (kb == E2M1 && op->intAttr("rhs_k_pack", 1) ? 2 : 1))
    return fail(tessera::Code::VERIFY, op, "the operands' lengths along K differ");
  for (unsigned i = 3; i < 5; ++i)
    if (IrValue *s = op->slot(i)) {
      Type se = s->type->scalar();
      bool known = se->isInt(8) || se->isFloat(FloatKind::F8E4M3FN) || se->isFloat(FloatKind::F8E5M2);
      int64_t per = s->type->isTensor() && s->type->count() > 1 ? s->type->shape[s->type->rank() - 1] : 1;
      if (!known || K % per || s->type->count() != (per == 1 && s->type->count() == 1 ? 1 : B * (i == 3 ? M : N) * per))
        return unsupported(op, "these scales");
    }
  uint64_t keep = scratch_top;
  int acc = scratchBuffer((uint64_t)t->count() * 8);
  Packed pa = packScaled(op, true, acc_t, B, M, K), pb = packScaled(op, false, acc_t, B, N, K);
  nest({t->shape.begin(), t->shape.size()}, naturalBits(acc_t), {}, [&](const Index *idx) {
    Val x = eval(c, idx);
    x.v = widen(t->elem, vec(x, x.lanes));
    x.affine = false;
    if (!t->elem->isFloat(FloatKind::F64)) x.v = b.CreateFPExt(x.v, vecType(b.getDoubleTy(), x.lanes));
    storeBuffer(acc, acc_t, t->shape, idx, x);
  });
  multiplyPacked(acc_t, bufferBase(acc), pa, pb, B, M, N, K);
  nest({t->shape.begin(), t->shape.size()}, naturalBits(acc_t), {}, [&](const Index *idx) {
    Val x = loadBuffer(acc, acc_t, t->shape, idx);
    llvm::Value *v = vec(x, x.lanes);
    if (!t->elem->isFloat(FloatKind::F64)) v = b.CreateFPTrunc(v, vecType(b.getFloatTy(), x.lanes));
    x = Val();
    x.lanes = v->getType()->isVectorTy() ? llvm::cast<llvm::FixedVectorType>(v->getType())->getNumElements() : 1;
    x.v = narrow(t->elem, v);
    storeBuffer(plan.buffer[d->id], t->elem, t->shape, idx, x);
  });
  scratch_top = keep;
}

} // namespace tcodegen
