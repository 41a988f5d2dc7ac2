# SPDX-License-Identifier: MIT
"""Asks an installed Triton (3.9) for the linear maps of random encodings; writes triton_maps.txt.

    python3 make_triton_maps.py > triton_maps.txt

A line: kind of map, shape, encoding, bases. Bases are row-major element indices in hexadecimal, a group per input
dimension (d: register, lane, warp, block; s: offset, block), `none` where Triton refuses. Each question runs in a
process of its own, because Triton aborts on what it does not accept.
"""
import os
import random
import sys

from triton._C.libtriton import gluon_ir, ir, nvidia

COUNTS = {'blocked': 110, 'slice': 70, 'mma': 60, 'dot': 120, 'fma': 30, 'linear': 60, 'swizzled': 60, 'nvmma': 90}

context = ir.context()
ir.load_dialects(context)
nvidia.load_dialects(context)
builder = gluon_ir.GluonOpBuilder(context)
rng = random.Random(20260801)


def split(bits, rank):
    """2^bits as a product over `rank` dimensions."""
    parts = [0] * rank
    for _ in range(bits):
        parts[rng.randrange(rank)] += 1
    return [1 << p for p in parts]


def order(rank):
    o = list(range(rank))
    rng.shuffle(o)
    return o


def shape(rank, most):
    return [1 << rng.randrange(0, most + 1) for _ in range(rank)]


def cga(rank, chance=0.25):
    if rng.random() > chance:
        return []
    sizes, bases = split(rng.randrange(1, 4), rank), []
    for d in rng.sample(range(rank), rank):
        size = 1
        while size < sizes[d]:
            bases.append([size if i == d else 0 for i in range(rank)])
            size *= 2
    if rng.random() < 0.3:
        bases.insert(rng.randrange(len(bases) + 1), [0] * rank)
    return bases


def text_cga(c):
    return f', CGALayout = {c}' if c else ''


def blocked(rank=None):
    rank = rank or rng.choice([1, 1, 2, 2, 2, 3, 4])
    a = (split(rng.randrange(0, 5), rank), split(5, rank), split(rng.randrange(0, 4), rank), order(rank), cga(rank))
    text = (f'#ttg.blocked<{{sizePerThread = {a[0]}, threadsPerWarp = {a[1]}, warpsPerCTA = {a[2]}, order = {a[3]}'
            f'{text_cga(a[4])}}}>')
    return text, builder.get_blocked_layout(*a), rank


def mma(version=None):
    version = version or rng.choice([2, 3])
    rank = 2 if version == 3 else rng.choice([2, 2, 2, 3])
    warps = split(rng.randrange(0, 4), rank) if version == 2 else [4 * (1 << rng.randrange(2)), 1 << rng.randrange(2)]
    instr = [1] * (rank - 2) + [16, 8] if version == 2 else [16, rng.choice([8, 16, 32, 64, 128, 256]), rng.choice([8, 16, 32])]
    c = cga(rank)
    text = (f'#ttg.nvidia_mma<{{versionMajor = {version}, versionMinor = 0, warpsPerCTA = {warps}{text_cga(c)}, '
            f'instrShape = {instr}}}>')
    return text, builder.get_mma_layout([version, 0], warps, c, instr), rank


def dot(fma=False):
    if fma:
        parent, attr, rank = blocked(rng.choice([2, 2, 3]))
        index, width = rng.randrange(2), 0
    else:
        version = rng.choice([2, 2, 3])
        parent, attr, rank = mma(version)
        index, width = (rng.randrange(2) if version == 2 else 0), rng.choice([1, 2, 4, 8])
    tail = f', kWidth = {width}' if width else ''
    return (f'#ttg.dot_op<{{opIdx = {index}, parent = {parent}{tail}}}>',
            builder.get_dot_operand_layout(index, attr, width), rank)


def slice_():
    while True:
        parent, attr, rank = rng.choice([blocked, blocked, mma, dot])()
        if rank > 1:
            break
    for _ in range(rng.randrange(1, rank)):
        d = rng.randrange(rank)
        parent, attr = f'#ttg.slice<{{dim = {d}, parent = {parent}}}>', builder.get_slice_layout(d, attr)
        rank -= 1
    return parent, attr, rank


