# SPDX-License-Identifier: MIT
"""Functions of the language that make, reshape and combine tiles."""
import builtins as _py
import warnings
from enum import Enum

from .base import (_unwrap_if_constexpr, _unwrap_iterable, _unwrap_shape, base_value, builtin, constexpr)
from .types import float32, validate_block_shape
from .values import _tensor_member_fn, tensor, tuple


class PropagateNan(Enum):
    """What min, max and clamp do with a NaN: NONE gives the other operand, ALL the NaN."""
    NONE = 0
    ALL = 0xFFFF

    def __repr__(self):
        return f"PropagateNan.{self.name}"


_warned = set()


def _warn_once(message):
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, UserWarning, stacklevel=3)


def _shape_check_impl(shape):
    shape = _unwrap_shape(shape)
    validate_block_shape(shape)
    return shape


def _wrap_axis(axis, ndim):
    if not -ndim <= axis < ndim:
        raise ValueError(f"invalid axis {axis}. Expected {-ndim} <= axis < {ndim}")
    return axis % ndim if ndim else axis


@builtin
def to_tensor(x, _semantic=None):
    """A Python number as a scalar: int1, the first of int32, uint32, int64, uint64 that holds it, float32 or, out of
    its range, float64."""
    return _semantic.to_tensor(x)


# ---- programs and new tiles

@builtin
def program_id(axis, _semantic=None):
    """Number of this program along `axis` (0, 1, 2) of the grid."""
    return _semantic.program_id(_unwrap_if_constexpr(axis))


@builtin
def num_programs(axis, _semantic=None):
    """Size of the grid along `axis` (0, 1, 2)."""
    return _semantic.num_programs(_unwrap_if_constexpr(axis))


@builtin
def arange(start, end, _semantic=None):
    """The int32 numbers start … end-1; how many they are must be a power of two."""
    return _semantic.arange(_unwrap_if_constexpr(start), _unwrap_if_constexpr(end))


@builtin
def full(shape, value, dtype, _semantic=None):
    """A tile filled with `value`, a number or a scalar."""
    return _semantic.full(_shape_check_impl(shape), _unwrap_if_constexpr(value), _unwrap_if_constexpr(dtype))


@_tensor_member_fn
@builtin
def cast(input, dtype, fp_downcast_rounding=None, bitcast=False, _semantic=None):
    """The values in another type; with `bitcast` the bits. fp_downcast_rounding: "rtne" (default) or "rtz"."""
    return _semantic.cast_to(input, dtype, fp_downcast_rounding, bitcast)


# ---- shapes

@builtin
def broadcast(input, other, _semantic=None):
    """Both tiles in their common shape."""
    return _semantic.broadcast_impl_value(_semantic.to_tensor(input), _semantic.to_tensor(other))


@_tensor_member_fn
@builtin
def broadcast_to(input, *shape, _semantic=None):
    """Repeats dimensions of size 1 to fill `shape`."""
    return _semantic.broadcast_impl_shape(_semantic.to_tensor(input), _shape_check_impl(_unwrap_iterable(shape)))


@_tensor_member_fn
@builtin
def trans(input, *dims, _semantic=None):
    """Permutes dimensions; without `dims` it swaps the last two."""
    dims = _unwrap_iterable(dims)
    if not dims:
        rank = len(input.type._shape)
        if rank < 2:
            raise ValueError(f"tl.trans needs 2 or more dimensions, got {rank}")
        dims = [*_py.range(rank - 2), rank - 1, rank - 2]
    return _semantic.permute(input, dims)


@_tensor_member_fn
@builtin
def permute(input, *dims, _semantic=None):
    """Dimension i of the result is dimension dims[i] of the tile."""
    return _semantic.permute(input, _unwrap_iterable(dims))


@builtin
def cat(input, other, can_reorder=False, dim=0, _semantic=None):
    """Two tiles of one shape, one behind the other along `dim`."""
    if _unwrap_if_constexpr(can_reorder):
        _warn_once("tl.cat(can_reorder=True) gives elements in any order and goes away in Triton 3.10; "
                   "leave can_reorder out.")
        return _semantic.cat(input, other, True)
    a, b = input.type._shape, other.type._shape
    assert len(a) == len(b), f"tensors must have the same rank, got {len(a)} and {len(b)}"
    dim = _wrap_axis(_unwrap_if_constexpr(dim), len(a))
    assert a == b, f"tl.cat joins tensors of one shape, got {list(a)} and {list(b)}"
    order = list(_py.range(len(a)))
    order.insert(dim, len(a))
    pairs = _semantic.permute(_semantic.join(input, other), order)
    return _semantic.reshape(pairs, [*a[:dim], 2 * a[dim], *a[dim + 1:]], False)


