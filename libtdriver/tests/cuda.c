/* SPDX-License-Identifier: MIT
 * The cuda back end on a real GPU, through the public ABI only. Each part runs in a process of its own, because some
 * end with a lost device. Prints one line of JSON for each. Without a GPU: skipped (exit code 77).
 *
 *   tdriver-cuda            all parts
 *   tdriver-cuda PART       one part: basic errors graph benchmark threads fork assert fault
 *   tdriver-cuda launch     overhead of a launch against a bare cuLaunchKernelEx
 */
#define _GNU_SOURCE
#include "check.h"
#include "cuda_fixtures.h"
#include "tdriver/event.h"
#include "tdriver/graph.h"
#include "tdriver/launch.h"
#include "tdriver/memory.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N = 100003 };

static tdriver_driver *driver;
static tdriver_device *device;

static int fake; /* tests/fake_cuda.cc takes the place of the vendor's driver */

static void open_device(uint32_t debug) {
  tdriver_params params = TDRIVER_PARAMS_INIT;
  params.debug = debug;
  OK(tdriver_create(&params, &driver));
  OK(tdriver_device_open(driver, "cuda:0", &device));
}

static void close_device(void) {
  tdriver_device_close(device);
  tdriver_destroy(driver);
}

static tdriver_kernel *load(const char *name, const char *variant) {
  tdriver_kernel *k = NULL;
  fixture f = cuda_fixture(name, variant);
  OK(tdriver_kernel_load(device, f.bytes, f.size, &k));
  fixture_free(f);
  return k;
}

static void *address(tdriver_memory *m) {
  void *p = NULL;
  OK(tdriver_memory_get(m, &p, NULL));
  return p;
}

typedef struct vectors {
  tdriver_memory *memory[3];
  void *pointer[3];
  int32_t n;
  const void *args[4];
  float *host;
} vectors;

static void make_vectors(vectors *v, tdriver_stream *stream, int32_t n) {
  int i;
  v->n = n;
  v->host = malloc((size_t)n * 4);
  for (i = 0; i < n; ++i) v->host[i] = (float)(i % 1000);
  for (i = 0; i < 3; ++i) {
    OK(tdriver_memory_alloc(device, (uint64_t)n * 4, TDRIVER_MEMORY_DEVICE, &v->memory[i]));
    v->pointer[i] = address(v->memory[i]);
    v->args[i] = &v->pointer[i];
    if (i < 2) OK(tdriver_memory_upload(stream, v->memory[i], 0, v->host, (uint64_t)n * 4));
  }
  v->args[3] = &v->n;
}

static void check_sum(vectors *v, tdriver_stream *stream) {
  int i, bad = 0;
  OK(tdriver_memory_download(stream, v->host, v->memory[2], 0, (uint64_t)v->n * 4));
  OK(tdriver_stream_synchronize(stream));
  for (i = 0; i < v->n; ++i) bad += v->host[i] != (float)(2 * (i % 1000));
  CHECK(bad == 0);
}

static void free_vectors(vectors *v) {
  int i;
  for (i = 0; i < 3; ++i) tdriver_memory_free(v->memory[i]);
  free(v->host);
}

