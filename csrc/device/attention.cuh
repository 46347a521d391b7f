// The attention main loop, for every family: one block computes SAGEATTN_QUERY_ROWS query rows of one head
// over all key tiles that they see.
//
// Keys are double-buffered, values are not: a value tile arrives while its scores are computed. 48 KB at head dim
// 128 let two blocks share the SMs that have 100 KB; on an H100 a second value stage made no difference.
//
// A Family names the fragments (which matrix instructions), the warps and their rows, and whether its
// instructions take bfloat16.
#pragma once

#include "params.h"
#include "softmax.cuh"
#include "tile.cuh"

// Which queries a block computes. Causal tiles grow with their index: the longest first, so that the grid ends
// evenly.
struct BlockIndex {
    int query_tile, head, batch, key_head;

    DEVICE BlockIndex(const sageattn_attention_arguments& p, u32 block, bool causal) {
        const int index = block % p.query_tiles;
        query_tile = causal ? p.query_tiles - 1 - index : index;
        head = block / p.query_tiles % p.query_heads;
        batch = block / p.query_tiles / p.query_heads;
        key_head = head / (p.query_heads / p.key_heads);
    }
};

// What the whole block shares, parked in shared memory between uses: the main loop has no registers to spare.
struct BlockState {
    const char *key, *value;  // row 0 of the key head
    const float* key_scale;   // of the key head
    int first_query;          // of the block
    int key_tiles;            // that it sees
};

DEVICE const char* load_shared_pointer(const void* slot) {
    const uint2 v = load_shared_8(shared_address(slot));
    return reinterpret_cast<const char*>(static_cast<unsigned long long>(v.y) << 32 | v.x);
}

template <class Family, int kHeadDim, bool kCausal, class Value>
class Attention {
    using F = typename Family::template Fragments<kHeadDim, Family::kWarpRows, Value>;
    using QueryTile = typename F::QueryTile;
    using KeyTile = typename F::KeyTile;
    using ValueTile = typename F::ValueTile;
    using OutputTile = Tile<Family::kWarpRows, 2 * kHeadDim>;  // of one warp

    static constexpr u32 kKeyOffset = QueryTile::kBytes;
    static constexpr u32 kValueOffset = kKeyOffset + 2 * KeyTile::kBytes;

  public:
    static constexpr int kThreads = Family::kWarps * 32;
    static constexpr int kSharedMemory = kValueOffset + ValueTile::kBytes;
    static_assert(Family::kWarps * Family::kWarpRows == SAGEATTN_QUERY_ROWS, "the warps share one query block");
    static_assert(Family::kWarps * OutputTile::kBytes <= kSharedMemory, "the output is staged where tiles were");

    DEVICE Attention(const sageattn_attention_arguments& arguments, u32 shared_memory, BlockState& block_state)
        : p(arguments), shared(shared_memory), state(block_state) {}

    DEVICE void run() {
        F f;
        OnlineSoftmax<F> softmax;
        float query_scale[F::kQueryScales];
        bool more = start(query_scale);

#pragma unroll 1
        for (int tile = 0; more; ++tile) {
            float key_scale[F::kGroups];
            copy_wait<0>();
            __syncthreads();  // the tile is there, and nobody reads the buffers that are filled next
            more = tile + 1 < static_cast<int>(load_shared_4(shared_address(&state.key_tiles)));
            load_key_scales(key_scale, tile);
            load_value(tile);
            copy_commit();
            if (more) load_key(load_shared_pointer(&state.key), tile + 1);
            copy_commit();

            f.multiply_keys(shared, warp_row(), key_stage(tile));
            if (needs_mask(tile)) mask(f, tile);
            softmax.update(f, query_scale, key_scale);
            copy_wait<1>();  // the values, not the next keys
            __syncthreads();
            f.multiply_values(shared + kValueOffset);
        }
        copy_wait<0>();
        __syncthreads();  // all tiles are read: the output may be staged over them
        finish(f, softmax);
    }

  private:
    const sageattn_attention_arguments& p;
    const u32 shared;
    BlockState& state;

