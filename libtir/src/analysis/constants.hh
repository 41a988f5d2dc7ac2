// SPDX-License-Identifier: MIT
// Constants as raw bits, whatever attribute they stand in; and back.
#pragma once
#include "ir/ir.hh"

namespace tir {

inline uint64_t lowMask(unsigned width) { return width >= 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1; }
inline int64_t signExtend(uint64_t bits, unsigned width) {
  return width >= 64 ? static_cast<int64_t>(bits)
                     : static_cast<int64_t>(bits << (64 - width)) >> (64 - width);
}

/// Bits of an integer, index or float element; 0 for what has no constants of at most 64 bits.
inline unsigned scalarWidth(Type t) {
  switch (t->kind) {
  case TypeKind::Index: return 64;
  case TypeKind::Int: return t->width <= 64 ? t->width : 0;
  case TypeKind::Float: return t->width;
  default: return 0;
  }
}

/// The value of an arith.constant: a scalar or tile of integers or floats of at most 64 bits.
struct Constant {
  Type type = nullptr; // null: not a constant
  Type elem = nullptr;
  unsigned width = 0;
  bool splat = true;   // bits() has one entry: scalars and splats

  Constant() = default;
  explicit Constant(const Value *v);
  explicit Constant(Attr a, Type t);
  explicit operator bool() const { return type; }
  Span<uint64_t> bits() const { return dense.ptr ? dense : Span<uint64_t>{&scalar, 1}; } // zero-extended
  uint64_t at(uint64_t i) const { return bits()[splat ? 0 : static_cast<uint32_t>(i)]; }
  /// Every element satisfies f(bits, width); false if this is no constant.
  template <class F> bool all(F f) const {
    if (!type) return false;
    for (uint64_t b : bits())
      if (!f(b, width)) return false;
    return true;
  }
  bool isAll(uint64_t value) const {
    return all([=](uint64_t b, unsigned) { return b == value; });
  }
  bool isZero() const { return isAll(0); } // for floats: +0
  bool isOne() const { return elem && !elem->isFloat() && isAll(1); }
  bool isAllOnes() const { return elem && !elem->isFloat() && isAll(lowMask(width)); }

private:
  void init(Attr a, Type t);
  uint64_t scalar = 0;
  Span<uint64_t> dense; // of a dense attribute
};

/// The attribute for a constant of type `t` (scalar, or tile): one entry of bits for a scalar or splat. Tiles whose
/// entries are all equal become splats.
Attr constantAttr(Context &ctx, Type t, Span<uint64_t> bits);
inline Attr constantAttr(Context &ctx, Type t, uint64_t bits) { return constantAttr(ctx, t, {&bits, 1}); }

} // namespace tir
