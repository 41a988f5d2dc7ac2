// SPDX-License-Identifier: MIT
// Hand-written GPU LLVM IR through emitEmuImage and the driver's back end emu, by its public C ABI.
#include "common/tko.hh"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"
#include "target/emu/emu.hh"
#include "tdriver/kernel.h"
#include "tdriver/launch.h"
#include "tdriver/stream.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace tko = tessera::tko;

namespace {

struct Launch {
  uint32_t threads = 32, shared = 0, grid = 1;
  std::vector<void *> pointers; // the kernel's arguments
};

/// "" or why it failed.
std::string run(const std::string &text, const Launch &l) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  auto module = llvm::parseAssemblyString(text, diagnostic, context);
  if (!module) return "parse: " + diagnostic.getMessage().str() + " in " + diagnostic.getLineContents().str();
  tko::Object o;
  o.entry = "k";
  o.target = "emu:90a";
  for (size_t i = 0; i < l.pointers.size(); ++i) {
    tko::Argument a;
    a.kind = tko::Kind::ptr;
    a.element = tko::Kind::i32;
    o.arguments.push_back(a);
  }
  if (auto s = tko::lay_out_params(&o); !s.ok()) return s.message;
  o.launch.threads = l.threads;
  o.launch.shared_bytes = l.shared;
  if (auto s = tcodegen::emitEmuImage(*module, "k", o); !s.ok()) return s.message;
  auto bytes = tko::write(o);
  if (!bytes.ok()) return bytes.status.message;
  tdriver_driver *driver;
  tdriver_device *device;
  tdriver_kernel *kernel;
  if (tdriver_create(nullptr, &driver)) return tdriver_last_message();
  std::string why;
  if (tdriver_device_open(driver, "emu", &device)) return tdriver_last_message();
  if (tdriver_kernel_load(device, bytes.value.data(), bytes.value.size(), &kernel)) why = tdriver_last_message();
  else {
    std::vector<const void *> args;
    for (void *const &p : l.pointers) args.push_back(&p);
    uint32_t grid[3] = {l.grid, 1, 1};
    if (tdriver_launch(kernel, nullptr, grid, args.data(), uint32_t(args.size()))) why = tdriver_last_message();
    else if (tdriver_device_synchronize(device)) why = tdriver_last_message();
    tdriver_kernel_unload(kernel);
  }
  tdriver_device_close(device);
  tdriver_destroy(driver);
  return why;
}

const char *const head = R"(
declare i32 @tessera.tid()
declare i32 @tessera.program.x()
declare ptr addrspace(3) @tessera.smem()
declare void @tessera.barrier()
declare void @tessera.warp.sync()
declare void @tessera.fence.async()
declare i32 @tessera.shfl.bfly.i32(i32, i32)
declare i32 @tessera.shfl.up.i32(i32, i32)
declare i32 @tessera.ballot(i1)
)";

/// Every kernel has out = %o, %t = tid, %s = shared memory, %st = the thread's word there, %ot = its word of the output.
std::string kernel(const std::string &body, const std::string &more = "", const std::string &params = "ptr addrspace(1) %o") {
  return head + more + "define void @k(" + params + R"() {
  %t = call i32 @tessera.tid()
  %s = call ptr addrspace(3) @tessera.smem()
  %st = getelementptr i32, ptr addrspace(3) %s, i32 %t
  %ot = getelementptr i32, ptr addrspace(1) %o, i32 %t
)" + body + "\n  ret void\n}\n";
}

