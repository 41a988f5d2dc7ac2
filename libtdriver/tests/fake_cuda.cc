// SPDX-License-Identifier: MIT
// A CUDA driver that is none: the entry points that the cuda back end uses, over host memory, so that its logic is
// tested without a GPU. Work is done at once. It knows the kernels of cuda_fixtures.cc by name; errors of a kernel stay
// (as a real context's do) until the primary context is released. `fake_count` says how often an entry was called.
#include "../src/cuda/api.hh"
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

using namespace tdriver::cuda;

namespace {

struct Function {
  std::string name;
  std::vector<size_t> sizes;
  int shared = 48 * 1024;
};
struct Code {
  std::string text;
  std::vector<Function *> functions;
};
struct Job {
  Function *function = nullptr;
  unsigned grid[3] = {};
  std::vector<char> params;
  void *to = nullptr;
  const void *from = nullptr; // null: a fill
  unsigned char value = 0;
  size_t size = 0;
};
using Jobs = std::vector<Job>;
struct FakeStream {
  bool capturing = false;
  Jobs jobs;
};
struct Memory {
  size_t size;
  unsigned type;
};

std::mutex lock;
std::map<std::string, int> counts;
std::map<uint64_t, Memory> memory;
CUresult broken = 0;
int references = 0;
int context_object, other_context;
thread_local std::vector<CUcontext> stack;

CUcontext primary() { return reinterpret_cast<CUcontext>(&context_object); }
FakeStream *fake(CUstream s) {
  static FakeStream standard;
  return s ? reinterpret_cast<FakeStream *>(s) : &standard;
}

uint64_t word(const std::vector<char> &p, size_t at, size_t size = 8) {
  uint64_t v = 0;
  std::memcpy(&v, p.data() + at, size);
  return v;
}

void run(const Job &j) {
  if (!j.function) {
    if (j.from)
      std::memmove(j.to, j.from, j.size);
    else
      std::memset(j.to, j.value, j.size);
    return;
  }
  const std::string &name = j.function->name;
  uint64_t programs = uint64_t(j.grid[0]) * j.grid[1] * j.grid[2];
  if (name == "add") {
    auto *x = reinterpret_cast<float *>(word(j.params, 0)), *y = reinterpret_cast<float *>(word(j.params, 8)),
         *out = reinterpret_cast<float *>(word(j.params, 16));
    for (uint64_t i = 0; i < word(j.params, 24, 4) && i < programs * 128; ++i) out[i] = x[i] + y[i];
  } else if (name == "shared") {
    for (int i = 0; i < 128; ++i) reinterpret_cast<int32_t *>(word(j.params, 0))[i] = 3 * (127 - i) + 1;
  } else if (name == "scratch") {
    for (uint64_t i = 0; i < programs; ++i) {
      auto *s = reinterpret_cast<int32_t *>(word(j.params, 8)) + 4 * i;
      *s = int32_t(i) + 5;
      reinterpret_cast<int32_t *>(word(j.params, 0))[i] = *s;
    }
  } else if (name == "check" && programs > word(j.params, 8, 4)) {
    auto *r = reinterpret_cast<uint32_t *>(word(j.params, 16));
    uint64_t program = word(j.params, 8, 4);
    r[0] = 2, r[1] = 1, r[2] = 0, r[3] = 1;
    std::memcpy(r + 4, &program, 8);
    broken = error_launch_failed;
  } else if (name == "fault") {
    broken = error_illegal_address;
  }
}

CUresult give(CUstream s, Job job) {
  if (broken) return broken;
  FakeStream *f = fake(s);
  if (f->capturing)
    f->jobs.push_back(std::move(job));
  else
    run(job);
  return success;
}

/// The entries of a PTX text with the sizes of their parameters.
void parse(Code *code) {
  size_t at = 0;
  while ((at = code->text.find(".entry ", at)) != std::string::npos) {
    at += 7;
    size_t open = code->text.find('(', at), close = code->text.find(')', open);
    auto *f = new Function;
    f->name = code->text.substr(at, open - at);
    for (size_t p = open; (p = code->text.find(".param .u", p)) < close; p += 9)
      f->sizes.push_back(size_t(std::atoi(code->text.c_str() + p + 9)) / 8);
    code->functions.push_back(f);
    at = close;
  }
}

bool current() { return !stack.empty() && stack.back() == primary(); }

#define COUNTED(name)                                                                                        \
  std::lock_guard guard(lock);                                                                               \
  ++counts[#name]
#define ENTRY(name, ...)                                                                                     \
  CUresult f_##name(__VA_ARGS__)

ENTRY(cuInit, unsigned) { return std::getenv("FAKE_CUDA_INIT") ? error_no_device : success; }
ENTRY(cuDriverGetVersion, int *v) { return *v = 13000, success; }
ENTRY(cuGetErrorName, CUresult e, const char **t) {
  *t = e == error_illegal_address ? "CUDA_ERROR_ILLEGAL_ADDRESS" : e == error_launch_failed ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR_FAKE";
  return success;
}
ENTRY(cuGetErrorString, CUresult, const char **t) { return *t = "of the fake driver", success; }
ENTRY(cuDeviceGetCount, int *n) { return *n = 1, success; }
ENTRY(cuDeviceGet, CUdevice *d, int i) { return *d = i, success; }
ENTRY(cuDeviceGetName, char *t, int n, CUdevice) { return std::snprintf(t, size_t(n), "Fake GPU"), success; }
ENTRY(cuDeviceTotalMem, size_t *n, CUdevice) { return *n = size_t(1) << 32, success; }
ENTRY(cuDeviceGetAttribute, int *v, int a, CUdevice) {
  switch (a) {
  case device_major: *v = 9; break;
  case device_minor: *v = 0; break;
  case device_units: *v = 4; break;
  case device_max_threads: *v = 1024; break;
  case device_shared_optin: *v = 232448; break;
  case device_unit_shared: *v = 233472; break;
  case device_unit_registers: *v = 65536; break;
  case device_l2: *v = 1 << 20; break;
  case device_pageable: *v = 0; break;
  case device_max_grid_x: *v = 0x7fffffff; break;
  case device_max_grid_x + 1:
  case device_max_grid_x + 2: *v = 65535; break;
  default: return error_invalid_value;
  }
  return success;
}
ENTRY(cuDevicePrimaryCtxRetain, CUcontext *c, CUdevice) {
  COUNTED(cuDevicePrimaryCtxRetain);
  ++references;
  return *c = primary(), success;
}
ENTRY(cuDevicePrimaryCtxRelease, CUdevice) {
  COUNTED(cuDevicePrimaryCtxRelease);
  if (--references == 0) broken = 0;
  return success;
}
ENTRY(cuCtxGetCurrent, CUcontext *c) {
  COUNTED(cuCtxGetCurrent);
  return *c = stack.empty() ? nullptr : stack.back(), success;
}
ENTRY(cuCtxPushCurrent, CUcontext c) {
  COUNTED(cuCtxPushCurrent);
  return stack.push_back(c), success;
}
ENTRY(cuCtxPopCurrent, CUcontext *c) {
  COUNTED(cuCtxPopCurrent);
  if (stack.empty()) return error_invalid_value;
  *c = stack.back();
  return stack.pop_back(), success;
}
ENTRY(cuCtxSynchronize) { return broken; }
CUresult allocate(void **p, size_t size, unsigned type) {
  if (broken) return broken;
  if (!current()) return error_invalid_value;
  *p = std::aligned_alloc(256, (size + 255) & ~size_t(255));
  memory[reinterpret_cast<uint64_t>(*p)] = {size, type};
  return success;
}
CUresult drop(uint64_t p) {
  if (!memory.erase(p)) return error_invalid_value;
  return std::free(reinterpret_cast<void *>(p)), success;
}
ENTRY(cuMemAlloc, CUdeviceptr *p, size_t size) {
  COUNTED(cuMemAlloc);
  return allocate(reinterpret_cast<void **>(p), size, memory_device);
}
ENTRY(cuMemFree, CUdeviceptr p) {
  COUNTED(cuMemFree);
  return drop(p);
}
ENTRY(cuMemHostAlloc, void **p, size_t size, unsigned) {
  COUNTED(cuMemHostAlloc);
  return allocate(p, size, memory_host);
}
ENTRY(cuMemFreeHost, void *p) {
  COUNTED(cuMemFreeHost);
  return drop(reinterpret_cast<uint64_t>(p));
}
ENTRY(cuMemHostGetDevicePointer, CUdeviceptr *d, void *h, unsigned) { return *d = reinterpret_cast<CUdeviceptr>(h), success; }
ENTRY(cuMemcpyAsync, CUdeviceptr to, CUdeviceptr from, size_t size, CUstream s) {
  COUNTED(cuMemcpyAsync);
  Job j;
  j.to = reinterpret_cast<void *>(to), j.from = reinterpret_cast<void *>(from), j.size = size;
  return give(s, j);
}
ENTRY(cuMemsetD8Async, CUdeviceptr to, unsigned char value, size_t size, CUstream s) {
  COUNTED(cuMemsetD8Async);
  Job j;
  j.to = reinterpret_cast<void *>(to), j.value = value, j.size = size;
  return give(s, j);
}
ENTRY(cuPointerGetAttributes, unsigned n, int *attributes, void **values, CUdeviceptr p) {
  COUNTED(cuPointerGetAttributes);
  auto found = memory.upper_bound(p);
  bool known = found != memory.begin() && (--found, p - found->first < found->second.size);
  for (unsigned i = 0; i < n; ++i) switch (attributes[i]) {
    case pointer_memory_type: *static_cast<unsigned *>(values[i]) = known ? found->second.type : 0; break;
    case pointer_managed: *static_cast<unsigned *>(values[i]) = 0; break;
    case pointer_ordinal: *static_cast<int *>(values[i]) = known ? 0 : -2; break;
    case pointer_range_start: *static_cast<uint64_t *>(values[i]) = known ? found->first : 0; break;
    case pointer_range_size: *static_cast<size_t *>(values[i]) = known ? found->second.size : 0; break;
    default: return error_invalid_value;
    }
  return success;
}
ENTRY(cuStreamCreate, CUstream *s, unsigned) { return *s = reinterpret_cast<CUstream>(new FakeStream), success; }
ENTRY(cuStreamDestroy, CUstream s) { return delete fake(s), success; }
ENTRY(cuStreamQuery, CUstream) { return broken; }
ENTRY(cuStreamSynchronize, CUstream) { return broken; }
ENTRY(cuStreamWaitEvent, CUstream, CUevent, unsigned) { return broken; }
ENTRY(cuStreamGetCtx, CUstream s, CUcontext *c) {
  // A stream of another context: the address of this library's `fake_other_stream`.
  return *c = reinterpret_cast<int *>(s) == &other_context ? reinterpret_cast<CUcontext>(&other_context) : primary(), success;
}
ENTRY(cuLaunchHostFunc, CUstream, void (*f)(void *), void *data) { return f(data), success; }
ENTRY(cuEventCreate, CUevent *e, unsigned) { return *e = reinterpret_cast<CUevent>(new int), success; }
ENTRY(cuEventDestroy, CUevent e) { return delete reinterpret_cast<int *>(e), success; }
ENTRY(cuEventRecord, CUevent, CUstream) { return broken; }
ENTRY(cuEventQuery, CUevent) { return broken; }
ENTRY(cuEventSynchronize, CUevent) { return broken; }
ENTRY(cuEventElapsedTime, float *ms, CUevent, CUevent) { return *ms = 0.001f, broken; }
ENTRY(cuFuncGetAttribute, int *v, int a, CUfunction) {
  *v = a == function_max_threads ? 1024 : a == function_registers ? 16 : a == function_binary ? 90 : 0;
  return success;
}
ENTRY(cuFuncSetAttribute, CUfunction f, int a, int v) {
  COUNTED(cuFuncSetAttribute);
  if (a == function_max_dynamic_shared) reinterpret_cast<Function *>(f)->shared = v;
  return success;
}
ENTRY(cuOccupancyMaxActiveBlocksPerMultiprocessor, int *n, CUfunction, int, size_t) { return *n = 2, success; }
ENTRY(cuModuleLoadDataEx, CUmodule *, const void *, unsigned, int *, void **) { return error_invalid_image; }
ENTRY(cuModuleGetFunction, CUfunction *, CUmodule, const char *) { return error_not_found; }
ENTRY(cuModuleUnload, CUmodule) { return success; }
ENTRY(cuStreamBeginCapture, CUstream s, int) { return fake(s)->capturing = true, success; }
ENTRY(cuStreamEndCapture, CUstream s, CUgraph *g) {
  auto *f = fake(s);
  f->capturing = false;
  *g = reinterpret_cast<CUgraph>(new Jobs(std::move(f->jobs)));
  f->jobs.clear();
  return success;
}
ENTRY(cuStreamIsCapturing, CUstream s, int *v) { return *v = fake(s)->capturing, success; }
ENTRY(cuThreadExchangeStreamCaptureMode, int *) { return success; }
ENTRY(cuGraphInstantiateWithFlags, CUgraphExec *e, CUgraph g, unsigned long long) {
  return *e = reinterpret_cast<CUgraphExec>(new Jobs(*reinterpret_cast<Jobs *>(g))), success;
}
ENTRY(cuGraphLaunch, CUgraphExec e, CUstream s) {
  COUNTED(cuGraphLaunch);
  for (const Job &j : *reinterpret_cast<Jobs *>(e))
    if (CUresult r = give(s, j)) return r;
  return success;
}
ENTRY(cuGraphExecDestroy, CUgraphExec e) { return delete reinterpret_cast<Jobs *>(e), success; }
ENTRY(cuGraphDestroy, CUgraph g) { return delete reinterpret_cast<Jobs *>(g), success; }
ENTRY(cuLaunchKernelEx, const LaunchConfig *c, CUfunction function, void **, void **extra) {
  COUNTED(cuLaunchKernelEx);
  if (!current()) return error_invalid_value;
  auto *f = reinterpret_cast<Function *>(function);
  if (c->grid[0] > 0x7fffffffu || c->grid[1] > 65535 || c->grid[2] > 65535 || int(c->shared_bytes) > f->shared) return error_invalid_value;
  Job j;
  j.function = f;
  for (int i = 0; i < 3; ++i) j.grid[i] = c->grid[i];
  size_t end = 0;
  for (size_t s : f->sizes) end = ((end + s - 1) & ~(s - 1)) + s;
  if (extra) {
    if (extra[0] != reinterpret_cast<void *>(1) || extra[2] != reinterpret_cast<void *>(2) || *static_cast<size_t *>(extra[3]) != end) return error_invalid_value;
    auto *p = static_cast<const char *>(extra[1]);
    j.params.assign(p, p + end);
  } else if (end) {
    return error_invalid_value;
  }
  return give(c->stream, std::move(j));
}
ENTRY(cuLibraryLoadData, CUlibrary *l, const void *data, int *options, void **values, unsigned, int *, void **, unsigned) {
  COUNTED(cuLibraryLoadData);
  auto *code = new Code;
  code->text = static_cast<const char *>(data);
  if (code->text.find("this is no PTX") != std::string::npos) {
    std::strcpy(static_cast<char *>(values[0]), "ptxas fatal: fake");
    return delete code, options[0] == jit_error_log ? error_invalid_ptx : error_invalid_value;
  }
  parse(code);
  return *l = reinterpret_cast<CUlibrary>(code), success;
}
ENTRY(cuLibraryUnload, CUlibrary l) {
  COUNTED(cuLibraryUnload);
  auto *code = reinterpret_cast<Code *>(l);
  for (Function *f : code->functions) delete f;
  return delete code, success;
}
ENTRY(cuLibraryGetKernel, CUkernel *k, CUlibrary l, const char *name) {
  for (Function *f : reinterpret_cast<Code *>(l)->functions)
    if (f->name == name) return *k = reinterpret_cast<CUkernel>(f), success;
  return error_not_found;
}
ENTRY(cuKernelGetFunction, CUfunction *f, CUkernel k) { return *f = reinterpret_cast<CUfunction>(k), success; }
ENTRY(cuFuncGetParamInfo, CUfunction function, size_t index, size_t *offset, size_t *size) {
  COUNTED(cuFuncGetParamInfo);
  auto *f = reinterpret_cast<Function *>(function);
  size_t end = 0;
  for (size_t i = 0; i < f->sizes.size(); ++i) {
    *offset = (end + f->sizes[i] - 1) & ~(f->sizes[i] - 1);
    *size = f->sizes[i];
    end = *offset + *size;
    if (i == index) return success;
  }
  return error_invalid_value;
}
ENTRY(cuTensorMapEncodeTiled, TensorMap *map, int, uint32_t, void *, const uint64_t *, const uint64_t *, const uint32_t *,
      const uint32_t *, int, int, int, int) {
  return std::memset(map, 0x5a, sizeof(*map)), success;
}

} // namespace

extern "C" {
[[gnu::visibility("default")]] CUresult cuGetProcAddress_v2(const char *name, void **out, int version, unsigned long long, int *found) {
#define X(entry, introduced, required, parameters)                                                           \
  if (!std::strcmp(name, #entry)) return *out = reinterpret_cast<void *>(f_##entry), *found = 0, version > 13000 ? 1 : 0;
#include "../src/cuda/entries.inc"
#undef X
  return error_not_found;
}
[[gnu::visibility("default")]] int fake_count(const char *name) {
  std::lock_guard guard(lock);
  return counts[name];
}
[[gnu::visibility("default")]] void *fake_other_stream(void) { return &other_context; }
/// Pushes a context of somebody else, or takes it away again.
[[gnu::visibility("default")]] void fake_set_other(int on) {
  if (on)
    stack.push_back(reinterpret_cast<CUcontext>(&other_context));
  else
    stack.pop_back();
}
}
