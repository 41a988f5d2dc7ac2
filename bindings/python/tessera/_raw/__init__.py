# SPDX-License-Identifier: MIT
"""The C ABI of the five libraries, as it is: `from tessera._raw import tir`, then `tir.tir_module_parse(...)`.

Each of tir, tcodegen, tdriver, tcache, tkernels is a module whose attributes are the library's functions under their
C names, its constants, its structs (ctypes.Structure; `.init(field=value)` is the _INIT macro) and its callback types.
The library is opened at the first use of one of its functions. How Python values become C ones:

  handles, void *      int, None for NULL; ctypes objects by their address; what comes back is an int, or None
  const char *         str (UTF-8), bytes or None; comes back as str or None
  text or bytes + size bytes, str, anything with a buffer, an address; the size may be None: all of it
  counted arrays       list, tuple, ctypes array, anything with a buffer of the element's size, None; the count may be
                       None: all of it. Too few elements for the count are refused
  integers             anything with __index__ in range; else OverflowError
  X *out               a cell: `cell = ref(ctypes.c_uint32)`, later `cell.value`; `ref()` is a cell for a handle
  const X_params *     a struct of that class or None
  callbacks            an instance of the callback type, which the caller keeps alive; a plain callable is wrapped for
                       the time of the call; None
  status               int; `check(tir, status)` raises tessera.Error with the library's sentence

Functions of plain parameters come from the extension `_fast` (full C API) or `_fast_abi3` (stable ABI) where one was
built: about 0.1 us a call. The rest, and all of them without it, go through ctypes, with the same meaning.
TESSERA_PYTHON_FAST=0 forces ctypes, =abi3 the second build."""

import ctypes
import os
import sys
from _thread import RLock

from tessera import _errors

LIBRARIES = ("tir", "tcodegen", "tdriver", "tcache", "tkernels")

_SCALARS = {
    "b": ctypes.c_int8,
    "B": ctypes.c_uint8,
    "h": ctypes.c_int16,
    "H": ctypes.c_uint16,
    "i": ctypes.c_int32,
    "I": ctypes.c_uint32,
    "q": ctypes.c_int64,
    "Q": ctypes.c_uint64,
    "N": ctypes.c_size_t,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
    "c": ctypes.c_char,
    "p": ctypes.c_void_p,
    "s": ctypes.c_char_p,
}
_RANGES = {
    "b": (-1 << 7, (1 << 7) - 1, "i8"),
    "B": (0, (1 << 8) - 1, "u8"),
    "h": (-1 << 15, (1 << 15) - 1, "i16"),
    "H": (0, (1 << 16) - 1, "u16"),
    "i": (-1 << 31, (1 << 31) - 1, "i32"),
    "I": (0, (1 << 32) - 1, "u32"),
    "q": (-1 << 63, (1 << 63) - 1, "i64"),
    "Q": (0, (1 << 64) - 1, "u64"),
    "N": (0, (1 << 64) - 1, "usize"),
}


def __getattr__(name):
    if name in LIBRARIES:
        import importlib

        return importlib.import_module("tessera._raw." + name)
    raise AttributeError(f"module 'tessera._raw' has no attribute '{name}'")


def ref(ctype=ctypes.c_void_p, value=None):
    """A cell for an out parameter; `.value` is what is in it, None for a NULL handle."""
    return ctype() if value is None else ctype(value)


def check(library, status):
    """Raises the tessera.Error for a status that is not 0. library: one of the modules, or its name."""
    if status:
        name = library if isinstance(library, str) else library.NAME
        module = sys.modules["tessera._raw." + name]
        raise _errors.from_status(status, getattr(module, name + "_last_message")(), name)


def collect(library, function, *arguments):
    """Calls a function that gives its output to a write callback, and returns the bytes. `arguments` leaves callback
    and user out; an out parameter behind them may be given."""
    signature = _signature(library, function)
    place = next(i for i, (_, token) in enumerate(signature[1]) if token.endswith("_write_fn"))
    pieces = []

    def write(user, data, size):
        pieces.append(ctypes.string_at(data, size))
        return 0

    full = (*arguments[:place], write, None, *arguments[place:])
    check(library, getattr(library, function)(*full))
    return b"".join(pieces)


# ---- where the libraries are ----


