// SPDX-License-Identifier: MIT
// Every primitive through LLVM to PTX, and to a cubin where an assembler is found; what an architecture lacks is
// refused by name.
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"
#include "target/nvidia/nvidia.hh"
#include <gtest/gtest.h>
#include <memory>

using namespace llvm;
using namespace tcodegen;
using tessera::Code;

namespace {

struct Case {
  const char *declaration;   // "RESULT NAME(ARGUMENTS)", NAME without "tessera."
  unsigned least;            // first architecture
  bool specific = false;     // sm_90a only
  const char *text = "";     // stands in the PTX
};

#define P1 "ptr addrspace(1)"
#define P3 "ptr addrspace(3)"
const Case cases[] = {
    {"i32 tid()", 75, false, "%tid.x"},
    {"i32 program.x()", 75, false, "%ctaid.x"},
    {"i32 program.z()", 75, false, "%ctaid.z"},
    {"i32 nprograms.y()", 75, false, "%nctaid.y"},
    {P3 " smem()", 75, false, "tessera_shared"},
    {"void barrier()", 75, false, "bar"},
    {"void barrier.named(i32, i32)", 75, false, "bar.sync"},
    {"void barrier.arrive(i32, i32)", 75, false, "bar.arrive"},
    {"void warp.sync()", 75, false, "bar.warp.sync"},
    {"void fence.async()", 90, false, "fence.proxy.async.shared::cta"},
    {"void membar.gpu()", 75, false, "fence.acq_rel.gpu"},
    {"void membar.sys()", 75, false, "fence.acq_rel.sys"},
    {"i32 shfl.bfly.i32(i32, i32)", 75, false, "shfl.sync.bfly.b32"},
    {"i32 shfl.idx.i32(i32, i32)", 75, false, "shfl.sync.idx.b32"},
    {"i32 shfl.up.i32(i32, i32)", 75, false, "shfl.sync.up.b32"},
    {"i32 shfl.down.i32(i32, i32)", 75, false, "shfl.sync.down.b32"},
    {"i32 ballot(i1)", 75, false, "vote.sync.ballot.b32"},
    {"i32 redux.umax.i32(i32)", 80, false, "redux.sync.max.u32"},
    {"i32 redux.and.i32(i32)", 80, false, "redux.sync.and.b32"},
    {"i1 elect()", 90, false, "elect.sync"},
    {"void setmaxnreg.inc.240()", 90, true, "setmaxnreg.inc"},
    {"i32 cluster.rank()", 90, false, "%cluster_ctarank"},
    {"void cluster.arrive()", 90, false, "barrier.cluster.arrive"},
    {"void cluster.wait()", 90, false, "barrier.cluster.wait"},
    {"void grid.wait()", 90, false, "griddepcontrol.wait"},
    {"void grid.launch()", 90, false, "griddepcontrol.launch_dependents"},
    {"i64 clock()", 75, false, "%clock64"},
    {"i64 globaltimer()", 75, false, "%globaltimer"},
    {"i32 smid()", 75, false, "%smid"},
    {"void record(ptr, i32, i32, i32, i64)", 75, false, "atom.relaxed.sys.cas.b32"},
    {"void trap()", 75, false, "trap"},
    {"<1 x i8> ld.global.v1.b8(" P1 ", i1)", 75, false, "ld.global.b8"},
    {"<1 x i16> ld.global.v1.b16(" P1 ", i1)", 75},
    {"<1 x i64> ld.global.v1.b64(" P1 ", i1)", 75},
    {"<2 x i64> ld.global.v2.b64(" P1 ", i1)", 75, false, "ld.global.v2.b64"},
    {"<4 x i32> ld.global.v4.b32(" P1 ", i1)", 75, false, "ld.global.v4.b32"},
    {"<8 x i16> ld.global.v8.b16(" P1 ", i1)", 75},
    {"<16 x i8> ld.global.v16.b8(" P1 ", i1)", 75},
    {"<2 x i8> ld.global.v2.b8(" P1 ", i1)", 75},
    {"<4 x i32> ld.global.v4.b32.cg(" P1 ", i1)", 75, false, "ld.global.cg.v4.b32"},
    {"<4 x i32> ld.global.v4.b32.evict_last(" P1 ", i1)", 75, false, "ld.global.L1::evict_last.v4.b32"},
    {"<1 x i32> ld.global.v1.b32.volatile(" P1 ", i1)", 75, false, "ld.volatile.global.b32"},
    {"<8 x i16> ld.global.v8.b16.or(" P1 ", i1, <8 x i16>)", 75, false, "ld.global.v4.b32"},
    {"<1 x i8> ld.global.v1.b8.cg.or(" P1 ", i1, <1 x i8>)", 75, false, "ld.global.cg.b8"},
    {"<1 x i32> ld.global.v1.b32.cv(" P1 ", i1)", 75, false, "ld.global.cv.b32"},
    {"void st.global.v1.b8(" P1 ", <1 x i8>, i1)", 75},
    {"void st.global.v1.b16(" P1 ", <1 x i16>, i1)", 75},
    {"void st.global.v4.b32(" P1 ", <4 x i32>, i1)", 75, false, "st.global.v4.b32"},
    {"void st.global.v8.b16(" P1 ", <8 x i16>, i1)", 75},
    {"void st.global.v2.b64.cs(" P1 ", <2 x i64>, i1)", 75, false, "st.global.cs.v2.b64"},
    {"void st.global.v4.b32.wt(" P1 ", <4 x i32>, i1)", 75},
    {"void st.global.v4.b32.evict_first(" P1 ", <4 x i32>, i1)", 75, false, "st.global.L1::evict_first.v4.b32"},
    {"i32 atom.global.add.i32.relaxed.gpu(" P1 ", i32, i1)", 75, false, "atom.relaxed.gpu.global.add.u32"},
    {"i64 atom.global.umax.i64.acq_rel.sys(" P1 ", i64, i1)", 75, false, "atom.acq_rel.sys.global.max.u64"},
    {"i32 atom.shared.xor.i32.acquire.cta(" P3 ", i32, i1)", 75, false, "atom.acquire.cta.shared.xor.b32"},
    {"i8 atom.global.add.i8.relaxed.gpu(" P1 ", i8, i1)", 75, false, "atom.relaxed.gpu.global.cas.b32"},
    {"i16 atom.global.max.i16.acq_rel.sys(" P1 ", i16, i1)", 75, false, "max.s32"},
    {"i8 atom.shared.cas.i8.acquire.cta(" P3 ", i8, i8, i1)", 75, false, "selp.b32"},
    {"i16 atom.global.umin.i16.relaxed.gpu(" P1 ", i16, i1)", 75, false, "min.u32"},
    {"i8 atom.global.load.i8.acquire.gpu(" P1 ", i1)", 75, false, "ld.acquire.gpu.global.b8"},
    {"i64 atom.global.load.i64.relaxed.sys(" P1 ", i1)", 75, false, "ld.relaxed.sys.global.b64"},
    {"void atom.global.store.i16.release.gpu(" P1 ", i16, i1)", 75, false, "st.release.gpu.global.b16"},
    {"void print.1.4.i32(" P1 ", i32, i32, i32, i64, i32, i32, i32, i32, i32)", 75, false, "vprintf"},
    {"void print.0.4.f64(" P1 ", i32, i32, i32, i64, i32, i32, i32, double)", 75, false, "vprintf"},
    {"float atom.global.fadd.f32.acq_rel.gpu(" P1 ", float, i1)", 75, false, "add.f32"},
    {"double atom.global.fadd.f64.acq_rel.gpu(" P1 ", double, i1)", 75, false, "add.f64"},
    {"half atom.global.fadd.f16.acq_rel.gpu(" P1 ", half, i1)", 75, false, "add.noftz.f16"},
    {"bfloat atom.global.fadd.bf16.acq_rel.gpu(" P1 ", bfloat, i1)", 75},
    {"i16 atom.global.fadd.bf16.relaxed.gpu(" P1 ", i16, i1)", 75},
    {"float atom.global.fmax.f32.acq_rel.gpu(" P1 ", float, i1)", 75, false, "cas.b32"},
    {"double atom.shared.fmin.f64.acq_rel.cta(" P3 ", double, i1)", 75, false, "cas.b64"},
    {"half atom.global.fmax.f16.acq_rel.gpu(" P1 ", half, i1)", 75, false, "cas.b16"},
    {"i16 atom.global.fmin.bf16.acq_rel.gpu(" P1 ", i16, i1)", 75, false, "cas.b16"},
    {"float atom.global.exch.f32.release.gpu(" P1 ", float, i1)", 75, false, "exch.b32"},
    {"half atom.global.exch.f16.release.gpu(" P1 ", half, i1)", 75, false, "cas.b16"},
    {"i32 atom.global.cas.i32.acq_rel.gpu(" P1 ", i32, i32, i1)", 75, false, "cas.b32"},
    {"i16 atom.global.cas.i16.acq_rel.gpu(" P1 ", i16, i16, i1)", 75, false, "cas.b16"},
    {"i64 atom.shared.cas.i64.relaxed.cta(" P3 ", i64, i64, i1)", 75, false, "cas.b64"},
    {"i32 ldmatrix.x1(" P3 ")", 75, false, "ldmatrix.sync.aligned.m8n8.x1.shared.b16"},
    {"{i32, i32} ldmatrix.x2.trans(" P3 ")", 75, false, "x2.trans"},
    {"{i32, i32, i32, i32} ldmatrix.x4(" P3 ")", 75},
    {"void stmatrix.x1(" P3 ", i32)", 90, false, "stmatrix"},
    {"void stmatrix.x4.trans(" P3 ", i32, i32, i32, i32)", 90, false, "stmatrix"},
    {"void cp.async.ca.4(" P3 ", " P1 ", i1)", 80, false, "cp.async.ca.shared.global"},
    {"void cp.async.cg.16(" P3 ", " P1 ", i1)", 80, false, "cp.async.cg.shared.global"},
    {"void cp.async.commit()", 80, false, "cp.async.commit_group"},
    {"void cp.async.wait.2()", 80, false, "cp.async.wait_group 2"},
    {"void mbarrier.init(" P3 ", i32)", 80},
    {"void mbarrier.inval(" P3 ")", 80},
    {"void mbarrier.expect_tx(" P3 ", i32, i1)", 90},
    {"void mbarrier.arrive(" P3 ", i1)", 80},
    {"void mbarrier.wait.parity(" P3 ", i32)", 80, false, "_wait.parity"},
    {"void tma.load.2d(" P3 ", ptr, " P3 ", i32, i32, i1)", 90, false, "cp.async.bulk.tensor.2d"},
    {"void tma.load.5d(" P3 ", ptr, " P3 ", i32, i32, i32, i32, i32, i1)", 90},
    {"void tma.store.1d(ptr, " P3 ", i32, i1)", 90},
    {"void tma.store.commit()", 90},
    {"void tma.store.wait.0.read()", 90, false, "wait_group.read 0"},
    {"float math.exp.f32(float)", 75, false, "ex2.approx"},
    {"float math.exp2.f32(float)", 75},
    {"float math.log.f32(float)", 75},
    {"float math.log2.f32(float)", 75},
    {"float math.sin.f32(float)", 75},
    {"float math.cos.f32(float)", 75},
    {"float math.tanh.f32(float)", 75},
    {"float math.erf.f32(float)", 75},
    {"float math.rsqrt.f32(float)", 75, false, "rsqrt.approx.f32"},
    {"double math.rsqrt.f64(double)", 75},
    {"float math.sqrt_rn.f32(float)", 75, false, "sqrt.rn.f32"},
    {"float math.div.f32(float, float)", 75, false, "div.full.f32"},
    {"float math.div_rn.f32(float, float)", 75, false, "div.rn.f32"},
    {"double math.div.f64(double, double)", 75, false, "div.rn.f64"},
    {"i16 cvt.f32x2.e4m3x2(float, float)", 75},
    {"i16 cvt.f32x2.e5m2x2(float, float)", 75},
    {"i16 cvt.f16x2.e4m3x2(i32)", 75},
    {"i32 cvt.e4m3x2.f16x2(i16)", 75},
    {"i32 cvt.e5m2x2.f16x2(i16)", 75},
    {"i32 cvt.f32x2.f16x2(float, float)", 75},
    {"i32 cvt.f32x2.bf16x2.rtz(float, float)", 75},
    {"i16 cvt.f32.f16.rtz(float)", 75},
    {"i16 cvt.f32.bf16(float)", 75},
    {"float cvt.bf16.f32(i16)", 75},
    {"i32 cvt.f32.tf32(float)", 75},
    {"void wgmma.fence()", 90, true},
    {"void wgmma.commit()", 90, true},
    {"void wgmma.wait.1()", 90, true, "wgmma.wait_group.sync.aligned 1"},
};

std::string join(unsigned count, const std::string &item) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) text += (i ? ", " : "") + item;
  return text;
}

