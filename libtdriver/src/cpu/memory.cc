// SPDX-License-Identifier: MIT
// Memory of the CPU is host memory, whatever the kind.
#include "cpu.hh"
#include <cstdlib>
#include <cstring>

namespace tdriver::cpu {

tdriver_status memory_alloc(void *device, uint64_t size, tdriver_memory_kind kind, void **pointer,
                            tdriver_report *report) {
  uint64_t alignment = size >= 4096 ? 4096 : 64; // whole pages for arrays that vector code walks through
  uint64_t rounded = (std::max<uint64_t>(size, 1) + alignment - 1) & ~(alignment - 1);
  *pointer = std::aligned_alloc(alignment, rounded);
  if (!*pointer) return answer(fail(Code::IO, "no memory for %llu bytes", (unsigned long long)size), report);
  return TDRIVER_OK;
}

void memory_free(void *device, void *pointer, tdriver_memory_kind kind) { std::free(pointer); }

tdriver_status memory_copy(void *stream_object, void *to, const void *from, uint64_t size,
                           tdriver_report *report) {
  auto *stream = static_cast<Stream *>(stream_object);
  if (begin_inline(stream)) {
    std::memmove(to, from, size);
    end_inline(stream);
    return TDRIVER_OK;
  }
  Op op = {};
  op.kind = Op::copy;
  op.to = to;
  op.from = from;
  op.size = size;
  return enqueue(stream, op, report);
}

tdriver_status memory_fill(void *stream_object, void *to, uint8_t value, uint64_t size,
                           tdriver_report *report) {
  auto *stream = static_cast<Stream *>(stream_object);
  if (begin_inline(stream)) {
    std::memset(to, value, size);
    end_inline(stream);
    return TDRIVER_OK;
  }
  Op op = {};
  op.kind = Op::fill;
  op.to = to;
  op.value = value;
  op.size = size;
  return enqueue(stream, op, report);
}

} // namespace tdriver::cpu
