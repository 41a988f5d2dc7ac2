// SPDX-License-Identifier: MIT
// The default compiler: libtcodegen, opened by the first compilation. Until then its file is only looked at, for the
// identity that is part of every key.
#include "common/knobs.hh"
#include "session.hh"
#include "sibling.hh"
#include "tcodegen/version.h"
#include <cstdio>

namespace tkernels {

using tessera::fail;

std::string sibling_folders(const std::string &given); // defaults.cc

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
static constexpr char codegen_soname[] = "libtcodegen.so." TEXT(TCODEGEN_ABI_MAJOR);

namespace {
struct Codegen {
  std::string library_path, identity;
  std::mutex mutex;
  bool opened = false; // guarded by mutex, like what follows; constant once true
  Sibling sibling;
};
} // namespace

static tkernels_status codegen_compile(void *user, const tkernels_compile_request *request, tkernels_write_fn write,
                                       void *write_user, tkernels_report *report) {
  std::snprintf(report->text, sizeof(report->text), "not implemented: compiling");
  return TKERNELS_UNSUPPORTED;
}

static void codegen_destroy(void *user) { delete static_cast<Codegen *>(user); }

Result<tkernels_codegen_provider> default_codegen(const std::string &library_path) {
  auto *c = new Codegen;
  c->library_path = sibling_folders(library_path);
  std::string path = find_sibling(codegen_soname, c->library_path);
  // A compiler that only the system's search can find is not looked up here; its version has to do.
  c->identity = path.empty() ? std::string(codegen_soname) + " " TEXT(TCODEGEN_VERSION_MAJOR) "." TEXT(TCODEGEN_VERSION_MINOR) "." TEXT(TCODEGEN_VERSION_PATCH)
                             : elf_identity(path, "libLLVM");
  return tkernels_codegen_provider{sizeof(tkernels_codegen_provider), c, c->identity.c_str(), codegen_compile, codegen_destroy};
}

} // namespace tkernels
