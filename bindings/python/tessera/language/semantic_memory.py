# SPDX-License-Identifier: MIT
"""Loads, stores, atomics and tensor descriptors."""
from ._ir import next_enum_attr
from .base import _unwrap_if_constexpr, _unwrap_shape, constexpr
from .types import (bfloat16, block_type, float16, float32, float64, get_int_dtype, int1, int8, int16, int32, int64,
                    pointer_type, uint16, uint32, uint64, void)
from .values import tensor

# Numbers of the IR's enums; 0 is "not given".
_CACHE = {"none": 0, "ca": 2, "cg": 3, "wb": 4, "cs": 5, "wt": 6, "cv": 7}
_CACHE_NONE = 1
_EVICT = {"evict_normal": 0, "evict_first": 2, "evict_last": 3}
_EVICT_NORMAL = 1
_SEM = {"relaxed": 1, "acquire": 2, "release": 3, "acq_rel": 4}
_SCOPE = {"gpu": 1, "cta": 2, "sys": 3}
_RMW = {"and": 1, "or": 2, "xor": 3, "add": 4, "fadd": 5, "max": 6, "min": 7, "umax": 8, "umin": 9, "xchg": 10}
_REDUCE = {"add": 1, "min": 2, "max": 3, "and": 6, "or": 7, "xor": 8}
_PADDING = {"": 0, "zero": 1, "nan": 2}


