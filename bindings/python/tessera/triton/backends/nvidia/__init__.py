# SPDX-License-Identifier: MIT
"""Stand-in for Triton's own nvidia back end, whose classes are not here."""
