# SPDX-License-Identifier: MIT
"""Functions of NVIDIA's device library, by name. The back ends know the symbols: the CPU and the interpreter have their
own versions of them, the CUDA target the library's. What a target does not have it refuses by symbol.

A row of TABLE: the name ("?" if its int32 result is a truth value), then for each list of argument types the symbol and
the type of the result."""
from ...base import builtin
from ...types import int1, str_to_ty

TABLE = """
clz i32>__nv_clz:i32 i64>__nv_clzll:i32
popc i32>__nv_popc:i32 i64>__nv_popcll:i32
byte_perm i32,i32,i32>__nv_byte_perm:i32
mulhi i32,i32>__nv_mulhi:i32 u32,u32>__nv_umulhi:u32 i64,i64>__nv_mul64hi:i64 u64,u64>__nv_umul64hi:u64
mul24 i32,i32>__nv_mul24:i32 u32,u32>__nv_umul24:u32
brev i32>__nv_brev:i32 i64>__nv_brevll:i64
sad i32,i32,u32>__nv_sad:i32 u32,u32,u32>__nv_usad:u32
abs i32>__nv_abs:i32 i64>__nv_llabs:i64 f32>__nv_fabsf:f32 f64>__nv_fabs:f64
floor f32>__nv_floorf:f32 f64>__nv_floor:f64
rcp64h f64>__nv_rcp64h:f64
rsqrt f32>__nv_rsqrtf:f32 f64>__nv_rsqrt:f64
ceil f64>__nv_ceil:f64 f32>__nv_ceilf:f32
trunc f64>__nv_trunc:f64 f32>__nv_truncf:f32
exp2 f32>__nv_exp2f:f32 f64>__nv_exp2:f64
saturatef f32>__nv_saturatef:f32
fma_rn f32,f32,f32>__nv_fmaf_rn:f32 f64,f64,f64>__nv_fma_rn:f64
fma_rz f32,f32,f32>__nv_fmaf_rz:f32 f64,f64,f64>__nv_fma_rz:f64
fma_rd f32,f32,f32>__nv_fmaf_rd:f32 f64,f64,f64>__nv_fma_rd:f64
fma_ru f32,f32,f32>__nv_fmaf_ru:f32 f64,f64,f64>__nv_fma_ru:f64
fast_dividef f32,f32>__nv_fast_fdividef:f32
div_rn f32,f32>__nv_fdiv_rn:f32 f64,f64>__nv_ddiv_rn:f64
div_rz f32,f32>__nv_fdiv_rz:f32 f64,f64>__nv_ddiv_rz:f64
div_rd f32,f32>__nv_fdiv_rd:f32 f64,f64>__nv_ddiv_rd:f64
div_ru f32,f32>__nv_fdiv_ru:f32 f64,f64>__nv_ddiv_ru:f64
rcp_rn f32>__nv_frcp_rn:f32 f64>__nv_drcp_rn:f64
rcp_rz f32>__nv_frcp_rz:f32 f64>__nv_drcp_rz:f64
rcp_rd f32>__nv_frcp_rd:f32 f64>__nv_drcp_rd:f64
rcp_ru f32>__nv_frcp_ru:f32 f64>__nv_drcp_ru:f64
sqrt_rn f32>__nv_fsqrt_rn:f32 f64>__nv_dsqrt_rn:f64
sqrt_rz f32>__nv_fsqrt_rz:f32 f64>__nv_dsqrt_rz:f64
sqrt_rd f32>__nv_fsqrt_rd:f32 f64>__nv_dsqrt_rd:f64
sqrt_ru f32>__nv_fsqrt_ru:f32 f64>__nv_dsqrt_ru:f64
sqrt f32>__nv_sqrtf:f32 f64>__nv_sqrt:f64
add_rn f64,f64>__nv_dadd_rn:f64 f32,f32>__nv_fadd_rn:f32
add_rz f64,f64>__nv_dadd_rz:f64 f32,f32>__nv_fadd_rz:f32
add_rd f64,f64>__nv_dadd_rd:f64 f32,f32>__nv_fadd_rd:f32
add_ru f64,f64>__nv_dadd_ru:f64 f32,f32>__nv_fadd_ru:f32
mul_rn f64,f64>__nv_dmul_rn:f64 f32,f32>__nv_fmul_rn:f32
mul_rz f64,f64>__nv_dmul_rz:f64 f32,f32>__nv_fmul_rz:f32
mul_rd f64,f64>__nv_dmul_rd:f64 f32,f32>__nv_fmul_rd:f32
mul_ru f64,f64>__nv_dmul_ru:f64 f32,f32>__nv_fmul_ru:f32
double2float_rn f64>__nv_double2float_rn:f32
double2float_rz f64>__nv_double2float_rz:f32
double2float_rd f64>__nv_double2float_rd:f32
double2float_ru f64>__nv_double2float_ru:f32
double2int_rn f64>__nv_double2int_rn:i32
double2int_rz f64>__nv_double2int_rz:i32
double2int_rd f64>__nv_double2int_rd:i32
double2int_ru f64>__nv_double2int_ru:i32
double2uint_rn f64>__nv_double2uint_rn:i32
double2uint_rz f64>__nv_double2uint_rz:i32
double2uint_rd f64>__nv_double2uint_rd:i32
double2uint_ru f64>__nv_double2uint_ru:i32
int2double_rn i32>__nv_int2double_rn:f64
uint2double_rn u32>__nv_uint2double_rn:f64
float2int_rn f32>__nv_float2int_rn:i32
float2int_rz f32>__nv_float2int_rz:i32
float2int_rd f32>__nv_float2int_rd:i32
float2int_ru f32>__nv_float2int_ru:i32
float2uint_rn f32>__nv_float2uint_rn:i32
float2uint_rz f32>__nv_float2uint_rz:i32
float2uint_rd f32>__nv_float2uint_rd:i32
float2uint_ru f32>__nv_float2uint_ru:i32
int2float_rn i32>__nv_int2float_rn:f32
int2float_rz i32>__nv_int2float_rz:f32
int2float_rd i32>__nv_int2float_rd:f32
int2float_ru i32>__nv_int2float_ru:f32
uint2float_rn u32>__nv_uint2float_rn:f32
uint2float_rz u32>__nv_uint2float_rz:f32
uint2float_rd u32>__nv_uint2float_rd:f32
uint2float_ru u32>__nv_uint2float_ru:f32
hiloint2double i32,i32>__nv_hiloint2double:f64
double2loint f64>__nv_double2loint:i32
double2hiint f64>__nv_double2hiint:i32
float2ll_rn f32>__nv_float2ll_rn:i64
float2ll_rz f32>__nv_float2ll_rz:i64
float2ll_rd f32>__nv_float2ll_rd:i64
float2ll_ru f32>__nv_float2ll_ru:i64
float2ull_rn f32>__nv_float2ull_rn:i64
float2ull_rz f32>__nv_float2ull_rz:i64
float2ull_rd f32>__nv_float2ull_rd:i64
float2ull_ru f32>__nv_float2ull_ru:i64
double2ll_rn f64>__nv_double2ll_rn:i64
double2ll_rz f64>__nv_double2ll_rz:i64
double2ll_rd f64>__nv_double2ll_rd:i64
double2ll_ru f64>__nv_double2ll_ru:i64
double2ull_rn f64>__nv_double2ull_rn:i64
double2ull_rz f64>__nv_double2ull_rz:i64
double2ull_rd f64>__nv_double2ull_rd:i64
double2ull_ru f64>__nv_double2ull_ru:i64
ll2float_rn i64>__nv_ll2float_rn:f32
ll2float_rz i64>__nv_ll2float_rz:f32
ll2float_rd i64>__nv_ll2float_rd:f32
ll2float_ru i64>__nv_ll2float_ru:f32
ull2float_rn u64>__nv_ull2float_rn:f32
ull2float_rz u64>__nv_ull2float_rz:f32
ull2float_rd u64>__nv_ull2float_rd:f32
ull2float_ru u64>__nv_ull2float_ru:f32
ll2double_rn i64>__nv_ll2double_rn:f64
ll2double_rz i64>__nv_ll2double_rz:f64
ll2double_rd i64>__nv_ll2double_rd:f64
ll2double_ru i64>__nv_ll2double_ru:f64
ull2double_rn u64>__nv_ull2double_rn:f64
ull2double_rz u64>__nv_ull2double_rz:f64
ull2double_rd u64>__nv_ull2double_rd:f64
ull2double_ru u64>__nv_ull2double_ru:f64
int_as_float i32>__nv_int_as_float:f32
float_as_int f32>__nv_float_as_int:i32
uint_as_float u32>__nv_uint_as_float:f32
float_as_uint f32>__nv_float_as_uint:i32
longlong_as_double i64>__nv_longlong_as_double:f64
double_as_longlong f64>__nv_double_as_longlong:i64
fast_sinf f32>__nv_fast_sinf:f32
fast_cosf f32>__nv_fast_cosf:f32
fast_log2f f32>__nv_fast_log2f:f32
fast_logf f32>__nv_fast_logf:f32
fast_expf f32>__nv_fast_expf:f32
fast_tanf f32>__nv_fast_tanf:f32
fast_exp10f f32>__nv_fast_exp10f:f32
fast_log10f f32>__nv_fast_log10f:f32
fast_powf f32,f32>__nv_fast_powf:f32
hadd i32,i32>__nv_hadd:i32 u32,u32>__nv_uhadd:u32
rhadd i32,i32>__nv_rhadd:i32 u32,u32>__nv_urhadd:u32
sub_rn f32,f32>__nv_fsub_rn:f32 f64,f64>__nv_dsub_rn:f64
sub_rz f32,f32>__nv_fsub_rz:f32 f64,f64>__nv_dsub_rz:f64
sub_rd f32,f32>__nv_fsub_rd:f32 f64,f64>__nv_dsub_rd:f64
sub_ru f32,f32>__nv_fsub_ru:f32 f64,f64>__nv_dsub_ru:f64
rsqrt_rn f32>__nv_frsqrt_rn:f32
ffs i32>__nv_ffs:i32 i64>__nv_ffsll:i32
rint f32>__nv_rintf:f32 f64>__nv_rint:f64
llrint f32>__nv_llrintf:i64 f64>__nv_llrint:i64
nearbyint f32>__nv_nearbyintf:f32 f64>__nv_nearbyint:f64
isnan? f32>__nv_isnanf:i32 f64>__nv_isnand:i32
signbit f32>__nv_signbitf:i32 f64>__nv_signbitd:i32
copysign f32,f32>__nv_copysignf:f32 f64,f64>__nv_copysign:f64
finitef? f32>__nv_finitef:i32
isinf? f32>__nv_isinff:i32 f64>__nv_isinfd:i32
nextafter f32,f32>__nv_nextafterf:f32 f64,f64>__nv_nextafter:f64
sin f32>__nv_sinf:f32 f64>__nv_sin:f64
cos f32>__nv_cosf:f32 f64>__nv_cos:f64
sinpi f32>__nv_sinpif:f32 f64>__nv_sinpi:f64
cospi f32>__nv_cospif:f32 f64>__nv_cospi:f64
tan f32>__nv_tanf:f32 f64>__nv_tan:f64
log2 f32>__nv_log2f:f32 f64>__nv_log2:f64
exp f32>__nv_expf:f32 f64>__nv_exp:f64
exp10 f32>__nv_exp10f:f32 f64>__nv_exp10:f64
cosh f32>__nv_coshf:f32 f64>__nv_cosh:f64
sinh f32>__nv_sinhf:f32 f64>__nv_sinh:f64
tanh f32>__nv_tanhf:f32 f64>__nv_tanh:f64
atan2 f32,f32>__nv_atan2f:f32 f64,f64>__nv_atan2:f64
atan f32>__nv_atanf:f32 f64>__nv_atan:f64
asin f32>__nv_asinf:f32 f64>__nv_asin:f64
acos f32>__nv_acosf:f32 f64>__nv_acos:f64
log f32>__nv_logf:f32 f64>__nv_log:f64
log10 f32>__nv_log10f:f32 f64>__nv_log10:f64
log1p f32>__nv_log1pf:f32 f64>__nv_log1p:f64
acosh f32>__nv_acoshf:f32 f64>__nv_acosh:f64
asinh f32>__nv_asinhf:f32 f64>__nv_asinh:f64
atanh f32>__nv_atanhf:f32 f64>__nv_atanh:f64
expm1 f32>__nv_expm1f:f32 f64>__nv_expm1:f64
hypot f32,f32>__nv_hypotf:f32 f64,f64>__nv_hypot:f64
rhypot f32,f32>__nv_rhypotf:f32 f64,f64>__nv_rhypot:f64
norm3d f32,f32,f32>__nv_norm3df:f32 f64,f64,f64>__nv_norm3d:f64
rnorm3d f32,f32,f32>__nv_rnorm3df:f32 f64,f64,f64>__nv_rnorm3d:f64
norm4d f32,f32,f32,f32>__nv_norm4df:f32 f64,f64,f64,f64>__nv_norm4d:f64
rnorm4d f32,f32,f32,f32>__nv_rnorm4df:f32 f64,f64,f64,f64>__nv_rnorm4d:f64
cbrt f32>__nv_cbrtf:f32 f64>__nv_cbrt:f64
rcbrt f32>__nv_rcbrtf:f32 f64>__nv_rcbrt:f64
j0 f32>__nv_j0f:f32 f64>__nv_j0:f64
j1 f32>__nv_j1f:f32 f64>__nv_j1:f64
y0 f32>__nv_y0f:f32 f64>__nv_y0:f64
y1 f32>__nv_y1f:f32 f64>__nv_y1:f64
yn i32,f32>__nv_ynf:f32 i32,f64>__nv_yn:f64
jn i32,f32>__nv_jnf:f32 i32,f64>__nv_jn:f64
cyl_bessel_i0 f32>__nv_cyl_bessel_i0f:f32 f64>__nv_cyl_bessel_i0:f64
cyl_bessel_i1 f32>__nv_cyl_bessel_i1f:f32 f64>__nv_cyl_bessel_i1:f64
erf f32>__nv_erff:f32 f64>__nv_erf:f64
erfinv f32>__nv_erfinvf:f32 f64>__nv_erfinv:f64
erfc f32>__nv_erfcf:f32 f64>__nv_erfc:f64
erfcx f32>__nv_erfcxf:f32 f64>__nv_erfcx:f64
erfcinv f32>__nv_erfcinvf:f32 f64>__nv_erfcinv:f64
normcdfinv f32>__nv_normcdfinvf:f32 f64>__nv_normcdfinv:f64
normcdf f32>__nv_normcdff:f32 f64>__nv_normcdf:f64
lgamma f32>__nv_lgammaf:f32 f64>__nv_lgamma:f64
ldexp f32,i32>__nv_ldexpf:f32 f64,i32>__nv_ldexp:f64
scalbn f32,i32>__nv_scalbnf:f32 f64,i32>__nv_scalbn:f64
fmod f32,f32>__nv_fmodf:f32 f64,f64>__nv_fmod:f64
remainder f32,f32>__nv_remainderf:f32 f64,f64>__nv_remainder:f64
fma f32,f32,f32>__nv_fmaf:f32 f64,f64,f64>__nv_fma:f64
pow f32,i32>__nv_powif:f32 f64,i32>__nv_powi:f64 f32,f32>__nv_powf:f32 f64,f64>__nv_pow:f64
tgamma f32>__nv_tgammaf:f32 f64>__nv_tgamma:f64
round f32>__nv_roundf:f32 f64>__nv_round:f64
llround f32>__nv_llroundf:i64 f64>__nv_llround:i64
fdim f32,f32>__nv_fdimf:f32 f64,f64>__nv_fdim:f64
ilogb f32>__nv_ilogbf:i32 f64>__nv_ilogb:i32
logb f32>__nv_logbf:f32 f64>__nv_logb:f64
isfinited? f64>__nv_isfinited:i32
"""


