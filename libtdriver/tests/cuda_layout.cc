// SPDX-License-Identifier: MIT
// The driver's types and numbers as src/cuda/api.hh declares them, against the vendor's header. Compiling is the test.
#include "cuda/api.hh"
#if __has_include(<cuda.h>)
#include <cstddef>
#include <cuda.h>

namespace own = tdriver::cuda;
#define SAME(a, b) static_assert(static_cast<long long>(a) == static_cast<long long>(b), #a)
SAME(sizeof(own::LaunchConfig), sizeof(CUlaunchConfig));
SAME(offsetof(own::LaunchConfig, block), offsetof(CUlaunchConfig, blockDimX));
SAME(offsetof(own::LaunchConfig, shared_bytes), offsetof(CUlaunchConfig, sharedMemBytes));
SAME(offsetof(own::LaunchConfig, stream), offsetof(CUlaunchConfig, hStream));
SAME(offsetof(own::LaunchConfig, attributes), offsetof(CUlaunchConfig, attrs));
SAME(offsetof(own::LaunchConfig, attribute_count), offsetof(CUlaunchConfig, numAttrs));
SAME(sizeof(own::LaunchAttribute), sizeof(CUlaunchAttribute));
SAME(offsetof(own::LaunchAttribute, flag), offsetof(CUlaunchAttribute, value));
SAME(sizeof(own::TensorMap), sizeof(CUtensorMap));
static_assert(alignof(own::TensorMap) >= alignof(CUtensorMap)); // 64 in CUDA 12, 128 since 13
SAME(sizeof(own::CUdeviceptr), sizeof(CUdeviceptr));
SAME(own::error_invalid_value, CUDA_ERROR_INVALID_VALUE);
SAME(own::error_out_of_memory, CUDA_ERROR_OUT_OF_MEMORY);
SAME(own::error_deinitialized, CUDA_ERROR_DEINITIALIZED);
SAME(own::error_no_device, CUDA_ERROR_NO_DEVICE);
SAME(own::error_invalid_image, CUDA_ERROR_INVALID_IMAGE);
SAME(own::error_no_binary, CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME(own::error_ecc, CUDA_ERROR_ECC_UNCORRECTABLE);
SAME(own::error_invalid_ptx, CUDA_ERROR_INVALID_PTX);
SAME(own::error_jit_compiler_not_found, CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
SAME(own::error_unsupported_ptx, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
SAME(own::error_not_found, CUDA_ERROR_NOT_FOUND);
SAME(own::error_not_ready, CUDA_ERROR_NOT_READY);
SAME(own::error_illegal_address, CUDA_ERROR_ILLEGAL_ADDRESS);
SAME(own::error_launch_resources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
SAME(own::error_launch_timeout, CUDA_ERROR_LAUNCH_TIMEOUT);
SAME(own::error_context_destroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED);
SAME(own::error_assert, CUDA_ERROR_ASSERT);
SAME(own::error_hardware_stack, CUDA_ERROR_HARDWARE_STACK_ERROR);
SAME(own::error_launch_failed, CUDA_ERROR_LAUNCH_FAILED);
SAME(own::error_cooperative_too_large, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
SAME(own::device_max_threads, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(own::device_max_grid_x, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X);
SAME(own::device_units, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(own::device_l2, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
SAME(own::device_major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(own::device_minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(own::device_unit_shared, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
SAME(own::device_unit_registers, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR);
SAME(own::device_shared_optin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(own::device_pageable, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS);
SAME(own::function_max_threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(own::function_static_shared, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
SAME(own::function_local, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
SAME(own::function_registers, CU_FUNC_ATTRIBUTE_NUM_REGS);
SAME(own::function_binary, CU_FUNC_ATTRIBUTE_BINARY_VERSION);
SAME(own::function_max_dynamic_shared, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(own::function_non_portable_cluster, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
SAME(own::pointer_memory_type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
SAME(own::pointer_managed, CU_POINTER_ATTRIBUTE_IS_MANAGED);
SAME(own::pointer_ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
SAME(own::pointer_range_start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR);
SAME(own::pointer_range_size, CU_POINTER_ATTRIBUTE_RANGE_SIZE);
SAME(own::memory_host, CU_MEMORYTYPE_HOST);
SAME(own::memory_device, CU_MEMORYTYPE_DEVICE);
SAME(own::attribute_cooperative, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
SAME(own::attribute_cluster, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
SAME(own::attribute_programmatic, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
SAME(own::jit_error_log, CU_JIT_ERROR_LOG_BUFFER);
SAME(own::jit_error_log_size, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
SAME(own::stream_non_blocking, CU_STREAM_NON_BLOCKING);
SAME(own::host_alloc_portable, CU_MEMHOSTALLOC_PORTABLE);
SAME(own::host_alloc_mapped, CU_MEMHOSTALLOC_DEVICEMAP);
SAME(own::capture_relaxed, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME(own::capture_none, CU_STREAM_CAPTURE_STATUS_NONE);
SAME(CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 6);
SAME(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 9);
SAME(CU_TENSOR_MAP_SWIZZLE_128B, 3);
int main() { return 0; }
#else
#include <cstdio>
int main() {
  std::puts("skipped: no cuda.h");
  return 77;
}
#endif
