# SPDX-License-Identifier: MIT
"""Every name of the language exists, with its parameters; those that cannot be used say so."""
import inspect
import os
import unittest

import tessera.language as tl
from tessera.language import stubs

HERE = os.path.dirname(os.path.abspath(__file__))


def rows():
    with open(os.path.join(HERE, "language_names.txt"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and line[0] != "#":
                name, _, what = line.strip().partition(" ")
                yield name, what


def find(name):
    value = tl
    for part in name.split("."):
        value = getattr(value, part)
    return value


def parameters(function):
    function = getattr(function, "fn", function)
    found = []
    for p in inspect.signature(function).parameters.values():
        if p.name not in ("_semantic", "_generator"):
            star = "*" if p.kind is p.VAR_POSITIONAL else ""
            found.append(star + p.name + ("" if p.default is p.empty else "="))
    return ", ".join(found)


class Names(unittest.TestCase):
    def test_list_is_long(self):
        self.assertGreater(sum(1 for _ in rows()), 780)

    def test_each_exists(self):
        for name, what in rows():
            with self.subTest(name=name):
                value = find(name)
                if what == "class":
                    self.assertTrue(inspect.isclass(value))
                elif what == "module":
                    self.assertTrue(inspect.ismodule(value))
                elif what.startswith("("):
                    self.assertTrue(callable(value))

    def test_parameters(self):
        for name, what in rows():
            if what.startswith("(") and not name.startswith("tensor."):
                with self.subTest(name=name):
                    value = find(name)
                    have = ", ".join(value.parameters) if hasattr(value, "_stub_of") else parameters(value)
                    self.assertEqual(have, what[1:-1])

    def test_functions_outside_a_kernel(self):
        for name in ("load", "arange", "dot", "exp", "core.reduce", "extra.libdevice.exp"):
            with self.subTest(name=name), self.assertRaisesRegex(ValueError, "Did you forget to add @triton.jit"):
                find(name)(1)

    def test_stubs_refuse_by_name(self):
        listed = {name for name, _ in rows()}
        for name in stubs.NAMES:
            with self.subTest(name=name):
                self.assertIn(name, listed)
                with self.assertRaises(NotImplementedError) as caught:
                    find(name)(_semantic=object())
                self.assertEqual(str(caught.exception), f"not implemented: tl.{name}")

    def test_all(self):
        for name in tl.__all__:
            self.assertIsNotNone(getattr(tl, name))
        with self.assertRaises(AttributeError):
            tl.no_such_name
        with self.assertRaises(AttributeError):
            tl.extra.libdevice.no_such_name


if __name__ == "__main__":
    unittest.main()
