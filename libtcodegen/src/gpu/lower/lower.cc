// SPDX-License-Identifier: MIT
// The frame of the lowering: values, functions, blocks, structured and unstructured control flow.
#include "lower.hh"
#include "lines.hh"
#include "analysis/axis_info.hh"
#include "lower_kernel.hh"
#include "matrix.hh"
#include <cstdarg>

namespace tcodegen::gpu {
using namespace tir;
using tessera::Code;
using IrValue = llvm::Value;

Lower::Lower(Module &m, Op *kernel, const GpuOptions &o, llvm::Module &out, tessera::tko::Object &object)
    : m(m), func(kernel), options(o), out(out), cx(out.getContext()), b(cx), object(object) {}
Lower::~Lower() = default;

void Lower::fail(Code code, Op *op, const char *format, ...) {
  if (!status.ok()) return;
  va_list args;
  va_start(args, format);
  std::string text = tessera::vformat(format, args);
  va_end(args);
  status = tessera::fail(code, "%s: error: '%s': %s", locText(op->loc).c_str(), std::string(op->name()).c_str(),
                         text.c_str());
}

void Lower::unsupported(Op *op, const char *why) {
  fail(Code::UNSUPPORTED, op, "not implemented: this operation%s%s on this GPU target", why ? ": " : "", why ? why : "");
}

uint32_t Lower::locationId(Op *op) {
  std::string text = locText(op->loc);
  for (size_t i = 0; i < object.locations.size(); ++i)
    if (object.locations[i] == text) return (uint32_t)i;
  object.locations.push_back(text);
  return (uint32_t)object.locations.size() - 1;
}

// ---- values --------------------------------------------------------------------------------------------------

const Regs &Lower::regs(Value *v) {
  auto it = values.find(v);
  if (it != values.end()) return it->second;
  Op *at = v->def ? v->def : func;
  fail(Code::INTERNAL, at, "a value was used before it was lowered");
  Regs r;
  unsigned n = v->type->isTensor() ? regCount(v->type) : 1;
  r.assign(n, llvm::PoisonValue::get(regType(v->type->scalar())));
  return values[v] = r;
}

void Lower::set(Value *v, Regs r) { values[v] = std::move(r); }

static bool isToken(Type t) { return t->kind == TypeKind::Opaque; }
static bool isMemDesc(Type t) { return t->kind == TypeKind::MemDesc; }

/// Tiles of 16-bit floats go from block to block in pairs: a half alone takes a whole register of the machine.
bool Lower::paired(Type t) { return t->isTensor() && t->elem->isFloat() && t->elem->width == 16 && regCount(t) > 1; }

unsigned Lower::flatCount(Type t) {
  if (t->isTensor()) return paired(t) ? regCount(t) / 2 : regCount(t);
  return isToken(t) ? 0 : 1;
}

void Lower::flatten(Value *v, Regs &to) {
  if (isToken(v->type)) return;
  if (isMemDesc(v->type)) {
    to.push_back(memdesc(v).base);
    return;
  }
  const Regs &r = regs(v);
  if (!paired(v->type)) to.append(r.begin(), r.end());
  else
    for (size_t i = 0; i + 1 < r.size(); i += 2) to.push_back(packWord(*this, r, i, {1}, 16));
}

void Lower::unflatten(Value *v, llvm::ArrayRef<llvm::Value *> flat, Value *like) {
  if (isToken(v->type)) return;
  if (isMemDesc(v->type)) {
    MemDesc d = like ? memdesc(like) : MemDesc{};
    d.base = flat[0];
    memdescs[v] = d;
    return;
  }
  if (!paired(v->type)) {
    values[v] = Regs(flat.begin(), flat.end());
    return;
  }
  Regs r;
  for (llvm::Value *word : flat) {
    llvm::Value *pair = b.CreateBitCast(word, llvm::FixedVectorType::get(b.getInt16Ty(), 2));
    for (uint64_t i = 0; i < 2; ++i) r.push_back(fromBits(b.CreateExtractElement(pair, i), v->type->elem));
  }
  values[v] = r;
}

void Lower::rename(Value *to, Value *from) {
  if (isToken(from->type)) return;
  if (isMemDesc(from->type)) memdescs[to] = MemDesc(memdesc(from));
  else values[to] = Regs(regs(from));
}

llvm::BasicBlock *Lower::block(const char *name) { return llvm::BasicBlock::Create(cx, name, fn); }

void Lower::ifThen(llvm::Value *cond, llvm::function_ref<void()> then) {
  if (auto *c = llvm::dyn_cast<llvm::ConstantInt>(cond)) {
    if (c->isOne()) then();
    return;
  }
  llvm::BasicBlock *body = block("then"), *cont = block("endif");
  b.CreateCondBr(cond, body, cont);
  b.SetInsertPoint(body);
  then();
  b.CreateBr(cont);
  b.SetInsertPoint(cont);
}

// ---- control flow ------------------------------------------------------------------------------------------------

namespace {
/// One phi per flat value, in the block that the builder stands in.
struct Phis {
  llvm::SmallVector<llvm::PHINode *, 16> phis;
  Regs asValues() const { return Regs(phis.begin(), phis.end()); }
  void make(llvm::IRBuilder<> &b, llvm::ArrayRef<llvm::Value *> like) {
    for (llvm::Value *v : like) phis.push_back(b.CreatePHI(v->getType(), 2));
  }
  void incoming(llvm::ArrayRef<llvm::Value *> v, llvm::BasicBlock *from) {
    for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(v[i], from);
  }
};
} // namespace

/// Where two views become one value, they have to lie in their buffers alike: only the base is carried.
void Lower::sameShift(Op *op, Value *a, Value *b) {
  if (isMemDesc(a->type) && memdesc(a).shift != memdesc(b).shift) unsupported(op, "different parts of buffers in one value");
}

void Lower::lowerFor(Op *op) {
  Block *body = op->region(0)->front();
  Op *yield = body->last;
  unsigned n = op->numResults();
  Regs init;
  for (unsigned i = 0; i < n; ++i) flatten(op->operand(3 + i), init);
  llvm::Value *from = scalar(op->operand(0)), *to = scalar(op->operand(1)), *step = scalar(op->operand(2));
  bool isUnsigned = op->attr("unsignedCmp") != nullptr;
  if (failed()) return;
  llvm::BasicBlock *before = b.GetInsertBlock(), *header = block("for"), *inside = block("body"), *after = block("done");
  b.CreateBr(header);
  b.SetInsertPoint(header);
  llvm::PHINode *iv = b.CreatePHI(from->getType(), 2);
  iv->addIncoming(from, before);
  Phis p;
  p.make(b, init);
  p.incoming(init, before);
  b.CreateCondBr(isUnsigned ? b.CreateICmpULT(iv, to) : b.CreateICmpSLT(iv, to), inside, after);
  b.SetInsertPoint(inside);
  values[body->arg(0)] = {iv};
  Regs all = p.asValues();
  auto bind = [&](auto target) {
    unsigned at = 0;
    for (unsigned i = 0; i < n; ++i) {
      Value *v = target(i);
      unsigned k = flatCount(v->type);
      unflatten(v, llvm::ArrayRef(all).slice(at, k), op->operand(3 + i));
      at += k;
    }
  };
  bind([&](unsigned i) { return body->arg(i + 1); });
  lowerBlock(body);
  if (failed()) return;
  Regs next;
  for (unsigned i = 0; i < n; ++i) {
    sameShift(op, yield->operand(i), op->operand(3 + i));
    flatten(yield->operand(i), next);
  }
  llvm::Value *inc = b.CreateAdd(iv, step, "", isUnsigned, !isUnsigned);
  iv->addIncoming(inc, b.GetInsertBlock());
  p.incoming(next, b.GetInsertBlock());
  b.CreateBr(header);
  b.SetInsertPoint(after);
  bind([&](unsigned i) { return op->result(i); });
}

void Lower::lowerIf(Op *op) {
  unsigned n = op->numResults();
  llvm::BasicBlock *sides[2] = {block("then"), block("else")}, *cont = block("endif");
  b.CreateCondBr(scalar(op->operand(0)), sides[0], sides[1]);
  Phis p;
  bool made = false;
  for (unsigned s = 0; s < 2; ++s) {
    b.SetInsertPoint(sides[s]);
    Region *r = s < op->numRegions() ? op->region(s) : nullptr;
    Regs flat;
    if (r && !r->empty()) {
      lowerBlock(r->front());
      if (failed()) return;
      for (unsigned i = 0; i < n; ++i) {
        sameShift(op, r->front()->last->operand(i), op->region(0)->front()->last->operand(i));
        flatten(r->front()->last->operand(i), flat);
      }
    }
    llvm::BasicBlock *end = b.GetInsertBlock();
    b.CreateBr(cont);
    b.SetInsertPoint(cont);
    if (!made) p.make(b, flat);
    made = true;
    if (n) p.incoming(flat, end);
  }
  b.SetInsertPoint(cont);
  Regs all = p.asValues();
  unsigned at = 0;
  for (unsigned i = 0; i < n; ++i) {
    unsigned k = flatCount(op->result(i)->type);
    unflatten(op->result(i), llvm::ArrayRef(all).slice(at, k), op->region(0)->front()->last->operand(i));
    at += k;
  }
}

void Lower::lowerWhile(Op *op) {
  Block *test = op->region(0)->front(), *body = op->region(1)->front();
  Regs init;
  for (unsigned i = 0; i < op->numOperands(); ++i) flatten(op->operand(i), init);
  llvm::BasicBlock *before = b.GetInsertBlock(), *header = block("while"), *inside = block("do"), *after = block("done");
  b.CreateBr(header);
  b.SetInsertPoint(header);
  Phis p;
  p.make(b, init);
  p.incoming(init, before);
  Regs all = p.asValues();
  unsigned at = 0;
  for (unsigned i = 0; i < test->numArgs(); ++i) {
    unsigned k = flatCount(test->arg(i)->type);
    unflatten(test->arg(i), llvm::ArrayRef(all).slice(at, k), op->operand(i));
    at += k;
  }
  lowerBlock(test);
  if (failed()) return;
  Op *condition = test->last;
  b.CreateCondBr(scalar(condition->operand(0)), inside, after);
  for (unsigned i = 0; i < op->numResults(); ++i) {
    rename(body->arg(i), condition->operand(i + 1));
    rename(op->result(i), condition->operand(i + 1));
  }
  b.SetInsertPoint(inside);
  lowerBlock(body);
  if (failed()) return;
  Regs next;
  for (unsigned i = 0; i < body->last->numOperands(); ++i) {
    sameShift(op, body->last->operand(i), op->operand(i));
    flatten(body->last->operand(i), next);
  }
  p.incoming(next, b.GetInsertBlock());
  b.CreateBr(header);
  b.SetInsertPoint(after);
}

void Lower::lowerBranch(Op *op) {
  auto pass = [&](Block *to, unsigned first, unsigned count) {
    Regs flat;
    for (unsigned i = 0; i < count; ++i) {
      Value *v = op->operand(first + i);
      if (isMemDesc(v->type) && memdesc(v).shift) return unsupported(op, "a part of a buffer that a branch hands on");
      flatten(v, flat);
    }
    Regs &phis = cfgPhis[to];
    for (size_t i = 0; i < flat.size(); ++i) llvm::cast<llvm::PHINode>(phis[i])->addIncoming(flat[i], b.GetInsertBlock());
  };
  if (op->is(Opcode::cf_br)) {
    pass(op->succ(0), 0, op->numOperands());
    b.CreateBr(cfg[op->succ(0)]);
  } else {
    unsigned tf, tn, ff, fn2;
    op->slotRange(1, &tf, &tn);
    op->slotRange(2, &ff, &fn2);
    llvm::BasicBlock *side[2] = {block("true"), block("false")};
    b.CreateCondBr(scalar(op->operand(0)), side[0], side[1]);
    for (unsigned s = 0; s < 2; ++s) {
      b.SetInsertPoint(side[s]);
      pass(op->succ(s), s ? ff : tf, s ? fn2 : tn);
      b.CreateBr(cfg[op->succ(s)]);
    }
  }
  terminated = true;
}

void Lower::lowerBlock(Block *block) {
  for (Op *op = block->first; op && !failed(); op = op->next) {
    if (op->is(Opcode::scf_yield) || op->is(Opcode::scf_condition)) return;
    lowerOp(op);
  }
}

void Lower::lowerOp(Op *op) {
  if (lines) b.SetCurrentDebugLocation(lines->at(op->loc));
  switch (op->code) {
  case Opcode::scf_for: return lowerFor(op);
  case Opcode::scf_if: return lowerIf(op);
  case Opcode::scf_while: return lowerWhile(op);
  case Opcode::cf_br:
  case Opcode::cf_cond_br: return lowerBranch(op);
  case Opcode::tt_return:
    b.CreateRetVoid();
    terminated = true;
    return;
  case Opcode::tt_call: return unsupported(op, "a call that was not inlined");
  default: break;
  }
  if (lowerShape(op) || lowerMemory(op) || lowerAtomics(op) || lowerShared(op) || lowerTma(op) || lowerReduction(op) ||
      lowerMatrix(op) || lowerMisc(op) || lowerElementwise(op))
    return;
  unsupported(op);
}

/// What no GPU takes, and what would take minutes to compile.
bool Lower::checkSizes() {
  constexpr unsigned most = 1024; // threads of a program; elements of a tile in one thread
  if (!numWarps || numWarps & (numWarps - 1) || numWarps * 32 > most) {
    fail(Code::LIMIT, func, "%u warps are %u threads; a program has 1, 2, 4, … %u warps", numWarps, numWarps * 32, most / 32);
    return false;
  }
  func->walk([&](Op *op) {
    for (unsigned i = 0; i < op->numResults() && !failed(); ++i) {
      Type t = op->result(i)->type;
      if (!t->isTensor()) continue;
      if (unsigned each = regCount(t); each > most)
        fail(Code::LIMIT, op, "a tile of %lld elements is %u elements in each of %u threads; at most %u are compiled (more warps or a smaller tile)",
             (long long)t->count(), each, numWarps * 32, most);
    }
  });
  return !failed();
}

// ---- the kernel ----------------------------------------------------------------------------------------------------

tessera::Status Lower::run() {
  auto attr = [&](const char *name, int64_t otherwise) {
    Attr a = m.op->attr(name);
    return a && a->kind == AttrKind::Int ? a->ival : otherwise;
  };
  numWarps = (unsigned)attr("ttg.num-warps", 4);
  if (attr("ttg.num-ctas", 1) != 1) {
    fail(Code::UNSUPPORTED, func, "not implemented: num_ctas other than 1");
    return status;
  }
  if (!checkSizes()) return status;
  axis = std::make_unique<AxisInfoAnalysis>(func);
  lowerFunction();
  if (!failed()) {
    object.launch.threads = numWarps * 32;
    object.launch.shared_bytes = (uint32_t)attr("ttg.shared", 0);
  }
  return status;
}

void Lower::lowerFunction() {
  Block *front = func->region(0)->front();
  llvm::SmallVector<llvm::Type *, 16> params;
  bool needsRecord = false;
  func->walk([&](Op *op) { needsRecord = needsRecord || op->is(Opcode::tt_assert); });
  // A descriptor stands as its parts in the IR, as one structure in the parameters.
  std::vector<llvm::Type *> structures(object.arguments.size(), nullptr);
  // … and in text that has layouts as itself: a tensor map is made of it, a hidden argument.
  bool whole = false;
  for (unsigned i = 0; i < front->numArgs(); ++i) whole = whole || front->arg(i)->type->isDesc();
  auto partsOf = [&](unsigned argument) {
    const tessera::tko::Argument &a = object.arguments[argument];
    return a.kind == tessera::tko::Kind::tensordesc && !whole ? 1 + 2 * unsigned(a.rank) : 1;
  };
  std::vector<Value *> maps;

  for (unsigned i = 0, v = 0; i < object.arguments.size(); v += partsOf(i++)) {
    if (v + partsOf(i) > front->numArgs()) return fail(Code::INTERNAL, func, "its arguments are not those of its object");
    if (object.arguments[i].constant) continue;
    Type t = front->arg(v)->type;
    if (t->isDesc()) maps.push_back(front->arg(v));
    if (object.arguments[i].kind == tessera::tko::Kind::tensordesc) {
      structures[i] = llvm::ArrayType::get(b.getInt64Ty(), 1 + 2 * unsigned(object.arguments[i].rank));
      params.push_back(b.getPtrTy());
    } else params.push_back(t->isInt(1) ? b.getInt8Ty() : regType(t));
  }
  if (needsRecord) {
    params.push_back(b.getPtrTy(1));
    tessera::tko::HiddenArgument h;
    h.kind = 2;
    h.size = h.alignment = 8;
    if (tessera::Status s = tessera::tko::lay_out_params(&object); !s.ok()) {
      status = s;
      return;
    }
    h.offset = object.params_size; // rounded up to 8
    object.hidden.push_back(h);
  }
  if (!maps.empty()) {
    if (tessera::Status s = tessera::tko::lay_out_params(&object); !s.ok()) {
      status = s;
      return;
    }
    uint32_t end = object.params_size + (needsRecord ? 8 : 0);
    for (Value *v : maps) {
      tessera::tko::HiddenArgument h;
      if (!describeTensorMap(v->index, v->type, &h)) return;
      h.offset = (end + 63) & ~63u;
      end = h.offset + h.size;
      object.hidden.push_back(h);
      params.push_back(b.getPtrTy());
    }
  }
  fn = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), params, false), llvm::GlobalValue::ExternalLinkage,
                              object.entry, out);
  fn->addFnAttr(llvm::Attribute::NoUnwind);
  if (options.lines) lines = std::make_unique<Lines>(*fn, func->loc);
  llvm::BasicBlock *entry = block("entry"), *start = block("start");
  b.SetInsertPoint(entry);
  unsigned at = 0;
  for (unsigned i = 0, first = 0; i < object.arguments.size(); first += partsOf(i++)) {
    Value *v = front->arg(first);
    if (object.arguments[i].constant) {
      values[v] = {llvm::PoisonValue::get(regType(v->type))};
      continue;
    }
    llvm::Argument *a = fn->getArg(at++);
    if (structures[i]) {
      a->addAttr(llvm::Attribute::getWithByValType(cx, structures[i]));
      a->addAttr(llvm::Attribute::getWithAlignment(cx, llvm::Align(16)));
      for (unsigned k = 0; k < partsOf(i) && !whole; ++k) {
        IrValue *x = b.CreateAlignedLoad(b.getInt64Ty(), b.CreateConstInBoundsGEP1_32(b.getInt64Ty(), a, k), llvm::Align(8));
        Value *part = front->arg(first + k);
        values[part] = {part->type->isPtr() ? b.CreateIntToPtr(x, b.getPtrTy(1)) : x};
      }
      continue;
    }
    if (object.arguments[i].divisibility > 1 && v->type->isPtr())
      a->addAttr(llvm::Attribute::getWithAlignment(cx, llvm::Align(std::min<uint64_t>(object.arguments[i].divisibility, 4096))));
    values[v] = {v->type->isInt(1) ? b.CreateTrunc(a, b.getInt1Ty()) : (llvm::Value *)a};
  }
  if (needsRecord) record = fn->getArg(at++);
  for (Value *v : maps) {
    llvm::Argument *a = fn->getArg(at++);
    a->addAttr(llvm::Attribute::getWithByValType(cx, llvm::ArrayType::get(b.getInt8Ty(), 128)));
    a->addAttr(llvm::Attribute::getWithAlignment(cx, llvm::Align(64)));
    a->addAttr(llvm::Attribute::get(cx, "nvvm.grid_constant")); // its address is taken: it must not be copied
    values[v] = {a};
  }
  entryEnd = b.CreateBr(start);
  b.SetInsertPoint(start);
  startBlocks(front);
  for (Block *blk = front; blk && !failed(); blk = blk->next) {
    if (blk != front) b.SetInsertPoint(cfg[blk]);
    terminated = false;
    lowerBlock(blk);
    if (!terminated && !failed()) b.CreateUnreachable();
  }
}

