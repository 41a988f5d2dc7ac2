# SPDX-License-Identifier: MIT
import concurrent.futures
import hashlib
import time

from kit import core, matmul_kernels, part_run

TITLE = "the same bits: each kernel 20 times, in 20 processes, on the same data"

# What sums or exchanges data between threads; kernels with float atomics are not among them.
FILES = ["softmax_f32", "join_softmax", "layer_norm_fwd", "layer_norm_bwd_dwdb", "reductions", "scans", "math", "matmul_f16",
         "matmul_bf16", "matmul_f32", "attention_preprocess"]


def kernels(kit):
    seen = set()
    for f, text, args in part_run.lines():
        if f.stem in FILES and f.stem not in seen:
            seen.add(f.stem)
            yield f.stem, f, part_run.on_gpu(args), 4
    folder = kit.work / "determinism"
    folder.mkdir(exist_ok=True)
    for kind, size in (("f16", (128, 128, 64)), ("tf32", (64, 64, 32)), ("e4m3", (128, 128, 64))):
        for warps in (2, 4, 8):
            file = folder / f"{kind}.ttir"
            file.write_text(matmul_kernels.text(kind, *size))
            yield f"matmul {kind} w{warps}", file, matmul_kernels.arguments(kind, 256, 272, 304, *size[:2]), warps


def outputs(kit, name, file, args, warps, number):
    folder = kit.work / f"det_{name.replace(' ', '_')}_{number}"
    folder.mkdir()
    given, files = [], []
    for i, a in enumerate(args):
        if a.startswith("out:"):
            files.append(folder / f"{i}.npy")
            a += f"={files[-1]}"
        given.append(a)
    command = core.Case(name, file, given, warps=warps, check=None).command(kit)
    code, out = kit.call(command, 120)
    if code:
        return None, kit.judge(code, out), out
    digest = hashlib.sha256()
    for f in files:
        digest.update(f.read_bytes())
        f.unlink()
    return digest.hexdigest(), (core.GOOD, ""), out


def run(kit):
    times = kit.count or 20
    with concurrent.futures.ThreadPoolExecutor(kit.jobs) as pool:
        for name, file, args, warps in kernels(kit):
            if kit.a.only not in name:
                continue
            if kit.left() < 10:
                kit.row(name, core.NOT_RUN, "time is up")
                continue
            begin = time.time()
            first = outputs(kit, name, file, args, warps, 0)  # alone: it compiles
            rest = list(pool.map(lambda n: outputs(kit, name, file, args, warps, n), range(1, times))) if first[0] else []
            bad = [r for r in [first, *rest] if not r[0]]
            kinds = {r[0] for r in [first, *rest]}
            if bad:
                state, why = bad[0][1]
                kit.log(f"--- determinism {name}\n{bad[0][2][-2000:]}")
                kit.row(name, state, why)
            else:
                kit.row(name, core.GOOD if len(kinds) == 1 else core.FAILED, "" if len(kinds) == 1 else f"{len(kinds)} results in {times} runs",
                        runs=times, sha256=first[0], seconds=round(time.time() - begin, 2))
    kit.say(f"{times} runs each")
