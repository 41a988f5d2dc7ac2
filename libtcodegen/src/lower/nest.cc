// SPDX-License-Identifier: MIT
// Loop nests over tiles, and tiles that live in memory.
#include "lower.hh"
#include <llvm/Support/MathExtras.h>

namespace tcodegen {
using namespace tir;
using llvm::Log2_64;

void Lowering::openScope() {
  scopes.push_back({&*b.GetInsertPoint(), {}});
  current = scopes.size() - 1;
}
void Lowering::closeScope() {
  scopes.pop_back();
  current = scopes.empty() ? 0 : scopes.size() - 1;
}

Lowering::Loop Lowering::nestLoop(int64_t to, int64_t step) {
  Loop l = beginLoop(i32c(0), i32c(to), i32c(step), true);
  scopes.back().ip = l.pre;
  openScope();
  return l;
}
void Lowering::endNestLoop(Loop &l) {
  closeScope();
  endLoop(l);
  scopes.back().ip = l.resume;
}

void Lowering::nest(llvm::ArrayRef<int64_t> shape, unsigned lane_bits, llvm::ArrayRef<unsigned> order_in,
                    llvm::function_ref<void(const Index *)> body) {
  unsigned rank = shape.size();
  if (rank > 3 && order_in.empty()) { // one loop over all elements instead of many short ones
    int64_t count = 1;
    for (int64_t d : shape) count *= d;
    Span<int64_t> flat{&count, 1}, whole{shape.data(), rank};
    return nest({count}, lane_bits, {}, [&](const Index *idx) { body(mapReshape(idx, flat, whole)); });
  }
  llvm::SmallVector<unsigned, 8> order(order_in.begin(), order_in.end());
  if (order.empty())
    for (unsigned k = rank; k-- > 0;) order.push_back(k);
  unsigned total = 0;
  for (int64_t d : shape) total += Log2_64(d);
  unsigned bits = std::min(lane_bits, total), left = bits, at = 0;
  Index idx;
  idx.bits = bits;
  idx.dims.resize(rank);
  llvm::SmallVector<int64_t, 8> step(rank, 1);
  for (Coord &c : idx.dims) c = zeroCoord();
  for (unsigned k : order) {
    unsigned take = std::min<unsigned>(left, Log2_64(shape[k]));
    for (unsigned i = 0; i < take; ++i) idx.dims[k].lane[at++] = 1u << i;
    step[k] = int64_t(1) << take;
    left -= take;
  }
  openScope();
  llvm::SmallVector<Loop, 8> loops;
  for (unsigned i = order.size(); i-- > 0;) {
    unsigned k = order[i];
    if (step[k] >= shape[k]) continue;
    loops.push_back(nestLoop(shape[k], step[k]));
    idx.dims[k].base = loops.back().iv;
    idx.dims[k].depth = current;
  }
  body(intern(std::move(idx)));
  while (!loops.empty()) endNestLoop(loops.back()), loops.pop_back();
  closeScope();
}

llvm::Value *Lowering::bufferBase(int buffer) {
  return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), arena, plan.buffers[buffer].offset);
}

/// Lanes at addr + (base + Σ coef·bit) elements, in runs of consecutive elements.
llvm::Value *Lowering::loadLanes(llvm::Value *addr, llvm::Type *elem, const Val &offset) {
  unsigned size = elem->getPrimitiveSizeInBits() / 8;
  llvm::Value *p = b.CreateGEP(elem, addr, b.CreateZExt(offset.base, b.getInt64Ty()));
  if (offset.lanes == 1) return b.CreateAlignedLoad(elem, p, llvm::Align(size));
  unsigned bits = Log2_64(offset.lanes), run = 0;
  while (run < bits && offset.coef[run] == (1 << run)) ++run;
  unsigned len = 1u << run;
  llvm::SmallVector<llvm::Value *, 16> parts;
  for (unsigned lane = 0; lane < offset.lanes; lane += len) {
    int64_t at = 0;
    for (unsigned i = 0; i < bits; ++i)
      if (lane >> i & 1) at += offset.coef[i];
    parts.push_back(b.CreateAlignedLoad(vecType(elem, len), b.CreateConstGEP1_64(elem, p, at), llvm::Align(size)));
  }
  if (len == 1) {
    llvm::Value *r = llvm::PoisonValue::get(vecType(elem, offset.lanes));
    for (unsigned i = 0; i < parts.size(); ++i) r = b.CreateInsertElement(r, parts[i], i);
    return r;
  }
  while (parts.size() > 1) { // join pairwise
    llvm::SmallVector<llvm::Value *, 16> next;
    unsigned w = llvm::cast<llvm::FixedVectorType>(parts[0]->getType())->getNumElements();
    llvm::SmallVector<int, 64> mask(2 * w);
    for (unsigned i = 0; i < 2 * w; ++i) mask[i] = i;
    for (unsigned i = 0; i < parts.size(); i += 2) next.push_back(b.CreateShuffleVector(parts[i], parts[i + 1], mask));
    parts = next;
  }
  return parts[0];
}

