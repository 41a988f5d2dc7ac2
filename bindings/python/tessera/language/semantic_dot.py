# SPDX-License-Identifier: MIT
"""Matrix products."""
import warnings

from ._ir import next_bool_attr, next_int_attr
from .base import _unwrap_if_constexpr
from .types import (bfloat16, block_type, float16, float32, float64, float8e4nv, float8e5, int32, int8, uint16, uint8)
from .values import tensor

_PRECISIONS = {"tf32": 0, "tf32x3": 1, "ieee": 2, "bf16x3": 3, "bf16x6": 4}
_FORMATS = {"e4m3": 0, "e5m2": 1, "e2m1": 4, "bf16": 5, "fp16": 6}
# format: (its type, the type whose bits may stand for it)
_FORMAT_TYPES = {"e5m2": (float8e5, uint8), "e4m3": (float8e4nv, uint8), "bf16": (bfloat16, uint16),
                 "fp16": (float16, uint16)}
_DOT_TYPES = (int8, uint8, float16, bfloat16, float32, float64)


class DotMixin:
    """dot, dot_scaled."""

    def default_input_precision(self, allow_tf32):
        """Precision of a dot that names none: the environment's, else the target's."""
        from .. import knobs
        chosen = knobs.language.fp32_default
        if chosen:
            return chosen
        allowed = self.option("allowed_dot_input_precisions", tuple(_PRECISIONS))
        if allow_tf32 is None:
            return self.option("default_dot_input_precision", "tf32" if "tf32" in allowed else "ieee")
        return "tf32" if allow_tf32 and "tf32" in allowed else "ieee"

    def _precision(self, name):
        allowed = self.option("allowed_dot_input_precisions", tuple(_PRECISIONS))
        assert name.lower() in allowed, f"input_precision must be one of {allowed}. Got {name}"
        return _PRECISIONS[name.lower()]

    def _upcast_outdated_fp8(self, lhs, rhs):
        deprecated = self.option("deprecated_fp8_dot_operand_dtypes", ())
        names = {lhs.dtype.name, rhs.dtype.name}
        if "fp8e4b15" in names:
            if "fp8e4b15" in deprecated:
                warnings.warn("the use of fp8e4b15 is deprecated on Hopper and later architectures and can cause "
                              "significant slow down. It will be removed in a future triton release")
            return self.cast(lhs, float16), self.cast(rhs, float16)  # the IR has no such type
        amd = "fp8e4b8" if "fp8e4b8" in names else "fp8e5b16"
        if amd in names and amd in deprecated:
            arch = self.option("arch")
            warnings.warn(f"{amd} is AMD gfx942 specific and not supported on {arch} so it's upcasted to fp16 and can "
                          f"cause significant slow down. Please use OCP fp8 variants on {arch} for performance")
            return self.cast(lhs, float16), self.cast(rhs, float16)
        return lhs, rhs

    def dot(self, lhs, rhs, acc, input_precision, max_num_imprecise_acc, out_dtype):
        assert lhs.type._block and rhs.type._block, f"tl.dot multiplies tiles, got {lhs.type} and {rhs.type}"
        both_fp8 = lhs.dtype.is_fp8() and rhs.dtype.is_fp8()
        if not both_fp8:
            assert lhs.dtype in _DOT_TYPES, f"Unsupported lhs dtype {lhs.dtype}"
            assert rhs.dtype in _DOT_TYPES, f"Unsupported rhs dtype {rhs.dtype}"
            assert lhs.dtype is rhs.dtype, \
                f"Both operands must be same dtype. Got {lhs.dtype} and {rhs.dtype}"
        else:
            lhs, rhs = self._upcast_outdated_fp8(lhs, rhs)
        precision = self._precision(input_precision or self.default_input_precision(None))
        if out_dtype is None:
            out_dtype = float32 if acc is None else acc.type.scalar
        a, b = lhs.type._shape, rhs.type._shape
        assert len(a) == len(b) and len(a) in (2, 3), \
            f"tl.dot takes two tiles of rank 2 or two of rank 3, got {list(a)} and {list(b)}"
        assert a[-1] == b[-2], \
            f"tl.dot of shapes {list(a)} and {list(b)}: {a[-1]} columns on the left, {b[-2]} rows on the right"
        self._smallest_dot(lhs, rhs)
        zero, ty = self._dot_result(lhs.dtype, out_dtype)
        ty = block_type(ty, (a[:1] if len(a) == 3 else ()) + (a[-2], b[-1]))
        if acc is None:
            acc = self._constant(zero, ty.scalar, ty)
        else:
            self._check_accumulator(acc, ty, out_dtype)
        fp8 = lhs.dtype.is_fp8() and rhs.dtype.is_fp8()
        if max_num_imprecise_acc is None:
            max_num_imprecise_acc = self.option("max_num_imprecise_acc_default", 0) if fp8 else 0
        elif fp8 and max_num_imprecise_acc > a[-1]:
            raise ValueError(f"max_num_imprecise_acc ({max_num_imprecise_acc}) must be <= K ({a[-1]})")
        if max_num_imprecise_acc:
            next_int_attr(self.builder, "maxNumImpreciseAcc", max_num_imprecise_acc)
        return tensor(self.builder.tt_dot(lhs.handle, rhs.handle, acc.handle, precision), ty)

    def _smallest_dot(self, lhs, rhs):
        least = (getattr(self.builder, "codegen_fns", None) or {}).get("min_dot_size")
        m, n, k = least(lhs.type, rhs.type) if least is not None else (1, 1, 1)
        a, b = lhs.type._shape, rhs.type._shape
        assert a[-2] >= m and a[-1] >= k and b[-1] >= n, \
            f"Input shapes should have M >= {m}, N >= {n} and K >= {k}"

    @staticmethod
    def _dot_result(ty, out_dtype):
        if ty._int:
            assert ty is int8, "only int8 supported!"
            return 0, int32
        if out_dtype is bfloat16:
            raise ValueError("out_dtype of tl.dot is float32 or float16, got bfloat16: convert the result with "
                             "`.to(tl.bfloat16)`")
        if ty in (float32, bfloat16):
            return 0.0, float32
        return 0.0, float64 if ty is float64 else out_dtype

    @staticmethod
    def _check_accumulator(acc, ty, out_dtype):
        assert acc.type._shape == ty._shape, \
            f"expected accumulator shape {list(ty._shape)}, got {list(acc.type._shape)}"
        assert acc.dtype == out_dtype, \
            f"expected accumulator dtype {out_dtype}, got {acc.dtype}; pass out_dtype={acc.dtype} to use this " \
            "accumulator dtype"

    # ---- scaled

    def _as_format(self, value, name):
        if name == "e2m1":
            assert value.dtype is uint8, f"e2m1 values come two to a uint8, got {value.dtype}"
            return value
        ty, bits = _FORMAT_TYPES[name]
        if value.dtype is ty:
            return value
        assert value.dtype is bits, f"Unexpected dtype for {name}. Got {value.dtype}"
        return self.bitcast(value, ty)

    def dot_scaled(self, lhs, lhs_scale, lhs_format, rhs, rhs_scale, rhs_format, acc, fast_math, lhs_k_pack,
                   rhs_k_pack, out_dtype):
        assert lhs.type._block and rhs.type._block, f"tl.dot_scaled multiplies tiles, got {lhs.type} and {rhs.type}"
        a, b = lhs.type._shape, rhs.type._shape
        assert len(a) == len(b) and len(a) in (2, 3), \
            f"tl.dot_scaled takes two tiles of rank 2 or two of rank 3, got {list(a)} and {list(b)}"
        for name, side in ((lhs_format, "lhs"), (rhs_format, "rhs")):
            if name not in _FORMATS:
                raise ValueError(f"Invalid float format: {name}.")
        assert lhs_k_pack or lhs_format == "e2m1", \
            "only e2m1 inputs may be packed along another dimension than K"
        assert rhs_k_pack or rhs_format == "e2m1", \
            "only e2m1 inputs may be packed along another dimension than K"
        lhs_scale, rhs_scale = _unwrap_if_constexpr(lhs_scale), _unwrap_if_constexpr(rhs_scale)
        lhs, rhs = self._as_format(lhs, lhs_format), self._as_format(rhs, rhs_format)
        pack_a, pack_b = 1 + (lhs_format == "e2m1"), 1 + (rhs_format == "e2m1")
        (m, k), (k_of_b, n) = a[-2:], b[-2:]
        k, m = (k * pack_a, m) if lhs_k_pack else (k, m * pack_a)
        k_of_b, n = (k_of_b * pack_b, n) if rhs_k_pack else (k_of_b, n * pack_b)
        assert k == k_of_b, \
            f"Reduction dimension should pack the same number of elements; (lhs: {list(a)} vs rhs: {list(b)})"
        ty = block_type(out_dtype, (a[:1] if len(a) == 3 else ()) + (m, n))
        if acc is None:
            acc = self._constant(0.0, out_dtype, ty)
        else:
            self._check_accumulator(acc, ty, out_dtype)
        self._check_scales(m, n, k, lhs_scale, rhs_scale)
        builder = self.builder
        for name, pack in (("lhs_k_pack", lhs_k_pack), ("rhs_k_pack", rhs_k_pack)):
            if not pack:
                next_bool_attr(builder, name, False)
        return tensor(builder.tt_dot_scaled(lhs.handle, rhs.handle, acc.handle,
                                            None if lhs_scale is None else lhs_scale.handle,
                                            None if rhs_scale is None else rhs_scale.handle,
                                            _FORMATS[lhs_format], _FORMATS[rhs_format], int(bool(fast_math))), ty)

    @staticmethod
    def _check_scales(m, n, k, lhs_scale, rhs_scale):
        """One scale for every 16 or 32 elements along K, the same on both sides."""
        factor = None
        for name, scale, rows in (("lhs_scale", lhs_scale, m), ("rhs_scale", rhs_scale, n)):
            if scale is None or scale.numel.value == 1:
                continue
            shape = scale.type._shape
            of_this = k // shape[-1]
            assert factor in (None, of_this), \
                f"Operands must have the same scale factor; (lhs: {factor} vs rhs: {of_this})"
            assert of_this in (16, 32) and shape[-2:] == (rows, k // of_this), \
                f"{name} must be a tensor of shape [..., {rows}, {k // (factor or 32)}]. Got {list(shape)}"
            factor = of_this