def library_folders():
    """Folders in which libraries are looked for, in order: $TESSERA_LIBRARY_PATH, the package's own, those beside it.
    After them comes the system's order."""
    folders = [folder for folder in os.environ.get("TESSERA_LIBRARY_PATH", "").split(":") if folder]
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    above = os.path.dirname(package)
    folders += [
        package,
        os.path.join(package, "lib"),
        os.path.join(above, "lib"),
        os.path.join(os.path.dirname(above), "lib"),
    ]
    try:
        from tessera._raw import _installed  # written by an installation whose libraries are elsewhere

        folders.append(os.path.normpath(os.path.join(package, _installed.LIBRARIES)))
    except ImportError:
        pass
    # In a build directory the package is in python/, and each library in a folder of its name.
    folders += [os.path.join(os.path.dirname(above), "lib" + name) for name in LIBRARIES]
    return folders


_opened = {}
_lock = RLock()
os.register_at_fork(after_in_child=_lock._at_fork_reinit)


def open_library(name, soname):
    """The ctypes.CDLL of a library, opened once."""
    if name not in _opened:
        for folder in library_folders():
            path = os.path.join(folder, soname)
            if os.path.exists(path):
                break
        else:
            path = soname
        try:
            _opened[name] = ctypes.CDLL(path)
        except OSError as error:
            raise _errors.NotFoundError(
                f"cannot open {soname} ({error}); looked in {', '.join(library_folders())} and where the system looks; "
                f"TESSERA_LIBRARY_PATH names folders to look in first",
                5,
                name,
            ) from None
    return _opened[name]


# ---- the extension ----


def _load_fast():
    import importlib
    import tessera._raw.tir as tir

    wanted = os.environ.get("TESSERA_PYTHON_FAST", "1")
    if sys.version_info < (3, 11):
        return None  # older than the stable ABI that _fast_abi3 is made for; they would load it all the same
    builds = {"0": (), "off": (), "no": (), "abi3": ("_fast_abi3",)}.get(wanted, ("_fast", "_fast_abi3"))
    for name in builds:
        try:
            extension = importlib.import_module("tessera._raw." + name)
        except ImportError:
            continue
        if extension.API == tir.API:  # one built from other headers is as good as none
            return extension
    return None


_extension = False
_connected = set()  # libraries whose functions the extension knows


def fast():
    """The extension, or None."""
    global _extension
    if _extension is False:
        _extension = _load_fast()
        if _extension is not None:
            _extension.set_slow(_slow)
    return _extension


def _slow(name):
    """The ctypes form of a function; the extension hands it every call that it does not take itself."""
    module = sys.modules["tessera._raw." + name[: name.index("_")]]
    return _function(module, name)


# ---- making attributes ----


def lookup(module, name):
    """Makes the attribute `name` of one of the library modules, at its first use."""
    with _lock:  # two classes of one struct would not take each other's instances
        return module.__dict__[name] if name in module.__dict__ else _make(module, name)


def _make(module, name):
    if name in module.FUNCTIONS:
        extension = fast()
        value = getattr(extension, name, None) if extension is not None else None
        if value is None:
            value = _function(module, name)
        elif module.NAME not in _connected:
            extension.open(module.NAME, open_library(module.NAME, module.SONAME)._handle)
            _connected.add(module.NAME)
    elif name in module.STRUCTS:
        value = _struct(module, name)
    elif name in module.CALLBACKS:
        value = _callback_type(module, module.CALLBACKS[name])
    else:
        raise AttributeError(f"lib{module.NAME} has no '{name}'")
    setattr(module, name, value)
    return value


def _signature(module, name):
    """(result token, [(parameter, token)]) of a function."""
    result, *rest = module.FUNCTIONS[name].split()
    return result, [tuple(item.split(":", 1)) for item in rest]


def _ctype(module, token):
    """The ctypes type of a value, field or pointee by its token."""
    if token in _SCALARS:
        return _SCALARS[token]
    if token[0] == "=":  # a struct by value
        return getattr(module, token[1:])
    if token[0] == "{":  # an inline array: {3I
        digits = token[1:].rstrip("=_abcdefghijklmnopqrstuvwxyzBHINQ")
        return _ctype(module, token[1 + len(digits) :]) * int(digits)
    if token[0] == "@":
        return _callback_type(module, module.CALLBACKS[token[1:]], token[1:])
    if token[0] == "(":
        return _callback_type(module, token[1:-1].replace(",", " "))
    return ctypes.c_void_p


_callback_types = {}


def _callback_type(module, signature, name=None):
    key = (module.NAME, signature)
    if key not in _callback_types:
        result, *parameters = signature.split()
        types = [_ctype(module, p.split(":", 1)[-1]) for p in parameters]
        _callback_types[key] = ctypes.CFUNCTYPE(None if result == "-" else _ctype(module, result), *types)
    return _callback_types[key]


