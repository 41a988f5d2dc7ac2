# SPDX-License-Identifier: MIT
# Text tests: RUN lines, FileCheck, not. Meson starts lit with these parameters: tessera (the command), filecheck, not,
# python, out (scratch folder), device ("1" where this build can compile and run kernels).
import os
import shutil

import lit.formats

config.name = "tessera"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".ttir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = lit_config.params["out"]
config.excludes = ["Inputs"]
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TESSERA_LIBRARY_PATH", "TESSERA_CACHE_DIR", "TESSERA_CORPUS",
             "TESSERA_PTXAS", "TESSERA_NVDISASM", "CUDA_HOME"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
config.substitutions += [
    ("%tessera", lit_config.params["tessera"]),
    ("%check", lit_config.params["filecheck"] + " %s"),
    ("%not", lit_config.params["not"]),
    ("%exits", lit_config.params["python"] + " " + os.path.join(os.path.dirname(__file__), "exits.py")),
    ("%python", lit_config.params["python"]),
]
if lit_config.params.get("device") == "1":
    config.available_features.add("compiler")


def tool_of_nvidia(name, knob):
    places = [os.environ.get(knob), shutil.which(name), "/usr/local/cuda/bin/" + name]
    places += [os.environ["CUDA_HOME"] + "/bin/" + name] if "CUDA_HOME" in os.environ else []
    return any(p and os.access(p, os.X_OK) for p in places)


if tool_of_nvidia("ptxas", "TESSERA_PTXAS") and tool_of_nvidia("nvdisasm", "TESSERA_NVDISASM"):
    config.available_features.add("sass")
