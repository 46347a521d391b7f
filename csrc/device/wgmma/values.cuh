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

#include "place.cuh"
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
    uint4 tile[(kColumns + 8) * SAGEATTN_WGMMA_KEY_TILE / 16];
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

// The keys of a tile that a thread takes: which are seen, and a key that stands for those that are not.
struct ValueKeys {
    static constexpr int kNone = 0x7FFFFFFF;  // no row of any head
    u32 seen;                                 // bit i: its i-th
    int other;                                // a row of the head; kNone if no key of the tile is seen

    DEVICE bool any() const { return other != kNone; }
};

// Which channels and keys a thread of the block takes.
template <int kColumns>
struct ValueThread {
    static constexpr int kKeys = 16;
    static constexpr int kRowThreads = kColumns / 4;

    DEVICE static int channel() { return threadIdx.x % kRowThreads * 4; }  // the first of four
    DEVICE static int quad() { return threadIdx.x / kRowThreads; }
    DEVICE static int key(int i) { return i / 4 * 32 + quad() * 4 + i % 4; }

    template <class Place>
    DEVICE static ValueKeys keys(const Place& place, int tile) {
        const SeenTile seen = place.seen(tile);
        ValueKeys keys = {0, seen.none() ? ValueKeys::kNone : tile * SAGEATTN_WGMMA_KEY_TILE + seen.first()};
#pragma unroll
        for (int w = 0; w < 4; ++w) keys.seen |= (seen.word[w] >> quad() * 4 & 15) << 4 * w;
        return keys;
    }

