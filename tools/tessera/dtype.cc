// SPDX-License-Identifier: MIT
#include "dtype.hh"
#include "common/status.hh"
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tool {

using tessera::num::Format;

static constexpr DTypeInfo table[] = {
    {"f16", "<f2", 2, true, true, Format::F16},
    {"bf16", "<u2", 2, true, true, Format::BF16},
    {"f32", "<f4", 4, true, true, Format::F32},
    {"f64", "<f8", 8, true, true, Format::F64},
    {"f8e4m3", "|u1", 1, true, true, Format::F8E4M3FN},
    {"f8e5m2", "|u1", 1, true, true, Format::F8E5M2},
    {"i1", "|b1", 1, false, false, Format::F32},
    {"i8", "|i1", 1, false, true, Format::F32},
    {"i16", "<i2", 2, false, true, Format::F32},
    {"i32", "<i4", 4, false, true, Format::F32},
    {"i64", "<i8", 8, false, true, Format::F32},
    {"u8", "|u1", 1, false, false, Format::F32},
    {"u16", "<u2", 2, false, false, Format::F32},
    {"u32", "<u4", 4, false, false, Format::F32},
    {"u64", "<u8", 8, false, false, Format::F32},
};
static_assert(sizeof(table) / sizeof(table[0]) == size_t(DType::count_));

const DTypeInfo &info(DType type) { return table[size_t(type)]; }

bool dtype_by_name(std::string_view name, DType *out) {
  for (size_t i = 0; i < size_t(DType::count_); ++i)
    if (name == table[i].name) {
      *out = DType(i);
      return true;
    }
  return false;
}

const std::string &dtype_names() {
  static const std::string *names = [] {
    auto *text = new std::string;
    for (const DTypeInfo &row : table) *text += (text->empty() ? "" : " ") + std::string(row.name);
    return text;
  }();
  return *names;
}

uint64_t load_bits(DType type, const void *bytes) {
  uint64_t bits = 0; // the machines we run on are little-endian, as the files are
  std::memcpy(&bits, bytes, info(type).size);
  return bits;
}

void store_bits(DType type, void *bytes, uint64_t bits) { std::memcpy(bytes, &bits, info(type).size); }

double load_double(DType type, const void *bytes) {
  const DTypeInfo &row = info(type);
  uint64_t bits = load_bits(type, bytes);
  if (row.is_float) return tessera::num::decode(row.format, bits);
  if (!row.is_signed) return double(bits);
  unsigned shift = 64 - 8 * row.size;
  return double(int64_t(bits << shift) >> shift);
}

static bool parse_integer(DType type, const std::string &text, uint64_t *bits, std::string *why) {
  const DTypeInfo &row = info(type);
  const char *p = text.c_str();
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') ++p;
  if (*p < '0' || *p > '9') {
    *why = tessera::format("'%s' is not an integer", text.c_str());
    return false;
  }
  char *end;
  errno = 0;
  int base = p[0] == '0' && (p[1] == 'x' || p[1] == 'X') ? 16 : 10;
  uint64_t magnitude = std::strtoull(p, &end, base);
  if (*end) {
    *why = tessera::format("'%s' is not an integer", text.c_str());
    return false;
  }
  unsigned width = type == DType::i1 ? 1 : 8 * row.size;
  uint64_t top = width == 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1;
  // A signed type also takes the unsigned spelling of its bits (i32:0xffffffff), as IR text does.
  uint64_t most = negative ? (row.is_signed ? uint64_t(1) << (width - 1) : 0) : (base == 10 && row.is_signed ? top / 2 : top);
  if (errno == ERANGE || magnitude > most) {
    *why = tessera::format("%s does not fit %s", text.c_str(), row.name);
    return false;
  }
  *bits = (negative ? 0 - magnitude : magnitude) & top;
  return true;
}

bool parse_scalar(DType type, std::string_view view, uint64_t *bits, std::string *why) {
  std::string text(view);
  if (type == DType::i1 && (text == "true" || text == "false")) {
    *bits = text == "true";
    return true;
  }
  if (!info(type).is_float) return parse_integer(type, text, bits, why);
  char *end;
  double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end || text[0] == ' ') {
    *why = tessera::format("'%s' is not a number", text.c_str());
    return false;
  }
  // A decimal to f32 by way of f64 rounds twice only on exact ties of 53 bits; strtof avoids even that.
  if (type == DType::f32) value = std::strtof(text.c_str(), &end);
  *bits = tessera::num::encode(info(type).format, value);
  return true;
}

} // namespace tool
