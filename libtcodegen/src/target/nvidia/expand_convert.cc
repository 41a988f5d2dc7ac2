// SPDX-License-Identifier: MIT
// Conversions between number formats, in hardware where the architecture has them, else by arithmetic.
#include "expand.hh"
#include "target/cpu/convert.hh"

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

bool fp8_pair(StringRef name, Float *format) {
  *format = name == "e4m3x2" ? Float::f8e4m3fn : Float::f8e5m2;
  return name == "e4m3x2" || name == "e5m2x2";
}

/// Two narrow numbers in one word of twice the width, the first in the low half.
Value *pair(IRBuilderBase &b, Value *low, Value *high, unsigned width) {
  Type *whole = b.getIntNTy(2 * width);
  low = b.CreateZExt(b.CreateBitCast(low, b.getIntNTy(width)), whole);
  high = b.CreateZExt(b.CreateBitCast(high, b.getIntNTy(width)), whole);
  return b.CreateOr(low, b.CreateShl(high, width));
}

Value *half_of(IRBuilderBase &b, Value *word, unsigned which, unsigned width) {
  return b.CreateTrunc(which ? b.CreateLShr(word, width) : word, b.getIntNTy(width));
}

/// The instruction puts its first operand into the high half.
Value *pack_instruction(const Primitive &p, const char *name, Value *low, Value *high) {
  Asm a(p.b);
  std::string out = a.out(p.type()), hi = a.in(high), lo = a.in(low);
  return a.emit(std::string(name) + " " + out + ", " + hi + ", " + lo + ";", Asm::pure);
}

Value *one_instruction(const Primitive &p, const std::string &name) {
  Asm a(p.b);
  std::string out = a.out(p.type()), in = a.in(p.arg(0));
  return a.emit(name + " " + out + ", " + in + ";", Asm::pure);
}

bool takes(const Primitive &p, unsigned result_bits, bool float_args, unsigned count, unsigned arg_bits) {
  if (p.args() != count || !p.type()->isIntegerTy(result_bits)) return false;
  for (unsigned i = 0; i < count; ++i)
    if (float_args ? !p.arg(i)->getType()->isFloatTy() : !p.arg(i)->getType()->isIntegerTy(arg_bits)) return false;
  return true;
}

Status to_fp8(const Primitive &p, bool from_halves, Float format, Value **result) {
  IRBuilderBase &b = p.b;
  if (!takes(p, 16, !from_halves, from_halves ? 1 : 2, 32)) return p.wrong(from_halves ? "i16 (i32)" : "i16 (float, float)");
  std::string to = p.field(2).str();
  if (p.options.target.capability >= 89) {
    TESSERA_TRY(p.need(89, p.options.target.capability >= 90 ? 78 : 81));
    *result = from_halves ? one_instruction(p, "cvt.rn.satfinite." + to + ".f16x2")
                          : pack_instruction(p, ("cvt.rn.satfinite." + to + ".f32").c_str(), p.arg(0), p.arg(1));
    return {};
  }
  Value *parts[2];
  for (unsigned i = 0; i < 2; ++i) {
    Value *x = from_halves ? b.CreateBitCast(half_of(b, p.arg(0), i, 16), b.getHalfTy()) : p.arg(i);
    parts[i] = emit_convert(b, x, from_halves ? Float::f16 : Float::f32, format, Rounding::nearest_even, Overflow::saturate);
  }
  *result = pair(b, parts[0], parts[1], 8);
  return {};
}

Status from_fp8(const Primitive &p, Float format, Value **result) {
  IRBuilderBase &b = p.b;
  if (!takes(p, 32, false, 1, 16)) return p.wrong("i32 (i16)");
  if (p.options.target.capability >= 89) {
    TESSERA_TRY(p.need(89, p.options.target.capability >= 90 ? 78 : 81));
    *result = one_instruction(p, "cvt.rn.f16x2." + p.field(1).str());
    return {};
  }
  Value *low = emit_convert(b, half_of(b, p.arg(0), 0, 8), format, Float::f16);
  Value *high = emit_convert(b, half_of(b, p.arg(0), 1, 8), format, Float::f16);
  *result = pair(b, low, high, 16);
  return {};
}

