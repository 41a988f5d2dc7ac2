// SPDX-License-Identifier: MIT
// Fibers and their order. x86-64 System V only, like the images.
#include "machine.hh"
#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

extern "C" {
/// Saves the callee-saved registers and the stack pointer, goes on at another.
void tdriver_emu_switch(void **save, void *to);
void tdriver_emu_start();
[[gnu::used]] void tdriver_emu_fiber(tdriver::emu::Thread *t);
}

#if defined(__x86_64__)
asm(R"(
  .text
  .p2align 4
  .hidden tdriver_emu_switch
  .globl tdriver_emu_switch
  .type tdriver_emu_switch,@function
tdriver_emu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size tdriver_emu_switch,.-tdriver_emu_switch
  .p2align 4
  .hidden tdriver_emu_start
  .globl tdriver_emu_start
  .type tdriver_emu_start,@function
tdriver_emu_start:
  movq %r12, %rdi
  call tdriver_emu_fiber
  ud2
  .size tdriver_emu_start,.-tdriver_emu_start
  .section .note.GNU-stack,"",@progbits
  .text
)");
#else
void tdriver_emu_switch(void **, void *) {}
void tdriver_emu_start() {}
#endif

namespace tdriver::emu {
namespace {

constexpr size_t stack_bytes = 128 * 1024, guard_bytes = 4096; // touched pages only take memory
constexpr uint32_t most_resident = 64;
constexpr int64_t patience = 20'000'000'000; // ns without progress before a wait is called endless

char *map(size_t bytes, int flags) {
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<char *>(p);
}

/// A window aligned to its size, below 4 GiB if there is room.
char *map_window() {
  constexpr size_t size = abi::shared_window;
  char *p = map(2 * size, MAP_32BIT);
  if (!p) p = map(2 * size, 0);
  if (!p) return nullptr;
  char *aligned = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(p) + size - 1) & ~(size - 1));
  if (aligned > p) munmap(p, size_t(aligned - p));
  if (aligned + size < p + 2 * size) munmap(aligned + size, size_t(p + 2 * size - aligned - size));
  return aligned;
}

} // namespace

Program::~Program() {
  if (window) munmap(window, abi::shared_window);
  if (stacks) munmap(stacks, stack_count * stack_bytes);
  if (cells) munmap(cells, sizeof(Cell) * abi::shared_window);
}

Status Program::prepare(uint32_t count, bool checks) {
  if (!window && !(window = map_window())) return fail(Code::IO, "no memory for emulated shared memory");
  shared = window + abi::shared_begin;
  if (stack_count < count) {
    if (stacks) munmap(stacks, stack_count * stack_bytes);
    stacks = map(count * stack_bytes, 0);
    stack_count = stacks ? count : 0;
    if (!stacks) return fail(Code::IO, "no memory for %u emulated threads", count);
    for (uint32_t i = 0; i < count; ++i) mprotect(stacks + i * stack_bytes, guard_bytes, PROT_NONE);
    thread = std::make_unique<Thread[]>(count);
  }
  if (checks && !cells) {
    cells = reinterpret_cast<Cell *>(map(sizeof(Cell) * abi::shared_window, 0));
    if (!cells) return fail(Code::IO, "no memory for the history of shared memory");
    now = base = 0;
  }
  return {};
}

void Program::begin() {
  threads = kernel->threads;
  live = threads;
  ring_first = ring_size = 0;
  spins = 0;
  events = 0;
  failure.clear();
  recorded = false;
  prints.clear();
  loads.clear();
  mbarrier_clocks.clear();
  matrix_reads.clear();
  suspect.bytes = 0;
  for (uint32_t &b : batches) b = 0;
  for (Meeting &m : warps) m = {};
  for (Meeting &m : groups) m = {};
  for (NamedBarrier &b : barriers) b = {};
  uint64_t words = (uint64_t(kernel->shared_bytes) + 7) / 8;
  for (uint64_t i = 0; i < words; ++i) std::memcpy(shared + 8 * i, &abi::poison, 8);
  reset_clocks();
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stacks, stack_count * stack_bytes); // of fibers that were left
#endif
  for (uint32_t i = 0; i < threads; ++i) {
    Thread &t = thread[i];
    t.head = {i, {index[0], index[1], index[2]}, {grid[0], grid[1], grid[2]}, 0, shared};
    t.program = this;
    t.warp = uint16_t(i / warp_size);
    t.lane = uint16_t(i % warp_size);
    t.busy = t.copy_group = t.store_group = 0;
    t.copies.clear();
    t.stores.clear();
    auto *top = reinterpret_cast<void **>(stacks + (i + 1) * stack_bytes - 64);
    *--top = nullptr; // where the start would return to; keeps the stack aligned for its call
    *--top = nullptr;
    *--top = reinterpret_cast<void *>(tdriver_emu_start);
    *--top = nullptr; // rbp
    *--top = nullptr; // rbx
    *--top = &t;      // r12
    for (int r = 13; r <= 15; ++r) *--top = nullptr;
    t.sp = top;
    t.site = "its start";
    push(&t);
  }
}

