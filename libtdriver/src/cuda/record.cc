// SPDX-License-Identifier: MIT
// Records of asserts and traps: handing out slots, finding the one that a kernel wrote.
#include "common/gpu_record.hh"
#include "cuda.hh"
#include <cstdio>
#include <cstring>

namespace tdriver::cuda {

static_assert(sizeof(tdriver_device_record) == sizeof(tessera::gpu_record::Record) &&
              offsetof(tdriver_device_record, kind) == tessera::gpu_record::kind_offset &&
              offsetof(tdriver_device_record, message_id) == tessera::gpu_record::message_offset &&
              offsetof(tdriver_device_record, location_id) == tessera::gpu_record::location_offset &&
              offsetof(tdriver_device_record, program) == tessera::gpu_record::program_offset);

const char *intern(Primary *primary, const char *name) {
  std::lock_guard guard(primary->lock);
  for (const auto &known : primary->names)
    if (*known == name) return known->c_str();
  primary->names.push_back(std::make_unique<std::string>(name));
  return primary->names.back()->c_str();
}

Status make_records(Device *device) {
  Primary *p = device->primary;
  std::lock_guard guard(p->lock);
  Records &r = p->records;
  if (r.slots) return {};
  constexpr uint32_t count = Records::ring + Records::kept;
  void *memory = nullptr;
  CUresult e = api.cuMemHostAlloc(&memory, count * sizeof(Records::Slot), host_alloc_portable | host_alloc_mapped);
  if (e == success) e = api.cuMemHostGetDevicePointer(&r.device, memory, 0);
  if (e != success) {
    if (memory) api.cuMemFreeHost(memory);
    return fail(code_of(e), "memory for assert records: %s", error_text(e).c_str());
  }
  std::memset(memory, 0, count * sizeof(Records::Slot));
  r.uses = std::make_unique<Records::Use[]>(count);
  r.free_kept.clear();
  for (uint32_t i = Records::kept; i-- > 0;) r.free_kept.push_back(Records::ring + i);
  r.slots = static_cast<Records::Slot *>(memory);
  return {};
}

Status take_record(Kernel *kernel, const uint32_t grid[3], Stream *capturing, CUdeviceptr *out) {
  Primary *p = kernel->device->primary;
  Records &r = p->records;
  uint32_t index;
  if (capturing) [[unlikely]] {
    std::lock_guard guard(p->lock);
    if (r.free_kept.empty())
      return fail(Code::LIMIT, "kernel %s: more than %u launches with assert records are kept in graphs",
                  kernel->name, Records::kept);
    index = r.free_kept.back();
    r.free_kept.pop_back();
    capturing->captured_slots.push_back(index);
  } else {
    index = r.next.fetch_add(1, std::memory_order_relaxed) % Records::ring;
  }
  Records::Use &use = r.uses[index];
  use.kernel.store(kernel, std::memory_order_relaxed);
  for (int d = 0; d < 3; ++d) use.grid[d] = grid[d];
  *out = r.device + index * sizeof(Records::Slot);
  return {};
}

bool find_record(Primary *primary, tdriver_report *text) {
  Records &r = primary->records;
  if (!r.slots) return false;
  for (uint32_t i = 0; i < Records::ring + Records::kept; ++i) {
    auto *slot = reinterpret_cast<volatile tdriver_device_record *>(&r.slots[i].record);
    Kernel *kernel = r.uses[i].kernel.load(std::memory_order_relaxed);
    if (!kernel || !slot->state) continue;
    tdriver_record record = {};
    for (int d = 0; d < 3; ++d) record.grid[d] = r.uses[i].grid[d];
    if (slot->state != 2) { // the trap of another program was faster than the record
      std::snprintf(text->text, sizeof(text->text),
                    "kernel %s: an assertion failed or a trap was met, but its record was lost", kernel->name);
      return true;
    }
    record.kind = slot->kind;
    record.message_id = slot->message_id;
    record.location_id = slot->location_id;
    record.program = slot->program;
    kernel->device->host.describe(kernel->owner, &record, text);
    return true;
  }
  return false;
}

void forget_kernel(Kernel *kernel) {
  if (!kernel->uses_record) return;
  Primary *p = kernel->device->primary;
  std::lock_guard guard(p->lock);
  Records &r = p->records;
  if (!r.slots) return;
  for (uint32_t i = 0; i < Records::ring + Records::kept; ++i) {
    Kernel *expected = kernel;
    r.uses[i].kernel.compare_exchange_strong(expected, nullptr, std::memory_order_relaxed);
  }
}

} // namespace tdriver::cuda
