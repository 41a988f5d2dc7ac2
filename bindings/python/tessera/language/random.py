# SPDX-License-Identifier: MIT
"""Random numbers by counter: Philox 4x32-10 (and 4x64), after Salmon et al., "Parallel random numbers: as easy as
1, 2, 3" (SC 2011). The number for (seed, offset) is always the same."""
from ..runtime.jit import jit
from . import core as tl
from . import math

N_ROUNDS_DEFAULT = tl.constexpr(10)


@jit
def philox_impl(c0, c1, c2, c3, k0, k1, n_rounds: tl.constexpr = N_ROUNDS_DEFAULT):
    """The rounds of Philox on the counter (c0 … c3) with the key (k0, k1), all uint32 or all uint64."""
    if c0.dtype == tl.uint32:
        M0: tl.constexpr = 0xD2511F53
        M1: tl.constexpr = 0xCD9E8D57
        W0: tl.constexpr = 0x9E3779B9
        W1: tl.constexpr = 0xBB67AE85
    else:
        tl.static_assert(c0.dtype == tl.uint64, "philox_impl: words are uint32 or uint64")
        M0: tl.constexpr = 0xD2E7470EE14C6C93
        M1: tl.constexpr = 0xCA5A826395121157
        W0: tl.constexpr = 0x9E3779B97F4A7C15
        W1: tl.constexpr = 0xBB67AE8584CAA73B
    for _ in tl.static_range(n_rounds):
        x0, x2 = c0, c2
        c0 = math.umulhi(M1, x2) ^ c1 ^ k0
        c2 = math.umulhi(M0, x0) ^ c3 ^ k1
        c1 = tl.mul(M1, x2, sanitize_overflow=False)
        c3 = tl.mul(M0, x0, sanitize_overflow=False)
        k0 = tl.add(k0, W0, sanitize_overflow=False)
        k1 = tl.add(k1, W1, sanitize_overflow=False)
    return c0, c1, c2, c3


@jit
def philox(seed, c0, c1, c2, c3, n_rounds: tl.constexpr = N_ROUNDS_DEFAULT):
    """As philox_impl, with the key made of a seed."""
    key = tl.to_tensor(seed)
    tl.static_assert(key.dtype.is_int(), "philox: the seed is an integer")
    key = key.to(tl.uint64)
    counter = [tl.to_tensor(c) for c in (c0, c1, c2, c3)]
    bits: tl.constexpr = counter[0].dtype.primitive_bitwidth
    tl.static_assert(bits == 32 or bits == 64, "philox: the counter has words of 32 or 64 bits")
    if bits == 32:
        word = tl.uint32
        k1 = ((key >> 32) & 0xFFFFFFFF).to(word)
        k0 = (key & 0xFFFFFFFF).to(word)
    else:
        word = tl.uint64
        k1 = tl.full((1, ), 0, dtype=word)
        k0 = key
    c0, c1, c2, c3 = [c.to(word, bitcast=True) for c in counter]
    return philox_impl(c0, c1, c2, c3, k0, k1, n_rounds)


@jit
def randint4x(seed, offset, n_rounds: tl.constexpr = N_ROUNDS_DEFAULT):
    """Four tiles of random uint32 in the shape of `offset`: the cheapest way to many numbers."""
    low = offset.to(tl.uint32)
    zero = low * 0
    if tl.constexpr(offset.dtype.primitive_bitwidth) > 32:
        high = (offset >> 32).to(tl.uint32)
    else:
        high = zero
    return philox(seed, low, high, zero, zero, n_rounds)


@jit
def randint(seed, offset, n_rounds: tl.constexpr = N_ROUNDS_DEFAULT):
    """Random uint32 in the shape of `offset`."""
    first, _, _, _ = randint4x(seed, offset, n_rounds)
    return first


@jit
def uint_to_uniform_float(x):
    """Random integers as float32 in [0, 1): the magnitude of the signed value, scaled."""
    if tl.constexpr(x.dtype == tl.uint32) or tl.constexpr(x.dtype == tl.int32):
        x = x.to(tl.int32, bitcast=True)
        scale = 4.6566127342e-10  # the greatest that keeps 2^31 - 1 below 1
    else:
        tl.static_assert(tl.constexpr(x.dtype == tl.uint64) or tl.constexpr(x.dtype == tl.int64))
        x = x.to(tl.int64, bitcast=True)
        scale = 1.0842020432385337e-19  # as above, of 2^63 - 1
    x = tl.where(x < 0, ~x, x)
    return x * scale


@jit
def rand(seed, offset, n_rounds: tl.constexpr = N_ROUNDS_DEFAULT):
    """Random float32 in [0, 1) in the shape of `offset`."""
    return uint_to_uniform_float(randint(seed, offset, n_rounds))


@jit
def rand4x(seed, offsets, n_rounds: tl.constexpr = N_ROUNDS_DEFAULT):
    """Four tiles as of `rand`."""
    a, b, c, d = randint4x(seed, offsets, n_rounds)
    a = uint_to_uniform_float(a)
    b = uint_to_uniform_float(b)
    c = uint_to_uniform_float(c)
    d = uint_to_uniform_float(d)
    return a, b, c, d


@jit
def pair_uniform_to_normal(u1, u2):
    """Two independent uniform numbers as two normal ones (Box and Muller)."""
    u1 = tl.maximum(1.0e-7, u1)
    angle = 6.283185307179586 * u2
    radius = math.sqrt(-2.0 * math.log(u1))
    return radius * math.cos(angle), radius * math.sin(angle)


@jit
def randn(seed, offset, n_rounds: tl.constexpr = N_ROUNDS_DEFAULT):
    """Random float32 of the standard normal distribution."""
    a, b, _, _ = randint4x(seed, offset, n_rounds)
    a = uint_to_uniform_float(a)
    b = uint_to_uniform_float(b)
    first, _ = pair_uniform_to_normal(a, b)
    return first


@jit
def randn4x(seed, offset, n_rounds: tl.constexpr = N_ROUNDS_DEFAULT):
    """Four tiles as of `randn`."""
    a, b, c, d = rand4x(seed, offset, n_rounds)
    n1, n2 = pair_uniform_to_normal(a, b)
    n3, n4 = pair_uniform_to_normal(c, d)
    return n1, n2, n3, n4
