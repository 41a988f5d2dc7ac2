// SPDX-License-Identifier: MIT
// Lowering of one planned kernel to LLVM IR for a CPU. The class is one; its members are spread over files by
// subject: control.cc (functions, loops, branches), index.cc (which elements), eval.cc (virtual tiles),
// elementwise.cc (scalar meaning of operations), memory.cc (loads, stores, atomics), nest.cc (loop nests, buffers),
// reduce.cc (reductions and scans), dot.cc (matrix products), misc.cc (everything else that is a root).
//
// Elements are walked in chunks of a power-of-two number of lanes. An Index says which elements a chunk covers:
// per tile dimension a scalar base plus, per lane bit, the offset that this bit adds. All tile sizes are powers of
// two, so bases and lane offsets never share bits, and every operation that moves elements (broadcast, reshape,
// trans, …) is a map from Index to Index: no data moves.
#pragma once
#include "common/tko.hh"
#include "ir/ir.hh"
#include "llvm/cpu_target.hh"
#include "plan/plan.hh"
#include <llvm/ADT/ArrayRef.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <deque>
#include <map>
#include <unordered_map>

namespace tcodegen {

constexpr unsigned kMaxLaneBits = 6;

struct Coord {
  llvm::Value *base = nullptr; // i32
  unsigned depth = 0;          // innermost nest loop that the base depends on
  uint32_t lane[kMaxLaneBits] = {};
};

struct Index {
  unsigned id = 0;   // dense number: part of cache keys
  unsigned bits = 0; // 2^bits lanes
  unsigned depth = 0;
  llvm::SmallVector<Coord, 4> dims;
  unsigned lanes() const { return 1u << bits; }
  bool uniform() const {
    for (const Coord &c : dims)
      for (unsigned i = 0; i < bits; ++i)
        if (c.lane[i]) return false;
    return true;
  }
};

/// The value of a tile at an Index: a scalar (all lanes alike) or a vector. Integers and addresses also carry, when
/// known, their affine form base + Σ coef[i]·(lane bit i); then the vector is made only if someone asks for it.
struct Val {
  llvm::Value *v = nullptr; // scalar (lanes == 1) or vector; null: only the affine form exists so far
  unsigned lanes = 1;
  bool affine = false;
  bool exact = true; // false: the affine form assumes that index arithmetic does not wrap (good for addresses only)
  llvm::Value *base = nullptr;
  int64_t coef[kMaxLaneBits] = {};
};

/// A tensor descriptor while compiling: its parts as scalars.
struct Desc {
  llvm::Value *base = nullptr;             // i64 address
  llvm::SmallVector<llvm::Value *, 5> shape, strides; // i64
  llvm::Value *nan = nullptr;              // i1: padding
};

class Lowering {
public:
  Lowering(tir::Module &module, tir::Op *func, Plan &plan, const CpuTarget &target, llvm::Module &out,
           tessera::tko::Object &object);
  /// Builds the entry function `name` (the kernel ABI's CPU entry).
  tessera::Status run(const char *name);

private:
  // ---- errors: the first one is kept; lowering goes on with poison so that no caller has to check ----------
  tessera::Status status;
  [[gnu::format(printf, 4, 5)]] void fail(tessera::Code code, tir::Op *op, const char *format, ...);
  void unsupported(tir::Op *op, const char *why = nullptr);
  bool failed() const { return !status.ok(); }

  // ---- types (index.cc) ------------------------------------------------------------------------------------
  llvm::Type *laneType(tir::Type t);    // of one element in a register (i1, i8…i64, half, i16 for bf16, i8 for fp8, i64 for pointers)
  llvm::Type *memType(tir::Type t);     // of one element in memory (i8 for i1)
  llvm::Type *vecType(llvm::Type *elem, unsigned lanes);
  unsigned naturalBits(tir::Type elem); // lane bits of a full vector chunk

