# SPDX-License-Identifier: MIT
"""Tiles and scalars (`tensor`), tuples, slices, and what stands in the head of a loop."""
import builtins as _py
import importlib
from warnings import warn

from .base import (_normalize_tuple, _unwrap_if_constexpr, base_value, builtin, constexpr, constexpr_type, is_builtin)
from .types import dtype, slice_type, tuple_type


class const:
    """Annotation of a pointer argument that the kernel does not store to."""


class tuple(base_value):
    """A tuple of values. Named tuples keep their field names."""
    _is_tuple = True

    def __init__(self, args, type=None):
        self.values = list(args)
        if type is not None:
            self._type = type if isinstance(type, tuple_type) else tuple_type(type)
        else:
            self._type = None

    @property
    def type(self):
        ty = self._type
        if ty is None:
            ty = self._type = _type_for_tuple_values(self.values)
        return ty

    def _map(self, fn):
        """The tuple of fn(value), with the same field names (and the type, as long as it is one of the same values)."""
        return tuple([fn(v) for v in self.values], self._type)

    def __getitem__(self, idx):
        if isinstance(idx, (int, constexpr)):
            return self.values[idx]
        assert isinstance(idx, (slice, _py.slice)), f"a tuple is indexed by compile-time integers and slices, not {idx}"
        part = [_unwrap_if_constexpr(v) for v in (idx.start, idx.stop, idx.step)]
        return tuple(self.values[_py.slice(*part)])

    def __getattr__(self, name):
        if name.startswith("_") or name in ("values", "type"):
            raise AttributeError(name)
        fields = self.type.fields
        if fields is None or name not in fields:
            raise AttributeError(f"'tuple' object has no attribute {name}")
        return self.values[fields.index(name)]

    def _setitem(self, idx, value):
        fields = self.type.fields
        idx = _unwrap_if_constexpr(idx)
        assert isinstance(idx, int), f"a tuple is indexed by compile-time integers, not {idx}"
        self.values[idx] = value
        self._type = _type_for_tuple_values(self.values, fields)

    def __add__(self, other):
        return tuple(self.values + _items(other))

    def __radd__(self, other):
        return tuple(_items(other) + self.values)

    def __mul__(self, other):
        count = _unwrap_if_constexpr(other)
        assert isinstance(count, int), f"a tuple is repeated by a compile-time integer, not {other}"
        return tuple(self.values * count)

    __rmul__ = __mul__

    def __eq__(self, other):
        other = _normalize_tuple(other)
        return constexpr(isinstance(other, tuple) and self.values == other.values)

    def __ne__(self, other):
        return constexpr(not (self == other).value)

    def __hash__(self):
        return hash(_py.tuple(self.values))

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)

    def __str__(self):
        return str([str(v) for v in self.values])

    def __repr__(self):
        return f"({', '.join(map(repr, self.values))})"

    def _set_name(self, builder, name):
        names = self.type.fields or _py.range(len(self.values))
        for part, value in zip(names, self.values):
            value._set_name(builder, f"{name}.{part}")

    def _flatten_ir(self, handles):
        for value in self.values:
            value._flatten_ir(handles)


def _items(x):
    x = x.value if isinstance(x, constexpr) else x
    return [v if isinstance(v, base_value) else constexpr(v) for v in x]


def _type_for_tuple_values(values, fields=None):
    types = []
    for v in values:
        if isinstance(v, (int, float, dtype)):
            types.append(constexpr_type(v))
        else:
            ty = getattr(v, "type", None)
            types.append(constexpr_type(v) if ty is None else ty)
    return tuple_type(types, fields)


class slice:
    """A slice in a subscript."""

    def __init__(self, start, stop, step):
        self.start, self.stop, self.step = start, stop, step
        self.type = slice_type()