void Lowering::storeLanes(llvm::Value *addr, llvm::Type *elem, const Val &offset, llvm::Value *x) {
  unsigned size = elem->getPrimitiveSizeInBits() / 8;
  llvm::Value *p = b.CreateGEP(elem, addr, b.CreateZExt(offset.base, b.getInt64Ty()));
  if (offset.lanes == 1) {
    b.CreateAlignedStore(x, p, llvm::Align(size));
    return;
  }
  unsigned bits = Log2_64(offset.lanes), run = 0;
  while (run < bits && offset.coef[run] == (1 << run)) ++run;
  unsigned len = 1u << run;
  for (unsigned lane = 0; lane < offset.lanes; lane += len) {
    int64_t at = 0;
    for (unsigned i = 0; i < bits; ++i)
      if (lane >> i & 1) at += offset.coef[i];
    llvm::Value *part = x;
    if (len == 1) part = b.CreateExtractElement(x, (uint64_t)lane);
    else if (len < offset.lanes) {
      llvm::SmallVector<int, 64> mask(len);
      for (unsigned i = 0; i < len; ++i) mask[i] = lane + i;
      part = b.CreateShuffleVector(x, mask);
    }
    b.CreateAlignedStore(part, b.CreateConstGEP1_64(elem, p, at), llvm::Align(size));
  }
}

Val Lowering::loadBuffer(int buffer, Type elem, Span<int64_t> shape, const Index *idx) {
  Val off = linear(idx, shape);
  Val r;
  r.lanes = off.lanes;
  r.v = loadLanes(bufferBase(buffer), memType(elem), off);
  if (elem->isInt() && elem->width < 8) r.v = b.CreateTrunc(r.v, vecType(laneType(elem), r.lanes));
  return r;
}

void Lowering::storeBuffer(int buffer, Type elem, Span<int64_t> shape, const Index *idx, const Val &x) {
  Val off = linear(idx, shape);
  llvm::Value *v = vec(x, off.lanes);
  if (elem->isInt() && elem->width < 8) v = b.CreateZExt(v, vecType(memType(elem), off.lanes));
  storeLanes(bufferBase(buffer), memType(elem), off, v);
}

