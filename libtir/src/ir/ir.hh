// SPDX-License-Identifier: MIT
// The IR proper: module → operations → regions → blocks → operations, values with intrusive use lists.
// Everything lives in the arena of its Module; erased operations are unlinked, their memory goes with the module.
#pragma once
#include "context.hh"
#include "op_info.hh"
#include <memory>

namespace tir {

struct Op;
struct Block;
struct Region;
struct Value;
class Module;

/// One operand slot of one operation; linked into the use list of its value.
struct Use {
  Value *value = nullptr;
  Op *owner = nullptr;
  Use *next = nullptr;
  Use **prev = nullptr; // the pointer that points to this use
  void set(Value *v);   // relinks
  unsigned index() const;
};

/// An SSA value: result of an operation (`def`) or argument of a block (`block`).
struct Value {
  Type type = nullptr;
  Op *def = nullptr;
  Block *block = nullptr;
  Use *uses = nullptr;
  Loc loc = nullptr;   // block arguments
  Str name;            // hint as read (`x_ptr` of %x_ptr); not part of the meaning
  uint32_t index = 0;  // result or argument number
  uint32_t id = 0;     // dense number in the module; side tables are indexed by it
  bool isArg() const { return block; }
  bool hasUses() const { return uses; }
  bool hasOneUse() const { return uses && !uses->next; }
  void replaceAllUsesWith(Value *other);
  Block *parentBlock() const; // block in which it is defined
};

struct Op {
  Opcode code{};
  Op *prev = nullptr, *next = nullptr;
  Block *parent = nullptr;
  Loc loc = nullptr;
  Use *operands_ = nullptr;
  Value *results_ = nullptr;
  Region *regions_ = nullptr;
  Block **succs_ = nullptr;
  NamedAttr *attrs_ = nullptr;  // sorted by name text; inherent and discardable together
  uint32_t *segments_ = nullptr; // operands per declared slot (info().operands), null if every slot is single
  uint32_t nops = 0, nres = 0, nregs = 0, nsuccs = 0, nattrs = 0, capattrs = 0;
  uint32_t id = 0; // dense number in the module
  Module *module = nullptr;

  const OpInfo &info() const { return opInfo(code); }
  std::string_view name() const { return info().name; }
  Context *ctx() const;

  unsigned numOperands() const { return nops; }
  Value *operand(unsigned i) const { return operands_[i].value; }
  void setOperand(unsigned i, Value *v) { operands_[i].set(v); }
  /// Replaces all operands (used by growing ops such as yields). Where the op has more than one optional or
  /// variadic slot, the caller sets the segments; with one, its count follows.
  void setOperands(Span<Value *> values);
  void eraseOperand(unsigned i); // its segment shrinks with it
  /// Declared operand slot `i` of the op table: the value, or null when an optional one is absent.
  Value *slot(unsigned i) const;
  /// First operand number and count of a declared slot.
  void slotRange(unsigned i, unsigned *first, unsigned *count) const;

  unsigned numResults() const { return nres; }
  Value *result(unsigned i = 0) const { return results_ + i; }
  unsigned numRegions() const { return nregs; }
  void eraseResult(unsigned i); // it has no uses; later results move down and keep their uses
  Region *region(unsigned i = 0) const;
  unsigned numSuccs() const { return nsuccs; }
  Block *succ(unsigned i) const { return succs_[i]; }

  Span<NamedAttr> attrs() const { return {attrs_, nattrs}; }
  Attr attr(std::string_view name) const; // null if absent
  void setAttr(std::string_view name, Attr value); // null removes
  int64_t intAttr(std::string_view name, int64_t otherwise = 0) const; // Int, Bool or Enum
  std::string_view strAttr(std::string_view name) const; // String or Symbol text

  bool is(Opcode c) const { return code == c; }
  Op *parentOp() const; // the operation whose region holds this one; null for the module op
  Block *block() const { return parent; }