TEST(Emu, ThreadsProgramsShuffles) {
  std::vector<uint32_t> out(128 * 3);
  std::string k = kernel(R"(
  %p = call i32 @tessera.program.x()
  %x = call i32 @tessera.shfl.bfly.i32(i32 %t, i32 5)
  %u = call i32 @tessera.shfl.up.i32(i32 %x, i32 3)
  %odd = trunc i32 %t to i1
  %b = call i32 @tessera.ballot(i1 %odd)
  %m = mul i32 %p, 128
  %i = add i32 %m, %t
  %a = getelementptr i32, ptr addrspace(1) %o, i32 %i
  %z = add i32 %u, %b
  %v = insertelement <1 x i32> poison, i32 %z, i32 0
  call void @tessera.st.global.v1.b32(ptr addrspace(1) %a, <1 x i32> %v, i1 true))",
                         "declare void @tessera.st.global.v1.b32(ptr addrspace(1), <1 x i32>, i1)\n");
  ASSERT_EQ(run(k, {.threads = 128, .grid = 3, .pointers = {out.data()}}), "");
  for (uint32_t i = 0; i < out.size(); ++i) {
    uint32_t t = i % 128, lane = t % 32, from = lane < 3 ? lane : lane - 3;
    ASSERT_EQ(out[i], ((t & ~31u) | (from ^ 5)) + 0xaaaaaaaau) << i;
  }
}

const char *const reverse_start = R"(
  store i32 %t, ptr addrspace(3) %st
)";
const char *const reverse_end = R"(
  %r = sub i32 127, %t
  %sr = getelementptr i32, ptr addrspace(3) %s, i32 %r
  %v = load i32, ptr addrspace(3) %sr
  store i32 %v, ptr addrspace(1) %ot)";

TEST(Emu, SharedMemory) {
  std::vector<uint32_t> out(128);
  Launch l = {.threads = 128, .shared = 512, .pointers = {out.data()}};
  ASSERT_EQ(run(kernel(std::string(reverse_start) + "call void @tessera.barrier()" + reverse_end), l), "");
  for (uint32_t i = 0; i < 128; ++i) ASSERT_EQ(out[i], 127 - i);
  std::string why = run(kernel(std::string(reverse_start) + reverse_end), l);
  EXPECT_NE(why.find("shared memory race"), std::string::npos) << why;
  EXPECT_NE(why.find("kernel k, program (0, 0, 0)"), std::string::npos) << why;
  why = run(kernel(std::string(reverse_start) + "call void @tessera.warp.sync()" + reverse_end), l);
  EXPECT_NE(why.find("shared memory race"), std::string::npos) << why;
  l.shared = 508;
  why = run(kernel(reverse_start), l);
  EXPECT_NE(why.find("shared memory byte 508, outside the 508 bytes"), std::string::npos) << why;
  // Equal data from several threads is no race, other data is.
  l.shared = 4;
  ASSERT_EQ(run(kernel("store i32 7, ptr addrspace(3) %s"), l), "");
  why = run(kernel("store i32 %t, ptr addrspace(3) %s"), l);
  EXPECT_NE(why.find("wrote other data"), std::string::npos) << why;
}

TEST(Emu, WarpSyncOrdersTheWarp) {
  std::vector<uint32_t> out(32);
  std::string body = std::string(reverse_start) + "call void @tessera.warp.sync()" + reverse_end;
  size_t at = body.find("127");
  body.replace(at, 3, "31");
  ASSERT_EQ(run(kernel(body), {.threads = 32, .shared = 128, .pointers = {out.data()}}), "");
  for (uint32_t i = 0; i < 32; ++i) ASSERT_EQ(out[i], 31 - i);
}

TEST(Emu, Divergence) {
  std::vector<uint32_t> out(64);
  Launch l = {.threads = 64, .pointers = {out.data()}};
  std::string why = run(kernel(R"(
  %c = icmp eq i32 %t, 37
  br i1 %c, label %end, label %go
go:
  call i32 @tessera.shfl.bfly.i32(i32 %t, i32 1)
  br label %end
end:)"),
                        l);
  EXPECT_NE(why.find("divergent collective: 31 of 32 lanes of warp 1 wait in tessera.shfl.bfly.i32, but lane 5 has ended"),
            std::string::npos)
      << why;
  why = run(kernel(R"(
  %c = icmp ult i32 %t, 32
  br i1 %c, label %end, label %go
go:
  call void @tessera.barrier()
  br label %end
end:)"),
            l);
  EXPECT_NE(why.find("32 of 64 threads came to tessera.barrier"), std::string::npos) << why;
}

