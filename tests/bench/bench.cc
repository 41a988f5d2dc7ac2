// SPDX-License-Identifier: MIT
// Benchmarks on the CPU, each beside a peer measured in the same run, alternating with it.
//   bench [--json FILE] [--quick] FOLDER     FOLDER holds the kernels (tests/)
//   bench --cold FILE                        one fresh compile: prints the milliseconds from text to loaded kernel
// Medians of 15 samples (cold processes: 9). Peers: C loops of this file (the same compiler flags), OpenBLAS.
#include "tdriver/launch.h"
#include "tdriver/memory.h"
#include "tcodegen/artifact.h"
#include "tcodegen/compile.h"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <immintrin.h>
#include <sstream>
#include <string>
#include <thread>
#include <vector>
#if HAVE_OPENBLAS
#include <cblas.h>
extern "C" void openblas_set_num_threads(int);
extern "C" char *openblas_get_config(void);
extern "C" char *openblas_get_corename(void);
#endif

static double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
[[noreturn]] static void die(const char *what, const char *why) {
  std::fprintf(stderr, "bench: %s: %s\n", what, why);
  std::exit(1);
}
static std::string read_file(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) die(path.c_str(), "cannot be read");
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

struct Quartiles {
  double q1, median, q3;
};
static Quartiles quartiles(std::vector<double> t) {
  std::sort(t.begin(), t.end());
  return {t[t.size() / 4], t[t.size() / 2], t[t.size() * 3 / 4]};
}

struct Device {
  tdriver_driver *driver = nullptr;
  tdriver_device *device = nullptr;
  tdriver_stream *stream = nullptr;
  explicit Device(unsigned threads) {
    tdriver_params p = TDRIVER_PARAMS_INIT;
    p.threads = threads;
    if (tdriver_create(&p, &driver) || tdriver_device_open(driver, "cpu", &device) ||
        tdriver_stream_get_default(device, &stream))
      die("driver", tdriver_last_message());
  }
};

static tdriver_kernel *load(Device &d, const std::string &path) {
  std::string text = read_file(path);
  tcodegen_compiler *compiler = nullptr;
  tcodegen_artifact *artifact = nullptr;
  if (tcodegen_compiler_create(nullptr, &compiler)) die("compiler", tcodegen_last_message());
  tcodegen_params p = TCODEGEN_PARAMS_INIT;
  p.target = "cpu:native";
  if (tcodegen_compile(compiler, text.data(), text.size(), &p, &artifact)) die(path.c_str(), tcodegen_last_message());
  tdriver_kernel *kernel = nullptr;
  if (tdriver_kernel_load(d.device, tcodegen_artifact_data(artifact), tcodegen_artifact_size(artifact), &kernel)) die(path.c_str(), tdriver_last_message());
  tcodegen_artifact_destroy(artifact);
  tcodegen_compiler_destroy(compiler);
  return kernel;
}
static void launch(Device &d, tdriver_kernel *k, uint32_t x, uint32_t y, const std::vector<const void *> &args) {
  const uint32_t grid[3] = {x, y, 1};
  if (tdriver_launch(k, d.stream, grid, args.data(), (uint32_t)args.size()) || tdriver_stream_synchronize(d.stream))
    die("launch", tdriver_last_message());
}

static float *floats(size_t n) {
  auto *p = static_cast<float *>(std::aligned_alloc(4096, (n * 4 + 4095) / 4096 * 4096));
  uint32_t s = 12345;
  for (size_t i = 0; i < n; ++i) {
    s = s * 1664525u + 1013904223u;
    p[i] = (float)(int32_t)s * (1.0f / 1073741824.0f);
  }
  return p;
}

// ---- peers -------------------------------------------------------------------------------------------------------

__attribute__((noinline)) static void c_add(const float *x, const float *y, float *z, size_t n) {
  for (size_t i = 0; i < n; ++i) z[i] = x[i] + y[i];
}

