# SPDX-License-Identifier: MIT
"""Sessions: compile IR that somebody wrote or exported, and launch it on numpy arrays.

session = tessera.Session("cpu")
add = session.compile("add.ttir")
add[(4,)](x, y, z, x.size)
"""

import ctypes
import os
import struct
from _thread import allocate_lock

import numpy

from tessera import _errors, _raw
from tessera._raw import tdriver, tkernels


class Device:
    """One device of this machine: `name` is what Session takes; the rest is asked of the driver when it is wanted."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"tessera.Device({self.name!r})"

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        with _Opened(self.name) as device:
            info = device.info()
        if name not in info:
            raise AttributeError(f"a device has no '{name}'; there are name, {', '.join(info)}")
        self.__dict__.update(info)
        return info[name]


def devices():
    """All devices that this process could open, as a list of Device: "cpu", "null", one "cuda:N" for each GPU ..."""
    count = _raw.ref(ctypes.c_uint32)
    _raw.check(tdriver, tdriver.tdriver_device_count(_driver(), count))
    found = []
    for i in range(count.value):
        name = _raw.ref(ctypes.c_char_p)
        _raw.check(tdriver, tdriver.tdriver_device_name(_driver(), i, name))
        found.append(Device(name.value.decode()))
    return found


_the_driver = None
_driver_lock = allocate_lock()
os.register_at_fork(after_in_child=_driver_lock._at_fork_reinit)


def _driver():
    """The process's driver; it starts no thread and opens no vendor library before it is used."""
    global _the_driver
    with _driver_lock:
        if _the_driver is None:
            handle = _raw.ref()
            _raw.check(tdriver, tdriver.tdriver_create(None, handle))
            _the_driver = handle.value
    return _the_driver


class _Opened:
    """A handle of a device, closed at the end."""

    def __init__(self, name):
        handle = _raw.ref()
        _raw.check(tdriver, tdriver.tdriver_device_open(_driver(), name, handle))
        self.handle = handle.value

    def info(self):
        info = tdriver.tdriver_device_info.init()
        _raw.check(tdriver, tdriver.tdriver_device_get_info(self.handle, info))
        names = [name.removeprefix("raw_") for name, _ in info._fields_]
        values = {name: getattr(info, name) for name in names if name not in ("struct_size", "name")}
        values["max_grid"] = tuple(values["max_grid"])
        return values

    def close(self):
        if self.handle:
            tdriver.tdriver_device_close(self.handle)
            self.handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- arguments ----

# kind -> name, numpy dtypes that an array of it may have (ml_dtypes' by name), format of struct, bits
_KINDS = {
    2: ("i1", ("bool", "int8", "uint8"), "B", 1),
    3: ("i8", ("int8", "uint8"), "B", 8),
    4: ("i16", ("int16", "uint16"), "H", 16),
    5: ("i32", ("int32", "uint32"), "I", 32),
    6: ("i64", ("int64", "uint64"), "Q", 64),
    7: ("f16", ("float16",), "e", 0),
    8: ("bf16", ("bfloat16", "uint16", "int16"), "H", 0),
    9: ("f32", ("float32",), "f", 0),
    10: ("f64", ("float64",), "d", 0),
    11: ("f8E4M3FN", ("float8_e4m3fn", "uint8", "int8"), "B", 0),
    12: ("f8E5M2", ("float8_e5m2", "uint8", "int8"), "B", 0),
    13: ("f8E4M3FNUZ", ("float8_e4m3fnuz", "uint8", "int8"), "B", 0),
    14: ("f8E5M2FNUZ", ("float8_e5m2fnuz", "uint8", "int8"), "B", 0),
}


