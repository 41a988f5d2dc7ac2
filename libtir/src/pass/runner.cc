// SPDX-License-Identifier: MIT
// The pass runner: reads the pipeline, runs the passes, and does what its options ask for between them.
#include "pass.hh"
#include "text/text.hh"
#include "verify/verify.hh"
#include <ctime>

namespace tir {
namespace {

using tessera::Code;
using tessera::Status;
using tessera::fail;

constexpr PassInfo kPasses[] = {
#define PASS(id, name, options, summary) {name, summary, options, id},
#include "passes.inc"
#undef PASS
};

struct Step {
  const PassInfo *pass;
  PassArgs args;
  std::string_view text; // as written
};

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t' || s.front() == '\n')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\n')) s.remove_suffix(1);
  return s;
}

/// Cuts the part before the next comma outside braces off the front of `s`; *more: there was a comma.
std::string_view cut(std::string_view &s, bool *more = nullptr) {
  int depth = 0;
  size_t i = 0;
  for (; i < s.size(); ++i) {
    if (s[i] == '{') ++depth;
    if (s[i] == '}') --depth;
    if (s[i] == ',' && depth <= 0) break;
  }
  std::string_view part = trim(s.substr(0, i));
  if (more) *more = i < s.size();
  s.remove_prefix(i < s.size() ? i + 1 : i);
  return part;
}

bool listed(std::string_view list, std::string_view name, char separator) {
  while (!list.empty()) {
    size_t end = list.find(separator);
    if (trim(list.substr(0, end)) == name) return true;
    if (end == std::string_view::npos) return false;
    list.remove_prefix(end + 1);
  }
  return false;
}

const PassInfo *findPass(std::string_view name) {
  for (const PassInfo &p : kPasses)
    if (name == p.name) return &p;
  return nullptr;
}

std::string shown(std::string_view s) { return std::string(s.substr(0, 80)); }

Status unknownPass(std::string_view name) {
  std::string all;
  for (const PassInfo &p : kPasses) all.append(all.empty() ? "" : ", ").append(p.name);
  return fail(Code::NOT_FOUND, "no pass named '%s'; there are: %s", shown(name).c_str(), all.c_str());
}

Status parseStep(std::string_view text, Step &step) {
  step.text = text;
  size_t brace = text.find('{');
  std::string_view name = trim(text.substr(0, brace));
  step.pass = findPass(name);
  if (!step.pass) return unknownPass(name);
  if (brace == std::string_view::npos) return tessera::ok_status();
  if (text.back() != '}')
    return fail(Code::INVALID_ARGUMENT, "pass '%s': the options do not end in '}'", step.pass->name);
  std::string_view options = text.substr(brace + 1, text.size() - brace - 2);
  while (!trim(options).empty()) {
    std::string_view one = cut(options);
    size_t equal = one.find('=');
    std::string_view key = trim(one.substr(0, equal));
    std::string_view value = equal == std::string_view::npos ? std::string_view() : trim(one.substr(equal + 1));
    if (!listed(step.pass->options, key, ' '))
      return fail(Code::NOT_FOUND, "pass '%s' has no option '%s'; it has: %s", step.pass->name,
                  shown(key).c_str(), *step.pass->options ? step.pass->options : "none");
    if (!value.empty() && !listed("true false 1 0", value, ' '))
      return fail(Code::INVALID_ARGUMENT, "pass '%s': %s=%s; expected true or false", step.pass->name,
                  shown(key).c_str(), shown(value).c_str());
    step.args.values.push_back({key, value});
  }
  return tessera::ok_status();
}

Status parsePipeline(std::string_view text, std::vector<Step> &steps) {
  if (trim(text).empty()) return tessera::ok_status();
  for (bool more = true; more;) {
    std::string_view part = cut(text, &more);
    if (part.empty()) return fail(Code::INVALID_ARGUMENT, "the pipeline has an empty entry");
    if (steps.size() == 1000) return fail(Code::LIMIT, "the pipeline has more than 1000 passes");
    Step step{};
    TESSERA_TRY(parseStep(part, step));
    steps.push_back(std::move(step));
  }
  return tessera::ok_status();
}

uint64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000 + uint64_t(t.tv_nsec);
}

unsigned countOps(const Module &m) {
  unsigned n = 0;
  m.op->walk([&](Op *) { ++n; });
  return n;
}

