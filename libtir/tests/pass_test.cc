// SPDX-License-Identifier: MIT
// Passes one by one on small modules, the runner, dominance, and the data structures they stand on.
#include "pass_support.hh"
#include "analysis/dominance.hh"
#include "ir/hash.hh"
#include "verify/verify.hh"
#include <gtest/gtest.h>

using namespace tir;
using namespace tir::test;

namespace {

unsigned count(const Module &m, Opcode code) {
  unsigned n = 0;
  m.op->walk([&](Op *o) { n += o->is(code); });
  return n;
}
Op *find(const Module &m, Opcode code) {
  Op *found = nullptr;
  m.op->walk([&](Op *o) {
    if (!found && o->is(code)) found = o;
  });
  return found;
}

struct Passes : testing::Test {
  TestContext t;
  std::unique_ptr<Module> m;
  /// Parses and runs a pipeline with every check on; the module is in `m`.
  tessera::Status run(std::string_view text, std::string_view pipeline) {
    m = t.parse(text);
    EXPECT_TRUE(m) << t.messages;
    if (!m) return tessera::fail(tessera::Code::PARSE, "does not parse");
    RunOptions o;
    o.verify_each = o.roundtrip_each = true;
    return runPasses(*m, pipeline, o);
  }
  void ok(std::string_view text, std::string_view pipeline) {
    tessera::Status s = run(text, pipeline);
    ASSERT_TRUE(s.ok()) << s.message << "\n" << t.messages << print(*m);
  }
};

// ---- inline -----------------------------------------------------------------------------------------------

constexpr const char *kCalls = R"(#loc1 = loc("k.py":10:1)
#loc2 = loc("k.py":20:2)
module {
  tt.func public @k(%p: !tt.ptr<i32>, %n: i32) {
    %0 = tt.call @twice(%n) {tt.divisibility = dense<16> : tensor<1xi32>} : (i32) -> i32 loc(#loc1)
    %1 = tt.call @far(%0) : (i32) -> i32
    tt.store %p, %1 : !tt.ptr<i32>
    tt.return
  }
  tt.func private @twice(%x: i32) -> i32 {
    %0 = tt.call @add(%x, %x) : (i32, i32) -> i32
    tt.return %0 : i32
  }
  tt.func private @add(%x: i32, %y: i32) -> i32 {
    %0 = arith.addi %x, %y {tt.divisibility = dense<4> : tensor<1xi32>} : i32 loc(#loc2)
    tt.return %0 : i32
  }
  tt.func private @far(%x: i32) -> i32 attributes {noinline = true} {
    tt.return %x : i32
  }
}
)";

TEST_F(Passes, InlineChain) {
  ok(kCalls, "inline");
  EXPECT_EQ(count(*m, Opcode::tt_call), 1u); // of @far
  EXPECT_FALSE(m->function("twice") || m->function("add"));
  ASSERT_TRUE(m->function("far"));
  Op *add = find(*m, Opcode::arith_addi);
  ASSERT_TRUE(add && add->parentOp() == m->function("k"));
  EXPECT_EQ(locText(add->loc).substr(0, 9), "k.py:20:2");
  ASSERT_EQ(add->loc->kind, LocKind::CallSite);
  EXPECT_NE(locText(add->loc).find("k.py:10:1"), std::string::npos);
  Attr hint = add->attr("tt.divisibility"); // the call's wins
  ASSERT_TRUE(hint && hint->bval);
  EXPECT_EQ(hint->bits[0], 16u);
}

TEST_F(Passes, InlineNoinlineOption) {
  ok(kCalls, "inline{noinline=true}");
  EXPECT_EQ(count(*m, Opcode::tt_call), 0u);
  EXPECT_EQ(count(*m, Opcode::tt_func), 1u);
}

constexpr const char *kBranching = R"(
module {
  tt.func public @k(%p: !tt.ptr<i32>, %n: i32) {
    %a = tt.call @f(%n) : (i32) -> i32
    %b = arith.addi %a, %n : i32
    tt.store %p, %b : !tt.ptr<i32>
    tt.return
  }
  tt.func private @f(%x: i32) -> i32 {
    %c32 = arith.constant 32 : i32
    %c = arith.cmpi sgt, %x, %c32 : i32
    cf.cond_br %c, ^bb1, ^bb2
  ^bb1:
    tt.return %c32 : i32
  ^bb2:
    %y = arith.muli %x, %c32 : i32
    tt.return %y : i32
  }
}
)";

TEST_F(Passes, InlineSeveralBlocks) {
  m = t.parse(kBranching);
  ASSERT_TRUE(m) << t.messages;
  Outcome before = interpret(*m, 3, 100000);
  ASSERT_TRUE(before.status.ok()) << before.status.message;
  ok(kBranching, "inline,canonicalize");
  EXPECT_EQ(count(*m, Opcode::tt_call), 0u);
  EXPECT_EQ(count(*m, Opcode::cf_br), 2u);
  for (uint64_t seed = 1; seed < 6; ++seed) {
    std::unique_ptr<Module> original = t.parse(kBranching);
    EXPECT_EQ(difference(*m, interpret(*original, seed, 100000), interpret(*m, seed, 100000)), "");
  }
}

TEST_F(Passes, InlineKeepsBranchesOutOfLoops) {
  ok(R"(
module {
  tt.func public @k(%n: i32) {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    scf.for %i = %c0 to %n step %c1  : i32 {
      tt.call @f(%i) : (i32) -> ()
    }
    tt.return
  }
  tt.func private @f(%x: i32) {
    %c = arith.cmpi eq, %x, %x : i32
    cf.cond_br %c, ^bb1, ^bb2
  ^bb1:
    tt.print "x" {hex = false, isSigned = array<i32: 1>} : %x : i32
    tt.return
  ^bb2:
    tt.return
  }
}
)", "inline");
  EXPECT_EQ(count(*m, Opcode::tt_call), 1u);
  EXPECT_TRUE(m->function("f"));
}

TEST_F(Passes, InlineRefusesRecursion) {
  tessera::Status s = run(R"(
module {
  tt.func public @k() {
    tt.call @f() : () -> ()
    tt.return
  }
  tt.func private @f() {
    tt.call @g() : () -> ()
    tt.return
  }
  tt.func private @g() {
    tt.call @f() : () -> ()
    tt.return
  }
}
)", "inline");
  EXPECT_EQ(s.code, tessera::Code::UNSUPPORTED);
  EXPECT_NE(s.message.find("@f -> @g -> @f"), std::string::npos) << s.message;
  EXPECT_NE(s.message.find("pass 'inline'"), std::string::npos);
}

TEST_F(Passes, InlineLimit) { // each function calls the next one four times
  std::string text = "module {\n  tt.func public @f0() {\n";
  for (int i = 0; i < 14; ++i) {
    for (int k = 0; k < 4; ++k) text += tessera::format("    tt.call @f%d() : () -> ()\n", i + 1);
    text += tessera::format("    tt.return\n  }\n  tt.func private @f%d() {\n", i + 1);
  }
  text += "    tt.print \"x\" {hex = false, isSigned = array<i32>}\n    tt.return\n  }\n}\n";
  tessera::Status s = run(text, "inline");
  EXPECT_EQ(s.code, tessera::Code::LIMIT) << s.message;
}

// ---- cse --------------------------------------------------------------------------------------------------

TEST_F(Passes, CseMergesPureOperations) {
  ok(R"(
module {
  tt.func public @k(%p: !tt.ptr<i32>, %n: i32, %c: i1) {
    %a = arith.addi %n, %n : i32
    %b = arith.muli %a, %n : i32
    %b2 = arith.muli %n, %a : i32
    scf.if %c {
      %d = arith.addi %n, %n : i32
      %e = arith.addi %d, %b2 : i32
      tt.store %p, %e : !tt.ptr<i32>
    } else {
      %d = arith.subi %b, %n : i32
      tt.store %p, %d : !tt.ptr<i32>
    }
    %f = arith.subi %b, %n : i32
    tt.store %p, %f : !tt.ptr<i32>
    tt.return
  }
}
)", "cse");
  EXPECT_EQ(count(*m, Opcode::arith_muli), 1u); // operands swapped
  EXPECT_EQ(count(*m, Opcode::arith_addi), 2u);
  EXPECT_EQ(count(*m, Opcode::arith_subi), 2u); // the one in the else region does not dominate
}

TEST_F(Passes, CseOfLoads) {
  ok(R"(
module {
  tt.func public @k(%p: !tt.ptr<i32>, %q: !tt.ptr<i32>) {
    %a = tt.load %p : !tt.ptr<i32>
    %b = tt.load %p : !tt.ptr<i32>
    %c = arith.addi %a, %b : i32
    tt.store %q, %c : !tt.ptr<i32>
    %d = tt.load %p : !tt.ptr<i32>
    %e = tt.load %q {isVolatile = true} : !tt.ptr<i32>
    %f = tt.load %q {isVolatile = true} : !tt.ptr<i32>
    %g = arith.addi %d, %e : i32
    %h = arith.addi %g, %f : i32
    tt.store %q, %h : !tt.ptr<i32>
    tt.return
  }
}
)", "cse");
  EXPECT_EQ(count(*m, Opcode::tt_load), 4u);
}

TEST_F(Passes, CseComparesRegions) {
  ok(R"(
module {
  tt.func public @k(%p: !tt.ptr<f32>, %x: f32) {
    %t = tt.splat %x : f32 -> tensor<16xf32>
    %a = "tt.reduce"(%t) <{axis = 0 : i32}> ({
    ^bb0(%u: f32, %v: f32):
      %s = arith.addf %u, %v : f32
      tt.reduce.return %s : f32
    }) : (tensor<16xf32>) -> f32
    %b = "tt.reduce"(%t) <{axis = 0 : i32}> ({
    ^bb0(%u: f32, %v: f32):
      %s = arith.addf %u, %v : f32
      tt.reduce.return %s : f32
    }) : (tensor<16xf32>) -> f32
    %c = "tt.reduce"(%t) <{axis = 0 : i32}> ({
    ^bb0(%u: f32, %v: f32):
      %s = arith.maxnumf %u, %v : f32
      tt.reduce.return %s : f32
    }) : (tensor<16xf32>) -> f32
    %d = "tt.reduce"(%t) <{axis = 0 : i32}> ({
    ^bb0(%u: f32, %v: f32):
      %s = arith.addf %u, %u : f32
      tt.reduce.return %s : f32
    }) : (tensor<16xf32>) -> f32
    %e = arith.addf %a, %b : f32
    %f = arith.addf %c, %d : f32
    %g = arith.addf %e, %f : f32
    tt.store %p, %g : !tt.ptr<f32>
    tt.return
  }
}
)", "cse");
  EXPECT_EQ(count(*m, Opcode::tt_reduce), 3u);
}

TEST_F(Passes, CseFollowsDominance) {
  ok(R"(
module {
  tt.func public @k(%p: !tt.ptr<i32>, %n: i32, %c: i1) {
    %a = arith.addi %n, %n : i32
    cf.cond_br %c, ^bb1, ^bb2
  ^bb1:
    %b = arith.addi %n, %n : i32
    %d = arith.muli %b, %n : i32
    tt.store %p, %d : !tt.ptr<i32>
    cf.br ^bb3
  ^bb2:
    %e = arith.muli %a, %n : i32
    tt.store %p, %e : !tt.ptr<i32>
    cf.br ^bb3
  ^bb3:
    %f = arith.muli %a, %n : i32
    tt.store %p, %f : !tt.ptr<i32>
    tt.return
  }
}
)", "cse");
  EXPECT_EQ(count(*m, Opcode::arith_addi), 1u);
  EXPECT_EQ(count(*m, Opcode::arith_muli), 3u);
}

// ---- dce --------------------------------------------------------------------------------------------------

TEST_F(Passes, DceOfCarriedValues) {
  ok(R"(
module {
  tt.func public @k(%p: !tt.ptr<i32>, %n: i32, %c: i1) {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %unused = tt.load %p : !tt.ptr<i32>
    %a:3 = scf.for %i = %c0 to %n step %c1 iter_args(%x = %c0, %y = %unused, %z = %c1) -> (i32, i32, i32)  : i32 {
      %u = arith.addi %x, %z : i32
      %v = arith.muli %y, %y : i32
      %w = arith.addi %z, %z : i32
      scf.yield %u, %v, %w : i32, i32, i32
    }
    %b:2 = scf.if %c -> (i32, i32) {
      scf.yield %c0, %c1 : i32, i32
    } else {
      scf.yield %c1, %a#1 : i32, i32
    }
    tt.store %p, %a#0 : !tt.ptr<i32>
    tt.store %p, %b#0 : !tt.ptr<i32>
    tt.return
  }
}
)", "dce");
  Op *loop = find(*m, Opcode::scf_for);
  ASSERT_TRUE(loop);
  EXPECT_EQ(loop->numResults(), 2u);
  EXPECT_EQ(loop->region(0)->front()->numArgs(), 3u);
  EXPECT_EQ(find(*m, Opcode::scf_if)->numResults(), 1u);
  EXPECT_EQ(count(*m, Opcode::tt_load), 0u);
  EXPECT_EQ(count(*m, Opcode::arith_muli), 0u);
  EXPECT_EQ(count(*m, Opcode::tt_store), 2u);
}

TEST_F(Passes, DceOfWhile) {
  ok(R"(
module {
  tt.func public @k(%p: !tt.ptr<i32>, %n: i32) {
    %c1 = arith.constant 1 : i32
    %a:3 = scf.while (%x = %n, %y = %c1, %z = %n) : (i32, i32, i32) -> (i32, i32, i32) {
      %c = arith.cmpi sgt, %x, %c1 : i32
      %q = arith.addi %z, %c1 : i32
      scf.condition(%c) %x, %y, %q : i32, i32, i32
    } do {
    ^bb0(%x: i32, %y: i32, %z: i32):
      %u = arith.subi %x, %c1 : i32
      %v = arith.addi %y, %x : i32
      scf.yield %u, %v, %z : i32, i32, i32
    }
    tt.store %p, %a#1 : !tt.ptr<i32>
    %dead = scf.while (%x = %n) : (i32) -> i32 {
      %c = arith.cmpi sgt, %x, %c1 : i32
      scf.condition(%c) %x : i32
    } do {
    ^bb0(%x: i32):
      %u = arith.subi %x, %c1 : i32
      scf.yield %u : i32
    }
    tt.return
  }
}
)", "dce");
  ASSERT_EQ(count(*m, Opcode::scf_while), 1u);
  Op *loop = find(*m, Opcode::scf_while);
  EXPECT_EQ(loop->numResults(), 2u);
  EXPECT_EQ(loop->numOperands(), 2u);
  EXPECT_EQ(count(*m, Opcode::arith_addi), 1u);
}

TEST_F(Passes, SymbolDce) {
  ok(R"(
module {
  tt.func public @k() {
    tt.call @a() : () -> ()
    tt.return
  }
  tt.func private @a() {
    tt.return
  }
  tt.func private @b() {
    tt.call @c() : () -> ()
    tt.return
  }
  tt.func private @c() {
    tt.return
  }
}
)", "symbol-dce");
  EXPECT_TRUE(m->function("k") && m->function("a"));
  EXPECT_FALSE(m->function("b") || m->function("c"));
}

// ---- licm -------------------------------------------------------------------------------------------------

constexpr const char *kNest = R"(
module {
  tt.func public @k(%p: !tt.ptr<i32>, %n: i32) {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    scf.for %i = %c0 to %n step %c1  : i32 {
      scf.for %j = %c0 to %n step %c1  : i32 {
        %a = arith.muli %n, %n : i32
        %b = arith.addi %a, %i : i32
        %q = arith.divsi %a, %n : i32
        %l = tt.load %p : !tt.ptr<i32>
        %d = arith.addi %b, %j : i32
        %e = arith.addi %d, %q : i32
        %f = arith.addi %e, %l : i32
        tt.store %p, %f : !tt.ptr<i32>
      }
    }ATTR
    tt.return
  }
}
)";

