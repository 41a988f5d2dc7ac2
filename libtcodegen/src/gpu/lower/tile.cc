// SPDX-License-Identifier: MIT
// Where elements live: thread identity, coordinates, and the operations that only rename them (broadcast, reshape,
// trans, …). For those the result's layout, mapped back into the operand's element space, says which register of the
// operand is which register of the result.
#include "lower.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace tir;
using tessera::Code;

// ---- types -----------------------------------------------------------------------------------------------------------

llvm::Type *Lower::regType(Type t) {
  t = t->scalar();
  switch (t->kind) {
  case TypeKind::Int: return b.getIntNTy(t->width);
  case TypeKind::Index: return b.getInt64Ty();
  case TypeKind::Ptr: return b.getPtrTy(1);
  case TypeKind::TensorDesc: return b.getPtrTy(); // of a tensor map
  case TypeKind::Float:
    if (t->fkind == FloatKind::F16) return b.getHalfTy();
    if (t->fkind == FloatKind::F32) return b.getFloatTy();
    if (t->fkind == FloatKind::F64) return b.getDoubleTy();
    return b.getIntNTy(t->width);
  default: return b.getInt64Ty();
  }
}

unsigned Lower::elementBits(Type t) {
  t = t->scalar();
  if (t->isPtr() || t->kind == TypeKind::Index) return 64;
  return t->width < 8 ? 8 : t->width;
}

llvm::Value *Lower::toBits(llvm::Value *v, unsigned bits) {
  llvm::Type *t = v->getType();
  if (t->isPointerTy()) return b.CreatePtrToInt(v, b.getInt64Ty());
  if (!t->isIntegerTy()) v = b.CreateBitCast(v, b.getIntNTy(t->getPrimitiveSizeInBits()));
  return b.CreateZExtOrTrunc(v, b.getIntNTy(bits));
}

llvm::Value *Lower::fromBits(llvm::Value *v, Type scalarType) {
  llvm::Type *t = regType(scalarType);
  if (t->isPointerTy()) return b.CreateIntToPtr(v, t);
  v = b.CreateZExtOrTrunc(v, b.getIntNTy(t->getPrimitiveSizeInBits()));
  return v->getType() == t ? v : b.CreateBitCast(v, t);
}

llvm::Constant *Lower::constantOf(Type scalarType, uint64_t bits) {
  llvm::Type *t = regType(scalarType);
  if (t->isPointerTy()) return llvm::ConstantExpr::getIntToPtr(b.getInt64(bits), t);
  unsigned w = t->getPrimitiveSizeInBits();
  llvm::APInt v(64, bits);
  v = v.zextOrTrunc(w);
  if (t->isIntegerTy()) return llvm::ConstantInt::get(t, v);
  return llvm::ConstantFP::get(cx, llvm::APFloat(t->getFltSemantics(), v));
}

// ---- layouts -----------------------------------------------------------------------------------------------------------

const LinearLayout &Lower::layout(Type t) {
  auto it = layouts.find(t);
  if (it != layouts.end()) return it->second;
  auto l = layoutOf(t);
  if (!l) {
    if (status.ok())
      status = tessera::fail(Code::UNSUPPORTED, "not implemented: a tensor type without a known layout");
    return layouts[t] = LinearLayout({{Dim::Register, 0}, {Dim::Lane, 5}, {Dim::Warp, 0}, {Dim::Block, 0}}, {}, Columns(5, 0));
  }
  unsigned warps = 1u << l->inBits(Dim::Warp);
  if (l->inBits(Dim::Lane) != 5 || warps != numWarps)
    if (status.ok())
      status = tessera::fail(Code::VERIFY, "a layout is for %u lanes and %u warps, the kernel has 32 and %u",
                             1u << l->inBits(Dim::Lane), warps, numWarps);
  return layouts[t] = std::move(*l);
}

LinearLayout Lower::sharedLayoutOf(Type t) {
  // The encoding speaks of the trailing dimensions; leading ones number whole buffers.
  Span<int64_t> shape = t->shape;
  auto l = sharedLayout(t->enc, shape, elementBits(t->elem));
  if (!l) {
    if (status.ok()) status = tessera::fail(Code::UNSUPPORTED, "not implemented: this layout of shared memory");
    unsigned bits = std::countr_zero((uint64_t)t->count());
    return LinearLayout::identity(Dim::Offset, tensorDim(0), bits);
  }
  return *l;
}

