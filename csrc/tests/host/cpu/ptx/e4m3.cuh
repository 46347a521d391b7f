// E4M3 as csrc/device/ptx/e4m3.cuh has it, from the definition of the format.
#pragma once

#include "ptx/number.cuh"

inline float e4m3_value(u32 code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    if ((code & 0x7F) == 0x7F) return NAN;
    const float x = exponent ? ldexpf(1.0f + mantissa / 8.0f, exponent - 7) : ldexpf(mantissa / 8.0f, -6);
    return code & 0x80 ? -x : x;
}

// The nearest of all numbers; of two, that with an even code.
inline u32 e4m3_code(float x) {
    const u32 sign = __float_as_uint(x) >> 31 << 7;
    u32 best = 0x7E;  // 448
    if (isnan(x)) return 0x7F;
    for (u32 code = 0; code < 0x7E; ++code) {
        const float distance = fabsf(e4m3_value(code) - fabsf(x)), least = fabsf(e4m3_value(best) - fabsf(x));
        if (distance < least || (distance == least && code % 2 == 0)) best = code;
    }
    return sign | best;
}

inline u32 pack_e4m3(float x0, float x1, float x2, float x3) {
    return e4m3_code(x0) | e4m3_code(x1) << 8 | e4m3_code(x2) << 16 | e4m3_code(x3) << 24;
}

inline void unpack_e4m3(float (&x)[4], u32 four) {
    for (int i = 0; i < 4; ++i) x[i] = e4m3_value(four >> 8 * i & 0xFF);
}
