// SPDX-License-Identifier: MIT
// What layouts the tiles and buffers of a kernel got, for people: bases and a picture of the corner of each.
#include "explain_layouts.hh"
#include "layout/encoding.hh"
#include "text/text.hh"
#include <algorithm>

namespace tcodegen::gpu {
using namespace tir;

namespace {

constexpr unsigned kRows = 8, kColumns = 16, kNamed = 4;

unsigned bitsOf(Type t) { return t->elem->isPtr() ? 64 : std::max(8u, t->elem->width); }

/// thread:register (or the offset) of the elements in the corner, found by solving, not by listing all places.
std::string corner(const LinearLayout &l) {
  size_t rank = l.out().size();
  bool shared = !l.in().empty() && l.in()[0].dim == Dim::Offset;
  unsigned column_bits = rank ? l.out()[rank - 1].bits : 0, row_bits = rank > 1 ? l.out()[rank - 2].bits : 0;
  uint64_t columns = std::min<uint64_t>(kColumns, uint64_t(1) << column_bits), rows = std::min<uint64_t>(kRows, uint64_t(1) << row_bits);
  std::vector<std::string> cells;
  size_t width = 0;
  for (uint64_t y = 0; y < rows; ++y)
    for (uint64_t x = 0; x < columns; ++x) {
      Columns place;
      std::string text = "-";
      if (gf2::solve(l.columns(), {y << column_bits | x}, &place)) {
        unsigned regs = shared ? 0 : l.inBits(Dim::Register);
        uint64_t p = place[0];
        text = shared ? std::to_string(p) : std::to_string(p >> regs) + ":" + std::to_string(p & ((uint64_t(1) << regs) - 1));
      }
      width = std::max(width, text.size());
      cells.push_back(std::move(text));
    }
  std::string out;
  for (uint64_t y = 0; y < rows; ++y) {
    out += "   ";
    for (uint64_t x = 0; x < columns; ++x) {
      const std::string &c = cells[y * columns + x];
      out += std::string(width + 1 - c.size(), ' ') + c;
    }
    out += column_bits > 4 ? " ...\n" : "\n";
  }
  if (row_bits > 3) out += "    ...\n";
  return out;
}

std::string describe(Type t, const std::vector<const Value *> &values) {
  std::string out = typeText(t) + tessera::format("\n  %zu value%s:", values.size(), values.size() == 1 ? "" : "s");
  for (size_t i = 0; i < values.size() && i < kNamed; ++i) {
    const Value *v = values[i];
    std::string at = v->def ? std::string(v->def->name()) + " at " + locText(v->def->loc) : "a block's argument";
    out += (i ? "; " : " ") + at;
  }
  out += values.size() > kNamed ? "; ...\n" : "\n";
  bool shared = t->isMemDesc();
  auto l = shared ? sharedLayout(t->enc, t->shape, bitsOf(t)) : layoutOf(t);
  if (!l) return out + "  its layout has no map\n\n";
  if (!shared) {
    unsigned regs = l->inBits(Dim::Register), threads = l->inBits() - regs;
    out += tessera::format("  %u registers in each of %llu threads", 1u << regs, 1ull << threads);
    if (unsigned more = l->inBits() - std::min(l->inBits(), l->outBits())) out += tessera::format("; every element in %llu places", 1ull << more);
    out += "\n";
  }
  out += "  " + l->text() + "\n";
  out += shared ? "  offset (in elements) of the first elements:\n" : "  thread:register of the first elements:\n";
  return out + corner(*l) + "\n";
}

} // namespace

std::string explain_layouts(Op *kernel) {
  std::vector<std::pair<Type, std::vector<const Value *>>> groups;
  auto add = [&](const Value *v) {
    Type t = v->type;
    if (!(t->isTensor() || t->isMemDesc()) || !t->enc) return;
    auto it = std::find_if(groups.begin(), groups.end(), [&](auto &g) { return g.first == t; });
    if (it == groups.end()) it = groups.insert(groups.end(), {t, {}});
    it->second.push_back(v);
  };
  kernel->walk([&](Op *op) {
    for (unsigned r = 0; r < op->numRegions(); ++r)
      for (Block *b = op->region(r)->first; b; b = b->next)
        for (unsigned i = 0; i < b->numArgs(); ++i) add(b->arg(i));
    for (unsigned i = 0; i < op->numResults(); ++i) add(op->result(i));
  });
  std::string out;
  for (auto &[type, values] : groups) out += describe(type, values);
  return out.empty() ? "no tiles\n" : out;
}

} // namespace tcodegen::gpu
