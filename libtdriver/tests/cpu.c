/* SPDX-License-Identifier: MIT
 * What only the cpu device can show: results, asserts, prints, locks between programs, queues, threads, fork.
 * Arguments: names of the tests to run; none = all.
 */
#define _GNU_SOURCE
#include "check.h"
#include "fixtures.h"
#include "tdriver/backend.h"
#include "tdriver/event.h"
#include "tdriver/launch.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static tdriver_device *open_cpu(uint32_t threads, tdriver_print_fn print, void *user) {
  tdriver_params params = TDRIVER_PARAMS_INIT;
  tdriver_driver *driver;
  tdriver_device *device;
  params.threads = threads;
  params.print = print;
  params.print_user = user;
  OK(tdriver_create(&params, &driver));
  OK(tdriver_device_open(driver, "cpu", &device));
  tdriver_destroy(driver);
  return device;
}

static tdriver_kernel *load(tdriver_device *device, const char *name) {
  fixture f = fixture_kernel(name, NULL);
  tdriver_kernel *k;
  OK(tdriver_kernel_load(device, f.bytes, f.size, &k));
  fixture_free(f);
  return k;
}

/* Every program runs exactly once, for any number of threads and shape of the grid. */
static void test_ids(void) {
  static const uint32_t grids[][3] = {{1, 1, 1}, {7, 1, 1}, {1, 1, 9}, {5, 3, 2}, {64, 1, 1}, {101, 13, 3}};
  uint32_t threads, g, round;
  for (threads = 1; threads <= 5; threads += 2) {
    tdriver_device *device = open_cpu(threads, NULL, NULL);
    tdriver_kernel *k = load(device, "ids");
    for (g = 0; g < sizeof grids / sizeof grids[0]; ++g)
      for (round = 0; round < 40; ++round) {
        const uint32_t *n = grids[g];
        uint64_t total = (uint64_t)n[0] * n[1] * n[2], i, bad = 0;
        uint32_t *out = calloc(total, 4);
        const void *args[1] = {&out};
        OK(tdriver_launch(k, NULL, n, args, 1));
        OK(tdriver_device_synchronize(device));
        for (i = 0; i < total; ++i)
          bad += out[i] != (uint32_t)(i % n[0] | i / n[0] % n[1] << 10 | i / n[0] / n[1] << 20);
        CHECK(bad == 0);
        free(out);
      }
    tdriver_kernel_unload(k);
    tdriver_device_close(device);
  }
}

static void test_params(void) {
  tdriver_device *device = open_cpu(1, NULL, NULL);
  tdriver_kernel *k = load(device, "params");
  unsigned char a = 1, out[32], expected[32] = {0}, *where = out;
  int8_t b = -2;
  int16_t c = -300;
  float d = 1.5f;
  int64_t e = -5000000000;
  double f = 2.25;
  uint16_t g = 0x3c00;
  uint8_t h = 0x7b;
  const void *args[10] = {&a, &b, &c, &d, NULL, &e, &f, &g, &h, &where};
  uint32_t grid[3] = {1, 1, 1};
  memcpy(expected, &a, 1), memcpy(expected + 1, &b, 1), memcpy(expected + 2, &c, 2),
      memcpy(expected + 4, &d, 4);
  memcpy(expected + 8, &e, 8), memcpy(expected + 16, &f, 8), memcpy(expected + 24, &g, 2), expected[26] = h;
  OK(tdriver_launch(k, NULL, grid, args, 10));
  OK(tdriver_device_synchronize(device));
  CHECK(!memcmp(out, expected, 32));
  tdriver_kernel_unload(k);
  tdriver_device_close(device);
}