void Program::push(Thread *t) {
  t->state = State::ready;
  ring[(ring_first + ring_size++) % max_threads] = uint16_t(t->head.tid);
}

Thread *Program::pop() {
  if (!ring_size) return nullptr;
  Thread *t = &thread[ring[ring_first]];
  ring_first = (ring_first + 1) % max_threads;
  --ring_size;
  return t;
}

void Program::wake(Thread *t) { push(t); }

Yield Program::resume() {
  Thread *t = pop();
  if (!t) {
    explain_deadlock();
    return Yield::failed;
  }
  tdriver_emu_switch(&host_sp, t->sp);
  if (yield == Yield::spinning && live && !ring_size) yield = Yield::failed, explain_deadlock();
  return yield;
}

void Program::block(Thread *t, State state, const char *site) {
  t->state = state;
  t->site = site;
  t->busy = 0;
  Thread *next = pop();
  if (next == t) return;
  if (next) return tdriver_emu_switch(&t->sp, next->sp);
  yield = Yield::spinning; // resume finds the ring empty and explains
  tdriver_emu_switch(&t->sp, host_sp);
}

void Program::spin(Thread *t) {
  t->busy = 0;
  push(t);
  if (++spins <= live) {
    Thread *next = pop();
    if (next == t) return;
    return tdriver_emu_switch(&t->sp, next->sp);
  }
  spins = 0;
  yield = Yield::spinning;
  tdriver_emu_switch(&t->sp, host_sp);
}

void Program::leave(Thread *t) {
  tdriver_emu_switch(&t->sp, host_sp);
  __builtin_unreachable();
}

void Program::stop(Thread *t, std::string text) {
  failure = std::move(text);
  yield = Yield::failed;
  leave(t);
}

std::string Program::name_of(const Thread *t) const {
  return tessera::format("thread %u (warp %u, lane %u)", t->head.tid, t->warp, t->lane);
}

std::string Program::place_of(const void *p) const {
  auto *c = static_cast<const char *>(p);
  if (c >= window && c < window + abi::shared_window)
    return tessera::format("shared memory byte %lld", (long long)(c - shared));
  return tessera::format("address %p", p);
}

void Program::explain_deadlock() {
  auto where = [&](const Thread &t) {
    return t.state == State::ended ? std::string("has ended") : tessera::format("waits in %s", t.site);
  };
  for (uint32_t w = 0; w < threads / warp_size; ++w) {
    if (!warps[w].count) continue;
    for (uint32_t i = 0; i < warp_size; ++i) {
      const Thread &t = thread[w * warp_size + i];
      if (t.state == State::warp) continue;
      failure = tessera::format("divergent collective: %u of 32 lanes of warp %u wait in %s, but lane %u %s",
                                warps[w].count, w, warps[w].site, i, where(t).c_str());
      return;
    }
  }
  for (uint32_t g = 0; g < threads / 128; ++g) {
    if (!groups[g].count) continue;
    for (uint32_t i = 0; i < 128; ++i) {
      const Thread &t = thread[g * 128 + i];
      if (t.state == State::group) continue;
      failure = tessera::format("divergent collective: %u of the 128 threads of warp group %u wait in %s, but %s %s",
                                groups[g].count, g, groups[g].site, name_of(&t).c_str(), where(t).c_str());
      return;
    }
  }
  for (uint32_t b = 0; b < named_barriers; ++b) {
    if (!barriers[b].count) continue;
    for (uint32_t i = 0; i < threads; ++i) {
      const Thread &t = thread[i];
      if (t.state == State::barrier && t.barrier == b) continue;
      failure = tessera::format("divergent collective: %u of %u threads came to %s (barrier %u), but %s %s",
                                barriers[b].count, barriers[b].expected, barriers[b].site, b, name_of(&t).c_str(),
                                where(t).c_str());
      return;
    }
  }
  for (uint32_t i = 0; i < threads; ++i) {
    const Thread &t = thread[i];
    if (t.state != State::mbarrier) continue;
    uint64_t word;
    std::memcpy(&word, t.mbarrier, 8);
    failure = tessera::format("%s waits in %s for the mbarrier at %s, phase of parity %u, which nobody completes "
                              "(%u arrivals and %d bytes are missing)",
                              name_of(&t).c_str(), t.site, place_of(t.mbarrier).c_str(), t.parity,
                              unsigned(word >> 1 & 0xfffff), int(int64_t(word) >> 41));
    return;
  }
  failure = "no thread can go on";
}

