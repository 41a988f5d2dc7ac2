// SPDX-License-Identifier: MIT
// The store: layers together, single flight, knobs, fork. Runs under the thread sanitizer too.
#include "../src/store.hh"
#include "common/atomic_file.hh"
#include "temp_dir.hh"
#include <gtest/gtest.h>
#include <condition_variable>
#include <mutex>
#include <sys/wait.h>
#include <thread>

using namespace tcache;
using tessera::Code;
using tessera::Status;

namespace {

Key key_of(uint64_t number) {
  KeyBuilder builder("test");
  builder.add_u64("number", number);
  return builder.finish();
}

std::string text_of(const BlobRef &blob) {
  return blob ? std::string(reinterpret_cast<const char *>(blob->data()), blob->size())
              : std::string("(none)");
}

struct Messages {
  std::mutex lock;
  std::vector<std::string> all;
  static void keep(void *user, uint32_t, const char *text) {
    Messages *self = static_cast<Messages *>(user);
    std::lock_guard<std::mutex> guard(self->lock);
    self->all.push_back(text);
  }
  tessera::LogSink sink() { return {keep, this}; }
};

StoreOptions at(const std::string &dir) {
  StoreOptions options;
  options.dir = dir;
  options.no_sync = true;
  return options;
}

/// A build callback from a lambda.
template <class F> struct Builder {
  F body;
  static int32_t run(void *user, Build *build) { return static_cast<Builder *>(user)->body(build); }
};
template <class F> Status build(Store &store, const Key &key, F body, BlobRef *out, Source *source) {
  Builder<F> builder{body};
  return store.get_or_build(key, Builder<F>::run, &builder, out, source);
}

auto writes(const char *text) {
  return [text](Build *build) {
    build->bytes = text;
    return 0;
  };
}

struct Gate {
  std::mutex lock;
  std::condition_variable changed;
  int arrived = 0;
  bool open = false;
  void arrive() {
    std::unique_lock<std::mutex> guard(lock);
    ++arrived;
    changed.notify_all();
    while (!open) changed.wait(guard);
  }
  void wait_for(int count) {
    std::unique_lock<std::mutex> guard(lock);
    while (arrived < count) changed.wait(guard);
  }
  void release() {
    std::lock_guard<std::mutex> guard(lock);
    open = true;
    changed.notify_all();
  }
};

TEST(Store, layers_in_order) {
  TempDir temp;
  { // fill an upper directory
    Store store(at(temp / "upper"));
    ASSERT_TRUE(store.put(key_of(1), "up", 2).ok());
  }
  StoreOptions options = at(temp / "own");
  options.upper = {temp / "upper"};
  BlobRef blob;
  Source source;
  {
    Store store(options);
    ASSERT_TRUE(build(store, key_of(1), writes("never"), &blob, &source).ok());
    EXPECT_EQ(text_of(blob), "up");
    EXPECT_EQ(source, Source::UPPER);
    ASSERT_TRUE(build(store, key_of(1), writes("never"), &blob, &source).ok());
    EXPECT_EQ(source, Source::MEMORY);
    ASSERT_TRUE(build(store, key_of(2), writes("made"), &blob, &source).ok());
    EXPECT_EQ(source, Source::BUILD);
    EXPECT_EQ(store.counters().misses, 1u);
    EXPECT_EQ(store.counters().builds, 1u);
  }
  Store store(options);
  ASSERT_TRUE(build(store, key_of(2), writes("never"), &blob, &source).ok());
  EXPECT_EQ(text_of(blob), "made");
  EXPECT_EQ(source, Source::DISK);
  ASSERT_TRUE(store.remove(key_of(2)).ok());
  EXPECT_EQ(store.get(key_of(2), &blob).code, Code::NOT_FOUND);
  EXPECT_FALSE(blob);
}

TEST(Store, bad_entry_is_rebuilt) {
  TempDir temp;
  Store(at(temp / "c")).put(key_of(1), "good", 4).ok();
  Messages messages;
  StoreOptions options = at(temp / "c");
  options.log = messages.sink();
  Store store(options);
  ASSERT_TRUE(tessera::atomic_write(store.disk().path_of(key_of(1)), "bad", 3).ok());
  BlobRef blob;
  Source source;
  ASSERT_TRUE(build(store, key_of(1), writes("rebuilt"), &blob, &source).ok());
  EXPECT_EQ(text_of(blob), "rebuilt");
  EXPECT_EQ(source, Source::BUILD);
  EXPECT_EQ(store.counters().quarantined, 1u);
  ASSERT_EQ(messages.all.size(), 1u);
  EXPECT_NE(messages.all[0].find("quarantine"), std::string::npos) << messages.all[0];
  EXPECT_TRUE(Store(at(temp / "c")).get(key_of(1), &blob).ok());
  EXPECT_EQ(text_of(blob), "rebuilt");
}

TEST(Store, trouble_with_the_disk_fails_no_build) {
  TempDir temp;
  ASSERT_TRUE(tessera::atomic_write(temp / "file", "x", 1).ok());
  Messages messages;
  StoreOptions options = at(temp / "file"); // not a directory
  options.log = messages.sink();
  Store store(options);
  EXPECT_EQ(messages.all.size(), 1u);
  BlobRef blob;
  Source source;
  ASSERT_TRUE(build(store, key_of(1), writes("made"), &blob, &source).ok());
  EXPECT_EQ(text_of(blob), "made");
  EXPECT_EQ(store.counters().failed_puts, 1u);
  ASSERT_TRUE(build(store, key_of(1), writes("never"), &blob, &source).ok());
  EXPECT_EQ(source, Source::MEMORY);
  EXPECT_EQ(store.put(key_of(2), "x", 1).code, Code::IO);
  EXPECT_TRUE(store.get(key_of(2), &blob).ok()) << "the memory layer has it all the same";
}

TEST(Store, without_disk_and_without_memory) {
  TempDir temp;
  StoreOptions options;
  options.no_disk = true;
  BlobRef blob;
  {
    Store store(options);
    EXPECT_TRUE(store.put(key_of(1), "x", 1).ok());
    EXPECT_TRUE(store.get(key_of(1), &blob).ok());
    EXPECT_TRUE(store.remove(key_of(1)).ok());
    EXPECT_EQ(store.remove(key_of(1)).code, Code::NOT_FOUND);
    EXPECT_TRUE(store.clear().ok());
  }
  options = at(temp / "c");
  options.no_memory = true;
  Store store(options);
  EXPECT_TRUE(store.put(key_of(1), "x", 1).ok());
  EXPECT_TRUE(store.get(key_of(1), &blob).ok());
  EXPECT_TRUE(store.get(key_of(1), &blob).ok());
  EXPECT_EQ(store.counters().disk_hits, 2u);
  EXPECT_EQ(store.counters().memory_hits, 0u);
}

TEST(Flight, eight_threads_one_build) {
  TempDir temp;
  for (bool memory : {true, false}) {
    StoreOptions options = at(temp / (memory ? "a" : "b"));
    options.no_memory = !memory;
    Store store(options);
    Gate gate;
    std::atomic<int> builds{0}, started{0};
    std::vector<std::string> results(8);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        BlobRef blob;
        Source source;
        ++started;
        Status status = build(
            store, key_of(1),
            [&](Build *out) {
              ++builds;
              gate.arrive();
              out->bytes = "once";
              return 0;
            },
            &blob, &source);
        results[static_cast<size_t>(i)] = status.ok() ? text_of(blob) : status.message;
      });
    gate.wait_for(1);
    while (started < 8) std::this_thread::yield();
    gate.release();
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(builds, 1);
    for (const std::string &result : results) EXPECT_EQ(result, "once");
  }
}

