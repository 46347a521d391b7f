// What the wgmma kernels need to know before they begin: of masks, of sequences, and for the LSE of the packed keys.
#include "key_weights.cuh"
#include "mean.cuh"
#include "order.cuh"
#include "schedule.cuh"
#include "ptx/grid.cuh"
#include "ptx/number.cuh"

using Groups = WgmmaGroups<128, WgmmaVariant::kMasked>;  // those of 64 columns are the same
constexpr int kConsumers = Groups::kConsumers, kQueryTile = Groups::kQueryTile;
constexpr int kTile = SAGEATTN_WGMMA_KEY_TILE;
constexpr int kFour = 4 * kTile;  // keys whose classes lie in a word

// The same class for all warpgroups.
DEVICE unsigned char for_all(u32 seen) {
    u32 classes = 0;
#pragma unroll
    for (int w = 0; w < kConsumers; ++w) classes |= seen << 2 * w;
    return classes;
}

DEVICE u32 class_of(bool any, bool all) {
    return !any ? SAGEATTN_WGMMA_NONE : all ? SAGEATTN_WGMMA_WHOLE : SAGEATTN_WGMMA_SOME;
}

// Lists the tiles whose classes are not 0, and puts their groups, if there are any, into that order. One warp calls
// this.
DEVICE void list_tiles(const sageattn_wgmma_mask_arguments& p, int batch, const unsigned char* classes,
                       const float* groups = nullptr, float* tiles_groups = nullptr) {
    const long long at = batch * static_cast<long long>(p.tiles);
    const uint4* const bits = reinterpret_cast<const uint4*>(p.bits) + at;
    int before = 0;
    for (int first = 0; first < p.tiles; first += 32) {
        const int tile = first + lane_index();
        const bool seen = tile < p.tiles && classes[tile] != 0;
        const u32 all = __ballot_sync(0xFFFFFFFFu, seen);
        if (seen) {
            const int place = before + __popc(all & first_bits(lane_index()));
            p.tile_list[at + place] = tile;
            p.tile_rank[at + tile] = place;
            reinterpret_cast<uint4*>(p.tiles_bits)[at + place] = bits[tile];
            if (groups != nullptr)
                reinterpret_cast<float4*>(tiles_groups)[at + place] =
                    reinterpret_cast<const float4*>(groups)[at + tile];
        }
        before += __popc(all);
    }
    if (lane_index() == 0) p.tile_count[batch] = before;
}

// A mask of one row for all queries and heads. Grid: a block for each batch. Bits beyond the last key are zeros.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_MASK_THREADS)
    wgmma_see_keys(const __grid_constant__ sageattn_wgmma_mask_arguments p) {
    __shared__ int count;
    grid_let_next_begin();
    const int batch = blockIdx.x, padded = divide_up(p.tiles, 4) * 4, lane = lane_index();
    const char* const mask = static_cast<const char*>(p.mask.data) + batch * p.mask.batch_stride;
    unsigned char* const classes = p.classes + batch * static_cast<long long>(padded);
    int seen = 0;
    if (threadIdx.x == 0) count = 0;
    __syncthreads();
#pragma unroll 1
    for (int tile = threadIdx.x / 32; tile < padded; tile += SAGEATTN_WGMMA_MASK_THREADS / 32) {
        u32 word[4];
#pragma unroll
        for (int w = 0; w < 4; ++w) {
            const int key = tile * kTile + 32 * w + lane;
            word[w] = __ballot_sync(0xFFFFFFFFu, key < p.keys && mask[key * p.column_stride] != 0);
        }
        const int keys = max(0, min(p.keys - tile * kTile, kTile));
        const int found = __popc(word[0]) + __popc(word[1]) + __popc(word[2]) + __popc(word[3]);
        seen += found;
        if (lane != 0) continue;
        classes[tile] = for_all(class_of(found > 0, found == keys));
        if (tile < p.tiles)
            reinterpret_cast<uint4*>(p.bits)[batch * static_cast<long long>(p.tiles) + tile] =
                make_uint4(word[0], word[1], word[2], word[3]);
    }
    if (lane == 0) atomicAdd(&count, seen);
    __syncthreads();
    if (threadIdx.x == 0) p.count[batch] = count;
    if (threadIdx.x < 32) list_tiles(p, batch, classes);
}

