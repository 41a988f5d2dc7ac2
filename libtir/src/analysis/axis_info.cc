// SPDX-License-Identifier: MIT
#include "axis_info.hh"
#include "constants.hh"
#include <algorithm>

namespace tir {
namespace {

constexpr int64_t kMax = int64_t(1) << 40; // what 0 is a multiple of, for us

int64_t lowBit(int64_t v) { return v ? std::min(v & -v, kMax) : kMax; }
int64_t product(int64_t a, int64_t b) { return a >= kMax / b ? kMax : a * b; }
/// The largest power of two that divides the size: all that group sizes along a dimension may be.
int64_t whole(int64_t size) { return lowBit(size); }

unsigned bitsOf(Type t) {
  t = t->scalar();
  return t->isPtr() || t->kind == TypeKind::Index ? 64 : t->width;
}
bool numeric(Type t) {
  t = t->scalar();
  return t->isInt() || t->isPtr() || t->kind == TypeKind::Index;
}
unsigned rankOf(Type t) { return t->isTensor() ? std::max(1u, t->rank()) : 1; }
int64_t sizeOf(Type t, unsigned d) { return t->isTensor() && d < t->rank() ? t->shape[d] : 1; }

/// A run that may be taken for one in a wider type: it starts at a multiple of its length, so it does not wrap.
AxisInfo widened(const AxisInfo &a, Type from) {
  AxisInfo r = a;
  int64_t limit = int64_t(1) << (std::min(bitsOf(from), 41u) - 1);
  for (AxisDim &d : r.dims) {
    int64_t run = std::max<int64_t>(1, std::min({d.contiguity, d.divisibility, limit}));
    if (run < d.contiguity) d.divisibility = std::min(d.divisibility, run);
    d.contiguity = run;
  }
  return r;
}

void setConstant(AxisInfo &r, Type t, int64_t value) {
  r.constant = true;
  r.value = value;
  r.nonNegative = value >= 0;
  for (unsigned d = 0; d < r.dims.size(); ++d)
    r.dims[d] = {1, lowBit(value), whole(sizeOf(t, d)), 1};
}

/// What a number with this constant value is after wrapping to the width of `t`.
int64_t wrapped(int64_t v, Type t) { return signExtend(static_cast<uint64_t>(v) & lowMask(bitsOf(t)), bitsOf(t)); }

} // namespace

int64_t pointeeBytes(Type pointers) {
  Type p = pointers->scalar();
  if (!p->isPtr() || !p->elem) return 1;
  Type e = p->elem->scalar();
  unsigned bits = e->isPtr() ? 64 : e->isInt() || e->isFloat() ? e->width : 8;
  return std::max(1u, bits / 8);
}

AxisInfo AxisInfoAnalysis::pessimistic(const Value *v) const {
  AxisInfo r;
  r.dims.resize(rankOf(v->type));
  if (v->type->scalar()->isPtr()) // every access is aligned to its element, or the program is wrong
    for (AxisDim &d : r.dims) d.divisibility = lowBit(pointeeBytes(v->type));
  return r;
}

const AxisInfo &AxisInfoAnalysis::info(const Value *v) const {
  if (v->id < infos.size() && infos[v->id].dims.size() == rankOf(v->type)) return infos[v->id];
  if (v->id >= unknown.size()) unknown.resize(v->id + 1);
  std::unique_ptr<AxisInfo> &u = unknown[v->id]; // references stay
  if (!u || u->dims.size() != rankOf(v->type)) u = std::make_unique<AxisInfo>(pessimistic(v));
  return *u;
}

const AxisInfo &AxisInfoAnalysis::known(const Value *v) const { return info(v); }

int64_t AxisInfoAnalysis::alignment(const Value *ptr, unsigned d) const {
  const AxisDim &a = info(ptr).dims[d];
  int64_t run = vectorWidth(ptr, d);
  return run < a.contiguity ? std::min(a.divisibility, run * pointeeBytes(ptr->type)) : a.divisibility;
}

int64_t AxisInfoAnalysis::maskConstancy(const Value *mask, unsigned d) const {
  return mask ? info(mask).dims[d].constancy : kMax;
}

int64_t AxisInfoAnalysis::vectorWidth(const Value *ptr, unsigned d, const Value *mask) const {
  const AxisDim &a = info(ptr).dims[d];
  int64_t run = std::min(a.contiguity, std::max<int64_t>(1, a.divisibility / pointeeBytes(ptr->type)));
  return mask ? std::min(run, maskConstancy(mask, d)) : run;
}

// ---- transfer functions ---------------------------------------------------------------------------------

namespace {

/// Runs and constants of a sum or difference: one operand counts up while the other stands still.
void sum(AxisInfo &r, const AxisInfo &a, const AxisInfo &b, bool difference) {
  for (unsigned d = 0; d < r.dims.size(); ++d) {
    const AxisDim &x = a.dims[d], &y = b.dims[d];
    AxisDim &o = r.dims[d];
    o.constancy = std::min(x.constancy, y.constancy);
    o.contiguity = std::min(x.contiguity, y.constancy);
    o.likely = std::min(x.likely, y.constancy);
    if (!difference) {
      o.contiguity = std::max(o.contiguity, std::min(x.constancy, y.contiguity));
      o.likely = std::max(o.likely, std::min(x.constancy, y.likely));
    }
    o.divisibility = std::min(a.divisibleAt(d, o.contiguity), b.divisibleAt(d, o.contiguity));
  }
}

/// `part` of the low bits of the dividend: in groups that start at a multiple of their length and do not straddle a
/// multiple of the divisor, the quotient stands still and the remainder counts.
int64_t aligned(const AxisDim &x, const AxisDim &y) {
  return std::min({x.contiguity, x.divisibility, y.divisibility, y.constancy});
}

void compare(AxisInfo &r, const Op *op, const AxisInfo &a, const AxisInfo &b) {
  enum { eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge };
  int64_t p = op->intAttr("predicate");
  bool left = p == slt || p == sge || p == ult || p == uge;  // x < r: no run of x straddles r
  bool right = p == sgt || p == sle || p == ugt || p == ule; // x > y is y < x
  int64_t limit = int64_t(1) << (std::min(bitsOf(op->operand(0)->type), 41u) - 1);
  for (unsigned d = 0; d < r.dims.size(); ++d) {
    const AxisDim &x = a.dims[d], &y = b.dims[d];
    int64_t k = std::min(x.constancy, y.constancy);
    if (left) k = std::max(k, std::min(limit, aligned(x, y)));
    if (right) k = std::max(k, std::min(limit, aligned(y, x)));
    r.dims[d] = {1, 1, std::max<int64_t>(1, k), 1};
  }
}

void quotient(AxisInfo &r, const AxisInfo &a, const AxisInfo &b, bool trusted, Type t) {
  for (unsigned d = 0; d < r.dims.size(); ++d) {
    const AxisDim &x = a.dims[d], &y = b.dims[d];
    AxisDim &o = r.dims[d];
    o.constancy = std::min(x.constancy, y.constancy);
    if (trusted) o.constancy = std::max(o.constancy, std::min(aligned(x, y), whole(sizeOf(t, d))));
    if (b.constant && b.value > 0 && (b.value & (b.value - 1)) == 0 && trusted)
      o.divisibility = std::max<int64_t>(1, a.divisibleAt(d, 1) / b.value);
  }
  r.nonNegative = a.nonNegative;
}

void remainder(AxisInfo &r, const AxisInfo &a, const AxisInfo &b, bool trusted) {
  for (unsigned d = 0; d < r.dims.size(); ++d) {
    const AxisDim &x = a.dims[d], &y = b.dims[d];
    AxisDim &o = r.dims[d];
    o.constancy = std::min(x.constancy, y.constancy);
    o.contiguity = trusted ? std::max<int64_t>(1, aligned(x, y)) : 1;
    o.likely = std::min(x.likely, y.constancy);
    o.divisibility = std::min(a.divisibleAt(d, o.contiguity), y.divisibility);
    if (y.contiguity > 1) o.divisibility = std::min(o.divisibility, b.divisibleAt(d, 1));
  }
  r.nonNegative = a.nonNegative;
}

/// x & (2^n - 1), x & -2^n, and what holds for all.
void conjunction(AxisInfo &r, const AxisInfo &a, const AxisInfo &b, Type t) {
  const AxisInfo *x = &a, *m = &b;
  if (a.constant) std::swap(x, m);
  for (unsigned d = 0; d < r.dims.size(); ++d) {
    AxisDim &o = r.dims[d];
    o.constancy = std::min(a.dims[d].constancy, b.dims[d].constancy);
    o.divisibility = std::max(a.divisibleAt(d, 1), b.divisibleAt(d, 1));
    if (!m->constant || m->value == 0) continue;
    const AxisDim &run = x->dims[d];
    if (m->value > 0 && !(m->value & (m->value + 1))) { // low bits: a remainder
      int64_t size = m->value + 1;
      o.contiguity = std::min({run.contiguity, run.divisibility, size});
      o.likely = run.likely;
      if (o.contiguity > 1) o.divisibility = x->divisibleAt(d, o.contiguity);
    } else if (m->value < 0 && lowBit(m->value) == -m->value) { // rounding down
      int64_t group = std::min({run.contiguity, run.divisibility, lowBit(m->value), whole(sizeOf(t, d))});
      o.constancy = std::max(o.constancy, group);
    }
  }
  r.nonNegative = a.nonNegative || b.nonNegative;
}

/// x | y, x ^ y where y has zeros below the runs of x: a sum.
void disjunction(AxisInfo &r, const AxisInfo &a, const AxisInfo &b) {
  for (unsigned d = 0; d < r.dims.size(); ++d) {
    const AxisDim &x = a.dims[d], &y = b.dims[d];
    AxisDim &o = r.dims[d];
    o.constancy = std::min(x.constancy, y.constancy);
    o.contiguity = std::max<int64_t>(1, std::max(aligned(x, y), aligned(y, x)));
    o.likely = std::max(std::min(x.likely, y.constancy), std::min(x.constancy, y.likely));
    o.divisibility = std::min(a.divisibleAt(d, o.contiguity), b.divisibleAt(d, o.contiguity));
  }
  r.nonNegative = a.nonNegative && b.nonNegative;
}

void multiply(AxisInfo &r, const AxisInfo &a, const AxisInfo &b) {
  for (unsigned d = 0; d < r.dims.size(); ++d) {
    AxisDim &o = r.dims[d];
    o.constancy = std::min(a.dims[d].constancy, b.dims[d].constancy);
    o.divisibility = product(a.divisibleAt(d, 1), b.divisibleAt(d, 1));
  }
  r.nonNegative = a.nonNegative && b.nonNegative;
}

/// One of the operands in every group.
void either(AxisInfo &r, const AxisInfo &a, const AxisInfo &b, const AxisInfo *condition) {
  for (unsigned d = 0; d < r.dims.size(); ++d) {
    const AxisDim &x = a.dims[d], &y = b.dims[d];
    AxisDim &o = r.dims[d];
    int64_t k = condition ? condition->dims[d].constancy : kMax;
    o.contiguity = std::min({x.contiguity, y.contiguity, k});
    o.likely = std::min(x.likely, y.likely); // a mask's edge is rare
    o.constancy = std::min({x.constancy, y.constancy, k});
    o.divisibility = std::min(a.divisibleAt(d, o.contiguity), b.divisibleAt(d, o.contiguity));
  }
  r.nonNegative = a.nonNegative && b.nonNegative;
}

bool foldInteger(Opcode code, int64_t a, int64_t b, int64_t *out) {
  uint64_t x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  switch (code) {
  case Opcode::arith_addi: *out = static_cast<int64_t>(x + y); return true;
  case Opcode::arith_subi: *out = static_cast<int64_t>(x - y); return true;
  case Opcode::arith_muli: *out = static_cast<int64_t>(x * y); return true;
  case Opcode::arith_andi: *out = a & b; return true;
  case Opcode::arith_ori: *out = a | b; return true;
  case Opcode::arith_xori: *out = a ^ b; return true;
  case Opcode::arith_minsi: *out = std::min(a, b); return true;
  case Opcode::arith_maxsi: *out = std::max(a, b); return true;
  case Opcode::arith_divsi: *out = b > 0 ? a / b : 0; return b > 0;
  case Opcode::arith_remsi: *out = b > 0 ? a % b : 0; return b > 0;
  default: return false;
  }
}

} // namespace

AxisInfo AxisInfoAnalysis::arithmetic(const Op *op) const {
  const Value *v = op->result(0);
  AxisInfo r = pessimistic(v);
  for (AxisDim &d : r.dims) d.divisibility = 1;
  const AxisInfo &a = known(op->operand(0));
  const AxisInfo &b = op->numOperands() > 1 ? known(op->operand(1)) : a;
  if (a.constant && b.constant && v->type->scalar()->isInt() && op->numOperands() == 2) {
    int64_t folded;
    if (foldInteger(op->code, a.value, b.value, &folded)) {
      setConstant(r, v->type, wrapped(folded, v->type));
      return r;
    }
  }
  switch (op->code) {
  case Opcode::arith_addi:
    sum(r, a, b, false);
    r.nonNegative = a.nonNegative && b.nonNegative;
    break;
  case Opcode::arith_subi: sum(r, a, b, true); break;
  case Opcode::tt_addptr: {
    AxisInfo offset = widened(b, op->operand(1)->type);
    int64_t bytes = pointeeBytes(v->type);
    sum(r, a, offset, false);
    for (unsigned d = 0; d < r.dims.size(); ++d)
      r.dims[d].divisibility = std::min(a.dims[d].contiguity > r.dims[d].contiguity
                                            ? std::min(a.dims[d].divisibility, product(r.dims[d].contiguity, bytes))
                                            : a.dims[d].divisibility,
                                        product(offset.divisibleAt(d, r.dims[d].contiguity), bytes));
    break;
  }
  case Opcode::arith_muli:
    if (b.constant && b.value == 1) return a;
    if (a.constant && a.value == 1) return b;
    multiply(r, a, b);
    break;
  case Opcode::arith_shli: {
    unsigned bits = bitsOf(v->type);
    if (!b.constant || b.value < 0 || b.value >= bits) {
      for (unsigned d = 0; d < r.dims.size(); ++d) {
        r.dims[d].constancy = std::min(a.dims[d].constancy, b.dims[d].constancy);
        r.dims[d].divisibility = a.divisibleAt(d, 1);
      }
    } else {
      AxisInfo factor = b;
      for (AxisDim &d : factor.dims) d.divisibility = b.value >= 40 ? kMax : int64_t(1) << b.value;
      multiply(r, a, factor);
    }
    r.nonNegative = a.nonNegative;
    break;
  }
  case Opcode::arith_shrui:
  case Opcode::arith_shrsi: {
    AxisInfo factor = b;
    factor.constant = b.constant && b.value >= 0 && b.value < std::min(40u, bitsOf(v->type));
    if (factor.constant) factor.value = int64_t(1) << b.value;
    for (AxisDim &d : factor.dims) d.divisibility = factor.constant ? factor.value : 1, d.contiguity = 1;
    quotient(r, a, factor, true, v->type); // rounds down, whatever the sign
    break;
  }
  case Opcode::arith_divsi: quotient(r, a, b, a.nonNegative, v->type); break;
  case Opcode::arith_divui:
  case Opcode::arith_floordivsi: quotient(r, a, b, true, v->type); break;
  case Opcode::arith_remsi: remainder(r, a, b, a.nonNegative); break;
  case Opcode::arith_remui: remainder(r, a, b, true); break;
  case Opcode::arith_andi: conjunction(r, a, b, v->type); break;
  case Opcode::arith_ori:
  case Opcode::arith_xori: disjunction(r, a, b); break;
  case Opcode::arith_cmpi: compare(r, op, a, b); break;
  case Opcode::arith_select: {
    const AxisInfo &c = known(op->operand(2));
    either(r, b, c, op->operand(0)->type->isTensor() ? &a : nullptr);
    if (b.constant && c.constant && b.value == c.value) setConstant(r, v->type, b.value);
    break;
  }
  case Opcode::arith_minsi:
  case Opcode::arith_minui:
  case Opcode::arith_maxsi:
  case Opcode::arith_maxui:
    for (unsigned d = 0; d < r.dims.size(); ++d) {
      r.dims[d].constancy = std::min(a.dims[d].constancy, b.dims[d].constancy);
      r.dims[d].divisibility = std::min(a.divisibleAt(d, 1), b.divisibleAt(d, 1));
      r.dims[d].likely = std::max(std::min(a.dims[d].likely, b.dims[d].constancy),
                                  std::min(b.dims[d].likely, a.dims[d].constancy));
    }
    r.nonNegative = op->is(Opcode::arith_maxsi) ? a.nonNegative || b.nonNegative : a.nonNegative && b.nonNegative;
    break;
  case Opcode::arith_extsi:
  case Opcode::arith_extui:
  case Opcode::arith_index_cast:
  case Opcode::arith_index_castui: {
    Type from = op->operand(0)->type;
    r = bitsOf(from) < bitsOf(v->type) ? widened(a, from) : a;
    r.constant = false;
    if (op->is(Opcode::arith_extui)) r.nonNegative = true;
    if (a.constant) {
      bool isUnsigned = op->is(Opcode::arith_extui) || op->is(Opcode::arith_index_castui);
      int64_t bits = isUnsigned ? static_cast<int64_t>(static_cast<uint64_t>(a.value) & lowMask(bitsOf(from))) : a.value;
      setConstant(r, v->type, wrapped(bits, v->type));
    }
    break;
  }
  case Opcode::arith_trunci:
    r = a;
    r.constant = r.nonNegative = false;
    if (a.constant) setConstant(r, v->type, wrapped(a.value, v->type));
    break;
  case Opcode::tt_ptr_to_int:
  case Opcode::tt_int_to_ptr:
  case Opcode::tt_bitcast:
  case Opcode::arith_bitcast: {
    Type from = op->operand(0)->type, to = v->type;
    r = a;
    r.constant = false;
    if (!numeric(from) || !numeric(to) || bitsOf(from) != bitsOf(to)) {
      for (AxisDim &d : r.dims) d = {1, 1, d.constancy, 1};
    } else if (pointeeBytes(from) != pointeeBytes(to)) {
      for (unsigned d = 0; d < r.dims.size(); ++d) {
        int64_t bytes = pointeeBytes(from);
        bool runs = a.dims[d].contiguity > 1;
        r.dims[d] = {1, runs ? std::min(a.dims[d].divisibility, bytes) : a.dims[d].divisibility, a.dims[d].constancy, 1};
      }
    }
    break;
  }
  default: // some function of the operands, element by element
    for (unsigned d = 0; d < r.dims.size(); ++d) {
      int64_t k = whole(sizeOf(v->type, d));
      for (unsigned i = 0; i < op->numOperands(); ++i)
        if (op->operand(i)->type->isTensor()) k = std::min(k, known(op->operand(i)).dims[d].constancy);
      r.dims[d].constancy = k;
    }
  }
  return r;
}

/// tt.reshape: dimensions of size 1 come and go; and the innermost run or constant survives a split or a merge.
AxisInfo AxisInfoAnalysis::reshaped(const Op *op, const AxisInfo &src) const {
  Type from = op->operand(0)->type, to = op->result(0)->type;
  AxisInfo r = pessimistic(op->result(0));
  r.constant = src.constant;
  r.value = src.value;
  r.nonNegative = src.nonNegative;
  int64_t everywhere = kMax; // divisibility of every element
  for (unsigned d = 0; d < src.dims.size(); ++d) everywhere = d ? std::max(everywhere, src.divisibleAt(d, 1)) : src.divisibleAt(0, 1);
  std::vector<unsigned> a, b; // dimensions that count
  for (unsigned d = 0; d < from->rank(); ++d)
    if (from->shape[d] > 1) a.push_back(d);
  for (unsigned d = 0; d < to->rank(); ++d)
    if (to->shape[d] > 1) b.push_back(d);
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) same = from->shape[a[i]] == to->shape[b[i]];
  bool any = op->attr("allow_reorder") && op->intAttr("allow_reorder"); // elements may come in any order
  for (unsigned d = 0; d < to->rank(); ++d) r.dims[d] = {1, everywhere, 1, 1};
  if (any) {
  } else if (same) {
    for (size_t i = 0; i < a.size(); ++i) r.dims[b[i]] = src.dims[a[i]];
  } else if (!a.empty() && !b.empty()) {
    const AxisDim &x = src.dims[a.back()];
    AxisDim &y = r.dims[b.back()];
    int64_t limit = std::min(whole(from->shape[a.back()]), whole(to->shape[b.back()]));
    y.contiguity = std::min(x.contiguity, limit);
    y.likely = std::min(x.likely, limit);
    y.constancy = std::min(x.constancy, limit);
    y.divisibility = src.divisibleAt(a.back(), y.contiguity);
  }
  if (src.constant) setConstant(r, to, src.value);
  return r;
}

