// SPDX-License-Identifier: MIT
// Running chunks of one launch. Shared by the pool (who runs them) and launch.cc (what a call into the image
// is).
#pragma once
#include "pool.hh"

namespace tdriver::cpu {

/// How far a launch is, and the record that stopped it. Programs start in increasing order, so the record
/// with the lowest program is the same whatever the number of threads.
class Progress {
public:
  void reset();
  /// Takes the next chunk; false when there is none.
  bool take(const Job &job, uint64_t *first, uint64_t *last);
  void stop(const Job &job, const tdriver_record &record, std::string text = {});
  /// All programs were handed out and none stopped.
  bool complete(const Job &job) const;
  /// After all threads are done.
  Outcome outcome() const;

private:
  std::atomic<uint64_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex lock_;
  tdriver_record record_ = {};
  std::string text_;
};

/// What `host` of a call points to.
struct Call {
  const Job *job;
  bool recorded;
  tdriver_record record;
  std::string text = {}; // a sentence instead of a message of the kernel's
};

/// Runs the next chunk; false when there was none, or no memory for the arena (*memory false).
bool run_chunk(const Job &job, Progress &progress, Arena &arena, bool *memory);
/// Runs chunks until there are none; false when there is no memory for the arena.
bool run_chunks(const Job &job, Progress &progress, Arena &arena);

} // namespace tdriver::cpu
