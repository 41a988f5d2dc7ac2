/* SPDX-License-Identifier: MIT
 * The public C ABI against one back end: suite DEVICE. What a device cannot do it says in its capabilities,
 * and then only the calls are tested, not the results.
 */
#include "check.h"
#include "fixtures.h"
#include "tdriver/backend.h"
#include "tdriver/event.h"
#include "tdriver/launch.h"

static int executes;

static void test_driver(const char *device_name) {
  tdriver_driver *driver;
  tdriver_params params = TDRIVER_PARAMS_INIT;
  tdriver_device *device;
  uint32_t count = 0, i, found = 0;
  const char *name;
  char text[32];

  snprintf(text, sizeof text, "%d.%d.%d", TDRIVER_VERSION_MAJOR, TDRIVER_VERSION_MINOR,
           TDRIVER_VERSION_PATCH);
  CHECK(!strcmp(tdriver_version(), text));
  CHECK(tdriver_last_message() != NULL);
  FAILS(TDRIVER_INVALID_ARGUMENT, "driver is NULL", tdriver_create(NULL, NULL));
  params.struct_size = 3;
  FAILS(TDRIVER_INVALID_ARGUMENT, "struct_size", tdriver_create(&params, &driver));
  params.struct_size = sizeof(size_t) + 4; /* an old caller, who knew `threads` only */
  params.threads = 5000;
  FAILS(TDRIVER_LIMIT, "5000", tdriver_create(&params, &driver));
  params.threads = 1;
  params.print = (tdriver_print_fn)(size_t)1; /* not looked at */
  OK(tdriver_create(&params, &driver));
  tdriver_destroy(driver);
  tdriver_destroy(NULL);
  {
    struct {
      tdriver_params known;
      char more[16];
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.known.struct_size = sizeof newer;
    OK(tdriver_create(&newer.known, &driver));
    tdriver_destroy(driver);
    newer.more[3] = 1;
    FAILS(TDRIVER_VERSION, "knows only", tdriver_create(&newer.known, &driver));
  }
  OK(tdriver_create(NULL, &driver));
  OK(tdriver_device_count(driver, &count));
  CHECK(count >= 2); /* GPUs come on top */
  for (i = 0; i < count; ++i) {
    OK(tdriver_device_name(driver, i, &name));
    found += !strcmp(name, device_name);
  }
  CHECK(found == 1);
  FAILS(TDRIVER_INVALID_ARGUMENT, "device index", tdriver_device_name(driver, count, &name));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_device_name(driver, 0, NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_device_count(NULL, &count));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_device_count(driver, NULL));
  FAILS(TDRIVER_NOT_FOUND, "cpu, cuda", tdriver_device_open(driver, "tpu", &device));
  FAILS(TDRIVER_NOT_FOUND, "1 device", tdriver_device_open(driver, "cpu:7", &device));
  FAILS(TDRIVER_NOT_FOUND, "back end cuda has", tdriver_device_open(driver, "cuda:999", &device));
  FAILS(TDRIVER_UNSUPPORTED, "hip", tdriver_device_open(driver, "hip", &device));
  FAILS(TDRIVER_INVALID_ARGUMENT, "name:index", tdriver_device_open(driver, "cpu:x", &device));
  FAILS(TDRIVER_INVALID_ARGUMENT, "name:index", tdriver_device_open(driver, "cpu:", &device));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_device_open(driver, NULL, &device));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_device_open(driver, "cpu", NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "kind",
        tdriver_device_open((tdriver_driver *)(void *)text, "cpu", &device));
  OK(tdriver_device_open(driver, device_name, &device));
  tdriver_destroy(driver); /* the device keeps it */
  {
    tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT, part;
    OK(tdriver_device_get_info(device, &info));
    CHECK(!strcmp(info.name, device_name) && !strcmp(info.backend, device_name));
    CHECK(info.description[0] && info.features && info.alignment >= 64 && info.max_programs > 1u << 30);
    executes = (info.capabilities & TDRIVER_CAN_EXECUTE) != 0;
    CHECK(executes == (!strcmp(device_name, "cpu") || !strcmp(device_name, "emu")));
    if (executes)
      CHECK(info.threads >= 1 && info.cores >= 1 && info.memory_bytes > 0 && strstr(info.features, "sse2"));
    memset(&part, 0x5a, sizeof part);
    part.struct_size = offsetof(tdriver_device_info, backend);
    OK(tdriver_device_get_info(device, &part));
    CHECK(!strcmp(part.name, device_name) && part.threads == 0x5a5a5a5a);
    part.struct_size = 1;
    FAILS(TDRIVER_INVALID_ARGUMENT, "struct_size", tdriver_device_get_info(device, &part));
    FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_device_get_info(device, NULL));
    FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_device_get_info(NULL, &info));
  }
  OK(tdriver_device_synchronize(device));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_device_synchronize(NULL));
  tdriver_device_close(device);
  tdriver_device_close(NULL);
}

