// SPDX-License-Identifier: MIT
// Private to the verifier: collects finds.
#pragma once
#include "text/text.hh"
#include "type_rules.hh"
#include "verify.hh"

namespace tir {

struct Checker {
  const Module &module;
  tessera::Status first; // the first find
  unsigned finds = 0;
  bool quiet = false; // keep the first find, tell nobody
  std::vector<std::pair<std::string_view, Op *>> functions; // sorted by name
  std::vector<bool> goodLayouts; // by type id: checked, all right
  static constexpr unsigned limit = 20;

  explicit Checker(const Module &m) : module(m) {}
  bool full() const { return finds >= limit; }
  /// Reports that `op` breaks `rule`; gives false.
  [[gnu::format(printf, 4, 5)]] bool fail(Rule rule, const Op *op, const char *text, ...);
  Op *function(std::string_view name) const;
};

/// Checks that need code: everything about one operation beyond slots, types and attributes. Runs only on
/// operations that passed those. (ops.cc)
bool checkOp(Checker &c, const Op *op);
/// Encodings of the tiles of one operation. (layouts.cc)
bool checkLayouts(Checker &c, const Op *op);
/// Operations and types of the GPU level. (gpu.cc)
bool checkGpuOp(Checker &c, const Op *op);
/// Rules of functions, calls, structured control flow and scalar regions. (regions.cc)
bool checkRegions(Checker &c, const Op *op);

/// Elements of a tile; -1 when a dimension is not positive or there are too many to count.
int64_t safeCount(Type t);
/// Compares operand types of `op` (a yield, return …) with `expected`; reports at `op`.
bool sameTypes(Checker &c, Rule rule, const Op *op, unsigned first_operand, Span<Type> expected, const char *what);

} // namespace tir
