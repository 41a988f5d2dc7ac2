// SPDX-License-Identifier: MIT
// NumPy's .npy files, versions 1.0, 2.0 and 3.0: little-endian, C order, the plain numeric types.
#pragma once
#include "common/status.hh"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tool {

struct Npy {
  std::string descr; // "<f4", "|u1", …
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};

/// Bytes of one element, 0 for a type that is not supported here.
unsigned npy_element_size(std::string_view descr);

tessera::Result<Npy> npy_parse(const void *bytes, size_t size, const std::string &name);
tessera::Result<Npy> npy_read(const std::string &path);
/// Written to a temporary name beside it and renamed: no half file under the real name.
tessera::Status npy_write(const std::string &path, std::string_view descr, const std::vector<int64_t> &shape,
                          const void *bytes, size_t size);

/// "784", "48x816", "scalar" for messages and for the command line's shapes.
std::string shape_text(const std::vector<int64_t> &shape);

tessera::Result<std::vector<uint8_t>> read_file(const std::string &path);
/// "-" is standard output. Otherwise written beside the name and renamed.
tessera::Status write_file(const std::string &path, const void *bytes, size_t size);

} // namespace tool
