#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times kernels beside Triton's own compilation of them, in one run on one GPU: Triton compiles the Python kernel and
is timed, the TTIR it wrote is given to tessera, which is timed on the same sizes. Needs torch and triton.

    tests/gpu/bench_triton.py --tessera bin/tessera [--json OUT] [--only add,softmax,layernorm,matmul]
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import torch
import triton
import triton.language as tl
from triton.testing import do_bench

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--tessera", required=True)
p.add_argument("--json", type=pathlib.Path)
p.add_argument("--only", default="add,softmax,layernorm,matmul")
p.add_argument("--keep", type=pathlib.Path, help="folder for the TTIR and both PTX texts")
a = p.parse_args()
work = a.keep or pathlib.Path(tempfile.mkdtemp())
work.mkdir(parents=True, exist_ok=True)
rows = []


@triton.jit
def add_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    tl.store(out_ptr + offs, tl.load(x_ptr + offs, mask=mask) + tl.load(y_ptr + offs, mask=mask), mask=mask)


@triton.jit
def softmax_kernel(out_ptr, in_ptr, stride, n_rows, n_cols, BLOCK: tl.constexpr):
    cols = tl.arange(0, BLOCK)
    mask = cols < n_cols
    for row in tl.range(tl.program_id(0), n_rows, tl.num_programs(0)):
        x = tl.load(in_ptr + row * stride + cols, mask=mask, other=-float("inf"))
        e = tl.exp(x - tl.max(x, axis=0))
        tl.store(out_ptr + row * stride + cols, e / tl.sum(e, axis=0), mask=mask)


@triton.jit
def layer_norm_kernel(x_ptr, y_ptr, w_ptr, b_ptr, stride, n, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x_ptr += row * stride
    y_ptr += row * stride
    acc = tl.zeros([BLOCK], dtype=tl.float32)
    for off in range(0, n, BLOCK):
        cols = off + tl.arange(0, BLOCK)
        acc += tl.load(x_ptr + cols, mask=cols < n, other=0.).to(tl.float32)
    mean = tl.sum(acc, axis=0) / n
    var = tl.zeros([BLOCK], dtype=tl.float32)
    for off in range(0, n, BLOCK):
        cols = off + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + cols, mask=cols < n, other=0.).to(tl.float32)
        x = tl.where(cols < n, x - mean, 0.)
        var += x * x
    rstd = 1 / tl.sqrt(tl.sum(var, axis=0) / n + eps)
    for off in range(0, n, BLOCK):
        cols = off + tl.arange(0, BLOCK)
        mask = cols < n
        w = tl.load(w_ptr + cols, mask=mask)
        b = tl.load(b_ptr + cols, mask=mask)
        x = tl.load(x_ptr + cols, mask=mask, other=0.).to(tl.float32)
        tl.store(y_ptr + cols, (x - mean) * rstd * w + b, mask=mask)


@triton.jit
def matmul_kernel(a_ptr, b_ptr, c_ptr, M, N, K, sam, sak, sbk, sbn, scm, scn, BM: tl.constexpr, BN: tl.constexpr,
                  BK: tl.constexpr, GROUP: tl.constexpr):
    pid = tl.program_id(0)
    grid_m = tl.cdiv(M, BM)
    grid_n = tl.cdiv(N, BN)
    width = GROUP * grid_n
    group = pid // width
    first = group * GROUP
    size = min(grid_m - first, GROUP)
    pm = first + (pid % width) % size
    pn = (pid % width) // size
    rm = (pm * BM + tl.arange(0, BM)) % M
    rn = (pn * BN + tl.arange(0, BN)) % N
    rk = tl.arange(0, BK)
    pa = a_ptr + rm[:, None] * sam + rk[None, :] * sak
    pb = b_ptr + rk[:, None] * sbk + rn[None, :] * sbn
    acc = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        x = tl.load(pa, mask=rk[None, :] < K - k * BK, other=0.0)
        y = tl.load(pb, mask=rk[:, None] < K - k * BK, other=0.0)
        acc = tl.dot(x, y, acc)
        pa += BK * sak
        pb += BK * sbk
    cm = pm * BM + tl.arange(0, BM)
    cn = pn * BN + tl.arange(0, BN)
    tl.store(c_ptr + scm * cm[:, None] + scn * cn[None, :], acc.to(tl.float16), mask=(cm[:, None] < M) & (cn[None, :] < N))


