// SPDX-License-Identifier: MIT
// Reductions and scans with any combiner.
//
// A reduction keeps up to four independent accumulators, so that the latency of the combiner is hidden. When its
// axis is the innermost dimension the lanes of an accumulator lie along the axis and are folded at the end; else
// they lie along the other dimensions and each lane is a result of its own.
#include "lower.hh"
#include <llvm/Support/MathExtras.h>

namespace tcodegen {
using namespace tir;
using llvm::Log2_64;

using Vals = llvm::SmallVector<Val, 4>;

Vals Lowering::combine(Op *op, llvm::ArrayRef<Val> args) {
  Block *block = op->region(0)->front();
  std::unordered_map<Value *, Val> env;
  for (unsigned i = 0; i < block->numArgs(); ++i) env[block->arg(i)] = args[i];
  auto get = [&](Value *v) -> Val {
    auto it = env.find(v);
    return it != env.end() ? it->second : scalarVal(scalarOf(v));
  };
  Vals results;
  if (block->next) {
    unsupported(op, "a combiner with branches");
    return Vals(args.begin(), args.begin() + args.size() / 2);
  }
  for (Op *o = block->first; o && !failed(); o = o->next) {
    if (o->is(Opcode::tt_reduce_return) || o->is(Opcode::tt_scan_return)) {
      for (unsigned i = 0; i < o->numOperands(); ++i) results.push_back(get(o->operand(i)));
      return results;
    }
    if (o->is(Opcode::arith_constant)) {
      env[o->result()] = scalarVal(scalarConstant(o));
      continue;
    }
    if (!(o->info().traits & TraitElementwise) || o->nregs || !o->numResults()) {
      unsupported(o, "in a combiner");
      break;
    }
    Vals in;
    llvm::SmallVector<Type, 4> elems;
    for (unsigned i = 0; i < o->numOperands(); ++i) {
      in.push_back(get(o->operand(i)));
      elems.push_back(o->operand(i)->type);
    }
    for (unsigned r = 0; r < o->numResults(); ++r) env[o->result(r)] = elementwise(o, in, r, o->result(r)->type, elems);
  }
  return Vals(args.begin(), args.begin() + args.size() / 2);
}

namespace {
/// The index of the element at `o` (over all other dimensions) and `c` along `axis`.
Index along(const Index *o, unsigned axis, const Coord &c, unsigned axis_bits) {
  Index r;
  r.bits = o->bits + axis_bits;
  for (unsigned k = 0; k <= o->dims.size(); ++k) {
    if (k == axis) r.dims.push_back(c);
    if (k < o->dims.size()) r.dims.push_back(o->dims[k]);
  }
  return r;
}

/// The value that a combiner of one operation leaves its other argument as it is with; null if none is known.
llvm::Constant *identityOf(Op *op, llvm::Type *lane) {
  Block *block = op->region(0)->front();
  Op *o = block->first;
  if (block->next || op->numOperands() != 1 || !o || !o->next || o->next != block->last || o->numOperands() != 2) return nullptr;
  bool plain = (o->operand(0) == block->arg(0) && o->operand(1) == block->arg(1)) ||
               (o->operand(0) == block->arg(1) && o->operand(1) == block->arg(0));
  if (!plain || block->last->operand(0) != o->result()) return nullptr;
  auto integer = [&](const llvm::APInt &v) -> llvm::Constant * { return llvm::ConstantInt::get(lane, v); };
  unsigned w = lane->isIntegerTy() ? lane->getIntegerBitWidth() : 0;
  bool fp = lane->isFloatTy() || lane->isDoubleTy();
  switch (o->code) {
  case Opcode::arith_addi:
  case Opcode::arith_ori:
  case Opcode::arith_xori:
  case Opcode::arith_maxui: return integer(llvm::APInt::getZero(w));
  case Opcode::arith_andi:
  case Opcode::arith_minui: return integer(llvm::APInt::getAllOnes(w));
  case Opcode::arith_maxsi: return integer(llvm::APInt::getSignedMinValue(w));
  case Opcode::arith_minsi: return integer(llvm::APInt::getSignedMaxValue(w));
  case Opcode::arith_addf: return fp ? llvm::ConstantFP::getNegativeZero(lane) : nullptr;
  case Opcode::arith_maximumf: return fp ? llvm::ConstantFP::getInfinity(lane, true) : nullptr;
  case Opcode::arith_minimumf: return fp ? llvm::ConstantFP::getInfinity(lane) : nullptr;
  case Opcode::arith_maxnumf:
  case Opcode::arith_minnumf: return fp ? llvm::ConstantFP::getQNaN(lane) : nullptr;
  default: return nullptr;
  }
}

/// Is the region one sum or product of both arguments?
bool isSumOrProduct(Op *op) {
  Block *block = op->region(0)->front();
  Op *o = block->first;
  if (block->next || op->numOperands() != 1 || !o || o->next != block->last || block->last->operand(0) != o->result()) return false;
  if (!o->is(Opcode::arith_addf) && !o->is(Opcode::arith_mulf)) return false;
  return (o->operand(0) == block->arg(0) && o->operand(1) == block->arg(1)) ||
         (o->operand(0) == block->arg(1) && o->operand(1) == block->arg(0));
}
} // namespace

void Lowering::lowerReduce(Op *op) {
  Type t = op->operand(0)->type;
  unsigned n_ops = op->numOperands(), axis = (unsigned)op->intAttr("axis"), rank = t->rank();
  int64_t n = t->shape[axis];
  llvm::SmallVector<int64_t, 8> out;
  int64_t outputs = 1;
  for (unsigned k = 0; k < rank; ++k)
    if (k != axis) out.push_back(t->shape[k]), outputs *= t->shape[k];
  unsigned natural = naturalBits(t->elem);
  bool fold = outputs == 1 || (axis == rank - 1 && n >= 8);
  unsigned axis_bits = fold ? std::min<unsigned>(natural, Log2_64(n)) : 0;
  unsigned out_bits = fold ? 0 : natural;
  int64_t step = int64_t(1) << axis_bits, chunks = n / step;
  int64_t ways = std::min<int64_t>(n_ops > 2 ? std::min(2u, max_ways) : max_ways, chunks);

  nest(out, out_bits, {}, [&](const Index *o) {
    unsigned lanes = 1u << (o->bits + axis_bits);
    auto chunk = [&](llvm::Value *base, unsigned depth) {
      Coord c;
      c.base = base;
      c.depth = depth;
      for (unsigned i = 0; i < axis_bits; ++i) c.lane[i] = 1u << i;
      const Index *idx = intern(along(o, axis, c, axis_bits));
      Vals v;
      for (unsigned i = 0; i < n_ops; ++i) {
        Val x = eval(op->operand(i), idx);
        Val y;
        y.v = vec(x, lanes);
        y.lanes = lanes;
        v.push_back(y);
      }
      return v;
    };
    llvm::SmallVector<Vals, 4> acc;
    // With a neutral start the loop's body is the only copy of the code; else the first chunks start it.
    llvm::Constant *neutral = chunks > ways ? identityOf(op, laneType(t->elem)) : nullptr;
    for (int64_t w = 0; w < ways; ++w) {
      if (!neutral) {
        acc.push_back(chunk(i32c(w * step), 0));
        continue;
      }
      Val start;
      start.lanes = lanes;
      start.v = lanes == 1 ? (llvm::Value *)neutral : llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(lanes), neutral);
      acc.push_back({start});
    }
    if (chunks > ways) {
      Loop l = beginLoop(i32c(neutral ? 0 : ways * step), i32c(n), i32c(ways * step), true);
      scopes.back().ip = l.pre;
      llvm::SmallVector<llvm::SmallVector<llvm::PHINode *, 4>, 4> phis(ways);
      for (int64_t w = 0; w < ways; ++w)
        for (unsigned i = 0; i < n_ops; ++i) {
          phis[w].push_back(loopPhi(l, acc[w][i].v));
          acc[w][i].v = phis[w][i];
        }
      openScope();
      for (int64_t w = 0; w < ways; ++w) {
        llvm::Value *base = w ? b.CreateOr(l.iv, i32c(w * step)) : l.iv;
        Vals args = acc[w], x = chunk(base, current);
        args.append(x.begin(), x.end());
        Vals next = combine(op, args);
        for (unsigned i = 0; i < n_ops; ++i) {
          acc[w][i].v = vec(next[i], lanes);
          phis[w][i]->addIncoming(acc[w][i].v, l.latch);
        }
      }
      endNestLoop(l);
    }
    for (int64_t w = ways; w > 1; w /= 2)
      for (int64_t k = 0; k < w / 2; ++k) {
        Vals args = acc[k];
        args.append(acc[k + w / 2].begin(), acc[k + w / 2].end());
        acc[k] = combine(op, args);
        for (Val &v : acc[k]) v.v = vec(v, lanes), v.lanes = lanes;
      }
    Vals r = acc[0];
    for (unsigned w = axis_bits ? lanes : 1; w > 1; w /= 2) {
      llvm::SmallVector<int, 64> lo(w / 2), hi(w / 2);
      for (unsigned i = 0; i < w / 2; ++i) lo[i] = i, hi[i] = i + w / 2;
      Vals args;
      for (auto *mask : {&lo, &hi})
        for (unsigned i = 0; i < n_ops; ++i) {
          Val x;
          x.lanes = w / 2;
          x.v = w == 2 ? b.CreateExtractElement(r[i].v, (uint64_t)(*mask)[0]) : b.CreateShuffleVector(r[i].v, *mask);
          args.push_back(x);
        }
      r = combine(op, args);
      for (Val &v : r) v.v = vec(v, w / 2), v.lanes = w / 2;
    }
    for (unsigned i = 0; i < n_ops; ++i) {
      Value *res = op->result(i);
      if (!res->type->isTensor()) setScalar(res, vec(r[i], 1));
      else if (plan.buffer[res->id] >= 0) storeBuffer(plan.buffer[res->id], res->type->elem, res->type->shape, o, r[i]);
    }
  });
  fusing.assign(fusing.size(), false);
}

