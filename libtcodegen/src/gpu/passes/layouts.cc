// SPDX-License-Identifier: MIT
#include "layouts.hh"
#include <algorithm>
#include <bit>
#include <numeric>

namespace tcodegen::gpu {
using namespace tir;

namespace {

unsigned log2of(int64_t n) { return static_cast<unsigned>(std::countr_zero(static_cast<uint64_t>(n))); }

/// Columns of `l` as bits of one dimension each: dims[i] = dimension of column i, -1 for zero, -2 for none alone.
std::vector<int> dimsOf(const LinearLayout &l, const Columns &columns, unsigned rank) {
  std::vector<int> dims;
  for (uint64_t c : columns) {
    int dim = c ? -2 : -1;
    for (unsigned d = 0; d < rank && c; ++d) {
      uint64_t mask = (uint64_t(1) << l.outBits(tensorDim(d))) - 1;
      if (!(c & ~(mask << l.outStart(tensorDim(d))))) dim = static_cast<int>(d);
    }
    dims.push_back(dim);
  }
  return dims;
}

Span<int64_t> span(const std::vector<int64_t> &v) { return {v.data(), static_cast<uint32_t>(v.size())}; }

} // namespace

Type withEncoding(Type t, Attr encoding) { return t->ctx->tensor(t->shape, t->elem, encoding); }

Attr blockedFor(Context &ctx, Span<int64_t> shape, const std::vector<unsigned> &sizePerThread,
                const std::vector<unsigned> &order, unsigned warps) {
  unsigned rank = shape.size();
  std::vector<unsigned> lanes(rank, 1), warpsPer(rank, 1);
  unsigned lanesLeft = 32, warpsLeft = warps, threadsLeft = 32 * warps;
  for (unsigned k = 0; k + 1 < rank; ++k) {
    unsigned d = order[k];
    unsigned threads = static_cast<unsigned>(std::clamp<int64_t>(shape[d] / sizePerThread[d], 1, threadsLeft));
    lanes[d] = std::min(threads, lanesLeft);
    warpsPer[d] = std::clamp(threads / lanes[d], 1u, warpsLeft);
    lanesLeft /= lanes[d];
    warpsLeft /= warpsPer[d];
    threadsLeft /= threads;
  }
  lanes[order[rank - 1]] = lanesLeft;
  warpsPer[order[rank - 1]] = warpsLeft;
  return blockedAttr(ctx, sizePerThread, lanes, warpsPer, order);
}

Attr blockedFor(Context &ctx, Span<int64_t> shape, unsigned perThread, const std::vector<unsigned> &order, unsigned warps) {
  std::vector<unsigned> size(shape.size(), 1);
  size[order[0]] = perThread;
  return blockedFor(ctx, shape, size, order, warps);
}

Attr defaultBlocked(Context &ctx, Span<int64_t> shape, unsigned warps) {
  std::vector<unsigned> order(shape.size());
  std::iota(order.rbegin(), order.rend(), 0u);
  return blockedFor(ctx, shape, 1, order, warps);
}

Attr spell(Context &ctx, const LinearLayout &l, Span<int64_t> shape) {
  unsigned rank = shape.size();
  std::vector<int> regs = dimsOf(l, l.columnsOf(Dim::Register), rank), lanes = dimsOf(l, l.columnsOf(Dim::Lane), rank),
                   warps = dimsOf(l, l.columnsOf(Dim::Warp), rank);
  bool plain = rank > 0 && rank <= 6 && l.inBits(Dim::Block) == 0;
  for (auto *v : {&regs, &lanes, &warps})
    for (int d : *v) plain &= d != -2;
  if (!plain) return linearAttr(ctx, l);
  // A blocked encoding runs through the dimensions in one order, for registers, lanes and warps. The dimensions in the
  // order in which they first appear, those of registers first, fastest bits first.
  std::vector<unsigned> order;
  auto add = [&](int d) {
    if (d >= 0 && std::find(order.begin(), order.end(), static_cast<unsigned>(d)) == order.end()) order.push_back(static_cast<unsigned>(d));
  };
  // Registers above a lane bit of the same dimension are repetitions, whose order says nothing new.
  std::vector<unsigned> size(rank, 1), threads(rank, 1), warpsPer(rank, 1);
  for (unsigned d = 0; d < rank; ++d) {
    uint64_t lowest = ~uint64_t(0); // lowest bit of the dimension that a thread bit moves
    auto look = [&](const Columns &columns, const std::vector<int> &dims) {
      for (size_t i = 0; i < columns.size(); ++i)
        if (dims[i] == static_cast<int>(d)) lowest = std::min(lowest, l.coordinate(columns[i], tensorDim(d)));
    };
    Columns lc = l.columnsOf(Dim::Lane), wc = l.columnsOf(Dim::Warp);
    look(lc, lanes);
    look(wc, warps);
    size[d] = lowest == ~uint64_t(0) ? static_cast<unsigned>(shape[d]) : static_cast<unsigned>(lowest & (~lowest + 1));
  }
  for (int d : lanes)
    if (d >= 0) threads[d] *= 2;
  for (int d : warps)
    if (d >= 0) warpsPer[d] *= 2;
  std::vector<std::vector<int> *> lists = {&lanes, &warps, &regs};
  for (bool registersFirst : {false, true})
    for (int fill = 0; fill < 2; ++fill) {
      order.clear();
      if (registersFirst)
        for (int d : regs) add(d);
      for (auto *v : lists)
        for (int d : *v) add(d);
      for (unsigned d = rank; d-- > 0;) add(static_cast<int>(d));
      std::vector<unsigned> t = threads, w = warpsPer;
      // Thread bits that move nothing: the last dimension of the order has more threads than elements.
      unsigned at = fill ? order[0] : order[rank - 1];
      for (int d : lanes)
        if (d == -1) t[at] *= 2;
      for (int d : warps)
        if (d == -1) w[at] *= 2;
      Attr a = blockedAttr(ctx, size, t, w, order);
      auto map = distributedLayout(a, shape);
      if (map && map->sameMap(l)) return a;
    }
  return linearAttr(ctx, l);
}

std::vector<unsigned> orderOf(Attr encoding, Span<int64_t> shape) {
  std::vector<unsigned> order;
  auto l = distributedLayout(encoding, shape);
  if (l)
    for (Dim in : {Dim::Register, Dim::Lane, Dim::Warp})
      for (int d : dimsOf(*l, l->columnsOf(in), shape.size()))
        if (d >= 0 && std::find(order.begin(), order.end(), static_cast<unsigned>(d)) == order.end()) order.push_back(static_cast<unsigned>(d));
  for (unsigned d = shape.size(); d-- > 0;)
    if (std::find(order.begin(), order.end(), d) == order.end()) order.push_back(d);
  return order;
}

Attr throughTrans(Attr of, Span<int64_t> shape, Span<int64_t> order) {
  std::vector<int64_t> to;
  for (int64_t o : order) to.push_back(shape[static_cast<uint32_t>(o)]);
  const Encoding *e = encodingOf(of);
  if (e && e->kind == EncKind::Blocked && e->cgaBases.empty()) {
    unsigned rank = shape.size();
    std::vector<unsigned> size(rank), lanes(rank), warps(rank), seq(rank), where(rank);
    for (unsigned d = 0; d < rank; ++d) {
      unsigned o = static_cast<unsigned>(order[d]);
      where[o] = d;
      size[d] = e->sizePerThread[o];
      lanes[d] = e->threadsPerWarp[o];
      warps[d] = e->warpsPerCTA[o];
    }
    for (unsigned k = 0; k < rank; ++k) seq[k] = where[e->order[k]];
    return blockedAttr(*of->ctx, size, lanes, warps, seq);
  }
  auto l = distributedLayout(of, shape);
  if (!l) return nullptr;
  return spell(*of->ctx, l->transposeOuts(std::vector<unsigned>(order.begin(), order.end())), span(to));
}

Attr beforeTrans(Attr of, Span<int64_t> resultShape, Span<int64_t> order) {
  std::vector<int64_t> inverse(order.size());
  for (uint32_t d = 0; d < order.size(); ++d) inverse[static_cast<size_t>(order[d])] = d;
  return throughTrans(of, resultShape, span(inverse));
}

Attr throughReshape(Attr of, Span<int64_t> shape, Span<int64_t> newShape) {
  auto l = distributedLayout(of, shape);
  if (!l) return nullptr;
  std::vector<unsigned> bits;
  for (int64_t n : newShape) bits.push_back(log2of(n));
  return spell(*of->ctx, l->reshapeOuts(bits), newShape);
}

Attr throughJoin(Attr of, Span<int64_t> shape) {
  unsigned rank = shape.size();
  std::vector<int64_t> to(shape.begin(), shape.end());
  to.push_back(2);
  const Encoding *e = encodingOf(of);
  if (e && e->kind == EncKind::Blocked && e->cgaBases.empty()) {
    Encoding n = *e;
    n.sizePerThread.push_back(2);
    n.threadsPerWarp.push_back(1);
    n.warpsPerCTA.push_back(1);
    n.order.insert(n.order.begin(), rank);
    return blockedAttr(*of->ctx, n.sizePerThread, n.threadsPerWarp, n.warpsPerCTA, n.order);
  }
  auto l = distributedLayout(of, shape);
  if (!l) return nullptr;
  LinearLayout pair = LinearLayout::identity(Dim::Register, tensorDim(rank), 1) * l->expandOut(rank);
  // The product lists its own output first: put the dimensions in order.
  std::vector<DimBits> out;
  for (int64_t n : to) out.push_back({tensorDim(static_cast<unsigned>(out.size())), log2of(n)});
  Columns columns{1};
  for (uint64_t c : l->columns()) columns.push_back(c << 1);
  std::vector<DimBits> in = l->in();
  for (DimBits &b : in)
    if (b.dim == Dim::Register) ++b.bits;
  return spell(*of->ctx, LinearLayout(in, out, columns), span(to));
}

Attr throughSplit(Attr of, Span<int64_t> shape) {
  unsigned rank = shape.size() - 1;
  auto l = distributedLayout(of, shape);
  if (!l) return nullptr;
  Columns regs = l->columnsOf(Dim::Register), rest;
  unsigned found = ~0u;
  for (unsigned i = 0; i < regs.size(); ++i) {
    if (regs[i] == 1 && found == ~0u) found = i;
    else if (regs[i] & 1) return nullptr;
  }
  if (found == ~0u) return nullptr;
  Columns columns;
  for (unsigned i = 0; i < l->inBits(); ++i) {
    uint64_t c = l->columns()[i];
    if (i == l->inStart(Dim::Register) + found) continue;
    if (c & 1) return nullptr; // threads hold one half each
    columns.push_back(c >> 1);
  }
  std::vector<DimBits> in = l->in(), out = l->out();
  for (DimBits &b : in)
    if (b.dim == Dim::Register) --b.bits;
  out.pop_back();
  std::vector<int64_t> to(shape.begin(), shape.end() - 1);
  return rank ? spell(*of->ctx, LinearLayout(in, out, columns), span(to)) : nullptr;
}

Attr throughCat(Attr of, Span<int64_t> shape, Span<int64_t> resultShape) {
  auto l = distributedLayout(of, shape);
  if (!l) return nullptr;
  // Twice the elements along the dimension that grows; each thread holds both halves, the second in its upper registers.
  std::vector<DimBits> in = l->in(), out;
  for (int64_t n : resultShape) out.push_back({tensorDim(static_cast<unsigned>(out.size())), log2of(n)});
  unsigned grown = 0;
  while (grown < shape.size() && shape[grown] == resultShape[grown]) ++grown;
  if (grown == shape.size()) return nullptr;
  std::vector<unsigned> starts(out.size());
  for (unsigned d = static_cast<unsigned>(out.size()), s = 0; d-- > 0; s += out[d].bits) starts[d] = s;
  auto moved = [&](uint64_t flat) {
    uint64_t r = 0;
    for (unsigned d = 0; d < out.size(); ++d) r |= l->coordinate(flat, tensorDim(d)) << starts[d];
    return r;
  };
  Columns columns;
  unsigned regs = l->inBits(Dim::Register);
  for (unsigned i = 0; i < l->inBits(); ++i) {
    if (i == l->inStart(Dim::Register) + regs) columns.push_back(uint64_t(1) << (starts[grown] + log2of(shape[grown])));
    columns.push_back(moved(l->columns()[i]));
  }
  if (l->inBits() == regs) columns.push_back(uint64_t(1) << (starts[grown] + log2of(shape[grown])));
  for (DimBits &b : in)
    if (b.dim == Dim::Register) ++b.bits;
  return spell(*of->ctx, LinearLayout(in, out, columns), resultShape);
}

Attr withoutDim(Attr of, unsigned axis) { return sliceAttr(*of->ctx, axis, of); }

} // namespace tcodegen::gpu
