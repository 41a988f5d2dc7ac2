// SPDX-License-Identifier: MIT
// C API: interp.h.
#include "handles.hh"
#include "interp/interp.hh"

using namespace tir;
using tessera::Code;
namespace api = tessera::api;

extern "C" {

tir_status tir_interp_run(tir_module *module, const char *kernel, const tir_interp_params *params,
                          const tir_interp_arg *args, size_t nargs) {
  if (!module) return api::error(Code::INVALID_ARGUMENT, "tir_interp_run: module is NULL");
  if (nargs && !args)
    return api::error(Code::INVALID_ARGUMENT, "tir_interp_run: args is NULL, nargs is %zu", nargs);
  if (nargs > 65536) return api::error(Code::INVALID_ARGUMENT, "tir_interp_run: %zu arguments", nargs);
  tir_interp_params p = TIR_INTERP_PARAMS_INIT;
  if (tessera::Status s = api::read_params(params, &p, "tir_interp_params"); !s.ok()) return api::done(s);
  if ((p.errors | p.notes) & ~TIR_SANITIZE_ALL)
    return api::error(Code::INVALID_ARGUMENT, "tir_interp_params: unknown sanitizer bits 0x%x",
                      (p.errors | p.notes) & ~TIR_SANITIZE_ALL);
  std::vector<tir_interp_arg> list(nargs);
  const char *at = reinterpret_cast<const char *>(args);
  size_t stride = nargs ? args[0].struct_size : 0;
  for (size_t i = 0; i < nargs; ++i, at += stride) {
    const tir_interp_arg *a = reinterpret_cast<const tir_interp_arg *>(at);
    std::string name = tessera::format("args[%zu]", i);
    if (a->struct_size != stride)
      return api::error(Code::INVALID_ARGUMENT,
                        "args[%zu].struct_size is %zu, of args[0] %zu: expected one size", i, a->struct_size,
                        stride);
    if (tessera::Status s = api::read_params(a, &list[i], name.c_str()); !s.ok()) return api::done(s);
  }
  return api::done(interp::run(*unwrap(module), kernel ? kernel : "", p, list));
}

int32_t tir_interp_has_meaning(const char *name) {
  return name && interp::hasMeaning(opByName(name)) && opByName(name) != Opcode::invalid;
}

} // extern "C"
