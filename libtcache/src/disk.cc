// SPDX-License-Identifier: MIT
// Reading, publishing and quarantining single entries. What concerns the whole directory is in usage.cc.
#include "disk.hh"
#include "common/atomic_file.hh"
#include <atomic>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <algorithm>
#include <time.h>
#include <unistd.h>

namespace tcache {

using tessera::Code;
using tessera::errno_status;
using tessera::fail;
using tessera::format;
using tessera::log;
using tessera::LogLevel;
using tessera::Status;

static constexpr size_t max_quarantine_files = 32;
static constexpr uint64_t max_quarantine_bytes = uint64_t{64} << 20;

namespace {

struct Descriptor {
  int fd;
  explicit Descriptor(int value) : fd(value) {}
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

timespec to_timespec(int64_t ns) {
  timespec time;
  time.tv_sec = ns / 1000000000;
  time.tv_nsec = ns % 1000000000;
  if (time.tv_nsec < 0) time.tv_nsec += 1000000000, --time.tv_sec;
  return time;
}

bool set_time(const std::string &path, int64_t stamp) {
  timespec times[2];
  times[0].tv_sec = 0;
  times[0].tv_nsec = UTIME_OMIT;
  times[1] = to_timespec(stamp);
  return ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0;
}

} // namespace

int64_t wall_clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

// Times of use come from the wall clock, but never run backwards in one directory: the largest one given out
// is the time of DIR/clock. So after a jump of the wall clock in either direction a later use is still later.
int64_t DiskLayer::next_stamp() const {
  int64_t now = options_.now_ns ? options_.now_ns() : wall_clock_ns();
  std::string path = place_.dir + "/clock";
  struct stat st{};
  if (::lstat(path.c_str(), &st) == 0) {
    int64_t last = static_cast<int64_t>(st.st_mtim.tv_sec) * 1000000000 + st.st_mtim.tv_nsec;
    if (now <= last) now = last + 1;
  } else {
    Descriptor made(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644));
  }
  set_time(path, now);
  return now;
}

void DiskLayer::touch(const Key &key) const {
  if (writable()) set_time(path_of(key), next_stamp());
}

Status DiskLayer::read(const Key &key, BlobRef *out, uint64_t *inode) const {
  *inode = 0;
  std::string path = path_of(key);
  int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  int raw;
  do raw = ::open(path.c_str(), flags);
  while (raw < 0 && errno == EINTR);
  Descriptor file(raw);
  if (file.fd < 0) {
    // A symbolic link, a socket: nothing that a put has made.
    if (errno == ELOOP || errno == ENXIO) return fail(Code::CORRUPT, "%s: not a regular file", path.c_str());
    if (errno == ENOTDIR) return errno_status(ENOENT, "no entry", path);
    return errno_status(errno, errno == ENOENT ? "no entry" : "cannot open the entry", path);
  }
  struct stat st{};
  if (::fstat(file.fd, &st) != 0) return errno_status(errno, "cannot examine the entry", path);
  *inode = st.st_ino;
  if (!S_ISREG(st.st_mode)) return fail(Code::CORRUPT, "%s: not a regular file", path.c_str());
  if (!trusted_file(st.st_uid, st.st_mode, place_.owner))
    return fail(Code::IO, "%s: not trusted: it belongs to user %u and has mode %04o", path.c_str(),
                static_cast<unsigned>(st.st_uid), static_cast<unsigned>(st.st_mode & 07777));

  uint8_t head[header_size];
  int64_t got = tessera::read_at(file.fd, head, sizeof head, 0);
  if (got < 0) return errno_status(errno, "cannot read the entry", path);
  Header header;
  Status status =
      check_header(head, static_cast<size_t>(got), static_cast<uint64_t>(st.st_size), &key, &header);
  if (status.ok()) {
    size_t size = static_cast<size_t>(header.payload_size);
    BlobRef blob(tcache_blob::create(size));
    got = tessera::read_at(file.fd, blob->data(), size, header_size);
    if (got < 0) return errno_status(errno, "cannot read the entry", path);
    if (static_cast<uint64_t>(got) != size)
      status =
          fail(Code::CORRUPT, "%lld of %zu bytes of payload are there", static_cast<long long>(got), size);
    else
      status = check_payload(head, blob->data(), size);
    if (status.ok() && out) *out = std::move(blob);
  }
  if (!status.ok()) return fail(Code::CORRUPT, "%s: %s", path.c_str(), status.message.c_str());
  return {};
}

Status DiskLayer::load(const Key &key, BlobRef *out) const {
  uint64_t inode = 0;
  Status status = read(key, out, &inode);
  if (status.ok())
    touch(key);
  else if (status.code == Code::CORRUPT)
    quarantine_file(key, inode, status.message);
  return status;
}

Status DiskLayer::check(const Key &key) const {
  uint64_t inode = 0;
  return read(key, nullptr, &inode);
}

void DiskLayer::quarantine(const Key &key, const std::string &why) const { quarantine_file(key, 0, why); }

void DiskLayer::quarantine_file(const Key &key, uint64_t inode, const std::string &why) const {
  if (!writable()) {
    log(options_.log, LogLevel::WARNING, "bad cache entry, ignored: %s", why.c_str());
    return;
  }
  std::string path = path_of(key);
  struct stat st{};
  // Another process may have put a good one there meanwhile. (The window that is left costs a miss.)
  if (::lstat(path.c_str(), &st) != 0 || (inode && st.st_ino != inode)) return;
  static std::atomic<uint32_t> counter{0};
  std::string place = place_.dir + "/quarantine";
  std::string target = format("%s/%s-%lx-%x", place.c_str(), tessera::to_hex(key).c_str(),
                              static_cast<unsigned long>(::getpid()), counter.fetch_add(1));
  (void)::mkdir(place.c_str(), 0700);
  if (::rename(path.c_str(), target.c_str()) == 0) {
    log(options_.log, LogLevel::WARNING, "bad cache entry, moved to %s: %s", target.c_str(), why.c_str());
    bound_quarantine();
    account(-1, -static_cast<int64_t>(st.st_size), nullptr);
  } else if (errno != ENOENT) {
    bool gone = ::unlink(path.c_str()) == 0;
    log(options_.log, LogLevel::WARNING, "bad cache entry, %s: %s", gone ? "deleted" : "left in place",
        why.c_str());
  }
}

namespace {

struct Quarantined {
  std::string name;
  uint64_t size;
  timespec since; // the rename is the last change of the inode
};

std::vector<Quarantined> list_quarantine(const std::string &place) {
  std::vector<Quarantined> files;
  DIR *dir = ::opendir(place.c_str());
  if (!dir) return files;
  while (dirent *item = ::readdir(dir)) {
    struct stat st{};
    if (item->d_name[0] == '.' || ::fstatat(::dirfd(dir), item->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    files.push_back({item->d_name, static_cast<uint64_t>(st.st_size), st.st_ctim});
  }
  ::closedir(dir);
  return files;
}

void delete_any(const std::string &path) {
  if (::unlink(path.c_str()) != 0) (void)::rmdir(path.c_str());
}

} // namespace

uint64_t DiskLayer::quarantine_entries() const {
  return readable() ? list_quarantine(place_.dir + "/quarantine").size() : 0;
}

void DiskLayer::bound_quarantine() const {
  std::string place = place_.dir + "/quarantine";
  std::vector<Quarantined> files = list_quarantine(place);
  std::sort(files.begin(), files.end(), [](const Quarantined &a, const Quarantined &b) {
    if (a.since.tv_sec != b.since.tv_sec) return a.since.tv_sec > b.since.tv_sec;
    return a.since.tv_nsec > b.since.tv_nsec;
  });
  uint64_t bytes = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    bytes += files[i].size;
    if (i >= max_quarantine_files || bytes > max_quarantine_bytes) delete_any(place + "/" + files[i].name);
  }
}

Status DiskLayer::store(const Key &key, const void *data, size_t size, uint64_t *evicted) const {
  if (!writable())
    return fail(Code::IO, "the entry is not stored: %s",
                place_.note.empty() ? "no directory" : place_.note.c_str());
  if (size > max_payload)
    return fail(Code::LIMIT, "the entry is not stored: %zu bytes, the format holds at most %llu", size,
                static_cast<unsigned long long>(max_payload));
  uint64_t file_size = header_size + size;
  if (file_size > options_.max_bytes || options_.max_entries == 0)
    return fail(Code::LIMIT,
                "the entry is not stored: its file of %llu bytes is over the cache's bound of %llu bytes",
                static_cast<unsigned long long>(file_size),
                static_cast<unsigned long long>(options_.max_bytes));
  uint8_t head[header_size];
  encode_header(key, data, size, head);
  tessera::ByteSpan parts[2] = {{head, sizeof head}, {data, size}};
  tessera::AtomicWrite how;
  how.sync = options_.sync;
  how.replace_anything = true;
  std::string path = path_of(key);
  struct stat old{};
  bool replaces = ::lstat(path.c_str(), &old) == 0;
  Status status = tessera::atomic_write(path, parts, 2, how);
  if (status.code == Code::NOT_FOUND) {
    // Somebody deleted the directory, or the temporary file along with all others.
    TESSERA_TRY(make_directories(place_.dir));
    status = tessera::atomic_write(path, parts, 2, how);
  }
  if (!status.ok()) {
    status.code = Code::IO; // a miss is not what "no such file" means here
    return status;
  }
  set_time(path, next_stamp());
  account(replaces ? 0 : 1,
          static_cast<int64_t>(file_size) - (replaces ? static_cast<int64_t>(old.st_size) : 0), evicted);
  return {};
}

Status DiskLayer::remove(const Key &key) const {
  if (!writable()) return fail(Code::IO, "the entry is not removed: %s", place_.note.c_str());
  std::string path = path_of(key);
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return errno_status(errno, "no entry", path);
  if (::unlink(path.c_str()) != 0) return errno_status(errno, "cannot delete the entry", path);
  account(-1, -static_cast<int64_t>(st.st_size), nullptr);
  return {};
}

} // namespace tcache
