# SPDX-License-Identifier: MIT
"""Options of a compilation for compute capability 9.0, for tests that compare with Triton's CUDA back end."""

OPTIONS = {"num_warps": 4, "num_ctas": 1, "num_stages": 3, "warp_size": 32, "maxnreg": None, "debug": False,
           "sanitize_overflow": True, "supported_fp8_dtypes": ("fp8e4nv", "fp8e4b15", "fp8e5"),
           "deprecated_fp8_dot_operand_dtypes": ("fp8e4b15",), "default_dot_input_precision": "tf32",
           "allowed_dot_input_precisions": ("tf32", "tf32x3", "ieee", "bf16x3", "bf16x6"), "backend_name": "cuda",
           "max_num_imprecise_acc_default": 2 ** 30, "enable_fp_fusion": True, "arch": "sm90", "extern_libs": (),
           "instrumentation_mode": ""}


def min_dot_size(lhs, rhs):
    """(M, N, K) of the smallest product."""
    return (1, 1, {8: 32, 16: 16, 32: 8, 64: 4}.get(lhs.scalar.primitive_bitwidth, 16))
