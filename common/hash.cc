// SPDX-License-Identifier: MIT
#include "hash.hh"
#include <blake2.h>

namespace tessera {

// Only blake2b is used: libb2's parallel blake2bp brings OpenMP.
static_assert(sizeof(blake2b_state) <= 384 && alignof(blake2b_state) <= 16, "Hasher::state_ is too small");

static blake2b_state *state_of(unsigned char *bytes) { return reinterpret_cast<blake2b_state *>(bytes); }

Hasher::Hasher() { blake2b_init(state_of(state_), 32); }

Hasher::Hasher(const void *key, size_t key_size) { blake2b_init_key(state_of(state_), 32, key, key_size); }

void Hasher::update(const void *data, size_t size) {
  if (size) blake2b_update(state_of(state_), static_cast<const uint8_t *>(data), size);
}

Hash256 Hasher::finish() const {
  Hasher copy = *this;
  Hash256 hash;
  blake2b_final(state_of(copy.state_), hash.bytes, 32);
  return hash;
}

Hash256 hash256(const void *data, size_t size) {
  Hasher hasher;
  hasher.update(data, size);
  return hasher.finish();
}

std::string to_hex(const Hash256 &hash) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(64, '0');
  for (size_t i = 0; i < 32; ++i) {
    text[2 * i] = digits[hash.bytes[i] >> 4];
    text[2 * i + 1] = digits[hash.bytes[i] & 15];
  }
  return text;
}

bool from_hex(const char *text, size_t size, Hash256 *out) {
  if (size != 64) return false;
  Hash256 hash;
  for (size_t i = 0; i < 64; ++i) {
    char c = text[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return false;
    hash.bytes[i / 2] = static_cast<uint8_t>(hash.bytes[i / 2] << 4 | digit);
  }
  *out = hash;
  return true;
}

} // namespace tessera
