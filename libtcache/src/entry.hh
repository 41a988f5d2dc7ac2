// SPDX-License-Identifier: MIT
// The format of one entry, version 0 (docs/entry-format.md). The only reader of bytes from outside.
#pragma once
#include "common/status.hh"
#include "key.hh"

namespace tcache {

inline constexpr size_t header_size = 96;
inline constexpr uint64_t max_payload = uint64_t{1} << 30;

struct Header {
  Key key;
  uint64_t payload_size = 0;
  tessera::Hash256 checksum;
};

/// Writes the 96 bytes that stand before the payload. `size` is at most max_payload.
void encode_header(const Key &key, const void *payload, size_t size, uint8_t out[header_size]);

/// Checks all that can be checked before the payload is read. `available` bytes of `bytes` are there,
/// `file_size` is the length of the whole entry. The payload size it gives is bounded and agrees with
/// file_size, so the caller may allocate it. `expected` may be NULL.
tessera::Status check_header(const uint8_t *bytes, size_t available, uint64_t file_size, const Key *expected,
                             Header *out);

/// Checks the payload against the checksum, which covers the header's other bytes too.
tessera::Status check_payload(const uint8_t header[header_size], const void *payload, size_t size);

/// A whole entry in memory.
struct EntryView {
  Key key;
  const uint8_t *payload = nullptr;
  size_t size = 0;
};
tessera::Status read_entry(const void *bytes, size_t size, const Key *expected, EntryView *out);

} // namespace tcache
