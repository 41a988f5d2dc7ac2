// SPDX-License-Identifier: MIT
// The directory as a whole: listing, bounds, totals.
//
// Keeping the bounds needs the totals, and reading a directory of many thousand entries for each put (often
// the only one of a short process) costs more than a small compile. So DIR/usage holds an estimate. Each put
// adds itself to it; writers may overwrite each other's additions. Therefore the directory is read again when
// the estimate passes a bound, and after a number of puts that is an eighth of the entries (at least 1, at
// most 1,024): the cost of a put stays constant on average, the estimate's drift stays small, and a single
// writer is always exact.
#include "bytes.hh"
#include "common/atomic_file.hh"
#include "disk.hh"
#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tcache {

using tessera::Code;
using tessera::errno_status;
using tessera::fail;
using tessera::log;
using tessera::LogLevel;
using tessera::Status;

static constexpr int64_t temporary_age_ns = int64_t{600} * 1000000000;

static constexpr size_t usage_size = 40;
static constexpr char usage_magic[9] = "TCUSAGE0";

std::string encode_usage(const Usage &usage) {
  uint8_t bytes[usage_size];
  std::memcpy(bytes, usage_magic, 8);
  store_u64(bytes + 8, usage.totals.entries);
  store_u64(bytes + 16, usage.totals.bytes);
  store_u64(bytes + 24, usage.puts);
  std::memcpy(bytes + 32, tessera::hash256(bytes, 32).bytes, 8); // two writers at once may tear it
  return std::string(reinterpret_cast<const char *>(bytes), usage_size);
}

bool decode_usage(const void *data, size_t size, Usage *out) {
  const uint8_t *bytes = static_cast<const uint8_t *>(data);
  if (size != usage_size || std::memcmp(bytes, usage_magic, 8) != 0) return false;
  if (std::memcmp(bytes + 32, tessera::hash256(bytes, 32).bytes, 8) != 0) return false;
  out->totals.entries = load_u64(bytes + 8);
  out->totals.bytes = load_u64(bytes + 16);
  out->puts = load_u64(bytes + 24);
  return true;
}

static bool is_temporary(const char *name) {
  return std::strncmp(name, tessera::temporary_prefix, sizeof tessera::temporary_prefix - 1) == 0;
}

