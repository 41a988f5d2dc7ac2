/* SPDX-License-Identifier: MIT */
/* The public functions of the session, over stub tables: keys, reuse, failures, events, bad input. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>
#include "stubs.h"

static stub_codegen codegen;
static stub_cache cache = {PTHREAD_MUTEX_INITIALIZER, {{{{0}}, NULL, 0}}, 0, 0, 0};
static stub_driver driver;
static unsigned events[8];
static uint32_t last_from;
static tkernels_status last_status;
static char last_text[256];

static void on_event(void *user, const tkernels_event *event) {
  CHECK(user == &events && event->struct_size == sizeof(*event) && event->kind >= 1 && event->kind <= 5);
  CHECK(event->message && event->source && event->kernel && event->target && event->key && strlen(event->key) == 64);
  events[event->kind]++;
  if (event->kind == TKERNELS_EVENT_GET) {
    last_from = event->from;
    last_status = event->status;
    snprintf(last_text, sizeof(last_text), "%s", event->message);
  }
  if (event->kind == TKERNELS_EVENT_BEFORE_LAUNCH) CHECK(event->grid[0] == 2 && event->grid[1] == 3 && event->grid[2] == 4);
}

static tkernels_session *make(void) {
  tkernels_codegen_provider c = stub_codegen_table(&codegen);
  tkernels_cache_provider k = stub_cache_table(&cache);
  tkernels_driver_provider d = stub_driver_table(&driver);
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  tkernels_session *session = NULL;
  params.codegen = &c;
  params.cache = &k;
  params.driver = &d;
  params.event = on_event;
  params.event_user = &events;
  CHECK(tkernels_session_create(&params, &session) == TKERNELS_OK && session);
  return session;
}

static tkernels_kernel *get(tkernels_session *s, const char *ir, const tkernels_get_params *params) {
  tkernels_kernel *kernel = NULL;
  CHECK(tkernels_session_get(s, ir, strlen(ir), params, &kernel) == TKERNELS_OK && kernel);
  return kernel;
}

static void reuse_and_keys(void) {
  tkernels_session *s = make();
  tkernels_kernel *a = get(s, "one", NULL), *b, *c;
  tkernels_get_params params = TKERNELS_GET_PARAMS_INIT;
  char key[65];
  CHECK(codegen.compiled == 1 && last_from == TKERNELS_FROM_COMPILER);
  CHECK(strcmp((const char *)tkernels_kernel_handle(a), "one") == 0);
  b = get(s, "one", NULL);
  CHECK(b == a && codegen.compiled == 1 && last_from == TKERNELS_FROM_SESSION && driver.loaded == 1);
  strcpy(key, tkernels_kernel_key(a));
  tkernels_kernel_release(b);
  CHECK(driver.unloaded == 0);
  CHECK(tkernels_kernel_retain(a) == a);
  tkernels_kernel_release(a);
  tkernels_kernel_release(a);
  CHECK(driver.unloaded == 1);
  a = get(s, "one", NULL); /* from the cache, loaded again */
  CHECK(codegen.compiled == 1 && last_from == TKERNELS_FROM_MEMORY && driver.loaded == 2);
  CHECK(strcmp(key, tkernels_kernel_key(a)) == 0);

  /* Every field of the params is in the key, and so is every byte of the IR. */
  b = get(s, "two", NULL);
  CHECK(b != a);
  tkernels_kernel_release(b);
