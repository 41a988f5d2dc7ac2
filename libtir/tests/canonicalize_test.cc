// SPDX-License-Identifier: MIT
// Each row of rewrites.inc: a kernel in which it applies, and the interpreter agrees before and after.
#include "pass_support.hh"
#include "pass/rewriter.hh"
#include "verify/verify.hh"
#include <gtest/gtest.h>

using namespace tir;
using namespace tir::test;

namespace {

struct Case {
  const char *rows;    // names of rows that must apply, separated by blanks
  const char *element; // of the buffers
  // Computes %r : tensor<64xE> from %x : tensor<64xE>, %y (another one), %n : i32, %range, %xp : pointers.
  // E stands for the element type in this text.
  const char *body;
};

const Case cases[] = {
    {"constant_operands", "i32", R"(
      %a = arith.constant dense<7> : tensor<64xi32>
      %b = arith.constant dense<-3> : tensor<64xi32>
      %c = arith.muli %a, %b : tensor<64xi32>
      %r = arith.xori %x, %c : tensor<64xi32>)"},
    {"constant_operands", "f32", R"(
      %a = arith.constant dense<1.500000e+00> : tensor<64xf32>
      %b = arith.constant dense<3.000000e-01> : tensor<64xf32>
      %c = arith.mulf %a, %b : tensor<64xf32>
      %d = arith.truncf %c : tensor<64xf32> to tensor<64xf16>
      %e = arith.extf %d : tensor<64xf16> to tensor<64xf32>
      %f = arith.divf %e, %a : tensor<64xf32>
      %r = arith.addf %x, %f : tensor<64xf32>)"},
    {"constant_operands", "i32", R"(
      %a = arith.constant -7 : i32
      %b = arith.constant 2 : i32
      %c = arith.divsi %a, %b : i32
      %d = arith.remsi %a, %b : i32
      %e = arith.shrsi %a, %b : i32
      %f = arith.shrui %a, %b : i32
      %g = arith.shli %a, %b : i32
      %h = arith.maxsi %c, %e : i32
      %i = arith.minui %f, %g : i32
      %j = arith.cmpi ult, %a, %b : i32
      %k = arith.select %j, %h, %i : i32
      %l = arith.addi %k, %d : i32
      %m = arith.extsi %l : i32 to i64
      %o = arith.trunci %m : i64 to i8
      %p = arith.extui %o : i8 to i32
      %q = arith.sitofp %p : i32 to f32
      %s = arith.fptosi %q : f32 to i32
      %t = tt.splat %s : i32 -> tensor<64xi32>
      %r = arith.addi %x, %t : tensor<64xi32>)"},
    {"constant_operands", "i32", R"(
      %a = arith.constant 1.250000e+00 : f32
      %b = arith.constant -2.500000e+00 : f32
      %c = arith.cmpf ult, %b, %a : f32
      %d = arith.cmpf oge, %b, %a : f32
      %e = arith.cmpf une, %b, %a : f32
      %f = arith.extui %c : i1 to i32
      %g = arith.extui %d : i1 to i32
      %h = arith.extui %e : i1 to i32
      %i = arith.minnumf %a, %b : f32
      %j = arith.negf %i : f32
      %k = arith.bitcast %j : f32 to i32
      %l = arith.addi %f, %k : i32
      %m = arith.shli %g, %h : i32
      %o = arith.ori %l, %m : i32
      %t = tt.splat %o : i32 -> tensor<64xi32>
      %r = arith.addi %x, %t : tensor<64xi32>)"},
    {"constant_right muli_one", "i32", R"(
      %a = arith.constant dense<1> : tensor<64xi32>
      %r = arith.muli %a, %x : tensor<64xi32>)"},
    {"addi_zero", "i32", R"(
      %a = arith.constant dense<0> : tensor<64xi32>
      %r = arith.addi %x, %a : tensor<64xi32>)"},
    {"addi_addi", "i8", R"(
      %a = arith.constant dense<100> : tensor<64xi8>
      %b = arith.addi %x, %a : tensor<64xi8>
      %r = arith.addi %b, %a : tensor<64xi8>)"},
    {"subi_zero subi_self", "i32", R"(
      %a = arith.subi %x, %x : tensor<64xi32>
      %r = arith.subi %y, %a : tensor<64xi32>)"},
    {"muli_zero", "i32", R"(
      %a = arith.constant dense<0> : tensor<64xi32>
      %b = arith.muli %x, %a : tensor<64xi32>
      %r = arith.ori %b, %y : tensor<64xi32>)"},
    {"div_one rem_one", "i32", R"(
      %a = arith.constant dense<1> : tensor<64xi32>
      %b = arith.divsi %x, %a : tensor<64xi32>
      %c = arith.divui %b, %a : tensor<64xi32>
      %d = arith.remsi %x, %a : tensor<64xi32>
      %e = arith.remui %x, %a : tensor<64xi32>
      %f = arith.addi %d, %e : tensor<64xi32>
      %r = arith.addi %c, %f : tensor<64xi32>)"},
    {"andi_identity andi_zero", "i32", R"(
      %a = arith.constant dense<-1> : tensor<64xi32>
      %z = arith.constant dense<0> : tensor<64xi32>
      %b = arith.andi %x, %a : tensor<64xi32>
      %c = arith.andi %b, %b : tensor<64xi32>
      %d = arith.andi %y, %z : tensor<64xi32>
      %r = arith.subi %c, %d : tensor<64xi32>)"},
    {"ori_identity ori_ones", "i32", R"(
      %a = arith.constant dense<-1> : tensor<64xi32>
      %z = arith.constant dense<0> : tensor<64xi32>
      %b = arith.ori %x, %z : tensor<64xi32>
      %c = arith.ori %b, %b : tensor<64xi32>
      %d = arith.ori %y, %a : tensor<64xi32>
      %r = arith.subi %c, %d : tensor<64xi32>)"},
    {"xori_zero xori_self xori_xori", "i32", R"(
      %z = arith.constant dense<0> : tensor<64xi32>
      %k = arith.constant dense<12> : tensor<64xi32>
      %l = arith.constant dense<10> : tensor<64xi32>
      %a = arith.xori %x, %z : tensor<64xi32>
      %b = arith.xori %a, %k : tensor<64xi32>
      %c = arith.xori %b, %l : tensor<64xi32>
      %d = arith.xori %y, %y : tensor<64xi32>
      %r = arith.subi %c, %d : tensor<64xi32>)"},
    {"shift_zero", "i32", R"(
      %z = arith.constant dense<0> : tensor<64xi32>
      %a = arith.shli %x, %z : tensor<64xi32>
      %b = arith.shrsi %a, %z : tensor<64xi32>
      %r = arith.shrui %b, %z : tensor<64xi32>)"},
    {"min_max_self", "i32", R"(
      %a = arith.minsi %x, %x : tensor<64xi32>
      %b = arith.maxsi %a, %a : tensor<64xi32>
      %c = arith.minui %b, %b : tensor<64xi32>
      %r = arith.maxui %c, %c : tensor<64xi32>)"},
    {"min_max_self", "f32", R"(
      %a = arith.minimumf %x, %x : tensor<64xf32>
      %b = arith.maximumf %a, %a : tensor<64xf32>
      %c = arith.minnumf %b, %b : tensor<64xf32>
      %r = arith.maxnumf %c, %c : tensor<64xf32>)"},
    {"cmpi_right", "i32", R"(
      %k = arith.constant dense<100> : tensor<64xi32>
      %a = arith.cmpi slt, %k, %x : tensor<64xi32>
      %b = arith.cmpi uge, %k, %x : tensor<64xi32>
      %c = arith.extui %a : tensor<64xi1> to tensor<64xi32>
      %d = arith.extsi %b : tensor<64xi1> to tensor<64xi32>
      %r = arith.subi %c, %d : tensor<64xi32>)"},
    {"cmpi_self cmpi_unsigned_zero", "i32", R"(
      %z = arith.constant dense<0> : tensor<64xi32>
      %a = arith.cmpi sle, %x, %x : tensor<64xi32>
      %b = arith.cmpi ugt, %x, %x : tensor<64xi32>
      %c = arith.cmpi ult, %x, %z : tensor<64xi32>
      %d = arith.cmpi uge, %x, %z : tensor<64xi32>
      %e = arith.ori %a, %b : tensor<64xi1>
      %f = arith.xori %c, %d : tensor<64xi1>
      %g = arith.andi %e, %f : tensor<64xi1>
      %h = arith.extui %g : tensor<64xi1> to tensor<64xi32>
      %r = arith.addi %x, %h : tensor<64xi32>)"},
    {"cmpi_bool", "i32", R"(
      %t = arith.constant dense<true> : tensor<64xi1>
      %f = arith.constant dense<false> : tensor<64xi1>
      %a = arith.cmpi slt, %x, %y : tensor<64xi32>
      %b = arith.cmpi eq, %a, %t : tensor<64xi1>
      %c = arith.cmpi ne, %b, %f : tensor<64xi1>
      %r = arith.extsi %c : tensor<64xi1> to tensor<64xi32>)"},
    {"select_constant select_same", "i32", R"(
      %t = arith.constant dense<true> : tensor<64xi1>
      %f = arith.constant false
      %a = arith.select %t, %x, %y : tensor<64xi1>, tensor<64xi32>
      %b = arith.select %f, %x, %y : tensor<64xi32>
      %c = arith.cmpi slt, %x, %y : tensor<64xi32>
      %d = arith.select %c, %b, %b : tensor<64xi1>, tensor<64xi32>
      %r = arith.subi %a, %d : tensor<64xi32>)"},
    {"select_bool select_not", "i32", R"(
      %t = arith.constant dense<true> : tensor<64xi1>
      %f = arith.constant dense<false> : tensor<64xi1>
      %a = arith.cmpi slt, %x, %y : tensor<64xi32>
      %b = arith.select %a, %t, %f : tensor<64xi1>, tensor<64xi1>
      %c = arith.xori %b, %t : tensor<64xi1>
      %r = arith.select %c, %x, %y : tensor<64xi1>, tensor<64xi32>)"},
    {"ext_ext trunci_ext trunci_trunci", "i16", R"(
      %a = arith.extsi %x : tensor<64xi16> to tensor<64xi32>
      %b = arith.extsi %a : tensor<64xi32> to tensor<64xi64>
      %c = arith.extui %y : tensor<64xi16> to tensor<64xi32>
      %d = arith.extui %c : tensor<64xi32> to tensor<64xi64>
      %e = arith.extsi %c : tensor<64xi32> to tensor<64xi64>
      %f = arith.addi %b, %d : tensor<64xi64>
      %g = arith.subi %f, %e : tensor<64xi64>
      %h = arith.trunci %g : tensor<64xi64> to tensor<64xi32>
      %i = arith.trunci %h : tensor<64xi32> to tensor<64xi16>
      %j = arith.trunci %a : tensor<64xi32> to tensor<64xi16>
      %k = arith.trunci %d : tensor<64xi64> to tensor<64xi32>
      %l = arith.trunci %k : tensor<64xi32> to tensor<64xi8>
      %m = arith.extsi %l : tensor<64xi8> to tensor<64xi16>
      %o = arith.xori %i, %j : tensor<64xi16>
      %r = arith.xori %o, %m : tensor<64xi16>)"},
    {"bitcast_same bitcast_bitcast", "f32", R"(
      %a = arith.bitcast %x : tensor<64xf32> to tensor<64xi32>
      %b = arith.bitcast %a : tensor<64xi32> to tensor<64xf32>
      %c = tt.bitcast %b : tensor<64xf32> -> tensor<64xi32>
      %r = tt.bitcast %c : tensor<64xi32> -> tensor<64xf32>)"},
    {"addf_zero subf_zero mulf_one negf_negf", "f32", R"(
      %z = arith.constant dense<-0.000000e+00> : tensor<64xf32>
      %p = arith.constant dense<0.000000e+00> : tensor<64xf32>
      %o = arith.constant dense<1.000000e+00> : tensor<64xf32>
      %a = arith.addf %x, %z : tensor<64xf32>
      %b = arith.subf %a, %p : tensor<64xf32>
      %c = arith.mulf %b, %o : tensor<64xf32>
      %d = arith.divf %c, %o : tensor<64xf32>
      %e = arith.negf %d : tensor<64xf32>
      %r = arith.negf %e : tensor<64xf32>)"},
    {"extf_extf truncf_extf fp_to_fp_same", "f16", R"(
      %a = arith.extf %x : tensor<64xf16> to tensor<64xf32>
      %b = arith.extf %a : tensor<64xf32> to tensor<64xf64>
      %c = arith.truncf %b : tensor<64xf64> to tensor<64xf16>
      %r = tt.fp_to_fp %c : tensor<64xf16> -> tensor<64xf16>)"},
    {"splat_constant", "i32", R"(
      %a = arith.constant 5 : i32
      %b = tt.splat %a : i32 -> tensor<64xi32>
      %r = arith.addi %x, %b : tensor<64xi32>)"},
    {"unsplat_of_splat", "i32", R"(
      %a = tt.splat %n : i32 -> tensor<1x1xi32>
      %b = tt.unsplat %a : tensor<1x1xi32>
      %c = arith.constant dense<9> : tensor<1xi32>
      %d = tt.unsplat %c : tensor<1xi32>
      %e = arith.addi %b, %d : i32
      %f = tt.splat %e : i32 -> tensor<64xi32>
      %r = arith.addi %x, %f : tensor<64xi32>)"},
    {"shape_same shape_of_splat broadcast_broadcast reshape_same", "i32", R"(
      %a = tt.splat %n : i32 -> tensor<8x1xi32>
      %b = tt.broadcast %a : tensor<8x1xi32> -> tensor<8x8xi32>
      %c = tt.reshape %b : tensor<8x8xi32> -> tensor<64xi32>
      %d = tt.make_range {end = 8 : i32, start = 0 : i32} : tensor<8xi32>
      %e = tt.reshape %d : tensor<8xi32> -> tensor<8x1x1xi32>
      %f = tt.broadcast %e : tensor<8x1x1xi32> -> tensor<8x2x1xi32>
      %g = tt.broadcast %f : tensor<8x2x1xi32> -> tensor<8x2x4xi32>
      %h = tt.broadcast %g : tensor<8x2x4xi32> -> tensor<8x2x4xi32>
      %i = tt.reshape %h : tensor<8x2x4xi32> -> tensor<64xi32>
      %j = tt.reshape %i : tensor<64xi32> -> tensor<64xi32>
      %k = arith.addi %c, %j : tensor<64xi32>
      %r = arith.addi %x, %k : tensor<64xi32>)"},
    {"shape_of_splat", "i32", R"(
      %a = arith.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
      %b = tt.expand_dims %a {axis = 0 : i32} : tensor<4xi32> -> tensor<1x4xi32>
      %c = tt.broadcast %b : tensor<1x4xi32> -> tensor<16x4xi32>
      %d = tt.splat %n : i32 -> tensor<4x16xi32>
      %e = tt.trans %d {order = array<i32: 1, 0>} : tensor<4x16xi32> -> tensor<16x4xi32>
      %f = arith.addi %c, %e : tensor<16x4xi32>
      %g = tt.reshape %f : tensor<16x4xi32> -> tensor<64xi32>
      %r = arith.addi %x, %g : tensor<64xi32>)"},
    {"reshape_reshape reshape_expand_dims", "i32", R"(
      %a = tt.reshape %x : tensor<64xi32> -> tensor<8x8xi32>
      %b = tt.reshape %a : tensor<8x8xi32> -> tensor<2x32xi32>
      %c = tt.trans %b {order = array<i32: 1, 0>} : tensor<2x32xi32> -> tensor<32x2xi32>
      %d = tt.expand_dims %c {axis = 1 : i32} : tensor<32x2xi32> -> tensor<32x1x2xi32>
      %e = tt.reshape %d : tensor<32x1x2xi32> -> tensor<32x2xi32>
      %f = tt.reshape %e : tensor<32x2xi32> -> tensor<4x16xi32>
      %g = tt.trans %f {order = array<i32: 1, 0>} : tensor<4x16xi32> -> tensor<16x4xi32>
      %r = tt.reshape %g : tensor<16x4xi32> -> tensor<64xi32>)"},
    {"trans_identity trans_trans", "i32", R"(
      %a = tt.reshape %x : tensor<64xi32> -> tensor<2x4x8xi32>
      %b = tt.trans %a {order = array<i32: 0, 1, 2>} : tensor<2x4x8xi32> -> tensor<2x4x8xi32>
      %c = tt.trans %b {order = array<i32: 2, 0, 1>} : tensor<2x4x8xi32> -> tensor<8x2x4xi32>
      %d = tt.trans %c {order = array<i32: 1, 0, 2>} : tensor<8x2x4xi32> -> tensor<2x8x4xi32>
      %r = tt.reshape %d : tensor<2x8x4xi32> -> tensor<64xi32>)"},
    {"make_range_one", "i32", R"(
      %a = tt.make_range {end = 6 : i32, start = 5 : i32} : tensor<1xi32>
      %b = tt.broadcast %a : tensor<1xi32> -> tensor<64xi32>
      %r = arith.addi %x, %b : tensor<64xi32>)"},
    {"split_join join_split", "i32", R"(
      %a = tt.join %x, %y : tensor<64xi32> -> tensor<64x2xi32>
      %b, %c = tt.split %a : tensor<64x2xi32> -> tensor<64xi32>
      %d = tt.reshape %c : tensor<64xi32> -> tensor<32x2xi32>
      %e, %f = tt.split %d : tensor<32x2xi32> -> tensor<32xi32>
      %g = tt.join %e, %f : tensor<32xi32> -> tensor<32x2xi32>
      %h = tt.reshape %g : tensor<32x2xi32> -> tensor<64xi32>
      %r = arith.subi %b, %h : tensor<64xi32>)"},
    {"addptr_zero load_mask", "i32", R"(
      %z = arith.constant dense<0> : tensor<64xi32>
      %k = arith.constant dense<3> : tensor<64xi32>
      %t = arith.constant dense<true> : tensor<64xi1>
      %f = arith.constant dense<false> : tensor<64xi1>
      %p = tt.addptr %xp, %z : tensor<64x!tt.ptr<i32>>, tensor<64xi32>
      %a = tt.load %p, %t, %z : tensor<64x!tt.ptr<i32>>
      %b = tt.load %p, %f, %k : tensor<64x!tt.ptr<i32>>
      %r = arith.addi %a, %b : tensor<64xi32>)"},
    {"store_mask atomic_store_mask", "i32", R"(
      %t = arith.constant dense<true> : tensor<64xi1>
      %f = arith.constant dense<false> : tensor<64xi1>
      tt.store %xp, %range, %t : tensor<64x!tt.ptr<i32>>
      tt.store %xp, %y, %f : tensor<64x!tt.ptr<i32>>
      tt.atomic_store release, gpu, %xp, %y, %f : tensor<64x!tt.ptr<i32>>
      %r = tt.load %xp : tensor<64x!tt.ptr<i32>>)"},
    {"assert_true assume_true", "i32", R"(
      %a = arith.cmpi eq, %n, %n : i32
      llvm.intr.assume %a : i1
      %b = tt.splat %a : i1 -> tensor<64xi1>
      tt.assert %b, "never" : tensor<64xi1>
      %r = arith.addi %x, %y : tensor<64xi32>)"},
    {"if_constant", "i32", R"(
      %t = arith.constant true
      %f = arith.constant false
      %a = scf.if %t -> (tensor<64xi32>) {
        %b = arith.addi %x, %y : tensor<64xi32>
        scf.yield %b : tensor<64xi32>
      } else {
        scf.yield %x : tensor<64xi32>
      }
      scf.if %f {
        tt.store %xp, %range : tensor<64x!tt.ptr<i32>>
      }
      %r = scf.if %f -> (tensor<64xi32>) {
        scf.yield %x : tensor<64xi32>
      } else {
        tt.store %xp, %a : tensor<64x!tt.ptr<i32>>
        scf.yield %a : tensor<64xi32>
      })"},
    {"if_select", "i32", R"(
      %k = arith.constant 32 : i32
      %c = arith.cmpi sgt, %n, %k : i32
      %a:2 = scf.if %c -> (i32, tensor<64xi32>) {
        scf.yield %n, %x : i32, tensor<64xi32>
      } else {
        scf.yield %k, %x : i32, tensor<64xi32>
      }
      %b = tt.splat %a#0 : i32 -> tensor<64xi32>
      %r = arith.addi %a#1, %b : tensor<64xi32>)"},
    {"for_never for_once", "i32", R"(
      %c0 = arith.constant 0 : i32
      %c4 = arith.constant 4 : i32
      %c9 = arith.constant 9 : i32
      %a = scf.for %i = %c4 to %c0 step %c9 iter_args(%v = %x) -> (tensor<64xi32>)  : i32 {
        %w = arith.addi %v, %y : tensor<64xi32>
        scf.yield %w : tensor<64xi32>
      }
      %r = scf.for %i = %c4 to %c9 step %c9 iter_args(%v = %a) -> (tensor<64xi32>)  : i32 {
        %s = tt.splat %i : i32 -> tensor<64xi32>
        %w = arith.addi %v, %s : tensor<64xi32>
        scf.yield %w : tensor<64xi32>
      })"},
    {"for_invariant", "i32", R"(
      %c0 = arith.constant 0 : i32
      %c1 = arith.constant 1 : i32
      %a:3 = scf.for %i = %c0 to %n step %c1 iter_args(%v = %x, %u = %y, %k = %n) -> (tensor<64xi32>, tensor<64xi32>, i32)  : i32 {
        %w = arith.addi %v, %u : tensor<64xi32>
        %s = tt.splat %k : i32 -> tensor<64xi32>
        %q = arith.xori %w, %s : tensor<64xi32>
        scf.yield %q, %u, %n : tensor<64xi32>, tensor<64xi32>, i32
      }
      %s = tt.splat %a#2 : i32 -> tensor<64xi32>
      %o = arith.addi %a#0, %a#1 : tensor<64xi32>
      %r = arith.addi %o, %s : tensor<64xi32>)"},
    {"cond_br_constant", "i32", R"(
      %f = arith.constant false
      %k = arith.constant 3 : i32
      cf.cond_br %f, ^bb1, ^bb2(%k : i32)
    ^bb1:
      tt.store %xp, %range : tensor<64x!tt.ptr<i32>>
      cf.br ^bb2(%n : i32)
    ^bb2(%j: i32):
      %s = tt.splat %j : i32 -> tensor<64xi32>
      %r = arith.addi %x, %s : tensor<64xi32>)"},
};

std::string kernelOf(const Case &c) {
  std::string text = R"(module {
  tt.func public @k(%out: !tt.ptr<E>, %in: !tt.ptr<E>, %in2: !tt.ptr<E>, %n: i32) {
      %range = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32>
      %xs = tt.splat %in : !tt.ptr<E> -> tensor<64x!tt.ptr<E>>
      %xp = tt.addptr %xs, %range : tensor<64x!tt.ptr<E>>, tensor<64xi32>
      %x = tt.load %xp : tensor<64x!tt.ptr<E>>
      %ys = tt.splat %in2 : !tt.ptr<E> -> tensor<64x!tt.ptr<E>>
      %yp = tt.addptr %ys, %range : tensor<64x!tt.ptr<E>>, tensor<64xi32>
      %y = tt.load %yp : tensor<64x!tt.ptr<E>>)";
  text += c.body;
  text += R"(
      %os = tt.splat %out : !tt.ptr<E> -> tensor<64x!tt.ptr<E>>
      %op = tt.addptr %os, %range : tensor<64x!tt.ptr<E>>, tensor<64xi32>
      tt.store %op, %r : tensor<64x!tt.ptr<E>>
      tt.return
  }
}
)";
  for (size_t at; (at = text.find("<E>")) != std::string::npos;) text.replace(at + 1, 1, c.element);
  return text;
}

