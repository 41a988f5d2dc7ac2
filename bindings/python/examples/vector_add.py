# SPDX-License-Identifier: MIT
"""Adding two vectors: programs, blocks, masks.

A kernel runs as many *programs*; here each adds one block of BLOCK elements. The last block may stick out over the end
of the arrays, so loads and stores carry a mask. `kernel[grid](...)` says how many programs there are; `grid` may be a
function of the arguments, which sees the block size that was chosen.
"""
import numpy as np

import tessera
import tessera.language as tl


@tessera.jit
def add_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside)
    y = tl.load(y_ptr + at, mask=inside)
    tl.store(out_ptr + at, x + y, mask=inside)


def add(x, y):
    out = np.empty_like(x)
    add_kernel[lambda args: (tessera.cdiv(x.size, args["BLOCK"]),)](x, y, out, x.size, BLOCK=1024)
    return out


def main():
    rng = np.random.default_rng(0)
    x, y = rng.random(98432, dtype=np.float32), rng.random(98432, dtype=np.float32)
    print("largest difference from numpy:", np.abs(add(x, y) - (x + y)).max())


if __name__ == "__main__":
    main()
