// SPDX-License-Identifier: MIT
// Launches, and what a kernel may call: its imports.
#include "cpu.hh"
#include "run.hh"
#include <cmath>
#include <cstring>

namespace tdriver::cpu {

namespace {

int32_t import_record(void *host, uint32_t kind, uint32_t message_id, uint32_t location_id,
                      uint64_t program) {
  auto *call = static_cast<Call *>(host);
  if (!call->recorded) {
    call->recorded = true;
    const uint32_t *g = call->job->grid;
    call->record = {kind, message_id, location_id, {g[0], g[1], g[2]}, program};
  }
  return 1; // one record per call: the entry returns at its first
}

void import_print(void *host, uint32_t message_id, uint64_t program, const void *values, uint64_t count) {
  const Job *job = static_cast<Call *>(host)->job;
  job->host->print(job->kernel->owner, job->grid, message_id, program, values, count);
}

// The plain one writes the global signgam.
double lgamma_pure(double x) {
  int sign;
  return lgamma_r(x, &sign);
}
float lgammaf_pure(float x) {
  int sign;
  return lgammaf_r(x, &sign);
}

using F1 = float (*)(float);
using F2 = float (*)(float, float);
using F3 = float (*)(float, float, float);
using FI = float (*)(float, int);
using IF = float (*)(int, float);
using G1 = double (*)(double);
using G2 = double (*)(double, double);
using G3 = double (*)(double, double, double);
using GI = double (*)(double, int);
using IG = double (*)(int, double);

constexpr const char *import_names[] = {
    "tessera_record", "tessera_print", "memcpy", "memmove", "memset",
#define D1(n) #n, #n "f",
#define D2(n) #n, #n "f",
#define D3(n) #n, #n "f",
#define DI(n) #n, #n "f",
#define ID(n) #n, #n "f",
#define DR(n, T) #n, #n "f",
#include "common/cpu_imports.inc"
#undef D1
#undef D2
#undef D3
#undef DI
#undef ID
#undef DR
};

} // namespace

const char *import_name(uint32_t index) {
  return index < std::size(import_names) ? import_names[index] : nullptr;
}

// A chain of comparisons and no table of addresses: such a table would need a static constructor. It runs
// once per import of a loaded kernel.
void *import_address(const char *name) {
#define ROW(text, Type, function)                                                                            \
  if (!std::strcmp(name, text)) return reinterpret_cast<void *>(static_cast<Type>(function));
  ROW("tessera_record", int32_t (*)(void *, uint32_t, uint32_t, uint32_t, uint64_t), import_record)
  ROW("tessera_print", void (*)(void *, uint32_t, uint64_t, const void *, uint64_t), import_print)
  ROW("memcpy", void *(*)(void *, const void *, size_t), ::memcpy)
  ROW("memmove", void *(*)(void *, const void *, size_t), ::memmove)
  ROW("memset", void *(*)(void *, int, size_t), ::memset)
  ROW("lgamma", G1, lgamma_pure)
  ROW("lgammaf", F1, lgammaf_pure)
#define D1(n) ROW(#n, G1, ::n) ROW(#n "f", F1, ::n##f)
#define D2(n) ROW(#n, G2, ::n) ROW(#n "f", F2, ::n##f)
#define D3(n) ROW(#n, G3, ::n) ROW(#n "f", F3, ::n##f)
#define DI(n) ROW(#n, GI, ::n) ROW(#n "f", FI, ::n##f)
#define ID(n) ROW(#n, IG, ::n) ROW(#n "f", IF, ::n##f)
#define DR(n, T) ROW(#n, T (*)(double), ::n) ROW(#n "f", T (*)(float), ::n##f)
#include "common/cpu_imports.inc"
  return nullptr;
}

void Progress::reset() {
  next_.store(0, std::memory_order_relaxed);
  stopped_.store(false, std::memory_order_relaxed);
}

bool Progress::take(const Job &job, uint64_t *first, uint64_t *last) {
  *first = next_.fetch_add(job.chunk, std::memory_order_relaxed);
  *last = std::min(*first + job.chunk, job.programs);
  return *first < job.programs;
}

void Progress::stop(const Job &job, const tdriver_record &record, std::string text) {
  std::lock_guard guard(lock_);
  if (!stopped_.load(std::memory_order_relaxed) || record.program < record_.program) {
    record_ = record;
    text_ = std::move(text);
  }
  stopped_.store(true, std::memory_order_relaxed);
  next_.store(job.programs, std::memory_order_relaxed); // lower programs are all running already
}

bool Progress::complete(const Job &job) const {
  return !stopped_.load(std::memory_order_relaxed) && next_.load(std::memory_order_relaxed) >= job.programs;
}

Outcome Progress::outcome() const {
  return stopped_.load(std::memory_order_relaxed) ? Outcome{Outcome::stopped, record_, text_} : Outcome{};
}

bool run_chunk(const Job &job, Progress &progress, Arena &arena, bool *memory) {
  const Kernel &kernel = *job.kernel;
  tdriver_cpu_call call = {};
  call.struct_size = sizeof(call);
  call.arena = arena.get(kernel.arena_bytes, kernel.arena_alignment);
  *memory = call.arena || !kernel.arena_bytes;
  if (!*memory || !progress.take(job, &call.first, &call.last)) return false;
  Call host{&job, false, {}, {}};
  std::memcpy(call.grid, job.grid, sizeof(call.grid));
  call.host = &host;
  if (int32_t result = kernel.entry(job.params, &call)) [[unlikely]] {
    if (!host.recorded) // a kernel that broke the ABI still must not pass for a good one
      host.record = {0, UINT32_MAX, uint32_t(result), {job.grid[0], job.grid[1], job.grid[2]}, call.first};
    progress.stop(job, host.record, std::move(host.text));
  } else if (host.recorded) [[unlikely]] {
    progress.stop(job, host.record);
  }
  return true;
}

bool run_chunks(const Job &job, Progress &progress, Arena &arena) {
  bool memory = true;
  while (run_chunk(job, progress, arena, &memory)) {
  }
  return memory;
}

void execute_launch(Stream *stream, Kernel *kernel, const tdriver_launch_config &config) {
  const tdriver_host &host = kernel->device->host;
  Job job{kernel, &host, config.params, {config.grid[0], config.grid[1], config.grid[2]}, config.programs, 1};
  Outcome outcome = kernel->device->pool.run(job);
  if (outcome.kind == Outcome::done) [[likely]]
    return;
  tdriver_report report;
  if (outcome.kind == Outcome::stopped && !outcome.text.empty())
    return set_failure(stream, TDRIVER_LAUNCH, outcome.text.c_str());
  if (outcome.kind == Outcome::stopped) {
    host.describe(kernel->owner, &outcome.record, &report);
    return set_failure(stream, TDRIVER_LAUNCH, report.text);
  }
  answer(fail(Code::IO, "no memory for an arena of %llu bytes per thread",
              (unsigned long long)kernel->arena_bytes),
         &report);
  set_failure(stream, TDRIVER_IO, report.text);
}

tdriver_status launch(void *kernel_object, void *stream_object, const tdriver_launch_config *config,
                      tdriver_report *report) {
  auto *kernel = static_cast<Kernel *>(kernel_object);
  auto *stream = static_cast<Stream *>(stream_object);
  if (begin_inline(stream)) [[likely]] {
    execute_launch(stream, kernel, *config);
    end_inline(stream);
    return TDRIVER_OK;
  }
  Op op = {};
  op.kind = Op::launch;
  op.kernel = kernel;
  op.config = *config;
  return enqueue(stream, op, report);
}

} // namespace tdriver::cpu
