// SPDX-License-Identifier: MIT
// Eight threads on one session: one compilation per kernel, everybody gets the kernel asked for, nothing leaks.
#include <cstring>
#include <ctime>
#include <thread>
#include <vector>
#include "stubs.h"

static stub_codegen codegen;
static stub_cache cache = {PTHREAD_MUTEX_INITIALIZER, {}, 0, 0, 0};
static stub_driver driver;

int main() {
  codegen.delay_us = 2000;
  tkernels_codegen_provider c = stub_codegen_table(&codegen);
  tkernels_cache_provider k = stub_cache_table(&cache);
  tkernels_driver_provider d = stub_driver_table(&driver);
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  params.codegen = &c;
  params.cache = &k;
  params.driver = &d;
  tkernels_session *session = nullptr;
  CHECK(tkernels_session_create(&params, &session) == TKERNELS_OK);
  constexpr int threads = 8, kernels = 16, rounds = 200;
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      uint64_t state = uint64_t(t) * 977 + 1;
      const uint32_t grid[3] = {1, 1, 1};
      int value = t;
      const void *args[1] = {&value};
      for (int i = 0; i < rounds; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        char ir[32];
        std::snprintf(ir, sizeof(ir), "kernel %d", int((state >> 33) % kernels));
        tkernels_kernel *kernel = nullptr;
        CHECK(tkernels_session_get(session, ir, std::strlen(ir), nullptr, &kernel) == TKERNELS_OK);
        CHECK(std::strcmp(static_cast<const char *>(tkernels_kernel_handle(kernel)), ir) == 0);
        CHECK(tkernels_launch(kernel, nullptr, grid, args, 1) == TKERNELS_OK);
        if (i % 7 == 0) {
          tkernels_kernel *bad = nullptr;
          CHECK(tkernels_session_get(session, "bad one", 7, nullptr, &bad) == TKERNELS_PARSE && !bad);
          CHECK(std::strstr(tkernels_last_message(), "bad IR"));
        }
        tkernels_kernel_release(kernel);
      }
    });
  for (std::thread &t : pool) t.join();
  CHECK(driver.launched == threads * rounds);
  CHECK(driver.loaded == driver.unloaded && driver.loaded >= kernels);
  CHECK(cache.count == kernels && cache.lent == 0);
  tkernels_session_destroy(session);
  CHECK(driver.destroyed == 1 && cache.destroyed == 1 && codegen.destroyed == 1);
  std::puts("good");
}
