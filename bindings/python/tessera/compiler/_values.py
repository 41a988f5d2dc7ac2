# SPDX-License-Identifier: MIT
"""What the front end asks of values: their kind, their parts in the IR, their form as arguments."""
from ..language.base import base_value, constexpr
from ..language.types import dtype, tuple_type
from ..language.values import tensor
from ..language.values import tuple as tl_tuple
from ..runtime.jit import JITCallable

ABSENT = object()


def unwrap(value):
    """The Python value of a compile-time value; anything else as it is."""
    return value.value if isinstance(value, constexpr) else value


class BoundJITMethod:
    """A jit function as a method of a value of the kernel."""
    __slots__ = ("__self__", "__func__")

    def __init__(self, owner, function):
        self.__self__, self.__func__ = owner, function

    def __getattr__(self, name):
        return getattr(self.__func__, name)


def is_constexpr_like(value):
    return value is None or isinstance(value, (constexpr, dtype, JITCallable))


def is_dynamic_boolean(value):
    """Is its truth known only when the kernel runs?"""
    return isinstance(value, base_value) and not isinstance(value, (constexpr, tl_tuple))


def is_block(value):
    return value.type.is_block()


def is_non_scalar(value):
    return isinstance(value, tensor) and value.type.is_block() and value.type.numel != 1


def operator_priority(value):
    if getattr(type(value), "__triton_aggregate__", False):
        return 2
    return 1 if isinstance(value, tensor) else 0


def is_namedtuple_class(cls):
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


def map_tuple(value, fn):
    """fn of every item, as a tuple of the language with the same field names."""
    if isinstance(value, tl_tuple):
        fields = value.type.fields
    else:
        fields = getattr(value, "_fields", None)
    items = [fn(item) for item in value]
    items = [constexpr(None) if item is None else item for item in items]
    return make_tuple(items, fields)


def make_tuple(items, fields):
    return tl_tuple(items, tuple_type([_type_of(item) for item in items], fields))


def _type_of(item):
    ty = getattr(item, "type", None)
    return constexpr(item).type if ty is None else ty


def normalize(value):
    """The form in which values are passed to functions: values of the kernel, compile-time values, tuples of both."""
    cls = value.__class__
    if cls is tensor or cls is constexpr:
        return value
    if isinstance(value, (tuple, tl_tuple)):
        return map_tuple(value, normalize)
    if isinstance(value, base_value):
        return value
    return constexpr(value)


def flatten(values):
    """The IR values that values consist of."""
    handles = []
    for value in values:
        value._flatten_ir(handles)
    return handles


def unflatten(handles, types):
    """Values of those types, made of IR values."""
    values, cursor = [], 0
    for ty in types:
        value, cursor = ty._unflatten_ir(handles, cursor)
        values.append(value)
    assert cursor == len(handles)
    return values


def same_parts(a, b):
    """Are two types equal but for names of fields?"""
    if isinstance(a, tuple_type) and isinstance(b, tuple_type):
        return len(a.types) == len(b.types) and all(map(same_parts, a.types, b.types))
    return a == b


def ir_types(builder, types):
    out = []
    for ty in types:
        if ty is not None:
            ty._flatten_ir_types(builder, out)
    return out
