// SPDX-License-Identifier: MIT
// The one comparator: when do two results of the same program agree? (libtir/docs and the numerics table of the
// README state the classes.) Used by `tessera run --check`, and through it by the run tests.
#pragma once
#include "dtype.hh"
#include <cstddef>
#include <cstdint>
#include <string>

namespace tool {

/// What a kernel contains that decides how exact its results are.
struct Features {
  bool dot_narrow = false;     // tt.dot on f16 bf16 fp8, or f32 as tf32
  bool dot_f32 = false;        // tt.dot on f32 or f64 with full precision
  bool float_reduction = false; // sums and products over an axis, float atomics
  bool transcendental = false; // exp log sin … and functions of outside libraries
  bool bounded = false;        // divf, sqrt, and a multiply with an add (they may be contracted)
};

struct Rule {
  bool exact = true;
  double rtol = 0;
  double atol = 0;         // absolute part, taken as it is …
  bool scaled_atol = false; // … or: rtol times the largest |reference| of the buffer
  const char *name = "exact";
};

/// The loosest class among the features; `exact` when there are none.
Rule choose_rule(const Features &features);
/// `--tol R[,A]`.
bool parse_tolerance(const std::string &text, Rule *rule);

struct Difference {
  uint64_t compared = 0, undefined = 0; // elements; undefined ones are not compared
  uint64_t differing = 0;               // elements outside the tolerance
  uint64_t first = 0;                   // index of the first of them
  double max_absolute = 0, max_relative = 0, max_ulp = 0;
  uint64_t at_absolute = 0, at_relative = 0, at_ulp = 0;
  bool agree() const { return differing == 0; }
};

/// `got` and `reference` hold `count` elements. `defined`, where not null, has one byte per element: 0 means that the
/// reference leaves it undefined.
Difference compare(DType type, const void *got, const void *reference, uint64_t count, const uint8_t *defined,
                   const Rule &rule);

/// Distance in units of the last place between two elements (0 for two NaNs; infinite between a NaN and a number).
double ulp_distance(DType type, uint64_t a, uint64_t b);

} // namespace tool
