// SPDX-License-Identifier: MIT
// `tessera opt`: reads IR files, runs passes, prints them; or checks that they survive a round trip.
#include "commands.hh"
#include "module.hh"
#include "npy.hh"
#include "tir/bytecode.h"
#include "tir/pass.h"
#include "tir/text.h"
#include <cstdio>
#include <cstring>

namespace tool {

static constexpr Flag flags[] = {
    {"--passes", "\"A,B\"", "passes to run, in this order (TESSERA_HELP or --list-passes names them)"},
    {"--list-passes", nullptr, "print the passes there are"},
    {"--emit", "text|bytecode", "form of the output (default: text)"},
    {"--syntax", "3.6|3.7|3.8|3.9", "spelling of the text (default: that of the file)"},
    {"--roundtrip", nullptr, "check reading, printing and bytecode against the source, and print nothing else"},
    {"--generic", nullptr, "print every operation in generic form"},
    {"--locations", nullptr, "print locations"},
    {"--no-verify", nullptr, "do not verify the files"},
    {"-o", "OUT", "write there instead of standard output (one file only)"},
};

static constexpr char details[] =
    "The last line on standard output of --roundtrip, or of several files without -o, is \"N of M\": how many files are\n"
    "good. The others are named on standard error.\n"
    "Exit codes: 0 all files are good, 1 not all are, or bad usage.\n";

struct Settings {
  const char *passes = nullptr;
  bool bytecode = false, roundtrip = false, verify = true;
  tir_print_options print = TIR_PRINT_OPTIONS_INIT;
};

static void append(void *user, const char *data, size_t size) { static_cast<std::string *>(user)->append(data, size); }

static int handle(const std::string &path, const Settings &settings, std::string *out) {
  Module module;
  if (int code = module.read(path)) return code;
  if (settings.verify)
    if (int code = module.verify()) return code;
  if (settings.roundtrip) return module.report(tir_module_roundtrip(module.get(), reinterpret_cast<const char *>(module.bytes().data()), module.bytes().size()));
  if (settings.passes)
    if (int code = module.report(tir_pass_run(module.get(), settings.passes, nullptr))) return code;
  if (settings.bytecode) return module.report(tir_module_write_bytecode(module.get(), nullptr, append, out));
  return module.report(tir_module_print(module.get(), &settings.print, append, out));
}

static int parse_settings(const Options &options, Settings *s) {
  s->passes = options.get("--passes");
  s->roundtrip = options.has("--roundtrip");
  s->verify = !options.has("--no-verify");
  const char *emit = options.get("--emit", "text");
  s->bytecode = !std::strcmp(emit, "bytecode");
  if (!s->bytecode && std::strcmp(emit, "text")) return error(exit_input, "--emit '%s': expected text or bytecode", emit);
  if (const char *syntax = options.get("--syntax")) {
    static constexpr const char *names[] = {"3.6", "3.7", "3.8", "3.9"};
    bool known = false;
    for (uint32_t i = 0; i < 4; ++i)
      if (!std::strcmp(syntax, names[i])) known = true, s->print.syntax = TIR_SYNTAX_3_6 + i;
    if (!known) return error(exit_input, "--syntax '%s': expected 3.6, 3.7, 3.8 or 3.9", syntax);
  }
  s->print.generic = options.has("--generic");
  s->print.locations = options.has("--locations");
  if (s->roundtrip && (s->passes || options.has("--emit") || options.has("--syntax") || options.has("-o")))
    return error(exit_input, "--roundtrip checks files as they are: --passes, --emit, --syntax and -o have no place beside it");
  return exit_good;
}

static int run(const Options &options) {
  if (options.has("--list-passes")) {
    for (uint32_t i = 0; i < tir_pass_count(); ++i) std::printf("%-20s %s\n", tir_pass_name(i), tir_pass_summary(i));
    return exit_good;
  }
  Settings settings;
  if (int code = parse_settings(options, &settings)) return code;
  const auto &files = options.positional;
  if (files.empty()) return error(exit_input, "tessera opt: expected one or more IR files (tessera opt --help)");
  const char *to = options.get("-o");
  if (to && files.size() > 1) return error(exit_input, "-o %s: expected one file, found %zu", to, files.size());
  size_t good = 0;
  int first_code = exit_good;
  for (const std::string &path : files) {
    std::string text;
    int code = handle(path, settings, &text);
    if (!code && !settings.roundtrip)
      if (auto s = write_file(to ? to : "-", text.data(), text.size()); !s.ok()) code = error(exit_input, "%s", s.message.c_str());
    if (!code) ++good;
    else {
      std::fprintf(stderr, "failed: %s\n", path.c_str());
      if (!first_code) first_code = code;
    }
  }
  if (settings.roundtrip || files.size() > 1) std::printf("%zu of %zu\n", good, files.size());
  return good == files.size() ? exit_good : files.size() == 1 ? first_code : int(exit_input);
}

const Command opt_command = {"opt", "FILE... [OPTION]...", "Reads IR (text or bytecode), runs passes, prints it in the form and spelling asked for.", details, flags, sizeof(flags) / sizeof(flags[0]), run};

} // namespace tool