TEST(Emu, RefusesUnknown) {
  std::vector<uint32_t> out(32);
  std::string why = run(kernel("call void @tessera.nosuch.thing()", "declare void @tessera.nosuch.thing()\n"),
                        {.pointers = {out.data()}});
  EXPECT_NE(why.find("not implemented: the emulator has no primitive 'tessera.nosuch.thing'"), std::string::npos) << why;
  why = run(kernel("store i32 1, ptr addrspace(1) null"), {.pointers = {out.data()}});
  EXPECT_NE(why.find("no memory"), std::string::npos) << why;
}

TEST(Emu, AtomicsAndLocksBetweenPrograms) {
  std::vector<uint32_t> out(32, 0), lock(2, 0);
  std::string k = kernel(R"(
  %zero = icmp eq i32 %t, 0
  call i32 @tessera.atom.global.add.i32.relaxed.gpu(ptr addrspace(1) %ot, i32 3, i1 true)
  br i1 %zero, label %try, label %end
try:
  %old = call i32 @tessera.atom.global.cas.i32.acquire.gpu(ptr addrspace(1) %l, i32 0, i32 1, i1 true)
  %got = icmp eq i32 %old, 0
  br i1 %got, label %have, label %try
have:
  %c = getelementptr i32, ptr addrspace(1) %l, i32 1
  %n = load i32, ptr addrspace(1) %c
  %n1 = add i32 %n, 1
  store i32 %n1, ptr addrspace(1) %c
  call i32 @tessera.atom.global.exch.i32.release.gpu(ptr addrspace(1) %l, i32 0, i1 true)
  br label %end
end:)",
                         "declare i32 @tessera.atom.global.add.i32.relaxed.gpu(ptr addrspace(1), i32, i1)\n"
                         "declare i32 @tessera.atom.global.exch.i32.release.gpu(ptr addrspace(1), i32, i1)\n"
                         "declare i32 @tessera.atom.global.cas.i32.acquire.gpu(ptr addrspace(1), i32, i32, i1)\n",
                         "ptr addrspace(1) %o, ptr addrspace(1) %l");
  ASSERT_EQ(run(k, {.grid = 50, .pointers = {out.data(), lock.data()}}), "");
  for (uint32_t v : out) EXPECT_EQ(v, 150u);
  EXPECT_EQ(lock[1], 50u);
}

TEST(Emu, AsynchronousCopies) {
  std::vector<uint32_t> in(128), out(128);
  for (uint32_t i = 0; i < 128; ++i) in[i] = i * i;
  std::string more = "declare void @tessera.cp.async.ca.4(ptr addrspace(3), ptr addrspace(1), i1)\n"
                     "declare void @tessera.cp.async.commit()\ndeclare void @tessera.cp.async.wait.0()\n";
  std::string params = "ptr addrspace(1) %o, ptr addrspace(1) %i", start = R"(
  %it = getelementptr i32, ptr addrspace(1) %i, i32 %t
  %p = icmp ult i32 %t, 100
  call void @tessera.cp.async.ca.4(ptr addrspace(3) %st, ptr addrspace(1) %it, i1 %p)
  call void @tessera.cp.async.commit()
)";
  Launch l = {.threads = 128, .shared = 512, .pointers = {out.data(), in.data()}};
  ASSERT_EQ(run(kernel(start + "call void @tessera.cp.async.wait.0()\n call void @tessera.barrier()" + reverse_end, more, params), l), "");
  for (uint32_t i = 0; i < 128; ++i) ASSERT_EQ(out[i], 127 - i < 100 ? in[127 - i] : 0);
  std::string why = run(kernel(start + "call void @tessera.barrier()" + reverse_end, more, params), l);
  EXPECT_NE(why.find("still copies"), std::string::npos) << why;
  why = run(kernel(start + "call void @tessera.cp.async.wait.0()" + reverse_end, more, params), l);
  EXPECT_NE(why.find("race"), std::string::npos) << why;
}

