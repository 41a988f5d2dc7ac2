// SPDX-License-Identifier: MIT
// Loads, stores, atomics, tensor descriptors. Neighbouring lanes at neighbouring addresses become one vector access:
// seen while compiling when the affine form is known, else found out at run time (one compare), with one access per
// lane as the way out. Masked-off lanes touch the first bytes of the arena, never the user's memory.
#include "lower.hh"
#include "target/cpu/convert.hh"
#include <llvm/Support/MathExtras.h>

namespace tcodegen {
using namespace tir;
using llvm::Value;
using IrType = llvm::Type;
using tir::Type;
using IrValue = tir::Value;

namespace {
enum class Shape { Contiguous, Unknown, Scattered };
Shape shapeOf(const Val &ptr, unsigned lanes, unsigned size) {
  if (ptr.lanes == 1) return Shape::Scattered;
  if (!ptr.affine) return lanes > 2 ? Shape::Unknown : Shape::Scattered;
  for (unsigned i = 0; (1u << i) < lanes; ++i)
    if (ptr.coef[i] != (int64_t)size << i) return Shape::Scattered;
  return Shape::Contiguous;
}
} // namespace

/// Are the addresses base, base+size, base+2·size, … ? (i1, at run time)
static Value *contiguousNow(llvm::IRBuilder<> &b, Value *addrs, unsigned lanes, unsigned size, Value **first) {
  *first = b.CreateExtractElement(addrs, uint64_t(0));
  llvm::SmallVector<llvm::Constant *, 16> steps;
  for (unsigned i = 0; i < lanes; ++i) steps.push_back(b.getInt64(uint64_t(i) * size));
  Value *expected = b.CreateAdd(b.CreateVectorSplat(lanes, *first), llvm::ConstantVector::get(steps));
  return b.CreateAndReduce(b.CreateICmpEQ(addrs, expected));
}

/// Stack space for the lanes of one access; one array per type serves the whole function.
Value *Lowering::laneBuffer(IrType *elem, unsigned lanes) {
  llvm::AllocaInst *&slot = lane_buffers[{elem, lanes}];
  if (!slot) {
    llvm::BasicBlock &entry = fn->getEntryBlock();
    slot = new llvm::AllocaInst(llvm::ArrayType::get(elem, lanes), 0, nullptr, llvm::Align(64), "", entry.begin());
  }
  return slot;
}

Val Lowering::loadFrom(Type elem, const Val &ptr, const Val *mask, const Val *other, unsigned lanes) {
  IrType *mt = memType(elem), *lt = laneType(elem);
  unsigned size = storageBytes(elem);
  Val r;
  r.lanes = lanes;
  IrType *vt = vecType(mt, lanes);
  auto toPtr = [&](Value *a) { return b.CreateIntToPtr(a, b.getPtrTy()); };
  Value *otherv = nullptr;
  if (mask) {
    if (other) otherv = vec(*other, lanes);
    else otherv = llvm::Constant::getNullValue(vecType(lt, lanes));
    if (mt != lt) otherv = b.CreateZExt(otherv, vt);
  }
  auto finish = [&](Value *x) {
    if (mt != lt) x = b.CreateTrunc(x, vecType(lt, lanes));
    r.v = x;
    return r;
  };
  if (lanes == 1) {
    Value *p = toPtr(vec(ptr, 1));
    if (mask) p = b.CreateSelect(mask->v, p, arena);
    Value *x = b.CreateAlignedLoad(mt, p, llvm::Align(1));
    if (mask) x = b.CreateSelect(mask->v, x, otherv);
    return finish(x);
  }
  auto vectorLoad = [&](Value *base) -> Value * {
    Value *p = toPtr(base);
    if (!mask) return b.CreateAlignedLoad(vt, p, llvm::Align(1));
    if (mask->lanes == 1) {
      Value *x = b.CreateAlignedLoad(vt, b.CreateSelect(mask->v, p, arena), llvm::Align(1));
      return b.CreateSelect(mask->v, x, otherv);
    }
    Value *mv = vec(*mask, lanes);
    auto masked = [&]() -> Value * { return b.CreateMaskedLoad(vt, p, llvm::Align(1), mv, otherv); };
    if (target.avx512 || size >= 4) return masked();
    // AVX2 has no masked access to narrow elements: LLVM would branch for each lane.
    return ifElse(b.CreateAndReduce(mv), [&]() -> Value * { return b.CreateAlignedLoad(vt, p, llvm::Align(1)); }, masked);
  };
  if (ptr.lanes == 1) { // one address for all lanes, different masks
    Value *any = mask ? (mask->lanes == 1 ? mask->v : b.CreateOrReduce(mask->v)) : nullptr;
    Value *p = toPtr(vec(ptr, 1));
    if (any) p = b.CreateSelect(any, p, arena);
    Value *x = b.CreateVectorSplat(lanes, b.CreateAlignedLoad(mt, p, llvm::Align(1)));
    if (mask) x = b.CreateSelect(mask->v, x, otherv);
    return finish(x);
  }
  auto perLane = [&](Value *addrs) -> Value * {
    if (mask) {
      Value *safe = b.CreateVectorSplat(lanes, b.CreatePtrToInt(arena, b.getInt64Ty()));
      addrs = b.CreateSelect(mask->lanes == 1 ? mask->v : vec(*mask, lanes), addrs, safe);
    }
    Value *x = llvm::PoisonValue::get(vt);
    for (unsigned i = 0; i < lanes; ++i)
      x = b.CreateInsertElement(x, b.CreateAlignedLoad(mt, toPtr(b.CreateExtractElement(addrs, (uint64_t)i)), llvm::Align(1)), i);
    if (mask) x = b.CreateSelect(mask->lanes == 1 ? mask->v : vec(*mask, lanes), x, otherv);
    return x;
  };
  switch (shapeOf(ptr, lanes, size)) {
  case Shape::Contiguous: return finish(vectorLoad(ptr.base));
  case Shape::Scattered: return finish(perLane(vec(ptr, lanes)));
  case Shape::Unknown: break;
  }
  // The way out is a loop over the lanes: it is rarely taken, and small.
  auto laneLoop = [&](Value *addrs) -> Value * {
    Value *at = laneBuffer(b.getInt64Ty(), lanes), *to = laneBuffer(mt, lanes);
    if (mask) {
      Value *safe = b.CreateVectorSplat(lanes, b.CreatePtrToInt(arena, b.getInt64Ty()));
      addrs = b.CreateSelect(mask->lanes == 1 ? mask->v : vec(*mask, lanes), addrs, safe);
    }
    b.CreateAlignedStore(addrs, at, llvm::Align(8));
    Loop l = beginLoop(b.getInt64(0), b.getInt64(lanes), b.getInt64(1), true);
    Value *p = b.CreateAlignedLoad(b.getInt64Ty(), b.CreateGEP(b.getInt64Ty(), at, l.iv), llvm::Align(8));
    b.CreateAlignedStore(b.CreateAlignedLoad(mt, toPtr(p), llvm::Align(1)), b.CreateGEP(mt, to, l.iv), llvm::Align(1));
    endLoop(l);
    Value *x = b.CreateAlignedLoad(vt, to, llvm::Align(1));
    if (mask) x = b.CreateSelect(mask->lanes == 1 ? mask->v : vec(*mask, lanes), x, otherv);
    return x;
  };
  Value *addrs = vec(ptr, lanes), *first;
  Value *now = contiguousNow(b, addrs, lanes, size, &first);
  return finish(ifElse(now, [&] { return vectorLoad(first); }, [&] { return laneLoop(addrs); }));
}

void Lowering::storeTo(Type elem, const Val &ptr, const Val &value, const Val *mask, unsigned lanes) {
  IrType *mt = memType(elem), *lt = laneType(elem);
  unsigned size = storageBytes(elem);
  auto toPtr = [&](Value *a) { return b.CreateIntToPtr(a, b.getPtrTy()); };
  Value *x = vec(value, lanes);
  if (mt != lt) x = b.CreateZExt(x, vecType(mt, lanes));
  if (lanes == 1) {
    Value *p = toPtr(vec(ptr, 1));
    if (mask) p = b.CreateSelect(mask->v, p, arena);
    b.CreateAlignedStore(x, p, llvm::Align(1));
    return;
  }
  auto vectorStore = [&](Value *base) {
    Value *p = toPtr(base);
    if (!mask) b.CreateAlignedStore(x, p, llvm::Align(1));
    else if (mask->lanes == 1) b.CreateAlignedStore(x, b.CreateSelect(mask->v, p, arena), llvm::Align(1));
    else { // nearly always all lanes: a plain store is faster than a masked one
      Value *mv = vec(*mask, lanes);
      ifElse(b.CreateAndReduce(mv), [&]() -> Value * { return b.CreateAlignedStore(x, p, llvm::Align(1)), nullptr; },
             [&]() -> Value * { return b.CreateMaskedStore(x, p, llvm::Align(1), mv), nullptr; });
    }
  };
  auto perLane = [&](Value *addrs) {
    if (mask) {
      Value *safe = b.CreateVectorSplat(lanes, b.CreatePtrToInt(arena, b.getInt64Ty()));
      addrs = b.CreateSelect(mask->lanes == 1 ? mask->v : vec(*mask, lanes), addrs, safe);
    }
    for (unsigned i = 0; i < lanes; ++i)
      b.CreateAlignedStore(b.CreateExtractElement(x, (uint64_t)i), toPtr(b.CreateExtractElement(addrs, (uint64_t)i)), llvm::Align(1));
  };
  switch (shapeOf(ptr, lanes, size)) {
  case Shape::Contiguous: return vectorStore(ptr.base);
  case Shape::Scattered: return perLane(vec(ptr, lanes));
  case Shape::Unknown: break;
  }
  auto laneLoop = [&](Value *addrs) {
    Value *at = laneBuffer(b.getInt64Ty(), lanes), *from = laneBuffer(mt, lanes);
    if (mask) {
      Value *safe = b.CreateVectorSplat(lanes, b.CreatePtrToInt(arena, b.getInt64Ty()));
      addrs = b.CreateSelect(mask->lanes == 1 ? mask->v : vec(*mask, lanes), addrs, safe);
    }
    b.CreateAlignedStore(addrs, at, llvm::Align(8));
    b.CreateAlignedStore(x, from, llvm::Align(1));
    Loop l = beginLoop(b.getInt64(0), b.getInt64(lanes), b.getInt64(1), true);
    Value *p = b.CreateAlignedLoad(b.getInt64Ty(), b.CreateGEP(b.getInt64Ty(), at, l.iv), llvm::Align(8));
    b.CreateAlignedStore(b.CreateAlignedLoad(mt, b.CreateGEP(mt, from, l.iv), llvm::Align(1)), toPtr(p), llvm::Align(1));
    endLoop(l);
  };
  Value *addrs = vec(ptr, lanes), *first;
  Value *now = contiguousNow(b, addrs, lanes, size, &first);
  ifElse(now, [&]() -> Value * { return vectorStore(first), nullptr; }, [&]() -> Value * { return laneLoop(addrs), nullptr; });
}

Val Lowering::evalLoad(Op *op, const Index *idx) {
  IrValue *mv = op->slot(1), *ov = op->slot(2);
  if (op->attr("boundaryCheck") && op->attr("boundaryCheck")->ints.size()) unsupported(op, "boundaryCheck");
  Val p = eval(op->operand(0), idx), mask, other;
  unsigned lanes = p.lanes;
  if (mv) mask = eval(mv, idx), lanes = std::max(lanes, mask.lanes);
  if (ov) other = eval(ov, idx), lanes = std::max(lanes, other.lanes);
  return loadFrom(op->result()->type->scalar(), p, mv ? &mask : nullptr, ov ? &other : nullptr, lanes);
}

void Lowering::lowerStore(Op *op) {
  IrValue *pv = op->operand(0), *xv = op->operand(1), *mv = op->slot(2);
  Type t = pv->type;
  Type elem = t->scalar()->elem;
  if (op->attr("boundaryCheck") && op->attr("boundaryCheck")->ints.size()) return unsupported(op, "boundaryCheck");
  if (!t->isTensor()) {
    if (elem->isTensor()) return unsupported(op, "a block pointer");
    Val mask;
    if (mv) mask = scalarVal(scalarOf(mv));
    return storeTo(elem, scalarVal(scalarOf(pv)), scalarVal(scalarOf(xv)), mv ? &mask : nullptr, 1);
  }
  nest({t->shape.begin(), t->shape.size()}, naturalBits(elem), bestOrder(pv), [&](const Index *idx) {
    Val p = eval(pv, idx), x = eval(xv, idx), mask;
    if (mv) mask = eval(mv, idx);
    storeTo(elem, p, x, mv ? &mask : nullptr, idx->lanes());
  });
}

// ---- atomics ---------------------------------------------------------------------------------------------------

static llvm::AtomicOrdering orderOf(Op *op) {
  switch (op->intAttr("sem", 4)) {
  case 1: return llvm::AtomicOrdering::Monotonic;
  case 2: return llvm::AtomicOrdering::Acquire;
  case 3: return llvm::AtomicOrdering::Release;
  default: return llvm::AtomicOrdering::AcquireRelease;
  }
}

Value *Lowering::atomicElement(Op *op, Value *ptr, llvm::ArrayRef<Value *> args, Type elem) {
  IrType *lt = laneType(elem);
  unsigned bytes = storageBytes(elem);
  IrType *it = b.getIntNTy(bytes * 8);
  llvm::Align align(bytes);
  llvm::AtomicOrdering order = orderOf(op);
  Value *p = b.CreateIntToPtr(ptr, b.getPtrTy());
  auto bits = [&](Value *x) { return lt->isIntegerTy() ? b.CreateZExtOrTrunc(x, it) : b.CreateBitCast(x, it); };
  auto value = [&](Value *x) { return lt->isIntegerTy() ? b.CreateZExtOrTrunc(x, lt) : b.CreateBitCast(x, lt); };
  using R = llvm::AtomicRMWInst;
  switch (op->code) {
  case Opcode::tt_atomic_load: {
    auto *l = b.CreateAlignedLoad(it, p, align);
    l->setAtomic(order == llvm::AtomicOrdering::Monotonic ? order : llvm::AtomicOrdering::Acquire);
    return value(l);
  }
  case Opcode::tt_atomic_store: {
    auto *s = b.CreateAlignedStore(bits(args[0]), p, align);
    s->setAtomic(order == llvm::AtomicOrdering::Monotonic ? order : llvm::AtomicOrdering::Release);
    return nullptr;
  }
  case Opcode::tt_atomic_cas: {
    auto fail_order = llvm::AtomicCmpXchgInst::getStrongestFailureOrdering(order);
    Value *x = b.CreateAtomicCmpXchg(p, bits(args[0]), bits(args[1]), align, order, fail_order);
    return value(b.CreateExtractValue(x, 0));
  }
  default: break;
  }
  int64_t kind = op->intAttr("atomic_rmw_op");
  static constexpr R::BinOp ops[] = {R::BAD_BINOP, R::And, R::Or, R::Xor, R::Add, R::BAD_BINOP, R::Max, R::Min, R::UMax, R::UMin, R::Xchg};
  if (kind < 1 || kind > 10) return unsupported(op, "this atomic operation"), llvm::PoisonValue::get(lt);
  if (kind != 5 && lt->isIntegerTy() && !elem->isFloat()) return value(b.CreateAtomicRMW(ops[kind], p, bits(args[0]), align, order));
  if (kind == 10) return value(b.CreateAtomicRMW(R::Xchg, p, bits(args[0]), align, order));
  if (kind != 5) return unsupported(op, "this atomic operation on floats"), llvm::PoisonValue::get(lt);
  return value(atomicUpdate(order, p, elem, [&](Value *old) { return bits(narrow(elem, b.CreateFAdd(widen(elem, value(old)), widen(elem, args[0])))); }));
}

/// Compare and swap until nobody came between; values are bit patterns as in memory. Returns the old one.
Value *Lowering::atomicUpdate(llvm::AtomicOrdering order, Value *p, Type elem, llvm::function_ref<Value *(Value *)> next) {
  unsigned bytes = storageBytes(elem);
  IrType *it = b.getIntNTy(bytes * 8);
  llvm::Align align(bytes);
  auto *seed = b.CreateAlignedLoad(it, p, align);
  seed->setAtomic(llvm::AtomicOrdering::Monotonic);
  llvm::Instruction *at = &*b.GetInsertPoint();
  llvm::BasicBlock *head = at->getParent();
  llvm::BasicBlock *cont = head->splitBasicBlock(at);
  llvm::BasicBlock *again = llvm::BasicBlock::Create(cx, "", fn, cont);
  head->getTerminator()->setSuccessor(0, again);
  cont->replacePhiUsesWith(head, again);
  b.SetInsertPoint(again);
  llvm::PHINode *old = b.CreatePHI(it, 2);
  old->addIncoming(seed, head);
  Value *wanted = next(old);
  auto fail_order = llvm::AtomicCmpXchgInst::getStrongestFailureOrdering(order);
  Value *x = b.CreateAtomicCmpXchg(p, old, wanted, align, order, fail_order);
  old->addIncoming(b.CreateExtractValue(x, 0), b.GetInsertBlock());
  b.CreateCondBr(b.CreateExtractValue(x, 1), cont, again);
  b.SetInsertPoint(at);
  return old;
}

/// One element of tt.descriptor_reduce. Sums and bits of integers have instructions, the rest goes round.
void Lowering::reduceElement(Op *op, Value *ptr, Value *x, Type elem) {
  using R = llvm::AtomicRMWInst;
  IrType *lt = laneType(elem);
  unsigned bytes = storageBytes(elem);
  IrType *it = b.getIntNTy(bytes * 8);
  Value *p = b.CreateIntToPtr(ptr, b.getPtrTy());
  bool is_unsigned = elem->isInt() && elem->sign == Sign::Unsigned;
  int64_t kind = op->intAttr("kind"); // add min max inc dec and or xor, from 1
  constexpr auto order = llvm::AtomicOrdering::Monotonic;
  if (elem->isInt()) {
    R::BinOp how = kind == 1 ? R::Add : kind == 2 ? (is_unsigned ? R::UMin : R::Min) : kind == 3 ? (is_unsigned ? R::UMax : R::Max)
                   : kind == 4 ? R::UIncWrap : kind == 5 ? R::UDecWrap : kind == 6 ? R::And : kind == 7 ? R::Or : kind == 8 ? R::Xor : R::BAD_BINOP;
    if (how == R::BAD_BINOP || elem->width == 1) return unsupported(op, "this kind");
    if (kind != 4 && kind != 5) {
      b.CreateAtomicRMW(how, p, x, llvm::Align(bytes), order);
      return;
    }
    atomicUpdate(order, p, elem, [&](Value *old) -> Value * {
      Value *zero = b.getIntN(bytes * 8, 0), *one = b.getIntN(bytes * 8, 1);
      if (kind == 4) return b.CreateSelect(b.CreateICmpUGE(old, x), zero, b.CreateAdd(old, one));
      Value *wrap = b.CreateOr(b.CreateICmpEQ(old, zero), b.CreateICmpUGT(old, x));
      return b.CreateSelect(wrap, x, b.CreateSub(old, one));
    });
    return;
  }
  if (!elem->isFloat() || kind < 1 || kind > 3) return unsupported(op, "this kind on this type");
  atomicUpdate(order, p, elem, [&](Value *old) {
    Value *u = widen(elem, lt == it ? old : b.CreateBitCast(old, lt)), *v = widen(elem, x);
    Value *r = kind == 1 ? b.CreateFAdd(u, v) : emit_min_max(b, kind == 2 ? MinMax::min_number : MinMax::max_number, u, v);
    r = narrow(elem, r);
    return lt == it ? r : b.CreateBitCast(r, it);
  });
}

void Lowering::lowerAtomic(Op *op) {
  if (op->is(Opcode::tt_atomic_poll)) return unsupported(op);
  IrValue *pv = op->operand(0);
  Type t = pv->type, elem = t->scalar()->elem;
  if (storageBytes(elem) == 1 && elem->isInt(1)) return unsupported(op, "atomics on i1");
  unsigned values = op->is(Opcode::tt_atomic_cas) ? 2 : op->is(Opcode::tt_atomic_load) ? 0 : 1;
  IrValue *mv = op->is(Opcode::tt_atomic_cas) ? nullptr : op->slot(1 + values);
  bool has = op->numResults();
  auto element = [&](Value *p, llvm::ArrayRef<Value *> args, Value *mask) -> Value * {
    if (!mask) return atomicElement(op, p, args, elem);
    if (!has) return ifThen(mask, [&] { atomicElement(op, p, args, elem); }), nullptr;
    return ifElse(mask, [&] { return atomicElement(op, p, args, elem); },
                  [&]() -> Value * { return llvm::Constant::getNullValue(laneType(elem)); });
  };
  if (!t->isTensor()) {
    llvm::SmallVector<Value *, 2> args;
    for (unsigned i = 0; i < values; ++i) args.push_back(scalarOf(op->operand(1 + i)));
    Value *r = element(scalarOf(pv), args, mv ? scalarOf(mv) : nullptr);
    if (has) setScalar(op->result(), r);
    return;
  }
  nest({t->shape.begin(), t->shape.size()}, 0, {}, [&](const Index *idx) {
    Value *p = vec(eval(pv, idx), 1), *mask = mv ? vec(eval(mv, idx), 1) : nullptr;
    llvm::SmallVector<Value *, 2> args;
    for (unsigned i = 0; i < values; ++i) args.push_back(vec(eval(op->operand(1 + i), idx), 1));
    Value *r = element(p, args, mask);
    if (has && plan.buffer[op->result()->id] >= 0) storeBuffer(plan.buffer[op->result()->id], elem, t->shape, idx, scalarVal(r));
  });
}

// ---- tensor descriptors ------------------------------------------------------------------------------------------

/// Address and in-bounds mask of the elements of a block that starts at `starts` (i32, one per dimension of the
/// descriptor; a tile for gathered rows).
void Lowering::descriptorAddress(Op *op, const Desc &d, const Index *idx, llvm::ArrayRef<Val> starts, Type elem, Val *ptr,
                                 Val *mask) {
  ptr->affine = true;
  ptr->exact = false;
  ptr->base = d.base;
  ptr->v = d.base;
  ptr->lanes = 1;
  mask->v = nullptr;
  unsigned size = storageBytes(elem);
  IrType *i64 = b.getInt64Ty();
  for (unsigned k = 0; k < d.shape.size(); ++k) {
    // position along this dimension, in 64 bits
    Val x = starts[k];
    Val pos;
    Val c = idx->dims.size() > k ? coordVal(idx->dims[k], idx->bits) : scalarVal(i32c(0));
    unsigned lanes = std::max(x.lanes, c.lanes);
    pos.lanes = lanes;
    if (x.lanes == 1) {
      pos.affine = true;
      pos.base = b.CreateAdd(b.CreateSExt(vec(x, 1), i64), b.CreateZExt(c.lanes == 1 ? vec(c, 1) : c.base, i64));
      for (unsigned i = 0; i < kMaxLaneBits; ++i) pos.coef[i] = c.coef[i];
      if (lanes == 1) pos.v = pos.base;
    } else pos.v = b.CreateAdd(b.CreateSExt(vec(x, lanes), vecType(i64, lanes)), b.CreateZExt(vec(c, lanes), vecType(i64, lanes)));
    // mask
    Value *pv = vec(pos, lanes);
    Value *in = b.CreateICmpULT(pv, vec(scalarVal(d.shape[k]), lanes));
    if (!mask->v) mask->v = in, mask->lanes = lanes;
    else {
      unsigned w = std::max(mask->lanes, lanes);
      Val iv;
      iv.v = in, iv.lanes = lanes;
      mask->v = b.CreateAnd(vec(*mask, w), vec(iv, w));
      mask->lanes = w;
    }
    // address
    Value *stride = b.CreateMul(d.strides[k], b.getInt64(size));
    auto *sc = llvm::dyn_cast<llvm::ConstantInt>(stride);
    if (pos.affine && ptr->affine && (lanes == 1 || sc)) {
      ptr->base = b.CreateAdd(ptr->base, b.CreateMul(pos.base, stride));
      for (unsigned i = 0; i < kMaxLaneBits; ++i) ptr->coef[i] += lanes == 1 ? 0 : pos.coef[i] * sc->getSExtValue();
      ptr->lanes = std::max(ptr->lanes, lanes);
      ptr->v = ptr->lanes == 1 ? ptr->base : nullptr;
    } else {
      unsigned w = std::max(ptr->lanes, lanes);
      Value *sum = b.CreateAdd(vec(*ptr, w), b.CreateMul(vec(pos, w), vec(scalarVal(stride), w)));
      *ptr = Val();
      ptr->v = sum;
      ptr->lanes = w;
    }
  }
}

static bool sameShape(Type a, Type c) {
  if (a->rank() != c->rank()) return false;
  for (unsigned i = 0; i < a->rank(); ++i)
    if (a->shape[i] != c->shape[i]) return false;
  return true;
}

Val Lowering::evalDescriptor(Op *op, const Index *idx) {
  IrValue *dv = op->operand(0);
  Type elem = op->result()->type->elem;
  const Desc &d = descOf(dv);
  llvm::SmallVector<Val, 5> starts;
  const Index *block = idx;
  if (op->is(Opcode::tt_descriptor_gather)) {
    Index row;
    row.bits = idx->bits;
    row.dims.push_back(idx->dims[0]);
    starts.push_back(eval(op->operand(1), intern(std::move(row))));
    starts.push_back(scalarVal(scalarOf(op->operand(2))));
    Index inner = *idx; // rows come from the offsets, not from the coordinate
    inner.dims[0] = zeroCoord();
    block = intern(std::move(inner));
  } else {
    for (unsigned i = 1; i < op->numOperands(); ++i) starts.push_back(scalarVal(scalarOf(op->operand(i))));
    if (!sameShape(op->result()->type, dv->type)) block = mapReshape(idx, op->result()->type->shape, dv->type->shape);
  }
  Val ptr, mask;
  descriptorAddress(op, d, block, starts, elem, &ptr, &mask);
  Val other;
  if (elem->isFloat() && !(llvm::isa<llvm::ConstantInt>(d.nan) && llvm::cast<llvm::ConstantInt>(d.nan)->isZero())) {
    uint64_t bits = elem->width == 64 ? 0x7FF8000000000000ull : elem->isFloat(FloatKind::F32) ? 0x7FC00000 : elem->isFloat(FloatKind::F16) ? 0x7E00 : elem->isFloat(FloatKind::BF16) ? 0x7FC0 : elem->isFloat(FloatKind::F8E4M3FNUZ) || elem->isFloat(FloatKind::F8E5M2FNUZ) ? 0x80 : 0x7F;
    other = scalarVal(b.CreateSelect(d.nan, constantOf(elem, bits), llvm::Constant::getNullValue(laneType(elem))));
  } else other = scalarVal(llvm::Constant::getNullValue(laneType(elem)));
  return loadFrom(elem, ptr, &mask, &other, std::max(ptr.lanes, mask.lanes));
}

/// As scalars for what uses it here, and as one struct for what carries it through loops and branches.
void Lowering::setDesc(IrValue *v, const Desc &d) {
  descs[v] = d;
  Value *all = llvm::PoisonValue::get(laneType(v->type));
  unsigned at = 0;
  all = b.CreateInsertValue(all, d.base, at++);
  for (Value *x : d.shape) all = b.CreateInsertValue(all, x, at++);
  for (Value *x : d.strides) all = b.CreateInsertValue(all, x, at++);
  setScalar(v, b.CreateInsertValue(all, d.nan, at));
}

const Desc &Lowering::descOf(IrValue *v) {
  auto it = descs.find(v);
  if (it != descs.end()) return it->second;
  Value *all = scalarOf(v); // a phi: its parts are read where it stands
  auto *phi = llvm::dyn_cast<llvm::PHINode>(all);
  llvm::Instruction *here = &*b.GetInsertPoint();
  if (phi) b.SetInsertPoint(&*phi->getParent()->getFirstInsertionPt());
  Desc d;
  unsigned rank = v->type->rank(), at = 0;
  d.base = b.CreateExtractValue(all, at++);
  for (unsigned k = 0; k < rank; ++k) d.shape.push_back(b.CreateExtractValue(all, at++));
  for (unsigned k = 0; k < rank; ++k) d.strides.push_back(b.CreateExtractValue(all, at++));
  d.nan = b.CreateExtractValue(all, at);
  b.SetInsertPoint(here);
  if (!phi) { // no place that is known to dominate other uses: not kept
    scratch_desc = d;
    return scratch_desc;
  }
  return descs[v] = d;
}

void Lowering::lowerDescriptorRoot(Op *op) {
  if (op->is(Opcode::tt_make_tensor_descriptor)) {
    Desc d;
    d.base = scalarOf(op->operand(0));
    unsigned first, count;
    op->slotRange(1, &first, &count);
    for (unsigned i = 0; i < count; ++i) d.shape.push_back(b.CreateSExt(scalarOf(op->operand(first + i)), b.getInt64Ty()));
    op->slotRange(2, &first, &count);
    for (unsigned i = 0; i < count; ++i) d.strides.push_back(scalarOf(op->operand(first + i)));
    d.nan = b.getInt1(op->intAttr("padding", 1) == 2);
    setDesc(op->result(), d);
    return;
  }
  IrValue *dv = op->operand(0);
  const Desc &d = descOf(dv);
  bool scatter = op->is(Opcode::tt_descriptor_scatter), reduce = op->is(Opcode::tt_descriptor_reduce);
  IrValue *src = op->operand(scatter ? 3 : 1);
  Type t = src->type, elem = t->elem;
  Type memory = dv->type->elem; // integers have a sign here
  nest({t->shape.begin(), t->shape.size()}, reduce ? 0 : naturalBits(elem), {}, [&](const Index *idx) {
    llvm::SmallVector<Val, 5> starts;
    const Index *block = idx;
    if (scatter) {
      Index row;
      row.bits = idx->bits;
      row.dims.push_back(idx->dims[0]);
      starts.push_back(eval(op->operand(1), intern(std::move(row))));
      starts.push_back(scalarVal(scalarOf(op->operand(2))));
      Index inner = *idx;
      inner.dims[0] = zeroCoord();
      block = intern(std::move(inner));
    } else {
      for (unsigned i = 2; i < op->numOperands(); ++i) starts.push_back(scalarVal(scalarOf(op->operand(i))));
      if (!sameShape(t, dv->type)) block = mapReshape(idx, t->shape, dv->type->shape);
    }
    Val x = eval(src, idx), ptr, mask;
    descriptorAddress(op, d, block, starts, elem, &ptr, &mask);
    if (!reduce) return storeTo(elem, ptr, x, &mask, idx->lanes());
    ifThen(vec(mask, 1), [&] { reduceElement(op, vec(ptr, 1), vec(x, 1), memory); });
  });
}

} // namespace tcodegen
