# SPDX-License-Identifier: MIT
"""CPUs."""
from .. import libdevice
from ...stubs import stubs_of

globals().update(stubs_of("extra.cpu."))
__all__ = ["libdevice", *stubs_of("extra.cpu.")]