// Bits of 16 bytes: 1 for those that are not 0.
DEVICE u32 bits_of(uint4 bytes) {
    const u32 word[4] = {bytes.x, bytes.y, bytes.z, bytes.w};
    u32 bits = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const u32 top = (word[i] | ((word[i] & 0x7F7F7F7Fu) + 0x7F7F7F7Fu)) >> 7;
        bits |= ((top & 1) | (top >> 7 & 2) | (top >> 14 & 4) | (top >> 21 & 8)) << 4 * i;
    }
    return bits;
}

// Bits of the 16 keys from `key` on; beyond the last key that of the last.
DEVICE u32 sixteen_keys(const sageattn_wgmma_mask_arguments& p, const char* row, int key) {
    if (p.mask.vectors && key + 16 <= p.keys) return bits_of(*reinterpret_cast<const uint4*>(row + key));
    u32 bits = 0;
#pragma unroll
    for (int i = 0; i < 16; ++i)
        if (row[min(key + i, p.keys - 1) * p.column_stride] != 0) bits |= 1u << i;
    return bits;
}

// Any other boolean mask. Grid: for each batch and head that differ a block for each query tile by four tiles of
// keys. A mask of one row takes that row for all.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_SEE_THREADS)
    wgmma_see(const __grid_constant__ sageattn_wgmma_mask_arguments p) {
    constexpr int kWarps = SAGEATTN_WGMMA_SEE_THREADS / 32, kTurns = SAGEATTN_WGMMA_QUERY_BLOCK / kWarps;
    __shared__ u32 found[kConsumers][4];  // bit 0: a row sees a key; bit 1: a row does not
    grid_let_next_begin();
    const int fours = divide_up(p.tiles, 4), four = blockIdx.x % fours, rest = blockIdx.x / fours;
    const int query_tile = rest % p.query_tiles, batch_head = rest / p.query_tiles;
    const int warp = threadIdx.x / 32, lane = lane_index(), tile = four * 4 + lane / 8;
    const char* const mask = static_cast<const char*>(p.mask.data) + batch_head / p.heads * p.mask.batch_stride +
                             batch_head % p.heads * p.mask.head_stride;
    const int last = p.rows - 1;
    if (threadIdx.x < kConsumers * 4) found[threadIdx.x / 4][threadIdx.x % 4] = 0;
    __syncthreads();
#pragma unroll 1
    for (int w = 0; w < kConsumers; ++w) {
        const int first = query_tile * kQueryTile + w * SAGEATTN_WGMMA_QUERY_BLOCK;
        if (first > last && p.rows > 1) break;  // no such rows
        bool any = false, all = true;
#pragma unroll 2
        for (int i = 0; i < kTurns; ++i) {
            const int row = min(first + i * kWarps + warp, last);
            u32 bits = sixteen_keys(p, mask + row * p.mask.row_stride, four * kFour + lane * 16);
            any |= bits != 0, all &= bits == 0xFFFF;
            bits |= __shfl_down_sync(0xFFFFFFFFu, bits, 1) << 16;
            if (lane % 2 == 0 && tile < p.tiles)
                p.bits[((batch_head * static_cast<long long>(p.rows) + row) * p.tiles + tile) * 4 + lane / 2 % 4] =
                    bits;
        }
        atomicOr(&found[w][lane / 8], (any ? 1u : 0u) | (all ? 0u : 2u));
    }
    __syncthreads();
    if (threadIdx.x >= 4) return;
    u32 classes = 0;
#pragma unroll
    for (int w = 0; w < kConsumers; ++w)
        classes |= class_of(found[w][threadIdx.x] & 1, (found[w][threadIdx.x] & 2) == 0) << 2 * w;
    if (four * 4 + threadIdx.x >= p.tiles) classes = 0;
    p.classes[((batch_head * static_cast<long long>(p.query_tiles) + query_tile) * fours + four) * 4 + threadIdx.x] =
        classes;
}

// Grid: a block for each batch and head that differ.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_MASK_THREADS)
    wgmma_bias_keys(const __grid_constant__ sageattn_wgmma_bias_arguments p) {
    grid_let_next_begin();
    const KeyBiases biases(p, blockIdx.x / p.heads, blockIdx.x % p.heads);
    float* const output = p.output + blockIdx.x * static_cast<long long>(p.padded_keys);
    for (int key = threadIdx.x; key < p.padded_keys; key += SAGEATTN_WGMMA_MASK_THREADS) output[key] = biases.of(key);
}

