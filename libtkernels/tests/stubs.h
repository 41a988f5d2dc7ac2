/* SPDX-License-Identifier: MIT */
/* Tables that stand in for the siblings in tests of the session alone. The compiler writes "object of " and the IR;
 * IR that begins with "bad" fails to compile. The cache keeps entries in an array, without single flight. The driver
 * takes objects that begin with "object of ". */
#ifndef TKERNELS_TESTS_STUBS_H
#define TKERNELS_TESTS_STUBS_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tkernels/session.h"

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      fprintf(stderr, "%s:%d: not true: %s (last message: %s)\n", __FILE__, __LINE__, #condition,             \
              tkernels_last_message());                                                                      \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

typedef struct stub_codegen {
  int compiled;  /* atomically */
  int destroyed;
  unsigned delay_us;
} stub_codegen;

static tkernels_status stub_compile(void *user, const tkernels_compile_request *request, tkernels_write_fn write,
                                    void *write_user, tkernels_report *report) {
  stub_codegen *self = (stub_codegen *)user;
  tkernels_status status;
  __atomic_fetch_add(&self->compiled, 1, __ATOMIC_SEQ_CST);
  if (self->delay_us) {
    struct timespec t;
    t.tv_sec = 0;
    t.tv_nsec = (long)self->delay_us * 1000;
    nanosleep(&t, NULL);
  }
  if (request->ir_size >= 3 && memcmp(request->ir, "bad", 3) == 0) {
    snprintf(report->text, sizeof(report->text), "%s:1:1: error: bad IR", request->source_name);
    return TKERNELS_PARSE;
  }
  status = write(write_user, "object of ", 10);
  return status != TKERNELS_OK ? status : write(write_user, request->ir, request->ir_size);
}
static void stub_codegen_destroy(void *user) { ((stub_codegen *)user)->destroyed++; }

typedef struct stub_entry {
  tkernels_key key;
  void *data;
  size_t size;
} stub_entry;

typedef struct stub_cache {
  pthread_mutex_t mutex;
  stub_entry entries[64];
  unsigned count;
  int destroyed, lent;
} stub_cache;

/* FNV-1a over names, sizes and data, spread over the key: enough for tests. */
static tkernels_status stub_make_key(void *user, const tkernels_key_field *fields, size_t count, tkernels_key *key,
                                     tkernels_report *report) {
  size_t lane, i, j;
  (void)user, (void)report;
  for (lane = 0; lane < 4; ++lane) {
    uint64_t h = 14695981039346656037u + lane;
    for (i = 0; i < count; ++i) {
      const unsigned char *p = (const unsigned char *)fields[i].data;
      for (j = 0; fields[i].name[j]; ++j) h = (h ^ (unsigned char)fields[i].name[j]) * 1099511628211u;
      h = (h ^ fields[i].size) * 1099511628211u;
      for (j = 0; j < fields[i].size; ++j) h = (h ^ p[j]) * 1099511628211u;
    }
    memcpy(key->bytes + 8 * lane, &h, 8);
  }
  return TKERNELS_OK;
}

typedef struct stub_buffer {
  char *data;
  size_t size;
} stub_buffer;

static tkernels_status stub_write(void *user, const void *bytes, size_t size) {
  stub_buffer *b = (stub_buffer *)user;
  b->data = (char *)realloc(b->data, b->size + size + 1);
  memcpy(b->data + b->size, bytes, size);
  b->size += size;
  return TKERNELS_OK;
}

