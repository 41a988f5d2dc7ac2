// SPDX-License-Identifier: MIT
// cp.async, mbarriers, TMA. A copy is done as late as the rules allow: when somebody waits for it.
#include "imports.hh"
#include <cstring>

namespace tdriver::emu {

void cp_async(Thread *t, const char *site, void *to, const void *from, uint32_t bytes, uint32_t predicate) {
  Program &p = *t->program;
  if (reinterpret_cast<uintptr_t>(to) % bytes)
    p.stop(t, tessera::format("%s: %s: %s is not aligned to %u bytes", site, p.name_of(t).c_str(), p.place_of(to).c_str(), bytes));
  if (predicate) global(t, site, const_cast<void *>(from), bytes);
  p.access(t, site, to, bytes, Program::start_copy);
  t->copies.push_back({static_cast<char *>(to), static_cast<const char *>(from), bytes, t->copy_group, predicate != 0, site});
}

void cp_commit(Thread *t) { ++t->copy_group; }

void cp_wait(Thread *t, uint32_t pending) {
  Program &p = *t->program;
  p.settle();
  size_t n = 0;
  for (; n < t->copies.size() && t->copies[n].group + pending < t->copy_group; ++n) {
    const Copy &c = t->copies[n];
    if (c.real) std::memcpy(c.to, c.from, c.bytes);
    else std::memset(c.to, 0, c.bytes);
    p.access(t, c.site, c.to, c.bytes, Program::end_copy);
  }
  t->copies.erase(t->copies.begin(), t->copies.begin() + ptrdiff_t(n));
}

namespace {

/// An mbarrier as it lies in shared memory.
struct Word {
  uint64_t phase : 1, pending : 20, expected : 20;
  int64_t bytes : 23;
};
static_assert(sizeof(Word) == 8);

Word load(const void *p) {
  Word w;
  std::memcpy(&w, p, 8);
  return w;
}

/// After an arrival or bytes: the phase may be over.
void update(Program &p, void *address, Word w) {
  if (w.pending == 0 && w.bytes == 0) {
    w.phase ^= 1;
    w.pending = w.expected;
    ++p.events;
    p.spins = 0;
  }
  std::memcpy(address, &w, 8);
  for (uint32_t i = 0; i < p.threads; ++i) {
    Thread &o = p.thread[i];
    if (o.state == State::mbarrier && o.mbarrier == address && w.phase != o.parity) p.wake(&o);
  }
}

/// Calls f(offset in shared memory, address in global memory or NULL) for each element of the box.
template <class F> void each_element(const Transfer &x, F f) {
  const abi::TensorMap &m = *x.map;
  uint32_t i[5] = {}, offset = 0, mask = m.swizzle >= 32 ? m.swizzle / 16u - 1 : 0;
  auto place = reinterpret_cast<uintptr_t>(x.shared);
  for (;;) {
    uint64_t at = m.base;
    bool inside = true;
    for (uint32_t d = 0; d < m.rank; ++d) {
      int64_t c = int64_t(x.at[d]) + i[d];
      inside &= c >= 0 && uint64_t(c) < m.size[d];
      at += uint64_t(c) * (d ? m.stride[d - 1] : m.element_bytes);
    }
    uintptr_t to = place + offset;
    to ^= (to >> 7 & mask) << 4;
    f(reinterpret_cast<char *>(to), inside ? reinterpret_cast<char *>(at) : nullptr);
    offset += m.element_bytes;
    uint32_t d = 0;
    while (d < m.rank && ++i[d] == m.box[d]) i[d++] = 0;
    if (d == m.rank) return;
  }
}

uint32_t box_bytes(const abi::TensorMap &m) {
  uint32_t n = m.element_bytes;
  for (uint32_t d = 0; d < m.rank; ++d) n *= m.box[d];
  return n;
}

void do_load(Thread *t, const Transfer &x) {
  Program &p = *t->program;
  const uint32_t eb = x.map->element_bytes;
  each_element(x, [&](char *to, const char *from) {
    if (from) std::memcpy(to, from, eb);
    else std::memset(to, x.map->fill_nan ? 0xff : 0, eb);
  });
  uint32_t bytes = box_bytes(*x.map);
  p.access(t, x.site, x.shared, bytes, Program::end_copy, async_writer);
  if (p.cells) p.mbarrier_clock(x.barrier)->seen[async_agent] = ++p.now;
  Word w = load(x.barrier);
  w.bytes -= int(bytes);
  update(p, x.barrier, w);
}

/// Copies of this barrier, until its phase is over.
void advance(Thread *t, void *address, uint32_t parity) {
  Program &p = *t->program;
  for (size_t i = 0; i < p.loads.size() && load(address).phase == parity;) {
    if (p.loads[i].barrier != address) {
      ++i;
      continue;
    }
    Transfer x = p.loads[i];
    p.loads.erase(p.loads.begin() + ptrdiff_t(i));
    do_load(t, x);
  }
}

void advance_waiters(Thread *t, void *address) {
  Program &p = *t->program;
  for (uint32_t i = 0; i < p.threads; ++i) {
    Thread &o = p.thread[i];
    if (o.state == State::mbarrier && o.mbarrier == address) return advance(t, address, o.parity);
  }
}

Transfer transfer_of(Thread *t, const char *site, uint32_t rank, const void *map, void *shared, const int32_t *at) {
  Program &p = *t->program;
  Transfer x = {};
  x.map = static_cast<const abi::TensorMap *>(map);
  x.shared = static_cast<char *>(shared);
  x.rank = rank;
  x.site = site;
  x.tid = t->head.tid;
  std::memcpy(x.at, at, 4 * rank);
  if (x.map->rank != rank)
    p.stop(t, tessera::format("%s: the tensor map has rank %u", site, x.map->rank));
  if (reinterpret_cast<uintptr_t>(shared) % 128)
    p.stop(t, tessera::format("%s: %s is not aligned to 128 bytes", site, p.place_of(shared).c_str()));
  return x;
}

} // namespace

void mbarrier(Thread *t, const char *site, uint32_t op, void *address, uint32_t value, uint32_t predicate) {
  Program &p = *t->program;
  p.settle();
  if (!p.check_bounds(address, 8) || reinterpret_cast<uintptr_t>(address) % 8)
    p.stop(t, tessera::format("%s: %s: no mbarrier can lie at %s", site, p.name_of(t).c_str(), p.place_of(address).c_str()));
  if (!predicate) return;
  Word w = load(address);
  switch (abi::Barrier(op)) {
  case abi::Barrier::init:
    w = {0, value & 0xfffff, value & 0xfffff, 0};
    std::memcpy(address, &w, 8);
    return;
  case abi::Barrier::inval:
    std::memcpy(address, &abi::poison, 8);
    return;
  case abi::Barrier::expect_tx:
    w.bytes += int(value);
    [[fallthrough]];
  case abi::Barrier::arrive:
    if (!w.pending) p.stop(t, tessera::format("%s: one arrival too many at the mbarrier at %s", site, p.place_of(address).c_str()));
    --w.pending;
    if (p.cells) p.release(t->warp, p.mbarrier_clock(address));
    update(p, address, w);
    return advance_waiters(t, address);
  case abi::Barrier::wait_parity:
    advance(t, address, value & 1);
    if (load(address).phase == (value & 1)) {
      t->mbarrier = address;
      t->parity = value & 1;
      p.block(t, State::mbarrier, site);
    }
    if (p.cells) p.acquire(t->warp, *p.mbarrier_clock(address));
  }
}

void tma_load(Thread *t, const char *site, uint32_t rank, void *to, const void *map, void *bar, const int32_t *at,
              uint32_t predicate) {
  if (!predicate) return;
  Program &p = *t->program;
  Transfer x = transfer_of(t, site, rank, map, to, at);
  x.barrier = bar;
  p.access(t, site, to, box_bytes(*x.map), Program::start_copy, async_writer);
  p.loads.push_back(x);
  advance_waiters(t, bar);
}

void tma_store(Thread *t, const char *site, uint32_t rank, const void *map, void *from, const int32_t *at,
               uint32_t predicate) {
  if (!predicate) return;
  Transfer x = transfer_of(t, site, rank, map, from, at);
  x.group = t->store_group;
  t->program->access(t, site, from, box_bytes(*x.map), Program::async_read);
  t->stores.push_back(x);
}

void tma_commit(Thread *t) { ++t->store_group; }

void finish_stores(Thread *t, uint32_t last) {
  size_t n = 0;
  for (; n < t->stores.size() && t->stores[n].group < last; ++n)
    each_element(t->stores[n], [&](const char *from, char *to) {
      if (to) std::memcpy(to, from, t->stores[n].map->element_bytes);
    });
  t->stores.erase(t->stores.begin(), t->stores.begin() + ptrdiff_t(n));
}

void tma_wait(Thread *t, uint32_t pending) {
  t->program->settle();
  if (t->store_group >= pending) finish_stores(t, t->store_group - pending);
}

} // namespace tdriver::emu