/// The kernel reads `in` words of each lane one behind the other, and writes `out` words.
std::string fragments(const std::string &call, unsigned in, unsigned out, const std::string &declaration, bool floats) {
  std::string body;
  auto n = [](unsigned i) { return std::to_string(i); };
  body += "  %bi = mul i32 %t, " + n(in) + "\n  %bo = mul i32 %t, " + n(out) + "\n";
  for (unsigned i = 0; i < in; ++i)
    body += "  %i" + n(i) + " = add i32 %bi, " + n(i) + "\n  %pi" + n(i) + " = getelementptr i32, ptr addrspace(1) %a, i32 %i" +
            n(i) + "\n  %r" + n(i) + " = load i32, ptr addrspace(1) %pi" + n(i) + "\n  %f" + n(i) + " = bitcast i32 %r" + n(i) + " to float\n";
  body += "  %d = " + call + "\n";
  for (unsigned i = 0; i < out; ++i) {
    std::string type = floats ? "float" : "i32", all;
    for (unsigned j = 0; j < out; ++j) all += (j ? ", " : "") + type;
    body += "  %e" + n(i) + " = extractvalue {" + all + "} %d, " + n(i) + "\n  %o" + n(i) + " = add i32 %bo, " + n(i) +
            "\n  %po" + n(i) + " = getelementptr i32, ptr addrspace(1) %o, i32 %o" + n(i) + "\n  store " + type + " %e" + n(i) +
            ", ptr addrspace(1) %po" + n(i) + "\n";
  }
  return kernel(body, declaration, "ptr addrspace(1) %o, ptr addrspace(1) %a");
}

uint16_t half(float f) { // exact for small integers
  if (f == 0) return 0;
  int e;
  float m = std::frexp(std::fabs(f), &e);
  return uint16_t((f < 0 ? 0x8000 : 0) | (e + 14) << 10 | (unsigned(m * 2048) & 0x3ff));
}

TEST(Emu, MmaF16) {
  // Fragments as the PTX ISA lists them for m16n8k16.
  float a[16][16], b[16][8];
  for (int i = 0; i < 256; ++i) a[i / 16][i % 16] = float((i * 7 + i / 16) % 13 - 6);
  for (int i = 0; i < 128; ++i) b[i / 8][i % 8] = float((i * 5 + i / 8) % 11 - 5);
  std::vector<uint32_t> in(32 * 10), out(32 * 4);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    uint32_t g = lane >> 2, q = lane & 3;
    for (uint32_t i = 0; i < 8; ++i) {
      uint32_t row = i < 2 || (i >= 4 && i < 6) ? g : g + 8, column = i < 4 ? q * 2 + (i & 1) : q * 2 + (i & 1) + 8;
      in[lane * 10 + i / 2] |= uint32_t(half(a[row][column])) << 16 * (i & 1);
    }
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t row = i < 2 ? q * 2 + (i & 1) : q * 2 + (i & 1) + 8;
      in[lane * 10 + 4 + i / 2] |= uint32_t(half(b[row][g])) << 16 * (i & 1);
    }
    for (uint32_t i = 0; i < 4; ++i) in[lane * 10 + 6 + i] = __builtin_bit_cast(uint32_t, float(lane + i));
  }
  std::string name = "@tessera.mma.m16n8k16.f32.f16.f16.f32";
  std::string k = fragments("call {float, float, float, float} " + name +
                                "(i32 %r0, i32 %r1, i32 %r2, i32 %r3, i32 %r4, i32 %r5, float %f6, float %f7, float %f8, float %f9)",
                            10, 4, "declare {float, float, float, float} " + name +
                                       "(i32, i32, i32, i32, i32, i32, float, float, float, float)\n", true);
  ASSERT_EQ(run(k, {.pointers = {out.data(), in.data()}}), "");
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t row = i < 2 ? lane >> 2 : (lane >> 2) + 8, column = (lane & 3) * 2 + (i & 1);
      float want = float(lane + i);
      for (int l = 0; l < 16; ++l) want += a[row][l] * b[l][column];
      ASSERT_EQ(__builtin_bit_cast(float, out[lane * 4 + i]), want) << lane << " " << i;
    }
}

