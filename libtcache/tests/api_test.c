// SPDX-License-Identifier: MIT
/* The public C ABI, from C: every function, good and bad input, old callers, the status table. */
#define _DEFAULT_SOURCE
#include <tcache/key.h>
#include <tcache/status.h>
#include <tcache/store.h>
#include <tcache/version.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failures;
#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      printf("%s:%d: %s   (last message: %s)\n", __FILE__, __LINE__, #condition, tcache_last_message());     \
      ++failures;                                                                                            \
    }                                                                                                        \
  } while (0)

/* Layouts: an old program has these numbers compiled in. Append fields, never change these lines. */
#define LAYOUT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)
_Static_assert(sizeof(tcache_key) == 32, "tcache_key");
LAYOUT(tcache_open_params, struct_size, 0);
LAYOUT(tcache_open_params, dir, 8);
LAYOUT(tcache_open_params, max_bytes, 16);
LAYOUT(tcache_open_params, max_entries, 24);
LAYOUT(tcache_open_params, memory_bytes, 32);
LAYOUT(tcache_open_params, flags, 40);
LAYOUT(tcache_open_params, upper_count, 44);
LAYOUT(tcache_open_params, upper, 48);
LAYOUT(tcache_open_params, log, 56);
LAYOUT(tcache_open_params, log_user, 64);
_Static_assert(sizeof(tcache_open_params) == 72, "tcache_open_params");
LAYOUT(tcache_entry, key, 8);
LAYOUT(tcache_entry, size, 40);
LAYOUT(tcache_entry, last_use_ns, 48);
LAYOUT(tcache_entry, layer, 56);
_Static_assert(sizeof(tcache_entry) == 64, "tcache_entry");
LAYOUT(tcache_stats, entries, 8);
LAYOUT(tcache_stats, max_entries, 24);
LAYOUT(tcache_stats, memory_entries, 40);
LAYOUT(tcache_stats, quarantine_entries, 56);
LAYOUT(tcache_stats, memory_hits, 64);
LAYOUT(tcache_stats, misses, 96);
LAYOUT(tcache_stats, builds, 104);
LAYOUT(tcache_stats, puts, 120);
LAYOUT(tcache_stats, quarantined, 136);
LAYOUT(tcache_stats, evicted, 144);
LAYOUT(tcache_stats, disk, 152);
LAYOUT(tcache_stats, upper_count, 156);
_Static_assert(sizeof(tcache_stats) == 160, "tcache_stats");

static char root[64] = "/tmp/tcache-api-XXXXXX";

static const char *below(const char *name) { /* a path in the test's directory; two at a time */
  static char paths[2][128];
  static int turn;
  char *path = paths[turn ^= 1];
  snprintf(path, sizeof paths[0], "%s/%s", root, name);
  return path;
}

static tcache_key key_of(uint64_t number) {
  tcache_key key;
  tcache_key_builder *builder = NULL;
  memset(&key, 0, sizeof key);
  CHECK(tcache_key_create("api test", &builder) == TCACHE_OK);
  CHECK(tcache_key_add_u64(builder, "number", number) == TCACHE_OK);
  CHECK(tcache_key_finish(builder, &key) == TCACHE_OK);
  tcache_key_destroy(builder);
  return key;
}

static char last_log[512];
static void keep_log(void *user, uint32_t level, const char *text) {
  snprintf(last_log, sizeof last_log, "%s", text);
  ++((int *)user)[level];
}

static tcache_store *open_at(const char *dir) {
  tcache_open_params params = TCACHE_OPEN_PARAMS_INIT;
  tcache_store *store = NULL;
  params.dir = dir;
  CHECK(tcache_open(&params, &store) == TCACHE_OK);
  return store;
}

static int blob_is(const tcache_blob *blob, const char *text) {
  return blob && tcache_blob_size(blob) == strlen(text) &&
         !memcmp(tcache_blob_data(blob), text, strlen(text));
}

