// SPDX-License-Identifier: MIT
// Shared memory of GPU kernels: where buffers are placed, where barriers are put, and that the independent check
// finds what is missing. Given .ttgir files as arguments, all of them go through the three passes.
#include "gpu/passes/allocate.hh"
#include "gpu/passes/barriers.hh"
#include "gpu/passes/hazards.hh"
#include "text/text.hh"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <string>

using namespace tir;
using namespace tcodegen::gpu;

namespace {

std::vector<std::string> files;

/// Scratch memory as lowering might want it, or as much as an attribute of the test says.
unsigned scratchOf(const Op *op) {
  if (Attr a = op->attr("test.scratch")) return unsigned(a->ival);
  if (op->name() == "ttg.convert_layout" && op->operand(0)->type->enc != op->result()->type->enc)
    return unsigned(op->operand(0)->type->count() * 4);
  return op->name() == "tt.reduce" || op->name() == "tt.scan" ? 512 : 0;
}

struct Kernel {
  Context ctx;
  std::string messages;
  std::unique_ptr<Module> m;
  Op *op = nullptr;
  explicit Kernel(std::string_view text, std::string_view name = "test.ttgir") {
    ctx.setSink([](void *user, Severity, const char *t, size_t n) {
      static_cast<Kernel *>(user)->messages.append(t, n).append("\n");
    }, this);
    m = parseText(ctx, text, name);
    EXPECT_TRUE(m) << messages;
    if (m) op = m->kernel("").value;
  }
  tessera::Status allocate(unsigned *bytes = nullptr, uint64_t limit = 227 << 10) {
    return allocateShared(*m, op, scratchOf, limit, "sm_90", bytes);
  }
  BarrierCounts barriers() {
    BarrierCounts n;
    EXPECT_TRUE(placeBarriers(*m, op, scratchOf, &n).ok());
    return n;
  }
  std::vector<Hazard> hazards() { return findHazards(op, scratchOf); }
  /// Names of the operations that matter for shared memory, in order, without their dialects.
  std::string order() {
    std::string out;
    op->walk([&](Op *o) {
      SharedKind k = sharedKind(o);
      bool loop = o->is(Opcode::scf_for) || o->is(Opcode::scf_yield);
      if (!loop && (k == SharedKind::None || k == SharedKind::View || k == SharedKind::Commit)) return;
      std::string_view n = o->name();
      out += (out.empty() ? "" : " ") + std::string(n.substr(n.find('.') + 1));
    });
    return out;
  }
  std::vector<Op *> all(std::string_view name) {
    std::vector<Op *> out;
    op->walk([&](Op *o) {
      if (o->name() == name) out.push_back(o);
    });
    return out;
  }
};

std::string kernel(std::string_view body) {
  return R"(#b = #ttg.blocked<{sizePerThread = [1, 4], threadsPerWarp = [4, 8], warpsPerCTA = [4, 1], order = [1, 0]}>
#c = #ttg.blocked<{sizePerThread = [4, 1], threadsPerWarp = [8, 4], warpsPerCTA = [1, 4], order = [0, 1]}>
#mma = #ttg.nvidia_mma<{versionMajor = 3, versionMinor = 0, warpsPerCTA = [4, 1], instrShape = [16, 64, 16]}>
#s = #ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [1, 0]}>
#n = #ttg.nvmma_shared<{swizzlingByteWidth = 128, transposed = false, elementBitWidth = 16}>
#smem = #ttg.shared_memory
module attributes {"ttg.num-ctas" = 1 : i32, "ttg.num-warps" = 4 : i32, ttg.target = "cuda:90", "ttg.threads-per-warp" = 32 : i32} {
  tt.func public @k(%p: tensor<32x32x!tt.ptr<f32>, #b>, %x: tensor<32x32xf32, #b>, %n: i32, %c: i1) {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %c2 = arith.constant 2 : i32
    %c3 = arith.constant 3 : i32
    %cm1 = arith.constant -1 : i32
)" + std::string(body) + "\n    tt.return\n  }\n}\n";
}

