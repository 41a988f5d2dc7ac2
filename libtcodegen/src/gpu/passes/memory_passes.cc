// SPDX-License-Identifier: MIT
// The passes over shared memory as the GPU road runs them (gpu.hh): with lowering's idea of scratch memory.
#include "../gpu.hh"
#include "../scratch.hh"
#include "allocate.hh"
#include "barriers.hh"
#include "hazards.hh"

using namespace tir;
using tessera::Status;

namespace tcodegen::gpu {

Status allocate_shared(Module &m, Op *kernel, const GpuOptions &o, unsigned *bytes) {
  std::string target = tessera::format("sm_%u", o.capability);
  TESSERA_TRY(allocateShared(m, kernel, scratchBytes, shared_limit(o.capability), target.c_str(), bytes));
  if (o.explain && o.plan) {
    Buffers buffers(kernel, scratchBytes);
    std::vector<LiveRange> live = liveRanges(kernel, buffers);
    *o.plan += tessera::format("shared memory: %u of %u bytes\n", bytes ? *bytes : 0, shared_limit(o.capability));
    for (size_t i = 0; i < buffers.list.size(); ++i) {
      const Buffer &b = buffers.list[i];
      *o.plan += tessera::format("  [%6lld, %6lld) live %u..%u %s%.*s%s\n", static_cast<long long>(b.offset),
                                 static_cast<long long>(b.offset + int64_t(b.bytes)), live[i].first, live[i].last,
                                 b.scratch ? "scratch of " : "", int(b.owner->name().size()), b.owner->name().data(),
                                 b.slots > 1 ? tessera::format(" (%u slots)", b.slots).c_str() : "");
    }
  }
  return tessera::ok_status();
}

Status place_barriers(Module &m, Op *kernel, const GpuOptions &o) {
  BarrierCounts n;
  TESSERA_TRY(placeBarriers(m, kernel, scratchBytes, &n));
  if (o.explain && o.plan) *o.plan += tessera::format("barriers: %u, fences: %u\n", n.barriers, n.fences);
  return tessera::ok_status();
}

Status check_hazards(Module &, Op *kernel, const GpuOptions &) {
  std::vector<Hazard> found = findHazards(kernel, scratchBytes);
  if (found.empty()) return tessera::ok_status();
  std::string more = found.size() > 1 ? tessera::format(" (and %zu more)", found.size() - 1) : std::string();
  return tessera::fail(tessera::Code::INTERNAL, "%s%s", hazardText(found[0]).c_str(), more.c_str());
}

} // namespace tcodegen::gpu
