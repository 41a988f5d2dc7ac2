// SPDX-License-Identifier: MIT
// The subcommands, one per file; main.cc has the list.
#pragma once
#include "options.hh"

namespace tool {

extern const Command compile_command, opt_command, run_command, bench_command, inspect_command, devices_command, cache_command, version_command;

} // namespace tool