constexpr PrintOptions kWhole{Syntax::Auto, true, true, false};

/// What is printed is read back as the same module. Names of values are left out: they are hints, and which of two
/// equal ones gets a suffix may change.
Status roundtrip(const Module &m) {
  constexpr PrintOptions whole{Syntax::Auto, true, false, false};
  std::string first, second;
  TESSERA_TRY(printText(m, whole, first));
  std::unique_ptr<Module> again = parseText(m.ctx, first, "<round trip>");
  if (!again) return fail(Code::VERIFY, "the module's own text does not parse");
  again->syntax = m.syntax;
  TESSERA_TRY(printText(*again, whole, second));
  if (first == second) return tessera::ok_status();
  size_t i = 0, line = 1;
  while (i < first.size() && i < second.size() && first[i] == second[i]) line += first[i++] == '\n';
  return fail(Code::VERIFY, "the module's text changes when it is read back, in line %zu", line);
}

class Runner {
public:
  Runner(Module &module, const RunOptions &o) : m(module), options(o) {}

  Status run(std::vector<Step> &steps) {
    // Passes rely on a valid module (definitions before uses, terminators); a broken one is refused here.
    TESSERA_TRY(verifyModule(m));
    for (unsigned i = 0; i < steps.size(); ++i) {
      if (listed(options.skip, steps[i].pass->name, ',')) continue;
      TESSERA_TRY(step(steps, i));
    }
    if (options.timing && options.write) {
      table += tessera::format("%10.3f ms  total\n", double(total) / 1e6);
      write(table);
    }
    return tessera::ok_status();
  }

private:
  Module &m;
  const RunOptions &options;
  std::string table;
  uint64_t total = 0;

  void write(const std::string &text) { options.write(options.write_user, text.data(), text.size()); }

  Status step(std::vector<Step> &steps, unsigned i) {
    const Step &s = steps[i];
    std::string before;
    if (options.reproducer) {
      Status printed = printText(m, kWhole, before);
      if (!printed.ok()) before = "// " + printed.message + "\n";
    }
    PassEvent e{s.pass, i, false, 0, countOps(m), 0};
    uint64_t start = now();
    PassResult r = s.pass->run(m, s.args);
    e.time_ns = now() - start;
    Status bad = r.status;
    if (bad.ok()) {
      e.changed = r.value;
      e.ops_after = countOps(m);
      if (options.verify_each) bad = verifyModule(m);
      if (bad.ok() && options.roundtrip_each) bad = roundtrip(m);
      if (!bad.ok()) bad.message = tessera::format("after pass '%s': ", s.pass->name) + bad.message;
    } else {
      bad.message = tessera::format("pass '%s': ", s.pass->name) + bad.message;
    }
    if (!bad.ok()) {
      if (options.reproducer) reproduce(steps, i, before);
      return bad;
    }
    total += e.time_ns;
    if (options.timing)
      table += tessera::format("%10.3f ms  %-14s %6u -> %6u operations%s\n", double(e.time_ns) / 1e6,
                               s.pass->name, e.ops_before, e.ops_after, e.changed ? "" : ", unchanged");
    if (options.print_each && options.write && e.changed) {
      std::string text = tessera::format("// after pass '%s'\n", s.pass->name);
      Status printed = printText(m, PrintOptions{}, text);
      if (!printed.ok()) text += "// " + printed.message + "\n";
      write(text);
    }
    if (options.event) options.event(options.event_user, e);
    return tessera::ok_status();
  }

  void reproduce(const std::vector<Step> &steps, unsigned i, const std::string &before) {
    std::string text = "// tessera opt --passes \"";
    for (unsigned k = i; k < steps.size(); ++k) text.append(k > i ? "," : "").append(steps[k].text);
    text += "\"\n" + before;
    options.reproducer(options.reproducer_user, text.data(), text.size());
  }
};

} // namespace

Span<PassInfo> passTable() { return {kPasses, sizeof kPasses / sizeof *kPasses}; }

Status runPasses(Module &m, std::string_view pipeline, const RunOptions &options) {
  std::vector<Step> steps;
  TESSERA_TRY(parsePipeline(pipeline, steps));
  for (std::string_view rest = options.skip; !trim(rest).empty();)
    if (std::string_view name = cut(rest); !name.empty() && !findPass(name)) return unknownPass(name);
  return Runner(m, options).run(steps);
}

} // namespace tir
