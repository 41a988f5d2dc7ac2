# SPDX-License-Identifier: MIT
"""Functions of the vendor's device library by name, on the CPU too.

`tl.extra.libdevice` has the functions that tl.math lacks (asin, erfinv, Bessel functions, …). The call carries the name
of NVIDIA's function; on the CPU each of them is compiled into vector code or calls of the C library, to the same value up to
the last bits.
"""
import numpy as np

import tessera
import tessera.language as tl
from tessera.language.extra import libdevice


@tessera.jit
def asin_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(out_ptr + at, libdevice.asin(tl.load(x_ptr + at, mask=inside)), mask=inside)


def asin(x):
    out = np.empty_like(x)
    asin_kernel[(tessera.cdiv(x.size, 1024),)](x, out, x.size, BLOCK=1024)
    return out


def main():
    x = np.random.default_rng(0).random(98432, dtype=np.float32)
    print("largest difference from numpy:", np.abs(asin(x) - np.arcsin(x)).max())


if __name__ == "__main__":
    main()
