# SPDX-License-Identifier: MIT
"""The raw layer: what Python values become, and what comes back. Run with the extension, its stable-ABI build and
ctypes alone (TESSERA_PYTHON_FAST)."""

import ctypes
import gc
import os
import subprocess
import sys
import unittest

import numpy as np

import tessera
import tessera._raw as raw
from tessera._raw import check, collect, ref, tcache, tdriver, tir, tkernels

ADD = b"""module { tt.func public @f(%x: i32, %y: i32) {
  %s = arith.addi %x, %y : i32
  tt.return
} }
"""


class Context(unittest.TestCase):
    def setUp(self):
        cell = ref()
        check(tir, tir.tir_context_create(None, cell))
        self.context = cell.value

    def tearDown(self):
        tir.tir_context_destroy(self.context)

    def parse(self, text=ADD):
        cell = ref()
        check(tir, tir.tir_module_parse(self.context, text, None, "t.ttir", cell))
        self.addCleanup(tir.tir_module_destroy, cell.value)
        return cell.value


class Build(unittest.TestCase):
    def test_which(self):
        """The tests run what they say they run."""
        wanted = os.environ.get("TESSERA_PYTHON_FAST", "1")
        extension = raw.fast()
        if wanted == "0":
            self.assertIsNone(extension)
            self.assertEqual(type(tir.tir_type_int).__name__, "function")
            return
        if extension is None:
            self.skipTest("skipped: no extension was built")
        self.assertEqual(extension.__name__.rsplit(".")[-1], "_fast_abi3" if wanted == "abi3" else "_fast")
        self.assertEqual(type(tir.tir_type_int).__name__, "builtin_function_or_method")

    def test_sub_interpreter(self):
        """Another interpreter gets ctypes: the extension's tables are the process's."""
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            self.skipTest("skipped: no sub-interpreters")
        code = "import tessera._raw as raw; from tessera._raw import tir; assert raw.fast() is None, raw.fast(); "
        code += "assert tir.tir_version() == '0.1.0'"
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import _xxsubinterpreters as i; x = i.create(); " f"i.run_string(x, {code!r}); i.destroy(x)",
            ],
            capture_output=True,
            text=True,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_versions(self):
        for name in raw.LIBRARIES:
            if name == "tcodegen":
                continue  # not in every build
            module = getattr(raw, name)
            self.assertEqual(getattr(module, name + "_version")(), "0.1.0")

    def test_every_attribute(self):
        """Structs, callbacks and functions of all tables can be made."""
        for name in ("tir", "tcache", "tdriver", "tkernels"):
            module = getattr(raw, name)
            for attribute in [*module.STRUCTS, *module.CALLBACKS]:
                self.assertTrue(isinstance(getattr(module, attribute), type), attribute)
            for attribute in module.FUNCTIONS:
                self.assertTrue(callable(getattr(module, attribute)), attribute)
                self.assertTrue(callable(raw._function(module, attribute)), attribute)

    def test_unknown(self):
        with self.assertRaisesRegex(AttributeError, "libtir has no 'tir_nothing'"):
            tir.tir_nothing
        with self.assertRaises(AttributeError):
            raw.nothing


