// Online softmax of a warpgroup's 64 x 128 INT8 products, in the registers that the matrix instruction leaves them
// in: element 4 i + 2 r + e of lane 4 g + t is row g + 8 r, key 32 t + 2 i + e.
#pragma once

#include "arguments.h"
#include "ptx/e4m3.cuh"
#include "ptx/number.cuh"

// Probabilities are 2^(x - maximum + kOffset): nearly as large as E4M3, which ends at 448, allows, but with the
// largest a power of two, so that a row which one key dominates is not rounded.
constexpr float kOffset = 8.0f;
constexpr float kNothingSeen = -1e30f;  // maximum of a row that has seen no key

// Two rows of a lane, r = 0 and 1: g and g + 8.
struct WgmmaSoftmax {
    float maximum[2] = {kNothingSeen, kNothingSeen};  // of x = log2(e) * sm_scale * q . k
    float sum[2] = {0.0f, 0.0f};                      // of the rounded probabilities
    float rescale[2];                                 // factor of the sums before the last tile, by its maximum

    // seen: how many of the lane's 32 keys each row sees, if the tile needs a mask.
    DEVICE void probabilities(u32 (&weights)[16], int (&s)[64], const float (&scale)[2], bool masked,
                              const int (&seen)[2]) {
        if (masked) hide(s, seen);
        float x[64];
        maxima(s, scale, masked, seen);
#pragma unroll
        for (int i = 0; i < 64; ++i) {
            const int r = i / 2 % 2;
            x[i] = exp2_fast(fmaf(static_cast<float>(s[i]), scale[r], kOffset - maximum[r]));
        }
        if (masked) zero(x, seen);
#pragma unroll
        for (int c = 0; c < 4; ++c) pack_chunk(weights + 4 * c, x + 16 * c);
    }

  private:
    DEVICE static bool hidden(int i, const int (&seen)[2]) { return i / 4 * 2 + i % 2 >= seen[i / 2 % 2]; }

    DEVICE static void hide(int (&s)[64], const int (&seen)[2]) {
#pragma unroll
        for (int i = 0; i < 64; ++i)
            if (hidden(i, seen)) s[i] = static_cast<int>(0x80000000u);
    }

    // Sets hidden probabilities to zero: where scales are tiny, hidden products alone would not make them so.
    DEVICE static void zero(float (&x)[64], const int (&seen)[2]) {
#pragma unroll
        for (int i = 0; i < 64; ++i)
            if (hidden(i, seen)) x[i] = 0.0f;
    }

    // Takes the maxima of integers, because the hardware compares three of them at a time; in two chains a row.
    DEVICE void maxima(const int (&s)[64], const float (&scale)[2], bool masked, const int (&seen)[2]) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            int chain[2] = {max(s[2 * r], s[2 * r + 1]), max(s[4 + 2 * r], s[4 + 2 * r + 1])};
#pragma unroll
            for (int i = 2; i < 16; ++i)
                chain[i % 2] = max(max(chain[i % 2], s[4 * i + 2 * r]), s[4 * i + 2 * r + 1]);
            float largest = static_cast<float>(max(chain[0], chain[1])) * scale[r];
            if (masked && seen[r] <= 0) largest = kNothingSeen;
            largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, 1));
            largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, 2));
            const float next = fmaxf(maximum[r], largest);
            rescale[r] = exp2_fast(maximum[r] - next);
            maximum[r] = next;
        }
    }

    // 32 keys as the register operand of the second product; value_byte in tiles.cuh is the same order.
    DEVICE static void pack_chunk(u32* weights, const float* x) {
        weights[0] = pack_e4m3(x[0], x[1], x[4], x[5]);
        weights[1] = pack_e4m3(x[2], x[3], x[6], x[7]);
        weights[2] = pack_e4m3(x[8], x[9], x[12], x[13]);
        weights[3] = pack_e4m3(x[10], x[11], x[14], x[15]);
    }
};