def linear():
    rank = rng.choice([1, 2, 2, 3])
    reg, warp, block = rng.randrange(0, 6), rng.randrange(0, 4), rng.choice([0, 0, 1, 2])
    bits = reg + 5 + warp + block
    zeros = rng.choice([0, 0, 1, 2, 4])
    sizes = split(bits - zeros, rank)
    bases = [[v if i == d else 0 for i in range(rank)] for d in range(rank) for v in [1 << k for k in range(20)] if v < sizes[d]]
    bases += [[0] * rank for _ in range(zeros)]
    rng.shuffle(bases)
    cut = [bases[:reg], bases[reg:reg + 5], bases[reg + 5:reg + 5 + warp], bases[reg + 5 + warp:]]
    text = f'#ttg.linear<{{register = {cut[0]}, lane = {cut[1]}, warp = {cut[2]}, block = {cut[3]}}}>'
    return text, builder.get_distributed_linear_layout(*cut, sizes), rank


def swizzled():
    rank = rng.choice([1, 2, 2, 2, 3])
    a = (1 << rng.randrange(5), 1 << rng.randrange(4), 1 << rng.randrange(5), order(rank), cga(rank))
    text = f'#ttg.swizzled_shared<{{vec = {a[0]}, perPhase = {a[1]}, maxPhase = {a[2]}, order = {a[3]}{text_cga(a[4])}}}>'
    return text, builder.get_swizzled_shared_layout(*a), rank


def nvmma():
    rank = rng.choice([1, 2, 2, 2, 3])
    swizzle = rng.choice([0, 32, 64, 128]) if rank > 1 else 0
    fp4 = rng.random() < 0.15
    bits = 8 if fp4 else rng.choice([8, 16, 32])
    transposed = rng.random() < 0.4 and not fp4 and (swizzle > 0 or rank == 2)
    c = cga(rank)
    text = (f'#ttg.nvmma_shared<{{swizzlingByteWidth = {swizzle}, transposed = {str(transposed).lower()}, '
            f'elementBitWidth = {bits}{", fp4Padded = true" if fp4 else ""}{text_cga(c)}'
            f'{f", rank = {rank}" if rank != 2 and not c else ""}}}>')
    return text, builder.get_nvmma_shared_layout(swizzle, bits, transposed, fp4, c, rank), rank


def flat(basis, sizes):
    v = 0
    for b, s in zip(basis, sizes):
        v = v * s + b
    return v


def ask(attr, sizes):
    """The bases, or None where Triton ends."""
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(r)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            ll = builder.to_linear_layout(attr, sizes)
            parts = ([ll.reg_bases, ll.lane_bases, ll.warp_bases, ll.block_bases] if hasattr(ll, 'reg_bases') else
                     [ll.offset_bases, ll.block_bases])
            line = ' | '.join(' '.join(f'{flat(b, sizes):x}' for b in part) for part in parts)
            os.write(w, line.encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        answer = f.read()
    os.waitpid(child, 0)
    return answer or None


def main():
    makers = {'blocked': blocked, 'slice': slice_, 'mma': mma, 'dot': dot, 'fma': lambda: dot(True), 'linear': linear,
              'swizzled': swizzled, 'nvmma': nvmma}
    print('# Linear maps of Triton 3.9.0; made by make_triton_maps.py.')
    for name, count in COUNTS.items():
        refused = 0
        while count > 0:
            text, attr, rank = makers[name]()
            kind = 's' if name in ('swizzled', 'nvmma') else 'd'
            sizes = shape(rank, {1: 11, 2: 9, 3: 6, 4: 4}[rank])
            if kind == 's' and len(sizes) == 1 and sizes[0] == 1:
                continue  # one element: Triton ends, our map is empty
            answer = ask(attr, sizes)
            if answer is None:
                if name != 'nvmma' or refused >= 12:
                    if name != 'nvmma':
                        print('refused:', text, sizes, file=sys.stderr)
                    continue
                refused += 1
            print(f'{kind} {"x".join(map(str, sizes))} {text} : {answer or "none"}')
            count -= 1


main()
