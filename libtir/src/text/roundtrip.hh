// SPDX-License-Identifier: MIT
// Is a printed text the text that was read? The comparison of design and tests: token for token, without
// comments, locations and location aliases, names of values and blocks replaced by their order of appearance.
#pragma once
#include "text.hh"

namespace tir {

/// PARSE with both places and tokens where they first differ. A text without `module {…}` around it counts as one
/// with it.
tessera::Status compareText(std::string_view a, std::string_view b);

/// Operations of both modules, in order, have the same locations (and arguments theirs). Same context.
tessera::Status compareLocations(const Module &a, const Module &b);

struct RoundTrip {
  bool bytecode = true;          // also through bytecode
  Syntax syntax = Syntax::Auto;  // Auto: as read; the comparison then is with the source
};
/// Text → module → text → module (→ bytecode → module → text): all texts agree with the source, all locations too.
tessera::Status roundTrip(Context &ctx, std::string_view text, std::string_view name, const RoundTrip &options);

} // namespace tir
