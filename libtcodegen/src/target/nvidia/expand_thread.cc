// SPDX-License-Identifier: MIT
// Who a thread is, barriers and fences, values between lanes, records and traps, clocks.
#include "expand.hh"
#include "common/gpu_record.hh"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/IR/MDBuilder.h"

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

Status ranged(const Primitive &p, Intrinsic::ID id, uint32_t from, uint64_t to, Value **result) {
  if (p.args() || !p.type()->isIntegerTy(32)) return p.wrong("i32 ()");
  CallInst *c = p.b.CreateIntrinsic(id, ArrayRef<Type *>(), ArrayRef<Value *>());
  c->addRangeRetAttr(ConstantRange(APInt(32, from), APInt(32, to)));
  *result = c;
  return {};
}

Status tid(const Primitive &p, Value **result) {
  unsigned threads = p.options.threads ? p.options.threads : 32 * p.options.num_warps;
  return ranged(p, Intrinsic::nvvm_read_ptx_sreg_tid_x, 0, threads, result);
}

Status program(const Primitive &p, Value **result) {
  static constexpr Intrinsic::ID ids[2][3] = {
      {Intrinsic::nvvm_read_ptx_sreg_ctaid_x, Intrinsic::nvvm_read_ptx_sreg_ctaid_y, Intrinsic::nvvm_read_ptx_sreg_ctaid_z},
      {Intrinsic::nvvm_read_ptx_sreg_nctaid_x, Intrinsic::nvvm_read_ptx_sreg_nctaid_y, Intrinsic::nvvm_read_ptx_sreg_nctaid_z}};
  bool count = p.field(0) == "nprograms";
  StringRef axis = p.field(1);
  if (axis.size() != 1 || axis[0] < 'x' || axis[0] > 'z') return p.wrong("an axis x, y or z");
  uint64_t most = axis == "x" ? 0x7fffffff : 0xffff;
  return ranged(p, ids[count][axis[0] - 'x'], count, most + count, result);
}

Status smem(const Primitive &p, Value **result) {
  Module &m = *p.call->getModule();
  constexpr const char *name = "tessera_shared";
  GlobalVariable *g = m.getNamedGlobal(name);
  if (!g)
    g = new GlobalVariable(m, ArrayType::get(p.b.getInt8Ty(), 0), false, GlobalValue::ExternalLinkage, nullptr, name,
                           nullptr, GlobalValue::NotThreadLocal, 3);
  g->setAlignment(Align(1024)); // 128-byte swizzles repeat after so many bytes
  if (p.type() != g->getType()) return p.wrong("ptr addrspace(3) ()");
  *result = g;
  return {};
}

Status barrier(const Primitive &p, Value **) {
  if (p.args()) return p.wrong("void ()");
  p.b.CreateIntrinsic(Intrinsic::nvvm_barrier_cta_sync_aligned_all, {}, {p.b.getInt32(0)});
  return {};
}

/// barrier.named(i32 id, i32 threads), barrier.arrive(i32 id, i32 threads)
Status barrier_named(const Primitive &p, Value **) {
  if (p.args() != 2) return p.wrong("void (i32 id, i32 threads)");
  Asm a(p.b);
  std::string id = a.in(p.arg(0)), threads = a.in(p.arg(1));
  a.emit((p.field(1) == "arrive" ? "bar.arrive " : "bar.sync ") + id + ", " + threads + ";", Asm::effects, true);
  return {};
}

Status statement(const Primitive &p, const char *text, bool convergent) {
  if (p.args()) return p.wrong("void ()");
  Asm(p.b).emit(text, Asm::effects, convergent);
  return {};
}

Status warp_sync(const Primitive &p, Value **) { return statement(p, "bar.warp.sync 0xffffffff;", true); }

Status fence_async(const Primitive &p, Value **) {
  TESSERA_TRY(p.need(90, 80));
  return statement(p, "fence.proxy.async.shared::cta;", false);
}

Status membar(const Primitive &p, Value **) {
  StringRef scope = p.field(1);
  if (scope != "gpu" && scope != "cta" && scope != "sys") return p.wrong("a scope gpu, cta or sys");
  return statement(p, ("fence.acq_rel." + scope + ";").str().c_str(), false);
}

