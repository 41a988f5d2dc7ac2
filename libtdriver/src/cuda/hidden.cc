// SPDX-License-Identifier: MIT
// Hidden arguments: what their descriptions in the kernel object say, and the ones that take work at a launch.
#include "cuda.hh"
#include "common/tko.hh"
#include <algorithm>
#include <cstring>

namespace tdriver::cuda {

namespace {

namespace tko = tessera::tko;

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

/// CUtensorMapDataType of an element kind, -1 where there is none.
int tensor_type(uint8_t kind) {
  switch (tko::Kind(kind)) {
  case tko::Kind::i1:
  case tko::Kind::i8:
  case tko::Kind::f8e4m3fn:
  case tko::Kind::f8e5m2:
  case tko::Kind::f8e4m3fnuz:
  case tko::Kind::f8e5m2fnuz:
    return 0;
  case tko::Kind::i16:
    return 1;
  case tko::Kind::i32:
    return 2;
  case tko::Kind::i64:
    return 4;
  case tko::Kind::f16:
    return 6;
  case tko::Kind::f32:
    return 7;
  case tko::Kind::f64:
    return 8;
  case tko::Kind::bf16:
    return 9;
  default:
    return -1;
  }
}

Status parse_tensor_map(const tdriver_code &c, Reader r, Hidden *out) {
  auto map = std::make_unique<TensorMapRecipe>();
  map->base = r.take<uint32_t>();
  map->element = r.take<uint8_t>();
  map->rank = r.take<uint8_t>();
  map->swizzle = r.take<uint8_t>();
  map->interleave = r.take<uint8_t>();
  map->l2 = r.take<uint8_t>();
  map->fill = r.take<uint8_t>();
  r.take<uint16_t>();
  if (!r.good || map->rank < 1 || map->rank > 5 || tensor_type(map->element) < 0 || map->swizzle > 3 ||
      map->interleave > 2 || map->l2 > 3 || map->fill > 1 || map->base + 8ull > c.params_size)
    return fail(Code::CORRUPT, "kernel %s: a tensor map of rank %u, element kind %u, swizzle %u, base at %u", c.entry,
                map->rank, map->element, map->swizzle, map->base);
  map->bytes = uint8_t(tko::kind_size(tko::Kind(map->element)));
  auto term = [&](Term *t) {
    t->source = r.take<uint32_t>();
    t->offset = r.take<uint32_t>();
    t->constant = r.take<int64_t>();
    uint32_t size = t->source == 1 ? 4 : 8;
    return r.good && t->source <= 2 && (!t->source || uint64_t(t->offset) + size <= c.params_size);
  };
  bool good = true;
  for (int i = 0; i < map->rank; ++i) good = good && term(&map->size[i]);
  for (int i = 0; i < map->rank; ++i) good = good && term(&map->stride[i]);
  for (int i = 0; i < map->rank; ++i) map->box[i] = r.take<uint32_t>();
  if (!good || !r.good || r.left)
    return fail(Code::CORRUPT, "kernel %s: the description of a tensor map is damaged", c.entry);
  if (!api.cuTensorMapEncodeTiled)
    return fail(Code::UNSUPPORTED, "kernel %s needs tensor maps, which this driver (%d.%d) does not have", c.entry,
                driver_version() / 1000, driver_version() % 1000 / 10);
  out->map = std::move(map);
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
    if (!r.good || out->alignment & (out->alignment - 1) || out->alignment > 256 ||
        out->program_bytes > uint64_t(1) << 40 || out->launch_bytes > uint64_t(1) << 40)
      return fail(Code::CORRUPT, "kernel %s: %llu bytes of scratch for a program, %llu for a launch, aligned to %llu",
                  c.entry, (unsigned long long)out->program_bytes, (unsigned long long)out->launch_bytes,
                  (unsigned long long)out->alignment);
    break;
  case TDRIVER_HIDDEN_RECORD:
    break;
  case TDRIVER_HIDDEN_TENSORMAP:
    TESSERA_TRY(parse_tensor_map(c, r, out));
    expected = sizeof(TensorMap);
    break;
  case TDRIVER_HIDDEN_DERIVED:
    out->what = r.take<uint32_t>();
    if (!r.good || out->what > 4)
      return fail(Code::UNSUPPORTED, "kernel %s: derived value %u is not known to this driver", c.entry, out->what);
    break;
  case TDRIVER_HIDDEN_PRINT:
    return fail(Code::UNSUPPORTED, "not implemented: kernel %s prints (tt.print) on a cuda device", c.entry);
  default:
    return fail(Code::UNSUPPORTED, "kernel %s: hidden argument of kind %u, which this driver does not know", c.entry,
                h.kind);
  }
  if (h.size != expected)
    return fail(Code::CORRUPT, "kernel %s: hidden argument of kind %u has %u bytes; expected %u", c.entry, h.kind,
                h.size, expected);
  return {};
}

Status encode_tensor_map(const Kernel &k, const TensorMapRecipe &m, const char *params, void *out) {
  auto value = [&](const Term &t) {
    int64_t v = t.constant;
    int32_t narrow;
    if (t.source == 1) std::memcpy(&narrow, params + t.offset, 4), v = narrow;
    if (t.source == 2) std::memcpy(&v, params + t.offset, 8);
    return v;
  };
  void *base;
  std::memcpy(&base, params + m.base, sizeof(base));
  // The object lists dimensions outermost first, the vendor innermost first; strides of the innermost are left out.
  uint64_t sizes[5], strides[5];
  uint32_t box[5], steps[5];
  for (uint32_t i = 0; i < m.rank; ++i) {
    uint32_t from = m.rank - 1 - i;
    sizes[i] = uint64_t(value(m.size[from]));
    if (i) strides[i - 1] = uint64_t(value(m.stride[from])) * m.bytes;
    box[i] = m.box[from];
    steps[i] = 1;
  }
  TensorMap map;
  CUresult e = api.cuTensorMapEncodeTiled(&map, tensor_type(m.element), m.rank, base, sizes, strides, box, steps,
                                          m.interleave, m.swizzle, m.l2, m.fill);
  if (e == success) [[likely]] {
    std::memcpy(out, &map, sizeof(map));
    return {};
  }
  std::string shape, step, boxes;
  for (uint32_t i = 0; i < m.rank; ++i) {
    shape = tessera::format("%llu%s%s", (unsigned long long)sizes[i], i ? "x" : "", shape.c_str());
    boxes = tessera::format("%u%s%s", box[i], i ? "x" : "", boxes.c_str());
    if (i) step = tessera::format("%llu%s%s", (unsigned long long)strides[i - 1], i > 1 ? "," : "", step.c_str());
  }
  return fail(Code::INVALID_ARGUMENT,
              "kernel %s: no tensor map for base %p, shape %s, strides of %s bytes, box %s, element of %u bytes: %s "
              "(expected: base and strides multiples of 16 bytes, a box of at most 256 in each direction)",
              k.name, base, shape.c_str(), step.empty() ? "no" : step.c_str(), boxes.c_str(), m.bytes,
              error_text(e).c_str());
}

/// With the context current. Without a hook a stream has one block, which its launches use one after another.
Status get_scratch(Stream *s, Kernel *k, uint64_t bytes, uint64_t alignment, const tdriver_allocator *hook,
                   CUdeviceptr *out) {
  auto failed_for = [&](const char *why) {
    return fail(Code::IO, "kernel %s: %llu bytes of scratch memory: %s", k->name, (unsigned long long)bytes, why);
  };
  if (hook) {
    void *p = hook->allocate(hook->user, bytes, std::max<uint64_t>(alignment, 16), s->handle);
    *out = reinterpret_cast<CUdeviceptr>(p);
    return p ? Status{} : failed_for("the allocator gave none");
  }
  bool capturing = is_capturing(s);
  Stream::Block *block = s->scratch.load(std::memory_order_acquire);
  if (!capturing && block && block->size >= bytes) {
    *out = block->pointer;
    return {};
  }
  std::lock_guard guard(s->lock);
  int mode = capture_relaxed;
  bool exchanged = capturing && api.cuThreadExchangeStreamCaptureMode(&mode) == success;
  uint64_t size = capturing || !block ? bytes : std::max(bytes, 2 * block->size);
  CUdeviceptr p = 0;
  CUresult e = api.cuMemAlloc(&p, size);
  if (exchanged) api.cuThreadExchangeStreamCaptureMode(&mode);
  if (e != success) return failed_for(error_text(e).c_str());
  if (capturing) {
    s->captured_memory.push_back(p);
  } else {
    s->blocks.push_back(std::make_unique<Stream::Block>(Stream::Block{p, size}));
    s->scratch.store(s->blocks.back().get(), std::memory_order_release);
  }
  *out = p;
  return {};
}

} // namespace tdriver::cuda
