// SPDX-License-Identifier: MIT
#include "descriptors.hh"
#include "rmw.hh"

namespace tir::interp {

using tessera::Code;

bool descriptor(Machine &m, Op &op, Desc *d) {
  d->cells = m.in(op, 0);
  d->type = op.operand(0)->type;
  d->rank = d->type->rank();
  d->bytes = bytesOf(d->type->elem);
  if (d->cells.size() == 1) { // it lies in memory
    if (m.checkUsed(op, d->cells, 0, "a descriptor's address")) return false;
    auto it = m.program().tensormaps.find(d->cells[0]);
    if (it == m.program().tensormaps.end()) {
      m.stop(op, Code::LAUNCH, "uses a descriptor in memory where none was written");
      return false;
    }
    const Tile &kept = it->second;
    d->cells = Tile(kept.size());
    for (uint32_t k = 0; k < kept.size(); ++k) { // strides stand in bytes
      d->cells.cells()[k] = k > d->rank && k <= 2 * d->rank ? kept[k] / d->bytes : kept[k];
      d->cells.setMark(k, kept.mark(k));
    }
  }
  if (d->rank > max_desc_rank || d->cells.size() != 2 + 2 * d->rank) {
    m.stop(op, Code::UNSUPPORTED, "not implemented: a descriptor of rank %u", d->rank);
    return false;
  }
  for (uint32_t i = 0; i < d->cells.size(); ++i)
    if (m.checkUsed(op, d->cells, i, "a descriptor's base, shape or stride")) return false;
  return true;
}

bool loadOne(Machine &m, Op &op, const Desc &d, Type type, uint32_t i, uint64_t address, bool in, uint64_t *cell,
             uint8_t *mark) {
  *cell = in ? 0 : d.padding();
  *mark = 0;
  if (!in) return true;
  Machine::Access a;
  if (!m.access(op, address, d.bytes, false, false, type, i, &a)) return false;
  if (a.host) {
    if (m.checkUnwritten(op, a, d.bytes)) return false;
    *cell = m.loadCell(a, d.bytes, mark) & maskOf(widthOf(d.type->elem));
  } else {
    *mark = MarkUndef;
  }
  if (*mark) m.made(op, *mark);
  return true;
}

bool storeOne(Machine &m, Op &op, const Desc &d, const Tile &v, Type type, uint32_t i, uint64_t address, bool in) {
  if (!in) return true;
  if (m.checkStored(op, v, i)) return false;
  Machine::Access a;
  if (!m.access(op, address, d.bytes, true, false, type, i, &a)) return false;
  if (a.host) m.storeCell(a, d.bytes, v[i], v.undef(i));
  return true;
}

bool reduceOne(Machine &m, Op &op, const Desc &d, const Tile &v, Type type, uint32_t i, uint64_t address, bool in) {
  static constexpr RmwKind kinds[] = {RmwKind::None, RmwKind::Add, RmwKind::Min, RmwKind::Max, RmwKind::Inc,
                                      RmwKind::Dec,  RmwKind::And, RmwKind::Or,  RmwKind::Xor};
  int64_t kind = op.intAttr("kind");
  if (kind < 1 || kind > 8) {
    m.stop(op, Code::VERIFY, "has an unknown kind");
    return false;
  }
  if (!in) return true;
  if (m.checkStored(op, v, i)) return false;
  Machine::Access a;
  if (!m.access(op, address, d.bytes, true, true, type, i, &a)) return false;
  if (!a.host) return true;
  Type elem = d.type->elem;
  uint8_t mark = 0;
  uint64_t old = m.loadCell(a, d.bytes, &mark) & maskOf(widthOf(elem)), next = 0;
  if (!rmwValue(kinds[kind], elem, elem->isInt() && elem->sign == Sign::Unsigned, old, v[i], &next)) {
    m.stop(op, Code::UNSUPPORTED, "not implemented: this kind on this type");
    return false;
  }
  m.storeCell(a, d.bytes, next, mark || v.undef(i));
  return true;
}

bool sizeIs(Machine &m, Op &op, uint32_t have, uint32_t want) {
  if (have == want) return true;
  m.stop(op, Code::VERIFY, "moves a tile of %u elements where the descriptor's block has %u", have, want);
  return false;
}

namespace mean {

namespace {
/// One element into a fresh tile.
bool loadInto(Machine &m, Op &op, const Desc &d, Tile &r, uint32_t i, uint64_t address, bool in) {
  uint8_t mark;
  if (!loadOne(m, op, d, op.result(0)->type, i, address, in, &r.cells()[i], &mark)) return false;
  r.setMark(i, mark);
  return true;
}
} // namespace

Step tt_make_tensor_descriptor(Machine &m, Op &op) {
  unsigned rank = op.result(0)->type->rank();
  if (op.numOperands() != 1 + 2 * rank) return m.stop(op, Code::VERIFY, "lacks operands for rank %u", rank);
  Tile r(2 + 2 * rank);
  for (unsigned i = 0; i < op.numOperands(); ++i) {
    const Tile &t = m.in(op, i);
    r.cells()[i] = i ? static_cast<uint64_t>(sext(t[0], widthOf(scalarOf(op, i)))) : t[0];
    r.setMark(i, t.mark(0));
  }
  r.cells()[1 + 2 * rank] = static_cast<uint64_t>(op.intAttr("padding", 1));
  return m.out(op, std::move(r));
}

Step tt_descriptor_load(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  Tile r(m.count(op.result(0)->type));
  if (!sizeIs(m, op, r.size(), static_cast<uint32_t>(d.type->count()))) return Step::Stop;
  if (!eachOfBlock(m, op, d, 1,
                   [&](uint32_t i, uint64_t a, bool in) { return loadInto(m, op, d, r, i, a, in); }))
    return Step::Stop;
  return m.out(op, std::move(r));
}

Step tt_descriptor_store(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  const Tile &v = m.in(op, 1);
  Type type = op.operand(1)->type;
  if (!sizeIs(m, op, v.size(), static_cast<uint32_t>(d.type->count()))) return Step::Stop;
  bool ok = eachOfBlock(
      m, op, d, 2, [&](uint32_t i, uint64_t a, bool in) { return storeOne(m, op, d, v, type, i, a, in); });
  return ok ? Step::Next : Step::Stop;
}

Step tt_descriptor_reduce(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  const Tile &v = m.in(op, 1);
  Type type = op.operand(1)->type;
  if (!sizeIs(m, op, v.size(), static_cast<uint32_t>(d.type->count()))) return Step::Stop;
  bool ok = eachOfBlock(
      m, op, d, 2, [&](uint32_t i, uint64_t a, bool in) { return reduceOne(m, op, d, v, type, i, a, in); });
  return ok ? Step::Yield : Step::Stop;
}

Step tt_descriptor_gather(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  Tile r(m.count(op.result(0)->type));
  if (!sizeIs(m, op, r.size(), static_cast<uint32_t>(m.in(op, 1).size() * d.type->count())))
    return Step::Stop;
  if (!eachOfRows(m, op, d, 1, 2,
                  [&](uint32_t i, uint64_t a, bool in) { return loadInto(m, op, d, r, i, a, in); }))
    return Step::Stop;
  return m.out(op, std::move(r));
}

Step tt_descriptor_scatter(Machine &m, Op &op) {
  Desc d;
  if (!descriptor(m, op, &d)) return Step::Stop;
  const Tile &v = m.in(op, 3);
  Type type = op.operand(3)->type;
  if (!sizeIs(m, op, v.size(), static_cast<uint32_t>(m.in(op, 1).size() * d.type->count())))
    return Step::Stop;
  bool ok = eachOfRows(
      m, op, d, 1, 2, [&](uint32_t i, uint64_t a, bool in) { return storeOne(m, op, d, v, type, i, a, in); });
  return ok ? Step::Next : Step::Stop;
}

} // namespace mean
} // namespace tir::interp
