// SPDX-License-Identifier: MIT
// tdriver_benchmark: warm-up, empty caches, samples by the host's clock, by events or by replays of a graph.
#include "driver.hh"
#include <algorithm>
#include <ctime>

namespace tdriver {

namespace {

double nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) * 1e9 + double(t.tv_nsec);
}

/// Of sorted samples, linearly interpolated.
double quantile(const std::vector<double> &sorted, double q) {
  double place = q * double(sorted.size() - 1);
  size_t low = size_t(place);
  size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - double(low));
}

constexpr uint32_t limit = 1000000, most_samples = 10000, least_samples = 15;
constexpr uint32_t batch = 128; // samples in flight
constexpr double short_kernel = 20e3;

/// The memory that is written between samples: the device's own, or this process's.
struct Flush {
  tdriver_device *device = nullptr;
  void *pointer = nullptr;
  uint64_t size = 0;
  std::vector<char> host;
  ~Flush() {
    if (pointer) device->backend->memory_free(device->impl, pointer, TDRIVER_MEMORY_DEVICE);
  }
};

/// Two events for each sample in flight.
struct Events {
  tdriver_device *device = nullptr;
  std::vector<void *> list;
  ~Events() {
    for (void *e : list) device->backend->event_destroy(e);
  }
};

struct Graph {
  const tdriver_backend *backend = nullptr;
  void *graph = nullptr, *stream = nullptr;
  ~Graph() {
    if (graph) backend->graph_destroy(graph);
    if (stream) backend->stream_destroy(stream);
  }
};

class Benchmark {
public:
  Benchmark(const Launch &launch, const tdriver_benchmark_params &params)
      : launch_(launch), p_(params), device_(launch.kernel->device), backend_(device_->backend) {}
  Status run(tdriver_benchmark_result *result);

private:
  Status ask(tdriver_status status) { return from_backend(status, report_, "benchmarking"); }
  Status check() const;
  Status once(uint32_t times);
  Status synchronize() { return ask(backend_->stream_synchronize(stream(), &report_)); }
  void *stream() const { return launch_.stream->impl; }
  Status prepare_flush();
  Status flush();
  Status make_events(uint32_t pairs);
  Status choose_mode();
  Status record_graph();
  Status sample_by_host(double *time);
  Status sample_by_events(uint32_t count, std::vector<double> *times);
  bool enough(double begin) const;

  const Launch &launch_;
  tdriver_benchmark_params p_;
  tdriver_device *device_;
  const tdriver_backend *backend_;
  tdriver_report report_ = {};
  uint32_t mode_ = 0, inner_ = 1, capabilities_ = 0;
  uint64_t l2_ = 0;
  double budget_ = 0;
  Flush flush_;
  Events events_;
  Graph graph_;
  std::vector<double> samples_;
};

Status Benchmark::check() const {
  if (p_.warmup > limit || p_.repetitions > limit || p_.inner > limit || p_.time_ms > limit ||
      (p_.flush_bytes > uint64_t(1) << 30 && p_.flush_bytes != TDRIVER_FLUSH_L2))
    return fail(Code::LIMIT,
                "tdriver_benchmark_params: warmup %u, repetitions %u, inner %u, time_ms %u (limit %u), flush_bytes "
                "%llu (limit 2^30)",
                p_.warmup, p_.repetitions, p_.inner, p_.time_ms, limit, (unsigned long long)p_.flush_bytes);
  if (p_.sample_capacity && !p_.samples)
    return fail(Code::INVALID_ARGUMENT, "tdriver_benchmark_params.samples is NULL, but has a capacity of %u",
                p_.sample_capacity);
  if (p_.mode > TDRIVER_BENCHMARK_GRAPH)
    return fail(Code::INVALID_ARGUMENT, "tdriver_benchmark_params.mode is %u, which is unknown", p_.mode);
  return {};
}

Status Benchmark::once(uint32_t times) {
  for (uint32_t i = 0; i < times; ++i) TESSERA_TRY(launch_.start());
  return synchronize();
}

Status Benchmark::prepare_flush() {
  uint64_t size = p_.flush_bytes;
  if (size == TDRIVER_FLUSH_L2) size = l2_ ? 2 * l2_ : uint64_t(64) << 20;
  if (!(capabilities_ & TDRIVER_CAN_TIME_EVENTS)) {
    flush_.host.resize(size);
    return {};
  }
  if (!size) return {};
  flush_.device = device_;
  TESSERA_TRY(ask(backend_->memory_alloc(device_->impl, size, TDRIVER_MEMORY_DEVICE, &flush_.pointer, &report_)));
  flush_.size = size;
  return {};
}

Status Benchmark::flush() {
  for (size_t j = 0; j < flush_.host.size(); j += 64) flush_.host[j] = char(flush_.host[j] + 1);
  if (!flush_.size) return {};
  return ask(backend_->memory_fill(stream(), flush_.pointer, 0, flush_.size, &report_));
}

Status Benchmark::make_events(uint32_t pairs) {
  events_.device = device_;
  while (events_.list.size() < 2 * size_t(pairs)) {
    void *event = nullptr;
    TESSERA_TRY(ask(backend_->event_create(device_->impl, &event, &report_)));
    events_.list.push_back(event);
  }
  return {};
}

