# SPDX-License-Identifier: MIT
"""Element types, pointers, tiles and tuples as types of the language.

Scalar, pointer and tile types are interned: two equal types are one object, so that rules can be looked up by
identity and IR types are made once per builder.
"""
import builtins as _py
from enum import Enum

from .base import (_unwrap_if_constexpr, _unwrap_shape, base_type, constexpr, constexpr_type)

TRITON_MAX_TENSOR_NUMEL = 1048576

# tir_float_kind of type.h
_FLOAT_KIND = {"fp16": 0, "bf16": 1, "fp32": 2, "fp64": 3, "fp8e4nv": 5, "fp8e4b8": 6, "fp8e5": 7, "fp8e5b16": 8}
# name: bits, mantissa bits, bias of the exponent
_FLOATS = {"fp8e4b15": (8, 3, 15), "fp8e4nv": (8, 3, 7), "fp8e4b8": (8, 3, 8), "fp8e5": (8, 2, 15),
           "fp8e5b16": (8, 2, 16), "fp16": (16, 10, 15), "bf16": (16, 7, 127), "fp32": (32, 23, 127),
           "fp64": (64, 52, 1023)}
_SPACES = {"global": 1, "descriptor": 0, "constant": 4}


def validate_block_shape(shape):
    """Number of elements of a tile of that shape; refuses shapes that no tile may have."""
    numel = 1
    for i, dim in enumerate(shape):
        if not isinstance(dim, int):
            raise TypeError(f"Shape element {i} must be an int, got {type(dim)}")
        if dim <= 0 or dim & (dim - 1):
            raise ValueError(f"Shape element {i} must be a power of 2")
        numel *= dim
    if numel > TRITON_MAX_TENSOR_NUMEL:
        raise ValueError(f"a tensor has at most {TRITON_MAX_TENSOR_NUMEL} elements, got {numel}")
    return numel


def _is_name(name):
    return lambda self: self.name == name


