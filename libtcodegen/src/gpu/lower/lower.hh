// SPDX-License-Identifier: MIT
// Lowering of a tgir kernel to LLVM IR for one thread of a program. A tensor value is the elements that this thread
// holds: one llvm::Value per register of its layout, in register order. Everything about where an element lives is
// asked of its linear layout; no code here knows a layout by its name. What the hardware does beyond ordinary
// instructions is a call of a primitive (`tessera.*`, ../PRIMITIVES.md), expanded per target.
#pragma once
#include "../gpu.hh"
#include "exchange.hh"
#include "common/tko.hh"
#include "ir/ir.hh"
#include "layout/encoding.hh"
#include <llvm/ADT/ArrayRef.h>
#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <map>
#include <memory>
#include <unordered_map>

namespace tir {
class AxisInfoAnalysis;
}

namespace tcodegen::gpu {

class Lines;
using Regs = llvm::SmallVector<llvm::Value *, 8>;

/// A view of a shared buffer. Element (c0, c1, …) of the view is at base + size · (S⁻¹(c) ^ shift), where S is the
/// layout of the allocation that the view's type names.
struct MemDesc {
  llvm::Value *base = nullptr; // ptr addrspace(3)
  uint64_t shift = 0;          // in elements
};

class Lower {
public:
  Lower(tir::Module &m, tir::Op *kernel, const GpuOptions &o, llvm::Module &out, tessera::tko::Object &object);
  ~Lower();
  tessera::Status run();

  // ---- errors: the first is kept, lowering goes on with poison ------------------------------------------------
  tessera::Status status;
  [[gnu::format(printf, 4, 5)]] void fail(tessera::Code code, tir::Op *op, const char *format, ...);
  void unsupported(tir::Op *op, const char *why = nullptr);
  bool failed() const { return !status.ok(); }

  // ---- types ---------------------------------------------------------------------------------------------------
  llvm::Type *regType(tir::Type t);   // of one element in a register: i1…i64, half, i16 for bf16, i8 for fp8, float, double, ptr
  unsigned elementBits(tir::Type t);  // in memory: 8 for i1, 64 for pointers
  llvm::Type *bitsType(unsigned bits) { return b.getIntNTy(bits); }
  llvm::Value *toBits(llvm::Value *v, unsigned bits);              // register form → integer of the memory width
  llvm::Value *fromBits(llvm::Value *v, tir::Type scalar);         // and back
  llvm::Constant *constantOf(tir::Type scalar, uint64_t bits);

  // ---- values --------------------------------------------------------------------------------------------------
  const Regs &regs(tir::Value *v);     // tensor: one per register; scalar: one
  llvm::Value *scalar(tir::Value *v) { return regs(v)[0]; }
  void set(tir::Value *v, Regs r);
  MemDesc &memdesc(tir::Value *v) { return memdescs[v]; }

  // ---- layouts (tile.cc) ---------------------------------------------------------------------------------------
  const tir::LinearLayout &layout(tir::Type t); // of a tensor type; fails (and gives an empty one) without encoding
  const tir::LinearLayout &layout(tir::Value *v) { return layout(v->type); }
  unsigned regCount(tir::Type t) { return 1u << layout(t).inBits(tir::Dim::Register); }
  /// Shared layout of a memdesc type's elements (of its allocation shape), offsets → coordinates.
  tir::LinearLayout sharedLayoutOf(tir::Type memdesc);
  llvm::Value *tid();                          // 0 … threads-1
  llvm::Value *lane();
  llvm::Value *warp();
  /// What the thread contributes to a linear map given by columns for (lane, warp) bits: i32.
  llvm::Value *threadPart(llvm::ArrayRef<uint64_t> laneColumns, llvm::ArrayRef<uint64_t> warpColumns);
  llvm::Value *threadPart(const tir::LinearLayout &l);
  /// Value of the map for register `r` in this thread: threadPart ^ constant, an add where the bits are disjoint.
  llvm::Value *combineParts(llvm::Value *thread, uint64_t threadMask, uint64_t constant);
  /// Coordinate of dimension `dim` of every register: i32.
  Regs coordinates(const tir::LinearLayout &l, unsigned dim);
  /// True in the one thread (of those holding the same elements) that acts for all; null if every thread acts.
  llvm::Value *isOwner(const tir::LinearLayout &l);
  /// Bits of the coordinates (as layout(v) numbers them) on which the elements do not depend.
  uint64_t alikeBits(tir::Value *v);

  // ---- shared memory (convert.cc) ------------------------------------------------------------------------------
  llvm::Value *scratch(tir::Op *op);           // base of op's scratch (allocation.offset), ptr addrspace(3)
  llvm::Value *sharedAt(llvm::Value *base, llvm::Value *element, unsigned bits); // address of element number (i32)
  void storeShared(llvm::Value *ptr, llvm::ArrayRef<llvm::Value *> elements); // integers of one width, ≤ 16 bytes
  void loadShared(llvm::Value *ptr, unsigned bits, unsigned count, Regs &out);
  /// Writes / reads all registers of a tile in a shared buffer. `a`: the offset in elements of each input bit.
  /// `mask`: keep an element only where null or true. Registers are integers of `bits`.
  void storeTile(llvm::Value *base, uint64_t shift, const Access &a, const Regs &r, unsigned bits, llvm::Value *mask);
  Regs loadTile(llvm::Value *base, uint64_t shift, const Access &a, unsigned bits);
  /// The elements of `r` (layout `from`) in layout `to`; scratch of `op` where threads must exchange.
  Regs convert(tir::Op *op, const Regs &r, const tir::LinearLayout &from, const tir::LinearLayout &to, tir::Type elem);
  /// Call before an operation uses its scratch: the second use waits for the reads of the first.
  void enterScratch(tir::Op *op);

