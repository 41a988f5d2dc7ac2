# SPDX-License-Identifier: MIT
import concurrent.futures
import glob
import os
import re
import sys

from kit import core

TITLE = "the tutorials' kernels as Triton wrote them (--corpus FOLDER), at sizes that are no multiples of their blocks, against numpy"

KERNELS = ["add_kernel", "softmax_kernel", "_layer_norm_fwd_fused", "_layer_norm_bwd_dwdb", "_layer_norm_bwd_dx_fused", "_attn_bwd_preprocess",
           "matmul_kernel", "matmul_kernel_persistent"]


def run(kit):
    script = next((p for p in (core.HERE.parent / "named_kernels.py", core.HERE.parents[1] / "corpus" / "named_kernels.py") if p.exists()), None)
    folder = kit.a.corpus or os.environ.get("TESSERA_CORPUS")
    try:
        import numpy  # noqa: F401
    except ImportError:
        folder, script = None, None
    if not folder or not script or not glob.glob(f"{folder}/ttir*/tutorials/*.ttir"):
        kit.row("tutorials", core.SKIPPED, "needs numpy and --corpus FOLDER with ttir*/tutorials/*.ttir")
        return

    def one(job):
        kernel, warps = job
        command = [sys.executable, script, "--tessera", kit.tessera, "--corpus", folder, "--kernel", kernel, "--target", kit.target,
                   f"--option=--num-warps={warps}"]
        return job, kit.call(command, kit.left() - 5)

    jobs = [(k, w) for w in (4, 8, 2) for k in reversed(KERNELS) if kit.a.only in k][:kit.count or None]
    with concurrent.futures.ThreadPoolExecutor(kit.jobs) as pool:
        for (kernel, warps), (code, out) in pool.map(one, jobs):
            kit.log(f"--- named_kernels.py {kernel} {warps} warps: exit {code}\n{out[-4000:]}")
            counts = re.findall(r"^(\d+) good, (\d+) bad$", out, re.M)
            bad = [x for x in out.splitlines() if x.startswith("FAILED")]
            why = "" if code == 0 else (bad or [out.strip()[-300:]])[0][:300]
            if code is None and not bad:
                kit.row(f"{kernel} {warps} warps", core.NOT_RUN, "time is up")
                continue
            state = core.GOOD if code == 0 else core.REFUSED if bad and all("not implemented" in x for x in bad) else core.FAILED
            kit.row(f"{kernel} {warps} warps", state, why, good=int(counts[-1][0]) if counts else 0, bad=int(counts[-1][1]) if counts else None)
            kit.say(f"{kernel}, {warps} warps: {counts[-1][0] + ' good, ' + counts[-1][1] + ' bad' if counts else 'exit ' + str(code)}")
