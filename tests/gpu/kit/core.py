# SPDX-License-Identifier: MIT
"""What all parts share: finding the programs, running many cases side by side, rows, tables, the command line.

A part is a module kit/part_NAME.py with TITLE (one line) and run(kit), which reports rows by kit.row(). See README.md.
"""
import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

PARTS = ["driver", "run", "norms", "matrix", "layouts", "ops", "corpus", "determinism", "sanitizer", "bench", "python"]
HERE = pathlib.Path(__file__).resolve().parent
PART_SECONDS = 480  # no part takes longer: what is left then is reported as not run
GOOD, FAILED, REFUSED, SKIPPED, NOT_RUN = "pass", "FAIL", "refused", "skipped", "not run"


class Case:
    """One `tessera run`: a kernel's file, its arguments, how it is compiled."""

    def __init__(self, name, file, args, warps=4, stages=None, check="interp", options=(), target=None, timeout=120, **more):
        self.name, self.file, self.args, self.warps, self.stages = name, str(file), list(args), warps, stages
        self.check, self.options, self.target, self.timeout, self.more = check, list(options), target, timeout, more

    def command(self, kit):
        target = self.target or kit.target
        c = [str(kit.tessera), "run", self.file, *self.args, "--target", target]
        if self.check:
            c += ["--check", self.check]
        if target[:4] in ("cuda", "emu:", "emu"):
            c += ["--num-warps", str(self.warps)] if self.warps else []
            c += ["--num-stages", str(self.stages)] if self.stages else []
        return c + self.options


