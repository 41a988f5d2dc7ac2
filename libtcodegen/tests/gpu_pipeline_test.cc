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

} // namespace

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) files.push_back(argv[i]);
  return RUN_ALL_TESTS();
}