void Lower::startBlocks(Block *front) {
  for (Block *blk = front->next; blk; blk = blk->next) {
    llvm::BasicBlock *bb = block("bb");
    cfg[blk] = bb;
    llvm::IRBuilder<>::InsertPointGuard guard(b);
    b.SetInsertPoint(bb);
    Regs phis;
    for (unsigned i = 0; i < blk->numArgs(); ++i) {
      Type t = blk->arg(i)->type;
      llvm::Type *flat = isMemDesc(t) ? (llvm::Type *)b.getPtrTy(3) : paired(t) ? b.getInt32Ty() : regType(t->scalar());
      for (unsigned r = 0, k = flatCount(t); r < k; ++r) phis.push_back(b.CreatePHI(flat, 2));
    }
    unsigned at = 0;
    for (unsigned i = 0; i < blk->numArgs(); ++i) {
      unsigned k = flatCount(blk->arg(i)->type);
      unflatten(blk->arg(i), llvm::ArrayRef(phis).slice(at, k), nullptr);
      at += k;
    }
    cfgPhis[blk] = phis;
  }
}

/// A region with branches, once: its blocks anew, the operands of its last operations meet behind it.
Regs Lower::applyBlocks(Op *op, llvm::ArrayRef<llvm::Value *> args) {
  Block *front = op->region(0)->front();
  for (unsigned i = 0; i < front->numArgs(); ++i) set(front->arg(i), {args[i]});
  startBlocks(front);
  llvm::BasicBlock *after = block("mapped");
  Phis p;
  for (Block *blk = front; blk && !failed(); blk = blk->next) {
    if (blk != front) b.SetInsertPoint(cfg[blk]);
    terminated = false;
    for (Op *o = blk->first; o && o != blk->last && !failed(); o = o->next) lowerOp(o);
    if (failed()) break;
    Op *end = blk->last;
    if (end->is(Opcode::cf_br) || end->is(Opcode::cf_cond_br)) {
      lowerBranch(end);
      continue;
    }
    Regs out;
    for (unsigned i = 0; i < end->numOperands(); ++i) out.push_back(scalar(end->operand(i)));
    llvm::BasicBlock *from = b.GetInsertBlock();
    b.CreateBr(after);
    b.SetInsertPoint(after);
    if (p.phis.empty()) p.make(b, out);
    p.incoming(out, from);
  }
  terminated = false;
  b.SetInsertPoint(after);
  if (failed()) return Regs(size_t(op->numResults()) * std::max<int64_t>(1, op->intAttr("pack", 1)), args[0]);
  return p.asValues();
}

tessera::Status lowerKernel(Module &m, Op *kernel, const GpuOptions &o, llvm::Module &out, tessera::tko::Object &object) {
  Lower lower(m, kernel, o, out, object);
  return lower.run();
}

} // namespace tcodegen::gpu
