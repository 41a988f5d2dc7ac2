// SPDX-License-Identifier: MIT
// The one table of environment knobs (knobs.inc) and its readers. A knob that changes generated code must
// be part of the cache key.
#pragma once
#include "status.hh"

namespace tessera {

enum class Knob : uint32_t {
#define X(name, type, fallback, text) name,
#include "knobs.inc"
#undef X
};

enum class KnobType : uint32_t { TEXT, FLAG, SIZE };

/// An environment variable by its full name, NULL when unset, empty, or in a set-id process.
const char *trusted_env(const char *name);

/// "TESSERA_CACHE_DIR".
const char *knob_name(Knob knob);
const char *knob_default(Knob knob);
/// What the environment says, NULL when it says nothing (unset, empty, or a set-id process).
const char *knob_set(Knob knob);
/// The environment's text, else the default. Valid while the environment is not changed.
const char *knob_text(Knob knob);
/// The value, else the default; PARSE with the knob's name when the text is no such value.
Result<bool> knob_flag(Knob knob);
Result<uint64_t> knob_size(Knob knob);

/// "64M" and the like: decimal digits with an optional K, M or G (powers of 1024).
bool parse_size(const char *text, uint64_t *out);

/// The text behind TESSERA_HELP=knobs: one line for each knob with type, default, present value and meaning.
std::string knobs_help();

} // namespace tessera
