// SPDX-License-Identifier: MIT
// Internals: keys, the entry format, the memory layer, the disk layer with all that can go wrong there.
#include "../src/bytes.hh"
#include "../src/disk.hh"
#include "../src/memory.hh"
#include "common/atomic_file.hh"
#include "temp_dir.hh"
#include <gtest/gtest.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

using namespace tcache;
using tessera::Code;
using tessera::Status;

namespace {

Key key_of(uint64_t number) {
  KeyBuilder builder("test");
  builder.add_u64("number", number);
  return builder.finish();
}

std::string entry_bytes(const Key &key, const std::string &payload) {
  uint8_t head[header_size];
  encode_header(key, payload.data(), payload.size(), head);
  return std::string(reinterpret_cast<char *>(head), sizeof head) + payload;
}

std::string text_of(const BlobRef &blob) {
  return std::string(reinterpret_cast<const char *>(blob->data()), blob->size());
}

int64_t test_now = 0;
int64_t test_clock() { return test_now; }

constexpr int64_t second = 1000000000;

/// A disk layer with a log that can be looked at.
struct Disk {
  std::string dir;
  std::vector<std::string> messages;
  DiskLayer layer;

  static void keep(void *user, uint32_t, const char *text) {
    static_cast<std::vector<std::string> *>(user)->push_back(text);
  }
  DiskOptions options(uint64_t max_bytes, uint64_t max_entries) {
    DiskOptions result;
    result.max_bytes = max_bytes;
    result.max_entries = max_entries;
    result.sync = false;
    result.log = {keep, &messages};
    result.now_ns = test_clock;
    return result;
  }
  explicit Disk(const std::string &path, uint64_t max_bytes = UINT64_MAX, uint64_t max_entries = UINT64_MAX,
                Use use = Use::WRITE)
      : dir(path), layer(open_place(path, use), options(max_bytes, max_entries)) {}

  Status put(const Key &key, const std::string &text) {
    uint64_t evicted = 0;
    return layer.store(key, text.data(), text.size(), &evicted);
  }
  std::string get(const Key &key) {
    BlobRef blob;
    Status status = layer.load(key, &blob);
    return status.ok() ? text_of(blob) : std::string("!") + tessera::code_text(status.code);
  }
  bool has(const Key &key) { return ::access(layer.path_of(key).c_str(), F_OK) == 0; }
  void write_raw(const Key &key, const std::string &bytes) {
    ASSERT_TRUE(tessera::atomic_write(layer.path_of(key), bytes.data(), bytes.size()).ok());
  }
};

const std::string missing = std::string("!") + tessera::code_text(Code::NOT_FOUND);
const std::string corrupt = std::string("!") + tessera::code_text(Code::CORRUPT);
const std::string refused = std::string("!") + tessera::code_text(Code::IO);

/// Runs a function in a child process; its value is the exit status, -1 after a signal.
template <class F> int in_child(F body) {
  pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// --- keys ------------------------------------------------------------------------------------------------

TEST(Key, matches_the_documented_encoding) {
  // From docs/entry-format.md, by another implementation of BLAKE2b (tests/make_entry.py --key).
  KeyBuilder builder("kernel");
  builder.add(FieldType::STRING, "target", "cpu:native", 10);
  builder.add_u64("options", 7);
  builder.add(FieldType::BYTES, "ir", "\0\1\2", 3);
  EXPECT_EQ(tessera::to_hex(builder.finish()),
            "0fba903d9e0ce1a080e6caae88cd571782638bc2af8baea06a67da61b1f51683");
}

TEST(Key, fields_do_not_run_into_each_other) {
  auto hex = [](std::vector<std::pair<std::string, std::string>> fields, FieldType type = FieldType::BYTES) {
    KeyBuilder builder("t");
    for (auto &[name, value] : fields) builder.add(type, name.c_str(), value.data(), value.size());
    return tessera::to_hex(builder.finish());
  };
  std::vector<std::string> all = {hex({}),
                                  hex({{"", ""}}),
                                  hex({{"a", "b"}}),
                                  hex({{"ab", ""}}),
                                  hex({{"", "ab"}}),
                                  hex({{"a", ""}, {"b", ""}}),
                                  hex({{"a", "b"}}, FieldType::STRING),
                                  hex({{"a", "b"}, {"", ""}}),
                                  tessera::to_hex(KeyBuilder("u").finish())};
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t j = 0; j < i; ++j) EXPECT_NE(all[i], all[j]) << i << " " << j;
}

TEST(Key, builder_goes_on_after_finish) {
  KeyBuilder one("t"), two("t");
  one.add_u64("a", 1);
  two.add_u64("a", 1);
  Key middle = one.finish();
  EXPECT_TRUE(middle == one.finish());
  one.add_u64("b", 2);
  two.add_u64("b", 2);
  EXPECT_TRUE(one.finish() == two.finish());
  EXPECT_FALSE(one.finish() == middle);
}

// --- the entry format ------------------------------------------------------------------------------------

TEST(Entry, round_trip) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{95}, size_t{4096}}) {
    std::string payload(size, 'x'), bytes = entry_bytes(key_of(1), payload);
    Key key = key_of(1);
    EntryView view;
    ASSERT_TRUE(read_entry(bytes.data(), bytes.size(), &key, &view).ok());
    EXPECT_EQ(std::string(reinterpret_cast<const char *>(view.payload), view.size), payload);
    EXPECT_TRUE(view.key == key);
  }
}