def case(name, kernel, grid, args, consts, texts, amount, unit, warps=4, stages=3):
    """`texts`: the command line's form of each tensor in order; integers of value 1 are not in Triton's signature."""
    try:
        compiled = kernel[(grid,)](*args, **consts, num_warps=warps, num_stages=stages)
        theirs = do_bench(lambda: kernel[(grid,)](*args, **consts, num_warps=warps, num_stages=stages), warmup=50, rep=200,
                          return_mode="median")
        file = work / (name.replace(" ", "_") + ".ttir")
        file.write_text(compiled.asm["ttir"])
        (work / (file.stem + ".triton.ptx")).write_text(compiled.asm["ptx"])
        it = iter(texts)
        spec = []
        for x in args:
            if isinstance(x, torch.Tensor):
                spec.append(next(it))
            elif isinstance(x, float):
                spec.append(f"f32:{x}")
            elif x != 1:
                spec.append(f"i32:{x}")
        cmd = [a.tessera, "run", str(file), "--target", "cuda", "--grid", str(grid), *spec, "--num-warps", str(warps),
               "--num-stages", str(stages), "--bench", "--json"]
        r = subprocess.run(cmd, capture_output=True, text=True, timeout=150)
        row = {"name": name, "triton_ms": theirs}
        subprocess.run([a.tessera, "compile", str(file), "--target", "cuda:90a", "--options", f"num_warps={warps},num_stages={stages}",
                        "--emit", "ptx", "-o", str(work / (file.stem + ".ours.ptx"))], capture_output=True)
        try:
            row["ours"] = json.loads(r.stdout)
        except ValueError:
            row["error"] = (r.stdout + r.stderr)[-600:]
        row["amount"], row["unit"] = amount, unit
        rows.append(row)
        print(json.dumps(row), flush=True)
    except Exception as e:  # one case must not end the run
        rows.append({"name": name, "error": repr(e)[:500]})
        print(json.dumps(rows[-1]), flush=True)


torch.manual_seed(0)
only = a.only.split(",")
if "add" in only:
    for log in (24, 28):
        n = 1 << log
        x = torch.rand(n, device="cuda")
        t = [x, torch.rand(n, device="cuda"), torch.empty_like(x)]
        case(f"add 2^{log}", add_kernel, triton.cdiv(n, 1024), [*t, n], {"BLOCK": 1024},
             [f"rand:f32[{n}]", f"rand:f32[{n}]", f"out:f32[{n}]"], 12 * n, "bytes")
        del t, x
if "softmax" in only:
    for cols in (1024, 4096, 12288):
        x = torch.randn(8192, cols, device="cuda")
        y = torch.empty_like(x)
        block = triton.next_power_of_2(cols)
        case(f"softmax 8192x{cols}", softmax_kernel, 132 * (4 if cols < 8192 else 2), [y, x, cols, 8192, cols], {"BLOCK": block},
             [f"out:f32[8192x{cols}]", f"rand:f32[8192x{cols}]"], 8 * x.numel(), "bytes", warps=8 if cols > 1024 else 4)
if "layernorm" in only:
    for cols in (8192, 15872):
        x = torch.randn(4096, cols, device="cuda", dtype=torch.float16)
        w, b, y = torch.rand(cols, device="cuda").half(), torch.rand(cols, device="cuda").half(), torch.empty_like(x)
        block = min(65536 // 2, triton.next_power_of_2(cols))
        case(f"layernorm 4096x{cols}", layer_norm_kernel, 4096, [x, y, w, b, cols, cols, 1e-5], {"BLOCK": block},
             [f"rand:f16[4096x{cols}]", f"out:f16[4096x{cols}]", f"rand:f16[{cols}]", f"rand:f16[{cols}]"], 4 * x.numel(), "bytes", warps=8)
if "matmul" in only:
    for n in (1024, 4096):
        x, y = (torch.randn(n, n, device="cuda", dtype=torch.float16) for _ in range(2))
        c = torch.empty_like(x)
        case(f"matmul f16 {n}", matmul_kernel, (n // 128) * (n // 256), [x, y, c, n, n, n, n, 1, n, 1, n, 1],
             {"BM": 128, "BN": 256, "BK": 64, "GROUP": 8}, [f"rand:f16[{n}x{n}]", f"rand:f16[{n}x{n}]", f"out:f16[{n}x{n}]"],
             2 * n**3, "flop", warps=8)
if a.json:
    a.json.write_text(json.dumps({"gpu": torch.cuda.get_device_name(), "triton": triton.__version__, "rows": rows}, indent=1))
