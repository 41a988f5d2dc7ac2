// SPDX-License-Identifier: MIT
#include "knobs.hh"
#include <cstdlib>
#include <strings.h>
#include <sys/auxv.h>

namespace tessera {

namespace {

struct Row {
  const char *name;
  KnobType type;
  const char *fallback;
  const char *text;
};

constexpr Row rows[] = {
#define X(name, type, fallback, text) {"TESSERA_" #name, KnobType::type, fallback, text},
#include "knobs.inc"
#undef X
};

const Row &row_of(Knob knob) { return rows[static_cast<uint32_t>(knob)]; }

bool parse_flag(const char *text, bool *out) {
  static constexpr const char *words[2][4] = {{"0", "off", "false", "no"}, {"1", "on", "true", "yes"}};
  for (int value = 0; value < 2; ++value)
    for (const char *word : words[value])
      if (::strcasecmp(text, word) == 0) {
        *out = value;
        return true;
      }
  return false;
}

} // namespace

const char *trusted_env(const char *name) {
  // AT_SECURE is what the kernel says about this process; secure_getenv alone depends on glibc's start-up.
  if (::getauxval(AT_SECURE)) return nullptr;
  const char *value = ::secure_getenv(name);
  return value && *value ? value : nullptr;
}

const char *knob_name(Knob knob) { return row_of(knob).name; }

const char *knob_default(Knob knob) { return row_of(knob).fallback; }

const char *knob_set(Knob knob) { return trusted_env(row_of(knob).name); }

const char *knob_text(Knob knob) {
  const char *value = knob_set(knob);
  return value ? value : row_of(knob).fallback;
}

Result<bool> knob_flag(Knob knob) {
  bool value = false;
  const char *text = knob_text(knob);
  if (parse_flag(text, &value)) return value;
  return fail(Code::PARSE, "%s is \"%s\": expected 0, off, false, no, 1, on, true or yes", knob_name(knob),
              text);
}

Result<uint64_t> knob_size(Knob knob) {
  uint64_t value = 0;
  const char *text = knob_text(knob);
  if (parse_size(text, &value)) return value;
  return fail(Code::PARSE, "%s is \"%s\": expected a number, with K, M or G behind it if wanted",
              knob_name(knob), text);
}

bool parse_size(const char *text, uint64_t *out) {
  uint64_t value = 0;
  const char *p = text;
  for (; *p >= '0' && *p <= '9'; ++p)
    if (__builtin_mul_overflow(value, uint64_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<uint64_t>(*p - '0'), &value))
      return false;
  if (p == text) return false;
  uint64_t unit = 1;
  if (*p) {
    char suffix = static_cast<char>(*p | 0x20);
    unit = suffix == 'k' ? 1ull << 10 : suffix == 'm' ? 1ull << 20 : suffix == 'g' ? 1ull << 30 : 0;
    if (!unit || p[1]) return false;
  }
  return !__builtin_mul_overflow(value, unit, out);
}

std::string knobs_help() {
  static constexpr const char *types[] = {"text", "flag", "size"};
  std::string text = "Environment knobs (ignored in set-id processes):\n";
  for (const Row &row : rows) {
    const char *value = trusted_env(row.name);
    text += format("  %-28s %-4s  %s\n", row.name, types[static_cast<uint32_t>(row.type)], row.text);
    text += format("  %-28s       default \"%s\"", "", row.fallback);
    text += value ? format(", now \"%s\"\n", value) : std::string("\n");
  }
  return text;
}

} // namespace tessera
