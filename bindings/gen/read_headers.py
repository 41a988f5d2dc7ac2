# SPDX-License-Identifier: MIT
"""From the public C headers to a language-neutral description, by clang's AST as JSON.

`read(root, clang)` gives the description (bindings/gen/README.md says what is in it) as one dict. Declarations come
from the AST; comments, array extents of parameters and macro names from the header's text at the places that the
AST gives; values of _INIT macros and of constants from a probe file that uses them, through the AST again."""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile

LIBRARIES = ("tir", "tcache", "tdriver", "tcodegen", "tkernels")

SCALARS = {
    "int8_t": "i8",
    "uint8_t": "u8",
    "int16_t": "i16",
    "uint16_t": "u16",
    "int32_t": "i32",
    "uint32_t": "u32",
    "int64_t": "i64",
    "uint64_t": "u64",
    "size_t": "usize",
    "int": "i32",
    "unsigned int": "u32",
    "float": "f32",
    "double": "f64",
    "char": "char",
    "void": "void",
}
SIZES = {
    "i8": 1,
    "u8": 1,
    "i16": 2,
    "u16": 2,
    "i32": 4,
    "u32": 4,
    "i64": 8,
    "u64": 8,
    "usize": 8,
    "f32": 4,
    "f64": 8,
    "char": 1,
    "pointer": 8,
}

# What names and types do not say. function -> parameter -> what to set in its description.
OVERRIDES = {
    "tir_layout_create": {"bases": {"count": None}},  # as many as the bits of `in`
    "tdriver_memory_download": {"to": {"kind": "out_array", "type": "u8", "count": "size"}},
    "tdriver_stream_wrap": {"native": {"nullable": True}},
    "tkernels_session_synchronize": {"stream": {"nullable": True}},
    "tkernels_session_compile": {"from": {"nullable": True}},
    "tdriver_launch": {"stream": {"nullable": True}},
    "tdriver_launch_packed": {"stream": {"nullable": True}},
    "tdriver_benchmark": {"stream": {"nullable": True}},
    "tdriver_device_set_allocator": {"allocator": {"nullable": True}},
}


class HeaderError(Exception):
    pass


def headers_of(root, library):
    folder = os.path.join(root, f"lib{library}", "include", library)
    return [
        f"lib{library}/include/{library}/{name}" for name in sorted(os.listdir(folder)) if name.endswith(".h")
    ]


def all_headers(root):
    return [name for library in LIBRARIES for name in headers_of(root, library)]


