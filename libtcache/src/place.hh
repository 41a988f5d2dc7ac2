// SPDX-License-Identifier: MIT
// Where a cache directory lies and how far it is trusted.
#pragma once
#include "common/status.hh"

namespace tcache {

enum class Access : uint32_t { OFF, READ, WRITE };

struct Place {
  std::string dir; // absolute, without a slash at its end; "" when there is none
  Access access = Access::OFF;
  std::string note;  // why not WRITE; "" when WRITE
  bool warn = false; // the note is news to the user, not what they asked for
  uint32_t owner = 0;
};

enum class Use : uint32_t { WRITE, READ_ONLY, UPPER };

/// $TESSERA_CACHE_DIR, else $XDG_CACHE_HOME/tessera, else $HOME/.cache/tessera; NOT_FOUND when none is set.
tessera::Result<std::string> default_dir();

/// Looks at a directory (and for Use::WRITE makes it) and decides what it may be used for.
Place open_place(const std::string &dir, Use use);

/// mkdir -p with permissions for the user alone.
tessera::Status make_directories(const std::string &path);

/// May an entry file with this owner and mode be believed, in a directory of that owner?
bool trusted_file(uint32_t file_owner, uint32_t mode, uint32_t dir_owner);

} // namespace tcache
