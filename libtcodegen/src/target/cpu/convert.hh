// SPDX-License-Identifier: MIT
// Number formats and the arithmetic whose meaning the house fixes where LLVM leaves it open. Everything takes scalars
// or power-of-two vectors, is exact or rounds once, and never traps.
#pragma once
#include <cstdint>

namespace llvm {
class IRBuilderBase;
class LLVMContext;
class Type;
class Value;
} // namespace llvm

namespace tcodegen {

enum class Float : uint8_t { f16, bf16, f32, f64, f8e4m3fn, f8e5m2, f8e4m3fnuz, f8e5m2fnuz };
enum class Rounding : uint8_t { nearest_even, toward_zero };
/// Of 8-bit formats, rounded to nearest: `format` gives infinity where the format has one, else NaN (arith.truncf, as
/// LLVM's APFloat does); `saturate` gives the largest finite value of the sign, for infinities too (tt.fp_to_fp).
enum class Overflow : uint8_t { format, saturate };

/// The LLVM type that holds a value in memory and between conversions: half for f16, i16 for bf16, i8 for fp8.
llvm::Type *storage_type(llvm::LLVMContext &context, Float format);

/// Between any two formats, rounded once. Toward zero, a finite value that is too large gives the largest finite
/// value. NaN stays NaN, and narrowing makes it quiet. FNUZ has no -0.
llvm::Value *emit_convert(llvm::IRBuilderBase &b, llvm::Value *x, Float from, Float to,
                          Rounding rounding = Rounding::nearest_even, Overflow overflow = Overflow::format);

/// x·y + z rounded once to the format; values in storage form.
llvm::Value *emit_fma(llvm::IRBuilderBase &b, llvm::Value *x, llvm::Value *y, llvm::Value *z, Float format);

/// Toward zero, saturating, NaN → 0. `to` is i1 … i64 (scalar type).
llvm::Value *emit_float_to_int(llvm::IRBuilderBase &b, llvm::Value *x, Float from, llvm::Type *to, bool is_signed);
/// Nearest-even, rounded once for every pair of types. x is i1 … i64.
llvm::Value *emit_int_to_float(llvm::IRBuilderBase &b, llvm::Value *x, bool is_signed, Float to);

/// C's fmod, exact. float or double.
llvm::Value *emit_remainder(llvm::IRBuilderBase &b, llvm::Value *x, llvm::Value *y);

/// float or double; -0 < +0. minimum/maximum: NaN if either is. min_number/max_number: the other if one is NaN.
enum class MinMax : uint8_t { minimum, maximum, min_number, max_number };
llvm::Value *emit_min_max(llvm::IRBuilderBase &b, MinMax kind, llvm::Value *x, llvm::Value *y);

/// The amount is unsigned; amounts of the width and more give 0 (left, logical) or the sign (arithmetic).
enum class Shift : uint8_t { left, logical_right, arithmetic_right };
llvm::Value *emit_shift(llvm::IRBuilderBase &b, Shift kind, llvm::Value *x, llvm::Value *amount);

/// Toward zero. Division by 0 gives an unspecified value, INT_MIN / -1 wraps (remainder 0); neither traps.
enum class Divide : uint8_t { sdiv, udiv, srem, urem };
llvm::Value *emit_int_divide(llvm::IRBuilderBase &b, Divide kind, llvm::Value *x, llvm::Value *y);
/// Rounded up and down (arith.ceildivsi, ceildivui, floordivsi), with the same promises.
enum class RoundedDivide : uint8_t { ceil_signed, ceil_unsigned, floor_signed };
llvm::Value *emit_rounded_divide(llvm::IRBuilderBase &b, RoundedDivide kind, llvm::Value *x, llvm::Value *y);

/// The high half of the product (arith.mulsi_extended, tt.mulhiui).
llvm::Value *emit_mul_high(llvm::IRBuilderBase &b, llvm::Value *x, llvm::Value *y, bool is_signed);

} // namespace tcodegen
