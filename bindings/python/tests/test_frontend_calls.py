# SPDX-License-Identifier: MIT
"""Calls, names from outside, compile-time values, places and names in the IR."""
import contextlib
import io
import os
import unittest
import unittest.mock
from typing import NamedTuple

from frontend_support import (Case, JITFunction, aggregate, constexpr_function, function_text, ir, jit, module_of, np,
                              run, tl)

GLOBAL = tl.constexpr(6)
TYPE = tl.int32
NUMBER = 42


def ints(n=8):
    return np.zeros(n, np.int32)


@jit
def inner(a, B: tl.constexpr, c=3):
    return a * B + c


@jit
def keyword_only(a, *, b, c=2):
    return a + 10 * b + 100 * c


@jit
def varargs(first, *rest):
    total = first
    for i in tl.static_range(len(rest)):
        total += rest[i]
    return total


@jit
def calling(o, n):
    tl.store(o, inner(n, 2))
    tl.store(o + 1, inner(n, B=5, c=n))
    tl.store(o + 2, inner(c=1, a=n, B=GLOBAL))
    tl.store(o + 3, keyword_only(n, b=2))
    tl.store(o + 4, varargs(n, 1, 2))
    dims: tl.constexpr = (4, 5)
    tl.store(o + 5, varargs(n, *dims))
    tl.store(o + 6, apply(n, twice))
    tl.store(o + 7, apply(n, thrice))


@jit
def apply(x, f: tl.constexpr):
    return f(x)


@jit
def twice(x):
    return 2 * x


@jit
def thrice(x):
    return 3 * x


@JITFunction
def plain(a, b):
    return a + b


def _make(amount):
    k = tl.constexpr(amount)

    @jit
    def add(a, b):
        return a + b + k
    return add


add_one, add_two = _make(1), _make(2)


@jit
def combining(o, p):
    x = tl.arange(0, 4)
    tl.store(o, tl.reduce(x, 0, plain))
    tl.store(o + 1, tl.reduce(x, 0, add_one))
    tl.store(o + 2, tl.reduce(x, 0, add_two))
    tl.store(p + x, tl.associative_scan(x, 0, plain))


@jit
def _largest(a, i, b, j):
    take = a > b
    return tl.where(take, a, b), tl.where(take, i, j)


@jit
def pairs(o):
    x = tl.arange(0, 8)
    value, index = tl.reduce(((x * 5) % 8, x), 0, _largest)
    tl.store(o, value)
    tl.store(o + 1, index)
    tl.store(o + 2, x.sum())
    tl.store(o + 3, x.to(tl.float32).max(axis=0).to(tl.int32))


@jit
def _kind(x):
    if x > 4:
        return 1
    return 0


@jit
def mapping(o):
    x = tl.arange(0, 8)
    tl.store(o + x, tl.map_elementwise(_kind, x))


def _outlined(fn):
    return JITFunction(fn, noinline=True)


@_outlined
def outlined(a, b):
    return a - b


@jit
def calls_outlined(o, n):
    tl.store(o, outlined(n, 3))


@constexpr_function
def padded(n):
    power = 1
    while power < n:
        power *= 2
    return power


class Point(NamedTuple):
    x: tl.constexpr
    y: tl.constexpr


