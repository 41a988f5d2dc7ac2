# SPDX-License-Identifier: MIT
"""Functions of AMD's device library: names only, see tessera.language.stubs."""
from ...stubs import stubs_of

globals().update(stubs_of("extra.hip.libdevice."))
__all__ = list(stubs_of("extra.hip.libdevice."))
