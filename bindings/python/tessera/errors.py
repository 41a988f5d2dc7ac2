# SPDX-License-Identifier: MIT
"""The exceptions of the package: TritonError is the root that programs written for Triton expect; Error and its kinds
are what the libraries answer."""


class TritonError(Exception):
    """Root of the exceptions of compiler and run time."""


def __getattr__(name):
    from tessera import _errors

    try:
        return getattr(_errors, name)
    except AttributeError:
        raise AttributeError(f"module 'tessera.errors' has no attribute '{name}'") from None
