// Ampere and later, sums within a key tile by a Product of fragments_m16n8_tile_sums.cuh.
#pragma once

#include "family_sm80.cuh"
#include "fragments_m16n8_tile_sums.cuh"

template <class Product>
struct Sm80TileSums : Sm80 {
    static constexpr bool kNativeBfloat16 = false;
    // SM 9.0 has no E4M3 instruction of this kind: it multiplies float16 that were made from the bytes.
    static constexpr bool kEmulated = SM == 900 && Product::kTransposedValues;
    // A tile's sums take registers beside the output: hence sixteen rows a warp, and at most 192 columns.
    static constexpr Shape shape(int head_dim) {
        if (kEmulated) return {8, 16, 2, head_dim == 64 ? 1 : head_dim == 192 ? 3 : 2, 1};
        return head_dim == 64 ? Shape{4, 32, 2, 1, 2} : Shape{8, 16, 2, head_dim == 256 ? 2 : 1, 1};
    }
    template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows>
    using Fragments = FragmentsM16N8TileSums<kHeadDim, kColumns, kQueryRows, kWarpRows, Product>;
};
