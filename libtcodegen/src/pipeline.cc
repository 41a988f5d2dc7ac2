// SPDX-License-Identifier: MIT
#include "pipeline.hh"

namespace tcodegen {

tessera::Status compile(const CompileRequest &, Artifact &) {
  return tessera::fail(tessera::Code::UNSUPPORTED, "not implemented: lowering of tile IR");
}

IrVersions ir_versions() { return {}; }

} // namespace tcodegen
