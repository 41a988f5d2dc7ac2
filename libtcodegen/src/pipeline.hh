// SPDX-License-Identifier: MIT
// One compilation, from IR bytes to a kernel object, seen from the API. Includes no LLVM and no IR header.
#pragma once
#include "common/status.hh"
#include "llvm/cpu_target.hh"
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tcodegen {

/// Stage texts that a caller wants to have; bits of CompileRequest::keep.
enum Keep : uint32_t {
  keep_ttir = 1, keep_llir = 2, keep_asm = 4, keep_object = 8, keep_embedded = 16,
  keep_ttgir = 32, keep_sass = 64, keep_plan = 128, // GPUs; keep_asm is PTX, keep_object the cubin there
};

enum class GpuKind : uint8_t { none, cuda, emu }; // emu: the GPU road, run by an emulator on the CPU

/// What is known about one kernel argument beyond the IR. Index is the argument's place in the signature.
struct Specialization {
  uint32_t argument = 0;
  bool constant = false; // bound to constant_bits, zero-extended
  uint64_t constant_bits = 0;
  uint64_t divisibility = 0;  // 0 = nothing said
  uint32_t pointer_range = 0; // 32 = byte offsets fit in 32 bits, 0 = nothing said
};

struct CompileRequest {
  const void *ir = nullptr; // text or bytecode
  size_t ir_size = 0;
  std::string ir_name = "<input>"; // for locations in messages
  CpuTarget target;        // gpu == none
  GpuKind gpu = GpuKind::none;
  uint32_t capability = 0; // gpu: 10 * major + minor
  char capability_suffix = 0; // 'a', 'f' or 0
  std::string target_text; // to_string(target)
  std::string kernel;      // empty = the module's only public function
  std::string build_id; // of this library, for the object's metadata
  uint32_t num_warps = 0, num_stages = 0, num_ctas = 0; // 0 = planned; the CPU has no use for them
  uint32_t maxnreg = 0;   // registers per thread, 0 = free
  bool line_info = true;  // NVIDIA: source lines in the code, for profilers
  uint32_t assembler = 0; // nvidia::Assembler: 0 automatic, 1 in process, 2 ptxas, 3 none (PTX in the object)
  bool fp_fusion = true;
  bool ignore_promises = false; // do as if no tt.divisibility, tt.pointer_range, … were declared
  bool strict = false;          // what would be a remark about an unmet request is an error
  uint32_t keep = 0;            // Keep bits; keep_embedded also puts the kept texts into the kernel object
  std::vector<Specialization> specialize;
};

enum class RemarkKind : uint32_t { analysis = 0, missed = 1, passed = 2 };

struct Remark {
  RemarkKind kind = RemarkKind::analysis;
  std::string name;     // stable, for programs: "not-vectorised"
  std::string message;  // for people
  std::string location; // "file:line:column", may be empty
};

struct StageTime {
  std::string stage; // "parse", "plan", "lower", "optimize", "codegen", "link", "pack"
  uint64_t nanoseconds = 0;
};

struct Artifact {
  std::vector<uint8_t> tko;
  std::string kernel; // name of the kernel that was compiled
  std::vector<std::pair<std::string, std::string>> stages; // "ttir", "llir", "asm" texts; "o" bytes
  std::vector<Remark> remarks;
  std::vector<StageTime> times;
};

/// Thread-safe. On failure `artifact` may hold stages, remarks and times up to the failing stage, but no tko.
tessera::Status compile(const CompileRequest &request, Artifact &artifact);

/// The IR versions that this build reads: syntaxes of the text form and the newest bytecode version.
struct IrVersions {
  const char *text_oldest = "3.6";
  const char *text_newest = "3.9";
  uint32_t bytecode = 0;
};
IrVersions ir_versions();

} // namespace tcodegen
