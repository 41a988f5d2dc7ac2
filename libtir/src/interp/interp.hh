// SPDX-License-Identifier: MIT
// Entry of the reference interpreter for libtir's own code; the C API is a thin layer over it.
#pragma once
#include "common/status.hh"
#include "ir/ir.hh"
#include "tir/interp.h"

namespace tir::interp {

/// See tir_interp_run. `args` are already read into this library's own struct size.
tessera::Status run(Module &module, std::string_view kernel, const tir_interp_params &params,
                    const std::vector<tir_interp_arg> &args);
bool hasMeaning(Opcode code);

} // namespace tir::interp
