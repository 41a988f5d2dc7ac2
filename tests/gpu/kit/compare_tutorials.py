# SPDX-License-Identifier: MIT
"""compare_tutorials.py THEIRS.pt OURS.pt: one JSON list of rows, results of two runs of tutorials.py side by side."""
import json
import sys

import torch


def main():
    theirs, ours = (torch.load(p, weights_only=False) for p in sys.argv[1:3])
    peers = {r["name"]: r for r in theirs["rows"]}
    rows = []
    for r in ours["rows"]:
        row = {"name": r["name"], "ours_ms": r.get("ms"), "first_s": r.get("first_s"), "error": r.get("error"), "not_run": r.get("not_run")}
        p = peers.get(r["name"])
        if p is None or "values" not in p:
            row["peer"] = p.get("error", "not run") if p else "not run"
        else:
            row["triton_ms"], row["triton_first_s"] = p.get("ms"), p.get("first_s")
            if "values" in r:
                worst = 0.0
                for a, b in zip(r["values"], p["values"]):
                    a, b = a.double(), b.double()
                    if a.shape != b.shape or not torch.equal(a.isfinite(), b.isfinite()):
                        worst = float("inf")
                        continue
                    a, b = a[a.isfinite()], b[b.isfinite()]
                    if b.numel():
                        worst = max(worst, ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item())
                row["difference"], row["tolerance"] = worst, r["tolerance"]
        rows.append(row)
    print(json.dumps({"triton": theirs["triton"], "rows": rows}))


main()
