// SPDX-License-Identifier: MIT
// 64 processes fill one cache directory while some of them are killed (SIGKILL, in the middle of anything),
// and, in a second part, while files are cut and bits flipped under them. No wrong byte is ever read, and
// what is left is sound. The payload of a key follows from the key, so every reader can check every byte.
//   kill_test [seconds of each part]
#include "../src/store.hh"
#include "temp_dir.hh"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <ctime>

using namespace tcache;

namespace {

constexpr int process_count = 64;
constexpr uint64_t key_count = 300;

struct Shared {
  std::atomic<uint64_t> hits, builds, wrong, failed, started, quarantined;
  std::atomic<bool> stop;
};

struct Random {
  uint64_t state;
  uint64_t next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
  }
};

Key key_of(uint64_t number) {
  KeyBuilder builder("kill test");
  builder.add_u64("number", number);
  return builder.finish();
}

void payload_of(const Key &key, std::string *out) {
  Random random{0};
  std::memcpy(&random.state, key.bytes, 8);
  out->resize(random.next() % 4 ? random.next() % 5000 : random.next() % 100000);
  for (char &c : *out) c = static_cast<char>(random.next());
}

int32_t build(void *user, Build *out) {
  payload_of(*static_cast<const Key *>(user), &out->bytes);
  return 0;
}

/// What a child does until it is stopped or killed.
void work(const std::string &dir, Shared *shared, uint64_t seed) {
  Random random{seed};
  ++shared->started;
  while (!shared->stop) {
    StoreOptions options;
    options.dir = dir;
    options.max_bytes = 1500000; // less than all keys need: eviction goes on all the time
    options.no_sync = random.next() % 8 != 0;
    options.no_memory = true; // each get goes to the disk
    Store store(options);
    uint64_t met = 0;
    for (int i = 0; i < 50 && !shared->stop; ++i) {
      Key key = key_of(random.next() % key_count);
      BlobRef blob;
      Source source = Source::DISK;
      std::string expected;
      payload_of(key, &expected);
      shared->quarantined += store.counters().quarantined - met;
      met = store.counters().quarantined;
      switch (random.next() % 16) {
      case 0:
        (void)store.put(key, expected.data(), expected.size()).ok();
        continue;
      case 1:
        (void)store.remove(key).ok();
        continue;
      case 2:
      case 3:
        if (!store.get(key, &blob).ok()) continue;
        break;
      default:
        if (!store.get_or_build(key, build, &key, &blob, &source).ok()) {
          ++shared->failed;
          continue;
        }
      }
      ++(source == Source::BUILD ? shared->builds : shared->hits);
      if (blob->size() != expected.size() || std::memcmp(blob->data(), expected.data(), expected.size()) != 0)
        ++shared->wrong;
    }
  }
}

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

using Work = void (*)(const std::string &dir, Shared *shared, uint64_t seed);

pid_t start(Work work, const std::string &dir, Shared *shared, uint64_t seed) {
  std::fflush(stdout);
  pid_t pid = ::fork();
  if (pid == 0) {
    (void)!::nice(10); // so that the killer gets its turn among 64
    work(dir, shared, seed);
    ::_exit(0);
  }
  if (pid < 0) std::perror("fork"), std::exit(1);
  return pid;
}

/// Damages one file of the directory in place.
void damage(const std::string &dir, Random &random) {
  std::string path;
  struct stat st{};
  for (int tries = 0; tries < 20; ++tries) {
    path = dir + "/" + (random.next() % 30 ? tessera::to_hex(key_of(random.next() % key_count)) : "usage");
    if (::stat(path.c_str(), &st) == 0 && st.st_size > 0) break;
  }
  if (st.st_size <= 0) return;
  off_t at = static_cast<off_t>(random.next() % static_cast<uint64_t>(st.st_size));
  if (random.next() % 4 == 0) {
    (void)!::truncate(path.c_str(), at);
    return;
  }
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  char c;
  if (fd >= 0 && ::pread(fd, &c, 1, at) == 1) {
    c = static_cast<char>(c ^ 1 << random.next() % 8);
    (void)!::pwrite(fd, &c, 1, at);
  }
  if (fd >= 0) ::close(fd);
}