// Whether the batch's biases become weights; the block's threads call this together. Under a causal limit the key in
// a hidden one's place may lie beyond the limit: no key may be hidden then.
DEVICE bool fit(const sageattn_wgmma_weight_arguments& p, const KeyBiases& biases, float top) {
    const int keys = p.bias.keys, groups = divide_up(keys, 32);
    bool all = fabsf(top) <= kLargestTop;
    for (int i = threadIdx.x / 32; i < groups; i += kMaskWarps) {
        const int key = 32 * i + lane_index();
        const KeyGroup group(biases.of(key), top);
        all &= group.fits() && (p.causal == 0 || group.shown || key >= keys);
    }
    return __syncthreads_and(all);
}

// Writes a tile's weights, and its biases for a batch whose weights are 1; adds up what the block counts. A warp
// calls this.
DEVICE void weigh_tile(const sageattn_wgmma_weight_arguments& p, const KeyBiases& biases, int batch, int tile,
                       bool weighed, float top, int& seen, float& total) {
    const long long at = batch * static_cast<long long>(p.seen.tiles) + tile;
    u32 word[4];
#pragma unroll
    for (int w = 0; w < 4; ++w) {
        const int lane = lane_index(), key = tile * kTile + 32 * w + lane;
        const KeyGroup group(biases.of(key), top);
        const float weight = weighed ? group.weight() : key < p.bias.keys ? 1.0f : 0.0f;
        const float added = weighed ? group.added(top) : 0.0f;
        word[w] = __ballot_sync(0xFFFFFFFFu, weight > 0.0f);
        p.weights[at * kTile + 32 * w + lane] = weight;
        p.bias.output[at * kTile + 32 * w + lane] = group.bias;
        if (lane == 0) p.groups[at * SAGEATTN_WGMMA_KEY_SCALES + w] = added;
        seen += __popc(word[w]);
        total += exp2_fast(added) * weight;
    }
    if (lane_index() == 0) reinterpret_cast<uint4*>(p.seen.bits)[at] = make_uint4(word[0], word[1], word[2], word[3]);
}

// An additive mask of one row for all queries and heads. Grid: a block for each batch.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_MASK_THREADS, 1)
    wgmma_weigh_keys(const __grid_constant__ sageattn_wgmma_weight_arguments p) {
    __shared__ float memory[kMaskWarps];
    __shared__ int count;
    grid_let_next_begin();
    const int batch = blockIdx.x, tiles = p.seen.tiles, warp = threadIdx.x / 32;
    unsigned char* const classes = p.seen.classes + batch * static_cast<long long>(divide_up(tiles, 4) * 4);
    const KeyBiases biases(p.bias, batch, 0);
    const float top = biases.top(memory);
    if (threadIdx.x == 0) count = 0;
    const bool weighed = fit(p, biases, top);
    int seen = 0;
    float total = 0.0f;
#pragma unroll 1
    for (int tile = warp; tile < tiles; tile += kMaskWarps) {
        const int before = seen;
        weigh_tile(p, biases, batch, tile, weighed, top, seen, total);
        if (lane_index() == 0) classes[tile] = seen > before;
    }
    total = lanes_sum<32>(total);
    if (lane_index() == 0) memory[warp] = total, atomicAdd(&count, seen);
    __syncthreads();
    if (warp > 0) return;
    total = lanes_sum<32>(memory[lane_index()]);
    list_tiles(p.seen, batch, classes, p.groups, p.tiles_groups);
    if (threadIdx.x > 0) return;
    p.seen.count[batch] = count;
    p.total[batch] = total;
    p.top[batch] = weighed ? top * SAGEATTN_LOG2_E : 0.0f;
    p.weighed[batch] = weighed;
}

// Grid: one block.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_MASK_THREADS)
    wgmma_order(const __grid_constant__ sageattn_wgmma_order_arguments p) {
    grid_let_next_begin();
    order_sequences(p);
}

// Grid: one block a head. Behind wgmma_pack, or behind a launch of the caller's.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_MEAN_THREADS, 1)
    wgmma_key_mean(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    __shared__ float4 memory[SAGEATTN_WGMMA_MEAN_THREADS];
    grid_wait();
    grid_let_next_begin();
    if (p.columns == 64) mean_of_keys<64>(p, memory);
    else mean_of_keys<128>(p, memory);
}
