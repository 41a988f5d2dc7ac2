// SPDX-License-Identifier: MIT
// Targets, module → image, what a link refuses, and containment: every row of x86.toml compiles.
#include "jit.hh"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/imports.hh"
#include "llvm/legal.hh"
#include "llvm/legal_table.hh"
#include <gtest/gtest.h>
#include <atomic>
#include <cmath>
#include <set>
#include <thread>

using namespace tcodegen;
using tessera::Code;

namespace {

TEST(Target, NamesResolve) {
  CpuTarget v3 = jit::target("cpu:x86-64-v3"), v4 = jit::target("cpu:x86-64-v4");
  EXPECT_EQ(to_string(v3), "cpu:x86-64-v3");
  EXPECT_EQ(v3.vector_bits, 256);
  EXPECT_FALSE(v3.avx512);
  EXPECT_EQ(v4.vector_bits, 512);
  EXPECT_TRUE(v4.avx512);
  EXPECT_TRUE(jit::target("cpu:sapphirerapids").avx512_bf16);
  EXPECT_TRUE(jit::target("cpu:sapphirerapids").amx_bf16);
  EXPECT_FALSE(jit::target("cpu:x86-64-v4,-avx512dq").avx512);
  auto needs = [](const CpuTarget &t, const char *f) {
    return std::find(t.needed.begin(), t.needed.end(), f) != t.needed.end();
  };
  EXPECT_TRUE(needs(v3, "avx2"));
  EXPECT_TRUE(needs(v4, "avx512f"));
  EXPECT_FALSE(needs(v3, "avx512f"));
}

TEST(Target, CanonicalNamesReadBack) {
  for (const char *name : {"cpu:native", "cpu:x86-64-v3", "cpu:x86-64-v4,-avx512dq,+gfni", "cpu:znver4,-avx512bf16",
                           "cpu:x86-64-v4,-avx512f", "cpu:alderlake", "cpu:skylake,+avx512f"}) {
    auto t = resolve_cpu_target(name);
    ASSERT_TRUE(t.ok()) << name << ": " << t.status.message;
    auto again = resolve_cpu_target(to_string(t.value));
    ASSERT_TRUE(again.ok()) << to_string(t.value) << ": " << again.status.message;
    EXPECT_EQ(to_string(again.value), to_string(t.value));
    EXPECT_EQ(again.value.needed, t.value.needed);
  }
  EXPECT_EQ(to_string(jit::target("cpu:x86-64-v3,+avx2")), "cpu:x86-64-v3"); // no difference, not in the name
}

TEST(Target, BadNames) {
  for (const char *name : {"", "cpu", "cpu:", "cpu:x86-64", "cpu:x86-64-v2", "cpu:i686", "cpu:foo", "cuda:90a", "hip:gfx942",
                           "cpu:native,", "cpu:native,+avx2", "cpu:x86-64-v3,", "cpu:x86-64-v3,,", "cpu:x86-64-v3,avx2",
                           "cpu:x86-64-v3,+nosuch", "cpu:x86-64-v3,-avx2", "cpu:ivybridge", "cpu:x86-64-v5"}) {
    auto t = resolve_cpu_target(name);
    EXPECT_TRUE(t.status.code == Code::NOT_FOUND || t.status.code == Code::UNSUPPORTED) << name;
    EXPECT_NE(t.status.message.find(name), std::string::npos) << t.status.message;
  }
  EXPECT_NE(resolve_cpu_target("cpu:foo").status.message.find("x86-64-v3"), std::string::npos);
  EXPECT_FALSE(resolve_cpu_target(std::string(100000, 'x')).ok());
  EXPECT_FALSE(resolve_cpu_target("cpu:x86-64-v3," + std::string(100000, '+')).ok());
}

tessera::Result<tessera::tko::Image> image_of(const std::string &ir, const char *level = "cpu:x86-64-v3",
                                              std::string *asm_text = nullptr) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic error;
  auto m = llvm::parseAssemblyString(ir, error, context);
  if (!m) return tessera::fail(Code::PARSE, "%s", error.getMessage().str().c_str());
  CpuTarget cpu = jit::target(level);
  EmitOptions options;
  options.kernel = "kernel";
  if (auto s = prepare_module(*m, cpu); !s.ok()) return s;
  if (auto s = optimize(*m, cpu, "kernel", options); !s.ok()) return s;
  if (asm_text) *asm_text = emit_asm(*m, cpu, options).value;
  auto object = emit_object(*m, cpu, options);
  if (!object.ok()) return object.status;
  return link_image(object.value, "kernel");
}