class Threads(unittest.TestCase):
    def test_one_class(self):
        """Threads that ask for attributes at once, for the first time, get the same ones."""
        code = """import threading
from tessera._raw import tir, tkernels
barrier, seen = threading.Barrier(8), []
def ask():
    barrier.wait()
    seen.append([getattr(m, n) for m in (tir, tkernels) for n in (*m.STRUCTS, *m.CALLBACKS, *list(m.FUNCTIONS)[:50])])
threads = [threading.Thread(target=ask) for _ in range(8)]
[t.start() for t in threads], [t.join() for t in threads]
assert len(seen) == 8 and all(len(set(map(id, same))) == 1 for same in zip(*seen))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Values(Context):
    def test_handles(self):
        i32 = tir.tir_type_int(self.context, 32, tir.TIR_SIGN_NONE)
        self.assertIsInstance(i32, int)
        self.assertEqual(i32, tir.tir_type_int(self.context, 32, 0))
        self.assertIsNone(tir.tir_type_int(None, 32, 0))
        self.assertIsNone(tir.tir_type_int(0, 32, 0))
        self.assertIsNone(tir.tir_type_int(self.context, 999, 0))
        self.assertIn("999", tir.tir_last_message())
        cell = ref(value=self.context)
        self.assertEqual(tir.tir_type_int(cell, 32, 0), i32)
        self.assertEqual(tir.tir_type_int(np.int64(self.context), np.uint32(32), False), i32)

    def test_wrong_arguments(self):
        f = tir.tir_type_int
        with self.assertRaisesRegex(
            TypeError, r"tir_type_int takes 3 arguments \(context, width, sign\), got 2"
        ):
            f(self.context, 32)
        with self.assertRaisesRegex(TypeError, "takes 3 arguments"):
            f(self.context, 32, 0, 0)
        with self.assertRaisesRegex(OverflowError, "'width' is -1, out of range of u32"):
            f(self.context, -1, 0)
        with self.assertRaisesRegex(OverflowError, "'width' is 4294967296"):
            f(self.context, 1 << 32, 0)
        with self.assertRaisesRegex(TypeError, "'width' is str, expected an integer"):
            f(self.context, "32", 0)
        with self.assertRaisesRegex(TypeError, "'width' is float"):
            f(self.context, 32.0, 0)
        with self.assertRaisesRegex(TypeError, "'context' is str"):
            f("context", 32, 0)
        with self.assertRaisesRegex(OverflowError, "'context'"):
            f(-1, 32, 0)
        with self.assertRaises(OverflowError):
            f(1 << 64, 32, 0)

    def test_numbers(self):
        i64 = tir.tir_type_int(self.context, 64, 0)
        for value in (0, -1, -1 << 63, (1 << 63) - 1):
            out = ref(ctypes.c_int64)
            check(tir, tir.tir_attr_get_int(tir.tir_attr_int(i64, value), out))
            self.assertEqual(out.value, value)
        with self.assertRaises(OverflowError):
            tir.tir_attr_int(i64, 1 << 63)
        f64 = tir.tir_type_float(self.context, tir.TIR_FLOAT_F64)
        for value, bits in ((1.5, 0x3FF8 << 48), (-0.0, 1 << 63), (2, 1 << 62), (float("inf"), 0x7FF << 52)):
            out = ref(ctypes.c_uint64)
            check(tir, tir.tir_attr_get_float_bits(tir.tir_attr_float(f64, value), out))
            self.assertEqual(out.value, bits)
        self.assertEqual(
            tir.tir_attr_float_bits(f64, (1 << 64) - 1), tir.tir_attr_float_bits(f64, (1 << 64) - 1)
        )
        with self.assertRaises(TypeError):
            tir.tir_attr_float(f64, None)

    def test_strings(self):
        for text in ("x", "", "äöü€", "\udcff", b"\xc3\xa4"):
            attr = tir.tir_attr_symbol(self.context, text or "e")
            self.assertIsNotNone(attr)
        self.assertEqual(tir.tir_attr_get_text(tir.tir_attr_symbol(self.context, "grün"), None), "grün")
        self.assertEqual(tir.tir_attr_get_text(tir.tir_attr_string(self.context, b"\xff", 1), None), "\udcff")
        self.assertIsNone(tir.tir_attr_symbol(self.context, None))
        with self.assertRaisesRegex(ValueError, "NUL"):
            tir.tir_attr_symbol(self.context, "a\0b")
        with self.assertRaisesRegex(TypeError, "'name' is int"):
            tir.tir_attr_symbol(self.context, 3)
        self.assertIsNone(tir.tir_pass_name(10000))

    def test_bytes(self):
        size = ref(ctypes.c_size_t)
        for data, count, expected in (
            (b"a\0b", 3, 3),
            (b"a\0b", None, 3),
            ("ä", None, 2),
            (b"abc", 2, 2),
            (None, 0, 0),
            (bytearray(b"xyz"), None, 3),
            (np.frombuffer(b"12345", "u1"), None, 5),
            (memoryview(b"12"), 1, 1),
        ):
            attr = tir.tir_attr_string(self.context, data, count)
            tir.tir_attr_get_text(attr, size)
            self.assertEqual(size.value, expected, (data, count))
        with self.assertRaisesRegex(ValueError, "'data' has 3 bytes, the count says 4"):
            tir.tir_attr_string(self.context, b"abc", 4)
        with self.assertRaisesRegex(ValueError, "'data' has 2 bytes, the count says 3"):
            tir.tir_attr_string(self.context, "ä", 3)
        with self.assertRaises(TypeError):
            tir.tir_attr_string(self.context, 3.0, 0)

    def test_arrays(self):
        i8 = tir.tir_type_int(self.context, 8, 0)
        expected = tir.tir_type_tensor(i8, 2, (ctypes.c_int64 * 2)(4, 8), None)
        for shape in ([4, 8], (4, 8), np.array([4, 8]), [4, 8, 16], (np.int32(4), 8)):
            self.assertEqual(tir.tir_type_tensor(i8, 2, shape, None), expected)
        self.assertEqual(tir.tir_type_tensor(i8, None, [4, 8], None), expected)
        self.assertEqual(collect(tir, "tir_type_write", expected), b"tensor<4x8xi8>")
        self.assertEqual(
            collect(tir, "tir_type_write", tir.tir_type_tensor(i8, 0, None, None)), b"tensor<i8>"
        )
        with self.assertRaisesRegex(ValueError, "'shape' has 1 elements, the count says 2"):
            tir.tir_type_tensor(i8, 2, [4], None)
        with self.assertRaises(OverflowError):
            tir.tir_type_tensor(i8, 1, [1 << 63], None)
        with self.assertRaisesRegex(TypeError, "bytes, expected 8"):
            tir.tir_type_tensor(i8, 1, (ctypes.c_int32 * 1)(4), None)
        with self.assertRaises(TypeError):
            tir.tir_type_tensor(i8, 1, ["4"], None)
        with self.assertRaises(TypeError):
            tir.tir_type_tensor(i8, 1, {4}, None)
        handles = [i8] * 100  # more than the extension takes itself
        self.assertEqual(tir.tir_type_num_inputs(tir.tir_type_tuple(self.context, 100, handles)), 100)
        self.assertEqual(tir.tir_type_num_inputs(tir.tir_type_tuple(self.context, 3, handles)), 3)
        self.assertEqual(tir.tir_type_num_inputs(tir.tir_type_tuple(self.context, 64, handles[:64])), 64)
        self.assertIsNone(tir.tir_type_tuple(self.context, 1, [None]))

    def test_two_arrays_of_one_count(self):
        unit = tir.tir_attr_unit(self.context)
        attr = tir.tir_attr_dict(self.context, None, ["b", "a"], [unit, unit])
        self.assertEqual([tir.tir_attr_item_name(attr, i) for i in range(2)], ["a", "b"])
        for names, values in ((["a", "b"], [unit]), (["a"], [unit, unit])):
            with self.assertRaises(ValueError):
                tir.tir_attr_dict(self.context, None, names, values)
        with self.assertRaises(ValueError):
            tir.tir_attr_dict(self.context, 2, ["a", "b"], [unit])
        with self.assertRaises(ValueError):
            tir.tir_attr_dict(self.context, 1, ["a\0"], [unit])

    def test_unknown_count_of_nothing(self):
        with self.assertRaises(TypeError):
            tir.tir_type_int(self.context, None, 0)

    def test_cells(self):
        attr = tir.tir_attr_int(tir.tir_type_int(self.context, 32, 0), 7)
        for cell in (ref(ctypes.c_int64), np.zeros(1, np.int64)):
            self.assertEqual(tir.tir_attr_get_int(attr, cell), 0)
            self.assertEqual(cell.value if hasattr(cell, "value") else cell[0], 7)
        self.assertEqual(tir.tir_attr_get_int(attr, None), tir.TIR_INVALID_ARGUMENT)
        with self.assertRaisesRegex(TypeError, "4 bytes, 8 are written"):
            tir.tir_attr_get_int(attr, ref(ctypes.c_int32))
        with self.assertRaises(TypeError):
            tir.tir_attr_get_int(attr, [0])
        frozen = np.zeros(1, np.int64)
        frozen.flags.writeable = False
        with self.assertRaises((TypeError, ValueError)):
            tir.tir_attr_get_int(attr, frozen)

    def test_out_arrays(self):
        module = self.parse()
        words = (ctypes.c_uint64 * 2)()
        check(tir, tir.tir_module_hash(module, tir.TIR_HASH_CODE, words))
        self.assertNotEqual(list(words), [0, 0])
        array = np.zeros(2, np.uint64)
        check(tir, tir.tir_module_hash(module, tir.TIR_HASH_CODE, array))
        self.assertEqual(list(array), list(words))
        with self.assertRaisesRegex(ValueError, "'out' has 1 elements, expected 2"):
            tir.tir_module_hash(module, tir.TIR_HASH_CODE, np.zeros(1, np.uint64))
        with self.assertRaises(TypeError):
            tir.tir_module_hash(module, tir.TIR_HASH_CODE, [0, 0])
        counts = (ctypes.c_uint32 * tir.tir_opcode_count())()
        check(tir, tir.tir_op_census(tir.tir_module_op(module), counts, None))
        self.assertEqual(counts[tir.TIR_OP_ARITH_ADDI], 1)


class Structs(Context):
    def test_init(self):
        params = tir.tir_interp_params.init()
        self.assertEqual(params.struct_size, ctypes.sizeof(tir.tir_interp_params))
        self.assertEqual(list(params.grid), [1, 1, 1])
        self.assertEqual(params.errors, tir.TIR_SANITIZE_BOUNDS | tir.TIR_SANITIZE_ALIGN)
        self.assertEqual(tcache.tcache_stats.init().builds, 0)
        self.assertEqual(raw.tcodegen.tcodegen_params.init().specialize_size, 32)

    def test_fields(self):
        params = tkernels.tkernels_get_params.init(kernel="add", options=b"num_warps=4")
        gc.collect()
        self.assertEqual((params.kernel, params.options, params.target), ("add", "num_warps=4", None))
        params.kernel = None
        self.assertIsNone(params.kernel)
        with self.assertRaisesRegex(AttributeError, "no field 'kernle'"):
            tkernels.tkernels_get_params.init(kernle="add")
        with self.assertRaisesRegex(AttributeError, "no field 'kernle'"):
            params.kernle = "add"
        with self.assertRaises(TypeError):
            params.kernel = 3

    def test_arrays_in_fields(self):
        i32 = tir.tir_type_int(self.context, 32, 0)
        module = ref()
        check(tir, tir.tir_module_create(self.context, module))
        builder = ref()
        check(tir, tir.tir_builder_create(module, builder))
        x = tir.tir_build_const_int(builder, i32, 3)
        spec = tir.tir_op_spec.init(opcode=tir.TIR_OP_ARITH_ADDI, num_operands=2, operands=[x, x])
        gc.collect()
        op = tir.tir_builder_build(builder, spec)
        self.assertEqual(tir.tir_op_name(op), "arith.addi", tir.tir_builder_message(builder))
        tir.tir_builder_destroy(builder)
        tir.tir_module_destroy(module)

    def test_layout_in_arrays(self):
        dim = tir.tir_layout_dim
        layout = ref()
        check(
            tir,
            tir.tir_layout_create(
                1, [dim(tir.TIR_DIM_LANE, 2)], 1, [dim(tir.TIR_DIM_TENSOR, 2)], [1, 2], layout
            ),
        )
        self.assertEqual(collect(tir, "tir_layout_write", layout), b"lane=[[1],[2]]")
        out = dim()
        check(tir, tir.tir_layout_get_dim(layout, tir.TIR_LAYOUT_IN, 0, out))
        self.assertEqual((out.dim, out.bits), (tir.TIR_DIM_LANE, 2))
        masks, count = (ctypes.c_uint64 * 4)(), ref(ctypes.c_uint32)
        check(tir, tir.tir_layout_kernel(layout, masks, None, count))
        self.assertEqual(count.value, 0)
        tir.tir_layout_destroy(layout)
        with self.assertRaises(TypeError):
            tir.tir_layout_create(1, [3], 0, None, None, layout)

    def test_wrong_struct(self):
        with self.assertRaisesRegex(TypeError, "expected tir_context_params or None"):
            tir.tir_context_create(tir.tir_pass_params.init(), ref())

    def test_short_struct(self):
        params = tir.tir_context_params.init()
        params.struct_size = 3
        self.assertEqual(tir.tir_context_create(params, ref()), tir.TIR_INVALID_ARGUMENT)

    def test_interpreter(self):
        text = b"""module { tt.func public @f(%p: !tt.ptr<i32>, %v: i32) {
          tt.store %p, %v : !tt.ptr<i32>
          tt.return
        } }"""
        module = self.parse(text)
        data = np.zeros(4, np.int32)
        args = [
            tir.tir_interp_arg.init(kind=tir.TIR_INTERP_BUFFER, data=data, size=data.nbytes),
            tir.tir_interp_arg.init(kind=tir.TIR_INTERP_SCALAR, bits=42),
        ]
        check(tir, tir.tir_interp_run(module, "f", tir.tir_interp_params.init(), args, None))
        self.assertEqual(list(data), [42, 0, 0, 0])


class Callbacks(Context):
    def test_collect(self):
        module = self.parse()
        text = collect(tir, "tir_module_print", module, tir.tir_print_options.init(numbers=1))
        self.assertIn(b"arith.addi %0, %1", text.replace(b"%arg", b"%"))
        code = collect(tir, "tir_module_write_bytecode", module, None)
        self.assertEqual(tir.tir_bytecode_looks_like(code, None), 1)
        again = ref()
        check(tir, tir.tir_module_read_bytecode(self.context, code, None, None, again))
        self.assertEqual(
            collect(tir, "tir_module_print", again, None), collect(tir, "tir_module_print", module, None)
        )
        tir.tir_module_destroy(again)

    def test_visit(self):
        module = self.parse()
        seen = []

        def visit(user, op):
            seen.append(tir.tir_op_name(op))
            return 0

        self.assertEqual(tir.tir_op_walk(tir.tir_module_op(module), visit, None), 0)
        self.assertEqual(seen, ["builtin.module", "tt.func", "arith.addi", "tt.return"])
        self.assertEqual(tir.tir_op_walk(tir.tir_module_op(module), lambda user, op: 2, None), 1)
        with self.assertRaisesRegex(TypeError, "a callable or None"):
            tir.tir_op_walk(tir.tir_module_op(module), 3.0, None)

    def test_diagnostic(self):
        texts = []

        @tir.tir_diagnostic_fn
        def receive(user, severity, text, size):
            texts.append((severity, ctypes.string_at(text, size)))

        check(tir, tir.tir_context_set_diagnostic(self.context, receive, None))
        status = tir.tir_module_parse(self.context, "module {", None, "bad.ttir", ref())
        check(tir, tir.tir_context_set_diagnostic(self.context, None, None))
        self.assertEqual(status, tir.TIR_PARSE)
        self.assertTrue(texts[0][1].startswith(b"bad.ttir:1:"))
        self.assertEqual(texts[0][0], tir.TIR_SEVERITY_ERROR)

    def test_callback_in_struct(self):
        names = []

        def event(user, record):
            names.append(
                record.contents.name
                if hasattr(record, "contents")
                else tir.tir_pass_event.from_address(record).name
            )

        params = tir.tir_pass_params.init(event=event)
        gc.collect()
        check(tir, tir.tir_pass_run(self.parse(), "canonicalize,cse", params))
        self.assertEqual(names, ["canonicalize", "cse"])


class Errors(Context):
    def test_check(self):
        check(tir, 0)
        with self.assertRaises(tessera.Error) as caught:
            check(tir, tir.tir_module_parse(self.context, b"module {", None, "bad.ttir", ref()))
        self.assertEqual(type(caught.exception).__name__, "ParseError")
        self.assertEqual((caught.exception.status, caught.exception.library), (tir.TIR_PARSE, "tir"))
        self.assertIn("bad.ttir:1:", str(caught.exception))
        with self.assertRaises(tessera.TritonError):
            check("tir", tir.tir_module_create(None, ref()))

    def test_every_status_has_a_class(self):
        from tessera import _errors

        for status in range(1, 15):
            self.assertEqual(_errors.from_status(status, "x").status, status)
            self.assertIsNot(type(_errors.from_status(status, "x")), _errors.Error)
            self.assertEqual(str(_errors.from_status(status, "")), f"lib: status {status}")
        self.assertIs(type(_errors.from_status(99, "x")), _errors.Error)

    def test_missing_library(self):
        with self.assertRaisesRegex(tessera.Error, "TESSERA_LIBRARY_PATH"):
            raw.open_library("none", "libtnone.so.0")


class Other(unittest.TestCase):
    def test_cache_key(self):
        builder, key, text = ref(), tcache.tcache_key(), (ctypes.c_char * 65)()
        check(tcache, tcache.tcache_key_create("test", builder))
        check(tcache, tcache.tcache_key_add_string(builder, "a", "b"))
        check(tcache, tcache.tcache_key_add_bytes(builder, "c", b"d\0e", None))
        check(tcache, tcache.tcache_key_add_u64(builder, "f", (1 << 64) - 1))
        check(tcache, tcache.tcache_key_finish(builder, key))
        check(tcache, tcache.tcache_key_to_hex(key, text))
        again = tcache.tcache_key()
        check(tcache, tcache.tcache_key_from_hex(text.value.decode(), again))
        self.assertEqual(bytes(key.bytes), bytes(again.bytes))
        tcache.tcache_key_destroy(builder)

    def test_driver(self):
        driver, device, memory = ref(), ref(), ref()
        check(tdriver, tdriver.tdriver_create(None, driver))
        check(tdriver, tdriver.tdriver_device_open(driver, "cpu", device))
        info = tdriver.tdriver_device_info.init()
        check(tdriver, tdriver.tdriver_device_get_info(device, info))
        self.assertEqual((info.name, info.backend), ("cpu", "cpu"))
        check(tdriver, tdriver.tdriver_memory_alloc(device, 16, tdriver.TDRIVER_MEMORY_DEVICE, memory))
        check(tdriver, tdriver.tdriver_memory_upload(None, memory, 0, b"0123456789abcdef", None))
        back = np.zeros(16, np.uint8)
        check(tdriver, tdriver.tdriver_memory_download(None, back, memory, 4, 8))
        self.assertEqual(bytes(back[:8]), b"456789ab")
        with self.assertRaisesRegex(ValueError, "'from' has 3 bytes, the count says 8"):
            tdriver.tdriver_memory_upload(None, memory, 0, b"123", 8)
        with self.assertRaisesRegex(ValueError, "'to' has 4 elements"):
            tdriver.tdriver_memory_download(None, np.zeros(4, np.uint8), memory, 0, 8)
        tdriver.tdriver_memory_free(memory)
        tdriver.tdriver_device_close(device)
        tdriver.tdriver_destroy(driver)

    def test_no_leak(self):
        """References and memory stay where they are over many calls, good and bad."""
        import resource

        context = ref()
        check(tir, tir.tir_context_create(None, context))
        shape, name = [4, 8], "a-name-of-its-own"
        element = tir.tir_type_int(context, 8, 0)
        cell = ref(ctypes.c_size_t)

        def once():
            attr = tir.tir_attr_symbol(context, name)
            tir.tir_attr_get_text(attr, cell)
            tir.tir_type_tensor(element, 2, shape, None)
            try:
                tir.tir_type_tensor(element, 3, shape, None)
            except ValueError:
                pass

        for _ in range(200):
            once()
        before = (sys.getrefcount(shape), sys.getrefcount(name), sys.getrefcount(cell), sys.getrefcount(None))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(5000):
            once()
        after = (sys.getrefcount(shape), sys.getrefcount(name), sys.getrefcount(cell), sys.getrefcount(None))
        self.assertEqual(before[:3], after[:3])
        self.assertLess(abs(after[3] - before[3]), 100)
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory, 2048)
        tir.tir_context_destroy(context)


if __name__ == "__main__":
    unittest.main()