  /// Unlinks the op and all it holds; no uses from outside may be left. `code` becomes `invalid`, so a stale
  /// pointer can be told (memory stays until the module goes).
  void erase();
  bool erased() const { return code == Opcode::invalid; }
  void unlink(); // out of its block, with operands and uses as they are
  void moveBefore(Op *other);
  void dropAllReferences(); // operands of this op and of all nested ones
  bool isAncestorOf(const Op *other) const; // true for the op itself
  template <class F> void walk(F f); // pre-order over this op and all nested ones
};

struct Block {
  Region *parent = nullptr;
  Block *prev = nullptr, *next = nullptr;
  Op *first = nullptr, *last = nullptr;
  Value **args_ = nullptr;
  uint32_t nargs = 0, capargs = 0;
  uint32_t id = 0;
  Str name; // hint

  unsigned numArgs() const { return nargs; }
  Value *arg(unsigned i) const { return args_[i]; }
  Value *addArg(Module &m, Type type, Loc loc = nullptr);
  void eraseArg(unsigned i);
  Op *terminator() const { return last && (last->info().traits & TraitTerminator) ? last : nullptr; }
  void append(Op *op);
  void insertBefore(Op *op, Op *before); // before == null: append
  Op *parentOp() const;
};

struct Region {
  Op *parent = nullptr;
  Block *first = nullptr, *last = nullptr;
  bool empty() const { return !first; }
  Block *front() const { return first; }
  void append(Block *b);
  void insertAfter(Block *b, Block *after);
  void remove(Block *b);
};

/// The syntax (release of Triton) a module was read in and prints in. 0 for modules built by code.
enum class Syntax : uint8_t { Auto = 0, T36 = 36, T37 = 37, T38 = 38, T39 = 39 };

/// What an operation is created from. Arrays are copied.
struct OpSpec {
  Opcode code{};
  Loc loc = nullptr;
  std::vector<Value *> operands{};
  /// Operands per declared slot. May be left empty: optional slots are then taken as filled from the left, and
  /// the only (else the first) variadic slot takes what remains; see deduceSegments().
  std::vector<uint32_t> segments{};
  std::vector<Type> results{};
  std::vector<NamedAttr> attrs{};
  std::vector<Block *> succs{};
  unsigned regions = 0;
};

/// Operands per declared slot (out[info.num_operands]) when the creator did not say. Optional slots fill from the
/// left; the first variadic slot takes what is left over, except that several share it equally where the generic
/// form has no segment sizes either (shape and strides of a descriptor).
void deduceSegments(const OpInfo &info, unsigned nops, uint32_t *out);

class Module {
public:
  explicit Module(Context &ctx);
  Module(const Module &) = delete;
  Context &ctx;
  Arena arena;
  Op *op = nullptr;    // the builtin.module operation; one region, one block
  Syntax syntax = Syntax::Auto;
  std::string source_name = "<memory>";
  struct TextAlias { Str name; Attr attr = nullptr; Type type = nullptr; };
  std::vector<TextAlias> aliases; // `#name = …`, `!name = …` of the text it was read from, used again when printing
  uint32_t num_values = 0, num_ops = 0, num_blocks = 0;

  Block *body() const { return op->region(0)->front(); }
  Op *create(const OpSpec &spec); // not inserted
  Block *createBlock(); // not inserted
  Value *newValue(Type type);
  /// Deep copy, not inserted. map[old value id] = new value is read (values from outside without an entry stay)
  /// and extended. `op` may belong to another module of the same context.
  Op *clone(Op *op, std::vector<Value *> &map);
  /// The tt.func named `symbol`, or null.
  Op *function(std::string_view symbol) const;
  /// The only public function, or the one named; a message otherwise.
  tessera::Result<Op *> kernel(std::string_view symbol_or_empty) const;
};

/// A deep copy in the same context.
std::unique_ptr<Module> cloneModule(const Module &m);

inline Region *Op::region(unsigned i) const { return regions_ + i; }
inline Op *Block::parentOp() const { return parent ? parent->parent : nullptr; }
inline Op *Op::parentOp() const { return parent ? parent->parentOp() : nullptr; }

template <class F> void Op::walk(F f) {
  f(this);
  for (unsigned r = 0; r < nregs; ++r)
    for (Block *b = regions_[r].first; b; b = b->next)
      for (Op *o = b->first; o;) {
        Op *following = o->next; // f may erase o
        o->walk(f);
        o = following;
      }
}

} // namespace tir