AxisInfo AxisInfoAnalysis::compute(const Op *op, unsigned result) const {
  const Value *v = op->result(result);
  Type t = v->type;
  AxisInfo r = pessimistic(v);
  switch (op->code) {
  case Opcode::arith_constant: {
    Constant c(v);
    if (!c || !t->scalar()->isInt()) {
      if (c && c.splat)
        for (unsigned d = 0; d < r.dims.size(); ++d) r.dims[d].constancy = whole(sizeOf(t, d));
      return r;
    }
    if (c.splat) {
      setConstant(r, t, signExtend(c.at(0), c.width));
      return r;
    }
    int64_t div = kMax;
    for (uint64_t b : c.bits()) div = std::min(div, lowBit(signExtend(b, c.width)));
    for (AxisDim &d : r.dims) d.divisibility = div;
    return r;
  }
  case Opcode::tt_make_range: {
    int64_t start = op->intAttr("start"), size = t->shape[0];
    r.dims[0] = {whole(size), lowBit(start), 1, whole(size)};
    if (size == 1) setConstant(r, t, start);
    if (r.dims[0].contiguity < size) r.dims[0].divisibility = std::min(lowBit(start), r.dims[0].contiguity);
    r.nonNegative = start >= 0;
    return r;
  }
  case Opcode::tt_get_program_id:
  case Opcode::tt_get_num_programs: r.nonNegative = true; return r;
  case Opcode::tt_splat: {
    const AxisInfo &s = known(op->operand(0));
    for (unsigned d = 0; d < r.dims.size(); ++d) r.dims[d] = {1, s.divisibleAt(0, 1), whole(sizeOf(t, d)), 1};
    r.constant = s.constant;
    r.value = s.value;
    r.nonNegative = s.nonNegative;
    return r;
  }
  case Opcode::tt_unsplat: return AxisInfo{{AxisDim{}}, false, false, 0};
  case Opcode::tt_expand_dims: {
    const AxisInfo &s = known(op->operand(0));
    unsigned axis = static_cast<unsigned>(op->intAttr("axis"));
    r = s;
    int64_t div = 1; // along the new dimension every element is a start
    for (unsigned d = 0; d < s.dims.size(); ++d) div = std::max(div, s.divisibleAt(d, 1));
    r.dims.insert(r.dims.begin() + std::min<size_t>(axis, r.dims.size()), AxisDim{1, div, 1, 1});
    return r;
  }
  case Opcode::tt_broadcast: {
    Type from = op->operand(0)->type;
    r = known(op->operand(0));
    for (unsigned d = 0; d < t->rank(); ++d)
      if (from->shape[d] == 1 && t->shape[d] > 1)
        r.dims[d] = {1, known(op->operand(0)).divisibleAt(d, 1), whole(t->shape[d]), 1};
    return r;
  }
  case Opcode::tt_trans: {
    AxisInfo s = known(op->operand(0));
    Attr order = op->attr("order");
    r = s;
    for (unsigned d = 0; order && d < r.dims.size() && d < order->ints.size(); ++d) r.dims[d] = s.dims[order->ints[d]];
    return r;
  }
  case Opcode::tt_reshape: return reshaped(op, known(op->operand(0)));
  case Opcode::scf_for:
  case Opcode::scf_if:
  case Opcode::scf_while: return r; // set where their terminators are seen
  default: break;
  }
  bool element = op->info().has(TraitElementwise) || op->is(Opcode::tt_addptr);
  if (op->name() == "ttg.convert_layout") return known(op->operand(0));
  if (!element || op->numRegions() || op->numResults() != 1 || !op->numOperands()) return r;
  for (unsigned i = 0; i < op->numOperands(); ++i)
    if (op->operand(i)->type->isTensor() != t->isTensor() && !op->is(Opcode::arith_select)) return r;
  return arithmetic(op);
}

