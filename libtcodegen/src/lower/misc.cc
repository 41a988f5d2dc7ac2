// SPDX-License-Identifier: MIT
// Roots of other kinds: histogram, scalar code per element, prints and asserts.
#include "lower.hh"
#include <llvm/Support/MathExtras.h>

namespace tcodegen {
using namespace tir;
using llvm::Log2_64;
namespace tko = tessera::tko;

void Lowering::lowerHistogram(Op *op) {
  Value *src = op->operand(0), *mask = op->numOperands() > 1 ? op->operand(1) : nullptr;
  Type t = src->type, rt = op->result()->type;
  int buf = plan.buffer[op->result()->id];
  if (buf < 0) return;
  unsigned bytes = storageBytes(rt->elem);
  b.CreateMemSet(bufferBase(buf), b.getInt8(0), (uint64_t)rt->count() * bytes, llvm::Align(64));
  nest({t->shape.begin(), t->shape.size()}, 0, {}, [&](const Index *idx) {
    llvm::Value *x = b.CreateSExtOrTrunc(vec(eval(src, idx), 1), b.getInt64Ty());
    llvm::Value *in = b.CreateICmpULT(x, b.getInt64(rt->count()));
    if (mask) in = b.CreateAnd(in, vec(eval(mask, idx), 1));
    llvm::Type *lt = laneType(rt->elem);
    llvm::Value *at = b.CreateSelect(in, b.CreateGEP(lt, bufferBase(buf), x), arena);
    b.CreateAlignedStore(b.CreateAdd(b.CreateAlignedLoad(lt, at, llvm::Align(bytes)), llvm::ConstantInt::get(lt, 1)), at, llvm::Align(bytes));
  });
}

void Lowering::lowerMapElementwise(Op *op) {
  Type t = op->operand(0)->type;
  unsigned pack = (unsigned)op->intAttr("pack", 1), n_in = op->numOperands(), n_out = op->numResults();
  if ((int64_t)pack > t->count() || (pack & (pack - 1))) return unsupported(op, "this pack");
  Region *region = op->region(0);
  nest({t->shape.begin(), t->shape.size()}, Log2_64(pack), {}, [&](const Index *idx) {
    Block *front = region->front();
    for (unsigned i = 0; i < n_in; ++i) {
      llvm::Value *x = vec(eval(op->operand(i), idx), pack);
      for (unsigned p = 0; p < pack; ++p)
        setScalar(front->arg(i * pack + p), pack == 1 ? x : b.CreateExtractElement(x, (uint64_t)p));
    }
    // Blocks of the region become blocks here; the values returned meet in phis.
    llvm::Instruction *at = &*b.GetInsertPoint();
    llvm::BasicBlock *head = at->getParent();
    llvm::BasicBlock *cont = head->splitBasicBlock(at);
    llvm::SmallVector<llvm::PHINode *, 8> phis;
    for (unsigned i = 0; i < n_out * pack; ++i)
      phis.push_back(llvm::PHINode::Create(laneType(op->result(i / pack)->type->elem), 2, "", cont->begin()));
    for (Block *blk = front->next; blk; blk = blk->next) {
      llvm::BasicBlock *bb = llvm::BasicBlock::Create(cx, "", fn, cont);
      cfg[blk] = bb;
      for (unsigned i = 0; i < blk->numArgs(); ++i) {
        cfg_phis[blk->arg(i)] = llvm::PHINode::Create(laneType(blk->arg(i)->type), 2, "", bb);
        setScalar(blk->arg(i), cfg_phis[blk->arg(i)]);
      }
      new llvm::UnreachableInst(cx, bb);
    }
    head->getTerminator()->eraseFromParent();
    b.SetInsertPoint(new llvm::UnreachableInst(cx, head));
    for (Block *blk = front; blk && !failed(); blk = blk->next) {
      if (blk != front) b.SetInsertPoint(cfg[blk]->getTerminator());
      for (Op *o = blk->first; o && !failed(); o = o->next) {
        if (!o->is(Opcode::tt_map_elementwise_return)) {
          lowerOp(o);
          continue;
        }
        llvm::Instruction *stop = &*b.GetInsertPoint();
        for (unsigned i = 0; i < phis.size(); ++i) phis[i]->addIncoming(scalarOf(o->operand(i)), b.GetInsertBlock());
        b.CreateBr(cont);
        stop->eraseFromParent();
      }
    }
    b.SetInsertPoint(at);
    for (unsigned r = 0; r < n_out && !failed(); ++r) {
      Value *res = op->result(r);
      if (plan.buffer[res->id] < 0) continue;
      Val x;
      x.lanes = pack;
      x.v = phis[r * pack];
      if (pack > 1) {
        x.v = llvm::PoisonValue::get(vecType(laneType(res->type->elem), pack));
        for (unsigned p = 0; p < pack; ++p) x.v = b.CreateInsertElement(x.v, phis[r * pack + p], p);
      }
      storeBuffer(plan.buffer[res->id], res->type->elem, res->type->shape, idx, x);
    }
  });
}

void Lowering::lowerPrint(Op *op) {
  Attr prefix = op->attr("prefix"), is_signed = op->attr("isSigned");
  unsigned n = op->numOperands();
  llvm::Type *v = b.getVoidTy();
  auto call = [&](unsigned message, llvm::Value *values, uint64_t count) {
    callImport("tessera_print", v, {host, i32c(message), program, values, b.getInt64(count)});
  };
  for (unsigned i = 0; i < std::max(n, 1u); ++i) {
    tko::Message msg;
    msg.kind = tko::MessageKind::print;
    msg.text = std::string(prefix ? prefix->text.view() : std::string_view());
    msg.hex = op->intAttr("hex");
    msg.operand = i;
    msg.operands = n;
    unsigned id = (unsigned)object.messages.size();
    if (!n) {
      object.messages.push_back(msg);
      call(id, llvm::ConstantPointerNull::get(b.getPtrTy()), 0);
      break;
    }
    Value *x = op->operand(i);
    Type elem = x->type->scalar();
    msg.element = kindOf(elem);
    msg.is_signed = is_signed && i < is_signed->ints.size() && is_signed->ints[i];
    if (x->type->isTensor()) msg.shape.assign(x->type->shape.begin(), x->type->shape.end());
    object.messages.push_back(msg);
    uint64_t keep = scratch_top;
    int buf;
    if (x->type->isTensor()) {
      buf = scratchBuffer((uint64_t)x->type->count() * storageBytes(elem));
      materialize(x, buf);
    } else {
      buf = scratchBuffer(8);
      llvm::Value *s = scalarOf(x);
      if (memType(elem) != laneType(elem)) s = b.CreateZExt(s, memType(elem));
      b.CreateAlignedStore(s, bufferBase(buf), llvm::Align(1));
    }
    call(id, bufferBase(buf), (uint64_t)x->type->count());
    scratch_top = keep;
  }
}

void Lowering::lowerAssert(Op *op) {
  tko::Message msg;
  msg.kind = tko::MessageKind::assertion;
  Attr text = op->attr("message");
  msg.text = std::string(text ? text->text.view() : std::string_view());
  unsigned id = (unsigned)object.messages.size();
  object.messages.push_back(msg);
  unsigned loc = locationId(op);
  auto record = [&] {
    returnRecord(callImport("tessera_record", b.getInt32Ty(),
                            {host, i32c((int)tko::MessageKind::assertion), i32c(id), i32c(loc), program}));
  };
  Value *c = op->operand(0);
  if (!c->type->isTensor()) return ifThen(b.CreateNot(scalarOf(c)), record);
  nest({c->type->shape.begin(), c->type->shape.size()}, naturalBits(c->type->elem), {}, [&](const Index *idx) {
    Val x = eval(c, idx);
    llvm::Value *ok = x.lanes == 1 ? x.v : b.CreateAndReduce(x.v);
    ifThen(b.CreateNot(ok), record);
  });
}

} // namespace tcodegen
