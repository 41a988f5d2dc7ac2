// SPDX-License-Identifier: MIT
#include "cpu.hh"
#include "run.hh"
#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <linux/futex.h>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

namespace tdriver::cpu {

namespace {

constinit std::atomic<uint32_t> generation{0};
constinit std::atomic<bool> watching{false};

constexpr uint32_t open_bit = 0x80000000u; // a slot's state: open | helpers wanted << 16 | helpers inside
constexpr int64_t worth_waking = 5000;     // ns of work below which the workers are left alone
constexpr int64_t spin_time = 30000;       // ns of spinning before sleep

uint32_t inside(uint32_t state) { return state & 0xffff; }
uint32_t wanted(uint32_t state) { return (state & ~open_bit) >> 16; }

/// Spins until `ready` or the time is over.
template <class F> bool spin_until(bool spin, F ready) {
  if (!spin) return ready();
  int64_t end = now() + spin_time;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_cpu();
    }
  } while (now() < end);
  return ready();
}

} // namespace

uint32_t fork_generation() { return generation.load(std::memory_order_relaxed); }

void watch_forks() {
  if (!watching.exchange(true))
    pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
}

void futex_wait(std::atomic<uint32_t> &word, uint32_t value) {
  static_assert(sizeof(word) == 4);
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t> &word, int count) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

int64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

Arena::~Arena() { std::free(memory_); }

void *Arena::get(uint64_t bytes, uint32_t alignment) {
  if (!bytes) return nullptr;
  if (bytes <= bytes_ && alignment <= alignment_) return memory_;
  std::free(memory_);
  alignment_ = std::max<uint64_t>(std::max<uint64_t>(alignment, alignment_), 64);
  bytes_ = (std::max(bytes, bytes_) + alignment_ - 1) & ~(alignment_ - 1);
  memory_ = std::aligned_alloc(alignment_, bytes_);
  if (!memory_) bytes_ = 0;
  return memory_;
}

struct alignas(64) Pool::Slot {
  std::atomic<uint32_t> state{0};
  alignas(64) Progress progress;
  alignas(64) Job job;
  Arena arena; // the owner's
};

Pool::Slot *Pool::slots() {
  Slot *s = slots_.load(std::memory_order_acquire);
  if (s) return s;
  Slot *fresh = new Slot[slot_count];
  if (slots_.compare_exchange_strong(s, fresh, std::memory_order_acq_rel)) return fresh;
  delete[] fresh;
  return s;
}

Pool::~Pool() {
  check_fork();
  {
    std::lock_guard guard(lock_);
    stop_.store(true);
  }
  epoch_.fetch_add(1);
  futex_wake(epoch_, INT_MAX);
  for (pthread_t t : threads_) pthread_join(t, nullptr);
  delete[] slots_.load();
}

/// In a child the parent's threads do not exist, and what they held stays held: start from nothing.
void Pool::check_fork() {
  uint32_t mine = generation_.load(std::memory_order_acquire), current = fork_generation();
  if (mine == current) [[likely]]
    return;
  constexpr uint32_t rebuilding = UINT32_MAX;
  if (mine != rebuilding && generation_.compare_exchange_strong(mine, rebuilding)) {
    new (&lock_) std::mutex;
    threads_.clear();
    first_task_ = last_task_ = nullptr;
    started_ = sleepers_ = queued_ = 0;
    used_ = active_ = 0;
    slots_ = nullptr; // leaks the parent's: a slot may be in a state that nobody will end
    generation_.store(current, std::memory_order_release);
    return;
  }
  while (generation_.load(std::memory_order_acquire) == rebuilding) pause_cpu();
}

