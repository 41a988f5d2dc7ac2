// SPDX-License-Identifier: MIT
// CPU target names: "cpu:native", "cpu:x86-64-v3", "cpu:znver4,-avx512fp16". Includes no LLVM header.
#pragma once
#include "common/status.hh"
#include <string>
#include <string_view>
#include <vector>

namespace tcodegen {

/// A resolved CPU target: code for it depends on nothing else of the machine that compiles.
struct CpuTarget {
  std::string cpu;                   // LLVM's name: "x86-64-v3", "znver4"
  std::vector<std::string> features; // what differs from that CPU's defaults: "+gfni", "-avx512fp16"; sorted
  std::vector<std::string> needed;   // all vector features the code may use, without '+': for the kernel object
  int vector_bits = 256;             // width to aim at: 512 with AVX-512 F, BW, DQ and VL, else 256
  bool avx512 = false;               // F, BW, DQ and VL together (x86-64-v4)
  bool avx512_bf16 = false;          // vdpbf16ps
  bool avx512_vnni = false;          // vpdpbusd on 512-bit vectors
  bool avx_vnni = false;
  bool avx512_fp16 = false;
  bool amx_bf16 = false, amx_int8 = false;
  bool f16c = true, fma = true; // part of every target accepted
};

/// Resolves a target. "cpu:native" becomes this machine's CPU name and feature differences. Anything below
/// x86-64-v3 (no AVX2, FMA, F16C), and any unknown name, is NOT_FOUND or UNSUPPORTED with the known names.
tessera::Result<CpuTarget> resolve_cpu_target(std::string_view target);

/// The canonical spelling; resolve_cpu_target reads it back to an equal target on every machine.
std::string to_string(const CpuTarget &target);

} // namespace tcodegen