def _encode(value):
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _decode(value):
    return None if value is None else value.decode("utf-8", "surrogateescape")


# ---- arguments ----


def _wrong(what, name, value, expected):
    return TypeError(f"{what}: argument '{name}' is {type(value).__name__}, expected {expected}")


def _integer(token):
    low, high, spelled = _RANGES[token]

    def convert(what, name, value):
        try:
            value = value.__index__()
        except AttributeError:
            raise _wrong(what, name, value, "an integer") from None
        if not low <= value <= high:
            raise OverflowError(f"{what}: argument '{name}' is {value}, out of range of {spelled}")
        return value

    return convert


def _float(what, name, value):
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _wrong(what, name, value, "a number") from None


def _address(what, name, value):
    """An address: int, None, or that of a ctypes object's memory (a pointer's or handle cell's value)."""
    if value is None:
        return 0
    if isinstance(value, int):
        if not 0 <= value < 1 << 64:
            raise OverflowError(f"{what}: argument '{name}' is {value}, no address")
        return value
    if isinstance(value, (ctypes.c_void_p, ctypes.c_char_p)):
        return ctypes.cast(value, ctypes.c_void_p).value or 0
    if isinstance(value, (ctypes._Pointer, ctypes._CFuncPtr)):
        return ctypes.cast(value, ctypes.c_void_p).value or 0
    if isinstance(value, (ctypes.Structure, ctypes.Array, ctypes._SimpleCData)):
        return ctypes.addressof(value)
    if hasattr(value, "__index__"):
        return _address(what, name, value.__index__())
    raise _wrong(what, name, value, "a handle or address (int), None or a ctypes object")


def _string(what, name, value):
    if value is None or isinstance(value, bytes):
        data = value
    elif isinstance(value, str):
        data = _encode(value)
    else:
        raise _wrong(what, name, value, "str, bytes or None")
    if data is not None and b"\0" in data:
        raise ValueError(f"{what}: argument '{name}' has a NUL character in it")
    return data


def _buffer(what, name, value, writable=False):
    """(address, bytes, what keeps it alive) of an object with a buffer."""
    import numpy

    try:
        view = memoryview(value)
    except TypeError:
        raise _wrong(what, name, value, "a list, an object with a buffer, or None") from None
    if not view.c_contiguous:
        raise ValueError(f"{what}: argument '{name}' is not contiguous")
    if writable and view.readonly:
        raise ValueError(f"{what}: argument '{name}' is read-only")
    if view.nbytes == 0:
        return 0, 0, view
    array = numpy.frombuffer(view, numpy.uint8)
    return array.ctypes.data, view.nbytes, (view, array)


def _counted(what, name, value, element, ctype, keep, writable):
    """(address, number of elements or None if it is not known) of an array argument."""
    if value is None:
        return 0, 0
    if isinstance(value, (list, tuple)):
        if writable:
            raise _wrong(what, name, value, "a ctypes array or an object with a writable buffer")
        if element == "s":
            items = [_string(what, name, v) for v in value]
            keep.append(items)
        elif element == "p":
            items = [_address(what, name, v) for v in value]
            keep.append(value)
        elif element in _RANGES:
            convert = _integer(element)
            items = [convert(what, name, v) for v in value]
        elif element[0] == "=":
            items = list(value)
            for item in items:
                if not isinstance(item, ctype):
                    raise _wrong(what, name, item, f"structs {ctype.__name__}")
        else:
            items = list(value)
        array = (ctype * len(items))(*items)
        keep.append(array)
        return ctypes.addressof(array), len(items)
    if isinstance(value, ctypes.Array):
        if ctypes.sizeof(value._type_) != ctypes.sizeof(ctype):
            raise TypeError(
                f"{what}: argument '{name}' has elements of {ctypes.sizeof(value._type_)} bytes, "
                f"expected {ctypes.sizeof(ctype)}"
            )
        keep.append(value)
        return ctypes.addressof(value), len(value)
    if isinstance(value, ctype):
        keep.append(value)
        return ctypes.addressof(value), 1
    if isinstance(value, (int, ctypes.c_void_p, ctypes._Pointer)):
        return _address(what, name, value), None
    address, size, alive = _buffer(what, name, value, writable)
    keep.append(alive)
    return address, size // ctypes.sizeof(ctype)


