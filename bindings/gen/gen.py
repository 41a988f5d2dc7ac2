#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads the public C headers into api.json, and writes from it what the bindings are made of.

A developer who changed a public header runs it without arguments and commits what changed. It needs clang 22; nothing
else does. --from-json leaves the headers alone and writes the generated files anew; --check writes nothing and fails
if a file would change; --clang names the compiler."""

import argparse
import hashlib
import json
import os
import sys

import emit_fast
import emit_python
import read_headers

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
API = os.path.join(HERE, "api.json")


def dump(api):
    return json.dumps(api, indent=1, ensure_ascii=False) + "\n"


def digest_of(api):
    """Names what the emitters see: hashes of headers and texts of comments are not part of it."""

    def strip(node):
        if isinstance(node, dict):
            return {k: strip(v) for k, v in node.items() if k not in ("doc", "headers", "c")}
        return [strip(v) for v in node] if isinstance(node, list) else node

    return hashlib.sha256(json.dumps(strip(api), sort_keys=True).encode()).hexdigest()[:16]


def generated(api):
    """path below the root -> text of every generated file."""
    digest = digest_of(api)
    files = {}
    for name in api["libraries"]:
        files[f"bindings/python/tessera/_raw/{name}.py"] = emit_python.emit(api, name, digest)
    for name, text in emit_fast.emit(api, digest).items():
        files[f"bindings/python/src/{name}"] = text
    return files


def text_of(path):
    """A file's text, None if there is none."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from-json", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--clang", default="clang-22")
    args = parser.parse_args()
    if args.from_json:
        with open(API, encoding="utf-8") as file:
            api = json.load(file)
        files = {}
    else:
        try:
            api = read_headers.read(ROOT, args.clang)
        except FileNotFoundError:
            sys.exit(f"gen.py: {args.clang} is not installed")
        except read_headers.HeaderError as error:
            sys.exit(f"gen.py: {error}")
        files = {"bindings/gen/api.json": dump(api)}
    files.update(generated(api))
    stale = 0
    for path, text in files.items():
        full = os.path.join(ROOT, path)
        old = text_of(full)
        if old == text:
            continue
        stale += 1
        if args.check:
            print(f"{path} is not what the headers and emitters give; run bindings/gen/gen.py")
        else:
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
            print(f"wrote {path}")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
