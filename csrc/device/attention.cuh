// The attention main loop, for every family: one block computes SAGEATTN_QUERY_ROWS query rows of one head
// over all key tiles that they see.
//
// A Family names the fragments (which matrix instructions), the warps and their rows, the stages of the value
// buffer, and whether its instructions take bfloat16.
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

// Addresses that the whole block shares, parked in shared memory between uses.
struct SharedBases {
    const char *key, *value;
    const float* key_scale;
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
    using OutputTile = Tile<Family::kWarpRows, 2 * kHeadDim>; // of one warp

    static constexpr int kValueStages = Family::kValueStages;
    static constexpr u32 kKeyOffset = QueryTile::kBytes;
    static constexpr u32 kValueOffset = kKeyOffset + 2 * KeyTile::kBytes;

  public:
    static constexpr int kThreads = Family::kWarps * 32;
    static constexpr int kSharedMemory = kValueOffset + kValueStages * ValueTile::kBytes;
    static_assert(Family::kWarps * Family::kWarpRows == SAGEATTN_QUERY_ROWS, "the warps share one query block");
    static_assert(Family::kWarps * OutputTile::kBytes <= kSharedMemory, "the output is staged where tiles were");

    DEVICE Attention(const sageattn_attention_arguments& arguments, u32 shared_memory, SharedBases& shared_bases)
        : p(arguments), shared(shared_memory), bases(shared_bases),
          warp_row(threadIdx.x / 32 * Family::kWarpRows) {}

    DEVICE void run() {
        F f;
        OnlineSoftmax<F> softmax;
        float query_scale[F::kQueryScales];
        start(query_scale);

#pragma unroll 1
        for (int tile = 0; tile < key_tiles; ++tile) {
            float key_scale[F::kGroups];
            copy_wait<0>();
            __syncthreads(); // the tile is there, and nobody reads the buffers that are filled next
            load_key_scales(key_scale, tile);
            if (kValueStages == 1) {
                load_value(value_base(), tile);
                copy_commit();
            }
            if (tile + 1 < key_tiles) {
                load_key(key_base(), tile + 1);
                if (kValueStages == 2) load_value(value_base(), tile + 1);
            }
            copy_commit();

            f.multiply_keys(shared, warp_row, key_stage(tile));
            if (needs_mask(tile)) mask(f, tile);
            softmax.update(f, query_scale, key_scale);
            if (kValueStages == 1) {
                copy_wait<1>();
                __syncthreads();
            }
            f.multiply_values(value_stage(tile));
        }
        copy_wait<0>();
        __syncthreads(); // all tiles are read: the output may be staged over them
        finish(f, softmax);
    }

  private:
    const sageattn_attention_arguments& p;
    const u32 shared;
    SharedBases& bases;
    const int warp_row; // of the warp in the query block
    int first_query;    // of the warp in the sequence
    int key_tiles;      // that the block sees

    DEVICE u32 key_stage(int tile) const { return shared + kKeyOffset + tile % 2 * KeyTile::kBytes; }
    DEVICE u32 value_stage(int tile) const {
        return shared + kValueOffset + tile % kValueStages * ValueTile::kBytes;
    }
    DEVICE const char* key_base() const { return load_shared_pointer(&bases.key); }
    DEVICE const char* value_base() const { return load_shared_pointer(&bases.value); }

    // Sets what the loop needs and starts loading the queries and the first tile.
    DEVICE void start(float (&query_scale)[F::kQueryScales]) {
        const BlockIndex block(p, blockIdx.x, kCausal);
        const int first = block.query_tile * SAGEATTN_QUERY_ROWS;
        first_query = first + warp_row;
        const int visible = kCausal ? min(p.key_rows, first + SAGEATTN_QUERY_ROWS) : p.key_rows;
        key_tiles = (visible + SAGEATTN_KEY_ROWS - 1) / SAGEATTN_KEY_ROWS;
        const char* key = head_base(p.key, block.batch, block.key_head);
        const char* value = head_base(p.value, block.batch, block.key_head);
        if (threadIdx.x == 0) {
            const long long head = static_cast<long long>(block.batch) * p.key_heads + block.key_head;
            bases = {key, value, p.key_scale + head * p.key_scale_stride};
        }
        load_query_scales(query_scale, block);
        load_tile<QueryTile, kThreads, false>(shared, p.query, head_base(p.query, block.batch, block.head), first,
                                              p.query_rows);
        load_key(key, 0);
        if (kValueStages == 2) load_value(value, 0);
        copy_commit();
    }

