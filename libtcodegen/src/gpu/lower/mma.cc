// SPDX-License-Identifier: MIT
// tt.dot by mma.sync or by FMA, and the moves between shared memory and matrix fragments.
#include "matrix.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace llvm;
using tessera::Code;
using tir::Dim;
using tir::FloatKind;
using tir::LinearLayout;
using tir::Opcode;

const char *matrixTypeName(tir::Type e) {
  if (e->isInt(8)) return "s8";
  if (!e->isFloat()) return nullptr;
  switch (e->fkind) {
  case FloatKind::F16: return "f16";
  case FloatKind::BF16: return "bf16";
  case FloatKind::F32: return "tf32";
  case FloatKind::F64: return "f64";
  case FloatKind::F8E4M3FN: return "e4m3";
  case FloatKind::F8E5M2: return "e5m2";
  default: return nullptr;
  }
}

// ---- words ------------------------------------------------------------------------------------------------------

namespace {

Value *throughBitcasts(Value *v) {
  while (auto *c = dyn_cast<BitCastInst>(v)) v = c->getOperand(0);
  return v;
}

} // namespace

Value *wordOf(ArrayRef<Value *> elements) {
  Value *vector = nullptr;
  for (unsigned i = 0; i < elements.size(); ++i) {
    auto *x = dyn_cast<ExtractElementInst>(throughBitcasts(elements[i]));
    auto *index = x ? dyn_cast<ConstantInt>(x->getIndexOperand()) : nullptr;
    if (!index || index->getZExtValue() != i || (vector && x->getVectorOperand() != vector)) return nullptr;
    vector = x->getVectorOperand();
  }
  if (!vector || cast<FixedVectorType>(vector->getType())->getNumElements() != elements.size()) return nullptr;
  Value *word = throughBitcasts(vector);
  return word->getType()->isIntegerTy(32) ? word : nullptr;
}

Value *packWord(Lower &l, const Regs &regs, uint64_t at, const tir::Columns &masks, unsigned bits) {
  if (masks.empty()) {
    Value *v = regs[at];
    return bits == 32 ? l.toBits(v, 32) : v; // f64 as it is
  }
  SmallVector<Value *, 4> elements;
  for (uint64_t i = 0; i < uint64_t(1) << masks.size(); ++i) elements.push_back(regs[at ^ tir::gf2::apply(masks, i)]);
  if (Value *word = wordOf(elements)) return word;
  Type *vector = FixedVectorType::get(l.bitsType(bits), elements.size());
  Value *v = PoisonValue::get(vector);
  for (unsigned i = 0; i < elements.size(); ++i) v = l.b.CreateInsertElement(v, l.toBits(elements[i], bits), i);
  return l.b.CreateBitCast(v, l.b.getInt32Ty());
}

Value *wordElement(Lower &l, Value *word, unsigned i, unsigned bits) {
  if (bits == 32) return word;
  Value *vector = nullptr; // one bitcast per word
  for (User *u : word->users())
    if (auto *c = dyn_cast<BitCastInst>(u))
      if (auto *t = dyn_cast<FixedVectorType>(c->getType()); t && t->getElementType()->isIntegerTy(bits)) vector = c;
  if (!vector) vector = l.b.CreateBitCast(word, FixedVectorType::get(l.bitsType(bits), 32 / bits));
  return l.b.CreateExtractElement(vector, i);
}

// ---- ldmatrix, stmatrix -----------------------------------------------------------------------------------------

namespace {

struct MatrixMove {
  MatrixMovePlan plan;
  tir::Columns regOffsets; // per register bit
  Value *thread = nullptr;
  uint64_t threadMask = 0;
};

bool prepare(Lower &l, uint64_t shift, const LinearLayout &s, const LinearLayout &t, unsigned bits, bool store,
             MatrixMove *move) {
  if (l.options.capability < (store ? 90u : 75u)) return false;
  if (bits > 32 || shift & (128 / bits - 1)) return false;
  LinearLayout offsets = t.invertAndCompose(s);
  if (!planMatrixMove(offsets, bits, store, &move->plan)) return false;
  move->regOffsets = offsets.columnsOf(Dim::Register);
  for (const tir::Columns *c : {&move->plan.laneColumns, &move->plan.warpColumns})
    for (uint64_t v : *c) move->threadMask |= v;
  move->thread = l.threadPart(move->plan.laneColumns, move->plan.warpColumns);
  return true;
}

/// Register number with the bits of `i` at the positions `at`.
uint64_t deposit(uint64_t i, ArrayRef<unsigned> at) {
  uint64_t r = 0;
  for (unsigned b : at) r |= (i & 1) << b, i >>= 1;
  return r;
}
SmallVector<unsigned, 4> bitsOfMask(uint64_t mask) {
  SmallVector<unsigned, 4> out;
  for (; mask; mask &= mask - 1) out.push_back(std::countr_zero(mask));
  return out;
}

} // namespace