#define DIFFERS(field, value)                                       \
  params.field = value;                                             \
  c = get(s, "one", &params);                                       \
  CHECK(c != a && strcmp(tkernels_kernel_key(c), key) != 0);        \
  tkernels_kernel_release(c);
  DIFFERS(kernel, "k")
  params.kernel = NULL;
  DIFFERS(source_name, "k.ttir")
  params.source_name = NULL;
  DIFFERS(target, "cpu:x86-64-v3")
  params.target = NULL;
  DIFFERS(options, "fp_fusion=off")
  params.options = NULL;
  DIFFERS(flags, TKERNELS_GET_NO_PROMISES)
  params.flags = 0;
  c = get(s, "one", &params);
  CHECK(c == a);
  tkernels_kernel_release(c);

  /* A shorter struct of an older caller. */
  params.struct_size = offsetof(tkernels_get_params, target);
  params.target = (const char *)8;
  c = get(s, "one", &params);
  CHECK(c == a);
  tkernels_kernel_release(c);

  /* The object alone, from the same entry. */
  {
    stub_buffer buffer = {NULL, 0};
    uint32_t from = 99;
    int before = codegen.compiled;
    CHECK(tkernels_session_compile(s, "one", 3, NULL, stub_write, &buffer, &from) == TKERNELS_OK);
    CHECK(buffer.size == 13 && memcmp(buffer.data, "object of ", 10) == 0 && memcmp(buffer.data + 10, "one", 3) == 0);
    CHECK(from == TKERNELS_FROM_MEMORY && codegen.compiled == before);
    free(buffer.data);
    CHECK(tkernels_session_compile(s, "bad", 3, NULL, stub_write, &buffer, NULL) == TKERNELS_PARSE);
    CHECK(tkernels_session_compile(s, "one", 3, NULL, NULL, NULL, NULL) == TKERNELS_INVALID_ARGUMENT);
    CHECK(tkernels_session_compile(NULL, "one", 3, NULL, stub_write, &buffer, NULL) == TKERNELS_INVALID_ARGUMENT);
    CHECK(tkernels_session_compile(s, NULL, 3, NULL, stub_write, &buffer, NULL) == TKERNELS_INVALID_ARGUMENT);
  }

  /* A kernel outlives its session's last handle. */
  tkernels_session_destroy(s);
  CHECK(driver.destroyed == 0 && strcmp(tkernels_kernel_key(a), key) == 0);
  tkernels_kernel_release(a);
  CHECK(driver.destroyed == 1 && cache.destroyed == 1 && codegen.destroyed == 1);
  CHECK(driver.loaded == driver.unloaded && cache.lent == 0);
}

static void failures(void) {
  tkernels_session *s = make();
  tkernels_kernel *kernel = (tkernels_kernel *)8;
  tkernels_get_params params = TKERNELS_GET_PARAMS_INIT;
  int before = codegen.compiled;
  params.source_name = "x.ttir";
  CHECK(tkernels_session_get(s, "bad", 3, &params, &kernel) == TKERNELS_PARSE && kernel == NULL);
  CHECK(strcmp(tkernels_last_message(), "x.ttir:1:1: error: bad IR") == 0);
  CHECK(last_status == TKERNELS_PARSE && strcmp(last_text, "x.ttir:1:1: error: bad IR") == 0);
  CHECK(tkernels_session_get(s, "bad", 3, &params, &kernel) == TKERNELS_PARSE);
  CHECK(codegen.compiled == before + 2); /* a failure is not remembered */

  CHECK(tkernels_session_get(NULL, "x", 1, NULL, &kernel) == TKERNELS_INVALID_ARGUMENT);
  CHECK(tkernels_session_get(s, NULL, 1, NULL, &kernel) == TKERNELS_INVALID_ARGUMENT);
  CHECK(tkernels_session_get(s, "x", 0, NULL, &kernel) == TKERNELS_INVALID_ARGUMENT);
  CHECK(tkernels_session_get(s, "x", 1, NULL, NULL) == TKERNELS_INVALID_ARGUMENT);
  params.flags = 0x80;
  CHECK(tkernels_session_get(s, "x", 1, &params, &kernel) == TKERNELS_INVALID_ARGUMENT);
  params.flags = 0;
  params.struct_size = 3;
  CHECK(tkernels_session_get(s, "x", 1, &params, &kernel) == TKERNELS_INVALID_ARGUMENT);
  tkernels_session_destroy(s);
}

