# SPDX-License-Identifier: MIT
import json
import os
import pathlib

from kit import core, part_bench

TITLE = "Triton's tutorials from their unchanged files (TESSERA_TUTORIALS names the folder): Tessera beside Triton, a process each"


def package(kit):
    for p in (kit.root.parent / "python", kit.root / "python"):  # the bundle, a build tree
        if (p / "tessera" / "__init__.py").exists():
            return p
    return None


def run(kit):
    folder = os.environ.get("TESSERA_TUTORIALS", "")
    where = package(kit)
    python, versions = (None, "") if kit.emulated else part_bench.peers_here()
    why = ("needs a GPU" if kit.emulated else "no torch with a device and triton here" if not python else
           "TESSERA_TUTORIALS names no folder" if not folder or not pathlib.Path(folder).is_dir() else
           "no Python package here" if not where else "")
    if why:
        kit.row("tutorials", core.SKIPPED, why)
        return
    script = core.HERE / "tutorials.py"
    out = {side: kit.work / f"{side}.pt" for side in ("triton", "tessera")}
    only = ["--only", kit.a.only] if kit.a.only else []
    base = {"PYTHONUNBUFFERED": "1", "TRITON_CACHE_DIR": str(kit.work / "triton")}
    ours = dict(base, PYTHONPATH=str(where), TESSERA_LIBRARY_PATH=str(kit.root.parent / "lib"))
    if kit.in_build:
        ours["TESSERA_LIBRARY_PATH"] = os.pathsep.join(str(kit.root / f"lib{n}") for n in ("tir", "tcodegen", "tdriver", "tcache", "tkernels"))
    for side, head, env in (("tessera", [python, "-m", "tessera.triton"], ours), ("triton", [python], base)):
        seconds = max(20, kit.left() * (0.6 if side == "tessera" else 0.95))
        code, text = kit.call([*head, script, folder, "--out", out[side], "--seconds", max(10, seconds - 15), *only], seconds, env)
        kit.log(f"--- {side}: exit {code}\n{text[-60000:]}")
        kit.say(f"{side}: exit {code}")
        if not out[side].exists():
            kit.row(side, core.FAILED, f"exit {code}: {text.strip()[-400:]}")
            return
        if code:
            kit.row(side, core.FAILED, f"exit {code}")
    code, text = kit.call([python, core.HERE / "compare_tutorials.py", out["triton"], out["tessera"]], 120)
    kit.log(f"--- comparison: exit {code}\n{text[-3000:] if code else ''}")
    if code:
        kit.row("comparison", core.FAILED, f"exit {code}: {text.strip()[-400:]}")
        return
    whole = json.loads(text[text.index("{"):])
    for r in whole["rows"]:
        if r["not_run"]:
            state, said = core.NOT_RUN, r["not_run"]
        elif r["error"]:
            state, said = (core.REFUSED if "not implemented" in r["error"] else core.FAILED), r["error"][:300]
        elif "difference" not in r:
            state, said = core.SKIPPED, f"no peer: {r['peer'][:200]}"
        else:
            good = r["difference"] <= r["tolerance"]
            state, said = core.GOOD if good else core.FAILED, "" if good else f"relative difference {r['difference']:.3g}, allowed {r['tolerance']:.3g}"
        kit.row(r["name"], state, said, **{k: v for k, v in r.items() if k != "name"})
    kit.notes["tables"].append(f"\ntutorials: Tessera beside Triton {whole['triton']}; medians, L2 flushed; first: seconds to the first result\n" + core.table(
        whole["rows"], [
            ("kernel", "name"), ("difference", lambda r: f"{r['difference']:.2g}" if "difference" in r else r["error"] and r["error"][:40]),
            ("ours ms", lambda r: r["ours_ms"] and f"{r['ours_ms']:.3f}"), ("Triton ms", lambda r: r.get("triton_ms") and f"{r['triton_ms']:.3f}"),
            ("ratio", lambda r: f"{r['ours_ms'] / r['triton_ms']:.3f}" if r["ours_ms"] and r.get("triton_ms") else None),
            ("first s", lambda r: r["first_s"] and f"{r['first_s']:.2f}"), ("Triton", lambda r: r.get("triton_first_s") and f"{r['triton_first_s']:.2f}")]))