bool loadTileLdmatrix(Lower &l, Value *base, uint64_t shift, const LinearLayout &s, const LinearLayout &t,
                      unsigned bits, Regs *out) {
  MatrixMove move;
  if (!prepare(l, shift, s, t, bits, false, &move)) return false;
  const MatrixMovePlan &p = move.plan;
  unsigned count = 1u << p.matrices.size();
  std::string name = "tessera.ldmatrix.x" + std::to_string(count) + (p.trans ? ".trans" : "");
  Type *word = l.b.getInt32Ty();
  Type *result = count == 1 ? word : StructType::get(l.cx, SmallVector<Type *, 4>(count, word));
  SmallVector<unsigned, 4> pack = bitsOfMask(p.pack);
  out->assign(size_t(1) << move.regOffsets.size(), nullptr);
  for (uint64_t i = 0; i < uint64_t(1) << p.rest.size(); ++i) {
    uint64_t rest = deposit(i, p.rest);
    Value *element = l.combineParts(move.thread, move.threadMask, tir::gf2::apply(move.regOffsets, rest) ^ shift);
    Value *words = l.prim(name, result, {l.sharedAt(base, element, bits)}, true);
    for (unsigned j = 0; j < count; ++j) {
      Value *w = count == 1 ? words : l.b.CreateExtractValue(words, j);
      for (unsigned e = 0; e < 1u << pack.size(); ++e)
        (*out)[rest | deposit(j, p.matrices) | deposit(e, pack)] = wordElement(l, w, e, bits);
    }
  }
  for (size_t r = 0; r < out->size(); ++r)
    if (!(*out)[r]) (*out)[r] = (*out)[r & ~p.free];
  return true;
}

bool storeTileStmatrix(Lower &l, Value *base, uint64_t shift, const LinearLayout &s, const LinearLayout &t,
                       const Regs &regs, unsigned bits) {
  MatrixMove move;
  if (!prepare(l, shift, s, t, bits, true, &move)) return false;
  const MatrixMovePlan &p = move.plan;
  unsigned count = 1u << p.matrices.size();
  std::string name = "tessera.stmatrix.x" + std::to_string(count) + (p.trans ? ".trans" : "");
  tir::Columns pack;
  for (unsigned b : bitsOfMask(p.pack)) pack.push_back(uint64_t(1) << b);
  for (uint64_t i = 0; i < uint64_t(1) << p.rest.size(); ++i) {
    uint64_t rest = deposit(i, p.rest);
    Value *element = l.combineParts(move.thread, move.threadMask, tir::gf2::apply(move.regOffsets, rest) ^ shift);
    SmallVector<Value *, 5> args = {l.sharedAt(base, element, bits)};
    for (unsigned j = 0; j < count; ++j) args.push_back(packWord(l, regs, rest | deposit(j, p.matrices), pack, bits));
    l.prim(name, l.b.getVoidTy(), args, true);
  }
  return true;
}

// ---- tt.dot -----------------------------------------------------------------------------------------------------

