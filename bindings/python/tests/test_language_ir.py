# SPDX-License-Identifier: MIT
"""Operations, types and attributes that expressions of the language become, and what is refused and how."""
import importlib.util
import os
import tempfile
import unittest
import warnings

from tessera.compiler.code_generator import generate
from tessera.compiler.errors import CompilationError

SIGNATURE = {"x": "*fp32", "h": "*fp16", "b": "*i1", "k": "*ki32", "n": "i32", "u": "u32", "e": "*fp8e5", "f": "*bf16",
             "i": "*i8"}

# expression → what the IR holds; "not" before what it does not hold
GIVES = [
    # numbers
    ("n + 1", "arith.constant 1 : i32", "arith.addi %arg4"),
    ("n + 2.5", "2.500000e+00 : f32", "arith.sitofp %arg4 : i32 to f32", "arith.addf"),
    ("tl.to_tensor(2**31)", "arith.constant -2147483648 : i32"),
    ("tl.to_tensor(2**32)", "arith.constant 4294967296 : i64"),
    ("tl.to_tensor(2**63)", "arith.constant -9223372036854775808 : i64"),
    ("tl.to_tensor(True)", "arith.constant true"),
    ("tl.to_tensor(1e-40)", ": f64"),
    ("tl.to_tensor(-0.0)", "-0.000000e+00 : f32"),
    ("tl.full((4,), 1e-8, tl.bfloat16)", "dense<1.001170e-08> : tensor<4xbf16>"),
    ("tl.full((4,), 3, tl.int32)", "dense<3> : tensor<4xi32>", "not tt.splat"),
    ("tl.full((4,), 0.5, tl.float8e5)", "arith.truncf", "f32 to f8E5M2", "tt.splat"),
    # promotion: a number takes the tile's type, tiles promote each other
    ("H * 0.1", "tensor<16xf16>", "arith.mulf", "not f32"),
    ("H > 0.1", "arith.cmpf ogt", "tensor<16xf16>", "not f32"),
    ("tl.maximum(H, 0.1)", "arith.maxnumf", "tensor<16xf16>", "not f32"),
    ("H / 2", "arith.extf", "arith.divf", "tensor<16xf32>"),
    ("H % 2", "arith.remf", "tensor<16xf32>"),
    ("H + n", "arith.sitofp %arg4 : i32 to f16", "arith.addf"),
    ("H + X", "arith.extf", "arith.addf", "tensor<16xf32>"),
    ("F + H", "tt.fp_to_fp", "rounding = rtne", "tensor<16xbf16> -> tensor<16xf16>"),
    ("F + F", "arith.addf", "tensor<16xbf16>"),
    ("tl.minimum(F, 1)", "arith.minnumf", "tensor<16xbf16>"),
    ("E + E", "arith.addf", "tensor<16xf8E5M2>"),
    ("E / E", "tt.fp_to_fp", "arith.divf", "tensor<16xf32>"),
    ("n + u", "arith.bitcast %arg4", "arith.addi"),
    ("I + n", "arith.extsi", "arith.addi", "tensor<16xi32>"),
    ("n / 3", "arith.sitofp", "arith.divf", ": f32"),
    ("n // 3", "arith.divsi"),
    ("u // 3", "arith.divui"),
    ("n % 3", "arith.remsi"),
    ("u % 3", "arith.remui"),
    ("n >> 1", "arith.shrsi"),
    ("u >> 1", "arith.shrui"),
    ("1 >> u", "arith.shrui"),
    ("n << 1", "arith.shli"),
    ("-n", "arith.subi"),
    ("-X", "arith.negf"),
    ("~n", "arith.constant -1", "arith.xori"),
    ("not (n > 0)", "arith.cmpi sgt", "arith.xori"),
    ("u > 3", "arith.cmpi ugt"),
    ("X != X", "arith.cmpf une"),
    ("X == 0", "arith.cmpf oeq"),
    # casts
    ("X.to(tl.float16)", "arith.truncf"),
    ("X.to(tl.float16, fp_downcast_rounding='rtz')", "tt.fp_to_fp", "rounding = rtz"),
    ("X.to(tl.float8e5)", "tt.fp_to_fp", "rounding = rtne"),
    ("E.to(tl.float32)", "tt.fp_to_fp", "not rounding"),
    ("F.to(tl.int32)", "arith.extf", "arith.fptosi"),
    ("X.to(tl.uint8)", "arith.fptoui"),
    ("X.to(tl.int1)", "arith.cmpf une"),
    ("I.to(tl.int1)", "arith.cmpi ne"),
    ("(n > 0).to(tl.float32)", "arith.uitofp"),
    ("(n > 0).to(tl.int32)", "arith.extui"),
    ("u.to(tl.int32)", "arith.bitcast"),
    ("n.to(tl.int8)", "arith.trunci"),
    ("X.to(tl.int32, bitcast=True)", "tt.bitcast"),
    ("x.to(tl.int64)", "tt.ptr_to_int"),
    ("x.to(tl.pointer_type(tl.int8))", "tt.bitcast", "!tt.ptr<f32> -> !tt.ptr<i8>"),
    ("X.to(tl.float32)", "not arith.extf"),
    # pointers and memory
    ("x + n", "tt.addptr %arg0, %arg4 : !tt.ptr<f32>, i32"),
    ("n + x", "tt.addptr %arg0, %arg4"),
    ("x + u", "arith.extui %arg5 : i32 to i64", "tt.addptr"),
    ("x - n", "arith.subi", "tt.addptr"),
    ("tl.load(k)", 'tt.load', '!tt.ptr<i32, "constant">'),
    ("tl.load(b)", "tt.bitcast %arg2 : !tt.ptr<i1> -> !tt.ptr<i8>", "tt.load", "arith.cmpi ne"),
    ("tl.store(b, n)", "arith.cmpi ne", "arith.extui", "tt.store"),
    ("tl.load(x + O, O < n, 0)", "tt.load", "dense<0> : tensor<16xi32>", "arith.sitofp"),
    ("tl.load(x + O, cache_modifier='.cg')", "cache_modifier = cg, eviction_policy = evict_normal"),
    ("tl.load(x + O, cache_modifier='none', eviction_policy='evict_normal')", "not cachePolicy"),
    ("tl.load(x + O, None, None, (), '', '', 'evict_first', True)", "evict_first", "isVolatile = true"),
    ("tl.store(x + O, 1)", "arith.sitofp", "tt.store"),
    ("tl.store((x + O)[:, None] + O[None, :], n)", "tensor<16x16x!tt.ptr<f32>>"),
    ("tl.atomic_add(x + O, 1.0)", "tt.atomic_rmw fadd, acq_rel, gpu", "dense<true>"),
    ("tl.atomic_add(x, 1.0, n > 0, 'relaxed', 'sys')", "tt.atomic_rmw fadd, relaxed, sys"),
    ("tl.atomic_max(x, 1.0)", "atomic_rmw max", "atomic_rmw umin", "arith.select"),
    ("tl.atomic_load(x)", "tt.atomic_load acquire, gpu"),
    ("tl.atomic_store(x, 1.0)", "tt.atomic_store release, gpu"),
    ("tl.make_tensor_descriptor(x, [n, n], [n, 1], [8, 8]).load([0, n])", "tt.make_tensor_descriptor",
     "tt.descriptor_load"),
    ("tl.make_tensor_descriptor(i, [n, n], [n, 1], [8, 16])", "si8"),
    # shapes and the rest
    ("X[:, None] + X[None, :]", "expand_dims", "tt.broadcast", "tensor<16x16xf32>"),
    ("X.reshape(4, 4).T", "tt.reshape", "tt.trans", "array<i32: 1, 0>"),
    ("tl.reshape(X, (4, 4), can_reorder=True)", "allow_reorder"),
    ("tl.join(n, n)", "tt.splat", "tt.join", "tt.reshape"),
    ("tl.dot(tl.full((16, 16), 0.5, tl.float16), tl.full((16, 16), 0.5, tl.float16))", "tt.dot", "tensor<16x16xf32>"),
    ("tl.dot(tl.full((16, 16), 0.5, tl.float32), tl.full((16, 16), 0.5, tl.float32), input_precision='TF32x3')",
     "inputPrecision = tf32x3"),
    ("tl.fdiv(X, 3, ieee_rounding=True)", "tt.precise_divf"),
    ("tl.fdiv(X, 3, approx=True)", "tt.approx_divf"),
    ("tl.sqrt_rn(X)", "tt.precise_sqrt"),
    ("tl.abs(u)", "not math.absi"),
    ("tl.abs(n)", "math.absi"),
    ("tl.clamp(X, 0, 1)", "tt.clampf", "propagateNan = none"),
    ("tl.clamp(n, 0, 7)", "arith.maxsi", "arith.minsi"),
    ("tl.maximum(X, 0, tl.PropagateNan.ALL)", "arith.maximumf"),
    ("max(n, 3)", "arith.maxsi"),
    ("tl.device_print('a', n, u)", 'tt.print " a: " {hex = false, isSigned = array<i32: 1, 0>}'),
    ("tl.device_assert(n > 0)", "not tt.assert"),
    ("tl.assume(n > 0)", "llvm.intr.assume"),
    ("tl.debug_barrier()", "ttg.barrier all"),
    ("tl.multiple_of(O, 16)", "tt.divisibility = dense<16> : tensor<1xi32>"),
    ("tl.max_contiguous(X[:, None] + X[None, :], [4, 8])", "tt.contiguity = dense<[4, 8]> : tensor<2xi32>"),
    ("tl.extra.libdevice.exp(X)", 'symbol = "__nv_expf"'),
    ("tl.extra.cuda.gdc_wait()", "tt.grid_dependency_wait"),
    ("tl.inline_asm_elementwise('nop;', '=r,r', [n], tl.int32, False, 1)", "packed_element = 1", "pure = false"),
]

