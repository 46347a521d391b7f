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

constexpr int kQuads = 8;  // groups of four neighbouring keys in 32: the block has one row of threads for each

// How often a block looks at the head's counter: about a millisecond. All blocks of a head run at the same time if
// the GPU is free for them. Nothing guarantees that, so a block that has waited in vain reads all values of the head
// itself.
constexpr int kPatience = 1000;

template <int kColumns>
struct ValueMemory {
    uint4 tile[(kColumns + 8) * SAGEATTN_WGMMA_KEY_TILE / 16];
    float column[kQuads][kColumns];
    float weights[SAGEATTN_WGMMA_KEY_TILE + SAGEATTN_WGMMA_KEY_SCALES];
    int count;
};

// The weights of a tile's keys, if there are any, in shared memory: loops that need them have no registers left.
template <class Place>
struct TileWeights {
    static constexpr int kNumbers = SAGEATTN_WGMMA_KEY_TILE + SAGEATTN_WGMMA_KEY_SCALES;
    const Place& place;
    const u32 shared;

    DEVICE TileWeights(const Place& of_block, const float (&memory)[kNumbers])
        : place(of_block), shared(shared_address(memory)) {}

    DEVICE bool any() const { return place.weighed(); }
    DEVICE float of(int key) const { return __uint_as_float(load_shared_4(shared + key * 4)); }
    DEVICE float of_group(int group) const { return of(SAGEATTN_WGMMA_KEY_TILE + group); }

    // The block's threads call this together.
    DEVICE void load(int tile) const {
        if (!any()) return;
#pragma unroll 1
        for (int i = threadIdx.x; i < kNumbers; i += blockDim.x)
            store_shared_4(shared + i * 4, __float_as_uint(place.weight(tile, i)));
        __syncthreads();
    }
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

    // With WGMMA_RECOMPUTE, what follows from the thread's number is computed anew in each tile: with sequences,
    // registers for it would be spilled.
#ifdef WGMMA_RECOMPUTE
    DEVICE static u32 thread() { return opaque(threadIdx.x); }
#else
    DEVICE static u32 thread() { return threadIdx.x; }
#endif
    DEVICE static int channel() { return thread() % kRowThreads * 4; }  // the first of four
    DEVICE static int quad() { return thread() / kRowThreads; }
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
        add_release(count);  // the block's atomicMax before this
        for (int i = 0; i < kPatience && seen < place.parts(); ++i) seen = load_acquire(count);
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

DEVICE float sum_float16(u32 two) { return low_number<float16>(two) + high_number<float16>(two); }

// Packs the thread's channels 2 * pair and 2 * pair + 1 into the tile; zeros where its keys are not seen.
template <int kColumns, class Number, class Weights>
DEVICE void pack_two(ValueMemory<kColumns>& memory, const Words<2> (&fetched)[16], int pair, const ValueScale& scale,
                     u32 seen, const Weights& weights, float (&residual)[2]) {
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
        if (weights.any()) {
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const float weight = weights.of(Thread::key(4 * group + j));
                x[0][j] *= weight, x[1][j] *= weight;
            }
        }
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            word[h][group] = pack_e4m3(x[h][0], x[h][1], x[h][2], x[h][3]);
            const float sum = x[h][0] + x[h][1] + (x[h][2] + x[h][3]);
            rounded[h][group] =
                add_float16(float16_from_e4m3(word[h][group]), float16_from_e4m3(word[h][group] >> 16));
            if (weights.any())
                residual[h] = fmaf(weights.of_group(group), sum - sum_float16(rounded[h][group]), residual[h]);
            else residual[h] += sum;
        }
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
        // Four numbers are summed in float16: what that rounds off is far below the residual.
#pragma unroll
        for (int i = 0; i < 4; i += 2)
            if (!weights.any()) residual[h] -= sum_float16(add_float16(rounded[h][i], rounded[h][i + 1]));
        const int row = value_row(Thread::channel() + 2 * pair + h);
        memory.tile[row * 8 + (Thread::quad() ^ (row & 7))] =
            make_uint4(word[h][0], word[h][1], word[h][2], word[h][3]);
    }
}

// What E4M3 makes of a number from 0 to 448. Decoding what was packed would be shorter, but the compiler of CUDA 12.6
// then leaves the packing out.
DEVICE float round_e4m3(float x) {
    const float power = __uint_as_float(__float_as_uint(x) & 0x7F800000u), least = 1.0f / 64.0f;
    const float adder = fmaxf(power, least) * 1572864.0f;  // 1.5 * 2^20: three bits behind the leading one are left
    return __fsub_rn(__fadd_rn(x, adder), adder);
}