/// Matrix instructions as further cases: shape, D, A, B, C, registers of a, b, c.
std::string mma(const char *name, const char *operand, unsigned ab, const char *acc, unsigned c) {
  return "{" + join(c, acc) + "} mma." + name + "(" + join(ab, operand) + ", " + join(c, acc) + ")";
}
std::string wgmma(const std::string &name, const char *acc, unsigned n, bool from_registers) {
  return "{" + join(n, acc) + "} wgmma." + name + "(" + join(n, acc) + ", " + (from_registers ? join(4, "i32") : "i64") + ", i64, i1)";
}

/// A kernel that calls the primitive with values nobody knows, then once more with true predicates, and stores what
/// it gives.
std::unique_ptr<Module> module_for(LLVMContext &context, const std::string &declaration, std::string *error) {
  size_t open = declaration.rfind('('), space = declaration.rfind(' ', declaration.rfind('(', open));
  std::string head = declaration.substr(0, open);
  // The name begins behind the last space before the last "(" that opens the arguments.
  size_t at = std::string::npos;
  int depth = 0;
  for (size_t i = 0; i < declaration.size(); ++i) {
    char c = declaration[i];
    if (c == '{' || c == '<' || (c == '(' && declaration.compare(i - 9, 9, "addrspace") == 0)) ++depth;
    else if (c == '}' || c == '>' || (c == ')' && depth)) --depth;
    else if (c == ' ' && !depth && declaration.compare(i + 1, 9, "addrspace") != 0) {
      at = i;
      break;
    }
  }
  (void)space, (void)head;
  std::string text = "declare " + declaration.substr(0, at) + " @tessera." + declaration.substr(at + 1) + "\n";
  SMDiagnostic diagnostic;
  auto m = parseAssemblyString(text, diagnostic, context);
  if (!m) {
    *error = text + diagnostic.getMessage().str();
    return nullptr;
  }
  Function *f = &*m->begin();
  Type *p1 = PointerType::get(context, 1);
  auto *kernel = Function::Create(FunctionType::get(Type::getVoidTy(context), {p1}, false), GlobalValue::ExternalLinkage, "kernel", *m);
  IRBuilder<> b(BasicBlock::Create(context, "", kernel));
  for (bool known : {false, true}) {
    SmallVector<Value *, 8> args;
    for (Argument &a : f->args()) {
      if (known && a.getType()->isIntegerTy(1)) args.push_back(b.getTrue());
      else args.push_back(b.CreateLoad(a.getType(), kernel->getArg(0), true));
    }
    Value *v = b.CreateCall(f, args);
    if (!v->getType()->isVoidTy() && !v->getType()->isPointerTy()) b.CreateStore(v, kernel->getArg(0), true);
    else if (v->getType()->isPointerTy()) b.CreateStore(b.getInt32(1), v, true);
  }
  b.CreateRetVoid();
  return m;
}

