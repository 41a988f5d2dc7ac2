// SPDX-License-Identifier: MIT
#include "lower_kernel.hh"
#include "llvm/emit.hh"
#include "lower.hh"
#include <llvm/IR/LLVMContext.h>

namespace tcodegen {

tessera::Status lowerKernel(const CompileRequest &request, tir::Module &module, tir::Op *func, Plan &plan,
                            tessera::tko::Object &object, Artifact &artifact, clock_stage_fn stage, void *clock) {
  constexpr const char *entry = "kernel";
  llvm::LLVMContext context;
  llvm::Module out(artifact.kernel, context);
  EmitOptions options;
  options.kernel = artifact.kernel.c_str();
  CrashContext crash(artifact.kernel.c_str(), "lower");
  TESSERA_TRY(prepare_module(out, request.target));
  Lowering lowering(module, func, plan, request.target, out, object);
  TESSERA_TRY(lowering.run(entry));
  stage(clock, "lower");
  TESSERA_TRY(optimize(out, request.target, entry, options));
  stage(clock, "optimize");
  if (request.keep & keep_llir) artifact.stages.push_back({"llir", print_llir(out)});
  if (request.keep & keep_asm) {
    auto text = emit_asm(out, request.target, options);
    if (!text.ok()) return text.status;
    artifact.stages.push_back({"asm", std::move(text.value)});
  }
  auto code = emit_object(out, request.target, options);
  if (!code.ok()) return code.status;
  stage(clock, "codegen");
  auto image = link_image(code.value, entry);
  if (!image.ok()) return image.status;
  if (request.keep & keep_object) artifact.stages.push_back({"o", std::move(code.value)});
  object.code_kind = tessera::tko::CodeKind::cpu_image;
  object.image = std::move(image.value);
  object.arena_bytes = plan.arena_bytes;
  object.arena_alignment = 64;
  stage(clock, "link");
  return tessera::ok_status();
}

} // namespace tcodegen
