// SPDX-License-Identifier: MIT
// Target names of every kind.
#pragma once
#include "llvm/cpu_target.hh"
#include "pipeline.hh"
#include "target/nvidia/nvidia.hh"
#include <string_view>

namespace tcodegen {

/// Reads a target name into the request: kind, its parts, canonical text.
inline tessera::Status resolve_target(std::string_view name, CompileRequest *r) {
  std::string_view kind = name.substr(0, name.find(':'));
  if (kind == "hip")
    return tessera::fail(tessera::Code::UNSUPPORTED, "not implemented: target '%.*s'; this version compiles for cpu:…, cuda:… and emu:…",
                         int(name.size() < 200 ? name.size() : 200), name.data());
  if (kind == "cuda" || kind == "emu") {
    auto gpu = nvidia::resolve(name);
    if (!gpu.ok()) return gpu.status;
    r->gpu = kind == "cuda" ? GpuKind::cuda : GpuKind::emu;
    r->capability = gpu.value.capability;
    r->capability_suffix = gpu.value.suffix;
    std::string text = nvidia::to_string(gpu.value);
    r->target_text = r->gpu == GpuKind::cuda ? text : "emu:" + text.substr(text.find(':') + 1);
    return {};
  }
  auto cpu = resolve_cpu_target(name);
  if (!cpu.ok()) return cpu.status;
  r->target = std::move(cpu.value);
  r->target_text = to_string(r->target);
  return {};
}

} // namespace tcodegen