class Argument:
    """One argument of a kernel's signature."""

    def __init__(self, info, index):
        self.index = index
        self.name = info.name or f"argument {index}"
        self.kind, self.element, self.offset, self.size = info.kind, info.element, info.offset, info.size
        self.is_pointer = info.kind == tdriver.TDRIVER_KIND_PTR
        self.is_constant = bool(info.flags & tdriver.TDRIVER_ARGUMENT_CONSTANT)
        self.is_written = bool(info.flags & tdriver.TDRIVER_ARGUMENT_WRITTEN)
        self.divisibility = max(info.divisibility, 1)

    @property
    def type(self):
        """`i32`, `*f32`: as a signature spells it."""
        if self.is_pointer:
            return "*" + (_KINDS[self.element][0] if self.element in _KINDS else "?")
        return _KINDS[self.kind][0] if self.kind in _KINDS else "tensordesc"

    def __repr__(self):
        return f"{self.name}: {self.type}"

    def fail(self, text, kind=TypeError):
        raise kind(f"argument '{self.name}' ({self.type}): {text}")

    def scalar(self, value):
        """Bytes of a number."""
        name, _, form, bits = _KINDS[self.kind]
        if isinstance(value, numpy.generic):
            value = value.item()
        if not isinstance(value, (int, float)):
            self.fail(f"expected a number, got {type(value).__name__}")
        if bits:
            if isinstance(value, float):
                self.fail(f"expected an integer, got the float {value!r}")
            low, high = (0, 1) if bits == 1 else (-1 << (bits - 1), (1 << bits) - 1)
            if not low <= value <= high:
                self.fail(f"{value} is out of range", OverflowError)
            if value % self.divisibility:
                self.fail(
                    f"{value} is not a multiple of {self.divisibility}, which the IR promises", ValueError
                )
            return struct.pack("<" + form, value & ((1 << max(bits, 8)) - 1))
        if name in ("f16", "f32", "f64"):
            with numpy.errstate(over="ignore"):
                return numpy.array(value, {"f16": "<f2", "f32": "<f4", "f64": "<f8"}[name]).tobytes()
        if name == "bf16":
            return _bfloat16(value)
        self.fail("8-bit floats cannot be passed by value")

    def check_address(self, address):
        if address % self.divisibility:
            self.fail(
                f"its address is not a multiple of {self.divisibility}, which the IR promises", ValueError
            )

    def check_array(self, array):
        if array.dtype.name not in _KINDS.get(self.element, ("", ()))[1]:
            self.fail(
                f"expected an array of {' or '.join(_KINDS[self.element][1][:2])}, got one of {array.dtype}"
            )
        if not array.dtype.isnative:
            self.fail(f"its elements are in foreign byte order ({array.dtype.str})", ValueError)
        if not array.flags.c_contiguous:
            self.fail("the array is not contiguous; numpy.ascontiguousarray makes a copy that is", ValueError)
        if self.is_written and not array.flags.writeable:
            self.fail("the array is read-only and the kernel may write to it", ValueError)