static void part_basic(void) {
  tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
  tdriver_kernel_usage usage = TDRIVER_KERNEL_USAGE_INIT;
  tdriver_pointer_info where = TDRIVER_POINTER_INFO_INIT;
  tdriver_stream *s, *wrapped;
  tdriver_event *a, *b;
  tdriver_kernel *k;
  tdriver_memory *m, *pinned;
  vectors v;
  double ns = -1;
  void *native, *p;
  int32_t out[128], i;
  uint32_t grid[3] = {(N + 127) / 128, 1, 1}, one[3] = {1, 1, 1}, many[3] = {1000, 1, 1};
  const void *args[1] = {&p};
  open_device(0);
  OK(tdriver_device_get_info(device, &info));
  printf("{\"device\": \"%s\", \"target\": \"%s\", \"memory\": %llu, \"l2\": %llu, \"shared\": %u, \"driver\": %u}\n",
         info.description, info.target, (unsigned long long)info.memory_bytes, (unsigned long long)info.l2_bytes,
         info.shared_bytes, info.driver_version);
  CHECK(info.capability >= 50 && info.units > 0 && info.shared_bytes >= 48 << 10 && info.max_grid[0] > 65535);
  CHECK(!strncmp(info.target, "cuda:", 5) && (info.capabilities & TDRIVER_CAN_GRAPH));
  OK(tdriver_stream_create(device, &s));
  OK(tdriver_event_create(device, &a));
  OK(tdriver_event_create(device, &b));
  make_vectors(&v, s, N);
  k = load("add", NULL);
  OK(tdriver_kernel_prepare(k));
  OK(tdriver_kernel_get_usage(k, &usage));
  CHECK(usage.max_threads >= 128 && usage.resident >= 1);
  OK(tdriver_event_record(a, s));
  OK(tdriver_launch(k, s, grid, v.args, 4));
  OK(tdriver_event_record(b, s));
  check_sum(&v, s);
  OK(tdriver_event_elapsed(a, b, &ns));
  CHECK(ns >= 0);
  OK(tdriver_memory_fill(s, v.memory[2], 0, 0, (uint64_t)N * 4));
  OK(tdriver_stream_get_native(s, &native));
  OK(tdriver_stream_wrap(device, native, &wrapped));
  {
    struct {
      void *p[3];
      int32_t n, pad;
    } packed = {{v.pointer[0], v.pointer[1], v.pointer[2]}, N, 0};
    OK(tdriver_launch_packed(k, wrapped, grid, &packed, sizeof packed));
  }
  check_sum(&v, wrapped);
  tdriver_stream_destroy(wrapped);
  tdriver_kernel_unload(k);
  free_vectors(&v);

  OK(tdriver_memory_alloc(device, 4000, TDRIVER_MEMORY_DEVICE, &m));
  p = address(m);
  k = load("shared", NULL);
  OK(tdriver_launch(k, s, one, args, 1));
  OK(tdriver_memory_download(s, out, m, 0, sizeof out));
  OK(tdriver_stream_synchronize(s));
  for (i = 0; i < 128; ++i) CHECK(out[i] == 3 * (127 - i) + 1);
  tdriver_kernel_unload(k);
  k = load("scratch", NULL);
  OK(tdriver_launch(k, s, one, args, 1));
  OK(tdriver_launch(k, s, many, args, 1));
  OK(tdriver_memory_download(s, out, m, 0, sizeof out));
  OK(tdriver_stream_synchronize(s));
  for (i = 0; i < 128; ++i) CHECK(out[i] == i + 5);
  tdriver_kernel_unload(k);
  /* an assert that holds */
  {
    int32_t limit = 1000;
    const void *check_args[2] = {&p, &limit};
    k = load("check", NULL);
    OK(tdriver_launch(k, s, many, check_args, 2));
    OK(tdriver_stream_synchronize(s));
    tdriver_kernel_unload(k);
  }
  OK(tdriver_pointer_get_info(device, (char *)p + 100, &where));
  CHECK(where.kind == TDRIVER_POINTER_DEVICE && where.reachable && where.size == 4000);
  OK(tdriver_memory_alloc(device, 4000, TDRIVER_MEMORY_PINNED, &pinned));
  OK(tdriver_pointer_get_info(device, address(pinned), &where));
  CHECK(where.kind == TDRIVER_POINTER_PINNED && where.reachable);
  OK(tdriver_memory_copy(s, m, 100, m, 0, 3000)); /* overlapping */
  OK(tdriver_memory_copy(s, pinned, 0, m, 0, 4000));
  OK(tdriver_stream_synchronize(s));
  tdriver_memory_free(pinned);
  tdriver_memory_free(m);
  tdriver_event_destroy(a);
  tdriver_event_destroy(b);
  tdriver_stream_destroy(s);
  close_device();
}

