# SPDX-License-Identifier: MIT
"""Random kernels at GPU level (.ttgir) over linear layouts that have no name: they load a tile, convert it from layout to
layout, reduce it along each axis, transpose, reshape and broadcast it, and store every result.

A layout is a list of basis vectors: bit i of register, lane or warp moves the tensor coordinates by (XOR) basis i. Five
kinds: `shuffled` (each bit moves one coordinate bit, in any order), `sheared` (a random invertible matrix), and each of
these with bits that move nothing, or the same as others (several threads hold one element).
"""
import random

TYPES = ["i32", "f32", "f16", "i8", "i16", "i64"]


class Layout:
    def __init__(self, shape, register, lane, warp):
        self.shape, self.register, self.lane, self.warp = tuple(shape), register, lane, warp

    def text(self):
        show = lambda b: "[" + ", ".join("[" + ", ".join(map(str, v)) + "]" for v in b) + "]"  # noqa: E731
        bits = [ravel(v, self.shape) for v in self.register + self.lane + self.warp if any(v)]
        plain = len(set(bits)) == len(bits) and all(b & (b - 1) == 0 for b in bits)
        return f"#ttg.{'linear' if plain else 'generic_linear'}<{{register = {show(self.register)}, lane = {show(self.lane)}, warp = {show(self.warp)}, block = []}}>"

    def each(self, shape, function):
        return Layout(shape, *([function(v) for v in b] for b in (self.register, self.lane, self.warp)))

    def trans(self, order):
        return self.each([self.shape[d] for d in order], lambda v: [v[d] for d in order])

    def reshape(self, shape):
        return self.each(shape, lambda v: unravel(ravel(v, self.shape), shape))


def ravel(v, shape):
    n = 0
    for c, size in zip(v, shape):
        n = n * size + c
    return n


def unravel(n, shape):
    v = []
    for size in reversed(shape):
        v.append(n % size)
        n //= size
    return v[::-1]


def log2(n):
    return n.bit_length() - 1


def product(numbers):
    n = 1
    for x in numbers:
        n *= x
    return n


def rank_of(columns):
    columns, rank = list(columns), 0
    while columns:
        c = columns.pop()
        if not c:
            continue
        rank += 1
        low = c & -c
        columns = [x ^ c if x & low else x for x in columns]
    return rank


def random_layout(rng, shape, warps, kind=None):
    kind = kind or rng.choice(["shuffled", "sheared", "sheared", "idle", "doubled"])
    bits = log2(product(shape))
    fixed = 5 + log2(warps)
    extra = rng.randint(1, 2) if kind in ("idle", "doubled") else 0
    registers = max(bits - fixed, 0) + extra
    total = registers + fixed
    while True:
        if kind == "shuffled" or (kind == "idle" and rng.random() < 0.5):
            columns = [1 << b for b in rng.sample(range(bits), bits)]
        else:
            columns = []
            while len(columns) < bits:
                c = rng.randrange(1, 1 << bits)
                if rank_of(columns + [c]) > len(columns):
                    columns.append(c)
        more = total - bits
        for _ in range(more):
            same = rng.choice(columns) if columns else 0
            columns.append(same if kind == "doubled" else 0)
        rng.shuffle(columns)
        if rank_of(columns) == bits:
            break
    v = [unravel(c, shape) for c in columns]
    return Layout(shape, v[:registers], v[registers:registers + 5], v[registers + 5:])