  // ---- index.cc ----------------------------------------------------------------------------------------------
  const Index *intern(Index &&idx);
  const Index *scalarIndex(const Index *idx); // the same element for all lanes: lanes dropped
  Coord zeroCoord();
  llvm::Value *i32c(int64_t v) { return b.getInt32((uint32_t)v); }
  const Index *mapReshape(const Index *idx, tir::Span<int64_t> from, tir::Span<int64_t> to);
  const Index *mapIndex(tir::Op *op, const Index *idx); // of operand 0, for broadcast, expand_dims, reshape, trans
  const Index *constIndex(llvm::ArrayRef<int64_t> coords);
  Val coordVal(const Coord &c, unsigned bits); // the coordinate itself, i32
  Val linear(const Index *idx, tir::Span<int64_t> shape); // row-major element number, i32
  std::map<std::vector<uint64_t>, Index> indices;

  // ---- values (eval.cc) --------------------------------------------------------------------------------------
  Val scalarVal(llvm::Value *v) { return {v, 1}; }
  llvm::Value *vec(const Val &x, unsigned lanes); // as a vector of `lanes` (splat), or the scalar if lanes == 1
  Val eval(tir::Value *v, const Index *idx);
  Val evalOp(tir::Op *op, unsigned result, const Index *idx);
  Val evalInduction(tir::Value *v, const Index *idx);
  Val evalConstant(tir::Op *op, const Index *idx);
  Val selectByCoord(llvm::Value *scalar_or_vec_cond, Val t, Val f);
  llvm::Value *scalarOf(tir::Value *v); // SSA scalar
  llvm::Constant *constantOf(tir::Type scalar, uint64_t bits);
  llvm::Constant *scalarConstant(tir::Op *op); // of a scalar arith.constant

  // ---- elementwise.cc ----------------------------------------------------------------------------------------
  /// Meaning of one elementwise operation on lanes; scalars and vectors mix (scalars are splat when needed).
  Val elementwise(tir::Op *op, llvm::ArrayRef<Val> args, unsigned result, tir::Type result_elem,
                  llvm::ArrayRef<tir::Type> arg_elems);
  Val affineBinary(tir::Op *op, const Val &a, const Val &b);
  llvm::Value *floatBinary(tir::Op *op, tir::Type t, llvm::Value *x, llvm::Value *y);
  llvm::Value *intBinary(tir::Op *op, llvm::Value *x, llvm::Value *y);
  llvm::Value *compare(tir::Op *op, tir::Type t, llvm::Value *x, llvm::Value *y);
  llvm::Value *cast(tir::Op *op, tir::Type from, tir::Type to, llvm::Value *x);
  llvm::Value *mathCall(tir::Op *op, std::string_view name, tir::Type t, llvm::ArrayRef<llvm::Value *> x);
  llvm::Value *externCall(tir::Op *op, tir::Type to, llvm::ArrayRef<tir::Type> from, llvm::ArrayRef<llvm::Value *> x,
                          unsigned lanes); // extern.cc
  llvm::Value *besselI(tir::Type t, llvm::Value *x, unsigned lanes, bool one);
  llvm::Value *widen(tir::Type t, llvm::Value *x);   // narrow float → f32 lanes (f32, f64 unchanged)
  llvm::Value *narrow(tir::Type t, llvm::Value *x, bool rtz = false); // f32/f64 lanes → t
  llvm::Value *callImport(const char *name, llvm::Type *result, llvm::ArrayRef<llvm::Value *> args);

