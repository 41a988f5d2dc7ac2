// SPDX-License-Identifier: MIT
// Loading an emulator image, its hidden arguments, and the call that the cpu back end's pool makes.
#include "imports.hh"
#include "common/knobs.hh"
#include "common/tko.hh"
#include <algorithm>
#include <cstring>

namespace tdriver::emu {
namespace {

/// Reads little-endian numbers; `good` is false once there were too few bytes.
struct Reader {
  const uint8_t *p;
  size_t left;
  bool good = true;
  template <class T> T take() {
    T value = {};
    if (left < sizeof(T)) {
      good = false;
      return value;
    }
    std::memcpy(&value, p, sizeof(T));
    p += sizeof(T);
    left -= sizeof(T);
    return value;
  }
};

Status parse_tensor_map(const tdriver_code &c, Reader r, Hidden *h) {
  h->base = r.take<uint32_t>();
  h->element = r.take<uint8_t>();
  h->rank = r.take<uint8_t>();
  h->swizzle = r.take<uint8_t>();
  uint8_t interleave = r.take<uint8_t>();
  r.take<uint8_t>(); // L2
  h->fill = r.take<uint8_t>();
  r.take<uint16_t>();
  bool good = r.good && h->rank >= 1 && h->rank <= 5 && h->swizzle <= 3 && h->base + 8ull <= c.params_size;
  if (good && interleave) return fail(Code::UNSUPPORTED, "not implemented: kernel %s: interleaved tensor maps", c.entry);
  auto term = [&](Term *t) {
    t->source = r.take<uint32_t>();
    t->offset = r.take<uint32_t>();
    t->constant = r.take<int64_t>();
    uint32_t size = t->source == 1 ? 4 : 8;
    good = good && r.good && t->source <= 2 && (!t->source || uint64_t(t->offset) + size <= c.params_size);
  };
  for (int i = 0; good && i < h->rank; ++i) term(&h->extent[i]);
  for (int i = 0; good && i < h->rank; ++i) term(&h->stride[i]);
  for (int i = 0; good && i < h->rank; ++i) {
    h->box[i] = r.take<uint32_t>();
    good = r.good && h->box[i] >= 1 && h->box[i] <= 256;
  }
  h->bytes = uint8_t(tessera::tko::kind_size(tessera::tko::Kind(h->element)));
  if (!good || r.left || !h->bytes)
    return fail(Code::CORRUPT, "kernel %s: the description of a tensor map is damaged", c.entry);
  return {};
}

Status load(const tdriver_code &c, Kernel *k) {
  if (c.code_kind != 5 || std::strncmp(c.target, "emu:", 4))
    return fail(Code::UNSUPPORTED, "kernel %s is made for \"%s\" (code kind %u), this is the emulator", c.entry, c.target,
                c.code_kind);
  if (c.threads < warp_size || c.threads > max_threads || c.threads % warp_size)
    return fail(Code::LIMIT, "kernel %s: %u threads per program; expected a multiple of 32 up to 1024", c.entry, c.threads);
  if (c.shared_bytes > abi::shared_window - abi::shared_begin)
    return fail(Code::LIMIT, "kernel %s: %u bytes of shared memory, the emulator has %u", c.entry, c.shared_bytes,
                abi::shared_window - abi::shared_begin);
  if (c.cluster[0] * c.cluster[1] * c.cluster[2] > 1 || c.grid_map)
    return fail(Code::UNSUPPORTED, "not implemented: kernel %s needs clusters or a persistent grid on the emulator", c.entry);
  for (uint32_t i = 0; i < c.hidden_count; ++i) TESSERA_TRY(parse_hidden(c, c.hidden[i], &k->hidden.emplace_back()));
  TESSERA_TRY(cpu::map_kernel(c, k, import_address));
  auto checks = tessera::knob_flag(tessera::Knob::EMU_CHECKS);
  TESSERA_TRY(checks.status);
  k->checks = checks.value;
  k->body = reinterpret_cast<void (*)(const void *, void *)>(k->base + c.image_entry);
  k->entry = run_programs;
  k->name = c.entry;
  k->threads = c.threads;
  k->shared_bytes = c.shared_bytes;
  k->params_size = c.params_size;
  k->params_end = std::max(c.params_end, c.params_size);
  k->whole = c.attributes & 1; // cooperative: any program may wait for any
  return {};
}

} // namespace

Status parse_hidden(const tdriver_code &c, const tdriver_hidden &h, Hidden *out) {
  out->kind = h.kind;
  out->offset = h.offset;
  out->size = h.size;
  Reader r{static_cast<const uint8_t *>(h.data), h.data_size};
  uint32_t expected = 8;
  switch (h.kind) {
  case TDRIVER_HIDDEN_SCRATCH:
    out->program_bytes = r.take<uint64_t>();
    out->launch_bytes = r.take<uint64_t>();
    out->alignment = r.take<uint64_t>();
    if (!r.good || out->launch_bytes)
      return fail(Code::UNSUPPORTED, "not implemented: kernel %s: scratch memory of a whole launch on the emulator", c.entry);
    break;
  case TDRIVER_HIDDEN_RECORD: break;
  case TDRIVER_HIDDEN_TENSORMAP:
    TESSERA_TRY(parse_tensor_map(c, r, out));
    expected = sizeof(abi::TensorMap);
    break;
  default:
    return fail(Code::UNSUPPORTED, "not implemented: kernel %s: hidden argument of kind %u on the emulator", c.entry, h.kind);
  }
  if (h.size != expected || h.offset + uint64_t(h.size) > c.params_end)
    return fail(Code::CORRUPT, "kernel %s: hidden argument of kind %u has %u bytes at %u; expected %u", c.entry, h.kind,
                h.size, h.offset, expected);
  return {};
}

namespace {

bool encode_map(const Hidden &h, const char *params, abi::TensorMap *m, std::string *why) {
  auto value = [&](const Term &t) {
    int64_t v = t.constant;
    int32_t narrow;
    if (t.source == 1) std::memcpy(&narrow, params + t.offset, 4), v = narrow;
    if (t.source == 2) std::memcpy(&v, params + t.offset, 8);
    return v;
  };
  constexpr uint8_t widths[] = {0, 32, 64, 128};
  std::memset(static_cast<void *>(m), 0, sizeof(*m));
  std::memcpy(&m->base, params + h.base, 8);
  m->rank = h.rank;
  m->element_bytes = h.bytes;
  m->swizzle = widths[h.swizzle];
  m->fill_nan = h.fill;
  bool good = m->base % 16 == 0;
  for (uint32_t i = 0; i < h.rank; ++i) { // the object lists the outermost dimension first
    uint32_t from = h.rank - 1 - i;
    m->size[i] = uint64_t(value(h.extent[from]));
    m->box[i] = uint16_t(h.box[from]);
    if (!i) continue;
    m->stride[i - 1] = uint64_t(value(h.stride[from])) * h.bytes;
    good &= m->stride[i - 1] % 16 == 0;
  }
  good &= m->box[0] * m->element_bytes % 16 == 0 && (!m->swizzle || m->box[0] * m->element_bytes <= m->swizzle);
  if (!good)
    *why = tessera::format("no tensor map for base %#llx, %u elements of %u bytes in a row of the box, swizzle %u (expected: "
                           "base, strides and rows multiples of 16 bytes, rows no longer than the swizzle)",
                           (unsigned long long)m->base, m->box[0], m->element_bytes, m->swizzle);
  return good;
}

} // namespace

bool Machine::fill_params(const Kernel &k, const void *params, const tdriver_cpu_call &, std::string *why) {
  params_.resize(k.params_end + 64);
  std::memcpy(params_.data(), params, k.params_size);
  for (const Hidden &h : k.hidden) {
    char *at = params_.data() + h.offset;
    const void *pointer = nullptr;
    switch (h.kind) {
    case TDRIVER_HIDDEN_SCRATCH:
      // Programs find their part by their number; those of other chunks have parts of their own there too.
      *why = "not implemented: scratch memory on the emulator";
      return false;
    case TDRIVER_HIDDEN_RECORD:
      pointer = record_;
      std::memcpy(at, &pointer, 8);
      break;
    case TDRIVER_HIDDEN_TENSORMAP: {
      abi::TensorMap map;
      if (!encode_map(h, params_.data(), &map, why)) {
        *why = tessera::format("kernel %s: %s", k.name.c_str(), why->c_str());
        return false;
      }
      std::memcpy(at, &map, sizeof(map));
      break;
    }
    }
  }
  return true;
}

int32_t run_programs(const void *params, const tdriver_cpu_call *call) {
  auto *host = static_cast<cpu::Call *>(call->host);
  auto &kernel = static_cast<const Kernel &>(*host->job->kernel);
  auto &device = static_cast<Device &>(*kernel.device);
  std::unique_ptr<Machine> machine;
  {
    std::lock_guard guard(device.lock);
    if (!device.idle.empty()) {
      machine = std::move(device.idle.back());
      device.idle.pop_back();
    }
  }
  if (!machine) machine = std::make_unique<Machine>();
  bool good = machine->run(kernel, params, *call, host);
  std::lock_guard guard(device.lock);
  device.idle.push_back(std::move(machine));
  return good ? 0 : 1;
}

// A chain of comparisons and no table of addresses, which would need relocation.
void *import_address(const char *name) {
  if (std::strncmp(name, "tessera_emu_", 12)) {
    if (!std::strncmp(name, "tessera_", 8)) return nullptr;
    return cpu::import_address(name);
  }
#define E(result, row, parameters)                                                                           \
  if (!std::strcmp(name + 12, #row)) return reinterpret_cast<void *>(static_cast<result(*) parameters>(row));
#include "common/emu_imports.inc"
#undef E
  return nullptr;
}

tdriver_status kernel_load(void *device, const tdriver_code *code, void **kernel, tdriver_report *report) {
  auto *k = new Kernel;
  k->device = static_cast<Device *>(device);
  if (Status s = load(*code, k); !s.ok()) {
    cpu::unmap_kernel(k);
    delete k;
    return cpu::answer(s, report);
  }
  *kernel = k;
  return TDRIVER_OK;
}

void kernel_unload(void *object) {
  auto *k = static_cast<Kernel *>(object);
  cpu::wait_idle(k);
  cpu::unmap_kernel(k);
  delete k;
}

} // namespace tdriver::emu
