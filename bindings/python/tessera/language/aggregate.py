# SPDX-License-Identifier: MIT
"""`@triton.aggregate`: classes of values that kernels make, carry through loops and pass to functions."""
import builtins as _py

from .base import base_type, base_value, constexpr
from .types import tuple_type
from .values import tuple

_MISSING = object()


class _aggregate_type(base_type):
    """Type of an aggregate: its class and the types of its fields."""

    def __init__(self, base_cls, fields):
        self.base_cls, self.fields = base_cls, fields

    def __eq__(self, other):
        return type(other) is _aggregate_type and self.base_cls is other.base_cls and self.fields == other.fields

    def __hash__(self):
        return hash((self.base_cls, _py.tuple(self.fields)))

    def __repr__(self):
        return f"{self.base_cls.__qualname__}<{', '.join(f'{n}: {t}' for n, t in self.fields)}>"

    def mangle(self):
        cls = self.base_cls
        return f"{cls.__module__}.{cls.__qualname__}<{', '.join(t.mangle() for _, t in self.fields)}>"

    def _flatten_ir_types(self, builder, out):
        for _, ty in self.fields:
            ty._flatten_ir_types(builder, out)

    def _unflatten_ir(self, handles, cursor):
        made = self.base_cls._get_instance()
        for name, ty in self.fields:
            field, cursor = ty._unflatten_ir(handles, cursor)
            setattr(made, name, field)
        object.__setattr__(made, "_aggregate_init_complete", True)  # from here on no field can be set
        return made, cursor


def _as_field(x):
    """Python values in fields become values of the language."""
    if isinstance(x, tuple):
        return x._map(_as_field)
    if isinstance(x, _py.tuple):
        items = [_as_field(v) for v in x]
        return tuple(items, tuple_type([v.type for v in items], getattr(x, "_fields", None)))
    return x if isinstance(x, base_value) else constexpr(x)


def _fields_of(cls):
    """Annotations and defaults, those of the bases first."""
    import typing
    fields, defaults = {}, {}
    for base in reversed(cls.__mro__[1:]):
        if base in (base_value, object):
            continue
        if not getattr(base, "__triton_aggregate__", False):
            raise TypeError(f"Aggregates can only inherit from other aggregates, but got non-aggregate base: {base}")
        fields.update(base.__dict__.get("__annotations__", {}))
        defaults.update(getattr(base, "__aggregate_defaults__", {}))
    hints = typing.get_type_hints(cls)
    for name in cls.__dict__.get("__annotations__", {}):
        fields[name] = hints[name]
        value = cls.__dict__.get(name, _MISSING)
        if value is not _MISSING and (not callable(value) or isinstance(value, base_value)):
            defaults[name] = value
    return fields, defaults


def _make_init(cls, fields, defaults):
    names = list(fields)

    def __init__(self, *args, **kwargs):
        who = f"{cls.__name__}.__init__()"
        if len(args) > len(names):
            raise TypeError(f"{who} takes {len(names) + 1} positional arguments but {len(args) + 1} were given")
        for i, name in enumerate(names):
            if i < len(args):
                if name in kwargs:
                    raise TypeError(f"{who} got multiple values for argument '{name}'")
                value = args[i]
            elif name in kwargs:
                value = kwargs.pop(name)
            elif name in defaults:
                value = defaults[name]
            else:
                raise TypeError(f"{who} missing required argument: '{name}'")
            setattr(self, name, _as_field(value))
        if kwargs:
            raise TypeError(f"{who} got an unexpected keyword argument '{next(iter(kwargs))}'")

    __init__.__triton_builtin__ = True
    return __init__


def _call_init(init, instance, args, kwargs, semantic, generator):
    from ..runtime.jit import JITCallable, JITFunction
    extra = {}
    if isinstance(init, JITFunction) and generator is not None:
        generator.call_JitFunction(init, [instance, *args], kwargs)
        return
    if not isinstance(init, JITCallable):
        import inspect
        takes = inspect.signature(init).parameters
        extra = {k: v for k, v in (("_semantic", semantic), ("_generator", generator)) if k in takes}
    init(instance, *args, **extra, **kwargs)


