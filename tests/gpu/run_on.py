#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernels of tests/run on another target: every `tessera run … --check interp` of their RUN lines, for each
combination of --warps and --stages. Prints a table; --json FILE keeps it.

    tests/gpu/run_on.py --tessera build/tessera --target emu:90a [--warps 1,4,8] [--stages 1,3] [FILE...]
"""
import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import time

root = pathlib.Path(__file__).resolve().parent.parent


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="*", type=pathlib.Path, help="default: tests/run/*.ttir")
    p.add_argument("--tessera", required=True)
    p.add_argument("--target", required=True)
    p.add_argument("--warps", default="4", help="values of num_warps, joined by commas")
    p.add_argument("--stages", default="3", help="values of num_stages")
    p.add_argument("--limit", type=float, default=1e9, help="seconds after which no further kernel is started")
    p.add_argument("--json", type=pathlib.Path)
    a = p.parse_args()
    files = a.files or sorted((root / "run").glob("*.ttir"))
    started, rows = time.time(), []
    for f in files:
        text = f.read_text()
        for line in re.findall(r"^// RUN: %tessera run (.*--check interp.*)$", text, re.M):
            for w in a.warps.split(","):
                for s in a.stages.split(","):
                    if "tt.dot" not in text and s != a.stages.split(",")[0]:
                        continue
                    if time.time() - started > a.limit:
                        rows.append({"file": f.name, "warps": w, "stages": s, "state": "not run", "why": "time limit"})
                        continue
                    args = shlex.split(line.replace("%s", str(f)))
                    cmd = [a.tessera, "run", *args, "--target", a.target, "--num-warps", w, "--num-stages", s]
                    try:
                        r = subprocess.run(cmd, capture_output=True, text=True, timeout=120)
                        out = r.stdout + r.stderr
                        state = "agree" if r.returncode == 0 else "refused" if "not implemented" in out else "FAILED"
                        why = "" if state == "agree" else out.strip().splitlines()[-1][:300] if out.strip() else str(r.returncode)
                        if state == "refused":
                            why = next(x for x in out.splitlines() if "not implemented" in x)[:300]
                    except subprocess.TimeoutExpired:
                        state, why = "FAILED", "no end after 120 s"
                    rows.append({"file": f.name, "warps": w, "stages": s, "state": state, "why": why, "args": line})
                    if state != "agree":
                        print(f"{state:8} {f.name} warps={w} stages={s}: {why}", flush=True)
    count = {}
    for r in rows:
        count[r["state"]] = count.get(r["state"], 0) + 1
    print(f"{a.target}: " + ", ".join(f"{n} {s}" for s, n in sorted(count.items())))
    if a.json:
        a.json.write_text(json.dumps(rows, indent=1))
    sys.exit(1 if count.get("FAILED") else 0)


main()
