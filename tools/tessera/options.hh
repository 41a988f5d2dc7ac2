// SPDX-License-Identifier: MIT
// Flags of a subcommand: a table drives both the parsing and the text of --help.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tool {

/// Exit codes of the command, part of its interface.
enum Exit : int { exit_good = 0, exit_input = 1, exit_compile = 2, exit_differ = 3, exit_runtime = 4 };

struct Flag {
  const char *name;  // "--grid"; or "-o"
  const char *value; // "X[,Y[,Z]]"; nullptr: takes none
  const char *help;
};

struct Command {
  const char *name;
  const char *usage;   // what follows the name
  const char *summary; // one line
  const char *details; // paragraphs behind the flags in --help; may be nullptr
  const Flag *flags;
  size_t flag_count;
  int (*run)(const struct Options &options);
};

struct Options {
  std::vector<std::string> positional;
  std::vector<std::pair<std::string, std::string>> given; // flag, value
  bool has(std::string_view flag) const;
  /// The last value given, or `fallback`.
  const char *get(std::string_view flag, const char *fallback = nullptr) const;
};

/// False after a message on standard error.
bool parse_options(const Command &command, int argc, char **argv, Options *out);
void print_help(const Command &command);

/// "error: ..." on standard error; returns `code`.
[[gnu::format(printf, 2, 3)]] int error(int code, const char *format, ...);

/// Whole-text numbers. False when the text is anything else or out of range.
bool parse_u64(std::string_view text, uint64_t *out);
bool parse_double(const std::string &text, double *out);
std::vector<std::string> split(std::string_view text, char separator);

} // namespace tool
