// SPDX-License-Identifier: MIT
// The encoding of key fields (docs/entry-format.md, "Keys").
#pragma once
#include "common/hash.hh"

namespace tcache {

using Key = tessera::Hash256;

enum class FieldType : uint8_t { KIND = 'k', BYTES = 'b', STRING = 's', U64 = 'u' };

class KeyBuilder {
public:
  explicit KeyBuilder(const char *kind);
  void add(FieldType type, const char *name, const void *data, size_t size);
  void add_u64(const char *name, uint64_t value);
  Key finish() const { return hasher_.finish(); }

private:
  tessera::Hasher hasher_;
};

} // namespace tcache
