#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reference interpreter against numpy on kernels that Triton wrote (a folder of real .ttir files, TESSERA_CORPUS).

usage: numpy_compare.py DRIVER     exit 77: skipped (no numpy or no corpus)
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: no numpy")
    sys.exit(77)
CORPUS = os.environ.get("TESSERA_CORPUS")
if not CORPUS or not os.path.isdir(CORPUS):
    print("skipped: no corpus")
    sys.exit(77)

DRIVER = sys.argv[1]
OUT, RO = 1, 2
BOUNDS_ALIGN, UNDEF, RACE = 3, 4, 1 << 9
rng = np.random.default_rng(7)
results = {"passed": 0, "failed": 0}


class Buf:
    def __init__(self, array, flags=0):
        self.array, self.flags = np.ascontiguousarray(array), flags


class Desc(Buf):
    """A tensor descriptor over a row-major 2-D array."""


def out(shape, dtype):
    return Buf(np.zeros(shape, dtype), OUT)


def launch(path, grid, args, kernel="", errors=BOUNDS_ALIGN | UNDEF, notes=0):
    """Runs; returns (status, text). Buffers are updated in place; .shadow holds their shadows."""
    with tempfile.TemporaryDirectory() as tmp:
        lines = [f"file {path}", f"grid {' '.join(map(str, grid))}", f"errors {errors}", f"notes {notes}"]
        if kernel:
            lines.append(f"kernel {kernel}")
        for i, a in enumerate(args):
            if isinstance(a, Buf):
                name = f"{tmp}/b{i}"
                a.array.tofile(name)
                if isinstance(a, Desc):
                    rows, cols = a.array.shape
                    lines.append(f"desc {name} {a.flags} 1 2 {rows} {cols} {cols} 1")
                else:
                    lines.append(f"buffer {name} {a.flags}")
            else:
                bits = int(a.view({4: np.uint32, 8: np.uint64, 2: np.uint16, 1: np.uint8}[a.itemsize]))
                lines.append(f"scalar {bits}")
        with open(f"{tmp}/spec", "w") as f:
            f.write("\n".join(lines) + "\n")
        r = subprocess.run([DRIVER, f"{tmp}/spec"], capture_output=True, text=True)
        for i, a in enumerate(args):
            if isinstance(a, Buf):
                a.array = np.fromfile(f"{tmp}/b{i}", a.array.dtype).reshape(a.array.shape)
                try:
                    a.shadow = np.fromfile(f"{tmp}/b{i}.shadow", np.uint8)
                except FileNotFoundError:
                    a.shadow = None
        text = r.stdout + r.stderr
        status = int(text.rsplit("status ", 1)[1].split()[0]) if "status " in text else -1
        return status, text


def i64(v):
    return np.array(v, np.int64)


def described(d):
    """A descriptor argument and the shape and strides that follow it in the signature."""
    rows, cols = d.array.shape
    return [d, i32(rows), i32(cols), i64(cols), i64(1)]


def i32(v):
    return np.array(v, np.int32)


def f32(v):
    return np.array(v, np.float32)


def files(pattern):
    found = sorted(glob.glob(os.path.join(CORPUS, pattern)))
    if not found:
        print(f"  (no file {pattern})")
    return found


def report(name, path, ok, detail):
    results["passed" if ok else "failed"] += 1
    print(f"{'ok  ' if ok else 'FAIL'} {name:24} {os.path.basename(path)} {detail if not ok else ''}")


def close(got, want, rtol, scale=None):
    got, want = got.astype(np.float64), want.astype(np.float64)
    atol = 0 if scale is None else rtol * scale
    return bool(np.all(np.abs(got - want) <= atol + rtol * np.abs(want)))


def check(name, path, grid, args, expect, **kw):
    """expect: list of (buffer, wanted array, rtol, scale or None)."""
    status, text = launch(path, grid, args, **kw)
    if status != 0:
        return report(name, path, False, text[-600:])
    for k, (buf, want, rtol, scale) in enumerate(expect):
        if not close(buf.array, want, rtol, scale):
            d = np.abs(buf.array.astype(np.float64) - want)
            return report(name, path, False, f"result {k}: largest difference {d.max()} at {np.unravel_index(d.argmax(), d.shape)}")
    report(name, path, True, "")