static void test_imports(void) {
  tdriver_device *device = open_cpu(2, NULL, NULL);
  tdriver_kernel *k = load(device, "sin");
  double values[33], *out = values;
  const void *args[1] = {&out};
  uint32_t grid[3] = {33, 1, 1}, i, names = 0;
  static const struct {
    const char *variant, *text;
  } refused[] = {{"import", "imports system, which this driver does not have"},
                 {"feature", "needs CPU feature quantum, which this driver does not know"},
                 {"cuda", "made for \"cuda:90a\""},
                 {"hidden", "1 hidden arguments"}};
  OK(tdriver_launch(k, NULL, grid, args, 1));
  OK(tdriver_device_synchronize(device));
  for (i = 0; i < 33; ++i) CHECK(values[i] == sin((double)i) + 0.5);
  tdriver_kernel_unload(k);
  for (i = 0; i < 4; ++i) {
    fixture f = fixture_kernel("sin", refused[i].variant);
    FAILS(TDRIVER_UNSUPPORTED, refused[i].text, tdriver_kernel_load(device, f.bytes, f.size, &k));
    fixture_free(f);
  }
  {
    fixture f = fixture_kernel("sin", "future");
    tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
    OK(tdriver_device_get_info(device, &info));
    if (!strstr(info.features, "amx-fp16"))
      FAILS(TDRIVER_UNSUPPORTED, "needs CPU feature amx-fp16, which is not usable",
            tdriver_kernel_load(device, f.bytes, f.size, &k));
    fixture_free(f);
  }
  while (tdriver_cpu_import_name(names)) ++names;
  CHECK(names > 80 && !strcmp(tdriver_cpu_import_name(0), "tessera_record"));
  tdriver_device_close(device);
}

/* The lowest failing program is the one reported, whatever the threads; the stream works again afterwards. */
static void test_assert(void) {
  tdriver_device *device = open_cpu(3, NULL, NULL);
  tdriver_kernel *k = load(device, "assert"), *liar = load(device, "liar");
  tdriver_stream *s;
  int64_t count = 0, limit = 37, *where = &count;
  const void *args[2] = {&where, &limit};
  uint32_t grid[3] = {10, 10, 10}, one[3] = {1, 1, 1}, round;
  OK(tdriver_stream_create(device, &s));
  for (round = 0; round < 20; ++round) {
    OK(tdriver_launch(k, s, grid, args, 2));
    FAILS(TDRIVER_LAUNCH, "an earlier launch on this stream failed: kernel assert",
          tdriver_launch(k, s, grid, args, 2));
    FAILS(TDRIVER_LAUNCH, "index out of range", tdriver_stream_query(s));
    FAILS(TDRIVER_LAUNCH,
          "kernel assert: assertion failed: index out of range, in program (7, 3, 0), at kernel.py:12:5",
          tdriver_stream_synchronize(s));
    OK(tdriver_stream_synchronize(s));
  }
  limit = 1000, count = 0;
  OK(tdriver_launch(k, s, grid, args, 2));
  OK(tdriver_stream_synchronize(s));
  CHECK(count == 1000);
  OK(tdriver_launch(liar, s, one, NULL, 0));
  FAILS(TDRIVER_LAUNCH, "unknown record kind", tdriver_stream_synchronize(s));
  limit = 0;
  OK(tdriver_launch(k, NULL, one, args, 2));
  FAILS(TDRIVER_LAUNCH, "(0, 0, 0)", tdriver_device_synchronize(device));
  tdriver_stream_destroy(s);
  tdriver_kernel_unload(k);
  tdriver_kernel_unload(liar);
  tdriver_device_close(device);
}

static void collect(void *user, const char *text, size_t size) {
  char *all = user;
  size_t have = strlen(all);
  if (have + size < 65536) memcpy(all + have, text, size), all[have + size] = 0;
}

