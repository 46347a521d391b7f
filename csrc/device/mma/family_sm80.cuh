// Ampere and later, 16-bit values.
#pragma once

#include "attention.cuh"
#include "fragments_m16n8.cuh"

struct Sm80 {
    static constexpr bool kNativeBfloat16 = true;
    static constexpr bool kMasked = false, kBiased = false;
    // 255 registers hold 32 rows of 128 columns, or 16 of 256.
    static constexpr Shape shape(int head_dim) {
        return head_dim <= 128 ? Shape{4, 32, 2, 1, 2} : Shape{8, 16, 2, 1, 1};
    }
    template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows>
    using Fragments = FragmentsM16N8<kHeadDim, kColumns, kQueryRows, kWarpRows>;
};
