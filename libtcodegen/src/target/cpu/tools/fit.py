#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Derives the polynomial coefficients of math.cc. Needs numpy and mpmath; run by hand, prints C++ lines.

Each polynomial is a weighted minimax fit (Lawson's iteration over Chebyshev nodes; the functions in
160-bit arithmetic). Coefficients are rounded to float one after another, lowest power first, and the rest is fitted again after
each rounding, so that later ones absorb the rounding of earlier ones.
"""
import mpmath as mp
import numpy as np

mp.mp.prec = 160


def show(v):
    mantissa, exponent = float(v).hex().split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent + "f"


def nodes(a, b, n):
    k = np.arange(n)
    return (a + b) / 2 + (b - a) / 2 * np.cos((2 * k + 1) * np.pi / (2 * n))


def lawson(basis, target, weight, steps=300):
    """min over c of max |weight·(basis·c − target)|."""
    w = np.ones(len(target))
    best, best_error = None, np.inf
    for _ in range(steps):
        s = np.sqrt(w) * weight
        c, *_ = np.linalg.lstsq(basis * s[:, None], target * s, rcond=None)
        e = np.abs(weight * (basis @ c - target))
        if e.max() < best_error:
            best, best_error = c, e.max()
        w = w * (e / e.max() + 1e-30)
        w /= w.sum()
    return best, best_error


def fit(name, f, powers, a, b, weight=lambda x: 1.0, fixed=None, n=2000):
    """f(x) ≈ Σ fixed + Σ c_p·x^p; weight multiplies the absolute error."""
    x = nodes(a, b, n)
    x = x[x != 0]
    target = np.array([float(f(mp.mpf(float(v)))) for v in x])
    w = np.array([float(weight(mp.mpf(float(v)))) for v in x])
    left, done = list(powers), {}
    while left:
        basis = np.stack([x ** p for p in left], axis=1)
        c, error = lawson(basis, target, w)
        if not done:
            ideal = error
        p = left.pop(0)
        c0 = float(np.float32(c[0]))
        done[p] = c0
        target = target - c0 * x ** p
    final = np.abs(w * target).max()
    print(f"// {name}: error 2^{np.log2(ideal):.1f}, rounded 2^{np.log2(final):.1f}")
    print("constexpr float %s[] = {%s};" % (name, ", ".join(show(done[p]) for p in sorted(done))))


def split(name, value, parts, bits):
    """value = Σ parts, the first ones truncated to `bits` significant bits, the last a float."""
    out, rest = [], mp.mpf(value)
    for i in range(parts):
        if i == parts - 1:
            v = float(np.float32(float(rest)))
        else:
            e = mp.floor(mp.log(rest, 2)) - bits[i] + 1
            v = float(mp.floor(rest / 2 ** e) * 2 ** e)
        out.append(v)
        rest -= mp.mpf(v)
    print("constexpr float %s[] = {%s};" % (name, ", ".join(map(show, out))))


def main():
    ln2 = mp.log(2)
    h = float(ln2 / 2) * 1.0001
    # e^r = 1 + r + r²·P(r); error relative to e^r
    fit("exp_poly", lambda r: (mp.exp(r) - 1 - r) / r ** 2, range(5), -h, h, lambda r: r ** 2 / mp.exp(r))
    # 2^r = 1 + r·P(r)
    fit("exp2_poly", lambda r: (mp.power(2, r) - 1) / r, range(6), -0.5, 0.5, lambda r: abs(r) / mp.power(2, r))
    # log(1+f) = f + f²·P(f), m in [2/3, 4/3)
    fit("log_poly", lambda f: (mp.log1p(f) - f) / f ** 2, range(9), -1 / 3, 1 / 3,
        lambda f: f ** 2 / abs(mp.log1p(f)))
    # sin r = r + r³·P(r²), cos r = 1 − r²/2 + r⁴·P(r²); fitted over u = r²
    q = float(mp.pi / 4) * 1.01
    fit("sin_poly", lambda u: (mp.sin(mp.sqrt(u)) / mp.sqrt(u) - 1) / u, range(3), 1e-9, q * q,
        lambda u: u / (mp.sin(mp.sqrt(u)) / mp.sqrt(u)))
    fit("cos_poly", lambda u: (mp.cos(mp.sqrt(u)) - 1 + u / 2) / u ** 2, range(3), 1e-9, q * q,
        lambda u: u ** 2 / mp.cos(mp.sqrt(u)))
    # tanh a = a + a·u·P(u), u = a², a ≤ 0.63
    t = 0.63
    fit("tanh_poly", lambda u: (mp.tanh(mp.sqrt(u)) / mp.sqrt(u) - 1) / u, range(5), 1e-9, t * t,
        lambda u: u / (mp.tanh(mp.sqrt(u)) / mp.sqrt(u)))
    # erf a = a + a·P(u), u = a², a ≤ 0.93
    e = 0.93
    fit("erf_poly", lambda u: mp.erf(mp.sqrt(u)) / mp.sqrt(u) - 1, range(6), 1e-9, e * e,
        lambda u: 1 / (mp.erf(mp.sqrt(u)) / mp.sqrt(u)))
    # erf a = 1 − exp(−P(a)), 0.92 ≤ a ≤ 4; the error of P reaches the result times erfc(a)
    fit("erfc_exponent", lambda a: -mp.log(mp.erfc(a)), range(9), 0.92, 4.0,
        lambda a: mp.erfc(a) / mp.erf(a) + mp.mpf(2) ** -40)
    split("ln2_parts", ln2, 2, [15])
    split("pi_2_parts", mp.pi / 2, 3, [24, 24])
    print("// log2(e) as two floats")
    split("log2e_parts", 1 / ln2, 2, [24])
    print("// 2/pi", float(np.float32(float(2 / mp.pi))).hex())


main()