TEST(Emit, SmallImageWithConstantsAndImports) {
  auto image = image_of("@t = internal constant [4 x i32] [i32 5, i32 6, i32 7, i32 8]\n"
                        "declare double @sin(double)\n"
                        "define private i32 @helper(i32 %i) noinline { %p = getelementptr i32, ptr @t, i32 %i\n"
                        "  %v = load i32, ptr %p\n  ret i32 %v }\n"
                        "define i32 @kernel(ptr %p, i32 %i) {\n  %x = load double, ptr %p\n"
                        "  %y = call double @sin(double %x)\n  %z = fadd double %y, 0.375\n  store double %z, ptr %p\n"
                        "  %r = call i32 @helper(i32 %i)\n  ret i32 %r }\n");
  ASSERT_TRUE(image.ok()) << image.status.message;
  ASSERT_EQ(image.value.imports.size(), 1u);
  EXPECT_EQ(image.value.imports[0].name, "sin");
  ASSERT_EQ(image.value.segments.size(), 2u); // code and constants; slots
  EXPECT_LT(image.value.segments[0].bytes.size(), 300u);
  jit::Loaded loaded(image.value);
  double x = 1.25;
  EXPECT_EQ(reinterpret_cast<int (*)(double *, int)>(loaded.entry)(&x, 2), 7);
  EXPECT_EQ(x, std::sin(1.25) + 0.375);
}

TEST(Emit, BaseRelocations) { // a table of addresses needs the load base
  auto image = image_of("@a = internal constant i32 11\n@b = internal constant i32 22\n"
                        "@t = internal constant [2 x ptr] [ptr @a, ptr @b]\n"
                        "define i32 @kernel(i32 %i) {\n  %p = getelementptr ptr, ptr @t, i32 %i\n"
                        "  %q = load ptr, ptr %p\n  %v = load i32, ptr %q\n  ret i32 %v }\n");
  ASSERT_TRUE(image.ok()) << image.status.message;
  EXPECT_EQ(image.value.relocations.size(), 2u);
  jit::Loaded loaded(image.value);
  EXPECT_EQ(reinterpret_cast<int (*)(int)>(loaded.entry)(1), 22);
}

TEST(Emit, JumpTable) {
  std::string ir = "define i32 @kernel(i32 %i) {\n  switch i32 %i, label %d [";
  for (int k = 0; k < 12; ++k) ir += " i32 " + std::to_string(k) + ", label %b" + std::to_string(k);
  ir += " ]\n";
  for (int k = 0; k < 12; ++k) ir += "b" + std::to_string(k) + ": %v" + std::to_string(k) + " = mul i32 %i, " +
                                     std::to_string(k * k + 3) + "\n  br label %d\n";
  ir += "d: %r = phi i32 [ -1, %0 ]";
  for (int k = 0; k < 12; ++k) ir += ", [ %v" + std::to_string(k) + ", %b" + std::to_string(k) + " ]";
  auto image = image_of(ir + "\n  ret i32 %r }\n");
  ASSERT_TRUE(image.ok()) << image.status.message;
  jit::Loaded loaded(image.value);
  auto f = reinterpret_cast<int (*)(int)>(loaded.entry);
  EXPECT_EQ(f(5), 5 * 28);
  EXPECT_EQ(f(11), 11 * 124);
  EXPECT_EQ(f(12), -1);
}

TEST(Emit, Deterministic) {
  const char *ir = "define <16 x float> @kernel(<16 x float> %x) { %y = fmul <16 x float> %x, %x\n ret <16 x float> %y }\n";
  auto a = image_of(ir, "cpu:x86-64-v4"), b = image_of(ir, "cpu:x86-64-v4");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a.value.segments[0].bytes, b.value.segments[0].bytes);
  std::string text;
  ASSERT_TRUE(image_of(ir, "cpu:x86-64-v4", &text).ok());
  EXPECT_NE(text.find("zmm"), std::string::npos) << text; // prefer-256-bit of the generic CPU does not split vectors
}

TEST(Emit, EightThreads) {
  std::thread threads[8];
  std::atomic<int> good = 0;
  for (int t = 0; t < 8; ++t)
    threads[t] = std::thread([&, t] {
      for (int k = 0; k < 10; ++k) {
        int want = t * 100 + k;
        auto image = image_of("define i32 @kernel() { ret i32 " + std::to_string(want) + " }\n");
        if (!image.ok()) continue;
        jit::Loaded loaded(image.value);
        good += reinterpret_cast<int (*)()>(loaded.entry)() == want;
      }
    });
  for (auto &t : threads) t.join();
  EXPECT_EQ(good, 80);
}

