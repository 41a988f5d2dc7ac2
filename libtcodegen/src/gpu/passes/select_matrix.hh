// SPDX-License-Identifier: MIT
// Which instruction computes a tt.dot, and in which layouts its operands and accumulator must then be. The choice is
// a function of types, shapes and options alone (`chooseDot`); `select_matrix` applies it to a kernel.
#pragma once
#include "ir/ir.hh"
#include "layout/encoding.hh"
#include <string>

namespace tcodegen::gpu {
struct GpuOptions;

enum class DotFamily : uint8_t {
  Fma,   // every thread computes its own accumulators; operands dot_op(acc)
  Mma,   // mma.sync: acc nvidia_mma 2.0, operands in registers, dot_op(acc, kWidth)
  Wgmma, // wgmma: acc nvidia_mma 3.0, B in shared memory, A in shared memory or registers
};

struct DotQuery {
  tir::Type a = nullptr, b = nullptr, acc = nullptr; // tensors (…,M,K) (…,K,N) (…,M,N), rank 2 or 3; encodings ignored
  unsigned precision = 2;          // enum InputPrecision: 0 tf32, 1 tf32x3, 2 ieee, 3 bf16x3, 4 bf16x6
  unsigned numWarps = 4, capability = 90;
  bool archSpecific = true;        // sm_90a, not sm_90
  bool chained = false;            // the result feeds another dot: warps stay along M
  bool aFromRegisters = false;     // A is computed (not loaded), so wgmma had better read it from registers
  bool aKMinor = true, bKMinor = false; // K is the contiguous dimension of the operand in memory
  unsigned operandBits = 0;        // bits of the narrower type that operands were loaded as; 0 = their own
  tir::Attr blocked = nullptr;     // encoding for the accumulator if it comes to FMA; null: a default
};

struct DotChoice {
  DotFamily family = DotFamily::Fma;
  tir::Attr acc = nullptr;         // encoding of accumulator and result
  tir::Attr a = nullptr, b = nullptr; // encodings of the operands: distributed, or shared where the flag says so
  bool aShared = false, bShared = false;
  // Element types that the operands have to be cast to first (fp8 → f16) and that the sum is made in (f16 → f32).
  tir::Type aElem = nullptr, bElem = nullptr, accElem = nullptr;
  const char *why = "";            // Fma or Mma: why nothing faster, for the remark
};

/// What chooseDot has to know of a tt.dot whose types have encodings.
DotQuery queryOf(tir::Op *dot, unsigned numWarps, const GpuOptions &o);

/// Never fails: what no matrix instruction takes is FMA. `q.acc`'s context makes the attributes.
DotChoice chooseDot(const DotQuery &q);

/// The encoding of shared memory from which wgmma reads an operand tile of this shape (widest swizzle that fits).
/// `kMinor`: K is the contiguous dimension. `isA`: dimensions are (M, K), else (K, N).
tir::Attr wgmmaSharedEncoding(tir::Context &ctx, tir::Span<int64_t> shape, unsigned elementBits, bool isA, bool kMinor);

/// The encoding of shared memory from which ldmatrix (or plain loads) fill `dotOp` without bank conflicts. `order`:
/// minor dimension first, as the data is in global memory. Used where a pipelined load feeds a dot.
tir::Attr dotSharedEncoding(tir::Context &ctx, tir::Attr dotOp, tir::Span<int64_t> shape, unsigned elementBits,
                            std::vector<unsigned> order);

/// TTIR → TTIR, before layouts: f32 dots with input precision tf32x3, bf16x3 or bf16x6 become sums of dots of parts.
/// So do scaled dots, first: unpacked, scaled, and multiplied as bf16 or tf32.
tessera::Status decompose_dots(tir::Module &m, tir::Op *kernel, const GpuOptions &o);

void decompose_scaled_dots(tir::Module &m, tir::Op *kernel);

/// tgir → tgir; every tensor has an encoding (any). For each tt.dot: chooses; converts operands and accumulator with
/// ttg.convert_layout (or ttg.local_alloc for shared ones: ttng.warp_group_dot), the result back to what it was.
tessera::Status select_matrix(tir::Module &m, tir::Op *kernel, const GpuOptions &o);

/// tgir → tgir, before the pipeliner: a tile that no iteration changes (the queries of attention) goes to shared memory
/// once, in front of the loops.
tessera::Status hoist_buffers(tir::Op *kernel);

/// tgir → tgir, after the pipeliner: a ttng.warp_group_dot of a loop whose result only goes round as its accumulator
/// stays in flight over the iteration (`isAsync`, ttng.warp_group_dot_wait {pendings = 1} behind it, 0 behind the
/// loop). What overwrites the operands' buffers must come after the dot in the loop's body; otherwise nothing changes.
tessera::Status overlap_dots(tir::Module &m, tir::Op *kernel, const GpuOptions &o);

} // namespace tcodegen::gpu