llvm::Value *Lower::tid() {
  if (!tidValue) {
    llvm::IRBuilder<>::InsertPointGuard g(b);
    b.SetInsertPoint(entryEnd);
    tidValue = prim("tessera.tid", b.getInt32Ty(), {});
  }
  return tidValue;
}
llvm::Value *Lower::lane() {
  if (!laneValue) {
    llvm::Value *t = tid();
    llvm::IRBuilder<>::InsertPointGuard g(b);
    b.SetInsertPoint(entryEnd);
    laneValue = b.CreateAnd(t, 31);
  }
  return laneValue;
}
llvm::Value *Lower::warp() {
  if (!warpValue) {
    llvm::Value *t = tid();
    llvm::IRBuilder<>::InsertPointGuard g(b);
    b.SetInsertPoint(entryEnd);
    // Every lane of a warp computes the same: handed out by lane 0, the compiler knows it.
    warpValue = prim("tessera.shfl.idx.i32", b.getInt32Ty(), {b.CreateLShr(t, 5), b.getInt32(0)}, true);
  }
  return warpValue;
}

llvm::Value *Lower::threadPart(llvm::ArrayRef<uint64_t> laneColumns, llvm::ArrayRef<uint64_t> warpColumns) {
  std::vector<uint64_t> cols(laneColumns.begin(), laneColumns.end());
  cols.insert(cols.end(), warpColumns.begin(), warpColumns.end());
  auto it = threadParts.find(cols);
  if (it != threadParts.end()) return it->second;
  llvm::Value *t = tid();
  llvm::IRBuilder<>::InsertPointGuard g(b);
  b.SetInsertPoint(entryEnd);
  // Runs of bits that move together: one mask and shift each.
  llvm::Value *sum = nullptr;
  uint64_t used = 0;
  bool plain = true; // parts so far have disjoint bits
  for (size_t i = 0; i < cols.size();) {
    if (!cols[i]) {
      ++i;
      continue;
    }
    size_t n = 1;
    while (i + n < cols.size() && cols[i + n] == cols[i] << n) ++n;
    llvm::Value *part;
    uint64_t covers = 0;
    for (size_t k = 0; k < n; ++k) covers |= cols[i + k];
    if (std::has_single_bit(cols[i])) {
      int shift = std::countr_zero(cols[i]) - (int)i;
      uint64_t mask = ((uint64_t(1) << n) - 1) << i;
      part = i == 0 && n == cols.size() ? t : b.CreateAnd(t, (uint32_t)mask);
      part = shift > 0 ? b.CreateShl(part, shift, "", true, true) : shift < 0 ? b.CreateLShr(part, -shift, "", true) : part;
    } else {
      n = 1;
      covers = cols[i];
      llvm::Value *bit = b.CreateAnd(b.CreateLShr(t, i), 1);
      part = b.CreateAnd(b.CreateNeg(bit), (uint32_t)cols[i]);
    }
    if (!sum) sum = part;
    else if (plain && !(used & covers)) sum = b.CreateOr(sum, part, "", true);
    else {
      plain = false;
      sum = b.CreateXor(sum, part);
    }
    used |= covers;
    i += n;
  }
  return threadParts[cols] = sum ? sum : b.getInt32(0);
}

llvm::Value *Lower::threadPart(const LinearLayout &l) {
  return threadPart(l.columnsOf(Dim::Lane), l.columnsOf(Dim::Warp));
}

static uint64_t maskOf(const LinearLayout &l) {
  uint64_t m = 0;
  for (uint64_t v : l.columnsOf(Dim::Lane)) m |= v;
  for (uint64_t v : l.columnsOf(Dim::Warp)) m |= v;
  return m;
}

llvm::Value *Lower::combineParts(llvm::Value *thread, uint64_t threadMask, uint64_t constant) {
  if (!constant) return thread;
  if (threadMask & constant) return b.CreateXor(thread, (uint32_t)constant);
  if (auto *c = llvm::dyn_cast<llvm::ConstantInt>(thread)) return b.getInt32((uint32_t)(c->getZExtValue() ^ constant));
  return b.CreateAdd(thread, b.getInt32((uint32_t)constant), "", true, true);
}

Regs Lower::coordinates(const LinearLayout &l, unsigned dim) {
  // The layout with all but one dimension forgotten.
  LinearLayout one = l;
  for (unsigned i = l.out().size(); i-- > 0;)
    if (i != dim) one = one.dropOut(i);
  llvm::Value *thread = threadPart(one);
  uint64_t mask = maskOf(one);
  Regs r;
  unsigned n = 1u << one.inBits(Dim::Register);
  std::map<uint64_t, llvm::Value *> made;
  for (unsigned i = 0; i < n; ++i) {
    uint64_t c = one.apply(i);
    llvm::Value *&v = made[c];
    if (!v) v = combineParts(thread, mask, c);
    r.push_back(v);
  }
  return r;
}