@builtin
def join(a, b, _semantic=None):
    """Both tiles side by side in a new last dimension of size 2."""
    return _semantic.join(_semantic.to_tensor(a), _semantic.to_tensor(b))


def _unsplat(x, _semantic=None, _generator=None):
    if not x.type._block:
        return x
    assert x.type.numel == 1, f"only a tensor of one element becomes a scalar, got {x.type.numel} elements"
    return _semantic.unsplat(x)


@_tensor_member_fn
@builtin
def split(a, _semantic=None, _generator=None):
    """The two halves along the last dimension, which has size 2."""
    alone = len(a.type._shape) == 1
    lhs, rhs = _semantic.split(_semantic.expand_dims(a, 0) if alone else a)
    if alone:
        lhs, rhs = _unsplat(lhs, _semantic=_semantic), _unsplat(rhs, _semantic=_semantic)
    return lhs, rhs


@_tensor_member_fn
@builtin
def view(input, *shape, _semantic=None):
    """As reshape, with the elements in any order. Old: use reshape."""
    warnings.warn("tl.view is deprecated: call tl.reshape with can_reorder=True")
    return _semantic.reshape(input, _shape_check_impl(_unwrap_iterable(shape)), True)


@_tensor_member_fn
@builtin
def item(input, _semantic=None, _generator=None):
    """The value of a tile of one element."""
    return _unsplat(input, _semantic=_semantic)


@_tensor_member_fn
@builtin
def reshape(input, *shape, can_reorder=False, _semantic=None, _generator=None):
    """The same elements in row-major order under another shape."""
    shape = _shape_check_impl(_unwrap_iterable(shape))
    can_reorder = _unwrap_if_constexpr(can_reorder)
    if can_reorder:
        _warn_once("tl.reshape(can_reorder=True) gives elements in any order and goes away in Triton 3.10; "
                   "leave can_reorder out.")
    if not shape:
        return _unsplat(input, _semantic=_semantic)
    return _semantic.reshape(input, shape, can_reorder)


@_tensor_member_fn
@builtin
def expand_dims(input, axis, _semantic=None):
    """New dimensions of size 1 at `axis` (a number or several) of the result."""
    input = _semantic.to_tensor(input)
    axis = _unwrap_if_constexpr(axis)
    axes = list(axis) if isinstance(axis, (list, _py.tuple, tuple)) else [axis]
    rank = len(input.type._shape) + len(axes)
    axes = [_wrap_axis(_unwrap_if_constexpr(a), rank) for a in axes]
    if len(set(axes)) != len(axes):
        raise ValueError(f"expand_dims received duplicate axes, normalized axes = {axes}")
    for a in sorted(axes):
        input = _semantic.expand_dims(input, a)
    return input


# ---- element by element

@builtin
def where(condition, x, y, _semantic=None):
    """x where the condition holds, else y. Both are computed."""
    return _semantic.where(_semantic.to_tensor(condition), _unwrap_if_constexpr(x), _unwrap_if_constexpr(y))


@builtin
def add(x, y, sanitize_overflow=True, _semantic=None):
    """x + y; without sanitize_overflow never checked for overflow."""
    return _semantic.add(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y), sanitize_overflow)


@builtin
def sub(x, y, sanitize_overflow=True, _semantic=None):
    """x - y; without sanitize_overflow never checked for overflow."""
    return _semantic.sub(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y), sanitize_overflow)


@builtin
def mul(x, y, sanitize_overflow=True, _semantic=None):
    """x * y; without sanitize_overflow never checked for overflow."""
    return _semantic.mul(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y), sanitize_overflow)


@builtin
def minimum(x, y, propagate_nan=PropagateNan.NONE, _semantic=None):
    """The smaller one."""
    return _semantic.minimum(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y), _unwrap_if_constexpr(propagate_nan))


@builtin
def maximum(x, y, propagate_nan=PropagateNan.NONE, _semantic=None):
    """The greater one."""
    return _semantic.maximum(_unwrap_if_constexpr(x), _unwrap_if_constexpr(y), _unwrap_if_constexpr(propagate_nan))


