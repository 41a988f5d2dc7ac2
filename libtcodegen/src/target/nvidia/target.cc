// SPDX-License-Identifier: MIT
#include "nvidia.hh"

using tessera::Code;
using tessera::fail;
using tessera::Result;

namespace tcodegen::nvidia {
namespace {

struct Architecture {
  uint8_t capability;
  uint8_t plain, specific, family; // lowest PTX ISA of sm_NN, sm_NNa, sm_NNf; 0 = there is none
};

constexpr Architecture architectures[] = {
    {75, 63, 0, 0},   {80, 70, 0, 0},   {86, 71, 0, 0},   {87, 74, 0, 0},   {89, 78, 0, 0},   {90, 78, 80, 0},
    {100, 86, 86, 88}, {103, 88, 88, 88}, {110, 90, 90, 90}, {120, 87, 87, 88}, {121, 88, 88, 88},
};

} // namespace

Result<Target> resolve(std::string_view target) {
  std::string_view name = target;
  size_t colon = name.find(':');
  if (colon != std::string_view::npos) name.remove_prefix(colon + 1);
  if (name.substr(0, 3) == "sm_") name.remove_prefix(3);
  std::string known;
  for (const Architecture &a : architectures)
    for (char suffix : {'\0', 'a', 'f'}) {
      unsigned isa = !suffix ? a.plain : suffix == 'a' ? a.specific : a.family;
      if (!isa) continue;
      std::string text = std::to_string(a.capability);
      if (suffix) text += suffix;
      if (name == text) return Target{a.capability, suffix, isa};
      known += (known.empty() ? "" : ", ") + text;
    }
  return fail(Code::NOT_FOUND, "target '%.*s': expected cuda: and one of %s",
              int(target.size() < 200 ? target.size() : 200), target.data(), known.c_str());
}

std::string arch(const Target &t) {
  std::string text = "sm_" + std::to_string(t.capability);
  if (t.suffix) text += t.suffix;
  return text;
}

std::string to_string(const Target &t) { return "cuda:" + arch(t).substr(3); }

} // namespace tcodegen::nvidia