nvidia::Target target(const char *name) {
  auto t = nvidia::resolve(name);
  EXPECT_TRUE(t.ok()) << t.status.message;
  return t.value;
}

tessera::Result<std::string> to_ptx(const std::string &declaration, const char *arch) {
  LLVMContext context;
  std::string error;
  auto m = module_for(context, declaration, &error);
  if (!m) return tessera::fail(Code::INTERNAL, "test: %s", error.c_str());
  nvidia::Options o;
  o.target = target(arch);
  o.kernel = "kernel";
  unsigned isa = 0;
  TESSERA_TRY(nvidia::prepareNvptx(*m, o));
  TESSERA_TRY(nvidia::expandPrimitives(*m, o, &isa));
  TESSERA_TRY(nvidia::optimize(*m, o));
  return nvidia::emitPtx(*m, o, isa);
}

std::vector<std::pair<std::string, Case>> all_cases() {
  std::vector<std::pair<std::string, Case>> all;
  for (const Case &c : cases) all.push_back({c.declaration, c});
  auto add = [&](const std::string &d, unsigned least, bool specific = false) { all.push_back({d, {"", least, specific, ""}}); };
  add(mma("m16n8k8.f32.f16.f16.f32", "i32", 3, "float", 4), 75);
  add(mma("m16n8k16.f32.f16.f16.f32", "i32", 6, "float", 4), 80);
  add(mma("m16n8k16.f16.f16.f16.f16", "i32", 6, "i32", 2), 80);
  add(mma("m16n8k16.f32.bf16.bf16.f32", "i32", 6, "float", 4), 80);
  add(mma("m16n8k8.f32.tf32.tf32.f32", "i32", 6, "float", 4), 80);
  add(mma("m8n8k16.s32.s8.s8.s32", "i32", 2, "i32", 2), 75);
  add(mma("m16n8k32.s32.s8.u8.s32", "i32", 6, "i32", 4), 80);
  add(mma("m16n8k32.f32.e4m3.e5m2.f32", "i32", 6, "float", 4), 89);
  add(mma("m8n8k4.f64.f64.f64.f64", "double", 2, "double", 2), 80);
  add(mma("m16n8k16.f64.f64.f64.f64", "double", 12, "double", 4), 90);
  add(wgmma("m64n64k16.f32.f16.f16.ss", "float", 32, false), 90, true);
  add(wgmma("m64n256k16.f32.bf16.bf16.ss.ta.tb", "float", 128, false), 90, true);
  add(wgmma("m64n128k16.f32.f16.f16.rs.tb", "float", 64, true), 90, true);
  add(wgmma("m64n128k16.f16.f16.f16.ss", "i32", 32, false), 90, true);
  add(wgmma("m64n64k8.f32.tf32.tf32.ss", "float", 32, false), 90, true);
  add(wgmma("m64n64k32.f32.e4m3.e4m3.ss", "float", 32, false), 90, true);
  add(wgmma("m64n32k32.s32.s8.s8.rs", "i32", 16, true), 90, true);
  return all;
}

