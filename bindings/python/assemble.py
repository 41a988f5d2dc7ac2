#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the package's folder in the build directory: Python files and extensions, copied where they differ; what is no
more in the source goes. --list prints the Python files instead."""

import argparse
import filecmp
import os
import shutil


def sources(folder):
    """Files of the package below `folder`, sorted, relative to it."""
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f != "__pycache__")
        found += [
            os.path.relpath(os.path.join(where, name), folder)
            for name in files
            if name.endswith((".py", ".pyi", ".typed"))
        ]
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--to")
    parser.add_argument("--stamp")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("extensions", nargs="*", help="file=folder in the package")
    args = parser.parse_args()
    files = sources(args.source)
    if args.list:
        print("\n".join(files))
        return
    wanted = {path: os.path.join(args.source, path) for path in files}
    for item in args.extensions:
        path, _, folder = item.rpartition("=")
        wanted[os.path.join(folder, os.path.basename(path))] = path
    for path, origin in wanted.items():
        target = os.path.join(args.to, path)
        if not os.path.exists(target) or not filecmp.cmp(origin, target, shallow=False):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            # A new file, not new bytes in the old one: a process may have the old one mapped.
            shutil.copy2(origin, target + ".new")
            os.replace(target + ".new", target)
    for where, folders, names in os.walk(args.to, topdown=False):
        if os.path.basename(where) == "__pycache__":
            continue
        for name in names:
            path = os.path.relpath(os.path.join(where, name), args.to)
            if path not in wanted:
                os.remove(os.path.join(args.to, path))
        if not any(name for name in os.listdir(where) if name != "__pycache__"):
            shutil.rmtree(where)
    if args.stamp:
        with open(args.stamp, "w", encoding="utf-8") as file:
            file.write("\n".join(wanted) + "\n")


if __name__ == "__main__":
    main()
