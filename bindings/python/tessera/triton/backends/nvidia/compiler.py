# SPDX-License-Identifier: MIT
"""Classes of Triton's nvidia back end: named for imports, refused when used."""

from ..._refused import refused

CUDABackend = refused("triton.backends.nvidia.compiler.CUDABackend", "tessera has its own compiler")
CUDAOptions = refused("triton.backends.nvidia.compiler.CUDAOptions", "tessera has its own compiler")
