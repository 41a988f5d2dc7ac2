// SPDX-License-Identifier: MIT
// Target names of every kind; only CPUs are built so far.
#pragma once
#include "llvm/cpu_target.hh"
#include <string_view>

namespace tcodegen {

inline tessera::Result<CpuTarget> resolve_target(std::string_view name) {
  if (name.substr(0, 5) == "cuda:" || name.substr(0, 4) == "hip:")
    return tessera::fail(tessera::Code::UNSUPPORTED, "not implemented: target '%.*s'; this version compiles for cpu:… only",
                         int(name.size() < 200 ? name.size() : 200), name.data());
  return resolve_cpu_target(name);
}

} // namespace tcodegen
