// Sixteen neighbouring numbers as E2M1 codes and their E4M3 scale (NVFP4).
//
// The largest number becomes 6 or 4, whichever has the smaller squared error: the codes 4 and 6 are far apart, and
// with 4 as the largest the numbers below it are rounded more finely ("4 or 6").
#pragma once

#include "infinite.cuh"
#include "ptx/e4m3.cuh"
#include "ptx/fp4.cuh"

constexpr u32 kNanScale = 0x7F;

struct Fp4Group {
    u32 code[2];
    u32 scale;  // a byte

    DEVICE static Fp4Group of(const float (&x)[16]) {
        float largest = 0.0f;
#pragma unroll
        for (int i = 0; i < 16; ++i) largest = larger_or_nan(largest, fabsf(x[i]));
        if (!is_finite(largest)) return {{0, 0}, kNanScale};
        const u32 scales = pack_e4m3(largest * (1.0f / 6.0f), largest * 0.25f, 0.0f, 0.0f);
        float factor[4];
        unpack_e4m3(factor, scales);
        const Fp4Group six = with_scale(x, scales & 0xFFu, factor[0]);
        const Fp4Group four = with_scale(x, scales >> 8, factor[1]);
        return four.error(x, factor[1]) < six.error(x, factor[0]) ? four : six;
    }

  private:
    DEVICE static Fp4Group with_scale(const float (&x)[16], u32 scale, float factor) {
        const float inverse = factor == 0.0f ? 0.0f : 1.0f / factor;
        float low[8], high[8];
#pragma unroll
        for (int i = 0; i < 8; ++i) low[i] = x[i] * inverse, high[i] = x[8 + i] * inverse;
        return {{pack_e2m1(low), pack_e2m1(high)}, scale};
    }

    // In fused operations one after the other, so that the choice is the same wherever the kernel runs.
    DEVICE float error(const float (&x)[16], float factor) const {
        float sum = 0.0f;
#pragma unroll
        for (int i = 0; i < 16; ++i) {
            const float difference = fmaf(value(i), factor, -x[i]);
            sum = fmaf(difference, difference, sum);
        }
        return sum;
    }

    // A code's exponent and mantissa are those of a float32 whose exponent is 126 less.
    DEVICE float value(int i) const {
        const u32 bits = code[i / 8] >> i % 8 * 4;
        return __uint_as_float((bits & 7u) << 22 | (bits & 8u) << 28) * __uint_as_float(0x7E800000u);
    }
};