TEST(Emit, RefusedByName) {
  struct {
    const char *ir, *name;
  } const rows[] = {
      {"declare void @puts(ptr)\ndefine void @kernel(ptr %p) { call void @puts(ptr %p)\n ret void }", "puts"},
      {"@g = internal global i32 1\ndefine void @kernel() { store i32 2, ptr @g\n ret void }", "'g'"},
      {"@e = external constant i32\ndefine i32 @kernel() { %v = load i32, ptr @e\n ret i32 %v }", "'e'"},
      {"@t = thread_local global i32 1\ndefine i32 @kernel() { %v = load i32, ptr @t\n ret i32 %v }", "thread-local"},
      {"define float @kernel(float %x) { %y = call float @llvm.sin.f32(float %x)\n ret float %y }\n"
       "declare float @llvm.sin.f32(float)", "llvm.sin"},
      {"define double @kernel(double %x) { %y = frem double %x, 3.0\n ret double %y }", "frem"},
      {"define bfloat @kernel(bfloat %x) { ret bfloat %x }", "bfloat"},
      {"define fp128 @kernel(fp128 %x) { %y = fadd fp128 %x, %x\n ret fp128 %y }", "fp128"},
      {"define half @kernel(half %x) { %y = fadd half %x, %x\n ret half %y }", "fadd on half"},
      {"define half @kernel(double %x) { %y = fptrunc double %x to half\n ret half %y }", "fptrunc"},
      {"define i128 @kernel(i128 %x) { %y = udiv i128 %x, 7\n ret i128 %y }", "udiv on i128"},
      {"define <3 x i32> @kernel(<3 x i32> %x) { ret <3 x i32> %x }", "<3 x i32>"},
      {"define void @kernel() { call void asm sideeffect \"nop\", \"\"()\n ret void }", "inline assembly"},
      {"define void @kernel(ptr %f) { call void %f()\n ret void }", "indirect call"},
      {"define void @kernel(i64 %n, ptr %p) { %a = alloca i8, i64 %n\n store ptr %a, ptr %p\n ret void }", "alloca"},
      {"define i32 @other() { ret i32 1 }", "no function 'kernel'"},
  };
  for (auto &row : rows) {
    auto image = image_of(row.ir);
    EXPECT_FALSE(image.ok()) << row.name;
    EXPECT_NE(image.status.message.find(row.name), std::string::npos) << row.name << ": " << image.status.message;
  }
}

TEST(Emit, BrokenModuleIsAStatus) {
  llvm::LLVMContext context;
  llvm::Module m("broken", context);
  auto *f = llvm::Function::Create(llvm::FunctionType::get(llvm::Type::getVoidTy(context), false),
                                   llvm::GlobalValue::ExternalLinkage, "kernel", m);
  llvm::BasicBlock::Create(context, "entry", f); // no terminator
  auto s = optimize(m, jit::target("cpu:x86-64-v3"), "kernel", {});
  EXPECT_EQ(s.code, Code::INTERNAL);
}

TEST(Emit, FatalErrorNamesTheKernel) {
  ASSERT_TRUE(image_of("define void @kernel() { ret void }").ok()); // LLVM is set up
  auto die = [] {
    CrashContext crash("my_kernel", "some stage", [](void *, const char *text) { std::fprintf(stderr, "sink: %s\n", text); });
    llvm::reportFatalInternalError("boom");
  };
  EXPECT_DEATH(die(), "sink: .*'my_kernel' .some stage.: boom");
}

TEST(Link, AnyBytes) {
  EXPECT_FALSE(link_image("", "kernel").ok());
  EXPECT_FALSE(link_image("not an object", "kernel").ok());
  EXPECT_FALSE(link_image(std::string("\177ELF") + std::string(200, '\0'), "kernel").ok());
}

// ---- containment -----------------------------------------------------------------------------------------------

llvm::Type *type_of(char kind, llvm::LLVMContext &c) {
  switch (kind) {
  case '1': return llvm::Type::getInt1Ty(c);
  case 'b': return llvm::Type::getInt8Ty(c);
  case 'h': return llvm::Type::getInt16Ty(c);
  case 'i': return llvm::Type::getInt32Ty(c);
  case 'l': return llvm::Type::getInt64Ty(c);
  case 'e': return llvm::Type::getHalfTy(c);
  case 'f': return llvm::Type::getFloatTy(c);
  case 'd': return llvm::Type::getDoubleTy(c);
  default: return llvm::PointerType::getUnqual(c);
  }
}

