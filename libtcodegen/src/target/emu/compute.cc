// SPDX-License-Identifier: MIT
// Primitives that compute: matrix instructions, math functions, conversions.
#include "expand.hh"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/imports.hh"

using namespace llvm;
using namespace tessera::emu;
using tessera::Status;

namespace tcodegen::emu {

std::optional<uint64_t> parseShape(StringRef s) {
  unsigned m, n, k;
  if (!s.consume_front("m") || s.consumeInteger(10, m) || !s.consume_front("n") || s.consumeInteger(10, n) ||
      !s.consume_front("k") || s.consumeInteger(10, k) || !s.empty() || m > 256 || n > 256 || k > 256)
    return std::nullopt;
  return mma_shape(m, n, k);
}

std::optional<Elem> parseElem(StringRef s) {
  int e = StringSwitch<int>(s).Case("f16", 0).Case("bf16", 1).Case("tf32", 2).Case("s8", 3).Case("u8", 4)
              .Case("e4m3", 5).Case("e5m2", 6).Case("f64", 7).Case("f32", 8).Case("s32", 9).Case("i32", 9).Default(-1);
  return e < 0 ? std::nullopt : std::optional(Elem(e));
}

Status Expander::matrix(CallInst &c, const Fields &f) {
  int n = f.size() > 1 ? StringSwitch<int>(f[1]).Case("x1", 1).Case("x2", 2).Case("x4", 4).Default(0) : 0;
  bool load = f[0] == "ldmatrix", trans = f.size() > 2 && f[2] == "trans";
  if (!n || c.arg_size() != (load ? 1u : 1u + unsigned(n))) return unknown(c);
  Value *where = site(c, c.getCalledFunction()->getName()), *p = generic(c.getArgOperand(0));
  if (load) {
    Value *regs = frame(ArrayType::get(b.getInt32Ty(), uint64_t(n)));
    callImport("matrix_load", b.getVoidTy(), {thread, where, p, i32(uint32_t(n)), i32(trans), regs});
    done(c, gather(regs, c.getType()));
  } else {
    SmallVector<Value *, 4> values;
    for (int i = 0; i < n; ++i) values.push_back(c.getArgOperand(1 + unsigned(i)));
    callImport("matrix_store", b.getVoidTy(), {thread, where, p, i32(uint32_t(n)), i32(trans), spill(values)});
    done(c, nullptr);
  }
  return {};
}

/// mma.SHAPE.D.A.B.C(a…, b…, c…): all registers in one array, in that order.
Status Expander::mma(CallInst &c, const Fields &f) {
  if (f.size() < 6) return unknown(c);
  auto shape = parseShape(f[1]);
  auto d = parseElem(f[2]), x = parseElem(f[3]), y = parseElem(f[4]), z = parseElem(f[5]);
  if (!shape || !d || !x || !y || !z) return unknown(c);
  SmallVector<Value *, 16> args(c.args());
  Value *out = frame(c.getType());
  uint64_t got = 0, m = *shape & 0xffff, n = *shape >> 16 & 0xffff, k = *shape >> 32;
  for (Value *v : args) got += module.getDataLayout().getTypeStoreSize(v->getType());
  auto width = [](Elem e) -> uint64_t {
    switch (e) {
    case Elem::f16: case Elem::bf16: return 2;
    case Elem::s8: case Elem::u8: case Elem::e4m3: case Elem::e5m2: return 1;
    case Elem::f64: return 8;
    default: return 4;
    }
  };
  if (got * 32 != m * k * width(*x) + k * n * width(*y) + m * n * width(*z))
    return unknown(c, ": the operands have another number of registers than the shape");
  callImport("mma", b.getVoidTy(),
             {thread, site(c, c.getCalledFunction()->getName()), i64(*shape), i32(mma_types(*d, *x, *y, *z)), spill(args),
              out});
  done(c, gather(out, c.getType()));
  return {};
}

/// wgmma.fence|commit|wait.N, wgmma.SHAPE.D.A.B.{ss|rs}[.ta][.tb](acc…, descA | a × 4, descB, useAcc)
Status Expander::wgmma(CallInst &c, const Fields &f) {
  Type *none = b.getVoidTy();
  Value *where = site(c, c.getCalledFunction()->getName());
  int n = 0;
  if (f.size() >= 2 && (f[1] == "fence" || f[1] == "commit" || f[1] == "wait")) {
    bool wait = f[1] == "wait";
    if (wait && (f.size() < 3 || f[2].getAsInteger(10, n))) return unknown(c); // a fourth field names the types
    callImport("wgmma_group", none, {thread, where, i32(wait ? 2 : f[1] == "commit"), i32(uint32_t(n))});
    // Accumulators that pass through a wait come back unchanged.
    if (c.getType()->isVoidTy()) {
      done(c, nullptr);
    } else if (c.arg_size() == 1 && c.getType() == c.getArgOperand(0)->getType()) {
      done(c, c.getArgOperand(0));
    } else if (auto *s = dyn_cast<StructType>(c.getType()); s && s->getNumElements() == c.arg_size()) {
      Value *out = PoisonValue::get(s);
      for (unsigned i = 0; i < c.arg_size(); ++i) out = b.CreateInsertValue(out, c.getArgOperand(i), i);
      done(c, out);
    } else return unknown(c);
    return {};
  }
  if (f.size() < 6) return unknown(c);
  auto shape = parseShape(f[1]);
  auto d = parseElem(f[2]), x = parseElem(f[3]), y = parseElem(f[4]);
  uint32_t flags = 0;
  if (f[5] == "rs") flags |= wgmma_a_registers;
  else if (f[5] != "ss") return unknown(c);
  for (StringRef m : ArrayRef(f).drop_front(6)) {
    if (m == "ta") flags |= wgmma_transpose_a;
    else if (m == "tb") flags |= wgmma_transpose_b;
    else return unknown(c);
  }
  unsigned tail = flags & wgmma_a_registers ? 6 : 3;
  if (!shape || !d || !x || !y || c.arg_size() <= tail) return unknown(c);
  unsigned registers = c.arg_size() - tail;
  unsigned columns = unsigned(*shape >> 16 & 0xffff);
  if (registers != columns / 2 / (*d == Elem::f16 ? 2 : 1))
    return unknown(c, ": the accumulator has another number of registers than the shape");
  SmallVector<Value *, 128> acc;
  for (unsigned i = 0; i < registers; ++i) acc.push_back(c.getArgOperand(i));
  Value *a = ConstantPointerNull::get(b.getPtrTy()), *descA = i64(0);
  if (flags & wgmma_a_registers) {
    SmallVector<Value *, 4> regs;
    for (unsigned i = 0; i < 4; ++i) regs.push_back(c.getArgOperand(registers + i));
    a = spill(regs);
  } else descA = c.getArgOperand(registers);
  Value *memory = spill(acc), *descB = c.getArgOperand(c.arg_size() - 2);
  Value *use = b.CreateZExt(c.getArgOperand(c.arg_size() - 1), b.getInt32Ty());
  callImport("wgmma", none,
             {thread, where, i64(*shape), i32(mma_types(*d, *x, *y, *d)), i32(flags), a, descA, descB, use, memory});
  done(c, gather(memory, c.getType()));
  return {};
}

/// math.FUNCTION.TYPE[.…](x…): of libm, or an instruction.
Status Expander::math(CallInst &c, const Fields &f) {
  if (f.size() < 3 || c.arg_size() < 1) return unknown(c);
  Type *type = c.getType(), *wide = type->isDoubleTy() ? type : b.getFloatTy();
  if (!type->isFloatingPointTy()) return unknown(c);
  SmallVector<Value *, 3> x;
  for (Value *v : c.args()) {
    bool narrow = v->getType()->isHalfTy() || v->getType()->isBFloatTy();
    x.push_back(narrow ? b.CreateFPExt(v, wide) : v);
  }
  auto finish = [&](Value *v) { return done(c, type == wide ? v : b.CreateFPTrunc(v, type)), Status{}; };
  auto one = [&] { return ConstantFP::get(wide, 1.0); };
  StringRef name = f[1];
  name = StringSwitch<StringRef>(name).Case("ex2", "exp2").Case("lg2", "log2").Default(name);
  auto root = [&] { return b.CreateUnaryIntrinsic(Intrinsic::sqrt, x[0]); };
  if (name == "sqrt" || name == "sqrt_rn") return finish(root());
  if (name == "rsqrt") return finish(b.CreateFDiv(one(), root()));
  if (name == "rcp" || name == "rcp_rn") return finish(b.CreateFDiv(one(), x[0]));
  if ((name == "div" || name == "div_rn") && x.size() == 2) return finish(b.CreateFDiv(x[0], x[1]));
  if (name == "fma" && x.size() == 3) return finish(b.CreateIntrinsic(Intrinsic::fma, {wide}, x));
  std::string symbol = name.str() + (wide->isFloatTy() ? "f" : "");
  if (!is_import(symbol) || symbol.substr(0, 7) == "tessera") return unknown(c);
  CallInst *call = b.CreateCall(import(symbol, wide, x), x);
  call->setDoesNotThrow();
  return finish(call);
}

namespace {

struct Packed {
  Form form;
  unsigned count, bits;
};

std::optional<Packed> parseForm(StringRef s) {
  unsigned count = 1;
  if (s.ends_with("x2") || s.ends_with("x4")) {
    count = unsigned(s.back() - '0');
    s = s.drop_back(2);
  }
  static constexpr struct {
    const char *name;
    Form form;
    unsigned bits;
  } table[] = {{"f16", Form::f16, 16}, {"bf16", Form::bf16, 16}, {"f32", Form::f32, 32}, {"f64", Form::f64, 64},
               {"tf32", Form::tf32, 32}, {"e4m3", Form::e4m3, 8}, {"e5m2", Form::e5m2, 8}, {"s8", Form::s8, 8},
               {"u8", Form::u8, 8}, {"s16", Form::s16, 16}, {"u16", Form::u16, 16}, {"s32", Form::s32, 32},
               {"u32", Form::u32, 32}, {"s64", Form::s64, 64}, {"u64", Form::u64, 64}, {"i8", Form::s8, 8},
               {"i16", Form::s16, 16}, {"i32", Form::s32, 32}, {"i64", Form::s64, 64}};
  for (const auto &row : table)
    if (s == row.name) return Packed{row.form, count, row.bits};
  return std::nullopt;
}

} // namespace

/// cvt.FROM.TO[.mods](x…): several elements are one operand each, or packed, the first in the low bits.
Status Expander::convert(CallInst &c, const Fields &f) {
  if (f.size() < 3) return unknown(c);
  auto from = parseForm(f[1]), to = parseForm(f[2]);
  if (!from || !to || from->count != to->count) return unknown(c);
  uint32_t mode = 0;
  for (StringRef m : ArrayRef(f).drop_front(3))
    if (m == "rtz" || m == "rz") mode |= convert_rtz;
    else if (m == "satfinite" || m == "sat") mode |= convert_saturate;
  if (to->form == Form::e4m3 || to->form == Form::e5m2) mode |= convert_saturate;
  SmallVector<Value *, 4> in;
  auto bits = [&](Value *v) {
    Type *t = v->getType();
    return t->isIntegerTy() ? v : b.CreateBitCast(v, b.getIntNTy(t->getPrimitiveSizeInBits().getFixedValue()));
  };
  if (c.arg_size() == from->count) {
    for (Value *v : c.args()) in.push_back(b.CreateZExtOrTrunc(bits(v), b.getInt64Ty()));
  } else {
    if (c.arg_size() != 1) return unknown(c);
    Value *all = bits(c.getArgOperand(0));
    if (all->getType()->getIntegerBitWidth() < from->bits * from->count) return unknown(c);
    for (unsigned i = 0; i < from->count; ++i)
      in.push_back(b.CreateZExtOrTrunc(
          b.CreateTrunc(b.CreateLShr(all, uint64_t(i * from->bits)), b.getIntNTy(from->bits)), b.getInt64Ty()));
  }
  SmallVector<Value *, 4> out;
  for (Value *v : in)
    out.push_back(b.CreateTrunc(
        callImport("convert", b.getInt64Ty(), {v, i32(uint32_t(from->form)), i32(uint32_t(to->form)), i32(mode)}),
        b.getIntNTy(to->bits)));
  if (auto *s = dyn_cast<StructType>(c.getType())) {
    if (s->getNumElements() != to->count) return unknown(c);
    Value *v = PoisonValue::get(s);
    for (unsigned i = 0; i < to->count; ++i)
      v = b.CreateInsertValue(v, b.CreateBitCast(out[i], s->getElementType(i)), i);
    done(c, v);
    return {};
  }
  unsigned width = unsigned(c.getType()->getPrimitiveSizeInBits().getFixedValue());
  if (width < to->bits * to->count) return unknown(c);
  Value *v = ConstantInt::get(b.getIntNTy(width), 0);
  for (unsigned i = 0; i < to->count; ++i)
    v = b.CreateOr(v, b.CreateShl(b.CreateZExt(out[i], v->getType()), uint64_t(i * to->bits)));
  done(c, b.CreateBitCast(v, c.getType()));
  return {};
}

} // namespace tcodegen::emu