class _Late:
    """A member that another module of the language registers when it is imported."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __get__(self, obj, owner):
        importlib.import_module(self.module, __package__)
        return getattr(owner if obj is None else obj, self.name)


_SCALAR_SHAPE = tuple(())
_ONE = constexpr(1)


class tensor(base_value):
    """A tile or a scalar in the IR. `handle` is the IR value, `type` a scalar, pointer or tile type; `dtype` the type
    of one element."""

    def __init__(self, handle, type):
        self.handle = handle
        self.type = type
        self.dtype = type.element_ty if type._block else type

    @property
    def shape(self):
        ty = self.type
        if not ty._block:
            return _SCALAR_SHAPE
        shape = ty.__dict__.get("_cx_shape")
        if shape is None:
            shape = ty._cx_shape = tuple([constexpr(d) for d in ty._shape])
        return shape

    @property
    def numel(self):
        return constexpr(self.type.numel) if self.type._block else _ONE

    def _set_name(self, builder, name):
        builder.set_value_name(self.handle, name)

    def _flatten_ir(self, handles):
        handles.append(self.handle)

    def __str__(self):
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    def __repr__(self):
        return str(self)

    __hash__ = object.__hash__

    @builtin
    def __neg__(self, _semantic=None):
        return _semantic.minus(self)

    @builtin
    def __pos__(self, _semantic=None):
        return self

    @builtin
    def __invert__(self, _semantic=None):
        return _semantic.invert(self)

    @builtin
    def __not__(self, _semantic=None):
        return _semantic.not_(self)

    @builtin
    def __getitem__(self, slices, _semantic=None):
        if isinstance(slices, tuple):
            slices = slices.values
        elif not isinstance(slices, (list, _py.tuple)):
            slices = [slices]
        result, rank, full = self, len(self.type._shape), 0
        for axis, index in enumerate(slices):
            if _unwrap_if_constexpr(index) is None:
                result = _semantic.expand_dims(result, axis)
            elif isinstance(index, (_py.slice, slice)) and all(
                    _unwrap_if_constexpr(v) is None for v in (index.start, index.stop, index.step)):
                full += 1
                if full > rank:
                    raise ValueError(f"too many indices for tensor of rank {rank}")
            else:
                raise ValueError(f"unsupported tensor index: {index}")
        return result

    @property
    def T(self):
        """Transposes a 2-D tile."""
        assert False, ".T has a meaning only in the source of a kernel"

    @builtin
    def to(self, dtype, fp_downcast_rounding=None, bitcast=False, _semantic=None):
        """As `cast`."""
        return _semantic.cast_to(self, dtype, fp_downcast_rounding, bitcast)

    @builtin
    def logical_and(self, other, _semantic=None):
        return _semantic.logical_and(self, _semantic.to_tensor(other))

    @builtin
    def logical_or(self, other, _semantic=None):
        return _semantic.logical_or(self, _semantic.to_tensor(other))


def _shift_checked(value, amount):
    if isinstance(value, tensor) and isinstance(amount, constexpr) and isinstance(amount.value, int):
        bits = value.dtype.primitive_bitwidth
        if amount.value >= bits:
            warn(f"a shift by {amount.value} of '{value.dtype}', which has {bits} bits, has no defined result")


def _operator(name, method, reflected, tail):
    # One method per operator. The operator's own left operand comes first in the semantic layer.
    def apply(self, other, _semantic=None):
        other = _unwrap_if_constexpr(other)
        fn = getattr(_semantic, method)
        return fn(other, self, *tail) if reflected else fn(self, other, *tail)

    apply.__name__ = apply.__qualname__ = name
    setattr(tensor, name, builtin(apply))


def _shift(name, reflected, left):
    def apply(self, other, _semantic=None):
        if reflected:
            _shift_checked(other, self)
        else:
            _shift_checked(self, other)
        a, b = self, _unwrap_if_constexpr(other)
        if reflected:
            a, b = b, a
        if left:
            return _semantic.shl(a, b)
        # The tile's signedness decides, also in `1 >> tile`.
        return _semantic.ashr(a, b) if self.dtype._signed else _semantic.lshr(a, b)

    apply.__name__ = apply.__qualname__ = name
    setattr(tensor, name, builtin(apply))


for _name, _method, _tail in (("add", "add", (True,)), ("sub", "sub", (True,)), ("mul", "mul", (True,)),
                              ("truediv", "truediv", ()), ("floordiv", "floordiv", ()), ("mod", "mod", ()),
                              ("and", "and_", ()), ("or", "or_", ()), ("xor", "xor_", ()),
                              ("gt", "greater_than", ()), ("ge", "greater_equal", ()), ("lt", "less_than", ()),
                              ("le", "less_equal", ()), ("eq", "equal", ()), ("ne", "not_equal", ())):
    _operator(f"__{_name}__", _method, False, _tail)
    _operator(f"__r{_name}__", _method, True, _tail)
for _left, _name in ((True, "lshift"), (False, "rshift")):
    _shift(f"__{_name}__", False, _left)
    _shift(f"__r{_name}__", True, _left)

# Members that math.py and standard.py register when they are first needed.
for _name in "exp exp2 log log2 cos sin sqrt sqrt_rn rsqrt abs erf floor ceil".split():
    setattr(tensor, _name, _Late(".math", _name))
for _name in ("cdiv sigmoid softmax ravel max argmax min argmin sum xor_sum reduce_or cumsum cumprod flip").split():
    setattr(tensor, _name, _Late(".standard", _name))


def _tensor_member_fn(fn):
    """Decorator: the function is a method of `tensor` too."""
    if is_builtin(fn):
        def member(*args, **kwargs):
            return fn(*args, **kwargs)
        member.__name__, member.__doc__ = fn.__name__, f"As tl.{fn.__name__}."
        member.__wrapped__ = fn
        member.__triton_builtin__ = True
        member._wants_generator = fn._wants_generator
        if hasattr(fn, "_must_use_result"):
            member._must_use_result = fn._must_use_result
        setattr(tensor, fn.__name__, member)
    else:
        # A jit function: the front end binds the tile as first argument.
        setattr(tensor, fn.__name__, fn)
    return fn


class static_range(base_value):
    """`for i in tl.static_range(…)`: unrolled while compiling; bounds and step are compile-time values."""

    def __init__(self, arg1, arg2=None, step=None):
        for what, value in (("start", arg1), ("end", arg2), ("step", step)):
            assert value is None or isinstance(value, constexpr), \
                f"{value} used as tl.static_range {what} value is not a constexpr"
        self.start, self.end = (constexpr(0), arg1) if arg2 is None else (arg1, arg2)
        self.step = constexpr(1) if step is None else step

    def __iter__(self):
        raise RuntimeError("static_range is for the source of a kernel (@triton.jit), called outside")

    __next__ = __iter__


class range(base_value):
    """`for i in tl.range(…)`: as Python's range, with advice to the compiler on this loop."""

    def __init__(self, arg1, arg2=None, step=None, num_stages=None, loop_unroll_factor=None,
                 disallow_acc_multi_buffer=False, flatten=False, warp_specialize=False, disable_licm=False):
        self.start, self.end = (constexpr(0), arg1) if arg2 is None else (arg1, arg2)
        self.step = constexpr(1) if step is None else step
        self.num_stages = num_stages
        self.loop_unroll_factor = loop_unroll_factor
        self.disallow_acc_multi_buffer = disallow_acc_multi_buffer
        self.flatten = flatten
        self.warp_specialize = warp_specialize
        self.disable_licm = disable_licm

    def __iter__(self):
        raise RuntimeError("tl.range is for the source of a kernel (@triton.jit), called outside")

    __next__ = __iter__


class condition(base_value):
    """`while tl.condition(c, disable_licm=True):`: a condition with advice to the compiler on this loop."""

    def __init__(self, arg1, disable_licm=False):
        self.condition = arg1
        self.disable_licm = disable_licm