namespace {

struct Candidate {
  MmaInstr instr;
  std::string name; // after "tessera.mma."
  unsigned a, b, c; // registers
};

/// Instructions for these operand types, the deepest first.
SmallVector<Candidate, 2> candidates(tir::Type a, tir::Type b, tir::Type acc, int64_t precision, unsigned capability) {
  SmallVector<Candidate, 2> out;
  const char *an = matrixTypeName(a), *bn = matrixTypeName(b);
  if (!an || !bn) return out;
  std::string types = std::string(an) + "." + bn;
  auto add = [&](unsigned pack, bool kHalf, const char *d) {
    MmaInstr i{pack, true, kHalf};
    std::string k = std::to_string(1u << i.kBits());
    out.push_back({i, "m16n8k" + k + "." + d + "." + types + "." + d, 2u << kHalf, 1u << kHalf, 4});
  };
  bool floatAcc = acc->isFloat(FloatKind::F32) || acc->isFloat(FloatKind::F16);
  bool bytes = a->isFloat() && floatWidth(a->fkind) == 8 && b->isFloat() && floatWidth(b->fkind) == 8;
  if (bytes && floatAcc && capability >= 89) add(2, true, "f32");
  if (a != b) return out;
  if (a->isFloat(FloatKind::F16) && floatAcc) {
    if (capability >= 80) add(1, true, "f32");
    add(1, false, "f32");
  } else if (capability < 80) {
    return out;
  } else if (a->isFloat(FloatKind::BF16) && floatAcc) {
    add(1, true, "f32");
    add(1, false, "f32");
  } else if (a->isFloat(FloatKind::F32) && acc->isFloat(FloatKind::F32) && precision == 0) {
    add(0, true, "f32");
    add(0, false, "f32");
  } else if (a->isInt(8) && acc->isInt(32)) {
    add(2, true, "s32");
    add(2, false, "s32");
  } else if (a->isFloat(FloatKind::F64) && acc->isFloat(FloatKind::F64)) {
    out.push_back({{0, false, false}, "m8n8k4.f64.f64.f64.f64", 1, 1, 2});
  }
  return out;
}

/// Operand registers of all tiles: index ((batch * tiles + tile) * steps + step) * count + register.
Regs operandWords(Lower &l, const Regs &regs, const Candidate &c, unsigned bits, const tir::Columns &pack,
                  uint64_t row, uint64_t half, const tir::Columns &k, const tir::Columns &tiles,
                  const tir::Columns &batch, bool isA) {
  using tir::gf2::apply;
  Regs out;
  bool rows = isA && c.instr.rowPair;
  for (uint64_t b = 0; b < 1u << batch.size(); ++b)
    for (uint64_t t = 0; t < 1u << tiles.size(); ++t)
      for (uint64_t s = 0; s < 1u << k.size(); ++s)
        for (unsigned h = 0; h < (c.instr.kHalf ? 2u : 1u); ++h)
          for (unsigned r = 0; r < (rows ? 2u : 1u); ++r) {
            uint64_t at = apply(batch, b) ^ apply(tiles, t) ^ apply(k, s) ^ (h ? half : 0) ^ (r ? row : 0);
            out.push_back(packWord(l, regs, at, pack, bits));
          }
  return out;
}

void emitMma(Lower &l, tir::Op *op, const Candidate &c, const MmaPlan &p) {
  tir::Type accType = op->result()->type->elem;
  bool widen = accType->isFloat(FloatKind::F16);
  unsigned bits = l.elementBits(op->operand(0)->type->elem);
  Regs a = operandWords(l, l.regs(op->operand(0)), c, bits, p.aPack, p.aRow, p.aHalf, p.aK, p.aM, p.aBatch, true);
  Regs b = operandWords(l, l.regs(op->operand(1)), c, bits, p.bPack, 0, p.bHalf, p.bK, p.bN, p.bBatch, false);
  const Regs &in = l.regs(op->operand(2));
  unsigned tiles = 1u << (p.tilesM + p.tilesN + p.tilesBatch), steps = 1u << p.steps;
  Regs acc(size_t(tiles) * c.c, nullptr);
  auto slot = [&](uint32_t r) { return (r >> 2) * c.c + (r & (c.c - 1)); };
  for (size_t r = 0; r < p.result.size(); ++r)
    acc[slot(p.result[r])] = widen ? l.b.CreateFPExt(in[r], l.b.getFloatTy()) : in[r];
  Type *type = acc[0]->getType();
  for (Value *&v : acc)
    if (!v) v = Constant::getNullValue(type); // rows or columns that the tile does not have
  Type *result = StructType::get(l.cx, SmallVector<Type *, 4>(c.c, type));
  for (unsigned s = 0; s < steps; ++s)
    for (unsigned t = 0; t < tiles; ++t) {
      unsigned tm = t & ((1u << p.tilesM) - 1), tn = t >> p.tilesM & ((1u << p.tilesN) - 1);
      unsigned tb = t >> (p.tilesM + p.tilesN);
      size_t ai = (((size_t(tb) << p.tilesM) + tm) * steps + s) * c.a, bi = (((size_t(tb) << p.tilesN) + tn) * steps + s) * c.b;
      SmallVector<Value *, 12> args(a.begin() + ai, a.begin() + ai + c.a);
      args.append(b.begin() + bi, b.begin() + bi + c.b);
      args.append(acc.begin() + size_t(t) * c.c, acc.begin() + size_t(t + 1) * c.c);
      Value *d = l.prim("tessera.mma." + c.name, result, args, true);
      for (unsigned i = 0; i < c.c; ++i) acc[size_t(t) * c.c + i] = l.b.CreateExtractValue(d, i);
    }
  Regs out;
  for (uint32_t r : p.result) out.push_back(widen ? l.b.CreateFPTrunc(acc[slot(r)], l.b.getHalfTy()) : acc[slot(r)]);
  l.set(op->result(), std::move(out));
}

/// An operand element in the type that the sum is made in; null if that is not known.
Value *widened(Lower &l, Value *v, tir::Type from, Type *to) {
  if (to->isIntegerTy()) return from->isFloat() ? nullptr : l.b.CreateSExtOrTrunc(v, to);
  if (!from->isFloat()) return nullptr;
  if (from->isFloat(FloatKind::BF16)) {
    Value *f = l.b.CreateBitCast(l.b.CreateShl(l.b.CreateZExt(l.toBits(v, 16), l.b.getInt32Ty()), 16), l.b.getFloatTy());
    return l.b.CreateFPExt(f, to);
  }
  return v->getType()->isFloatingPointTy() ? l.b.CreateFPExt(v, to) : nullptr;
}

bool emitFma(Lower &l, tir::Op *op, const FmaPlan &p) {
  tir::Type accType = op->result()->type->elem;
  bool widen = accType->isFloat(FloatKind::F16);
  Type *type = widen ? l.b.getFloatTy() : l.regType(accType);
  if (!type->isFloatTy() && !type->isDoubleTy() && !accType->isInt(32) && !accType->isInt(64)) return false;
  Regs x[2];
  for (unsigned o : {0, 1})
    for (Value *v : l.regs(op->operand(o))) {
      Value *w = widened(l, v, op->operand(o)->type->elem, type);
      if (!w) return false;
      x[o].push_back(w);
    }
  Regs acc = l.regs(op->operand(2));
  if (widen)
    for (Value *&v : acc) v = l.b.CreateFPExt(v, type);
  for (unsigned k = 0; k < p.k; ++k)
    for (size_t r = 0; r < acc.size(); ++r) {
      Value *a = x[0][p.a[r * p.k + k]], *b = x[1][p.b[r * p.k + k]];
      acc[r] = type->isIntegerTy() ? l.b.CreateAdd(acc[r], l.b.CreateMul(a, b))
                                   : l.b.CreateIntrinsic(Intrinsic::fma, {type}, {a, b, acc[r]});
    }
  if (widen)
    for (Value *&v : acc) v = l.b.CreateFPTrunc(v, l.b.getHalfTy());
  l.set(op->result(), std::move(acc));
  return true;
}

} // namespace

