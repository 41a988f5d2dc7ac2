// SPDX-License-Identifier: MIT
// What canonicalize's rewrites work with. A rewrite looks at one operation, changes the module through the Rewriter
// only, and says whether it did; the driver then looks again at everything that the change may concern.
#pragma once
#include "analysis/constants.hh"
#include "analysis/effects.hh"
#include "ir/ir.hh"

namespace tir {

class Rewriter {
public:
  explicit Rewriter(Module &module) : m(module), ctx(module.ctx) {}
  Module &m;
  Context &ctx;

  /// All uses of `v` become uses of `by`; the users are looked at again.
  void replace(Value *v, Value *by);
  /// Replaces the results of `op` and erases it.
  void replaceOp(Op *op, Value *by) { replaceOp(op, {&by, 1}); }
  void replaceOp(Op *op, Span<Value *> by);
  /// Erases an operation without uses; what computed its operands is looked at again.
  void erase(Op *op);
  /// `op` was changed in place.
  void update(Op *op);
  /// A new operation in front of `before`, with its location unless the spec has one.
  Op *create(Op *before, OpSpec spec);
  Value *create(Op *before, Opcode code, std::vector<Value *> operands, Type result,
                std::vector<NamedAttr> attrs = {});
  /// arith.constant in front of `before`; one entry of bits for a scalar or splat.
  Value *constant(Op *before, Type type, Span<uint64_t> bits);
  Value *constant(Op *before, Type type, uint64_t bits) { return constant(before, type, {&bits, 1}); }
  NamedAttr attr(std::string_view name, Attr value) { return {ctx.str(name), value}; }
  /// Moves the operations of `from`, but its terminator, in front of `before`.
  void inlineBlock(Block *from, Op *before);

  void push(Op *op);
  Op *pop(); // null: nothing left

private:
  std::vector<Op *> work;
  std::vector<bool> queued; // by operation id
};

using RewriteFn = bool (*)(Op *op, Rewriter &rw);
struct Rewrite {
  Opcode code; // Opcode::invalid: any operation
  const char *name;
  const char *summary;
  RewriteFn run;
};
/// Rows of rewrites.inc in their order.
Span<Rewrite> rewriteTable();

/// canonicalize with a count of applications per row (null: not wanted).
bool canonicalize(Module &m, std::vector<unsigned> *applied);

// Shared by the files of rewrites.
bool foldConstants(Op *op, Rewriter &rw);
inline Op *defining(const Value *v, Opcode code) { return v->def && v->def->is(code) ? v->def : nullptr; }
/// No attribute that changes what the operation computes (overflow flags, rounding mode).
bool plain(const Op *op);

#define REWRITE(code, id, summary) bool id(Op *op, Rewriter &rw);
#include "rewrites.inc"
#undef REWRITE

} // namespace tir
