# SPDX-License-Identifier: MIT
"""The installed package finds the installed libraries, and pip's package is whole."""

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
PROGRAM = (
    "import tessera, tessera._raw as raw; tessera.Session('null').close(); "
    "print(tessera.__file__, raw._opened['tkernels']._name, raw.fast().__name__ if raw.fast() else 'ctypes')"
)


def run(command, cwd="/", **environment):
    clean = {
        k: v
        for k, v in os.environ.items()
        if k not in ("PYTHONPATH", "TESSERA_LIBRARY_PATH", "LD_LIBRARY_PATH")
    }
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**clean, **environment})
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_meson(self):
        build, meson = os.environ.get("TESSERA_TEST_BUILD"), shutil.which("meson")
        if not build or not meson:
            self.skipTest("skipped: not run from a build folder")
        run(
            [
                meson,
                "install",
                "-C",
                build,
                "--no-rebuild",
                "--tags",
                "runtime,python-runtime",
                "--destdir",
                self.folder,
            ]
        )
        package = next(self.folder.rglob("tessera/__init__.py"), None)
        self.assertIsNotNone(package, "meson install put no package anywhere")
        file, library, fast = run(
            [sys.executable, "-c", PROGRAM], PYTHONPATH=str(package.parent.parent)
        ).split()
        self.assertEqual(file, str(package))
        self.assertTrue(library.startswith(str(self.folder)), library)
        source = {
            path.relative_to(HERE.parent / "tessera") for path in (HERE.parent / "tessera").rglob("*.py")
        }
        copied = {path.relative_to(package.parent) for path in package.parent.rglob("*.py")}
        self.assertEqual(
            source - copied, set(), "not installed; was Meson configured before these files were written?"
        )

    def test_pip(self):
        try:
            versions = {name: importlib.metadata.version(name) for name in ("pip", "setuptools", "wheel")}
        except importlib.metadata.PackageNotFoundError as error:
            self.skipTest(f"skipped: {error}")
        if int(versions["setuptools"].split(".")[0]) < 61:
            self.skipTest("skipped: setuptools is older than 61")
        source = self.folder / "source"
        shutil.copytree(
            HERE.parent, source, ignore=shutil.ignore_patterns("__pycache__", "*.so", "build", "tests")
        )
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--no-build-isolation",
                "--no-deps",
                "--no-index",
                "--target",
                self.folder / "site",
                source,
            ],
            CFLAGS="-O0",
        )
        package = self.folder / "site" / "tessera"
        missing = [
            path
            for path in (HERE.parent / "tessera").rglob("*.py")
            if not (package / path.relative_to(HERE.parent / "tessera")).exists()
        ]
        self.assertEqual(missing, [])
        libraries = os.environ.get("TESSERA_LIBRARY_PATH", "")
        file, _, fast = run(
            [sys.executable, "-c", PROGRAM],
            PYTHONPATH=str(self.folder / "site"),
            TESSERA_LIBRARY_PATH=libraries,
        ).split()
        self.assertEqual(file, str(package / "__init__.py"))
        if shutil.which("cc") and any(package.rglob("*.so")):
            self.assertEqual(fast, "tessera._raw._fast_abi3")

    def test_version(self):
        import tessera

        self.assertIn(f'version = "{tessera.__version__}"', (HERE.parent / "pyproject.toml").read_text())


if __name__ == "__main__":
    unittest.main()