TEST(Emu, MmaS8) {
  int8_t a[16][32], b[32][8];
  for (int i = 0; i < 512; ++i) a[i / 32][i % 32] = int8_t(i * 37);
  for (int i = 0; i < 256; ++i) b[i / 8][i % 8] = int8_t(i * 91 + 5);
  std::vector<uint32_t> in(32 * 10), out(32 * 4);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    uint32_t g = lane >> 2, q = lane & 3;
    for (uint32_t i = 0; i < 16; ++i) {
      uint32_t row = (i / 4) % 2 ? g + 8 : g, column = q * 4 + (i & 3) + (i < 8 ? 0 : 16);
      in[lane * 10 + i / 4] |= uint32_t(uint8_t(a[row][column])) << 8 * (i & 3);
    }
    for (uint32_t i = 0; i < 8; ++i)
      in[lane * 10 + 4 + i / 4] |= uint32_t(uint8_t(b[q * 4 + (i & 3) + (i < 4 ? 0 : 16)][g])) << 8 * (i & 3);
  }
  std::string name = "@tessera.mma.m16n8k32.s32.s8.s8.s32", regs, types;
  for (int i = 0; i < 10; ++i) regs += (i ? ", i32 %r" : "i32 %r") + std::to_string(i), types += i ? ", i32" : "i32";
  std::string k = fragments("call {i32, i32, i32, i32} " + name + "(" + regs + ")", 10, 4,
                            "declare {i32, i32, i32, i32} " + name + "(" + types + ")\n", false);
  ASSERT_EQ(run(k, {.pointers = {out.data(), in.data()}}), "");
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t row = i < 2 ? lane >> 2 : (lane >> 2) + 8, column = (lane & 3) * 2 + (i & 1);
      int want = 0;
      for (int l = 0; l < 32; ++l) want += a[row][l] * b[l][column];
      ASSERT_EQ(int(out[lane * 4 + i]), want);
    }
}

TEST(Emu, LdmatrixTransposes) {
  std::vector<uint32_t> out(32);
  // Element e of row r of an 8x8 matrix is 8r + e; lane l gets column l/4, rows 2(l%4) and +1.
  std::string k = kernel(R"(
  %e = mul i32 %t, 2
  %e1 = add i32 %e, 1
  %h = shl i32 %e1, 16
  %w = or i32 %h, %e
  store i32 %w, ptr addrspace(3) %st
  call void @tessera.barrier()
  %r = and i32 %t, 7
  %row = mul i32 %r, 16
  %p = getelementptr i8, ptr addrspace(3) %s, i32 %row
  %v = call i32 @tessera.ldmatrix.x1.trans(ptr addrspace(3) %p)
  store i32 %v, ptr addrspace(1) %ot)",
                         "declare i32 @tessera.ldmatrix.x1.trans(ptr addrspace(3))\n");
  ASSERT_EQ(run(k, {.shared = 128, .pointers = {out.data()}}), "");
  for (uint32_t l = 0; l < 32; ++l) {
    uint32_t first = 8 * (2 * (l % 4)) + l / 4;
    ASSERT_EQ(out[l], first | (first + 8) << 16);
  }
}