bool have_assembler() {
  static const bool have = [] {
    nvidia::AssembleOptions a;
    auto r = nvidia::assemble(".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry kernel() { ret; }\n", target("80"), a);
    return r.ok() && !r.value.cubin.empty();
  }();
  return have;
}

void every_primitive(const char *arch) {
  nvidia::Target t = target(arch);
  for (const auto &[declaration, c] : all_cases()) {
    auto ptx = to_ptx(declaration, arch);
    bool there = t.capability >= c.least && (!c.specific || (t.suffix == 'a' && t.capability / 10 == c.least / 10));
    if (c.specific && std::string(c.declaration).find("setmaxnreg") != std::string::npos) there = t.suffix == 'a' && t.capability >= 90;
    if (!there) {
      EXPECT_EQ(ptx.status.code, Code::UNSUPPORTED) << declaration << " on " << arch << ": " << ptx.status.message;
      continue;
    }
    ASSERT_TRUE(ptx.ok()) << declaration << " on " << arch << ": " << ptx.status.message;
    EXPECT_NE(ptx.value.find(c.text), std::string::npos) << declaration << " on " << arch << ":\n" << ptx.value;
    EXPECT_NE(ptx.value.find(".reqntid 128"), std::string::npos) << ptx.value;
    if (!have_assembler()) continue;
    auto code = nvidia::assemble(ptx.value, t, {});
    EXPECT_TRUE(code.ok()) << declaration << " on " << arch << ": " << code.status.message << "\n" << ptx.value;
  }
}

