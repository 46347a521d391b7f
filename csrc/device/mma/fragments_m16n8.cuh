// One warp's scores and output in the fragments of m16n8 matrix instructions (sm_75 and later): int8 query
// times key, 16-bit probabilities times value. Layout: see ptx/mma_m16n8.cuh.
#pragma once

#include "params.h"
#include "ptx/ldmatrix.cuh"
#include "ptx/mma_m16n8.cuh"
#include "tile.cuh"

// Integers of |x| < 2^22 added to the bits of 1.5 * 2^23 are the float 1.5 * 2^23 + x: the matrix instruction
// starts from that constant, and no conversion from int to float is needed. As integers such floats compare
// as they do as floats, and -infinity below all of them.
constexpr float kMagicFloat = 12582912.0f;
constexpr int kMagicBits = 0x4B400000;
constexpr int kMinusInfinityBits = static_cast<int>(0xFF800000u);

// A hidden score starts from here: with x it is a number below -10^37, which every scale makes a probability of 0,
// and as an integer it is below -infinity.
constexpr int kHiddenBits = static_cast<int>(0xFEC00000u);
constexpr u32 kHiddenToMagic = static_cast<u32>(kMagicBits) - static_cast<u32>(kHiddenBits);
static_assert(kHiddenToMagic % (1u << 15) == 0, "a bit of sixteen times a number makes it");

// The scores. kQueryRows: of the block, whose queries lie in one tile.
template <int kHeadDim, int kQueryRows, int kWarpRows>
struct ScoresM16N8 {
    static constexpr int kBlocks = kWarpRows / 16;           // of 16 rows
    static constexpr int kKeyTiles = SAGEATTN_KEY_ROWS / 8;  // of 8 columns
    static constexpr int kRows = 2 * kBlocks;                // of a thread
    static constexpr int kGroups = 1;                        // lane mod 4 fixes the key scale
    static constexpr int kGroupSize = 2 * kKeyTiles;
    static constexpr int kQueryScales = kBlocks;  // rows that are 8 apart share one
    static constexpr float kBias = kMagicFloat;
    using QueryTile = Tile<kQueryRows, kHeadDim>;
    using KeyTile = Tile<SAGEATTN_KEY_ROWS, kHeadDim>;

    using Bits = u32[kBlocks];  // of a thread's scores in a tile of a boolean mask: see params.h

    int scores[kBlocks][kKeyTiles][4];  // bits of floats once the magic constant is in

    static DEVICE int row(int lane, int r) { return r * 8 + lane / 4; }
    static DEVICE int column(int lane, int, int j) { return (j / 2) * 8 + (lane % 4) * 2 + j % 2; }
    static DEVICE int query_scale_row(int lane, int i) { return i * 16 + lane / 4; }
    static DEVICE int key_scale_index(int lane, int) { return lane % 4; }

