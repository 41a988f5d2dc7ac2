# SPDX-License-Identifier: MIT
"""Softmax of the rows of a matrix, in one pass over memory.

Numpy writes every intermediate matrix; the kernel reads a row once, keeps it in registers, and writes the result. A tile
has a power-of-two size, so a row is filled up with -inf, which is nothing to a maximum and adds nothing to a sum of
exponentials. A few programs walk over all rows.
"""
import numpy as np

import tessera
import tessera.language as tl


@tessera.jit
def softmax_kernel(out_ptr, in_ptr, in_stride, out_stride, rows, columns, BLOCK: tl.constexpr):
    column = tl.arange(0, BLOCK)
    inside = column < columns
    for row in tl.range(tl.program_id(0), rows, tl.num_programs(0)):
        x = tl.load(in_ptr + row * in_stride + column, mask=inside, other=-float("inf"))
        e = tl.exp(x - tl.max(x, axis=0))
        tl.store(out_ptr + row * out_stride + column, e / tl.sum(e, axis=0), mask=inside)


def softmax(x):
    rows, columns = x.shape
    out = np.empty_like(x)
    block = tessera.next_power_of_2(columns)
    softmax_kernel[(min(rows, 64),)](out, x, x.strides[0] // x.itemsize, columns, rows, columns, BLOCK=block)
    return out


def reference(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def main():
    x = np.random.default_rng(0).standard_normal((1823, 781), dtype=np.float32)
    print("largest difference from numpy:", np.abs(softmax(x) - reference(x)).max())


if __name__ == "__main__":
    main()