/// The child that damages. (Not the killer: it would wait for 64 others at the directory's lock.)
void vandalise(const std::string &dir, Shared *shared, uint64_t seed) {
  Random random{seed};
  while (!shared->stop) {
    damage(dir, random);
    ::usleep(1000);
  }
}

bool part(double seconds, bool with_damage) {
  TempDir temp;
  std::string dir = temp / "cache";
  void *memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  Shared *shared = new (memory) Shared{};
  Random random{with_damage ? 77u : 42u};
  std::vector<pid_t> children, dead;
  for (int i = 0; i < process_count; ++i) children.push_back(start(work, dir, shared, random.next()));
  pid_t vandal = with_damage ? start(vandalise, dir, shared, random.next()) : 0;
  uint64_t killed = 0;
  double end = now() + seconds;
  // However slow the machine is, all that is tested has happened some times.
  while (now() < end || shared->hits < 100 || shared->builds < 100 || killed < process_count / 2 ||
         shared->started < process_count || (with_damage && shared->quarantined < 3)) {
    ::usleep(3000);
    pid_t &victim = children[random.next() % children.size()];
    ::kill(victim, SIGKILL);
    ++killed;
    // Not waited for: on a busy machine the dead take their time.
    dead.push_back(victim);
    victim = start(work, dir, shared, random.next());
    while (!dead.empty() && ::waitpid(dead.front(), nullptr, WNOHANG) > 0) dead.erase(dead.begin());
  }
  for (pid_t child : dead) ::waitpid(child, nullptr, 0);
  shared->stop = true;
  bool good = true;
  if (vandal) children.push_back(vandal);
  for (pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) std::printf("a child ended with status %d\n", status), good = false;
  }
  std::printf("%s%llu hits, %llu builds, %llu killed: %llu wrong, %llu failed\n",
              with_damage ? "damaged: " : "", static_cast<unsigned long long>(shared->hits),
              static_cast<unsigned long long>(shared->builds), static_cast<unsigned long long>(killed),
              static_cast<unsigned long long>(shared->wrong),
              static_cast<unsigned long long>(shared->failed));
  good = good && shared->wrong == 0 && shared->failed == 0;

  // Now alone. What the others left is sound, except where it was damaged; names are as documented.
  StoreOptions options;
  options.dir = dir;
  options.max_bytes = 1500000;
  Store store(options);
  std::vector<EntryFile> files;
  (void)store.disk().list(&files).ok();
  if (files.empty()) std::printf("the directory is empty\n"), good = false;
  for (const EntryFile &file : files) {
    tessera::Status status = store.disk().check(file.key);
    if (!status.ok() && !with_damage) std::printf("%s\n", status.message.c_str()), good = false;
  }
  if (!with_damage && (shared->quarantined || store.disk().quarantine_entries()))
    std::printf("a good entry was quarantined\n"), good = false;
  uint64_t evicted = 0;
  (void)store.disk().store(key_of(key_count), "x", 1, &evicted).ok();
  Totals removed;
  (void)store.disk().prune(options.max_bytes, UINT64_MAX, &removed).ok();
  (void)store.disk().list(&files).ok();
  uint64_t bytes = 0;
  for (const EntryFile &file : files) bytes += file.size;
  if (bytes > options.max_bytes)
    std::printf("%llu bytes are left\n", static_cast<unsigned long long>(bytes)), good = false;
  ::munmap(memory, sizeof(Shared));
  return good;
}

} // namespace

int main(int argc, char **argv) {
  double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  bool good = part(seconds, false);
  good = part(seconds, true) && good;
  return good ? 0 : 1;
}
