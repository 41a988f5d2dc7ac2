// SPDX-License-Identifier: MIT
// Coefficients of the float math functions, shared by CPU and GPU. They come from cpu/tools/fit.py; the measured errors
// stand in docs/math.md.
#pragma once

namespace tcodegen::poly {

constexpr float exp_poly[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558aap-5f, 0x1.12396ep-7f, 0x1.6a524ep-10f};
constexpr float exp2_poly[] = {0x1.62e43p-1f,  0x1.ebfbdcp-3f,  0x1.c6af7cp-5f,
                               0x1.3b2dep-7f, 0x1.5f082ep-10f, 0x1.416b52p-13f};
constexpr float log_poly[] = {-0x1p-1f,        0x1.555506p-2f, -0x1.fffefap-3f, 0x1.99d05p-3f, -0x1.559c66p-3f,
                              0x1.1ed562p-3f, -0x1.f332b8p-4f, 0x1.1e6ccap-3f,  -0x1.07c48cp-3f};
constexpr float sin_poly[] = {-0x1.555544p-3f, 0x1.1106c6p-7f, -0x1.991c26p-13f};
constexpr float cos_poly[] = {0x1.55554ap-5f, -0x1.6c0c14p-10f, 0x1.99de6ep-16f};
constexpr float tanh_poly[] = {-0x1.55553p-2f, 0x1.110684p-3f, -0x1.b82628p-5f, 0x1.51904p-6f, -0x1.732bdp-8f};
constexpr float erf_poly[] = {0x1.06eba6p-3f,  -0x1.8126e2p-2f, 0x1.ce1986p-4f,
                              -0x1.b67c04p-6f, 0x1.46d9e2p-8f,  -0x1.38741cp-11f};
constexpr float erfc_exponent[] = {-0x1.506046p-13f, 0x1.212298p+0f,   0x1.445fccp-1f,
                                   0x1.ba6b0ap-4f,   -0x1.97e39ap-6f,  0x1.09a9dep-8f,
                                   -0x1.a010f6p-12f, 0x1.e0d01ap-17f,  0x1.175c3cp-21f};
constexpr float ln2_parts[] = {0x1.62e4p-1f, 0x1.7f7d1cp-20f}; // n·first is exact for every exponent n
constexpr float pi_2_parts[] = {0x1.921fb4p+0f, 0x1.4442dp-24f, 0x1.84698ap-48f}; // the first two truncated
constexpr float log2e_parts[] = {0x1.715476p+0f, 0x1.4ae0cp-26f};
constexpr float two_over_pi = 0x1.45f306p-1f;

} // namespace tcodegen::poly
