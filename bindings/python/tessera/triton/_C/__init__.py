# SPDX-License-Identifier: MIT
"""Stand-in for the package of Triton's compiled module."""
