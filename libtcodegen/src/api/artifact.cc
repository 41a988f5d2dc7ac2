// SPDX-License-Identifier: MIT
#include "common/api.hh"
#include "handles.hh"
#include <tcodegen/artifact.h>

using tessera::Code;
using tessera::api::error;

extern "C" {

void tcodegen_artifact_destroy(tcodegen_artifact *artifact) { delete artifact; }

const void *tcodegen_artifact_data(const tcodegen_artifact *artifact) {
  return artifact ? artifact->made.tko.data() : nullptr;
}

size_t tcodegen_artifact_size(const tcodegen_artifact *artifact) { return artifact ? artifact->made.tko.size() : 0; }

const char *tcodegen_artifact_kernel(const tcodegen_artifact *artifact) {
  return artifact ? artifact->made.kernel.c_str() : "";
}

const char *tcodegen_artifact_target(const tcodegen_artifact *artifact) {
  return artifact ? artifact->target.c_str() : "";
}

tcodegen_status tcodegen_artifact_get_stage(const tcodegen_artifact *artifact, const char *name, const char **text,
                                            size_t *size) {
  if (!artifact) return error(Code::INVALID_ARGUMENT, "artifact is NULL");
  if (!name || !text) return error(Code::INVALID_ARGUMENT, "%s is NULL", name ? "text" : "name");
  *text = nullptr;
  std::string kept;
  for (const auto &[stage, bytes] : artifact->made.stages) {
    if (stage == name) {
      *text = bytes.c_str();
      if (size) *size = bytes.size();
      return TCODEGEN_OK;
    }
    kept += (kept.empty() ? "" : ", ") + stage;
  }
  return error(Code::NOT_FOUND, "stage '%.100s' was not kept; kept: %s", name, kept.empty() ? "none" : kept.c_str());
}

size_t tcodegen_artifact_num_times(const tcodegen_artifact *artifact) {
  return artifact ? artifact->made.times.size() : 0;
}

tcodegen_status tcodegen_artifact_get_time(const tcodegen_artifact *artifact, size_t index, const char **stage,
                                           uint64_t *nanoseconds) {
  if (!artifact) return error(Code::INVALID_ARGUMENT, "artifact is NULL");
  const auto &times = artifact->made.times;
  if (index >= times.size()) return error(Code::NOT_FOUND, "time %zu of %zu", index, times.size());
  if (stage) *stage = times[index].stage.c_str();
  if (nanoseconds) *nanoseconds = times[index].nanoseconds;
  return TCODEGEN_OK;
}

} // extern "C"
