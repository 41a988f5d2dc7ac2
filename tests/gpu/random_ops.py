#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One operation at a time, with random shapes, types and numbers of warps, on a target against the interpreter.

    tests/gpu/random_ops.py --tessera build/tessera --target emu:90a [--count 200] [--seed 1] [--only reduce,scan]
                            [--keep FOLDER] [--cuda 80,90a]

A case is a function of its seed. --keep writes the programs that fail; --cuda also compiles every program for these
architectures (assembled where ptxas is found).
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

INTS, FLOATS = ["i8", "i16", "i32", "i64"], ["f16", "bf16", "f32", "f64"]


def tensor(shape, elem):
    return "tensor<" + "".join(f"{d}x" for d in shape) + elem + ">"


def count(shape):
    n = 1
    for d in shape:
        n *= d
    return n


class Kernel:
    """Text of a kernel under construction; every tile comes from memory and goes there in row-major order."""

    def __init__(self, rng):
        self.rng, self.lines, self.params, self.args, self.names = rng, [], [], [], 0
        self.grid = 1
        self.funcs = []
        self.options = []

    def name(self):
        self.names += 1
        return f"%v{self.names}"

    def op(self, text):
        n = self.name()
        self.lines.append(f"{n} = {text}")
        return n

    def emit(self, text):
        self.lines.append(text)

    def const(self, value, t):
        return self.op(f"arith.constant {value} : {t}")

    def param(self, elem, arg, scalar=False):
        n = f"%a{len(self.params)}"
        self.params.append(f"{n}: {elem}" if scalar else f"{n}: !tt.ptr<{elem}>")
        self.args.append(arg)
        return n

    def index(self, shape):
        n = count(shape)
        flat = tensor([n], "i32")
        r = self.op(f"tt.make_range {{end = {n} : i32, start = 0 : i32}} : {flat}")
        if list(shape) == [n]:
            return r
        return self.op(f"tt.reshape {r} : {flat} -> {tensor(shape, 'i32')}")

    def pointers(self, base, shape, elem):
        t, p = tensor(shape, f"!tt.ptr<{elem}>"), tensor(shape, "i32")
        s = self.op(f"tt.splat {base} : !tt.ptr<{elem}> -> {t}")
        return self.op(f"tt.addptr {s}, {self.index(shape)} : {t}, {p}")

    def flat(self, shape):
        """Half of the tiles come flat from memory and are reshaped, so that all kinds of layouts occur."""
        return [count(shape)] if self.rng.random() < 0.5 else list(shape)

    def load(self, shape, elem, low=None):
        base = self.param(elem if elem != "i1" else "i8", f"rand:{elem if elem != 'i1' else 'i8'}[{count(shape)}]")
        return self.load_from(base, shape, elem)

    def load_from(self, base, shape, elem):
        where = self.flat(shape)
        stored = "i8" if elem == "i1" else elem
        p = self.pointers(base, where, stored)
        v = self.op(f"tt.load {p} : {tensor(where, f'!tt.ptr<{stored}>')}")
        if elem == "i1":
            c = self.const(f"dense<50>", tensor(where, "i8"))
            v = self.op(f"arith.cmpi slt, {v}, {c} : {tensor(where, 'i8')}")
        if where != list(shape):
            v = self.op(f"tt.reshape {v} : {tensor(where, elem)} -> {tensor(shape, elem)}")
        return v

    def store(self, v, shape, elem):
        stored = "i8" if elem == "i1" else elem
        base = self.param(stored, f"out:{stored}[{max(1, count(shape))}]")
        if not shape:
            if elem == "i1":
                v = self.op(f"arith.extui {v} : i1 to i8")
            self.emit(f"tt.store {base}, {v} : !tt.ptr<{stored}>")
            return
        if elem == "i1":
            v = self.op(f"arith.extui {v} : {tensor(shape, 'i1')} to {tensor(shape, 'i8')}")
        where = self.flat(shape)
        if where != list(shape):
            v = self.op(f"tt.reshape {v} : {tensor(shape, stored)} -> {tensor(where, stored)}")
        p = self.pointers(base, where, stored)
        self.emit(f"tt.store {p}, {v} : {tensor(where, f'!tt.ptr<{stored}>')}")

    def text(self):
        body = "\n".join("    " + l for l in self.lines)
        return ("module {\n  tt.func public @k(" + ", ".join(self.params) + ") {\n" + body + "\n    tt.return\n  }\n" +
                "\n".join(self.funcs) + "}\n")


def shape_of(rng, ranks=(1, 2, 3), most=4096, least=1):
    while True:
        shape = [1 << rng.choice([0, 1, 2, 3, 4, 5, 6, 7]) for _ in range(rng.choice(ranks))]
        if least <= count(shape) <= most:
            return shape


