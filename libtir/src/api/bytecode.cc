// SPDX-License-Identifier: MIT
// C API: bytecode.h.
#include "handles.hh"
#include "bytecode/bytecode.hh"
#include "tir/bytecode.h"

using namespace tir;
using tessera::Code;
namespace api = tessera::api;

extern "C" {

tir_status tir_module_write_bytecode(const tir_module *module, const tir_bytecode_options *options, tir_write_fn write,
                                     void *user) {
  if (!module || !write)
    return api::error(Code::INVALID_ARGUMENT, "tir_module_write_bytecode: %s is NULL", module ? "write" : "module");
  tir_bytecode_options o = TIR_BYTECODE_OPTIONS_INIT;
  if (auto s = api::read_params(options, &o, "tir_bytecode_options"); !s.ok()) return api::done(s);
  if (o.version != bytecode_version)
    return api::error(Code::VERSION, "tir_module_write_bytecode: version %u: this library writes version %u", o.version,
                      bytecode_version);
  std::string bytes;
  auto s = writeBytecode(*unwrap(module), BytecodeOptions{.debug = !o.no_debug}, bytes);
  if (s.ok()) write(user, bytes.data(), bytes.size());
  return api::done(s);
}

tir_status tir_module_read_bytecode(tir_context *context, const void *bytes, size_t size, const char *name,
                                    tir_module **out) {
  if (out) *out = nullptr;
  if (!context || !out || (!bytes && size))
    return api::error(Code::INVALID_ARGUMENT, "tir_module_read_bytecode: %s is NULL",
                      !context ? "context" : !out ? "out" : "bytes");
  auto r = readBytecode(*unwrap(context), {static_cast<const char *>(bytes), size}, name ? name : "<memory>");
  if (!r.ok()) {
    unwrap(context)->report(Severity::Error, r.status.message);
    return api::done(r.status);
  }
  *out = wrap(r.value.release());
  return TIR_OK;
}

int tir_bytecode_looks_like(const void *bytes, size_t size) {
  return bytes && looksLikeBytecode({static_cast<const char *>(bytes), size});
}

} // extern "C"