static void test_memory(tdriver_device *device, tdriver_device *other) {
  tdriver_memory *a, *b, *w;
  char local[256], back[256];
  void *pointer;
  uint64_t size;
  int i;
  FAILS(TDRIVER_LIMIT, "limit", tdriver_memory_alloc(device, (uint64_t)1 << 60, TDRIVER_MEMORY_DEVICE, &a));
  FAILS(TDRIVER_INVALID_ARGUMENT, "kind 3", tdriver_memory_alloc(device, 8, 3, &a));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_memory_alloc(device, 8, 0, NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_memory_alloc(NULL, 8, 0, &a));
  OK(tdriver_memory_alloc(device, 0, TDRIVER_MEMORY_HOST, &a));
  OK(tdriver_memory_get(a, &pointer, &size));
  CHECK(pointer && size == 0);
  tdriver_memory_free(a);
  OK(tdriver_memory_alloc(device, 256, TDRIVER_MEMORY_PINNED, &a));
  OK(tdriver_memory_alloc(device, 100000, TDRIVER_MEMORY_DEVICE, &b));
  OK(tdriver_memory_get(b, &pointer, NULL));
  CHECK((size_t)pointer % 64 == 0);
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_memory_get(NULL, &pointer, &size));
  for (i = 0; i < 256; ++i) local[i] = (char)i;
  OK(tdriver_memory_upload(NULL, a, 0, local, 256));
  OK(tdriver_memory_copy(NULL, b, 99744, a, 0, 256));
  OK(tdriver_memory_fill(NULL, b, 99744, 0xee, 16));
  OK(tdriver_memory_copy(NULL, b, 99748, b, 99744, 252)); /* overlapping */
  OK(tdriver_memory_download(NULL, back, b, 99744, 256));
  OK(tdriver_device_synchronize(device));
  CHECK(back[0] == (char)0xee && back[19] == (char)0xee && back[20] == 16 && back[255] == (char)251);
  FAILS(TDRIVER_INVALID_ARGUMENT, "lie outside", tdriver_memory_upload(NULL, a, 1, local, 256));
  FAILS(TDRIVER_INVALID_ARGUMENT, "lie outside", tdriver_memory_download(NULL, back, a, UINT64_MAX, 2));
  FAILS(TDRIVER_INVALID_ARGUMENT, "lie outside", tdriver_memory_copy(NULL, a, 0, b, 99999, 2));
  FAILS(TDRIVER_INVALID_ARGUMENT, "lie outside", tdriver_memory_fill(NULL, a, 257, 0, 0));
  FAILS(TDRIVER_INVALID_ARGUMENT, "from is NULL", tdriver_memory_upload(NULL, a, 0, NULL, 1));
  FAILS(TDRIVER_INVALID_ARGUMENT, "to is NULL", tdriver_memory_download(NULL, NULL, a, 0, 1));
  FAILS(TDRIVER_INVALID_ARGUMENT, "to is NULL", tdriver_memory_copy(NULL, NULL, 0, b, 0, 2));
  FAILS(TDRIVER_INVALID_ARGUMENT, "memory is NULL", tdriver_memory_fill(NULL, NULL, 0, 0, 2));
  OK(tdriver_memory_upload(NULL, a, 256, NULL, 0));

  OK(tdriver_memory_wrap(device, local, sizeof local, &w));
  OK(tdriver_memory_fill(NULL, w, 0, 7, 1));
  OK(tdriver_device_synchronize(device));
  CHECK(local[0] == 7);
  tdriver_memory_free(w);
  FAILS(TDRIVER_INVALID_ARGUMENT, "pointer is NULL", tdriver_memory_wrap(device, NULL, 1, &w));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_memory_wrap(device, local, 1, NULL));
  OK(tdriver_memory_wrap(other, local, sizeof local, &w));
  FAILS(TDRIVER_INVALID_ARGUMENT, "two devices", tdriver_memory_copy(NULL, a, 0, w, 0, 1));
  tdriver_memory_free(w);
  tdriver_memory_free(a);
  tdriver_memory_free(b);
  tdriver_memory_free(NULL);
}