def _bfloat16(value):
    """Rounded to nearest even from the double itself: through f32 it would be rounded twice."""
    single = numpy.float32(value)
    if numpy.isnan(single):
        return struct.pack("<H", 0x7FC0)
    if (
        not numpy.isinf(single) and float(single) != value
    ):  # round to odd, so that the second rounding is right
        bits = int(single.view(numpy.uint32))
        if not bits & 1:
            toward = numpy.float32(numpy.inf if value > float(single) else -numpy.inf)
            single = numpy.nextafter(single, toward)
    bits = int(single.view(numpy.uint32))
    return struct.pack("<H", (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 & 0xFFFF)


def _foreign_pointer(value):
    """Address of memory on a GPU that another library made, or None."""
    interface = getattr(value, "__cuda_array_interface__", None)
    if interface is None:
        return None
    if interface.get("strides") is not None:
        shape, strides = interface["shape"], interface["strides"]
        expected = numpy.dtype(interface["typestr"]).itemsize
        for extent, stride in zip(reversed(shape), reversed(strides)):
            if extent > 1 and stride != expected:
                raise ValueError("the array is not contiguous")
            expected *= extent
    return interface


class Kernel:
    """A compiled, loaded kernel: `kernel[grid](arguments...)`. Arguments stand in the order of the signature, without
    those that were bound when it was compiled, or come by name."""

    def __init__(self, session, handle):
        self._session, self._handle = session, handle
        self._driver_handle = tkernels.tkernels_kernel_handle(handle)
        info = tdriver.tdriver_kernel_info.init()
        _raw.check(tdriver, tdriver.tdriver_kernel_get_info(self._driver_handle, info))
        self.name, self.target, self.options = info.entry, info.target, info.options
        self.params_size, self.shared_bytes, self.threads = info.params_size, info.shared_bytes, info.threads
        self._stages = info.stage_count
        self.arguments = []
        for i in range(info.argument_count):
            argument = tdriver.tdriver_argument_info.init()
            _raw.check(tdriver, tdriver.tdriver_kernel_get_argument(self._driver_handle, i, argument))
            self.arguments.append(Argument(argument, i))
        self._given = [a for a in self.arguments if not a.is_constant]

    def __del__(self):
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            tkernels.tkernels_kernel_release(handle)

    def __repr__(self):
        return f"<tessera.Kernel {self.name}({', '.join(map(repr, self.arguments))}) for {self.target}>"

    @property
    def key(self):
        """The key under which the cache has it: 64 hex digits."""
        return tkernels.tkernels_kernel_key(self._handle)

    @property
    def stages(self):
        """Texts of the stages of compilation by name, where Session.compile(keep_stages=True) asked for them."""
        texts = {}
        for i in range(self._stages):
            name, text, size = _raw.ref(ctypes.c_char_p), _raw.ref(), _raw.ref(ctypes.c_size_t)
            _raw.check(tdriver, tdriver.tdriver_kernel_get_stage(self._driver_handle, i, name, text, size))
            data = ctypes.string_at(text.value, size.value)
            try:
                texts[name.value.decode()] = data.decode()
            except UnicodeDecodeError:
                texts[name.value.decode()] = data
        return texts

    def __getitem__(self, grid):
        grid = _grid(grid)
        return lambda *args, **named: self._launch(grid, args, named)

    def launch(self, grid, *args, **named):
        """The same as kernel[grid](...)."""
        self._launch(_grid(grid), args, named)

    def _values(self, args, named):
        if named:
            args = list(args)
            for argument in self._given[len(args) :]:
                if argument.name not in named:
                    raise TypeError(f"{self.name}: argument '{argument.name}' is missing")
                args.append(named.pop(argument.name))
            if named:
                raise TypeError(
                    f"{self.name}: argument '{next(iter(named))}' is not in the signature or was given twice"
                )
        if len(args) != len(self._given):
            raise TypeError(
                f"{self.name} takes {len(self._given)} arguments ({', '.join(map(repr, self._given))}), "
                f"got {len(args)}"
            )
        return args

    def _launch(self, grid, args, named):
        args = self._values(args, named)
        session = self._session
        if session._handle is None:
            raise ValueError("the session of this kernel is closed")
        # 16 bytes for each argument, so that all are aligned.
        buffer = ctypes.create_string_buffer(16 * len(self.arguments) + 16)
        base = ctypes.addressof(buffer)
        base += -base % 16
        pointers = (ctypes.c_void_p * max(len(self.arguments), 1))()
        staged = []
        try:
            for argument, value in zip(self._given, args):
                place = base + 16 * argument.index
                pointers[argument.index] = place
                if argument.is_pointer:
                    address = self._address(argument, value, staged)
                    data = struct.pack("<Q", address)
                elif argument.kind in _KINDS:
                    data = argument.scalar(value)
                else:
                    raise _errors.UnsupportedError(
                        f"not implemented: argument '{argument.name}' is a tensor descriptor"
                    )
                ctypes.memmove(place, data, len(data))
            grid = (ctypes.c_uint32 * 3)(*grid)
            _raw.check(
                tkernels, tkernels.tkernels_launch(self._handle, None, grid, pointers, len(self.arguments))
            )
            session.synchronize()
            for memory, array, written in staged:
                if written:
                    _raw.check(
                        tdriver,
                        tdriver.tdriver_memory_download(
                            session._stream, array.ctypes.data, memory, 0, array.nbytes
                        ),
                    )
            if staged:
                session.synchronize()
        finally:
            for memory, _, _ in staged:
                tdriver.tdriver_memory_free(memory)

    def _address(self, argument, value, staged):
        """Address for a pointer argument; what lies in the host's memory moves to the device where it must."""
        if value is None:
            return 0
        if isinstance(value, numpy.ndarray):
            argument.check_array(value)
            if self._session.maps_memory:
                argument.check_address(value.ctypes.data)
                return value.ctypes.data
            return self._stage(argument, value, staged)
        try:
            interface = _foreign_pointer(value)
        except ValueError as error:
            argument.fail(str(error), ValueError)
        if interface is None:
            argument.fail(
                f"expected a numpy array{'' if self._session.maps_memory else ' or an array on the GPU'}, "
                f"got {type(value).__name__}"
            )
        if self._session.maps_memory:
            argument.fail(f"the array is on a GPU, the session is on '{self._session.device}'", ValueError)
        address, read_only = interface["data"]
        if read_only and argument.is_written:
            argument.fail("the array is read-only and the kernel may write to it", ValueError)
        name = numpy.dtype(interface["typestr"]).name
        if name not in _KINDS[argument.element][1]:
            argument.fail(
                f"expected an array of {' or '.join(_KINDS[argument.element][1][:2])}, got one of {name}"
            )
        argument.check_address(address)
        return address

    def _stage(self, argument, array, staged):
        for memory, other, _ in staged:
            if numpy.shares_memory(array, other):
                argument.fail(
                    "it shares memory with another argument, which a device with memory of its own "
                    "cannot see",
                    ValueError,
                )
        memory, pointer = _raw.ref(), _raw.ref()
        _raw.check(
            tdriver,
            tdriver.tdriver_memory_alloc(
                self._session._device.handle, array.nbytes, tdriver.TDRIVER_MEMORY_DEVICE, memory
            ),
        )
        staged.append((memory.value, array, argument.is_written))
        _raw.check(tdriver, tdriver.tdriver_memory_get(memory, pointer, None))
        _raw.check(
            tdriver,
            tdriver.tdriver_memory_upload(self._session._stream, memory, 0, array.ctypes.data, array.nbytes),
        )
        return pointer.value or 0


def _grid(grid):
    """(x, y, z) of an integer or a tuple of one to three."""
    if not isinstance(grid, (tuple, list)):
        grid = (grid,)
    if not 1 <= len(grid) <= 3:
        raise ValueError(f"a grid has one to three numbers, not {len(grid)}")
    numbers = []
    for value in grid:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"a grid is of integers, not {type(value).__name__}")
        value = value.__index__()
        if not 0 <= value < 1 << 32:
            raise ValueError(f"{value} programs in one direction of a grid: expected 0 to 2^32 - 1")
        numbers.append(value)
    return tuple(numbers) + (1,) * (3 - len(numbers))


