# SPDX-License-Identifier: MIT
"""What goes wrong while a kernel is compiled: the function's source up to the place, a caret, the reason."""

import os
import sys

from .._errors import VerifyError
from ..errors import TritonError


class CompilationError(TritonError):
    """A kernel that does not compile. `src` is the function's source from its `def` on (None if it is not known),
    `node` the syntax node, with places inside that source, `error_message` the reason. Where a called function is at
    fault, there is one such error for each call, chained by __cause__."""

    source_line_count_max_in_message = 12

    def __init__(self, src, node, error_message=None):
        self.src = src
        self.node = node
        self.error_message = error_message
        self.message = self._format_message()
        super().__init__(src, node, error_message)

    def _format_message(self):
        line, column = getattr(self.node, "lineno", None), getattr(self.node, "col_offset", 0)
        if self.src is None:
            text = " <source unavailable>"
        elif line is None:
            text = self.src
        else:
            shown = self.src.split("\n")[:line][-self.source_line_count_max_in_message:]
            text = "\n".join(shown + [" " * column + "^"]) if shown else " <source empty>"
        if line is not None:
            text = f"at {line}:{column}:\n{text}"
        return f"{text}\n{self.error_message}" if self.error_message else text

    def __str__(self):
        return self.message

    def __reduce__(self):
        return type(self), (self.src, self.node, self.error_message)


class CompileTimeAssertionFailure(CompilationError):
    """A static_assert that does not hold."""


class UnsupportedLanguageConstruct(CompilationError):
    """Python that kernels cannot use."""


class InvalidModule(VerifyError, RuntimeError):
    """The kernel's module breaks a rule of the verifier. (A RuntimeError, too: what Triton's users catch.)"""


_FRONT_END = tuple(os.path.join(os.path.dirname(os.path.abspath(__file__)), name) for name in
                   ("code_generator.py", "_expressions.py", "_statements.py", "_values.py"))


def knob(name, variable):
    """A switch of the group `compilation`: of the knobs' table if that is loaded, else of the environment."""
    table = sys.modules.get("tessera.knobs")
    if table is not None:
        return bool(getattr(table.compilation, name))
    return os.environ.get(variable, "").lower() in ("1", "y", "on", "yes", "true")


def debugging():
    """TRITON_FRONT_END_DEBUGGING: errors come as they are, with the compiler's own frames."""
    return knob("front_end_debugging", "TRITON_FRONT_END_DEBUGGING")


def filter_traceback(error):
    """Takes the compiler's own frames out of the traceback of an error and of what caused it."""
    while error is not None:
        frames, trace = [], error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename not in _FRONT_END:
                frames.append(trace)
            trace = trace.tb_next
        for frame, following in zip(frames, frames[1:] + [None]):
            frame.tb_next = following
        error.__traceback__ = frames[0] if frames else None
        error = error.__cause__
