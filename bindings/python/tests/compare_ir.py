#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The IR of our front end beside Triton's, for Triton's tutorials and for kernels of its tests.

  compare_ir.py --peer DIR [--triton DIR] [--limit N] [--test FILE]... [--show NAME] [--keep DIR]

--peer: Triton's `python` folder (with tutorials and test/unit/language); default $TESSERA_PEER. --triton: a folder
with the package triton 3.9 where this Python does not have it; default $TESSERA_TRITON_SITE. Both front ends run over
the same kernels, each in a process of its own; then `inline,canonicalize,cse` of libtir on both, without names and
locations, and the texts are compared. What may differ stands in ALLOWED, with the reason; anything else fails.
Without Triton: 'skipped: no triton'.
"""
import argparse
import collections
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# The package beside this folder, or (in a build's tests) the built one, which PYTHONPATH names.
PACKAGE = [] if os.environ.get("TESSERA_TEST_BUILT") else [os.path.dirname(HERE)]
sys.path[:0] = PACKAGE
PASSES = "inline,canonicalize,cse"
TESTS = ("test_core.py", "test_frontend.py", "test_tuple.py", "test_standard.py", "test_random.py")

# What the texts may differ in: (pattern of test::kernel, pattern that is taken out of both texts, or None for anything,
# the reason).
ALLOWED = [
    (r"test_num_warps_pow2|test_num_ctas_pre_sm90", None, "options are judged by the back end, not by the front end"),
    (r"test_load_scalar_with_mask|test_unknown_annotation", None, "`N: int`: Triton takes it for i32, whatever the value; ours specialises 1"),
    (r"test_dot3d|test_simple_matmul|test_tensor_descriptor_reduce", None,
     "the test asks Triton's driver about the device first"),
    (r"test_passing_nested_tuple_with_constexpr_and_jit_hook", None, "Triton's hook needs a driver"),
    (r"test_dot_scaled_shape_verification", None, "another class inside the chain, the same words"),
    (r"08-grouped-gemm", r"(?<=%\d\d) \{tt\.divisibility = dense<16> : tensor<2xi32>\}",
     "Triton visits a loop's body twice, and its hints also reach the values from before the loop"),
]

_F = ["*fp32"]
_P = {"M": "*fp32", "desc_q": "*fp16", "desc_k": "*fp16", "desc_v": "*fp16", "desc_o": "*fp16", "sm_scale": "fp32",
      "Z": "i32", "H": "i32", "N_CTX": "i32"}


def _attention(stage, fp8, dim=64):
    return {"HEAD_DIM": dim, "BLOCK_M": 64, "BLOCK_N": 64, "FP8_OUTPUT": fp8, "STAGE": stage, "warp_specialize": False,
            "IS_HOPPER": False}


def _mm(activation):
    return {"BLOCK_SIZE_M": 64, "BLOCK_SIZE_N": 32, "BLOCK_SIZE_K": 32, "GROUP_SIZE_M": 8, "ACTIVATION": activation}


_MM = dict.fromkeys(("a_ptr", "b_ptr", "c_ptr"), "*fp16") | dict.fromkeys(
    ("M", "N", "K", "stride_am", "stride_ak", "stride_bk", "stride_bn", "stride_cm", "stride_cn"), "i32")
_BWD = dict.fromkeys(("Q", "K", "V", "DO", "DQ", "DK", "DV"), "*fp16") | {"sm_scale": "fp32", "M": "*fp32", "D": "*fp32"} | \
    dict.fromkeys(("stride_z", "stride_h", "stride_tok", "stride_d", "H", "N_CTX"), "i32")
# file, kernel, signature, compile-time values
TUTORIALS = [
    ("01-vector-add.py", "add_kernel", {"x_ptr": "*fp32", "y_ptr": "*fp32", "output_ptr": "*fp32", "n_elements": "i32"},
     [{"BLOCK_SIZE": 1024}]),
    ("02-fused-softmax.py", "softmax_kernel", {"output_ptr": "*fp32", "input_ptr": "*fp32", "input_row_stride": "i32",
                                               "output_row_stride": "i32", "n_rows": "i32", "n_cols": "i32"},
     [{"BLOCK_SIZE": 1024, "num_stages": 4}]),
    ("03-matrix-multiplication.py", "matmul_kernel", _MM, [_mm("leaky_relu"), _mm("")]),
    ("04-low-memory-dropout.py", "_dropout", {"x_ptr": "*fp32", "x_keep_ptr": "*i32", "output_ptr": "*fp32",
                                              "n_elements": "i32", "p": "fp32"}, [{"BLOCK_SIZE": 1024}]),
    ("04-low-memory-dropout.py", "_seeded_dropout", {"x_ptr": "*fp32", "output_ptr": "*fp32", "n_elements": "i32",
                                                     "p": "fp32", "seed": "i32"}, [{"BLOCK_SIZE": 1024}]),
    ("05-layer-norm.py", "_layer_norm_fwd_fused", {"X": "*fp16", "Y": "*fp16", "W": "*fp16", "B": "*fp16",
                                                   "Mean": "*fp32", "Rstd": "*fp32", "stride": "i32", "N": "i32",
                                                   "eps": "fp32"}, [{"BLOCK_SIZE": 512}]),
    ("05-layer-norm.py", "_layer_norm_bwd_dx_fused",
     {"DX": "*fp16", "DY": "*fp16", "DW": "*fp16", "DB": "*fp16", "X": "*fp16", "W": "*fp16", "Mean": "*fp32",
      "Rstd": "*fp32", "Lock": "*i32", "stride": "i32", "N": "i32"}, [{"GROUP_SIZE_M": 64, "BLOCK_SIZE_N": 512}]),
    ("05-layer-norm.py", "_layer_norm_bwd_dwdb", {"DW": "*fp16", "DB": "*fp16", "FINAL_DW": "*fp16",
                                                  "FINAL_DB": "*fp16", "M": "i32", "N": "i32"},
     [{"BLOCK_SIZE_M": 32, "BLOCK_SIZE_N": 128}]),
    ("06-fused-attention.py", "_attn_fwd", _P, [_attention(3, False), _attention(1, False)]),
    ("06-fused-attention.py", "_attn_fwd", {n: t.replace("fp16", "fp8e5") for n, t in _P.items()},
     [_attention(3, True, 128)]),
    ("06-fused-attention.py", "_attn_bwd_preprocess", {"O": "*fp16", "DO": "*fp16", "Delta": "*fp32", "Z": "i32",
                                                       "H": "i32", "N_CTX": "i32"}, [{"BLOCK_M": 128, "HEAD_DIM": 64}]),
    ("06-fused-attention.py", "_attn_bwd", _BWD,
     [{"BLOCK_M1": 32, "BLOCK_N1": 128, "BLOCK_M2": 128, "BLOCK_N2": 32, "BLK_SLICE_FACTOR": 2, "HEAD_DIM": 64,
       "CAUSAL": causal} for causal in (False, True)]),
    ("07-extern-functions.py", "asin_kernel", {"x_ptr": "*fp32", "y_ptr": "*fp32", "n_elements": "i32"},
     [{"BLOCK_SIZE": 1024}]),
    ("08-grouped-gemm.py", "grouped_matmul_kernel",
     {"group_a_ptrs": "*i64", "group_b_ptrs": "*i64", "group_c_ptrs": "*i64", "group_gemm_sizes": "*i32",
      "g_lds": "*i32", "group_size": "i32"},
     [{"NUM_SM": 84, "BLOCK_SIZE_M": 128, "BLOCK_SIZE_N": 128, "BLOCK_SIZE_K": 32}]),
]


def tutorial_list(peer):
    out = []
    seen = collections.Counter()
    for file, kernel, signature, cases in TUTORIALS:
        path = os.path.join(peer, "tutorials", file)
        for constexprs in cases:
            seen[kernel] += 1
            out.append({"file": path, "kernel": kernel, "signature": signature, "constexprs": constexprs,
                        "case": f"-{seen[kernel]}" if seen[kernel] > 1 else "",
                        "divisible": [n for n, t in signature.items() if t.startswith("*")]})
    return out


# ---- the two sides

def child(side, work, peer, triton, limit, tests, name_filter):
    """Runs a front end over all kernels; the records, in order."""
    records = []
    environment = dict(os.environ, IR_SIDE=side, IR_LIMIT=str(limit), TESSERA_TRITON_PATH=os.path.join(peer, "triton"))
    folders = PACKAGE + [HERE]
    if side == "triton" and triton:
        folders.append(triton)
    if os.environ.get("PYTHONPATH"):
        folders.append(os.environ["PYTHONPATH"])
    environment["PYTHONPATH"] = os.pathsep.join(folders)
    environment["TRITON_DEFAULT_FP_FUSION"] = "1"
    environment["TRITON_CACHE_DIR"] = os.path.join(work, "cache-" + side)
    kernels = os.path.join(work, "kernels.json")
    with open(kernels, "w") as file:
        json.dump(tutorial_list(peer), file)
    runs = [(["tutorials"], [sys.executable, os.path.join(HERE, "ir_capture.py")])]
    for test in tests:
        path = os.path.join(peer, "test", "unit", "language", test)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--maxfail=100000", "-p", "ir_capture", "-p", "no:cacheprovider",
                   "--noconftest", "-W", "ignore", "--rootdir", os.path.dirname(path), path]
        if name_filter:
            command += ["-k", name_filter]
        runs.append(([test], command))
    for (label,), command in runs:
        out = os.path.join(work, f"{side}-{label}.jsonl")
        environment.update(IR_OUT=out, IR_KERNELS=kernels)
        with open(os.path.join(work, f"{side}-{label}.log"), "w") as log:
            subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=work)
        if os.path.exists(out):
            with open(out) as file:
                records += [json.loads(line) for line in file]
    counts = collections.Counter()
    keyed = {}
    for record in records:
        key = f"{record['test']}::{record['kernel']}"
        counts[key] += 1
        keyed[key if counts[key] == 1 else f"{key}#{counts[key]}"] = record
    return keyed


def normal_form(text):
    """The module's text after the passes, without what may differ in any case."""
    from tessera.compiler.builder import Module
    module = Module.load(text.encode())
    try:
        module.run_passes(PASSES)
        nameless = Module.load(module.bytecode(debug=False))
        out = nameless.text(locations=False, numbers=True)
        nameless.close()
    finally:
        module.close()
    out = re.sub(r" else \{\s*\}", " }", out).replace("} }", "}")  # Triton's `if` without else has an empty one
    out = re.sub(r"@(\"?)(?:triton|tessera)\.language\.", r"@\1language.", out)
    return inline_constants(re.sub(r"(?m)\s*//.*$", "", out))


