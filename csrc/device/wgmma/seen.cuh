// Which keys of a tile the quantisers take: those that are there, or those of them that a mask of one row for all
// queries shows. Another key of the tile takes the place of those left out.
#pragma once

#include "arguments.h"
#include "ptx/base.cuh"
#include "ptx/global.cuh"

// Bit i of word w is key 32 w + i of the tile.
struct SeenTile {
    u32 word[4];

    DEVICE bool none() const { return (word[0] | word[1] | word[2] | word[3]) == 0; }

    // The first key that is seen, of those there are.
    DEVICE int first() const {
#pragma unroll
        for (int w = 0; w < 4; ++w)
            if (word[w] != 0) return 32 * w + __ffs(word[w]) - 1;
        return 0;
    }

    // keys: that are there, from the tile's first on. bits: those that are seen, or null: all.
    DEVICE static SeenTile of(const u32* bits, int keys) {
        SeenTile seen;
        if (bits != nullptr) {
            const uint4 v = load_l2_16(bits);
            seen.word[0] = v.x, seen.word[1] = v.y, seen.word[2] = v.z, seen.word[3] = v.w;
        } else {
#pragma unroll
            for (int w = 0; w < 4; ++w) seen.word[w] = first_bits(keys - 32 * w);
        }
        return seen;
    }
};
