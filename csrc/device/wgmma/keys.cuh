// Keys into INT8 tiles: a block of threads takes 128 rows, a warp 16 or 32 neighbouring ones.
#pragma once

#include "place.cuh"

template <int kColumns>
struct Int8Rows {
    static constexpr int kLanes = kColumns / 8;     // threads of a row
    static constexpr int kAtOnce = 32 / kLanes;     // rows of a warp at a time
    static constexpr int kSteps = 8, kRows = 128;   // of a warp, of the block
    static constexpr int kTurn = kSteps * kAtOnce;  // rows of a warp

    DEVICE static int column() { return threadIdx.x % kLanes * 8; }
    DEVICE static int warp_row() { return threadIdx.x / 32 * kTurn; }
    DEVICE static int row(int step) { return warp_row() + step * kAtOnce + lane_index() / kLanes; }
};

// The row less the shift.
template <class Number>
DEVICE void subtract(float (&x)[8], const Words<4>& fetched, const float (&shift)[8]) {
    widen<Number>(x, fetched);
#pragma unroll
    for (int c = 0; c < 8; ++c) x[c] = __fsub_rn(x[c], shift[c]);
}

// The 32 keys of a tile to which the warp's rows belong: which are seen, and a key that stands for those that are
// not.
template <int kColumns>
struct SeenGroup {
    u32 bits;
    int other;

    DEVICE explicit SeenGroup(const SeenTile& seen) {
        const int group = Int8Rows<kColumns>::warp_row() / 32;
        bits = seen.word[0], other = seen.first();
#pragma unroll
        for (int w = 1; w < 4; ++w)
            if (w == group) bits = seen.word[w];
        if (bits != 0) other = 32 * group + __ffs(bits) - 1;
    }

    DEVICE int row(int row) const { return bits >> row % 32 & 1 ? row : other; }
};

// Packs 128 keys less the shift, with a scale for every 32.
template <int kColumns, class Number, class Place>
DEVICE void pack_key_tile(const sageattn_wgmma_quantize_arguments& p, const Place& place, int tile,
                          const SeenTile& seen, u32* largest_of_warp) {
    using Rows = Int8Rows<kColumns>;
    const SeenGroup<kColumns> group(seen);
    const int first = tile * SAGEATTN_WGMMA_KEY_TILE;
    const WgmmaRows<4> rows = rows_of<4>(p.key, place, p.head_dim, Rows::column());
    Words<4> fetched[Rows::kSteps];
    rows.fetch(fetched, [&](int i) { return first + group.row(Rows::row(i)); });
    wait_for_sample();
    float x[8], shift[8];
    load_numbers(shift, p.key_shift + static_cast<long long>(place.head) * kColumns + Rows::column());
    float largest = 0.0f;
#pragma unroll
    for (int i = 0; i < Rows::kSteps; ++i) {
        subtract<Number>(x, fetched[i], shift);
        largest = fmaxf(largest, largest_of(x));
    }
    u32 bits = __reduce_max_sync(0xFFFFFFFFu, __float_as_uint(largest));  // integers compare as the floats do
    if (Rows::kTurn < 32) {                                               // two warps share a scale
        if (lane_index() == 0) largest_of_warp[threadIdx.x / 32] = bits;
        __syncthreads();
        bits = max(bits, largest_of_warp[threadIdx.x / 32 ^ 1]);
    }
    largest = fmaxf(__uint_as_float(bits), kTiny);
    const long long index = place.tile(tile);
    if (lane_index() == 0 && Rows::warp_row() % 32 == 0)
        p.key_scale[place.scales(tile) * SAGEATTN_WGMMA_KEY_SCALES + Rows::warp_row() / 32] =
            largest * (1.0f / 127.0f);
    // A step further along a warp's keys is 1024 bytes in the tile, with the same swizzle.
    unsigned char* const target = p.tiled_key + index * (SAGEATTN_WGMMA_KEY_TILE * kColumns) +
                                  tile_offset<kColumns>(key_row(Rows::row(0)), Rows::column());
    const float inverse = __fdividef(127.0f, largest);
#pragma unroll
    for (int i = 0; i < Rows::kSteps; ++i) {
        subtract<Number>(x, opaque(fetched[i]), shift);
        *reinterpret_cast<uint2*>(target + i * 1024) = round_int8(x, inverse);
    }
}

// Packs a tile, and counts it for the attention. A tile of which nobody sees a key stays as it is.
template <int kColumns, class Number, class Place>
DEVICE void pack_keys(const sageattn_wgmma_quantize_arguments& p, const Place& place, int tile,
                      u32* largest_of_warp) {
    const SeenTile seen = place.seen(tile);
    if (seen.none()) wait_for_sample();
    else pack_key_tile<kColumns, Number>(p, place, tile, seen, largest_of_warp);
    __syncthreads();
    if (threadIdx.x == 0) count_tiles(p, place.head);
}
