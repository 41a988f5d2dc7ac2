# SPDX-License-Identifier: MIT
"""Registers of the GPU, sizes of the launch, and float8e4b15."""
from ...base import builtin, constexpr, extern
from ...fp8e4b15 import convert
from ...types import float16, float8e4b15, int32, int64


@extern
def globaltimer(_semantic=None):
    """Nanoseconds, the same for all programs."""
    return _semantic.inline_asm("mov.u64 $0, %globaltimer;", "=l", [], [int64], False, 1)[0]


@extern
def smid(_semantic=None):
    """Number of the multiprocessor."""
    return _semantic.inline_asm("mov.u32 $0, %smid;", "=r", [], [int32], True, 1)[0]


@builtin
def num_threads(_semantic=None):
    return constexpr(_semantic.option("num_warps", 4) * 32)


@builtin
def num_warps(_semantic=None):
    return constexpr(_semantic.option("num_warps", 4))


@builtin
def convert_fp8e4b15_to_float16(arg, _semantic=None):
    return convert(arg, arg.type.with_element_ty(float16), _semantic=_semantic)


@builtin
def convert_float16_to_fp8e4b15(arg, has_minx2, _semantic=None):
    return convert(arg, arg.type.with_element_ty(float8e4b15), _semantic=_semantic)


@builtin
def convert_custom_float8_sm80(arg, dst_ty, fp_downcast_rounding=None, _semantic=None):
    return convert(arg, dst_ty, fp_downcast_rounding, _semantic=_semantic)


convert_custom_float8_sm70 = convert_custom_float8_sm80
