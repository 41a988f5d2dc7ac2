#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is bindings/gen/api.json what the public headers say, and are the generated files what it says?

Without clang: hashes of the headers, the libraries' export lists, rules of the description itself, the generated files,
and (--cc COMPILER...) sizes, offsets, numbers and prototypes, which any C compiler compares with the headers.
--clang reads the headers again instead and compares everything; without clang 22 it is skipped (77)."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import gen
import read_headers

problems = []
FIX = "run bindings/gen/gen.py (it needs clang 22) and commit what it wrote"


def problem(text):
    problems.append(text)


def check_headers(api):
    listed = {h["path"]: h["sha256"] for library in api["libraries"].values() for h in library["headers"]}
    present = set(read_headers.all_headers(gen.ROOT))
    for path in sorted(present ^ set(listed)):
        problem(f"{path} is {'new' if path in present else 'gone'}: {FIX}")
    for path in sorted(present & set(listed)):
        if read_headers.hash_of(gen.ROOT, path) != listed[path]:
            problem(f"{path} changed since api.json was made: {FIX}")


def check_exports(api):
    for name, library in api["libraries"].items():
        with open(os.path.join(gen.ROOT, f"lib{name}", f"lib{name}.sym"), encoding="utf-8") as file:
            text = re.sub(r"#[^\n]*", "", file.read())
        exported = set(re.findall(r"^\s*(\w+);", text, re.M))
        described = {f["name"] for f in library["functions"]}
        for function in sorted(exported - described):
            problem(f"{function} is exported by lib{name} and not in api.json: {FIX}")
        for function in sorted(described - exported):
            problem(f"{function} is in api.json and not in lib{name}.sym")


def check_generated(api):
    for path, text in gen.generated(api).items():
        full = os.path.join(gen.ROOT, path)
        old = gen.text_of(full)
        if old is None:
            problem(f"{path} is missing: run bindings/gen/gen.py --from-json")
        elif old != text:
            problem(
                f"{path} is not what the emitter writes from api.json: run bindings/gen/gen.py --from-json"
            )


def check_rules(api):
    """What a binding relies on."""
    handles, structs, seen = {}, {}, set()
    for library in api["libraries"].values():
        handles.update({h["name"]: h for h in library["handles"]})
        structs.update({s["name"]: s for s in library["structs"]})
    for name, library in api["libraries"].items():
        names = {f["name"] for f in library["functions"]}
        for function in library["functions"]:
            if function["name"] in seen:
                problem(f"{function['name']} is described twice")
            seen.add(function["name"])
            parameters = {p["name"] for p in function["parameters"]}
            for p in function["parameters"]:
                count = p.get("count")
                if isinstance(count, str) and count not in parameters:
                    problem(f"{function['name']}({p['name']}): counted by '{count}', which is no parameter")
                if p["kind"] == "out" and p["type"] in handles and "ownership" not in p:
                    problem(f"{function['name']}({p['name']}): nobody owns it")
                if p.get("ownership") == "owned" and not handles[p["type"]]["destroy"]:
                    problem(f"{function['name']}({p['name']}): owned, and nothing destroys a {p['type']}")
            makes = re.search(r"_(create|clone|open|parse|load|alloc|compile)$", function["name"])
            outs = [p for p in function["parameters"] if p["kind"] == "out" and p["type"] in handles]
            if makes and any(p["ownership"] != "owned" for p in outs):
                problem(f"{function['name']} makes something that its caller does not own")
        for handle in library["handles"]:
            if handle["destroy"] and handle["destroy"] not in names:
                problem(f"{handle['name']}: {handle['destroy']} is no function")
        for struct in library["structs"]:
            if struct["sized"] and struct["fields"][0]["offset"] != 0:
                problem(f"{struct['name']}: struct_size is not first")
        statuses = {
            v["name"].split("_", 1)[1]: v["value"]
            for e in library["enums"]
            if e["name"] == f"{name}_status"
            for v in e["values"]
        }
        if len(statuses) < 15:
            problem(f"{name}_status has {len(statuses)} values")


def probe(api):
    """C text whose assertions hold if sizes, offsets, numbers and prototypes are those of the headers."""
    lines = ["#include <stddef.h>", read_headers.include_lines(gen.ROOT)]

    def claim(expression, what):
        lines.append(f'_Static_assert({expression}, "{what}");')

    for library in api["libraries"].values():
        for struct in library["structs"]:
            name = struct["name"]
            claim(f"sizeof({name}) == {struct['size']}", f"size of {name}")
            for field in struct["fields"]:
                claim(
                    f"offsetof({name}, {field['name']}) == {field['offset']}",
                    f"place of {name}.{field['name']}",
                )
            if struct["init_macro"]:
                lines.append(f"static const {name} init_{name} = {struct['init_macro']};")
                lines.append(f"const void *use_{name}(void) {{ return &init_{name}; }}")
        for item in library["constants"] + [v for e in library["enums"] for v in e["values"]]:
            value = f"{item['value']}ull" if item["value"] > 0x7FFFFFFF else str(item["value"])
            claim(f"{item['name']} == {value}", f"value of {item['name']}")
        for function in library["functions"]:
            pointer = re.sub(r" ?\(", " (*)(", function["c"], count=1)
            claim(
                f"_Generic(&{function['name']}, {pointer}: 1, default: 0)", f"prototype of {function['name']}"
            )
    return "\n".join(lines) + "\n"


def check_layout(api, compiler):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "probe.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(probe(api))
        includes = [f"-I{os.path.join(gen.ROOT, f'lib{name}', 'include')}" for name in api["libraries"]]
        done = subprocess.run(
            [*compiler, "-std=c11", "-fsyntax-only", *includes, path], capture_output=True, text=True
        )
    if done.returncode:
        found = re.findall(r'static assertion failed: "([^"]*)"', done.stderr)
        for what in found[:20]:
            problem(f"{what} is not what api.json says: {FIX}")
        if not found:
            problem("the C compiler refused the probe:\n" + done.stderr[:2000])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clang", action="store_true")
    parser.add_argument("--cc", nargs="+")
    args = parser.parse_args()
    if args.clang:
        clang = os.environ.get("TESSERA_CLANG", "clang-22")
        if shutil.which(clang) is None:
            print(f"skipped: no {clang}")
            return 77
        return subprocess.run(
            [sys.executable, os.path.join(gen.HERE, "gen.py"), "--check", "--clang", clang]
        ).returncode
    with open(gen.API, encoding="utf-8") as file:
        api = json.load(file)
    check_headers(api)
    check_exports(api)
    check_generated(api)
    check_rules(api)
    if args.cc:
        check_layout(api, args.cc)
    for text in problems:
        print(text)
    count = sum(len(library["functions"]) for library in api["libraries"].values())
    print(f"{count} functions, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
