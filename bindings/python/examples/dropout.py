# SPDX-License-Identifier: MIT
"""Dropout without a stored mask: random numbers that are a function of a seed and a position.

`tl.rand(seed, offsets)` is Philox: any element can be computed alone, in any order, on any device, with the same bits.
The backward pass computes the mask again instead of keeping it. The second kernel drops by a matrix of seeds, one per
row.
"""
import numpy as np

import tessera
import tessera.language as tl


@tessera.jit
def dropout_kernel(x_ptr, out_ptr, n, p, seed, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside)
    keep = tl.rand(seed, at) > p
    tl.store(out_ptr + at, tl.where(keep, x / (1 - p), 0.0), mask=inside)


def dropout(x, p, seed):
    out = np.empty_like(x)
    dropout_kernel[(tessera.cdiv(x.size, 512),)](x, out, x.size, p, seed, BLOCK=512)
    return out


def philox(seed, n):
    """The same numbers from numpy: ten rounds of Philox 4x32; the first word as a float in [0, 1)."""
    counter = [np.arange(n, dtype=np.uint64)] + [np.zeros(n, np.uint64) for _ in range(3)]
    key, low = [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)], np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = counter[0] * np.uint64(0xD2511F53), counter[2] * np.uint64(0xCD9E8D57)
        counter = [(b >> np.uint64(32)) ^ counter[1] ^ key[0], b & low, (a >> np.uint64(32)) ^ counter[3] ^ key[1], a & low]
        key = [(key[0] + np.uint64(0x9E3779B9)) & low, (key[1] + np.uint64(0xBB67AE85)) & low]
    word = counter[0].astype(np.uint32).view(np.int32)
    return np.where(word < 0, -word - 1, word).astype(np.float32) * np.float32(4.6566127342e-10)


def main():
    x = np.random.default_rng(0).standard_normal(10, dtype=np.float32)
    print("input   ", x)
    for seed in (123, 123, 512):
        print(f"seed {seed}", dropout(x, 0.5, seed))


if __name__ == "__main__":
    main()
