// SPDX-License-Identifier: MIT
// A directory for one test, deleted with all below it.
#pragma once
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

struct TempDir {
  std::string path;
  TempDir() {
    const char *base = std::getenv("TMPDIR");
    path = std::string(base && *base ? base : "/tmp") + "/tcache-test-XXXXXX";
    if (!::mkdtemp(path.data())) std::abort();
  }
  ~TempDir() { remove_tree(path); }
  TempDir(const TempDir &) = delete;
  TempDir &operator=(const TempDir &) = delete;
  std::string operator/(const char *name) const { return path + "/" + name; }

  static std::vector<std::string> names(const std::string &dir) {
    std::vector<std::string> all;
    if (DIR *handle = ::opendir(dir.c_str())) {
      while (dirent *item = ::readdir(handle)) {
        std::string name = item->d_name;
        if (name != "." && name != "..") all.push_back(name);
      }
      ::closedir(handle);
    }
    return all;
  }
  static void remove_tree(const std::string &dir) {
    for (const std::string &name : names(dir)) {
      std::string item = dir + "/" + name;
      struct stat st{};
      if (::lstat(item.c_str(), &st) == 0 && S_ISDIR(st.st_mode))
        remove_tree(item);
      else
        ::unlink(item.c_str());
    }
    ::rmdir(dir.c_str());
  }
};
