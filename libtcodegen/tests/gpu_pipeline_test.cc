// SPDX-License-Identifier: MIT
// Pipelining: the same results in the interpreter for every number of stages, the shape of the loop, what is refused.
// Arguments: .ttgir files, each of one kernel with loads that feed a dot in a loop, not pipelined.
#include "gpu/passes/allocate.hh"
#include "gpu/passes/barriers.hh"
#include "gpu/passes/hazards.hh"
#include "gpu/passes/pipeline.hh"
#include "gpu/passes/select_matrix.hh"
#include "pass_support.hh"
#include "verify/verify.hh"
#include <gtest/gtest.h>

using namespace tir;
using namespace tcodegen::gpu;

namespace {

std::vector<std::string> files;
unsigned noScratch(const Op *op) { return op->name() == "ttg.convert_layout" ? 1024 : 0; }

std::string read(const std::string &path) {
  std::string text;
  if (FILE *f = std::fopen(path.c_str(), "rb")) {
    char buffer[65536];
    for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, f));) text.append(buffer, n);
    std::fclose(f);
  }
  return text;
}

unsigned count(Op *kernel, std::string_view name, const Op *inside = nullptr) {
  unsigned n = 0;
  kernel->walk([&](Op *o) { n += o->name() == name && (!inside || (inside != o && inside->isAncestorOf(o))); });
  return n;
}

struct Result {
  std::unique_ptr<Module> m;
  Op *kernel = nullptr, *loop = nullptr;
  std::string plan;
  std::vector<tcodegen::Remark> remarks;
  tessera::Status status;
  BarrierCounts barriers;
};
Result pipelined(test::TestContext &t, const std::string &text, unsigned stages, unsigned capability, uint64_t limit,
                 bool strict = false) {
  Result r;
  r.m = t.parse(text);
  EXPECT_TRUE(r.m) << t.messages;
  if (!r.m) return r;
  r.kernel = r.m->kernel("").value;
  GpuOptions o;
  o.capability = capability;
  o.num_stages = stages;
  o.explain = true;
  o.strict = strict;
  o.plan = &r.plan;
  o.remarks = &r.remarks;
  r.status = pipelineLoads(*r.m, r.kernel, o, noScratch, limit);
  if (!r.status.ok()) return r;
  (void)overlap_dots(*r.m, r.kernel, o);
  tessera::Status s = verifyModule(*r.m);
  EXPECT_TRUE(s.ok()) << s.message << t.messages << test::print(*r.m);
  r.kernel->walk([&](Op *op) {
    if (op->is(Opcode::scf_for)) r.loop = op;
  });
  unsigned bytes = 0;
  s = allocateShared(*r.m, r.kernel, noScratch, 227 << 10, "sm", &bytes);
  EXPECT_TRUE(s.ok()) << s.message;
  EXPECT_TRUE(placeBarriers(*r.m, r.kernel, noScratch, &r.barriers).ok());
  std::vector<Hazard> h = findHazards(r.kernel, noScratch);
  EXPECT_TRUE(h.empty()) << hazardText(h[0]) << "\n" << test::print(*r.m);
  return r;
}

TEST(Pipeline, same_results) {
  for (const std::string &path : files) {
    std::string text = read(path);
    unsigned capability = text.find("cuda:90") != std::string::npos ? 90 : 80;
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      test::TestContext t;
      auto before = t.parse(text);
      ASSERT_TRUE(before) << t.messages;
      test::Outcome want = test::interpret(*before, seed, 1 << 22, 1 << 16);
      ASSERT_TRUE(want.status.ok()) << want.status.message;
      for (unsigned stages = 1; stages <= 4; ++stages)
        for (uint64_t limit : {227u << 10, 25u << 10}) { // much memory, and just enough
          Result r = pipelined(t, text, stages, capability, limit);
          ASSERT_TRUE(r.status.ok()) << r.status.message;
          test::Outcome got = test::interpret(*r.m, seed, 1 << 22, 1 << 16);
          ASSERT_TRUE(got.status.ok()) << got.status.message;
          EXPECT_EQ(test::difference(*before, want, got), "") << path << " " << stages << " " << limit;
        }
    }
  }
}

