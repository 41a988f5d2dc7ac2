// SPDX-License-Identifier: MIT
// Differential test: random programs (random_program.hh) in the interpreter against the CPU, through the public ABI.
//
//   random_programs [--count N] [--seed S] [--print S] [--keep FOLDER] [--allow-refused] [--interp-only]
//                   [--target T]
//
// Program number i has seed S + i; a failure prints its seed, and --print S shows that program. --keep writes each
// failing program into a folder. A program that the compiler refuses counts as a failure, but for --allow-refused.
#include "random_program.hh"
#include "common/status.hh"
#include "common/status.hh"
#include "tdriver/launch.h"
#include "tdriver/memory.h"
#include "tir/interp.h"
#include "tir/text.h"
#include "tir/verify.h"
#include "tkernels/session.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

using namespace fuzz;

enum class Verdict { good, differs, refused, broken };

struct Devices {
  tdriver_driver *driver = nullptr;
  tdriver_device *device = nullptr;
  tkernels_session *session = nullptr;
  const char *target = nullptr; // NULL: cpu:native
};

static std::string clip(const char *text) {
  std::string line = text;
  size_t end = line.find('\n');
  if (end != std::string::npos) line.resize(end);
  return line;
}

/// The interpreter's results in `contents`; per element, whether it is defined.
static Verdict run_interpreter(const Program &program, std::vector<std::vector<uint8_t>> *contents, std::vector<std::vector<uint8_t>> *defined, std::string *why) {
  tir_context *context = nullptr;
  tir_module *module = nullptr;
  tir_context_create(nullptr, &context);
  tir_status status = tir_module_parse(context, program.text.data(), program.text.size(), "random.ttir", &module);
  if (status == TIR_OK) status = tir_module_verify(module);
  std::vector<tir_interp_arg> args(program.buffers.size() + 1);
  std::vector<std::vector<uint8_t>> shadows(program.buffers.size());
  if (status == TIR_OK) {
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      shadows[i].resize((*contents)[i].size());
      args[i] = {};
      args[i].struct_size = sizeof(args[i]);
      args[i].kind = TIR_INTERP_BUFFER;
      args[i].data = (*contents)[i].data();
      args[i].size = (*contents)[i].size();
      args[i].shadow = shadows[i].data();
    }
    tir_interp_arg &scalar = args.back();
    scalar = {};
    scalar.struct_size = sizeof(scalar);
    scalar.kind = TIR_INTERP_SCALAR;
    scalar.bits = uint32_t(program.scalar);
    tir_interp_params params = TIR_INTERP_PARAMS_INIT;
    for (int d = 0; d < 3; ++d) params.grid[d] = int32_t(program.grid[d]);
    status = tir_interp_run(module, "random", &params, args.data(), args.size());
  }
  if (status != TIR_OK) *why = std::string("interpreter: ") + tir_last_message();
  tir_module_destroy(module);
  tir_context_destroy(context);
  if (status != TIR_OK) return Verdict::broken;
  for (size_t i = 0; i < shadows.size(); ++i) {
    const unsigned size = tool::info(program.buffers[i].type).size;
    (*defined)[i].assign(shadows[i].size() / size, 1);
    for (size_t k = 0; k < shadows[i].size(); ++k)
      if (shadows[i][k] == TIR_SHADOW_UNDEFINED) (*defined)[i][k / size] = 0;
  }
  return Verdict::good;
}

static Verdict run_device(const Devices &d, const Program &program, std::vector<std::vector<uint8_t>> *contents, std::string *why) {
  tkernels_get_params get = TKERNELS_GET_PARAMS_INIT;
  get.options = "fp_fusion=off";
  get.source_name = "random.ttir";
  tkernels_kernel *kernel = nullptr;
  get.target = d.target;
  tkernels_status status = tkernels_session_get(d.session, program.text.data(), program.text.size(), &get, &kernel);
  if (status != TKERNELS_OK) {
    *why = std::string("compiler: ") + tkernels_last_message();
    return status == TKERNELS_UNSUPPORTED ? Verdict::refused : Verdict::broken;
  }
  // Every buffer ends where its memory ends, and a guard behind it shows a store too many.
  constexpr size_t guard = 256;
  std::vector<tdriver_memory *> memory(program.buffers.size(), nullptr);
  std::vector<uint64_t> values(program.buffers.size() + 1);
  std::vector<const void *> args(values.size());
  std::vector<uint8_t *> bytes(program.buffers.size());
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    void *pointer = nullptr;
    if (tdriver_memory_alloc(d.device, (*contents)[i].size() + guard, TDRIVER_MEMORY_DEVICE, &memory[i]) != TDRIVER_OK || tdriver_memory_get(memory[i], &pointer, nullptr) != TDRIVER_OK) std::abort();
    bytes[i] = static_cast<uint8_t *>(pointer);
    std::memcpy(bytes[i], (*contents)[i].data(), (*contents)[i].size());
    std::memset(bytes[i] + (*contents)[i].size(), 0x5a, guard);
    values[i] = reinterpret_cast<uintptr_t>(pointer);
  }
  values.back() = uint32_t(program.scalar);
  for (size_t i = 0; i < values.size(); ++i) args[i] = &values[i];
  status = tkernels_launch(kernel, nullptr, program.grid, args.data(), uint32_t(args.size()));
  if (status == TKERNELS_OK) status = tkernels_session_synchronize(d.session, nullptr);
  Verdict verdict = Verdict::good;
  if (status != TKERNELS_OK) {
    *why = std::string("launch: ") + tkernels_last_message();
    verdict = Verdict::broken;
  }
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const size_t size = (*contents)[i].size();
    std::memcpy((*contents)[i].data(), bytes[i], size);
    for (size_t k = 0; k < guard && verdict == Verdict::good; ++k)
      if (bytes[i][size + k] != 0x5a) {
        *why = "a store " + std::to_string(k) + " bytes behind buffer " + std::to_string(i);
        verdict = Verdict::broken;
      }
    tdriver_memory_free(memory[i]);
  }
  tkernels_kernel_release(kernel);
  return verdict;
}