def _rows():
    for line in TABLE.replace("\\\n", " ").split("\n"):
        if line:
            yield line.split()


_ROWS = {row[0].rstrip("?"): row for row in _rows()}
__all__ = sorted(_ROWS)


def _type(name):
    return str_to_ty({"f32": "fp32", "f64": "fp64"}.get(name, name), None)


def _make(name):
    truth = _ROWS[name][0].endswith("?")
    symbols = {}
    for alternative in _ROWS[name][1:]:
        types, target = alternative.split(">")
        symbol, result = target.split(":")
        symbols[tuple(map(_type, types.split(",")))] = (symbol, _type(result))

    def call(args, semantic):
        from ...ops_misc import extern_elementwise
        result = extern_elementwise("", "", args, symbols, is_pure=True, _semantic=semantic)
        return semantic.cast(result, int1) if truth else result

    # as many parameters as the function has, so that a wrong call says which one is missing
    def one(arg0, _semantic=None):
        return call([arg0], _semantic)

    def two(arg0, arg1, _semantic=None):
        return call([arg0, arg1], _semantic)

    def three(arg0, arg1, arg2, _semantic=None):
        return call([arg0, arg1, arg2], _semantic)

    def four(arg0, arg1, arg2, arg3, _semantic=None):
        return call([arg0, arg1, arg2, arg3], _semantic)

    function = (one, two, three, four)[len(next(iter(symbols))) - 1]
    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"{', '.join(s for s, _ in symbols.values())} for each element."
    return builtin(function)


def __getattr__(name):
    if name not in _ROWS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = _make(name)
    return value


def __dir__():
    return sorted({*globals(), *_ROWS})
