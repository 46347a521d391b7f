// Fragments whose product with the values is summed within one key tile by matrix instructions that are faster but
// less exact, and between tiles in float32. Scores are those of FragmentsM16N8. A Product says which instructions
// and how the value tile lies in shared memory.
#pragma once

#include "fragments_m16n8.cuh"
#include "ptx/e4m3.cuh"
#include "ptx/mma_tile_sums.cuh"

// 16-bit values, float16 sums: twice the rate of float32 sums on GeForce. Probabilities of at most 2^-6 keep the sum
// of a tile's 64 products within float16, whatever the values are.
struct Float16Product {
    static constexpr int kKeys = 16;  // of one instruction
    static constexpr int kWidth = 2;  // output tiles that are multiplied together
    static constexpr float kExponentOffset = -6.0f;
    static constexpr bool kTransposedValues = false;
    static constexpr u32 kOnes = float16::kTwoOnes;
    using Sum = AccumF16;
    template <int kColumns>
    using ValueTile = Tile<SAGEATTN_KEY_ROWS, 2 * kColumns>;

    static DEVICE void add_ones(AccumF32& d, const u32 (&a)[4]) { mma_16bit<float16>(d.element, a, kOnes, kOnes); }

    // The A operand of `step` from scores of a block of rows, which are probabilities by now.
    static DEVICE void pack(u32 (&p)[4], const int (&scores)[SAGEATTN_KEY_ROWS / 8][4], int step) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int (&c)[4] = scores[step * 2 + i / 2];
            p[i] = pack_float16(__int_as_float(c[i % 2 * 2]), __int_as_float(c[i % 2 * 2 + 1]));
        }
    }

    template <int kColumns>
    static DEVICE u32 lane_address(u32 value, int lane) {
        return value + ValueTile<kColumns>::offset(lane % 16, lane / 16);
    }
    // Output tiles n and n + 1, from 16 keys at a time.
    template <int kColumns, int kBlocks>
    static DEVICE void multiply(Sum (&d)[kBlocks][2], const u32 (&p)[kBlocks][4][4], u32 address, int n) {
#pragma unroll
        for (int step = 0; step < 4; ++step) {
            u32 v[4];
            load_matrices_transposed(v, ValueTile<kColumns>::further(address, n) + step * 16 * 2 * kColumns);
#pragma unroll
            for (int b = 0; b < kBlocks; ++b) {
                mma_float16(d[b][0], p[b][step], v[0], v[1], d[b][0]);
                mma_float16(d[b][1], p[b][step], v[2], v[3], d[b][1]);
            }
        }
    }
};

#if SM >= 890

// E4M3 values, transposed: a row of the tile is a channel, its bytes are keys in the order in which lanes hold
// probabilities (see sageattn.h). The largest probability is 448, E4M3's largest number.
template <class SumOfTile>
struct E4m3Product {
    static constexpr int kKeys = 32;
    static constexpr int kWidth = 1;
    static constexpr float kExponentOffset = 8.8073549f;  // log2 448
    static constexpr bool kTransposedValues = true;
    static constexpr u32 kOnes = 0x38383838u;
    using Sum = SumOfTile;
    template <int kColumns>
    using ValueTile = Tile<kColumns, SAGEATTN_KEY_ROWS>;

    static DEVICE void add_ones(AccumF32& d, const u32 (&a)[4]) { mma_e4m3(d, a, kOnes, kOnes, d); }

