// SPDX-License-Identifier: MIT
// The options that callers spell as text: "num_warps=4,fp_fusion=off".
#pragma once
#include "pipeline.hh"
#include <string_view>

namespace tcodegen {

/// Applies "name=value,…" to a request. INVALID_ARGUMENT with the known names for anything else. "" is fine.
tessera::Status apply_options(std::string_view text, CompileRequest *request);

/// The options that change code, in one spelling: for the kernel object's metadata.
std::string options_text(const CompileRequest &request);

} // namespace tcodegen
