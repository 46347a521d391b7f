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

// How many of a lane's 32 keys each of its two rows sees.
struct SeenCounts {
    int count[2];

    DEVICE bool none(int r) const { return count[r] <= 0; }
    DEVICE bool hides(int r, int key) const { return key >= count[r]; }

    // A byte of ones for each of four neighbouring keys that the row sees.
    DEVICE u32 bytes(int r, int key) const { return first_bits(8 * (count[r] - key)); }
};

// Which of a lane's 32 keys each of its two rows sees.
struct SeenBits {
    u32 bits[2];

    DEVICE bool none(int r) const { return bits[r] == 0; }
    DEVICE bool hides(int r, int key) const { return (bits[r] >> key & 1) == 0; }

    // A byte of ones for each of four neighbouring keys that the row sees.
    DEVICE u32 bytes(int r, int key) const { return ((bits[r] >> key & 15) * 0x204081u & 0x1010101u) * 255u; }
};

// Row and key of element i.
DEVICE constexpr int element_row(int i) { return i / 2 % 2; }
DEVICE constexpr int element_key(int i) { return i / 4 * 2 + i % 2; }

// x = log2(e) * (sm_scale * q . k + bias). bias loads four keys of a row at a time.
template <class Bias>
DEVICE void add_bias(float (&x)[64], const int (&s)[64], const float (&scale)[2], const Bias& bias) {
#pragma unroll
    for (int c = 0; c < 8; ++c) {
        float added[4];
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            if (r == 0 || bias.rows_differ()) bias.load(added, r, c);
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const int i = 8 * c + j / 2 * 4 + 2 * r + j % 2;
                x[i] = fmaf(static_cast<float>(s[i]), scale[r], added[j]);
            }
        }
    }
}

// What scores get added after their scale.
struct NothingAdded {
    DEVICE float to(float x) const { return x; }
};

// The same number for a lane's 32 keys of a tile.
struct GroupAdded {
    float bias;

    DEVICE float to(float x) const { return x + bias; }
};

// What the softmaxes of both kinds share. Two rows of a lane, r = 0 and 1: g and g + 8.
struct WgmmaSoftmaxRows {
    float maximum[2];             // of x = log2(e) * (sm_scale * q . k + bias)
    float sum[2] = {0.0f, 0.0f};  // of the rounded probabilities
    float rescale[2];             // factor of the sums before the last tile, by its maximum

    DEVICE explicit WgmmaSoftmaxRows(float lowest) : maximum{lowest, lowest} {}

  protected:
    template <class Hidden>
    DEVICE static void hide_exponents(float (&x)[64], const Hidden& hidden) {
#pragma unroll
        for (int i = 0; i < 64; ++i)
            if (hidden.hides(element_row(i), element_key(i))) x[i] = minus_infinity();
    }

    // weights[j] holds row j % 2, keys 4 (j / 2) … 4 (j / 2) + 3.
    template <class Hidden>
    DEVICE static void zero_hidden(u32 (&weights)[16], const Hidden& hidden) {
#pragma unroll
        for (int j = 0; j < 16; ++j) weights[j] &= hidden.bytes(j % 2, j / 2 * 4);
    }

    // Raises a row's maximum to the largest of the row's lanes.
    DEVICE void raise(int r, float largest) {
        largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, 2));
        const float next = fmaxf(maximum[r], largest);
        rescale[r] = exp2_fast(maximum[r] - next);
        maximum[r] = next;
    }

    DEVICE static void pack_tile(u32 (&weights)[16], const float (&x)[64]) {
#pragma unroll
        for (int c = 0; c < 4; ++c) pack_chunk(weights + 4 * c, x + 16 * c);
    }

    // 32 keys as the register operand of the second product; value_byte in tiles.cuh is the same order.
    DEVICE static void pack_chunk(u32* weights, const float* x) {
        weights[0] = pack_e4m3(x[0], x[1], x[4], x[5]);
        weights[1] = pack_e4m3(x[2], x[3], x[6], x[7]);
        weights[2] = pack_e4m3(x[8], x[9], x[12], x[13]);
        weights[3] = pack_e4m3(x[10], x[11], x[14], x[15]);
    }
};

// Without an additive mask, or with a number for all of a lane's keys.
//
// kApart: all exponentials are on their way before the first is packed, which takes more registers. Packing them as
// they come waits for each; only four warpgroups fill that time.
template <bool kApart>
struct WgmmaSoftmax : WgmmaSoftmaxRows {
    DEVICE WgmmaSoftmax() : WgmmaSoftmaxRows(kNothingSeen) {}