/// One wgmma m64n8k16 with both operands in shared memory under the 128-byte swizzle.
std::string wgmma_kernel(const char *fence) {
  return kernel(std::string(R"(
  br label %copy
copy: ; 8 KiB of A and 1 KiB of B, as the host laid them out
  %i = phi i32 [ %t, %0 ], [ %i1, %copy ]
  %ip = getelementptr i32, ptr addrspace(1) %a, i32 %i
  %w = load i32, ptr addrspace(1) %ip
  %sp = getelementptr i32, ptr addrspace(3) %s, i32 %i
  store i32 %w, ptr addrspace(3) %sp
  %i1 = add i32 %i, 128
  %more = icmp ult i32 %i1, 2304
  br i1 %more, label %copy, label %go
go:
  )") + fence + R"(
  call void @tessera.barrier()
  %base = ptrtoint ptr addrspace(3) %s to i64
  %low = and i64 %base, 262143
  %start = lshr i64 %low, 4
  %da = or i64 %start, 4611686293305294848 ; swizzle 128, stride 1024
  %db = add i64 %da, 512
  call void @tessera.wgmma.fence()
  %d = call {float, float, float, float} @tessera.wgmma.m64n8k16.f32.f16.f16.ss(float 1.0, float 1.0, float 1.0, float 1.0, i64 %da, i64 %db, i1 true)
  call void @tessera.wgmma.commit()
  call void @tessera.wgmma.wait.0()
  %e0 = extractvalue {float, float, float, float} %d, 0
  %e1 = extractvalue {float, float, float, float} %d, 1
  %e2 = extractvalue {float, float, float, float} %d, 2
  %e3 = extractvalue {float, float, float, float} %d, 3
  %q = getelementptr {float, float, float, float}, ptr addrspace(1) %o, i32 %t
  %q1 = getelementptr float, ptr addrspace(1) %q, i32 1
  %q2 = getelementptr float, ptr addrspace(1) %q, i32 2
  %q3 = getelementptr float, ptr addrspace(1) %q, i32 3
  store float %e0, ptr addrspace(1) %q
  store float %e1, ptr addrspace(1) %q1
  store float %e2, ptr addrspace(1) %q2
  store float %e3, ptr addrspace(1) %q3)",
                "declare void @tessera.wgmma.fence()\ndeclare void @tessera.wgmma.commit()\ndeclare void @tessera.wgmma.wait.0()\n"
                "declare {float, float, float, float} @tessera.wgmma.m64n8k16.f32.f16.f16.ss(float, float, float, float, i64, i64, i1)\n",
                "ptr addrspace(1) %o, ptr addrspace(1) %a");
}

TEST(Emu, Wgmma) {
  float a[64][16], b[8][16];
  std::vector<uint16_t> image(9216 / 2);
  auto put = [&](uint32_t base, uint32_t row, uint32_t k, float v) {
    uint32_t at = row / 8 * 1024 + row % 8 * 128 + (((k * 2 / 16) ^ (row % 8)) * 16) + k * 2 % 16;
    image[(base + at) / 2] = half(v);
  };
  for (uint32_t i = 0; i < 64; ++i)
    for (uint32_t k = 0; k < 16; ++k) put(0, i, k, a[i][k] = float(int(i * 3 + k * 5) % 9 - 4));
  for (uint32_t j = 0; j < 8; ++j)
    for (uint32_t k = 0; k < 16; ++k) put(8192, j, k, b[j][k] = float(int(j * 7 + k) % 7 - 3));
  std::vector<float> out(128 * 4);
  Launch l = {.threads = 128, .shared = 9216, .pointers = {out.data(), image.data()}};
  ASSERT_EQ(run(wgmma_kernel("call void @tessera.fence.async()"), l), "");
  for (uint32_t t = 0; t < 128; ++t)
    for (uint32_t e = 0; e < 4; ++e) {
      uint32_t row = t / 32 * 16 + t % 32 / 4 + (e < 2 ? 0 : 8), column = t % 4 * 2 + e % 2;
      float want = 1;
      for (int k = 0; k < 16; ++k) want += a[row][k] * b[column][k];
      ASSERT_EQ(out[t * 4 + e], want) << t << " " << e;
    }
  std::string why = run(wgmma_kernel(""), l);
  EXPECT_NE(why.find("without a fence.async"), std::string::npos) << why;
}

