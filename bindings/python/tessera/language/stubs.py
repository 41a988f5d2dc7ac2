# SPDX-License-Identifier: MIT
"""Names of the language that exist, with their parameters, but cannot be used yet: a kernel that calls one is refused
with *not implemented: tl.NAME*. NAMES is the one list of them."""
from .base import builtin

_HIP_LIBDEVICE = (
    "acos acosh asin asinh atan atanh ceil cos cosh cyl_bessel_i0 cyl_bessel_i1 erf erfc erfcx erfinv exp exp2 expm1 "
    "fast_expf fast_tanhf finitef floor ilogb isfinited isinf isnan j0 j1 lgamma llrint log log10 log1p log2 nearbyint "
    "rint round rsqrt signbit sin sinh sqrt tan tanh trunc y0 y1 abs clz popc")
_HIP_LIBDEVICE_2 = "atan2 copysign fast_dividef fmod hypot ldexp nextafter pow"

# name: parameters, as they are written
NAMES = {
    "extra.libdevice.fast_tanhf": "arg0",
    "extra.cpu.vnni_decode": "arg0",
    "extra.hip.memrealtime": "",
    "extra.hip.smid": "",
    "extra.hip.num_threads": "",
    "extra.hip.num_warps": "",
    "extra.hip.libdevice.fma": "arg0, arg1, arg2",
    **{f"extra.hip.libdevice.{n}": "arg0" for n in _HIP_LIBDEVICE.split()},
    **{f"extra.hip.libdevice.{n}": "arg0, arg1" for n in _HIP_LIBDEVICE_2.split()},
}


def stub(name, parameters=None):
    """The function that stands for a name of NAMES."""
    if parameters is None:
        parameters = NAMES[name]

    def refuse(*args, _semantic=None, **kwargs):
        raise NotImplementedError(f"not implemented: tl.{name}")

    refuse.__name__ = refuse.__qualname__ = name.rpartition(".")[2]
    refuse.__doc__ = f"Not implemented: {refuse.__name__}({parameters})."
    call = builtin(refuse)
    call._stub_of = name
    call.parameters = [p.strip() for p in parameters.split(",") if p.strip()]
    return call


def stubs_of(prefix):
    """{last part: function} for all names under a prefix ("extra.hip.")."""
    rest = {n: n[len(prefix):] for n in NAMES if n.startswith(prefix)}
    return {last: stub(n) for n, last in rest.items() if "." not in last}
