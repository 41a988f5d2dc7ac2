// SPDX-License-Identifier: MIT
// `tessera compile`: IR to a kernel object, or to the text of a stage on the way.
#include "commands.hh"
#include "common/tko.hh"
#include "launch.hh"
#include "npy.hh"
#include <cstdio>
#include <cstring>

namespace tool {

static constexpr Flag flags[] = {
    {"--target", "TARGET", "cpu:native, cpu:x86-64-v3, cpu:x86-64-v4, cuda:90a, cuda:80, emu:90a, ... (default: cpu:native)"},
    {"--kernel", "NAME", "the kernel, where the file has several"},
    {"--emit", "STAGE", "what to write: tko (default, the kernel object), ttir, llir; CPU: asm, o; GPU: ttgir, plan, layouts, ptx, cubin, sass"},
    {"-o", "OUT", "where to write it; - is standard output (required without --explain-...)"},
    {"--explain-layouts", nullptr, "GPU: print which thread holds which elements of every tile, as pictures (also --emit layouts)"},
    {"--explain-plan", nullptr, "GPU: print what was planned: stages, buffers and copies of the loops (also --emit plan)"},
    {"--keep-stages", nullptr, "the kernel object also holds the texts of the stages"},
    {"--no-promises", nullptr, "compile as if the kernel declared nothing about its arguments"},
    {"--options", "NAME=VALUE,...", "compiler options (fp_fusion=off, ...)"},
    {"--no-cache", nullptr, "neither look into the cache on disk nor write to it"},
    {"--time", nullptr, "print the times and the size on standard error"},
};

static constexpr char details[] =
    "Nothing is written, and OUT stays as it was, when the compilation fails.\n"
    "Exit codes: 0 good, 1 bad input or usage, 2 compile error, 4 failure of the machine.\n";

static tkernels_status append(void *user, const void *bytes, size_t size) {
  auto *out = static_cast<std::vector<uint8_t> *>(user);
  const auto *p = static_cast<const uint8_t *>(bytes);
  out->insert(out->end(), p, p + size);
  return TKERNELS_OK;
}

static int run(const Options &options) {
  if (options.positional.size() != 1) return error(exit_input, "tessera compile: expected one IR file, found %zu", options.positional.size());
  const char *out = options.get("-o");
  const bool explain_layouts = options.has("--explain-layouts"), explain_plan = options.has("--explain-plan"), explain = explain_layouts || explain_plan;
  if (!out && !explain) return error(exit_input, "tessera compile: expected -o OUT");
  if (out && explain && !std::strcmp(out, "-")) return error(exit_input, "tessera compile: -o - and --explain-... both want standard output");
  const char *emit = options.get("--emit", "tko");
  bool known = false;
  for (const char *e : {"tko", "ttir", "llir", "asm", "o", "ttgir", "plan", "layouts", "ptx", "cubin", "sass"}) known |= !std::strcmp(e, emit);
  if (!known) return error(exit_input, "--emit '%s': expected tko, ttir, llir, asm, o, ttgir, plan, layouts, ptx, cubin or sass", emit);
  bool stage = std::strcmp(emit, "tko") != 0;
  const std::string &path = options.positional[0];
  auto ir = read_file(path);
  if (!ir.ok()) return error(exit_input, "%s", ir.status.message.c_str());
  if (ir.value.empty()) return error(exit_input, "%s: the file is empty", path.c_str());

  tkernels_event event{};
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  if (options.has("--no-cache")) params.cache_flags = 2; // TCACHE_OPEN_NO_DISK
  params.event_user = &event;
  params.event = [](void *user, const tkernels_event *e) {
    if (e->kind == TKERNELS_EVENT_GET) *static_cast<tkernels_event *>(user) = *e;
  };
  tkernels_session *session = nullptr;
  if (tkernels_session_create(&params, &session) != TKERNELS_OK) return error(exit_runtime, "%s", tkernels_last_message());
  tkernels_get_params get = TKERNELS_GET_PARAMS_INIT;
  get.kernel = options.get("--kernel");
  get.source_name = path.c_str();
  get.target = options.get("--target", "cpu:native");
  get.options = options.get("--options");
  if (options.has("--no-promises")) get.flags |= TKERNELS_GET_NO_PROMISES;
  if (stage || explain || options.has("--keep-stages")) get.flags |= TKERNELS_GET_KEEP_STAGES;
  std::vector<uint8_t> object;
  tkernels_status status = tkernels_session_compile(session, ir.value.data(), ir.value.size(), &get, append, &object, nullptr);
  int code = status == TKERNELS_OK ? int(exit_good) : report_message(exit_for(status), tkernels_last_message());
  tkernels_session_destroy(session);
  if (code) return code;

  const void *data = object.data();
  size_t size = object.size();
  tessera::Result<tessera::tko::Object> parsed = tessera::ok_status();
  if (stage || explain || options.has("--time")) {
    parsed = tessera::tko::read(object.data(), object.size());
    if (!parsed.ok()) return error(exit_runtime, "the compiler's object cannot be read: %s", parsed.status.message.c_str());
  }
  if (options.has("--time")) {
    uint64_t image = 0;
    for (const auto &s : parsed.value.image.segments) image += s.bytes.size() + s.zero_fill;
    std::fprintf(stderr, "%s: compile %.2f ms, cache %.2f ms, object %zu bytes, image %llu bytes\n", path.c_str(), double(event.compile_ns) * 1e-6,
                 double(event.cache_ns) * 1e-6, object.size(), (unsigned long long)image);
  }
  auto find = [&](const char *name) {
    const tessera::tko::Stage *found = nullptr;
    for (const auto &s : parsed.value.stages)
      if (s.name == name) found = &s;
    return found;
  };
  for (const char *name : {"plan", "layouts"}) {
    if (!(name[0] == 'p' ? explain_plan : explain_layouts)) continue;
    const tessera::tko::Stage *found = find(name);
    if (!found) return error(exit_input, "--explain-%s: target %s has none", name, parsed.value.target.c_str());
    std::fwrite(found->text.data(), 1, found->text.size(), stdout);
  }
  if (!out) return exit_good;
  if (stage) {
    const tessera::tko::Stage *found = find(emit);
    if (!found) {
      std::string there = "tko";
      for (const auto &s : parsed.value.stages) there += ", " + s.name;
      return error(exit_input, "--emit '%s': for target %s there are %s", emit, parsed.value.target.c_str(), there.c_str());
    }
    data = found->text.data();
    size = found->text.size();
  } else if (explain && !options.has("--keep-stages")) { // the object as it would have been without
    parsed.value.stages.clear();
    auto bare = tessera::tko::write(parsed.value);
    if (!bare.ok()) return error(exit_runtime, "%s", bare.status.message.c_str());
    object = std::move(bare.value);
    data = object.data();
    size = object.size();
  }
  if (auto s = write_file(out, data, size); !s.ok()) return error(exit_input, "%s", s.message.c_str());
  return exit_good;
}

const Command compile_command = {"compile", "FILE [--target TARGET] [OPTION]... -o OUT", "Compiles one kernel into a kernel object (.tko).", details, flags, sizeof(flags) / sizeof(flags[0]), run};

} // namespace tool
