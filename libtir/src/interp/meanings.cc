// SPDX-License-Identifier: MIT
// Opcode -> meaning.
#include "machine.hh"

namespace tir::interp {

namespace mean {
#define MEANING(op) Step op(Machine &, Op &);
#define MEANING_AS(op, fn) Step fn(Machine &, Op &);
#include "meanings.inc"
#undef MEANING
#undef MEANING_AS
} // namespace mean

namespace {
struct Table {
  Meaning at[static_cast<size_t>(Opcode::count_)];
};
constexpr Table table() {
  Table t{};
#define MEANING(op) t.at[static_cast<size_t>(Opcode::op)] = mean::op;
#define MEANING_AS(op, fn) t.at[static_cast<size_t>(Opcode::op)] = mean::fn;
#include "meanings.inc"
#undef MEANING
#undef MEANING_AS
  return t;
}
constexpr Table meanings = table();
} // namespace

Meaning meaningOf(Opcode code) { return meanings.at[static_cast<size_t>(code)]; }
// builtin.module and tt.func are never executed: launches and calls enter them
bool hasMeaning(Opcode code) {
  return code == Opcode::builtin_module || code == Opcode::tt_func ||
         (code < Opcode::count_ && meaningOf(code));
}

} // namespace tir::interp
