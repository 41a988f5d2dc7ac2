// SPDX-License-Identifier: MIT
// The layers put together, and single flight among the threads of a process.
#pragma once
#include "disk.hh"
#include <atomic>
#include <string>
#include <vector>

namespace tcache {

enum class Source : uint32_t { BUILD, MEMORY, DISK, UPPER, THREAD };

struct StoreOptions {
  std::string dir;                                           // "": the default directory
  uint64_t max_bytes = 0, max_entries = 0, memory_bytes = 0; // 0: knob, then its default
  bool read_only = false, no_disk = false, no_memory = false, no_sync = false;
  std::vector<std::string> upper;
  tessera::LogSink log;
  int64_t (*now_ns)() = nullptr;
};

/// What a build callback fills.
struct Build {
  std::string bytes, message;
  bool too_long = false;
};
using BuildFn = int32_t (*)(void *user, Build *build);

struct Counters {
  std::atomic<uint64_t> memory_hits{0}, disk_hits{0}, upper_hits{0}, thread_hits{0}, misses{0}, builds{0},
      failed_builds{0}, puts{0}, failed_puts{0}, quarantined{0}, evicted{0};
};

struct StoreSizes {
  Totals disk, memory;
  uint64_t quarantine_entries = 0, upper_count = 0;
};

class Store {
public:
  explicit Store(StoreOptions options);
  ~Store();
  Store(const Store &) = delete;
  Store &operator=(const Store &) = delete;

  tessera::Status get(const Key &key, BlobRef *out);
  tessera::Status put(const Key &key, const void *data, size_t size);
  tessera::Status get_or_build(const Key &key, BuildFn build, void *user, BlobRef *out, Source *source);
  tessera::Status remove(const Key &key);
  tessera::Status clear();
  tessera::Status sizes(StoreSizes *out);
  const Counters &counters();
  const StoreOptions &options() const { return options_; }
  /// The directory, then the upper directories.
  const std::vector<DiskLayer> &layers() const { return layers_; }
  const DiskLayer &disk() const { return layers_[0]; }
  /// Counts a bad entry that was met outside of get.
  void count_quarantined();

private:
  struct Live; // all that changes: lock, memory layer, flights, counters
  struct Flight;

  Live &live();
  tessera::Status load(Live &live, const Key &key, BlobRef *out, Source *source);
  void put_counted(Live &live, const Key &key, const void *data, size_t size, tessera::Status *status);

  StoreOptions options_;
  std::vector<DiskLayer> layers_;
  std::atomic<Live *> live_;
};

} // namespace tcache