/// The overloaded types of a row for so many lanes (0: scalar). A few intrinsics mix shapes.
llvm::SmallVector<llvm::Type *, 4> row_types(const LegalIntrinsic &row, unsigned lanes, llvm::LLVMContext &c) {
  llvm::SmallVector<llvm::Type *, 4> types;
  llvm::StringRef name(row.name);
  bool pointers_are_vectors = name == "llvm.masked.gather" || name == "llvm.masked.scatter";
  for (const char *k = row.kinds; *k; ++k) {
    llvm::Type *t = type_of(*k, c);
    bool scalar = lanes == 0 || (*k == 'p' && !pointers_are_vectors) || (name == "llvm.get.active.lane.mask" && *k != '1');
    unsigned n = lanes;
    if (name == "llvm.vector.insert" && k != row.kinds) n = lanes / 2;
    if (name == "llvm.vector.extract" && k == row.kinds) n = lanes / 2;
    types.push_back(scalar ? t : llvm::FixedVectorType::get(t, n));
  }
  return types;
}

/// A function that loads the operands from memory, calls the intrinsic, stores the result.
void add_call(llvm::Module &m, const LegalIntrinsic &row, unsigned lanes, int number) {
  llvm::LLVMContext &c = m.getContext();
  llvm::IRBuilder<> b(c);
  auto *f = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy()}, false),
                                   llvm::GlobalValue::ExternalLinkage, "f" + std::to_string(number), m);
  b.SetInsertPoint(llvm::BasicBlock::Create(c, "entry", f));
  auto id = llvm::Intrinsic::lookupIntrinsicID(row.name);
  llvm::Function *callee = llvm::Intrinsic::getOrInsertDeclaration(&m, id, row_types(row, lanes, c));
  llvm::Type *result = callee->getReturnType();
  llvm::SmallVector<llvm::Value *, 4> args;
  for (llvm::Argument &a : callee->args()) {
    llvm::Type *t = a.getType();
    if (t->isMetadataTy()) args.push_back(llvm::MetadataAsValue::get(c, llvm::MDNode::get(c, {})));
    else if (a.hasAttribute(llvm::Attribute::ImmArg)) args.push_back(llvm::ConstantInt::get(t, llvm::StringRef(row.name).contains("scalef") ? 4 : 0));
    else if (llvm::StringRef(row.name).starts_with("llvm.lifetime")) args.push_back(b.CreateAlloca(b.getInt64Ty()));
    else args.push_back(b.CreateAlignedLoad(t, b.CreateConstGEP1_64(b.getInt8Ty(), f->getArg(0), args.size() * 512), llvm::Align(1)));
  }
  llvm::Value *r = b.CreateCall(callee, args);
  if (!result->isVoidTy()) b.CreateAlignedStore(r, f->getArg(1), llvm::Align(1));
  b.CreateRetVoid();
}

void compile_rows(const char *level, bool special) {
  for (unsigned lanes : {0u, 2u, 4u, 8u, 16u, 32u, 64u}) {
    llvm::LLVMContext context;
    llvm::Module m("rows", context);
    CpuTarget cpu = jit::target(level);
    ASSERT_TRUE(prepare_module(m, cpu).ok());
    int number = 0;
    for (const LegalIntrinsic &row : legal_intrinsics) {
      if (special ? std::string(row.cpu) != level + 4 : *row.cpu != 0) continue;
      if (lanes == 0 ? row.shape == Shape::vector : row.shape == Shape::scalar || lanes > row.max_lanes) continue;
      ASSERT_NE(llvm::Intrinsic::lookupIntrinsicID(row.name), llvm::Intrinsic::not_intrinsic) << row.name;
      add_call(m, row, lanes, number++);
    }
    if (!number) continue;
    EmitOptions options;
    options.kernel = level;
    auto s = optimize(m, cpu, "f0", options);
    ASSERT_TRUE(s.ok()) << level << ", lanes " << lanes << ": " << s.message;
    for (llvm::Function &f : m) // optimize made all but one internal; keep them for the code generator
      if (!f.isDeclaration()) f.setLinkage(llvm::GlobalValue::ExternalLinkage);
    auto object = emit_object(m, cpu, options);
    ASSERT_TRUE(object.ok()) << object.status.message;
    for (int k = 0; k < number; ++k) { // no call into libgcc, whatever the row
      auto image = link_image(object.value, "f" + std::to_string(k));
      EXPECT_TRUE(image.ok()) << level << ", lanes " << lanes << ", row function " << k << ": " << image.status.message;
      if (!image.ok()) break;
    }
  }
}

TEST(Legal, EveryRowCompiles) {
  compile_rows("cpu:x86-64-v3", false);
  compile_rows("cpu:x86-64-v4", false);
  std::set<std::string> special;
  for (const LegalIntrinsic &row : legal_intrinsics)
    if (*row.cpu) special.insert(std::string("cpu:") + row.cpu);
  for (const std::string &cpu : special) compile_rows(cpu.c_str(), true);
}

TEST(Legal, TableIsSorted) {
  for (size_t i = 1; i < std::size(legal_intrinsics); ++i)
    EXPECT_LE(std::string(legal_intrinsics[i - 1].name), legal_intrinsics[i].name);
}

} // namespace
