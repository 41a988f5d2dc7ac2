// SPDX-License-Identifier: MIT
// Number formats: exact decoding to double, and encoding from double with one rounding. The house has no
// other code that converts floats: the interpreter, constants of the code generator and the command line
// share this.
//
// Rules, for every format:
//   * sub-normals are kept; NaN gives the format's quiet NaN (sign kept where the format has one);
//   * Overflow::Format is what MLIR's arith.truncf (APFloat) does: infinity where the format has one (f16
//   bf16
//     f32 f64 tf32 f8E5M2), else NaN (f8E4M3FN, both FNUZ, f8E8M0FNU), else the largest value (f4E2M1FN);
//   * Overflow::Saturate gives the largest finite value of the sign, for infinities too; it is what
//     tt.fp_to_fp means when it narrows to an 8-bit type, as GPUs' conversion instructions do;
//   * Round::RTZ never rounds a finite value to infinity or NaN;
//   * FNUZ formats have no -0; f8E8M0FNU has neither zero nor sign: 0 and everything below 2^-127 gives
//   2^-127,
//     a negative value gives NaN; NaN to f4E2M1FN gives the largest value;
//   * TF32 rounds to nearest, ties away, whatever the mode asked (RTZ excepted).
#pragma once
#include <cstddef>
#include <cstdint>

namespace tessera::num {

/// Same order as tir::FloatKind.
enum class Format : uint8_t {
  F16,
  BF16,
  F32,
  F64,
  TF32,
  F8E4M3FN,
  F8E4M3FNUZ,
  F8E5M2,
  F8E5M2FNUZ,
  F8E8M0FNU,
  F4E2M1FN,
};
inline constexpr unsigned format_count = 11;

enum class Round : uint8_t { RNE, RTZ };
enum class Overflow : uint8_t { Format, Saturate };

enum class Nan : uint8_t {
  Ieee,    // exponent all ones: infinity and NaNs
  AllOnes, // exponent and mantissa all ones: NaN; no infinity
  NegZero, // the bits of -0: NaN; no infinity
  None,    // every code is a number
};

struct FormatInfo {
  const char *name; // as MLIR spells it
  uint8_t width;    // bits (TF32: 19)
  uint8_t exponent; // bits of it
  uint8_t mantissa; // explicit bits of it
  int16_t bias;
  Nan nan;
  bool sign;
};
const FormatInfo &info(Format f);

/// The value of the low `width` bits of `bits`.
double decode(Format f, uint64_t bits);
/// `x` rounded once. Upper bits of the result are zero.
uint64_t encode(Format f, double x, Round r = Round::RNE, Overflow o = Overflow::Format);
/// An integer (sign and magnitude) rounded once, nearest even.
uint64_t encode_int(Format f, bool negative, uint64_t magnitude);
/// The same over arrays whose elements lie in 64-bit cells.
void decode_n(Format f, const uint64_t *in, double *out, size_t n);
void encode_n(Format f, const double *in, uint64_t *out, size_t n, Round r = Round::RNE,
              Overflow o = Overflow::Format);

/// Bits of the format's quiet NaN, infinity (its NaN or largest value if it has none), largest finite value.
uint64_t nan_bits(Format f);
uint64_t inf_bits(Format f, bool negative);
uint64_t max_bits(Format f, bool negative);
/// An f32 rounded to 10 mantissa bits, nearest, ties away from zero (the operand of a tf32 dot).
float round_tf32(float x);
/// a + b rounded to odd: rounding the result to a format of at most 51 mantissa bits is rounding a + b once.
double add_round_odd(double a, double b);
/// a * b + c rounded once to `f`.
uint64_t fma(Format f, double a, double b, double c);

} // namespace tessera::num