static Verdict run_one(const Devices *devices, const Program &program, uint64_t seed, std::string *why) {
  std::vector<std::vector<uint8_t>> initial, got, want;
  for (size_t i = 0; i < program.buffers.size(); ++i) initial.push_back(make_contents(program.buffers[i], seed * 1000 + i));
  want = got = initial;
  std::vector<std::vector<uint8_t>> defined(program.buffers.size());
  if (Verdict v = run_interpreter(program, &want, &defined, why); v != Verdict::good) return v;
  if (!devices) return Verdict::good;
  if (Verdict v = run_device(*devices, program, &got, why); v != Verdict::good) return v;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer &b = program.buffers[i];
    tool::Rule rule = b.output ? tool::choose_rule(b.features) : tool::Rule{};
    tool::Difference d = tool::compare(b.type, got[i].data(), want[i].data(), b.count, defined[i].data(), rule);
    if (d.agree()) continue;
    const unsigned size = tool::info(b.type).size;
    *why = tessera::format("buffer %zu (%s, %s): %llu of %llu differ, first at %llu: %.9g, expected %.9g; largest absolute %.3g, ULP %.0f", i, tool::info(b.type).name, rule.name,
                           (unsigned long long)d.differing, (unsigned long long)d.compared, (unsigned long long)d.first, tool::load_double(b.type, got[i].data() + d.first * size),
                           tool::load_double(b.type, want[i].data() + d.first * size), d.max_absolute, d.max_ulp);
    return Verdict::differs;
  }
  return Verdict::good;
}

static bool open_devices(Devices *d) {
  const char *device = d->target && !std::strncmp(d->target, "emu:", 4) ? "emu" : "cpu";
  if (tdriver_create(nullptr, &d->driver) != TDRIVER_OK || tdriver_device_open(d->driver, device, &d->device) != TDRIVER_OK) {
    std::fprintf(stderr, "driver: %s\n", tdriver_last_message());
    return false;
  }
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  params.driver_device = d->device;
  params.cache_flags = 2; // no disk: these programs come once
  if (tkernels_session_create(&params, &d->session) != TKERNELS_OK) {
    std::fprintf(stderr, "session: %s\n", tkernels_last_message());
    return false;
  }
  return true;
}

int main(int argc, char **argv) {
  uint64_t count = 200, seed = 1;
  bool allow_refused = false, interp_only = false;
  const char *keep = nullptr, *target = nullptr;
  for (int i = 1; i < argc; ++i) {
    auto is = [&](const char *name) { return !std::strcmp(argv[i], name); };
    if (is("--allow-refused")) allow_refused = true;
    else if (is("--interp-only")) interp_only = true;
    else if (i + 1 < argc && is("--count")) count = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && is("--seed")) seed = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && is("--target")) target = argv[++i];
    else if (i + 1 < argc && is("--keep")) keep = argv[++i];
    else if (i + 1 < argc && is("--print")) {
      std::fputs(make_program(std::strtoull(argv[++i], nullptr, 10)).text.c_str(), stdout);
      return 0;
    } else return std::fprintf(stderr, "unknown argument '%s'\n", argv[i]), 1;
  }
  Devices devices;
  devices.target = target;
  if (!interp_only && !open_devices(&devices)) return 1;
  uint64_t tally[4] = {};
  std::map<std::string, unsigned> reasons;
  for (uint64_t i = 0; i < count; ++i) {
    Program program = make_program(seed + i);
    std::string why;
    Verdict verdict = run_one(interp_only ? nullptr : &devices, program, seed + i, &why);
    ++tally[int(verdict)];
    if (verdict == Verdict::good) continue;
    static constexpr const char *words[] = {"", "DIFFERS", "refused", "BROKEN"};
    if (verdict == Verdict::refused) ++reasons[clip(why.c_str())];
    if (verdict != Verdict::refused || !allow_refused) {
      std::printf("seed %llu %s: %s\n", (unsigned long long)(seed + i), words[int(verdict)], clip(why.c_str()).c_str());
      std::fflush(stdout);
      if (keep) {
        std::string path = std::string(keep) + "/" + std::to_string(seed + i) + ".ttir";
        if (FILE *f = std::fopen(path.c_str(), "w")) {
          std::fputs(program.text.c_str(), f);
          std::fclose(f);
        }
      }
    }
  }
  for (const auto &[reason, times] : reasons) std::printf("refused %u times: %s\n", times, reason.c_str());
  std::printf("%llu programs from seed %llu: %llu good, %llu differ, %llu refused, %llu broken\n", (unsigned long long)count, (unsigned long long)seed,
              (unsigned long long)tally[0], (unsigned long long)tally[1], (unsigned long long)tally[2], (unsigned long long)tally[3]);
  tkernels_session_destroy(devices.session);
  tdriver_device_close(devices.device);
  tdriver_destroy(devices.driver);
  return tally[1] || tally[3] || (tally[2] && !allow_refused) ? 1 : 0;
}
