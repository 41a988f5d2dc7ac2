# SPDX-License-Identifier: MIT
"""Mathematical functions. exp … ceil take fp32 and fp64 only, as the devices' functions do: convert before."""
from .base import _unwrap_if_constexpr, builtin
from .values import _tensor_member_fn, tensor

_WIDE = ("fp32", "fp64")


def _expect(args, allowed):
    for a in args:
        if isinstance(a, tensor) and a.dtype.name not in allowed:
            raise ValueError(f"Expected dtype {list(allowed)} but got {a.dtype.name}")


def _unary(name, doc, op=None, allowed=_WIDE):
    op = op or f"math_{name}"

    def function(x, _semantic=None):
        _expect((x,), allowed)
        x = _semantic.to_tensor(x)
        return tensor(getattr(_semantic.builder, op)(x.handle), x.type)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return _tensor_member_fn(builtin(function))


exp = _unary("exp", "e to the power x.")
exp2 = _unary("exp2", "2 to the power x.")
log = _unary("log", "Natural logarithm.")
log2 = _unary("log2", "Logarithm to base 2.")
cos = _unary("cos", "Cosine.")
sin = _unary("sin", "Sine.")
sqrt = _unary("sqrt", "Square root, fast.")
sqrt_rn = _unary("sqrt_rn", "Square root of fp32, rounded to nearest.", "tt_precise_sqrt", ("fp32",))
rsqrt = _unary("rsqrt", "1 / sqrt(x).")
erf = _unary("erf", "Error function.")
floor = _unary("floor", "Greatest integer that is not greater.")
ceil = _unary("ceil", "Smallest integer that is not smaller.")


@builtin
def umulhi(x, y, _semantic=None):
    """High half of the product of 32- or 64-bit integers, taken as unsigned."""
    _expect((x, y), ("int32", "int64", "uint32", "uint64"))
    x, y = _semantic.binary_op_type_checking_impl(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y))
    return tensor(_semantic.builder.tt_mulhiui(x.handle, y.handle), x.type)


@_tensor_member_fn
@builtin
def abs(x, _semantic=None):
    """Absolute value."""
    x = _semantic.to_tensor(x)
    ty, b = x.dtype, _semantic.builder
    if ty.name == "fp8e4b15":  # an i8 in the IR: clear the sign
        mask = _semantic._constant(0x7F, _int8(), x.type)
        return tensor(b.arith_andi(x.handle, mask.handle), x.type)
    if ty._float:
        return tensor(b.math_absf(x.handle), x.type)
    assert ty._int, f"Unexpected dtype {ty}"
    return tensor(b.math_absi(x.handle), x.type) if ty._signed else x


def _int8():
    from .types import int8
    return int8


@builtin
def fdiv(x, y, ieee_rounding=False, approx=False, _semantic=None):
    """x / y of floats. ieee_rounding: rounded to nearest; approx: fp32 within 2 ULP."""
    return _semantic.fdiv(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y), _unwrap_if_constexpr(ieee_rounding),
                          _unwrap_if_constexpr(approx))


@builtin
def div_rn(x, y, _semantic=None):
    """x / y of fp32, rounded to nearest."""
    _expect((x, y), ("fp32",))
    x, y = _semantic.binary_op_type_checking_impl(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y))
    return tensor(_semantic.builder.tt_precise_divf(x.handle, y.handle), x.type)


@builtin
def fma(x, y, z, _semantic=None):
    """x * y + z, rounded once."""
    x, y, z = _semantic.ternary_op_type_checking_impl(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y),
                                                      _unwrap_if_constexpr(z))
    return tensor(_semantic.builder.math_fma(x.handle, y.handle, z.handle), x.type)