  // ---- control.cc --------------------------------------------------------------------------------------------
  void lowerBlock(tir::Block *block);
  void lowerOp(tir::Op *op);
  void lowerFor(tir::Op *op);
  void lowerIf(tir::Op *op);
  void lowerWhile(tir::Op *op);
  void lowerBranch(tir::Op *op);
  void lowerCall(tir::Op *op);
  struct Call { // a function whose blocks are being lowered in place of a call
    llvm::BasicBlock *cont = nullptr;
    llvm::SmallVector<llvm::PHINode *, 4> results;
  };
  Call *call = nullptr;
  unsigned call_depth = 0;
  void assign(llvm::ArrayRef<tir::Value *> targets, llvm::ArrayRef<tir::Value *> sources, tir::Op *at);
  void setScalar(tir::Value *v, llvm::Value *x);
  void ifThen(llvm::Value *cond, llvm::function_ref<void()> then, bool likely = true);
  /// Both branches give a value of one type; the phi is returned.
  llvm::Value *ifElse(llvm::Value *cond, llvm::function_ref<llvm::Value *()> yes, llvm::function_ref<llvm::Value *()> no);
  struct Loop {
    llvm::BasicBlock *header = nullptr, *body = nullptr, *latch = nullptr, *cont = nullptr;
    llvm::PHINode *iv = nullptr;
    llvm::Instruction *pre = nullptr; // terminator before the loop
    llvm::Instruction *resume = nullptr; // insertion point after the loop
  };
  Loop beginLoop(llvm::Value *from, llvm::Value *to, llvm::Value *step, bool at_least_once, bool is_unsigned = false);
  llvm::PHINode *loopPhi(Loop &l, llvm::Value *init); // next value: addIncoming(v, l.latch)
  void endLoop(Loop &l);
  void returnRecord(llvm::Value *record);
  uint32_t locationId(tir::Op *op);

  // ---- nest.cc -----------------------------------------------------------------------------------------------
  struct Scope {
    llvm::Instruction *ip = nullptr;
    std::unordered_map<uint64_t, Val> cache; // key: value id and index
  };
  /// Walks all elements of `shape` in chunks; `order` lists dimensions, fastest first (empty: row-major).
  void nest(llvm::ArrayRef<int64_t> shape, unsigned lane_bits, llvm::ArrayRef<unsigned> order,
            llvm::function_ref<void(const Index *)> body);
  Loop nestLoop(int64_t trip_to, int64_t step); // pushes a scope
  void endNestLoop(Loop &l);
  void openScope();  // before anything is evaluated outside a nest
  void closeScope();
  template <class F> auto atDepth(unsigned depth, F f) {
    // An instruction, not a block: f may split the block that the builder stands in.
    llvm::Instruction *at = &*b.GetInsertPoint();
    unsigned old = current;
    if (depth < current) {
      b.SetInsertPoint(scopes[depth].ip);
      current = depth;
    }
    auto r = f();
    current = old;
    b.SetInsertPoint(at);
    return r;
  }
  llvm::Value *bufferBase(int buffer); // pointer to element 0
  Val loadBuffer(int buffer, tir::Type elem, tir::Span<int64_t> shape, const Index *idx);
  void storeBuffer(int buffer, tir::Type elem, tir::Span<int64_t> shape, const Index *idx, const Val &x);
  llvm::Value *loadLanes(llvm::Value *addr, llvm::Type *elem, const Val &offset); // offset in elements, affine
  void storeLanes(llvm::Value *addr, llvm::Type *elem, const Val &offset, llvm::Value *x);
  void materialize(tir::Value *v, int buffer); // buffer[i] = v[i] for all i
  void materializeOp(tir::Op *op);             // all results of a virtualizable op whose home is a buffer
  llvm::SmallVector<unsigned, 4> bestOrder(tir::Value *pointer); // fastest dimension first
  bool fuseWithReduce(tir::Op *op);            // store the tile while the next reduction computes it
  int scratchBuffer(uint64_t bytes);           // extra arena space, for this one operation