TEST(Canonicalize, EachRowAppliesAndKeepsTheMeaning) {
  Span<Rewrite> table = rewriteTable();
  std::vector<unsigned> seen(table.size(), 0);
  for (const Case &c : cases) {
    SCOPED_TRACE(c.rows);
    TestContext t;
    std::unique_ptr<Module> m = t.parse(kernelOf(c));
    ASSERT_TRUE(m) << t.messages;
    ASSERT_TRUE(verifyModule(*m).ok()) << t.messages;
    Outcome before = interpret(*m, 1, 1 << 20);
    ASSERT_TRUE(before.status.ok()) << before.status.message;
    std::string text = print(*m);
    std::vector<unsigned> applied;
    EXPECT_TRUE(canonicalize(*m, &applied));
    ASSERT_TRUE(verifyModule(*m).ok()) << t.messages << print(*m);
    for (unsigned i = 0; i < table.size(); ++i) {
      seen[i] += applied[i];
      std::string rows = std::string(" ") + c.rows + " ";
      if (rows.find(std::string(" ") + table[i].name + " ") == std::string::npos) continue;
      bool any = false; // a row's function may stand under several operations
      for (unsigned k = 0; k < table.size(); ++k) any |= table[k].run == table[i].run && applied[k];
      EXPECT_TRUE(any) << table[i].name << " did not apply\n" << text << "gave\n" << print(*m);
    }
    Outcome after = interpret(*m, 1, 1 << 20);
    ASSERT_TRUE(after.status.ok()) << after.status.message;
    EXPECT_EQ(difference(*m, before, after), "") << text << "gave\n" << print(*m);
    EXPECT_FALSE(canonicalize(*m, nullptr)) << "not finished after one run:\n" << print(*m);
  }
  for (unsigned i = 0; i < table.size(); ++i)
    EXPECT_GT(seen[i], 0u) << table[i].name << " of " << opInfo(table[i].code).name << " has no case here";
}

