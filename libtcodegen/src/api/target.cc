// SPDX-License-Identifier: MIT
#include "../target.hh"
#include "common/api.hh"
#include <tcodegen/target.h>

using tessera::Code;
using tessera::api::done;
using tessera::api::error;

extern "C" {

tcodegen_status tcodegen_resolve_target(const char *target, char *out, size_t capacity, size_t *size) {
  if (!target) return error(Code::INVALID_ARGUMENT, "target is NULL");
  tcodegen::CompileRequest request;
  if (tessera::Status s = tcodegen::resolve_target(target, &request); !s.ok()) return done(s);
  const std::string &text = request.target_text;
  if (size) *size = text.size();
  if (!out) return TCODEGEN_OK;
  if (capacity <= text.size())
    return error(Code::LIMIT, "the resolved target needs %zu bytes, out has %zu", text.size() + 1, capacity);
  std::memcpy(out, text.c_str(), text.size() + 1);
  return TCODEGEN_OK;
}

} // extern "C"
