# SPDX-License-Identifier: MIT
"""The package as a whole: what an import costs in modules, names, files, test list."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

import tessera

HERE = pathlib.Path(__file__).parent


def python(code, *options, **environment):
    """Standard output of a fresh Python."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


class Import(unittest.TestCase):
    def test_what_it_loads(self):
        """The import is cheap because it loads nothing: no ctypes, no ast, no numpy, no library, never torch."""
        code = (
            "import sys; before = set(sys.modules); import tessera; print(*sorted(set(sys.modules) - before))"
        )
        self.assertEqual(python(code).split(), ["tessera"])

    def test_session_loads_no_front_end(self):
        loaded = python("import sys, tessera; tessera.Session; print(*sys.modules)").split()
        for name in ("torch", "ast", "inspect", "tessera.compiler", "tessera.language", "tessera.runtime"):
            if (
                name in ("ast", "inspect")
                and name in python("import sys, numpy; print(*sys.modules)").split()
            ):
                continue
            self.assertNotIn(name, loaded)

    def test_version(self):
        self.assertRegex(tessera.__version__, r"^\d+\.\d+\.\d+$")
        from tessera._raw import tir

        self.assertEqual(tessera.__version__, tir.tir_version())

    def test_names(self):
        """Every name of the table is there, and is listed."""
        missing = []
        for name in tessera._NAMES:
            self.assertIn(name, dir(tessera))
            try:
                getattr(tessera, name)
            except (ImportError, AttributeError) as error:
                missing.append(f"{name}: {error}")
        self.assertEqual(missing, [])

    def test_unknown_name(self):
        with self.assertRaisesRegex(AttributeError, "module 'tessera' has no attribute 'nothing'"):
            tessera.nothing

    def test_integers(self):
        for x, y in ((0, 3), (1, 3), (3, 3), (4, 3), (-4, 3), (1 << 70, 7)):
            self.assertEqual(tessera.cdiv(x, y), -(-x // y))
        for n, power in (
            (0, 0),
            (1, 1),
            (2, 2),
            (3, 4),
            (1023, 1024),
            (1024, 1024),
            (-5, 0),
            ((1 << 40) + 1, 1 << 41),
        ):
            self.assertEqual(tessera.next_power_of_2(n), power)

    def test_errors(self):
        self.assertTrue(issubclass(tessera.Error, tessera.TritonError))
        self.assertIs(tessera.errors.LaunchError, tessera._errors.LaunchError)
        with self.assertRaises(AttributeError):
            tessera.errors.nothing

    def test_nothing_to_complain(self):
        """`-X dev` and warnings as errors: no file left open, nothing deprecated."""
        code = "import tessera; tessera.devices(); tessera.Session('null').close()"
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", code], capture_output=True, text=True
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Files(unittest.TestCase):
    def test_every_test_is_listed(self):
        text = (HERE.parent / "meson.build").read_text()
        listed = set(re.findall(r"'(test_\w+\.py)[ ']", text))
        present = {path.name for path in HERE.glob("test_*.py")}
        self.assertEqual(present - listed, set(), "files of tests/ without a line in meson.build")
        self.assertEqual(listed - present, set(), "lines of meson.build without a file in tests/")

    def test_assembled(self):
        """The build folder's package has all that the source has."""
        package = pathlib.Path(tessera.__file__).parent
        source = HERE.parent / "tessera"
        if os.environ.get("TESSERA_TEST_BUILT"):
            self.assertNotEqual(package, source, "the build's tests run on the source's package")
        for path in source.rglob("*.py"):
            copy = package / path.relative_to(source)
            self.assertTrue(copy.exists(), f"{path.relative_to(source)} was not copied")

    def test_without_environment(self):
        """Libraries are found beside the package, in a build folder and in an installation."""
        package = pathlib.Path(tessera.__file__).parent
        if package == HERE.parent / "tessera":
            self.skipTest("the source's own folder has no libraries beside it")
        environment = {k: v for k, v in os.environ.items() if k != "TESSERA_LIBRARY_PATH"}
        environment["PYTHONPATH"] = str(package.parent)
        code = (
            "import tessera, tessera._raw as r; tessera.Session('null').close(); "
            "print(r._opened['tkernels']._name)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd="/"
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.isabs(done.stdout.strip()), done.stdout)


if __name__ == "__main__":
    unittest.main()
