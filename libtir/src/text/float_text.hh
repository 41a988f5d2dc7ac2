// SPDX-License-Identifier: MIT
// Floating-point literals as MLIR writes and reads them. Independent of the locale.
#pragma once
#include "ir/type.hh"
#include <string>

namespace tir {

/// A decimal literal; too large gives infinity, too small gives 0.
double parseDouble(std::string_view text);

/// Appends the value whose bits (in the format `kind`) these are: 1.000000e+00 where six digits say it exactly,
/// else enough digits, else the bits in hexadecimal (infinities, NaN, values without a point in that form).
void appendFloat(FloatKind kind, uint64_t bits, std::string &out);

} // namespace tir
