// SPDX-License-Identifier: MIT
// What stands behind the opaque handles of the C API.
#pragma once
#include "../pipeline.hh"
#include "common/log.hh"
#include <string>

struct tcodegen_compiler {
  tessera::LogSink log;
};

struct tcodegen_artifact {
  tcodegen::Artifact made;
  std::string target;
};