static void test_streams_and_events(tdriver_device *device, tdriver_device *other) {
  tdriver_stream *s, *foreign, *standard;
  tdriver_event *a, *b;
  double ns = -1;
  OK(tdriver_stream_create(device, &s));
  OK(tdriver_stream_get_default(device, &standard));
  OK(tdriver_stream_get_default(other, &foreign));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_stream_create(device, NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_stream_create(NULL, &s));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_stream_get_default(device, NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_stream_synchronize(NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_stream_query(NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "kind", tdriver_stream_synchronize((tdriver_stream *)(void *)device));
  OK(tdriver_stream_query(s));
  OK(tdriver_stream_synchronize(s));
  tdriver_stream_destroy(standard); /* not the caller's: nothing happens */
  OK(tdriver_stream_synchronize(standard));

  OK(tdriver_event_create(device, &a));
  OK(tdriver_event_create(device, &b));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_event_create(device, NULL));
  OK(tdriver_event_query(a));
  OK(tdriver_event_wait(a, s)); /* never recorded: no wait */
  FAILS(TDRIVER_INVALID_ARGUMENT, "start event was never", tdriver_event_elapsed(a, b, &ns));
  OK(tdriver_event_record(a, s));
  FAILS(TDRIVER_INVALID_ARGUMENT, "end event was never", tdriver_event_elapsed(a, b, &ns));
  OK(tdriver_event_record(b, NULL));
  OK(tdriver_event_wait(b, s));
  OK(tdriver_event_synchronize(a));
  OK(tdriver_event_synchronize(b));
  OK(tdriver_event_query(b));
  OK(tdriver_event_elapsed(a, b, &ns));
  CHECK(ns >= 0);
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_event_elapsed(a, b, NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_event_query(NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_event_synchronize(NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "opened elsewhere", tdriver_event_record(a, foreign));
  FAILS(TDRIVER_INVALID_ARGUMENT, "opened elsewhere", tdriver_event_wait(a, foreign));
  tdriver_event_destroy(a);
  tdriver_event_destroy(b);
  tdriver_event_destroy(NULL);
  tdriver_stream_destroy(s);
  tdriver_stream_destroy(NULL);
}

static void test_kernel(tdriver_device *device) {
  fixture f = fixture_kernel("params", NULL);
  tdriver_kernel *k;
  tdriver_kernel_info info = TDRIVER_KERNEL_INFO_INIT, part;
  tdriver_argument_info a = TDRIVER_ARGUMENT_INFO_INIT;
  const char *name, *text;
  size_t size;
  FAILS(TDRIVER_CORRUPT, "magic", tdriver_kernel_load(device, "nothing", 7, &k));
  FAILS(TDRIVER_CORRUPT, "magic", tdriver_kernel_load(device, f.bytes, 0, &k));
  FAILS(TDRIVER_CORRUPT, "offset 8", tdriver_kernel_load(device, f.bytes, f.size - 1, &k));
  f.bytes[f.size / 2] ^= 4;
  FAILS(TDRIVER_CORRUPT, "checksum", tdriver_kernel_load(device, f.bytes, f.size, &k));
  f.bytes[f.size / 2] ^= 4;
  f.bytes[4] = 9;
  FAILS(TDRIVER_VERSION, "version 9", tdriver_kernel_load(device, f.bytes, f.size, &k));
  f.bytes[4] = 0;
  FAILS(TDRIVER_INVALID_ARGUMENT, "bytes is NULL", tdriver_kernel_load(device, NULL, 1, &k));
  FAILS(TDRIVER_INVALID_ARGUMENT, "kernel is NULL", tdriver_kernel_load(device, f.bytes, f.size, NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "device is NULL", tdriver_kernel_load(NULL, f.bytes, f.size, &k));
  OK(tdriver_kernel_load(device, f.bytes, f.size, &k));
  fixture_free(f);
  OK(tdriver_kernel_get_info(k, &info));
  CHECK(!strcmp(info.entry, "params") && !strcmp(info.target, "cpu:x86-64-v2") &&
        !strcmp(info.compiler, "by hand"));
  CHECK(!strcmp(info.source_hash, "0123") && !strcmp(info.options, "fp_fusion=1"));
  CHECK(info.argument_count == 10 && info.params_size == 40 && info.threads == 1 && info.message_count == 2);
  CHECK(info.feature_count == 2 && info.stage_count == 2 && info.arena_bytes == 0 && info.code_bytes > 100);
  memset(&part, 0, sizeof part);
  part.struct_size = offsetof(tdriver_kernel_info, target);
  OK(tdriver_kernel_get_info(k, &part));
  CHECK(part.entry && !part.target);
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_kernel_get_info(k, NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_kernel_get_info(NULL, &info));
  OK(tdriver_kernel_get_argument(k, 3, &a));
  CHECK(!strcmp(a.name, "d") && a.kind == TDRIVER_KIND_F32 && a.offset == 4 && a.size == 4 &&
        a.alignment == 4);
  CHECK(a.divisibility == 1 && a.flags == 0 && !a.block);
  OK(tdriver_kernel_get_argument(k, 4, &a));
  CHECK(a.flags == TDRIVER_ARGUMENT_CONSTANT && a.constant_bits == 5 && a.size == 0);
  OK(tdriver_kernel_get_argument(k, 9, &a));
  CHECK(a.kind == TDRIVER_KIND_PTR && a.element == TDRIVER_KIND_I8 && a.offset == 32 &&
        a.flags == TDRIVER_ARGUMENT_WRITTEN);
  a.struct_size = offsetof(tdriver_argument_info, kind);
  OK(tdriver_kernel_get_argument(k, 0, &a));
  CHECK(!strcmp(a.name, "a") && a.kind == TDRIVER_KIND_PTR);
  FAILS(TDRIVER_INVALID_ARGUMENT, "argument 10", tdriver_kernel_get_argument(k, 10, &a));
  OK(tdriver_kernel_get_feature(k, 1, &name));
  CHECK(!strcmp(name, "cx16"));
  FAILS(TDRIVER_INVALID_ARGUMENT, "feature 2", tdriver_kernel_get_feature(k, 2, &name));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_kernel_get_feature(k, 0, NULL));
  OK(tdriver_kernel_get_message(k, 0, &text));
  CHECK(!strcmp(text, "index out of range"));
  FAILS(TDRIVER_INVALID_ARGUMENT, "message 2", tdriver_kernel_get_message(k, 2, &text));
  FAILS(TDRIVER_INVALID_ARGUMENT, "NULL", tdriver_kernel_get_message(k, 0, NULL));
  OK(tdriver_kernel_get_stage(k, 0, &name, &text, &size));
  CHECK(!strcmp(name, "ttir") && !strcmp(text, "module {}\n") && size == 10);
  OK(tdriver_kernel_get_stage(k, 1, NULL, NULL, NULL));
  FAILS(TDRIVER_INVALID_ARGUMENT, "stage 2", tdriver_kernel_get_stage(k, 2, &name, &text, &size));
  tdriver_kernel_unload(k);
  tdriver_kernel_unload(NULL);
}

static void test_checks(tdriver_device *device) {
  fixture f = fixture_kernel("add", NULL), g = fixture_kernel("params", NULL);
  tdriver_kernel *k, *p;
  _Alignas(64) float data[64];
  float *x = data, *skew = data + 1;
  int32_t n = 64, odd = 781, constant = 6;
  const void *args[4] = {&x, &x, &x, &n};
  unsigned char bad_bool = 2;
  uint64_t zero = 0;
  const void *many[10] = {&bad_bool, &zero, &zero, &zero, &constant, &zero, &zero, &zero, &zero, &x};
  uint32_t grid[3] = {1, 1, 1};
  OK(tdriver_kernel_load(device, f.bytes, f.size, &k));
  OK(tdriver_kernel_load(device, g.bytes, g.size, &p));
  OK(tdriver_kernel_check_arguments(k, args, 4));
  args[3] = &odd;
  FAILS(TDRIVER_INVALID_ARGUMENT, "argument 3 (n) is promised to be divisible by 16, but is 781",
        tdriver_kernel_check_arguments(k, args, 4));
  FAILS(TDRIVER_INVALID_ARGUMENT, "divisible by 16, but is 781", tdriver_launch(k, NULL, grid, args, 4));
  {
    struct {
      float *p[3];
      int32_t n;
      int32_t pad;
    } packed = {{data, data, data}, 781, 0};
    FAILS(TDRIVER_INVALID_ARGUMENT, "divisible by 16, but is 781",
          tdriver_launch_packed(k, NULL, grid, &packed, sizeof packed));
  }
  args[3] = &n;
  args[1] = &skew;
  FAILS(TDRIVER_INVALID_ARGUMENT, "argument 1 (y_ptr)", tdriver_kernel_check_arguments(k, args, 4));
  args[1] = NULL;
  FAILS(TDRIVER_INVALID_ARGUMENT, "args[1] (y_ptr) is NULL", tdriver_kernel_check_arguments(k, args, 4));
  FAILS(TDRIVER_INVALID_ARGUMENT, "takes 4 arguments, 3", tdriver_kernel_check_arguments(k, args, 3));
  FAILS(TDRIVER_INVALID_ARGUMENT, "args is NULL", tdriver_kernel_check_arguments(k, NULL, 4));
  FAILS(TDRIVER_INVALID_ARGUMENT, "kernel is NULL", tdriver_kernel_check_arguments(NULL, args, 4));
  FAILS(TDRIVER_INVALID_ARGUMENT, "argument 0 (a) is an i1", tdriver_kernel_check_arguments(p, many, 10));
  bad_bool = 1;
  FAILS(TDRIVER_INVALID_ARGUMENT, "argument 4 (k) was compiled as the constant 5, but is 6",
        tdriver_kernel_check_arguments(p, many, 10));
  constant = 5;
  OK(tdriver_kernel_check_arguments(p, many, 10));
  many[4] = NULL;
  OK(tdriver_kernel_check_arguments(p, many, 10));
  tdriver_kernel_unload(k);
  tdriver_kernel_unload(p);
  fixture_free(f);
  fixture_free(g);
}

static void test_launch(tdriver_device *device, tdriver_device *other) {
  fixture f = fixture_kernel("add", NULL), e = fixture_kernel("empty", NULL);
  tdriver_kernel *k, *empty;
  tdriver_stream *foreign;
  tdriver_memory *memory;
  enum { N = 1000 };
  float x[N], y[N];
  float *out, *px = x, *py = y;
  void *pointer;
  int32_t n = N, i;
  uint32_t grid[3] = {(N + 63) / 64, 1, 1}, none[3] = {5, 0, 5},
           huge[3] = {0xffffffff, 0xffffffff, 0xffffffff};
  uint32_t big[3] = {0xffffffff, 0xffffffff, 1};
  const void *args[4] = {&px, &py, &out, &n};
  OK(tdriver_kernel_load(device, f.bytes, f.size, &k));
  OK(tdriver_kernel_load(device, e.bytes, e.size, &empty));
  OK(tdriver_memory_alloc(device, sizeof x, TDRIVER_MEMORY_DEVICE, &memory));
  OK(tdriver_memory_get(memory, &pointer, NULL));
  out = pointer;
  for (i = 0; i < N; ++i) x[i] = (float)i, y[i] = 0.5f * (float)i, out[i] = -1;
  OK(tdriver_launch(k, NULL, none, args, 4));
  OK(tdriver_device_synchronize(device));
  CHECK(out[0] == -1);
  OK(tdriver_launch(k, NULL, grid, args, 4));
  OK(tdriver_device_synchronize(device));
  for (i = 0; i < N; ++i)
    if (executes)
      CHECK(out[i] == 1.5f * (float)i);
    else
      CHECK(out[i] == -1);
  {
    char raw[64];
    char *packed = raw + 1; /* any alignment will do */
    memcpy(packed, &px, 8), memcpy(packed + 8, &px, 8), memcpy(packed + 16, &out, 8),
        memcpy(packed + 24, &n, 4);
    OK(tdriver_launch_packed(k, NULL, grid, packed, 32));
    OK(tdriver_device_synchronize(device));
    for (i = 0; i < N; ++i) CHECK(out[i] == (executes ? 2.0f * (float)i : -1));
    FAILS(TDRIVER_INVALID_ARGUMENT, "28 bytes; expected 32",
          tdriver_launch_packed(k, NULL, grid, packed, 28));
    FAILS(TDRIVER_INVALID_ARGUMENT, "params is NULL", tdriver_launch_packed(k, NULL, grid, NULL, 32));
    FAILS(TDRIVER_INVALID_ARGUMENT, "grid is NULL", tdriver_launch_packed(k, NULL, NULL, packed, 32));
  }
  OK(tdriver_launch_packed(empty, NULL, grid, NULL, 0));
  FAILS(TDRIVER_LIMIT, "4294967295 x 4294967295 x 4294967295", tdriver_launch(empty, NULL, huge, NULL, 0));
  FAILS(TDRIVER_LIMIT, "more programs than", tdriver_launch(empty, NULL, big, NULL, 0));
  FAILS(TDRIVER_INVALID_ARGUMENT, "takes 4 arguments, 3", tdriver_launch(k, NULL, grid, args, 3));
  FAILS(TDRIVER_INVALID_ARGUMENT, "args is NULL", tdriver_launch(k, NULL, grid, NULL, 4));
  FAILS(TDRIVER_INVALID_ARGUMENT, "grid is NULL", tdriver_launch(k, NULL, NULL, args, 4));
  FAILS(TDRIVER_INVALID_ARGUMENT, "kernel is NULL", tdriver_launch(NULL, NULL, grid, args, 4));
  args[2] = NULL;
  FAILS(TDRIVER_INVALID_ARGUMENT, "args[2] (out_ptr) is NULL", tdriver_launch(k, NULL, grid, args, 4));
  args[2] = &out;
  OK(tdriver_stream_get_default(other, &foreign));
  FAILS(TDRIVER_INVALID_ARGUMENT, "opened elsewhere", tdriver_launch(k, foreign, grid, args, 4));
  {
    tdriver_benchmark_params p = TDRIVER_BENCHMARK_PARAMS_INIT;
    tdriver_benchmark_result r = TDRIVER_BENCHMARK_RESULT_INIT;
    double samples[4] = {-1, -1, -1, -1};
    p.repetitions = 7;
    p.inner = 2;
    p.flush_bytes = 4096;
    p.samples = samples;
    p.sample_capacity = 3;
    OK(tdriver_benchmark(k, NULL, grid, args, 4, &p, &r));
    CHECK(r.count == 7 && r.minimum >= 0 && r.minimum <= r.quartile1 && r.quartile1 <= r.median);
    CHECK(r.median <= r.quartile3 && r.quartile3 <= r.maximum && r.mean >= r.minimum && r.mean <= r.maximum);
    CHECK(samples[0] >= 0 && samples[2] >= 0 && samples[3] == -1);
    p.struct_size = offsetof(tdriver_benchmark_params, inner); /* an old caller */
    p.repetitions = 0;
    OK(tdriver_benchmark(empty, NULL, grid, NULL, 0, &p, &r));
    CHECK(r.count >= 15);
    p.warmup = 2000000;
    FAILS(TDRIVER_LIMIT, "warmup 2000000", tdriver_benchmark(k, NULL, grid, args, 4, &p, &r));
    FAILS(TDRIVER_INVALID_ARGUMENT, "result is NULL", tdriver_benchmark(k, NULL, grid, args, 4, NULL, NULL));
    FAILS(TDRIVER_INVALID_ARGUMENT, "takes 4", tdriver_benchmark(k, NULL, grid, args, 2, NULL, &r));
  }
  tdriver_kernel_unload(k);
  tdriver_kernel_unload(empty);
  tdriver_memory_free(memory);
  fixture_free(f);
  fixture_free(e);
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "cpu";
  tdriver_driver *driver;
  tdriver_params debug = TDRIVER_PARAMS_INIT;
  tdriver_device *device, *other;
  test_driver(name);
  OK(tdriver_create(NULL, &driver));
  OK(tdriver_device_open(driver, name, &device));
  OK(tdriver_device_open(driver, name, &other));
  tdriver_destroy(driver);
  test_memory(device, other);
  test_streams_and_events(device, other);
  if (strcmp(name, "emu")) {
    test_kernel(device);
    test_launch(device, other);
  } else { /* its kernels are made by libtcodegen, whose tests run them */
    fixture f = fixture_kernel("add", NULL);
    tdriver_kernel *k;
    FAILS(TDRIVER_UNSUPPORTED, "this is the emulator", tdriver_kernel_load(device, f.bytes, f.size, &k));
    fixture_free(f);
  }
  tdriver_device_close(device);
  tdriver_device_close(other);
  if (!strcmp(name, "emu")) {
    printf("%s: %d failed\n", name, failures);
    return failures != 0;
  }
  debug.debug = 1;
  OK(tdriver_create(&debug, &driver));
  OK(tdriver_device_open(driver, name, &device));
  test_checks(device);
  tdriver_device_close(device);
  tdriver_destroy(driver);
  printf("%s: %d failed\n", name, failures);
  return failures != 0;
}