    // limited: hidden says which keys the rows see; else all of them. wait_for_values branches, which keeps the
    // compiler from packing earlier.
    template <class Hidden, class Added, class Wait>
    DEVICE void probabilities(u32 (&weights)[16], int (&s)[64], const float (&scale)[2], bool limited,
                              const Hidden& hidden, const Added& added, Wait wait_for_values) {
        if (limited) hide(s, hidden);
        maxima(s, scale, limited, hidden, added);
        if constexpr (kApart) {
            float x[64];
            exponentials(x, s, scale, added);
            wait_for_values();
            pack_tile(weights, x);
        } else {
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                float x[16];
                exponentials(x, s + 16 * c, scale, added);
                pack_chunk(weights + 4 * c, x);
            }
        }
        // Where scales are tiny, hidden products alone would not make the probabilities zero.
        if (limited) zero_hidden(weights, hidden);
        if (!kApart) wait_for_values();  // a line earlier, head dim 64 would spill
    }

    // The same, and adds to `exact` what is not rounded yet, of the lane's 32 keys whose bits are set in `there`.
    template <class Hidden, class Wait>
    DEVICE void probabilities(u32 (&weights)[16], int (&s)[64], const float (&scale)[2], bool limited,
                              const Hidden& hidden, u32 there, float (&exact)[2], Wait wait_for_values) {
        if (limited) hide(s, hidden);
        maxima(s, scale, limited, hidden, NothingAdded());
        if (limited || __any_sync(0xFFFFFFFFu, there != ~0u)) {
            float x[64];
            exponents(x, s, scale);
            if (limited) hide_exponents(x, hidden);
            keep(x, there);
            weigh(weights, x, exact, wait_for_values);
        } else {
            float x[64];
            exponents(x, s, scale);
            weigh(weights, x, exact, wait_for_values);
        }
    }

  private:
    // Of a score of row r, relative to the maximum.
    template <class Added>
    DEVICE float exponent(int s, int r, const float (&scale)[2], const Added& added) const {
        return fmaf(static_cast<float>(s), scale[r], added.to(kOffset - maximum[r]));
    }

    // Probabilities, before they are rounded.
    template <int kCount, class Added>
    DEVICE void exponentials(float (&x)[kCount], const int* s, const float (&scale)[2], const Added& added) const {
#pragma unroll
        for (int i = 0; i < kCount; ++i) x[i] = exp2_fast(exponent(s[i], element_row(i), scale, added));
    }

    DEVICE void exponents(float (&x)[64], const int (&s)[64], const float (&scale)[2]) const {
#pragma unroll
        for (int i = 0; i < 64; ++i) x[i] = exponent(s[i], element_row(i), scale, NothingAdded());
    }

    // The others' probabilities become 0.
    DEVICE static void keep(float (&x)[64], u32 there) {
#pragma unroll
        for (int i = 0; i < 64; ++i)
            if ((there >> element_key(i) & 1) == 0) x[i] = minus_infinity();
    }

    // Probabilities of their exponents, adding up what is not rounded yet.
    template <class Wait>
    DEVICE static void weigh(u32 (&weights)[16], float (&x)[64], float (&exact)[2], Wait wait_for_values) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
#pragma unroll
            for (int i = 16 * c; i < 16 * c + 16; ++i) {
                x[i] = exp2_fast(x[i]);
                exact[element_row(i)] += x[i];
            }
            if (!kApart) pack_chunk(weights + 4 * c, x + 16 * c);
        }
        wait_for_values();
        if (kApart) pack_tile(weights, x);
    }

    template <class Hidden>
    DEVICE static void hide(int (&s)[64], const Hidden& hidden) {
#pragma unroll
        for (int i = 0; i < 64; ++i)
            if (hidden.hides(element_row(i), element_key(i))) s[i] = static_cast<int>(0x80000000u);
    }

    // Takes the maxima of integers, because the hardware compares three of them at a time; in two chains a row.
    template <class Hidden, class Added>
    DEVICE void maxima(const int (&s)[64], const float (&scale)[2], bool limited, const Hidden& hidden,
                       const Added& added) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            int chain[2] = {max(s[2 * r], s[2 * r + 1]), max(s[4 + 2 * r], s[4 + 2 * r + 1])};
#pragma unroll
            for (int i = 2; i < 16; ++i)
                chain[i % 2] = max(max(chain[i % 2], s[4 * i + 2 * r]), s[4 * i + 2 * r + 1]);
            float largest = added.to(static_cast<float>(max(chain[0], chain[1])) * scale[r]);
            if (limited && hidden.none(r)) largest = kNothingSeen;
            raise(r, largest);
        }
    }
};

// With an additive mask, which may be as low as float32 goes: such a key counts for a row that sees no better one,
// -infinity never does.
struct WgmmaBiasedSoftmax : WgmmaSoftmaxRows {
    DEVICE WgmmaBiasedSoftmax() : WgmmaSoftmaxRows(-3.402823466e38f) {}

    // As above, of scores that are x already.
    template <class Hidden>
    DEVICE void probabilities(u32 (&weights)[16], float (&x)[64], bool limited, const Hidden& hidden) {
        if (limited) hide_exponents(x, hidden);
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            float largest = x[2 * r];
#pragma unroll
            for (int i = 0; i < 64; ++i)
                if (element_row(i) == r) largest = fmaxf(largest, x[i]);
            raise(r, largest);
        }
#pragma unroll
        for (int i = 0; i < 64; ++i) x[i] = exp2_fast(x[i] - (maximum[element_row(i)] - kOffset));
        pack_tile(weights, x);
    }
};
