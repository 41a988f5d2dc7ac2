// SPDX-License-Identifier: MIT
// Constant folding: the value of one element of an operation, from the bits of its operands' elements. What the
// numerics leave open (division by zero, shifts by the width, conversions out of range, a payload of a NaN) is not
// folded, so that the interpreter still sees it.
#include "rewriter.hh"
#include "common/numfmt.hh"
#include <cmath>

namespace tir {
namespace {

namespace num = tessera::num;

struct Element {
  const Op *op;
  Type in, out;       // element types of the first operand and of the result
  unsigned wi, wo;    // their widths
  uint64_t a, b, c;   // operands
  int64_t predicate;  // of comparisons
  uint64_t result;

  int64_t sa() const { return signExtend(a, wi); }
  int64_t sb() const { return signExtend(b, wi); }
  bool give(uint64_t bits) {
    result = bits & lowMask(wo);
    return true;
  }
  num::Format fin() const { return static_cast<num::Format>(in->fkind); }
  num::Format fout() const { return static_cast<num::Format>(out->fkind); }
  double fa() const { return num::decode(fin(), a); }
  double fb() const { return num::decode(fin(), b); }
  /// Sums, differences, products and quotients of at most 24 bits are rounded once even when they pass through
  /// double; double's own arithmetic is double's.
  bool give_float(double v) {
    if (v != v) return false;
    result = num::encode(fout(), v);
    return true;
  }
};

bool evalInt(Element &e) {
  switch (e.op->code) {
  case Opcode::arith_addi: return e.give(e.a + e.b);
  case Opcode::arith_subi: return e.give(e.a - e.b);
  case Opcode::arith_muli: return e.give(e.a * e.b);
  case Opcode::arith_andi: return e.give(e.a & e.b);
  case Opcode::arith_ori: return e.give(e.a | e.b);
  case Opcode::arith_xori: return e.give(e.a ^ e.b);
  case Opcode::arith_divui: return e.b && e.give(e.a / e.b);
  case Opcode::arith_remui: return e.b && e.give(e.a % e.b);
  case Opcode::arith_divsi:
  case Opcode::arith_remsi:
    if (!e.sb() || (e.sb() == -1 && e.a == uint64_t(1) << (e.wi - 1))) return false;
    if (e.sb() == -1) return e.give(e.op->is(Opcode::arith_divsi) ? 0 - e.a : 0);
    return e.give(static_cast<uint64_t>(e.op->is(Opcode::arith_divsi) ? e.sa() / e.sb() : e.sa() % e.sb()));
  case Opcode::arith_shli: return e.b < e.wi && e.give(e.a << e.b);
  case Opcode::arith_shrui: return e.b < e.wi && e.give(e.a >> e.b);
  case Opcode::arith_shrsi: return e.b < e.wi && e.give(static_cast<uint64_t>(e.sa() >> e.b));
  case Opcode::arith_minsi: return e.give(e.sa() < e.sb() ? e.a : e.b);
  case Opcode::arith_maxsi: return e.give(e.sa() > e.sb() ? e.a : e.b);
  case Opcode::arith_minui: return e.give(e.a < e.b ? e.a : e.b);
  case Opcode::arith_maxui: return e.give(e.a > e.b ? e.a : e.b);
  case Opcode::arith_cmpi:
    switch (e.predicate) {
    case 0: return e.give(e.a == e.b);
    case 1: return e.give(e.a != e.b);
    case 2: return e.give(e.sa() < e.sb());
    case 3: return e.give(e.sa() <= e.sb());
    case 4: return e.give(e.sa() > e.sb());
    case 5: return e.give(e.sa() >= e.sb());
    case 6: return e.give(e.a < e.b);
    case 7: return e.give(e.a <= e.b);
    case 8: return e.give(e.a > e.b);
    case 9: return e.give(e.a >= e.b);
    default: return false;
    }
  case Opcode::arith_extsi:
  case Opcode::arith_index_cast: return e.give(static_cast<uint64_t>(e.sa()));
  case Opcode::arith_extui:
  case Opcode::arith_index_castui:
  case Opcode::arith_trunci: return e.give(e.a);
  case Opcode::math_absi: return e.give(e.sa() < 0 ? 0 - e.a : e.a);
  case Opcode::arith_sitofp:
  case Opcode::arith_uitofp: {
    bool negative = e.op->is(Opcode::arith_sitofp) && e.sa() < 0;
    e.result = num::encode_int(e.fout(), negative, negative ? 0 - static_cast<uint64_t>(e.sa()) : e.a);
    return true;
  }
  default: return false;
  }
}

bool evalFloat(Element &e) {
  double a = e.fa(), b = e.fb();
  switch (e.op->code) {
  case Opcode::arith_addf: return e.give_float(a + b);
  case Opcode::arith_subf: return e.give_float(a - b);
  case Opcode::arith_mulf: return e.give_float(a * b);
  case Opcode::arith_divf: // the correctly rounded quotient is within every target's bound
  case Opcode::tt_precise_divf: return b != 0 && e.give_float(a / b);
  case Opcode::arith_negf: return a == a && e.give(e.a ^ uint64_t(1) << (e.wi - 1));
  case Opcode::math_absf: return a == a && e.give_float(std::fabs(a));
  case Opcode::math_floor: return e.give_float(std::floor(a));
  case Opcode::math_ceil: return e.give_float(std::ceil(a));
  case Opcode::arith_minimumf:
  case Opcode::arith_minnumf:
    return a == a && b == b && e.give(a < b || (a == b && std::signbit(a)) ? e.a : e.b);
  case Opcode::arith_maximumf:
  case Opcode::arith_maxnumf:
    return a == a && b == b && e.give(a > b || (a == b && !std::signbit(a)) ? e.a : e.b);
  case Opcode::arith_cmpf: {
    // Numbers 0 … 7 are sets of {1 equal, 2 greater, 4 less}; 8 … 13 are 1 … 6 with "or unordered"; 14 is only
    // that, 15 everything.
    if (e.predicate < 0 || e.predicate > 15) return false;
    unsigned p = static_cast<unsigned>(e.predicate), set = p < 8 ? p : p < 14 ? p - 7 : p == 14 ? 0 : 7;
    return e.give(a != a || b != b ? p >= 8 : (set & (a < b ? 4 : a > b ? 2 : 1)) != 0);
  }
  case Opcode::arith_extf: return a == a && e.wo > e.wi && e.give_float(a);
  case Opcode::arith_truncf: return a == a && e.wo < e.wi && e.give_float(a);
  case Opcode::arith_fptosi:
    if (!(std::fabs(a) < 9e18)) return false;
    return signExtend(static_cast<uint64_t>(static_cast<int64_t>(a)), e.wo) == static_cast<int64_t>(a) &&
           e.give(static_cast<uint64_t>(static_cast<int64_t>(a)));
  case Opcode::arith_fptoui:
    if (!(a > -1 && a < 9e18)) return false;
    return static_cast<uint64_t>(a) <= lowMask(e.wo) && e.give(static_cast<uint64_t>(a));
  default: return false;
  }
}

bool eval(Element &e) {
  if (e.op->is(Opcode::arith_select)) return e.give(e.a ? e.b : e.c);
  if (e.op->is(Opcode::arith_bitcast)) return e.wi == e.wo && e.give(e.a);
  return e.in->isFloat() ? evalFloat(e) : evalInt(e);
}

} // namespace

bool foldConstants(Op *op, Rewriter &rw) {
  if (op->numResults() != 1 || !op->numOperands() || op->numOperands() > 3 || !plain(op) ||
      !op->info().has(TraitElementwise) || !op->info().has(TraitPure))
    return false;
  Constant in[3];
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    if (!op->operand(i)->def || !op->operand(i)->def->is(Opcode::arith_constant)) return false;
    in[i] = Constant(op->operand(i));
    if (!in[i]) return false;
  }
  Type t = op->result()->type;
  unsigned last = op->is(Opcode::arith_select) ? 1 : 0; // operand whose type counts
  Element e{op, in[last].elem, t->scalar(), in[last].width, scalarWidth(t->scalar()), 0, 0, 0, 0, 0};
  if (op->is(Opcode::arith_cmpi) || op->is(Opcode::arith_cmpf)) e.predicate = op->intAttr("predicate", -1);
  if (!e.wo) return false;
  if (op->is(Opcode::arith_select)) e.in = rw.ctx.i1(), e.wi = 1;
  uint64_t n = 1;
  for (unsigned i = 0; i < op->numOperands(); ++i)
    if (!in[i].splat) n = static_cast<uint64_t>(in[i].type->count());
  if (n > 4096) return false; // tables belong into code, not into the module
  std::vector<uint64_t> out(n);
  for (uint64_t i = 0; i < n; ++i) {
    e.a = in[0].at(i);
    if (op->numOperands() > 1) e.b = in[1].at(i);
    if (op->numOperands() > 2) e.c = in[2].at(i);
    if (!eval(e)) return false;
    out[i] = e.result;
  }
  rw.replaceOp(op, rw.constant(op, t, {out.data(), static_cast<uint32_t>(n)}));
  return true;
}

} // namespace tir
