// SPDX-License-Identifier: MIT
// Device library functions that name a rounding (add_rz, float2int_rd, ull2double_ru, …): done by the processor in that
// mode. Also the bit casts between integers and floats.
#include "extern_round.hh"
#include <cfenv>
#include <cmath>
#include <cstring>

namespace tir::interp::mean {

namespace {

struct InMode {
  explicit InMode(int mode) : old(std::fegetround()) { std::fesetround(mode); }
  ~InMode() { std::fesetround(old); }
  int old;
};

bool dropEnd(std::string_view &s, std::string_view x) {
  if (s.size() <= x.size() || s.substr(s.size() - x.size()) != x) return false;
  s.remove_suffix(x.size());
  return true;
}
bool dropStart(std::string_view &s, std::string_view x) {
  if (s.substr(0, x.size()) != x) return false;
  s.remove_prefix(x.size());
  return true;
}

template <class T> T fromBits(uint64_t bits) {
  T v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
template <class T> uint64_t toBits(T v) {
  uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  return bits;
}

/// The operands go through volatile variables, so that the operation happens where the mode holds.
template <class T> bool arithmetic(std::string_view n, int mode, const uint64_t *x, unsigned k, uint64_t *r) {
  volatile T a = fromBits<T>(x[0]), b = k > 1 ? fromBits<T>(x[1]) : T(0), c = k > 2 ? fromBits<T>(x[2]) : T(0), v;
  InMode in(mode);
  if (n == "add" && k == 2) v = a + b;
  else if (n == "sub" && k == 2) v = a - b;
  else if (n == "mul" && k == 2) v = a * b;
  else if (n == "div" && k == 2) v = a / b;
  else if (n == "rcp" && k == 1) v = T(1) / a;
  else if (n == "sqrt" && k == 1) v = std::sqrt(T(a));
  else if (n == "fma" && k == 3) v = std::fma(T(a), T(b), T(c));
  else return false;
  *r = toBits<T>(v);
  return true;
}

template <class T> uint64_t toInteger(T v, int mode, bool is_unsigned, unsigned width) {
  if (v != v) return 0;
  T w = mode == FE_UPWARD ? std::ceil(v) : mode == FE_DOWNWARD ? std::floor(v) : mode == FE_TOWARDZERO ? std::trunc(v) : std::nearbyint(v);
  if (is_unsigned) {
    if (w <= 0) return 0;
    return w >= std::ldexp(T(1), (int)width) ? ~uint64_t(0) >> (64 - width) : static_cast<uint64_t>(w);
  }
  T top = std::ldexp(T(1), (int)width - 1);
  if (w >= top) return ~uint64_t(0) >> (65 - width);
  if (w < -top) return uint64_t(1) << (width - 1);
  return static_cast<uint64_t>(static_cast<int64_t>(w));
}

template <class T> uint64_t fromInteger(uint64_t bits, bool is_unsigned, unsigned width, int mode) {
  volatile int64_t s = static_cast<int64_t>(bits << (64 - width)) >> (64 - width);
  volatile uint64_t u = bits;
  volatile T v;
  InMode in(mode);
  if (is_unsigned) v = static_cast<T>(u);
  else v = static_cast<T>(s);
  return toBits<T>(v);
}

bool integerKind(std::string_view s, bool *is_unsigned, unsigned *width) {
  *is_unsigned = s == "uint" || s == "ull";
  *width = s == "int" || s == "uint" ? 32 : 64;
  return *is_unsigned || s == "int" || s == "ll";
}

} // namespace

bool externRounded(std::string_view n, const ExternTypes &types, const uint64_t *x, uint64_t *r) {
  const unsigned k = types.operands;
  static constexpr std::string_view casts[] = {"int_as_float",  "float_as_int",       "uint_as_float",
                                               "float_as_uint", "longlong_as_double", "double_as_longlong"};
  for (auto name : casts)
    if (n == name && k == 1) return *r = x[0], true;
  if (n == "double2loint" && k == 1) return *r = x[0] & 0xFFFFFFFF, true;
  if (n == "double2hiint" && k == 1) return *r = x[0] >> 32, true;
  if (n == "nextafterf" && k == 2) return *r = toBits(std::nextafter(fromBits<float>(x[0]), fromBits<float>(x[1]))), true;
  if (n == "nextafter" && k == 2) return *r = toBits(std::nextafter(fromBits<double>(x[0]), fromBits<double>(x[1]))), true;
  if (n == "hiloint2double" && k == 2) return *r = x[0] << 32 | (x[1] & 0xFFFFFFFF), true;

  int mode = FE_TONEAREST;
  if (dropEnd(n, "_rz")) mode = FE_TOWARDZERO;
  else if (dropEnd(n, "_rd")) mode = FE_DOWNWARD;
  else if (dropEnd(n, "_ru")) mode = FE_UPWARD;
  else if (!dropEnd(n, "_rn")) return false;
  bool is_unsigned;
  unsigned width;
  if (n == "double2float" && k == 1 && types.in_float == 64) {
    volatile double v = fromBits<double>(x[0]);
    volatile float f;
    InMode in(mode);
    f = static_cast<float>(v);
    return *r = toBits<float>(f), true;
  }
  std::string_view s = n;
  if (k == 1 && types.in_float && !types.out_float && (dropStart(s, "float2") || dropStart(s, "double2"))) {
    if (!integerKind(s, &is_unsigned, &width)) return false;
    *r = types.in_float == 32 ? toInteger(fromBits<float>(x[0]), mode, is_unsigned, width)
                              : toInteger(fromBits<double>(x[0]), mode, is_unsigned, width);
    return true;
  }
  if (k == 1 && !types.in_float && types.out_float && (dropEnd(s, "2float") || dropEnd(s, "2double"))) {
    if (!integerKind(s, &is_unsigned, &width)) return false;
    *r = types.out_float == 32 ? fromInteger<float>(x[0], is_unsigned, width, mode)
                               : fromInteger<double>(x[0], is_unsigned, width, mode);
    return true;
  }
  if (!types.in_float || types.in_float != types.out_float) return false;
  if (n == "fmaf") n = "fma";
  else if (n.size() >= 4 && n != "fma" && (n[0] == 'f' || n[0] == 'd') && n != "div") n.remove_prefix(1);
  return types.in_float == 32 ? arithmetic<float>(n, mode, x, k, r) : arithmetic<double>(n, mode, x, k, r);
}

} // namespace tir::interp::mean
