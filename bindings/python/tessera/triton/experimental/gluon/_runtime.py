# SPDX-License-Identifier: MIT
"""Names of Gluon that Triton's test helpers import on their way."""

from ..._refused import refused

GluonASTSource = refused("triton.experimental.gluon._runtime.GluonASTSource", "Gluon")
GluonJITFunction = refused("triton.experimental.gluon._runtime.GluonJITFunction", "Gluon")
