// A head's rows as a block of 256 threads reads them: eight columns a thread, zeros where there is nothing.
#pragma once

#include "tiles.cuh"
#include "quantize/rows.cuh"

constexpr float kLargest = 3.4e38f;  // a bound on anything 16-bit; finite, so that 0 times it is 0
constexpr float kTiny = 1e-20f;      // the least that counts as the largest of a group: scales stay above 0

template <int kColumns>
struct WgmmaRows {
    static constexpr int kLanes = kColumns / 8;  // threads of a row
    static constexpr int kRows = SAGEATTN_WGMMA_THREADS / kLanes;

    const sageattn_view& view;
    const char* head;
    int rows, head_dim;

    DEVICE WgmmaRows(const sageattn_view& source, int batch, int head_index, int row_count, int columns)
        : view(source),
          head(static_cast<const char*>(source.data) + batch * source.batch_stride + head_index * source.head_stride),
          rows(row_count),
          head_dim(columns) {}

    DEVICE static int thread_row() { return threadIdx.x / kLanes; }
    DEVICE static int thread_column() { return threadIdx.x % kLanes * 8; }

    // Eight numbers of a row as they lie in memory: loads that are under way while something else is worked out.
    DEVICE uint4 fetch(int row) const {
        const int count = row < rows ? head_dim - thread_column() : 0;
        const u16* source = reinterpret_cast<const u16*>(head + row * view.row_stride) + thread_column();
        if (view.vectors && count >= 8) return __ldg(reinterpret_cast<const uint4*>(source));
        u32 word[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 8; ++i)
            if (i < count) word[i / 2] |= static_cast<u32>(source[i]) << (i % 2 * 16);
        return make_uint4(word[0], word[1], word[2], word[3]);
    }

    DEVICE void load(float (&x)[8], int row) const { widen(x, fetch(row), view.bfloat16); }

    // Eight INT8 at the thread's columns of a row of a tile.
    DEVICE static void store_int8(unsigned char* tile, int row, const float (&x)[8], float inverse) {
        u32 word[2];
        round_int8(word, x, inverse);
        *reinterpret_cast<uint2*>(tile + tile_offset<kColumns>(row, thread_column())) = make_uint2(word[0], word[1]);
    }
};
