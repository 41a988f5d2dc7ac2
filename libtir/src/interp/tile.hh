// SPDX-License-Identifier: MIT
// The value of an SSA value at run time: an array of 64-bit cells, one per element, shared by reference
// count. Integers are zero-extended; floats are the bits of their format; pointers are addresses (memory.hh).
//   tensor descriptor: [base, shape…, strides…, padding]
//   pointer to a tile (tt.make_tensor_ptr): [base, shape…, strides…, offsets…]
// Beside the cells there may be one byte of marks per element; no marks means all zero.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace tir::interp {

/// What is known against an element. Marks follow values through every operation and are reported where the
/// value is used (address, mask, branch, store), so what only masked-off lanes see is never reported.
enum Mark : uint8_t {
  MarkUndef = 1,    // no value: masked-off load without `other`, ub.poison, uninitialised memory, x / 0
  MarkOverflow = 2, // a signed overflow happened on the way here
  MarkDiv = 4,      // an integer division by zero or MIN / -1
  MarkShift = 8,    // a shift by the width or more
  MarkConvert = 16, // a float to integer conversion out of range
  MarkGather = 32,  // a gather index out of range
};

class Tile {
public:
  Tile() = default;
  explicit Tile(uint32_t n) {
    rep = static_cast<Rep *>(std::malloc(sizeof(Rep) + sizeof(uint64_t) * (n ? n : 1)));
    if (!rep) std::abort();
    rep->refs = 1;
    rep->n = n;
    rep->marks = nullptr;
  }
  Tile(const Tile &o) : rep(o.rep) {
    if (rep) ++rep->refs;
  }
  Tile(Tile &&o) noexcept : rep(std::exchange(o.rep, nullptr)) {}
  Tile &operator=(Tile o) noexcept {
    std::swap(rep, o.rep);
    return *this;
  }
  ~Tile() { reset(); }
  void reset() {
    if (rep && --rep->refs == 0) {
      std::free(rep->marks);
      std::free(rep);
    }
    rep = nullptr;
  }
  static Tile scalar(uint64_t v) { return fill(1, v); }
  static Tile fill(uint32_t n, uint64_t v) {
    Tile t(n);
    for (uint32_t i = 0; i < n; ++i) t.rep->bits[i] = v;
    return t;
  }

  explicit operator bool() const { return rep; }
  uint32_t size() const { return rep->n; }
  const uint64_t *bits() const { return rep->bits; }
  uint64_t operator[](uint32_t i) const { return rep->bits[i]; }
  /// For the maker of a fresh tile only.
  uint64_t *cells() { return rep->bits; }
  /// Null when no element is marked.
  const uint8_t *marks() const { return rep->marks; }
  uint8_t mark(uint32_t i) const { return rep->marks ? rep->marks[i] : 0; }
  bool undef(uint32_t i) const { return rep->marks && (rep->marks[i] & MarkUndef); }
  /// For the maker of a fresh tile only: the marks, zeroed when new.
  uint8_t *addMarks() {
    if (!rep->marks) {
      rep->marks = static_cast<uint8_t *>(std::calloc(rep->n ? rep->n : 1, 1));
      if (!rep->marks) std::abort();
    }
    return rep->marks;
  }
  void setMark(uint32_t i, uint8_t m) {
    if (m) addMarks()[i] |= m;
  }
  /// Adds the marks of `o`, element by element (a one-element `o` marks all).
  void mergeMarks(const Tile &o) {
    if (!o.rep->marks) return;
    uint32_t n = rep->n;
    if (o.rep->n == 1 && n != 1) {
      if (o.rep->marks[0])
        for (uint32_t i = 0; i < n; ++i) addMarks()[i] |= o.rep->marks[0];
      return;
    }
    uint8_t *m = addMarks();
    for (uint32_t i = 0; i < n && i < o.rep->n; ++i) m[i] |= o.rep->marks[i];
  }
  bool shared() const { return rep->refs > 1; }

private:
  struct Rep {
    uint32_t refs, n;
    uint8_t *marks;
    uint64_t bits[1];
  };
  Rep *rep = nullptr;
};

} // namespace tir::interp
