// SPDX-License-Identifier: MIT
// Plans for moving elements between threads, all from the linear maps: how a conversion is done, where its elements
// lie in shared memory meanwhile, what a reduction combines where. Shared by lowering and by scratchBytes, so that
// what is allocated is what is used. Includes no LLVM header.
//
// Why a conversion needs shared memory: thread (lane, warp) of the target layout must get element
// to(register, lane, warp). If that is from(register', lane, warp) for a register' that the compiler knows, nothing
// moves. If it is from(register', lane', warp) with the warp unchanged, shuffles within the warp do. Only if the
// element is in another warp (to's and from's warp columns differ by more than what registers and lanes span), or if
// one lane would have to send different registers to different lanes, does it go through shared memory.
#pragma once
#include "ir/ir.hh"
#include "layout/linear.hh"

namespace tcodegen::gpu {

enum class Move : uint8_t { Registers, Shuffles, Shared };

/// For each register of `to`, the register of `from` in the same thread that holds the element. False if it is in
/// another thread, or which one depends on the thread.
bool matchRegisters(const tir::LinearLayout &from, const tir::LinearLayout &to, std::vector<unsigned> *which);

/// Target register r in lane l reads lane `lane`·(l, r, w); the reader's source register, as the sender knows it,
/// is `sent`·(sender's lane, r, w). Columns: 5 lane bits, then register bits, then warp bits.
struct ShufflePlan {
  tir::Columns lane, sent;
  unsigned ways = 1; // registers that one lane may have to choose from
};
bool planShuffles(const tir::LinearLayout &from, const tir::LinearLayout &to, ShufflePlan *plan);

Move classify(const tir::LinearLayout &from, const tir::LinearLayout &to);

/// Offsets in elements of a shared buffer, per input bit of a distributed layout.
struct Access {
  tir::Columns reg, lane, warp;
  std::vector<unsigned> round; // exchange in rounds: per register bit pattern, which round it belongs to
};

/// Where the elements of an exchange lie: `inverse` maps element bits to offset (low `bits` bits) and round (above).
struct SharedPlan {
  tir::Columns inverse;
  unsigned offsetBits = 0, roundBits = 0;
  unsigned bytes = 0;
  Access access(const tir::LinearLayout &l) const; // of the low part; rounds per register pattern
};
/// Widest common vectors, no bank conflicts on either side, at most `capBytes` where rounds can achieve it.
SharedPlan planShared(const tir::LinearLayout &from, const tir::LinearLayout &to, unsigned bits, unsigned capBytes);
inline constexpr unsigned kExchangeBytes = 64 * 1024;

/// Offsets of the elements of `l` in a buffer of shared layout `s` (offset → element, bijective).
Access accessOf(const tir::LinearLayout &s, const tir::LinearLayout &l);

/// A reduction along `axis`. Results of threads: `partial` (register, lane, warp → row-major index without the axis),
/// registers that would repeat left out. Then `laneSteps`, then 2^warpBits partial results meet in shared memory at
/// (result index << warpBits | number), number linear in lane and warp: `number` (5 lane bits, then warp bits).
struct ReducePlan {
  tir::LinearLayout partial;
  struct Step {
    unsigned lanes; // xor of the lane
    unsigned regs;  // xor of the partial's register
  };
  std::vector<Step> laneSteps;
  unsigned warpBits = 0;
  tir::Columns number;
  tir::LinearLayout meeting; // register, lane, warp → place in the buffer; kernel = threads that repeat
};
ReducePlan planReduce(const tir::LinearLayout &l, unsigned axis);
/// `result` as the layout in which the partials are read back: registers number (low), then the result's.
tir::LinearLayout partialsOf(const tir::LinearLayout &result, unsigned warpBits);

/// The type in which a scan's prefixes of operand `i` are computed: sums and products of narrow floats go on in f32.
tir::Type scanType(const tir::Op *op, unsigned i);

/// The layout in which a scan along `axis` is computed: runs in registers, then lanes, then warps, low bits first.
tir::LinearLayout scanLayout(tir::Span<int64_t> shape, unsigned axis, unsigned warps);

/// A layout like `l` in which every aligned run of `pack` elements (row-major) is in the registers of one thread; `l`
/// itself if it is one.
tir::LinearLayout packedLayout(const tir::LinearLayout &l, unsigned pack);

/// The layout of a renaming operation's result (reshape, expand_dims, broadcast, trans) as elements of its operand.
tir::LinearLayout inOperandSpace(const tir::Op *op, const tir::LinearLayout &to, const tir::LinearLayout &from);

/// The layout of ttg.fp4_to_fp's result as bytes of its operand: two neighbours along `axis` share one.
tir::LinearLayout halvedAlong(const tir::LinearLayout &to, const tir::LinearLayout &from, unsigned axis);

/// Bits of an element in shared memory: 8 for i1, 64 for pointers.
unsigned storedBits(tir::Type t);

} // namespace tcodegen::gpu
