// SPDX-License-Identifier: MIT
// Primitives that name the thread, meet other lanes, or end the program; the walk over a function.
#include "expand.hh"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/imports.hh"

using namespace llvm;
using namespace tessera::emu;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::emu {

Expander::Expander(Module &module) : module(module), b(module.getContext()) {}

Value *Expander::site(Instruction &at, StringRef what) {
  std::string text = what.str();
  if (const DebugLoc &loc = at.getDebugLoc())
    text += " at " + loc->getFilename().str() + ":" + std::to_string(loc.getLine()) + ":" + std::to_string(loc.getCol());
  Constant *bytes = ConstantDataArray::getString(module.getContext(), text);
  // Not unnamed_addr: the address tells one place from another of the same text.
  return new GlobalVariable(module, bytes->getType(), true, GlobalValue::InternalLinkage, bytes,
                            "site" + std::to_string(sites++));
}

FunctionCallee Expander::import(StringRef name, Type *result, ArrayRef<Value *> args) {
  SmallVector<Type *, 12> types;
  for (Value *v : args) types.push_back(v->getType());
  FunctionCallee callee = module.getOrInsertFunction(name, FunctionType::get(result, types, false));
  cast<Function>(callee.getCallee())->setDoesNotThrow();
  return callee;
}

Value *Expander::callImport(StringRef name, Type *result, ArrayRef<Value *> args) {
  CallInst *c = b.CreateCall(import(("tessera_emu_" + name).str(), result, args), args);
  c->setDoesNotThrow();
  return c;
}

Value *Expander::head(unsigned offset, Type *type) {
  LoadInst *load = b.CreateLoad(type, b.CreateConstGEP1_32(b.getInt8Ty(), thread, offset));
  load->setMetadata(LLVMContext::MD_invariant_load, MDNode::get(module.getContext(), {}));
  return load;
}

Value *Expander::frame(Type *type) {
  IRBuilder<> entry(&*function->getEntryBlock().getFirstInsertionPt());
  AllocaInst *a = entry.CreateAlloca(type);
  a->setAlignment(Align(16));
  return a;
}

Value *Expander::spill(ArrayRef<Value *> values) {
  SmallVector<Type *, 64> types;
  for (Value *v : values) types.push_back(v->getType());
  StructType *type = StructType::get(module.getContext(), types, /*isPacked=*/true);
  Value *at = frame(type);
  for (unsigned i = 0; i < values.size(); ++i)
    b.CreateAlignedStore(values[i], b.CreateStructGEP(type, at, i), Align(4));
  return at;
}

Value *Expander::gather(Value *array, Type *result) {
  auto *s = dyn_cast<StructType>(result);
  if (!s) return b.CreateAlignedLoad(result, array, Align(4));
  StructType *packed = StructType::get(module.getContext(), s->elements(), /*isPacked=*/true);
  Value *out = PoisonValue::get(s);
  for (unsigned i = 0; i < s->getNumElements(); ++i)
    out = b.CreateInsertValue(
        out, b.CreateAlignedLoad(s->getElementType(i), b.CreateStructGEP(packed, array, i), Align(4)), i);
  return out;
}

void Expander::done(CallInst &c, Value *value) {
  if (value) c.replaceAllUsesWith(value);
  dead.push_back(&c);
}

Status Expander::unknown(CallInst &c, const char *why) const {
  std::string type;
  raw_string_ostream out(type);
  c.getFunctionType()->print(out);
  return fail(Code::UNSUPPORTED, "not implemented: the emulator has no primitive '%s' of type %s%s",
              c.getCalledFunction()->getName().str().c_str(), type.c_str(), why);
}

/// Loads and stores of the program itself: shared ones are watched, global ones are looked at for alignment.
void Expander::access(Instruction &i) {
  Value *p = getLoadStorePointerOperand(&i);
  Type *type = getLoadStoreType(&i);
  bool write = isa<StoreInst>(i);
  if (auto *rmw = dyn_cast<AtomicRMWInst>(&i)) p = rmw->getPointerOperand(), type = rmw->getType(), write = true;
  if (auto *cas = dyn_cast<AtomicCmpXchgInst>(&i))
    p = cas->getPointerOperand(), type = cas->getCompareOperand()->getType(), write = true;
  unsigned space = p->getType()->getPointerAddressSpace();
  if (space != 1 && space != 3) return;
  b.SetInsertPoint(&i);
  Value *bytes = i32(uint32_t(module.getDataLayout().getTypeStoreSize(type).getFixedValue()));
  const char *what = space == 3 ? (write ? "store" : "load") : (write ? "global store" : "global load");
  if (space == 3)
    callImport("shared", b.getVoidTy(), {thread, site(i, what), generic(p), bytes, i32(write)});
  else
    callImport("global", b.getPtrTy(), {thread, site(i, what), generic(p), bytes});
  // A volatile access may be a wait for another program.
  if (i.isVolatile()) callImport("spin", b.getVoidTy(), {thread});
}

Status Expander::primitive(CallInst &c, const Fields &f) {
  Type *voidTy = b.getVoidTy(), *i32Ty = b.getInt32Ty();
  StringRef k = f[0], sub = f.size() > 1 ? f[1] : StringRef();
  unsigned dimension = sub == "x" ? 0 : sub == "y" ? 1 : sub == "z" ? 2 : 3;
  auto where = [&] { return site(c, c.getCalledFunction()->getName()); };
  auto ret = [&](Value *v) { return done(c, v), Status{}; };
  if (k == "tid") return ret(head(0, i32Ty));
  if (k == "program" && dimension < 3) return ret(head(4 + 4 * dimension, i32Ty));
  if (k == "nprograms" && dimension < 3) return ret(head(16 + 4 * dimension, i32Ty));
  if (k == "smem") {
    static_assert(offsetof(ThreadHead, shared) == 32);
    return ret(b.CreateAddrSpaceCast(head(32, b.getPtrTy()), c.getType()));
  }
  if (k == "barrier" && f.size() == 1)
    return ret(callImport("barrier", voidTy, {thread, where(), i32(0), i32(0), i32(0)}));
  if (k == "barrier" && (sub == "named" || sub == "arrive") && c.arg_size() == 2)
    return ret(callImport("barrier", voidTy,
                          {thread, where(), c.getArgOperand(0), c.getArgOperand(1), i32(sub == "arrive")}));
  if (k == "warp" && sub == "sync") return ret(callImport("warp_sync", voidTy, {thread, where()}));
  if (k == "fence" || k == "membar")
    return ret(callImport("fence", voidTy, {thread, where(), i32(uint32_t(k == "fence" ? Fence::async : Fence::membar))}));
  if (k == "shfl") {
    int kind = sub == "bfly" ? 0 : sub == "idx" ? 1 : sub == "up" ? 2 : sub == "down" ? 3 : -1;
    if (kind < 0 || c.arg_size() != 2 || c.getType() != i32Ty) return unknown(c);
    return ret(callImport("shuffle", i32Ty,
                          {thread, where(), i32(uint32_t(kind)), c.getArgOperand(0), c.getArgOperand(1)}));
  }
  if (k == "ballot")
    return ret(callImport("ballot", i32Ty, {thread, where(), b.CreateZExt(c.getArgOperand(0), i32Ty)}));
  if (k == "redux") {
    int op = StringSwitch<int>(sub).Case("add", 0).Case("and", 2).Case("or", 3).Case("xor", 4).Case("max", 5)
                 .Case("min", 6).Case("umax", 7).Case("umin", 8).Default(-1);
    if (op < 0) return unknown(c);
    return ret(callImport("redux", i32Ty, {thread, where(), i32(uint32_t(op)), c.getArgOperand(0)}));
  }
  if (k == "elect") { // lane 0, once the warp has met
    callImport("ballot", i32Ty, {thread, where(), i32(0)});
    return ret(b.CreateICmpEQ(b.CreateAnd(head(0, i32Ty), 31), i32(0)));
  }
  if (k == "ld" && sub == "global") return global(c, f, true);
  if (k == "st" && sub == "global") return global(c, f, false);
  if (k == "atom") return atomic(c, f);
  if (k == "ldmatrix" || k == "stmatrix") return matrix(c, f);
  if (k == "mma") return mma(c, f);
  if (k == "wgmma") return wgmma(c, f);
  if (k == "cp" && sub == "async") return copies(c, f);
  if (k == "mbarrier") return barriers(c, f);
  if (k == "tma") return tma(c, f);
  if (k == "math") return math(c, f);
  if (k == "cvt") return convert(c, f);
  if (k == "extern") return external(c);
  // Hints, and what a program alone on its machine need not wait for.
  if (k == "setmaxnreg" || k == "prefetch" || k == "grid") return ret(nullptr);
  if (k == "record" && c.arg_size() == 5)
    return ret(callImport("record", voidTy,
                          {thread, c.getArgOperand(1), c.getArgOperand(2), c.getArgOperand(3), c.getArgOperand(4)}));
  if (k == "print" && f.size() == 4 && c.arg_size() >= 8) {
    unsigned bytes = 0;
    if (f[2].getAsInteger(10, bytes)) return unknown(c);
    return ret(callImport("print", voidTy,
                          {thread, c.getArgOperand(1), c.getArgOperand(2), c.getArgOperand(3), i32(bytes), c.getArgOperand(4)}));
  }
  if (k == "trap") return ret(callImport("trap", voidTy, {thread, where()}));
  if (k == "clock" || k == "globaltimer")
    return ret(callImport("clock", b.getInt64Ty(), {thread, i32(k == "globaltimer")}));
  if (k == "smid") return ret(i32(0));
  return unknown(c);
}

/// Functions of libdevice that are an instruction; null: another one.
Value *Expander::deviceFunction(StringRef name, ArrayRef<Value *> x, Type *to) {
  if (!name.consume_front("tessera.extern.__nv_")) return nullptr;
  Type *t = x.empty() ? to : x[0]->getType();
  for (Value *v : x)
    if (v->getType() != t) return nullptr;
  if (t->isFloatTy() || t->isDoubleTy()) {
    StringRef f = name;
    if (t != to || !f.consume_back("_rn") || !(f.consume_front(t->isFloatTy() ? "f" : "d") || f == "fma")) {
      if (name == (t->isFloatTy() ? "rsqrtf" : "rsqrt") && t == to && x.size() == 1)
        return b.CreateFDiv(ConstantFP::get(t, 1), b.CreateUnaryIntrinsic(Intrinsic::sqrt, x[0]));
      return nullptr;
    }
    if (x.size() == 2 && f == "add") return b.CreateFAdd(x[0], x[1]);
    if (x.size() == 2 && f == "sub") return b.CreateFSub(x[0], x[1]);
    if (x.size() == 2 && f == "mul") return b.CreateFMul(x[0], x[1]);
    if (x.size() == 2 && f == "div") return b.CreateFDiv(x[0], x[1]);
    if (x.size() == 1 && f == "sqrt") return b.CreateUnaryIntrinsic(Intrinsic::sqrt, x[0]);
    if (x.size() == 1 && f == "rcp") return b.CreateFDiv(ConstantFP::get(t, 1), x[0]);
    if (x.size() == 3 && (f == "maf" || f == "ma" || f == "fma")) return b.CreateIntrinsic(Intrinsic::fma, {t}, x);
    return nullptr;
  }
  if (!t->isIntegerTy()) return nullptr;
  bool wide = t->isIntegerTy(64);
  if (!wide && !t->isIntegerTy(32)) return nullptr;
  StringRef f = name;
  if (wide && !f.consume_back("ll")) return nullptr;
  Value *v = nullptr;
  if (x.size() == 1 && f == "clz") v = b.CreateIntrinsic(Intrinsic::ctlz, {t}, {x[0], b.getFalse()});
  if (x.size() == 1 && f == "popc") v = b.CreateUnaryIntrinsic(Intrinsic::ctpop, x[0]);
  if (x.size() == 1 && f == "brev") v = b.CreateUnaryIntrinsic(Intrinsic::bitreverse, x[0]);
  if (x.size() == 1 && f == "ffs") {
    Value *n = b.CreateAdd(b.CreateIntrinsic(Intrinsic::cttz, {t}, {x[0], b.getTrue()}), ConstantInt::get(t, 1));
    v = b.CreateSelect(b.CreateICmpEQ(x[0], ConstantInt::get(t, 0)), ConstantInt::get(t, 0), n);
  }
  return v && to->isIntegerTy() ? b.CreateZExtOrTrunc(v, to) : nullptr;
}

/// extern.__nv_NAME: libdevice's names are those of libm, more or less.
Status Expander::external(CallInst &c) {
  StringRef name = c.getCalledFunction()->getName();
  if (Value *v = deviceFunction(name, SmallVector<Value *, 3>(c.args()), c.getType())) return done(c, v), Status{};
  if (!name.consume_front("tessera.extern.__nv_") || !is_import(std::string_view(name.data(), name.size())) ||
      name.starts_with("tessera") || name.starts_with("mem"))
    return unknown(c);
  SmallVector<Value *, 3> args(c.args());
  CallInst *call = b.CreateCall(import(name, c.getType(), args), args);
  call->setDoesNotThrow();
  done(c, call);
  return {};
}

Status Expander::call(CallInst &c) {
  Function *callee = c.getCalledFunction();
  if (c.isInlineAsm()) return fail(Code::UNSUPPORTED, "not implemented: inline assembly on the emulator");
  if (!callee) return fail(Code::UNSUPPORTED, "not implemented: an indirect call on the emulator");
  StringRef name = callee->getName();
  if (callee->isIntrinsic()) {
    if (name.starts_with("llvm.nvvm."))
      return fail(Code::UNSUPPORTED, "not implemented: the emulator has no '%s'", name.str().c_str());
    return {};
  }
  if (!callee->isDeclaration()) return {};
  if (!name.consume_front("tessera.")) {
    if (name.starts_with("tessera_emu_")) return {};
    return fail(Code::UNSUPPORTED, "not implemented: the emulator has no function '%s'", name.str().c_str());
  }
  Fields fields;
  name.split(fields, '.');
  b.SetInsertPoint(&c);
  return primitive(c, fields);
}

Status Expander::run(Function &f) {
  function = &f;
  thread = f.getArg(f.arg_size() - 1);
  SmallVector<Instruction *, 256> work;
  for (Instruction &i : instructions(f)) work.push_back(&i);
  for (Instruction *i : work) {
    if (auto *c = dyn_cast<CallInst>(i)) {
      TESSERA_TRY(call(*c));
    } else if (isa<LoadInst>(i) || isa<StoreInst>(i) || isa<AtomicRMWInst>(i) || isa<AtomicCmpXchgInst>(i)) {
      access(*i);
    }
  }
  for (Instruction *i : dead) i->eraseFromParent();
  dead.clear();
  return {};
}

} // namespace tcodegen::emu
