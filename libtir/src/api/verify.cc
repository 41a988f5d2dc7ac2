// SPDX-License-Identifier: MIT
// C API: verify.h.
#include "handles.hh"
#include "tir/verify.h"
#include "verify/verify.hh"

using namespace tir;
namespace api = tessera::api;

extern "C" {

tir_status tir_module_verify(const tir_module *module) {
  if (!module) return api::error(tessera::Code::INVALID_ARGUMENT, "tir_module_verify: module is NULL");
  return api::done(verifyModule(*unwrap(module)));
}

const char *tir_verify_rule(uint32_t number) { return ruleText(number); }

} // extern "C"