static void test_print(void) {
  static char all[65536];
  tdriver_device *device = open_cpu(2, collect, all);
  tdriver_kernel *k = load(device, "print");
  int32_t x = 40;
  const void *args[1] = {&x};
  uint32_t grid[3] = {2, 2, 1};
  OK(tdriver_launch(k, NULL, grid, args, 1));
  OK(tdriver_device_synchronize(device));
  CHECK(strstr(all, "pid (1, 0, 0) idx (0, 0) x: 40\npid (1, 0, 0) idx (0, 1) x: 41\n"
                    "pid (1, 0, 0) idx (1, 0) x: 42\npid (1, 0, 0) idx (1, 1) x: -1\n"));
  CHECK(strstr(all, "pid (1, 1, 0) idx (1, 1) x: -1\n") &&
        strlen(all) == 16 * strlen("pid (0, 0, 0) idx (0, 0) x: 40\n"));
  tdriver_kernel_unload(k);
  tdriver_device_close(device);
}

/* Programs that wait for the one before them, and for a lock. */
static void test_lock(void) {
  uint32_t threads, round, i;
  for (threads = 1; threads <= 4; ++threads) {
    tdriver_device *device = open_cpu(threads, NULL, NULL);
    tdriver_kernel *k = load(device, "lock");
    for (round = 0; round < 5; ++round) {
      int32_t lock = 0, turn = 0, *pl = &lock, *pt = &turn;
      int64_t sum = 0, expected = 0, *ps = &sum;
      const void *args[3] = {&pl, &pt, &ps};
      uint32_t grid[3] = {200, 1, 1};
      for (i = 0; i < 200; ++i) expected = (int64_t)((uint64_t)expected * 31 + i);
      OK(tdriver_launch(k, NULL, grid, args, 3));
      OK(tdriver_device_synchronize(device));
      CHECK(sum == expected);
    }
    tdriver_kernel_unload(k);
    tdriver_device_close(device);
  }
}

static void test_arena(void) {
  tdriver_device *device = open_cpu(3, NULL, NULL);
  tdriver_kernel *k = load(device, "arena");
  int64_t bad = 0, words = 8192, *where = &bad;
  const void *args[2] = {&where, &words};
  uint32_t grid[3] = {100, 1, 1}, one[3] = {1, 1, 1};
  OK(tdriver_launch(k, NULL, grid, args, 2));
  OK(tdriver_launch(k, NULL, one, args, 2));
  OK(tdriver_device_synchronize(device));
  CHECK(bad == 0);
  tdriver_kernel_unload(k);
  tdriver_device_close(device);
}

typedef struct {
  tdriver_kernel *kernel;
  tdriver_stream *stream;
  int32_t flag, seen;
} waiter;

static void *run_waiter(void *data) {
  waiter *w = data;
  int32_t *pf = &w->flag, *ps = &w->seen;
  const void *args[2] = {&pf, &ps};
  uint32_t grid[3] = {1, 1, 1};
  OK(tdriver_launch(w->kernel, w->stream, grid, args, 2));
  return NULL;
}

/* While one thread runs a kernel on a stream, others queue work behind it and on streams that wait for
 * events. */
