# SPDX-License-Identifier: MIT
"""Random kernels of assignments, branches, loops and early returns: the interpreter against Python itself.

TESSERA_RANDOM_KERNELS: how many (40); TESSERA_RANDOM_SEED: the first seed."""
import linecache
import os
import random
import unittest

from frontend_support import Case, jit, np, run, tl

NAMES = ["a", "b", "c", "d"]


class Writer:
    """Writes one module: helpers that return early, and a kernel that stores its variables."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines = []
        self.counter = 0

    def put(self, depth, text):
        self.lines.append("    " * depth + text)

    def pick(self, *choices):
        return self.random.choice(choices)

    def expression(self, names, depth=2):
        if depth == 0 or self.random.random() < 0.25:
            return self.pick(self.pick(*names), str(self.random.randint(-9, 9)))
        a, b = self.expression(names, depth - 1), self.expression(names, depth - 1)
        kind = self.random.randrange(8)
        if kind < 4:
            return f"(({a} {self.pick('+', '-', '*', '&', '|', '^')} {b}) & 1023)"
        if kind == 4:
            return f"({a} if {self.condition(names, 0)} else {b})"
        if kind == 5 and self.helpers:
            return f"{self.pick(*self.helpers)}({a}, {b})"
        return f"({a} {self.pick('+', '-')} {b})"

    def condition(self, names, depth=1):
        text = f"{self.pick(*names)} {self.pick('<', '>', '==', '!=', '<=', '>=')} {self.expression(names, depth)}"
        if self.random.random() < 0.15:
            return f"0 <= {self.pick(*names)} < 500"
        return text

    def static(self):
        return self.pick("FLAG", "not FLAG", "N > 2", "N == 3 and FLAG", "FLAG or N < 2")

    def block(self, depth, names, budget, in_loop, returns):
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth, names, budget, in_loop, returns)

    def statement(self, depth, names, budget, in_loop, returns):
        kind = self.random.randrange(10 if budget > 0 else 4)
        if kind < 2:
            self.put(depth, f"{self.pick(*names)} = {self.expression(names)}")
        elif kind == 2:
            self.put(depth, f"{self.pick(*names)} {self.pick('+=', '-=', '^=')} {self.expression(names, 1)}")
        elif kind == 3:
            x, y = self.random.sample(names, 2)
            self.put(depth, f"{x}, {y} = {y}, {self.expression(names, 1)}")
        elif kind in (4, 5):
            self.put(depth, f"if {self.condition(names)}:")
            self.block(depth + 1, names, budget - 1, in_loop, returns)
            if returns and not in_loop and self.random.random() < 0.4:
                self.put(depth + 1, f"return {self.expression(names, 1)}")
            if self.random.random() < 0.6:
                self.put(depth, "else:")
                self.block(depth + 1, names, budget - 1, in_loop, returns)
        elif kind == 6:
            self.put(depth, f"if {self.static()}:")
            self.block(depth + 1, names, budget - 1, in_loop, returns)
            self.put(depth, "else:")
            self.block(depth + 1, names, budget - 1, in_loop, returns)
        elif kind == 7:
            self.counter += 1
            i = f"i{self.counter}"
            head = self.pick(f"range({self.random.randint(0, 4)})", f"range(1, {self.pick(*names)} & 3)",
                             f"tl.range(0, {self.random.randint(1, 9)}, {self.random.randint(1, 3)})",
                             f"range({self.random.randint(2, 6)}, -2, -{self.random.randint(1, 3)})",
                             "tl.static_range(N)")
            self.put(depth, f"for {i} in {head}:")
            self.block(depth + 1, names + [i] if "static" not in head else names, budget - 1, True, returns)
        elif kind == 8:
            self.counter += 1
            w = f"w{self.counter}"
            self.put(depth, f"{w} = {self.random.randint(0, 4)}")
            self.put(depth, f"while {w} > 0:")
            self.put(depth + 1, f"{w} -= 1")
            self.block(depth + 1, names, budget - 1, True, returns)
        else:
            name = self.pick(*names)
            self.put(depth, f"if {self.condition(names)}:")
            self.put(depth + 1, f"t = {self.expression(names, 1)}")
            self.put(depth, "else:")
            self.put(depth + 1, f"t = {self.expression(names, 1)}")
            self.put(depth, f"{name} = t + 1")

    def module(self):
        self.helpers = []
        for k in range(2):
            self.put(0, f"@jit\ndef helper{k}(a, b):")
            self.put(1, "FLAG: tl.constexpr = OUTER_FLAG")
            self.put(1, "N: tl.constexpr = OUTER_N")
            for line in ("a = a", "b = b", "c = a + b", "d = 1"):  # numbers among the arguments become variables
                self.put(1, line)
            self.block(1, list(NAMES), 2, False, True)
            self.put(1, f"return {self.expression(NAMES, 1)}")
            self.put(0, "")
            self.helpers.append(f"helper{k}")
        self.put(0, "@jit\ndef kernel(o, a, b, N: tl.constexpr, FLAG: tl.constexpr):")
        self.put(1, "c = 3")
        self.put(1, "d = a - b")
        for _ in range(4):
            self.statement(1, list(NAMES), 3, False, False)
        for k, name in enumerate(NAMES):
            self.put(1, f"tl.store(o + {k}, {name})")
        return "\n".join(self.lines) + "\n"


class Cells:
    """A pointer for Python's run of a kernel."""

    def __init__(self, values, at=0):
        self.values, self.at = values, at

    def __add__(self, n):
        return Cells(self.values, self.at + n)


class Language:
    """What a kernel uses of the language, in Python."""
    range = staticmethod(range)
    static_range = staticmethod(range)
    constexpr = int

    @staticmethod
    def store(cells, value):
        value &= 0xffffffff
        cells.values[cells.at] = value - (1 << 32) if value >> 31 else value


def define(source, name, space):
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), space)
    return space["kernel"]


class Random(Case):
    def test_random_kernels(self):
        first = int(os.environ.get("TESSERA_RANDOM_SEED", "0"))
        for seed in range(first, first + int(os.environ.get("TESSERA_RANDOM_KERNELS", "40"))):
            source = Writer(seed).module()
            n, flag = seed % 4 + 1, bool(seed & 1)
            ours = define(source, f"<random kernel {seed}>", {
                "__name__": "random_kernels", "tl": tl, "jit": jit, "OUTER_FLAG": tl.constexpr(flag),
                "OUTER_N": tl.constexpr(n)})
            theirs = define(source, f"<random kernel {seed} in Python>", {
                "tl": Language, "jit": lambda fn: fn, "OUTER_FLAG": flag, "OUTER_N": n})
            for a, b in ((1, 2), (-7, 5), (100, 0)):
                with self.subTest(seed=seed, a=a, b=b):
                    o, want = np.zeros(4, np.int32), [0] * 4
                    theirs(Cells(want), a, b, n, flag)
                    try:
                        run(ours, o, a, b, N=n, FLAG=flag)
                        self.assertEqual(list(o), want)
                    except Exception:
                        print(source)
                        raise


if __name__ == "__main__":
    unittest.main()