def _aggregate(cls):
    """Decorator: a class with annotated fields becomes one that kernels can use. Fields do not change once the object
    is made; `tl.aggregate_replace` makes a changed copy. Methods may be jit functions, builtins or plain functions."""
    from ..runtime.jit import JITCallable
    fields, defaults = _fields_of(cls)
    init = cls.__dict__.get("__init__") or _make_init(cls, fields, defaults)

    class aggregate_value(base_value):
        __triton_builtin__ = True
        __triton_aggregate__ = True
        _wants_generator = True
        __annotations__ = fields

        @classmethod
        def _get_instance(this_cls):
            instance = object.__new__(this_cls)
            object.__setattr__(instance, "_aggregate_init_complete", False)
            return instance

        def __new__(this_cls, *args, _semantic=None, _generator=None, **kwargs):
            instance = this_cls._get_instance()
            _call_init(init, instance, args, kwargs, _semantic, _generator)
            for name in fields:
                if name not in instance.__dict__:
                    raise AttributeError(f"constructor for {cls.__name__} did not initialize attribute '{name}'")
            object.__setattr__(instance, "_aggregate_init_complete", True)
            return instance

        def __setattr__(self, name, value):
            if name not in fields:
                raise AttributeError(f"{cls.__name__} has no attribute '{name}'")
            if not isinstance(value, fields[name]):
                raise TypeError(f"Expected {fields[name]} for attribute '{name}', got {type(value)}")
            if self._aggregate_init_complete:
                raise AttributeError(f"cannot assign to field '{name}' on immutable aggregate {cls.__name__}; use "
                                     "aggregate_replace() to construct a modified copy")
            object.__setattr__(self, name, value)

        def _set_name(self, builder, name):
            for field in fields:
                getattr(self, field)._set_name(builder, f"{name}.{field}")

        def _flatten_ir(self, handles):
            for field in fields:
                getattr(self, field)._flatten_ir(handles)

        @property
        def type(self):
            return _aggregate_type(aggregate_value, [(n, getattr(self, n).type) for n in fields])

    # The functions of the class and of its bases; what they are made of belongs to the key of kernels that use it.
    import inspect
    members = [init]
    skip = {"__init__", "__annotate__", *aggregate_value.__dict__}
    for base in reversed(cls.__mro__):
        if base in (object, base_value):
            continue
        for name, member in base.__dict__.items():
            plain = member.__func__ if isinstance(member, staticmethod) else member
            if name not in skip and (inspect.isfunction(plain) or isinstance(plain, (JITCallable, property))):
                setattr(aggregate_value, name, member)
                if name != "__annotate_func__" and not isinstance(plain, property):
                    members.append(plain)
    aggregate_value.hash_attrs = members
    for name in ("__name__", "__module__", "__qualname__", "__doc__", "__firstlineno__"):
        if name in cls.__dict__ or name in ("__name__", "__qualname__"):
            setattr(aggregate_value, name, getattr(cls, name))
    aggregate_value.__aggregate_fields__ = _py.tuple(fields)
    aggregate_value.__aggregate_defaults__ = dict(defaults)
    return aggregate_value


def aggregate_replace(instance, **changes):
    """A copy of an aggregate with some fields changed."""
    cls = type(instance)
    if not getattr(cls, "__triton_aggregate__", False):
        raise TypeError(f"aggregate_replace expects an aggregate instance first, got {cls}")
    for name in changes:
        if name not in cls.__aggregate_fields__:
            raise TypeError(f"{cls.__name__} has no field '{name}'")
    return cls(**{name: changes.get(name, getattr(instance, name)) for name in cls.__aggregate_fields__})


aggregate_replace.__triton_builtin__ = True


aggregate = _aggregate  # its name in the packages' top level
