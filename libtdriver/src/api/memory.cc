// SPDX-License-Identifier: MIT
#include "driver.hh"

using namespace tdriver;
namespace api = tessera::api;

namespace {

constexpr uint64_t max_allocation = uint64_t(1) << 46;

Status check_range(tdriver_memory *memory, const char *what, uint64_t offset, uint64_t size) {
  TESSERA_TRY(expect(memory, tag_memory, what));
  if (offset > memory->size || size > memory->size - offset)
    return fail(Code::INVALID_ARGUMENT, "%s: bytes %llu … %llu + %llu lie outside its %llu bytes", what,
                (unsigned long long)offset, (unsigned long long)offset, (unsigned long long)size,
                (unsigned long long)memory->size);
  return {};
}

/// The common end of all transfers: picks the stream and calls the table.
tdriver_status transfer(tdriver_stream *stream, tdriver_device *device, void *to, const void *from,
                        uint64_t size) {
  TDRIVER_CHECK(pick_stream(stream, device, &stream));
  if (!size) return TDRIVER_OK;
  tdriver_report report;
  report.text[0] = 0;
  return api::done(
      from_backend(device->backend->memory_copy(stream->impl, to, from, size, &report), report, "copying"));
}

char *at(tdriver_memory *memory, uint64_t offset) { return static_cast<char *>(memory->pointer) + offset; }

} // namespace

extern "C" {

tdriver_status tdriver_memory_alloc(tdriver_device *device, uint64_t size, tdriver_memory_kind kind,
                                    tdriver_memory **memory) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!memory) return api::error(Code::INVALID_ARGUMENT, "memory is NULL");
  if (kind > TDRIVER_MEMORY_HOST)
    return api::error(Code::INVALID_ARGUMENT, "memory kind %u is unknown", kind);
  if (size > max_allocation)
    return api::error(Code::LIMIT, "%llu bytes of memory, the limit is %llu", (unsigned long long)size,
                      (unsigned long long)max_allocation);
  tdriver_report report;
  report.text[0] = 0;
  void *pointer = nullptr;
  TDRIVER_CHECK(from_backend(device->backend->memory_alloc(device->impl, size, kind, &pointer, &report),
                             report, "allocating memory"));
  auto *m = new tdriver_memory;
  m->device = retain(device);
  m->pointer = pointer;
  m->size = size;
  m->kind = kind;
  m->owned = true;
  *memory = m;
  return TDRIVER_OK;
}

tdriver_status tdriver_memory_wrap(tdriver_device *device, void *pointer, uint64_t size,
                                   tdriver_memory **memory) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!memory) return api::error(Code::INVALID_ARGUMENT, "memory is NULL");
  if (!pointer && size)
    return api::error(Code::INVALID_ARGUMENT, "pointer is NULL, but size is %llu", (unsigned long long)size);
  if (size > max_allocation)
    return api::error(Code::LIMIT, "%llu bytes of memory, the limit is %llu", (unsigned long long)size,
                      (unsigned long long)max_allocation);
  auto *m = new tdriver_memory;
  m->device = retain(device);
  m->pointer = pointer;
  m->size = size;
  *memory = m;
  return TDRIVER_OK;
}

void tdriver_memory_free(tdriver_memory *memory) { release(memory); }

tdriver_status tdriver_memory_get(tdriver_memory *memory, void **pointer, uint64_t *size) {
  TDRIVER_CHECK(expect(memory, tag_memory, "memory"));
  if (pointer) *pointer = memory->pointer;
  if (size) *size = memory->size;
  return TDRIVER_OK;
}

tdriver_status tdriver_pointer_get_info(tdriver_device *device, const void *pointer,
                                        tdriver_pointer_info *info) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!device->backend->pointer_info)
    return api::error(Code::UNSUPPORTED, "device \"%s\" uses host memory", device->name.c_str());
  tdriver_pointer_info full = TDRIVER_POINTER_INFO_INIT;
  tdriver_report report;
  report.text[0] = 0;
  TDRIVER_CHECK(from_backend(device->backend->pointer_info(device->impl, pointer, &full, &report), report,
                             "asking about a pointer"));
  return api::done(write_info(info, full, "tdriver_pointer_info"));
}

tdriver_status tdriver_memory_copy(tdriver_stream *stream, tdriver_memory *to, uint64_t to_offset,
                                   tdriver_memory *from, uint64_t from_offset, uint64_t size) {
  TDRIVER_CHECK(check_range(to, "to", to_offset, size));
  TDRIVER_CHECK(check_range(from, "from", from_offset, size));
  if (to->device != from->device)
    return api::error(Code::INVALID_ARGUMENT, "to and from are of two devices; copy through host memory");
  return transfer(stream, to->device, at(to, to_offset), at(from, from_offset), size);
}

tdriver_status tdriver_memory_upload(tdriver_stream *stream, tdriver_memory *to, uint64_t to_offset,
                                     const void *from, uint64_t size) {
  TDRIVER_CHECK(check_range(to, "to", to_offset, size));
  if (!from && size) return api::error(Code::INVALID_ARGUMENT, "from is NULL");
  return transfer(stream, to->device, at(to, to_offset), from, size);
}

tdriver_status tdriver_memory_download(tdriver_stream *stream, void *to, tdriver_memory *from,
                                       uint64_t from_offset, uint64_t size) {
  TDRIVER_CHECK(check_range(from, "from", from_offset, size));
  if (!to && size) return api::error(Code::INVALID_ARGUMENT, "to is NULL");
  return transfer(stream, from->device, to, at(from, from_offset), size);
}

tdriver_status tdriver_memory_fill(tdriver_stream *stream, tdriver_memory *memory, uint64_t offset,
                                   uint8_t value, uint64_t size) {
  TDRIVER_CHECK(check_range(memory, "memory", offset, size));
  TDRIVER_CHECK(pick_stream(stream, memory->device, &stream));
  if (!size) return TDRIVER_OK;
  tdriver_report report;
  report.text[0] = 0;
  return api::done(from_backend(
      memory->device->backend->memory_fill(stream->impl, at(memory, offset), value, size, &report), report,
      "filling"));
}

} // extern "C"
