// SPDX-License-Identifier: MIT
#include "key.hh"
#include "bytes.hh"

namespace tcache {

static constexpr char key_magic[] = "tessera key 0"; // hashed with its NUL

KeyBuilder::KeyBuilder(const char *kind) {
  hasher_.update(key_magic, sizeof key_magic);
  add(FieldType::KIND, "", kind, std::strlen(kind));
}

void KeyBuilder::add(FieldType type, const char *name, const void *data, size_t size) {
  size_t name_size = std::strlen(name);
  uint8_t head[9] = {static_cast<uint8_t>(type)};
  store_u64(head + 1, name_size);
  hasher_.update(head, sizeof head);
  hasher_.update(name, name_size);
  store_u64(head + 1, size);
  hasher_.update(head + 1, 8);
  hasher_.update(data, size);
}

void KeyBuilder::add_u64(const char *name, uint64_t value) {
  uint8_t bytes[8];
  store_u64(bytes, value);
  add(FieldType::U64, name, bytes, sizeof bytes);
}

} // namespace tcache
