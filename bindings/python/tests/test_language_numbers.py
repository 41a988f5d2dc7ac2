# SPDX-License-Identifier: MIT
"""What functions of the language compute, on the CPU, beside numpy."""
import unittest

import numpy as np

import tessera.language as tl
from tessera.language.extra import libdevice
from tessera.runtime.jit import jit


@jit
def _philox(out, counters, keys, N: tl.constexpr):
    c0 = tl.load(counters + 0 + tl.arange(0, N) * 4)
    c1 = tl.load(counters + 1 + tl.arange(0, N) * 4)
    c2 = tl.load(counters + 2 + tl.arange(0, N) * 4)
    c3 = tl.load(counters + 3 + tl.arange(0, N) * 4)
    k0 = tl.load(keys + 0 + tl.arange(0, N) * 2)
    k1 = tl.load(keys + 1 + tl.arange(0, N) * 2)
    c0, c1, c2, c3 = tl.philox_impl(c0, c1, c2, c3, k0, k1)
    tl.store(out + 0 + tl.arange(0, N) * 4, c0)
    tl.store(out + 1 + tl.arange(0, N) * 4, c1)
    tl.store(out + 2 + tl.arange(0, N) * 4, c2)
    tl.store(out + 3 + tl.arange(0, N) * 4, c3)


@jit
def _randoms(ints, floats, normals, seed, N: tl.constexpr):
    o = tl.arange(0, N)
    tl.store(ints + o, tl.randint(seed, o))
    tl.store(floats + o, tl.rand(seed, o))
    tl.store(normals + o, tl.randn(seed, o))


@jit
def _fours(uniform, normal, seed, N: tl.constexpr):
    o = tl.arange(0, N)
    a, b, c, d = tl.rand4x(seed, o)
    tl.store(uniform + o, a)
    tl.store(uniform + N + o, b)
    tl.store(uniform + 2 * N + o, c)
    tl.store(uniform + 3 * N + o, d)
    a, b, c, d = tl.randn4x(seed, o)
    tl.store(normal + o, a)
    tl.store(normal + 3 * N + o, d)


def philox_rows(counter, key, word):
    """Philox by the paper, in Python's integers."""
    m0, m1, w0, w1 = ((0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85) if word == 32 else
                      (0xD2E7470EE14C6C93, 0xCA5A826395121157, 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B))
    mask = 2**word - 1
    x, (k0, k1) = list(map(int, counter)), map(int, key)
    for _ in range(10):
        a, b = m0 * x[0], m1 * x[2]
        x = [(b >> word) ^ x[1] ^ k0, b & mask, (a >> word) ^ x[3] ^ k1, a & mask]
        k0, k1 = (k0 + w0) & mask, (k1 + w1) & mask
    return x


def uniform(word):
    word = word.astype(np.uint32).view(np.int32).astype(np.int64)
    return (np.where(word < 0, -word - 1, word).astype(np.float32) * np.float32(4.6566127342e-10)).astype(np.float32)


