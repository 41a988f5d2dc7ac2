#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs the build into an empty folder, and builds and runs the examples against what is there: with the installed
pkg-config files, the installed headers, and no variable that names the build.

examples.py MESON BUILD SOURCE [--run]: without --run (a build without compiler) the examples are only built."""
import os
import shlex
import subprocess
import sys
import tempfile


def call(command, **more):
    result = subprocess.run(command, capture_output=True, text=True, **more)
    if result.returncode:
        print(f"FAILED ({result.returncode}): {' '.join(command)}\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
        sys.exit(1)
    return result.stdout


def main():
    meson, build, source, *rest = sys.argv[1:]
    run = "--run" in rest
    with tempfile.TemporaryDirectory() as folder:
        call([meson, "install", "-C", build, "--no-rebuild", "--destdir", folder, "--quiet"])
        pkgconfig = [d for d, _, names in os.walk(folder) if "tkernels.pc" in names]
        if len(pkgconfig) != 1:
            print(f"FAILED: tkernels.pc was installed into {pkgconfig}, expected one folder")
            sys.exit(1)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("TESSERA_", "LD_LIBRARY"))}
        environment["PKG_CONFIG_PATH"] = pkgconfig[0]
        environment["PKG_CONFIG_SYSROOT_DIR"] = folder
        environment["TESSERA_CACHE_DIR"] = os.path.join(folder, "cache")
        libraries = os.path.dirname(pkgconfig[0])
        for name in ("tir", "tcache", "tdriver", "tkernels") + (("tcodegen",) if run else ()):
            version = call(["pkg-config", "--modversion", name], env=environment).strip()
            if version.count(".") != 2:
                print(f"FAILED: version of {name} is '{version}'")
                sys.exit(1)
        for program, modules, arguments in (("build_kernel", ["tir", "tkernels"], []),
                                            ("run_ttir", ["tkernels"], [os.path.join(source, "tests/run/add_f32.ttir")])):
            flags = shlex.split(call(["pkg-config", "--cflags", "--libs", *modules], env=environment))
            out = os.path.join(folder, program)
            compiler = shlex.split(os.environ.get("CC", "cc").replace("ccache ", ""))
            call([*compiler, "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror",
                  os.path.join(source, f"tests/examples/c/{program}.c"), *flags, f"-Wl,-rpath,{libraries}", "-o", out])
            if run:
                print(call([out, *arguments], env=environment).strip())
            needed = call(["readelf", "-d", out])
            if "tcodegen" in needed or "LLVM" in needed:
                print(f"FAILED: {program} needs the compiler at load time")
                sys.exit(1)
        command = [os.path.join(d, "tessera") for d, _, names in os.walk(folder) if "tessera" in names and d.endswith("bin")]
        if command:
            print(call([command[0], "version"], env=environment).strip().splitlines()[0])
            if run:
                print(call([command[0], "run", os.path.join(source, "tests/run/add_f32.ttir"), "--grid", "2", "rand:f32[300]", "rand:f32[300]",
                            "out:f32[300]", "i32:300", "--check", "interp"], env=environment).splitlines()[0])
        print("the examples are good" if run else "the examples build (this build has no compiler to run them)")


main()
