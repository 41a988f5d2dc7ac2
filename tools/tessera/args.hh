// SPDX-License-Identifier: MIT
// The arguments of `tessera run`: their spelling, and what becomes of them for one kernel.
#pragma once
#include "common/status.hh"
#include "dtype.hh"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tool {

/// One argument as written on the command line.
struct ArgSpec {
  enum Kind { scalar, file, output, random } kind = scalar;
  DType type = DType::f32;    // all but `file`
  uint64_t bits = 0;          // scalar
  std::string path;           // file: read from here
  std::string save;           // written here at the end; empty: nowhere
  std::vector<int64_t> shape; // output, random
  std::string text;           // as written
};

/// `T:value`, `@x.npy[:inout]`, `out:T[shape][=y.npy]`, `rand:T[shape][=x.npy]`.
tessera::Result<ArgSpec> parse_arg(std::string_view text);

/// What the kernel wants at one place, from its signature in the IR.
struct Parameter {
  std::string name;
  std::string type; // as printed, for messages
  bool pointer = false, descriptor = false;
  std::string element;    // "f16", "i32", "f8E4M3FN", … ; of the scalar, or of what is pointed to
  uint64_t divisibility = 1;
};

/// One argument ready to use.
struct Argument {
  bool buffer = false;
  DType type = DType::f32;    // meaning of the elements, from the kernel; storage may be another type of its size
  std::string descr;          // .npy type for writing
  uint64_t bits = 0;          // scalar
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes; // buffer: initial contents
  std::string save;
  bool output = false;        // contents before the launch mean nothing
  uint64_t count() const { return bytes.size() / info(type).size; }
};

/// Reads or makes the contents, and checks them against the parameter. `index` counts from 0.
tessera::Result<Argument> bind_arg(const ArgSpec &spec, const Parameter &parameter, size_t index, uint64_t seed);

/// "argument 2 (n)".
std::string argument_name(const Parameter &parameter, size_t index);

/// The declared promise, for a value (an integer, or an address). The message names argument, promise and value.
tessera::Status check_promise(const Parameter &parameter, size_t index, bool is_pointer, uint64_t value);

} // namespace tool