TEST_F(Passes, Licm) {
  std::string text = kNest;
  text.replace(text.find("ATTR"), 4, "");
  ok(text, "licm");
  Op *f = m->function("k"), *mul = find(*m, Opcode::arith_muli), *outer = find(*m, Opcode::scf_for);
  EXPECT_EQ(mul->parentOp(), f); // out of both
  Op *add = find(*m, Opcode::arith_addi);
  EXPECT_EQ(add->parentOp(), outer); // %i is of the outer loop
  EXPECT_NE(find(*m, Opcode::arith_divsi)->parentOp(), outer); // the divisor may be zero
  EXPECT_NE(find(*m, Opcode::tt_load)->parentOp(), outer);
}

TEST_F(Passes, LicmObeysDisable) {
  std::string text = kNest;
  text.replace(text.find("ATTR"), 4,
               " {llvm.loop_annotation = #llvm.loop_annotation<licm = <disable = true, versioningDisable = true>>}");
  ok(text, "licm");
  EXPECT_EQ(find(*m, Opcode::arith_muli)->parentOp(), find(*m, Opcode::scf_for));
}

// ---- runner -----------------------------------------------------------------------------------------------

TEST_F(Passes, RunnerRefuses) {
  m = t.parse(kCalls);
  ASSERT_TRUE(m) << t.messages;
  auto message = [&](const char *pipeline) { return runPasses(*m, pipeline).message; };
  EXPECT_NE(message("inline,cze").find("no pass named 'cze'; there are: canonicalize, cse"), std::string::npos);
  EXPECT_NE(message("inline{all=true}").find("no option 'all'; it has: noinline"), std::string::npos);
  EXPECT_NE(message("inline{noinline=x}").find("expected true or false"), std::string::npos);
  EXPECT_NE(message("inline{noinline").find("do not end in '}'"), std::string::npos);
  EXPECT_NE(message("inline,,cse").find("empty entry"), std::string::npos);
  EXPECT_NE(message("inline,").find("empty entry"), std::string::npos);
  RunOptions o;
  o.skip = "none";
  EXPECT_EQ(runPasses(*m, "cse", o).code, tessera::Code::NOT_FOUND);
  EXPECT_EQ(count(*m, Opcode::tt_call), 3u); // nothing ran
  EXPECT_TRUE(runPasses(*m, "").ok());
  EXPECT_TRUE(runPasses(*m, " inline , cse").ok());
}