TEST(Pipeline, shape) {
  for (const std::string &path : files) {
    std::string text = read(path);
    bool wgmma = text.find("cuda:90") != std::string::npos;
    test::TestContext t;
    for (unsigned stages = 2; stages <= 4; ++stages) {
      Result r = pipelined(t, text, stages, wgmma ? 90 : 80, 227 << 10);
      ASSERT_TRUE(r.loop);
      EXPECT_EQ(count(r.kernel, "tt.load"), 0u);
      EXPECT_EQ(count(r.kernel, "ttg.async_copy_global_to_local"), 2 * stages);
      EXPECT_EQ(count(r.kernel, "ttg.async_copy_global_to_local", r.loop), 2u);
      EXPECT_EQ(count(r.kernel, "ttg.local_alloc"), 2u);
      EXPECT_EQ(count(r.kernel, "ttg.local_dealloc"), 2u);
      bool overlap = text.find("isAsync = false") != std::string::npos;
      EXPECT_EQ(count(r.kernel, "ttg.barrier", r.loop), overlap ? 2u : 1u) << test::print(*r.m);
      EXPECT_EQ(count(r.kernel, "ttng.warp_group_dot_wait"), overlap ? 2u : wgmma ? 1u : 0u);
      EXPECT_EQ(count(r.kernel, "ttng.fence_async_shared", r.loop), wgmma ? 1u : 0u);
      r.kernel->walk([&](Op *o) {
        std::string_view n = o->name();
        EXPECT_TRUE(n != "ttg.async_wait" || o->intAttr("num") == (o->parentOp() == r.loop ? stages - 2 : 0));
        EXPECT_TRUE(n != "ttg.local_alloc" || o->result()->type->shape[0] == stages);
        EXPECT_TRUE(n != "ttg.async_copy_global_to_local" || o->intAttr("contiguity") == 8);
      });
      EXPECT_NE(r.plan.find(std::to_string(stages) + " stages"), std::string::npos) << r.plan;
    }
    if (wgmma) continue;
    // Too little memory for a buffer more: copies behind the uses.
    Result r = pipelined(t, text, 3, 80, 20 << 10);
    EXPECT_NE(r.plan.find("3 stages, 2 buffers"), std::string::npos) << r.plan;
    EXPECT_EQ(count(r.kernel, "ttg.barrier", r.loop), 2u);
  }
}

TEST(Pipeline, fewer_stages_or_an_error) {
  for (const std::string &path : files) {
    std::string text = read(path);
    unsigned capability = text.find("cuda:90") != std::string::npos ? 90 : 80;
    test::TestContext t;
    Result r = pipelined(t, text, 4, capability, 20 << 10);
    bool said = false;
    for (const tcodegen::Remark &m : r.remarks) said |= m.name == "fewer-stages";
    EXPECT_TRUE(said);
    Result e = pipelined(t, text, 4, capability, 20 << 10, true);
    EXPECT_EQ(e.status.code, tessera::Code::LIMIT);
    EXPECT_NE(e.status.message.find("20480"), std::string::npos) << e.status.message;
  }
}

TEST(Pipeline, the_loop_has_the_last_word) {
  for (const std::string &path : files) {
    std::string text = read(path);
    size_t at = text.find("    }", text.find("scf.yield"));
    ASSERT_NE(at, std::string::npos);
    text.replace(at, 5, "    } {tt.num_stages = 1 : i32}");
    test::TestContext t;
    Result r = pipelined(t, text, 3, 80, 227 << 10);
    EXPECT_EQ(count(r.kernel, "tt.load"), 2u);
  }
}