def combiner(rng, elem):
    """Types of one element, text of the region for a reduction or scan (associative; commutative for the first two kinds)."""
    f = elem in FLOATS
    # sums of narrow floats depend on their order beyond any tolerance
    name = rng.choice((["arith.addf"] if elem in ("f32", "f64") else []) + ["arith.minimumf", "arith.maxnumf", "arith.maximumf"] if f else
                      ["arith.andi", "arith.ori", "arith.xori"] if elem == "i1" else
                      ["arith.addi", "arith.muli", "arith.minsi", "arith.maxui", "arith.xori", "arith.andi"])
    return name


def region(kind, elem, ret):
    return f"({{\n    ^bb0(%l: {elem}, %r: {elem}):\n      %t = {kind} %l, %r : {elem}\n      {ret} %t : {elem}\n    }})"


def arg_region(elem, index, ret, greater):
    f = elem in FLOATS
    cmp = (f"arith.cmpf {'ogt' if greater else 'olt'}, %lv, %rv : {elem}" if f else
           f"arith.cmpi {'sgt' if greater else 'slt'}, %lv, %rv : {elem}")
    eq = f"arith.cmpf oeq, %lv, %rv : {elem}" if f else f"arith.cmpi eq, %lv, %rv : {elem}"
    return f"""({{
    ^bb0(%lv: {elem}, %li: {index}, %rv: {elem}, %ri: {index}):
      %e = {eq}
      %s = arith.cmpi slt, %li, %ri : {index}
      %t = arith.andi %e, %s : i1
      %g = {cmp}
      %c = arith.ori %g, %t : i1
      %bv = arith.select %c, %lv, %rv : {elem}
      %bi = arith.select %c, %li, %ri : {index}
      {ret} %bv, %bi : {elem}, {index}
    }})"""


def reduce_case(k, rng):
    shape, elem = shape_of(rng), rng.choice(INTS + FLOATS + ["i1"])
    axis = rng.randrange(len(shape))
    out = shape[:axis] + shape[axis + 1:]
    x = k.load(shape, elem)
    if elem != "i1" and rng.random() < 0.35:
        index = rng.choice(["i32", "i64"])
        i = k.index(shape)
        if index == "i64":
            i = k.op(f"arith.extsi {i} : {tensor(shape, 'i32')} to {tensor(shape, 'i64')}")
        n = k.name()
        rt = [tensor(out, e) if out else e for e in (elem, index)]
        k.emit(f"{n}:2 = \"tt.reduce\"({x}, {i}) <{{axis = {axis} : i32}}> {arg_region(elem, index, 'tt.reduce.return', rng.random() < .5)}"
               f" : ({tensor(shape, elem)}, {tensor(shape, index)}) -> ({rt[0]}, {rt[1]})")
        k.store(f"{n}#0", out, elem)
        k.store(f"{n}#1", out, index)
        return
    r = k.op(f"\"tt.reduce\"({x}) <{{axis = {axis} : i32}}> {region(combiner(rng, elem), elem, 'tt.reduce.return')}"
             f" : ({tensor(shape, elem)}) -> {tensor(out, elem) if out else elem}")
    k.store(r, out, elem)


def scan_case(k, rng):
    shape = shape_of(rng, most=2048)
    axis, reverse = rng.randrange(len(shape)), rng.choice(["true", "false"])
    if rng.random() < 0.4:  # composition of x -> a x + b, not commutative
        elem = rng.choice(["i16", "i32", "i64"])
        a, b2 = k.load(shape, elem), k.load(shape, elem)
        n, t = k.name(), tensor(shape, elem)
        k.emit(f"""{n}:2 = "tt.scan"({a}, {b2}) <{{axis = {axis} : i32, reverse = {reverse}}}> ({{
    ^bb0(%la: {elem}, %lb: {elem}, %ra: {elem}, %rb: {elem}):
      %na = arith.muli %la, %ra : {elem}
      %m = arith.muli %lb, %ra : {elem}
      %nb = arith.addi %m, %rb : {elem}
      tt.scan.return %na, %nb : {elem}, {elem}
    }}) : ({t}, {t}) -> ({t}, {t})""")
        k.store(f"{n}#0", shape, elem)
        k.store(f"{n}#1", shape, elem)
        return
    elem = rng.choice(INTS + FLOATS + ["i1"])
    x, t = k.load(shape, elem), tensor(shape, elem)
    r = k.op(f"\"tt.scan\"({x}) <{{axis = {axis} : i32, reverse = {reverse}}}> {region(combiner(rng, elem), elem, 'tt.scan.return')} : ({t}) -> {t}")
    k.store(r, shape, elem)


def histogram_case(k, rng):
    n, bins = 1 << rng.randrange(0, 12), 1 << rng.randrange(0, 11)
    elem, out = rng.choice(["i8", "i16", "i32", "i64"]), rng.choice(["i32", "i32", "i64", "i16", "i8"])
    x = k.load([n], elem)
    t, r = tensor([n], elem), tensor([bins], out)
    if rng.random() < 0.5:
        m = k.load([n], "i1")
        h = k.op(f"tt.histogram {x}, {m} : {t} -> {r}")
    else:
        h = k.op(f"tt.histogram {x} : {t} -> {r}")
    k.store(h, [bins], out)


