// SPDX-License-Identifier: MIT
/* Keys: BLAKE2b-256 over named, typed, length-prefixed fields, so that no two lists of fields give the same
   input to the hash. The exact encoding is in docs/entry-format.md. */
#ifndef TCACHE_KEY_H
#define TCACHE_KEY_H

#include <stddef.h>
#include <stdint.h>
#include <tcache/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A finished key: plain data, compared and copied byte by byte. Since 0.1. */
typedef struct tcache_key {
  uint8_t bytes[32];
} tcache_key;

/* Collects the fields of a key. One thread at a time. Since 0.1. */
typedef struct tcache_key_builder tcache_key_builder;

/* Begins a key of a kind. Kinds keep different uses of one cache apart ("kernel", "autotune").
   kind: NUL-terminated, not NULL, not empty. *out: the caller owns it (tcache_key_destroy); NULL after a
   failure. Errors: INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_key_create(const char *kind, tcache_key_builder **out);

/* Frees a builder. NULL is fine. Since 0.1. */
TCACHE_API void tcache_key_destroy(tcache_key_builder *builder);

/* Adds a field. Order matters, and so do name and type: the string "1", the bytes "1" and the number 1 are
   three different fields. The same name may be added again.
   name: NUL-terminated, not NULL, may be "". data: `size` bytes, copied; may be NULL when size is 0.
   text: NUL-terminated, not NULL. Errors: INVALID_ARGUMENT, and the key is then as it was. Since 0.1. */
TCACHE_API tcache_status tcache_key_add_bytes(tcache_key_builder *builder, const char *name, const void *data,
                                              size_t size);
TCACHE_API tcache_status tcache_key_add_string(tcache_key_builder *builder, const char *name,
                                               const char *text);
TCACHE_API tcache_status tcache_key_add_u64(tcache_key_builder *builder, const char *name, uint64_t value);

/* The key of the fields added so far. The builder stays usable: more fields may follow, so keys with a common
   beginning need to hash it only once. Errors: INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_key_finish(const tcache_key_builder *builder, tcache_key *out);

/* 64 lower-case hex digits and a NUL: the form of file names and listings. Any thread.
   Errors: INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_key_to_hex(const tcache_key *key, char out[65]);

/* Reads that form back. Any thread. Errors: INVALID_ARGUMENT (NULL), PARSE (not 64 lower-case hex digits).
   Since 0.1. */
TCACHE_API tcache_status tcache_key_from_hex(const char *text, tcache_key *out);

#ifdef __cplusplus
}
#endif

#endif
