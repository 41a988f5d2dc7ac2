// SPDX-License-Identifier: MIT
// Passes and their runner. One pass = one file = one row of passes.inc = one function that says whether it changed
// the module; passes run through runPasses() only.
#pragma once
#include "ir/ir.hh"

namespace tir {

/// Options of one pass in a pipeline: `inline{noinline=true}`.
struct PassArgs {
  std::vector<std::pair<std::string_view, std::string_view>> values;
  bool flag(std::string_view name) const {
    for (auto &v : values)
      if (v.first == name) return v.second.empty() || v.second == "true" || v.second == "1";
    return false;
  }
};

using PassResult = tessera::Result<bool>; // changed?

struct PassInfo {
  const char *name;
  const char *summary; // one sentence
  const char *options; // names of its flags, separated by blanks
  PassResult (*run)(Module &m, const PassArgs &args);
};
/// In alphabetical order.
Span<PassInfo> passTable();

struct PassEvent {
  const PassInfo *pass;
  unsigned index;
  bool changed;
  uint64_t time_ns;
  unsigned ops_before, ops_after;
};

struct RunOptions {
  using Write = void (*)(void *user, const char *data, size_t size);
  bool verify_each = false;    // before the first and after each pass
  bool roundtrip_each = false; // print, parse, print again, compare
  bool print_each = false;     // to `write`, after each pass that changed something
  bool timing = false;         // a table to `write` at the end
  std::string_view skip;       // "cse,licm"
  Write write = nullptr;
  void *write_user = nullptr;
  void (*event)(void *user, const PassEvent &e) = nullptr;
  void *event_user = nullptr;
  Write reproducer = nullptr; // receives the module before a pass that failed a check, and the pipeline
  void *reproducer_user = nullptr;
};

/// Runs a pipeline ("inline, canonicalize, cse").
tessera::Status runPasses(Module &m, std::string_view pipeline, const RunOptions &options = {});

// The passes, for passes.inc.
#define PASS(id, name, options, summary) PassResult id(Module &m, const PassArgs &args);
#include "passes.inc"
#undef PASS

} // namespace tir
