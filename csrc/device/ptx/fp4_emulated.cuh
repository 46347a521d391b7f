// What ptx/fp4.cuh does, in instructions that every GPU of SM 8.9 or newer has, and in C++ (csrc/tests/host/cpu): for
// tests alone. Products of codes are exact, sums of 16 of them too; the four groups are added in float32.
#pragma once

#include "ptx/e4m3.cuh"

DEVICE u32 e2m1_code(float x) {
    const float a = fabsf(x);
    const u32 code = (a > 0.25f) + (a >= 0.75f) + (a > 1.25f) + (a >= 1.75f) + (a > 2.5f) + (a >= 3.5f) + (a > 5.0f);
    return code | (__float_as_uint(x) >> 28 & 8u);
}

DEVICE u32 pack_e2m1(const float (&x)[8]) {
    u32 result = 0;
    for (int i = 0; i < 8; ++i) result |= e2m1_code(x[i]) << 4 * i;
    return result;
}

// The low four codes as four bytes of twice their values.
DEVICE u32 doubled_values(u32 codes) {
    const u32 magnitude = __byte_perm(0x03020100u, 0x0C080604u, codes & 0x7777u);
    const u32 negative = (codes >> 3 & 1) | (codes >> 7 & 1) << 8 | (codes >> 11 & 1) << 16 | (codes >> 15 & 1) << 24;
    const u32 flipped = magnitude ^ negative * 0xFFu;
    return ((flipped & 0x7F7F7F7Fu) + negative) ^ (flipped & 0x80808080u);  // no carry leaves a byte
}

struct EmulatedSums {
    float d[4];
};

struct EmulatedOperands {
    u32 a[4], b[2], scale_a, scale_b;
};

// Sums of 16 products without scales, for rows g and g + 8 and columns 2t and 2t + 1, times four.
DEVICE void emulated_group(int (&sum)[4], const EmulatedOperands& x, int group, int g, int t) {
    const int half = group / 2;
    for (int i = 0; i < 4; ++i) sum[i] = 0;
#pragma unroll
    for (int word = 0; word < 2; ++word) {
        const int from = group % 2 * 2 + word;
        u32 a[2], b[2];
        for (int i = 0; i < 2; ++i) {
            a[i] = __shfl_sync(0xFFFFFFFFu, half ? x.a[2 + i] : x.a[i], 4 * g + from);
            b[i] = __shfl_sync(0xFFFFFFFFu, x.b[half], 4 * (2 * t + i) + from);
        }
#pragma unroll
        for (int part = 0; part < 8; ++part) {
            const int shift = part / 4 * 16, i = part / 2 % 2, j = part % 2;
            sum[2 * i + j] = __dp4a(static_cast<int>(doubled_values(a[i] >> shift & 0xFFFFu)),
                                    static_cast<int>(doubled_values(b[j] >> shift & 0xFFFFu)), sum[2 * i + j]);
        }
    }
}

// Out of line: a kernel has dozens of products.
static __device__ __noinline__ EmulatedSums emulated_mma(EmulatedSums sums, EmulatedOperands x, int select_a,
                                                         int select_b) {
    const int g = lane_index() / 4, t = lane_index() % 4;
    u32 scale[4];  // of two rows, and of two columns
    for (int i = 0; i < 2; ++i) {
        scale[i] = __shfl_sync(0xFFFFFFFFu, x.scale_a, 4 * g + 2 * select_a + i);
        scale[2 + i] = __shfl_sync(0xFFFFFFFFu, x.scale_b, 4 * (2 * t + i) + select_b);
    }
    float total[4] = {};
#pragma unroll 1
    for (int group = 0; group < 4; ++group) {
        int sum[4];
        float factor[4];
        emulated_group(sum, x, group, g, t);
        const u32 bytes = __byte_perm(__byte_perm(scale[0], scale[1], group | (4 + group) << 4),
                                      __byte_perm(scale[2], scale[3], group | (4 + group) << 4), 0x5410);
        unpack_e4m3(factor, bytes);
        for (int i = 0; i < 4; ++i)
            total[i] += (factor[i / 2] * factor[2 + i % 2]) * (0.25f * static_cast<float>(sum[i]));
    }
    for (int i = 0; i < 4; ++i) sums.d[i] += total[i];
    return sums;
}

template <int kSelectA, int kSelectB>
DEVICE void mma_fp4(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, u32 scale_a, u32 scale_b) {
    const EmulatedSums sums = emulated_mma(
        {{d[0], d[1], d[2], d[3]}}, {{a[0], a[1], a[2], a[3]}, {b0, b1}, scale_a, scale_b}, kSelectA, kSelectB);
    for (int i = 0; i < 4; ++i) d[i] = sums.d[i];
}
