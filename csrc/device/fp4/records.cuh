// Where codes and scales of a block of 128 rows lie. A fragment of the matrix instruction is one aligned vector in
// shared memory, read without bank conflicts, and a word of scales serves the selectors of several products:
//   queries  eight records of 16 rows: 8 bytes of codes a column, then 1 of scales
//   keys     64 bytes of codes a column, then 8 of scales
//   values   the same, transposed: a row is a channel, and the products sum over the block's 128 keys
// Below, a step is 64 of what a product sums over, a word eight codes of a step; results are indices of 32-bit words
// among the codes, or among the scales. lane = 4 g + t as in ptx/fp4.cuh.
#pragma once

#include "arguments.h"
#include "ptx/base.cuh"

template <int kColumns>
struct Fp4Records {
    static constexpr int kSteps = kColumns / 64;
    static constexpr int kBytes = SAGEATTN_FP4_BLOCK_BYTES * kColumns;
    static constexpr int kScales = 64 * kColumns;  // byte at which the scales of keys or values begin
    static constexpr int kQueryBytes = kBytes / 8, kQueryScales = kScales / 8;

    DEVICE static int query_word(int row, int step, int word) {
        const int lane = 4 * (row & 7) + (word & 3);
        return (step * 32 + lane) * 4 + row / 8 + word / 4 * 2;
    }

    // The second step's scales are in lanes t = 2 and 3, for the selector 1.
    DEVICE static int query_scale_word(int row, int step) { return 2 * kSteps * (row & 7) + row / 8 + 2 * step; }

    // column: of the product with queries, which position() gives for a key.
    DEVICE static int key_word(int column, int step, int word) {
        const int tile = column / 8, lane = 4 * (column & 7) + (word & 3), half = word / 4;
        return kSteps == 2 ? (tile * 32 + lane) * 4 + step * 2 + half
                           : (tile / 2 * 32 + lane) * 4 + tile % 2 * 2 + half;
    }

    // Tiles 4 i … 4 i + 3 are in lanes t = 0 … 3, for the selectors 0 … 3.
    DEVICE static int key_scale_word(int column, int step) {
        const int tile = column / 8, lane = 4 * (column & 7) + tile % 4;
        return (step * 32 + lane) * 4 + tile / 4;
    }

    // column: of the product with probabilities, which position() gives for a channel.
    DEVICE static int value_word(int column, int step, int word) {
        const int tile = column / 8, lane = 4 * (column & 7) + (word & 3), half = word / 4;
        return ((step * (kColumns / 16) + tile / 2) * 32 + lane) * 4 + tile % 2 * 2 + half;
    }

    DEVICE static int value_scale_word(int column, int step) {
        const int tile = column / 8, lane = 4 * (column & 7) + tile % 4;
        return (step * 32 + lane) * (kColumns / 32) + tile / 4;
    }
};

// Column 8 i + 2 t + e of each 32 holds key or channel 8 t + 2 i + e. So what lane t gets from the products with keys
// are the probabilities that the product with values wants from it, and it owns eight neighbouring output channels.
DEVICE int position(int index) { return (index & ~31) | (index / 2 & 3) << 3 | (index / 8 & 3) << 1 | (index & 1); }
