# SPDX-License-Identifier: MIT
"""Classes of Triton's amd back end: named for imports, refused when used."""

from ..._refused import refused

HIPBackend = refused("triton.backends.amd.compiler.HIPBackend", "there is no AMD target")
HIPOptions = refused("triton.backends.amd.compiler.HIPOptions", "there is no AMD target")
