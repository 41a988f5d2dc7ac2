// SPDX-License-Identifier: MIT
// Copies between global memory and buffers by descriptor: done at once.
#include "descriptors.hh"
#include "shared.hh"

namespace tir::interp::mean {

using tessera::Code;

namespace {

/// The condition in slot `slot`. False: stopped.
bool condition(Machine &m, Op &op, unsigned slot, bool *holds) {
  const Tile &t = m.get(op.slot(slot));
  if (m.checkUsed(op, t, 0, "a condition")) return false;
  *holds = t[0] & 1;
  return true;
}

auto loader(Machine &m, Op &op, const Desc &d, const View &view, Type type) {
  return [&m, &op, &d, &view, type](uint32_t i, uint64_t address, bool in) {
    return loadOne(m, op, d, type, i, address, in, &view.buffer->cells[view.index[i]],
                   &view.buffer->marks[view.index[i]]);
  };
}

} // namespace

Step ttng_async_tma_copy_global_to_local(Machine &m, Op &op) {
  bool pred;
  if (!condition(m, op, 5, &pred)) return Step::Stop;
  if (!pred) return Step::Next;
  unsigned first, offsets;
  op.slotRange(2, &first, &offsets);
  if (offsets) return m.stop(op, Code::UNSUPPORTED, "not implemented: im2col copies");
  Desc d;
  View view;
  Value *to = op.slot(4);
  if (!descriptor(m, op, &d) || !viewOf(m, op, to, &view) ||
      !sizeIs(m, op, view.size, static_cast<uint32_t>(d.type->count())))
    return Step::Stop;
  return eachOfBlock(m, op, d, 1, loader(m, op, d, view, to->type)) ? Step::Next : Step::Stop;
}

Step ttng_async_tma_copy_local_to_global(Machine &m, Op &op) {
  Desc d;
  Tile v;
  Value *from = op.slot(2);
  if (!descriptor(m, op, &d) || !tileOrBuffer(m, op, from, &v) ||
      !sizeIs(m, op, v.size(), static_cast<uint32_t>(d.type->count())))
    return Step::Stop;
  bool ok = eachOfBlock(m, op, d, 1, [&](uint32_t i, uint64_t a, bool in) {
    return storeOne(m, op, d, v, from->type, i, a, in);
  });
  return ok ? Step::Next : Step::Stop;
}

Step ttng_async_tma_reduce(Machine &m, Op &op) {
  Desc d;
  Tile v;
  Value *from = op.slot(2);
  if (!descriptor(m, op, &d) || !tileOrBuffer(m, op, from, &v) ||
      !sizeIs(m, op, v.size(), static_cast<uint32_t>(d.type->count())))
    return Step::Stop;
  bool ok = eachOfBlock(m, op, d, 1, [&](uint32_t i, uint64_t a, bool in) {
    return reduceOne(m, op, d, v, from->type, i, a, in);
  });
  return ok ? Step::Yield : Step::Stop;
}

Step ttng_async_tma_gather(Machine &m, Op &op) {
  bool pred;
  if (!condition(m, op, 5, &pred)) return Step::Stop;
  if (!pred) return Step::Next;
  Desc d;
  View view;
  Value *to = op.slot(4);
  if (!descriptor(m, op, &d) || !viewOf(m, op, to, &view) ||
      !sizeIs(m, op, view.size, static_cast<uint32_t>(m.in(op, 1).size() * d.type->count())))
    return Step::Stop;
  return eachOfRows(m, op, d, 1, 2, loader(m, op, d, view, to->type)) ? Step::Next : Step::Stop;
}

Step ttng_async_tma_scatter(Machine &m, Op &op) {
  Desc d;
  Tile v;
  Value *from = op.slot(3);
  if (!descriptor(m, op, &d) || !tileOrBuffer(m, op, from, &v) ||
      !sizeIs(m, op, v.size(), static_cast<uint32_t>(m.in(op, 1).size() * d.type->count())))
    return Step::Stop;
  bool ok = eachOfRows(m, op, d, 1, 2, [&](uint32_t i, uint64_t a, bool in) {
    return storeOne(m, op, d, v, from->type, i, a, in);
  });
  return ok ? Step::Next : Step::Stop;
}

/// Kept aside, by address: [base, shape…, strides in bytes…, padding], dimensions from the outermost on.
Step ttng_tensormap_create(Machine &m, Op &op) {
  static constexpr uint64_t sizes[16] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4}; // of CUtensorMapDataType
  unsigned shape, rank, strides, n_strides;
  op.slotRange(3, &shape, &rank);
  op.slotRange(4, &strides, &n_strides);
  uint64_t bytes = sizes[op.intAttr("elem_type") & 15];
  if (!rank || rank > max_desc_rank || n_strides + 1 != rank || !bytes)
    return m.stop(op, Code::UNSUPPORTED, "not implemented: a descriptor of %u dimensions or of this element type", rank);
  Tile r(2 + 2 * rank);
  r.cells()[0] = m.in(op, 1)[0];
  r.setMark(0, m.in(op, 1).mark(0));
  for (unsigned k = 0; k < rank; ++k) { // operands: from the innermost on; its stride is one element
    unsigned to = rank - 1 - k;
    const Tile &size = m.in(op, shape + k);
    r.cells()[1 + to] = static_cast<uint64_t>(sext(size[0], 32));
    r.setMark(1 + to, size.mark(0));
    r.cells()[1 + rank + to] = k ? m.in(op, strides + k - 1)[0] : bytes;
    if (k) r.setMark(1 + rank + to, m.in(op, strides + k - 1).mark(0));
  }
  r.cells()[1 + 2 * rank] = static_cast<uint64_t>(op.intAttr("fill_mode") + 1);
  if (m.checkUsed(op, m.in(op, 0), 0, "an address")) return Step::Stop;
  m.program().tensormaps[m.in(op, 0)[0]] = std::move(r);
  return Step::Next;
}

Step ttng_reinterpret_tensor_descriptor(Machine &m, Op &op) {
  return m.out(op, m.in(op, 0)); // looked up where it is used: what lies there may be written later
}

} // namespace tir::interp::mean
