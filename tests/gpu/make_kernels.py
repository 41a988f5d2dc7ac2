#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes kernels/*.ttir from kit/triton_kernels.py, as Triton specialises them for the sizes of kit/bench_cases.py. Needs
Triton (no GPU).    tests/gpu/make_kernels.py"""
import pathlib
import re
import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
from kit import bench_cases, triton_kernels  # noqa: E402

TYPES = {"f32": "fp32", "f16": "fp16", "i32": "i32"}


def strip(text):
    """Without locations and with the licence."""
    text = re.sub(r"^#loc.*\n", "", text, flags=re.M)
    text = re.sub(r" loc\((?:[^()]|\([^()]*\))*\)", "", text)
    return "// SPDX-License-Identifier: MIT\n" + text


def main():
    folder = here / "kernels"
    folder.mkdir(exist_ok=True)
    for bench in bench_cases.all_cases():
        for step in bench.steps:
            for variant in step.variants:
                file = folder / step.file(variant)
                if file.exists():
                    continue
                fn = getattr(triton_kernels, step.kernel)
                names = fn.arg_names
                signature, constants, attrs = {}, {}, {}
                values = dict(zip(names, step.args))
                for i, n in enumerate(names):
                    v = values.get(n)
                    if n in variant[1]:
                        signature[n], constants[(i,)] = "constexpr", variant[1][n]
                    elif isinstance(v, str):
                        signature[n] = "*" + TYPES[bench.tensors[v][0]]
                        attrs[(i,)] = [["tt.divisibility", 16]]
                    elif isinstance(v, float):
                        signature[n] = "fp32"
                    elif v == 1:
                        signature[n], constants[(i,)] = "constexpr", 1
                    else:
                        signature[n] = "i32"
                        if v % 16 == 0:
                            attrs[(i,)] = [["tt.divisibility", 16]]
                source = ASTSource(fn, signature, constants, attrs)
                compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32),
                                          options={"num_warps": variant[2], "num_stages": variant[3]})
                file.write_text(strip(compiled.asm["ttir"]))
                print(file.name, len(file.read_text()))


main()