Status shfl(const Primitive &p, Value **result) {
  StringRef mode = p.field(1);
  if (p.field(2) != "i32" || p.args() != 2 || !p.type()->isIntegerTy(32) || !p.arg(0)->getType()->isIntegerTy(32) ||
      !p.arg(1)->getType()->isIntegerTy(32))
    return p.wrong("i32 (i32, i32)");
  Intrinsic::ID id = mode == "bfly"   ? Intrinsic::ID(Intrinsic::nvvm_shfl_sync_bfly_i32)
                     : mode == "idx"  ? Intrinsic::ID(Intrinsic::nvvm_shfl_sync_idx_i32)
                     : mode == "up"   ? Intrinsic::ID(Intrinsic::nvvm_shfl_sync_up_i32)
                     : mode == "down" ? Intrinsic::ID(Intrinsic::nvvm_shfl_sync_down_i32)
                                      : Intrinsic::ID(Intrinsic::not_intrinsic);
  if (!id) return p.wrong("shfl.{bfly|idx|up|down}.i32");
  *result = p.b.CreateIntrinsic(id, {}, {p.b.getInt32(-1), p.arg(0), p.arg(1), p.b.getInt32(mode == "up" ? 0 : 31)});
  return {};
}

Status ballot(const Primitive &p, Value **result) {
  if (p.args() != 1 || !p.arg(0)->getType()->isIntegerTy(1)) return p.wrong("i32 (i1)");
  *result = p.b.CreateIntrinsic(Intrinsic::nvvm_vote_ballot_sync, {}, {p.b.getInt32(-1), p.arg(0)});
  return {};
}

/// redux.{add|min|max|umin|umax|and|or|xor}.i32(i32): over the warp
Status redux(const Primitive &p, Value **result) {
  StringRef op = p.field(1);
  bool bits = op == "and" || op == "or" || op == "xor", is_unsigned = op.consume_front("u");
  if (p.args() != 1 || !p.type()->isIntegerTy(32) || !(bits || op == "add" || op == "min" || op == "max"))
    return p.wrong("redux.{add|min|max|umin|umax|and|or|xor}.i32, i32 (i32)");
  TESSERA_TRY(p.need(80, 70));
  Asm a(p.b);
  std::string out = a.out(p.type()), in = a.in(p.arg(0));
  *result = a.emit("redux.sync." + op.str() + (bits ? ".b32 " : is_unsigned ? ".u32 " : ".s32 ") + out + ", " + in +
                       ", 0xffffffff;", Asm::convergent_pure);
  return {};
}

/// setmaxnreg.{inc|dec}.N()
Status setmaxnreg(const Primitive &p, Value **) {
  unsigned n = 0;
  if ((p.field(1) != "inc" && p.field(1) != "dec") || p.field(2).getAsInteger(10, n) || n < 24 || n > 256 || n % 8)
    return p.wrong("setmaxnreg.{inc|dec}.N with N a multiple of 8 from 24 to 256");
  if (p.options.target.suffix != 'a' || p.options.target.capability < 90) TESSERA_TRY(p.need_specific(90, 80));
  TESSERA_TRY(p.need(90, 80));
  return statement(p, ("setmaxnreg." + p.field(1) + ".sync.aligned.u32 " + p.field(2) + ";").str().c_str(), true);
}

/// elect() -> i1: true in one lane of the warp
Status elect(const Primitive &p, Value **result) {
  if (p.args() || !p.type()->isIntegerTy(1)) return p.wrong("i1 ()");
  TESSERA_TRY(p.need(90, 80));
  Asm a(p.b);
  std::string out = a.out(p.type());
  *result = a.emit("elect.sync _|" + out + ", 0xffffffff;", Asm::effects, true);
  return {};
}

/// cluster.rank() -> i32, cluster.arrive(), cluster.wait()
Status cluster(const Primitive &p, Value **result) {
  TESSERA_TRY(p.need(90, 78));
  StringRef op = p.field(1);
  if (op == "arrive") return statement(p, "barrier.cluster.arrive.aligned;", true);
  if (op == "wait") return statement(p, "barrier.cluster.wait.aligned;", true);
  if (op == "rank") return ranged(p, Intrinsic::nvvm_read_ptx_sreg_cluster_ctarank, 0, 16, result);
  return p.wrong("cluster.{rank|arrive|wait}");
}

/// grid.wait(), grid.launch(): programmatic dependent launch
Status grid(const Primitive &p, Value **) {
  TESSERA_TRY(p.need(90, 78));
  if (p.field(1) == "wait") return statement(p, "griddepcontrol.wait;", false);
  if (p.field(1) == "launch") return statement(p, "griddepcontrol.launch_dependents;", false);
  return p.wrong("grid.{wait|launch}");
}

