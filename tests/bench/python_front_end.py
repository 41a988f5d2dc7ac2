#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Time from syntax tree to IR of the attention tutorial's forward kernel, ours and Triton's alternating in one process.

  python_front_end.py --peer DIR [--triton DIR] [--rounds N] [--json FILE] [--profile]

The first time in a process is measured in a process of its own. Without Triton: 'skipped: no triton' and our times."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import types

PYTHON = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bindings", "python")
# The package that PYTHONPATH names (a build's has the extension), else the source.
sys.path += [PYTHON, os.path.join(PYTHON, "tests")]

SIGNATURE = {"M": "*fp32", "desc_q": "*fp16", "desc_k": "*fp16", "desc_v": "*fp16", "desc_o": "*fp16",
             "sm_scale": "fp32", "Z": "i32", "H": "i32", "N_CTX": "i32"}
CONSTANTS = {"HEAD_DIM": 64, "BLOCK_M": 64, "BLOCK_N": 64, "FP8_OUTPUT": False, "STAGE": 3, "warp_specialize": False,
             "IS_HOPPER": False}


def source(fn):
    """(signature, compile-time values, attributes) of the kernel."""
    names = fn.arg_names
    signature = {n: "constexpr" if n in CONSTANTS else SIGNATURE[n] for n in names}
    constants = {(names.index(n),): v for n, v in CONSTANTS.items()}
    attrs = {(i,): [["tt.divisibility", 16]] for i, n in enumerate(names) if signature[n].startswith("*")}
    return signature, constants, attrs


def load(path, modules):
    """The tutorial's kernel, with `triton` meaning those modules."""
    import ast
    saved = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        with open(path) as file:
            tree = ast.parse(file.read())
        space = {"__name__": "attention", "__file__": path, "triton": modules["triton"],
                 "tl": modules["triton.language"]}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any("triton.jit" in ast.unparse(d) for d in node.decorator_list):
                node.decorator_list = [d for d in node.decorator_list if "triton.jit" in ast.unparse(d)]
                exec(compile(ast.Module([node], []), path, "exec"), space)
        return space["_attn_fwd"]
    finally:
        for name, module in saved.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def our_side(path):
    import tessera.language as language
    from tessera.compiler.code_generator import generate
    from tessera.runtime.jit import JITFunction
    from ir_options import OPTIONS, min_dot_size
    fn = load(path, {"triton": types.SimpleNamespace(jit=JITFunction), "triton.language": language})
    given, options = source(fn), types.SimpleNamespace(**OPTIONS)

    def run():
        generate(fn, *given, options, {"min_dot_size": min_dot_size}).close()
    return run


def their_side(path):
    import triton
    import triton.language as language
    from triton._C.libtriton import ir
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, make_backend
    fn = load(path, {"triton": triton, "triton.language": language})
    target = GPUTarget("cuda", 90, 32)
    backend = make_backend(target)
    options = backend.parse_options({})
    given = ASTSource(fn, *source(fn))

    def run():
        context = ir.context()
        ir.load_dialects(context)
        backend.load_dialects(context)
        given.make_ir(target, options, backend.get_codegen_implementation(options), backend.get_module_map(), context)
    return run


def timed(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", default=os.environ.get("TESSERA_PEER"))
    parser.add_argument("--triton", default=os.environ.get("TESSERA_TRITON_SITE"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json")
    parser.add_argument("--first", action="store_true", help="only print the first time of this process")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if not options.peer or not os.path.isdir(options.peer):
        print("skipped: no peer (Triton's python folder with the tutorials)")
        return 77
    path = os.path.join(options.peer, "tutorials", "06-fused-attention.py")
    if options.first:
        start = time.perf_counter()
        run = our_side(path)
        ready = (time.perf_counter() - start) * 1e3
        print(json.dumps([ready, timed(run)]))
        return 0
    command = [sys.executable, os.path.abspath(__file__), "--peer", options.peer, "--first"]
    first = [json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(9)]
    ours = our_side(path)
    sides = {"tessera": ours}
    if options.triton:
        sys.path.append(options.triton)
    os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")
    try:
        import triton
        sides["triton " + triton.__version__] = their_side(path)
    except ImportError:
        print("skipped: no triton")
    for run in sides.values():
        run()
    if options.profile:
        import cProfile
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(10):
            ours()
        profile.disable()
        import pstats
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
    times = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, run in sides.items():
            times[name].append(timed(run))
    result = {name: {"median_ms": statistics.median(t), "quartiles": statistics.quantiles(t, n=4)}
              for name, t in times.items()}
    result["first_in_process_ms"] = statistics.median(t for _, t in first)
    result["imports_and_definition_ms"] = statistics.median(t for t, _ in first)
    for name in times:
        print(f"{name:16} {result[name]['median_ms']:8.2f} ms warm")
    print(f"{'tessera':16} {result['first_in_process_ms']:8.2f} ms first in a process, after "
          f"{result['imports_and_definition_ms']:.1f} ms of imports")
    if len(times) == 2:
        a, b = (result[name]["median_ms"] for name in times)
        print(f"ratio {a / b:.3f}")
        result["ratio"] = a / b
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
