// SPDX-License-Identifier: MIT
// Buffers of shared and tensor memory at run time. The value of a buffer type is a view: one cell that names the
// buffer, then for each element of the view, row-major, the number of its element in the buffer. Layouts do not
// matter here: a buffer holds elements, not bytes.
#pragma once
#include "machine.hh"

namespace tir::interp {

struct View {
  SharedBuffer *buffer = nullptr;
  const uint64_t *index = nullptr;
  uint32_t size = 0;
};

/// The buffer that `v` names. False: stopped (it was given back, or the view has another size than its type).
bool viewOf(Machine &m, Op &op, Value *v, View *view);
Tile readView(const View &view);
/// One element of `value` for each of the view; a one-element `value` fills.
void writeView(const View &view, const Tile &value);
/// A tile as it is, a buffer's contents. False: stopped.
bool tileOrBuffer(Machine &m, Op &op, Value *v, Tile *out);
/// c + a·b (dot.cc). False: stopped.
bool dotTiles(Machine &m, Op &op, const Tile &a, Type ta, const Tile &b, Type tb, const Tile &c, Type tc, Tile *out);

} // namespace tir::interp
