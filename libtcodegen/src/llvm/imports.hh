// SPDX-License-Identifier: MIT
// The kernel ABI's CPU import table, for lookup by name.
#pragma once
#include <string_view>

namespace tcodegen {

inline constexpr std::string_view cpu_imports[] = {
    "memcpy", "memmove", "memset", "tessera_print", "tessera_record",
#define D1(f) #f, #f "f",
#define D2(f) D1(f)
#define D3(f) D1(f)
#define DI(f) D1(f)
#define ID(f) D1(f)
#define DR(f, T) D1(f)
#include "common/cpu_imports.inc"
#undef D1
#undef D2
#undef D3
#undef DI
#undef ID
#undef DR
};

/// What an emulator image may call besides.
inline constexpr std::string_view emu_imports[] = {
#define E(result, name, parameters) "tessera_emu_" #name,
#include "common/emu_imports.inc"
#undef E
};

inline bool is_emu_import(std::string_view name) {
  for (std::string_view i : emu_imports)
    if (name == i) return true;
  return false;
}

inline bool is_import(std::string_view name) {
  for (std::string_view i : cpu_imports)
    if (name == i) return true;
  return false;
}

} // namespace tcodegen