static void test_queue(uint32_t threads) {
  tdriver_device *device = open_cpu(threads, NULL, NULL);
  waiter w = {load(device, "wait"), NULL, 0, 0};
  tdriver_kernel *add = load(device, "add"), *fail = load(device, "assert");
  tdriver_stream *second;
  tdriver_event *e, *last;
  pthread_t thread;
  float x[64], y[64], z[64], *px = x, *py = y, *pz = z;
  int32_t n = 64, i;
  const void *args[4] = {&px, &px, &py, &n}, *more[4] = {&py, &px, &pz, &n};
  int64_t count = 0, limit = 0, *pc = &count;
  const void *bad[2] = {&pc, &limit};
  uint32_t grid[3] = {1, 1, 1};
  tdriver_memory *mz;
  double ns;
  OK(tdriver_stream_create(device, &w.stream));
  OK(tdriver_stream_create(device, &second));
  OK(tdriver_event_create(device, &e));
  OK(tdriver_event_create(device, &last));
  OK(tdriver_memory_wrap(device, z, sizeof z, &mz));
  for (i = 0; i < 64; ++i) x[i] = (float)i, y[i] = z[i] = -1;
  pthread_create(&thread, NULL, run_waiter, &w);
  while (!__atomic_load_n(&w.seen, __ATOMIC_ACQUIRE)) usleep(100);
  FAILS(TDRIVER_BUSY, "in flight", tdriver_stream_query(w.stream));
  OK(tdriver_launch(add, w.stream, grid, args, 4)); /* y = 2 x, queued */
  OK(tdriver_event_record(e, w.stream));
  OK(tdriver_event_wait(e, second));
  OK(tdriver_launch(add, second, grid, more, 4)); /* z = 3 x, behind the event */
  OK(tdriver_memory_fill(second, mz, 0, 0, 4));
  OK(tdriver_event_record(last, second));
  FAILS(TDRIVER_BUSY, "not reached", tdriver_event_query(e));
  FAILS(TDRIVER_BUSY, "not reached", tdriver_event_elapsed(e, last, &ns));
  CHECK(y[63] == -1 && z[63] == -1);
  __atomic_store_n(&w.flag, 1, __ATOMIC_RELEASE);
  OK(tdriver_event_synchronize(last));
  CHECK(y[63] == 126 && z[63] == 189 && z[0] == 0);
  OK(tdriver_event_elapsed(e, last, &ns));
  CHECK(ns >= 0);
  pthread_join(thread, NULL);
  OK(tdriver_stream_synchronize(w.stream));
  OK(tdriver_stream_synchronize(second));
  OK(tdriver_stream_query(w.stream));

  /* A queued failure drops what is behind it, but not the events. */
  w.flag = w.seen = 0;
  pthread_create(&thread, NULL, run_waiter, &w);
  while (!__atomic_load_n(&w.seen, __ATOMIC_ACQUIRE)) usleep(100);
  y[5] = -7;
  OK(tdriver_launch(fail, w.stream, grid, bad, 2));
  OK(tdriver_launch(add, w.stream, grid, args, 4));
  OK(tdriver_event_record(e, w.stream));
  __atomic_store_n(&w.flag, 1, __ATOMIC_RELEASE);
  OK(tdriver_event_synchronize(e));
  tdriver_kernel_unload(fail); /* waits for the queue */
  FAILS(TDRIVER_LAUNCH, "index out of range", tdriver_stream_synchronize(w.stream));
  CHECK(y[5] == -7);
  pthread_join(thread, NULL);

  /* Destroying a stream waits for its work. */
  w.flag = w.seen = 0;
  pthread_create(&thread, NULL, run_waiter, &w);
  while (!__atomic_load_n(&w.seen, __ATOMIC_ACQUIRE)) usleep(100);
  OK(tdriver_event_record(e, w.stream));
  OK(tdriver_event_wait(e, second));
  OK(tdriver_launch(add, second, grid, args, 4));
  __atomic_store_n(&w.flag, 1, __ATOMIC_RELEASE);
  tdriver_stream_destroy(second);
  CHECK(y[5] == 10);
  pthread_join(thread, NULL);

  tdriver_stream_destroy(w.stream);
  tdriver_event_destroy(e);
  tdriver_event_destroy(last);
  tdriver_memory_free(mz);
  tdriver_kernel_unload(add);
  tdriver_kernel_unload(w.kernel);
  tdriver_device_close(device);
}

static void test_queues(void) {
  test_queue(1);
  test_queue(2);
}

