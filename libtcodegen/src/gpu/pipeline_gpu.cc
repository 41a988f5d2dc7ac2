// SPDX-License-Identifier: MIT
#include "pipeline_gpu.hh"
#include "common/tko.hh"
#include "explain_layouts.hh"
#include "gpu.hh"
#include "llvm/emit.hh"
#include "lower/lower_kernel.hh"
#include "pass/pass.hh"
#include "passes/select_matrix.hh"
#include "target/emu/emu.hh"
#include "target/nvidia/nvidia.hh"
#include "text/text.hh"
#include "verify/verify.hh"
#include <algorithm>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>

namespace tcodegen::gpu {
using namespace tir;
using tessera::Code;
using tessera::fail;
using tessera::Status;
namespace tko = tessera::tko;

unsigned shared_limit(unsigned capability) {
  struct Row {
    unsigned capability, kib;
  };
  static constexpr Row rows[] = {{70, 96}, {75, 64}, {80, 163}, {86, 99}, {87, 163}, {89, 99}, {90, 227}, {100, 227}, {103, 227}, {120, 99}};
  unsigned kib = 48;
  for (const Row &r : rows)
    if (capability >= r.capability) kib = r.kib;
  return kib * 1024;
}

namespace {

int64_t moduleAttr(Module &m, const char *name) {
  Attr a = m.op->attr(name);
  return a && a->kind == AttrKind::Int ? a->ival : 0;
}

Status keepText(const CompileRequest &request, uint32_t bit, const char *name, Module &m, Artifact &artifact) {
  if (!(request.keep & bit)) return {};
  std::string text;
  TESSERA_TRY(printText(m, {}, text));
  artifact.stages.push_back({name, std::move(text)});
  return {};
}

Status toTgir(Module &m, Op *&kernel, const GpuOptions &o, unsigned *shared) {
  std::string entry(kernel->strAttr("sym_name"));
  auto again = [&]() -> Status { // passes may have replaced the function
    auto k = m.kernel(entry);
    if (!k.ok()) return k.status;
    kernel = k.value;
    return {};
  };
  bool given = moduleAttr(m, "ttg.num-warps") > 0;
  if (!given) {
    TESSERA_TRY(decompose_dots(m, kernel, o));
    TESSERA_TRY(assign_layouts(m, kernel, o));
    TESSERA_TRY(again());
    TESSERA_TRY(select_matrix(m, kernel, o));
    TESSERA_TRY(again());
    TESSERA_TRY(runPasses(m, "canonicalize,cse,licm,cse,dce"));
    TESSERA_TRY(again());
    TESSERA_TRY(hoist_buffers(kernel));
    TESSERA_TRY(pipeline_loads(m, kernel, o));
    TESSERA_TRY(again());
    TESSERA_TRY(runPasses(m, "canonicalize,cse,dce"));
    TESSERA_TRY(again());
  }
  TESSERA_TRY(allocate_shared(m, kernel, o, shared));
  TESSERA_TRY(place_barriers(m, kernel, o));
  TESSERA_TRY(check_hazards(m, kernel, o));
  return verifyModule(m);
}

/// How many programs the assembler should leave room for on a multiprocessor so that it uses the registers that would
/// lie idle otherwise; 0: its first choice is good. With few programs side by side, loads are hidden by what one
/// program has under way; left alone, the assembler may save registers that nobody else can use and wait for each load
/// before the next. Kernels of matrix instructions overlap by their buffers.
unsigned roomFor(const std::string &ptx, const nvidia::Assembled &code, unsigned threads) {
  constexpr unsigned file = 64 * 1024, granule = 8, few = 512, most = 255;
  if (code.cubin.empty() || !code.registers || code.spill_bytes || ptx.find("mma.") != std::string::npos) return 0;
  auto rounded = [&](unsigned r) { return (r + granule - 1) / granule * granule; };
  unsigned programs = file / (rounded(code.registers) * threads);
  if (!programs || programs * threads > few) return 0;
  unsigned budget = std::min(most, file / (programs * threads) / granule * granule);
  return budget >= rounded(code.registers) + granule ? programs : 0;
}

/// PTX to machine code; a second time where the first result shows a better choice of registers. `ptx` is what was used.
tessera::Result<nvidia::Assembled> assembled(std::string &ptx, const CompileRequest &request, const nvidia::Options &options) {
  nvidia::AssembleOptions assembler;
  assembler.assembler = nvidia::Assembler(request.assembler);
  assembler.fp_fusion = request.fp_fusion;
  auto code = nvidia::assemble(ptx, options.target, assembler);
  if (!code.ok() || request.maxnreg) return code;
  unsigned programs = roomFor(ptx, code.value, options.num_warps * 32);
  size_t at = ptx.find("\n.reqntid");
  if (!programs || at == std::string::npos) return code;
  std::string other = ptx;
  other.insert(at, "\n.minnctapersm " + std::to_string(programs));
  auto again = nvidia::assemble(other, options.target, assembler);
  if (!again.ok() || again.value.spill_bytes || again.value.registers <= code.value.registers) return code;
  ptx = std::move(other);
  return again;
}

} // namespace

Status compile(const CompileRequest &request, Module &m, Op *kernel, tko::Object &object, Artifact &artifact,
               stage_fn stage, void *user) {
  GpuOptions o;
  o.capability = request.capability;
  o.arch_specific = request.capability_suffix == 'a';
  o.num_warps = request.num_warps;
  o.num_stages = request.num_stages;
  o.num_ctas = request.num_ctas ? request.num_ctas : 1;
  o.maxnreg = request.maxnreg;
  o.fp_fusion = request.fp_fusion;
  o.strict = request.strict;
  o.lines = request.gpu == GpuKind::cuda && request.line_info;
  o.remarks = &artifact.remarks;
  std::string plan;
  o.explain = request.keep & keep_plan;
  o.plan = &plan;
  unsigned shared = 0;
  Status made = toTgir(m, kernel, o, &shared);
  if (!made.ok()) {
    if (request.keep & keep_ttgir) (void)keepText(request, keep_ttgir, "ttgir", m, artifact);
    return made;
  }
  stage(user, "layouts");
  TESSERA_TRY(keepText(request, keep_ttgir, "ttgir", m, artifact));
  if (o.explain) {
    artifact.stages.push_back({"plan", plan.empty() ? "no loop is pipelined\n" : plan});
    artifact.stages.push_back({"layouts", explain_layouts(kernel)});
  }

  llvm::LLVMContext context;
  llvm::Module out(artifact.kernel, context);
  CrashContext crash(artifact.kernel.c_str(), "lower");
  nvidia::Options options;
  options.target.capability = request.capability;
  options.target.suffix = request.capability_suffix;
  options.kernel = artifact.kernel.c_str();
  options.num_warps = (unsigned)moduleAttr(m, "ttg.num-warps");
  options.maxnreg = request.maxnreg;
  options.fp_fusion = request.fp_fusion;
  auto resolved = nvidia::resolve(request.target_text);
  if (!resolved.ok()) return resolved.status;
  options.target = resolved.value;
  TESSERA_TRY(nvidia::prepareNvptx(out, options));
  TESSERA_TRY(lowerKernel(m, kernel, o, out, object));
  TESSERA_TRY(tko::lay_out_params(&object));
  stage(user, "lower");
  if (request.gpu == GpuKind::emu) {
    EmuOptions emu;
    std::string text;
    if (request.keep & keep_llir) emu.llir = &text;
    TESSERA_TRY(emitEmuImage(out, artifact.kernel, object, emu));
    if (request.keep & keep_llir) artifact.stages.push_back({"llir", std::move(text)});
    stage(user, "codegen");
    return {};
  }
  unsigned isa = 0;
  TESSERA_TRY(nvidia::expandPrimitives(out, options, &isa));
  TESSERA_TRY(nvidia::optimize(out, options));
  stage(user, "optimize");
  if (request.keep & keep_llir) artifact.stages.push_back({"llir", print_llir(out)});
  auto ptx = nvidia::emitPtx(out, options, isa);
  if (!ptx.ok()) return ptx.status;
  stage(user, "codegen");
  auto code = assembled(ptx.value, request, options);
  if (!code.ok()) return code.status;
  stage(user, "assemble");
  if (request.keep & keep_asm) artifact.stages.push_back({"ptx", ptx.value});
  for (Remark &r : code.value.remarks) artifact.remarks.push_back(std::move(r));
  object.registers = code.value.registers;
  object.spill_bytes = code.value.spill_bytes;
  if (code.value.cubin.empty()) {
    object.code_kind = tko::CodeKind::ptx;
    object.code.assign(ptx.value.begin(), ptx.value.end());
    object.code.push_back(0);
  } else {
    object.code_kind = tko::CodeKind::cubin;
    if (request.keep & keep_sass) {
      auto sass = nvidia::disassemble(code.value.cubin);
      if (sass.ok()) artifact.stages.push_back({"sass", std::move(sass.value)});
      else artifact.remarks.push_back({RemarkKind::missed, "no-disassembly", sass.status.message, ""});
    }
    if (request.keep & keep_object)
      artifact.stages.push_back({"cubin", std::string(code.value.cubin.begin(), code.value.cubin.end())});
    object.code = std::move(code.value.cubin);
  }
  return {};
}

} // namespace tcodegen::gpu
