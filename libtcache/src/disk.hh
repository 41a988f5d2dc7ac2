// SPDX-License-Identifier: MIT
// One directory of entries. No locks between processes or threads: an entry appears whole by a rename, is
// checked whole on every read, and losing a race costs a miss. All work is by path, no descriptor is kept
// open, so a host that closes all descriptors, forks, or deletes the directory meanwhile does no harm.
//
//   DIR/<64 hex digits>   entries; the modification time is the logical time of last use
//   DIR/usage             estimate of the totals (usage.cc), so that a put need not read the whole directory
//   DIR/clock             empty; its modification time is the largest time of use given out
//   DIR/quarantine/       bad entries, bounded
//   DIR/.tessera-tmp-*    entries being written; deleted when old
#pragma once
#include "blob.hh"
#include "common/log.hh"
#include "entry.hh"
#include "place.hh"
#include <vector>

namespace tcache {

struct DiskOptions {
  uint64_t max_bytes = 0, max_entries = 0;
  bool sync = true;
  tessera::LogSink log;
  int64_t (*now_ns)() = nullptr; // wall clock since 1970; tests make it jump
};

struct EntryFile {
  Key key;
  uint64_t size;
  int64_t stamp;
};

struct Totals {
  uint64_t entries = 0, bytes = 0;
};

class DiskLayer {
public:
  DiskLayer(Place place, const DiskOptions &options) : place_(std::move(place)), options_(options) {}

  const Place &place() const { return place_; }
  bool readable() const { return place_.access != Access::OFF; }
  bool writable() const { return place_.access == Access::WRITE; }

  /// NOT_FOUND: no entry. CORRUPT: a bad one, now in quarantine (where we may write). IO: cannot be read, or
  /// not ours to trust.
  tessera::Status load(const Key &key, BlobRef *out) const;
  /// Publishes the entry, then keeps the bounds; *evicted is the number of entries that this deleted.
  tessera::Status store(const Key &key, const void *data, size_t size, uint64_t *evicted) const;
  /// Marks an entry as used now. Best effort.
  void touch(const Key &key) const;
  tessera::Status remove(const Key &key) const;
  tessera::Status clear() const;
  /// All entries, the most recently used first; none when there is no directory.
  tessera::Status list(std::vector<EntryFile> *out) const;
  tessera::Status prune(uint64_t max_bytes, uint64_t max_entries, Totals *removed) const;
  /// The check behind load, without touching or quarantining anything.
  tessera::Status check(const Key &key) const;
  void quarantine(const Key &key, const std::string &why) const;
  uint64_t quarantine_entries() const;
  std::string path_of(const Key &key) const { return place_.dir + "/" + tessera::to_hex(key); }

private:
  tessera::Status read(const Key &key, BlobRef *out, uint64_t *inode) const;
  void quarantine_file(const Key &key, uint64_t inode, const std::string &why) const;
  void bound_quarantine() const;
  int64_t next_stamp() const;
  void account(int64_t entries, int64_t bytes, uint64_t *evicted) const;
  tessera::Status scan(std::vector<EntryFile> *out) const;
  /// Deletes from the oldest on; `slack` goes a little below the bounds so that the next puts need no scan.
  tessera::Status shrink(std::vector<EntryFile> &files, uint64_t max_bytes, uint64_t max_entries, bool slack,
                         Totals *left, Totals *removed) const;
  void write_usage(const Totals &totals, uint64_t puts) const;

  Place place_;
  DiskOptions options_;
};

/// A directory's estimate of its totals, as stored in DIR/usage.
struct Usage {
  Totals totals;
  uint64_t puts = 0; // since the last scan
};
bool decode_usage(const void *bytes, size_t size, Usage *out);
std::string encode_usage(const Usage &usage);

int64_t wall_clock_ns();

} // namespace tcache
