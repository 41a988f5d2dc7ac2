// SPDX-License-Identifier: MIT
// Files that are there whole or not at all: written under a temporary name in the same directory, synced,
// renamed. All calls go on after EINTR, and name the path and the system's reason when they fail.
#pragma once
#include "status.hh"
#include <cstddef>

namespace tessera {

/// The start of every temporary name; what begins so and is old may be deleted (its writer was killed).
inline constexpr char temporary_prefix[] = ".tessera-tmp-";

struct ByteSpan {
  const void *data = nullptr;
  size_t size = 0;
};

struct AtomicWrite {
  /// Permission bits before the umask; bits for writing by group and others are never set.
  uint32_t mode = 0644;
  /// fdatasync before the rename. Without it a power loss may leave the new name with torn contents.
  bool sync = true;
  /// Puts the new file in the place of whatever has the name (a link, a pipe), and looks at nothing first.
  bool replace_anything = false;
};

/// Replaces `path` by the parts, one after another. On failure nothing is left behind and an older file stays
/// as it was. A symbolic link is followed; what is there and is no regular file (a device, a pipe) is written
/// to directly, because a rename would replace it.
Status atomic_write(const std::string &path, const ByteSpan *parts, size_t count,
                    const AtomicWrite &how = {});
Status atomic_write(const std::string &path, const void *data, size_t size, const AtomicWrite &how = {});

/// The whole regular file; LIMIT when it is longer than `max_size`, NOT_FOUND when there is none.
Result<std::string> read_whole_file(const std::string &path, size_t max_size);

/// The same for any descriptor, at an offset: all `size` bytes, or the number that were there.
/// Returns -1 with errno set on failure.
int64_t read_at(int fd, void *data, size_t size, uint64_t offset);

/// "what PATH: reason" for the given errno, with the house's code for it (NOT_FOUND or IO).
Status errno_status(int error, const char *what, const std::string &path);

} // namespace tessera
