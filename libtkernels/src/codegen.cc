// SPDX-License-Identifier: MIT
// The default compiler: libtcodegen, opened by the first compilation. Until then its file is only looked at, for the
// identity that is part of every key.
#include "common/knobs.hh"
#include "session.hh"
#include "sibling.hh"
#include "tcodegen/compile.h"
#include "tcodegen/version.h"
#include <cstdio>

namespace tkernels {

using tessera::fail;

std::string sibling_folders(const std::string &given); // defaults.cc

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
static constexpr char codegen_soname[] = "libtcodegen.so." TEXT(TCODEGEN_ABI_MAJOR);

#define FUNCTION(name) decltype(&::name) name = nullptr

namespace {
struct Codegen {
  std::string library_path, identity;
  std::mutex mutex;
  bool opened = false; // guarded by mutex, like what follows; constant once true
  tcodegen_compiler *compiler = nullptr;
  FUNCTION(tcodegen_last_message);
  FUNCTION(tcodegen_compiler_create);
  FUNCTION(tcodegen_compiler_destroy);
  FUNCTION(tcodegen_compile);
  FUNCTION(tcodegen_artifact_data);
  FUNCTION(tcodegen_artifact_size);
  FUNCTION(tcodegen_artifact_destroy);
};
} // namespace

/// Opens the library, once. A failure is not remembered: the library may be there the next time.
static Status open_codegen(Codegen *c) {
  std::lock_guard<std::mutex> lock(c->mutex);
  if (c->opened) return tessera::ok_status();
  auto sibling = open_sibling(codegen_soname, c->library_path);
  if (!sibling.ok()) return sibling.status;
  struct {
    void **slot;
    const char *name;
  } rows[] = {
#define ROW(name) {reinterpret_cast<void **>(&c->name), #name}
      ROW(tcodegen_last_message),   ROW(tcodegen_compiler_create), ROW(tcodegen_compiler_destroy), ROW(tcodegen_compile),
      ROW(tcodegen_artifact_data), ROW(tcodegen_artifact_size),   ROW(tcodegen_artifact_destroy),
#undef ROW
  };
  for (auto &row : rows) {
    auto symbol = sibling.value.symbol(row.name);
    if (!symbol.ok()) return symbol.status;
    *row.slot = symbol.value;
  }
  if (tcodegen_status s = c->tcodegen_compiler_create(nullptr, &c->compiler); s != TCODEGEN_OK) return {Code(s), c->tcodegen_last_message()};
  c->opened = true;
  return tessera::ok_status();
}

static tkernels_status codegen_compile(void *user, const tkernels_compile_request *request, tkernels_write_fn write,
                                       void *write_user, tkernels_report *report) {
  auto *c = static_cast<Codegen *>(user);
  if (Status s = open_codegen(c); !s.ok()) {
    std::snprintf(report->text, sizeof(report->text), "%s", s.message.c_str());
    return tkernels_status(s.code);
  }
  tcodegen_params params = TCODEGEN_PARAMS_INIT;
  params.target = request->target;
  params.kernel = request->kernel;
  params.ir_name = request->source_name;
  params.options = *request->options ? request->options : nullptr;
  if (request->flags & TKERNELS_GET_NO_PROMISES) params.promises = TCODEGEN_OFF;
  if (request->flags & TKERNELS_GET_KEEP_STAGES)
    params.keep = TCODEGEN_KEEP_TTIR | TCODEGEN_KEEP_LLIR | TCODEGEN_KEEP_ASM | TCODEGEN_KEEP_OBJECT | TCODEGEN_KEEP_EMBEDDED |
                  TCODEGEN_KEEP_TTGIR | TCODEGEN_KEEP_SASS | TCODEGEN_KEEP_PLAN;
  tcodegen_artifact *artifact = nullptr;
  tcodegen_status status = c->tcodegen_compile(c->compiler, request->ir, request->ir_size, &params, &artifact);
  if (status != TCODEGEN_OK) {
    std::snprintf(report->text, sizeof(report->text), "%s", c->tcodegen_last_message());
    return status;
  }
  status = write(write_user, c->tcodegen_artifact_data(artifact), c->tcodegen_artifact_size(artifact));
  c->tcodegen_artifact_destroy(artifact);
  return status;
}

static void codegen_destroy(void *user) {
  auto *c = static_cast<Codegen *>(user);
  if (c->opened) c->tcodegen_compiler_destroy(c->compiler);
  delete c;
}

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
