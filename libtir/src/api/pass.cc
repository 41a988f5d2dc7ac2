// SPDX-License-Identifier: MIT
// C API: pass.h.
#include "handles.hh"
#include "pass/pass.hh"
#include "tir/pass.h"

using namespace tir;
using tessera::Code;
namespace api = tessera::api;

namespace {
constexpr uint32_t kFlags =
    TIR_PASS_VERIFY_EACH | TIR_PASS_ROUNDTRIP_EACH | TIR_PASS_PRINT_EACH | TIR_PASS_TIMING;

void forwardEvent(void *user, const PassEvent &e) {
  auto *p = static_cast<const tir_pass_params *>(user);
  tir_pass_event out{sizeof(tir_pass_event), e.pass->name, e.index, e.changed, e.time_ns, e.ops_before, e.ops_after};
  p->event(p->event_user, &out);
}
} // namespace

extern "C" {

tir_status tir_pass_run(tir_module *module, const char *pipeline, const tir_pass_params *params) {
  if (!module || !pipeline)
    return api::error(Code::INVALID_ARGUMENT, "tir_pass_run: %s is NULL", module ? "pipeline" : "module");
  tir_pass_params p = TIR_PASS_PARAMS_INIT;
  if (tessera::Status s = api::read_params(params, &p, "tir_pass_params"); !s.ok()) return api::done(s);
  if (p.flags & ~kFlags || p.reserved)
    return api::error(Code::INVALID_ARGUMENT, "tir_pass_run: unknown flags 0x%x, or reserved is not 0", p.flags);
  RunOptions o;
  o.verify_each = p.flags & TIR_PASS_VERIFY_EACH;
  o.roundtrip_each = p.flags & TIR_PASS_ROUNDTRIP_EACH;
  o.print_each = p.flags & TIR_PASS_PRINT_EACH;
  o.timing = p.flags & TIR_PASS_TIMING;
  if (p.skip) o.skip = p.skip;
  o.write = p.write;
  o.write_user = p.write_user;
  if (p.event) {
    o.event = forwardEvent;
    o.event_user = &p;
  }
  o.reproducer = p.reproducer;
  o.reproducer_user = p.reproducer_user;
  return api::done(runPasses(*unwrap(module), pipeline, o));
}

uint32_t tir_pass_count(void) { return passTable().size(); }
const char *tir_pass_name(uint32_t i) { return i < passTable().size() ? passTable()[i].name : nullptr; }
const char *tir_pass_summary(uint32_t i) { return i < passTable().size() ? passTable()[i].summary : nullptr; }

} // extern "C"