TEST(Nvidia, Sm75) { every_primitive("cuda:75"); }
TEST(Nvidia, Sm80) { every_primitive("cuda:80"); }
TEST(Nvidia, Sm89) { every_primitive("cuda:89"); }
TEST(Nvidia, Sm90a) { every_primitive("cuda:90a"); }
TEST(Nvidia, Sm100a) { every_primitive("cuda:100a"); }
TEST(Nvidia, Sm120a) { every_primitive("cuda:120a"); }

TEST(Nvidia, Targets) {
  for (const char *name : {"cuda:75", "cuda:80", "cuda:86", "cuda:87", "cuda:89", "cuda:90", "cuda:90a", "cuda:100a", "cuda:103a", "cuda:120a"})
    EXPECT_EQ(nvidia::to_string(target(name)), name);
  EXPECT_EQ(target("cuda:90a").ptx_isa, 80u);
  EXPECT_EQ(target("cuda:100a").ptx_isa, 86u);
  EXPECT_EQ(target("cuda:120a").ptx_isa, 87u);
  for (const char *name : {"cuda:", "cuda:70", "cuda:80a", "cuda:90f", "cuda:999", "cuda:90aa", "cuda:9"})
    EXPECT_EQ(nvidia::resolve(name).status.code, Code::NOT_FOUND) << name;
}

