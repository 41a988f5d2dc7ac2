// SPDX-License-Identifier: MIT
// Who touched which byte of shared memory, and whether anything ordered it.
//
// `now` counts synchronisations of the program. An access is stamped with the time; clock[w].seen[v] is the time up to
// which warp w knows what warp v did (more exactly: everything of v stamped below it happened before what w does now).
// So a past access of thread u is ordered before one of thread t if t is u, or clock[warp of t].seen[warp of u] is
// beyond its stamp. A barrier of all makes everything known to all; a warp.sync within the warp; mbarriers and named
// barriers hand on what those who arrive know. Stamps of earlier programs lie below all clocks.
#include "machine.hh"
#include <cstring>

namespace tdriver::emu {

namespace {
uint32_t warp_of(uint16_t thread) { return (thread & ~uint32_t(several)) / warp_size; }
} // namespace

uint64_t Program::shared_bytes() const { return kernel->shared_bytes; }

void Program::reset_clocks() {
  if (!cells) return;
  if (now > 0xf0000000u) {
    std::memset(static_cast<void *>(cells), 0, sizeof(Cell) * abi::shared_window);
    now = 0;
  }
  base = now + 1;
  now = base + 1;
  for (Clock &c : clock)
    for (uint32_t &s : c.seen) s = base;
  for (uint32_t &f : fenced) f = base;
}

void Program::all_meet() {
  if (!cells) return;
  ++now;
  for (Clock &c : clock)
    for (uint32_t &s : c.seen) s = now;
}

void Program::warp_meets(uint32_t warp) {
  if (cells) clock[warp].seen[warp] = ++now;
}

void Program::release(uint32_t warp, Clock *to) {
  if (!cells) return;
  ++now;
  for (uint32_t i = 0; i <= max_warps; ++i) to->seen[i] = std::max(to->seen[i], clock[warp].seen[i]);
  to->seen[warp] = now;
}

void Program::acquire(uint32_t warp, const Clock &from) {
  if (!cells) return;
  for (uint32_t i = 0; i <= max_warps; ++i) clock[warp].seen[i] = std::max(clock[warp].seen[i], from.seen[i]);
}

Clock *Program::mbarrier_clock(const void *p) {
  uint32_t offset = uint32_t(static_cast<const char *>(p) - shared);
  for (auto &[at, c] : mbarrier_clocks)
    if (at == offset) return &c;
  mbarrier_clocks.push_back({offset, {}});
  return &mbarrier_clocks.back().second;
}

void Program::race(Thread *t, const char *what, const char *site, const Cell *cell, const char *other_did,
                   const char *other_site, uint32_t other) {
  other &= ~uint32_t(several);
  std::string who = other == async_writer ? std::string("the asynchronous copy") : tessera::format("thread %u", other);
  stop(t, tessera::format("shared memory race at byte %lld: thread %u %s it (%s), %s %s it%s%s%s, and nothing orders them",
                          (long long)(cell - cells) - (shared - window), t->head.tid, what, site, who.c_str(), other_did,
                          other_site ? " (" : "", other_site ? other_site : "", other_site ? ")" : ""));
}

/// A store that met another thread's store of the same bytes was one if it changed them.
void Program::settle() {
  if (!suspect.bytes) return;
  uint32_t bytes = suspect.bytes;
  suspect.bytes = 0;
  if (!std::memcmp(shared + suspect.offset, suspect.old, bytes)) return;
  uint32_t at = 0;
  while (shared[suspect.offset + at] == char(suspect.old[at])) ++at;
  race(&thread[suspect.tid], "writes", suspect.site, &cells[shared - window + suspect.offset + at], "wrote other data to",
       suspect.other_site, suspect.other);
}

void Program::access(Thread *t, const char *site, const void *p, uint32_t bytes, Access kind, uint32_t agent) {
  settle();
  if (!check_bounds(p, bytes)) [[unlikely]]
    stop(t, tessera::format("%s: %s %s %u bytes at %s, outside the %llu bytes of the launch", site, name_of(t).c_str(),
                            kind == read || kind >= matrix_read ? "reads" : "writes", bytes, place_of(p).c_str(),
                            (unsigned long long)shared_bytes()));
  if (!cells) return;
  const uint16_t me = agent == ~0u ? uint16_t(t->head.tid) : uint16_t(agent);
  const Clock &mine = clock[t->warp];
  const bool reads = kind == read || kind >= matrix_read;
  auto ordered = [&](uint16_t who, uint32_t stamp) {
    return who == me || mine.seen[std::min<uint32_t>(warp_of(who), async_agent)] > stamp;
  };
  Cell *c = cells + (static_cast<const char *>(p) - window), *end = c + bytes;
  bool conflict = false; // a store over an unordered store
  for (; c != end; ++c) {
    bool live = c->written > base, atomic_pair = kind == atomic && (c->flags & cell_atomic);
    if (live && (c->flags & cell_pending) && kind != end_copy)
      race(t, reads ? "reads" : "writes", site, c, "still copies to", c->site, c->writer);
    if (live && !atomic_pair && kind != end_copy && !ordered(c->writer, c->written)) {
      if (reads || kind == atomic || bytes > sizeof(suspect.old) || (c->flags & cell_atomic))
        race(t, reads ? "reads" : "writes", site, c, "wrote", c->site, c->writer);
      if (!conflict) suspect.other = c->writer, suspect.other_site = c->site;
      conflict = true;
    }
    if (kind == matrix_read || kind == async_read) {
      // Through the asynchronous proxy, which sees generic writes only behind a fence.
      if (live && c->writer != async_writer && fenced[warp_of(c->writer)] <= c->written && fenced[t->warp] <= c->written)
        race(t, "reads", site, c, "wrote, without a fence.async since,", c->site, c->writer);
    }
    if (reads) {
      int slot = c->read[0] > base && warp_of(c->reader[0]) != warp_of(me);
      bool more = c->read[slot] > base && warp_of(c->reader[slot]) == warp_of(me) && c->reader[slot] != me &&
                  mine.seen[std::min<uint32_t>(warp_of(me), async_agent)] <= c->read[slot];
      c->reader[slot] = uint16_t(me | (more ? several : 0));
      c->read[slot] = now;
      if (kind == matrix_read) c->flags |= cell_matrix;
      continue;
    }
    if (!atomic_pair && kind != end_copy)
      for (int r = 0; r < 2; ++r)
        if (c->read[r] > base && !ordered(c->reader[r], c->read[r]))
          race(t, kind == atomic ? "changes" : "writes", site, c, "read", nullptr, c->reader[r]);
    if (kind != end_copy && (c->flags & cell_matrix) && live)
      race(t, "writes", site, c, "reads with a wgmma not waited for", nullptr, c->reader[0]);
    c->written = now;
    c->writer = me;
    c->site = site;
    c->read[0] = c->read[1] = 0;
    c->flags = kind == atomic ? cell_atomic : kind == start_copy ? cell_pending : 0;
  }
  if (conflict && kind == write) {
    suspect.offset = uint32_t(static_cast<const char *>(p) - shared);
    suspect.bytes = bytes;
    suspect.tid = uint16_t(t->head.tid);
    suspect.site = site;
    std::memcpy(suspect.old, p, bytes);
  }
}

} // namespace tdriver::emu
