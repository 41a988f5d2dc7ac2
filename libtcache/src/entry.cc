// SPDX-License-Identifier: MIT
#include "entry.hh"
#include "bytes.hh"

namespace tcache {

using tessera::Code;
using tessera::fail;
using tessera::Status;

// Offsets of the header's fields.
enum : size_t {
  AT_MAGIC = 0,
  AT_VERSION = 8,
  AT_HEADER = 12,
  AT_SIZE = 16,
  AT_RESERVED = 24,
  AT_KEY = 32,
  AT_CHECK = 64
};

// The control bytes show transfers that change line ends, the first byte those that clear the eighth bit.
static constexpr uint8_t magic[8] = {0x89, 'T', 'C', 'E', '\r', '\n', 0x1a, '\n'};
static constexpr uint32_t format_version = 0;

static tessera::Hash256 checksum_of(const uint8_t *header, const void *payload, size_t size) {
  tessera::Hasher hasher;
  hasher.update(header, AT_CHECK);
  hasher.update(payload, size);
  return hasher.finish();
}

void encode_header(const Key &key, const void *payload, size_t size, uint8_t out[header_size]) {
  std::memcpy(out + AT_MAGIC, magic, sizeof magic);
  store_u32(out + AT_VERSION, format_version);
  store_u32(out + AT_HEADER, header_size);
  store_u64(out + AT_SIZE, size);
  store_u64(out + AT_RESERVED, 0);
  std::memcpy(out + AT_KEY, key.bytes, sizeof key.bytes);
  tessera::Hash256 checksum = checksum_of(out, payload, size);
  std::memcpy(out + AT_CHECK, checksum.bytes, sizeof checksum.bytes);
}

Status check_header(const uint8_t *bytes, size_t available, uint64_t file_size, const Key *expected,
                    Header *out) {
  if (available < header_size || file_size < header_size)
    return fail(Code::CORRUPT, "%llu bytes, but the header of an entry has %zu",
                static_cast<unsigned long long>(file_size < available ? file_size : available), header_size);
  if (std::memcmp(bytes + AT_MAGIC, magic, sizeof magic) != 0)
    return fail(Code::CORRUPT, "offset 0: not the magic bytes of a cache entry");
  if (uint32_t version = load_u32(bytes + AT_VERSION); version != format_version)
    return fail(Code::VERSION, "offset %zu: entry format version %u, this library reads version %u",
                AT_VERSION, version, format_version);
  if (uint32_t size = load_u32(bytes + AT_HEADER); size != header_size)
    return fail(Code::CORRUPT, "offset %zu: header size %u, expected %zu", AT_HEADER, size, header_size);
  uint64_t payload_size = load_u64(bytes + AT_SIZE);
  if (payload_size > max_payload || payload_size != file_size - header_size)
    return fail(Code::CORRUPT, "offset %zu: payload length %llu, but %llu bytes follow the header", AT_SIZE,
                static_cast<unsigned long long>(payload_size),
                static_cast<unsigned long long>(file_size - header_size));
  if (load_u64(bytes + AT_RESERVED) != 0)
    return fail(Code::CORRUPT, "offset %zu: reserved bytes are not zero", AT_RESERVED);
  std::memcpy(out->key.bytes, bytes + AT_KEY, sizeof out->key.bytes);
  if (expected && !(out->key == *expected))
    return fail(Code::CORRUPT, "offset %zu: the entry of key %s, expected %s", AT_KEY,
                tessera::to_hex(out->key).c_str(), tessera::to_hex(*expected).c_str());
  out->payload_size = payload_size;
  std::memcpy(out->checksum.bytes, bytes + AT_CHECK, sizeof out->checksum.bytes);
  return {};
}

Status check_payload(const uint8_t header[header_size], const void *payload, size_t size) {
  tessera::Hash256 checksum = checksum_of(header, payload, size);
  if (std::memcmp(checksum.bytes, header + AT_CHECK, sizeof checksum.bytes) == 0) return {};
  return fail(Code::CORRUPT, "offset %zu: the checksum does not fit the %zu bytes of payload", AT_CHECK,
              size);
}

Status read_entry(const void *bytes, size_t size, const Key *expected, EntryView *out) {
  const uint8_t *data = static_cast<const uint8_t *>(bytes);
  Header header;
  TESSERA_TRY(check_header(data, size, size, expected, &header));
  TESSERA_TRY(check_payload(data, data + header_size, static_cast<size_t>(header.payload_size)));
  *out = {header.key, data + header_size, static_cast<size_t>(header.payload_size)};
  return {};
}

} // namespace tcache
