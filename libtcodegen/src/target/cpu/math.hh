// SPDX-License-Identifier: MIT
// Math functions as code: our own polynomials over vectors of float, inline; the rest through scalar libm imports.
//
// Guarantees: the ULP bounds of docs/math.md, IEEE special values (inf, NaN, signed zero), sub-normals kept, and the
// same bits for a value in every lane, at every vector width and on every x86 level (fused multiply-adds are
// explicit; the builder's fast-math flags are not used).
#pragma once
#include <cstdint>
#include <string_view>

namespace llvm {
class IRBuilderBase;
class Value;
} // namespace llvm

namespace tcodegen {

struct CpuTarget;

enum class MathFn : uint8_t {
#define X(name, arity, own) name,
#include "math_fn.inc"
#undef X
};

struct MathFnInfo {
  const char *name;
  int arity;
  bool own; // our polynomial for float; otherwise an instruction or an import per lane
};

const MathFnInfo &math_fn_info(MathFn fn);

/// By C name ("expf", "exp", "rsqrt") or libdevice name ("__nv_expf", "__nv_fast_expf"). False when unknown.
bool find_math_fn(std::string_view name, MathFn *fn);

/// fn(x) or fn(x, y). Values are float, double, or power-of-two vectors of them; 16-bit types are extended by the
/// caller. The builder may be left in another basic block than before (sin and cos of huge arguments branch), so
/// take GetInsertBlock() afresh for a phi. NULL if the types do not fit. With `cpu` given, fewer instructions may do
/// the same (vscalefps); the bits do not change.
llvm::Value *emit_math(MathFn fn, llvm::IRBuilderBase &b, llvm::Value *x, llvm::Value *y = nullptr,
                       const CpuTarget *cpu = nullptr);

} // namespace tcodegen