class dtype(base_type):
    """An element type. `dtype("fp32")` is the same object as `float32`."""
    SINT_TYPES = ["int8", "int16", "int32", "int64"]
    UINT_TYPES = ["int1", "uint8", "uint16", "uint32", "uint64"]
    FP_TYPES = list(_FLOATS)
    STANDARD_FP_TYPES = ["fp16", "bf16", "fp32", "fp64"]
    OTHER_TYPES = ["void"]

    class SIGNEDNESS(Enum):
        SIGNED = 0
        UNSIGNED = 1

    class KIND(Enum):
        BOOLEAN = 0
        INTEGRAL = 1
        FLOATING = 2

    _interned = {}
    # Facts the rules ask for on every operation, as plain attributes.
    _float = _int = _signed = _ptr = _block = False
    _shape = ()

    def __new__(cls, name="void", *args, **kwargs):
        if cls is not dtype:
            return object.__new__(cls)
        name = _unwrap_if_constexpr(name)
        self = cls._interned.get(name)
        if self is None:
            self = object.__new__(cls)
            self._setup(name)
            cls._interned[name] = self
        return self

    def _setup(self, name):
        known = dtype.SINT_TYPES + dtype.UINT_TYPES + dtype.FP_TYPES + dtype.OTHER_TYPES
        assert name in known, f"{name!r} is no element type; there are {', '.join(known)}"
        self.name = name
        if name in _FLOATS:
            self.primitive_bitwidth, self.fp_mantissa_width, self.exponent_bias = _FLOATS[name]
            self._float = True
        else:
            self.primitive_bitwidth = int(name.lstrip("uint")) if name != "void" else 0
            if name != "void":
                self._int = True
                self._signed = name in dtype.SINT_TYPES
                self.int_bitwidth = self.primitive_bitwidth
                self.int_signedness = dtype.SIGNEDNESS.SIGNED if self._signed else dtype.SIGNEDNESS.UNSIGNED
        self.itemsize = self.primitive_bitwidth // 8
        self._rank = 2 if self._float else 1 if self._int and name != "int1" else 0  # as KIND

    def __reduce__(self):
        return dtype, (self.name,)

    def __deepcopy__(self, memo):
        return self

    def __copy__(self):
        return self

    is_fp8e4nv = _is_name("fp8e4nv")
    is_fp8e4b8 = _is_name("fp8e4b8")
    is_fp8e4b15 = _is_name("fp8e4b15")
    is_fp8e5 = _is_name("fp8e5")
    is_fp8e5b16 = _is_name("fp8e5b16")
    is_fp16 = _is_name("fp16")
    is_bf16 = _is_name("bf16")
    is_fp32 = _is_name("fp32")
    is_fp64 = _is_name("fp64")
    is_int1 = _is_name("int1")
    is_int8 = _is_name("int8")
    is_int16 = _is_name("int16")
    is_int32 = _is_name("int32")
    is_int64 = _is_name("int64")
    is_uint8 = _is_name("uint8")
    is_uint16 = _is_name("uint16")
    is_uint32 = _is_name("uint32")
    is_uint64 = _is_name("uint64")
    is_bool = is_int1

    def is_fp8(self):
        return "fp8" in self.name

    def is_floating(self):
        return self._float

    def is_standard_floating(self):
        return self.name in dtype.STANDARD_FP_TYPES

    def is_int_signed(self):
        return self._signed

    def is_int_unsigned(self):
        return self._int and not self._signed

    def is_int(self):
        return self._int

    def kind(self):
        if self._float:
            return dtype.KIND.FLOATING
        if self._int:
            return dtype.KIND.BOOLEAN if self.name == "int1" else dtype.KIND.INTEGRAL
        raise ValueError(f"{self} has no kind")

    def get_int_max_value(self):
        return 2 ** (self.int_bitwidth - 1) - 1 if self._signed else 2 ** self.int_bitwidth - 1

    def get_int_min_value(self):
        return -2 ** (self.int_bitwidth - 1) if self._signed else 0

    @staticmethod
    def is_dtype(type_str):
        return type_str in dtype.SINT_TYPES + dtype.UINT_TYPES + dtype.FP_TYPES + dtype.OTHER_TYPES

    def is_void(self):
        return self.name == "void"

    def is_block(self):
        return self._block

    def is_ptr(self):
        return self._ptr

    def is_const(self):
        return False

    def __eq__(self, other):
        return self is other or (other.__class__ is constexpr and self is other.value)

    def __ne__(self, other):
        return not self == other

    __hash__ = object.__hash__

    @property
    def scalar(self):
        return self

    def with_element_ty(self, element_ty):
        return element_ty.scalar

    def __str__(self):
        return self.name

    def __repr__(self):
        return f"triton.language.{self.codegen_name()}"

    def codegen_name(self):
        if self.name.startswith("fp"):
            return "float" + self.name[2:]
        if self.name.startswith("bf"):
            return "bfloat" + self.name[2:]
        return self.name

    @property
    def cache_key_part(self):
        return self.name

    _mangled = None

    def mangle(self):
        text = self._mangled
        if text is None:
            text = self._mangled = self._mangle()
        return text

    def _mangle(self):
        if self._int:
            return f"{'i' if self._signed else 'u'}{self.int_bitwidth}"
        return self.name if self._float else "V"

    # ---- IR

    def to_ir(self, builder):
        """The IR type; made once per builder."""
        cache = getattr(builder, "_tl_types", None)
        if cache is None:
            cache = builder._tl_types = {}
        handle = cache.get(self)
        if handle is None:
            handle = cache[self] = self._make_ir(builder)
        return handle

    def _make_ir(self, builder):
        name = self.name
        if name == "void":
            return builder.type_none()
        if self._int:
            return builder.type_int(self.int_bitwidth, 0)
        if name.startswith("fp8"):
            supported = getattr(getattr(builder, "options", None), "supported_fp8_dtypes", None)
            if supported is not None and name not in supported:
                raise ValueError(f"type {name} not supported in this architecture. "
                                 f"The supported fp8 dtypes are {supported}")
            if name == "fp8e4b15":
                return builder.type_int(8, 0)
        return builder.type_float(_FLOAT_KIND[name])

    def _flatten_ir_types(self, builder, out):
        out.append(self.to_ir(builder))

    def _unflatten_ir(self, handles, cursor):
        from .values import tensor
        return tensor(handles[cursor], self), cursor + 1