    // First row of the warp: in the query block, and in the sequence.
    static DEVICE int warp_row() { return opaque(threadIdx.x) / 32 * Family::kWarpRows; }
    DEVICE int first_query() const { return load_shared_4(shared_address(&state.first_query)) + warp_row(); }

    DEVICE u32 key_stage(int tile) const { return shared + kKeyOffset + tile % 2 * KeyTile::kBytes; }

    // Sets what the loop needs and starts loading the queries and the first tile; false if there is none.
    DEVICE bool start(float (&query_scale)[F::kQueryScales]) {
        const BlockIndex block(p, blockIdx.x, kCausal);
        const int first = block.query_tile * SAGEATTN_QUERY_ROWS;
        const int visible = kCausal ? min(p.key_rows, first + SAGEATTN_QUERY_ROWS) : p.key_rows;
        const int key_tiles = (visible + SAGEATTN_KEY_ROWS - 1) / SAGEATTN_KEY_ROWS;
        const char* key = head_base(p.key, block.batch, block.key_head);
        if (threadIdx.x == 0) {
            const long long head = static_cast<long long>(block.batch) * p.key_heads + block.key_head;
            state = {key, head_base(p.value, block.batch, block.key_head), p.key_scale + head * p.key_scale_stride,
                     first, key_tiles};
        }
        load_query_scales(query_scale, block);
        load_tile<QueryTile, kThreads, false>(shared, p.query, head_base(p.query, block.batch, block.head), first,
                                              p.query_rows);
        load_key(key, 0);
        copy_commit();
        return key_tiles > 0;
    }

    static DEVICE char* head_base(const sageattn_view& view, int batch, int head) {
        return static_cast<char*>(view.data) + batch * view.batch_stride + head * view.head_stride;
    }
    DEVICE void load_key(const char* base, int tile) const {
        load_tile<KeyTile, kThreads, false>(key_stage(tile), p.key, base, tile * SAGEATTN_KEY_ROWS, p.key_rows);
    }
    DEVICE void load_value(int tile) const {
        load_tile<ValueTile, kThreads, !Family::kNativeBfloat16>(
            shared + kValueOffset, p.value, load_shared_pointer(&state.value), tile * SAGEATTN_KEY_ROWS, p.key_rows);
    }

