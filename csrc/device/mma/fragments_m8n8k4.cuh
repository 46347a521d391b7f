// One warp's scores and output in the fragments of Volta's m8n8k4: each quad pair takes eight of the warp's 32
// rows and all four read the same keys and values. INT8 operands become float16 without loss (|x| <= 127), and
// their products summed in float32 are exact integers. Layout: see ptx/mma_m8n8k4.cuh.
#pragma once

#include "params.h"
#include "ptx/mma_m8n8k4.cuh"
#include "ptx/number.cuh"
#include "softmax.cuh"
#include "tile.cuh"

template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows>
struct FragmentsM8N8K4 {
    static_assert(kWarpRows == 32, "four quad pairs of eight rows");
    static constexpr int kKeyTiles = SAGEATTN_KEY_ROWS / 8;  // of 8 columns
    static constexpr int kOutputTiles = kColumns / 8;
    static constexpr int kRows = 2;    // of a thread
    static constexpr int kGroups = 2;  // columns 0-3 and 4-7 of a key tile differ in scale
    static constexpr int kGroupSize = 2 * kKeyTiles;
    static constexpr int kQueryScales = 2;
    static constexpr int kPairs = 2 * kOutputTiles;
    static constexpr float kBias = 0.0f;
    static constexpr bool kTransposedValues = false;
    static constexpr float kMaximumSlack = 8.0f;
    static constexpr float kExponentOffset = 0.0f;
    using QueryTile = Tile<kQueryRows, kHeadDim>;
    using KeyTile = Tile<SAGEATTN_KEY_ROWS, kHeadDim>;
    using ValueTile = Tile<SAGEATTN_KEY_ROWS, 2 * kColumns>;

    using Bits = u32[kRows];  // of a thread's scores in a tile of a boolean mask: see params.h

    float scores[kKeyTiles][8];
    float output[kOutputTiles][8];
    float sums[kRows];  // of this thread's columns

    // Row or column of an operand that this lane supplies, of eight.
    static DEVICE int operand_index() { return lane_index() % 4 + 4 * (lane_index() / 16); }

