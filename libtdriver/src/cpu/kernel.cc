// SPDX-License-Identifier: MIT
// The loader: maps a flat image, fills its import slots, applies its relocations, protects it. The
// container's rules (tko::check) hold for the built-in front end, but the table can be called by others, so
// the bounds that matter for this process's memory are looked at again here.
#include "cpu.hh"
#include "common/knobs.hh"
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace tdriver::cpu {

namespace {

uint64_t page_up(uint64_t v) { return (v + 4095) & ~uint64_t(4095); }

Status check_code(const tdriver_code &c) {
  if (std::strncmp(c.target, "cpu:", 4) != 0 || c.code_kind != 1)
    return fail(Code::UNSUPPORTED, "kernel %s is made for \"%s\" (code kind %u), this is the cpu device",
                c.entry, c.target, c.code_kind);
  if (c.hidden_count || c.threads != 1 || c.shared_bytes || c.attributes)
    return fail(
        Code::UNSUPPORTED,
        "kernel %s needs what the cpu device lacks: %u hidden arguments, %u threads per program, %u bytes of "
        "shared memory, attributes %#x",
        c.entry, c.hidden_count, c.threads, c.shared_bytes, c.attributes);
  return {};
}

Status check_features(const tdriver_code &c) {
#if !defined(__x86_64__)
  return fail(Code::UNSUPPORTED, "not implemented: CPU images on this architecture; kernel %s is for x86-64",
              c.entry);
#endif
  if (sysconf(_SC_PAGESIZE) > 4096)
    return fail(Code::UNSUPPORTED, "not implemented: pages of %ld bytes", sysconf(_SC_PAGESIZE));
  bool amx = false;
  for (size_t i = 0; i < c.feature_count; ++i) {
    int has = has_feature(c.features[i]);
    if (has < 0)
      return fail(Code::UNSUPPORTED, "kernel %s needs CPU feature %s, which this driver does not know",
                  c.entry, c.features[i]);
    if (!has)
      return fail(Code::UNSUPPORTED,
                  "kernel %s needs CPU feature %s, which is not usable on this machine (%s)", c.entry,
                  c.features[i], cpu_model().c_str());
    amx |= !std::strncmp(c.features[i], "amx-", 4);
  }
  if (amx && !request_amx())
    return fail(Code::UNSUPPORTED, "kernel %s needs AMX, which the operating system refuses", c.entry);
  return {};
}

Status map_image(const tdriver_code &c, Kernel *k) {
  uint64_t end = 0;
  for (size_t i = 0; i < c.segment_count; ++i) {
    const tdriver_segment &s = c.segments[i];
    if (s.offset % 4096 || s.offset < end || s.offset > uint64_t(1) << 32 || s.size > uint64_t(1) << 32 ||
        s.zero_fill > uint64_t(1) << 32 || s.permission < 1 || s.permission > 3)
      return fail(Code::CORRUPT, "kernel %s: segment %zu is out of order or too large", c.entry, i);
    end = page_up(s.offset + s.size + s.zero_fill);
  }
  if (!end) return fail(Code::CORRUPT, "kernel %s: the image is empty", c.entry);
  void *memory = mmap(nullptr, end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return fail(Code::IO, "kernel %s: mapping %llu bytes: %s", c.entry, (unsigned long long)end,
                std::strerror(errno));
  k->base = static_cast<char *>(memory);
  k->bytes = end;
  for (size_t i = 0; i < c.segment_count; ++i)
    if (c.segments[i].size)
      std::memcpy(k->base + c.segments[i].offset, c.segments[i].bytes, c.segments[i].size);
  return {};
}

Status link_image(const tdriver_code &c, Kernel *k, void *(*find)(const char *name)) {
  for (size_t i = 0; i < c.import_count; ++i) {
    const tdriver_import &import = c.imports[i];
    void *address = find(import.name);
    if (!address)
      return fail(Code::UNSUPPORTED,
                  "kernel %s imports %s, which this driver does not have (import list version %u)", c.entry,
                  import.name, TDRIVER_CPU_IMPORTS_VERSION);
    if (import.slot % 8 || import.slot > k->bytes - 8)
      return fail(Code::CORRUPT, "kernel %s: the slot of import %s lies outside the image", c.entry,
                  import.name);
    std::memcpy(k->base + import.slot, &address, 8);
  }
  for (size_t i = 0; i < c.relocation_count; ++i) {
    uint64_t value, slot = c.relocations[i];
    if (slot % 8 || slot > k->bytes - 8)
      return fail(Code::CORRUPT, "kernel %s: relocation %zu lies outside the image", c.entry, i);
    std::memcpy(&value, k->base + slot, 8);
    value += reinterpret_cast<uint64_t>(k->base);
    std::memcpy(k->base + slot, &value, 8);
  }
  return {};
}

Status protect_image(const tdriver_code &c, Kernel *k) {
  uint64_t end = 0;
  for (size_t i = 0; i <= c.segment_count; ++i) {
    uint64_t start = i < c.segment_count ? c.segments[i].offset : k->bytes;
    if (start > end && mprotect(k->base + end, start - end, PROT_NONE)) // a gap
      return fail(Code::IO, "kernel %s: mprotect: %s", c.entry, std::strerror(errno));
    if (i == c.segment_count) break;
    const tdriver_segment &s = c.segments[i];
    uint64_t size = page_up(s.size + s.zero_fill);
    int protection = s.permission == 2 ? PROT_READ | PROT_EXEC : PROT_READ;
    if (size && mprotect(k->base + start, size, protection))
      return fail(Code::IO, "kernel %s: mprotect: %s", c.entry, std::strerror(errno));
    end = start + size;
  }
  return {};
}

/// A line for perf. Failing to write it is no failure of the load.
void write_perf_map(const tdriver_code &c, const Kernel &k) {
  auto wanted = tessera::knob_flag(tessera::Knob::PERF_MAP);
  if (!wanted.ok() || !wanted.value) return;
  std::string path = tessera::format("/tmp/perf-%d.map", int(getpid()));
  // Never through a link that somebody else left in /tmp.
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return;
  for (size_t i = 0; i < c.segment_count; ++i) {
    const tdriver_segment &s = c.segments[i];
    if (s.permission != 2) continue;
    std::string line = tessera::format("%llx %llx tessera:%s\n",
                                       (unsigned long long)reinterpret_cast<uintptr_t>(k.base + s.offset),
                                       (unsigned long long)s.size, c.entry);
    if (::write(file, line.data(), line.size()) < 0) break;
  }
  ::close(file);
}

} // namespace

Status map_kernel(const tdriver_code &c, Kernel *k, void *(*find)(const char *name)) {
  TESSERA_TRY(check_features(c));
  TESSERA_TRY(map_image(c, k));
  TESSERA_TRY(link_image(c, k, find));
  TESSERA_TRY(protect_image(c, k));
  bool inside = false;
  for (size_t i = 0; i < c.segment_count; ++i) {
    const tdriver_segment &s = c.segments[i];
    inside |=
        s.permission == 2 && c.image_entry >= s.offset && c.image_entry - s.offset < s.size + s.zero_fill;
  }
  if (!inside) return fail(Code::CORRUPT, "kernel %s: the entry lies outside the code", c.entry);
  k->entry = reinterpret_cast<tdriver_cpu_entry>(k->base + c.image_entry);
  k->arena_bytes = c.arena_bytes;
  k->arena_alignment = std::max(c.arena_alignment, 64u);
  k->owner = c.owner;
  k->generation = fork_generation();
  write_perf_map(c, *k);
  return {};
}

void unmap_kernel(Kernel *k) {
  if (k->base) munmap(k->base, k->bytes);
  k->base = nullptr;
}

void wait_idle(Kernel *k) {
  if (k->generation != fork_generation()) return; // they were in flight in the parent
  for (uint32_t n; (n = k->in_flight.load(std::memory_order_acquire));) futex_wait(k->in_flight, n);
}

tdriver_status kernel_load(void *device, const tdriver_code *code, void **kernel, tdriver_report *report) {
  auto *k = new Kernel;
  k->device = static_cast<Device *>(device);
  Status s = check_code(*code);
  if (s.ok()) s = map_kernel(*code, k, import_address);
  if (!s.ok()) {
    kernel_unload(k);
    return answer(s, report);
  }
  *kernel = k;
  return TDRIVER_OK;
}

void kernel_unload(void *object) {
  auto *k = static_cast<Kernel *>(object);
  wait_idle(k);
  unmap_kernel(k);
  delete k;
}

} // namespace tdriver::cpu
