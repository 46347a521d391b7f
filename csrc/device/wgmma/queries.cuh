// Queries to INT8: a warpgroup quantises its own 64 rows, each warp 16 of them.
#pragma once

#include "rows.cuh"

template <int kColumns>
struct WgmmaQueries {
    static constexpr int kLanes = kColumns / 8;  // threads of a row
    static constexpr int kAtOnce = 32 / kLanes;  // rows of a warp
    static constexpr int kSteps = 16 / kAtOnce;

    // Read anew: nothing computed from it may occupy a register in the main loop.
    const int thread = thread_index();

    DEVICE int column() const { return thread % kLanes * 8; }
    DEVICE int row(int step) const { return thread / 32 % 4 * 16 + step * kAtOnce + thread % 32 / kLanes; }

    DEVICE void fetch(Words<4> (&x)[kSteps], const sageattn_wgmma_attention_arguments& p, int batch, int head,
                      int start, int query_rows, int first) const {
        const WgmmaRows<4> rows(p.query, batch, head, start, query_rows, p.head_dim, column());
        rows.fetch(x, [&](int i) { return first + row(i); });
    }

    // Writes the tile, the scales and, for the LSE, the rest of the row's products with keys to shared memory.
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
        row_largest<Number>(largest, fetched);
#pragma unroll
        for (int i = 0; i < kSteps; ++i) {
            widen<Number>(x, opaque(fetched[i]));
            largest[i] = fmaxf(largest[i], kTiny);
            store_shared_8(tile + tile_offset<kColumns>(row(i), column()),
                           round_int8(x, __fdividef(127.0f, largest[i])));
            if (column() == 0 && p.lse == nullptr)
                store_shared_4(scales + row(i) * 4, __float_as_uint(largest[i] * (1.0f / 127.0f) * p.scale_log2));
        }
        if (p.lse != nullptr) correct<Number>(fetched, largest, p, key_head, scales, dots);
    }

    // Products of a thread's part of a row: with itself, exact and rounded, in units of its scale; with the keys'
    // shift and mean; of the rounded row with the mean alone. And the row's largest number.
    struct Products {
        float itself, rounded, whole, counted, largest;
    };

    // The LSE counts the keys' shift, which the products leave out, but not what rounding a query took from its
    // products with keys. Two parts of that do not vanish over many keys. Along the row itself, where the keys lie
    // that it attends to: the scale makes the row's product with itself what it was. And along the mean of the packed
    // keys: the rest of that product is added.
    template <class Number>
    DEVICE void correct(const Words<4> (&fetched)[kSteps], const float (&largest)[kSteps],
                        const sageattn_wgmma_attention_arguments& p, int key_head, u32 scales, u32 dots) const {
        float both[8], mean[8];
        load_numbers(both, p.key_shift + static_cast<long long>(key_head) * kColumns + column());
        load_numbers(mean, p.key_mean + static_cast<long long>(key_head) * kColumns + column());
#pragma unroll
        for (int c = 0; c < 8; ++c) both[c] += mean[c];
        Products x[kSteps / 2];
#pragma unroll
        for (int i = 0; i < kSteps / 2; ++i)
            x[i] = halves(multiply<Number>(opaque(fetched[i]), largest[i], both, mean),
                          multiply<Number>(opaque(fetched[i + kSteps / 2]), largest[i + kSteps / 2], both, mean),
                          kLanes / 2);
#pragma unroll
        for (int rows = kSteps / 4, distance = kLanes / 4; rows > 0; rows /= 2, distance /= 2) {
#pragma unroll
            for (int i = 0; i < rows; ++i) x[i] = halves(x[i], x[i + rows], distance);
        }
        static_assert(kLanes == 2 * kSteps, "two threads hold the same row");
        const Products sum = halves(x[0], x[0], 1);
        const float factor = sum.rounded > 0.0f ? __fdividef(sum.itself, sum.rounded) : 1.0f;
        const float unit = sum.largest * (1.0f / 127.0f) * factor;
        const int at = row(thread % kLanes / 2) * 4;
        const float scale = unit * p.scale_log2, dot = fmaf(-unit, sum.counted, sum.whole) * p.sm_scale;
        if (thread % 2 == 0) store_shared_4(scales + at, __float_as_uint(scale));
        if (thread % 2 == 0) store_shared_4(dots + at, __float_as_uint(dot));
    }

    template <class Number>
    DEVICE static Products multiply(const Words<4>& fetched, float largest, const float (&both)[8],
                                    const float (&mean)[8]) {
        Products product = {0.0f, 0.0f, 0.0f, 0.0f, largest};
        float x[8];
        widen<Number>(x, fetched);
        const float inverse = __fdividef(127.0f, largest);
#pragma unroll
        for (int c = 0; c < 8; ++c) {
            const float exact = x[c] * inverse, integer = integer_of(x[c], inverse);
            product.itself = fmaf(exact, exact, product.itself);
            product.rounded = fmaf(exact, integer, product.rounded);
            product.whole = fmaf(x[c], both[c], product.whole);
            product.counted = fmaf(integer, mean[c], product.counted);
        }
        return product;
    }

    // Adds two rows up over two threads: the one whose number has the bit `distance` keeps the second row.
    DEVICE Products halves(const Products& first, const Products& second, int distance) const {
        const bool upper = (thread & distance) != 0;
        return {half(first.itself, second.itself, upper, distance),
                half(first.rounded, second.rounded, upper, distance),
                half(first.whole, second.whole, upper, distance),
                half(first.counted, second.counted, upper, distance), upper ? second.largest : first.largest};
    }

    DEVICE static float half(float first, float second, bool upper, int distance) {
        return (upper ? second : first) + __shfl_xor_sync(0xFFFFFFFFu, upper ? first : second, distance);
    }

    // The largest magnitude of each of the thread's rows. Two rows share a word, and all rows are exchanged at once:
    // one after the other would wait for each exchange.
    template <class Number>
    DEVICE static void row_largest(float (&largest)[kSteps], const Words<4> (&fetched)[kSteps]) {
        u32 two[kSteps / 2];
#pragma unroll
        for (int i = 0; i < kSteps / 2; ++i) {
            const u32 first = largest_pair<Number>(fetched[2 * i]), second = largest_pair<Number>(fetched[2 * i + 1]);
            two[i] = larger_pair<Number>(__byte_perm(first, second, 0x5410), __byte_perm(first, second, 0x7632));
        }
#pragma unroll
        for (int distance = kLanes / 2; distance > 0; distance /= 2) {
#pragma unroll
            for (int i = 0; i < kSteps / 2; ++i)
                two[i] = larger_pair<Number>(two[i], __shfl_xor_sync(0xFFFFFFFFu, two[i], distance));
        }
#pragma unroll
        for (int i = 0; i < kSteps / 2; ++i) {
            largest[2 * i] = low_number<Number>(two[i]);
            largest[2 * i + 1] = high_number<Number>(two[i]);
        }
    }
};