/// Rows of up to 512 numbers, each minus its largest; no dot. `attribute` is the loop's.
std::string rowsKernel(const std::string &attribute, const std::string &from = "%in") {
  return R"(
#b = #ttg.blocked<{sizePerThread = [4], threadsPerWarp = [32], warpsPerCTA = [4], order = [0]}>
#r = #ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [4], order = [0]}>
module attributes {"ttg.num-ctas" = 1 : i32, "ttg.num-warps" = 4 : i32, ttg.target = "cuda:80", "ttg.threads-per-warp" = 32 : i32} {
  tt.func public @rows(%in: !tt.ptr<f32> {tt.divisibility = 16 : i32}, %out: !tt.ptr<f32> {tt.divisibility = 16 : i32}, %n: i32 {tt.divisibility = 16 : i32}, %rows: i32) attributes {noinline = false} {
    %lowest = arith.constant dense<0xFF800000> : tensor<512xf32, #b>
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %range = tt.make_range {end = 512 : i32, start = 0 : i32} : tensor<512xi32, #b>
    %range_r = ttg.convert_layout %range : tensor<512xi32, #b> -> tensor<512xi32, #r>
    %limit = tt.splat %n : i32 -> tensor<512xi32, #b>
    %mask = arith.cmpi slt, %range, %limit : tensor<512xi32, #b>
    %mask_r = ttg.convert_layout %mask : tensor<512xi1, #b> -> tensor<512xi1, #r>
    scf.for %row = %c0 to %rows step %c1  : i32 {
      %offset = arith.muli %row, %n : i32
      %p = tt.addptr )" + from + R"(, %offset : !tt.ptr<f32>, i32
      %base = tt.splat %p : !tt.ptr<f32> -> tensor<512x!tt.ptr<f32>, #b>
      %ptrs = tt.addptr %base, %range : tensor<512x!tt.ptr<f32>, #b>, tensor<512xi32, #b>
      %x = tt.load %ptrs, %mask, %lowest : tensor<512x!tt.ptr<f32>, #b>
      %y = tt.load %ptrs, %mask : tensor<512x!tt.ptr<f32>, #b>
      %yr = ttg.convert_layout %y : tensor<512xf32, #b> -> tensor<512xf32, #r>
      %largest = "tt.reduce"(%x) <{axis = 0 : i32}> ({
      ^bb0(%a: f32, %b: f32):
        %m = arith.maxnumf %a, %b : f32
        tt.reduce.return %m : f32
      }) : (tensor<512xf32, #b>) -> f32
      %all = tt.splat %largest : f32 -> tensor<512xf32, #r>
      %z = arith.subf %yr, %all : tensor<512xf32, #r>
      %q = tt.addptr %out, %offset : !tt.ptr<f32>, i32
      %out_base = tt.splat %q : !tt.ptr<f32> -> tensor<512x!tt.ptr<f32>, #r>
      %out_ptrs = tt.addptr %out_base, %range_r : tensor<512x!tt.ptr<f32>, #r>, tensor<512xi32, #r>
      tt.store %out_ptrs, %z, %mask_r : tensor<512x!tt.ptr<f32>, #r>
    })" + attribute + R"(
    tt.return
  }
}
)";
}

TEST(Pipeline, loads_without_a_dot) {
  test::TestContext t;
  auto before = t.parse(rowsKernel(""));
  ASSERT_TRUE(before) << t.messages;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    test::Outcome want = test::interpret(*before, seed, 1 << 22, 1 << 16);
    ASSERT_TRUE(want.status.ok()) << want.status.message;
    for (unsigned stages = 1; stages <= 5; ++stages)
      for (uint64_t limit : {227u << 10, 13u << 10}) {
        std::string staged = rowsKernel(" {tt.num_stages = " + std::to_string(stages) + " : i32}");
        Result r = pipelined(t, staged, 3, 80, limit);
        ASSERT_TRUE(r.status.ok()) << r.status.message;
        test::Outcome got = test::interpret(*r.m, seed, 1 << 22, 1 << 16);
        ASSERT_TRUE(got.status.ok()) << got.status.message;
        EXPECT_EQ(test::difference(*before, want, got), "") << stages << " " << limit;
        unsigned buffers = limit < 20u << 10 ? std::min(stages - 1, 2u) : stages - 1; // 4096 bytes a stage, and a margin
        EXPECT_EQ(count(r.kernel, "tt.load"), stages > 1 ? 0u : 2u);
        EXPECT_EQ(count(r.kernel, "ttg.async_copy_global_to_local"), stages > 1 ? 2 * (buffers + 1) : 0);
        if (stages < 2) continue;
        EXPECT_EQ(count(r.kernel, "ttg.local_load", r.loop), 2u);
        EXPECT_EQ(count(r.kernel, "ttg.convert_layout", r.loop), 0u); // one is read as its user wants it
        EXPECT_EQ(count(r.kernel, "arith.select", r.loop), buffers > 1 ? 3u : 1u); // two go round the buffers
        r.kernel->walk([&](Op *o) {
          EXPECT_TRUE(o->name() != "ttg.local_alloc" || o->result()->type->shape[0] == buffers);
          EXPECT_TRUE(o->name() != "ttg.async_copy_global_to_local" || (!o->slot(3) && o->intAttr("contiguity") == 4));
        });
      }
  }
  // Only where the loop itself says so, and only memory that it does not write.
  EXPECT_EQ(count(pipelined(t, rowsKernel(""), 3, 80, 227 << 10).kernel, "tt.load"), 2u);
  Result r = pipelined(t, rowsKernel(" {tt.num_stages = 3 : i32}", "%out"), 3, 80, 227 << 10);
  EXPECT_EQ(count(r.kernel, "tt.load"), 2u);
  ASSERT_EQ(r.remarks.size(), 1u);
  EXPECT_EQ(r.remarks[0].name, "not-pipelined");
}

} // namespace

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) files.push_back(argv[i]);
  return RUN_ALL_TESTS();
}