def signature(path):
    """Types of the kernel's arguments, in order, and the text."""
    text = open(path).read()
    head = text[text.index("tt.func public"):]
    depth, start = 0, head.index("(")
    for i in range(start, len(head)):
        depth += {"(": 1, "[": 1, "<": 1, "{": 1, ")": -1, "]": -1, ">": -1, "}": -1}.get(head[i], 0)
        if depth == 0:
            break
    args, depth, cur = [], 0, ""
    for c in head[start + 1:i]:
        depth += {"(": 1, "<": 1, "{": 1, ")": -1, ">": -1, "}": -1}.get(c, 0)
        if c == "," and depth == 0:
            args.append(cur)
            cur = ""
        else:
            cur += c
    args.append(cur)
    names = [a.split(":")[0].strip().lstrip("%") for a in args]
    types = [a.split(":", 1)[1].strip().split(" {")[0].split(" loc(")[0].strip() for a in args]
    return names, types, text


def constant_after(text, key, default):
    m = re.search(key, text)
    return int(m.group(1)) if m else default


NP = {"f32": np.float32, "f16": np.float16, "i32": np.int32, "f64": np.float64}


def test_add():
    for p in files("ttir*/tutorials/add_kernel*"):
        n = 3000
        x, y = (rng.standard_normal(n).astype(np.float32) for _ in range(2))
        o = out(n, np.float32)
        check("add", p, (3, 1, 1), [Buf(x), Buf(y), o, i32(n)], [(o, x + y, 0, None)])


def test_softmax():
    for p in files("ttir*/tutorials/softmax_kernel*"):
        rows, cols = 37, 784
        x = rng.standard_normal((rows, cols)).astype(np.float32)
        o = out((rows, cols), np.float32)
        e = np.exp(x - x.max(1, keepdims=True), dtype=np.float64)
        want = e / e.sum(1, keepdims=True)
        check("softmax", p, (5, 1, 1), [o, Buf(x), i32(cols), i32(cols), i32(rows), i32(cols)], [(o, want, 4e-6, None)])


def layer_norm_data(m, n, dt):
    x = (rng.standard_normal((m, n)) * 2 - 0.5).astype(dt)
    w, b = rng.random(n).astype(dt), rng.random(n).astype(dt)
    x64 = x.astype(np.float64)
    mean = x64.mean(1)
    rstd = 1 / np.sqrt(x64.var(1) + 1e-5)
    return x, w, b, mean, rstd


def test_layer_norm_fwd():
    for p in files("ttir*/tutorials/_layer_norm_fwd_fused*"):
        names, types, _ = signature(p)
        dt = NP.get(types[0].split("<")[1].split(">")[0])
        if dt is None:
            continue
        m, n = 11, 784
        x, w, b, mean, rstd = layer_norm_data(m, n, dt)
        y, mu, rs = out((m, n), dt), out(m, np.float32), out(m, np.float32)
        want = (x.astype(np.float64) - mean[:, None]) * rstd[:, None] * w.astype(np.float64) + b.astype(np.float64)
        tol = 1e-5 if dt == np.float32 else 2e-3
        check("layer norm fwd", p, (m, 1, 1), [Buf(x), y, Buf(w), Buf(b), mu, rs, i32(n), i32(n), f32(1e-5)],
              [(y, want, tol, np.abs(want).max()), (mu, mean, 1e-5, 1), (rs, rstd, 1e-5, None)])


