// SPDX-License-Identifier: MIT
// Finding and opening the other libraries of the house at run time, and naming a library file without loading it.
#pragma once
#include "common/status.hh"
#include <string>
#include <vector>

namespace tkernels {

/// A shared library of the house that was opened, for the rest of the process (it is never closed: kernels and
/// handles that came out of it may outlive the session).
struct Sibling {
  void *handle = nullptr;
  std::string path;
  /// NULL with a message that names the library when there is no such function.
  tessera::Result<void *> symbol(const char *name) const;
};

/// Where `soname` would be loaded from: the folders of `library_path` (':' between), this library's own folder, the
/// folder beside it that a build tree has (../libX/). Empty: nowhere of these, only the system's own search is left.
std::string find_sibling(const char *soname, const std::string &library_path);

/// A library of that soname that the process has loaded already, else the one find_sibling names, else what the
/// system's search gives. NOT_FOUND lists the places.
tessera::Result<Sibling> open_sibling(const char *soname, const std::string &library_path);

/// What identifies the code in an ELF file and in those it needs whose names begin with `needs` ("libLLVM"): their
/// build ids in hex. A file without a build id is named by its size and time.
std::string elf_identity(const std::string &path, const char *needs);

} // namespace tkernels
