// SPDX-License-Identifier: MIT
// Atomics on global memory: each element by one thread; where others hold the element too, the old value reaches
// them through shared memory. Order is that of the program, not of one thread: a barrier comes before a release, and
// behind an acquire that somebody looks at.
#include "lower.hh"

namespace tcodegen::gpu {
using namespace tir;
using IrValue = llvm::Value;

static const char *semText(int64_t v) {
  static constexpr const char *t[] = {"", "relaxed", "acquire", "release", "acq_rel"};
  return v >= 1 && v <= 4 ? t[v] : "acq_rel";
}
static const char *scopeText(int64_t v) {
  static constexpr const char *t[] = {"", "gpu", "cta", "sys"};
  return v >= 1 && v <= 3 ? t[v] : "gpu";
}

static std::string typeTextOf(Type t) {
  if (t->isFloat()) return t->isFloat(FloatKind::BF16) ? "bf16" : "f" + std::to_string(t->width);
  return "i" + std::to_string(t->isPtr() ? 64 : t->width);
}

/// Loads until the value is `want` or the time is over; false at once where `pred` is.
IrValue *Lower::pollElement(IrValue *ptr, IrValue *want, IrValue *pred, const std::string &how, IrValue *begun, IrValue *budget) {
  llvm::BasicBlock *round = block("poll"), *after = block("polled");
  b.CreateBr(round);
  b.SetInsertPoint(round);
  IrValue *equal = b.CreateICmpEQ(prim("tessera.atom.global.load." + how, want->getType(), {ptr, pred}), want);
  IrValue *stop = b.CreateOr(equal, b.CreateNot(pred));
  if (budget) {
    IrValue *spent = b.CreateSub(prim("tessera.globaltimer", b.getInt64Ty(), {}), begun);
    stop = b.CreateOr(stop, b.CreateICmpSGE(spent, budget));
  }
  b.CreateCondBr(stop, after, round);
  b.SetInsertPoint(after);
  return b.CreateAnd(equal, pred);
}

bool Lower::lowerAtomics(Op *op) {
  enum { Rmw, Cas, Load, Store, Poll } kind;
  switch (op->code) {
  case Opcode::tt_atomic_rmw: kind = Rmw; break;
  case Opcode::tt_atomic_cas: kind = Cas; break;
  case Opcode::tt_atomic_load: kind = Load; break;
  case Opcode::tt_atomic_store: kind = Store; break;
  case Opcode::tt_atomic_poll: kind = Poll; break;
  default: return false;
  }
  Value *ptr = op->slot(0);
  Value *mask = kind == Rmw ? op->slot(2) : kind == Load ? op->slot(1) : kind == Store ? op->slot(2) : nullptr;
  Type t = kind == Store || kind == Poll ? op->operand(1)->type : op->result()->type, elem = t->scalar();
  Type got = kind == Poll ? elem->ctx->i1() : elem; // of one element of the result
  bool tile = t->isTensor();
  std::string order = std::string(semText(op->intAttr("sem", 4))) + "." + scopeText(op->intAttr("scope", 1));
  Regs p = regs(ptr), mk = mask ? regs(mask) : Regs{};
  Regs a = kind == Load ? Regs{} : regs(op->operand(1)), c = kind == Cas ? regs(op->operand(2)) : Regs{};
  LinearLayout l = tile ? layout(t) : LinearLayout({{Dim::Register, 0}, {Dim::Lane, 5}}, {}, Columns(5, 0));
  if (failed()) return true;
  int64_t sem = op->intAttr("sem", 4);
  if (sem >= 3) barrier(); // release: what the program's other threads wrote comes before
  Value *budget = kind == Poll ? op->slot(2) : nullptr;
  IrValue *begun = budget ? prim("tessera.globaltimer", b.getInt64Ty(), {}) : nullptr;
  IrValue *owner = tile ? isOwner(l) : b.CreateICmpEQ(tid(), b.getInt32(0));
  unsigned n = tile ? 1u << l.inBits(Dim::Register) : 1;
  // Values travel as they are for float adds, as integers otherwise.
  auto integer = [&](IrValue *v) { return toBits(v, elementBits(elem)); };
  Regs out(n, nullptr);
  std::map<uint64_t, unsigned> first;
  for (unsigned r = 0; r < n; ++r) {
    if (tile) {
      auto [it, fresh] = first.try_emplace(l.apply(r), r);
      if (!fresh) {
        out[r] = out[it->second];
        continue;
      }
    }
    auto at = [&](const Regs &x) { return x.size() == 1 ? x[0] : x[r]; };
    IrValue *pred = mask ? at(mk) : (IrValue *)b.getTrue();
    if (owner) pred = mask ? b.CreateAnd(pred, owner) : owner;
    IrValue *old = nullptr;
    unsigned bits = elementBits(elem);
    if (kind == Cas) {
      old = prim("tessera.atom.global.cas.i" + std::to_string(bits) + "." + order, b.getIntNTy(bits),
                 {at(p), integer(at(a)), integer(at(c)), pred});
      old = fromBits(old, elem);
    } else if (kind == Rmw) {
      static constexpr const char *names[] = {"", "and", "or", "xor", "add", "fadd", "max", "min", "umax", "umin", "exch"};
      int64_t k = op->intAttr("atomic_rmw_op", 4);
      std::string name = k >= 1 && k <= 10 ? names[k] : "add";
      bool asFloat = elem->isFloat() && name != "exch";
      if (asFloat && (name == "max" || name == "min")) name = "f" + name;
      std::string type = asFloat ? typeTextOf(elem) : "i" + std::to_string(bits);
      IrValue *v = asFloat ? at(a) : integer(at(a));
      old = prim("tessera.atom.global." + name + "." + type + "." + order, v->getType(), {at(p), v, pred});
      old = asFloat ? old : fromBits(old, elem);
    } else if (kind == Load) {
      old = fromBits(prim("tessera.atom.global.load.i" + std::to_string(bits) + "." + order, b.getIntNTy(bits), {at(p), pred}), elem);
    } else if (kind == Poll) {
      old = pollElement(at(p), at(a), pred, "i" + std::to_string(bits) + "." + order, begun, budget ? scalar(budget) : nullptr);
    } else {
      prim("tessera.atom.global.store.i" + std::to_string(bits) + "." + order, b.getVoidTy(), {at(p), integer(at(a)), pred});
    }
    out[r] = old;
  }
  bool used = kind != Store && op->result()->hasUses();
  if ((sem == 2 || sem == 4) && (kind == Poll || (used && tile && !owner))) barrier();
  if (!used) {
    if (kind != Store) set(op->result(), out);
    return true;
  }
  if (owner) {
    // Owners write what they got, everyone reads. Flat element number = place in the buffer.
    unsigned bits = elementBits(got);
    IrValue *base = scratch(op);
    if (!tile) {
      ifThen(owner, [&] { storeShared(base, {toBits(out[0], bits)}); });
      barrier();
      Regs in;
      loadShared(base, bits, 1, in);
      out[0] = fromBits(in[0], got);
    } else {
      Access a{l.columnsOf(Dim::Register), l.columnsOf(Dim::Lane), l.columnsOf(Dim::Warp), {}};
      Regs stored;
      for (IrValue *v : out) stored.push_back(toBits(v, bits));
      storeTile(base, 0, a, stored, bits, owner);
      barrier();
      Regs in = loadTile(base, 0, a, bits);
      for (unsigned r = 0; r < n; ++r) out[r] = fromBits(in[r], got);
    }
  }
  set(op->result(), out);
  return true;
}

} // namespace tcodegen::gpu
