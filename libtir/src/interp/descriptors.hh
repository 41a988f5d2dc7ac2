// SPDX-License-Identifier: MIT
// Tensor descriptors at run time, [base, shape…, strides…, padding] (tile.hh), and loops over the elements that an
// operation moves. A descriptor made from memory (ttng.reinterpret_tensor_descriptor) is one cell, the address.
#pragma once
#include "lanes.hh"

namespace tir::interp {

constexpr unsigned max_desc_rank = 8;

struct Desc {
  Tile cells;
  Type type = nullptr;
  unsigned rank = 0, bytes = 0;
  int64_t shape(unsigned d) const { return static_cast<int64_t>(cells[1 + d]); }
  /// Address of the element at `index`; false if it lies outside the array.
  bool address(const int64_t *index, uint64_t *out) const {
    uint64_t offset = 0;
    bool in = true;
    for (unsigned d = 0; d < rank; ++d) {
      in &= index[d] >= 0 && index[d] < shape(d);
      offset += static_cast<uint64_t>(index[d]) * cells[1 + rank + d];
    }
    *out = cells[0] + offset * bytes;
    return in;
  }
  uint64_t padding() const {
    bool nan = cells[1 + 2 * rank] == 2 && type->elem->isFloat();
    return nan ? num::nan_bits(formatOf(type->elem)) : 0;
  }
};

/// Operand 0; checks that nothing in it is marked. False: stopped.
bool descriptor(Machine &m, Op &op, Desc *d);
/// Element `i` of the block from memory (or the padding), and back. False: stopped.
bool loadOne(Machine &m, Op &op, const Desc &d, Type type, uint32_t i, uint64_t address, bool in, uint64_t *cell,
             uint8_t *mark);
bool storeOne(Machine &m, Op &op, const Desc &d, const Tile &v, Type type, uint32_t i, uint64_t address, bool in);
bool reduceOne(Machine &m, Op &op, const Desc &d, const Tile &v, Type type, uint32_t i, uint64_t address, bool in);
bool sizeIs(Machine &m, Op &op, uint32_t have, uint32_t want);

/// Calls f(element number, address, inside) for each element of the block at the op's indices. False:
/// stopped.
template <class F> bool eachOfBlock(Machine &m, Op &op, const Desc &d, unsigned indexSlot, F f) {
  int64_t origin[max_desc_rank], at[max_desc_rank];
  unsigned firstIndex, n_indices;
  op.slotRange(indexSlot, &firstIndex, &n_indices);
  if (n_indices != d.rank) {
    m.stop(op, tessera::Code::VERIFY, "has %u indices for rank %u", n_indices, d.rank);
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
    m.stop(op, tessera::Code::VERIFY, "needs a descriptor of rank 2");
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

} // namespace tir::interp