static void part_errors(void) {
  tdriver_kernel *k;
  fixture f;
  int32_t local = 0, n = 1;
  void *p = &local;
  const void *args[4] = {&p, &p, &p, &n};
  uint32_t grid[3] = {1, 1, 1}, wide[3] = {1, 70000, 1};
  tdriver_pointer_info where = TDRIVER_POINTER_INFO_INIT;
  open_device(1);
  f = cuda_fixture("add", "old");
  FAILS(TDRIVER_UNSUPPORTED, "\"cuda:75\", which does not run on device cuda:0", tdriver_kernel_load(device, f.bytes, f.size, &k));
  fixture_free(f);
  f = fixture_kernel("add", NULL);
  FAILS(TDRIVER_UNSUPPORTED, "is made for \"cpu:x86-64-v2\"", tdriver_kernel_load(device, f.bytes, f.size, &k));
  fixture_free(f);
  f = cuda_fixture("shared", "big");
  FAILS(TDRIVER_LIMIT, "1048576 bytes of shared memory", tdriver_kernel_load(device, f.bytes, f.size, &k));
  fixture_free(f);
  k = load("add", "broken");
  FAILS(TDRIVER_CORRUPT, "kernel add: loading its PTX", tdriver_kernel_prepare(k));
  tdriver_kernel_unload(k);
  k = load("add", "name");
  FAILS(TDRIVER_CORRUPT, "no entry of that name", tdriver_kernel_prepare(k));
  tdriver_kernel_unload(k);
  k = load("add", "params");
  FAILS(TDRIVER_CORRUPT, "28 bytes of parameters", tdriver_kernel_prepare(k));
  tdriver_kernel_unload(k);
  k = load("add", NULL);
  OK(tdriver_pointer_get_info(device, &local, &where));
  if (!where.reachable && ((size_t)&local & 15) == 0)
    FAILS(TDRIVER_INVALID_ARGUMENT, "argument 0 (x)", tdriver_launch(k, NULL, grid, args, 4));
  p = NULL;
  FAILS(TDRIVER_LIMIT, "takes at most 65535 in y", tdriver_launch(k, NULL, wide, args, 4));
  tdriver_kernel_unload(k);
  FAILS(TDRIVER_NOT_FOUND, "back end cuda has", tdriver_device_open(driver, "cuda:999", &device));
  close_device();
}

static void part_graph(void) {
  tdriver_stream *s;
  tdriver_graph *g = NULL;
  tdriver_kernel *k, *scratch;
  tdriver_memory *m;
  vectors v;
  uint32_t grid[3] = {(N + 127) / 128, 1, 1}, few[3] = {100, 1, 1};
  int32_t out[100], i;
  void *p;
  const void *args[1] = {&p};
  open_device(0);
  OK(tdriver_stream_create(device, &s));
  OK(tdriver_memory_alloc(device, sizeof out, TDRIVER_MEMORY_DEVICE, &m));
  p = address(m);
  make_vectors(&v, s, N);
  OK(tdriver_stream_synchronize(s));
  k = load("add", NULL);
  scratch = load("scratch", NULL);
  FAILS(TDRIVER_INVALID_ARGUMENT, "not recording", tdriver_graph_end(s, &g));
  FAILS(TDRIVER_INVALID_ARGUMENT, "stream is NULL", tdriver_graph_begin(NULL));
  OK(tdriver_graph_begin(s));
  FAILS(TDRIVER_BUSY, "recording", tdriver_graph_begin(s));
  FAILS(TDRIVER_BUSY, "tdriver_kernel_prepare before", tdriver_launch(k, s, grid, v.args, 4));
  OK(tdriver_kernel_prepare(k));
  OK(tdriver_kernel_prepare(scratch));
  OK(tdriver_launch(k, s, grid, v.args, 4));
  OK(tdriver_launch(scratch, s, few, args, 1));
  OK(tdriver_graph_end(s, &g));
  OK(tdriver_memory_fill(s, v.memory[2], 0, 0, (uint64_t)N * 4));
  OK(tdriver_graph_launch(g, s));
  OK(tdriver_graph_launch(g, s));
  check_sum(&v, s);
  OK(tdriver_memory_download(s, out, m, 0, sizeof out));
  OK(tdriver_stream_synchronize(s));
  for (i = 0; i < 100; ++i) CHECK(out[i] == i + 5);
  tdriver_graph_destroy(g);
  tdriver_graph_destroy(NULL);
  tdriver_kernel_unload(k);
  tdriver_kernel_unload(scratch);
  tdriver_memory_free(m);
  free_vectors(&v);
  tdriver_stream_destroy(s);
  close_device();
}

