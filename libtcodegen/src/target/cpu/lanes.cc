// SPDX-License-Identifier: MIT
#include "lanes.hh"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace tcodegen {
namespace {

FunctionCallee declare(Module &m, StringRef import, Type *t, size_t args) {
  FunctionCallee f = m.getOrInsertFunction(import, FunctionType::get(t, SmallVector<Type *, 2>(args, t), false));
  if (auto *fn = dyn_cast<Function>(f.getCallee())) {
    fn->setDoesNotThrow();
    fn->setWillReturn();
    fn->setDoesNotAccessMemory(); // errno is nobody's business here, and calls of equal arguments may merge
  }
  return f;
}

Function *new_helper(Module &m, const Twine &name, unsigned pointers) {
  LLVMContext &c = m.getContext();
  SmallVector<Type *, 4> types(pointers, PointerType::getUnqual(c));
  types.push_back(Type::getInt64Ty(c));
  auto *f = Function::Create(FunctionType::get(Type::getVoidTy(c), types, false), GlobalValue::InternalLinkage, name, m);
  f->addFnAttr(Attribute::NoInline);
  f->addFnAttr(Attribute::NoUnwind);
  f->addFnAttr(Attribute::OptimizeForSize);
  return f;
}

struct Loop {
  BasicBlock *body;
  PHINode *i;
};

/// for (i = 0; i < n; ++i) body: the builder is left in the body's first block.
Loop open_loop(IRBuilderBase &b, Function *f) {
  LLVMContext &c = f->getContext();
  auto *entry = BasicBlock::Create(c, "", f), *body = BasicBlock::Create(c, "lane", f);
  b.SetInsertPoint(entry);
  b.CreateBr(body);
  b.SetInsertPoint(body);
  PHINode *i = b.CreatePHI(b.getInt64Ty(), 2);
  i->addIncoming(b.getInt64(0), entry);
  return {body, i};
}

void close_loop(IRBuilderBase &b, const Loop &loop, Function *f) {
  auto *done = BasicBlock::Create(f->getContext(), "done", f);
  Value *next = b.CreateAdd(loop.i, b.getInt64(1));
  loop.i->addIncoming(next, b.GetInsertBlock());
  b.CreateCondBr(b.CreateICmpULT(next, f->getArg(f->arg_size() - 1)), loop.body, done);
  b.SetInsertPoint(done);
  b.CreateRetVoid();
}

Function *lanes_helper(Module &m, StringRef import, Type *t, size_t args) {
  std::string name = ("tcg.lanes." + import).str();
  if (Function *f = m.getFunction(name)) return f;
  Function *f = new_helper(m, name, unsigned(args) + 1);
  IRBuilder<> b(m.getContext());
  Loop loop = open_loop(b, f);
  SmallVector<Value *, 2> values;
  for (size_t k = 0; k < args; ++k) values.push_back(b.CreateLoad(t, b.CreateGEP(t, f->getArg(unsigned(k)), loop.i)));
  Value *y = b.CreateCall(declare(m, import, t, args), values);
  b.CreateStore(y, b.CreateGEP(t, f->getArg(unsigned(args)), loop.i));
  close_loop(b, loop, f);
  return f;
}

/// void(x, flags (i8), y, n): y[i] = (float)import((double)x[i]) where flags[i].
Function *rare_helper(Module &m, StringRef import) {
  std::string name = ("tcg.rare." + import).str();
  if (Function *f = m.getFunction(name)) return f;
  Function *f = new_helper(m, name, 3);
  f->addFnAttr(Attribute::Cold);
  IRBuilder<> b(m.getContext());
  Loop loop = open_loop(b, f);
  auto *call = BasicBlock::Create(m.getContext(), "call", f), *next = BasicBlock::Create(m.getContext(), "next", f);
  Value *flag = b.CreateLoad(b.getInt8Ty(), b.CreateGEP(b.getInt8Ty(), f->getArg(1), loop.i));
  b.CreateCondBr(b.CreateICmpNE(flag, b.getInt8(0)), call, next);
  b.SetInsertPoint(call);
  Value *x = b.CreateLoad(b.getFloatTy(), b.CreateGEP(b.getFloatTy(), f->getArg(0), loop.i));
  Value *y = b.CreateCall(declare(m, import, b.getDoubleTy(), 1), {b.CreateFPExt(x, b.getDoubleTy())});
  b.CreateStore(b.CreateFPTrunc(y, b.getFloatTy()), b.CreateGEP(b.getFloatTy(), f->getArg(2), loop.i));
  b.CreateBr(next);
  b.SetInsertPoint(next);
  close_loop(b, loop, f);
  return f;
}

/// Stack slots of one call: in the entry block, alive only around the call so that LLVM can share them.
class Slots {
public:
  explicit Slots(IRBuilderBase &b) : b(b) {}
  AllocaInst *add(Type *t) {
    BasicBlock &entry = b.GetInsertBlock()->getParent()->getEntryBlock();
    IRBuilder<> at(&entry, entry.begin());
    AllocaInst *slot = at.CreateAlloca(t);
    b.CreateLifetimeStart(slot);
    slots.push_back(slot);
    return slot;
  }
  AllocaInst *add_stored(Value *v) {
    AllocaInst *slot = add(v->getType());
    b.CreateStore(v, slot);
    return slot;
  }
  void close() {
    for (AllocaInst *slot : slots) b.CreateLifetimeEnd(slot);
  }

private:
  IRBuilderBase &b;
  SmallVector<AllocaInst *, 4> slots;
};

} // namespace

