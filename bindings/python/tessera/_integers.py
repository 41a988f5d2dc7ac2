# SPDX-License-Identifier: MIT
"""Arithmetic of grids and block sizes, for the host and for compile-time values in kernels."""

from tessera.runtime.jit import constexpr_function


@constexpr_function
def cdiv(x, y):
    """x / y rounded up, for y > 0."""
    return (x + y - 1) // y


@constexpr_function
def next_power_of_2(n):
    """The smallest power of two that is not less than n; 0 for n <= 0."""
    return 1 << (n - 1).bit_length() if n > 0 else 0
