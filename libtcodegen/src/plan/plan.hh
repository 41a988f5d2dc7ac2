// SPDX-License-Identifier: MIT
// The CPU plan: where every tile value of a kernel lives. Made before any LLVM IR exists and independent of LLVM.
//
// A tile value is *virtual* (recomputed, element by element, inside the loop nest that needs it), a *buffer* (an
// array in the arena) or an *induction* (a loop-carried tile that is its initial value plus a loop-invariant
// increment times the iteration number). Operations that cannot be virtual are *roots*: each becomes a loop nest.
#pragma once
#include "common/status.hh"
#include "common/tko.hh"
#include "ir/ir.hh"
#include <string>
#include <vector>

namespace tcodegen {

enum class Home : uint8_t {
  None,      // not a tile, or never used
  Virtual,
  Buffer,
  Induction, // block argument or result of scf.for
};

/// One array of the arena. Values that share storage (a dot accumulating in place into the tile a loop carries)
/// name the same buffer.
struct BufferPlan {
  tir::Type elem = nullptr; // element type; i1 takes a byte, pointers eight
  int64_t count = 0;
  uint64_t offset = 0; // in the arena
  uint64_t bytes = 0;
  uint32_t first = ~0u, last = 0; // positions between which the contents matter
};

struct InductionStep {
  tir::Op *add;           // tt.addptr or arith.addi / arith.subi
  tir::Value *increment;  // loop-invariant
};

struct Induction {
  tir::Op *loop = nullptr;
  unsigned carried = 0; // number of the iter_arg
  std::vector<InductionStep> steps;
};

struct Plan {
  std::vector<Home> home;     // by value id
  std::vector<int> buffer;    // by value id: index into buffers, -1 none
  std::vector<int> induction; // by value id: index into inductions, -1 none
  std::vector<uint32_t> pos;  // by op id: position in program order, end position of an op with regions below
  std::vector<uint32_t> end;  // by op id: position of the last operation inside (== pos without regions)
  std::vector<bool> in_place; // by op id: a tt.dot whose accumulator is already in its result's buffer
  std::vector<tir::Op *> fused; // by op id: the reduction whose nest also computes and stores this op's tile, or null
  std::vector<bool> writes;   // by op id: the operation, or one inside it, writes memory
  std::vector<BufferPlan> buffers;
  std::vector<Induction> inductions;
  uint64_t arena_bytes = 0;
  std::vector<std::string> remarks;

  Home homeOf(const tir::Value *v) const { return home[v->id]; }
  const BufferPlan *bufferOf(const tir::Value *v) const { return buffer[v->id] < 0 ? nullptr : &buffers[buffer[v->id]]; }
};

/// The kernel object's name for a type; none where it has none.
tessera::tko::Kind kindOf(tir::Type t);
/// Bytes of one element in a buffer or in memory.
unsigned storageBytes(tir::Type elem);
/// Does the operation only move elements (a change of index)?
bool isIndexMap(tir::Opcode code);
/// Can the results of the operation be computed one chunk of elements at a time?
bool isVirtualizable(const tir::Op *op);
/// The kernel argument that a pointer is computed from, or null.
tir::Value *baseArgument(tir::Value *pointer);

tessera::Result<Plan> makePlan(tir::Module &module, tir::Op *func);

} // namespace tcodegen