    // Finest scale indices as in params.h; a warp here may be half of a quantisation warp.
    DEVICE void load_query_scales(float (&scale)[F::kQueryScales], const BlockIndex& block) const {
        const long long head = static_cast<long long>(block.batch) * p.query_heads + block.head;
        const float* scales = p.query_scale + head * p.query_scale_stride;
        const int first = block.query_tile * SAGEATTN_QUERY_BLOCK_SCALES + warp_row() / SAGEATTN_QUERY_WARP_ROWS * 8;
#pragma unroll
        for (int i = 0; i < F::kQueryScales; ++i)
            scale[i] = scales[(first + F::query_scale_index(lane_index(), i)) >> p.query_scale_shift] * p.scale_log2;
    }
    DEVICE void load_key_scales(float (&scale)[F::kGroups], int tile) const {
        const float* scales = reinterpret_cast<const float*>(load_shared_pointer(&state.key_scale));
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g)
            scale[g] =
                scales[(tile * SAGEATTN_KEY_BLOCK_SCALES + F::key_scale_index(lane_index(), g)) >> p.key_scale_shift];
    }

    DEVICE bool needs_mask(int tile) const {
        const int end = (tile + 1) * SAGEATTN_KEY_ROWS;
        return end > p.key_rows || (kCausal && end > first_query() + 1);
    }

    DEVICE void mask(F& f, int tile) const {
        const int lane = opaque(lane_index()), first = kCausal ? first_query() : 0;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const int seen = kCausal ? min(p.key_rows, first + F::row(lane, r) + 1) : p.key_rows;
            const int limit = seen - tile * SAGEATTN_KEY_ROWS;
#pragma unroll
            for (int g = 0; g < F::kGroups; ++g)
#pragma unroll
                for (int j = 0; j < F::kGroupSize; ++j)
                    if (F::column(lane, g, j) >= limit) f.set(r, g, j, minus_infinity());
        }
    }

    // Divides by the sums, stages the output through shared memory and writes whole rows; writes the LSE.
    DEVICE void finish(const F& f, const OnlineSoftmax<F>& softmax) const {
        const BlockIndex block(p, opaque(blockIdx.x), kCausal);  // again, rather than kept through the loop
        const u32 staged = shared + threadIdx.x / 32 * OutputTile::kBytes;
        const int lane = lane_index();
        const bool to_bfloat16 = p.output.bfloat16;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const float sum = f.row_sum(r);
            const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;  // a row that sees no key gives 0
#pragma unroll
            for (int j = 0; j < F::kPairs; ++j) {
                const float2 o = f.output_pair(r, j);
                const int column = F::output_column(lane, j);
                store_shared_4(staged + OutputTile::offset(F::row(lane, r), column / 8) + column % 8 * 2,
                               pack(o.x * inverse, o.y * inverse, to_bfloat16));
            }
            write_lse(block, F::row(lane, r), softmax.maximum[r], sum);
        }
        __syncwarp();
        write_output(block, staged);
    }

    DEVICE void write_lse(const BlockIndex& block, int row, float maximum, float sum) const {
        const int query = first_query() + row;
        if (p.lse == nullptr || query >= p.query_rows) return;
        const long long index =
            (static_cast<long long>(block.batch) * p.query_heads + block.head) * p.query_rows + query;
        const float correction = p.mean_dot == nullptr ? 0.0f : p.sm_scale * p.mean_dot[index];
        p.lse[index] = 0.69314718056f * (maximum + log2_fast(sum)) + correction;  // several lanes, the same value
    }

    DEVICE void write_output(const BlockIndex& block, u32 staged) const {
        const int first = first_query();
        char* output = head_base(p.output, block.batch, block.head) + first * p.output.row_stride;
#pragma unroll 4
        for (int i = lane_index(); i < OutputTile::kBytes / 16; i += 32) {
            const int row = i / OutputTile::kChunks, chunk = i % OutputTile::kChunks;
            if (first + row >= p.query_rows) break;
            const uint4 v = load_shared_16(staged + OutputTile::offset(row, chunk));
            char* target = output + row * p.output.row_stride + chunk * 16;
            if (p.output.vectors) {
                *reinterpret_cast<uint4*>(target) = v;
            } else {
                const u32 word[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
                for (int k = 0; k < 8; ++k)
                    reinterpret_cast<u16*>(target)[k] = static_cast<u16>(word[k / 2] >> (k % 2 * 16));
            }
        }
    }
};

template <class Family, int kHeadDim, bool kCausal>
DEVICE void run_attention(const sageattn_attention_arguments& p) {
    extern __shared__ __align__(128) unsigned char shared_memory[];
    __shared__ BlockState state;
    const u32 shared = shared_address(shared_memory);
    if constexpr (Family::kNativeBfloat16) {
        if (p.value.bfloat16) {
            Attention<Family, kHeadDim, kCausal, bfloat16>(p, shared, state).run();
            return;
        }
    }
    Attention<Family, kHeadDim, kCausal, float16>(p, shared, state).run();
}

// Defines the two kernels of a head dim and their traits.
#define ATTENTION_KERNELS(head_dim, Family)                                                            \
    extern "C" __constant__ sageattn_traits attention_hd##head_dim##_traits = {                        \
        Attention<Family, head_dim, false, float16>::kThreads,                                         \
        Attention<Family, head_dim, false, float16>::kSharedMemory};                                   \
    extern "C" __global__ void __launch_bounds__(Family::kWarps * 32, Family::blocks_per_sm(head_dim)) \
        attention_hd##head_dim##_full(const __grid_constant__ sageattn_attention_arguments p) {        \
        run_attention<Family, head_dim, false>(p);                                                     \
    }                                                                                                  \
    extern "C" __global__ void __launch_bounds__(Family::kWarps * 32, Family::blocks_per_sm(head_dim)) \
        attention_hd##head_dim##_causal(const __grid_constant__ sageattn_attention_arguments p) {      \
        run_attention<Family, head_dim, true>(p);                                                      \
    }
