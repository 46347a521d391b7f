// The conversions of csrc/device/ptx/number.cuh that kernels here need.
#pragma once

#include "ptx/base.cuh"

struct float16 {
    static constexpr bool kIsBfloat16 = false;
    static constexpr u32 kTwoOnes = 0x3C003C00u;
};

struct bfloat16 {
    static constexpr bool kIsBfloat16 = true;
    static constexpr u32 kTwoOnes = 0x3F803F80u;
};

inline float minus_infinity() { return -INFINITY; }

inline float float_from_float16(u16 bits) {
    _Float16 x;
    memcpy(&x, &bits, sizeof x);
    return static_cast<float>(x);
}

inline float float_from_bfloat16(u16 bits) { return __uint_as_float(static_cast<u32>(bits) << 16); }

inline float to_float(u16 bits, bool is_bfloat16) {
    return is_bfloat16 ? float_from_bfloat16(bits) : float_from_float16(bits);
}

inline u32 round_to_float16(float x) {
    const _Float16 half = static_cast<_Float16>(x);
    u16 bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

inline u32 round_to_bfloat16(float x) {
    const u32 bits = __float_as_uint(x);
    return isnan(x) ? 0x7FFFu : (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
}

inline u32 pack(float low, float high, bool is_bfloat16) {
    return is_bfloat16 ? round_to_bfloat16(low) | round_to_bfloat16(high) << 16
                       : round_to_float16(low) | round_to_float16(high) << 16;
}

// Saturated, as before SM 8.0.
inline u32 float16_from_bfloat16(u32 pair) {
    const auto half = [](u32 bits) {
        return round_to_float16(fminf(fmaxf(float_from_bfloat16(static_cast<u16>(bits)), -65504), 65504));
    };
    return half(pair) | half(pair >> 16) << 16;
}

inline uint4 float16_from_bfloat16(uint4 v) {
    return {float16_from_bfloat16(v.x), float16_from_bfloat16(v.y), float16_from_bfloat16(v.z),
            float16_from_bfloat16(v.w)};
}

inline float larger_or_nan(float a, float b) { return isnan(a) || isnan(b) ? NAN : fmaxf(a, b); }
