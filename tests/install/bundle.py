#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/bundle.    bundle.py ROOT BUILD [--full]

Quick: what is packed from a build that links LLVM's shared library is refused, by the name of what it would need on the
other machine. --full: a release bundle is built, is small enough, and its command and test kit run from where it was
unpacked, with nothing else in the environment.
"""
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

LIMIT = 25 << 20


def run(command, **more):
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    return r.returncode, r.stdout


def main():
    root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    bundle = root / "tools" / "bundle"
    code, out = run([bundle, "--unknown"])
    assert code == 1 and "unknown argument '--unknown'" in out, out
    with tempfile.TemporaryDirectory() as folder:
        archive = pathlib.Path(folder) / "t.tar.xz"
        if "--full" not in sys.argv:
            code, out = run([bundle, "--no-build", "--build", build, "--out", archive])
            assert code == 1 and "would need libLLVM" in out and not archive.exists(), out
            return print("a bundle of a build with shared LLVM is refused")
        code, out = run([bundle, "--build", build, "--out", archive])
        print(out[-2000:])
        assert code == 0 and archive.stat().st_size <= LIMIT
        with tarfile.open(archive) as t:
            t.extractall(folder)
        top = next(p for p in pathlib.Path(folder).iterdir() if p.is_dir())
        bare = {"PATH": "/usr/bin:/bin", "HOME": folder, "LC_ALL": "C"}
        code, out = run([top / "bin" / "tessera-gpu-test", "--target", "emu:90a", "--part", "norms@4,layouts@4,matrix@4", "--out",
                         os.path.join(folder, "out")], env=bare)
        print(out[-2000:])
        assert code == 0 and "12 pass" not in out and "FAIL norms" not in out
        for name in ("table.txt", "results.json", "log.txt"):
            assert os.path.getsize(os.path.join(folder, "out", name)) > 0, name


main()
