# SPDX-License-Identifier: MIT
import re
import sys

from kit import core

TITLE = "random_ops.py: one operation at a time, random shapes, types and numbers of warps, against the interpreter"


def run(kit):
    command = [sys.executable, core.HERE.parent / "random_ops.py", "--tessera", kit.tessera, "--target", kit.target, "--count",
               kit.count or 10, "--seed", kit.seed, "--jobs", kit.jobs, "--keep", kit.work / "ops"]
    code, out = kit.call(command + (["--only", kit.a.only] if kit.a.only else []), kit.left() - 5, {"PYTHONUNBUFFERED": "1"})
    kit.log(f"--- random_ops.py: exit {code}\n{out[-40000:]}")
    whys = {}
    for state, name, rest in re.findall(r"^(\w+) +(\w+) (seed=.*)$", out, re.M):
        whys.setdefault((name, state), []).append(rest)
    kinds = re.findall(r"^\S+ (\w+): ((?:\d+ \w+(?:, )?)+)$", out, re.M)
    for name, counts in kinds:
        for n, state in re.findall(r"(\d+) (\w+)", counts):
            kind = {"agree": core.GOOD, "refused": core.REFUSED}.get(state, core.FAILED)
            why = whys.get((name, state), [""])
            for i in range(int(n)):
                kit.row(f"{name} {i if kind == core.GOOD else ''}".strip(), kind, "" if kind == core.GOOD else why[min(i, len(why) - 1)][:300])
    if code is None or not kinds:
        kit.row("random_ops.py", core.FAILED, f"exit {code}: {out.strip()[-300:]}")
