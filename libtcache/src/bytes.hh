// SPDX-License-Identifier: MIT
// Little-endian integers in byte arrays, on any host.
#pragma once
#include <cstdint>

namespace tcache {

inline void store_u32(uint8_t *out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(value >> 8 * i);
}
inline void store_u64(uint8_t *out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(value >> 8 * i);
}
inline uint32_t load_u32(const uint8_t *in) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= static_cast<uint32_t>(in[i]) << 8 * i;
  return value;
}
inline uint64_t load_u64(const uint8_t *in) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= static_cast<uint64_t>(in[i]) << 8 * i;
  return value;
}

} // namespace tcache