/// The front end's promises on an operation: `tt.divisibility = dense<[16, 1]> : tensor<2xi32>` and the like.
AxisInfo AxisInfoAnalysis::withHints(const Op *op, AxisInfo info) const {
  struct { const char *name; int64_t AxisDim::*field; } hints[] = {
      {"tt.divisibility", &AxisDim::divisibility}, {"tt.contiguity", &AxisDim::contiguity}, {"tt.constancy", &AxisDim::constancy}};
  Type t = op->result(0)->type;
  for (auto &h : hints) {
    Attr a = op->attr(h.name);
    if (!a) continue;
    for (unsigned d = 0; d < info.dims.size(); ++d) {
      int64_t n = a->kind == AttrKind::Int ? a->ival : 1;
      if (a->kind == AttrKind::Dense && a->bits.size()) n = static_cast<int64_t>(a->bits[a->bval ? 0 : std::min(d, a->bits.size() - 1)]);
      if (a->kind == AttrKind::DenseArray && d < a->ints.size()) n = a->ints[d];
      if (n <= 1) continue;
      n = lowBit(n);
      int64_t &field = info.dims[d].*h.field;
      if (h.field == &AxisDim::divisibility) field = std::max(field, n);
      else field = std::max(field, std::min(n, whole(sizeOf(t, d))));
      if (h.field == &AxisDim::contiguity) info.dims[d].likely = std::max(info.dims[d].likely, field);
    }
  }
  return info;
}

