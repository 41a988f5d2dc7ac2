# SPDX-License-Identifier: MIT
"""Block pointers: base, shape, strides and offsets (all int64 in the IR), with a block shape known while compiling.
Loads and stores make a tile of pointers of them, so every target can run them."""
import builtins as _py

from .base import _unwrap_if_constexpr, _unwrap_shape, base_type, base_value
from .types import block_type, int64, validate_block_shape
from .values import tensor, tuple


class block_pointer_type(base_type):
    """Type of a block pointer; `element_ty` is the type of its block."""

    def __init__(self, pointer, block, order):
        self.pointer, self.element_ty, self.order = pointer, block, order

    @property
    def scalar(self):
        return self

    def is_ptr(self):
        return True

    def is_block(self):
        return False

    def is_const(self):
        return self.pointer.const

    def __eq__(self, other):
        return type(other) is block_pointer_type and self.pointer == other.pointer \
            and self.element_ty == other.element_ty and self.order == other.order

    def __hash__(self):
        return hash((self.pointer, self.element_ty, self.order))

    def __str__(self):
        return f"pointer<{self.element_ty}>"

    __repr__ = __str__

    def mangle(self):
        return f"BP{self.element_ty.mangle()}"

    def _flatten_ir_types(self, builder, out):
        out.append(self.pointer.to_ir(builder))
        out.extend([int64.to_ir(builder)] * (3 * len(self.element_ty._shape)))

    def _unflatten_ir(self, handles, cursor):
        rank = len(self.element_ty._shape)
        base = tensor(handles[cursor], self.pointer)
        numbers = [tensor(h, int64) for h in handles[cursor + 1:cursor + 1 + 3 * rank]]
        return block_pointer(self, base, numbers[:rank], numbers[rank:2 * rank], numbers[2 * rank:]), \
            cursor + 1 + 3 * rank


class block_pointer(base_value):
    """A block pointer in a kernel; it never changes, `tl.advance` makes another."""

    def __init__(self, type, base, shape, strides, offsets):
        self.type, self.base = type, base
        self.extent, self.strides, self.offsets = list(shape), list(strides), list(offsets)

    @property
    def dtype(self):
        return self.type

    @property
    def block_shape(self):
        return self.type.element_ty.shape

    @property
    def shape(self):
        return tuple(self.extent)

    def _set_name(self, builder, name):
        for part, value in zip(("base", "shape", "strides", "offsets"),
                               (self.base, tuple(self.extent), tuple(self.strides), tuple(self.offsets))):
            value._set_name(builder, f"{name}.{part}")

    def _flatten_ir(self, handles):
        handles.append(self.base.handle)
        handles.extend(t.handle for part in (self.extent, self.strides, self.offsets) for t in part)

    def __str__(self):
        return str(self.type)

    @staticmethod
    def make(base, shape, strides, offsets, block_shape, order, semantic):
        if not (isinstance(base, tensor) and base.type._ptr):
            raise ValueError("Expected `base` to be a pointer type (but not a block pointer type or others)")
        block_shape, order = _unwrap_shape(block_shape), _unwrap_shape(order)
        validate_block_shape(block_shape)
        parts = [_items(p) for p in (shape, strides, offsets)]
        if not all(len(p) == len(block_shape) for p in (*parts, order)):
            raise ValueError("Expected shape/strides/offsets/block_shape/order to have the same length")
        if sorted(order) != list(range(len(order))):
            raise ValueError("Expected a permutation from (0, 1, ..., len(order)-1) in order")
        element = base.type.element_ty
        ty = block_pointer_type(base.type, block_type(element, block_shape), _py.tuple(order))
        return block_pointer(ty, base, *[[_wide(x, semantic) for x in p] for p in parts])

    def moved(self, offsets, semantic):
        offsets = _items(offsets)
        if len(offsets) != len(self.offsets):
            raise ValueError(f"Expected {len(self.offsets)} offsets of a block pointer, but got {len(offsets)}")
        moved = [semantic.add(have, _wide(by, semantic), False) for have, by in zip(self.offsets, offsets)]
        return block_pointer(self.type, self.base, self.extent, self.strides, moved)

    def _address(self, boundary_check, semantic):
        """(tile of pointers, mask or None)"""
        dims = self.type.element_ty._shape
        checked = [] if boundary_check is None or boundary_check == "" else _items(boundary_check)
        for d in checked:
            if not isinstance(d, int) or not 0 <= d < len(dims):
                raise ValueError(f"boundary_check names dimension {d} of a block pointer with {len(dims)} dimensions")
        if len(set(checked)) != len(checked):
            raise ValueError("Duplicate dimension in `boundary_check`")
        offset = mask = None
        for d, size in enumerate(dims):
            index = semantic.add(self.offsets[d], semantic.cast(semantic.arange(0, size), int64), False)
            for axis in range(len(dims)):
                if axis != d:
                    index = semantic.expand_dims(index, axis)
            part = semantic.mul(index, self.strides[d], False)
            offset = part if offset is None else semantic.add(offset, part, False)
            if d in checked:
                inside = semantic.and_(semantic.greater_equal(index, 0), semantic.less_than(index, self.extent[d]))
                mask = inside if mask is None else semantic.and_(mask, inside)
        if mask is not None:
            mask = semantic.broadcast_impl_shape(mask, dims)
        return semantic.add(self.base, offset, False), mask

    def load_block(self, boundary_check, padding_option, hints, volatile, semantic):
        element = self.type.pointer.element_ty
        if padding_option not in ("", None, "zero", "nan"):
            raise ValueError(f"Padding option {padding_option} not supported")
        if padding_option == "nan" and element._int:
            raise ValueError("Padding option `nan` is not supported for integer block pointers")
        pointers, mask = self._address(boundary_check, semantic)
        other = None
        if mask is not None and padding_option:
            value = float("nan") if padding_option == "nan" else 0.0 if element._float else 0
            other = semantic.full(self.type.element_ty._shape, value, element)
        return semantic.load(pointers, mask, other, hints, volatile)

    def store_block(self, value, boundary_check, hints, semantic):
        value = semantic.cast(value, self.type.pointer.element_ty)
        value = semantic.broadcast_impl_shape(value, self.type.element_ty._shape)
        pointers, mask = self._address(boundary_check, semantic)
        return semantic.store(pointers, value, mask, hints)


def _items(x):
    x = _unwrap_if_constexpr(x)
    return [_unwrap_if_constexpr(v) for v in x] if hasattr(x, "__iter__") else [x]


def _wide(x, semantic):
    if isinstance(x, tensor):
        assert not x.type._block, "shape, strides and offsets of a block pointer are scalars"
        assert x.dtype._int, f"shape, strides and offsets of a block pointer are integers, got {x.dtype}"
        return semantic.cast(x, int64)
    return semantic.scalar_constant(x, int64)