def hash_of(root, header):
    with open(os.path.join(root, header), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def run_clang(clang, root, source, *arguments):
    """Output of clang over a text that includes public headers by their path below `root`."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "probe.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        includes = [f"-I{os.path.join(root, f'lib{library}', 'include')}" for library in LIBRARIES]
        command = [clang, "-std=c99", "--target=x86_64-unknown-linux-gnu", *includes, *arguments, path]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise HeaderError(f"{clang} failed:\n{done.stderr}")
    return done.stdout


def include_lines(root):
    return "".join(f'#include "{header.split("/include/")[1]}"\n' for header in all_headers(root))


# ---- the AST, with the places that clang leaves out when they repeat ----


def fill_places(node, state):
    """Gives every `loc` its file: clang prints a file only where it differs from the place printed before."""
    for key, value in node.items():
        if key in ("loc", "spellingLoc", "expansionLoc", "begin", "end") and isinstance(value, dict):
            if "file" in value:
                state["file"] = value["file"]
            elif "offset" in value:
                value["file"] = state.get("file")
            fill_places(value, state)
        elif key == "range":
            fill_places(value, state)
        elif key == "inner":
            for child in value:
                fill_places(child, state)


def place_of(node):
    where = node.get("loc", {})
    where = where.get("expansionLoc", where)
    return where.get("file"), where.get("offset")


# ---- comments ----

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def clean(comment):
    """A comment's text without its marks, lines joined to paragraphs."""
    if comment.startswith("//"):
        body = comment[2:]
    else:
        body = comment[2:-2]
        if body[:1] in "*!":
            body = body[1:]
        if body[:1] == "<":
            body = body[1:]
    lines = [re.sub(r"^\s*\*(?!\w)\s?", "", line).strip() for line in body.split("\n")]
    return re.sub(r"[ \t]+", " ", " ".join(line for line in lines if line)).strip()


class Text:
    """A header's text, and the comments in it by place."""

    def __init__(self, text):
        self.text = text
        self.comments = [(m.start(), m.end(), m.group()) for m in COMMENT.finditer(text)]

    def line_of(self, offset):
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", offset)
        return start, end if end >= 0 else len(self.text)

    def before(self, offset):
        """Comment that ends on the line above `offset`'s statement; "" without one. The comment of a group of
        declarations that no blank line parts belongs to each of them."""
        start, _ = self.line_of(offset)
        while start > 0:
            above_start, above_end = self.line_of(start - 1)
            above = self.text[above_start:above_end].strip()
            if not above or above.startswith(("#", "}")):
                return ""
            for begin, end, comment in self.comments:
                if above_start < end <= above_end and self.text[end:above_end].strip() == "":
                    first = self.text[self.line_of(begin)[0] : begin].strip()
                    if not first:
                        return "" if re.match(r"/\*\s*----", comment) else clean(comment)
            start = above_start
        return ""

    def behind(self, offset):
        """Comment behind a field or value on its own line, going on where it goes on; "" without one."""
        _, line_end = self.line_of(offset)
        for begin, end, comment in self.comments:
            if offset < begin < line_end:
                between = self.text[offset:begin]
                if between.count(",") + between.count(";") <= 1:
                    return clean(comment)
        return ""

    def field_doc(self, offset):
        behind = self.behind(offset)
        if behind:
            return behind
        start, _ = self.line_of(offset)
        if "{" in self.text[start:offset]:
            return ""
        above_start, above_end = self.line_of(max(start - 1, 0))
        for begin, end, comment in self.comments:
            if above_start < end <= above_end and self.text[end:above_end].strip() == "":
                if not self.text[self.line_of(begin)[0] : begin].strip():
                    return clean(comment)
        return ""


# ---- types ----


class Reader:
    def __init__(self, root, clang):
        self.root = root
        self.clang = clang
        self.texts = {}
        self.libraries = {
            name: {
                "soname": "",
                "version": "",
                "headers": [],
                "handles": [],
                "enums": [],
                "constants": [],
                "structs": [],
                "callbacks": [],
                "functions": [],
            }
            for name in LIBRARIES
        }
        self.aliases = {}  # name of a typedef of an integer -> (library, base)
        self.handles = {}  # name -> description
        self.structs = {}  # name -> description
        self.callbacks = {}  # name -> description
        for library in LIBRARIES:
            for header in headers_of(root, library):
                self.libraries[library]["headers"].append({"path": header, "sha256": hash_of(root, header)})
                with open(os.path.join(root, header), encoding="utf-8") as file:
                    text = file.read()
                # Offsets of clang count bytes.
                self.texts[header] = Text(text.encode("utf-8").decode("latin-1"))

    def header_of(self, path):
        if path is None:
            return None
        path = os.path.relpath(os.path.realpath(path), os.path.realpath(self.root))
        return path if path in self.texts else None

    def library_of(self, header):
        return self.libraries[header.split("/")[0][3:]]

    @staticmethod
    def utf8(text):
        return text.encode("latin-1").decode("utf-8")

    # A pointee or value type: ("scalar", "u32", alias or None), ("handle", name), ("struct", name), ...
    def base(self, text):
        text = text.strip()
        const = False
        if text.startswith("const "):
            const, text = True, text[6:].strip()
        if text.startswith("struct "):
            text = text[7:]
        if text in SCALARS:
            return const, "scalar", SCALARS[text]
        if text in self.aliases:
            return const, "alias", text
        if text in self.callbacks:
            return const, "callback", text
        if text in self.handles:
            return const, "handle", text
        if text in self.structs:
            return const, "struct", text
        raise HeaderError(f"no rule for the type '{text}'")

    def is_value_handle(self, name):
        return self.handles[name]["pointer"]

    def describe(self, text, name):
        """Kind and type of a parameter, field or result by its C type alone."""
        text = re.sub(r"\s+", " ", text).replace("*const", "* const").strip()
        depth, inner_const = 0, False  # stars; whether a pointer that is pointed to may not be changed
        while True:
            is_const = text.endswith(" const") and "*" in text
            text = text[:-5].strip() if is_const else text
            if not text.endswith("*"):
                break
            inner_const = inner_const or (is_const and depth > 0)
            depth += 1
            text = text[:-1].strip()
        const, what, base = self.base(text)
        if what == "handle" and not self.is_value_handle(base):
            if depth == 0:
                raise HeaderError(f"handle {base} by value in '{name}'")
            depth -= 1
        if depth == 0:
            return {"kind": "callback" if what == "callback" else "value", "type": base}
        if depth == 1:
            if base == "void":
                return {"kind": "pointer", "type": "void", "const": const}
            if base == "char":
                return {"kind": "string" if const else "out_string", "type": "char"}
            if what == "struct":
                return {"kind": "struct" if const else "out", "type": base}
            return {"kind": "array" if const or inner_const else "out", "type": base}
        if depth == 2:
            return {"kind": "array" if inner_const else "out", "type": "string" if base == "char" else "pointer"}
        raise HeaderError(f"no rule for the type of '{name}'")

    # ---- declarations ----

    def signature(self, text):
        """(result, [parameter types]) of `R (A, B)`, or of a pointer to it."""
        text = text.strip()
        match = re.match(r"^(.*?)\(\*\)\s*\((.*)\)$", text) or re.match(r"^(.*?)\((.*)\)$", text)
        result, rest = match.group(1).strip(), match.group(2)
        parameters, depth, current = [], 0, ""
        for c in rest:
            if c == "," and depth == 0:
                parameters.append(current.strip())
                current = ""
                continue
            depth += (c == "(") - (c == ")")
            current += c
        if current.strip() and current.strip() != "void":
            parameters.append(current.strip())
        return result, parameters

    def parameters(self, names, types, extents):
        items = []
        for name, text, extent in zip(names, types, extents):
            if "(*)" in text:
                result, inner = self.signature(text)
                item = {"kind": "callback", "type": "", "signature": self.prototype(result, inner, [])}
            else:
                item = self.describe(text, name)
            item = {"name": name, **item}
            if extent is not None:
                item["kind"] = {"out": "out_array", "out_string": "out_array"}.get(item["kind"], "array")
                item["count"] = extent
            items.append(item)
        self.pair_counts(items)
        return items

    def prototype(self, result, types, names):
        names = names or [f"p{i}" for i in range(len(types))]
        result = {"kind": "none"} if result == "void" else self.describe(result, "result")
        return {"result": result, "parameters": self.parameters(names, types, [None] * len(types))}

    def is_integer(self, item):
        return item["kind"] == "value" and (item["type"] in ("u32", "u64", "usize", "i32", "i64"))

    def pair_counts(self, items):
        """Finds the parameter that counts each array."""
        by_name = {item["name"]: item for item in items}
        for i, item in enumerate(items):
            name = item["name"]
            following = items[i + 1] if i + 1 < len(items) else None
            sized = (
                following is not None
                and self.is_integer(following)
                and (following["name"] == "size" or following["name"].endswith("_size"))
            )
            if item["kind"] == "string" and sized:
                item.update(kind="bytes", count=following["name"])
            elif item["kind"] == "pointer" and item.get("const") and sized:
                item.update(kind="bytes", count=following["name"])
            elif item["kind"] == "out_string":
                if following is None or following["name"] != "capacity":
                    raise HeaderError(f"'{name}': text to be written, and no capacity behind it")
                item.update(kind="out_array", count="capacity")
            elif item["kind"] == "out" and following is not None and following["name"] in ("capacity", "n"):
                item.update(kind="out_array", count=following["name"])
            elif item["kind"] in ("array", "struct") and "count" not in item:
                wanted = [
                    f"num_{name}",
                    f"num_{name.removesuffix('_types')}",
                    f"{name}_count",
                    f"n{name}",
                    f"{name.removesuffix('s')}_count",
                ]
                if item["kind"] == "array":
                    wanted += ["alloc_rank"] if name == "alloc_shape" else ["count", "rank", "num_functions"]
                    if name in ("attr_names", "attr_values"):
                        wanted.insert(0, "num_attrs")
                    if name == "segments":
                        wanted.insert(0, "num_segments")
                    if name == "result_types":
                        wanted.insert(0, "num_results")
                    if name == "block":
                        wanted.insert(0, "rank")
                count = next(
                    (other for other in wanted if other in by_name and self.is_integer(by_name[other])), None
                )
                if count is not None:
                    item.update(kind="array", count=count)
                elif item["kind"] == "array":
                    item["count"] = None
            if item["kind"] == "pointer":
                item.pop("const", None)
        return items

    def read(self):
        ast = json.loads(
            run_clang(
                self.clang, self.root, include_lines(self.root), "-fsyntax-only", "-Xclang", "-ast-dump=json"
            )
        )
        state = {}
        fill_places(ast, state)
        pending_enum = None
        records = {}
        for node in ast["inner"]:
            path, offset = place_of(node)
            header = self.header_of(path)
            if header is None:
                continue
            kind = node["kind"]
            if kind == "RecordDecl":
                if node.get("completeDefinition"):
                    records[node["id"]] = (node, header)
                    self.add_struct(node, header)
            elif kind == "EnumDecl":
                self.add_enum(node, header, offset)
            elif kind == "TypedefDecl":
                self.add_typedef(node, header, offset)
            elif kind == "FunctionDecl":
                self.add_function(node, header, offset)
        self.add_macros()
        self.settle_ownership()
        for library in self.libraries.values():
            for function in library["functions"]:
                for parameter in function["parameters"]:
                    nullable = self.nullable(parameter, function["doc"])
                    if nullable is not None:
                        parameter.setdefault("nullable", nullable)
        self.add_operations()
        return {"format": 1, "libraries": self.libraries}

    def doc(self, header, offset):
        return self.utf8(self.texts[header].before(offset))

    def add_typedef(self, node, header, offset):
        name, text = node["name"], node["type"]["qualType"]
        library = self.library_of(header)
        if name in self.structs:
            self.structs[name]["doc"] = self.structs[name]["doc"] or self.doc(
                header, node["range"]["begin"]["offset"]
            )
            return
        if "(*)" in text:
            result, types = self.signature(text)
            source = self.texts[header].text[offset : node["range"]["end"]["offset"] + 1]
            source = re.sub(COMMENT, "", source)
            inner = source[source.index("(") + 1 : source.rindex(")")] if "(" in source else ""
            names = [
                re.search(r"(\w+)\s*(?:\[\d*\])?$", part.strip()).group(1)
                for part in inner.split(",")
                if part.strip()
            ]
            if names == ["void"]:
                names = []
            item = {"name": name, "doc": self.doc(header, offset)}
            item.update(self.prototype(result, types, names))
            self.callbacks[name] = item
            library["callbacks"].append(item)
            return
        match = re.match(r"^(const )?struct (\w+)( \*)?$", text)
        if match:
            item = {
                "name": name,
                "pointer": bool(match.group(3)),
                "c": name if match.group(3) else f"{name} *",
                "destroy": None,
                "retain": None,
                "doc": self.doc(header, offset),
            }
            if not match.group(3) and name in self.structs:
                return
            self.handles[name] = item
            library["handles"].append(item)
            return
        if text in SCALARS:
            self.aliases[name] = SCALARS[text]
            library["enums"].append(
                {"name": name, "type": SCALARS[text], "doc": self.doc(header, offset), "values": []}
            )
            return
        raise HeaderError(f"{header}: no rule for typedef {name} = {text}")

    def add_enum(self, node, header, offset):
        library = self.library_of(header)
        source = self.texts[header]
        values, at = [], 0
        for child in node.get("inner", []):
            if child["kind"] != "EnumConstantDecl":
                continue
            value = constant_of(child)
            at = at if value is None else value
            values.append(
                {"name": child["name"], "value": at, "doc": self.utf8(source.field_doc(place_of(child)[1]))}
            )
            at += 1
        # `typedef uint32_t x;` in the lines before names an enum whose constants share its prefix.
        begin = node["range"]["begin"]["offset"]
        above = source.text[:begin].rstrip()
        match = re.search(r"typedef \w+ (\w+);[^\n;]*$", above[above.rfind("\n") + 1 :])
        if match and library["enums"] and library["enums"][-1]["name"] == match.group(1):
            library["enums"][-1]["values"] = values
        else:
            library["enums"].append(
                {"name": None, "type": "u32", "doc": self.doc(header, begin), "values": values}
            )

    def add_struct(self, node, header):
        library = self.library_of(header)
        source = self.texts[header]
        if node.get("tagUsed") != "struct" or "name" not in node:
            raise HeaderError(
                f"{header}: no rule for a {node.get('tagUsed')} {node.get('name', 'without a name')}"
            )
        names, types, extents, docs = [], [], [], []
        inline = {}
        for child in node["inner"]:
            if child["kind"] != "FieldDecl":
                continue
            text = child["type"]["qualType"]
            extent = None
            match = re.match(r"^(.*?)\s*\[(\d+)\]$", text)
            if match:
                text, extent = match.group(1), int(match.group(2))
            if "(*)" in text:
                result, inner = self.signature(text)
                begin = child["range"]["begin"]["offset"]
                declared = re.sub(COMMENT, "", source.text[begin : child["range"]["end"]["offset"] + 1])
                parts = declared[declared.index(")") + 1 :]
                parts = parts[parts.index("(") + 1 : parts.rindex(")")]
                inner_names = [
                    re.search(r"(\w+)\s*(?:\[\d*\])?$", p.strip()).group(1)
                    for p in parts.split(",")
                    if p.strip()
                ]
                inline[child["name"]] = self.prototype(result, inner, inner_names)
            names.append(child["name"])
            types.append(text)
            extents.append(extent)
            docs.append(self.utf8(source.field_doc(place_of(child)[1])))
        fields = []
        for name, text, extent in zip(names, types, extents):
            if name in inline:
                fields.append({"name": name, "kind": "callback", "type": "", "signature": inline[name]})
                continue
            item = {"name": name, **self.describe(text, name)}
            if extent is not None:
                item.update(kind="inline_array", count=extent)
            fields.append(item)
        self.pair_counts(fields)
        offset, alignment = 0, 1
        for field, doc in zip(fields, docs):
            size, align = self.layout(field)
            offset = (offset + align - 1) // align * align
            field["offset"] = offset
            field["doc"] = doc
            offset += size
            alignment = max(alignment, align)
        item = {
            "name": node["name"],
            "doc": self.doc(header, node["range"]["begin"]["offset"]),
            "size": (offset + alignment - 1) // alignment * alignment,
            "alignment": alignment,
            "sized": bool(fields) and fields[0]["name"] == "struct_size",
            "init_macro": None,
            "fields": fields,
        }
        # A struct that was declared before as a handle is one no more.
        if node["name"] in self.handles:
            library["handles"].remove(self.handles.pop(node["name"]))
        self.structs[node["name"]] = item
        library["structs"].append(item)

    def layout(self, field):
        """(size, alignment) of a field on 64-bit machines."""
        count = field["count"] if field["kind"] == "inline_array" else 1
        if field["kind"] in ("value", "inline_array"):
            name = field["type"]
            if name in self.structs:
                return self.structs[name]["size"] * count, self.structs[name]["alignment"]
            if name in self.handles:
                return 8 * count, 8
            size = SIZES[self.aliases.get(name, name)]
            return size * count, size
        return 8, 8

    def add_function(self, node, header, offset):
        result, types = self.signature(node["type"]["qualType"])
        source = self.texts[header].text
        names, extents = [], []
        for child in node.get("inner", []):
            if child["kind"] != "ParmVarDecl":
                continue
            names.append(child["name"])
            at = place_of(child)[1] + len(child["name"])
            match = re.match(r"\s*\[(\d+)\]", source[at : at + 12])
            extents.append(int(match.group(1)) if match else None)
        doc = self.doc(header, offset)
        name = node["name"]
        item = {
            "name": name,
            "header": header.split("/include/")[1],
            "c": node["type"]["qualType"],
            "doc": doc,
            "result": {"kind": "none"} if result == "void" else self.describe(result, name),
            "parameters": self.parameters(names, types, extents),
        }
        for parameter, extra in OVERRIDES.get(name, {}).items():
            target = next((p for p in item["parameters"] if p["name"] == parameter), None)
            if target is None:
                raise HeaderError(f"OVERRIDES names {name}({parameter}), which is not there")
            target.update(extra)
        self.library_of(header)["functions"].append(item)

    def nullable(self, item, doc):
        """Whether NULL is a value with a meaning (not just answered by a status or with NULL). None: cannot be NULL."""
        kind, name = item["kind"], re.escape(item["name"])
        if kind == "value" and item["type"] not in self.handles:
            return None
        if item.get("ownership") == "taken" or (kind == "struct" and item["name"] in ("params", "options")):
            return True
        own = [
            rf"\b{name}\b: NULL\b",
            rf"\*{name}(, \*\w+)*: NULL\b",
            rf"\b{name}( is|) may be NULL",
            rf"\b{name} may (then )?be NULL",
            rf"`{name}` (may be|is) NULL",
            rf"NULL `?{name}`? (is allowed|removes|writes)",
            rf"`{name}`[^.;()]*\(NULL:",
            rf"\b{name} \(may be NULL\)",
            rf"\b{name}: [^.;()]*\(NULL:",
            rf"\b{name} is NULL or",
            rf"\(?{name} may be NULL\)?",
            rf"{name} \((copied; )?NULL:",
        ]
        if any(re.search(pattern, doc) for pattern in own):
            return True
        if kind in ("array", "bytes"):
            return bool(re.search(r"Arrays may be NULL|may be NULL\s+when", doc))
        if kind in ("out", "out_array"):
            return bool(re.search(r"(Either|either|Any) (out|output|pointer)s? may be NULL", doc))
        if kind == "callback":
            return bool(re.search(r"NULL switches it off", doc))
        return False

    def add_operations(self):
        """The op table's own description: what the headers cannot say of operations and their builder functions."""
        path = os.path.join(self.root, "libtir", "ops")
        sys.path.insert(0, path)
        try:
            spec = importlib.util.spec_from_file_location("tir_op_table", os.path.join(path, "gen.py"))
            table = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(table)
            ops, _ = table.load()
        finally:
            sys.path.remove(path)
        functions = {f["name"]: f for f in self.libraries["tir"]["functions"]}
        codes = {v["name"]: v["value"] for e in self.libraries["tir"]["enums"] for v in e["values"]}

        def slot(s):
            return {"name": s.name, "constraint": s.constraint, "arity": s.arity.lower()}

        operations = self.libraries["tir"]["operations"] = []
        for op in ops:
            function = functions.get(f"tir_build_{op.id}")
            operations.append(
                {
                    "name": op.name,
                    "code": codes[f"TIR_OP_{op.id.upper()}"],
                    "summary": op.summary,
                    "function": function["name"] if function else None,
                    "operands": [slot(s) for s in op.operands],
                    "results": [slot(s) for s in op.results],
                    "attributes": [
                        {
                            "name": a.name,
                            "type": a.enum_c and f"tir_{a.enum_c}" or a.type,
                            "required": a.required,
                            "parameter": a.param,
                        }
                        | ({"default": a.default_value} if a.default is not None else {})
                        for a in op.attrs
                    ],
                    "regions": op.regions,
                    "successors": op.succs,
                }
            )
            if function is None:
                continue
            optional = {s.name for s in op.operands if s.arity != "One"} | {
                a.name for a in op.attrs if not a.required
            }
            for parameter in function["parameters"][1:]:
                if "nullable" in parameter:
                    name = parameter["name"]
                    parameter["nullable"] = name in optional or parameter["kind"] == "array"

    # ---- macros: constants, and what the _INIT macros hold ----

    def add_macros(self):
        found = []
        for header, source in self.texts.items():
            for match in re.finditer(r"^#define (\w+)[ \t]+(\S[^\n]*(?:\\\n[^\n]*)*)$", source.text, re.M):
                name = match.group(1)
                if name.endswith("_API") or name.endswith("_H"):
                    continue
                found.append((header, name, match.start()))
        probe = include_lines(self.root)
        inits = []
        for header, name, _ in found:
            if name.endswith("_INIT"):
                struct = name[:-5].lower()
                if struct not in self.structs:
                    raise HeaderError(f"{header}: {name} initialises no struct that is known")
                inits.append((struct, name))
                probe += f"const {struct} probe_{struct} = {name};\n"
            else:
                probe += f"enum {{ pick_{name} = _Generic(({name}), char *: 3, const char *: 3, int: 0, unsigned: 1, default: 2) }};\n"
                probe += f"const unsigned long long probe_{name} = (unsigned long long)({name});\n"
        ast = json.loads(
            run_clang(
                self.clang,
                self.root,
                probe,
                "-Wno-c11-extensions",
                "-fsyntax-only",
                "-Xclang",
                "-ast-dump=json",
            )
        )
        values = {
            n["name"][6:]: n
            for n in ast["inner"]
            if n["kind"] == "VarDecl" and n["name"].startswith("probe_")
        }
        kinds = {}
        for node in ast["inner"]:
            if node["kind"] == "EnumDecl":
                for child in node.get("inner", []):
                    if child.get("name", "").startswith("pick_"):
                        kinds[child["name"][5:]] = constant_of(child)
        enumerators = {
            v["name"]: v["value"]
            for lib in self.libraries.values()
            for e in lib["enums"]
            for v in e["values"]
        }
        for header, name, offset in found:
            if name.endswith("_INIT"):
                continue
            value = evaluate(values[name]["inner"][-1], enumerators, self.structs)
            kind = {0: "i32", 1: "u32"}.get(kinds[name], "u64")
            self.library_of(header)["constants"].append(
                {
                    "name": name,
                    "type": kind,
                    "value": value,
                    "doc": self.utf8(self.texts[header].before(offset)),
                }
            )
        for struct, macro in inits:
            item = self.structs[struct]
            item["init_macro"] = macro
            self.add_defaults(item, values[struct]["inner"][-1], enumerators)
        for name, library in self.libraries.items():
            get = {c["name"]: c["value"] for c in library["constants"]}
            upper = name.upper()
            library["soname"] = f"lib{name}.so.{get[f'{upper}_ABI_MAJOR']}"
            library["version"] = ".".join(
                str(get[f"{upper}_VERSION_{part}"]) for part in ("MAJOR", "MINOR", "PATCH")
            )

    def add_defaults(self, item, node, enumerators):
        while node["kind"] != "InitListExpr":
            node = node["inner"][-1]
        for field, child in zip(item["fields"], node.get("inner", [])):
            if field["name"] == "struct_size" or child["kind"] == "ImplicitValueInitExpr":
                continue
            if field["kind"] == "inline_array":
                value = [evaluate(c, enumerators, self.structs) for c in child.get("inner", [])]
                if any(value):
                    field["default"] = value + [0] * (field["count"] - len(value))
                continue
            value = evaluate(child, enumerators, self.structs)
            if value:
                field["default"] = value

    # ---- who owns what ----

    def settle_ownership(self):
        """Finds for each handle the function that gives it back, and for each handle that comes out of a function
        whether the caller owns it."""
        functions = [f for library in self.libraries.values() for f in library["functions"]]
        for handle in self.handles.values():
            for function in functions:
                parameters = function["parameters"]
                if len(parameters) != 1 or parameters[0]["type"] != handle["name"]:
                    continue
                if (
                    re.search(r"_(destroy|close|free|unload|release)$", function["name"])
                    and function["result"]["kind"] == "none"
                ):
                    handle["destroy"] = function["name"]
                if function["name"].endswith("_retain"):
                    handle["retain"] = function["name"]
        for function in functions:
            outs = [p for p in function["parameters"] if p["kind"] == "out" and p["type"] in self.handles]
            if function["result"].get("type") in self.handles and function["result"]["kind"] == "value":
                function["result"]["ownership"] = (
                    "owned" if function["name"].endswith("_retain") else "borrowed"
                )
            for parameter in outs:
                handle = self.handles[parameter["type"]]
                borrowed = handle["destroy"] is None or re.search(r"\bBorrowed\b", function["doc"])
                parameter.setdefault("ownership", "borrowed" if borrowed else "owned")
            if (
                re.search(r"_(destroy|close|free|unload|release)$", function["name"])
                and len(function["parameters"]) == 1
            ):
                function["parameters"][0]["ownership"] = "taken"
            if re.search(r"_take_\w+$", function["name"]):
                function["result"]["ownership"] = "owned"


def constant_of(node):
    """The number that clang worked out for an enumerator; None where none is written."""
    for child in node.get("inner", []):
        if child["kind"] == "ConstantExpr":
            return int(child["value"])
        value = constant_of(child)
        if value is not None:
            return value
    return None


def evaluate(node, enumerators, structs):
    """Value of a constant expression of the AST."""
    kind = node["kind"]
    if kind in ("IntegerLiteral", "CharacterLiteral"):
        return int(node["value"])
    if kind == "FloatingLiteral":
        return float(node["value"])
    if kind == "UnaryExprOrTypeTraitExpr":
        name = node["argType"]["qualType"].replace("struct ", "")
        return {"sizeof": name} if name in structs else 0
    if kind == "DeclRefExpr":
        return enumerators[node["referencedDecl"]["name"]]
    if kind == "ImplicitValueInitExpr":
        return 0
    inner = [evaluate(child, enumerators, structs) for child in node.get("inner", [])]
    if kind == "BinaryOperator":
        a, b = inner
        return {
            "|": lambda: a | b,
            "&": lambda: a & b,
            "<<": lambda: a << b,
            "+": lambda: a + b,
            "-": lambda: a - b,
            "*": lambda: a * b,
        }[node["opcode"]]()
    if kind == "UnaryOperator":
        bits = (
            0xFFFFFFFF
            if "long" not in node["type"].get("desugaredQualType", node["type"]["qualType"])
            else (1 << 64) - 1
        )
        return {"~": lambda: ~inner[0] & bits, "-": lambda: -inner[0]}[node["opcode"]]()
    if kind in ("ImplicitCastExpr", "ParenExpr", "CStyleCastExpr", "ConstantExpr") and inner:
        return inner[-1]
    raise HeaderError(f"no rule for a constant expression of kind {kind}")


def read(root, clang):
    return Reader(root, clang).read()
