// SPDX-License-Identifier: MIT
// Reading IR files, and what the command needs to know of a kernel.
#pragma once
#include "args.hh"
#include "compare.hh"
#include "tir/module.h"
#include <string>
#include <vector>

namespace tool {

/// A context with one module. Diagnostics go to standard error as they come.
class Module {
public:
  Module();
  ~Module();
  Module(const Module &) = delete;
  Module &operator=(const Module &) = delete;

  /// Reads text or bytecode. Returns an exit code after a message.
  int read(const std::string &path);
  int parse(const void *bytes, size_t size, const std::string &name);
  int verify();
  tir_module *get() const { return module_; }
  const std::vector<uint8_t> &bytes() const { return bytes_; } // of the file

  /// Prints the message of a failed call, unless the diagnostics have said it, and gives the exit code.
  int report(tir_status status);

private:
  tir_context *context_ = nullptr;
  tir_module *module_ = nullptr;
  std::vector<uint8_t> bytes_;
  uint64_t said_ = 0; // errors that were printed already
};

struct KernelInfo {
  std::string name;
  std::vector<Parameter> parameters;
  Features features;
};

std::string type_text(tir_type type);
/// The kernel of that name, or the only one. Returns an exit code after a message.
int kernel_info(Module &module, const char *name, KernelInfo *out);
/// Of one function that is a kernel.
KernelInfo describe_kernel(tir_module *module, tir_op func);

} // namespace tool