bool Pool::start_workers(uint32_t count) {
  if (started_.load(std::memory_order_acquire) >= count) return true;
  std::lock_guard guard(lock_);
  sigset_t all, before;
  sigfillset(&all); // the host's signal handlers run on the host's threads
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (threads_.size() < count && !stop_) {
    pthread_t t;
    if (pthread_create(&t, nullptr, worker_main, this)) break;
    pthread_setname_np(t, "tdriver");
    threads_.push_back(t);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  started_.store(uint32_t(threads_.size()), std::memory_order_release);
  return !threads_.empty();
}

void *Pool::worker_main(void *pool) {
  static_cast<Pool *>(pool)->work();
  return nullptr;
}

void Pool::work() {
  Arena arena;
  for (;;) {
    uint32_t seen = epoch_.load(std::memory_order_acquire);
    if (help(arena)) continue;
    if (Task *task = pop_task()) {
      task->run(task);
      continue;
    }
    if (stop_.load(std::memory_order_acquire)) return;
    if (spin_until(spin_, [&] { return epoch_.load(std::memory_order_acquire) != seen; })) continue;
    sleepers_.fetch_add(1);
    if (epoch_.load() == seen) futex_wait(epoch_, seen);
    sleepers_.fetch_sub(1);
  }
}

/// Joins one open launch; false when there is none to help with.
bool Pool::help(Arena &arena) {
  uint64_t mask = active_.load(std::memory_order_acquire);
  for (; mask; mask &= mask - 1) {
    int index = __builtin_ctzll(mask);
    Slot &slot = slots_.load(std::memory_order_acquire)[index];
    uint32_t s = slot.state.load(std::memory_order_relaxed);
    bool joined = false;
    while (!joined && (s & open_bit) && inside(s) < wanted(s))
      joined =
          slot.state.compare_exchange_weak(s, s + 1, std::memory_order_acquire, std::memory_order_relaxed);
    if (!joined) continue;
    run_chunks(slot.job, slot.progress, arena);
    // All programs are handed out (or this thread has no memory for an arena): nobody else needs to look
    // here. The owner cannot reuse the slot before this thread has left it.
    active_.fetch_and(~(uint64_t(1) << index), std::memory_order_relaxed);
    uint32_t before = slot.state.fetch_sub(1, std::memory_order_release);
    if (!(before & open_bit) && inside(before) == 1) futex_wake(slot.state, 1);
    return true;
  }
  return false;
}

void Pool::publish(Slot &slot, uint32_t index, uint32_t helpers) {
  slot.state.store(open_bit | helpers << 16, std::memory_order_release);
  active_.fetch_or(uint64_t(1) << index, std::memory_order_release);
  epoch_.fetch_add(1);
  if (uint32_t n = sleepers_.load()) futex_wake(epoch_, int(std::min(n, helpers)));
}

/// Lets nobody else in and waits for those inside.
void Pool::finish(Slot &slot) {
  slot.state.fetch_and(~open_bit, std::memory_order_acq_rel);
  auto empty = [&] { return inside(slot.state.load(std::memory_order_acquire)) == 0; };
  if (spin_until(spin_, empty)) return;
  for (uint32_t s; inside(s = slot.state.load(std::memory_order_acquire));) futex_wait(slot.state, s);
}

Outcome Pool::run_alone(const Job &job) {
  Progress progress;
  Arena arena;
  if (!run_chunks(job, progress, arena)) return {Outcome::no_memory, {}, {}};
  return progress.outcome();
}

Outcome Pool::run_shared(Slot &slot, uint32_t index, uint32_t width) {
  const Job &job = slot.job;
  const uint64_t estimate = uint64_t(job.kernel->picoseconds.load(std::memory_order_relaxed));
  const bool unknown = estimate == 0;
  const bool big = unknown || estimate > uint64_t(worth_waking) * 1000 / std::max<uint64_t>(job.programs, 1);
  const int64_t start = now();
  bool published = width > 1 && big, memory = true;
  slot.progress.reset();
  if (published) {
    start_workers(width - 1);
    publish(slot, index, width - 1);
    memory = run_chunks(job, slot.progress, slot.arena);
  } else {
    // Probably too little work to share; look at the clock after each chunk, for the estimate may be wrong.
    while (run_chunk(job, slot.progress, slot.arena, &memory)) {
      if (width == 1 || now() - start < worth_waking) continue;
      published = true;
      start_workers(width - 1);
      publish(slot, index, width - 1);
      memory = run_chunks(job, slot.progress, slot.arena);
      break;
    }
  }
  if (published) {
    finish(slot);
    active_.fetch_and(~(uint64_t(1) << index), std::memory_order_relaxed);
    slot.state.store(0, std::memory_order_relaxed);
  }
  Outcome outcome = slot.progress.outcome();
  // The helpers may have done all of it, so that a missing arena of this thread does not matter.
  if (!memory && !slot.progress.complete(job)) outcome.kind = Outcome::no_memory;
  if (outcome.kind == Outcome::done) {
    double threads = published ? width : 1;
    double each = double(now() - start) * 1000 * threads / double(job.programs);
    uint32_t fresh = uint32_t(std::min(std::max(each, 1.0), 4e9)), old = uint32_t(estimate);
    job.kernel->picoseconds.store(unknown || fresh > old ? fresh : old - (old - fresh) / 4,
                                  std::memory_order_relaxed);
  }
  return outcome;
}

Outcome Pool::run(Job job) {
  check_fork();
  uint32_t width = uint32_t(std::min<uint64_t>(width_, job.programs));
  job.chunk = std::min<uint64_t>(std::max<uint64_t>(job.programs / (uint64_t(width) * 16), 1), 1024);
  if (job.kernel->whole) width = 1, job.chunk = job.programs;
  if (job.programs == 1 && !job.kernel->arena_bytes) return run_alone(job);

  Slot *all = slots();
  uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (!~used) return run_alone(job); // 64 launches at once: this one gets no help
  } while (!used_.compare_exchange_weak(used, used | (~used & (used + 1)), std::memory_order_acquire,
                                        std::memory_order_relaxed));
  uint32_t index = uint32_t(__builtin_ctzll(~used));
  Slot &slot = all[index];
  slot.job = job;
  Outcome outcome = run_shared(slot, index, width);
  used_.fetch_and(~(uint64_t(1) << index), std::memory_order_release);
  return outcome;
}

bool Pool::schedule(Task *task) {
  check_fork();
  if (!start_workers(width_)) return false; // one more than a launch needs: the drain runs on one of them
  {
    std::lock_guard guard(lock_);
    task->next_task = nullptr;
    (last_task_ ? last_task_->next_task : first_task_) = task;
    last_task_ = task;
    queued_.fetch_add(1, std::memory_order_release);
  }
  epoch_.fetch_add(1);
  if (sleepers_.load()) futex_wake(epoch_, 1);
  return true;
}

Task *Pool::pop_task() {
  if (!queued_.load(std::memory_order_acquire)) return nullptr;
  std::lock_guard guard(lock_);
  Task *task = first_task_;
  if (!task) return nullptr;
  first_task_ = task->next_task;
  if (!first_task_) last_task_ = nullptr;
  queued_.fetch_sub(1, std::memory_order_relaxed);
  return task;
}

} // namespace tdriver::cpu
