# SPDX-License-Identifier: MIT
import concurrent.futures
import re

from kit import core, matmul_kernels

TITLE = "matrix products: f16, bf16, tf32, int8, fp8; all orders of both operands, awkward sizes, mma.sync and wgmma"

TILES = {"f16": (64, 64, 32), "bf16": (64, 64, 32), "tf32": (64, 64, 32), "int8": (64, 64, 64), "e4m3": (64, 64, 64),
         "e5m2": (64, 64, 64)}
SIZES = [(64, 64, 64, True), (112, 144, 208, True), (65, 33, 129, False), (1, 17, 5, False)]


def instruction(ptx):
    """Which matrix instructions a kernel's PTX has."""
    found = re.findall(r"(wgmma\.mma_async|mma\.sync|ldmatrix|cp\.async\.c[ag])", ptx or "")
    names = [{"wgmma.mma_async": "wgmma", "mma.sync": "mma"}.get(x, x.split(".c")[0]) for x in found]
    return "+".join(dict.fromkeys(names)) or "fma"


def cases(kit, warps=(2, 4, 8), stages=(1, 3), sizes=SIZES, kinds=tuple(TILES)):
    folder = kit.work / "matrix"
    folder.mkdir(exist_ok=True)
    made = []
    for kind in kinds:
        for ta in (False, True):
            for tb in (False, True):
                for m, n, k, aligned in sizes:
                    for big in (False, True):
                        bm, bn, bk = TILES[kind]
                        if big:  # a tile that fills the larger instructions; once a layout
                            if (m, n, k) != sizes[min(1, len(sizes) - 1)][:3]:
                                continue
                            bm, bn = 128, 128
                        order = ("t" if ta else "n") + ("t" if tb else "n")
                        file = folder / f"{kind}_{order}_{bm}x{bn}x{bk}_{'a' if aligned else 'u'}.ttir"
                        if not file.exists():
                            file.write_text(matmul_kernels.text(kind, bm, bn, bk, ta, tb, aligned))
                        args = matmul_kernels.arguments(kind, m, n, k, bm, bn, ta, tb, aligned)
                        for w in warps:
                            for s in stages:
                                made.append(core.Case(f"{kind} {order} {m}x{n}x{k} tile {bm}x{bn} w{w} s{s}", file, args, warps=w, stages=s,
                                                      kind=kind, order=order))
    return made


def run(kit):
    ordered = core.shuffled(kit, cases(kit))
    # Which instructions the variants come to: one compilation of each file and number of warps.
    wanted = sorted({(c.file, c.warps) for c in ordered if "_a." in c.file})
    with concurrent.futures.ThreadPoolExecutor(kit.jobs) as pool:
        texts = list(pool.map(lambda q: kit.ptx(q[0], q[1], 3), wanted))
    used = {}
    for (file, warps), text in zip(wanted, texts):
        name = file.rsplit("/", 1)[1].split("_a.")[0]
        used.setdefault(name, {})[warps] = instruction(text) if text else "none"
    rows = [{"kernel": n, **{f"{w} warps": i for w, i in v.items()}} for n, v in sorted(used.items())]
    kit.notes["tables"].append("\nmatrix instructions used\n" + core.table(
        rows, [("kernel", "kernel"), *[(f"{w} warps", f"{w} warps") for w in (2, 4, 8)]]))
    kit.notes["instructions"] = used
    kit.run_cases(ordered)
