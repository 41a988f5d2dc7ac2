// SPDX-License-Identifier: MIT
// Linear layouts: maps over GF(2) between named index spaces. A distributed layout maps the bits of (register,
// lane, warp, block) to the bits of a tensor's element index; a shared layout maps the bits of (offset, block).
// After "Linear Layouts: Robust Code Generation of Efficient Tensor Computation Using F2" (arXiv 2505.23819).
//
// Both sides are flat bit strings. Inputs: the first dimension has the lowest bits, so the flat input of a
// distributed layout is register + R * (lane + 32 * (warp + W * block)). Outputs: the *last* dimension has the
// lowest bits, so the flat output is the element's row-major index, and a reshape changes the names alone.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace tir {

enum class Dim : uint8_t { Register, Lane, Warp, Block, Offset, Dim0 = 16 }; // Dim0 + i: tensor dimension i
constexpr Dim tensorDim(unsigned i) { return Dim(unsigned(Dim::Dim0) + i); }
constexpr bool isTensorDim(Dim d) { return d >= Dim::Dim0; }
std::string dimName(Dim d); // "register", "lane", "warp", "block", "offset", "dim0", …

struct DimBits {
  Dim dim;
  uint32_t bits;
  bool operator==(const DimBits &) const = default;
};

// ---- matrices over GF(2) --------------------------------------------------------------------------------
// One column per input bit; bit r of a column is row r. At most 64 rows.
using Columns = std::vector<uint64_t>;
namespace gf2 {
uint64_t apply(const Columns &m, uint64_t x);
Columns multiply(const Columns &outer, const Columns &inner); // outer ∘ inner
unsigned rank(const Columns &m);
/// Basis of {x : m x = 0}; masks over the columns, in echelon form with the lowest free column first.
Columns kernel(const Columns &m);
/// Basis (echelon, lowest bits first) of the span of the columns.
Columns image(const Columns &m);
/// Some x with m x = y for each column y of `rhs`, using the lowest columns that suffice (free ones are 0).
/// False if one has no solution.
bool solve(const Columns &m, const Columns &rhs, Columns *x);
/// Basis of the intersection of two spans.
Columns intersect(const Columns &a, const Columns &b);
/// Columns of the identity among `bits` that extend span(m) to the whole space.
Columns complement(const Columns &m, unsigned bits);
} // namespace gf2

class LinearLayout {
public:
  LinearLayout() = default;
  /// `columns` by flat input bit, each a flat output index.
  LinearLayout(std::vector<DimBits> in, std::vector<DimBits> out, Columns columns);

  /// in bit i → out bit i.
  static LinearLayout identity(Dim in, Dim out, unsigned bits);
  /// `bits` input bits that move nothing (broadcast); the output dimension has size 1.
  static LinearLayout zeros(Dim in, Dim out, unsigned bits);
  /// No inputs, no outputs: the unit of the product.
  static LinearLayout empty() { return {}; }

  const std::vector<DimBits> &in() const { return in_; }
  const std::vector<DimBits> &out() const { return out_; }
  unsigned inBits() const { return cols_.size(); }
  unsigned outBits() const;
  unsigned inBits(Dim d) const;  // 0 if absent
  unsigned outBits(Dim d) const; // 0 if absent
  unsigned inStart(Dim d) const; // lowest flat bit of an input dimension (also where an absent one would be: 0)
  unsigned outStart(Dim d) const;
  bool hasIn(Dim d) const;
  const Columns &columns() const { return cols_; }
  /// Column of bit `bit` of input dimension `d`: a flat output index.
  uint64_t basis(Dim d, unsigned bit) const { return cols_[inStart(d) + bit]; }
  /// Columns of one input dimension.
  Columns columnsOf(Dim d) const;
  /// What output dimension `d` has of a flat output index.
  uint64_t coordinate(uint64_t flat, Dim d) const;

  uint64_t apply(uint64_t flatIn) const { return gf2::apply(cols_, flatIn); }

  bool operator==(const LinearLayout &) const = default;
  bool sameMap(const LinearLayout &o) const { return cols_ == o.cols_; }

  bool isSurjective() const { return gf2::rank(cols_) == outBits(); }
  bool isInjective() const { return gf2::rank(cols_) == inBits(); }
  /// Input bits (flat mask) whose column depends on lower ones or is zero: they only repeat what others hold.
  uint64_t freeInputs() const;
  Columns kernel() const { return gf2::kernel(cols_); }

  /// Product: this layout in the low positions, `outer` above it, per dimension: inputs and outputs of the same
  /// name are joined (this one's bits low), new ones follow. Dimensions keep this layout's order.
  LinearLayout operator*(const LinearLayout &outer) const;
  /// outer(this(x)); outer's inputs are this layout's outputs, matched by name (sizes must agree).
  LinearLayout compose(const LinearLayout &outer) const;
  /// Some right inverse (for a surjective map): outputs → inputs, lowest inputs used, others 0.
  LinearLayout invert() const;
  /// x ↦ y with `other(y) == this(x)`: how the holder of an element in `this` finds it in `other` (which must
  /// reach every output of `this`). Broadcast bits of `other` are 0 in the answer.
  LinearLayout invertAndCompose(const LinearLayout &other) const;
  /// The layout L with `small * L == this`, if there is one (quotient, small in the low bits).
  bool divideLeft(const LinearLayout &small, LinearLayout *quotient) const;

  /// Output dimension i of the result is dimension order[i] of this one, named dim i (as in tt.trans).
  LinearLayout transposeOuts(const std::vector<unsigned> &order) const;
  /// Same flat outputs, other dimension sizes (log2), named dim0 … (as in tt.reshape).
  LinearLayout reshapeOuts(const std::vector<unsigned> &bits) const;
  /// Drops output dimension `axis` (its coordinates are forgotten); later dimensions move down one name.
  LinearLayout dropOut(unsigned axis) const;
  /// A new output dimension of size 1 at `axis`.
  LinearLayout expandOut(unsigned axis) const;
  /// Without the register bits that are zero or repeat others (after dropOut, say).
  LinearLayout removeFreeRegisters() const;
  /// The same map with the input dimensions given, in that order; absent ones are added with 0 bits, bits of
  /// dimensions not named are dropped.
  LinearLayout withInputs(const std::vector<Dim> &dims) const;
  /// Input dimension `d` replaced by these columns.
  LinearLayout replaceIn(Dim d, const Columns &columns) const;

  /// "register=[[0,1],[0,2]] lane=[…] …": bases as coordinates, the printed form of `#ttg.linear`'s fields.
  std::string text() const;

private:
  std::vector<DimBits> in_, out_;
  Columns cols_;
};

} // namespace tir
