// SPDX-License-Identifier: MIT
#include "place.hh"
#include "common/atomic_file.hh"
#include "common/knobs.hh"
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tcache {

using tessera::Code;
using tessera::errno_status;
using tessera::fail;
using tessera::format;
using tessera::Result;
using tessera::Status;

Result<std::string> default_dir() {
  if (const char *dir = tessera::knob_set(tessera::Knob::CACHE_DIR)) return std::string(dir);
  // The base-directory rules say that relative values are to be ignored.
  if (const char *base = tessera::trusted_env("XDG_CACHE_HOME"); base && *base == '/')
    return std::string(base) + "/tessera";
  if (const char *home = tessera::trusted_env("HOME"); home && *home == '/')
    return std::string(home) + "/.cache/tessera";
  return fail(Code::NOT_FOUND, "no cache directory: TESSERA_CACHE_DIR, XDG_CACHE_HOME and HOME are not set "
                               "(or this is a set-id process)");
}

Status make_directories(const std::string &path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      int error = errno;
      struct stat st{};
      // A parent on a read-only file system, or one we may not write, is fine if it is there.
      if (::stat(part.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
        return errno_status(error, "cannot make the directory", part);
    }
    if (end == std::string::npos) return {};
  }
}

bool trusted_file(uint32_t file_owner, uint32_t mode, uint32_t dir_owner) {
  bool known = file_owner == ::geteuid() || file_owner == 0 || file_owner == dir_owner;
  return known && (mode & 022) == 0;
}

static Result<std::string> absolute(const std::string &dir) {
  std::string path = dir;
  if (path[0] != '/') {
    char here[PATH_MAX];
    if (!::getcwd(here, sizeof here))
      return errno_status(errno, "cannot find the working directory for", dir);
    path = std::string(here) + "/" + path;
  }
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Place open_place(const std::string &dir, Use use) {
  Place place;
  place.warn = true;
  if (dir.empty()) {
    place.note = "the cache directory has an empty name";
    return place;
  }
  Result<std::string> path = absolute(dir);
  if (!path.ok()) {
    place.note = path.status.message;
    return place;
  }
  place.dir = path.value;
  const char *name = place.dir.c_str();
  struct stat st{};
  if (use == Use::WRITE && ::stat(name, &st) != 0)
    if (Status made = make_directories(place.dir); !made.ok()) {
      place.note = made.message;
      return place;
    }
  if (::stat(name, &st) != 0) {
    int error = errno;
    place.note = errno_status(error, "cannot use the cache directory", place.dir).message;
    // A directory that nobody has filled yet is nothing special for a reader.
    place.warn = !(use == Use::READ_ONLY && error == ENOENT);
    return place;
  }
  if (!S_ISDIR(st.st_mode)) {
    place.note = format("cannot use the cache directory %s: it is not a directory", name);
    return place;
  }
  if (::faccessat(AT_FDCWD, name, R_OK | X_OK, AT_EACCESS) != 0) {
    place.note = errno_status(errno, "cannot read the cache directory", place.dir).message;
    return place;
  }
  place.access = Access::READ;
  place.owner = st.st_uid;
  unsigned user = ::geteuid(), mode = st.st_mode & 07777;
  if (st.st_uid != user && !(use == Use::UPPER && st.st_uid == 0)) {
    place.note = format("the cache directory %s belongs to user %u, not to user %u: it is only read", name,
                        static_cast<unsigned>(st.st_uid), user);
    place.warn = use != Use::UPPER; // an upper directory of somebody else is a choice of the caller
  } else if (mode & 022) {
    place.note = format("the cache directory %s can be written by other users (mode %04o): it is only read",
                        name, mode);
  } else if (use != Use::WRITE) {
    place.note = format("the cache directory %s is opened to be read only", name);
    place.warn = false;
  } else if (::faccessat(AT_FDCWD, name, W_OK | X_OK, AT_EACCESS) != 0) {
    place.note = errno_status(errno, "the cache directory is only read, cannot write", place.dir).message;
  } else {
    place.access = Access::WRITE;
    place.warn = false;
  }
  return place;
}

} // namespace tcache
