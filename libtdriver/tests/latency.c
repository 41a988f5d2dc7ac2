/* SPDX-License-Identifier: MIT
 * Launch plus synchronise of an empty kernel: latency [THREADS]. Prints microseconds, median and quartiles.
 */
#include "check.h"
#include "fixtures.h"
#include "tdriver/launch.h"

static void measure(tdriver_device *device, const char *name, uint32_t programs, uint32_t warmup) {
  fixture f = fixture_kernel(name, NULL);
  tdriver_kernel *k;
  tdriver_benchmark_params p = TDRIVER_BENCHMARK_PARAMS_INIT;
  tdriver_benchmark_result r = TDRIVER_BENCHMARK_RESULT_INIT;
  tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
  uint32_t grid[3];
  int64_t turns = 20000;
  const void *args[1] = {&turns};
  grid[0] = programs, grid[1] = grid[2] = 1;
  OK(tdriver_device_get_info(device, &info));
  OK(tdriver_kernel_load(device, f.bytes, f.size, &k));
  p.warmup = warmup;
  p.repetitions = 20000;
  if (strcmp(name, "empty")) p.repetitions = 500;
  OK(tdriver_benchmark(k, NULL, grid, args, strcmp(name, "empty") ? 1 : 0, &p, &r));
  printf("%-6s %-5s %5u programs, %u threads: %9.3f us (quartiles %.3f, %.3f; least %.3f)\n", info.name, name,
         programs, info.threads, r.median * 1e-3, r.quartile1 * 1e-3, r.quartile3 * 1e-3, r.minimum * 1e-3);
  tdriver_kernel_unload(k);
  fixture_free(f);
}

int main(int argc, char **argv) {
  tdriver_params params = TDRIVER_PARAMS_INIT;
  tdriver_driver *driver;
  tdriver_device *device;
  params.threads = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2;
  OK(tdriver_create(&params, &driver));
  OK(tdriver_device_open(driver, "null", &device));
  measure(device, "empty", 1, 100);
  tdriver_device_close(device);
  OK(tdriver_device_open(driver, "cpu", &device));
  measure(device, "empty", 1, 100);
  measure(device, "empty", 64, 100);
  measure(device, "empty", 4096, 100);
  measure(device, "busy", 64, 10); /* what two threads bring: compare with one */
  tdriver_device_close(device);
  tdriver_destroy(driver);
  return 0;
}