static void launches(void) {
  tkernels_session *s = make();
  tkernels_kernel *kernel = get(s, "one", NULL);
  const uint32_t grid[3] = {2, 3, 4};
  int value = 1;
  const void *args[1];
  unsigned before = events[TKERNELS_EVENT_BEFORE_LAUNCH], after = events[TKERNELS_EVENT_AFTER_LAUNCH];
  args[0] = &value;
  CHECK(tkernels_launch(kernel, NULL, grid, args, 1) == TKERNELS_OK && driver.launched == 1);
  CHECK(tkernels_launch(kernel, NULL, grid, args, 2) == TKERNELS_INVALID_ARGUMENT);
  CHECK(strcmp(tkernels_last_message(), "2 arguments, expected 1") == 0);
  CHECK(events[TKERNELS_EVENT_BEFORE_LAUNCH] == before + 2 && events[TKERNELS_EVENT_AFTER_LAUNCH] == after + 2);
  CHECK(tkernels_launch(NULL, NULL, grid, args, 1) == TKERNELS_INVALID_ARGUMENT);
  CHECK(tkernels_launch(kernel, NULL, NULL, args, 1) == TKERNELS_INVALID_ARGUMENT);
  CHECK(tkernels_launch(kernel, NULL, grid, NULL, 1) == TKERNELS_INVALID_ARGUMENT);
  CHECK(tkernels_session_synchronize(s, NULL) == TKERNELS_OK);
  CHECK(tkernels_session_synchronize(NULL, NULL) == TKERNELS_INVALID_ARGUMENT);
  tkernels_kernel_release(kernel);
  tkernels_session_destroy(s);
}

/* An entry that the driver refuses is dropped and compiled again. */
static void stale_entry(void) {
  tkernels_session *s = make();
  tkernels_kernel *kernel = get(s, "one", NULL);
  unsigned i;
  int before;
  tkernels_kernel_release(kernel);
  for (i = 0; i < cache.count; ++i) ((char *)cache.entries[i].data)[0] = '?';
  before = codegen.compiled;
  kernel = get(s, "one", NULL);
  CHECK(codegen.compiled == before + 1 && last_from == TKERNELS_FROM_COMPILER);
  tkernels_kernel_release(kernel);
  tkernels_session_destroy(s);
}

static void bad_params(void) {
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  tkernels_codegen_provider c = stub_codegen_table(&codegen);
  tkernels_session *session = (tkernels_session *)8;
  CHECK(tkernels_session_create(NULL, NULL) == TKERNELS_INVALID_ARGUMENT);
  params.struct_size = 1;
  CHECK(tkernels_session_create(&params, &session) == TKERNELS_INVALID_ARGUMENT && session == NULL);
  params.struct_size = sizeof(params);
  c.compile = NULL;
  params.codegen = &c;
  CHECK(tkernels_session_create(&params, &session) == TKERNELS_INVALID_ARGUMENT);
  c = stub_codegen_table(&codegen);
  c.struct_size = sizeof(c) - 1;
  CHECK(tkernels_session_create(&params, &session) == TKERNELS_INVALID_ARGUMENT);
  c.struct_size = sizeof(c) + 8;
  CHECK(tkernels_session_create(&params, &session) == TKERNELS_VERSION);
  tkernels_session_destroy(NULL);
  tkernels_kernel_release(NULL);
  CHECK(tkernels_kernel_retain(NULL) == NULL && tkernels_kernel_handle(NULL) == NULL);
  CHECK(strcmp(tkernels_kernel_key(NULL), "") == 0);
  CHECK(strcmp(tkernels_status_text(TKERNELS_OK), "success") == 0 && strcmp(tkernels_status_text(99), "unknown status") == 0);
  CHECK(strcmp(tkernels_version(), "0.1.0") == 0);
}

int main(void) {
  reuse_and_keys();
  failures();
  launches();
  stale_entry();
  bad_params();
  puts("good");
  return 0;
}