class MemoryMixin:
    """load, store, atomic_*, descriptor_*."""

    # ---- hints

    def _hints(self, cache_modifier, eviction_policy, kind):
        """(cache, evict) for the IR; both 0 when neither says anything."""
        cache = _unwrap_if_constexpr(cache_modifier) or "none"
        evict = _unwrap_if_constexpr(eviction_policy) or "evict_normal"
        if cache.__class__ is not str or evict.__class__ is not str:
            raise TypeError("cache_modifier and eviction_policy must be strings")
        cache = cache[1:] if cache[0] == "." else cache
        if cache not in _CACHE:
            raise ValueError(f"Unsupported cache modifier {cache!r}")
        if evict not in _EVICT:
            raise ValueError(f"Unsupported eviction policy {evict!r}")
        refused = {"load": ("wb", "wt"), "store": ("ca", "cv")}.get(kind, ())
        if cache in refused:
            raise ValueError(f"cache modifier '{cache}' is not supported for {kind}s")
        a, b = _CACHE[cache], _EVICT[evict]
        if not a and not b:
            return 0, 0
        return a or _CACHE_NONE, b or _EVICT_NORMAL

    def _str_to_sem(self, sem, default="acq_rel"):
        sem = _unwrap_if_constexpr(sem) or default
        if sem not in _SEM:
            raise ValueError(f"Memory semantic {sem} not supported")
        return _SEM[sem]

    def _str_to_scope(self, scope):
        scope = _unwrap_if_constexpr(scope) or "gpu"
        if scope not in _SCOPE:
            raise ValueError(f"Memory semantic {scope} not supported")
        return _SCOPE[scope]

    # ---- load and store

    def _scalar_pointer_check(self, ptr, **others):
        if ptr.type._block:
            return
        for name, value in others.items():
            if value is not None and value.type._block:
                raise ValueError(f"{name} argument cannot be block type with a scalar pointer, got {value.type}")

    def load(self, ptr, mask, other, hints=(0, 0), is_volatile=False):
        element = ptr.dtype
        if not element._ptr:
            raise ValueError(f"Unsupported ptr type {ptr.type!r} in `tl.load`")
        if mask is None and other is not None:
            raise ValueError("tl.load: `other` needs a `mask`, got none")
        self._scalar_pointer_check(ptr, Mask=mask, Other=other)
        if ptr.type._block:
            if mask is not None:
                ptr, mask = self.broadcast_impl_value(ptr, mask)
            if other is not None:
                ptr, other = self.broadcast_impl_value(ptr, other)
        stored = element.element_ty
        is_bool = stored is int1
        if is_bool:  # bools lie in memory as bytes
            stored = int8
            ptr = self.cast(ptr, pointer_type(int8, element.address_space, element.const))
        if other is not None:
            other = self.cast(other, stored).handle
        if mask is not None:
            if mask.dtype is not int1:
                raise ValueError("Mask must have boolean scalar type")
            mask = mask.handle
        ty = ptr.type.with_element_ty(stored) if ptr.type._block else stored
        handle = self.builder.tt_load(ptr.handle, mask, other, hints[0], hints[1],
                                      1 if _unwrap_if_constexpr(is_volatile) else 0)
        result = tensor(handle, ty)
        return self.cast(result, int1) if is_bool else result

    def _like_pointer(self, ptr, value, mask):
        """Value and mask in the shape of the pointers, which may not grow."""
        shape = ptr.type._shape
        if mask is None:
            ptr, value = self.broadcast_impl_value(ptr, value)
        else:
            ptr, value, mask = self.broadcast_tensors(ptr, value, mask)
        if ptr.type._shape != shape:
            raise ValueError(f"a store to pointers of shape {list(shape)} has "
                             f"value or mask of shape {list(ptr.type._shape)}")
        return ptr, value, mask

    def store(self, ptr, val, mask, hints=(0, 0)):
        element = ptr.dtype
        if element.is_const():
            raise ValueError("Cannot store to a constant pointer")
        if not element._ptr:
            raise ValueError(f"Unsupported ptr type {ptr.type!r} in `tl.store`")
        self._scalar_pointer_check(ptr, Value=val, Mask=mask)
        if ptr.type._block:
            ptr, val, mask = self._like_pointer(ptr, val, mask)
        stored = element.element_ty
        val = self.cast(val, stored)
        if stored is int1:
            ptr = self.cast(ptr, pointer_type(int8, element.address_space))
            val = self.cast(val, int8)
        if mask is not None:
            if mask.dtype is not int1:
                raise ValueError("Mask must have boolean scalar type")
            mask = mask.handle
        self.builder.tt_store(ptr.handle, val.handle, mask, hints[0], hints[1])
        return tensor(None, void)

    # ---- atomics

    def _atomic_operands(self, ptr, val, mask, op):
        element = ptr.dtype
        if not element._ptr:
            raise ValueError(f"Unsupported ptr type {ptr.type!r} in `tl.atomic_{op}`")
        if val is not None and element.is_const():
            raise ValueError("Cannot store to a constant pointer")
        mask = _unwrap_if_constexpr(mask)
        mask = None if mask is None else self.to_tensor(mask)
        if not ptr.type._block:
            self._scalar_pointer_check(ptr, Value=val, Mask=mask)
        elif val is not None:
            ptr, val, mask = self._like_pointer(ptr, val, mask)
        elif mask is not None:
            ptr, mask = self.broadcast_impl_value(ptr, mask)
        stored = element.element_ty
        if stored is int1 and op in ("load", "store"):
            if val is not None:
                val = self.cast(val, int1)
            stored = int8
            ptr = self.cast(ptr, pointer_type(int8, element.address_space, element.const))
        if val is not None:
            val = self.cast(val, stored)
        if mask is None:
            mask = self._constant(True, int1, ptr.type)
        elif mask.dtype is not int1:
            raise ValueError("Mask must have boolean scalar type")
        return ptr, val, mask, stored

    def atomic_load(self, ptr, mask, sem, scope):
        was_bool = ptr.dtype._ptr and ptr.dtype.element_ty is int1
        ptr, _, mask, stored = self._atomic_operands(ptr, None, mask, "load")
        if not (stored._int or stored._float):
            raise ValueError("atomic_load only supports integer and floating-point elements")
        sem = self._str_to_sem(sem, "acquire")
        if sem not in (_SEM["acquire"], _SEM["relaxed"]):
            raise ValueError("atomic_load only supports acquire and relaxed semantics")
        ty = ptr.type.with_element_ty(stored) if ptr.type._block else stored
        result = tensor(self.builder.tt_atomic_load(ptr.handle, mask.handle, sem, self._str_to_scope(scope)), ty)
        return self.cast(result, int1) if was_bool else result

    def atomic_store(self, ptr, val, mask, sem, scope):
        ptr, val, mask, stored = self._atomic_operands(ptr, val, mask, "store")
        if not (stored._int or stored._float):
            raise ValueError("atomic_store only supports integer and floating-point elements")
        order = self._str_to_sem(sem, "release")
        if order not in (_SEM["release"], _SEM["relaxed"]):
            raise ValueError(f"atomic_store: sem is release or relaxed, got {_unwrap_if_constexpr(sem)}")
        self.builder.tt_atomic_store(ptr.handle, val.handle, mask.handle, order, self._str_to_scope(scope))
        return tensor(None, void)

    def atomic_poll(self, ptr, expected, sem, scope, timeout_ns):
        if isinstance(timeout_ns, int) and timeout_ns < 0:
            raise ValueError(f"atomic_poll: timeout_ns is 0 or more, got {timeout_ns}")
        timeout = None if timeout_ns is None else self.to_tensor(timeout_ns)
        if not ptr.dtype._ptr:
            raise ValueError(f"Unsupported ptr type {ptr.type!r} in `tl.atomic_poll`")
        stored = ptr.dtype.element_ty
        if not stored._int or stored.primitive_bitwidth not in (16, 32, 64):
            raise ValueError(f"atomic_poll reads integers of 16, 32 or 64 bits, got {stored}")
        expected = self.cast(expected, stored)
        self._scalar_pointer_check(ptr, Value=expected)
        ptr, expected, _ = self._like_pointer(ptr, expected, None)
        sem = self._str_to_sem(sem, "acquire")
        if sem not in (_SEM["acquire"], _SEM["relaxed"]):
            raise ValueError("atomic_poll only supports acquire and relaxed semantics")
        if timeout is not None:
            if timeout.type._block or not timeout.dtype._int:
                raise ValueError(f"atomic_poll: timeout_ns is one integer, got {timeout.type}")
            timeout = self.cast(timeout, uint64).handle
        handle = self.builder.tt_atomic_poll(ptr.handle, expected.handle, timeout, sem, self._str_to_scope(scope))
        return tensor(handle, self._bool_like(expected))

    def atomic_cas(self, ptr, cmp, val, sem, scope):
        sem, scope = self._str_to_sem(sem), self._str_to_scope(scope)
        if not ptr.dtype._ptr:
            raise ValueError(f"Unsupported ptr type {ptr.type!r} in `tl.atomic_cas`")
        if ptr.dtype.element_ty.primitive_bitwidth not in (16, 32, 64):
            raise ValueError(f"atomic_cas swaps elements of 16, 32 or 64 bits, got {ptr.dtype.element_ty}")
        return tensor(self.builder.tt_atomic_cas(ptr.handle, cmp.handle, val.handle, sem, scope), val.type)

    def _rmw(self, kind, ptr, val, mask, sem, scope):
        handle = self.builder.tt_atomic_rmw(ptr.handle, val.handle, mask.handle, _RMW[kind], sem, scope)
        return tensor(handle, val.type)

    def _rmw_operands(self, ptr, val, mask, op):
        ptr, val, mask, stored = self._atomic_operands(ptr, val, mask, op)
        if stored is float16 and op != "add":
            raise ValueError(f"atomic_{op} does not support fp16")
        if stored is bfloat16 and op != "add":
            raise ValueError(f"atomic_{op} does not support bf16")
        if stored in (int16, uint16) or stored.primitive_bitwidth < 16:
            raise ValueError(f"atomic_{op} does not support {stored}")
        return ptr, val, mask

    def atom_red_typechecking_impl(self, ptr, val, mask, op):
        return self._rmw_operands(ptr, val, mask, op)

    def _plain_rmw(self, op, kind, ptr, val, mask, sem, scope):
        ptr, val, mask = self._rmw_operands(ptr, val, mask, op)
        return self._rmw(kind, ptr, val, mask, self._str_to_sem(sem), self._str_to_scope(scope))

    def atomic_add(self, ptr, val, mask, sem, scope):
        ptr, val, mask = self._rmw_operands(ptr, val, mask, "add")
        kind = "fadd" if val.dtype._float else "add"
        return self._rmw(kind, ptr, val, mask, self._str_to_sem(sem), self._str_to_scope(scope))

    def atomic_and(self, ptr, val, mask, sem, scope):
        return self._plain_rmw("and", "and", ptr, val, mask, sem, scope)

    def atomic_or(self, ptr, val, mask, sem, scope):
        return self._plain_rmw("or", "or", ptr, val, mask, sem, scope)

    def atomic_xor(self, ptr, val, mask, sem, scope):
        return self._plain_rmw("xor", "xor", ptr, val, mask, sem, scope)

    def atomic_xchg(self, ptr, val, mask, sem, scope):
        return self._plain_rmw("xchg", "xchg", ptr, val, mask, sem, scope)

    def atomic_max(self, ptr, val, mask, sem, scope):
        return self._atomic_extreme("max", "umin", ptr, val, mask, sem, scope)

    def atomic_min(self, ptr, val, mask, sem, scope):
        return self._atomic_extreme("min", "umax", ptr, val, mask, sem, scope)

    def _atomic_extreme(self, op, opposite, ptr, val, mask, sem, scope):
        ptr, val, mask = self._rmw_operands(ptr, val, mask, op)
        sem, scope = self._str_to_sem(sem), self._str_to_scope(scope)
        ty = val.dtype
        if ty._int:
            return self._rmw(op if ty._signed else "u" + op, ptr, val, mask, sem, scope)
        if ty not in (float32, float64):
            raise TypeError(f"atomic_{op} not supported for dtype {ty}")
        # Floats of one sign order like integers: the positive ones as signed, the negative ones reversed as unsigned.
        bits = ty.primitive_bitwidth
        signed, unsigned = get_int_dtype(bits, True), get_int_dtype(bits, False)
        s_val, s_ptr = self.bitcast(val, signed), self.bitcast(ptr, pointer_type(signed))
        u_val, u_ptr = self.bitcast(val, unsigned), self.bitcast(ptr, pointer_type(unsigned))
        negative = self.cast(self.lshr(self.bitcast(val, unsigned), bits - 1), int1)
        positive = self.not_(negative)
        of_positive = self._rmw(op, s_ptr, s_val, self.and_(mask, positive), sem, scope)
        of_negative = self._rmw(opposite, u_ptr, u_val, self.and_(mask, negative), sem, scope)
        return self.bitcast(self.where(positive, of_positive, of_negative), ty)

    # ---- tensor descriptors

    def _convert_elem_to_ir_value(self, elem, require_i64):
        bits = 64 if require_i64 else 32
        value = elem.value if isinstance(elem, constexpr) else elem
        if isinstance(value, bool):
            return self._constant(value, int1, int1).handle
        if isinstance(value, int):
            assert -2 ** (bits - 1) <= value < 2 ** (bits - 1), \
                f"Expected a signed {bits}-bit integer, but {value} is out of range"
            ty = int64 if require_i64 else int32
            return self._constant(value, ty, ty).handle
        assert isinstance(elem, tensor), f"shape, strides and offsets are integers or scalar tensors, got {type(elem)}"
        assert elem.numel.value == 1, f"shape, strides and offsets are single values, got {elem.type}"
        assert elem.dtype._int, f"shape, strides and offsets are integers, got {elem.dtype}"
        if require_i64:
            return (elem if elem.dtype.int_bitwidth == 64 else self.cast(elem, int64)).handle
        assert elem.dtype is not int64, \
            "an offset here has 32 bits, got int64: convert it with `.to(tl.int32)`"
        return elem.handle

    def _convert_to_ir_values(self, list_like, require_i64=True):
        items = list_like if hasattr(list_like, "__iter__") else [list_like]
        return [self._convert_elem_to_ir_value(e, require_i64) for e in items]

    def _descriptor(self, desc, offsets):
        from .descriptor import tensor_descriptor_base
        assert isinstance(desc, tensor_descriptor_base), f"expected a tensor descriptor, got {type(desc).__name__}"
        rank = len(desc.type.block_type._shape)
        assert len(offsets) == rank, f"expected {rank} offsets, but got {len(offsets)}"

    def _block_of(self, desc, value, offsets):
        self._descriptor(desc, offsets)
        want = desc.type.block_type._shape
        assert value.type._shape == want, f"expected value shape {list(want)}, got {list(value.type._shape)}"

    def descriptor_load(self, desc, offsets, hints=(0, 0)):
        self._descriptor(desc, offsets)
        indices = self._convert_to_ir_values(offsets, require_i64=False)
        ty = desc.type.block_type
        return tensor(self.builder.tt_descriptor_load(desc.handle, indices, hints[0], hints[1],
                                                      ty.to_ir(self.builder)), ty)

    def descriptor_store(self, desc, value, offsets):
        self._block_of(desc, value, offsets)
        value = self.cast(value, desc.dtype)
        self.builder.tt_descriptor_store(desc.handle, value.handle, self._convert_to_ir_values(offsets, False))
        return tensor(None, void)

    def descriptor_atomic(self, kind, desc, value, offsets):
        """desc.atomic_add, _min, _max, _and, _or, _xor."""
        self._block_of(desc, value, offsets)
        small = (float16, bfloat16)
        allowed = {uint32, int32, uint64}
        allowed |= {"add": {float32, *small}, "min": {int64, *small}, "max": {int64, *small}}.get(kind, {int64})
        assert desc.dtype in allowed, "Unsupported dtype"
        if kind in ("min", "max") and desc.dtype in small:
            from .target_info import current_target
            target = current_target()
            assert target is None or target.backend != "cuda" or target.arch >= 90, \
                f"a reduction of {desc.dtype} through a descriptor needs compute capability 9.0, got {target.arch}"
        indices = self._convert_to_ir_values(offsets, require_i64=False)
        self.builder.tt_descriptor_reduce(desc.handle, value.handle, indices, _REDUCE[kind])
        return tensor(None, void)

    def _rows_of(self, desc, x_offsets, what):
        self._descriptor(desc, (0, 0) if len(desc.type.block_type._shape) == 2 else ())
        shape = desc.type.block_type._shape
        assert len(shape) == 2, f"descriptor must be 2D, but got {list(shape)}"
        assert shape[0] == 1, f"{what} takes a descriptor with blocks of 1 row, got {list(shape)}"
        rows = x_offsets.type._shape
        assert len(rows) == 1, f"x offsets must be 1D, but got {list(rows)}"
        assert x_offsets.dtype in (int16, int32), \
            f"x offsets are int16 or int32, got {x_offsets.dtype}"
        assert rows[0] >= 8, f"descriptor {what} must have at least 8 rows, but got {list(rows)}"
        least = 32 // desc.dtype.primitive_bitwidth * 8
        assert shape[1] >= least, \
            f"descriptor {what} of {desc.dtype} must have at least {least} columns, but got {shape[1]}"
        return rows[0], shape[1]

    def descriptor_gather(self, desc, x_offsets, y_offset, cache_modifier="", eviction_policy=""):
        assert cache_modifier == "", "cache modifier is not supported yet"
        assert eviction_policy == "", "eviction policy is not supported yet"
        ty = block_type(desc.dtype, self._rows_of(desc, x_offsets, "gather"))
        y = self._convert_elem_to_ir_value(y_offset, False)
        return tensor(self.builder.tt_descriptor_gather(desc.handle, x_offsets.handle, y, ty.to_ir(self.builder)), ty)

    def descriptor_scatter(self, desc, value, x_offsets, y_offset):
        self._rows_of(desc, x_offsets, "scatter")
        y = self._convert_elem_to_ir_value(y_offset, False)
        self.builder.tt_descriptor_scatter(desc.handle, x_offsets.handle, y, value.handle)
        return tensor(None, void)

    def make_tensor_descriptor(self, base, shape, strides, block_shape, padding_option="zero"):
        from .descriptor import tensor_descriptor, tensor_descriptor_base_type
        shape, strides = list(shape), list(strides)
        block_shape = _unwrap_shape(block_shape)
        rank = len(shape)
        if not 1 <= rank <= 5:
            raise ValueError(f"Expected 1 <= ndim <= 5 but got {rank} dimensions")
        if len(strides) != rank:
            raise ValueError(f"Expected {rank} strides but got {len(strides)}")
        if len(block_shape) != rank:
            raise ValueError(f"Expected block_shape to have {rank} dimensions but got {len(block_shape)}")
        assert base.type._ptr, f"base must be a pointer type, got {base.type}"
        element = base.type.element_ty
        size, inner = element.primitive_bitwidth // 8, block_shape[-1]
        if inner * size < 16:
            raise ValueError("Descriptor block shape must have at least 16 bytes in the last dimension, "
                             f"but got {inner} * {size} = {inner * size} bytes")
        last = _unwrap_if_constexpr(strides[-1])
        if not isinstance(last, int) or last != 1:
            raise ValueError(f"Tensor descriptor last dim must be 1 but got {last}")
        for stride in map(_unwrap_if_constexpr, strides[:-1]):
            if isinstance(stride, int) and stride * size % 16:
                raise ValueError("strides of a tensor descriptor must be 16-byte aligned, got "
                                 f"{stride} * {size} = {stride * size} bytes")
        shape = [self.make_scalar(s, int32) for s in shape]
        strides = [self.make_scalar(s, int64) for s in strides]
        padding = self._str_to_padding_option(padding_option)
        if element._int and padding == _PADDING["nan"]:
            raise ValueError("Padding option `nan` is not supported for integer blocks")
        ty = block_type(element, block_shape)
        b = self.builder
        if padding == _PADDING["nan"]:
            next_enum_attr(b, "padding", padding, "nan")
        handle = b.tt_make_tensor_descriptor(base.handle, [s.handle for s in shape], [s.handle for s in strides],
                                             tensor_descriptor_base_type(ty).ir_type(b))
        return tensor_descriptor(handle, shape, strides, ty)

    def _str_to_padding_option(self, padding_option):
        padding = _unwrap_if_constexpr(padding_option) or ""
        if padding not in _PADDING:
            raise ValueError(f"Padding option {padding} not supported")
        return _PADDING[padding]