static void part_benchmark(void) {
  static const char *modes[] = {"auto", "host", "events", "graph"};
  tdriver_kernel *k;
  uint32_t mode, log;
  open_device(0);
  k = load("add", NULL);
  for (log = 16; log <= (fake ? 16u : 28u); log += 12) {
    vectors v;
    uint32_t n = (uint32_t)1 << log, grid[3] = {(n + 127) / 128, 1, 1};
    make_vectors(&v, NULL, (int32_t)n);
    for (mode = 0; mode < 4; ++mode) {
      tdriver_benchmark_params p = TDRIVER_BENCHMARK_PARAMS_INIT;
      tdriver_benchmark_result r = TDRIVER_BENCHMARK_RESULT_INIT;
      p.mode = mode;
      p.time_ms = 100;
      if (mode == TDRIVER_BENCHMARK_EVENTS) p.flush_bytes = TDRIVER_FLUSH_L2;
      OK(tdriver_benchmark(k, NULL, grid, v.args, 4, &p, &r));
      CHECK(r.count >= 15 && r.median >= r.quartile1 && r.quartile3 >= r.median && r.mode >= 1 && r.mode <= 3);
      printf("{\"bench\": \"add\", \"n\": %u, \"asked\": \"%s\", \"mode\": \"%s\", \"samples\": %u, \"median_us\": %.3f, "
             "\"q1_us\": %.3f, \"q3_us\": %.3f, \"gb_per_s\": %.1f}\n",
             n, modes[mode], modes[r.mode], r.count, r.median * 1e-3, r.quartile1 * 1e-3, r.quartile3 * 1e-3,
             r.median > 0 ? 12.0 * n / r.median : 0.0);
    }
    free_vectors(&v);
  }
  tdriver_kernel_unload(k);
  close_device();
}

static tdriver_kernel *shared_kernel;

static void *thread_main(void *unused) {
  vectors v;
  tdriver_stream *s;
  uint32_t grid[3] = {(N + 127) / 128, 1, 1};
  int i;
  (void)unused;
  OK(tdriver_stream_create(device, &s));
  make_vectors(&v, s, N);
  for (i = 0; i < 200; ++i) OK(tdriver_launch(shared_kernel, s, grid, v.args, 4));
  check_sum(&v, s);
  free_vectors(&v);
  tdriver_stream_destroy(s);
  return NULL;
}

static void part_threads(void) {
  pthread_t threads[8];
  int i;
  open_device(0);
  shared_kernel = load("add", NULL); /* the first launch of the eight loads it */
  for (i = 0; i < 8; ++i) CHECK(!pthread_create(&threads[i], NULL, thread_main, NULL));
  for (i = 0; i < 8; ++i) pthread_join(threads[i], NULL);
  tdriver_kernel_unload(shared_kernel);
  close_device();
}

