#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the inputs of tools/quickstart, and with --compare sets its outputs against numpy."""
import os
import sys

import numpy as np

ROWS, COLUMNS = 781, 1000
M, N, K = 300, 200, 500


def make(folder):
    random = np.random.default_rng(1)
    for name, shape in (("softmax-in", (ROWS, COLUMNS)), ("matmul-a", (M, K)), ("matmul-b", (K, N))):
        np.save(os.path.join(folder, name + ".npy"), random.standard_normal(shape, dtype=np.float32))


def compare(folder):
    load = lambda name: np.load(os.path.join(folder, name + ".npy"))
    x = load("softmax-in").astype(np.float64)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    good = True
    for name, expected in (
        ("softmax", e / e.sum(axis=1, keepdims=True)),
        ("matmul", load("matmul-a").astype(np.float64) @ load("matmul-b").astype(np.float64)),
    ):
        got = load(name + "-out")
        error = float(np.abs(got - expected).max())
        close = bool(np.allclose(got, expected, rtol=1e-5, atol=1e-4 if name == "matmul" else 1e-7))
        good = good and close
        print(f"   {name}: largest difference from numpy in f64 is {error:.3g}: {'agrees' if close else 'DIFFERS'}")
    return 0 if good else 3


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--compare":
        sys.exit(compare(sys.argv[2]))
    make(sys.argv[1])
