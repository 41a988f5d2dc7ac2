# SPDX-License-Identifier: MIT
"""Runs the kernels of Triton's tutorials, from their unchanged files, on the GPU; saves results and times. Started by part
`python`, once by Triton and once under Triton's name by Tessera (python3 -m tessera.triton tutorials.py …).

    tutorials.py FOLDER --out FILE.pt [--only TEXT] [--seconds N]

Of each file everything is run but what starts benchmarks and tests. Times are CUDA events of PyTorch, L2 flushed,
medians: the same code measures both sides.
"""
import argparse
import ast
import contextlib
import io
import pathlib
import statistics
import sys
import time
import traceback
import types

import torch
import triton


def starts_something(node):
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    f = node.value.func
    return isinstance(f, ast.Attribute) and f.attr == "run" or isinstance(f, ast.Name) and f.id.startswith("test_")


def load(folder, number):
    path = next(pathlib.Path(folder).glob(number + "-*.py"))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not starts_something(node)]
    module = types.ModuleType("tutorial_" + number)
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    torch.manual_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(tree, str(path), "exec"), module.__dict__)
    return module


def seconds_of(fn, budget=0.25):
    """Median milliseconds of a call."""
    flush = torch.empty(1 << 28, dtype=torch.int8, device="cuda")
    fn()
    torch.cuda.synchronize()
    begin, times = time.time(), []
    while len(times) < 10 or (time.time() - begin < budget and len(times) < 200):
        flush.zero_()
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        fn()
        b.record()
        torch.cuda.synchronize()
        times.append(a.elapsed_time(b))
    return statistics.median(times)


def random(*shape, dtype=torch.float32, seed=1):
    g = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randn(shape, generator=g).to(dtype).cuda()


def cases(load_tutorial):
    """(name, tolerance relative to the largest value, function that gives a tuple of results, function to time or None)"""
    def t01():
        t = load_tutorial("01")
        for n in (98432, 1, 777, 1 << 24):
            x, y = random(n), random(n, seed=2)
            yield f"01 add {n}", 0.0, (lambda x=x, y=y: (t.add(x, y),)), n == 1 << 24

    def t02():
        t = load_tutorial("02")
        for shape in ((1823, 781), (3, 1), (4096, 4096)):
            x = random(*shape)
            yield f"02 softmax {shape[0]}x{shape[1]}", 1e-5, (lambda x=x: (t.softmax(x),)), shape[0] == 4096

    def t03():
        t = load_tutorial("03")
        for m, k, n in ((512, 512, 512), (100, 72, 136), (4096, 4096, 4096)):
            a, b = random(m, k, dtype=torch.float16), random(k, n, dtype=torch.float16, seed=2)
            yield f"03 matmul f16 {m}x{k}x{n}", 2e-3, (lambda a=a, b=b: (t.matmul(a, b),)), m == 4096
            if m == 100:
                yield f"03 matmul leaky {m}", 2e-3, (lambda a=a, b=b: (t.matmul(a, b, activation="leaky_relu"),)), False
        a, b = (random(512, 512, seed=s, dtype=torch.float16).to(torch.float8_e5m2) for s in (1, 2))
        yield "03 matmul f8e5 512", 2e-3, (lambda: (t.matmul(a, b.T),)), False

    def t04():
        t = load_tutorial("04")
        x = random(1 << 20)
        keep = (random(1 << 20, seed=3) > 0).to(torch.int32)
        yield "04 dropout", 1e-6, lambda: (t.dropout(x, keep, 0.5),), False
        yield "04 seeded dropout", 1e-6, lambda: (t.seeded_dropout(x, 0.5, 123), t.seeded_dropout(x, 0.3, 512)), True

    def t05():
        t = load_tutorial("05")
        for m, n in ((151, 700), (4096, 8192)):
            x = random(m, n, dtype=torch.float16).requires_grad_()
            w, b = (random(n, dtype=torch.float16, seed=s).requires_grad_() for s in (2, 3))
            dy = 0.1 * random(m, n, dtype=torch.float16, seed=4)

            def forward(x=x, w=w, b=b, n=n):
                return (t.layer_norm(x, (n,), w, b, 1e-5).detach(),)

            def backward(x=x, w=w, b=b, n=n, dy=dy):
                x.grad = w.grad = b.grad = None
                t.layer_norm(x, (n,), w, b, 1e-5).backward(dy)
                return x.grad, w.grad, b.grad
            yield f"05 layer norm forward {m}x{n}", 2e-3, forward, m == 4096
            yield f"05 layer norm forward and backward {m}x{n}", 1e-2, backward, m == 4096

    def t06():
        t = load_tutorial("06")
        for z, h, n, d in ((1, 2, 1024, 64), (4, 32, 4096, 64)):
            for causal in (False, True):
                q, k, v = (random(z, h, n, d, dtype=torch.float16, seed=s) * 0.5 for s in (1, 2, 3))
                yield (f"06 attention forward {z}x{h}x{n}x{d}{' causal' if causal else ''}", 4e-3,
                       lambda q=q, k=k, v=v, c=causal: (t.attention(q, k, v, c, 0.5, False),), n == 4096)
        q, k, v = ((random(1, 2, 1024, 64, dtype=torch.float16, seed=s) * 0.5).requires_grad_() for s in (1, 2, 3))
        do = random(1, 2, 1024, 64, dtype=torch.float16, seed=4)

        def backward():
            q.grad = k.grad = v.grad = None
            t.attention(q, k, v, True, 0.5, False).backward(do)
            return q.grad, k.grad, v.grad
        yield "06 attention forward and backward", 1e-2, backward, False

    def t07():
        t = load_tutorial("07")  # runs its kernel and prints

        def asin():
            x = random(98432).clamp(-1, 1)
            y = torch.zeros_like(x)
            kernel = getattr(t, "asin_kernel")
            kernel[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), BLOCK_SIZE=1024)
            return (y,)
        yield "07 asin", 1e-5, asin, False

    return {"01": t01, "02": t02, "03": t03, "04": t04, "05": t05, "06": t06, "07": t07}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--out", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=300)
    a = parser.parse_args()
    end = time.time() + a.seconds
    rows = []

    def save():
        torch.save({"triton": getattr(triton, "__version__", "?"), "tessera": "tessera" in sys.modules, "rows": rows}, a.out)
    for number, make in cases(lambda number: load(a.folder, number)).items():
        if a.only and not any(x.startswith(number) for x in a.only.split(",")):
            continue
        begin = time.time()
        try:
            for name, tolerance, call, timed in make():
                if time.time() > end:
                    rows.append({"name": name, "not_run": "time is up"})
                    continue
                row = {"name": name, "tolerance": tolerance}
                rows.append(row)
                try:
                    start = time.time()
                    row["values"] = [v.detach().cpu().clone() for v in call()]
                    torch.cuda.synchronize()
                    row["first_s"] = time.time() - start
                    if timed:
                        row["ms"] = seconds_of(call)
                except Exception as e:
                    row["error"] = f"{type(e).__name__}: {e}"[:2000]
                    traceback.print_exc()
                print(f"{name}: {row.get('error', 'ran')[:300]} {row.get('ms', '')}", flush=True)
                save()
        except Exception as e:
            rows.append({"name": f"{number} the file", "error": f"{type(e).__name__}: {e}"[:2000]})
            traceback.print_exc()
        print(f"tutorial {number}: {time.time() - begin:.1f} s", flush=True)
        save()


if __name__ == "__main__":
    main()