// SAGEATTN_WGMMA_ONE times the weights of four keys, and what rounding lost of them.
template <int kColumns, class Weights>
DEVICE void weigh_ones(u32& even, u32& odd, const Weights& weights, int group) {
    float x[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) x[j] = weights.of(ValueThread<kColumns>::key(4 * group + j)) * SAGEATTN_WGMMA_ONE;
    even = pack_e4m3(x[0], x[1], x[2], x[3]);
    odd =
        pack_e4m3(x[0] - round_e4m3(x[0]), x[1] - round_e4m3(x[1]), x[2] - round_e4m3(x[2]), x[3] - round_e4m3(x[3]));
}

// The rows of ones: a 1 for each key that is seen, or weights.
template <int kColumns, class Weights>
DEVICE void pack_ones(ValueMemory<kColumns>& memory, u32 seen, const Weights& weights) {
    using Thread = ValueThread<kColumns>;
    if (Thread::channel() >= 8) return;
    u32 even[4], odd[4];
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        even[w] = 0;
#pragma unroll
        for (int j = 0; j < 4; ++j)
            if (seen >> (4 * w + j) & 1) even[w] |= 0x38u << 8 * j;
        odd[w] = even[w];
        if (weights.any()) weigh_ones<kColumns>(even[w], odd[w], weights, w);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const int row = kColumns + Thread::channel() + i;
        memory.tile[row * 8 + (Thread::quad() ^ (row & 7))] =
            i % 2 == 0 ? make_uint4(even[0], even[1], even[2], even[3]) : make_uint4(odd[0], odd[1], odd[2], odd[3]);
    }
}

// Writes a tile and the sums of what rounding lost.
template <int kColumns, class Number, class Weights>
DEVICE void pack_value_tile(const sageattn_wgmma_quantize_arguments& p, ValueMemory<kColumns>& memory,
                            long long index, const Words<2> (&fetched)[16], const ValueScale& scale, u32 seen,
                            const Weights& weights) {
    using Thread = ValueThread<kColumns>;
    constexpr int kThreads = kPackThreads<kColumns>, kUnits = (kColumns + 8) * 8;  // of 16 bytes
    pack_ones(memory, seen, weights);
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
        float residual[2];
        pack_two<kColumns, Number>(memory, fetched, pair, scale, seen, weights, residual);
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
    if (threadIdx.x == 0) memory.count = add_acquire_release(p.parts_done + place.head) + 1;
    __syncthreads();
    if (memory.count < place.parts()) return;
    if (threadIdx.x == kColumns) count_tiles(p, place.head);  // while others add up
    if (threadIdx.x >= kColumns) return;
    const float* tiles = p.value_residual + place.tile(0) * kColumns + threadIdx.x;
    float residual = 0.0f;
#pragma unroll 8
    for (int tile = 0; tile < place.tiles(); ++tile)
        residual += __ldcg(tiles + static_cast<long long>(tile) * kColumns);
    const long long at = static_cast<long long>(place.head) * kColumns + threadIdx.x;
    const float shift = p.value_shift[at], scale = value_scale(__ldcg(p.value_largest + at), shift);
    p.value_scale[at] = scale;
    p.value_mean[at] = shift + scale * __fdividef(residual, place.total());
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
    ValueKeys keys;
    // The block's own tiles, its first one last; then all of the head, if it has waited for the others in vain.
    int first = last, step = place.parts();
    while (true) {
#pragma unroll 1
        for (int tile = first; tile >= 0; tile -= step) {
            keys = Thread::keys(place, tile);
            Thread::fetch(fetched, rows, tile, keys);
            wait_for_sample();  // the first time
            load_numbers(shift, p.value_shift + at);
            if (keys.any()) take_largest<Number>(largest, fetched, shift);
        }
        publish_largest(p, memory, place.head, largest);
        if (step == 1 || wait_for_head(p, memory, place)) break;
        first = place.tiles() - 1, step = 1;
    }
    const uint4 bits = load_l2_16(p.value_largest + at);
    scale[0] = value_scale(bits.x, shift[0]), scale[1] = value_scale(bits.y, shift[1]);
    scale[2] = value_scale(bits.z, shift[2]), scale[3] = value_scale(bits.w, shift[3]);
    const ValueScale exact(shift, scale);
    const TileWeights<Place> weights(place, memory.weights);
#pragma unroll 1
    for (int tile = part; tile < place.tiles(); tile += place.parts()) {
        if (tile != part || step != place.parts()) {
            keys = Thread::keys(place, tile);
            Thread::fetch(fetched, rows, tile, keys);
        }
        weights.load(tile);
        pack_value_tile<kColumns, Number>(p, memory, place.tile(tile), fetched, exact, keys.seen, weights);
    }
    finish_head(p, memory, place);
}
