// SPDX-License-Identifier: MIT
// From encodings to linear maps. A named encoding is a tile, put together from runs of bits that each walk along
// one dimension; the tile is then fitted to the tensor: what reaches beyond the shape wraps, what is missing is
// repeated in registers (in memory: by further offsets), and the CTAs of a cluster stand around all that.
#include "encoding.hh"
#include <algorithm>
#include <bit>

namespace tir {

namespace {

using Axes = std::vector<unsigned>;
constexpr unsigned kMaxShapeBits = 30;

unsigned log2Of(uint64_t v) { return static_cast<unsigned>(std::bit_width(v) - 1); }

/// log2 of each dimension; false if one is no power of two, or the tensor is too large.
bool shapeBits(Span<int64_t> shape, Axes *bits) {
  unsigned total = 0;
  for (int64_t d : shape) {
    if (d <= 0 || !std::has_single_bit(static_cast<uint64_t>(d))) return false;
    bits->push_back(log2Of(static_cast<uint64_t>(d)));
    total += bits->back();
    if (total > kMaxShapeBits) return false;
  }
  return true;
}

/// A map under construction: bases as coordinates, by input dimension, and how far each dimension is reached.
struct Tile {
  struct Part {
    Dim dim;
    std::vector<Axes> bases;
  };
  unsigned rank;
  std::vector<Part> parts;
  Axes reached; // log2

  Tile(unsigned rank, std::initializer_list<Dim> dims) : rank(rank), reached(rank, 0) {
    for (Dim d : dims) parts.push_back({d, {}});
  }
  std::vector<Axes> &of(Dim d) {
    return std::find_if(parts.begin(), parts.end(), [&](const Part &p) { return p.dim == d; })->bases;
  }
  /// `bits` further bits of `d` that walk along `axis`, starting where the tile ends.
  void walk(Dim d, unsigned axis, unsigned bits) {
    for (unsigned i = 0; i < bits; ++i) {
      of(d).emplace_back(rank, 0);
      of(d).back()[axis] = 1u << reached[axis]++;
    }
  }
  void still(Dim d, unsigned bits) { of(d).insert(of(d).end(), bits, Axes(rank, 0)); }
  /// All dimensions, `order[0]` fastest; those for which `still_axis` holds are not walked.
  void walkAll(Dim d, const Axes &sizes, const Axes &order, unsigned still_axis = ~0u) {
    for (unsigned axis : order) {
      unsigned bits = log2Of(sizes[axis]);
      if (axis == still_axis) still(d, bits);
      else walk(d, axis, bits);
    }
  }

  static bool moves(const Axes &b) {
    return std::any_of(b.begin(), b.end(), [](unsigned v) { return v; });
  }
  /// What reaches beyond the shape starts again at 0. `drop`: registers that no longer move then go (those that never
  /// moved were meant); else they hold what others hold.
  void wrap(const Axes &shape, bool drop) {
    for (Part &p : parts) {
      std::vector<Axes> kept;
      for (Axes &b : p.bases) {
        bool moved = moves(b);
        for (unsigned a = 0; a < rank; ++a) b[a] &= (1u << shape[a]) - 1;
        if (!(drop && p.dim == Dim::Register && moved && !moves(b))) kept.push_back(std::move(b));
      }
      p.bases = std::move(kept);
    }
    for (unsigned a = 0; a < rank; ++a) reached[a] = std::min(reached[a], shape[a]);
  }
  void repeat(Dim d, const Axes &shape, const Axes &order) {
    for (unsigned axis : order)
      if (shape[axis] > reached[axis]) walk(d, axis, shape[axis] - reached[axis]);
  }

