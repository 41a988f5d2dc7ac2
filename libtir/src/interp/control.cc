// SPDX-License-Identifier: MIT
// Control flow. A structured operation pushes a frame; its terminator moves the frame on or pops it.
#include "lanes.hh"

namespace tir::interp::mean {

using tessera::Code;

namespace {

using Tiles = std::vector<Tile>;

Tiles operands(Machine &m, Op &op, unsigned first, unsigned count) {
  Tiles t;
  t.reserve(count);
  for (unsigned i = 0; i < count; ++i) t.push_back(m.in(op, first + i));
  return t;
}

bool setArgs(Machine &m, Op &op, Block *b, unsigned skip, Tiles &&values) {
  if (b->numArgs() != skip + values.size()) {
    m.stop(op, Code::VERIFY, "passes %zu values to a block of %u arguments", values.size(),
           b->numArgs() - skip);
    return false;
  }
  for (unsigned i = 0; i < values.size(); ++i) m.set(b->arg(skip + i), std::move(values[i]));
  return true;
}

bool setResults(Machine &m, Op &op, Op &owner, Tiles &&values) {
  if (owner.numResults() != values.size()) {
    m.stop(op, Code::VERIFY, "gives %zu values to %u results", values.size(), owner.numResults());
    return false;
  }
  for (unsigned i = 0; i < values.size(); ++i) m.set(owner.result(i), std::move(values[i]));
  return true;
}

Step jump(Machine &m, Op &op, Block *to, Tiles &&values) {
  if (!setArgs(m, op, to, 0, std::move(values))) return Step::Stop;
  m.frame().pc = to->first;
  return Step::Next;
}

} // namespace

Step scf_for(Machine &m, Op &op) {
  unsigned w = widthOf(scalarOf(op, 0));
  for (unsigned i = 0; i < 3; ++i)
    if (m.checkUsed(op, m.in(op, i), 0, "a loop bound")) return Step::Stop;
  bool isUnsigned = op.attr("unsignedCmp");
  auto bound = [&](unsigned i) {
    return isUnsigned ? static_cast<int64_t>(m.in(op, i)[0]) : sext(m.in(op, i)[0], w);
  };
  int64_t lb = bound(0), ub = bound(1), step = bound(2);
  if (step <= 0)
    return m.stop(op, Code::LAUNCH, "has step %lld: expected a positive one", static_cast<long long>(step));
  Tiles init = operands(m, op, 3, op.numOperands() - 3);
  if (!(isUnsigned ? static_cast<uint64_t>(lb) < static_cast<uint64_t>(ub) : lb < ub))
    return setResults(m, op, op, std::move(init)) ? Step::Next : Step::Stop;
  Block *body = op.region(0)->front();
  m.push(&op, body);
  m.frame().iv = lb;
  m.frame().ub = ub;
  m.frame().step = step;
  if (!setArgs(m, op, body, 1, std::move(init))) return Step::Stop;
  m.set(body->arg(0), Tile::scalar(static_cast<uint64_t>(lb) & maskOf(w)));
  return Step::Next;
}

Step scf_if(Machine &m, Op &op) {
  if (m.checkUsed(op, m.in(op, 0), 0, "a condition")) return Step::Stop;
  bool yes = m.in(op, 0)[0] & 1;
  if (!yes && (op.numRegions() < 2 || op.region(1)->empty())) {
    if (op.numResults()) return m.stop(op, Code::VERIFY, "gives results but has no else");
    return Step::Next;
  }
  m.push(&op, op.region(yes ? 0 : 1)->front());
  return Step::Next;
}

Step scf_while(Machine &m, Op &op) {
  Tiles init = operands(m, op, 0, op.numOperands());
  Block *before = op.region(0)->front();
  m.push(&op, before, 0);
  return setArgs(m, op, before, 0, std::move(init)) ? Step::Next : Step::Stop;
}

Step scf_condition(Machine &m, Op &op) {
  Op *owner = m.frame().owner;
  if (!owner->is(Opcode::scf_while)) return m.stop(op, Code::VERIFY, "stands outside scf.while");
  if (m.checkUsed(op, m.in(op, 0), 0, "a condition")) return Step::Stop;
  Tiles values = operands(m, op, 1, op.numOperands() - 1);
  if (!(m.in(op, 0)[0] & 1)) {
    m.program().frames.pop_back();
    return setResults(m, op, *owner, std::move(values)) ? Step::Next : Step::Stop;
  }
  Block *after = owner->region(1)->front();
  m.frame().region = 1;
  m.frame().pc = after->first;
  return setArgs(m, op, after, 0, std::move(values)) ? Step::Next : Step::Stop;
}

Step scf_yield(Machine &m, Op &op) {
  Frame &f = m.frame();
  Op *owner = f.owner;
  Tiles values = operands(m, op, 0, op.numOperands());
  if (owner->is(Opcode::scf_while)) {
    Block *before = owner->region(0)->front();
    f.region = 0;
    f.pc = before->first;
    return setArgs(m, op, before, 0, std::move(values)) ? Step::Next : Step::Stop;
  }
  if (owner->is(Opcode::scf_for)) {
    bool isUnsigned = owner->attr("unsignedCmp"), more;
    int64_t next;
    if (isUnsigned) {
      uint64_t sum;
      more = !__builtin_add_overflow(static_cast<uint64_t>(f.iv), static_cast<uint64_t>(f.step), &sum) &&
             sum < static_cast<uint64_t>(f.ub);
      next = static_cast<int64_t>(sum);
    } else {
      more = !__builtin_add_overflow(f.iv, f.step, &next) && next < f.ub;
    }
    if (more) {
      Block *body = owner->region(0)->front();
      f.iv = next;
      f.pc = body->first;
      m.set(body->arg(0), Tile::scalar(static_cast<uint64_t>(next) & maskOf(widthOf(scalarOf(*owner, 0)))));
      return setArgs(m, op, body, 1, std::move(values)) ? Step::Next : Step::Stop;
    }
  } else if (!owner->is(Opcode::scf_if)) {
    return m.stop(op, Code::VERIFY, "stands outside scf operations");
  }
  m.program().frames.pop_back();
  return setResults(m, op, *owner, std::move(values)) ? Step::Next : Step::Stop;
}

Step cf_br(Machine &m, Op &op) { return jump(m, op, op.succ(0), operands(m, op, 0, op.numOperands())); }

Step cf_cond_br(Machine &m, Op &op) {
  if (m.checkUsed(op, m.in(op, 0), 0, "a condition")) return Step::Stop;
  bool yes = m.in(op, 0)[0] & 1;
  unsigned first, count;
  op.slotRange(yes ? 1 : 2, &first, &count);
  return jump(m, op, op.succ(yes ? 0 : 1), operands(m, op, first, count));
}

Step tt_call(Machine &m, Op &op) { return m.enterCall(op, m.module.function(op.strAttr("callee"))); }

Step tt_return(Machine &m, Op &op) {
  Program &p = m.program();
  Op *call = m.act().call;
  Tiles values = operands(m, op, 0, op.numOperands());
  p.frames.pop_back();
  if (!call) return Step::Next; // the kernel
  p.acts.pop_back();
  return setResults(m, op, *call, std::move(values)) ? Step::Next : Step::Stop;
}

Step ub_unreachable(Machine &m, Op &op) { return m.stop(op, Code::LAUNCH, "was reached"); }

// Threads of one program do not exist here: nothing to wait for.
Step nothing(Machine &, Op &) { return Step::Next; }

Step tt_get_program_id(Machine &m, Op &op) {
  int64_t axis = op.intAttr("axis");
  uint64_t id = axis >= 0 && axis < 3 ? static_cast<uint64_t>(m.program().pid[axis]) : 0;
  return m.out(op, Tile::fill(m.lanes, id));
}
Step tt_get_num_programs(Machine &m, Op &op) {
  int64_t axis = op.intAttr("axis");
  uint64_t n = axis >= 0 && axis < 3 ? static_cast<uint64_t>(m.params.grid[axis]) : 1;
  return m.out(op, Tile::fill(m.lanes, n));
}

} // namespace tir::interp::mean
