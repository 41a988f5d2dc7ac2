// SPDX-License-Identifier: MIT
// Runs code in the test: module → optimize → object → flat image → memory of this process.
#pragma once
#include "common/tko.hh"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/cpu_target.hh"
#include "llvm/emit.hh"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <sys/mman.h>

namespace jit {

/// An image in memory; unmapped at the end.
class Loaded {
public:
  explicit Loaded(const tessera::tko::Image &image) {
    for (const auto &s : image.segments) size = s.offset + s.bytes.size() + s.zero_fill;
    size = (size + 4095) & ~size_t(4095);
    base = static_cast<char *>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base == MAP_FAILED) std::abort();
    for (const auto &s : image.segments)
      if (!s.bytes.empty()) std::memcpy(base + s.offset, s.bytes.data(), s.bytes.size());
    for (const auto &i : image.imports) {
      void *p = dlsym(RTLD_DEFAULT, i.name.c_str());
      if (!p) std::fprintf(stderr, "no %s\n", i.name.c_str()), std::abort();
      std::memcpy(base + i.slot, &p, 8);
    }
    for (uint64_t r : image.relocations) {
      uint64_t v;
      std::memcpy(&v, base + r, 8);
      v += reinterpret_cast<uint64_t>(base);
      std::memcpy(base + r, &v, 8);
    }
    for (const auto &s : image.segments) {
      size_t bytes = (s.bytes.size() + s.zero_fill + 4095) & ~size_t(4095);
      mprotect(base + s.offset, bytes, s.permission == tessera::tko::Permission::rx ? PROT_READ | PROT_EXEC : PROT_READ);
    }
    entry = base + image.entry;
  }
  ~Loaded() { munmap(base, size); }
  Loaded(const Loaded &) = delete;
  char *base;
  size_t size = 0;
  void *entry;
};

inline tcodegen::CpuTarget target(const char *name) {
  auto t = tcodegen::resolve_cpu_target(name);
  if (!t.ok()) std::fprintf(stderr, "%s\n", t.status.message.c_str()), std::abort();
  return t.value;
}

inline bool host_runs(const char *name) {
  auto host = tcodegen::resolve_cpu_target("cpu:native");
  if (!host.ok()) return false;
  return !target(name).avx512 || host.value.avx512;
}

/// Builds `void kernel(const In *x, const In *y, Out *out, i64 n)`, n a multiple of `lanes`: out[i] = body(x[i], y[i]).
/// lanes 1 means scalar code.
/// `in` and `out` give the element types for a context.
template <class In, class Out, class Body>
std::unique_ptr<Loaded> elementwise(const tcodegen::CpuTarget &cpu, unsigned lanes, In in, Out out, Body body,
                                    size_t *image_bytes = nullptr, std::string *text = nullptr) {
  using namespace llvm;
  LLVMContext context;
  Module m("test", context);
  if (auto s = tcodegen::prepare_module(m, cpu); !s.ok()) std::fprintf(stderr, "%s\n", s.message.c_str()), std::abort();
  IRBuilder<> b(context);
  Type *ptr = b.getPtrTy(), *ti = in(context), *to = out(context);
  Type *vi = lanes == 1 ? ti : FixedVectorType::get(ti, lanes);
  auto *f = Function::Create(FunctionType::get(b.getVoidTy(), {ptr, ptr, ptr, b.getInt64Ty()}, false),
                             GlobalValue::ExternalLinkage, "kernel", m);
  auto *entry = BasicBlock::Create(context, "entry", f), *loop = BasicBlock::Create(context, "loop", f);
  b.SetInsertPoint(entry);
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  PHINode *i = b.CreatePHI(b.getInt64Ty(), 2);
  i->addIncoming(b.getInt64(0), entry);
  Value *x = b.CreateAlignedLoad(vi, b.CreateGEP(ti, f->getArg(0), i), Align(1));
  Value *y = b.CreateAlignedLoad(vi, b.CreateGEP(ti, f->getArg(1), i), Align(1));
  Value *r = body(b, x, y);
  b.CreateAlignedStore(r, b.CreateGEP(to, f->getArg(2), i), Align(1));
  Value *next = b.CreateAdd(i, b.getInt64(lanes));
  i->addIncoming(next, b.GetInsertBlock());
  auto *done = BasicBlock::Create(context, "done", f);
  b.CreateCondBr(b.CreateICmpULT(next, f->getArg(3)), loop, done);
  b.SetInsertPoint(done);
  b.CreateRetVoid();
  tcodegen::EmitOptions options;
  options.kernel = "kernel";
  auto s = tcodegen::optimize(m, cpu, "kernel", options);
  if (!s.ok()) std::fprintf(stderr, "%s\n", s.message.c_str()), std::abort();
  if (text) *text = tcodegen::emit_asm(m, cpu, options).value;
  auto object = tcodegen::emit_object(m, cpu, options);
  if (!object.ok()) std::fprintf(stderr, "%s\n", object.status.message.c_str()), std::abort();
  auto image = tcodegen::link_image(object.value, "kernel");
  if (!image.ok()) std::fprintf(stderr, "%s\n", image.status.message.c_str()), std::abort();
  if (image_bytes) {
    *image_bytes = 0;
    for (const auto &g : image.value.segments) *image_bytes += g.bytes.size();
  }
  return std::make_unique<Loaded>(image.value);
}

using Kernel = void (*)(const void *x, const void *y, void *out, uint64_t n);
inline Kernel kernel(const Loaded &l) { return reinterpret_cast<Kernel>(l.entry); }

} // namespace jit