    static DEVICE float reduce_max(float x) {
        x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, 1));
        return fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, 2));
    }

    DEVICE float score(int r, int, int j) const { return __int_as_float(scores[r / 2][j / 2][(r % 2) * 2 + j % 2]); }
    DEVICE void set(int r, int, int j, float x) { scores[r / 2][j / 2][(r % 2) * 2 + j % 2] = __float_as_int(x); }

    // Of scores with the bias, or -infinity.
    DEVICE float largest(int r, int) const {
        int highest = kMinusInfinityBits;
#pragma unroll
        for (int n = 0; n < kKeyTiles; ++n) {
            const int (&c)[4] = scores[r / 2][n];
            highest = max(highest, max(c[(r % 2) * 2], c[(r % 2) * 2 + 1]));
        }
        return __int_as_float(highest);
    }

    // Compared as integers: of negative scores, the largest.
    DEVICE float smallest(int r, int) const {
        int lowest = 0;
#pragma unroll
        for (int n = 0; n < kKeyTiles; ++n) {
            const int (&c)[4] = scores[r / 2][n];
            lowest = min(lowest, min(c[(r % 2) * 2], c[(r % 2) * 2 + 1]));
        }
        return __int_as_float(lowest);
    }

    // tile: of the mask; first_row: the warp's first in the block.
    static DEVICE void load_bits(Bits& bits, const char* tile, int first_row) {
        const char* source = tile + lane_index() * 8;
        if constexpr (kBlocks == 2) {
            const uint2 v = __ldg(reinterpret_cast<const uint2*>(source));
            bits[0] = v.x, bits[1] = v.y;
        } else {
            bits[0] = __ldg(reinterpret_cast<const u32*>(source + first_row / 16 % 2 * 4));
        }
    }

    // The scores before a product with keys that hides what the bits do not show.
    DEVICE void begin(const Bits& bits) {
#pragma unroll
        for (int n = 0; n < kKeyTiles; ++n)
#pragma unroll
            for (int b = 0; b < kBlocks; ++b)
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const u32 row = i < 2 ? bits[b] : bits[b] >> 16, bit = i % 2 * 8 + n;
                    scores[b][n][i] = multiply_add(row & 1u << bit, kHiddenToMagic >> bit, kHiddenBits);
                }
    }

    // Scores of the warp's rows, from first_row of the query tile on, against a key tile. kBegun: see begin.
    template <bool kBegun = false>
    DEVICE void multiply_keys(u32 query, int first_row, u32 key) {
        const int lane = opaque(lane_index());
        const u32 queries = query + QueryTile::offset(first_row + lane % 16, lane / 16);
        const u32 keys = key + KeyTile::offset(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
        for (int step = 0; step < kHeadDim / 32; ++step) {
            u32 a[kBlocks][4];
#pragma unroll
            for (int b = 0; b < kBlocks; ++b)
                load_matrices(a[b], QueryTile::further(queries, step * 2) + b * 16 * kHeadDim);
#pragma unroll
            for (int n = 0; n < kKeyTiles; n += 2) {
                u32 k[4];
                load_matrices(k, KeyTile::further(keys, step * 2) + n * 8 * kHeadDim);
#pragma unroll
                for (int b = 0; b < kBlocks; ++b) {
                    multiply(scores[b][n], a[b], k[0], k[1], step == 0 && !kBegun);
                    multiply(scores[b][n + 1], a[b], k[2], k[3], step == 0 && !kBegun);
                }
            }
        }
    }

  private:
    static DEVICE void multiply(int (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, bool first) {
        const int magic[4] = {kMagicBits, kMagicBits, kMagicBits, kMagicBits};
        if (first) mma_int8(d, a, b0, b1, magic);
        else mma_int8(d, a, b0, b1, d);
    }
};

// Float32 sums of kColumns columns of the output: what all products with values share.
template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows>
struct OutputM16N8 : ScoresM16N8<kHeadDim, kQueryRows, kWarpRows> {
    static constexpr int kBlocks = kWarpRows / 16;
    static constexpr int kRows = 2 * kBlocks;
    static constexpr int kOutputTiles = kColumns / 8;
    static constexpr int kPairs = kOutputTiles;  // of output columns, per row

    float output[kBlocks][kOutputTiles][4];
    float sums[kBlocks][4];  // of probabilities as rounded for the product, per row

    DEVICE OutputM16N8() {
#pragma unroll
        for (int b = 0; b < kBlocks; ++b)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                sums[b][i] = 0.0f;
#pragma unroll
                for (int n = 0; n < kOutputTiles; ++n) output[b][n][i] = 0.0f;
            }
    }

    DEVICE void rescale(const float (&factor)[kRows]) {
#pragma unroll
        for (int b = 0; b < kBlocks; ++b)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                sums[b][i] *= factor[b * 2 + i / 2];
#pragma unroll
                for (int n = 0; n < kOutputTiles; ++n) output[b][n][i] *= factor[b * 2 + i / 2];
            }
    }

    // After the last tile.
    DEVICE float row_sum(int r) const { return sums[r / 2][(r % 2) * 2]; }
    DEVICE float2 output_pair(int r, int j) const {
        return make_float2(output[r / 2][j][(r % 2) * 2], output[r / 2][j][(r % 2) * 2 + 1]);
    }
    static DEVICE int output_column(int lane, int j) { return j * 8 + (lane % 4) * 2; }
};

// 16-bit values, row by row.
template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows>
struct FragmentsM16N8 : OutputM16N8<kHeadDim, kColumns, kQueryRows, kWarpRows> {
    using Base = OutputM16N8<kHeadDim, kColumns, kQueryRows, kWarpRows>;
    using Base::kBlocks, Base::kOutputTiles, Base::output, Base::scores, Base::sums;
    using ValueTile = Tile<SAGEATTN_KEY_ROWS, 2 * kColumns>;
    static constexpr bool kTransposedValues = false;
    static constexpr float kMaximumSlack = 8.0f;
    static constexpr float kExponentOffset = 0.0f;

    // Adds probabilities times a value tile to the output, and the probabilities to the sums.
    template <class Value = float16>
    DEVICE void multiply_values(u32 value) {
        const int lane = opaque(lane_index());
        const u32 values = value + ValueTile::offset(lane % 16, lane / 16);
#pragma unroll
        for (int step = 0; step < SAGEATTN_KEY_ROWS / 16; ++step) {
            u32 p[kBlocks][4];
#pragma unroll
            for (int b = 0; b < kBlocks; ++b) {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const int (&c)[4] = scores[b][step * 2 + i / 2];
                    p[b][i] =
                        pack(__int_as_float(c[i % 2 * 2]), __int_as_float(c[i % 2 * 2 + 1]), Value::kIsBfloat16);
                }
                mma_16bit<Value>(sums[b], p[b], Value::kTwoOnes, Value::kTwoOnes);
            }
#pragma unroll
            for (int n = 0; n < kOutputTiles; n += 2) {
                u32 v[4];
                load_matrices_transposed(v, ValueTile::further(values, n) + step * 16 * ValueTile::kRowBytes);
#pragma unroll
                for (int b = 0; b < kBlocks; ++b) {
                    mma_16bit<Value>(output[b][n], p[b], v[0], v[1]);
                    mma_16bit<Value>(output[b][n + 1], p[b], v[2], v[3]);
                }
            }
        }
    }
};
