// Queries to INT8: a warpgroup quantises its own 64 rows, each warp 16 of them.
#pragma once

#include "rows.cuh"

template <int kColumns>
struct WgmmaQueries {
    static constexpr int kLanes = kColumns / 8;  // threads of a row
    static constexpr int kAtOnce = 32 / kLanes;  // rows of a warp
    static constexpr int kSteps = 16 / kAtOnce;

    // opaque: nothing computed from it may occupy a register in the main loop.
    const int thread = opaque(threadIdx.x);

    DEVICE int column() const { return thread % kLanes * 8; }
    DEVICE int row(int step) const { return thread / 32 % 4 * 16 + step * kAtOnce + thread % 32 / kLanes; }

    DEVICE void fetch(Words<4> (&x)[kSteps], const sageattn_wgmma_attention_arguments& p, int batch, int head,
                      int start, int query_rows, int first) const {
        const WgmmaRows<4> rows(p.query, batch, head, start, query_rows, p.head_dim, column());
        rows.fetch(x, [&](int i) { return first + row(i); });
    }

    // Writes the tile, the scales and, for the LSE, the products with the keys' shift to shared memory.
    DEVICE void quantize(const Words<4> (&fetched)[kSteps], const sageattn_wgmma_attention_arguments& p, int key_head,
                         u32 tile, u32 scales, u32 dots) const {
        if (p.query.bfloat16) quantize<bfloat16>(fetched, p, key_head, tile, scales, dots);
        else quantize<float16>(fetched, p, key_head, tile, scales, dots);
    }

  private:
    template <class Number>
    DEVICE void quantize(const Words<4> (&fetched)[kSteps], const sageattn_wgmma_attention_arguments& p, int key_head,
                         u32 tile, u32 scales, u32 dots) const {
        float largest[kSteps], x[8];
#pragma unroll
        for (int i = 0; i < kSteps; ++i) {
            widen<Number>(x, fetched[i]);
            largest[i] = largest_of(x);
        }
        row_reduce<true>(largest);
#pragma unroll
        for (int i = 0; i < kSteps; ++i) {
            widen<Number>(x, opaque(fetched[i]));
            largest[i] = fmaxf(largest[i], kTiny);
            store_shared_8(tile + tile_offset<kColumns>(row(i), column()),
                           round_int8(x, __fdividef(127.0f, largest[i])));
            if (column() == 0)
                store_shared_4(scales + row(i) * 4, __float_as_uint(largest[i] * (1.0f / 127.0f) * p.scale_log2));
        }
        if (p.lse != nullptr) multiply_shift<Number>(fetched, p, key_head, dots);
    }

    template <class Number>
    DEVICE void multiply_shift(const Words<4> (&fetched)[kSteps], const sageattn_wgmma_attention_arguments& p,
                               int key_head, u32 dots) const {
        float x[8], shift[8], dot[kSteps];
        load_numbers(shift, p.key_shift + static_cast<long long>(key_head) * kColumns + column());
#pragma unroll
        for (int i = 0; i < kSteps; ++i) {
            widen<Number>(x, opaque(fetched[i]));
            dot[i] = 0.0f;
#pragma unroll
            for (int c = 0; c < 8; ++c) dot[i] = fmaf(x[c], shift[c], dot[i]);
        }
        row_reduce<false>(dot);
#pragma unroll
        for (int i = 0; i < kSteps; ++i)
            if (column() == 0) store_shared_4(dots + row(i) * 4, __float_as_uint(dot[i] * p.sm_scale));
    }

    // Largest or sum over the threads of a row, for all rows of the thread at once: one row after the other would
    // wait for each exchange.
    template <bool kLargest>
    DEVICE static void row_reduce(float (&x)[kSteps]) {
#pragma unroll
        for (int distance = kLanes / 2; distance > 0; distance /= 2) {
#pragma unroll
            for (int i = 0; i < kSteps; ++i) {
                const float other = __shfl_xor_sync(0xFFFFFFFFu, x[i], distance);
                x[i] = kLargest ? fmaxf(x[i], other) : x[i] + other;
            }
        }
    }
};
