// SPDX-License-Identifier: MIT
#include "../key.hh"
#include "common/api.hh"
#include <tcache/key.h>

using tcache::FieldType;
using tcache::KeyBuilder;
using tessera::Code;
using tessera::api::error;

struct tcache_key_builder : KeyBuilder {
  using KeyBuilder::KeyBuilder;
};

static tcache_status add(tcache_key_builder *builder, FieldType type, const char *name, const void *data,
                         size_t size) {
  if (!builder) return error(Code::INVALID_ARGUMENT, "builder is NULL");
  if (!name) return error(Code::INVALID_ARGUMENT, "name is NULL");
  if (!data && size)
    return error(Code::INVALID_ARGUMENT, "field \"%s\": data is NULL but size is %zu", name, size);
  builder->add(type, name, data, size);
  return TCACHE_OK;
}

extern "C" {

tcache_status tcache_key_create(const char *kind, tcache_key_builder **out) {
  if (!out) return error(Code::INVALID_ARGUMENT, "out is NULL");
  *out = nullptr;
  if (!kind || !*kind) return error(Code::INVALID_ARGUMENT, "kind is %s", kind ? "empty" : "NULL");
  *out = new tcache_key_builder(kind);
  return TCACHE_OK;
}

void tcache_key_destroy(tcache_key_builder *builder) { delete builder; }

tcache_status tcache_key_add_bytes(tcache_key_builder *builder, const char *name, const void *data,
                                   size_t size) {
  return add(builder, FieldType::BYTES, name, data, size);
}

tcache_status tcache_key_add_string(tcache_key_builder *builder, const char *name, const char *text) {
  if (!text) return error(Code::INVALID_ARGUMENT, "field \"%s\": text is NULL", name ? name : "(NULL)");
  return add(builder, FieldType::STRING, name, text, std::strlen(text));
}

tcache_status tcache_key_add_u64(tcache_key_builder *builder, const char *name, uint64_t value) {
  if (!builder) return error(Code::INVALID_ARGUMENT, "builder is NULL");
  if (!name) return error(Code::INVALID_ARGUMENT, "name is NULL");
  builder->add_u64(name, value);
  return TCACHE_OK;
}

tcache_status tcache_key_finish(const tcache_key_builder *builder, tcache_key *out) {
  if (!builder || !out) return error(Code::INVALID_ARGUMENT, "%s is NULL", builder ? "out" : "builder");
  std::memcpy(out->bytes, builder->finish().bytes, sizeof out->bytes);
  return TCACHE_OK;
}

tcache_status tcache_key_to_hex(const tcache_key *key, char out[65]) {
  if (!key || !out) return error(Code::INVALID_ARGUMENT, "%s is NULL", key ? "out" : "key");
  tcache::Key hash;
  std::memcpy(hash.bytes, key->bytes, sizeof hash.bytes);
  std::memcpy(out, tessera::to_hex(hash).c_str(), 65);
  return TCACHE_OK;
}

tcache_status tcache_key_from_hex(const char *text, tcache_key *out) {
  if (!text || !out) return error(Code::INVALID_ARGUMENT, "%s is NULL", text ? "out" : "text");
  tcache::Key hash;
  size_t size = strnlen(text, 65);
  if (!tessera::from_hex(text, size, &hash))
    return error(Code::PARSE, "\"%.65s\" is no key: expected 64 lower-case hex digits", text);
  std::memcpy(out->bytes, hash.bytes, sizeof out->bytes);
  return TCACHE_OK;
}

} // extern "C"
