# SPDX-License-Identifier: MIT
"""Child of compare_ir.py, and a pytest plugin: collects the IR that a front end makes of kernels, without running them.

IR_SIDE: "triton" (the package itself) or "tessera" (its drop-in); IR_OUT: file for the records, one JSON object a line;
IR_LIMIT: cases of each test function that are looked at; IR_KERNELS: a JSON file of kernels in scripts to take besides.
"""
import ast
import collections
import inspect
import json
import os
import sys
import types

SIDE = os.environ["IR_SIDE"]
if SIDE == "tessera":
    import tessera.triton.install  # noqa: F401

import triton  # noqa: E402
from ir_options import OPTIONS, min_dot_size  # noqa: E402

if SIDE == "tessera":  # names of the package that the front end needs, whether the package has them yet or not
    from tessera.language import core as _core
    from tessera.runtime import jit as _jit
    for _name, _value in (("aggregate", getattr(_core, "_aggregate", None)), ("jit", getattr(_jit, "jit", None)),
                          ("must_use_result", _core.must_use_result), ("constexpr_function", _jit.constexpr_function)):
        if not hasattr(triton, _name):
            setattr(triton, _name, _value)

TARGET = ("cuda", 90, 32)

class Captured(BaseException):
    """Ends a test at its first kernel: what follows would need the kernel's results."""


def _front_end_triton(fn, args, kwargs, given):
    from triton._C.libtriton import ir
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, make_backend
    from triton.runtime.jit import create_function_from_signature
    target = GPUTarget(*TARGET)
    backend = make_backend(target)
    if given is None:
        binder = create_function_from_signature(fn.signature, fn.params, backend)
        bound, specialization, options = binder(*args, **kwargs)
        options, signature, constexprs, attrs = fn._pack_args(backend, kwargs, bound, specialization, options)
    else:
        signature, constexprs, attrs = given
        options = backend.parse_options({k: v for k, v in kwargs.items()})
    source = ASTSource(fn, signature, constexprs, attrs)
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    module = source.make_ir(target, options, backend.get_codegen_implementation(options), backend.get_module_map(),
                            context)
    return signature, module.str_nodebug()


def arguments(fn, args, kwargs):
    """(signature, constexprs, attrs) of a launch, by the parameters' own rules."""
    names = fn.arg_names
    bound = inspect.signature(fn.fn).bind(*args, **{k: v for k, v in kwargs.items() if k in names})
    bound.apply_defaults()
    signature, constexprs, attrs = {}, {}, {}

    def note(kind, key, value, path):
        if isinstance(kind, tuple):
            for i, (k, s, v) in enumerate(zip(kind, key, value)):
                note(k, s, v, (*path, i))
        elif kind == "constexpr":
            constexprs[path] = value
        elif key == "D":
            attrs[path] = [("tt.divisibility", 16)]

    for i, p in enumerate(fn.params):
        value = bound.arguments[p.name]
        kind, key = p.specialize(value)
        signature[p.name] = kind
        note(kind, key, value, (i,))
    return signature, constexprs, attrs


def _front_end_tessera(fn, args, kwargs, given):
    from tessera.compiler.code_generator import generate
    signature, constexprs, attrs = arguments(fn, args, kwargs) if given is None else given
    options = types.SimpleNamespace(**{**OPTIONS, **{k: v for k, v in kwargs.items() if k not in fn.arg_names}})
    module_map = {}
    try:
        from tessera.language.extra.cuda import libdevice
        module_map["tessera.language.extra.libdevice"] = libdevice
    except ImportError:
        pass
    module = generate(fn, signature, constexprs, attrs, options, {"min_dot_size": min_dot_size}, module_map)
    text = module.text(locations=False)
    module.close()
    return signature, text


class Recorder:
    """Writes one record for each kernel that was looked at."""

    def __init__(self, path):
        self.file = open(path, "w")
        self.test = None

    def take(self, fn, args=(), kwargs={}, given=None):
        record = {"test": self.test, "kernel": getattr(fn, "__name__", str(fn))}
        text = None
        try:
            side = _front_end_triton if SIDE == "triton" else _front_end_tessera
            signature, text = side(fn, args, kwargs, given)
            record["signature"] = str(signature)
            record["ir"] = text
        except Exception as error:
            chain = error
            while chain.__cause__ is not None:
                chain = chain.__cause__
            record["error"] = f"{type(error).__name__}: {error}"
            record["root"] = f"{type(chain).__name__}: {chain}"
            if os.environ.get("IR_TRACE"):
                import traceback
                record["trace"] = traceback.format_exc()
            raise
        finally:
            self.file.write(json.dumps(record) + "\n")
            self.file.flush()
        return text


RECORDER = Recorder(os.environ["IR_OUT"])


class Text:
    """What tests ask of a module that a parser gave."""

    def __init__(self, text):
        self.text = text

    def str_nodebug(self):
        return self.text

    __str__ = str_nodebug


