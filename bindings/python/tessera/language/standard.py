# SPDX-License-Identifier: MIT
"""The standard library: functions written in the language itself."""
from ..runtime.jit import constexpr_function, jit
from . import core
from . import math
from .values import _tensor_member_fn


@constexpr_function
def _log2(n):
    return n.bit_length() - 1 if n > 0 else 0


@constexpr_function
def _is_power_of_two(n):
    return n > 0 and n & (n - 1) == 0


_get_int_dtype = constexpr_function(core.get_int_dtype)


# ---- small functions

@_tensor_member_fn
@jit
def cdiv(x, div):
    """x / div rounded up, of integers that are not negative."""
    return (x + (div - 1)) // div


@_tensor_member_fn
@jit
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x))


@constexpr_function
def _warn_of_keep_dims():
    import warnings
    warnings.warn("tl.softmax: keep_dims is deprecated and has no effect, the result has the "
                  "shape of the input", stacklevel=2)


@_tensor_member_fn
@jit
def softmax(x, dim=None, keep_dims=None, ieee_rounding=False):
    """exp(x) along `dim` (0 if not given) over its sum, of x less its maximum."""
    if keep_dims is not None:
        _warn_of_keep_dims()
    axis: core.constexpr = 0 if dim is None else dim
    e = math.exp(x - max(x, axis, keep_dims=True))
    return math.fdiv(e, sum(e, axis, keep_dims=True), ieee_rounding)


@_tensor_member_fn
@jit
def ravel(x, can_reorder=False):
    """All elements in one dimension."""
    return core.reshape(x, [x.numel], can_reorder=can_reorder)


@jit
def swizzle2d(i, j, size_i, size_j, size_g):
    """(i, j) of a row-major walk over a matrix of size_i × size_j becomes that of a walk which takes `size_g` rows at
    a time, column by column."""
    step = i * size_j + j
    steps_of_group = size_g * size_j
    group = step // steps_of_group
    first_row = group * size_g
    size_g = core.minimum(size_i - first_row, size_g)  # the last group may be smaller
    step = step % steps_of_group
    row = first_row + step % size_g
    column = step // size_g
    return row, column


@jit
def zeros(shape, dtype):
    """A tile of zeros."""
    return core.full(shape, 0, dtype)


@jit
def zeros_like(input):
    """Zeros in the shape and type of a tile."""
    return zeros(input.shape, input.dtype)


# ---- maximum and minimum, with their places

@jit
def _argmax_combine(value1, index1, value2, index2, tie_break_left):
    if tie_break_left:
        tie = value1 == value2 and index1 < index2
    else:
        tie = False
    first = value1 > value2 or tie
    value = core.where(first, value1, value2)
    index = core.where(first, index1, index2)
    return value, index


@jit
def _argmax_combine_left(value1, index1, value2, index2):
    return _argmax_combine(value1, index1, value2, index2, True)


@jit
def _argmax_combine_any(value1, index1, value2, index2):
    return _argmax_combine(value1, index1, value2, index2, False)


@jit
def _argmin_combine(value1, index1, value2, index2, tie_break_left):
    if tie_break_left:
        tie = value1 == value2 and index1 < index2
    else:
        tie = False
    first = value1 < value2 or tie
    value = core.where(first, value1, value2)
    index = core.where(first, index1, index2)
    return value, index


@jit
def _argmin_combine_left(value1, index1, value2, index2):
    return _argmin_combine(value1, index1, value2, index2, True)


@jit
def _argmin_combine_any(value1, index1, value2, index2):
    return _argmin_combine(value1, index1, value2, index2, False)


@jit
def _greater(a, b):
    return core.maximum(a, b)


@jit
def _smaller(a, b):
    return core.minimum(a, b)


@constexpr_function
def _extreme_dtype(dtype):
    # What is narrower than 32 bits is compared in 32 bits; unsigned numbers, too, become signed.
    if dtype.primitive_bitwidth >= 32:
        return dtype
    assert dtype.is_floating() or dtype.is_int(), "Expecting input to be integer type"
    return core.float32 if dtype.is_floating() else core.int32


@_tensor_member_fn
@jit
def max(input, axis=None, return_indices=False, return_indices_tie_break_left=True, keep_dims=False):
    """Maximum along `axis` (None: of all). A NaN counts as absent. return_indices: also the place, of equal ones the
    first, or any without the tie break."""
    if return_indices:
        if return_indices_tie_break_left:
            return core._reduce_with_indices(input, axis, _argmax_combine_left, keep_dims=keep_dims)
        else:
            return core._reduce_with_indices(input, axis, _argmax_combine_any, keep_dims=keep_dims)
    else:
        input = input.to(_extreme_dtype(input.dtype))
        return core.reduce(input, axis, _greater, keep_dims=keep_dims)