    // Another key of the tile does not change the largest.
    DEVICE static void fetch(Words<2> (&x)[kKeys], const WgmmaRows<2>& rows, int tile, const ValueKeys& keys) {
        const int first = tile * SAGEATTN_WGMMA_KEY_TILE;
        rows.fetch(x, [&](int i) { return opaque(keys.seen) >> i & 1 ? first + key(i) : keys.other; });
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
// `fetched`. keys: of the tile that was fetched.
template <int kColumns, class Number, class Place>
DEVICE void take_largest(float (&largest)[4], Words<2> (&fetched)[16], const Place& place, const WgmmaRows<2>& rows,
                         const float (&shift)[4], int tile, int step, ValueKeys& keys) {
    using Thread = ValueThread<kColumns>;
    if (keys.any()) take_largest<Number>(largest, fetched, shift);
#pragma unroll 1
    for (tile -= step; tile >= 0; tile -= step) {
        keys = Thread::keys(place, tile);
        Thread::fetch(fetched, rows, tile, keys);
        if (keys.any()) take_largest<Number>(largest, fetched, shift);
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
template <int kColumns, class Place>
DEVICE bool wait_for_head(const sageattn_wgmma_quantize_arguments& p, ValueMemory<kColumns>& memory,
                          const Place& place) {
    if (threadIdx.x == 0) {
        int* const count = p.parts_seen + place.head;
        int seen = 0;
        __threadfence();  // the block's atomicMax before this
        atomicAdd(count, 1);
        for (int i = 0; i < kPatience && seen < place.parts(); ++i) seen = load_acquire(count);
        __threadfence();
        memory.count = seen;
    }
    __syncthreads();
    return memory.count >= place.parts();
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

// Packs the thread's channels 2 * pair and 2 * pair + 1 into the tile; zeros where its keys are not seen.
template <int kColumns, class Number>
DEVICE void pack_two(ValueMemory<kColumns>& memory, const Words<2> (&fetched)[16], int pair, const ValueScale& scale,
                     u32 seen, float (&residual)[2]) {
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
            if (seen != 0xFFFF && !(seen >> i & 1)) x[0][j] = x[1][j] = 0.0f;
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

// The rows of ones: a 1 for each key that is seen.
template <int kColumns>
DEVICE void pack_ones(ValueMemory<kColumns>& memory, u32 seen) {
    using Thread = ValueThread<kColumns>;
    if (Thread::channel() >= 8) return;
    u32 word[4];
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        word[w] = 0;
#pragma unroll
        for (int j = 0; j < 4; ++j)
            if (seen >> (4 * w + j) & 1) word[w] |= 0x38u << 8 * j;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const int row = kColumns + Thread::channel() + i;
        memory.tile[row * 8 + (Thread::quad() ^ (row & 7))] = make_uint4(word[0], word[1], word[2], word[3]);
    }
}

// Writes a tile and the sums of what rounding lost.
template <int kColumns, class Number>
DEVICE void pack_value_tile(const sageattn_wgmma_quantize_arguments& p, ValueMemory<kColumns>& memory,
                            long long index, const Words<2> (&fetched)[16], const ValueScale& scale, u32 seen) {
    using Thread = ValueThread<kColumns>;
    constexpr int kThreads = kPackThreads<kColumns>, kUnits = (kColumns + 8) * 8;  // of 16 bytes
    pack_ones(memory, seen);
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
        float residual[2];
        pack_two<kColumns, Number>(memory, fetched, pair, scale, seen, residual);
        *reinterpret_cast<float2*>(&memory.column[Thread::quad()][Thread::channel() + 2 * pair]) =
            make_float2(residual[0], residual[1]);
    }
    __syncthreads();
    uint4* target = reinterpret_cast<uint4*>(p.tiled_value) + index * kUnits;
#pragma unroll
    for (int i = threadIdx.x; i < kUnits; i += kThreads) target[i] = memory.tile[i];
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
template <int kColumns, class Place>
DEVICE void finish_head(const sageattn_wgmma_quantize_arguments& p, ValueMemory<kColumns>& memory,
                        const Place& place) {
    if (threadIdx.x == 0) {
        __threadfence();
        memory.count = atomicAdd(p.parts_done + place.head, 1) + 1;
        __threadfence();
    }
    __syncthreads();
    if (memory.count < place.parts() || threadIdx.x >= kColumns) return;
    const float* tiles = p.value_residual + place.tile(0) * kColumns + threadIdx.x;
    float residual = 0.0f;
#pragma unroll 8
    for (int tile = 0; tile < place.tiles(); ++tile)
        residual += __ldcg(tiles + static_cast<long long>(tile) * kColumns);
    const long long at = static_cast<long long>(place.head) * kColumns + threadIdx.x;
    const float shift = p.value_shift[at], scale = value_scale(__ldcg(p.value_largest + at), shift);
    p.value_scale[at] = scale;
    p.value_mean[at] = shift + scale * __fdividef(residual, static_cast<float>(place.count()));
}

// Packs tiles part, part + parts …; in heads of at most SAGEATTN_WGMMA_PARTS tiles that is one.
template <int kColumns, class Number, class Place>
DEVICE void pack_values(const sageattn_wgmma_quantize_arguments& p, const Place& place,
                        ValueMemory<kColumns>& memory) {
    using Thread = ValueThread<kColumns>;
    const WgmmaRows<2> rows = rows_of<2>(p.value, place, p.head_dim, Thread::channel());
    const int part = place.index(), last = part + (place.tiles() - 1 - part) / place.parts() * place.parts();
    const long long at = static_cast<long long>(place.head) * kColumns + Thread::channel();
    Words<2> fetched[Thread::kKeys];
    float shift[4], scale[4], largest[4] = {};
    ValueKeys keys = Thread::keys(place, last);
    Thread::fetch(fetched, rows, last, keys);
    grid_wait();
    load_numbers(shift, p.value_shift + at);
    take_largest<kColumns, Number>(largest, fetched, place, rows, shift, last, place.parts(), keys);
    publish_largest(p, memory, place.head, largest);
    if (!wait_for_head(p, memory, place)) {
        const int end = place.tiles() - 1;
        keys = Thread::keys(place, end);
        Thread::fetch(fetched, rows, end, keys);
        take_largest<kColumns, Number>(largest, fetched, place, rows, shift, end, 1, keys);
        publish_largest(p, memory, place.head, largest);
        keys = Thread::keys(place, part);
        Thread::fetch(fetched, rows, part, keys);
    }
    const uint4 bits = load_l2_16(p.value_largest + at);
    scale[0] = value_scale(bits.x, shift[0]), scale[1] = value_scale(bits.y, shift[1]);
    scale[2] = value_scale(bits.z, shift[2]), scale[3] = value_scale(bits.w, shift[3]);
    const ValueScale exact(shift, scale);
#pragma unroll 1
    for (int tile = part;;) {
        pack_value_tile<kColumns, Number>(p, memory, place.tile(tile), fetched, exact, keys.seen);
        tile += place.parts();
        if (tile >= place.tiles()) break;
        keys = Thread::keys(place, tile);
        Thread::fetch(fetched, rows, tile, keys);
    }
    finish_head(p, memory, place);
}