@builtin
def clamp(x, min, max, propagate_nan=PropagateNan.NONE, _semantic=None):
    """x kept between min and max."""
    return _semantic.clamp(_unwrap_if_constexpr(x), _unwrap_if_constexpr(min), _unwrap_if_constexpr(max),
                           _unwrap_if_constexpr(propagate_nan))


@builtin
def expect_zero(x, mask, _semantic=None):
    """x, of which the program claims that it is 0 where the mask holds (debug builds check it)."""
    x, mask = _unwrap_if_constexpr(x), _semantic.to_tensor(mask)
    if "fpsan" in str(_semantic.option("instrumentation_mode", "")).split(","):
        return _semantic.where(mask, 0, x)
    if _semantic.option("debug", False):
        holds = _semantic.or_(_semantic.equal(x, 0), _semantic.not_(mask))
        _semantic.device_assert(holds, "expect_zero: an element under the mask is not 0", None)
    return x


# ---- matrix products

@builtin
def dot(input, other, acc=None, input_precision=None, allow_tf32=None, max_num_imprecise_acc=None, out_dtype=None,
        _semantic=None):
    """Matrix product of tiles (over leading dimensions, if there are), plus `acc`."""
    input_precision, allow_tf32 = _unwrap_if_constexpr(input_precision), _unwrap_if_constexpr(allow_tf32)
    assert input_precision is None or allow_tf32 is None, \
        "input_precision and allow_tf32 say the same thing: give one, got both"
    if input_precision is None:
        input_precision = _semantic.default_input_precision(allow_tf32)
    acc = _unwrap_if_constexpr(acc)
    a, b = input.type._shape, other.type._shape
    assert len(a) == len(b) >= 2, f"tl.dot takes tensors of one rank, 2 or more, got ranks {len(a)} and {len(b)}"
    assert a[:-2] == b[:-2], f"tl.dot takes equal batch dimensions, got {list(a[:-2])} and {list(b[:-2])}"
    assert a[-1] == b[-2], f"tl.dot sums over one length, got {a[-1]} and {b[-2]}"
    c = a[:-1] + b[-1:]
    if acc is not None:
        assert acc.type._shape == c, "accumulator shape is incompatible"
    many = len(a) > 3
    if many:  # the operation has one batch dimension
        batch = 1
        for d in a[:-2]:
            batch *= d
        input = _semantic.reshape(input, [batch, *a[-2:]], False)
        other = _semantic.reshape(other, [batch, *b[-2:]], False)
        if acc is not None:
            acc = _semantic.reshape(acc, [batch, *c[-2:]], False)
    result = _semantic.dot(input, other, acc, input_precision, _unwrap_if_constexpr(max_num_imprecise_acc),
                           _unwrap_if_constexpr(out_dtype))
    return _semantic.reshape(result, c, False) if many else result


@builtin
def dot_scaled(lhs, lhs_scale, lhs_format, rhs, rhs_scale, rhs_format, acc=None, fast_math=False, lhs_k_pack=True,
               rhs_k_pack=True, out_dtype=float32, _semantic=None):
    """Matrix product of microscaled tiles (e2m1, e4m3, e5m2, bf16, fp16): one scale for 16 or 32 elements along K."""
    lhs_format, rhs_format, acc, fast_math, lhs_k_pack, rhs_k_pack, out_dtype = map(
        _unwrap_if_constexpr, (lhs_format, rhs_format, acc, fast_math, lhs_k_pack, rhs_k_pack, out_dtype))
    assert out_dtype == float32, f"out_dtype of dot_scaled is float32, got {out_dtype}"
    return _semantic.dot_scaled(lhs, lhs_scale, lhs_format, rhs, rhs_scale, rhs_format, acc, fast_math, lhs_k_pack,
                                rhs_k_pack, out_dtype)


# ---- reductions and scans

@_tensor_member_fn
@builtin
def reduce(input, axis, combine_fn, keep_dims=False, _semantic=None, _generator=None):
    """Combines the elements along `axis` (None: all) by a jit function, which must be associative and commutative.
    Of a tuple of tiles it combines tuples."""
    single = isinstance(input, tensor)
    tiles = [input] if single else list(input)
    axis = _unwrap_if_constexpr(axis)
    rank = len(tiles[0].type._shape)
    if axis is not None:
        axis = _wrap_axis(axis, rank)
    results = _semantic.reduction(tiles, axis, combine_fn, _generator)
    if _unwrap_if_constexpr(keep_dims):
        for _ in _py.range(1 if axis is not None else rank):
            results = [_semantic.expand_dims(r, axis or 0) for r in results]
    return results[0] if single else tuple(results)


