// Values into E4M3 tiles, transposed. A block of threads takes a tile of 128 keys; a thread takes four channels of 16
// keys, which become 16 bytes of each channel's row. A channel's scale follows from its largest value in the whole
// head: every block publishes the largest of its own tiles, and keeps the last of them in registers until the head's
// other blocks have published theirs.
//
// quantize/quantize_value.cu does the same for other kernels, and shares the conversions alone: it reads the values
// twice, its mean is that of all rows, its order of keys is that of SageAttention 2.2, and every operation is rounded
// once, so that PyTorch gives the same bits. Here one pass must do: a sampled mean, fused multiply-adds, and
// registers that hold a tile while blocks wait for each other.
#pragma once

#include "rows.cuh"
#include "ptx/e4m3.cuh"
#include "ptx/global.cuh"
#include "ptx/grid.cuh"

constexpr int kQuads = 8;  // groups of four neighbouring keys in 32: the block has one row of threads for each

// How often a block looks at the head's counter: about a millisecond. All blocks of a head run at the same time if
// the GPU is free for them. Nothing guarantees that, so a block that has waited in vain reads all values of the head
// itself.
constexpr int kPatience = 1000;

template <int kColumns>
struct ValueMemory {
    uint4 tile[kColumns * SAGEATTN_WGMMA_KEY_TILE / 16];
    float column[kQuads][kColumns];
    int count;
};

// The thread's four channels: x becomes x * inverse + offset, which is (x - shift) / scale.
struct ValueScale {
    float inverse[4], offset[4];

    DEVICE ValueScale(const float (&shift)[4], const float (&scale)[4]) {
#pragma unroll
        for (int c = 0; c < 4; ++c) inverse[c] = __frcp_rn(scale[c]), offset[c] = -shift[c] * inverse[c];
    }
};

// Which channels and keys a thread of the block takes.
template <int kColumns>
struct ValueThread {
    static constexpr int kKeys = 16;
    static constexpr int kRowThreads = kColumns / 4;

    DEVICE static int channel() { return threadIdx.x % kRowThreads * 4; }  // the first of four
    DEVICE static int quad() { return threadIdx.x / kRowThreads; }
    DEVICE static int key(int i) { return i / 4 * 32 + quad() * 4 + i % 4; }

    DEVICE static WgmmaRows<2> rows(const sageattn_wgmma_quantize_arguments& p, int head) {
        const int batch = head / p.key_heads;
        return {p.value, batch, head - batch * p.key_heads, p.key_rows, p.head_dim, channel()};
    }

    // Past the last key it reads the last key again, which does not change the largest.
    DEVICE static void fetch(Words<2> (&x)[kKeys], const WgmmaRows<2>& rows, int tile) {
        rows.fetch(x, [&](int i) { return min(tile * SAGEATTN_WGMMA_KEY_TILE + key(i), rows.rows - 1); });
    }
};

// Raises `largest` to the largest |value - shift| of each of the thread's channels; NaN if any value is.
template <class Number>
DEVICE void take_largest(float (&largest)[4], const Words<2> (&fetched)[16], const float (&shift)[4]) {
#pragma unroll
    for (int i = 0; i < 16; ++i) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            const u32 word = fetched[i].word[c / 2];
            const float x = c % 2 == 0 ? low_number<Number>(word) : high_number<Number>(word);
            largest[c] = larger_or_nan(largest[c], fabsf(__fsub_rn(x, shift[c])));
        }
    }
}

// The same over tiles `tile`, `tile` - step … down to 0. The caller has fetched the first of these; the last stays in
// `fetched`.
template <int kColumns, class Number>
DEVICE void take_largest(float (&largest)[4], Words<2> (&fetched)[16], const WgmmaRows<2>& rows,
                         const float (&shift)[4], int tile, int step) {
    take_largest<Number>(largest, fetched, shift);
#pragma unroll 1
    for (tile -= step; tile >= 0; tile -= step) {
        ValueThread<kColumns>::fetch(fetched, rows, tile);
        take_largest<Number>(largest, fetched, shift);
    }
}