def gather_case(k, rng):
    shape = shape_of(rng, most=2048)
    axis = rng.randrange(len(shape))
    other = list(shape)
    other[axis] = min(1 << rng.randrange(0, 7), max(1, 4096 // (count(shape) // shape[axis])))
    elem, index = rng.choice(INTS + FLOATS + ["i1"]), rng.choice(["i8", "i16", "i32", "i64"])
    x, i = k.load(shape, elem), k.load(other, index)
    c = k.const(f"dense<{min(shape[axis], 128) - 1 if index == 'i8' else shape[axis] - 1}>", tensor(other, index))
    i = k.op(f"arith.andi {i}, {c} : {tensor(other, index)}")
    r = k.op(f"tt.gather {x}[{i}] {{axis = {axis} : i32}} : ({tensor(shape, elem)}, {tensor(other, index)}) -> {tensor(other, elem)}")
    k.store(r, other, elem)


def shape_case(k, rng):
    elem = rng.choice(INTS + FLOATS + ["i1"])
    kind = rng.choice(["join", "split", "trans", "broadcast", "expand", "unsplat", "cat", "chain"])
    shape = shape_of(rng, most=2048)
    if kind == "join":
        x, y = k.load(shape, elem), k.load(shape, elem)
        out = shape + [2]
        k.store(k.op(f"tt.join {x}, {y} : {tensor(shape, elem)} -> {tensor(out, elem)}"), out, elem)
    elif kind == "split":
        x = k.load(shape + [2], elem)
        n = k.name()
        k.emit(f"{n}l, {n}r = tt.split {x} : {tensor(shape + [2], elem)} -> {tensor(shape, elem)}")
        k.store(n + "l", shape, elem)
        k.store(n + "r", shape, elem)
    elif kind == "trans":
        x = k.load(shape, elem)
        order = list(range(len(shape)))
        rng.shuffle(order)
        out = [shape[o] for o in order]
        k.store(k.op(f"tt.trans {x} {{order = array<i32: {', '.join(map(str, order))}>}} : {tensor(shape, elem)} -> {tensor(out, elem)}"), out, elem)
    elif kind == "broadcast":
        out = [d if rng.random() < 0.5 else 1 << rng.randrange(0, 5) for d in shape]
        small = [1 if d != o else d for d, o in zip(shape, out)]
        x = k.load(small, elem)
        k.store(k.op(f"tt.broadcast {x} : {tensor(small, elem)} -> {tensor(out, elem)}"), out, elem)
    elif kind == "expand":
        x, axis = k.load(shape, elem), rng.randrange(len(shape) + 1)
        out = shape[:axis] + [1] + shape[axis:]
        k.store(k.op(f"tt.expand_dims {x} {{axis = {axis} : i32}} : {tensor(shape, elem)} -> {tensor(out, elem)}"), out, elem)
    elif kind == "unsplat":
        shape = [1] * rng.choice([1, 2, 3])
        k.store(k.op(f"tt.unsplat {k.load(shape, elem)} : {tensor(shape, elem)}"), [], elem)
    elif kind == "cat":  # the order is free: compare the sums of a function of the elements
        n = 1 << rng.randrange(0, 10)
        x, y = k.load([n], "i32"), k.load([n], "i32")
        c = k.op(f"tt.cat {x}, {y} : {tensor([n], 'i32')} -> {tensor([2 * n], 'i32')}")
        c2 = k.op(f"arith.muli {c}, {c} : {tensor([2 * n], 'i32')}")
        k.store(k.op(f"\"tt.reduce\"({c2}) <{{axis = 0 : i32}}> {region('arith.addi', 'i32', 'tt.reduce.return')} : ({tensor([2 * n], 'i32')}) -> i32"), [], "i32")
    else:
        x = k.load(shape, elem)
        for _ in range(rng.randrange(1, 5)):
            order = list(range(len(shape)))
            rng.shuffle(order)
            out = [shape[o] for o in order]
            x = k.op(f"tt.trans {x} {{order = array<i32: {', '.join(map(str, order))}>}} : {tensor(shape, elem)} -> {tensor(out, elem)}")
            bits, new = count(out).bit_length() - 1, []
            while bits:
                n = rng.randrange(0, min(bits, 6) + 1)
                new.append(1 << n)
                bits -= n
                if len(new) == 4:
                    new[-1] <<= bits
                    break
            shape = new or [1]
            x = k.op(f"tt.reshape {x} : {tensor(out, elem)} -> {tensor(shape, elem)}")
        k.store(x, shape, elem)


def atomic_case(k, rng):
    """Sums do not depend on the order; old values are stored where every address is used once."""
    elem = rng.choice(INTS + FLOATS)
    f = elem in FLOATS
    kind = rng.choice(["fadd", "exch"] if f else ["add", "and", "or", "xor", "max", "min", "umax", "umin", "exch"])
    scalar = rng.random() < 0.2
    shape = [1] if scalar else shape_of(rng, most=1024)
    n = count(shape)
    sem, scope = rng.choice(["relaxed", "acquire", "release", "acq_rel"]), rng.choice(["gpu", "cta", "sys"])
    many = kind not in ("exch",) and not (f and kind == "fadd" and elem in ("f16", "bf16")) and rng.random() < 0.5
    base = k.param(elem, f"rand:{elem}[{n}]")
    if scalar:
        src = k.param(elem, f"rand:{elem}[1]")
        v = k.op(f"tt.load {src} : !tt.ptr<{elem}>")
        mask = k.op("arith.constant true") if rng.random() < 0.7 else k.op("arith.constant false")
        masked = rng.random() < 0.6
        types = f"(!tt.ptr<{elem}>, {elem}{', i1' if masked else ''}) -> {elem}"
        old = k.op(f"tt.atomic_rmw {kind}, {sem}, {scope}, {base}, {v}{', ' + mask if masked else ''} : {types}")
        if rng.random() < 0.5 and not (masked and 'false' in ''.join(k.lines)):
            k.store(old, [], elem)
        return
    v = k.load(shape, elem)
    t, pt, mt = tensor(shape, elem), tensor(shape, f"!tt.ptr<{elem}>"), tensor(shape, "i1")
    if many:  # several elements on one address
        i = k.index(shape)
        c = k.const(f"dense<{max(1, n // 4) - 1}>", tensor(shape, "i32"))
        i = k.op(f"arith.andi {i}, {c} : {tensor(shape, 'i32')}")
        s = k.op(f"tt.splat {base} : !tt.ptr<{elem}> -> {pt}")
        p = k.op(f"tt.addptr {s}, {i} : {pt}, {tensor(shape, 'i32')}")
    else:
        p = k.pointers(base, shape, elem)
    mask = None
    if rng.random() < 0.5:
        mask = k.load(shape, "i1") if rng.random() < 0.5 else k.const("dense<true>", mt)
    old = k.op(f"tt.atomic_rmw {kind}, {sem}, {scope}, {p}, {v}{', ' + mask if mask else ''} : ({pt}, {t}{', ' + mt if mask else ''}) -> {t}")
    if not many and rng.random() < 0.6:
        if mask:
            z = k.const("dense<0" + (".0" if f else "") + ">", t)
            old = k.op(f"arith.select {mask}, {old}, {z} : {mt}, {t}")
        k.store(old, shape, elem)


def cas_case(k, rng):
    elem = rng.choice(["i16", "i32", "i64", "f16", "bf16", "f32", "f64", "i8"])
    sem, scope = rng.choice(["relaxed", "acquire", "release", "acq_rel"]), rng.choice(["gpu", "cta", "sys"])
    shape = shape_of(rng, most=512)
    t, pt = tensor(shape, elem), tensor(shape, f"!tt.ptr<{elem}>")
    base = k.param(elem, f"rand:{elem}[{count(shape)}]")
    p = k.pointers(base, shape, elem)
    now = k.op(f"tt.load {p} : {pt}")
    other, m = k.load(shape, elem), k.load(shape, "i1")
    c = k.op(f"arith.select {m}, {now}, {other} : {tensor(shape, 'i1')}, {t}")
    old = k.op(f"tt.atomic_cas {sem}, {scope}, {p}, {c}, {k.load(shape, elem)} : ({pt}, {t}, {t}) -> {t}")
    if rng.random() < 0.7:
        k.store(old, shape, elem)


def atomic_memory_case(k, rng):
    elem = rng.choice(INTS + FLOATS)
    shape = shape_of(rng, most=512)
    t, pt, mt = tensor(shape, elem), tensor(shape, f"!tt.ptr<{elem}>"), tensor(shape, "i1")
    p = k.pointers(k.param(elem, f"rand:{elem}[{count(shape)}]"), shape, elem)
    q = k.pointers(k.param(elem, f"rand:{elem}[{count(shape)}]"), shape, elem)
    mask = k.load(shape, "i1") if rng.random() < 0.5 else None
    more = ", " + mask if mask else ""
    if rng.random() < 0.3:
        e2 = rng.choice(INTS[1:])
        t, pt = tensor(shape, e2), tensor(shape, f"!tt.ptr<{e2}>")
        p = k.pointers(k.param(e2, f"rand:{e2}[{count(shape)}]"), shape, e2)
        v = k.op(f"tt.load {p} : {pt}")
        c = k.const("dense<50>", t)
        e = k.op(f"arith.select {k.load(shape, 'i1')}, {v}, {v} : {mt}, {t}") if rng.random() < .5 else v
        budget = k.const(1000, "i64")
        r = k.op(f"tt.atomic_poll acquire, gpu, {p}, {e} timeout {budget} : {pt}, {t} -> {mt}")
        k.store(r, shape, "i1")
        return
    v = k.op(f"tt.atomic_load {rng.choice(['relaxed', 'acquire'])}, gpu, {p}{more} : ({pt}{', ' + mt if mask else ''}) -> {t}")
    if mask:
        z = k.const("dense<0" + (".0" if elem in FLOATS else "") + ">", t)
        v = k.op(f"arith.select {mask}, {v}, {z} : {mt}, {t}")
    k.emit(f"tt.atomic_store {rng.choice(['relaxed', 'release'])}, gpu, {q}, {v}{more} : {pt}")
    k.store(v, shape, elem)


def map_case(k, rng):
    pack = rng.choice([1, 2, 4])
    shape = shape_of(rng, most=2048, least=pack)
    elem = rng.choice(["i32", "i16", "f32"])
    f = elem == "f32"
    add, mul = ("arith.addf", "arith.mulf") if f else ("arith.addi", "arith.muli")
    t = tensor(shape, elem)
    x, y = k.load(shape, elem), k.load(shape, elem)
    args = [f"%x{i}: {elem}" for i in range(pack)] + [f"%y{i}: {elem}" for i in range(pack)]
    body, outs = [], []
    for i in range(pack):
        if pack == 1 or rng.random() < 0.5:
            body.append(f"%o{i} = {add} %x{i}, %y{i} : {elem}")
        else:
            body.append(f"%o{i} = {mul} %x{i}, %y{i} : {elem}")
        outs.append(f"%o{i}")
    if rng.random() < 0.5:  # control flow
        cond = f"arith.cmpf ogt, %x0, %y0 : {elem}" if f else f"arith.cmpi sgt, %x0, %y0 : {elem}"
        body.append(f"%c = {cond}")
        body.append(f"%z = scf.if %c -> ({elem}) {{\n        scf.yield %o0 : {elem}\n      }} else {{\n"
                    f"        %q = {mul} %y0, %y0 : {elem}\n        scf.yield %q : {elem}\n      }}")
        outs[0] = "%z"
    n = k.name()
    ts = ", ".join([elem] * pack)
    k.emit(f'{n} = "tt.map_elementwise"({x}, {y}) <{{pack = {pack} : i32}}> ({{\n    ^bb0({", ".join(args)}):\n      ' +
           "\n      ".join(body) + f"\n      tt.map_elementwise.return {', '.join(outs)} : {ts}\n    }}) : ({t}, {t}) -> {t}")
    k.store(n, shape, elem)


def dense_case(k, rng):
    shape, elem = shape_of(rng, most=256, least=2), rng.choice(INTS + ["f32", "f16"])

    def nest(dims):
        if not dims:
            return f"{rng.randrange(0, 100)}.0" if elem in FLOATS else str(rng.randrange(-100, 100))
        return "[" + ", ".join(nest(dims[1:]) for _ in range(dims[0])) + "]"
    x = k.load(shape, elem)
    c = k.op(f"arith.constant dense<{nest(shape)}> : {tensor(shape, elem)}")
    add = "arith.addf" if elem in FLOATS else "arith.addi"
    k.store(k.op(f"{add} {x}, {c} : {tensor(shape, elem)}"), shape, elem)


def elementwise_case(k, rng):
    shape = shape_of(rng, most=1024)
    elem = rng.choice(INTS)
    t = tensor(shape, elem)
    kind = rng.choice(["mulhiui", "cast", "fp8"])
    if kind == "mulhiui":
        x, y = k.load(shape, elem), k.load(shape, elem)
        big = k.const("dense<-77>", t)
        x, y = k.op(f"arith.muli {x}, {big} : {t}"), k.op(f"arith.muli {y}, {big} : {t}")
        k.store(k.op(f"tt.mulhiui {x}, {y} : {t}"), shape, elem)
    elif kind == "cast":
        f = rng.choice(FLOATS)
        x = k.load(shape, elem)
        r = k.op(f"arith.{rng.choice(['sitofp', 'uitofp'])} {x} : {t} to {tensor(shape, f)}")
        k.store(r, shape, f)
        back = rng.choice(INTS)
        k.store(k.op(f"arith.fptosi {r} : {tensor(shape, f)} to {tensor(shape, back)}"), shape, back)
    else:
        f, e = rng.choice(["f16", "bf16", "f32"]), rng.choice(["f8E4M3FN", "f8E5M2"])
        x = k.load(shape, f)
        r = k.op(f"tt.fp_to_fp {x}, rounding = rtne : {tensor(shape, f)} -> {tensor(shape, e)}")
        back = k.op(f"tt.fp_to_fp {r} : {tensor(shape, e)} -> {tensor(shape, 'f32')}")
        k.store(back, shape, "f32")


def mask_case(k, rng):
    """A masked vector access whose bound is no multiple of the vector."""
    elem = rng.choice(["i8", "i16", "f16", "f32", "i64"])
    n, limit = 1 << rng.randrange(5, 12), None
    limit = rng.randrange(0, n + 40)
    step = rng.choice([1, 2, 4, 8, 16, 3])
    limit = limit // step * step
    src = k.param(elem, f"rand:{elem}[{n}]")
    dst = k.param(elem, f"out:{elem}[{n}]")
    bound = k.param(f"i32{' {tt.divisibility = ' + str(step) + ' : i32}' if step in (2, 4, 8, 16) else ''}", f"i32:{limit}", scalar=True)
    t, pt, it = tensor([n], elem), tensor([n], f"!tt.ptr<{elem}>"), tensor([n], "i32")
    r = k.index([n])
    m = k.op(f"arith.cmpi slt, {r}, {k.op(f'tt.splat {bound} : i32 -> {it}')} : {it}")
    if rng.random() < 0.3:
        c = k.const(f"dense<{rng.choice([1, 2, 4, 8]) }>", it)
        q = k.op(f"arith.divsi {r}, {c} : {it}")
        one = k.const("dense<1>", it)
        q = k.op(f"arith.andi {q}, {one} : {it}")
        m2 = k.op(f"arith.cmpi eq, {q}, {one} : {it}")
        m = k.op(f"arith.andi {m}, {m2} : {tensor([n], 'i1')}")
    ps = k.op(f"tt.addptr {k.op(f'tt.splat {src} : !tt.ptr<{elem}> -> {pt}')}, {r} : {pt}, {it}")
    pd = k.op(f"tt.addptr {k.op(f'tt.splat {dst} : !tt.ptr<{elem}> -> {pt}')}, {r} : {pt}, {it}")
    z = k.const(f"dense<{'7.0' if elem in FLOATS else '7'}>", t)
    v = k.op(f"tt.load {ps}, {m}, {z} : {pt}")
    if rng.random() < 0.5:
        k.emit(f"tt.store {pd}, {v}, {m} : {pt}")
    else:
        k.emit(f"tt.store {pd}, {v} : {pt}")


def descriptor_case(k, rng):
    """A descriptor made in the kernel, in any of the ways it can reach its use."""
    elem = rng.choice(["f16", "f32", "i32", "i8", "bf16"])
    rows, cols = rng.randrange(3, 70), rng.randrange(1, 12) * 16
    block = [1 << rng.randrange(0, 6), 1 << rng.randrange(5, 7)]
    src, dst = k.param(elem + " {tt.divisibility = 16 : i32}", f"rand:{elem}[{rows * cols}]"), None
    k.params[-1] = f"%a0: !tt.ptr<{elem}> {{tt.divisibility = 16 : i32}}"
    k.params.append(f"%a1: !tt.ptr<{elem}> {{tt.divisibility = 16 : i32}}")
    k.args.append(f"out:{elem}[{rows * cols}]")
    dst = "%a1"
    r, c = k.const(rows, "i32"), k.const(cols, "i32")
    st, one = k.const(cols, "i64"), k.const(1, "i64")
    dt = f"!tt.tensordesc<{block[0]}x{block[1]}x{elem}>"
    t = tensor(block, elem)
    pad = rng.choice(["", " {padding = 2 : i32}"]) if elem[0] != "i" else ""
    ds = k.op(f"tt.make_tensor_descriptor {src}, [{r}, {c}], [{st}, {one}]{pad} : <{elem}>, <{block[0]}x{block[1]}x{elem}>")
    dd = k.op(f"tt.make_tensor_descriptor {dst}, [{r}, {c}], [{st}, {one}] : <{elem}>, <{block[0]}x{block[1]}x{elem}>")
    kind = rng.choice(["plain", "loop", "if", "reduce", "gather", "scatter", "call"])
    x0, y0 = k.const(rng.randrange(-5, rows + 3), "i32"), k.const(rng.randrange(0, cols), "i32")
    if kind == "plain":
        v = k.op(f"tt.descriptor_load {ds}[{x0}, {y0}] : {dt} -> {t}")
        k.emit(f"tt.descriptor_store {dd}[{x0}, {y0}], {v} : {dt}, {t}")
    elif kind == "loop":
        zero, step, end = k.const(0, "i32"), k.const(block[1], "i32"), c
        n = k.name()
        k.emit(f"{n}:2 = scf.for %i = {zero} to {end} step {step} iter_args(%p = {ds}, %q = {dd}) -> ({dt}, {dt}) : i32 {{\n"
               f"      %w = tt.descriptor_load %p[{x0}, %i] : {dt} -> {t}\n      tt.descriptor_store %q[{x0}, %i], %w : {dt}, {t}\n"
               f"      scf.yield %p, %q : {dt}, {dt}\n    }}")
        v = k.op(f"tt.descriptor_load {n}#0[{x0}, {y0}] : {dt} -> {t}")
        k.store(v, block, elem)
    elif kind == "if":
        cond = k.op(f"arith.cmpi sgt, {k.op('tt.get_program_id x : i32')}, {k.const(rng.choice([-1, 0]), 'i32')} : i32")
        d = k.op(f"scf.if {cond} -> ({dt}) {{\n      scf.yield {ds} : {dt}\n    }} else {{\n      scf.yield {dd} : {dt}\n    }}")
        v = k.op(f"tt.descriptor_load {d}[{x0}, {y0}] : {dt} -> {t}")
        k.store(v, block, elem)
    elif kind == "reduce":
        v = k.load(block, elem)
        ops = {"f16": ["add"], "bf16": ["add"], "f32": ["add"], "i32": ["add", "min", "max", "and", "or", "xor"], "i8": ["add"]}
        if elem == "i8":
            v = k.op(f"tt.descriptor_load {ds}[{x0}, {y0}] : {dt} -> {t}")
            k.emit(f"tt.descriptor_store {dd}[{x0}, {y0}], {v} : {dt}, {t}")
        else:
            k.emit(f"tt.descriptor_reduce {rng.choice(ops[elem])}, {dd}[{x0}, {y0}], {v} : {dt}, {t}")
    elif kind == "call":
        k.funcs.append(f"  tt.func private @f(%d: {dt}, %x: i32, %y: i32) -> {t} attributes {{noinline = {rng.choice(['false'])}}} {{\n"
                       f"    %v = tt.descriptor_load %d[%x, %y] : {dt} -> {t}\n    tt.return %v : {t}\n  }}\n")
        v = k.op(f"tt.call @f({ds}, {x0}, {y0}) : ({dt}, i32, i32) -> {t}")
        k.store(v, block, elem)
    else:
        n = 1 << rng.randrange(3, 6)
        if block[0] != 1:
            row = f"!tt.tensordesc<1x{block[1]}x{elem}>"
            ds = k.op(f"tt.make_tensor_descriptor {src}, [{r}, {c}], [{st}, {one}] : <{elem}>, <1x{block[1]}x{elem}>")
            dd = k.op(f"tt.make_tensor_descriptor {dst}, [{r}, {c}], [{st}, {one}] : <{elem}>, <1x{block[1]}x{elem}>")
            dt = row
        g = tensor([n, block[1]], elem)
        if kind == "gather":
            i = k.load([n], "i32")
            v = k.op(f"tt.descriptor_gather {ds}[{i}, {y0}] : ({dt}, {tensor([n], 'i32')}, i32) -> {g}")
            k.store(v, [n, block[1]], elem)
        else:
            i = k.index([n])
            three = k.const("dense<3>", tensor([n], "i32"))
            i = k.op(f"arith.muli {i}, {three} : {tensor([n], 'i32')}")
            v = k.load([n, block[1]], elem)
            k.emit(f"tt.descriptor_scatter {dd}[{i}, {y0}], {v} : {dt}, {tensor([n], 'i32')}, i32, {g}")


def dot_case(k, rng):
    m, n, kk = (1 << rng.randrange(4, 7) for _ in range(3))
    pairs = [("f16", "f16", "f32"), ("bf16", "bf16", "f32"), ("f32", "f32", "f32"), ("f64", "f64", "f64"), ("i8", "i8", "i32"),
             ("f8E4M3FN", "f8E4M3FN", "f32"), ("f8E5M2", "f8E4M3FN", "f32"), ("f16", "f16", "f16"), ("i8", "i8", "i32")]
    a, b, c = rng.choice(pairs)

    def operand(shape, elem):
        if not elem.startswith("f8"):
            return k.load(shape, elem)
        x = k.load(shape, "f16")
        return k.op(f"tt.fp_to_fp {x}, rounding = rtne : {tensor(shape, 'f16')} -> {tensor(shape, elem)}")
    batch = [rng.choice([1, 2])] if rng.random() < 0.2 else []
    x, y, z = operand(batch + [m, kk], a), operand(batch + [kk, n], b), k.load(batch + [m, n], c)
    p = rng.choice(["", ", inputPrecision = tf32"]) if a == "f32" else ""
    d = k.op(f"tt.dot {x}, {y}, {z}{p} : {tensor(batch + [m, kk], a)} * {tensor(batch + [kk, n], b)} -> {tensor(batch + [m, n], c)}")
    k.store(d, batch + [m, n], c)


def dot_scaled_case(k, rng):
    m, n, kk = 1 << rng.randrange(4, 7), 1 << rng.randrange(4, 7), 1 << rng.randrange(6, 8)
    types = {"e4m3": "f8E4M3FN", "e5m2": "f8E5M2", "e2m1": "i8", "bf16": "bf16", "fp16": "f16"}

    def operand(kind, shape, axis, pack):
        if kind == "e2m1":
            s = list(shape)
            s[axis if pack else 1 - axis] //= 2
            return k.load(s, "i8"), tensor(s, "i8")
        e = types[kind]
        if e.startswith("f8"):
            x = k.load(shape, "f16")
            return k.op(f"tt.fp_to_fp {x}, rounding = rtne : {tensor(shape, 'f16')} -> {tensor(shape, e)}"), tensor(shape, e)
        return k.load(shape, e), tensor(shape, e)

    run, small = rng.choice([16, 32, 32]), rng.random() < 0.3

    def scale(rows):
        s = [rows, kk // run]
        if small:
            x = k.load(s, "f16")
            return k.op(f"tt.fp_to_fp {x}, rounding = rtne : {tensor(s, 'f16')} -> {tensor(s, 'f8E4M3FN')}"), tensor(s, "f8E4M3FN")
        v = k.load(s, "i8")
        c, mask = k.const("dense<120>", tensor(s, "i8")), k.const("dense<7>", tensor(s, "i8"))
        v = k.op(f"arith.andi {v}, {mask} : {tensor(s, 'i8')}")
        return k.op(f"arith.addi {v}, {c} : {tensor(s, 'i8')}"), tensor(s, "i8")
    ka = rng.choice(["e4m3", "e5m2", "e2m1", "bf16", "fp16"])
    kb = rng.choice(["e4m3", "e5m2", "e2m1"] + ([ka] if ka in ("bf16", "fp16") else []))
    if ka in ("bf16", "fp16") and kb == ka:
        kb = "e4m3"
    pa, pb = rng.random() < 0.6, rng.random() < 0.6
    x, xt = operand(ka, [m, kk], 1, pa)
    y, yt = operand(kb, [kk, n], 0, pb)
    packs = f", lhs_k_pack = {str(pa).lower()}, rhs_k_pack = {str(pb).lower()}"
    z = k.load([m, n], "f32")
    with_a, with_b = ka not in ("bf16", "fp16") and rng.random() < 0.8, rng.random() < 0.8
    if not with_a and not with_b:
        with_b = True
    sa = scale(m) if with_a else None
    sb = scale(n) if with_b else None
    d = k.op(f"tt.dot_scaled {x}{' scale ' + sa[0] if sa else ''}, {y}{' scale ' + sb[0] if sb else ''}, {z} lhs = {ka} rhs = {kb} {{fastMath = false{packs}}} : "
             f"{xt}{', ' + sa[1] if sa else ''} * {yt}{', ' + sb[1] if sb else ''} -> {tensor([m, n], 'f32')}")
    k.store(d, [m, n], "f32")


CASES = {"reduce": reduce_case, "scan": scan_case, "histogram": histogram_case, "gather": gather_case, "shape": shape_case,
         "atomic": atomic_case, "cas": cas_case, "memory": atomic_memory_case, "map": map_case, "dense": dense_case, "element": elementwise_case,
         "mask": mask_case, "descriptor": descriptor_case, "dot": dot_case, "scaled": dot_scaled_case}


def run(a, name, seed):
    rng = random.Random(f"{name} {seed}")
    k = Kernel(rng)
    CASES[name](k, rng)
    warps = rng.choice([1, 2, 4, 8])
    with tempfile.NamedTemporaryFile("w", suffix=".ttir", delete=False) as f:
        f.write(k.text())
    def call(args):
        try:
            r = subprocess.run(args, capture_output=True, text=True, timeout=120)
            return r.returncode, r.stdout + r.stderr
        except subprocess.TimeoutExpired:
            return -1, "no end after 120 s"
    code, out = call([a.tessera, "run", f.name, "--grid", str(k.grid), *k.args, "--check", "interp", "--target", a.target,
                      "--num-warps", str(warps), "--options", "fp_fusion=off"])
    state = "agree" if code == 0 else "refused" if "not implemented" in out else "FAILED"
    if state == "agree":
        for arch in filter(None, a.cuda.split(",")):
            code, out = call([a.tessera, "compile", f.name, "--target", f"cuda:{arch}", "--emit", "cubin" if shutil.which("ptxas") else "ptx", "-o", os.devnull, "--no-cache"])
            if code:
                state = "refused" if "not implemented" in out else "FAILED"
                out = f"cuda:{arch}: " + out
                break
    lines = [l for l in out.strip().splitlines() if l.strip()]
    why = "" if state == "agree" else next((l for l in lines if "error" in l or "not implemented" in l or "differ" in l), lines[-1] if lines else str(code))
    keep = None
    if state != "agree" and a.keep:
        keep = pathlib.Path(a.keep) / f"{name}-{seed}.ttir"
        keep.write_text(f"// {why}\n// RUN: %tessera run %s --grid {k.grid} {' '.join(k.args)} --check interp --num-warps {warps} --target {a.target} --options fp_fusion=off\n" + k.text())
    os.unlink(f.name)
    return name, seed, warps, state, why.replace(f.name, "")[:260]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tessera", required=True)
    p.add_argument("--target", default="emu:90a")
    p.add_argument("--count", type=int, default=10, help="programs of each kind")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", default="")
    p.add_argument("--cuda", default="")
    p.add_argument("--keep")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--strict", action="store_true", help="what is refused is a failure too")
    a = p.parse_args()
    if a.keep:
        os.makedirs(a.keep, exist_ok=True)
    names = a.only.split(",") if a.only else list(CASES)
    states, whys = {}, {}
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for name, seed, warps, state, why in pool.map(lambda x: run(a, *x), [(n, a.seed + i) for n in names for i in range(a.count)]):
            states.setdefault(name, {}).setdefault(state, 0)
            states[name][state] += 1
            if state != "agree":
                print(f"{state:8} {name} seed={seed} warps={warps}: {why}", flush=True)
    for name in states:
        print(f"{a.target} {name}: " + ", ".join(f"{n} {s}" for s, n in sorted(states[name].items())))
    bad = sum(s.get("FAILED", 0) + (s.get("refused", 0) if a.strict else 0) for s in states.values())
    sys.exit(1 if bad else 0)


main()
