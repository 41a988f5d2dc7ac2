# SPDX-License-Identifier: MIT
import json
import os
import shutil
import subprocess
import sys

from kit import bench_cases, core, part_driver, part_norms

TITLE = "times beside Triton and PyTorch where installed: vector add, softmax, layer norm, matmul, launches"


def peers_here():
    code = "import torch, triton; assert torch.cuda.is_available(); print(torch.__version__, triton.__version__)"
    for python in dict.fromkeys([sys.executable, shutil.which("python3")]):
        try:
            r = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120)
        except (subprocess.TimeoutExpired, OSError):
            continue
        if r.returncode == 0:
            return python, r.stdout.strip()
    return None, ""


def rate(row, ms):
    if not ms:
        return None
    per_second = row["amount"] / ms * 1e3
    return f"{per_second / 1e12:.2f} TB/s" if row["unit"] == "bytes" else f"{per_second / 1e12:.0f} TFLOP/s"


def with_peers(kit, python):
    out = kit.out / "bench.json"
    keep = kit.work / "bench"
    env = {"PYTHONPATH": os.pathsep.join([str(core.HERE.parent), os.environ.get("PYTHONPATH", "")]), "PYTHONUNBUFFERED": "1",
           "TRITON_CACHE_DIR": str(kit.work / "triton")}
    code, text = kit.call([python, "-m", "kit.peers", "--tessera", kit.tessera, "--out", out, "--only", kit.a.only, "--keep", keep,
                           "--seconds", max(30, kit.left() - 60)], kit.left() - 5, env)
    kit.log(f"--- kit.peers: exit {code}\n{text[-20000:]}")
    if not out.exists():
        kit.row("peers", core.FAILED, f"exit {code}: {text.strip()[-300:]}")
        return set()
    whole = json.loads(out.read_text())
    kit.notes["peers"] = {k: whole.get(k) for k in ("gpu", "torch", "triton", "target")}
    done = set()
    rows = whole["rows"]
    for r in rows:
        more = {k: v for k, v in r.items() if k not in ("name", "variants", "error")}
        if "not_run" in r:
            kit.row(r["name"], core.NOT_RUN, r["not_run"])
        elif "ours_ms" not in r:
            kit.row(r["name"], core.FAILED, r.get("error", "?"))
        elif r["difference"] > 2e-2:
            kit.row(r["name"], core.FAILED, f"results differ from Triton's: relative error {r['difference']:.3g}", **more)
        else:
            done.add(r["name"])
            met = r["goal"] is None or r["ratio"] <= r["goal"]
            kit.row(r["name"], core.GOOD, "" if met else f"ratio {r['ratio']:.3f}, goal {r['goal']}", met=met, **more)
    if code:
        kit.row("peers", core.FAILED, f"exit {code}: {text.strip()[-300:]}")
    kit.notes["tables"].append(f"\nbench on {whole['gpu']}: Triton {whole['triton']}, PyTorch {whole['torch']}; medians, L2 flushed\n" + core.table(
        [r for r in rows if "triton_ms" in r], [
            ("kernel", "name"), ("ours us", lambda r: r.get("ours_ms") and r["ours_ms"] * 1e3), ("rate", lambda r: rate(r, r.get("ours_ms"))),
            ("Triton us", lambda r: r["triton_ms"] * 1e3), ("rate", lambda r: rate(r, r["triton_ms"])),
            ("PyTorch us", lambda r: r["torch_ms"] * 1e3), ("ratio", lambda r: f"{r['ratio']:.3f}" if "ratio" in r else None),
            ("goal", "goal"), ("met", lambda r: None if not r.get("goal") or "ratio" not in r else "yes" if r["ratio"] <= r["goal"] else "NO"),
            ("same variant", lambda r: f"{r['ratio_same_variant']:.3f}" if r.get("ratio_same_variant") else None),
            ("ours best", lambda r: (r.get("ours_best") or "").replace("'", "")), ("Triton best", lambda r: r["triton_best"].replace("'", ""))]))
    return done


def alone(kit, done):
    """With the command only, from the checked-in TTIR: where there is no peer, or the way beside it failed."""
    rows = []
    for case in bench_cases.all_cases(small=kit.emulated):
        if case.name in done or kit.a.only not in case.name:
            continue
        if kit.left() < 20:
            kit.row(case.name + " alone", core.NOT_RUN, "time is up")
            continue
        total, state, why, best = 0.0, core.GOOD, "", []
        for step in case.steps:
            times = []
            for variant in step.variants:
                grid, _, warps, stages = variant
                args = []
                for a in step.args:
                    if isinstance(a, str):
                        element, shape, how = case.tensors[a]
                        args.append(f"{'rand' if how == 'rand' else 'out'}:{element}[{'x'.join(map(str, shape))}]")
                    elif isinstance(a, float):
                        args.append(f"f32:{a}")
                    elif a != 1:
                        args.append(f"i32:{a}")
                options = ["--grid", str(grid), "--bench", "--json"] + (["--no-promises"] if kit.emulated else [])
                c = core.Case(case.name, part_norms.KERNELS / step.file(variant), [*args, *options], warps=warps, stages=stages, check=None)
                if not os.path.exists(c.file):
                    why = f"no file {os.path.basename(c.file)}"
                    continue
                code, out = kit.call(c.command(kit), 120)
                try:
                    times.append((json.loads(out[out.index("{"):])["bench"]["median_s"] * 1e3, f"{variant[1]} grid {grid} warps {warps} stages {stages}"))
                except (ValueError, KeyError):
                    kit.log(f"--- bench {case.name}: exit {code}\n{out[-1500:]}")
                    why = kit.judge(code, out)[1] or "no time in the output"
            if not times:
                state = core.FAILED
                break
            total += min(times)[0]
            best.append(min(times)[1])
        r = kit.row(case.name + " alone", state, why if state == core.FAILED else "", goal=case.goal, amount=case.amount, unit=case.unit,
                    ours_ms=total if state == core.GOOD else None, ours_best=best)
        rows.append(r)
        kit.say(f"{case.name}: {total * 1e3:.1f} us" if state == core.GOOD else f"{case.name}: {why}")
    if rows:
        kit.notes["tables"].append("\nbench, the command alone (no peer beside it)\n" + core.table(rows, [
            ("kernel", "name"), ("us", lambda r: r["ours_ms"] and r["ours_ms"] * 1e3), ("rate", lambda r: rate(r, r["ours_ms"])),
            ("variant", lambda r: " | ".join(r["ours_best"]).replace("'", ""))]))


def run(kit):
    done = set()
    if not kit.emulated:
        python, versions = peers_here()
        kit.say(f"torch and triton {versions}" if python else "no torch with a device and triton here: Tessera is measured alone")
        if python:
            done = with_peers(kit, python)
    alone(kit, done)
    if not kit.emulated and not any(r["part"] == "driver" and r["name"] == "launch" for r in kit.rows):
        test = part_driver.program(kit)
        if test and (not kit.a.only or kit.a.only in "launch"):
            part_driver.NAMES, names = ["launch"], part_driver.NAMES
            only, kit.a.only = kit.a.only, ""
            part_driver.run(kit)
            part_driver.NAMES, kit.a.only = names, only