    static DEVICE char* head_base(const sageattn_view& view, int batch, int head) {
        return static_cast<char*>(view.data) + batch * view.batch_stride + head * view.head_stride;
    }
    DEVICE void load_key(const char* base, int tile) const {
        load_tile<KeyTile, kThreads, false>(key_stage(tile), p.key, base, tile * SAGEATTN_KEY_ROWS, p.key_rows);
    }
    DEVICE void load_value(const char* base, int tile) const {
        load_tile<ValueTile, kThreads, !Family::kNativeBfloat16>(value_stage(tile), p.value, base,
                                                                 tile * SAGEATTN_KEY_ROWS, p.key_rows);
    }

    // Finest scale indices as in params.h; a warp here may be half of a quantisation warp.
    DEVICE void load_query_scales(float (&scale)[F::kQueryScales], const BlockIndex& block) const {
        const long long head = static_cast<long long>(block.batch) * p.query_heads + block.head;
        const float* scales = p.query_scale + head * p.query_scale_stride;
        const int first = block.query_tile * SAGEATTN_QUERY_BLOCK_SCALES + warp_row / SAGEATTN_QUERY_WARP_ROWS * 8;
#pragma unroll
        for (int i = 0; i < F::kQueryScales; ++i)
            scale[i] = scales[(first + F::query_scale_index(lane_index(), i)) >> p.query_scale_shift] * p.scale_log2;
    }
    DEVICE void load_key_scales(float (&scale)[F::kGroups], int tile) const {
        const float* scales = reinterpret_cast<const float*>(load_shared_pointer(&bases.key_scale));
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g)
            scale[g] = scales[(tile * SAGEATTN_KEY_BLOCK_SCALES + F::key_scale_index(lane_index(), g)) >> p.key_scale_shift];
    }

    DEVICE bool needs_mask(int tile) const {
        const int end = (tile + 1) * SAGEATTN_KEY_ROWS;
        return end > p.key_rows || (kCausal && end > first_query + 1);
    }

    DEVICE void mask(F& f, int tile) const {
        const int lane = opaque(lane_index());
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const int seen = kCausal ? min(p.key_rows, first_query + F::row(lane, r) + 1) : p.key_rows;
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
        const BlockIndex block(p, opaque(blockIdx.x), kCausal); // again, rather than kept through the loop
        const u32 staged = shared + threadIdx.x / 32 * OutputTile::kBytes;
        const int lane = lane_index();
        const bool to_bfloat16 = p.output.bfloat16;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const float sum = f.row_sum(r);
            const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum; // a row that sees no key gives 0
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
        const int query = first_query + row;
        if (p.lse == nullptr || query >= p.query_rows) return;
        const long long index = (static_cast<long long>(block.batch) * p.query_heads + block.head) * p.query_rows + query;
        const float correction = p.mean_dot == nullptr ? 0.0f : p.sm_scale * p.mean_dot[index];
        p.lse[index] = 0.69314718056f * (maximum + log2_fast(sum)) + correction; // several lanes, the same value
    }

    DEVICE void write_output(const BlockIndex& block, u32 staged) const {
        char* output = head_base(p.output, block.batch, block.head) + first_query * p.output.row_stride;
#pragma unroll 4
        for (int i = lane_index(); i < OutputTile::kBytes / 16; i += 32) {
            const int row = i / OutputTile::kChunks, chunk = i % OutputTile::kChunks;
            if (first_query + row >= p.query_rows) break;
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
    __shared__ SharedBases bases;
    const u32 shared = shared_address(shared_memory);
    if constexpr (Family::kNativeBfloat16) {
        if (p.value.bfloat16) {
            Attention<Family, kHeadDim, kCausal, bfloat16>(p, shared, bases).run();
            return;
        }
    }
    Attention<Family, kHeadDim, kCausal, float16>(p, shared, bases).run();
}

// Defines the two kernels of a head dim and their traits.
#define ATTENTION_KERNELS(head_dim, Family)                                                                     \
    extern "C" __constant__ sageattn_traits attention_hd##head_dim##_traits = {                                 \
        Attention<Family, head_dim, false, float16>::kThreads,                                                  \
        Attention<Family, head_dim, false, float16>::kSharedMemory};                                            \
    extern "C" __global__ void __launch_bounds__(Family::kWarps * 32, Family::blocks_per_sm(head_dim))          \
        attention_hd##head_dim##_full(const __grid_constant__ sageattn_attention_arguments p) {                 \
        run_attention<Family, head_dim, false>(p);                                                              \
    }                                                                                                           \
    extern "C" __global__ void __launch_bounds__(Family::kWarps * 32, Family::blocks_per_sm(head_dim))          \
        attention_hd##head_dim##_causal(const __grid_constant__ sageattn_attention_arguments p) {               \
        run_attention<Family, head_dim, true>(p);                                                               \
    }