@_tensor_member_fn
@jit
def argmax(input, axis, tie_break_left=True, keep_dims=False):
    """Place of the maximum along `axis`."""
    _, place = max(input, axis, return_indices=True, return_indices_tie_break_left=tie_break_left,
                   keep_dims=keep_dims)
    return place


@_tensor_member_fn
@jit
def min(input, axis=None, return_indices=False, return_indices_tie_break_left=True, keep_dims=False):
    """Minimum along `axis`, as `max`."""
    if return_indices:
        if return_indices_tie_break_left:
            return core._reduce_with_indices(input, axis, _argmin_combine_left, keep_dims=keep_dims)
        else:
            return core._reduce_with_indices(input, axis, _argmin_combine_any, keep_dims=keep_dims)
    else:
        input = input.to(_extreme_dtype(input.dtype))
        return core.reduce(input, axis, _smaller, keep_dims=keep_dims)


@_tensor_member_fn
@jit
def argmin(input, axis, tie_break_left=True, keep_dims=False):
    """Place of the minimum along `axis`."""
    _, place = min(input, axis, return_indices=True, return_indices_tie_break_left=tie_break_left,
                   keep_dims=keep_dims)
    return place


# ---- sums, products, bits

@jit
def _plus(a, b):
    return a + b


@jit
def _times(a, b):
    return a * b


@jit
def _exclusive_or(a, b):
    return a ^ b


@jit
def _inclusive_or(a, b):
    return a | b


@constexpr_function
def _sum_dtype(have, wanted):
    if wanted is not None:
        return wanted
    if have.is_int() and have.int_bitwidth < 32:
        return core.int32 if have.is_int_signed() else core.uint32
    return have


@_tensor_member_fn
@jit
def sum(input, axis=None, keep_dims=False, dtype: core.constexpr = None):
    """Sum along `axis` (None: of all), in `dtype`; integers narrower than 32 bits are widened to 32."""
    input = input.to(_sum_dtype(input.dtype, dtype))
    return core.reduce(input, axis, _plus, keep_dims=keep_dims)


@_tensor_member_fn
@jit
def xor_sum(input, axis=None, keep_dims=False):
    """Bitwise exclusive or along `axis`."""
    core.static_assert(input.type.scalar.is_int(), "xor_sum only supported for integers")
    return core.reduce(input, axis, _exclusive_or, keep_dims=keep_dims)


@_tensor_member_fn
@jit
def reduce_or(input, axis, keep_dims=False):
    """Bitwise or along `axis`."""
    core.static_assert(input.type.scalar.is_int(), "reduce_or only supported for integers")
    return core.reduce(input, axis, _inclusive_or, keep_dims=keep_dims)


@_tensor_member_fn
@jit
def cumsum(input, axis=0, reverse=False, dtype: core.constexpr = None):
    """Sums of the elements up to each one along `axis`; types as in `sum`."""
    input = input.to(_sum_dtype(input.dtype, dtype))
    return core.associative_scan(input, axis, _plus, reverse)


@_tensor_member_fn
@jit
def cumprod(input, axis=0, reverse=False, dtype: core.constexpr = None):
    """Products of the elements up to each one along `axis`; types as in `sum`."""
    input = input.to(_sum_dtype(input.dtype, dtype))
    return core.associative_scan(input, axis, _times, reverse)


# ---- sorting: a bitonic network on the tile as a cube of dimensions of size 2

@jit
def _side(rank: core.constexpr, d: core.constexpr):
    # 0 and 1 along dimension d (counted from the last) of a cube
    return core.reshape(core.arange(0, 2), [1] * (rank - d - 1) + [2] + [1] * d)


@jit
def _compare_and_swap(x, flip, d: core.constexpr):
    rank: core.constexpr = _log2(x.numel)
    bits = x.to(_get_int_dtype(bitwidth=x.dtype.primitive_bitwidth, signed=True), bitcast=True)
    # of two neighbours, the sum without carry less oneself is the other
    other = (bits ^ xor_sum(bits, rank - 1 - d, True)).to(x.dtype, bitcast=True)
    right = _side(rank, d)
    return core.where((x > other) != (flip ^ right).to(core.int1), other, x)


@jit
def _merge_stage(x, stage: core.constexpr, order: core.constexpr):
    # order 0 ascending, 1 descending, 2 alternating (so that the next stage has bitonic sequences)
    if order == 2:
        flip = _side(_log2(x.numel), stage)
    else:
        flip = order
    for i in core.static_range(stage):
        x = _compare_and_swap(x, flip, stage - 1 - i)
    return x


