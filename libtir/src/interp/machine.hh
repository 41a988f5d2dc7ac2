// SPDX-License-Identifier: MIT
// The machine that programs run on: an explicit stack of frames per program (so a program can be put aside at
// any operation), values in flat environments, and the services that the meanings of operations use.
//
// A *meaning* is one function `Step fn(Machine &m, Op &op)`: it reads operands, sets results, and returns
// Next. meanings.inc maps opcodes to meanings. A meaning that fails returns m.stop(…); a sanitizer find is
// reported by `if (m.find(op, TIR_SANITIZE_…, "…")) return Step::Stop;`.
//
// Lanes: the scalar code inside tt.reduce, tt.scan and tt.map_elementwise runs on many elements at once: a
// value of scalar type then has `m.lanes` cells. Elementwise meanings work on either; others see lanes == 1.
#pragma once
#include "common/numfmt.hh"
#include "interp.hh"
#include "memory.hh"
#include "tile.hh"
#include <memory>

namespace tir::interp {

namespace num = tessera::num;

enum class Step : uint8_t {
  Next,  // go on with the frame's pc
  Yield, // the same, but let another program run first
  Stop,  // m.status holds why
};

/// What the machine knows of a function before it runs it.
struct FuncPlan {
  Op *func = nullptr;
  uint32_t num_values = 0;
};

struct Activation { // one call of one function
  const FuncPlan *plan = nullptr;
  Op *call = nullptr; // the tt.call to return to; null for the kernel
  std::vector<Tile> env;
};

struct Frame {         // one region being executed
  Op *owner = nullptr; // tt.func, scf.for, scf.if, scf.while, or the owner of a region run by runRegion
  Op *pc = nullptr;    // next operation
  int64_t iv = 0, ub = 0, step = 0; // scf.for
  uint32_t act = 0;
  uint32_t region = 0; // scf.while: 0 before, 1 after
};

/// An allocation of shared or tensor memory (shared.hh).
struct SharedBuffer {
  std::vector<uint64_t> cells;
  std::vector<uint8_t> marks;
  uint32_t made = 0; // number of the allocation; 0: given back
};

struct Program {
  int32_t pid[3] = {};
  uint32_t number = 0;
  uint64_t steps = 0;
  uint64_t polls = 0; // tt.atomic_poll rounds of the current poll
  std::vector<Frame> frames;
  std::vector<std::unique_ptr<Activation>> acts;
  Clock clock;
  std::vector<Tile> returned; // results of a region run by runRegion
  std::vector<SharedBuffer> buffers;
  std::unordered_map<uint32_t, std::vector<uint32_t>> slots; // op id -> its buffers, oldest first
  std::unordered_map<uint64_t, Tile> tensormaps;             // address -> descriptor that tensormap_create wrote
  uint32_t allocations = 0;
};

class Machine;
using Meaning = Step (*)(Machine &, Op &);
Meaning meaningOf(Opcode code); // null: none

class Machine {
public:
  Machine(Module &module, const tir_interp_params &params) : module(module), params(params) {}
  tessera::Status launch(Op *kernel, const std::vector<tir_interp_arg> &args);

  // ---- values
  const Tile &get(Value *v) { return act().env[local(v)]; }
  const Tile &in(Op &op, unsigned i) { return get(op.operand(i)); }
  void set(Value *v, Tile t) { act().env[local(v)] = std::move(t); }
  Step out(Op &op, Tile t) {
    set(op.result(0), std::move(t));
    return Step::Next;
  }
  /// Cells that a value of this type has.
  uint32_t count(Type t) const { return t->isTensor() ? static_cast<uint32_t>(t->count()) : lanes; }

  // ---- failure and finds
  bool watching(uint32_t kind) const { return (params.errors | params.notes) & kind; }
  /// Reports a find of the sanitizer. True: the launch stops (return Step::Stop).
  [[gnu::format(printf, 4, 5)]] bool find(Op &op, uint32_t kind, const char *format, ...);
  [[gnu::format(printf, 4, 5)]] Step stop(Op &op, tessera::Code code, const char *format, ...);
  /// Reports the marks of an element where it is used as `role` ("an address", "a mask"). True: stop.
  bool checkUsed(Op &op, const Tile &t, uint32_t i, const char *role) {
    return t.marks() && usedMarks(op, t.mark(t.size() == 1 ? 0 : i), i, role, false);
  }
  /// The same for a value that goes to memory: overflow there is the program's own business.
  bool checkStored(Op &op, const Tile &t, uint32_t i) {
    return t.marks() && usedMarks(op, t.mark(t.size() == 1 ? 0 : i), i, "the value that it stores", true);
  }
  /// Remembers the operation that first made a mark, for the message.
  void made(Op &op, uint8_t mark);

