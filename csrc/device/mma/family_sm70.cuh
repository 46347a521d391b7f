// Volta, float16 values.
#pragma once

#include "attention.cuh"
#include "fragments_m8n8k4.cuh"

struct Sm70 {
    static constexpr bool kNativeBfloat16 = false;
    static constexpr bool kMasked = false, kBiased = false;
    // A warp has 32 rows, so that registers hold 128 columns of the output.
    static constexpr Shape shape(int head_dim) {
        return head_dim <= 128 ? Shape{4, 32, 2, 1, 2} : Shape{4, 32, 2, 2, 1};
    }
    template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows>
    using Fragments = FragmentsM8N8K4<kHeadDim, kColumns, kQueryRows, kWarpRows>;
};
