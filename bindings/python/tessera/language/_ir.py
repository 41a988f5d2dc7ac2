# SPDX-License-Identifier: MIT
"""Small things on top of compiler.builder that only the language needs."""
from .._raw import tir
from .types import int32


class region:
    """`with region(b, op) as arguments:` builds in the first region of `op`, from its block's arguments."""

    def __init__(self, builder, op):
        self.builder, self.op = builder, op

    def __enter__(self):
        b = self.builder
        b.enter(self.op, 0)
        block = b.block()
        return [tir.tir_block_arg(block, i) for i in range(tir.tir_block_num_args(block))]

    def __exit__(self, *failure):
        self.builder.leave()


def next_int_attr(b, name, value):
    b.next_attr(name, b.attr_int(value))


def next_bool_attr(b, name, value):
    b.next_attr(name, b.attr_bool(value))


def next_enum_attr(b, name, value, spelling):
    b.next_attr(name, tir.tir_attr_enum(b.context, value, spelling))


def set_value_attr(b, value, name, numbers):
    """dense<numbers> under `name` at the operation that makes the value. Of an argument of a loop it stands at the
    loop, with the argument's number. Arguments of functions and the counter of a loop get none."""
    op = tir.tir_value_op(value)
    if op is None:
        op = tir.tir_region_op(tir.tir_block_region(tir.tir_value_block(value)))
        index, kind = tir.tir_value_index(value), None if op is None else tir.tir_op_name(op)
        if kind in (None, "tt.func") or kind == "scf.for" and index == 0:
            return
        name = f"{name}_arg{index}"
    bits = [n & 0xffffffff for n in numbers]
    ty = b.type_tensor(int32.to_ir(b), (len(bits),))
    if all(n == bits[0] for n in bits):
        attr = b.attr_splat(ty, bits[0])
    else:
        attr = b.attr_dense(ty, bits)
    b.set_attr(op, name, attr)
