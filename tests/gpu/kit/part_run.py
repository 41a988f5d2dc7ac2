# SPDX-License-Identifier: MIT
import re
import shlex

from kit import core

TITLE = "kernels of tests/run at awkward sizes: interpreter, CPU and GPU, num_warps 1 to 8, num_stages 1 to 4"

# Beyond the RUN lines of the files: sizes of one element, of one more or less than a block or a vector.
def sizes():
    more = {"add_f32": [], "softmax_f32": [], "layer_norm_fwd": [], "matmul_f16": [], "matmul_f32": [], "matmul_bf16": []}
    for n in (2, 31, 33, 255, 257, 1023, 1025, 98432):
        more["add_f32"].append(f"--grid {-(-n // 256)} rand:f32[{n}] rand:f32[{n}] out:f32[{n}] i32:{n}")
    for rows, n, stride in ((1, 1, 1), (2, 2, 3), (3, 31, 32), (2, 33, 33), (5, 127, 128), (3, 1023, 1023), (7, 781, 816)):
        more["softmax_f32"].append(f"--grid {rows} rand:f32[{rows}x{stride}] out:f32[{rows}x{stride}] i32:{stride} i32:{stride} i32:{n}")
    for rows, n in ((1, 1), (2, 17), (3, 255), (2, 257), (3, 1151)):
        more["layer_norm_fwd"].append(f"--grid {rows} rand:f16[{rows}x{n}] out:f16[{rows}x{n}] rand:f16[{n}] rand:f16[{n}] "
                                      f"out:f32[{rows}] out:f32[{rows}] i32:{n} i32:{n} f32:1e-5")
    for m, n, k in ((1, 1, 1), (3, 5, 17), (64, 64, 64), (65, 63, 129), (129, 200, 72)):
        for t, tm, tn in (("f16", 64, 64), ("bf16", 64, 64), ("f32", 64, 64)):
            grid = f"{-(-m // tm)},{-(-n // tn)}"
            more["matmul_" + t].append(f"--grid {grid} rand:{t}[{m}x{k}] rand:{t}[{k}x{n}] out:{t}[{m}x{n}] "
                                       f"i32:{m} i32:{n} i32:{k} i32:{k} i32:{n} i32:{n}")
    return more


def folder():
    for place in (core.HERE.parent.parent / "run", core.HERE.parent / "run"):  # the source tree, the bundle
        if place.is_dir():
            return place
    raise FileNotFoundError("the kernels of tests/run")


def without(words, option):
    """Arguments without an option and its value."""
    return [w for i, w in enumerate(words) if w != option and (not i or words[i - 1] != option)]


def lines():
    """(file, text, arguments) of every run that is compared with the interpreter."""
    more = sizes()
    for f in sorted(folder().glob("*.ttir")):
        text = f.read_text()
        known = re.findall(r"^// RUN: %tessera run %s ([^|%\n]*--check interp[^|%\n]*)$", text, re.M)
        for args in known + more.get(f.stem, []):
            yield f, text, shlex.split(args.replace("--check interp", ""))


def on_gpu(words):
    """A line's arguments without its own target, and without a tolerance that was meant for the CPU."""
    return without(without(words, "--target"), "--tol")


def cases(kit, warps=(1, 2, 4, 8), stages=(1, 2, 3, 4)):
    made = []
    for i, (f, text, args) in enumerate(lines()):
        title = f"{f.stem} {' '.join(a for a in args[2:] if ':' in a and '[' not in a)[:40] or i}"
        if "--target" not in args:
            made.append(core.Case(f"{title} cpu", f, args, target="cpu", warps=None))
        for w in warps:
            for s in stages if "tt.dot" in text else stages[:1]:
                made.append(core.Case(f"{title} w{w} s{s}", f, on_gpu(args), warps=w, stages=s))
    return made


def run(kit):
    kit.run_cases(core.shuffled(kit, cases(kit)))
