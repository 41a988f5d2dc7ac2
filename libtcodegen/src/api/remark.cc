// SPDX-License-Identifier: MIT
#include "common/api.hh"
#include "handles.hh"
#include <algorithm>
#include <tcodegen/remark.h>

using tessera::Code;
using tessera::api::error;

extern "C" {

size_t tcodegen_artifact_num_remarks(const tcodegen_artifact *artifact) {
  return artifact ? artifact->made.remarks.size() : 0;
}

tcodegen_status tcodegen_artifact_get_remark(const tcodegen_artifact *artifact, size_t index, tcodegen_remark *out) {
  if (!artifact || !out) return error(Code::INVALID_ARGUMENT, "%s is NULL", artifact ? "out" : "artifact");
  if (out->struct_size < sizeof(size_t))
    return error(Code::INVALID_ARGUMENT, "out->struct_size is %zu: initialise it with TCODEGEN_REMARK_INIT",
                 out->struct_size);
  const auto &remarks = artifact->made.remarks;
  if (index >= remarks.size()) return error(Code::NOT_FOUND, "remark %zu of %zu", index, remarks.size());
  const tcodegen::Remark &r = remarks[index];
  tcodegen_remark full = {out->struct_size, uint32_t(r.kind), 0, r.name.c_str(), r.message.c_str(), r.location.c_str()};
  std::memcpy(out, &full, std::min(out->struct_size, sizeof full));
  return TCODEGEN_OK;
}

} // extern "C"
