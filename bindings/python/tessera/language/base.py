# SPDX-License-Identifier: MIT
"""What every value and type of the language has in common, compile-time values, and the `builtin` mark.

Names that begin with an underscore but occur in other packages' kernels (`_flatten_ir`, `_unflatten_ir`, `_set_name`,
`_unwrap_if_constexpr`, the attribute `__triton_builtin__`) are kept as those kernels spell them.
"""
import builtins as _py
from functools import update_wrapper

TRITON_BUILTIN = "__triton_builtin__"

_OUTSIDE = ("Did you forget to add @triton.jit ? "
            "(`_semantic` argument must be provided outside of JIT functions.)")


class base_type:
    """Type of a value that a kernel can hold. It says how the value is made of IR values."""

    def __eq__(self, other):
        raise NotImplementedError("types of the language compare by their own __eq__")

    def __ne__(self, other):
        return not self == other

    def mangle(self):
        """Text for the symbol of a function that takes this type."""
        raise NotImplementedError(f"no mangled name for {type(self).__name__}")

    def _flatten_ir_types(self, builder, out):
        """Appends the IR types of a value of this type to `out`."""
        raise NotImplementedError

    def _unflatten_ir(self, handles, cursor):
        """Takes IR values from handles[cursor:]; gives the value and the cursor behind them."""
        raise NotImplementedError


class base_value:
    """A value of a kernel: a tile, a tuple, a descriptor, a user's aggregate …"""
    type = None

    def _set_name(self, builder, name):
        """Names the IR values after a variable."""
        raise NotImplementedError

    def _flatten_ir(self, handles):
        """Appends the IR values this one consists of."""
        raise NotImplementedError


class constexpr_type(base_type):
    """Type of a compile-time value: one type per value, nothing in the IR."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, constexpr_type) and self.value == other.value

    def __hash__(self):
        return hash(self.value)

    def __repr__(self):
        return f"constexpr_type[{self.value}]"

    def mangle(self):
        own = getattr(self.value, "mangle", None)
        return "c" + (own() if own is not None else repr(self.value))

    def _flatten_ir_types(self, builder, out):
        pass

    def _unflatten_ir(self, handles, cursor):
        return constexpr(self.value), cursor


class constexpr(base_value):
    """A value known while compiling. Operators follow Python and give a constexpr."""

    def __init__(self, value):
        while isinstance(value, constexpr):
            value = value.value
        self.value = value

    @property
    def type(self):
        return constexpr_type(self.value)

    def __repr__(self):
        return f"constexpr[{self.value}]"

    def __hash__(self):
        return hash((self.value, "constexpr"))

    def __bool__(self):
        return bool(self.value)

    def __index__(self):
        return self.value

    def __iter__(self):
        return iter(self.value)

    def __call__(self, *args, **kwargs):
        return self.value(*args, **kwargs)

    def __getitem__(self, *key):
        return self.value.__getitem__(*[_normalize_tuple(k) for k in key])

    def __neg__(self):
        return constexpr(-self.value)

    def __pos__(self):
        return constexpr(+self.value)

    def __invert__(self):
        return constexpr(~self.value)

    def __not__(self):
        return constexpr(not self.value)

    def logical_and(self, other):
        return constexpr(self.value and _unwrap_if_constexpr(other))

    def logical_or(self, other):
        return constexpr(self.value or _unwrap_if_constexpr(other))

    def _set_name(self, builder, name):
        pass

    def _flatten_ir(self, handles):
        pass


def _install_operators():
    # The reflected forms are those that the language has: no __rmod__, __rand__, __rshift__ …
    import operator as op

    def forward(fn):
        return lambda self, other: constexpr(fn(self.value, _unwrap_if_constexpr(other)))

    def reflected(fn):
        return lambda self, other: constexpr(fn(_unwrap_if_constexpr(other), self.value))

    both = {"add": op.add, "sub": op.sub, "mul": op.mul, "truediv": op.truediv, "floordiv": op.floordiv,
            "pow": op.pow, "gt": op.gt, "ge": op.ge, "lt": op.lt, "le": op.le}
    one = {"mod": op.mod, "and": op.and_, "or": op.or_, "xor": op.xor, "rshift": op.rshift, "lshift": op.lshift,
           "eq": op.eq, "ne": op.ne}
    for name, fn in {**both, **one}.items():
        setattr(constexpr, f"__{name}__", forward(fn))
    for name, fn in both.items():
        setattr(constexpr, f"__r{name}__", reflected(fn))


_install_operators()

CONSTEXPR_0 = constexpr(0)


def _unwrap_if_constexpr(x):
    """The Python value behind a compile-time value; lists and tuples are unwrapped inside."""
    cls = x.__class__
    if cls is constexpr:
        return x.value
    if cls is list:
        return [_unwrap_if_constexpr(v) for v in x]
    if isinstance(x, _py.tuple):
        items = [_unwrap_if_constexpr(v) for v in x]
        return cls(*items) if hasattr(x, "_fields") else cls(items)
    if isinstance(x, constexpr):
        return x.value
    if isinstance(x, base_value) and getattr(x, "_is_tuple", False):
        return x._map(_unwrap_if_constexpr)
    return x


def _normalize_tuple(x):
    """Unwraps, and turns Python's lists and tuples into tuples of the language."""
    x = _unwrap_if_constexpr(x)
    if isinstance(x, (list, _py.tuple)):
        from .values import tuple as tl_tuple
        return tl_tuple([_normalize_tuple(v) for v in x])
    return x


def _unwrap_shape(shape):
    """A shape as a list of Python ints."""
    return [s.value if s.__class__ is constexpr else _unwrap_if_constexpr(s) for s in _unwrap_if_constexpr(shape)]


def _unwrap_iterable(args):
    """f(x, (1, 2)) and f(x, 1, 2) mean the same."""
    args = _unwrap_if_constexpr(args)
    if len(args) == 1:
        try:
            iter(args[0])
        except TypeError:
            return args
        return args[0]
    return args


def _wants(fn, name):
    code = fn.__code__
    return name in code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]


def builtin(fn):
    """Marks a function of the language: kernels call it with `_semantic` (and `_generator` if it has that)."""

    def call(*args, **kwargs):
        if kwargs.get("_semantic") is None:
            raise ValueError(_OUTSIDE)
        return fn(*args, **kwargs)

    update_wrapper(call, fn)
    call.__triton_builtin__ = True
    code = getattr(fn, "__code__", None)
    call._wants_generator = code is not None and _wants(fn, "_generator")
    return call


def is_builtin(fn):
    """Is this one of the language's own functions (or a function marked like one)?"""
    return getattr(fn, TRITON_BUILTIN, False)


def wants_generator(fn):
    """Does a builtin take `_generator`, because it calls jit functions?"""
    known = getattr(fn, "_wants_generator", None)
    if known is None:
        import inspect
        try:
            known = "_generator" in inspect.signature(fn).parameters
        except (TypeError, ValueError):
            known = False
    return known


def extern(fn):
    """As `builtin`, for functions of a device library."""
    return builtin(fn)


def must_use_result(x, s=True):
    """Decorator: a call whose result is dropped is an error; `s` is the message."""
    if isinstance(x, str):
        return lambda fn: must_use_result(fn, x)
    x._must_use_result = s
    return x