void Lowering::lowerScan(Op *op) {
  Type t = op->operand(0)->type;
  unsigned n_ops = op->numOperands(), axis = (unsigned)op->intAttr("axis"), rank = t->rank();
  bool reverse = op->intAttr("reverse");
  int64_t n = t->shape[axis];
  llvm::SmallVector<int64_t, 8> out;
  for (unsigned k = 0; k < rank; ++k)
    if (k != axis) out.push_back(t->shape[k]);
  // Sums and products of narrow floats go on in f32: rounded at each of n steps they would be off by n roundings.
  bool in_f32 = t->elem->isFloat() && t->elem->width < 32 && isSumOrProduct(op);
  bool sum = in_f32 && op->region(0)->front()->first->is(Opcode::arith_addf);
  nest(out, naturalBits(t->elem), {}, [&](const Index *o) {
    unsigned lanes = o->lanes();
    auto at = [&](llvm::Value *base, unsigned depth) {
      Coord c;
      c.base = base;
      c.depth = depth;
      return intern(along(o, axis, c, 0));
    };
    auto read = [&](const Index *idx) {
      Vals v;
      for (unsigned i = 0; i < n_ops; ++i) {
        Val x;
        x.v = vec(eval(op->operand(i), idx), lanes);
        if (in_f32) x.v = widen(t->elem, x.v);
        x.lanes = lanes;
        v.push_back(x);
      }
      return v;
    };
    auto write = [&](const Index *idx, Vals v) {
      if (in_f32) v[0].v = narrow(t->elem, v[0].v);
      for (unsigned i = 0; i < n_ops; ++i) {
        Value *r = op->result(i);
        if (plan.buffer[r->id] >= 0) storeBuffer(plan.buffer[r->id], r->type->elem, r->type->shape, idx, v[i]);
      }
    };
    const Index *first = at(i32c(reverse ? n - 1 : 0), 0);
    Vals acc = read(first);
    write(first, acc);
    if (n == 1) return;
    Loop l = beginLoop(i32c(1), i32c(n), i32c(1), true);
    scopes.back().ip = l.pre;
    llvm::SmallVector<llvm::PHINode *, 4> phis;
    for (Val &v : acc) {
      phis.push_back(loopPhi(l, v.v));
      v.v = phis.back();
    }
    openScope();
    const Index *idx = at(reverse ? b.CreateSub(i32c(n - 1), l.iv) : l.iv, current);
    Vals args = acc, x = read(idx);
    args.append(x.begin(), x.end());
    Vals next;
    if (in_f32) next.push_back(scalarVal(sum ? b.CreateFAdd(args[0].v, args[1].v) : b.CreateFMul(args[0].v, args[1].v)));
    else next = combine(op, args);
    for (unsigned i = 0; i < n_ops; ++i) {
      if (!in_f32) next[i].v = vec(next[i], lanes);
      next[i].lanes = lanes;
      phis[i]->addIncoming(next[i].v, l.latch);
    }
    write(idx, next);
    endNestLoop(l);
  });
}

} // namespace tcodegen
