# SPDX-License-Identifier: MIT
"""What the operators and functions of the language mean: types of results, conversions, and the IR of each.

`TritonSemantic` is what builtins get as `_semantic`; its method names are those that kernels' own builtins use. This
file holds numbers, promotion, arithmetic and comparisons; the other semantic_*.py hold the rest as mix-ins.
"""
import numbers

from .base import _unwrap_if_constexpr, constexpr, constexpr_type
from .semantic_cast import CastMixin
from .semantic_dot import DotMixin
from .semantic_memory import MemoryMixin
from .semantic_misc import MiscMixin
from .semantic_shape import ShapeMixin
from .types import (bfloat16, dtype, float16, float32, float64, int1, int32, int64, uint32, uint64)
from .values import tensor

_NUMBERS = frozenset((int, float, bool))
_F32_MIN, _F32_MAX = 2.0 ** -126, (2 - 2.0 ** -23) * 2.0 ** 127


class IncompatibleTypeErrorImpl(Exception):
    """Two operands whose types do not go together."""

    def __init__(self, type_a, type_b):
        self.type_a, self.type_b = type_a, type_b
        self.message = f"invalid operands of type {type_a!r} and {type_b!r}"
        super().__init__(self.message)


def number_type(x):
    """The type that a Python number gets where nothing else decides."""
    cls = x.__class__
    if cls is bool:
        return int1
    if cls is int:
        if -2 ** 31 <= x < 2 ** 31:
            return int32
        if 0 <= x < 2 ** 32:
            return uint32
        if -2 ** 63 <= x < 2 ** 63:
            return int64
        if 0 <= x < 2 ** 64:
            return uint64
        raise ValueError(f"Nonrepresentable integer {x}.")
    if cls is float:
        size = -x if x < 0 else x
        if size == 0.0 or size != size or size == float("inf") or _F32_MIN <= size <= _F32_MAX:
            return float32
        return float64
    return number_type(_plain_number(x))


def _plain_number(x):
    # bool, int and float also hide in numpy scalars, IntEnum …
    for cls in (bool, int, float):
        if isinstance(x, cls):
            return cls(x)
    item = getattr(x, "item", None)
    value = item() if item is not None else x
    if value.__class__ not in _NUMBERS:
        raise TypeError(f"cannot convert {x} of type {type(x)} to tensor")
    return value


# (left type, right type, left is a number, right is a number, / or %) → type to compute in
_COMPUTE = {}


def _integer_type(a, b):
    # C's usual conversions: the wider one; unsigned wins a tie.
    if a._signed == b._signed:
        return a if a.int_bitwidth > b.int_bitwidth else b
    unsigned, signed = (b, a) if a._signed else (a, b)
    return unsigned if unsigned.int_bitwidth >= signed.int_bitwidth else signed


def _computation_type(a, a_number, b, b_number, div):
    if a_number != b_number:
        # A Python number of no higher kind (bool < int < float) takes the tile's type.
        number, tile = (a, b) if a_number else (b, a)
        if number._rank <= tile._rank:
            a = b = tile
    if a is float64 or b is float64:
        return float64
    if div and (a._float or b._float):
        return float32
    for wide in (float32, float16):
        if a is wide or b is wide:
            return wide
    if a is bfloat16 or b is bfloat16:
        return bfloat16 if a is b else float32
    if a._float and b._float:
        return a if a is b else float16  # both fp8
    if not a._int or not b._int:
        raise TypeError(f"unexpected type {a} and {b}")
    if div and a._signed != b._signed:
        raise TypeError(f"Cannot use /, #, or % with {a!r} and {b!r} because they have different signedness;"
                        "this is unlikely to result in a useful answer. Cast them to the same signedness.")
    return _integer_type(a, b)