#define BUF "!ttg.memdesc<32x32xf32, #s, #smem, mutable>"
#define LOAD(name, buf) "    %" name " = ttg.local_load %" buf " : " BUF " -> tensor<32x32xf32, #b>\n"
#define STORE(buf) "    ttg.local_store %x, %" buf " : tensor<32x32xf32, #b> -> " BUF "\n"
#define ALLOC(name) "    %" name " = ttg.local_alloc : () -> " BUF "\n"

int64_t offset(Op *op) { return op->intAttr("allocation.offset", -1); }

TEST(Pack, random_intervals) {
  uint64_t state = 88172645463325252ull;
  auto random = [&](uint64_t n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % n;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<PackItem> items(1 + random(24));
    uint64_t sum = 0;
    for (PackItem &i : items) {
      i.live.first = uint32_t(random(50));
      i.live.last = i.live.first + uint32_t(random(12));
      i.bytes = 1 + random(5000);
      i.align = 8u << random(8);
      sum += i.bytes + i.align;
    }
    uint64_t total = packIntervals(items), peak = 0;
    for (unsigned t = 0; t < 64; ++t) {
      uint64_t now = 0;
      for (PackItem &i : items) now += i.live.first <= t && t <= i.live.last ? i.bytes : 0;
      peak = std::max(peak, now);
    }
    EXPECT_LE(total, sum);
    EXPECT_GE(total, peak);
    for (PackItem &i : items) {
      EXPECT_EQ(i.offset % i.align, 0u);
      EXPECT_LE(i.offset + i.bytes, total);
      for (PackItem &j : items) {
        if (&i == &j || !i.live.meets(j.live)) continue;
        EXPECT_TRUE(i.offset + i.bytes <= j.offset || j.offset + j.bytes <= i.offset);
      }
    }
  }
}

TEST(Allocate, one_after_the_other_share) {
  Kernel k(kernel(ALLOC("a") STORE("a") LOAD("v", "a") ALLOC("b") STORE("b") LOAD("w", "b")));
  unsigned bytes = 0;
  ASSERT_TRUE(k.allocate(&bytes).ok());
  EXPECT_EQ(bytes, 4096u);
  EXPECT_EQ(k.m->op->intAttr("ttg.shared"), 4096);
}

TEST(Allocate, used_in_a_later_iteration_stays) {
  Kernel k(kernel(ALLOC("a") STORE("a") R"(    scf.for %i = %c0 to %n step %c1  : i32 {
)" LOAD("v", "a") ALLOC("b") STORE("b") LOAD("w", "b") "    }"));
  unsigned bytes = 0;
  ASSERT_TRUE(k.allocate(&bytes).ok());
  EXPECT_EQ(bytes, 8192u);
}

TEST(Allocate, carried_and_chosen) {
  Kernel k(kernel(ALLOC("a") ALLOC("b") R"(    %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%u = %a, %w = %b) -> ()" BUF ", " BUF R"()  : i32 {
)" STORE("u") LOAD("v", "w") "      scf.yield %w, %u : " BUF ", " BUF "\n    }\n" ALLOC("d") STORE("d") LOAD("y", "d")
      "    %z = ttg.local_load %r#0 : " BUF " -> tensor<32x32xf32, #b>\n"));
  unsigned bytes = 0;
  ASSERT_TRUE(k.allocate(&bytes).ok());
  EXPECT_EQ(bytes, 3 * 4096u);
}

