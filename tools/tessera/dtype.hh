// SPDX-License-Identifier: MIT
// The element types of the command line: f16 bf16 f32 f64 f8e4m3 f8e5m2 i1 i8 i16 i32 i64 u8 u16 u32 u64.
#pragma once
#include "common/numfmt.hh"
#include <cstdint>
#include <string>
#include <string_view>

namespace tool {

enum class DType : uint8_t { f16, bf16, f32, f64, f8e4m3, f8e5m2, i1, i8, i16, i32, i64, u8, u16, u32, u64, count_ };

struct DTypeInfo {
  const char *name; // on the command line
  const char *npy;  // as stored in .npy files, byte order first; bf16 and fp8 live in unsigned integers
  uint8_t size;     // bytes
  bool is_float;
  bool is_signed; // integers
  tessera::num::Format format; // floats
};

const DTypeInfo &info(DType type);
bool dtype_by_name(std::string_view name, DType *out);
/// "f16, bf16, …" for messages.
const std::string &dtype_names();

/// The value of the element at `bytes` as a double (64-bit integers round).
double load_double(DType type, const void *bytes);
/// The bits of the element, zero-extended.
uint64_t load_bits(DType type, const void *bytes);
void store_bits(DType type, void *bytes, uint64_t bits);

/// A scalar from text ("784", "-1", "0x10", "1e-5", "nan", "-inf"), rounded once. On failure: what was expected.
bool parse_scalar(DType type, std::string_view text, uint64_t *bits, std::string *why);

} // namespace tool