/* 2,000 kernels loaded and unloaded in mixed order: each gives its own result. */
static void test_many(void) {
  enum { N = 2000, LIVE = 300 };
  tdriver_device *device = open_cpu(1, NULL, NULL);
  tdriver_kernel *live[LIVE] = {0};
  uint32_t value[LIVE], loaded = 0, random = 12345, out, *where = &out, grid[3] = {1, 1, 1};
  const void *args[1] = {&where};
  while (loaded < N) {
    uint32_t i = (random = random * 1664525 + 1013904223) >> 8;
    i %= LIVE;
    if (live[i]) {
      out = 0;
      OK(tdriver_launch(live[i], NULL, grid, args, 1));
      OK(tdriver_device_synchronize(device));
      CHECK(out == value[i]);
      tdriver_kernel_unload(live[i]);
      live[i] = NULL;
    } else {
      fixture f;
      value[i] = 0x1000 + ++loaded;
      f = fixture_constant(value[i]);
      OK(tdriver_kernel_load(device, f.bytes, f.size, &live[i]));
      fixture_free(f);
    }
  }
  for (uint32_t i = 0; i < LIVE; ++i) {
    if (!live[i]) continue;
    OK(tdriver_launch(live[i], NULL, grid, args, 1));
    OK(tdriver_device_synchronize(device));
    CHECK(out == value[i]);
    tdriver_kernel_unload(live[i]);
  }
  tdriver_device_close(device);
}

typedef struct {
  tdriver_device *device;
  tdriver_kernel *shared;
  tdriver_stream *common;
  uint32_t id;
  _Atomic uint32_t *bad;
} launcher;

static void *run_launcher(void *data) {
  launcher *l = data;
  tdriver_stream *stream;
  uint32_t round, i, grid[3] = {40, 2, 1}, one[3] = {1, 1, 1};
  OK(tdriver_stream_create(l->device, &stream));
  for (round = 0; round < 60; ++round) {
    uint32_t out[80] = {0}, *where = out, value = l->id * 1000 + round, mine = 0, *pm = &mine;
    const void *args[1] = {&where}, *own[1] = {&pm};
    fixture f = fixture_constant(value);
    tdriver_kernel *k;
    OK(tdriver_kernel_load(l->device, f.bytes, f.size, &k));
    fixture_free(f);
    OK(tdriver_launch(l->shared, stream, grid, args, 1));
    OK(tdriver_launch(k, round % 2 ? stream : l->common, one, own, 1));
    OK(tdriver_stream_synchronize(stream));
    OK(tdriver_stream_synchronize(l->common));
    for (i = 0; i < 80; ++i) *l->bad += out[i] != (i % 40 | i / 40 << 10);
    *l->bad += mine != value;
    tdriver_kernel_unload(k);
  }
  tdriver_stream_destroy(stream);
  return NULL;
}

/* 8 threads load and launch at once, on streams of their own and on one that they share. */
static void test_threads(void) {
  tdriver_device *device = open_cpu(3, NULL, NULL);
  tdriver_kernel *k = load(device, "ids");
  pthread_t threads[8];
  launcher l[8];
  _Atomic uint32_t bad = 0;
  int i;
  tdriver_stream *common;
  OK(tdriver_stream_create(device, &common));
  for (i = 0; i < 8; ++i) {
    l[i] = (launcher){device, k, common, (uint32_t)i + 1, &bad};
    pthread_create(&threads[i], NULL, run_launcher, &l[i]);
  }
  for (i = 0; i < 8; ++i) pthread_join(threads[i], NULL);
  CHECK(bad == 0);
  OK(tdriver_device_synchronize(device));
  tdriver_stream_destroy(common);
  tdriver_kernel_unload(k);
  tdriver_device_close(device);
}

static int launch_ids(tdriver_device *device, tdriver_kernel *k) {
  uint32_t out[4096] = {0}, *where = out, grid[3] = {4096, 1, 1}, bad = 0, i;
  const void *args[1] = {&where};
  OK(tdriver_launch(k, NULL, grid, args, 1));
  OK(tdriver_device_synchronize(device));
  for (i = 0; i < 4096; ++i) bad += out[i] != i;
  return bad == 0;
}