void lowerDot(Lower &l, tir::Op *op) {
  tir::Type a = op->operand(0)->type, b = op->operand(1)->type, c = op->result()->type;
  const LinearLayout &la = l.layout(a), &lb = l.layout(b), &lc = l.layout(c);
  if (l.failed()) return;
  for (const Candidate &cand : candidates(a->elem, b->elem, c->elem, op->intAttr("inputPrecision", 2), l.options.capability)) {
    MmaPlan plan;
    if (!planMma(la, lb, lc, cand.instr, &plan)) continue;
    return emitMma(l, op, cand, plan);
  }
  FmaPlan plan;
  if (planFma(la, lb, lc, &plan) && emitFma(l, op, plan)) return;
  l.fail(Code::UNSUPPORTED, op, "not implemented: a dot of these types in these layouts (operand layouts that fit neither "
                                "a matrix instruction nor products within each thread)");
}

bool Lower::lowerMatrix(tir::Op *op) {
  switch (op->code) {
  case Opcode::tt_dot: lowerDot(*this, op); return true;
  case Opcode::ttng_warp_group_dot: lowerWarpGroupDot(*this, op); return true;
  case Opcode::ttng_warp_group_dot_wait: lowerWarpGroupDotWait(*this, op); return true;
  default: return false;
  }
}

} // namespace tcodegen::gpu