TEST_F(Passes, RunnerReports) {
  m = t.parse(kCalls);
  ASSERT_TRUE(m) << t.messages;
  struct Log { std::string text; std::vector<std::string> names; unsigned before = 0, after = 0; } log;
  RunOptions o;
  o.print_each = o.timing = true;
  o.skip = "licm, dce";
  o.write = [](void *user, const char *data, size_t size) { static_cast<Log *>(user)->text.append(data, size); };
  o.write_user = &log;
  o.event = [](void *user, const PassEvent &e) {
    auto *l = static_cast<Log *>(user);
    l->names.push_back(e.pass->name);
    if (!e.index) l->before = e.ops_before, l->after = e.ops_after;
  };
  o.event_user = &log;
  ASSERT_TRUE(runPasses(*m, "inline,licm,cse,dce", o).ok());
  EXPECT_EQ(log.names, (std::vector<std::string>{"inline", "cse"}));
  EXPECT_EQ(log.before, 14u);
  EXPECT_EQ(log.after, 8u);
  EXPECT_EQ(log.text.find("// after pass 'inline'\n"), 0u) << log.text;
  EXPECT_EQ(log.text.find("// after pass 'cse'"), std::string::npos); // it changed nothing
  EXPECT_NE(log.text.find("ms  total"), std::string::npos);
}

