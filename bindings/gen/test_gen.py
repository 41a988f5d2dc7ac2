#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the generator: what the description says of some declarations whose meaning is known, that the check finds
what it is for, and (with clang 22) how forms of declarations are read."""

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check_api  # noqa: E402
import emit_python  # noqa: E402
import gen  # noqa: E402
import read_headers  # noqa: E402

with open(gen.API, encoding="utf-8") as file:
    API = json.load(file)
FUNCTIONS = {f["name"]: f for library in API["libraries"].values() for f in library["functions"]}


def parameter(function, name):
    return next(p for p in FUNCTIONS[function]["parameters"] if p["name"] == name)


def entry(library, kind, name):
    return next(e for e in API["libraries"][library][kind] if e["name"] == name)


class Description(unittest.TestCase):
    def test_values(self):
        values = {
            v["name"]: v["value"]
            for library in API["libraries"].values()
            for e in library["enums"]
            for v in e["values"]
        }
        for name, value in (
            ("TIR_OK", 0),
            ("TCACHE_CORRUPT", 7),
            ("TDRIVER_CAN_TIME_EVENTS", 16),
            ("TIR_OP_TT_LOAD", 11),
            ("TKERNELS_GET_KEEP_STAGES", 2),
            ("TIR_SYNTAX_3_9", 39),
            ("TIR_SANITIZE_ASSUME", 1024),
        ):
            self.assertEqual(values[name], value, name)
        constants = {c["name"]: c for library in API["libraries"].values() for c in library["constants"]}
        for name, kind, value in (
            ("TIR_ABSENT", "u32", 0xFFFFFFFF),
            ("TCACHE_NO_LIMIT", "u64", (1 << 64) - 1),
            ("TIR_SANITIZE_DEFAULT_NOTES", "u32", 0x7FF & ~(3 | 1 << 9)),
            ("TIR_VERSION_MINOR", "i32", 1),
        ):
            self.assertEqual((constants[name]["type"], constants[name]["value"]), (kind, value), name)

    def test_handles(self):
        for library, name, pointer, destroy, retain in (
            ("tir", "tir_module", False, "tir_module_destroy", None),
            ("tir", "tir_value", True, None, None),
            ("tdriver", "tdriver_kernel", False, "tdriver_kernel_unload", None),
            ("tkernels", "tkernels_kernel", False, "tkernels_kernel_release", "tkernels_kernel_retain"),
            ("tcache", "tcache_store", False, "tcache_close", None),
        ):
            handle = entry(library, "handles", name)
            self.assertEqual(
                (handle["pointer"], handle["destroy"], handle["retain"]), (pointer, destroy, retain), name
            )

    def test_ownership(self):
        for function, name, ownership in (
            ("tir_module_parse", "out", "owned"),
            ("tir_module_kernel", "out", "borrowed"),
            ("tcache_get", "out", "owned"),
            ("tdriver_stream_get_default", "stream", "borrowed"),
            ("tkernels_session_get", "kernel", "owned"),
            ("tir_layout_invert", "out", "owned"),
            ("tdriver_memory_free", "memory", "taken"),
            ("tir_layout_to_encoding", "out", "borrowed"),
        ):
            self.assertEqual(parameter(function, name)["ownership"], ownership, f"{function}({name})")
        self.assertEqual(FUNCTIONS["tcache_blob_retain"]["result"]["ownership"], "owned")
        self.assertEqual(FUNCTIONS["tir_op_result"]["result"]["ownership"], "borrowed")

    def test_nullable(self):
        for function, name, nullable in (
            ("tir_context_create", "params", True),
            ("tir_context_create", "out", False),
            ("tir_loc_name", "child", True),
            ("tir_loc_name", "name", False),
            ("tdriver_launch", "stream", True),
            ("tdriver_launch", "kernel", False),
            ("tir_build_tt_load", "mask", True),
            ("tir_build_tt_load", "ptr", False),
            ("tir_build_tt_dot", "a", False),
            ("tcache_prune", "removed_bytes", True),
            ("tir_module_destroy", "module", True),
            ("tir_type_element", "type", False),
        ):
            self.assertIs(parameter(function, name)["nullable"], nullable, f"{function}({name})")
        self.assertNotIn("nullable", parameter("tir_type_int", "width"))

    def test_kinds(self):
        for function, name, kind, kind_type, count in (
            ("tir_type_tensor", "shape", "array", "i64", "rank"),
            ("tir_type_memdesc", "alloc_shape", "array", "i64", "alloc_rank"),
            ("tir_attr_dict", "names", "array", "string", "count"),
            ("tir_module_parse", "text", "bytes", "char", "size"),
            ("tkernels_launch", "grid", "array", "u32", 3),
            ("tkernels_launch", "args", "array", "pointer", "nargs"),
            ("tcache_key_to_hex", "out", "out_array", "char", 65),
            ("tir_op_census", "counts", "out_array", "u32", "n"),
            ("tcodegen_resolve_target", "out", "out_array", "char", "capacity"),
            ("tir_layout_create", "bases", "array", "u64", None),
            ("tir_interp_run", "args", "array", "tir_interp_arg", "nargs"),
        ):
            found = parameter(function, name)
            self.assertEqual(
                (found["kind"], found["type"], found["count"]),
                (kind, kind_type, count),
                f"{function}({name})",
            )
        for function, name, kind, kind_type in (
            ("tir_pass_run", "params", "struct", "tir_pass_params"),
            ("tir_op_walk", "visit", "callback", "tir_visit_fn"),
            ("tir_op_walk", "user", "pointer", "void"),
            ("tdriver_device_name", "name", "out", "string"),
            ("tdriver_stream_get_native", "native", "out", "pointer"),
            ("tir_pass_run", "pipeline", "string", "char"),
        ):
            found = parameter(function, name)
            self.assertEqual((found["kind"], found["type"]), (kind, kind_type), f"{function}({name})")
        self.assertEqual(FUNCTIONS["tir_module_destroy"]["result"], {"kind": "none"})

    def test_structs(self):
        params = entry("tir", "structs", "tir_interp_params")
        fields = {f["name"]: f for f in params["fields"]}
        self.assertEqual((params["sized"], params["init_macro"]), (True, "TIR_INTERP_PARAMS_INIT"))
        self.assertEqual(
            (fields["grid"]["kind"], fields["grid"]["count"], fields["grid"]["default"]),
            ("inline_array", 3, [1, 1, 1]),
        )
        self.assertEqual(fields["errors"]["default"], 3)
        self.assertNotIn("default", fields["notes"])
        self.assertEqual(fields["report"]["signature"]["parameters"][1]["type"], "tir_interp_report")
        codegen = {f["name"]: f for f in entry("tcodegen", "structs", "tcodegen_params")["fields"]}
        self.assertEqual(codegen["specialize_size"]["default"], {"sizeof": "tcodegen_specialization"})
        self.assertEqual(codegen["specialize"]["count"], "specialize_count")
        key = entry("tcache", "structs", "tcache_key")
        self.assertEqual((key["size"], key["sized"], key["init_macro"]), (32, False, None))

    def test_comments(self):
        self.assertTrue(
            FUNCTIONS["tir_module_hash"]["doc"].startswith("Hash of what `flags` names, 128 bits.")
        )
        # One comment over several declarations.
        self.assertEqual(
            FUNCTIONS["tir_layout_is_injective"]["doc"], FUNCTIONS["tir_layout_is_surjective"]["doc"]
        )
        self.assertEqual(FUNCTIONS["tir_type_none"]["doc"], "")
        status = {v["name"]: v["doc"] for v in entry("tir", "enums", "tir_status")["values"]}
        self.assertEqual(status["TIR_PARSE"], "text or bytes that do not follow their format")
        with_docs = sum(bool(f["doc"]) for f in FUNCTIONS.values())
        self.assertGreater(with_docs / len(FUNCTIONS), 0.9)
        for function in FUNCTIONS.values():
            self.assertNotIn("*/", function["doc"])

    def test_operations(self):
        load = entry("tir", "operations", "tt.load")
        self.assertEqual(
            [(s["name"], s["arity"]) for s in load["operands"]],
            [("ptr", "one"), ("mask", "optional"), ("other", "optional")],
        )
        self.assertEqual(load["function"], "tir_build_tt_load")
        built = {o["function"] for o in API["libraries"]["tir"]["operations"] if o["function"]}
        self.assertEqual(
            {name for name in FUNCTIONS if name.startswith("tir_build_")} - built,
            {"tir_build_const_int", "tir_build_const_float"},
        )

    def test_words(self):
        tokens = emit_python.Tokens(API)
        for name, line in (
            ("tir_type_tensor", "p element:p rank:I shape:aq#1 encoding:p"),
            ("tir_version", "s"),
            ("tir_context_create", "i params:Stir_context_params out:op"),
            ("tkernels_launch", "i kernel:p stream:p grid:aI=3 args:ap#4 nargs:I"),
            ("tir_op_walk", "i root:p visit:@tir_visit_fn user:p"),
        ):
            self.assertEqual(emit_python.function_line(tokens, FUNCTIONS[name]), line)


class Check(unittest.TestCase):
    """Each kind of difference is found."""

    def found(self, check, api, *args):
        check_api.problems.clear()
        check(api, *args)
        texts = list(check_api.problems)
        check_api.problems.clear()
        return "\n".join(texts)

    def setUp(self):
        self.api = copy.deepcopy(API)

    def test_header_changed(self):
        changed, new = (
            self.api["libraries"]["tir"]["headers"][0],
            self.api["libraries"]["tcache"]["headers"][0],
        )
        before = self.found(check_api.check_headers, self.api)
        self.assertNotIn(new["path"], before)
        changed["sha256"] = "0"
        self.assertIn(
            f"{changed['path']} changed since api.json was made: run bindings/gen/gen.py",
            self.found(check_api.check_headers, self.api),
        )
        del self.api["libraries"]["tcache"]["headers"][0]
        self.assertIn(f"{new['path']} is new", self.found(check_api.check_headers, self.api))

    def test_exports(self):
        self.assertEqual(self.found(check_api.check_exports, self.api), "")
        self.api["libraries"]["tir"]["functions"][0]["name"] = "tir_invented"
        text = self.found(check_api.check_exports, self.api)
        self.assertIn("tir_invented is in api.json and not in libtir.sym", text)
        self.assertIn("tir_version is exported by libtir and not in api.json", text)

    def test_generated(self):
        self.assertEqual(self.found(check_api.check_generated, self.api), "")
        self.api["libraries"]["tcache"]["functions"].pop()
        self.assertIn(
            "_raw/tcache.py is not what the emitter writes", self.found(check_api.check_generated, self.api)
        )

    def test_rules(self):
        self.assertEqual(self.found(check_api.check_rules, self.api), "")
        for function in self.api["libraries"]["tir"]["functions"]:
            if function["name"] == "tir_type_tensor":
                function["parameters"][2]["count"] = "length"
            if function["name"] == "tir_module_clone":
                function["parameters"][1]["ownership"] = "borrowed"
        text = self.found(check_api.check_rules, self.api)
        self.assertIn("counted by 'length'", text)
        self.assertIn("tir_module_clone makes something that its caller does not own", text)

    def test_layout(self):
        compiler = os.environ.get("CC", "cc").split()
        if shutil.which(compiler[-1]) is None:
            self.skipTest(f"skipped: no {compiler[-1]}")
        self.assertEqual(self.found(check_api.check_layout, self.api, compiler), "")
        tir = self.api["libraries"]["tir"]
        tir["structs"][0]["size"] += 8
        tir["constants"][0]["value"] -= 1
        next(f for f in tir["functions"] if f["name"] == "tir_type_int")[
            "c"
        ] = "tir_type (tir_context *, uint64_t, tir_sign)"
        text = self.found(check_api.check_layout, self.api, compiler)
        for what in (
            f"size of {tir['structs'][0]['name']}",
            f"value of {tir['constants'][0]['name']}",
            "prototype of tir_type_int",
        ):
            self.assertIn(what, text)


HEADER = """/* SPDX-License-Identifier: MIT */
#ifndef TIR_NEW_H
#define TIR_NEW_H
#include "tir/context.h"
%s
#endif
"""


class Reader(unittest.TestCase):
    """Headers of a tree of our own, with one more header."""

    def setUp(self):
        if shutil.which("clang-22") is None:
            self.skipTest("skipped: no clang-22")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for library in read_headers.LIBRARIES:
            shutil.copytree(
                os.path.join(gen.ROOT, f"lib{library}", "include"),
                os.path.join(self.root, f"lib{library}", "include"),
            )
        shutil.copytree(os.path.join(gen.ROOT, "libtir", "ops"), os.path.join(self.root, "libtir", "ops"))
        os.makedirs(os.path.join(self.root, "libtir", "src"))
        shutil.copytree(
            os.path.join(gen.ROOT, "libtir", "src", "ir"), os.path.join(self.root, "libtir", "src", "ir")
        )

    def read(self, text):
        with open(os.path.join(self.root, "libtir", "include", "tir", "new.h"), "w", encoding="utf-8") as out:
            out.write(HEADER % text)
        api = read_headers.read(self.root, "clang-22")
        return {f["name"]: f for f in api["libraries"]["tir"]["functions"]}, api["libraries"]["tir"]

    def test_new_declarations(self):
        functions, library = self.read("""
