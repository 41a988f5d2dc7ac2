# SPDX-License-Identifier: MIT
"""A matrix product in tiles, with the tile sizes chosen by measurement.

Each program computes one tile of the result: it walks along K and multiplies tiles of both matrices, summing in f32. Tile
numbers are grouped so that programs which run at about the same time share rows and columns, and find them in the
cache. `autotune` tries the configurations once for each size of the problem and keeps the fastest.
"""
import numpy as np

import tessera
import tessera.language as tl

CONFIGS = [
    tessera.Config({"BLOCK_M": 32, "BLOCK_N": 64, "BLOCK_K": 32, "GROUP": 8}),
    tessera.Config({"BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 64, "GROUP": 8}),
    tessera.Config({"BLOCK_M": 64, "BLOCK_N": 128, "BLOCK_K": 32, "GROUP": 4}),
]


@tessera.jit
def leaky_relu(x):
    return tl.where(x >= 0, x, 0.01 * x)


@tessera.autotune(configs=CONFIGS, key=["M", "N", "K"])
@tessera.jit
def matmul_kernel(a_ptr, b_ptr, c_ptr, M, N, K, a_row, a_col, b_row, b_col, c_row, c_col, BLOCK_M: tl.constexpr,
                  BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr, LEAKY: tl.constexpr):
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    pid = tl.program_id(0)
    first = pid // (GROUP * tiles_n) * GROUP
    height = min(tiles_m - first, GROUP)
    tile_m = first + pid % (GROUP * tiles_n) % height
    tile_n = pid % (GROUP * tiles_n) // height

    row = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    column = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    a_at = a_ptr + row[:, None] * a_row + k[None, :] * a_col
    b_at = b_ptr + k[:, None] * b_row + column[None, :] * b_col
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(0, K, BLOCK_K):
        a = tl.load(a_at, mask=(row[:, None] < M) & (k[None, :] < K - start), other=0.0)
        b = tl.load(b_at, mask=(k[:, None] < K - start) & (column[None, :] < N), other=0.0)
        total = tl.dot(a, b, total)
        a_at += BLOCK_K * a_col
        b_at += BLOCK_K * b_row
    if LEAKY:
        total = leaky_relu(total)
    c_at = c_ptr + row[:, None] * c_row + column[None, :] * c_col
    tl.store(c_at, total.to(c_ptr.dtype.element_ty), mask=(row[:, None] < M) & (column[None, :] < N))


def matmul(a, b, leaky=False):
    (M, K), N = a.shape, b.shape[1]
    assert b.shape[0] == K, "the inner sizes differ"
    c = np.empty((M, N), dtype=a.dtype)
    strides = [s // x.itemsize for x in (a, b, c) for s in x.strides]

    def grid(args):
        return (tessera.cdiv(M, args["BLOCK_M"]) * tessera.cdiv(N, args["BLOCK_N"]),)

    matmul_kernel[grid](a, b, c, M, N, K, *strides, LEAKY=leaky)
    return c


def main():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((300, 200), dtype=np.float32).astype(np.float16)
    b = rng.standard_normal((200, 400), dtype=np.float32).astype(np.float16)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    print("largest difference from f64:", np.abs(matmul(a, b) - exact).max(), "of values up to", np.abs(exact).max())
    print("chosen:", matmul_kernel.best_config)


if __name__ == "__main__":
    main()
