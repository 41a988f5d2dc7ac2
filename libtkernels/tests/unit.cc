// SPDX-License-Identifier: MIT
// Finding siblings, and the identity of ELF files. argv[1]: an ELF file (this program itself).
#include "sibling.hh"
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace tkernels;

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                          \
      std::exit(1);                                                                                          \
    }                                                                                                        \
  } while (0)

static void write_file(const std::string &path, const std::string &bytes) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0 && write(fd, bytes.data(), bytes.size()) == ssize_t(bytes.size()));
  close(fd);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  char folder[] = "/tmp/tkernels-unit-XXXXXX";
  CHECK(mkdtemp(folder));
  const std::string dir = folder;

  // The search order: given folders first, in their order; empty parts are skipped.
  CHECK(mkdir((dir + "/a").c_str(), 0700) == 0 && mkdir((dir + "/b").c_str(), 0700) == 0);
  write_file(dir + "/b/libtnothing.so.0", "x");
  CHECK(find_sibling("libtnothing.so.0", dir + "/a::" + dir + "/b") == dir + "/b/libtnothing.so.0");
  write_file(dir + "/a/libtnothing.so.0", "x");
  CHECK(find_sibling("libtnothing.so.0", dir + "/a:" + dir + "/b") == dir + "/a/libtnothing.so.0");
  CHECK(find_sibling("libtnothing.so.0", "") == "");
  auto missing = open_sibling("libtmissing.so.0", dir + "/a");
  CHECK(!missing.ok() && missing.status.code == tessera::Code::NOT_FOUND);
  CHECK(missing.status.message.find(dir + "/a/libtmissing.so.0") != std::string::npos);
  auto junk = open_sibling("libtnothing.so.0", dir + "/a"); // there, but no library
  CHECK(!junk.ok() && junk.status.message.find("libtnothing.so.0") != std::string::npos);

  // Identities: this program has a build id; another content has another identity; the libraries it needs count.
  std::string self = elf_identity(argv[1], "nothing that is needed");
  CHECK(self.size() >= 16 && self == elf_identity(argv[1], "nothing that is needed"));
  std::string with_libc = elf_identity(argv[1], "libc.so");
  CHECK(with_libc.size() > self.size() && with_libc.find("libc.so.6:") != std::string::npos);
  CHECK(elf_identity(dir + "/a/libtnothing.so.0", "x") != elf_identity(argv[1], "x"));
  CHECK(elf_identity(dir + "/none", "x") == "missing");

  // Any bytes: cut and damaged ELF files end in some identity, never in a crash.
  std::string bytes;
  {
    int fd = open(argv[1], O_RDONLY);
    char chunk[65536];
    for (ssize_t n; (n = read(fd, chunk, sizeof(chunk))) > 0;) bytes.append(chunk, size_t(n));
    close(fd);
  }
  CHECK(bytes.size() > 1000);
  uint64_t state = 1;
  for (int i = 0; i < 300; ++i) {
    std::string damaged = bytes.substr(0, i % 3 ? bytes.size() : (size_t(i) * 37) % bytes.size());
    for (int k = 0; k < 20 && !damaged.empty(); ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      damaged[(state >> 33) % (damaged.size() < 4096 ? damaged.size() : 4096)] = char(state >> 20);
    }
    write_file(dir + "/damaged", damaged);
    CHECK(!elf_identity(dir + "/damaged", "lib").empty());
  }
  CHECK(std::system(("rm -rf " + dir).c_str()) == 0);
  std::puts("good");
}