/* A thing. */
typedef struct tir_thing tir_thing;
/* How it is. Grün. */
typedef uint32_t tir_mood;
enum { TIR_MOOD_A = 1u << 3, TIR_MOOD_B, /* the second */ TIR_MOOD_C = TIR_MOOD_A | 1 };
#define TIR_THINGS (1u << 20)
typedef struct tir_thing_params {
  size_t struct_size;
  tir_mood mood; /* how */
  double weights[2];
  /* Called. */
  int (*call)(void *user, tir_thing *thing);
} tir_thing_params;
#define TIR_THING_PARAMS_INIT {sizeof(tir_thing_params), TIR_MOOD_C, {0.5, 0}, NULL}
/* Makes one. params: NULL for defaults. */
TIR_API tir_status tir_thing_create(const tir_thing_params *params, tir_thing **out);
TIR_API void tir_thing_destroy(tir_thing *thing);
/* Of both. */
TIR_API double tir_thing_weight(const tir_thing *thing, const uint8_t *bytes, size_t nbytes, uint16_t out[4]);
""")
        made = functions["tir_thing_create"]
        self.assertEqual(
            (made["doc"], made["header"]), ("Makes one. params: NULL for defaults.", "tir/new.h")
        )
        self.assertEqual(functions["tir_thing_destroy"]["doc"], made["doc"])
        self.assertEqual(made["parameters"][1]["ownership"], "owned")
        weight = functions["tir_thing_weight"]
        self.assertEqual(
            [(p["kind"], p["type"], p.get("count")) for p in weight["parameters"]],
            [
                ("value", "tir_thing", None),
                ("array", "u8", "nbytes"),
                ("value", "usize", None),
                ("out_array", "u16", 4),
            ],
        )
        self.assertEqual(weight["result"], {"kind": "value", "type": "f64"})
        mood = next(e for e in library["enums"] if e["name"] == "tir_mood")
        self.assertEqual(
            [(v["name"], v["value"]) for v in mood["values"]],
            [("TIR_MOOD_A", 8), ("TIR_MOOD_B", 9), ("TIR_MOOD_C", 9)],
        )
        self.assertEqual(mood["doc"], "How it is. Grün.")
        params = next(s for s in library["structs"] if s["name"] == "tir_thing_params")
        self.assertEqual(
            [(f["name"], f["offset"], f.get("default"), f["doc"]) for f in params["fields"]],
            [
                ("struct_size", 0, None, ""),
                ("mood", 8, 9, "how"),
                ("weights", 16, [0.5, 0], ""),
                ("call", 32, None, "Called."),
            ],
        )
        self.assertEqual(params["size"], 40)
        self.assertEqual(next(c["value"] for c in library["constants"] if c["name"] == "TIR_THINGS"), 1 << 20)

    def test_refused_declarations(self):
        for text, why in (
            ("TIR_API void tir_f(long double x);", "no rule for the type 'long double'"),
            ("TIR_API void tir_f(char *out);", "no capacity behind it"),
            ("typedef struct tir_u tir_u; TIR_API void tir_f(tir_u thing);", "clang-22 failed|by value"),
            ("typedef union { int a; float b; } tir_u;", "no rule for a union"),
            ("TIR_API void tir_f(int", "clang-22 failed"),
        ):
            with self.assertRaisesRegex(read_headers.HeaderError, why, msg=text):
                self.read(text)

    def test_check_mode(self):
        self.read("TIR_API void tir_f(void);")
        done = subprocess.run(
            [sys.executable, os.path.join(gen.HERE, "gen.py"), "--clang", "no-such-clang"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("no-such-clang is not installed", done.stderr)


if __name__ == "__main__":
    unittest.main()
