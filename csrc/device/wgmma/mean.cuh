// The mean of a head's packed keys, for the LSE: what rounding takes from a query counts once for all keys, along
// their mean.
#pragma once

#include "rows.cuh"
#include "schedule.cuh"
#include "seen.cuh"
#include "ptx/grid.cuh"

template <int kColumns>
struct MeanThreads {
    static constexpr int kWords = kColumns / 4;                         // of a row of a tile
    static constexpr int kRows = SAGEATTN_WGMMA_MEAN_THREADS / kWords;  // that the block reads at a time

    // A thread takes row(), row() + kRows …: their swizzle, and the scale of their keys, are the same.
    DEVICE static int word() { return threadIdx.x % kWords; }
    DEVICE static int row() { return threadIdx.x / kWords; }
    DEVICE static int group() { return row() % 8 / 2; }
    DEVICE static int column() {
        const int swizzle = kColumns == 128 ? row() & 7 : row() / 2 & 3;
        return (word() / 4 ^ swizzle) * 16 + word() % 4 * 4;
    }
    // Which of the group's 32 keys a row holds; the inverse of key_row in tiles.cuh.
    DEVICE static int key_of(int row) { return row / 8 * 2 + row % 2; }
};

// The tiles of a head of a batch or of a sequence.
struct HeadTiles {
    int batch, rows, count, start;  // start: the first tile, of all

    DEVICE HeadTiles(const sageattn_wgmma_quantize_arguments& p, int head)
        : batch(head / p.key_heads), rows(p.key_rows), count(p.key_tiles), start(head * p.key_tiles) {
        if (p.tile_count != nullptr) count = load_l2(p.tile_count + batch);
        if (p.starts == nullptr) return;
        const int first_row = load_l2(p.starts + batch);
        rows = min(rows, load_l2(p.starts + batch + 1) - first_row);
        count = divide_up(rows, SAGEATTN_WGMMA_KEY_TILE);
        start = (head - batch * p.key_heads) * p.key_tiles + first_tile(first_row, batch);
    }

    // Where the keys of a tile lie.
    DEVICE long long place(const sageattn_wgmma_quantize_arguments& p, int tile) const {
        const long long first = static_cast<long long>(batch) * p.key_tiles;
        return static_cast<long long>(start) + (p.tile_list == nullptr ? tile : load_l2(p.tile_list + first + tile));
    }

    // The keys of a group of 32 that are seen.
    DEVICE u32 seen(const sageattn_wgmma_quantize_arguments& p, int tile, int group) const {
        const u32* const bits = p.tile_list != nullptr ? p.tiles_bits : p.seen;
        if (bits != nullptr) return load_l2(bits + (static_cast<long long>(batch) * p.key_tiles + tile) * 4 + group);
        return first_bits(rows - tile * SAGEATTN_WGMMA_KEY_TILE - 32 * group);
    }
};

// Adds the thread's four columns of a tile's rows to `total`. Without branches: loads of several tiles are under way.
template <int kColumns>
DEVICE void add_keys(float (&total)[4], const u32* tile, u32 seen, float scale) {
    using Threads = MeanThreads<kColumns>;
    int sum[4] = {};
#pragma unroll
    for (int row = Threads::row(); row < SAGEATTN_WGMMA_KEY_TILE; row += Threads::kRows) {
        u32 four = load_l2(tile + row * Threads::kWords + Threads::word());
        if ((seen >> Threads::key_of(row) & 1) == 0) four = 0;
#pragma unroll
        for (int c = 0; c < 4; ++c) sum[c] = __dp4a(static_cast<int>(four), 1 << 8 * c, sum[c]);
    }
#pragma unroll
    for (int c = 0; c < 4; ++c) total[c] = fmaf(static_cast<float>(sum[c]), scale, total[c]);
}

// One block takes a head.
template <int kColumns>
DEVICE void mean_of_keys(const sageattn_wgmma_quantize_arguments& p, float4* memory) {
    using Threads = MeanThreads<kColumns>;
    const int head = blockIdx.x;
    const HeadTiles tiles(p, head);
    float total[4] = {};
#pragma unroll 4
    for (int i = 0; i < tiles.count; ++i) {
        const long long index = tiles.start + i;
        const u32 seen = tiles.seen(p, i, Threads::group());
        const unsigned char* const tile = p.tiled_key + tiles.place(p, i) * (SAGEATTN_WGMMA_KEY_TILE * kColumns);
        float scale = load_l2(p.key_scale + index * SAGEATTN_WGMMA_KEY_SCALES + Threads::group());
        if (seen == 0) scale = 0.0f;  // nobody may have written it
        add_keys<kColumns>(total, reinterpret_cast<const u32*>(tile), seen, scale);
    }
    memory[(Threads::row() * kColumns + Threads::column()) / 4] = make_float4(total[0], total[1], total[2], total[3]);
    __syncthreads();
    if (threadIdx.x >= kColumns) return;
    float sum = 0.0f;
    for (int row = 0; row < Threads::kRows; ++row)
        sum += reinterpret_cast<const float*>(memory)[row * kColumns + threadIdx.x];
    const int count = max(1, p.seen == nullptr ? tiles.rows : load_l2(p.seen_count + tiles.batch));
    p.key_mean[static_cast<long long>(head) * kColumns + threadIdx.x] = __fdividef(sum, static_cast<float>(count));
}
