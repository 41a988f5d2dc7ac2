# SPDX-License-Identifier: MIT
"""What part `bench` measures: kernels of triton_kernels.py with sizes, variants and goals. Needs no package, so that the
checked-in kernels can be made, and measured alone, without Triton.

A tensor is (element, shape, how): how is "rand", "out" or "zero". A variant is (grid, constants, warps, stages); of several,
each side is given its own best."""

SMS = 132


def up(n):
    return 1 << (n - 1).bit_length()


class Step:
    """One launch: a kernel, arguments (names of tensors, numbers)."""

    def __init__(self, kernel, args, variants):
        self.kernel, self.args, self.variants = kernel, args, variants

    def file(self, variant):
        """The checked-in TTIR of a variant."""
        return self.kernel.replace("_kernel", "") + "".join(f"_{v}" for v in variant[1].values()) + ".ttir"


class Bench:
    def __init__(self, name, tensors, steps, amount, unit, goal, peer, scale=1.0):
        self.name, self.tensors, self.steps, self.amount, self.unit = name, tensors, steps, amount, unit
        self.goal, self.peer, self.scale = goal, peer, scale


def all_cases(small=False):
    """small: sizes for the emulator."""
    r = []
    for log in (12, 13) if small else (24, 28):
        n = 1 << log
        r.append(Bench(f"add f32 2^{log}", {"x": ("f32", (n,), "rand"), "y": ("f32", (n,), "rand"), "o": ("f32", (n,), "out")},
                       [Step("add_kernel", ["x", "y", "o", n], [(-(-n // 1024), {"BLOCK": 1024}, 4, 3)])], 12 * n, "bytes", 1.0, "add"))
    rows = 8 if small else 8192
    for cols in (1024, 4096, 12288):
        shapes = [(8, 4, 2), (8, 2, 4), (4, 4, 8), (8, 1, 0)] if cols < 8192 else [(8, 4, 1), (8, 2, 2), (16, 2, 2), (8, 1, 0)]
        variants = [(min(rows, SMS * per) if per else rows, {"BLOCK": up(cols), "STAGES": stages}, warps, 3)
                    for warps, stages, per in (shapes[:1] if small else shapes)]
        r.append(Bench(f"softmax f32 {rows}x{cols}", {"o": ("f32", (rows, cols), "out"), "x": ("f32", (rows, cols), "rand")},
                       [Step("softmax_kernel", ["o", "x", cols, rows, cols], variants)], 8 * rows * cols, "bytes", 1.0, "softmax"))
    rows = 4 if small else 4096
    for cols in (1024, 4096, 8192, 15872):
        block = min(32768, up(cols))
        t = {"x": ("f16", (rows, cols), "rand"), "y": ("f16", (rows, cols), "out"), "w": ("f16", (cols,), "rand"),
             "b": ("f16", (cols,), "rand"), "mean": ("f32", (rows,), "out"), "rstd": ("f32", (rows,), "out")}
        r.append(Bench(f"layer norm fwd f16 {rows}x{cols}", t,
                       [Step("layer_norm_fwd_kernel", ["x", "y", "w", "b", "mean", "rstd", cols, cols, 1e-5],
                             [(rows, {"BLOCK": block}, min(max(block // 256, 1), 8), 3)])], 4 * rows * cols, "bytes", 1.1, "ln_fwd"))
    for cols in (1024, 4096, 8192, 15872):
        block = min(32768, up(cols))
        group = 256 if cols <= 1024 else 128 if cols <= 4096 else 96 if cols <= 8192 else 64
        t = {"dx": ("f16", (rows, cols), "out"), "dy": ("f16", (rows, cols), "rand"), "dwp": ("f16", (group, cols), "out"),
             "dbp": ("f16", (group, cols), "out"), "x": ("f16", (rows, cols), "rand"), "w": ("f16", (cols,), "rand"),
             "mean": ("f32", (rows,), "zero"), "rstd": ("f32", (rows,), "one"), "lock": ("i32", (2 * group,), "zero"),
             "dw": ("f16", (cols,), "out"), "db": ("f16", (cols,), "out")}
        r.append(Bench(f"layer norm bwd f16 {rows}x{cols}", t, [
            Step("layer_norm_bwd_kernel", ["dx", "dy", "dwp", "dbp", "x", "w", "mean", "rstd", "lock", cols, cols],
                 [(rows, {"GROUP": group, "BLOCK": block}, min(max(block // 256, 1), 8), 3)]),
            Step("layer_norm_bwd_sum_kernel", ["dwp", "dbp", "dw", "db", group, cols], [(-(-cols // 128), {"BM": 32, "BN": 128}, 4, 3)])],
            6 * rows * cols, "bytes", 1.1, "ln_bwd"))
    for n in (256,) if small else (1024, 2048, 4096, 8192):
        tiles = [(128, 256, 64, 8, 3), (128, 256, 64, 8, 4), (128, 128, 64, 4, 4), (128, 128, 64, 8, 3), (64, 128, 64, 4, 4)]
        variants = [(-(-n // bm) * -(-n // bn), {"BM": bm, "BN": bn, "BK": bk, "GROUP": 8}, w, s)
                    for bm, bn, bk, w, s in (tiles[:1] if small else tiles)]
        r.append(Bench(f"matmul f16 {n}", {"a": ("f16", (n, n), "rand"), "b": ("f16", (n, n), "rand"), "c": ("f16", (n, n), "out")},
                       [Step("matmul_kernel", ["a", "b", "c", n, n, n, n, 1, n, 1, n, 1], variants)], 2 * n**3, "flop",
                       1.3 if n == 4096 else None, "matmul"))
    return r
