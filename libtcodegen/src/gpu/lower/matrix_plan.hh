// SPDX-License-Identifier: MIT
// Which registers and which shared memory each matrix instruction takes, found from the layouts alone: no code here
// knows a layout by name, so any layout with the same maps serves. No LLVM here.
#pragma once
#include "layout/linear.hh"
#include <cstdint>
#include <vector>

namespace tcodegen::gpu {

// ---- mma.sync ---------------------------------------------------------------------------------------------------
/// An instruction of the m16n8k* family (or m8n8k4): lane bits 0, 1 count along K (A, B) and N (C), bits 2 … 4 along
/// M (A, C) and N (B). A register of A or B holds 2^pack elements along K.
struct MmaInstr {
  unsigned pack = 1;     // 0: tf32, f64; 1: 16-bit; 2: 8-bit
  bool rowPair = true;   // rows 8 … 15 are in the odd registers of A and the upper half of C's
  bool kHalf = true;     // a second register along K
  unsigned kBits() const { return 2 + pack + kHalf; }
};

/// Registers are named by masks over the bits of the register number; a tile's registers are the xor of the masks.
struct MmaPlan {
  tir::Columns aPack, bPack; // `pack` masks: the elements of one operand register
  uint64_t aHalf = 0, bHalf = 0, aRow = 0;
  tir::Columns aK, bK;       // steps along K
  tir::Columns aM, aBatch, bN, bBatch; // tiles
  unsigned tilesM = 0, tilesN = 0, tilesBatch = 0, steps = 0; // log2
  /// Per register of C: bit 0 column, bit 1 row half of the instruction's result, then M, N, batch bits of the tile.
  std::vector<uint32_t> result;
};

/// `a`, `b`, `c`: layouts of (…,M,K), (…,K,N), (…,M,N). False if the instruction does not fit them.
bool planMma(const tir::LinearLayout &a, const tir::LinearLayout &b, const tir::LinearLayout &c, const MmaInstr &instr,
             MmaPlan *plan);

/// Can each thread compute its elements of C from its own registers? Then per register of C and per k the registers
/// of A and B are a[r * K + k], b[…].
struct FmaPlan {
  unsigned k = 0;
  std::vector<uint32_t> a, b;
};
bool planFma(const tir::LinearLayout &a, const tir::LinearLayout &b, const tir::LinearLayout &c, FmaPlan *plan);

// ---- ldmatrix, stmatrix -----------------------------------------------------------------------------------------
/// `offsets`: (register, lane, warp) → offset in elements. How 8×8 matrices of 16-bit words cover it.
struct MatrixMovePlan {
  bool trans = false;
  uint64_t pack = 0;                     // register bits that make up one 32-bit word (mask over register bits)
  std::vector<unsigned> matrices;        // register bits that count the matrices of one instruction (≤ 2)
  std::vector<unsigned> rest;            // register bits that count the instructions
  uint64_t free = 0;                     // register bits that only repeat others
  tir::Columns laneColumns, warpColumns; // offset of the row whose address a lane gives
};
bool planMatrixMove(const tir::LinearLayout &offsets, unsigned elementBits, bool store, MatrixMovePlan *plan);

// ---- wgmma ------------------------------------------------------------------------------------------------------
/// One operand tile in shared memory as the hardware's descriptor sees it. Offsets in bytes.
struct WgmmaOperand {
  bool mnMajor = false;
  unsigned swizzle = 0;         // 0, 32, 64, 128
  uint32_t leading = 0, stride = 0;
  tir::Columns rows, ks;        // offset of each bit of the M or N coordinate, of the K coordinate
  /// Upper 32 bits of a descriptor and what is added to (address >> 4) in the lower ones.
  uint32_t high() const;
  uint32_t low() const { return (leading >> 4 & 0x3fff) << 16; }
};
/// `shared`: offset → (row, k) for A, (k, row) for B (`kFirst`). An instruction covers 2^rowBits rows and 32 bytes of K.
bool planWgmmaOperand(const tir::LinearLayout &shared, bool kFirst, unsigned elementBits, unsigned rowBits,
                      WgmmaOperand *operand);

struct WgmmaPlan {
  unsigned nBits = 3;                // log2 of the instruction's N
  unsigned steps = 0;                // log2 of instructions along K
  tir::Columns tilesM, tilesN;       // coordinates (M, N) of the tile bits that registers hold
  tir::Columns groupM, groupN;       // coordinates per bit of the warp group's number
  /// Per register of C: accumulator number (column, row half, n >> 3), then the tile bits M, N.
  std::vector<uint32_t> result;
  // A in registers: masks as in MmaPlan
  tir::Columns aPack, aK, aM;
  uint64_t aHalf = 0, aRow = 0;
};
/// `a` null: A is in shared memory. `kBits`: of the dot.
bool planWgmma(const tir::LinearLayout *a, const tir::LinearLayout &c, unsigned kBits, unsigned elementBits,
               WgmmaPlan *plan);

} // namespace tcodegen::gpu
