# SPDX-License-Identifier: MIT
"""Tessera's libraries through ctypes, for the measurements that share one process, one context and one stream with
PyTorch and Triton. Public C API only."""
import ctypes as c
import pathlib


class Failed(Exception):
    pass


class SessionParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("codegen", c.c_void_p), ("cache", c.c_void_p), ("driver", c.c_void_p),
                ("library_path", c.c_char_p), ("device", c.c_char_p), ("driver_device", c.c_void_p), ("cache_dir", c.c_char_p),
                ("cache_flags", c.c_uint32), ("reserved", c.c_uint32), ("event", c.c_void_p), ("event_user", c.c_void_p)]


class GetParams(c.Structure):
    _fields_ = [("size", c.c_size_t), ("kernel", c.c_char_p), ("source_name", c.c_char_p), ("target", c.c_char_p),
                ("options", c.c_char_p), ("flags", c.c_uint32), ("reserved", c.c_uint32)]


class Usage(c.Structure):
    _fields_ = [("size", c.c_size_t), ("registers", c.c_uint32), ("local_bytes", c.c_uint32), ("static_bytes", c.c_uint32),
                ("max_threads", c.c_uint32), ("resident", c.c_uint32), ("binary", c.c_uint32)]


class Native:
    """A device, a session on it, and launches on a stream of the caller's."""

    def __init__(self, tessera, device, stream=None):
        folder = pathlib.Path(tessera).parent
        places = [folder.parent / "lib", *(folder / ("lib" + n) for n in ("tir", "tcache", "tdriver", "tkernels"))]

        def load(name):
            for p in places:
                if (p / f"lib{name}.so.0").exists():
                    return c.CDLL(str(p / f"lib{name}.so.0"))
            raise Failed(f"no lib{name}.so.0 beside {tessera}")

        for n in ("tir", "tcache"):
            load(n)
        self.driver_lib, self.lib = load("tdriver"), load("tkernels")
        for lib, name in ((self.driver_lib, "tdriver_last_message"), (self.lib, "tkernels_last_message")):
            getattr(lib, name).restype = c.c_char_p
        self.lib.tkernels_kernel_handle.restype = c.c_void_p
        self.lib.tkernels_kernel_handle.argtypes = [c.c_void_p]
        self.lib.tkernels_launch.argtypes = [c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p, c.c_uint32]
        self.driver_lib.tdriver_launch.argtypes = [c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p, c.c_uint32]
        self.driver, self.device, self.session, self.stream = c.c_void_p(), c.c_void_p(), c.c_void_p(), c.c_void_p()
        self.check(self.driver_lib.tdriver_create(None, c.byref(self.driver)))
        self.check(self.driver_lib.tdriver_device_open(self.driver, device.encode(), c.byref(self.device)))
        if stream is not None:
            self.check(self.driver_lib.tdriver_stream_wrap(self.device, c.c_void_p(stream), c.byref(self.stream)))
        else:
            self.check(self.driver_lib.tdriver_stream_get_default(self.device, c.byref(self.stream)))
        p = SessionParams(size=c.sizeof(SessionParams), driver_device=self.device)
        self.check(self.lib.tkernels_session_create(c.byref(p), c.byref(self.session)), True)

    def check(self, status, session=False):
        if status:
            text = self.lib.tkernels_last_message() if session else self.driver_lib.tdriver_last_message()
            raise Failed(f"status {status}: {text.decode(errors='replace')}")

    def kernel(self, ir, name, target, options):
        """Compiles and loads. Returns a function (grid, [ctypes values]) -> launcher without further work per call."""
        text = ir.encode()
        p = GetParams(size=c.sizeof(GetParams), kernel=name.encode(), source_name=b"bench.ttir", target=target.encode(),
                      options=options.encode())
        kernel = c.c_void_p()
        self.check(self.lib.tkernels_session_get(self.session, text, c.c_size_t(len(text)), c.byref(p), c.byref(kernel)), True)
        handle = c.c_void_p(self.lib.tkernels_kernel_handle(kernel))
        self.check(self.driver_lib.tdriver_kernel_prepare(handle))
        launch, stream = self.driver_lib.tdriver_launch, self.stream

        def bind(grid, values):
            pointers = (c.c_void_p * len(values))(*(c.cast(c.pointer(v), c.c_void_p) for v in values))
            grid3 = (c.c_uint32 * 3)(*grid)
            count = len(values)

            def call(keep=values):
                if launch(handle, stream, grid3, pointers, count):
                    raise Failed(self.driver_lib.tdriver_last_message().decode(errors="replace"))
            return call
        usage = Usage(size=c.sizeof(Usage))
        known = self.driver_lib.tdriver_kernel_get_usage(handle, c.byref(usage)) == 0
        bind.usage = {n: getattr(usage, n) for n, _ in Usage._fields_[1:]} if known else {}
        return bind

    def synchronize(self):
        self.check(self.driver_lib.tdriver_stream_synchronize(self.stream))