# statement → the last cause's text
REFUSED = [
    ("I + 300", "Scalar 300 is out of range for type int8"), ("u == -1", "unsigned tensor and a negative scalar"),
    ("tl.arange(0, 12)", "must be a power of 2"), ("tl.arange(0, n)", "known at compile time (tl.constexpr)"),
    ("x + x", "cannot add pointers together"), ("x * 2", "invalid operands of type"),
    ("x + 1.0", "invalid operands of type"), ("x < x", "invalid operands of type"),
    ("tl.load(x + O, other=0.0)", "`other` needs a `mask`"),
    ("tl.load(n)", "Unsupported ptr type"), ("tl.load(x, O < 1)", "Mask argument cannot be block type"),
    ("tl.load(x, boundary_check=(0,))", "please use block pointers"),
    ("tl.load(x, cache_modifier='zz')", "Unsupported cache modifier 'zz'"),
    ("tl.load(x, cache_modifier='.wb')", "not supported for loads"),
    ("tl.store(x, X)", "Value argument cannot be block type"), ("tl.store(k, 1)", "Cannot store to a constant pointer"),
    ("tl.store(x + O, X, O)", "Mask must have boolean scalar type"),
    ("tl.store(x + O, X[:, None])", "a store to pointers of shape"),
    ("u // n", "because they have different signedness"), ("X // 2", "unexpected type fp32"),
    ("X & 1", "invalid operands of type"), ("not X", "Cannot bitcast data-type of size 32"),
    ("-x", "wrong type argument to unary minus"), ("~X", "wrong type argument to unary invert"),
    ("n + 2**70", "Nonrepresentable integer"), ("tl.full((4,), 2.5, tl.int32)", "cannot make a constant of type int32"),
    ("tl.exp(n)", "Expected dtype ['fp32', 'fp64'] but got int32"), ("tl.exp(H)", "but got fp16"),
    ("tl.fdiv(n, n)", "fdiv divides floating-point values"),
    ("tl.fdiv(X, X, True, True)", "exclude each other"),
    ("X + tl.arange(0, 32)", "incompatible dimensions"), ("X[0]", "unsupported tensor index"),
    ("X[:, :]", "too many indices"), ("tl.expand_dims(X, 3)", "invalid axis 3"),
    ("tl.expand_dims(X, (0, 0))", "duplicate axes"), ("tl.reshape(X, (8,))", "cannot change total number"),
    ("tl.trans(X)", "needs 2 or more dimensions, got 1"), ("tl.permute(X[None, :], (0, 0))", "must be a permutation"),
    ("tl.broadcast_to(X, (8,))", "cannot broadcast [16] to [8]"),
    ("tl.cat(X, tl.arange(0, 8))", "joins tensors of one shape"),
    ("X.to(tl.int16, bitcast=True)", "Cannot bitcast"),
    ("X.to(tl.float64, fp_downcast_rounding='rtz')", "truncating fp"),
    ("X.to(tl.float16, fp_downcast_rounding='up')", "Invalid rounding mode"), ("X.to(3)", "converted to a dtype"),
    ("tl.program_id(3)", "must be 0, 1, or 2"), ("tl.full((3,), 0, tl.int32)", "must be a power of 2"),
    ("tl.full((2**21,), 0, tl.int8)", "at most 1048576 elements"),
    ("tl.where(n > 0, x, 1.0)", "invalid operands of type"),
    ("tl.dot(X, X)", "2 or more, got ranks 1 and 1"),
    ("tl.dot(X[None, :], X[None, :])", "sums over one length, got 16 and 1"),
    ("tl.dot(X[None, :], H[:, None])", "Both operands must be same dtype"),
    ("tl.dot(X[None, :], X[:, None], input_precision='foo')", "input_precision must be one of"),
    ("tl.dot(X[None, :], X[:, None], input_precision='ieee', allow_tf32=True)", "give one, got both"),
    ("tl.dot(X[None, :], X[:, None], out_dtype=tl.bfloat16)", "is float32 or float16, got bfloat16"),
    ("tl.histogram(X, 16)", "32-bit integer input"), ("tl.sum(X, 1)", "invalid axis 1"),
    ("tl.sort(X[None, :], 0)", "along the last dimension only"), ("tl.topk(X, 3)", "must be a power of two"),
    ("tl.atomic_add(i, 1)", "atomic_add does not support int8"), ("tl.atomic_max(h, 1)", "does not support fp16"),
    ("tl.atomic_add(x, 1, sem='x')", "Memory semantic x not supported"),
    ("tl.atomic_load(x, sem='release')", "acquire and relaxed"),
    ("tl.atomic_poll(x, 1)", "reads integers of 16, 32 or 64 bits"),
    ("tl.atomic_store(x, 1, sem='acquire')", "sem is release or relaxed, got acquire"),
    ("tl.dot_scaled(n, None, 'e2m1', n, None, 'e2m1')", "tl.dot_scaled multiplies tiles, got int32 and int32"),
    ("X << 40.0", "invalid operands of type"), ("tl.multiple_of(X, 1.5)", "must hold an int, got a constexpr of"),
    ("tl.make_tensor_descriptor(x, [n], [1], [2])", "at least 16 bytes"),
    ("tl.make_tensor_descriptor(x, [n, n], [3, 1], [2, 16])", "must be 16-byte aligned"),
    ("tl.make_tensor_descriptor(x, [n, n], [4, 2], [2, 16])", "last dim must be 1"),
    ("tl.make_tensor_descriptor(i, [n], [1], [16], padding_option='nan')", "not supported for integer blocks"),
    ("tl.make_block_ptr(x, (n,), (1,), (0,), (16,), (1,))", "Expected a permutation"),
    ("tl.multiple_of(X, [1, 2])", "does not match the length"), ("tl.multiple_of(O, n)", "must have type `constexpr`"),
    ("tl.device_print(3)", "is not string"), ("tl.extra.libdevice.exp(H)", "no function for arguments of types fp16"),
    ("tl.extra.libdevice.fast_tanhf(X)", "not implemented: tl.extra.libdevice.fast_tanhf"),
    ("tl.extra.hip.smid()", "not implemented: tl.extra.hip.smid"), ("tl.abs()", "missing 1 required positional"),
]