TEST_F(Passes, RunnerGivesAReproducer) {
  std::string text = R"(
module {
  tt.func public @k() {
    tt.call @k() : () -> ()
    tt.return
  }
}
)";
  m = t.parse(text);
  ASSERT_TRUE(m) << t.messages;
  std::string reproducer;
  RunOptions o;
  o.reproducer = [](void *user, const char *data, size_t size) {
    static_cast<std::string *>(user)->append(data, size);
  };
  o.reproducer_user = &reproducer;
  EXPECT_FALSE(runPasses(*m, "cse,inline,dce", o).ok());
  EXPECT_EQ(reproducer.find("// tessera opt --passes \"inline,dce\"\n"), 0u) << reproducer;
  std::unique_ptr<Module> again = t.parse(reproducer);
  ASSERT_TRUE(again) << t.messages;
  EXPECT_FALSE(runPasses(*again, "inline,dce").ok());
}

TEST_F(Passes, RunnerVerifiesFirst) {
  m = t.parse(R"(
module {
  tt.func public @k(%p: !tt.ptr<i32>, %n: i32) {
    %a = arith.addi %n, %n : i32
    tt.store %p, %a : !tt.ptr<i32>
    tt.return
  }
}
)");
  ASSERT_TRUE(m) << t.messages;
  Op *add = find(*m, Opcode::arith_addi);
  add->setOperand(0, add->result()); // uses itself
  EXPECT_EQ(runPasses(*m, "canonicalize").code, tessera::Code::VERIFY);
}