// Raises the head's largest to the block's. As integers, numbers that are not negative compare as they do as floats,
// and NaN is above all.
template <int kColumns>
DEVICE void publish_largest(const sageattn_wgmma_quantize_arguments& p, ValueMemory<kColumns>& memory, int head,
                            const float (&largest)[4]) {
    using Thread = ValueThread<kColumns>;
    *reinterpret_cast<float4*>(&memory.column[Thread::quad()][Thread::channel()]) =
        make_float4(largest[0], largest[1], largest[2], largest[3]);
    __syncthreads();
    if (threadIdx.x < kColumns) {
        u32 bits = 0;
#pragma unroll
        for (int i = 0; i < kQuads; ++i) bits = max(bits, __float_as_uint(memory.column[i][threadIdx.x]));
        atomicMax(p.value_largest + static_cast<long long>(head) * kColumns + threadIdx.x, bits);
    }
    __syncthreads();
}

// Whether all blocks of the head have published.
template <int kColumns>
DEVICE bool wait_for_head(const sageattn_wgmma_quantize_arguments& p, ValueMemory<kColumns>& memory, int head) {
    if (threadIdx.x == 0) {
        int* const count = p.parts_seen + head;
        int seen = 0;
        __threadfence();  // the block's atomicMax before this
        atomicAdd(count, 1);
        for (int i = 0; i < kPatience && seen < p.parts; ++i) seen = load_acquire(count);
        __threadfence();
        memory.count = seen;
    }
    __syncthreads();
    return memory.count >= p.parts;
}

// The largest counts as at least 2^-10 of the shift, the distance of float16 numbers of that size: below that, the
// rounding of the input itself would fill E4M3's range.
DEVICE float value_scale(u32 largest, float shift) {
    const float least = fmaxf(fabsf(shift) * (1.0f / 1024.0f), kTiny);
    return __uint_as_float(max(largest, __float_as_uint(least))) * (1.0f / 448.0f);
}

DEVICE float scaled(float x, const ValueScale& scale, int c) {
    return __fmaf_rn(x, scale.inverse[c], scale.offset[c]);
}

// Packs the thread's channels 2 * pair and 2 * pair + 1 into the tile. there: how many keys of the tile exist.
template <int kColumns, class Number>
DEVICE void pack_two(ValueMemory<kColumns>& memory, const Words<2> (&fetched)[16], int pair, const ValueScale& scale,
                     int there, float (&residual)[2]) {
    using Thread = ValueThread<kColumns>;
    u32 word[2][4], rounded[2][4];
    residual[0] = residual[1] = 0.0f;
#pragma unroll
    for (int group = 0; group < 4; ++group) {
        float x[2][4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int i = 4 * group + j;
            x[0][j] = scaled(low_number<Number>(fetched[i].word[pair]), scale, 2 * pair);
            x[1][j] = scaled(high_number<Number>(fetched[i].word[pair]), scale, 2 * pair + 1);
            if (there < SAGEATTN_WGMMA_KEY_TILE && Thread::key(i) >= there) x[0][j] = x[1][j] = 0.0f;
        }
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            word[h][group] = pack_e4m3(x[h][0], x[h][1], x[h][2], x[h][3]);
            residual[h] += x[h][0] + x[h][1] + (x[h][2] + x[h][3]);
            rounded[h][group] =
                add_float16(float16_from_e4m3(word[h][group]), float16_from_e4m3(word[h][group] >> 16));
        }
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
        // Four numbers are summed in float16: what that rounds off is far below the residual.
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            const u32 four = add_float16(rounded[h][i], rounded[h][i + 1]);
            residual[h] -= low_number<float16>(four) + high_number<float16>(four);
        }
        const int row = value_row(Thread::channel() + 2 * pair + h);
        memory.tile[row * 8 + (Thread::quad() ^ (row & 7))] =
            make_uint4(word[h][0], word[h][1], word[h][2], word[h][3]);
    }
}

