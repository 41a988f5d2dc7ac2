# SPDX-License-Identifier: MIT
"""Control flow and assignments of kernels: what they compute, on the interpreter, before and after passes."""
import unittest

from frontend_support import Case, function_text, ir, jit, np, run, tl


def out(n=8):
    return np.zeros(n, np.int32)


@jit
def loops(o, n):
    total = 0
    for i in range(n):
        total += i
    tl.store(o, total)
    for i in range(2, n):
        total += i
    tl.store(o + 1, total)
    for i in range(10, 0, -3):
        total = total * 2 + i
    tl.store(o + 2, total)
    for i in tl.range(0, n, 2, num_stages=3):
        total -= i
    tl.store(o + 3, total)
    for i in tl.static_range(4, 0, -1):
        total = total * 3 + i
    tl.store(o + 4, total)


def loops_in_python(n):
    o, total = [], 0
    for steps, f in ((range(n), lambda t, i: t + i), (range(2, n), lambda t, i: t + i),
                     (range(10, 0, -3), lambda t, i: t * 2 + i), (range(0, n, 2), lambda t, i: t - i),
                     (range(4, 0, -1), lambda t, i: t * 3 + i)):
        for i in steps:
            total = f(total, i)
        o.append(total)
    return o


@jit
def nested(o, n):
    a = 0
    b = 1
    for i in range(n):
        for j in range(i):
            a, b = b, a + b
            if j > 1:
                a += 1
            else:
                b -= 1
        k = 0
        while k < i:
            k += 2
            b += k
    tl.store(o, a)
    tl.store(o + 1, b)


def nested_in_python(n):
    a, b = 0, 1
    for i in range(n):
        for j in range(i):
            a, b = b, a + b
            if j > 1:
                a += 1
            else:
                b -= 1
        k = 0
        while k < i:
            k += 2
            b += k
    return a, b


@jit
def unchanged(o, n, FLAG: tl.constexpr):
    # `a` is bound in the loop's text, but not when FLAG is false; `b` gets its own value back.
    a = 5
    b = 7
    c = 0
    for i in range(n):
        if FLAG:
            a += i
        b = b
        c += a + b
    tl.store(o, a)
    tl.store(o + 1, b)
    tl.store(o + 2, c)
    while c > 100:
        if FLAG:
            a -= 1
        c -= a
    tl.store(o + 3, c)


@jit
def sign(x):
    if x < 0:
        return -1
    if x == 0:
        return 0
    return 1


@jit
def both_return(x):
    if x > 2:
        if x > 5:
            return x * 100
        y = x
    else:
        y = -x
        if x == 1:
            return 11
    return y


@jit
def early(o, n):
    tl.store(o, sign(n))
    tl.store(o + 1, sign(n - 3))
    tl.store(o + 2, both_return(n))
    if n == 3:
        tl.store(o + 3, 33)
        return
    elif n == 1:
        tl.store(o + 3, 1)
    else:
        return
    tl.store(o + 4, 44)


@jit
def choices(o, n):
    a = 3 if n > 2 else 4
    b = n if n > 5 else (n * 2 if n > 1 else n * 3)
    tl.store(o, a)
    tl.store(o + 1, b)
    if n > 2:
        x = 10
        a = a + 1
    else:
        x = 20
    tl.store(o + 2, x)
    tl.store(o + 3, a)
    t = (n, 2 * n)
    if n > 3:
        t = (t[1], t[0])
    for _ in range(2):
        t = (t[0] + t[1], t[1])
    tl.store(o + 4, t[0])
    tl.store(o + 5, t[1])
    ok = (0 <= n) & (n < 3)
    tl.store(o + 6, ok.to(tl.int32))
    tl.store(o + 7, (0 < n < 4).to(tl.int32))


def choices_in_python(n):
    a = 3 if n > 2 else 4
    b = n if n > 5 else (n * 2 if n > 1 else n * 3)
    t = (2 * n, n) if n > 3 else (n, 2 * n)
    for _ in range(2):
        t = (t[0] + t[1], t[1])
    return [a, b, 10 if n > 2 else 20, a + 1 if n > 2 else a, *t, int(0 <= n < 3), int(0 < n < 4)]


@jit
def operators(o, n, C: tl.constexpr):
    tl.store(o, (n and C) if C == 0 else n)  # compile-time operands decide
    tl.store(o + 1, not_of(n == 3))
    flag = (n > 1) and (n < 5)
    tl.store(o + 2, flag.to(tl.int32))
    flag = (n == 0) or (n == 4) or False
    tl.store(o + 3, flag.to(tl.int32))
    x = -n
    x += 5
    x *= 3
    x -= 1
    x //= 2
    x ^= 1
    x <<= 2
    x |= 1
    tl.store(o + 4, x)
    tl.store(o + 5, ~n)


@jit
def not_of(x):
    return (not x).to(tl.int32)


@jit
def dead(o, FLAG: tl.constexpr):
    tl.store(o, after_static(FLAG))


@jit
def after_static(FLAG: tl.constexpr):
    x = 1
    if FLAG:
        return x + 1
    x = 5
    return x * 2


@jit
def tuples(o, n):
    a, (b, c), d = n, (n + 1, n + 2), 4
    first, second = pair(a, b)
    tl.store(o, first)
    tl.store(o + 1, second)
    s = [v * 2 for v in (a, b, c) if True]
    tl.store(o + 2, s[0] + s[1] + s[2])
    for i in tl.static_range(len(s)):
        tl.store(o + 3 + i, s[i])
    e = d = 9
    tl.store(o + 6, e + d)
    (m := n * n)
    tl.store(o + 7, m)


