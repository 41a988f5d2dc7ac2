// SPDX-License-Identifier: MIT
// `tessera run`: one kernel, its arguments from the command line, on the CPU or in the interpreter.
#include "commands.hh"
#include "launch.hh"
#include "npy.hh"
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>
#include <unistd.h>

namespace tool {

using Json = nlohmann::ordered_json;

static constexpr Flag flags[] = {
    {"--kernel", "NAME", "the kernel, where the file has several"},
    {"--target", "cpu|interp|null|cuda[:N]|emu[:90a]", "where to run it (default: cpu)"},
    {"--grid", "X[,Y[,Z]]", "how many programs (required)"},
    {"--check", "interp|cpu", "compare every buffer with the interpreter's, or the CPU's"},
    {"--tol", "R[,A]", "--check: relative and absolute tolerance, instead of the one that the kernel's operations set"},
    {"--bench", nullptr, "time the launch: median and quartiles after a warm-up"},
    {"--flops", "N", "--bench: operations of one launch, to print GFLOP/s"},
    {"--json", nullptr, "print the results as JSON"},
    {"--seed", "N", "of rand: arguments (default: 0)"},
    {"--timeout", "S", "give up after so many seconds"},
    {"--no-promises", nullptr, "compile as if the kernel declared nothing about its arguments"},
    {"--num-warps", "N", "GPU: warps of one program"},
    {"--num-stages", "N", "GPU: stages of pipelined loops"},
    {"--options", "NAME=VALUE,...", "compiler options (fp_fusion=off, ...)"},
};

static constexpr Flag bench_flags[] = {
    {"--kernel", "NAME", "the kernel, where the file has several"},
    {"--target", "cpu|null|cuda[:N]|emu[:90a]", "where to run it (default: cpu)"},
    {"--grid", "X[,Y[,Z]]", "how many programs (required)"},
    {"--warmup", "N", "launches before the first sample (default: 3)"},
    {"--repetitions", "N", "samples (default: as many as fit --time, 15 to 10000)"},
    {"--inner", "N", "launches per sample, whose time is divided by N (default: 1)"},
    {"--time", "MS", "for all samples together, without --repetitions (default: 500)"},
    {"--no-flush", nullptr, "GPU: leave the L2 cache as the sample before left it"},
    {"--graph", nullptr, "GPU: replay the launches of a sample from a graph"},
    {"--check", "interp|cpu", "first compare every buffer with the interpreter's, or the CPU's"},
    {"--tol", "R[,A]", "--check: relative and absolute tolerance"},
    {"--flops", "N", "operations of one launch, to print GFLOP/s"},
    {"--json", nullptr, "print the results as JSON"},
    {"--seed", "N", "of rand: arguments (default: 0)"},
    {"--timeout", "S", "give up after so many seconds"},
    {"--no-promises", nullptr, "compile as if the kernel declared nothing about its arguments"},
    {"--num-warps", "N", "GPU: warps of one program"},
    {"--num-stages", "N", "GPU: stages of pipelined loops"},
    {"--options", "NAME=VALUE,...", "compiler options (fp_fusion=off, ...)"},
};

static constexpr char bench_details[] =
    "Prints median and quartiles of the time of one launch, measured on the device where it has a clock of its own.\n"
    "Arguments, and what their forms are: tessera run --help.\n"
    "Exit codes: 0 good, 1 bad input or usage, 2 compile error, 3 results differ, 4 run-time or device failure.\n";

static constexpr char details[] =
    "Arguments, in the order of the kernel's:\n"
    "  T:value                 a scalar (i32:784, f32:1e-5, i1:1)\n"
    "  @x.npy                  an array read from a file\n"
    "  @x.npy:inout            the same, written back at the end\n"
    "  out:f32[48x816]         an array of zeros; with =y.npy behind it written there at the end\n"
    "  rand:f16[64x64]         random numbers (normal, or 0 ... 99 for integers); with =x.npy kept there\n"
    "T is one of f16 bf16 f32 f64 f8e4m3 f8e5m2 i1 i8 i16 i32 i64 u8 u16 u32 u64. In .npy files bf16 is u2, fp8 is u1.\n"
    "\nWhat the kernel declares about its arguments (tt.divisibility) is checked.\n"
    "Exit codes: 0 good, 1 bad input or usage, 2 compile error, 3 results differ, 4 run-time or device failure.\n";

static int parse_grid(const char *text, uint32_t grid[3]) {
  auto parts = split(text, ',');
  bool good = parts.size() >= 1 && parts.size() <= 3;
  uint64_t product = 1;
  grid[0] = grid[1] = grid[2] = 1;
  for (size_t i = 0; i < parts.size() && good; ++i) {
    uint64_t n;
    good = parse_u64(parts[i], &n) && n >= 1 && n < (1u << 31);
    if (good) grid[i] = uint32_t(n);
    good = good && !__builtin_mul_overflow(product, n, &product) && product < (uint64_t(1) << 62);
  }
  if (good) return exit_good;
  return error(exit_input, "--grid '%s': expected one to three positive numbers, as in 16 or 4,2,1", text);
}

/// Ends the process when the time is up: the interpreter and a kernel can both go on for ever.
static std::atomic<bool> run_is_over{false};
static void start_timeout(double seconds) {
  std::thread([seconds] {
    timespec t{time_t(seconds), long((seconds - std::floor(seconds)) * 1e9)};
    nanosleep(&t, nullptr);
    if (run_is_over) return;
    std::fprintf(stderr, "error: not done after %g seconds (--timeout)\n", seconds);
    _exit(exit_runtime);
  }).detach();
}

struct Run {
  const Options &options;
  Module module;
  KernelInfo kernel;
  uint32_t grid[3];
  std::vector<Argument> arguments;
  std::string target;
  bool promises = true, json = false;
  std::string compile_options;
  Json report;
  bool timed = false;
  BenchWish wish{};
};

static bool is_gpu(const std::string &target) { return !target.compare(0, 4, "cuda") || !target.compare(0, 3, "emu"); }

/// cpu, null, interp; cuda or cuda:N, a device; emu or emu:90a, a device that is told what to be.
static bool known_target(const std::string &t) {
  if (t == "cpu" || t == "null" || t == "interp" || t == "cuda" || t == "emu") return true;
  uint64_t n;
  if (!t.compare(0, 5, "cuda:")) return parse_u64(t.substr(5), &n) && n < 1000;
  return !t.compare(0, 4, "emu:") && t.size() > 4;
}

static int bind_arguments(Run *run, uint64_t seed) {
  const auto &given = run->options.positional;
  const auto &parameters = run->kernel.parameters;
  if (given.size() - 1 != parameters.size()) {
    std::string wanted;
    for (const Parameter &p : parameters) wanted += (wanted.empty() ? "" : ", ") + (p.name.empty() ? "" : p.name + ": ") + p.type;
    return error(exit_input, "kernel '%s' takes %zu arguments (%s), found %zu", run->kernel.name.c_str(), parameters.size(), wanted.c_str(), given.size() - 1);
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    auto spec = parse_arg(given[i + 1]);
    if (!spec.ok()) return error(spec.status.code == tessera::Code::UNSUPPORTED ? int(exit_runtime) : int(exit_input), "%s", spec.status.message.c_str());
    auto argument = bind_arg(spec.value, parameters[i], i, seed);
    if (!argument.ok()) return error(exit_input, "%s", argument.status.message.c_str());
    if (run->promises && !argument.value.buffer)
      if (auto s = check_promise(parameters[i], i, false, argument.value.bits); !s.ok()) return error(exit_input, "%s", s.message.c_str());
    run->arguments.push_back(std::move(argument.value));
  }
  return exit_good;
}

static std::string place(uint64_t index, const std::vector<int64_t> &shape) {
  if (shape.size() < 2) return std::to_string(index);
  std::string text;
  for (size_t d = shape.size(); d-- > 0;) {
    uint64_t n = uint64_t(shape[d]);
    text = std::to_string(n ? index % n : 0) + (text.empty() ? "" : ",") + text;
    if (n) index /= n;
  }
  return text;
}

/// JSON has no infinity; null stands for it.
static Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

static int check(Run *run, const Outcome &got, const Outcome &reference) {
  Rule rule = choose_rule(run->kernel.features);
  const char *who = std::strcmp(run->options.get("--check"), "cpu") ? "interpreter" : "CPU";
  if (const char *text = run->options.get("--tol"))
    if (!parse_tolerance(text, &rule)) return error(exit_input, "--tol '%s': expected R or R,A, as in 1e-5 or 1e-3,1e-6", text);
  bool agree = true;
  Json rows = Json::array();
  if (!run->json) {
    if (rule.exact) std::printf("check against the %s: exact\n", who);
    else if (rule.scaled_atol) std::printf("check against the %s: %s, rtol %g, atol %g of the largest\n", who, rule.name, rule.rtol, rule.rtol);
    else std::printf("check against the %s: %s, rtol %g, atol %g\n", who, rule.name, rule.rtol, rule.atol);
  }
  for (size_t i = 0; i < run->arguments.size(); ++i) {
    const Argument &a = run->arguments[i];
    if (!a.buffer) continue;
    // What the kernel does not write must stay as it was, to the bit.
    bool written = reference.buffers[i] != a.bytes || a.output;
    Difference d = compare(a.type, got.buffers[i].data(), reference.buffers[i].data(), a.count(), reference.defined[i].data(), written ? rule : Rule{});
    agree &= d.agree();
    const std::string name = argument_name(run->kernel.parameters[i], i);
    const char *type = info(a.type).name;
    if (run->json) {
      rows.push_back({{"argument", i}, {"name", run->kernel.parameters[i].name}, {"type", type}, {"shape", a.shape}, {"compared", d.compared},
                      {"undefined", d.undefined}, {"differing", d.differing}, {"max_absolute", number(d.max_absolute)}, {"at_absolute", d.at_absolute},
                      {"max_relative", number(d.max_relative)}, {"at_relative", d.at_relative}, {"max_ulp", number(d.max_ulp)}, {"at_ulp", d.at_ulp}, {"agree", d.agree()}});
      continue;
    }
    std::printf("  %-20s %s[%s]: absolute %.3g at [%s], relative %.3g at [%s], ULP %.0f at [%s]: %s\n", name.c_str(), type, shape_text(a.shape).c_str(),
                d.max_absolute, place(d.at_absolute, a.shape).c_str(), d.max_relative, place(d.at_relative, a.shape).c_str(), d.max_ulp,
                place(d.at_ulp, a.shape).c_str(), d.agree() ? "agree" : "DIFFER");
    if (!d.agree()) {
      const unsigned size = info(a.type).size;
      std::printf("  %-20s %llu of %llu elements differ; first at [%s]: %.9g, expected %.9g\n", "", (unsigned long long)d.differing, (unsigned long long)d.compared,
                  place(d.first, a.shape).c_str(), load_double(a.type, got.buffers[i].data() + d.first * size), load_double(a.type, reference.buffers[i].data() + d.first * size));
    }
    if (d.undefined) std::printf("  %-20s %llu undefined elements were not compared\n", "", (unsigned long long)d.undefined);
  }
  run->report["check"] = {{"class", rule.name}, {"rtol", rule.rtol}, {"atol", rule.atol}, {"atol_scaled", rule.scaled_atol}, {"buffers", rows}, {"agree", agree}};
  if (!agree) return error(exit_differ, "the results differ from the %s's", who);
  return exit_good;
}

static int bench(Run *run, DeviceRun *device) {
  BenchResult b;
  if (int code = device->bench(run->grid, run->wish, &b)) return code;
  uint64_t bytes = 0;
  for (const Argument &a : run->arguments) bytes += a.bytes.size();
  double flops = 0;
  if (const char *text = run->options.get("--flops"))
    if (!parse_double(text, &flops) || !(flops > 0)) return error(exit_input, "--flops '%s' is not a positive number", text);
  double gbs = double(bytes) / b.median * 1e-9, gflops = flops / b.median * 1e-9;
  if (!run->json) {
    std::printf("time: median %.3f us, quartiles %.3f and %.3f us, %u samples%s\n", b.median * 1e6, b.quartile1 * 1e6, b.quartile3 * 1e6, b.samples,
                b.flushed ? ", L2 flushed before each" : "");
    std::printf("rate: %.2f GB/s over %.3f MB of arguments", gbs, double(bytes) * 1e-6);
    if (flops > 0) std::printf(", %.2f GFLOP/s", gflops);
    std::printf("\n");
  }
  static constexpr const char *modes[] = {"?", "host", "events", "graph"};
  Json j = {{"samples", b.samples}, {"mode", modes[b.mode < 4 ? b.mode : 0]}, {"l2_flushed", b.flushed}, {"minimum_s", b.minimum}, {"quartile1_s", b.quartile1}, {"median_s", b.median}, {"quartile3_s", b.quartile3}, {"maximum_s", b.maximum}, {"mean_s", b.mean}, {"bytes", bytes}, {"gb_per_s", gbs}};
  if (flops > 0) j["gflop_per_s"] = gflops;
  run->report["bench"] = j;
  return exit_good;
}

static int save_outputs(Run *run, const Outcome &got) {
  Json saved = Json::array();
  for (size_t i = 0; i < run->arguments.size(); ++i) {
    const Argument &a = run->arguments[i];
    if (!a.buffer || a.save.empty()) continue;
    // A rand: argument that is kept is an input: what was given to the kernel, so that the run can be repeated.
    const bool kept_input = run->options.positional[i + 1].compare(0, 5, "rand:") == 0;
    const std::vector<uint8_t> &bytes = kept_input ? a.bytes : got.buffers[i];
    if (auto s = npy_write(a.save, a.descr, a.shape, bytes.data(), bytes.size()); !s.ok())
      return error(exit_input, "%s: %s", argument_name(run->kernel.parameters[i], i).c_str(), s.message.c_str());
    saved.push_back(a.save);
    if (!run->json) std::printf("wrote %s: %s[%s]\n", a.save.c_str(), info(a.type).name, shape_text(a.shape).c_str());
  }
  run->report["written"] = saved;
  return exit_good;
}

static int run_on_device(Run *run, const std::string &target, DeviceRun *device, Outcome *got) {
  tkernels_get_params params = TKERNELS_GET_PARAMS_INIT;
  const bool gpu = is_gpu(target);
  params.options = gpu ? run->compile_options.c_str() : run->options.get("--options");
  // A cuda device says itself what to compile for.
  const bool emulated = !target.compare(0, 3, "emu");
  if (emulated) params.target = target == "emu" ? "emu:90a" : target.c_str();
  if (!run->promises) params.flags |= TKERNELS_GET_NO_PROMISES;
  const std::string &file = run->options.positional[0];
  if (int code = device->prepare(run->module, file, run->kernel, emulated ? "emu" : target.c_str(), params)) return code;
  if (int code = device->allocate(run->kernel, run->arguments, run->promises)) return code;
  if (int code = device->launch(run->grid, got)) return code;
  static constexpr const char *places[] = {"compiled", "memory cache", "disk cache", "upper cache", "another thread", "session"};
  const tkernels_event &e = device->event;
  const char *from = e.from < 6 ? places[e.from] : "?";
  if (!run->json) {
    std::printf("%s on %s, grid %u,%u,%u: %s in %.2f ms, first launch %.3f ms%s\n", run->kernel.name.c_str(), target.c_str(), run->grid[0], run->grid[1],
                run->grid[2], from, double(e.key_ns + e.cache_ns + e.load_ns) * 1e-6, got->seconds * 1e3, device->executes ? "" : " (nothing was executed)");
  }
  run->report["kernel_from"] = from;
  run->report["times_ms"] = {{"key", double(e.key_ns) * 1e-6}, {"cache", double(e.cache_ns) * 1e-6}, {"compile", double(e.compile_ns) * 1e-6},
                             {"load", double(e.load_ns) * 1e-6}, {"first_launch", got->seconds * 1e3}};
  return exit_good;
}

static int execute(Run *run) {
  const Options &options = run->options;
  uint64_t seed = 0;
  if (const char *text = options.get("--seed"))
    if (!parse_u64(text, &seed)) return error(exit_input, "--seed '%s' is not a number", text);
  if (int code = run->module.read(options.positional[0])) return code;
  if (int code = run->module.verify()) return code;
  if (int code = kernel_info(run->module, options.get("--kernel"), &run->kernel)) return code;
  if (int code = bind_arguments(run, seed)) return code;
  run->report = {{"kernel", run->kernel.name}, {"target", run->target}, {"grid", {run->grid[0], run->grid[1], run->grid[2]}}};
  Outcome got, reference;
  DeviceRun device;
  // The interpreter goes first: it names an access outside the buffers, which would only be a fault on the CPU.
  if (options.has("--check")) {
    if (std::strcmp(options.get("--check"), "cpu")) {
      if (int code = interpret(run->module, run->kernel, run->grid, run->arguments, &reference)) return code;
    } else {
      DeviceRun cpu;
      if (int code = run_on_device(run, "cpu", &cpu, &reference)) return code;
      reference.defined.resize(run->arguments.size());
      for (size_t i = 0; i < run->arguments.size(); ++i)
        if (run->arguments[i].buffer) reference.defined[i].assign(run->arguments[i].count(), 1);
    }
  }
  if (run->target == "interp") {
    if (int code = interpret(run->module, run->kernel, run->grid, run->arguments, &got)) return code;
    if (!run->json)
      std::printf("%s in the interpreter, grid %u,%u,%u: %.3f ms\n", run->kernel.name.c_str(), run->grid[0], run->grid[1], run->grid[2], got.seconds * 1e3);
    run->report["times_ms"] = {{"interpreter", got.seconds * 1e3}};
  } else if (int code = run_on_device(run, run->target, &device, &got)) return code;
  int result = exit_good;
  if (options.has("--check")) {
    result = check(run, got, reference);
    if (result && result != exit_differ) return result;
  }
  if (int code = save_outputs(run, got)) return code;
  if (run->timed)
    if (int code = bench(run, &device)) return code;
  return result;
}

/// A kernel that reaches outside its buffers ends the command with a sentence instead of a bare signal.
static void explain_faults() {
  struct sigaction action = {};
  action.sa_handler = [](int) {
    static constexpr char text[] = "error: the kernel touched memory that it was not given; --target interp or --check interp names the place\n";
    ssize_t ignored = write(2, text, sizeof text - 1);
    (void)ignored;
    _exit(exit_runtime);
  };
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
}

/// `tessera bench`'s own flags.
static int parse_wish(const Options &options, BenchWish *wish) {
  struct {
    const char *flag;
    uint32_t BenchWish::*field;
    uint64_t most;
  } static constexpr numbers[] = {{"--warmup", &BenchWish::warmup, 1000000}, {"--repetitions", &BenchWish::repetitions, 10000000},
                                  {"--inner", &BenchWish::inner, 1000000}, {"--time", &BenchWish::time_ms, 3600000}};
  for (const auto &n : numbers) {
    const char *text = options.get(n.flag);
    uint64_t value;
    if (!text) continue;
    if (!parse_u64(text, &value) || value < 1 || value > n.most)
      return error(exit_input, "%s '%s': expected a number from 1 to %llu", n.flag, text, (unsigned long long)n.most);
    wish->*n.field = uint32_t(value);
  }
  wish->flush = !options.has("--no-flush");
  wish->graph = options.has("--graph");
  return exit_good;
}

static int start(const Options &options, const char *command) {
  Run run{options, {}, {}, {}, {}, options.get("--target", "cpu"), !options.has("--no-promises"), options.has("--json"), {}, {}};
  run.timed = options.has("--bench") || command[0] == 'b';
  if (int code = parse_wish(options, &run.wish)) return code;
  if (options.positional.empty()) return error(exit_input, "tessera %s: expected an IR file (tessera %s --help)", command, command);
  if (!known_target(run.target))
    return error(exit_input, "--target '%s': expected cpu, interp, null, cuda, cuda:N, emu or emu:ARCH", run.target.c_str());
  if (const char *text = options.get("--options")) run.compile_options = text;
  for (const char *flag : {"--num-warps", "--num-stages"}) {
    const char *text = options.get(flag);
    uint64_t n;
    if (!text) continue;
    if (!is_gpu(run.target)) return error(exit_input, "%s: expected --target cuda or emu", flag);
    if (!parse_u64(text, &n) || n < 1 || n > 64) return error(exit_input, "%s '%s': expected a number from 1 to 64", flag, text);
    run.compile_options += (run.compile_options.empty() ? "" : ",") + std::string(flag[6] == 'w' ? "num_warps=" : "num_stages=") + text;
  }
  if (!options.has("--grid")) return error(exit_input, "tessera %s: expected --grid X[,Y[,Z]]", command);
  if (int code = parse_grid(options.get("--grid"), run.grid)) return code;
  if (const char *how = options.get("--check"); how && std::strcmp(how, "interp") && std::strcmp(how, "cpu"))
    return error(exit_input, "--check '%s': expected interp or cpu", how);
  if (options.has("--check") && run.target == "null") return error(exit_input, "--check: the null device runs nothing, there is nothing to compare");
  if (run.timed && run.target == "interp") return error(exit_input, "%s: expected a device, not the interpreter", command[0] == 'b' ? "tessera bench" : "--bench");
  if ((run.wish.graph || !run.wish.flush) && !is_gpu(run.target)) return error(exit_input, "%s: expected --target cuda or emu", run.wish.graph ? "--graph" : "--no-flush");
  if (Rule rule; options.has("--tol") && !parse_tolerance(options.get("--tol"), &rule))
    return error(exit_input, "--tol '%s': expected R or R,A, as in 1e-5 or 1e-3,1e-6", options.get("--tol"));
  if (const char *text = options.get("--timeout")) {
    double seconds;
    if (!parse_double(text, &seconds) || !(seconds > 0) || seconds > 1e6) return error(exit_input, "--timeout '%s' is not a positive number of seconds", text);
    start_timeout(seconds);
  }
  if (run.target == "cpu") explain_faults();
  int code = execute(&run);
  run_is_over = true;
  if (run.json && !run.report.is_null()) {
    run.report["exit"] = code;
    std::printf("%s\n", run.report.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  }
  return code;
}

static int run(const Options &options) { return start(options, "run"); }
static int run_bench(const Options &options) { return start(options, "bench"); }

const Command bench_command = {"bench", "FILE [OPTION]... --grid X[,Y[,Z]] ARGUMENT...", "Compiles a kernel and times it on arguments given here.", bench_details,
                               bench_flags, sizeof(bench_flags) / sizeof(bench_flags[0]), run_bench};

const Command run_command = {"run", "FILE [OPTION]... --grid X[,Y[,Z]] ARGUMENT...", "Compiles a kernel, runs it on arguments given here, and checks or times it.", details, flags,
                             sizeof(flags) / sizeof(flags[0]), run};

} // namespace tool