def inline_constants(text):
    """Constants where they are used: their places mean nothing."""
    values, lines = {}, []
    for line in text.splitlines():
        found = re.match(r"\s*(%[\w$.-]+) = arith\.constant (.*)$", line)
        line = re.sub(r"%[\w$.-]+", lambda m: values.get(m.group(), m.group()), line)
        if found:
            values[found.group(1)] = f"<{found.group(2)}>"
        else:
            lines.append(line)
    return "\n".join(lines)


def compare(ours, theirs):
    """(verdict, details) of two records."""
    if theirs is None or ours is None:
        return "only ours" if theirs is None else "only theirs", ""
    if "ir" not in theirs or "ir" not in ours:
        if "ir" in theirs:
            return "refused", ours["root"]
        if "ir" in ours:
            return "accepted", theirs["root"]
        same = ours["root"].split(":")[0] == theirs["root"].split(":")[0]
        return ("both refuse" if same else "both refuse, other class"), f"{ours['root']} | {theirs['root']}"
    try:
        a = normal_form(theirs["ir"])
    except Exception as error:
        return "theirs does not load", str(error)
    try:
        b = normal_form(ours["ir"])
    except Exception as error:
        return "ours does not load", str(error)
    if a == b:
        return "same", ""
    return "different", "\n".join(difflib.unified_diff(a.splitlines(), b.splitlines(), "triton", "tessera", lineterm="", n=1))