  // ---- memory.cc ---------------------------------------------------------------------------------------------
  llvm::Value *laneBuffer(llvm::Type *elem, unsigned lanes);
  Val loadFrom(tir::Type elem, const Val &ptr, const Val *mask, const Val *other, unsigned lanes);
  void storeTo(tir::Type elem, const Val &ptr, const Val &value, const Val *mask, unsigned lanes);
  Val evalLoad(tir::Op *op, const Index *idx);
  Val evalDescriptor(tir::Op *op, const Index *idx);
  void descriptorAddress(tir::Op *op, const Desc &d, const Index *idx, llvm::ArrayRef<Val> starts, tir::Type elem,
                         Val *ptr, Val *mask);
  void lowerStore(tir::Op *op);
  void lowerAtomic(tir::Op *op);
  void lowerDescriptorRoot(tir::Op *op);
  void setDesc(tir::Value *v, const Desc &d);
  const Desc &descOf(tir::Value *v);
  llvm::Value *atomicElement(tir::Op *op, llvm::Value *ptr, llvm::ArrayRef<llvm::Value *> args, tir::Type elem);
  llvm::Value *atomicUpdate(llvm::AtomicOrdering order, llvm::Value *ptr, tir::Type elem,
                            llvm::function_ref<llvm::Value *(llvm::Value *)> next);
  void reduceElement(tir::Op *op, llvm::Value *ptr, llvm::Value *x, tir::Type elem);

  // ---- reduce.cc, dot.cc, misc.cc ----------------------------------------------------------------------------
  void lowerReduce(tir::Op *op);
  void lowerScan(tir::Op *op);
  /// Expands a combiner on lanes: args are accumulators then values.
  llvm::SmallVector<Val, 4> combine(tir::Op *op, llvm::ArrayRef<Val> args);
  void lowerDot(tir::Op *op);
  struct Packed { // an operand of a product in memory, in the accumulator's type
    llvm::Value *base;
    int64_t batch, row, col; // strides in elements
  };
  /// acc[b][m][n] += Σ a[b][m][k]·b[b][k][n], register-blocked.
  void multiplyPacked(tir::Type acc_t, llvm::Value *cbase, const Packed &pa, const Packed &pb, int64_t B, int64_t M,
                      int64_t N, int64_t K);
  Packed packScaled(tir::Op *op, bool left, tir::Type acc_t, int64_t B, int64_t rows, int64_t K);
  llvm::Value *decodeScaled(unsigned kind, tir::Type elem, llvm::Value *x, unsigned lanes);
  void lowerDotScaled(tir::Op *op);
  void lowerHistogram(tir::Op *op);
  void lowerMapElementwise(tir::Op *op);
  void lowerPrint(tir::Op *op);
  void lowerAssert(tir::Op *op);

  // ---- state -------------------------------------------------------------------------------------------------
  tir::Module &m;
  tir::Op *func;
  Plan &plan;
  const CpuTarget &target;
  llvm::Module &out;
  llvm::LLVMContext &cx;
  llvm::IRBuilder<> b;
  tessera::tko::Object &object;
  llvm::Function *fn = nullptr;
  llvm::Value *arena = nullptr, *host = nullptr, *program = nullptr;
  llvm::Value *pid[3] = {}, *grid[3] = {};
  llvm::BasicBlock *next_program = nullptr;
  std::vector<llvm::Value *> scalars;                 // by value id
  std::unordered_map<tir::Value *, Desc> descs;
  Desc scratch_desc;
  std::unordered_map<tir::Op *, llvm::Value *> trip;  // scf.for with inductions: iterations done, i64
  std::unordered_map<tir::Value *, llvm::Value *> trips_done; // results: iterations in all
  std::unordered_map<tir::Block *, llvm::BasicBlock *> cfg;
  std::unordered_map<tir::Value *, llvm::PHINode *> cfg_phis;
  std::map<std::pair<llvm::Type *, unsigned>, llvm::AllocaInst *> lane_buffers;
  unsigned max_ways = 4; // accumulators of one reduction; fewer in kernels that have very many
  std::vector<Scope> scopes;
  unsigned current = 0; // depth at which the builder inserts
  uint64_t scratch_top = 0;
  std::vector<bool> fusing; // by value id: computed, and stored, by the nest that reads it first
};

} // namespace tcodegen
