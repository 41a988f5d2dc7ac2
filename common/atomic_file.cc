// SPDX-License-Identifier: MIT
#include "atomic_file.hh"
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

namespace tessera {

namespace {

int open_retry(const char *path, int flags, mode_t mode) {
  for (;;) {
    int fd = ::open(path, flags | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

bool write_all(int fd, const ByteSpan *parts, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const char *data = static_cast<const char *>(parts[i].data);
    size_t left = parts[i].size;
    while (left) {
      ssize_t n = ::write(fd, data, left < (1u << 30) ? left : (1u << 30));
      if (n < 0 && errno == EINTR) continue;
      if (n == 0) errno = ENOSPC; // a device that takes nothing and says nothing
      if (n <= 0) return false;
      data += n;
      left -= static_cast<size_t>(n);
    }
  }
  return true;
}

bool sync_data(int fd) {
  for (;;) {
    if (::fdatasync(fd) == 0) return true;
    if (errno == EINVAL || errno == ENOSYS) return true; // this file system has nothing to sync
    if (errno != EINTR) return false;
  }
}

/// Distinct among threads and processes, also where two machines share the directory and the pids collide.
std::string temporary_name() {
  static std::atomic<uint32_t> counter{0};
  uint64_t noise = 0;
  if (::getrandom(&noise, sizeof noise, GRND_NONBLOCK) != sizeof noise) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    noise = static_cast<uint64_t>(now.tv_nsec) * 0x9e3779b97f4a7c15u ^ static_cast<uint64_t>(now.tv_sec);
  }
  return format("%s%lx-%x-%016llx", temporary_prefix, static_cast<unsigned long>(::getpid()),
                counter.fetch_add(1, std::memory_order_relaxed), static_cast<unsigned long long>(noise));
}

Status write_directly(const std::string &path, const ByteSpan *parts, size_t count) {
  int fd = open_retry(path.c_str(), O_WRONLY, 0);
  if (fd < 0) return errno_status(errno, "cannot open", path);
  bool good = write_all(fd, parts, count);
  int error = errno;
  if (::close(fd) != 0 && good && errno != EINTR) good = false, error = errno;
  return good ? ok_status() : errno_status(error, "cannot write", path);
}

Status write_and_rename(const std::string &path, const ByteSpan *parts, size_t count, mode_t mode,
                        bool sync) {
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  std::string temporary;
  int fd = -1;
  for (int attempt = 0; fd < 0; ++attempt) {
    temporary = directory + temporary_name();
    fd = open_retry(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd < 0 && (errno != EEXIST || attempt == 8))
      return errno_status(errno, "cannot create a file for", path);
  }
  const char *what = "cannot write";
  bool good = write_all(fd, parts, count);
  if (good && sync) {
    what = "cannot sync";
    good = sync_data(fd);
  }
  int error = errno;
  // Network file systems report a full disk only here.
  if (::close(fd) != 0 && good && errno != EINTR) good = false, error = errno;
  if (good && ::rename(temporary.c_str(), path.c_str()) != 0) {
    what = "cannot rename to";
    good = false;
    error = errno;
  }
  if (good) return ok_status();
  ::unlink(temporary.c_str());
  return errno_status(error, what, path);
}

} // namespace

Status errno_status(int error, const char *what, const std::string &path) {
  char buffer[128];
  const char *reason = ::strerror_r(error, buffer, sizeof buffer); // the GNU one: safe in threads
  return fail(error == ENOENT ? Code::NOT_FOUND : Code::IO, "%s %s: %s", what, path.c_str(), reason);
}

Status atomic_write(const std::string &path, const ByteSpan *parts, size_t count, const AtomicWrite &how) {
  if (path.empty()) return fail(Code::INVALID_ARGUMENT, "cannot write a file with an empty name");
  mode_t mode = how.mode & 0755;
  struct stat st{};
  if (how.replace_anything || ::lstat(path.c_str(), &st) != 0)
    return write_and_rename(path, parts, count, mode, how.sync);
  if (S_ISLNK(st.st_mode)) {
    char *real = ::realpath(path.c_str(), nullptr);
    if (!real) return errno_status(errno, "cannot follow the symbolic link", path);
    std::string target = real;
    std::free(real);
    if (::lstat(target.c_str(), &st) != 0)
      return errno_status(errno, "cannot follow the symbolic link", path);
    if (!S_ISREG(st.st_mode)) return write_directly(path, parts, count);
    return write_and_rename(target, parts, count, mode, how.sync);
  }
  if (S_ISDIR(st.st_mode)) return errno_status(EISDIR, "cannot write", path);
  if (!S_ISREG(st.st_mode)) return write_directly(path, parts, count);
  return write_and_rename(path, parts, count, mode, how.sync);
}

Status atomic_write(const std::string &path, const void *data, size_t size, const AtomicWrite &how) {
  ByteSpan part{data, size};
  return atomic_write(path, &part, 1, how);
}

int64_t read_at(int fd, void *data, size_t size, uint64_t offset) {
  char *out = static_cast<char *>(data);
  size_t done = 0;
  while (done < size) {
    size_t want = size - done < (1u << 30) ? size - done : (1u << 30);
    ssize_t n = ::pread(fd, out + done, want, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return static_cast<int64_t>(done);
}

Result<std::string> read_whole_file(const std::string &path, size_t max_size) {
  int fd = open_retry(path.c_str(), O_RDONLY | O_NONBLOCK, 0);
  if (fd < 0) return errno_status(errno, "cannot open", path);
  struct stat st{};
  Status status;
  std::string bytes;
  if (::fstat(fd, &st) != 0) {
    status = errno_status(errno, "cannot examine", path);
  } else if (!S_ISREG(st.st_mode)) {
    status = fail(Code::IO, "cannot read %s: it is not a regular file", path.c_str());
  } else if (static_cast<uint64_t>(st.st_size) > max_size) {
    status = fail(Code::LIMIT, "%s has %llu bytes, at most %zu are read", path.c_str(),
                  static_cast<unsigned long long>(st.st_size), max_size);
  } else {
    bytes.resize(static_cast<size_t>(st.st_size));
    int64_t n = read_at(fd, bytes.data(), bytes.size(), 0);
    if (n < 0)
      status = errno_status(errno, "cannot read", path);
    else
      bytes.resize(static_cast<size_t>(n));
  }
  ::close(fd);
  if (!status.ok()) return status;
  return bytes;
}

} // namespace tessera