TEST(Allocate, scratch_only_at_the_operation) {
  Kernel k(kernel(ALLOC("a") STORE("a") LOAD("v", "a") R"(
    %y = ttg.convert_layout %x : tensor<32x32xf32, #b> -> tensor<32x32xf32, #c>
    %z = ttg.convert_layout %y : tensor<32x32xf32, #c> -> tensor<32x32xf32, #b>)"));
  unsigned bytes = 0;
  ASSERT_TRUE(k.allocate(&bytes).ok());
  EXPECT_EQ(bytes, 4096u);
  EXPECT_EQ(offset(k.all("ttg.convert_layout")[0]), 0);
  EXPECT_EQ(offset(k.all("ttg.convert_layout")[1]), 0);
}

TEST(Allocate, swizzle_asks_for_alignment) {
  Kernel k(kernel(R"(    %a = ttg.local_alloc : () -> !ttg.memdesc<3x4xf32, #s, #smem, mutable>
    %b = ttg.local_alloc : () -> !ttg.memdesc<64x64xf16, #n, #smem, mutable>
    ttg.local_dealloc %b : !ttg.memdesc<64x64xf16, #n, #smem, mutable>
    ttg.local_dealloc %a : !ttg.memdesc<3x4xf32, #s, #smem, mutable>)"));
  if (!k.m) return;
  ASSERT_TRUE(k.allocate().ok());
  EXPECT_EQ(offset(k.all("ttg.local_alloc")[1]) % 1024, 0);
}

TEST(Allocate, too_much_is_named_with_numbers) {
  Kernel k(kernel(R"(    %a = ttg.local_alloc : () -> !ttg.memdesc<4x32x32xf32, #s, #smem, mutable> loc("k.py":12:4)
    ttg.local_dealloc %a : !ttg.memdesc<4x32x32xf32, #s, #smem, mutable>)"));
  tessera::Status s = k.allocate(nullptr, 10000);
  EXPECT_EQ(s.code, tessera::Code::LIMIT);
  for (const char *part : {"k.py:12:4", "needs 16384 bytes", "10000", "ttg.local_alloc"})
    EXPECT_NE(s.message.find(part), std::string::npos) << s.message;
}

TEST(Barriers, read_after_write_and_back) {
  Kernel k(kernel(ALLOC("a") STORE("a") LOAD("v", "a") LOAD("u", "a") STORE("a")));
  ASSERT_TRUE(k.allocate().ok());
  EXPECT_FALSE(k.hazards().empty());
  k.barriers();
  EXPECT_EQ(k.order(), "local_alloc local_store barrier local_load local_load barrier local_store");
  EXPECT_TRUE(k.hazards().empty());
}

TEST(Barriers, reused_bytes) {
  Kernel k(kernel(ALLOC("a") STORE("a") LOAD("v", "a") ALLOC("b") STORE("b") LOAD("w", "b")));
  ASSERT_TRUE(k.allocate().ok());
  k.barriers();
  EXPECT_EQ(k.order(), "local_alloc local_store barrier local_load local_alloc barrier local_store barrier local_load");
  EXPECT_TRUE(k.hazards().empty());
}

TEST(Barriers, loop_and_branch) {
  Kernel k(kernel(ALLOC("a") STORE("a") R"(    scf.for %i = %c0 to %n step %c1  : i32 {
      scf.if %c {
)" LOAD("v", "a") "      } else {\n" STORE("a") "      }\n    }"));
  ASSERT_TRUE(k.allocate().ok());
  BarrierCounts n = k.barriers();
  EXPECT_EQ(n.barriers, 2u);
  EXPECT_TRUE(k.hazards().empty());
}

TEST(Barriers, scratch_in_a_loop) {
  Kernel k(kernel(R"(    scf.for %i = %c0 to %n step %c1  : i32 {
      %y = ttg.convert_layout %x : tensor<32x32xf32, #b> -> tensor<32x32xf32, #c>
    })"));
  ASSERT_TRUE(k.allocate().ok());
  EXPECT_EQ(k.hazards().size(), 1u);
  EXPECT_EQ(k.barriers().barriers, 1u);
  EXPECT_TRUE(k.hazards().empty());
}

TEST(Barriers, branches_between_blocks) {
  Kernel k(kernel(ALLOC("a") STORE("a") R"(    cf.cond_br %c, ^bb1, ^bb2
  ^bb1:
)" LOAD("v", "a") "    cf.br ^bb2\n  ^bb2:\n" STORE("a")));
  ASSERT_TRUE(k.allocate().ok());
  k.barriers();
  EXPECT_TRUE(k.hazards().empty());
  EXPECT_EQ(k.all("ttg.barrier").size(), 2u);
}

// A ring of three parts, two copies ahead. `wait`: groups that may be under way; `first`: number of the first copy.
std::string ring(const char *copy_at, unsigned wait) {
  std::string s = kernel(R"(    %a = ttg.local_alloc : () -> !ttg.memdesc<3x32x32xf32, #s, #smem, mutable>
    %i0 = ttg.memdesc_index %a[%c0] : !ttg.memdesc<3x32x32xf32, #s, #smem, mutable> -> !ttg.memdesc<32x32xf32, #s, #smem, mutable>
    %t0 = ttg.async_copy_global_to_local %p, %i0 : tensor<32x32x!tt.ptr<f32>, #b> -> <32x32xf32, #s, #smem, mutable>
    %g0 = ttg.async_commit_group tokens %t0
    %i1 = ttg.memdesc_index %a[%c1] : !ttg.memdesc<3x32x32xf32, #s, #smem, mutable> -> !ttg.memdesc<32x32xf32, #s, #smem, mutable>
    %t1 = ttg.async_copy_global_to_local %p, %i1 : tensor<32x32x!tt.ptr<f32>, #b> -> <32x32xf32, #s, #smem, mutable>
    %g1 = ttg.async_commit_group tokens %t1
    %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%ins = %c1, %ext = %cm1) -> (i32, i32)  : i32 {
      %e1 = arith.addi %ext, %c1 : i32
      %eq = arith.cmpi sge, %e1, %c3 : i32
      %e = arith.select %eq, %c0, %e1 : i32
      %n1 = arith.addi %ins, %c1 : i32
      %nq = arith.cmpi sge, %n1, %c3 : i32
      %nn = arith.select %nq, %c0, %n1 : i32
      %w = ttg.async_wait {num = WAIT : i32}
      EARLY
      %ie = ttg.memdesc_index %a[%e] : !ttg.memdesc<3x32x32xf32, #s, #smem, mutable> -> !ttg.memdesc<32x32xf32, #s, #smem, mutable>
      %v = ttg.local_load %ie : !ttg.memdesc<32x32xf32, #s, #smem, mutable> -> tensor<32x32xf32, #b>
      LATE
      scf.yield %nn, %e : i32, i32
    }
    %d = ttg.async_wait {num = 0 : i32}
    ttg.local_dealloc %a : !ttg.memdesc<3x32x32xf32, #s, #smem, mutable>)");
  auto put = [&](const char *where, const std::string &by) { s.replace(s.find(where), std::strlen(where), by); };
  std::string copy = R"(%in = ttg.memdesc_index %a[%nn] : !ttg.memdesc<3x32x32xf32, #s, #smem, mutable> -> !ttg.memdesc<32x32xf32, #s, #smem, mutable>
      %tn = ttg.async_copy_global_to_local %p, %in : tensor<32x32x!tt.ptr<f32>, #b> -> <32x32xf32, #s, #smem, mutable>
      %gn = ttg.async_commit_group tokens %tn)";
  put("EARLY", !std::strcmp(copy_at, "early") ? copy : "");
  put("LATE", !std::strcmp(copy_at, "late") ? copy : "");
  put("WAIT", std::to_string(wait));
  return s;
}

TEST(Barriers, ring_needs_one_a_round) {
  for (const char *at : {"early", "late"}) {
    Kernel k(ring(at, 1));
    ASSERT_TRUE(k.m && k.allocate().ok());
    EXPECT_EQ(k.barriers().barriers, 1u) << at;
    EXPECT_EQ(k.hazards().size(), 0u) << hazardText(k.hazards()[0]);
    k.all("ttg.barrier")[0]->erase();
    EXPECT_FALSE(k.hazards().empty());
  }
}

TEST(Hazards, wait_for_too_few_groups) {
  Kernel k(ring("early", 2));
  ASSERT_TRUE(k.m && k.allocate().ok());
  k.barriers();
  std::vector<Hazard> h = k.hazards();
  ASSERT_FALSE(h.empty());
  EXPECT_EQ(h[0].kind, Hazard::InFlight);
  EXPECT_EQ(h[0].first->name(), "ttg.async_copy_global_to_local");
  EXPECT_EQ(h[0].second->name(), "ttg.local_load");
}

TEST(Barriers, fence_before_wgmma) {
  Kernel k(kernel(R"(    %f = arith.constant dense<1.0> : tensor<64x64xf16, #b>
    %z = arith.constant dense<0.0> : tensor<64x64xf32, #mma>
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %z) -> (tensor<64x64xf32, #mma>)  : i32 {
      %a = ttg.local_alloc %f : (tensor<64x64xf16, #b>) -> !ttg.memdesc<64x64xf16, #n, #smem>
      %d = ttng.warp_group_dot %a, %a, %acc {inputPrecision = 0 : i32, isAsync = true} : !ttg.memdesc<64x64xf16, #n, #smem> * !ttg.memdesc<64x64xf16, #n, #smem> -> tensor<64x64xf32, #mma>
      %w:2 = ttng.warp_group_dot_wait %d, %a {pendings = 0 : i32} : tensor<64x64xf32, #mma>, !ttg.memdesc<64x64xf16, #n, #smem>
      scf.yield %w#0 : tensor<64x64xf32, #mma>
    })"));
  ASSERT_TRUE(k.m && k.allocate().ok());
  EXPECT_FALSE(k.hazards().empty());
  BarrierCounts n = k.barriers();
  EXPECT_EQ(n.barriers, 2u);
  EXPECT_EQ(n.fences, 1u);
  EXPECT_TRUE(k.hazards().empty());
  k.all("ttng.fence_async_shared")[0]->erase();
  ASSERT_EQ(k.hazards().size(), 1u);
  EXPECT_EQ(k.hazards()[0].kind, Hazard::Unfenced);
}

TEST(Hazards, text_names_both) {
  Kernel k(kernel(ALLOC("a") "    ttg.local_store %x, %a : tensor<32x32xf32, #b> -> " BUF " loc(\"k.py\":3:1)\n"
                  "    %v = ttg.local_load %a : " BUF " -> tensor<32x32xf32, #b> loc(\"k.py\":4:1)\n"));
  ASSERT_TRUE(k.allocate().ok());
  ASSERT_EQ(k.hazards().size(), 1u);
  EXPECT_EQ(hazardText(k.hazards()[0]), "shared memory: no barrier between 'ttg.local_store' (writes) at k.py:3:1 and "
                                        "'ttg.local_load' (reads) at k.py:4:1");
}

/// Files from the command line: no hazard after the passes, and without any one barrier there is one.
TEST(Corpus, every_barrier_is_needed_and_none_is_missing) {
  unsigned modules = 0, barriers = 0, fences = 0, redundant = 0;
  for (const std::string &path : files) {
    std::string text;
    if (FILE *f = std::fopen(path.c_str(), "rb")) {
      char buffer[65536];
      for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, f));) text.append(buffer, n);
      std::fclose(f);
    }
    Kernel k(text, path);
    if (!k.m || !k.op) continue;
    ++modules;
    tessera::Status s = k.allocate(nullptr, 1 << 20);
    ASSERT_TRUE(s.ok()) << s.message;
    k.barriers();
    std::vector<Hazard> h = k.hazards();
    EXPECT_TRUE(h.empty()) << path << ": " << h.size() << ": " << hazardText(h[0]);
    for (const char *name : {"ttg.barrier", "ttng.fence_async_shared"})
      for (Op *b : k.all(name)) {
        ++(name[3] == '.' ? barriers : fences);
        Op *next = b->next;
        Block *home = b->block();
        b->unlink();
        if (k.hazards().empty()) {
          ++redundant;
          if (std::getenv("TESSERA_VERBOSE")) std::printf("%s: not needed before %s\n", path.c_str(), next->name().data());
        }
        home->insertBefore(b, next);
      }
  }
  if (modules) std::printf("%u modules, %u barriers, %u fences, %u of them without a hazard\n", modules, barriers, fences, redundant);
}

} // namespace

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) files.push_back(argv[i]);
  return RUN_ALL_TESTS();
}
