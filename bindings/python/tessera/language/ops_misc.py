# SPDX-License-Identifier: MIT
"""Functions of the language that state facts, check, print, and call outside code."""
import builtins as _py

from .base import _unwrap_if_constexpr, builtin, constexpr
from .values import tensor, tuple


@builtin
def debug_barrier(_semantic=None):
    """All threads of the program wait for each other."""
    return _semantic.debug_barrier()


def _fact_values(values):
    values = list(values) if isinstance(values, (list, _py.tuple, tuple)) else [values]
    for i, v in enumerate(values):
        if not isinstance(v, (constexpr, int)):
            raise TypeError(f"values element {i} must have type `constexpr`")
        if not isinstance(_unwrap_if_constexpr(v), int):
            raise TypeError(f"values element {i} must hold an int, got a constexpr of {type(v.value)}")
    return [_unwrap_if_constexpr(v) for v in values]


@builtin
def multiple_of(input, values, _semantic=None):
    """States that the numbers (per dimension: the first of each run) are multiples of `values`."""
    return _semantic.multiple_of(input, _fact_values(values))


@builtin
def max_contiguous(input, values, _semantic=None):
    """States that, per dimension, the first `values` numbers are consecutive."""
    return _semantic.max_contiguous(input, _fact_values(values))


@builtin
def max_constancy(input, values, _semantic=None):
    """States that, per dimension, the first `values` numbers are equal."""
    return _semantic.max_constancy(input, _fact_values(values))


@builtin
def assume(cond, _semantic=None):
    """States that a condition holds."""
    return _semantic.assume(_semantic.to_tensor(cond))


@builtin
def static_print(*values, sep=" ", end="\n", file=None, flush=False, _semantic=None):
    """Prints while compiling (the front end does it)."""


@builtin
def static_assert(cond, msg="", _semantic=None):
    """Stops compiling when a compile-time condition is false (the front end does it)."""


@builtin
def device_print(prefix, *args, hex=False, _semantic=None):
    """Prints values at run time, one line per element."""
    prefix = _unwrap_if_constexpr(prefix)
    assert isinstance(prefix, str), f"{prefix} is not string"
    assert prefix.isascii() and all(c.isprintable() or c.isspace() for c in prefix), f"{prefix} is not an ascii string"
    return _semantic.device_print(prefix, [_semantic.to_tensor(a) for a in args], _unwrap_if_constexpr(hex))


@builtin
def device_assert(cond, msg="", mask=None, _semantic=None):
    """Stops the program when a condition is false (where the mask holds), in debug builds."""
    mask = _unwrap_if_constexpr(mask)
    mask = None if mask is None else _semantic.to_tensor(mask)
    return _semantic.device_assert(_semantic.to_tensor(cond), _unwrap_if_constexpr(msg), mask)


@builtin
def inline_asm_elementwise(asm, constraints, args, dtype, is_pure, pack, _semantic=None):
    """Runs assembly on `pack` elements at a time. `dtype`: one type, or several for several results."""
    asm, constraints, is_pure, pack = map(_unwrap_if_constexpr, (asm, constraints, is_pure, pack))
    dtype = _unwrap_if_constexpr(dtype)
    many = hasattr(dtype, "__iter__")
    types = [_unwrap_if_constexpr(t) for t in dtype] if many else [dtype]
    results = _semantic.inline_asm(asm, constraints, list(_unwrap_if_constexpr(args)), types, is_pure, pack)
    return tuple(results) if many else results[0]


def _broadcast_arguments(args, symbols, semantic):
    """Arguments of an outside function in one shape; in one type too, unless the function takes them as they are."""
    promote = _py.tuple(a.dtype for a in args) not in symbols
    like = args[0]
    for a in args:
        _, like = semantic.binary_op_type_checking_impl(a, like, arithmetic_check=promote)
    return [semantic.binary_op_type_checking_impl(a, like, arithmetic_check=promote)[0] for a in args], like


@builtin
def extern_elementwise(lib_name, lib_path, args, arg_type_symbol_dict, is_pure, _semantic=None):
    """Calls a function of a device library for each element. The dictionary maps types of arguments to (symbol, type
    of the result)."""
    symbols = {_py.tuple(map(_unwrap_if_constexpr, k)): v for k, v in arg_type_symbol_dict.items()}
    if not symbols:
        raise ValueError("arg_type_symbol_dict is empty")
    args = [_semantic.to_tensor(a) for a in args]
    expected = len(next(iter(symbols)))
    if len(args) != expected:
        raise ValueError(f"length of input args does not match. Expect {expected}, got {len(args)}")
    types = _py.tuple(a.dtype for a in args)
    if types not in symbols:
        raise KeyError(f"no function for arguments of types {', '.join(map(str, types))}; there is one for "
                       + "; ".join(", ".join(map(str, k)) for k in symbols))
    symbol, result_type = symbols[types]
    if args:
        args, like = _broadcast_arguments(args, symbols, _semantic)
        if like.type._block:
            result_type = like.type.with_element_ty(result_type)
    return _semantic.extern_elementwise(lib_name, lib_path, symbol, args, result_type, is_pure)


def dispatch(func, lib_name, lib_path, args, arg_type_symbol_dict, ret_type, is_pure, _semantic):
    """Calls func(lib_name, lib_path, symbol, handles, IR type, is_pure) with the symbol for the arguments' types."""
    if not arg_type_symbol_dict:
        raise ValueError("arg_type_symbol_dict is empty")
    expected = len(next(iter(arg_type_symbol_dict)))
    if len(args) != expected:
        raise ValueError(f"length of input args does not match. Expect {expected}, got {len(args)}")
    types = _py.tuple(a.dtype if isinstance(a, tensor) else type(a) for a in args)
    if types not in arg_type_symbol_dict:
        raise ValueError(f"input arg type does not match. Expect one of {list(arg_type_symbol_dict)}, got {types}")
    handles = [a.handle if isinstance(a, tensor) else a for a in args]
    handle = func(lib_name, lib_path, arg_type_symbol_dict[types][0], handles, ret_type.to_ir(_semantic.builder),
                  is_pure)
    return tensor(handle, ret_type)
