# SPDX-License-Identifier: MIT
"""The part of the pip package that pyproject.toml cannot say: extensions for the stable ABI of Python 3.11. A machine
without a C compiler gets the package without them; it is slower and does the same."""

import os

from setuptools import Extension, find_namespace_packages, setup

SOURCES = {"tessera._raw._fast_abi3": "src/fast.c", "tessera._launch_abi3": "src/launch.c"}

setup(
    packages=find_namespace_packages(include=["tessera", "tessera.*"]),
    ext_modules=[
        Extension(
            name,
            [source],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            optional=True,
            depends=["src/launch_arrays.h", "src/launch_key.h", "src/launch_plan.h", "src/launch_table.h", "src/fast_functions.inc", "src/fast_methods.inc", "src/fast_wrappers.inc"],
        )
        for name, source in SOURCES.items()
        if os.path.exists(source)
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
