// SPDX-License-Identifier: MIT
// Encodings as the passes need them: made for a shape, carried through operations that only rename elements, spelled
// as Triton would where a name fits.
#pragma once
#include "ir/ir.hh"
#include "layout/encoding.hh"

namespace tcodegen::gpu {

/// The blocked encoding that spreads a tile of this shape over the threads: runs of `perThread` elements along
/// order[0], then lanes, then warps, the first dimensions of `order` first.
tir::Attr blockedFor(tir::Context &ctx, tir::Span<int64_t> shape, unsigned perThread, const std::vector<unsigned> &order,
                     unsigned warps);
/// The same with any sizePerThread.
tir::Attr blockedFor(tir::Context &ctx, tir::Span<int64_t> shape, const std::vector<unsigned> &sizePerThread,
                     const std::vector<unsigned> &order, unsigned warps);
/// Row-major, one element a thread at a time: for values that nothing has a wish about.
tir::Attr defaultBlocked(tir::Context &ctx, tir::Span<int64_t> shape, unsigned warps);

/// `t` with this encoding.
tir::Type withEncoding(tir::Type t, tir::Attr encoding);

/// An encoding for a map: blocked where the map is one for this shape, else linear.
tir::Attr spell(tir::Context &ctx, const tir::LinearLayout &layout, tir::Span<int64_t> shape);

/// Dimensions of a tile, the one along which registers, then lanes, run first at the front.
std::vector<unsigned> orderOf(tir::Attr encoding, tir::Span<int64_t> shape);

// Renaming operations: the encoding of one side from that of the other, so that no element moves. Null: there is none.
tir::Attr throughTrans(tir::Attr of, tir::Span<int64_t> shape, tir::Span<int64_t> order);         // source → result
tir::Attr beforeTrans(tir::Attr of, tir::Span<int64_t> resultShape, tir::Span<int64_t> order);    // result → source
tir::Attr throughReshape(tir::Attr of, tir::Span<int64_t> shape, tir::Span<int64_t> newShape);    // either way
tir::Attr throughJoin(tir::Attr of, tir::Span<int64_t> shape);         // of a half → of the pair
tir::Attr throughSplit(tir::Attr of, tir::Span<int64_t> shape);        // of the pair → of a half; null if the pair is
                                                                       // not in one thread
tir::Attr throughCat(tir::Attr of, tir::Span<int64_t> shape, tir::Span<int64_t> resultShape); // of a half → of both
/// A reduction's result: the layout without dimension `axis`.
tir::Attr withoutDim(tir::Attr of, unsigned axis);

} // namespace tcodegen::gpu
