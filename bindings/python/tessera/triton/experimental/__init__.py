# SPDX-License-Identifier: MIT
"""Triton's experimental languages; see gluon."""
