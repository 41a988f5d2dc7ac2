// SPDX-License-Identifier: MIT
// Atomics (really atomic: several host threads may run programs) and conversions.
#include "imports.hh"
#include "common/numfmt.hh"
#include <cmath>
#include <cstring>

namespace tdriver::emu {
namespace {

using abi::AtomOp;
using abi::AtomType;
using abi::Form;
namespace num = tessera::num;

uint32_t size_of(AtomType t) {
  switch (t) {
  case AtomType::i8: return 1;
  case AtomType::i16: case AtomType::f16: case AtomType::bf16: return 2;
  case AtomType::i64: case AtomType::f64: return 8;
  default: return 4;
  }
}

num::Format format_of(AtomType t) {
  return t == AtomType::f16 ? num::Format::F16 : t == AtomType::bf16 ? num::Format::BF16
       : t == AtomType::f32 ? num::Format::F32 : num::Format::F64;
}

int64_t sign_extend(uint64_t v, uint32_t bytes) {
  uint32_t s = 64 - 8 * bytes;
  return int64_t(v << s) >> s;
}

uint64_t combine_float(AtomOp op, AtomType type, uint64_t old, uint64_t value) {
  num::Format f = format_of(type);
  double a = num::decode(f, old), b = num::decode(f, value);
  switch (op) {
  case AtomOp::fadd:
    if (type == AtomType::f64) return num::encode(f, a + b);
    return num::encode(f, num::add_round_odd(a, b));
  // A NaN loses against a number, and -0 is below 0, as in PTX.
  case AtomOp::fmax: return std::isnan(a) || b > a || (b == a && std::signbit(a)) ? value : old;
  default: return std::isnan(a) || b < a || (b == a && std::signbit(b)) ? value : old;
  }
}

template <class T> uint64_t apply(AtomOp op, AtomType type, void *address, uint64_t value, uint64_t compare) {
  T *p = static_cast<T *>(address);
  T old = __atomic_load_n(p, __ATOMIC_SEQ_CST);
  for (;;) {
    T next = T(op == AtomOp::cas ? (old == T(compare) ? value : uint64_t(old)) : combine(op, type, old, value));
    if (__atomic_compare_exchange_n(p, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return old;
  }
}

} // namespace

uint64_t combine(AtomOp op, AtomType type, uint64_t old, uint64_t value) {
  uint32_t bytes = size_of(type);
  uint64_t mask = bytes == 8 ? ~uint64_t(0) : (uint64_t(1) << 8 * bytes) - 1;
  old &= mask;
  value &= mask;
  int64_t a = sign_extend(old, bytes), b = sign_extend(value, bytes);
  switch (op) {
  case AtomOp::add: return (old + value) & mask;
  case AtomOp::and_: return old & value;
  case AtomOp::or_: return old | value;
  case AtomOp::xor_: return old ^ value;
  case AtomOp::max: return a > b ? old : value;
  case AtomOp::min: return a < b ? old : value;
  case AtomOp::umax: return old > value ? old : value;
  case AtomOp::umin: return old < value ? old : value;
  case AtomOp::exch: return value;
  case AtomOp::fadd: case AtomOp::fmax: case AtomOp::fmin: return combine_float(op, type, old, value);
  case AtomOp::cas: break;
  }
  return old;
}

uint64_t atom(Thread *t, const char *site, uint32_t code, void *address, uint64_t value, uint64_t compare,
              uint32_t predicate) {
  Program &p = *t->program;
  p.settle();
  auto op = AtomOp(code & 0xff);
  auto type = AtomType(code >> 8 & 0xff);
  uint32_t bytes = size_of(type);
  if (!predicate) return abi::poison;
  if (code >> 16) p.access(t, site, address, bytes, Program::atomic);
  global(t, site, address, bytes);
  uint64_t old = bytes == 1   ? apply<uint8_t>(op, type, address, value, compare)
                 : bytes == 2 ? apply<uint16_t>(op, type, address, value, compare)
                 : bytes == 4 ? apply<uint32_t>(op, type, address, value, compare)
                              : apply<uint64_t>(op, type, address, value, compare);
  // What may be a wait for somebody else lets others run.
  bool missed = op == AtomOp::cas && old != (bytes == 8 ? compare : compare & ((uint64_t(1) << 8 * bytes) - 1));
  if (missed || ++t->busy > 256) p.spin(t);
  return old;
}

uint64_t convert(uint64_t bits, uint32_t from, uint32_t to, uint32_t mode) {
  auto format = [](Form f) {
    switch (f) {
    case Form::f16: return num::Format::F16;
    case Form::bf16: return num::Format::BF16;
    case Form::f64: return num::Format::F64;
    case Form::tf32: return num::Format::TF32;
    case Form::e4m3: return num::Format::F8E4M3FN;
    case Form::e5m2: return num::Format::F8E5M2;
    default: return num::Format::F32;
    }
  };
  auto width = [](Form f) {
    return f == Form::s8 || f == Form::u8 ? 8u : f == Form::s16 || f == Form::u16 ? 16u
         : f == Form::s32 || f == Form::u32 ? 32u : 64u;
  };
  auto is_int = [](Form f) { return f >= Form::s8; };
  auto is_signed = [](Form f) { return (uint32_t(f) - uint32_t(Form::s8)) % 2 == 0; };
  Form a = Form(from), b = Form(to);
  if (is_int(a)) {
    int64_t v = is_signed(a) ? sign_extend(bits, width(a) / 8) : int64_t(bits);
    if (is_int(b)) return uint64_t(v);
    bool negative = is_signed(a) && v < 0;
    return num::encode_int(format(b), negative, negative ? 0 - uint64_t(v) : uint64_t(v));
  }
  // A tf32 lies in the upper bits of its 32.
  double x = a == Form::tf32 ? double(__builtin_bit_cast(float, uint32_t(bits))) : num::decode(format(a), bits);
  if (!is_int(b)) {
    if (b == Form::tf32)
      return __builtin_bit_cast(uint32_t, num::round_tf32(float(x)));
    return num::encode(format(b), x, mode & abi::convert_rtz ? num::Round::RTZ : num::Round::RNE,
                       mode & abi::convert_saturate ? num::Overflow::Saturate : num::Overflow::Format);
  }
  if (std::isnan(x)) return 0;
  x = mode & abi::convert_rtz ? std::trunc(x) : std::nearbyint(x);
  double top = std::ldexp(1.0, int(width(b)) - is_signed(b)), low = is_signed(b) ? -top : 0;
  if (x >= top) return is_signed(b) ? uint64_t(std::ldexp(1.0, int(width(b)) - 1)) - 1 : ~uint64_t(0) >> (64 - width(b));
  if (x < low) x = low;
  return is_signed(b) ? uint64_t(int64_t(x)) : uint64_t(x);
}

} // namespace tdriver::emu
