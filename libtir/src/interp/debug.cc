// SPDX-License-Identifier: MIT
// tt.print, tt.assert, assumptions.
#include "lanes.hh"
#include <cmath>

namespace tir::interp::mean {

using tessera::Code;

namespace {

std::string valueText(Type t, uint64_t v, bool hex, bool isSigned) {
  if (hex || t->isPtr())
    return tessera::format("0x%0*llx", static_cast<int>((widthOf(t) + 3) / 4),
                           static_cast<unsigned long long>(v));
  if (t->isFloat()) {
    double d = num::decode(formatOf(t), v);
    return d != d ? "nan" : tessera::format("%f", d);
  }
  if (isSigned) return tessera::format("%lld", static_cast<long long>(sext(v, widthOf(t))));
  return tessera::format("%llu", static_cast<unsigned long long>(v));
}

/// "(i, j)": every index right-aligned to the digits of its dimension.
std::string paddedIndex(Type t, uint32_t i) {
  if (!t->isTensor()) return "()";
  std::string s;
  uint64_t rest = i;
  for (unsigned d = t->rank(); d-- > 0;) {
    int64_t size = t->shape[d];
    int width = 0;
    for (int64_t p = 1; p < size; p *= 10) ++width;
    s = tessera::format("%*lld", width, static_cast<long long>(rest % size)) + (s.empty() ? "" : ", ") + s;
    rest /= size;
  }
  return "(" + s + ")";
}

} // namespace

/// One line per element: `pid (x, y, z) idx (i, j)<prefix>[(operand n) ]<value>`.
Step tt_print(Machine &m, Op &op) {
  if (!m.params.print) return Step::Next;
  const Program &p = m.program();
  std::string head = tessera::format("pid (%d, %d, %d) idx ", p.pid[0], p.pid[1], p.pid[2]), text;
  std::string prefix(op.strAttr("prefix"));
  bool hex = op.intAttr("hex");
  Attr isSigned = op.attr("isSigned");
  if (!op.numOperands())
    text = tessera::format("pid (%d, %d, %d)", p.pid[0], p.pid[1], p.pid[2]) + prefix + "\n";
  for (unsigned k = 0; k < op.numOperands(); ++k) {
    const Tile &t = m.in(op, k);
    Type type = op.operand(k)->type;
    bool sign = isSigned && k < isSigned->ints.size() && isSigned->ints[k];
    for (uint32_t i = 0; i < t.size(); ++i) {
      text += head + paddedIndex(type, i) + prefix;
      if (op.numOperands() > 1) text += tessera::format("(operand %u) ", k);
      text += valueText(type->scalar(), t[i], hex, sign) + "\n";
    }
  }
  m.params.print(m.params.print_user, text.data(), text.size());
  return Step::Next;
}

Step tt_assert(Machine &m, Op &op) {
  const Tile &c = m.in(op, 0);
  for (uint32_t i = 0; i < c.size(); ++i) {
    if (m.checkUsed(op, c, i, "a condition")) return Step::Stop;
    if (!(c[i] & 1))
      return m.stop(op, Code::LAUNCH, "failed: %s; element %s", std::string(op.strAttr("message")).c_str(),
                    indexText(op.operand(0)->type, i).c_str());
  }
  return Step::Next;
}

Step llvm_intr_assume(Machine &m, Op &op) {
  const Tile &c = m.in(op, 0);
  if (!c.mark(0) && !(c[0] & 1) && m.find(op, TIR_SANITIZE_ASSUME, "assumes a condition that is false"))
    return Step::Stop;
  return Step::Next;
}

} // namespace tir::interp::mean