// ---- data structures --------------------------------------------------------------------------------------

TEST(Ir, DominanceOfALoop) {
  TestContext t;
  auto m = t.parse(R"(
module {
  tt.func public @k(%c: i1, %n: i32) {
    cf.br ^bb1
  ^bb1:
    cf.cond_br %c, ^bb2, ^bb3
  ^bb2:
    %a = arith.addi %n, %n : i32
    cf.br ^bb1
  ^bb3:
    tt.return
  ^bb4:
    cf.br ^bb3
  }
}
)");
  ASSERT_TRUE(m) << t.messages;
  std::vector<Block *> b;
  for (Block *x = m->function("k")->region(0)->first; x; x = x->next) b.push_back(x);
  ASSERT_EQ(b.size(), 5u);
  Dominance d(m->op);
  EXPECT_EQ(d.idom(b[0]), nullptr);
  EXPECT_EQ(d.idom(b[1]), b[0]);
  EXPECT_EQ(d.idom(b[2]), b[1]);
  EXPECT_EQ(d.idom(b[3]), b[1]); // the unreachable block does not count
  EXPECT_FALSE(d.reachable(b[4]));
  EXPECT_TRUE(d.dominates(b[1], b[3]) && d.dominates(b[0], b[2]) && !d.dominates(b[2], b[1]));
  Op *add = b[2]->first;
  EXPECT_TRUE(d.dominates(b[0]->arg(1), add));
  EXPECT_TRUE(d.dominates(add->result(), add->next) && !d.dominates(add->result(), add));
  EXPECT_FALSE(d.dominates(add->result(), b[3]->first));
}

