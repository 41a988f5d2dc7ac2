# SPDX-License-Identifier: MIT
"""Types and compile-time values of the language: what they are called, when they are equal, what operators give."""
import copy
import pickle
import unittest

import tessera.language as tl
from tessera.language import core

cx = tl.constexpr


class Types(unittest.TestCase):
    def test_dtypes(self):
        rows = [(tl.int1, "int1", 1, "u1", "BOOLEAN"), (tl.int8, "int8", 8, "i8", "INTEGRAL"),
                (tl.uint32, "uint32", 32, "u32", "INTEGRAL"), (tl.int64, "int64", 64, "i64", "INTEGRAL"),
                (tl.float16, "fp16", 16, "fp16", "FLOATING"), (tl.bfloat16, "bf16", 16, "bf16", "FLOATING"),
                (tl.float64, "fp64", 64, "fp64", "FLOATING"), (tl.float8e4nv, "fp8e4nv", 8, "fp8e4nv", "FLOATING")]
        for ty, name, bits, mangled, kind in rows:
            with self.subTest(name=name):
                self.assertIs(tl.dtype(name), ty)
                self.assertEqual((str(ty), ty.primitive_bitwidth, ty.mangle(), ty.kind().name),
                                 (name, bits, mangled, kind))
                self.assertIs(pickle.loads(pickle.dumps(ty)), ty)
                self.assertIs(copy.deepcopy(ty), ty)
                self.assertEqual(ty, cx(ty))
        self.assertEqual(repr(tl.float8e5), "triton.language.float8e5")
        self.assertEqual(repr(tl.bfloat16), "triton.language.bfloat16")
        self.assertTrue(tl.int1.is_bool() and tl.int1.is_int_unsigned() and not tl.int1.is_int_signed())
        self.assertEqual((tl.int1.itemsize, tl.float64.itemsize), (0, 8))
        self.assertEqual((tl.int8.get_int_min_value(), tl.uint16.get_int_max_value()), (-128, 65535))
        self.assertTrue(tl.float8e4b15.is_fp8() and not tl.float8e5.is_standard_floating())
        with self.assertRaises(AssertionError):
            tl.dtype("float32")

    def test_pointers(self):
        p = tl.pointer_type(tl.float16)
        self.assertIs(p, tl.pointer_type(tl.float16, 1))
        self.assertNotEqual(p, tl.pointer_type(tl.float16, const=True))
        self.assertEqual((str(p), p.mangle(), p.is_ptr(), p.scalar), ("pointer<fp16>", "Pfp16", True, p))
        self.assertEqual(str(tl.pointer_type(tl.int8, const=True)), "const_pointer<int8>")
        with self.assertRaises(TypeError):
            tl.pointer_type("fp16")

    def test_blocks(self):
        b = tl.block_type(tl.float32, [64, cx(32)])
        self.assertIs(b, tl.block_type(tl.float32, (64, 32)))
        self.assertEqual((str(b), b.mangle(), b.numel, b.nbytes), ("<[64, 32], fp32>", "fp32S64_32S", 2048, 8192))
        self.assertIs(b.with_element_ty(tl.int1), tl.block_type(tl.int1, (64, 32)))
        for shape, error, text in (([3], ValueError, "must be a power of 2"), ([0], ValueError, "power of 2"),
                                   ([], TypeError, "0d block_type"), ([2 ** 21], ValueError, "at most 1048576 elements"),
                                   ([1.0], TypeError, "must be an int")):
            with self.subTest(shape=shape), self.assertRaisesRegex(error, text):
                tl.block_type(tl.float32, shape)

    def test_signatures(self):
        for text, ty in (("i32", tl.int32), ("u1", tl.int1), ("B", tl.int1), ("fp8e4b15", tl.float8e4b15),
                         ("*bf16", tl.pointer_type(tl.bfloat16)),
                         ("*ki64", tl.pointer_type(tl.int64, const=True))):
            self.assertIs(tl.str_to_ty(text, None), ty)
        desc = tl.str_to_ty("tensordesc<fp16[64, 32]>", None)
        self.assertEqual((desc.mangle(), len(desc.shape_type), desc.strides_type[0]), ("TDfp16S64_32S", 2, tl.int64))
        self.assertEqual(tl.str_to_ty(("i32", ("*fp32", "constexpr")), (None, (None, 3))).mangle(), "Ti32_TPfp32_c3TT")
        self.assertEqual(tl.str_to_ty("constexpr", 7).value, 7)
        with self.assertRaises(KeyError):
            tl.str_to_ty("i33", None)