def _function(module, name):
    """The ctypes form of a function."""
    result_token, parameters = _signature(module, name)
    function = getattr(open_library(module.NAME, module.SONAME), name)
    function.restype = None if result_token == "-" else _SCALARS[result_token]
    types, plain, special = [], [], []
    for place, (parameter, token) in enumerate(parameters):
        if token in _RANGES:
            types.append(_SCALARS[token])
            plain.append((place, parameter, _integer(token)))
        elif token in "fd":
            types.append(_SCALARS[token])
            plain.append((place, parameter, _float))
        elif token == "s":
            types.append(ctypes.c_char_p)
            plain.append((place, parameter, _string))
        elif token == "p":
            types.append(ctypes.c_void_p)
            plain.append((place, parameter, _address))
        else:
            types.append(ctypes.c_void_p)
            special.append((place, parameter, token, _special(module, token)))
    function.argtypes = types
    count = len(parameters)
    names = ", ".join(parameter for parameter, _ in parameters)
    counters = {int(token.split("#")[1]) for _, token in parameters if "#" in token}

    def call(*arguments):
        if len(arguments) != count:
            raise TypeError(f"{name} takes {count} arguments ({names}), got {len(arguments)}")
        values, keep = list(arguments), []
        for place, parameter, token, convert in special:
            values[place] = convert(name, parameter, values, place, keep)
        for place, parameter, convert in plain:
            if values[place] is None and place in counters:
                raise TypeError(f"{name}: '{parameter}' is None and its array has no length of its own")
            values[place] = convert(name, parameter, values[place])
        answer = function(*values)
        return _decode(answer) if result_token == "s" else answer

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{name}({names})"
    return call


def _special(module, token):
    """Converter of an argument that is neither number, string nor handle."""
    kind, rest = token[0], token[1:]
    if kind == "S":  # const struct *

        def convert(what, name, values, place, keep):
            value = values[place]
            ctype = getattr(module, rest)
            if isinstance(value, ctype):
                return ctypes.addressof(value)
            if value is None or isinstance(value, int):
                return value
            if isinstance(value, ctypes._Pointer):
                return _address(what, name, value)
            raise _wrong(what, name, value, f"{rest} or None")

    elif kind == "o":  # one value out

        def convert(what, name, values, place, keep):
            value = values[place]
            ctype = _ctype(module, rest)
            if value is None or isinstance(value, int):
                return value
            if isinstance(value, (ctypes._SimpleCData, ctypes.Structure, ctypes.Array)):
                if ctypes.sizeof(value) < ctypes.sizeof(ctype):
                    raise TypeError(
                        f"{what}: the cell '{name}' has {ctypes.sizeof(value)} bytes, "
                        f"{ctypes.sizeof(ctype)} are written"
                    )
                return ctypes.addressof(value)
            try:
                address, size, alive = _buffer(what, name, value, True)
            except TypeError:
                raise _wrong(what, name, value, f"a cell (ref({ctype.__name__})) or None") from None
            if size < ctypes.sizeof(ctype):
                raise TypeError(
                    f"{what}: the cell '{name}' has {size} bytes, {ctypes.sizeof(ctype)} are written"
                )
            keep.append(alive)
            return address

    elif kind == "@":  # callback

        def convert(what, name, values, place, keep):
            value = values[place]
            ctype = getattr(module, rest)
            if value is None:
                return None
            if isinstance(value, int):
                return value
            if not isinstance(value, ctypes._CFuncPtr):
                if not callable(value):
                    raise _wrong(what, name, value, "a callable or None")
                value = ctype(value)
                keep.append(value)
            return ctypes.cast(value, ctypes.c_void_p)

    elif kind == "b":  # bytes: b#4
        counter = int(rest[1:])

        def convert(what, name, values, place, keep):
            value = values[place]
            if value is None:
                address, size = 0, 0
            elif isinstance(value, (str, bytes)):
                value = _encode(value)
                keep.append(value)
                address, size = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p).value, len(value)
            elif isinstance(value, (int, ctypes.c_void_p, ctypes._Pointer)):
                address, size = _address(what, name, value), None
            else:
                address, size, alive = _buffer(what, name, value)
                keep.append(alive)
            _count(what, name, values, counter, size, "bytes", value)
            return address

    elif kind in "ax":  # array in or out: aq#1, aI=3, aQ?
        element, separator, bound = _split_array(rest)
        writable = kind == "x"

        def convert(what, name, values, place, keep):
            ctype = _ctype(module, element)
            address, size = _counted(what, name, values[place], element, ctype, keep, writable)
            if separator == "#":
                _count(what, name, values, bound, size, "elements", values[place])
            elif separator == "=" and size is not None and values[place] is not None and size < bound:
                raise ValueError(f"{what}: argument '{name}' has {size} elements, expected {bound}")
            return address

    else:
        raise AssertionError(token)
    return convert