/// The dimension along which neighbouring elements have neighbouring addresses goes first. A guess only decides
/// speed: what the addresses are is settled in loadFrom and storeTo.
llvm::SmallVector<unsigned, 4> Lowering::bestOrder(Value *pointer) {
  llvm::SmallVector<unsigned, 4> order;
  unsigned rank = pointer->type->rank();
  for (unsigned k = rank; k-- > 0;) order.push_back(k);
  if (rank < 2) return order;
  // For each dimension: does the pointer advance by one element along it? -1 unknown, else the stride.
  struct Walk {
    static int64_t stride(Value *v, unsigned dim, int depth) {
      constexpr int64_t unknown = INT64_MIN;
      if (!v->type->isTensor()) return 0;
      if (v->type->shape[dim] == 1) return 0;
      if (depth > 40) return unknown;
      if (v->isArg()) {
        Op *loop = v->block->parentOp();
        if (loop && loop->is(Opcode::scf_for) && v->index) return stride(loop->operand(3 + v->index - 1), dim, depth + 1);
        return unknown;
      }
      Op *op = v->def;
      auto at = [&](unsigned i, unsigned d) { return stride(op->operand(i), d, depth + 1); };
      switch (op->code) {
      case Opcode::tt_make_range: return 1;
      case Opcode::tt_splat: return 0;
      case Opcode::arith_constant: return op->attr("value")->bval ? 0 : unknown;
      case Opcode::tt_broadcast: return at(0, dim);
      case Opcode::tt_expand_dims: {
        unsigned axis = (unsigned)op->intAttr("axis");
        return dim == axis ? 0 : at(0, dim > axis ? dim - 1 : dim);
      }
      case Opcode::tt_trans: return at(0, (unsigned)op->attr("order")->ints[dim]);
      case Opcode::arith_extsi:
      case Opcode::arith_extui:
      case Opcode::arith_trunci:
      case Opcode::arith_remsi:
      case Opcode::arith_select:
      case Opcode::tt_bitcast: return at(op->is(Opcode::arith_select) ? 1 : 0, dim);
      case Opcode::arith_addi:
      case Opcode::tt_addptr:
      case Opcode::arith_subi: {
        int64_t x = at(0, dim), y = at(1, dim);
        if (x == unknown || y == unknown) return unknown;
        return op->is(Opcode::arith_subi) ? x - y : x + y;
      }
      case Opcode::arith_muli: {
        int64_t x = at(0, dim), y = at(1, dim);
        if (x == 0 && y == 0) return 0;
        for (unsigned i = 0; i < 2; ++i) {
          Value *c = op->operand(i);
          if (c->def && c->def->is(Opcode::arith_constant)) {
            Attr a = c->def->attr("value");
            int64_t other = i ? x : y;
            if (a->kind == AttrKind::Dense && a->bval && other != unknown) return other * (int64_t)a->bits[0];
          }
        }
        return unknown;
      }
      default: return unknown;
      }
    }
  };
  for (unsigned i = 0; i < rank; ++i)
    if (Walk::stride(pointer, order[i], 0) == 1) {
      unsigned k = order[i];
      if (pointer->type->shape[k] < 4) continue;
      order.erase(order.begin() + i);
      order.insert(order.begin(), k);
      break;
    }
  return order;
}

void Lowering::materialize(Value *v, int buffer) {
  Type t = v->type;
  llvm::SmallVector<unsigned, 4> order;
  if (v->def && v->def->is(Opcode::tt_load)) order = bestOrder(v->def->operand(0));
  nest({t->shape.begin(), t->shape.size()}, naturalBits(t->elem), order, [&](const Index *idx) {
    storeBuffer(buffer, t->elem, t->shape, idx, eval(v, idx));
  });
}

void Lowering::materializeOp(Op *op) {
  Value *r0 = op->result(0);
  Type t = r0->type;
  llvm::SmallVector<unsigned, 4> order;
  if (op->is(Opcode::tt_load)) order = bestOrder(op->operand(0));
  nest({t->shape.begin(), t->shape.size()}, naturalBits(t->elem), order, [&](const Index *idx) {
    llvm::SmallVector<Val, 2> vals;
    for (unsigned i = 0; i < op->numResults(); ++i) vals.push_back(evalOp(op, i, idx));
    for (unsigned i = 0; i < op->numResults(); ++i)
      if (plan.buffer[op->result(i)->id] >= 0)
        storeBuffer(plan.buffer[op->result(i)->id], op->result(i)->type->elem, op->result(i)->type->shape, idx, vals[i]);
  });
}

/// A tile that is stored for later and reduced next needs no nest of its own: the plan says which.
bool Lowering::fuseWithReduce(Op *op) {
  if (!plan.fused[op->id]) return false;
  fusing[op->result()->id] = true;
  return true;
}

int Lowering::scratchBuffer(uint64_t bytes) {
  BufferPlan p;
  p.count = (int64_t)bytes;
  p.bytes = bytes;
  p.offset = scratch_top;
  scratch_top += (bytes + 127) & ~uint64_t(63);
  plan.arena_bytes = std::max(plan.arena_bytes, (scratch_top + 4095) & ~uint64_t(4095));
  plan.buffers.push_back(p);
  return (int)plan.buffers.size() - 1;
}

} // namespace tcodegen
