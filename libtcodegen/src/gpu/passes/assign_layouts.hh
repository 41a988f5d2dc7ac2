// SPDX-License-Identifier: MIT
// Inside of assign_layouts: see README.md of this folder for how layouts are chosen.
#pragma once
#include "../gpu.hh"
#include "analysis/axis_info.hh"
#include "ir/ir.hh"
#include "layouts.hh"
#include "select_matrix.hh"
#include <map>
#include <memory>
#include <unordered_map>

namespace tcodegen::gpu {

/// Where a value lives, and how much it matters that it stays there.
struct Home {
  tir::Attr enc = nullptr;
  int weight = 0; // flexible 1, memory 10 + loop depth, dots 1000 + loop depth
  explicit operator bool() const { return enc; }
  bool operator==(const Home &) const = default;
};

/// Values that are one variable: a loop's argument and result, the results of a branch.
struct Carrier {
  std::vector<tir::Value *> members;
  std::vector<std::pair<tir::Op *, unsigned>> inflows; // operands that become it
  Home home;
  bool flexible = false; // nothing with a home flows in: it went where its users want it
};

class Assigner {
public:
  Assigner(tir::Module &m, tir::Op *kernel, const GpuOptions &o);
  tessera::Status run();

private:
  using Op = tir::Op;
  using Value = tir::Value;
  using Attr = tir::Attr;
  using Type = tir::Type;

  // facts (assign_anchors.cc)
  void planWarps();
  void prepareDots();
  void collect();                 // carriers, memory operations, dots
  void groupMemory();             // vector widths agree along the flow of data
  Attr memoryLayout(Op *op);
  DotChoice chooseFor(Op *dot);
  void sinkBelowDot(Value *operand, Attr demanded);
  bool cheap(const Value *v, unsigned depth = 0) const;
  const Value *loadBehind(const Value *v) const;
  bool feedsDot(const Value *result) const;
  bool comesFromDot(const Value *v, const tir::Block *home, unsigned depth) const;
  unsigned threads() const { return 32 * warps; }
  int depthOf(const Op *op) const;

  // homes (assign_layouts.cc)
  Home homeOf(const Value *v) const { return v->id < homes.size() ? homes[v->id] : Home{}; }
  Home compute(Op *op, unsigned result);
  Home bestOperand(Op *op, bool sameShape) const;
  void propagate();
  bool resolveByDemand();
  bool resolveDefault();
  Attr demandOf(const Value *v, std::vector<bool> &seen, int *depth) const;
  Attr demandOfUse(const tir::Use *use, std::vector<bool> &seen, int *depth) const;
  Attr natural(const Value *v, unsigned depth = 0) const;
  Attr anyLayout(const Value *v) const; // home, natural or default
  bool fluidOp(const Op *op) const;     // may be cloned into any layout
  Attr backward(const Op *op, unsigned operand, Attr demanded) const;
  Attr required(Op *op, unsigned operand);

  // rewriting (assign_rewrite.cc)
  void setTypes();
  void rewriteBlock(tir::Block *b);
  Value *get(Value *v, Attr enc);
  Value *convert(Value *v, Attr enc);
  Value *materialise(Value *v, Attr enc);
  void retype(Value *v, Attr enc);
  void makeWarpGroupDot(Op *dot);
  void eraseUnused();
  void setModuleAttributes();

  tir::Module &m;
  Op *kernel;
  const GpuOptions &o;
  tir::Context &ctx;
  unsigned warps = 4;
  std::unique_ptr<tir::AxisInfoAnalysis> axis;
  std::vector<Home> homes;                       // by value id
  std::vector<Attr> forced;                      // by value id: casts below a dot
  std::vector<int> carrierOf;                    // by value id, -1
  std::vector<Carrier> carriers;
  std::vector<Op *> ops;                         // in program order
  std::unordered_map<const Op *, Attr> opLayout; // memory operations, reductions, scans …
  std::unordered_map<const Op *, unsigned> perThread; // of the group
  std::unordered_map<const Op *, DotChoice> dots;
  std::vector<Op *> lights;                      // small loads: where their users want them
  std::vector<bool> done;                        // by operation id: fluid and already given a layout
  std::map<std::pair<uint32_t, Attr>, Value *> copies;
  std::unordered_map<const Value *, Value *> origin; // of clones and conversions: the value as it was written
};

} // namespace tcodegen::gpu