class Kit:
    def __init__(self, a):
        self.a, self.target, self.seed, self.count = a, a.target, a.seed, a.count
        self.started = time.time()
        self.deadline = self.started + a.budget
        self.out = pathlib.Path(a.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tessera-gpu-"))
        self.rows, self.part, self.notes = [], "", {}
        self.lock = threading.Lock()
        self.log_file = open(self.out / "log.txt", "w", encoding="utf-8", errors="replace")
        self.tessera = find_tessera(a.tessera)
        self.root = self.tessera.parent  # of a build tree, or bin/
        self.in_build = (self.root / "libtcodegen").is_dir()
        self.env = dict(os.environ, TESSERA_CACHE_DIR=str(self.work / "cache"))
        (self.work / "cache").mkdir()
        if self.in_build:
            self.env["TESSERA_LIBRARY_PATH"] = str(self.root / "libtcodegen")
        self.env.update(x.split("=", 1) for x in a.env)
        self.jobs = a.jobs or min(16, len(os.sched_getaffinity(0)))
        self.emulated = self.target.startswith("emu")
        self.saved = time.time()

    # ---- text
    def say(self, text):
        with self.lock:
            print(f"[{time.time() - self.started:6.1f}] {self.part + ': ' if self.part else ''}{text}", flush=True)
            self.log_file.write(f"[{time.time() - self.started:6.1f}] {self.part}: {text}\n")
            self.log_file.flush()

    def log(self, text):
        with self.lock:
            self.log_file.write(text.rstrip() + "\n")
            self.log_file.flush()

    # ---- results
    def row(self, name, state, why="", **more):
        r = {"part": self.part, "name": name, "state": state, "why": why, **more}
        self.rows.append(r)
        bad = sum(x["part"] == self.part and x["state"] == FAILED for x in self.rows)
        if (state == FAILED and bad <= 10) or (state in (REFUSED, FAILED) and self.a.verbose):
            self.say(f"{state} {name}: {why}")
        if time.time() - self.saved > 10:  # what is known is on disk when somebody ends the process
            self.saved = time.time()
            save(self)
        return r

    def left(self):
        """Seconds that this part may still take."""
        return min(self.part_end, self.deadline) - time.time()

    # ---- programs
    def call(self, command, timeout=120, env=None):
        """(exit code, output). A process that does not end is killed with its children; code None."""
        full = dict(self.env, **(env or {}))
        p = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=full,
                             stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            out, _ = p.communicate(timeout=max(1.0, min(timeout, self.left() + 15)))
            return p.returncode, out.decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            try:
                out, _ = p.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                out = b"(cannot be killed)"
            return None, out.decode(errors="replace") + f"\nno end after {timeout} s"

    def judge(self, code, output):
        """State and one line of reason of a `tessera run`."""
        lines = [x for x in output.strip().splitlines() if x.strip()]
        if code == 0:
            return GOOD, ""
        if code is None:
            return FAILED, lines[-1]
        for x in lines:
            if code in (2, 4) and ("not implemented" in x or "unsupported" in x or "shared memory;" in x or "has no" in x):
                return REFUSED, x[-300:]
        said = [x for x in lines if "error:" in x] or lines or ["nothing printed"]
        differ = [x.strip() for x in lines if "elements differ" in x]
        return FAILED, f"exit {code}: {(differ + said)[0][:300]}"

    def one(self, case):
        if self.left() <= 0:
            return case, NOT_RUN, "time is up", 0.0
        begin = time.time()
        command = case.command(self)
        code, output = self.call(command, case.timeout)
        state, why = self.judge(code, output)
        if state != GOOD:
            self.log(f"--- {state} {self.part} {case.name}\n$ {' '.join(command)}\n{output[-3000:]}")
        return case, state, why, time.time() - begin

    def run_cases(self, cases, jobs=None, title="cases"):
        """All cases, several at a time; a row for each, a line every few seconds. Returns the rows."""
        rows, bad, last = [], 0, time.time()
        with concurrent.futures.ThreadPoolExecutor(jobs or self.jobs) as pool:
            waiting = [pool.submit(self.one, c) for c in cases]
            for i, f in enumerate(concurrent.futures.as_completed(waiting)):
                case, state, why, seconds = f.result()
                bad += state == FAILED
                rows.append(self.row(case.name, state, why, seconds=round(seconds, 2), warps=case.warps, stages=case.stages,
                                     **case.more))
                if time.time() - last > 5:
                    last = time.time()
                    self.say(f"{i + 1} of {len(cases)} {title}, {bad} failed")
        return rows

    def compile_all(self, requests, jobs=None):
        """(file, kernel, warps, stages, target) into the cache, over all cores."""
        def one(q):
            file, kernel, warps, stages, target = q
            options = ",".join(([f"num_warps={warps}"] if warps else []) + ([f"num_stages={stages}"] if stages else []))
            command = [self.tessera, "compile", file, "--kernel", kernel, "--target", target, "-o", os.devnull, "--time"]
            return q, self.call(command + (["--options", options] if options else []), 120)
        with concurrent.futures.ThreadPoolExecutor(jobs or self.jobs) as pool:
            return list(pool.map(one, requests))

    def ptx(self, file, warps=4, stages=None, target=None):
        """The PTX text that a file compiles to, or None."""
        options = f"num_warps={warps},assembler=3" + (f",num_stages={stages}" if stages else "")  # 3: it stays PTX
        out = self.work / f"{threading.get_ident()}.ptx"
        code, _ = self.call([self.tessera, "compile", file, "--target", target or self.arch(), "--options", options, "--emit", "ptx",
                             "-o", out])
        return out.read_text() if code == 0 and out.exists() else None

    def arch(self):
        """What to compile for: of the emulated GPU, or of the real one."""
        if self.emulated:
            return "cuda:" + (self.target.partition(":")[2] or "90a")
        if "arch" not in self.notes:
            code, out = self.call([self.tessera, "devices"], 60)
            found = re.search(r"^cuda.*compute capability (\d+)\.(\d+)", out, re.M)
            n = int(found[1]) * 10 + int(found[2]) if found else 90
            self.notes["arch"] = f"cuda:{n}{'a' if n >= 90 else ''}"
        return self.notes["arch"]


def find_tessera(given):
    places = [given] if given else [HERE.parents[2].parent / "bin" / "tessera", HERE.parents[2] / "build" / "tessera",
                                    shutil.which("tessera")]
    for p in places:
        if p and os.access(p, os.X_OK):
            return pathlib.Path(p).resolve()
    sys.exit(f"tessera-gpu-test: no command tessera ({', '.join(str(p) for p in places if p)}); give --tessera")


def shuffled(kit, cases):
    """Those that --only names, in an order that leaves no kernel out when time or --count cuts the list short."""
    found = [c for c in cases if kit.a.only in c.name]
    random.Random(kit.seed).shuffle(found)
    return found[:kit.count or len(found)]


# ---- tables

def table(rows, columns):
    """Rows as text: columns are (title, key or function), numbers to the right."""
    cells = [[t for t, _ in columns]]
    for r in rows:
        line = []
        for _, key in columns:
            v = key(r) if callable(key) else r.get(key)
            line.append("" if v is None else f"{v:.3g}" if isinstance(v, float) and abs(v) < 100 else
                        f"{v:.0f}" if isinstance(v, float) else str(v))
        cells.append(line)
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    text = []
    for n, line in enumerate(cells):
        text.append("  ".join(c.ljust(w) if i == 0 or n == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip())
        if n == 0:
            text.append("  ".join("-" * w for w in widths))
    return "\n".join(text)


def summary(kit):
    states = [GOOD, FAILED, REFUSED, SKIPPED, NOT_RUN]
    parts, lines = [], []
    for part in dict.fromkeys(r["part"] for r in kit.rows):
        mine = [r for r in kit.rows if r["part"] == part]
        parts.append({"part": part, **{s: sum(r["state"] == s for r in mine) for s in states},
                      "seconds": kit.notes.get("seconds", {}).get(part)})
    lines.append(table(parts, [("part", "part"), *[(s, s) for s in states], ("seconds", "seconds")]))
    for part in parts:
        for state in (FAILED, REFUSED, SKIPPED):
            whys = {}
            for r in kit.rows:
                if r["part"] == part["part"] and r["state"] == state:
                    whys.setdefault(r["why"], []).append(r["name"])
            for why, names in list(whys.items())[:12]:
                lines.append(f"{state} {part['part']}: {names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {why}")
    lines += kit.notes.get("tables", [])
    return "\n".join(lines)


def save(kit):
    notes = {k: v for k, v in kit.notes.items() if k != "tables"}
    whole = {"target": kit.target, "seed": kit.seed, "seconds": round(time.time() - kit.started, 1), "notes": notes, "rows": kit.rows}
    (kit.out / "results.json").write_text(json.dumps(whole, indent=1))
    (kit.out / "table.txt").write_text(summary(kit) + "\n")


def parse():
    p = argparse.ArgumentParser(prog="tessera-gpu-test", description="Tests Tessera's kernels and driver on a GPU, and measures "
                                "them beside Triton and PyTorch where those are installed.",
                                epilog="Writes results.json, table.txt and log.txt (output of what failed) into --out. "
                                "Exit code: 0 nothing failed, 1 something failed, 2 usage, 77 no device.")
    p.add_argument("--part", action="append", default=[], metavar="NAME", help="run this part; may be given several times or as A,B; "
                   "PART@N is the same with --count N for that part only (default: all)")
    p.add_argument("--list", action="store_true", help="name the parts and end")
    p.add_argument("--out", default="gpu-test-results", metavar="DIR", help="where the results go")
    p.add_argument("--budget", type=float, default=3600, metavar="SECONDS", help="for everything; no part takes more than 480")
    p.add_argument("--target", default="cuda", help="cuda, cuda:N or emu:ARCH (the emulator, no GPU needed)")
    p.add_argument("--tessera", metavar="PATH", help="the command (default: the bundle's)")
    p.add_argument("--jobs", type=int, default=0, help="cases side by side (default: one per core, at most 16)")
    p.add_argument("--seed", type=int, default=1, help="of everything random")
    p.add_argument("--count", type=int, default=0, help="of random or repeated things, instead of the part's own number")
    p.add_argument("--only", default="", metavar="TEXT", help="only cases whose name contains this")
    p.add_argument("--sanitize", default="norms,matrix,layouts", metavar="PARTS", help="part sanitizer: cases of these parts")
    p.add_argument("--corpus", metavar="FOLDER", help="part corpus: where ttir*/tutorials/*.ttir are (default: $TESSERA_CORPUS)")
    p.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for the programs that are started")
    p.add_argument("--keep", action="store_true", help="leave the scratch folder (kernels, cache)")
    p.add_argument("--verbose", action="store_true", help="also print what is refused")
    return p.parse_args()


def main():
    a = parse()
    modules = {n: importlib.import_module("kit.part_" + n) for n in PARTS}
    if a.list:
        for n in PARTS:
            print(f"{n:12} {modules[n].TITLE}")
        return 0
    wanted = [x for p in a.part for x in p.split(",")] or PARTS
    for w in wanted:
        if w.partition("@")[0] not in modules:
            print(f"tessera-gpu-test: no part '{w}'; there are {', '.join(PARTS)}", file=sys.stderr)
            return 2
    kit = Kit(a)
    kit.part_end = kit.deadline
    code, devices = kit.call([kit.tessera, "devices"], 60)
    code, version = kit.call([kit.tessera, "version"], 60)
    kit.notes.update(devices=devices.strip(), version=version.strip(), host=os.uname().nodename, cores=len(os.sched_getaffinity(0)))
    print(devices.strip(), version.strip(), sep="\n", flush=True)
    if not kit.emulated and not any(x.strip().startswith("cuda") for x in devices.splitlines()):
        print("tessera-gpu-test: no CUDA device; `--target emu:90a` runs on the emulator")
        return 77
    kit.notes["seconds"] = {}
    kit.notes["tables"] = []
    for w in wanted:
        n, _, count = w.partition("@")
        begin = time.time()
        kit.part, kit.part_end = n, begin + PART_SECONDS
        kit.count = int(count) if count else a.count
        if kit.left() < 5:
            kit.row(n, NOT_RUN, "no time left of --budget")
            continue
        kit.say(modules[n].TITLE)
        try:
            modules[n].run(kit)
        except Exception as e:  # a part must not end the others
            import traceback
            kit.log(traceback.format_exc())
            kit.row(n, FAILED, f"the part itself broke: {e!r}")
        kit.notes["seconds"][n] = round(time.time() - begin, 1)
        mine = [r["state"] for r in kit.rows if r["part"] == n]
        kit.say(", ".join(f"{mine.count(s)} {s}" for s in dict.fromkeys(mine)) + f" in {time.time() - begin:.0f} s")
        save(kit)
    kit.part = ""
    save(kit)
    print("\n" + summary(kit), flush=True)
    print(f"results: {kit.out}/results.json, table.txt, log.txt")
    if a.keep:
        print(f"scratch: {kit.work}")
    else:
        shutil.rmtree(kit.work, ignore_errors=True)
    return 1 if any(r["state"] == FAILED for r in kit.rows) else 0
