// SPDX-License-Identifier: MIT
#include "null.hh"
#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace tdriver::null {

tdriver_status memory_alloc(void *device, uint64_t size, tdriver_memory_kind kind, void **pointer,
                            tdriver_report *report) {
  *pointer = std::aligned_alloc(64, (std::max<uint64_t>(size, 1) + 63) & ~uint64_t(63));
  if (!*pointer) return answer(fail(Code::IO, "no memory for %llu bytes", (unsigned long long)size), report);
  return TDRIVER_OK;
}

void memory_free(void *device, void *pointer, tdriver_memory_kind kind) { std::free(pointer); }

tdriver_status memory_copy(void *stream, void *to, const void *from, uint64_t size, tdriver_report *report) {
  std::lock_guard guard(static_cast<Stream *>(stream)->lock);
  std::memmove(to, from, size);
  return TDRIVER_OK;
}

tdriver_status memory_fill(void *stream, void *to, uint8_t value, uint64_t size, tdriver_report *report) {
  std::lock_guard guard(static_cast<Stream *>(stream)->lock);
  std::memset(to, value, size);
  return TDRIVER_OK;
}

} // namespace tdriver::null
