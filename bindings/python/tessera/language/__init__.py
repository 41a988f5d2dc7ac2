# SPDX-License-Identifier: MIT
"""The language of kernels: `import tessera.language as tl`.

core holds types, values and builtins; math, standard (sums, sorts, softmax …) and random the functions beyond them;
extra what belongs to one device. standard, random and extra are imported when something of them is first used.
"""
import importlib as _importlib

from . import core, math
from .core import (PropagateNan, TRITON_MAX_TENSOR_NUMEL, add, advance, aggregate_replace, arange, associative_scan,
                   assume, atomic_add, atomic_and, atomic_cas, atomic_load, atomic_max, atomic_min, atomic_or,
                   atomic_poll, atomic_store, atomic_xchg, atomic_xor, bfloat16, block_type, broadcast, broadcast_to,
                   cast, cat, clamp, condition, const, constexpr, constexpr_type, debug_barrier, device_assert,
                   device_print, dot, dot_scaled, dtype, expand_dims, expect_zero, float8e4b8, float8e4b15,
                   float8e4nv, float8e5, float8e5b16, float16, float32, float64, full, gather, histogram,
                   inline_asm_elementwise, int1, int8, int16, int32, int64, join, load, load_tensor_descriptor,
                   make_block_ptr, make_tensor_descriptor, map_elementwise, max_constancy, max_contiguous, maximum,
                   minimum, mul, multiple_of, num_programs, permute, pi32_t, pointer_type, program_id, range, reduce,
                   reshape, slice, split, static_assert, static_print, static_range, store, store_tensor_descriptor,
                   str_to_ty, sub, tensor, tensor_descriptor, tensor_descriptor_type, to_tensor, trans, tuple,
                   tuple_type, uint8, uint16, uint32, uint64, view, void, where)
from .math import (abs, ceil, cos, div_rn, erf, exp, exp2, fdiv, floor, fma, log, log2, rsqrt, sin, sqrt, sqrt_rn,
                   umulhi)

_LATER = {
    **dict.fromkeys("argmax argmin bitonic_merge cdiv cumprod cumsum flip interleave max min ravel reduce_or sigmoid "
                    "softmax sort squeeze sum swizzle2d topk unsqueeze xor_sum zeros zeros_like".split(), ".standard"),
    **dict.fromkeys("pair_uniform_to_normal philox philox_impl rand rand4x randint randint4x randn randn4x "
                    "uint_to_uniform_float".split(), ".random"),
}
_MODULES = ("extra", "random", "semantic", "standard", "stubs", "target_info")

__all__ = sorted({name for name in globals() if not name.startswith("_") and name != "str_to_ty"}
                 | set(_LATER) | {"extra", "random", "standard", "target_info"})


def __getattr__(name):
    if name in _LATER:
        value = getattr(_importlib.import_module(_LATER[name], __name__), name)
    elif name in _MODULES:
        value = _importlib.import_module("." + name, __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_LATER, *_MODULES})
