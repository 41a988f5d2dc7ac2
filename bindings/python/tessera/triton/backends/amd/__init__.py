# SPDX-License-Identifier: MIT
"""Stand-in for Triton's own amd back end, whose classes are not here."""