// Writes a tile and the sums of what rounding lost.
template <int kColumns, class Number>
DEVICE void pack_value_tile(const sageattn_wgmma_quantize_arguments& p, ValueMemory<kColumns>& memory, int head,
                            int tile, const Words<2> (&fetched)[16], const ValueScale& scale) {
    using Thread = ValueThread<kColumns>;
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
        float residual[2];
        pack_two<kColumns, Number>(memory, fetched, pair, scale, p.key_rows - tile * SAGEATTN_WGMMA_KEY_TILE,
                                   residual);
        *reinterpret_cast<float2*>(&memory.column[Thread::quad()][Thread::channel() + 2 * pair]) =
            make_float2(residual[0], residual[1]);
    }
    __syncthreads();
    const long long index = static_cast<long long>(head) * p.key_tiles + tile;
    uint4* target = reinterpret_cast<uint4*>(p.tiled_value) + index * (kColumns * 8);
#pragma unroll
    for (int i = 0; i < 4; ++i)
        target[threadIdx.x + i * kPackThreads<kColumns>] = memory.tile[threadIdx.x + i * kPackThreads<kColumns>];
    if (threadIdx.x < kColumns) {
        float sum = 0.0f;
#pragma unroll
        for (int i = 0; i < kQuads; ++i) sum += memory.column[i][threadIdx.x];
        p.value_residual[index * kColumns + threadIdx.x] = sum;
    }
    __syncthreads();
}

// The output gets back the shift and the mean of what rounding lost, which is a constant offset of every output row
// and the largest error of long rows. The last block of a head to come here adds the residuals up, always in the same
// order.
template <int kColumns>
DEVICE void finish_head(const sageattn_wgmma_quantize_arguments& p, ValueMemory<kColumns>& memory, int head) {
    if (threadIdx.x == 0) {
        __threadfence();
        memory.count = atomicAdd(p.parts_done + head, 1) + 1;
        __threadfence();
    }
    __syncthreads();
    if (memory.count < p.parts || threadIdx.x >= kColumns) return;
    const float* tiles = p.value_residual + static_cast<long long>(head) * p.key_tiles * kColumns + threadIdx.x;
    float residual = 0.0f;
#pragma unroll 8
    for (int tile = 0; tile < p.key_tiles; ++tile)
        residual += __ldcg(tiles + static_cast<long long>(tile) * kColumns);
    const long long at = static_cast<long long>(head) * kColumns + threadIdx.x;
    const float shift = p.value_shift[at], scale = value_scale(__ldcg(p.value_largest + at), shift);
    p.value_scale[at] = scale;
    p.value_mean[at] = shift + scale * __fdividef(residual, static_cast<float>(p.key_rows));
}

// Packs tiles part, part + parts …; in heads of at most SAGEATTN_WGMMA_PARTS tiles that is one.
template <int kColumns, class Number>
DEVICE void pack_values(const sageattn_wgmma_quantize_arguments& p, int head, int part,
                        ValueMemory<kColumns>& memory) {
    using Thread = ValueThread<kColumns>;
    const WgmmaRows<2> rows = Thread::rows(p, head);
    const int last = part + (p.key_tiles - 1 - part) / p.parts * p.parts;
    const long long at = static_cast<long long>(head) * kColumns + Thread::channel();
    Words<2> fetched[Thread::kKeys];
    float shift[4], scale[4], largest[4] = {};
    Thread::fetch(fetched, rows, last);
    grid_wait();
    load_numbers(shift, p.value_shift + at);
    take_largest<kColumns, Number>(largest, fetched, rows, shift, last, p.parts);
    publish_largest(p, memory, head, largest);
    if (!wait_for_head(p, memory, head)) {
        const int end = p.key_tiles - 1;
        Thread::fetch(fetched, rows, end);
        take_largest<kColumns, Number>(largest, fetched, rows, shift, end, 1);
        publish_largest(p, memory, head, largest);
        Thread::fetch(fetched, rows, part);
    }
    const uint4 bits = load_l2_16(p.value_largest + at);
    scale[0] = value_scale(bits.x, shift[0]), scale[1] = value_scale(bits.y, shift[1]);
    scale[2] = value_scale(bits.z, shift[2]), scale[3] = value_scale(bits.w, shift[3]);
    const ValueScale exact(shift, scale);
#pragma unroll 1
    for (int tile = part;;) {
        pack_value_tile<kColumns, Number>(p, memory, head, tile, fetched, exact);
        tile += p.parts;
        if (tile >= p.key_tiles) break;
        Thread::fetch(fetched, rows, tile);
    }
    finish_head(p, memory, head);
}