static tkernels_status stub_get_or_build(void *user, const tkernels_key *key, tkernels_build_fn build, void *build_user,
                                         tkernels_blob *blob, tkernels_report *report) {
  stub_cache *self = (stub_cache *)user;
  stub_buffer buffer = {NULL, 0};
  tkernels_status status;
  unsigned i;
  memset(blob, 0, sizeof(*blob));
  pthread_mutex_lock(&self->mutex);
  for (i = 0; i < self->count; ++i)
    if (memcmp(&self->entries[i].key, key, sizeof(*key)) == 0) {
      blob->data = self->entries[i].data;
      blob->size = self->entries[i].size;
      blob->from = TKERNELS_FROM_MEMORY;
      self->lent++;
      pthread_mutex_unlock(&self->mutex);
      return TKERNELS_OK;
    }
  pthread_mutex_unlock(&self->mutex);
  status = build(build_user, stub_write, &buffer, report);
  if (status != TKERNELS_OK) {
    free(buffer.data);
    return status;
  }
  pthread_mutex_lock(&self->mutex);
  if (self->count < 64) {
    self->entries[self->count].key = *key;
    self->entries[self->count].data = buffer.data;
    self->entries[self->count].size = buffer.size;
    self->count++;
    self->lent++;
    blob->data = buffer.data;
    blob->size = buffer.size;
  } else {
    status = TKERNELS_LIMIT;
    free(buffer.data);
  }
  pthread_mutex_unlock(&self->mutex);
  return status;
}
static void stub_remove(void *user, const tkernels_key *key) {
  stub_cache *self = (stub_cache *)user;
  unsigned i;
  pthread_mutex_lock(&self->mutex);
  for (i = 0; i < self->count; ++i)
    if (memcmp(&self->entries[i].key, key, sizeof(*key)) == 0) {
      free(self->entries[i].data);
      self->entries[i] = self->entries[--self->count];
      break;
    }
  pthread_mutex_unlock(&self->mutex);
}
static void stub_release(void *user, tkernels_blob *blob) {
  stub_cache *self = (stub_cache *)user;
  (void)blob;
  pthread_mutex_lock(&self->mutex);
  self->lent--;
  pthread_mutex_unlock(&self->mutex);
}
static void stub_cache_destroy(void *user) {
  stub_cache *self = (stub_cache *)user;
  unsigned i;
  for (i = 0; i < self->count; ++i) free(self->entries[i].data);
  self->count = 0;
  self->destroyed++;
}

typedef struct stub_driver {
  int loaded, unloaded, launched, destroyed; /* atomically */
} stub_driver;

static tkernels_status stub_load(void *user, const void *object, size_t size, void **kernel, tkernels_report *report) {
  stub_driver *self = (stub_driver *)user;
  char *copy;
  if (size < 10 || memcmp(object, "object of ", 10) != 0) {
    snprintf(report->text, sizeof(report->text), "not an object");
    return TKERNELS_CORRUPT;
  }
  copy = (char *)malloc(size - 9);
  memcpy(copy, (const char *)object + 10, size - 10);
  copy[size - 10] = 0;
  *kernel = copy;
  __atomic_fetch_add(&self->loaded, 1, __ATOMIC_SEQ_CST);
  return TKERNELS_OK;
}
static void stub_unload(void *user, void *kernel) {
  stub_driver *self = (stub_driver *)user;
  free(kernel);
  __atomic_fetch_add(&self->unloaded, 1, __ATOMIC_SEQ_CST);
}
static tkernels_status stub_launch(void *user, void *kernel, void *stream, const uint32_t grid[3],
                                   const void *const *args, uint32_t nargs, tkernels_report *report) {
  stub_driver *self = (stub_driver *)user;
  (void)kernel, (void)stream, (void)grid, (void)args;
  if (nargs != 1) {
    snprintf(report->text, sizeof(report->text), "%u arguments, expected 1", nargs);
    return TKERNELS_INVALID_ARGUMENT;
  }
  __atomic_fetch_add(&self->launched, 1, __ATOMIC_SEQ_CST);
  return TKERNELS_OK;
}
static tkernels_status stub_synchronize(void *user, void *stream, tkernels_report *report) {
  (void)user, (void)stream, (void)report;
  return TKERNELS_OK;
}
static void stub_driver_destroy(void *user) { ((stub_driver *)user)->destroyed++; }

static tkernels_codegen_provider stub_codegen_table(stub_codegen *c) {
  tkernels_codegen_provider t;
  memset(&t, 0, sizeof(t));
  t.struct_size = sizeof(t);
  t.user = c;
  t.identity = "stub 1";
  t.compile = stub_compile;
  t.destroy = stub_codegen_destroy;
  return t;
}
static tkernels_cache_provider stub_cache_table(stub_cache *c) {
  tkernels_cache_provider t;
  memset(&t, 0, sizeof(t));
  t.struct_size = sizeof(t);
  t.user = c;
  t.make_key = stub_make_key;
  t.get_or_build = stub_get_or_build;
  t.remove = stub_remove;
  t.release = stub_release;
  t.destroy = stub_cache_destroy;
  return t;
}
static tkernels_driver_provider stub_driver_table(stub_driver *d) {
  tkernels_driver_provider t;
  memset(&t, 0, sizeof(t));
  t.struct_size = sizeof(t);
  t.user = d;
  t.device = "stub";
  t.native = "stub machine";
  t.load = stub_load;
  t.unload = stub_unload;
  t.launch = stub_launch;
  t.synchronize = stub_synchronize;
  t.destroy = stub_driver_destroy;
  return t;
}

#endif
