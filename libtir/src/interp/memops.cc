// SPDX-License-Identifier: MIT
// tt.load and tt.store, through pointers and through the block pointers of releases 3.6 and 3.7.
#include "lanes.hh"

namespace tir::interp::mean {

using tessera::Code;

namespace {

/// Cells to and from packed memory.
void loadRun(const uint8_t *from, uint64_t *to, uint32_t n, unsigned bytes, uint64_t mask) {
  auto copy = [&](auto unit) {
    for (uint32_t k = 0; k < n; ++k) {
      std::memcpy(&unit, from + size_t(k) * sizeof unit, sizeof unit);
      to[k] = unit & mask;
    }
  };
  bytes == 1   ? copy(uint8_t())
  : bytes == 2 ? copy(uint16_t())
  : bytes == 4 ? copy(uint32_t())
               : copy(uint64_t());
}
void storeRun(uint8_t *to, const uint64_t *from, uint32_t n, unsigned bytes) {
  auto copy = [&](auto unit) {
    for (uint32_t k = 0; k < n; ++k) {
      unit = static_cast<decltype(unit)>(from[k]);
      std::memcpy(to + size_t(k) * sizeof unit, &unit, sizeof unit);
    }
  };
  bytes == 1   ? copy(uint8_t())
  : bytes == 2 ? copy(uint16_t())
  : bytes == 4 ? copy(uint32_t())
               : copy(uint64_t());
}

/// Element addresses of a block pointer ([base, shape…, strides…, offsets…]) and which are inside along the
/// dimensions that the access checks.
void blockAddresses(const Tile &p, Type tile, Attr check, Tile *addresses, Tile *inside) {
  unsigned rank = tile->rank();
  uint64_t bytes = bytesOf(tile->elem);
  uint32_t n = static_cast<uint32_t>(tile->count());
  *addresses = Tile(n);
  *inside = Tile(n);
  for (uint32_t i = 0; i < n; ++i) {
    uint64_t rest = i, offset = 0;
    bool in = true;
    for (unsigned d = rank; d-- > 0;) {
      int64_t at = static_cast<int64_t>(p[1 + 2 * rank + d]) + static_cast<int64_t>(rest % tile->shape[d]);
      rest /= tile->shape[d];
      offset += static_cast<uint64_t>(at) * p[1 + rank + d];
      if (check)
        for (int64_t c : check->ints)
          if (c == d) in &= at >= 0 && at < static_cast<int64_t>(p[1 + d]);
    }
    addresses->cells()[i] = p[0] + offset * bytes;
    inside->cells()[i] = in;
  }
  for (uint32_t k = 0; k < p.size(); ++k)
    if (p.mark(k))
      for (uint32_t i = 0; i < n; ++i) addresses->setMark(i, p.mark(k));
}

bool isBlockPointer(Op &op) {
  Type t = op.operand(0)->type;
  return t->isPtr() && t->elem->isTensor();
}

} // namespace

Step tt_load(Machine &m, Op &op) {
  Type type = op.result(0)->type, elem = type->scalar();
  unsigned bytes = bytesOf(elem);
  uint64_t valueMask = maskOf(widthOf(elem));
  Tile pointers = m.in(op, 0), blockMask;
  const Tile *mask = nullptr, *other = nullptr;
  uint64_t fill = 0;
  bool block = isBlockPointer(op);
  if (block) {
    blockAddresses(m.in(op, 0), type, op.attr("boundaryCheck"), &pointers, &blockMask);
    mask = &blockMask;
    if (op.intAttr("padding") == 2 && elem->isFloat()) fill = num::nan_bits(formatOf(elem));
  } else {
    if (Value *v = op.slot(1)) mask = &m.get(v);
    if (Value *v = op.slot(2)) other = &m.get(v);
  }
  uint32_t n = pointers.size();
  bool plain = !pointers.marks() && !(mask && mask->marks()); // runs of lanes need no checks of their own
  uint32_t slow = 0;                                          // lanes below go one by one
  Tile r(n);
  for (uint32_t i = 0; i < n; ++i) {
    if (mask) {
      if (m.checkUsed(op, *mask, i, "a mask")) return Step::Stop;
      if (!((*mask)[i] & 1)) {
        if (other) {
          r.cells()[i] = (*other)[i];
          r.setMark(i, other->mark(i));
        } else {
          r.cells()[i] = fill;
          if (!block || !op.attr("padding")) {
            r.setMark(i, MarkUndef);
            m.made(op, MarkUndef);
          }
        }
        continue;
      }
    }
    if (plain && i >= slow) {
      uint32_t run = Machine::runLength(pointers, mask, i, bytes);
      uint8_t *shadow = nullptr;
      if (uint8_t *p = m.runMemory(pointers[i], uint64_t(run) * bytes, bytes, false, &shadow)) {
        loadRun(p, r.cells() + i, run, bytes, valueMask);
        i += run - 1;
        continue;
      }
      slow = i + run;
    }
    if (m.checkUsed(op, pointers, i, "an address")) return Step::Stop;
    Machine::Access a;
    if (!m.access(op, pointers[i], bytes, false, false, type, i, &a)) return Step::Stop;
    uint8_t mark = 0;
    if (a.host) {
      if (m.checkUnwritten(op, a, bytes)) return Step::Stop;
      r.cells()[i] = m.loadCell(a, bytes, &mark) & valueMask;
    } else {
      r.cells()[i] = 0;
      mark = MarkUndef;
    }
    if (mark) {
      r.setMark(i, mark);
      m.made(op, mark);
    }
  }
  bool isVolatile = op.nattrs && op.intAttr("isVolatile");
  m.set(op.result(0), std::move(r));
  return isVolatile ? Step::Yield : Step::Next;
}

Step tt_store(Machine &m, Op &op) {
  Type type = op.operand(1)->type, elem = type->scalar();
  unsigned bytes = bytesOf(elem);
  Tile pointers = m.in(op, 0), blockMask;
  const Tile &value = m.in(op, 1);
  const Tile *mask = nullptr;
  if (isBlockPointer(op)) {
    blockAddresses(m.in(op, 0), type, op.attr("boundaryCheck"), &pointers, &blockMask);
    mask = &blockMask;
  } else if (Value *v = op.slot(2)) {
    mask = &m.get(v);
  }
  bool plain = !pointers.marks() && !value.marks() && !(mask && mask->marks());
  uint32_t slow = 0;
  for (uint32_t i = 0, n = pointers.size(); i < n; ++i) {
    if (mask) {
      if (m.checkUsed(op, *mask, i, "a mask")) return Step::Stop;
      if (!((*mask)[i] & 1)) continue;
    }
    if (plain && i >= slow) {
      uint32_t run = Machine::runLength(pointers, mask, i, bytes);
      uint8_t *shadow = nullptr;
      if (uint8_t *p = m.runMemory(pointers[i], uint64_t(run) * bytes, bytes, true, &shadow)) {
        storeRun(p, value.bits() + i, run, bytes);
        if (shadow) std::memset(shadow, TIR_SHADOW_WRITTEN, size_t(run) * bytes);
        i += run - 1;
        continue;
      }
      slow = i + run;
    }
    if (m.checkUsed(op, pointers, i, "an address") || m.checkStored(op, value, i)) return Step::Stop;
    Machine::Access a;
    if (!m.access(op, pointers[i], bytes, true, false, type, i, &a)) return Step::Stop;
    if (a.host) m.storeCell(a, bytes, value[i], value.undef(i));
  }
  return Step::Next;
}

Step tt_make_tensor_ptr(Machine &m, Op &op) {
  unsigned rank = op.result(0)->type->elem->rank();
  if (op.numOperands() != 1 + 3 * rank) return m.stop(op, Code::VERIFY, "lacks operands for rank %u", rank);
  Tile r(1 + 3 * rank);
  for (unsigned i = 0; i < op.numOperands(); ++i) {
    const Tile &t = m.in(op, i);
    r.cells()[i] = i ? static_cast<uint64_t>(sext(t[0], widthOf(scalarOf(op, i)))) : t[0];
    r.setMark(i, t.mark(0));
  }
  return m.out(op, std::move(r));
}

Step tt_advance(Machine &m, Op &op) {
  unsigned rank = op.result(0)->type->elem->rank();
  if (op.numOperands() != 1 + rank) return m.stop(op, Code::VERIFY, "lacks operands for rank %u", rank);
  const Tile &p = m.in(op, 0);
  Tile r(p.size());
  for (unsigned i = 0; i < p.size(); ++i) {
    r.cells()[i] = p[i];
    r.setMark(i, p.mark(i));
    if (i <= 2 * rank) continue;
    unsigned d = i - 2 * rank; // operand number of the offset
    r.cells()[i] += static_cast<uint64_t>(sext(m.in(op, d)[0], widthOf(scalarOf(op, d))));
    r.setMark(i, m.in(op, d).mark(0));
  }
  return m.out(op, std::move(r));
}

} // namespace tir::interp::mean
