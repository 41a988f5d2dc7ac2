// SPDX-License-Identifier: MIT
// Operations that move elements about.
#include "lanes.hh"

namespace tir::interp::mean {

using tessera::Code;

namespace {

constexpr unsigned max_rank = 32;

/// result[index] = a[Σ index_d · stride_d]
Tile remap(const Tile &a, Type result, const int64_t *strides) {
  uint32_t n = static_cast<uint32_t>(result->count());
  unsigned rank = result->rank();
  Tile r(n);
  if (a.marks()) r.addMarks();
  uint8_t *marks = a.marks() ? r.addMarks() : nullptr;
  int64_t index[max_rank] = {}, at = 0;
  for (uint32_t i = 0; i < n; ++i) {
    r.cells()[i] = a[static_cast<uint32_t>(at)];
    if (marks) marks[i] = a.mark(static_cast<uint32_t>(at));
    for (unsigned d = rank; d-- > 0;) {
      at += strides[d];
      if (++index[d] < result->shape[d]) break;
      at -= strides[d] * result->shape[d];
      index[d] = 0;
    }
  }
  return r;
}

void rowMajor(Type t, int64_t *strides) {
  int64_t s = 1;
  for (unsigned d = t->rank(); d-- > 0;) {
    strides[d] = s;
    s *= t->shape[d];
  }
}

Step tooDeep(Machine &m, Op &op) { return m.stop(op, Code::LIMIT, "has a tile of rank over %u", max_rank); }

} // namespace

Step tt_splat(Machine &m, Op &op) {
  const Tile &a = m.in(op, 0);
  Tile r = Tile::fill(m.count(op.result(0)->type), a[0]);
  r.mergeMarks(a);
  return m.out(op, std::move(r));
}

Step tt_unsplat(Machine &m, Op &op) {
  const Tile &a = m.in(op, 0);
  Tile r = Tile::scalar(a[0]);
  r.setMark(0, a.mark(0));
  return m.out(op, std::move(r));
}

/// Row-major order stays: the same cells.
static Step sameCells(Machine &m, Op &op) {
  const Tile &a = m.in(op, 0);
  if (a.size() != m.count(op.result(0)->type))
    return m.stop(op, Code::VERIFY, "changes the number of elements");
  return m.out(op, a);
}
Step tt_expand_dims(Machine &m, Op &op) { return sameCells(m, op); }
Step tt_reshape(Machine &m, Op &op) { return sameCells(m, op); }

Step tt_broadcast(Machine &m, Op &op) {
  Type from = op.operand(0)->type, to = op.result(0)->type;
  if (to->rank() > max_rank || from->rank() != to->rank()) return tooDeep(m, op);
  int64_t strides[max_rank];
  rowMajor(from, strides);
  for (unsigned d = 0; d < to->rank(); ++d)
    if (from->shape[d] == 1) strides[d] = 0;
  return m.out(op, remap(m.in(op, 0), to, strides));
}

Step tt_trans(Machine &m, Op &op) {
  Type from = op.operand(0)->type, to = op.result(0)->type;
  Attr order = op.attr("order");
  if (to->rank() > max_rank) return tooDeep(m, op);
  if (!order || order->ints.size() != to->rank())
    return m.stop(op, Code::VERIFY, "has no order of every dimension");
  int64_t source[max_rank], strides[max_rank];
  rowMajor(from, source);
  for (unsigned d = 0; d < to->rank(); ++d) {
    int64_t o = order->ints[d];
    if (o < 0 || o >= from->rank()) return m.stop(op, Code::VERIFY, "has an order outside the rank");
    strides[d] = source[o];
  }
  return m.out(op, remap(m.in(op, 0), to, strides));
}

Step tt_cat(Machine &m, Op &op) {
  const Tile &a = m.in(op, 0), &b = m.in(op, 1);
  Tile r(a.size() + b.size());
  std::memcpy(r.cells(), a.bits(), sizeof(uint64_t) * a.size());
  std::memcpy(r.cells() + a.size(), b.bits(), sizeof(uint64_t) * b.size());
  for (uint32_t i = 0; i < r.size(); ++i) r.setMark(i, i < a.size() ? a.mark(i) : b.mark(i - a.size()));
  return m.out(op, std::move(r));
}

Step tt_join(Machine &m, Op &op) {
  const Tile &a = m.in(op, 0), &b = m.in(op, 1);
  Tile r(2 * a.size());
  for (uint32_t i = 0; i < a.size(); ++i) {
    r.cells()[2 * i] = a[i];
    r.cells()[2 * i + 1] = b[i];
    r.setMark(2 * i, a.mark(i));
    r.setMark(2 * i + 1, b.mark(i));
  }
  return m.out(op, std::move(r));
}

Step tt_split(Machine &m, Op &op) {
  const Tile &a = m.in(op, 0);
  for (unsigned k = 0; k < 2; ++k) {
    Tile r(a.size() / 2);
    for (uint32_t i = 0; i < r.size(); ++i) {
      r.cells()[i] = a[2 * i + k];
      r.setMark(i, a.mark(2 * i + k));
    }
    m.set(op.result(k), std::move(r));
  }
  return Step::Next;
}

Step tt_make_range(Machine &m, Op &op) {
  uint64_t start = static_cast<uint64_t>(op.intAttr("start"));
  uint64_t mask = maskOf(widthOf(op.result(0)->type->scalar()));
  Tile r(m.count(op.result(0)->type));
  for (uint32_t i = 0; i < r.size(); ++i) r.cells()[i] = (start + i) & mask;
  return m.out(op, std::move(r));
}

Step tt_gather(Machine &m, Op &op) {
  Type from = op.operand(0)->type, to = op.result(0)->type;
  int64_t axis = op.intAttr("axis");
  if (axis < 0 || axis >= from->rank()) return m.stop(op, Code::VERIFY, "has an axis outside the rank");
  const Tile &a = m.in(op, 0), &index = m.in(op, 1);
  unsigned w = widthOf(scalarOf(op, 1));
  int64_t inner = 1;
  for (unsigned d = static_cast<unsigned>(axis) + 1; d < from->rank(); ++d) inner *= from->shape[d];
  int64_t length = from->shape[axis], outLength = to->shape[axis];
  Tile r(index.size());
  for (uint32_t i = 0; i < r.size(); ++i) {
    int64_t j = sext(index[i], w), outer = i / (outLength * inner), in = i % inner;
    uint8_t mark = index.mark(i);
    if (j < 0 || j >= length) { // defined: 0
      r.cells()[i] = 0;
      if (m.watching(TIR_SANITIZE_GATHER)) {
        mark |= MarkGather;
        m.made(op, MarkGather);
      }
    } else {
      uint32_t at = static_cast<uint32_t>((outer * length + j) * inner + in);
      r.cells()[i] = a[at];
      mark |= a.mark(at);
    }
    r.setMark(i, mark);
  }
  return m.out(op, std::move(r));
}

Step tt_histogram(Machine &m, Op &op) {
  const Tile &a = m.in(op, 0);
  const Tile *mask = op.numOperands() > 1 ? &m.in(op, 1) : nullptr;
  unsigned w = widthOf(scalarOf(op, 0));
  Tile r = Tile::fill(m.count(op.result(0)->type), 0);
  uint8_t marks = 0;
  for (uint32_t i = 0; i < a.size(); ++i) {
    if (mask) {
      marks |= mask->mark(i);
      if (!((*mask)[i] & 1)) continue;
    }
    marks |= a.mark(i);
    int64_t v = sext(a[i], w);
    if (v >= 0 && v < r.size()) ++r.cells()[v];
  }
  for (uint32_t i = 0; marks && i < r.size(); ++i) r.setMark(i, marks);
  return m.out(op, std::move(r));
}

} // namespace tir::interp::mean