TEST(Flight, many_keys_many_threads) {
  TempDir temp;
  StoreOptions options = at(temp / "c");
  options.memory_bytes = 400; // so that the memory layer evicts all the time
  options.max_entries = 40;   // and the disk too
  Store store(options);
  std::atomic<int> wrong{0}, failed{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      uint64_t state = t + 1;
      for (int i = 0; i < 200; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t number = (state >> 33) % 60;
        std::string expected = "payload of " + std::to_string(number);
        BlobRef blob;
        Source source;
        int kind = static_cast<int>(state >> 60);
        Status status;
        if (kind < 12)
          status = build(
              store, key_of(number),
              [&](Build *out) {
                out->bytes = expected;
                return 0;
              },
              &blob, &source);
        else if (kind == 12)
          status = store.put(key_of(number), expected.data(), expected.size());
        else if (kind == 13)
          (void)store.remove(key_of(number)).ok();
        else
          (void)store.get(key_of(number), &blob).ok();
        if (!status.ok()) ++failed;
        if (blob && text_of(blob) != expected) ++wrong;
      }
    });
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(store.counters().failed_puts, 0u);
}

TEST(Flight, failure_reaches_all_who_wait_and_is_not_kept) {
  TempDir temp;
  Store store(at(temp / "c"));
  Gate gate;
  std::atomic<int> builds{0}, good_messages{0}, started{0};
  auto failing = [&](Build *out) {
    if (builds++ == 0) gate.arrive();
    out->message = "line 3: no";
    return 1000;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      BlobRef blob;
      Source source;
      ++started;
      Status status = build(store, key_of(1), failing, &blob, &source);
      if (static_cast<int>(status.code) == 1000 && status.message == "line 3: no" && !blob) ++good_messages;
    });
  gate.wait_for(1);
  while (started < 8) std::this_thread::yield();
  gate.release();
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(good_messages, 8);
  BlobRef blob;
  Source source;
  ASSERT_TRUE(build(store, key_of(1), writes("now"), &blob, &source).ok());
  EXPECT_EQ(source, Source::BUILD);
}