// ---- walking --------------------------------------------------------------------------------------------

void AxisInfoAnalysis::set(const Value *v, AxisInfo info) {
  if (v->id >= infos.size()) infos.resize(v->id + 1);
  AxisInfo &old = infos[v->id];
  if (info.constant && numeric(v->type) && !v->type->scalar()->isPtr())
    for (AxisDim &d : info.dims) d.divisibility = std::max(d.divisibility, lowBit(info.value));
  for (unsigned d = 0; d < info.dims.size(); ++d) {
    AxisDim &a = info.dims[d];
    int64_t size = whole(sizeOf(v->type, d));
    a.contiguity = std::max<int64_t>(1, std::min(a.contiguity, size));
    a.constancy = std::max<int64_t>(1, std::min(a.constancy, size));
    a.likely = std::min(std::max(a.likely, a.contiguity), size);
  }
  if (old == info) return;
  old = std::move(info);
  changed = true;
}

/// A block argument (or the result of an operation with regions) is all of what comes in.
void AxisInfoAnalysis::meet(const Value *v, const Value *incoming) {
  if (!reached(incoming)) return;
  AxisInfo in = infos[incoming->id];
  if (in.dims.size() != rankOf(v->type)) in = pessimistic(v);
  if (!reached(v)) return set(v, std::move(in));
  AxisInfo r = infos[v->id];
  const AxisInfo old = r;
  either(r, old, in, nullptr);
  for (unsigned d = 0; d < r.dims.size(); ++d) r.dims[d].likely = std::min(old.dims[d].likely, in.dims[d].likely);
  r.constant = old.constant && in.constant && old.value == in.value;
  if (!r.constant) r.value = 0;
  set(v, std::move(r));
}

