// SPDX-License-Identifier: MIT
// Tensor descriptors: [base, shape…, strides…, padding] (see tile.hh).
#include "lanes.hh"
#include "rmw.hh"

namespace tir::interp::mean {

using tessera::Code;

namespace {

constexpr unsigned max_rank = 8;

struct Desc {
  const Tile *cells = nullptr;
  Type type = nullptr;
  unsigned rank = 0, bytes = 0;
  int64_t shape(unsigned d) const { return static_cast<int64_t>((*cells)[1 + d]); }
  /// Address of the element at `index`; false if it lies outside the array.
  bool address(const int64_t *index, uint64_t *out) const {
    uint64_t offset = 0;
    bool in = true;
    for (unsigned d = 0; d < rank; ++d) {
      in &= index[d] >= 0 && index[d] < shape(d);
      offset += static_cast<uint64_t>(index[d]) * (*cells)[1 + rank + d];
    }
    *out = (*cells)[0] + offset * bytes;
    return in;
  }
  uint64_t padding() const {
    bool nan = (*cells)[1 + 2 * rank] == 2 && type->elem->isFloat();
    return nan ? num::nan_bits(formatOf(type->elem)) : 0;
  }
};

/// Operand 0; checks that nothing in it is marked. False: stopped.
bool descriptor(Machine &m, Op &op, Desc *d) {
  d->cells = &m.in(op, 0);
  d->type = op.operand(0)->type;
  d->rank = d->type->rank();
  d->bytes = bytesOf(d->type->elem);
  if (d->rank > max_rank || d->cells->size() != 2 + 2 * d->rank) {
    m.stop(op, Code::UNSUPPORTED, "not implemented: a descriptor of rank %u", d->rank);
    return false;
  }
  for (uint32_t i = 0; i < d->cells->size(); ++i)
    if (m.checkUsed(op, *d->cells, i, "a descriptor's base, shape or stride")) return false;
  return true;
}

/// Calls f(element number, address, inside) for each element of the block at the op's indices. False:
/// stopped.
template <class F> bool eachOfBlock(Machine &m, Op &op, const Desc &d, unsigned firstIndex, F f) {
  int64_t origin[max_rank], at[max_rank];
  if (op.numOperands() != firstIndex + d.rank) {
    m.stop(op, Code::VERIFY, "has %u indices for rank %u", op.numOperands() - firstIndex, d.rank);
    return false;
  }
  for (unsigned k = 0; k < d.rank; ++k) {
    const Tile &t = m.in(op, firstIndex + k);
    if (m.checkUsed(op, t, 0, "an index")) return false;
    origin[k] = at[k] = sext(t[0], widthOf(scalarOf(op, firstIndex + k)));
  }
  uint32_t n = static_cast<uint32_t>(d.type->count());
  for (uint32_t i = 0; i < n; ++i) {
    uint64_t address;
    bool in = d.address(at, &address);
    if (!f(i, address, in)) return false;
    for (unsigned k = d.rank; k-- > 0;) {
      if (++at[k] < origin[k] + d.type->shape[k]) break;
      at[k] = origin[k];
    }
  }
  return true;
}

/// Rows of tt.descriptor_gather / _scatter: operand `rows` holds row numbers, operand `column` the first
/// column.
template <class F> bool eachOfRows(Machine &m, Op &op, const Desc &d, unsigned rows, unsigned column, F f) {
  if (d.rank != 2) {
    m.stop(op, Code::VERIFY, "needs a descriptor of rank 2");
    return false;
  }
  const Tile &x = m.in(op, rows), &y = m.in(op, column);
  if (m.checkUsed(op, y, 0, "an index")) return false;
  int64_t y0 = sext(y[0], widthOf(scalarOf(op, column))), cols = d.type->shape[1];
  for (uint32_t r = 0; r < x.size(); ++r) {
    if (m.checkUsed(op, x, r, "a row number")) return false;
    for (int64_t c = 0; c < cols; ++c) {
      int64_t at[2] = {sext(x[r], widthOf(scalarOf(op, rows))), y0 + c};
      uint64_t address;
      bool in = d.address(at, &address);
      if (!f(static_cast<uint32_t>(r * cols + c), address, in)) return false;
    }
  }
  return true;
}

bool loadOne(Machine &m, Op &op, const Desc &d, Tile &r, uint32_t i, uint64_t address, bool in) {
  if (!in) {
    r.cells()[i] = d.padding();
    return true;
  }
  Machine::Access a;
  if (!m.access(op, address, d.bytes, false, false, op.result(0)->type, i, &a)) return false;
  uint8_t mark = 0;
  r.cells()[i] = 0;
  if (a.host) {
    if (m.checkUnwritten(op, a, d.bytes)) return false;
    r.cells()[i] = m.loadCell(a, d.bytes, &mark) & maskOf(widthOf(d.type->elem));
  } else {
    mark = MarkUndef;
  }
  r.setMark(i, mark);
  if (mark) m.made(op, mark);
  return true;
}

bool storeOne(Machine &m, Op &op, const Desc &d, const Tile &v, Type type, uint32_t i, uint64_t address,
              bool in) {
  if (!in) return true;
  if (m.checkStored(op, v, i)) return false;
  Machine::Access a;
  if (!m.access(op, address, d.bytes, true, false, type, i, &a)) return false;
  if (a.host) m.storeCell(a, d.bytes, v[i], v.undef(i));
  return true;
}

bool sizeIs(Machine &m, Op &op, uint32_t have, uint32_t want) {
  if (have == want) return true;
  m.stop(op, Code::VERIFY, "moves a tile of %u elements where the descriptor's block has %u", have, want);
  return false;
}

} // namespace

Step tt_make_tensor_descriptor(Machine &m, Op &op) {
  unsigned rank = op.result(0)->type->rank();
  if (op.numOperands() != 1 + 2 * rank) return m.stop(op, Code::VERIFY, "lacks operands for rank %u", rank);
  Tile r(2 + 2 * rank);
  for (unsigned i = 0; i < op.numOperands(); ++i) {
    const Tile &t = m.in(op, i);
    r.cells()[i] = i ? static_cast<uint64_t>(sext(t[0], widthOf(scalarOf(op, i)))) : t[0];
    r.setMark(i, t.mark(0));
  }
  r.cells()[1 + 2 * rank] = static_cast<uint64_t>(op.intAttr("padding", 1));
  return m.out(op, std::move(r));
}

Step tt_descriptor_load(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  Tile r(m.count(op.result(0)->type));
  if (!sizeIs(m, op, r.size(), static_cast<uint32_t>(d.type->count()))) return Step::Stop;
  if (!eachOfBlock(m, op, d, 1,
                   [&](uint32_t i, uint64_t a, bool in) { return loadOne(m, op, d, r, i, a, in); }))
    return Step::Stop;
  return m.out(op, std::move(r));
}

Step tt_descriptor_store(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  const Tile &v = m.in(op, 1);
  Type type = op.operand(1)->type;
  if (!sizeIs(m, op, v.size(), static_cast<uint32_t>(d.type->count()))) return Step::Stop;
  bool ok = eachOfBlock(
      m, op, d, 2, [&](uint32_t i, uint64_t a, bool in) { return storeOne(m, op, d, v, type, i, a, in); });
  return ok ? Step::Next : Step::Stop;
}

Step tt_descriptor_reduce(Machine &m, Op &op) {
  static constexpr RmwKind kinds[] = {RmwKind::None, RmwKind::Add, RmwKind::Min, RmwKind::Max, RmwKind::Inc,
                                      RmwKind::Dec,  RmwKind::And, RmwKind::Or,  RmwKind::Xor};
  int64_t kind = op.intAttr("kind");
  if (kind < 1 || kind > 8) return m.stop(op, Code::VERIFY, "has an unknown kind");
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  const Tile &v = m.in(op, 1);
  Type type = op.operand(1)->type, elem = d.type->elem;
  if (!sizeIs(m, op, v.size(), static_cast<uint32_t>(d.type->count()))) return Step::Stop;
  bool ok = eachOfBlock(m, op, d, 2, [&](uint32_t i, uint64_t address, bool in) {
    if (!in) return true;
    if (m.checkStored(op, v, i)) return false;
    Machine::Access a;
    if (!m.access(op, address, d.bytes, true, true, type, i, &a)) return false;
    if (!a.host) return true;
    uint8_t mark = 0;
    uint64_t old = m.loadCell(a, d.bytes, &mark) & maskOf(widthOf(elem)), next = 0;
    if (!rmwValue(kinds[kind], elem, elem->isInt() && elem->sign == Sign::Unsigned, old, v[i], &next)) {
      m.stop(op, Code::UNSUPPORTED, "not implemented: this kind on this type");
      return false;
    }
    m.storeCell(a, d.bytes, next, mark || v.undef(i));
    return true;
  });
  return ok ? Step::Yield : Step::Stop;
}

Step tt_descriptor_gather(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  Tile r(m.count(op.result(0)->type));
  if (!sizeIs(m, op, r.size(), static_cast<uint32_t>(m.in(op, 1).size() * d.type->count())))
    return Step::Stop;
  if (!eachOfRows(m, op, d, 1, 2,
                  [&](uint32_t i, uint64_t a, bool in) { return loadOne(m, op, d, r, i, a, in); }))
    return Step::Stop;
  return m.out(op, std::move(r));
}

Step tt_descriptor_scatter(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  const Tile &v = m.in(op, 3);
  Type type = op.operand(3)->type;
  if (!sizeIs(m, op, v.size(), static_cast<uint32_t>(m.in(op, 1).size() * d.type->count())))
    return Step::Stop;
  bool ok = eachOfRows(
      m, op, d, 1, 2, [&](uint32_t i, uint64_t a, bool in) { return storeOne(m, op, d, v, type, i, a, in); });
  return ok ? Step::Next : Step::Stop;
}

} // namespace tir::interp::mean
