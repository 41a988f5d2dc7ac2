// SPDX-License-Identifier: MIT
// Finding the vendor's driver: by dlopen at the first use, entry points by cuGetProcAddress.
#include "api.hh"
#include "common/knobs.hh"
#include <atomic>
#include <dlfcn.h>
#include <mutex>
#include <pthread.h>

namespace tdriver::cuda {

constinit Api api = {};

namespace {

constinit std::mutex lock;
constinit std::atomic<bool> in_child{false};
constinit int version_number = 0;

/// What the first call found, kept for the later ones.
struct Opened {
  bool done = false;
  Code code = Code::OK;
  char text[512] = "";
};
constinit Opened opened;

using GetProcAddress2 = CUresult (*)(const char *, void **, int, unsigned long long, int *);
using GetProcAddress1 = CUresult (*)(const char *, void **, int, unsigned long long);

Status resolve(void *library, const char *path) {
  auto newer = reinterpret_cast<GetProcAddress2>(dlsym(library, "cuGetProcAddress_v2"));
  auto older = reinterpret_cast<GetProcAddress1>(dlsym(library, "cuGetProcAddress"));
  if (!newer && !older)
    return fail(Code::UNSUPPORTED, "%s has no cuGetProcAddress: expected a driver for CUDA 11.6 or newer", path);
  auto find = [&](const char *name, int version, void **out) {
    int found = 0;
    CUresult r = newer ? newer(name, out, version, 0, &found) : older(name, out, version, 0);
    if (r != success) *out = nullptr;
  };
#define X(name, version, required, parameters)                                                               \
  find(#name, version, reinterpret_cast<void **>(&api.name));                                                \
  if (required && !api.name)                                                                                 \
    return fail(Code::UNSUPPORTED, "%s has no %s: expected a driver for CUDA 11.6 or newer", path, #name);
#include "entries.inc"
#undef X
  return {};
}

Status initialise() {
  const char *path = tessera::knob_text(tessera::Knob::LIBCUDA);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return fail(Code::NOT_FOUND, "no CUDA driver: %s", why ? why : path);
  }
  // Never closed: the driver keeps threads and handlers of its own.
  TESSERA_TRY(resolve(library, path));
  if (CUresult r = api.cuInit(0); r != success)
    return fail(r == error_no_device ? Code::NOT_FOUND : Code::DEVICE, "cuInit: %s", error_text(r).c_str());
  api.cuDriverGetVersion(&version_number);
  pthread_atfork(nullptr, nullptr, [] { in_child.store(true, std::memory_order_relaxed); });
  return {};
}

} // namespace

Status open_driver() {
  if (forked()) return forked_status();
  std::lock_guard guard(lock);
  if (!opened.done) {
    Status s = initialise();
    opened.code = s.code;
    std::snprintf(opened.text, sizeof(opened.text), "%s", s.message.c_str());
    opened.done = true;
  }
  return opened.code == Code::OK ? Status{} : Status{opened.code, opened.text};
}

int driver_version() { return version_number; }

bool forked() { return in_child.load(std::memory_order_relaxed); }

Status forked_status() {
  return fail(Code::DEVICE, "cuda: forked after initialisation: the vendor's driver does not work in the child of a "
                            "process that has used it; fork before, or start a new process");
}

std::string error_text(CUresult error) {
  const char *name = nullptr, *text = nullptr;
  if (!api.cuGetErrorName || api.cuGetErrorName(error, &name) != success || !name) name = "unknown CUDA error";
  if (!api.cuGetErrorString || api.cuGetErrorString(error, &text) != success || !text) text = "no text";
  return tessera::format("%s (%d): %s", name, error, text);
}

bool is_sticky(CUresult e) {
  return e == error_ecc || e == error_illegal_address || e == error_launch_timeout ||
         (e >= error_context_destroyed && e <= error_assert) ||
         (e >= error_hardware_stack && e <= error_launch_failed) || e == error_tensor_memory_leak || e == error_deinitialized;
}

Code code_of(CUresult e) {
  switch (e) {
  case error_invalid_value:
    return Code::INVALID_ARGUMENT;
  case error_out_of_memory:
    return Code::IO;
  case error_invalid_image:
  case error_invalid_ptx:
    return Code::CORRUPT;
  case error_no_binary:
  case error_unsupported_ptx:
  case error_jit_compiler_not_found:
    return Code::UNSUPPORTED;
  case error_not_found:
    return Code::NOT_FOUND;
  case error_not_ready:
    return Code::BUSY;
  case error_launch_resources:
  case error_cooperative_too_large:
    return Code::LIMIT;
  default:
    return Code::DEVICE;
  }
}

} // namespace tdriver::cuda