class Writer:
    def __init__(self, rng, shape, warps, kind):
        self.rng, self.shape, self.warps, self.kind = rng, shape, warps, kind
        self.lines, self.names, self.arguments = [], {}, []  # arguments: (name, type, shape, is input)
        self.count = 0

    def alias(self, text):
        """A name for a layout's text."""
        return self.names.setdefault(text, f"#l{len(self.names)}")

    def new(self, text):
        self.count += 1
        self.lines.append(f"    %{self.count} = {text}")
        return f"%{self.count}"

    def linear(self, shape, kind=None):
        return random_layout(self.rng, shape, self.warps, kind)

    def blocked(self, shape):
        r = len(shape)
        order = self.rng.sample(range(r), r)
        threads, warps, per = [1] * r, [1] * r, [1] * r
        for _ in range(5):
            threads[self.rng.randrange(r)] *= 2
        for _ in range(log2(self.warps)):
            warps[self.rng.randrange(r)] *= 2
        per[order[0]] = self.rng.choice([1, 2, 4])
        show = lambda x: "[" + ", ".join(map(str, x)) + "]"  # noqa: E731
        return (f"#ttg.blocked<{{sizePerThread = {show(per)}, threadsPerWarp = {show(threads)}, warpsPerCTA = {show(warps)}, "
                f"order = {show(order)}}}>")

    def tile(self, shape, element, enc):
        return f"tensor<{'x'.join(map(str, shape))}x{element}, {self.alias(enc)}>"

    def slice(self, enc, axis):
        return f"#ttg.slice<{{dim = {axis}, parent = {self.alias(enc)}}}>"

    def convert(self, value, shape, element, source, to):
        if source == to:
            return value
        return self.new(f"ttg.convert_layout {value} : {self.tile(shape, element, source)} -> {self.tile(shape, element, to)}")

    def offsets(self, shape, enc):
        """Row-major element numbers, made in the layout `enc` itself."""
        total, r = None, len(shape)
        for d in range(r):
            others = [a for a in reversed(range(r)) if a != d]
            chain = [enc]
            for a in others:
                chain.append(self.slice(chain[-1], a))
            now = [shape[d]]
            v = self.new(f"tt.make_range {{end = {shape[d]} : i32, start = 0 : i32}} : {self.tile(now, 'i32', chain[-1])}")
            for i, a in enumerate(reversed(others)):
                wider = now[:a] + [1] + now[a:]
                v = self.new(f"tt.expand_dims {v} {{axis = {a} : i32}} : {self.tile(now, 'i32', chain[-1 - i])} -> "
                             f"{self.tile(wider, 'i32', chain[-2 - i])}")
                now = wider
            stride = product(shape[d + 1:])
            if stride > 1:
                t = self.tile(now, "i32", enc)
                c = self.new(f"arith.constant dense<{stride}> : {t}")
                v = self.new(f"arith.muli {v}, {c} : {t}")
            full = self.tile(shape, "i32", enc)
            if now != list(shape):
                v = self.new(f"tt.broadcast {v} : {self.tile(now, 'i32', enc)} -> {full}")
            total = v if total is None else self.new(f"arith.addi {total}, {v} : {full}")
        return total

    def pointers(self, name, element, shape, enc):
        if self.rng.random() < 0.5:
            o = self.offsets(shape, enc)
        else:  # made in an ordinary layout and converted
            other = self.blocked(shape)
            o = self.convert(self.offsets(shape, other), shape, "i32", other, enc)
        t = self.tile(shape, f"!tt.ptr<{element}>", enc)
        p = self.new(f"tt.splat %{name} : !tt.ptr<{element}> -> {t}")
        return self.new(f"tt.addptr {p}, {o} : {t}, {self.tile(shape, 'i32', enc)}"), t

    def load(self, element):
        self.arguments.append(("x", element, self.shape, True))
        enc = self.blocked(self.shape) if self.rng.random() < 0.7 else self.linear(self.shape).text()
        p, t = self.pointers("x", element, self.shape, enc)
        return self.new(f"tt.load {p} : {t}"), enc

    def store(self, value, shape, element, enc, convert=False):
        """Into a new output; by way of an ordinary layout or straight from the one it has."""
        name = f"y{len(self.arguments)}"
        self.arguments.append((name, element, shape, False))
        if convert:
            other = self.blocked(shape)
            value, enc = self.convert(value, shape, element, enc, other), other
        p, t = self.pointers(name, element, shape, enc)
        self.lines.append(f"    tt.store {p}, {value} : {t}")

    def reduce(self, value, shape, element, enc, axis, ops):
        op = self.rng.choice(ops)
        rest = [n for d, n in enumerate(shape) if d != axis]
        sliced = self.slice(enc, axis)
        to = self.tile(rest, element, sliced) if rest else element
        self.count += 1
        name = f"%{self.count}"
        self.lines += [f'    {name} = "tt.reduce"({value}) <{{axis = {axis} : i32}}> ({{',
                       f"    ^bb0(%a{self.count}: {element}, %b{self.count}: {element}):",
                       f"      %c{self.count} = arith.{op} %a{self.count}, %b{self.count} : {element}",
                       f"      tt.reduce.return %c{self.count} : {element}",
                       f"    }}) : ({self.tile(shape, element, enc)}) -> {to}"]
        return name, rest, sliced


