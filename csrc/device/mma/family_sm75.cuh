// Turing, 16-bit values. Sixteen rows a warp, so that the one block an SM holds has eight warps to hide latency with.
#pragma once

#include "attention.cuh"
#include "fragments_m16n8.cuh"

struct Sm75 {
    static constexpr bool kNativeBfloat16 = false;
    static constexpr bool kMasked = false, kBiased = false;
    // A block has 64 KB of shared memory at most.
    static constexpr Shape shape(int head_dim) {
        if (head_dim == 64) return {8, 16, 2, 1, 2};
        if (head_dim <= 128) return {8, 16, 2, 1, 1};
        return head_dim == 192 ? Shape{8, 16, 1, 1, 1} : Shape{4, 16, 1, 2, 1};
    }
    template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows>
    using Fragments = FragmentsM16N8<kHeadDim, kColumns, kQueryRows, kWarpRows>;
};
