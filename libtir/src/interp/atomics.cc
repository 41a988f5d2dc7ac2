// SPDX-License-Identifier: MIT
// Atomic operations. Programs are coroutines, so a read and a write of one meaning are atomic by themselves;
// what is left is the arithmetic, the happens-before edges, and letting another program run afterwards.
#include "lanes.hh"
#include "rmw.hh"

namespace tir::interp {

bool rmwValue(RmwKind kind, Type elem, bool isUnsigned, uint64_t old, uint64_t v, uint64_t *out) {
  unsigned w = widthOf(elem);
  bool f = elem->isFloat();
  num::Format fmt = f ? formatOf(elem) : num::Format::F32;
  switch (kind) {
  case RmwKind::And:
    *out = old & v;
    break;
  case RmwKind::Or:
    *out = old | v;
    break;
  case RmwKind::Xor:
    *out = old ^ v;
    break;
  case RmwKind::Exch:
    *out = v;
    break;
  case RmwKind::Add:
    *out = f ? num::encode(fmt, num::decode(fmt, old) + num::decode(fmt, v)) : old + v;
    break;
  case RmwKind::Max:
  case RmwKind::Min: {
    bool less;
    if (f) {
      double a = num::decode(fmt, old), b = num::decode(fmt, v);
      if (a != a || b != b) {
        *out = a != a ? v : old;
        return true;
      }
      less = a < b;
    } else {
      less = isUnsigned ? old < v : sext(old, w) < sext(v, w);
    }
    *out = less == (kind == RmwKind::Max) ? v : old;
    break;
  }
  case RmwKind::Inc:
    *out = old >= v ? 0 : old + 1;
    break;
  case RmwKind::Dec:
    *out = old == 0 || old > v ? v : old - 1;
    break;
  default:
    return false;
  }
  *out &= maskOf(w);
  return true;
}

namespace mean {

using tessera::Code;

namespace {

/// Happens-before edges of one atomic access. sem: 1 relaxed, 2 acquire, 3 release, 4 acq_rel.
void acquire(Machine &m, const Machine::Access &a, int64_t sem) {
  if (m.watching(TIR_SANITIZE_RACE) && (sem == 2 || sem == 4)) m.program().clock.join(m.races.sync(a.place));
}
void release(Machine &m, const Machine::Access &a, int64_t sem) {
  if (!m.watching(TIR_SANITIZE_RACE) || (sem != 3 && sem != 4)) return;
  Program &p = m.program();
  m.races.sync(a.place).join(p.clock);
  p.clock.set(p.number, p.clock.at(p.number) + 1);
}

/// Calls f(element, access) for every element whose mask holds. False: stopped.
template <class F> bool each(Machine &m, Op &op, const Tile *mask, Type type, bool write, Tile *result, F f) {
  const Tile &p = m.in(op, 0);
  unsigned bytes = bytesOf(type->scalar());
  for (uint32_t i = 0; i < p.size(); ++i) {
    if (mask && m.checkUsed(op, *mask, i, "a mask")) return false;
    bool off = mask && !((*mask)[i] & 1);
    Machine::Access a;
    if (!off) {
      if (m.checkUsed(op, p, i, "an address")) return false;
      if (!m.access(op, p[i], bytes, write, true, type, i, &a)) return false;
    }
    if (!a.host) { // masked off or out of bounds: undefined result
      if (result) {
        result->cells()[i] = 0;
        result->setMark(i, MarkUndef);
        m.made(op, MarkUndef);
      }
      continue;
    }
    if (!f(i, a)) return false;
  }
  return true;
}

} // namespace

Step tt_atomic_rmw(Machine &m, Op &op) {
  static constexpr RmwKind kinds[] = {RmwKind::None, RmwKind::And, RmwKind::Or,  RmwKind::Xor,
                                      RmwKind::Add,  RmwKind::Add, RmwKind::Max, RmwKind::Min,
                                      RmwKind::Max,  RmwKind::Min, RmwKind::Exch};
  int64_t what = op.intAttr("atomic_rmw_op"), sem = op.intAttr("sem", 4);
  if (what < 1 || what > 10) return m.stop(op, Code::VERIFY, "has an unknown kind");
  bool isUnsigned = what == 8 || what == 9;
  Type type = op.result(0)->type, elem = type->scalar();
  unsigned bytes = bytesOf(elem);
  const Tile &v = m.in(op, 1);
  const Tile *mask = op.slot(2) ? &m.get(op.slot(2)) : nullptr;
  Tile r(v.size());
  bool ok = each(m, op, mask, type, true, &r, [&](uint32_t i, const Machine::Access &a) {
    if (m.checkStored(op, v, i)) return false;
    acquire(m, a, sem);
    uint8_t mark = 0;
    uint64_t old = m.loadCell(a, bytes, &mark) & maskOf(widthOf(elem)), next = 0;
    if (!rmwValue(kinds[what], elem, isUnsigned, old, v[i], &next)) {
      m.stop(op, Code::UNSUPPORTED, "not implemented: this kind on this type");
      return false;
    }
    m.storeCell(a, bytes, next, v.undef(i) || (mark && kinds[what] != RmwKind::Exch));
    release(m, a, sem);
    r.cells()[i] = old;
    r.setMark(i, mark);
    return true;
  });
  if (!ok) return Step::Stop;
  m.set(op.result(0), std::move(r));
  return Step::Yield;
}

Step tt_atomic_cas(Machine &m, Op &op) {
  Type type = op.result(0)->type, elem = type->scalar();
  unsigned bytes = bytesOf(elem);
  int64_t sem = op.intAttr("sem", 4);
  const Tile &cmp = m.in(op, 1), &v = m.in(op, 2);
  Tile r(cmp.size());
  bool ok = each(m, op, nullptr, type, true, &r, [&](uint32_t i, const Machine::Access &a) {
    if (m.checkUsed(op, cmp, i, "the value compared") || m.checkStored(op, v, i)) return false;
    acquire(m, a, sem);
    uint8_t mark = 0;
    uint64_t old = m.loadCell(a, bytes, &mark) & maskOf(widthOf(elem));
    if (old == cmp[i]) {
      m.storeCell(a, bytes, v[i], v.undef(i));
      release(m, a, sem);
    }
    r.cells()[i] = old;
    r.setMark(i, mark);
    return true;
  });
  if (!ok) return Step::Stop;
  m.set(op.result(0), std::move(r));
  return Step::Yield;
}

Step tt_atomic_load(Machine &m, Op &op) {
  Type type = op.result(0)->type, elem = type->scalar();
  unsigned bytes = bytesOf(elem);
  const Tile *mask = op.slot(1) ? &m.get(op.slot(1)) : nullptr;
  Tile r(m.in(op, 0).size());
  bool ok = each(m, op, mask, type, false, &r, [&](uint32_t i, const Machine::Access &a) {
    acquire(m, a, op.intAttr("sem", 2));
    uint8_t mark = 0;
    r.cells()[i] = m.loadCell(a, bytes, &mark) & maskOf(widthOf(elem));
    r.setMark(i, mark);
    return true;
  });
  if (!ok) return Step::Stop;
  m.set(op.result(0), std::move(r));
  return Step::Yield;
}

Step tt_atomic_store(Machine &m, Op &op) {
  Type type = op.operand(1)->type;
  unsigned bytes = bytesOf(type->scalar());
  const Tile &v = m.in(op, 1);
  const Tile *mask = op.slot(2) ? &m.get(op.slot(2)) : nullptr;
  bool ok = each(m, op, mask, type, true, nullptr, [&](uint32_t i, const Machine::Access &a) {
    if (m.checkStored(op, v, i)) return false;
    m.storeCell(a, bytes, v[i], v.undef(i));
    release(m, a, op.intAttr("sem", 3));
    return true;
  });
  return ok ? Step::Yield : Step::Stop;
}

/// Runs again, after the other programs had a turn, until every element is as expected. A time budget becomes
/// rounds: one per microsecond, at least one.
Step tt_atomic_poll(Machine &m, Op &op) {
  Type type = op.operand(1)->type, elem = type->scalar();
  unsigned bytes = bytesOf(elem);
  const Tile &want = m.in(op, 1);
  Program &p = m.program();
  Tile r(want.size());
  bool all = true;
  bool ok = each(m, op, nullptr, type, false, &r, [&](uint32_t i, const Machine::Access &a) {
    if (m.checkUsed(op, want, i, "the value expected")) return false;
    uint8_t mark = 0;
    bool equal = (m.loadCell(a, bytes, &mark) & maskOf(widthOf(elem))) == want[i];
    if (equal) acquire(m, a, op.intAttr("sem", 2));
    all &= equal;
    r.cells()[i] = equal;
    r.setMark(i, mark);
    return true;
  });
  if (!ok) return Step::Stop;
  if (!all) {
    bool more = true;
    if (Value *t = op.slot(2)) {
      int64_t rounds = static_cast<int64_t>(m.get(t)[0]) / 1000;
      more = static_cast<int64_t>(p.polls) < (rounds > 1000000 ? 1000000 : rounds);
    }
    if (more) {
      ++p.polls;
      m.frame().pc = &op;
      return Step::Yield;
    }
  }
  p.polls = 0;
  m.set(op.result(0), std::move(r));
  return Step::Yield;
}

} // namespace mean
} // namespace tir::interp
