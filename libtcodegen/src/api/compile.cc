// SPDX-License-Identifier: MIT
#include "../build_id.hh"
#include "../options.hh"
#include "../target.hh"
#include "common/api.hh"
#include "handles.hh"
#include "llvm/emit.hh"
#include <algorithm>
#include <memory>
#include <tcodegen/compile.h>

using tessera::Code;
using tessera::fail;
using tessera::Status;
using tessera::api::done;
using tessera::api::error;

namespace {

constexpr size_t max_ir_bytes = size_t(256) << 20;
constexpr size_t max_specializations = 4096;

Status read_switch(const char *name, uint32_t value, bool by_default, bool *out) {
  if (value > TCODEGEN_OFF) return fail(Code::INVALID_ARGUMENT, "params.%s is %u: expected default, on or off", name, value);
  *out = value == TCODEGEN_DEFAULT ? by_default : value == TCODEGEN_ON;
  return {};
}

Status read_specializations(const tcodegen_params &p, std::vector<tcodegen::Specialization> *out) {
  if (!p.specialize_count) return {};
  if (!p.specialize) return fail(Code::INVALID_ARGUMENT, "params.specialize is NULL, specialize_count is %zu", p.specialize_count);
  if (p.specialize_count > max_specializations)
    return fail(Code::LIMIT, "params.specialize_count is %zu, the limit is %zu", p.specialize_count, max_specializations);
  constexpr uint32_t known = sizeof(tcodegen_specialization);
  if (p.specialize_size < 8 || p.specialize_size > 4096)
    return fail(Code::INVALID_ARGUMENT, "params.specialize_size is %u: expected sizeof(tcodegen_specialization)",
                p.specialize_size);
  const char *at = reinterpret_cast<const char *>(p.specialize);
  for (size_t i = 0; i < p.specialize_count; ++i, at += p.specialize_size) {
    tcodegen_specialization s = {};
    std::memcpy(&s, at, std::min(known, p.specialize_size));
    if (s.constant > 1 || s.reserved || (s.divisibility & (s.divisibility - 1)) || s.pointer_range > 64)
      return fail(Code::INVALID_ARGUMENT, "params.specialize[%zu]: constant %u, divisibility %llu, pointer_range %u", i,
                  s.constant, (unsigned long long)s.divisibility, s.pointer_range);
    for (uint32_t k = known; k < p.specialize_size; ++k)
      if (at[k]) return fail(Code::VERSION, "params.specialize[%zu]: byte %u is set, but is not known here", i, k);
    out->push_back({s.argument, s.constant == 1, s.constant_bits, s.divisibility, s.pointer_range});
  }
  return {};
}

Status read_request(const tcodegen_params &p, tcodegen::CompileRequest *r) {
  constexpr uint32_t keep_bits = TCODEGEN_KEEP_TTIR | TCODEGEN_KEEP_LLIR | TCODEGEN_KEEP_ASM | TCODEGEN_KEEP_OBJECT |
                                 TCODEGEN_KEEP_EMBEDDED | TCODEGEN_KEEP_TTGIR | TCODEGEN_KEEP_SASS | TCODEGEN_KEEP_PLAN;
  if (p.keep & ~keep_bits) return fail(Code::INVALID_ARGUMENT, "params.keep is 0x%x: unknown bits", p.keep);
  r->keep = p.keep;
  r->num_warps = p.num_warps;
  r->num_stages = p.num_stages;
  r->num_ctas = p.num_ctas;
  bool promises = true;
  TESSERA_TRY(read_switch("fp_fusion", p.fp_fusion, true, &r->fp_fusion));
  TESSERA_TRY(read_switch("promises", p.promises, true, &promises));
  TESSERA_TRY(read_switch("strict", p.strict, false, &r->strict));
  r->ignore_promises = !promises;
  if (p.options) TESSERA_TRY(tcodegen::apply_options(p.options, r));
  TESSERA_TRY(read_specializations(p, &r->specialize));
  if (p.kernel) r->kernel = p.kernel;
  if (p.ir_name) r->ir_name = p.ir_name;
  TESSERA_TRY(tcodegen::resolve_target(p.target ? p.target : "cpu:native", r));
  r->build_id = tcodegen::build_id();
  return {};
}

void log_fatal(void *compiler, const char *text) {
  tessera::log(static_cast<tcodegen_compiler *>(compiler)->log, tessera::LogLevel::ERROR, "%s", text);
}

} // namespace

extern "C" {

tcodegen_status tcodegen_compiler_create(const tcodegen_compiler_params *params, tcodegen_compiler **out) {
  if (!out) return error(Code::INVALID_ARGUMENT, "out is NULL");
  *out = nullptr;
  tcodegen_compiler_params p = TCODEGEN_COMPILER_PARAMS_INIT;
  if (Status s = tessera::api::read_params(params, &p, "tcodegen_compiler_params"); !s.ok()) return done(s);
  *out = new tcodegen_compiler{{p.log, p.log_user}};
  return TCODEGEN_OK;
}

void tcodegen_compiler_destroy(tcodegen_compiler *compiler) { delete compiler; }

tcodegen_status tcodegen_compile(tcodegen_compiler *compiler, const void *ir, size_t size,
                                 const tcodegen_params *params, tcodegen_artifact **out) {
  if (!out) return error(Code::INVALID_ARGUMENT, "out is NULL");
  *out = nullptr;
  if (!compiler) return error(Code::INVALID_ARGUMENT, "compiler is NULL");
  if (!ir) return error(Code::INVALID_ARGUMENT, "ir is NULL");
  if (size > max_ir_bytes) return error(Code::LIMIT, "the IR has %zu bytes, the limit is %zu", size, max_ir_bytes);
  tcodegen_params p = TCODEGEN_PARAMS_INIT;
  if (Status s = tessera::api::read_params(params, &p, "tcodegen_params"); !s.ok()) return done(s);
  tcodegen::CompileRequest request;
  request.ir = ir;
  request.ir_size = size;
  if (Status s = read_request(p, &request); !s.ok()) return done(s);
  auto artifact = std::make_unique<tcodegen_artifact>();
  artifact->target = request.target_text;
  const std::string &named = request.kernel.empty() ? request.ir_name : request.kernel;
  tcodegen::CrashContext crash(named.c_str(), "compile", log_fatal, compiler);
  Status s = tcodegen::compile(request, artifact->made);
  if (!s.ok()) return done(s);
  if (artifact->made.tko.empty()) return error(Code::INTERNAL, "the compilation of '%s' gave no object", named.c_str());
  *out = artifact.release();
  return TCODEGEN_OK;
}

tcodegen_status tcodegen_ir_versions(tcodegen_ir_info *info) {
  if (!info) return error(Code::INVALID_ARGUMENT, "info is NULL");
  if (info->struct_size < sizeof(size_t))
    return error(Code::INVALID_ARGUMENT, "info->struct_size is %zu: initialise it with TCODEGEN_IR_INFO_INIT",
                 info->struct_size);
  tcodegen::IrVersions v = tcodegen::ir_versions();
  tcodegen_ir_info full = {info->struct_size, v.text_oldest, v.text_newest, 0, v.bytecode};
  std::memcpy(info, &full, std::min(info->struct_size, sizeof full));
  return TCODEGEN_OK;
}

} // extern "C"
