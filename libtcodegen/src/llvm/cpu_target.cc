// SPDX-License-Identifier: MIT
#include "cpu_target.hh"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"
#include <algorithm>
#include <string>

using tessera::Code;
using tessera::fail;
using tessera::Result;
using tessera::Status;

namespace tcodegen {
namespace {

// x86-64-v3, less what code generation never asks for.
constexpr const char *required[] = {"avx", "avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe", "popcnt"};

// The features that decide which instructions our code holds, so that a loader can check them.
constexpr const char *reported[] = {
    "avx",      "avx2",       "fma",        "f16c",       "bmi",          "bmi2",      "lzcnt",   "movbe",
    "popcnt",   "avx512f",    "avx512bw",   "avx512dq",   "avx512vl",     "avx512cd",  "avx512bf16",
    "avx512fp16", "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bitalg", "avx512vpopcntdq",
    "avxvnni",  "avxvnniint8", "avxvnniint16", "avxifma", "avxneconvert", "amx-tile",  "amx-bf16", "amx-int8",
    "gfni",     "vaes",       "vpclmulqdq", "adx"};

using FeatureSet = llvm::StringMap<bool>;

/// Also what the feature implies, or, when it goes, what is impossible without it.
void set_feature(FeatureSet &set, llvm::StringRef name, bool on) {
  set[name] = on;
  llvm::X86::updateImpliedFeatures(name, on, set);
}

FeatureSet features_of_cpu(llvm::StringRef cpu) {
  llvm::SmallVector<llvm::StringRef, 64> names;
  llvm::X86::getFeaturesForCPU(cpu, names);
  FeatureSet set;
  for (llvm::StringRef n : names) set_feature(set, n, true);
  return set;
}

bool has(const FeatureSet &set, llvm::StringRef name) {
  auto it = set.find(name);
  return it != set.end() && it->second;
}

const char *missing_feature(const FeatureSet &set) {
  for (const char *f : required)
    if (!has(set, f)) return f;
  return nullptr;
}

bool known_cpu(llvm::StringRef cpu) {
  return llvm::X86::parseArchX86(cpu, /*Only64Bit=*/true) != llvm::X86::CK_None;
}

std::string known_names() {
  llvm::SmallVector<llvm::StringRef, 128> all;
  llvm::X86::fillValidCPUArchList(all, /*Only64Bit=*/true);
  std::string text = "native, x86-64-v3, x86-64-v4";
  for (llvm::StringRef n : all) {
    if (n.starts_with("x86-64") || n.contains('_') || n.starts_with("core-") || n.starts_with("mic_")) continue;
    if (missing_feature(features_of_cpu(n))) continue;
    text += ", ";
    text.append(n.data(), n.size());
  }
  return text;
}

void fill_flags(CpuTarget &t, const FeatureSet &set) {
  t.avx512 = has(set, "avx512f") && has(set, "avx512bw") && has(set, "avx512dq") && has(set, "avx512vl");
  t.vector_bits = t.avx512 ? 512 : 256;
  t.avx512_bf16 = t.avx512 && has(set, "avx512bf16");
  t.avx512_vnni = t.avx512 && has(set, "avx512vnni");
  t.avx_vnni = has(set, "avxvnni");
  t.avx512_fp16 = t.avx512 && has(set, "avx512fp16");
  t.amx_bf16 = has(set, "amx-tile") && has(set, "amx-bf16");
  t.amx_int8 = has(set, "amx-tile") && has(set, "amx-int8");
  for (const char *f : reported)
    if (has(set, f)) t.needed.push_back(f);
  std::sort(t.needed.begin(), t.needed.end());
}

std::string change(bool on, llvm::StringRef feature) {
  std::string s(1, on ? '+' : '-');
  s.append(feature.data(), feature.size());
  return s;
}

/// This machine's features; empty when it is not an x86-64.
FeatureSet host_features() {
#if defined(__x86_64__)
  return llvm::sys::getHostCPUFeatures();
#else
  return {};
#endif
}

// "mode" features of LLVM's host list that no instruction choice of ours depends on, and that differ between
// virtual machines on one CPU model: keeping them out keeps cache keys stable.
bool is_system_feature(llvm::StringRef f) {
  return f.starts_with("xsave") || f == "pku" || f == "invpcid" || f == "rdpid" || f == "clwb" || f == "clzero" ||
         f == "wbnoinvd" || f == "sgx" || f == "ptwrite" || f == "shstk" || f == "pconfig" || f == "mwaitx" ||
         f == "waitpkg" || f == "uintr" || f == "hreset" || f == "rdpru" || f == "rtm" || f == "fsgsbase" ||
         f == "lwp" || f == "rdrnd" || f == "rdseed" || f == "cldemote" || f == "enqcmd" || f == "serialize" ||
         f == "tsxldtrk" || f == "usermsr" || f == "movrs" || f == "prfchw" || f == "clflushopt" || f == "64bit" ||
         f == "cmov" || f == "cx8" || f == "cx16" || f == "sahf" || f == "fxsr" || f == "kl" || f == "widekl";
}

Result<CpuTarget> native() {
  FeatureSet host = host_features();
  if (host.empty()) return fail(Code::UNSUPPORTED, "cpu:native: this machine is not an x86-64");
  std::string cpu = llvm::sys::getHostCPUName().str();
  if (!known_cpu(cpu)) cpu = "x86-64-v3";
  if (const char *f = missing_feature(host))
    return fail(Code::UNSUPPORTED, "cpu:native: this machine (%s) lacks %s; x86-64-v3 or better is needed", cpu.c_str(),
                f);
  // A name whose defaults are below v3 would fail when the resolved string is read back.
  if (missing_feature(features_of_cpu(cpu))) cpu = "x86-64-v3";
  FeatureSet defaults = features_of_cpu(cpu);
  std::vector<std::string> changes;
  for (auto &entry : host) {
    llvm::StringRef name = entry.getKey();
    if (is_system_feature(name) || entry.getValue() == has(defaults, name)) continue;
    changes.push_back(change(entry.getValue(), name));
  }
  std::sort(changes.begin(), changes.end());
  std::string named = "cpu:" + cpu;
  for (const std::string &c : changes) named += "," + c;
  return resolve_cpu_target(named); // so that the canonical string reads back as itself
}

} // namespace

Result<CpuTarget> resolve_cpu_target(std::string_view target) {
  std::string shown(target.substr(0, 200));
  if (target.substr(0, 4) != "cpu:")
    return fail(Code::NOT_FOUND, "target '%s': not built here; this build knows cpu:%s", shown.c_str(),
                known_names().c_str());
  std::string_view rest = target.substr(4), name = rest.substr(0, rest.find(','));
  if (rest == "native") return native();
  llvm::StringRef cpu(name.data(), name.size());
  if (target.size() > 4096 || !known_cpu(cpu))
    return fail(Code::NOT_FOUND, "target '%s': unknown CPU; known after 'cpu:' are %s", shown.c_str(),
                known_names().c_str());
  FeatureSet defaults = features_of_cpu(cpu), result = defaults;
  rest.remove_prefix(name.size());
  FeatureSet host = host_features();
  while (!rest.empty()) {
    rest.remove_prefix(1);
    std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(item.size());
    bool on = !item.empty() && item[0] == '+';
    std::string feature(item.empty() ? item : item.substr(1));
    bool known = defaults.contains(feature) || host.contains(feature);
    for (const char *f : reported) known |= feature == f;
    if (item.size() < 2 || (!on && item[0] != '-') || !known)
      return fail(Code::NOT_FOUND, "target '%s': '%.*s' is not +feature or -feature with a known feature",
                  shown.c_str(), int(item.size()), item.data());
    set_feature(result, feature, on);
  }
  if (const char *f = missing_feature(result))
    return fail(Code::UNSUPPORTED, "target '%s' lacks %s: x86-64-v3 or better is needed; known after 'cpu:' are %s",
                shown.c_str(), f, known_names().c_str());
  CpuTarget t;
  t.cpu = cpu.str();
  for (auto &entry : result)
    if (entry.getValue() != has(defaults, entry.getKey()))
      t.features.push_back(change(entry.getValue(), entry.getKey()));
  std::sort(t.features.begin(), t.features.end());
  fill_flags(t, result);
  return t;
}

std::string to_string(const CpuTarget &t) {
  std::string s = "cpu:" + t.cpu;
  for (const std::string &f : t.features) s += "," + f;
  return s;
}

} // namespace tcodegen