class TritonSemantic(CastMixin, ShapeMixin, MemoryMixin, DotMixin, MiscMixin):
    """Makes operations of the language by a builder."""
    tensor = tensor

    def __init__(self, builder):
        self.builder = builder
        options = getattr(builder, "options", None)
        self._check_overflow = bool(getattr(options, "debug", False) and getattr(options, "sanitize_overflow", False))

    def make_tensor(self, handle, type):
        return self.tensor(handle, type)

    def option(self, name, default=None):
        """An option of the compilation."""
        value = getattr(getattr(self.builder, "options", None), name, None)
        return default if value is None else value

    # ---- numbers

    def to_tensor_type(self, x):
        if isinstance(x, dtype):
            return x
        if isinstance(x, (constexpr_type, constexpr)):
            x = x.value
        if x.__class__ not in _NUMBERS and not isinstance(x, numbers.Number):
            raise TypeError(f"cannot convert {x} of type {type(x)} to tensor")
        return number_type(x)

    def to_tensor(self, x, check_type=True):
        if isinstance(x, tensor):
            return x
        x = _unwrap_if_constexpr(x)
        if x.__class__ in _NUMBERS or isinstance(x, numbers.Number):
            return self.scalar_constant(x, number_type(x))
        if isinstance(x, tensor):
            return x
        if check_type:
            raise TypeError(f"cannot convert {x} of type {type(x)} to tensor")
        return x

    def _constant(self, value, ty, like):
        """arith.constant of `value` in type `ty`, for all elements of `like` if that is a tile type."""
        b = self.builder
        if value.__class__ not in _NUMBERS:
            value = _plain_number(value)
        if ty._float:
            if ty.primitive_bitwidth == 8:
                return self._constant_fp8(value, ty, like)
            whole = like.with_element_ty(ty) if like._block else ty
            return tensor(b.const_float(whole.to_ir(b), float(value)), whole)
        if not ty._int:
            raise TypeError(f"a constant of type {ty} cannot be made from {value}")
        if value.__class__ is float:
            if value != 0.0:
                raise TypeError(f"cannot make a constant of type {ty} from the float {value}")
            value = 0
        if ty is int1:
            value = int(bool(value))
        elif value >= 2 ** 63:
            value -= 2 ** 64
        whole = like.with_element_ty(ty) if like._block else ty
        return tensor(b.const_int(whole.to_ir(b), int(value)), whole)

    def _constant_fp8(self, value, ty, like):
        b = self.builder
        if ty.name == "fp8e4b15":
            ty.to_ir(b)  # is it there on this target?
            result = self.cast(self._constant(value, float32, float32), ty)
        else:
            wide = self._constant(value, float32, float32)
            result = tensor(b.arith_truncf(wide.handle, ty.to_ir(b)), ty)
        return self.splat(result, like._shape) if like._block else result

    def scalar_constant(self, value, dtype):
        if dtype is None:
            raise ValueError(f"a Python value needs a dtype, got {value!r} and none")
        result = self._constant(value, dtype, dtype)
        result._value = value  # a later splat makes a constant tile of it
        return result

    def make_scalar(self, value, dtype):
        if isinstance(value, tensor):
            assert value.numel.value == 1, "only accepts size-1 tensor"
            return self.cast(value, dtype)
        return self.scalar_constant(_unwrap_if_constexpr(value), dtype)

    def full(self, shape, value, dtype):
        return self.splat(self.make_scalar(value, dtype), shape)

    # ---- promotion

    def integer_promote_impl(self, a_ty, b_ty):
        return _integer_type(a_ty, b_ty)

    def computation_type_impl(self, a_ty, a_is_scalar, b_ty, b_is_scalar, div_or_mod):
        return _computation_type(a_ty, a_is_scalar, b_ty, b_is_scalar, div_or_mod)

    def _in_type(self, value, is_number, ty, like):
        """The operand in type `ty`; a number becomes a constant of the shape of `like`."""
        if not is_number:
            return value if value.dtype is ty else self.cast(value, ty)
        if ty._int:
            if value < 0 and not ty._signed:
                raise ValueError("Cannot perform a binary operation between an unsigned tensor and a negative scalar. "
                                 "Perform a explicit cast on one of them.")
            if not ty.get_int_min_value() <= value <= ty.get_int_max_value():
                raise ValueError(f"Scalar {value} is out of range for type {ty}")
        return self._constant(value, ty, like)

    def _operand(self, x):
        """(operand, is it a Python number)"""
        if isinstance(x, tensor):
            return x, False
        x = _unwrap_if_constexpr(x)
        if x.__class__ in _NUMBERS:
            return x, True
        if isinstance(x, numbers.Number):
            return _plain_number(x), True
        if isinstance(x, tensor):
            return x, False
        raise TypeError(f"cannot convert {x} of type {type(x)} to tensor")

    def binary_op_type_checking_impl(self, lhs, rhs, allow_lhs_ptr=False, allow_rhs_ptr=False, arithmetic_check=True,
                                     div_or_mod=False):
        """Both operands in one type and shape."""
        l_num = r_num = False
        if lhs.__class__ is not tensor:
            lhs, l_num = self._operand(lhs)
        if rhs.__class__ is not tensor:
            rhs, r_num = self._operand(rhs)
        lt = number_type(lhs) if l_num else lhs.dtype
        rt = number_type(rhs) if r_num else rhs.dtype
        if lt._ptr or rt._ptr:
            self._check_pointers(lt, rt, allow_lhs_ptr, allow_rhs_ptr)
            arithmetic_check = False
        like_l = rt if r_num else rhs.type
        like_r = lt if l_num else lhs.type
        if arithmetic_check:
            key = (lt, rt, l_num, r_num, div_or_mod)
            ty = _COMPUTE.get(key)
            if ty is None:
                ty = _COMPUTE[key] = _computation_type(lt, l_num, rt, r_num, div_or_mod)
            if l_num or lt is not ty:
                lhs = self._in_type(lhs, l_num, ty, like_l)
            if r_num or rt is not ty:
                rhs = self._in_type(rhs, r_num, ty, like_r)
        else:
            if l_num:
                lhs = self._constant(lhs, lt, like_l)
            if r_num:
                rhs = self._constant(rhs, rt, like_r)
        if lhs.type._shape == rhs.type._shape:
            return lhs, rhs
        return self.broadcast_impl_value(lhs, rhs)

    def _check_pointers(self, a, b, a_allowed, b_allowed):
        for one, other, allowed in ((a, b, a_allowed), (b, a, b_allowed)):
            if one._ptr and (not allowed or (other._ptr and other is not one) or other._float):
                raise IncompatibleTypeErrorImpl(one, other)

    def check_ptr_type_impl(self, type_a, type_b, allow_ptr_a):
        if type_a._ptr:
            self._check_pointers(type_a, type_b, allow_ptr_a, True)

    def ternary_op_type_checking_impl(self, a, b, c):
        """Three operands in one type and shape; tiles decide before numbers do."""
        operands = [self._operand(x) for x in (a, b, c)]
        tile_type = number_only = None
        like = float32
        for x, is_number in operands:
            if is_number:
                ty = number_type(x)
                number_only = ty if number_only is None else _computation_type(number_only, True, ty, True, False)
            else:
                ty = x.dtype
                tile_type = ty if tile_type is None else _computation_type(tile_type, False, ty, False, False)
                if x.type._block and (not like._block or len(x.type._shape) > len(like._shape)):
                    like = x.type
        if tile_type is None:
            result = number_only
        elif number_only is None:
            result = tile_type
        else:
            result = _computation_type(tile_type, False, number_only, True, False)
        a, b, c = (self._in_type(x, is_number, result, like) for x, is_number in operands)
        if a.type._shape == b.type._shape == c.type._shape:
            return a, b, c
        a, b = self.broadcast_impl_value(a, b)
        a, c = self.broadcast_impl_value(a, c)
        b, c = self.broadcast_impl_value(b, c)
        return a, b, c

    # ---- arithmetic

    def _overflow_checked(self, a, b, op):
        ty = a.dtype
        if ty.int_bitwidth >= 64:
            return
        wide = getattr(self, op)(self.cast(a, int64), self.cast(b, int64), False)
        fits = self.and_(self.less_equal(wide, self.scalar_constant(ty.get_int_max_value(), int64)),
                         self.greater_equal(wide, self.scalar_constant(ty.get_int_min_value(), int64)))
        self.device_assert(fits, f"int{ty.int_bitwidth} overflow detected for operation {op}", None)

    def add(self, input, other, sanitize_overflow=True):
        a, b = self.binary_op_type_checking_impl(input, other, True, True)
        ty = a.dtype
        if ty._float:
            return tensor(self.builder.arith_addf(a.handle, b.handle), a.type)
        if ty._ptr or b.dtype._ptr:
            if ty._ptr and b.dtype._ptr:
                raise TypeError("cannot add pointers together")
            if not ty._ptr:
                a, b = b, a
            return self._move_pointer(a, b)
        if ty._int:
            if self._check_overflow and _unwrap_if_constexpr(sanitize_overflow):
                self._overflow_checked(a, b, "add")
            return tensor(self.builder.arith_addi(a.handle, b.handle), a.type)
        raise TypeError(f"unexpected type {ty}")

    def _move_pointer(self, ptr, offset):
        ty = offset.dtype
        handle = offset.handle
        if not ty._signed and ty.int_bitwidth < 64:
            # tt.addptr reads offsets as signed numbers.
            wide = offset.type.with_element_ty(int64)
            handle = self.builder.arith_extui(handle, wide.to_ir(self.builder))
        return tensor(self.builder.tt_addptr(ptr.handle, handle), ptr.type)

    def sub(self, input, other, sanitize_overflow=True):
        a, b = self.binary_op_type_checking_impl(input, other, True, False)
        ty = a.dtype
        if ty._ptr:
            return self.add(a, self.minus(b), False)
        if ty._float:
            return tensor(self.builder.arith_subf(a.handle, b.handle), a.type)
        if ty._int:
            if self._check_overflow and _unwrap_if_constexpr(sanitize_overflow):
                self._overflow_checked(a, b, "sub")
            return tensor(self.builder.arith_subi(a.handle, b.handle), a.type)
        raise TypeError(f"unexpected type {ty}")

    def mul(self, input, other, sanitize_overflow=True):
        a, b = self.binary_op_type_checking_impl(input, other)
        ty = a.dtype
        if ty._float:
            return tensor(self.builder.arith_mulf(a.handle, b.handle), a.type)
        if ty._int:
            if self._check_overflow and _unwrap_if_constexpr(sanitize_overflow):
                self._overflow_checked(a, b, "mul")
            return tensor(self.builder.arith_muli(a.handle, b.handle), a.type)
        raise TypeError(f"unexpected type {ty}")

    def truediv(self, input, other):
        a, b = self.binary_op_type_checking_impl(input, other, div_or_mod=True)
        if a.dtype._int and b.dtype._int:
            a, b = self.cast(a, float32), self.cast(b, float32)
        if not a.dtype._float:
            raise TypeError(f"unexpected type {a.dtype}")
        return tensor(self.builder.arith_divf(a.handle, b.handle), a.type)

    def floordiv(self, input, other):
        a, b = self.binary_op_type_checking_impl(input, other, div_or_mod=True)
        ty = a.dtype
        if not ty._int:
            raise TypeError(f"unexpected type {ty}")
        op = self.builder.arith_divsi if ty._signed else self.builder.arith_divui
        return tensor(op(a.handle, b.handle), a.type)

    def mod(self, input, other):
        a, b = self.binary_op_type_checking_impl(input, other, div_or_mod=True)
        ty, builder = a.dtype, self.builder
        if not (ty._float or ty._int):
            raise TypeError(f"unexpected type {ty}")
        op = builder.arith_remf if ty._float else builder.arith_remsi if ty._signed else builder.arith_remui
        return tensor(op(a.handle, b.handle), a.type)

    def fdiv(self, input, other, ieee_rounding=False, approx=False):
        if ieee_rounding and approx:
            raise ValueError("fdiv: approx and ieee_rounding exclude each other, got both")
        a, b = self.binary_op_type_checking_impl(input, other, div_or_mod=True)
        if not a.dtype._float:
            raise TypeError(f"fdiv divides floating-point values, got {a.dtype} after promotion")
        if approx and a.dtype is not float32:
            raise ValueError(f"fdiv: approx is for float32, got {a.dtype}")
        builder = self.builder
        op = builder.tt_approx_divf if approx else builder.tt_precise_divf if ieee_rounding else builder.arith_divf
        return tensor(op(a.handle, b.handle), a.type)

    def _extreme(self, x, y, propagate_nan, word):
        x, y = self.binary_op_type_checking_impl(x, y)
        ty = x.dtype
        if ty._float:
            from .ops import PropagateNan
            propagate_nan = _unwrap_if_constexpr(propagate_nan)
            if propagate_nan not in (PropagateNan.NONE, PropagateNan.ALL):
                raise ValueError(f"Unexpected propagate_nan {propagate_nan}")
            name = f"{word}num" if propagate_nan == PropagateNan.NONE else f"{word}imum"
            op = getattr(self.builder, f"arith_{name}f")
        elif ty._int:
            op = getattr(self.builder, f"arith_{word}{'s' if ty._signed else 'u'}i")
        else:
            raise TypeError(f"Unexpected dtype {ty}")
        return tensor(op(x.handle, y.handle), x.type)

    def minimum(self, x, y, propagate_nan):
        return self._extreme(x, y, propagate_nan, "min")

    def maximum(self, x, y, propagate_nan):
        return self._extreme(x, y, propagate_nan, "max")

    def clamp(self, x, min, max, propagate_nan):
        x, min, max = self.ternary_op_type_checking_impl(x, min, max)
        if x.dtype._float:
            handle = self.builder.tt_clampf(x.handle, min.handle, max.handle, _unwrap_if_constexpr(propagate_nan).value)
            return tensor(handle, x.type)
        if x.dtype._int:
            return self.minimum(self.maximum(x, min, propagate_nan), max, propagate_nan)
        raise TypeError(f"Unexpected dtype {x.dtype}")

    # ---- bits

    def bitwise_op_type_checking_impl(self, input, other):
        a, b = self.binary_op_type_checking_impl(input, other)
        if not a.dtype._int or not b.dtype._int:
            raise IncompatibleTypeErrorImpl(a.dtype, b.dtype)
        return a, b

    def _bitwise(self, input, other, op):
        a, b = self.bitwise_op_type_checking_impl(input, other)
        return tensor(op(a.handle, b.handle), a.type)

    def and_(self, input, other):
        return self._bitwise(input, other, self.builder.arith_andi)

    def or_(self, input, other):
        return self._bitwise(input, other, self.builder.arith_ori)

    def xor_(self, input, other):
        return self._bitwise(input, other, self.builder.arith_xori)

    def shl(self, input, other):
        return self._bitwise(input, other, self.builder.arith_shli)

    def lshr(self, input, other):
        return self._bitwise(input, other, self.builder.arith_shrui)

    def ashr(self, input, other):
        return self._bitwise(input, other, self.builder.arith_shrsi)

    def _truth(self, x):
        # and, or, not work on single bits only: anything else of another width is refused by the bitcast.
        return x if x.type is int1 else self.bitcast(x, int1)

    def logical_and(self, input, other):
        return self.and_(self._truth(input), self._truth(other))

    def logical_or(self, input, other):
        return self.or_(self._truth(input), self._truth(other))

    def not_(self, input):
        return self.invert(self._truth(input))

    def plus(self, input):
        return input

    def minus(self, input):
        ty = input.dtype
        if ty._ptr:
            raise ValueError(f"wrong type argument to unary minus ({ty!r})")
        if ty._float:
            return tensor(self.builder.arith_negf(input.handle), input.type)
        return self.sub(self._constant(0, ty, input.type), input, True)

    def invert(self, input):
        ty = input.dtype
        if ty._ptr or ty._float:
            raise ValueError(f"wrong type argument to unary invert ({ty!r})")
        ones = self._constant(1 if ty is int1 else -1, ty, input.type)
        return tensor(self.builder.arith_xori(input.handle, ones.handle), input.type)

    # ---- comparisons

    def _bool_like(self, v):
        return v.type.with_element_ty(int1)

    def _compare(self, input, other, signed, unsigned, floating):
        a, b = self.binary_op_type_checking_impl(input, other)
        ty = a.dtype
        if ty._float:
            handle = self.builder.arith_cmpf(a.handle, b.handle, floating)
        elif ty._int:
            handle = self.builder.arith_cmpi(a.handle, b.handle, signed if ty._signed else unsigned)
        else:
            raise TypeError(f"unexpected type {ty}")
        return tensor(handle, a.type.with_element_ty(int1) if a.type._block else int1)

    # numbers of tir_cmpi_predicate (signed, unsigned) and tir_cmpf_predicate (ordered; != is unordered)
    def greater_than(self, input, other):
        return self._compare(input, other, 4, 8, 2)

    def greater_equal(self, input, other):
        return self._compare(input, other, 5, 9, 3)

    def less_than(self, input, other):
        return self._compare(input, other, 2, 6, 4)

    def less_equal(self, input, other):
        return self._compare(input, other, 3, 7, 5)

    def equal(self, input, other):
        return self._compare(input, other, 0, 0, 1)

    def not_equal(self, input, other):
        return self._compare(input, other, 1, 1, 13)

    def where(self, condition, x, y):
        if condition.dtype is not int1:
            import warnings
            warnings.warn(f"tl.where: a condition other than int1 is deprecated, got {condition.dtype}")
            condition = self.cast(condition, int1)
        x, y = self.binary_op_type_checking_impl(x, y, True, True)
        if condition.type._block:
            condition, x = self.broadcast_impl_value(condition, x)
            x, y = self.broadcast_impl_value(x, y)
        else:
            condition, _ = self.broadcast_impl_value(condition, x)
        return tensor(self.builder.arith_select(condition.handle, x.handle, y.handle), x.type)


Semantic = TritonSemantic