void AxisInfoAnalysis::arguments(Op *function) {
  Attr all = function->attr("arg_attrs");
  Block *front = function->numRegions() ? function->region(0)->front() : nullptr;
  for (unsigned i = 0; front && i < front->numArgs(); ++i) {
    const Value *v = front->arg(i);
    AxisInfo r = pessimistic(v);
    r.nonNegative = v->type->isInt() && v->type->width > 8;
    Attr dict = all && all->kind == AttrKind::Array && i < all->attrs.size() ? all->attrs[i] : nullptr;
    if (dict && dict->kind == AttrKind::Dict && !v->type->isTensor())
      for (const NamedAttr &e : dict->entries)
        if (e.name.view() == "tt.divisibility" && e.value->kind == AttrKind::Int && e.value->ival > 0)
          r.dims[0].divisibility = std::max(r.dims[0].divisibility, lowBit(e.value->ival));
    set(v, std::move(r));
  }
}

void AxisInfoAnalysis::loop(Op *op) {
  bool counted = op->is(Opcode::scf_for);
  Block *body = op->region(0)->front();
  unsigned first = counted ? 3 : 0, shift = counted ? 1 : 0;
  if (counted && reached(op->operand(0)) && reached(op->operand(2))) {
    AxisInfo iv = pessimistic(body->arg(0));
    const AxisInfo &lb = known(op->operand(0)), &step = known(op->operand(2));
    iv.dims[0].divisibility = std::min(lb.divisibleAt(0, 1), step.divisibleAt(0, 1));
    iv.nonNegative = lb.nonNegative;
    set(body->arg(0), std::move(iv));
  }
  for (unsigned i = 0; i + shift < body->numArgs(); ++i) meet(body->arg(i + shift), op->operand(first + i));
  region(op->region(0));
  const Op *end = body->last;
  if (counted && end) {
    for (unsigned i = 0; i < op->numResults(); ++i) {
      meet(body->arg(i + 1), end->operand(i));
      meet(op->result(i), op->operand(3 + i));
      meet(op->result(i), end->operand(i));
    }
  } else if (end) { // scf.while: what the condition passes on, then back from the second region's yield
    Block *after = op->region(1)->front();
    for (unsigned i = 0; i + 1 < end->numOperands(); ++i) {
      meet(after->arg(i), end->operand(i + 1));
      meet(op->result(i), end->operand(i + 1));
    }
    region(op->region(1));
    for (unsigned i = 0; after->last && i < after->last->numOperands(); ++i) meet(body->arg(i), after->last->operand(i));
  }
}