class pointer_type(dtype):
    """Pointer to elements; `const` ones (arguments annotated `tl.const`) cannot be stored to."""
    _pointers = {}

    def __new__(cls, element_ty, address_space="global", const=False):
        element_ty = _unwrap_if_constexpr(element_ty)
        if not isinstance(element_ty, dtype):
            raise TypeError(f"element_ty has type `{type(element_ty).__name__}`; expected `dtype`.")
        address_space = _unwrap_if_constexpr(address_space)
        if address_space in (0, 1, 4):  # numbers are how releases before 3.9 write it
            address_space = {0: "descriptor", 1: "global", 4: "constant"}[address_space]
        key = (element_ty, address_space, bool(_unwrap_if_constexpr(const)))
        self = cls._pointers.get(key)
        if self is None:
            self = object.__new__(cls)
            self.element_ty, self.address_space, self.const = key
            self.name = f"{'const_' if self.const else ''}pointer<{element_ty}>"
            self._ptr = True
            self._rank = 3
            self.primitive_bitwidth, self.itemsize = 64, 8
            cls._pointers[key] = self
        return self

    def __reduce__(self):
        return pointer_type, (self.element_ty, self.address_space, self.const)

    def is_const(self):
        return self.const

    def __repr__(self):
        return self.name

    def _mangle(self):
        return f"P{self.element_ty.mangle()}"

    def _make_ir(self, builder):
        space = "constant" if self.const else self.address_space
        if space not in _SPACES:
            raise ValueError(f"unknown address space {space!r} of a pointer; there are {', '.join(_SPACES)}")
        return builder.type_ptr(self.element_ty.to_ir(builder), _SPACES[space])