def _install():
    from triton.runtime.jit import JITFunction

    def run(self, *args, grid=None, warmup=False, **kwargs):
        kwargs = {k: v for k, v in kwargs.items() if k != "stream"}
        RECORDER.take(self, args, kwargs)
        raise Captured()

    JITFunction.run = run
    JITFunction.__getitem__ = lambda self, grid: lambda *args, **kwargs: self.run(*args, grid=grid, **kwargs)
    JITFunction.warmup = lambda self, *args, grid=None, **kwargs: self.run(*args, grid=grid, **kwargs)

    def compile_(src, target=None, options=None, **_):
        RECORDER.take(src.fn, (), dict(options or {}), (src.signature, src.constants, src.attrs))
        return types.SimpleNamespace(asm=collections.defaultdict(str))

    triton.compile = compile_
    if SIDE == "tessera":
        import tessera.compiler as compiler
        compiler.compile = compile_
        if not hasattr(triton.compiler, "ASTSource"):
            compiler.ASTSource = _Source
    filecheck = types.ModuleType("triton._filecheck")

    def run_parser(kernel_fn, args=(), kwargs={}, target=None):
        return Text(RECORDER.take(kernel_fn, args, {"sanitize_overflow": False, **kwargs}))

    def filecheck_test(fn):
        def test_fn():
            run_parser(fn)
        test_fn.__name__ = fn.__name__
        return test_fn

    filecheck.run_parser, filecheck.filecheck_test = run_parser, filecheck_test
    filecheck.run_filecheck_test = lambda fn, *args, **kwargs: run_parser(fn)
    sys.modules["triton._filecheck"] = filecheck
    triton._filecheck = filecheck


class _Source:
    def __init__(self, fn, signature, constexprs=None, attrs=None):
        self.fn, self.signature = fn, signature
        self.constants = {((fn.arg_names.index(k),) if isinstance(k, str) else k): v
                          for k, v in (constexprs or {}).items()}
        self.attrs = attrs or {}


# ---- pytest

try:
    import pytest
except ImportError:
    pytest = None

if pytest is not None:
    @pytest.fixture
    def device():
        return "cpu"

    @pytest.fixture
    def fresh_triton_cache():
        return None

    @pytest.fixture
    def fresh_knobs():
        return triton.knobs

    @pytest.fixture
    def with_allocator():
        return None

    def pytest_configure(config):
        import torch
        import importlib
        jit = importlib.import_module("triton.runtime.jit")
        if not hasattr(jit, "type_canonicalisation_dict"):
            from tessera.runtime._types import CANONICAL
            jit.type_canonicalisation_dict = dict(CANONICAL)
        _internal_testing = importlib.import_module("triton._internal_testing")
        target = types.SimpleNamespace(backend=TARGET[0], arch=TARGET[1], warp_size=TARGET[2])
        _internal_testing.get_current_target = lambda: target
        torch.cuda.get_device_capability = lambda *a: (TARGET[1] // 10, TARGET[1] % 10)
        torch.cuda.synchronize = lambda *a: None
        torch.cuda.get_device_name = lambda *a: "H100"
        torch.cuda.get_device_properties = lambda *a: types.SimpleNamespace(name="H100", multi_processor_count=132,
                                                                            major=9, minor=0, total_memory=80 << 30)
        _install()

    def pytest_collection_modifyitems(items):
        limit = int(os.environ.get("IR_LIMIT", "2"))
        groups = collections.defaultdict(list)
        for item in items:
            groups[item.nodeid.split("[")[0]].append(item)
        items[:] = [group[i * len(group) // min(limit, len(group))] for group in groups.values()
                    for i in range(min(limit, len(group)))]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(item):
        RECORDER.test = item.nodeid.split("/")[-1]
        import random
        import numpy
        import torch
        random.seed(0)
        numpy.random.seed(0)
        torch.manual_seed(0)
        try:
            return (yield)
        except Captured:
            pytest.skip("captured")


# ---- kernels in scripts

def load_kernels(path):
    """The jit functions, and what they need, of a script, without running the rest of it."""
    with open(path) as file:
        tree = ast.parse(file.read())
    keep = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if ast.unparse(d).split("(")[0].endswith("jit")]
            if node.decorator_list:
                keep.append(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = ast.unparse(node)
            if "triton" in names or "torch" in names:
                keep.append(node)
    space = {"__name__": os.path.basename(path)[:-3].replace("-", "_"), "__file__": path}
    for node in keep:
        try:
            exec(compile(ast.Module([node], []), path, "exec"), space)
        except ImportError:
            pass
    return space


def main(path):
    _install()
    with open(path) as file:
        kernels = json.load(file)
    for entry in kernels:
        space = load_kernels(entry["file"])
        fn = space[entry["kernel"]]
        RECORDER.test = f"{os.path.basename(entry['file'])}::{entry['kernel']}{entry.get('case', '')}"
        dtypes = {name: getattr(triton.language, value[3:]) if isinstance(value, str) and value.startswith("tl.") else value
                  for name, value in entry["constexprs"].items()}
        constants = {(fn.arg_names.index(name),): value for name, value in dtypes.items()}
        signature = {name: "constexpr" if name in dtypes else entry["signature"][name] for name in fn.arg_names}
        attrs = {(fn.arg_names.index(name),): [["tt.divisibility", 16]] for name in entry.get("divisible", ())}
        try:
            RECORDER.take(fn, (), {}, (signature, constants, attrs))
        except Exception as error:
            print(f"{RECORDER.test}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(os.environ["IR_KERNELS"])