TEST(Flight, build_inside_a_build) {
  TempDir temp;
  Store store(at(temp / "c"));
  BlobRef outer_blob;
  Source outer_source;
  Status same, other;
  Status status = build(
      store, key_of(1),
      [&](Build *out) {
        BlobRef blob;
        Source source;
        same = build(store, key_of(1), writes("never"), &blob, &source);
        other = build(store, key_of(2), writes("inner"), &blob, &source);
        out->bytes = "outer " + text_of(blob);
        return 0;
      },
      &outer_blob, &outer_source);
  EXPECT_EQ(same.code, Code::BUSY);
  EXPECT_TRUE(other.ok());
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(text_of(outer_blob), "outer inner");
}

TEST(Flight, two_builds_that_want_each_other) {
  TempDir temp;
  Store store(at(temp / "c"));
  Gate both;
  std::atomic<int> busy{0}, good{0};
  auto wants = [&](uint64_t mine, uint64_t others) {
    BlobRef blob;
    Source source;
    Status status = build(
        store, key_of(mine),
        [&](Build *out) {
          both.arrive();
          BlobRef inner;
          Source inner_source;
          Status status = build(store, key_of(others), writes("x"), &inner, &inner_source);
          busy += status.code == Code::BUSY;
          out->bytes = "done";
          return 0;
        },
        &blob, &source);
    good += status.ok();
  };
  std::thread one(wants, 1, 2), two(wants, 2, 1);
  both.wait_for(2);
  both.release();
  one.join();
  two.join();
  EXPECT_EQ(busy, 1) << "one of the two waits, the other is told";
  EXPECT_EQ(good, 2);
}

