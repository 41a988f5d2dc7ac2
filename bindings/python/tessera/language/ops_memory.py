# SPDX-License-Identifier: MIT
"""Functions of the language that touch memory: load, store, descriptors, block pointers, atomics."""
from .base import _unwrap_if_constexpr, builtin, must_use_result
from .block_pointer import block_pointer
from .values import _tensor_member_fn


def _optional(x, _semantic):
    x = _unwrap_if_constexpr(x)
    return None if x is None else _semantic.to_tensor(x)


@builtin
def load(pointer, mask=None, other=None, boundary_check=(), padding_option="", cache_modifier="", eviction_policy="",
         volatile=False, _semantic=None):
    """What the pointers point to. Lanes whose mask is false read nothing and give `other`.

    boundary_check and padding_option are for block pointers. cache_modifier: "", ".ca", ".cg", ".cs", ".cv";
    eviction_policy: "", "evict_first", "evict_last", "evict_normal"."""
    hints = _semantic._hints(cache_modifier, eviction_policy, "load")
    boundary_check, padding_option = _unwrap_if_constexpr(boundary_check), _unwrap_if_constexpr(padding_option)
    if isinstance(pointer, block_pointer):
        if _unwrap_if_constexpr(mask) is not None or _unwrap_if_constexpr(other) is not None:
            raise ValueError("`mask` and `other` arguments cannot be specified for loading block pointers")
        return pointer.load_block(boundary_check, padding_option, hints, volatile, _semantic)
    if boundary_check or padding_option:
        raise ValueError("`padding_option` or `boundary_check` argument is not supported for loading a tensor of "
                         "pointers or loading a scalar. Because the compiler does not know the boundary; please use "
                         "block pointers (defined by `make_block_ptr`) instead")
    return _semantic.load(pointer, _optional(mask, _semantic), _optional(other, _semantic), hints, volatile)


@_tensor_member_fn
@builtin
def store(pointer, value, mask=None, boundary_check=(), cache_modifier="", eviction_policy="", _semantic=None):
    """Writes `value`, converted to the pointers' element type. Lanes whose mask is false write nothing."""
    hints = _semantic._hints(cache_modifier, eviction_policy, "store")
    value, boundary_check = _semantic.to_tensor(value), _unwrap_if_constexpr(boundary_check)
    if isinstance(pointer, block_pointer):
        if _unwrap_if_constexpr(mask) is not None:
            raise ValueError("`mask` argument cannot be specified for storing to block pointers")
        return pointer.store_block(value, boundary_check, hints, _semantic)
    if boundary_check:
        raise ValueError("`boundary_check` argument is not supported for storing a tensor of pointers or storing a "
                         "scalar. Because the compiler does not know the boundary; please use block pointers "
                         "(defined by `make_block_ptr`) instead")
    return _semantic.store(pointer, value, _optional(mask, _semantic), hints)


@builtin
def make_block_ptr(base, shape, strides, offsets, block_shape, order, _semantic=None):
    """A pointer to a block of a strided array: `tl.load` and `tl.store` move the block. Gone in Triton 3.9, kept here
    for kernels written before."""
    return block_pointer.make(base, shape, strides, offsets, block_shape, order, _semantic)


@must_use_result("tl.advance leaves its argument as it is and returns the moved block pointer: assign that to "
                 "a variable.")
@_tensor_member_fn
@builtin
def advance(base, offsets, _semantic=None):
    """The block pointer moved by `offsets` elements along each dimension."""
    if not isinstance(base, block_pointer):
        raise TypeError(f"tl.advance moves block pointers, not {base}")
    return base.moved(offsets, _semantic)


@builtin
def load_tensor_descriptor(desc, offsets, _semantic=None):
    """As desc.load(offsets)."""
    return desc.load(offsets, _semantic=_semantic)


@builtin
def store_tensor_descriptor(desc, offsets, value, _semantic=None):
    """As desc.store(offsets, value)."""
    return desc.store(offsets, value, _semantic=_semantic)


@builtin
def make_tensor_descriptor(base, shape, strides, block_shape, padding_option="zero", _semantic=None):
    """Describes a strided array (1 to 5 dimensions, the last stride 1) and the block that moves at once."""
    return _semantic.make_tensor_descriptor(base, shape, strides, block_shape, _unwrap_if_constexpr(padding_option))


# ---- atomics: they give the old values. sem: "acquire", "release", "acq_rel", "relaxed"; scope: "gpu", "cta", "sys".

@_tensor_member_fn
@builtin
def atomic_load(pointer, mask=None, sem=None, scope=None, _semantic=None):
    """Atomic load ("acquire" unless `sem` says "relaxed")."""
    return _semantic.atomic_load(pointer, mask, sem, scope)


@_tensor_member_fn
@builtin
def atomic_store(pointer, val, mask=None, sem=None, scope=None, _semantic=None):
    """Atomic store ("release" unless `sem` says "relaxed")."""
    return _semantic.atomic_store(pointer, _semantic.to_tensor(val), mask, sem, scope)


@_tensor_member_fn
@builtin
def atomic_cas(pointer, cmp, val, sem=None, scope=None, _semantic=None):
    """Puts `val` where memory holds the bits of `cmp`."""
    return _semantic.atomic_cas(pointer, _semantic.to_tensor(cmp), _semantic.to_tensor(val), sem, scope)


@_tensor_member_fn
@builtin
def atomic_poll(pointer, expected_value, sem=None, scope=None, timeout_ns=None, _semantic=None):
    """Waits until memory holds the expected value or the time is over; says which it was."""
    return _semantic.atomic_poll(pointer, _semantic.to_tensor(expected_value), sem, scope,
                                 _unwrap_if_constexpr(timeout_ns))


def _atomic(op, doc):
    method = f"atomic_{op}"

    def function(pointer, val, mask=None, sem=None, scope=None, _semantic=None):
        return getattr(_semantic, method)(pointer, _semantic.to_tensor(val), mask, sem, scope)

    function.__name__ = function.__qualname__ = method
    function.__doc__ = doc
    return _tensor_member_fn(builtin(function))


atomic_xchg = _atomic("xchg", "Puts `val` into memory.")
atomic_add = _atomic("add", "Adds `val` to what memory holds.")
atomic_max = _atomic("max", "Puts the greater of `val` and what memory holds.")
atomic_min = _atomic("min", "Puts the smaller of `val` and what memory holds.")
atomic_and = _atomic("and", "Puts the bitwise and of `val` and what memory holds.")
atomic_or = _atomic("or", "Puts the bitwise or of `val` and what memory holds.")
atomic_xor = _atomic("xor", "Puts the bitwise exclusive or of `val` and what memory holds.")
