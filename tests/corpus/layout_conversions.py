#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Layout conversions that libtcodegen's assign_layouts leaves in a kernel, beside those in the .ttgir that Triton
made of the same kernel (after its pipeliner: a local_load there is a conversion here).

    layout_conversions.py GPU_LAYOUTS_TEST CORPUS [80|90]

CORPUS holds ttir39/**/NAME.ttir and ttgir/sm_CC/NAME.ttgir. Exit status 1 if we convert more in any kernel."""
import re
import subprocess
import sys
from pathlib import Path


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    tool, corpus = sys.argv[1], Path(sys.argv[2])
    sources = {p.stem: p for p in (corpus / "ttir39").rglob("*.ttir")}
    worse = 0
    for capability in sys.argv[3:] or ["80", "90"]:
        total = [0, 0, 0]
        print(f"sm_{capability:45} Triton: converts local_loads | ours: converts in loops of no effect local_allocs")
        for path in sorted((corpus / "ttgir" / f"sm_{capability}").glob("*.ttgir")):
            if path.stem not in sources:
                continue
            text = path.read_text()
            warps = re.search(r'"ttg\.num-warps" = (\d+)', text).group(1)
            theirs = text.count("ttg.convert_layout")
            loads = text.count("ttg.local_load")
            out = subprocess.run([tool, "--count", "--target", capability, "--warps", warps, sources[path.stem]],
                                 capture_output=True, text=True).stdout.split()
            if len(out) != 5:
                print(f"{path.stem:48} {' '.join(out)}")
                continue
            ours, loops, nothing, allocs = map(int, out[1:])
            more = ours > theirs + loads
            worse += more
            total = [total[0] + theirs, total[1] + loads, total[2] + ours]
            print(f"{path.stem:48} {theirs:16} {loads:11} | {ours:14} {loops:8} {nothing:12} {allocs:12}{'  more' if more else ''}")
        print(f"{'together':48} {total[0]:16} {total[1]:11} | {total[2]:14}\n")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