TEST(Entry, every_changed_bit_is_found) {
  Key key = key_of(1);
  std::string bytes = entry_bytes(key, "some payload");
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = bytes;
      bad[i] = static_cast<char>(bad[i] ^ 1 << bit);
      EntryView view;
      // Also without an expected key: the checksum covers the header.
      EXPECT_FALSE(read_entry(bad.data(), bad.size(), &key, &view).ok()) << i;
      Status status = read_entry(bad.data(), bad.size(), nullptr, &view);
      EXPECT_FALSE(status.ok()) << i;
      EXPECT_EQ(status.code, i >= 8 && i < 12 ? Code::VERSION : Code::CORRUPT) << i;
      EXPECT_FALSE(status.message.empty());
    }
}

TEST(Entry, every_other_length_is_found) {
  Key key = key_of(1);
  std::string bytes = entry_bytes(key, "some payload");
  EntryView view;
  for (size_t length = 0; length < bytes.size(); ++length)
    EXPECT_EQ(read_entry(bytes.data(), length, &key, &view).code, Code::CORRUPT) << length;
  for (size_t more : {1, 8, 96}) {
    std::string longer = bytes + std::string(more, '\0');
    EXPECT_EQ(read_entry(longer.data(), longer.size(), &key, &view).code, Code::CORRUPT) << more;
  }
}

TEST(Entry, foreign_key_is_found) {
  std::string bytes = entry_bytes(key_of(1), "some payload");
  Key other = key_of(2);
  EntryView view;
  Status status = read_entry(bytes.data(), bytes.size(), &other, &view);
  EXPECT_EQ(status.code, Code::CORRUPT);
  EXPECT_NE(status.message.find(tessera::to_hex(other)), std::string::npos) << status.message;
}

TEST(Entry, hostile_length_is_not_allocated) {
  std::string bytes = entry_bytes(key_of(1), "");
  uint8_t *head = reinterpret_cast<uint8_t *>(bytes.data());
  for (uint64_t size : {max_payload + 1, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 95}) {
    store_u64(head + 16, size);
    Header header;
    EXPECT_EQ(check_header(head, header_size, header_size + size, nullptr, &header).code, Code::CORRUPT)
        << size;
  }
}

TEST(Entry, reads_the_fixtures) {
  for (const char *name : {"empty", "text", "zeros"}) {
    auto bytes = tessera::read_whole_file(std::string(TCACHE_TEST_DATA) + "/" + name + ".entry", 1 << 20);
    ASSERT_TRUE(bytes.ok()) << bytes.status.message;
    EntryView view;
    Status status = read_entry(bytes.value.data(), bytes.value.size(), nullptr, &view);
    EXPECT_TRUE(status.ok()) << name << ": " << status.message;
    // And this library writes the same bytes today.
    std::string payload(reinterpret_cast<const char *>(view.payload), view.size);
    EXPECT_EQ(entry_bytes(view.key, payload), bytes.value) << name;
  }
}

// --- the memory layer ------------------------------------------------------------------------------------