def _split_array(token):
    if token.endswith("?"):
        return token[:-1], "?", 0
    if "#" in token:
        element, bound = token.split("#")
        return element, "#", int(bound)
    place = token.rindex("=")
    return token[:place], "=", int(token[place + 1 :])


class _Length(int):
    """A count that was taken from an array."""


def _count(what, name, values, counter, size, unit, value):
    """Fills a count that is None, and refuses one that the array does not have."""
    wanted = values[counter]
    if wanted is None:
        if size is not None:
            values[counter] = _Length(size)
    elif isinstance(wanted, _Length) and size != wanted:
        raise ValueError(
            f"{what}: argument '{name}' has {size} {unit}, another array of the same count has {wanted}"
        )
    elif (
        size is not None and value is not None and hasattr(wanted, "__index__") and wanted.__index__() > size
    ):
        raise ValueError(f"{what}: argument '{name}' has {size} {unit}, the count says {wanted}")


# ---- structs ----


class Struct(ctypes.Structure):
    """What the struct classes have in common: text fields take and give str, array fields take lists, callback fields
    take callables; whatever a field was set to lives as long as the struct."""

    _defaults = {}
    _sized = False

    @classmethod
    def init(cls, **fields):
        """The value of the struct's _INIT macro, with some fields set."""
        value = cls()
        if cls._sized:
            value.struct_size = ctypes.sizeof(cls)
        for name, default in cls._defaults.items():
            setattr(
                value,
                name,
                default if not isinstance(default, list) else type(getattr(value, name))(*default),
            )
        for name, field in fields.items():
            if not hasattr(cls, name):
                raise AttributeError(f"{cls.__name__} has no field '{name}'")
            setattr(value, name, field)
        return value

    def keep(self, name, value):
        if "_kept" not in self.__dict__:
            self._kept = {}
        self._kept[name] = value

    def __setattr__(self, name, value):
        if name != "_kept" and not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no field '{name}'")
        super().__setattr__(name, value)


def _text_field(name):
    def get(self):
        return _decode(getattr(self, "raw_" + name))

    def put(self, value):
        setattr(self, "raw_" + name, _string(type(self).__name__, name, value))

    return property(get, put)


def _pointer_field(module, name, element):
    def get(self):
        return getattr(self, "raw_" + name)

    def put(self, value):
        if value is None or isinstance(value, int):
            address = value
        else:
            keep = []
            ctype = _ctype(module, element) if element else ctypes.c_uint8
            if isinstance(value, ctypes.Structure):
                address = ctypes.addressof(value)
            elif isinstance(value, bytes) and not element:
                address = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p).value
            else:
                address, _ = _counted(type(self).__name__, name, value, element or "B", ctype, keep, False)
            self.keep(name, (value, keep))
        setattr(self, "raw_" + name, address)

    return property(get, put)


def _callback_field(module, name, ctype):
    def get(self):
        return getattr(self, "raw_" + name)

    def put(self, value):
        if value is None:
            value = ctype()
        elif not isinstance(value, ctypes._CFuncPtr):
            value = ctype(value)
        self.keep(name, value)
        setattr(self, "raw_" + name, ctypes.cast(value, ctype))

    return property(get, put)


def _struct(module, name):
    line, defaults = module.STRUCTS[name]
    fields, properties = [], {"_defaults": defaults, "__slots__": ()}
    for item in line.split():
        field, token = item.split(":", 1)
        if token == "s":
            fields.append(("raw_" + field, ctypes.c_char_p))
            properties[field] = _text_field(field)
        elif token[0] in "aSv":  # arrays, structs, void *: by address
            fields.append(("raw_" + field, ctypes.c_void_p))
            properties[field] = _pointer_field(
                module, field, token[1:].split("#")[0].split("?")[0] if token[0] == "a" else ""
            )
        elif token[0] in "@(":
            ctype = _ctype(module, token)
            fields.append(("raw_" + field, ctype))
            properties[field] = _callback_field(module, field, ctype)
        else:
            fields.append((field, _ctype(module, token)))
    del properties["__slots__"]
    properties["_sized"] = fields[0][0] == "struct_size"
    properties["_fields_"] = fields
    return type(Struct)(name, (Struct,), properties)