Status special_register(const Primitive &p, const char *name, Value **result) {
  if (p.args()) return p.wrong("no arguments");
  Asm a(p.b);
  std::string out = a.out(p.type());
  *result = a.emit(std::string("mov.") + (p.type()->isIntegerTy(64) ? "u64 " : "u32 ") + out + ", " + name + ";", Asm::effects);
  return {};
}
Status clock(const Primitive &p, Value **result) { return special_register(p, "%clock64", result); }
Status globaltimer(const Primitive &p, Value **result) { return special_register(p, "%globaltimer", result); }
Status smid(const Primitive &p, Value **result) { return special_register(p, "%smid", result); }

/// record(ptr, i32 kind, i32 message, i32 location, i64 program): the first that comes takes the record (its `state`
/// goes from 0 to 1), fills it, and hands it over (2). Host memory: system scope.
Status record(const Primitive &p, Value **) {
  if (p.args() != 5) return p.wrong("void (ptr, i32, i32, i32, i64)");
  namespace r = tessera::gpu_record;
  Asm a(p.b);
  Value *pointer = p.b.CreateAddrSpaceCast(p.arg(0), PointerType::get(p.b.getContext(), 0));
  std::string at = a.in(pointer), kind = a.in(p.arg(1)), message = a.in(p.arg(2)), location = a.in(p.arg(3)), program = a.in(p.arg(4));
  auto field = [&](unsigned offset) { return "[" + at + "+" + std::to_string(offset) + "], "; };
  a.emit("{\n\t.reg .b32 old;\n\t.reg .pred mine;\n\tatom.relaxed.sys.cas.b32 old, " + field(r::state_offset) + "0, 1;\n\t"
         "setp.eq.s32 mine, old, 0;\n\t@mine st.relaxed.sys.b32 " + field(r::kind_offset) + kind + ";\n\t@mine st.relaxed.sys.b32 " +
         field(r::message_offset) + message + ";\n\t@mine st.relaxed.sys.b32 " + field(r::location_offset) + location +
         ";\n\t@mine st.relaxed.sys.b64 " + field(r::program_offset) + program +
         ";\n\t@mine st.release.sys.b32 " + field(r::state_offset) + "2;\n\tfence.acq_rel.sys;\n\t}", Asm::effects);
  return {};
}

/// print.RANK.BYTES.KIND: the device's own printf, whose text the driver writes out when the host waits.
Status print(const Primitive &p, Value **) {
  if (p.args() < 8 || !p.arg(0)->getType()->isPointerTy()) return p.wrong("as PRIMITIVES.md says");
  Module &m = *p.call->getModule();
  LLVMContext &c = m.getContext();
  Type *pointer = PointerType::get(c, 0);
  SmallVector<Type *, 8> types;
  for (unsigned i = 5; i < p.args(); ++i) types.push_back(p.arg(i)->getType());
  StructType *pack = StructType::get(c, types);
  IRBuilder<> entry(&*p.call->getFunction()->getEntryBlock().getFirstInsertionPt());
  Value *frame = entry.CreateAlloca(pack);
  for (unsigned i = 0; i < types.size(); ++i) p.b.CreateStore(p.arg(5 + i), p.b.CreateStructGEP(pack, frame, i));
  FunctionCallee f = m.getOrInsertFunction("vprintf", FunctionType::get(p.b.getInt32Ty(), {pointer, pointer}, false));
  p.b.CreateCall(f, {p.b.CreateAddrSpaceCast(p.arg(0), pointer), frame});
  return {};
}

Status trap(const Primitive &p, Value **) { return statement(p, "trap;", false); }

constexpr Family families[] = {
    {"tid", tid},
    {"program", program},
    {"nprograms", program},
    {"smem", smem},
    {"barrier", barrier},
    {"barrier.named", barrier_named},
    {"barrier.arrive", barrier_named},
    {"warp.sync", warp_sync},
    {"fence.async", fence_async},
    {"membar", membar},
    {"shfl", shfl},
    {"ballot", ballot},
    {"redux", redux},
    {"setmaxnreg", setmaxnreg},
    {"elect", elect},
    {"cluster", cluster},
    {"grid", grid},
    {"clock", clock},
    {"globaltimer", globaltimer},
    {"smid", smid},
    {"record", record},
    {"print", print},
    {"trap", trap},
};

} // namespace

ArrayRef<Family> thread_families() { return families; }

} // namespace tcodegen::nvidia
