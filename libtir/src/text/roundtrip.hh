// SPDX-License-Identifier: MIT
// Is a printed text the text that was read? The comparison of design and tests: token for token, without
// comments, locations and location aliases, names of values and blocks replaced by their order of appearance.
#pragma once
#include "text.hh"

namespace tir {

/// PARSE with both places and tokens where they first differ. A text without `module {…}` around it counts as one
/// with it.
tessera::Status compareText(std::string_view a, std::string_view b);

/// Operations of both modules, in order, have the same locations (and arguments theirs). Same context. `added`:
/// where the text of `a` has none, `b` may have one.
tessera::Status compareLocations(const Module &a, const Module &b, bool added = false);

struct RoundTrip {
  bool bytecode = true; // also through bytecode
};
/// Module → text → module → text (→ bytecode → module → text): all texts agree with the source that the module was
/// read from, all locations with the module's. A source in bytecode is written back byte for byte.
tessera::Status roundTrip(const Module &module, std::string_view source, const RoundTrip &options);

} // namespace tir
