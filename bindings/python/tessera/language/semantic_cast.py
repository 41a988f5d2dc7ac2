# SPDX-License-Identifier: MIT
"""Conversions. Which operation takes one element type to another is worked out once per pair of types."""
from .base import _unwrap_if_constexpr
from .types import (bfloat16, dtype, float16, float32, float8e4b15, int1, int64)
from .values import tensor

_ABSENT = 0xffffffff  # TIR_ABSENT
_RTZ, _RTNE = 0, 1    # tir_rounding_mode
_PLANS = {}           # (from, to) → (kind, name of the builder's function)


def _plan(src, dst):
    """How to convert: ("op", function) for arith casts; other kinds are methods of CastMixin."""
    if src._float and dst._float:
        if float8e4b15 in (src, dst):
            return "custom", None
        if {src, dst} == {float16, bfloat16}:
            return "fp", _RTNE
        wider, narrower = dst.primitive_bitwidth > src.primitive_bitwidth, \
            dst.primitive_bitwidth < src.primitive_bitwidth
        if src.primitive_bitwidth == 8 or dst.primitive_bitwidth == 8:
            return "fp", _RTNE if narrower else _ABSENT
        if src.primitive_bitwidth == 16 and dst is not float32:
            return "via32", None
        return "op", "arith_extf" if wider else "arith_truncf"
    if float8e4b15 in (src, dst):
        return "custom", None
    if src in (float16, bfloat16):
        return "via32", None
    if src._int and dst._int:
        if dst is int1:
            return "nonzero", None
        if src.int_bitwidth == dst.int_bitwidth:
            return "op", "arith_bitcast"
        if src.int_bitwidth > dst.int_bitwidth:
            return "op", "arith_trunci"
        return "op", "arith_extsi" if src._signed else "arith_extui"
    if src.is_standard_floating() and dst._int:
        if dst is int1:
            return "nonzero", None
        return "op", "arith_fptosi" if dst._signed else "arith_fptoui"
    if src._int and dst.is_standard_floating():
        return "op", "arith_sitofp" if src._signed else "arith_uitofp"
    if src._ptr and dst._int:
        if dst.int_bitwidth == 64:
            return "ptr_to_int", None
        if dst is int1:
            return "ptr_nonzero", None
    if src._int and dst._ptr:
        return "op", "tt_int_to_ptr"
    if src._ptr and dst._ptr:
        return "op", "tt_bitcast"
    return None, None


class CastMixin:
    """cast, bitcast."""

    def cast_to(self, input, dst, fp_downcast_rounding=None, bitcast=False):
        """`x.to(…)`: arguments may be compile-time values."""
        input = self.to_tensor(input)
        dst = _unwrap_if_constexpr(dst)
        if not isinstance(dst, dtype):
            raise TypeError(f"a tile is converted to a dtype, not to {dst!r}")
        if _unwrap_if_constexpr(bitcast):
            return self.bitcast(input, dst)
        return self.cast(input, dst, _unwrap_if_constexpr(fp_downcast_rounding))

    def cast(self, input, dst_ty, fp_downcast_rounding=None):
        src = input.dtype
        dst = dst_ty.element_ty if dst_ty._block else dst_ty
        if src is dst:
            return input
        plan = _PLANS.get((src, dst))
        if plan is None:
            plan = _PLANS[src, dst] = _plan(src, dst)
        kind, what = plan
        ty = input.type.with_element_ty(dst) if input.type._block else dst
        if fp_downcast_rounding is not None:
            rounding = self._rounding(fp_downcast_rounding, src, dst)
            if rounding == _RTZ and kind != "custom":
                kind, what = "fp", rounding
        if kind == "op":
            return tensor(getattr(self.builder, what)(input.handle, ty.to_ir(self.builder)), ty)
        if kind == "fp":
            return tensor(self.builder.tt_fp_to_fp(input.handle, what, ty.to_ir(self.builder)), ty)
        if kind == "via32":
            return self.cast(self.cast(input, float32), dst)
        if kind == "nonzero":
            return self.not_equal(input, self._constant(0, src, input.type))
        if kind == "custom":
            return self._cast_custom(input, ty, fp_downcast_rounding)
        if kind == "ptr_to_int":
            return tensor(self.builder.tt_ptr_to_int(input.handle), ty)
        if kind == "ptr_nonzero":
            return self.not_equal(self.cast(input, int64), self._constant(0, int64, input.type))
        raise AssertionError(f"cannot cast {input} to {dst_ty}")

    def _rounding(self, name, src, dst):
        modes = {"rtne": _RTNE, "rtz": _RTZ}
        if name not in modes:
            raise ValueError(f"Invalid rounding mode: {name}, expected 'rtne' or 'rtz'")
        if not (src._float and dst._float and dst.primitive_bitwidth < src.primitive_bitwidth):
            raise ValueError("fp_downcast_rounding should be set only for truncating fp conversions. "
                             f"Source scalar type is {src} and destination type is {dst}")
        return modes[name]

    def _cast_custom(self, input, ty, fp_downcast_rounding):
        convert = getattr(self.builder, "codegen_fns", None) or {}
        convert = convert.get("convert_custom_types")
        if convert is None:
            from .fp8e4b15 import convert
        return convert(input, ty, fp_downcast_rounding, _semantic=self)

    def bitcast(self, input, dst_ty):
        src_ty = input.type
        if src_ty._block:
            dst_ty = src_ty.with_element_ty(dst_ty.scalar)
        if src_ty is dst_ty:
            return input
        src, dst = src_ty.scalar, dst_ty.scalar
        if src._ptr or dst._ptr:
            return self.cast(input, dst_ty)
        if src.primitive_bitwidth != dst.primitive_bitwidth:
            raise ValueError(f"Cannot bitcast data-type of size {src.primitive_bitwidth} to "
                             f"data-type of size {dst.primitive_bitwidth}")
        return tensor(self.builder.tt_bitcast(input.handle, dst_ty.to_ir(self.builder)), dst_ty)
