// SPDX-License-Identifier: MIT
#include "memory.hh"
#include "tir/interp.h"
#include <algorithm>
#include <cstring>

namespace tir::interp {

void Memory::add(unsigned param, void *data, uint64_t size, uint32_t flags, uint8_t *shadow_out) {
  wanted.push_back({static_cast<uint8_t *>(data), size, flags, shadow_out, param});
}

void Memory::layout() {
  std::vector<Wanted> w = wanted;
  std::stable_sort(w.begin(), w.end(), [](const Wanted &a, const Wanted &b) { return a.data < b.data; });
  for (const Wanted &x : w) {
    Buffer *last = buffers.empty() ? nullptr : &buffers.back();
    bool overlaps = last && x.data && last->data &&
                    (x.data == last->data || (x.size && x.data < last->data + last->size));
    if (!overlaps) {
      buffers.emplace_back();
      last = &buffers.back();
      last->data = x.data;
    }
    last->size = std::max<uint64_t>(last->size, x.data ? x.data + x.size - last->data : 0);
    last->params.push_back(x.param);
    if (x.flags & TIR_INTERP_OUTPUT || x.out) {
      size_t from = x.data - last->data;
      last->shadow.resize(last->size, TIR_SHADOW_INITIAL);
      if (x.flags & TIR_INTERP_OUTPUT)
        std::fill(last->shadow.begin() + from, last->shadow.begin() + from + x.size, TIR_SHADOW_UNWRITTEN);
    }
    const uint32_t ro = TIR_INTERP_READONLY;
    last->flags = overlaps ? ((last->flags | x.flags) & ~ro) | (last->flags & x.flags & ro) : x.flags;
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    Buffer &b = buffers[i];
    if (!b.shadow.empty()) b.shadow.resize(b.size, TIR_SHADOW_INITIAL);
    // low bits as on the host: alignment (and what a program may conclude from it) stays true
    b.base = tag + (uint64_t(i) << slot_bits) + (uint64_t(1) << (slot_bits - 1)) +
             (reinterpret_cast<uintptr_t>(b.data) & 0xffff);
  }
}

uint64_t Memory::address(const void *data) const {
  const uint8_t *p = static_cast<const uint8_t *>(data);
  for (const Buffer &b : buffers)
    if (p >= b.data && p <= b.data + b.size && (p < b.data + b.size || p == b.data))
      return b.base + (p - b.data);
  return 0;
}

Place Memory::findHost(uint64_t address) {
  const uint8_t *p = reinterpret_cast<const uint8_t *>(static_cast<uintptr_t>(address));
  size_t lo = 0, hi = buffers.size(); // sorted by data
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (buffers[mid].data <= p)
      lo = mid + 1;
    else
      hi = mid;
  }
  if (!lo) return {};
  Buffer &b = buffers[lo - 1];
  if (p >= b.data + b.size) return {};
  return {&b, static_cast<uint64_t>(p - b.data)};
}

void Memory::finish() {
  for (const Wanted &x : wanted) {
    if (!x.out) continue;
    for (const Buffer &b : buffers)
      if (x.data >= b.data && x.data + x.size <= b.data + b.size && !b.shadow.empty()) {
        std::memcpy(x.out, b.shadow.data() + (x.data - b.data), x.size);
        break;
      }
  }
}

/// Cells become smaller; each new one starts with what the old one knew.
void RaceShadow::split(Shadow &s, unsigned granule) {
  unsigned parts = s.granule / granule;
  std::unordered_map<uint64_t, std::vector<Cell>> pages;
  for (auto &[number, cells] : s.pages)
    for (uint64_t i = 0; i < page_cells * parts; ++i) {
      uint64_t at = number * page_cells * parts + i;
      std::vector<Cell> &page = pages[at / page_cells];
      if (page.empty()) page.resize(page_cells);
      page[at % page_cells] = cells[i / parts];
    }
  s.pages = std::move(pages);
  s.granule = granule;
}

void RaceShadow::addReader(Cell &c, const Epoch &mine) {
  if (!c.read.time || c.read.program == mine.program) {
    c.read = mine;
    return;
  }
  if (!c.more) {
    c.more = static_cast<uint32_t>(readers.size());
    readers.emplace_back();
  }
  for (Epoch &e : readers[c.more])
    if (e.program == mine.program) {
      e = mine;
      return;
    }
  readers[c.more].push_back(mine);
}

bool RaceShadow::access(const Place &place, unsigned n, uint32_t program, const Clock &now, bool write,
                        bool atomic, uint32_t op, Race *race) {
  Shadow &s = shadows[place.buffer];
  unsigned fits = n;
  while (place.offset & (fits - 1)) fits /= 2; // misaligned: smaller cells
  if (!s.granule) s.granule = fits;
  if (fits < s.granule) split(s, fits);
  bool found = false;
  auto conflict = [&](const Epoch &e, bool first_write) {
    if (!e.time || e.program == program || (atomic && e.atomic) || now.at(e.program) >= e.time) return;
    if (!found) *race = {e.op, e.program, first_write};
    found = true;
  };
  Epoch mine{program, now.at(program), op, atomic};
  for (uint64_t at = place.offset / s.granule, end = (place.offset + n + s.granule - 1) / s.granule; at < end;
       ++at) {
    std::vector<Cell> &page = s.pages[at / page_cells];
    if (page.empty()) page.resize(page_cells);
    Cell &c = page[at % page_cells];
    conflict(c.write, true);
    conflict(c.atomic_write, true);
    if (!write) {
      addReader(c, mine);
      continue;
    }
    conflict(c.read, false);
    for (const Epoch &e : readers[c.more]) conflict(e, false);
    if (atomic) {
      c.atomic_write = mine;
    } else {
      c.write = mine;
      c.read = Epoch{};
      if (c.more) readers[c.more].clear();
    }
  }
  return found;
}

} // namespace tir::interp
