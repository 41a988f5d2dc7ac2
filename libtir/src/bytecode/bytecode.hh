// SPDX-License-Identifier: MIT
// Bytecode, version 0 (docs/bytecode.md): the same module in bytes.
#pragma once
#include "ir/ir.hh"
#include <memory>
#include <string>
#include <string_view>

namespace tir {

constexpr uint32_t bytecode_version = 0;

struct BytecodeOptions {
  bool debug = true; // locations, names of values, aliases of the source
};

/// Appends the bytes; the same for equal modules. LIMIT for what the format cannot hold.
tessera::Status writeBytecode(const Module &module, const BytecodeOptions &options, std::string &out);

/// Reads any bytes whatever. CORRUPT (with the offset) or VERSION; allocates no more than a small multiple of
/// their number. The module is well-formed, not verified. `name` is for messages.
tessera::Result<std::unique_ptr<Module>> readBytecode(Context &ctx, std::string_view bytes, std::string_view name);

bool looksLikeBytecode(std::string_view bytes);

// ---- the numbers of the format; append only ----

constexpr char bytecode_magic[4] = {'\x7f', 'T', 'I', 'R'};
enum class Section : uint8_t { Strings = 1, Values = 2, Code = 3, Debug = 4 };
enum class Entry : uint8_t { // of the section of types and attributes
  None = 1, Index, Int, Float, Ptr, Tensor, TensorDesc, Function, Tuple, OpaqueType, MemDesc,
  Unit = 32, Bool, Integer, Floating, String, TypeAttr, Array, Dict, Dense, DenseArray, Symbol, Enum, OpaqueAttr, Loc,
};
constexpr unsigned bytecode_max_depth = 64;    // types, attributes in each other
constexpr unsigned bytecode_max_nesting = 130; // regions in regions
constexpr unsigned bytecode_max_loc_depth = 200;

} // namespace tir