class block_type(dtype):
    """A tile: elements (or pointers) of a shape of powers of two."""
    _blocks = {}

    def __new__(cls, element_ty, shape):
        dims = _py.tuple(shape) if shape.__class__ in (list, _py.tuple) else _py.tuple(_unwrap_shape(shape))
        key = (element_ty, dims)
        try:
            self = cls._blocks.get(key)
        except TypeError:
            self = None
        if self is None:
            dims = _py.tuple(_unwrap_shape(dims))
            if not dims:
                raise TypeError("0d block_type is forbidden")
            numel = validate_block_shape(dims)
            element_ty = _unwrap_if_constexpr(element_ty)
            key = (element_ty, dims)
            self = cls._blocks.get(key)
            if self is None:
                self = object.__new__(cls)
                self.element_ty, self._shape = key
                self.numel = numel
                self._block = True
                self.name = f"<{list(dims)}, {element_ty}>"
                self._others = {element_ty: self}
                cls._blocks[key] = self
        return self

    def __reduce__(self):
        return block_type, (self.element_ty, self._shape)

    @property
    def shape(self):
        shape = self.__dict__.get("_tl_shape")
        if shape is None:
            from .values import tuple as tl_tuple
            shape = self._tl_shape = tl_tuple(self._shape)
        return shape

    def get_block_shapes(self):
        return self.shape

    def with_element_ty(self, element_ty):
        other = self._others.get(element_ty)
        if other is None:
            scalar = element_ty.scalar
            other = self._others[element_ty] = block_type(scalar, self._shape)
        return other

    @property
    def scalar(self):
        return self.element_ty

    @property
    def primitive_bitwidth(self):
        return self.element_ty.primitive_bitwidth

    @property
    def nbytes(self):
        return self.numel * (self.element_ty.primitive_bitwidth // 8)

    def __repr__(self):
        return self.name

    def _mangle(self):
        return f"{self.element_ty.mangle()}S{'_'.join(map(str, self._shape))}S"

    def _make_ir(self, builder):
        return builder.type_tensor(self.element_ty.to_ir(builder), self._shape)


class tuple_type(base_type):
    """Type of a tuple; `fields` are the names if it is a named tuple."""

    def __init__(self, types, fields=None):
        self.types = types
        self.fields = fields

    @property
    def name(self):
        if self.fields is None:
            return "[" + ",".join(str(t) for t in self.types) + "]"
        return "[" + ",".join(f"{f}:{t}" for f, t in zip(self.fields, self.types)) + "]"

    def __str__(self):
        return self.name

    __repr__ = __str__

    def __iter__(self):
        return iter(self.types)

    def __len__(self):
        return len(self.types)

    def __getitem__(self, index):
        return self.types[index]

    def __eq__(self, other):
        return type(self) is type(other) and list(self.types) == list(other.types) and self.fields == other.fields

    def __hash__(self):
        return hash((_py.tuple(self.types), self.fields and _py.tuple(self.fields)))

    def mangle(self):
        return "T" + "_".join(t.mangle() for t in self.types) + "T"

    def _flatten_ir_types(self, builder, out):
        for t in self.types:
            t._flatten_ir_types(builder, out)

    def _unflatten_ir(self, handles, cursor):
        from .values import tuple as tl_tuple
        values = []
        for t in self.types:
            value, cursor = t._unflatten_ir(handles, cursor)
            values.append(value)
        return tl_tuple(values, self), cursor


class slice_type(dtype):
    """Type of a slice in a subscript."""

    def __new__(cls):
        self = object.__new__(cls)
        self.name = "slice_type"
        return self

    def __init__(self):
        pass

    def __reduce__(self):
        return slice_type, ()


void = dtype("void")
int1 = dtype("int1")
int8 = dtype("int8")
int16 = dtype("int16")
int32 = dtype("int32")
int64 = dtype("int64")
uint8 = dtype("uint8")
uint16 = dtype("uint16")
uint32 = dtype("uint32")
uint64 = dtype("uint64")
float8e5 = dtype("fp8e5")
float8e5b16 = dtype("fp8e5b16")
float8e4nv = dtype("fp8e4nv")
float8e4b8 = dtype("fp8e4b8")
float8e4b15 = dtype("fp8e4b15")
float16 = dtype("fp16")
bfloat16 = dtype("bf16")
float32 = dtype("fp32")
float64 = dtype("fp64")
pi32_t = pointer_type(int32)

_INTS = {(t.int_bitwidth, t._signed): t for t in (int8, int16, int32, int64, uint8, uint16, uint32, uint64)}


def get_int_dtype(bitwidth, signed):
    """The integer type of that width."""
    bitwidth, signed = _unwrap_if_constexpr(bitwidth), bool(_unwrap_if_constexpr(signed))
    if bitwidth == 1:
        return int1
    if (bitwidth, signed) not in _INTS:
        raise ValueError(f"Unsupported bitwidth {bitwidth} and signedness {signed}")
    return _INTS[bitwidth, signed]


_SIGNATURE_NAMES = {t.mangle(): t for t in (int8, int16, int32, int64, uint8, uint16, uint32, uint64, float8e5,
                                            float8e5b16, float8e4nv, float8e4b8, float8e4b15, float16, bfloat16,
                                            float32, float64)}
_SIGNATURE_NAMES.update({"i1": int1, "u1": int1, "B": int1})


def str_to_ty(name, c=None):
    """The type that a signature string names ("*fp32", "i32", "tensordesc<fp16[64, 64]>"); `c` is the value of a
    "constexpr"."""
    if isinstance(name, _py.tuple):
        return tuple_type([str_to_ty(n, v) for n, v in zip(name, c if isinstance(c, _py.tuple) else [c] * len(name))],
                          getattr(type(name), "_fields", None))
    known = _SIGNATURE_NAMES.get(name)
    if known is not None:
        return known
    if name[:1] == "*":
        const = name[1:2] == "k"
        return pointer_type(str_to_ty(name[2 if const else 1:], None), const=const)
    if name.startswith("tensordesc"):
        return _descriptor_from_str(name)
    if name.startswith("constexpr"):
        return constexpr_type(c)
    raise KeyError(f"{name!r} is no type of a signature")


def _descriptor_from_str(name):
    from .descriptor import tensor_descriptor_type
    if name.startswith("tensordesc_im2col"):
        raise NotImplementedError("not implemented: descriptors of kind im2col")
    head, _, rest = name.partition("<")
    element, _, rest = rest.partition("[")
    dims, _, rest = rest.partition("]")
    if rest.rstrip(">"):
        raise NotImplementedError(f"not implemented: the layout of {name!r}")
    shape = [int(d) for d in dims.split(",")]
    block = block_type(str_to_ty(element.strip(), None), shape)
    return tensor_descriptor_type(block, tuple_type([int32] * len(shape)), tuple_type([int64] * len(shape)))