TEST(Emu, Mbarriers) {
  // Warp 1 hands a word to warp 0 through an mbarrier, without a barrier of all.
  std::vector<uint32_t> out(64);
  std::string k = kernel(R"(
  %first = icmp eq i32 %t, 0
  br i1 %first, label %init, label %met
init:
  call void @tessera.mbarrier.init(ptr addrspace(3) %s, i32 32)
  br label %met
met:
  call void @tessera.barrier()
  %producer = icmp uge i32 %t, 32
  %data = getelementptr i8, ptr addrspace(3) %st, i32 128
  br i1 %producer, label %make, label %take
make:
  store i32 %t, ptr addrspace(3) %data
  call void @tessera.mbarrier.arrive(ptr addrspace(3) %s, i1 true)
  br label %end
take:
  call void @tessera.mbarrier.wait.parity(ptr addrspace(3) %s, i32 0)
  %other = getelementptr i8, ptr addrspace(3) %data, i32 128
  %v = load i32, ptr addrspace(3) %other
  store i32 %v, ptr addrspace(1) %ot
  br label %end
end:)",
                         "declare void @tessera.mbarrier.init(ptr addrspace(3), i32)\n"
                         "declare void @tessera.mbarrier.arrive(ptr addrspace(3), i1)\n"
                         "declare void @tessera.mbarrier.wait.parity(ptr addrspace(3), i32)\n");
  Launch l = {.threads = 64, .shared = 512, .pointers = {out.data()}};
  ASSERT_EQ(run(k, l), "");
  for (uint32_t i = 0; i < 32; ++i) ASSERT_EQ(out[i], i + 32);
  size_t at = k.find("i32 32)\n  br label %met");
  k.replace(at + 4, 2, "33");
  std::string why = run(k, l);
  EXPECT_NE(why.find("which nobody completes (1 arrivals"), std::string::npos) << why;
}

TEST(Emu, MathAndConversions) {
  std::vector<float> out(32 * 4);
  std::string k = kernel(R"(
  %x = uitofp i32 %t to float
  %e = call float @tessera.math.exp2.f32(float %x)
  %r = call float @tessera.math.rsqrt.f32(float %e)
  %h = fptrunc float %x to bfloat
  %h2 = fadd bfloat %h, 0xR4380
  %hf = fpext bfloat %h2 to float
  %p = call i16 @tessera.cvt.f32x2.e4m3x2(float %x, float 2.0)
  %pi = zext i16 %p to i32
  %q = getelementptr {float, float, float, i32}, ptr addrspace(1) %o, i32 %t
  %q1 = getelementptr float, ptr addrspace(1) %q, i32 1
  %q2 = getelementptr float, ptr addrspace(1) %q, i32 2
  %q3 = getelementptr float, ptr addrspace(1) %q, i32 3
  store float %e, ptr addrspace(1) %q
  store float %r, ptr addrspace(1) %q1
  store float %hf, ptr addrspace(1) %q2
  store i32 %pi, ptr addrspace(1) %q3)",
                         "declare float @tessera.math.exp2.f32(float)\ndeclare float @tessera.math.rsqrt.f32(float)\n"
                         "declare i16 @tessera.cvt.f32x2.e4m3x2(float, float)\n");
  ASSERT_EQ(run(k, {.pointers = {out.data()}}), "");
  for (int t = 0; t < 32; ++t) {
    EXPECT_EQ(out[size_t(t) * 4], std::ldexp(1.0f, t));
    EXPECT_FLOAT_EQ(out[size_t(t) * 4 + 1], float(1 / std::sqrt(std::ldexp(1.0, t))));
    EXPECT_EQ(out[size_t(t) * 4 + 2], t % 2 == 0 || t % 4 == 1 ? 256.0f + float(t / 2 * 2) : 256.0f + float(t + 1)) << t;
    uint32_t pair = __builtin_bit_cast(uint32_t, out[size_t(t) * 4 + 3]);
    EXPECT_EQ(pair >> 8, 0x40u); // 2.0 in e4m3, the second in the high byte
    EXPECT_EQ(t == 1 ? pair & 0xff : 0x38u, 0x38u);
  }
}

} // namespace
