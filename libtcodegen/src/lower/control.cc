// SPDX-License-Identifier: MIT
// Functions, loops, branches: the code between loop nests. The builder always stands before an instruction that
// stays valid (a terminator), so any helper may split the block it stands in.
#include "lower.hh"

namespace tcodegen {
using namespace tir;
using tessera::Code;

Lowering::Lowering(Module &module, Op *func, Plan &plan, const CpuTarget &target, llvm::Module &out,
                   tessera::tko::Object &object)
    : m(module), func(func), plan(plan), target(target), out(out), cx(out.getContext()), b(cx), object(object) {
  scalars.assign(m.num_values, nullptr);
  fusing.assign(m.num_values, false);
}

void Lowering::fail(Code code, Op *op, const char *format, ...) {
  if (!status.ok()) return;
  va_list args;
  va_start(args, format);
  std::string text = tessera::vformat(format, args);
  va_end(args);
  status = tessera::fail(code, "%s: error: '%s': %s", locText(op->loc).c_str(), std::string(op->name()).c_str(), text.c_str());
}

void Lowering::unsupported(Op *op, const char *why) {
  fail(Code::UNSUPPORTED, op, "not implemented: this operation%s%s on target cpu", why ? ": " : "", why ? why : "");
}

uint32_t Lowering::locationId(Op *op) {
  std::string text = locText(op->loc);
  for (size_t i = 0; i < object.locations.size(); ++i)
    if (object.locations[i] == text) return (uint32_t)i;
  object.locations.push_back(text);
  return (uint32_t)object.locations.size() - 1;
}

void Lowering::setScalar(Value *v, llvm::Value *x) { scalars[v->id] = x; }

// ---- structured control flow -------------------------------------------------------------------------------

void Lowering::ifThen(llvm::Value *cond, llvm::function_ref<void()> then, bool) {
  llvm::Instruction *at = &*b.GetInsertPoint();
  llvm::BasicBlock *head = at->getParent();
  llvm::BasicBlock *cont = head->splitBasicBlock(at);
  llvm::BasicBlock *body = llvm::BasicBlock::Create(cx, "", fn, cont);
  head->getTerminator()->eraseFromParent();
  llvm::IRBuilder<>(head).CreateCondBr(cond, body, cont);
  b.SetInsertPoint(llvm::IRBuilder<>(body).CreateBr(cont));
  then();
  b.SetInsertPoint(at);
}

llvm::Value *Lowering::ifElse(llvm::Value *cond, llvm::function_ref<llvm::Value *()> yes,
                              llvm::function_ref<llvm::Value *()> no) {
  llvm::Instruction *at = &*b.GetInsertPoint();
  llvm::BasicBlock *head = at->getParent();
  llvm::BasicBlock *cont = head->splitBasicBlock(at);
  llvm::BasicBlock *t = llvm::BasicBlock::Create(cx, "", fn, cont), *f = llvm::BasicBlock::Create(cx, "", fn, cont);
  head->getTerminator()->eraseFromParent();
  llvm::IRBuilder<>(head).CreateCondBr(cond, t, f);
  b.SetInsertPoint(llvm::IRBuilder<>(t).CreateBr(cont));
  llvm::Value *x = yes();
  t = b.GetInsertBlock();
  b.SetInsertPoint(llvm::IRBuilder<>(f).CreateBr(cont));
  llvm::Value *y = no();
  f = b.GetInsertBlock();
  llvm::PHINode *phi = nullptr;
  if (x) {
    phi = llvm::PHINode::Create(x->getType(), 2, "", cont->begin());
    phi->addIncoming(x, t);
    phi->addIncoming(y, f);
  }
  b.SetInsertPoint(at);
  return phi;
}

Lowering::Loop Lowering::beginLoop(llvm::Value *from, llvm::Value *to, llvm::Value *step, bool at_least_once,
                                   bool is_unsigned) {
  Loop l;
  l.resume = &*b.GetInsertPoint();
  llvm::BasicBlock *head = l.resume->getParent();
  l.cont = head->splitBasicBlock(l.resume);
  l.latch = llvm::BasicBlock::Create(cx, "", fn, l.cont);
  l.body = llvm::BasicBlock::Create(cx, "", fn, l.latch);
  l.header = at_least_once ? l.body : llvm::BasicBlock::Create(cx, "", fn, l.body);
  head->getTerminator()->eraseFromParent();
  l.pre = llvm::IRBuilder<>(head).CreateBr(l.header);
  l.iv = llvm::PHINode::Create(from->getType(), 2, "", l.header->begin());
  l.iv->addIncoming(from, head);
  llvm::IRBuilder<> h(l.header);
  auto less = [&](llvm::IRBuilder<> &x, llvm::Value *v) { return is_unsigned ? x.CreateICmpULT(v, to) : x.CreateICmpSLT(v, to); };
  if (!at_least_once) h.CreateCondBr(less(h, l.iv), l.body, l.cont);
  llvm::IRBuilder<> t(l.latch);
  llvm::Value *next = t.CreateAdd(l.iv, step);
  l.iv->addIncoming(next, l.latch);
  if (at_least_once) t.CreateCondBr(less(t, next), l.header, l.cont);
  else t.CreateBr(l.header);
  b.SetInsertPoint(llvm::IRBuilder<>(l.body).CreateBr(l.latch));
  return l;
}

llvm::PHINode *Lowering::loopPhi(Loop &l, llvm::Value *init) {
  llvm::PHINode *p = llvm::PHINode::Create(init->getType(), 2, "", l.header->begin());
  p->addIncoming(init, l.pre->getParent());
  return p;
}

void Lowering::endLoop(Loop &l) { b.SetInsertPoint(l.resume); }

// ---- values that cross blocks ------------------------------------------------------------------------------

/// targets[i] = sources[i], all at once, for tiles (scalars travel as phis). A source may read targets.
void Lowering::assign(llvm::ArrayRef<Value *> targets, llvm::ArrayRef<Value *> sources, Op *at) {
  struct Move { Value *to, *from; };
  llvm::SmallVector<Move, 8> moves;
  for (unsigned i = 0; i < targets.size(); ++i) {
    if (!targets[i]->type->isTensor() || plan.home[targets[i]->id] != Home::Buffer) continue;
    if (plan.home[sources[i]->id] == Home::Buffer && plan.buffer[sources[i]->id] == plan.buffer[targets[i]->id]) continue;
    moves.push_back({targets[i], sources[i]});
  }
  // Does evaluating `v` read buffer `buf`? With `identity`: only at the element being computed?
  struct Reads {
    static bool any(Plan &plan, Value *v, int buf, bool moved, bool only_moved, int depth) {
      if (!v->type->isTensor()) return false;
      if (plan.home[v->id] == Home::Buffer) return plan.buffer[v->id] == buf && (moved || !only_moved);
      if (depth > 100) return true;
      if (plan.home[v->id] == Home::Induction) {
        const Induction &ind = plan.inductions[plan.induction[v->id]];
        if (any(plan, ind.loop->operand(3 + ind.carried), buf, moved, only_moved, depth + 1)) return true;
        for (const InductionStep &s : ind.steps)
          if (any(plan, s.increment, buf, moved, only_moved, depth + 1)) return true;
        return false;
      }
      if (v->isArg()) return false;
      bool map = moved || isIndexMap(v->def->code) || v->def->is(Opcode::tt_gather);
      for (unsigned i = 0; i < v->def->numOperands(); ++i)
        if (any(plan, v->def->operand(i), buf, map, only_moved, depth + 1)) return true;
      return false;
    }
  };
  uint64_t keep = scratch_top;
  llvm::SmallVector<std::pair<int, int>, 4> copies; // temporary → buffer, at the end
  llvm::SmallVector<Type, 4> copy_types;
  while (!moves.empty()) {
    bool progress = false;
    for (unsigned i = 0; i < moves.size() && !progress; ++i) {
      int buf = plan.buffer[moves[i].to->id];
      bool free = !Reads::any(plan, moves[i].from, buf, false, true, 0);
      for (unsigned k = 0; k < moves.size() && free; ++k)
        if (k != i && Reads::any(plan, moves[k].from, buf, false, false, 0)) free = false;
      if (!free) continue;
      materialize(moves[i].from, buf);
      moves.erase(moves.begin() + i);
      progress = true;
    }
    if (progress) continue;
    // A cycle: take one source aside.
    Move mv = moves.front();
    moves.erase(moves.begin());
    Type t = mv.to->type;
    int tmp = scratchBuffer((uint64_t)t->count() * storageBytes(t->elem));
    materialize(mv.from, tmp);
    copies.push_back({tmp, plan.buffer[mv.to->id]});
    copy_types.push_back(t);
  }
  for (unsigned i = 0; i < copies.size(); ++i)
    b.CreateMemCpy(bufferBase(copies[i].second), llvm::Align(64), bufferBase(copies[i].first), llvm::Align(64),
                   (uint64_t)copy_types[i]->count() * storageBytes(copy_types[i]->elem));
  scratch_top = keep;
  (void)at;
}

static bool scalarType(Type t) { return !t->isTensor(); }

void Lowering::lowerFor(Op *op) {
  Block *body = op->region(0)->front();
  Op *yield = body->last;
  unsigned n = op->numResults();
  llvm::SmallVector<Value *, 8> args, inits, yields, results;
  bool inductions = false;
  for (unsigned i = 0; i < n; ++i) {
    args.push_back(body->arg(i + 1));
    inits.push_back(op->operand(3 + i));
    yields.push_back(yield->operand(i));
    results.push_back(op->result(i));
    inductions = inductions || plan.home[results[i]->id] == Home::Induction;
  }
  assign(args, inits, op);
  bool is_unsigned = op->attr("unsignedCmp") != nullptr;
  Loop l = beginLoop(scalarOf(op->operand(0)), scalarOf(op->operand(1)), scalarOf(op->operand(2)), false, is_unsigned);
  setScalar(body->arg(0), l.iv);
  llvm::PHINode *count = nullptr;
  if (inductions) trip[op] = count = loopPhi(l, b.getInt64(0));
  llvm::SmallVector<llvm::PHINode *, 8> phis(n);
  for (unsigned i = 0; i < n; ++i)
    if (scalarType(args[i]->type)) {
      phis[i] = loopPhi(l, scalarOf(inits[i]));
      setScalar(args[i], phis[i]);
    }
  lowerBlock(body);
  if (failed()) return;
  assign(args, yields, yield);
  for (unsigned i = 0; i < n; ++i)
    if (phis[i]) phis[i]->addIncoming(scalarOf(yields[i]), l.latch);
  if (count) count->addIncoming(b.CreateAdd(count, b.getInt64(1)), l.latch);
  endLoop(l);
  for (unsigned i = 0; i < n; ++i) {
    if (phis[i]) setScalar(results[i], phis[i]); // the header's value dominates what follows
    if (plan.home[results[i]->id] == Home::Induction) trips_done[results[i]] = count;
  }
}

void Lowering::lowerIf(Op *op) {
  unsigned n = op->numResults();
  llvm::SmallVector<Value *, 8> results;
  for (unsigned i = 0; i < n; ++i) results.push_back(op->result(i));
  llvm::SmallVector<llvm::Value *, 8> first;
  llvm::SmallVector<llvm::PHINode *, 8> phis(n);
  llvm::Instruction *at = &*b.GetInsertPoint();
  llvm::BasicBlock *head = at->getParent();
  llvm::BasicBlock *cont = head->splitBasicBlock(at);
  llvm::BasicBlock *side[2] = {llvm::BasicBlock::Create(cx, "", fn, cont), llvm::BasicBlock::Create(cx, "", fn, cont)};
  head->getTerminator()->eraseFromParent();
  llvm::IRBuilder<>(head).CreateCondBr(scalarOf(op->operand(0)), side[0], side[1]);
  for (unsigned i = 0; i < n; ++i)
    if (scalarType(results[i]->type)) {
      phis[i] = llvm::PHINode::Create(laneType(results[i]->type), 2, "", cont->begin());
      setScalar(results[i], phis[i]);
    }
  for (unsigned s = 0; s < 2; ++s) {
    b.SetInsertPoint(llvm::IRBuilder<>(side[s]).CreateBr(cont));
    Region *r = s < op->numRegions() ? op->region(s) : nullptr;
    if (!r || r->empty()) continue;
    lowerBlock(r->front());
    if (failed()) return;
    Op *yield = r->front()->last;
    llvm::SmallVector<Value *, 8> yields;
    for (unsigned i = 0; i < n; ++i) yields.push_back(yield->operand(i));
    assign(results, yields, yield);
    for (unsigned i = 0; i < n; ++i)
      if (phis[i]) {
        llvm::Value *v = scalarOf(yields[i]); // may emit a loop, which splits the block
        phis[i]->addIncoming(v, b.GetInsertPoint()->getParent());
      }
  }
  b.SetInsertPoint(at);
}

void Lowering::lowerWhile(Op *op) {
  Block *before = op->region(0)->front(), *after = op->region(1)->front();
  Op *condition = before->last, *yield = after->last;
  llvm::SmallVector<Value *, 8> bargs, inits, yields, aargs, passed;
  for (unsigned i = 0; i < before->numArgs(); ++i) {
    bargs.push_back(before->arg(i));
    inits.push_back(op->operand(i));
    yields.push_back(yield->operand(i));
  }
  for (unsigned i = 0; i < op->numResults(); ++i) {
    aargs.push_back(after->arg(i));
    passed.push_back(condition->operand(i + 1));
  }
  assign(bargs, inits, op);
  llvm::Instruction *at = &*b.GetInsertPoint();
  llvm::BasicBlock *head = at->getParent();
  llvm::BasicBlock *cont = head->splitBasicBlock(at);
  llvm::BasicBlock *test = llvm::BasicBlock::Create(cx, "", fn, cont), *body = llvm::BasicBlock::Create(cx, "", fn, cont);
  head->getTerminator()->eraseFromParent();
  llvm::IRBuilder<>(head).CreateBr(test);
  llvm::SmallVector<llvm::PHINode *, 8> phis(bargs.size());
  for (unsigned i = 0; i < bargs.size(); ++i)
    if (scalarType(bargs[i]->type)) {
      phis[i] = llvm::PHINode::Create(laneType(bargs[i]->type), 2, "", test->end());
      phis[i]->addIncoming(scalarOf(inits[i]), head);
      setScalar(bargs[i], phis[i]);
    }
  llvm::Instruction *leave = llvm::IRBuilder<>(test).CreateUnreachable();
  b.SetInsertPoint(leave);
  lowerBlock(before);
  if (failed()) return;
  assign(aargs, passed, condition);
  for (unsigned i = 0; i < aargs.size(); ++i)
    if (scalarType(aargs[i]->type)) {
      setScalar(aargs[i], scalarOf(passed[i]));
      setScalar(op->result(i), scalarOf(passed[i]));
    }
  b.CreateCondBr(scalarOf(condition->operand(0)), body, cont);
  leave->eraseFromParent();
  b.SetInsertPoint(llvm::IRBuilder<>(body).CreateBr(test));
  lowerBlock(after);
  if (failed()) return;
  assign(bargs, yields, yield);
  for (unsigned i = 0; i < bargs.size(); ++i)
    if (phis[i]) {
      llvm::Value *v = scalarOf(yields[i]);
      phis[i]->addIncoming(v, b.GetInsertPoint()->getParent());
    }
  b.SetInsertPoint(at);
}

void Lowering::lowerBranch(Op *op) {
  llvm::Instruction *stop = &*b.GetInsertPoint();
  auto pass = [&](Block *to, unsigned first, unsigned count) {
    llvm::SmallVector<Value *, 8> args, vals;
    for (unsigned i = 0; i < count; ++i) {
      args.push_back(to->arg(i));
      vals.push_back(op->operand(first + i));
    }
    assign(args, vals, op);
    for (unsigned i = 0; i < count; ++i)
      if (scalarType(args[i]->type)) {
        llvm::Value *v = scalarOf(vals[i]);
        cfg_phis[args[i]]->addIncoming(v, b.GetInsertPoint()->getParent());
      }
  };
  if (op->is(Opcode::cf_br)) {
    pass(op->succ(0), 0, op->numOperands());
    b.CreateBr(cfg[op->succ(0)]);
  } else {
    unsigned tf, tn, ff, fnn;
    op->slotRange(1, &tf, &tn);
    op->slotRange(2, &ff, &fnn);
    // An edge of its own for each side, so that tiles are copied on the edge taken only.
    llvm::BasicBlock *side[2] = {llvm::BasicBlock::Create(cx, "", fn), llvm::BasicBlock::Create(cx, "", fn)};
    b.CreateCondBr(scalarOf(op->operand(0)), side[0], side[1]);
    for (unsigned s = 0; s < 2; ++s) {
      b.SetInsertPoint(llvm::IRBuilder<>(side[s]).CreateBr(cfg[op->succ(s)]));
      pass(op->succ(s), s ? ff : tf, s ? fnn : tn);
    }
  }
  stop->eraseFromParent();
}

// ---- blocks --------------------------------------------------------------------------------------------------

void Lowering::lowerBlock(Block *block) {
  for (Op *op = block->first; op && !failed(); op = op->next) {
    if (op->is(Opcode::scf_yield) || op->is(Opcode::scf_condition)) return;
    lowerOp(op);
  }
}

void Lowering::returnRecord(llvm::Value *record) {
  llvm::Instruction *at = &*b.GetInsertPoint();
  b.CreateRet(record);
  // What follows in this block is unreachable; keep it in a block of its own.
  llvm::BasicBlock *head = at->getParent();
  llvm::Instruction *ret = at->getPrevNode();
  llvm::BasicBlock *rest = head->splitBasicBlock(at);
  (void)rest;
  head->getTerminator()->eraseFromParent();
  (void)ret;
  b.SetInsertPoint(at);
}

/// A call that was not inlined: of a function with several blocks, in a loop or branch. Its blocks become blocks here, which
/// works while it knows only scalars; tiles have been given homes in the kernel alone.
void Lowering::lowerCall(Op *op) {
  Op *callee = m.function(op->strAttr("callee"));
  if (!callee || callee->region(0)->empty()) return unsupported(op, "a call of a function that is not here");
  bool scalar = true;
  auto check = [&](Type t) { scalar = scalar && !t->isTensor() && !t->isDesc(); };
  callee->walk([&](Op *o) {
    for (unsigned i = 0; i < o->numOperands(); ++i) check(o->operand(i)->type);
    for (unsigned i = 0; i < o->numResults(); ++i) check(o->result(i)->type);
    for (unsigned r = 0; r < o->numRegions(); ++r)
      for (Block *blk = o->region(r)->first; blk; blk = blk->next)
        for (unsigned i = 0; i < blk->numArgs(); ++i) check(blk->arg(i)->type);
  });
  if (!scalar) return unsupported(op, "a call, in a loop or branch, of a function with tiles and early returns");
  if (call_depth == 16) return unsupported(op, "calls nested so deep");
  Block *front = callee->region(0)->front();
  for (unsigned i = 0; i < op->numOperands(); ++i) setScalar(front->arg(i), scalarOf(op->operand(i)));
  llvm::Instruction *at = &*b.GetInsertPoint();
  llvm::BasicBlock *head = at->getParent();
  Call frame;
  frame.cont = head->splitBasicBlock(at);
  for (unsigned i = 0; i < op->numResults(); ++i)
    frame.results.push_back(llvm::PHINode::Create(laneType(op->result(i)->type), 2, "", frame.cont->begin()));
  for (Block *blk = front->next; blk; blk = blk->next) {
    llvm::BasicBlock *bb = llvm::BasicBlock::Create(cx, "", fn, frame.cont);
    cfg[blk] = bb;
    for (unsigned i = 0; i < blk->numArgs(); ++i) {
      cfg_phis[blk->arg(i)] = llvm::PHINode::Create(laneType(blk->arg(i)->type), 2, "", bb);
      setScalar(blk->arg(i), cfg_phis[blk->arg(i)]);
    }
    new llvm::UnreachableInst(cx, bb);
  }
  head->getTerminator()->eraseFromParent();
  b.SetInsertPoint(new llvm::UnreachableInst(cx, head));
  Call *outer = call;
  call = &frame;
  ++call_depth;
  for (Block *blk = front; blk && !failed(); blk = blk->next) {
    if (blk != front) b.SetInsertPoint(cfg[blk]->getTerminator());
    lowerBlock(blk);
  }
  --call_depth;
  call = outer;
  b.SetInsertPoint(at);
  for (unsigned i = 0; i < op->numResults(); ++i) setScalar(op->result(i), frame.results[i]);
}

void Lowering::lowerOp(Op *op) {
  switch (op->code) {
  case Opcode::scf_for: return lowerFor(op);
  case Opcode::scf_if: return lowerIf(op);
  case Opcode::scf_while: return lowerWhile(op);
  case Opcode::cf_br:
  case Opcode::cf_cond_br: return lowerBranch(op);
  case Opcode::tt_return: {
    llvm::Instruction *stop = &*b.GetInsertPoint();
    for (unsigned i = 0; call && i < call->results.size(); ++i)
      call->results[i]->addIncoming(scalarOf(op->operand(i)), stop->getParent());
    b.CreateBr(call ? call->cont : next_program);
    stop->eraseFromParent();
    return;
  }
  case Opcode::tt_get_program_id: return setScalar(op->result(), pid[op->intAttr("axis")]);
  case Opcode::tt_get_num_programs: return setScalar(op->result(), grid[op->intAttr("axis")]);
  case Opcode::gpu_barrier:
  case Opcode::ttg_barrier:
  case Opcode::ttg_local_barrier: return; // one program runs on one thread: its steps are in order
  case Opcode::llvm_intr_assume: return;  // a hint; nothing here needs it
  case Opcode::tt_store: return lowerStore(op);
  case Opcode::tt_atomic_rmw:
  case Opcode::tt_atomic_cas:
  case Opcode::tt_atomic_load:
  case Opcode::tt_atomic_store:
  case Opcode::tt_atomic_poll: return lowerAtomic(op);
  case Opcode::tt_reduce: return lowerReduce(op);
  case Opcode::tt_scan: return lowerScan(op);
  case Opcode::tt_dot: return lowerDot(op);
  case Opcode::tt_dot_scaled: return lowerDotScaled(op);
  case Opcode::tt_histogram: return lowerHistogram(op);
  case Opcode::tt_map_elementwise: return lowerMapElementwise(op);
  case Opcode::tt_print: return lowerPrint(op);
  case Opcode::tt_assert: return lowerAssert(op);
  case Opcode::tt_make_tensor_descriptor: return lowerDescriptorRoot(op);
  case Opcode::tt_descriptor_store:
  case Opcode::tt_descriptor_scatter:
  case Opcode::tt_descriptor_reduce: return lowerDescriptorRoot(op);
  case Opcode::tt_unsplat: {
    openScope();
    llvm::SmallVector<int64_t, 4> zeros(op->operand(0)->type->rank(), 0);
    Val v = eval(op->operand(0), constIndex(zeros));
    setScalar(op->result(), vec(v, 1));
    closeScope();
    return;
  }
  case Opcode::tt_call: return lowerCall(op);
  default: break;
  }
  if (op->numResults() && op->result()->type->isTensor()) {
    if (!isVirtualizable(op)) return unsupported(op);
    bool wanted = false;
    for (unsigned i = 0; i < op->numResults(); ++i) wanted = wanted || plan.home[op->result(i)->id] == Home::Buffer;
    if (wanted && !fuseWithReduce(op)) materializeOp(op);
    return;
  }
  if (op->is(Opcode::arith_constant)) return setScalar(op->result(), scalarConstant(op));
  if (op->is(Opcode::ub_poison)) return setScalar(op->result(), llvm::Constant::getNullValue(laneType(op->result()->type)));
  if (op->is(Opcode::tt_load)) {
    Val p = scalarVal(scalarOf(op->operand(0))), mask, other;
    Value *mv = op->slot(1), *ov = op->slot(2);
    if (mv) mask = scalarVal(scalarOf(mv));
    if (ov) other = scalarVal(scalarOf(ov));
    return setScalar(op->result(), loadFrom(op->result()->type, p, mv ? &mask : nullptr, ov ? &other : nullptr, 1).v);
  }
  if (op->numResults() && (op->info().traits & TraitElementwise) && !op->nregs) {
    llvm::SmallVector<Val, 4> args;
    llvm::SmallVector<Type, 4> elems;
    for (unsigned i = 0; i < op->numOperands(); ++i) {
      if (op->operand(i)->type->isTensor()) return unsupported(op, "mixed scalar and tile operands");
      args.push_back(scalarVal(scalarOf(op->operand(i))));
      elems.push_back(op->operand(i)->type);
    }
    for (unsigned r = 0; r < op->numResults(); ++r)
      setScalar(op->result(r), vec(elementwise(op, args, r, op->result(r)->type, elems), 1));
    return;
  }
  unsupported(op);
}

// ---- the entry function ----------------------------------------------------------------------------------------

tessera::Status Lowering::run(const char *name) {
  scratch_top = plan.arena_bytes;
  unsigned reductions = 0;
  func->walk([&](Op *op) { reductions += op->is(Opcode::tt_reduce); });
  if (reductions > 48) max_ways = 1; // the code of a kernel stays small
  llvm::Type *i64 = b.getInt64Ty(), *i32 = b.getInt32Ty();
  llvm::PointerType *ptr = b.getPtrTy();
  auto *type = llvm::FunctionType::get(i32, {ptr, ptr}, false);
  fn = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, out);
  fn->addFnAttr(llvm::Attribute::NoUnwind);
  llvm::Value *params = fn->getArg(0), *call = fn->getArg(1);
  llvm::BasicBlock *entry = llvm::BasicBlock::Create(cx, "entry", fn);
  b.SetInsertPoint(llvm::IRBuilder<>(entry).CreateRet(i32c(0)));
  auto field = [&](llvm::Type *t, uint64_t at, llvm::Value *base) {
    return b.CreateAlignedLoad(t, b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), base, at), llvm::Align(4));
  };
  // tdriver_cpu_call: struct_size, grid[3], first, last, arena, host
  for (unsigned i = 0; i < 3; ++i) grid[i] = field(i32, 4 + 4 * i, call);
  llvm::Value *first = field(i64, 16, call), *last = field(i64, 24, call);
  arena = field(ptr, 32, call);
  host = field(ptr, 40, call);
  Block *front = func->region(0)->front();
  for (unsigned i = 0; i < front->numArgs(); ++i) {
    Value *arg = front->arg(i);
    const tessera::tko::Argument &a = object.arguments[i];
    if (arg->type->isDesc()) {
      Desc d;
      d.base = field(i64, a.offset, params);
      unsigned rank = arg->type->rank();
      for (unsigned k = 0; k < rank; ++k) {
        d.shape.push_back(field(i64, a.offset + 8 + 8 * k, params));
        d.strides.push_back(field(i64, a.offset + 8 + 8 * (rank + k), params));
      }
      d.nan = b.getFalse();
      setDesc(arg, d);
      continue;
    }
    llvm::Type *mt = memType(arg->type);
    llvm::Value *x = field(mt, a.offset, params);
    if (mt != laneType(arg->type)) x = b.CreateTrunc(x, laneType(arg->type));
    setScalar(arg, x);
  }
  Loop l = beginLoop(first, last, b.getInt64(1), false, true);
  program = l.iv;
  next_program = l.latch;
  llvm::Value *gx = b.CreateZExt(grid[0], i64), *gy = b.CreateZExt(grid[1], i64);
  llvm::Value *row = b.CreateUDiv(program, gx);
  pid[0] = b.CreateTrunc(b.CreateURem(program, gx), i32);
  pid[1] = b.CreateTrunc(b.CreateURem(row, gy), i32);
  pid[2] = b.CreateTrunc(b.CreateUDiv(row, gy), i32);
  // IR blocks other than the first
  for (Block *blk = front->next; blk; blk = blk->next) {
    llvm::BasicBlock *bb = llvm::BasicBlock::Create(cx, "", fn, l.latch);
    cfg[blk] = bb;
    for (unsigned i = 0; i < blk->numArgs(); ++i)
      if (scalarType(blk->arg(i)->type)) {
        cfg_phis[blk->arg(i)] = llvm::PHINode::Create(laneType(blk->arg(i)->type), 2, "", bb);
        setScalar(blk->arg(i), cfg_phis[blk->arg(i)]);
      }
    new llvm::UnreachableInst(cx, bb);
  }
  for (Block *blk = front; blk && !failed(); blk = blk->next) {
    if (blk != front) b.SetInsertPoint(cfg[blk]->getTerminator());
    lowerBlock(blk);
  }
  return status;
}

} // namespace tcodegen
