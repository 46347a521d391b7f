// Conversions between float32 and E4M3 (FP8: 4 exponent bits, 3 of mantissa, largest 448), four to a word, the first
// in the lowest byte. From sm_89 on.
#pragma once

#include "base.cuh"
#include "number.cuh"

// Nearest even; beyond 448 it is 448, NaN stays NaN.
DEVICE u32 pack_e4m3(float x0, float x1, float x2, float x3) {
    u32 result;
    asm("{\n"
        ".reg .b16 low, high;\n"
        "cvt.rn.satfinite.e4m3x2.f32 low, %2, %1;\n"
        "cvt.rn.satfinite.e4m3x2.f32 high, %4, %3;\n"
        "mov.b32 %0, {low, high};\n"
        "}"
        : "=r"(result)
        : "f"(x0), "f"(x1), "f"(x2), "f"(x3));
    return result;
}

// Exact: float16 holds every E4M3 number.
DEVICE void unpack_e4m3(float (&x)[4], u32 four) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        u32 pair;
        asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"(static_cast<u16>(four >> 16 * half)));
        x[2 * half] = float_from_float16(static_cast<u16>(pair));
        x[2 * half + 1] = float_from_float16(static_cast<u16>(pair >> 16));
    }
}

// Two float16 from the low half of a word, exactly.
DEVICE u32 float16_from_e4m3(u32 pair) {
    u32 result;
    asm("{\n.reg .b16 two;\ncvt.u16.u32 two, %1;\ncvt.rn.f16x2.e4m3x2 %0, two;\n}" : "=r"(result) : "r"(pair));
    return result;
}
