# SPDX-License-Identifier: MIT
"""Tensor descriptors: a strided array in memory together with the block that is moved at once."""
from .base import base_type, base_value, builtin
from .values import tuple


class tensor_descriptor_base_type(base_type):
    """Type of a descriptor without its shape and strides."""

    def __init__(self, block_type):
        self.block_type = block_type

    def ir_type(self, builder):
        # Here integers have a sign, as the memory's elements do.
        block = self.block_type
        element = block.element_ty
        if element._int and element.int_bitwidth > 1:
            ir = builder.type_int(element.int_bitwidth, 1 if element._signed else 2)
        else:
            ir = element.to_ir(builder)
        return builder.type_tensor_desc(ir, block._shape)

    def _flatten_ir_types(self, builder, out):
        out.append(self.ir_type(builder))

    def _unflatten_ir(self, handles, cursor):
        return tensor_descriptor_base(handles[cursor], self.block_type), cursor + 1

    def __str__(self):
        return f"tensor_descriptor<{self.block_type}>"

    def __eq__(self, other):
        return type(other) is type(self) and self.block_type == other.block_type

    def __hash__(self):
        return hash((type(self), self.block_type))

    def mangle(self):
        return f"TD{self.block_type.mangle()}"


class tensor_descriptor_base(base_value):
    """A descriptor in a kernel."""

    def __init__(self, handle, block_type):
        self.handle = handle
        self.type = tensor_descriptor_base_type(block_type)

    def _set_name(self, builder, name):
        builder.set_value_name(self.handle, name)

    def _flatten_ir(self, handles):
        handles.append(self.handle)

    @property
    def block_type(self):
        return self.type.block_type

    @property
    def block_shape(self):
        return self.type.block_type.shape

    @property
    def dtype(self):
        return self.type.block_type.element_ty

    def __str__(self):
        return str(self.type)

    @builtin
    def load(self, offsets, _semantic=None):
        """The block at `offsets`; elements outside the array are the descriptor's padding."""
        return _semantic.descriptor_load(self, offsets)

    @builtin
    def store(self, offsets, value, _semantic=None):
        """Writes a block at `offsets`; elements outside the array are not written."""
        return _semantic.descriptor_store(self, _semantic.to_tensor(value), offsets)

    @builtin
    def atomic_add(self, offsets, value, _semantic=None):
        return _semantic.descriptor_atomic("add", self, value, offsets)

    @builtin
    def atomic_min(self, offsets, value, _semantic=None):
        return _semantic.descriptor_atomic("min", self, value, offsets)

    @builtin
    def atomic_max(self, offsets, value, _semantic=None):
        return _semantic.descriptor_atomic("max", self, value, offsets)

    @builtin
    def atomic_and(self, offsets, value, _semantic=None):
        return _semantic.descriptor_atomic("and", self, value, offsets)

    @builtin
    def atomic_or(self, offsets, value, _semantic=None):
        return _semantic.descriptor_atomic("or", self, value, offsets)

    @builtin
    def atomic_xor(self, offsets, value, _semantic=None):
        return _semantic.descriptor_atomic("xor", self, value, offsets)

    @builtin
    def gather(self, *args, _semantic=None):
        """Rows x_offsets[i] from column y_offset on: gather(x_offsets, y_offset)."""
        assert len(args) == 2, f"gather takes x_offsets and y_offset, got {len(args)} indices"
        return _semantic.descriptor_gather(self, args[0], args[1])

    @builtin
    def scatter(self, value, *args, _semantic=None):
        """Writes row i of `value` to row x_offsets[i] from column y_offset on: scatter(value, x_offsets, y_offset)."""
        assert len(args) == 2, f"scatter takes x_offsets and y_offset, got {len(args)} indices"
        return _semantic.descriptor_scatter(self, value, args[0], args[1])


class tensor_descriptor_type(tensor_descriptor_base_type):
    """Type of a descriptor that knows its shape and strides."""

    def __init__(self, block_type, shape_type, strides_type):
        super().__init__(block_type)
        self.shape_type, self.strides_type = shape_type, strides_type

    def _flatten_ir_types(self, builder, out):
        super()._flatten_ir_types(builder, out)
        self.shape_type._flatten_ir_types(builder, out)
        self.strides_type._flatten_ir_types(builder, out)

    def _unflatten_ir(self, handles, cursor):
        handle, cursor = handles[cursor], cursor + 1
        shape, cursor = self.shape_type._unflatten_ir(handles, cursor)
        strides, cursor = self.strides_type._unflatten_ir(handles, cursor)
        return tensor_descriptor(handle, shape.values, strides.values, self.block_type), cursor

    def __eq__(self, other):
        return super().__eq__(other) and self.shape_type == other.shape_type \
            and self.strides_type == other.strides_type

    __hash__ = tensor_descriptor_base_type.__hash__


class tensor_descriptor(tensor_descriptor_base):
    """A descriptor with its shape (i32) and strides (i64): `tl.make_tensor_descriptor` makes it, or the caller does."""

    def __init__(self, handle, shape, strides, block_type):
        super().__init__(handle, block_type)
        self.shape, self.strides = tuple(shape), tuple(strides)
        self.type = tensor_descriptor_type(block_type, self.shape.type, self.strides.type)

    def _set_name(self, builder, name):
        super()._set_name(builder, name)
        self.shape._set_name(builder, name + ".shape")
        self.strides._set_name(builder, name + ".stride")

    def _flatten_ir(self, handles):
        handles.append(self.handle)
        self.shape._flatten_ir(handles)
        self.strides._flatten_ir(handles)
