// SPDX-License-Identifier: MIT
// Encodings: Triton's named layouts as attributes, each parsed once into fields and from there into a linear map.
// An attribute of kind AttrKind::Encoding is uniqued by its canonical spelling (`text`, printed after '#').
#pragma once
#include "ir/context.hh"
#include "linear.hh"
#include <optional>

namespace tir {

enum class EncKind : uint8_t {
  Blocked,        // #ttg.blocked<{sizePerThread, threadsPerWarp, warpsPerCTA, order[, CGALayout]}>
  Slice,          // #ttg.slice<{dim, parent}>
  NvidiaMma,      // #ttg.nvidia_mma<{versionMajor, versionMinor, warpsPerCTA, instrShape[, CGALayout]}>
  DotOp,          // #ttg.dot_op<{opIdx, parent[, kWidth]}>
  Linear,         // #ttg.linear<{register, lane, warp, block}>
  SwizzledShared, // #ttg.swizzled_shared<{vec, perPhase, maxPhase, order[, CGALayout]}>
  NvmmaShared,    // #ttg.nvmma_shared<{swizzlingByteWidth, transposed, elementBitWidth[, fp4Padded, rank, CGALayout]}>
  SharedLinear,   // #ttg.shared_linear<{offset, block}, alignment>
  PaddedShared,   // #ttg.padded_shared<[…]>: kept, no map
  SharedMemory,   // #ttg.shared_memory
  Other,          // tensor memory, AMD …: kept as text, no map yet
};

struct Encoding {
  EncKind kind = EncKind::Other;
  std::vector<unsigned> sizePerThread, threadsPerWarp, warpsPerCTA, order, instrShape; // as printed
  unsigned dim = 0;            // Slice
  Attr parent = nullptr;       // Slice, DotOp
  unsigned opIdx = 0, kWidth = 0;
  unsigned versionMajor = 0, versionMinor = 0;
  unsigned vec = 1, perPhase = 1, maxPhase = 1;
  unsigned swizzlingByteWidth = 0, elementBitWidth = 0, rank = 0;
  bool transposed = false, fp4Padded = false;
  bool generic = false;               // Linear: spelled #ttg.generic_linear (bases of any form)
  std::optional<LinearLayout> linear; // Linear, SharedLinear: as given (tensor shape may be larger or smaller)
  std::string padding;                // PaddedShared: what stands behind its name
  unsigned alignment = 16;
  std::vector<std::vector<unsigned>> cgaBases; // CGALayout bases (block bits), empty = one CTA
};

/// The fields of an encoding attribute; null for any other attribute (or none).
const Encoding *encodingOf(Attr a);

/// Dimensions of the tensors it lays out; 0 if unknown (SharedMemory, a parent of an unknown kind).
unsigned encodingRank(const Encoding &e);
/// Are the fields a possible encoding? If not, *why (may be null) says what is wrong.
bool checkEncoding(const Encoding &e, std::string *why);
/// The canonical spelling, without '#'.
std::string encodingText(const Encoding &e);
/// `ttg.blocked<{…}>` (without '#', no aliases inside). Null with an empty *why for an attribute of another kind;
/// null with a reason for one that is malformed.
Attr parseEncoding(Context &ctx, std::string_view text, std::string *why);

// Constructors; the spelling is Triton 3.9's. Null if checkEncoding refuses the fields.
Attr encodingAttr(Context &ctx, const Encoding &e); // uniques by spelling; fills what can be derived
Attr blockedAttr(Context &ctx, std::vector<unsigned> sizePerThread, std::vector<unsigned> threadsPerWarp,
                 std::vector<unsigned> warpsPerCTA, std::vector<unsigned> order);
Attr sliceAttr(Context &ctx, unsigned dim, Attr parent);
Attr nvidiaMmaAttr(Context &ctx, unsigned versionMajor, unsigned versionMinor, std::vector<unsigned> warpsPerCTA,
                   std::vector<unsigned> instrShape);
Attr dotOpAttr(Context &ctx, unsigned opIdx, Attr parent, unsigned kWidth);
Attr linearAttr(Context &ctx, const LinearLayout &layout); // distributed
Attr swizzledSharedAttr(Context &ctx, unsigned vec, unsigned perPhase, unsigned maxPhase, std::vector<unsigned> order);
Attr nvmmaSharedAttr(Context &ctx, unsigned swizzlingByteWidth, bool transposed, unsigned elementBitWidth,
                     unsigned rank = 2);
Attr sharedLinearAttr(Context &ctx, const LinearLayout &layout, unsigned alignment);

/// Distributed layout of a tensor of this shape: inputs register, lane, warp, block (all four, in this order, also
/// when 0 bits); outputs dim0 … with log2 of the shape. A layout smaller than the shape is repeated in registers,
/// a larger one wraps (the same element in several places). Fails (nullopt) for encodings without a map.
std::optional<LinearLayout> distributedLayout(Attr encoding, Span<int64_t> shape);
/// Layout of a tensor type; nullopt if it has no encoding or one without a map.
std::optional<LinearLayout> layoutOf(Type tensor);
/// Shared layout: inputs offset (in elements), block; outputs dim0 … of the shape; bijective apart from block.
std::optional<LinearLayout> sharedLayout(Attr encoding, Span<int64_t> shape, unsigned elementBits);

/// Do two encodings place every element of this shape alike? (The maps decide, not the spelling.)
bool sameLayout(Attr a, Attr b, Span<int64_t> shape);

} // namespace tir
