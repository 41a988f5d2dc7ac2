# SPDX-License-Identifier: MIT
"""Reductions, scans and other operations with regions; gather, histogram; facts, prints and asserts; outside code."""
from ._ir import region, set_value_attr
from .base import _unwrap_if_constexpr
from .types import block_type, int1, int32, void
from .values import tensor


class MiscMixin:
    """reduce, scan, map_elementwise, gather, histogram, multiple_of …, device_print, device_assert."""

    def wrap_tensor(self, x, scalar_ty, ret_shape):
        return tensor(x, block_type(scalar_ty, ret_shape) if len(ret_shape) else scalar_ty)

    # ---- regions

    def combine(self, op, inputs, combine_fn, finish, generator):
        """Fills the region of a reduce or scan: combine_fn of the accumulators and the values."""
        b = self.builder
        types = [t.dtype for t in inputs]
        with region(b, op) as arguments:
            args = [tensor(h, ty) for h, ty in zip(arguments, types + types)]
            results = generator.call_JitFunction(combine_fn, args, kwargs={})
            results = [results] if isinstance(results, tensor) else list(results)
            finish([self.to_tensor(r).handle for r in results])

    def reduction(self, inputs, axis, combine_fn, generator):
        if axis is None:
            inputs = [self.reshape(t, [t.numel.value], True) for t in inputs]
            axis = 0
        shape = inputs[0].type._shape
        assert axis < len(shape), f"axis {axis} of a reduction is out of range for rank {len(shape)}"
        assert all(t.type._shape == shape for t in inputs), "all reduction inputs must have the same shape"
        b = self.builder
        op = b.tt_reduce([t.handle for t in inputs], axis)
        self.combine(op, inputs, combine_fn, b.tt_reduce_return, generator)
        rest = shape[:axis] + shape[axis + 1:]
        return [self.wrap_tensor(b.op_result(op, i), t.dtype, rest) for i, t in enumerate(inputs)]

    def associative_scan(self, inputs, axis, combine_fn, reverse, generator):
        shape = inputs[0].type._shape
        assert -len(shape) <= axis < len(shape), f"scan axis {axis} must be < inputs rank ({len(shape)})"
        axis %= len(shape)
        assert all(t.type._shape == shape for t in inputs), "all scan inputs must have the same shape"
        b = self.builder
        op = b.tt_scan([t.handle for t in inputs], axis, int(bool(reverse)))
        self.combine(op, inputs, combine_fn, b.tt_scan_return, generator)
        return [self.wrap_tensor(b.op_result(op, i), t.dtype, shape) for i, t in enumerate(inputs)]

    def map_elementwise(self, scalar_fn, args, pack, generator):
        assert len(args) > 0, "map_elementwise must have at least 1 input tensor"
        b = self.builder
        args = self.broadcast_tensors(*args)
        like = args[0].type
        assert like._block, "map_elementwise works on tiles, not on scalars"

        def build(result_types):
            op = b.tt_map_elementwise([t.handle for t in args], pack, [t.to_ir(b) for t in result_types])
            with region(b, op) as arguments:
                scalars = [tensor(h, args[i // pack].dtype) for i, h in enumerate(arguments)]
                results = generator.call_JitFunction(scalar_fn, scalars, kwargs={})
                single = isinstance(results, tensor)
                results = [results] if single else [self.to_tensor(r) for r in results]
                b.tt_map_elementwise_return([r.handle for r in results])
            types = [r.dtype for r in results]
            for offset in range(1, pack):
                assert types[::pack] == types[offset::pack], "type mismatch in unpacked results"
            return op, [like.with_element_ty(ty) for ty in types[::pack]], single

        # The operation needs its result types before the function has said them: guess, and build again if wrong.
        guess = [like]
        op, types, single = build(guess)
        if types != guess:
            b.erase(op)
            op, types, single = build(types)
        results = [tensor(b.op_result(op, i), ty) for i, ty in enumerate(types)]
        return results[0] if single else results

    # ---- gather, histogram

    def gather(self, src, index, axis):
        assert index.dtype._int, "index must be an integer tensor"
        a, b = src.type._shape, index.type._shape
        assert len(a) == len(b), "source and index tensors must have the same rank"
        assert -len(a) <= axis < len(a), f"gather axis {axis} must be < source rank ({len(a)})"
        axis %= len(a)
        for d in range(len(a)):
            assert d == axis or a[d] == b[d], f"tl.gather: dimension {d} of index and source differ: {b[d]} and {a[d]}"
        return self.wrap_tensor(self.builder.tt_gather(src.handle, index.handle, axis), src.dtype, b)

    def histogram(self, input, num_bins, mask):
        assert len(input.type._shape) == 1, "histogram only supports 1D input"
        if not (input.dtype._int and input.dtype.int_bitwidth == 32):
            raise ValueError(f"histogram only supports 32-bit integer input, but got {input.dtype}")
        if mask is not None:
            mask = self.broadcast_impl_shape(mask, input.type._shape)
            if mask.dtype is not int1:
                raise ValueError("Mask must have boolean scalar type")
            mask = mask.handle
        ty = block_type(int32, [num_bins])
        return tensor(self.builder.tt_histogram(input.handle, mask, ty.to_ir(self.builder)), ty)

    # ---- facts

    def _fact(self, x, values, name, what, rank):
        if rank != len(values):
            raise ValueError(f"Shape of input to {what} does not match the length of values")
        set_value_attr(self.builder, x.handle, name, values)
        return x

    def multiple_of(self, x, values):
        return self._fact(x, values, "tt.divisibility", "multiple_of", max(1, len(x.type._shape)))

    def max_contiguous(self, x, values):
        return self._fact(x, values, "tt.contiguity", "max_contiguous", len(x.type._shape))

    def max_constancy(self, x, values):
        return self._fact(x, values, "tt.constancy", "max_constancy", len(x.type._shape))

    def assume(self, cond):
        self.builder.llvm_intr_assume(cond.handle, [])
        return tensor(None, void)

    # ---- order, print, assert

    def debug_barrier(self):
        self.builder.ttg_barrier(31)
        return tensor(None, void)

    def grid_dependency_wait(self):
        self.builder.tt_grid_dependency_wait()

    def grid_dependency_launch_dependents(self):
        self.builder.tt_grid_dependency_launch_dependents()

    def device_print(self, prefix, args, hex):
        # " prefix: value" reads best, so that is what comes out whatever was given.
        if args and not prefix.endswith(": "):
            body = prefix[:-1] if prefix.endswith(" ") else prefix
            prefix = body + (" " if body is prefix and body.endswith(":") else ": ")
        if len(prefix) > 2 and not prefix.startswith(" "):
            prefix = " " + prefix
        self.builder.tt_print([a.handle for a in args], prefix, int(bool(hex)), [int(a.dtype._signed) for a in args])
        return tensor(None, void)

    def device_assert(self, cond, msg, mask):
        if not self.option("debug", False):
            return None
        if mask is not None:
            cond = self.or_(cond, self.not_(mask))
        self.builder.tt_assert(cond.handle, msg)
        return tensor(None, void)

    # ---- outside code

    def to_inline_asm_operand(self, arg):
        return self.to_tensor(arg)

    def inline_asm(self, asm, constraints, args, result_types, is_pure, pack):
        args = self.broadcast_tensors(*[self.to_inline_asm_operand(a) for a in args])
        if args:
            result_types = [args[0].type.with_element_ty(t) if args[0].type._block else t for t in result_types]
        b = self.builder
        op = b.tt_elementwise_inline_asm([a.handle for a in args], asm, constraints, int(bool(is_pure)), pack,
                                         [t.to_ir(b) for t in result_types])
        return [tensor(b.op_result(op, i), t) for i, t in enumerate(result_types)]

    def extern_elementwise(self, lib_name, lib_path, symbol, args, result_type, is_pure):
        b = self.builder
        handle = b.tt_extern_elementwise([a.handle for a in args], _unwrap_if_constexpr(lib_name),
                                         _unwrap_if_constexpr(lib_path), symbol, int(bool(is_pure)),
                                         result_type.to_ir(b))
        return tensor(handle, result_type)