/// Pairs of 16-bit floats from f32.
Status to_16(const Primitive &p, bool pairs, Value **result) {
  IRBuilderBase &b = p.b;
  StringRef to = p.field(2);
  bool rtz = p.field(3) == "rtz", bf16 = to.starts_with("bf16");
  if (!takes(p, pairs ? 32 : 16, true, pairs ? 2 : 1, 0) || (p.fields.size() == 4 && !rtz) || p.fields.size() > 4)
    return p.wrong(pairs ? "i32 (float, float)" : "i16 (float)");
  if (p.options.target.capability >= 80) {
    TESSERA_TRY(p.need(80, 70));
    std::string name = std::string("cvt.") + (rtz ? "rz." : "rn.") + to.str() + ".f32";
    *result = pairs ? pack_instruction(p, name.c_str(), p.arg(0), p.arg(1)) : one_instruction(p, name);
    return {};
  }
  Value *parts[2];
  for (unsigned i = 0; i < p.args(); ++i) {
    if (!bf16) {
      Asm a(b);
      std::string out = a.out(b.getInt16Ty()), in = a.in(p.arg(i));
      parts[i] = a.emit(std::string("cvt.") + (rtz ? "rz" : "rn") + ".f16.f32 " + out + ", " + in + ";", Asm::pure);
    } else parts[i] = emit_convert(b, p.arg(i), Float::f32, Float::bf16, rtz ? Rounding::toward_zero : Rounding::nearest_even);
  }
  *result = pairs ? pair(b, parts[0], parts[1], 16) : b.CreateBitCast(parts[0], b.getInt16Ty());
  return {};
}

Status to_tf32(const Primitive &p, Value **result) {
  IRBuilderBase &b = p.b;
  if (!takes(p, 32, true, 1, 0)) return p.wrong("i32 (float)");
  if (p.options.target.capability >= 80) {
    TESSERA_TRY(p.need(80, 70));
    *result = one_instruction(p, "cvt.rna.tf32.f32");
    return {};
  }
  Value *bits = b.CreateBitCast(p.arg(0), b.getInt32Ty());
  Value *rounded = b.CreateAnd(b.CreateAdd(bits, b.getInt32(0x1000)), b.getInt32(0xffffe000));
  Value *finite = b.CreateICmpULT(b.CreateAnd(bits, b.getInt32(0x7fffffff)), b.getInt32(0x7f800000));
  *result = b.CreateSelect(finite, rounded, bits);
  return {};
}

Status from_bf16(const Primitive &p, Value **result) {
  if (p.args() != 1 || !p.arg(0)->getType()->isIntegerTy(16) || !p.type()->isFloatTy()) return p.wrong("float (i16)");
  Value *wide = p.b.CreateShl(p.b.CreateZExt(p.arg(0), p.b.getInt32Ty()), 16);
  *result = p.b.CreateBitCast(wide, p.type());
  return {};
}

Status convert(const Primitive &p, Value **result) {
  StringRef from = p.field(1), to = p.field(2);
  Float format;
  if ((from == "f32x2" || from == "f16x2") && fp8_pair(to, &format)) return to_fp8(p, from == "f16x2", format, result);
  if (to == "f16x2" && fp8_pair(from, &format)) return from_fp8(p, format, result);
  if (from == "f32x2" && (to == "f16x2" || to == "bf16x2")) return to_16(p, true, result);
  if (from == "f32" && (to == "f16" || to == "bf16")) return to_16(p, false, result);
  if (from == "f32" && to == "tf32") return to_tf32(p, result);
  if (from == "bf16" && to == "f32") return from_bf16(p, result);
  return fail(Code::UNSUPPORTED, "not implemented: primitive %s on NVIDIA GPUs", p.name.str().c_str());
}

constexpr Family families[] = {{"cvt", convert}};

} // namespace

ArrayRef<Family> convert_families() { return families; }

} // namespace tcodegen::nvidia
