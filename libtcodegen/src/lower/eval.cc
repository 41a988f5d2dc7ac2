// SPDX-License-Identifier: MIT
// Virtual tiles: the value of a tile at an index, computed where a nest needs it.
#include "lower.hh"
#include <llvm/Support/MathExtras.h>

namespace tcodegen {
using namespace tir;
using llvm::Log2_64;

llvm::Value *Lowering::vec(const Val &x, unsigned lanes) {
  if (lanes == 1) return x.v ? x.v : x.base;
  if (x.v && x.lanes == lanes) return x.v;
  if (x.lanes == 1) return b.CreateVectorSplat(lanes, x.v ? x.v : x.base);
  // only the affine form exists
  unsigned bits = Log2_64(x.lanes);
  llvm::SmallVector<llvm::Constant *, 16> offsets;
  llvm::Type *t = x.base->getType();
  for (unsigned lane = 0; lane < x.lanes; ++lane) {
    int64_t at = 0;
    for (unsigned i = 0; i < bits; ++i)
      if (lane >> i & 1) at += x.coef[i];
    offsets.push_back(llvm::ConstantInt::get(t, (uint64_t)at, true, true));
  }
  return b.CreateAdd(b.CreateVectorSplat(x.lanes, x.base), llvm::ConstantVector::get(offsets));
}

llvm::Value *Lowering::scalarOf(Value *v) {
  llvm::Value *x = scalars[v->id];
  if (!x) {
    fail(tessera::Code::INTERNAL, v->def ? v->def : func, "a scalar is used before it is computed");
    x = llvm::PoisonValue::get(laneType(v->type));
    scalars[v->id] = x;
  }
  return x;
}

llvm::Constant *Lowering::constantOf(Type t, uint64_t bits) {
  if (t->isPtr()) return b.getInt64(bits);
  llvm::Type *lt = laneType(t);
  if (lt->isIntegerTy()) return llvm::ConstantInt::get(lt, llvm::APInt(lt->getIntegerBitWidth(), bits, false, true));
  return llvm::ConstantFP::get(cx, llvm::APFloat(lt->getFltSemantics(), llvm::APInt(t->width, bits, false, true)));
}

llvm::Constant *Lowering::scalarConstant(Op *op) {
  Attr a = op->attr("value");
  uint64_t bits = a->kind == AttrKind::Float ? a->fbits : a->kind == AttrKind::Bool ? (a->bval ? 1 : 0) : (uint64_t)a->ival;
  return constantOf(op->result()->type, bits);
}

Val Lowering::eval(Value *v, const Index *idx) {
  if (!v->type->isTensor()) return scalarVal(scalarOf(v));
  if (idx->bits && idx->uniform()) return eval(v, scalarIndex(idx));
  uint64_t key = (uint64_t)idx->id << 32 | v->id;
  unsigned depth = std::min(idx->depth, current);
  auto hit = scopes[depth].cache.find(key);
  if (hit != scopes[depth].cache.end()) return hit->second;
  Val r = atDepth(depth, [&]() -> Val {
    switch (plan.home[v->id]) {
    case Home::Buffer:
      if (fusing[v->id]) {
        Val x = evalOp(v->def, v->index, idx);
        storeBuffer(plan.buffer[v->id], v->type->elem, v->type->shape, idx, x);
        return x;
      }
      return loadBuffer(plan.buffer[v->id], v->type->elem, v->type->shape, idx);
    case Home::Induction: return evalInduction(v, idx);
    default:
      if (v->isArg()) {
        fail(tessera::Code::INTERNAL, func, "a block argument has no home");
        return scalarVal(llvm::PoisonValue::get(laneType(v->type->elem)));
      }
      return evalOp(v->def, v->index, idx);
    }
  });
  scopes[depth].cache[key] = r;
  return r;
}

Val Lowering::evalInduction(Value *v, const Index *idx) {
  const Induction &ind = plan.inductions[plan.induction[v->id]];
  Op *loop = ind.loop;
  llvm::Value *n = v->isArg() ? trip[loop] : trips_done[v]; // i64 iterations
  Val x = eval(loop->operand(3 + ind.carried), idx);
  Type elem = v->type->elem;
  for (const InductionStep &s : ind.steps) {
    Val inc = eval(s.increment, idx);
    // Address steps are taken in 64 bits, as each of them would be; integer steps wrap as the loop's would.
    Val count = scalarVal(elem->isPtr() ? n : b.CreateTrunc(n, laneType(elem)));
    Val step;
    unsigned lanes = std::max(inc.lanes, 1u);
    llvm::Value *iv = vec(inc, lanes);
    if (elem->isPtr()) iv = b.CreateSExt(iv, vecType(b.getInt64Ty(), lanes));
    step.lanes = lanes;
    step.v = b.CreateMul(iv, vec(count, lanes));
    if (elem->isPtr()) step.v = b.CreateMul(step.v, llvm::ConstantInt::get(step.v->getType(), storageBytes(elem->elem)));
    bool sub = s.add->is(Opcode::arith_subi);
    if (lanes == 1 && x.affine && x.lanes > 1) {
      Val y = x;
      y.base = sub ? b.CreateSub(x.base, step.v) : b.CreateAdd(x.base, step.v);
      y.v = nullptr;
      if (x.v) {
        llvm::Value *sv = b.CreateVectorSplat(x.lanes, step.v);
        y.v = sub ? b.CreateSub(x.v, sv) : b.CreateAdd(x.v, sv);
      }
      x = y;
      continue;
    }
    unsigned w = std::max(x.lanes, lanes);
    Val y;
    y.lanes = w;
    llvm::Value *a = vec(x, w), *c = vec(step, w);
    y.v = sub ? b.CreateSub(a, c) : b.CreateAdd(a, c);
    x = y;
  }
  return x;
}

Val Lowering::evalConstant(Op *op, const Index *idx) {
  Attr a = op->attr("value");
  Type t = op->result()->type;
  if (a->bval || a->bits.size() == 1) return scalarVal(constantOf(t->elem, a->bits[0]));
  // A table in the image, read like any tile in memory.
  llvm::Type *mt = memType(t->elem);
  llvm::SmallVector<llvm::Constant *, 64> items;
  for (uint64_t bits : a->bits) {
    if (mt->isIntegerTy()) items.push_back(llvm::ConstantInt::get(mt, llvm::APInt(mt->getIntegerBitWidth(), bits, false, true)));
    else items.push_back(constantOf(t->elem, bits));
  }
  auto *arr = llvm::ConstantArray::get(llvm::ArrayType::get(mt, items.size()), items);
  auto *g = new llvm::GlobalVariable(out, arr->getType(), true, llvm::GlobalValue::PrivateLinkage, arr);
  g->setAlignment(llvm::Align(64));
  Val off = linear(idx, t->shape);
  Val r;
  r.lanes = off.lanes;
  r.v = loadLanes(g, mt, off);
  if (mt != laneType(t->elem)) r.v = b.CreateTrunc(r.v, vecType(laneType(t->elem), r.lanes));
  return r;
}

/// Picks by a condition that depends on coordinates only.
Val Lowering::selectByCoord(llvm::Value *cond, Val t, Val f) {
  auto *ct = llvm::dyn_cast<llvm::FixedVectorType>(cond->getType());
  unsigned w = std::max({ct ? ct->getNumElements() : 1u, t.lanes, f.lanes});
  Val r;
  r.lanes = w;
  r.v = b.CreateSelect(cond, vec(t, w), vec(f, w));
  return r;
}

Val Lowering::evalOp(Op *op, unsigned result, const Index *idx) {
  switch (op->code) {
  case Opcode::arith_constant: return evalConstant(op, idx);
  case Opcode::ub_poison: return scalarVal(llvm::Constant::getNullValue(laneType(op->result()->type->elem)));
  case Opcode::tt_splat: {
    Value *src = op->operand(0);
    if (src->type->isTensor()) { // a 0-D tensor
      Index none;
      return eval(src, intern(std::move(none)));
    }
    return scalarVal(scalarOf(src));
  }
  case Opcode::tt_make_range: {
    Val v = coordVal(idx->dims[0], idx->bits);
    int64_t start = op->intAttr("start");
    if (start) {
      v.base = b.CreateAdd(v.base, i32c(start));
      if (v.lanes == 1) v.v = v.base;
    }
    return v;
  }
  case Opcode::tt_broadcast:
  case Opcode::tt_expand_dims:
  case Opcode::tt_trans:
  case Opcode::tt_reshape: return eval(op->operand(0), mapIndex(op, idx));
  case Opcode::tt_join: {
    Index s;
    s.bits = idx->bits;
    for (unsigned k = 0; k + 1 < idx->dims.size(); ++k) s.dims.push_back(idx->dims[k]);
    const Coord last = idx->dims.back();
    const Index *si = intern(std::move(s));
    Val which = coordVal(last, idx->bits);
    llvm::Value *w = vec(which, which.lanes);
    llvm::Value *cond = b.CreateICmpEQ(w, llvm::Constant::getNullValue(w->getType()));
    return selectByCoord(cond, eval(op->operand(0), si), eval(op->operand(1), si));
  }
  case Opcode::tt_split: {
    Index s;
    s.bits = idx->bits;
    s.dims = idx->dims;
    Coord c = zeroCoord();
    c.base = i32c(result);
    s.dims.push_back(c);
    return eval(op->operand(0), intern(std::move(s)));
  }
  case Opcode::tt_cat: {
    int64_t n = op->operand(0)->type->shape[0];
    Index s;
    s.bits = idx->bits;
    s.dims = idx->dims;
    Coord &c = s.dims[0];
    Coord whole = c;
    if (!llvm::isa<llvm::ConstantInt>(c.base) || !llvm::cast<llvm::ConstantInt>(c.base)->isZero())
      c.base = atDepth(c.depth, [&] { return b.CreateAnd(c.base, n - 1); });
    for (unsigned i = 0; i < idx->bits; ++i) c.lane[i] &= (uint32_t)(n - 1);
    const Index *si = intern(std::move(s));
    Val which = coordVal(whole, idx->bits);
    llvm::Value *w = vec(which, which.lanes);
    llvm::Value *cond = b.CreateICmpULT(w, llvm::ConstantInt::get(w->getType(), n));
    return selectByCoord(cond, eval(op->operand(0), si), eval(op->operand(1), si));
  }
  case Opcode::tt_load: return evalLoad(op, idx);
  case Opcode::tt_descriptor_load:
  case Opcode::tt_descriptor_gather: return evalDescriptor(op, idx);
  case Opcode::tt_gather: {
    Value *src = op->operand(0);
    int buf = plan.buffer[src->id];
    if (buf < 0) {
      unsupported(op, "the source has no storage");
      return scalarVal(llvm::Constant::getNullValue(laneType(src->type->elem)));
    }
    unsigned axis = (unsigned)op->intAttr("axis");
    Val which = eval(op->operand(1), idx);
    unsigned w = std::max(which.lanes, idx->lanes());
    llvm::Value *k = vec(which, w);
    k = b.CreateSExtOrTrunc(k, vecType(b.getInt64Ty(), w));
    auto *size = llvm::ConstantInt::get(k->getType(), src->type->shape[axis]);
    llvm::Value *inside = b.CreateICmpULT(k, size);
    k = b.CreateSelect(inside, k, llvm::Constant::getNullValue(k->getType()));
    // element number = Σ coordinate·stride with the axis' coordinate replaced
    int64_t stride = 1;
    llvm::Value *at = llvm::Constant::getNullValue(k->getType());
    for (unsigned d = src->type->rank(); d-- > 0;) {
      llvm::Value *c = k;
      if (d != axis) {
        Val cv = coordVal(idx->dims[d], idx->bits);
        c = b.CreateZExt(vec(cv, w), k->getType());
      }
      at = b.CreateAdd(at, b.CreateMul(c, llvm::ConstantInt::get(k->getType(), stride)));
      stride *= src->type->shape[d];
    }
    Type elem = src->type->elem;
    llvm::Value *addr = b.CreateAdd(b.CreateMul(at, llvm::ConstantInt::get(k->getType(), storageBytes(elem))),
                                    vec(scalarVal(b.CreatePtrToInt(bufferBase(buf), b.getInt64Ty())), w));
    Val ptr;
    ptr.v = addr;
    ptr.lanes = w;
    Val mask;
    mask.v = inside;
    mask.lanes = w;
    return loadFrom(elem, ptr, &mask, nullptr, w);
  }
  default: break;
  }
  if (!isVirtualizable(op)) {
    unsupported(op);
    return scalarVal(llvm::PoisonValue::get(laneType(op->result(result)->type->scalar())));
  }
  llvm::SmallVector<Val, 4> args;
  llvm::SmallVector<Type, 4> elems;
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    args.push_back(eval(op->operand(i), idx));
    elems.push_back(op->operand(i)->type->scalar());
  }
  return elementwise(op, args, result, op->result(result)->type->scalar(), elems);
}

} // namespace tcodegen
