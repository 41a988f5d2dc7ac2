# SPDX-License-Identifier: MIT
"""Making tiles and changing their shape."""
from .base import _unwrap_if_constexpr
from .types import block_type, int32
from .values import tensor


def _plain(shape):
    return [s if s.__class__ is int else _unwrap_if_constexpr(s) for s in shape]


class ShapeMixin:
    """program ids, ranges, splat, reshape, permute, join, broadcast."""

    def program_id(self, axis):
        if axis not in (0, 1, 2):
            raise ValueError(f"program_id axis must be 0, 1, or 2 but got {axis}")
        return tensor(self.builder.tt_get_program_id(axis), int32)

    def num_programs(self, axis):
        if axis not in (0, 1, 2):
            raise ValueError(f"num_programs axis must be 0, 1, or 2 but got {axis}")
        return tensor(self.builder.tt_get_num_programs(axis), int32)

    def arange(self, start, end, *, ret_ty=None):
        if not isinstance(start, int) or not isinstance(end, int):
            raise ValueError("tl.arange: start and end are integers known at compile time (tl.constexpr), got "
                             f"{type(start).__name__} and {type(end).__name__}")
        if start >> 32 or end >> 32:
            raise ValueError("arange must fit in int32")
        if end <= start:
            raise ValueError("arange's end argument must be greater than the start argument")
        count = end - start
        if count & (count - 1):
            raise ValueError("arange's range must be a power of 2")
        return tensor(self.builder.tt_make_range(start, end), ret_ty or block_type(int32, (count,)))

    def splat(self, value, shape):
        assert not value.type._block, "Cannot splat a block tensor"
        if len(shape) == 0:
            return value
        ty = block_type(value.dtype, shape)
        number = value.__dict__.get("_value")
        if number is not None and not value.dtype.is_fp8():
            return self._constant(number, value.dtype, ty)
        return tensor(self.builder.tt_splat(value.handle, ty.to_ir(self.builder)), ty)

    def unsplat(self, value):
        return tensor(self.builder.tt_unsplat(value.handle), value.dtype)

    def reshape(self, input, dst_shape, can_reorder):
        dst_shape = _plain(dst_shape)
        numel = 1
        for d in dst_shape:
            numel *= d
        if input.numel.value != numel:
            raise ValueError("reshape() cannot change total number of elements in tensor")
        if not input.type._block:
            return self.splat(input, dst_shape)
        ty = block_type(input.dtype, dst_shape)
        return tensor(self.builder.tt_reshape(input.handle, int(bool(can_reorder)), ty.to_ir(self.builder)), ty)

    def expand_dims(self, input, axis):
        shape = list(input.type._shape)
        if axis < 0 or axis > len(shape):
            raise ValueError(f"invalid axis {axis}")
        shape.insert(axis, 1)
        if not input.type._block:
            return self.splat(input, shape)
        return tensor(self.builder.tt_expand_dims(input.handle, axis), block_type(input.dtype, shape))

    def cat(self, lhs, rhs, can_reorder):
        assert can_reorder, "cat along dimension 0 reorders elements: pass can_reorder=True"
        assert len(lhs.type._shape) == 1, f"expected 1D input for cat, got {len(lhs.type._shape)}D"
        ty = block_type(lhs.dtype, [lhs.type._shape[0] + rhs.type._shape[0]])
        return tensor(self.builder.tt_cat(lhs.handle, rhs.handle, ty.to_ir(self.builder)), ty)

    def join(self, a, b):
        a, b = self.broadcast_impl_value(a, b)
        # The operation joins tiles only: scalars become tiles of one element, and their pair a tile of two.
        scalars = not a.type._block
        if scalars:
            a, b = self.expand_dims(a, 0), self.expand_dims(b, 0)
        ty = block_type(a.dtype, a.type._shape + (2,))
        pair = tensor(self.builder.tt_join(a.handle, b.handle), ty)
        return self.reshape(pair, [2], False) if scalars else pair

    def split(self, a):
        shape = a.type._shape
        assert len(shape) > 0, "split requires a non-scalar tensor"
        assert shape[-1] == 2, f"split takes a last dimension of 2, got {shape[-1]}"
        ty = block_type(a.dtype, shape[:-1])
        op = self.builder.tt_split(a.handle)
        return tensor(self.builder.op_result(op, 0), ty), tensor(self.builder.op_result(op, 1), ty)

    def permute(self, input, dims):
        shape = input.type._shape
        dims = _plain(dims)
        if len(shape) != len(dims):
            raise ValueError("permute dims must have the same length as input shape, "
                             f"got {len(shape)} and {len(dims)}")
        if sorted(dims) != list(range(len(dims))):
            raise ValueError(f"permute dims must be a permutation of 0, 1, ..., n-1, but were {dims}")
        ty = block_type(input.dtype, [shape[d] for d in dims])
        return tensor(self.builder.tt_trans(input.handle, dims), ty)

    # ---- broadcasting

    def broadcast_impl_shape(self, input, shape):
        shape = tuple(_plain(shape))
        if not input.type._block:
            return self.splat(input, shape)
        src = input.type._shape
        if len(src) != len(shape):
            raise ValueError(f"Cannot broadcast, rank mismatch: {list(src)}, {list(shape)}")
        if src == shape:
            return input
        for i, (have, want) in enumerate(zip(src, shape)):
            if have != want and have != 1:
                raise ValueError(f"cannot broadcast {list(src)} to {list(shape)}: dimension {i} has "
                                 f"{have} elements, expected {want} or 1")
        return self._broadcast(input, shape)

    def _broadcast(self, input, shape):
        ty = block_type(input.dtype, shape)
        return tensor(self.builder.tt_broadcast(input.handle, ty.to_ir(self.builder)), ty)

    def broadcast_impl_value(self, lhs, rhs):
        """Both in the same shape: scalars are splatted, missing leading dimensions added, ones repeated."""
        a, b = lhs.type._shape, rhs.type._shape
        if a == b:
            return lhs, rhs
        if not b:
            return lhs, self.splat(rhs, a)
        if not a:
            return self.splat(lhs, b), rhs
        while len(a) < len(b):
            lhs = self.expand_dims(lhs, 0)
            a = lhs.type._shape
        while len(b) < len(a):
            rhs = self.expand_dims(rhs, 0)
            b = rhs.type._shape
        shape = []
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y and x != 1 and y != 1:
                raise ValueError("Cannot make_shape_compatible: incompatible dimensions "
                                 f"at index {i}: {x} and {y}")
            shape.append(y if x == 1 else x)
        shape = tuple(shape)
        if a != shape:
            lhs = self._broadcast(lhs, shape)
        if b != shape:
            rhs = self._broadcast(rhs, shape)
        return lhs, rhs

    def broadcast_tensors(self, *inputs):
        """All in the same shape."""
        if not inputs:
            return ()
        head, *tail = inputs
        for i, other in enumerate(tail):
            head, tail[i] = self.broadcast_impl_value(head, other)
        for i, other in enumerate(tail[:-1]):
            head, tail[i] = self.broadcast_impl_value(head, other)
        return (head, *tail)
