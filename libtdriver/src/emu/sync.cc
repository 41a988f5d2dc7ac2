// SPDX-License-Identifier: MIT
// What lanes and warps do together, and how a program ends early.
#include "imports.hh"
#include <cstring>

namespace tdriver::emu {

void barrier(Thread *t, const char *site, uint32_t id, uint32_t count, uint32_t arrive) {
  Program &p = *t->program;
  p.settle();
  if (id >= named_barriers || count > p.threads || count % warp_size)
    p.stop(t, tessera::format("%s: barrier %u for %u threads of %u", site, id, count, p.threads));
  NamedBarrier &b = p.barriers[id];
  uint32_t expected = count ? count : p.threads;
  if (!b.count) {
    b.expected = expected;
    b.site = site;
    std::memset(&b.known, 0, sizeof(b.known));
  } else if (b.expected != expected) {
    p.stop(t, tessera::format("%s: barrier %u for %u threads, but others wait there for %u (%s)", site, id, expected,
                              b.expected, b.site));
  }
  bool all = expected == p.threads;
  if (!all) p.release(t->warp, &b.known);
  t->barrier = uint8_t(id);
  if (++b.count < expected) {
    if (!arrive) p.block(t, State::barrier, site);
    return;
  }
  b.count = 0;
  ++p.events;
  p.spins = 0;
  if (all) p.all_meet();
  else if (!arrive) p.acquire(t->warp, b.known);
  for (uint32_t i = 0; i < p.threads; ++i) {
    Thread &o = p.thread[i];
    if (o.state != State::barrier || o.barrier != id) continue;
    if (!all) p.acquire(o.warp, b.known);
    p.wake(&o);
  }
}

void warp_sync(Thread *t, const char *site) {
  meet_warp(t, site, [t](Thread *) { t->program->warp_meets(t->warp); });
}

void fence(Thread *t, const char *site, uint32_t kind) {
  Program &p = *t->program;
  p.settle();
  if (abi::Fence(kind) == abi::Fence::async && p.cells) p.fenced[t->warp] = ++p.now;
  if (abi::Fence(kind) == abi::Fence::membar) __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint32_t shuffle(Thread *t, const char *site, uint32_t kind, uint32_t value, uint32_t operand) {
  t->in[0] = value;
  t->in[1] = operand;
  meet_warp(t, site, [kind](Thread *lanes) {
    for (uint32_t i = 0; i < warp_size; ++i) {
      uint32_t by = lanes[i].in[1], from = i;
      switch (abi::Shuffle(kind)) {
      case abi::Shuffle::bfly: from = i ^ by; break;
      case abi::Shuffle::idx: from = by & 31; break;
      case abi::Shuffle::up: from = i - by; break;
      case abi::Shuffle::down: from = i + by; break;
      }
      lanes[i].out = lanes[from < warp_size ? from : i].in[0];
    }
  });
  return t->out;
}

uint32_t ballot(Thread *t, const char *site, uint32_t bit) {
  t->in[0] = bit;
  meet_warp(t, site, [](Thread *lanes) {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < warp_size; ++i) mask |= (lanes[i].in[0] & 1) << i;
    for (uint32_t i = 0; i < warp_size; ++i) lanes[i].out = mask;
  });
  return t->out;
}

uint32_t redux(Thread *t, const char *site, uint32_t op, uint32_t value) {
  t->in[0] = value;
  meet_warp(t, site, [op](Thread *lanes) {
    uint32_t r = lanes[0].in[0];
    for (uint32_t i = 1; i < warp_size; ++i) r = uint32_t(combine(abi::AtomOp(op), abi::AtomType::i32, r, lanes[i].in[0]));
    for (uint32_t i = 0; i < warp_size; ++i) lanes[i].out = r;
  });
  return t->out;
}

void shared(Thread *t, const char *site, void *address, uint32_t bytes, uint32_t write) {
  t->program->access(t, site, address, bytes, write ? Program::write : Program::read);
}

void *global(Thread *t, const char *site, void *address, uint32_t bytes) {
  auto at = reinterpret_cast<uintptr_t>(address);
  bool power = !(bytes & (bytes - 1));
  if (at < 4096 || (power && bytes <= 16 && at % bytes)) [[unlikely]]
    t->program->stop(t, tessera::format("%s: %s: global access of %u bytes at address %p, which is %s", site,
                                        t->program->name_of(t).c_str(), bytes, address,
                                        at < 4096 ? "no memory" : "not aligned"));
  return address;
}

void spin(Thread *t) {
  t->program->settle();
  t->program->spin(t);
}

void record(Thread *t, uint32_t kind, uint32_t message, uint32_t location, uint64_t program) {
  Program &p = *t->program;
  if (p.recorded) return;
  p.recorded = true;
  p.record = {kind, message, location, {p.grid[0], p.grid[1], p.grid[2]}, program};
}

/// Elements of prints come one by one; a tile that is whole goes out, in the order in which the program began them.
void print(Thread *t, uint32_t message, uint32_t element, uint32_t count, uint32_t bytes, uint64_t value) {
  Program &p = *t->program;
  Print *open = nullptr;
  for (Print &q : p.prints)
    if (q.message == message && (!count || !q.have[element])) {
      open = &q;
      break;
    }
  if (!open || !count) {
    p.prints.push_back({message, count, count, {}, {}});
    open = &p.prints.back();
    open->have.resize(count);
    open->values.resize(size_t(count) * bytes);
  }
  if (count && element < count) {
    open->have[element] = true;
    --open->missing;
    std::memcpy(open->values.data() + size_t(element) * bytes, &value, bytes);
  }
  while (!p.prints.empty() && !p.prints.front().missing) {
    const Print &q = p.prints.front();
    const cpu::Job &job = *p.machine->host->job;
    job.host->print(job.kernel->owner, p.grid, q.message, p.linear, q.values.data(), q.count);
    p.prints.pop_front();
  }
}

void trap(Thread *t, const char *site) {
  Program &p = *t->program;
  p.stop(t, tessera::format("%s: %s traps", site, p.name_of(t).c_str()));
}

uint64_t clock(Thread *, uint32_t which) {
  return which ? uint64_t(cpu::now()) : __builtin_ia32_rdtsc();
}

} // namespace tdriver::emu