// What must stay: undefined or unspecified results are not folded, hints of rounding and overflow are obeyed.
TEST(Canonicalize, Keeps) {
  const char *bodies[] = {
      "%a = arith.constant dense<0> : tensor<64xi32>\n%r = arith.divsi %x, %a : tensor<64xi32>",
      "%a = arith.constant dense<0> : tensor<64xi32>\n%b = arith.constant dense<5> : tensor<64xi32>\n"
      "%r = arith.remui %b, %a : tensor<64xi32>",
      "%a = arith.constant dense<32> : tensor<64xi32>\n%b = arith.constant dense<5> : tensor<64xi32>\n"
      "%r = arith.shli %b, %a : tensor<64xi32>",
      "%f = arith.constant dense<false> : tensor<64xi1>\n%r = tt.load %xp, %f : tensor<64x!tt.ptr<i32>>",
      "%a = arith.constant dense<3> : tensor<64xi32>\n%b = arith.addi %x, %a overflow<nsw> : tensor<64xi32>\n"
      "%r = arith.addi %b, %a : tensor<64xi32>",
  };
  for (const char *body : bodies) {
    SCOPED_TRACE(body);
    TestContext t;
    std::unique_ptr<Module> m = t.parse(kernelOf(Case{"", "i32", (std::string("\n") + body).c_str()}));
    ASSERT_TRUE(m) << t.messages;
    (void)passDce(*m, {}); // what the frame around the case does not need
    std::string text = print(*m);
    EXPECT_FALSE(canonicalize(*m, nullptr)) << print(*m);
    EXPECT_EQ(print(*m), text);
  }
}

TEST(Canonicalize, TableIsSound) {
  for (const Rewrite &r : rewriteTable()) {
    EXPECT_TRUE(r.run && r.name && *r.summary);
    EXPECT_EQ(std::string(r.summary).find('\n'), std::string::npos);
  }
}

} // namespace
