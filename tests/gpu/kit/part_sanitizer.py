# SPDX-License-Identifier: MIT
import concurrent.futures
import os
import re
import shutil
import time

from kit import core, part_layouts, part_matrix, part_norms, part_run

TITLE = "compute-sanitizer (memcheck, racecheck) over cases of other parts (--sanitize norms,matrix,layouts,run)"


def chosen(kit):
    """A few cases of each part that --sanitize names; small, as every one runs a hundred times slower."""
    found = []
    for part in kit.a.sanitize.split(","):
        if part == "norms":
            found += [c for c in part_norms.cases(kit, small=True) if c.warps in (4,)]
        elif part == "matrix":
            found += [c for c in part_matrix.cases(kit, warps=(2, 4), stages=(3,), sizes=[(64, 64, 64, True)],
                                                   kinds=("f16", "tf32", "int8", "e4m3")) if c.more["order"] in ("nn", "tt")]
        elif part == "layouts":
            found += part_layouts.cases(kit, 12)
        elif part == "run":
            found += [c for c in part_run.cases(kit, warps=(4,), stages=(3,)) if c.target is None]
        else:
            kit.row(part, core.FAILED, f"--sanitize {part}: expected norms, matrix, layouts or run")
    return [c for c in found if kit.a.only in c.name]


def run(kit):
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if kit.emulated or not os.access(tool, os.X_OK):
        kit.row("compute-sanitizer", core.SKIPPED, "the emulator is not a GPU (it checks addresses and races itself)" if kit.emulated
                else "compute-sanitizer is neither in PATH nor in /usr/local/cuda/bin")
        return
    cases = chosen(kit)
    for c in cases:
        c.check = None  # results are compared by the other parts
    # Compiled before, so that the tool does not watch the compiler.
    with concurrent.futures.ThreadPoolExecutor(kit.jobs) as pool:
        list(pool.map(lambda c: kit.call(c.command(kit), 60), cases))

    def one(job):
        c, check = job
        if kit.left() < 10:
            return job, core.NOT_RUN, "time is up", 0.0
        begin = time.time()
        # Reports go to the log; the count is in the summary line. The tool's own exit code tells of the program's.
        code, out = kit.call([tool, "--tool", check, "--print-limit", "20", *c.command(kit)], 150)
        kit.log(f"--- {check} {c.name}: exit {code}\n{out[-3000:]}")
        found = re.search(r"(?:ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: (\d+) hazard)", out)
        if not found:
            return job, core.FAILED, f"exit {code}, no summary: {out.strip()[-200:]}", time.time() - begin
        count = int(found[1] or found[2])
        if count or code:
            lines = [x for x in out.splitlines() if x.startswith("=========") and re.search(r"Invalid|Race|hazard|error|Error", x)]
            return job, core.FAILED, f"{count} reports, exit {code}: {(lines or [out[-200:]])[0][10:260]}", time.time() - begin
        return job, core.GOOD, "", time.time() - begin

    jobs = [(c, check) for c in cases for check in ("memcheck", "racecheck")]
    last = time.time()
    with concurrent.futures.ThreadPoolExecutor(min(6, kit.jobs)) as pool:
        for n, (job, state, why, seconds) in enumerate(pool.map(one, jobs)):
            kit.row(f"{job[1]} {job[0].name}", state, why, seconds=round(seconds, 1))
            if time.time() - last > 5:
                last = time.time()
                kit.say(f"{n + 1} of {len(jobs)}")
