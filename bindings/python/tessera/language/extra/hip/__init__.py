# SPDX-License-Identifier: MIT
"""AMD GPUs: names only, see tessera.language.stubs."""
from ...stubs import stubs_of
from . import libdevice

globals().update(stubs_of("extra.hip."))
__all__ = ["libdevice", *stubs_of("extra.hip.")]
