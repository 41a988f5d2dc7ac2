// SPDX-License-Identifier: MIT
// The second half of a compilation for a GPU: module → tgir → LLVM → code. Includes no LLVM header.
#pragma once
#include "common/status.hh"
#include "ir/ir.hh"
#include "pipeline.hh"

namespace tessera::tko {
struct Object;
}

namespace tcodegen::gpu {

using stage_fn = void (*)(void *user, const char *name);

/// `kernel` has been verified, inlined and simplified; `object` has entry, arguments and target. Leaves code, launch
/// shape and messages in `object`, stages and remarks in `artifact`. Modules that have layouts already (`.ttgir`)
/// keep them: only the passes that such a module still needs are run.
tessera::Status compile(const CompileRequest &request, tir::Module &m, tir::Op *kernel, tessera::tko::Object &object,
                        Artifact &artifact, stage_fn stage, void *user);

} // namespace tcodegen::gpu
