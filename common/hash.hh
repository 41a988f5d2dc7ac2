// SPDX-License-Identifier: MIT
// BLAKE2b-256, plain or keyed. The one hash of the house for keys and checksums of bytes.
// Link `common_hash_dep`, not only `common_dep`: it brings libb2's static archive.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace tessera {

struct Hash256 {
  uint8_t bytes[32] = {};
  bool operator==(const Hash256 &other) const { return std::memcmp(bytes, other.bytes, 32) == 0; }
  bool operator<(const Hash256 &other) const { return std::memcmp(bytes, other.bytes, 32) < 0; }
};

/// A running hash. Copying one forks it: both copies continue from the same prefix. One thread at a time.
class Hasher {
public:
  static constexpr size_t max_key_size = 64;

  Hasher();
  /// A keyed hash (a MAC). `key_size` is 1 to 64.
  Hasher(const void *key, size_t key_size);
  void update(const void *data, size_t size);
  /// The hash of what was added so far. The hasher is not changed, more may be added after it.
  Hash256 finish() const;

private:
  alignas(16) unsigned char state_[384]; // a blake2b_state; its header stays out of ours
};

Hash256 hash256(const void *data, size_t size);

/// Lower-case hex, 64 characters.
std::string to_hex(const Hash256 &hash);
/// Reads exactly 64 lower-case hex digits; false leaves *out alone.
bool from_hex(const char *text, size_t size, Hash256 *out);

} // namespace tessera
