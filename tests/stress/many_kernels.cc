// SPDX-License-Identifier: MIT
// The whole line under load: 8 threads compile and load different kernels at once; then 2,000 kernels are loaded and
// unloaded in mixed order, and each must give its own result whenever it runs.
//   many_kernels [KERNELS]
#include "tkernels/session.h"
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> failures{0};

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      std::fprintf(stderr, "%s:%d: not true: %s (last message: %s)\n", __FILE__, __LINE__, #condition,         \
                   tkernels_last_message());                                                                 \
      ++failures;                                                                                            \
      return;                                                                                                \
    }                                                                                                        \
  } while (0)

/// out[i] = x[i] * 3 + n for 64 elements.
static std::string kernel_text(unsigned n) {
  return "module {\n"
         "  tt.func public @k" + std::to_string(n) + "(%x: !tt.ptr<i32>, %out: !tt.ptr<i32>) {\n"
         "    %three = arith.constant dense<3> : tensor<64xi32>\n"
         "    %n = arith.constant dense<" + std::to_string(n) + "> : tensor<64xi32>\n"
         "    %range = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32>\n"
         "    %xb = tt.splat %x : !tt.ptr<i32> -> tensor<64x!tt.ptr<i32>>\n"
         "    %xp = tt.addptr %xb, %range : tensor<64x!tt.ptr<i32>>, tensor<64xi32>\n"
         "    %v = tt.load %xp : tensor<64x!tt.ptr<i32>>\n"
         "    %t = arith.muli %v, %three : tensor<64xi32>\n"
         "    %s = arith.addi %t, %n : tensor<64xi32>\n"
         "    %ob = tt.splat %out : !tt.ptr<i32> -> tensor<64x!tt.ptr<i32>>\n"
         "    %op = tt.addptr %ob, %range : tensor<64x!tt.ptr<i32>>, tensor<64xi32>\n"
         "    tt.store %op, %s : tensor<64x!tt.ptr<i32>>\n"
         "    tt.return\n  }\n}\n";
}

static tkernels_kernel *get(tkernels_session *session, unsigned n) {
  std::string text = kernel_text(n);
  tkernels_kernel *kernel = nullptr;
  if (tkernels_session_get(session, text.data(), text.size(), nullptr, &kernel) != TKERNELS_OK) return nullptr;
  return kernel;
}

static bool right(tkernels_session *session, tkernels_kernel *kernel, unsigned n) {
  alignas(64) int32_t x[64], out[64];
  for (int i = 0; i < 64; ++i) x[i] = i * i - 7, out[i] = -1;
  void *px = x, *po = out;
  const void *args[2] = {&px, &po};
  const uint32_t grid[3] = {1, 1, 1};
  if (tkernels_launch(kernel, nullptr, grid, args, 2) != TKERNELS_OK || tkernels_session_synchronize(session, nullptr) != TKERNELS_OK) return false;
  for (int i = 0; i < 64; ++i)
    if (out[i] != x[i] * 3 + int32_t(n)) return false;
  return true;
}

static void at_once(tkernels_session *session, unsigned thread) {
  for (unsigned i = 0; i < 12; ++i) {
    unsigned n = 100000 + i * 8 + (thread + i) % 8; // all threads meet at the same kernels, in different order
    tkernels_kernel *kernel = get(session, n);
    CHECK(kernel);
    CHECK(right(session, kernel, n));
    tkernels_kernel_release(kernel);
  }
}

static void mixed_order(tkernels_session *session, unsigned count) {
  struct Live {
    unsigned n;
    tkernels_kernel *kernel;
  };
  std::vector<Live> live;
  uint64_t state = 42;
  auto random = [&](size_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return size_t((state >> 33) % bound);
  };
  for (unsigned n = 0; n < count; ++n) {
    tkernels_kernel *kernel = get(session, n);
    CHECK(kernel);
    live.push_back({n, kernel});
    const Live &probe = live[random(live.size())];
    CHECK(right(session, probe.kernel, probe.n));
    while (live.size() > 1 && random(100) < (live.size() > 300 ? 80u : 45u)) {
      size_t i = random(live.size());
      tkernels_kernel_release(live[i].kernel);
      live[i] = live.back();
      live.pop_back();
    }
  }
  for (const Live &l : live) {
    CHECK(right(session, l.kernel, l.n));
    tkernels_kernel_release(l.kernel);
  }
}

int main(int argc, char **argv) {
  unsigned count = argc > 1 ? unsigned(std::atoi(argv[1])) : 2000;
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  params.cache_flags = 2; // no disk
  tkernels_session *session = nullptr;
  if (tkernels_session_create(&params, &session) != TKERNELS_OK) return std::fprintf(stderr, "%s\n", tkernels_last_message()), 1;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) threads.emplace_back(at_once, session, t);
  for (std::thread &t : threads) t.join();
  mixed_order(session, count);
  tkernels_session_destroy(session);
  std::printf("%u kernels, %d failures\n", count, int(failures));
  return failures ? 1 : 0;
}
