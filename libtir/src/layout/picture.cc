// SPDX-License-Identifier: MIT
#include "picture.hh"
#include "common/status.hh"
#include <algorithm>
#include <bit>

namespace tir {

namespace {

bool onlyOf(const LinearLayout &l, bool shared) {
  for (const DimBits &d : l.in())
    if (isTensorDim(d.dim) || (d.dim == Dim::Offset) != shared) {
      if (d.dim != Dim::Block) return false;
    }
  return true;
}
bool isShared(const LinearLayout &l) { return onlyOf(l, true) && l.hasIn(Dim::Offset); }
bool isThreads(const LinearLayout &l) { return onlyOf(l, false); }

/// `12:3` (thread 12, register 3), with the CTA in front where there are several; an offset alone for memory; the flat
/// place for what is neither.
std::string place(const LinearLayout &l, uint64_t flat) {
  auto of = [&](Dim d) {
    unsigned n = l.inBits(d);
    return n ? flat >> l.inStart(d) & ((uint64_t(1) << n) - 1) : 0;
  };
  std::string s;
  if (!isShared(l) && !isThreads(l)) return std::to_string(flat);
  if (l.inBits(Dim::Block)) s += "c" + std::to_string(of(Dim::Block)) + ".";
  if (isShared(l)) return s + std::to_string(of(Dim::Offset));
  return s + std::to_string(of(Dim::Warp) << l.inBits(Dim::Lane) | of(Dim::Lane)) + ":" + std::to_string(of(Dim::Register));
}

std::string element(const LinearLayout &l, uint64_t flat) {
  std::string s = "(";
  for (size_t i = 0; i < l.out().size(); ++i) s += (i ? "," : "") + std::to_string(l.coordinate(flat, l.out()[i].dim));
  return s + ")";
}

void cell(std::string &out, const std::string &text, size_t width) {
  out += ' ';
  out.append(width > text.size() ? width - text.size() : 0, ' ');
  out += text;
}

} // namespace

std::string tensorPicture(const LinearLayout &l) {
  uint64_t count = uint64_t(1) << l.outBits(), places = uint64_t(1) << l.inBits();
  std::vector<uint64_t> first(count, ~uint64_t(0));
  std::vector<uint32_t> holders(count, 0);
  for (uint64_t x = 0; x < places; ++x) {
    uint64_t y = l.apply(x);
    if (!holders[y]++) first[y] = x;
  }
  std::vector<std::string> cells;
  size_t width = 0;
  for (uint64_t y = 0; y < count; ++y) {
    std::string s = holders[y] ? place(l, first[y]) : "-";
    if (holders[y] > 1) s += "+" + std::to_string(holders[y] - 1);
    width = std::max(width, s.size());
    cells.push_back(std::move(s));
  }
  size_t rank = l.out().size();
  unsigned col_bits = rank ? l.out()[rank - 1].bits : 0, row_bits = rank > 1 ? l.out()[rank - 2].bits : 0;
  uint64_t cols = uint64_t(1) << col_bits, rows = uint64_t(1) << row_bits;
  if (rank == 1 && cols > 32) { // one dimension: lines of 32
    rows = cols / 32;
    cols = 32;
  }
  std::string out = isShared(l) ? "each element's offset" : isThreads(l) ? "each element's thread:register" : "each element's place";
  out += " (+n: n more hold it)\n";
  for (uint64_t y = 0; y < count; ++y) {
    if (rank > 2 && y % (rows * cols) == 0) {
      out += '[';
      for (size_t i = 0; i + 2 < rank; ++i) out += std::to_string(l.coordinate(y, l.out()[i].dim)) + ", ";
      out += ":, :]\n";
    }
    cell(out, cells[y], width);
    if (y % cols == cols - 1) out += '\n';
  }
  return out;
}

std::string hardwarePicture(const LinearLayout &l) {
  uint64_t places = uint64_t(1) << l.inBits();
  size_t width = 0;
  for (uint64_t x = 0; x < places; ++x) width = std::max(width, element(l, l.apply(x)).size());
  // The registers of a thread are neighbours only if they come first.
  bool threads = isThreads(l);
  LinearLayout m = threads ? l.withInputs({Dim::Register, Dim::Lane, Dim::Warp, Dim::Block}) : l;
  uint64_t line = threads ? uint64_t(1) << m.inBits(Dim::Register) : 16;
  std::string out = isShared(l) ? "elements by offset\n" : threads ? "elements by thread: registers in order\n" : "elements by place\n";
  for (uint64_t x = 0; x < places; ++x) {
    if (x % line == 0) {
      std::string head = place(m, x);
      out += threads ? "thread " + head.substr(0, head.find(':')) : head;
      out += ':';
    }
    cell(out, element(m, m.apply(x)), width);
    if (x % line == line - 1 || x + 1 == places) out += '\n';
  }
  return out;
}

bool bankUse(const LinearLayout &shared, const LinearLayout &distributed, unsigned elementBits, unsigned vector, BankUse *out,
             std::string *why) {
  auto fail = [&](std::string text) { return *why = std::move(text), false; };
  uint64_t bits = uint64_t(elementBits) * vector;
  if (!vector || !std::has_single_bit(vector)) return fail("the vector width must be a power of two");
  if (elementBits < 8 || !std::has_single_bit(elementBits) || bits > 128)
    return fail(tessera::format("an access of %u elements of %u bits: expected elements of whole bytes and at most 128 bits", vector,
                                elementBits));
  if (!shared.hasIn(Dim::Offset)) return fail("the first layout is not one of memory (it has no dimension 'offset')");
  if (!distributed.hasIn(Dim::Lane)) return fail("the second layout is not distributed over lanes");
  if (shared.out() != distributed.out()) return fail("the layouts are not of tensors of one shape");
  if (!shared.isSurjective()) return fail("the memory does not hold every element");
  LinearLayout map = distributed.invertAndCompose(shared); // place → (block, offset)
  unsigned wide = map.outBits(Dim::Offset);
  Columns regs;
  for (uint64_t c : map.columnsOf(Dim::Register)) regs.push_back(map.coordinate(c, Dim::Offset));
  for (uint64_t o = 1; o < vector; o *= 2)
    if (o >> wide || std::find(regs.begin(), regs.end(), o) == regs.end())
      return fail(tessera::format("no register bit leads to the next %llu elements in memory: a thread does not hold %u in a row",
                                  static_cast<unsigned long long>(o), vector));
  for (uint64_t c : map.columns()) {
    uint64_t o = map.coordinate(c, Dim::Offset);
    if (o % vector && o >= vector) // a thread's elements would lie in another order
      return fail(tessera::format("some threads do not hold %u elements in a row: the memory permutes them", vector));
  }
  // Other registers and warps xor one constant into all offsets, which permutes banks: register 0 stands for all.
  unsigned bytes = static_cast<unsigned>(bits / 8), words = std::max(1u, bytes / 4);
  unsigned lanes = 1u << map.inBits(Dim::Lane), group = std::max(1u, lanes / words);
  *out = {};
  for (unsigned from = 0; from < lanes; from += group) {
    std::vector<std::vector<uint64_t>> banks(32);
    for (unsigned lane = from; lane < from + group; ++lane) {
      uint64_t flat = map.apply(uint64_t(lane) << map.inStart(Dim::Lane));
      uint64_t byte = map.coordinate(flat, Dim::Offset) * (elementBits / 8);
      for (unsigned w = 0; w < words; ++w) {
        uint64_t word = byte / 4 + w;
        std::vector<uint64_t> &b = banks[word % 32];
        if (std::find(b.begin(), b.end(), word) == b.end()) b.push_back(word); // one word serves all who want it
      }
    }
    size_t most = 0;
    for (const auto &b : banks) most = std::max(most, b.size());
    out->wavefronts += static_cast<unsigned>(most);
    ++out->least;
  }
  return true;
}

} // namespace tir
