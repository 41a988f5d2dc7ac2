// SPDX-License-Identifier: MIT
// Axis info: what is known, per dimension, about the integers and addresses of a value. The source of coalescing and
// of vector widths.
//
// All numbers are powers of two, and hold modulo 2^width of the element, so they survive wrap-around:
//   contiguity    along the dimension, each aligned group of this many elements counts up by one (addresses: by the
//                 size of what they point to)
//   divisibility  the first element of every such group is a multiple of this (addresses: in bytes), whatever the
//                 other coordinates
//   constancy     each aligned group of this many elements holds one value
//   likely        contiguity without regard to wrap-around and alignment: good for choosing which dimension the
//                 threads walk first, never for what must be true
// One thing is taken on trust: sizes (integer arguments), program ids, and sums and products of these are not
// negative where a signed division or remainder looks at them. What contains a difference, a negative constant or a
// loaded number is not trusted.
#pragma once
#include "ir/ir.hh"
#include <memory>
#include <vector>

namespace tir {

struct AxisDim {
  int64_t contiguity = 1, divisibility = 1, constancy = 1, likely = 1;
  bool operator==(const AxisDim &) const = default;
};

struct AxisInfo {
  std::vector<AxisDim> dims; // one per dimension; one for a scalar
  bool constant = false;     // an integer that is the same in every element, sign-extended in `value`
  bool nonNegative = false;  // on trust, see above
  int64_t value = 0;
  bool operator==(const AxisInfo &) const = default;

  /// Divisibility of every element whose coordinate in `d` is a multiple of `step`.
  int64_t divisibleAt(unsigned d, int64_t step) const {
    const AxisDim &a = dims[d];
    return a.contiguity > step && a.divisibility > step ? step : a.divisibility;
  }
};

class AxisInfoAnalysis {
public:
  /// Everything in a function (or any operation with regions). A snapshot: values made later are unknown.
  explicit AxisInfoAnalysis(Op *function);

  const AxisInfo &info(const Value *v) const;

  /// Elements along `d` that one access of an aligned group of lanes may take: they are neighbours in memory, and
  /// the first is aligned to all of them together. With a mask, also: one mask bit decides for all.
  int64_t vectorWidth(const Value *ptr, unsigned d, const Value *mask = nullptr) const;
  /// Alignment in bytes of the first address of each run of vectorWidth elements.
  int64_t alignment(const Value *ptr, unsigned d) const;
  /// Elements along `d` over which the mask is uniform (the whole dimension without mask).
  int64_t maskConstancy(const Value *mask, unsigned d) const;
  /// Neighbouring elements along `d`, aligned or not: for choosing the order of dimensions.
  int64_t likelyRun(const Value *ptr, unsigned d) const { return info(ptr).dims[d].likely; }

private:
  std::vector<AxisInfo> infos; // by value id; no dims: not reached yet
  mutable std::vector<std::unique_ptr<AxisInfo>> unknown;
  bool changed = false;

  AxisInfo pessimistic(const Value *v) const;
  AxisInfo compute(const Op *op, unsigned result) const;
  AxisInfo arithmetic(const Op *op) const;
  AxisInfo reshaped(const Op *op, const AxisInfo &src) const;
  AxisInfo withHints(const Op *op, AxisInfo info) const;
  const AxisInfo &known(const Value *v) const;
  bool reached(const Value *v) const { return v->id < infos.size() && !infos[v->id].dims.empty(); }
  void set(const Value *v, AxisInfo info);
  void meet(const Value *v, const Value *incoming);
  void arguments(Op *function);
  void region(Region *r);
  void visit(Op *op);
  void loop(Op *op);
};

/// Bytes of what a pointer (or tile of pointers) points to; 1 for i1.
int64_t pointeeBytes(Type pointers);

} // namespace tir
