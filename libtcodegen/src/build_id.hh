// SPDX-License-Identifier: MIT
#pragma once

namespace tcodegen {

/// "tcodegen 0.1.0 <build id> llvm 22.1.8". The middle is the linker's hash over this library's (or, in a static
/// link, this program's) contents: it changes with any source, compiler or option. "unknown" where the linker made
/// none; such a build should not share a cache with others.
const char *build_id();

} // namespace tcodegen