class Options:
    debug, sanitize_overflow, num_warps = False, True, 4
    allowed_dot_input_precisions = ("tf32", "tf32x3", "ieee")
    default_dot_input_precision = "ieee"
    supported_fp8_dtypes = ("fp8e4b15", "fp8e4nv", "fp8e5")


def load_kernels():
    lines = ["import tessera.language as tl", "from tessera.runtime.jit import jit"]
    head = ["    O = tl.arange(0, 16)", "    X = tl.load(x + O)", "    H = tl.load(h + O)", "    F = tl.load(f + O)",
            "    E = tl.load(e + O)", "    I = tl.load(i + O)"]
    for number, (text, *_) in enumerate(GIVES + REFUSED):
        used = [h for h in head if h.split()[0] in text.replace("(", " ").replace(",", " ").replace(".", " ")
                .replace("~", " ").replace("-", " ").replace(")", " ").replace("[", " ").split()]
        if used and head[0] not in used:
            used.insert(0, head[0])
        lines += ["@jit", f"def kernel{number}({', '.join(SIGNATURE)}):", *used,
                  "    r = " + text if not text.startswith(("tl.store", "tl.extra.cuda.gdc")) else "    " + text]
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:
        file.write("\n".join(lines) + "\n")
    spec = importlib.util.spec_from_file_location("kernels_of_test_language_ir", file.name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, file.name


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernels, cls.path = load_kernels()
        warnings.simplefilter("ignore")

    @classmethod
    def tearDownClass(cls):
        warnings.resetwarnings()
        os.unlink(cls.path)

    def text(self, number):
        return generate(getattr(self.kernels, f"kernel{number}"), SIGNATURE, options=Options()).text(
            locations=False, numbers=True)

    def test_operations(self):
        for number, (expression, *expected) in enumerate(GIVES):
            with self.subTest(expression=expression):
                text = self.text(number)
                body = text.split("{", 2)[2].replace("tt.ptr<f32>", "")  # without the function's own line
                for part in expected:
                    if part.startswith("not "):
                        self.assertNotIn(part[4:], body)
                    else:
                        self.assertIn(part, body if "tt.ptr<f32>" not in part else text)

    def test_refusals(self):
        for number, (expression, expected) in enumerate(REFUSED, len(GIVES)):
            with self.subTest(expression=expression):
                with self.assertRaises(CompilationError) as caught:
                    self.text(number)
                error, texts = caught.exception, []
                while error is not None:
                    texts.append(str(error))
                    error = error.__cause__
                self.assertIn(expected, "\n".join(texts))

    def test_debug_checks_overflow(self):
        options = Options()
        options.debug = True
        number = next(i for i, row in enumerate(GIVES) if row[0] == "n + 1")
        text = generate(getattr(self.kernels, f"kernel{number}"), SIGNATURE, options=options).text(locations=False)
        self.assertIn("int32 overflow detected for operation add", text)
        self.assertIn("arith.extsi", text)

    def test_types_of_the_target(self):
        options = Options()
        options.supported_fp8_dtypes = ("fp8e4nv",)
        number = next(i for i, row in enumerate(GIVES) if row[0] == "E + E")
        with self.assertRaises(Exception) as caught:
            generate(getattr(self.kernels, f"kernel{number}"), SIGNATURE, options=options)
        self.assertIn("type fp8e5 not supported in this architecture. The supported fp8 dtypes are ('fp8e4nv',)",
                      f"{caught.exception}{caught.exception.__cause__}")


if __name__ == "__main__":
    unittest.main()
