// SPDX-License-Identifier: MIT
#include "compare.hh"
#include <cmath>
#include <cstdlib>
#include <limits>

namespace tool {

static constexpr double infinity = std::numeric_limits<double>::infinity();

Rule choose_rule(const Features &f) {
  Rule rule;
  auto loosen = [&](double rtol, bool scaled, const char *name) {
    rule.exact = false;
    rule.scaled_atol |= scaled;
    if (rtol >= rule.rtol) {
      rule.rtol = rtol;
      rule.name = name;
    }
  };
  if (f.bounded) loosen(2e-6, false, "element-wise");
  if (f.transcendental) loosen(4e-6, false, "exp, log, sin");
  if (f.float_reduction) loosen(1e-5, true, "reduction");
  if (f.dot_f32) loosen(1e-5, true, "dot of f32");
  if (f.dot_narrow) loosen(1e-3, true, "dot of 16-bit or tf32 operands");
  return rule;
}

bool parse_tolerance(const std::string &text, Rule *rule) {
  char *end;
  double r = std::strtod(text.c_str(), &end), a = 0;
  if (end == text.c_str()) return false;
  if (*end == ',') {
    const char *start = end + 1;
    a = std::strtod(start, &end);
    if (end == start) return false;
  }
  if (*end || !(r >= 0) || !(a >= 0) || std::isinf(r) || std::isinf(a)) return false;
  *rule = {r == 0 && a == 0, r, a, false, "given"};
  return true;
}

/// Floats of every format order like their magnitude bits; this makes them order like integers.
static int64_t ordered(DType type, uint64_t bits) {
  unsigned width = 8 * info(type).size;
  uint64_t sign = uint64_t(1) << (width - 1);
  return bits & sign ? -int64_t(bits & (sign - 1)) : int64_t(bits);
}

static double ordered_distance(DType type, uint64_t a, uint64_t b) {
  int64_t x = ordered(type, a), y = ordered(type, b);
  return x > y ? double(uint64_t(x) - uint64_t(y)) : double(uint64_t(y) - uint64_t(x));
}

double ulp_distance(DType type, uint64_t a, uint64_t b) {
  const DTypeInfo &row = info(type);
  if (!row.is_float) return a == b ? 0 : infinity;
  bool nan_a = std::isnan(tessera::num::decode(row.format, a)), nan_b = std::isnan(tessera::num::decode(row.format, b));
  if (nan_a || nan_b) return nan_a == nan_b ? 0 : infinity;
  return ordered_distance(type, a, b);
}

/// The gap from |value| to the next larger number of a narrow format; 0 for f32, f64 and integers.
static double narrow_ulp(DType type, uint64_t bits) {
  const DTypeInfo &row = info(type);
  if (!row.is_float || row.size > 2) return 0;
  uint64_t magnitude = bits & ((uint64_t(1) << (8 * row.size - 1)) - 1);
  double here = tessera::num::decode(row.format, magnitude), above = tessera::num::decode(row.format, magnitude + 1);
  if (std::isfinite(above)) return above - here;
  return magnitude ? here - tessera::num::decode(row.format, magnitude - 1) : 0;
}

static bool within(DType type, uint64_t got, uint64_t want, double x, double r, const Rule &rule, double atol) {
  if (got == want) return true;
  if (!info(type).is_float) return false;
  if (std::isnan(x) || std::isnan(r)) return std::isnan(x) && std::isnan(r);
  if (rule.exact) return false;
  if (x == r) return true; // zeros of either sign
  // The last finite number of a narrow type and infinity are one rounding apart.
  if (std::isinf(x) || std::isinf(r)) return info(type).size <= 2 && ordered_distance(type, got, want) <= 1;
  return std::fabs(x - r) <= atol + rule.rtol * std::fabs(r) + narrow_ulp(type, want);
}

Difference compare(DType type, const void *got, const void *reference, uint64_t count, const uint8_t *defined,
                   const Rule &rule) {
  Difference d;
  const unsigned size = info(type).size;
  const bool is_float = info(type).is_float;
  const auto *a = static_cast<const uint8_t *>(got);
  const auto *b = static_cast<const uint8_t *>(reference);
  double atol = rule.atol;
  if (rule.scaled_atol) {
    double largest = 0;
    for (uint64_t i = 0; i < count; ++i) {
      if (defined && !defined[i]) continue;
      double r = std::fabs(load_double(type, b + i * size));
      if (std::isfinite(r) && r > largest) largest = r;
    }
    atol += rule.rtol * largest;
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (defined && !defined[i]) {
      ++d.undefined;
      continue;
    }
    ++d.compared;
    uint64_t g = load_bits(type, a + i * size), w = load_bits(type, b + i * size);
    if (g == w) continue;
    double x = load_double(type, a + i * size), r = load_double(type, b + i * size);
    bool both_nan = std::isnan(x) && std::isnan(r);
    if (!both_nan) {
      double absolute = x == r && is_float ? 0 : std::fabs(x - r);
      // 64-bit integers may round to the same double; they differ all the same.
      if (!is_float && absolute == 0) absolute = 1;
      if (std::isnan(absolute)) absolute = infinity;
      double relative = absolute == 0 ? 0 : r == 0 ? infinity : std::isinf(absolute) ? infinity : absolute / std::fabs(r);
      double ulp = is_float ? ulp_distance(type, g, w) : 0;
      if (absolute > d.max_absolute) d.max_absolute = absolute, d.at_absolute = i;
      if (relative > d.max_relative) d.max_relative = relative, d.at_relative = i;
      if (ulp > d.max_ulp) d.max_ulp = ulp, d.at_ulp = i;
    }
    if (!within(type, g, w, x, r, rule, atol)) {
      if (d.differing++ == 0) d.first = i;
    }
  }
  return d;
}

} // namespace tool