/* Runs in a child: launches, and takes everything down. */
static void fork_child(tdriver_device *device, tdriver_kernel *ids, tdriver_kernel *wait, tdriver_event *e) {
  int status, good;
  pid_t child = fork();
  if (child) {
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return;
  }
  good = launch_ids(device, ids) && launch_ids(device, ids);
  if (e) OK(tdriver_event_synchronize(e));
  tdriver_event_destroy(e);
  tdriver_kernel_unload(ids);
  tdriver_kernel_unload(wait);
  tdriver_device_close(device);
  _exit(good ? 0 : 1);
}

/* The child of a process that has not launched yet, of one that has, and of one whose other thread is in the
 * middle of a launch, builds threads of its own. */
static void test_fork(void) {
  tdriver_device *device = open_cpu(3, NULL, NULL);
  tdriver_kernel *k = load(device, "ids");
  waiter w = {load(device, "wait"), NULL, 0, 0};
  fork_child(device, k, w.kernel, NULL);
#ifndef __SANITIZE_THREAD__ /* which cannot follow a fork with other threads alive */
  {
    tdriver_event *e;
    pthread_t thread;
    int round;
    for (round = 0; round < 3; ++round) {
      CHECK(launch_ids(device, k));
      fork_child(device, k, w.kernel, NULL);
    }
    OK(tdriver_stream_get_default(device, &w.stream));
    OK(tdriver_event_create(device, &e));
    pthread_create(&thread, NULL, run_waiter, &w);
    while (!__atomic_load_n(&w.seen, __ATOMIC_ACQUIRE)) usleep(100);
    OK(tdriver_event_record(e, NULL));
    fork_child(device, k, w.kernel, e);
    __atomic_store_n(&w.flag, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    OK(tdriver_event_synchronize(e));
    tdriver_event_destroy(e);
  }
#endif
  CHECK(launch_ids(device, k));
  tdriver_kernel_unload(k);
  tdriver_kernel_unload(w.kernel);
  tdriver_device_close(device);
}

/* A back end of the process's own: the null table under another name. */
static tdriver_status count_three(uint32_t *count, tdriver_report *report) {
  (void)report;
  *count = 3;
  return TDRIVER_OK;
}
static tdriver_status open_failing(uint32_t index, const tdriver_host *host, void **device,
                                   tdriver_report *report) {
  (void)host, (void)device;
  snprintf(report->text, sizeof report->text, "device %u is broken", index);
  return TDRIVER_DEVICE;
}

static void test_register(void) {
  static tdriver_backend mine;
  tdriver_driver *driver;
  tdriver_device *device;
  const char *name;
  uint32_t count;
  void (*const any)(void) = (void (*)(void))open_failing;
  size_t i, first = offsetof(tdriver_backend, device_count);
  OK(tdriver_create(NULL, &driver));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_backend_register(driver, NULL));
  mine.version = 99;
  FAILS(TDRIVER_VERSION, "version 99", tdriver_backend_register(driver, &mine));
  mine.version = TDRIVER_BACKEND_VERSION;
  FAILS(TDRIVER_VERSION, "0 bytes", tdriver_backend_register(driver, &mine));
  mine.struct_size = sizeof mine;
  FAILS(TDRIVER_INVALID_ARGUMENT, "no name", tdriver_backend_register(driver, &mine));
  mine.name = "a b";
  FAILS(TDRIVER_INVALID_ARGUMENT, "character", tdriver_backend_register(driver, &mine));
  mine.name = "cpu";
  FAILS(TDRIVER_INVALID_ARGUMENT, "lacks a function", tdriver_backend_register(driver, &mine));
  for (i = first; i + sizeof any <= sizeof mine; i += sizeof any) memcpy((char *)&mine + i, &any, sizeof any);
  mine.device_count = count_three;
  mine.device_open = open_failing;
  FAILS(TDRIVER_INVALID_ARGUMENT, "already", tdriver_backend_register(driver, &mine));
  mine.name = "mine";
  OK(tdriver_backend_register(driver, &mine));
  OK(tdriver_device_count(driver, &count));
  CHECK(count >= 5); /* the built-in ones come first */
  OK(tdriver_device_name(driver, count - 1, &name));
  CHECK(!strcmp(name, "mine:2"));
  FAILS(TDRIVER_DEVICE, "device 2 is broken", tdriver_device_open(driver, "mine:2", &device));
  FAILS(TDRIVER_NOT_FOUND, "3 devices", tdriver_device_open(driver, "mine:3", &device));
  FAILS(TDRIVER_INVALID_ARGUMENT, "'/'", tdriver_backend_load(driver, "libmine.so"));
  FAILS(TDRIVER_NOT_FOUND, "./nowhere.so", tdriver_backend_load(driver, "./nowhere.so"));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_backend_load(driver, NULL));
  if (getenv("TDRIVER_TEST_PLUGIN")) {
    tdriver_memory *memory;
    tdriver_kernel *kernel;
    fixture f = fixture_constant(1);
    OK(tdriver_backend_load(driver, getenv("TDRIVER_TEST_PLUGIN")));
    FAILS(TDRIVER_INVALID_ARGUMENT, "already", tdriver_backend_load(driver, getenv("TDRIVER_TEST_PLUGIN")));
    OK(tdriver_device_open(driver, "plugin:1", &device));
    FAILS(TDRIVER_UNSUPPORTED, "can do nothing", tdriver_memory_alloc(device, 8, 0, &memory));
    FAILS(TDRIVER_UNSUPPORTED, "can do nothing", tdriver_kernel_load(device, f.bytes, f.size, &kernel));
    OK(tdriver_device_synchronize(device));
    fixture_free(f);
    tdriver_device_close(device);
  }
  tdriver_destroy(driver);
}

