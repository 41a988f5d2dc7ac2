// SPDX-License-Identifier: MIT
// The kernel ABI's CPU import table, for lookup by name.
#pragma once
#include <string_view>

namespace tcodegen {

struct CpuImport {
  const char *name;
  char result;           // v p i l f d
  const char *arguments; // one letter each
};

inline constexpr CpuImport cpu_imports[] = {
#define X(name, result, arguments) {#name, #result[0], #arguments},
#include "imports.inc"
#undef X
};

/// NULL when the table has no such name.
inline const CpuImport *find_import(std::string_view name) {
  for (const CpuImport &i : cpu_imports)
    if (name == i.name) return &i;
  return nullptr;
}

} // namespace tcodegen