// The exponential of the compiler's vector math, written by hand with the same reduction and degree.
#if defined(__AVX512F__)
using V = __m512;
constexpr size_t kW = 16;
static V v_exp(V x) {
  V n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
  V r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  V p = _mm512_set1_ps(1.9875691500e-4f);
  for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
  return _mm512_scalef_ps(p, n);
}
static V v_load(const float *p) { return _mm512_loadu_ps(p); }
static void v_store(float *p, V v) { _mm512_storeu_ps(p, v); }
static V v_set(float x) { return _mm512_set1_ps(x); }
static V v_max(V a, V b) { return _mm512_max_ps(a, b); }
static float h_max(V a) { return _mm512_reduce_max_ps(a); }
static float h_sum(V a) { return _mm512_reduce_add_ps(a); }
#else
using V = __m256;
constexpr size_t kW = 8;
static V v_exp(V x) {
  V n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), 8);
  V r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  V p = _mm256_set1_ps(1.9875691500e-4f);
  for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c));
  p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1.0f)));
  __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(e));
}
static V v_load(const float *p) { return _mm256_loadu_ps(p); }
static void v_store(float *p, V v) { _mm256_storeu_ps(p, v); }
static V v_set(float x) { return _mm256_set1_ps(x); }
static V v_max(V a, V b) { return _mm256_max_ps(a, b); }
static float h_max(V a) {
  float t[8], m;
  _mm256_storeu_ps(t, a);
  m = t[0];
  for (float x : t) m = std::max(m, x);
  return m;
}
static float h_sum(V a) {
  float t[8], m = 0;
  _mm256_storeu_ps(t, a);
  for (float x : t) m += x;
  return m;
}
#endif
/// Rows [first, last) of `columns` (a multiple of 4·kW) elements; three passes over a row that stays in the cache.
static void c_softmax(const float *x, float *z, size_t columns, size_t first, size_t last) {
  for (size_t r = first; r < last; ++r) {
    const float *row = x + r * columns;
    float *out = z + r * columns;
    V m[4], s[4];
    for (int k = 0; k < 4; ++k) m[k] = v_load(row + k * kW), s[k] = v_set(0.0f);
    for (size_t i = 4 * kW; i < columns; i += 4 * kW)
      for (int k = 0; k < 4; ++k) m[k] = v_max(m[k], v_load(row + i + k * kW));
    V top = v_set(h_max(v_max(v_max(m[0], m[1]), v_max(m[2], m[3]))));
    for (size_t i = 0; i < columns; i += 4 * kW)
      for (int k = 0; k < 4; ++k) {
        V e = v_exp(v_load(row + i + k * kW) - top);
        v_store(out + i + k * kW, e);
        s[k] = s[k] + e;
      }
    V inverse = v_set(1.0f / h_sum((s[0] + s[1]) + (s[2] + s[3])));
    for (size_t i = 0; i < columns; i += kW) v_store(out + i, v_load(out + i) * inverse);
  }
}

// ---- the report ------------------------------------------------------------------------------------------------

struct Row {
  std::string name, unit, peer;
  double ours, theirs, goal; // in `unit`, ratio ours/theirs ≥ goal; theirs 0: ours must be ≤ goal
  Quartiles t, u;
};
static std::vector<Row> rows;
static int samples = 15;

/// Alternates the two; work / time(ms) · scale is the figure.
static void versus(const char *name, const char *unit, const char *peer, double work, double goal,
                   const std::function<void()> &ours, const std::function<void()> &theirs) {
  std::vector<double> a, b;
  ours();
  theirs();
  for (int i = 0; i < samples; ++i) {
    double t = now();
    ours();
    a.push_back(now() - t);
    t = now();
    theirs();
    b.push_back(now() - t);
  }
  Quartiles q = quartiles(a), p = quartiles(b);
  rows.push_back({name, unit, peer, work / q.median / 1e6, work / p.median / 1e6, goal, q, p});
  const Row &r = rows.back();
  std::printf("%-34s %8.2f %-8s %-34s %8.2f   ratio %.2f (goal %.2f)\n", name, r.ours, unit, peer, r.theirs,
              r.ours / r.theirs, goal);
  std::fflush(stdout);
}
static void alone(const char *name, const char *unit, double goal, std::vector<double> t) {
  Quartiles q = quartiles(std::move(t));
  rows.push_back({name, unit, "", q.median, 0, goal, q, {}});
  std::printf("%-34s %8.2f %-8s quartiles %.2f and %.2f (goal %.2f)\n", name, q.median, unit, q.q1, q.q3, goal);
  std::fflush(stdout);
}

static void cold(const char *self, const char *name, const std::string &path, double goal) {
  std::vector<double> t;
  for (int i = 0; i < 9; ++i) {
    std::string command = std::string("'") + self + "' --cold '" + path + "'";
    FILE *p = popen(command.c_str(), "r");
    double ms = 0;
    if (!p || std::fscanf(p, "%lf", &ms) != 1) die(name, "the fresh process failed");
    pclose(p);
    t.push_back(ms);
  }
  alone(name, "ms", goal, t);
}

