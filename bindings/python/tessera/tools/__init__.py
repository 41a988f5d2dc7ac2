# SPDX-License-Identifier: MIT
"""Helpers beside the compiler: descriptors of tensors, microscaling formats."""
