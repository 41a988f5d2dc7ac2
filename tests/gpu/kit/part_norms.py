# SPDX-License-Identifier: MIT
import random
import struct

from kit import core, part_run

TITLE = "softmax, layer norm forward and backward (lock, atomics) against the interpreter"

KERNELS = core.HERE.parent / "kernels"


def npy(path, element, shape, values):
    """An array file, without numpy."""
    code, descr = {"f16": ("e", "<f2"), "f32": ("f", "<f4"), "i32": ("i", "<i4")}[element]
    shape = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (63 - (len(head) + 10) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack(f"<{len(values)}{code}", *values))
    return f"@{path}"


def backward(kit, block, group, rows, n, promises):
    """Small whole numbers, mean 0, deviation 1: the sums over rows are exact in any order of the programs."""
    rng = random.Random(kit.seed)
    folder = kit.work / f"bwd_{block}_{rows}_{n}"
    folder.mkdir(exist_ok=True)
    small = lambda count: [float(rng.randint(-2, 2)) for _ in range(count)]  # noqa: E731
    a = [f"out:f16[{rows}x{n}]", npy(folder / "dy.npy", "f16", (rows, n), small(rows * n)), f"out:f16[{group}x{n}]", f"out:f16[{group}x{n}]",
         npy(folder / "x.npy", "f16", (rows, n), small(rows * n)), npy(folder / "w.npy", "f16", (n,), small(n)),
         npy(folder / "mean.npy", "f32", (rows,), [0.0] * rows), npy(folder / "rstd.npy", "f32", (rows,), [1.0] * rows),
         f"out:i32[{2 * group}]", f"i32:{n}", f"i32:{n}"]
    return ["--grid", str(rows), *a] + ([] if promises else ["--no-promises"])


def arguments(kit, small):
    """(name, file, arguments)"""
    for block, rows, cols in ((1024, 5, 781), (1024, 3, 1024), (4096, 3, 4001), (16384, 2, 12288))[:2 if small else 4]:
        for stages in (1, 4):
            promises = [] if cols % 16 == 0 else ["--no-promises"]
            yield (f"softmax {rows}x{cols} block {block} {stages}", KERNELS / f"softmax_{block}_{stages}.ttir",
                   ["--grid", "2", f"out:f32[{rows}x{cols}]", f"rand:f32[{rows}x{cols}]", f"i32:{cols}", f"i32:{rows}", f"i32:{cols}",
                    *(promises if rows % 16 == 0 else ["--no-promises"])])
    for block, rows, n in ((1024, 3, 1024), (1024, 3, 777), (4096, 2, 4095), (8192, 2, 8192), (16384, 2, 15872))[:2 if small else 5]:
        yield (f"layer norm forward {rows}x{n}", KERNELS / f"layer_norm_fwd_{block}.ttir",
               ["--grid", str(rows), f"rand:f16[{rows}x{n}]", f"out:f16[{rows}x{n}]", f"rand:f16[{n}]", f"rand:f16[{n}]", f"out:f32[{rows}]",
                f"out:f32[{rows}]", f"i32:{n}", f"i32:{n}", "f32:1e-5", *([] if n % 16 == 0 else ["--no-promises"])])
    for block, group, rows, n in ((1024, 256, 300, 64), (1024, 256, 280, 1000), (4096, 128, 150, 4096), (16384, 64, 70, 9001))[:1 if small else 4]:
        yield (f"layer norm backward {rows}x{n}", KERNELS / f"layer_norm_bwd_{group}_{block}.ttir",
               backward(kit, block, group, rows, n, n % 16 == 0))
    for m, n in ((64, 1024), (96, 333))[:1 if small else 2]:
        yield (f"layer norm backward sums {m}x{n}", KERNELS / "layer_norm_bwd_sum_32_128.ttir",
               ["--grid", str(-(-n // 128)), f"rand:f16[{m}x{n}]", f"rand:f16[{m}x{n}]", f"out:f16[{n}]", f"out:f16[{n}]", f"i32:{m}", f"i32:{n}",
                *([] if n % 16 == 0 else ["--no-promises"])])
    for f, _, args in part_run.lines():
        if f.stem in ("layer_norm_bwd_lock", "atomics", "join_softmax", "layer_norm_bwd_dwdb"):
            yield f.stem, f, part_run.on_gpu(args)


def cases(kit, small=False):
    made = []
    for name, file, args in arguments(kit, small):
        for w in (1, 2, 4, 8, 16) if "_lock" not in name else (1, 4, 8):
            made.append(core.Case(f"{name} w{w}", file, args, warps=w))
    return made


def run(kit):
    kit.run_cases(core.shuffled(kit, cases(kit)))
