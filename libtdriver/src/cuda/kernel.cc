// SPDX-License-Identifier: MIT
// Kernels: what can be seen of an object is checked at once; its code goes to the device at the first use.
#include "cuda.hh"
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tdriver::cuda {

namespace {

/// "cuda:90a" and the like. False for anything else.
bool parse_target(const char *target, int *capability, char *suffix) {
  if (std::strncmp(target, "cuda:", 5)) return false;
  char *end;
  long n = std::strtol(target + 5, &end, 10);
  if (n < 30 || n > 999) return false;
  *capability = int(n);
  *suffix = *end;
  return !*end || ((*end == 'a' || *end == 'f') && !end[1]);
}

/// Whether code for a target runs on a device of a capability: machine code within the major version, upwards; PTX on
/// everything newer; with an 'a' on exactly that one, with an 'f' within its family.
bool runs_on(int made_for, char suffix, bool ptx, int capability) {
  if (suffix == 'a') return capability == made_for;
  bool same_major = capability / 10 == made_for / 10;
  return capability >= made_for && ((ptx && !suffix) || same_major);
}

Status check_code(const Device &d, const tdriver_code &c) {
  int made_for = 0;
  char suffix = 0;
  if (!parse_target(c.target, &made_for, &suffix) || (c.code_kind != 2 && c.code_kind != 3))
    return fail(Code::UNSUPPORTED,
                "kernel %s is made for \"%s\" (code kind %u), device cuda:%d (%s) runs \"%s\" (cubin or PTX)", c.entry,
                c.target, c.code_kind, d.ordinal, d.description.c_str(), d.target.c_str());
  if (!runs_on(made_for, suffix, c.code_kind == 3, d.capability))
    return fail(Code::UNSUPPORTED, "kernel %s is %s for \"%s\", which does not run on device cuda:%d (%s): it needs "
                                   "\"%s\"",
                c.entry, c.code_kind == 3 ? "PTX" : "machine code", c.target, d.ordinal, d.description.c_str(),
                d.target.c_str());
  if (!c.code_size) return fail(Code::CORRUPT, "kernel %s: the object has no code", c.entry);
  if (!c.threads || c.threads > uint32_t(d.max_threads))
    return fail(Code::LIMIT, "kernel %s: %u threads per program; device cuda:%d has at most %d", c.entry, c.threads,
                d.ordinal, d.max_threads);
  if (c.shared_bytes > uint32_t(d.shared))
    return fail(Code::LIMIT, "kernel %s: %u bytes of shared memory; device cuda:%d has at most %d for one program",
                c.entry, c.shared_bytes, d.ordinal, d.shared);
  uint64_t blocks = uint64_t(c.cluster[0]) * c.cluster[1] * c.cluster[2];
  if (!blocks || c.cluster[0] > 16 || c.cluster[1] > 16 || c.cluster[2] > 16 || blocks > 16 ||
      (blocks > 1 && d.capability < 90))
    return fail(Code::LIMIT, "kernel %s: clusters of %u x %u x %u blocks; device cuda:%d has at most %d", c.entry,
                c.cluster[0], c.cluster[1], c.cluster[2], d.ordinal, d.capability < 90 ? 1 : 16);
  if (c.grid_map > 1 || c.attributes > 3)
    return fail(Code::UNSUPPORTED, "kernel %s: grid map %u, attributes %#x: this driver does not know them", c.entry,
                c.grid_map, c.attributes);
  if (c.arena_bytes)
    return fail(Code::UNSUPPORTED, "kernel %s needs an arena of %llu bytes, which is for CPU kernels", c.entry,
                (unsigned long long)c.arena_bytes);
  if (c.params_end > 32764 || (c.params_end > 4092 && (d.capability < 70 || driver_version() < 12010)))
    return fail(Code::LIMIT, "kernel %s: %u bytes of parameters; device cuda:%d takes %d", c.entry, c.params_end,
                d.ordinal, d.capability < 70 || driver_version() < 12010 ? 4092 : 32764);
  return {};
}

void set_attributes(const tdriver_code &c, Kernel *k) {
  auto add = [&](unsigned id) -> LaunchAttribute & {
    LaunchAttribute &a = k->attributes[k->attribute_count++];
    a.id = id;
    return a;
  };
  if (c.attributes & 1) add(attribute_cooperative).flag = 1;
  if (c.attributes & 2) add(attribute_programmatic).flag = 1;
  if (uint64_t(c.cluster[0]) * c.cluster[1] * c.cluster[2] > 1) {
    LaunchAttribute &a = add(attribute_cluster);
    for (int i = 0; i < 3; ++i) a.cluster[i] = c.cluster[i];
  }
}

Status fill(Device *d, const tdriver_code &c, Kernel *k) {
  TESSERA_TRY(check_code(*d, c));
  k->device = d;
  k->owner = c.owner;
  k->name = intern(d->primary, c.entry);
  k->target = c.target;
  k->code_kind = c.code_kind;
  k->params_end = c.params_end;
  k->threads = c.threads;
  k->shared_bytes = c.shared_bytes;
  k->persistent = c.grid_map == 1;
  for (int i = 0; i < 3; ++i) k->cluster[i] = c.cluster[i];
  set_attributes(c, k);
  for (uint32_t i = 0; i < c.hidden_count; ++i) {
    Hidden h = {};
    TESSERA_TRY(parse_hidden(c, c.hidden[i], &h));
    k->uses_record |= h.kind == TDRIVER_HIDDEN_RECORD;
    k->uses_scratch |= h.kind == TDRIVER_HIDDEN_SCRATCH;
    k->hidden.push_back(std::move(h));
  }
  if (k->uses_scratch && (c.attributes & 2))
    return fail(Code::UNSUPPORTED,
                "not implemented: kernel %s has scratch memory and programmatic dependent launch, whose launches would "
                "share it",
                c.entry);
  k->code.assign(static_cast<const char *>(c.code), static_cast<const char *>(c.code) + c.code_size);
  if (k->code.back()) k->code.push_back(0);
  return {};
}

/// The vendor's loader or assembler, with what it logs.
CUresult load_bytes(Kernel *k, std::string *log) {
  char error_log[8192] = "";
  int options[] = {jit_error_log, jit_error_log_size};
  void *values[] = {error_log, reinterpret_cast<void *>(sizeof(error_log) - 1)};
  CUresult e;
  if (api.cuLibraryLoadData && api.cuLibraryGetKernel && api.cuKernelGetFunction && api.cuLibraryUnload) {
    CUkernel kernel = nullptr;
    e = api.cuLibraryLoadData(&k->library, k->code.data(), options, values, 2, nullptr, nullptr, 0);
    if (e == success) e = api.cuLibraryGetKernel(&kernel, k->library, k->name);
    if (e == success) e = api.cuKernelGetFunction(&k->function, kernel);
  } else {
    e = api.cuModuleLoadDataEx(&k->module, k->code.data(), 2, options, values);
    if (e == success) e = api.cuModuleGetFunction(&k->function, k->module, k->name);
  }
  error_log[sizeof(error_log) - 1] = 0;
  *log = error_log;
  while (!log->empty() && (log->back() == '\n' || log->back() == ' ')) log->pop_back();
  return e;
}

void unload(Kernel *k) {
  if (k->library) api.cuLibraryUnload(k->library);
  if (k->module) api.cuModuleUnload(k->module);
  k->library = nullptr;
  k->module = nullptr;
  k->function = nullptr;
}

/// Where the driver says that the parameters end; what the object says must agree. Asking for one parameter more than
/// there are is an error, which compute-sanitizer reports: only code with fewer than the object says meets it.
Status check_parameters(Kernel *k) {
  k->params_size = k->params_end;
  if (!api.cuFuncGetParamInfo) return {};
  size_t end = 0;
  for (size_t i = 0; end < k->params_end; ++i) {
    size_t offset = 0, size = 0;
    if (api.cuFuncGetParamInfo(k->function, i, &offset, &size) != success) break;
    end = offset + size;
  }
  if (end == k->params_end) return {};
  return fail(Code::CORRUPT, "kernel %s: the code takes %zu bytes of parameters, the object says %u", k->name, end,
              k->params_end);
}

Status fit(Kernel *k) {
  Device *d = k->device;
  auto get = [&](int attribute) {
    int value = 0;
    api.cuFuncGetAttribute(&value, attribute, k->function);
    return value;
  };
  int fixed = get(function_static_shared), most = get(function_max_threads);
  if (uint64_t(k->shared_bytes) + uint64_t(fixed) > uint64_t(d->shared))
    return fail(Code::LIMIT,
                "kernel %s: %u bytes of dynamic and %d of static shared memory; device cuda:%d has at most %d for one "
                "program",
                k->name, k->shared_bytes, fixed, d->ordinal, d->shared);
  if (k->threads > uint32_t(most))
    return fail(Code::LIMIT, "kernel %s: %u threads per program with %d registers each; device cuda:%d has room for %d",
                k->name, k->threads, get(function_registers), d->ordinal, most);
  CUresult e = success;
  // Above 48 KiB the limit must be raised by hand.
  if (k->shared_bytes + uint32_t(fixed) > 48 * 1024)
    e = api.cuFuncSetAttribute(k->function, function_max_dynamic_shared, int(k->shared_bytes));
  if (e == success && k->cluster[0] * k->cluster[1] * k->cluster[2] > 8)
    e = api.cuFuncSetAttribute(k->function, function_non_portable_cluster, 1);
  if (e == success)
    e = api.cuOccupancyMaxActiveBlocksPerMultiprocessor(&k->resident, k->function, int(k->threads), k->shared_bytes);
  if (e != success) return fail(code_of(e), "kernel %s: %s", k->name, error_text(e).c_str());
  if (!k->resident)
    return fail(Code::LIMIT,
                "kernel %s: not one program fits a multiprocessor of cuda:%d (%u threads, %d registers each, %u + %d "
                "bytes of shared memory)",
                k->name, d->ordinal, k->threads, get(function_registers), k->shared_bytes, fixed);
  return {};
}

} // namespace

/// Under kernel->lock, with the context current.
Status load_code(Kernel *k) {
  // A capture elsewhere in the process must not be disturbed by the loading.
  int mode = capture_relaxed;
  bool exchanged = api.cuThreadExchangeStreamCaptureMode(&mode) == success;
  std::string log;
  CUresult e = load_bytes(k, &log);
  Status status;
  if (e != success) {
    if (is_sticky(e)) {
      tdriver_report report = {};
      tdriver_status s = failed(k->device, e, "loading a kernel", k->name, false, &report);
      status = Status{Code(s), report.text};
    } else if (e == error_not_found) {
      status = fail(Code::CORRUPT, "kernel %s: its code has no entry of that name", k->name);
    } else {
      status = fail(code_of(e), "kernel %s: loading its %s for \"%s\": %s%s%s", k->name,
                    k->code_kind == 3 ? "PTX" : "machine code", k->target.c_str(), error_text(e).c_str(),
                    log.empty() ? "" : ": ", log.c_str());
    }
  }
  if (status.ok()) status = check_parameters(k);
  if (status.ok()) status = fit(k);
  if (status.ok() && k->uses_record) status = make_records(k->device);
  if (exchanged) api.cuThreadExchangeStreamCaptureMode(&mode);
  if (!status.ok()) {
    unload(k);
    return status;
  }
  k->code = {};
  k->ready.store(true, std::memory_order_release);
  return {};
}

tdriver_status kernel_load(void *device, const tdriver_code *code, void **kernel, tdriver_report *report) {
  auto *d = static_cast<Device *>(device);
  if (d->blocked()) return refuse(d, report);
  auto k = std::make_unique<Kernel>();
  if (Status s = fill(d, *code, k.get()); !s.ok()) return answer(s, report);
  *kernel = k.release();
  return TDRIVER_OK;
}

void kernel_unload(void *object) {
  auto *k = static_cast<Kernel *>(object);
  if (!forked() && k->ready.load(std::memory_order_acquire)) {
    Current current(k->device->context);
    CUresult e = api.cuCtxSynchronize(); // its launches in flight
    tdriver_report report;
    if (e != success && is_sticky(e)) failed(k->device, e, "unloading it", k->name, false, &report);
    forget_kernel(k);
    unload(k);
  }
  delete k;
}

tdriver_status kernel_prepare(void *object, tdriver_report *report) {
  auto *k = static_cast<Kernel *>(object);
  if (k->device->blocked()) return refuse(k->device, report);
  if (k->ready.load(std::memory_order_acquire)) return TDRIVER_OK;
  Current current(k->device->context);
  std::lock_guard guard(k->lock);
  if (k->ready.load(std::memory_order_relaxed)) return TDRIVER_OK;
  Status s = load_code(k);
  return s.ok() ? TDRIVER_OK : answer(s, report);
}

tdriver_status kernel_usage(void *object, tdriver_kernel_usage *usage, tdriver_report *report) {
  auto *k = static_cast<Kernel *>(object);
  if (tdriver_status s = kernel_prepare(k, report); s != TDRIVER_OK) return s;
  Current current(k->device->context);
  const struct {
    int attribute;
    uint32_t *value;
  } wanted[] = {{function_registers, &usage->registers},
                {function_local, &usage->local_bytes},
                {function_static_shared, &usage->static_bytes},
                {function_max_threads, &usage->max_threads},
                {function_binary, &usage->binary}};
  for (const auto &w : wanted) {
    int value = 0;
    if (CUresult e = api.cuFuncGetAttribute(&value, w.attribute, k->function); e != success)
      return failed(k->device, e, "cuFuncGetAttribute", k->name, false, report);
    *w.value = uint32_t(value);
  }
  usage->resident = uint32_t(k->resident);
  return TDRIVER_OK;
}

} // namespace tdriver::cuda
