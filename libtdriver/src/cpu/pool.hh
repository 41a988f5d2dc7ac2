// SPDX-License-Identifier: MIT
// The thread pool of a CPU device: a launch runs on the thread that asks for it, and workers join.
//
// A launch takes one of 64 slots, opens it, and hands out programs in increasing order from an atomic
// counter, in chunks. Every thread runs its chunk in order, so the lowest unfinished program is always
// running or next in its thread: programs that wait for lower ones, or for a lock, cannot deadlock. Workers
// spin for a few microseconds before they sleep, because waking a sleeper costs more than a small launch.
#pragma once
#include "common/status.hh"
#include "tdriver/backend.h"
#include <atomic>
#include <mutex>
#include <pthread.h>
#include <string>
#include <vector>

namespace tdriver::cpu {

struct Kernel;

/// Grows at fork in the child; objects with threads or locks compare it with the value they were made in.
uint32_t fork_generation();
void watch_forks();

void futex_wait(std::atomic<uint32_t> &word, uint32_t value);
void futex_wake(std::atomic<uint32_t> &word, int count);
void pause_cpu();
/// Nanoseconds of the monotonic clock.
int64_t now();

/// One thread's scratch, grown to the need of the kernels that it meets.
class Arena {
public:
  Arena() = default;
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;
  ~Arena();
  /// At least so many bytes so aligned; NULL when `bytes` is 0 or there is no memory.
  void *get(uint64_t bytes, uint32_t alignment);

private:
  void *memory_ = nullptr;
  uint64_t bytes_ = 0, alignment_ = 0;
};

/// One launch.
struct Job {
  const Kernel *kernel = nullptr;
  const tdriver_host *host = nullptr;
  const void *params = nullptr;
  uint32_t grid[3] = {0, 0, 0};
  uint64_t programs = 0, chunk = 1;
};

/// What became of it.
struct Outcome {
  enum Kind { done, stopped, no_memory } kind = done;
  tdriver_record record = {};
  std::string text = {}; // stopped: why, if not by the record
};

/// Queued work that a worker runs.
struct Task {
  Task *next_task = nullptr;
  void (*run)(Task *) = nullptr;
};

class Pool {
public:
  /// `width`: threads that one launch may use, the calling one included. Starts none yet. `spin`: whether
  /// there are CPUs enough that a waiting thread does not take one from a working thread.
  Pool(uint32_t width, bool spin) : width_(width), spin_(spin), generation_(fork_generation()) {}
  ~Pool();
  uint32_t width() const { return width_; }

  /// Runs a launch on the calling thread, with the workers' help, and returns when all of it is done.
  Outcome run(Job job);
  /// Gives a task to a worker; false when no thread can be had.
  bool schedule(Task *task);

private:
  struct Slot;
  struct Worker;
  static constexpr uint32_t slot_count = 64;

  void check_fork();
  bool start_workers(uint32_t wanted);
  static void *worker_main(void *pool);
  void work();
  bool help(Arena &arena);
  Task *pop_task();
  void publish(Slot &slot, uint32_t index, uint32_t helpers);
  void finish(Slot &slot);
  Outcome run_alone(const Job &job);
  Outcome run_shared(Slot &slot, uint32_t index, uint32_t width);
  Slot *slots();

  const uint32_t width_;
  const bool spin_;
  std::atomic<uint32_t> generation_;
  std::atomic<Slot *> slots_{nullptr};
  alignas(64) std::atomic<uint64_t> used_{0};   // slots that a launch owns
  alignas(64) std::atomic<uint64_t> active_{0}; // slots that workers should look at
  alignas(64) std::atomic<uint32_t> epoch_{0};  // grows with every publication; sleepers wait on it
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> queued_{0}; // tasks
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> started_{0};
  std::mutex lock_; // below, and starting threads
  std::vector<pthread_t> threads_;
  Task *first_task_ = nullptr, *last_task_ = nullptr;
};

} // namespace tdriver::cpu
