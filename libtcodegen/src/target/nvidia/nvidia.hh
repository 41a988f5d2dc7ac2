// SPDX-License-Identifier: MIT
// LLVM module with calls of primitives (src/gpu/PRIMITIVES.md) → PTX → machine code for NVIDIA GPUs. Knows no tile IR.
// Includes no LLVM header. Every function is thread-safe for different modules; no process-wide option is touched.
#pragma once
#include "common/status.hh"
#include "pipeline.hh"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llvm {
class Module;
class Function;
} // namespace llvm

namespace tcodegen::nvidia {

/// "cuda:90a": compute capability 9.0, `a` = instructions of this very architecture (wgmma, tcgen05), `f` = of its family.
struct Target {
  unsigned capability = 90;
  char suffix = 0;       // 0, 'a', 'f'
  unsigned ptx_isa = 78; // lowest version that knows the architecture, 10 * major + minor
};

/// NOT_FOUND with the known names for anything else. The part before the name is "cuda:" or "emu:".
tessera::Result<Target> resolve(std::string_view target);
std::string to_string(const Target &target); // "cuda:90a"
std::string arch(const Target &target);      // "sm_90a"

struct Options {
  Target target;
  const char *kernel = "";  // entry's name; must outlive the calls
  unsigned num_warps = 4;
  unsigned threads = 0;     // per program when it is not 32 * num_warps (producer warps)
  unsigned maxnreg = 0;     // 0 = free
  unsigned min_ctas = 0;    // .minnctapersm; 0 = none
  unsigned cluster[3] = {1, 1, 1};
  unsigned ptx_isa = 0;     // 0 = the lowest that the emitted instructions need
  bool fp_fusion = true;
  bool verify = true;
  std::string libdevice;    // path of libdevice.10.bc; empty = $CUDA_HOME and the usual places, only if it is needed
};

/// Triple and data layout; before any function is built.
tessera::Status prepareNvptx(llvm::Module &module, const Options &options);

/// Every call of `tessera.*` becomes NVVM intrinsics or inline PTX. An unknown primitive, a call whose types are not
/// those of PRIMITIVES.md, an instruction that the architecture lacks: UNSUPPORTED, by name. `ptx_isa` receives the
/// lowest PTX version that knows all that was emitted (at least the architecture's).
tessera::Status expandPrimitives(llvm::Module &module, const Options &options, unsigned *ptx_isa);

/// What LLVM may be asked for (containment), entry attributes, then the short pass list.
tessera::Status optimize(llvm::Module &module, const Options &options);

/// PTX text of an optimised module. Changes the module: take print_llir before.
tessera::Result<std::string> emitPtx(llvm::Module &module, const Options &options, unsigned ptx_isa);

enum class Assembler : uint8_t { automatic, in_process, ptxas, none };

struct AssembleOptions {
  Assembler assembler = Assembler::automatic;
  bool line_info = false;
  bool fp_fusion = true;
  std::string ptxas;              // path; empty = $TESSERA_PTXAS, $CUDA_HOME/bin, PATH, /usr/local/cuda/bin
  std::vector<std::string> extra; // further options of the assembler, as they are
};

struct Assembled {
  std::vector<uint8_t> cubin; // empty: no assembler, the code stays PTX
  std::string log;            // as the assembler wrote it
  std::string assembler;      // "nvPTXCompiler 13.0", "ptxas /usr/local/cuda/bin/ptxas", "" for none
  unsigned registers = 0, spill_bytes = 0, stack_bytes = 0, shared_bytes = 0;
  std::vector<Remark> remarks;
};

/// Whole-program assembly of one module. COMPILE with the log for what the assembler refuses; UNSUPPORTED if the
/// wanted assembler is not there (automatic: then there is no cubin and that is no failure).
tessera::Result<Assembled> assemble(const std::string &ptx, const Target &target, const AssembleOptions &options);

/// SASS text of a cubin by nvdisasm ($TESSERA_NVDISASM, $CUDA_HOME/bin, PATH). UNSUPPORTED if there is none.
tessera::Result<std::string> disassemble(const std::vector<uint8_t> &cubin);

/// The assembler's log read: registers, spills, ignored setmaxnreg (C7504, C7508), serialised wgmma (C7510).
void read_log(std::string_view log, std::string_view kernel, Assembled *out);

} // namespace tcodegen::nvidia