@jit
def pair(a, b):
    return b - a, a * b


@jit
def poison(o, n):
    for j in range(n):
        for k in range(j):
            tl.store(o, k)
        for k in range(2):
            tl.store(o + 1, k + j)


@jit
def many(o, n, M: tl.constexpr):
    acc = tl.zeros((M,), tl.int32)
    for i in range(n):
        acc += tl.arange(0, M) * i
    tl.store(o + tl.arange(0, M), acc)


class Values(Case):
    def test_loops(self):
        for n in (0, 1, 5):
            o = out()
            run(loops, o, n)
            self.assertEqual(list(o[:5]), loops_in_python(n))

    def test_nested(self):
        for n in (0, 3, 6):
            o = out()
            run(nested, o, n)
            self.assertEqual(tuple(o[:2]), nested_in_python(n))

    def test_names_that_the_body_leaves_alone(self):
        for flag in (False, True):
            o = out()
            run(unchanged, o, 10, FLAG=flag)
            a = 5 + (45 if flag else 0)
            c = sum(5 + (sum(range(i + 1)) if flag else 0) + 7 for i in range(10))
            self.assertEqual(list(o[:3]), [a, 7, c])
        text = ir(unchanged, {"o": "*i32", "n": "i32"}, {"FLAG": False})
        self.assertIn("iter_args(%c_", text)
        self.assertNotIn("iter_args(%a", text)
        self.assertRegex(text, r"scf\.while \(%c[_\d]* = [^,]*\) : \(i32\) -> i32")

    def test_early_returns(self):
        for n, want in ((3, [1, 0, 3, 33, 0]), (1, [1, -1, 11, 1, 44]), (7, [1, 1, 700, 0, 0]), (-4, [-1, -1, 4, 0, 0])):
            o = out()
            run(early, o, n)
            self.assertEqual(list(o[:5]), want, n)

    def test_choices(self):
        for n in (-1, 0, 1, 2, 3, 4, 6):
            o = out()
            run(choices, o, n)
            self.assertEqual(list(o), choices_in_python(n), n)

    def test_operators(self):
        for n, c in ((3, 0), (4, 1), (0, 2)):
            o = out()
            run(operators, o, n, C=c)
            x = (5 - n) * 3 - 1
            x = ((abs(x) // 2 * (1 if x >= 0 else -1)) ^ 1) << 2 | 1
            self.assertEqual(list(o[:6]), [0 if c == 0 else n, int(n != 3), int(1 < n < 5), int(n in (0, 4)), x, ~n])

    def test_code_behind_a_return(self):
        for flag, want in ((True, 2), (False, 10)):
            o = out()
            run(dead, o, FLAG=flag)
            self.assertEqual(o[0], want)

    def test_tuples(self):
        o = out()
        run(tuples, o, 5)
        self.assertEqual(list(o), [1, 30, 36, 10, 12, 14, 18, 25])

    def test_loop_variables_of_inner_loops(self):
        o = out()
        run(poison, o, 3)
        self.assertEqual(list(o[:2]), [1, 3])

    def test_tiles_are_carried(self):
        o = out(16)
        run(many, o, 4, M=16)
        self.assertEqual(list(o), [6 * i for i in range(16)])


@jit
def options(o, n):
    for i in tl.range(0, n, num_stages=4, loop_unroll_factor=2, disallow_acc_multi_buffer=True, flatten=True,
                      warp_specialize=True, disable_licm=True):
        tl.store(o, i)
    while tl.condition(n > 3, disable_licm=True):
        n -= 1


@jit
def long_bounds(o, n, m: tl.int64):
    for i in range(n, m, 2):
        tl.store(o, i)


class Structure(Case):
    def test_range_options(self):
        text = ir(options, {"o": "*i32", "n": "i32"})
        for words in ("tt.num_stages = 4 : i32", "tt.loop_unroll_factor = 2 : i32", "tt.disallow_acc_multi_buffer",
                      "tt.flatten", "tt.warp_specialize"):
            self.assertIn(words, text)
        self.assertEqual(text.count("{llvm.loop_annotation =") + text.count(" llvm.loop_annotation ="), 2)

    def test_bounds_promote(self):
        text = ir(long_bounds, {"o": "*i64", "n": "i32", "m": "i64"})
        self.assertIn("arith.extsi %n : i32 to i64", text)
        self.assertRegex(text, r"scf\.for %i = .*  : i64 \{")

    def test_statements_are_built_once(self):
        # Triton visits an inner loop's body once per loop around it, and once more.
        text = ir(nested, {"o": "*i32", "n": "i32"})
        self.assertEqual(text.count("scf.for"), 2)
        self.assertEqual(text.count("scf.while"), 1)
        self.assertEqual(text.count("scf.if"), 1)

    def test_early_return_is_a_branch(self):
        text = function_text(ir(early, {"o": "*i32", "n": "i32"}), "both_return")
        self.assertIn("cf.cond_br", text)
        self.assertNotIn("scf.if", text)

    def test_unused_results_of_an_if(self):
        text = ir(choices, {"o": "*i32", "n": "i32"})
        self.assertIn("scf.if", text)


if __name__ == "__main__":
    unittest.main()