static void part_fork(void) {
  int status = 0;
  pid_t child;
  open_device(0);
  child = fork();
  if (!child) {
    tdriver_memory *m;
    tdriver_device *other;
    alarm(30); /* the parent's is not inherited */
    FAILS(TDRIVER_DEVICE, "forked after initialisation",
          tdriver_memory_alloc(device, 8, TDRIVER_MEMORY_DEVICE, &m));
    FAILS(TDRIVER_NOT_FOUND, "forked after initialisation", tdriver_device_open(driver, "cuda:0", &other));
    OK(tdriver_device_open(driver, "cpu", &other));
    tdriver_device_close(other);
    close_device();
    fflush(stderr);
    _exit(failures != 0);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  OK(tdriver_device_synchronize(device));
  close_device();
}

/* A stopped kernel: told once with all that is known, then the device is lost, then a new handle may work again. */
static void lost_device(const char *name, const char *text) {
  tdriver_memory *m = NULL, *none = NULL;
  tdriver_kernel *k;
  int32_t limit = 37;
  uint32_t grid[3] = {10, 10, 1};
  void *p;
  const void *args[2] = {&p, &limit};
  tdriver_status s;
  open_device(0);
  OK(tdriver_memory_alloc(device, 4000, TDRIVER_MEMORY_DEVICE, &m));
  p = address(m);
  if (!strcmp(name, "fault")) p = (void *)(size_t)64;
  k = load(name, NULL);
  OK(tdriver_launch(k, NULL, grid, args, strcmp(name, "fault") ? 2 : 1));
  s = tdriver_device_synchronize(device);
  CHECK(s == TDRIVER_LAUNCH && strstr(tdriver_last_message(), text) && strstr(tdriver_last_message(), "is lost"));
  fprintf(stderr, "%s: status %d: %s\n", name, s, tdriver_last_message());
  FAILS(TDRIVER_DEVICE, "device cuda:0 is lost", tdriver_device_synchronize(device));
  FAILS(TDRIVER_DEVICE, "device cuda:0 is lost", tdriver_launch(k, NULL, grid, args, strcmp(name, "fault") ? 2 : 1));
  FAILS(TDRIVER_DEVICE, "device cuda:0 is lost", tdriver_memory_alloc(device, 8, TDRIVER_MEMORY_DEVICE, &none));
  tdriver_memory_free(m);
  tdriver_kernel_unload(k);
  close_device();
  OK(tdriver_create(NULL, &driver));
  s = tdriver_device_open(driver, "cuda:0", &device);
  printf("{\"reopened_after_%s\": %s}\n", name, s == TDRIVER_OK ? "true" : "false");
  if (s == TDRIVER_OK) tdriver_device_close(device);
  tdriver_destroy(driver);
}

static void part_assert(void) {
  lost_device("check", "kernel check: assertion failed: index out of range, in program (");
}
static void part_fault(void) { lost_device("fault", "CUDA_ERROR_ILLEGAL_ADDRESS"); }

/* ---- overhead of a launch: the vendor's call alone, declared here once more */
typedef struct bare_config {
  unsigned grid[3], block[3], shared;
  void *stream, *attributes;
  unsigned count;
} bare_config;

static double microseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void part_launch(void) {
  enum { ROUNDS = 31, CALLS = 500 };
  const char *path = getenv("TESSERA_LIBCUDA");
  void *library = dlopen(path ? path : "libcuda.so.1", RTLD_NOW), *module = NULL, *context = NULL, *native;
  const char *names[] = {"k1", "k7", "k20"};
  int counts[] = {1, 7, 20}, i, r, c, which;
  tdriver_stream *s;
  int (*load_module)(void **, const void *) = (int (*)(void **, const void *))dlsym(library, "cuModuleLoadData");
  int (*get_function)(void **, void *, const char *) =
      (int (*)(void **, void *, const char *))dlsym(library, "cuModuleGetFunction");
  int (*bare_launch)(const bare_config *, void *, void **, void **) =
      (int (*)(const bare_config *, void *, void **, void **))dlsym(library, "cuLaunchKernelEx");
  int (*retain)(void **, int) = (int (*)(void **, int))dlsym(library, "cuDevicePrimaryCtxRetain");
  int (*set_current)(void *) = (int (*)(void *))dlsym(library, "cuCtxSetCurrent");
  if (!load_module || !get_function || !bare_launch || !retain || !set_current) {
    printf("skipped: the driver lacks a function\n");
    exit(77);
  }
  open_device(0);
  OK(tdriver_stream_create(device, &s));
  OK(tdriver_stream_get_native(s, &native));
  CHECK(!retain(&context, 0) && !set_current(context) && !load_module(&module, cuda_empty_ptx()));
  for (i = 0; i < 3 && !failures; ++i) {
    uint64_t values[20] = {0};
    void *pointers[20], *function = NULL;
    double times[3][ROUNDS];
    tdriver_kernel *k = load(names[i], NULL);
    tdriver_kernel_info info = TDRIVER_KERNEL_INFO_INIT;
    uint32_t grid[3] = {1, 1, 1};
    bare_config config;
    for (c = 0; c < 20; ++c) pointers[c] = &values[c];
    memset(&config, 0, sizeof config);
    for (c = 0; c < 3; ++c) config.grid[c] = config.block[c] = 1;
    config.block[0] = 32;
    config.stream = native;
    CHECK(!get_function(&function, module, names[i]));
    OK(tdriver_kernel_prepare(k));
    OK(tdriver_kernel_get_info(k, &info));
    for (r = -3; r < ROUNDS; ++r)
      for (which = 0; which < 3; ++which) {
        double begin = microseconds();
        for (c = 0; c < CALLS; ++c) {
          if (which == 0)
            bare_launch(&config, function, pointers, NULL);
          else if (which == 1)
            tdriver_launch_packed(k, s, grid, values, info.params_size);
          else
            tdriver_launch(k, s, grid, (const void *const *)pointers, (uint32_t)counts[i]);
        }
        if (r >= 0) times[which][r] = (microseconds() - begin) / CALLS;
        OK(tdriver_stream_synchronize(s));
      }
    for (which = 0; which < 3; ++which) qsort(times[which], ROUNDS, sizeof(double), by_value);
    printf("{\"bench\": \"launch_us\", \"args\": %d, \"bare\": %.3f, \"packed\": %.3f, \"pointers\": %.3f, "
           "\"packed_more\": %.3f, \"pointers_more\": %.3f, \"bare_q\": [%.3f, %.3f], \"packed_q\": [%.3f, %.3f]}\n",
           counts[i], times[0][ROUNDS / 2], times[1][ROUNDS / 2], times[2][ROUNDS / 2],
           times[1][ROUNDS / 2] - times[0][ROUNDS / 2], times[2][ROUNDS / 2] - times[0][ROUNDS / 2],
           times[0][ROUNDS / 4], times[0][3 * ROUNDS / 4], times[1][ROUNDS / 4], times[1][3 * ROUNDS / 4]);
    tdriver_kernel_unload(k);
  }
  tdriver_stream_destroy(s);
  close_device();
}

/* What only the fake driver can show: how often the vendor's is called, and with which context. */
static void part_calls(void) {
  const char *path = getenv("TESSERA_LIBCUDA");
  void *library = path && fake ? dlopen(path, RTLD_NOW) : NULL;
  int (*count)(const char *);
  void (*other)(int);
  void *(*other_stream)(void);
  tdriver_kernel *k;
  tdriver_stream *s;
  vectors v;
  uint32_t grid[3] = {1, 1, 1};
  int i, pushes, launches, asked;
  if (!library) {
    printf("skipped: needs the fake driver\n");
    exit(77);
  }
  count = (int (*)(const char *))dlsym(library, "fake_count");
  other = (void (*)(int))dlsym(library, "fake_set_other");
  other_stream = (void *(*)(void))dlsym(library, "fake_other_stream");
  open_device(0);
  OK(tdriver_stream_create(device, &s));
  FAILS(TDRIVER_INVALID_ARGUMENT, "another context", tdriver_stream_wrap(device, other_stream(), &s));
  make_vectors(&v, s, 128);
  k = load("add", NULL);
  CHECK(count("cuLibraryLoadData") == 0); /* not before it is used */
  for (i = 0; i < 5; ++i) OK(tdriver_launch(k, s, grid, v.args, 4));
  CHECK(count("cuLibraryLoadData") == 1 && count("cuLaunchKernelEx") == 5);
  CHECK(count("cuFuncGetParamInfo") == 4); /* one past the last would be an error that tools report */
  other(1); /* another library's context is current: pushed for the call, and back again */
  pushes = count("cuCtxPushCurrent"), launches = count("cuLaunchKernelEx"), asked = count("cuCtxGetCurrent");
  OK(tdriver_launch(k, s, grid, v.args, 4));
  CHECK(count("cuCtxPushCurrent") == pushes + 1 && count("cuCtxPushCurrent") == count("cuCtxPopCurrent"));
  CHECK(count("cuLaunchKernelEx") == launches + 1 && count("cuCtxGetCurrent") == asked + 1);
  other(0);
  tdriver_kernel_unload(k);
  CHECK(count("cuLibraryUnload") == 1);
  free_vectors(&v);
  tdriver_stream_destroy(s);
  close_device();
  CHECK(count("cuMemAlloc") == count("cuMemFree") && count("cuMemHostAlloc") == count("cuMemFreeHost"));
  CHECK(count("cuDevicePrimaryCtxRetain") == count("cuDevicePrimaryCtxRelease"));
}

static const struct {
  const char *name;
  void (*run)(void);
} parts[] = {{"basic", part_basic},     {"errors", part_errors}, {"graph", part_graph},   {"benchmark", part_benchmark},
             {"threads", part_threads}, {"fork", part_fork},     {"assert", part_assert}, {"fault", part_fault},
             {"calls", part_calls}, {"launch", part_launch}};

static const char *running = "";

/* A part that does not come back says so instead of hanging whoever waits for it. */
static void too_long(int signal) {
  static const char text[] = ": no end in time\n";
  ssize_t ignored = write(2, running, strlen(running));
  (void)signal;
  ignored = write(2, text, sizeof text - 1);
  (void)ignored;
  _exit(3);
}

static unsigned time_limit(void) {
  const char *text = getenv("TDRIVER_TEST_SECONDS"); /* of one part; slower under compute-sanitizer */
  int seconds = text ? atoi(text) : 0;
  return seconds > 0 ? (unsigned)seconds : 90;
}

/* Waits for a part's process. One that sleeps in the vendor's kernel module may not die even when killed: it is left
 * behind, and the next part starts. */
static int wait_for(pid_t child, int *status) {
  double end = microseconds() + (time_limit() + 10) * 1e6;
  struct timespec pause = {0, 20000000};
  while (microseconds() < end + 10e6) {
    if (waitpid(child, status, WNOHANG) == child) return 1;
    if (microseconds() > end) kill(child, SIGKILL);
    nanosleep(&pause, NULL);
  }
  return 0;
}

int main(int argc, char **argv) {
  size_t i, count = sizeof parts / sizeof parts[0];
  int bad = 0, skipped = 0;
  fake = getenv("TDRIVER_TEST_FAKE") != NULL;
  for (i = 0; i < count && argc > 1; ++i) {
    uint32_t devices = 0, d, gpus = 0;
    const char *name;
    if (strcmp(argv[1], parts[i].name)) continue;
    running = parts[i].name;
    signal(SIGALRM, too_long);
    alarm(time_limit());
    {
      tdriver_driver *probe;
      OK(tdriver_create(NULL, &probe));
      OK(tdriver_device_count(probe, &devices));
      for (d = 0; d < devices; ++d) {
        OK(tdriver_device_name(probe, d, &name));
        gpus += !strncmp(name, "cuda", 4);
      }
      tdriver_destroy(probe);
    }
    if (!gpus) {
      printf("skipped: no CUDA device\n");
      return 77;
    }
    parts[i].run();
    printf("{\"part\": \"%s\", \"failed\": %d}\n", parts[i].name, failures);
    return failures != 0;
  }
  if (argc > 1) {
    fprintf(stderr, "no part \"%s\"\n", argv[1]);
    return 2;
  }
  for (i = 0; i < count; ++i) {
    int status = 0;
    pid_t child;
    fflush(stdout);
    child = fork();
    if (!child) {
      execl("/proc/self/exe", argv[0], parts[i].name, (char *)NULL);
      _exit(2);
    }
    if (!wait_for(child, &status)) {
      printf("{\"part\": \"%s\", \"hangs\": true}\n", parts[i].name);
      ++bad;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
      ++skipped;
    else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
      printf("{\"part\": \"%s\", \"status\": %d}\n", parts[i].name, status);
      ++bad;
    }
  }
  return bad ? 1 : skipped == (int)count ? 77 : 0;
}
