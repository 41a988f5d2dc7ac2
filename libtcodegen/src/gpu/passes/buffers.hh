// SPDX-License-Identifier: MIT
// What a kernel keeps in shared memory: the buffers, the values that may name each of them, and how operations
// use them. allocate_shared and place_barriers work from this; check_hazards has its own reading of the program.
#pragma once
#include "ir/ir.hh"
#include <string>
#include <vector>

namespace tcodegen::gpu {

/// What an operation means for shared memory.
enum class SharedKind : uint8_t {
  None,
  Alloc,       // ttg.local_alloc; with an operand also a write
  Dealloc,
  View,        // result names (part of) the operand's buffer
  Load,        // reads its buffer operands
  Store,       // writes its buffer operand `SharedOp::dst`
  AsyncCopy,   // cp.async into `dst`: a write that ends with an AsyncWait
  Commit,      // closes a group of copies
  AsyncWait,   // at most `num` groups are still under way afterwards
  Dot,         // reads buffer operands by the async proxy; may still be reading after it
  DotWait,     // at most `pendings` dots are still reading afterwards
  TmaLoad,     // write by the async proxy that an mbarrier ends
  TmaStore,    // read by the async proxy that ends with a TmaWait
  TmaWait,
  MbarWrite,   // makes or ends an mbarrier
  MbarUse,     // expects, arrives or waits at one
  Fence,       // generic writes become visible to the async proxy
  Barrier,     // all threads meet; accesses to shared memory are ordered
  Other,       // uses a buffer in a way that is not known: reads and writes it
};
SharedKind sharedKind(const tir::Op *op);
/// The buffer operand that the operation writes (Store, AsyncCopy, TmaLoad, MbarWrite), or null.
tir::Value *writtenBuffer(const tir::Op *op);

inline bool isSharedBuffer(tir::Type t) {
  return t->isMemDesc() && (!t->memSpace || t->memSpace->text.view() == "ttg.shared_memory");
}
/// Bytes that a memdesc of this type covers when it is a whole buffer.
uint64_t bufferBytes(tir::Type memdesc);
/// Byte alignment that the encoding asks of the buffer's address.
unsigned bufferAlignment(tir::Type memdesc);

struct Buffer {
  tir::Op *owner = nullptr; // carries allocation.offset
  bool scratch = false;     // memory of the operation itself while it runs
  uint64_t bytes = 0;
  unsigned align = 16;
  unsigned slots = 1;       // equal parts along dimension 0 that ttg.memdesc_index selects
  int64_t offset = -1;      // allocation.offset, -1 if it has none
  uint64_t slotBytes() const { return bytes / slots; }
};

using ScratchBytes = unsigned (*)(const tir::Op *);

/// Buffers of a kernel, in program order, and which of them a memdesc value may name.
class Buffers {
public:
  Buffers(tir::Op *kernel, ScratchBytes scratch);
  std::vector<Buffer> list;
  /// Indices into `list`, rising; empty for other values.
  const std::vector<unsigned> &of(const tir::Value *v) const;
  /// Index of the buffer that `op` owns, or -1.
  int ownedBy(const tir::Op *op) const { return op->id < owned.size() ? owned[op->id] : -1; }
  /// Every value that may name a buffer.
  const std::vector<const tir::Value *> &values() const { return named; }

private:
  std::vector<int> owned;                      // by operation id
  std::vector<int> number;                     // by value id, into `sets`
  std::vector<std::vector<unsigned>> sets;     // by entry of `named`
  std::vector<const tir::Value *> named;
  std::vector<unsigned> nothing;
};

/// f(from, to) for each way in which a value becomes another without being computed with: loop-carried values,
/// results of regions, arguments of blocks, views, values passed through.
template <class F> void forEachFlow(tir::Op *op, F f);

/// Which part of a multi-buffered allocation a memdesc names: known number, a number that goes round with the
/// iterations of a loop ((offset + iteration) mod modulus), or unknown.
struct Slot {
  enum Kind : uint8_t { Any, Const, Cyclic } kind = Any;
  const tir::Op *loop = nullptr; // Cyclic
  int64_t value = 0;             // Const: the number; Cyclic: the offset
  int64_t modulus = 0;           // Cyclic
  bool operator==(const Slot &) const = default;
};
/// May the two name the same part? (Cyclic: at the same iteration.)
bool mayMeet(const Slot &a, const Slot &b);
Slot slotOf(const tir::Value *memdesc);
/// "slot 1", "slot (i + 2) mod 3", "" when unknown.
std::string slotText(const Slot &s);

// ---- implementation of the template ----

template <class F> void forEachFlow(tir::Op *op, F f) {
  using namespace tir;
  auto yielded = [&](Region *r, auto g) {
    for (Block *b = r->first; b; b = b->next)
      if (b->last && b->last->is(Opcode::scf_yield))
        for (unsigned i = 0; i < b->last->numOperands(); ++i) g(i, b->last->operand(i));
  };
  switch (op->code) {
  case Opcode::scf_for: {
    Block *body = op->region(0)->front();
    if (!body) return;
    for (unsigned i = 0; i < op->numResults() && 3 + i < op->numOperands() && 1 + i < body->numArgs(); ++i) {
      f(op->operand(3 + i), body->arg(1 + i));
      f(op->operand(3 + i), op->result(i));
    }
    yielded(op->region(0), [&](unsigned i, Value *v) {
      if (1 + i < body->numArgs()) f(v, body->arg(1 + i));
      if (i < op->numResults()) f(v, op->result(i));
    });
    return;
  }
  case Opcode::scf_if:
    for (unsigned r = 0; r < op->numRegions(); ++r)
      yielded(op->region(r), [&](unsigned i, Value *v) {
        if (i < op->numResults()) f(v, op->result(i));
      });
    return;
  case Opcode::scf_while: {
    Block *before = op->region(0)->front(), *after = op->region(1)->front();
    if (!before || !after) return;
    for (unsigned i = 0; i < op->numOperands() && i < before->numArgs(); ++i) f(op->operand(i), before->arg(i));
    if (Op *c = before->last; c && c->is(Opcode::scf_condition))
      for (unsigned i = 1; i < c->numOperands(); ++i) {
        if (i - 1 < after->numArgs()) f(c->operand(i), after->arg(i - 1));
        if (i - 1 < op->numResults()) f(c->operand(i), op->result(i - 1));
      }
    yielded(op->region(1), [&](unsigned i, Value *v) {
      if (i < before->numArgs()) f(v, before->arg(i));
    });
    return;
  }
  case Opcode::cf_br:
    for (unsigned i = 0; i < op->numOperands() && i < op->succ(0)->numArgs(); ++i) f(op->operand(i), op->succ(0)->arg(i));
    return;
  case Opcode::cf_cond_br:
    for (unsigned s = 0; s < 2; ++s) {
      unsigned first, count;
      op->slotRange(1 + s, &first, &count);
      for (unsigned i = 0; i < count && i < op->succ(s)->numArgs(); ++i) f(op->operand(first + i), op->succ(s)->arg(i));
    }
    return;
  case Opcode::arith_select:
    f(op->operand(1), op->result(0));
    f(op->operand(2), op->result(0));
    return;
  default: break;
  }
  SharedKind k = sharedKind(op);
  if (k == SharedKind::View && op->numResults() && op->numOperands()) f(op->operand(0), op->result(0));
  if (k == SharedKind::DotWait)
    for (unsigned i = 0; i < op->numResults() && i < op->numOperands(); ++i) f(op->operand(i), op->result(i));
}

} // namespace tcodegen::gpu
