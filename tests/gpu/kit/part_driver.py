# SPDX-License-Identifier: MIT
import json
import os

from kit import core

TITLE = "the driver library on the device: launches, graphs, benchmark, threads, fork, asserts, faults, errors"

NAMES = ["basic", "errors", "graph", "benchmark", "threads", "fork", "assert", "fault", "launch"]


def program(kit):
    for p in (kit.root.parent / "lib" / "tessera" / "tdriver-cuda", kit.root / "libtdriver" / "tests" / "tdriver-cuda"):
        if os.access(p, os.X_OK):
            return p
    return None


def environment(kit):
    """On the emulator the parts run over a stand-in for the vendor's driver; None if it is not there."""
    if not kit.emulated:
        return {}
    fake = kit.root / "libtdriver" / "tests" / "libtdriver-fake-cuda.so"
    return {"TESSERA_LIBCUDA": str(fake), "TDRIVER_TEST_FAKE": "1"} if fake.exists() else None


def run(kit):
    test, env = program(kit), environment(kit)
    if not test or env is None:
        kit.row("tdriver-cuda", core.SKIPPED, "no program tdriver-cuda here" if not test else "no stand-in for the driver here")
        return
    for name in NAMES:
        if kit.a.only and kit.a.only not in name:
            continue
        if kit.left() < 5:
            kit.row(name, core.NOT_RUN, "time is up")
            continue
        code, out = kit.call([test, name], 120, env)
        kit.log(f"--- {test.name} {name}: exit {code}\n{out}")
        said = []
        for line in out.splitlines():
            if line.startswith("{"):
                try:
                    said.append(json.loads(line))
                except ValueError:
                    pass
        if code == 77:
            kit.row(name, core.SKIPPED, out.strip().splitlines()[-1])
            continue
        bad = [x for x in out.splitlines() if "failed:" in x or "status" in x or "no end" in x]
        kit.row(name, core.GOOD if code == 0 else core.FAILED, "" if code == 0 else f"exit {code}: {(bad or [out[-300:]])[0][:300]}",
                said=said)
        kit.say(f"{name}: exit {code}")
        if name == "launch" and code == 0:
            rows = [r for r in said if r.get("bench") == "launch_us"]
            kit.notes["launch"] = rows
            kit.notes["tables"].append("\nlaunch, us a call (goal: at most 0.3 more than the bare call)\n" + core.table(rows, [
                ("arguments", "args"), ("bare cuLaunchKernelEx", "bare"), ("packed", "packed"), ("more", "packed_more"),
                ("pointers", "pointers"), ("more", "pointers_more")]))
        if name == "benchmark" and code == 0:
            rows = [r for r in said if r.get("bench") == "add"]
            kit.notes["tables"].append("\ntdriver_benchmark of a hand-written vector add\n" + core.table(rows, [
                ("n", "n"), ("asked", "asked"), ("mode", "mode"), ("median us", "median_us"), ("GB/s", "gb_per_s"), ("samples", "samples")]))