def test_layer_norm_dx():
    for p in files("ttir*/tutorials/_layer_norm_bwd_dx_fused*"):
        names, types, text = signature(p)
        dt = NP.get(types[0].split("<")[1].split(">")[0])
        if dt is None:
            continue
        m, n = 24, 784
        group = constant_after(text, r"arith.remsi %\w+, %c(\d+)_i32", 0) or \
            constant_after(text, r"%lock_id = arith.constant (\d+)", 0)
        if not group:
            print("  (no group size in", p, ")")
            continue
        x, w, b, mean, rstd = layer_norm_data(m, n, dt)
        dy = (rng.standard_normal((m, n)) * 0.1).astype(dt)
        dx = out((m, n), dt)
        dw, db = Buf(np.zeros((group, n), dt)), Buf(np.zeros((group, n), dt))
        locks = Buf(np.zeros(2 * group, np.int32))
        xhat = (x.astype(np.float64) - mean[:, None]) * rstd[:, None]
        wdy = w.astype(np.float64) * dy
        c1, c2 = (xhat * wdy).mean(1, keepdims=True), wdy.mean(1, keepdims=True)
        want = (wdy - (xhat * c1 + c2)) * rstd[:, None]
        args = {"DX": dx, "DY": Buf(dy), "DW": dw, "DB": db, "X": Buf(x), "W": Buf(w), "Mean": Buf(mean.astype(np.float32)),
                "Rstd": Buf(rstd.astype(np.float32)), "Lock": locks, "stride": i32(n), "N": i32(n), "B": Buf(b)}
        tol = 1e-5 if dt == np.float32 else 4e-3
        status, t = launch(p, (m, 1, 1), [args[k] for k in names], errors=BOUNDS_ALIGN | UNDEF | RACE)
        ok = status == 0 and close(dx.array, want, tol, np.abs(want).max())
        sdw, sdb = dw.array.astype(np.float64).sum(0), db.array.astype(np.float64).sum(0)
        ok &= close(sdw, (dy * xhat).sum(0), 10 * tol, 3) and close(sdb, dy.astype(np.float64).sum(0), 10 * tol, 3)
        report("layer norm bwd dx", p, ok, t[-500:])