TEST(Fork, child_uses_the_store_while_the_parent_builds) {
  TempDir temp;
  Store store(at(temp / "c"));
  ASSERT_TRUE(store.put(key_of(5), "before", 6).ok());
  Gate gate;
  std::thread builder([&] {
    BlobRef blob;
    Source source;
    (void)build(
        store, key_of(1),
        [&](Build *out) {
          gate.arrive();
          out->bytes = "parent";
          return 0;
        },
        &blob, &source)
        .ok();
  });
  gate.wait_for(1);
  pid_t pid = ::fork();
  if (pid == 0) {
    BlobRef blob;
    Source source;
    bool good = build(store, key_of(1), writes("child"), &blob, &source).ok() && text_of(blob) == "child" &&
                source == Source::BUILD && store.get(key_of(5), &blob).ok() && text_of(blob) == "before";
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  gate.release();
  builder.join();
}

TEST(Fork, callback_that_forks) {
  TempDir temp;
  Store store(at(temp / "c"));
  pid_t pid = -1;
  BlobRef blob;
  Source source;
  Status status = build(
      store, key_of(1),
      [&](Build *out) {
        pid = ::fork();
        out->bytes = pid == 0 ? "child" : "parent";
        return 0;
      },
      &blob, &source);
  if (pid == 0) ::_exit(status.ok() && text_of(blob) == "child" ? 0 : 1);
  int code = 1;
  ASSERT_EQ(::waitpid(pid, &code, 0), pid);
  EXPECT_EQ(code, 0);
  EXPECT_EQ(text_of(blob), "parent");
}

struct Environment { // sets variables for one test; whatever the caller of the tests had set is gone
  std::vector<std::string> names;
  Environment() {
    for (const char *name : {"TESSERA_CACHE_DIR", "TESSERA_CACHE", "TESSERA_CACHE_SYNC", "TESSERA_CACHE_MAX_BYTES",
                             "TESSERA_CACHE_MAX_ENTRIES", "TESSERA_CACHE_MEMORY_BYTES"})
      ::unsetenv(name);
  }
  void set(const char *name, const std::string &value) {
    names.push_back(name);
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    for (const std::string &name : names) ::unsetenv(name.c_str());
  }
};

TEST(Knobs, choose_the_directory) {
  TempDir temp;
  Environment env;
  env.set("HOME", temp / "home");
  EXPECT_EQ(Store({}).disk().place().dir, temp / "home/.cache/tessera");
  env.set("XDG_CACHE_HOME", "relative");
  EXPECT_EQ(Store({}).disk().place().dir, temp / "home/.cache/tessera");
  env.set("XDG_CACHE_HOME", temp / "xdg");
  EXPECT_EQ(Store({}).disk().place().dir, temp / "xdg/tessera");
  env.set("TESSERA_CACHE_DIR", temp / "own");
  EXPECT_EQ(Store({}).disk().place().dir, temp / "own");
  EXPECT_EQ(Store(at(temp / "param")).disk().place().dir, temp / "param");
  EXPECT_EQ(Store({}).options().max_bytes, uint64_t{4} << 30);
  env.set("TESSERA_CACHE_MAX_BYTES", "10M");
  env.set("TESSERA_CACHE_MAX_ENTRIES", "7");
  env.set("TESSERA_CACHE_MEMORY_BYTES", "0");
  Store store({});
  EXPECT_EQ(store.options().max_bytes, uint64_t{10} << 20);
  EXPECT_EQ(store.options().max_entries, 7u);
  EXPECT_EQ(store.options().memory_bytes, 0u);
  StoreOptions options;
  options.max_bytes = 5000;
  EXPECT_EQ(Store(options).options().max_bytes, 5000u) << "a parameter wins";
}

TEST(Knobs, mode_and_bad_values) {
  TempDir temp;
  Environment env;
  env.set("TESSERA_CACHE", "off");
  EXPECT_EQ(Store(at(temp / "c")).disk().place().access, Access::OFF);
  EXPECT_NE(::access((temp / "c").c_str(), F_OK), 0) << "nothing is made";
  ASSERT_EQ(::mkdir((temp / "c").c_str(), 0700), 0);
  env.set("TESSERA_CACHE", "ro");
  EXPECT_EQ(Store(at(temp / "c")).disk().place().access, Access::READ);
  env.set("TESSERA_CACHE", "maybe");
  env.set("TESSERA_CACHE_MAX_BYTES", "lots");
  env.set("TESSERA_CACHE_SYNC", "2");
  Messages messages;
  StoreOptions options = at(temp / "c");
  options.log = messages.sink();
  Store store(options);
  EXPECT_EQ(store.disk().place().access, Access::WRITE);
  EXPECT_EQ(store.options().max_bytes, uint64_t{4} << 30);
  ASSERT_EQ(messages.all.size(), 3u);
  EXPECT_NE(messages.all[0].find("TESSERA_CACHE_MAX_BYTES"), std::string::npos);
  EXPECT_NE(messages.all[0].find("lots"), std::string::npos);
}

} // namespace