@jit
def constants(o, N: tl.constexpr, WORD: tl.constexpr):
    P: tl.constexpr = padded(N)
    half: tl.constexpr = P // 2
    tl.static_assert(P == 8 and half == 4, f"padded to {P}")
    tl.static_assert(f"{WORD}-{P:03d}-{WORD!r}" == "ab-008-'ab'")
    tl.static_assert(7 // -2 == -4 and -7 % 3 == 2 and 2 ** 70 > 1)  # Python's rules
    tl.static_assert(GLOBAL == 6 and TYPE is tl.int32)
    tl.static_assert(WORD is not None and WORD in ("ab", "cd") and 3 not in (1, 2))
    tl.static_assert(1 < P < 9 and not (P < 4 < 8))
    tl.static_assert(isinstance(o, tl.tensor) and hasattr(o, "dtype") and getattr(o, "dtype").is_ptr())
    tl.static_assert(min(3, N) == 3 and max(3, N) == 6 and len((1, 2, 3)) == 3 and int(2.5) == 2)
    point: tl.constexpr = Point(N, 3)
    tl.static_assert(point.y == 3 and point[0] == 6 and point == (6, 3))
    y: tl.constexpr
    x, y = 1, 2
    tl.static_assert(x.dtype == tl.int32 and y.type == tl.constexpr_type(2))
    z: tl.constexpr = [v for v in (1, 2, 3, 4) if v % 2 == 0]
    tl.static_assert(len(z) == 2 and z[1] == 4)
    word: tl.constexpr = None if N else "x"
    tl.static_assert(word is None)
    tl.store(o + tl.arange(0, P), x + point.x)


@aggregate
class Pair:
    first: tl.tensor
    second: tl.tensor
    scale: tl.constexpr

    @jit
    def total(self):
        return (self.first + self.second) * self.scale

    @jit
    def __add__(self, other):
        return Pair(self.first + other, self.second, self.scale)

    @constexpr_function
    def doubled(self):
        return self.scale * 2


@jit
def aggregates(o, n):
    p = Pair(n, n + 1, 3)
    tl.store(o, p.total())
    p = p + 10
    for i in range(2):
        p = Pair(p.first + i, p.second, 3)
    tl.store(o + 1, p.first)
    if n > 2:
        p = Pair(p.second, p.first, 3)
    tl.store(o + 2, p.first)
    factor: tl.constexpr = p.doubled()
    tl.store(o + 3, n * factor)


@jit
def named(x_ptr, n, B: tl.constexpr):
    pid = tl.program_id(0)
    offs = pid * B + tl.arange(0, B)
    total = tl.sum(offs, 0)
    count = 0
    for i in range(n):
        count += i
    tl.store(x_ptr, total + count)


class Calls(Case):
    def test_arguments(self):
        o = ints()
        run(calling, o, 7)
        self.assertEqual(list(o), [17, 42, 43, 227, 10, 16, 14, 21])

    def test_symbols(self):
        text = ir(calling, {"o": "*i32", "n": "i32"})
        self.assertIn("tt.func public @calling(", text)
        for symbol in ("inner__i32_c2_c3", "inner__i32_c5_i32", "inner__i32_c6_c1", "keyword_only__i32_c2_c2",
                       "varargs__i32_Tc1_c2T"):
            self.assertRegex(text, rf'tt\.func private @"?[\w.]*{symbol}"?\(')
            self.assertRegex(text, rf'tt\.call @"?[\w.]*{symbol}"?\(')
        self.assertIn("attributes {noinline = false}", text)

    def test_a_function_is_built_once(self):
        @jit
        def kernel(o, n):
            tl.store(o, twice(n) + twice(n + 1))
        self.assertEqual(ir(kernel, {"o": "*i32", "n": "i32"}).count("tt.func private"), 1)

    def test_combiners_that_are_closures(self):
        o, p = ints(), ints(4)
        run(combining, o, p)
        self.assertEqual(list(o[:3]), [6, 9, 12])
        self.assertEqual(list(p), [0, 1, 3, 6])

    def test_reductions_of_pairs_and_methods(self):
        o = ints()
        run(pairs, o)
        self.assertEqual(list(o[:4]), [7, 3, 28, 7])

    def test_map_elementwise_with_branches(self):
        o = ints()
        run(mapping, o)
        self.assertEqual(list(o), [0, 0, 0, 0, 0, 1, 1, 1])

    def test_noinline(self):
        text = ir(calls_outlined, {"o": "*i32", "n": "i32"})
        self.assertIn("noinline = true", function_text(text, "outlined__i32_c3"))
        o = ints()
        run(calls_outlined, o, 5)
        self.assertEqual(o[0], 2)

    def test_compile_time_values(self):
        o = ints()
        run(constants, o, N=6, WORD="ab")
        self.assertEqual(list(o), [7] * 8)

    def test_aggregates(self):
        for n, first in ((1, 12), (5, 6)):
            o = ints()
            run(aggregates, o, n)
            self.assertEqual(list(o[:4]), [(2 * n + 1) * 3, n + 11, first, n * 6])

    def test_static_print(self):
        @jit
        def kernel(N: tl.constexpr):
            for i in tl.static_range(2):
                tl.static_print("value", N + i, sep=":")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            module_of(kernel, {}, {"N": 3})
        self.assertEqual(said.getvalue(), "value:3\nvalue:4\n")

    def test_device_assert_and_print(self):
        @jit
        def kernel(n):
            tl.device_print("n", n)
            print("m", n)
            assert n > 0, "positive"
        quiet = ir(kernel, {"n": "i32"})
        self.assertEqual(quiet.count("tt.print"), 2)
        self.assertNotIn("tt.assert", quiet)
        self.assertIn('tt.assert', ir(kernel, {"n": "i32"}, debug=True))

    def test_globals_that_may_be_used(self):
        with unittest.mock.patch.dict(os.environ, {"TRITON_ALLOW_NON_CONSTEXPR_GLOBALS": "1"}):
            @jit
            def kernel(o):
                tl.store(o, NUMBER)
            o = ints()
            run(kernel, o)
            self.assertEqual(o[0], 42)

    def test_specialised_recursion(self):
        @jit
        def kernel(o):
            tl.store(o, _halves(tl.arange(0, 8)))
        text = ir(kernel, {"o": "*i32"})
        for n, calls in ((8, 1), (4, 2), (2, 2), (1, 2)):
            self.assertEqual(text.count(f"_halves__i32S{n}S("), calls + 1)  # and the function
        o = ints()
        run(kernel, o)
        self.assertEqual(o[0], 28)

    def test_tuples_as_arguments(self):
        @jit
        def kernel(o, t, u):
            tl.store(o, t[0] + t[1][0] * t[1][1] + u.y)
        text = ir(kernel, {"o": "*i32", "t": ("i32", ("i32", "constexpr")), "u": Point("constexpr", "i32")},
                  {(1, 1, 1): 3, (2, 0): 5})
        self.assertRegex(text, r"@kernel\(%o: !tt.ptr<i32>, %t\.0: i32, %t\.1\.0: i32, %u\.y: i32\)")


@jit
def _halves(x):
    if x.shape[0] == 1:
        return tl.sum(x, 0)
    else:
        a, b = x.reshape((x.shape[0] // 2, 2)).split()
        return _halves(a) + _halves(b)


class Places(Case):
    def test_names_and_locations(self):
        text = ir(named, {"x_ptr": "*i32", "n": "i32"}, {"B": 16}, {(0,): [("tt.divisibility", 16)]}, locations=True)
        self.assertIn("%x_ptr: !tt.ptr<i32> {tt.divisibility = 16 : i32} loc(\"x_ptr\"", text)
        for words in ("%pid = tt.get_program_id", "%offs = ", "%offs_0 = ", "%total = tt.call", "%count = arith.constant",
                      "%count_", "scf.for %i = ", "iter_args(%count_"):
            self.assertIn(words, text)
        first = named.def_line
        here = os.path.basename(__file__)
        self.assertRegex(text, rf'loc\("[^"]*{here}":{first}:1\)')         # the function
        self.assertRegex(text, rf'loc\("[^"]*{here}":{first + 1}:11\)')    # tl.program_id(0)
        self.assertRegex(text, rf'loc\("[^"]*{here}":{first + 2}:22\)')    # tl.arange(0, B)
        self.assertRegex(text, r'#loc\d* = loc\("pid"\(#loc\d*\)\)')
        self.assertNotIn("loc(unknown)", function_text(text, "@named"))

    def test_locations_of_methods(self):
        class Holder:
            @jit
            def method(o):
                tl.store(o, 1)
        text = ir(Holder.method, {"o": "*i32"}, locations=True)
        self.assertRegex(text, rf'":{Holder.method.def_line}:13\)')        # the indentation counts
        self.assertRegex(text, rf'":{Holder.method.def_line + 1}:17\)')

    def test_threads(self):
        import threading
        cases = [(named, {"x_ptr": "*i32", "n": "i32"}, {"B": 16}), (calling, {"o": "*i32", "n": "i32"}, {})]
        want = [ir(*case, locations=True) for case in cases]
        wrong = []

        def work():
            for _ in range(3):
                wrong.extend(case for case, text in zip(cases, want) if ir(*case, locations=True) != text)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_same_ir_twice(self):
        texts = {ir(named, {"x_ptr": "*i32", "n": "i32"}, {"B": 16}, locations=True) for _ in range(3)}
        self.assertEqual(len(texts), 1)


if __name__ == "__main__":
    unittest.main()
