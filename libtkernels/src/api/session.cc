// SPDX-License-Identifier: MIT
#include "tkernels/session.h"
#include "common/api.hh"
#include "session.hh"

using namespace tkernels;
namespace api = tessera::api;

static Session *unwrap(tkernels_session *session) { return reinterpret_cast<Session *>(session); }
static Kernel *unwrap(tkernels_kernel *kernel) { return reinterpret_cast<Kernel *>(kernel); }
static const Kernel *unwrap(const tkernels_kernel *kernel) { return reinterpret_cast<const Kernel *>(kernel); }

extern "C" {

const char *tkernels_status_text(tkernels_status status) { return tessera::code_text(Code(status)); }

const char *tkernels_last_message(void) { return api::last_message().c_str(); }

tkernels_status tkernels_session_create(const tkernels_session_params *user, tkernels_session **out) {
  if (!out) return api::error(Code::INVALID_ARGUMENT, "tkernels_session_create: session is NULL");
  *out = nullptr;
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  if (Status s = api::read_params(user, &params, "tkernels_session_params"); !s.ok()) return api::done(s);
  auto session = Session::create(params);
  if (!session.ok()) return api::done(session.status);
  *out = reinterpret_cast<tkernels_session *>(session.value);
  return TKERNELS_OK;
}

void tkernels_session_destroy(tkernels_session *session) {
  if (session) unwrap(session)->drop_reference();
}

tkernels_status tkernels_session_get(tkernels_session *session, const void *ir, size_t size,
                                     const tkernels_get_params *user, tkernels_kernel **out) {
  if (!out) return api::error(Code::INVALID_ARGUMENT, "tkernels_session_get: kernel is NULL");
  *out = nullptr;
  if (!session) return api::error(Code::INVALID_ARGUMENT, "tkernels_session_get: session is NULL");
  if (!ir || !size) return api::error(Code::INVALID_ARGUMENT, "tkernels_session_get: the IR is %s", ir ? "empty" : "NULL");
  tkernels_get_params params = TKERNELS_GET_PARAMS_INIT;
  if (Status s = api::read_params(user, &params, "tkernels_get_params"); !s.ok()) return api::done(s);
  Kernel *kernel = nullptr;
  Status status = unwrap(session)->get(ir, size, params, &kernel);
  *out = reinterpret_cast<tkernels_kernel *>(kernel);
  return api::done(status);
}

tkernels_status tkernels_session_compile(tkernels_session *session, const void *ir, size_t size,
                                         const tkernels_get_params *user, tkernels_write_fn write, void *write_user,
                                         uint32_t *from) {
  if (!session) return api::error(Code::INVALID_ARGUMENT, "tkernels_session_compile: session is NULL");
  if (!ir || !size) return api::error(Code::INVALID_ARGUMENT, "tkernels_session_compile: the IR is %s", ir ? "empty" : "NULL");
  if (!write) return api::error(Code::INVALID_ARGUMENT, "tkernels_session_compile: write is NULL");
  tkernels_get_params params = TKERNELS_GET_PARAMS_INIT;
  if (Status s = api::read_params(user, &params, "tkernels_get_params"); !s.ok()) return api::done(s);
  return api::done(unwrap(session)->compile(ir, size, params, write, write_user, from));
}

tkernels_status tkernels_session_synchronize(tkernels_session *session, void *stream) {
  if (!session) return api::error(Code::INVALID_ARGUMENT, "tkernels_session_synchronize: session is NULL");
  return api::done(unwrap(session)->synchronize(stream));
}

tkernels_kernel *tkernels_kernel_retain(tkernels_kernel *kernel) {
  if (kernel) unwrap(kernel)->session->retain(unwrap(kernel));
  return kernel;
}

void tkernels_kernel_release(tkernels_kernel *kernel) {
  if (kernel) unwrap(kernel)->session->release(unwrap(kernel));
}

void *tkernels_kernel_handle(const tkernels_kernel *kernel) { return kernel ? unwrap(kernel)->handle : nullptr; }

const char *tkernels_kernel_key(const tkernels_kernel *kernel) { return kernel ? unwrap(kernel)->hex.c_str() : ""; }

tkernels_status tkernels_launch(tkernels_kernel *kernel, void *stream, const uint32_t grid[3], const void *const *args,
                                uint32_t nargs) {
  if (!kernel) return api::error(Code::INVALID_ARGUMENT, "tkernels_launch: kernel is NULL");
  if (!grid) return api::error(Code::INVALID_ARGUMENT, "tkernels_launch: grid is NULL");
  if (nargs && !args) return api::error(Code::INVALID_ARGUMENT, "tkernels_launch: args is NULL, expected %u values", nargs);
  return api::done(unwrap(kernel)->session->launch(unwrap(kernel), stream, grid, args, nargs));
}

} // extern "C"