  // ---- control
  Program &program() { return *current; }
  Frame &frame() { return current->frames.back(); }
  Activation &act() { return *current->acts[current->frames.back().act]; }
  void push(Op *owner, Block *block, uint32_t region = 0);
  Step enterCall(Op &call, Op *callee);
  /// Runs region 0 of `op` to its terminator with these block arguments, `width` lanes at once; results are
  /// the operands of the terminator. False: stopped.
  bool runRegion(Op &op, const std::vector<Tile> &args, uint32_t width, std::vector<Tile> *results);
  /// Whether region 0 of `op` can run on many lanes at once (straight-line elementwise code).
  bool lanewise(Op &op);

  // ---- memory
  struct Access {
    uint8_t *host = nullptr; // null: nothing there (already reported)
    Place place;
  };
  /// Checks one element access. Returns false when the launch stops; out->host is null if it is out of
  /// bounds.
  bool access(Op &op, uint64_t address, unsigned bytes, bool write, bool atomic, Type type, uint32_t i,
              Access *out); // `type` and `i`: for the message
  /// Lanes from `i` on that are active and whose addresses follow one another; 1 when lane `i` stands alone.
  static uint32_t runLength(const Tile &pointers, const Tile *mask, uint32_t i, unsigned bytes);
  /// The memory of such a run, when nothing about it needs a report (else null: go element by element). A
  /// load also needs every byte defined.
  uint8_t *runMemory(uint64_t address, uint64_t size, unsigned bytes, bool write, uint8_t **shadow);
  uint64_t loadCell(const Access &a, unsigned bytes, uint8_t *mark);
  void storeCell(const Access &a, unsigned bytes, uint64_t v, bool undef);
  bool checkUnwritten(Op &op, const Access &a, unsigned bytes);

  Module &module;
  const tir_interp_params &params;
  Memory memory;
  RaceShadow races;
  tessera::Status status;
  uint32_t lanes = 1;
  std::vector<Tile> constants; // of arith.constant, by op id

private:
  struct Seen {
    Op *op;
    uint32_t kind;
    uint64_t count;
  };
  std::vector<Seen> seen;
  Op *maker[8] = {}; // by bit of a mark
  std::vector<FuncPlan> plans;
  std::vector<uint32_t> locals;       // value id -> number in its function's environment
  std::vector<uint32_t> releaseStart; // op id -> first entry of `releases`
  std::vector<uint32_t> releases;     // locals that are dead before the op runs
  std::vector<int8_t> lanewiseCache;  // op id -> -1 unknown
  Program *current = nullptr;
  unsigned depth = 0; // of runRegion
  uint64_t maxSteps = 0;

  uint32_t local(const Value *v) const { return locals[v->id]; }
  tessera::Status plan();
  void planReleases();
  FuncPlan *planOf(Op *func);
  Op *opById(uint32_t id);
  tessera::Status bindArgs(Op *kernel, const std::vector<tir_interp_arg> &args, std::vector<Tile> *values);
  void startProgram(Program &p, Op *kernel, const std::vector<Tile> &values, uint32_t number);
  tessera::Status schedule(Op *kernel, const std::vector<Tile> &values);
  /// Runs until the stack is back at `floor` frames (Next), a yield, or a stop.
  Step execute(size_t floor);
  bool lanewiseBlock(Block *b, unsigned depth);
  const std::vector<Value *> &captures(Op &op); // values from outside that its regions use
  std::unordered_map<uint32_t, std::vector<Value *>> captured;
  bool usedMarks(Op &op, uint8_t marks, uint32_t i, const char *role, bool stored);
  void emit(Op &op, uint32_t kind, bool error, const std::string &what, uint64_t count);
};

// ---- facts about types that meanings share --------------------------------------------------------------

/// Bits of an element in a cell: width of an int or float, 64 for pointers and index.
inline unsigned widthOf(Type scalar) { return scalar->isInt() || scalar->isFloat() ? scalar->width : 64; }
/// Bytes of an element in memory (i1 takes one).
inline unsigned bytesOf(Type scalar) { return (widthOf(scalar) + 7) / 8; }
inline uint64_t maskOf(unsigned width) { return width >= 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1; }
inline int64_t sext(uint64_t v, unsigned width) {
  unsigned s = 64 - width;
  return static_cast<int64_t>(v << s) >> s;
}
inline num::Format formatOf(Type scalar) { return static_cast<num::Format>(scalar->fkind); }
/// Text such as "(1, 0, 3)" of element `i` of a value's type; "()" for scalars.
std::string indexText(Type type, uint32_t i);
std::string programText(const Program &p);

} // namespace tir::interp