  LinearLayout finish(const Axes &shape) const {
    std::vector<DimBits> in, out;
    std::vector<unsigned> shift(rank, 0);
    for (unsigned a = rank; a-- > 1;) shift[a - 1] = shift[a] + shape[a];
    for (unsigned a = 0; a < rank; ++a) out.push_back({tensorDim(a), shape[a]});
    Columns cols;
    for (const Part &p : parts) {
      in.push_back({p.dim, static_cast<uint32_t>(p.bases.size())});
      for (const Axes &b : p.bases) {
        uint64_t c = 0;
        for (unsigned a = 0; a < rank; ++a) c |= uint64_t(b[a]) << shift[a];
        cols.push_back(c);
      }
    }
    return LinearLayout(std::move(in), std::move(out), std::move(cols));
  }
};

/// What one CTA holds of a tensor that a cluster shares (log2), and the bases of the cluster, wrapped at the shape.
struct Cluster {
  std::vector<Axes> bases;
  Axes inner;
  Cluster(const std::vector<Axes> &cga, const Axes &shape, unsigned without = ~0u) : bases(cga), inner(shape) {
    Axes reached(shape.size(), 0);
    for (Axes &b : bases)
      for (unsigned a = 0; a < shape.size(); ++a) {
        b[a] = a == without ? 0 : b[a] & ((1u << shape[a]) - 1);
        reached[a] = std::max<unsigned>(reached[a], std::bit_width(b[a]));
      }
    for (unsigned a = 0; a < shape.size(); ++a) inner[a] -= reached[a];
  }
  void addTo(Tile &t) const {
    for (const Axes &b : bases) {
      t.of(Dim::Block).push_back(b);
      for (unsigned a = 0; a < b.size(); ++a) t.of(Dim::Block).back()[a] <<= inner[a];
    }
  }
};

/// Last dimension fastest; `rows`: the last but one instead.
Axes matrixOrder(unsigned rank, bool rows_first = false) {
  Axes order;
  for (unsigned a = rank; a-- > 0;) order.push_back(a);
  if (rows_first && rank > 1) std::swap(order[0], order[1]);
  return order;
}

using Map = std::optional<LinearLayout>;

Map fit(Tile tile, const std::vector<Axes> &cga, const Axes &shape, const Axes &order, bool drop, unsigned without = ~0u) {
  Cluster cluster(cga, shape, without);
  tile.repeat(Dim::Register, cluster.inner, order);
  tile.wrap(cluster.inner, drop);
  cluster.addTo(tile);
  return tile.finish(shape);
}

Tile distributedTile(unsigned rank) { return Tile(rank, {Dim::Register, Dim::Lane, Dim::Warp, Dim::Block}); }

Map blocked(const Encoding &e, const Axes &shape) {
  Tile t = distributedTile(shape.size());
  t.walkAll(Dim::Register, e.sizePerThread, e.order);
  t.walkAll(Dim::Lane, e.threadsPerWarp, e.order);
  t.walkAll(Dim::Warp, e.warpsPerCTA, e.order);
  return fit(std::move(t), e.cgaBases, shape, e.order, true);
}

/// The 8×4 threads of a warp on a matrix fragment: k_width elements of a thread along `inner`, four threads along it,
/// eight along `outer`; then registers: first along `outer`, then along `inner`.
bool fragment(Tile &t, unsigned inner, unsigned outer, unsigned inner_size, unsigned outer_size, unsigned k_width) {
  if (outer_size < 8 || inner_size < 4 * k_width) return false;
  t.walk(Dim::Register, inner, log2Of(k_width));
  t.walk(Dim::Lane, inner, 2);
  t.walk(Dim::Lane, outer, 3);
  t.walk(Dim::Register, outer, log2Of(outer_size / 8));
  t.walk(Dim::Register, inner, log2Of(inner_size / (4 * k_width)));
  return true;
}

bool isMma(const Encoding &e) { return e.kind == EncKind::NvidiaMma && (e.versionMajor == 2 || e.versionMajor == 3); }

Map mma(const Encoding &e, const Axes &shape) {
  unsigned rank = shape.size();
  bool wgmma = e.versionMajor == 3;
  // [m, n] in the last two places of release 2, [m, n, k] in version 3.
  if (!isMma(e) || rank < 2 || (wgmma ? rank != 2 || e.instrShape.size() < 2 : e.instrShape.size() != rank)) return {};
  unsigned m = e.instrShape[wgmma ? 0 : rank - 2], n = e.instrShape[wgmma ? 1 : rank - 1];
  Tile t = distributedTile(rank);
  if (!fragment(t, rank - 1, rank - 2, n, m, 2)) return {};
  t.walkAll(Dim::Warp, e.warpsPerCTA, matrixOrder(rank, wgmma));
  return fit(std::move(t), e.cgaBases, shape, matrixOrder(rank), false);
}

Map dotOperand(const Encoding &e, const Axes &shape) {
  const Encoding *p = encodingOf(e.parent);
  unsigned rank = shape.size();
  if (!p || rank < 2) return {};
  unsigned k_dim = e.opIdx ? rank - 2 : rank - 1, other = e.opIdx ? rank - 1 : rank - 2;
  Tile t = distributedTile(rank);
  if (p->kind == EncKind::Blocked) { // FMA: each thread holds all of k
    Axes sizes = p->sizePerThread;
    sizes[k_dim] = 1u << shape[k_dim];
    t.walkAll(Dim::Register, sizes, p->order);
    t.walkAll(Dim::Lane, p->threadsPerWarp, p->order, k_dim);
    t.walkAll(Dim::Warp, p->warpsPerCTA, p->order, k_dim);
    return fit(std::move(t), p->cgaBases, shape, p->order, false, k_dim);
  }
  if (!isMma(*p) || (p->versionMajor == 3 && e.opIdx) || !e.kWidth) return {};
  // The second operand has 8 columns, the first 16 rows (8 where the instruction has 8).
  unsigned outer_size = 8;
  if (!e.opIdx) outer_size = p->versionMajor == 3 ? 16 : p->instrShape.size() == rank ? std::min(16u, p->instrShape[rank - 2]) : 16;
  bool half = p->versionMajor == 2 && p->instrShape.size() == rank && p->instrShape[rank - 2] == 8; // m8n8k4
  if (!fragment(t, k_dim, other, (half ? 4 : 8) * e.kWidth, outer_size, e.kWidth)) return {};
  t.walkAll(Dim::Warp, p->warpsPerCTA, matrixOrder(rank, p->versionMajor == 3), k_dim);
  return fit(std::move(t), p->cgaBases, shape, matrixOrder(rank, e.opIdx), false, k_dim);
}

Map slice(const Encoding &e, Span<int64_t> shape) {
  std::vector<int64_t> parent(shape.begin(), shape.end());
  parent.insert(parent.begin() + e.dim, 1);
  Map l = distributedLayout(e.parent, {parent.data(), static_cast<uint32_t>(parent.size())});
  if (!l) return {};
  LinearLayout cut = l->dropOut(e.dim);
  Columns kept; // registers that no longer move go; those that repeat each other cannot occur
  for (uint64_t c : cut.columnsOf(Dim::Register))
    if (c) kept.push_back(c);
  return cut.replaceIn(Dim::Register, kept);
}

/// The tile that `#ttg.linear` gives, in coordinates.
Tile given(const LinearLayout &l, std::initializer_list<Dim> dims) {
  Tile t(l.out().size(), dims);
  for (unsigned a = 0; a < t.rank; ++a) t.reached[a] = l.out()[a].bits;
  for (Tile::Part &p : t.parts)
    for (uint64_t c : l.columnsOf(p.dim)) {
      p.bases.emplace_back();
      for (const DimBits &o : l.out()) p.bases.back().push_back(static_cast<unsigned>(l.coordinate(c, o.dim)));
    }
  return t;
}

Map linear(const Encoding &e, const Axes &shape) {
  Tile t = given(*e.linear, {Dim::Register, Dim::Lane, Dim::Warp, Dim::Block});
  // Repeats go along the dimensions in the order in which the registers come to them, the last ones first otherwise.
  Axes order;
  auto add = [&](unsigned a) {
    if (std::find(order.begin(), order.end(), a) == order.end()) order.push_back(a);
  };
  for (const Axes &b : t.of(Dim::Register)) {
    auto it = std::find_if(b.begin(), b.end(), [](unsigned v) { return v; });
    if (it != b.end()) add(static_cast<unsigned>(it - b.begin()));
  }
  for (unsigned a = t.rank; a-- > 0;) add(a);
  t.wrap(shape, true);
  t.repeat(Dim::Register, shape, order);
  return t.finish(shape);
}

// ---- memory ---------------------------------------------------------------------------------------------------

Tile sharedTile(unsigned rank) { return Tile(rank, {Dim::Offset, Dim::Block}); }

Map finishShared(Tile t, const Cluster &cluster, const Axes &shape, const Axes &order) {
  t.repeat(Dim::Offset, cluster.inner, order);
  cluster.addTo(t);
  return t.finish(shape);
}

Map swizzled(const Encoding &e, const Axes &shape) {
  unsigned rank = shape.size();
  Cluster cluster(e.cgaBases, shape);
  Tile t = sharedTile(rank);
  if (rank > 1) {
    unsigned col = e.order[0], row = e.order[1];
    uint64_t columns = uint64_t(1) << cluster.inner[col];
    t.walk(Dim::Offset, col, cluster.inner[col]);
    for (unsigned i = 0; i < cluster.inner[row]; ++i) {
      t.walk(Dim::Offset, row, 1);
      uint64_t phase = ((uint64_t(1) << i) / e.perPhase) % e.maxPhase;
      t.of(Dim::Offset).back()[col] = static_cast<unsigned>(e.vec * phase % columns);
    }
  }
  return finishShared(std::move(t), cluster, shape, e.order);
}

/// Memory as TMA and wgmma read it: blocks of a width of swizzlingByteWidth bytes and at most 256 rows, in which the
/// 16-byte chunks of a row are permuted by the row.
Map nvmma(const Encoding &e, const Axes &shape) {
  unsigned rank = shape.size();
  Cluster cluster(e.cgaBases, shape);
  unsigned contiguous = e.transposed ? 0 : rank - 1;
  Axes block = cluster.inner;
  unsigned pad = e.fp4Padded;
  block[contiguous] += pad;
  for (unsigned &b : block) b = std::min(b, 8u);
  unsigned width = e.swizzlingByteWidth ? log2Of(std::max(1u, 8 * e.swizzlingByteWidth / e.elementBitWidth)) : 0;
  if (e.swizzlingByteWidth) {
    if (block[contiguous] < width) return {};
    block[contiguous] = width;
  }
  block[contiguous] -= std::min(pad, block[contiguous]);
  Tile t = sharedTile(rank);
  // Row-major over these dimensions; transposed: dimension 0 is the last one.
  Axes axes, order;
  for (unsigned a = e.transposed; a < rank; ++a) axes.push_back(a);
  if (e.transposed) axes.push_back(0);
  for (unsigned a = 0; a < rank; ++a) order.push_back(a);
  if (!e.swizzlingByteWidth) {
    if (e.transposed && rank > 2) return {}; // no hardware form; Triton's map of it has places without elements
    for (unsigned i = rank; i-- > 0;) t.walk(Dim::Offset, axes[i], block[axes[i]]);
    return finishShared(std::move(t), cluster, shape, order);
  }
  if (rank < 2) return {};

  // All dimensions but the last are rows; transposed: all but the last are the columns.
  unsigned rows = 0, cols = block[rank - 1];
  for (unsigned a = 0; a + 1 < rank; ++a) rows += block[a];
  if (e.transposed) std::swap(rows, cols);
  unsigned tile_cols = width - pad;
  if (rows < 3 || cols < tile_cols) return {};
  unsigned per_phase = 128 / e.swizzlingByteWidth, phases = e.swizzlingByteWidth / 16;
  unsigned chunk = 128 / e.elementBitWidth; // elements of 16 bytes
  // fp4 in 8 bits: of each 16 places the upper 8 hold nothing and stand for the lower ones.
  auto column = [&](unsigned c) { return pad ? c / 16 * 8 + c % 8 : c; };
  Columns flat; // offset → row · 2^cols + column
  for (unsigned i = 0; i < width; ++i) flat.push_back(column(1u << i));
  for (unsigned i = 0; i < 3; ++i) {
    unsigned row = 1u << i;
    flat.push_back(uint64_t(row) << cols | column(chunk * (row / per_phase % phases)));
  }
  for (unsigned i = 3; i < rows; ++i) flat.push_back(uint64_t(1) << (cols + i));
  for (unsigned i = tile_cols; i < cols; ++i) flat.push_back(uint64_t(1) << i);

  for (uint64_t c : flat) {
    Axes b(rank, 0);
    for (unsigned i = rank; i-- > 0; c >>= block[axes[i]])
      b[axes[i]] = static_cast<unsigned>(c & ((uint64_t(1) << block[axes[i]]) - 1));
    t.of(Dim::Offset).push_back(b);
  }
  t.reached = block;
  return finishShared(std::move(t), cluster, shape, order);
}

Map sharedLinear(const Encoding &e, const Axes &shape) {
  for (unsigned a = 0; a < shape.size(); ++a)
    if (e.linear->out()[a].bits != shape[a]) return {};
  return given(*e.linear, {Dim::Offset, Dim::Block}).finish(shape);
}

} // namespace

const Encoding *encodingOf(Attr a) { return a && a->kind == AttrKind::Encoding ? a->encoding : nullptr; }

std::optional<LinearLayout> distributedLayout(Attr encoding, Span<int64_t> shape) {
  const Encoding *e = encodingOf(encoding);
  Axes bits;
  if (!e || shape.empty() || !shapeBits(shape, &bits) || encodingRank(*e) != shape.size()) return {};
  switch (e->kind) {
  case EncKind::Blocked: return blocked(*e, bits);
  case EncKind::Slice: return slice(*e, shape);
  case EncKind::NvidiaMma: return mma(*e, bits);
  case EncKind::DotOp: return dotOperand(*e, bits);
  case EncKind::Linear: return linear(*e, bits);
  default: return {};
  }
}

std::optional<LinearLayout> layoutOf(Type tensor) {
  if (!tensor || !tensor->isTensor() || !tensor->enc) return {};
  return distributedLayout(tensor->enc, tensor->shape);
}

std::optional<LinearLayout> sharedLayout(Attr encoding, Span<int64_t> shape, unsigned elementBits) {
  const Encoding *e = encodingOf(encoding);
  Axes bits;
  if (!e || shape.empty() || !shapeBits(shape, &bits)) return {};
  if (e->kind == EncKind::NvmmaShared && elementBits && e->elementBitWidth != elementBits) return {};
  unsigned rank = encodingRank(*e);
  if (rank + 1 == bits.size() && rank) { // buffers, one behind the other
    unsigned buffers = bits[0];
    Map l = sharedLayout(encoding, {shape.ptr + 1, shape.count - 1}, elementBits);
    if (!l) return {};
    std::vector<DimBits> out{{tensorDim(0), buffers}};
    for (const DimBits &d : l->out()) out.push_back({tensorDim(out.size()), d.bits});
    Columns cols = l->columnsOf(Dim::Offset), block = l->columnsOf(Dim::Block);
    unsigned inner = l->outBits(), offsets = static_cast<unsigned>(cols.size()) + buffers;
    for (unsigned i = 0; i < buffers; ++i) cols.push_back(uint64_t(1) << (inner + i));
    cols.insert(cols.end(), block.begin(), block.end());
    return LinearLayout({{Dim::Offset, offsets}, {Dim::Block, static_cast<uint32_t>(block.size())}}, std::move(out), std::move(cols));
  }
  if (rank != bits.size()) return {};
  switch (e->kind) {
  case EncKind::SwizzledShared: return swizzled(*e, bits);
  case EncKind::NvmmaShared: return nvmma(*e, bits);
  case EncKind::SharedLinear: return sharedLinear(*e, bits);
  default: return {};
  }
}

bool sameLayout(Attr a, Attr b, Span<int64_t> shape) {
  if (a == b) return true;
  auto x = distributedLayout(a, shape), y = distributedLayout(b, shape);
  return x && y && *x == *y;
}

// ---- constructors -----------------------------------------------------------------------------------------------

Attr blockedAttr(Context &ctx, std::vector<unsigned> sizePerThread, std::vector<unsigned> threadsPerWarp,
                 std::vector<unsigned> warpsPerCTA, std::vector<unsigned> order) {
  Encoding e;
  e.kind = EncKind::Blocked;
  e.sizePerThread = std::move(sizePerThread);
  e.threadsPerWarp = std::move(threadsPerWarp);
  e.warpsPerCTA = std::move(warpsPerCTA);
  e.order = std::move(order);
  return encodingAttr(ctx, e);
}

Attr sliceAttr(Context &ctx, unsigned dim, Attr parent) {
  Encoding e;
  e.kind = EncKind::Slice;
  e.dim = dim;
  e.parent = parent;
  return encodingAttr(ctx, e);
}

Attr nvidiaMmaAttr(Context &ctx, unsigned versionMajor, unsigned versionMinor, std::vector<unsigned> warpsPerCTA,
                   std::vector<unsigned> instrShape) {
  Encoding e;
  e.kind = EncKind::NvidiaMma;
  e.versionMajor = versionMajor;
  e.versionMinor = versionMinor;
  e.warpsPerCTA = std::move(warpsPerCTA);
  e.instrShape = std::move(instrShape);
  return encodingAttr(ctx, e);
}

Attr dotOpAttr(Context &ctx, unsigned opIdx, Attr parent, unsigned kWidth) {
  Encoding e;
  e.kind = EncKind::DotOp;
  e.opIdx = opIdx;
  e.parent = parent;
  e.kWidth = kWidth;
  return encodingAttr(ctx, e);
}

/// Columns that are zero or single bits of their own: what `#ttg.linear` may hold.
static bool isPermutation(const LinearLayout &l) {
  uint64_t seen = 0;
  for (uint64_t c : l.columns()) {
    if (c & (c - 1) || seen & c) return false;
    seen |= c;
  }
  return true;
}

Attr linearAttr(Context &ctx, const LinearLayout &layout) {
  Encoding e;
  e.kind = EncKind::Linear;
  e.linear = layout.withInputs({Dim::Register, Dim::Lane, Dim::Warp, Dim::Block});
  e.generic = !isPermutation(*e.linear);
  return encodingAttr(ctx, e);
}

Attr swizzledSharedAttr(Context &ctx, unsigned vec, unsigned perPhase, unsigned maxPhase, std::vector<unsigned> order) {
  Encoding e;
  e.kind = EncKind::SwizzledShared;
  e.vec = vec;
  e.perPhase = perPhase;
  e.maxPhase = maxPhase;
  e.order = std::move(order);
  return encodingAttr(ctx, e);
}

Attr nvmmaSharedAttr(Context &ctx, unsigned swizzlingByteWidth, bool transposed, unsigned elementBitWidth, unsigned rank) {
  Encoding e;
  e.kind = EncKind::NvmmaShared;
  e.swizzlingByteWidth = swizzlingByteWidth;
  e.transposed = transposed;
  e.elementBitWidth = elementBitWidth;
  e.rank = rank;
  return encodingAttr(ctx, e);
}

Attr sharedLinearAttr(Context &ctx, const LinearLayout &layout, unsigned alignment) {
  Encoding e;
  e.kind = EncKind::SharedLinear;
  e.linear = layout.withInputs({Dim::Offset, Dim::Block});
  e.alignment = alignment;
  return encodingAttr(ctx, e);
}

} // namespace tir