llvm::Value *Lower::isOwner(const LinearLayout &l) {
  // Thread bits whose column depends on lower inputs only repeat what another thread holds.
  uint64_t free = l.freeInputs() >> l.inStart(Dim::Lane);
  unsigned threadBits = 5 + l.inBits(Dim::Warp);
  free &= (uint64_t(1) << threadBits) - 1;
  if (!free) return nullptr;
  return b.CreateICmpEQ(b.CreateAnd(tid(), (uint32_t)free), b.getInt32(0));
}

// ---- primitives ----------------------------------------------------------------------------------------------------------

llvm::CallInst *Lower::prim(llvm::StringRef name, llvm::Type *result, llvm::ArrayRef<llvm::Value *> args, bool convergent) {
  llvm::SmallVector<llvm::Type *, 8> types;
  for (llvm::Value *a : args) types.push_back(a->getType());
  llvm::FunctionCallee f = out.getOrInsertFunction(name, llvm::FunctionType::get(result, types, false));
  auto *g = llvm::cast<llvm::Function>(f.getCallee());
  g->setDoesNotThrow();
  if (convergent) g->setConvergent();
  llvm::CallInst *c = b.CreateCall(f, args);
  c->setDoesNotThrow();
  if (convergent) c->setConvergent();
  return c;
}

llvm::Value *Lower::viaWords(llvm::Value *v, llvm::function_ref<llvm::Value *(llvm::Value *)> f) {
  llvm::Type *t = v->getType();
  unsigned bits = t->isPointerTy() ? 64 : (unsigned)t->getPrimitiveSizeInBits();
  llvm::Value *x = toBits(v, bits <= 32 ? 32 : 64);
  if (bits <= 32) x = f(x);
  else {
    llvm::Value *lo = f(b.CreateTrunc(x, b.getInt32Ty())), *hi = f(b.CreateTrunc(b.CreateLShr(x, 32), b.getInt32Ty()));
    x = b.CreateOr(b.CreateZExt(lo, b.getInt64Ty()), b.CreateShl(b.CreateZExt(hi, b.getInt64Ty()), 32));
  }
  if (t->isPointerTy()) return b.CreateIntToPtr(x, t);
  x = b.CreateTrunc(x, b.getIntNTy(bits));
  return t->isIntegerTy() ? x : b.CreateBitCast(x, t);
}

llvm::Value *Lower::shuffleXor(llvm::Value *v, unsigned mask) {
  return viaWords(v, [&](llvm::Value *w) { return (llvm::Value *)prim("tessera.shfl.bfly.i32", b.getInt32Ty(), {w, b.getInt32(mask)}, true); });
}
llvm::Value *Lower::shuffleIdx(llvm::Value *v, llvm::Value *from) {
  return viaWords(v, [&](llvm::Value *w) { return (llvm::Value *)prim("tessera.shfl.idx.i32", b.getInt32Ty(), {w, from}, true); });
}
llvm::Value *Lower::shuffleUp(llvm::Value *v, unsigned delta) {
  return viaWords(v, [&](llvm::Value *w) { return (llvm::Value *)prim("tessera.shfl.up.i32", b.getInt32Ty(), {w, b.getInt32(delta)}, true); });
}

// ---- operations that rename --------------------------------------------------------------------------------------------

