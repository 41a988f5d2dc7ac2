# SPDX-License-Identifier: MIT
"""What the libraries' statuses become in Python. The numbers are those of common/status.inc."""

from tessera.errors import TritonError


class Error(TritonError):
    """A library refused or failed. `status` is its number, `library` the library's name ("tir"), and the text is the
    library's own sentence."""

    status = 14
    library = ""

    def __init__(self, message, status=None, library=""):
        super().__init__(message)
        if status is not None:
            self.status = status
        self.library = library


class InvalidArgumentError(Error, ValueError):
    status = 1


class ParseError(Error, ValueError):
    status = 2


class VerifyError(Error, ValueError):
    status = 3


class UnsupportedError(Error, NotImplementedError):
    status = 4


class NotFoundError(Error, LookupError):
    status = 5


class IoError(Error):
    status = 6


class CorruptError(Error, ValueError):
    status = 7


class VersionError(Error):
    status = 8


class LimitError(Error):
    status = 9


class CompileError(Error):
    status = 10


class DeviceError(Error, RuntimeError):
    status = 11


class LaunchError(Error, RuntimeError):
    """A kernel stopped: an assert, a trap or a fault."""

    status = 12


class BusyError(Error):
    status = 13


class InternalError(Error, RuntimeError):
    status = 14


BY_STATUS = {
    kind.status: kind
    for kind in (
        InvalidArgumentError,
        ParseError,
        VerifyError,
        UnsupportedError,
        NotFoundError,
        IoError,
        CorruptError,
        VersionError,
        LimitError,
        CompileError,
        DeviceError,
        LaunchError,
        BusyError,
        InternalError,
    )
}


def from_status(status, message, library=""):
    """The exception for a status that is not 0."""
    kind = BY_STATUS.get(status, Error)
    return kind(message or f"lib{library}: status {status}", status, library)