class Constexpr(unittest.TestCase):
    def test_python_semantics(self):
        self.assertEqual((cx(-7) // 2).value, -4)
        self.assertEqual((cx(-7) % cx(3)).value, 2)
        self.assertEqual((7 / cx(2)).value, 3.5)
        self.assertEqual((cx(2)**cx(70)).value, 2**70)
        self.assertEqual((2**cx(3)).value, 8)
        self.assertEqual(((cx(5) & 3) | 8).value, 9)
        self.assertEqual((~cx(0)).value, -1)
        self.assertTrue((cx(1) < 2) and not (cx(1) == 2))
        self.assertEqual(cx(cx(cx(4))).value, 4)
        self.assertEqual(list(range(cx(3))), [0, 1, 2])
        self.assertEqual(cx("ab")[1], "b")
        self.assertEqual(cx([1, 2, 3])[cx(2)], 3)
        self.assertEqual(cx(0).logical_or(5).value, 5)
        for name in ("__rmod__", "__rand__", "__ror__", "__rxor__", "__rlshift__"):
            self.assertFalse(hasattr(cx(1), name), name)

    def test_type(self):
        self.assertEqual(cx(3).type, core.constexpr_type(3))
        self.assertEqual(cx("x").type.mangle(), "c'x'")
        self.assertEqual(cx(tl.float16).type.mangle(), "cfp16")
        self.assertEqual(repr(cx(3)), "constexpr[3]")
        out = []
        cx(3).type._flatten_ir_types(None, out)
        self.assertEqual(out, [])

    def test_unwrap(self):
        from collections import namedtuple
        pair = namedtuple("pair", "a b")
        got = core._unwrap_if_constexpr(pair(cx(1), [cx(2)]))
        self.assertEqual((type(got), got), (pair, (1, [2])))


class Tuples(unittest.TestCase):
    def test_operations(self):
        t = tl.tuple([cx(1), cx(2)])
        self.assertEqual([v.value for v in t + tl.tuple([cx(3)])], [1, 2, 3])
        self.assertEqual([v.value for v in (t * cx(2))[cx(1):]], [2, 1, 2])
        self.assertEqual(len(t), 2)
        self.assertTrue(t == (1, 2))
        self.assertFalse(t == (1, 3))
        self.assertTrue(t != (1, 3))
        self.assertEqual(t.type.mangle(), "Tc1_c2T")
        named = tl.tuple([cx(1), cx(2)], tl.tuple_type([cx(1).type, cx(2).type], ["x", "y"]))
        self.assertEqual(named.y.value, 2)
        self.assertEqual(str(named.type), "[x:constexpr_type[1],y:constexpr_type[2]]")
        with self.assertRaises(AttributeError):
            named.z

    def test_loops_heads(self):
        r = tl.range(cx(4), num_stages=3)
        self.assertEqual((r.start.value, r.end.value, r.step.value, r.num_stages), (0, 4, 1, 3))
        with self.assertRaises(AssertionError):
            tl.static_range(4)
        for loop in (r, tl.static_range(cx(4))):
            with self.assertRaises(RuntimeError):
                iter(loop)


@core._aggregate
class Pair:
    a: tl.constexpr
    b: tl.constexpr = 5

    def total(self):
        return self.a + self.b


class Aggregates(unittest.TestCase):
    def test_fields(self):
        p = Pair(3)
        self.assertEqual((p.a.value, p.b.value, p.total().value), (3, 5, 8))
        q = tl.aggregate_replace(p, a=4)
        self.assertEqual((q.a.value, p.a.value), (4, 3))
        self.assertEqual(p.type, Pair(3, 5).type)
        self.assertNotEqual(p.type, q.type)
        self.assertTrue(p.type.mangle().endswith("Pair<c3, c5>"))
        for call, error, text in ((lambda: Pair(), TypeError, "missing required argument: 'a'"),
                                  (lambda: Pair(1, 2, 3), TypeError, "takes 3 positional arguments but 4"),
                                  (lambda: Pair(1, a=2), TypeError, "multiple values for argument 'a'"),
                                  (lambda: Pair(1, c=2), TypeError, "unexpected keyword argument 'c'"),
                                  (lambda: setattr(p, "a", cx(1)), AttributeError, "cannot assign to field 'a'"),
                                  (lambda: setattr(p, "z", cx(1)), AttributeError, "has no attribute 'z'"),
                                  (lambda: tl.aggregate_replace(p, z=1), TypeError, "has no field 'z'"),
                                  (lambda: tl.aggregate_replace(3), TypeError, "expects an aggregate instance")):
            with self.subTest(text=text), self.assertRaisesRegex(error, text):
                call()

    def test_inheritance(self):
        @core._aggregate
        class Triple(Pair):
            c: tl.constexpr = 7

            def total(self):
                return self.a + self.b + self.c

        self.assertEqual(Triple(1).total().value, 13)
        self.assertEqual(Triple.__aggregate_fields__, ("a", "b", "c"))
        with self.assertRaisesRegex(TypeError, "Aggregates can only inherit from other aggregates"):
            @core._aggregate
            class Wrong(dict):
                a: tl.constexpr


if __name__ == "__main__":
    unittest.main()
