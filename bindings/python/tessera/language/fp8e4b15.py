# SPDX-License-Identifier: MIT
"""Conversions of float8e4b15 (sign, 4 bits of exponent with bias 15, 3 of mantissa; no infinities, no NaN). The IR has
no such type: its bits lie in i8. Its exponent has float16's bias, so that a shift by 7 bits is the conversion."""
from .types import float16, float32, float8e4b15, int16, int8, uint16, uint8
from .values import tensor

_GREATEST = 0x3F00  # 1.75 in float16


def convert(input, ty, fp_downcast_rounding=None, _semantic=None):
    """From or to float8e4b15; `ty` is the result's type."""
    if input.dtype is float8e4b15:
        return _semantic.cast(_to_float16(input, _semantic), ty)
    if input.dtype is not float16:
        # Toward zero, so that the value is rounded once, at the last step.
        narrow = "rtz" if input.dtype.primitive_bitwidth > 16 and input.dtype._float else None
        if narrow and input.dtype is not float32:
            input = _semantic.cast(input, float32, narrow)
        input = _semantic.cast(input, float16, narrow)
    return _from_float16(input, _semantic)


def _as(input, element):
    # the same IR value under another name
    return tensor(input.handle, input.type.with_element_ty(element) if input.type._block else element)


def _to_float16(input, s):
    bits = s.cast(_as(input, uint8), uint16)
    sign = s.shl(s.and_(bits, 0x80), 8)
    magnitude = s.shl(s.and_(bits, 0x7F), 7)
    return s.bitcast(s.or_(sign, magnitude), float16)


def _from_float16(input, s):
    from .ops import PropagateNan
    bits = s.bitcast(input, uint16)
    sign = s.and_(s.lshr(bits, 8), 0x80)
    magnitude = s.bitcast(s.and_(bits, 0x7FFF), int16)
    magnitude = s.minimum(magnitude, _GREATEST, PropagateNan.NONE)  # NaN becomes the greatest, too
    magnitude = s.bitcast(s.ashr(s.add(magnitude, 0x40, False), 7), uint16)
    return _as(s.cast(s.cast(s.or_(sign, magnitude), uint8), int8), float8e4b15)
