# SPDX-License-Identifier: MIT
"""Layer normalisation, forward and backward: reductions over rows, and sums over all rows that programs share.

The gradient of the weights is a sum over all rows. Programs add their part to one of a few buffers, each guarded by a
lock made of an atomic; a second kernel adds the buffers up. That needs no order of programs.
"""
import numpy as np

import tessera
import tessera.language as tl


@tessera.jit
def forward_kernel(x_ptr, y_ptr, w_ptr, b_ptr, mean_ptr, rstd_ptr, stride, N, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < N
    x = tl.load(x_ptr + row * stride + column, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(x, axis=0) / N
    centered = tl.where(inside, x - mean, 0.0)
    rstd = 1 / tl.sqrt(tl.sum(centered * centered, axis=0) / N + eps)
    tl.store(mean_ptr + row, mean)
    tl.store(rstd_ptr + row, rstd)
    w = tl.load(w_ptr + column, mask=inside)
    b = tl.load(b_ptr + column, mask=inside)
    tl.store(y_ptr + row * stride + column, centered * rstd * w + b, mask=inside)


@tessera.jit
def backward_kernel(dx_ptr, dy_ptr, dw_ptr, db_ptr, x_ptr, w_ptr, mean_ptr, rstd_ptr, lock_ptr, stride, N,
                    GROUPS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < N
    x = tl.load(x_ptr + row * stride + column, mask=inside, other=0.0).to(tl.float32)
    dy = tl.load(dy_ptr + row * stride + column, mask=inside, other=0.0).to(tl.float32)
    w = tl.load(w_ptr + column, mask=inside, other=0.0).to(tl.float32)
    rstd = tl.load(rstd_ptr + row)
    normal = tl.where(inside, (x - tl.load(mean_ptr + row)) * rstd, 0.0)
    wdy = w * dy
    along = tl.sum(normal * wdy, axis=0) / N
    level = tl.sum(wdy, axis=0) / N
    tl.store(dx_ptr + row * stride + column, (wdy - normal * along - level) * rstd, mask=inside)

    group = row % GROUPS
    while tl.atomic_cas(lock_ptr + group, 0, 1) == 1:
        pass
    at = group * N + column
    tl.store(dw_ptr + at, tl.load(dw_ptr + at, mask=inside) + dy * normal, mask=inside)
    tl.store(db_ptr + at, tl.load(db_ptr + at, mask=inside) + dy, mask=inside)
    tl.debug_barrier()
    tl.atomic_xchg(lock_ptr + group, 0)


@tessera.jit
def sum_kernel(part_ptr, total_ptr, rows, N, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for first in range(0, rows, ROWS):
        row = first + tl.arange(0, ROWS)
        part = tl.load(part_ptr + row[:, None] * N + column[None, :],
                       mask=(row[:, None] < rows) & (column[None, :] < N), other=0.0)
        total += tl.sum(part, axis=0)
    tl.store(total_ptr + column, total, mask=column < N)


def forward(x, w, b, eps=1e-5):
    M, N = x.shape
    y = np.empty_like(x)
    mean, rstd = np.empty(M, np.float32), np.empty(M, np.float32)
    forward_kernel[(M,)](x, y, w, b, mean, rstd, N, N, eps, BLOCK=tessera.next_power_of_2(N))
    return y, mean, rstd


def backward(dy, x, w, mean, rstd, groups=16):
    M, N = x.shape
    dx, dw, db = np.empty_like(x), np.empty_like(w), np.empty_like(w)
    parts = np.zeros((2, groups, N), np.float32)
    locks = np.zeros(groups, np.int32)
    backward_kernel[(M,)](dx, dy, parts[0], parts[1], x, w, mean, rstd, locks, N, N, GROUPS=groups,
                          BLOCK=tessera.next_power_of_2(N))
    for part, total in zip(parts, (dw, db)):
        sum_kernel[(tessera.cdiv(N, 128),)](part, total, groups, N, ROWS=16, BLOCK=128)
    return dx, dw, db


def reference(x, w, b, dy, eps=1e-5):
    x, w, dy = x.astype(np.float64), w.astype(np.float64), dy.astype(np.float64)
    rstd = 1 / np.sqrt(x.var(axis=1, keepdims=True) + eps)
    normal = (x - x.mean(axis=1, keepdims=True)) * rstd
    wdy = w * dy
    dx = (wdy - normal * (normal * wdy).mean(axis=1, keepdims=True) - wdy.mean(axis=1, keepdims=True)) * rstd
    return normal * w + b, dx, (dy * normal).sum(axis=0), dy.sum(axis=0)


def main():
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((151, 700), dtype=np.float32) for _ in range(2))
    w, b = (rng.random(700, dtype=np.float32) for _ in range(2))
    y, mean, rstd = forward(x, w, b)
    for name, ours, exact in zip(("y", "dx", "dw", "db"), (y, *backward(dy, x, w, mean, rstd)), reference(x, w, b, dy)):
        print(f"{name:2} differs from f64 by at most {np.abs(ours - exact).max():.2e}")


if __name__ == "__main__":
    main()
