// SPDX-License-Identifier: MIT
// Primitives that touch memory: predicated accesses, atomics, asynchronous copies, mbarriers, tensor maps.
#include "expand.hh"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using namespace tessera::emu;
using tessera::Status;

namespace tcodegen::emu {
namespace {

/// "v4" with `letter` 'v' gives 4.
int number(StringRef field, StringRef prefix) {
  int n = -1;
  if (!field.consume_front(prefix) || field.getAsInteger(10, n)) return -1;
  return n;
}

} // namespace

Value *Expander::bits64(Value *v) {
  Type *t = v->getType();
  if (t->isPointerTy()) return b.CreatePtrToInt(v, b.getInt64Ty());
  if (!t->isIntegerTy()) v = b.CreateBitCast(v, b.getIntNTy(t->getPrimitiveSizeInBits().getFixedValue()));
  return b.CreateZExtOrTrunc(v, b.getInt64Ty());
}

Value *Expander::fromBits64(Value *v, Type *type) {
  if (type->isPointerTy()) return b.CreateIntToPtr(v, type);
  v = b.CreateZExtOrTrunc(v, b.getIntNTy(type->getPrimitiveSizeInBits().getFixedValue()));
  return type->isIntegerTy() ? v : b.CreateBitCast(v, type);
}

/// ld|st.global.vN.bW[.mods]: a lane whose predicate is false uses a place in its frame instead.
Status Expander::global(CallInst &c, const Fields &f, bool load) {
  int n = f.size() > 3 ? number(f[2], "v") : -1, w = f.size() > 3 ? number(f[3], "b") : -1;
  bool instead = load && f.back() == "or"; // a value for lanes that do not load
  if (n < 1 || w < 8 || n * w > 128 || c.arg_size() != (load && !instead ? 2u : 3u)) return unknown(c);
  Value *p = generic(c.getArgOperand(0)), *pred = c.getArgOperand(load ? 1 : 2);
  Type *type = load ? c.getType() : c.getArgOperand(1)->getType();
  uint32_t bytes = uint32_t(n * w / 8);
  if (module.getDataLayout().getTypeStoreSize(type) != bytes) return unknown(c);
  Value *elsewhere = frame(ArrayType::get(b.getInt64Ty(), 2));
  if (load) {
    b.CreateStore(i64(poison), elsewhere);
    b.CreateStore(i64(poison), b.CreateConstGEP1_32(b.getInt64Ty(), elsewhere, 1));
    if (instead) b.CreateAlignedStore(c.getArgOperand(2), elsewhere, Align(8));
  }
  for (StringRef mod : ArrayRef(f).drop_front(4))
    if (mod == "volatile" || mod == "cv") {
      callImport("spin", b.getVoidTy(), {thread});
      break;
    }
  p = b.CreateSelect(pred, p, elsewhere);
  p = callImport("global", b.getPtrTy(), {thread, site(c, c.getCalledFunction()->getName()), p, i32(bytes)});
  if (!load) {
    b.CreateAlignedStore(c.getArgOperand(1), p, Align(bytes));
    done(c, nullptr);
  } else {
    done(c, b.CreateAlignedLoad(type, p, Align(bytes)));
  }
  return {};
}

/// atom.SPACE.OP.TYPE.SEM.SCOPE(ptr, value, pred); for cas (ptr, compare, value, pred), for load (ptr, pred). A load is
/// an or with 0 here, a store an exchange.
Status Expander::atomic(CallInst &c, const Fields &f) {
  if (f.size() < 4) return unknown(c);
  bool shared = f[1] == "shared", cas = f[2] == "cas", load = f[2] == "load";
  int op = StringSwitch<int>(f[2]).Case("add", 0).Case("fadd", 1).Case("and", 2).Case("or", 3).Case("xor", 4)
               .Case("max", 5).Case("min", 6).Case("umax", 7).Case("umin", 8).Case("fmax", 9).Case("fmin", 10)
               .Case("exch", 11).Case("cas", 12).Case("load", 3).Case("store", 11).Default(-1);
  int type = StringSwitch<int>(f[3]).Case("i16", 0).Case("i32", 1).Case("i64", 2).Case("f16", 3)
                 .Case("bf16", 4).Case("f32", 5).Case("f64", 6).Case("i8", 7).Default(-1);
  if (op < 0 || type < 0 || c.arg_size() != (cas ? 4u : load ? 2u : 3u) || (!shared && f[1] != "global")) return unknown(c);
  Value *value = load ? i64(0) : bits64(c.getArgOperand(cas ? 2 : 1)), *compare = cas ? bits64(c.getArgOperand(1)) : i64(0);
  Value *pred = b.CreateZExt(c.getArgOperand(c.arg_size() - 1), b.getInt32Ty());
  Value *old = callImport("atom", b.getInt64Ty(),
                          {thread, site(c, c.getCalledFunction()->getName()),
                           i32(atom_code(AtomOp(op), AtomType(type), shared)), generic(c.getArgOperand(0)), value,
                           compare, pred});
  done(c, c.getType()->isVoidTy() ? nullptr : fromBits64(old, c.getType()));
  return {};
}

/// cp.async.{ca|cg}.BYTES(to, from, pred), cp.async.commit(), cp.async.wait.N()
Status Expander::copies(CallInst &c, const Fields &f) {
  Type *none = b.getVoidTy();
  int n = -1;
  if (f.size() == 3 && f[2] == "commit") {
    callImport("cp_commit", none, {thread});
  } else if (f.size() == 4 && f[2] == "wait" && !f[3].getAsInteger(10, n)) {
    callImport("cp_wait", none, {thread, i32(uint32_t(n))});
  } else if (f.size() == 4 && (f[2] == "ca" || f[2] == "cg") && !f[3].getAsInteger(10, n) && c.arg_size() >= 2) {
    Value *pred = c.arg_size() > 2 ? b.CreateZExt(c.getArgOperand(2), b.getInt32Ty()) : i32(1);
    callImport("cp_async", none,
               {thread, site(c, c.getCalledFunction()->getName()), generic(c.getArgOperand(0)),
                generic(c.getArgOperand(1)), i32(uint32_t(n)), pred});
  } else return unknown(c);
  done(c, nullptr);
  return {};
}

/// mbarrier.init|inval|expect_tx|arrive|wait.parity
Status Expander::barriers(CallInst &c, const Fields &f) {
  StringRef kind = f.size() > 1 ? f[1] : StringRef();
  int op = StringSwitch<int>(kind).Case("init", 0).Case("inval", 1).Case("expect_tx", 2).Case("arrive", 3)
               .Case("wait", 4).Default(-1);
  if (op < 0 || c.arg_size() < 1) return unknown(c);
  Value *value = i32(1), *pred = i32(1);
  for (unsigned i = 1; i < c.arg_size(); ++i) {
    Value *v = c.getArgOperand(i);
    if (v->getType()->isIntegerTy(1)) pred = b.CreateZExt(v, b.getInt32Ty());
    else if (v->getType()->isIntegerTy(32)) value = v;
    else return unknown(c);
  }
  callImport("mbarrier", b.getVoidTy(),
             {thread, site(c, c.getCalledFunction()->getName()), i32(uint32_t(op)), generic(c.getArgOperand(0)), value,
              pred});
  done(c, nullptr);
  return {};
}

/// tma.load.{R}d(to, map, bar, i32 × R, pred), tma.store.{R}d(map, from, i32 × R, pred), tma.store.commit|wait.N
Status Expander::tma(CallInst &c, const Fields &f) {
  if (f.size() < 3) return unknown(c);
  Type *none = b.getVoidTy();
  int n = -1;
  bool load = f[1] == "load";
  if (f[1] == "store" && f[2] == "commit") {
    callImport("tma_commit", none, {thread});
  } else if (f[1] == "store" && f[2] == "wait" && f.size() >= 4 && !f[3].getAsInteger(10, n)) {
    callImport("tma_wait", none, {thread, i32(uint32_t(n))});
  } else {
    StringRef rank = f[2];
    unsigned first = load ? 3 : 2;
    if ((!load && f[1] != "store") || !rank.consume_back("d") || rank.getAsInteger(10, n) || n < 1 || n > 5 ||
        c.arg_size() != first + unsigned(n) + 1)
      return unknown(c);
    SmallVector<Value *, 5> at;
    for (int i = 0; i < n; ++i) at.push_back(c.getArgOperand(first + unsigned(i)));
    Value *where = site(c, c.getCalledFunction()->getName()), *coordinates = spill(at);
    Value *pred = b.CreateZExt(c.getArgOperand(c.arg_size() - 1), b.getInt32Ty());
    if (load)
      callImport("tma_load", none,
                 {thread, where, i32(uint32_t(n)), generic(c.getArgOperand(0)), generic(c.getArgOperand(1)),
                  generic(c.getArgOperand(2)), coordinates, pred});
    else
      callImport("tma_store", none,
                 {thread, where, i32(uint32_t(n)), generic(c.getArgOperand(0)), generic(c.getArgOperand(1)), coordinates,
                  pred});
  }
  done(c, nullptr);
  return {};
}

} // namespace tcodegen::emu
