// SPDX-License-Identifier: MIT
// The GPU level: layouts mean nothing, shared and tensor memory is a buffer per allocation, asynchronous copies and
// products happen at once, and what waits for them has nothing to wait for.
#include "shared.hh"
#include "lanes.hh"

namespace tir::interp {

using tessera::Code;

bool viewOf(Machine &m, Op &op, Value *v, View *view) {
  const Tile &t = m.get(v);
  uint32_t n = static_cast<uint32_t>(v->type->count());
  if (t.size() != n + 1) {
    m.stop(op, Code::VERIFY, "has a buffer of %u elements where %u are expected", t.size() - 1, n);
    return false;
  }
  std::vector<SharedBuffer> &all = m.program().buffers;
  uint32_t slot = static_cast<uint32_t>(t[0] >> 32), made = static_cast<uint32_t>(t[0]);
  if (slot >= all.size() || all[slot].made != made) {
    m.stop(op, Code::LAUNCH, "uses a buffer of shared memory that was given back (or made anew since)");
    return false;
  }
  *view = {&all[slot], t.bits() + 1, n};
  return true;
}

Tile readView(const View &view) {
  Tile r(view.size);
  for (uint32_t i = 0; i < view.size; ++i) r.cells()[i] = view.buffer->cells[view.index[i]];
  for (uint32_t i = 0; i < view.size; ++i) r.setMark(i, view.buffer->marks[view.index[i]]);
  return r;
}

void writeView(const View &view, const Tile &value) {
  bool one = value.size() == 1;
  for (uint32_t i = 0; i < view.size; ++i) {
    view.buffer->cells[view.index[i]] = value[one ? 0 : i];
    view.buffer->marks[view.index[i]] = value.mark(one ? 0 : i);
  }
}

bool tileOrBuffer(Machine &m, Op &op, Value *v, Tile *out) {
  if (!v->type->isMemDesc()) return *out = m.get(v), true;
  View view;
  if (!viewOf(m, op, v, &view)) return false;
  *out = readView(view);
  return true;
}

namespace mean {

namespace {

/// A new buffer for the result of `op`. Memory of an operation that runs again and again is used again once
/// `kept` younger buffers of it exist; an older view is then told by its number.
Tile allocate(Machine &m, Op &op) {
  constexpr uint32_t kept = 8;
  Program &p = m.program();
  uint32_t n = static_cast<uint32_t>(op.result(0)->type->count());
  std::vector<uint32_t> &slots = p.slots[op.id];
  uint32_t slot;
  if (slots.size() < kept) {
    slot = static_cast<uint32_t>(p.buffers.size());
    p.buffers.emplace_back();
  } else {
    slot = slots.front();
    slots.erase(slots.begin());
  }
  slots.push_back(slot);
  SharedBuffer &b = p.buffers[slot];
  b.made = ++p.allocations;
  b.cells.assign(n, 0);
  b.marks.assign(n, MarkUndef);
  Tile r(n + 1);
  r.cells()[0] = uint64_t(slot) << 32 | b.made;
  for (uint32_t i = 0; i < n; ++i) r.cells()[i + 1] = i;
  return r;
}

Step token(Machine &m, Op &op) { return m.out(op, Tile::scalar(0)); }
/// Results that are tokens, from number `from` on.
Step tokens(Machine &m, Op &op, unsigned from) {
  for (unsigned i = from; i < op.numResults(); ++i) m.set(op.result(i), Tile::scalar(0));
  return Step::Next;
}

/// result[i] = src[map(index of i)]: views of views, `offset` and `strides` in elements of the source view.
Step view(Machine &m, Op &op, int64_t offset, const std::vector<int64_t> &strides) {
  Type to = op.result(0)->type;
  View src;
  if (!viewOf(m, op, op.operand(0), &src)) return Step::Stop;
  const Tile &from = m.in(op, 0);
  uint32_t n = static_cast<uint32_t>(to->count());
  Tile r(n + 1);
  r.cells()[0] = from[0];
  std::vector<int64_t> index(to->rank(), 0);
  int64_t at = offset;
  for (uint32_t i = 0; i < n; ++i) {
    if (at < 0 || at >= src.size) return m.stop(op, Code::LAUNCH, "reaches outside its buffer");
    r.cells()[i + 1] = src.index[at];
    for (unsigned d = to->rank(); d-- > 0;) {
      at += strides[d];
      if (++index[d] < to->shape[d]) break;
      at -= strides[d] * to->shape[d];
      index[d] = 0;
    }
  }
  return m.out(op, std::move(r));
}

std::vector<int64_t> rowMajor(Type t) {
  std::vector<int64_t> s(t->rank());
  int64_t n = 1;
  for (unsigned d = t->rank(); d-- > 0;) {
    s[d] = n;
    n *= t->shape[d];
  }
  return s;
}

} // namespace

Step ttg_convert_layout(Machine &m, Op &op) { return m.out(op, m.in(op, 0)); }

Step ttg_fp4_to_fp(Machine &m, Op &op) {
  const Tile &a = m.in(op, 0);
  Type to = op.result(0)->type, from = op.operand(0)->type;
  int64_t axis = op.intAttr("axis");
  if (axis < 0 || axis >= from->rank() || a.size() * 2 != m.count(to)) return m.stop(op, Code::VERIFY, "has shapes that do not fit");
  uint32_t inner = 1, length = static_cast<uint32_t>(to->shape[static_cast<uint32_t>(axis)]);
  for (uint32_t d = static_cast<uint32_t>(axis) + 1; d < to->rank(); ++d) inner *= static_cast<uint32_t>(to->shape[d]);
  Tile r(a.size() * 2);
  for (uint32_t i = 0; i < r.size(); ++i) {
    uint32_t outer = i / (inner * length), at = i / inner % length, low = i % inner;
    uint32_t src = (outer * (length / 2) + at / 2) * inner + low;
    r.cells()[i] = num::encode(formatOf(to->elem), num::decode(num::Format::F4E2M1FN, a[src] >> (at % 2 * 4) & 15));
    r.setMark(i, a.mark(src));
  }
  return m.out(op, std::move(r));
}

// ---- buffers --------------------------------------------------------------------------------------------

Step ttg_local_alloc(Machine &m, Op &op) {
  Tile r = allocate(m, op);
  m.set(op.result(0), r);
  if (op.numOperands()) {
    View view;
    if (!viewOf(m, op, op.result(0), &view)) return Step::Stop;
    if (m.in(op, 0).size() != view.size) return m.stop(op, Code::VERIFY, "is filled with another number of elements");
    writeView(view, m.in(op, 0));
  }
  return tokens(m, op, 1);
}

Step ttg_local_dealloc(Machine &m, Op &op) {
  View view;
  if (!viewOf(m, op, op.operand(0), &view)) return Step::Stop;
  view.buffer->made = 0;
  view.buffer->cells = {};
  view.buffer->marks = {};
  return Step::Next;
}

Step ttg_local_load(Machine &m, Op &op) {
  View view;
  if (!viewOf(m, op, op.operand(0), &view)) return Step::Stop;
  m.set(op.result(0), readView(view));
  return tokens(m, op, 1);
}

Step ttg_local_store(Machine &m, Op &op) {
  View view;
  if (!viewOf(m, op, op.operand(1), &view)) return Step::Stop;
  if (m.in(op, 0).size() != view.size) return m.stop(op, Code::VERIFY, "stores another number of elements");
  writeView(view, m.in(op, 0));
  return Step::Next;
}

namespace {
/// Calls f(element of `indices`, element of the view) for local_gather and local_scatter. False: stopped.
template <class F> bool eachIndexed(Machine &m, Op &op, Value *buffer, Value *indices, F f) {
  View view;
  if (!viewOf(m, op, buffer, &view)) return false;
  const Tile &at = m.get(indices);
  Type shape = buffer->type, it = indices->type;
  int64_t axis = op.intAttr("axis");
  if (axis < 0 || axis >= shape->rank() || it->rank() != shape->rank()) {
    m.stop(op, Code::VERIFY, "has indices of another rank");
    return false;
  }
  std::vector<int64_t> strides = rowMajor(shape), own = rowMajor(it);
  for (uint32_t i = 0; i < at.size(); ++i) {
    if (m.checkUsed(op, at, i, "an index")) return false;
    int64_t to = 0;
    for (unsigned d = 0; d < it->rank(); ++d) {
      int64_t x = d == axis ? sext(at[i], widthOf(it->elem)) : int64_t(i) / own[d] % it->shape[d];
      if (x < 0 || x >= shape->shape[d]) {
        m.stop(op, Code::LAUNCH, "has index %lld in a dimension of %lld; element %u", static_cast<long long>(x),
               static_cast<long long>(shape->shape[d]), i);
        return false;
      }
      to += x * strides[d];
    }
    f(view, i, view.index[to]);
  }
  return true;
}
} // namespace

Step ttg_local_gather(Machine &m, Op &op) {
  Tile r(m.count(op.result(0)->type));
  if (r.size() != m.in(op, 1).size()) return m.stop(op, Code::VERIFY, "has another number of indices than results");
  bool ok = eachIndexed(m, op, op.operand(0), op.operand(1), [&](const View &v, uint32_t i, uint64_t at) {
    r.cells()[i] = v.buffer->cells[at];
    r.setMark(i, v.buffer->marks[at]);
  });
  return ok ? m.out(op, std::move(r)) : Step::Stop;
}

Step ttg_local_scatter(Machine &m, Op &op) {
  const Tile &values = m.in(op, 1);
  if (values.size() != m.in(op, 2).size()) return m.stop(op, Code::VERIFY, "has another number of indices than values");
  bool ok = eachIndexed(m, op, op.operand(0), op.operand(2), [&](const View &v, uint32_t i, uint64_t at) {
    v.buffer->cells[at] = values[i];
    v.buffer->marks[at] = values.mark(i);
  });
  return ok ? Step::Next : Step::Stop;
}

// ---- views ----------------------------------------------------------------------------------------------

Step ttg_memdesc_index(Machine &m, Op &op) {
  const Tile &at = m.in(op, 1);
  Type from = op.operand(0)->type;
  if (m.checkUsed(op, at, 0, "an index")) return Step::Stop;
  int64_t i = sext(at[0], 32);
  if (!from->rank() || i < 0 || i >= from->shape[0])
    return m.stop(op, Code::LAUNCH, "takes part %lld of a buffer of %lld", static_cast<long long>(i),
                  static_cast<long long>(from->rank() ? from->shape[0] : 0));
  std::vector<int64_t> all = rowMajor(from);
  // A result of the same rank (1xi64 of 3xi64) keeps dimension 0, with one part.
  bool keeps = op.result(0)->type->rank() == from->rank();
  return view(m, op, i * all[0], {all.begin() + !keeps, all.end()});
}

Step ttg_memdesc_subslice(Machine &m, Op &op) {
  Type from = op.operand(0)->type;
  Attr offsets = op.attr("offsets");
  if (!offsets || offsets->ints.size() != from->rank() || op.result(0)->type->rank() != from->rank())
    return m.stop(op, Code::VERIFY, "has offsets of another rank");
  std::vector<int64_t> strides = rowMajor(from);
  int64_t offset = 0;
  for (unsigned d = 0; d < from->rank(); ++d) {
    if (offsets->ints[d] < 0 || offsets->ints[d] + op.result(0)->type->shape[d] > from->shape[d])
      return m.stop(op, Code::VERIFY, "reaches outside its buffer");
    offset += offsets->ints[d] * strides[d];
  }
  return view(m, op, offset, strides);
}

Step ttg_memdesc_trans(Machine &m, Op &op) {
  Type from = op.operand(0)->type;
  Attr order = op.attr("order");
  if (!order || order->ints.size() != from->rank()) return m.stop(op, Code::VERIFY, "has no order of every dimension");
  std::vector<int64_t> strides = rowMajor(from), permuted;
  for (int64_t d : order->ints) {
    if (d < 0 || d >= from->rank()) return m.stop(op, Code::VERIFY, "has an order outside the rank");
    permuted.push_back(strides[static_cast<size_t>(d)]);
  }
  return view(m, op, 0, permuted);
}

Step ttg_memdesc_reshape(Machine &m, Op &op) {
  if (op.operand(0)->type->count() != op.result(0)->type->count())
    return m.stop(op, Code::VERIFY, "changes the number of elements");
  return m.out(op, m.in(op, 0));
}

Step ttg_memdesc_reinterpret(Machine &m, Op &op) {
  Type a = op.operand(0)->type, b = op.result(0)->type;
  if (a->enc != b->enc || widthOf(a->elem) != widthOf(b->elem) || a->count() != b->count() || a->rank() != b->rank())
    return m.stop(op, Code::UNSUPPORTED, "not implemented: another width, shape or layout of the same memory");
  return m.out(op, m.in(op, 0));
}

// ---- asynchronous copies --------------------------------------------------------------------------------

Step ttg_async_copy_global_to_local(Machine &m, Op &op) {
  View view;
  if (!viewOf(m, op, op.operand(1), &view)) return Step::Stop;
  const Tile &pointers = m.in(op, 0);
  Type tile = op.operand(0)->type, elem = tile->elem->elem;
  Value *maskValue = op.slot(2), *otherValue = op.slot(3);
  const Tile *mask = maskValue ? &m.get(maskValue) : nullptr, *other = otherValue ? &m.get(otherValue) : nullptr;
  if (pointers.size() != view.size) return m.stop(op, Code::VERIFY, "copies another number of elements than the buffer has");
  unsigned bytes = bytesOf(elem);
  uint64_t valueMask = maskOf(widthOf(elem));
  for (uint32_t i = 0; i < view.size; ++i) {
    uint64_t &cell = view.buffer->cells[view.index[i]];
    uint8_t &mark = view.buffer->marks[view.index[i]];
    mark = 0;
    if (mask) {
      if (m.checkUsed(op, *mask, i, "a mask")) return Step::Stop;
      if (!((*mask)[i] & 1)) {
        cell = other ? (*other)[i] : 0;
        mark = other ? other->mark(i) : 0;
        continue;
      }
    }
    if (m.checkUsed(op, pointers, i, "an address")) return Step::Stop;
    Machine::Access a;
    if (!m.access(op, pointers[i], bytes, false, false, tile, i, &a)) return Step::Stop;
    cell = 0;
    if (!a.host) {
      mark = MarkUndef;
    } else {
      if (m.checkUnwritten(op, a, bytes)) return Step::Stop;
      cell = m.loadCell(a, bytes, &mark) & valueMask;
    }
    if (mark) m.made(op, mark);
  }
  return token(m, op);
}

Step ttg_async_commit_group(Machine &m, Op &op) { return token(m, op); }
Step ttg_async_wait(Machine &m, Op &op) { return token(m, op); }

/// An address that nothing else has; only descriptors are kept there (see tensormap_create).
Step ttg_global_scratch_alloc(Machine &m, Op &op) {
  uint64_t base = uint64_t(1) << 61 | uint64_t(m.program().number) << 40 | uint64_t(op.id) << 20;
  return m.out(op, Tile::scalar(base));
}

// ---- matrix products ------------------------------------------------------------------------------------

Step ttng_warp_group_dot(Machine &m, Op &op) {
  Tile a, b, c = m.in(op, 2), r;
  if (!tileOrBuffer(m, op, op.operand(0), &a) || !tileOrBuffer(m, op, op.operand(1), &b)) return Step::Stop;
  if (Value *use = op.slot(3)) {
    if (m.checkUsed(op, m.get(use), 0, "a condition")) return Step::Stop;
    if (!(m.get(use)[0] & 1)) c = Tile::fill(c.size(), 0);
  }
  if (!dotTiles(m, op, a, op.operand(0)->type, b, op.operand(1)->type, c, op.operand(2)->type, &r)) return Step::Stop;
  return m.out(op, std::move(r));
}

Step ttng_warp_group_dot_wait(Machine &m, Op &op) {
  std::vector<Tile> values;
  for (unsigned i = 0; i < op.numOperands(); ++i) values.push_back(m.in(op, i));
  for (unsigned i = 0; i < op.numResults() && i < values.size(); ++i) m.set(op.result(i), std::move(values[i]));
  return Step::Next;
}

// ---- tensor memory --------------------------------------------------------------------------------------

Step ttng_tmem_store(Machine &m, Op &op) {
  unsigned first, n;
  op.slotRange(2, &first, &n);
  const Tile &value = m.in(op, first), &pred = m.in(op, first + 1);
  View view;
  if (!viewOf(m, op, op.operand(0), &view)) return Step::Stop;
  if (m.checkUsed(op, pred, 0, "a condition")) return Step::Stop;
  if (value.size() != view.size) return m.stop(op, Code::VERIFY, "stores another number of elements");
  if (pred[0] & 1) writeView(view, value);
  return tokens(m, op, 0);
}

Step ttng_tmem_subslice(Machine &m, Op &op) {
  Type from = op.operand(0)->type;
  int64_t dim = op.intAttr("dim", 1), offset = op.intAttr("offset");
  if (dim < 0 || dim >= from->rank() || op.result(0)->type->rank() != from->rank())
    return m.stop(op, Code::VERIFY, "has no dimension %lld", static_cast<long long>(dim));
  std::vector<int64_t> strides = rowMajor(from);
  return view(m, op, offset * strides[static_cast<size_t>(dim)], strides);
}

Step ttng_tc_gen5_mma(Machine &m, Op &op) {
  Tile a, b, c, r;
  Value *useD = op.slot(4), *pred = op.slot(5);
  if (m.checkUsed(op, m.get(useD), 0, "a condition") || m.checkUsed(op, m.get(pred), 0, "a condition")) return Step::Stop;
  if (op.attr("two_ctas")) return m.stop(op, Code::UNSUPPORTED, "not implemented: products of two CTAs");
  if (m.get(pred)[0] & 1) {
    View view;
    if (!viewOf(m, op, op.operand(2), &view) || !tileOrBuffer(m, op, op.operand(0), &a) ||
        !tileOrBuffer(m, op, op.operand(1), &b))
      return Step::Stop;
    c = m.get(useD)[0] & 1 ? readView(view) : Tile::fill(view.size, 0);
    if (!dotTiles(m, op, a, op.operand(0)->type, b, op.operand(1)->type, c, op.operand(2)->type, &r)) return Step::Stop;
    writeView(view, r);
  }
  return tokens(m, op, 0);
}

} // namespace mean
} // namespace tir::interp
