# SPDX-License-Identifier: MIT
"""Programmatic dependent launch: a grid begins before the one ahead of it has ended."""
from ...base import builtin


@builtin
def gdc_wait(_semantic=None):
    """Waits until earlier grids have ended, and sees what they wrote."""
    _semantic.grid_dependency_wait()


@builtin
def gdc_launch_dependents(_semantic=None):
    """Allows the grids that wait for this one to begin."""
    _semantic.grid_dependency_launch_dependents()