void AxisInfoAnalysis::visit(Op *op) {
  switch (op->code) {
  case Opcode::scf_for:
  case Opcode::scf_while: return loop(op);
  case Opcode::scf_if:
    for (unsigned i = 0; i < op->numRegions(); ++i) {
      region(op->region(i));
      Block *b = op->region(i)->front();
      for (unsigned k = 0; b && b->last && k < op->numResults() && k < b->last->numOperands(); ++k)
        meet(op->result(k), b->last->operand(k));
    }
    return;
  case Opcode::cf_br:
    for (unsigned i = 0; i < op->numOperands() && i < op->succ(0)->numArgs(); ++i) meet(op->succ(0)->arg(i), op->operand(i));
    return;
  case Opcode::cf_cond_br:
    for (unsigned s = 0; s < 2; ++s) {
      unsigned first, count;
      op->slotRange(s + 1, &first, &count);
      for (unsigned i = 0; i < count && i < op->succ(s)->numArgs(); ++i) meet(op->succ(s)->arg(i), op->operand(first + i));
    }
    return;
  default: break;
  }
  for (unsigned r = 0; r < op->numRegions(); ++r) { // combiners: nothing is known of their arguments
    for (Block *b = op->region(r)->first; b; b = b->next)
      for (unsigned i = 0; i < b->numArgs(); ++i) set(b->arg(i), pessimistic(b->arg(i)));
    region(op->region(r));
  }
  for (unsigned i = 0; i < op->numResults(); ++i) {
    if (!op->is(Opcode::tt_splat) && !op->is(Opcode::arith_constant)) {
      bool all = true; // an operand that no path has reached yet: later
      for (unsigned k = 0; k < op->numOperands(); ++k) all &= reached(op->operand(k));
      if (!all) continue;
    } else if (op->numOperands() && !reached(op->operand(0))) continue;
    AxisInfo r = compute(op, i);
    set(op->result(i), i ? std::move(r) : withHints(op, std::move(r)));
  }
}

void AxisInfoAnalysis::region(Region *r) {
  for (Block *b = r->first; b; b = b->next)
    for (Op *op = b->first; op; op = op->next) visit(op);
}

AxisInfoAnalysis::AxisInfoAnalysis(Op *function) {
  infos.resize(function->module ? function->module->num_values : 0);
  arguments(function);
  do { // what meets only falls, so this ends
    changed = false;
    for (unsigned r = 0; r < function->numRegions(); ++r) region(function->region(r));
  } while (changed);
}

} // namespace tir