  // ---- primitives ----------------------------------------------------------------------------------------------
  llvm::CallInst *prim(llvm::StringRef name, llvm::Type *result, llvm::ArrayRef<llvm::Value *> args, bool convergent = false);
  void barrier() { prim("tessera.barrier", b.getVoidTy(), {}, true); }
  llvm::Value *shuffleXor(llvm::Value *v, unsigned mask);      // any register type
  llvm::Value *shuffleIdx(llvm::Value *v, llvm::Value *lane);
  llvm::Value *shuffleUp(llvm::Value *v, unsigned delta);
  llvm::Value *viaWords(llvm::Value *v, llvm::function_ref<llvm::Value *(llvm::Value *)> f); // 32-bit pieces

  // ---- operations ----------------------------------------------------------------------------------------------
  void lowerBlock(tir::Block *block);
  void lowerOp(tir::Op *op);
  bool lowerElementwise(tir::Op *op);      // elementwise.cc; false: not an elementwise operation
  llvm::Value *elementOp(tir::Op *op, llvm::ArrayRef<llvm::Value *> x, llvm::ArrayRef<tir::Type> from, tir::Type to,
                         unsigned result);
  bool lowerShape(tir::Op *op);            // tile.cc
  bool lowerMemory(tir::Op *op);           // memory.cc
  bool lowerAtomics(tir::Op *op);          // atomics.cc
  bool lowerShared(tir::Op *op);           // convert.cc
  bool lowerReduction(tir::Op *op);        // reduce.cc
  bool lowerMatrix(tir::Op *op);           // matrix.cc: tt.dot, ttng.warp_group_dot and waits
  bool lowerMisc(tir::Op *op);             // misc.cc
  /// Expands a combiner or map region on scalars.
  Regs applyRegion(tir::Op *op, llvm::ArrayRef<llvm::Value *> args);
  uint32_t locationId(tir::Op *op);
  void ifThen(llvm::Value *cond, llvm::function_ref<void()> then);

  tir::Module &m;
  tir::Op *func;
  const GpuOptions &options;
  llvm::Module &out;
  llvm::LLVMContext &cx;
  llvm::IRBuilder<> b;
  tessera::tko::Object &object;
  llvm::Function *fn = nullptr;
  unsigned numWarps = 4;
  llvm::Instruction *entryEnd = nullptr;   // thread constants are computed before it, once
  std::unique_ptr<tir::AxisInfoAnalysis> axis;
  std::unique_ptr<Lines> lines; // null: no debug locations

private:
  void lowerFor(tir::Op *op);
  void lowerIf(tir::Op *op);
  void lowerWhile(tir::Op *op);
  void lowerBranch(tir::Op *op);
  void lowerFunction();
  bool checkSizes();
  /// Register lists of values as one flat list, and the values set from one (phis).
  void flatten(tir::Value *v, Regs &out);
  unsigned flatCount(tir::Type t);
  void sameShift(tir::Op *op, tir::Value *a, tir::Value *b);
  bool paired(tir::Type t);
  void rename(tir::Value *to, tir::Value *from);
  bool lowerPairs(tir::Op *op, tir::Type from, tir::Type to);
  void unflatten(tir::Value *v, llvm::ArrayRef<llvm::Value *> flat, tir::Value *like);
  llvm::BasicBlock *block(const char *name);
  std::unordered_map<const tir::Value *, Regs> values;
  std::unordered_map<const tir::Value *, MemDesc> memdescs;
  std::unordered_map<tir::Type, tir::LinearLayout> layouts;
  std::map<std::vector<uint64_t>, llvm::Value *> threadParts;
  std::unordered_map<tir::Block *, llvm::BasicBlock *> cfg;
  std::unordered_map<tir::Block *, Regs> cfgPhis;
  llvm::Value *tidValue = nullptr, *laneValue = nullptr, *warpValue = nullptr, *smemValue = nullptr;
  llvm::Value *record = nullptr;
  bool terminated = false;
  tir::Op *scratchUser = nullptr;
  Regs shuffleConvert(const Regs &r, const ShufflePlan &plan, const tir::LinearLayout &to);
  void lowerReduce(tir::Op *op);
  void lowerScan(tir::Op *op);
  void lowerAssert(tir::Op *op);
  void lowerHistogram(tir::Op *op);
  void lowerGather(tir::Op *op);
  bool lowerTma(tir::Op *op);
  void lowerTmaCopy(tir::Op *op, bool load);
  bool describeTensorMap(unsigned argument, tir::Type desc, tessera::tko::HiddenArgument *hidden);
  llvm::Value *firstThread(); // i1: thread 0
  void lowerMap(tir::Op *op);
  void lowerFp4(tir::Op *op);
  llvm::Value *convertedFloat(llvm::Value *v, tir::Type from, tir::Type to); // to nearest even
  void lowerPrint(tir::Op *op);
  void lowerInlineAsm(tir::Op *op);
  /// A tile whose elements (row-major) are known: from a table in memory.
  Regs constantTable(tir::Op *op, tir::Type t, llvm::ArrayRef<uint64_t> elements);
  Regs applyBlocks(tir::Op *op, llvm::ArrayRef<llvm::Value *> args);
  void startBlocks(tir::Block *front); // basic blocks and phis of a region's blocks but the first
  llvm::Value *pollElement(llvm::Value *ptr, llvm::Value *want, llvm::Value *pred, const std::string &how,
                           llvm::Value *begun, llvm::Value *budget);
};

} // namespace tcodegen::gpu