@builtin
def _reduce_with_indices(input, axis, combine_fn, keep_dims=False, _semantic=None, _generator=None):
    # As reduce, of pairs of a value and its number along the axis.
    axis = _wrap_axis(_unwrap_if_constexpr(axis), len(input.type._shape))
    shape = input.type._shape
    index = _semantic.arange(0, shape[axis])
    if len(shape) > 1:
        for d in _py.range(len(shape)):
            if d != axis:
                index = _semantic.expand_dims(index, d)
        index = _semantic.broadcast_impl_shape(index, shape)
    value, index = reduce((input, index), axis, combine_fn, keep_dims=keep_dims, _semantic=_semantic,
                          _generator=_generator)
    return value, index


@_tensor_member_fn
@builtin
def associative_scan(input, axis, combine_fn, reverse=False, _semantic=None, _generator=None):
    """Element i along `axis` becomes the combination of the elements up to i; with `reverse`, from i on."""
    single = isinstance(input, tensor)
    tiles = [input] if single else list(input)
    axis = _wrap_axis(_unwrap_if_constexpr(axis), len(tiles[0].type._shape))
    results = _semantic.associative_scan(tiles, axis, combine_fn, _unwrap_if_constexpr(reverse), _generator)
    return results[0] if single else tuple(results)


@_tensor_member_fn
@builtin
def histogram(input, num_bins, mask=None, _semantic=None, _generator=None):
    """How often each of the values 0 … num_bins-1 occurs in a 1-D tile of 32-bit integers."""
    mask = _unwrap_if_constexpr(mask)
    return _semantic.histogram(input, _unwrap_if_constexpr(num_bins), None if mask is None else
                               _semantic.to_tensor(mask))


@_tensor_member_fn
@builtin
def gather(src, index, axis, _semantic=None):
    """Element […, j, …] is src[…, index[…, j, …], …] along `axis`."""
    return _semantic.gather(_unwrap_if_constexpr(src), _unwrap_if_constexpr(index), _unwrap_if_constexpr(axis))


@builtin
def map_elementwise(scalar_fn, *args, pack=1, _semantic=None, _generator=None):
    """Runs a jit function of scalars for each element (for `pack` elements at once: first all of the first tile)."""
    pack = _unwrap_if_constexpr(pack)
    assert pack >= 1, f"pack must be >= 1, got {pack}"
    results = _semantic.map_elementwise(scalar_fn, args, pack, _generator)
    return tuple(results) if isinstance(results, list) else results


# ---- Python's own max and min, as kernels see them

_NOTHING = object()


def _builtin_extreme(word, function, python, args, propagate_nan, _semantic):
    args = [_unwrap_if_constexpr(a) for a in args]
    if len(args) == 1 and isinstance(args[0], (list, _py.tuple, tuple)):
        args = [_unwrap_if_constexpr(a) for a in args[0]]
    if not any(isinstance(a, base_value) for a in args):
        assert propagate_nan is _NOTHING, f"propagate_nan is not supported on builtin {word}"
        assert all(a == a for a in args), f"constexpr {word} does not support NaN values"
        assert not any(a == 0 and str(float(a)) == "-0.0" for a in args), \
            f"constexpr {word} does not support negative zero"
        return constexpr(python(args))
    if propagate_nan is _NOTHING:
        propagate_nan = PropagateNan.NONE
    else:
        warnings.warn(f"passing propagate_nan to builtin {word} is deprecated, use tl.{word}imum instead")
    assert len(args) >= 2, f"{word} requires at least 2 values"
    result = args[0]
    for other in args[1:]:
        result = function(result, other, propagate_nan=propagate_nan, _semantic=_semantic)
    if result.type._block:
        warnings.warn(f"Python's {word} on tiles is deprecated: call tl.{word}imum")
    return result


@builtin
def builtin_max(*args, propagate_nan=_NOTHING, _semantic=None):
    """`max(…)` in a kernel."""
    return _builtin_extreme("max", maximum, max, args, propagate_nan, _semantic)


@builtin
def builtin_min(*args, propagate_nan=_NOTHING, _semantic=None):
    """`min(…)` in a kernel."""
    return _builtin_extreme("min", minimum, min, args, propagate_nan, _semantic)


def binary_op_type_legalization(lhs, rhs, semantic):
    """Both operands in one type and shape."""
    return semantic.binary_op_type_checking_impl(lhs, rhs)