def test_layer_norm_dwdb():
    for p in files("ttir*/tutorials/_layer_norm_bwd_dwdb*"):
        _, types, _ = signature(p)
        dt, ot = elem(types[0]), elem(types[2])
        m, n = 40, 784
        dw, db = (rng.standard_normal((m, n)).astype(dt) for _ in range(2))
        ow, ob = out(n, ot), out(n, ot)
        tol = 1e-5 if ot == np.float32 else 1e-3
        check("layer norm bwd dwdb", p, ((n + 127) // 128, 1, 1), [Buf(dw), Buf(db), ow, ob, i32(m), i32(n)],
              [(ow, dw.astype(np.float64).sum(0), tol, 10), (ob, db.astype(np.float64).sum(0), tol, 10)])


def elem(t):
    return NP.get(t.split("ptr<")[-1].rstrip(">"))


def dot_shape(text):
    """Rows, columns and depth of the first tt.dot."""
    r = re.search(r"tt.dot .*: tensor<(\d+)x(\d+)x\w+> \* tensor<\d+x(\d+)x", text)
    return int(r.group(1)), int(r.group(3)), int(r.group(2))


def matmul_data(m, n, k, dt, transposed=False):
    a = (rng.standard_normal((m, k)) * 0.5).astype(dt)
    b = (rng.standard_normal((k, n)) * 0.5).astype(dt)
    want = a.astype(np.float64) @ b.astype(np.float64)
    return a, np.ascontiguousarray(b.T) if transposed else b, want


def test_matmul():
    for p in files("ttir*/tutorials/matmul_kernel.*"):
        names, types, text = signature(p)
        if elem(types[0]) != np.float16:
            continue
        bm, bn, bk = dot_shape(text)
        m, n, k = 2 * bm - 48, 2 * bn - 16, 2 * bk + 16
        a, b, want = matmul_data(m, n, k, np.float16, names[7] == "stride_bn")
        c = out((m, n), np.float16)
        check("matmul", p, (4, 1, 1), [Buf(a), Buf(b), c, i32(m), i32(n), i32(k), i32(k), i32(b.shape[1]), i32(n)],
              [(c, want, 2e-3, np.abs(want).max())])


def test_matmul_persistent():
    for p in files("ttir*/tutorials/matmul_kernel_persistent.*"):
        names, types, text = signature(p)
        if elem(types[0]) != np.float16:
            continue
        bm, bn, bk = dot_shape(text)
        m, n, k = 2 * bm - 48, 2 * bn - 16, 2 * bk + 16
        a, b, want = matmul_data(m, n, k, np.float16, names[7] == "stride_bn")
        c = out((m, n), np.float16)
        # the loop runs to a constant number of processors: one program does what that many share
        check("matmul persistent", p, (4, 1, 1),
              [Buf(a), Buf(b), c, i32(m), i32(n), i32(k), i32(k), i32(b.shape[1]), i32(n)],
              [(c, want, 2e-3, np.abs(want).max())])


def test_matmul_descriptors():
    for p in files("ttir/tutorials/matmul_kernel_tma*") + files("ttir*/tutorials/matmul_kernel_descriptor_persistent*"):
        names, types, text = signature(p)
        hosted = "tensordesc" in types[0]
        if ("f16" if hosted else "ptr<f16") not in types[0]:
            continue
        bm, bn, bk = dot_shape(text)
        m, n, k = bm + 56, bn + 16, 2 * bk + 16
        a, b, want = matmul_data(m, n, k, np.float16, True)
        c = Desc(np.zeros((m, n), np.float16), OUT) if hosted else out((m, n), np.float16)
        args = described(Desc(a)) + described(Desc(b)) + described(c) if hosted else [Buf(a), Buf(b), c]
        check("matmul descriptors", p, (4, 1, 1), args + [i32(m), i32(n), i32(k)],
              [(c, want, 2e-3, np.abs(want).max())])


def test_attention_preprocess():
    for p in files("ttir*/tutorials/_attn_bwd_preprocess*"):
        _, types, text = signature(p)
        d = max(int(x) for x in re.findall(r"tensor<128x(\d+)xf16>", text))
        z, h, n = 1, 2, 256
        o, do = ((rng.standard_normal((z * h * n, d))).astype(np.float16) for _ in range(2))
        delta = out(z * h * n, np.float32)
        want = (o.astype(np.float64) * do.astype(np.float64)).sum(1)
        check("attention preprocess", p, (n // 128, z * h, 1), [Buf(o), Buf(do), delta, i32(z), i32(h), i32(n)],
              [(delta, want, 1e-5, np.abs(want).max())])


def test_attention_fwd():
    for p in files("ttir*/tutorials/_attn_fwd*"):
        names, types, text = signature(p)
        if "f16" not in types[4]:
            continue
        bm, bn, d = dot_shape(text)
        causal = len(re.findall("tt.dot ", text)) > 2
        z, h, n = 1, 2, 256
        q, k, v = ((rng.standard_normal((z * h * n, d)) * 0.5).astype(np.float16) for _ in range(3))
        scale = np.float32(0.3)
        m = out(z * h * n, np.float32)
        q3, k3, v3 = (t.astype(np.float64).reshape(z * h, n, d) for t in (q, k, v))
        sc = q3 @ k3.transpose(0, 2, 1) * float(scale)
        if causal:
            sc = np.where(np.tril(np.ones((n, n), bool)), sc, -np.inf)
        top = sc.max(2, keepdims=True)
        e = np.exp(sc - top)
        want = (e @ v3 / e.sum(2, keepdims=True)).reshape(z * h * n, d)
        lse = ((top[..., 0] + np.log(e.sum(2))) * 1.4426950408889634).reshape(-1)
        if "tensordesc" in types[4]:
            o = Desc(np.zeros((z * h * n, d), np.float16), OUT)
            tail = described(Desc(q)) + described(Desc(k)) + described(Desc(v)) + described(o)
        else:
            o = out((z * h * n, d), np.float16)
            tail = [Buf(q), Buf(k), Buf(v), o]
        check("attention fwd" + (" causal" if causal else ""), p, (n // bm, z * h, 1),
              [f32(scale), m, i32(z), i32(h)] + tail + [i32(n)],
              [(o, want, 3e-3, np.abs(want).max()), (m, lse, 1e-3, 1)])


for name, f in list(globals().items()):
    if name.startswith("test_"):
        f()
print(f"{results['passed']} passed, {results['failed']} failed")
sys.exit(1 if results["failed"] else 0)