class Session:
    """Compiles through the cache and launches on one device: "cpu", "cuda:0", "emu", "null".

    cache_dir: folder of the cache instead of the user's. Safe from many threads; close() or `with` gives it back, and
    its kernels cannot be launched after that."""

    def __init__(self, device="cpu", *, cache_dir=None):
        if not isinstance(device, str):
            raise TypeError(f"a device is named by a string, not {type(device).__name__}")
        self._handle = None
        self._device = _Opened(device)
        self.device = device
        info = self._device.info()
        self.target = info["target"] or None
        self.maps_memory = bool(info["capabilities"] & tdriver.TDRIVER_CAN_MAP_MEMORY)
        stream = _raw.ref()
        _raw.check(tdriver, tdriver.tdriver_stream_get_default(self._device.handle, stream))
        self._stream = stream.value
        params = tkernels.tkernels_session_params.init(
            library_path=":".join(_raw.library_folders()),
            driver_device=self._device.handle,
            cache_dir=os.fspath(cache_dir) if cache_dir is not None else None,
        )
        handle = _raw.ref()
        _raw.check(tkernels, tkernels.tkernels_session_create(params, handle))
        self._handle = handle.value

    def compile(
        self, ir, kernel=None, *, target=None, options=None, name=None, promises=True, keep_stages=False
    ):
        """The kernel of a `.ttir` file (a path), or of bytes of IR (text or bytecode).

        kernel: its name, where the module has several. target: instead of the device's own. options:
        "num_warps=4,num_stages=3", or a dict. name: of the source, for messages. promises: False forgets
        tt.divisibility and tt.pointer_range."""
        if self._handle is None:
            raise ValueError("the session is closed")
        if isinstance(ir, (str, os.PathLike)):
            name = name or os.fspath(ir)
            with open(ir, "rb") as file:
                ir = file.read()
        elif not isinstance(ir, (bytes, bytearray, memoryview)):
            raise TypeError(f"expected a path or bytes of IR, not {type(ir).__name__}")
        if isinstance(options, dict):
            options = ",".join(f"{key}={value}" for key, value in options.items())
        flags = 0 if promises else tkernels.TKERNELS_GET_NO_PROMISES
        flags |= tkernels.TKERNELS_GET_KEEP_STAGES if keep_stages else 0
        params = tkernels.tkernels_get_params.init(
            kernel=kernel, source_name=name, target=target or self.target, options=options, flags=flags
        )
        handle = _raw.ref()
        _raw.check(tkernels, tkernels.tkernels_session_get(self._handle, ir, None, params, handle))
        return Kernel(self, handle.value)

    def synchronize(self):
        """Waits for all that was launched. LaunchError: a kernel stopped at an assert or a trap."""
        if self._handle is None:
            raise ValueError("the session is closed")
        _raw.check(tkernels, tkernels.tkernels_session_synchronize(self._handle, None))

    def close(self):
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            tkernels.tkernels_session_destroy(handle)
        device = getattr(self, "_device", None)
        if device:
            device.close()

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<tessera.Session on {self.device}{'' if self._handle else ', closed'}>"
