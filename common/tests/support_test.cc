// SPDX-License-Identifier: MIT
// Hash, atomic files, knobs, log.
#include "common/atomic_file.hh"
#include "common/hash.hh"
#include "common/knobs.hh"
#include "common/log.hh"
#include <gtest/gtest.h>
#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tessera;

namespace {

TEST(Hash, known_values) { // by Python's hashlib.blake2b
  EXPECT_EQ(to_hex(hash256("", 0)), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(to_hex(hash256("abc", 3)), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  Hasher keyed("key", 3);
  keyed.update("abc", 3);
  EXPECT_EQ(to_hex(keyed.finish()), "0330531d097355a3f72e80d55c1245ccf79f1704431c6e3887938320442c23c0");
  std::string bytes(100000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
  const char *expected = "2876d1bbfa8e8637e8bd364c4d91006030f439ef3d9b87f66d087dd0b021c0af";
  EXPECT_EQ(to_hex(hash256(bytes.data(), bytes.size())), expected);
  Hasher parts;
  for (size_t at = 0, step = 1; at < bytes.size(); at += step, step = step * 3 % 1009 + 1) {
    step = std::min(step, bytes.size() - at);
    parts.update(bytes.data() + at, step);
  }
  EXPECT_EQ(to_hex(parts.finish()), expected);
  EXPECT_EQ(to_hex(parts.finish()), expected) << "finish changes nothing";
}

TEST(Hash, hex_both_ways) {
  Hash256 hash = hash256("x", 1), back;
  std::string text = to_hex(hash);
  ASSERT_TRUE(from_hex(text.data(), text.size(), &back));
  EXPECT_TRUE(hash == back);
  EXPECT_FALSE(from_hex(text.data(), 63, &back));
  for (char bad : {'g', 'A', ' ', '/', ':', '`', '\0'}) {
    std::string wrong = text;
    wrong[40] = bad;
    EXPECT_FALSE(from_hex(wrong.data(), wrong.size(), &back)) << bad;
  }
}

struct AtomicFile : testing::Test {
  std::string dir = "/tmp/tessera-support-XXXXXX";
  void SetUp() override { ASSERT_TRUE(::mkdtemp(dir.data())); }
  void TearDown() override {
    for (const std::string &name : names()) ::unlink((dir + "/" + name).c_str());
    ::rmdir(dir.c_str());
  }
  std::vector<std::string> names() {
    std::vector<std::string> all;
    DIR *handle = ::opendir(dir.c_str());
    while (dirent *item = ::readdir(handle))
      if (std::string name = item->d_name; name != "." && name != "..") all.push_back(name);
    ::closedir(handle);
    return all;
  }
};

TEST_F(AtomicFile, writes_replaces_and_reads) {
  std::string path = dir + "/file";
  ByteSpan parts[] = {{"one ", 4}, {nullptr, 0}, {"two", 3}};
  ASSERT_TRUE(atomic_write(path, parts, 3).ok());
  EXPECT_EQ(read_whole_file(path, 100).value, "one two");
  ASSERT_TRUE(atomic_write(path, "", 0).ok());
  EXPECT_EQ(read_whole_file(path, 100).value, "");
  ASSERT_TRUE(atomic_write(path, "12345", 5, {0777, false}).ok());
  struct stat st{};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 022, 0u);
  EXPECT_EQ(read_whole_file(path, 4).status.code, Code::LIMIT);
  EXPECT_EQ(names().size(), 1u);
}

TEST_F(AtomicFile, failures_name_path_and_reason_and_leave_nothing) {
  Status status = atomic_write(dir + "/no/file", "x", 1);
  EXPECT_EQ(status.code, Code::NOT_FOUND);
  EXPECT_NE(status.message.find(dir + "/no/file"), std::string::npos) << status.message;
  EXPECT_NE(status.message.find("No such file"), std::string::npos) << status.message;
  EXPECT_EQ(atomic_write(dir, "x", 1).code, Code::IO);
  EXPECT_EQ(atomic_write("", "x", 1).code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(read_whole_file(dir + "/none", 1).status.code, Code::NOT_FOUND);
  EXPECT_EQ(read_whole_file(dir, 1).status.code, Code::IO);
  AtomicWrite over;
  over.replace_anything = true; // a rename onto a directory fails at the very end
  std::string below = dir + "/sub";
  ASSERT_EQ(::mkdir(below.c_str(), 0700), 0);
  EXPECT_EQ(atomic_write(below, "x", 1, over).code, Code::IO);
  EXPECT_EQ(names().size(), 1u);
  ::rmdir(below.c_str());
}

TEST_F(AtomicFile, devices_and_links_stay_what_they_are) {
  EXPECT_TRUE(atomic_write("/dev/null", "x", 1).ok());
  struct stat st{};
  ASSERT_EQ(::stat("/dev/null", &st), 0);
  EXPECT_TRUE(S_ISCHR(st.st_mode));
  Status status = atomic_write("/dev/full", "x", 1);
  EXPECT_EQ(status.code, Code::IO);
  EXPECT_NE(status.message.find("No space left"), std::string::npos) << status.message;
  ASSERT_TRUE(atomic_write(dir + "/target", "old", 3).ok());
  ASSERT_EQ(::symlink("target", (dir + "/link").c_str()), 0);
  ASSERT_TRUE(atomic_write(dir + "/link", "new", 3).ok());
  EXPECT_EQ(read_whole_file(dir + "/target", 10).value, "new");
  ASSERT_EQ(::lstat((dir + "/link").c_str(), &st), 0);
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  ASSERT_EQ(::symlink("nowhere", (dir + "/dangling").c_str()), 0);
  EXPECT_FALSE(atomic_write(dir + "/dangling", "x", 1).ok());
}

TEST(Knobs, sizes) {
  uint64_t value = 0;
  EXPECT_TRUE(parse_size("0", &value) && value == 0);
  EXPECT_TRUE(parse_size("123", &value) && value == 123);
  EXPECT_TRUE(parse_size("4G", &value) && value == uint64_t{4} << 30);
  EXPECT_TRUE(parse_size("64k", &value) && value == 65536);
  EXPECT_TRUE(parse_size("18446744073709551615", &value) && value == UINT64_MAX);
  for (const char *bad :
       {"", "M", "1T", "1MB", "-1", " 1", "1 ", "18446744073709551616", "17179869184G", "0x10"})
    EXPECT_FALSE(parse_size(bad, &value)) << bad;
}

TEST(Knobs, environment_and_defaults) {
  ::unsetenv("TESSERA_CACHE_MEMORY_BYTES");
  EXPECT_EQ(knob_size(Knob::CACHE_MEMORY_BYTES).value, uint64_t{64} << 20);
  ::setenv("TESSERA_CACHE_MEMORY_BYTES", "2M", 1);
  EXPECT_EQ(knob_size(Knob::CACHE_MEMORY_BYTES).value, uint64_t{2} << 20);
  EXPECT_NE(knobs_help().find("now \"2M\""), std::string::npos);
  ::setenv("TESSERA_CACHE_MEMORY_BYTES", "many", 1);
  Result<uint64_t> bad = knob_size(Knob::CACHE_MEMORY_BYTES);
  EXPECT_EQ(bad.status.code, Code::PARSE);
  EXPECT_NE(bad.status.message.find("TESSERA_CACHE_MEMORY_BYTES is \"many\""), std::string::npos);
  ::setenv("TESSERA_CACHE_MEMORY_BYTES", "", 1);
  EXPECT_EQ(knob_set(Knob::CACHE_MEMORY_BYTES), nullptr) << "empty is unset";
  ::unsetenv("TESSERA_CACHE_MEMORY_BYTES");
  for (const char *yes : {"1", "on", "TRUE", "yes"}) {
    ::setenv("TESSERA_CACHE_SYNC", yes, 1);
    EXPECT_TRUE(knob_flag(Knob::CACHE_SYNC).value);
  }
  ::setenv("TESSERA_CACHE_SYNC", "off", 1);
  EXPECT_FALSE(knob_flag(Knob::CACHE_SYNC).value);
  ::setenv("TESSERA_CACHE_SYNC", "perhaps", 1);
  EXPECT_FALSE(knob_flag(Knob::CACHE_SYNC).ok());
  ::unsetenv("TESSERA_CACHE_SYNC");
}

template <KnobType type> void check_row(Knob knob, const char *name) {
  ::unsetenv(name);
  EXPECT_STREQ(knob_name(knob), name);
  EXPECT_TRUE(type != KnobType::SIZE || knob_size(knob).ok()) << name;
  EXPECT_TRUE(type != KnobType::FLAG || knob_flag(knob).ok()) << name;
  EXPECT_NE(knobs_help().find(std::string(name) + " "), std::string::npos) << name;
}

TEST(Knobs, defaults_are_values_of_their_type) {
#define X(name, type, fallback, text) check_row<KnobType::type>(Knob::name, "TESSERA_" #name);
#include "common/knobs.inc"
#undef X
}

/// The part of the next test that runs in a set-user-id copy of this program.
TEST(Knobs, DISABLED_inside_a_set_id_process) {
  if (!::getauxval(AT_SECURE)) std::exit(77);
  ASSERT_NE(std::getenv("TESSERA_CACHE"), nullptr);
  EXPECT_EQ(knob_set(Knob::CACHE), nullptr);
  EXPECT_STREQ(knob_text(Knob::CACHE), "rw");
  EXPECT_EQ(trusted_env("PATH"), nullptr);
  std::fflush(stdout);
  ::_exit(HasFailure() ? 1 : 0); // the leak checker of a sanitizer build cannot look into such a process
}

TEST_F(AtomicFile, knobs_are_ignored_in_set_id_processes) {
  if (::geteuid() != 0) GTEST_SKIP() << "skipped: needs root to make a program of another user";
  std::string copy = dir + "/copy";
  Result<std::string> self = read_whole_file("/proc/self/exe", size_t{1} << 30);
  ASSERT_TRUE(self.ok()) << self.status.message;
  ASSERT_TRUE(atomic_write(copy, self.value.data(), self.value.size(), {0755, false}).ok());
  ASSERT_EQ(::chmod(dir.c_str(), 0755), 0);
  ASSERT_EQ(::chown(copy.c_str(), 65534, 65534), 0);
  ASSERT_EQ(::chmod(copy.c_str(), 04755), 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    ::setenv("TESSERA_CACHE", "off", 1);
    ::execl(copy.c_str(), copy.c_str(), "--gtest_filter=Knobs.DISABLED_inside_a_set_id_process",
            "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
    GTEST_SKIP() << "skipped: set-user-id has no effect here";
  EXPECT_EQ(status, 0);
}

TEST(Log, goes_to_the_sink_only) {
  std::string got;
  LogSink sink{[](void *user, uint32_t level, const char *text) {
                 *static_cast<std::string *>(user) += std::to_string(level) + text;
               },
               &got};
  log(sink, LogLevel::WARNING, "a %d", 7);
  log({}, LogLevel::ERROR, "dropped");
  EXPECT_EQ(got, "2a 7");
}

} // namespace