TEST(Ir, OperandsSegmentsResults) {
  Context ctx;
  Module m(ctx);
  auto value = [&](Type t) {
    return m.create({.code = Opcode::arith_constant, .results = {t}, .attrs = {{ctx.str("value"), ctx.unit()}}})
        ->result();
  };
  Value *p = value(ctx.ptr(ctx.i32())), *mask = value(ctx.i1()), *other = value(ctx.i32());
  Op *load = m.create({.code = Opcode::tt_load, .operands = {p, mask, other}, .results = {ctx.i32()}});
  EXPECT_EQ(load->slot(1), mask); // found from the left
  EXPECT_EQ(load->slot(2), other);
  load->eraseOperand(1);
  EXPECT_EQ(load->slot(1), nullptr);
  EXPECT_EQ(load->slot(2), other);
  EXPECT_FALSE(mask->hasUses());
  Op *desc = m.create({.code = Opcode::tt_make_tensor_descriptor, .operands = {p, other, other, mask, mask}});
  EXPECT_EQ(desc->slot(1), other); // shape and strides share what there is
  EXPECT_EQ(desc->slot(2), mask);
  desc->erase();
  Op *ret = m.create({.code = Opcode::tt_return, .operands = {p, mask, other}});
  EXPECT_EQ(mask->uses->index(), 1u);
  Value *two[] = {ret->operand(2), ret->operand(0)}; // alias its own operands
  ret->setOperands({two, 2});
  EXPECT_EQ(ret->operand(0), other);
  unsigned first, n;
  ret->slotRange(0, &first, &n);
  EXPECT_EQ(n, 2u);
  ret->setOperands({nullptr, 0});
  Value *five[] = {p, p, p, mask, p};
  ret->setOperands({five, 5});
  ret->slotRange(0, &first, &n);
  EXPECT_EQ(n, 5u);
  unsigned uses = 0;
  for (Use *u = p->uses; u; u = u->next) ++uses;
  EXPECT_EQ(uses, 5u); // four here, one in the load
  p->replaceAllUsesWith(mask);
  EXPECT_FALSE(p->hasUses());
  EXPECT_EQ(ret->operand(4), mask);

  Op *call = m.create({.code = Opcode::tt_call, .results = {ctx.i1(), ctx.i32(), ctx.i64()}});
  ret->setOperand(0, call->result(2));
  call->eraseResult(0);
  EXPECT_EQ(call->numResults(), 2u);
  EXPECT_EQ(ret->operand(0), call->result(1));
  EXPECT_EQ(call->result(1)->type, ctx.i64());
}

