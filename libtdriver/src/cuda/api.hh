// SPDX-License-Identifier: MIT
// The part of the CUDA driver's interface that this back end uses, declared here so that neither building nor
// loading the library needs the vendor's header or library. tests/cuda_layout.cc compares it with cuda.h.
#pragma once
#include "common/status.hh"
#include <cstddef>
#include <cstdint>

namespace tdriver::cuda {

using tessera::Code;
using tessera::fail;
using tessera::Status;

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_ *;
using CUmodule = struct CUmod_ *;
using CUlibrary = struct CUlib_ *;
using CUkernel = struct CUkern_ *;
using CUfunction = struct CUfunc_ *;
using CUstream = struct CUstream_ *;
using CUevent = struct CUevent_ *;
using CUgraph = struct CUgraph_ *;
using CUgraphExec = struct CUgraphExec_ *;

struct LaunchAttribute {
  unsigned id;
  unsigned padding;
  union {
    char bytes[64];
    int flag;
    unsigned cluster[3];
  };
};
struct LaunchConfig {
  unsigned grid[3], block[3];
  unsigned shared_bytes;
  CUstream stream;
  LaunchAttribute *attributes;
  unsigned attribute_count;
};
struct alignas(128) TensorMap {
  uint64_t opaque[16];
};

// Results that are told apart.
constexpr CUresult success = 0, error_invalid_value = 1, error_out_of_memory = 2, error_deinitialized = 4, error_no_device = 100,
                   error_invalid_image = 200, error_no_binary = 209, error_ecc = 214, error_invalid_ptx = 218,
                   error_jit_compiler_not_found = 221, error_unsupported_ptx = 222, error_not_found = 500,
                   error_not_ready = 600, error_illegal_address = 700, error_launch_resources = 701,
                   error_launch_timeout = 702, error_context_destroyed = 709, error_assert = 710,
                   error_hardware_stack = 714, error_launch_failed = 719, error_cooperative_too_large = 720,
                   error_tensor_memory_leak = 721;

// CUdevice_attribute.
constexpr int device_max_threads = 1, device_max_block_x = 2, device_max_grid_x = 5, device_units = 16,
              device_integrated = 18, device_l2 = 38, device_major = 75, device_minor = 76,
              device_unit_shared = 81, device_unit_registers = 82, device_shared_optin = 97,
              device_pageable = 88, device_cooperative = 95;
// CUfunction_attribute.
constexpr int function_max_threads = 0, function_static_shared = 1, function_local = 3, function_registers = 4,
              function_binary = 6, function_max_dynamic_shared = 8, function_non_portable_cluster = 14;
// CUpointer_attribute and CUmemorytype.
constexpr int pointer_context = 1, pointer_memory_type = 2, pointer_device_pointer = 3, pointer_managed = 8,
              pointer_ordinal = 9, pointer_range_start = 11, pointer_range_size = 12;
constexpr unsigned memory_host = 1, memory_device = 2;
// CUlaunchAttributeID.
constexpr unsigned attribute_cooperative = 2, attribute_cluster = 4, attribute_programmatic = 6;
// CUjit_option.
constexpr int jit_info_log = 3, jit_info_log_size = 4, jit_error_log = 5, jit_error_log_size = 6;
// The rest.
constexpr unsigned stream_non_blocking = 1, host_alloc_portable = 1, host_alloc_mapped = 2;
constexpr int capture_thread_local = 1, capture_relaxed = 2, capture_none = 0;
/// The entry points; optional ones may be null.
struct Api {
#define X(name, version, required, parameters) CUresult(*name) parameters;
#include "entries.inc"
#undef X
};

extern Api api; // filled by open_driver, never changed after

/// Opens the driver and calls cuInit, once per process; the answer of the first call stays. The library is what
/// TESSERA_LIBCUDA names.
Status open_driver();
int driver_version();
/// True in a child of a process that had opened the driver: nothing of it may be used here.
bool forked();
Status forked_status();

/// "CUDA_ERROR_INVALID_VALUE (1): invalid argument".
std::string error_text(CUresult error);
/// Whether the context is lost with it: every later call gives an error, too.
bool is_sticky(CUresult error);
/// The house's status for an error that is not sticky.
Code code_of(CUresult error);

} // namespace tdriver::cuda