Value *emit_lane_calls(IRBuilderBase &b, StringRef import, ArrayRef<Value *> args) {
  IRBuilderBase::FastMathFlagGuard guard(b);
  b.clearFastMathFlags();
  Module &m = *b.GetInsertBlock()->getModule();
  Type *t = args[0]->getType(), *element = t->getScalarType();
  auto *vector = dyn_cast<FixedVectorType>(t);
  if (!vector) return b.CreateCall(declare(m, import, t, args.size()), args);
  Slots slots(b);
  SmallVector<Value *, 4> operands;
  for (Value *a : args) operands.push_back(slots.add_stored(a));
  Value *out = slots.add(t);
  operands.push_back(out);
  operands.push_back(b.getInt64(vector->getNumElements()));
  b.CreateCall(lanes_helper(m, import, element, args.size()), operands);
  Value *result = b.CreateLoad(t, out);
  slots.close();
  return result;
}

Value *emit_rare_lanes(IRBuilderBase &b, StringRef import, Value *x, Value *special, Value *fast) {
  IRBuilderBase::FastMathFlagGuard guard(b);
  b.clearFastMathFlags();
  LLVMContext &c = b.getContext();
  Function *f = b.GetInsertBlock()->getParent();
  auto *vector = dyn_cast<FixedVectorType>(x->getType());
  // The rest of the current block, if lowering already put something there, moves into the join.
  BasicBlock *head = b.GetInsertBlock();
  BasicBlock *join = BasicBlock::Create(c, "rare.join", f, head->getNextNode());
  join->splice(join->end(), head, b.GetInsertPoint(), head->end());
  if (join->getTerminator()) join->replaceSuccessorsPhiUsesWith(head, join);
  BasicBlock *rare = BasicBlock::Create(c, "rare", f, join);
  b.SetInsertPoint(head);
  Value *any = vector ? b.CreateOrReduce(special) : special;
  b.CreateCondBr(any, rare, join, MDBuilder(c).createBranchWeights(1, 100000));
  b.SetInsertPoint(rare);
  Value *fixed;
  if (!vector) {
    Value *y = b.CreateCall(declare(*f->getParent(), import, b.getDoubleTy(), 1), {b.CreateFPExt(x, b.getDoubleTy())});
    fixed = b.CreateFPTrunc(y, b.getFloatTy());
  } else {
    Slots slots(b);
    unsigned lanes = vector->getNumElements();
    Value *flags = b.CreateZExt(special, FixedVectorType::get(b.getInt8Ty(), lanes));
    Value *xs = slots.add_stored(x), *fs = slots.add_stored(flags), *ys = slots.add_stored(fast);
    b.CreateCall(rare_helper(*f->getParent(), import), {xs, fs, ys, b.getInt64(lanes)});
    fixed = b.CreateLoad(x->getType(), ys);
    slots.close();
  }
  b.CreateBr(join);
  b.SetInsertPoint(join, join->begin());
  PHINode *phi = b.CreatePHI(x->getType(), 2);
  phi->addIncoming(fast, head);
  phi->addIncoming(fixed, rare);
  return phi;
}

} // namespace tcodegen