Status DiskLayer::scan(std::vector<EntryFile> *out) const {
  out->clear();
  DIR *dir = ::opendir(place_.dir.c_str());
  if (!dir)
    return errno == ENOENT ? Status{} : errno_status(errno, "cannot list the cache directory", place_.dir);
  int64_t now = options_.now_ns ? options_.now_ns() : wall_clock_ns();
  for (;;) {
    errno = 0;
    dirent *item = ::readdir(dir);
    if (!item) break;
    Key key;
    bool entry = tessera::from_hex(item->d_name, std::strlen(item->d_name), &key);
    bool temporary = !entry && is_temporary(item->d_name);
    struct stat st{};
    if (!(entry || temporary) || ::fstatat(::dirfd(dir), item->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    int64_t stamp = static_cast<int64_t>(st.st_mtim.tv_sec) * 1000000000 + st.st_mtim.tv_nsec;
    if (entry) {
      out->push_back({key, static_cast<uint64_t>(st.st_size), stamp});
    } else if (writable() && (now - stamp > temporary_age_ns || stamp - now > temporary_age_ns)) {
      // Its writer was killed. If it only sleeps, or the clock jumped under it, its rename will fail:
      // a lost put.
      (void)::unlinkat(::dirfd(dir), item->d_name, 0);
    }
  }
  int error = errno;
  ::closedir(dir);
  return error ? errno_status(error, "cannot list the cache directory", place_.dir) : Status{};
}

Status DiskLayer::list(std::vector<EntryFile> *out) const {
  out->clear();
  if (!readable()) return {};
  TESSERA_TRY(scan(out));
  std::sort(out->begin(), out->end(), [](const EntryFile &a, const EntryFile &b) {
    return a.stamp != b.stamp ? a.stamp > b.stamp : a.key < b.key;
  });
  return {};
}

Status DiskLayer::shrink(std::vector<EntryFile> &files, uint64_t max_bytes, uint64_t max_entries, bool slack,
                         Totals *left, Totals *removed) const {
  *left = {};
  *removed = {};
  for (const EntryFile &file : files) left->bytes += file.size;
  left->entries = files.size();
  if (left->bytes <= max_bytes && left->entries <= max_entries) return {};
  std::sort(files.begin(), files.end(), [](const EntryFile &a, const EntryFile &b) {
    return a.stamp != b.stamp ? a.stamp < b.stamp : a.key < b.key;
  });
  uint64_t low_bytes = max_bytes, low_entries = max_entries;
  if (slack && left->bytes > max_bytes) low_bytes -= max_bytes / 16;
  if (slack && left->entries > max_entries) low_entries -= max_entries / 16;
  Status status;
  for (size_t i = 0; i < files.size(); ++i) {
    bool last = i + 1 == files.size(); // the newest goes only if it alone is over the real bound
    if (left->bytes <= (last ? max_bytes : low_bytes) && left->entries <= (last ? max_entries : low_entries))
      break;
    std::string path = path_of(files[i].key);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      if (status.ok()) status = errno_status(errno, "cannot delete the entry", path);
      continue;
    }
    left->bytes -= files[i].size;
    left->entries -= 1;
    removed->bytes += files[i].size;
    removed->entries += 1;
  }
  return status;
}

void DiskLayer::write_usage(const Totals &totals, uint64_t puts) const {
  std::string path = place_.dir + "/usage", text = encode_usage({totals, puts});
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
  if (fd < 0) return; // the next put reads the directory instead
  (void)!::pwrite(fd, text.data(), text.size(), 0);
  ::close(fd);
}

static void add_clamped(uint64_t *value, int64_t change) {
  uint64_t amount = change < 0 ? uint64_t{0} - static_cast<uint64_t>(change) : static_cast<uint64_t>(change);
  if (change < 0)
    *value -= amount < *value ? amount : *value;
  else if (__builtin_add_overflow(*value, amount, value))
    *value = UINT64_MAX;
}

void DiskLayer::account(int64_t entries, int64_t bytes, uint64_t *evicted) const {
  Usage usage;
  tessera::Result<std::string> text = tessera::read_whole_file(place_.dir + "/usage", usage_size);
  bool known = text.ok() && decode_usage(text.value.data(), text.value.size(), &usage);
  if (known) {
    add_clamped(&usage.totals.entries, entries);
    add_clamped(&usage.totals.bytes, bytes);
    usage.puts += 1;
    uint64_t interval = std::clamp<uint64_t>(usage.totals.entries / 8, 1, 1024);
    if (usage.totals.entries <= options_.max_entries && usage.totals.bytes <= options_.max_bytes &&
        usage.puts < interval)
      return write_usage(usage.totals, usage.puts);
  }
  std::vector<EntryFile> files;
  Totals removed;
  Status status = scan(&files);
  if (status.ok())
    status = shrink(files, options_.max_bytes, options_.max_entries, true, &usage.totals, &removed);
  if (!status.ok())
    log(options_.log, LogLevel::WARNING, "cannot keep the cache within its bounds: %s",
        status.message.c_str());
  else
    write_usage(usage.totals, 0);
  if (evicted) *evicted += removed.entries;
}

Status DiskLayer::prune(uint64_t max_bytes, uint64_t max_entries, Totals *removed) const {
  *removed = {};
  if (!writable()) return fail(Code::IO, "nothing is pruned: %s", place_.note.c_str());
  std::vector<EntryFile> files;
  TESSERA_TRY(scan(&files));
  Totals left;
  Status status = shrink(files, max_bytes, max_entries, false, &left, removed);
  write_usage(left, 0);
  return status;
}

Status DiskLayer::clear() const {
  if (!writable()) return fail(Code::IO, "nothing is cleared: %s", place_.note.c_str());
  Status status;
  for (const char *sub : {"", "/quarantine"}) {
    std::string place = place_.dir + sub;
    DIR *dir = ::opendir(place.c_str());
    if (!dir) {
      if (errno != ENOENT && status.ok()) status = errno_status(errno, "cannot list", place);
      continue;
    }
    while (dirent *item = ::readdir(dir)) {
      const char *name = item->d_name;
      Key key;
      bool ours = *sub ? name[0] != '.'
                       : tessera::from_hex(name, std::strlen(name), &key) || is_temporary(name) ||
                             std::strcmp(name, "usage") == 0 || std::strcmp(name, "clock") == 0;
      if (!ours || ::unlinkat(::dirfd(dir), name, 0) == 0 || errno == ENOENT) continue;
      int error = errno;
      if (::unlinkat(::dirfd(dir), name, AT_REMOVEDIR) != 0 && status.ok())
        status = errno_status(error, "cannot delete", place + "/" + name);
    }
    ::closedir(dir);
  }
  (void)::rmdir((place_.dir + "/quarantine").c_str());
  return status;
}

} // namespace tcache