class Random(unittest.TestCase):
    # known answers of the authors' library
    KNOWN32 = [([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
               ([0xffffffff] * 4, [0xffffffff] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
               ([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0],
                "d16cfe09 94fdcceb 5001e420 24126ea1")]
    KNOWN64 = [([0] * 4, [0] * 2, "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
               ([2**64 - 1] * 4, [2**64 - 1] * 2,
                "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0")]

    def known(self, rows, dtype, word):
        rows = rows + [rows[0]] * (4 - len(rows))
        counters = np.array([r[0] for r in rows], dtype)
        keys = np.array([r[1] for r in rows], dtype)
        out = np.zeros_like(counters)
        _philox[(1, )](out, counters, keys, 4)
        for got, (counter, key, expected) in zip(out, rows):
            self.assertEqual([int(v) for v in got], [int(v, 16) for v in expected.split()])
            self.assertEqual([int(v) for v in got], philox_rows(counter, key, word))

    def test_known_answers(self):
        self.known(self.KNOWN32, np.uint32, 32)
        self.known(self.KNOWN64, np.uint64, 64)

    def test_seeds(self):
        for seed in (0, 7, 2**31 + 5, -3, 2**40 + 1):
            with self.subTest(seed=seed):
                ints, floats, normals = np.zeros(64, np.uint32), np.zeros(64, np.float32), np.zeros(64, np.float32)
                _randoms[(1, )](ints, floats, normals, seed, 64)
                wide = seed % 2**64
                rows = np.array([philox_rows([i, 0, 0, 0], [wide % 2**32, wide >> 32], 32) for i in range(64)])
                np.testing.assert_array_equal(ints, rows[:, 0].astype(np.uint32))
                np.testing.assert_array_equal(floats, uniform(rows[:, 0]))
                self.assertTrue((floats >= 0).all() and (floats < 1).all())
                u, v = np.maximum(uniform(rows[:, 0]), np.float32(1e-7)), uniform(rows[:, 1])
                expected = np.sqrt(-2 * np.log(u.astype(np.float64))) * np.cos(2 * np.pi * v.astype(np.float64))
                np.testing.assert_allclose(normals, expected, rtol=1e-5, atol=2e-6)

    def test_fours(self):
        floats, normals = np.zeros(4 * 16, np.float32), np.zeros(4 * 16, np.float32)
        _fours[(1, )](floats, normals, 42, 16)
        rows = np.array([philox_rows([i, 0, 0, 0], [42, 0], 32) for i in range(16)])
        np.testing.assert_array_equal(floats.reshape(4, 16), uniform(rows.T))
        u, v = np.maximum(uniform(rows[:, 2]), np.float32(1e-7)), uniform(rows[:, 3])
        expected = np.sqrt(-2 * np.log(u.astype(np.float64))) * np.sin(2 * np.pi * v.astype(np.float64))
        np.testing.assert_allclose(normals.reshape(4, 16)[3], expected, rtol=1e-5, atol=2e-6)


@jit
def _along(x, y, FN: tl.constexpr, AXIS: tl.constexpr, A: tl.constexpr, B: tl.constexpr):
    t = tl.load(x + tl.arange(0, A)[:, None] * B + tl.arange(0, B)[None, :])
    r = FN(t, AXIS)
    if AXIS == 1:
        tl.store(y + tl.arange(0, A), r)
    else:
        tl.store(y + tl.arange(0, B), r)


@jit
def _whole(x, y, FN: tl.constexpr, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr, D: tl.constexpr):
    t = tl.load(x + tl.arange(0, A)[:, None] * B + tl.arange(0, B)[None, :])
    tl.store(y + tl.arange(0, C)[:, None] * D + tl.arange(0, D)[None, :], FN(t))


@jit
def _sort(t): return tl.sort(t)
@jit
def _sort_down(t): return tl.sort(t, descending=True)
@jit
def _topk(t): return tl.topk(t, 4)
@jit
def _lowest(t): return tl.topk(t, 2, descending=False)
@jit
def _top1(t): return tl.topk(t, 1)
@jit
def _flip1(t): return tl.flip(t, 1)
@jit
def _flip0(t): return tl.flip(t, 0)
@jit
def _cumsum(t): return tl.cumsum(t, 1)
@jit
def _cumsum_back(t): return tl.cumsum(t, 0, reverse=True)
@jit
def _cumprod(t): return tl.cumprod(t, 1)
@jit
def _softmax(t): return tl.softmax(t, 1)
@jit
def _sigmoid(t): return tl.sigmoid(t)
@jit
def _joined(t): return tl.cat(t, t + 1, dim=1)
@jit
def _woven(t): return tl.interleave(t, -t)
@jit
def _argmax(t, a): return tl.argmax(t, a)
@jit
def _argmin(t, a): return tl.argmin(t, a)
@jit
def _largest(t, a): return tl.max(t, a)
@jit
def _least(t, a): return tl.min(t, a)
@jit
def _total(t, a): return tl.sum(t, a)
@jit
def _exclusive(t, a): return tl.xor_sum(t, a)


class Standard(unittest.TestCase):
    def along(self, x, fn, axis, out):
        y = np.zeros(x.shape[1 - axis], out)
        _along[(1, )](x, y, fn, axis, *x.shape)
        return y

    def whole(self, x, fn, shape, out=None):
        y = np.zeros(shape, out or x.dtype)
        _whole[(1, )](x, y, fn, *x.shape, *shape)
        return y

    def test_reductions(self):
        rng = np.random.default_rng(1)
        x = rng.standard_normal((8, 16)).astype(np.float32)
        x[2, 5] = x[2, 9] = 9.0   # a tie: the first wins
        x[3, 1] = x[3, 14] = -9.0
        i8 = rng.integers(-128, 128, (8, 16)).astype(np.int8)
        for axis in (0, 1):
            np.testing.assert_array_equal(self.along(x, _argmax, axis, np.int32), x.argmax(axis))
            np.testing.assert_array_equal(self.along(x, _argmin, axis, np.int32), x.argmin(axis))
            np.testing.assert_array_equal(self.along(x, _largest, axis, np.float32), x.max(axis))
            np.testing.assert_array_equal(self.along(x, _least, axis, np.float32), x.min(axis))
            np.testing.assert_allclose(self.along(x, _total, axis, np.float32), x.sum(axis), rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(self.along(i8, _total, axis, np.int32), i8.sum(axis, dtype=np.int32))
            np.testing.assert_array_equal(self.along(i8, _largest, axis, np.int32), i8.max(axis))
            np.testing.assert_array_equal(self.along(i8, _exclusive, axis, np.int8),
                                          np.bitwise_xor.reduce(i8, axis))
        x[4, 3] = np.nan  # counts as absent
        np.testing.assert_array_equal(self.along(x, _largest, 1, np.float32), np.nanmax(x, 1))

    def test_sorts(self):
        rng = np.random.default_rng(2)
        for dtype in (np.float32, np.float16, np.int32, np.int8, np.uint8, np.int64):
            with self.subTest(dtype=dtype):
                x = (rng.standard_normal((4, 16)) * 50 + (100 if dtype is np.uint8 else 0)).astype(dtype)
                up = np.sort(x, 1)
                np.testing.assert_array_equal(self.whole(x, _sort, (4, 16)), up)
                np.testing.assert_array_equal(self.whole(x, _sort_down, (4, 16)), up[:, ::-1])
                np.testing.assert_array_equal(self.whole(x, _topk, (4, 4)), up[:, :-5:-1])
                np.testing.assert_array_equal(self.whole(x, _lowest, (4, 2)), up[:, :2])
                np.testing.assert_array_equal(self.whole(x, _top1, (4, 1)), up[:, -1:])
                np.testing.assert_array_equal(self.whole(x, _flip1, (4, 16)), x[:, ::-1])
                np.testing.assert_array_equal(self.whole(x, _flip0, (4, 16)), x[::-1])

    def test_scans(self):
        x = np.arange(1, 33, dtype=np.float32).reshape(2, 16) / 8
        np.testing.assert_allclose(self.whole(x, _cumsum, (2, 16)), x.cumsum(1), rtol=1e-6)
        np.testing.assert_allclose(self.whole(x, _cumsum_back, (2, 16)), x[::-1].cumsum(0)[::-1], rtol=1e-6)
        np.testing.assert_allclose(self.whole(x, _cumprod, (2, 16)), x.cumprod(1), rtol=1e-5)
        i8 = np.full((2, 16), 100, np.int8)
        np.testing.assert_array_equal(self.whole(i8, _cumsum, (2, 16), np.int32), i8.cumsum(1, dtype=np.int32))

    def test_shapes(self):
        x = np.arange(32, dtype=np.float32).reshape(2, 16)
        e = np.exp(x - x.max(1, keepdims=True))
        np.testing.assert_allclose(self.whole(x, _softmax, (2, 16)), e / e.sum(1, keepdims=True), rtol=1e-5)
        np.testing.assert_allclose(self.whole(x, _sigmoid, (2, 16)), 1 / (1 + np.exp(-x)), rtol=1e-5)
        np.testing.assert_array_equal(self.whole(x, _joined, (2, 32)), np.concatenate([x, x + 1], 1))
        np.testing.assert_array_equal(self.whole(x, _woven, (2, 32)), np.stack([x, -x], 2).reshape(2, 32))


@jit
def _rules(i8, u8, f16, out, n):
    """Each line's value is what the rule beside it gives."""
    o = tl.arange(0, 4)
    a = tl.load(i8 + o)
    b = tl.load(u8 + o)
    h = tl.load(f16 + o)
    tl.store(out + 0 + o, a // 4)                 # toward zero
    tl.store(out + 4 + o, a % 4)                  # the sign of a
    tl.store(out + 8 + o, a + 100)                # stays int8: wraps
    tl.store(out + 12 + o, (b >> 1) + (a >> 1))   # logical and arithmetic
    tl.store(out + 16 + o, (h * 0.1).to(tl.float32) * 1e6)   # in fp16
    tl.store(out + 20 + o, (h > 0.1))             # 0.1 in fp16 is less than 0.1
    tl.store(out + 24 + o, a / 4)                 # in fp32
    tl.store(out + 28 + o, -b)                    # wraps
    tl.store(out + 32 + o, (a != a) | (b == 255))
    tl.store(out + 36 + o, tl.umulhi(tl.full((4, ), 0x80000000, tl.uint32), n))
    tl.store(out + 40 + o, tl.fma(h, 2.0, 1.0))
    tl.store(out + 44 + o, tl.where(a < 0, -1.0, h))


class Rules(unittest.TestCase):
    def test_arithmetic(self):
        a = np.array([-7, 7, 100, -128], np.int8)
        b = np.array([0, 1, 254, 255], np.uint8)
        h = np.array([0.1, 1, -2.5, 1000], np.float16)
        out = np.zeros(48, np.float32)
        _rules[(1, )](a, b, h, out, 6)
        with np.errstate(over="ignore"):
            rows = [np.trunc(a / 4), np.fmod(a, 4), a + np.array(100, np.int8),
                    (b >> 1).astype(np.int8).astype(int) + (a >> 1),
                    (h * np.float16(0.1)).astype(np.float32) * np.float32(1e6), h > np.float16(0.1),
                    a.astype(np.float32) / 4, (256 - b.astype(int)) % 256, b == 255, [3] * 4, h * 2 + 1,
                    np.where(a < 0, -1, h)]
        for i, row in enumerate(rows):
            if i == 3:  # int8 and uint8 together are uint8
                row = row % 256
            np.testing.assert_array_equal(out[4 * i:4 * i + 4], np.asarray(row, np.float32), err_msg=f"line {i}")


@jit
def _through(x, y, TYPE: tl.constexpr, N: tl.constexpr):
    o = tl.arange(0, N)
    tl.store(y + o, tl.load(x + o).to(TYPE).to(tl.float32))


@jit
def _outside(x, y, N: tl.constexpr):
    o = tl.arange(0, N)
    v = tl.load(x + o)
    tl.store(y + o, libdevice.tanh(v) + libdevice.pow(v, 2.0) + tl.where(libdevice.isnan(v), 1.0, 0.0))


class Casts(unittest.TestCase):
    def test_fp8e4b15(self):
        bits = np.arange(256)
        sign = np.where(bits & 0x80, -1.0, 1.0)
        exponent, mantissa = (bits >> 3) & 15, bits & 7
        exact = sign * np.where(exponent, (8 + mantissa) * 2.0**(exponent - 18), mantissa * 2.0**-17)
        x = exact.astype(np.float32)
        y = np.zeros_like(x)
        _through[(1, )](x, y, tl.float8e4b15, 256)
        np.testing.assert_array_equal(y, np.clip(x, -1.75, 1.75))
        x = np.array([0.51, -0.53, 5.0, -np.inf, 1e-9, 1.0, 0.5 + 1 / 32, np.nan], np.float32)
        y = np.zeros_like(x)
        _through[(1, )](x, y, tl.float8e4b15, 8)
        np.testing.assert_array_equal(y, [0.5, -0.5, 1.75, -1.75, 0, 1, 0.5625, 1.75])

    def test_types(self):
        x = np.array([0.0, -1.5, 3.7, 250.0, 1.0, 65504, 2.0**-14, -0.25], np.float32)
        for ty, expected in ((tl.int32, np.trunc(x)), (tl.int1, (x != 0)), (tl.float16, x.astype(np.float16))):
            y = np.zeros_like(x)
            _through[(1, )](x, y, ty, 8)
            np.testing.assert_array_equal(y, np.asarray(expected, np.float32))

    def test_libdevice(self):
        x = np.array([0.0, -1.5, 0.7, 2.0], np.float32)
        y = np.zeros_like(x)
        _outside[(1, )](x, y, 4)
        np.testing.assert_allclose(y, np.tanh(x) + x * x, rtol=3e-6)


@jit
def _blocks(x, y, n, m, B: tl.constexpr):
    p = tl.make_block_ptr(x, (n, m), (m, 1), (0, 0), (4, B), (1, 0))
    q = tl.make_block_ptr(y, shape=(n, m), strides=(m, 1), offsets=(0, 0), block_shape=(4, B), order=(1, 0))
    for _ in range(0, tl.cdiv(m, B)):
        t = tl.load(p, boundary_check=(0, 1), padding_option="zero")
        tl.store(q, t * 2 + tl.sum(t), boundary_check=(0, 1))
        p = tl.advance(p, (0, B))
        q = tl.advance(q, (0, B))


@jit
def _positional(x, y, n, N: tl.constexpr):
    o = tl.arange(0, N)
    t = tl.load(x + o, o < n, 7.0, (), "", ".ca", "evict_last", True)
    tl.store(y + o, t, None, (), ".wb", "evict_first")


class Memory(unittest.TestCase):
    def test_block_pointers(self):
        x = np.arange(3 * 10, dtype=np.float32).reshape(3, 10)
        y = np.full_like(x, -1)
        _blocks[(1, )](x, y, 3, 10, 4)
        expected = np.concatenate([x[:, i:i + 4] * 2 + x[:, i:i + 4].sum() for i in (0, 4, 8)], 1)
        np.testing.assert_array_equal(y, expected)

    def test_older_positional_forms(self):
        x, y = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
        _positional[(1, )](x, y, 5, 8)
        np.testing.assert_array_equal(y, [0, 1, 2, 3, 4, 7, 7, 7])


if __name__ == "__main__":
    unittest.main()