int main(int argc, char **argv) {
  std::string folder, json;
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    std::string a = argv[i];
    if (a == "--cold" && i + 1 < argc) {
      double t = now();
      Device d(1);
      load(d, argv[i + 1]);
      std::printf("%.3f\n", now() - t);
      return 0;
    }
    if (a == "--json" && i + 1 < argc) json = argv[++i];
    else if (a == "--quick") quick = true;
    else if (a[0] == '-') die(a.c_str(), "unknown option (usage: bench [--json FILE] [--quick] FOLDER)");
    else folder = a;
  }
  if (folder.empty()) die("usage", "bench [--json FILE] [--quick] FOLDER");
  if (quick) samples = 5;
  unsigned hardware = std::max(1u, std::thread::hardware_concurrency());
  Device all(0), one(1), two(2);
  std::printf("%u hardware threads, vectors of %zu floats in the C peers\n", hardware, kW);

  {
    const size_t n = quick ? 1 << 24 : 1 << 26;
    float *x = floats(n), *y = floats(n), *z = floats(n);
    int32_t count = (int32_t)n;
    tdriver_kernel *k = load(all, folder + "/run/add_f32.ttir");
    versus("vector add f32, all threads", "GB/s", "C loop, as many threads", 12.0 * n, 0.9,
           [&] { launch(all, k, (uint32_t)((n + 255) / 256), 1, {&x, &y, &z, &count}); },
           [&] {
             std::vector<std::thread> pool;
             for (unsigned t = 1; t < hardware; ++t)
               pool.emplace_back([=] { c_add(x + n / hardware * t, y + n / hardware * t, z + n / hardware * t, n / hardware); });
             c_add(x, y, z, n / hardware);
             for (auto &t : pool) t.join();
           });
    std::free(x), std::free(y), std::free(z);
  }
  {
    const size_t n = 4096;
    float *x = floats(n * n), *z = floats(n * n);
    int32_t c = 4096;
    tdriver_kernel *k = load(one, folder + "/bench/softmax_4096.ttir");
    versus("softmax f32 4096x4096, 1 thread", "GB/s", "hand-written C, 1 thread", 8.0 * n * n, 0.7,
           [&] { launch(one, k, 4096, 1, {&x, &z, &c, &c, &c}); }, [&] { c_softmax(x, z, n, 0, n); });
    tdriver_kernel *ka = load(all, folder + "/bench/softmax_4096.ttir");
    versus("softmax f32 4096x4096, all threads", "GB/s", "hand-written C, as many threads", 8.0 * n * n, 0.7,
           [&] { launch(all, ka, 4096, 1, {&x, &z, &c, &c, &c}); },
           [&] {
             std::vector<std::thread> pool;
             for (unsigned t = 1; t < hardware; ++t)
               pool.emplace_back([=] { c_softmax(x, z, n, n / hardware * t, n / hardware * (t + 1)); });
             c_softmax(x, z, n, 0, n / hardware);
             for (auto &t : pool) t.join();
           });
    std::free(x), std::free(z);
  }
#if HAVE_OPENBLAS
  {
    const int n = 1024;
    float *a = floats((size_t)n * n), *bm = floats((size_t)n * n), *c = floats((size_t)n * n), *d = floats((size_t)n * n);
    int32_t s = n;
    openblas_set_num_threads(1);
    std::string peer = std::string("OpenBLAS ") + openblas_get_corename() + ", 1 thread";
    tdriver_kernel *k = load(one, folder + "/run/matmul_f32.ttir");
    versus("matmul f32 1024, 1 thread", "GFLOP/s", peer.c_str(), 2.0 * n * n * n, 0.5,
           [&] { launch(one, k, n / 64, n / 64, {&a, &bm, &c, &s, &s, &s, &s, &s, &s}); },
           [&] { cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, bm, n, 0, d, n); });
    double worst = 0;
    for (size_t i = 0; i < (size_t)n * n; ++i) worst = std::max(worst, (double)std::fabs(c[i] - d[i]));
    if (worst > 1e-2) die("matmul", "the results differ from OpenBLAS");
    std::free(a), std::free(bm), std::free(c), std::free(d);
  }
#else
  std::printf("matmul: skipped, OpenBLAS is missing\n");
#endif
  auto latency = [&](const char *name, Device &d, uint32_t programs, double goal) {
    tdriver_kernel *k = load(d, folder + "/bench/empty.ttir");
    int32_t v = 1;
    std::vector<double> t;
    for (int i = 0; i < 15; ++i) {
      double s = now();
      for (int r = 0; r < 1000; ++r) launch(d, k, programs, 1, {&v});
      t.push_back((now() - s));
    }
    alone(name, "us", goal, t); // ms for 1000 launches = us for one
  };
  latency("empty kernel, 1 program", two, 1, 2);
  latency("empty kernel, 64 programs, 2 thr.", two, 64, 15);
  cold(argv[0], "cold compile: vector add", folder + "/run/add_f32.ttir", 25);
  cold(argv[0], "cold compile: softmax", folder + "/bench/softmax_4096.ttir", 30);
  cold(argv[0], "cold compile: matmul f16", folder + "/run/matmul_f16.ttir", 100);

  int missed = 0;
  for (const Row &r : rows) missed += r.theirs > 0 ? r.ours / r.theirs < r.goal : r.ours > r.goal;
  std::printf("%zu figures, %d short of the goal\n", rows.size(), missed);
  if (!json.empty()) {
    std::ofstream out(json);
    out << "[\n";
    for (size_t i = 0; i < rows.size(); ++i) {
      const Row &r = rows[i];
      char line[512];
      std::snprintf(line, sizeof line,
                    "  {\"name\": \"%s\", \"unit\": \"%s\", \"ours\": %.4f, \"peer\": \"%s\", \"theirs\": %.4f, \"goal\": %.2f, "
                    "\"ours_ms\": [%.5f, %.5f, %.5f], \"theirs_ms\": [%.5f, %.5f, %.5f]}%s\n",
                    r.name.c_str(), r.unit.c_str(), r.ours, r.peer.c_str(), r.theirs, r.goal, r.t.q1, r.t.median, r.t.q3,
                    r.u.q1, r.u.median, r.u.q3, i + 1 < rows.size() ? "," : "");
      out << line;
    }
    out << "]\n";
  }
  return 0;
}