@jit
def sort_impl(x, k: core.constexpr = None, dim: core.constexpr = None, descending: core.constexpr = core.CONSTEXPR_0):
    axis: core.constexpr = len(x.shape) - 1 if dim is None else dim
    core.static_assert(axis == len(x.shape) - 1, "tl.sort and tl.topk work along the last dimension only")
    if k is not None:
        core.static_assert(k > 0, "topk: k must be greater than 0")
        core.static_assert(_is_power_of_two(k), "topk: k must be a power of two")
        core.static_assert(k <= x.shape[axis], "topk: k must not exceed the size of the selected dimension")
    log_n: core.constexpr = _log2(x.shape[axis])
    log_k: core.constexpr = log_n if k is None else _log2(k)
    if log_k == 0:
        x = max(x, axis=axis, keep_dims=True) if descending else min(x, axis=axis, keep_dims=True)
    else:
        rank: core.constexpr = _log2(x.numel)
        cube = core.reshape(x, [2] * rank if rank else [1])
        for stage in core.static_range(1, log_k + 1):
            cube = _merge_stage(cube, stage, 2 if stage < log_n else descending)
        # Runs of k are sorted. Of two neighbours keep the better k, until one run is left.
        for stage in core.static_range(log_k + 1, log_n + 1):
            cube = (max(cube, axis=_log2(cube.numel) - 1 - log_k) if descending
                    else min(cube, axis=_log2(cube.numel) - 1 - log_k))
            cube = _merge_stage(cube, log_k, 2 if stage < log_n else descending)
        x = core.reshape(cube, x.shape[:-1] + [2**log_k])
    return x


@jit
def sort(x, dim: core.constexpr = None, descending: core.constexpr = core.CONSTEXPR_0):
    """Sorts along the last dimension. Equal elements may change places."""
    return sort_impl(x, dim=dim, descending=descending)


@jit
def topk(x, k: core.constexpr, dim: core.constexpr = None, descending: core.constexpr = True):
    """The k greatest along the last dimension, the greatest first; the k smallest with descending=False."""
    return sort_impl(x, k=k, dim=dim, descending=descending)


@jit
def bitonic_merge(x, dim: core.constexpr = None, descending: core.constexpr = core.CONSTEXPR_0):
    """Sorts bitonic sequences (first one way, then the other) along the last dimension."""
    axis: core.constexpr = len(x.shape) - 1 if dim is None else dim
    core.static_assert(axis == len(x.shape) - 1, "tl.sort and tl.topk work along the last dimension only")
    cube = core.reshape(x, [2] * _log2(x.numel))
    cube = _merge_stage(cube, _log2(x.shape[-1]), descending)
    return core.reshape(cube, x.shape)


# ---- order and shape

@constexpr_function
def _flip_axis(dim, shape):
    if dim is None:
        dim = len(shape) - 1
    return dim + len(shape) if dim < 0 else dim


@_tensor_member_fn
@jit
def flip(x, dim=None):
    """The elements along `dim` (None: the last) in reverse."""
    axis: core.constexpr = _flip_axis(dim, x.shape)
    core.static_assert(0 <= axis and axis < len(x.shape), "flip: dim names no dimension of x")
    core.static_assert(_is_power_of_two(x.shape[axis]))
    steps: core.constexpr = _log2(x.shape[axis])
    # reversing 2^n elements is exchanging both halves in each of n dimensions of size 2
    y = x.to(_get_int_dtype(bitwidth=x.dtype.primitive_bitwidth, signed=True), bitcast=True)
    y = core.reshape(y, x.shape[:axis] + [2] * steps + x.shape[axis + 1:])
    for i in core.static_range(steps):
        y = y ^ xor_sum(y, axis + i, True)
    return core.reshape(y, x.shape).to(x.dtype, bitcast=True)


@jit
def interleave(a, b):
    """Elements of both by turns along the last dimension."""
    c = core.join(a, b)
    if len(c.shape) == 1:
        return c  # of two scalars
    else:
        return core.reshape(c, c.shape[:-2] + [2 * c.shape[-2]])


@jit
def squeeze(x, dim: core.constexpr):
    """Without dimension `dim`, which has size 1."""
    core.static_assert(-len(x.shape) <= dim and dim < len(x.shape))
    axis: core.constexpr = dim + len(x.shape) if dim < 0 else dim
    core.static_assert(x.shape[axis] == 1)
    return x.reshape(x.shape[:axis] + x.shape[axis + 1:])


@jit
def unsqueeze(x, dim: core.constexpr):
    """With a new dimension of size 1 at `dim`."""
    rank: core.constexpr = len(x.shape) + 1
    core.static_assert(-rank <= dim and dim < rank)
    axis: core.constexpr = dim + rank if dim < 0 else dim
    return x.reshape(x.shape[:axis] + (1,) + x.shape[axis:])