TEST(Nvidia, WhatIsNotAPrimitiveIsNamed) {
  auto r = to_ptx("i32 frobnicate.i32(i32)", "cuda:90a");
  EXPECT_EQ(r.status.code, Code::UNSUPPORTED);
  EXPECT_NE(r.status.message.find("tessera.frobnicate.i32"), std::string::npos) << r.status.message;
  r = to_ptx("i64 shfl.bfly.i32(i64, i32)", "cuda:90a"); // wrong types
  EXPECT_EQ(r.status.code, Code::INTERNAL) << r.status.message;
  r = to_ptx("float math.frobnicate.f32(float)", "cuda:90a");
  EXPECT_EQ(r.status.code, Code::UNSUPPORTED) << r.status.message;
}

TEST(Nvidia, WhatLlvmWouldDieOfIsRefused) {
  LLVMContext context;
  SMDiagnostic d;
  auto m = parseAssemblyString("declare float @llvm.sin.f32(float)\ndefine void @kernel(ptr addrspace(1) %p) {\n"
                               "  %x = load float, ptr addrspace(1) %p\n  %y = call float @llvm.sin.f32(float %x)\n"
                               "  store float %y, ptr addrspace(1) %p\n  ret void\n}\n", d, context);
  ASSERT_TRUE(m);
  nvidia::Options o;
  o.target = target("cuda:80");
  o.kernel = "kernel";
  ASSERT_TRUE(nvidia::prepareNvptx(*m, o).ok());
  auto s = nvidia::optimize(*m, o);
  EXPECT_EQ(s.code, Code::UNSUPPORTED);
  EXPECT_NE(s.message.find("llvm.sin.f32"), std::string::npos) << s.message;
}

TEST(Nvidia, Libdevice) {
  auto r = to_ptx("float math.pow.f32(float, float)", "cuda:80");
  if (r.status.code == Code::UNSUPPORTED) GTEST_SKIP() << r.status.message;
  ASSERT_TRUE(r.ok()) << r.status.message;
  EXPECT_EQ(r.value.find("__nv_powf"), std::string::npos) << "inlined";
  for (const char *d : {"double math.exp.f64(double)", "float math.atan2.f32(float, float)", "i32 extern.__nv_clz(i32)", "double math.sin.f64(double)"}) {
    r = to_ptx(d, "cuda:90a");
    EXPECT_TRUE(r.ok()) << d << ": " << r.status.message;
  }
}

TEST(Nvidia, AssemblersAgree) {
  auto ptx = to_ptx("{i32, i32, i32, i32} ldmatrix.x4(" P3 ")", "cuda:90a");
  ASSERT_TRUE(ptx.ok()) << ptx.status.message;
  unsigned tried = 0;
  for (auto which : {nvidia::Assembler::in_process, nvidia::Assembler::ptxas}) {
    nvidia::AssembleOptions a;
    a.assembler = which;
    auto r = nvidia::assemble(ptx.value, target("cuda:90a"), a);
    if (r.status.code == Code::UNSUPPORTED) {
      std::printf("skipped: %s\n", r.status.message.c_str());
      continue;
    }
    ++tried;
    ASSERT_TRUE(r.ok()) << r.status.message;
    EXPECT_EQ(std::string(r.value.cubin.begin() + 1, r.value.cubin.begin() + 4), "ELF");
    EXPECT_GT(r.value.registers, 0u) << r.value.log;
    auto bad = nvidia::assemble(ptx.value + "nonsense", target("cuda:90a"), a);
    EXPECT_EQ(bad.status.code, Code::COMPILE);
    EXPECT_FALSE(bad.status.message.empty());
  }
  if (!tried) GTEST_SKIP() << "no assembler is installed";
}

TEST(Nvidia, LogIsRead) {
  nvidia::Assembled a;
  nvidia::read_log("ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to x\n"
                   "ptxas info    : Function properties for kernel\n"
                   "    16 bytes stack frame, 24 bytes spill stores, 32 bytes spill loads\n"
                   "ptxas info    : Used 168 registers, used 1 barriers, 1024 bytes smem\n", "kernel", &a);
  EXPECT_EQ(a.registers, 168u);
  EXPECT_EQ(a.spill_bytes, 24u);
  EXPECT_EQ(a.stack_bytes, 16u);
  EXPECT_EQ(a.shared_bytes, 1024u);
  ASSERT_EQ(a.remarks.size(), 2u);
  EXPECT_EQ(a.remarks[0].name, "wgmma-serialised");
  EXPECT_EQ(a.remarks[1].name, "spills");
}

} // namespace