    static DEVICE int row(int lane, int r) { return (lane / 4 % 4) * 8 + 4 * (lane / 16) + lane % 2 + 2 * r; }
    static DEVICE int column(int lane, int g, int j) { return (j / 2) * 8 + 4 * g + (lane & 2) + j % 2; }
    static DEVICE int query_scale_row(int lane, int r) { return row(lane, r); }
    static DEVICE int key_scale_index(int lane, int g) { return 2 * g + (lane & 2) / 2; }
    static DEVICE float reduce_max(float x) { return fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, 2)); }

    DEVICE FragmentsM8N8K4() {
        sums[0] = sums[1] = 0.0f;
#pragma unroll
        for (int n = 0; n < kOutputTiles; ++n)
#pragma unroll
            for (int i = 0; i < 8; ++i) output[n][i] = 0.0f;
    }

    DEVICE float score(int r, int g, int j) const { return scores[j / 2][4 * g + 2 * r + j % 2]; }
    DEVICE void set(int r, int g, int j, float x) { scores[j / 2][4 * g + 2 * r + j % 2] = x; }

    DEVICE float largest(int r, int g) const {
        float highest = minus_infinity();
#pragma unroll
        for (int j = 0; j < kGroupSize; ++j) highest = fmaxf(highest, score(r, g, j));
        return highest;
    }

    DEVICE float smallest(int r, int g) const { return largest(r, g); }

    // tile: of the mask.
    static DEVICE void load_bits(Bits& bits, const char* tile, int) {
        const int lane = lane_index();
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
            const char* source = tile + row(lane, r) % 8 * 32 + row(lane, r) / 8 * 2;
            const auto word = [&](int g) -> u32 {
                return __ldg(reinterpret_cast<const u16*>(source + column(lane, g, 0) / 2 * 8));
            };
            bits[r] = word(0) | word(1) << 16;
        }
    }

    // The scores before a product with keys that hides what the bits do not show.
    DEVICE void begin(const Bits& bits) {
#pragma unroll
        for (int n = 0; n < kKeyTiles; ++n)
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                const int g = i / 4, r = i / 2 % 2, j = i % 2;
                scores[n][i] = bits[r] & 1u << (g * 16 + j * 8 + n) ? 0.0f : minus_infinity();
            }
    }

    // kBegun: see begin.
    template <bool kBegun = false>
    DEVICE void multiply_keys(u32 query, int first_row, u32 key) {
        const int query_row = first_row + (lane_index() / 4 % 4) * 8 + operand_index();
        if constexpr (!kBegun) {
#pragma unroll
            for (int n = 0; n < kKeyTiles; ++n)
#pragma unroll
                for (int i = 0; i < 8; ++i) scores[n][i] = 0.0f;
        }
#pragma unroll 1
        for (int chunk = 0; chunk < kHeadDim / 16; ++chunk) {
            const uint4 q = load_shared_16(query + QueryTile::offset(query_row, chunk));
            const uint2 a[4] = {float16_from_int8(q.x), float16_from_int8(q.y), float16_from_int8(q.z),
                                float16_from_int8(q.w)};
#pragma unroll
            for (int n = 0; n < kKeyTiles; ++n) {
                const uint4 k = load_shared_16(key + KeyTile::offset(n * 8 + operand_index(), chunk));
                mma_columns(scores[n], a[0], float16_from_int8(k.x));
                mma_columns(scores[n], a[1], float16_from_int8(k.y));
                mma_columns(scores[n], a[2], float16_from_int8(k.z));
                mma_columns(scores[n], a[3], float16_from_int8(k.w));
            }
        }
    }

    // Four probabilities of one row, as the A operand takes them: lanes l and l ^ 2 hold two each of rows that
    // both need, so each gives the pair of the row it does not supply and gets the missing pair of its own.
    DEVICE uint2 probabilities(int n, int g) {
        const u32 first = pack_float16(scores[n][4 * g], scores[n][4 * g + 1]);
        const u32 second = pack_float16(scores[n][4 * g + 2], scores[n][4 * g + 3]);
        const bool upper = lane_index() & 2;
        const u32 received = __shfl_xor_sync(0xFFFFFFFFu, upper ? first : second, 2);
        return upper ? make_uint2(received, second) : make_uint2(first, received);
    }

    DEVICE void multiply_values(u32 value) {
#pragma unroll
        for (int r = 0; r < kRows; ++r)
#pragma unroll
            for (int j = 0; j < kGroupSize; ++j) sums[r] += score(r, 0, j) + score(r, 1, j);
#pragma unroll
        for (int step = 0; step < SAGEATTN_KEY_ROWS / 4; ++step) {
            const uint2 p = probabilities(step / 2, step % 2);
            const int key_row = step * 4 + lane_index() % 4, half = 8 * (lane_index() / 16);
#pragma unroll
            for (int n = 0; n < kOutputTiles; ++n)
                mma_rows(output[n], p, load_shared_8(value + ValueTile::offset(key_row, n) + half));
        }
    }

    DEVICE void rescale(const float (&factor)[kRows]) {
#pragma unroll
        for (int r = 0; r < kRows; ++r) sums[r] *= factor[r];
#pragma unroll
        for (int n = 0; n < kOutputTiles; ++n)
#pragma unroll
            for (int i = 0; i < 8; ++i) output[n][i] *= factor[i / 2 % 2];
    }

    DEVICE float row_sum(int r) const { return sums[r] + __shfl_xor_sync(0xFFFFFFFFu, sums[r], 2); }
    DEVICE float2 output_pair(int r, int j) const {
        const float (&c)[8] = output[j / 2];
        return make_float2(c[j % 2 * 4 + r * 2], c[j % 2 * 4 + r * 2 + 1]);
    }
    static DEVICE int output_column(int lane, int j) { return (j / 2) * 8 + (j % 2) * 4 + (lane & 2); }
};