Machine::~Machine() = default;

bool Machine::run(const Kernel &k, const void *params, const tdriver_cpu_call &call, cpu::Call *host) {
  this->host = host;
  auto stopped = [&](uint64_t program, std::string text) {
    host->record = {0, UINT32_MAX, UINT32_MAX, {call.grid[0], call.grid[1], call.grid[2]}, program};
    host->recorded = true;
    host->text = std::move(text);
    return false;
  };
  std::string why;
  if (!fill_params(k, params, call, &why)) return stopped(call.first, std::move(why));
  uint64_t next = call.first;
  std::vector<Program *> resident;
  bool admit = true;
  uint64_t seen = 0;
  int64_t since = 0;
  while (next < call.last || !resident.empty()) {
    if (next < call.last && (resident.empty() || (admit && resident.size() < most_resident))) {
      Program *p = nullptr;
      for (auto &q : programs_)
        if (std::find(resident.begin(), resident.end(), q.get()) == resident.end()) p = q.get();
      if (!p) p = programs_.emplace_back(std::make_unique<Program>()).get();
      p->machine = this;
      p->kernel = &k;
      if (Status s = p->prepare(k.threads, k.checks); !s.ok()) return stopped(next, s.message);
      p->params = params_.data();
      p->linear = next++;
      std::memcpy(p->grid, call.grid, sizeof(p->grid));
      p->index[0] = uint32_t(p->linear % call.grid[0]);
      p->index[1] = uint32_t(p->linear / call.grid[0] % call.grid[1]);
      p->index[2] = uint32_t(p->linear / call.grid[0] / call.grid[1]);
      p->begin();
      resident.push_back(p);
    }
    admit = true;
    uint64_t events = 0;
    for (size_t i = 0; i < resident.size();) {
      Program *p = resident[i];
      Yield y = p->resume();
      events += p->events;
      if (y == Yield::failed) {
        if (p->recorded) {
          host->record = p->record;
          host->recorded = true;
          return false;
        }
        return stopped(p->linear, tessera::format("kernel %s, program (%u, %u, %u): %s", k.name.c_str(), p->index[0],
                                                  p->index[1], p->index[2], p->failure.c_str()));
      }
      if (y == Yield::done) {
        resident.erase(resident.begin() + ptrdiff_t(i));
        admit = false;
        seen = ~uint64_t(0);
      } else ++i;
    }
    // All spin: either the next program will let them go, or another host thread's, or nobody.
    if (resident.empty() || events != seen) {
      seen = resident.empty() ? ~uint64_t(0) : events;
      since = 0;
    } else if (next == call.last || resident.size() == most_resident) {
      int64_t time = cpu::now();
      if (!since) since = time;
      if (time - since > patience)
        return stopped(resident[0]->linear,
                       tessera::format("kernel %s: %zu programs, program %llu the first, wait without end", k.name.c_str(),
                                       resident.size(), (unsigned long long)resident[0]->linear));
    }
  }
  return true;
}

} // namespace tdriver::emu

void tdriver_emu_fiber(tdriver::emu::Thread *t) {
  using namespace tdriver::emu;
  Program &p = *t->program;
  p.kernel->body(p.params, t);
  p.settle();
  finish_stores(t, UINT32_MAX);
  t->state = State::ended;
  t->site = "its end";
  ++p.events;
  if (--p.live == 0) {
    p.yield = Yield::done;
    p.leave(t);
  }
  if (Thread *next = p.pop()) tdriver_emu_switch(&t->sp, next->sp);
  p.yield = Yield::spinning; // resume explains why none can run
  p.leave(t);
}
