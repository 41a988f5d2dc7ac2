// SPDX-License-Identifier: MIT
// From a planned kernel to the image in its kernel object. Includes no LLVM header.
#pragma once
#include "common/tko.hh"
#include "ir/ir.hh"
#include "pipeline.hh"
#include "plan/plan.hh"

namespace tcodegen {

using clock_stage_fn = void (*)(void *clock, const char *stage);

/// Lowers to LLVM IR, optimises, emits, links; fills image, arena, messages, locations of `object` and the texts
/// that the request keeps.
tessera::Status lowerKernel(const CompileRequest &request, tir::Module &module, tir::Op *func, Plan &plan,
                            tessera::tko::Object &object, Artifact &artifact, clock_stage_fn stage, void *clock);

} // namespace tcodegen