bool Lower::lowerShape(Op *op) {
  switch (op->code) {
  case Opcode::arith_constant: {
    Type t = op->result()->type;
    Attr a = op->attr("value");
    if (!t->isTensor()) {
      uint64_t bits = a->kind == AttrKind::Float ? a->fbits : a->kind == AttrKind::Bool ? (uint64_t)a->bval || a->ival : (uint64_t)a->ival;
      set(op->result(), {constantOf(t, bits)});
      return true;
    }
    const LinearLayout &l = layout(t);
    unsigned n = 1u << l.inBits(Dim::Register);
    if (a->kind == AttrKind::Dense && a->bits.size() == 1) {
      set(op->result(), Regs(n, constantOf(t->elem, a->bits[0])));
      return true;
    }
    if (a->kind != AttrKind::Dense) return unsupported(op), true;
    set(op->result(), constantTable(op, t, llvm::ArrayRef<uint64_t>(a->bits.begin(), a->bits.size())));
    return true;
  }
  case Opcode::ub_poison: {
    Type t = op->result()->type;
    set(op->result(), Regs(t->isTensor() ? regCount(t) : 1, llvm::Constant::getNullValue(regType(t->scalar()))));
    return true;
  }
  case Opcode::tt_splat:
    set(op->result(), Regs(regCount(op->result()->type), scalar(op->operand(0))));
    return true;
  case Opcode::tt_unsplat: {
    // One element: some thread may not hold it only if the tensor had more; so every thread does.
    set(op->result(), {regs(op->operand(0))[0]});
    return true;
  }
  case Opcode::tt_make_range: {
    Regs r = coordinates(layout(op->result()), 0);
    int64_t start = op->intAttr("start");
    if (start)
      for (llvm::Value *&v : r) v = b.CreateAdd(v, b.getInt32((uint32_t)start));
    set(op->result(), r);
    return true;
  }
  case Opcode::tt_reshape:
  case Opcode::tt_expand_dims:
  case Opcode::tt_broadcast:
  case Opcode::tt_trans: {
    const LinearLayout &to = layout(op->result()), &from = layout(op->operand(0));
    if (failed()) return true;
    LinearLayout mapped = inOperandSpace(op, to, from); // the result's layout, as elements of the operand
    set(op->result(), convert(op, regs(op->operand(0)), from, mapped, op->result()->type->elem));
    return true;
  }
  case Opcode::tt_join: {
    const LinearLayout &to = layout(op->result());
    unsigned last = op->result()->type->rank() - 1;
    // Both halves in the layout of the result without its last dimension; the last bit chooses.
    LinearLayout half = to.dropOut(last);
    const LinearLayout &from = layout(op->operand(0));
    Type elem = op->result()->type->elem;
    Regs x = convert(op, regs(op->operand(0)), from, half, elem), y = convert(op, regs(op->operand(1)), from, half, elem);
    Regs which = coordinates(to, last), r;
    for (size_t i = 0; i < x.size(); ++i) {
      auto *c = llvm::dyn_cast<llvm::ConstantInt>(which[i]);
      r.push_back(c ? (c->isZero() ? x[i] : y[i])
                    : b.CreateSelect(b.CreateICmpEQ(which[i], b.getInt32(0)), x[i], y[i]));
    }
    set(op->result(), r);
    return true;
  }
  case Opcode::tt_split: {
    const LinearLayout &from = layout(op->operand(0)), &to = layout(op->result(0));
    unsigned last = op->operand(0)->type->rank() - 1;
    for (unsigned side = 0; side < 2; ++side) {
      // The result's elements in the operand's space: one more bit at the bottom, constant.
      Columns cols;
      for (uint64_t v : to.columns()) cols.push_back(v << 1);
      LinearLayout mapped(to.in(), from.out(), cols);
      if (side) {
        // element ^ 1: the affine part goes through the registers, by exchanging the roles of the two values.
        Columns swapped;
        (void)last;
        Regs all = regs(op->operand(0)), other(all.size());
        Columns unit{1}, x;
        if (gf2::solve(from.columnsOf(Dim::Register), unit, &x)) {
          for (unsigned r = 0; r < all.size(); ++r) other[r] = all[r ^ (unsigned)x[0]];
        } else { // the pair is spread over threads
          LinearLayout full = from;
          Columns all2 = from.columns();
          Columns inv;
          if (!gf2::solve(all2, unit, &inv)) return unsupported(op, "this layout"), true;
          uint64_t laneMask = inv[0] >> from.inStart(Dim::Lane) & 31, warpMask = inv[0] >> from.inStart(Dim::Warp);
          unsigned regMask = (unsigned)(inv[0] & ((uint64_t(1) << from.inBits(Dim::Register)) - 1));
          if (warpMask) return unsupported(op, "halves in different warps"), true;
          for (unsigned r = 0; r < all.size(); ++r) other[r] = shuffleXor(all[r ^ regMask], (unsigned)laneMask);
        }
        set(op->result(1), convert(op, other, from, mapped, op->result(1)->type->elem));
      } else set(op->result(0), convert(op, regs(op->operand(0)), from, mapped, op->result(0)->type->elem));
    }
    return true;
  }
  case Opcode::tt_cat: {
    // Triton allows any order; we keep it: the top bit of the first dimension chooses.
    const LinearLayout &to = layout(op->result()), &from = layout(op->operand(0));
    uint64_t top = uint64_t(1) << (to.outBits() - 1);
    Columns cols;
    for (uint64_t v : to.columns()) cols.push_back(v & ~top);
    LinearLayout half(to.in(), from.out(), cols);
    Type elem = op->result()->type->elem;
    Regs x = convert(op, regs(op->operand(0)), from, half, elem), y = convert(op, regs(op->operand(1)), from, half, elem);
    Regs which = coordinates(to, 0), r;
    uint32_t limit = 1u << (to.outBits(tensorDim(0)) - 1);
    for (size_t i = 0; i < x.size(); ++i) {
      llvm::Value *low = b.CreateICmpULT(which[i], b.getInt32(limit));
      r.push_back(b.CreateSelect(low, x[i], y[i]));
    }
    set(op->result(), r);
    return true;
  }
  default: return false;
  }
}

} // namespace tcodegen::gpu
