// SPDX-License-Identifier: MIT
#include "commands.hh"
#include "common/knobs.hh"
#include <cstdio>
#include <cstring>

using namespace tool;

static const Command *const commands[] = {&compile_command, &opt_command,     &run_command,   &bench_command,
                                          &inspect_command, &devices_command, &cache_command, &version_command};

static void usage(FILE *to) {
  std::fprintf(to, "usage: tessera COMMAND [OPTION|ARGUMENT]...\n\n");
  for (const Command *c : commands) std::fprintf(to, "  %-10s %s\n", c->name, c->summary);
  std::fprintf(to, "\n`tessera COMMAND --help` describes one. Exit codes: 0 good, 1 bad input or usage, 2 compile error,\n"
                   "3 results differ, 4 run-time or device failure. TESSERA_HELP=knobs prints the environment variables.\n");
}

int main(int argc, char **argv) {
  const char *help = tessera::trusted_env("TESSERA_HELP");
  if (help && !std::strcmp(help, "knobs")) {
    std::fputs(tessera::knobs_help().c_str(), stdout);
    return exit_good;
  }
  if (argc < 2) {
    usage(stderr);
    return exit_input;
  }
  const char *name = argv[1];
  if (!std::strcmp(name, "--help") || !std::strcmp(name, "-h") || !std::strcmp(name, "help")) {
    usage(stdout);
    return exit_good;
  }
  if (!std::strcmp(name, "--version")) name = "version";
  for (const Command *c : commands) {
    if (std::strcmp(name, c->name)) continue;
    for (int i = 2; i < argc && std::strcmp(argv[i], "--"); ++i)
      if (!std::strcmp(argv[i], "--help") || !std::strcmp(argv[i], "-h")) {
        print_help(*c);
        return exit_good;
      }
    Options options;
    if (!parse_options(*c, argc - 2, argv + 2, &options)) return exit_input;
    int code = c->run(options);
    if (std::fflush(stdout) != 0 && code == exit_good) return error(exit_input, "standard output cannot be written");
    return code;
  }
  std::fprintf(stderr, "error: unknown command '%s'\n\n", name);
  usage(stderr);
  return exit_input;
}