Status Benchmark::choose_mode() {
  mode_ = p_.mode;
  bool events = capabilities_ & TDRIVER_CAN_TIME_EVENTS, graphs = capabilities_ & TDRIVER_CAN_GRAPH;
  if (mode_ == TDRIVER_BENCHMARK_AUTO && !events) mode_ = TDRIVER_BENCHMARK_HOST;
  if ((mode_ == TDRIVER_BENCHMARK_EVENTS && !events) || (mode_ == TDRIVER_BENCHMARK_GRAPH && !(events && graphs)))
    return fail(Code::UNSUPPORTED, "benchmark mode %u: device \"%s\" has no %s", mode_, device_->name.c_str(),
                mode_ == TDRIVER_BENCHMARK_GRAPH ? "graphs" : "events of its own clock");
  inner_ = p_.inner ? p_.inner : 1;
  if (mode_ == TDRIVER_BENCHMARK_HOST) return {};
  TESSERA_TRY(make_events(batch));
  if (mode_ == TDRIVER_BENCHMARK_AUTO) {
    mode_ = TDRIVER_BENCHMARK_EVENTS;
    std::vector<double> times;
    TESSERA_TRY(sample_by_events(5, &times));
    std::sort(times.begin(), times.end());
    if (graphs && !flush_.size && times[2] < short_kernel) mode_ = TDRIVER_BENCHMARK_GRAPH;
  }
  if (mode_ == TDRIVER_BENCHMARK_EVENTS) return {};
  if (!p_.inner) inner_ = flush_.size ? 1 : 20;
  return record_graph();
}

/// A graph of `inner_` launches, recorded on a stream of its own: the caller's may be the default one.
Status Benchmark::record_graph() {
  graph_.backend = backend_;
  TESSERA_TRY(ask(backend_->stream_create(device_->impl, &graph_.stream, &report_)));
  TESSERA_TRY(ask(backend_->graph_begin(graph_.stream, &report_)));
  Status launched;
  for (uint32_t i = 0; i < inner_ && launched.ok(); ++i) launched = launch_.start(graph_.stream);
  Status ended = ask(backend_->graph_end(graph_.stream, &graph_.graph, &report_));
  TESSERA_TRY(launched);
  TESSERA_TRY(ended);
  TESSERA_TRY(ask(backend_->graph_launch(graph_.graph, stream(), &report_))); // its first replay is slower
  return synchronize();
}

Status Benchmark::sample_by_host(double *time) {
  TESSERA_TRY(flush());
  double from = nanoseconds();
  TESSERA_TRY(once(inner_));
  *time = (nanoseconds() - from) / inner_;
  return {};
}

Status Benchmark::sample_by_events(uint32_t count, std::vector<double> *times) {
  for (uint32_t i = 0; i < count; ++i) {
    TESSERA_TRY(flush());
    TESSERA_TRY(ask(backend_->event_record(events_.list[2 * i], stream(), &report_)));
    if (mode_ == TDRIVER_BENCHMARK_GRAPH)
      TESSERA_TRY(ask(backend_->graph_launch(graph_.graph, stream(), &report_)));
    else
      for (uint32_t k = 0; k < inner_; ++k) TESSERA_TRY(launch_.start());
    TESSERA_TRY(ask(backend_->event_record(events_.list[2 * i + 1], stream(), &report_)));
  }
  TESSERA_TRY(synchronize());
  for (uint32_t i = 0; i < count; ++i) {
    double time = 0;
    TESSERA_TRY(
        ask(backend_->event_elapsed(events_.list[2 * i], events_.list[2 * i + 1], &time, &report_)));
    times->push_back(time / inner_);
  }
  return {};
}

bool Benchmark::enough(double begin) const {
  size_t n = samples_.size();
  if (p_.repetitions) return n >= p_.repetitions;
  return n >= least_samples && (n >= most_samples || nanoseconds() - begin >= budget_);
}

Status Benchmark::run(tdriver_benchmark_result *result) {
  TESSERA_TRY(check());
  tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
  TESSERA_TRY(ask(backend_->device_info(device_->impl, &info, &report_)));
  capabilities_ = info.capabilities;
  l2_ = info.l2_bytes;
  budget_ = (p_.time_ms ? p_.time_ms : 200) * 1e6;
  uint32_t warmup = p_.warmup ? p_.warmup : 3;
  for (uint32_t i = 0; i < warmup; ++i) TESSERA_TRY(once(1));
  TESSERA_TRY(prepare_flush());
  TESSERA_TRY(choose_mode());
  double begin = nanoseconds();
  while (!enough(begin)) {
    if (mode_ == TDRIVER_BENCHMARK_HOST) {
      double time = 0;
      TESSERA_TRY(sample_by_host(&time));
      samples_.push_back(time);
    } else {
      uint64_t left = p_.repetitions ? p_.repetitions - samples_.size() : least_samples;
      TESSERA_TRY(sample_by_events(uint32_t(std::min<uint64_t>(left, batch)), &samples_));
    }
  }
  for (size_t i = 0; i < samples_.size() && i < p_.sample_capacity; ++i) p_.samples[i] = samples_[i];
  double sum = 0;
  for (double s : samples_) sum += s;
  std::sort(samples_.begin(), samples_.end());
  result->count = uint32_t(samples_.size());
  result->mode = mode_;
  result->minimum = samples_.front();
  result->quartile1 = quantile(samples_, 0.25);
  result->median = quantile(samples_, 0.5);
  result->quartile3 = quantile(samples_, 0.75);
  result->maximum = samples_.back();
  result->mean = sum / double(samples_.size());
  return {};
}

} // namespace

Status benchmark(const Launch &launch, const tdriver_benchmark_params &params, tdriver_benchmark_result *result) {
  return Benchmark(launch, params).run(result);
}

} // namespace tdriver
