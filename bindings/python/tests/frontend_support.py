# SPDX-License-Identifier: MIT
"""What the tests of the front end share: IR of a kernel, and its run on the interpreter with numpy arrays."""
import types
import unittest

import numpy as np

import tessera.language as tl
from tessera._raw import check, tir
from tessera.compiler.code_generator import generate
from tessera.compiler.errors import CompilationError
from tessera.runtime.jit import JITFunction, constexpr_function
from ir_options import OPTIONS, min_dot_size

jit = JITFunction
aggregate = tl.core._aggregate
__all__ = ["CompilationError", "Case", "JITFunction", "aggregate", "constexpr_function", "function_text", "ir", "jit", "module_of",
           "np", "run", "tl"]

_POINTERS = {"float32": "*fp32", "float16": "*fp16", "float64": "*fp64", "int8": "*i8", "int16": "*i16",
             "int32": "*i32", "int64": "*i64", "uint8": "*u8", "uint32": "*u32", "bool": "*i1"}


def noinline(fn):
    return JITFunction(fn, noinline=True)


def module_of(kernel, signature=None, constexprs=None, attrs=None, **options):
    """The verified module of a kernel."""
    signature = dict(signature or {})
    constexprs = dict(constexprs or {})
    for name in kernel.arg_names:
        signature.setdefault(name, "constexpr")
    return generate(kernel, signature, constexprs, attrs, types.SimpleNamespace(**{**OPTIONS, **options}),
                    {"min_dot_size": min_dot_size})


def ir(kernel, signature=None, constexprs=None, attrs=None, locations=False, **options):
    """The text of a kernel's module."""
    return module_of(kernel, signature, constexprs, attrs, **options).text(locations=locations)


def function_text(text, name):
    """One function's lines out of a module's text."""
    lines, taken = text.split("\n"), []
    for line in lines:
        if taken or (line.startswith("  tt.func") and name in line):
            taken.append(line)
            if line == "  }" or line.startswith("  } loc"):
                break
    return "\n".join(taken)


def run(kernel, *args, grid=(1, 1, 1), passes=None, **constexprs):
    """Runs a kernel: arrays and numbers in the order of its parameters. Once as it is and once after passes: both must
    leave the same in the arrays."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    _run(kernel, args, grid, None, constexprs)
    _run(kernel, copies, grid, "inline,canonicalize,cse,dce", constexprs)
    for a, b in zip(args, copies):
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)


def _run(kernel, args, grid, passes, constexprs):
    names = [n for n in kernel.arg_names if n not in constexprs]
    assert len(names) == len(args), f"{len(names)} arguments wanted, {len(args)} given"
    signature, values, kept = {}, [], []
    for name, value in zip(names, args):
        if isinstance(value, np.ndarray):
            signature[name] = _POINTERS[value.dtype.name]
            values.append(tir.tir_interp_arg.init(kind=tir.TIR_INTERP_BUFFER, data=value.ctypes.data,
                                                  size=value.nbytes))
            kept.append(value)
        else:
            kind, data = ("fp32", np.float32(value)) if isinstance(value, float) else ("i32", np.int32(value))
            signature[name] = kind
            values.append(tir.tir_interp_arg.init(kind=tir.TIR_INTERP_SCALAR, bits=int(data.view(np.uint32))))
    module = module_of(kernel, signature, constexprs)
    if passes:
        module.run_passes(passes)
    params = tir.tir_interp_params.init()
    params.grid[:] = list(grid) + [1] * (3 - len(grid))
    params.max_steps = 100000
    check(tir, tir.tir_interp_run(module.handle, None, params, values, len(values)))
    module.close()


class Case(unittest.TestCase):
    """A test case that knows how to ask for a failure of compilation."""

    def refused(self, kernel, text, signature=None, constexprs=None, kind=CompilationError, **options):
        """Compiles; the error must be of that class, with `text` somewhere in its chain. Gives the error."""
        with self.assertRaises(kind) as caught:
            module_of(kernel, signature, constexprs, **options)
        error, whole = caught.exception, ""
        part = error
        while part is not None:
            whole += f"{part}\n"
            part = part.__cause__
        self.assertIn(text, whole)
        return error
