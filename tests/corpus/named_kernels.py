#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The eight kernels of Triton's tutorials, from the files Triton wrote, at sizes that are no multiples of their blocks,
against numpy (in f64) and against the interpreter. Other element types are made from the files by substitution.
With promises removed, sizes are any."""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

WIDTH = {"f16": np.float16, "f32": np.float32, "i32": np.int32, "i64": np.int64}


def to_bits(array, kind):
    """An array as `kind` is stored in .npy files."""
    if kind == "bf16":
        bits = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.asarray(array).astype(WIDTH[kind])


def from_bits(array, kind):
    if kind == "bf16":
        return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)


ROUND = {"f16": 2.0**-10, "bf16": 2.0**-7, "f32": 2.0**-23, "i32": 0, "i64": 0}


def retype(text, old, new):
    """The same kernel on another element type."""
    if old == new:
        return text
    if old == "f32":  # add_kernel: everything is of the one type
        text = re.sub(r"\bf32\b|(?<=x)f32\b", new, text)
        return text.replace("arith.addf", "arith.addi") if new[0] == "i" else text
    if new == "bf16":
        return re.sub(r"(?<![a-z0-9])f16\b|(?<=x)f16\b", "bf16", text)
    # f16 to f32: conversions between the two disappear, their results become other names of their operands, as long
    # as the region lasts in which they are defined.
    scopes, lines = [{}], []
    for line in text.splitlines():
        if line.lstrip().startswith("}") and len(scopes) > 1:
            scopes.pop()
        match = re.match(r"\s*(%\w+) = arith\.(extf|truncf) (%[\w#]+) : \S+ to \S+", line)
        left, equals, right = line.partition(" = ")
        if not re.fullmatch(r"\s*%\w+(:\d+)?", left):
            left, equals, right = "", "", line
        right = re.sub(r"%[\w#]+", lambda m: scopes[-1].get(m[0], m[0]), right)
        if match and "f16" in line:
            scopes[-1][match[1]] = re.search(r"%[\w#]+", right)[0]
        else:
            scopes[-1].pop(left.strip().split(":")[0], None)
            lines.append(left + equals + right)
        if re.search(r"\{\s*(loc\(.*)?$", line):
            scopes.append(dict(scopes[-1]))
    text = "\n".join(lines)
    return re.sub(r"(?<![a-z0-9])f16\b|(?<=x)f16\b", "f32", text)


class Runner:
    def __init__(self, tessera, folder, target, options=()):
        self.tessera, self.folder, self.target, self.options = tessera, folder, target, list(options)
        self.good = self.bad = 0

    def run(self, title, text, grid, arguments, expected, promises=True, check=True):
        """arguments: ("in", array, kind), ("out", shape, kind), ("inout", array, kind) or "T:value".
        expected: {index: (array in f64, relative, absolute)} over the outputs."""
        kernel = os.path.join(self.folder, "kernel.ttir")
        with open(kernel, "w", encoding="utf-8") as file:
            file.write(text)
        command = [self.tessera, "run", kernel, "--grid", ",".join(map(str, grid)), "--timeout", "300"]
        command += ["--target", self.target, *self.options] if self.target != "cpu" else []
        command += ["--check", "interp"] if check and self.target == "cpu" else []
        command += [] if promises else ["--no-promises"]
        files = {}
        for i, argument in enumerate(arguments):
            if isinstance(argument, str):
                command.append(argument)
                continue
            form, value, kind = argument
            path = files[i] = os.path.join(self.folder, f"a{i}.npy")
            if form == "out":
                command.append(f"out:{kind}[{'x'.join(map(str, value))}]={path}")
            else:
                np.save(path, to_bits(value, kind))
                command.append(f"@{path}" + (":inout" if form == "inout" else ""))
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            return self.fail(title, f"exit {result.returncode}: {(result.stderr + result.stdout).strip()[:600]}")
        for i, (want, relative, absolute) in expected.items():
            got = from_bits(np.load(files[i]), arguments[i][2])
            tolerance = absolute + (relative + ROUND[arguments[i][2]]) * np.abs(want)
            worst = np.abs(got - want) - tolerance
            if not np.all(worst <= 0):
                where = np.unravel_index(np.nanargmax(np.where(np.isnan(worst), np.inf, worst)), worst.shape)
                return self.fail(title, f"argument {i + 1} differs from numpy at {tuple(map(int, where))}: {got[where]}, expected {want[where]}")
        self.good += 1
        return None

    def fail(self, title, text):
        self.bad += 1
        print(f"FAILED {title}: {text}", flush=True)


def exact(array, kind):
    """The values that really are in the file."""
    return from_bits(to_bits(array, kind), kind)


def cdiv(a, b):
    return -(-a // b)


def tile(text, name="tt.dot"):
    m = re.search(r"tensor<(\d+)x(\d+)x\w+> \* tensor<\d+x(\d+)x\w+>", text)
    return tuple(map(int, m.groups()))  # BM, BK, BN


def add_kernel(r, name, text, rng, size, promises):
    for kind in ("f32", "f16", "bf16", "i32", "i64"):
        x, y = rng.standard_normal(size) * 50, rng.standard_normal(size) * 50
        want = exact(x, kind) + exact(y, kind)
        block = int(re.search(r"end = (\d+)", text)[1])
        r.run(f"{name} {kind} {size}", retype(text, "f32", kind), [cdiv(size, block)],
              [("in", x, kind), ("in", y, kind), ("out", (size,), kind), f"i32:{size}"], {2: (want, 0, 0)}, promises)


def softmax_kernel(r, name, text, rng, size, promises):
    rows, block = 48 if promises else 13, int(re.search(r"end = (\d+)", text)[1])
    columns = min(size, block)
    x = rng.standard_normal((rows, columns)) * 3
    e = np.exp(exact(x, "f32") - exact(x, "f32").max(axis=1, keepdims=True))
    for programs in (rows, 5):
        r.run(f"{name} {rows}x{columns} on {programs}", text, [programs],
              [("out", (rows, columns), "f32"), ("in", x, "f32")] + [f"i32:{n}" for n in (columns, columns, rows, columns)],
              {0: (e / e.sum(axis=1, keepdims=True), 1e-5, 1e-7)}, promises)


def layer_norm_fwd(r, name, text, rng, size, promises):
    for kind in ("f16", "bf16", "f32"):
        rows = 5
        x, w, b = rng.standard_normal((rows, size)), rng.standard_normal(size), rng.standard_normal(size)
        xe, we, be = exact(x, kind), exact(w, kind), exact(b, kind)
        mean, rstd = xe.mean(axis=1), 1 / np.sqrt(xe.var(axis=1) + 1e-5)
        y = (xe - mean[:, None]) * rstd[:, None] * we + be
        r.run(f"{name} {kind} {rows}x{size}", retype(text, "f16", kind), [rows],
              [("in", x, kind), ("out", (rows, size), kind), ("in", w, kind), ("in", b, kind), ("out", (rows,), "f32"), ("out", (rows,), "f32"),
               f"i32:{size}", f"i32:{size}", "f32:1e-5"],
              {1: (y, 1e-5, 2e-5), 4: (mean, 1e-5, 1e-6), 5: (rstd, 1e-5, 0)}, promises)


def layer_norm_bwd_dwdb(r, name, text, rng, size, promises):
    block = int(re.search(r"tensor<\d+x(\d+)xf32>", text)[1])
    for kind in ("f16", "bf16", "f32"):
        rows = 80 if promises else 77
        dw, db = rng.standard_normal((rows, size)), rng.standard_normal((rows, size))
        r.run(f"{name} {kind} {rows}x{size}", retype(text, "f16", kind), [cdiv(size, block)],
              [("in", dw, kind), ("in", db, kind), ("out", (size,), kind), ("out", (size,), kind), f"i32:{rows}", f"i32:{size}"],
              {2: (exact(dw, kind).sum(axis=0), 1e-5, 1e-4), 3: (exact(db, kind).sum(axis=0), 1e-5, 1e-4)}, promises)


def layer_norm_bwd_dx(r, name, text, rng, size, promises):
    base = "f32" if re.search(r"%X: !tt.ptr<f32>", text) else "f16"
    group = int(re.search(r"arith\.remsi %row, %c(\d+)_i32", text)[1]) if base == "f16" else 64
    constant = re.search(r"%lock_id(?:_\d+)? = arith\.constant (\d+) : i32", text)
    if base == "f32" and constant:
        group = int(constant[1])
    for kind in ("f16", "bf16", "f32") if base == "f16" else ("f32",):
        for rows in (group // 2, group + 16):
            # Small integers and given statistics: every sum is exact in any order of the programs.
            x = rng.integers(-2, 3, (rows, size)).astype(float)
            dy, w = rng.integers(-2, 3, (rows, size)).astype(float), rng.integers(-1, 2, size).astype(float)
            mean, rstd = rng.integers(-1, 2, rows).astype(float), np.ones(rows)
            xhat, wdy = x - mean[:, None], w * dy
            c1, c2 = (xhat * wdy).sum(axis=1, keepdims=True) / size, wdy.sum(axis=1, keepdims=True) / size
            dx = wdy - (xhat * c1 + c2)
            dw, db = np.zeros((group, size)), np.zeros((group, size))
            for row in range(rows):
                dw[row % group] += dy[row] * xhat[row]
                db[row % group] += dy[row]
            r.run(f"{name} {kind} {rows}x{size}", retype(text, "f16", kind) if base == "f16" else text, [rows],
                  [("out", (rows, size), kind), ("in", dy, kind), ("out", (group, size), kind), ("out", (group, size), kind), ("in", x, kind),
                   ("in", w, kind), ("in", mean, "f32"), ("in", rstd, "f32"), ("out", (2 * group,), "i32"), f"i32:{size}", f"i32:{size}"],
                  {0: (dx, 2e-5, 2e-5), 2: (dw, 0, 0), 3: (db, 0, 0)}, promises)


def attention_preprocess(r, name, text, rng, size, promises):
    heads, rows, width = 3, 256, int(re.search(r"tensor<128x(\d+)xf16>", text)[1])
    for kind in ("f16", "bf16", "f32") if ".src." not in name else ("f16", "bf16"):
        o, do = rng.standard_normal((heads, rows, width)), rng.standard_normal((heads, rows, width))
        r.run(f"{name} {kind}", retype(text, "f16", kind), [rows // 128, heads],
              [("in", o, kind), ("in", do, kind), ("out", (heads, rows), "f32"), "i32:1", "i32:16", f"i32:{rows}"],
              {2: ((exact(o, kind) * exact(do, kind)).sum(axis=2), 1e-5, 1e-4)}, promises)


def matmul(r, name, text, rng, size, promises):
    bm, _, bn = tile(text)
    m, n, k = (144, 208, 80) if promises else (131, 67, 45)
    leaky = "arith.cmpf" in text
    transposed = "stride_bn" in text.split("{\n")[1] if "stride_bn" in text else False
    kinds = ("f16", "bf16", "f32") if ".src." not in name else ("f16", "bf16")
    for kind in kinds:
        a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        c = exact(a, kind) @ exact(b, kind)
        if leaky:
            c = np.where(c >= 0, c, 0.01 * c)
        persistent = "persistent" in name
        programs = cdiv(m, bm) * cdiv(n, bn)
        bound = (np.abs(exact(a, kind)) @ np.abs(exact(b, kind))) * (1e-3 if kind == "f32" else 1e-5)
        stride_b = k if transposed else n
        r.run(f"{name} {kind} {m}x{n}x{k}", retype(text, "f16", kind), [min(programs, 132) if persistent else programs],
              [("in", a, kind), ("in", np.ascontiguousarray(b.T) if transposed else b, kind), ("out", (m, n), kind)]
              + [f"i32:{v}" for v in (m, n, k, k, stride_b, n)], {2: (c, 1e-5, bound)}, promises)


KERNELS = [
    ("add_kernel", add_kernel, (784, 16), (781, 1)),
    ("softmax_kernel", softmax_kernel, (784,), (781,)),
    ("_layer_norm_fwd_fused", layer_norm_fwd, (784,), (781,)),
    ("_layer_norm_bwd_dwdb", layer_norm_bwd_dwdb, (784,), (781,)),
    ("_layer_norm_bwd_dx_fused", layer_norm_bwd_dx, (784,), (781,)),
    ("_attn_bwd_preprocess", attention_preprocess, (0,), ()),
    ("matmul_kernel", matmul, (0,), (0,)),
    ("matmul_kernel_persistent", matmul, (0,), (0,)),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", default="build/tessera")
    parser.add_argument("--corpus", default=os.environ.get("TESSERA_CORPUS"))
    parser.add_argument("--kernel", help="only this one")
    parser.add_argument("--target", default="cpu", help="cpu, interp, cuda, emu:90a, ...")
    parser.add_argument("--option", action="append", default=[], help="further options of tessera run, as --option=--num-warps=8")
    args = parser.parse_args()
    if not args.corpus:
        print("skipped: no corpus")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(args.tessera, folder, args.target, [w for o in args.option for w in o.split("=")])
        for kernel, test, sizes, free_sizes in KERNELS:
            if args.kernel and kernel != args.kernel:
                continue
            files = sorted(glob.glob(f"{args.corpus}/ttir*/tutorials/{kernel}.*.ttir"))
            if not files:
                runner.fail(kernel, "no file in the corpus")
            for path in files:
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                if "f8E" in text:  # no inputs of that type are made here
                    continue
                name, rng = os.path.basename(path), np.random.default_rng(7)
                before = (runner.good, runner.bad)
                for size in sizes:
                    test(runner, name, text, rng, size, True)
                for size in free_sizes:
                    test(runner, name + " without promises", text, rng, size, False)
                print(f"{name}: {runner.good - before[0]} good, {runner.bad - before[1]} bad", flush=True)
        print(f"{runner.good} good, {runner.bad} bad")
    return 1 if runner.bad or not runner.good else 0


sys.exit(main())