BlobRef blob_of(size_t size) {
  BlobRef blob(tcache_blob::create(size));
  std::memset(blob->data(), 7, size);
  return blob;
}

TEST(Memory, bounded_least_recently_used_first) {
  MemoryLayer memory(1000);
  bool due;
  for (uint64_t i = 0; i < 4; ++i) memory.insert(key_of(i), blob_of(250), 0);
  EXPECT_TRUE(memory.find(key_of(0), 0, &due));
  memory.insert(key_of(4), blob_of(250), 0);
  EXPECT_TRUE(memory.find(key_of(0), 0, &due));
  EXPECT_FALSE(memory.find(key_of(1), 0, &due));
  EXPECT_EQ(memory.bytes(), 1000u);
  memory.insert(key_of(5), blob_of(1001), 0); // too large: not kept, and nothing is lost for it
  EXPECT_FALSE(memory.find(key_of(5), 0, &due));
  EXPECT_EQ(memory.entries(), 4u);
  memory.insert(key_of(0), blob_of(10), 0);
  EXPECT_EQ(memory.bytes(), 760u);
  memory.erase(key_of(0));
  memory.clear();
  EXPECT_EQ(memory.bytes(), 0u);
  for (uint64_t i = 0; i < 1000; ++i) memory.insert(key_of(i), blob_of(0), 0);
  EXPECT_LE(memory.entries(), 1000u / 64 + 1);
  MemoryLayer off(0);
  off.insert(key_of(1), blob_of(0), 0);
  EXPECT_EQ(off.entries(), 0u);
}

TEST(Memory, asks_for_a_touch_now_and_then) {
  MemoryLayer memory(1000);
  bool due;
  memory.insert(key_of(0), blob_of(1), 5);
  memory.find(key_of(0), 604, &due);
  EXPECT_FALSE(due);
  memory.find(key_of(0), 605, &due);
  EXPECT_TRUE(due);
  memory.find(key_of(0), 606, &due);
  EXPECT_FALSE(due);
}

TEST(Blob, aligned_and_counted) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{1000}}) {
    BlobRef blob(tcache_blob::create(size));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blob->data()) % 64, 0u);
    std::memset(blob->data(), 1, size);
    BlobRef copy = blob;
    blob = BlobRef();
    EXPECT_EQ(copy->size(), size);
  }
}

// --- places and trust ------------------------------------------------------------------------------------

