// SPDX-License-Identifier: MIT
// Operations with a scalar region: tt.reduce, tt.scan, tt.map_elementwise. Straight-line regions run on many
// elements at once; others element by element.
#include "lanes.hh"

namespace tir::interp::mean {

using tessera::Code;

namespace {

using Tiles = std::vector<Tile>;

Tile slice(const Tile &a, uint32_t i) {
  Tile r = Tile::scalar(a[i]);
  r.setMark(0, a.mark(i));
  return r;
}

/// Runs the region of `op` over all lanes of `args` (each `n` long). False: stopped.
bool combine(Machine &m, Op &op, const Tiles &args, uint32_t n, Tiles *results) {
  if (m.lanewise(op) || n == 1) return m.runRegion(op, args, n, results);
  Tiles whole;
  for (uint32_t i = 0; i < n; ++i) {
    Tiles one, out;
    for (const Tile &a : args) one.push_back(slice(a, i));
    if (!m.runRegion(op, one, 1, &out)) return false;
    if (whole.empty())
      for (size_t k = 0; k < out.size(); ++k) whole.push_back(Tile(n));
    for (size_t k = 0; k < out.size() && k < whole.size(); ++k) {
      whole[k].cells()[i] = out[k][0];
      whole[k].setMark(i, out[k].mark(0));
    }
  }
  *results = std::move(whole);
  return true;
}

struct Axis { // a tile seen as [outer, length, inner]
  uint32_t outer = 1, length = 1, inner = 1;
};

bool axisOf(Machine &m, Op &op, Axis *x) {
  if (!op.numOperands() || !op.operand(0)->type->isTensor()) {
    m.stop(op, Code::VERIFY, "has no tile");
    return false;
  }
  Type t = op.operand(0)->type;
  int64_t axis = op.intAttr("axis");
  if (axis < 0 || axis >= t->rank() || !t->count()) {
    m.stop(op, Code::VERIFY, "has an axis outside the rank, or an empty tile");
    return false;
  }
  for (unsigned d = 0; d < t->rank(); ++d)
    (d < axis ? x->outer : d == axis ? x->length : x->inner) *= static_cast<uint32_t>(t->shape[d]);
  return true;
}

/// Elements first, first + step, … (count of them) along the axis, as lanes [outer, count, inner].
Tile pick(const Tile &a, const Axis &x, uint32_t first, uint32_t step, uint32_t count) {
  Tile r(x.outer * count * x.inner);
  if (a.marks()) r.addMarks();
  uint32_t to = 0;
  for (uint32_t o = 0; o < x.outer; ++o)
    for (uint32_t j = 0; j < count; ++j) {
      uint32_t from = (o * x.length + first + j * step) * x.inner;
      for (uint32_t i = 0; i < x.inner; ++i, ++to) {
        r.cells()[to] = a[from + i];
        if (a.marks()) r.setMark(to, a.mark(from + i));
      }
    }
  return r;
}

/// Puts the last row of `tail` behind `a` ([outer, length, inner] + [outer, 1, inner]).
Tile append(const Tile &a, const Axis &x, const Tile &tail) {
  Tile r(x.outer * (x.length + 1) * x.inner);
  uint32_t to = 0;
  for (uint32_t o = 0; o < x.outer; ++o)
    for (uint32_t j = 0; j <= x.length; ++j)
      for (uint32_t i = 0; i < x.inner; ++i, ++to) {
        const Tile &s = j < x.length ? a : tail;
        uint32_t from = j < x.length ? (o * x.length + j) * x.inner + i : o * x.inner + i;
        r.cells()[to] = s[from];
        r.setMark(to, s.mark(from));
      }
  return r;
}

bool counts(Machine &m, Op &op, const Tiles &out, size_t want) {
  if (out.size() == want) return true;
  m.stop(op, Code::VERIFY, "has a region that returns %zu values where %zu are needed", out.size(), want);
  return false;
}

} // namespace

/// Neighbours are combined in rounds (0 with 1, 2 with 3, …): order along the axis is kept, so associativity
/// suffices.
Step tt_reduce(Machine &m, Op &op) {
  Axis x;
  if (!axisOf(m, op, &x)) return Step::Stop;
  Tiles cur;
  for (unsigned k = 0; k < op.numOperands(); ++k) cur.push_back(m.in(op, k));
  while (x.length > 1) {
    uint32_t half = x.length / 2;
    Tiles args, out;
    for (Tile &t : cur) args.push_back(pick(t, x, 0, 2, half));
    for (Tile &t : cur) args.push_back(pick(t, x, 1, 2, half));
    if (!combine(m, op, args, x.outer * half * x.inner, &out)) return Step::Stop;
    if (!counts(m, op, out, cur.size())) return Step::Stop;
    Axis next{x.outer, half, x.inner};
    if (x.length & 1) {
      for (size_t k = 0; k < cur.size(); ++k)
        out[k] = append(out[k], next, pick(cur[k], x, x.length - 1, 1, 1));
      ++next.length;
    }
    cur = std::move(out);
    x = next;
  }
  for (unsigned k = 0; k < op.numResults() && k < cur.size(); ++k) m.set(op.result(k), cur[k]);
  return Step::Next;
}

/// A region that is one sum or one product of both its arguments: that operation, else null.
static Op *sumOrProduct(Op &op) {
  Block *block = op.region(0)->front();
  Op *o = block->first;
  if (block->next || op.numOperands() != 1 || block->numArgs() != 2 || !o || o->next != block->last) return nullptr;
  if (!o->is(Opcode::arith_addf) && !o->is(Opcode::arith_mulf)) return nullptr;
  if (block->last->numOperands() != 1 || block->last->operand(0) != o->result()) return nullptr;
  bool both = (o->operand(0) == block->arg(0) && o->operand(1) == block->arg(1)) ||
              (o->operand(0) == block->arg(1) && o->operand(1) == block->arg(0));
  return both ? o : nullptr;
}

/// Sums and products of narrow floats go on in f32 and are rounded where they are stored.
static Step narrowScan(Machine &m, Op &op, const Axis &x, bool sum, bool reverse) {
  const Tile &in = m.in(op, 0);
  num::Format f = formatOf(scalarOf(op, 0));
  Tile r(in.size());
  for (uint32_t o = 0; o < x.outer; ++o)
    for (uint32_t i = 0; i < x.inner; ++i) {
      float total = 0;
      uint8_t mark = 0;
      for (uint32_t j = 0; j < x.length; ++j) {
        uint32_t at = (o * x.length + (reverse ? x.length - 1 - j : j)) * x.inner + i;
        float v = static_cast<float>(num::decode(f, in[at]));
        total = !j ? v : sum ? total + v : total * v;
        mark |= in.mark(at);
        r.cells()[at] = num::encode(f, total);
        r.setMark(at, mark);
      }
    }
  return m.out(op, std::move(r));
}

/// One step after the other along the axis, all rows at once.
Step tt_scan(Machine &m, Op &op) {
  Axis x;
  if (!axisOf(m, op, &x)) return Step::Stop;
  bool reverse = op.intAttr("reverse");
  if (Op *one = sumOrProduct(op); one && scalarOf(op, 0)->isFloat() && scalarOf(op, 0)->width < 32)
    return narrowScan(m, op, x, one->is(Opcode::arith_addf), reverse);
  unsigned k = op.numOperands();
  Tiles prefix, results;
  for (unsigned t = 0; t < k; ++t) results.push_back(Tile(m.in(op, t).size()));
  for (uint32_t j = 0; j < x.length; ++j) {
    uint32_t at = reverse ? x.length - 1 - j : j;
    Tiles args = prefix, out;
    for (unsigned t = 0; t < k; ++t) args.push_back(pick(m.in(op, t), x, at, 1, 1));
    if (j == 0) {
      prefix = std::move(args);
    } else {
      if (!combine(m, op, args, x.outer * x.inner, &out)) return Step::Stop;
      if (!counts(m, op, out, k)) return Step::Stop;
      prefix = std::move(out);
    }
    for (unsigned t = 0; t < k; ++t)
      for (uint32_t o = 0; o < x.outer; ++o)
        for (uint32_t i = 0; i < x.inner; ++i) {
          uint32_t to = (o * x.length + at) * x.inner + i, from = o * x.inner + i;
          results[t].cells()[to] = prefix[t][from];
          results[t].setMark(to, prefix[t].mark(from));
        }
  }
  for (unsigned t = 0; t < op.numResults() && t < k; ++t) m.set(op.result(t), std::move(results[t]));
  return Step::Next;
}

/// Arguments: operand 0 × pack, operand 1 × pack, …; returned values likewise.
Step tt_map_elementwise(Machine &m, Op &op) {
  uint32_t pack = static_cast<uint32_t>(op.intAttr("pack", 1)), n = m.in(op, 0).size();
  if (!pack || n % pack) return m.stop(op, Code::VERIFY, "packs %u elements at a time of %u", pack, n);
  uint32_t groups = n / pack;
  Tiles args, out;
  for (unsigned t = 0; t < op.numOperands(); ++t)
    for (uint32_t p = 0; p < pack; ++p) {
      const Tile &a = m.in(op, t);
      if (a.size() != n) return m.stop(op, Code::VERIFY, "has tiles of several shapes");
      Tile lane(groups);
      for (uint32_t g = 0; g < groups; ++g) {
        lane.cells()[g] = a[g * pack + p];
        lane.setMark(g, a.mark(g * pack + p));
      }
      args.push_back(std::move(lane));
    }
  if (!combine(m, op, args, groups, &out)) return Step::Stop;
  if (!counts(m, op, out, size_t(op.numResults()) * pack)) return Step::Stop;
  for (unsigned t = 0; t < op.numResults(); ++t) {
    Tile r(n);
    for (uint32_t i = 0; i < n; ++i) {
      const Tile &lane = out[t * pack + i % pack];
      r.cells()[i] = lane[i / pack];
      r.setMark(i, lane.mark(i / pack));
    }
    m.set(op.result(t), std::move(r));
  }
  return Step::Next;
}

/// The end of such a region.
static Step leave(Machine &m, Op &op) {
  Tiles values;
  for (unsigned i = 0; i < op.numOperands(); ++i) values.push_back(m.in(op, i));
  m.program().returned = std::move(values);
  m.program().frames.pop_back();
  return Step::Next;
}
Step tt_reduce_return(Machine &m, Op &op) { return leave(m, op); }
Step tt_scan_return(Machine &m, Op &op) { return leave(m, op); }
Step tt_map_elementwise_return(Machine &m, Op &op) { return leave(m, op); }

} // namespace tir::interp::mean
