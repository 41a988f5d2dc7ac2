#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles every .ttir file under a folder for one target and says what became of each.

A file is good if it compiles within the time and size limits, or is refused with an operation and a location. A crash,
a hang, another message, or a limit passed is a failure. The time is the wall clock of the compilation itself, without the start of the process.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import time

OPERATION = re.compile(r"'?[a-z_]+\.[a-z_0-9.]+'?")
LOCATION = re.compile(r":\d+(:\d+)?")


def compile_one(args, path):
    with tempfile.NamedTemporaryFile(suffix=".tko") as out:
        command = [args.tessera, "compile", path, "--target", args.target, "--no-cache", "--time", "-o", out.name]
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, text = process.communicate(timeout=args.hang)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return {"file": path, "status": "hangs", "good": False, "seconds": time.monotonic() - start}
    result = {"file": path, "seconds": time.monotonic() - start}
    code = process.returncode
    if code < 0:
        return result | {"status": f"killed by signal {-code}", "good": False, "message": text[-400:]}
    if code == 0:
        numbers = re.search(r"compile ([0-9.]+) ms.*image (\d+) bytes", text)
        if not numbers:
            return result | {"status": "no times", "good": False, "message": text[-400:]}
        seconds, size = float(numbers[1]) / 1000, int(numbers[2])
        result |= {"compile_seconds": seconds, "image_bytes": size}
        if seconds > args.max_seconds:
            return result | {"status": "too slow", "good": False}
        # Code follows the operations, never the size of the tiles: few files are so long that they need more.
        with open(path, "rb") as ir:
            allowed = max(args.max_bytes, 32 * sum(1 for _ in ir))
        if size > allowed:
            return result | {"status": "too large", "good": False}
        return result | {"status": "compiles", "good": True}
    message = text.strip()[:400]
    if code == 2:
        told = bool(OPERATION.search(message)) and bool(LOCATION.search(message))
        return result | {"status": "refused" if told else "refused without operation and location", "good": told, "message": message}
    return result | {"status": f"exit {code}", "good": False, "message": message}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", default="build/tessera")
    parser.add_argument("--corpus", default=os.environ.get("TESSERA_CORPUS"))
    parser.add_argument("--target", default="cpu:native")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file only")
    parser.add_argument("--match", default="", help="take files with this in their path")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--max-seconds", type=float, default=2.0)
    parser.add_argument("--max-bytes", type=int, default=65536)
    parser.add_argument("--hang", type=float, default=120.0)
    parser.add_argument("--json", help="write all results there")
    args = parser.parse_args()
    if not args.corpus:
        print("skipped: no corpus")
        return 77
    files = sorted(os.path.join(folder, name) for folder, _, names in os.walk(args.corpus) for name in names if name.endswith(".ttir"))
    files = [f for f in files if args.match in f][:: args.every]
    if not files:
        print(f"no .ttir files under {args.corpus}")
        return 1
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda f: compile_one(args, f), files))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
    counts = {}
    for r in results:
        counts[r["status"]] = counts.get(r["status"], 0) + 1
    reasons = {}
    for r in results:
        if r["status"] == "refused":
            reason = re.sub(r"\S*:\d+:\d+:?", "", r["message"].splitlines()[0]).strip()[:110]
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:25]:
        print(f"refused {count:5}  {reason}")
    for r in results:
        if not r["good"]:
            print(f"FAILED  {os.path.relpath(r['file'], args.corpus)}: {r['status']} {r.get('message', '')}".splitlines()[0][:300])
    times = sorted(r["compile_seconds"] for r in results if "compile_seconds" in r)
    sizes = sorted(r["image_bytes"] for r in results if "image_bytes" in r)
    if times:
        print(f"compile time: median {times[len(times) // 2] * 1e3:.1f} ms, largest {times[-1] * 1e3:.1f} ms; "
              f"image: median {sizes[len(sizes) // 2]} bytes, largest {sizes[-1]} bytes")
    print(", ".join(f"{count} {status}" for status, count in sorted(counts.items(), key=lambda item: -item[1])))
    return 0 if all(r["good"] for r in results) else 1


sys.exit(main())