TEST(Ir, HashDoesNotDependOnHistory) {
  TestContext a, b;
  b.ctx.tensor({3, 5}, b.ctx.f32()); // other ids
  b.ctx.string("x");
  auto m = a.parse(kBranching), n = b.parse(kBranching);
  ASSERT_TRUE(m && n);
  uint64_t x[2], y[2];
  hashModule(*m, HashCode | HashLoc, x);
  hashModule(*n, HashCode | HashLoc, y);
  EXPECT_EQ(x[0], y[0]);
  EXPECT_EQ(x[1], y[1]);
  n->function("f")->setAttr("noinline", b.ctx.boolean(true));
  hashModule(*n, HashCode | HashLoc, y);
  EXPECT_NE(x[0], y[0]);
  EXPECT_NE(x[1], y[1]);
}

TEST(Ir, LocationsOfAnyDepth) {
  Context ctx;
  Loc l = ctx.fileLoc("a", 1, 2);
  for (int i = 0; i < 100000; ++i) l = ctx.callSiteLoc(l, l);
  EXPECT_FALSE(locText(l).empty());
  EXPECT_LE(l->depth, kMaxLocDepth);
  for (int i = 0; i < 1000; ++i) l = ctx.nameLoc("n", ctx.fusedLoc({&l, 1}));
  EXPECT_LE(l->depth, kMaxLocDepth + 1);
}

TEST_F(Passes, InlineDeepNesting) { // each function calls the next one from inside 20 branches
  std::string text = "module {\n  tt.func public @f0(%c: i1) {\n";
  for (int i = 0; i < 100; ++i) {
    for (int k = 0; k < 20; ++k) text += "scf.if %c {\n";
    text += tessera::format("tt.call @f%d(%%c) : (i1) -> ()\n", i + 1);
    for (int k = 0; k < 20; ++k) text += "}\n";
    text += tessera::format("    tt.return\n  }\n  tt.func private @f%d(%%c: i1) {\n", i + 1);
  }
  text += "    tt.return\n  }\n}\n";
  tessera::Status s = run(text, "inline");
  EXPECT_EQ(s.code, tessera::Code::LIMIT) << s.message;
}

// ---- shared memory ----------------------------------------------------------------------------------------