def make(seed, index):
    """(text, arguments of tessera run, warps, what it is in words)"""
    rng = random.Random(seed * 100003 + index)
    warps = rng.choice([1, 2, 4, 8])
    rank = rng.choice([1, 2, 2, 2, 3, 3])
    bits = rng.randint(max(5, rank * 2), min(5 + log2(warps) + 4, 11))
    shape = [2] * rank
    for _ in range(bits - rank):
        shape[rng.randrange(rank)] *= 2
    element = rng.choice(TYPES)
    w = Writer(rng, shape, warps, None)
    ops = {"i": ["addi", "xori", "maxsi", "minui"], "f": ["maxnumf", "addf"]}[element[0]]
    if element == "f16":
        ops = ["maxnumf", "minnumf"]  # sums of halves depend on their order too much
    x, first = w.load(element)
    one = w.linear(shape)
    enc = one.text()
    v = w.convert(x, shape, element, first, enc)
    add = "arith.addi" if element[0] == "i" else "arith.addf"
    v = w.new(f"{add} {v}, {v} : {w.tile(shape, element, enc)}")
    w.store(v, shape, element, enc)
    two = w.linear(shape)
    v2 = w.convert(v, shape, element, enc, two.text())
    w.store(v2, shape, element, two.text(), rng.random() < 0.3)
    for axis in range(rank):
        r, rest, sliced = w.reduce(v, shape, element, enc, axis, ops)
        if not rest:
            back = w.blocked([2])
            t = w.tile([2], element, back)  # a scalar: every element of a small tile
            w.store(w.new(f"tt.splat {r} : {element} -> {t}"), [2], element, back)
            continue
        w.store(r, rest, element, sliced, rng.random() < 0.6)
        if len(rest) == 2 and rng.random() < 0.7:  # once more
            r2, rest2, sliced2 = w.reduce(r, rest, element, sliced, rng.randrange(2), ops)
            w.store(r2, rest2, element, sliced2, rng.random() < 0.6)
        if rng.random() < 0.5:  # and back to the tile's shape
            flat = list(shape)
            flat[axis] = 1
            e = w.new(f"tt.expand_dims {r} {{axis = {axis} : i32}} : {w.tile(rest, element, sliced)} -> {w.tile(flat, element, enc)}")
            b = w.new(f"tt.broadcast {e} : {w.tile(flat, element, enc)} -> {w.tile(shape, element, enc)}")
            s = w.new(f"{add} {b}, {v} : {w.tile(shape, element, enc)}")
            w.store(s, shape, element, enc, rng.random() < 0.5)
    if rank > 1:
        order = rng.sample(range(rank), rank)
        turned = one.trans(order)
        t = w.new(f"tt.trans {v} {{order = array<i32: {', '.join(map(str, order))}>}} : {w.tile(shape, element, enc)} -> "
                  f"{w.tile(turned.shape, element, turned.text())}")
        w.store(t, list(turned.shape), element, turned.text(), rng.random() < 0.6)
    for _ in range(10):
        n = rng.randint(1, 3)
        other = [1] * n
        for _ in range(log2(product(shape))):
            other[rng.randrange(n)] *= 2
        if min(other) > 1 and other != shape:
            break
    bent = two.reshape(other)
    t = w.new(f"tt.reshape {v2} : {w.tile(shape, element, two.text())} -> {w.tile(other, element, bent.text())}")
    w.store(t, other, element, bent.text(), rng.random() < 0.6)

    parameters = ", ".join(f"%{n}: !tt.ptr<{e}> {{tt.divisibility = 16 : i32}}" for n, e, _, _ in w.arguments)
    head = [f"// SPDX-License-Identifier: MIT\n// random layouts, seed {seed}, kernel {index}"]
    names = sorted(w.names.items(), key=lambda x: int(x[1][2:]))
    head += [f"{name} = {text}" for text, name in names]
    head += [f'module attributes {{"ttg.num-ctas" = 1 : i32, "ttg.num-warps" = {warps} : i32, ttg.target = "cuda:90", '
             '"ttg.threads-per-warp" = 32 : i32} {', f"  tt.func public @layouts({parameters}) {{"]
    text = "\n".join(head + w.lines + ["    tt.return", "  }", "}", ""])
    args = ["--grid", "1"] + [f"{'rand' if given else 'out'}:{e}[{'x'.join(map(str, s))}]" for _, e, s, given in w.arguments]
    return text, args, warps, f"{'x'.join(map(str, shape))} {element}, {warps} warps"
