// SPDX-License-Identifier: MIT
// C API: context.h and version.h.
#include "handles.hh"

using namespace tir;
using tessera::Code;
namespace api = tessera::api;

#define STR2(x) #x
#define STR(x) STR2(x)

namespace tir {
std::nullptr_t bad(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  api::last_message() = tessera::vformat(fmt, args);
  va_end(args);
  return nullptr;
}
Op *liveOp(tir_op op, const char *what) {
  Op *o = unwrap(op);
  if (!o) return bad("%s: the operation is NULL", what);
  if (o->erased()) return bad("%s: the operation was erased", what);
  return o;
}
} // namespace tir

#define X(name, value, text) static_assert(TIR_##name == value, "status numbers are shared by the house");
#include "common/status.inc"
#undef X

extern "C" {

const char *tir_version(void) {
  return STR(TIR_VERSION_MAJOR) "." STR(TIR_VERSION_MINOR) "." STR(TIR_VERSION_PATCH);
}

const char *tir_status_text(tir_status status) {
  if (status < TIR_OK || status > TIR_INTERNAL) return "unknown status";
  return tessera::code_text(static_cast<Code>(status));
}

const char *tir_last_message(void) { return api::last_message().c_str(); }

tir_status tir_context_create(const tir_context_params *params, tir_context **out) {
  if (!out) return api::error(Code::INVALID_ARGUMENT, "tir_context_create: out is NULL");
  *out = nullptr;
  tir_context_params p = TIR_CONTEXT_PARAMS_INIT;
  if (tessera::Status s = api::read_params(params, &p, "tir_context_params"); !s.ok()) return api::done(s);
  Context *c = new Context;
  c->setSink(reinterpret_cast<Context::Sink>(p.diagnostic), p.diagnostic_user);
  *out = wrap(c);
  return TIR_OK;
}

void tir_context_destroy(tir_context *context) { delete unwrap(context); }

tir_status tir_context_set_diagnostic(tir_context *context, tir_diagnostic_fn diagnostic, void *user) {
  if (!context) return api::error(Code::INVALID_ARGUMENT, "tir_context_set_diagnostic: context is NULL");
  unwrap(context)->setSink(reinterpret_cast<Context::Sink>(diagnostic), user);
  return TIR_OK;
}

tir_loc tir_loc_unknown(tir_context *context) {
  if (!context) return bad("tir_loc_unknown: context is NULL");
  return wrap(unwrap(context)->unknownLoc());
}

tir_loc tir_loc_file(tir_context *context, const char *file, uint32_t line, uint32_t column) {
  if (!context || !file) return bad("tir_loc_file: %s is NULL", context ? "file" : "context");
  return wrap(unwrap(context)->fileLoc(file, line, column));
}

tir_loc tir_loc_name(tir_context *context, const char *name, tir_loc child) {
  if (!context || !name) return bad("tir_loc_name: %s is NULL", context ? "name" : "context");
  if (child && unwrap(child)->ctx != unwrap(context)) return bad("tir_loc_name: child is of another context");
  return wrap(unwrap(context)->nameLoc(name, unwrap(child)));
}

tir_loc tir_loc_callsite(tir_loc callee, tir_loc caller) {
  if (!callee || !caller) return bad("tir_loc_callsite: %s is NULL", callee ? "caller" : "callee");
  if (unwrap(callee)->ctx != unwrap(caller)->ctx)
    return bad("tir_loc_callsite: callee and caller are of different contexts");
  return wrap(unwrap(callee)->ctx->callSiteLoc(unwrap(callee), unwrap(caller)));
}

tir_status tir_loc_write(tir_loc loc, tir_write_fn write, void *user) {
  if (!write) return api::error(Code::INVALID_ARGUMENT, "tir_loc_write: write is NULL");
  std::string text = locText(unwrap(loc));
  write(user, text.data(), text.size());
  return TIR_OK;
}

} // extern "C"