/* The environment: THREADS counts where the program says nothing, PERF_MAP lists code. */
static void test_knobs(void) {
  tdriver_driver *driver;
  tdriver_device *device;
  tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
  char path[64], line[256] = "";
  FILE *file;
  OK(tdriver_create(NULL, &driver));
  setenv("TESSERA_THREADS", "5", 1);
  OK(tdriver_device_open(driver, "cpu", &device));
  OK(tdriver_device_get_info(device, &info));
  CHECK(info.threads == 5);
  tdriver_device_close(device);
  device = open_cpu(3, NULL, NULL);
  OK(tdriver_device_get_info(device, &info));
  CHECK(info.threads == 3);
  setenv("TESSERA_PERF_MAP", "1", 1);
  tdriver_kernel_unload(load(device, "add"));
  unsetenv("TESSERA_PERF_MAP");
  snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
  file = fopen(path, "r");
  CHECK(file && fgets(line, sizeof line, file) && strstr(line, " tessera:add\n"));
  if (file) fclose(file);
  unlink(path);
  tdriver_device_close(device);
  setenv("TESSERA_THREADS", "many", 1);
  FAILS(TDRIVER_PARSE, "TESSERA_THREADS is \"many\"", tdriver_device_open(driver, "cpu", &device));
  setenv("TESSERA_THREADS", "1G", 1);
  FAILS(TDRIVER_LIMIT, "limit is 4096", tdriver_device_open(driver, "cpu", &device));
  unsetenv("TESSERA_THREADS");
  tdriver_destroy(driver);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } tests[] = {{"ids", test_ids},         {"params", test_params}, {"imports", test_imports},
               {"assert", test_assert},   {"print", test_print},   {"lock", test_lock},
               {"arena", test_arena},     {"queue", test_queues},  {"many", test_many},
               {"threads", test_threads}, {"fork", test_fork},     {"register", test_register},
               {"knobs", test_knobs}};
  size_t i;
  int j;
  for (i = 0; i < sizeof tests / sizeof tests[0]; ++i) {
    int wanted = argc < 2;
    for (j = 1; j < argc; ++j) wanted |= !strcmp(argv[j], tests[i].name);
    if (!wanted) continue;
    printf("%s\n", tests[i].name);
    fflush(stdout);
    tests[i].run();
  }
  printf("%d failed\n", failures);
  return failures != 0;
}