TEST(Place, makes_a_private_directory) {
  TempDir temp;
  Place place = open_place(temp / "a/b/c//", Use::WRITE);
  EXPECT_EQ(place.access, Access::WRITE) << place.note;
  EXPECT_EQ(place.dir, temp / "a/b/c");
  struct stat st{};
  ASSERT_EQ(::stat(place.dir.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}

TEST(Place, says_why_not) {
  TempDir temp;
  ASSERT_TRUE(tessera::atomic_write(temp / "file", "x", 1).ok());
  EXPECT_EQ(open_place(temp / "file", Use::WRITE).access, Access::OFF);
  Place below = open_place(temp / "file/below", Use::WRITE);
  EXPECT_EQ(below.access, Access::OFF);
  EXPECT_NE(below.note.find(temp / "file"), std::string::npos) << below.note;
  EXPECT_TRUE(below.warn);
  Place absent = open_place(temp / "absent", Use::READ_ONLY);
  EXPECT_EQ(absent.access, Access::OFF);
  EXPECT_FALSE(absent.warn);
  EXPECT_TRUE(open_place(temp / "absent", Use::UPPER).warn);
  EXPECT_EQ(open_place("/proc/self/none", Use::WRITE).access, Access::OFF);
  EXPECT_EQ(open_place("", Use::WRITE).access, Access::OFF);
}

TEST(Place, writable_by_others_is_only_read) {
  for (mode_t mode : {0770, 0777, 01777, 0702}) {
    TempDir temp;
    std::string dir = temp / "cache";
    ASSERT_EQ(::mkdir(dir.c_str(), 0700), 0);
    Disk owner(dir);
    ASSERT_TRUE(owner.put(key_of(1), "mine").ok());
    ASSERT_EQ(::chmod(dir.c_str(), mode), 0);
    Disk disk(dir);
    EXPECT_EQ(disk.layer.place().access, Access::READ);
    EXPECT_TRUE(disk.layer.place().warn);
    EXPECT_EQ(disk.get(key_of(1)), "mine");
    EXPECT_EQ(disk.put(key_of(2), "x").code, Code::IO);
    EXPECT_FALSE(disk.has(key_of(2)));
  }
}

TEST(Place, of_another_user_is_only_read) {
  if (::geteuid() != 0) GTEST_SKIP() << "skipped: needs root to make files of another user";
  TempDir temp;
  std::string dir = temp / "cache";
  Disk owner(dir);
  ASSERT_TRUE(owner.put(key_of(1), "theirs").ok());
  ASSERT_TRUE(owner.put(key_of(2), "a third one's").ok());
  ASSERT_EQ(::chown(dir.c_str(), 1234, 1234), 0);
  ASSERT_EQ(::chown(owner.layer.path_of(key_of(1)).c_str(), 1234, 1234), 0);
  ASSERT_EQ(::chown(owner.layer.path_of(key_of(2)).c_str(), 4321, 4321), 0);
  Disk disk(dir);
  EXPECT_EQ(disk.layer.place().access, Access::READ);
  EXPECT_NE(disk.layer.place().note.find("1234"), std::string::npos);
  EXPECT_EQ(disk.get(key_of(1)), "theirs");
  EXPECT_EQ(disk.get(key_of(2)), refused);
  EXPECT_EQ(disk.put(key_of(3), "x").code, Code::IO);
}

TEST(Place, file_writable_by_others_is_a_miss) {
  TempDir temp;
  Disk disk(temp.path);
  ASSERT_TRUE(disk.put(key_of(1), "text").ok());
  ASSERT_EQ(::chmod(disk.layer.path_of(key_of(1)).c_str(), 0666), 0);
  EXPECT_EQ(disk.get(key_of(1)), refused);
  EXPECT_TRUE(disk.has(key_of(1))) << "it is not bad, only not to be believed";
  ASSERT_TRUE(disk.put(key_of(1), "again").ok());
  EXPECT_EQ(disk.get(key_of(1)), "again");
}

// --- the disk layer --------------------------------------------------------------------------------------

TEST(Disk, round_trip_and_replace) {
  TempDir temp;
  Disk disk(temp.path);
  EXPECT_EQ(disk.get(key_of(1)), missing);
  ASSERT_TRUE(disk.put(key_of(1), "").ok());
  EXPECT_EQ(disk.get(key_of(1)), "");
  ASSERT_TRUE(disk.put(key_of(1), std::string(100000, 'y')).ok());
  EXPECT_EQ(disk.get(key_of(1)), std::string(100000, 'y'));
  ASSERT_TRUE(disk.layer.remove(key_of(1)).ok());
  EXPECT_EQ(disk.get(key_of(1)), missing);
  EXPECT_EQ(disk.layer.remove(key_of(1)).code, Code::NOT_FOUND);
  EXPECT_TRUE(disk.messages.empty());
}

TEST(Disk, bad_entry_is_quarantined_and_rebuilt) {
  TempDir temp;
  Disk disk(temp.path);
  std::string good = entry_bytes(key_of(1), "payload");
  std::vector<std::string> bad = {"",
                                  good.substr(0, 50),
                                  good.substr(0, good.size() - 1),
                                  good + "x",
                                  entry_bytes(key_of(2), "payload"),
                                  std::string(good.size(), '\0')};
  std::string flipped = good;
  flipped.back() ^= 1;
  bad.push_back(flipped);
  for (size_t i = 0; i < bad.size(); ++i) {
    disk.write_raw(key_of(1), bad[i]);
    EXPECT_EQ(disk.get(key_of(1)), corrupt) << i;
    EXPECT_FALSE(disk.has(key_of(1)));
    EXPECT_EQ(disk.layer.quarantine_entries(), i + 1);
    EXPECT_EQ(disk.get(key_of(1)), missing);
    ASSERT_TRUE(disk.put(key_of(1), "payload").ok());
    EXPECT_EQ(disk.get(key_of(1)), "payload");
  }
  EXPECT_EQ(disk.messages.size(), bad.size());
}

TEST(Disk, every_flipped_byte_and_every_length_on_disk) {
  TempDir temp;
  Disk disk(temp.path);
  std::string good = entry_bytes(key_of(1), "tiny");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    disk.write_raw(key_of(1), bad);
    EXPECT_EQ(disk.get(key_of(1)), corrupt) << i;
    disk.write_raw(key_of(1), good.substr(0, i));
    EXPECT_EQ(disk.get(key_of(1)), corrupt) << i;
  }
  EXPECT_EQ(disk.layer.quarantine_entries(), 32u) << "the quarantine is bounded";
}

TEST(Disk, what_is_no_file_is_moved_away) {
  TempDir temp;
  Disk disk(temp.path);
  std::string path = disk.layer.path_of(key_of(1));
  for (int kind = 0; kind < 4; ++kind) {
    if (kind == 0) {
      ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
    }
    if (kind == 1) {
      ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    }
    if (kind == 2) {
      ASSERT_EQ(::symlink("/etc/passwd", path.c_str()), 0);
    }
    if (kind == 3) {
      ASSERT_EQ(::symlink("nowhere", path.c_str()), 0);
    }
    EXPECT_EQ(disk.get(key_of(1)), corrupt) << kind;
    ASSERT_TRUE(disk.put(key_of(1), "text").ok()) << kind;
    EXPECT_EQ(disk.get(key_of(1)), "text") << kind;
    ASSERT_TRUE(disk.layer.remove(key_of(1)).ok());
  }
  // A put replaces a link, it does not write through it.
  ASSERT_TRUE(tessera::atomic_write(temp / "victim", "v", 1).ok());
  ASSERT_EQ(::symlink((temp / "victim").c_str(), path.c_str()), 0);
  ASSERT_TRUE(disk.put(key_of(1), "text").ok());
  EXPECT_EQ(tessera::read_whole_file(temp / "victim", 10).value, "v");
}

TEST(Disk, sparse_giant_is_not_allocated) {
  TempDir temp;
  Disk disk(temp.path);
  std::string head = entry_bytes(key_of(1), "");
  uint64_t size = uint64_t{1} << 40;
  store_u64(reinterpret_cast<uint8_t *>(head.data()) + 16, size);
  disk.write_raw(key_of(1), head);
  if (::truncate(disk.layer.path_of(key_of(1)).c_str(), static_cast<off_t>(size + header_size)) != 0)
    GTEST_SKIP() << "skipped: the file system has no files of a TiB";
  EXPECT_EQ(disk.get(key_of(1)), corrupt);
  EXPECT_EQ(disk.layer.quarantine_entries(), 0u) << "too large to be kept even there";
}

TEST(Disk, survives_losing_its_directory) {
  TempDir temp;
  Disk disk(temp / "cache");
  ASSERT_TRUE(disk.put(key_of(1), "one").ok());
  TempDir::remove_tree(temp / "cache");
  EXPECT_EQ(disk.get(key_of(1)), missing);
  ASSERT_TRUE(disk.put(key_of(2), "two").ok());
  EXPECT_EQ(disk.get(key_of(2)), "two");
}

TEST(Disk, is_relocatable_and_serves_as_upper_layer) {
  TempDir temp;
  {
    Disk disk(temp / "here");
    ASSERT_TRUE(disk.put(key_of(1), "one").ok());
  }
  ASSERT_EQ(::rename((temp / "here").c_str(), (temp / "there").c_str()), 0);
  Disk upper(temp / "there", UINT64_MAX, UINT64_MAX, Use::UPPER);
  std::vector<std::string> before = TempDir::names(temp / "there");
  EXPECT_EQ(upper.get(key_of(1)), "one");
  EXPECT_EQ(upper.put(key_of(2), "x").code, Code::IO);
  EXPECT_EQ(upper.layer.remove(key_of(1)).code, Code::IO);
  EXPECT_EQ(upper.layer.clear().code, Code::IO);
  std::string bad = entry_bytes(key_of(3), "x").substr(0, 97 - 1);
  upper.write_raw(key_of(3), bad);
  EXPECT_EQ(upper.get(key_of(3)), corrupt);
  EXPECT_TRUE(upper.has(key_of(3))) << "nothing is moved in a directory that is only read";
  EXPECT_EQ(TempDir::names(temp / "there").size(), before.size() + 1);
}

/// As another user, in a directory that root owns.
TEST(Disk, read_only_directory) {
  TempDir temp;
  ASSERT_EQ(::chmod(temp.path.c_str(), 0755), 0);
  std::string dir = temp / "cache";
  Disk owner(dir);
  ASSERT_TRUE(owner.put(key_of(1), "one").ok());
  ASSERT_EQ(::chmod(dir.c_str(), 0555), 0);
  int line = in_child([&]() -> int {
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
      return 77;
    Disk disk(dir);
    if (disk.layer.place().access != Access::READ) return __LINE__ % 256;
    if (disk.get(key_of(1)) != "one") return __LINE__ % 256;
    Status status = disk.put(key_of(2), "x");
    if (status.code != Code::IO || status.message.find(dir) == std::string::npos) return __LINE__ % 256;
    Disk cannot_make(dir + "/below");
    if (cannot_make.layer.place().access != Access::OFF || !cannot_make.layer.place().warn)
      return __LINE__ % 256;
    return 0;
  });
  ::chmod(dir.c_str(), 0700);
  if (line == 77) GTEST_SKIP() << "skipped: cannot become another user";
  EXPECT_EQ(line, 0) << "failed in line (modulo 256)";
}

TEST(Disk, read_only_file_system_and_full_disk) {
  TempDir temp;
  int line = in_child([&]() -> int {
    // A mount of our own; EPERM where that is not allowed.
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", temp.path.c_str(), "tmpfs", 0, "size=64k,mode=700") != 0)
      return 77;
    Disk disk(temp.path);
    if (!disk.put(key_of(1), std::string(8000, 'a')).ok()) return __LINE__ % 256;
    Status status = disk.put(key_of(2), std::string(100000, 'b'));
    if (status.code != Code::IO || status.message.find("No space") == std::string::npos)
      return __LINE__ % 256;
    if (disk.get(key_of(2)) != missing || disk.get(key_of(1)) != std::string(8000, 'a'))
      return __LINE__ % 256;
    for (const std::string &name : TempDir::names(temp.path)) // no half file is left
      if (name.rfind(tessera::temporary_prefix, 0) == 0) return __LINE__ % 256;
    status = disk.put(key_of(1), std::string(100000, 'c')); // the old one stays
    if (status.ok() || disk.get(key_of(1)) != std::string(8000, 'a')) return __LINE__ % 256;
    if (::mount("tmpfs", temp.path.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) != 0) return 77;
    if (disk.put(key_of(3), "x").code != Code::IO) return __LINE__ % 256;
    if (disk.get(key_of(1)) != std::string(8000, 'a')) return __LINE__ % 256;
    if (Disk(temp.path).layer.place().access != Access::READ) return __LINE__ % 256;
    return 0;
  });
  if (line == 77) GTEST_SKIP() << "skipped: cannot mount a tmpfs";
  EXPECT_EQ(line, 0) << "failed in line (modulo 256)";
}

TEST(Disk, file_size_limit) {
  TempDir temp;
  Disk disk(temp.path);
  int line = in_child([&]() -> int {
    rlimit limit{5000, 5000};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return __LINE__ % 256;
    if (!disk.put(key_of(1), "fits").ok()) return __LINE__ % 256;
    if (disk.put(key_of(2), std::string(6000, 'b')).code != Code::IO) return __LINE__ % 256;
    return disk.get(key_of(2)) == missing ? 0 : __LINE__ % 256;
  });
  EXPECT_EQ(line, 0) << "failed in line (modulo 256)";
  EXPECT_EQ(disk.get(key_of(1)), "fits");
  for (const std::string &name : TempDir::names(temp.path))
    EXPECT_NE(name.rfind(tessera::temporary_prefix, 0), 0u) << name;
}

// --- bounds ----------------------------------------------------------------------------------------------

TEST(Bounds, entries_least_recently_used_first) {
  TempDir temp;
  test_now = 1000 * second;
  Disk disk(temp.path, UINT64_MAX, 10);
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(disk.put(key_of(i), "text").ok());
  EXPECT_EQ(disk.get(key_of(0)), "text");
  EXPECT_EQ(disk.get(key_of(2)), "text");
  for (uint64_t i = 10; i < 14; ++i) ASSERT_TRUE(disk.put(key_of(i), "text").ok());
  for (uint64_t gone : {1, 3, 4, 5}) EXPECT_FALSE(disk.has(key_of(gone))) << gone;
  for (uint64_t kept : {0, 2, 6, 7, 8, 9, 10, 11, 12, 13}) EXPECT_TRUE(disk.has(key_of(kept))) << kept;
}

TEST(Bounds, bytes_after_every_put) {
  TempDir temp;
  const uint64_t bound = 20000;
  Disk disk(temp.path, bound);
  for (uint64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(disk.put(key_of(i % 70), std::string(i * 37 % 3000, 'x')).ok());
    std::vector<EntryFile> files;
    ASSERT_TRUE(disk.layer.list(&files).ok());
    uint64_t bytes = 0;
    for (const EntryFile &file : files) bytes += file.size;
    ASSERT_LE(bytes, bound) << i;
    ASSERT_TRUE(files[0].key == key_of(i % 70)) << "the newest is first and was not deleted";
    if (i > 20) {
      ASSERT_GT(bytes, bound / 2) << "no more than needed is deleted";
    }
  }
  EXPECT_EQ(disk.put(key_of(999), std::string(bound, 'x')).code, Code::LIMIT);
  ASSERT_TRUE(disk.put(key_of(998), std::string(bound - header_size, 'x')).ok()) << "just fits, alone";
  EXPECT_EQ(disk.get(key_of(998)).size(), bound - header_size);
}

TEST(Bounds, clock_jumps_do_not_change_the_order) {
  TempDir temp;
  // Year 2100, back to 1990, a normal time, the future again, the beginning of time.
  int64_t times[] = {4102444800 * second, 631152000 * second, 1700000000 * second, 4102444900 * second, 0};
  Disk disk(temp.path, UINT64_MAX, 5);
  for (uint64_t i = 0; i < 5; ++i) {
    test_now = times[i];
    ASSERT_TRUE(disk.put(key_of(i), "text").ok());
  }
  test_now = 500;
  EXPECT_EQ(disk.get(key_of(0)), "text"); // the oldest becomes the newest, by a clock in 1970
  test_now = 1600000000 * second;
  for (uint64_t i = 5; i < 8; ++i) ASSERT_TRUE(Disk(temp.path, UINT64_MAX, 5).put(key_of(i), "text").ok());
  for (uint64_t gone : {1, 2, 3}) EXPECT_FALSE(disk.has(key_of(gone))) << gone;
  for (uint64_t kept : {0, 4, 5, 6, 7}) EXPECT_TRUE(disk.has(key_of(kept))) << kept;
  std::vector<EntryFile> files;
  ASSERT_TRUE(disk.layer.list(&files).ok());
  EXPECT_TRUE(files.front().key == key_of(7));
  EXPECT_TRUE(files.back().key == key_of(4));
}

TEST(Bounds, large_directory_is_not_read_for_each_put) {
  TempDir temp;
  Disk disk(temp.path, UINT64_MAX, 400);
  for (uint64_t i = 0; i < 400; ++i) ASSERT_TRUE(disk.put(key_of(i), "text").ok());
  auto text = tessera::read_whole_file(temp / "usage", 100);
  Usage usage;
  ASSERT_TRUE(text.ok() && decode_usage(text.value.data(), text.value.size(), &usage));
  EXPECT_EQ(usage.totals.entries, 400u);
  EXPECT_EQ(usage.totals.bytes, 400u * 100);
  ASSERT_TRUE(disk.put(key_of(400), "text").ok());
  std::vector<EntryFile> files;
  ASSERT_TRUE(disk.layer.list(&files).ok());
  EXPECT_EQ(files.size(), 375u) << "a sixteenth below the bound, so that the next puts have room";
}

TEST(Bounds, wrong_estimates_are_corrected) {
  TempDir temp;
  Disk disk(temp.path, UINT64_MAX, 20);
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(disk.put(key_of(i), "text").ok());
  std::vector<std::string> lies = {"", "rubbish", encode_usage({{0, 0}, 0}),
                                   encode_usage({{UINT64_MAX, 0}, 0}),
                                   encode_usage({{5, UINT64_MAX}, UINT64_MAX})};
  lies.push_back(encode_usage({{20, 2000}, 0}));
  lies.back()[9] ^= 1;
  for (size_t i = 0; i < lies.size(); ++i) {
    ASSERT_TRUE(tessera::atomic_write(temp / "usage", lies[i].data(), lies[i].size()).ok());
    for (uint64_t j = 0; j < 3; ++j) ASSERT_TRUE(disk.put(key_of(100 + 10 * i + j), "text").ok());
    std::vector<EntryFile> files;
    ASSERT_TRUE(disk.layer.list(&files).ok());
    EXPECT_LE(files.size(), 20u) << i;
  }
  ASSERT_EQ(::unlink((temp / "usage").c_str()), 0);
  ASSERT_EQ(::symlink("/dev/full", (temp / "usage").c_str()), 0);
  EXPECT_TRUE(disk.put(key_of(1000), "text").ok());
}

TEST(Bounds, prune_and_clear) {
  TempDir temp;
  test_now = 2000 * second;
  Disk disk(temp.path);
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(disk.put(key_of(i), "text").ok()); // 100 bytes each
  ASSERT_TRUE(tessera::atomic_write(temp / "README", "mine", 4).ok());
  Totals removed;
  ASSERT_TRUE(disk.layer.prune(UINT64_MAX, UINT64_MAX, &removed).ok());
  EXPECT_EQ(removed.entries, 0u);
  ASSERT_TRUE(disk.layer.prune(799, UINT64_MAX, &removed).ok());
  EXPECT_EQ(removed.entries, 3u);
  EXPECT_EQ(removed.bytes, 300u);
  EXPECT_FALSE(disk.has(key_of(2)));
  EXPECT_TRUE(disk.has(key_of(3)));
  ASSERT_TRUE(disk.layer.prune(UINT64_MAX, 2, &removed).ok());
  EXPECT_EQ(removed.entries, 5u);
  EXPECT_TRUE(disk.has(key_of(8)) && disk.has(key_of(9)));
  disk.write_raw(key_of(8), "bad");
  EXPECT_EQ(disk.get(key_of(8)), corrupt);
  ASSERT_TRUE(disk.layer.clear().ok());
  EXPECT_EQ(TempDir::names(temp.path), std::vector<std::string>{"README"}) << "only what is not ours stays";
  ASSERT_TRUE(disk.put(key_of(1), "text").ok());
  ASSERT_TRUE(disk.layer.prune(0, 0, &removed).ok());
  EXPECT_EQ(removed.entries, 1u);
}

TEST(Bounds, temporary_files_of_killed_writers_are_swept) {
  TempDir temp;
  test_now = wall_clock_ns();
  Disk disk(temp.path);
  std::string young = temp.path + "/" + tessera::temporary_prefix + "1";
  std::string old = temp.path + "/" + tessera::temporary_prefix + "2";
  std::string future = temp.path + "/" + tessera::temporary_prefix + "3";
  for (const std::string &path : {young, old, future}) ASSERT_TRUE(tessera::atomic_write(path, "x", 1).ok());
  timespec times[2] = {{0, 0}, {static_cast<time_t>(test_now / second - 700), 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, old.c_str(), times, 0), 0);
  times[1].tv_sec += 2000;
  ASSERT_EQ(::utimensat(AT_FDCWD, future.c_str(), times, 0), 0);
  ASSERT_TRUE(disk.put(key_of(1), "text").ok());
  EXPECT_EQ(::access(young.c_str(), F_OK), 0);
  EXPECT_NE(::access(old.c_str(), F_OK), 0);
  EXPECT_NE(::access(future.c_str(), F_OK), 0);
}

TEST(Bounds, usage_round_trip) {
  Usage in{{123, 456789}, 7}, out;
  std::string text = encode_usage(in);
  ASSERT_TRUE(decode_usage(text.data(), text.size(), &out));
  EXPECT_EQ(out.totals.entries, 123u);
  EXPECT_EQ(out.totals.bytes, 456789u);
  EXPECT_EQ(out.puts, 7u);
  EXPECT_FALSE(decode_usage(text.data(), text.size() - 1, &out));
  for (char &c : text) {
    c ^= 4;
    EXPECT_FALSE(decode_usage(text.data(), text.size(), &out));
    c ^= 4;
  }
}

} // namespace