static void test_version_and_status(void) {
  static const struct {
    int32_t value;
    int32_t expected;
    const char *text;
  } rows[] = {
#define X(name, value, text) {TCACHE_##name, value, text},
#include "common/status.inc"
#undef X
  };
  char text[64];
  snprintf(text, sizeof text, "%d.%d.%d", TCACHE_VERSION_MAJOR, TCACHE_VERSION_MINOR, TCACHE_VERSION_PATCH);
  CHECK(!strcmp(tcache_version(), text));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
    CHECK(rows[i].value == rows[i].expected);
    CHECK(!strcmp(tcache_status_text(rows[i].value), rows[i].text));
  }
  CHECK(!strcmp(tcache_status_text(-1), "unknown status"));
  CHECK(!strcmp(tcache_status_text(12345), "unknown status"));
  CHECK(!strcmp(tcache_last_message(), ""));
}

static void test_keys(void) {
  tcache_key_builder *builder = (tcache_key_builder *)8;
  tcache_key key, back, other;
  char hex[65], upper[65];
  CHECK(tcache_key_create(NULL, &builder) == TCACHE_INVALID_ARGUMENT && !builder);
  CHECK(tcache_key_create("", &builder) == TCACHE_INVALID_ARGUMENT && !builder);
  CHECK(tcache_key_create("k", NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(strstr(tcache_last_message(), "out is NULL"));
  tcache_key_destroy(NULL);
  /* The example of docs/entry-format.md. */
  CHECK(tcache_key_create("kernel", &builder) == TCACHE_OK);
  CHECK(tcache_key_add_string(builder, "target", "cpu:native") == TCACHE_OK);
  CHECK(tcache_key_add_u64(builder, "options", 7) == TCACHE_OK);
  CHECK(tcache_key_add_bytes(builder, "ir", "\0\1\2", 3) == TCACHE_OK);
  /* Refused fields leave the key as it was. */
  CHECK(tcache_key_add_string(builder, "x", NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_add_string(builder, NULL, "x") == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_add_string(NULL, "x", "x") == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_add_bytes(builder, "x", NULL, 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_add_bytes(builder, NULL, "x", 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_add_bytes(NULL, "x", "x", 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_add_u64(builder, NULL, 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_add_u64(NULL, "x", 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_finish(NULL, &key) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_finish(builder, NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_finish(builder, &key) == TCACHE_OK);
  CHECK(tcache_key_to_hex(&key, hex) == TCACHE_OK);
  CHECK(!strcmp(hex, "0fba903d9e0ce1a080e6caae88cd571782638bc2af8baea06a67da61b1f51683"));
  CHECK(tcache_key_add_bytes(builder, "", NULL, 0) == TCACHE_OK);
  CHECK(tcache_key_finish(builder, &other) == TCACHE_OK);
  CHECK(memcmp(&key, &other, sizeof key) != 0);
  tcache_key_destroy(builder);
  CHECK(tcache_key_from_hex(hex, &back) == TCACHE_OK && !memcmp(&back, &key, sizeof key));
  CHECK(tcache_key_from_hex("12", &back) == TCACHE_PARSE);
  memcpy(upper, hex, sizeof upper);
  upper[1] = 'F';
  CHECK(tcache_key_from_hex(upper, &back) == TCACHE_PARSE);
  CHECK(tcache_key_from_hex(NULL, &back) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_from_hex(hex, NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_to_hex(NULL, hex) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_key_to_hex(&key, NULL) == TCACHE_INVALID_ARGUMENT);
}

static void test_open(void) {
  tcache_open_params params = TCACHE_OPEN_PARAMS_INIT;
  tcache_store *store = (tcache_store *)8;
  const char *upper[2];
  CHECK(tcache_open(&params, NULL) == TCACHE_INVALID_ARGUMENT);
  params.struct_size = 0;
  CHECK(tcache_open(&params, &store) == TCACHE_INVALID_ARGUMENT && !store);
  params.struct_size = 12; /* ends inside the pointer */
  CHECK(tcache_open(&params, &store) == TCACHE_INVALID_ARGUMENT && !store);
  params.struct_size = sizeof params;
  params.flags = 16;
  CHECK(tcache_open(&params, &store) == TCACHE_INVALID_ARGUMENT && strstr(tcache_last_message(), "flags"));
  params.flags = 0;
  params.dir = "";
  CHECK(tcache_open(&params, &store) == TCACHE_INVALID_ARGUMENT && strstr(tcache_last_message(), "dir"));
  params.dir = below("open");
  params.upper_count = 2;
  CHECK(tcache_open(&params, &store) == TCACHE_INVALID_ARGUMENT && strstr(tcache_last_message(), "upper"));
  upper[0] = "/";
  upper[1] = NULL;
  params.upper = upper;
  CHECK(tcache_open(&params, &store) == TCACHE_INVALID_ARGUMENT && strstr(tcache_last_message(), "upper[1]"));
  params.upper_count = 65;
  CHECK(tcache_open(&params, &store) == TCACHE_INVALID_ARGUMENT);
  { /* A newer caller: fine while what we do not know is zero. */
    struct {
      tcache_open_params known;
      uint64_t later;
    } newer = {TCACHE_OPEN_PARAMS_INIT, 0};
    newer.known.struct_size = sizeof newer;
    newer.known.dir = below("open");
    CHECK(tcache_open(&newer.known, &store) == TCACHE_OK);
    tcache_close(store);
    newer.later = 1;
    CHECK(tcache_open(&newer.known, &store) == TCACHE_VERSION && !store);
  }
  { /* Older callers: each length that ends between two fields, the rest of the memory not readable as params.
       */
    static const size_t sizes[] = {8, 16, 24, 32, 40, 44, 48, 56, 64};
    setenv("TESSERA_CACHE_DIR", below("default"), 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
      unsigned char *bytes = malloc(sizes[i]);
      tcache_open_params full = TCACHE_OPEN_PARAMS_INIT;
      tcache_stats stats = TCACHE_STATS_INIT;
      full.struct_size = sizes[i];
      full.dir = below("truncated");
      full.max_bytes = 123456;
      memcpy(bytes, &full, sizes[i]);
      CHECK(tcache_open((const tcache_open_params *)(void *)bytes, &store) == TCACHE_OK);
      CHECK(strstr(tcache_dir(store), sizes[i] > 8 ? "truncated" : "default"));
      CHECK(tcache_stat(store, &stats) == TCACHE_OK);
      CHECK(stats.max_bytes == (sizes[i] > 16 ? 123456u : (uint64_t)4 << 30));
      tcache_close(store);
      free(bytes);
    }
    CHECK(tcache_open(NULL, &store) == TCACHE_OK && strstr(tcache_dir(store), "default"));
    tcache_close(store);
    unsetenv("TESSERA_CACHE_DIR");
  }
  tcache_close(NULL);
  CHECK(!strcmp(tcache_dir(NULL), "") && !strcmp(tcache_note(NULL), ""));
}

static void test_get_and_put(void) {
  tcache_store *store = open_at(below("basic"));
  tcache_key key = key_of(1), none = key_of(2);
  tcache_blob *blob = (tcache_blob *)8, *same;
  CHECK(!strcmp(tcache_note(store), ""));
  CHECK(tcache_get(store, &key, &blob) == TCACHE_NOT_FOUND && !blob);
  CHECK(tcache_put(store, &key, "bytes", 5) == TCACHE_OK);
  CHECK(tcache_get(store, &key, &blob) == TCACHE_OK && blob_is(blob, "bytes"));
  same = tcache_blob_retain(blob);
  CHECK(same == blob);
  tcache_blob_destroy(blob);
  CHECK(blob_is(same, "bytes"));
  CHECK(tcache_put(store, &key, NULL, 0) == TCACHE_OK);
  CHECK(tcache_get(store, &key, &blob) == TCACHE_OK && tcache_blob_size(blob) == 0 && tcache_blob_data(blob));
  CHECK(((uintptr_t)tcache_blob_data(blob) & 63) == 0);
  tcache_blob_destroy(blob);
  CHECK(tcache_remove(store, &key) == TCACHE_OK);
  CHECK(tcache_remove(store, &key) == TCACHE_NOT_FOUND);
  CHECK(tcache_get(store, &key, &blob) == TCACHE_NOT_FOUND);
  CHECK(tcache_put(store, &none, "x", (size_t)TCACHE_MAX_ENTRY_BYTES + 1) == TCACHE_LIMIT);

  CHECK(tcache_get(NULL, &key, &blob) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_get(store, NULL, &blob) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_get(store, &key, NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_put(NULL, &key, "x", 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_put(store, NULL, "x", 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_put(store, &key, NULL, 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_remove(NULL, &key) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_remove(store, NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(!tcache_blob_data(NULL) && !tcache_blob_size(NULL) && !tcache_blob_retain(NULL));
  tcache_blob_destroy(NULL);
  tcache_close(store);
  CHECK(blob_is(same, "bytes")); /* outlives the store */
  tcache_blob_destroy(same);
}

struct build_call {
  const char *first, *second, *message;
  tcache_status status;
  int runs;
  tcache_store *store; /* with it: ask for the same key again */
  tcache_key key;
  tcache_status inner;
};

static tcache_status build(void *user, tcache_build *out) {
  struct build_call *call = user;
  ++call->runs;
  CHECK(tcache_build_write(out, call->first, strlen(call->first)) == TCACHE_OK);
  CHECK(tcache_build_write(out, NULL, 0) == TCACHE_OK);
  CHECK(tcache_build_write(out, NULL, 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_build_write(out, call->second, strlen(call->second)) == TCACHE_OK);
  CHECK(tcache_build_message(out, NULL) == TCACHE_INVALID_ARGUMENT);
  if (call->message) CHECK(tcache_build_message(out, call->message) == TCACHE_OK);
  if (call->store) {
    tcache_blob *blob = (tcache_blob *)8;
    call->inner = tcache_get_or_build(call->store, &call->key, build, call, &blob, NULL);
    CHECK(!blob);
  }
  return call->status;
}

static tcache_status build_too_much(void *user, tcache_build *out) {
  static char some[4];
  *(tcache_status *)user = tcache_build_write(out, some, (size_t)TCACHE_MAX_ENTRY_BYTES + 1);
  return TCACHE_OK; /* a callback that does not look */
}

static void test_get_or_build(void) {
  tcache_store *store = open_at(below("build"));
  struct build_call call;
  tcache_key key = key_of(1), key2 = key_of(2), key3 = key_of(3);
  tcache_blob *blob = (tcache_blob *)8;
  uint32_t from = 99;
  tcache_status write_status = 0;
  tcache_stats stats = TCACHE_STATS_INIT;
  memset(&call, 0, sizeof call);
  call.first = "one ";
  call.second = "two";
  call.status = 77;
  call.message = "because";
  CHECK(tcache_get_or_build(store, &key, build, &call, &blob, &from) == 77 && !blob);
  CHECK(from == TCACHE_FROM_BUILD && !strcmp(tcache_last_message(), "because"));
  call.message = NULL;
  CHECK(tcache_get_or_build(store, &key, build, &call, &blob, NULL) == 77);
  CHECK(strstr(tcache_last_message(), "status 77"));
  call.status = TCACHE_OK;
  CHECK(tcache_get_or_build(store, &key, build, &call, &blob, &from) == TCACHE_OK &&
        blob_is(blob, "one two"));
  CHECK(from == TCACHE_FROM_BUILD && call.runs == 3);
  tcache_blob_destroy(blob);
  CHECK(tcache_get_or_build(store, &key, build, &call, &blob, &from) == TCACHE_OK &&
        blob_is(blob, "one two"));
  CHECK(from == TCACHE_FROM_MEMORY && call.runs == 3);
  tcache_blob_destroy(blob);
  call.store = store;
  call.key = key2;
  CHECK(tcache_get_or_build(store, &key2, build, &call, &blob, &from) == TCACHE_OK &&
        call.inner == TCACHE_BUSY);
  tcache_blob_destroy(blob);
  CHECK(tcache_get_or_build(store, &key3, build_too_much, &write_status, &blob, &from) == TCACHE_LIMIT &&
        !blob);
  CHECK(write_status == TCACHE_LIMIT);

  CHECK(tcache_stat(store, &stats) == TCACHE_OK);
  CHECK(stats.entries == 2 && stats.memory_entries == 2 && stats.builds == 5 && stats.failed_builds == 3);
  CHECK(stats.memory_hits == 1 && stats.puts == 2 && stats.misses == 5 && stats.bytes == 2 * (96 + 7));
  CHECK(stats.memory_bytes == 14 && stats.disk == TCACHE_DISK_READ_WRITE && stats.failed_puts == 0);

  CHECK(tcache_get_or_build(NULL, &key, build, &call, &blob, &from) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_get_or_build(store, NULL, build, &call, &blob, &from) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_get_or_build(store, &key, NULL, &call, &blob, &from) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_get_or_build(store, &key, build, &call, NULL, &from) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_build_write(NULL, "x", 1) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_build_message(NULL, "x") == TCACHE_INVALID_ARGUMENT);
  tcache_close(store);

  store = open_at(below("build")); /* a new process would see this */
  CHECK(tcache_get_or_build(store, &key, build, &call, &blob, &from) == TCACHE_OK &&
        from == TCACHE_FROM_DISK);
  CHECK(blob_is(blob, "one two"));
  tcache_blob_destroy(blob);
  tcache_close(store);
}

struct listing {
  int count, stop_after;
  uint32_t layers;
  tcache_key keys[8];
  uint64_t bytes;
};

static int32_t take_entry(void *user, const tcache_entry *entry) {
  struct listing *list = user;
  CHECK(entry->struct_size == sizeof *entry && entry->last_use_ns > 0);
  list->keys[list->count] = entry->key;
  list->layers |= 1u << entry->layer;
  list->bytes += entry->size;
  return ++list->count == list->stop_after;
}

static void take_bad(void *user, const tcache_key *key, const char *path, const char *message) {
  char hex[65];
  CHECK(tcache_key_to_hex(key, hex) == TCACHE_OK && strstr(path, hex) && strlen(message) > 0);
  ++*(int *)user;
}

static void flip_last_byte(const char *dir, const tcache_key *key) {
  char hex[65], path[256];
  FILE *file;
  int c;
  tcache_key_to_hex(key, hex);
  snprintf(path, sizeof path, "%s/%s", dir, hex);
  file = fopen(path, "r+b");
  CHECK(file);
  if (!file) return;
  fseek(file, -1, SEEK_END);
  c = fgetc(file);
  fseek(file, -1, SEEK_END);
  fputc(c ^ 1, file);
  fclose(file);
}

static void test_upkeep(void) {
  const char *upper[1];
  char upper_dir[128], own_dir[128];
  int logged[8] = {0}, bad_calls = 0;
  tcache_open_params params = TCACHE_OPEN_PARAMS_INIT;
  tcache_stats stats = TCACHE_STATS_INIT;
  tcache_store *store;
  struct listing list = {0};
  tcache_key keys[4];
  uint64_t checked = 99, bad = 99, removed = 99, removed_bytes = 99;
  tcache_blob *blob;
  snprintf(upper_dir, sizeof upper_dir, "%s", below("upper"));
  snprintf(own_dir, sizeof own_dir, "%s", below("own"));
  for (uint64_t i = 0; i < 4; ++i) keys[i] = key_of(i);
  store = open_at(upper_dir);
  CHECK(tcache_put(store, &keys[3], "up", 2) == TCACHE_OK);
  tcache_close(store);

  upper[0] = upper_dir;
  params.dir = own_dir;
  params.upper = upper;
  params.upper_count = 1;
  params.flags = TCACHE_OPEN_NO_MEMORY | TCACHE_OPEN_NO_SYNC;
  params.log = keep_log;
  params.log_user = logged;
  CHECK(tcache_open(&params, &store) == TCACHE_OK);
  for (int i = 0; i < 3; ++i) CHECK(tcache_put(store, &keys[i], "text", 4) == TCACHE_OK);
  CHECK(tcache_get(store, &keys[0], &blob) == TCACHE_OK); /* now the newest */
  tcache_blob_destroy(blob);
  CHECK(tcache_list(store, take_entry, &list) == TCACHE_OK);
  CHECK(list.count == 4 && list.layers == 3 && list.bytes == 3 * 100 + 98);
  CHECK(!memcmp(&list.keys[0], &keys[0], 32) && !memcmp(&list.keys[1], &keys[2], 32));
  CHECK(!memcmp(&list.keys[2], &keys[1], 32) && !memcmp(&list.keys[3], &keys[3], 32));
  memset(&list, 0, sizeof list);
  list.stop_after = 2;
  CHECK(tcache_list(store, take_entry, &list) == TCACHE_OK && list.count == 2);
  CHECK(tcache_list(NULL, take_entry, &list) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_list(store, NULL, &list) == TCACHE_INVALID_ARGUMENT);

  CHECK(tcache_verify(store, 0, NULL, NULL, &checked, &bad) == TCACHE_OK && checked == 4 && bad == 0);
  flip_last_byte(own_dir, &keys[1]);
  flip_last_byte(upper_dir, &keys[3]);
  CHECK(tcache_verify(store, 0, take_bad, &bad_calls, &checked, &bad) == TCACHE_CORRUPT);
  CHECK(checked == 4 && bad == 2 && bad_calls == 2 && strstr(tcache_last_message(), "checksum"));
  CHECK(tcache_verify(store, TCACHE_VERIFY_REPAIR, NULL, NULL, NULL, NULL) == TCACHE_CORRUPT);
  CHECK(logged[TCACHE_LOG_WARNING] == 1 && strstr(last_log, "quarantine"));
  CHECK(tcache_verify(store, 0, NULL, NULL, &checked, &bad) == TCACHE_CORRUPT && checked == 3 && bad == 1);
  CHECK(tcache_verify(store, 2, NULL, NULL, NULL, NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_verify(NULL, 0, NULL, NULL, NULL, NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_get(store, &keys[3], &blob) == TCACHE_NOT_FOUND);

  stats.struct_size = 24; /* an older caller */
  stats.max_entries = 4711;
  CHECK(tcache_stat(store, &stats) == TCACHE_OK && stats.struct_size == 24);
  CHECK(stats.entries == 2 && stats.bytes == 200 && stats.max_entries == 4711);
  stats.struct_size = sizeof stats;
  CHECK(tcache_stat(store, &stats) == TCACHE_OK);
  CHECK(stats.quarantined == 2 && stats.quarantine_entries == 1 && stats.upper_count == 1);
  CHECK(stats.disk_hits == 1 && stats.upper_hits == 0 && stats.evicted == 0 && stats.thread_hits == 0);
  stats.struct_size = 0;
  CHECK(tcache_stat(store, &stats) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_stat(store, NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_stat(NULL, &stats) == TCACHE_INVALID_ARGUMENT);

  CHECK(tcache_prune(store, TCACHE_NO_LIMIT, 1, &removed, &removed_bytes) == TCACHE_OK);
  CHECK(removed == 1 && removed_bytes == 100);
  CHECK(tcache_get(store, &keys[0], &blob) == TCACHE_OK); /* the most recently used one is left */
  tcache_blob_destroy(blob);
  CHECK(tcache_prune(store, 0, 0, NULL, NULL) == TCACHE_OK);
  CHECK(tcache_get(store, &keys[0], &blob) == TCACHE_NOT_FOUND);
  CHECK(tcache_prune(NULL, 0, 0, NULL, NULL) == TCACHE_INVALID_ARGUMENT);
  CHECK(tcache_put(store, &keys[0], "text", 4) == TCACHE_OK);
  CHECK(tcache_clear(store) == TCACHE_OK);
  CHECK(tcache_clear(NULL) == TCACHE_INVALID_ARGUMENT);
  stats.struct_size = sizeof stats;
  CHECK(tcache_stat(store, &stats) == TCACHE_OK && stats.entries == 0 && stats.quarantine_entries == 0);
  tcache_close(store);
}

static void test_degraded(void) {
  tcache_open_params params = TCACHE_OPEN_PARAMS_INIT;
  tcache_stats stats = TCACHE_STATS_INIT;
  tcache_store *store;
  tcache_key key = key_of(1), key2 = key_of(2);
  tcache_blob *blob;
  int logged[8] = {0};
  params.dir = below("degraded");
  params.max_entries = 2;
  params.log = keep_log;
  params.log_user = logged;
  CHECK(tcache_open(&params, &store) == TCACHE_OK);
  CHECK(tcache_put(store, &key, "x", 1) == TCACHE_OK);
  tcache_close(store);

  params.flags = TCACHE_OPEN_READ_ONLY;
  CHECK(tcache_open(&params, &store) == TCACHE_OK && logged[TCACHE_LOG_WARNING] == 0);
  CHECK(strstr(tcache_note(store), "read only"));
  CHECK(tcache_get(store, &key, &blob) == TCACHE_OK);
  tcache_blob_destroy(blob);
  CHECK(tcache_put(store, &key2, "x", 1) == TCACHE_IO && strstr(tcache_last_message(), "read only"));
  CHECK(tcache_remove(store, &key) == TCACHE_IO && tcache_clear(store) == TCACHE_IO);
  CHECK(tcache_prune(store, 0, 0, NULL, NULL) == TCACHE_IO);
  CHECK(tcache_stat(store, &stats) == TCACHE_OK && stats.disk == TCACHE_DISK_READ && stats.entries == 1);
  tcache_close(store);

  params.flags = 0;
  CHECK(chmod(params.dir, 0777) == 0);
  CHECK(tcache_open(&params, &store) == TCACHE_OK && logged[TCACHE_LOG_WARNING] == 1);
  CHECK(strstr(last_log, "written by other users") && !strcmp(last_log, tcache_note(store)));
  CHECK(tcache_get(store, &key, &blob) == TCACHE_OK);
  tcache_blob_destroy(blob);
  tcache_close(store);
  CHECK(chmod(params.dir, 0700) == 0);

  params.flags = TCACHE_OPEN_NO_DISK;
  CHECK(tcache_open(&params, &store) == TCACHE_OK && !strcmp(tcache_dir(store), ""));
  CHECK(tcache_put(store, &key, "x", 1) == TCACHE_OK && tcache_get(store, &key, &blob) == TCACHE_OK);
  tcache_blob_destroy(blob);
  CHECK(tcache_stat(store, &stats) == TCACHE_OK && stats.disk == TCACHE_DISK_OFF &&
        stats.memory_entries == 1);
  tcache_close(store);
}

static int remove_tree(const char *path) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", path);
  return system(command);
}

int main(void) {
  const char *knobs[] = {"TESSERA_CACHE",
                         "TESSERA_CACHE_DIR",
                         "TESSERA_CACHE_MAX_BYTES",
                         "TESSERA_CACHE_MAX_ENTRIES",
                         "TESSERA_CACHE_MEMORY_BYTES",
                         "TESSERA_CACHE_SYNC"};
  for (size_t i = 0; i < sizeof knobs / sizeof *knobs; ++i) unsetenv(knobs[i]);
  if (!mkdtemp(root)) return 1;
  test_version_and_status();
  test_keys();
  test_open();
  test_get_and_put();
  test_get_or_build();
  test_upkeep();
  test_degraded();
  CHECK(remove_tree(root) == 0);
  if (!failures) printf("tcache C ABI: all good\n");
  return failures != 0;
}
