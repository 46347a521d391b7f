// Conversions between float32 and the 16-bit types, by instructions that every SM has; where sm_80 has an
// instruction for two numbers, by that. A 32-bit word holds two 16-bit numbers, the first in the low half.
#pragma once

#include "base.cuh"

struct float16 {
    static constexpr bool kIsBfloat16 = false;
    static constexpr u32 kTwoOnes = 0x3C003C00u;
};

struct bfloat16 {
    static constexpr bool kIsBfloat16 = true;
    static constexpr u32 kTwoOnes = 0x3F803F80u;
};

DEVICE float minus_infinity() { return __int_as_float(0xFF800000); }

DEVICE float float_from_float16(u16 bits) {
    float result;
    asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(bits));
    return result;
}

DEVICE float float_from_bfloat16(u16 bits) { return __uint_as_float(static_cast<u32>(bits) << 16); }

DEVICE float to_float(u16 bits, bool is_bfloat16) {
    return is_bfloat16 ? float_from_bfloat16(bits) : float_from_float16(bits);
}

// Nearest even; beyond 65504 infinity.
DEVICE u32 pack_float16(float low, float high) {
#if SM >= 800
    u32 result;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
#else
    u16 first, second;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(first) : "f"(low));
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(second) : "f"(high));
    return static_cast<u32>(first) | static_cast<u32>(second) << 16;
#endif
}

#if SM < 800
// Nearest even on the bit pattern, in the high half, of what arithmetic gave: its NaN, 0x7FFFFFFF, would be rounded
// to -0, and is made a smaller one.
DEVICE u32 round_to_bfloat16(float x) {
    const u32 bits = min(__float_as_int(x), 0x7FFF7FFF);
    return bits + 0x7FFFu + (bits >> 16 & 1u);
}
#endif

DEVICE u32 pack_bfloat16(float low, float high) {
#if SM >= 800
    u32 result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
#else
    return __byte_perm(round_to_bfloat16(low), round_to_bfloat16(high), 0x7632);
#endif
}

DEVICE u32 pack(float low, float high, bool is_bfloat16) {
    return is_bfloat16 ? pack_bfloat16(low, high) : pack_float16(low, high);
}

// Two bfloat16 as two float16, saturated: a value of 1e5 must not turn a whole row into infinity or NaN.
DEVICE u32 float16_from_bfloat16(u32 pair) {
    const float limit = 65504.0f;
    const float low = __uint_as_float(pair << 16);
    const float high = __uint_as_float(pair & 0xFFFF0000u);
    return pack_float16(fminf(fmaxf(low, -limit), limit), fminf(fmaxf(high, -limit), limit));
}

DEVICE uint4 float16_from_bfloat16(uint4 v) {
    return make_uint4(float16_from_bfloat16(v.x), float16_from_bfloat16(v.y), float16_from_bfloat16(v.z),
                      float16_from_bfloat16(v.w));
}

// Sums of two pairs, nearest even.
DEVICE u32 add_float16(u32 a, u32 b) {
    u32 result;
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

#if SM >= 800
// The larger number; NaN if either is.
DEVICE float larger_or_nan(float a, float b) {
    float result;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
    return result;
}
#endif
