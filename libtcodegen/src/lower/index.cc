// SPDX-License-Identifier: MIT
// Which elements a chunk covers, and how operations that move elements change that.
#include "lower.hh"
#include <llvm/Support/MathExtras.h>

namespace tcodegen {
using namespace tir;
using llvm::Log2_64;

llvm::Type *Lowering::laneType(Type t) {
  if (t->isPtr()) return b.getInt64Ty();
  if (t->isDesc()) { // address, sizes, strides, padding: see setDesc
    llvm::SmallVector<llvm::Type *, 12> parts(1 + 2 * t->rank(), b.getInt64Ty());
    parts.push_back(b.getInt1Ty());
    return llvm::StructType::get(cx, parts);
  }
  if (t->isInt()) return b.getIntNTy(t->width);
  if (t->kind == TypeKind::Index) return b.getInt64Ty();
  if (t->isFloat()) switch (t->fkind) {
    case FloatKind::F32:
    case FloatKind::TF32: return b.getFloatTy();
    case FloatKind::F64: return b.getDoubleTy();
    case FloatKind::F16: return b.getHalfTy();
    case FloatKind::BF16: return b.getInt16Ty();
    default: return b.getInt8Ty();
    }
  return b.getInt32Ty();
}

llvm::Type *Lowering::memType(Type t) {
  if (t->isInt() && t->width < 8) return b.getInt8Ty();
  return laneType(t);
}

llvm::Type *Lowering::vecType(llvm::Type *elem, unsigned lanes) {
  return lanes == 1 ? elem : llvm::FixedVectorType::get(elem, lanes);
}

unsigned Lowering::naturalBits(Type elem) {
  // Chunks are sized for 32-bit lanes: wider values take several registers, narrower ones part of one.
  (void)elem;
  return target.vector_bits == 512 ? 4 : 3;
}

const Index *Lowering::intern(Index &&idx) {
  std::vector<uint64_t> key{idx.bits};
  idx.depth = 0;
  for (Coord &c : idx.dims) {
    if (llvm::isa<llvm::Constant>(c.base)) c.depth = 0;
    idx.depth = std::max(idx.depth, c.depth);
    key.push_back((uint64_t)c.base);
    for (unsigned i = 0; i < idx.bits; ++i) key.push_back(c.lane[i]);
  }
  auto [it, fresh] = indices.try_emplace(std::move(key), std::move(idx));
  if (fresh) it->second.id = (unsigned)indices.size();
  return &it->second;
}

Coord Lowering::zeroCoord() {
  Coord c;
  c.base = i32c(0);
  return c;
}

const Index *Lowering::scalarIndex(const Index *idx) {
  if (!idx->bits) return idx;
  Index s;
  for (const Coord &c : idx->dims) {
    Coord n;
    n.base = c.base;
    n.depth = c.depth;
    s.dims.push_back(n);
  }
  return intern(std::move(s));
}

const Index *Lowering::constIndex(llvm::ArrayRef<int64_t> coords) {
  Index s;
  for (int64_t v : coords) {
    Coord c;
    c.base = i32c(v);
    s.dims.push_back(c);
  }
  return intern(std::move(s));
}

Val Lowering::coordVal(const Coord &c, unsigned bits) {
  Val v;
  v.base = c.base;
  v.affine = true;
  bool any = false;
  for (unsigned i = 0; i < bits; ++i) {
    v.coef[i] = c.lane[i];
    any = any || c.lane[i];
  }
  v.lanes = any ? 1u << bits : 1;
  if (!any) v.v = c.base;
  return v;
}

Val Lowering::linear(const Index *idx, Span<int64_t> shape) {
  Val r;
  r.affine = true;
  r.base = i32c(0);
  int64_t stride = 1;
  bool any = false;
  for (unsigned k = idx->dims.size(); k-- > 0;) {
    const Coord &c = idx->dims[k];
    llvm::Value *part = stride == 1 ? c.base : b.CreateShl(c.base, Log2_64(stride));
    r.base = b.CreateAdd(part, r.base);
    for (unsigned i = 0; i < idx->bits; ++i) {
      r.coef[i] += (int64_t)c.lane[i] * stride;
      any = any || c.lane[i];
    }
    stride *= shape[k];
  }
  r.lanes = any ? idx->lanes() : 1;
  if (!any) r.v = r.base;
  return r;
}

/// An index over tiles of shape `from` becomes the index of the same elements in shape `to` (same count).
const Index *Lowering::mapReshape(const Index *idx, Span<int64_t> from, Span<int64_t> to) {
  // Bit position of each dimension in the row-major element number.
  auto positions = [](Span<int64_t> shape) {
    llvm::SmallVector<unsigned, 8> p(shape.size());
    unsigned at = 0;
    for (unsigned k = shape.size(); k-- > 0;) {
      p[k] = at;
      at += Log2_64(shape[k]);
    }
    return p;
  };
  auto fp = positions(from), tp = positions(to);
  Index r;
  r.bits = idx->bits;
  for (unsigned j = 0; j < to.size(); ++j) {
    unsigned lo = tp[j], hi = lo + Log2_64(to[j]);
    Coord c = zeroCoord();
    for (unsigned k = 0; k < from.size(); ++k) {
      unsigned flo = fp[k], fhi = flo + Log2_64(from[k]);
      unsigned a = std::max(lo, flo), z = std::min(hi, fhi);
      if (a >= z) continue;
      const Coord &s = idx->dims[k];
      uint32_t mask = (1u << (z - a)) - 1;
      for (unsigned i = 0; i < idx->bits; ++i) c.lane[i] |= ((s.lane[i] >> (a - flo)) & mask) << (a - lo);
      bool zero = llvm::isa<llvm::ConstantInt>(s.base) && llvm::cast<llvm::ConstantInt>(s.base)->isZero();
      if (zero) continue;
      unsigned depth = std::max(c.depth, s.depth);
      c.base = atDepth(depth, [&] {
        llvm::Value *piece = s.base;
        if (a > flo) piece = b.CreateLShr(piece, a - flo);
        if (z < fhi) piece = b.CreateAnd(piece, mask);
        if (a > lo) piece = b.CreateShl(piece, a - lo);
        bool first = llvm::isa<llvm::ConstantInt>(c.base) && llvm::cast<llvm::ConstantInt>(c.base)->isZero();
        return first ? piece : b.CreateOr(c.base, piece);
      });
      c.depth = depth;
    }
    r.dims.push_back(c);
  }
  return intern(std::move(r));
}

const Index *Lowering::mapIndex(Op *op, const Index *idx) {
  Type src = op->operand(0)->type, dst = op->result()->type;
  Index r;
  r.bits = idx->bits;
  switch (op->code) {
  case Opcode::tt_broadcast:
    for (unsigned k = 0; k < src->rank(); ++k)
      r.dims.push_back(src->shape[k] == 1 ? zeroCoord() : idx->dims[k]);
    return intern(std::move(r));
  case Opcode::tt_expand_dims: {
    unsigned axis = (unsigned)op->intAttr("axis");
    for (unsigned k = 0; k < idx->dims.size(); ++k)
      if (k != axis) r.dims.push_back(idx->dims[k]);
    return intern(std::move(r));
  }
  case Opcode::tt_trans: {
    Attr order = op->attr("order");
    r.dims.resize(src->rank());
    for (unsigned k = 0; k < src->rank(); ++k) r.dims[order->ints[k]] = idx->dims[k];
    return intern(std::move(r));
  }
  case Opcode::tt_reshape: return mapReshape(idx, dst->shape, src->shape);
  default: return idx;
  }
}

} // namespace tcodegen