def allowed(key, verdict, ours, theirs):
    """The reason why a difference is allowed, or None."""
    for pattern, part, reason in ALLOWED:
        if re.search(pattern, key):
            if part is None:
                return reason
            if verdict == "different":
                a, b = (re.sub(part, "", normal_form(r["ir"])) for r in (ours, theirs))
                if [x.rstrip() for x in a.splitlines()] == [x.rstrip() for x in b.splitlines()]:
                    return reason
    return None


def find_triton(path):
    program = "import importlib.metadata as m, sys; sys.stdout.write(m.version('triton'))"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, (path, os.environ.get("PYTHONPATH")))))
    answer = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    return answer.stdout if answer.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", default=os.environ.get("TESSERA_PEER"))
    parser.add_argument("--triton", default=os.environ.get("TESSERA_TRITON_SITE"))
    parser.add_argument("--limit", type=int, default=2)
    parser.add_argument("--test", action="append")
    parser.add_argument("--filter", help="pytest's -k")
    parser.add_argument("--show", help="print the differences of keys with this text")
    parser.add_argument("--keep", help="folder for records and logs")
    parser.add_argument("--reuse", action="store_true", help="take Triton's records from --keep")
    options = parser.parse_args()
    version = find_triton(options.triton)
    if not version:
        print("skipped: no triton")
        return 77
    if not version.startswith("3.9."):
        print(f"skipped: triton {version}, not 3.9")
        return 77
    if not options.peer or not os.path.isdir(options.peer):
        print("skipped: no peer (Triton's python folder with tutorials and tests)")
        return 77
    tests = options.test if options.test is not None else list(TESTS)
    tests = [t for t in tests if t]
    work = options.keep or tempfile.mkdtemp(prefix="compare-ir-")
    os.makedirs(work, exist_ok=True)
    saved = os.path.join(work, "triton.json")
    if options.reuse and os.path.exists(saved):
        with open(saved) as file:
            theirs = json.load(file)
    else:
        theirs = child("triton", work, options.peer, options.triton, options.limit, tests, options.filter)
        with open(saved, "w") as file:
            json.dump(theirs, file)
    ours = child("tessera", work, options.peer, options.triton, options.limit, tests, options.filter)
    return report(ours, theirs, options.show)


def report(ours, theirs, show):
    counts, failures = collections.Counter(), 0
    for key in list(theirs) + [k for k in ours if k not in theirs]:
        verdict, details = compare(ours.get(key), theirs.get(key))
        reason = None
        if verdict not in ("same", "both refuse"):
            reason = allowed(key, verdict, ours.get(key), theirs.get(key))
            if reason is None:
                failures += 1
            first = details.splitlines()[0] if details and verdict != "different" else ""
            print(f"{verdict:24} {key}  {'[' + reason + ']' if reason else first[:200]}")
            if show and show in key:
                print(details)
        counts["allowed" if reason else verdict] += 1
    print(", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
