// SPDX-License-Identifier: MIT
#include "options.hh"
#include "common/status.hh"
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace tool {

bool Options::has(std::string_view flag) const { return get(flag) != nullptr; }

const char *Options::get(std::string_view flag, const char *fallback) const {
  for (size_t i = given.size(); i-- > 0;)
    if (given[i].first == flag) return given[i].second.c_str();
  return fallback;
}

int error(int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  std::string text = tessera::vformat(format, args);
  va_end(args);
  std::fprintf(stderr, "error: %s\n", text.c_str());
  return code;
}

bool parse_options(const Command &command, int argc, char **argv, Options *out) {
  bool only_names = false;
  for (int i = 0; i < argc; ++i) {
    std::string_view word = argv[i];
    if (only_names || word.size() < 2 || word[0] != '-') {
      out->positional.emplace_back(word);
      continue;
    }
    if (word == "--") {
      only_names = true;
      continue;
    }
    std::string_view name = word, value;
    bool inline_value = false;
    size_t equals = word.find('=');
    if (word.substr(0, 2) == "--" && equals != std::string_view::npos) {
      name = word.substr(0, equals);
      value = word.substr(equals + 1);
      inline_value = true;
    }
    const Flag *found = nullptr;
    for (size_t f = 0; f < command.flag_count; ++f)
      if (name == command.flags[f].name) found = &command.flags[f];
    if (!found) {
      error(exit_input, "tessera %s: unknown option '%.*s' (tessera %s --help lists them)", command.name,
            int(name.size()), name.data(), command.name);
      return false;
    }
    if (!found->value && inline_value) {
      error(exit_input, "tessera %s: option '%s' takes no value", command.name, found->name);
      return false;
    }
    if (found->value && !inline_value) {
      if (i + 1 >= argc) {
        error(exit_input, "tessera %s: option '%s' needs a value: %s", command.name, found->name, found->value);
        return false;
      }
      value = argv[++i];
    }
    out->given.emplace_back(found->name, value);
  }
  return true;
}

void print_help(const Command &command) {
  std::printf("usage: tessera %s %s\n\n%s\n", command.name, command.usage, command.summary);
  if (command.flag_count) std::printf("\n");
  for (size_t i = 0; i < command.flag_count; ++i) {
    const Flag &f = command.flags[i];
    std::string left = f.name;
    if (f.value) left += std::string(" ") + f.value;
    if (left.size() > 26) std::printf("  %s\n  %-26s %s\n", left.c_str(), "", f.help);
    else std::printf("  %-26s %s\n", left.c_str(), f.help);
  }
  if (command.details) std::printf("\n%s", command.details);
}

bool parse_u64(std::string_view text, uint64_t *out) {
  if (text.empty()) return false;
  uint64_t n = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    if (__builtin_mul_overflow(n, uint64_t(10), &n) || __builtin_add_overflow(n, uint64_t(c - '0'), &n)) return false;
  }
  *out = n;
  return true;
}

bool parse_double(const std::string &text, double *out) {
  char *end;
  *out = std::strtod(text.c_str(), &end);
  return !text.empty() && text[0] != ' ' && !*end;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (;;) {
    size_t end = text.find(separator, start);
    parts.emplace_back(text.substr(start, end == std::string_view::npos ? end : end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

} // namespace tool