/// A kernel over %x: tensor<8xf32, #b>; memdesc types are !m (mutable) and !c.
std::string sharedKernel(const std::string &body) {
  std::string text = R"(#b = #ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], warpsPerCTA = [1], order = [0]}>
#s = #ttg.swizzled_shared<{vec = 1, perPhase = 1, maxPhase = 1, order = [0]}>
#smem = #ttg.shared_memory
!m = !ttg.memdesc<8xf32, #s, #smem, mutable>
!c = !ttg.memdesc<8xf32, #s, #smem>
!x = tensor<8xf32, #b>
!p = tensor<8x!tt.ptr<f32>, #b>
module attributes {"ttg.num-warps" = 1 : i32, "ttg.threads-per-warp" = 32 : i32} {
  tt.func public @k(%p: !p, %x: !x, %n: i32) {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
)";
  return text + body + "    tt.return\n  }\n}\n";
}

TEST_F(Passes, SharedLoadsMergeBetweenWritesOnly) {
  ok(sharedKernel(R"(
    %a = ttg.local_alloc : () -> !m
    ttg.local_store %x, %a : !x -> !m
    %l0 = ttg.local_load %a : !m -> !x
    %l1 = ttg.local_load %a : !m -> !x
    ttg.local_store %l1, %a : !x -> !m
    %l2 = ttg.local_load %a : !m -> !x
    %t = ttg.async_wait {num = 0 : i32}
    %l3 = ttg.local_load %a token %t : !m -> !x
    tt.store %p, %l0 : !p
    tt.store %p, %l1 : !p
    tt.store %p, %l2 : !p
    tt.store %p, %l3 : !p
)"), "cse,canonicalize,dce");
  EXPECT_EQ(count(*m, Opcode::ttg_local_load), 3u);
  EXPECT_EQ(count(*m, Opcode::ttg_async_wait), 1u);
}

TEST_F(Passes, AllocationsAreNeitherMergedNorMoved) {
  ok(sharedKernel(R"(
    %unused = ttg.local_alloc : () -> !m
    %a = ttg.local_alloc : () -> !m
    %b = ttg.local_alloc : () -> !m
    scf.for %i = %c0 to %n step %c1  : i32 {
      %d = ttg.local_alloc %x : (!x) -> !m
      ttg.local_store %x, %d : !x -> !m
    }
    ttg.local_store %x, %a : !x -> !m
    ttg.local_store %x, %b : !x -> !m
    %g = ttg.global_scratch_alloc {alignment = 128 : i32, nbytes = 128 : i32} : !tt.ptr<i8>
)"), "cse,licm,dce,canonicalize");
  EXPECT_EQ(count(*m, Opcode::ttg_local_alloc), 3u); // the unused one is gone
  EXPECT_EQ(count(*m, Opcode::ttg_global_scratch_alloc), 0u);
  Op *loop = find(*m, Opcode::scf_for);
  ASSERT_TRUE(loop);
  EXPECT_TRUE(loop->region(0)->front()->first->is(Opcode::ttg_local_alloc));
}

TEST_F(Passes, ViewsAndConversionsAreFree) {
  ok(sharedKernel(R"(
    %a = ttg.local_alloc : () -> !ttg.memdesc<2x8xf32, #s, #smem, mutable>
    scf.for %i = %c0 to %n step %c1  : i32 {
      %v = ttg.memdesc_index %a[%c1] : !ttg.memdesc<2x8xf32, #s, #smem, mutable> -> !m
      %w = ttg.memdesc_index %a[%c1] : !ttg.memdesc<2x8xf32, #s, #smem, mutable> -> !m
      %k = ttg.async_copy_global_to_local %p, %v : !p -> <8xf32, #s, #smem, mutable>
      %g = ttg.async_commit_group tokens %k
      %t = ttg.async_wait %g {num = 0 : i32}
      %l = ttg.local_load %w token %t : !m -> !x
      tt.store %p, %l : !p
    }
)"), "cse,licm,dce,canonicalize");
  EXPECT_EQ(count(*m, Opcode::ttg_memdesc_index), 1u);
  Op *loop = find(*m, Opcode::scf_for);
  ASSERT_TRUE(loop && loop->prev);
  EXPECT_TRUE(loop->prev->is(Opcode::ttg_memdesc_index));
  EXPECT_EQ(count(*m, Opcode::ttg_async_copy_global_to_local), 1u);
  EXPECT_EQ(count(*m, Opcode::ttg_async_commit_group), 1u);
}

} // namespace