    // Register i: rows i % 2, keys of the score tiles 2 * (i / 2) and the next.
    static DEVICE void pack(u32 (&p)[4], const int (&scores)[SAGEATTN_KEY_ROWS / 8][4], int step) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int (&low)[4] = scores[step * 4 + i / 2 * 2], (&high)[4] = scores[step * 4 + i / 2 * 2 + 1];
            p[i] = pack_e4m3(__int_as_float(low[i % 2 * 2]), __int_as_float(low[i % 2 * 2 + 1]),
                             __int_as_float(high[i % 2 * 2]), __int_as_float(high[i % 2 * 2 + 1]));
        }
    }

    template <int kColumns>
    static DEVICE u32 lane_address(u32 value, int lane) {
        return value + ValueTile<kColumns>::offset(lane % 8, lane / 8);
    }
    // Output tile n, from all 64 keys.
    template <int kColumns, int kBlocks>
    static DEVICE void multiply(Sum (&d)[kBlocks][1], const u32 (&p)[kBlocks][2][4], u32 address, int n) {
        u32 v[4];
        __syncwarp();  // keeps the compiler from loading many tiles ahead, for which there are no registers
        load_matrices(v, address + n * 8 * SAGEATTN_KEY_ROWS);
#pragma unroll
        for (int b = 0; b < kBlocks; ++b) {
            mma_e4m3(d[b][0], p[b][0], v[0], v[1], d[b][0]);
            mma_e4m3(d[b][0], p[b][1], v[2], v[3], d[b][0]);
        }
    }
};

#endif

template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows, class Product>
struct FragmentsM16N8TileSums : OutputM16N8<kHeadDim, kColumns, kQueryRows, kWarpRows> {
    using Base = OutputM16N8<kHeadDim, kColumns, kQueryRows, kWarpRows>;
    using Base::kBlocks, Base::kRows, Base::kOutputTiles, Base::output, Base::scores, Base::sums;
    using ValueTile = typename Product::template ValueTile<kColumns>;
    static constexpr float kMaximumSlack = 0.0f;  // the range above the maximum is used up
    static constexpr float kExponentOffset = Product::kExponentOffset;
    static constexpr bool kTransposedValues = Product::kTransposedValues;

    float factor[kRows];  // by which the next multiply_values scales what is there: free, in a fused multiply-add

    DEVICE FragmentsM16N8TileSums() { keep(); }

    DEVICE void rescale(const float (&by)[kRows]) {
#pragma unroll
        for (int r = 0; r < kRows; ++r) factor[r] = by[r];
    }

    DEVICE void multiply_values(u32 value) {
        u32 p[kBlocks][kSteps][4];
        pack(p);
        add_sums(p);
        const u32 address = Product::template lane_address<kColumns>(value, opaque(lane_index()));
#pragma unroll
        for (int n = 0; n < kOutputTiles; n += Product::kWidth) {
            typename Product::Sum tile[kBlocks][Product::kWidth] = {};
            Product::template multiply<kColumns>(tile, p, address, n);
#pragma unroll
            for (int b = 0; b < kBlocks; ++b)
#pragma unroll
                for (int i = 0; i < Product::kWidth; ++i) promote(output[b][n + i], tile[b][i], b);
        }
        keep();
    }

  private:
    static constexpr int kSteps = SAGEATTN_KEY_ROWS / Product::kKeys;

    DEVICE void keep() {
#pragma unroll
        for (int r = 0; r < kRows; ++r) factor[r] = 1.0f;
    }

    DEVICE void pack(u32 (&p)[kBlocks][kSteps][4]) const {
#pragma unroll
        for (int b = 0; b < kBlocks; ++b)
#pragma unroll
            for (int step = 0; step < kSteps; ++step) Product::pack(p[b][step], scores[b], step);
    }

    // Sums of the rounded probabilities: what rounding did to them all cancels when the output is divided.
    DEVICE void add_sums(const u32 (&p)[kBlocks][kSteps][4]) {
#pragma unroll
        for (int b = 0; b < kBlocks; ++b) {
            AccumF32 tile = {};
#pragma unroll
            for (int step = 0; step < kSteps; ++step) Product::add_ones(tile, p[b][step]);
            promote(sums[b], tile, b);
        }
    }

    template <class Sum>
    DEVICE void promote(float (&total)[4], const Sum& tile, int b) const {
#pragma unroll
        for (int i = 0; i < 4; ++i) total[i] = fmaf(total[i], factor[b * 2 + i / 2], tile.get(i));
    }
};
