// Online softmax of a warp's 16 x 64 scores, and the probabilities as FP4: element 2 r + e of s[j] in lane 4 g + t is
// row g + 8 r, key 32 (j / 4) + 8 t + 2 (j mod 4) + e.
#pragma once

#include "infinite.cuh"
#include "ptx/e4m3.cuh"
#include "ptx/fp4.cuh"

constexpr float kFp4Range = 11.392317422778762f;  // log2(448 * 6): the largest probability is the largest FP4 number

// Two rows of a lane, r = 0 and 1: g and g + 8. Probabilities are 2^(scale s - maximum + kFp4Range).
struct Fp4Softmax {
    float maximum[2] = {-infinity(), -infinity()};  // of the scores; NaN once one is
    float rescale[2];                               // factor of the sums before the last scores

    // Scores become a, the operand of the product with values, and its scales. Returns whether rescale matters.
    DEVICE bool probabilities(u32 (&a)[4], u32& scale_a, const float (&s)[8][4], float scale) {
        float group[4];  // largest score of 16 keys: [32 keys][row]
        const float previous[2] = {maximum[0], maximum[1]};
        take_maxima(group, s);
        float top[2], factor[4];
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const bool none = maximum[r] == -infinity();
            const float most = none ? 0.0f : maximum[r] * scale;
            top[r] = none ? 0.0f : most - kFp4Range;
            rescale[r] = exp2_fast(previous[r] * scale - most);
#pragma unroll
            for (int half = 0; half < 2; ++half)
                factor[2 * r + half] = exp2_fast(group[2 * half + r] * scale - top[r]) * (1.0f / 6.0f);
        }
        const u32 scales = pack_e4m3(factor[0], factor[1], factor[2], factor[3]);
        unpack_e4m3(factor, scales);
#pragma unroll
        for (int r = 0; r < 2; ++r)
#pragma unroll
            for (int half = 0; half < 2; ++half)
                a[r + 2 * half] = codes(s, r, half, scale, top[r], factor[2 * r + half]);
        // Lanes t = 0 and 1 want all scales of rows g and g + 8; the lane two further has those of the odd groups.
        const u32 others = __shfl_xor_sync(0xFFFFFFFFu, scales, 2);
        scale_a = __byte_perm(scales, others, lane_index() % 2 ? 0x7362u : 0x5140u);
        return __any_sync(0xFFFFFFFFu, maximum[0] != previous[0] || maximum[1] != previous[1]);
    }

  private:
    // A group of 16 keys is in two neighbouring lanes, a row in four.
    DEVICE void take_maxima(float (&group)[4], const float (&s)[8][4]) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float largest = larger_or_nan(s[4 * half][2 * r], s[4 * half][2 * r + 1]);
#pragma unroll
                for (int j = 1; j < 4; ++j)
                    largest =
                        larger_or_nan(largest, larger_or_nan(s[4 * half + j][2 * r], s[4 * half + j][2 * r + 1]));
                group[2 * half + r] = larger_or_nan(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, 1));
            }
            const float both = larger_or_nan(group[r], group[2 + r]);
            maximum[r] = larger_or_nan(maximum[r], larger_or_nan(both, __shfl_xor_sync(0xFFFFFFFFu, both, 2)));
        }
    }

    // Eight codes, relative to the scale as it was rounded.
    DEVICE static u32 codes(const float (&s)[8][4], int r, int half, float scale, float top, float factor) {
        const float offset = factor == 0.0f ? infinity() : top + log2_fast(factor);
        float x[8];
#pragma unroll
        for (int i = 0; i < 8; ++i) x[i] = exp2_fast(s[4 * half + i / 2][2 * r + i % 2] * scale - offset);
        return pack_e2m1(x);
    }
};
