# SPDX-License-Identifier: MIT
"""What the kernel is compiled for, while it is compiled."""
from ..runtime.jit import constexpr_function

__all__ = ["current_target"]


def current_target():
    """The target of the active device (backend, arch, warp_size), or None where there is none."""
    from ..runtime import driver
    try:
        return driver.active.get_current_target()
    except RuntimeError:
        return None


current_target.__triton_builtin__ = True


def _is(backend):
    target = current_target()
    return target is not None and target.backend == backend


@constexpr_function
def is_cuda():
    return _is("cuda")


@constexpr_function
def cuda_capability_geq(major, minor=0):
    """Is it an NVIDIA GPU of at least that compute capability?"""
    return _is("cuda") and int(current_target().arch) >= major * 10 + minor


@constexpr_function
def is_hip():
    return _is("hip")


@constexpr_function
def is_hip_cdna3():
    return _is("hip") and current_target().arch == "gfx942"


@constexpr_function
def is_hip_cdna4():
    return _is("hip") and current_target().arch == "gfx950"


@constexpr_function
def is_hip_gfx1250():
    return _is("hip") and str(current_target().arch).startswith("gfx1250")
